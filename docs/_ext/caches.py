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
from functools import cache
from importlib.metadata import version
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

from dlnotes.imports import Modules, modules, without_docstrings
from myst_source import directives

LOGGER = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
GALLERY, KEPT = ROOT / "gallery", ROOT / "_build" / "gallery"
STYLE = [Path(__file__).parent / "matplotlibrc"]
STYLE += sorted(Path(__file__).parent.glob("jupyter/kernels/*/*.*"))
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
    tree = _modules(ROOT)
    try:
        used = tree.loaded(ast.parse(code))
    except SyntaxError:  # a command of IPython's: who knows what it does
        used = {*tree.paths}
    found = {ROOT / "src" / tree.paths[name] for name in used}
    text = "\n".join([code, *map(_code, found)])
    data = [*(ROOT / "docs" / "results").rglob("*.json")]
    data += (ROOT / "src" / "dlnotes" / "data").glob("*.json")
    return sorted({*found, *(path for path in data if path.stem in text)})


@cache
def _modules(root: Path) -> Modules:
    return Modules(*modules(root / "src"))


@cache
def _code(path: Path) -> str:
    """Return what a module runs: its code without docstrings and comments."""
    source = path.read_text(encoding="utf-8")
    return ast.unparse(without_docstrings(ast.parse(source)))


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
