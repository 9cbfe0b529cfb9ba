"""An erratum has a source or an example, and the example has to prove it."""

from erratum import complaints


def test_an_example_that_proves_its_erratum_is_not_complained_of() -> None:
    text = ["The notes add.", "```python", ">>> 2 * 2", "4", "```"]

    assert complaints("err-sum", text) == []


def test_an_example_that_fails_says_what_was_wanted_and_what_came() -> None:
    (complaint,) = complaints("err-sum", ["```python", ">>> 2 * 2", "5", "```"])

    assert "Expected:\n    5\nGot:\n    4" in complaint


def test_a_fact_may_have_a_source_for_an_example() -> None:
    text = ["It was [Legendre](https://doi.org/10.1000/1), in 1805."]

    assert complaints("err-history", text) == []


def test_an_erratum_without_either_is_complained_of() -> None:
    assert complaints("err-sum", ["Take our word for it."]) == [
        "err-sum has no example, and no link to a source"
    ]
