r"""The learning rate and the range test.

Of all settings of a training run the learning rate is the one to choose first: too low
a rate wastes the time that there is, and too high a rate destroys what was learned.
On a quadratic the limit can be computed.  For a network it is measured: the *range
test* (Smith, 2017) trains for a few hundred steps while the rate rises, and draws the
loss against the rate.  Smith let the rate rise linearly; to let it rise by a constant
factor at each step, and to smooth the loss, was made popular by a function of the
library fastai (Howard and Gugger, 2020), which others copied.

References
----------
* L. N. Smith (2017). Cyclical learning rates for training neural networks. *IEEE Winter
  Conference on Applications of Computer Vision*. https://arxiv.org/abs/1506.01186
* J. Howard and S. Gugger (2020). fastai: a layered API for deep learning. *Information*
  11(2). https://doi.org/10.3390/info11020108
* B. T. Polyak (1964). Some methods of speeding up the convergence of iteration methods.
  *USSR Computational Mathematics and Mathematical Physics* 4(5).
  https://doi.org/10.1016/0041-5553(64)90137-5
* J. M. Cohen, S. Kaur, Y. Li, J. Z. Kolter and A. Talwalkar (2021). Gradient descent on
  neural networks typically occurs at the edge of stability. *International Conference
  on Learning Representations*. https://arxiv.org/abs/2103.00065
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from dlnotes.arrays import Array, anywhere, array_namespace, checked, device_of
from dlnotes.checks import at_least, entries, finite, in_range, integer, positive
from dlnotes.optimization.adam import bias_correction
from dlnotes.optimization.rmsprop import running_mean


@checked
def stable_rates(
    hessian: Float[Array, "d d"], *, mu: float = 0.0
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""Compute the largest and the best constant learning rate on a quadratic.

    Let :math:`\lambda_{\min}` and :math:`\lambda_{\max}` be the smallest and the
    largest eigenvalue of the Hessian :math:`\mathbf{H}`, both positive.  Gradient
    descent with momentum :math:`\mu` (:math:`\mu = 0`: without) converges from every
    start exactly for rates between 0 and :math:`\eta_{\max}`.  Of all rates
    :math:`\eta^*` makes the factor of a step smallest along the direction in which it
    is largest:

    .. math::
       :label: eq-lr-stability

       \eta_{\max} = \frac{2\, (1 + \mu)}{\lambda_{\max}(\mathbf{H})}, \qquad
       \eta^* = \frac{2\, (1 + \mu)}{\lambda_{\min}(\mathbf{H})
       + \lambda_{\max}(\mathbf{H})}

    Parameters
    ----------
    hessian
        The matrix :math:`\mathbf{H}` of second derivatives, which is symmetric.
    mu
        The momentum :math:`\mu`, at least 0 and less than 1.

    Returns
    -------
    largest
        The limit :math:`\eta_{\max}`.
    best
        The rate :math:`\eta^*`.

    Raises
    ------
    ValueError
        If the momentum is out of its range, a second derivative is not finite, or an
        eigenvalue is not positive.

    Examples
    --------
    With the curvatures 1 and 9 the best rate is nine tenths of the largest one, and
    with one curvature only it is half of it:

    >>> import numpy as np
    >>> from dlnotes.optimization.learning_rate import stable_rates
    >>> for curvatures in ([1.0, 9.0], [4.0, 4.0]):
    ...     largest, best = stable_rates(np.diag(curvatures))
    ...     print(round(float(largest), 3), round(float(best), 3))
    0.222 0.2
    0.5 0.25
    """
    in_range(0, 1, half_open=True, mu=mu)
    finite(hessian=hessian)
    eigenvalues = array_namespace(hessian).linalg.eigvalsh(hessian)
    low, high = eigenvalues[0], eigenvalues[-1]
    if anywhere(low <= 0):
        raise ValueError(
            f"hessian must have positive eigenvalues, got {low.item():.3g}"
        )
    return 2 * (1 + mu) / high, 2 * (1 + mu) / (low + high)


