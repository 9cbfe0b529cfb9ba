"""Vanishing and exploding gradients: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.networks.activations import sigmoid_derivative
from dlnotes.networks.rectifiers import relu_derivative
from dlnotes.networks.unstable_gradients import (
    gradient_through_depth,
    preactivation_variance,
)


def _activations(rng: np.random.Generator) -> dict[str, Any]:
    """Draw activations, in most draws of a mean that is not zero."""
    H = reals(rng, whole(rng, 1, 5), whole(rng, 1, 9))
    case = {
        "H": H if rng.random() < 1 / 3 else np.abs(H),
        "weight_variance": float(rng.uniform(0.05, 3.0)),
    }
    return either(rng, case)


VARIANCE = Exercise(
    name="write-networks-unstable-gradients-preactivation-variance",
    section="networks.unstable_gradients",
    task="Write `preactivation_variance(H, *, weight_variance)`: H (batch, inputs) are "
    "the activations of a layer, with a mean that need not be zero; the next layer has "
    "no biases, and its weights are drawn independently with mean 0 and this variance. "
    "Return the variance of its pre-activations over the draw of the weights, averaged "
    "over the instances, a number.",
    hint="A pre-activation is a sum of independent terms; what is the variance of one "
    "of them, the activation being given?",
    solution=preactivation_variance,
    inputs=_activations,
    mistakes=(
        Mistake(
            lambda H, weight_variance: H.shape[1] * weight_variance * H.var(),
            "You use the variance of the activations. Their mean does not cancel: each "
            "weight is multiplied by the activation itself, so the mean SQUARE counts. "
            "For rectified or sigmoid units that is much more.",
        ),
        Mistake(
            lambda H, weight_variance: (
                H.shape[1] * weight_variance * H.var(axis=1).mean()
            ),
            "You use the variance over the units of each instance. What they have in "
            "common does not cancel: each weight multiplies it, so the mean SQUARE "
            "counts.",
        ),
        Mistake(
            lambda H, weight_variance: weight_variance * H.var(axis=0).sum(),
            "You use the variance of each unit over the instances. What varies here is "
            "the weights, not the instances: also an activation that is the same in "
            "all of them is multiplied by a random weight.",
        ),
        Mistake(
            lambda H, weight_variance: weight_variance * (H**2).mean(),
            "The number of inputs is missing: independent terms add their variances.",
        ),
        Mistake(
            lambda H, weight_variance: H.shape[1] * weight_variance**2 * (H**2).mean(),
            "You square what is a variance already; a standard deviation would be "
            "squared.",
        ),
        Mistake(
            lambda H, weight_variance: (
                H.shape[1] * np.sqrt(weight_variance) * (H**2).mean()
            ),
            "You take the standard deviation of the weights. A factor multiplies the "
            "variance by its square: only the activation is squared, and the variance "
            "of the weight stays as it is.",
        ),
        Mistake(
            lambda H, weight_variance: len(H) * weight_variance * (H**2).mean(),
            "You multiply by the number of instances. The terms of a pre-activation "
            "run over the units of the layer below.",
        ),
        Mistake(
            lambda H, weight_variance: np.sqrt(
                preactivation_variance(H, weight_variance=weight_variance)
            ),
            "That is the standard deviation; the variance is asked for.",
        ),
        Mistake(
            lambda H, weight_variance: weight_variance * (H**2).sum(),
            "You add over the instances too. Each has pre-activations of its own; take "
            "the mean over them.",
        ),
        Mistake(
            lambda H, weight_variance: H.shape[1] * weight_variance * H.mean() ** 2,
            "You square the mean. It is the mean of the squares that counts, so an "
            "activation and its negative do not cancel.",
        ),
        Mistake(
            lambda H, weight_variance: H.shape[1] * weight_variance * abs(H).mean(),
            "You take the mean of the absolute values. A variance is made of squares.",
        ),
    ),
)


def _stack(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a stack of layers, its pre-activations, and what comes back to it."""
    layers, batch, units = (whole(rng, 1, most) for most in (6, 4, 4))
    Z = reals(rng, layers, batch, units)
    Z = 3 * Z / max(1.0, np.abs(Z).max())
    far = (rng.random(Z.shape) < 0.1) & (rng.random() < 0.5)
    case = {
        "W": reals(rng, layers, units, units),
        "Z": np.where(far, rng.choice([-1e3, 1e3], size=Z.shape), Z),
        "upstream": reals(rng, batch, units),
    }
    return either(rng, case)


def _slope(z: Any) -> Any:
    return 1 - np.tanh(z) ** 2


