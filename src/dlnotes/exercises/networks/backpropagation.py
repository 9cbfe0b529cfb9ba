"""Backpropagation: what to write, and the mistakes made there."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape, single, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.networks.activations import (
    sigmoid,
    sigmoid_derivative,
    tanh,
    tanh_derivative,
)
from dlnotes.networks.backpropagation import (
    backprop_step,
    net_input_backward,
    numerical_gradient,
)
from dlnotes.neurons.perceptron import Perceptron


def _layer(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a layer, a batch, and what comes back to its pre-activations."""
    batch, inputs, units = (whole(rng, 1, 5) for _ in range(3))
    model = Perceptron(W=reals(rng, inputs, units), b=reals(rng, units))
    X, upstream = reals(rng, batch, inputs), reals(rng, batch, units)
    return either(rng, {"model": model, "X": X, "upstream": upstream})


def _back(
    W: Answer = lambda X, delta: X.T @ delta,
    b: Answer = lambda delta: delta.sum(axis=0),
    X: Answer = lambda W, delta: delta @ W.T,
) -> Answer:
    """Answer with another rule for one of the three gradients."""

    def wrong(model: Any, inputs: Any, upstream: Any) -> Any:
        gradient = Perceptron(W(inputs, upstream), b(upstream))
        return gradient, X(model.W, upstream)

    return wrong


def _times_weights(model: Any, X: Any, upstream: Any) -> Any:
    gradient, back = net_input_backward(model, X, upstream)
    return Perceptron(model.W * gradient.W, gradient.b), back


def _times_inputs(model: Any, X: Any, upstream: Any) -> Any:
    gradient, back = net_input_backward(model, X, upstream)
    return gradient, X * back


def _through_relu(model: Any, X: Any, upstream: Any) -> Any:
    return net_input_backward(model, X, upstream * (X @ model.W + model.b > 0))


LAYER = Exercise(
    name="write-networks-backpropagation-net-input-backward",
    section="networks.backpropagation",
    task="Write `net_input_backward(model, X, upstream)`: `model` has weights `W` "
    "(inputs, units) and biases `b` (units,), `X` is (batch, inputs), and `upstream` "
    "(batch, units) the gradient of a number J with respect to the pre-activations "
    "`X @ W + b`. Return two things: the gradients with respect to `W` and `b` in a "
    "`Perceptron(W=..., b=...)`, and the gradient with respect to `X`.",
    hint="Each gradient has the shape of what it belongs to. Which sum over which axis "
    "gives it?",
    solution=net_input_backward,
    inputs=_layer,
    harmless=("leaves out model.b", "clips model.b", "moves model.b a little"),
    mistakes=(
        Mistake(
            _back(
                W=lambda X, delta: X.T @ delta / len(X),
                b=lambda delta: delta.mean(axis=0),
            ),
            "You take the mean over the instances for weights and biases. If J is a "
            "mean, that is in `upstream` already; here the contributions are summed.",
        ),
        Mistake(
            _through_relu,
            "You send `upstream` through a ReLU first. It is the gradient of the "
            "pre-activations: an activation function is behind them.",
        ),
        Mistake(
            _back(W=lambda X, delta: X.T @ delta / len(X)),
            "You take the mean over the instances for the weights. If J is a mean, "
            "that is in `upstream` already; here the contributions are summed.",
        ),
        Mistake(
            _back(b=lambda delta: delta.mean(axis=0)),
            "You take the mean over the instances for the biases. If J is a mean, "
            "that is in `upstream` already; here the contributions are summed.",
            "Issue on page /2-training-neural-networks/backpropagation.html, "
            "https://github.com/kvfrans/notes/issues/5",
        ),
        Mistake(
            _back(b=lambda delta: np.full_like(delta[0], delta.sum())),
            "You sum over the units too, so all biases get the same gradient. Sum over "
            "the instances only.",
            "Small error in bias-computation in "
            "L08/code/softmax-regression_scratch.ipynb, "
            "https://github.com/rasbt/stat453-deep-learning-ss21/issues/5",
        ),
        Mistake(
            _back(b=lambda delta: delta),
            "Every instance has its own gradient of the biases in your result. All "
            "instances use the same biases: add over the batch.",
        ),
        Mistake(
            _back(b=lambda delta: 0 * delta[0]),
            "The biases get no gradient. A bias is a weight whose input is always 1.",
        ),
        Mistake(
            _back(W=lambda X, delta: np.outer(X.sum(axis=0), delta.sum(axis=0))),
            "You multiply sums over the batch. An input meets the gradient of its own "
            "instance only: multiply first, then add.",
        ),
        Mistake(
            _back(W=lambda X, delta: (X.T @ delta).T),
            "The gradient of the weights is transposed. It has the shape of W: inputs "
            "in rows, units in columns.",
        ),
        Mistake(
            _back(W=lambda X, delta: -X.T @ delta),
            "The sign of the gradient of the weights is turned round. A step goes "
            "against the gradient, but the gradient itself has no minus.",
        ),
        Mistake(
            _times_weights,
            "You multiply by the weights themselves. The derivative of w times x with "
            "respect to w is x.",
        ),
        Mistake(
            _times_inputs,
            "You multiply by the inputs themselves. The derivative of w times x with "
            "respect to x is w.",
        ),
        Mistake(
            _back(X=lambda W, delta: delta @ np.sign(W).T),
            "You send only the signs of the weights back. What comes back is "
            "multiplied by each weight.",
        ),
        Mistake(
            _back(
                X=lambda W, delta: np.tile((delta @ W.T).sum(axis=0), (len(delta), 1))
            ),
            "You add over the batch for the inputs too. Each instance has inputs of "
            "its own, and only weights and biases are shared.",
        ),
        Mistake(
            _back(X=lambda W, delta: delta @ np.ones_like(W).T),
            "The weights are missing in what goes back to the inputs: the gradient of "
            "each unit comes back through its weight.",
        ),
        Mistake(
            _back(X=lambda W, delta: delta @ np.linalg.pinv(W)),
            "You divide by the weights, as if the layer had to be undone. A gradient "
            "goes back through the transpose, not through the inverse.",
        ),
    ),
)


