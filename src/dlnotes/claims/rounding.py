"""Whether a verdict hangs on the last bit of what the runs began with.

Another processor, or another order of a sum, changes the last bit of a result, and
training makes more of it.  So what was measured is measured once more, with the same
seeds and the settings already tuned, and the initial weights (where they are zero, the
instances) disturbed by one unit in the last place.  A verdict that this changes is
none.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from dlnotes.claims import Finding, Verdict

Setting = TypeVar("Setting")


@dataclass
class Repetition:
    """What the first measurement tuned, in its order, for the second to use again."""

    tuned: list[object] = field(default_factory=list)
    used: int = 0
    disturbing: bool = False


_CURRENT: ContextVar[Repetition | None] = ContextVar("current", default=None)


@contextmanager
def repetition() -> Iterator[Repetition]:
    """Keep what is tuned inside for a second measurement."""
    current = Repetition()
    token = _CURRENT.set(current)
    try:
        yield current
    finally:
        _CURRENT.reset(token)


def tuned_once(tune: Callable[[], Setting]) -> Setting:
    """Tune, or return what the measurement that is repeated has tuned here."""
    current = _CURRENT.get()
    if current is None:
        return tune()
    if not current.disturbing:
        current.tuned.append(tune())
        return current.tuned[-1]  # type: ignore[return-value]  # appended just now
    current.used += 1
    return current.tuned[current.used - 1]  # type: ignore[return-value]  # same order


def disturbed(values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Move each value that is not zero to one of its neighbors, when it is time to.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.claims.rounding import disturbed, repetition
    >>> with repetition() as current:
    ...     same = disturbed(np.ones(1000))
    ...     current.disturbing = True
    ...     other = disturbed(np.ones(1000))
    >>> len(np.unique(same)), len(np.unique(other))
    (1, 2)
    """
    current = _CURRENT.get()
    if current is None or not current.disturbing:
        return values
    up = np.random.default_rng(values.size).random(values.shape) < 0.5
    neighbors = np.nextafter(values, np.where(up, 2 * values, 0).astype(values.dtype))
    return np.where(values == 0, values, neighbors)


def confirmed(
    measure: Callable[[Sequence[int]], Finding], seeds: Sequence[int]
) -> tuple[Finding, Verdict | None]:
    """Measure twice, the second time disturbed, and take back what differs.

    Returns
    -------
    finding
        What the first measurement found; its verdict is *not distinguishable* if the
        second had another.
    again
        The verdict of the second measurement; none where a single seed is exact.
    """
    if len(seeds) == 1:
        return measure(seeds), None
    with repetition() as current:
        first = measure(seeds)
        current.disturbing = True
        second = measure(seeds)
    if first.verdict is second.verdict:
        return first, second.verdict
    reason = (
        f"{first.because} By this it {first.outcome}, but with initial weights "
        f"disturbed by one unit in the last place it {second.outcome}."
    )
    return replace(first, verdict=Verdict.OPEN, because=reason), second.verdict
