"""Maxout: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, single, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.networks.maxout import maxout, maxout_backward, maxout_winners


def _layer(rng: np.random.Generator) -> dict[str, Any]:
    """Draw inputs and a layer, often with as many pieces as units."""
    batch, inputs, units = whole(rng, 1, 4), whole(rng, 1, 4), whole(rng, 1, 4)
    pieces = units if rng.random() < 0.4 else whole(rng, 1, 4)
    X, W = reals(rng, batch, inputs), reals(rng, inputs, units, pieces)
    Z = np.abs(np.tensordot(X, W, axes=1)).max() or 1.0
    b = Z * rng.normal(size=(units, pieces)) * (rng.random((units, pieces)) > 0.1)
    b -= rng.choice([0.0, 1e7], p=[0.9, 0.1])
    return either(rng, {"X": X, "W": W, "b": b})


def _with_ties(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a layer, and the gradient at its output.

    In some draws the numbers are few, so that pieces tie, or tie but for a billionth.
    """
    case = _layer(rng)
    if rng.random() < 0.6:
        case = {
            name: rng.integers(-2, 3, value.shape) * rng.choice([1.0, 16.0, 2.0**-20])
            for name, value in case.items()
        }
        if rng.random() < 0.3:
            unit = np.abs(case["b"]).max() or 1.0
            case["b"] += 2.0**-30 * unit * rng.integers(2, size=case["b"].shape)
    X, b = case["X"], case["b"]
    upstream = reals(rng, len(X), len(b)).astype(X.dtype)
    case = {**case, "upstream": upstream}
    return single(case) if X.dtype == np.float32 else case


def _reduced(reduce: Callable[[Any, Any], Any]) -> Answer:
    """Bring products of inputs and weights, and the biases, together somehow."""
    return lambda X, W, b: reduce(np.tensordot(X, W, axes=1), b)


def _farthest(Z: Any) -> Any:
    """Pick the piece that is farthest from zero."""
    place = np.argmax(np.abs(Z), axis=-1, keepdims=True)
    return np.take_along_axis(Z, place, axis=-1)[..., 0]


def _in_turn(X: Any, W: Any, b: Any) -> Any:
    """Read the second axis of W as pieces."""
    inputs, units, pieces = W.shape
    turned = W.reshape(inputs, pieces, units).swapaxes(1, 2)
    return maxout(X, turned, b)


MAXOUT = Exercise(
    name="write-networks-maxout-maxout",
    section="networks.maxout",
    task="Write `maxout(X, W, b)`: X (instances, inputs), W (inputs, units, pieces), b "
    "(units, pieces). Return the outputs (instances, units) of a maxout layer; the "
    "number of pieces may happen to equal that of the units.",
    solution=maxout,
    inputs=_layer,
    mistakes=(
        Mistake(
            _reduced(lambda Z, b: (Z + b).max(axis=1)),
            "You take the maximum over the units, so they compete, and you get one "
            "number for each piece. A unit takes the maximum of its own pieces.",
            "Change the order of indices of Maxout's weight tensor, "
            "https://github.com/chainer/chainer/issues/849",
        ),
        Mistake(
            _reduced(lambda Z, b: np.maximum(Z + b, 0).max(axis=2)),
            "You rectify as well. Maxout needs no other activation function: the "
            "maximum of its pieces may be negative.",
        ),
        Mistake(
            _reduced(lambda Z, b: Z.max(axis=2) + b.max(axis=1)),
            "You choose the largest product and the largest bias separately. Each "
            "piece has its own bias: add first, then take the maximum.",
        ),
        Mistake(
            lambda X, W, b: X @ W.max(axis=2) + b.max(axis=1),
            "You take the largest weights and the largest bias first. Which piece is "
            "largest depends on the instance: compute all pieces, then compare them.",
        ),
        Mistake(
            _reduced(lambda Z, b: (Z + b).mean(axis=2)),
            "The mean of linear pieces is linear again; the non-linearity is the "
            "maximum.",
        ),
        Mistake(
            _reduced(lambda Z, b: (Z + b).sum(axis=2)),
            "You add the pieces up. The sum of linear pieces is linear again; return "
            "the largest.",
        ),
        Mistake(
            _reduced(lambda Z, b: np.abs(Z + b).max(axis=2)),
            "You take the largest size regardless of sign. It is the largest value "
            "that counts.",
        ),
        Mistake(
            _reduced(lambda Z, b: _farthest(Z + b)),
            "You return the piece farthest from zero. Of -3 and 1 the larger is 1.",
        ),
        Mistake(
            _reduced(lambda Z, b: (Z + b.T).max(axis=2)),
            "The biases are transposed: they are given as (units, pieces), and with "
            "equal numbers no shape complains.",
        ),
        Mistake(
            _in_turn,
            "You read W as if pieces came before units. Its axes are inputs, units, "
            "pieces.",
        ),
        Mistake(
            _reduced(lambda Z, _: Z.max(axis=2)),
            "You leave the biases out.",
        ),
        Mistake(
            _reduced(lambda Z, b: (Z + b).min(axis=2)),
            "You return the smallest piece. Asked is the largest.",
        ),
        Mistake(
            _reduced(lambda Z, b: Z + b),
            "You return all the pieces. A unit returns one number, the largest.",
        ),
        Mistake(
            _reduced(lambda Z, b: (Z + b).max()),
            "You take one maximum of everything. Each unit has one for each instance.",
        ),
        Mistake(
            _reduced(lambda Z, b: (Z + b).max(axis=0)),
            "You take the maximum over the instances, so they compete. Each instance "
            "is computed by itself.",
        ),
        Mistake(
            maxout_winners,
            "You return which piece is the largest. Asked is its value.",
        ),
    ),
    hint="First compute the pre-activation of every piece, with its bias.",
)