def exponential_ramp(low: float, high: float, steps: int) -> NDArray[np.float64]:
    r"""Raise the learning rate by a constant factor at each step.

    From :math:`\eta_{\min}` to :math:`\eta_{\max}` in :math:`N` steps, which have
    :math:`N - 1` gaps between them, the rate of step :math:`k = 0, \dots, N - 1` is

    .. math::
       :label: eq-lr-range

       \eta_k = \eta_{\min}
       \left( \frac{\eta_{\max}}{\eta_{\min}} \right)^{k / (N - 1)}
       = \eta_{\min}^{1 - k / (N - 1)}\, \eta_{\max}^{k / (N - 1)}

    Parameters
    ----------
    low, high
        The first rate :math:`\eta_{\min}` and the last :math:`\eta_{\max}`.
    steps
        The number :math:`N` of rates, at least 2.

    Returns
    -------
    rates
        The rate of each step.

    Raises
    ------
    ValueError
        If there are fewer than two steps, or the rates are not positive and rising.

    Examples
    --------
    Each power of ten gets as many steps as any other:

    >>> from dlnotes.optimization.learning_rate import exponential_ramp
    >>> [float(f"{rate:.3g}") for rate in exponential_ramp(1e-5, 10, steps=7)]
    [1e-05, 0.0001, 0.001, 0.01, 0.1, 1.0, 10.0]
    """
    positive(low=low, high=high)
    progress = _progress(low, high, steps)
    return low ** (1 - progress) * high**progress  # the ends are exact


def linear_ramp(low: float, high: float, steps: int) -> NDArray[np.float64]:
    r"""Raise the learning rate by a constant amount at each step.

    .. math::
       :label: eq-lr-linear

       \eta_k = \eta_{\min} + (\eta_{\max} - \eta_{\min})\, \frac{k}{N - 1}

    Parameters
    ----------
    low, high
        The first rate :math:`\eta_{\min}`, which may be 0, and the last
        :math:`\eta_{\max}`.
    steps
        The number :math:`N` of rates, at least 2.

    Returns
    -------
    rates
        The rate of each step.

    Raises
    ------
    ValueError
        If there are fewer than two steps, or the rates are negative or do not rise.

    Examples
    --------
    Over six powers of ten it leaves five of them in its first step:

    >>> from dlnotes.optimization.learning_rate import linear_ramp
    >>> linear_ramp(1e-5, 10, steps=5).round(3)
    array([ 0. ,  2.5,  5. ,  7.5, 10. ])
    """
    at_least(0, low=low)
    positive(high=high)
    progress = _progress(low, high, steps)
    return (1 - progress) * low + progress * high


def _progress(low: float, high: float, steps: int) -> NDArray[np.float64]:
    """Return how far each step is between the ends of a ramp, from 0 to 1."""
    integer(2, steps=steps)
    if not high > low:
        raise ValueError(f"high must be above low, got {high} and {low}")
    return np.arange(steps) / (steps - 1)


@checked
def smoothed_losses(
    losses: Float[Array, "steps"], *, beta: float = 0.9
) -> Float[Array, "steps"]:
    r"""Smooth the losses of a range test.

    The running mean :eq:`eq-adam-mean` of the losses :math:`L_0, L_1, \dots` so far,
    divided by the sum of its weights :eq:`eq-adam-correction`:

    .. math::
       :label: eq-lr-smoothing

       \bar{L}_k = \frac{1 - \beta}{1 - \beta^{k + 1}}
       \sum_{i=0}^{k} \beta^{k - i} L_i

    Parameters
    ----------
    losses
        The loss of the batch at each step.
    beta
        The share :math:`\beta` of the mean that is kept at each step, at least 0 and
        less than 1.

    Returns
    -------
    smoothed
        The smoothed loss at each step.

    Raises
    ------
    ValueError
        If ``beta`` is out of its range, or there is no loss.

    Examples
    --------
    The first smoothed loss is the first loss, and losses that are equal stay as they
    are.  A jump comes through by and by:

    >>> import numpy as np
    >>> from dlnotes.optimization.learning_rate import smoothed_losses
    >>> smoothed_losses(np.array([3.0, 3.0, 3.0, 10.0, 10.0]), beta=0.5).round(2)
    array([3.  , 3.  , 3.  , 6.73, 8.42])
    """
    in_range(0, 1, half_open=True, beta=beta)
    entries(1, losses=losses)
    xp, smoothed = array_namespace(losses), []
    mean = xp.zeros_like(losses[:1])
    for k in range(losses.shape[0]):
        mean = running_mean(mean, losses[k : k + 1], decay=beta)
        smoothed.append(mean / bias_correction(beta, k + 1))
    return xp.concat(smoothed)


