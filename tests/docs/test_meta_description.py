"""A page is described by its first sentences, and no formula is cut into them."""

from docutils import nodes
from docutils.core import publish_doctree

from meta_description import LONGEST, description


def page(text: str) -> nodes.document:
    return publish_doctree(text)


def test_a_description_has_whole_sentences_and_fits() -> None:
    first, second = "A unit sums. " * 5, "It compares the sum with a threshold. " * 9

    found = description(page(f"{first}{second}"))

    assert len(found) <= LONGEST
    assert found.startswith("A unit sums. A unit sums.")
    assert found.endswith("threshold.")


def test_a_first_sentence_is_kept_however_long() -> None:
    sentence = f"Its {'word ' * LONGEST}ends"

    assert description(page(f"{sentence}.\n\nMore.")) == f"{sentence}."


def test_what_has_a_formula_or_stands_in_a_box_is_passed_over() -> None:
    text = (
        ".. note::\n\n   A box.\n\n"
        ".. container:: brief\n\n   You need patience.\n\n"
        "The sum :math:`x + y` is large.\n\n"
        "Read on:\n"
    )

    assert description(page(text)) == "Read on."


def test_a_page_without_words_has_no_description() -> None:
    assert not description(page(""))
