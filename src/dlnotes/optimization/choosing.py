r"""Choosing an optimizer.

No optimizer is best for every loss.  On a quadratic, theory says how fast each can be,
and what it has to know for it.  On a network one has to try, and what is found depends
on what was tried: on how many settings each optimizer was given, and on how narrow the
range of those that work is.  This section computes all three.

References
----------
* B. T. Polyak (1964). Some methods of speeding up the convergence of iteration methods.
  *USSR Computational Mathematics and Mathematical Physics* 4(5).
  https://doi.org/10.1016/0041-5553(64)90137-5
* D. P. Kingma and J. Ba (2015). Adam: a method for stochastic optimization.
  *International Conference on Learning Representations*.
  https://arxiv.org/abs/1412.6980
* S. Ruder (2016). An overview of gradient descent optimization algorithms.
  https://arxiv.org/abs/1609.04747
* L. Lessard, B. Recht and A. Packard (2016). Analysis and design of optimization
  algorithms via integral quadratic constraints. *SIAM Journal on Optimization* 26(1).
  https://arxiv.org/abs/1408.3595
* A. C. Wilson, R. Roelofs, M. Stern, N. Srebro and B. Recht (2017). The marginal value
  of adaptive gradient methods in machine learning. *Advances in Neural Information
  Processing Systems* 30. https://arxiv.org/abs/1705.08292
* J. Dodge, S. Gururangan, D. Card, R. Schwartz and N. A. Smith (2019). Show your work:
  improved reporting of experimental results. *Conference on Empirical Methods in
  Natural Language Processing*. https://arxiv.org/abs/1909.03004
* D. Choi, C. J. Shallue, Z. Nado, J. Lee, C. J. Maddison and G. E. Dahl (2019). On
  empirical comparisons of optimizers for deep learning.
  https://arxiv.org/abs/1910.05446
* R. M. Schmidt, F. Schneider and P. Hennig (2021). Descending through a crowded
  valley: benchmarking deep learning optimizers. *International Conference on Machine
  Learning*. https://arxiv.org/abs/2007.01547
"""

from typing import NamedTuple

from jaxtyping import Float

from dlnotes.arrays import Array, array_namespace, checked, device_of
from dlnotes.checks import at_least, entries, in_range, integer, positive


@checked
def convergence_factor(
    products: Float[Array, "*shape"], *, mu: float = 0.0, nesterov: bool = False
) -> Float[Array, "*shape"]:
    r"""Return the factor by which an optimizer shrinks the distance, in the long run.

    Along an axis of curvature :math:`a` two steps of momentum, at the learning rate
    :math:`\eta`, are a recurrence whose solutions are powers of the roots of a
    quadratic equation; the larger root is the factor of a step:

    .. math::
       :label: eq-choosing-factor

       r^2 - s\, r + p &= 0, \qquad
       \rho = \max(\lvert r_1 \rvert, \lvert r_2 \rvert) =
       \begin{cases}
       \tfrac12 \big( \lvert s \rvert + \sqrt{s^2 - 4 p} \big) & s^2 > 4p \\
       \sqrt{p} & s^2 \le 4p
       \end{cases} \\
       \text{momentum:} \quad s &= 1 + \mu - \eta a, \qquad p = \mu \\
       \text{Nesterov:} \quad s &= (1 + \mu)(1 - \eta a), \qquad p = \mu\, (1 - \eta a)

    Without momentum, :math:`\mu = 0`, both are gradient descent, with
    :math:`\rho = \lvert 1 - \eta a \rvert`.

    Parameters
    ----------
    products
        The product :math:`\eta a` of the learning rate and the curvature, for each
        axis.
    mu
        The momentum coefficient :math:`\mu`, from 0 to 1.
    nesterov
        Whether the gradient is taken where the step is about to lead.

    Returns
    -------
    factor
        The factor :math:`\rho` along each axis.  The optimizer converges if all are
        less than 1, and the largest decides how fast.

    Raises
    ------
    ValueError
        If the momentum coefficient is out of its range.

    Examples
    --------
    With :math:`\mu = 1/4` momentum has the factor 1/2 on a range of curvatures.
    Gradient descent arrives at once where the product is 1, and stands still at 2:

    >>> import numpy as np
    >>> from dlnotes.optimization.choosing import convergence_factor
    >>> products = np.array([0.1, 1.0, 2.0])
    >>> convergence_factor(products)
    array([0.9, 0. , 1. ])
    >>> convergence_factor(products, mu=0.25).round(3)
    array([0.859, 0.5  , 0.5  ])
    """
    in_range(0, 1, mu=mu)
    xp = array_namespace(products)
    rest = 1 - products
    s = (1 + mu) * rest if nesterov else rest + mu
    p = mu * rest if nesterov else mu + 0 * rest
    discriminant = s**2 - 4 * p
    real = discriminant > 0
    radicand = xp.where(real, discriminant, p)
    root = xp.sqrt(xp.where(radicand == 0, 1.0, radicand))  # of 0 it has no slope
    root = xp.where(radicand == 0, 0.0, root)
    return xp.where(real, (xp.abs(s) + root) / 2, root)


