r"""RMSProp.

Adagrad divides each parameter's gradient by the root of the sum of all its squares so
far, so that its learning rate can only fall.  RMSProp (Tieleman and Hinton, 2012)
forgets: it divides by the root of a running mean of the squares, the usual size of a
gradient of late.  Then a parameter's step is about one learning rate long, whatever the
scale of the loss.  A variant divides by the standard deviation in place of the root
mean square (Graves, 2013), and another carries the quotients on as momentum does.

References
----------
* T. Tieleman and G. Hinton (2012). Lecture 6.5: RMSProp. *Coursera: Neural Networks for
  Machine Learning*.
* A. Graves (2013). Generating sequences with recurrent neural networks.
  https://arxiv.org/abs/1308.0850
* V. Mnih et al. (2015). Human-level control through deep reinforcement learning.
  *Nature* 518. https://doi.org/10.1038/nature14236
* M. Tan and Q. V. Le (2019). EfficientNet: rethinking model scaling for convolutional
  neural networks. *International Conference on Machine Learning*.
  https://arxiv.org/abs/1905.11946
"""

from dataclasses import dataclass
from typing import Generic

from jaxtyping import Float

from dlnotes.arrays import Array, ArrayTree, array_namespace, checked
from dlnotes.checks import at_least, in_range
from dlnotes.optimization.momentum import velocity


@checked
def running_mean(
    mean: Float[Array, "*shape"], value: Float[Array, "*shape"], *, decay: float
) -> Float[Array, "*shape"]:
    r"""Update an exponential moving average with a new value.

    The decay :math:`\beta` is the share of the old mean :math:`m_{t-1}` that is kept;
    the rest comes from the new value :math:`g_t`:

    .. math::
       :label: eq-adam-mean

       m_t = \beta\, m_{t-1} + (1 - \beta)\, g_t, \qquad m_0 = 0

    A value that is :math:`k` steps old has the weight :math:`(1 - \beta)\, \beta^k`,
    so about the last :math:`1 / (1 - \beta)` values count.

    Parameters
    ----------
    mean
        The mean of the values so far, zero before the first.
    value
        The new value.
    decay
        The share :math:`\beta` of the mean that is kept, at least 0 and less than 1.

    Returns
    -------
    mean
        The mean with the new value.

    Raises
    ------
    ValueError
        If the decay is out of its range.

    Examples
    --------
    From zero towards a constant 8, each step goes the same share of the way:

    >>> import numpy as np
    >>> from dlnotes.optimization.rmsprop import running_mean
    >>> mean, means = np.zeros(1), []
    >>> for _ in range(4):
    ...     mean = running_mean(mean, np.array([8.0]), decay=0.5)
    ...     means.append(float(mean[0]))
    >>> means
    [4.0, 6.0, 7.0, 7.5]
    """
    in_range(0, 1, half_open=True, decay=decay)
    return decay * mean + (1 - decay) * value


@checked
def running_mean_square(
    mean: Float[Array, "*shape"], value: Float[Array, "*shape"], *, decay: float
) -> Float[Array, "*shape"]:
    r"""Update an exponential moving average of squares with a new value.

    It is :func:`running_mean` of the square of the value :math:`g_t`, entry by entry:

    .. math::
       :label: eq-adam-square

       v_t = \beta\, v_{t-1} + (1 - \beta)\, g_t^2, \qquad v_0 = 0

    Parameters
    ----------
    mean
        The mean of the squares so far, zero before the first.
    value
        The new value, not squared.
    decay
        The share :math:`\beta` of the mean that is kept, at least 0 and less than 1.

    Returns
    -------
    mean
        The mean with the square of the new value.

    Raises
    ------
    ValueError
        If the decay is out of its range.

    Examples
    --------
    The root of the mean is the usual size of the values, whatever their signs:

    >>> import numpy as np
    >>> from dlnotes.optimization.rmsprop import running_mean_square
    >>> mean = np.zeros(1)
    >>> for value in (3.0, -4.0):
    ...     mean = running_mean_square(mean, np.array([value]), decay=0.5)
    >>> mean, np.sqrt(mean).round(1)
    (array([10.25]), array([3.2]))

    The code multiplies in an order in which a large value does not overflow.  In half
    precision, where the largest number is 65,504, the square of 300 would, and a tenth
    of it does not:

    >>> value = np.array([300.0], dtype=np.float16)
    >>> print(running_mean_square(np.zeros_like(value), value, decay=0.9).round(-2))
    [9000.]
    """
    in_range(0, 1, half_open=True, decay=decay)
    return decay * mean + (1 - decay) * value * value


