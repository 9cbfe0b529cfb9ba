"""Say how a result differs from the one wanted, for which input, and in which line."""

import linecache
import traceback
from collections.abc import Iterable
from inspect import unwrap
from pathlib import Path
from typing import Any

import numpy as np

from dlnotes.exercises.exercise import Answer, Case
from dlnotes.exercises.results import close, is_single, near, parts
from dlnotes.exercises.running import Outcome
from dlnotes.wording import join_words

SMALL = 8  # numbers of an input that are shown one by one


def difference(given: Outcome, wanted: Outcome, answer: Answer, asked: str) -> str:
    """Describe how a result differs from the one wanted, in general terms.

    Parameters
    ----------
    given
        What the answer did.
    wanted
        What the solution did for the same input.
    answer
        The answer, to find the line that failed.
    asked
        The call that the task asks for.
    """
    changed = f"changes its argument {given.changed} in place." if given.changed else ""
    also = f" It also {changed}" if changed else ""
    if given.error is not None:
        return f"{failure(given.error, answer, asked)}{also}"
    if given.misfit:
        return f"{given.misfit}{also}"
    theirs = dict(given.parts)
    for path, right in wanted.parts:
        if not close(theirs[path], right):
            return f"Its result{path} {_how(theirs[path], right)}{also}"
    return f"It {changed}" if changed else ""


def miscalculated(given: Outcome, wanted: Outcome) -> bool:
    """Tell whether a result has the shape of the one wanted and other numbers.

    Parameters
    ----------
    given
        What the answer did.
    wanted
        What the solution did for the same input.
    """
    if given.error or given.misfit:
        return False
    theirs = dict(given.parts)
    for path, right in wanted.parts:
        if not close(got := theirs[path], right):
            return (
                right is not None
                and got.shape == right.shape
                and not _turned(got, right)
            )
    return False


def nearly(given: Outcome, wanted: Outcome) -> bool:
    """Tell whether a result is the one wanted to about seven digits.

    Parameters
    ----------
    given
        What the answer did.
    wanted
        What the solution did for the same input.
    """
    if given.error or given.misfit or given.changed:
        return False
    theirs = dict(given.parts)
    return all(
        close(theirs[path], right)
        or (
            right is not None
            and theirs[path].shape == right.shape
            and _seven_digits(theirs[path], right)
        )
        for path, right in wanted.parts
    )


def failure(error: BaseException, answer: Answer, asked: str) -> str:
    """Say what an answer raised, and in which of its lines.

    Parameters
    ----------
    error
        What it raised.
    answer
        The function that raised it.
    asked
        The call that the task asks for.
    """
    code = getattr(unwrap(answer), "__code__", None)
    where = line_of(error, code.co_filename) if code else ""
    if isinstance(error, SystemExit):
        return f"It ends the program{where}."
    if isinstance(error, NotImplementedError) and where:
        return f"It is not written yet{where}."
    if isinstance(error, TypeError) and code and not where:
        return f"It cannot be called as `{asked}`: {error}."
    return f"It fails{where}: {named(error)}."


def named(error: BaseException) -> str:
    """Return the name of an error and its message.

    Parameters
    ----------
    error
        What was raised.
    """
    text = str(error).rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def line_of(error: BaseException, file: str) -> str:
    """Say which line of a file raised an error; nothing if none did.

    Parameters
    ----------
    error
        What was raised.
    file
        The file's name, as Python knows it.
    """
    frames = traceback.extract_tb(error.__traceback__)
    lines = [each.lineno or 0 for each in frames if each.filename == file]
    return line(file, lines[-1]) if lines else ""


def line(file: str, number: int) -> str:
    """Return a line's number and its text, for use in a sentence.

    Parameters
    ----------
    file
        The file's name, as Python knows it.
    number
        Of the line, from 1.
    """
    cell = file.startswith("<") or "ipykernel" in file
    place = "" if cell else f" of {Path(file).name}"
    text = linecache.getline(file, number).strip()
    return f" in line {number}{place}{text and f', `{text}`'}"


def described(case: Case) -> str:
    """Say for which input a result was wrong: shapes, settings, and a few numbers.

    Parameters
    ----------
    case
        The inputs by name.
    """
    said = [
        f"{name}{path} {_value(value)}"
        for name, argument in case.items()
        for path, value in _shown(argument)
        if value is not None
    ]
    single = any(is_single(value) for _, value in parts(dict(case)))
    how = ", in single precision" if single else ""
    return f"Seen for {join_words(said)}{how}."


