"""The networks that the experiments compare.

Their weights come out of a generator, so that the same seed gives the same weights
to every method, on every platform.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dlnotes.cnn.arithmetic import conv_output_size
from dlnotes.cnn.cost import conv_parameter_count, mac_count
from dlnotes.lab.tasks import Task
from dlnotes.networks.activations import scaled_tanh, sigmoid, tanh
from dlnotes.networks.rectifiers import leaky_relu, relu
from dlnotes.networks.smooth_rectifiers import gelu, mish, silu, sine

Function = Callable[[Tensor], Tensor]
InitStd = Callable[[int, int], float]
ModelFactory = Callable[[np.random.Generator, Task], nn.Module]


def glorot(inputs: int, outputs: int) -> float:
    """Return the deviation of weights that Glorot and Bengio (2010) keep signals by.

    Examples
    --------
    >>> from dlnotes.lab.models import glorot
    >>> glorot(3, 5)
    0.5
    """
    return (2 / (inputs + outputs)) ** 0.5


def he(inputs: int, _outputs: int) -> float:
    """Return the deviation of weights that He et al. (2015) keep rectified signals by.

    Examples
    --------
    >>> from dlnotes.lab.models import he
    >>> he(8, 5)
    0.5
    """
    return (2 / inputs) ** 0.5


def linear(
    rng: np.random.Generator,
    inputs: int,
    outputs: int,
    *,
    init_std: InitStd = glorot,
    maxout_pieces: int = 1,
) -> nn.Linear:
    """Make a layer with normal weights, and biases of zero.

    Parameters
    ----------
    rng
        The source of the weights.
    inputs
        How many inputs the layer has.
    outputs
        How many units it feeds.
    init_std
        From inputs and outputs to the standard deviation of the weights.
    maxout_pieces
        How many linear pieces a unit has: more than one for Maxout.

    Returns
    -------
    layer
        The layer.
    """
    layer = nn.Linear(inputs, maxout_pieces * outputs)
    with torch.no_grad():
        layer.weight.copy_(_normal(rng, layer.weight.shape, init_std(inputs, outputs)))
        layer.bias.zero_()
    return layer


class MLP(nn.Module):
    """Layers of units, each fully connected to the next.

    Parameters
    ----------
    rng
        The source of the weights.
    sizes
        How many inputs there are, units in each hidden layer, and outputs.
    activation
        What each hidden layer does to its net inputs.
    init_std
        From inputs and outputs of a layer to the standard deviation of its weights.
    maxout_pieces
        How many net inputs a hidden unit has: more than one for Maxout.

    Examples
    --------
    Without a hidden layer it is linear:

    >>> import numpy as np
    >>> import torch
    >>> from dlnotes.lab.models import MLP
    >>> model = MLP(np.random.default_rng(0), [3, 2], torch.tanh)
    >>> x = torch.ones(1, 3)
    >>> bool(torch.allclose(model(2 * x), 2 * model(x)))
    True
    """

    def __init__(
        self,
        rng: np.random.Generator,
        sizes: Sequence[int],
        activation: Function,
        *,
        init_std: InitStd = glorot,
        maxout_pieces: int = 1,
    ) -> None:
        super().__init__()
        *hidden, last = pairwise(sizes)
        self.activation = activation
        self.hidden = nn.ModuleList(
            linear(rng, *each, init_std=init_std, maxout_pieces=maxout_pieces)
            for each in hidden
        )
        self.last = linear(rng, *last, init_std=init_std)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs of each instance."""
        for layer in self.hidden:
            x = self.activation(layer(x))
        return self.last(x)