@checked
def has_diverged(
    losses: Float[Array, "steps"], *, factor: float = 4.0
) -> Bool[Array, ""]:
    r"""Tell whether the last loss is far above the least one, or no number.

    It is so unless the last loss :math:`L_k` is finite and

    .. math::
       :label: eq-lr-diverged

       L_k \le c\, \min_{i \le k} L_i
       \quad \text{or} \quad \min_{i \le k} L_i < 0

    Parameters
    ----------
    losses
        The losses so far, usually smoothed.  A loss below zero has no such factor, and
        after it only one that is no number ends the test.
    factor
        The factor :math:`c`, at least 1.

    Returns
    -------
    diverged
        Whether to stop.

    Raises
    ------
    ValueError
        If the factor is less than 1, or there is no loss.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.learning_rate import has_diverged
    >>> losses = np.array([2.3, 1.0, 3.9, 4.1, np.nan])
    >>> [bool(has_diverged(losses[:k])) for k in range(1, 6)]
    [False, False, False, True, True]
    """
    at_least(1, factor=factor)
    entries(1, losses=losses)
    xp, last = array_namespace(losses), losses[-1]
    number, least = xp.isfinite(last), xp.min(losses)
    share = xp.where(number, last, xp.zeros_like(last)) / factor
    return ~(number & ((share <= least) | (least < 0)))


@checked
def turning_point(
    rates: Float[Array, "steps"], losses: Float[Array, "steps"]
) -> Float[Array, ""]:
    r"""Return the learning rate from which on the loss rises.

    It is the rate of the least loss, the first if there are several:

    .. math::
       :label: eq-lr-turning

       \eta_{\mathrm{turn}} = \eta_m, \qquad m = \operatorname*{arg\,min}_k L_k

    Parameters
    ----------
    rates
        The rising rates of a range test.
    losses
        The loss, usually smoothed, at each of them; all are finite.

    Returns
    -------
    rate
        The rate :math:`\eta_{\mathrm{turn}}`.

    Raises
    ------
    ValueError
        If there is no loss.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.learning_rate import turning_point
    >>> rates = np.array([0.001, 0.01, 0.1, 1.0])
    >>> float(turning_point(rates, np.array([2.3, 2.0, 0.9, 3.5])))
    0.1
    """
    entries(1, losses=losses)
    return _at(rates, array_namespace(losses).argmin(losses))


@checked
def largest_rate(
    rates: Float[Array, "steps"], losses: Float[Array, "steps"]
) -> Float[Array, ""]:
    r"""Return the last learning rate before the loss is above where it began.

    After the turning point, step :math:`m`, nothing may be above the first loss:

    .. math::
       :label: eq-lr-largest

       \eta_{\mathrm{largest}} = \max \left\{ \eta_k : k \ge m,\
       L_i \le L_0 \text{ for } m \le i \le k \right\}

    Parameters
    ----------
    rates
        The rising rates of a range test.
    losses
        The loss, usually smoothed, at each of them; all are finite.

    Returns
    -------
    rate
        The rate :math:`\eta_{\mathrm{largest}}`: the last of all if the loss never gets
        there, since the test ended too early.

    Raises
    ------
    ValueError
        If there is no loss.

    Examples
    --------
    A loss above the first one before the turning point is noise:

    >>> import numpy as np
    >>> from dlnotes.optimization.learning_rate import largest_rate
    >>> rates = np.array([0.001, 0.01, 0.1, 1.0, 10.0])
    >>> float(largest_rate(rates, np.array([2.3, 2.4, 0.9, 1.8, 7.0])))
    1.0
    """
    entries(1, losses=losses)
    xp, steps = array_namespace(losses), losses.shape[0]
    k = xp.arange(steps, device=device_of(losses))
    rises = (k > xp.argmin(losses)) & (losses > losses[0])
    return _at(rates, xp.min(xp.where(rises, k, steps)) - 1)


