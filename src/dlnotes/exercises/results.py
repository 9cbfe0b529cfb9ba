"""Take results apart, and compare them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

Parts = Sequence[tuple[str, Any]]

# What rounding may change, as a share of a number and of the largest one beside it.
DOUBLE, SINGLE = (1e-9, 2e-14), (1e-5, 1e-5)


class MisfitError(TypeError):
    """A result of another kind than the one wanted; it says so in a sentence."""


def parts(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Take a nested value apart: where each of its arrays stands, and the array.

    Parameters
    ----------
    value
        An array or a number, or a tuple, list, mapping or dataclass of such.
    path
        Where the value itself stands.

    Examples
    --------
    >>> parts({"a": (1, 2), "b": [3, 4]})
    [("['a'][0]", 1), ("['a'][1]", 2), ("['b']", [3, 4])]
    """
    if isinstance(value, np.random.Generator):
        return []
    inner = _inner(value)
    if inner is None:
        return [(path, value)]
    return [part for at, each in inner for part in parts(each, f"{path}{at}")]


def mapped(function: Callable[[str, Any], Any], value: Any, path: str = "") -> Any:
    """Build a nested value anew from its parts, each put through a function.

    Parameters
    ----------
    function
        Takes where a part stands, and the part.
    value
        What `parts` takes apart.
    path
        Where the value itself stands.
    """
    inner = _inner(value)
    if inner is None:
        return function(path, value)
    made = [mapped(function, each, f"{path}{at}") for at, each in inner]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **dict(zip((f.name for f in fields(value)), made, strict=True))
        )
    if isinstance(value, Mapping):
        return dict(zip(value, made, strict=True))
    return type(value)(made)


def _inner(value: Any) -> list[tuple[str, Any]] | None:
    """Return what a container holds and where, or None for what is none."""
    if is_dataclass(value) and not isinstance(value, type):
        return [(f".{f.name}", getattr(value, f.name)) for f in fields(value)]
    if isinstance(value, Mapping):
        return [(f"[{key!r}]", each) for key, each in value.items()]
    if isinstance(value, tuple) or (
        isinstance(value, list) and any(_axes(each) for each in value)
    ):
        return [(f"[{k}]", each) for k, each in enumerate(value)]
    return None


def _axes(value: Any) -> int:
    """Count the axes of an array or of nested lists."""
    if isinstance(value, list | tuple):
        return 1
    return getattr(value, "ndim", 0)


def equal(ours: Parts, theirs: Parts, *, single: bool = False) -> bool:
    """Tell whether two lists of parts are the same, rounding aside.

    Parameters
    ----------
    ours, theirs
        What `parts` or `fitted` return.
    single
        Whether they were computed from numbers in single precision.
    """
    known = dict(theirs)
    scale = max((_largest(value) for value in known.values()), default=0.0)
    return dict(ours).keys() == known.keys() and all(
        close(value, known[path], single=single, scale=scale) for path, value in ours
    )


def _largest(value: Any) -> float:
    """Return the size of the largest finite number of a part, 0 if it has none."""
    numbers = np.asarray(value)
    if numbers.dtype.kind not in "fc":
        return 0.0
    return float(np.abs(numbers[np.isfinite(numbers)]).max(initial=0))


def close(got: Any, right: Any, *, single: bool = False, scale: float = 0.0) -> bool:
    """Tell whether a part is the one wanted, rounding aside.

    Parameters
    ----------
    got, right
        Arrays or numbers, or None.
    single
        Whether they were computed from numbers in single precision.
    scale
        The size of numbers that were computed with them, for a part that should be 0.
    """
    if got is right or got is None or right is None:
        return got is right
    if type(got) is type(right) is np.ndarray and np.array_equal(got, right):
        return True
    try:
        ours, theirs = as_array(got), as_array(right)
    except MisfitError:
        return bool(np.all(np.asarray(got, object) == np.asarray(right, object)))
    return ours.shape == theirs.shape and bool(
        near(ours, theirs, single=single, scale=scale).all()
    )


def near(got: Any, right: Any, *, single: bool = False, scale: float = 0.0) -> Any:
    """Tell of each number whether it is the one wanted, rounding aside.

    Whole numbers are not rounded.  For others, what rounding may change depends on the
    precision of both arrays, and of what they were computed from.

    Parameters
    ----------
    got, right
        Arrays of one shape.
    single
        Whether they were computed from numbers in single precision.
    scale
        As for `close`.
    """
    if got.dtype.kind in "biu" and right.dtype.kind in "biu":
        return got == right
    single = single or is_single(got) or is_single(right)
    rtol, atol = SINGLE if single else DOUBLE
    largest = np.abs(right[np.isfinite(right)]).max(initial=0) or scale
    with np.errstate(all="ignore"):
        return np.isclose(got, right, rtol=rtol, atol=atol * largest, equal_nan=True)