class Recurrent(nn.Module):
    """A recurrent layer that begins at zero, and an output for its last state.

    Parameters
    ----------
    rng
        The source of the weights.
    sizes
        How many inputs a step has, how many units, and how many outputs there are.
    activation
        What the layer does to its net inputs.
    init_std
        From inputs and outputs to the standard deviation of the weights, but for the
        recurrent ones, which are orthogonal.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        sizes: tuple[int, int, int],
        activation: Function,
        *,
        init_std: InitStd = glorot,
    ) -> None:
        super().__init__()
        inputs, units, outputs = sizes
        self.activation = activation
        self.inwards = linear(rng, inputs, units, init_std=init_std)
        self.recurrent = nn.Parameter(_orthogonal(rng, units))
        self.outwards = linear(rng, units, outputs, init_std=init_std)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the outputs at the end of each sequence."""
        z = self.inwards(x)
        h = torch.zeros_like(z[:, 0])
        for step in range(z.shape[1]):
            h = self.activation(z[:, step] + h @ self.recurrent)
        return self.outwards(h)


class HiddenLayer(NamedTuple):
    """What units do to their net inputs, and what their weights begin with."""

    activation: Function
    init_std: InitStd = glorot
    maxout_pieces: int = 1


def larger_of_two(z: Tensor) -> Tensor:
    """Return the larger of the two net inputs that each Maxout unit has."""
    return z.reshape(len(z), -1, 2).amax(2)


HIDDEN_LAYERS = {
    "sigmoid": HiddenLayer(sigmoid),
    "tanh": HiddenLayer(tanh),
    "scaled tanh": HiddenLayer(scaled_tanh),
    "ReLU": HiddenLayer(relu, he),
    "leaky ReLU": HiddenLayer(leaky_relu, he),
    "Maxout": HiddenLayer(larger_of_two, maxout_pieces=2),
    "SiLU": HiddenLayer(silu, he),
    "GELU": HiddenLayer(gelu, he),
    "Mish": HiddenLayer(mish, he),
    "sine": HiddenLayer(sine),
}


def mlp(layer: HiddenLayer, *widths: int) -> ModelFactory:
    """Return what builds a network with hidden layers of one kind for a task.

    Parameters
    ----------
    layer
        What all of its hidden layers are.
    *widths
        How many units each has.

    Returns
    -------
    build
        From a generator and a task to the network.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.lab.models import HIDDEN_LAYERS, mlp
    >>> from dlnotes.lab.tasks import moons
    >>> rng = np.random.default_rng(0)
    >>> model = mlp(HIDDEN_LAYERS["ReLU"], 16)(rng, moons(rng, train=10, noise=0.1))
    >>> [tuple(each.shape) for each in model.parameters()]
    [(16, 2), (16,), (2, 16), (2,)]
    """

    def build(rng: np.random.Generator, task: Task) -> nn.Module:
        sizes = [task.train[0].shape[1], *widths, task.outputs]
        activation, init_std, pieces = layer
        return MLP(rng, sizes, activation, init_std=init_std, maxout_pieces=pieces)

    return build


def recurrent(layer: HiddenLayer, units: int) -> ModelFactory:
    """Return what builds a network with one recurrent layer for a task.

    Parameters
    ----------
    layer
        What that layer is.
    units
        How many units it has.

    Returns
    -------
    build
        From a generator and a task to the network.
    """

    def build(rng: np.random.Generator, task: Task) -> nn.Module:
        sizes = (task.train[0].shape[2], units, task.outputs)
        return Recurrent(rng, sizes, layer.activation, init_std=layer.init_std)

    return build


def he_normal_(
    model: nn.Module, rng: np.random.Generator, gain: float = 2
) -> nn.Module:
    """Draw normal weights of variance gain / inputs, and biases of zero.

    A gain of two is the one for rectifiers (He et al. 2015).

    Parameters
    ----------
    model
        The network, which is changed.
    rng
        The source of the weights.
    gain
        The variance of a weight times the number of inputs of its unit.

    Returns
    -------
    model
        The same network.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from dlnotes.lab.models import he_normal_
    >>> model = he_normal_(torch.nn.Linear(50, 2000), np.random.default_rng(0))
    >>> round(model.weight.var().item(), 3), model.bias.any().item()
    (0.04, False)
    """
    with torch.no_grad():
        for each in model.parameters():
            std = (gain / each[0].numel()) ** 0.5 if each.ndim > 1 else 0.0
            each.copy_(torch.tensor(rng.normal(0, std, size=each.shape)))
    return model


