"""The networks that the experiments compare.

Their weights come out of a generator, so that the same seed gives the same weights
to every method, on every platform.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from dlnotes.nn import Linear

Function = Callable[[Tensor], Tensor]
InitStd = Callable[[int, int], float]


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
) -> Linear:
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
    layer = Linear(inputs, maxout_pieces * outputs)
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


def _normal(rng: np.random.Generator, shape: Sequence[int], init_std: float) -> Tensor:
    return torch.tensor(rng.normal(scale=init_std, size=shape), dtype=torch.float32)


def _orthogonal(rng: np.random.Generator, units: int) -> Tensor:
    """Draw a rotation, each as likely as any other (Mezzadri, 2007)."""
    Q, R = np.linalg.qr(rng.normal(size=(units, units)))
    return torch.tensor(Q * np.sign(np.diagonal(R)), dtype=torch.float32)
