"""Activation functions."""

import torch
from torch import Tensor

from dlnotes.networks.activations import sigmoid, tanh
from dlnotes.networks.rectifiers import elu, leaky_relu, relu
from dlnotes.nn.errors import with_pytorch_errors


class ReLU(torch.nn.ReLU):
    """:func:`dlnotes.networks.rectifiers.relu`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.ReLU.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Rectify each number."""
        return input.copy_(relu(input.clone())) if self.inplace else relu(input)


class LeakyReLU(torch.nn.LeakyReLU):
    """:func:`dlnotes.networks.rectifiers.leaky_relu`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.LeakyReLU.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Rectify each number, and let some of it through."""
        z = input.clone() if self.inplace else input
        a = leaky_relu(z, alpha=self.negative_slope)
        return input.copy_(a) if self.inplace else a


class ELU(torch.nn.ELU):
    """:func:`dlnotes.networks.rectifiers.elu`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.ELU.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Rectify each number, and let it level off."""
        z = input.clone() if self.inplace else input
        a = elu(z, alpha=self.alpha)
        return input.copy_(a) if self.inplace else a


class Sigmoid(torch.nn.Sigmoid):
    """:func:`dlnotes.networks.activations.sigmoid`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.Sigmoid.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Squash each number into the interval from 0 to 1."""
        return sigmoid(input)


class Tanh(torch.nn.Tanh):
    """:func:`dlnotes.networks.activations.tanh`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.Tanh.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Squash each number into the interval from -1 to 1."""
        return tanh(input)
