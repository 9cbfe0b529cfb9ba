"""Adadelta against PyTorch's, its units, and how slowly it starts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.optimization.adadelta import State, init, update


@pytest.mark.verifies("eq-adadelta")
def test_a_step_ends_where_pytorch_ends(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    theta, gradient = rng.normal(size=(2, 5))
    v, u = rng.uniform(0.2, 2, size=(2, 5))
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    theirs.grad = torch.asarray(gradient)
    optimizer = torch.optim.Adadelta([theirs], lr=0.3, rho=0.7, eps=0.1)
    optimizer.state[theirs] |= {
        "square_avg": torch.asarray(v.copy()),
        "acc_delta": torch.asarray(u.copy()),
        "step": torch.tensor(4.0),
    }

    def ours(theta: Any, gradient: Any, v: Any, u: Any) -> Any:
        """Take the fifth step."""
        theta, state = update(
            theta, gradient, State(v, u), learning_rate=0.3, decay=0.7, epsilon=0.1
        )
        return theta, state.v, state.u

    found = run(ours, theta, gradient, v, u)
    optimizer.step()

    kept = optimizer.state[theirs]
    wanted = [theirs.detach(), kept["square_avg"], kept["acc_delta"]]
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.verifies("eq-adadelta")
def test_two_hundred_steps_end_where_pytorch_ends(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    theta, gradients = rng.normal(size=5), rng.normal(size=(200, 5))
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    optimizer = torch.optim.Adadelta([theirs], lr=0.5, rho=0.8, eps=1e-4)

    ours, state = array(theta), init(array(theta))
    for gradient in gradients:
        ours, state = update(
            ours, array(gradient), state, learning_rate=0.5, decay=0.8, epsilon=1e-4
        )
        theirs.grad = torch.asarray(gradient)
        optimizer.step()

    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-9)


def test_the_settings_left_out_are_those_of_pytorch(rng: np.random.Generator) -> None:
    theta, gradient = rng.normal(size=(2, 5))
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    theirs.grad = torch.asarray(gradient)
    torch.optim.Adadelta([theirs]).step()

    ours, _ = update(theta, gradient, init(theta))

    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-12)


def walk(
    theta: Any,
    steps: int,
    *,
    unit: float = 1.0,
    scale: float = 1.0,
    epsilon: tuple[float, float] = (1e-6, 1e-6),
) -> np.ndarray:
    """Return the path on a quadratic, with the parameters in another unit.

    The update has one epsilon; here the one above and the one below are of their own,
    as a loop without the section has it.
    """
    theta, v, u, path = np.array(theta) * unit, 0.0, 0.0, []
    for _ in range(steps):
        g = scale * theta / unit**2
        v = 0.9 * v + 0.1 * g**2
        delta = np.sqrt(u + epsilon[0]) / np.sqrt(v + epsilon[1]) * g
        u = 0.9 * u + 0.1 * delta**2
        theta = theta - delta
        path.append(theta / unit)
    return np.array(path)


@pytest.mark.verifies("eq-adadelta")
def test_the_path_is_the_same_in_every_unit_if_epsilon_is_in_it_too(
    array: Callable[[Any], Any],
) -> None:
    start, unit = np.array([1.0, -2.0]), 1000.0
    theta, state, path = array(start), init(array(start)), []
    for _ in range(50):
        theta, state = update(theta, 1.0 * theta, state)
        path.append(np.asarray(theta))

    in_units = walk(start, 50, unit=unit, epsilon=(1e-6 * unit**2, 1e-6 / unit**2))

    np.testing.assert_allclose(in_units, path, rtol=1e-9)


@pytest.mark.verifies("eq-adadelta")
@pytest.mark.parametrize("epsilon", [1e-8, 1e-6, 1e-4])
def test_the_first_step_is_of_the_root_of_epsilon_whatever_the_gradient(
    epsilon: float, array: Callable[[Any], Any]
) -> None:
    theta, gradient = array(np.zeros(3)), array(np.array([1e6, -1e3, 100.0]))

    theta, _ = update(theta, gradient, init(theta), epsilon=epsilon)

    length = (10 * epsilon) ** 0.5
    np.testing.assert_allclose(theta, [-length, length, -length], rtol=1e-6)


@pytest.mark.verifies("eq-adadelta")
def test_without_epsilon_it_never_moves(array: Callable[[Any], Any]) -> None:
    theta = array(np.ones(2))
    state = init(theta)

    for _ in range(20):
        theta, state = update(theta, theta, state, epsilon=0.0)

    assert np.array_equal(np.asarray(theta), np.ones(2))


@pytest.mark.verifies("eq-adadelta")
def test_steps_of_equal_gradients_grow_where_those_of_adagrad_shrink(
    array: Callable[[Any], Any],
) -> None:
    theta, gradient = array(np.zeros(1)), array(np.full(1, 2.0))
    state, steps = init(theta), []

    for _ in range(400):
        before = theta
        theta, state = update(theta, gradient, state)
        steps.append(float(before[0] - theta[0]))

    # u grows by (1 - decay) * epsilon a step once v has arrived
    settled = np.diff(np.square(steps[200:]))
    np.testing.assert_allclose(settled, 0.1e-6, rtol=1e-3)


@pytest.mark.verifies("eq-adadelta")
def test_where_all_is_small_against_epsilon_it_is_gradient_descent_with_its_rate(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    theta, gradient = array(np.zeros(5)), array(1e-8 * rng.normal(size=5))

    after, _ = update(theta, gradient, init(theta), learning_rate=0.7, epsilon=1e-6)

    np.testing.assert_allclose(after, -0.7 * gradient, rtol=1e-6)


@pytest.mark.verifies("eq-adadelta")
@pytest.mark.parametrize(("curvature", "rests"), [(1.0, True), (100.0, False)])
def test_it_comes_to_rest_only_where_the_curvature_is_small(
    curvature: float,
    rests: bool,  # noqa: FBT001
) -> None:
    theta = np.ones(1)
    state = init(theta)

    for _ in range(2000):
        theta, state = update(theta, curvature * theta, state)

    assert (abs(theta[0]) < 1e-9) == rests
    assert (abs(theta[0]) > 1e-3) != rests


@pytest.mark.verifies("eq-adadelta")
@pytest.mark.parametrize("epsilon", [1e-8, 1e-4])
def test_a_smaller_epsilon_starts_more_slowly(epsilon: float) -> None:
    theta = np.full(1, 10.0)
    state, steps = init(theta), 0

    while theta[0] > 5:
        theta, state = update(theta, theta, state, epsilon=epsilon)
        steps += 1

    assert (steps > 1000) == (epsilon == 1e-8)
    assert (steps < 500) == (epsilon == 1e-4)


@pytest.mark.parametrize(
    "bad", [{"learning_rate": -0.1}, {"epsilon": np.nan}, {"decay": 1.0}], ids=str
)
def test_a_setting_out_of_range_is_refused(bad: dict[str, float]) -> None:
    theta = np.zeros(2)

    with pytest.raises(ValueError, match=f"got .*{next(iter(bad.values()))}"):
        update(theta, theta, init(theta), **bad)
