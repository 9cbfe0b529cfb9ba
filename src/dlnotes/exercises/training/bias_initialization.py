"""Initial biases: what to write, and the mistakes made there."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.training.bias_initialization import (
    base_rate_bias,
    initial_dead_fraction,
    symmetric_units,
)


def _targets(rng: np.random.Generator) -> dict[str, Any]:
    """Draw few targets or many, with at least one 1 and one 0."""
    ones, zeros = whole(rng, 1, 9), whole(rng, 1, 30)
    if rng.random() < 0.3:
        ones, zeros = zeros, ones
    return either(rng, {"y": rng.permutation(np.repeat([1.0, 0.0], [ones, zeros]))})


def _of_share(bias: Callable[[Any], Any]) -> Answer:
    """Answer with another function of the share of ones."""
    return lambda y: bias(np.mean(y))


BASE_RATE = Exercise(
    name="write-training-bias-initialization-base-rate",
    section="training.bias_initialization",
    task="Write `base_rate_bias(y)` for a network with one sigmoid output: y (n,) are "
    "its targets, each 0 or 1, and both occur. Return the bias of the output unit, a "
    "number, with which it predicts the share of ones as long as its weights are zero.",
    hint="Put your bias into the sigmoid and compare with the share of ones.",
    solution=base_rate_bias,
    inputs=_targets,
    harmless=("is right only where axis 0 of y has more than one entry",),
    mistakes=(
        Mistake(
            _of_share(lambda p: p),
            "You return the share itself. The bias passes through the sigmoid, so you "
            "need the number that the sigmoid maps to the share.",
        ),
        Mistake(
            _of_share(np.log),
            "That is the logarithm of the share, right for a softmax with one output a "
            "class. The inverse of the sigmoid is the logarithm of the odds.",
        ),
        Mistake(
            _of_share(lambda p: np.log((1 - p) / p)),
            "Your odds are upside down: with few ones the bias must be negative.",
        ),
        Mistake(
            _of_share(lambda p: p / (1 - p)),
            "Those are the odds; the logarithm is missing.",
        ),
        Mistake(
            _of_share(lambda p: np.log(p / (1 - 2 * p)) if p < 0.5 else np.inf),
            "You take the ratio of ones to zeros for the probability of a one. One to "
            "ten means one in eleven; the ratio is already the odds.",
            "Setting bias of output layer for imbalanced datasets, "
            "https://stats.stackexchange.com/questions/408811/"
            "setting-bias-of-output-layer-for-imbalanced-datasets",
        ),
        Mistake(
            _of_share(lambda p: np.log10(p / (1 - p))),
            "You use the logarithm to base 10. The sigmoid is made with the natural "
            "exponential.",
        ),
        Mistake(
            lambda y: np.log(y.sum() + 1) - np.log((1 - y).sum() + 1),
            "You add one to the counts of ones and of zeros. That guards against a "
            "class that does not occur; here both do, and the prediction must be "
            "their share.",
        ),
    ),
)


def _layer(rng: np.random.Generator) -> dict[str, Any]:
    """Draw inputs without sign and units of which biases decide who is dead.

    Some units have negative weights, and some biases are large, or exactly what makes
    the largest pre-activation zero.
    """
    n, inputs, units = whole(rng, 1, 7), whole(rng, 1, 5), whole(rng, 1, 8)
    X = np.abs(reals(rng, n, inputs))
    W = reals(rng, inputs, units)
    W = np.where(rng.random(units) < 0.4, -np.abs(W), W)
    Z = X @ W
    b = rng.choice([-0.5, 0.0, 0.5, -1.5, 1.5], size=units) * np.abs(Z).max(axis=0)
    silent, none = rng.random(units) < 0.15, rng.random(n) < 0.2
    W, b = np.where(silent, 0.0, W), np.where(silent, 0.0, b)
    return either(rng, {"X": np.where(none[:, None], 0.0, X), "W": W, "b": b})


DEAD_UNITS = Exercise(
    name="write-training-bias-initialization-dead-units",
    section="training.bias_initialization",
    task="Write `initial_dead_fraction(X, W, b)` for a layer of ReLUs before training: "
    "X (n, inputs) is the data set, W (inputs, units) are the weights and b (units,) "
    "the biases. A unit is dead if its activation is zero for every row of X. Return "
    "the share of dead units, from 0 to 1.",
    hint="For each unit look at the whole data set before you count.",
    solution=initial_dead_fraction,
    inputs=_layer,
    mistakes=(
        Mistake(
            lambda X, W, b: np.mean(X @ W + b <= 0),
            "You return the share of zero activations. Half of them may be zero with "
            "no unit dead: a unit is dead only if no row makes it active.",
        ),
        Mistake(
            lambda X, W, b: np.mean(np.any(X @ W + b <= 0, axis=0)),
            "You count a unit as dead if it is inactive for one row. It must be "
            "inactive for all of them.",
        ),
        Mistake(
            lambda X, W, b: initial_dead_fraction(X, W, 0 * b),
            "You forget the bias. It decides here: a strongly negative one kills the "
            "unit, a positive one may save it.",
        ),
        Mistake(
            lambda X, W, b: np.mean(np.all(X @ W - b <= 0, axis=0)),
            "You subtract the bias, as if it were a threshold. It is added.",
        ),
        Mistake(
            lambda X, W, b: np.mean(np.all(X @ W + b <= 0, axis=1)),
            "You look along the rows and so count instances for which the whole layer "
            "is inactive. Units are columns.",
        ),
        Mistake(
            lambda X, W, b: np.mean(np.all(X @ W + b < 0, axis=0)),
            "A pre-activation of exactly zero gives an activation of zero, too, so it "
            "does not make a unit alive.",
        ),
        Mistake(
            lambda X, W, b: np.mean(np.any(X @ W + b > 0, axis=0)),
            "That is the share of units that are alive.",
        ),
        Mistake(
            lambda X, W, b: np.mean(np.mean(X @ W + b, axis=0) <= 0),
            "You judge by the mean pre-activation. One row above zero keeps a unit "
            "alive, however negative the mean is.",
        ),
        Mistake(
            lambda X, W, b: np.sum(np.all(X @ W + b <= 0, axis=0)),
            "You return the number of dead units; their share is asked for.",
        ),
    ),
)


def _twins(rng: np.random.Generator) -> dict[str, Any]:
    """Draw units that are one unit, some of them with a change, in any order."""
    sizes = whole(rng, 1, 4), 1, whole(rng, 1, 3)  # weights in, bias, weights out
    first = rng.choice([1.0, 100.0]) * reals(rng, sum(sizes))
    ends = [*np.cumsum(sizes)]
    units = [_changed(rng, first, ends) for _ in range(whole(rng, 1, 7))]
    W, b, V = np.split(np.array(units), ends[:2], axis=1)
    return either(rng, {"W": W.T.copy(), "b": b[:, 0].copy(), "V": V.copy()})


def _changed(rng: np.random.Generator, first: Any, ends: list[int]) -> Any:
    """Return a unit as it is, or with one number, all weights in or all it has changed.

    The number is a weight in, the bias or a weight out, with equal probability.
    """
    unit, k, inputs = first.copy(), whole(rng, 0, 2), ends[0]
    one = whole(rng, [0, *ends][k], ends[k] - 1)
    unit[one] = 2 * unit[one] or 1.0
    reverse = np.r_[first[:inputs][::-1], first[inputs:]]
    negative = np.r_[-first[:inputs], first[inputs:]]
    changes = [unit, unit, unit, reverse, negative, 0.01 * first, 0 * first]
    return [first, first, *changes][whole(rng, 0, 8)]


def _keep(numbers: Any) -> Any:
    """Return numbers as they are."""
    return numbers


def _drop(numbers: Any) -> Any:
    """Return zeros for numbers, which are then alike."""
    return 0 * numbers


def _same(
    weights: Callable[[Any], Any] = _keep,
    biases: Callable[[Any], Any] = _keep,
    outgoing: Callable[[Any], Any] = _keep,
) -> Answer:
    """Answer by something else than all numbers of the units."""
    return lambda W, b, V: symmetric_units(weights(W), biases(b), outgoing(V))


def _cured(numbers: Any) -> Any:
    """Return what tells units apart for one who thinks that not to be zero does."""
    zero = np.all(numbers == 0, axis=0)
    return np.where(zero, 0.0, 1.0 + np.arange(len(zero)))[None]


SYMMETRIC_UNITS = Exercise(
    name="write-training-bias-initialization-symmetric-units",
    section="training.bias_initialization",
    task="Write `symmetric_units(W, b, V)` for the hidden layer of a network: W "
    "(inputs, units) and b (units,) lead into it, and V (units, outputs) leads out of "
    "it. Return an array of truth values, (units, units), that is true where "
    "exchanging the two units leaves the network as it is, so that gradient descent "
    "keeps them identical; each unit is its own twin.",
    hint="Two units stay alike if what they compute and the gradients they get are the "
    "same.",
    solution=symmetric_units,
    inputs=_twins,
    mistakes=(
        Mistake(
            _same(_cured, _drop, _drop),
            "You take weights that are not zero for a cure. Units with equal weights "
            "stay equal whatever the value, zero, small or large: the weights of the "
            "units must differ.",
        ),
        Mistake(
            _same(biases=_drop),
            "You leave the biases out. Two units with equal weights and different "
            "biases compute different things, and that breaks the symmetry too.",
        ),
        Mistake(
            _same(outgoing=_drop),
            "You look only at what goes in. Units with different outgoing weights get "
            "different gradients, so they part at the first step.",
        ),
        Mistake(
            _same(partial(np.sort, axis=0)),
            "You compare the sizes of the weights without their order. Equal numbers "
            "at other inputs are another unit: compare entry by entry.",
        ),
        Mistake(
            _same(_drop, _drop),
            "You compare the outgoing weights only. Units that compute different "
            "things part even if they are read alike.",
        ),
        Mistake(
            _same(biases=_drop, outgoing=_drop),
            "You compare the incoming weights only. Biases and outgoing weights tell "
            "units apart, too.",
        ),
        Mistake(
            _same(np.abs),
            "You leave out the signs of the weights.",
        ),
        Mistake(
            lambda W, b, V: symmetric_units(W, b, V) & ~np.eye(len(b), dtype=bool),
            "You leave out the diagonal: each unit is its own twin.",
        ),
    ),
)

EXERCISES = (BASE_RATE, DEAD_UNITS, SYMMETRIC_UNITS)
