"""The part of the command ``dlnotes`` that sets and checks exercises."""

import argparse
import sys
import textwrap
from itertools import groupby
from pathlib import Path
from typing import Any

from dlnotes.exercises.answer_file import NO_ANSWER, SECONDS, NoAnswerError, check_file
from dlnotes.exercises.catalog import every, named, numbers
from dlnotes.exercises.exercise import Exercise
from dlnotes.exercises.stub import WIDTH, file_name, stub

TOPICS = ("check", "start")


def add(topics: Any) -> None:
    """Add ``dlnotes check`` and ``dlnotes start`` to the command.

    Parameters
    ----------
    topics
        What `argparse` returns for the subcommands of a command.
    """
    check = topics.add_parser("check", help="say what is wrong with an answer")
    named_here = "its number, its name or its function's; without one, all are listed"
    check.add_argument("exercise", nargs="?", type=_exercise, help=named_here)
    file_help = "a Python file with the function; without one, the task is shown"
    check.add_argument("file", nargs="?", type=Path, help=file_help)
    check.add_argument("--list", action="store_true", help="name every exercise")
    limit = f"how long the answer may take (default: {SECONDS:g})"
    check.add_argument("--seconds", type=_seconds, default=SECONDS, help=limit)
    check.set_defaults(act=_check)
    start = topics.add_parser("start", help="write a file to begin an answer with")
    start.add_argument("exercise", type=_exercise, help=named_here.partition(";")[0])
    start.add_argument("file", nargs="?", type=Path, help="a file that is not there")
    start.set_defaults(act=_start)


def _check(chosen: argparse.Namespace) -> int:
    """Check an answer, or show what there is to answer."""
    if chosen.list or chosen.exercise is None:
        return _list()
    exercise: Exercise = chosen.exercise
    if chosen.file is None:
        print(textwrap.fill(exercise.task, WIDTH))
        print(f"\nBegin: dlnotes start {exercise.name}")
        return 0
    try:
        feedback = check_file(
            exercise.name, chosen.file, seconds=chosen.seconds, progress=_progress
        )
    except NoAnswerError as refused:
        print(refused)
        return NO_ANSWER
    print(feedback)
    if feedback.right and (following := _next(exercise)):
        print(f"Next: dlnotes start {following}")
    return 0 if feedback.right else 1


def _list() -> int:
    """Name every exercise, and what it asks for."""
    for section, exercises in groupby(numbers().items(), lambda row: row[1].section):
        print(section)
        for number, each in exercises:
            start = textwrap.shorten(each.task, WIDTH - 8, placeholder=" ...")
            print(f"    {number} {each.name}\n        {start}")
    return 0


def _next(exercise: Exercise) -> str:
    """Return the name of the exercise that follows, if one does."""
    names = [each.name for each in every()]
    return next(iter(names[names.index(exercise.name) + 1 :]), "")


def _start(chosen: argparse.Namespace) -> int:
    """Write a file to begin an answer with."""
    file = chosen.file or file_name(chosen.exercise)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(stub(chosen.exercise, file))
    except FileExistsError:
        print(f"{file} is there already, and is left as it is.")
        return NO_ANSWER
    except OSError as error:
        print(f"{file} cannot be written: {error.strerror}.")
        return NO_ANSWER
    print(
        f"Write your answer in {file}, then: "
        f"dlnotes check {chosen.exercise.name} {file}"
    )
    return 0


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _exercise(name: str) -> Exercise:
    try:
        return named(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"seconds must be positive, got {text}")
    return seconds
