r"""Smooth and non-monotonic activation functions.

The area under a sigmoid is the softplus, a ReLU with its kink rounded off:

.. math::
   :label: eq-softplus

   \operatorname{softplus}(z) = \log(1 + e^z), \qquad
   \operatorname{softplus}'(z) = \sigma(z)

A ReLU multiplies its input by a step.  Its smooth relatives multiply by something
smooth that rises from 0 to 1, a gate :math:`g`:

.. math::
   :label: eq-gated

   f(z) = z\,g(z), \qquad f'(z) = g(z) + z\,g'(z)

The gate of the SiLU, also called Swish (Elfwing et al., 2017; Ramachandran et al.,
2017), is the sigmoid,

.. math::
   :label: eq-silu

   g(z) = \sigma(z), \qquad g'(z) = \sigma(z)\,(1 - \sigma(z)),

that of the GELU (Hendrycks and Gimpel, 2016) the chance that a standard normal number
is below :math:`z`, or a sigmoid that is close to it everywhere,

.. math::
   :label: eq-gelu

   &g(z) = \Phi(z) \approx \sigma(u), \qquad u = \sqrt{8 / \pi}\,(z + 0.044715\,z^3), \\
   &g'(z) \approx \sigma(u)\,(1 - \sigma(u))\,u', \qquad
   u' = \sqrt{8 / \pi}\,(1 + 3 \cdot 0.044715\,z^2),

and that of Mish (Misra, 2019)

.. math::
   :label: eq-mish

   g(z) = \tanh(\operatorname{softplus}(z)), \qquad
   g'(z) = (1 - g(z)^2)\,\sigma(z).

None of the three is monotonic: each has a dip below zero.  Nor is the sine, with which
Sitzmann et al. (2020) fit images and sounds:

.. math::
   :label: eq-sine

   f(z) = \sin(z), \qquad f'(z) = \cos(z)

What a function must have for a network of one hidden layer to come as close as one
likes to any continuous function on a bounded set is little: if it is continuous, all
that is needed is that it is not a polynomial (Leshno et al., 1993).

References
----------
* M. Leshno, V. Y. Lin, A. Pinkus and S. Schocken (1993). Multilayer feedforward
  networks with a nonpolynomial activation function can approximate any function.
  *Neural Networks* 6(6). https://doi.org/10.1016/S0893-6080(05)80131-5
* D. Hendrycks and K. Gimpel (2016). Gaussian error linear units (GELUs).
  https://arxiv.org/abs/1606.08415
* S. Elfwing, E. Uchibe and K. Doya (2017). Sigmoid-weighted linear units for neural
  network function approximation in reinforcement learning.
  https://arxiv.org/abs/1702.03118
* P. Ramachandran, B. Zoph and Q. V. Le (2017). Searching for activation functions.
  https://arxiv.org/abs/1710.05941
* D. Misra (2019). Mish: a self regularized non-monotonic activation function.
  https://arxiv.org/abs/1908.08681
* V. Sitzmann, J. N. P. Martel, A. W. Bergman, D. B. Lindell and G. Wetzstein (2020).
  Implicit neural representations with periodic activation functions.
  https://arxiv.org/abs/2006.09661
"""

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

from jaxtyping import Float

from dlnotes.arrays import Array, array_namespace, checked
from dlnotes.networks.activations import (
    heaviside_derivative,
    scaled_tanh,
    scaled_tanh_derivative,
    sigmoid,
    sigmoid_derivative,
    tanh,
    tanh_derivative,
)
from dlnotes.networks.rectifiers import (
    elu,
    elu_derivative,
    leaky_relu,
    leaky_relu_derivative,
    relu,
    relu_derivative,
)
from dlnotes.neurons.perceptron import heaviside


