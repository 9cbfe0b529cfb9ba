r"""Adadelta.

Adadelta (Zeiler, 2012) began with two complaints about Adagrad: its sum of squares only
grows, and somebody has to choose a learning rate.  Against the first it keeps a running
mean of the squares, as RMSProp does, which was found at the same time.  Against the
second it multiplies by the usual size of its own steps of late, so that a step has the
unit of a parameter.

References
----------
* M. D. Zeiler (2012). Adadelta: an adaptive learning rate method.
  https://arxiv.org/abs/1212.5701
"""

from dataclasses import dataclass
from typing import Generic

from jaxtyping import Float

from dlnotes.arrays import Array, ArrayTree, array_namespace, checked
from dlnotes.checks import at_least
from dlnotes.optimization.rmsprop import running_mean_square


@dataclass(frozen=True, eq=False)
class State(ArrayTree, Generic[Array]):
    """The running means of the squares of gradients, ``v``, and of steps, ``u``."""

    v: Float[Array, "*shape"]
    u: Float[Array, "*shape"]


@checked
def init(theta: Float[Array, "*shape"]) -> State[Array]:
    """Return the state before the first step.

    Parameters
    ----------
    theta
        The parameters that will be updated.

    Returns
    -------
    state
        Both means zero.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.adadelta import init
    >>> init(np.array([3.0, 4.0]))
    State(v=array([0., 0.]), u=array([0., 0.]))
    """
    zeros = array_namespace(theta).zeros_like
    return State(v=zeros(theta), u=zeros(theta))


@checked
def update(
    theta: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    state: State[Array],
    *,
    learning_rate: float = 1.0,
    decay: float = 0.9,
    epsilon: float = 1e-6,
) -> tuple[Float[Array, "*shape"], State[Array]]:
    r"""Take one step of Adadelta.

    The gradient :math:`g_t` is divided by its root mean square, and multiplied by that
    of the steps :math:`\Delta_s` before this one.  Both means, :math:`v_t` of the
    squares of gradients and :math:`u_t` of those of steps, have the decay
    :math:`\beta`, and :math:`\epsilon` stands inside both roots:

    .. math::
       :label: eq-adadelta

       \Delta_t &= \frac{\sqrt{u_{t-1} + \epsilon}}{\sqrt{v_t + \epsilon}}\; g_t \\
       u_t &= \beta\, u_{t-1} + (1 - \beta)\, \Delta_t^2, \qquad u_0 = 0 \\
       \theta_t &= \theta_{t-1} - \eta\, \Delta_t

    In the paper there is no learning rate: :math:`\eta = 1`.

    Parameters
    ----------
    theta
        The parameters :math:`\theta_{t-1}`.
    gradient
        The gradient :math:`g_t` of the loss at ``theta``.
    state
        The means after the step before.
    learning_rate
        The factor :math:`\eta` of the step, at least 0.
    decay
        The decay :math:`\beta` of both means, at least 0 and less than 1.
    epsilon
        The number :math:`\epsilon` that the first steps grow from, at least 0; with 0
        there is never a step.

    Returns
    -------
    theta
        The parameters :math:`\theta_t`.
    state
        The means after this step.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    With a decay of 0.9 the first mean square is a tenth of the first square.  So the
    first step is the root of ten epsilon, for any gradient that is large against it:

    >>> import numpy as np
    >>> from dlnotes.optimization.adadelta import init, update
    >>> theta, gradient = np.zeros(3), np.array([1000.0, -1.0, 0.0])
    >>> theta, state = update(theta, gradient, init(theta), epsilon=1e-5)
    >>> theta.round(4)
    array([-0.01,  0.01,  0.  ])
    """
    at_least(0, learning_rate=learning_rate, epsilon=epsilon)
    xp = array_namespace(theta)
    v = running_mean_square(state.v, gradient, decay=decay)
    delta = xp.sqrt(state.u + epsilon) / xp.sqrt(v + epsilon) * gradient
    u = running_mean_square(state.u, delta, decay=decay)
    return theta - learning_rate * delta, State(v, u)
