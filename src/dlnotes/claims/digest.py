"""A name for the code that a result depends on.

It covers the experiment, every definition of dlnotes that the experiment uses, and
every definition that these use, less docstrings and comments; but the experiment's own
docstring is its rule, and counts.  Edit other prose, or add another claim, and the
result stands; edit the code or the rule, and it is stale.
"""

import ast
import hashlib

from dlnotes.claims.source import Module, Name, Tree, docstring


def digest(tree: Tree, experiment: Name) -> str:
    """Return a digest of an experiment, its rule, and all that it uses in dlnotes."""
    parts = [" ".join(rule(tree, experiment).split())]
    parts += [code(tree, name) for name in tree.closure(experiment)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def rule(tree: Tree, experiment: Name) -> str:
    """Return an experiment's docstring: its claim, and how that is judged."""
    node = tree.definition(experiment)
    return docstring(node) if node else ""


def code(tree: Tree, name: Name) -> str:
    """Return the lines of a definition that are neither docstring nor comment."""
    module, node = tree.module(name.module), tree.definition(name)
    return _code(module, node) if module and node else ""


def _code(module: Module, node: ast.stmt) -> str:
    decorators = getattr(node, "decorator_list", [])
    start = min([node.lineno, *(each.lineno for each in decorators)]) - 1
    kept = set(range(start, node.end_lineno or start))
    for each in ast.walk(node):
        if isinstance(each, ast.ClassDef | ast.FunctionDef) and docstring(each):
            first = each.body[0]
            kept -= set(range(first.lineno - 1, first.end_lineno or first.lineno))
    return "\n".join(filter(None, map(module.lines.__getitem__, sorted(kept))))
