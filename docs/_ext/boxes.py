"""Boxes and cards in Markdown, as an author would have typed them.

The directives of errata, claims, exercises and indexes write Markdown and have Sphinx
read it.
"""


def folded(title: str, text: str) -> str:
    """Write a text that opens at a click on its title."""
    head = f"::::{{admonition}} {title}\n:collapsible: closed\n:class: details\n\n"
    return f"{head}{text}\n::::\n\n"


def footer(text: str) -> str:
    """Write the last line of a box: where it comes from, and how to go on."""
    return f"\n\n:::{{container}} aside\n{text}\n:::\n"


def card(text: str) -> str:
    """Set a piece of a list apart from the next."""
    return f"\n:::::{{container}} entry\n{text}\n:::::\n"


def heading(title: str, level: int) -> str:
    """Write a heading that has no place in the table of contents."""
    return f"\n:::{{rubric}} {title}\n:heading-level: {level}\n:::\n"
