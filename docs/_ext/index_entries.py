"""Entries of the index that readers look up, and no others.

What the directive ``{index}`` names is what its subsection is about, so the search
shows it before passages that only use the word.  A module is found by its page: the
lines "dlnotes…: module" that ``automodule`` adds say nothing else.
"""

from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
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


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the transform."""
    app.add_transform(Entries)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
