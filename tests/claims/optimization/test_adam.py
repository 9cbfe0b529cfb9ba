"""The experiments on Adam: what they measure, and their rules."""

from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch

from dlnotes.claims import Row, Verdict
from dlnotes.claims.optimization.adam import (
    AFTER,
    AS_IS,
    BIAS,
    CHANGED,
    CHANGES,
    CORRECTED,
    EARLY,
    EDGES,
    ERROR,
    ILLS,
    LOST,
    MARGIN,
    MINIMA_RATES,
    RATIO,
    RECOVERY,
    SHARE,
    SLOPE,
    SURFACES,
    bootstrap,
    estimates,
    judge_change,
    judge_correction,
    judge_cures,
    judge_minima,
    judge_slope,
    losses,
    reached,
    recovery,
    slope,
    spread,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.models import HIDDEN_LAYERS, mlp
from dlnotes.lab.tasks import digits

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


def test_the_bias_and_the_error_of_averages_are_those_of_the_theory() -> None:
    found = estimates(10.0, 0)

    data = "m, decay 0.9, mean 10, t = 3"
    missing = 10 * 0.9**3
    variance = 0.01 * sum(0.81**k for k in range(3))
    assert found[AS_IS, BIAS, data] == pytest.approx(missing, rel=0.01)
    assert found[AS_IS, ERROR, data] == pytest.approx(missing**2 + variance, rel=0.01)
    assert found[CORRECTED, BIAS, data] < 0.02
    corrected = variance / (1 - 0.9**3) ** 2
    assert found[CORRECTED, ERROR, data] == pytest.approx(corrected, rel=0.03)
    square = "v, decay 0.99, mean 10, t = 1"
    assert found[AS_IS, BIAS, square] == pytest.approx(0.99 * 101, rel=0.01)
    assert found[CORRECTED, BIAS, square] < 0.5


@pytest.mark.parametrize(
    ("bias", "error", "verdict"),
    [
        ("all", "all", HOLDS),
        ("all", "some", CONDITIONAL),
        ("all", "none", OPEN),
        ("later", "all", FAILS),
    ],
)
def test_the_rule_about_bias_correction(
    bias: str, error: str, verdict: Verdict
) -> None:
    lower: dict[str, Callable[[str], bool]] = {
        "all": lambda _data: True,
        "some": lambda data: "mean 10," in data,
        "none": lambda _data: False,
        "later": lambda data: not data.endswith("t = 1"),
    }
    found = []
    for (quantity, which), data in product(((BIAS, bias), (ERROR, error)), EARLY):
        value = 0.5 if lower[which](data) else 2.0
        found += [
            Row(quantity, AS_IS, data, (1.0, 1.1)),
            Row(quantity, CORRECTED, data, (value, value + 0.1)),
        ]

    assert judge_correction(found).verdict is verdict


def test_recovery_counts_the_steps_until_a_mean_over_a_hundred_is_small() -> None:
    new = np.ones((AFTER, 3))
    old = np.full((AFTER, 3), 100.0)
    old[300:, 0] = 0.0
    old[:, 1] = 5.0

    # a mean of k hundreds and zeros is below 10 from 9 hundreds on
    assert recovery(old, new) == [391.0, 100.0, float(AFTER)]


def test_the_new_rate_begins_with_the_change() -> None:
    make = partial(torch.optim.SGD, momentum=0.9)

    (old, after_old), (same, after_new) = (
        losses(make, 0.01, 100.0, [0], new) for new in (None, 0.001)
    )

    assert np.array_equal(old, same)
    assert old[-100:].mean() < 0.01
    assert after_old[0, 0] > 100
    assert after_new[-100:].mean() < after_old[-100:].mean()


@pytest.mark.parametrize(
    ("adam", "sgd", "verdict"),
    [
        ((300, 300), (300, AFTER), HOLDS),
        ((300, 300), (300, 300), CONDITIONAL),
        ((300, AFTER), (300, 300), CONDITIONAL),
        ((AFTER, AFTER), (300, 300), FAILS),
    ],
)
def test_the_rule_about_a_change(
    adam: tuple[int, int], sgd: tuple[int, int], verdict: Verdict
) -> None:
    found = [
        row
        for name, steps in zip(CHANGED, (adam, sgd), strict=True)
        for change, each in zip(CHANGES, steps, strict=True)
        for row in (
            Row(RECOVERY, name, change, (200.0, float(each))),
            Row(RATIO, name, change, (1.0, 1.0)),
        )
    ]
    if verdict is FAILS:
        found = [
            Row(row.quantity, row.method, row.data, (float(AFTER), float(AFTER)))
            if (row.quantity, row.method) == (RECOVERY, "Adam")
            else row
            for row in found
        ]

    assert judge_change(found).verdict is verdict


def test_the_slope_of_gradient_descent_is_one_and_that_of_signs_zero() -> None:
    assert slope(partial(torch.optim.SGD, lr=1e-4), 0.1, 0) == pytest.approx(1)
    signs = partial(torch.optim.Adam, lr=1e-4, betas=(0.0, 0.0), eps=0.0)
    assert slope(signs, 0.1, 0) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("quiet", "noisy", "verdict"),
    [
        (0.9, 0.6, HOLDS),
        (0.9, 0.1, CONDITIONAL),
        (0.1, 0.1, FAILS),
        (0.15, 0.2, OPEN),
    ],
)
def test_the_rule_about_steps_and_gradients(
    quiet: float, noisy: float, verdict: Verdict
) -> None:
    found = [
        Row(SLOPE, "Adam", data, (value - 0.001, value + 0.001))
        for data, value in (("noise 0", quiet), ("noise 0.1", noisy))
    ]

    assert judge_slope(found).verdict is verdict


