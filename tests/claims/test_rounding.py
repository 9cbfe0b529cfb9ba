"""A verdict that the last bit of a weight changes is none."""

from collections.abc import Sequence

import numpy as np
import pytest

from dlnotes.claims import Finding, Row, Verdict
from dlnotes.claims.evidence import best_setting
from dlnotes.claims.rounding import confirmed, disturbed, repetition

ONES = np.ones(400, dtype=np.float32)


def test_a_disturbed_value_is_a_neighbor_and_zero_stays_zero() -> None:
    values = np.array([1.0, -3.5, 0.0, 1e-3] * 50, dtype=np.float32)

    with repetition() as current:
        current.disturbing = True
        found = disturbed(values)

    assert found.dtype == np.float32
    moved = found != values
    assert (moved == (values != 0)).all()
    for side in (-np.inf, np.inf):
        neighbor = np.nextafter(values, np.float32(side))
        assert (found[moved] == neighbor[moved]).any()
        moved &= found != neighbor
    assert not moved.any()


def test_nothing_is_disturbed_outside_a_second_measurement() -> None:
    assert disturbed(ONES) is ONES
    with repetition():
        assert disturbed(ONES) is ONES


def by_last_bit(_seeds: Sequence[int]) -> Finding:
    """It holds if all values are one."""
    same = bool((disturbed(ONES) == 1).all())
    verdict = Verdict.HOLDS if same else Verdict.FAILS
    return Finding(verdict, "It was looked at.", "ones", (), "")


def test_a_verdict_that_hangs_on_the_last_bit_is_taken_back() -> None:
    finding, again = confirmed(by_last_bit, range(5))

    assert finding.verdict is Verdict.OPEN
    assert again is Verdict.FAILS
    assert "By this it holds, but" in finding.because
    assert finding.because.endswith("last place it fails.")


def test_an_exact_claim_is_measured_once() -> None:
    finding, again = confirmed(by_last_bit, range(1))

    assert (finding.verdict, again) == (Verdict.HOLDS, None)


def test_settings_are_tuned_once_and_used_twice() -> None:
    tuned, used = [], []

    def measure(seeds: Sequence[int]) -> Finding:
        for grid in ((1, 2), (3, 4)):

            def score(setting: int, seed: int) -> float:
                tuned.append((setting, seed))
                return setting

            used.append(best_setting(score, grid))
        rows = (Row("seed", "", "", tuple(map(float, seeds))),)
        return Finding(Verdict.HOLDS, "It was so.", "", rows)

    finding, again = confirmed(measure, (50, 51))

    assert used == [2, 4, 2, 4]
    assert len(tuned) == 12
    assert finding.measured[0].values == (50, 51)
    assert again is Verdict.HOLDS


@pytest.mark.parametrize("size", [1, 7])
def test_a_disturbance_is_the_same_in_every_run(size: int) -> None:
    values = np.arange(1.0, 1.0 + size)
    found = []
    for _ in range(2):
        with repetition() as current:
            current.disturbing = True
            found.append(disturbed(values).tolist())

    assert found[0] == found[1]
