"""Factors against runs and roots, budgets against all draws, widths against counts."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy import optimize

from dlnotes.optimization import momentum, nesterov
from dlnotes.optimization.choosing import (
    best_factors,
    convergence_factor,
    expected_best,
    steps_needed,
    tolerated_decades,
)

STEPS = {"momentum": momentum.update, "Nesterov": nesterov.update}


def worst(kappa: float, rate: float, mu: float, *, ahead: bool = False) -> float:
    """Return the largest factor over curvatures from 1 to the condition number."""
    products = rate * np.geomspace(1, kappa, 401)
    return float(convergence_factor(products, mu=mu, nesterov=ahead).max())


@pytest.mark.verifies("eq-choosing-factor")
@pytest.mark.parametrize("method", STEPS)
@pytest.mark.parametrize("mu", [0.0, 0.37, 0.9])
def test_the_factor_is_the_largest_eigenvalue_of_a_step(
    mu: float, method: str, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    products, step = rng.uniform(0, 4, size=(3, 7)), STEPS[method]
    factor_of = partial(convergence_factor, mu=mu, nesterov=method == "Nesterov")

    factor = run(factor_of, products)

    for place in np.ndindex(products.shape):
        columns = []
        for theta, v in ((1.0, 0.0), (0.0, 1.0)):
            given = np.array(theta), np.array(v), np.array(products[place] * theta)
            columns.append(step(*given, learning_rate=1.0, mu=mu))
        # The learning rate is 1, so the product is the curvature.
        eigenvalues = np.linalg.eigvals(np.array(columns, dtype=float).T)
        assert factor[place] == pytest.approx(abs(eigenvalues).max(), abs=1e-7)


@pytest.mark.verifies("eq-choosing-factor")
@pytest.mark.parametrize("method", STEPS)
def test_a_long_run_shrinks_by_the_factor(method: str) -> None:
    product_, mu, step = 0.02, 0.5, STEPS[method]
    theta, v, walk = np.ones(1), np.zeros(1), []
    for _ in range(200):
        theta, v = step(theta, v, product_ * theta, learning_rate=1.0, mu=mu)
        walk.append(float(theta[0]))

    factor = convergence_factor(
        np.array(product_), mu=mu, nesterov=method == "Nesterov"
    )

    assert walk[-1] / walk[-2] == pytest.approx(float(factor), rel=1e-9)


@pytest.mark.verifies("eq-choosing-best")
@pytest.mark.parametrize("kappa", [1.0, 4.0, 30.0, 1000.0])
def test_the_factors_are_the_largest_over_all_curvatures_at_their_settings(
    kappa: float,
) -> None:
    root = kappa**0.5
    q = (root - 1) / (root + 1)

    factors = best_factors(kappa)

    # Where both roots coincide they hang on the root of a rounding error.
    close = partial(pytest.approx, abs=1e-6)
    assert worst(kappa, 1 / kappa, 0.0) == close(factors.short_steps)
    assert worst(kappa, 2 / (1 + kappa), 0.0) == close(factors.gradient_descent)
    assert worst(kappa, 1 / kappa, q, ahead=True) == close(factors.nesterov)
    assert worst(kappa, 4 / (1 + root) ** 2, q**2) == close(factors.momentum)


@pytest.mark.verifies("eq-choosing-best")
@pytest.mark.parametrize("kappa", [4.0, 30.0])
def test_no_other_settings_of_gradient_descent_or_momentum_are_better(
    kappa: float,
) -> None:
    def at(setting: Any) -> float:
        rate, mu = map(float, setting)
        return worst(kappa, rate, min(max(mu, 0.0), 1.0))

    rates = np.linspace(0, 4 / kappa, 201)[1:]
    grid = product(rates, np.linspace(0, 0.95, 96))

    plain = min(worst(kappa, rate, 0.0) for rate in rates)
    start = min(grid, key=lambda setting: worst(kappa, *setting))
    found = optimize.minimize(at, np.array(start), method="Nelder-Mead")

    factors = best_factors(kappa)
    assert 0 <= plain - factors.gradient_descent < 0.02
    assert -1e-6 <= found.fun - factors.momentum < 0.02


@pytest.mark.verifies("eq-choosing-steps")
def test_so_many_steps_leave_the_share(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    factor = rng.uniform(0.1, 0.99, size=(2, 3))

    steps = run(partial(steps_needed, tolerance=0.02), factor)

    np.testing.assert_allclose(factor**steps, 0.02, rtol=1e-10)
    never = run(steps_needed, np.array([1.0, 1.5]))
    assert np.isinf(never).all()


@pytest.mark.verifies("eq-choosing-expected-best")
@pytest.mark.parametrize("budget", [1, 2, 3])
def test_the_expected_best_is_the_mean_over_all_draws(
    budget: int, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    scores = rng.normal(size=6)
    scores[4] = scores[1]

    expected = run(partial(expected_best, budget=budget), scores)

    draws = [max(drawn) for drawn in product(scores, repeat=budget)]
    assert float(expected) == pytest.approx(np.mean(draws), rel=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_counts_more_scores_than_it_has_whole_numbers(
    dtype: torch.dtype,
) -> None:
    scores = torch.linspace(0, 1, 5000, dtype=dtype)

    expected = expected_best(scores, budget=1)

    assert expected.dtype == dtype
    assert float(expected) == pytest.approx(0.5, rel=0.01)


def test_where_both_roots_are_zero_the_factor_has_the_middle_of_its_slopes() -> None:
    products = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)

    for mu in (0.0, 0.04):
        slopes = torch.func.jacrev(lambda p, mu=mu: convergence_factor(p, mu=mu))(
            products
        )
        assert torch.isfinite(slopes).all()
        assert slopes[1, 1] == 0


def test_many_draws_find_the_best() -> None:
    scores = np.array([3.0, 7.0, 5.0])

    assert float(expected_best(scores, budget=200)) == pytest.approx(7.0)


@pytest.mark.verifies("eq-choosing-decades")
def test_the_width_is_the_length_of_the_nearest_points_that_are_good(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    places = np.cumsum(rng.uniform(0.2, 1, size=7)) - 3
    scores = np.array([80.0, 93.45, 93.35, 94.0, 95.0, 95.2, 10.0])

    width = run(partial(tolerated_decades, margin=1.8), 10**places, scores)

    first = places[0] - (places[1] - places[0]) / 2
    last = places[-1] + (places[-1] - places[-2]) / 2
    axis = np.linspace(first, last, 200_001)
    nearest = abs(axis[:, None] - places).argmin(axis=1)
    good = (scores[nearest] >= 95.2 - 1.8).mean()
    assert float(width) == pytest.approx(good * (last - first), abs=1e-3)


def test_a_width_does_not_hang_on_the_unit_of_the_rates_and_counts_the_ends() -> None:
    rates, scores = np.geomspace(1e-3, 10, 9), np.full(9, 3.0)

    widths = [
        float(tolerated_decades(unit * rates, scores, margin=0.0)) for unit in (1, 1e6)
    ]

    assert widths == pytest.approx([4.5, 4.5])


def test_failed_runs_may_be_minus_infinity() -> None:
    scores = np.array([1.0, 2.0, -np.inf])

    width = tolerated_decades(np.array([0.1, 1.0, 10.0]), scores, margin=0.5)

    assert float(width) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: convergence_factor(np.ones(2), mu=-0.1),
        lambda: convergence_factor(np.ones(2), mu=1.1),
        lambda: best_factors(0.9),
        lambda: steps_needed(np.ones(2), tolerance=1.5),
        lambda: steps_needed(np.ones(2), tolerance=0.0),
        lambda: expected_best(np.ones(2), budget=0),
        lambda: expected_best(np.ones(0), budget=1),
        lambda: tolerated_decades(np.ones(2), np.ones(2), margin=-1.0),
        lambda: tolerated_decades(np.ones(1), np.ones(1), margin=1.0),
    ],
    ids=range(9),
)
def test_what_makes_no_sense_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"must (be|have)"):
        call()
