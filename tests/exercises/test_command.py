"""What ``dlnotes check`` and ``dlnotes start`` print, and the status they end with."""

import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from dlnotes.command import main
from dlnotes.exercises import check, every, named
from dlnotes.exercises.catalog import numbers

NAME = "write-neurons-perceptron-rule-update"


def test_a_right_answer_names_the_next_exercise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answer.py"
    file.write_text("from dlnotes.neurons.perceptron_rule import update", "utf-8")

    assert main(["check", NAME, str(file)]) == 0
    assert capsys.readouterr().out == (
        "Right.\nNext: dlnotes start write-neurons-perceptron-rule-novikoff-bound\n"
    )


def test_a_wrong_answer_has_status_1_and_none_has_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answer.py"

    assert main(["check", NAME, str(file)]) == 2
    file.write_text("def update(model, X, Y, learning_rate): pass", "utf-8")
    assert main(["check", NAME, str(file)]) == 1

    missing, nothing, case = capsys.readouterr().out.splitlines()
    assert missing == f"There is no file {file}."
    assert nothing == "It returns nothing: is a return missing?"
    assert case.startswith("Seen for model.W ")


@pytest.mark.parametrize("arguments", [["check"], ["check", "--list"]])
def test_every_exercise_is_listed_in_its_section(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines if " write-" in line] == [
        f"{number} {each.name}" for number, each in numbers().items()
    ]
    assert lines[0] == every()[0].section
    assert lines[2].strip().startswith(every()[0].task[:40])
    assert max(map(len, lines)) <= 88


def test_an_exercise_is_begun_and_checked_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["start", "1.3.1"]) == 0
    (file,) = tmp_path.iterdir()
    file.write_text("from dlnotes.neurons.perceptron_rule import update", "utf-8")
    assert main(["check", "1.3.1", str(file)]) == 0

    assert f"dlnotes check {NAME} {file.name}\nRight.\n" in capsys.readouterr().out


def test_an_exercise_without_a_file_shows_the_task(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", NAME]) == 0

    said = capsys.readouterr().out
    assert " ".join(named(NAME).task.split()) in " ".join(said.split())
    assert f"Begin: dlnotes start {NAME}" in said


@pytest.mark.parametrize("exercise", every(), ids=lambda each: each.name)
def test_an_answer_is_begun_with_the_right_signature(
    tmp_path: Path, exercise: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = exercise.name  # type: ignore[attr-defined]

    assert main(["start", name]) == 0

    (file,) = tmp_path.iterdir()
    text, names = file.read_text("utf-8"), dict[str, object]()
    assert re.search(r"\S\n\n\ndef ", text)
    exec(compile(text, file, "exec"), names)
    assert f"dlnotes check {name} {file.name}" in str(names["__doc__"])
    begun = names[named(name).solution.__name__]
    said = check(name, begun).message  # type: ignore[arg-type]
    assert said.startswith("It is not written yet in line "), said


def test_a_file_that_is_there_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text("precious", "utf-8")

    assert main(["start", NAME, str(file)]) == 2
    assert main(["start", NAME, str(tmp_path / "no" / "mine.py")]) == 2

    assert file.read_text("utf-8") == "precious"
    there, nowhere = capsys.readouterr().out.splitlines()
    assert there == f"{file} is there already, and is left as it is."
    assert nowhere.endswith("cannot be written: No such file or directory.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "write-neurons-perceptron-updat", "x"], f"try\n    {NAME}"),
        (["start", "write-neurons-perceptron-updat"], f"try\n    {NAME}"),
        (["check", NAME, "x", "--seconds", "0"], "must be positive, got 0"),
        (["check", NAME, "x", "--seconds", "long"], "must be positive, got long"),
    ],
)
def test_what_is_unknown_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)

    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_checking_loads_neither_torch_nor_the_claims() -> None:
    code = (
        "import sys; from dlnotes.command import main; main(['check', '--list']);"
        "assert not {'torch', 'dlnotes.claims', 'matplotlib'} & {*sys.modules}"
    )

    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_module_runs_as_the_command_and_knows_its_version() -> None:
    run = [sys.executable, "-m", "dlnotes", "--version"]

    said = subprocess.run(run, check=True, capture_output=True, text=True).stdout

    assert said.startswith("dlnotes 0.")


@pytest.mark.skipif(os.name != "posix", reason="signals and pipes as in POSIX")
def test_a_reader_that_stops_reading_ends_the_command_quietly() -> None:
    run = f"{sys.executable} -u -m dlnotes check --list | head -n 1"

    done = subprocess.run(run, shell=True, capture_output=True, text=True, check=True)

    assert done.stdout == f"{every()[0].section}\n"
    assert not done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals and pipes as in POSIX")
def test_an_interrupt_ends_the_command_quietly(tmp_path: Path) -> None:
    file = tmp_path / "answer.py"
    begun = tmp_path / "begun"
    loop = f"open({str(begun)!r}, 'w')\nwhile True: pass"
    file.write_text(loop, "utf-8")
    command = [sys.executable, "-m", "dlnotes", "check", NAME, str(file)]
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heard,  # noqa: PLW1509  # no thread of this process holds a lock
    ) as process:
        while not begun.exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Traceback" not in said
    assert "Interrupted." in said
