"""Run again the pages and scripts that an edit concerns, and no others.

MyST-NB keeps what the cells of a page have shown by the text of the cells, and
sphinx-gallery what a script has shown by the text of the script.  Both are blind to
what these import.  So a digest joins the text: of the code of all modules of dlnotes
that it imports, one through another, without docstrings and comments; of the results
that it names; of the look of figures; and of the versions of what it computes with.

A module that is imported by a computed name is not seen.  The build that counts begins
with nothing kept.
"""

import ast
import hashlib
import platform
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

from myst_source import directives

LOGGER = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
GALLERY, KEPT = ROOT / "gallery", ROOT / "_build" / "gallery"
STYLE = [Path(__file__).parent / "matplotlibrc"]
STYLE += sorted(Path(__file__).parent.glob("jupyter/kernels/*/kernel.json"))
TOOLS = ("matplotlib", "numpy", "scikit-learn", "scipy", "torch")

_KERNEL = re.compile(r"^kernelspec:\n  name: python3$", re.MULTILINE)


def cells(page: str) -> str:
    """Return the code of a page."""
    return "\n".join(cell.content for cell in directives(page, "code-cell"))


def digest(code: str) -> str:
    """Return a name for a piece of code together with all that it uses."""
    used = [code, platform.python_version(), *map(version, TOOLS)]
    used += [path.read_text(encoding="utf-8") for path in STYLE]
    for path in sources(code):
        name = path.relative_to(ROOT).as_posix()
        used += [name, _code(path) if path.suffix == ".py" else path.read_text("utf-8")]
    return hashlib.sha256("\0".join(used).encode()).hexdigest()[:16]


def sources(code: str) -> list[Path]:
    """Return the files of the modules and results that a piece of code uses."""
    try:
        waiting = [*_imported(ast.parse(code))]
    except SyntaxError:  # a command of IPython's: who knows what it does
        waiting = sorted((ROOT / "src").rglob("*.py"))
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imports(path)
    text = "\n".join([code, *map(_code, found)])
    data = [*(ROOT / "docs" / "results").rglob("*.json")]
    data += (ROOT / "src" / "dlnotes" / "data").glob("*.json")
    return sorted({*found, *(path for path in data if path.stem in text)})


@cache
def _syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(path: Path) -> list[Path]:
    return [*_imported(_syntax(path))]


@cache
def _code(path: Path) -> str:
    """Return what a module computes: its code without docstrings and comments."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
            ast.get_docstring(node) is not None
        ):
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


def _imported(tree: ast.AST) -> Iterator[Path]:
    """Yield the files of what is imported from dlnotes when the code runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(alias.name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield from _files(f"{node.module}.{alias.name}")
        elif not (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        ):
            yield from _imported(node)


def _files(name: str) -> Iterator[Path]:
    """Yield the files of a module and of the packages that it is in."""
    path = ROOT / "src"
    for part in name.split(".") if name.startswith("dlnotes") else ():
        path /= part
        yield from filter(Path.is_file, (path.with_suffix(".py"), path / "__init__.py"))


def name_cells(app: Sphinx, page: str, text: list[str]) -> None:
    """Put the digest of a page's cells where jupyter-cache looks, and note their files.

    It looks at the cells and at the name of the kernel, but reads no more of that.
    """
    if code := cells(text[0]):
        for path in sources(code):
            app.env.note_dependency(str(path))
        kernel = f"kernelspec:\n  {{name: python3, digest: {digest(code)}}}"
        text[0], named = _KERNEL.subn(kernel, text[0], count=1)
        if not named:
            LOGGER.warning("a page with cells has a kernelspec", location=page)


def forget_scripts(app: Sphinx) -> None:
    """Have sphinx-gallery run a script again whose digest is another."""
    for script in GALLERY.rglob("*.py"):
        place = script.relative_to(GALLERY)
        kept = KEPT / place.with_suffix(".digest")
        now = digest(script.read_text(encoding="utf-8"))
        if not kept.exists() or kept.read_text(encoding="utf-8") != now:
            Path(app.srcdir, "gallery", f"{place}.md5").unlink(missing_ok=True)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(now, encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Come before sphinx-gallery, whose priority is 500, and before the parser."""
    app.connect("builder-inited", forget_scripts, priority=100)
    app.connect("source-read", name_cells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
