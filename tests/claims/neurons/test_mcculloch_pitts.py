"""The rules of the claims about units that count, and what they count."""

import pytest

from dlnotes.claims import Row, Verdict
from dlnotes.claims.neurons import mcculloch_pitts as room
from dlnotes.claims.neurons.mcculloch_pitts import judge_limits, judge_logic


@pytest.mark.parametrize(
    ("counting", "vetoing", "verdict"),
    [
        ({}, 1, Verdict.HOLDS),
        ({"A and not B": 0}, 1, Verdict.CONDITIONAL),
        ({"A and not B": 0}, 0, Verdict.FAILS),
        ({"A or B": 0}, 1, Verdict.FAILS),
    ],
)
def test_the_rule_about_gates(
    counting: dict[str, int], vetoing: int, verdict: Verdict
) -> None:
    found = [
        Row("units that compute it", kind, name, (float(number),))
        for name in room.FUNCTIONS
        for kind, number in (
            ("counting only", counting.get(name, 1)),
            ("with one inhibitory input", vetoing),
        )
    ]

    assert judge_logic(found).verdict == verdict


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ((4, 11, 14, 16), Verdict.HOLDS),
        ((4, 11, 14, 14), Verdict.CONDITIONAL),
        ((4, 11, 11, 16), Verdict.FAILS),
        ((4, 4, 14, 16), Verdict.FAILS),
    ],
)
def test_the_rule_about_fixed_weights(
    counts: tuple[float, ...], verdict: Verdict
) -> None:
    kinds = ("alike", "linked", "free", "two layers")
    found = [
        Row("functions computed", kind, "", (count,))
        for kind, count in zip(kinds, counts, strict=True)
    ]

    assert judge_limits(found).verdict == verdict


def test_free_weights_reach_all_but_exclusive_or_and_its_opposite() -> None:
    reached = room.reached(range(-2, 3), room.PAIRS)

    assert len(reached) == 14
    assert not reached & {(0, 1, 1, 0), (1, 0, 0, 1)}