def test_an_edge_is_a_maximum_between_two_minima() -> None:
    for name, (gradient, *_) in SURFACES.items():
        edge = torch.tensor([[EDGES[name]]])
        assert float(gradient(edge - 0.01)) > 0 > float(gradient(edge + 0.01))


def test_a_small_step_stays_in_its_basin_and_a_large_one_is_lost() -> None:
    starts = np.random.default_rng(0).uniform(-2, 2, size=200)
    near = np.abs(starts - EDGES["double well"]) < 0.01

    ends = reached("double well", torch.optim.SGD, 0.001, 0)

    assert np.array_equal(ends[~near], (starts < EDGES["double well"])[~near])
    assert np.isnan(reached("double well", torch.optim.SGD, 0.5, 0)).any()


def test_a_bootstrap_interval_is_that_of_the_normal_approximation() -> None:
    differences = np.repeat([0.0, 1.0], [150, 50])

    low, high = bootstrap(differences, 0)

    half = 1.96 * (0.25 * 0.75 / 200) ** 0.5
    np.testing.assert_allclose([low, high], [0.25 - half, 0.25 + half], atol=0.01)


@pytest.mark.parametrize(
    ("above", "verdict"),
    [
        ({("double well", 0.01), ("Rastrigin", 0.01)}, HOLDS),
        ({("double well", 0.01), ("Rastrigin", 0.5)}, CONDITIONAL),
        ({("double well", 0.5), ("Rastrigin", 0.5)}, CONDITIONAL),
        (set(), FAILS),
    ],
)
def test_the_rule_about_local_minima(
    above: set[tuple[str, float]], verdict: Verdict
) -> None:
    found = []
    for case in product(SURFACES, MINIMA_RATES):
        data = f"{case[0]}, rate {case[1]:g}"
        low = 0.1 if case in above else -0.1
        found.append(Row(MARGIN, "Adam", data, (low,)))
        for name in ("Adam", "gradient descent", "momentum"):
            found += [Row(SHARE, name, data, (0.5,)), Row(LOST, name, data, (0.0,))]

    assert judge_minima(found).verdict is verdict


def test_where_the_weights_are_put_back_momentum_lowers_the_spread() -> None:
    plain, heavy = (
        Trial("", digits, mlp(HIDDEN_LAYERS["ReLU"], 8), 5, make, batch_size=50)
        for make in (torch.optim.SGD, partial(torch.optim.SGD, momentum=0.9))
    )

    # with the same weights, as the rate is too small to move them
    assert spread(heavy, 1e-6, 0) < spread(plain, 1e-6, 0) - 1


@pytest.mark.parametrize(
    ("better", "verdict"), [(3, HOLDS), (2, CONDITIONAL), (1, CONDITIONAL), (0, FAILS)]
)
def test_the_rule_about_what_adam_cures(better: int, verdict: Verdict) -> None:
    found = []
    for k, (other, what) in enumerate(ILLS.values()):
        value = 1.0 if k < better else 3.0
        found += [
            Row(what, "Adam", "digits", (value, value + 0.1)),
            Row(what, other, "digits", (2.0, 2.1)),
        ]

    assert judge_cures(found).verdict is verdict
