r"""Momentum.

In a long, narrow valley gradient descent zigzags between the walls and makes little way
along the floor.  Momentum (Polyak, 1964) steps along a decaying sum of all gradients so
far: components that change their sign cancel, and those that keep it add up.
Rumelhart, Hinton and Williams (1986) brought it to the training of networks.

References
----------
* B. T. Polyak (1964). Some methods of speeding up the convergence of iteration methods.
  *USSR Computational Mathematics and Mathematical Physics* 4(5).
  https://doi.org/10.1016/0041-5553(64)90137-5
* D. E. Rumelhart, G. E. Hinton and R. J. Williams (1986). Learning representations by
  back-propagating errors. *Nature* 323. https://doi.org/10.1038/323533a0
"""

from jaxtyping import Float

from dlnotes.arrays import Array, checked
from dlnotes.checks import at_least, in_range
from dlnotes.optimization.gradient_descent import update as descend


@checked
def velocity(
    v: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    *,
    mu: float,
    dampening: float = 0.0,
) -> Float[Array, "*shape"]:
    r"""Add a gradient to the part of the velocity that is kept.

    The velocity :math:`v_t` after step :math:`t` is the momentum coefficient
    :math:`\mu` times the velocity before, plus the gradient :math:`g_t`, reduced by the
    dampening :math:`\tau`, which is zero most of the time:

    .. math::
       :label: eq-momentum-velocity

       v_t = \mu\, v_{t-1} + (1 - \tau)\, g_t, \qquad v_0 = 0

    Parameters
    ----------
    v
        The velocity :math:`v_{t-1}`.
    gradient
        The gradient :math:`g_t`.
    mu
        The momentum coefficient :math:`\mu`, at least 0; less than 1, or the velocity
        may grow for ever.
    dampening
        The share :math:`\tau` of the gradient that is lost, from 0 to 1.

    Returns
    -------
    v
        The velocity :math:`v_t`.

    Raises
    ------
    ValueError
        If the momentum or the dampening is out of its range.

    Examples
    --------
    Three equal gradients add up to 4 + 2 + 1:

    >>> import numpy as np
    >>> from dlnotes.optimization.momentum import velocity
    >>> v, gradient = np.zeros(1), np.array([4.0])
    >>> for _ in range(3):
    ...     v = velocity(v, gradient, mu=0.5)
    >>> v
    array([7.])
    """
    at_least(0, mu=mu)
    in_range(0, 1, dampening=dampening)
    return mu * v + (1 - dampening) * gradient


@checked
def update(
    theta: Float[Array, "*shape"],
    v: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    *,
    learning_rate: float,
    mu: float,
    dampening: float = 0.0,
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    r"""Take one step along the velocity.

    The step is that of gradient descent, with the velocity :math:`v_t` in the place of
    the gradient and the learning rate :math:`\eta`:

    .. math::
       :label: eq-momentum

       \theta_t = \theta_{t-1} - \eta\, v_t

    Where :math:`k` gradients in a row equal :math:`g`, from a velocity of zero and
    without dampening, the steps grow like a geometric series:

    .. math::
       :label: eq-momentum-terminal

       \lVert \theta_k - \theta_{k-1} \rVert
       = \eta\, \lVert g \rVert\, \frac{1 - \mu^k}{1 - \mu}
       \;\to\; \frac{\eta\, \lVert g \rVert}{1 - \mu}

    Parameters
    ----------
    theta
        The parameters :math:`\theta_{t-1}`.
    v
        The velocity :math:`v_{t-1}`; zeros at the start.
    gradient
        The gradient :math:`g_t` of the loss at ``theta``.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    mu
        The momentum coefficient :math:`\mu`, at least 0.
    dampening
        The share :math:`\tau` of the gradient that is lost, from 0 to 1.

    Returns
    -------
    theta
        The parameters :math:`\theta_t`.
    v
        The velocity :math:`v_t`.

    Raises
    ------
    ValueError
        If the rate, the momentum or the dampening is out of its range.

    Examples
    --------
    At the minimum the gradient is zero.  If the velocity is not, the step goes beyond
    the minimum:

    >>> import numpy as np
    >>> from dlnotes.optimization.momentum import update
    >>> bottom, v = np.array([0.0]), np.array([2.0])
    >>> update(bottom, v, gradient=bottom, learning_rate=0.1, mu=0.5)
    (array([-0.1]), array([1.]))
    """
    v = velocity(v, gradient, mu=mu, dampening=dampening)
    return descend(theta, v, learning_rate=learning_rate), v