class Factors(NamedTuple):
    """The factor of a step at the worst curvature, for settings in closed form."""

    short_steps: float
    gradient_descent: float
    nesterov: float
    momentum: float


def best_factors(condition_number: float) -> Factors:
    r"""Return what a step leaves of the distance, at settings that theory proposes.

    The curvatures lie between :math:`a_{\min}` and :math:`a_{\max}`, whose quotient is
    the condition number :math:`\kappa`.  The largest factor over all of them is

    .. math::
       :label: eq-choosing-best

       \text{gradient descent, } \eta = \tfrac{1}{a_{\max}} &: \quad
       1 - \tfrac{1}{\kappa} \\
       \text{gradient descent, } \eta = \tfrac{2}{a_{\min} + a_{\max}} &: \quad
       \tfrac{\kappa - 1}{\kappa + 1} \\
       \text{Nesterov, } \eta = \tfrac{1}{a_{\max}},\;
       \mu = \tfrac{\sqrt{\kappa} - 1}{\sqrt{\kappa} + 1} &: \quad
       1 - \tfrac{1}{\sqrt{\kappa}} \\
       \text{momentum, } \eta = \tfrac{4}{(\sqrt{a_{\min}} + \sqrt{a_{\max}})^2},\;
       \mu = \big( \tfrac{\sqrt{\kappa} - 1}{\sqrt{\kappa} + 1} \big)^2 &: \quad
       \tfrac{\sqrt{\kappa} - 1}{\sqrt{\kappa} + 1}

    The second and the fourth are the best that the two methods can have.

    Parameters
    ----------
    condition_number
        The condition number :math:`\kappa`, at least 1.

    Returns
    -------
    factors
        The four factors, in this order.

    Raises
    ------
    ValueError
        If the condition number is below 1.

    Examples
    --------
    >>> from dlnotes.optimization.choosing import best_factors
    >>> [round(factor, 3) for factor in best_factors(100)]
    [0.99, 0.98, 0.9, 0.818]
    """
    at_least(1, condition_number=condition_number)
    kappa, root = condition_number, condition_number**0.5
    return Factors(
        short_steps=1 - 1 / kappa,
        gradient_descent=(kappa - 1) / (kappa + 1),
        nesterov=1 - 1 / root,
        momentum=(root - 1) / (root + 1),
    )


@checked
def steps_needed(
    factor: Float[Array, "*shape"], *, tolerance: float = 1e-3
) -> Float[Array, "*shape"]:
    r"""Count the steps until a share of the distance is left.

    A step multiplies the distance by :math:`\rho`, so a share :math:`\varepsilon` is
    left when :math:`\rho^t = \varepsilon`:

    .. math::
       :label: eq-choosing-steps

       t = \frac{\log \varepsilon}{\log \rho}

    Parameters
    ----------
    factor
        The factor :math:`\rho` of a step, above 0.
    tolerance
        The share :math:`\varepsilon`, above 0 and at most 1.

    Returns
    -------
    steps
        The number :math:`t`, not rounded; infinity where the factor is 1 or more.

    Raises
    ------
    ValueError
        If the tolerance is out of its range.

    Examples
    --------
    To halve the distance three times leaves an eighth:

    >>> import numpy as np
    >>> from dlnotes.optimization.choosing import steps_needed
    >>> steps_needed(np.array([0.5, 0.99, 1.0]), tolerance=1 / 8).round(1)
    array([  3. , 206.9,   inf])
    """
    positive(tolerance=tolerance)
    in_range(0, 1, tolerance=tolerance)
    xp = array_namespace(factor)
    shrinks = factor < 1
    logarithm = xp.log(xp.where(shrinks, factor, 0 * factor + 0.5))
    share = xp.log(0 * factor + tolerance)
    return xp.where(shrinks, share / logarithm, xp.inf)


