"""Schedules against PyTorch's, and the noise that is left against simulations."""

import math
from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from dlnotes.optimization.gradient_descent import update
from dlnotes.optimization.schedules import (
    cosine_decay,
    cosine_restarts,
    exp_range_rate,
    exponential_decay,
    inverse_decay,
    mean_squares,
    noise_floor,
    one_cycle,
    step_decay,
    triangular2_rate,
    triangular_rate,
    warm_up,
)


def of_pytorch(make: Callable[[Any], Any], rate: float, steps: int) -> list[float]:
    """Return the learning rate that a schedule of PyTorch gives to each step."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=rate, momentum=0.9)
    schedule, rates = make(optimizer), []
    for k in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        if k < steps - 1:  # after its last step OneCycleLR raises an error
            optimizer.step()
            schedule.step()
    return rates


def bounds(rng: np.random.Generator) -> dict[str, float]:
    """Draw a low rate and a high one."""
    low = rng.uniform(0.01, 0.3)
    return {"low": low, "high": low + rng.uniform(0.1, 2)}


def agree(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


@pytest.mark.verifies("eq-schedule-step")
@pytest.mark.parametrize("period", [1, 7])
def test_steps_are_those_of_pytorch(
    period: int, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    high, factor = rng.uniform(0.1, 2), rng.uniform(0.2, 0.9)

    ours = run(
        partial(step_decay, high=high, period=period, factor=factor), np.arange(40.0)
    )

    agree(
        ours,
        of_pytorch(lambda it: lr_scheduler.StepLR(it, period, factor), high, 40),
    )


@pytest.mark.verifies("eq-schedule-exponential")
def test_the_exponential_decay_is_that_of_pytorch(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    high, factor = rng.uniform(0.1, 2), rng.uniform(0.8, 0.99)

    ours = run(partial(exponential_decay, high=high, factor=factor), np.arange(60.0))

    agree(ours, of_pytorch(lambda it: lr_scheduler.ExponentialLR(it, factor), high, 60))


@pytest.mark.verifies("eq-schedule-inverse")
def test_the_inverse_decay_is_that_of_lambda_lr(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    high, period = rng.uniform(0.1, 2), rng.uniform(2, 20)

    ours = run(partial(inverse_decay, high=high, period=period), np.arange(60.0))

    agree(ours, [high * period / (period + k) for k in range(60)])


@pytest.mark.verifies("eq-schedule-cosine")
@pytest.mark.parametrize("steps", [1, 37])
def test_the_cosine_is_that_of_pytorch_up_to_its_end(
    steps: int, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    settings = bounds(rng)

    ours = run(partial(cosine_decay, steps=steps, **settings), np.arange(steps + 1.0))

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=settings["high"])
    theirs = lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=settings["low"])
    for k in range(steps + 1):
        theirs.last_epoch = k
        (closed,) = theirs._get_closed_form_lr()
        assert ours[k] == pytest.approx(closed, rel=1e-12)


def test_after_its_end_the_cosine_stays_and_that_of_pytorch_climbs() -> None:
    theirs = of_pytorch(lambda it: lr_scheduler.CosineAnnealingLR(it, 10), 1.0, 21)

    ours = cosine_decay(np.arange(21), steps=10, high=1.0)

    assert np.all(ours[10:] == 0)
    assert theirs[20] == pytest.approx(1)


@pytest.mark.verifies("eq-schedule-restarts")
@pytest.mark.parametrize(("period", "growth"), [(1, 1), (9, 1), (1, 2), (4, 2), (5, 3)])
def test_restarts_are_those_of_pytorch(
    period: int, growth: int, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    settings = bounds(rng)

    ours = run(
        partial(cosine_restarts, period=period, growth=growth, **settings),
        np.arange(200.0),
    )

    agree(
        ours,
        of_pytorch(
            lambda it: lr_scheduler.CosineAnnealingWarmRestarts(
                it, period, growth, eta_min=settings["low"]
            ),
            settings["high"],
            200,
        ),
    )


@pytest.mark.parametrize("growth", [2, 3, 5, 7, 10])
@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_every_cycle_starts_at_the_top_however_many_there_were(
    growth: int, dtype: Any
) -> None:
    starts = [3 * (growth**n - 1) // (growth - 1) for n in range(1, 9)]

    tops = cosine_restarts(np.array(starts, dtype), period=3, high=1.0, growth=growth)
    before = cosine_restarts(
        np.array(starts, dtype) - 1, period=3, high=1.0, growth=growth
    )

    assert np.all(tops == 1)
    assert np.all(before < 0.3)


@pytest.mark.verifies("eq-schedule-warm-up")
@pytest.mark.parametrize("steps", [1, 13])
def test_the_warm_up_is_linear_lr(
    steps: int, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    settings = bounds(rng)

    ours = run(partial(warm_up, steps=steps, **settings), np.arange(30.0))

    share = settings["low"] / settings["high"]
    agree(
        ours,
        of_pytorch(
            lambda it: lr_scheduler.LinearLR(it, share, total_iters=steps),
            settings["high"],
            30,
        ),
    )


def test_a_warm_up_times_a_cosine_is_one_lambda_lr() -> None:
    def rate(k: int) -> float:
        step = np.asarray(k)
        return float(
            warm_up(step, steps=5, low=0.1) * cosine_decay(step, steps=20, high=1.0)
        )

    theirs = of_pytorch(lambda it: lr_scheduler.LambdaLR(it, rate), 0.5, 21)

    for k in range(21):
        rising = min(1, 0.1 + 0.9 * k / 5)
        assert theirs[k] == pytest.approx(
            0.5 * rising * (1 + math.cos(math.pi * k / 20)) / 2
        )


@pytest.mark.verifies("eq-schedule-one-cycle")
@pytest.mark.parametrize("steps", [8, 50])
def test_one_cycle_is_that_of_pytorch(
    steps: int, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    high = rng.uniform(0.1, 2)
    settings: dict[str, Any] = {
        "pct_start": rng.uniform(0.2, 0.6),
        "div_factor": rng.uniform(2, 30),
        "final_div_factor": rng.uniform(2, 1e4),
    }

    ours = run(
        partial(one_cycle, steps=steps, high=high, **settings), np.arange(float(steps))
    )

    agree(
        ours,
        of_pytorch(
            lambda it: lr_scheduler.OneCycleLR(it, high, total_steps=steps, **settings),
            high,
            steps,
        ),
    )


def test_the_defaults_of_one_cycle_are_pytorch_s_and_its_last_rate_stays() -> None:
    theirs = of_pytorch(lambda it: lr_scheduler.OneCycleLR(it, 2.0, 30), 2.0, 30)

    ours = one_cycle(np.arange(40), steps=30, high=2.0)

    agree(ours[:30], theirs)
    agree(ours[30:], theirs[-1])


@pytest.mark.verifies("eq-clr-triangular")
@pytest.mark.verifies("eq-clr-triangular2")
@pytest.mark.verifies("eq-clr-exp-range")
@pytest.mark.parametrize("half_cycle", [1, 6])
@pytest.mark.parametrize(
    ("rate", "mode"),
    [
        (triangular_rate, "triangular"),
        (triangular2_rate, "triangular2"),
        (exp_range_rate, "exp_range"),
    ],
)
def test_cycles_are_those_of_pytorch(
    rate: Callable[..., Any],
    mode: Any,
    half_cycle: int,
    rng: np.random.Generator,
    run: Callable[..., Any],
) -> None:
    settings, gamma = bounds(rng), rng.uniform(0.9, 0.99)
    more = {"factor": gamma} if mode == "exp_range" else {}

    ours = run(
        partial(rate, half_cycle=half_cycle, **settings, **more), np.arange(70.0)
    )

    agree(
        ours,
        of_pytorch(
            lambda it: lr_scheduler.CyclicLR(
                it,
                settings["low"],
                settings["high"],
                step_size_up=half_cycle,
                mode=mode,
                gamma=gamma,
            ),
            1.0,
            70,
        ),
    )


@pytest.mark.parametrize(
    "schedule",
    [
        partial(inverse_decay, high=0.7, period=3),
        partial(step_decay, high=0.7, period=3),
        partial(exponential_decay, high=0.7, factor=0.9),
        partial(cosine_decay, high=0.7, low=0.1, steps=17),
        partial(cosine_restarts, high=0.7, low=0.1, period=3, growth=2),
        partial(warm_up, high=0.7, low=0.1, steps=9),
        partial(one_cycle, high=0.7, steps=20),
        partial(triangular_rate, high=0.7, low=0.1, half_cycle=3),
        partial(triangular2_rate, high=0.7, low=0.1, half_cycle=3),
        partial(exp_range_rate, high=0.7, low=0.1, half_cycle=3, factor=0.9),
    ],
)
def test_one_step_many_steps_whole_numbers_and_single_precision_are_the_same(
    schedule: Callable[..., Any],
) -> None:
    steps = np.arange(20)
    rates = schedule(steps.astype(float))

    agree([float(schedule(np.asarray(k))) for k in range(20)], rates)
    agree(schedule(steps.reshape(4, 5)), rates.reshape(4, 5))
    single = schedule(steps.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, rates, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(schedule(torch.arange(20)), rates, rtol=1e-5, atol=1e-6)


@pytest.mark.verifies("eq-schedule-variance")
def test_the_mean_squares_are_those_of_many_runs_with_noise(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    curvature, deviation = np.array([0.4, 1.3]), np.array([0.7, 0.3])
    start, rates = np.array([2.0, -1.0]), rng.uniform(0.1, 1.2, size=12)

    ours = run(
        lambda rates, start, a, v: mean_squares(rates, start, curvature=a, variance=v),
        rates,
        start**2,
        curvature,
        deviation**2,
    )

    theta = np.tile(start, (40_000, 1))
    for k, rate in enumerate(rates):
        gradient = curvature * theta + deviation * rng.normal(size=theta.shape)
        theta = update(theta, gradient, learning_rate=float(rate))
        np.testing.assert_allclose(ours[k], np.mean(theta**2, axis=0), rtol=0.04)


def test_the_mean_squares_have_a_gradient_in_the_rates(
    rng: np.random.Generator,
) -> None:
    arrays = [torch.asarray(rng.uniform(0.1, 1, size=3)) for _ in range(4)]

    assert torch.autograd.gradcheck(
        lambda rates, start, a, v: mean_squares(rates, start, curvature=a, variance=v),
        [each.requires_grad_() for each in arrays],
    )


@pytest.mark.verifies("eq-schedule-floor")
def test_a_constant_rate_keeps_the_floor_and_comes_to_it_from_above_and_below(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    curvature, variance = rng.uniform(0.2, 2, size=4), rng.uniform(0.5, 3, size=4)
    rate = 1.9 / float(curvature.max())

    floor = run(partial(noise_floor, learning_rate=rate), curvature, variance)

    rates, settings = np.full(600, rate), {"curvature": curvature, "variance": variance}
    np.testing.assert_allclose(mean_squares(rates[:1], floor, **settings)[0], floor)
    for start in (0.0, 100.0):
        squares = mean_squares(rates, np.full(4, start), **settings)
        np.testing.assert_allclose(squares[-1], floor, rtol=1e-9)


@pytest.mark.parametrize(
    "schedule",
    [
        partial(cosine_restarts, period=7, high=1.0),
        partial(triangular_rate, half_cycle=7, low=0.0, high=1.0),
    ],
    ids=["restarts", "triangular"],
)
@pytest.mark.parametrize("k", [1_000_001, 5_000_001, 16_000_001])
def test_late_in_a_run_a_whole_number_of_steps_is_as_good_in_single_precision(
    schedule: Callable[..., Any], k: int
) -> None:
    early = float(schedule(np.array(k % 14)))  # at the same place of an early cycle

    assert float(schedule(np.array(k))) == pytest.approx(early)
    assert float(schedule(torch.tensor(k))) == pytest.approx(early, rel=1e-6)


def test_rates_whose_sum_is_finite_never_arrive() -> None:
    k, one = np.arange(20_000.0), np.ones(1)
    left = {}
    for power in (0.6, 1.0, 2.0):
        rates = 0.5 / (1 + k) ** power
        squares = mean_squares(rates, 100 * one, curvature=one, variance=one)
        left[power] = squares[-1, 0]

    kept = np.prod((1 - 0.5 / (1 + k) ** 2) ** 2)
    assert left[2.0] > 100 * kept > 10
    assert max(left[0.6], left[1.0]) < 0.02


def test_the_best_rates_fall_like_the_inverse_of_the_step() -> None:
    one = np.ones(1)
    best = inverse_decay(np.arange(8), high=0.8, period=1.25)  # 1 / (k + 1 + 1/4)
    least = mean_squares(best, 4 * one, curvature=one, variance=one)

    assert least[-1, 0] == pytest.approx(1 / (8 + 1 / 4))
    for k in range(8):
        for share in (0.9, 1.1):
            rates = np.where(np.arange(8) == k, share * best, best)
            other = mean_squares(rates, 4 * one, curvature=one, variance=one)
            assert other[-1, 0] > least[-1, 0]


@pytest.mark.parametrize(
    ("schedule", "settings", "message"),
    [
        (inverse_decay, {"period": 0}, "period must be positive"),
        (step_decay, {"period": 0}, "period must be an int of at least 1, got 0"),
        (step_decay, {"period": 2, "factor": 1.5}, "factor must be from 0 to 1"),
        (exponential_decay, {"factor": -0.1}, "factor must be from 0 to 1, got -0.1"),
        (cosine_decay, {"steps": 0}, "steps must be an int of at least 1, got 0"),
        (cosine_restarts, {"period": 0}, "period must be an int of at least 1, got 0"),
        (cosine_restarts, {"period": 2, "growth": 0}, "growth must be an int"),
        (warm_up, {"steps": 0}, "steps must be an int of at least 1, got 0"),
        (one_cycle, {"steps": 2}, "steps must be an int of at least 3, got 2"),
        (
            one_cycle,
            {"steps": 10, "pct_start": 0.1},
            "pct_start must be above 1/10 and below 1, got 0.1",
        ),
        (one_cycle, {"steps": 10, "pct_start": 1.0}, "pct_start must be above"),
        (one_cycle, {"steps": 10, "div_factor": 0.5}, "div_factor must be at least 1"),
        (one_cycle, {"steps": 10, "final_div_factor": 0.5}, "final_div_factor must be"),
        (triangular_rate, {"half_cycle": 0, "low": 0.1}, "half_cycle must be an int"),
        (triangular2_rate, {"half_cycle": 0, "low": 0.1}, "half_cycle must be an int"),
        (
            exp_range_rate,
            {"half_cycle": 2, "low": 0.1, "factor": 1.1},
            "factor must be from 0 to 1, got 1.1",
        ),
    ],
)
def test_settings_out_of_range_are_refused(
    schedule: Callable[..., Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        schedule(np.arange(3), high=1.0, **settings)


@pytest.mark.parametrize(
    ("schedule", "settings"),
    [
        (inverse_decay, {"period": 2}),
        (step_decay, {"period": 2}),
        (exponential_decay, {"factor": 0.5}),
        (cosine_decay, {"steps": 9}),
        (cosine_restarts, {"period": 2}),
        (warm_up, {"steps": 9}),
        (one_cycle, {"steps": 9}),
        (triangular_rate, {"half_cycle": 2, "low": 0.0}),
        (triangular2_rate, {"half_cycle": 2, "low": 0.0}),
        (exp_range_rate, {"half_cycle": 2, "low": 0.0, "factor": 0.5}),
    ],
)
def test_rates_that_are_none_or_in_the_wrong_order_are_refused(
    schedule: Callable[..., Any], settings: dict[str, Any]
) -> None:
    for high in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match=f"high must be positive .*, got {high}"):
            schedule(np.arange(3), high=high, **settings)
    if "low" in signature(schedule).parameters:
        with pytest.raises(ValueError, match=r"high must be at least low, got 1.0 and"):
            schedule(np.arange(3), high=1.0, **settings | {"low": 1.5})
        with pytest.raises(ValueError, match=r"low must be at least 0, got -0.1"):
            schedule(np.arange(3), high=1.0, **settings | {"low": -0.1})


def test_whole_numbers_as_settings_and_one_rate_for_both_bounds_will_do() -> None:
    k = np.arange(3)

    assert exponential_decay(k, high=1, factor=1).tolist() == [1.0, 1.0, 1.0]
    assert exponential_decay(k, high=2, factor=0).tolist() == [2.0, 0.0, 0.0]
    assert cosine_decay(k, steps=2, high=0.5, low=0.5).tolist() == [0.5] * 3
    assert warm_up(k, steps=2, high=0.5, low=0.5).tolist() == [0.5] * 3


def test_a_step_leaves_a_tenth_and_a_cycle_repeats_if_not_said_otherwise() -> None:
    k = np.arange(12)

    np.testing.assert_allclose(step_decay(k, high=1.0, period=6)[6:], 0.1)
    np.testing.assert_allclose(
        cosine_restarts(k, period=6, high=1.0)[:6],
        cosine_restarts(k, period=6, high=1.0)[6:],
        rtol=1e-12,
    )


@pytest.mark.parametrize("rate", [2.0, 3.0])
def test_there_is_no_noise_floor_where_descent_diverges(rate: float) -> None:
    curvature = np.array([0.1, 1.0])

    with pytest.raises(ValueError, match="learning_rate must be below 2 / curvature"):
        noise_floor(curvature, curvature, learning_rate=rate)


def test_a_negative_rate_has_no_noise_floor() -> None:
    with pytest.raises(ValueError, match=r"learning_rate must be at least 0, got -0.1"):
        noise_floor(np.ones(1), np.ones(1), learning_rate=-0.1)
