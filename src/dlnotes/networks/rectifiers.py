r"""Rectifiers.

A rectifier lets through what is positive and stops the rest.  It is the simplest
function that is not linear, two straight lines that meet at zero:

.. math::
   :label: eq-relu

   \mathrm{ReLU}(z) = \max(0, z), \qquad
   \mathrm{ReLU}'(z) = \mathbf{1}[z > 0] \quad (z \ne 0)

At the kink there is no derivative.  Every slope from 0 to 1 fits under the curve there,
and 0 is the one that is taken.  A leaky ReLU (Maas et al., 2013) lets a little through
on the other side too:

.. math::
   :label: eq-leaky-relu

   f(z) = \begin{cases} z & z > 0, \\ \alpha z & z \le 0, \end{cases} \qquad
   f'(z) = \begin{cases} 1 & z > 0, \\ \alpha & z \le 0, \end{cases}

which is :math:`\max(\alpha z, z)` as long as :math:`0 < \alpha < 1`.  An exponential
linear unit (Clevert et al., 2015) levels off instead, toward :math:`-\alpha`, and with
:math:`\alpha = 1` it has no kink:

.. math::
   :label: eq-elu

   f(z) = \begin{cases} z & z > 0, \\ \alpha\,(e^z - 1) & z \le 0, \end{cases} \qquad
   f'(z) = \begin{cases} 1 & z > 0, \\ \alpha\,e^z & z \le 0. \end{cases}

References
----------
* V. Nair and G. E. Hinton (2010). Rectified linear units improve restricted Boltzmann
  machines. *International Conference on Machine Learning*.
  https://icml.cc/Conferences/2010/papers/432.pdf
* X. Glorot, A. Bordes and Y. Bengio (2011). Deep sparse rectifier neural networks.
  *Proceedings of Machine Learning Research* 15.
  https://proceedings.mlr.press/v15/glorot11a.html
* A. L. Maas, A. Y. Hannun and A. Y. Ng (2013). Rectifier nonlinearities improve neural
  network acoustic models. *ICML Workshop on Deep Learning for Audio, Speech and
  Language Processing*.
  https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf
* D.-A. Clevert, T. Unterthiner and S. Hochreiter (2015). Fast and accurate deep network
  learning by exponential linear units (ELUs). https://arxiv.org/abs/1511.07289
"""

from jaxtyping import Float, Real

from dlnotes.arrays import Array, array_namespace, checked


@checked
def relu(z: Real[Array, "*shape"]) -> Real[Array, "*shape"]:
    """Keep what is positive and replace the rest by zero, :eq:`eq-relu`.

    It chooses by the sign, and not by a maximum, so that automatic differentiation too
    finds a slope of 0 at zero.

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
    Any number is the difference of two rectified ones:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import relu
    >>> z = np.array([-3.0, 0.0, 2.0])
    >>> relu(z), relu(-z), relu(z) - relu(-z)
    (array([0., 0., 2.]), array([3., 0., 0.]), array([-3.,  0.,  2.]))
    """
    xp = array_namespace(z)
    return xp.where(z <= 0, 0, z)


@checked
def relu_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Differentiate :eq:`eq-relu`.

    Parameters
    ----------
    z
        The net input of each unit.

    Returns
    -------
    derivative
        One where ``z`` is positive, else zero, and not a number where ``z`` is none.

    Examples
    --------
    However large the activation, the slope is one, so a layer of active units passes a
    gradient back undiminished:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import relu_derivative
    >>> relu_derivative(np.array([-5.0, 0.0, 0.001, 1000.0]))
    array([0., 0., 1., 1.])
    """
    xp = array_namespace(z)
    return xp.where(xp.isnan(z), z, xp.astype(z > 0, z.dtype))


@checked
def leaky_relu(
    z: Float[Array, "*shape"], *, alpha: float = 0.01
) -> Float[Array, "*shape"]:
    r"""Keep what is positive and shrink the rest, :eq:`eq-leaky-relu`.

    Parameters
    ----------
    z
        The net input of each unit.
    alpha
        The slope :math:`\alpha` of the negative side.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    What has leaked can be brought back, by the same function with one over ``alpha``:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import leaky_relu
    >>> a = leaky_relu(np.array([-3.0, 2.0]), alpha=0.25)
    >>> a, leaky_relu(a, alpha=4.0)
    (array([-0.75,  2.  ]), array([-3.,  2.]))
    """
    active = array_namespace(z).astype(z > 0, z.dtype)
    return z * (active + alpha * (1 - active))


@checked
def leaky_relu_derivative(
    z: Float[Array, "*shape"], *, alpha: float = 0.01
) -> Float[Array, "*shape"]:
    r"""Differentiate :eq:`eq-leaky-relu`.

    Parameters
    ----------
    z
        The net input of each unit.
    alpha
        The slope :math:`\alpha` of the negative side.

    Returns
    -------
    derivative
        One where ``z`` is positive, else ``alpha``.

    Examples
    --------
    A silent unit still hears a hundredth of what it is told:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import leaky_relu_derivative
    >>> leaky_relu_derivative(np.array([-5.0, 0.0, 5.0]))
    array([0.01, 0.01, 1.  ])
    """
    active = relu_derivative(z)
    return active + alpha * (1 - active)


@checked
def elu(z: Float[Array, "*shape"], *, alpha: float = 1.0) -> Float[Array, "*shape"]:
    r"""Keep what is positive and let the rest level off, :eq:`eq-elu`.

    Parameters
    ----------
    z
        The net input of each unit.
    alpha
        How far below zero the activation can go, :math:`\alpha`; if it is negative, how
        far above.

    Returns
    -------
    a
        The activation of each unit.

    Examples
    --------
    Just below zero it is almost the straight line; far below, all inputs look alike:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import elu
    >>> elu(np.array([2.0, -0.01, -10.0, -20.0])).round(3).tolist()
    [2.0, -0.01, -1.0, -1.0]
    """
    xp = array_namespace(z)
    below = xp.where(z > 0, 0.0, z)
    return relu(z) + alpha * xp.expm1(below)


@checked
def elu_derivative(
    z: Float[Array, "*shape"], *, alpha: float = 1.0
) -> Float[Array, "*shape"]:
    r"""Differentiate :eq:`eq-elu`.

    Parameters
    ----------
    z
        The net input of each unit.
    alpha
        How far below zero the activation can go, :math:`\alpha`; if it is negative, how
        far above.

    Returns
    -------
    derivative
        One where ``z`` is positive, and below that the activation plus ``alpha``.

    Examples
    --------
    Where the activation has lost half of ``alpha``, so has the slope:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import elu, elu_derivative
    >>> z = np.log(np.array([0.5]))
    >>> elu(z), elu_derivative(z)
    (array([-0.5]), array([0.5]))
    """
    xp = array_namespace(z)
    below, active = xp.where(z > 0, 0.0, z), relu_derivative(z)
    return active + alpha * (1 - active) * xp.exp(below)
