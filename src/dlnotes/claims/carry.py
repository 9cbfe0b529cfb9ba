"""Carry a result over to code that computes the same under other names.

The definitions that an experiment uses are compared with those of a commit, syntax tree
by syntax tree, as far as they compute (`dlnotes.claims.source`).  A result is carried
over if and only if they are equal but for their modules and a renaming: one old name
for one new name and back, for definitions, members and keywords in all of the code, for
variables in one definition.  Only what the code itself names may be renamed; the names
of other libraries, and every constant, must be the same, and so must the rule.

Whether the result was one of the commit's code is asked of that commit's own digest,
which may have looked at more, or less, than the present one.
"""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from dlnotes.claims.digest import CONFIRMED, digest, rule
from dlnotes.claims.ledger import load, save
from dlnotes.claims.source import Declared, Tree
from dlnotes.imports import ROOT, Name

# A member called as one of an array may be one of an array.
FOREIGN = {*dir(np.ndarray), *dir(np), *dir(str), *dir(dict), *dir(list)}


class DifferenceError(ValueError):
    """Two definitions are not the same."""


def carry(
    identifier: str, old: Tree, digests: Mapping[str, str], new: Tree, folder: Path
) -> str:
    """Give a result the digest of the new code if the old code was the same.

    Parameters
    ----------
    identifier
        The claim's name.
    old
        The code that the result may be of.
    digests
        What the digest of each claim was then, as the code of then has it.
    new
        The code that the result is carried over to.
    folder
        Where the result is.

    Returns
    -------
    digest
        The new digest, which is now on record.

    Raises
    ------
    ValueError
        If the experiment did not exist, if its result was stale already, or if the
        code or the rule differs.
    """
    before, after = (tree.declared().get(identifier) for tree in (old, new))
    if before is None or after is None:
        raise ValueError(f"{identifier} is not in both versions")
    result = load(identifier, folder)
    if result.digest != digests.get(identifier):
        raise ValueError(f"{identifier} was stale then")
    compare(old, before, new, after)
    fresh = digest(new, after.experiment)
    save(replace(result, digest=fresh), folder)
    return fresh


def at(commit: str, *, checkout: Path = ROOT.parent) -> Tree:
    """Return the modules that a commit has.

    Raises
    ------
    ValueError
        If git finds no such commit here.
    """
    listed = _git(checkout, "ls-tree", "-r", "--name-only", commit, "src/dlnotes")
    paths = [path[4:] for path in listed.splitlines() if path.endswith(".py")]
    return Tree(paths, lambda path: _git(checkout, "show", f"{commit}:src/{path}"))


# What prints the digest of each claim, by the code that it runs with.
_DIGESTS = """
import json
from dlnotes.claims.digest import digest
from dlnotes.claims.source import here
found = here().declared().items()
print(json.dumps({name: digest(here(), claim.experiment) for name, claim in found}))
"""


