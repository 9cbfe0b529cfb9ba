"""Learning rate schedules: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.optimization.schedules import cosine_restarts, triangular_rate


def _steps(rng: np.random.Generator) -> Any:
    """Draw the numbers of the first steps, or of any, some of them alike."""
    if rng.random() < 0.5:
        return np.arange(float(whole(rng, 5, 30)))
    return rng.integers(60, size=whole(rng, 1, 12)).astype(float)


def _bounds(rng: np.random.Generator) -> dict[str, float]:
    """Draw a low rate, which may be 0, and a high one."""
    scale = float(rng.choice([1.0, 1.0, 1e3, 1e-6]))
    low = scale * float(rng.choice([0.0, rng.uniform(0.1, 0.5)]))
    return {"low": low, "high": low + scale * float(rng.uniform(0.3, 2))}


def _cycles(rng: np.random.Generator) -> dict[str, Any]:
    """Draw steps, a half cycle, which may be a single step, and two rates."""
    case = {"k": _steps(rng), "half_cycle": whole(rng, 1, 8), **_bounds(rng)}
    return either(rng, case)


def _share(change: Callable[[Any, int], Any]) -> Answer:
    """Let another share of the way up depend on the number of half cycles so far."""
    return lambda k, half_cycle, low, high: (
        low + (high - low) * change(k / half_cycle, half_cycle)
    ).astype(k.dtype)


def _triangle(x: Any) -> Any:
    """Rise from 0 to 1 and fall back, in one half cycle each."""
    return 1 - np.abs(x % 2 - 1)


TRIANGULAR = Exercise(
    name="write-optimization-schedules-triangular",
    section="optimization.schedules",
    task="Write `triangular_rate(k, *, half_cycle, low, high)`: the triangular "
    "cyclical learning rate at each of the step numbers k (n,), which count from 0. It "
    "climbs from low to high in half_cycle steps, falls back in as many, and repeats. "
    "Return an array (n,).",
    hint="Work out by hand the rates at 0, at half_cycle and at twice half_cycle.",
    solution=triangular_rate,
    inputs=_cycles,
    mistakes=(
        Mistake(
            _share(lambda x, _s: _triangle(2 * x)),
            "Your cycles are twice too short: you took half_cycle for the whole cycle.",
        ),
        Mistake(
            _share(lambda x, _s: _triangle(x / 2)),
            "Your cycles are twice too long: you took half_cycle for a quarter of the "
            "cycle.",
        ),
        Mistake(
            _share(lambda x, _s: x % 2 / 2),
            "Yours is a saw: it climbs during the whole cycle and drops at once. The "
            "triangle takes half the cycle to come down.",
        ),
        Mistake(
            _share(lambda x, _s: x % 1),
            "Yours climbs and drops at once, at the moment when it should be at the "
            "top and begin to fall.",
        ),
        Mistake(
            _share(lambda x, _s: 2 * np.floor(1 + x / 2) - x),
            "Your rate exceeds high: the distance from the middle of the cycle must be "
            "taken without its sign.",
        ),
        Mistake(
            _share(lambda x, _s: _triangle(x + 1)),
            "Your cycle begins at the top. It starts at low, which serves as a "
            "warm-up.",
        ),
        Mistake(
            _share(lambda x, s: _triangle(x + 1 / s)),
            "You are one step ahead: the very first step should have the rate low.",
        ),
        Mistake(
            _share(lambda x, _s: _triangle(x) / 2 ** np.floor(x / 2)),
            "You halve the height at every cycle. That is the variant called "
            "triangular2; here all cycles are equally high.",
        ),
        Mistake(
            _share(lambda x, _s: np.where(x < 2, _triangle(np.minimum(x, 2)), 0.0)),
            "You stop after the first cycle. The rate rises and falls for ever.",
        ),
        Mistake(
            lambda k, half_cycle, low, high: (
                high * _triangle(k / half_cycle) + 0 * low
            ).astype(k.dtype),
            "Your rate falls to zero. It should fall to low.",
        ),
        Mistake(
            lambda k, half_cycle, low, high: (
                low + high * _triangle(k / half_cycle)
            ).astype(k.dtype),
            "Your rate climbs above high: what is added to low is a share of the "
            "distance from low to high.",
        ),
    ),
)


def _restarts(rng: np.random.Generator) -> dict[str, Any]:
    """Draw steps, early or after many restarts, a first period, growth, two rates."""
    k = _steps(rng)
    if rng.random() < 0.2:
        k = rng.integers(3000, size=k.shape).astype(float)
    return either(
        rng,
        {
            "k": k,
            "period": whole(rng, 1, 9),
            "growth": int(rng.choice([1, 1, 2, 3])),
            **_bounds(rng),
        },
    )


def _cycle(k: Any, period: int, growth: int, *, added: bool = False) -> tuple[Any, Any]:
    """Return the number of each step in its cycle, and the length of that cycle."""
    steps, lengths = np.array(k), np.full_like(k, period)
    while np.any(over := steps >= lengths):
        steps = np.where(over, steps - lengths, steps)
        longer = lengths + growth if added else growth * lengths
        lengths = np.where(over, longer, lengths)
    return steps, lengths


def _falls(
    share: Callable[[Any, Any], Any],
    start: Callable[[Any, int, int], tuple[Any, Any]] = _cycle,
) -> Answer:
    """Let the rate fall by another share of the way, or in other cycles."""
    return lambda k, period, growth, low, high: (
        low + (high - low) * share(*start(k, period, growth))
    ).astype(k.dtype)


def _cosine(t: Any, length: Any) -> Any:
    """Fall along half a cosine from 1 to 0."""
    return (1 + np.cos(np.pi * t / length)) / 2


COSINE = Exercise(
    name="write-optimization-schedules-cosine-restarts",
    section="optimization.schedules",
    task="Write `cosine_restarts(k, *, period, high, low, growth)`: cosine annealing "
    "with warm restarts at each of the step numbers k (n,), which count from 0. The "
    "first cycle has period steps, and each further one is growth times as long as the "
    "one before. A cycle starts at high and falls along half a cosine towards low, "
    "which it would reach at the step at which the next one starts. Return an array "
    "(n,).",
    hint="The phase is the share of the present cycle that is over. With growth 1 it "
    "is a remainder.",
    solution=cosine_restarts,
    inputs=_restarts,
    mistakes=(
        Mistake(
            _falls(_cosine, lambda k, period, _growth: (k, period)),
            "There is no restart: you use the number of the step where the number "
            "since the last restart belongs, and the rate climbs back slowly.",
            "Usage of epoch variable instead of T_cur, "
            "https://github.com/4uiiurz1/keras-cosine-annealing/issues/1",
        ),
        Mistake(
            _falls(_cosine, lambda k, period, _growth: (k % period, period)),
            "All your cycles are equally long. Each should be growth times as long as "
            "the one before.",
        ),
        Mistake(
            _falls(lambda t, length: _cosine(t, np.maximum(length - 1, 1))),
            "Your rate reaches low at the last step of a cycle. That is a possible "
            "convention, but here it would reach low only at the moment of the "
            "restart.",
            "Cosine annealing with restarts, "
            "https://github.com/pytorch/pytorch/pull/11104",
        ),
        Mistake(
            _falls(lambda t, length: 2 * _cosine(t, length)),
            "Your rate starts far above high: one plus a cosine goes up to 2, so halve "
            "it.",
        ),
        Mistake(
            _falls(lambda t, length: _cosine(2 * t, length)),
            "You use a whole wave a cycle, so the rate climbs back by itself. "
            "Annealing uses the falling half.",
        ),
        Mistake(
            _falls(lambda t, length: 1 - _cosine(t, length)),
            "Your rate climbs. It should start at high and fall.",
        ),
        Mistake(
            _falls(lambda t, length: np.cos(np.pi / 2 * t / length)),
            "Yours is a quarter of a wave: its steepest place is the end of the cycle. "
            "Half a cosine is flat at both ends.",
        ),
        Mistake(
            _falls(_cosine, lambda k, *each: _cycle(k, *each, added=True)),
            "Each of your cycles is longer by growth steps. It is growth times as long "
            "as the one before.",
        ),
        Mistake(
            _falls(lambda t, length: 1 - t / length),
            "Your rate falls in a straight line. Half a cosine is flat at both ends.",
        ),
        Mistake(
            lambda k, period, growth, low, high: (
                high * _cosine(*_cycle(k, period, growth)) + 0 * low
            ).astype(k.dtype),
            "Your rate falls towards zero. It should fall towards low.",
        ),
        Mistake(
            lambda k, period, growth, low, high: cosine_restarts(
                k + 1, period=period, growth=growth, low=low, high=high
            ),
            "You are one step ahead: the very first step should have the rate high.",
        ),
        Mistake(
            _falls(
                _cosine,
                lambda k, period, growth: (
                    k % period,
                    period * float(growth) ** np.floor(k / period),
                ),
            ),
            "You lengthen the wave but not the cycle: a restart still comes every "
            "period steps, long before the wave is over.",
        ),
    ),
)

EXERCISES = (COSINE, TRIANGULAR)
