r"""Learning rate schedules.

A large learning rate travels fast and ends far from the minimum; a small one comes
close, if there is time.  A *schedule* lets the rate depend on the number of the step.
Robbins and Monro (1951) let it fall like :math:`1/k`; networks are mostly trained with
a short warm-up (Goyal et al., 2017) and then a fall, in steps or along half a cosine
(Loshchilov and Hutter, 2017).  Smith (2017) lets the rate rise and fall in cycles, or
in a single one (Smith and Topin, 2019).  A schedule needs no state: each function here
takes the number of a step, or an array of such numbers, and returns the rate there.

References
----------
* H. Robbins and S. Monro (1951). A stochastic approximation method. *The Annals of
  Mathematical Statistics* 22(3). https://doi.org/10.1214/aoms/1177729586
* B. T. Polyak and A. B. Juditsky (1992). Acceleration of stochastic approximation by
  averaging. *SIAM Journal on Control and Optimization* 30(4).
  https://doi.org/10.1137/0330046
* L. N. Smith (2017). Cyclical learning rates for training neural networks. *IEEE Winter
  Conference on Applications of Computer Vision*. https://arxiv.org/abs/1506.01186
* I. Loshchilov and F. Hutter (2017). SGDR: stochastic gradient descent with warm
  restarts. *International Conference on Learning Representations*.
  https://arxiv.org/abs/1608.03983
* P. Goyal, P. Dollár, R. Girshick, P. Noordhuis, L. Wesolowski, A. Kyrola, A. Tulloch,
  Y. Jia and K. He (2017). Accurate, large minibatch SGD: training ImageNet in 1 hour.
  https://arxiv.org/abs/1706.02677
* L. N. Smith and N. Topin (2019). Super-convergence: very fast training of neural
  networks using large learning rates. *Artificial Intelligence and Machine Learning
  for Multi-Domain Operations Applications*. https://arxiv.org/abs/1708.07120
* G. Zhang, L. Li, Z. Nado, J. Martens, S. Sachdeva, G. E. Dahl, C. J. Shallue and
  R. Grosse (2019). Which algorithmic choices matter at which batch sizes? Insights from
  a noisy quadratic model. *Advances in Neural Information Processing Systems* 32.
  https://arxiv.org/abs/1907.04164
* S. Hu, Y. Tu, X. Han and others (2024). MiniCPM: unveiling the potential of small
  language models with scalable training strategies. *Conference on Language Modeling*.
  https://arxiv.org/abs/2404.06395
"""

import math
from typing import Any

from jaxtyping import Float, Real

from dlnotes.arrays import Array, anywhere, array_namespace, checked
from dlnotes.checks import at_least, in_range, integer, positive


@checked
def mean_squares(
    rates: Float[Array, "steps"],
    start: Float[Array, "d"],
    *,
    curvature: Float[Array, "d"],
    variance: Float[Array, "d"],
) -> Float[Array, "steps d"]:
    r"""Compute the mean squared distance from a minimum after each noisy step.

    Gradient descent on a quadratic with the curvature :math:`a` along an axis, whose
    gradient has noise of mean 0 and variance :math:`\sigma^2`, independent of all
    before, has there, over all noise, the mean squared distance

    .. math::
       :label: eq-schedule-variance

       V_{k+1} = (1 - \eta_k\, a)^2\, V_k + \eta_k^2\, \sigma^2

    Parameters
    ----------
    rates
        The learning rate :math:`\eta_k` of each step.
    start
        The squared distance :math:`V_0` along each axis.
    curvature
        The curvature :math:`a` of each axis.
    variance
        The variance :math:`\sigma^2` of the gradient along each axis.

    Returns
    -------
    squares
        The means :math:`V_1, V_2, \dots`, one step a row.

    Examples
    --------
    The rate 1 arrives at once, but for the noise, and then moves with it.  Rates that
    fall like :math:`1/k` take the mean of all steps:

    >>> import numpy as np
    >>> from dlnotes.optimization.schedules import mean_squares
    >>> one = np.ones(1)
    >>> for rates in (np.ones(4), 1 / np.arange(1.0, 5)):
    ...     squares = mean_squares(rates, 100 * one, curvature=one, variance=one)
    ...     print(squares[:, 0].round(3))
    [1. 1. 1. 1.]
    [1.    0.5   0.333 0.25 ]
    """
    squares = []
    for k in range(rates.shape[0]):
        start = (1 - rates[k] * curvature) ** 2 * start + rates[k] ** 2 * variance
        squares.append(start)
    return array_namespace(rates).stack(squares)


