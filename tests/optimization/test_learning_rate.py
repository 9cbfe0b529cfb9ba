"""Limits of the learning rate against descent itself, and range tests against loops."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import ExponentialLR

from dlnotes.optimization.learning_rate import (
    exponential_ramp,
    has_diverged,
    largest_rate,
    linear_ramp,
    picks,
    smoothed_losses,
    stable_rates,
    steepest_rate,
    turning_point,
)
from dlnotes.optimization.momentum import update


def bowl(rng: np.random.Generator, d: int = 4) -> Any:
    """Return a Hessian whose principal axes are not those of the coordinates."""
    axes = np.linalg.qr(rng.normal(size=(d, d))).Q
    return axes * rng.uniform(0.5, 20, size=d) @ axes.T


def factor(hessian: Any, learning_rate: float, mu: float) -> float:
    """Return the largest factor of a step, from the matrix of the linear map it is."""
    eye, zeros = np.eye(len(hessian)), np.zeros_like(hessian)
    last_two = np.block(
        [[(1 + mu) * eye - learning_rate * hessian, -mu * eye], [eye, zeros]]
    )
    return float(abs(np.linalg.eigvals(last_two)).max())


@pytest.mark.verifies("eq-lr-stability")
@pytest.mark.parametrize("mu", [0.0, 0.37, 0.9])
def test_descent_converges_just_below_the_largest_rate_and_not_just_above(
    mu: float, rng: np.random.Generator
) -> None:
    hessian, start = bowl(rng), rng.normal(size=4)

    largest, _ = stable_rates(hessian, mu=mu)
    ends = []
    for share in (0.99, 1.01):
        theta, v = start, np.zeros(4)
        for _ in range(1000):
            gradient = hessian @ theta
            theta, v = update(
                theta, v, gradient, learning_rate=share * float(largest), mu=mu
            )
        ends.append(np.linalg.norm(theta))

    assert ends[0] < 1e-3
    assert ends[1] > 1e3


@pytest.mark.verifies("eq-lr-stability")
@pytest.mark.parametrize("mu", [0.0, 0.03])
def test_no_other_rate_has_a_smaller_factor_than_the_best(
    mu: float, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    hessian = bowl(rng)

    largest, best = run(partial(stable_rates, mu=mu), hessian)
    least = factor(hessian, best, mu)

    assert least < 1
    assert factor(hessian, largest, mu) == pytest.approx(1)
    for share in (0.1, 0.5, 0.9, 0.99, 1.01, 1.1):
        assert factor(hessian, share * best, mu) > least


@pytest.mark.parametrize("mu", [0.99, 0.9996])
def test_at_the_largest_rate_a_step_has_the_factor_one(
    mu: float, rng: np.random.Generator
) -> None:
    hessian = bowl(rng)

    largest, best = stable_rates(hessian, mu=mu)

    assert factor(hessian, float(largest), mu) == pytest.approx(1, abs=1e-7)
    assert factor(hessian, 1.01 * float(largest), mu) > 1.001
    assert best < largest


def test_half_of_the_largest_rate_is_best_only_if_all_curvatures_are_equal() -> None:
    shares = []
    for curvatures in ([3.0, 3.0, 3.0], [1.0, 2.0, 9.0], [1.0, 1.0, 999.0]):
        largest, best = stable_rates(np.diag(curvatures))
        shares.append(float(best / largest))

    np.testing.assert_allclose(shares, [0.5, 0.9, 0.999])


def test_the_stable_rates_have_a_gradient(rng: np.random.Generator) -> None:
    factors = torch.asarray(rng.normal(size=(3, 3)))

    assert torch.autograd.gradcheck(
        lambda A: stable_rates(A @ A.T + torch.eye(3), mu=0.5),
        factors.requires_grad_(),
    )


@pytest.mark.parametrize("least", [0.0, -2.0])
def test_a_hessian_of_no_bowl_is_refused(
    least: float, array: Callable[[Any], Any]
) -> None:
    with pytest.raises(
        ValueError, match=f"hessian must have positive eigenvalues, got {least:.3g}"
    ):
        stable_rates(array(np.diag([least, 1.0])))


@pytest.mark.verifies("eq-lr-range")
@pytest.mark.parametrize("steps", [2, 3, 701])
def test_the_exponential_ramp_is_numpy_s_and_pytorch_s(
    steps: int, rng: np.random.Generator
) -> None:
    low, high = rng.uniform(1e-6, 1e-2), rng.uniform(1, 10)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=low)
    schedule = ExponentialLR(optimizer, (high / low) ** (1 / (steps - 1)))

    ours = exponential_ramp(low, high, steps)

    np.testing.assert_allclose(ours, np.geomspace(low, high, steps), rtol=1e-12)
    for rate in ours:
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-10)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("ramp", [exponential_ramp, linear_ramp])
def test_the_ends_of_a_ramp_are_exact(
    ramp: Callable[..., Any], rng: np.random.Generator
) -> None:
    for low, high in 10 ** np.sort(rng.uniform(-9, 3, size=(200, 2))):
        rates = ramp(low, high, 37)

        assert (rates[0], rates[-1]) == (low, high)
        assert (np.diff(rates) > 0).all()


def test_a_ramp_may_go_over_all_powers_of_ten() -> None:
    np.testing.assert_allclose(
        exponential_ramp(1e-200, 1e200, 5), [1e-200, 1e-100, 1, 1e100, 1e200]
    )


@pytest.mark.verifies("eq-lr-linear")
@pytest.mark.parametrize("low", [0.0, 0.3])
def test_the_linear_ramp_is_numpy_s(low: float) -> None:
    for steps in (2, 5, 60):
        np.testing.assert_allclose(
            linear_ramp(low, 2.5, steps), np.linspace(low, 2.5, steps), rtol=1e-12
        )


@pytest.mark.parametrize("ramp", [exponential_ramp, linear_ramp])
def test_a_ramp_that_does_not_rise_is_refused(ramp: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="steps must be an int of at least 2, got 1"):
        ramp(0.1, 1.0, 1)
    with pytest.raises(ValueError, match=r"high must be above low, got 0.1 and 0.1"):
        ramp(0.1, 0.1, 5)
    with pytest.raises(ValueError, match="high must be positive and finite, got inf"):
        ramp(0.1, np.inf, 5)
    with pytest.raises(ValueError, match="low must be"):
        ramp(-0.1, 1.0, 5)


def test_only_a_linear_ramp_may_start_at_zero() -> None:
    assert linear_ramp(0.0, 1.0, 3).tolist() == [0, 0.5, 1]
    with pytest.raises(ValueError, match=r"low must be positive and finite, got 0.0"):
        exponential_ramp(0.0, 1.0, 3)


@pytest.mark.verifies("eq-lr-smoothing")
@pytest.mark.parametrize("beta", [0.0, 0.83])
def test_a_smoothed_loss_is_a_mean_with_weights_that_fall(
    beta: float, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    losses = rng.uniform(1, 4, size=9)

    ours = run(partial(smoothed_losses, beta=beta), losses)

    for k in range(9):
        weights = beta ** np.arange(float(k), -1, -1)
        assert ours[k] == pytest.approx(np.average(losses[: k + 1], weights=weights))


def test_a_first_loss_that_is_infinite_stays_so_and_a_tenth_is_new() -> None:
    assert smoothed_losses(np.array([np.inf, 1.0])).tolist() == [np.inf, np.inf]
    assert smoothed_losses(np.array([0.0, 1.9]))[1] == pytest.approx(1.0)  # 0.1 / 0.19


def test_equal_losses_stay_as_they_are_and_precision_too() -> None:
    losses = np.full(200, 2.5, dtype=np.float32)

    smoothed = smoothed_losses(losses, beta=0.98)

    assert smoothed.dtype == np.float32
    np.testing.assert_allclose(smoothed, losses, rtol=1e-5)


def test_a_smoothed_curve_comes_late_by_what_the_decay_says() -> None:
    line = np.arange(1000.0)

    for beta in (0.5, 0.9, 0.98):
        late = line[-1] - smoothed_losses(line, beta=beta)[-1]
        assert late == pytest.approx(beta / (1 - beta), rel=1e-4)


@pytest.mark.verifies("eq-lr-diverged")
def test_divergence_is_a_last_loss_far_above_the_least(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    losses = rng.uniform(1, 10, size=8)
    last, least = losses[-1], min(losses)

    for c, wanted in ((0.99 * last / least, True), (1.01 * last / least, False)):
        assert run(partial(has_diverged, factor=float(c)), losses) == wanted


@pytest.mark.parametrize(
    ("losses", "diverged"),
    [
        ([1.0, np.nan], True),
        ([1.0, np.inf], True),
        ([np.inf, np.inf], True),
        ([-np.inf], True),
        ([np.nan], True),
        ([9.0, 1.0, 4.0], False),
        ([1.0, 9.0, 2.0], False),
        ([0.0, 0.0], False),
        ([0.0, 1e-9], True),
        ([-5.0], False),
        ([-5.0, -4.9], False),
        ([0.3, -0.1, 0.2], False),
        ([-5.0, np.nan], True),
    ],
)
def test_what_is_no_number_has_diverged_and_what_came_back_has_not(
    losses: list[float],
    diverged: bool,  # noqa: FBT001
) -> None:
    assert bool(has_diverged(np.array(losses))) is diverged


def test_an_infinite_factor_lets_all_pass_but_what_is_no_number() -> None:
    for losses, diverged in (([0.0, 9.0], False), ([1.0, np.inf], True)):
        assert bool(has_diverged(np.array(losses), factor=np.inf)) is diverged


def curve(rng: np.random.Generator) -> tuple[Any, Any]:
    """Return rising rates at unequal distances, and losses that fall and rise."""
    x = np.sort(rng.uniform(-6, 2, size=60))
    return 10**x, 2 - np.exp(-((x + 1) ** 2)) + 0.1 * rng.normal(size=60) + (
        np.maximum(0, x) ** 2
    )


@pytest.mark.verifies("eq-lr-turning")
@pytest.mark.verifies("eq-lr-largest")
@pytest.mark.verifies("eq-lr-steepest")
@pytest.mark.verifies("eq-lr-picks")
@pytest.mark.parametrize("seed", [1, 2])
def test_the_rules_pick_what_a_loop_finds(seed: int, run: Callable[..., Any]) -> None:
    rates, losses = curve(np.random.default_rng(seed))

    found = run(partial(picks, skip=0), rates, losses)

    turn = 0
    for k in range(60):
        if losses[k] < losses[turn]:
            turn = k
    last = turn
    while last + 1 < 60 and losses[last + 1] <= losses[0]:
        last += 1
    slopes = [
        (losses[k + 1] - losses[k]) / np.log(rates[k + 1] / rates[k])
        for k in range(turn)
    ]
    steep = slopes.index(min(slopes))
    middle = np.exp((np.log(rates[steep]) + np.log(rates[steep + 1])) / 2)
    wanted = [rates[last] / 2, 0.9 * rates[turn], rates[turn] / 10, middle]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.verifies("eq-lr-turning")
@pytest.mark.verifies("eq-lr-largest")
@pytest.mark.verifies("eq-lr-steepest")
def test_on_a_cubic_the_three_rates_are_where_calculus_has_them() -> None:
    x = np.linspace(-1.2, 2.4, 3601)
    rates, losses = np.exp(x), x**3 - 3 * x
    again = np.roots([1, 0, -3, -losses[0]]).real.max()

    found = [
        float(np.log(rule(rates, losses)))
        for rule in (turning_point, steepest_rate, largest_rate)
    ]

    np.testing.assert_allclose(found, [1, 0, again], atol=2e-3)


def test_rates_in_another_unit_are_picked_in_that_unit() -> None:
    rates, losses = curve(np.random.default_rng(3))

    ours, theirs = picks(rates, losses), picks(1000 * rates, 5 * losses)
    tiny = steepest_rate(*np.array([[1e-30, 1e-25], [2, 1]], dtype=np.float32))

    np.testing.assert_allclose(theirs, 1000 * np.array(ours))
    assert float(tiny) == pytest.approx(10**-27.5, abs=0, rel=1e-5)


def test_the_first_losses_are_left_out_ten_if_not_said_otherwise() -> None:
    rates, losses = curve(np.random.default_rng(3))
    losses[[0, 9, 11]] = 0.1, 0.0, 0.2  # as if everything were learned at once

    for skip in (10, 12):
        np.testing.assert_array_equal(
            picks(rates, losses, skip=skip),
            picks(rates[skip:], losses[skip:], skip=0),
        )
    assert picks(rates, losses) == picks(rates, losses, skip=10)


def test_what_the_first_noise_does_to_a_curve_is_not_picked() -> None:
    rates = exponential_ramp(1e-5, 10, 150)
    falling = 0.3 + 2 / (1 + (rates / 0.03) ** 1.7) + np.maximum(0, 6 * np.log(rates))
    found: dict[int, list[float]] = {0: [], 10: []}

    for seed in range(50):
        noise = 0.1 * np.random.default_rng(seed).normal(size=150)
        for skip, rules in found.items():
            rules.append(picks(rates, smoothed_losses(falling + noise), skip=skip)[3])

    lost = {skip: sum(rate < 1e-3 for rate in rules) for skip, rules in found.items()}
    assert lost[10] == 0
    assert lost[0] > 5


def test_half_precision_has_the_largest_rate_at_its_step() -> None:
    rates = torch.arange(3000.0).half()  # whole numbers from 2,048 on are even
    losses = torch.full((3000,), 2.0, dtype=torch.float16)
    losses[1000], losses[2500:] = 1.0, 3.0

    assert float(largest_rate(rates, losses)) == float(rates[2499])
    assert float(largest_rate(rates, losses[:2500].repeat(2)[:3000])) == float(
        rates[2999]
    )


@pytest.mark.parametrize(
    ("losses", "turn", "steep", "largest"),
    [
        ([4, 2.5, 2, 1], 1000, 10**0.5, 1000),
        ([1, 2, 3, 4], 1, 10**0.5, 1),
        ([4, 2, 2, 5], 10, 10**0.5, 100),
        ([4, 3.5, 1, 4], 100, 10**1.5, 1000),
        ([4, 1, 9, 2], 10, 10**0.5, 10),
    ],
)
def test_small_curves(
    losses: list[float], turn: float, steep: float, largest: float
) -> None:
    rates, values = 10 ** np.arange(4.0), np.array(losses, dtype=float)

    assert turning_point(rates, values) == pytest.approx(turn)
    assert steepest_rate(rates, values) == pytest.approx(steep)
    assert largest_rate(rates, values) == pytest.approx(largest)


def test_settings_out_of_range_and_missing_losses_are_refused() -> None:
    some, none = np.ones(3), np.ones(0)

    with pytest.raises(ValueError, match=r"beta must be at least 0 and less than 1"):
        smoothed_losses(some, beta=1.0)
    with pytest.raises(ValueError, match=r"factor must be at least 1, got 0.5"):
        has_diverged(some, factor=0.5)
    with pytest.raises(ValueError, match="mu must be at least 0 and less than 1"):
        stable_rates(np.eye(2), mu=1.0)
    with pytest.raises(ValueError, match="hessian must be finite, got NaN or infinity"):
        stable_rates(np.array([[1.0, np.nan], [0.0, 1.0]]))
    for call in (smoothed_losses, has_diverged):
        with pytest.raises(ValueError, match="losses must have at least 1 entry, got"):
            call(none)
    for rule in (turning_point, largest_rate):
        with pytest.raises(ValueError, match="losses must have at least 1 entry, got"):
            rule(none, none)
    with pytest.raises(ValueError, match="losses must have at least 2 entries, got 1"):
        steepest_rate(some[:1], some[:1])
    with pytest.raises(ValueError, match="losses must have at least 12 entries, got 3"):
        picks(some, some)
    with pytest.raises(ValueError, match="skip must be an int of at least 0, got -1"):
        picks(some, some, skip=-1)
