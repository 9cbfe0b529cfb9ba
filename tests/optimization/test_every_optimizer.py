"""What holds for all optimizers alike: precision is kept, no setting is cut off."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from tests.optimization.test_momentum import after_pytorch
from torch.utils import _pytree as pytree

from dlnotes.optimization import (
    adadelta,
    adagrad,
    adam,
    gradient_descent,
    momentum,
    nesterov,
    rmsprop,
)
from dlnotes.optimization.adam_variants import (
    adamax_init,
    adamax_update,
    adamw_update,
    nadam_init,
    nadam_update,
)

Step = Callable[..., Any]


def looking_ahead(theta: Any, u: Any, gradient: Any, **settings: Any) -> Any:
    """Step with a gradient that is the same everywhere."""
    return nesterov.look_ahead_update(theta, u, lambda _: gradient, **settings)


def stated(update: Step, init: Step, **kept: bool) -> Step:
    """Take an optimizer's first two steps."""

    def steps(theta: Any, v: Any, gradient: Any, **settings: Any) -> Any:
        theta, state = update(theta, gradient, init(theta, **kept), **settings)
        theta, state = update(theta, v, state, **settings)
        return theta, *(getattr(state, name) for name in state.__dataclass_fields__)

    return steps


STEPS: dict[str, Step] = {
    "gradient descent": lambda theta, _, gradient, **settings: gradient_descent.update(
        theta, gradient, **settings
    ),
    "momentum": partial(momentum.update, mu=np.float64(0.9)),
    "Nesterov": partial(nesterov.update, mu=np.float64(0.9)),
    "look-ahead": partial(looking_ahead, mu=np.float64(0.9)),
    "Adagrad": stated(adagrad.update, adagrad.init),
    "Adadelta": stated(adadelta.update, adadelta.init),
    "RMSProp": stated(rmsprop.update, rmsprop.init),
    "centered RMSProp": stated(
        partial(rmsprop.update, mu=np.float64(0.5)),
        partial(rmsprop.init, centered=True, momentum=True),
    ),
    "Adam": stated(adam.update, adam.init),
    "AMSGrad": stated(adam.update, adam.init, amsgrad=True),
    "AdaMax": stated(adamax_update, adamax_init),
    "Nadam": stated(nadam_update, nadam_init),
    "AdamW": stated(adamw_update, adam.init),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_numpy_s_precision_is_kept_whatever_that_of_the_settings(
    name: str, dtype: type[Any], rng: np.random.Generator
) -> None:
    arrays = rng.normal(size=(3, 4)).astype(dtype)

    found = STEPS[name](*arrays, learning_rate=np.float64(0.1))

    kept = [each for each in pytree.tree_leaves(found) if isinstance(each, np.ndarray)]
    assert {each.dtype for each in kept} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", ["momentum", "Nesterov"])
def test_a_coefficient_next_to_one_is_pytorch_s(
    name: str, rng: np.random.Generator
) -> None:
    arrays = rng.normal(size=(3, 4, 2))
    theta, v = after_pytorch(*arrays, lr=0.3, momentum=0.9996, nesterov=name[0] == "N")

    ours = STEPS[name](*arrays, learning_rate=0.3, mu=0.9996)

    np.testing.assert_allclose(ours[0], theta, rtol=1e-12)
    np.testing.assert_allclose(ours[1], v, rtol=1e-12)


def test_a_look_ahead_with_a_coefficient_next_to_one_is_its_formula(
    rng: np.random.Generator,
) -> None:
    theta, u, gradient = rng.normal(size=(3, 4))

    found = looking_ahead(theta, u, gradient, learning_rate=0.3, mu=0.9996)

    np.testing.assert_allclose(found[1], 0.9996 * u - 0.3 * gradient, rtol=1e-12)


def test_a_decay_beyond_the_parameters_turns_them_round_as_pytorch_s_does(
    rng: np.random.Generator,
) -> None:
    theta, gradient = rng.normal(size=(2, 5))
    parameter = torch.nn.Parameter(torch.asarray(theta.copy()))
    parameter.grad = torch.asarray(gradient)
    torch.optim.AdamW([parameter], lr=0.5, weight_decay=3.0).step()

    found, _ = adamw_update(
        theta, gradient, adam.init(theta), learning_rate=0.5, weight_decay=3.0
    )

    np.testing.assert_allclose(found, parameter.detach(), rtol=1e-12)


def test_rmsprop_has_nothing_but_epsilon_below_a_tiny_gradient(
    rng: np.random.Generator,
) -> None:
    gradient = 1e-12 * rng.normal(size=4)

    for centered, wanted in ((False, 0.01), (True, 0.01 * 0.99)):
        theta, _ = rmsprop.update(
            np.zeros(4),
            gradient,
            rmsprop.init(gradient, centered=centered),
            learning_rate=1.0,
            epsilon=0.0,
        )
        np.testing.assert_allclose(theta, -np.sign(gradient) / wanted**0.5, rtol=1e-9)