@dataclass(frozen=True, eq=False)
class State(ArrayTree, Generic[Array]):
    """The mean square ``v`` and, if asked for, the mean ``m`` and velocity ``b``."""

    v: Float[Array, "*shape"]
    m: Float[Array, "*shape"] | None = None
    b: Float[Array, "*shape"] | None = None


@checked
def init(
    theta: Float[Array, "*shape"], *, centered: bool = False, momentum: bool = False
) -> State[Array]:
    """Return the state before the first step.

    Parameters
    ----------
    theta
        The parameters that will be updated.
    centered
        Whether to keep the mean of the gradients, and divide by the standard deviation.
    momentum
        Whether to keep a velocity, and step along it.

    Returns
    -------
    state
        All that is kept is zero.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.rmsprop import init
    >>> init(np.array([3.0, 4.0]), centered=True)
    State(v=array([0., 0.]), m=array([0., 0.]), b=None)
    """
    zeros = array_namespace(theta).zeros_like
    return State(
        v=zeros(theta),
        m=zeros(theta) if centered else None,
        b=zeros(theta) if momentum else None,
    )


@checked
def update(
    theta: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    state: State[Array],
    *,
    learning_rate: float = 0.01,
    decay: float = 0.99,
    epsilon: float = 1e-8,
    mu: float = 0.0,
) -> tuple[Float[Array, "*shape"], State[Array]]:
    r"""Take one step of RMSProp.

    The gradient :math:`g_t` is divided, entry by entry, by the root of the mean square
    :math:`v_t`, which has its own square in it.  The learning rate is :math:`\eta`, and
    a small :math:`\epsilon` keeps the quotient finite:

    .. math::
       :label: eq-rmsprop

       \theta_t = \theta_{t-1} - \eta\, g_t / (\sqrt{v_t} + \epsilon)

    Centered, the root is that of the variance, where :math:`m_t` is the running mean of
    the gradients.  With momentum, the step is along the velocity :math:`b_t` of the
    quotients:

    .. math::
       :label: eq-rmsprop-centered

       d_t &= g_t / (\sqrt{v_t - m_t^2} + \epsilon) \\
       b_t &= \mu\, b_{t-1} + d_t, \qquad \theta_t = \theta_{t-1} - \eta\, b_t

    Parameters
    ----------
    theta
        The parameters :math:`\theta_{t-1}`.
    gradient
        The gradient :math:`g_t` of the loss at ``theta``.
    state
        What was kept after the step before.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    decay
        The decay :math:`\beta` of both means, at least 0 and less than 1.
    epsilon
        The number :math:`\epsilon` that keeps the division finite, at least 0.
    mu
        The momentum coefficient :math:`\mu`, at least 0; it needs a state with a
        velocity.

    Returns
    -------
    theta
        The parameters :math:`\theta_t`.
    state
        What is kept after this step.

    Raises
    ------
    ValueError
        If a setting is out of its range, or there is momentum and no velocity.

    Examples
    --------
    The first mean square has a hundredth of the first square, so the first step is ten
    learning rates long, whatever the gradient:

    >>> import numpy as np
    >>> from dlnotes.optimization.rmsprop import init, update
    >>> theta, gradient = np.zeros(3), np.array([100.0, 0.1, 0.0])
    >>> theta, state = update(theta, gradient, init(theta), learning_rate=0.01)
    >>> theta.round(4)
    array([-0.1, -0.1,  0. ])
    """
    at_least(0, learning_rate=learning_rate, epsilon=epsilon, mu=mu)
    if state.b is None and mu != 0:
        raise ValueError(
            "mu must be 0 where the state has no velocity, as that of "
            f"init(theta, momentum=True) has, got {mu}"
        )
    xp = array_namespace(theta)
    v = running_mean_square(state.v, gradient, decay=decay)
    m = None if state.m is None else running_mean(state.m, gradient, decay=decay)
    variance = v
    if m is not None:  # it is at least 0 but for rounding, and no square exceeds inf
        variance = xp.maximum(v - xp.where(v < xp.inf, m * m, 0.0), xp.zeros_like(v))
    step = gradient / (xp.sqrt(variance) + epsilon)
    b = None if state.b is None else velocity(state.b, step, mu=mu)
    return theta - learning_rate * (step if b is None else b), State(v, m, b)
