r"""Smooth and non-monotonic activation functions.

The kink of a ReLU can be rounded off, as in the softplus.  A ReLU is also its input
times a step; a step that rises gradually, a gate, makes it smooth and lets a little of
a negative input through.  GELU and SiLU (both Hendrycks and Gimpel, 2016) and Mish
(Misra, 2019) are made in this way, and none of them is monotonic.  The SiLU was tried
out by Elfwing et al. (2017), and found again as Swish by Ramachandran et al. (2017).

References
----------
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
* N. Shazeer (2020). GLU variants improve transformer. https://arxiv.org/abs/2002.05202
"""

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

from jaxtyping import Float

from dlnotes.arrays import Array, array_namespace, checked, erfc
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
    r"""Round off the kink of a ReLU.

    The softplus of a pre-activation :math:`z` is the area under the sigmoid
    :math:`\sigma` up to :math:`z`, so its derivative is the sigmoid:

    .. math::
       :label: eq-softplus

       \operatorname{softplus}(z) = \log(1 + e^z), \qquad
       \operatorname{softplus}'(z) = \sigma(z)

    The code computes :math:`\mathrm{ReLU}(z) + \log(1 + e^{-|z|})`, which is the same
    number and does not overflow.

    Parameters
    ----------
    z
        The pre-activation of each unit.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    It is above the ReLU, by log 2 at zero and by next to nothing far from it:

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
    r"""Multiply the pre-activation by its own sigmoid.

    A gated function is the pre-activation :math:`z` times a gate :math:`g`, a number
    between 0 and 1 that depends on :math:`z`:

    .. math::
       :label: eq-gated

       f(z) = z\,g(z)

    The gate of the SiLU, also called Swish, is the sigmoid:

    .. math::
       :label: eq-silu

       g(z) = \sigma(z)

    Parameters
    ----------
    z
        The pre-activation of each unit.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    The output for -1 is below that for -5:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import silu
    >>> silu(np.array([-5.0, -1.0, 0.0, 5.0])).round(3).tolist()
    [-0.033, -0.269, 0.0, 4.967]
    """
    return z * sigmoid(z)


@checked
def silu_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Differentiate the SiLU.

    For any gate the product rule gives

    .. math::
       :label: eq-gated-derivative

       f'(z) = g(z) + z\,g'(z)

    and the derivative of this gate is that of the sigmoid:

    .. math::
       :label: eq-silu-derivative

       g'(z) = \sigma(z)\,(1 - \sigma(z))

    Parameters
    ----------
    z
        The pre-activation of each unit, not its activation.

    Returns
    -------
    derivative
        The derivative at each.

    Examples
    --------
    At zero the derivative is the gate, one half; at -2 the function is falling:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import silu_derivative
    >>> silu_derivative(np.array([-2.0, 0.0, 2.0])).round(3).tolist()
    [-0.091, 0.5, 1.091]
    """
    slope = sigmoid_derivative(z)
    return sigmoid(z) + _where_it_counts(z, slope) * slope


@checked
def gelu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Multiply the pre-activation by a normal probability.

    The gate in :eq:`eq-gated` is the probability :math:`\Phi(z)` that a standard normal
    number is below :math:`z`, or a sigmoid that is close to it:

    .. math::
       :label: eq-gelu

       g(z) = \Phi(z) \approx \sigma(u), \qquad
       u = \sqrt{8 / \pi}\,(z + 0.044715\,z^3)

    The code has the sigmoid, which is what PyTorch calls ``approximate="tanh"``; the
    result differs from :math:`z\,\Phi(z)` by less than 0.0005 everywhere.

    Parameters
    ----------
    z
        The pre-activation of each unit.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    A standard normal number is below 1 in 84 of 100 cases, so the gate at 1 is 0.84:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import gelu
    >>> gelu(np.array([-1.0, 1.0])).round(2).tolist()
    [-0.16, 0.84]
    """
    return z * sigmoid(sqrt(8 / pi) * (z + 0.044715 * z**3))


@checked
def gelu_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Differentiate the GELU.

    It is :eq:`eq-gated-derivative` with the derivative of the gate by the chain rule:

    .. math::
       :label: eq-gelu-derivative

       g'(z) \approx \sigma(u)\,(1 - \sigma(u))\,u', \qquad
       u' = \sqrt{8 / \pi}\,(1 + 3 \cdot 0.044715\,z^2)

    It differs from the derivative of :math:`z\,\Phi(z)` by less than 0.001 everywhere.
    Far to the left, where both are next to nothing, it is smaller by powers of ten.

    Parameters
    ----------
    z
        The pre-activation of each unit, not its activation.

    Returns
    -------
    derivative
        The derivative of :func:`gelu` at each.

    Examples
    --------
    The derivatives at ``z`` and ``-z`` add up to one, since the two gates do:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import gelu_derivative
    >>> z = np.array([0.0, 0.7, 3.0])
    >>> gelu_derivative(z) + gelu_derivative(-z)
    array([1., 1., 1.])
    """
    u = sqrt(8 / pi) * (z + 0.044715 * z**3)
    slope = sigmoid_derivative(u)
    z = _where_it_counts(z, slope)
    return sigmoid(u) + z * slope * (sqrt(8 / pi) * (1 + 3 * 0.044715 * z**2))


