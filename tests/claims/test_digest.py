"""A digest follows what an experiment uses, through modules, and nothing else."""

from pathlib import Path

import pytest

from dlnotes.claims.digest import digest
from dlnotes.claims.source import Name, Tree, here

ARRAYS = '''"""Arrays."""
def checked(function):
    """Check."""
    return lambda *given: compare(function(*given))
def compare(result):
    return result
'''
LAYER = '''"""A layer."""
from dlnotes.arrays import checked
from dlnotes.claims import claim
WIDTH = 3
@checked
def wide(x):
    """Widen."""
    return x * WIDTH  # by the width
def unused(x):
    return x
def mean(x):
    return x
class Shape:
    size = 7
    mean = 1
'''
EXPERIMENT = '''"""Experiments."""
import numpy as np
from dlnotes import layers
from dlnotes.layers import layer
from dlnotes.layers.layer import Shape, wide as broad
def measure(seeds):
    """Claim.

    It holds if it is so.
    """
    return layer.wide(seeds) + broad(seeds) + layers.layer.Shape.size + Shape.mean
def another(seeds):
    return seeds
'''
PLACES = {
    "dlnotes/__init__.py": "",
    "dlnotes/arrays.py": ARRAYS,
    "dlnotes/layers/__init__.py": "",
    "dlnotes/layers/layer.py": LAYER,
    "dlnotes/claims/cnn/pooling.py": EXPERIMENT,
}
MEASURE = Name("dlnotes.claims.cnn.pooling", "measure")


def of(files: dict[str, str]) -> str:
    return digest(Tree(files, files.__getitem__), MEASURE)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("Widen", "Make wide", False),
        ("  # by the width", "", False),
        ("by the width", "by how much", False),
        ("unused(x):\n    return x", "unused(x):\n    return -x", False),
        ("def mean(x):\n    return x", "def mean(x):\n    return -x", False),
        ("another(seeds):\n    return seeds", "another(seeds):\n    return 0", False),
        ("compare(result):\n    return", "compare(result):\n    return 2 *", False),
        ("compare(function(*given))", "2 * compare(function(*given))", True),
        ("x * WIDTH", "x + WIDTH", True),
        ("WIDTH = 3", "WIDTH = 4", True),
        ("size = 7", "size = 8", True),
        ("+ broad", "- broad", True),
        ("It holds if it is so.", "It holds if it is not so.", True),
        ("It holds if it is so.", "It holds if\n    it is so.", False),
    ],
)
def test_a_change_counts_if_and_only_if_it_changes_what_is_computed_or_the_rule(
    old: str,
    new: str,
    changes: bool,  # noqa: FBT001
) -> None:
    after = {path: source.replace(old, new) for path, source in PLACES.items()}

    assert sum(source.count(old) for source in PLACES.values()) == 1
    assert (of(after) != of(PLACES)) == changes


def test_a_module_is_parsed_once_however_many_definitions_are_used() -> None:
    read = []

    def note(path: str) -> str:
        read.append(path)
        return PLACES[path]

    digest(Tree(PLACES, note), MEASURE)

    assert len(read) == len(set(read))


def test_the_closure_of_an_experiment_here_has_the_section_and_the_loop() -> None:
    claim = here().declared()["claim-scaled-tanh"]

    names = here().closure(claim.experiment)

    assert Name("dlnotes.networks.activations", "scaled_tanh") in names
    assert Name("dlnotes.lab.fit", "fit") in names
    assert Name("dlnotes.arrays", "checked") in names
    assert not any(name.module == "dlnotes.claims" for name in names)


def test_no_module_imports_dlnotes_in_a_way_that_the_digest_does_not_follow() -> None:
    import dlnotes

    for path in Path(str(dlnotes.__file__)).parent.rglob("*.py"):
        assert "\nimport dlnotes" not in path.read_text(encoding="utf-8"), path
        assert "\nfrom ." not in path.read_text(encoding="utf-8"), path