@checked
def tolerated_decades(
    rates: Float[Array, "rates"], scores: Float[Array, "rates"], *, margin: float
) -> Float[Array, ""]:
    r"""Measure how many powers of ten of learning rates are nearly as good as the best.

    Each rate :math:`\eta_k` of a rising grid stands for the rates from half-way to the
    one before to half-way to the one after, on a logarithmic axis; the first and the
    last reach out as far as they reach in.  Summed are those whose score is at most the
    margin :math:`\delta` below the best:

    .. math::
       :label: eq-choosing-decades

       \sum_{k} \tfrac12 \log_{10} \frac{\eta_{k+1}}{\eta_{k-1}}
       \left[ s_k \ge \max_j s_j - \delta \right]

    with one for a true bracket and zero for a false one.

    Parameters
    ----------
    rates
        The rates :math:`\eta_k`, rising and positive.
    scores
        The score :math:`s_k` at each, the higher the better; none is NaN.
    margin
        The margin :math:`\delta`, at least 0.

    Returns
    -------
    decades
        The width in powers of ten.

    Raises
    ------
    ValueError
        If the margin is negative, or there are fewer than two rates.

    Examples
    --------
    Three rates for each power of ten, two of which are within a point of the best:

    >>> import numpy as np
    >>> from dlnotes.optimization.choosing import tolerated_decades
    >>> rates = np.geomspace(0.01, 1, 7)
    >>> scores = np.array([50.0, 80.0, 94.5, 95.0, 90.0, 70.0, 10.0])
    >>> round(float(tolerated_decades(rates, scores, margin=1.0)), 3)
    0.667
    """
    at_least(0, margin=margin)
    entries(2, rates=rates)
    xp = array_namespace(rates)
    gaps = xp.diff(xp.log10(rates))
    spans = xp.concat([gaps[:1], gaps]) + xp.concat([gaps, gaps[-1:]])
    good = scores >= xp.max(scores) - margin
    return xp.sum(xp.where(good, spans / 2, 0.0))


@checked
def expected_best(scores: Float[Array, "settings"], *, budget: int) -> Float[Array, ""]:
    r"""Return the best score that a number of random settings can be expected to have.

    Of :math:`N` settings that were tried, sorted by their scores :math:`s_1 \le \dots
    \le s_N`, draw :math:`n` at random, each time from all.  The best of them is at most
    :math:`s_i` with the probability :math:`(i / N)^n`, so its expected score is (Dodge
    et al., 2019)

    .. math::
       :label: eq-choosing-expected-best

       \mathbb{E}\Big[ \max_{j \le n} s_{i_j} \Big] = \sum_{i=1}^{N} s_i
       \left[ \left( \frac{i}{N} \right)^{n}
       - \left( \frac{i - 1}{N} \right)^{n} \right]

    Parameters
    ----------
    scores
        The score of each setting, on the data that settings are chosen by; the higher
        the better.
    budget
        How many settings :math:`n` are tried, at least 1.

    Returns
    -------
    score
        The expected score of the best of them.

    Raises
    ------
    ValueError
        If the budget is no integer of at least 1, or there is no score.

    Examples
    --------
    Two settings, one with the score 0 and one with 1.  One draw finds the better one in
    half of the cases, two draws in three quarters:

    >>> import numpy as np
    >>> from dlnotes.optimization.choosing import expected_best
    >>> [float(expected_best(np.array([1.0, 0.0]), budget=n)) for n in (1, 2)]
    [0.5, 0.75]
    """
    integer(1, budget=budget)
    entries(1, scores=scores)
    xp, N = array_namespace(scores), scores.shape[0]
    counts = xp.result_type(scores.dtype, xp.float32)  # half precision has few
    i = xp.arange(1, N + 1, dtype=counts, device=device_of(scores))
    probabilities = (i / N) ** budget - ((i - 1) / N) ** budget
    expected = xp.sum(probabilities * xp.sort(scores))
    return xp.astype(expected, scores.dtype)
