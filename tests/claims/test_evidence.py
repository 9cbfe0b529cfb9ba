"""Intervals and paired comparisons against SciPy's own tests."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_rel

from dlnotes.claims import Verdict
from dlnotes.claims.evidence import (
    TUNING_SEEDS,
    at_ends,
    best_setting,
    by_method,
    datasets,
    decide,
    interval,
    rows,
    significantly_above,
    significantly_below,
)
from dlnotes.wording import join_words


def test_the_interval_is_that_of_scipys_t_test(rng: np.random.Generator) -> None:
    values = rng.normal(size=7).tolist()

    want = ttest_1samp(values, 0).confidence_interval(0.95)

    assert interval(values) == pytest.approx((want.low, want.high))


@pytest.mark.parametrize("shift", np.linspace(-2, 2, 21).tolist())
def test_above_and_below_agree_with_a_paired_t_test(
    rng: np.random.Generator, shift: float
) -> None:
    theirs = rng.normal(size=5)
    ours = theirs + shift + rng.normal(size=5)

    found = ttest_rel(ours, theirs)

    significant = found.pvalue < 0.05
    assert significantly_above(ours.tolist(), theirs.tolist()) == (
        significant and shift > 0
    )
    assert significantly_below(ours.tolist(), theirs.tolist()) == (
        significant and shift < 0
    )


def test_a_margin_must_be_exceeded_by_the_whole_interval() -> None:
    ours, theirs = [2.9, 3.0, 3.1], [1.0, 1.0, 1.0]
    low, _ = interval([1.9, 2.0, 2.1])

    assert significantly_above(ours, theirs, low - 0.01)
    assert not significantly_above(ours, theirs, low + 0.01)


def test_tuning_takes_the_best_mean_and_other_seeds_than_the_measurement() -> None:
    scores = {0.1: (1.0, 1.0, 1.0), 0.3: (0.0, 0.0, 9.0), 1.0: (2.0, 2.0, 2.0)}
    asked = []

    def score(learning_rate: float, seed: int) -> float:
        asked.append(seed)
        return scores[learning_rate][TUNING_SEEDS.index(seed)]

    assert best_setting(score, list(scores)) == 0.3
    assert min(asked) >= 100


@pytest.mark.parametrize(
    ("applies", "verdict"),
    [
        ((True, True, True), Verdict.HOLDS),
        ((False, True, True), Verdict.CONDITIONAL),
        ((False, False, True), Verdict.FAILS),
        ((False, False, False), Verdict.OPEN),
    ],
)
def test_the_first_rule_that_applies_decides(
    applies: tuple[bool, bool, bool], verdict: Verdict
) -> None:
    confirmed, conditional, refuted = applies

    assert (
        decide(confirmed=confirmed, conditional=conditional, refuted=refuted) is verdict
    )


def test_lists_read_well() -> None:
    assert [join_words("abc"[:k]) for k in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


def test_rows_are_selected_by_their_fields() -> None:
    found = rows("epochs", {"tanh": [1, 2], "sigmoid": [3, 4]}, "digits")
    found += rows("epochs", {"tanh": [5, 6]}, "moons")
    found += rows("score", {"tanh": [7, 8]}, "cars")

    assert by_method(found, "epochs", "digits") == {"tanh": (1, 2), "sigmoid": (3, 4)}
    assert by_method(found, "epochs", "cars") == {}
    assert datasets(found, "epochs") == ["digits", "moons"]


def test_a_setting_that_ends_its_grid_is_named_with_its_end() -> None:
    best = {"low": 1.0, "middle": 2.0, "high": 3.0, "lower": 1.0}

    assert at_ends(best, (1.0, 2.0, 3.0)) == (
        "Of the learning rates the smallest tried, 1, is best for low and lower and "
        "the largest tried, 3, is best for high: beyond it none was tried."
    )
    assert at_ends({"middle": 2.0}, (1.0, 2.0, 3.0)) == ""
