"""Begin an answer: the task, the right signature, and how to check it."""

import re
import textwrap
from inspect import getmodule, isclass, isfunction
from pathlib import Path

from dlnotes.exercises.exercise import Exercise

WIDTH = 88


def file_name(exercise: Exercise) -> Path:
    """Return the name of a file for the answer to an exercise.

    Parameters
    ----------
    exercise
        The exercise to answer.
    """
    return Path(exercise.name.removeprefix("write-").replace("-", "_") + ".py")


def stub(exercise: Exercise, file: Path) -> str:
    """Return the text of a file in which to answer an exercise.

    Parameters
    ----------
    exercise
        The exercise to answer.
    file
        The file's name, for the command that checks it.
    """
    task = textwrap.fill(exercise.task, WIDTH)
    return f'''"""{task}

Check it: dlnotes check {exercise.name} {file}
"""

import numpy as np
{_imports(exercise)}

def {exercise.signature}:
    raise NotImplementedError("write it here")
'''


def _imports(exercise: Exercise) -> str:
    """Import what the task mentions and the section has."""
    section = vars(getmodule(exercise.solution))
    names = dict.fromkeys(re.findall(r"`(\w+)`", exercise.task))
    lines = [
        f"from {section[name].__module__} import {name}\n"
        for name in names
        if isclass(section.get(name)) or isfunction(section.get(name))
    ]
    return "".join(["\n", *lines]) if lines else ""
