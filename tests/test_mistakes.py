"""Every mistake that an exercise knows, put in its section, breaks the tests.

``pytest -m mistakes`` does so.  A mutant is a section with something else in the place
of a solution; with each solution in its own place it is the control, and the tests must
stay green.
The tests of a section are collected once, in a forked process, which forks another for
each mutant.

The test that caught a mistake the last time is tried first, and what was slow in the
control last.  That is only a hint: if the first passes, the others follow.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import wraps
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import Phase, settings

from dlnotes.exercises import every
from dlnotes.exercises.results import equal, mapped, parts
from dlnotes.exercises.running import call as call_by_name

pytestmark = [
    pytest.mark.mistakes,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork"),
]

SECONDS = 600  # after which a process that hangs is ended
SLOW = 0.1  # seconds, from which on a test waits for the others
OPTIONS = [
    *("-xq", "--tb=native", "--assert=plain", "-pno:randomly", "-pno:cacheprovider"),
    "--hypothesis-profile=notice",
    *("-k", "not compiled and not other_device and not jax"),  # a mistake is NumPy code
]
# That an example fails is enough: a smaller one need not be looked for.
settings.register_profile("notice", phases=[Phase.explicit, Phase.generate])
SECTIONS = list(dict.fromkeys(exercise.section for exercise in every()))
REPLACED: dict[Callable[..., Any], Callable[..., Any]] = {}  # by solution


@dataclass(frozen=True)
class Mutant:
    """What is to stand in place of solutions, and what the tests say of it."""

    name: str
    answers: dict[Callable[..., Any], Callable[..., Any]]
    expected: pytest.ExitCode
    code: int = int(pytest.ExitCode.INTERNAL_ERROR)
    caught_by: str = ""
    log: str = ""


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """Load once what every process would load for itself."""
    import scipy.stats  # noqa: F401

    torch.compiler.reset()  # for its imports, which the optimizers need


@pytest.mark.parametrize("section", SECTIONS)
def test_the_tests_of_a_section_notice_each_mistake_and_accept_each_solution(
    section: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    subtests: pytest.Subtests,
) -> None:
    cache, key = getattr(request.config, "cache", None), f"mistakes/{section}"
    hints = cache.get(key, {}) if cache else {}

    found = run_mutants(section, hints, tmp_path)

    if cache:
        cache.set(key, {each.name: each.caught_by for each in found if each.caught_by})
    for each in found:
        with subtests.test(each.name):
            assert each.code == each.expected, (
                f"the tests of {section} end with {each.code} where {each.name} "
                f"is in place, not with {each.expected!r}\n{each.log}"
            )


def test_a_stale_hint_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = SECTIONS[0]
    some = mutants(section)[:3]
    monkeypatch.setattr(sys.modules[__name__], "mutants", lambda _: some)
    wrong = section_tests(section).name + "::test_that_is_not_there"

    found = run_mutants(section, dict.fromkeys([a.name for a in some], wrong), tmp_path)

    assert [each.code for each in found] == [each.expected for each in found]


def test_what_no_test_can_notice_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = SECTIONS[0]
    (control, *_) = mutants(section)
    unnoticed = replace(control, expected=pytest.ExitCode.TESTS_FAILED)
    monkeypatch.setattr(sys.modules[__name__], "mutants", lambda _: [unnoticed])

    (found,) = run_mutants(section, {}, tmp_path)

    assert found.code == pytest.ExitCode.OK
    assert "passed" in found.log


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_result_of_any_length_stands_in(length: int) -> None:
    def solution(x: Any) -> Any:
        return x, 2 * x

    call = stand_in(solution, lambda x: tuple(k * x for k in range(length)))

    found = call(torch.ones(2))

    assert len(found) == length
    assert all(isinstance(each, torch.Tensor) for each in found)


def mutants(section: str) -> list[Mutant]:
    """List the control and the mistakes of a section's exercises."""
    exercises = [each for each in every() if each.section == section]
    solutions = {each.solution: each.solution for each in exercises}
    mistakes = [
        Mutant(
            f"{exercise.name}: {mistake.message.partition('.')[0]}",
            {exercise.solution: mistake.wrong},
            pytest.ExitCode.TESTS_FAILED,
        )
        for exercise in exercises
        for mistake in exercise.mistakes
    ]
    return [Mutant("each solution", solutions, pytest.ExitCode.OK), *mistakes]


def run_mutants(section: str, hints: dict[str, str], folder: Path) -> list[Mutant]:
    """Run a section's tests with each answer in place of its function."""
    runner = MutantRunner(mutants(section), hints, folder)
    if (child := os.fork()) == 0:
        runner.run(section)
    os.waitpid(child, 0)
    if not runner.outcomes.exists():
        pytest.fail(runner.log.read_text(encoding="utf-8"))
    outcomes = json.loads(runner.outcomes.read_text(encoding="utf-8"))
    return [
        replace(each, **outcome)
        for each, outcome in zip(runner.mutants, outcomes, strict=True)
    ]