@checked
def noise_floor(
    curvature: Float[Array, "*shape"],
    variance: Float[Array, "*shape"],
    *,
    learning_rate: float,
) -> Float[Array, "*shape"]:
    r"""Compute the mean squared distance from a minimum that a constant rate keeps.

    It is what :eq:`eq-schedule-variance` leaves as it is, and tends to from every
    start, for a rate below :math:`2/a`:

    .. math::
       :label: eq-schedule-floor

       V_\infty = \frac{\eta\, \sigma^2}{a\, (2 - \eta\, a)}

    Parameters
    ----------
    curvature
        The curvature :math:`a`, above 0.
    variance
        The variance :math:`\sigma^2` of the gradient.
    learning_rate
        The learning rate :math:`\eta`, at least 0 and below :math:`2/a`.

    Returns
    -------
    square
        The mean squared distance :math:`V_\infty`.

    Raises
    ------
    ValueError
        If the rate is negative, or not below 2/a.

    Examples
    --------
    Half the rate, a little less than half the square:

    >>> import numpy as np
    >>> from dlnotes.optimization.schedules import noise_floor
    >>> one = np.array(1.0)
    >>> [
    ...     round(float(noise_floor(one, one, learning_rate=eta)), 3)
    ...     for eta in (1.0, 0.5)
    ... ]
    [1.0, 0.333]
    """
    at_least(0, learning_rate=learning_rate)
    if anywhere(~(learning_rate * curvature < 2)):
        raise ValueError(
            f"learning_rate must be below 2 / curvature, got {learning_rate}"
        )
    return learning_rate * variance / (curvature * (2 - learning_rate * curvature))


@checked
def inverse_decay(
    k: Real[Array, "*shape"], *, high: float, period: float
) -> Float[Array, "*shape"]:
    r"""Let the rate fall like the inverse of the number of the step.

    .. math::
       :label: eq-schedule-inverse

       \eta_k = \frac{\eta_{\max}}{1 + k / T}

    Parameters
    ----------
    k
        The number of the step, or of several steps, from 0.
    high
        The first rate :math:`\eta_{\max}`.
    period
        The number :math:`T` of steps after which half of it is left.

    Returns
    -------
    rate
        The rate :math:`\eta_k`.

    Raises
    ------
    ValueError
        If the rate or the period is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.schedules import inverse_decay
    >>> inverse_decay(np.array([0, 10, 30, 90]), high=1.0, period=10)
    array([1.  , 0.5 , 0.25, 0.1 ])
    """
    positive(high=high, period=period)
    return high / (1 + k / period)


@checked
def step_decay(
    k: Real[Array, "*shape"], *, high: float, period: int, factor: float = 0.1
) -> Float[Array, "*shape"]:
    r"""Multiply the rate by a factor after every period.

    .. math::
       :label: eq-schedule-step

       \eta_k = \eta_{\max}\, \gamma^{\lfloor k / T \rfloor}

    Parameters
    ----------
    k
        The number of the step, or of several steps, from 0.
    high
        The first rate :math:`\eta_{\max}`.
    period
        The number :math:`T` of steps with one rate, at least 1.
    factor
        The factor :math:`\gamma`, from 0 to 1.

    Returns
    -------
    rate
        The rate :math:`\eta_k`.

    Raises
    ------
    ValueError
        If the rate is not positive, the period is no whole number of at least 1, or the
        factor is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.schedules import step_decay
    >>> step_decay(np.arange(7), high=8.0, period=3, factor=0.5)
    array([8., 8., 8., 4., 4., 4., 2.])
    """
    positive(high=high)
    integer(1, period=period)
    in_range(0, 1, factor=factor)
    return high * factor ** array_namespace(k).floor(k / period)


@checked
def exponential_decay(
    k: Real[Array, "*shape"], *, high: float, factor: float
) -> Float[Array, "*shape"]:
    r"""Multiply the rate by a factor after every step.

    .. math::
       :label: eq-schedule-exponential

       \eta_k = \eta_{\max}\, \gamma^k

    Parameters
    ----------
    k
        The number of the step, or of several steps, from 0.
    high
        The first rate :math:`\eta_{\max}`.
    factor
        The factor :math:`\gamma`, from 0 to 1.

    Returns
    -------
    rate
        The rate :math:`\eta_k`.

    Raises
    ------
    ValueError
        If the rate is not positive, or the factor is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.schedules import exponential_decay
    >>> exponential_decay(np.arange(4), high=8.0, factor=0.5)
    array([8., 4., 2., 1.])
    """
    positive(high=high)
    in_range(0, 1, factor=factor)
    return high * (1.0 * factor) ** k


