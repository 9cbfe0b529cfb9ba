"""The source of dlnotes as data: its definitions, and what each of them uses.

A tree is read from the files here or from a commit; nothing is imported, so what is
claimed can be listed where PyTorch is not installed.  A definition is what computes:
its docstring, its comments and format, the annotations of what it takes, returns and
keeps, and what an error says are no part of it.
"""

import ast
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from dlnotes.contents import CONTENTS
from dlnotes.imports import (
    ROOT,
    Module,
    Modules,
    Name,
    docstring,
    modules,
    without_docstrings,
)

# The types of a finding, bars, what delivers verified bytes, and what training refuses
# compute nothing.
BLIND = {
    *("dlnotes.claims", "dlnotes.claims.progress"),
    *("dlnotes.lab.fetch", "dlnotes.lab.arguments"),
}
# Nor do these, as tests hold them to: two hand on what they are given or refuse it, and
# one is the loop that anybody would write, to the last bit.
FRAMES = {
    *(Name("dlnotes.arrays", "checked"), Name("dlnotes.arrays", "ArrayTree")),
    Name("dlnotes.lab.fit", "fit"),
}


class Declared(NamedTuple):
    """A claim, as its experiment's docstring and decorator have it."""

    experiment: Name
    seeds: range
    statement: str
    rule: str