def _shared(share: Callable[[Any], Any]) -> Answer:
    """Divide the gradient of each unit among its pieces in some shares."""

    def answer(X: Any, W: Any, b: Any, upstream: Any) -> Any:
        Z = np.tensordot(X, W, axes=1) + b
        return _onward(X, W, share(Z) * upstream[..., None])

    return answer


def _onward(X: Any, W: Any, delta: Any) -> Any:
    """Carry the gradients at the pieces back to inputs, weights and biases."""
    d_X = np.tensordot(delta, W, axes=((1, 2), (1, 2)))
    return d_X, np.tensordot(X, delta, axes=((0,), (0,))), delta.sum(axis=0)


def _ties(Z: Any) -> Any:
    largest = Z.max(axis=-1, keepdims=True)
    return (largest == Z).astype(Z.dtype)


def _first(Z: Any) -> Any:
    """Take the first one of the largest."""
    first = np.argmax(Z, axis=-1)[..., None]
    return (first == np.arange(Z.shape[-1])).astype(Z.dtype)


def _last(Z: Any) -> Any:
    """Take the last one of the largest."""
    return _first(Z[..., ::-1])[..., ::-1]


def _unbiased(X: Any, W: Any, b: Any, upstream: Any) -> Any:
    """Let the pieces compete without their biases."""
    return maxout_backward(X, W, 0 * b, upstream)


def _changed(change: Callable[[Any, int], Any]) -> Answer:
    """Change the gradients that are right, given the number of instances."""
    return lambda X, W, b, upstream: change(maxout_backward(X, W, b, upstream), len(X))


def _every_bias(X: Any, W: Any, b: Any, upstream: Any) -> Any:
    """Send the gradient to the biases of losers as well."""
    d_X, d_W, _ = maxout_backward(X, W, b, upstream)
    return d_X, d_W, 0 * b + upstream.sum(axis=0)[:, None]


MAXOUT_BACKWARD = Exercise(
    name="write-networks-maxout-maxout-backward",
    section="networks.maxout",
    task="Write `maxout_backward(X, W, b, upstream)` for a maxout layer: X (instances, "
    "inputs), W (inputs, units, pieces), b (units, pieces), and `upstream` (instances, "
    "units), the gradient of the loss with respect to its outputs. If several pieces "
    "of a unit are largest, the first one is the winner. Return the gradients with "
    "respect to X, W and b, in this order.",
    solution=maxout_backward,
    inputs=_with_ties,
    mistakes=(
        Mistake(
            _shared(_ties),
            "Every piece that equals the maximum gets the whole gradient, so ties "
            "multiply it. One piece is the winner.",
        ),
        Mistake(
            _shared(lambda Z: _ties(Z) / _ties(Z).sum(axis=-1, keepdims=True)),
            "You share the gradient among equal pieces. That is a valid subgradient, "
            "but here the first of them gets all of it.",
        ),
        Mistake(
            _shared(_last),
            "Among equal pieces you take the last. It is the first that counts.",
        ),
        Mistake(
            _shared(lambda Z: _first(np.isclose(Z, Z.max(axis=-1, keepdims=True)))),
            "You call pieces equal that nearly are. The larger one is the winner, by "
            "however little.",
        ),
        Mistake(
            _shared(np.ones_like),
            "Every piece of a unit gets its gradient. Only the winner made the output.",
        ),
        Mistake(
            _shared(lambda Z: np.full_like(Z, 1 / Z.shape[-1])),
            "You spread the gradient evenly over the pieces, as for a mean. Only the "
            "winner made the output.",
        ),
        Mistake(
            _shared(lambda Z: _first(Z) * (Z > 0)),
            "You let no gradient through where the output is negative, as a ReLU does. "
            "The maximum of the pieces has the derivative 1 at any value.",
        ),
        Mistake(
            _shared(lambda Z: _first(-Z)),
            "You send the gradient to the smallest piece. The largest made the output.",
        ),
        Mistake(
            _shared(lambda Z: _first(np.abs(Z))),
            "You send the gradient to the piece farthest from zero. The largest value "
            "made the output.",
        ),
        Mistake(
            _shared(lambda Z: Z * _first(Z)),
            "You multiply the gradient by the output. If the winner rises by 0.1, so "
            "does the output: the derivative is 1.",
        ),
        Mistake(
            _unbiased,
            "You let the pieces compete without their biases.",
        ),
        Mistake(
            lambda X, W, b, upstream: maxout_backward(X, W, b, np.ones_like(upstream)),
            "You leave `upstream` out. Multiply by the gradient that arrives at the "
            "output.",
        ),
        Mistake(
            _changed(lambda d, n: (d[0], d[1] / n, d[2] / n)),
            "You divide by the batch size. If the loss is a mean, that division is in "
            "the upstream gradient already.",
        ),
        Mistake(
            _changed(lambda d, _: (d[1], d[2], d[0])),
            "The order is another: asked are the gradients of X, of W and of b.",
        ),
        Mistake(
            _changed(lambda d, _: d[1:]),
            "You leave out the gradient with respect to X, which the layer before "
            "needs.",
        ),
        Mistake(
            _every_bias,
            "The biases of all pieces of a unit get its gradient. Only those of "
            "winners do.",
        ),
    ),
    hint="Find the winner of each unit for each instance, put `upstream` there, and go "
    "on as behind a fully connected layer.",
)

EXERCISES = (MAXOUT, MAXOUT_BACKWARD)