@checked
def softplus(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Round off the kink of a ReLU, :eq:`eq-softplus`; its derivative is the sigmoid.

    What it has more than the ReLU is the same on both sides of zero, and no exponential
    overflows in it: :math:`\log(1 + e^{-|z|})`.

    Parameters
    ----------
    z
        The net input of each unit.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    It is always above the ReLU, by log 2 at the kink and by nothing that matters far
    from it:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import softplus
    >>> softplus(np.array([-1000.0, 0.0, 1000.0])).round(3).tolist()
    [0.0, 0.693, 1000.0]
    """
    xp = array_namespace(z)
    side = 1 - 2 * xp.astype(z > 0, z.dtype)
    return relu(z) + xp.log1p(xp.exp(side * z))


@checked
def silu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Let a sigmoid decide how much of its own input comes through, :eq:`eq-silu`.

    Parameters
    ----------
    z
        The net input of each unit.

    Returns
    -------
    a
        The activation of each unit, by :eq:`eq-gated`.

    Examples
    --------
    A unit that is a little negative answers below one that is very negative:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import silu
    >>> silu(np.array([-5.0, -1.0, 0.0, 5.0])).round(3).tolist()
    [-0.033, -0.269, 0.0, 4.967]
    """
    return z * sigmoid(z)


@checked
def silu_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Differentiate :eq:`eq-gated` with the gate :eq:`eq-silu`.

    Parameters
    ----------
    z
        The net input of each unit, not its activation.

    Returns
    -------
    derivative
        The slope at each.

    Examples
    --------
    At zero it is one half, as it must be for any gate that is half open there:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import silu_derivative
    >>> silu_derivative(np.array([-2.0, 0.0, 2.0])).round(3).tolist()
    [-0.091, 0.5, 1.091]
    """
    return sigmoid(z) + z * sigmoid_derivative(z)


@checked
def gelu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Let the normal distribution decide how much comes through, :eq:`eq-gelu`.

    The normal distribution needs the error function, which the array libraries do not
    share.  The authors' sigmoid in its place is off by less than 0.0005 everywhere; it
    is what PyTorch calls ``approximate="tanh"``.

    Parameters
    ----------
    z
        The net input of each unit.

    Returns
    -------
    a
        The activation of each unit, by :eq:`eq-gated`.

    Examples
    --------
    A standard normal number is below 1 in 84 of 100 cases, and so 84 percent of 1 come
    through:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import gelu
    >>> gelu(np.array([-1.0, 1.0])).round(2).tolist()
    [-0.16, 0.84]
    """
    return z * sigmoid(sqrt(8 / pi) * (z + 0.044715 * z**3))


@checked
def gelu_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Differentiate :eq:`eq-gated` with the gate :eq:`eq-gelu`.

    Parameters
    ----------
    z
        The net input of each unit, not its activation.

    Returns
    -------
    derivative
        The slope of :func:`gelu` at each.

    Examples
    --------
    The slopes at ``z`` and ``-z`` add up to one, for the two gates do:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import gelu_derivative
    >>> z = np.array([0.0, 0.7, 3.0])
    >>> gelu_derivative(z) + gelu_derivative(-z)
    array([1., 1., 1.])
    """
    u = sqrt(8 / pi) * (z + 0.044715 * z**3)
    u_slope = sqrt(8 / pi) * (1 + 3 * 0.044715 * z**2)
    return sigmoid(u) + z * sigmoid_derivative(u) * u_slope


@checked
def mish(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Let tanh of a softplus decide how much comes through, :eq:`eq-mish`.

    Parameters
    ----------
    z
        The net input of each unit.

    Returns
    -------
    a
        The activation of each unit, by :eq:`eq-gated`.

    Examples
    --------
    At zero the gate is not half but six tenths open, since the tanh of log 2 is 0.6:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import mish
    >>> (mish(np.array([-1e-9, 1e-9])) / 1e-9).round(3).tolist()
    [-0.6, 0.6]
    """
    return z * tanh(softplus(z))


@checked
def mish_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Differentiate :eq:`eq-gated` with the gate :eq:`eq-mish`.

    Parameters
    ----------
    z
        The net input of each unit, not its activation.

    Returns
    -------
    derivative
        The slope at each.

    Examples
    --------
    Below the bottom of its dip, a weaker input is a stronger answer:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import mish_derivative
    >>> mish_derivative(np.array([-2.0, 0.0, 2.0])).round(3).tolist()
    [-0.108, 0.6, 1.069]
    """
    return tanh(softplus(z)) + z * tanh_derivative(softplus(z)) * sigmoid(z)


@checked
def sine(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Answer in waves, by :eq:`eq-sine`.

    Parameters
    ----------
    z
        The net input of each unit.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    A full turn changes nothing, so the unit cannot tell 1 from 7.28:

    >>> from math import pi
    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import sine
    >>> sine(np.array([1.0, 1.0 + 2 * pi])).round(3).tolist()
    [0.841, 0.841]
    """
    xp = array_namespace(z)
    return xp.sin(z)


@checked
def sine_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Differentiate :eq:`eq-sine`.

    Parameters
    ----------
    z
        The net input of each unit, not its activation.

    Returns
    -------
    derivative
        The slope at each.

    Examples
    --------
    It never dies out: a hundred turns away from zero it is what it is at zero.

    >>> from math import pi
    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import sine_derivative
    >>> sine_derivative(np.array([0.0, pi, 200 * pi])).round(3).tolist()
    [1.0, -1.0, 1.0]
    """
    xp = array_namespace(z)
    return xp.cos(z)


#: Every activation function of the book, and its slope, by name.
ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "step": (heaviside, heaviside_derivative),
    "sigmoid": (sigmoid, sigmoid_derivative),
    "tanh": (tanh, tanh_derivative),
    "scaled tanh": (scaled_tanh, scaled_tanh_derivative),
    "ReLU": (relu, relu_derivative),
    "leaky ReLU": (leaky_relu, leaky_relu_derivative),
    "ELU": (elu, elu_derivative),
    "softplus": (softplus, sigmoid),
    "SiLU": (silu, silu_derivative),
    "GELU": (gelu, gelu_derivative),
    "Mish": (mish, mish_derivative),
    "sine": (sine, sine_derivative),
}