@checked
def cosine_decay(
    k: Real[Array, "*shape"], *, steps: int, high: float, low: float = 0.0
) -> Float[Array, "*shape"]:
    r"""Let the rate fall along half a cosine, and stay where it ends.

    .. math::
       :label: eq-schedule-cosine

       \eta_k = \eta_{\min} + \tfrac12 (\eta_{\max} - \eta_{\min})
       \left( 1 + \cos \frac{\pi \min(k, N)}{N} \right)

    Parameters
    ----------
    k
        The number of the step, or of several steps, from 0.
    steps
        The number :math:`N` of steps after which the rate is at its end, at least 1.
    high, low
        The first rate :math:`\eta_{\max}` and the last :math:`\eta_{\min}`, which may
        be 0.

    Returns
    -------
    rate
        The rate :math:`\eta_k`.

    Raises
    ------
    ValueError
        If there is no step, or the rates are negative or rise.

    Examples
    --------
    It falls slowly at both ends:

    >>> import numpy as np
    >>> from dlnotes.optimization.schedules import cosine_decay
    >>> cosine_decay(np.arange(8), steps=6, high=1.0).round(3)
    array([1.   , 0.933, 0.75 , 0.5  , 0.25 , 0.067, 0.   , 0.   ])
    """
    integer(1, steps=steps)
    _check_bounds(low, high)
    return _half_cosine(high, low, array_namespace(k).clip(k / steps, 0, 1))


def _check_bounds(low: float, high: float) -> None:
    """Refuse rates that are negative, infinite, or in the wrong order."""
    at_least(0, low=low)
    positive(high=high)
    if low > high:
        raise ValueError(f"high must be at least low, got {high} and {low}")


def _half_cosine(start: float, end: float, share: Any) -> Any:
    """Go from one rate to another along half a cosine, of which a share is over."""
    xp = array_namespace(share)
    return end + (start - end) / 2 * (1 + xp.cos(math.pi * share))


@checked
def cosine_restarts(
    k: Real[Array, "*shape"],
    *,
    period: int,
    high: float,
    low: float = 0.0,
    growth: int = 1,
) -> Float[Array, "*shape"]:
    r"""Let the rate fall along half a cosine, and start again at the top.

    Cycle :math:`n = 0, 1, \dots` has :math:`T_n = T c^n` steps.  At step :math:`t =
    0, \dots, T_n - 1` of it the rate is

    .. math::
       :label: eq-schedule-restarts

       \eta = \eta_{\min} + \tfrac12 (\eta_{\max} - \eta_{\min})
       \left( 1 + \cos \frac{\pi t}{T_n} \right)

    Parameters
    ----------
    k
        The number of the step, or of several steps, a whole number from 0.
    period
        The number :math:`T` of steps of the first cycle, at least 1.
    high, low
        The rate :math:`\eta_{\max}` at the start of a cycle, and :math:`\eta_{\min}`,
        at which the next one begins in its place.
    growth
        The factor :math:`c` by which a cycle is longer than the one before, a whole
        number of at least 1.

    Returns
    -------
    rate
        The rate :math:`\eta`.

    Raises
    ------
    ValueError
        If the period or the growth is no whole number of at least 1, or the rates are
        negative or rise.

    Examples
    --------
    Cycles of two, four and eight steps:

    >>> import numpy as np
    >>> from dlnotes.optimization.schedules import cosine_restarts
    >>> cosine_restarts(np.arange(9), period=2, high=1.0, growth=2).round(2)
    array([1.  , 0.5 , 1.  , 0.85, 0.5 , 0.15, 1.  , 0.96, 0.85])
    """
    integer(1, period=period, growth=growth)
    _check_bounds(low, high)
    return _half_cosine(high, low, _share_of_cycle(k, period, growth))


def _within(k: Any, period: int) -> Any:
    """Return how far into its cycle a step is, exactly for whole numbers."""
    xp = array_namespace(k)
    small = k.dtype in (xp.int8, xp.uint8, xp.int16, xp.uint16)
    return (xp.astype(k, xp.int32) if small else k) % period


