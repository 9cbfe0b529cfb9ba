"""The directives ``exercise`` and ``solution``, and the numbers of exercises."""

import inspect

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

import inventory
from boxes import folded, footer
from dlnotes.exercises import named

LOGGER = logging.getLogger(__name__)


def level(given: str) -> str:
    """Return what the option ``level`` must be."""
    return directives.choice(given, ("easy", "medium", "hard"))


class Exercise(SphinxDirective):
    """Set an exercise: the one of that name in code, or the content, for pen and paper.

    Its number comes when the page is resolved, from :func:`number`.
    """

    optional_arguments = 1
    has_content = True
    option_spec = {"level": level}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Write the exercise, and for code how to check it and where it is written."""
        graded = f" ({self.options['level']})" if "level" in self.options else ""
        page = self.env.current_document
        page["exercises"] = (page.get("exercises") or 0) + 1
        head = f":::::{{admonition}} Exercise{graded}\n:class: exercise\n"
        if not self.arguments:
            text, label = "\n".join(self.content), ""
            if page.docname in inventory.sections():
                number = f"{inventory.section_number(page.docname)}.{page['exercises']}"
                label = f"(exercise-{number.replace('.', '-')})=\n"
            return self.parse_text_to_nodes(f"{label}{head}\n{text}\n:::::\n")
        exercise = named(self.arguments[0])
        written = getattr(exercise.inputs, "func", exercise.inputs)  # of a partial
        self.env.note_dependency(inspect.getfile(written))
        solution = f"dlnotes.{exercise.section}.{exercise.solution.__name__}"
        return self.parse_text_to_nodes(
            f"({exercise.name})=\n{head}\n{exercise.task}\n\n"
            + folded("Hint", exercise.hint)
            + footer(
                f"Check it: `dlnotes check {exercise.name} FILE`, or "
                f"`dlnotes.exercises.check` in a notebook, knows "
                f"{len(exercise.mistakes)} common mistakes. "
                f"Solution: {{py:obj}}`~{solution}`."
            )
            + ":::::\n"
        )


class Solution(SphinxDirective):
    """Fold the solution of the exercise above."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Write a box that opens at a click."""
        text = "\n".join(self.content)
        head = ":::::{admonition} Solution\n:class: solution\n:collapsible: closed\n"
        return self.parse_text_to_nodes(f"{head}\n{text}\n:::::\n")


def number(app: Sphinx, page: nodes.document, name: str) -> None:
    """Give the exercises of a page their numbers, such as 4.1.2."""
    section = ".".join(map(str, app.env.toc_secnumbers.get(name, {}).get("", ())))
    if name in inventory.sections() and section != inventory.section_number(name):
        LOGGER.warning(
            "%s is section %s here, and %s in contents.py: a heading of its chapter's "
            "page counts as a section; write it as a rubric with a heading-level",
            *(name, section, inventory.section_number(name)),
        )
    boxes = [
        each for each in page.findall(nodes.admonition) if "exercise" in each["classes"]
    ]
    for k, box in enumerate(boxes, 1):
        title = box.next_node(nodes.title)
        if section and title is not None:
            numbered = f"Exercise {section}.{k}"
            text = title.astext().replace("Exercise", numbered, 1)
            title.children = [nodes.Text(text)]


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directives; a section's number is known once it is resolved."""
    app.add_directive("exercise", Exercise)
    app.add_directive("solution", Solution)
    app.connect("doctree-resolved", number)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