class MutantRunner:
    """A plugin for pytest that runs what was collected once for each mutant."""

    def __init__(
        self, mutants: list[Mutant], hints: dict[str, str], folder: Path
    ) -> None:
        self.mutants, self.hints = mutants, hints
        self.log, self.caught, self.slow = (
            folder / name for name in ("log", "caught", "slow")
        )
        self.outcomes = folder / "outcomes.json"
        self.done: list[dict[str, Any]] | None = []  # None in the process of a mutant
        self.expected = pytest.ExitCode.OK

    def run(self, section: str) -> NoReturn:
        """Collect a section's tests, and end the process with pytest's exit code."""
        code = int(pytest.ExitCode.INTERNAL_ERROR)
        try:
            torch.set_num_threads(1)  # a forked process has none of the others
            for module in [each for each in sys.modules if each.startswith("tests.")]:
                del sys.modules[module]
            open_to_mutants(section, self.mutants[0].answers)
            with self.log.open("w", encoding="utf-8") as stream:
                os.dup2(stream.fileno(), 1)
                os.dup2(stream.fileno(), 2)
                sys.stdout = sys.stderr = stream
                arguments = [*OPTIONS, str(section_tests(section))]
                code = int(pytest.main(arguments, plugins=[self]))
            if self.done:
                self.outcomes.write_text(json.dumps(self.done), encoding="utf-8")
        finally:
            os._exit(code)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Fork for each mutant; there pytest goes on to run the tests."""
        for each in self.mutants:
            self.caught.unlink(missing_ok=True)
            sys.stdout.flush()
            start = self.log.stat().st_size
            if (child := os.fork()) == 0:
                signal.alarm(SECONDS)
                self.order(session.items, each)
                for solution, answer in each.answers.items():
                    REPLACED[solution] = stand_in(solution, answer)
                self.done, self.expected = None, each.expected
                return None
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            self.note(each, code, start)
        return True

    def order(self, items: list[pytest.Item], mutant: Mutant) -> None:
        """Put first the tests that caught this mistake, or others of this function.

        Those that were slow in the control come last.
        """
        slow = self.slow.read_text("utf-8").splitlines() if self.slow.exists() else []
        before = [
            done["caught_by"]
            for done, each in zip(self.done or [], self.mutants, strict=False)
            if each.answers.keys() == mutant.answers.keys()
        ]
        likely = [self.hints.get(mutant.name, ""), *reversed(before)]
        items.sort(
            key=lambda item: (
                likely.index(item.nodeid) if item.nodeid in likely else len(likely),
                item.nodeid in slow,
            )
        )

    def note(self, mutant: Mutant, code: int, start: int) -> None:
        """Keep how the tests of a mutant ended, and what they printed."""
        log = self.log.read_bytes()[start:].decode(errors="replace")
        caught = self.caught.read_text("utf-8") if self.caught.exists() else ""
        assert self.done is not None, mutant.name
        self.done.append({"code": code, "caught_by": caught, "log": log})

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """End the process of a mutant at once where there is nothing to report."""
        if self.done is None and exitstatus == self.expected:
            os._exit(exitstatus)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say which test noticed, and in the control, which were slow."""
        if report.failed:
            self.caught.write_text(report.nodeid, encoding="utf-8")
        if self.expected == pytest.ExitCode.OK and report.duration > SLOW:
            with self.slow.open("a", encoding="utf-8") as stream:
                stream.write(f"{report.nodeid}\n")


def section_tests(section: str) -> Path:
    """Return the test module of a section."""
    chapter, module = section.split(".")
    return Path(__file__).parent / chapter / f"test_{module}.py"


def open_to_mutants(section: str, solutions: Iterable[Callable[..., Any]]) -> None:
    """Let each solution in its module be what :data:`REPLACED` has in its place."""
    module = import_module(f"dlnotes.{section}")
    for solution in solutions:
        assert getattr(module, solution.__name__) is solution
        setattr(module, solution.__name__, replaceable(solution))


def replaceable(solution: Callable[..., Any]) -> Callable[..., Any]:
    """Call what is in place of a solution, or the solution."""

    @wraps(solution)
    def call(*args: Any, **kwargs: Any) -> Any:
        return REPLACED.get(solution, solution)(*args, **kwargs)

    return call


def stand_in(
    solution: Callable[..., Any], answer: Callable[..., Any]
) -> Callable[..., Any]:
    """Make an answer that was written for NumPy do for both engines.

    It refuses what the solution refuses, and what it returns has the types of what the
    solution returns, so that only what it computes makes a test fail.  A test is
    skipped that wants what NumPy cannot do, or inputs that the exercise does not have.
    """
    order = signature(solution)

    def call(*args: Any, **kwargs: Any) -> Any:
        given = {
            name: value
            for name, value in order.bind(*args, **kwargs).arguments.items()
            if np.ndim(value) or value != order.parameters[name].default
        }
        try:
            arrays = mapped(as_numpy, given)
        except (RuntimeError, TypeError) as error:  # a gradient is wanted, or bfloat16
            pytest.skip(str(error))
        with patch.dict(REPLACED, clear=True), np.errstate(all="ignore"):
            wanted = solution(*args, **kwargs)
            try:
                got = call_by_name(answer, arrays)
                if equal(parts(got), parts(mapped(as_numpy, wanted))):
                    return wanted
                return dressed(wanted, got)
            except Exception as error:  # whatever the answer may raise
                pytest.skip(repr(error))

    return call


def dressed(wanted: Any, got: Any) -> Any:
    """Return a result in the containers and the types of the one wanted.

    One that holds more or less than is wanted keeps its own containers.
    """
    ours, theirs = dict(parts(wanted)), dict(parts(got))
    if ours.keys() == theirs.keys():
        return mapped(lambda at, each: typed(each, theirs[at]), wanted)
    first = next(iter(ours.values()))
    return mapped(lambda at, each: typed(ours.get(at, first), each), got)


def as_numpy(_path: str, value: Any) -> Any:
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