def _share_of_cycle(k: Any, period: int, growth: int) -> Any:
    """Return which share of its cycle is over at a step.

    Before cycle n there are T (c^n - 1) / (c - 1) steps.  This is solved for n half a
    step later, which is far from any start, where rounding could decide.
    """
    xp = array_namespace(k)
    if growth == 1:
        return _within(k, period) / period
    n = xp.floor(xp.log1p((growth - 1) / period * (k + 0.5)) / math.log(growth))
    length = period * growth**n
    return (k - (length - period) / (growth - 1)) / length


@checked
def warm_up(
    k: Real[Array, "*shape"], *, steps: int, high: float = 1.0, low: float = 0.0
) -> Float[Array, "*shape"]:
    r"""Let the rate rise by a constant amount at each step, and stay at the top.

    .. math::
       :label: eq-schedule-warm-up

       \eta_k = \eta_{\min} + (\eta_{\max} - \eta_{\min})\, \frac{\min(k, N)}{N}

    With :math:`\eta_{\max} = 1` it is a factor, by which any other schedule can be
    multiplied.

    Parameters
    ----------
    k
        The number of the step, or of several steps, from 0.
    steps
        The number :math:`N` of steps after which the rate is at the top, at least 1.
    high, low
        The rate :math:`\eta_{\max}` at the top, and the first one :math:`\eta_{\min}`.

    Returns
    -------
    rate
        The rate :math:`\eta_k`.

    Raises
    ------
    ValueError
        If there is no step, or the rates are negative or fall.

    Examples
    --------
    A first step at the rate 0 would change nothing, so one begins above it:

    >>> import numpy as np
    >>> from dlnotes.optimization.schedules import warm_up
    >>> warm_up(np.arange(6), steps=4, low=0.2)
    array([0.2, 0.4, 0.6, 0.8, 1. , 1. ])
    """
    integer(1, steps=steps)
    _check_bounds(low, high)
    return low + (high - low) * array_namespace(k).clip(k / steps, 0, 1)


@checked
def triangular_rate(
    k: Real[Array, "*shape"], *, half_cycle: int, low: float, high: float
) -> Float[Array, "*shape"]:
    r"""Let the rate rise from a lower bound to an upper one and fall back, for ever.

    It takes :math:`s` steps to rise and as many to fall:

    .. math::
       :label: eq-clr-triangular

       \eta_k = \eta_{\min} + (\eta_{\max} - \eta_{\min})
       \max\left( 0, 1 - \left| \frac{k}{s} - 2 \left\lfloor 1 + \frac{k}{2s}
       \right\rfloor + 1 \right| \right)

    Parameters
    ----------
    k
        The number of the step, or of several steps, from 0.
    half_cycle
        The number :math:`s` of steps from one bound to the other, at least 1.
    low, high
        The bounds :math:`\eta_{\min}` and :math:`\eta_{\max}`.

    Returns
    -------
    rate
        The rate :math:`\eta_k`.

    Raises
    ------
    ValueError
        If the half cycle is no whole number of at least 1, or the bounds are negative
        or in the wrong order.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.schedules import triangular_rate
    >>> triangular_rate(np.arange(9), half_cycle=2, low=1.0, high=5.0)
    array([1., 3., 5., 3., 1., 3., 5., 3., 1.])
    """
    integer(1, half_cycle=half_cycle)
    _check_bounds(low, high)
    xp = array_namespace(k)
    distance = xp.abs(_within(k, 2 * half_cycle) / half_cycle - 1)
    return low + (high - low) * xp.clip(1 - distance, 0, 1)


@checked
def triangular2_rate(
    k: Real[Array, "*shape"], *, half_cycle: int, low: float, high: float
) -> Float[Array, "*shape"]:
    r"""Let the rate rise and fall, half as high in every further cycle.

    With the triangular rate :math:`\eta_k` of :eq:`eq-clr-triangular`:

    .. math::
       :label: eq-clr-triangular2

       \eta'_k = \eta_{\min} + 2^{-\lfloor k / (2s) \rfloor} (\eta_k - \eta_{\min})

    Parameters
    ----------
    k
        The number of the step, or of several steps, from 0.
    half_cycle
        The number :math:`s` of steps from one bound to the other, at least 1.
    low, high
        The bounds :math:`\eta_{\min}` and, in the first cycle, :math:`\eta_{\max}`.

    Returns
    -------
    rate
        The rate :math:`\eta'_k`.

    Raises
    ------
    ValueError
        If the half cycle is no whole number of at least 1, or the bounds are negative
        or in the wrong order.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.schedules import triangular2_rate
    >>> triangular2_rate(np.arange(9), half_cycle=2, low=1.0, high=5.0)
    array([1., 3., 5., 3., 1., 2., 3., 2., 1.])
    """
    rate = triangular_rate(k, half_cycle=half_cycle, low=low, high=high)
    cycle = array_namespace(k).floor(k / (2 * half_cycle))
    return low + 0.5**cycle * (rate - low)


