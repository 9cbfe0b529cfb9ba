"""Activation functions.

What `torch.fx` does not look into is a function of the module, beside its class.
"""

from collections.abc import Callable
from math import isfinite

import torch
from torch import Tensor
from torch.nn.functional import _get_softmax_dim  # type: ignore[attr-defined]

from dlnotes.networks.activations import sigmoid, tanh
from dlnotes.networks.losses import log_softmax, softmax
from dlnotes.networks.rectifiers import (
    SELU_ALPHA,
    SELU_SCALE,
    elu,
    elu_derivative,
    leaky_relu,
    prelu,
    relu,
    selu,
    selu_derivative,
)
from dlnotes.networks.smooth_rectifiers import exact_gelu, gelu, mish, silu, softplus
from dlnotes.nn.errors import with_pytorch_errors
from dlnotes.nn.precision import (
    as_under_autocast,
    single_on_a_gpu,
    widen,
    without_autocast,
)


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


class PReLU(torch.nn.PReLU):
    """:func:`dlnotes.networks.rectifiers.prelu`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.PReLU.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Rectify each number, and let a learned part of it through."""
        return _prelu(input, self.weight)


class ELU(torch.nn.ELU):
    """:func:`dlnotes.networks.rectifiers.elu`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.ELU.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Rectify each number, and let it level off."""
        return _elu(input, alpha=self.alpha, inplace=self.inplace)


class SELU(torch.nn.SELU):
    """:func:`dlnotes.networks.rectifiers.selu`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.SELU.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Rectify each number, and keep mean 0 and variance 1."""
        return _selu(input, inplace=self.inplace)


class Softplus(torch.nn.Softplus):
    """:func:`dlnotes.networks.smooth_rectifiers.softplus`; the drop-in for PyTorch's.

    Where ``beta`` times the input is above ``threshold`` it is the input.
    """

    @with_pytorch_errors(torch.nn.Softplus.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Rectify each number with a rounded kink."""
        return _softplus(input, beta=self.beta, threshold=self.threshold)


class GELU(torch.nn.GELU):
    """:func:`dlnotes.networks.smooth_rectifiers.exact_gelu`; PyTorch's drop-in.

    With ``approximate="tanh"`` it is :func:`dlnotes.networks.smooth_rectifiers.gelu`.
    """

    @with_pytorch_errors(torch.nn.GELU.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Multiply each number by the probability that a normal one is below it."""
        return _gelu(input, approximate=self.approximate)


class SiLU(torch.nn.SiLU):
    """:func:`dlnotes.networks.smooth_rectifiers.silu`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.SiLU.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Multiply each number by its sigmoid."""
        return _silu(input, inplace=self.inplace)


class Mish(torch.nn.Mish):
    """:func:`dlnotes.networks.smooth_rectifiers.mish`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.Mish.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Multiply each number by the tanh of its softplus."""
        return _mish(input, inplace=self.inplace)


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


class Softmax(torch.nn.Softmax):
    """:func:`dlnotes.networks.losses.softmax`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.Softmax.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Turn logits into probabilities along an axis."""
        return _softmax(input, self.dim)


class LogSoftmax(torch.nn.LogSoftmax):
    """:func:`dlnotes.networks.losses.log_softmax`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.LogSoftmax.forward)
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Turn logits into logarithms of probabilities along an axis."""
        return _log_softmax(input, self.dim)


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
@as_under_autocast
def _prelu(z: Tensor, weight: Tensor) -> Tensor:
    if z.dtype != weight.dtype:
        raise TypeError(f"got {z.dtype} and {weight.dtype}, wants one")
    shared = len(weight) == 1
    if z.ndim < 2 and not shared:
        raise ValueError(f"no axis of {tuple(z.shape)} has a slope for each")
    Z = widen(z.reshape(1) if z.ndim == 0 else z if shared else z.movedim(1, -1))
    alpha = widen(weight).expand(Z.shape[-1]) if shared else widen(weight)
    a = _twice_differentiable(prelu(Z, alpha)).to(z.dtype)
    return a.reshape(z.shape) if shared else a.movedim(-1, 1)


@torch.fx.wrap
@without_autocast
def _elu(z: Tensor, *, alpha: float, inplace: bool) -> Tensor:
    _check(z, alpha)
    a = _pieces(z, elu(z, alpha=alpha), elu_derivative(z, alpha=alpha), alpha)
    return z.copy_(a) if inplace else a


@torch.fx.wrap
@without_autocast
def _selu(z: Tensor, *, inplace: bool) -> Tensor:
    wide = widen(z)
    a = _pieces(wide, selu(wide), selu_derivative(wide), SELU_SCALE * SELU_ALPHA)
    return z.copy_(a) if inplace else a.to(z.dtype)


@torch.fx.wrap
@single_on_a_gpu
def _softplus(z: Tensor, *, beta: float, threshold: float) -> Tensor:
    if not z.is_floating_point():
        raise TypeError(f"wants fractions, got {z.dtype}")
    scaled = beta * widen(z)
    a = torch.where(scaled > threshold, widen(z), softplus(scaled) / beta)
    return a.to(z.dtype)


@torch.fx.wrap
@without_autocast
def _gelu(z: Tensor, *, approximate: str) -> Tensor:
    gates = {"none": exact_gelu, "tanh": gelu}
    if approximate not in gates:
        raise ValueError(f"approximate must be none or tanh, got {approximate}")
    return gates[approximate](widen(z)).to(z.dtype)


@torch.fx.wrap
@without_autocast
def _silu(z: Tensor, *, inplace: bool) -> Tensor:
    return _gated(silu, z, inplace=inplace)


@torch.fx.wrap
@without_autocast
def _mish(z: Tensor, *, inplace: bool) -> Tensor:
    return _gated(mish, z, inplace=inplace)


@torch.fx.wrap
@single_on_a_gpu
def _softmax(logits: Tensor, dim: int | None) -> Tensor:
    return _along(softmax, logits, dim)


@torch.fx.wrap
@single_on_a_gpu
def _log_softmax(logits: Tensor, dim: int | None) -> Tensor:
    return _along(log_softmax, logits, dim)


@torch.fx.wrap
@without_autocast
def _sigmoid(z: Tensor) -> Tensor:
    return sigmoid(_as_float(z))


@torch.fx.wrap
@without_autocast
def _tanh(z: Tensor) -> Tensor:
    return tanh(_as_float(z))


def _gated(function: Callable[[Tensor], Tensor], z: Tensor, *, inplace: bool) -> Tensor:
    """Compute what is differentiated by its argument, also where that is written to."""
    a = function(widen(z.clone() if inplace else z)).to(z.dtype)
    return z.copy_(a) if inplace else a


def _pieces(z: Tensor, a: Tensor, slope: Tensor, alpha: float) -> Tensor:
    """Compute an ELU from pieces of which each has PyTorch's derivatives."""
    # PyTorch differentiates expm1 as its result plus 1, which far below 0 is rounded.
    a = torch.where(z < -1, slope - alpha, a)
    return torch.where(z == 0, leaky_relu(z, alpha=alpha), a)


def _along(
    function: Callable[[Tensor], Tensor], logits: Tensor, dim: int | None
) -> Tensor:
    """Compute along an axis what the section computes along the last one."""
    if dim is None:
        dim = _get_softmax_dim(function.__name__, logits.ndim, stacklevel=9)
    lines = widen(logits).movedim(dim, -1)
    if lines.ndim == 0:
        return function(lines[None])[0].to(logits.dtype)
    return function(lines).movedim(-1, dim).to(logits.dtype).contiguous()


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
