"""What a function says of a number that is out of its range.

The numbers that tune a function are given by name, ``at_least(0, learning_rate=0.1)``,
and a `ValueError` names the one that does not fit, what was wanted and what came.  NaN
fits nowhere.  A number inside an array of PyTorch or JAX is let through: to look at it
would stop a compilation, or wait for a GPU.  Arrays themselves are looked at where data
enter, if there are numbers to look at.
"""

from numbers import Integral
from typing import Any

import numpy as np

from dlnotes.arrays import anywhere, array_namespace

__all__ = [
    "at_least",
    "entries",
    "finite",
    "generator",
    "in_range",
    "integer",
    "pair",
    "positive",
]


def at_least(low: float, /, **numbers: Any) -> None:
    """Refuse a number below a limit.

    Examples
    --------
    >>> from dlnotes.checks import at_least
    >>> at_least(0, learning_rate=0.1, weight_decay=-0.1)
    Traceback (most recent call last):
        ...
    ValueError: weight_decay must be at least 0, got -0.1
    """
    for name, number in numbers.items():
        if _seen(name, number) and not number >= low:
            raise ValueError(f"{name} must be at least {low}, got {number}")


def positive(**numbers: Any) -> None:
    """Refuse a number that is not positive and finite.

    Examples
    --------
    >>> from dlnotes.checks import positive
    >>> positive(learning_rate=float("inf"))
    Traceback (most recent call last):
        ...
    ValueError: learning_rate must be positive and finite, got inf
    """
    for name, number in numbers.items():
        if _seen(name, number) and not 0 < number < float("inf"):
            raise ValueError(f"{name} must be positive and finite, got {number}")


def in_range(
    low: float, high: float, /, *, half_open: bool = False, **numbers: Any
) -> None:
    """Refuse a number outside an interval, whose upper end may be left out.

    Examples
    --------
    >>> from dlnotes.checks import in_range
    >>> in_range(0, 1, dampening=1.0)
    >>> in_range(0, 1, half_open=True, beta1=1.0)
    Traceback (most recent call last):
        ...
    ValueError: beta1 must be at least 0 and less than 1, got 1.0
    """
    for name, number in numbers.items():
        if not _seen(name, number):
            continue
        if half_open and not low <= number < high:
            raise ValueError(
                f"{name} must be at least {low} and less than {high}, got {number}"
            )
        if not low <= number <= high:
            raise ValueError(f"{name} must be from {low} to {high}, got {number}")


def integer(low: int, /, **numbers: Any) -> None:
    """Refuse what is no integer, or below a limit.

    Examples
    --------
    >>> from dlnotes.checks import integer
    >>> integer(1, max_epochs=2.5)
    Traceback (most recent call last):
        ...
    ValueError: max_epochs must be an int of at least 1, got 2.5
    """
    for name, number in numbers.items():
        if not (_whole(number) and number >= low):
            raise ValueError(f"{name} must be an int of at least {low}, got {number}")


def pair(low: int, /, **settings: int | tuple[int, ...]) -> tuple[int, int]:
    """Return a setting for the height and for the width, given once or twice.

    Examples
    --------
    >>> from dlnotes.checks import pair
    >>> pair(1, stride=2), pair(0, padding=(1, 0))
    ((2, 2), (1, 0))
    """
    ((name, setting),) = settings.items()
    both = setting if isinstance(setting, tuple) else (setting, setting)
    if len(both) != 2 or not all(_whole(each) and each >= low for each in both):
        raise ValueError(
            f"{name} must be an int or a pair of ints, at least {low}, got {setting}"
        )
    return both[0], both[1]


def entries(low: int, /, **arrays: Any) -> None:
    """Refuse an array that has too few entries, or rows.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.checks import entries
    >>> entries(2, losses=np.ones(1))
    Traceback (most recent call last):
        ...
    ValueError: losses must have at least 2 entries, got 1
    """
    for name, array in arrays.items():
        if array.shape[0] < low:
            noun = "entry" if low == 1 else "entries"
            raise ValueError(
                f"{name} must have at least {low} {noun}, got {array.shape[0]}"
            )


def finite(**arrays: Any) -> None:
    """Refuse an array with an entry that is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.checks import finite
    >>> finite(hessian=np.array([1.0, np.inf]))
    Traceback (most recent call last):
        ...
    ValueError: hessian must be finite, got NaN or infinity
    """
    for name, array in arrays.items():
        if anywhere(~array_namespace(array).isfinite(array)):
            raise ValueError(f"{name} must be finite, got NaN or infinity")


def generator(**generators: Any) -> None:
    """Refuse what is no random generator of NumPy.

    Examples
    --------
    >>> from dlnotes.checks import generator
    >>> generator(rng=0)
    Traceback (most recent call last):
        ...
    TypeError: rng must be a numpy.random.Generator such as default_rng(0), got int
    """
    for name, value in generators.items():
        if not isinstance(value, np.random.Generator):
            raise TypeError(
                f"{name} must be a numpy.random.Generator such as default_rng(0), "
                f"got {type(value).__name__}"
            )


def _seen(name: str, number: Any) -> bool:
    """Say whether a number is to be looked at, and refuse what is none."""
    if isinstance(number, int | float | np.number):
        return True
    if hasattr(number, "dtype") or type(number).__name__ in ("SymInt", "SymFloat"):
        return False
    raise TypeError(f"{name} must be a number, got {type(number).__name__}")


def _whole(number: Any) -> bool:
    """Say whether a number is an integer; one that PyTorch traces is."""
    return isinstance(number, Integral) or type(number).__name__ == "SymInt"
