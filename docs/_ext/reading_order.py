"""The chapters and sections in reading order, as ``dlnotes.contents`` has them.

The directive ``chapters`` is the table of contents of the first page, with the options
of ``toctree``, and ``sections`` is that of a chapter.  The role ``secnum`` writes the
number of a section, which leads to it.
"""

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.directives.other import TocTree
from sphinx.util import docname_join, logging
from sphinx.util.docutils import SphinxRole
from sphinx.util.typing import ExtensionMetadata

import inventory
from dlnotes import contents

LOGGER = logging.getLogger(__name__)


class Chapters(TocTree):
    """Lead to the page of each chapter."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        """Make a table of contents, and again when the contents are others."""
        self.env.note_dependency(contents.__file__)
        self.content = StringList(self.entries(), contents.__file__)
        return super().run()

    def entries(self) -> list[str]:
        """Return the pages, as they are named from here."""
        return [f"{chapter}/index" for chapter in contents.CONTENTS]


class Sections(Chapters):
    """Lead to the page of each section of this chapter."""

    def entries(self) -> list[str]:
        """Return the pages, as they are named from here."""
        chapter, _, _ = self.env.current_document.docname.partition("/")
        return [*contents.CONTENTS[chapter]]


class SectionNumber(SphinxRole):
    """Write the number of a section, such as 4.1, with a link."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Refer to the page; its number is known before it is read."""
        here = self.env.current_document.docname
        section = docname_join(here, self.text)
        if section not in inventory.sections():
            LOGGER.warning("no section %s", section, location=self.get_location())
            return [nodes.inline(self.text, self.text)], []
        number = inventory.section_number(section)
        link = addnodes.pending_xref("", nodes.inline(number, number))
        link["refdomain"], link["reftype"], link["refexplicit"] = "std", "doc", True
        link["reftarget"], link["refdoc"], link["refwarn"] = f"/{section}", here, True
        return [link], []


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directives and the role."""
    app.add_directive("chapters", Chapters)
    app.add_directive("sections", Sections)
    app.add_role("secnum", SectionNumber())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
