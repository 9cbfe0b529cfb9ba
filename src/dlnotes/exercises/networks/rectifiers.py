"""Rectifiers: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.rectifiers import leaky_relu, leaky_relu_derivative


def _leak(rng: np.random.Generator) -> dict[str, Any]:
    """Draw net inputs of any shape, and a slope that may exceed one."""
    alpha = float(rng.choice([0.0, 0.01, 0.1, 0.3, 1.0, 1.6]))
    return either(rng, {"z": reals(rng, *shape(rng)), "alpha": alpha})


LEAKY = Exercise(
    name="write-networks-rectifiers-leaky-relu",
    section="networks.rectifiers",
    task="Write `leaky_relu(z, *, alpha)`: z is an array of net inputs of any "
    "shape; alpha is the slope for negative net inputs, at least 0, and may exceed "
    "1. Return the activations, an array of the same shape.",
    solution=leaky_relu,
    inputs=_leak,
    mistakes=(
        Mistake(
            lambda z, alpha: np.maximum(alpha * z, z),
            "The larger of slope times z and z is right only for slopes up to 1; "
            "beyond, it picks the wrong branch. Choose by the sign of z.",
            "leaky_relu - buggy when alpha > 1 or alpha < 0, "
            "https://github.com/tensorflow/tensorflow/issues/24566",
        ),
        Mistake(
            lambda z, **_: np.maximum(z, 0),
            "Your output does not leak: negative net inputs are cut to zero before "
            "the slope is applied.",
            "Fix Leaky ReLU activation, https://github.com/tflearn/tflearn/pull/784",
        ),
        Mistake(
            lambda z, alpha: np.where(z < 0, 0.0, alpha * z),
            "The branches are mixed up: you scale the positive side and cut the "
            "negative one.",
            "Problem(?) of leaky ReLU Implementation, "
            "https://github.com/BrainJS/brain.js/issues/560",
        ),
        Mistake(
            lambda z, alpha: np.where(z > 0, z, -alpha * z),
            "The negative side comes out positive. It leaks downwards: a negative "
            "net input gives a negative activation, only a smaller one.",
        ),
    ),
    hint="One condition on z decides which of two straight lines it is.",
)

LEAKY_DERIVATIVE = Exercise(
    name="write-networks-rectifiers-leaky-relu-derivative",
    section="networks.rectifiers",
    task="Write `leaky_relu_derivative(z, *, alpha)`: z and alpha are those of "
    "`leaky_relu`. Return its derivative at each net input, an array of the same "
    "shape; at exactly zero the derivative is that of the negative side.",
    solution=leaky_relu_derivative,
    inputs=_leak,
    harmless=("clips z",),
    mistakes=(
        Mistake(
            lambda z, **_: np.where(z > 0, 1.0, 0.0),
            "The gradient is that of the plain ReLU: for negative net inputs it is "
            "the slope, not zero. That leak keeps units alive.",
            "Wrong derivative of leaky-relu activation, "
            "https://github.com/scientific-computing/FKB/issues/15",
        ),
        Mistake(
            lambda z, alpha: np.where(z < 0, 0.0, alpha),
            "The branches are mixed up: you scale the positive side and cut the "
            "negative one.",
            "Problem(?) of leaky ReLU Implementation, "
            "https://github.com/BrainJS/brain.js/issues/560",
        ),
        Mistake(
            lambda z, alpha: np.where(z >= 0, 1.0, alpha),
            "At exactly zero you take the slope of the positive side. Either would "
            "do, but the two sides of a convention must agree: here it is that of "
            "the negative side.",
            "added derivative at 0 for relu and leakyrelu, "
            "https://github.com/uptake/numpynet/pull/35",
        ),
        Mistake(
            lambda z, alpha: np.where(z > 0, 1.0, alpha * z),
            "On the negative side you return the activation. Its derivative is the "
            "number that z was multiplied by.",
        ),
    ),
    hint="Differentiate each of the two straight lines.",
)

EXERCISES = (LEAKY, LEAKY_DERIVATIVE)
