"""What an exercise consists of, and what its author is told."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Answer = Callable[..., Any]
Case = Mapping[str, Any]


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people give, what to tell them, and where it was seen."""

    wrong: Answer
    message: str
    source: str = ""


@dataclass(frozen=True)
class Exercise:
    """A function to write, its solution, inputs to try it on, and known mistakes.

    What is in `harmless` looks like a mistake to `defects` and is none here. `summary`
    says what to write where the first line of the solution's docstring does not.
    """

    name: str
    section: str
    task: str
    solution: Answer
    inputs: Callable[[np.random.Generator], Case]
    mistakes: tuple[Mistake, ...]
    hint: str = ""
    harmless: tuple[str, ...] = ()
    summary: str = ""

    @property
    def about(self) -> str:
        """What the function does, in a few words."""
        return self.summary or (self.solution.__doc__ or "").partition("\n")[0]

    @property
    def signature(self) -> str:
        """The call that the task asks for, such as ``conv2d(X, W, *, stride)``."""
        found = re.search(r"`(\w+\([^`]*\))`", self.task)
        return found[1] if found else f"{self.solution.__name__}(...)"


@dataclass(frozen=True, repr=False)
class Feedback:
    """Whether an answer is right, what to tell its author, and for which input."""

    right: bool
    message: str
    case: str = ""

    def __repr__(self) -> str:
        """Return what to tell, in words."""
        return "\n".join(filter(None, [self.message, self.case]))
