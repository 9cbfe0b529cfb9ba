"""The losses for regression against PyTorch's own, quotients, means and medians."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from dlnotes.networks.regression_losses import (
    absolute_error,
    absolute_error_gradient,
    huber,
    huber_gradient,
)

Run = Callable[..., NDArray[Any]]
DELTAS = [0.3, 1.0, 2.5]
KINDS: list[tuple[Any, Any, Any]] = [
    (absolute_error, absolute_error_gradient, functional.l1_loss),
    (huber, huber_gradient, functional.huber_loss),
    *(
        (
            partial(huber, delta=delta),
            partial(huber_gradient, delta=delta),
            partial(functional.huber_loss, delta=delta),
        )
        for delta in DELTAS
    ),
]


def draw(rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw predictions and targets: some agree, some are apart by a delta or by far."""
    y_hat, y = rng.normal(scale=2, size=(2, 4, 3)), rng.normal(scale=2, size=(2, 4, 3))
    y[0, 0] = y_hat[0, 0]
    y[0, 1], y_hat[0, 1] = 0, DELTAS
    y[1, 0] += 1e6
    return y_hat, y


@pytest.mark.verifies("eq-absolute-error")
@pytest.mark.verifies("eq-huber")
@pytest.mark.verifies("eq-absolute-error-gradient")
@pytest.mark.verifies("eq-huber-gradient")
@pytest.mark.parametrize(("loss", "gradient", "theirs"), KINDS)
def test_losses_and_gradients_are_pytorchs(
    run: Run, rng: np.random.Generator, loss: Any, gradient: Any, theirs: Any
) -> None:
    y_hat, y = draw(rng)

    got, slope = run(loss, y_hat, y), run(gradient, y_hat, y)

    leaf = torch.asarray(y_hat).requires_grad_()
    want = theirs(leaf, torch.asarray(y), reduction="none")
    np.testing.assert_allclose(got, want.detach(), rtol=1e-14)
    (wanted,) = torch.autograd.grad(want.sum(), leaf)
    np.testing.assert_allclose(slope, wanted, rtol=1e-14)


@pytest.mark.verifies("eq-absolute-error-gradient")
@pytest.mark.verifies("eq-huber-gradient")
@pytest.mark.parametrize(("loss", "gradient", "_theirs"), KINDS)
def test_gradients_are_difference_quotients_and_autograd_agrees(
    rng: np.random.Generator, loss: Any, gradient: Any, _theirs: Any
) -> None:
    y_hat, y = rng.normal(scale=2, size=(2, 50))
    h, leaf = 1e-6, torch.asarray(y_hat).requires_grad_()

    got = gradient(y_hat, y)

    quotient = (loss(y_hat + h, y) - loss(y_hat - h, y)) / (2 * h)
    np.testing.assert_allclose(got, quotient, atol=1e-7)
    total = loss(leaf, torch.asarray(y)).sum()
    np.testing.assert_allclose(got, torch.autograd.grad(total, leaf)[0], rtol=1e-14)


@pytest.mark.verifies("eq-absolute-error")
@pytest.mark.parametrize("many", [1, 7, 51])
def test_the_least_absolute_error_is_at_the_median(
    rng: np.random.Generator, many: int
) -> None:
    y = rng.lognormal(sigma=2, size=many)
    candidates = np.append(y, np.linspace(y.min(), y.max(), 997))

    totals = [absolute_error(np.full(many, each), y).sum() for each in candidates]

    assert candidates[np.argmin(totals)] == np.median(y)


