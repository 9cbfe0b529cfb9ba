"""Adagrad against PyTorch's, the law of its rate, and what its sum of squares knows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.optimization.adagrad import State, effective_rate, init, update
from dlnotes.optimization.gradient_descent import update as descend


@pytest.mark.verifies("eq-adagrad")
def test_a_step_ends_where_pytorch_ends(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    theta, gradient = rng.normal(size=(2, 4, 2))
    total = rng.uniform(0.2, 2, size=(4, 2))
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    theirs.grad = torch.asarray(gradient)
    optimizer = torch.optim.Adagrad([theirs], lr=0.3, eps=0.1)
    optimizer.state[theirs]["sum"] = torch.asarray(total.copy())

    def ours(theta: Any, gradient: Any, total: Any) -> Any:
        """Take a step from a sum."""
        settings = {"learning_rate": 0.3, "epsilon": 0.1}
        theta, state = update(theta, gradient, State(total), **settings)
        return theta, state.total

    found = run(ours, theta, gradient, total)
    optimizer.step()

    np.testing.assert_allclose(found[0], theirs.detach(), rtol=1e-12)
    np.testing.assert_allclose(found[1], optimizer.state[theirs]["sum"], rtol=1e-12)


@pytest.mark.verifies("eq-adagrad")
@pytest.mark.parametrize("initial", [0.0, 0.7])
def test_two_hundred_steps_end_where_pytorch_ends(
    initial: float, rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    theta, gradients = rng.normal(size=5), rng.normal(size=(200, 5))
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    optimizer = torch.optim.Adagrad(
        [theirs], lr=0.2, eps=1e-6, initial_accumulator_value=initial
    )

    ours, state = array(theta), init(array(theta), initial=initial)
    for gradient in gradients:
        ours, state = update(
            ours, array(gradient), state, learning_rate=0.2, epsilon=1e-6
        )
        theirs.grad = torch.asarray(gradient)
        optimizer.step()

    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-10)


def test_the_settings_left_out_are_those_of_pytorch(rng: np.random.Generator) -> None:
    theta, gradient = rng.normal(size=(2, 5))
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    theirs.grad = torch.asarray(1e-9 * gradient)  # so small that epsilon counts

    ours, _ = update(theta, 1e-9 * gradient, init(theta))
    torch.optim.Adagrad([theirs]).step()

    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-12)


@pytest.mark.verifies("eq-adagrad-rate")
@pytest.mark.verifies("eq-adagrad-decay")
def test_the_rate_of_gradients_of_one_size_decays_like_one_over_the_root_of_time(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    size = rng.uniform(0.1, 10, size=4)
    theta = array(np.zeros(4))
    state = init(theta)

    for t in range(1, 101):
        gradient = size * rng.choice([-1.0, 1.0], size=4)
        theta, state = update(theta, array(gradient), state, epsilon=0.0)

        rate = effective_rate(state.total, learning_rate=0.3, epsilon=0.0)
        np.testing.assert_allclose(rate, 0.3 / (size * np.sqrt(t)), rtol=1e-12)


@pytest.mark.verifies("eq-adagrad-rate")
def test_the_rate_multiplies_the_gradient_in_every_engine(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    total = rng.uniform(0.2, 2, size=(4, 2))

    found = run(lambda G: effective_rate(G, learning_rate=0.3, epsilon=0.1), total)

    wanted = [[0.3 / (each**0.5 + 0.1) for each in row] for row in total.tolist()]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_the_path_does_not_depend_on_the_scale_of_the_loss(
    array: Callable[[Any], Any],
) -> None:
    def path(scale: float) -> Any:
        theta, state = array(np.zeros(5)), init(array(np.zeros(5)))
        for gradient in np.random.default_rng(1).normal(size=(20, 5)):
            theta, state = update(theta, array(scale * gradient), state, epsilon=0.0)
        return theta

    np.testing.assert_allclose(path(1.0), path(1e6), rtol=1e-9)


def test_a_parameter_without_gradients_neither_moves_nor_loses_its_rate() -> None:
    theta, state = np.array([2.0, 2.0]), init(np.zeros(2))

    for _ in range(50):
        theta, state = update(theta, np.array([1.0, 0.0]), state)
    before = theta
    theta, state = update(theta, np.ones(2), state, learning_rate=1.0)

    assert before[1] == 2
    assert before[1] - theta[1] == pytest.approx(1)
    assert before[0] - theta[0] == pytest.approx(51**-0.5)


@pytest.mark.verifies("eq-adagrad")
def test_exact_gradients_and_small_steps_turn_the_loss_into_the_roots() -> None:
    curvature, learning_rate = np.array([1.0, 30.0]), 0.002
    theta = np.array([1.0, 0.4])
    first, state = curvature @ theta**2 / 2, init(theta)

    for _ in range(2000):
        theta, state = update(
            theta, curvature * theta, state, learning_rate=learning_rate
        )

    fallen = first - curvature @ theta**2 / 2
    assert fallen > 0.5 * first
    roots = np.sqrt(state.total).sum()
    assert roots == pytest.approx(fallen / (2 * learning_rate), rel=0.05)


@pytest.mark.verifies("eq-adagrad")
@pytest.mark.parametrize("seed", range(5))
def test_the_regret_on_linear_losses_is_below_its_bound(seed: int) -> None:
    rng, learning_rate = np.random.default_rng(seed), 0.5
    gradients = rng.normal(0.05, 1, size=(300, 4)) * rng.choice([0.1, 1.0, 5.0], size=4)
    best = rng.normal(size=4)
    theta, state, path = np.zeros(4), init(np.zeros(4)), []

    for gradient in gradients:
        path.append(theta)
        theta, state = update(
            theta, gradient, state, learning_rate=learning_rate, epsilon=0.0
        )

    away = np.array(path) - best
    regret = (gradients * away).sum()
    widest = np.abs(away).max(axis=0)
    bound = (widest**2 / (2 * learning_rate) + learning_rate) @ np.sqrt(state.total)
    assert -bound < regret < bound


def test_a_rare_feature_is_learned_as_fast_as_its_few_rows_allow() -> None:
    """One weight has a row of a hundred; each method has the best of its rates."""
    rng = np.random.default_rng(0)
    rare = rng.random(2000) < 0.01
    noise = rng.normal(size=2000)

    def errors(rate: float, *, adaptive: bool) -> float:
        theta, state = np.zeros(2), init(np.zeros(2))
        for is_rare, e in zip(rare, noise, strict=True):
            x = np.array([1.0, float(is_rare)])
            gradient = (x @ (theta - 3) - e) * x
            if adaptive:
                theta, state = update(theta, gradient, state, learning_rate=rate)
            else:
                theta = descend(theta, gradient, learning_rate=rate)
        return float(np.abs(theta - 3).max())

    rates = np.geomspace(0.01, 3, 8)
    plain = min(errors(rate, adaptive=False) for rate in rates[rates < 1])
    adaptive = min(errors(rate, adaptive=True) for rate in rates)

    assert rare.sum() > 5
    assert adaptive < plain


@pytest.mark.parametrize(
    "bad", [{"learning_rate": -0.1}, {"epsilon": np.nan}, {"epsilon": -0.1}], ids=str
)
def test_a_setting_out_of_range_is_refused(bad: dict[str, float]) -> None:
    theta = np.zeros(2)
    (name,) = bad

    with pytest.raises(ValueError, match=f"{name} must be at least 0, got"):
        update(theta, theta, init(theta), **bad)
    with pytest.raises(ValueError, match=f"{name} must be at least 0, got"):
        effective_rate(theta, **bad)


def test_a_sum_below_zero_or_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="initial must be at least 0, got -1"):
        init(np.zeros(2), initial=-1.0)
    with pytest.raises(ValueError, match="shape"):
        update(np.zeros(2), np.zeros(2), init(np.zeros(3)))
