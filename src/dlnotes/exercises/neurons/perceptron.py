"""The perceptron: what to write, and the mistakes made there."""

from functools import partial
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.neurons.perceptron import (
    Perceptron,
    net_input,
    predict,
    signed_distance,
)

FEW = 8  # numbers, up to which a counterexample is to be followed by hand


def numbers(rng: np.random.Generator, *size: int, plain: bool) -> Any:
    """Draw numbers: small whole ones, or any.

    Parameters
    ----------
    rng
        The random generator.
    *size
        The shape of the array.
    plain
        Whether to draw small whole numbers.
    """
    return 1.0 * rng.integers(-3, 4, size) if plain else reals(rng, *size)


def _whole_numbers(rng: np.random.Generator) -> dict[str, Any]:
    """Draw small whole numbers that put the first instance on some boundaries.

    Where there are many, all are multiplied by a power of two, so that no sum is
    rounded; some powers are so small that every sum is next to zero.
    """
    batch, inputs, units = whole(rng, 1, 5), whole(rng, 1, 4), whole(rng, 1, 3)
    X, W = rng.integers(-2, 3, (batch, inputs)), rng.integers(-2, 3, (inputs, units))
    b = np.where(rng.random(units) < 0.5, -(X @ W)[0], rng.integers(-3, 4, units))
    scales = [1.0] if X.size + W.size <= FEW else [1.0, 16.0, 2.0**-50]
    x_scale, w_scale = rng.choice(scales, size=2)
    model = Perceptron(W=w_scale * W, b=x_scale * w_scale * b)
    return either(rng, {"model": model, "X": x_scale * X})


def _any_units(rng: np.random.Generator) -> dict[str, Any]:
    """Draw units, none of which has weights of zero only, and instances."""
    batch, inputs, units = whole(rng, 1, 5), whole(rng, 1, 4), whole(rng, 1, 3)
    drawn = partial(numbers, rng, plain=(batch + units) * inputs <= FEW)
    W = drawn(inputs, units)
    W[0] = np.where(W.any(axis=0), W[0], 1.0)
    model = Perceptron(W=W, b=drawn(units))
    return either(rng, {"model": model, "X": drawn(batch, inputs)})


def _layer(answer: Answer) -> Answer:
    """Answer with the sum, less its bias, and the bias."""
    return lambda model, X: answer(X @ model.W, model.b)


LAYER = Exercise(
    name="write-neurons-perceptron-layer",
    section="neurons.perceptron",
    task="Write `predict(model, X)`: `model` has weights `W` (inputs, units) and "
    "biases `b` (units,), and `X` is (batch, inputs). Return the answers (batch, "
    "units) of a layer of threshold logic units, whose step function is 1 where the "
    "sum is zero or more, and 0 elsewhere.",
    hint="The sum first, then the step; mind the case on the boundary.",
    solution=predict,
    inputs=_whole_numbers,
    mistakes=(
        Mistake(
            _layer(lambda z, b: np.where(z + b > 0, 1, 0)),
            "You give 0 where the sum is exactly zero. That is a convention, but the "
            "notes leave it open and this book states it: 1.",
        ),
        Mistake(
            _layer(lambda z, b: np.where(z + b >= 0, 1, -1)),
            "You answer with -1 and 1, the sign. This step function takes the values 0 "
            "and 1, on which the learning rule builds.",
        ),
        Mistake(
            _layer(lambda z, b: np.sign(z + b)),
            "You answer with the sign, which is -1, 0 or 1. This step function takes "
            "the values 0 and 1, and is 1 where the sum is zero.",
        ),
        Mistake(
            _layer(lambda z, b: z + b),
            "Those are the weighted sums plus the bias. The step is missing.",
        ),
        Mistake(
            _layer(lambda z, b: np.where(z + b < 0, 1, 0)),
            "Your step is turned round: it must be 1 where the sum is zero or more, "
            "and 0 where it is less.",
        ),
        Mistake(
            _layer(lambda z, b: np.where(z >= 0, 1, 0) + 0 * b),
            "The bias is missing, so all your boundaries pass through the origin.",
        ),
        Mistake(
            _layer(lambda z, b: np.where(z + b[0] >= 0, 1, 0)),
            "You add the bias of the first unit to the sums of all units. Each unit "
            "has a bias of its own.",
        ),
        Mistake(
            _layer(lambda z, b: np.where(z - b >= 0, 1, 0)),
            "You subtract b as if it were a threshold. With a bias the threshold is "
            "zero and b is its negative: add it.",
            "org.neuroph.nnet.learning.PerceptronLearning updates threshold wrongly, "
            "https://github.com/neuroph/neuroph/issues/48",
        ),
        Mistake(
            _layer(lambda z, b: 1 / (1 + np.exp(-(z + b)))),
            "That is a sigmoid. The notes ascribe it to Rosenblatt, but his unit has a "
            "hard threshold: two values only.",
        ),
        Mistake(
            _layer(lambda z, b: np.heaviside(z + b, 0.5)),
            "Where the sum is zero you answer one half, which is neither class. The "
            "value there is 1.",
        ),
    ),
)

