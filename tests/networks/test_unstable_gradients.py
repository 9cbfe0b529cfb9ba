"""Unstable gradients against autograd, quadrature, closed forms and random draws."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from torch import nn

from dlnotes.networks.activations import (
    sigmoid,
    sigmoid_derivative,
    tanh,
    tanh_derivative,
)
from dlnotes.networks.mlp import random_layers
from dlnotes.networks.rectifiers import relu, relu_derivative
from dlnotes.networks.smooth_rectifiers import silu, silu_derivative, sine
from dlnotes.networks.unstable_gradients import (
    gradient_bound,
    gradient_factor,
    gradient_profile,
    gradient_through_depth,
    mean_square,
    preactivation_variance,
    variance_path,
    weight_gradient_profile,
)
from dlnotes.neurons.perceptron import Perceptron

Run = Callable[..., Any]

PAIRS = [
    (tanh, tanh_derivative),
    (sigmoid, sigmoid_derivative),
    (relu, relu_derivative),
    (silu, silu_derivative),
]
WIDE = [  # activation function, derivative and gain: they shrink, keep and grow
    (sigmoid, sigmoid_derivative, 1.0),
    (tanh, tanh_derivative, 1.0),
    (tanh, tanh_derivative, 4.0),
    (relu, relu_derivative, 2.0),
    (relu, relu_derivative, 1.5),
]


def up_the_stack(
    W: Any, h: Any, activation: Callable[[Any], Any]
) -> tuple[list[Any], Any]:
    """Return the pre-activations of each layer, and the outputs of the last."""
    Z = []
    for w in W:
        Z.append(h @ w)
        h = activation(Z[-1])
    return Z, h


# A stack


@pytest.mark.verifies("eq-gradient-product")
def test_the_gradient_is_a_product_of_matrices_written_out(
    run: Run, rng: np.random.Generator
) -> None:
    W, Z, upstream = (rng.normal(size=s) for s in ((3, 4, 4), (3, 5, 4), (5, 4)))

    got = run(gradient_through_depth, W, Z, upstream)

    for n in range(5):
        gradient = upstream[n]
        for k in (2, 1, 0):
            slopes = np.diag(1 / np.cosh(Z[k, n]) ** 2)
            gradient = W[k] @ slopes @ gradient
        np.testing.assert_allclose(got[n], gradient, rtol=1e-11, atol=1e-13)


@pytest.mark.verifies("eq-gradient-product")
@pytest.mark.parametrize(("activation", "derivative"), PAIRS)
@pytest.mark.parametrize(("layers", "units"), [(1, 3), (4, 3), (6, 1)])
def test_the_gradient_is_autograds_and_a_difference_quotient(
    rng: np.random.Generator, activation: Any, derivative: Any, layers: int, units: int
) -> None:
    W, X = rng.normal(size=(layers, units, units)), rng.normal(size=(2, units))
    upstream = rng.normal(size=(2, units))

    got = gradient_through_depth(
        W,
        np.stack(up_the_stack(W, X, activation)[0]),
        upstream,
        activation_derivative=derivative,
    )

    x = torch.asarray(X).requires_grad_()
    _, outputs = up_the_stack(torch.asarray(W), x, activation)
    (want,) = torch.autograd.grad(outputs, x, torch.asarray(upstream))
    np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)

    def loss(flat: NDArray[Any]) -> float:
        _, outputs = up_the_stack(W, flat.reshape(X.shape), activation)
        return float((upstream * outputs).sum())

    quotients = approx_fprime(X.ravel(), loss, 1e-7)
    np.testing.assert_allclose(got.ravel(), quotients, rtol=1e-4, atol=1e-4)


@pytest.mark.verifies("eq-gradient-bound")
def test_the_bound_is_a_product_of_largest_stretches(
    run: Run, rng: np.random.Generator
) -> None:
    W = rng.normal(size=(3, 5, 4))

    got = run(partial(gradient_bound, largest_derivative=0.25), W)

    stretches = [np.sqrt(np.linalg.eigvalsh(w.T @ w).max()) for w in W]
    np.testing.assert_allclose(got, 0.25**3 * np.prod(stretches), rtol=1e-10)


@pytest.mark.verifies("eq-gradient-bound")
@pytest.mark.parametrize(
    ("activation", "derivative", "largest"),
    [
        (sigmoid, sigmoid_derivative, 0.25),
        (tanh, tanh_derivative, 1.0),
        (relu, relu_derivative, 1.0),
    ],
)
def test_no_gradient_is_longer_than_the_bound_and_one_is_as_long(
    rng: np.random.Generator, activation: Any, derivative: Any, largest: float
) -> None:
    bound = partial(gradient_bound, largest_derivative=largest)
    back = partial(gradient_through_depth, activation_derivative=derivative)
    for _ in range(20):
        W, X = 2 * rng.normal(size=(4, 3, 3)), rng.normal(size=(10, 3))
        upstream = rng.normal(size=(10, 3))

        gradient = back(W, np.stack(up_the_stack(W, X, activation)[0]), upstream)

        ratios = np.linalg.norm(gradient, axis=1) / np.linalg.norm(upstream, axis=1)
        assert ratios.max() <= bound(W)

    W = np.stack([np.diag([5.0, 2.0]), np.diag([7.0, 1.0])])
    Z = np.full((2, 1, 2), 1e-9)  # where the slope of each is largest
    gradient = back(W, Z, np.array([[1.0, 0.0]]))
    assert gradient[0, 0] == pytest.approx(float(bound(W)), rel=1e-9)


# Variances


@pytest.mark.verifies("eq-variance-propagation")
def test_the_variance_is_a_sum_over_the_inputs(
    run: Run, rng: np.random.Generator
) -> None:
    H = rng.uniform(-0.3, 2, size=(5, 7))

    got = run(partial(preactivation_variance, weight_variance=0.3), H)

    sums = [sum(0.3 * H[n, i] ** 2 for i in range(7)) for n in range(5)]
    np.testing.assert_allclose(got, sum(sums) / 5, rtol=1e-12)


@pytest.mark.verifies("eq-variance-propagation")
def test_pytorchs_layers_drawn_again_and_again_have_both_variances(
    rng: np.random.Generator,
) -> None:
    torch.manual_seed(0)
    H = torch.asarray(rng.uniform(0, 2, size=(5, 6))).requires_grad_()
    upstream = torch.asarray(rng.normal(1, 1, size=(5, 9)))
    linear = nn.Linear(6, 9, bias=False, dtype=torch.float64)
    Z: list[torch.Tensor] = []
    gradients: list[torch.Tensor] = []

    for _ in range(2000):
        linear.reset_parameters()  # uniform, with the variance 1 / (3 * inputs)
        Z.append(linear(H))
        gradients += torch.autograd.grad(Z[-1], H, upstream)

    law = partial(preactivation_variance, weight_variance=1 / 18)
    found = torch.stack(Z).var(dim=0).mean()
    torch.testing.assert_close(law(H), found, rtol=0.03, atol=0)
    found = torch.stack(gradients).square().mean()
    torch.testing.assert_close(law(upstream), found, rtol=0.03, atol=0)
    H = H.detach()
    assert law(H) > 2 * 6 / 18 * H.var()  # the mean counts too


# Mean squares under a normal


def by_quadrature(f: Any, q: float) -> float:
    """Return the mean square by adaptive quadrature, on each side of zero."""

    def integrand(x: float) -> float:
        value = float(f(np.array(np.sqrt(q) * x)))
        return value**2 * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)

    sides = [quad(integrand, *side, limit=200)[0] for side in ((-12, 0), (0, 12))]
    return float(sum(sides))


@pytest.mark.verifies("eq-normal-mean-square")
def test_the_mean_square_of_the_sine_is_known(run: Run) -> None:
    q = np.array([[0.0, 0.1, 1.0], [2.0, 9.0, 50.0]])

    got = run(partial(mean_square, sine), q)

    np.testing.assert_allclose(got, (1 - np.exp(-2 * q)) / 2, rtol=1e-12, atol=1e-15)


@pytest.mark.verifies("eq-normal-mean-square")
@pytest.mark.parametrize(("activation", "derivative"), PAIRS)
def test_the_mean_square_is_the_integral(activation: Any, derivative: Any) -> None:
    for f, q in product((activation, derivative), (0.01, 1.0, 30.0)):
        got = mean_square(f, np.array(q))

        assert float(got) == pytest.approx(by_quadrature(f, q), rel=1e-7)


@pytest.mark.verifies("eq-normal-mean-square")
@pytest.mark.parametrize("derivative", [tanh_derivative, sigmoid_derivative])
@pytest.mark.parametrize("q", [1e3, 1e5, 1e9])
def test_a_slope_far_narrower_than_the_normal_is_not_missed(
    run: Run, derivative: Any, q: float
) -> None:
    got = run(partial(mean_square, derivative), np.array(q))

    def integrand(z: float) -> float:
        return float(derivative(np.array(z)) ** 2 * np.exp(-(z**2) / (2 * q)))

    want = 2 * quad(integrand, 0, 50)[0] / np.sqrt(2 * np.pi * q)
    assert float(got) == pytest.approx(want, rel=1e-7)


@pytest.mark.verifies("eq-normal-mean-square")
def test_a_negative_variance_has_no_mean_square() -> None:
    with np.errstate(invalid="ignore"):
        got = mean_square(tanh, np.array([-1e-12, 1.0]))

    assert np.isnan(got).tolist() == [True, False]


@pytest.mark.verifies("eq-normal-mean-square")
def test_the_mean_square_can_be_differentiated_with_respect_to_the_variance() -> None:
    q = torch.tensor([0.3, 1.0, 4.0], dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradcheck(lambda q: mean_square(tanh, q), q)


@pytest.mark.verifies("eq-variance-map")
def test_a_relu_multiplies_the_variance_by_half_the_gain(run: Run) -> None:
    q = np.array([0.5, 7.0])

    got = run(partial(variance_path, depth=6, gain=3.0), q)

    want = q * 1.5 ** np.arange(6)[:, None]
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.verifies("eq-variance-map")
@pytest.mark.verifies("eq-gradient-factor")
def test_without_settings_it_is_about_relu_with_a_gain_of_2() -> None:
    layers = random_layers((4, 4, 4, 4), rng=np.random.default_rng(0))
    X, upstream = np.random.default_rng(1).normal(size=(2, 5, 4))
    relus = {"activation": relu, "activation_derivative": relu_derivative}

    path = variance_path(np.array(3.0), depth=60)

    np.testing.assert_allclose(path, np.full(60, 3.0), rtol=1e-12)
    assert float(gradient_factor(np.array(3.0))) == pytest.approx(1, rel=1e-12)
    for profile in (gradient_profile, weight_gradient_profile):
        got = profile(layers, X, upstream)
        np.testing.assert_array_equal(got, profile(layers, X, upstream, **relus))


@pytest.mark.verifies("eq-variance-map")
@pytest.mark.parametrize("activation", [tanh, sigmoid, silu])
def test_each_variance_follows_from_the_one_before(
    array: Callable[[Any], Any], activation: Any
) -> None:
    path = variance_path(array(np.array(1.7)), depth=4, activation=activation, gain=3.0)

    assert float(path[0]) == 1.7
    for before, after in zip(path[:-1].tolist(), path[1:].tolist(), strict=True):
        want = 3.0 * by_quadrature(activation, before)
        assert after == pytest.approx(want, rel=1e-8)


@pytest.mark.verifies("eq-gradient-factor")
@pytest.mark.parametrize(("activation", "derivative"), PAIRS)
def test_the_factor_is_the_gain_times_the_mean_square_of_the_slope(
    array: Callable[[Any], Any], activation: Any, derivative: Any
) -> None:
    q = np.array([0.1, 2.0])

    got = gradient_factor(array(q), activation_derivative=derivative, gain=1.5)

    want = [
        1.5 * quad(_slope_squared(activation), -12, 12, args=(v,), points=[0])[0]
        for v in q
    ]
    np.testing.assert_allclose(got, want, rtol=1e-5)


def _slope_squared(activation: Any) -> Callable[[float, float], float]:
    """Return what is integrated, with a difference quotient for the derivative."""

    def integrand(x: float, q: float) -> float:
        z = np.sqrt(q) * x + np.array([-1e-6, 1e-6])
        slope = np.diff(activation(z))[0] / 2e-6
        return float(slope**2 * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))

    return integrand


@pytest.mark.verifies("eq-gradient-factor")
def test_tanh_keeps_gradients_at_gain_1_near_zero_only_and_relu_at_gain_2_anywhere(
    array: Callable[[Any], Any],
) -> None:
    q = array(np.array([1e-8, 1.0, 100.0]))

    of_tanh = gradient_factor(q, activation_derivative=tanh_derivative, gain=1.0)
    of_relu = gradient_factor(q)

    assert float(of_tanh[0]) == pytest.approx(1, rel=1e-6)
    assert of_tanh.tolist() == sorted(of_tanh.tolist(), reverse=True)
    assert float(of_tanh[1]) < 0.5
    np.testing.assert_allclose(of_relu, np.ones(3), rtol=1e-12)


# What is measured


@pytest.mark.verifies("eq-gradient-size")
@pytest.mark.verifies("eq-weight-gradient-size")
def test_both_profiles_are_those_of_autograds_gradients(
    run: Run, rng: np.random.Generator
) -> None:
    shapes = ((3, 5), (5, 4), (4, 2))
    arrays = [rng.normal(size=s) for n, m in shapes for s in ((n, m), (m,))]
    X, upstream = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))

    def call(X: Any, upstream: Any, *given: Any) -> Any:
        layers = tuple(map(Perceptron, given[::2], given[1::2]))
        silus = {"activation": silu, "activation_derivative": silu_derivative}
        return (
            gradient_profile(layers, X, upstream, **silus),
            weight_gradient_profile(layers, X, upstream, **silus),
        )

    got = run(call, X, upstream, *arrays)

    h, Z = torch.asarray(X), []
    W = [torch.asarray(each).requires_grad_() for each in arrays[::2]]
    for w, b in zip(W, arrays[1::2], strict=True):
        Z.append(h @ w + torch.asarray(b))
        h = nn.functional.silu(Z[-1])
    gradients = torch.autograd.grad(Z[-1], [*Z, *W], torch.asarray(upstream))
    want = [float(each.square().mean().sqrt()) for each in gradients]
    np.testing.assert_allclose(got[0], want[:3], rtol=1e-12)
    np.testing.assert_allclose(got[1], want[3:], rtol=1e-12)


@pytest.mark.verifies("eq-gradient-size")
@pytest.mark.verifies("eq-weight-gradient-size")
@pytest.mark.parametrize("profile", [gradient_profile, weight_gradient_profile])
def test_a_gradient_whose_square_is_zero_or_infinite_is_measured_too(
    array: Callable[[Any], Any], profile: Any, rng: np.random.Generator
) -> None:
    layers = tuple(
        Perceptron(array(each.W), array(each.b))
        for each in random_layers((5, 5, 5), rng=rng)
    )
    X, upstream = rng.normal(size=(2, 3, 5))

    want = profile(layers, array(X), array(upstream))

    for scale in (1e-250, 1e-17, 1e17, 1e250):
        got = profile(layers, array(X), array(scale * upstream))
        np.testing.assert_allclose(np.asarray(got) / scale, want, rtol=1e-12)
    assert profile(layers, array(X), array(0 * upstream)).tolist() == [0, 0]


@pytest.mark.verifies("eq-variance-map")
@pytest.mark.verifies("eq-gradient-factor")
@pytest.mark.parametrize(("activation", "derivative", "gain"), WIDE)
def test_wide_layers_are_as_predicted_forward_and_back(
    rng: np.random.Generator, activation: Any, derivative: Any, gain: float
) -> None:
    layers = random_layers((800,) * 9, rng=rng, gain=gain)
    X, upstream = rng.normal(size=(20, 800)), rng.normal(size=(20, 800))

    sizes, of_weights = (
        profile(
            layers, X, upstream, activation=activation, activation_derivative=derivative
        )
        for profile in (gradient_profile, weight_gradient_profile)
    )

    Z, _ = up_the_stack([layer.W for layer in layers], X, activation)
    q = variance_path(np.array(gain), depth=8, activation=activation, gain=gain)
    found = [np.mean(z**2) for z in Z]
    np.testing.assert_allclose(np.log(found / q), 0, atol=0.3)
    factors = gradient_factor(q[:-1], activation_derivative=derivative, gain=gain)
    shrunk = np.sqrt(np.append(np.cumprod(factors[::-1])[::-1], 1))
    np.testing.assert_allclose(np.log(sizes / sizes[-1] / shrunk), 0, atol=0.2)
    shrunk *= np.sqrt(q / q[-1])
    of_weights /= of_weights[-1]
    np.testing.assert_allclose(np.log(of_weights / shrunk), 0, atol=0.3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_precision_of_what_is_given_is_kept(
    array: Callable[[Any], Any], dtype: str
) -> None:
    one = array(np.ones((1, 1), dtype=dtype))

    made = [
        gradient_through_depth(one[None], one[None], one),
        gradient_bound(one[None], largest_derivative=0.25),
        preactivation_variance(one, weight_variance=0.5),
        mean_square(tanh, one),
        variance_path(one, depth=2),
        gradient_factor(one),
        gradient_profile((Perceptron(one, one[0]),), one, one),
        weight_gradient_profile((Perceptron(one, one[0]),), one, one),
    ]

    assert {each.dtype for each in made} == {one.dtype}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda one: gradient_bound(one[None], largest_derivative=0.0),
            "largest_derivative must be positive",
        ),
        (
            lambda one: preactivation_variance(one, weight_variance=-0.1),
            "weight_variance must be at least 0, got -0.1",
        ),
        (lambda one: variance_path(one, depth=0), "depth must be an int of at least 1"),
        (
            lambda one: variance_path(one, depth=2, gain=0.0),
            "gain must be positive and finite, got 0.0",
        ),
        (
            lambda one: gradient_factor(one, gain=-1.0),
            "gain must be positive and finite, got -1.0",
        ),
        (
            lambda one: gradient_through_depth(one[None], one[None], one[:, :0]),
            r"upstream of shape \(1, 0\), but units is 1",
        ),
        (
            lambda one: gradient_profile((Perceptron(one, one[0]),), one, one[:, :0]),
            "upstream must have the shape",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    call: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call(np.ones((1, 1)))
