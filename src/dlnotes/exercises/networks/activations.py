"""Activations: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.activations import (
    scaled_tanh,
    scaled_tanh_derivative,
    sigmoid,
    sigmoid_derivative,
)

A, B = 1.7159, 2 / 3
TAILS = -1000.0, -40.0, -15.0, -5.0, 5.0, 15.0, 40.0, 1000.0


def _net_inputs(rng: np.random.Generator, *tails: float) -> dict[str, Any]:
    """Draw net inputs of any shape, all but the first of which may be far out."""
    z = reals(rng, *shape(rng))
    z = 3 * z / max(1.0, np.abs(z).max())
    far = (rng.random(z.shape) < 0.3) & (np.arange(z.size).reshape(z.shape) > 0)
    return either(rng, {"z": np.where(far, rng.choice(tails, size=z.shape), z)})


def _overflowing_sigmoid(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.exp(z) / (1 + np.exp(z))


def _overflowing_slope(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.exp(-z) / (1 + np.exp(-z)) ** 2


def _overflowing_tanh_slope(z: Any) -> Any:
    with np.errstate(all="ignore"):
        t = (np.exp(2 * B * z) - 1) / (np.exp(2 * B * z) + 1)
    return A * B * (1 - t**2)


def _inverse_slope(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return B / (1 - (B * z) ** 2)


SIGMOID = Exercise(
    name="write-networks-activations-sigmoid",
    section="networks.activations",
    task="Write `sigmoid(z)`: z is an array of real numbers of any shape and any "
    "size, -1000 and 1000 included. Return the logistic sigmoid of each, an array "
    "of the same shape with values from 0 to 1.",
    solution=sigmoid,
    inputs=lambda rng: _net_inputs(
        rng, -1000.0, -20.0, -8.0, -5.0, 5.0, 8.0, 20.0, 1000.0
    ),
    mistakes=(
        Mistake(
            _overflowing_sigmoid,
            "For large z the exponential is infinite, and infinity divided by "
            "infinity is not a number. Find a form in which no exponential of a "
            "large positive number occurs.",
            "Numeric Stable for sigmoid & log_logistic, "
            "https://github.com/FederatedAI/FATE/issues/65",
        ),
        Mistake(
            lambda z: sigmoid(-z),
            "Your curve falls: the sign in the exponent is turned round. Large z "
            "must give values near 1.",
        ),
        Mistake(
            lambda z: z * sigmoid(z),
            "There is a factor z too many: that is the SiLU (Swish), which is not "
            "bounded.",
            "sigmoid function, "
            "https://github.com/joaopauloschuler/neural-api/issues/21",
        ),
        Mistake(
            np.tanh,
            "That is the hyperbolic tangent, from -1 to 1. It is a sigmoid too, "
            "stretched: tanh(z) = 2 sigma(2z) - 1.",
        ),
        Mistake(
            lambda z: 2 * sigmoid(2 * z) + 1,
            "You turned the identity tanh(z) = 2 sigma(2z) - 1 round, or copied it "
            "without its minus: no value here should exceed 1.",
        ),
        Mistake(
            lambda z: sigmoid(np.clip(z, -10, 10)),
            "You clip z to avoid the overflow, which bends the tails: they stop "
            "near 0.00005 and have no slope at all. A stable form needs no "
            "clipping.",
            "fix: no need to clip input value of Sigmoid, "
            "https://github.com/harvard-edge/cs249r_book/pull/1140",
        ),
    ),
    hint="Which of exp(z) and exp(-z) is small depends on the sign of z; or think "
    "of a related function that never overflows.",
)

SIGMOID_DERIVATIVE = Exercise(
    name="write-networks-activations-sigmoid-derivative",
    section="networks.activations",
    task="Write `sigmoid_derivative(z)`: z is an array of NET INPUTS, not outputs, of "
    "any shape and any size, -1000 and 1000 included. Return the derivative of the "
    "logistic sigmoid at each of them, an array of the same shape.",
    solution=sigmoid_derivative,
    inputs=lambda rng: _net_inputs(rng, *TAILS),
    mistakes=(
        Mistake(
            _overflowing_slope,
            "For large negative z, exp(-z) is infinite, and infinity divided by "
            "infinity is not a number. The slope is even: use -|z|, or the output of "
            "a sigmoid that does not overflow.",
        ),
        Mistake(
            lambda z: z * (1 - z),
            "You use z where the OUTPUT belongs: the slope is h (1 - h) with h = "
            "sigma(z). Nowhere can it exceed 1/4.",
            "CH.SOL- 5.21, https://github.com/BoltzmannEntropy/interviews.ai/issues/4",
        ),
        Mistake(
            lambda z: sigmoid_derivative(sigmoid(z)),
            "The sigmoid is applied twice: once outside and once inside the slope. "
            "Decide whether your function takes the net input or the output.",
            "Improvements, comments and harmonization of the code, "
            "https://github.com/liashchynskyi/skynet/pull/1",
        ),
        Mistake(
            lambda z: 1 - sigmoid(z) ** 2,
            "1 - h^2 is the slope of tanh. For the sigmoid it is h (1 - h).",
        ),
        Mistake(
            sigmoid,
            "That is the sigmoid itself; its slope is asked for, which is largest, "
            "1/4, at zero and vanishes on both sides.",
        ),
        Mistake(
            lambda z: -sigmoid_derivative(z),
            "The sign is wrong: the sigmoid rises everywhere, so its slope is "
            "positive. An inner derivative of -z got lost or was counted twice.",
        ),
    ),
    hint="Express the slope by the output.",
)

SCALED_TANH = Exercise(
    name="write-networks-activations-scaled-tanh",
    section="networks.activations",
    task="Write `scaled_tanh_derivative(z)`: z is an array, of any shape, of the net "
    "inputs of LeCun's activation a tanh(b z) with a = 1.7159 and b = 2/3; they have "
    "any size, -1000 and 1000 included. Return its derivative with respect to z, an "
    "array of the same shape.",
    solution=scaled_tanh_derivative,
    inputs=lambda rng: _net_inputs(rng, *TAILS),
    mistakes=(
        Mistake(
            _overflowing_tanh_slope,
            "Your hyperbolic tangent overflows: for large z the exponential is "
            "infinite, and infinity divided by infinity is not a number. NumPy's does "
            "not.",
        ),
        Mistake(
            _inverse_slope,
            "You read `atanh` as the inverse function, as it is set in the notes. "
            "It is a TIMES tanh, bounded, and passes through (1, 1).",
        ),
        Mistake(
            lambda z: A * (1 - np.tanh(B * z) ** 2),
            "The inner derivative b is missing from the slope.",
        ),
        Mistake(
            lambda z: 1 - scaled_tanh(z) ** 2,
            "1 - f^2 is the slope of the plain tanh. Here f goes up to 1.7159, so "
            "that would even turn negative.",
        ),
        Mistake(
            lambda z: A * B * (1 - scaled_tanh(z) ** 2),
            "In the slope you square the scaled output. 1 - t^2 holds for t = "
            "tanh(b z), before the factor a.",
        ),
        Mistake(
            lambda z: A * B * (1 - np.tanh(A * z) ** 2),
            "a and b have changed places: a stretches the output, b the input. "
            "Check that f(1) is 1.",
        ),
        Mistake(
            lambda z: A * B * (1 - (B * z) ** 2),
            "In the slope you square the net input instead of its hyperbolic tangent.",
        ),
    ),
    hint="Name t = tanh(b z) once, and write the slope with it.",
)

EXERCISES = (SIGMOID, SIGMOID_DERIVATIVE, SCALED_TANH)
