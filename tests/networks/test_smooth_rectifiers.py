"""Smooth activation functions against SciPy, PyTorch and quotients; all of them."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_expit, ndtr
from tests.smooth import (
    LINE,
    Run,
    assert_autograd_finds_derivatives,
    assert_derivative_is_difference_quotient,
    assert_values_are,
)
from torch.nn import functional

from dlnotes.networks.activations import sigmoid
from dlnotes.networks.smooth_rectifiers import (
    ACTIVATIONS,
    gelu,
    gelu_derivative,
    mish,
    mish_derivative,
    silu,
    silu_derivative,
    sine,
    sine_derivative,
    softplus,
)

SMOOTH: list[tuple[Any, Any, Any]] = [
    (softplus, sigmoid, lambda z: functional.softplus(z, threshold=100)),
    (silu, silu_derivative, functional.silu),
    (gelu, gelu_derivative, lambda z: functional.gelu(z, approximate="tanh")),
    (mish, mish_derivative, functional.mish),
    (sine, sine_derivative, torch.sin),
]
names = pytest.mark.parametrize("name", ACTIVATIONS)
smooth = pytest.mark.parametrize(("value", "derivative", "theirs"), SMOOTH)


@pytest.mark.verifies("eq-softplus")
def test_softplus_is_the_area_under_the_sigmoid(run: Run) -> None:
    want = -log_expit(-LINE)

    np.testing.assert_allclose(run(softplus, LINE), want, rtol=1e-14, atol=1e-307)


@pytest.mark.verifies("eq-gated")
@pytest.mark.verifies("eq-silu")
@pytest.mark.verifies("eq-gelu")
@pytest.mark.verifies("eq-mish")
@pytest.mark.verifies("eq-sine")
@smooth
def test_the_values_are_pytorchs(
    run: Run, rng: np.random.Generator, value: Any, derivative: Any, theirs: Any
) -> None:
    assert_values_are(theirs, run, rng, value, derivative)


@pytest.mark.verifies("eq-gelu")
def test_gelu_is_within_a_two_thousandth_of_the_normal_distributions() -> None:
    z = np.linspace(-40, 40, 80001)

    error = abs(gelu(z) - z * ndtr(z)).max()

    assert 4e-4 < error < 5e-4


@pytest.mark.verifies("eq-softplus")
@pytest.mark.verifies("eq-gated")
@pytest.mark.verifies("eq-silu")
@pytest.mark.verifies("eq-gelu")
@pytest.mark.verifies("eq-mish")
@pytest.mark.verifies("eq-sine")
@smooth
def test_the_derivatives_are_difference_quotients(
    run: Run, rng: np.random.Generator, value: Any, derivative: Any, theirs: Any
) -> None:
    assert_derivative_is_difference_quotient(theirs, run, rng, value, derivative)


@smooth
def test_autograd_finds_derivative_and_curvature_at_zero_and_far_out_too(
    rng: np.random.Generator, value: Any, derivative: Any, theirs: Any
) -> None:
    assert_autograd_finds_derivatives(theirs, rng, value, derivative)


@names
def test_no_input_overflows_in_either_precision(
    array: Callable[[Any], Any], name: str
) -> None:
    value, derivative = ACTIVATIONS[name]

    for dtype in ("float32", "float64"):
        z = array(np.array([-800, -90, -1, -0.0, 0, 1, 90, 800], dtype=dtype))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            results = value(z), derivative(z)
        for result in results:
            assert result.dtype == z.dtype
            assert np.isfinite(np.asarray(result)).all()


@names
def test_the_registry_pairs_each_function_with_its_own_derivative(name: str) -> None:
    value, derivative = ACTIVATIONS[name]
    z = torch.linspace(-3, 3, 8, dtype=torch.float64).requires_grad_()

    (got,) = torch.autograd.grad((value(z) + 0 * z).sum(), z)

    np.testing.assert_allclose(got, derivative(z.detach()), rtol=1e-12)


@names
def test_what_is_not_a_number_stays_so(array: Callable[[Any], Any], name: str) -> None:
    value, derivative = ACTIVATIONS[name]
    z = array(np.array([np.nan, 1.0]))

    if name != "step":
        assert np.isnan(np.asarray(value(z))).tolist() == [True, False]
    assert np.isnan(np.asarray(derivative(z))).tolist() == [True, False]