@checked
def steepest_rate(
    rates: Float[Array, "steps"], losses: Float[Array, "steps"]
) -> Float[Array, ""]:
    r"""Return the learning rate at which the loss falls fastest.

    The slope is that against the logarithm of the rate, before the turning point, step
    :math:`m`.  The rate is half-way, on that axis, between the two of the steepest
    descent:

    .. math::
       :label: eq-lr-steepest

       \eta_{\mathrm{steep}} &= \sqrt{\eta_k\, \eta_{k+1}} \\
       k &= \operatorname*{arg\,min}_{k < m}
       \frac{L_{k+1} - L_k}{\log \eta_{k+1} - \log \eta_k}

    Parameters
    ----------
    rates
        The rising rates of a range test, above 0.
    losses
        The loss, usually smoothed, at each of them; all are finite.

    Returns
    -------
    rate
        The rate :math:`\eta_{\mathrm{steep}}`, near the first one if the loss only
        rises.

    Raises
    ------
    ValueError
        If there are fewer than two losses.

    Examples
    --------
    The loss falls most between the rates 0.01 and 1; the last fall comes too late:

    >>> import numpy as np
    >>> from dlnotes.optimization.learning_rate import steepest_rate
    >>> rates = np.array([0.0001, 0.01, 1.0, 100.0, 10000.0])
    >>> round(float(steepest_rate(rates, np.array([2.3, 2.0, 0.9, 5.5, 3.0]))), 3)
    0.1
    """
    entries(2, losses=losses)
    xp, falling = array_namespace(losses), rates[1:] <= turning_point(rates, losses)
    slopes = xp.diff(losses) / xp.diff(xp.log(rates))
    k = xp.argmin(xp.where(falling, slopes, xp.inf))
    return xp.sqrt(_at(rates, k)) * xp.sqrt(_at(rates, k + 1))


class Picks(NamedTuple):
    """The learning rate that each rule picks from a range test."""

    half_of_largest: Any
    below_turning_point: Any
    tenth_of_turning_point: Any
    steepest: Any


@checked
def picks(
    rates: Float[Array, "steps"], losses: Float[Array, "steps"], *, skip: int = 10
) -> Picks:
    r"""Pick a learning rate from a range test, by four rules.

    The first smoothed losses are means of so few that their noise may look like a steep
    descent, or like a minimum, so they are left out.  On what is left:

    .. math::
       :label: eq-lr-picks

       \tfrac12\, \eta_{\mathrm{largest}}, \qquad
       \tfrac{9}{10}\, \eta_{\mathrm{turn}}, \qquad
       \tfrac{1}{10}\, \eta_{\mathrm{turn}}, \qquad
       \eta_{\mathrm{steep}}

    Parameters
    ----------
    rates
        The rising rates of a range test, above 0.
    losses
        The loss, usually smoothed, at each of them; all are finite.
    skip
        How many of the first losses to leave out.  For mini-batches of two or four
        instances ten may be too few.

    Returns
    -------
    picks
        The rate by each rule: half of :func:`largest_rate`, slightly below
        :func:`turning_point`, a tenth of it, and :func:`steepest_rate`.

    Raises
    ------
    ValueError
        If ``skip`` is no integer of at least 0, or fewer than two losses are left.

    Examples
    --------
    One curve, and four rates that are far apart:

    >>> import numpy as np
    >>> from dlnotes.optimization.learning_rate import picks
    >>> rates = np.array([0.001, 0.01, 0.1, 1.0, 10.0])
    >>> found = picks(rates, np.array([2.3, 2.2, 0.9, 0.8, 7.0]), skip=0)
    >>> {name: round(float(rate), 3) for name, rate in found._asdict().items()}
    {'half_of_largest': 0.5, 'below_turning_point': 0.9,
     'tenth_of_turning_point': 0.1, 'steepest': 0.032}
    """
    integer(0, skip=skip)
    entries(skip + 2, losses=losses)
    rates, losses = rates[skip:], losses[skip:]
    turn = turning_point(rates, losses)
    return Picks(
        half_of_largest=largest_rate(rates, losses) / 2,
        below_turning_point=0.9 * turn,
        tenth_of_turning_point=turn / 10,
        steepest=steepest_rate(rates, losses),
    )


def _at(values: Array, k: Array) -> Array:
    """Return the value at a position that was computed, also while compiling."""
    xp = array_namespace(values)
    return xp.take(values, xp.reshape(k, (1,)), axis=0)[0]
