"""Choosing an optimizer: what to write, and the mistakes made there."""

from math import comb
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape, single, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.optimization.choosing import (
    convergence_factor,
    expected_best,
    tolerated_decades,
)


def _products(rng: np.random.Generator) -> dict[str, Any]:
    """Draw products below, within and above the range where the roots are complex."""
    products = np.asarray(rng.uniform(0.0, 4.0, size=shape(rng)))
    products = products * rng.choice([1.0, 1.0, 1.0, 1.0, 1e-6, 20.0])
    products = np.where(rng.random(products.shape) < 0.1, 0.0, products)
    return either(rng, {"products": products, "mu": float(rng.uniform(0.05, 0.95))})


def _roots(products: Any, mu: float) -> tuple[Any, Any]:
    """Return both roots of the recurrence of momentum."""
    s = 1 + mu - np.asarray(products, dtype=float)
    root = np.sqrt((s**2 - 4 * mu).astype(complex))
    return (s + root) / 2, (s - root) / 2


FACTOR = Exercise(
    name="write-optimization-choosing-convergence-factor",
    section="optimization.choosing",
    task="Write `convergence_factor(products, *, mu)`: for an array of any shape of "
    "products of learning rate and curvature, the factor by which a step of momentum "
    "shrinks the distance in the long run: the larger absolute value of the two roots "
    "of r^2 - (1 + mu - product) r + mu, real or complex.",
    hint="Where the discriminant is negative both roots have the same absolute value, "
    "and their product is mu.",
    summary="Return the factor of a step of momentum in the long run.",
    solution=convergence_factor,
    inputs=_products,
    mistakes=(
        Mistake(
            lambda products, mu: np.abs(_roots(products, mu)[0]),
            "You take the root with the plus sign only. Where 1 + mu is less than the "
            "product, the other one is larger in absolute value.",
        ),
        Mistake(
            lambda products, mu: np.minimum(*np.abs(_roots(products, mu))),
            "You take the smaller root. Its share of the distance dies away first; "
            "what is left in the long run shrinks by the larger one.",
        ),
        Mistake(
            lambda products, mu: np.maximum(*(r.real for r in _roots(products, mu))),
            "You take the larger real part. A factor shrinks a distance by its "
            "absolute value: -0.9 is slower than 0.5, and a complex root has a length.",
        ),
        Mistake(
            lambda products, mu: 0 * products + np.sqrt(mu),
            "You return the root of mu for every curvature. That is right only where "
            "the roots are complex.",
        ),
        Mistake(
            lambda products, mu: np.maximum(*np.abs(_roots(products, mu))) ** 2,
            "You return the square of the factor. What you have is the factor of the "
            "loss, or that of two steps.",
        ),
        Mistake(
            lambda products, mu: np.abs(1 - products) + 0 * mu,
            "That is the factor of gradient descent, without momentum.",
        ),
        Mistake(
            lambda products, mu: convergence_factor(products, mu=mu, nesterov=True),
            "That is the factor of Nesterov's momentum, whose gradient is taken where "
            "the step is about to lead.",
        ),
    ),
)


def _tried(rng: np.random.Generator) -> dict[str, Any]:
    """Draw scores, some of them tied, and a budget."""
    scores = reals(rng, whole(rng, 1, 8))
    tied = rng.random(scores.shape) < 0.2
    scores = np.where(tied, scores[0], scores)
    return either(rng, {"scores": scores, "budget": whole(rng, 1, 6)})


def _weighed(scores: Any, weights: Any) -> Any:
    """Return the sum of the scores, from the least on, times their weights."""
    return np.asarray(np.sum(np.sort(scores) * weights), dtype=scores.dtype)


def _all_different(scores: Any, budget: int) -> Any:
    """Return the expected best of scores of which none is drawn twice."""
    count, drawn = len(scores), min(budget, len(scores))
    weights = [comb(lower, drawn - 1) / comb(count, drawn) for lower in range(count)]
    return _weighed(scores, np.array(weights))


