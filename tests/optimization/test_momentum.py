"""Momentum against PyTorch's, a geometric series and the roots of its recurrence."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.optimization.momentum import update, velocity


def after_pytorch(
    theta: Any, v: Any, gradient: Any, **settings: Any
) -> tuple[Any, Any]:
    """Return parameters and velocity after a step of PyTorch's optimizer."""
    parameter = torch.nn.Parameter(torch.asarray(theta.copy()))
    parameter.grad = torch.asarray(gradient)
    optimizer = torch.optim.SGD([parameter], **settings)
    optimizer.state[parameter]["momentum_buffer"] = torch.asarray(v.copy())
    optimizer.step()
    return parameter.detach(), optimizer.state[parameter]["momentum_buffer"]


@pytest.mark.verifies("eq-momentum")
@pytest.mark.verifies("eq-momentum-velocity")
@pytest.mark.parametrize("dampening", [0.0, 0.25, 1.0])
def test_a_step_ends_where_pytorch_ends(
    rng: np.random.Generator, run: Callable[..., Any], dampening: float
) -> None:
    arrays = rng.normal(size=(3, 4, 2))
    theta, v = after_pytorch(*arrays, lr=0.3, momentum=0.8, dampening=dampening)

    ours = run(partial(update, learning_rate=0.3, mu=0.8, dampening=dampening), *arrays)

    np.testing.assert_allclose(ours[0], theta, rtol=1e-12)
    np.testing.assert_allclose(ours[1], v, rtol=1e-12)


@pytest.mark.verifies("eq-momentum-terminal")
@pytest.mark.parametrize("mu", [0.5, 0.9, 0.99])
def test_equal_gradients_add_up_like_a_geometric_series(
    mu: float, rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    gradient, learning_rate = rng.normal(size=3), 0.2
    theta, v = array(np.zeros(3)), array(np.zeros(3))

    for k in range(1, 30):
        before, (theta, v) = (
            theta,
            update(theta, v, array(gradient), learning_rate=learning_rate, mu=mu),
        )
        length = learning_rate * np.linalg.norm(gradient) * (1 - mu**k) / (1 - mu)
        assert np.linalg.norm(theta - before) == pytest.approx(length, rel=1e-12)


@pytest.mark.parametrize(
    "bad",
    [{"learning_rate": -0.1}, {"mu": -0.1}, {"mu": np.nan}, {"dampening": 1.1}],
    ids=str,
)
def test_a_setting_out_of_range_is_refused(bad: dict[str, float]) -> None:
    settings = {"learning_rate": 0.1, "mu": 0.9, **bad}

    with pytest.raises(ValueError, match=rf"{next(iter(bad))} must be .* got"):
        update(np.ones(2), np.ones(2), np.ones(2), **settings)


def test_a_velocity_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gradient of shape \(3,\), but shape is"):
        velocity(np.ones(2), np.ones(3), mu=0.5)


@pytest.mark.verifies("eq-momentum")
@pytest.mark.parametrize("mu", [0.0, 0.5, 0.9])
def test_on_a_parabola_it_converges_below_its_limit_and_diverges_above(
    mu: float,
) -> None:
    curvature, limit = 3.0, 2 * (1 + mu) / 3.0

    def distance(learning_rate: float) -> float:
        theta, v = np.ones(1), np.zeros(1)
        for _ in range(1000):
            gradient = curvature * theta
            theta, v = update(theta, v, gradient, learning_rate=learning_rate, mu=mu)
        return float(abs(theta[0]))

    assert distance(0.98 * limit) < 1e-6
    assert distance(1.02 * limit) > 1e6


@pytest.mark.verifies("eq-momentum")
def test_its_factor_is_the_root_of_the_coefficient_at_all_curvatures_between() -> None:
    kappa = 100.0
    mu = ((np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)) ** 2
    learning_rate = 4 / (np.sqrt(kappa) + 1) ** 2
    curvature = np.linspace(1.5, kappa - 1, 20)

    def image(theta: float, v: float) -> np.ndarray:
        pair = np.full(20, theta), np.full(20, v)
        gradient = curvature * pair[0]
        return np.stack(update(*pair, gradient, learning_rate=learning_rate, mu=mu))

    maps = np.stack([image(1.0, 0.0), image(0.0, 1.0)], axis=-1).transpose(1, 0, 2)

    factors = np.abs(np.linalg.eigvals(maps))
    np.testing.assert_allclose(factors, np.sqrt(mu), rtol=1e-9)


def steps_at_its_best(kappa: float, *, mu: float, learning_rate: float) -> int:
    """Return how many steps bring both distances below a thousandth."""
    curvature, theta, v, steps = np.array([1.0, kappa]), np.ones(2), np.zeros(2), 0
    while np.abs(theta).max() > 1e-3:
        gradient = curvature * theta
        theta, v = update(theta, v, gradient, learning_rate=learning_rate, mu=mu)
        steps += 1
    return steps


def test_best_against_best_the_condition_number_counts_with_its_root() -> None:
    counts = {}
    for kappa in (20.0, 100.0, 500.0, 2500.0):
        root = np.sqrt(kappa)
        counts[kappa] = (
            steps_at_its_best(kappa, mu=0.0, learning_rate=2 / (1 + kappa)),
            steps_at_its_best(
                kappa,
                mu=((root - 1) / (root + 1)) ** 2,
                learning_rate=4 / (1 + root) ** 2,
            ),
        )

    for kappa in (20.0, 100.0):
        plain, heavy = np.divide(counts[25 * kappa], counts[kappa])
        assert 24 < plain < 26
        assert 5 < heavy < 7


def test_forty_steps_at_one_rate_do_not_show_what_momentum_gains() -> None:
    curvature, start = np.array([1.0, 20.0]), np.array([-4.0, 0.4])

    def distance(learning_rate: float, mu: float) -> float:
        theta, v = start, np.zeros(2)
        for _ in range(40):
            gradient = curvature * theta
            theta, v = update(theta, v, gradient, learning_rate=learning_rate, mu=mu)
        return float(np.linalg.norm(theta))

    at_one_rate, plain = distance(0.02, 0.8), distance(2 / 21, 0.0)
    root = np.sqrt(20)
    best = distance(4 / (1 + root) ** 2, ((root - 1) / (root + 1)) ** 2)

    assert at_one_rate == pytest.approx(plain, rel=0.15)
    assert best < plain / 1000