class Tree(Modules):
    """The modules of dlnotes and their definitions.

    A row of a table, which is a dictionary written out, is a definition as well.
    """

    @cache  # noqa: B019  # a tree is as long-lived as what is known of it
    def definitions(self, module: str) -> dict[str, ast.AST]:
        """Return what a module defines, by name, as far as it computes."""
        syntax = without_docstrings(ast.parse(self.source(module)))
        return dict(_definitions(Computing().visit(syntax)))

    def definition(self, name: Name) -> ast.AST | None:
        """Return what a name is defined by, or nothing if it is no definition here."""
        return self.definitions(name.module).get(name.name)

    def origin(self, name: Name) -> Name:
        """Follow an import to the module, or the definition, that it stands for."""
        module = self.module(name.module)
        if module and not self.definition(name):
            if name.name in module.imports:
                return self.origin(module.imports[name.name])
            if (home := self.home(name)) != name.module:
                return Name(home, "")
        return name

    def resolve(self, module: str, node: ast.AST) -> Name | None:
        """Return what a name, or an attribute of a module, stands for in a module."""
        if isinstance(node, ast.Name):
            name, found = Name(module, node.id), self.module(module)
            known = self.definition(name) or (found and node.id in found.imports)
            return self.origin(name) if known else None
        if isinstance(node, ast.Attribute):
            holder = self.resolve(module, node.value)
            if holder and not holder.name:
                return self.origin(Name(holder.module, node.attr))
        return None

    def used(self, name: Name) -> Iterator[Name]:
        """Name the definitions of dlnotes that one definition uses."""
        scope = self.definition(name)
        waiting = [scope] if scope else []
        while waiting:
            node = waiting.pop()
            if rows := self.rows(name, node):
                yield from rows
                waiting.append(node.slice)  # type: ignore[attr-defined]  # of a subscript
                continue
            found = self.resolve(name.module, node)
            stored = isinstance(getattr(node, "ctx", None), ast.Store)
            if found and not stored and self.counts(found):
                yield found
            waiting += ast.iter_child_nodes(node)

    def rows(self, place: Name, node: ast.AST) -> list[Name]:
        """Name the rows of a table that a subscript takes, where one can tell."""
        if not isinstance(node, ast.Subscript):
            return []
        table = self.resolve(place.module, node.value)
        keys = self._keys(place, node.slice)
        if table is None or not keys:
            return []
        found = [Name(table.module, f"{table.name}[{key!r}]") for key in keys]
        return found if all(map(self.definition, found)) else []

    def _keys(self, place: Name, node: ast.AST) -> list[str]:
        """Return the strings that an expression is, or goes through, if they are known.

        That is a string, a tuple of strings, a constant that is one, or the variable of
        a loop over these.
        """
        match node:
            case ast.Constant(str(key)):
                return [key]
            case ast.Starred(value):
                return self._keys(place, value)
            case ast.Tuple(elements):
                found = [self._keys(place, each) for each in elements]
                return [key for keys in found for key in keys] if all(found) else []
            case ast.Name(variable):
                if loops := _loops(self.definition(place), variable):
                    return self._keys(place, ast.Tuple(loops))
                constant = self.resolve(place.module, node)
                defined = self.definition(constant) if constant else None
                if constant and isinstance(defined, ast.Assign):
                    return self._keys(constant, defined.value)
        return []

    def counts(self, name: Name) -> bool:
        """Tell whether a name is a definition that a result may depend on."""
        blind = name.module in BLIND or name in FRAMES
        return not blind and self.definition(name) is not None

    def closure(self, *starts: Name) -> list[Name]:
        """Return definitions and all that they use, directly or not."""
        found, waiting = set[Name](), [*filter(self.definition, starts)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.used(name)
        return sorted(found)

    def docstring(self, name: Name) -> str:
        """Return the docstring of a function or a class, or nothing."""
        module = self.module(name.module)
        found = [
            docstring(node)
            for node in (module.syntax.body if module else ())
            if getattr(node, "name", "") == name.name
        ]
        return found[-1] if found else ""

    def declared(self) -> dict[str, Declared]:
        """Return the claims of all experiments, in the order of the contents."""
        places = [
            f"{chapter}.{name}" for chapter in CONTENTS for name in CONTENTS[chapter]
        ]

        def place(module: str) -> tuple[int, str]:
            section = module.removeprefix("dlnotes.claims.")
            return places.index(section) if section in places else len(places), section

        found = [name for name in self.paths if name.startswith("dlnotes.claims.")]
        return {
            identifier: claim
            for name in sorted(found, key=place)
            if (module := self.module(name))
            for identifier, claim in _declared(module)
        }


@cache
def here() -> Tree:
    """Return the modules that are imported from."""
    return Tree(*modules(ROOT))


class Computing(ast.NodeTransformer):
    """Leave of a piece of syntax what computes.

    An error keeps its class and the condition that it is raised on, and loses what it
    says.  Annotations go, but for the fields of a class, which they declare.
    """

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Replace an error by its class."""
        error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(error, None)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        """Take away what an assertion says."""
        return ast.Assert(self.visit(node.test), None)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Take away what a function says that it returns."""
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Take away the annotation of an argument."""
        return ast.arg(node.arg)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """Take away the annotation of a variable."""
        return node.value and ast.Assign([node.target], self.visit(node.value))

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Keep the annotations of fields."""
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        node.body = [
            each if isinstance(each, ast.AnnAssign) else self.visit(each)
            for each in node.body
        ]
        return node


def _definitions(syntax: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Name what a module defines by its own hand."""
    for node in syntax.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                for each in ast.walk(target):
                    if isinstance(each, ast.Name):
                        yield each.id, node
                        yield from _rows(each.id, node.value)


def _rows(table: str, node: ast.expr) -> Iterator[tuple[str, ast.AST]]:
    """Name the rows of a dictionary written out whose keys are strings."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield f"{table}[{key.value!r}]", value


def _loops(scope: ast.AST | None, variable: str) -> list[ast.expr]:
    """Return what a variable goes through, if that is all that it is used for."""
    every = [*ast.walk(scope)] if scope else []
    loops = [
        each.iter
        for each in every
        if isinstance(each, ast.comprehension | ast.For)
        if isinstance(each.target, ast.Name) and each.target.id == variable
    ]
    bound = [
        each
        for each in every
        if (isinstance(each, ast.arg) and each.arg == variable)
        or (
            isinstance(each, ast.Name)
            and isinstance(each.ctx, ast.Store)
            and each.id == variable
        )
    ]
    return loops if len(bound) == len(loops) else []


def _declared(module: Module) -> Iterator[tuple[str, Declared]]:
    """Read the claims of a module from its decorators and docstrings."""
    for node in module.syntax.body:
        for each in getattr(node, "decorator_list", []):
            if isinstance(each, ast.Call) and ast.unparse(each.func) == "claim":
                statement, _, rule = docstring(node).partition("\n")
                experiment = Name(module.name, node.name)  # type: ignore[attr-defined]
                found = Declared(experiment, _seeds(each), statement, rule.strip())
                yield ast.literal_eval(each.args[0]), found


def _seeds(decorator: ast.Call) -> range:
    """Read which seeds a claim is measured on."""
    given = {each.arg: ast.literal_eval(each.value) for each in decorator.keywords}
    first = given.get("first", 0)
    return range(first, first + given.get("seeds", 5))
