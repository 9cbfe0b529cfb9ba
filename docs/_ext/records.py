"""What the book says about itself, read from its own sources.

Everything here is found by reading files, so it is the same in every build process
and in the tests, and an index can never disagree with what it lists.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from dlnotes.claims import ledger
from dlnotes.exercises import every

ROOT = Path(__file__).parents[2]
DOCS, SOURCE, TESTS = ROOT / "docs", ROOT / "src" / "dlnotes", ROOT / "tests"

_TOCTREE = re.compile(r"```\{toctree\}\n(?::[^\n]*\n)*(.*?)```", re.DOTALL)
_LABEL = re.compile(r"^ *:label: (eq-\S+)$", re.MULTILINE)
_TEST = re.compile(r"^def test_", re.MULTILINE)
_CITED = re.compile(r":eq:`(eq-[\w-]+)`")


def catalogue() -> dict[str, dict[str, Any]]:
    """Return the promises: equations, errata and claims by their names."""
    rows: dict[str, dict[str, Any]] = yaml.safe_load(_read(DOCS / "catalogue.yml"))
    return rows


def parts(label: str) -> list[str]:
    """Return the catalogue's names for what one displayed equation contains."""
    return [name for name, of in catalogue()["equations"].items() if of == label]


def contents(page: Path) -> list[str]:
    """Return the entries of a page's first table of contents."""
    tree = _TOCTREE.search(_read(page))
    return tree[1].split() if tree else []


def sections() -> list[str]:
    """Return the sections in reading order, such as ``cnn/convolution``."""
    return [
        f"{Path(chapter).parent}/{section}"
        for chapter in contents(DOCS / "index.md")
        for section in contents(DOCS / f"{chapter}.md")
    ]


def equations() -> dict[str, str]:
    """Return the section of each labelled equation, in reading order."""
    return {
        label: section
        for section in sections()
        for label in _LABEL.findall(_read(SOURCE / f"{section}.py"))
    }


def functions() -> dict[str, list[str]]:
    """Return, for each equation, the functions whose docstrings cite it."""
    found = defaultdict(list)
    for section in sections():
        for node in ast.parse(_read(SOURCE / f"{section}.py")).body:
            if isinstance(node, ast.FunctionDef):
                for label in {*_CITED.findall(ast.get_docstring(node) or "")}:
                    name = f"dlnotes.{section.replace('/', '.')}.{node.name}"
                    found[label].append(name)
    return dict(found)


def tests() -> dict[str, list[str]]:
    """Return, for each equation, the tests that say that they verify it."""
    found = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(_read(path))):
            if isinstance(node, ast.FunctionDef):
                for label in map(_verified, node.decorator_list):
                    if label:
                        sentence = node.name.removeprefix("test_").replace("_", " ")
                        found[label].append(f"{sentence} ({path.relative_to(ROOT)})")
    return dict(found)


def engines(section: str) -> dict[str, int]:
    """Count the tests of a section that each engine takes part in."""
    counts = dict.fromkeys(("NumPy", "torch", "torch.compile", "JAX"), 0)
    for node in ast.walk(ast.parse(_read(TESTS / _test_module(section)))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            fixtures = {argument.arg for argument in node.args.args}
            for engine in counts if "run" in fixtures else list(counts)[:2]:
                counts[engine] += bool(fixtures & {"run", "array"})
    return counts


def test_count(section: str) -> int:
    """Count the tests of a section, a parametrised one once."""
    return len(_TEST.findall(_read(TESTS / _test_module(section))))


def pages(directive: str) -> dict[str, str]:
    """Return the page of each ``{directive} name`` in the book."""
    fence = re.compile(rf"^[`:]{{3,}}\{{{directive}\}} (\S+)$", re.MULTILINE)
    return {
        name: section
        for section in sections()
        for name in fence.findall(_read(DOCS / f"{section}.md"))
    }


def problems() -> Iterator[str]:
    """Say of each promise that is not kept which one it is."""
    rows, labels = catalogue(), set(equations())
    yield from _differences("equation", set(rows["equations"].values()), labels)
    yield from _differences("computed equation", labels, functions())
    yield from _differences("verified equation", labels, tests())
    yield from _differences("erratum", rows["errata"], pages("erratum"))
    yield from _differences("claim", rows["claims"], pages("claim"))
    yield from _differences("experiment", rows["claims"], ledger.experiments())
    exercises = {each.name for each in every()}
    yield from _differences("exercise", exercises, pages("exercise"))
    for name in filter(ledger.stale, ledger.experiments()):
        yield f"{name} has no result of the present code: nox -s claims"


def _differences(
    kind: str, wanted: Iterable[str], found: Iterable[str]
) -> Iterator[str]:
    yield from (f"{kind} {name} is missing" for name in sorted({*wanted} - {*found}))
    yield from (f"{kind} {name} is unknown" for name in sorted({*found} - {*wanted}))


def _test_module(section: str) -> Path:
    chapter, name = section.split("/")
    return Path(chapter, f"test_{name}.py")


def _verified(decorator: ast.expr) -> str:
    if "mark.verifies" not in ast.unparse(decorator):
        return ""
    assert isinstance(decorator, ast.Call)
    label: str = ast.literal_eval(decorator.args[0])
    return label


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
