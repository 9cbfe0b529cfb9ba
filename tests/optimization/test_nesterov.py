"""Nesterov momentum: its two forms, PyTorch's, its rates and its guarantee."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from tests.optimization.test_momentum import after_pytorch

from dlnotes.optimization import gradient_descent, momentum
from dlnotes.optimization.nesterov import look_ahead_update, scheduled_mu, update


@pytest.mark.verifies("eq-nesterov")
def test_a_step_ends_where_pytorch_ends(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    arrays = rng.normal(size=(3, 4, 2))
    theta, v = after_pytorch(*arrays, lr=0.3, momentum=0.8, nesterov=True)

    ours = run(partial(update, learning_rate=0.3, mu=0.8), *arrays)

    np.testing.assert_allclose(ours[0], theta, rtol=1e-12)
    np.testing.assert_allclose(ours[1], v, rtol=1e-12)


@pytest.mark.verifies("eq-nesterov")
def test_two_hundred_steps_end_where_pytorch_ends(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    theta, gradients = rng.normal(size=5), rng.normal(size=(200, 5))
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    optimizer = torch.optim.SGD([theirs], lr=0.1, momentum=0.95, nesterov=True)

    ours, v = array(theta), array(np.zeros(5))
    for gradient in gradients:
        ours, v = update(ours, v, array(gradient), learning_rate=0.1, mu=0.95)
        theirs.grad = torch.asarray(gradient)
        optimizer.step()

    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-9)


@pytest.mark.verifies("eq-nesterov-look-ahead")
def test_a_look_ahead_step_is_the_loop_over_its_entries(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    theta, u = rng.normal(size=(2, 4, 2))

    def step(theta: Any, u: Any) -> Any:
        """Take a step on a sum of fourth powers and parabolas."""
        return look_ahead_update(
            theta, u, lambda x: x * x * x + 0.5 * x, learning_rate=0.3, mu=0.8
        )

    found = run(step, theta, u)

    for place in np.ndindex(4, 2):
        ahead = theta[place] + 0.8 * u[place]
        new = 0.8 * u[place] - 0.3 * (ahead**3 + 0.5 * ahead)
        assert found[1][place] == pytest.approx(new, rel=1e-12)
        assert found[0][place] == pytest.approx(theta[place] + new, rel=1e-12)


@pytest.mark.verifies("eq-nesterov")
@pytest.mark.verifies("eq-nesterov-look-ahead")
def test_both_forms_are_one_path_seen_from_two_places(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    learning_rate, mu = 0.05, 0.9
    curvature = array(rng.uniform(0.5, 3, size=4))

    def gradient(x: Any) -> Any:
        return curvature * x + 0.3 * x * x * x

    first = array(rng.normal(size=4))
    behind, u = first, 0 * first
    ahead, v = first, 0 * first

    for _ in range(100):
        behind, u = look_ahead_update(
            behind, u, gradient, learning_rate=learning_rate, mu=mu
        )
        ahead, v = update(ahead, v, gradient(ahead), learning_rate=learning_rate, mu=mu)

        np.testing.assert_allclose(ahead, behind + mu * u, rtol=0, atol=1e-12)
        np.testing.assert_allclose(u, -learning_rate * v, rtol=0, atol=1e-12)


def test_the_look_ahead_form_can_be_differentiated(rng: np.random.Generator) -> None:
    theta, u = torch.asarray(rng.normal(size=(2, 3))).requires_grad_()

    def end(theta: Any, u: Any) -> Any:
        return look_ahead_update(
            theta, u, lambda x: x * x * x, learning_rate=0.1, mu=0.5
        )

    assert torch.autograd.gradcheck(end, (theta, u))


def distance(
    step: Callable[..., Any], learning_rate: float, mu: float, curvature: float
) -> float:
    """Return how far from the minimum a thousand steps from 1 end."""
    theta, v = np.ones(1), np.zeros(1)
    for _ in range(1000):
        gradient = curvature * theta
        theta, v = step(theta, v, gradient, learning_rate=learning_rate, mu=mu)
    return float(abs(theta[0]))


@pytest.mark.verifies("eq-nesterov")
@pytest.mark.parametrize("mu", [0.0, 0.5, 0.9])
def test_on_a_parabola_it_converges_below_its_limit_and_diverges_above(
    mu: float,
) -> None:
    limit = 2 * (1 + mu) / (1 + 2 * mu) / 3.0

    assert distance(update, 0.98 * limit, mu, 3.0) < 1e-6
    assert distance(update, 1.02 * limit, mu, 3.0) > 1e6


@pytest.mark.verifies("eq-nesterov")
@pytest.mark.parametrize("product", [0.05, 0.3, 0.9, 1.3])
def test_the_factor_of_a_step_is_the_larger_root(product: float) -> None:
    mu, map_of = 0.8, []
    for pair in ((1.0, 0.0), (0.0, 1.0)):
        theta, v = (np.array([each]) for each in pair)
        map_of.append(np.stack(update(theta, v, theta, learning_rate=product, mu=mu)))
    measured = np.abs(np.linalg.eigvals(np.hstack(map_of))).max()

    kept = 1 - product
    roots = np.roots([1, -(1 + mu) * kept, mu * kept])

    assert measured == pytest.approx(np.abs(roots).max(), rel=1e-9)


@pytest.mark.parametrize("product", [0.5, 1.2])
def test_it_overshoots_less_only_where_rate_times_curvature_is_below_one(
    product: float,
) -> None:
    lowest = []
    for step in (momentum.update, update):
        theta, v, path = np.ones(1), np.zeros(1), []
        for _ in range(60):
            theta, v = step(theta, v, theta, learning_rate=product, mu=0.9)
            path.append(theta[0])
        lowest.append(min(path))

    assert (lowest[1] > lowest[0]) == (product < 1)


def chain(size: int) -> np.ndarray:
    """Return the Hessian of the chain on which gradients are slowest; L is below 4."""
    return 2 * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)


@pytest.mark.verifies("eq-nesterov-schedule")
@pytest.mark.verifies("eq-nesterov-bound")
def test_the_loss_stays_below_its_bound_on_the_chain() -> None:
    hessian = chain(100)
    best = np.linalg.solve(hessian, np.eye(100)[0])

    def gradient(x: Any) -> Any:
        return hessian @ (x - best)

    theta = u = np.zeros(100)
    plain = theta

    for t in range(1, 200):
        theta, u = look_ahead_update(
            theta, u, gradient, learning_rate=0.25, mu=scheduled_mu(t)
        )
        plain = gradient_descent.update(plain, gradient(plain), learning_rate=0.25)
        bound = 2 * 4 * (best @ best) / (t + 1) ** 2
        above = (theta - best) @ gradient(theta) / 2
        assert 0 <= above <= bound

    assert above < (plain - best) @ gradient(plain) / 2 / 3


@pytest.mark.verifies("eq-nesterov-bound")
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_of_logistic_regression_stays_below_its_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3)) * [1, 0.3, 0.1]
    y = np.where(rng.random(40) < 0.5, 1.0, -1.0)
    L = float(np.linalg.norm(X, 2)) ** 2 / 160

    def loss(w: Any) -> float:
        return float(np.logaddexp(0, -y * (X @ w)).mean())

    def gradient(w: Any) -> Any:
        return -(y / (1 + np.exp(y * (X @ w)))) @ X / 40

    best: Any = np.zeros(3)
    for _ in range(50):  # Newton's method
        p = 1 / (1 + np.exp(-X @ best))
        hessian = (X.T * (p * (1 - p))) @ X / 40
        best = best - np.linalg.solve(hessian, gradient(best))
    assert np.linalg.norm(gradient(best)) < 1e-12

    theta = u = np.zeros(3)
    for t in range(1, 300):
        theta, u = look_ahead_update(
            theta, u, gradient, learning_rate=1 / L, mu=scheduled_mu(t)
        )
        bound = 2 * L * (best @ best) / (t + 1) ** 2
        assert loss(theta) - loss(best) <= bound


@pytest.mark.verifies("eq-nesterov-schedule")
def test_the_schedule_is_that_of_the_paper() -> None:
    """A step from 0 to 1 begins at the point itself, as does the next."""
    assert [scheduled_mu(t) for t in (1, 2)] == [0, 0]
    for t in range(3, 50):
        k = t - 1  # the paper looks ahead at the end of a step
        assert scheduled_mu(t) == pytest.approx((k - 1) / (k + 2))


def test_where_momentum_runs_in_a_circle_it_converges() -> None:
    """The example of Lessard, Recht and Packard: curvatures 25, 1 and 25."""

    def slope(x: Any) -> Any:
        return np.where(x < 1, 25 * x, np.where(x < 2, x + 24, 25 * x - 24))

    heavy, light = np.array([3.3]), np.linspace(-5, 5, 41)
    v, u = np.zeros(1), np.zeros(41)
    for _ in range(300):
        heavy, v = momentum.update(
            heavy, v, slope(heavy), learning_rate=1 / 9, mu=4 / 9
        )
        light, u = look_ahead_update(light, u, slope, learning_rate=1 / 25, mu=4 / 6)

    assert abs(heavy[0]) > 0.5
    assert np.abs(light).max() < 1e-12


@pytest.mark.parametrize("bad", [{"learning_rate": -0.1}, {"mu": -0.1}], ids=str)
def test_a_setting_out_of_range_is_refused(bad: dict[str, float]) -> None:
    settings = {"learning_rate": 0.1, "mu": 0.9, **bad}
    says = f"{next(iter(bad))} must be at least 0, got"

    with pytest.raises(ValueError, match=says):
        update(np.ones(2), np.ones(2), np.ones(2), **settings)
    with pytest.raises(ValueError, match=says):
        look_ahead_update(np.ones(2), np.ones(2), abs, **settings)


def test_there_is_no_step_before_the_first() -> None:
    with pytest.raises(ValueError, match=r"t must be .* at least 1, got 0"):
        scheduled_mu(0)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        update(np.ones(2), np.ones(3), np.ones(2), learning_rate=0.1, mu=0.5)
    with pytest.raises(ValueError, match="shape"):
        look_ahead_update(np.ones(2), np.ones(3), abs, learning_rate=0.1, mu=0.5)