@pytest.mark.verifies("eq-huber")
def test_a_large_delta_gives_half_the_squared_error_and_a_small_one_the_absolute(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    y_hat, y = draw(rng)
    error = y_hat - y

    wide = huber(array(y_hat), array(y), delta=1e7)
    narrow = huber(array(y_hat), array(y), delta=1e-9)

    np.testing.assert_allclose(wide, error**2 / 2, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(narrow) / 1e-9, abs(error), atol=1e-9)


@pytest.mark.verifies("eq-huber")
@pytest.mark.parametrize("delta", DELTAS)
def test_where_parabola_and_line_meet_there_is_no_kink(delta: float) -> None:
    beside = np.array([delta * (1 - 1e-9), delta, delta * (1 + 1e-9)])

    values = huber(beside, np.zeros(3), delta=delta)
    slopes = huber_gradient(beside, np.zeros(3), delta=delta)

    np.testing.assert_allclose(values, delta**2 / 2, rtol=1e-8)
    np.testing.assert_allclose(slopes, delta, rtol=1e-8)


@pytest.mark.verifies("eq-huber")
@pytest.mark.verifies("eq-huber-gradient")
@pytest.mark.parametrize("unit", [1e-15, 1e15])
def test_in_another_unit_the_loss_grows_by_its_square(
    run: Run, rng: np.random.Generator, unit: float
) -> None:
    y_hat, y = draw(rng)

    got = run(partial(huber, delta=2.5 * unit), unit * y_hat, unit * y)
    slope = run(partial(huber_gradient, delta=2.5 * unit), unit * y_hat, unit * y)

    want = huber(y_hat, y, delta=2.5)
    np.testing.assert_allclose(got, unit**2 * want, rtol=1e-13)
    np.testing.assert_allclose(
        slope, unit * huber_gradient(y_hat, y, delta=2.5), rtol=1e-12
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("delta", [1.0, 300.0, 1e5, 1e39])
def test_of_any_precision_the_loss_is_pytorchs(
    dtype: torch.dtype, delta: float
) -> None:
    error = torch.tensor([0.5, -3.0, 260.0, -300.0, 310.0], dtype=dtype)
    zero = torch.zeros_like(error)

    got = huber(error, zero, delta=delta)
    slope = huber_gradient(error, zero, delta=delta)

    most = min(delta, torch.finfo(dtype).max)  # PyTorch refuses 1e39 in half precision
    want = functional.huber_loss(error, zero, delta=most, reduction="none")
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(slope, error.clip(-most, most))
    of_numpy = huber(error.numpy(), zero.numpy(), delta=delta)
    assert of_numpy.dtype == error.numpy().dtype
    np.testing.assert_allclose(of_numpy, want, rtol=1e-3)


@pytest.mark.parametrize(("loss", "gradient", "_theirs"), KINDS)
def test_an_infinite_target_costs_infinitely_much_and_nan_stays_nan(
    array: Callable[[Any], Any], loss: Any, gradient: Any, _theirs: Any
) -> None:
    y_hat, y = array(np.zeros(3)), array(np.array([np.inf, -np.inf, np.nan]))

    np.testing.assert_array_equal(np.asarray(loss(y_hat, y)), [np.inf, np.inf, np.nan])
    slope = np.asarray(gradient(y_hat, y))
    assert slope[0] == -slope[1] < 0
    assert np.isnan(slope[2])


@pytest.mark.verifies("eq-absolute-error")
def test_whole_and_complex_numbers_have_a_distance_too(run: Run) -> None:
    whole = run(absolute_error, np.array([3, -4]), np.array([5, 4]))
    plane = run(absolute_error, np.array([3 + 4j]), np.array([0j]))

    assert whole.tolist() == [2, 8]
    assert whole.dtype.kind == "i"
    assert plane.tolist() == [5]


@pytest.mark.parametrize("function", [huber, huber_gradient])
@pytest.mark.parametrize("delta", [0.0, -1.0, np.inf, np.nan])
def test_a_delta_that_is_not_positive_and_finite_is_refused(
    function: Any, delta: float
) -> None:
    with pytest.raises(ValueError, match="delta must be positive and finite, got"):
        function(np.zeros(2), np.zeros(2), delta=delta)


def test_predictions_and_targets_of_two_shapes_are_refused() -> None:
    for function in (absolute_error, huber):
        with pytest.raises(ValueError, match=r"y of shape \(2, 1\)"):
            function(np.zeros(2), np.zeros((2, 1)))