class Conv(NamedTuple):
    """A convolutional layer."""

    K: int
    F: int
    S: int = 1
    P: int = 0


class Pool(NamedTuple):
    """A max pooling layer."""

    F: int
    S: int


class Dense(NamedTuple):
    """A layer of units that see all that the layer before returns."""

    K: int


Layer = Conv | Pool | Dense

CIFAR_NET = (Conv(15, 5, P=2), Pool(2, 2), Dense(10))
ALEXNET = (
    *(Conv(96, 11, S=4), Pool(3, 2)),
    *(Conv(256, 5, P=2), Pool(3, 2)),
    *(Conv(384, 3, P=1), Conv(384, 3, P=1), Conv(256, 3, P=1), Pool(3, 2)),
    *(Dense(4096), Dense(4096), Dense(1000)),
)
VGG_11 = (
    *(Conv(64, 3, P=1), Pool(2, 2)),
    *(Conv(128, 3, P=1), Pool(2, 2)),
    *(Conv(256, 3, P=1), Conv(256, 3, P=1), Pool(2, 2)),
    *(Conv(512, 3, P=1), Conv(512, 3, P=1), Pool(2, 2)),
    *(Conv(512, 3, P=1), Conv(512, 3, P=1), Pool(2, 2)),
    *(Dense(4096), Dense(4096), Dense(1000)),
)
# Each with the width of the images that it reads.
NETWORKS: dict[str, tuple[int, tuple[Layer, ...]]] = {
    "AlexNet": (227, ALEXNET),
    "VGG-11": (224, VGG_11),
    "the CIFAR network": (32, CIFAR_NET),
}


def build_layers(
    layers: Sequence[Layer], width: int
) -> Iterator[tuple[nn.Module, int, int]]:
    """Yield each layer for color images, its multiply-adds, and its parameters.

    Parameters
    ----------
    layers
        The layers, as in `NETWORKS`.
    width
        How many pixels an image is wide and high.

    Yields
    ------
    module
        PyTorch's layer, without weights, on the device ``meta``.
    multiply_adds
        How many products of a weight and an input one image takes.
    parameters
        How many weights and biases there are.

    Examples
    --------
    >>> from dlnotes.lab.models import CIFAR_NET, build_layers
    >>> [counts for _, *counts in build_layers(CIFAR_NET, 32)]
    [[1152000, 1140], [0, 0], [38400, 38410]]
    """
    depth = 3
    for layer in layers:
        match layer:
            case Conv(K, F, S, P):
                width = conv_output_size(width, F, stride=S, padding=P)
                work = mac_count(F, depth, filters=K, places=width**2)
                conv = nn.Conv2d(depth, K, F, S, P, device="meta")
                yield conv, work, conv_parameter_count(K, F, depth)
                depth = K
            case Pool(F, S):
                width = conv_output_size(width, F, stride=S)
                yield nn.MaxPool2d(F, S), 0, 0
            case Dense(K):
                inputs, depth, width = depth * width**2, K, 1
                work = mac_count(1, inputs, filters=K, places=1)
                linear = nn.Linear(inputs, K, device="meta")
                dense = nn.Sequential(nn.Flatten(), linear)
                yield dense, work, conv_parameter_count(K, 1, inputs)


def _normal(rng: np.random.Generator, shape: Sequence[int], init_std: float) -> Tensor:
    return torch.tensor(rng.normal(scale=init_std, size=shape), dtype=torch.float32)


def _orthogonal(rng: np.random.Generator, units: int) -> Tensor:
    """Draw a rotation, each as likely as any other (Mezzadri, 2007)."""
    Q, R = np.linalg.qr(rng.normal(size=(units, units)))
    return torch.tensor(Q * np.sign(np.diagonal(R)), dtype=torch.float32)
