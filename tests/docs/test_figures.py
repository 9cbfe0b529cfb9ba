"""Figures have the colors of the page and the texts of their labels."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import matplotlib.pyplot as plt
import pytest
from sphinx.application import Sphinx

import figures


def written(folder: Path, color: str) -> str:
    """Return a drawing in a color, as it stands after the build."""
    path = folder / "_images" / "drawing.svg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'<svg><defs></defs><g fill="{color}"/><defs/></svg>')
    app = cast(Sphinx, SimpleNamespace(outdir=folder))

    figures.follow_theme(app, None)

    return path.read_text(encoding="utf-8")


def test_ink_is_dark_on_a_light_page_and_light_on_a_dark_one(tmp_path: Path) -> None:
    drawing = written(tmp_path, figures.INK)

    assert 'fill="currentColor"' in drawing
    assert drawing.count("<style>") == 1
    assert "prefers-color-scheme:dark" in drawing
    assert drawing.index("<style>") < drawing.index("<defs>")


def test_a_drawing_without_ink_and_a_build_that_failed_are_left_alone(
    tmp_path: Path,
) -> None:
    drawing = written(tmp_path, "#1f77b4")

    assert "style" not in drawing
    app = cast(Sphinx, SimpleNamespace(outdir=tmp_path))
    path = tmp_path / "_images" / "drawing.svg"
    path.write_text(figures.INK)
    figures.follow_theme(app, ValueError())
    assert path.read_text() == figures.INK


def test_the_ink_is_the_one_that_figures_are_drawn_with() -> None:
    style = Path(figures.__file__).with_name("matplotlibrc").read_text("utf-8")

    assert figures.INK.strip("#") in style


def test_each_figure_has_its_label_or_else_its_title_for_a_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def scraped(*_: object, format: str) -> str:  # noqa: A002
        assert format == "svg"
        return "   :alt: first title\n   :class: a\n   :alt: second title\n"

    monkeypatch.setattr(figures, "matplotlib_scraper", scraped)
    plt.figure().set_label("A line that falls.")
    plt.figure()
    try:
        text = figures.svg()
    finally:
        plt.close("all")

    assert text == "   :alt: A line that falls.\n   :class: a\n   :alt: second title\n"
