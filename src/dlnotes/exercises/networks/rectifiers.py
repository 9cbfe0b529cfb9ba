"""Rectifiers: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.rectifiers import elu, leaky_relu, leaky_relu_derivative


def _leak(rng: np.random.Generator) -> dict[str, Any]:
    """Draw pre-activations of any shape, and a slope that may exceed one."""
    alpha = float(rng.choice([0.0, 0.01, 0.1, 0.3, 1.0, 1.6]))
    return either(rng, {"z": reals(rng, *shape(rng)), "alpha": alpha})


LEAKY = Exercise(
    name="write-networks-rectifiers-leaky-relu",
    section="networks.rectifiers",
    task="Write `leaky_relu(z, *, alpha)`: z is an array of pre-activations of "
    "any shape; alpha is the slope for negative ones, at least 0, and may exceed "
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
            "Your output does not leak: negative pre-activations are cut to zero, "
            "and so nothing is left to multiply by the slope.",
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
            "The negative side comes out positive. It leaks downward: a negative "
            "pre-activation gives a negative activation, only a smaller one.",
        ),
        Mistake(
            lambda z, alpha: np.where(z > 0, alpha * z, z),
            "The branches have changed places: you scale the positive side and leave "
            "the negative one as it is.",
        ),
        Mistake(
            lambda z, alpha: alpha * z,
            "You scale both sides: that is one straight line. Positive pre-activations "
            "are returned as they are.",
        ),
        Mistake(
            lambda z, alpha: np.maximum(z, 0) + alpha * z,
            "On the positive side you add alpha z to z. Add alpha times the NEGATIVE "
            "part of z to its positive part.",
        ),
        Mistake(
            lambda z, alpha: np.where(z > 0, z, alpha),
            "On the negative side you return alpha itself. It is a slope: multiply z "
            "by it.",
        ),
        Mistake(
            lambda z, **_: np.where(z > 0, z, 0.01 * z),
            "You always take the slope 0.01. It is an argument, alpha.",
        ),
        Mistake(
            leaky_relu_derivative,
            "That is the derivative. The activation is asked for, a straight line on "
            "each side.",
        ),
        Mistake(
            lambda z, alpha: np.where(z > 0, 1.0, alpha * z),
            "On the positive side you return the slope, 1. The activation is z itself "
            "there.",
        ),
        Mistake(
            lambda z, alpha: z if (z > 0).all() else alpha * z,
            "You decide once for the whole array. Each number has a sign of its own, "
            "and so its own branch.",
        ),
        Mistake(
            elu,
            "That is the ELU, which bends on the negative side. The leaky ReLU is "
            "straight there.",
        ),
        Mistake(
            lambda z, alpha: np.where(z > 0, z, z - alpha),
            "On the negative side you subtract alpha. It is a slope: multiply z by it.",
        ),
    ),
    hint="One condition on z decides which of two straight lines it is.",
)

LEAKY_DERIVATIVE = Exercise(
    name="write-networks-rectifiers-leaky-relu-derivative",
    section="networks.rectifiers",
    task="Write `leaky_relu_derivative(z, *, alpha)`: z is an array of pre-activations "
    "of any shape; alpha is the slope of the leaky ReLU for negative ones, at least 0. "
    "Return the derivative of the leaky ReLU at each of z, an array of the same "
    "shape; at exactly zero it is that of the negative side.",
    solution=leaky_relu_derivative,
    inputs=_leak,
    harmless=("clips z",),
    mistakes=(
        Mistake(
            lambda z, **_: np.where(z > 0, 1.0, 0.0),
            "The gradient is that of the plain ReLU: for negative pre-activations "
            "it is the slope, not zero. That leak keeps units alive.",
            "Wrong derivative of leaky-relu activation, "
            "https://github.com/scientific-computing/FKB/issues/15",
        ),
        Mistake(
            lambda z, alpha: np.where(z < 0, 0.0, alpha),
            "The branches are mixed up: your slope is alpha on the positive side and "
            "zero on the negative one.",
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
        Mistake(
            leaky_relu,
            "That is the activation itself. Its derivative is a number on each side of "
            "zero, and does not depend on how far from zero z is.",
        ),
        Mistake(
            lambda z, alpha: np.where(z > 0, alpha, 1.0),
            "The branches have changed places: alpha is the slope of the negative "
            "side.",
        ),
        Mistake(
            lambda z, alpha: np.where(z > 0, 1.0, -alpha),
            "The sign on the negative side is turned round: the function rises there "
            "too, with the slope alpha.",
        ),
        Mistake(
            lambda z, alpha: np.where(z > 0, z, alpha),
            "On the positive side you return z. The derivative of z is 1.",
        ),
        Mistake(
            lambda z, alpha: np.where(z > 0, 1.0, np.where(z < 0, alpha, 0.0)),
            "At exactly zero you return 0. The slopes of the two sides are alpha and "
            "1; the task takes that of the negative side.",
        ),
        Mistake(
            lambda z, alpha: np.where(z > 0, 1 + alpha, alpha),
            "On the positive side you add alpha to the slope 1. Only the negative side "
            "has the slope alpha.",
        ),
        Mistake(
            lambda z, **_: np.where(z > 0, 1.0, 0.01),
            "You always take the slope 0.01. It is an argument, alpha.",
        ),
    ),
    hint="Differentiate each of the two straight lines.",
)

EXERCISES = (LEAKY, LEAKY_DERIVATIVE)
