"""Call an answer on an input, and note what it did."""

import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from inspect import Parameter, Signature, signature
from typing import Any

import numpy as np

from dlnotes.exercises.exercise import Answer, Case, Exercise
from dlnotes.exercises.results import MisfitError, equal, fitted, parts

TRIALS = 32


@dataclass(frozen=True)
class Outcome:
    """What a call did: its result by parts, or why there is none, and what else."""

    parts: tuple[tuple[str, Any], ...] = ()
    value: Any = None
    error: BaseException | None = None
    misfit: str = ""
    changed: str = ""
    warned: frozenset[str] = frozenset()


@cache
def trials(
    exercise: Exercise, count: int = TRIALS
) -> tuple[tuple[Case, ...], tuple[Outcome, ...]]:
    """Draw inputs for an exercise, the same ones every time, and run its solution.

    Parameters
    ----------
    exercise
        Whose inputs to draw.
    count
        How many.

    Raises
    ------
    ValueError
        If the solution fails.
    """
    order = list(signature(exercise.solution).parameters)
    drawn = [exercise.inputs(np.random.default_rng(seed)) for seed in range(count)]
    cases = [{name: case[name] for name in order if name in case} for case in drawn]
    wanted = [run(exercise.solution, case) for case in cases]
    for each in wanted:
        if each.error or each.misfit:
            reason = each.misfit or repr(each.error)
            raise ValueError(f"the solution of {exercise.name} fails: {reason}")
    return tuple(cases), tuple(wanted)


def run(function: Answer, case: Case, wanted: Outcome | None = None) -> Outcome:
    """Call a function on copies of the inputs, and watch it.

    Parameters
    ----------
    function
        An answer, a mistake or the solution.
    case
        The inputs by name.
    wanted
        What the solution did, whose result says how to take this one apart.
    """
    given = deepcopy(dict(case))
    value, error = None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = call(function, given)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # whatever a reader's code may raise, or exit
            error = raised
    found, misfit = _read(value, value if wanted is None else wanted.value, error)
    changed = [
        name for name in case if not equal(parts(given[name]), parts(case[name]))
    ]
    warned = frozenset(str(each.message) for each in caught)
    return Outcome(found, value, error, misfit, "".join(changed[:1]), warned)


def _read(
    value: Any, like: Any, error: BaseException | None
) -> tuple[tuple[tuple[str, Any], ...], str]:
    """Take a result apart, or say why that cannot be done."""
    if error is not None:
        return (), ""
    try:
        return tuple(fitted(value, like)), ""
    except MisfitError as misfit:
        return (), str(misfit)


def call(function: Answer, given: Mapping[str, Any]) -> Any:
    """Call a function by name where the names fit, else by position.

    Parameters
    ----------
    function
        An answer, whose parameters may have other names than the solution's.
    given
        The inputs by name, in the solution's order.
    """
    try:
        known = signature(function)
    except (TypeError, ValueError):  # a function written in C
        return function(*given.values())
    for args, kwargs in _ways(known, given):
        try:
            known.bind(*args, **kwargs)
        except TypeError:  # other names
            continue
        try:
            return function(*args, **kwargs)
        except TypeError:
            if not _open(known):
                raise
    return function(*given.values())


def _open(known: Signature) -> bool:
    """Tell whether a function says that it takes anything, as a decorated one does."""
    kinds = {each.kind for each in known.parameters.values()}
    return kinds == {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}


def _ways(
    known: Signature, given: Mapping[str, Any]
) -> list[tuple[list[Any], dict[str, Any]]]:
    """Return ways to hand on the inputs: by name, and by position but for some."""
    taken = known.parameters.values()
    named = {each.name for each in taken if each.kind is Parameter.KEYWORD_ONLY}
    rest = [name for name in given if name not in named]
    kinds = Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD
    places = rest[: sum(each.kind in kinds for each in taken)]
    order = [*places, *(name for name in given if name not in places)]
    counts = list(range(len(given) + 1)) if _open(known) else [0, len(places)]
    return [
        (
            [given[name] for name in order[:count]],
            {name: given[name] for name in order[count:]},
        )
        for count in counts
    ]


def alike(one: Outcome, other: Outcome, *, single: bool = False) -> bool:
    """Tell whether two calls did the same, warnings aside.

    Parameters
    ----------
    one, other
        What `run` returned for the same inputs.
    single
        Whether the inputs are in single precision.
    """
    failed = type(one.error) is type(other.error) and one.misfit == other.misfit
    return (
        failed
        and one.changed == other.changed
        and equal(one.parts, other.parts, single=single)
    )
