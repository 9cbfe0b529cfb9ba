"""Gradient descent against PyTorch's, and against what a parabola makes of it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.optimization.gradient_descent import penalized_gradient, update


@pytest.mark.verifies("eq-gd-step")
def test_a_step_ends_where_pytorch_ends(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    theta, gradient = rng.normal(size=(2, 4, 3))
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    theirs.grad = torch.asarray(gradient)

    ours = run(partial(update, rate=0.3), theta, gradient)
    torch.optim.SGD([theirs], lr=0.3).step()

    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-12)


@pytest.mark.verifies("eq-gd-step")
def test_decay_adds_the_slope_of_the_penalty(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    theta, gradient = rng.normal(size=(2, 5))

    def objective(theta: Any) -> Any:
        """Return a loss with that gradient, and half the decay times the squares."""
        return sum(gradient * theta) + 0.7 / 2 * sum(theta**2)

    slopes = [
        (objective(theta + bump) - objective(theta - bump)) / 2e-5
        for bump in 1e-5 * np.eye(5)
    ]

    ours = run(partial(penalized_gradient, decay=0.7), theta, gradient)

    np.testing.assert_allclose(ours, slopes, rtol=1e-7)


@pytest.mark.parametrize("rate", [0.1, 0.9, 1.1])
def test_the_distance_on_a_parabola_is_multiplied_as_the_theory_says(
    rate: float, array: Callable[[Any], Any]
) -> None:
    curvature = np.array([0.5, 1.0, 2.0])
    theta = array(np.array([1.0, -2.0, 3.0]))

    for _ in range(10):
        theta = update(theta, array(curvature) * theta, rate=rate)

    expected = (1 - rate * curvature) ** 10 * [1.0, -2.0, 3.0]
    np.testing.assert_allclose(theta, expected, rtol=1e-12)


@pytest.mark.parametrize("bad", [-0.1, np.nan])
def test_a_setting_below_zero_is_refused(bad: float) -> None:
    theta = np.ones(2)

    with pytest.raises(ValueError, match=f"rate must be at least 0, got {bad}"):
        update(theta, theta, rate=bad)
    with pytest.raises(ValueError, match=f"decay must be at least 0, got {bad}"):
        penalized_gradient(theta, theta, decay=bad)