EXPECTED = Exercise(
    name="write-optimization-choosing-expected-best",
    section="optimization.choosing",
    task="Write `expected_best(scores, *, budget)`: `scores` is (settings,), the "
    "higher the better. Draw `budget` of them at random, each time from all, so that "
    "one may come twice. Return the expected value of the best score drawn.",
    hint="With which probability are all draws among the i lowest scores?",
    solution=expected_best,
    inputs=_tried,
    mistakes=(
        Mistake(
            _all_different,
            "You draw without replacement: no score comes twice, so yours is too high, "
            "and with a budget of all scores it is the best. Here each is drawn from "
            "all.",
        ),
        Mistake(
            lambda scores, budget: np.asarray(np.max(scores) + 0 * budget),
            "You return the best score of all. With few draws it is often missed.",
        ),
        Mistake(
            lambda scores, budget: np.asarray(np.mean(scores) + 0 * budget),
            "You return the mean. That is the expected score of one draw; the best of "
            "several is higher.",
        ),
        Mistake(
            lambda scores, budget: np.asarray(np.mean(scores[:budget].max())),
            "You take the best of the first scores. Their order says nothing; average "
            "over all draws that are possible.",
        ),
        Mistake(
            lambda scores, budget: _weighed(
                -scores,
                -np.diff((np.arange(len(scores) + 1) / len(scores)) ** budget),
            ),
            "You give the lowest score the largest weight, so yours is what the worst "
            "of the draws can be expected to have.",
        ),
        Mistake(
            lambda scores, budget: np.asarray(
                np.sum(
                    scores
                    * np.diff((np.arange(len(scores) + 1) / len(scores)) ** budget)
                )
            ),
            "Your weights are right, but they belong to the scores in rising order.",
        ),
        Mistake(
            lambda scores, budget: _weighed(
                scores, (np.arange(1, len(scores) + 1) / len(scores)) ** budget
            ),
            "You weigh a score by the probability that the best is at most as high. "
            "Subtract the probability that it is lower still.",
        ),
    ),
)


def _curve(rng: np.random.Generator) -> dict[str, Any]:
    """Draw rates, evenly spaced or not, and their scores, with the best anywhere."""
    count = whole(rng, 2, 9)
    gaps = rng.uniform(0.2, 1.5, size=count)
    rates = 10 ** (np.cumsum(gaps) - 5)
    scores = rng.choice([0.0, 90.0]) + rng.integers(-3, 4, size=count)
    scale = float(rng.choice([1.0, 1.0, 2.0**-20]))
    margin = scale * whole(rng, 0, 3)
    case = {"rates": rates, "scores": scale * scores, "margin": margin}
    return single(case) if scale == 1 and rng.random() < 0.4 else case


def _good(scores: Any, margin: float) -> Any:
    """Tell which scores are near the best."""
    return scores >= scores.max() - margin


def _spans(places: Any) -> Any:
    """Return what each place stands for, half-way to its neighbors."""
    gaps = np.diff(places)
    before, after = np.append(gaps[:1], gaps), np.append(gaps, gaps[-1:])
    return (before + after) / 2


def _span_of_good(rates: Any, scores: Any, margin: float) -> Any:
    """Return the powers of ten from the first to the last good rate."""
    places = np.log10(rates)[_good(scores, margin)]
    return places[-1] - places[0]


DECADES = Exercise(
    name="write-optimization-choosing-tolerated-decades",
    section="optimization.choosing",
    task="Write `tolerated_decades(rates, scores, *, margin)`: `rates` rises, and "
    "`scores` has the score of each, both (rates,). On an axis of log10 of the rate, "
    "each rate stands for the interval half-way to both neighbors; the first and the "
    "last reach out as far as they reach in. Return the summed length of the intervals "
    "of all rates whose score is at most `margin` below the best.",
    hint="On a grid with three rates for each power of ten an interval has the length "
    "1/3.",
    solution=tolerated_decades,
    inputs=_curve,
    harmless=(
        "is right only where axis 0 of rates has more than one entry",
        "is right only where axis 0 of scores has more than one entry",
        "is right only where rates has no zero",
    ),
    mistakes=(
        Mistake(
            lambda rates, scores, margin: np.sum(
                np.where(scores > scores.max() - margin, _spans(np.log10(rates)), 0)
            ),
            "You leave out the rates whose score is exactly the margin below the best. "
            "At most the margin takes them in, and with a margin of 0 the best itself.",
        ),
        Mistake(
            _span_of_good,
            "You take the distance from the lowest to the highest good rate. A rate "
            "between them that fails counts for nothing, and a single good rate has a "
            "width too.",
        ),
        Mistake(
            lambda rates, scores, margin: np.sum(
                np.where(_good(scores, margin), _spans(np.log(rates)), 0)
            ),
            "You take natural logarithms. A power of ten has the length 1.",
        ),
        Mistake(
            lambda rates, scores, margin: np.sum(
                np.where(_good(scores, margin), _spans(rates), 0)
            ),
            "You measure the width in the rates themselves, so the largest rates "
            "decide everything. Take their logarithms.",
        ),
        Mistake(
            lambda rates, scores, margin: np.sum(
                np.where(
                    np.abs(scores - scores.mean()) <= margin,
                    _spans(np.log10(rates)),
                    0,
                )
            ),
            "You compare with the mean score. Nearly as good means as the best.",
        ),
        Mistake(
            lambda rates, scores, margin: np.sum(
                np.where(scores <= scores.min() + margin, _spans(np.log10(rates)), 0)
            ),
            "You take the scores near the lowest: yours are losses. Here the highest "
            "score is the best.",
        ),
    ),
)

EXERCISES = (FACTOR, EXPECTED, DECADES)
