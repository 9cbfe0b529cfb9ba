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
    prelu,
    prelu_backward,
    relu,
    relu_derivative,
    selu,
    selu_derivative,
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
    (selu, selu_derivative, functional.selu),
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


@pytest.mark.parametrize(
    ("ours", "theirs"), [(leaky_relu, functional.leaky_relu), (elu, functional.elu)]
)
def test_what_is_not_said_is_as_in_pytorch(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours(GIVEN), theirs(torch.asarray(GIVEN)), rtol=1e-15)


@pytest.mark.verifies("eq-selu")
def test_selu_is_pytorchs_from_minus_to_plus_infinity(run: Run) -> None:
    got = run(selu, GIVEN)

    np.testing.assert_allclose(got, functional.selu(torch.asarray(GIVEN)), rtol=1e-15)


@pytest.mark.verifies("eq-selu")
def test_selu_keeps_mean_zero_and_variance_one_of_normal_numbers() -> None:
    z = np.linspace(-12, 12, 24_001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    moments = [np.trapezoid(density * selu(z) ** k, z) for k in (1, 2)]

    np.testing.assert_allclose(moments, [0, 1], atol=1e-6)


@pytest.mark.verifies("eq-prelu")
@pytest.mark.verifies("eq-prelu-gradient")
@pytest.mark.parametrize("shape", [(3,), (7, 3), (2, 5, 3), (0, 3)])
def test_prelu_and_its_gradients_are_pytorchs(
    run: Run, rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    z, upstream, alpha = (rng.normal(size=each) for each in (shape, shape, 3))
    z[..., :1] = z[..., :1].round()

    a, slopes = run(prelu, z, alpha), run(prelu_backward, z, alpha, upstream)

    leaves = [torch.asarray(each).requires_grad_() for each in (z, alpha)]
    rows = leaves[0].reshape(-1, 3)
    theirs = functional.prelu(rows, leaves[1]).reshape(shape)
    np.testing.assert_allclose(a, theirs.detach(), rtol=1e-15)
    wanted = torch.autograd.grad(theirs, leaves, torch.asarray(upstream))
    for got, want in zip(slopes, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13)


@pytest.mark.verifies("eq-prelu-gradient")
def test_the_gradients_of_prelu_are_difference_quotients(
    rng: np.random.Generator,
) -> None:
    z, upstream = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    alpha, h = rng.normal(size=3), 1e-6

    z_gradient, alpha_gradient = prelu_backward(z, alpha, upstream)

    assert abs(z).min() > h
    rise = (prelu(z + h, alpha) - prelu(z - h, alpha)) / (2 * h)
    np.testing.assert_allclose(z_gradient, upstream * rise, rtol=1e-8)
    for k, step in enumerate(h * np.eye(3)):
        rise = (prelu(z, alpha + step) - prelu(z, alpha - step)) / (2 * h)
        assert alpha_gradient[k] == pytest.approx((upstream * rise).sum(), rel=1e-8)


@pytest.mark.verifies("eq-prelu-gradient")
def test_what_is_infinite_above_zero_has_no_part_in_a_slope() -> None:
    z = torch.tensor([[torch.inf], [-2.0], [torch.nan]], dtype=torch.float64)
    alpha = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)

    (gradient,) = torch.autograd.grad(prelu(z[:2], alpha).sum(), alpha)

    assert gradient.item() == -2
    assert prelu(z, alpha.detach()).flatten()[:2].tolist() == [torch.inf, -1.0]
    assert prelu(z, alpha.detach()).isnan().flatten().tolist() == [False, False, True]


@pytest.mark.verifies("eq-relu-derivative")
@pytest.mark.verifies("eq-leaky-relu-derivative")
@pytest.mark.verifies("eq-elu-derivative")
@pytest.mark.verifies("eq-selu-derivative")
@pytest.mark.parametrize(("value", "derivative", "_theirs"), KINDS)
def test_the_derivatives_are_difference_quotients(
    array: Callable[[Any], Any],
    rng: np.random.Generator,
    value: Any,
    derivative: Any,
    _theirs: Any,
) -> None:
    z, h = rng.normal(size=(5, 4)), 1e-6

    got = derivative(array(z))

    assert (abs(z) > h).all()
    quotient = (value(z + h) - value(z - h)) / (2 * h)
    np.testing.assert_allclose(got, quotient, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    "derivative",
    [
        relu_derivative,
        partial(leaky_relu_derivative, alpha=0.3),
        partial(elu_derivative, alpha=0.3),
        selu_derivative,
    ],
)
def test_the_derivatives_are_alike_on_every_engine(
    run: Run, rng: np.random.Generator, derivative: Any
) -> None:
    z = rng.normal(size=(5, 4))

    got = run(derivative, z)

    assert got.dtype == z.dtype
    np.testing.assert_allclose(got, derivative(z), rtol=1e-15)


@pytest.mark.verifies("eq-relu-derivative")
@pytest.mark.verifies("eq-leaky-relu-derivative")
@pytest.mark.verifies("eq-elu-derivative")
@pytest.mark.parametrize(("value", "derivative", "theirs"), KINDS)
def test_autograd_finds_the_derivatives_and_at_zero_pytorchs_own(
    value: Any, derivative: Any, theirs: Any
) -> None:
    z = torch.asarray(GIVEN[1:-2]).requires_grad_()

    (got,) = torch.autograd.grad(value(z).sum(), z)

    np.testing.assert_allclose(got, derivative(z.detach()), rtol=1e-15)
    (want,) = torch.autograd.grad(theirs(z).sum(), z)
    np.testing.assert_allclose(got, want, rtol=1e-15)


@pytest.mark.verifies("eq-relu-derivative")
@pytest.mark.verifies("eq-leaky-relu-derivative")
@pytest.mark.verifies("eq-elu-derivative")
@pytest.mark.parametrize("alpha", ALPHAS)
def test_at_zero_the_derivative_is_that_of_the_negative_side(
    array: Callable[[Any], Any], alpha: float
) -> None:
    zero = array(np.zeros(1))

    assert relu_derivative(zero).tolist() == [0]
    assert leaky_relu_derivative(zero, alpha=alpha).tolist() == [alpha]
    assert elu_derivative(zero, alpha=alpha).tolist() == [alpha]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("value", "derivative", "_theirs"), KINDS)
