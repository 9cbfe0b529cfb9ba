"""What is imported is followed, and what of a source is code is told from the rest."""

import ast

import pytest

from dlnotes.imports import Modules, Name, as_text, imported, without_docstrings

SOURCES = {
    "dlnotes/__init__.py": "",
    "dlnotes/cnn/__init__.py": "from dlnotes.contents import CONTENTS\n",
    "dlnotes/cnn/pooling.py": "def f():\n    from dlnotes import nn as layers\n",
    "dlnotes/cnn/cost.py": """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from dlnotes.lab import fit
else:
    from dlnotes.lab.plots import draw
""",
    "dlnotes/contents.py": "import numpy.linalg\n",
    "dlnotes/nn.py": "",
    "dlnotes/lab/__init__.py": "",
    "dlnotes/lab/fit.py": "",
    "dlnotes/lab/plots.py": "",
}


def loaded(code: str) -> set[str]:
    found = Modules(SOURCES, SOURCES.__getitem__).loaded(ast.parse(code))
    return {name.removeprefix("dlnotes").lstrip(".") for name in found}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import numpy", set()),
        ("import dlnotes", {""}),
        ("import dlnotes.nn", {"", "nn"}),
        ("import dlnotes.nn as n", {"", "nn"}),
        ("from dlnotes import cnn", {"", "cnn", "contents"}),
        (
            "from dlnotes.cnn.pooling import f",
            {"", "cnn", "contents", "cnn.pooling", "nn"},
        ),
        (
            "from dlnotes.cnn import f, cost",
            {"", "cnn", "contents", "cnn.cost", "lab", "lab.plots"},
        ),
        ("if x:\n    from dlnotes.lab import fit", {"", "lab", "lab.fit"}),
    ],
)
def test_a_module_is_followed_through_packages_and_others(
    code: str, names: set[str]
) -> None:
    assert loaded(code) == names


def test_a_name_comes_with_where_it_is_from() -> None:
    code = "from dlnotes.cnn import cost as c\nimport dlnotes.nn\nimport torch as t"

    assert dict(imported(ast.parse(code))) == {
        "c": Name("dlnotes.cnn", "cost"),
        "dlnotes.nn": Name("dlnotes.nn", ""),
        "dlnotes": Name("dlnotes", ""),
        "t": Name("torch", ""),
    }


def test_what_is_imported_for_types_is_an_import_that_does_not_run() -> None:
    code = ast.parse(SOURCES["dlnotes/cnn/cost.py"])

    every, run = (
        {name.name for _, name in imported(code, types=types)}
        for types in (True, False)
    )

    assert every - run == {"fit"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("f(x, y)", "f(\n    x,\n    y,\n)  # so", True),
        ("'a' 'b'", '"ab"', True),
        ("x = (1)", "x=1", True),
        ("x = 1", "x = 1.0", False),
        ("x = 1", "x = True", False),
        ("x = None", "x = ...", False),
        ("return", "return None", False),
        ("f(x)", "f(*x)", False),
        ("f'{x}'", "f'{x!r}'", False),
        ("f'{x:.2f}'", "f'{x:.3f}'", False),
        ("x < y", "x <= y", False),
        ("{**x}", "{x}", False),
        ("del x", "x", False),
    ],
)
def test_a_format_makes_no_other_text_and_anything_else_does(
    one: str,
    other: str,
    same: bool,  # noqa: FBT001
) -> None:
    assert (as_text(ast.parse(one)) == as_text(ast.parse(other))) == same


def test_docstrings_are_no_code_wherever_they_stand() -> None:
    code = '{0}\nclass A:\n    {0}\n    def f(self):\n        {0}\n        return "x"\n'
    plain = 'class A:\n    def f(self):\n        return "x"\n'

    said = without_docstrings(ast.parse(code.format('"""Say."""')))
    alone = without_docstrings(ast.parse('def f():\n    """Say."""'))

    assert as_text(said) == as_text(ast.parse(plain))
    assert ast.unparse(alone) == "def f():\n    pass"
