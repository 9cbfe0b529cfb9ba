"""The directive ``erratum``: what the notes have wrong, with a proof.

The proof is an example, or where nothing can be computed a link to a source.
"""

import doctest
from collections.abc import Iterable

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

import inventory
from boxes import footer

LOGGER = logging.getLogger(__name__)


class Erratum(SphinxDirective):
    """Say what the notes have wrong, and run the example that proves it."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Run the example, then show it below the erratum's title and source."""
        name = self.arguments[0]
        listed = inventory.catalogue_of(self.env.current_document.docname)
        self.env.note_dependency(str(listed))
        row = inventory.catalogue()["errata"][name]
        for complaint in complaints(name, self.content):
            LOGGER.warning(complaint, location=self.get_location())
        return self.parse_text_to_nodes(
            f"({name})=\n"
            f"::::{{admonition}} Erratum: {row['title']}\n:class: erratum\n"
            f":collapsible: closed\n\n"
            + "\n".join(self.content)
            + footer(
                f"Severity: {row['severity']}. [Source](#sources): {row['source']}."
            )
            + "::::\n"
        )


def complaints(name: str, content: Iterable[str]) -> list[str]:
    """Run the example of an erratum, and return what is wrong with it."""
    content = [*content]
    text = "\n".join("" if "```" in line else line for line in content)
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    proved = example.examples or any("](https://" in line for line in content)
    found = [] if proved else [f"{name} has no example, and no link to a source"]
    doctest.DocTestRunner(verbose=False).run(example, out=found.append)
    return found


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directive."""
    app.add_directive("erratum", Erratum)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