class _Cost:
    """A cost with a name, so that a message about it stays short."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, ...]) -> None:
        self.A = rng.normal(size=size)

    def __call__(self, theta: Any) -> float:
        """Return a number that depends on each parameter in a way of its own."""
        return float(np.sum(self.A * theta**3) + np.prod(np.cos(theta)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Cost) and np.array_equal(self.A, other.A)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "a smooth function"


def _function(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a function, where to differentiate it, and a step that can be seen."""
    size = shape(rng)
    theta = reals(rng, *size)
    case = {"f": _Cost(rng, size), "theta": theta, "h": float(rng.uniform(0.05, 0.2))}
    large = (
        np.abs(theta).max(initial=0) > 10
    )  # in single precision a step is lost there
    return case if large or rng.random() < 0.8 else single(case)


def _differences(quotient: Answer) -> Answer:
    """Answer with another quotient for each parameter."""

    def wrong(f: Any, theta: Any, h: float) -> Any:
        units = np.eye(theta.size).reshape(-1, *theta.shape)
        return np.array([quotient(f, theta, h, e) for e in units]).reshape(theta.shape)

    return wrong


def _all_at_once(f: Any, theta: Any, h: float) -> Any:
    return np.full(theta.shape, (f(theta + h) - f(theta - h)) / (2 * h))


def _never_restored(f: Any, theta: Any, h: float) -> Any:
    slopes, shape = [], theta.shape
    for e in np.eye(theta.size).reshape(-1, *shape):
        theta = theta + h * e
        up = f(theta)
        theta = theta - 2 * h * e
        slopes.append((up - f(theta)) / (2 * h))
    return np.array(slopes).reshape(shape)


