"""The code that a page shows uses only names that the page shows, too."""

import ast
import builtins
import re
import symtable
from collections.abc import Iterable, Iterator

import pytest

import inventory

HIDDEN = {"remove-input", "remove-cell"}
PAGES = sorted(
    path.relative_to(inventory.DOCS).with_suffix("").as_posix()
    for path in inventory.DOCS.glob("**/*.md")
)
CELL = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{code-cell\}.*\n"
    r"(?P<options>(?:---\n(?s:.*?)^---\n)?(?::[\w-]+:.*\n)*)"
    r"(?P<code>(?s:.*?))^(?P=fence)$",
    re.MULTILINE,
)
MAGIC = re.compile(r"^[%!].*$", re.MULTILINE)


def cells(page: str) -> Iterator[tuple[bool, str]]:
    """Yield the code of each cell of a page, and whether a reader sees it."""
    for match in CELL.finditer(page):
        tags = set(re.findall(r"[\w-]+", match["options"]))
        yield not tags & HIDDEN, MAGIC.sub("pass", match["code"])


def symbols(node: ast.AST) -> symtable.SymbolTable:
    return symtable.symtable(ast.unparse(node), "cell", "exec")


def used(node: ast.AST) -> set[str]:
    """Return the names that a piece of code takes from outside of itself."""
    table = symbols(node)
    names = {each.get_name() for each in table.get_symbols() if each.is_referenced()}
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        names.add(node.target.id)
    inner = table.get_children()
    while inner:
        table = inner.pop()
        inner += table.get_children()
        names |= {each.get_name() for each in table.get_symbols() if each.is_global()}
    return names


def bound(node: ast.AST) -> set[str]:
    """Return the names that a statement gives a value, those of its blocks included."""
    return {
        each.get_name()
        for each in symbols(node).get_symbols()
        if each.is_assigned() or each.is_imported()
    }


def unknown(statements: Iterable[ast.stmt], known: set[str]) -> Iterator[str]:
    """Yield the names that statements use before they have a value; note new ones."""
    later = set[str]()  # what functions use when they are called
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            later |= used(statement) - {statement.name}
        elif isinstance(statement, ast.For | ast.While | ast.If | ast.With | ast.Try):
            yield from _unknown_of_block(statement, known)
        else:
            yield from used(statement) - known
        known |= bound(statement)
    yield from later - known


def _unknown_of_block(
    statement: ast.For | ast.While | ast.If | ast.With | ast.Try, known: set[str]
) -> Iterator[str]:
    """Yield what a statement with blocks uses: its head first, and then the blocks."""
    for _, value in ast.iter_fields(statement):
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.withitem):
                yield from used(node.context_expr) - known
                known |= targets(node.optional_vars)
            elif isinstance(node, ast.ExceptHandler):
                yield from unknown(node.body, known | {node.name or ""})
            elif isinstance(node, ast.stmt):
                yield from unknown([node], known)
            elif isinstance(node, ast.expr):
                known |= targets(node)
                yield from used(node) - known


def targets(node: ast.AST | None) -> set[str]:
    """Return the names to which an expression on the left of a loop gives a value."""
    return {
        each.id
        for each in ast.walk(node or ast.Pass())
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }


def unseen(page: str) -> list[str]:
    """Return the names in a page's visible code whose value no visible code gave."""
    known, found = set(dir(builtins)) | {"__name__"}, []
    for visible, code in cells(page):
        statements = ast.parse(code).body
        if visible:
            found += sorted(set(unknown(statements, known)))
        else:
            known -= set[str]().union(*map(bound, statements)) - set(dir(builtins))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_visible_code_uses_only_names_that_visible_code_defines(page: str) -> None:
    text = (inventory.DOCS / f"{page}.md").read_text(encoding="utf-8")

    assert unseen(text) == []


@pytest.mark.parametrize(
    ("hidden", "visible", "missing"),
    [
        ("x = 1", "x + 1", ["x"]),
        ("x = 1", "x = 2\nx + 1", []),
        ("x = 1", "x += 1", ["x"]),
        ("w = 0", "for k in range(3):\n    w = w + k", ["w"]),
        ("y = 1", "[x + y for x in range(3)]", ["y"]),
        ("y = 1", "f = lambda x: x + y", ["y"]),
        ("y = 1", "def f(x):\n    return x + y", ["y"]),
        ("import numpy as np", "with np.errstate() as how:\n    how", ["np"]),
        ("", "def f(x):\n    return g(x)\n\ndef g(x):\n    return x\n\nf(1)", []),
        ("", "try:\n    int('x')\nexcept ValueError as error:\n    error", []),
    ],
)
def test_a_hidden_value_is_missed_wherever_it_is_used(
    hidden: str, visible: str, missing: list[str]
) -> None:
    page = (
        f"```{{code-cell}} python\n---\ntags: [remove-input]\n---\n{hidden}\n```\n"
        f"```{{code-cell}} python\n{visible}\n```\n"
    )

    assert unseen(page) == missing


def test_a_value_that_a_hidden_cell_has_replaced_is_no_longer_seen() -> None:
    seen, hidden = "```{code-cell} python\n{}\n```\n", ":tags: [remove-cell]\nx = 2"

    assert unseen(seen.replace("{}", "x = 1") + seen.replace("{}", "x")) == []
    assert unseen(
        seen.replace("{}", "x = 1")
        + seen.replace("{}", hidden)
        + seen.replace("{}", "x")
    ) == ["x"]
