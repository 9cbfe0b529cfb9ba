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
        Its name, as on its page, or that of the function it asks for.

    Raises
    ------
    ValueError
        If there is no exercise of that name, or several ask for that function; the
        message has names to try.
    """
    known = {each.name: each for each in every()}
    if name in known:
        return known[name]
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
