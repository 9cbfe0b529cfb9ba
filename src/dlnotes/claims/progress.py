"""Say how far a long measurement is, also where no terminal shows it."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str = "") -> "tqdm[Item]":
    """Go through items with a bar; a file or a pipe gets a line every half a minute."""
    often = sys.stderr.isatty()
    return tqdm(items, what, leave=not often, mininterval=0.1 if often else 30.0)
