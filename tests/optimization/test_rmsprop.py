"""RMSProp against PyTorch's, its first step, and where its variants fail."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.optimization.rmsprop import (
    State,
    init,
    running_mean,
    running_mean_square,
    update,
)

VARIANTS = [(False, False), (True, False), (False, True), (True, True)]
OF_PYTORCH = {"v": "square_avg", "m": "grad_avg", "b": "momentum_buffer"}


@pytest.mark.verifies("eq-adam-mean")
@pytest.mark.verifies("eq-adam-square")
def test_a_running_mean_is_the_weighted_sum_of_all_values(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    values, beta = rng.normal(size=(6, 4)), 0.7

    def means(values: Any) -> tuple[Any, Any]:
        mean = square = 0 * values[0]
        for k in range(6):
            mean = running_mean(mean, values[k], decay=beta)
            square = running_mean_square(square, values[k], decay=beta)
        return mean, square

    mean, square = run(means, values)

    weights = [(1 - beta) * beta**age for age in range(5, -1, -1)]
    np.testing.assert_allclose(mean, weights @ values)
    np.testing.assert_allclose(square, weights @ values**2)


@pytest.mark.parametrize("function", [running_mean, running_mean_square])
@pytest.mark.parametrize("decay", [-0.1, 1.0, np.nan])
def test_a_decay_out_of_range_is_refused(
    function: Callable[..., Any], decay: float
) -> None:
    with pytest.raises(
        ValueError, match=f"decay must be at least 0 and less than 1, got {decay}"
    ):
        function(np.ones(2), np.ones(2), decay=decay)


@pytest.mark.verifies("eq-rmsprop")
@pytest.mark.verifies("eq-rmsprop-centered")
@pytest.mark.parametrize(("centered", "momentum"), VARIANTS)
def test_a_step_ends_where_pytorch_ends(
    centered: bool,  # noqa: FBT001
    momentum: bool,  # noqa: FBT001
    rng: np.random.Generator,
    run: Callable[..., Any],
) -> None:
    theta, gradient, m, b = rng.normal(size=(4, 5))
    v, mu = m**2 + rng.uniform(0.2, 2, size=5), 0.7 * momentum
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    theirs.grad = torch.asarray(gradient)
    optimizer = torch.optim.RMSprop(
        [theirs], lr=0.1, alpha=0.8, eps=0.1, momentum=mu, centered=centered
    )
    kept = {"v": v, "m": m, "b": b}
    optimizer.state[theirs] |= {"step": torch.tensor(4.0)} | {
        OF_PYTORCH[name]: torch.asarray(each.copy()) for name, each in kept.items()
    }

    def ours(theta: Any, gradient: Any, v: Any, m: Any, b: Any) -> Any:
        """Take the fifth step."""
        state = State(v, m if centered else None, b if momentum else None)
        options = {"learning_rate": 0.1, "decay": 0.8, "epsilon": 0.1, "mu": mu}
        theta, new = update(theta, gradient, state, **options)
        assert (new.m is not None, new.b is not None) == (centered, momentum)
        return (
            theta,
            new.v,
            m if new.m is None else new.m,
            b if new.b is None else new.b,
        )

    found = run(ours, theta, gradient, v, m, b)
    optimizer.step()

    wanted = [theirs.detach(), *(optimizer.state[theirs][OF_PYTORCH[k]] for k in "vmb")]
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.verifies("eq-rmsprop")
@pytest.mark.verifies("eq-rmsprop-centered")
@pytest.mark.parametrize(("centered", "momentum"), VARIANTS)
def test_two_hundred_steps_end_where_pytorch_ends(
    centered: bool,  # noqa: FBT001
    momentum: bool,  # noqa: FBT001
    rng: np.random.Generator,
    array: Callable[[Any], Any],
) -> None:
    theta, gradients = rng.normal(size=5), rng.normal(size=(200, 5))
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    mu = 0.8 * momentum
    optimizer = torch.optim.RMSprop(
        [theirs], lr=0.02, alpha=0.9, eps=1e-6, momentum=mu, centered=centered
    )

    ours = array(theta)
    state = init(ours, centered=centered, momentum=momentum)
    for gradient in gradients:
        ours, state = update(
            ours,
            array(gradient),
            state,
            learning_rate=0.02,
            decay=0.9,
            epsilon=1e-6,
            mu=mu,
        )
        theirs.grad = torch.asarray(gradient)
        optimizer.step()

    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-9)


def test_the_settings_left_out_are_those_of_pytorch(rng: np.random.Generator) -> None:
    theta, gradient = rng.normal(size=(2, 5))
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    theirs.grad = torch.asarray(gradient)
    torch.optim.RMSprop([theirs]).step()

    ours, state = update(theta, gradient, init(theta))

    assert (state.m, state.b) == (None, None)
    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-12)


@pytest.mark.verifies("eq-rmsprop")
@pytest.mark.parametrize("decay", [0.9, 0.99, 0.999])
def test_the_first_step_is_too_long_by_the_root_of_what_the_mean_lacks(
    decay: float, array: Callable[[Any], Any]
) -> None:
    theta, gradient = array(np.zeros(3)), array(np.array([1000.0, -1.0, 0.01]))

    theta, _ = update(
        theta, gradient, init(theta), learning_rate=1.0, decay=decay, epsilon=0.0
    )

    length = (1 - decay) ** -0.5
    np.testing.assert_allclose(theta, [-length, length, -length])


@pytest.mark.verifies("eq-adam-square")
def test_the_mean_square_falls_short_of_its_expectation_by_a_power_of_the_decay(
    rng: np.random.Generator,
) -> None:
    v = np.zeros(100_000)
    for t in range(1, 21):
        v = running_mean_square(v, rng.normal(1, 1, size=100_000), decay=0.9)

        assert v.mean() == pytest.approx(2 * (1 - 0.9**t), rel=0.01)


def test_the_path_does_not_depend_on_the_scale_of_the_loss(
    array: Callable[[Any], Any],
) -> None:
    def path(scale: float) -> Any:
        theta = array(np.zeros(5))
        state = init(theta, centered=True, momentum=True)
        for gradient in np.random.default_rng(1).normal(size=(20, 5)):
            theta, state = update(
                theta, array(scale * gradient), state, epsilon=0.0, mu=0.9
            )
        return theta

    np.testing.assert_allclose(path(1.0), path(1e6), rtol=1e-6)


@pytest.mark.verifies("eq-rmsprop")
def test_at_a_constant_rate_it_ends_in_a_cycle_of_half_a_rate(
    array: Callable[[Any], Any],
) -> None:
    theta = array(np.array([1.234, -0.5]))
    state, walk = init(theta), []

    for _ in range(3000):
        gradient = theta * array(np.array([1.0, 50.0]))
        theta, state = update(theta, gradient, state, decay=0.9)
        walk.append(np.asarray(theta))

    np.testing.assert_allclose(walk[-1], -walk[-2], rtol=1e-6)
    np.testing.assert_allclose(np.abs(walk[-1]), 0.005, rtol=1e-5)


@pytest.mark.verifies("eq-rmsprop-centered")
def test_centered_the_steps_of_equal_gradients_grow_without_bound(
    array: Callable[[Any], Any],
) -> None:
    theta, gradient = array(np.zeros(1)), array(np.full(1, 3.0))
    state, steps = init(theta, centered=True), []
    for _ in range(60):
        before = theta
        theta, state = update(
            theta, gradient, state, learning_rate=1.0, decay=0.8, epsilon=0.0
        )
        steps.append(float(before[0] - theta[0]))

    t = np.arange(1, 61)
    np.testing.assert_allclose(steps, ((1 - 0.8**t) * 0.8**t) ** -0.5, rtol=1e-5)
    assert steps[-1] > 300 * steps[0]


@pytest.mark.verifies("eq-rmsprop-centered")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_variance_that_rounding_makes_negative_counts_as_zero(
    dtype: str, rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    gradient = array(rng.normal(size=100).astype(dtype))
    theta, state = 0 * gradient, init(gradient, centered=True)

    for _ in range(5000):
        theta, state = update(theta, gradient, state, epsilon=0.1, learning_rate=0.1)

    assert state.m is not None
    assert (state.v - state.m * state.m).min() < 0
    before = theta
    theta, _ = update(theta, gradient, state, epsilon=0.1, learning_rate=0.1)
    assert np.isfinite(np.asarray(theta)).all()
    assert np.abs(np.asarray(theta - before) / np.asarray(gradient)).max() < 1.01


@pytest.mark.parametrize(("dtype", "size"), [("float16", 300.0), ("float32", 3e19)])
def test_a_first_step_is_of_its_length_where_the_square_overflows(
    dtype: str, size: float, array: Callable[[Any], Any]
) -> None:
    theta = array(np.ones(1, dtype=dtype))
    gradient = array(np.full(1, size, dtype=dtype))

    after, state = update(
        theta, gradient, init(theta), learning_rate=0.1, decay=0.75, epsilon=1e-4
    )

    np.testing.assert_allclose(after, [0.8], rtol=2e-3)
    assert np.isfinite(np.asarray(state.v)).all()


def test_centered_too_a_square_beyond_all_numbers_stops_the_parameter(
    array: Callable[[Any], Any],
) -> None:
    theta = array(np.ones(1))

    with np.errstate(over="ignore"):
        after, _ = update(theta, 1e200 * theta, init(theta, centered=True))

    assert float(after[0]) == 1


@pytest.mark.parametrize(
    "bad",
    [{"learning_rate": -0.1}, {"epsilon": np.nan}, {"decay": 1.0}, {"mu": -0.1}],
    ids=str,
)
def test_a_setting_out_of_range_is_refused(bad: dict[str, float]) -> None:
    theta = np.zeros(2)

    with pytest.raises(ValueError, match=f"got .*{next(iter(bad.values()))}"):
        update(theta, theta, init(theta, momentum=True), **bad)


def test_momentum_without_a_velocity_is_refused() -> None:
    theta = np.zeros(2)

    with pytest.raises(ValueError, match=r"mu must be 0 where .*velocity.*got 0.9"):
        update(theta, theta, init(theta), mu=0.9)
