"""Find what is wrong with an exercise: wrong answers that it would call right."""

from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter, signature
from itertools import combinations
from typing import Any

import numpy as np

from dlnotes.exercises.checking import check
from dlnotes.exercises.exercise import Answer, Exercise
from dlnotes.exercises.results import mapped, parts
from dlnotes.exercises.running import alike, call, run, trials

LIMIT = 10.0  # what an argument is clipped to
JITTER = 1e-7  # more than rounding does, less than anything else

Leaves = list[dict[str, Any]]  # of each trial: where an argument's part stands -> it


def defects(exercise: Exercise) -> Iterator[str]:
    """Yield what is wrong with the exercise itself: nothing, if it is sound.

    Its solution must be right, each mistake told from the others, and generic wrong
    answers, such as one that is right for a single shape or setting, called wrong.

    Parameters
    ----------
    exercise
        The exercise to examine.
    """
    if (message := check(exercise, exercise.solution).message) != "Right.":
        yield f"its own solution is answered by {message!r}"
    for mistake in exercise.mistakes:
        if (message := check(exercise, mistake.wrong).message) != mistake.message:
            yield f"{mistake.message!r} is answered by {message!r}"
    passed = set(_passed(exercise))
    for words in passed - {*exercise.harmless}:
        yield f"no input shows an answer that {words}"
    for words in {*exercise.harmless} - passed:
        yield f"an answer that {words} is not harmless"


def _passed(exercise: Exercise) -> Iterator[str]:
    """Yield what generic wrong answers do that would be called right."""
    cases, wanted = trials(exercise)
    leaves: Leaves = [dict(parts(case)) for case in cases]
    for words, where in _conditions(exercise, leaves):
        if all(map(where, leaves)):
            yield f"is right only where {words}"
    made = [value for each in wanted for _, value in parts(each.value)]
    arrays = any(isinstance(value, np.ndarray) for value in made)
    for words, wrong in _distortions(exercise, leaves, arrays=arrays):
        outcomes = (run(wrong, c, w) for c, w in zip(cases, wanted, strict=True))
        if all(map(alike, outcomes, wanted)):
            yield words


Condition = tuple[str, Callable[[Mapping[str, Any]], bool]]


def _conditions(exercise: Exercise, leaves: Leaves) -> Iterator[Condition]:
    """Yield conditions that an answer might take for granted."""
    for path in leaves[0]:
        values = [leaf[path] for leaf in leaves if path in leaf]
        if isinstance(values[0], np.ndarray | list):
            yield from _axes(exercise, path, [np.asarray(value) for value in values])
        if _real(values[0]):
            yield from _sizes(path, values)
        elif isinstance(values[0], int):
            yield from _integers(exercise, path)


def _axes(exercise: Exercise, path: str, values: list[Any]) -> Iterator[Condition]:
    """Yield conditions on the shape of an array."""
    axes = {value.ndim for value in values}
    if "shape" in exercise.task:
        for few in (0, 1, 2):
            yield from _axis_count(path, few)
    if len(axes) == 1:
        for k, size in enumerate(values[0].shape):
            yield from _axis(path, k, size)
        for j, k in combinations(range(values[0].ndim), 2):
            yield _pair(path, j, k)


def _axis_count(path: str, few: int) -> Iterator[Condition]:
    yield (
        f"{_name(path)} has more than {few} axes",
        lambda leaf: np.ndim(leaf[path]) > few,
    )
    yield (
        f"{_name(path)} has at most {few} axes",
        lambda leaf: np.ndim(leaf[path]) <= few,
    )


def _axis(path: str, k: int, size: int) -> Iterator[Condition]:
    yield (
        f"axis {k} of {_name(path)} has more than one entry",
        lambda leaf: np.shape(leaf[path])[k] > 1,
    )
    yield (
        f"axis {k} of {_name(path)} has {size} entries",
        lambda leaf: np.shape(leaf[path])[k] == size,
    )


