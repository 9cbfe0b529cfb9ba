"""Layers of which every unit sees every input."""

from math import prod

import torch
from torch import Tensor

from dlnotes.neurons.perceptron import Perceptron, net_input
from dlnotes.nn.errors import with_pytorch_errors


class Linear(torch.nn.Linear):
    """:func:`dlnotes.neurons.perceptron.net_input`; the drop-in for PyTorch's.

    Examples
    --------
    PyTorch keeps the weights of a unit in a row, the book in a column:

    >>> import torch
    >>> from dlnotes.nn import Linear
    >>> layer = Linear(3, 2)
    >>> layer.load_state_dict(torch.nn.Linear(3, 2).state_dict())
    <All keys matched successfully>
    >>> layer.weight.shape, layer(torch.zeros(5, 4, 3)).shape
    (torch.Size([2, 3]), torch.Size([5, 4, 2]))
    """

    @with_pytorch_errors(torch.nn.Linear.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Compute the net input of each unit for each instance, on any leading axes."""
        *lead, inputs = input.shape
        b: Tensor | None = self.bias
        b = self.weight.new_zeros(self.out_features) if b is None else b
        Z = net_input(Perceptron(self.weight.T, b), input.reshape(prod(lead), inputs))
        return Z.reshape(*lead, self.out_features)
