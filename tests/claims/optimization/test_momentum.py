"""The experiments on momentum: each part small, each rule on made-up rows."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
import torch
from tests.claims.made_up import far_apart, near

from dlnotes.claims import Row, Verdict
from dlnotes.claims.optimization import momentum as room
from dlnotes.claims.optimization.momentum import (
    best_paths,
    escapes,
    judge_agreement,
    judge_escape,
    judge_overshoot,
    judge_speed,
    judge_width,
    named,
    path_of_stream,
    quadratic_width,
    rolls_across,
    slope_at,
    width,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import Task, digits

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


# Speed


def test_the_best_settings_need_about_as_many_steps_as_their_factors_say() -> None:
    walks = best_paths(100)

    plain, heavy = (len(walk) - 1 for walk in walks.values())
    # All axes begin alike; only the slowest count in the end.
    assert plain == pytest.approx(np.log(1e-6) / np.log(99 / 101), rel=0.1)
    assert 1 < heavy / (np.log(1e-6) / np.log(9 / 11)) < 1.4
    for walk in walks.values():
        assert np.linalg.norm(walk[0]) == pytest.approx(1)
        assert np.linalg.norm(walk[-1]) <= 1e-6 < np.linalg.norm(walk[-2])


@pytest.mark.parametrize(
    ("power", "epochs", "verdict"),
    [
        (0.5, 5.0, HOLDS),
        (0.5, 15.0, CONDITIONAL),
        (0.2, 15.0, CONDITIONAL),
        (0.2, 5.0, OPEN),
        (-0.1, 5.0, FAILS),
    ],
)
def test_the_rule_about_speed(power: float, epochs: float, verdict: Verdict) -> None:
    found = []
    for kappa in room.KAPPAS:
        data = f"condition number {kappa}"
        found.append(Row(room.STEPS, "gradient descent", data, (kappa**power,)))
        found.append(Row(room.STEPS, "momentum", data, (1.0,)))
        found.append(Row(room.CHANGES, "momentum", data, (1.0,)))
    for method, value in (("gradient descent", 10.0), ("momentum", epochs)):
        found.append(Row(room.EPOCHS, method, "digits", tuple(near(value))))

    assert judge_speed(found).verdict is verdict


# Local minima


def test_the_slopes_are_those_of_the_loss() -> None:
    x = np.linspace(-2, 2, 9)

    for tilt, slopes in zip(room.TILTS, slope_at(np.tile(x, (4, 1))), strict=True):
        up, down = (y**4 - 2 * y**2 + tilt * y for y in (x + 1e-5, x - 1e-5))
        np.testing.assert_allclose(slopes, (up - down) / 2e-5, atol=1e-6)


def test_a_start_that_rolls_stays_without_momentum_and_more_noise_gets_out() -> None:
    assert not rolls_across(0.0, 0.01).any()
    assert rolls_across(0.0, 0.1)[0]
    assert rolls_across(0.9, 0.01)[0]
    assert not rolls_across(0.9, 0.001)[0]

    out = escapes(0.5, 0, 10)

    assert out[0] <= out[-1] <= 10
    assert out[-1] > 5


@pytest.mark.parametrize(
    ("rest", "rolling", "verdict"),
    [
        ({0.1: 180, 0.5: 180}, [0.1], HOLDS),
        ({0.1: 180}, [0.1], CONDITIONAL),
        ({0.1: 101, 0.5: 101, 1.0: 101}, [0.1], CONDITIONAL),
        ({}, [0.1], CONDITIONAL),
        ({}, [], FAILS),
        ({0.1: 180, 0.5: 180}, [], OPEN),
    ],
)
def test_the_rule_about_local_minima(
    rest: dict[float, int], rolling: Sequence[float], verdict: Verdict
) -> None:
    found = []
    for tilt in room.TILTS:
        for mu in room.COEFFICIENTS:
            out = rest.get(tilt, 100) if mu == 0.9 else 100
            data = f"t = {tilt:g}"
            counts = (40.0, 40.0, out - 80.0)
            across = float(mu == 0.9 and tilt in rolling)
            found.append(Row(room.OUT, named(mu), data, counts))
            found.append(Row(room.ACROSS, named(mu), data, (across,)))
        found.append(Row(room.ACROSS, room.PLAIN, f"t = {tilt:g}", (1.0,)))

    assert judge_escape(found).verdict is verdict


# Overshoot


@pytest.mark.parametrize(
    ("over", "verdict"),
    [
        ([0, 0, 0.6, 0.9], HOLDS),
        ([0, 0, 0.05, 0.9], CONDITIONAL),
        ([0, 0, 0.05, 0.05], FAILS),
        ([0, 0.2, 0.05, 0.05], OPEN),
    ],
)
def test_the_rule_about_overshoot(over: Sequence[float], verdict: Verdict) -> None:
    found = [
        Row(room.OVERSHOOT, named(mu), data, (value,))
        for mu, value in zip(room.COEFFICIENTS, over, strict=True)
        for data in ("parabola", "Beale's function")
    ]

    assert judge_overshoot(found).verdict is verdict


# Gradients that agree


def test_a_stream_moves_by_the_sums_of_its_gradients() -> None:
    walk = path_of_stream(np.array([1.0, 1.0, -1.0]), 0.5)

    np.testing.assert_allclose(np.diff(walk), [-1, -1.5, 0.25])


@pytest.mark.parametrize(
    ("off", "shrunk", "longest", "verdict"),
    [
        (1e-14, 0, 0.9, HOLDS),
        (1e-14, 0, 1.1, CONDITIONAL),
        (1e-3, 0, 0.9, FAILS),
        (1e-14, 3, 0.9, OPEN),
    ],
)
def test_the_rule_about_gradients_that_agree(
    off: float, shrunk: int, longest: float, verdict: Verdict
) -> None:
    found = [
        Row(quantity, named(mu), "", (float(value),))
        for mu in room.COEFFICIENTS[1:]
        for quantity, value in (
            ("difference from the formula", off),
            ("steps that are shorter than the one before", shrunk),
            ("longest step, alternating", longest),
            ("steps until it turns round", 5),
        )
    ]

    assert judge_agreement(found).verdict is verdict


# The choice of the learning rate


def test_a_width_is_a_third_of_the_rates_within_a_point_of_the_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = dict.fromkeys(room.MANY_RATES, 0.5) | {
        0.1: 0.95,
        1.0: 0.941,
        10.0: -np.inf,
    }
    monkeypatch.setattr(room, "validated", lambda _trial, rate, _seed: scores[rate])

    found = width(Trial("", digits, room.PERCEPTRON, 1), 0)

    assert found == pytest.approx(2 / 3)


def test_a_score_is_the_accuracy_unless_the_loss_diverges(
    rng: np.random.Generator,
) -> None:
    def few(_: np.random.Generator) -> Task:
        return digits(rng, train=100, test=50)

    trial = Trial("", few, room.PERCEPTRON, 5, partial(torch.optim.SGD, momentum=0.99))

    assert 0.2 < room.validated(trial, 0.01, 0) <= 1
    assert room.validated(trial, 1e15, 0) == -np.inf


def test_the_rates_are_three_in_a_decade_and_those_of_a_quadratic_a_few() -> None:
    assert len(room.MANY_RATES) == 19
    assert room.MANY_RATES[0] == 1e-5
    assert room.MANY_RATES[-1] == 10
    curvature = np.geomspace(1, 100, 20)
    factors = np.abs(1 - np.outer(room.MANY_RATES, curvature))
    left = np.minimum(factors, 2) ** 400 @ curvature / curvature.sum()
    assert quadratic_width(0.0) == pytest.approx((left < 1e-3).sum() / 3)


@pytest.mark.parametrize(
    ("of_digits", "of_quadratic", "verdict"),
    [
        (near(2.0), 2.0, HOLDS),
        (near(2.0), 1.0, CONDITIONAL),
        (near(0.5), 2.0, CONDITIONAL),
        (near(0.5), 1.0, FAILS),
        (far_apart(1.5), 1.0, OPEN),
    ],
)
def test_the_rule_about_the_choice_of_the_rate(
    of_digits: list[float], of_quadratic: float, verdict: Verdict
) -> None:
    found = [
        Row(room.WIDTH, named(0), "digits", tuple(near(1.0))),
        Row(room.WIDTH, named(0.9), "digits", tuple(of_digits)),
        Row(room.WIDTH, named(0), "quadratic", (1.0,)),
        Row(room.WIDTH, named(0.9), "quadratic", (of_quadratic,)),
    ]

    assert judge_width(found).verdict is verdict
