"""Claims about what a single neuron can do."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    at_ends,
    best_setting,
    by_method,
    decide,
    format_means,
    rows,
    significantly_above,
    significantly_below,
)
from dlnotes.claims.progress import progress
from dlnotes.claims.rounding import disturbed
from dlnotes.lab.synthetic import linearly_separable
from dlnotes.networks.activations import sigmoid
from dlnotes.neurons.perceptron import Perceptron, heaviside, predict
from dlnotes.neurons.perceptron_rule import fit, novikoff_bound

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
EXCLUSIVE_OR = np.array([[0.0], [1.0], [1.0], [0.0]])
RATES = (0.00001, 0.0001, 0.001, 0.01, 0.1, 1.0)

Step = Callable[[Any, Any, Any], Any]


def rule(
    W: Any,
    x: Any,
    y: Any,
    *,
    activation: Callable[[Any], Any] = heaviside,
    learning_rate: float = 1.0,
    printed: bool = False,
) -> Any:
    """Show one instance to a unit of each seed, and return the weights after.

    A row is a seed, and the last weight is the bias.  The ``printed`` rule has the
    factors of the notes: the output for a weight, the old bias for the bias.
    """
    a = activation((W * x).sum(axis=1))[:, None]
    factor = np.hstack([0 * W[:, :-1] + a, W[:, -1:]]) if printed else 1.0
    return W + learning_rate * (y[:, None] - a) * factor * x


def epochs(
    step: Step, W: Any, X: Any, Y: Any, *, count: int, seeds: Sequence[int]
) -> Iterator[Any]:
    """Yield the weights of each seed's unit after each epoch in random order.

    Begins at zero, where there is no last bit to disturb; the instances have one.
    """
    generators, lines = [*map(np.random.default_rng, seeds)], np.arange(len(seeds))
    X, W = disturbed(X), disturbed(W)
    for _ in range(count):
        orders = [rng.permutation(X.shape[1]) for rng in generators]
        for n in np.transpose(orders):
            W = step(W, X[lines, n], Y[lines, n])
        yield W


def with_one(X: Any) -> Any:
    """Append the input that is always one."""
    return np.concatenate([X, np.ones_like(X[..., :1])], axis=-1)


def accuracies(W: Any, X: Any, Y: Any) -> Any:
    """Return the share of right answers of each seed's unit."""
    return ((np.einsum("sni,si->sn", X, W) >= 0) == Y).mean(axis=1)


@claim("claim-tlu-linear-classifier", seeds=10)
def tlu_linear_classifier(seeds: Sequence[int]) -> Finding:
    """A single threshold logic unit does simple linear binary classification.

    The perceptron rule from zero; the best training accuracy of any epoch.  It holds if
    that is 1 on 200 points with a margin of 0.1 in every seed, after no more than
    Novikoff's number of corrections, and in 1,000 epochs at most 0.75 on *exclusive or*
    and below 0.9 on two circles of 100 points, of radii 1 and 2.  It holds
    conditionally if only the first is so.  It fails if that is not.
    """
    rings = [circles(seed) for seed in seeds]
    hard = {
        "exclusive or": (np.stack([CORNERS] * len(seeds)), EXCLUSIVE_OR[:, 0]),
        "two circles": (np.stack(rings), np.repeat([0.0, 1.0], 100)),
    }
    best = {"separable points": [separable(seed) for seed in seeds]}
    for name, (points, targets) in hard.items():
        X, Y = with_one(points), np.broadcast_to(targets, points.shape[:2])
        path = epochs(rule, np.zeros((len(seeds), 3)), X, Y, count=1000, seeds=seeds)
        best[name] = np.max(
            [accuracies(W, X, Y) for W in progress(path, name)], axis=0
        ).tolist()
    found = [Row("best training accuracy", "", name, (*best[name],)) for name in best]
    verdict, because, condition = judge_unit(found)
    data = "200 points in a square, margin 0.1; four corners; 200 points on circles"
    return Finding(verdict, because, data, tuple(found), condition)


def separable(seed: int) -> float:
    """Return the accuracy on separable points; too many corrections count as none."""
    rng = np.random.default_rng(seed)
    X, Y, truth = linearly_separable(rng, instances=200, margin=0.1)
    X = disturbed(X)
    bound = int(novikoff_bound(truth, X, Y)[0])
    start = Perceptron(W=np.zeros((2, 1)), b=np.zeros(1))
    model, corrections = fit(start, X, Y, max_epochs=bound + 1)
    return float((predict(model, X) == Y).mean()) if corrections <= bound else 0.0


def circles(seed: int) -> Any:
    """Draw 100 points on a circle of radius 1, then as many on one of radius 2."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, 200)
    radius = np.repeat([1.0, 2.0], 100)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def judge_unit(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about linear classification."""
    line, corners, rings = (
        by_method(found, "best training accuracy", data)[""]
        for data in ("separable points", "exclusive or", "two circles")
    )
    learned = min(line) == 1
    beyond = max(corners) <= 0.75 and max(rings) < 0.9
    verdict = decide(
        confirmed=learned and beyond, conditional=learned, refuted=not learned
    )
    because = (
        f"In its worst case a unit gets {min(line):.0%} of separable points right; in "
        f"its best, {max(corners):.0%} of exclusive or and {max(rings):.1%} of two "
        "circles."
    )
    return Ruling(verdict, because, "and does more than that: it is no test of a line")