def digests_of(old: Tree) -> dict[str, str]:
    """Return the digest of each claim as the old code itself computes it.

    Raises
    ------
    ValueError
        If the old code has no digest that can be asked.
    """
    with TemporaryDirectory() as folder:
        for module, path in old.paths.items():
            copy = Path(folder, path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(old.source(module), encoding="utf-8")
        environment = os.environ | {"PYTHONPATH": folder}
        done = subprocess.run(
            [sys.executable, "-c", _DIGESTS],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise ValueError(f"the code of then cannot tell its digests: {done.stderr}")
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _git(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=checkout, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"git {' '.join(arguments)} in {checkout}: {done.stderr}")
    return done.stdout


def compare(old: Tree, before: Declared, new: Tree, after: Declared) -> None:
    """Raise ValueError unless two experiments are the same but for names."""
    rules = (rule(old, before.experiment), rule(new, after.experiment))
    if len({" ".join(each.split()) for each in rules}) > 1:
        raise DifferenceError("the rule differs")
    sides = Side(old, before.experiment), Side(new, after.experiment)
    shared, done = Bijection(), set[tuple[Name, Name]]()
    waiting = [(before.experiment, after.experiment), (CONFIRMED, CONFIRMED)]
    while waiting:
        pair = waiting.pop()
        if pair not in done:
            done.add(pair)
            shared.add(*pair)
            comparison = Comparison(sides, pair, shared)
            comparison.same(*map(Side.definition, sides, pair))
            waiting += comparison.used


class Side:
    """What an experiment uses in one version, and the names that it gives there."""

    def __init__(self, tree: Tree, experiment: Name) -> None:
        self.tree = tree
        used = tree.closure(experiment, CONFIRMED)
        nodes = [*filter(None, map(tree.definition, used))]
        every = [each for node in nodes for each in ast.walk(node)]
        self.keywords = {each.arg for each in every if isinstance(each, ast.keyword)}
        self.members = {each.arg for each in every if isinstance(each, ast.arg)}
        for each in every:
            if isinstance(each, ast.ClassDef):
                self.members |= {*_members(each)}
            elif isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store):
                self.members.add(each.attr)

    def definition(self, name: Name) -> ast.AST | None:
        """Return what a name is defined by."""
        return self.tree.definition(name)

    def resolve(self, place: Name, node: ast.AST) -> Name | None:
        """Return what a node stands for in the module of a place."""
        return self.tree.resolve(place.module, node)

    def counts(self, name: Name) -> bool:
        """Tell whether a name is a definition to be compared."""
        return self.tree.counts(name)


def _members(node: ast.AST) -> Iterator[str]:
    """Name what a class defines, in order; anything else defines no members."""
    for each in node.body if isinstance(node, ast.ClassDef) else []:
        if isinstance(each, ast.FunctionDef | ast.ClassDef):
            yield each.name
        elif isinstance(each, ast.AnnAssign | ast.Assign):
            names = (part for part in ast.walk(each) if isinstance(part, ast.Name))
            yield from (part.id for part in names if isinstance(part.ctx, ast.Store))


class Bijection:
    """One thing for another, and back."""

    def __init__(self) -> None:
        self.there, self.back = dict[Any, Any](), dict[Any, Any]()

    def add(self, ours: Any, theirs: Any) -> None:
        """Note a pair, or raise ValueError if one of it has another partner."""
        known = self.there.setdefault(ours, theirs), self.back.setdefault(theirs, ours)
        if known != (theirs, ours):
            raise DifferenceError(
                f"{theirs} cannot stand for {ours} here and not elsewhere"
            )


class Comparison:
    """Two definitions side by side."""

    def __init__(
        self, sides: tuple[Side, Side], names: tuple[Name, Name], shared: Bijection
    ) -> None:
        self.sides, self.names, self.shared = sides, names, shared
        self.local, self.used = Bijection(), list[tuple[Name, Name]]()
        self.bound = [{*_bound(side.definition(n))} for side, n in self.placed()]

    def placed(self) -> Iterator[tuple[Side, Name]]:
        """Pair each side with the definition on it."""
        return zip(self.sides, self.names, strict=True)

    def differ(self, how: str) -> DifferenceError:
        """Say where two definitions are not the same."""
        return DifferenceError(f"{'.'.join(self.names[1])} {how}")

    def same(self, ours: Any, theirs: Any) -> None:
        """Raise ValueError unless two pieces of syntax are the same."""
        if type(ours) is not type(theirs):
            raise self.differ("has other syntax")
        if isinstance(ours, list):
            if len(ours) != len(theirs):
                raise self.differ("has more or fewer parts")
            for pair in zip(ours, theirs, strict=True):
                self.same(*pair)
        elif isinstance(ours, ast.AST):
            if not (self.same_rows(ours, theirs) or self.same_definition(ours, theirs)):
                self.same_node(ours, theirs)
        elif ours != theirs:
            raise self.differ(f"has {theirs!r} for {ours!r}")

    def same_rows(self, ours: Any, theirs: Any) -> bool:
        """Tell whether two nodes take rows of tables, which are to be the same."""
        found = [
            side.tree.rows(name, node)
            for (side, name), node in zip(self.placed(), (ours, theirs), strict=True)
        ]
        if not all(found):
            return False
        self.same(ours.slice, theirs.slice)
        keys = [[each.name.partition("[")[2][:-1] for each in rows] for rows in found]
        if keys[0] != keys[1]:
            ours_told, theirs_told = map(", ".join, keys)
            raise self.differ(f"has the rows {theirs_told} for {ours_told}")
        tables = (each.value for each in (ours, theirs))
        places = zip(self.placed(), tables, strict=True)
        self.shared.add(*(side.resolve(name, node) for (side, name), node in places))
        self.used += zip(*found, strict=True)
        return True

    def same_definition(self, ours: ast.AST, theirs: ast.AST) -> bool:
        """Tell whether two nodes stand for definitions, which are to be the same."""
        places = zip(self.placed(), (ours, theirs), strict=True)
        found = [side.resolve(name, node) for (side, name), node in places]
        first, second = found
        if first is None or second is None:
            if first is not second:
                raise self.differ(f"has {second} for {first}")
            return False
        counts = [
            side.counts(name)
            for side, name in zip(self.sides, found, strict=True)
            if name
        ]
        if all(counts):
            self.used.append((first, second))
        elif first != second:
            raise self.differ(f"has {second} for {first}")
        return True

    def same_node(self, ours: ast.AST, theirs: ast.AST) -> None:
        """Compare two nodes of one kind: what they name, and what is in them."""
        for pair in zip(_members(ours), _members(theirs), strict=False):
            self.shared.add(*pair)
        for field in ours._fields:
            parts: list[Any] = [getattr(node, field, None) for node in (ours, theirs)]
            if field == NAMED.get(type(ours)) and None not in parts:
                self.same_name(ours, *parts)
            else:
                self.same(*parts)

    def same_name(self, node: ast.AST, ours: str, theirs: str) -> None:
        """Compare two names: of variables, or of parameters and members."""
        if isinstance(node, ast.Name) and ours not in self.bound[0]:
            self.same(ours, theirs)
            return
        if not isinstance(node, ast.keyword | ast.Attribute):
            self.local.add(ours, theirs)
            if not isinstance(node, ast.arg):
                return
            if (
                ours not in self.sides[0].keywords
                and theirs not in self.sides[1].keywords
            ):
                return
        if ours != theirs:
            given = ours in self.sides[0].members and theirs in self.sides[1].members
            if not given or {ours, theirs} & FOREIGN:
                raise self.differ(f"has {theirs} for {ours}, which others name, too")
        self.shared.add(ours, theirs)


# Where a node has a name that may be another one in the other version.
NAMED: dict[type[ast.AST], str] = {
    ast.Name: "id",
    ast.arg: "arg",
    ast.keyword: "arg",
    ast.Attribute: "attr",
    ast.FunctionDef: "name",
    ast.ClassDef: "name",
}


def _bound(node: ast.AST | None) -> Iterator[str]:
    """Name the variables that a definition binds."""
    for each in ast.walk(node) if node else []:
        if isinstance(each, ast.arg):
            yield each.arg
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id
        elif isinstance(each, ast.FunctionDef | ast.ClassDef):
            yield each.name
