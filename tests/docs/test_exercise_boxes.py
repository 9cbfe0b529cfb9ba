import pytest

import exercise_boxes
import inventory


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        ("Leave {eq}`eq-adam` as it is.", "Leave {eq}`eq-adam` as it is."),
        ("Use the table above.", "Use the table in [section 3.3](/a/b.md)."),
        ("See [Adam](adam.md#step).", "See [Adam](/a/adam.md#step)."),
        ("See [step](#step), {doc}`c`.", "See [step](/a/b.md#step), {doc}`/a/c`."),
        ("See {doc}`the last <../c/d>`.", "See {doc}`the last </c/d>`."),
        (f"{'x ' * 43}$a + b + c + d$ is", f"{'x ' * 43}..."),
    ],
)  # fmt: skip
def test_the_first_words_lead_to_the_same_place_from_any_page(
    text: str, beginning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "section_number", lambda _: "3.3")
    row = inventory.Set("a/b", "3.3.1", "easy", "", text)

    assert exercise_boxes.beginning(row) == beginning