NUMERICAL = Exercise(
    name="write-networks-backpropagation-numerical-gradient",
    section="networks.backpropagation",
    task="Write `numerical_gradient(f, theta, *, h)`: `f` takes an array of the shape "
    "of `theta` and returns a number; `theta` is an array of any shape, and `h` > 0 a "
    "step. Return the gradient of `f` at `theta` by central differences with this "
    "step, an array of the shape of `theta`, which itself stays unchanged.",
    hint="Two evaluations of `f` for each single parameter.",
    solution=numerical_gradient,
    inputs=_function,
    mistakes=(
        Mistake(
            _differences(lambda f, t, h, e: (f(t + h * e) - f(t)) / h),
            "That is the forward difference: its error falls only with h, that of the "
            "central one with h squared. Go the same way back, too.",
            "Numerical Gradient Improvement, "
            "https://github.com/apache/mxnet/issues/3693",
        ),
        Mistake(
            _differences(lambda f, t, h, e: (f(t) - f(t - h * e)) / h),
            "That is the backward difference: its error falls only with h, that of the "
            "central one with h squared. Go the same way forward, too.",
        ),
        Mistake(
            _differences(lambda f, t, h, e: (f(t + h * e) - f(t - h * e)) / h),
            "Twice too large: between the two points lie two steps.",
        ),
        Mistake(
            _all_at_once,
            "You move all parameters at once, so every entry is the slope along the "
            "diagonal. Move one and hold the others.",
        ),
        Mistake(
            _never_restored,
            "A parameter is not put back before the next one is moved, so later slopes "
            "are taken at another place.",
        ),
        Mistake(
            lambda f, theta, h: numerical_gradient(f, theta, h=h).ravel(),
            "The values are right, but the gradient has lost the shape of theta.",
        ),
        Mistake(
            _differences(lambda f, t, h, e: (f(t + h * e) - f(t - h * e)) / 2 * h),
            "You divide by 2 and MULTIPLY by h: the denominator needs its brackets.",
        ),
        Mistake(
            _differences(lambda f, t, h, e: (f(t - h * e) - f(t + h * e)) / (2 * h)),
            "The sign is turned round: the value after the step forward comes first.",
        ),
        Mistake(
            _differences(lambda f, t, h, e: f(t + h * e) - f(t - h * e)),
            "That is a difference. A slope is a difference divided by the distance "
            "between the two points.",
        ),
    ),
)

ACTIVATIONS = ((sigmoid, sigmoid_derivative), (tanh, tanh_derivative))


