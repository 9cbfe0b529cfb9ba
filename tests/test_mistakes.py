"""Every mistake that an exercise knows, planted in its section, breaks the tests.

``pytest -m mistakes`` runs them.  Each runs the section's own tests in a forked
process, where the mistake stands in place of the section's function.
"""

import os
import signal
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, is_dataclass
from functools import wraps
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

import numpy as np
import pytest
import torch

from dlnotes.exercises import Exercise, Mistake, every
from dlnotes.exercises.results import equal, parts
from dlnotes.exercises.running import call as call_answer

pytestmark = [
    pytest.mark.mistakes,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork"),
]

SECONDS = 600  # after which a process that hangs is ended
OPTIONS = [
    *("-xq", "--assert=plain", "-pno:randomly", "-pno:cacheprovider"),
    *("-k", "not compiled and not elsewhere and not jax"),  # a mistake is NumPy code
]
PLANTED = [(exercise, each) for exercise in every() for each in exercise.mistakes]


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """Load once what every process would load for itself."""
    import scipy.stats  # noqa: F401

    torch.compiler.reset()  # for its imports, which the optimizers need


def name(planted: tuple[Exercise, Mistake]) -> str:
    exercise, mistake = planted
    return f"{exercise.name}: {mistake.message.partition('.')[0]}"


@pytest.mark.parametrize("planted", PLANTED, ids=name)
def test_the_tests_of_the_section_notice(
    planted: tuple[Exercise, Mistake], tmp_path: Path
) -> None:
    exercise, mistake = planted

    code = planting(exercise, mistake.wrong, tmp_path / "log")

    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert code == pytest.ExitCode.TESTS_FAILED, (
        f"the tests of {exercise.section} end with {code!r} where {exercise.name} "
        f"is answered by the mistake {mistake.message!r}\n{log}"
    )


@pytest.mark.parametrize("exercise", every(), ids=lambda each: each.name)
def test_the_tests_of_the_section_stay_green_with_the_solution_planted(
    exercise: Exercise, tmp_path: Path
) -> None:
    code = planting(exercise, exercise.solution, tmp_path / "log")

    assert code == pytest.ExitCode.OK, (tmp_path / "log").read_text(encoding="utf-8")


def planting(exercise: Exercise, answer: Callable[..., Any], log: Path) -> int:
    """Run a section's tests with an answer in place of its function."""
    section = import_module(f"dlnotes.{exercise.section}")
    function = exercise.solution.__name__
    assert getattr(section, function) is exercise.solution
    chapter, module = exercise.section.split(".")
    tests = Path(__file__).parent / chapter / f"test_{module}.py"
    if (child := os.fork()) == 0:
        setattr(section, function, stand_in(exercise.solution, answer))
        run(tests, log)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run(tests: Path, log: Path) -> NoReturn:
    """Run a test module afresh, and end the process with pytest's exit code."""
    code = int(pytest.ExitCode.INTERNAL_ERROR)
    try:
        signal.alarm(SECONDS)
        torch.set_num_threads(1)  # a forked process has none of the others
        for module in [each for each in sys.modules if each.startswith("tests.")]:
            del sys.modules[module]
        with log.open("w", encoding="utf-8") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
            sys.stdout = sys.stderr = stream
            code = int(pytest.main([*OPTIONS, str(tests)]))
    finally:
        os._exit(code)


def stand_in(
    solution: Callable[..., Any], answer: Callable[..., Any]
) -> Callable[..., Any]:
    """Make an answer that was written for NumPy do for both engines.

    It refuses what the solution refuses, and what it returns has the types of what the
    solution returns, so that only what it computes makes a test fail.  A test is
    skipped that wants what NumPy cannot do, or inputs that the exercise does not have.
    """
    order = signature(solution)

    @wraps(solution)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = {
            name: value
            for name, value in order.bind(*args, **kwargs).arguments.items()
            if np.ndim(value) or value != order.parameters[name].default
        }
        try:
            arrays = mapped(as_numpy, given)
        except RuntimeError as error:  # a gradient is wanted
            pytest.skip(str(error))
        section, function = sys.modules[solution.__module__], solution.__name__
        with patch.object(section, function, solution), np.errstate(all="ignore"):
            wanted = solution(*args, **kwargs)
            try:
                got = call_answer(answer, arrays)
                if equal(parts(got), parts(mapped(as_numpy, wanted))):
                    return wanted
                return mapped(typed, wanted, got)
            except Exception as error:  # whatever the answer may raise
                pytest.skip(repr(error))

    return call


def mapped(function: Callable[..., Any], value: Any, *others: Any) -> Any:
    """Apply a function to each leaf of nested values that are built alike."""
    values = (value, *others)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {
            each.name: mapped(function, *(getattr(v, each.name) for v in values))
            for each in fields(value)
        }
        return type(value)(**parts)
    if isinstance(value, dict):
        return {key: mapped(function, *(v[key] for v in values)) for key in value}
    if isinstance(value, tuple | list):
        return type(value)(mapped(function, *v) for v in zip(*values, strict=True))
    return function(*values)


def as_numpy(value: Any) -> Any:
    """Return a tensor's array, and a generator that can be drawn from once more."""
    if isinstance(value, np.random.Generator):
        return deepcopy(value)
    return value.numpy() if isinstance(value, torch.Tensor) else value


def typed(wanted: Any, value: Any) -> Any:
    """Return a value in the library and the precision of the one wanted."""
    if isinstance(wanted, torch.Tensor):
        return torch.asarray(typed(wanted.numpy(), value))
    if isinstance(wanted, np.ndarray | np.generic):
        value = np.asarray(value)
        floating = value.dtype.kind == wanted.dtype.kind == "f"
        return value.astype(wanted.dtype) if floating else value
    return value
