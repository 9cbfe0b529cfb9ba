"""Entries of the index that readers look up, and no others.

What the directive ``{index}`` names is what its subsection is about, so the search
shows it before passages that only use the word.  A module is found by its page: the
lines "dlnotes…: module" that ``automodule`` adds say nothing else.

When only some pages are written again, Sphinx forgets the entries of the others.
"""

from collections.abc import Iterator

from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.index_entries import split_index_msg
from sphinx.util.typing import ExtensionMetadata


class Entries(SphinxTransform):
    """Mark what a page names itself, and drop what names a module."""

    default_priority = 840  # before the domains read the entries, at 850

    def apply(self) -> None:
        """Look at each entry of the page."""
        for node in self.document.findall(addnodes.index):
            named = "inline" in node
            node["entries"] = [
                (kind, value, target, "main" if named else main, key)
                for kind, value, target, main, key in node["entries"]
                if not value.startswith("module; ")
            ]


def remember(app: Sphinx) -> Iterator[tuple[str, dict[str, object], str]]:
    """Give the search the entries of the pages that are not written again."""
    if indexer := getattr(app.builder, "indexer", None):
        for page, entries in app.env.domains.index_domain.entries.items():
            if page not in indexer._titles:
                continue  # a draft writes only some pages
            found = {
                (name, target or "", main)
                for kind, value, target, main, _ in entries
                for name in split_index_msg(kind, value)
            }
            indexer._index_entries.setdefault(page, sorted(found))
    yield from ()  # no page of its own


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the transform, and come before the search is written."""
    app.add_transform(Entries)
    app.connect("html-collect-pages", remember)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
