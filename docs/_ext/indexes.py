"""The directive ``index-of``: a list or a table of what stands on all pages."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

import index_lists
import index_tables


class Index(SphinxDirective):
    """Write one of the lists or tables."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write it, anew in every build."""
        self.env.note_reread()
        name = self.arguments[0]
        if name in index_lists.LISTS:
            return self.parse_text_to_nodes(
                index_lists.LISTS[name]() or "None at present."
            )
        header, *rows = index_tables.TABLES[name]()
        lines = [header, ("---",) * len(header), *rows]
        return self.parse_text_to_nodes("\n".join(map(" | ".join, lines)))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directive."""
    app.add_directive("index-of", Index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