def is_single(value: Any) -> bool:
    """Tell whether a value is an array in single precision."""
    return getattr(value, "dtype", None) == np.float32


def as_array(value: Any) -> Any:
    """Return what an answer returned as an array of numbers.

    Parameters
    ----------
    value
        An array of any library, also a tensor that requires a gradient or is on
        another device; a number; or nested lists of numbers.

    Raises
    ------
    MisfitError
        If it cannot be read as numbers.
    """
    try:
        if callable(getattr(value, "detach", None)):
            value = value.detach().cpu()
        array = np.asarray(value)
    except Exception as error:
        raise MisfitError(f"cannot be read as an array: {error!r}") from None
    if array.dtype.kind not in "biufc":
        raise MisfitError(f"is {_described(value)}, not numbers")
    return array


def fitted(got: Any, wanted: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Take a result apart as the one wanted is, in arrays.

    A list stands for a tuple and a tuple for a list, and any object stands for a
    dataclass if it has its fields.

    Parameters
    ----------
    got
        What an answer returned.
    wanted
        What the solution returned.
    path
        Where in the result they stand.

    Raises
    ------
    MisfitError
        If the result is of another kind than the one wanted.
    """
    if is_dataclass(wanted) or isinstance(wanted, tuple):
        for at, each, right in _matched(got, wanted, path):
            yield from fitted(each, right, f"{path}{at}")
    elif wanted is None:
        yield path, got
    else:
        yield path, _leaf(got, wanted, path)


def _matched(got: Any, wanted: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Pair what a result holds with what it should hold."""
    inner = _inner(wanted) or []
    if isinstance(wanted, tuple):
        scalars = not any(map(_axes, wanted))
        if not isinstance(got, tuple | list) and not (scalars and _axes(got) == 1):
            raise _misfit(got, wanted, path)
        if len(got) != len(wanted):
            raise _misfit(got, wanted, path)
        yield from ((at, got[k], each) for k, (at, each) in enumerate(inner))
        return
    for at, each in inner:
        name = at[1:]
        if isinstance(got, Mapping) and name in got:
            yield at, got[name], each
        elif hasattr(got, name) and not isinstance(got, type):
            yield at, getattr(got, name), each
        elif each is None:
            yield at, None, None
        else:
            raise _misfit(got, wanted, path)


def _leaf(got: Any, wanted: Any, path: str) -> Any:
    """Return an array, if a result is of the kind that is wanted."""
    container = isinstance(got, tuple | list | Mapping) or is_dataclass(got)
    listed = (isinstance(wanted, list) and isinstance(got, tuple | list)) or (
        isinstance(got, list) and getattr(wanted, "ndim", 0) > 0
    )
    if got is None or (container and not listed):
        raise _misfit(got, wanted, path)
    try:
        ours, theirs = as_array(got), as_array(wanted)
    except MisfitError as error:
        raise MisfitError(f"Its result{path} {error}.") from None
    kinds = ours.dtype.kind, theirs.dtype.kind
    if ours.shape == theirs.shape and near(ours, theirs).all():
        if kinds[0] == "b" != kinds[1]:
            raise MisfitError(f"Its result{path} is True and False, not 1 and 0.")
        if kinds[1] in "iu" and kinds[0] not in "iu":
            whole = "an int is" if np.ndim(wanted) == 0 else "ints are"
            raise MisfitError(f"Its result{path} is {got!r}, but {whole} wanted.")
        if kinds[0] == "c" != kinds[1]:
            raise MisfitError(f"Its result{path} is of complex numbers.")
    return ours


def _misfit(got: Any, wanted: Any, path: str) -> MisfitError:
    if got is None and not path:
        return MisfitError("It returns nothing: is a return missing?")
    return MisfitError(
        f"Its result{path} is {_described(got)}, not {_described(wanted)}."
    )


def _described(value: Any) -> str:
    """Name the kind of a value."""
    if value is None:
        return "None"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if is_dataclass(value) and not isinstance(value, type):
        names = ", ".join(f.name for f in fields(value))
        return f"a {type(value).__name__} with {names}"
    if _axes(value) or isinstance(value, np.generic):
        return "an array"
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
