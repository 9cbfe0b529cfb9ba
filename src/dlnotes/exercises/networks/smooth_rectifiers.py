"""Smooth activation functions: what to write, and the mistakes made there."""

from functools import partial
from math import erf, pi, sqrt
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import pre_activations
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.activations import sigmoid, sigmoid_derivative
from dlnotes.networks.rectifiers import relu
from dlnotes.networks.smooth_rectifiers import (
    gelu,
    gelu_derivative,
    silu,
    silu_derivative,
    softplus,
)

TAILS = -1000.0, -40.0, -15.0, -5.0, 5.0, 15.0, 40.0, 1000.0
LARGE = 5  # numbers, more than in the input that is shown for another mistake
C = sqrt(8 / pi)
OVERFLOW = (
    "For large z your result is infinite: an exponential overflows, or a number that "
    "is rounded to 0 stands under a logarithm. The softplus is close to z there. "
    "Split off the positive part of z, and look at what is left."
)
CLIPPED = (
    "You clip z to avoid the overflow. Beyond the limit your function is constant, "
    "which the softplus is nowhere, and its derivative is zero. A stable form needs "
    "no clipping."
)
QUOTIENT = (
    "Where an exponential overflows you divide infinity by infinity, which is not a "
    "number. Use a sigmoid that does not overflow."
)


def _also_far_left(rng: np.random.Generator) -> dict[str, Any]:
    """Draw pre-activations, some large arrays so far left that 1 + exp(z) is 1."""
    case = pre_activations(rng, *TAILS)
    z = case["z"]
    if z.size > LARGE and rng.random() < 1 / 2:
        case["z"] = (-50 + 3 * np.tanh(z)).astype(z.dtype)
    return case


