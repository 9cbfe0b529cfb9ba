"""How the measurements of several seeds become a verdict.

An experiment writes rows, and a rule selects those that it asks for by their quantity,
method and data.  All methods that a claim compares share a seed's data, split and
initial weights, so differences are paired: a comparison looks at them seed by seed.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from scipy.stats import t

from dlnotes.claims import Row, Verdict
from dlnotes.claims.rounding import tuned_once
from dlnotes.wording import join_words

TUNING_SEEDS = (100, 101, 102)

Scores = Mapping[str, Sequence[float]]
Setting = TypeVar("Setting")


class Ruling(NamedTuple):
    """A verdict, the sentence that says why, and on which condition it holds."""

    verdict: Verdict
    because: str
    condition: str = ""


def rows(quantity: str, scores: Scores, data: str = "") -> list[Row]:
    """Write a row for each method."""
    return [
        Row(quantity, method, data, tuple(map(float, values)))
        for method, values in scores.items()
    ]


def by_method(rows: Sequence[Row], quantity: str, data: str = "") -> Scores:
    """Return the values of a quantity on some data, by method.

    Examples
    --------
    >>> from dlnotes.claims.evidence import by_method, rows
    >>> by_method(
    ...     rows("epochs", {"tanh": [3], "ReLU": [2]}, "digits"), "epochs", "digits"
    ... )
    {'tanh': (3.0,), 'ReLU': (2.0,)}
    """
    return {
        row.method: row.values
        for row in rows
        if (row.quantity, row.data) == (quantity, data)
    }


def datasets(rows: Sequence[Row], quantity: str) -> list[str]:
    """Name the data that a quantity was measured on, in the order of the rows."""
    return [*dict.fromkeys(row.data for row in rows if row.quantity == quantity)]


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

    ``score(setting, seed)`` is a validation score, the higher the better.  Of settings
    that are equally good the first is returned.
    """

    def mean(setting: Setting) -> float:
        return statistics.fmean(score(setting, seed) for seed in TUNING_SEEDS)

    return tuned_once(lambda: max(grid, key=mean))


def at_ends(best: Mapping[str, float], grid: Sequence[float]) -> str:
    """Say in a sentence whose best setting is the smallest or the largest tried."""
    said = [
        f"the {which} tried, {end:g}, is best for {join_words(names)}"
        for which, end in (("smallest", grid[0]), ("largest", grid[-1]))
        if (names := [name for name, setting in best.items() if setting == end])
    ]
    if not said:
        return ""
    return f"Of the learning rates {join_words(said)}: beyond it none was tried."


def decide(*, confirmed: bool, conditional: bool = False, refuted: bool) -> Verdict:
    """Return the verdict of the first rule that applies."""
    if confirmed:
        return Verdict.HOLDS
    if conditional:
        return Verdict.CONDITIONAL
    return Verdict.FAILS if refuted else Verdict.OPEN


def format_means(scores: Scores) -> str:
    """Say the mean of each."""
    return join_words(
        [f"{statistics.fmean(each):.3g} for {name}" for name, each in scores.items()]
    )
