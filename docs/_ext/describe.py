"""Tell search engines what each page is about: its first sentences, in plain words."""

from html import escape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

LONGEST = 200


def description(doctree: nodes.document) -> str:
    """Return the first sentences without a formula that fit a result of a search."""
    text = ""
    for paragraph in doctree.findall(nodes.paragraph):
        if paragraph.next_node(nodes.math) is None:
            for sentence in " ".join(paragraph.astext().split()).split(". "):
                longer = f"{text} {sentence.rstrip('.:')}.".strip()
                if text and len(longer) > LONGEST:
                    return text
                text = longer
    return text


def describe(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Put the description of a page in its head."""
    text = description(doctree) if doctree else f"{page} of {app.config.project}"
    tag = f'<meta name="description" content="{escape(text)}">'
    context["metatags"] = context.get("metatags", "") + tag


def setup(app: Sphinx) -> ExtensionMetadata:
    """Describe each page when it is written."""
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
