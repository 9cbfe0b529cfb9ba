r"""Quasi-Newton methods: BFGS and L-BFGS.

A Newton step needs the Hessian, which for a million parameters has a million million
entries.  But two gradients a step apart already tell something of it: how the slope
changed along that step.  Quasi-Newton methods (Davidon, 1959) build a matrix that
agrees with what the steps have shown.  Broyden, Fletcher, Goldfarb and Shanno published
the update that is used today in 1970, each on his own; L-BFGS (Nocedal, 1980; Liu and
Nocedal, 1989) keeps the last few steps and no matrix at all.  A line search in place of
a learning rate makes sure that each step shows a positive curvature (Wolfe, 1969).

References
----------
* P. Wolfe (1969). Convergence conditions for ascent methods. *SIAM Review* 11(2).
  https://doi.org/10.1137/1011036
* C. G. Broyden (1970). The convergence of a class of double-rank minimization
  algorithms. *IMA Journal of Applied Mathematics* 6(1).
  https://doi.org/10.1093/imamat/6.1.76
* R. Fletcher (1970). A new approach to variable metric algorithms. *The Computer
  Journal* 13(3). https://doi.org/10.1093/comjnl/13.3.317
* D. Goldfarb (1970). A family of variable-metric methods derived by variational means.
  *Mathematics of Computation* 24. https://doi.org/10.1090/S0025-5718-1970-0258249-6
* D. F. Shanno (1970). Conditioning of quasi-Newton methods for function minimization.
  *Mathematics of Computation* 24. https://doi.org/10.1090/S0025-5718-1970-0274029-X
* J. Nocedal (1980). Updating quasi-Newton matrices with limited storage. *Mathematics
  of Computation* 35. https://doi.org/10.1090/S0025-5718-1980-0572855-7
* D. C. Liu and J. Nocedal (1989). On the limited memory BFGS method for large scale
  optimization. *Mathematical Programming* 45. https://doi.org/10.1007/BF01589116
* W. C. Davidon (1991). Variable metric method for minimization, his report of 1959.
  *SIAM Journal on Optimization* 1(1). https://doi.org/10.1137/0801001
* J. Nocedal and S. J. Wright (2006). *Numerical Optimization*, second edition.
  Springer. https://doi.org/10.1007/978-0-387-40065-5
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite, sqrt
from operator import attrgetter
from typing import Any, Generic

from jaxtyping import Float

from dlnotes.arrays import Array, ArrayTree, array_namespace, checked, device_of
from dlnotes.checks import at_least, in_range, integer, positive

CURVATURE = 1e-10  # of a pair, s · y: what is smaller is not kept


@checked
def bfgs_update(
    H: Float[Array, "parameters parameters"],
    s: Float[Array, "parameters"],
    y: Float[Array, "parameters"],
) -> Float[Array, "parameters parameters"]:
    r"""Make an inverse Hessian agree with the change of the gradient along a step.

    The step is :math:`\mathbf s`, and the gradient changed by :math:`\mathbf y` along
    it.  The update of the approximation :math:`\mathbf H_k` to the *inverse* Hessian is

    .. math::
       :label: eq-bfgs

       \mathbf H_{k+1} &= \mathbf V_k^\top \mathbf H_k \mathbf V_k
       + \rho_k\, \mathbf s_k \mathbf s_k^\top \\
       \rho_k &= \frac{1}{\mathbf y_k^\top \mathbf s_k}, \qquad
       \mathbf V_k = \mathbf I - \rho_k\, \mathbf y_k \mathbf s_k^\top

    As :math:`\mathbf V_k \mathbf y_k = \mathbf 0`, it fulfills the secant equation:

    .. math::
       :label: eq-secant

       \mathbf H_{k+1}\, \mathbf y_k = \mathbf s_k

    If :math:`\mathbf H_k` is positive definite and
    :math:`\mathbf y_k^\top \mathbf s_k > 0`, so is :math:`\mathbf H_{k+1}`.

    Parameters
    ----------
    H
        The approximation :math:`\mathbf H_k`, a symmetric matrix.
    s
        The step :math:`\mathbf s_k`.
    y
        The change :math:`\mathbf y_k` of the gradient.

    Returns
    -------
    H
        The approximation :math:`\mathbf H_{k+1}`.

    Examples
    --------
    A step of 1 along the first axis, on which the gradient changed by 4, shows the
    curvature 4 there, so the inverse becomes 1/4, and nothing else changes:

    >>> import numpy as np
    >>> from dlnotes.optimization.quasi_newton import bfgs_update
    >>> bfgs_update(np.eye(2), np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    array([[0.25, 0.  ],
           [0.  , 1.  ]])
    """
    xp = array_namespace(H)
    rho = 1 / (y @ s)
    identity = xp.eye(s.shape[0], dtype=s.dtype, device=device_of(s))
    V = identity - rho * y[:, None] * s
    return V.T @ H @ V + rho * s[:, None] * s


@checked
def remember(
    s: Float[Array, "pairs parameters"],
    y: Float[Array, "pairs parameters"],
    step: Float[Array, "parameters"],
    change: Float[Array, "parameters"],
    *,
    history_size: int,
) -> tuple[Float[Array, "kept parameters"], Float[Array, "kept parameters"]]:
    r"""Add a pair to the history, and drop the oldest if it is full.

    A pair whose curvature along the step is not positive is left out, as PyTorch does:

    .. math::
       :label: eq-curvature-pair

       \mathbf y^\top \mathbf s > 10^{-10}

    Parameters
    ----------
    s
        The steps so far, the oldest first.
    y
        The changes of the gradient that went with them.
    step
        The new step.
    change
        The change of the gradient along it.
    history_size
        How many pairs to keep.

    Returns
    -------
    s, y
        The history with the new pair.

    Raises
    ------
    ValueError
        If the history cannot have one pair.

    Examples
    --------
    Of three steps the second went where the slope fell, and is left out.  Two are kept:

    >>> import numpy as np
    >>> from dlnotes.optimization.quasi_newton import remember
    >>> s = y = np.empty((0, 1))
    >>> for step, change in ((1.0, 4.0), (2.0, -1.0), (3.0, 6.0)):
    ...     pair = np.array([step]), np.array([change])
    ...     s, y = remember(s, y, *pair, history_size=2)
    >>> s.tolist(), y.tolist()
    ([[1.0], [3.0]], [[4.0], [6.0]])
    """
    integer(1, history_size=history_size)
    if not float(step @ change) > CURVATURE:
        return s, y
    xp = array_namespace(s)
    oldest = max(0, s.shape[0] + 1 - history_size)
    return (
        xp.concat([s[oldest:], step[None, :]]),
        xp.concat([y[oldest:], change[None, :]]),
    )


@checked
def lbfgs_direction(
    gradient: Float[Array, "parameters"],
    s: Float[Array, "pairs parameters"],
    y: Float[Array, "pairs parameters"],
) -> Float[Array, "parameters"]:
    r"""Compute the direction of L-BFGS by two loops over the history.

    It is :math:`\mathbf d = -\mathbf H_m \mathbf g`, where :math:`\mathbf H_m` comes
    from :math:`\gamma\, \mathbf I` by an update for each pair; but no matrix is formed.
    The first loop goes from the newest pair to the oldest, the second one back:

    .. math::
       :label: eq-two-loop

       \mathbf q &= \mathbf g \\
       \alpha_k &= \rho_k\, \mathbf s_k^\top \mathbf q, \quad
       \mathbf q \leftarrow \mathbf q - \alpha_k \mathbf y_k
       && k = m, \dots, 1 \\
       \mathbf r &= \gamma\, \mathbf q, \quad
       \gamma = \frac{\mathbf s_m^\top \mathbf y_m}{\mathbf y_m^\top \mathbf y_m} \\
       \mathbf r &\leftarrow \mathbf r
       + (\alpha_k - \rho_k\, \mathbf y_k^\top \mathbf r)\, \mathbf s_k
       && k = 1, \dots, m \\
       \mathbf d &= -\mathbf r

    Parameters
    ----------
    gradient
        The gradient :math:`\mathbf g`.
    s
        The steps :math:`\mathbf s_k`, the oldest first.
    y
        The changes of the gradient :math:`\mathbf y_k` along them, each with
        :math:`\mathbf y_k^\top \mathbf s_k > 0`.

    Returns
    -------
    d
        The direction; against the gradient, if there is no pair yet.

    Examples
    --------
    One pair has shown the curvature 4 along the first axis.  Across it nothing is
    known, and the scale of the newest pair, 1/4, is used there too:

    >>> import numpy as np
    >>> from dlnotes.optimization.quasi_newton import lbfgs_direction
    >>> s, y = np.array([[1.0, 0.0]]), np.array([[4.0, 0.0]])
    >>> lbfgs_direction(np.array([8.0, 8.0]), s, y)
    array([-2., -2.])
    """
    xp = array_namespace(gradient)
    rho = 1 / xp.sum(s * y, axis=1)
    pairs, alphas, r = s.shape[0], {}, gradient
    for k in reversed(range(pairs)):
        alphas[k] = rho[k] * (s[k] @ r)
        r = r - alphas[k] * y[k]
    if pairs:
        r = (s[-1] @ y[-1]) / (y[-1] @ y[-1]) * r
    for k in range(pairs):
        r = r + (alphas[k] - rho[k] * (y[k] @ r)) * s[k]
    return -r


@dataclass(frozen=True, eq=False)
class Trial(Generic[Array]):
    """A step that a line search tries: its rate, the loss, slope and gradient there."""

    rate: float
    value: float
    slope: float
    gradient: Array


def decreases(start: Trial[Array], trial: Trial[Array], *, c1: float = 1e-4) -> bool:
    r"""Say whether a step lowers the loss enough for its length.

    Along the direction :math:`\mathbf d` the loss is a function of the rate.  The
    decrease is sufficient (Armijo's condition) if it is at least a small share
    :math:`c_1` of what the first slope promises:

    .. math::
       :label: eq-armijo

       \varphi(\eta) &= J(\boldsymbol\theta + \eta\, \mathbf d), \qquad
       \varphi'(\eta)
       = \mathbf d^\top \nabla J(\boldsymbol\theta + \eta\, \mathbf d) \\
       \varphi(\eta) &\le \varphi(0) + c_1\, \eta\, \varphi'(0)

    Parameters
    ----------
    start
        The trial with the rate 0, whose slope is negative.
    trial
        The trial with the rate :math:`\eta`.
    c1
        The share :math:`c_1`.

    Returns
    -------
    enough
        Whether it is so; never where the loss is NaN.

    Examples
    --------
    A slope of -2 promises a decrease of 2 for the rate 1.  With half of that asked for,
    a loss of 3.5 is not low enough if it was 4, and one of 3 is:

    >>> import numpy as np
    >>> from dlnotes.optimization.quasi_newton import Trial, decreases
    >>> start = Trial(0.0, 4.0, -2.0, np.array([-2.0]))
    >>> trials = [Trial(1.0, value, -1.0, np.array([-1.0])) for value in (3.5, 3.0)]
    >>> [decreases(start, trial, c1=0.5) for trial in trials]
    [False, True]
    """
    return trial.value <= start.value + c1 * trial.rate * start.slope


def flattens(start: Trial[Array], trial: Trial[Array], *, c2: float = 0.9) -> bool:
    r"""Say whether the slope at a trial is small against that at the start.

    It is the curvature condition of the strong Wolfe conditions; the other one is
    :func:`decreases`:

    .. math::
       :label: eq-wolfe

       \lvert \varphi'(\eta) \rvert \le c_2\, \lvert \varphi'(0) \rvert

    With :math:`c_2 < 1` the slope has risen on the way, so the pair of this step has
    :math:`\mathbf y^\top \mathbf s = \eta\, (\varphi'(\eta) - \varphi'(0)) > 0`.

    Parameters
    ----------
    start
        The trial with the rate 0.
    trial
        The trial with the rate :math:`\eta`.
    c2
        The share :math:`c_2`.

    Returns
    -------
    enough
        Whether it is so; never where the slope is NaN.

    Examples
    --------
    With the slope -2 at the start, and half of it allowed, a slope of 1 is flat enough:

    >>> import numpy as np
    >>> from dlnotes.optimization.quasi_newton import Trial, flattens
    >>> start = Trial(0.0, 4.0, -2.0, np.array([-2.0]))
    >>> trials = [Trial(1.0, 3.0, slope, np.array([slope])) for slope in (-1.5, 1.0)]
    >>> [flattens(start, trial, c2=0.5) for trial in trials]
    [False, True]
    """
    return abs(trial.slope) <= -c2 * start.slope


def cubic_minimum(
    a: Trial[Array], b: Trial[Array], bounds: tuple[float, float] | None = None
) -> float:
    r"""Return the rate where the cubic through two trials has its minimum.

    The cubic has the values :math:`\varphi_a, \varphi_b` and the slopes
    :math:`\varphi_a', \varphi_b'` of the trials at :math:`\eta_a < \eta_b`:

    .. math::
       :label: eq-cubic-minimum

       \delta &= \varphi_a' + \varphi_b'
       - 3\, \frac{\varphi_b - \varphi_a}{\eta_b - \eta_a}, \qquad
       \omega = \sqrt{\delta^2 - \varphi_a' \varphi_b'} \\
       \eta &= \eta_b - (\eta_b - \eta_a)\,
       \frac{\varphi_b' + \omega - \delta}{\varphi_b' - \varphi_a' + 2 \omega}

    Parameters
    ----------
    a, b
        The trials, in any order.
    bounds
        The lowest and the highest rate to return; if not given, those of the trials.

    Returns
    -------
    rate
        The minimum, or the bound next to it; the middle of the bounds where the cubic
        has none, or there is no such cubic, as the trials have one rate or no finite
        values.

    Examples
    --------
    Through two trials of the parabola (η - 1)² goes the parabola itself:

    >>> import numpy as np
    >>> from dlnotes.optimization.quasi_newton import Trial, cubic_minimum
    >>> a, b = (Trial(t, (t - 1) ** 2, 2 * (t - 1), np.zeros(1)) for t in (0.0, 4.0))
    >>> cubic_minimum(a, b)
    1.0
    >>> cubic_minimum(a, b, (2.0, 4.0))
    2.0
    """
    a, b = sorted((a, b), key=attrgetter("rate"))
    low, high = bounds or (a.rate, b.rate)
    width = b.rate - a.rate
    if width == 0:
        return (low + high) / 2
    delta = a.slope + b.slope - 3 * (b.value - a.value) / width
    radicand = delta * delta - a.slope * b.slope
    if not (isfinite(radicand) and radicand >= 0):
        return (low + high) / 2
    omega = sqrt(radicand)
    bend = b.slope - a.slope + 2 * omega
    if bend == 0:  # a line, or a parabola that has a maximum
        return high if b.value < a.value else low
    return min(max(b.rate - width * (b.slope + omega - delta) / bend, low), high)


def line_search(
    phi: Callable[[float], Trial[Array]],
    start: Trial[Array],
    rate: float,
    *,
    c1: float = 1e-4,
    c2: float = 0.9,
    tries: int = 25,
    tolerance: float = 1e-9,
) -> tuple[Trial[Array], int]:
    """Search a rate that fulfills the strong Wolfe conditions.

    The first phase lengthens the step until it fulfills them, or until an interval is
    sure to hold such rates.  The second one, called zoom, shrinks the interval.  Both
    go where the cubic through two trials has its minimum.

    Parameters
    ----------
    phi
        The function that tries a rate.
    start
        The trial with the rate 0, whose slope is negative.
    rate
        The rate to try first.
    c1, c2
        The shares of the conditions, as in :func:`decreases` and :func:`flattens`.
    tries
        How many trials at most, besides the first.
    tolerance
        The width of an interval that is not searched further.

    Returns
    -------
    trial
        The trial that fulfills the conditions, or the lowest that was found.
    tried
        How many trials it took.

    Raises
    ------
    ValueError
        If the slope at the start is not negative, or a setting is out of its range.

    Examples
    --------
    On the parabola (η - 1)² a tenth is too short a step, since the slope has hardly
    changed.  The cubic leads to the minimum at once:

    >>> import numpy as np
    >>> from dlnotes.optimization.quasi_newton import Trial, line_search
    >>> phi = lambda t: Trial(t, (t - 1) ** 2, 2 * (t - 1), np.zeros(1))
    >>> trial, tried = line_search(phi, phi(0.0), 0.1, c2=0.5)
    >>> round(trial.rate, 9), tried
    (1.0, 2)
    """
    positive(rate=rate)
    integer(0, tries=tries)
    at_least(0, tolerance=tolerance)
    in_range(0, 1, c1=c1, c2=c2)
    if not start.slope < 0:
        raise ValueError(f"start must have a negative slope, got {start.slope}")
    first, last, tried = _bracket(phi, start, phi(rate), tries, c1=c1, c2=c2)
    if first is last:
        return first, tried + 1
    ends, limits = (first, last), {"c1": c1, "c2": c2, "tolerance": tolerance}
    trial, more = _zoom(phi, start, ends, tries - tried, **limits)
    return trial, tried + more + 1


def _bracket(
    phi: Callable[[float], Trial[Array]],
    start: Trial[Array],
    trial: Trial[Array],
    tries: int,
    *,
    c1: float,
    c2: float,
) -> tuple[Trial[Array], Trial[Array], int]:
    """Lengthen the step until both ends are one good trial, or hold some between."""
    before = start
    for tried in range(tries):
        risen = tried > 1 and trial.value >= before.value
        if risen or not decreases(start, trial, c1=c1):
            return before, trial, tried
        if flattens(start, trial, c2=c2):
            return trial, trial, tried
        if trial.slope >= 0:
            return before, trial, tried
        shortest = trial.rate + 0.01 * (trial.rate - before.rate)
        rate = cubic_minimum(before, trial, (shortest, 10 * trial.rate))
        before, trial = trial, phi(rate)
    return start, trial, tries


def _zoom(
    phi: Callable[[float], Trial[Array]],
    start: Trial[Array],
    ends: tuple[Trial[Array], Trial[Array]],
    tries: int,
    *,
    c1: float,
    c2: float,
    tolerance: float,
) -> tuple[Trial[Array], int]:
    """Shrink an interval around good rates until a trial is good."""
    low, high = sorted(ends, key=attrgetter("value"))
    stuck, tried = False, 0
    while tried < tries and abs(high.rate - low.rate) >= tolerance:
        rate, stuck = _inside(
            cubic_minimum(low, high), low.rate, high.rate, stuck=stuck
        )
        trial, tried = phi(rate), tried + 1
        if not decreases(start, trial, c1=c1) or trial.value >= low.value:
            low, high = sorted((low, trial), key=attrgetter("value"))
        elif flattens(start, trial, c2=c2):
            return trial, tried
        elif trial.slope * (high.rate - low.rate) >= 0:
            low, high = trial, low
        else:
            low = trial
    return low, tried


def _inside(rate: float, a: float, b: float, *, stuck: bool) -> tuple[float, bool]:
    """Keep a rate off the ends of an interval, the second time that it is near one."""
    left, right = min(a, b), max(a, b)
    margin = 0.1 * (right - left)
    if min(right - rate, rate - left) >= margin:
        return rate, False
    if left < rate < right and not stuck:
        return rate, True
    near_right = right - rate < rate - left
    return right - margin if near_right else left + margin, False


@dataclass(frozen=True, eq=False)
class State(ArrayTree, Generic[Array]):
    """The history, the last step, the gradient before it, and the number of steps."""

    s: Float[Array, "_ parameters"]
    y: Float[Array, "_ parameters"]
    step: Float[Array, "parameters"]
    gradient: Float[Array, "parameters"]
    t: int


@checked
def init(theta: Float[Array, "parameters"]) -> State[Array]:
    """Return the state before the first step.

    Parameters
    ----------
    theta
        The parameters that will be updated, as one vector.

    Returns
    -------
    state
        No pair and no step.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.quasi_newton import init
    >>> init(np.array([3.0, 4.0])).s.shape
    (0, 2)
    """
    xp = array_namespace(theta)
    empty, zeros = xp.zeros_like(theta[None, :])[:0], xp.zeros_like(theta)
    return State(s=empty, y=empty, step=zeros, gradient=zeros, t=0)


@checked
def update(
    theta: Float[Array, "parameters"],
    gradient: Float[Array, "parameters"],
    state: State[Array],
    *,
    learning_rate: float = 1.0,
    history_size: int = 100,
) -> tuple[Float[Array, "parameters"], State[Array]]:
    r"""Take one step of L-BFGS with a fixed learning rate.

    The pair of the last step is remembered, and the step goes along the direction
    :math:`\mathbf d` of :func:`lbfgs_direction`:

    .. math::
       :label: eq-lbfgs-step

       \boldsymbol\theta_t = \boldsymbol\theta_{t-1} + \eta\, \mathbf d

    The first step, which knows no curvature, has the rate
    :math:`\eta \min(1,\, 1 / \sum_i \lvert g_i \rvert)`.

    Parameters
    ----------
    theta
        The parameters :math:`\boldsymbol\theta_{t-1}`.
    gradient
        The gradient of the loss there.
    state
        The state after the step before.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    history_size
        How many pairs to keep.

    Returns
    -------
    theta
        The parameters :math:`\boldsymbol\theta_t`.
    state
        The state after this step.

    Raises
    ------
    ValueError
        If the rate is negative, or the history cannot have one pair.

    Examples
    --------
    On the parabola with the curvature 4 the first step has the length 1, and shows the
    curvature; the second one is Newton's, to the minimum:

    >>> import numpy as np
    >>> from dlnotes.optimization.quasi_newton import init, update
    >>> theta = np.array([3.0])
    >>> state = init(theta)
    >>> for _ in range(2):
    ...     theta, state = update(theta, 4 * theta, state)
    ...     print(theta)
    [2.]
    [0.]
    """
    at_least(0, learning_rate=learning_rate)
    rate = learning_rate * _first_share(gradient, state)
    d, state = _direction(gradient, state, history_size)
    step = rate * d
    return theta + step, replace(state, step=step)


@checked
def minimize(  # noqa: PLR0913  # the settings of PyTorch's class
    evaluate: Callable[[Array], tuple[Any, Array]],
    theta: Float[Array, "parameters"],
    state: State[Array] | None = None,
    *,
    learning_rate: float = 1.0,
    iterations: int = 20,
    evaluations: int | None = None,
    history_size: int = 100,
    tolerance_gradient: float = 1e-7,
    tolerance_change: float = 1e-9,
) -> tuple[Float[Array, "parameters"], State[Array]]:
    r"""Take steps of L-BFGS, each with a rate that a line search finds.

    What each step tries first is the rate of :func:`update`.  Where no entry of the
    gradient is above its tolerance, or a step hardly changes the parameters or the
    loss, it ends.

    Parameters
    ----------
    evaluate
        The function that returns the loss and its gradient at an array like ``theta``.
    theta
        The parameters to begin with, as one vector.
    state
        The state to go on from, if these are not the first steps.
    learning_rate
        The rate :math:`\eta` that a step tries first, positive.
    iterations
        How many steps at most.
    evaluations
        No step begins after so many evaluations; if not given, five for four steps.
    history_size
        How many pairs to keep.
    tolerance_gradient
        The largest entry of a gradient that counts as zero.
    tolerance_change
        The change of the parameters or of the loss that counts as none.

    Returns
    -------
    theta
        The parameters after the last step.
    state
        The state to go on from.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    On a parabola the first step has the length 1.  The second one, with the curvature
    known, goes to the minimum, where the gradient is zero:

    >>> import numpy as np
    >>> from dlnotes.optimization.quasi_newton import minimize
    >>> evaluate = lambda theta: (theta @ theta / 2, theta)
    >>> theta, state = minimize(evaluate, np.array([5.0]))
    >>> theta, state.t
    (array([0.]), 2)
    """
    positive(learning_rate=learning_rate)
    integer(1, iterations=iterations)
    evaluations = iterations * 5 // 4 if evaluations is None else evaluations
    integer(1, evaluations=evaluations)
    at_least(
        0, tolerance_gradient=tolerance_gradient, tolerance_change=tolerance_change
    )
    state = init(theta) if state is None else state
    value, gradient = evaluate(theta)
    left = evaluations - 1
    for _ in range(iterations):
        if _largest(gradient) <= tolerance_gradient:
            break
        rate = learning_rate * _first_share(gradient, state)
        d, state = _direction(gradient, state, history_size)
        start = Trial(0.0, float(value), float(gradient @ d), gradient)
        trial, tried = _search(
            evaluate, theta, d, start, rate, max(left, 0), tolerance_change
        )
        value, gradient, step = trial.value, trial.gradient, trial.rate * d
        theta, state, left = theta + step, replace(state, step=step), left - tried
        still = _largest(step) <= tolerance_change
        if left <= 0 or still or abs(value - start.value) < tolerance_change:
            break
    return theta, state


def _search(
    evaluate: Callable[[Array], tuple[Any, Array]],
    theta: Array,
    d: Array,
    start: Trial[Array],
    rate: float,
    tries: int,
    tolerance: float,
) -> tuple[Trial[Array], int]:
    """Search a rate along a direction, if there is a slope."""
    if not start.slope < 0 or start.slope > -tolerance:
        return start, 0

    def phi(rate: float) -> Trial[Array]:
        value, gradient = evaluate(theta + rate * d)
        return Trial(rate, float(value), float(gradient @ d), gradient)

    width = tolerance / _largest(d)
    return line_search(phi, start, rate, tries=tries, tolerance=width)


def _direction(
    gradient: Array, state: State[Array], history_size: int
) -> tuple[Array, State[Array]]:
    """Remember the pair of the last step, and compute the next direction."""
    change = gradient - state.gradient
    s, y = remember(state.s, state.y, state.step, change, history_size=history_size)
    next_state = State(s, y, state.step, gradient, state.t + 1)
    return lbfgs_direction(gradient, s, y), next_state


def _first_share(gradient: Array, state: State[Array]) -> float:
    """Return by how much the first step is shorter, as it knows no curvature."""
    xp = array_namespace(gradient)
    total = float(xp.sum(xp.abs(gradient)))
    return 1.0 if state.t or total == 0 else min(1.0, 1 / total)


def _largest(vector: Array) -> float:
    """Return the largest size of an entry."""
    xp = array_namespace(vector)
    return float(xp.max(xp.abs(vector)))
