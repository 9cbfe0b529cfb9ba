"""The directives ``roadmap`` and ``ideas`` of the first page.

The roadmap lists the chapters with the sections that are written and, in gray, those
that are still to come (``docs/roadmap.yml``).  The map of ideas has a line for each
section that is written, and an arrow from there to each section that imports it.
"""

import textwrap
from collections.abc import Iterator
from html import escape
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

import inventory
from dlnotes.contents import CONTENTS

# The map, in pixels: as wide as a phone shows it.
WIDTH, LINE, FIRST = 360, 27, 18
AXIS = 222  # where the dots are
LETTERS = 28  # of a title, in a line


class Roadmap(SphinxDirective):
    """List the chapters, with what is written and what is still to come."""

    def run(self) -> list[nodes.Node]:
        """Write the list, anew in every build."""
        self.env.note_reread()
        blocks = "".join(
            f"::::{{container}} chapter\n{chapter(name, row)}\n::::\n"
            for name, row in inventory.roadmap().items()
        )
        return self.parse_text_to_nodes(f":::::{{container}} roadmap\n{blocks}:::::")


def chapter(name: str, row: dict[str, Any]) -> str:
    """Write a chapter: its title, its sections with their numbers, what is planned."""
    sections = [f"{name}/{section}" for section in CONTENTS.get(name, ())]
    planned = ", ".join(row.get("planned", {}).values())
    title = f"{{doc}}`/{name}/index`" if sections else row["title"]
    written = "".join(
        f"- {inventory.section_number(each)} {{doc}}`/{each}`\n" for each in sections
    )
    head = f"**{title}**" if sections else f":::{{container}} planned\n{title}\n:::"
    if not planned:
        return f"{head}\n\n{written}"
    return (
        f"{head}\n\n{written}\n:::{{container}} planned\nStill to come: {planned}.\n:::"
    )


class ideas(nodes.General, nodes.Element):  # noqa: N801  # as docutils names nodes
    """The place of the map, filled when all titles are known."""


class Ideas(SphinxDirective):
    """Draw the sections, and an arrow from each to those that use it."""

    def run(self) -> list[nodes.Node]:
        """Leave a place for the map."""
        self.env.note_reread()
        return [ideas()]


class Place(NamedTuple):
    """A section on the map: its title and address, how far down, and what it uses."""

    title: str
    href: str
    y: int
    uses: list[str]


def fill(app: Sphinx, page: nodes.document, name: str) -> None:
    """Say what is on the map, and where."""
    for node in page.findall(ideas):
        y, places, chapters = FIRST, dict[str, Place](), list[tuple[str, int]]()
        for section in inventory.sections():
            home = f"{section.partition('/')[0]}/index"
            if home not in [each for each, _ in chapters]:
                y += (LINE // 2) * bool(chapters)
                chapters.append((home, y))
                y += LINE
            title = _title(app, section)
            href = app.builder.get_relative_uri(name, section)
            places[section] = Place(title, href, y, inventory.uses()[section])
            y += LINE + (len(textwrap.wrap(title, LETTERS)) - 1) * LINE * 2 // 3
        node["places"], node["height"] = places, y - LINE // 2
        node["chapters"] = [(_title(app, home), at) for home, at in chapters]


def _title(app: Sphinx, page: str) -> str:
    """Return the title of a page, or its name where a draft has not read it."""
    known = app.env.titles.get(page)
    return known.astext() if known else page


def visit(writer: HTML5Translator, node: Any) -> None:
    """Write the map, and the same as a list."""
    places: dict[str, Place] = node["places"]
    writer.body.append(
        '<div class="map" tabindex="0">'
        f'<svg class="ideas" viewBox="0 0 {WIDTH} {node["height"]}" role="group" '
        f'aria-label="Map of ideas. The list below it says the same.">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/>'
        "</marker></defs>"
    )
    writer.body += [
        f'<text class="name" x="0" y="{y + 5}">{escape(title)}</text>'
        for title, y in node["chapters"]
    ]
    writer.body += [drawn(place, places) for place in places.values()]
    writer.body.append(
        '</svg></div><details class="admonition details">'
        '<summary class="admonition-title">'
        "The map as a list</summary><ul>"
    )
    writer.body += [f"<li>{said(place, places)}</li>" for place in places.values()]
    writer.body.append("</ul></details>")
    raise nodes.SkipNode


def drawn(place: Place, places: dict[str, Place]) -> str:
    """Draw a section: arrows from what it uses, and its title, which is a link."""
    lines = textwrap.wrap(place.title, LETTERS)
    text = "".join(
        f'<tspan x="14" y="{place.y + 5 + k * LINE * 2 // 3}">{escape(line)}</tspan>'
        for k, line in enumerate(lines)
    )
    height = LINE + (len(lines) - 1) * LINE * 2 // 3
    return (
        f'<g>{"".join(arrows(place, places))}<a href="{escape(place.href)}">'
        f'<rect x="8" y="{place.y - LINE // 2}" width="{AXIS - 2}" height="{height}" '
        f'rx="4"/><text>{text}</text><circle cx="{AXIS}" cy="{place.y}" r="4.5"/>'
        "</a></g>"
    )


def arrows(place: Place, places: dict[str, Place]) -> Iterator[str]:
    """Yield an arrow from each section that one uses, the wider the farther."""
    for section in place.uses:
        start, end = places[section].y, place.y
        reach = AXIS + min(30 + 0.45 * (end - start), 1.33 * (WIDTH - AXIS - 4))
        yield (
            f'<path d="M{AXIS + 6} {start}C{reach:.0f} {start} {reach:.0f} {end} '
            f'{AXIS + 7} {end}" marker-end="url(#tip)"/>'
        )


def said(place: Place, places: dict[str, Place]) -> str:
    """Say of a section what it uses."""
    used = [link(places[section]) for section in place.uses]
    return f"{link(place)} uses {', '.join(used)}" if used else link(place)


def link(place: Place) -> str:
    """Write a link to a section."""
    return f'<a href="{escape(place.href)}">{escape(place.title)}</a>'


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directives."""
    app.add_node(ideas, html=(visit, None))
    app.add_directive("roadmap", Roadmap)
    app.add_directive("ideas", Ideas)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
