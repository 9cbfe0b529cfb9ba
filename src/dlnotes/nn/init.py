"""Initial weights of the book, drawn as ``torch.nn.init`` draws them.

PyTorch keeps the weights of a unit in a row, the book in a column.  Whatever else
``torch.nn.init`` has is found here as well, and is PyTorch's own.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch.nn.init
from torch import Generator, Tensor
from torch.nn.init import calculate_gain

from dlnotes.nn.errors import with_pytorch_errors
from dlnotes.training.weight_initialization import Fan, fans, weight_variance

__all__ = ["kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_"]


def _drop_in(original: Callable[..., Tensor]) -> Callable[..., Callable[..., Tensor]]:
    """Leave to PyTorch what is empty, and what is refused, for its own words."""

    def decorate(fill: Callable[..., Tensor]) -> Callable[..., Tensor]:
        @with_pytorch_errors(original)
        @wraps(fill)
        def call(tensor: Tensor, *given: Any, **settings: Any) -> Tensor:
            if tensor.numel() == 0:
                return original(tensor, *given, **settings)
            with torch.no_grad():
                return fill(tensor, *given, **settings)

        return call

    return decorate


@_drop_in(torch.nn.init.xavier_uniform_)
def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill a tensor as :func:`~dlnotes.training.weight_initialization.glorot_uniform`.

    Examples
    --------
    Six weights to a unit, and as many units to an input: the limit is the root of 6/12.

    >>> import torch
    >>> from dlnotes.nn import init
    >>> W = init.xavier_uniform_(torch.empty(6, 6))
    >>> bool(W.abs().max() <= 0.5**0.5)
    True
    """
    limit = 3**0.5 * (gain * _deviation(tensor, "mean"))
    return tensor.uniform_(-limit, limit, generator=generator)


@_drop_in(torch.nn.init.xavier_normal_)
def xavier_normal_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill a tensor as :func:`~dlnotes.training.weight_initialization.glorot_normal`.

    Examples
    --------
    >>> import torch
    >>> from dlnotes.nn import init
    >>> W = init.xavier_normal_(torch.empty(1000, 1000))
    >>> round(1000 * W.var().item(), 1)
    1.0
    """
    deviation = gain * _deviation(tensor, "mean")
    return tensor.normal_(0, deviation, generator=generator)


@_drop_in(torch.nn.init.kaiming_uniform_)
def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill a tensor as :func:`~dlnotes.training.weight_initialization.he_uniform`.

    Examples
    --------
    Six weights to a unit: the limit is the root of 6/6.

    >>> import torch
    >>> from dlnotes.nn import init
    >>> W = init.kaiming_uniform_(torch.empty(1000, 6))
    >>> round(W.abs().max().item(), 2)
    1.0
    """
    limit = 3**0.5 * _he_deviation(tensor, a, mode, nonlinearity)
    return tensor.uniform_(-limit, limit, generator=generator)


@_drop_in(torch.nn.init.kaiming_normal_)
def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill a tensor as :func:`~dlnotes.training.weight_initialization.he_normal`.

    Examples
    --------
    A kernel that reads 3 channels in windows of 5 by 5 adds up 75 numbers:

    >>> import torch
    >>> from dlnotes.nn import init
    >>> kernel = init.kaiming_normal_(torch.empty(1000, 3, 5, 5))
    >>> round(75 * kernel.var().item(), 1)
    2.0
    """
    deviation = _he_deviation(tensor, a, mode, nonlinearity)
    return tensor.normal_(0, deviation, generator=generator)


def _deviation(tensor: Tensor, fan: Fan) -> float:
    """Compute the standard deviation of weights that make up for no activation."""
    shape = tuple(tensor.shape)
    fan_in, fan_out = fans(shape[::-1] if len(shape) == 2 else shape)
    return weight_variance(fan_in, fan_out, fan=fan) ** 0.5


def _he_deviation(tensor: Tensor, a: float, mode: Any, nonlinearity: Any) -> float:
    """Compute the standard deviation of weights that make up for an activation."""
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be fan_in or fan_out, got {mode!r}")
    fan: Fan = "in" if mode.lower() == "fan_in" else "out"
    return calculate_gain(nonlinearity, a) * _deviation(tensor, fan)


def __getattr__(name: str) -> Any:
    """Return PyTorch's own function where the book has none."""
    try:
        return getattr(torch.nn.init, name)
    except AttributeError:
        message = f"neither {__name__} nor torch.nn.init has an attribute {name!r}"
        raise AttributeError(message) from None


def __dir__() -> list[str]:
    """List the book's names and PyTorch's."""
    return sorted({*globals(), *dir(torch.nn.init)})
