"""A figure that is stepped through has each frame once, behind its own button."""

import re

import pytest
from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.utils import new_document

import stepper


def drawn(count: int) -> tuple[nodes.document, nodes.figure]:
    """Return a page with a cell that prints and draws, and a stepper below it."""
    page = new_document("page", get_default_settings())
    cell = nodes.container(classes=["cell"])
    for k in range(count):
        said = nodes.literal_block("", f"step {k}\nnext", classes=["output"])
        image = nodes.image(uri=f"{k}.svg")
        cell += nodes.container("", said, image, classes=["cell_output"])
    figure = nodes.figure("", nodes.caption("", "What moves."))
    figure["alt"], figure["steps"] = "A window", "Position"
    page += [cell, figure] if count else [nodes.paragraph("", "text"), figure]
    return page, figure


def buttons(figure: nodes.figure) -> str:
    return "".join(each.astext() for each in figure.findall(nodes.raw))


def test_each_frame_has_a_button_its_picture_and_its_words() -> None:
    page, figure = drawn(3)

    stepper.fill(None, page, "page")  # type: ignore[arg-type]

    assert [image["uri"] for image in figure.findall(nodes.image)] == [
        "0.svg",
        "1.svg",
        "2.svg",
    ]
    assert [image["alt"] for image in figure.findall(nodes.image)] == [
        f"A window (Position {k} of 3)" for k in (1, 2, 3)
    ]
    said = [
        each.astext()
        for each in figure.findall(nodes.paragraph)
        if "said" in each["classes"]
    ]
    assert len(said) == 3
    assert "step 2" in said[2]
    assert len(page.children) == 1  # nothing of the cell is left above


def test_one_button_is_pressed_and_each_label_belongs_to_one() -> None:
    page, figure = drawn(3)
    stepper.fill(None, page, "page")  # type: ignore[arg-type]
    markup = buttons(figure)

    ids = re.findall(r'<input [^>]*id="([^"]+)"', markup)

    assert ids == ["stepper-1-1", "stepper-1-2", "stepper-1-3"]
    assert markup.count(" checked") == 1
    assert re.findall(r'class="back" for="([^"]+)"', markup) == ids[:2]
    assert re.findall(r'class="on" for="([^"]+)"', markup) == ids[1:]


@pytest.mark.parametrize(
    ("count", "columns"), [(2, 2), (9, 9), (10, 5), (18, 9), (19, 7)]
)
def test_buttons_stand_in_rows_that_fit_on_a_phone(count: int, columns: int) -> None:
    page, figure = drawn(count)

    stepper.fill(None, page, "page")  # type: ignore[arg-type]

    assert f"--columns: {columns}" in buttons(figure)
    assert columns <= stepper.MOST_IN_A_ROW


def test_a_stepper_without_frames_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(
        stepper.LOGGER, "warning", lambda text, name, **_: warnings.append(text % name)
    )
    page, _ = drawn(0)

    stepper.fill(None, page, "cnn/arithmetic")  # type: ignore[arg-type]

    assert warnings == ["no frames above the stepper of cnn/arithmetic"]


def test_a_sentence_is_kept_whose_end_comes_alone() -> None:
    cell = nodes.container()
    for text in ("One", "\n", "", "Two\n", "Three\n", ""):
        block = nodes.literal_block(text, text, classes=["output"])
        cell += block if text else nodes.image()

    assert [text for text, _ in stepper.frames(cell)] == ["One", "Two\nThree"]
