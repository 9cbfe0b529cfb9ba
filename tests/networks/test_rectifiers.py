"""The rectifiers against PyTorch's own, difference quotients and their kinks."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from dlnotes.networks.rectifiers import (
    elu,
    elu_derivative,
    leaky_relu,
    leaky_relu_derivative,
    relu,
    relu_derivative,
)

Run = Callable[..., NDArray[Any]]
ALPHAS = [0.0, 0.01, 0.3, 1.0, 1.6]
GIVEN = np.array([-np.inf, -800, -3, -1e-9, -0.0, 0, 1e-9, 0.4, 800, np.inf, np.nan])
KINDS: list[tuple[Any, Any, Any]] = [
    (relu, relu_derivative, functional.relu),
    *(
        (
            partial(leaky_relu, alpha=alpha),
            partial(leaky_relu_derivative, alpha=alpha),
            partial(functional.leaky_relu, negative_slope=alpha),
        )
        for alpha in ALPHAS
    ),
    *(
        (
            partial(elu, alpha=alpha),
            partial(elu_derivative, alpha=alpha),
            partial(functional.elu, alpha=alpha),
        )
        for alpha in ALPHAS
    ),
]


@pytest.mark.verifies("eq-relu")
def test_relu_is_pytorchs_from_minus_to_plus_infinity(run: Run) -> None:
    got = run(relu, GIVEN)

    np.testing.assert_array_equal(got, functional.relu(torch.asarray(GIVEN)))


@pytest.mark.verifies("eq-leaky-relu")
@pytest.mark.parametrize("alpha", [0.01, 0.3, 1.0, 1.6])
def test_leaky_relu_is_pytorchs_also_with_more_than_slope_one(
    run: Run, alpha: float
) -> None:
    want = functional.leaky_relu(torch.asarray(GIVEN), alpha)

    got = run(partial(leaky_relu, alpha=alpha), GIVEN)

    np.testing.assert_array_equal(got, want)


@pytest.mark.verifies("eq-leaky-relu")
@pytest.mark.parametrize("alpha", [0.01, 0.3, 1.0])
def test_leaky_relu_is_a_maximum_up_to_slope_one(
    rng: np.random.Generator, array: Callable[[Any], Any], alpha: float
) -> None:
    z = rng.normal(size=(4, 3, 2))

    got = leaky_relu(array(z), alpha=alpha)

    np.testing.assert_array_equal(got, np.maximum(alpha * z, z))


@pytest.mark.verifies("eq-elu")
@pytest.mark.parametrize("alpha", ALPHAS)
def test_elu_is_pytorchs_from_minus_to_plus_infinity(run: Run, alpha: float) -> None:
    want = functional.elu(torch.asarray(GIVEN), alpha)

    got = run(partial(elu, alpha=alpha), GIVEN)

    np.testing.assert_allclose(got, want, rtol=1e-15)


@pytest.mark.verifies("eq-relu")
@pytest.mark.verifies("eq-leaky-relu")
@pytest.mark.verifies("eq-elu")
@pytest.mark.parametrize(("value", "slope", "_theirs"), KINDS)
def test_the_slopes_are_difference_quotients(
    run: Run, rng: np.random.Generator, value: Any, slope: Any, _theirs: Any
) -> None:
    z, h = rng.normal(size=(5, 4)), 1e-6

    got = run(slope, z)

    assert (abs(z) > h).all()
    assert got.dtype == z.dtype
    quotient = (value(z + h) - value(z - h)) / (2 * h)
    np.testing.assert_allclose(got, quotient, rtol=1e-8, atol=1e-8)


@pytest.mark.verifies("eq-relu")
@pytest.mark.verifies("eq-leaky-relu")
@pytest.mark.verifies("eq-elu")
@pytest.mark.parametrize(("value", "slope", "theirs"), KINDS)
def test_autograd_finds_the_slopes_and_at_zero_pytorchs_own(
    value: Any, slope: Any, theirs: Any
) -> None:
    z = torch.asarray(GIVEN[1:-2]).requires_grad_()

    (got,) = torch.autograd.grad(value(z).sum(), z)

    np.testing.assert_allclose(got, slope(z.detach()), rtol=1e-15)
    (want,) = torch.autograd.grad(theirs(z).sum(), z)
    np.testing.assert_allclose(got, want, rtol=1e-15)


@pytest.mark.verifies("eq-relu")
@pytest.mark.verifies("eq-leaky-relu")
@pytest.mark.verifies("eq-elu")
@pytest.mark.parametrize("alpha", ALPHAS)
def test_at_zero_the_slope_is_that_of_the_negative_side(
    array: Callable[[Any], Any], alpha: float
) -> None:
    zero = array(np.zeros(1))

    assert relu_derivative(zero).tolist() == [0]
    assert leaky_relu_derivative(zero, alpha=alpha).tolist() == [alpha]
    assert elu_derivative(zero, alpha=alpha).tolist() == [alpha]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("value", "slope", "_theirs"), KINDS)
def test_the_precision_of_the_input_is_kept(
    array: Callable[[Any], Any], value: Any, slope: Any, _theirs: Any, dtype: str
) -> None:
    z = array(np.array([-1.0, 0.0, 1.0], dtype=dtype))

    assert value(z).dtype == slope(z).dtype == z.dtype


@pytest.mark.verifies("eq-leaky-relu")
@pytest.mark.verifies("eq-elu")
@pytest.mark.parametrize("alpha", [-0.3, -1.0])
def test_the_negative_side_may_be_turned_up(
    array: Callable[[Any], Any], alpha: float
) -> None:
    z = array(np.array([-2.0, 0.5]))

    leaky, bent = leaky_relu(z, alpha=alpha), elu(z, alpha=alpha)

    np.testing.assert_allclose(leaky, [-2 * alpha, 0.5], rtol=1e-15)
    np.testing.assert_allclose(bent, [alpha * (np.exp(-2) - 1), 0.5], rtol=1e-15)
    slopes = leaky_relu_derivative(z, alpha=alpha), elu_derivative(z, alpha=alpha)
    np.testing.assert_allclose(slopes[0], [alpha, 1], rtol=1e-15)
    np.testing.assert_allclose(slopes[1], [alpha * np.exp(-2), 1], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8"])
def test_whole_numbers_are_rectified_and_stay_whole(
    array: Callable[[Any], Any], dtype: str
) -> None:
    z = array(np.array([-3, 0, 5]).astype(dtype))

    a = relu(z)

    assert a.dtype == z.dtype
    assert a.tolist() == [max(0, int(z[0])), 0, 5]
