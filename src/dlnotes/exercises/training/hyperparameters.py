"""Hyperparameters: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.training.hyperparameters import (
    halving_schedule,
    log_uniform,
    paired_difference,
)


def _draws(rng: np.random.Generator) -> dict[str, Any]:
    """Draw bounds on either side of 1 or not, and uniform draws, some of them 0."""
    u = np.asarray(rng.random(shape(rng)))
    u = np.where(rng.random(u.shape) < 0.1, 0.0, u)
    low = float(10 ** rng.uniform(-5, 1))
    high = low * float(rng.choice([1.0, 3.0, 200.0, 1e4]))
    return either(rng, {"u": u, "low": low, "high": high})


def _like(u: Any, values: Any) -> Any:
    """Return values of the kind of the draws."""
    return np.asarray(values, dtype=np.asarray(u).dtype)


LOG_UNIFORM = Exercise(
    name="write-training-hyperparameters-log-uniform",
    section="training.hyperparameters",
    task="Write `log_uniform(u, *, low, high)` for a random search over learning "
    "rates: `u` is an array of any shape of uniform draws from [0, 1), `low` and "
    "`high` are positive bounds, `high` at least `low`. Return an array of the same "
    "shape of rates between them, rising with `u`, such that every power of ten is "
    "equally likely.",
    hint="A draw of one half must give the geometric mean of the bounds.",
    solution=log_uniform,
    inputs=_draws,
    harmless=("clips u", "is right only where u stays below 10.0"),
    mistakes=(
        Mistake(
            lambda u, low, high: _like(u, low + (high - low) * u),
            "You draw uniformly between the bounds, so over several powers of ten nine "
            "draws in ten fall into the highest and small rates are hardly ever tried.",
            source=(
                "Optimization: Add option for how to sample hyper parameters, "
                "https://github.com/mdabros/SharpLearning/issues/57"
            ),
        ),
        Mistake(
            lambda u, low, high: _like(u, np.exp(low + (high - low) * u)),
            "You take the exponential of a draw between the bounds themselves, so "
            "every rate is larger than 1. The draw must lie between their logarithms.",
            source=(
                "Log uniform learning rates, "
                "https://github.com/miyosuda/unreal/issues/16"
            ),
        ),
        Mistake(
            lambda u, low, high: _like(
                u, np.exp(np.log10(low) + np.log10(high / low) * u)
            ),
            "You mix bases: logarithms to base 10 on the way in, the natural "
            "exponential on the way out. The results need not even lie between the "
            "bounds.",
        ),
        Mistake(
            lambda u, low, high: _like(
                u, 10 ** np.round(np.log10(low) + np.log10(high / low) * u)
            ),
            "You round the exponents, so only whole powers of ten are tried. A random "
            "search should try a new value each time.",
        ),
        Mistake(
            lambda u, low, high: _like(
                u, np.log(low) + (np.log(high) - np.log(low)) * u
            ),
            "You return the logarithm of the rate. Take its exponential.",
        ),
        Mistake(
            lambda u, low, high: _like(u, high * (low / high) ** u),
            "Yours falls with u: a draw of 0 must give the lower bound.",
        ),
    ),
)


def _rungs(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a number of settings, often a power of the factor or next to one."""
    factor, power = whole(rng, 2, 5), whole(rng, 0, 3)
    near = factor**power + whole(rng, -1, 1)
    count = max(1, near) if rng.random() < 0.6 else whole(rng, 1, 60)
    if rng.random() < 0.15:  # the logarithm of one to the other falls below 5
        count, factor = 243, 3
    return {"count": count, "budget": whole(rng, 1, 4), "factor": factor}


