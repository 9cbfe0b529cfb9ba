"""A result is carried over where only names changed, and nowhere else."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dlnotes.claims import Finding, Verdict, ledger
from dlnotes.claims import carry as carrying
from dlnotes.claims.carry import at
from dlnotes.claims.digest import digest
from dlnotes.claims.source import Tree

LAYER = '''"""A layer."""
import numpy as np
RATE = 0.5
PURE = 1
MIXED = {"one": PURE, "two": 2, "unused": 3}
class Layer:
    """A layer."""
    width: int
    depth: int
    def apply(self, x):
        """Apply."""
        return x * self.width - self.depth
def scale(x, by, power=2):
    if by is None:
        raise ValueError("nothing to scale")
    total = by * x
    return total ** power / np.mean(x) + x.max() + x.erf()
'''
ROOM = '''"""Claims."""
from dlnotes.claims import claim
from dlnotes.lab.layer import MIXED
from dlnotes.lab.layer import RATE, Layer, scale
@claim("claim-x")
def measure(seeds):
    """It is so.

    It holds if it is so.
    """
    layer = Layer(width=3, depth=2)
    mixed = [MIXED[name] for name in ("one", "two")]
    return scale(layer.apply(seeds), by=RATE)
'''
ROUNDING = '''"""Rounding."""
def confirmed(measure, seeds):
    return measure(seeds)
'''
OLD = {
    "dlnotes/lab/layer.py": LAYER,
    "dlnotes/claims/cnn.py": ROOM,
    "dlnotes/claims/rounding.py": ROUNDING,
}
RESULT = ledger.Result(
    claim="claim-x",
    finding=Finding(Verdict.HOLDS, "It was so.", "", ()),
    seeds=(0, 1),
    disturbed=Verdict.HOLDS,
    device="",
    versions={},
    date="",
    seconds=1.0,
    digest="",
)


def tree(files: dict[str, str]) -> Tree:
    return Tree(files, files.__getitem__)


def changed(*changes: tuple[str, str]) -> dict[str, str]:
    files = dict(OLD)
    for old, new in changes:
        assert any(old in source for source in files.values())
        files = {path: text.replace(old, new) for path, text in files.items()}
    return files


def carry(name: str, new: Tree, folder: Path) -> str:
    old = tree(OLD)
    digests = {"claim-x": digest(old, old.declared()["claim-x"].experiment)}
    return carrying.carry(name, old, digests, new, folder)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    old = tree(OLD)
    code = digest(old, old.declared()["claim-x"].experiment)
    ledger.save(replace(RESULT, digest=code), tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "changes",
    [
        [("RATE", "LEARNING_RATE")],
        [("scale", "stretch"), ("total", "product")],
        [("width", "units"), ("by", "factor")],
        [("apply", "forward"), ("Layer", "Block")],
        [("seeds", "numbers"), ("measure", "experiment")],
        [('"""Apply."""', '"""Apply it."""'), ("total = by * x", "total = (by * x)")],
        [("    total = by * x\n", "    total = (\n        by * x  # scaled\n    )\n")],
        [("nothing to scale", "there is nothing to scale")],
        [
            ("MIXED[name]", "BY_NAME[name]"),
            ("MIXED = ", "BY_NAME = "),
            ("import MIXED", "import BY_NAME"),
        ],
        [('"unused": 3', '"unused": 4')],
        [("PURE = 1", "CLEAN = 1"), ('"one": PURE', '"one": CLEAN')],
        [("It holds if it is so.", "It holds if it\n    is so.")],
    ],
)
def test_a_result_is_carried_over_a_renaming(
    recorded: Path, changes: list[tuple[str, str]]
) -> None:
    new = tree(changed(*changes))

    fresh = carry("claim-x", new, recorded)

    assert fresh == digest(new, new.declared()["claim-x"].experiment)
    assert ledger.load("claim-x", recorded) == replace(RESULT, digest=fresh)


def test_a_result_is_carried_over_when_its_experiment_moves(recorded: Path) -> None:
    files = dict(OLD)
    files["dlnotes/claims/cnn/pooling.py"] = files.pop("dlnotes/claims/cnn.py")
    files["dlnotes/nn/block.py"] = files.pop("dlnotes/lab/layer.py")
    moved = {
        path: text.replace("lab.layer", "nn.block") for path, text in files.items()
    }

    carry("claim-x", tree(moved), recorded)


@pytest.mark.parametrize(
    "changes",
    [
        [("RATE = 0.5", "RATE = 0.6")],
        [('"one": PURE', '"one": 2')],
        [("PURE = 1", "PURE = 2")],
        [('("one", "two")', '("two", "one")')],
        [('("one", "two")', '("one", "unused")')],
        [("MIXED[name]", "MIXED.get(name)")],
        [("raise ValueError", "raise TypeError")],
        [("by is None", "by is not None")],
        [("return measure(seeds)", "return measure(seeds[1:])")],
        [("power=2", "power=2.0")],
        [("It holds if it is so.", "It holds if it is not so.")],
        [("It is so.", "It is not so.")],
        [("by * x", "x * by")],
        [("by * x", "by * by")],
        [("self.width - self.depth", "self.depth - self.width")],
        [("width: int\n    depth: int", "depth: int\n    width: int")],
        [("width=3, depth=2", "depth=3, width=2")],
        [("scale(x, by, power=2)", "scale(by, x, power=2)")],
        [("np.mean", "np.median")],
        [("x.max()", "x.min()")],
        [("x.erf()", "x.erfc()")],
        [("width", "ndim")],
        [("apply", "max")],
        [("import numpy as np", "import torch as np")],
        [("from dlnotes.claims import claim", "from dlnotes.lab import claim")],
        [("    depth: int\n", "    depth: int\n    gap: int\n")],
        [("RATE, Layer", "Layer"), ('"""Claims."""\n', '"""Claims."""\nRATE = 0.7\n')],
    ],
)
def test_a_result_is_not_carried_over_any_other_change(
    recorded: Path, changes: list[tuple[str, str]]
) -> None:
    before = ledger.load("claim-x", recorded)

    with pytest.raises(ValueError, match=r"differs|has|cannot stand"):
        carry("claim-x", tree(changed(*changes)), recorded)

    assert ledger.load("claim-x", recorded) == before


def test_a_result_that_was_stale_then_is_not_carried_over(recorded: Path) -> None:
    ledger.save(replace(RESULT, digest="another"), recorded)

    with pytest.raises(ValueError, match="was stale then"):
        carry("claim-x", tree(OLD), recorded)


def test_the_digest_of_then_is_that_of_the_code_of_then() -> None:
    """A rule of its own, which the present one does not know."""
    package = "dlnotes/__init__.py", "dlnotes/claims/__init__.py"
    old = OLD | dict.fromkeys(package, "")
    old["dlnotes/claims/digest.py"] = (
        "def digest(tree, experiment):\n    return f'{experiment} by {tree.rule}'\n"
    )
    old["dlnotes/claims/source.py"] = (
        "from types import SimpleNamespace as Space\n"
        "claims = {f'claim-{x}': Space(experiment=x) for x in 'xy'}\n"
        "def here():\n    return Space(declared=lambda: claims, rule='lines')\n"
    )

    found = carrying.digests_of(tree(old))

    assert found == {"claim-x": "x by lines", "claim-y": "y by lines"}
    with pytest.raises(ValueError, match="the code of then"):
        carrying.digests_of(tree(OLD | dict.fromkeys(package, "")))


def test_a_claim_that_is_new_has_nothing_to_carry(recorded: Path) -> None:
    with pytest.raises(ValueError, match="not in both"):
        carry("claim-y", tree(OLD), recorded)


def test_a_commit_is_read_as_it_was(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        author = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *author, *arguments], cwd=tmp_path, check=True)

    path = tmp_path / "src" / "dlnotes" / "claims" / "cnn.py"
    path.parent.mkdir(parents=True)
    path.write_text(ROOM)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "First")
    path.write_text("")

    claims = at("HEAD", checkout=tmp_path).declared()

    assert claims["claim-x"].statement == "It is so."
    with pytest.raises(ValueError, match="nowhere"):
        at("nowhere", checkout=tmp_path)
