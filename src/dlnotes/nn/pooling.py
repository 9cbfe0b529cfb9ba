"""Pooling layers."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.modules.utils import _pair

from dlnotes.cnn.convolution import unfold
from dlnotes.cnn.pooling import max_pool2d, max_pool2d_backward
from dlnotes.nn.errors import with_pytorch_errors
from dlnotes.nn.memory_format import match_memory_format


class MaxPool2d(torch.nn.MaxPool2d):
    """:func:`dlnotes.cnn.pooling.max_pool2d`; the drop-in for PyTorch's.

    Examples
    --------
    With ``ceil_mode`` the last column has a window of its own, and each may tell which
    pixel has won:

    >>> import torch
    >>> from dlnotes.nn import MaxPool2d
    >>> layer = MaxPool2d(2, return_indices=True, ceil_mode=True)
    >>> layer(torch.tensor([[[1.0, 7.0, 3.0], [5.0, 2.0, 4.0]]]))
    (tensor([[[7., 4.]]]), tensor([[[1, 5]]]))
    """

    @with_pytorch_errors(torch.nn.MaxPool2d.forward)
    def forward(self, input: Tensor) -> Any:  # noqa: A002
        """Keep the largest pixel of each window, and tell where it was if wanted."""
        settings = {
            "kernel_size": _pair(self.kernel_size),
            "stride": _pair(self.stride),
            "padding": _pair(self.padding),
            "dilation": _pair(self.dilation),
        }
        X = input if input.ndim == 4 else input[None]
        if self.ceil_mode:
            across, down = (_rest(X.shape, settings, axis) for axis in (1, 0))
            X = pad(X, (0, across, 0, down), value=-torch.inf)
        Y = _MaxPool2d.apply(X, settings)  # type: ignore[no-untyped-call]
        Y = match_memory_format(Y, X)
        Y = Y if input.ndim == 4 else Y[0]
        if not self.return_indices:
            return Y
        won = _winners(X, input.shape[-1], settings)
        return Y, won if input.ndim == 4 else won[0]


class _MaxPool2d(torch.autograd.Function):
    """The section's function with the section's gradient, which goes to one winner."""

    generate_vmap_rule = True

    @staticmethod
    def forward(X: Tensor, settings: dict[str, Any]) -> Tensor:
        return max_pool2d(X, **settings)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:  # noqa: ARG004
        X, ctx.settings = inputs
        ctx.save_for_backward(X)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (X,) = ctx.saved_tensors
        return max_pool2d_backward(X, upstream, **ctx.settings), None


def _rest(shape: torch.Size, settings: dict[str, Any], axis: int) -> int:
    """Count the pixels that a last window needs beyond the end of an axis.

    As in PyTorch, no window begins beyond the image and the padding before it.
    """
    kernel_size, stride, padding, dilation = (
        settings[name][axis]
        for name in ("kernel_size", "stride", "padding", "dilation")
    )
    side, reach = shape[axis - 2], dilation * (kernel_size - 1) + 1
    last = -(-(side + 2 * padding - reach) // stride) * stride  # where it begins
    last -= stride if last >= side + padding else 0
    return max(0, last + reach - (side + 2 * padding))


def _winners(X: Tensor, width: int, settings: dict[str, Any]) -> Tensor:
    """Return the place of the largest pixel of each window, counted row by row."""
    rows, columns = (torch.arange(side, device=X.device) for side in X.shape[-2:])
    places = (rows[:, None] * width + columns).to(torch.float64)
    seen = unfold(X.detach(), fill=-torch.inf, **settings).argmax(0)
    where = unfold(places, **settings).long()
    return where[:, None, None].expand(-1, *seen.shape).gather(0, seen[None])[0]
