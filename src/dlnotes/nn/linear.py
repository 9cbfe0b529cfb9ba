"""Layers of which every unit sees every input."""

from math import prod

import torch
from torch import Tensor

from dlnotes.neurons.perceptron import Perceptron, net_input
from dlnotes.nn.errors import with_pytorch_errors
from dlnotes.nn.precision import as_under_autocast


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
        return _net_input(input, self.weight, self.bias)


@torch.fx.wrap
@as_under_autocast
def _net_input(X: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    *lead, inputs = X.shape
    b = weight.new_zeros(len(weight)) if bias is None else bias
    if not X.dtype == weight.dtype == b.dtype:
        raise TypeError(f"got {X.dtype}, {weight.dtype} and {b.dtype}, wants one")
    Z = net_input(Perceptron(weight.T, b), X.reshape(prod(lead), inputs))
    return Z.reshape(*lead, len(weight))
