"""The exercises of all sections, found along the contents of the book."""

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.resources import files

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


def named(name: str) -> Exercise:
    """Return the exercise of a name.

    Parameters
    ----------
    name
        Its name, as on its page.

    Raises
    ------
    ValueError
        If there is no exercise of that name; the message has names like it.
    """
    known = {each.name: each for each in every()}
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.3) or sorted(known)
        raise ValueError(f"no exercise {name}; try {', '.join(near)}")
    return known[name]
