"""What the exercises of a page look like from elsewhere, and what is in their boxes."""

import posixpath
import re
from functools import partial

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

import inventory

# What a line must not end within: a role, a link, a formula, a piece of code.
_WHOLE = re.compile(r"(?:\{[\w:]+\}`[^`]*`|\[[^\]]*\]\([^)]*\)|\$[^$]*\$|`[^`]*`|\S)+")
_PLACE = re.compile(r"\b(?:above|below)\b")
_DOCUMENT = re.compile(
    r"\{doc\}`(?:([^`<]*) <)?([^`<>/][^`<>]*)>?`|\]\((?!http|/)([^)]*)\)"
)


def beginning(row: inventory.Set, most: int = 90) -> str:
    """Return the first words of an exercise, such that they lead where it leads."""
    words = " ".join(row.text.partition("\n\n")[0].split())
    home = f"in [section {inventory.section_number(row.section)}](/{row.section}.md)"
    words = _DOCUMENT.sub(partial(_absolute, row.section), _PLACE.sub(home, words))
    length, parts = 0, _WHOLE.findall(words)
    for k, part in enumerate(parts):
        length += 1 + len(_seen(part))
        if length > most + 1:
            return f"{' '.join(parts[:k]).rstrip(' ,;:(')} ..."
    return words


def _seen(part: str) -> str:
    """Return what a reader sees of a role or a link, with 0.0.0 for a number."""
    part = re.sub(r"\{eq\}`[^`]*`", "(0.0.0)", part)
    part = re.sub(r"\{[\w:]+\}`~?([^`<]*?)(?: ?<[^>]*>)?`", r"\1", part)
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", part)


def _absolute(section: str, match: re.Match[str]) -> str:
    """Write a reference to a page, or within one, as any other page can."""
    chapter = section.partition("/")[0]
    if match[2]:
        words = f"{match[1]} <" if match[1] else ""
        place = posixpath.normpath(f"/{chapter}/{match[2]}")
        return f"{{doc}}`{words}{place}{'>' * bool(words)}`"
    path, _, anchor = match[3].partition("#")
    place = f"/{chapter}/{path}" if path else f"/{section}.md"
    return f"]({posixpath.normpath(place)}{anchor and f'#{anchor}'})"


def enclose(_app: Sphinx, page: nodes.document) -> None:
    """Move the cells below a solution, which compute it, into its box."""
    boxes = [*page.findall(nodes.admonition)]
    for box in (each for each in boxes if "solution" in each["classes"]):
        while (cell := _below(box)) is not None and "cell" in cell.get("classes", ()):
            cell.parent.remove(cell)
            box.append(cell)


def _below(box: nodes.Element) -> nodes.Element | None:
    """Return the element after another, in the same one."""
    rest = box.parent[box.parent.index(box) + 1 :]
    return rest[0] if rest and isinstance(rest[0], nodes.Element) else None


def setup(app: Sphinx) -> ExtensionMetadata:
    """Look at the boxes of a page when it has been read."""
    app.connect("doctree-read", enclose)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
