"""A name for the code that a result depends on.

It covers the experiment, every definition of dlnotes that the experiment uses, every
definition that these use, and what confirms each verdict, as far as they compute; and
the experiment's own docstring, which is its rule.  Edit other prose, what an error
says, or a claim beside it, and the result stands; edit the code or the rule, and it is
stale.
"""

import hashlib

from dlnotes.claims.source import Tree
from dlnotes.imports import Name, as_text

# What measures twice and may take back a verdict, whichever experiment is run.
CONFIRMED = Name("dlnotes.claims.rounding", "confirmed")


def digest(tree: Tree, experiment: Name) -> str:
    """Return a digest of an experiment, its rule, and all that it uses in dlnotes."""
    used = tree.closure(experiment, CONFIRMED)
    code = (f"{name.name}: {as_text(tree.definition(name))}" for name in used)
    parts = [rule(tree, experiment), *code]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def rule(tree: Tree, experiment: Name) -> str:
    """Return an experiment's docstring: its claim, and how that is judged."""
    return " ".join(tree.docstring(experiment).split())
