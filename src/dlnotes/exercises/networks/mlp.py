"""The multilayer perceptron: what to write, and the mistakes made there."""

from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.losses import softmax
from dlnotes.networks.mlp import mlp_forward, parameter_count
from dlnotes.neurons.perceptron import Perceptron


def draw_network(rng: np.random.Generator) -> dict[str, Any]:
    """Draw one to three layers and a batch, at any scale.

    Parameters
    ----------
    rng
        The random generator.
    """
    depth = 3 - whole(rng, 0, 2)
    batch, *sizes = (whole(rng, 1, 4) for _ in range(depth + 2))
    scale = rng.choice([1.0, 1.0, 1e-9, 1e6])  # of all units, through ReLU
    layers = tuple(
        Perceptron(W=reals(rng, *each), b=scale * reals(rng, each[1]))
        for each in pairwise(sizes)
    )
    return either(rng, {"layers": layers, "X": scale * reals(rng, batch, sizes[0])})


Stage = Callable[[Any, Any], Any]


def _rectified(layer: Any, H: Any) -> Any:
    return np.maximum(_affine(layer, H), 0)


def _affine(layer: Any, H: Any) -> Any:
    return H @ layer.W + layer.b


def _network(hidden: Stage = _rectified, last: Stage = _affine) -> Stage:
    """Answer with other hidden layers, or another last one."""

    def wrong(layers: Any, X: Any) -> Any:
        return last(layers[-1], reduce(lambda H, each: hidden(each, H), layers[:-1], X))

    return wrong


FORWARD = Exercise(
    name="write-networks-mlp-forward",
    section="networks.mlp",
    task="Write `mlp_forward(layers, X)`: `layers` is a tuple of one layer or more, "
    "each with weights `W` (inputs, units) and biases `b` (units,), and `X` is "
    "(batch, inputs). Return the outputs (batch, outputs) of a multilayer perceptron "
    "with rectified hidden units (ReLU) and linear outputs.",
    hint="What comes out of one layer goes into the next. What is different about the "
    "last one?",
    solution=mlp_forward,
    inputs=draw_network,
    mistakes=(
        Mistake(
            _network(last=_rectified),
            "You rectify the output too. A linear output may be negative; a rectified "
            "one has no gradient there.",
            "Do not use ReLU activation for the final regression layer, "
            "https://github.com/ProteomicsML/ProteomicsML/pull/203",
        ),
        Mistake(
            _network(hidden=_affine),
            "The hidden layers have no activation, so all layers collapse into a "
            "single linear one.",
        ),
        Mistake(
            _network(
                lambda layer, H: np.maximum(H @ layer.W, 0),
                lambda layer, H: H @ layer.W,
            ),
            "The biases are missing: every hidden unit turns at the origin.",
        ),
        Mistake(
            _network(last=lambda layer, H: H @ layer.W),
            "The biases of the last layer are missing.",
        ),
        Mistake(
            _network(lambda layer, H: np.maximum(H @ layer.W, 0) + layer.b),
            "You add the biases of hidden units after the activation. A bias shifts "
            "the pre-activation, that is, where the unit starts to respond.",
        ),
        Mistake(
            _network(
                lambda layer, H: _affine(layer, np.maximum(H, 0)),
                lambda layer, H: _affine(layer, np.maximum(H, 0)),
            ),
            "You rectify what a layer reads instead of its pre-activations, so the "
            "inputs lose their negative numbers.",
        ),
        Mistake(
            _network(lambda layer, H: np.where(_affine(layer, H) >= 0, 1.0, 0.0)),
            "Your hidden units are threshold units, as in the classical definition. "
            "They have no gradient; here they are rectified.",
        ),
        Mistake(
            _network(lambda layer, H: 1 / (1 + np.exp(-_affine(layer, H)))),
            "Your hidden units are sigmoids. Here they are rectified.",
        ),
        Mistake(
            _network(lambda layer, H: np.tanh(_affine(layer, H))),
            "Your hidden units apply tanh. Here they are rectified.",
        ),
        Mistake(
            _network(lambda layer, H: np.abs(_affine(layer, H))),
            "You take the absolute value of the pre-activations. A rectified unit "
            "replaces negative ones by zero.",
        ),
        Mistake(
            lambda layers, X: softmax(mlp_forward(layers, X)),
            "You apply a softmax to the outputs. They are linear here: what turns them "
            "into probabilities is part of the loss.",
        ),
        Mistake(
            lambda layers, X: mlp_forward((layers[0], layers[-1]), X),
            "You apply the first and the last layer only. There may be more in "
            "between.",
        ),
        Mistake(
            lambda layers, X: mlp_forward(layers[:1], X),
            "You return the pre-activations of the first layer. If you have a loop, "
            "the return belongs behind it.",
        ),
        Mistake(
            lambda layers, X: mlp_forward(layers, X[:1]),
            "You return the outputs of the first instance only.",
        ),
    ),
)