DISTANCE = Exercise(
    name="write-neurons-perceptron-signed-distance",
    section="neurons.perceptron",
    task="Write `signed_distance(model, X)`: `model` has weights `W` (inputs, units) "
    "and biases `b` (units,), and `X` is (batch, inputs). Return for each instance "
    "(batch, units) its Euclidean distance from the decision boundary of each unit, "
    "positive on the side of class 1, negative on the other.",
    hint="What changes, and what must not, when `W` and `b` are both multiplied by "
    "ten?",
    solution=signed_distance,
    inputs=_any_units,
    mistakes=(
        Mistake(
            net_input,
            "That is the net input. It grows with the length of the weights, while the "
            "boundary does not move when W and b are doubled: divide by that length.",
        ),
        Mistake(
            lambda model, X: (
                net_input(model, X) / np.sqrt((model.W**2).sum(axis=0) + model.b**2)
            ),
            "You count b into the length. Only the weights are perpendicular to the "
            "boundary; b moves it along.",
        ),
        Mistake(
            lambda model, X: X @ model.W / np.sqrt((model.W**2).sum(axis=0)) + model.b,
            "You divide only the first part. The bias is measured in the same units as "
            "the rest of the sum and is divided too.",
        ),
        Mistake(
            lambda model, X: net_input(model, X) / (model.W**2).sum(axis=0),
            "You divide by the squared length of the weights. That gives the multiple "
            "of them to walk, not the distance.",
        ),
        Mistake(
            lambda model, X: np.abs(signed_distance(model, X)),
            "The sign is lost: it says on which side the instance lies.",
        ),
        Mistake(
            lambda model, X: -signed_distance(model, X),
            "The sign is turned: the distance is positive on the side of class 1, "
            "where the sum is positive.",
        ),
        Mistake(
            lambda model, X: X @ model.W / np.sqrt((model.W**2).sum(axis=0)),
            "The bias is missing: you measure from a parallel to the boundary through "
            "the origin.",
        ),
        Mistake(
            lambda model, X: (
                (X @ model.W - model.b) / np.sqrt((model.W**2).sum(axis=0))
            ),
            "You subtract the bias. The boundary is where the weighted sum plus the "
            "bias is zero.",
        ),
        Mistake(
            lambda model, X: net_input(model, X) / np.abs(model.W).sum(axis=0),
            "You divide by the sum of the absolute weights. The Euclidean length is "
            "the root of the sum of their squares.",
        ),
        Mistake(
            lambda model, X: net_input(model, X) * np.sqrt((model.W**2).sum(axis=0)),
            "You multiply by the length of the weights. Doubling W and b makes the sum "
            "twice as large and must not change the distance: divide.",
        ),
        Mistake(
            lambda model, X: net_input(model, X) / np.sqrt((model.W**2).sum(axis=1)),
            "You add up the squares along the wrong axis. A unit is a column of W, and "
            "its weights stand below one another.",
        ),
        Mistake(
            lambda model, X: net_input(model, X) / np.sqrt((model.W**2).sum()),
            "You divide by the length of the whole matrix. Each unit is a column, and "
            "has a length of its own.",
        ),
    ),
)

EXERCISES = (LAYER, DISTANCE)
