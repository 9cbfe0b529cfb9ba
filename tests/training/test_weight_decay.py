"""Penalties against loops, PyTorch, scikit-learn and SciPy, and what is proved."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.optimize import minimize, minimize_scalar
from sklearn.linear_model import ElasticNet, Lasso, Ridge

from dlnotes.optimization.gradient_descent import penalized_gradient, update
from dlnotes.training.weight_decay import (
    elastic_net_penalty,
    elastic_net_step,
    elastic_net_subgradient,
    l1_penalty,
    l2_penalty,
    lasso_step,
    max_norm,
    ridge_regression,
    ridge_shrinkage,
    soft_threshold,
    weight_decay_step,
)

STEP = {"learning_rate": 0.3, "strength": 0.9}


@pytest.fixture
def table(rng: np.random.Generator) -> tuple[Any, Any]:
    """Correlated inputs and targets, all with mean zero."""
    X = rng.normal(size=(30, 6)) @ rng.normal(size=(6, 6))
    y = X @ [1.5, 0, -1, 0, 0, 0.3] + rng.normal(size=30)
    return X - X.mean(axis=0), y - y.mean()


@pytest.mark.verifies("eq-ridge")
@pytest.mark.verifies("eq-lasso")
@pytest.mark.verifies("eq-elastic-net")
@pytest.mark.parametrize("shape", [(), (4, 3), (2, 3, 4)])
def test_penalties_are_sums_over_all_weights(
    shape: tuple[int, ...], rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    w = np.asarray(3 * rng.normal(size=shape))
    squares = sizes = 0.0
    for each in w.ravel():
        squares += each**2
        sizes += abs(each)

    def ours(w: Any) -> Any:
        """Return the three penalties."""
        return (
            l2_penalty(w, strength=0.7),
            l1_penalty(w, strength=0.7),
            elastic_net_penalty(w, strength=0.7, l1_ratio=0.2),
        )

    found = run(ours, w)

    net = 0.7 * 0.2 * sizes + 0.7 * 0.8 * squares / 2
    np.testing.assert_allclose(found, [0.35 * squares, 0.7 * sizes, net], rtol=1e-12)


@pytest.mark.verifies("eq-elastic-net-subgradient")
@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
def test_where_no_weight_is_zero_the_subgradient_is_the_derivative(
    l1_ratio: float, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    w = rng.choice([-1, 1], size=8) * rng.uniform(0.1, 3, size=8)
    settings = {"strength": 0.7, "l1_ratio": l1_ratio}
    penalty: Any = partial(elastic_net_penalty, **settings)
    theirs = torch.asarray(w.copy()).requires_grad_()
    slopes = [(penalty(w + h) - penalty(w - h)) / 2e-6 for h in 1e-6 * np.eye(8)]

    ours = run(partial(elastic_net_subgradient, **settings), w)

    np.testing.assert_allclose(ours, slopes, rtol=1e-7)
    (slope,) = torch.autograd.grad(penalty(theirs), theirs)
    np.testing.assert_allclose(ours, slope, rtol=1e-12)


@pytest.mark.verifies("eq-elastic-net-subgradient")
def test_the_penalty_lies_nowhere_below_the_line_of_a_subgradient(
    rng: np.random.Generator,
) -> None:
    settings = {"strength": 0.7, "l1_ratio": 0.6}
    w, others = np.array([0.0, 1.0, 0.0, -2.0]), 3 * rng.normal(size=(100, 4))

    slope = elastic_net_subgradient(w, **settings)

    for other in others:
        line = elastic_net_penalty(w, **settings) + slope @ (other - w)
        assert elastic_net_penalty(other, **settings) >= line
    assert slope[0] == 0


@pytest.mark.verifies("eq-ridge-solution")
def test_ridge_regression_finds_what_scikit_learn_finds(
    table: tuple[Any, Any], run: Callable[..., Any]
) -> None:
    X, y = table

    ours = run(partial(ridge_regression, strength=0.4), X, y)

    theirs = Ridge(alpha=30 * 0.4, fit_intercept=False).fit(X, y).coef_
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


@pytest.mark.verifies("eq-ridge")
@pytest.mark.verifies("eq-ridge-solution")
def test_no_weights_have_a_smaller_ridge_loss(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    X, y = rng.normal(size=(5, 8)), rng.normal(size=5)  # more inputs than instances

    def objective(w: Any) -> float:
        """Return the loss and the penalty."""
        return float(np.mean((X @ w - y) ** 2) / 2 + l2_penalty(w, strength=0.2))

    ours = ridge_regression(array(X), array(y), strength=0.2)

    theirs = minimize(objective, np.zeros(8), tol=1e-12).x
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.verifies("eq-ridge-shrinkage")
def test_ridge_keeps_a_share_of_least_squares_along_each_eigenvector(
    table: tuple[Any, Any], run: Callable[..., Any]
) -> None:
    X, y = table
    d, V = np.linalg.eigh(X.T @ X / 30)
    plain = np.linalg.lstsq(X, y)[0]
    hat = X @ np.linalg.inv(X.T @ X + 30 * 0.4 * np.eye(6)) @ X.T

    share = run(partial(ridge_shrinkage, strength=0.4), d)

    kept = V.T @ ridge_regression(X, y, strength=0.4) / (V.T @ plain)
    np.testing.assert_allclose(share, kept, rtol=1e-9)
    assert share.sum() == pytest.approx(np.trace(hat))


@pytest.mark.verifies("eq-weight-decay")
def test_a_step_with_weight_decay_ends_where_sgd_of_pytorch_ends(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    w, gradient = rng.normal(size=(2, 4, 3))
    theirs = torch.nn.Parameter(torch.asarray(w.copy()))
    theirs.grad = torch.asarray(gradient)

    ours = run(
        partial(weight_decay_step, learning_rate=0.3, weight_decay=0.7), w, gradient
    )
    torch.optim.SGD([theirs], lr=0.3, weight_decay=0.7).step()

    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-12)
    slope = penalized_gradient(w, gradient, weight_decay=0.7)
    np.testing.assert_allclose(ours, update(w, slope, learning_rate=0.3), rtol=1e-12)


@pytest.mark.verifies("eq-soft-threshold")
def test_the_soft_threshold_is_that_of_pytorch(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    w = np.append(2 * rng.normal(size=30), [0.5, -0.5, 0.0, np.inf, 1e300])

    ours = run(partial(soft_threshold, threshold=0.5), w)

    theirs = torch.nn.functional.softshrink(torch.asarray(w), 0.5)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.verifies("eq-soft-threshold")
@pytest.mark.verifies("eq-elastic-net-step")
@pytest.mark.parametrize("w", [-2.0, -0.1, 0.0, 0.2, 1.7])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.4, 1.0])
def test_a_proximal_step_has_the_least_penalty_and_half_squared_distance(
    w: float, l1_ratio: float
) -> None:
    penalty: Any = partial(elastic_net_penalty, strength=0.9, l1_ratio=l1_ratio)
    step: Any = partial(elastic_net_step, **STEP)

    found = step(np.array([w]), np.zeros(1), l1_ratio=l1_ratio)

    nearest = minimize_scalar(
        lambda v: 0.3 * float(penalty(np.array([v]))) + (v - w) ** 2 / 2,
        bounds=(-3, 3),
        options={"xatol": 1e-10},
    ).x
    assert found[0] == pytest.approx(nearest, abs=1e-6)


@pytest.mark.verifies("eq-lasso-step")
@pytest.mark.verifies("eq-elastic-net-step")
def test_steps_are_those_of_a_loop_over_the_weights(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    w, gradient = rng.normal(size=(2, 6, 5)) * [[[1.0]], [[2.0]]]
    lasso, net = np.zeros((2, 6, 5))
    for i, j in np.ndindex(6, 5):
        there = w[i, j] - 0.3 * gradient[i, j]
        for size, divisor, result in ((0.27, 1.0, lasso), (0.108, 1.162, net)):
            if there > size:
                result[i, j] = (there - size) / divisor
            elif there < -size:
                result[i, j] = (there + size) / divisor

    def ours(w: Any, gradient: Any) -> Any:
        """Take a step with each."""
        net = elastic_net_step(w, gradient, l1_ratio=0.4, **STEP)
        return lasso_step(w, gradient, **STEP), net

    found = run(ours, w, gradient)

    assert 0 < (lasso == 0).sum() < 30
    for got, want in zip(found, (lasso, net), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
        np.testing.assert_array_equal(got == 0, want == 0)


@pytest.mark.verifies("eq-lasso")
@pytest.mark.verifies("eq-lasso-step")
@pytest.mark.verifies("eq-elastic-net")
@pytest.mark.verifies("eq-elastic-net-step")
@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
def test_many_steps_end_where_scikit_learn_ends_with_the_same_zeros(
    l1_ratio: float, table: tuple[Any, Any], array: Callable[[Any], Any]
) -> None:
    X, y = table
    theirs = Lasso(alpha=0.5, fit_intercept=False, tol=1e-14)
    if l1_ratio < 1:
        theirs = ElasticNet(0.5, l1_ratio=0.3, fit_intercept=False, tol=1e-14)
    rate = float(30 / np.linalg.norm(X, 2) ** 2)
    w, A, b = array(np.ones(6)), array(X), array(y)

    for _ in range(3000):
        g = A.T @ (A @ w - b) / 30
        if l1_ratio == 1:
            w = lasso_step(w, g, learning_rate=rate, strength=0.5)
        else:
            w = elastic_net_step(
                w, g, learning_rate=rate, strength=0.5, l1_ratio=l1_ratio
            )

    coefficients = theirs.fit(X, y).coef_
    np.testing.assert_allclose(w, coefficients, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(np.asarray(w) == 0, coefficients == 0)
    assert l1_ratio < 1 or 0 < (coefficients == 0).sum() < 6


def test_priors_put_the_most_probable_weights_where_penalties_put_them(
    rng: np.random.Generator,
) -> None:
    N, noise, spread = 20, 0.8, 0.3
    X = rng.normal(size=(N, 2))
    y = X @ [1.0, 0.1] + noise * rng.normal(size=N)
    modes = {}

    for name, prior in (("normal", stats.norm), ("Laplace", stats.laplace)):

        def surprise(w: Any, prior: Any = prior) -> float:
            """Return minus the logarithm of the posterior, up to a constant."""
            likelihood = stats.norm.logpdf(y, X @ w, noise).sum()
            return float(-likelihood - prior.logpdf(w, scale=spread).sum())

        options: Any = {"xatol": 1e-9, "fatol": 1e-12}
        modes[name] = minimize(
            surprise, np.ones(2), method="Nelder-Mead", options=options
        ).x

    ridge = ridge_regression(X, y, strength=noise**2 / (N * spread**2))
    lasso = Lasso(noise**2 / (N * spread), fit_intercept=False, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(modes["normal"], ridge, atol=1e-6)
    np.testing.assert_allclose(modes["Laplace"], lasso.coef_, atol=1e-6)


@pytest.mark.verifies("eq-max-norm")
def test_only_units_that_are_too_long_are_scaled_as_pytorch_scales_them(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    W = rng.normal(size=(4, 6)) * [0, 0.1, 0.5, 1, 3, 1e200]

    ours = run(partial(max_norm, limit=1.3), W)

    lengths = [min(1.3, sum((w / 1e150) ** 2) ** 0.5 * 1e150) for w in W.T]
    np.testing.assert_allclose(np.hypot.reduce(ours), lengths, rtol=1e-12)
    theirs = torch.renorm(torch.asarray(W[:, :5]), p=2, dim=1, maxnorm=1.3)
    np.testing.assert_allclose(ours[:, :5], theirs, rtol=1e-6)  # theirs adds 1e-7
    np.testing.assert_array_equal(ours[:, :3], W[:, :3])


def test_units_of_zeros_have_a_gradient_that_is_finite() -> None:
    W = torch.zeros(3, 2, requires_grad=True)

    torch.autograd.backward(max_norm(W, limit=1.0).sum())

    torch.testing.assert_close(W.grad, torch.ones(3, 2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_half_and_single_precision_stay_and_do_not_overflow(
    dtype: torch.dtype,
) -> None:
    w = torch.full((2, 3), 300.0, dtype=dtype)
    settings = {"strength": 0.01, "l1_ratio": 0.5}

    results = {
        "l2": l2_penalty(w, strength=0.01),
        "l1": l1_penalty(w, strength=0.01),
        "net": elastic_net_penalty(w, **settings),
        "slope": elastic_net_subgradient(w, **settings),
        "step": elastic_net_step(w, w, learning_rate=0.1, **settings),
        "decay": weight_decay_step(w, w, learning_rate=0.1, weight_decay=0.1),
        "norm": max_norm(w, limit=3.0),
    }

    assert {each.dtype for each in results.values()} == {dtype}
    assert results["l2"].item() == pytest.approx(0.005 * 6 * 300**2, rel=0.01)
    length = results["norm"].double().norm(dim=0)
    torch.testing.assert_close(length, torch.full_like(length, 3), rtol=0.01, atol=0)


@pytest.mark.parametrize("bad", [-0.1, np.nan])
def test_settings_below_zero_are_refused(bad: float) -> None:
    w, X = np.ones(2), np.ones((2, 2))
    rate: dict[str, float] = {"learning_rate": 0.1}
    net: dict[str, float] = {"strength": 1.0, "l1_ratio": bad}
    calls: list[tuple[str, Callable[[], Any]]] = [
        ("strength", lambda: l2_penalty(w, strength=bad)),
        ("strength", lambda: l1_penalty(w, strength=bad)),
        ("strength", lambda: lasso_step(w, w, strength=bad, **rate)),
        ("learning_rate", lambda: lasso_step(w, w, strength=1, learning_rate=bad)),
        ("strength", lambda: elastic_net_penalty(w, strength=bad, l1_ratio=0.5)),
        ("strength", lambda: elastic_net_subgradient(w, strength=bad, l1_ratio=0.5)),
        ("strength", lambda: elastic_net_step(w, w, strength=bad, l1_ratio=0, **rate)),
        ("l1_ratio", lambda: elastic_net_penalty(w, **net)),
        ("l1_ratio", lambda: elastic_net_subgradient(w, **net)),
        ("l1_ratio", lambda: elastic_net_step(w, w, **rate, **net)),
        ("threshold", lambda: soft_threshold(w, threshold=bad)),
        ("weight_decay", lambda: weight_decay_step(w, w, weight_decay=bad, **rate)),
        ("strength", lambda: ridge_regression(X, w, strength=bad)),
        ("strength", lambda: ridge_shrinkage(w, strength=bad)),
        ("limit", lambda: max_norm(X, limit=bad)),
    ]

    for name, call in calls:
        with pytest.raises(ValueError, match=f"{name} must be .*, got {bad}"):
            call()


def test_no_instance_and_no_input_are_refused() -> None:
    with pytest.raises(ValueError, match="batch must be at least 1, got 0"):
        ridge_regression(np.ones((0, 2)), np.ones(0), strength=1.0)
    with pytest.raises(ValueError, match="inputs must be at least 1, got 0"):
        max_norm(np.ones((0, 2)), limit=1.0)
    with pytest.raises(ValueError, match="strength must be positive"):
        ridge_regression(np.ones((3, 2)), np.ones(3), strength=0.0)
