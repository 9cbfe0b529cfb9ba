"""The rule about the work of convolutions, and that PyTorch counts alike."""

from collections.abc import Sequence

import pytest

from dlnotes.claims import Verdict
from dlnotes.claims.cnn.cost import conv_dominates_compute, judge_work
from dlnotes.claims.evidence import by_method, rows
from dlnotes.lab import models


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ((0.51, 0.6, 0.99, 0.7), Verdict.HOLDS),
        ((0.51, 0.6, 0.99, 0.5), Verdict.CONDITIONAL),
        ((0.5, 0.6, 0.99, 0.4), Verdict.CONDITIONAL),
        ((0.4, 0.5, 0.99, 0.4), Verdict.FAILS),
        ((0.1, 0.2, 0.3, 0.4), Verdict.FAILS),
    ],
)
def test_convolutions_must_do_more_than_half_of_the_work_everywhere(
    shares: Sequence[float], verdict: Verdict
) -> None:
    work = {name: [share] for name, share in zip("abcd", shares, strict=True)}
    found = rows("share of the multiply-adds", work)
    found += rows("share of the parameters", {name: [0.25] for name in work})

    ruling = judge_work(found)

    assert ruling.verdict is verdict
    expected = f"{shares[2]:.1%} of the multiply-adds and 25.0% of the parameters in c"
    assert expected in ruling.because
    if verdict is Verdict.CONDITIONAL:
        a = (
            "a, b and c, but not in d"
            if shares[0] > 0.5
            else "b and c, but not in a and d"
        )
        assert ruling.condition == f"in {a}"


def test_convolutions_do_most_of_the_work_with_few_of_the_parameters() -> None:
    finding = conv_dominates_compute([0])

    work = by_method(finding.measured, "share of the multiply-adds")
    assert work["the CIFAR network"][0] == pytest.approx(1_152_000 / 1_190_400)
    behind = 15 * 16 * 16 * 300 + 300 * 10
    assert work["the CIFAR network with 300 hidden units"][0] == pytest.approx(
        1_152_000 / (1_152_000 + behind)
    )
    assert finding.outcome.endswith(
        "but not in the CIFAR network with 300 hidden units"
    )


def test_a_count_that_is_not_pytorchs_is_no_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(models, "mac_count", lambda *_, places, **__: places)

    with pytest.raises(ArithmeticError, match="AlexNet"):
        conv_dominates_compute([0])
