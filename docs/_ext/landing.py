"""The directives ``glance`` and ``counts`` of the first page.

They show what stands further on, and nothing of it is typed twice.
"""

from collections.abc import Callable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

import inventory
from dlnotes.claims import ledger
from dlnotes.exercises import named
from myst_source import directives


def claim(name: str) -> tuple[str, str]:
    """Return what was claimed, and what was measured."""
    statement = ledger.declared()[name].statement.rstrip(".")
    link = f"[How it was measured](#{name})"
    try:
        finding = ledger.load(name).finding
    except ledger.NoResultError:  # which `promises` complains about
        return statement, f"It has not been measured yet.\n\n{link}"
    measured = next(ledger.summary(finding), "nothing")
    return statement, (
        f"It **{finding.outcome}**. {finding.because}\n\nMeasured: {measured}.\n\n"
        f"{link}"
    )


def erratum(name: str) -> tuple[str, str]:
    """Return what the notes have wrong: the title and the first paragraph."""
    page = inventory.DOCS / f"{inventory.pages('erratum')[name]}.md"
    written = directives(page.read_text(encoding="utf-8"), "erratum")
    said = next(each.content for each in written if each.argument == name)
    first, *_ = said.strip().split("\n\n")
    title = inventory.catalogue()["errata"][name]["title"]
    return title, f"{first}\n\n[The example that proves it](#{name})"


def exercise(name: str) -> tuple[str, str]:
    """Return what to type, and what one may be told."""
    row = named(name)
    return f"write {row.solution.__name__} yourself", (
        f"`dlnotes check {name} FILE` knows {len(row.mistakes)} ways to go wrong here, "
        f"and says which one you took:\n\n> {row.mistakes[0].message}\n\n"
        f"[The exercise](#{name})"
    )


KINDS: dict[str, tuple[str, Callable[[str], tuple[str, str]]]] = {
    "claim": ("claim", claim),
    "err": ("erratum", erratum),
    "write": ("exercise", exercise),
}


class Glance(SphinxDirective):
    """Show a card for each claim, erratum and exercise that is named in a line."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Write the cards, anew in every build."""
        self.env.note_reread()
        cards = ""
        for name in self.content:
            kind, about = KINDS[name.partition("-")[0]]
            title, text = about(name)
            heading = f"{kind.capitalize()}: {title}"
            cards += f"::::{{admonition}} {heading}\n:class: {kind}\n\n{text}\n::::\n"
        return self.parse_text_to_nodes(f":::::{{container}} cards\n{cards}:::::")


class Counts(SphinxDirective):
    """Show how much of everything there is in the book, with a link to it."""

    def run(self) -> list[nodes.Node]:
        """Count, anew in every build."""
        self.env.note_reread()
        rows, sections = inventory.catalogue(), inventory.sections()
        counts = {
            "[sections](#roadmap)": len(sections),
            "[equations](equations.md)": len(inventory.equations()),
            "[tests of them](equations.md)": sum(map(inventory.test_count, sections)),
            "[claims measured](claims.md)": len(rows["claims"]),
            "[errata](errata.md)": len(rows["errata"]),
            "[exercises](exercises.md)": sum(
                len(inventory.exercises(section)) for section in sections
            ),
        }
        lines = "\n\n".join(f"**{count}** {name}" for name, count in counts.items())
        return self.parse_text_to_nodes(f":::{{container}} counts\n{lines}\n:::")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directives."""
    app.add_directive("glance", Glance)
    app.add_directive("counts", Counts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
