"""A digest follows what an experiment uses, through modules, and nothing else."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlnotes.claims import digest as digests

LAYER = '''"""A layer."""
from dlnotes.claims import claim
WIDTH = 3
def wide(x):
    """Widen."""
    return x * WIDTH  # by the width
def unused(x):
    return x
'''
EXPERIMENT = '''"""Experiments."""
from dlnotes.digested import layer
from dlnotes.digested.layer import wide as broad
def measure(seeds):
    """Claim."""
    return layer.wide(seeds) + broad(seeds)
def another(seeds):
    return seeds
'''


@pytest.fixture
def digested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], str]:
    """Return the digest of `measure` in a package made of two modules."""
    import dlnotes

    package = tmp_path / "digested"
    package.mkdir()
    (package / "__init__.py").write_text('"""Made for a test."""\n')
    monkeypatch.setattr(dlnotes, "__path__", [*dlnotes.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "dlnotes.digested", raising=False)

    def digest(layer: str, experiment: str) -> str:
        (package / "layer.py").write_text(layer)
        (package / "experiment.py").write_text(experiment)
        importlib.invalidate_caches()
        for cached in vars(digests).values():
            if hasattr(cached, "cache_clear"):
                cached.cache_clear()

        def measure() -> Any: ...

        measure.__module__ = "dlnotes.digested.experiment"
        return digests.digest(measure)

    return digest


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("Widen", "Make wide", False),
        ("by the width", "by how much", False),
        ("unused(x):\n    return x", "unused(x):\n    return -x", False),
        ("another(seeds):\n    return seeds", "another(seeds):\n    return 0", False),
        ("x * WIDTH", "x + WIDTH", True),
        ("WIDTH = 3", "WIDTH = 4", True),
        ("+ broad", "- broad", True),
    ],
)
def test_a_change_counts_if_and_only_if_it_changes_what_is_computed(
    digested: Callable[[str, str], str],
    old: str,
    new: str,
    changes: bool,  # noqa: FBT001
) -> None:
    before = digested(LAYER, EXPERIMENT)

    after = digested(LAYER.replace(old, new), EXPERIMENT.replace(old, new))

    assert (LAYER + EXPERIMENT).count(old) == 1
    assert (after != before) == changes


def test_no_module_imports_dlnotes_in_a_way_that_the_digest_does_not_follow() -> None:
    import dlnotes

    for path in Path(str(dlnotes.__file__)).parent.rglob("*.py"):
        assert "\nimport dlnotes" not in path.read_text(encoding="utf-8"), path
