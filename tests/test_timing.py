"""The projection of ``.ci/run`` adds what happens once and what each section brings."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from jupyter_cache.cache.db import create_db
from tests import timing

from dlnotes.contents import CONTENTS

CASES = """\
<testsuites><testsuite>
<testcase classname="tests.neurons.test_perceptron" name="test_a" time="6"/>
<testcase classname="tests.test_mistakes" name="test_b[neurons.perceptron]" time="4"/>
<testcase classname="tests.nn.test_around_a_module" name="test_e[Linear]" time="2"/>
<testcase classname="tests.docs.test_inventory" name="test_c[cnn/cost]" time="2"/>
<testcase classname="tests.lab.test_fit" name="test_d" time="7"/>
<testcase classname="tests.test_mistakes" name="test_what_is_unnoticed" time="1"/>
</testsuite></testsuites>
"""


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records of a run of twenty sections, on two cores."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    lines = "install nox 10", "tests: libraries 7", "lint 5", "docs 100", "tests 15"
    (tmp_path / "times").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "tests.xml").write_text(CASES, encoding="utf-8")
    (tmp_path / "cells").mkdir()
    create_db(tmp_path / "cells")
    (tmp_path / "gallery").mkdir()
    script = tmp_path / "gallery" / "question.json"
    script.write_text(json.dumps({"seconds": 30}), encoding="utf-8")
    return tmp_path


def test_what_is_divided_adds_up_to_what_was_measured(build: Path) -> None:
    assert sum(part.seconds for part in timing.parts(build)) == pytest.approx(137)


def test_what_a_section_brings_grows_and_what_happens_once_does_not(
    build: Path,
) -> None:
    found = {part.name: part for part in timing.parts(build)}

    assert found["install nox"].projected == 10
    assert found["tests: libraries"].projected == 7
    assert found["lint"].projected == pytest.approx(5 * timing.GROWTH)
    assert found["tests: the rest"].projected == pytest.approx(4)
    assert found["tests: sections"].projected == pytest.approx(4 * timing.GROWTH)
    assert found["tests: mistakes"].projected == pytest.approx(2 * timing.GROWTH)
    assert found["tests: collection"].seconds == pytest.approx(4)
    layers = 1 * (timing.LAYERS + timing.NEW_LAYERS) / timing.LAYERS
    assert found["tests: layers and optimizers"].projected == pytest.approx(layers)


def test_layers_to_come_are_pytorch_s_and_of_sections_of_the_book() -> None:
    planned = {name for each in timing.ROADMAP.values() for name in each["planned"]}
    written = {name for chapter in CONTENTS.values() for name in chapter}
    known = {*dir(torch.nn), *dir(torch.optim)}

    assert {*timing.DROP_INS} <= planned | written
    assert {name for names in timing.DROP_INS.values() for name in names} <= known


@pytest.mark.parametrize(
    ("slower", "minutes", "refused"),
    [(1.0, 37, False), (1.0, 38, True), (2.0, 74, False), (0.5, 19, True)],
)
def test_a_book_that_takes_too_long_is_refused_and_a_slow_machine_is_not(
    monkeypatch: pytest.MonkeyPatch,
    slower: float,
    minutes: float,
    refused: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(timing, "parts", lambda: [timing.Part("all", 60 * minutes)])
    monkeypatch.setattr(timing, "pace", lambda: slower)

    with pytest.raises(SystemExit) if refused else nullcontext():
        timing.main()


def test_the_pace_is_a_ratio_of_the_same_work() -> None:
    assert 0.2 < timing.pace() < 20
