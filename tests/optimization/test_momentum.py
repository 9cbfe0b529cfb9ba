"""Momentum against PyTorch's, a geometric series and Nesterov's own form."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.optimization.momentum import nesterov_update, update, velocity


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
@pytest.mark.parametrize("dampening", [0.0, 0.25, 1.0])
def test_a_step_ends_where_pytorch_ends(
    rng: np.random.Generator, run: Callable[..., Any], dampening: float
) -> None:
    arrays = rng.normal(size=(3, 4, 2))
    theta, v = after_pytorch(*arrays, lr=0.3, momentum=0.8, dampening=dampening)

    ours = run(partial(update, learning_rate=0.3, mu=0.8, dampening=dampening), *arrays)

    np.testing.assert_allclose(ours[0], theta, rtol=1e-12)
    np.testing.assert_allclose(ours[1], v, rtol=1e-12)


@pytest.mark.verifies("eq-momentum")
def test_a_step_of_nesterov_s_ends_where_pytorch_ends(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    arrays = rng.normal(size=(3, 4, 2))
    theta, v = after_pytorch(*arrays, lr=0.3, momentum=0.8, nesterov=True)

    ours = run(partial(nesterov_update, learning_rate=0.3, mu=0.8), *arrays)

    np.testing.assert_allclose(ours[0], theta, rtol=1e-12)
    np.testing.assert_allclose(ours[1], v, rtol=1e-12)


@pytest.mark.verifies("eq-momentum")
def test_nesterov_s_steps_are_those_that_look_ahead(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    learning_rate, mu, curvature = 0.1, 0.9, rng.uniform(0.5, 3, size=4)
    first = rng.normal(size=4)
    theirs, jump = first, np.zeros(4)
    ours, v = array(first), array(np.zeros(4))

    for _ in range(20):  # theirs jumps first and then asks for the gradient there
        jump = mu * jump - learning_rate * curvature * (theirs + mu * jump)
        theirs = theirs + jump
        ours, v = nesterov_update(
            ours, v, array(curvature) * ours, learning_rate=learning_rate, mu=mu
        )

    np.testing.assert_allclose(ours, theirs + mu * jump, rtol=1e-12)


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
