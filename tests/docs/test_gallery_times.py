"""A script that takes too long is said to, on a slow machine as on this one."""

import json
from pathlib import Path
from typing import Any

import pytest

import caches
import gallery_times


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gallery of one script."""
    monkeypatch.setattr(gallery_times, "GALLERY", tmp_path / "gallery")
    monkeypatch.setattr(gallery_times, "KEPT", tmp_path / "kept")
    script = tmp_path / "gallery" / "question.py"
    script.parent.mkdir()
    script.touch()
    return tmp_path


def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is warned of."""
    warnings: list[str] = []

    def warn(text: str, *values: Any, location: str) -> None:
        warnings.append(f"{Path(location).name}: {text % values}")

    monkeypatch.setattr(gallery_times.LOGGER, "warning", warn)
    gallery_times.report(None)  # type: ignore[arg-type]
    return warnings


@pytest.mark.parametrize(
    ("cpu", "slowness", "warned"),
    [(19, 1, False), (21, 1, True), (59, 3, False), (61, 3, True)],
)
def test_a_script_over_the_budget_is_named(
    cpu: float,
    slowness: float,
    warned: bool,  # noqa: FBT001
    gallery: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = {"cpu": cpu, "seconds": 1, "slowness": slowness}
    (gallery / "kept").mkdir()
    (gallery / "kept" / "question.json").write_text(json.dumps(times), "utf-8")

    found = said(monkeypatch)

    assert len(found) == warned
    assert all(
        f"question.py: it takes {cpu / slowness:.0f} s" in each for each in found
    )


def test_what_a_script_computes_is_measured_and_what_it_waits_is_not(
    gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([5.0, 7.5])
    monkeypatch.setattr(gallery_times, "slowness", lambda: 2.0)
    monkeypatch.setattr("time.process_time", lambda: next(clock))
    monkeypatch.setattr(gallery_times, "load", lambda: None)

    for when in ("before", "after"):
        gallery_times.clock({}, "question.py", when)  # as sphinx-gallery names it

    times = gallery_times.measured(gallery / "gallery" / "question.py")
    assert times is not None
    assert times["cpu"] == 2.5
    assert times["slowness"] == 2


def test_a_faster_machine_does_not_make_the_budget_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gallery_times, "work", lambda: gallery_times.WORK / 2)
    assert gallery_times.slowness() == 1
    monkeypatch.setattr(gallery_times, "work", lambda: gallery_times.WORK * 3)
    assert gallery_times.slowness() == pytest.approx(3)


def test_a_script_that_nothing_holds_to_the_budget_is_warned_of(
    gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gallery.exists()
    (warning,) = said(monkeypatch)
    assert warning.startswith("question.py: it was not timed")


def test_no_two_scripts_have_one_name() -> None:
    names = [path.name for path in caches.GALLERY.rglob("*.py")]

    assert names
    assert len({*names}) == len(names)
