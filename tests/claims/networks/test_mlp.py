"""The experiment on a hidden layer: what it counts, and its rule on made-up rows.

What was really measured is on record, and `nox -s claims` measures it again.
"""

import numpy as np
import pytest

from dlnotes.claims import Row, Verdict
from dlnotes.claims.networks.mlp import (
    PARITY,
    deep,
    judge_power,
    right_rows,
    threshold_functions,
)

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


def test_one_unit_computes_what_whole_weights_find_and_two_layers_more() -> None:
    bits = np.array([*np.ndindex(2, 2, 2)])
    weights = np.array([*np.ndindex(5, 5, 5)]) - 2
    by_weights = {
        tuple((bits @ w >= threshold).astype(int).tolist())
        for w in weights
        for threshold in np.arange(-6.5, 7)
    }

    single = threshold_functions()

    assert {tuple(each) for each in single.tolist()} == by_weights
    assert int(PARITY @ (1 << np.arange(8))) in deep(single)
    assert tuple(PARITY) not in by_weights


def test_hidden_units_that_are_constant_add_nothing() -> None:
    constants = np.array([[0] * 8, [1] * 8])

    assert deep(constants) == {0, 255}


def test_the_network_that_is_written_down_has_every_row_right() -> None:
    assert right_rows() == 8


@pytest.mark.parametrize(
    ("one", "two", "right", "verdict"),
    [
        (104, 256, 8, HOLDS),
        (104, 105, 7, CONDITIONAL),
        (104, 104, 8, FAILS),
        (256, 257, 8, CONDITIONAL),
    ],
)
def test_the_rule_about_a_hidden_layer(
    one: int, two: int, right: int, verdict: Verdict
) -> None:
    found = [
        Row("functions computed", "one unit", "", (one,)),
        Row("functions computed", "two layers", "", (two,)),
        Row("functions in all", "", "", (256,)),
        Row("rows of the exclusive or that are right", "", "", (right,)),
    ]

    assert judge_power(found).verdict is verdict
