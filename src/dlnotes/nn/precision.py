"""In which precision a drop-in computes: in that of its namesake."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)


def as_under_autocast(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand a function its tensors as autocast hands them to PyTorch's products.

    In the function itself autocast is off.
    """

    @wraps(function)
    def call(*given: Any, **settings: Any) -> Any:
        dtype = autocast_dtype(given[0])
        if dtype is None:
            return function(*given, **settings)
        cast = [each.to(dtype) if _is_eligible(each) else each for each in given]
        with torch.autocast(given[0].device.type, enabled=False):
            return function(*cast, **settings)

    return call


def without_autocast(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function compute in the precision of what it is given."""

    @wraps(function)
    def call(*given: Any, **settings: Any) -> Any:
        if autocast_dtype(given[0]) is None:
            return function(*given, **settings)
        with torch.autocast(given[0].device.type, enabled=False):
            return function(*given, **settings)

    return call


def single_on_a_gpu(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand a function, where autocast is on, half precision on a GPU as single."""

    @wraps(function)
    def call(*given: Any, **settings: Any) -> Any:
        if autocast_dtype(given[0]) is not None and given[0].device.type == "cuda":
            given = (widen(given[0]), *given[1:])
        return without_autocast(function)(*given, **settings)

    return call


def in_single(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hand a function, where autocast is on, half precision as single."""

    @wraps(function)
    def call(*given: Any, **settings: Any) -> Any:
        if autocast_dtype(given[0]) is not None:
            given = tuple(widen(x) if isinstance(x, Tensor) else x for x in given)
        return without_autocast(function)(*given, **settings)

    return call


def autocast_dtype(tensor: Tensor) -> torch.dtype | None:
    """Return the precision of products where a tensor is, or None without autocast."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"wants a tensor, got {type(tensor).__name__}")
    kind = tensor.device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return None
    return torch.get_autocast_dtype(kind)


def widen(values: Tensor) -> Tensor:
    """Return half precision as single, in which sums keep their digits."""
    return values.float() if values.dtype in HALF else values


def _is_eligible(value: Any) -> bool:
    """Tell whether autocast would change a value."""
    return (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.dtype != torch.float64
    )