@checked
def exp_range_rate(
    k: Real[Array, "*shape"],
    *,
    half_cycle: int,
    low: float,
    high: float,
    factor: float,
) -> Float[Array, "*shape"]:
    r"""Let the rate rise and fall, a little less high at every step.

    With the triangular rate :math:`\eta_k` of :eq:`eq-clr-triangular`:

    .. math::
       :label: eq-clr-exp-range

       \eta'_k = \eta_{\min} + \gamma^k\, (\eta_k - \eta_{\min})

    Parameters
    ----------
    k
        The number of the step, or of several steps, from 0.
    half_cycle
        The number :math:`s` of steps from one bound to the other, at least 1.
    low, high
        The bounds :math:`\eta_{\min}` and, at first, :math:`\eta_{\max}`.
    factor
        The factor :math:`\gamma`, from 0 to 1.

    Returns
    -------
    rate
        The rate :math:`\eta'_k`.

    Raises
    ------
    ValueError
        If the half cycle is no whole number of at least 1, the bounds are negative or
        in the wrong order, or the factor is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.schedules import exp_range_rate
    >>> exp_range_rate(np.arange(5), half_cycle=1, low=1.0, high=5.0, factor=0.5)
    array([1. , 3. , 1. , 1.5, 1. ])
    """
    in_range(0, 1, factor=factor)
    rate = triangular_rate(k, half_cycle=half_cycle, low=low, high=high)
    return low + factor**k * (rate - low)


@checked
def one_cycle(
    k: Real[Array, "*shape"],
    *,
    steps: int,
    high: float,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Float[Array, "*shape"]:
    r"""Let the rate rise to a peak and fall far below where it began.

    Both ways are half cosines.  With :math:`p = \alpha N - 1`, the step of the peak,

    .. math::
       :label: eq-schedule-one-cycle

       \eta_k = \begin{cases}
       \eta_{\max} - \tfrac12 (\eta_{\max} - \eta_0)
       \left( 1 + \cos \dfrac{\pi k}{p} \right)
       & k \le p \\[2ex]
       \eta_{\mathrm{end}} + \tfrac12 (\eta_{\max} - \eta_{\mathrm{end}})
       \left( 1 + \cos \dfrac{\pi (k - p)}{N - 1 - p} \right)
       & k > p
       \end{cases}

    Parameters
    ----------
    k
        The number of the step, or of several steps, from 0.
    steps
        The number :math:`N` of steps of the run; the rate stays where the last one has
        it.
    high
        The rate :math:`\eta_{\max}` of the peak.
    pct_start
        The share :math:`\alpha` of the steps up to the peak, which must come after the
        first step and before the last.
    div_factor
        How many times larger the peak is than the first rate :math:`\eta_0`.
    final_div_factor
        How many times larger that is than the last rate :math:`\eta_{\mathrm{end}}`.

    Returns
    -------
    rate
        The rate :math:`\eta_k`.

    Raises
    ------
    ValueError
        If the rate is not positive, a factor is less than 1, or the peak is not inside
        the run.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.schedules import one_cycle
    >>> one_cycle(np.arange(8), steps=8, high=1.0, pct_start=0.5).round(3)
    array([0.04 , 0.28 , 0.76 , 1.   , 0.854, 0.5  , 0.146, 0.   ])
    """
    integer(3, steps=steps)
    positive(high=high)
    at_least(1, div_factor=div_factor, final_div_factor=final_div_factor)
    peak = pct_start * steps - 1
    if not 0 < peak < steps - 1:
        raise ValueError(
            f"pct_start must be above 1/{steps} and below 1, got {pct_start}"
        )
    xp, first = array_namespace(k), high / div_factor
    rising = _half_cosine(first, high, k / peak)
    share = xp.clip((k - peak) / (steps - 1 - peak), 0, 1)
    return xp.where(
        k <= peak, rising, _half_cosine(high, first / final_div_factor, share)
    )
