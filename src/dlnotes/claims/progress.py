"""Say how far a long measurement is, also where no terminal shows it."""

import sys
from collections.abc import Iterable
from multiprocessing import parent_process
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str = "") -> "tqdm[Item]":
    """Go through items with a bar; a file or a pipe gets a line every half a minute.

    So does a terminal that several processes share: their bars would hide each other.
    """
    often = sys.stderr.isatty() and parent_process() is None
    return tqdm(items, what, leave=not often, mininterval=0.1 if often else 30.0)
