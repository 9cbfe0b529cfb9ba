"""Activation functions.

What `torch.fx` does not look into is a function of the module, beside its class.
"""

from math import isfinite

import torch
from torch import Tensor

from dlnotes.networks.activations import sigmoid, tanh
from dlnotes.networks.rectifiers import elu, elu_derivative, leaky_relu, relu
from dlnotes.nn.errors import with_pytorch_errors
from dlnotes.nn.precision import without_autocast


class ReLU(torch.nn.ReLU):
    """:func:`dlnotes.networks.rectifiers.relu`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.ReLU.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Rectify each number."""
        return _relu(input, inplace=self.inplace)


class LeakyReLU(torch.nn.LeakyReLU):
    """:func:`dlnotes.networks.rectifiers.leaky_relu`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.LeakyReLU.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Rectify each number, and let some of it through."""
        return _leaky_relu(input, alpha=self.negative_slope, inplace=self.inplace)


class ELU(torch.nn.ELU):
    """:func:`dlnotes.networks.rectifiers.elu`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.ELU.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Rectify each number, and let it level off."""
        return _elu(input, alpha=self.alpha, inplace=self.inplace)


class Sigmoid(torch.nn.Sigmoid):
    """:func:`dlnotes.networks.activations.sigmoid`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.Sigmoid.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Squash each number into the interval from 0 to 1."""
        return _sigmoid(input)


class Tanh(torch.nn.Tanh):
    """:func:`dlnotes.networks.activations.tanh`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.Tanh.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Squash each number into the interval from -1 to 1."""
        return _tanh(input)


@torch.fx.wrap
@without_autocast
def _relu(z: Tensor, *, inplace: bool) -> Tensor:
    a = _twice_differentiable(relu(z))
    return z.copy_(a) if inplace else a


@torch.fx.wrap
@without_autocast
def _leaky_relu(z: Tensor, *, alpha: float, inplace: bool) -> Tensor:
    _check(z, alpha)
    a = _twice_differentiable(leaky_relu(z, alpha=alpha))
    return z.copy_(a) if inplace else a


@torch.fx.wrap
@without_autocast
def _elu(z: Tensor, *, alpha: float, inplace: bool) -> Tensor:
    """Compute the ELU from pieces of which each has PyTorch's derivatives."""
    _check(z, alpha)
    # PyTorch differentiates expm1 as its result plus 1, which far below 0 is rounded.
    far = elu_derivative(z, alpha=alpha) - alpha
    a = torch.where(z < -1, far, elu(z, alpha=alpha))
    a = torch.where(z == 0, leaky_relu(z, alpha=alpha), a)
    return z.copy_(a) if inplace else a


@torch.fx.wrap
@without_autocast
def _sigmoid(z: Tensor) -> Tensor:
    return sigmoid(_as_float(z))


@torch.fx.wrap
@without_autocast
def _tanh(z: Tensor) -> Tensor:
    return tanh(_as_float(z))


def _twice_differentiable(a: Tensor) -> Tensor:
    """Return the same numbers, whose constant slopes have a derivative of zero."""
    return a.pow(1)


def _check(z: Tensor, setting: float) -> None:
    """Refuse, where it is not traced, a setting that PyTorch cannot convert."""
    if torch.compiler.is_compiling() or not isfinite(setting):
        return
    if abs(setting) > torch.finfo(torch.promote_types(z.dtype, torch.float32)).max:
        raise ValueError(f"{setting} is too large for {z.dtype}")


def _as_float(z: Tensor) -> Tensor:
    """Return integers as numbers of the default precision, as PyTorch does."""
    whole = not (z.is_floating_point() or z.is_complex())
    return z.to(torch.get_default_dtype()) if whole else z
