"""Pooling layers."""

from itertools import product, starmap
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from dlnotes.cnn.pooling import max_pool2d_winners
from dlnotes.nn.errors import with_pytorch_errors
from dlnotes.nn.memory_format import match_memory_format
from dlnotes.nn.precision import without_autocast

Pair = tuple[int, int]


def _ask_pytorch(layer: torch.nn.MaxPool2d, images: Tensor) -> Any:
    """Let PyTorch refuse what it refuses.

    Where a window has no pixel, PyTorch's layer reads memory that is not the image's,
    so there it is asked without memory.
    """
    padding, dilation = (
        each if isinstance(each, list | tuple) else (each,)
        for each in (layer.padding, layer.dilation)
    )
    if any(starmap(_misses, product(getattr(images, "shape", ()), padding, dilation))):
        images = images.to("meta")
    return torch.nn.MaxPool2d.forward(layer, images)


class MaxPool2d(torch.nn.MaxPool2d):
    """The layer of :func:`dlnotes.cnn.pooling.max_pool2d`; the drop-in for PyTorch's.

    It reads the pixels of :func:`dlnotes.cnn.pooling.max_pool2d_winners`, to which the
    gradient goes back.

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

    @with_pytorch_errors(_ask_pytorch)
    def forward(self, input: Tensor) -> Any:  # noqa: A002
        """Keep the largest pixel of each window, and tell where it was if wanted."""
        stride: Any = self.stride
        kept, places = _pool(
            input,
            _pair(self.kernel_size),
            stride=_pair(self.kernel_size if stride in (None, [], ()) else stride),
            padding=_pair(self.padding),
            dilation=_pair(self.dilation),
            ceil_mode=self.ceil_mode,
        )
        return (kept, places) if self.return_indices else kept


@torch.fx.wrap
@without_autocast
def _pool(
    images: Tensor, kernel_size: Pair, *, ceil_mode: bool, **settings: Pair
) -> tuple[Tensor, Tensor]:
    """Return the largest pixels, and where they are, counted row by row."""
    X = images if images.ndim == 4 else images[None]
    if not X.shape[1]:
        raise ValueError("images must have at least one channel")
    height, width = X.shape[-2:]
    if ceil_mode:
        down, across = (
            _rest(
                X.shape[k - 2],
                kernel_size[k],
                **{name: pair[k] for name, pair in settings.items()},
            )
            for k in (0, 1)
        )
        X = pad(X, (0, across, 0, down), value=_lowest(X))
    winners = max_pool2d_winners(X.detach(), kernel_size, **settings)
    if any(map(_misses, (height, width), settings["padding"], settings["dilation"])):
        raise ValueError(
            f"the first window has no pixel: images of {height} by {width} are smaller "
            f"than dilation {settings['dilation']}"
        )
    rows, columns = _places(winners, kernel_size, **settings)
    at = (rows * X.shape[-1] + columns).flatten(-2)
    Y = match_memory_format(X.flatten(-2).gather(-1, at).reshape(winners.shape), X)
    places = match_memory_format(rows * width + columns, X)
    return (Y, places) if images.ndim == 4 else (Y[0], places[0])


def _places(
    winners: Tensor, kernel_size: Pair, *, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[Tensor, Tensor]:
    """Return the row and the column of the winner of each window."""
    corners = [
        torch.arange(winners.shape[k - 2], device=winners.device) * stride[k]
        - padding[k]
        for k in (0, 1)
    ]
    rows = corners[0][:, None] + dilation[0] * (winners // kernel_size[1])
    return rows, corners[1] + dilation[1] * (winners % kernel_size[1])


def _rest(
    side: int, kernel_size: int, *, stride: int, padding: int, dilation: int
) -> int:
    """Count the pixels that a last window needs beyond the end of an axis.

    As in PyTorch, no window begins beyond the image and the padding before it.
    """
    reach = dilation * (kernel_size - 1) + 1
    last = -(-(side + 2 * padding - reach) // stride) * stride  # where it begins
    last -= stride if last >= side + padding else 0
    return max(0, last + reach - (side + 2 * padding))


def _misses(side: int, padding: int, dilation: int) -> bool:
    """Tell whether the first window steps over an axis, from the padding before it.

    Only the first can: PyTorch refuses settings with which another one would.
    """
    return 0 < side < dilation and -padding % dilation >= side


def _lowest(X: Tensor) -> float:
    """Return a number that loses against every pixel."""
    return -torch.inf if X.is_floating_point() else torch.iinfo(X.dtype).min


def _pair(setting: Any) -> Pair:
    """Read one number, or two, as PyTorch does."""
    if not isinstance(setting, list | tuple):
        return setting, setting
    first, second = setting if len(setting) != 1 else (*setting, *setting)
    return first, second