def _pair(path: str, j: int, k: int) -> Condition:
    return (
        f"axes {j} and {k} of {_name(path)} are equally long",
        lambda leaf: np.shape(leaf[path])[j] == np.shape(leaf[path])[k],
    )


def _sizes(path: str, values: list[Any]) -> Iterator[Condition]:
    """Yield conditions on the numbers of an array, unless they stand for classes."""
    name = _name(path)
    yield f"{name} is in double precision", lambda leaf: leaf[path].dtype != np.float32
    if _classes(values):
        return
    yield f"{name} has no zero", lambda leaf: bool(np.all(leaf[path]))
    yield (
        f"{name} stays below {LIMIT}",
        lambda leaf: bool((np.abs(leaf[path]) < LIMIT).all()),
    )
    yield (
        f"{name} has a number above 1e-3",
        lambda leaf: bool((np.abs(leaf[path]) > 1e-3).any()),
    )


def _integers(exercise: Exercise, path: str) -> Iterator[Condition]:
    """Yield conditions on a whole number whose default is 0 or 1."""
    name, default = _name(path), _default(exercise, path)
    if default in (0, 1):
        yield f"{name} is not {default}", lambda leaf: leaf[path] != default
        yield f"{name} is at most {default + 1}", lambda leaf: leaf[path] <= default + 1


def _distortions(
    exercise: Exercise, leaves: Leaves, *, arrays: bool
) -> Iterator[tuple[str, Answer]]:
    """Yield wrong answers that are the solution with other inputs, or another end."""
    for path, first in leaves[0].items():
        name, default = _name(path), _default(exercise, path)
        if isinstance(first, int | float):
            yield f"takes {name} for its first value", _frozen(exercise, path, first)
            if isinstance(default, int | float):
                yield f"takes {name} for its default", _frozen(exercise, path, default)
        elif isinstance(first, np.ndarray):
            values = [leaf[path] for leaf in leaves if path in leaf]
            yield f"leaves out {name}", _with(exercise, path, np.zeros_like)
            if _real(first) and not _classes(values):
                yield f"clips {name}", _with(exercise, path, _clipped)
                yield f"moves {name} a little", _with(exercise, path, _jittered)
    if arrays:
        yield "drops axes of one entry", _ending(exercise, np.squeeze)


def _with(exercise: Exercise, path: str, change: Callable[[Any], Any]) -> Answer:
    """Return the solution with one of its inputs changed."""

    def wrong(**given: Any) -> Any:
        def changed(at: str, value: Any) -> Any:
            return change(value) if at == path else value

        return call(exercise.solution, mapped(changed, given))

    return wrong


def _frozen(exercise: Exercise, path: str, value: float) -> Answer:
    """Return the solution with one of its settings fixed."""
    return _with(exercise, path, lambda _given: value)


def _ending(exercise: Exercise, change: Callable[[Any], Any]) -> Answer:
    """Return the solution with its result changed."""

    def wrong(**given: Any) -> Any:
        def changed(_path: str, value: Any) -> Any:
            return change(value) if isinstance(value, np.ndarray) else value

        return mapped(changed, call(exercise.solution, given))

    return wrong


def _clipped(value: Any) -> Any:
    return np.clip(value, -LIMIT, LIMIT)


def _jittered(value: Any) -> Any:
    moved = np.random.default_rng(0).uniform(1, 2, size=value.shape)
    return (value + JITTER * moved * (1 + np.abs(value))).astype(value.dtype)


def _real(value: Any) -> bool:
    """Tell whether a value is an array of real numbers."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _classes(values: list[Any]) -> bool:
    """Tell whether an array holds whole numbers from zero on that stand for classes."""
    return all(
        (np.asarray(value) % 1 == 0).all() and value.min() >= 0 for value in values
    )


def _name(path: str) -> str:
    """Return how a task names a part of an argument: ``model.W``, say."""
    return path.replace("['", "").replace("']", "")


def _default(exercise: Exercise, path: str) -> Any:
    """Return the default of an argument in the solution's signature."""
    known = signature(exercise.solution).parameters.get(_name(path))
    return known.default if known and known.default is not Parameter.empty else None
