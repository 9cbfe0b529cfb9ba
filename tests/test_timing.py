"""The projection of ``.ci/run`` adds what happens once and what each section brings."""

import json
from pathlib import Path

import pytest
from jupyter_cache.cache.db import create_db
from tests import timing

CASES = """\
<testsuites><testsuite>
<testcase classname="tests.neurons.test_perceptron" name="test_a" time="6"/>
<testcase classname="tests.test_mistakes" name="test_b[neurons.perceptron]" time="4"/>
<testcase classname="tests.docs.test_inventory" name="test_c[cnn/cost]" time="2"/>
<testcase classname="tests.lab.test_fit" name="test_d" time="8"/>
</testsuite></testsuites>
"""


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records of a run of twenty sections, on two cores."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    lines = "install nox 10", "lint 5", "docs 100", "tests 14"
    (tmp_path / "times").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "tests.xml").write_text(CASES, encoding="utf-8")
    (tmp_path / "cells").mkdir()
    create_db(tmp_path / "cells")
    (tmp_path / "gallery").mkdir()
    script = tmp_path / "gallery" / "question.json"
    script.write_text(json.dumps({"seconds": 30}), encoding="utf-8")
    return tmp_path


def test_what_is_divided_adds_up_to_what_was_measured(build: Path) -> None:
    assert sum(part.seconds for part in timing.parts(build)) == pytest.approx(129)


def test_what_a_section_brings_grows_and_what_happens_once_does_not(
    build: Path,
) -> None:
    found = {part.name: part for part in timing.parts(build)}

    assert found["install nox"].projected == 10
    assert found["lint"].projected == pytest.approx(5 * timing.GROWTH)
    assert found["tests: the rest"].projected == pytest.approx(4)
    assert found["tests: sections"].projected == pytest.approx(4 * timing.GROWTH)
    assert found["tests: mistakes"].projected == pytest.approx(2 * timing.GROWTH)
    assert found["tests: collection"].seconds == pytest.approx(4)
