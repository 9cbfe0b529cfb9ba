r"""Gradient descent.

The gradient of a loss :math:`J` points where the loss rises fastest.  Gradient descent
steps the other way, as far as the gradient is long times the learning rate
:math:`\eta`:

.. math::
   :label: eq-gd-step

   g_t &= \nabla J(\theta_{t-1}) + \lambda\, \theta_{t-1} \\
   \theta_t &= \theta_{t-1} - \eta\, g_t

A weight decay :math:`\lambda > 0` adds the gradient of a penalty on large parameters,
:math:`\tfrac{\lambda}{2} \lVert \theta \rVert^2`; most of the time it is zero.  In
*stochastic* gradient descent :math:`J` is the mean loss of a few instances, other ones
at every step, so that a step costs the same however much data there are (Robbins and
Monro, 1951).

Where the loss has curvature :math:`a` along an axis, a step multiplies the distance
from the minimum by :math:`1 - \eta a`.  It shrinks only if :math:`\eta < 2 / a`, so the
steepest direction sets the learning rate and the flattest sets the number of steps.

References
----------
* A. Cauchy (1847). Méthode générale pour la résolution des systèmes d'équations
  simultanées. *Comptes rendus de l'Académie des sciences* 25.
* H. Robbins and S. Monro (1951). A stochastic approximation method. *The Annals of
  Mathematical Statistics* 22(3). https://doi.org/10.1214/aoms/1177729586
"""

from jaxtyping import Float

from dlnotes.arrays import Array, checked


@checked
def penalized_gradient(
    theta: Float[Array, "*shape"], gradient: Float[Array, "*shape"], *, decay: float
) -> Float[Array, "*shape"]:
    r"""Add the gradient of the penalty, :math:`\lambda\, \theta` in :eq:`eq-gd-step`.

    Parameters
    ----------
    theta
        The parameters :math:`\theta_{t-1}`.
    gradient
        The gradient of the loss there.
    decay
        The weight decay :math:`\lambda`, at least 0.

    Returns
    -------
    gradient
        The gradient :math:`g_t` of the loss and the penalty together.

    Raises
    ------
    ValueError
        If the decay is negative.

    Examples
    --------
    A parameter comes to rest where the loss pushes it out as hard as the penalty pulls
    it in:

    >>> import numpy as np
    >>> from dlnotes.optimization.gradient_descent import penalized_gradient
    >>> theta, gradient = np.array([3.0, -2.0]), np.array([-1.5, 1.5])
    >>> penalized_gradient(theta, gradient, decay=0.5)
    array([0. , 0.5])
    """
    if not decay >= 0:
        raise ValueError(f"decay must be at least 0, got {decay}")
    return gradient + decay * theta


@checked
def update(
    theta: Float[Array, "*shape"], gradient: Float[Array, "*shape"], *, rate: float
) -> Float[Array, "*shape"]:
    r"""Take one step of :eq:`eq-gd-step`.

    Parameters
    ----------
    theta
        The parameters :math:`\theta_{t-1}`.
    gradient
        The gradient :math:`g_t`, with or without that of a penalty.
    rate
        The learning rate :math:`\eta`, at least 0.

    Returns
    -------
    theta
        The parameters :math:`\theta_t`.

    Raises
    ------
    ValueError
        If the rate is negative.

    Examples
    --------
    On a parabola of curvature 4 a rate of a quarter arrives in a single step, and a
    rate of a half jumps to the other side for ever:

    >>> import numpy as np
    >>> from dlnotes.optimization.gradient_descent import update
    >>> theta = np.array([3.0])
    >>> update(theta, 4 * theta, rate=0.25), update(theta, 4 * theta, rate=0.5)
    (array([0.]), array([-3.]))
    """
    if not rate >= 0:
        raise ValueError(f"rate must be at least 0, got {rate}")
    return theta - rate * gradient
