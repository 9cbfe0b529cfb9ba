"""How the measurements of several seeds become a verdict.

All methods that a claim compares share a seed's data, split and initial weights, so
differences are paired: a comparison looks at the differences, seed by seed.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from scipy.stats import t

from dlnotes.claims import Verdict

TUNING_SEEDS = (100, 101, 102)

Scores = Mapping[str, Sequence[float]]
Ruling = tuple[Verdict, str]

Setting = TypeVar("Setting")


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 percent t interval of a mean.

    Examples
    --------
    Two values that differ by one say next to nothing about their mean:

    >>> from dlnotes.claims.evidence import interval
    >>> low, high = interval([1.0, 2.0])
    >>> round(low, 2), round(high, 2)
    (-4.85, 7.85)
    """
    mean, n = statistics.fmean(values), len(values)
    half = float(t.ppf(0.975, n - 1)) * statistics.stdev(values) / n**0.5
    return mean - half, mean + half


def significantly_above(
    ours: Sequence[float], theirs: Sequence[float], margin: float = 0.0
) -> bool:
    """Tell whether the paired difference lies wholly above a margin.

    Examples
    --------
    A small advantage that every seed shows counts for more than a large one that
    one seed shows:

    >>> from dlnotes.claims.evidence import significantly_above
    >>> (
    ...     significantly_above([2.1, 5.1, 3.1], [2.0, 5.0, 3.0]),
    ...     significantly_above([9.0, 5.0, 3.0], [2.0, 5.0, 3.0]),
    ... )
    (True, False)
    """
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    return interval(differences)[0] > margin


def significantly_below(
    ours: Sequence[float], theirs: Sequence[float], margin: float = 0.0
) -> bool:
    """Tell whether the paired difference lies wholly below minus a margin."""
    return significantly_above(theirs, ours, margin)


def best_setting(
    score: Callable[[Setting, int], float], grid: Sequence[Setting]
) -> Setting:
    """Return the setting with the best mean score on seeds that decide nothing else.

    ``score(setting, seed)`` is a validation score, the higher the better.
    """
    return max(
        grid,
        key=lambda setting: statistics.fmean(
            score(setting, seed) for seed in TUNING_SEEDS
        ),
    )


def decide(*, confirmed: bool, conditional: bool = False, refuted: bool) -> Verdict:
    """Return the verdict of the first rule that applies."""
    if confirmed:
        return Verdict.HOLDS
    if conditional:
        return Verdict.CONDITIONAL
    return Verdict.FAILS if refuted else Verdict.OPEN


def join_words(words: Sequence[str]) -> str:
    """Put commas between words, and an *and* before the last."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def format_means(scores: Scores) -> str:
    """Say the mean of each."""
    return join_words(
        [f"{statistics.fmean(each):.3g} for {name}" for name, each in scores.items()]
    )