@claim("claim-sigmoid-better-threshold", seeds=10)
def sigmoid_better_threshold(seeds: Sequence[int]) -> Finding:
    """A sigmoid is a better threshold than a step, because it is smooth.

    The perceptron rule and a logistic unit trained online, from zero, on 200 points of
    two classes that overlap; mean and standard deviation of the accuracy on 2,000 test
    points over epochs 26 to 50 of 50.  There are two controls.  A linear unit, whose
    output is the tangent 1/2 + z/4 of the sigmoid, has no threshold that could be
    smooth.  The averaged perceptron (Freund and Schapire, 1999) is steady with a step:
    it answers by the mean of its weights after every instance so far.

    The rate of the sigmoid and that of the linear unit are the best of 0.00001, 0.0001,
    0.001, 0.01, 0.1 and 1, of equal ones the largest; from zero the rate of a step
    changes nothing.

    It holds if the sigmoid has the higher mean and the smaller deviation than the step,
    and the higher mean than either control.  It holds conditionally if it is so against
    the step alone, for then something else than the smooth threshold does it, or if
    only the deviation is smaller.  It fails if that is not smaller.
    """
    units = {"sigmoid": sigmoid, "linear unit": tangent}
    rates = {
        name: best_setting(partial(validation_accuracy, unit), RATES[::-1])
        for name, unit in units.items()
    }
    sets = [gaussians(seed) for seed in seeds]
    steps: dict[str, Step] = {
        name: partial(rule, activation=unit, learning_rate=rates[name])
        for name, unit in units.items()
    }
    steps |= {"step": rule, "averaged step": averaged_rule}
    scores = {name: late_accuracies(each, sets, seeds) for name, each in steps.items()}
    found = rows("test accuracy", {name: each.mean(0) for name, each in scores.items()})
    deviation = {name: each.std(0) for name, each in scores.items()}
    found += rows("deviation over the epochs", deviation)
    found += rows("learning rate", {name: [rate] for name, rate in rates.items()})
    verdict, because, condition = judge_threshold(found)
    data = "200 and 2,000 points of two normal classes, two apart, deviation 1.5"
    remark = at_ends({f"the {name}": rate for name, rate in rates.items()}, RATES)
    return Finding(verdict, because, data, tuple(found), condition, remark=remark)


def tangent(z: Any) -> Any:
    """Return the line that touches the sigmoid at zero."""
    return 0.5 + z / 4


def averaged_rule(W: Any, x: Any, y: Any) -> Any:
    """Apply the rule to the first half of the weights, and sum them in the second."""
    after = rule(W[:, :3], x, y)
    return np.hstack([after, W[:, 3:] + after])


def validation_accuracy(
    activation: Callable[[Any], Any], learning_rate: float, seed: int
) -> float:
    """Return the late accuracy of a unit on 40 of the training points."""
    X, Y, *_ = gaussians(seed)
    split = (X[:160], Y[:160], X[160:], Y[160:])
    unit = partial(rule, activation=activation, learning_rate=learning_rate)
    with np.errstate(over="ignore", invalid="ignore"):  # a line at too large a rate
        return float(late_accuracies(unit, [split], [seed]).mean())


def gaussians(seed: int) -> tuple[Any, Any, Any, Any]:
    """Draw 200 training and 2,000 test points of two classes that overlap."""
    rng = np.random.default_rng(seed)
    Y = np.append(rng.permutation(200) % 2, rng.permutation(2000) % 2)
    center = np.stack([2 * Y - 1, 0 * Y], axis=1)
    X = with_one(center + 1.5 * rng.normal(size=(2200, 2)))
    return X[:200], Y[:200], X[200:], Y[200:]


def late_accuracies(step: Step, sets: Sequence[Any], seeds: Sequence[int]) -> Any:
    """Train and return the test accuracies of epochs 26 to 50, a seed a column.

    The last three weights answer: by the averaged rule their sum, for a scale changes
    no answer.
    """
    X, Y, X_test, Y_test = map(np.stack, zip(*sets, strict=True))
    start = np.zeros((len(seeds), 6 if step is averaged_rule else 3))
    path = [*epochs(step, start, X, Y, count=50, seeds=seeds)]
    return np.array([accuracies(W[:, -3:], X_test, Y_test) for W in path[25:]])


def judge_threshold(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about a smooth threshold."""
    means = by_method(found, "test accuracy")
    spreads = by_method(found, "deviation over the epochs")
    calmer = significantly_below(spreads["sigmoid"], spreads["step"])
    better = significantly_above(means["sigmoid"], means["step"])
    smooth = all(
        significantly_above(means["sigmoid"], means[control])
        for control in ("linear unit", "averaged step")
    )
    verdict = decide(
        confirmed=calmer and better and smooth, conditional=calmer, refuted=not calmer
    )
    because = (
        f"The mean test accuracy is {format_means(means)}; from epoch to epoch it "
        f"deviates by {format_means(spreads)}."
    )
    steady = "against a plain step; a line or an averaged step is not the worse"
    only = "in that its accuracy is steadier, not in that it is higher"
    return Ruling(verdict, because, steady if better else only)
