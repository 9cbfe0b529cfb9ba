"""AdaMax, Nadam and AdamW against PyTorch's, and what is proved of their steps."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.optimization import adam
from dlnotes.optimization.adam_variants import (
    AdamaxState,
    NadamState,
    adamax_init,
    adamax_update,
    adamw_update,
    nadam_init,
    nadam_momentum,
    nadam_update,
)

OURS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "adamax": (adamax_init, adamax_update),
    "nadam": (nadam_init, nadam_update),
    "adamw": (adam.init, adamw_update),
}
SETTINGS = {"learning_rate": 0.02, "beta1": 0.8, "beta2": 0.95, "epsilon": 0.01}
OF_PYTORCH = {"lr": 0.02, "betas": (0.8, 0.95), "eps": 0.01}


@pytest.mark.verifies("eq-adamax")
def test_a_step_of_adamax_ends_where_pytorch_ends(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    theta, m, gradient = rng.normal(size=(3, 8))
    u = rng.uniform(0.2, 2, size=8)
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    theirs.grad = torch.asarray(gradient)
    optimizer = torch.optim.Adamax([theirs], **OF_PYTORCH)
    optimizer.state[theirs] |= {
        "exp_avg": torch.asarray(m.copy()),
        "exp_inf": torch.asarray(u.copy()),
        "step": torch.tensor(4.0),
    }

    def ours(theta: Any, gradient: Any, m: Any, u: Any) -> Any:
        """Take the fifth step."""
        theta, new = adamax_update(theta, gradient, AdamaxState(m, u, 4), **SETTINGS)
        return theta, new.m, new.u

    found = run(ours, theta, gradient, m, u)
    optimizer.step()

    kept = optimizer.state[theirs]
    wanted = [theirs.detach(), kept["exp_avg"], kept["exp_inf"]]
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.verifies("eq-nadam")
@pytest.mark.verifies("eq-nadam-momentum")
@pytest.mark.parametrize("decay", [0.004, 3.0, math.inf])
def test_a_step_of_nadam_ends_where_pytorch_ends(
    decay: float, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    theta, m, gradient = rng.normal(size=(3, 5))
    v = rng.uniform(0.2, 2, size=5)
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    theirs.grad = torch.asarray(gradient)
    optimizer = torch.optim.NAdam([theirs], momentum_decay=decay, **OF_PYTORCH)
    optimizer.state[theirs] |= {
        "exp_avg": torch.asarray(m.copy()),
        "exp_avg_sq": torch.asarray(v.copy()),
        "mu_product": torch.tensor(0.3, dtype=torch.float64),
        "step": torch.tensor(4.0),
    }

    def ours(theta: Any, gradient: Any, m: Any, v: Any) -> Any:
        """Take the fifth step."""
        state = NadamState(m, v, 4, 0.3)
        theta, new = nadam_update(
            theta, gradient, state, momentum_decay=decay, **SETTINGS
        )
        return theta, new.m, new.v, 0 * theta + new.product

    found = run(ours, theta, gradient, m, v)
    optimizer.step()

    kept = optimizer.state[theirs]
    wanted = [theirs.detach(), kept["exp_avg"], kept["exp_avg_sq"]]
    for got, want in zip(found, [*wanted, kept["mu_product"]], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.verifies("eq-adamw")
@pytest.mark.parametrize("amsgrad", [False, True])
def test_a_step_of_adamw_ends_where_pytorch_ends(
    amsgrad: bool,  # noqa: FBT001
    rng: np.random.Generator,
    run: Callable[..., Any],
) -> None:
    theta, m, gradient = rng.normal(size=(3, 5))
    v, v_max = rng.uniform(0.2, 2, size=(2, 5))
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    theirs.grad = torch.asarray(gradient)
    optimizer = torch.optim.AdamW(
        [theirs], weight_decay=0.7, amsgrad=amsgrad, **OF_PYTORCH
    )
    optimizer.state[theirs] |= {
        "exp_avg": torch.asarray(m.copy()),
        "exp_avg_sq": torch.asarray(v.copy()),
        "max_exp_avg_sq": torch.asarray(v_max.copy()),
        "step": torch.tensor(4.0),
    }

    def ours(theta: Any, gradient: Any, m: Any, v: Any, v_max: Any) -> Any:
        """Take the fifth step."""
        state = adam.State(m, v, 4, v_max if amsgrad else None)
        theta, new = adamw_update(theta, gradient, state, weight_decay=0.7, **SETTINGS)
        return theta, new.m, new.v, new.v_max if amsgrad else v_max

    found = run(ours, theta, gradient, m, v, v_max)
    optimizer.step()

    kept = optimizer.state[theirs]
    wanted = [theirs.detach(), kept["exp_avg"], kept["exp_avg_sq"]]
    for got, want in zip(found, [*wanted, kept["max_exp_avg_sq"]], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.verifies("eq-adamax")
@pytest.mark.verifies("eq-nadam")
@pytest.mark.verifies("eq-nadam-momentum")
@pytest.mark.verifies("eq-adamw")
@pytest.mark.parametrize(
    ("name", "theirs", "option"),
    [
        ("adamax", torch.optim.Adamax, {}),
        ("nadam", torch.optim.NAdam, {}),
        ("nadam", torch.optim.NAdam, {"momentum_decay": 3.0}),
        ("nadam", torch.optim.NAdam, {"momentum_decay": math.inf}),
        ("adamw", torch.optim.AdamW, {"weight_decay": 0.7}),
    ],
    ids=str,
)
def test_two_hundred_steps_end_where_pytorch_ends(
    name: str,
    theirs: type[torch.optim.Optimizer],
    option: dict[str, float],
    rng: np.random.Generator,
    array: Callable[[Any], Any],
) -> None:
    begin, update = OURS[name]
    theta, gradients = rng.normal(size=5), rng.normal(size=(200, 5))
    gradients *= rng.uniform(0.01, 3, size=(200, 1))
    parameter = torch.nn.Parameter(torch.asarray(theta.copy()))
    optimizer: Any = theirs([parameter], **OF_PYTORCH, **option)
    if name == "nadam":  # by default its product of the coefficients is in float32
        optimizer.state[parameter] |= {
            "step": torch.tensor(0.0),
            "mu_product": torch.tensor(1.0, dtype=torch.float64),
            "exp_avg": torch.zeros(5, dtype=torch.float64),
            "exp_avg_sq": torch.zeros(5, dtype=torch.float64),
        }

    ours = array(theta)
    state = begin(ours)
    for gradient in gradients:
        ours, state = update(ours, array(gradient), state, **SETTINGS, **option)
        parameter.grad = torch.asarray(gradient)
        optimizer.step()

    assert state.t == 200
    np.testing.assert_allclose(ours, parameter.detach(), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("adamax", torch.optim.Adamax),
        ("nadam", torch.optim.NAdam),
        ("adamw", torch.optim.AdamW),
    ],
)
def test_the_settings_left_out_are_those_of_pytorch(
    name: str, theirs: type[torch.optim.Optimizer], rng: np.random.Generator
) -> None:
    begin, update = OURS[name]
    theta = rng.normal(size=5)
    gradients = rng.normal(size=(3, 5)) * 1e-6  # so small that epsilon counts
    parameter = torch.nn.Parameter(torch.asarray(theta.copy()))
    optimizer: Any = theirs([parameter])

    ours, state = theta, begin(theta)
    for gradient in gradients:
        ours, state = update(ours, gradient, state)
        parameter.grad = torch.asarray(gradient)
        optimizer.step()

    moved, wanted = ours - theta, parameter.detach().numpy() - theta
    np.testing.assert_allclose(moved, wanted, rtol=1e-6)
