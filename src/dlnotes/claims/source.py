"""The source of dlnotes as data: its definitions, and what each of them uses.

A tree is read from the files here or from a commit; nothing is imported, so what is
claimed can be listed where PyTorch is not installed.
"""

import ast
import io
import tokenize
from collections.abc import Callable, Collection, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from dlnotes.contents import CONTENTS

ROOT = Path(__file__).parents[2]  # where the package is

# The types of a finding, bars, and what delivers verified bytes compute nothing.
BLIND = {"dlnotes.claims", "dlnotes.claims.progress", "dlnotes.lab.fetch"}
# What is taken from here counts, but not what that uses: it only compares shapes.
SHALLOW = {"dlnotes.arrays"}


class Name(NamedTuple):
    """A name in a module; '' is the module itself."""

    module: str
    name: str


class Declared(NamedTuple):
    """A claim, as its experiment's docstring and decorator have it."""

    experiment: Name
    seeds: range
    statement: str
    rule: str


class Module:
    """A module of dlnotes, parsed once."""

    def __init__(self, name: str, path: str, source: str) -> None:
        self.name, self.path, self.source = name, path, source
        self.syntax = ast.parse(source)
        self.definitions = dict(_definitions(self.syntax))
        self.imports = dict(_imports(self.syntax))
        self.lines = _without_comments(source)


class Tree:
    """The modules of dlnotes, by the paths of their files and what reads one."""

    def __init__(self, paths: Collection[str], read: Callable[[str], str]) -> None:
        self.read, self.modules = read, dict[str, Module]()
        self.paths = {_module_name(path): path for path in paths}

    def module(self, name: str) -> Module | None:
        """Return a module of the tree, or nothing if there is none of that name."""
        if name in self.paths and name not in self.modules:
            path = self.paths[name]
            self.modules[name] = Module(name, path, self.read(path))
        return self.modules.get(name)

    def definition(self, name: Name) -> ast.stmt | None:
        """Return what a name is defined by, or nothing if it is no definition here."""
        module = self.module(name.module)
        return module.definitions.get(name.name) if module else None

    def origin(self, name: Name) -> Name:
        """Follow an import to the module, or the definition, that it stands for."""
        module = self.module(name.module)
        if module and name.name not in module.definitions:
            if name.name in module.imports:
                return self.origin(module.imports[name.name])
            if f"{name.module}.{name.name}" in self.paths:
                return Name(f"{name.module}.{name.name}", "")
        return name

    def resolve(self, module: Module, node: ast.AST) -> Name | None:
        """Return what a name, or an attribute of a module, stands for in a module."""
        if isinstance(node, ast.Name):
            known = node.id in module.definitions or node.id in module.imports
            return self.origin(Name(module.name, node.id)) if known else None
        if isinstance(node, ast.Attribute):
            holder = self.resolve(module, node.value)
            if holder and not holder.name:
                return self.origin(Name(holder.module, node.attr))
        return None

    def used(self, name: Name) -> Iterator[Name]:
        """Name the definitions of dlnotes that one definition uses."""
        module, node = self.module(name.module), self.definition(name)
        if module and node and name.module not in SHALLOW:
            loaded = (
                each
                for each in ast.walk(node)
                if not isinstance(getattr(each, "ctx", None), ast.Store)
            )
            found = (self.resolve(module, each) for each in loaded)
            yield from (each for each in found if each and self.counts(each))

    def counts(self, name: Name) -> bool:
        """Tell whether a name is a definition that a result may depend on."""
        return name.module not in BLIND and self.definition(name) is not None

    def closure(self, start: Name) -> list[Name]:
        """Return a definition and all that it uses, directly or not."""
        found, waiting = set[Name](), [start]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.used(name)
        return sorted(found)

    def declared(self) -> dict[str, Declared]:
        """Return the claims of all experiments, in the order of the contents."""
        places = [
            f"{chapter}.{name}" for chapter in CONTENTS for name in CONTENTS[chapter]
        ]

        def place(module: str) -> tuple[int, str]:
            section = module.removeprefix("dlnotes.claims.")
            return places.index(section) if section in places else len(places), section

        modules = [name for name in self.paths if name.startswith("dlnotes.claims.")]
        return {
            identifier: found
            for name in sorted(modules, key=place)
            if (module := self.module(name))
            for identifier, found in _declared(module)
        }


@cache
def here() -> Tree:
    """Return the modules that are imported from."""
    paths = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("dlnotes/**/*.py")]
    return Tree(paths, lambda path: (ROOT / path).read_text(encoding="utf-8"))


def docstring(node: ast.AST) -> str:
    """Return the docstring of a definition, or nothing."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return ast.get_docstring(node) or ""
    return ""


def _module_name(path: str) -> str:
    """Write the path of a file, below the folder of the package, as a module's name."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _definitions(syntax: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Name what a module defines by its own hand."""
    for node in syntax.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for each in ast.walk(target):
                    if isinstance(each, ast.Name):
                        yield each.id, node


def _imports(syntax: ast.Module) -> Iterator[tuple[str, Name]]:
    """Name what a module imports, anywhere in it, and where that is from."""
    for node in ast.walk(syntax):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, Name(node.module or "", alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield alias.asname or top, Name(alias.name if alias.asname else top, "")


def _without_comments(source: str) -> list[str]:
    """Return the lines of a source without their comments."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column].rstrip()
    return lines


def _declared(module: Module) -> Iterator[tuple[str, Declared]]:
    """Read the claims of a module from its decorators and docstrings."""
    for name, node in module.definitions.items():
        for each in getattr(node, "decorator_list", []):
            if isinstance(each, ast.Call) and ast.unparse(each.func) == "claim":
                statement, _, rule = docstring(node).partition("\n")
                experiment = Name(module.name, name)
                found = Declared(experiment, _seeds(each), statement, rule.strip())
                yield ast.literal_eval(each.args[0]), found


def _seeds(decorator: ast.Call) -> range:
    """Read which seeds a claim is measured on."""
    given = {each.arg: ast.literal_eval(each.value) for each in decorator.keywords}
    first = given.get("first", 0)
    return range(first, first + given.get("seeds", 5))
