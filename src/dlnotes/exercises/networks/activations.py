"""Activations: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import pre_activations
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.activations import (
    scaled_tanh,
    scaled_tanh_derivative,
    sigmoid,
    sigmoid_derivative,
)

A, B = 1.7159, 2 / 3
TAILS = -1000.0, -40.0, -15.0, -5.0, 5.0, 15.0, 40.0, 1000.0


def _overflowing_sigmoid(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.exp(z) / (1 + np.exp(z))


def _falling_sigmoid(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.exp(-z) / (1 + np.exp(-z))


def _without_reciprocal(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return 1 + np.exp(-z)


def _minus_in_the_denominator(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return 1 / (1 - np.exp(-z))


def _softmax(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.exp(z) / np.exp(z).sum()


def _overflowing_slope(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.exp(-z) / (1 + np.exp(-z)) ** 2


def _slope_that_overflows_right(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.exp(z) / (1 + np.exp(z)) ** 2


def _falling_slope(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return -np.exp(-z) / (1 + np.exp(-z)) ** 2


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
    inputs=lambda rng: pre_activations(
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
            _falling_sigmoid,
            "Your curve falls: e^-z / (1 + e^-z) is 1 - sigma(z). It also overflows "
            "for large negative z.",
        ),
        Mistake(
            lambda z: sigmoid(2 * z),
            "Your curve is twice as steep as it should be: (1 + tanh(z)) / 2 is "
            "sigma(2z). In sigma(z) the hyperbolic tangent is that of z / 2.",
        ),
        Mistake(
            _without_reciprocal,
            "That is the denominator, 1 + e^-z, which is above 1. The sigmoid is one "
            "divided by it; or parentheses around the denominator are missing.",
        ),
        Mistake(
            _minus_in_the_denominator,
            "The sign in the denominator is turned round: with a minus the quotient "
            "has a pole at zero, and exceeds 1.",
        ),
        Mistake(
            _softmax,
            "You divide by the sum over the whole array: that is a softmax. The "
            "sigmoid looks at each number alone.",
        ),
        Mistake(
            sigmoid_derivative,
            "That is the derivative of the sigmoid, a bell. The sigmoid itself is "
            "asked for.",
        ),
        Mistake(
            lambda z: np.heaviside(z, 0.0),
            "That is the step function. The sigmoid rises from 0 to 1 smoothly.",
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
            "near 0.00005, and their derivative is zero. A stable form needs no "
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
    task="Write `sigmoid_derivative(z)`: z is an array of PRE-ACTIVATIONS, not "
    "outputs, of any shape and any size, -1000 and 1000 included. Return the "
    "derivative of the logistic sigmoid at each of them, an array of the same shape.",
    solution=sigmoid_derivative,
    inputs=lambda rng: pre_activations(rng, *TAILS),
    mistakes=(
        Mistake(
            _overflowing_slope,
            "For large negative z, exp(-z) is infinite, and infinity divided by "
            "infinity is not a number. The derivative is even: use -|z|, or the "
            "output of a sigmoid that does not overflow.",
        ),
        Mistake(
            _slope_that_overflows_right,
            "For large z, exp(z) is infinite, and infinity divided by infinity is not "
            "a number. The derivative is even: use -|z|, or the output of a sigmoid "
            "that does not overflow.",
        ),
        Mistake(
            lambda z: z * (1 - z),
            "You use z where the OUTPUT belongs: the derivative is h (1 - h) with "
            "h = sigma(z). Nowhere can it exceed 1/4.",
            "CH.SOL- 5.21, https://github.com/BoltzmannEntropy/interviews.ai/issues/4",
        ),
        Mistake(
            lambda z: sigmoid_derivative(sigmoid(z)),
            "The sigmoid is applied twice: once outside and once inside the "
            "derivative. Decide whether your function takes the pre-activation or the "
            "output.",
            "Improvements, comments and harmonization of the code, "
            "https://github.com/liashchynskyi/skynet/pull/1",
        ),
        Mistake(
            lambda z: 1 - sigmoid(z) ** 2,
            "1 - h^2 is the derivative of tanh. For the sigmoid it is h (1 - h).",
        ),
        Mistake(
            sigmoid,
            "That is the sigmoid itself; its derivative is asked for, which is "
            "largest, 1/4, at zero and vanishes on both sides.",
        ),
        Mistake(
            lambda z: -sigmoid_derivative(z),
            "The sign is wrong: the sigmoid rises everywhere, so its derivative is "
            "positive. An inner derivative of -z got lost or was counted twice.",
        ),
        Mistake(
            _falling_slope,
            "The sign is wrong: the sigmoid rises everywhere, so its derivative is "
            "positive. The inner derivative of -z turns the sign once more. And for "
            "large negative z the quotient is not a number.",
        ),
        Mistake(
            lambda z: sigmoid(z) ** 2,
            "That is h^2. One of the two factors is h, and the other is 1 - h.",
        ),
        Mistake(
            lambda z: -(sigmoid(z) ** 2),
            "You differentiated the outer function, 1/x, only. The chain rule "
            "multiplies by the derivative of what is inside, 1 + e^-z.",
        ),
        Mistake(
            lambda z: 1 - sigmoid(z),
            "That is the second factor alone. The derivative is h (1 - h) with h = "
            "sigma(z).",
        ),
        Mistake(
            lambda z: sigmoid(z) * (1 + sigmoid(z)),
            "The sign in the second factor is turned round: it is 1 - h. Nowhere can "
            "the derivative exceed 1/4.",
        ),
        Mistake(
            lambda z: sigmoid(z) * (1 - z),
            "In one of the two factors you use z where the output belongs: the "
            "derivative is h (1 - h) with h = sigma(z).",
        ),
        Mistake(
            lambda z: 1 - np.tanh(z) ** 2,
            "That is the derivative of tanh, which is 1 at zero. That of the sigmoid "
            "is 1/4 there.",
        ),
        Mistake(
            lambda z: 4 * sigmoid_derivative(z),
            "Your derivative is 1 at zero, as that of tanh is. That of the sigmoid is "
            "1/4 there.",
        ),
        Mistake(
            lambda z: 2 * sigmoid_derivative(z),
            "Your derivative is twice as large as it should be: at zero it must be "
            "1/4.",
        ),
        Mistake(
            lambda z: z * sigmoid_derivative(z),
            "There is a factor z too many. The inner derivative, that of -z, is a "
            "number.",
        ),
    ),
    hint="Express the derivative by the output.",
)

SCALED_TANH_DERIVATIVE = Exercise(
    name="write-networks-activations-scaled-tanh-derivative",
    section="networks.activations",
    task="Write `scaled_tanh_derivative(z)`: z is an array, of any shape, of the "
    "pre-activations of LeCun's activation a tanh(b z) with a = 1.7159 and b = 2/3; "
    "they have any size, -1000 and 1000 included. Return its derivative with respect "
    "to z, an array of the same shape.",
    solution=scaled_tanh_derivative,
    inputs=lambda rng: pre_activations(rng, *TAILS),
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
            "The inner derivative b is missing from the derivative.",
        ),
        Mistake(
            lambda z: 1 - scaled_tanh(z) ** 2,
            "1 - f^2 is the derivative of the plain tanh. Here f goes up to 1.7159, so "
            "that would even turn negative.",
        ),
        Mistake(
            lambda z: A * B * (1 - scaled_tanh(z) ** 2),
            "In the derivative you square the scaled output. 1 - t^2 holds for t = "
            "tanh(b z), before the factor a.",
        ),
        Mistake(
            lambda z: A * B * (1 - np.tanh(A * z) ** 2),
            "a and b have changed places: a stretches the output, b the input. "
            "Check that f(1) is 1.",
        ),
        Mistake(
            lambda z: A * B * (1 - (B * z) ** 2),
            "In the derivative you square b z instead of its hyperbolic tangent.",
        ),
        Mistake(
            scaled_tanh,
            "That is the activation itself. Its derivative is asked for, which is "
            "a b = 1.14 at zero.",
        ),
        Mistake(
            lambda z: B * (1 - np.tanh(B * z) ** 2),
            "The factor a is missing: it multiplies the function, and so its "
            "derivative too.",
        ),
        Mistake(
            lambda z: 1 - np.tanh(B * z) ** 2,
            "Two factors are missing: a, which stretches the output, and the inner "
            "derivative b.",
        ),
        Mistake(
            lambda z: A * B * (1 - np.tanh(z) ** 2),
            "The factor b inside the hyperbolic tangent is missing.",
        ),
        Mistake(
            lambda z: 1 - np.tanh(z) ** 2,
            "That is the derivative of the plain tanh, without a and b.",
        ),
        Mistake(
            lambda z: A * B * (1 - np.tanh(B * z)),
            "The hyperbolic tangent is not squared. Far left your derivative does not "
            "go to zero.",
        ),
        Mistake(
            lambda z: A * B * (1 + np.tanh(B * z) ** 2),
            "The sign before the square is turned round: the derivative is largest at "
            "zero and goes to zero on both sides.",
        ),
        Mistake(
            lambda z: -scaled_tanh_derivative(z),
            "The sign is turned round: the function rises everywhere, so its "
            "derivative is positive.",
        ),
        Mistake(
            lambda z: A * B**2 * (1 - np.tanh(B * z) ** 2),
            "The inner derivative b is counted twice.",
        ),
        Mistake(
            lambda z: B / A * (1 - np.tanh(B * z) ** 2),
            "You divide by a. The factor b / a belongs to the form with the output f, "
            "b/a (a - f) (a + f); with tanh(b z) it is a b.",
        ),
        Mistake(
            lambda z: B / A * (A - z) * (A + z),
            "You use z where the output belongs: b/a (a - f) (a + f) is right for "
            "f = a tanh(b z).",
        ),
    ),
    hint="Name t = tanh(b z) once, and write the derivative with it.",
)

EXERCISES = (SIGMOID, SIGMOID_DERIVATIVE, SCALED_TANH_DERIVATIVE)
