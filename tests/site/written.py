"""What is wrong with the files of the built book, as they are written."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

NAMELESS = re.compile(r"|.*\.(svg|png|jpe?g)|_?images/.*|image\d*", re.IGNORECASE)
LEFTOVERS = {
    "a cell leaves": re.compile(r"Text\(.*|&lt;matplotlib.*|output stderr"),
    "no number for": re.compile(r'href="[^"]*#(equation-[^"]*)">\(\)'),
}
RAW = re.compile(
    r":[\w:]+:`[^`]*`|\{[\w:-]+\}`[^`]*`|^[`:]{3,}\{[\w-]+\}.*|^\.\. .*", re.MULTILINE
)
SOURCE = re.compile(r"^```python\n(?s:.*?)^```$", re.MULTILINE)
# A heading, and then one that is no smaller; or nothing more but another cell's.
EMPTY = re.compile(r"^(?:## .+(?=\n+##? )|### .+(?=\n+#{1,3} ))", re.MULTILINE)
SOLVED = re.compile(r"<summary>Solution</summary>(?:(?!<details>)[\s\S])*</details>\Z")
# Numbers that a style hands to a style sheet, such as how many columns there are.
NUMBERS = re.compile(r"--[\w-]+: *\d+;?")
# What a style sheet may give a look: a class or a name.
STYLED = re.compile(r"[.#](-?[A-Za-z_][\w-]*)")
BOILERPLATE = "Go to the end to download"
FOOT = ("Repository", "Version ", "license", "Cite this book")


class Document(HTMLParser):
    """What a page names: its own anchors, where it leads, what it loads and shows."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.ids: Counter[str] = Counter()
        self.metas: Counter[str] = Counter()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.alternatives: list[str] = []
        self.description = ""
        self.base = ""
        self.shapes: set[tuple[str, frozenset[str], str]] = set()
        self.classes = ""  # of the element before
        self.feed(markup)

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        found = {name: value or "" for name, value in attributes}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        self.ids.update([found["id"]] if "id" in found else [])
        if not tag.startswith("mjx-"):  # a formula is all of one color
            names = frozenset(f"{found.get('class')} {found.get('id')}".split())
            self.shapes.add((tag, names, NUMBERS.sub("", found.get("style", ""))))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "icon"):
            self.loads.append(found["href"])
        elif "src" in found:
            self.loads.append(found["src"])
        if tag == "img" and "thumb" not in self.classes:
            self.alternatives.append(found.get("alt", ""))
        self.classes = found.get("class", "")
        self._head(tag, found)

    def handle_data(self, data: str) -> None:
        if self.lasttag == "style":
            self.shapes.add(("style", frozenset(), data))

    def _head(self, tag: str, found: dict[str, str]) -> None:
        if tag == "base":
            self.base = found["href"]
        if tag == "meta":
            self.metas[found.get("name", "")] += 1
            if found.get("name") == "description":
                self.description = found.get("content", "")


def read(root: Path) -> dict[Path, Document]:
    """Parse each page of the site."""
    pages = sorted(root.rglob("*.html"))
    return {page: Document(page.read_text(encoding="utf-8")) for page in pages}


def different(root: Path, documents: dict[Path, Document]) -> Iterator[Path]:
    """Yield the pages that have an element that looks like none on those before.

    What an element looks like follows from its tag, its own style, and those of its
    classes and its name that a style sheet has.
    """
    sheets = (path.read_text(encoding="utf-8") for path in root.rglob("*.css"))
    styled = frozenset(STYLED.findall("\n".join(sheets)))
    known: set[tuple[str, frozenset[str], str]] = set()
    for page, document in documents.items():
        shapes = {(tag, names & styled, style) for tag, names, style in document.shapes}
        if not shapes <= known:
            yield page
        known |= shapes


def problems(documents: dict[Path, Document]) -> Iterator[str]:
    """Say what is wrong with the text of the pages: links, images, descriptions."""
    for page, document in documents.items():
        markup = page.read_text(encoding="utf-8")
        for what, wrong in LEFTOVERS.items():
            yield from (f"{page}: {what} {text!r}" for text in wrong.findall(markup))
        for text in filter(NAMELESS.fullmatch, document.alternatives):
            yield f"{page}: an image says only {text!r}"
        for url in sorted({*document.links, *document.loads}):
            if urlsplit(url).scheme not in ("", "data") and url in document.loads:
                yield f"{page}: loads {url}"
            if not document.base and not _resolves(page, url, documents):
                yield f"{page}: no such place as {url}"
        yield from (f"{page}: {what}" for what in _head_and_foot(document, markup))


def _head_and_foot(document: Document, markup: str) -> Iterator[str]:
    """Say what a page lacks for search engines, and about where it comes from."""
    if not document.description or BOILERPLATE in document.description:
        yield f"says of itself to search engines only {document.description!r}"
    for name in ("viewport", "description"):
        if document.metas[name] != 1:
            yield f"has {document.metas[name]} tags for its {name}"
    for name, times in document.ids.items():
        if times > 1:
            yield f"has the id {name!r} {times} times"
    for text in FOOT:
        if text not in markup:
            yield f"does not say {text!r} at its foot"


def _resolves(page: Path, url: str, documents: dict[Path, Document]) -> bool:
    """Tell whether a link leads out of the book or to a place that is in it."""
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return True
    target = page
    if parts.path:
        target = Path(os.path.normpath(page.parent / unquote(parts.path)))
    anchor = unquote(parts.fragment)
    if not anchor:
        return target.exists()
    return target in documents and anchor in documents[target].anchors


def notebooks(root: Path) -> Iterator[str]:
    """Say which notebooks show markup, or do not install what they need."""
    found = sorted(root.rglob("*.ipynb"))
    if not found:
        yield f"{root}: there is no notebook"
    for path in found:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        if "%pip install" not in "".join(cells[0]["source"]):
            yield f"{path}: does not begin with what installs the book"
        yield from (f"{path}: {what}" for what in _cells(cells))


def _cells(cells: list[Any]) -> Iterator[str]:
    """Say what is raw, without a text or open in the cells of a notebook."""
    above = ""
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield from (f"shows {raw!r}" for raw in RAW.findall(SOURCE.sub("", text)))
            yield from (f"{each!r} has no text" for each in EMPTY.findall(text))
            above = text
        elif SOLVED.search(above) and not (
            cell["metadata"].get("jupyter", {}).get("source_hidden")
        ):
            yield f"a solution stands open: {text[:60]!r}"
