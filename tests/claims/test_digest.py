"""A digest follows what an experiment uses, through modules, and nothing else."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float

from dlnotes.arrays import Array, ArrayTree, checked
from dlnotes.claims.digest import digest
from dlnotes.claims.source import FRAMES, Tree, here
from dlnotes.imports import ROOT, Name, modules
from dlnotes.lab.fit import fit

ARRAYS = '''"""Arrays."""
def checked(function):
    """Check."""
    return lambda *given: compare(function(*given))
def compare(result):
    return result
def namespace(array):
    return type(array)
'''
LAYER = '''"""A layer."""
from dlnotes.arrays import checked, namespace
from dlnotes.claims import claim
WIDTH: int = 3
@checked
def wide(x: "inputs") -> "outputs":
    """Widen."""
    if not x >= 0:
        raise ValueError(f"x must be {LIMIT} or more, got {x}") from None
    assert namespace(x) is not None, "an array"
    factor: float = 1.0
    return x * WIDTH * factor  # by the width
LIMIT = 0
UNITS = {"sigmoid": (0, "saturates"), "tanh": (-1, "is odd"), "sine": (1, "waves")}
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
from dlnotes.layers.layer import UNITS, Shape, wide as broad
TWO = ("sigmoid", *ONE)
ONE = ("tanh",)
def measure(seeds):
    """Claim.

    It holds if it is so.
    """
    units = [UNITS[name] for name in TWO]
    return layer.wide(seeds) + broad(seeds) + layers.layer.Shape.size + Shape.mean
def another(seeds):
    return seeds
'''
ROUNDING = '''"""Rounding."""
def confirmed(measure, seeds):
    return measure(seeds), TWICE
TWICE = 2
'''
PLACES = {
    "dlnotes/__init__.py": "",
    "dlnotes/arrays.py": ARRAYS,
    "dlnotes/layers/__init__.py": "",
    "dlnotes/layers/layer.py": LAYER,
    "dlnotes/claims/rounding.py": ROUNDING,
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
        ("compare(function(*given))", "trace(function(*given))", False),
        ("return type(array)", "return len(array)", True),
        ("or more, got", "at least, but got", False),
        (" from None", "", False),
        ("raise ValueError(", "raise TypeError(", True),
        ("not x >= 0", "not x > 0", True),
        ("LIMIT = 0", "LIMIT = 1", False),
        ('is not None, "an array"', 'is not None, "something"', False),
        ("is not None,", "is None,", True),
        ('x: "inputs"', 'x: "units"', False),
        ('-> "outputs"', "", False),
        ("WIDTH: int", "WIDTH: float", False),
        ("factor: float = 1.0", "factor = 1.0", False),
        ("factor: float = 1.0", "factor: float = 2.0", True),
        ("mean = 1", "mean: int = 1", True),
        ('"saturates"', '"is between 0 and 1"', True),
        ('"is odd"', '"is odd in z"', True),
        ('"waves"', '"is not monotonic"', False),
        ('("tanh",)', '("sine",)', True),
        ("UNITS[name]", "UNITS.get(name)", True),
        ("(seeds), TWICE", "(seeds), 0", True),
        ("TWICE = 2", "TWICE = 3", True),
        ('def wide(x: "inputs")', "def wide( x: 'inputs', )", False),
        ("x * WIDTH", "x + WIDTH", True),
        ("WIDTH: int = 3", "WIDTH: int = 4", True),
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


@pytest.mark.parametrize(
    ("used", "whole"),
    [
        ("UNITS[name]", False),
        ("UNITS['tanh']", False),
        ("UNITS[ONE[0]]", True),
        ("UNITS['missing']", True),
        ("UNITS[seeds[0]]", True),
        ("UNITS.values()", True),
        ("[UNITS[each] for each in UNITS]", True),
    ],
)
def test_a_row_that_is_not_used_counts_where_it_cannot_be_told_which_are(
    used: str,
    whole: bool,  # noqa: FBT001
) -> None:
    files = PLACES | {
        "dlnotes/claims/cnn/pooling.py": EXPERIMENT.replace("UNITS[name]", used)
    }
    layer = LAYER.replace('"waves"', '"is not monotonic"')

    changed = of(files | {"dlnotes/layers/layer.py": layer}) != of(files)

    assert changed == whole


def test_a_variable_that_is_also_set_otherwise_may_take_any_row() -> None:
    other = EXPERIMENT.replace("    units =", "    name = seeds[0]\n    units =")
    files = PLACES | {"dlnotes/claims/cnn/pooling.py": other}
    layer = LAYER.replace('"waves"', '"is not monotonic"')

    assert of(files | {"dlnotes/layers/layer.py": layer}) != of(files)


def test_a_module_is_parsed_once_however_many_definitions_are_used() -> None:
    read = []

    def note(path: str) -> str:
        read.append(path)
        return PLACES[path]

    digest(Tree(PLACES, note), MEASURE)

    assert len(read) == len(set(read))


def test_the_closure_of_an_experiment_here_has_the_section_and_what_predicts() -> None:
    claim = here().declared()["claim-scaled-tanh"]

    names = here().closure(claim.experiment)

    assert Name("dlnotes.networks.activations", "scaled_tanh") in names
    assert Name("dlnotes.lab.fit", "predict") in names
    assert Name("dlnotes.arrays", "array_namespace") in names
    assert not any(name.module == "dlnotes.claims" for name in names)


def test_networks_are_named_by_the_rows_that_a_claim_compares() -> None:
    claim = here().declared()["claim-relu-better-in-general"]

    names = {name.name for name in here().closure(claim.experiment)}

    rows = {f"HIDDEN_LAYERS[{name!r}]" for name in ("sigmoid", "tanh", "ReLU")}
    assert {name for name in names if name.startswith("HIDDEN_LAYERS")} == rows
    assert "relu" in names
    assert "sine" not in names


@pytest.mark.parametrize("file", ["arrays", "checks", "lab/fit"])
def test_what_an_error_says_makes_no_claim_stale(file: str) -> None:
    path = f"dlnotes/{file}.py"
    worded = re.sub(r'(raise \w+\(\s*f?")', r"\1In short, ", (ROOT / path).read_text())

    assert worded != (ROOT / path).read_text()
    assert digests(path, worded) == digests()


@cache
def digests(path: str = "", source: str = "") -> dict[str, str]:
    """Return the digest of each claim, or what it is if a file had another source."""
    paths, read = modules(ROOT)
    tree = Tree(paths, lambda each: source if each == path else read(each))
    claims = tree.declared().items()
    return {name: digest(tree, claim.experiment) for name, claim in claims}


def test_what_may_take_back_a_verdict_is_part_of_every_claim() -> None:
    path = "dlnotes/claims/rounding.py"
    source = here().source("dlnotes.claims.rounding")
    laxer = source.replace("if first.verdict is second.verdict", "if True")

    assert laxer != source
    assert not {*digests().items()} & {*digests(path, laxer).items()}


def test_a_frame_hands_on_what_it_is_given() -> None:
    given, returned = np.ones((2, 3)), np.ones(3)
    noted: list[tuple[object, object]] = []

    @checked
    def note(
        x: Float[Array, "batch inputs"],
        *,
        W: Float[Array, "inputs"] | None = None,
    ) -> Float[Array, "inputs"]:
        noted.append((x, W))
        return returned  # type: ignore[return-value]

    @dataclass(frozen=True)
    class Framed(ArrayTree):
        W: Float[np.ndarray, "inputs"]
        b: float = 2.0

    found = note(given, W=returned)
    framed = Framed(returned)

    assert found is returned
    assert noted[0][0] is given
    assert noted[0][1] is returned
    assert framed.W is returned
    assert vars(framed) == {"W": framed.W, "b": 2.0}
    assert {*vars(ArrayTree)} - {*vars(Empty)} == {"__post_init__"}


class Empty:
    """A class without anything."""


def test_frames_are_what_the_test_above_and_that_of_the_loop_are_of() -> None:
    framed = (checked, ArrayTree, fit)

    assert {Name(each.__module__, each.__name__) for each in framed} == FRAMES


def test_no_module_imports_dlnotes_in_a_way_that_the_digest_does_not_follow() -> None:
    import dlnotes

    for path in Path(str(dlnotes.__file__)).parent.rglob("*.py"):
        assert "\nimport dlnotes" not in path.read_text(encoding="utf-8"), path
        assert "\nfrom ." not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("name", here().declared())
def test_what_a_claim_trains_with_is_pytorchs_or_a_sections(name: str) -> None:
    used = here().closure(here().declared()[name].experiment)

    modules = {each.module.split(".")[1] for each in used}
    assert not modules & {"nn", "optim"}


def test_what_training_refuses_makes_no_claim_stale() -> None:
    path = "dlnotes/lab/arguments.py"
    laxer = (ROOT / path).read_text().replace("integer(1,", "integer(0,")

    assert laxer != (ROOT / path).read_text()
    assert digests(path, laxer) == digests()