def _layers(one: Callable[[Any, Any, Any], Any], *, down: bool = True) -> Answer:
    """Answer with another rule for one layer, or with the layers in another order."""

    def wrong(W: Any, Z: Any, upstream: Any) -> Any:
        order = slice(None, None, -1 if down else 1)
        for w, z in zip(W[order], Z[order], strict=True):
            upstream = one(upstream, w, z)
        return upstream

    return wrong


THROUGH_DEPTH = Exercise(
    name="write-networks-unstable-gradients-through-depth",
    section="networks.unstable_gradients",
    task="Write `gradient_through_depth(W, Z, upstream)` for a stack of tanh layers of "
    "equal width: W (layers, units, units) are the weights, each (inputs, outputs); Z "
    "(layers, batch, units) the pre-activations of each layer, the first layer first; "
    "`upstream` (batch, units) the gradient of the loss with respect to the OUTPUT of "
    "the last layer. Return its gradient with respect to the input of the stack "
    "(batch, units).",
    hint="Undo the layers in the reverse order, and within each the operations in "
    "reverse order.",
    solution=gradient_through_depth,
    inputs=_stack,
    harmless=("is right only where axes 1 and 2 of W are equally long",),
    mistakes=(
        Mistake(
            _layers(lambda g, w, z: (g * _slope(z)) @ w),
            "You multiply by the weights themselves; backwards the matrix is "
            "transposed. With equal widths the shapes do not warn you.",
        ),
        Mistake(
            _layers(lambda g, w, z: (g * _slope(z)) @ w.T, down=False),
            "You go through the layers from the bottom. The gradient comes from the "
            "top.",
        ),
        Mistake(
            _layers(lambda g, w, z: (g @ w.T) * _slope(z)),
            "You pass the weights first and then the slope of the same layer. On the "
            "way back the activation comes first, then the weights.",
        ),
        Mistake(
            _layers(lambda g, w, _: g @ w.T),
            "The slopes of the activations are missing: this is the gradient of a "
            "linear stack, and hides why it vanishes.",
        ),
        Mistake(
            _layers(lambda g, w, z: (g * (1 - z**2)) @ w.T),
            "In the slope you square the pre-activation; 1 - h^2 holds for the OUTPUT "
            "h = tanh(z).",
        ),
        Mistake(
            _layers(lambda g, w, z: (g * _slope(np.tanh(z))) @ w.T),
            "The slope is taken at the output, not at the pre-activation: tanh is "
            "applied twice.",
            "Are the TF derivatives correctly implemented?, "
            "https://github.com/davidrmiller/neural2d/issues/40",
        ),
        Mistake(
            _layers(lambda g, w, z: (g * (1 - np.tanh(z))) @ w.T),
            "The square is missing in the slope, which is 1 - tanh(z)^2.",
        ),
        Mistake(
            _layers(lambda g, w, z: (g * sigmoid_derivative(z)) @ w.T),
            "That is the slope of the sigmoid, at most 1/4; the units are tanh.",
        ),
        Mistake(
            _layers(lambda g, w, z: (g * relu_derivative(z)) @ w.T),
            "That is the slope of ReLU, 0 or 1; the units are tanh.",
        ),
        Mistake(
            lambda W, Z, upstream: gradient_through_depth(
                W[:-1], Z[:-1], upstream @ W[-1].T
            ),
            "The slope of the last layer is missing: you take `upstream` for its "
            "delta, the gradient of its pre-activations. It is that of its OUTPUT, and "
            "still has to pass the activation function.",
        ),
        Mistake(
            lambda W, Z, upstream: (
                gradient_through_depth(W[1:], Z[1:], upstream) @ W[0].T
            ),
            "The slope of the first layer is missing. It has an activation function "
            "like the others.",
        ),
        Mistake(
            lambda W, Z, upstream: gradient_through_depth(
                W, np.roll(Z, 1, axis=0), upstream
            ),
            "The slopes are those of the layer below: Z and W are out of step by one "
            "layer.",
        ),
        Mistake(
            lambda W, Z, upstream: gradient_through_depth(
                W, np.roll(Z, -1, axis=0), upstream
            ),
            "The slopes are those of the layer above: Z and W are out of step by one "
            "layer.",
        ),
        Mistake(
            lambda W, Z, upstream: gradient_through_depth(W, Z[::-1], upstream),
            "The slopes are taken from the first layer on, and the weights from the "
            "last one. Both belong to the same layer.",
        ),
        Mistake(
            lambda W, Z, upstream: gradient_through_depth(W[1:], Z[1:], upstream),
            "You stop before the first layer. The gradient with respect to the INPUT "
            "of the stack has passed through all of them.",
        ),
    ),
)

EXERCISES = (VARIANCE, THROUGH_DEPTH)