def _training(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a network of one to three layers and a batch with its targets."""
    depth = 3 - whole(rng, 0, 2)
    batch, *sizes = (whole(rng, 1, 4) for _ in range(depth + 2))
    layers = tuple(
        Perceptron(W=reals(rng, inputs, units), b=reals(rng, units))
        for inputs, units in pairwise(sizes)
    )
    X = reals(rng, batch, sizes[0])
    Y = rng.choice([1.0, 1.0, 1e6]) * reals(rng, batch, sizes[-1])
    activation, derivative = ACTIVATIONS[whole(rng, 0, 1)]
    case = {
        "layers": layers,
        "X": X,
        "Y": Y,
        "learning_rate": float(rng.uniform(0.5, 1.0)),
        "activation": activation,
        "activation_derivative": derivative,
    }
    return either(rng, case)


def _step(  # noqa: PLR0913  # what can go wrong
    *,
    scale: Callable[[Any], float] = lambda Y: 1 / len(Y),
    error: Callable[[Any, Any], Any] = lambda Y_hat, Y: 2 * (Y_hat - Y),
    bias: Callable[[Any], Any] = lambda delta: delta.sum(axis=0),
    at: Callable[[Any, Any], Any] = lambda z, _: z,
    slope: bool = True,
    last_slope: bool = False,
    early: bool = False,
    trained: slice = slice(None),
    sign: float = 1.0,
) -> Answer:
    """Answer with a step in which one thing is done in another way."""

    def wrong(
        layers: Any,
        X: Any,
        Y: Any,
        learning_rate: float,
        activation: Any,
        activation_derivative: Any,
    ) -> Any:
        H, Z = [X], []
        for layer in layers:
            Z.append(H[-1] @ layer.W + layer.b)
            H.append(activation(Z[-1]))
        delta = error(Z[-1], Y) * scale(Y)
        if last_slope:
            delta = delta * activation_derivative(Z[-1])
        new = [*layers]
        for k in reversed(range(len(layers))):
            new[k] = Perceptron(
                layers[k].W - sign * learning_rate * H[k].T @ delta,
                layers[k].b - sign * learning_rate * bias(delta),
            )
            delta = delta @ (new if early else layers)[k].W.T
            if k > 0 and slope:
                delta = delta * activation_derivative(at(Z[k - 1], H[k]))
        kept = [*layers]
        kept[trained] = new[trained]
        return tuple(kept)

    return wrong


STEP = Exercise(
    name="write-networks-backpropagation-step",
    section="networks.backpropagation",
    task="Write `backprop_step(layers, X, Y, *, learning_rate, activation, "
    "activation_derivative)`: `layers` is a tuple of one layer or more, each with "
    "weights `W` (inputs, units) and biases `b` (units,); X is (batch, inputs) and Y "
    "(batch, outputs). Hidden layers have the activation function, and its derivative "
    "takes pre-activations; the outputs are linear. The cost is the mean over the "
    "instances of the squared distance between output and target. Return the layers "
    "after one step of gradient descent, a tuple of `Perceptron(W=..., b=...)`.",
    hint="Forward, keeping what each layer reads and its pre-activations; one delta "
    "for each layer, from the back; then all updates.",
    solution=backprop_step,
    inputs=_training,
    mistakes=(
        Mistake(
            _step(early=True),
            "You send the error back through weights that you have changed already. "
            "All gradients belong to the same, old parameters: compute them all, then "
            "update.",
            "Update the weights in backpropagation after calculating the "
            "hidden_deltas? (neuronal_networks.py), "
            "https://github.com/joelgrus/data-science-from-scratch/issues/31",
        ),
        Mistake(
            _step(scale=lambda _: 1.0),
            "The gradient is summed over the instances where the cost is their mean: "
            "the step grows with the size of the batch.",
            "Our manual backprop weight average is missing, "
            "https://github.com/hunkim/DeepLearningZeroToAll/issues/173",
        ),
        Mistake(
            _step(scale=lambda Y: 1 / Y.size),
            "You take the mean over the outputs too. The cost adds the squared errors "
            "of the outputs of an instance, and takes the mean over instances only.",
        ),
        Mistake(
            _step(scale=lambda Y: 0.5 / len(Y)),
            "The factor 2 is missing: the derivative of a square is twice its root. It "
            "cancels only where the cost is half the squared distance.",
        ),
        Mistake(
            _step(bias=lambda delta: delta.mean(axis=0)),
            "Your bias gradients are divided by the number of instances twice: the "
            "mean is already in the deltas, so they are summed.",
            "Issue on page /2-training-neural-networks/backpropagation.html, "
            "https://github.com/kvfrans/notes/issues/5",
        ),
        Mistake(
            _step(bias=lambda delta: delta.sum()),
            "All biases of a layer get the same step: you sum over the units as well. "
            "Sum over the instances only.",
            "Small error in bias-computation in "
            "L08/code/softmax-regression_scratch.ipynb, "
            "https://github.com/rasbt/stat453-deep-learning-ss21/issues/5",
        ),
        Mistake(
            _step(bias=lambda delta: 0 * delta.sum(axis=0)),
            "The biases do not learn. Each has a gradient too: the sum of the deltas "
            "of its unit.",
        ),
        Mistake(
            _step(at=lambda _, h: h),
            "The hidden slope is taken at the wrong place: you give activations to a "
            "derivative that takes pre-activations.",
            "Improvements, comments and harmonization of the code, "
            "https://github.com/liashchynskyi/skynet/pull/1",
        ),
        Mistake(
            _step(slope=False),
            "The slope of the hidden units is missing: what comes back to an "
            "activation reaches the pre-activation only multiplied by it.",
            "Fixed formally wrong backpropagation/gradient descent, "
            "https://github.com/Bot-Academy/NeuralNetworkFromScratch/pull/3",
        ),
        Mistake(
            _step(last_slope=True),
            "You multiply the error of the outputs by the slope of the activation "
            "function. The outputs are linear: they have none.",
        ),
        Mistake(
            _step(sign=-1.0),
            "You go along the gradient, and the cost rises. A step goes against it.",
        ),
        Mistake(
            _step(error=lambda Y_hat, Y: np.abs(Y_hat - Y)),
            "Your errors have lost their signs. An output that is too high must come "
            "down, and one that is too low must rise.",
        ),
        Mistake(
            _step(trained=slice(-1, None)),
            "Only the last layer learns. The error goes on to the layers before it.",
        ),
        Mistake(
            _step(trained=slice(0, -1)),
            "The last layer does not learn.",
        ),
    ),
)


EXERCISES: tuple[Exercise, ...] = (LAYER, NUMERICAL, STEP)
