"""A name for the code that a result depends on.

It covers the experiment, every definition of dlnotes that the experiment uses, and
every definition that these use, less docstrings and comments.  Edit the prose, or add
another claim, and the result stands; edit the code, and it is stale.
"""

import ast
import hashlib
import io
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

# What checks shapes, keeps records and delivers verified bytes computes nothing.
BLIND = {"dlnotes.arrays", "dlnotes.claims", "dlnotes.lab.fetch"}


class Name(NamedTuple):
    """A name in a module; '' is the module itself."""

    module: str
    name: str


def digest(function: Callable[..., Any]) -> str:
    """Return a digest of a function and of all that it uses in dlnotes."""
    found: dict[Name, str] = {}
    waiting = [Name(function.__module__, function.__name__)]
    while waiting:
        name = waiting.pop()
        if name not in found and name.module not in BLIND:
            node = _definitions(name.module).get(name.name)
            found[name] = _code(name.module, node) if node else ""
            waiting += _used(name.module, node) if node else []
    code = "\n".join(found[name] for name in sorted(found))
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def _spec(module: str) -> ModuleSpec:
    spec = find_spec(module)
    if spec is None:
        raise ModuleNotFoundError(module)
    return spec


@cache
def _source(module: str) -> str:
    return Path(str(_spec(module).origin)).read_text(encoding="utf-8")


@cache
def _syntax(module: str) -> ast.Module:
    return ast.parse(_source(module))


@cache
def _definitions(module: str) -> dict[str, ast.stmt]:
    """Return what a module defines by its own hand."""
    found: dict[str, ast.stmt] = {}
    for node in _syntax(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for each in ast.walk(target):
                    if isinstance(each, ast.Name):
                        found[each.id] = node
    return found


def _imported(tree: ast.AST) -> dict[str, Name]:
    """Return what is imported from dlnotes, by its name here."""
    return {
        alias.asname or alias.name: _origin(node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module is not None
        and node.module.partition(".")[0] == "dlnotes"
        for alias in node.names
    }


@cache
def _origin(module: str, name: str) -> Name:
    """Follow an import to the module, or the definition, that it stands for."""
    if name not in _definitions(module):
        onward = _imported(_syntax(module))
        if name in onward:
            return onward[name]
        if _spec(module).submodule_search_locations and find_spec(f"{module}.{name}"):
            return Name(f"{module}.{name}", "")
    return Name(module, name)


def _used(module: str, node: ast.stmt) -> Iterator[Name]:
    """Name the definitions of dlnotes that one definition uses."""
    imported = _imported(_syntax(module))
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            if each.id in _definitions(module):
                yield Name(module, each.id)
            elif each.id in imported and imported[each.id].name:
                yield imported[each.id]
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            origin = imported.get(each.value.id)
            if origin and not origin.name:
                yield _origin(origin.module, each.attr)


@cache
def _lines(module: str) -> list[str]:
    """Return the lines of a module without their comments."""
    source = _source(module)
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column].rstrip()
    return lines


def _code(module: str, node: ast.stmt) -> str:
    """Return the lines of a definition that are not of a docstring."""
    decorators = getattr(node, "decorator_list", [])
    start = min([node.lineno, *(each.lineno for each in decorators)]) - 1
    kept = set(range(start, node.end_lineno or start))
    for each in ast.walk(node):
        if isinstance(each, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(each):
            first = each.body[0]
            kept -= set(range(first.lineno - 1, first.end_lineno or first.lineno))
    return "\n".join(filter(None, map(_lines(module).__getitem__, sorted(kept))))
