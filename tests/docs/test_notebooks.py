import nbformat

import inventory
import notebooks
from publication import REPOSITORY


def test_references_of_a_script_are_words() -> None:
    text = (
        "Layers of :mod:`dlnotes.nn`, made by :func:`~dlnotes.cnn.pooling.max_pool2d`, "
        "are on :doc:`their page </drop_ins>`; ``x`` is :math:`x^2`."
    )

    assert notebooks.described(text) == (
        "Layers of `dlnotes.nn`, made by `max_pool2d`, are on their page; `x` is $x^2$."
    )


def test_a_cell_shows_only_what_it_draws_or_prints() -> None:
    assert notebooks.silent("x = 1\nax.set_title('a')\n") == "x = 1\nax.set_title('a');"
    assert notebooks.silent("x = 1\n") == "x = 1\n"
    assert notebooks.silent("plt.show();") == "plt.show();"


def test_installing_changes_nothing_where_the_book_is_installed() -> None:
    assert notebooks.INSTALL.startswith(
        "try:\n    import dlnotes\nexcept ModuleNotFound"
    )
    assert REPOSITORY in notebooks.INSTALL


def test_the_number_of_a_section_is_written_out() -> None:
    plain = notebooks.Plain("neurons/perceptron", {})

    assert plain.markdown("See {secnum}`perceptron_rule`.") == (
        f"See {inventory.section_number('neurons/perceptron_rule')}."
    )


def test_a_cell_that_answers_an_exercise_is_folded() -> None:
    solution = notebooks.details("Solution", "It is 2, see the cell below.")
    hint = f"{solution}\n\n{notebooks.details('Hint', 'Try 2.')}"
    cell = nbformat.v4.new_code_cell("print(2)", metadata={"tags": []})  # type: ignore[no-untyped-call]

    notebooks.fold(cell, answers=notebooks.solved(hint))
    assert not cell.metadata

    notebooks.fold(cell, answers=notebooks.solved(solution))
    assert cell.metadata["jupyter"] == {"source_hidden": True}
    assert cell.source.splitlines()[-1] == "print(2)"
