r"""Nesterov momentum.

A step of momentum has two parts, and one of them is known before the gradient is: what
is left of the last step.  Nesterov (1983) makes this part first and takes the gradient
at the point that it leads to.  He proved that so the loss of a convex problem falls as
fast as it can with gradients alone, up to a constant.  Sutskever, Martens, Dahl and
Hinton (2013) brought the look-ahead form to deep learning.

References
----------
* Y. Nesterov (1983). A method for solving the convex programming problem with
  convergence rate O(1/k²). *Soviet Mathematics Doklady* 27(2).
* Y. Nesterov (2004). *Introductory Lectures on Convex Optimization*. Springer.
  https://doi.org/10.1007/978-1-4419-8853-9
* I. Sutskever, J. Martens, G. Dahl and G. Hinton (2013). On the importance of
  initialization and momentum in deep learning. *ICML*.
  https://proceedings.mlr.press/v28/sutskever13.html
* L. Lessard, B. Recht and A. Packard (2016). Analysis and design of optimization
  algorithms via integral quadratic constraints. *SIAM Journal on Optimization* 26(1).
  https://arxiv.org/abs/1408.3595
* W. Su, S. Boyd and E. J. Candès (2016). A differential equation for modeling
  Nesterov's accelerated gradient method: theory and insights. *Journal of Machine
  Learning Research* 17. https://jmlr.org/papers/v17/15-084.html
* E. Ghadimi, H. R. Feyzmahdavian and M. Johansson (2015). Global convergence of the
  heavy-ball method for convex optimization. *European Control Conference*.
  https://arxiv.org/abs/1412.7457
* B. Goujaud, A. Taylor and A. Dieuleveut (2023). Provable non-accelerations of the
  heavy-ball method. https://arxiv.org/abs/2307.11291
"""

from collections.abc import Callable

from jaxtyping import Float

from dlnotes.arrays import Array, checked
from dlnotes.checks import at_least, integer
from dlnotes.optimization.gradient_descent import update as descend
from dlnotes.optimization.momentum import velocity


@checked
def look_ahead_update(
    theta: Float[Array, "*shape"],
    u: Float[Array, "*shape"],
    gradient: Callable[[Array], Array],
    *,
    learning_rate: float,
    mu: float,
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    r"""Take one step of Nesterov's momentum in its look-ahead form.

    The last step :math:`u_{t-1}`, decayed by the momentum coefficient :math:`\mu`,
    leads to the look-ahead point.  The gradient there corrects it:

    .. math::
       :label: eq-nesterov-look-ahead

       u_t &= \mu\, u_{t-1}
       - \eta\, \nabla J(\tilde\theta_{t-1} + \mu\, u_{t-1}) \\
       \tilde\theta_t &= \tilde\theta_{t-1} + u_t

    Parameters
    ----------
    theta
        The parameters :math:`\tilde\theta_{t-1}`.
    u
        The last step :math:`u_{t-1}`; zeros at the start.
    gradient
        The function :math:`\nabla J`, from parameters to the gradient there.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    mu
        The momentum coefficient :math:`\mu`, at least 0.

    Returns
    -------
    theta
        The parameters :math:`\tilde\theta_t`.
    u
        The step :math:`u_t`.

    Raises
    ------
    ValueError
        If the rate or the momentum is negative.

    Examples
    --------
    On a parabola with curvature 1, where the gradient at a point is the point itself,
    from 4 after a step of -4.  The look-ahead point is 2, and the step is -2 less half
    of the gradient there:

    >>> import numpy as np
    >>> from dlnotes.optimization.nesterov import look_ahead_update
    >>> theta, u = np.array([4.0]), np.array([-4.0])
    >>> look_ahead_update(theta, u, lambda x: x, learning_rate=0.5, mu=0.5)
    (array([1.]), array([-3.]))
    """
    at_least(0, mu=mu)
    left = mu * u
    u = descend(left, gradient(theta + left), learning_rate=learning_rate)
    return theta + u, u


@checked
def update(
    theta: Float[Array, "*shape"],
    v: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    *,
    learning_rate: float,
    mu: float,
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    r"""Take one step of Nesterov's momentum with the gradient at the parameters.

    The velocity is that of momentum without dampening.  The step adds to the
    new gradient what the velocity will contribute to the next step:

    .. math::
       :label: eq-nesterov

       \theta_t = \theta_{t-1} - \eta\, (g_t + \mu\, v_t)

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

    Returns
    -------
    theta
        The parameters :math:`\theta_t`.
    v
        The velocity :math:`v_t`.

    Raises
    ------
    ValueError
        If the rate or the momentum is out of its range.

    Examples
    --------
    From 1, on a parabola with curvature 1.  The parameters are look-ahead points; at
    this rate even they go less far beyond the minimum at 0 than momentum does:

    >>> import numpy as np
    >>> from dlnotes.optimization import momentum, nesterov
    >>> for step in (momentum.update, nesterov.update):
    ...     theta, v, path = np.array([1.0]), np.array([0.0]), []
    ...     for _ in range(5):
    ...         theta, v = step(theta, v, gradient=theta, learning_rate=0.5, mu=0.5)
    ...         path.append(float(theta[0]))
    ...     min(path)
    -0.25
    -0.109375
    """
    v = velocity(v, gradient, mu=mu)
    return descend(theta, gradient + mu * v, learning_rate=learning_rate), v


def scheduled_mu(t: int) -> float:
    r"""Return the momentum coefficient of a step for which the loss has a bound.

    At step :math:`t` it is

    .. math::
       :label: eq-nesterov-schedule

       \mu_t = \max\Big( 0,\; \frac{t - 2}{t + 1} \Big)

    Let the loss be convex with a minimum at :math:`\theta^*`, and let its gradient be
    exact and change by at most :math:`L` times the distance between two points.  Then
    :func:`look_ahead_update` with :math:`\mu_t` and :math:`\eta = 1 / L`, from rest,
    has

    .. math::
       :label: eq-nesterov-bound

       J(\tilde\theta_t) - J(\theta^*)
       \le \frac{2 L\, \lVert \tilde\theta_0 - \theta^* \rVert^2}{(t + 1)^2}

    Parameters
    ----------
    t
        The number of the step, from 1.

    Returns
    -------
    mu
        The coefficient, which rises from 0 towards 1.

    Raises
    ------
    ValueError
        If there is no such step.

    Examples
    --------
    >>> from dlnotes.optimization.nesterov import scheduled_mu
    >>> [scheduled_mu(t) for t in (1, 2, 3, 5, 11, 29)]
    [0.0, 0.0, 0.25, 0.5, 0.75, 0.9]
    """
    integer(1, t=t)
    return max(0.0, (t - 2) / (t + 1))
