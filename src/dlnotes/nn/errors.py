"""What PyTorch refuses, a drop-in refuses in PyTorch's words."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Forward = TypeVar("Forward", bound=Callable[..., Any])


def with_pytorch_errors(original: Callable[..., Any]) -> Callable[[Forward], Forward]:
    """Ask PyTorch's method for its error where the method of the drop-in refuses.

    What only the section refuses is said in the section's own words.  Exceptions by
    which a caller steers, as activation checkpointing does, pass untouched.
    """

    def decorate(forward: Forward) -> Forward:
        @wraps(forward)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return forward(*args, **kwargs)
            except (
                ValueError,
                TypeError,
                RuntimeError,
                IndexError,
                AttributeError,
            ):
                original(*args, **kwargs)
                raise

        return call  # type: ignore[return-value]

    return decorate