def test_the_precision_of_the_input_is_kept(
    array: Callable[[Any], Any], value: Any, derivative: Any, _theirs: Any, dtype: str
) -> None:
    z = array(np.array([-1.0, 0.0, 1.0], dtype=dtype))

    assert value(z).dtype == derivative(z).dtype == z.dtype


@pytest.mark.verifies("eq-leaky-relu")
@pytest.mark.verifies("eq-leaky-relu-derivative")
@pytest.mark.verifies("eq-elu")
@pytest.mark.verifies("eq-elu-derivative")
@pytest.mark.parametrize("alpha", [-0.3, -1.0])
def test_the_negative_side_may_be_turned_up(
    array: Callable[[Any], Any], alpha: float
) -> None:
    z = array(np.array([-2.0, 0.5]))

    leaky, bent = leaky_relu(z, alpha=alpha), elu(z, alpha=alpha)

    np.testing.assert_allclose(leaky, [-2 * alpha, 0.5], rtol=1e-15)
    np.testing.assert_allclose(bent, [alpha * (np.exp(-2) - 1), 0.5], rtol=1e-15)
    derivatives = leaky_relu_derivative(z, alpha=alpha), elu_derivative(z, alpha=alpha)
    np.testing.assert_allclose(derivatives[0], [alpha, 1], rtol=1e-15)
    np.testing.assert_allclose(derivatives[1], [alpha * np.exp(-2), 1], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8"])
def test_whole_numbers_are_rectified_and_stay_whole(
    array: Callable[[Any], Any], dtype: str
) -> None:
    z = array(np.array([-3, 0, 5]).astype(dtype))

    a = relu(z)

    assert a.dtype == z.dtype
    assert a.tolist() == [max(0, int(z[0])), 0, 5]


@pytest.mark.verifies("eq-relu")
def test_a_bump_is_a_sum_of_three_relus(array: Callable[[Any], Any]) -> None:
    x = np.linspace(-3, 5, 81)

    parts = [relu(array(x - kink)) for kink in (0, 1, 2)]

    got = parts[0] - 2 * parts[1] + parts[2]
    want = np.interp(x, [0, 1, 2], [0, 1, 0])
    np.testing.assert_allclose(np.asarray(got), want, atol=1e-15)


@pytest.mark.verifies("eq-relu-derivative")
@pytest.mark.parametrize("slope", [-0.1, 0.0, 0.4, 1.0, 1.1])
def test_the_subgradients_at_the_kink_are_the_slopes_from_zero_to_one(
    array: Callable[[Any], Any], slope: float
) -> None:
    z = np.linspace(-1, 1, 41)

    above = slope * z > np.asarray(relu(array(z))) + 1e-12

    assert above.any() == (not 0 <= slope <= 1)
    assert 0 <= float(relu_derivative(array(np.zeros(1)))[0]) <= 1


@pytest.mark.verifies("eq-elu-derivative")
@pytest.mark.parametrize(("alpha", "jump"), [(0.5, 0.5), (1.0, 0.0), (1.6, -0.6)])
def test_the_elu_has_no_kink_for_alpha_one_but_its_second_derivative_jumps(
    array: Callable[[Any], Any], alpha: float, jump: float
) -> None:
    z = array(np.array([-1e-4, -1e-9, 1e-9, 1e-4]))

    slopes = np.asarray(elu_derivative(z, alpha=alpha))

    assert slopes[2] - slopes[1] == pytest.approx(jump, abs=1e-8)
    assert (slopes[1] - slopes[0]) / 1e-4 == pytest.approx(alpha, rel=1e-3)
    assert slopes[3] == slopes[2]


@pytest.mark.verifies("eq-relu-derivative")
@pytest.mark.verifies("eq-leaky-relu-derivative")
@pytest.mark.parametrize(("alpha", "revives"), [(0.0, False), (0.01, True)])
def test_a_dead_unit_stays_dead_without_a_leak(
    array: Callable[[Any], Any], alpha: float, *, revives: bool
) -> None:
    x, w, b = np.array([0.5, 1.0, 1.5, 2.0]), 0.2, -0.5
    assert (w * x + b < 0).all()

    for _ in range(200):
        z = array(w * x + b)
        error = leaky_relu(z, alpha=alpha) - array(0.5 * x + 0.25)
        g = np.asarray(error * leaky_relu_derivative(z, alpha=alpha))
        w, b = w - 0.1 * (g * x).mean(), b - 0.1 * g.mean()

    assert ((w, b) == (0.2, -0.5)) != revives
    assert (w * x + b > 0).all() == revives
