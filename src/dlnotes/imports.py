"""What a piece of code imports from dlnotes, and what of a source is code.

Nothing here is imported to be looked at: sources are read, from files or from a commit,
so that claims, pages and tests follow imports in one way, where PyTorch is installed
and where it is not.
"""

import ast
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

PACKAGE = "dlnotes"
ROOT = Path(__file__).parents[1]  # where the package is

Node = TypeVar("Node", bound=ast.AST)


class Name(NamedTuple):
    """A name in a module; '' is the module itself."""

    module: str
    name: str


class Module:
    """A module of dlnotes, parsed once."""

    def __init__(self, name: str, path: str, source: str) -> None:
        self.name, self.path, self.source = name, path, source
        self.syntax = ast.parse(source)
        self.imports = dict(imported(self.syntax))
        self.loads = [name for _, name in imported(self.syntax, types=False)]


class Modules:
    """The modules of dlnotes, by the paths of their files and what reads one."""

    def __init__(self, paths: Collection[str], read: Callable[[str], str]) -> None:
        self.read, self.modules = read, dict[str, Module]()
        self.paths = {module_name(path): path for path in paths}

    def module(self, name: str) -> Module | None:
        """Return a module, or nothing if there is none of that name."""
        if name in self.paths and name not in self.modules:
            path = self.paths[name]
            self.modules[name] = Module(name, path, self.read(path))
        return self.modules.get(name)

    def source(self, name: str) -> str:
        """Return the source of a module."""
        module = self.module(name)
        return module.source if module else ""

    def home(self, name: Name) -> str:
        """Return the module that an import is of, or takes a name from."""
        whole = f"{name.module}.{name.name}"
        return whole if whole in self.paths else name.module

    def loaded(self, code: ast.AST) -> set[str]:
        """Name all modules that run where a piece of code does, packages included."""
        found = set[str]()
        waiting = [name for _, name in imported(code, types=False)]
        while waiting:
            parts = self.home(waiting.pop()).split(".")
            every = {".".join(parts[:k]) for k in range(1, len(parts) + 1)}
            for module in filter(None, map(self.module, every - found)):
                found.add(module.name)
                waiting += module.loads
        return found


def modules(folder: Path) -> tuple[list[str], Callable[[str], str]]:
    """Return the paths of the modules below a folder, and what reads one."""
    paths = sorted(folder.glob(f"{PACKAGE}/**/*.py"))
    return [path.relative_to(folder).as_posix() for path in paths], lambda path: (
        folder / path
    ).read_text(encoding="utf-8")


def module_name(path: str) -> str:
    """Write the path of a file, below the folder of the package, as a module's name."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported(node: ast.AST, *, types: bool = True) -> Iterator[tuple[str, Name]]:
    """Yield what is imported anywhere in a piece of code: as what, and from where.

    Without ``types``, what is imported for annotations alone is left out.

    Examples
    --------
    >>> import ast
    >>> from dlnotes.imports import imported
    >>> code = "from dlnotes.cnn import pooling as pool, cost; import numpy as np"
    >>> for alias, (module, name) in imported(ast.parse(code)):
    ...     print(alias, module, name)
    pool dlnotes.cnn pooling
    cost dlnotes.cnn cost
    np numpy
    """
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name, Name(node.module or "", alias.name)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.asname or alias.name, Name(alias.name, "")
            top, dot, _ = alias.name.partition(".")
            if dot and not alias.asname:
                yield top, Name(top, "")
    else:
        for each in ast.iter_child_nodes(node) if types else _running(node):
            yield from imported(each, types=types)


def _running(node: ast.AST) -> Iterable[ast.AST]:
    """Return the parts of a piece of syntax that run."""
    if isinstance(node, ast.If) and as_text(node.test) == _TYPE_CHECKING:
        return node.orelse
    return ast.iter_child_nodes(node)


def docstring(node: ast.AST) -> str:
    """Return the docstring of a module or a definition, or nothing."""
    if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
        return ast.get_docstring(node) or ""
    return ""


def without_docstrings(node: Node) -> Node:
    """Take the docstrings out of a piece of syntax, which is changed."""
    for each in ast.walk(node):
        if docstring(each):
            each.body[:] = each.body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return node


# Fields that follow from others, or that some versions of Python lack.
_SILENT = {"ctx", "kind", "type_comment", "type_ignores", "type_params"}


def as_text(node: Any) -> str:
    """Write syntax as a text that no format and no version of Python changes.

    Examples
    --------
    >>> import ast
    >>> from dlnotes.imports import as_text
    >>> spread, narrow = (ast.parse(code) for code in ("f( x ,)  # now", "f(x)"))
    >>> as_text(spread) == as_text(narrow)
    True
    """
    if isinstance(node, list):
        return f"[{' '.join(map(as_text, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    told = [
        f"{field}={as_text(value)}"
        for field in node._fields
        if field not in _SILENT
        if (value := getattr(node, field, None)) not in (None, [])
    ]
    return f"({' '.join([type(node).__name__, *told])})"


_TYPE_CHECKING = as_text(ast.Name("TYPE_CHECKING"))