def _shown(argument: Any) -> list[tuple[str, Any]]:
    """Take an input apart, but for a tuple of whole numbers, such as a shape."""
    if isinstance(argument, tuple) and all(isinstance(each, int) for each in argument):
        return [("", argument)]
    return parts(argument)


def _value(value: Any) -> str:
    """Show a number, a function or a small array, or tell the shape of a large one."""
    if isinstance(value, tuple) or callable(value):
        return f"= {getattr(value, '__name__', value)}"
    array = np.asarray(value)
    if array.ndim == 0:
        return f"= {array:.6g}" if array.dtype.kind == "f" else f"= {value}"
    if array.size > SMALL:
        return f"of shape {array.shape}"
    with np.printoptions(precision=6):
        return f"= {' '.join(np.array2string(array, separator=', ').split())}"


def _how(got: Any, right: Any) -> str:
    """Say how an array differs from the one wanted."""
    if right is None:
        return "should be None."
    turned = _turned(got, right)
    if got.shape != right.shape:
        note = " (transposed)" if turned else ""
        return f"has shape {got.shape}, not {right.shape}{note}."
    if turned:
        return "is the transpose of what it should be."
    wrong = ~near(got, right)
    if right.dtype.kind in "fc" and _seven_digits(got[wrong], right[wrong]):
        first = _first(got, right, wrong)
        return f"{first} About seven digits are right, as in single precision."
    if ratio := _ratio(got, right):
        return f"is {ratio} times what it should be."
    return _first(got, right, wrong)


def _turned(got: Any, right: Any) -> bool:
    """Tell whether an array is the transpose of the one wanted."""
    return got.ndim > 1 and got.T.shape == right.shape and close(got.T, right)


def _seven_digits(got: Any, right: Any) -> bool:
    """Tell whether numbers differ as in single precision."""
    near_by = np.isclose(got, right, rtol=1e-6, atol=0) & np.isfinite(right)
    return bool(near_by.all())


def multiple(results: Iterable[tuple[Outcome, Outcome]]) -> str:
    """Say by what all results are multiplied, if each is one array of real numbers.

    Parameters
    ----------
    results
        What an answer and the solution did for each input.
    """
    numbers: list[tuple[Any, Any]] = []
    for given, wanted in results:
        got, right = (dict(each.parts) for each in (given, wanted))
        if len(right) != 1 or got.keys() != right.keys() or given.changed:
            return ""
        numbers += [(got[path], right[path]) for path in right]
    if not numbers or any(b is None or a.shape != b.shape for a, b in numbers):
        return ""
    ours = np.concatenate([np.ravel(a) for a, _ in numbers])
    return _ratio(ours, np.concatenate([np.ravel(b) for _, b in numbers]))


def _ratio(got: Any, right: Any) -> str:
    """Say by what one array of different real numbers is multiplied to give another."""
    if right.dtype.kind != "f" or np.unique(right[right != 0]).size < 2:
        return ""
    with np.errstate(all="ignore"):
        ratio = (got[right != 0] / right[right != 0]).flat[0]
        constant = np.isfinite(ratio) and close(got, ratio * right)
    shown = f"{ratio:.4g}"
    return shown if constant and shown != "1" and abs(ratio) > 1e-6 else ""


def _first(got: Any, right: Any, wrong: Any) -> str:
    """Show the first of the numbers that are wrong."""
    at = np.unravel_index(np.argmax(wrong), right.shape)
    place = f"at {[int(i) for i in at]} " if at else ""
    shown = " instead of ".join(numbers(got[at], right[at]))
    count = f"; {int(wrong.sum())} of {wrong.size} numbers differ" if at else ""
    return f"{place}is {shown}{count}."


def numbers(one: Any, other: Any) -> tuple[str, str]:
    """Write two numbers with as many digits as tell them apart.

    Parameters
    ----------
    one, other
        Two numbers that differ.

    Examples
    --------
    >>> numbers(0.25, 0.5)
    ('0.25', '0.5')
    >>> numbers(0.1234567891, 0.1234567892)
    ('0.1234567891', '0.1234567892')
    >>> numbers(5260500, 5260460)
    ('5260500', '5260460')
    """
    if all(isinstance(each, int | np.integer) for each in (one, other)):
        return str(one), str(other)
    for digits in range(6, 18):
        shown = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if shown[0] != shown[1]:
            break
    return shown