def _changed(
    count: int, budget: int, factor: int, *, up: bool = True, last: int = 1
) -> tuple[tuple[int, int], ...]:
    """Divide again and again, rounding up or down, until few enough are left."""
    rungs = [(count, budget)]
    while rungs[-1][0] > last:
        kept, spent = rungs[-1]
        kept = -(-kept // factor) if up else max(kept // factor, 1)
        rungs.append((kept, spent * factor))
    return tuple(rungs)


HALVING = Exercise(
    name="write-training-hyperparameters-halving-schedule",
    section="training.hyperparameters",
    task="Write `halving_schedule(count, *, budget, factor)`: successive halving "
    "begins with `count` settings and gives each the budget `budget`. Rung k keeps "
    "count / factor^k settings, rounded up, and gives each factor^k times the budget. "
    "The last rung is the last for which factor^k is at most `count`. All are whole "
    "numbers, `factor` at least 2. Return a tuple with a pair (settings, budget) for "
    "each rung.",
    hint="Multiply whole numbers: a logarithm in floating point takes log(243) / "
    "log(3) for a little less than 5.",
    solution=halving_schedule,
    inputs=_rungs,
    mistakes=(
        Mistake(
            lambda count, budget, factor: tuple(
                (count // factor**k, b)
                for k, (_, b) in enumerate(
                    halving_schedule(count, budget=budget, factor=factor)
                )
            ),
            "You round the number of settings down. A rung here keeps at least its "
            "share: 10 settings and the factor 3 leave 4.",
        ),
        Mistake(
            lambda count, budget, factor: tuple(
                (n, budget)
                for n, _ in halving_schedule(count, budget=budget, factor=factor)
            ),
            "You give each rung the same budget. Those that are left are trained "
            "longer, or later rungs would learn nothing new of them.",
        ),
        Mistake(
            _changed,
            "You go on until one setting is left. A rung in which the factor would "
            "exceed the number of settings at the start is one too many.",
        ),
        Mistake(
            lambda count, budget, factor: halving_schedule(
                count, budget=budget, factor=factor
            )[:-1],
            "You leave out the last rung.",
        ),
        Mistake(
            lambda count, budget, factor: tuple(
                (-(-count // factor**k), budget * factor**k)
                for k in range(int(np.log(count) / np.log(factor)) + 1)
            ),
            "Your logarithm in floating point falls below a whole number for some "
            "powers, such as log(243) / log(3), so a rung is missing there.",
        ),
        Mistake(
            lambda count, budget, factor: tuple(
                (n, n * b)
                for n, b in halving_schedule(count, budget=budget, factor=factor)
            ),
            "You return what the whole rung costs. The budget is that of one setting.",
        ),
        Mistake(
            lambda count, budget, factor: (
                halving_schedule(count, budget=budget, factor=2) + 0 * (factor,)
            ),
            "You always halve. The factor says which share is kept.",
        ),
    ),
)


def _scores(rng: np.random.Generator) -> dict[str, Any]:
    """Draw scores that share a part, or the ones and zeros of instances."""
    pairs = whole(rng, 2, 8)
    if rng.random() < 0.4:
        a, b = rng.integers(0, 2, size=(2, pairs)).astype(float)
        return either(rng, {"a": a, "b": b})
    shared = reals(rng, pairs)
    near = np.abs(shared).max() or 1.0
    a, b = (shared + near * rng.normal(0.1, 0.3, size=pairs) for _ in "ab")
    return either(rng, {"a": a, "b": b})


def _pair(a: Any, mean: Any, error: Any) -> Any:
    """Return both numbers in the precision of the scores."""
    return tuple(np.asarray(each, dtype=a.dtype) for each in (mean, error))


PAIRED = Exercise(
    name="write-training-hyperparameters-paired-difference",
    section="training.hyperparameters",
    task="Write `paired_difference(a, b)`: `a` and `b` are (pairs,), the scores of two "
    "settings, with the same seeds in the same order; there are at least two. Return "
    "the mean of the differences a - b and the standard error of this mean, as a pair. "
    "The variance of the differences is estimated without bias.",
    hint="Seeds that are hard for both settings must not make the error larger.",
    solution=paired_difference,
    inputs=_scores,
    harmless=(
        "is right only where axis 0 of a has more than one entry",
        "is right only where axis 0 of b has more than one entry",
    ),
    mistakes=(
        Mistake(
            lambda a, b: _pair(
                a,
                np.mean(a - b),
                np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / len(a)),
            ),
            "You add the variances of both, as for independent runs. The runs share "
            "their seeds: take the differences first.",
        ),
        Mistake(
            lambda a, b: _pair(a, np.mean(a - b), np.std(a - b, ddof=1)),
            "You return the deviation of one difference. The mean of n scatters less, "
            "by the root of n.",
        ),
        Mistake(
            lambda a, b: _pair(a, np.mean(a - b), np.std(a - b) / np.sqrt(len(a))),
            "You divide the sum of squares by n. The mean was estimated from the same "
            "differences, so divide by n - 1.",
        ),
        Mistake(
            lambda a, b: _pair(a, np.mean(a - b), np.std(a - b, ddof=1) / len(a)),
            "You divide the deviation by n. It is the variance of the mean that falls "
            "like 1 / n, and its root is asked for.",
        ),
        Mistake(
            lambda a, b: _pair(a, np.mean(a - b), np.var(a - b, ddof=1) / len(a)),
            "You return the variance of the mean. Take its root.",
        ),
        Mistake(
            lambda a, b: _pair(
                a, np.mean(b - a), np.std(a - b, ddof=1) / np.sqrt(len(a))
            ),
            "You subtract the first from the second. The difference is a - b.",
        ),
        Mistake(
            lambda a, b: _pair(
                a,
                np.mean(np.abs(a - b)),
                np.std(np.abs(a - b), ddof=1) / np.sqrt(len(a)),
            ),
            "You take absolute differences. Where now one and now the other is better, "
            "the differences must cancel.",
        ),
    ),
)

EXERCISES = (LOG_UNIFORM, HALVING, PAIRED)