@checked
def exact_gelu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Multiply the pre-activation by the normal probability itself.

    The gate is the integral of the standard normal density up to :math:`z`, which a
    library has as the complementary error function:

    .. math::
       :label: eq-exact-gelu

       g(z) = \Phi(z) = \frac{1}{\sqrt{2 \pi}} \int_{-\infty}^{z} e^{-t^2 / 2}\,dt
       = \tfrac12 \operatorname{erfc}\left( -z / \sqrt{2} \right)

    Parameters
    ----------
    z
        The pre-activation of each unit.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    It and :func:`gelu` agree to three digits, and differ in the fourth:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import exact_gelu, gelu
    >>> z = np.array([-1.0, 1.0])
    >>> exact_gelu(z).round(4).tolist(), gelu(z).round(4).tolist()
    ([-0.1587, 0.8413], [-0.1588, 0.8412])
    """
    return z * (erfc(-sqrt(1 / 2) * z) / 2)


@checked
def exact_gelu_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Differentiate the exact GELU.

    It is :eq:`eq-gated-derivative`, in which the derivative of the gate is the density:

    .. math::
       :label: eq-exact-gelu-derivative

       g'(z) = \frac{1}{\sqrt{2 \pi}} e^{-z^2 / 2}

    Parameters
    ----------
    z
        The pre-activation of each unit, not its activation.

    Returns
    -------
    derivative
        The derivative of :func:`exact_gelu` at each.

    Examples
    --------
    At zero it is the gate, one half.  At 1 it is the gate and the density there, which
    are 0.841 and 0.242:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import exact_gelu_derivative
    >>> exact_gelu_derivative(np.array([0.0, 1.0])).round(3).tolist()
    [0.5, 1.083]
    """
    slope = array_namespace(z).exp(-(z**2) / 2) * sqrt(1 / (2 * pi))
    return erfc(-sqrt(1 / 2) * z) / 2 + _where_it_counts(z, slope) * slope


@checked
def mish(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Multiply the pre-activation by the tanh of its softplus.

    The gate in :eq:`eq-gated` is

    .. math::
       :label: eq-mish

       g(z) = \tanh(\operatorname{softplus}(z))

    Parameters
    ----------
    z
        The pre-activation of each unit.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    The gate at zero is not one half but 0.6, the tanh of log 2:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import mish
    >>> (mish(np.array([-1e-9, 1e-9])) / 1e-9).round(3).tolist()
    [-0.6, 0.6]
    """
    return z * tanh(softplus(z))


@checked
def mish_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Differentiate Mish.

    It is :eq:`eq-gated-derivative`; by the chain rule the derivative of the gate is
    that of tanh times that of the softplus:

    .. math::
       :label: eq-mish-derivative

       g'(z) = (1 - g(z)^2)\,\sigma(z)

    Parameters
    ----------
    z
        The pre-activation of each unit, not its activation.

    Returns
    -------
    derivative
        The derivative at each.

    Examples
    --------
    At -2, left of its minimum, Mish is falling:

    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import mish_derivative
    >>> mish_derivative(np.array([-2.0, 0.0, 2.0])).round(3).tolist()
    [-0.108, 0.6, 1.069]
    """
    s, s_slope = softplus(z), sigmoid(z)
    slope = tanh_derivative(s)
    return tanh(s) + _where_it_counts(z, slope * s_slope) * slope * s_slope


@checked
def sine(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Apply the sine.

    The activation is a wave of the pre-activation:

    .. math::
       :label: eq-sine

       f(z) = \sin(z)

    Parameters
    ----------
    z
        The pre-activation of each unit.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    Inputs that differ by a full period have the same output:

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
    r"""Differentiate the sine.

    The derivative is the cosine:

    .. math::
       :label: eq-sine-derivative

       f'(z) = \cos(z)

    Parameters
    ----------
    z
        The pre-activation of each unit, not its activation.

    Returns
    -------
    derivative
        The derivative at each.

    Examples
    --------
    It does not saturate: a hundred periods away from zero it is what it is at zero.

    >>> from math import pi
    >>> import numpy as np
    >>> from dlnotes.networks.smooth_rectifiers import sine_derivative
    >>> sine_derivative(np.array([0.0, pi, 200 * pi])).round(3).tolist()
    [1.0, -1.0, 1.0]
    """
    xp = array_namespace(z)
    return xp.cos(z)


#: Every activation function of the book and its derivative, by name.
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


def _where_it_counts(z: Array, slope: Array) -> Array:
    """Return zero for what a slope of zero multiplies, since it may be infinite."""
    return array_namespace(z).where(slope == 0, 0, z)
