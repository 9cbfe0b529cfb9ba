"""Directives are read as they are written, in any fence, with or without options."""

from myst_source import Block, directives, replaced

PAGE = """\
Text.

:::::{container} brief
::::{exercise} write-sum
:level: easy

The sum.
::::
:::::

````{exercise}
```python
x = 1
```
````

```{code-cell} python
---
tags: [hide-input]
---
x = 2
```
"""


def test_a_directive_is_found_within_another_and_with_code_in_it() -> None:
    first, second = directives(PAGE, "exercise")

    assert first == Block("exercise", "write-sum", ":level: easy\n", "\nThe sum.\n")
    assert first.option("level") == "easy"
    assert first.option("name") == second.option("level") == ""
    assert second.content == "```python\nx = 1\n```\n"


def test_a_cell_has_its_options_apart() -> None:
    (cell,) = directives(PAGE, "code-cell")

    assert (cell.argument, cell.content) == ("python", "x = 2\n")
    assert cell.options == "---\ntags: [hide-input]\n---\n"


def test_only_the_outermost_is_replaced() -> None:
    assert replaced(PAGE, lambda block: block.name.upper()) == (
        "Text.\n\nCONTAINER\n\nEXERCISE\n\nCODE-CELL\n"
    )