def _plain_softplus(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.log(1 + np.exp(z))


def _overflowing_log1p(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.log1p(np.exp(z))


def _log_sigmoid(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.log(sigmoid(z))


def _divided_softplus(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return z + np.log(1 + 1 / np.exp(z))


def _clipped_softplus(z: Any, *, limit: float, one_plus: bool) -> Any:
    e = np.exp(np.clip(z, -limit, limit))
    return np.log1p(e) if one_plus else np.log(1 + e)


def _overflowing_gate(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.exp(z) / (1 + np.exp(z))


def _u(z: Any) -> Any:
    return C * (z + 0.044715 * z**3)


def _u_derivative(z: Any) -> Any:
    return C * (1 + 3 * 0.044715 * z**2)


def _gated(z: Any, gate: Any, inner: Any) -> Any:
    """Differentiate z times a sigmoid of something with the derivative `inner`."""
    with np.errstate(all="ignore"):
        return gate + z * gate * (1 - gate) * inner


def _gelu_rule(z: Any, inner: Any) -> Any:
    return _gated(z, sigmoid(_u(z)), inner)


def _expanded_silu_derivative(z: Any) -> Any:
    with np.errstate(all="ignore"):
        e = np.exp(-z)
        return (1 + e + z * e) / (1 + e) ** 2


def _exact_gelu_derivative(z: Any) -> Any:
    below = (1 + np.vectorize(erf, otypes=[float])(z / sqrt(2))) / 2
    return below + z * np.exp(-(z**2) / 2) / sqrt(2 * pi)


SOFTPLUS = Exercise(
    name="write-networks-smooth-rectifiers-softplus",
    section="networks.smooth_rectifiers",
    task="Write `softplus(z)`: z is an array of pre-activations of any shape and any "
    "size, -1000 and 1000 included. Return the softplus of each, an array of the same "
    "shape. All digits count, also where the result is tiny, as for z = -50.",
    solution=softplus,
    inputs=_also_far_left,
    mistakes=(
        Mistake(
            _plain_softplus,
            OVERFLOW,
            "Fix for Numeric Overflow of softplus implementation, "
            "https://github.com/rushter/MLAlgorithms/pull/30",
        ),
        Mistake(_overflowing_log1p, OVERFLOW),
        Mistake(
            _divided_softplus,
            "That is right for large z. But far left exp(-z) overflows, and the result "
            "is infinite instead of close to zero. The sign of z must decide which "
            "exponential is taken.",
            "Fix softplus overflow (attempt 2), "
            "https://github.com/rushter/MLAlgorithms/pull/31",
        ),
        Mistake(
            lambda z: relu(z) + np.log(1 + np.exp(-abs(z))),
            "Nothing overflows, but far left the result is 0 instead of a tiny number: "
            "1 + exp(-50) is rounded to 1 before you take its logarithm. NumPy has a "
            "function for the logarithm of 1 + x.",
            "Softplus transforms and softplusnormal overflow or cancel on valid "
            "inputs, https://github.com/sims1253/bayesfam/issues/31",
        ),
        Mistake(
            lambda z: softplus(-z),
            "Your curve falls: the sign in the exponent is turned round. For large z "
            "the softplus is close to z.",
        ),
        Mistake(
            lambda z: np.log1p(np.exp(-abs(z))),
            "That is only the distance from the ReLU, which falls on both sides. The "
            "ReLU itself is missing.",
        ),
        Mistake(
            lambda z: z + np.log1p(np.exp(-abs(z))),
            "You add z itself instead of its positive part. For negative z the result "
            "must be close to zero, and never below it.",
        ),
        Mistake(
            relu,
            "That is the ReLU, with its kink. The softplus is above it everywhere, by "
            "log 2 at zero.",
        ),
        Mistake(
            sigmoid,
            "That is the sigmoid, which is the derivative of the softplus.",
        ),
        Mistake(
            lambda z: softplus(z) / np.log(2),
            "That is the logarithm to the base two. In this book log is the natural "
            "logarithm, so at zero the result is 0.693.",
        ),
        Mistake(
            _log_sigmoid,
            "That is the logarithm of sigma(z), which is never positive. The softplus "
            "of z is minus the logarithm of sigma(-z).",
        ),
        *(
            Mistake(partial(_clipped_softplus, limit=limit, one_plus=one_plus), CLIPPED)
            for limit in (20.0, 100.0, 500.0)
            for one_plus in (False, True)
        ),
    ),
    hint="For positive z, take the factor exp(z) out of 1 + exp(z) before you take the "
    "logarithm.",
)

SILU_DERIVATIVE = Exercise(
    name="write-networks-smooth-rectifiers-silu-derivative",
    section="networks.smooth_rectifiers",
    task="Write `silu_derivative(z)`: z is an array of pre-activations of any shape "
    "and any size, -1000 and 1000 included. Return the derivative of the SiLU, "
    "z sigma(z), at each of them, an array of the same shape.",
    solution=silu_derivative,
    inputs=lambda rng: pre_activations(rng, *TAILS),
    mistakes=(
        Mistake(
            sigmoid,
            "That is the derivative of z times a constant gate. But the gate depends "
            "on z too: the product rule has a second term.",
        ),
        Mistake(
            lambda z: z * sigmoid_derivative(z),
            "The product rule has two terms, and the one with the derivative of z is "
            "missing: the gate itself.",
        ),
        Mistake(
            sigmoid_derivative,
            "That is the derivative of the gate alone, or the product of two "
            "derivatives. The derivative of a product is not the product of the "
            "derivatives.",
        ),
        Mistake(
            lambda z: sigmoid(z) + sigmoid_derivative(z),
            "In the second term of the product rule the factor z is missing.",
        ),
        Mistake(
            lambda z: sigmoid(z) - z * sigmoid_derivative(z),
            "The sign of the second term is turned round: in the product rule both "
            "terms are added.",
        ),
        Mistake(
            lambda z: sigmoid(z) + z * (1 - sigmoid(z)),
            "The derivative of the sigmoid is a product of two factors, and you have "
            "only one of them.",
        ),
        Mistake(
            silu,
            "That is the SiLU itself. At zero its derivative is one half.",
        ),
        Mistake(
            lambda z: _gated(z, _overflowing_gate(z), 1.0),
            QUOTIENT,
        ),
        Mistake(_expanded_silu_derivative, QUOTIENT),
        Mistake(
            lambda z: sigmoid(z) + z * (1 - sigmoid(z) ** 2),
            "1 - s^2 is the rule for the derivative of tanh. For the sigmoid it is "
            "s (1 - s).",
        ),
        Mistake(
            lambda z: silu(z) * (1 - silu(z)),
            "The rule h (1 - h) is that of the sigmoid alone. With its factor z the "
            "function needs the product rule.",
        ),
    ),
    hint="Name s = sigma(z) once, and use the product rule.",
)

GELU_DERIVATIVE = Exercise(
    name="write-networks-smooth-rectifiers-gelu-derivative",
    section="networks.smooth_rectifiers",
    task="Write `gelu_derivative(z)`: z is an array of pre-activations of any shape "
    "and any size, -1000 and 1000 included. The GELU, with the sigmoid in place of "
    "the normal distribution, is z sigma(u) with u = sqrt(8 / pi) (z + 0.044715 z^3). "
    "Return its derivative with respect to z at each, an array of the same shape.",
    solution=gelu_derivative,
    inputs=lambda rng: pre_activations(rng, *TAILS),
    harmless=("clips z",),
    mistakes=(
        Mistake(
            _exact_gelu_derivative,
            "That is the derivative of z times the normal distribution function, which "
            "differs from the fourth digit on. Here the gate is the sigmoid of u.",
        ),
        Mistake(
            lambda z: _gelu_rule(z, 1.0),
            "The inner derivative is missing: the gate is a function of u, and u of z, "
            "so the chain rule multiplies by the derivative of u.",
        ),
        Mistake(
            lambda z: _gelu_rule(z, C),
            "Your derivative of u is that of its first term. The cubic term has one "
            "too.",
        ),
        Mistake(
            lambda z: _gelu_rule(z, C * (1 + 0.044715 * z**2)),
            "The derivative of z^3 is not z^2: its factor got lost.",
        ),
        Mistake(
            lambda z: _gelu_rule(z, _u_derivative(z) / C),
            "In the derivative of u the factor sqrt(8 / pi) is missing.",
        ),
        Mistake(
            lambda z: _gelu_rule(z, C + 3 * 0.044715 * z**2),
            "In the derivative of u the factor sqrt(8 / pi) multiplies the first term "
            "only. It multiplies both.",
        ),
        Mistake(
            lambda z: _gated(z, sigmoid(1.702 * z), 1.702),
            "That is the derivative of z sigma(1.702 z), a coarser approximation. Here "
            "u has a cubic term.",
        ),
        Mistake(
            lambda z: _gated(z, _overflowing_gate(_u(z)), _u_derivative(z)),
            QUOTIENT,
        ),
        Mistake(
            lambda z: sigmoid(_u(z)),
            "That is the gate. It depends on z too: the product rule has a second "
            "term.",
        ),
        Mistake(
            lambda z: z * sigmoid_derivative(_u(z)) * _u_derivative(z),
            "The product rule has two terms, and the one with the derivative of z is "
            "missing: the gate itself.",
        ),
        Mistake(
            lambda z: sigmoid(_u(z)) + sigmoid_derivative(_u(z)) * _u_derivative(z),
            "In the second term of the product rule the factor z is missing.",
        ),
        Mistake(
            lambda z: _gelu_rule(z, -_u_derivative(z)),
            "The sign of the second term is turned round: in the product rule both "
            "terms are added.",
        ),
        Mistake(
            gelu,
            "That is the GELU itself. At zero its derivative is one half.",
        ),
        Mistake(
            silu_derivative,
            "That is the derivative of the SiLU, whose gate is the sigmoid of z, not "
            "of u.",
        ),
        Mistake(
            lambda z: _gated(z, sigmoid(_u(z) / 2), _u_derivative(z) / 2),
            "Your u is half as large as it should be. The factor sqrt(2 / pi) belongs "
            "to the form with tanh; in a sigmoid it is twice that, sqrt(8 / pi).",
        ),
    ),
    hint="Name u and its derivative first; then use the product rule, and the chain "
    "rule for the gate.",
)

EXERCISES = (SOFTPLUS, SILU_DERIVATIVE, GELU_DERIVATIVE)