PARAMETERS = Exercise(
    name="write-networks-mlp-parameter-count",
    section="networks.mlp",
    task="Write `parameter_count(sizes)`: `sizes` is a tuple of whole numbers, the "
    "inputs, the units of each hidden layer and the outputs of a fully connected "
    "network. Return how many parameters it has in all, a whole number.",
    hint="Draw two layers and count the lines, then the units at which they end.",
    solution=parameter_count,
    inputs=lambda rng: {
        "sizes": tuple(rng.integers(1, 30, size=whole(rng, 2, 5)).tolist())
    },
    mistakes=(
        Mistake(
            lambda sizes: sum(n * m for n, m in pairwise(sizes)),
            "The biases are missing: every unit that is not an input has one.",
            "Neural network parameter count, "
            "https://www.statistical.dog/concepts/nn-parameter-count",
        ),
        Mistake(
            lambda sizes: sum(n * (m + 1) for n, m in pairwise(sizes)),
            "You count a bias for each unit that sends. A bias belongs to the unit "
            "that receives.",
        ),
        Mistake(
            lambda sizes: parameter_count(sizes) + sizes[0],
            "You give the inputs biases. They compute nothing, so they have none.",
            "Fully-Connected DNN: Compute the numbers of free parameter in a DNN, "
            "https://datascience.stackexchange.com/questions/78065/fully-connected-dnn-compute-the-numbers-of-free-parameter-in-a-dnn",
        ),
        Mistake(
            lambda sizes: sum(n * m + 1 for n, m in pairwise(sizes)),
            "You count one bias for each layer; there is one for each unit.",
        ),
        Mistake(
            lambda sizes: sum(n * m for n, m in pairwise(sizes)) + sum(sizes[1:-1]),
            "The outputs have no biases in your count. Like the hidden units, each has "
            "one.",
        ),
        Mistake(
            sum,
            "You count the units. The parameters are the connections between them, and "
            "the biases.",
        ),
        Mistake(
            lambda sizes: sum(sizes[1:]),
            "You count the biases only. Each connection has a weight.",
        ),
        Mistake(
            prod,
            "You multiply all sizes: those are the paths from an input to an output. "
            "Each layer has its own weights, and they are added.",
        ),
        Mistake(
            lambda sizes: (sizes[0] + 1) * sizes[1],
            "You count the first layer only.",
        ),
        Mistake(
            lambda sizes: (sizes[-2] + 1) * sizes[-1],
            "You count the last layer only.",
        ),
        Mistake(
            lambda sizes: parameter_count((sizes[0], *sizes[1:3])),
            "You count the first two layers only. There may be more.",
        ),
        Mistake(
            lambda sizes: sum((n + 1) * (m + 1) for n, m in pairwise(sizes)),
            "You give each layer one unit more than it has. The 1 for the bias stands "
            "beside the inputs only.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (FORWARD, PARAMETERS)
