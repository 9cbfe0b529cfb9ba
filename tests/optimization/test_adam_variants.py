"""AdaMax, Nadam and AdamW against PyTorch's, and what is proved of their steps."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.optimization import adam, momentum
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
from dlnotes.optimization.gradient_descent import penalized_gradient

OURS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "adamax": (adamax_init, adamax_update),
    "nadam": (nadam_init, nadam_update),
    "adamw": (adam.init, adamw_update),
}
SETTINGS = {"learning_rate": 0.02, "beta1": 0.8, "beta2": 0.95, "epsilon": 0.01}
OF_PYTORCH: dict[str, Any] = {"lr": 0.02, "betas": (0.8, 0.95), "eps": 0.01}


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
    theirs: Callable[..., torch.optim.Optimizer],
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
    name: str, theirs: Callable[..., torch.optim.Optimizer], rng: np.random.Generator
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


@pytest.mark.verifies("eq-adamax")
def test_no_step_of_adamax_is_longer_than_the_bound_and_some_nearly_reach_it(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    beta1, beta2 = 0.8, 0.9
    bound = (1 - beta1) / (1 - beta1 / beta2)
    wild = rng.normal(size=(60, 40)) * 10.0 ** rng.integers(-3, 4, size=(60, 40))
    fading = beta2 ** np.arange(60.0)[:, None]
    theta = array(np.zeros(41))
    state, longest = adamax_init(theta), 0.0

    for gradient in np.hstack([wild, fading]):
        after, state = adamax_update(
            theta,
            array(gradient),
            state,
            learning_rate=1.0,
            beta1=beta1,
            beta2=beta2,
            epsilon=0.0,
        )
        longest = max(longest, np.abs(np.asarray(after - theta)).max())
        theta = after

    assert 1.5 < 0.98 * bound < longest <= bound * (1 + 1e-4)


@pytest.mark.verifies("eq-adamax")
def test_the_maximum_is_the_limit_of_roots_of_mean_powers(
    rng: np.random.Generator,
) -> None:
    gradients, state, p = rng.normal(size=(9, 6)), adamax_init(np.zeros(6)), 400

    for gradient in gradients:
        _, state = adamax_update(np.zeros(6), gradient, state, beta2=0.7, epsilon=0.0)

    faded = np.abs(gradients) * 0.7 ** np.arange(8, -1, -1)[:, None]
    np.testing.assert_allclose(state.u, (faded**p).sum(0) ** (1 / p), rtol=0.01)


@pytest.mark.verifies("eq-adamax")
def test_an_outlier_shortens_the_steps_of_adamax_until_it_has_faded() -> None:
    theta, state, steps = np.zeros(1), adamax_init(np.zeros(1)), []

    for g in [1.0] * 50 + [100.0] + [1.0] * 5000:
        after, state = adamax_update(theta, np.array([g]), state, learning_rate=1.0)
        steps.append(float(theta[0] - after[0]))
        theta = after

    assert steps[200] == pytest.approx(1 / (100 * 0.999**150), rel=1e-3)
    assert steps[50 + 4500] < 0.95
    assert steps[50 + 4610] == pytest.approx(1)


@pytest.mark.verifies("eq-nadam")
@pytest.mark.parametrize("beta1", [0.0, 0.5, 0.9])
def test_the_first_step_of_a_constant_nadam_has_the_length_that_is_derived(
    beta1: float, array: Callable[[Any], Any]
) -> None:
    theta, gradient = array(np.zeros(3)), array(np.array([1000.0, -1.0, 0.01]))

    theta, _ = nadam_update(
        theta,
        gradient,
        nadam_init(theta),
        learning_rate=1.0,
        beta1=beta1,
        epsilon=0.0,
        momentum_decay=math.inf,
    )

    length = (1 + 2 * beta1) / (1 + beta1)
    np.testing.assert_allclose(theta, [-length, length, -length], rtol=1e-5)


@pytest.mark.verifies("eq-nadam-momentum")
def test_the_momentum_of_nadam_rises_from_half_of_beta1_to_all_of_it() -> None:
    rising = [nadam_momentum(t, beta1=0.8) for t in range(1, 9000, 100)]

    assert rising == sorted(rising)
    assert rising[0] == pytest.approx(0.8 * (1 - 0.5 * 0.96**0.004))
    assert nadam_momentum(10**6, beta1=0.8) == pytest.approx(0.8)
    assert nadam_momentum(250, beta1=0.8) == pytest.approx(0.8 * 0.52)


@pytest.mark.verifies("eq-nadam")
def test_in_noise_the_steps_of_nadam_have_the_variance_of_its_weights(
    rng: np.random.Generator,
) -> None:
    noise, beta1 = rng.normal(size=(150, 4000)), 0.8
    theta = np.zeros(4000)
    state = nadam_init(theta)

    for gradient in noise:
        before = theta
        theta, state = nadam_update(
            theta,
            gradient,
            state,
            learning_rate=1.0,
            beta1=beta1,
            beta2=0.9999,
            momentum_decay=math.inf,
        )

    weights = (1 - beta1) * beta1 ** np.arange(1.0, 100)
    weights[0] += 1 - beta1
    expected = (weights**2).sum()
    assert ((theta - before) ** 2).mean() == pytest.approx(expected, rel=0.1)
    assert expected > 1.2 * (1 - beta1) / (1 + beta1)  # the variance of Adam's mean


@pytest.mark.verifies("eq-adamw")
def test_without_decay_adamw_is_adam_and_with_it_all_parameters_shrink_alike(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    theta, gradient = array(rng.normal(size=4)), array(rng.normal(size=4))
    state = adam.init(theta)

    plain, _ = adam.update(theta, gradient, state)
    none, _ = adamw_update(theta, gradient, state, weight_decay=0.0)
    some, _ = adamw_update(theta, gradient, state, weight_decay=50.0)

    assert np.array_equal(np.asarray(none), np.asarray(plain))
    np.testing.assert_allclose(some, plain - 0.05 * theta, rtol=1e-5, atol=1e-6)


@pytest.mark.verifies("eq-adamw")
def test_an_l2_penalty_in_adam_depends_on_the_gradients_and_decoupled_does_not(
    rng: np.random.Generator,
) -> None:
    scales, decay, rate = np.array([100.0, 0.01]), 0.1, 0.01
    penalized, decoupled = np.full(2, 5.0), np.full(2, 5.0)
    state, other = adam.init(penalized), adam.init(decoupled)

    for gradient in rng.choice([-1.0, 1.0], size=(400, 1)) * scales:
        penalized, state = adam.update(
            penalized, gradient + decay * penalized, state, learning_rate=rate
        )
        decoupled, other = adamw_update(
            decoupled, gradient, other, learning_rate=rate, weight_decay=decay
        )

    np.testing.assert_allclose(decoupled[0], decoupled[1], rtol=1e-4)
    assert penalized[0] > 1.5 * penalized[1]


@pytest.mark.verifies("eq-adamw")
def test_in_gradient_descent_a_penalty_is_decay_and_with_momentum_it_is_not(
    rng: np.random.Generator,
) -> None:
    start, gradients, rate, decay = (
        rng.normal(size=3),
        rng.normal(size=(5, 3)),
        0.1,
        0.5,
    )

    def ends(mu: float) -> tuple[np.ndarray, np.ndarray]:
        theta, other, v, w = start, start, np.zeros(3), np.zeros(3)
        for g in gradients:
            penalized = penalized_gradient(theta, g, weight_decay=decay)
            theta, v = momentum.update(theta, v, penalized, learning_rate=rate, mu=mu)
            shrunk = (1 - rate * decay) * other
            other, w = momentum.update(shrunk, w, g, learning_rate=rate, mu=mu)
        return theta, other

    np.testing.assert_allclose(*ends(0.0), rtol=1e-12)
    assert np.abs(np.subtract(*ends(0.9))).max() > 0.01


@pytest.mark.verifies("eq-adamw")
def test_adamw_stays_within_one_over_the_decay_where_a_penalty_hardly_matters() -> None:
    penalized = decoupled = np.zeros(1)
    state, other = adam.init(penalized), adam.init(decoupled)
    farthest = 0.0

    for _ in range(1500):
        gradient = 1000 * (penalized - 30) + 0.5 * penalized
        penalized, state = adam.update(penalized, gradient, state, learning_rate=0.1)
        decoupled, other = adamw_update(
            decoupled,
            1000 * (decoupled - 30),
            other,
            learning_rate=0.1,
            weight_decay=0.5,
        )
        farthest = max(farthest, float(decoupled[0]))

    assert 1.9 < decoupled[0] <= farthest <= 2.0
    assert penalized[0] == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize(
    "bad",
    [{"learning_rate": -0.1}, {"epsilon": np.nan}, {"beta1": 1.0}, {"beta2": -0.1}],
    ids=str,
)
def test_a_setting_out_of_range_is_refused(name: str, bad: dict[str, float]) -> None:
    begin, update = OURS[name]
    theta = np.zeros(2)

    with pytest.raises(ValueError, match=f"got .*{next(iter(bad.values()))}"):
        update(theta, theta, begin(theta), **bad)


def test_a_decay_below_zero_and_a_step_before_the_first_are_refused() -> None:
    theta = np.zeros(2)

    with pytest.raises(ValueError, match="weight_decay must be at least 0, got -1"):
        adamw_update(theta, theta, adam.init(theta), weight_decay=-1.0)
    with pytest.raises(ValueError, match="momentum_decay must be at least 0, got -1"):
        nadam_update(theta, theta, nadam_init(theta), momentum_decay=-1.0)
    with pytest.raises(ValueError, match="t must be at least 1, got 0"):
        nadam_momentum(0)


def test_a_penalty_that_goes_through_adam_does_not_depend_on_its_weight() -> None:
    theta = np.array([5.0])

    weak, strong = (
        adam.update(theta, decay * theta, adam.init(theta), learning_rate=0.01)[0]
        for decay in (0.001, 0.1)
    )

    np.testing.assert_allclose(weak, strong, atol=1e-6)


def test_a_number_without_axes_decays() -> None:
    theta, flat = np.array(5.0), np.array(0.0)

    moved, _ = adamw_update(
        theta, flat, adam.init(theta), learning_rate=0.1, weight_decay=0.1
    )

    assert float(moved) == pytest.approx(4.95)


def test_adamax_does_not_hide_a_gradient_that_is_not_a_number() -> None:
    theta = np.ones(1)
    _, state = adamax_update(theta, theta, adamax_init(theta))

    moved, state = adamax_update(theta, np.array([math.nan]), state)

    assert np.isnan(moved).all()
    assert np.isnan(state.u).all()


def test_after_many_steps_nadam_is_still_that_of_pytorch() -> None:
    theta = np.array([1.0])
    other = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = torch.optim.NAdam([other])
    state = nadam_init(theta)
    for k in range(1500):
        slope = math.sin(k) + 0.5
        theta, state = nadam_update(theta, np.array([slope]), state)
        other.grad = torch.tensor([slope], dtype=torch.float64)
        optimizer.step()

    # PyTorch's product of the coefficients is in single precision.
    np.testing.assert_allclose(theta, other.detach(), rtol=1e-6)


@pytest.mark.parametrize(
    ("init", "update"), [(adamax_init, adamax_update), (nadam_init, nadam_update)]
)
def test_a_rate_times_a_small_mean_does_not_vanish_in_half_precision(
    init: Callable[..., Any], update: Callable[..., Any]
) -> None:
    theta = np.zeros(1, np.float16)
    gradient = np.full(1, 2e-3, np.float16)
    settings = {"learning_rate": 1e-5, "beta2": 0.9, "epsilon": 1e-6}

    moved, _ = update(theta, gradient, init(theta), **settings)

    assert -2e-5 < float(moved[0]) < -0.5e-5
