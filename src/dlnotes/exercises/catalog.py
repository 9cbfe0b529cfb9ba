"""The exercises of all sections, found along the contents of the book."""

import re
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.resources import files
from itertools import groupby

from dlnotes.contents import CONTENTS
from dlnotes.exercises.exercise import Exercise


@cache
def _found() -> tuple[Exercise, ...]:
    package = files("dlnotes.exercises")
    modules = [
        import_module(f"dlnotes.exercises.{chapter}.{section}")
        for chapter, sections in CONTENTS.items()
        for section in sections
        if (package / chapter / f"{section}.py").is_file()
    ]
    return tuple(exercise for module in modules for exercise in module.EXERCISES)


def every() -> list[Exercise]:
    """Return the exercises of all sections, in reading order."""
    return list(_found())


@cache
def numbers() -> dict[str, Exercise]:
    """Return the exercises of all sections by number, as the book prints it.

    The number is that of the chapter, of the section in it, and of the exercise in the
    section: a page sets those in code first, in the order of their module.
    """
    sections = {
        f"{chapter}.{section}": f"{k}.{n}"
        for k, (chapter, names) in enumerate(CONTENTS.items(), 1)
        for n, section in enumerate(names, 1)
    }
    return {
        f"{sections[section]}.{k}": each
        for section, exercises in groupby(every(), lambda each: each.section)
        for k, each in enumerate(exercises, 1)
    }


def named(name: str) -> Exercise:
    """Return the exercise of a name.

    Parameters
    ----------
    name
        Its name or its number, as on its page, or the name of the function it asks for.

    Raises
    ------
    ValueError
        If there is no exercise of that name, or several ask for that function; the
        message has names to try.
    """
    known = {each.name: each for each in every()}
    if found := known.get(name) or numbers().get(name):
        return found
    if re.fullmatch(r"[\d.]+", name):
        raise ValueError(_unnumbered(name))
    asked = [each for each in every() if each.solution.__name__ == name]
    if len(asked) == 1:
        return asked[0]
    if asked:
        said, near = f"several exercises ask for {name}", [each.name for each in asked]
    else:
        near = get_close_matches(name, known, n=3, cutoff=0.3)
        said = f"no exercise {name}"
    if not near:
        raise ValueError(f"{said}; `dlnotes check` lists them all")
    raise ValueError("\n    ".join([f"{said}; try", *near]))


def _unnumbered(number: str) -> str:
    """Say why no exercise to check has a number, and which of its section have one."""
    section = number.rpartition(".")[0]
    there = [each for each in numbers() if each.rpartition(".")[0] == section]
    if not there:
        return f"no exercise {number}; `dlnotes check` lists them all"
    return (
        f"{number} is no exercise in code; those on paper or data have their solutions "
        f"on the page. In code are {', '.join(there)}"
    )
