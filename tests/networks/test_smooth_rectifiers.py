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
from dlnotes.networks.rectifiers import relu
from dlnotes.networks.smooth_rectifiers import (
    ACTIVATIONS,
    exact_gelu,
    exact_gelu_derivative,
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
    (exact_gelu, exact_gelu_derivative, functional.gelu),
    (mish, mish_derivative, functional.mish),
    (sine, sine_derivative, torch.sin),
]
names = pytest.mark.parametrize("name", ACTIVATIONS)
smooth = pytest.mark.parametrize(("value", "derivative", "theirs"), SMOOTH)


@pytest.mark.verifies("eq-softplus")
def test_softplus_is_the_area_under_the_sigmoid(run: Run) -> None:
    want = -log_expit(-LINE)

    np.testing.assert_allclose(run(softplus, LINE), want, rtol=1e-14, atol=1e-307)


@pytest.mark.verifies("eq-softplus")
def test_far_left_softplus_is_the_exponential_to_the_last_digits(run: Run) -> None:
    z = np.array([-40.0, -50.0, -700.0])

    np.testing.assert_allclose(run(softplus, z), np.exp(z), rtol=1e-14, atol=0)


@pytest.mark.verifies("eq-gated")
@pytest.mark.verifies("eq-silu")
@pytest.mark.verifies("eq-gelu")
@pytest.mark.verifies("eq-exact-gelu")
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


@pytest.mark.verifies("eq-exact-gelu")
@pytest.mark.verifies("eq-exact-gelu-derivative")
def test_far_left_the_exact_gelu_keeps_its_digits(run: Run) -> None:
    z = np.array([-37.0, -20.0, -8.0, -1.0, 0.0, 8.0])

    value, slope = run(exact_gelu, z), run(exact_gelu_derivative, z)

    np.testing.assert_allclose(value, z * ndtr(z), rtol=1e-12)
    want = ndtr(z) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(slope, want, rtol=1e-12)


@pytest.mark.verifies("eq-softplus")
@pytest.mark.verifies("eq-gated-derivative")
@pytest.mark.verifies("eq-silu-derivative")
@pytest.mark.verifies("eq-gelu-derivative")
def test_the_derivative_of_gelu_is_within_a_thousandth_of_the_exact_one() -> None:
    z = np.linspace(-20, 20, 40_001)

    exact = ndtr(z) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    assert abs(gelu_derivative(z) - exact).max() < 1e-3


@pytest.mark.verifies("eq-gelu-derivative")
def test_far_left_the_derivative_of_gelu_is_below_the_exact_one_by_powers_of_ten() -> (
    None
):
    z = np.array([-8.0, -9.0, -10.0])

    exact = ndtr(z) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    assert (exact < 0).all()
    assert (abs(gelu_derivative(z)) < abs(exact) / 1e5).all()


@pytest.mark.verifies("eq-gelu-derivative")
@pytest.mark.verifies("eq-exact-gelu-derivative")
@pytest.mark.verifies("eq-mish-derivative")
@pytest.mark.verifies("eq-sine-derivative")
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


@pytest.mark.parametrize("name", [each for each in ACTIVATIONS if each != "sine"])
def test_far_out_and_at_infinity_a_derivative_is_the_slope_of_a_line(
    array: Callable[[Any], Any], name: str
) -> None:
    level = name in ("step", "sigmoid", "tanh", "scaled tanh")
    left, right = 0.01 if name == "leaky ReLU" else 0.0, 0.0 if level else 1.0
    z = array(np.array([-np.inf, -1e300, -1e6, 1e6, 1e300, np.inf]))

    with np.errstate(over="ignore"):
        got = ACTIVATIONS[name][1](z)

    np.testing.assert_allclose(np.asarray(got), 3 * [left] + 3 * [right])


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


def test_softplus_of_k_z_over_k_differs_from_relu_by_log_2_over_k_at_most() -> None:
    z = np.linspace(-9, 9, 181)

    for k in (1, 2, 8, 64):
        gaps = softplus(k * z) / k - relu(z)

        assert gaps.min() > 0 or k * 9 > 36
        assert gaps.max() == pytest.approx(gaps[90]) == pytest.approx(np.log(2) / k)


@pytest.mark.verifies("eq-gelu")
def test_the_sigmoid_of_gelu_begins_as_the_normal_distribution_does() -> None:
    z, h = 0.0, 1e-3
    slope = np.sqrt(8 / np.pi)

    ours = (sigmoid(np.array([slope * h])) - sigmoid(np.array([-slope * h]))) / (2 * h)
    theirs = (ndtr(z + h) - ndtr(z - h)) / (2 * h)
    cubic = 4 / 3 / (2 * np.pi) - 1 / 6  # by the series of both at zero

    assert ours[0] == pytest.approx(theirs, rel=1e-5)
    assert ours[0] == pytest.approx(1 / np.sqrt(2 * np.pi), rel=1e-5)
    line = np.linspace(-6, 6, 12001)
    errors = [
        abs(line * (sigmoid(slope * (line + c * line**3)) - ndtr(line))).max()
        for c in (0.0, cubic, 0.044715)
    ]
    assert errors[0] > 10 * errors[1] > 10 * errors[2]


@pytest.mark.verifies("eq-silu-derivative")
def test_at_the_minimum_of_silu_the_output_is_the_input_plus_one() -> None:
    low, high = -2.0, -1.0
    for _ in range(60):
        middle = (low + high) / 2
        rising = silu_derivative(np.array([middle]))[0] > 0
        low, high = (low, middle) if rising else (middle, high)

    assert silu(np.array([low]))[0] == pytest.approx(low + 1)
    assert silu(np.linspace(-9, 9, 1801)).min() >= low + 1


@pytest.mark.parametrize("name", ["SiLU", "GELU", "Mish"])
def test_the_gated_functions_fall_and_then_rise(name: str) -> None:
    value, derivative = ACTIVATIONS[name]
    z = np.linspace(-4, 4, 801)

    rising = derivative(z) > 0

    turn = int(rising.argmax())
    assert 0 < turn < 400
    assert rising[turn:].all()
    assert value(z)[turn] == pytest.approx(value(z).min(), abs=1e-4)
