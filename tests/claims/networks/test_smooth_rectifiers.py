"""The experiments on non-monotonic and on all activations: each rule on made-up rows.

What was really measured is on record, and `nox -s claims` measures it again.
"""

from collections.abc import Mapping

import pytest
from tests.claims.made_up import far_apart, near

from dlnotes.claims import EXPERIMENTS, Row, Verdict
from dlnotes.claims.evidence import rows
from dlnotes.claims.networks.rectifiers import MONOTONIC
from dlnotes.claims.networks.smooth_rectifiers import (
    EIGHT,
    NON_MONOTONIC,
    judge_eight,
    judge_nonmonotonic,
)
from dlnotes.claims.trial import Trial
from dlnotes.wording import join_words

HOLDS, CONDITIONAL, FAILS, _ = Verdict


def scores(quantity: str, changed: Mapping[tuple[str, str], list[float]]) -> list[Row]:
    """Return the scores of all on two sets, 0.97 but for those that are changed."""
    names = (*MONOTONIC, *NON_MONOTONIC)
    return [
        Row(quantity, name, data, tuple(changed.get((name, data), near(0.97))))
        for data in ("a", "b")
        for name in names
    ]


BAD = near(0.8)


@pytest.mark.parametrize(
    ("train", "test", "verdict"),
    [
        ({}, {}, FAILS),
        ({}, {("SiLU", "a"): near(0.965)}, FAILS),
        ({}, {("SiLU", "a"): far_apart(0.9)}, FAILS),
        ({("ReLU", "a"): BAD}, {("tanh", "b"): near(0.5)}, FAILS),
        ({}, {("SiLU", "a"): near(0.955)}, CONDITIONAL),
        ({("sine", "b"): [0.97, 0.97, 0.97, 0.97, 0.89]}, {}, CONDITIONAL),
        ({("sine", "b"): BAD, ("tanh", "b"): BAD}, {}, FAILS),
        ({("sine", "b"): BAD, ("tanh", "a"): BAD}, {}, CONDITIONAL),
        ({("SiLU", "a"): BAD, ("GELU", "b"): BAD}, {}, CONDITIONAL),
        ({("SiLU", "a"): BAD, ("GELU", "b"): BAD}, {("Mish", "a"): BAD}, HOLDS),
        ({}, {("sigmoid", "a"): near(0.99)}, FAILS),
        ({(name, "b"): BAD for name in ("SiLU", "GELU", "Mish", "sine")}, {}, HOLDS),
    ],
)
def test_the_rule_about_what_is_not_monotonic(
    train: dict[tuple[str, str], list[float]],
    test: dict[tuple[str, str], list[float]],
    verdict: Verdict,
) -> None:
    found = scores("training score", train) + scores("test score", test)

    assert judge_nonmonotonic(found).verdict is verdict


def test_the_reason_names_what_failed_and_the_condition_what_counts() -> None:
    train = {("sine", "b"): BAD, ("GELU", "a"): BAD, ("tanh", "a"): BAD}
    found = scores("training score", train) + scores("test score", {})

    ruling = judge_nonmonotonic(found)

    assert "tanh and GELU on a and sine on b" in ruling.because
    assert ruling.condition == "for sine on b"


@pytest.mark.parametrize("failed", [[], ["tanh"]])
def test_where_no_failure_counts_there_is_no_condition(failed: list[str]) -> None:
    train = {(name, "a"): BAD for name in failed}
    found = scores("training score", train) + scores("test score", {})

    ruling = judge_nonmonotonic(found)

    assert (ruling.verdict, ruling.condition) == (FAILS, "")
    assert f"{join_words(failed or ['none'])} on a" in ruling.because


@pytest.mark.parametrize(
    ("behind", "verdict"),
    [(0, HOLDS), (1, CONDITIONAL), (2, CONDITIONAL), (3, FAILS), (7, FAILS)],
)
@pytest.mark.parametrize("low", [near(0.94), far_apart(0.97)], ids=["low", "wide"])
def test_the_rule_about_many_activations(
    behind: int, low: list[float], verdict: Verdict
) -> None:
    best = near(0.98) if max(low) < 1 else near(60)
    close = near(0.955) if max(low) < 1 else near(59.98)
    test = {name: low if k < behind else close for k, name in enumerate(EIGHT)}
    test["GELU"] = best

    ruling = judge_eight(rows("test score", test, "digits"))

    slow = EIGHT[:behind]
    assert ruling.verdict is verdict
    assert f"GELU; {join_words(slow or ['none of the others'])} may" in ruling.because
    assert ruling.condition == (
        f"for all but {join_words(slow)}" if slow else "for all"
    )


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("claim-nonmonotonic-hurts", 14),
        ("claim-many-activations-work", 8),
    ],
)
def test_an_experiment_compares_all_that_its_rule_names(
    compared: list[Trial], name: str, count: int
) -> None:
    finding = EXPERIMENTS[name].measure(range(5))

    pairs = {(row.method, row.data) for row in finding.measured if row.data}
    assert len(compared) == len(pairs) == count
    assert not finding.remark
