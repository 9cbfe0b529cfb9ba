r"""Hyperparameters.

Training finds the parameters of a network: its weights and biases.  What has to be set
before training starts, such as the learning rate or the number of units, is found by
trying settings and comparing what they reach on a validation set.  Random search tries
more values of each setting than a grid does (Bergstra and Bengio, 2012), successive
halving gives up early on most of them (Jamieson and Talwalkar, 2016; Li et al., 2018),
and whatever is tried, the best of many noisy results looks better than it is (Cawley
and Talbot, 2010).

References
----------
* G. C. Cawley and N. L. C. Talbot (2010). On over-fitting in model selection and
  subsequent selection bias in performance evaluation. *Journal of Machine Learning
  Research* 11. https://jmlr.org/papers/v11/cawley10a.html
* J. Bergstra and Y. Bengio (2012). Random search for hyper-parameter optimization.
  *Journal of Machine Learning Research* 13.
  https://jmlr.org/papers/v13/bergstra12a.html
* K. Jamieson and A. Talwalkar (2016). Non-stochastic best arm identification and
  hyperparameter optimization. *International Conference on Artificial Intelligence and
  Statistics*. https://arxiv.org/abs/1502.07943
* L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh and A. Talwalkar (2018). Hyperband: a
  novel bandit-based approach to hyperparameter optimization. *Journal of Machine
  Learning Research* 18. https://arxiv.org/abs/1603.06560
* X. Bouthillier et al. (2021). Accounting for variance in machine learning benchmarks.
  *Machine Learning and Systems* 3. https://arxiv.org/abs/2103.03098
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from dlnotes.arrays import Array, anywhere, array_namespace, checked
from dlnotes.checks import generator, integer, positive

Setting = TypeVar("Setting")
Quantile = Callable[[Any], Any]


def grid(space: Mapping[str, Iterable[Any]]) -> tuple[dict[str, Any], ...]:
    """Combine each value of each hyperparameter with each of the others.

    Parameters
    ----------
    space
        The values to try, by the name of the hyperparameter.

    Returns
    -------
    settings
        All combinations; the last hyperparameter changes fastest.

    Raises
    ------
    ValueError
        If there is no hyperparameter, or one has no values.
    TypeError
        If the values of one are no sequence, or a string.

    Examples
    --------
    Three rates and two widths are six settings, and each rate is tried twice:

    >>> from dlnotes.training.hyperparameters import grid
    >>> settings = grid({"rate": (0.01, 0.1, 1.0), "width": (16, 64)})
    >>> len(settings), settings[1]
    (6, {'rate': 0.01, 'width': 64})
    """
    _check_space(space)
    values = [_values(name, each) for name, each in space.items()]
    return tuple(dict(zip(space, row, strict=True)) for row in product(*values))


def random_settings(
    space: Mapping[str, Iterable[Any] | Quantile],
    *,
    count: int,
    rng: np.random.Generator,
) -> tuple[dict[str, Any], ...]:
    """Draw settings at random, each hyperparameter independently of the others.

    Parameters
    ----------
    space
        By the name of the hyperparameter, either the values to choose from, all of them
        equally likely, or a function from uniform draws from [0, 1) to values, such as
        `log_uniform` with its bounds or the ``ppf`` of a distribution of SciPy.
    count
        How many settings to draw, at least 1.
    rng
        The random generator.

    Returns
    -------
    settings
        The settings.  More of them begin with the same ones.

    Raises
    ------
    ValueError
        If there is no hyperparameter, one has no values, the count is no integer of at
        least 1, or a function does not return a value for each draw.
    TypeError
        If the values of one are no sequence, or a string, or the generator is none.

    Examples
    --------
    >>> from functools import partial
    >>> import numpy as np
    >>> from dlnotes.training.hyperparameters import log_uniform, random_settings
    >>> space = {
    ...     "rate": partial(log_uniform, low=1e-4, high=1.0),
    ...     "activation": ("relu", "tanh"),
    ... }
    >>> for setting in random_settings(space, count=3, rng=np.random.default_rng(0)):
    ...     print(f"{setting['rate']:.4f} {setting['activation']}")
    0.0353 relu
    0.0001 relu
    0.1791 tanh
    """
    _check_space(space)
    integer(1, count=count)
    generator(rng=rng)
    draws = rng.random((count, len(space)))
    columns = []
    for (name, values), u in zip(space.items(), draws.T, strict=True):
        if callable(values):
            column = _mapped(name, values, u)
        else:
            choices = _values(name, values)
            column = [choices[int(share * len(choices))] for share in u]
        columns.append(column)
    return tuple(
        dict(zip(space, row, strict=True)) for row in zip(*columns, strict=True)
    )


@checked
def hit_probability(
    share: Float[Array, "*shape"], *, draws: int
) -> Float[Array, "*shape"]:
    r"""Return the probability that random search finds one of the best settings.

    If the share :math:`q` of all settings is good enough, a draw misses them with the
    probability :math:`1 - q`, and :math:`n` independent draws all miss them with
    :math:`(1 - q)^n`:

    .. math::
       :label: eq-hyperparameters-hit

       P(\text{hit}) = 1 - (1 - q)^n

    The number of hyperparameters does not appear.

    Parameters
    ----------
    share
        The share :math:`q` of settings that are good enough, from 0 to 1, measured by
        the distribution that settings are drawn from.
    draws
        The number :math:`n` of settings that are tried, at least 1.

    Returns
    -------
    probability
        The probability that at least one of them is good enough.

    Raises
    ------
    ValueError
        If a share is out of its range, or the number of draws no integer of at least 1.

    Examples
    --------
    Half of the settings are good: two draws both miss them in a quarter of the cases.
    Sixty draws nearly always find one of the best twentieth:

    >>> import numpy as np
    >>> from dlnotes.training.hyperparameters import hit_probability
    >>> float(hit_probability(np.array(0.5), draws=2))
    0.75
    >>> round(float(hit_probability(np.array(0.05), draws=60)), 3)
    0.954
    """
    integer(1, draws=draws)
    _check_shares(share=share)
    xp = array_namespace(share)
    sure = share == 1  # where the logarithm is infinite
    missed = draws * xp.log1p(-xp.where(sure, xp.zeros_like(share), share))
    return xp.where(sure, xp.ones_like(share), -xp.expm1(missed))


@checked
def log_uniform(
    u: Float[Array, "*shape"], *, low: float, high: float
) -> Float[Array, "*shape"]:
    r"""Map uniform draws to numbers whose logarithms are uniform.

    A draw :math:`u` from :math:`[0, 1)` becomes a weighted geometric mean of the bounds
    :math:`a` and :math:`b`, so that its logarithm moves evenly from one to the other:

    .. math::
       :label: eq-hyperparameters-log-uniform

       x = a^{1 - u}\, b^{u}, \qquad
       \log x = (1 - u) \log a + u \log b

    Parameters
    ----------
    u
        The draws, from 0 to 1.
    low
        The lower bound :math:`a`, positive.
    high
        The upper bound :math:`b`, at least :math:`a`.

    Returns
    -------
    x
        The numbers, rising with the draws.  Each power of ten within the bounds is
        equally likely.

    Raises
    ------
    ValueError
        If a draw or a bound is out of its range.

    Examples
    --------
    A fourth of the way from 0.0001 to 1 is one power of ten:

    >>> import numpy as np
    >>> from dlnotes.training.hyperparameters import log_uniform
    >>> log_uniform(np.array([0.0, 0.25, 0.5, 1.0]), low=1e-4, high=1.0)
    array([1.e-04, 1.e-03, 1.e-02, 1.e+00])
    """
    positive(low=low, high=high)
    if low > high:
        raise ValueError(f"low must be at most high, got {low} and {high}")
    _check_shares(u=u)
    return low ** (1 - u) * high**u


def halving_schedule(
    count: int, *, budget: int, factor: int = 3
) -> tuple[tuple[int, int], ...]:
    r"""Say how many settings successive halving trains in each rung, and for how long.

    Each rung keeps one setting in :math:`\eta` of the rung before and trains it
    :math:`\eta` times as long:

    .. math::
       :label: eq-hyperparameters-halving

       n_k = \left\lceil \frac{n}{\eta^k} \right\rceil, \qquad
       b_k = b\, \eta^k, \qquad
       k = 0, 1, \dots, \lfloor \log_\eta n \rfloor

    Here :math:`\eta` is not the learning rate, but the symbol that the papers use for
    this factor.  A rung costs about :math:`n b`, whichever it is.

    Parameters
    ----------
    count
        The number :math:`n` of settings to begin with, at least 1.
    budget
        The budget :math:`b` of each in the first rung, such as a number of epochs, at
        least 1.
    factor
        The factor :math:`\eta`, at least 2.

    Returns
    -------
    rungs
        For each rung the number of settings and the budget of each.

    Raises
    ------
    ValueError
        If a number is no integer, or too small.

    Examples
    --------
    Each of three rungs costs nine epochs.  To train nine settings for nine epochs would
    cost 81:

    >>> from dlnotes.training.hyperparameters import halving_schedule
    >>> halving_schedule(9, budget=1, factor=3)
    ((9, 1), (3, 3), (1, 9))
    """
    integer(1, count=count, budget=budget)
    integer(2, factor=factor)
    rungs, power = [], 1
    while power <= count:
        rungs.append((-(-count // power), budget * power))
        power *= factor
    return tuple(rungs)


class Rung(NamedTuple):
    """The settings of a rung from the best to the worst, and their scores."""

    budget: int
    settings: tuple[Any, ...]
    scores: tuple[float, ...]


def successive_halving(
    settings: Sequence[Setting],
    evaluate: Callable[[Setting, int], float],
    *,
    budget: int,
    factor: int = 3,
) -> tuple[Rung, ...]:
    r"""Give all settings a small budget, the best of them a larger one, and so on.

    The rungs are those of `halving_schedule`.  A setting whose score is NaN, as of a
    run that diverged, is the worst; of equal scores the one that came first is better.

    Parameters
    ----------
    settings
        The settings to begin with.
    evaluate
        From a setting and a budget to the score on validation data; the higher the
        better.
    budget
        The budget of each setting in the first rung, at least 1.
    factor
        The factor :math:`\eta`, at least 2.

    Returns
    -------
    rungs
        The rungs.  The first setting of the last one has won.

    Raises
    ------
    ValueError
        If there are no settings, all scores of a rung are NaN, or a number is no
        integer, or too small.

    Examples
    --------
    After one epoch b leads, and a wins in the end.  c would have been best after four,
    with 9, but starts slowly and is dropped at once:

    >>> from dlnotes.training.hyperparameters import successive_halving
    >>> curves = {"a": (3, 5, 8), "b": (4, 4, 4), "c": (1, 7, 9), "d": (2, 6, 7)}
    >>> rungs = successive_halving(
    ...     list(curves),
    ...     lambda name, b: curves[name][b.bit_length() - 1],
    ...     budget=1,
    ...     factor=2,
    ... )
    >>> for rung in rungs:
    ...     print(rung.budget, rung.settings, rung.scores)
    1 ('b', 'a', 'd', 'c') (4.0, 3.0, 2.0, 1.0)
    2 ('a', 'b') (5.0, 4.0)
    4 ('a',) (8.0,)
    """
    if len(settings) == 0:
        raise ValueError("settings must have at least one setting, got none")
    rungs, left = [], tuple(settings)
    for kept, spent in halving_schedule(len(left), budget=budget, factor=factor):
        left = left[:kept]
        scores = [float(evaluate(setting, spent)) for setting in left]
        order = sorted(range(kept), key=lambda k: _rank(scores[k]), reverse=True)
        if math.isnan(scores[order[0]]):
            raise ValueError(f"scores must not all be NaN, as with the budget {spent}")
        left = tuple(left[k] for k in order)
        rungs.append(Rung(spent, left, tuple(scores[k] for k in order)))
    return tuple(rungs)


@checked
def accuracy_standard_error(
    accuracy: Float[Array, "*shape"], *, instances: int
) -> Float[Array, "*shape"]:
    r"""Return by how much an accuracy scatters from one validation set to another.

    Each of :math:`n` independent instances is correct with the probability :math:`p`,
    so the number of correct ones is binomial with the variance :math:`n p (1 - p)`, and
    their share has the standard deviation

    .. math::
       :label: eq-hyperparameters-standard-error

       \operatorname{SE}(p) = \sqrt{\frac{p\, (1 - p)}{n}}

    Parameters
    ----------
    accuracy
        The accuracy :math:`p`, from 0 to 1.
    instances
        The number :math:`n` of instances that it was measured on, at least 1.

    Returns
    -------
    error
        The standard error.  It is for a fixed network: what another seed of training
        changes is not in it.

    Raises
    ------
    ValueError
        If an accuracy is out of its range, or the number no integer of at least 1.

    Examples
    --------
    Ninety percent of a hundred instances are known to three points, of ten thousand to
    a third of a point:

    >>> import numpy as np
    >>> from dlnotes.training.hyperparameters import accuracy_standard_error
    >>> accuracy = np.array(0.9)
    >>> [
    ...     round(float(accuracy_standard_error(accuracy, instances=n)), 4)
    ...     for n in (100, 10_000)
    ... ]
    [0.03, 0.003]
    """
    integer(1, instances=instances)
    _check_shares(accuracy=accuracy)
    return (accuracy * (1 - accuracy) / instances) ** 0.5


@checked
def paired_difference(
    a: Float[Array, "pairs"], b: Float[Array, "pairs"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""Return the mean difference of paired scores, and its standard error.

    Where both settings are measured on the same instances, or with the same seeds, what
    they share cancels in the differences :math:`d_i = a_i - b_i`:

    .. math::
       :label: eq-hyperparameters-paired

       \bar d = \frac{1}{n} \sum_{i=1}^{n} d_i, \qquad
       \operatorname{SE}(\bar d) = \sqrt{\frac{1}{n} \cdot \frac{1}{n - 1}
       \sum_{i=1}^{n} (d_i - \bar d)^2}

    Parameters
    ----------
    a, b
        The scores :math:`a_i` of one setting and :math:`b_i` of the other: 1 for each
        instance that is correct and 0 for one that is wrong, or an accuracy for each
        seed.

    Returns
    -------
    mean
        The mean difference :math:`\bar d`.
    error
        Its standard error.  With a few seeds the interval needs the quantiles of
        Student's t.

    Raises
    ------
    ValueError
        If there are fewer than two pairs, or the two have different numbers.

    Examples
    --------
    Both seeds favor the first setting, by 2 and by 4 points.  The scores themselves
    differ much more from seed to seed:

    >>> import numpy as np
    >>> from dlnotes.training.hyperparameters import paired_difference
    >>> a, b = np.array([82.0, 94.0]), np.array([80.0, 90.0])
    >>> [float(each) for each in paired_difference(a, b)]
    [3.0, 1.0]
    """
    pairs = a.shape[0]
    if pairs < 2:
        raise ValueError(f"a and b must have at least 2 pairs, got {pairs}")
    xp = array_namespace(a)
    difference = a - b
    mean = xp.mean(difference)
    variance = xp.sum((difference - mean) ** 2) / (pairs - 1)
    return mean, (variance / pairs) ** 0.5


def _rank(score: float) -> tuple[bool, float]:
    """Return what sorts scores, with NaN below minus infinity."""
    diverged = math.isnan(score)
    return not diverged, 0.0 if diverged else score


def _values(name: str, values: Any) -> tuple[Any, ...]:
    """Return the values of a hyperparameter."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must have a sequence of values, got {values!r}")
    if not (made := tuple(values)):
        raise ValueError(f"{name} must have at least one value, got none")
    return made


def _mapped(name: str, quantile: Quantile, u: Any) -> Any:
    """Return what a function makes of uniform draws, as values of Python."""
    column = np.asarray(quantile(u))
    if column.shape != u.shape:
        raise ValueError(
            f"{name} must map draws of shape {u.shape} to as many values, got "
            f"{column.shape}"
        )
    return column.tolist()


def _check_space(space: Mapping[str, Any]) -> None:
    """Refuse a space without hyperparameters."""
    if not space:
        raise ValueError("space must have at least one hyperparameter, got none")


def _check_shares(**shares: Any) -> None:
    """Refuse numbers outside the interval from 0 to 1."""
    for name, share in shares.items():
        if anywhere(~((share >= 0) & (share <= 1))):
            raise ValueError(f"{name} must be from 0 to 1, got {share}")
