"""The directives in the Markdown of a page, as they are written."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

_BLOCK = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w-]+)\} ?(?P<argument>.*)\n"
    r"(?P<options>---\n(?s:.*?)^---\n|(?::[\w-]+:.*\n(?:  .*\n)*)*)"
    r"(?P<content>(?s:.*?))^(?P=fence)$",
    re.MULTILINE,
)


class Block(NamedTuple):
    """A directive: its name, its argument, its options, and what is in it."""

    name: str
    argument: str
    options: str
    content: str

    def option(self, name: str) -> str:
        """Return what an option of the form ``:name: text`` says; '' if none does."""
        found = re.search(rf"^:{name}: *(.*)$", self.options, re.MULTILINE)
        return found[1] if found else ""


def directives(text: str, name: str) -> Iterator[Block]:
    """Yield each directive of a name, in reading order, however deep it stands."""
    for match in _BLOCK.finditer(text):
        block = _block(match)
        if block.name == name:
            yield block
        yield from directives(block.content, name)


def replaced(text: str, write: Callable[[Block], str]) -> str:
    """Put something else in the place of each directive that is in no other."""
    return _BLOCK.sub(lambda match: write(_block(match)), text)


def _block(match: re.Match[str]) -> Block:
    return Block(*match.group("name", "argument", "options", "content"))
