"""The experiment on the bias of RMSProp: what it measures, and its rule."""

import pytest

from dlnotes.claims import Row, Verdict
from dlnotes.claims.optimization.rmsprop import (
    DECAYS,
    EARLY,
    FIRST,
    LATER,
    RATES,
    RISE,
    judge_bias,
    moments,
)

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


def test_the_mean_square_of_known_gradients_is_off_by_a_power_of_the_decay() -> None:
    found = moments(0.9, 0)

    assert found[EARLY] == pytest.approx(0.9, rel=0.01)
    assert found[LATER] == pytest.approx(0.9**5, rel=0.02)
    assert found[FIRST] == pytest.approx(10**0.5, rel=1e-4)


@pytest.mark.parametrize(
    ("bias", "length", "rise", "verdict"),
    [
        (0.9, 1.0, 2.0, HOLDS),
        (0.9, 1.0, 0.0, CONDITIONAL),
        (0.9, 1.1, 2.0, OPEN),
        (0.4, 1.0, 2.0, OPEN),
        (0.05, 1.0, 2.0, FAILS),
    ],
)
def test_the_rule_about_the_bias_of_rmsprop(
    bias: float, length: float, rise: float, verdict: Verdict
) -> None:
    found = [
        row
        for decay in DECAYS
        for row in (
            Row(EARLY, "RMSProp", f"decay {decay:g}", (bias, bias)),
            Row(FIRST, "RMSProp", f"decay {decay:g}", (length * (1 - decay) ** -0.5,)),
        )
    ]
    for decay in DECAYS:
        for rate in RATES:
            data, last = f"decay {decay:g}, rate {rate:g}", decay == DECAYS[-1]
            found += [
                Row(RISE, "RMSProp", data, (rise * last, rise * last + 0.1)),
                Row(RISE, "corrected", data, (0.0, 0.1)),
            ]

    assert judge_bias(found).verdict is verdict
