"""Initial weights against PyTorch's, integrals, closed forms and random draws."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import quad
from torch import nn

from dlnotes.networks.activations import sigmoid, tanh
from dlnotes.networks.rectifiers import leaky_relu, relu, selu
from dlnotes.networks.smooth_rectifiers import sine
from dlnotes.training.weight_initialization import (
    fans,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    preserving_gain,
    weight_variance,
)

Run = Callable[..., Any]
Scheme = Callable[[Any], Any]

# Each with the numerator and the denominator of its variance, in inputs and units.
NORMAL: dict[Scheme, Callable[[int, int], float]] = {
    lecun_normal: lambda i, _: 1 / i,
    glorot_normal: lambda i, o: 2 / (i + o),
    he_normal: lambda i, _: 2 / i,
}
UNIFORM: dict[Scheme, Callable[[int, int], float]] = {
    lecun_uniform: lambda i, _: 1 / i,
    glorot_uniform: lambda i, o: 2 / (i + o),
    he_uniform: lambda i, _: 2 / i,
}
TORCH = {
    lecun_normal: partial(nn.init.kaiming_normal_, nonlinearity="linear"),
    glorot_normal: nn.init.xavier_normal_,
    he_normal: partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    lecun_uniform: partial(nn.init.kaiming_uniform_, nonlinearity="linear"),
    glorot_uniform: nn.init.xavier_uniform_,
    he_uniform: partial(nn.init.kaiming_uniform_, nonlinearity="relu"),
}
SHAPES = [(3, 7), (7, 3), (1, 1), (5, 2, 4), (6, 3, 5, 2), (2, 4, 3, 2, 2)]


# Fan-in and fan-out


@pytest.mark.verifies("eq-fans")
@pytest.mark.parametrize("window", [(3,), (3, 5), (1, 3, 5)])
def test_fans_count_what_an_output_reads_and_where_a_pixel_goes(
    window: tuple[int, ...],
) -> None:
    filters, channels, axes = 6, 4, len(window)
    convolve = [torch.conv1d, torch.conv2d, torch.conv3d][axes - 1]
    X = torch.ones(1, channels, *[11] * axes, requires_grad=True)
    W = torch.ones(filters, channels, *window)

    outputs = convolve(X, W)
    (readers,) = torch.autograd.grad(outputs.sum(), X)

    middle = (slice(None),) * 2 + (5,) * axes
    assert fans(tuple(W.shape)) == (outputs.max().item(), readers[middle][0, 0].item())


@pytest.mark.verifies("eq-fans")
@pytest.mark.parametrize("shape", SHAPES)
def test_fans_are_pytorchs_but_for_the_layout_of_a_matrix(
    shape: tuple[int, ...],
) -> None:
    theirs = shape[::-1] if len(shape) == 2 else shape

    want = nn.init._calculate_fan_in_and_fan_out(torch.empty(theirs))

    assert fans(shape) == want
    assert fans(torch.empty(shape).shape) == want


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (3, 0), (4, 2, 0)])
def test_what_has_no_inputs_or_no_units_is_no_weights(shape: tuple[int, ...]) -> None:
    for scheme in (*NORMAL, *UNIFORM):
        with pytest.raises(ValueError, match=r"weights must have .* got shape \("):
            scheme(np.ones(shape))


# The variance of a weight


@pytest.mark.verifies("eq-weight-variance")
@pytest.mark.parametrize("fan", ["in", "out"])
@pytest.mark.parametrize(("inputs", "units"), [(50, 200), (200, 50)])
def test_a_gain_of_1_keeps_what_goes_in_the_direction_of_its_fan(
    rng: np.random.Generator, fan: Any, inputs: int, units: int
) -> None:
    variance = weight_variance(inputs, units, fan=fan)
    W = np.sqrt(variance) * rng.normal(size=(400, inputs, units))

    forward = np.einsum("i,kij->kj", rng.normal(size=inputs), W)
    back = np.einsum("j,kij->ki", rng.normal(size=units), W)

    kept, other = (forward, back) if fan == "in" else (back, forward)
    ratio = units / inputs if fan == "in" else inputs / units
    assert (kept**2).mean() == pytest.approx(1, rel=0.25)
    assert (other**2).mean() == pytest.approx(ratio, rel=0.25)


@pytest.mark.verifies("eq-weight-variance")
def test_the_mean_fan_lies_between_the_others_and_the_gain_is_a_factor() -> None:
    middle = weight_variance(30, 10)

    assert 1 / middle == pytest.approx((30 + 10) / 2)
    assert weight_variance(30, 10, fan="mean") == middle
    for fan in ("in", "out", "mean"):
        tripled = weight_variance(30, 10, fan=fan, gain=3.0)
        assert tripled == pytest.approx(3 * weight_variance(30, 10, fan=fan))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"fan_in": 0}, "fan_in must be an int of at least 1, got 0"),
        ({"fan_out": 2.5}, "fan_out must be an int of at least 1, got 2.5"),
        ({"fan": "fan_in"}, "fan must be 'in', 'out' or 'mean', got 'fan_in'"),
        ({"gain": 0.0}, "gain must be positive and finite, got 0.0"),
        ({"gain": float("nan")}, "gain must be positive and finite, got nan"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        weight_variance(**{"fan_in": 3, "fan_out": 4} | given)


# The schemes


@pytest.mark.verifies("eq-lecun")
@pytest.mark.verifies("eq-glorot")
@pytest.mark.verifies("eq-he")
@pytest.mark.parametrize("scheme", NORMAL)
def test_normal_draws_are_multiplied_by_the_deviation(
    run: Run, rng: np.random.Generator, scheme: Scheme
) -> None:
    z = rng.normal(size=(3, 8))

    got = run(scheme, z)

    np.testing.assert_allclose(got, z * np.sqrt(NORMAL[scheme](3, 8)), rtol=1e-14)


@pytest.mark.verifies("eq-lecun")
@pytest.mark.verifies("eq-uniform-limit")
@pytest.mark.verifies("eq-glorot")
@pytest.mark.verifies("eq-he")
@pytest.mark.parametrize("scheme", UNIFORM)
def test_uniform_draws_get_the_variance_and_the_limits(
    run: Run, rng: np.random.Generator, scheme: Scheme
) -> None:
    u = (rng.permutation(40_000) + 0.5).reshape(100, 400) / 40_000  # evenly spread

    got = run(scheme, u)

    variance = UNIFORM[scheme](100, 400)
    assert got.mean() == pytest.approx(0, abs=1e-12)
    assert got.var() == pytest.approx(variance, rel=1e-6)
    np.testing.assert_array_equal(np.argsort(got, axis=None), np.argsort(u, axis=None))
    ends = scheme(np.array([[0.0, 1.0]]))
    limit = np.sqrt(3 * UNIFORM[scheme](1, 2))
    np.testing.assert_allclose(ends, [[-limit, limit]], rtol=1e-14)


@pytest.mark.verifies("eq-lecun")
@pytest.mark.verifies("eq-uniform-limit")
@pytest.mark.verifies("eq-glorot")
@pytest.mark.verifies("eq-he")
@pytest.mark.parametrize("scheme", TORCH)
@pytest.mark.parametrize("shape", [(20, 7), (7, 20), (6, 3, 5, 2)])
def test_of_the_same_draws_pytorch_makes_the_same_weights(
    scheme: Scheme, shape: tuple[int, ...]
) -> None:
    turn: Scheme = torch.t if len(shape) == 2 else lambda W: W
    W = turn(torch.empty(shape, dtype=torch.float64)).contiguous()
    first, second = (torch.Generator().manual_seed(3) for _ in range(2))
    draw = torch.rand if scheme in UNIFORM else torch.randn
    draws = draw(W.shape, dtype=W.dtype, generator=first)

    got = scheme(turn(draws))

    TORCH[scheme](W, generator=second)  # type: ignore[operator]  # a function of torch
    torch.testing.assert_close(got, turn(W), rtol=1e-12, atol=1e-15)


@pytest.mark.verifies("eq-lecun")
@pytest.mark.verifies("eq-glorot")
@pytest.mark.verifies("eq-he")
@pytest.mark.parametrize("scheme", TORCH)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_weights_have_the_precision_of_the_draws(
    scheme: Scheme, dtype: torch.dtype
) -> None:
    draws = torch.rand(5, 3, generator=torch.Generator().manual_seed(0)).to(dtype)

    got = scheme(draws)

    assert got.dtype is dtype
    want = scheme(draws.double())
    torch.testing.assert_close(got.double(), want, rtol=2e-2, atol=1e-2)
    assert scheme(np.ones((2, 3), dtype=np.float32)).dtype == np.float32


@pytest.mark.parametrize("scheme", [lecun_uniform, he_normal])
def test_draws_are_left_as_they_are_and_integers_are_none(scheme: Scheme) -> None:
    draws = np.full((2, 2), 0.25)

    scheme(draws)

    assert (draws == 0.25).all()
    with pytest.raises(TypeError, match="wants Float numbers"):
        scheme(np.ones((2, 2), dtype=int))


# Through many layers


def sizes_through(
    widths: tuple[int, ...], scheme: Scheme, rng: np.random.Generator
) -> tuple[float, float]:
    """Send signals and gradients through linear layers, and compare their squares."""
    H = rng.normal(size=(200, widths[0]))
    G = rng.normal(size=(200, widths[-1]))
    W = [scheme(rng.normal(size=shape)) for shape in pairwise(widths)]
    out, back = H, G
    for w in W:
        out = out @ w
    for w in W[::-1]:
        back = back @ w.T
    return float((out**2).mean()), float((back**2).mean())


@pytest.mark.verifies("eq-lecun")
@pytest.mark.verifies("eq-glorot")
def test_fan_in_changes_gradients_by_the_ratio_of_the_ends_and_glorot_in_each_layer(
    rng: np.random.Generator,
) -> None:
    widths = (300, 100, 300, 100, 300, 100)
    product = np.prod([2 * i / (i + o) for i, o in pairwise(widths)])

    lecun, glorot = (
        np.mean([sizes_through(widths, f, rng) for _ in range(8)], axis=0)
        for f in (lecun_normal, glorot_normal)
    )

    np.testing.assert_allclose(lecun, [1, 100 / 300], rtol=0.2)
    np.testing.assert_allclose(glorot, [product, product / 3], rtol=0.2)
    assert product == pytest.approx(0.75**2 * 1.5)


# The gain of an activation function


@pytest.mark.verifies("eq-preserving-gain")
def test_the_gain_of_the_sine_is_known(run: Run) -> None:
    q = np.array([[0.1, 1.0], [4.0, 20.0]])

    got = run(partial(preserving_gain, activation=sine), q)

    np.testing.assert_allclose(got, 2 * q / (1 - np.exp(-2 * q)), rtol=1e-11)


@pytest.mark.verifies("eq-preserving-gain")
@pytest.mark.parametrize("activation", [tanh, sigmoid, selu])
@pytest.mark.parametrize("q", [0.3, 1.0, 5.0])
def test_the_gain_is_one_over_the_share_of_the_mean_square_that_is_left(
    activation: Callable[[Any], Any], q: float
) -> None:
    def integrand(z: float) -> float:
        value = float(activation(np.array(z)))
        return value**2 * np.exp(-(z**2) / (2 * q)) / np.sqrt(2 * np.pi * q)

    left = sum(quad(integrand, *side)[0] for side in ((-30, 0), (0, 30)))
    got = preserving_gain(np.array(q), activation=activation)

    assert float(got) == pytest.approx(q / left, rel=1e-7)


@pytest.mark.verifies("eq-preserving-gain")
@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, 1.0])
def test_the_gain_of_a_leaky_relu_is_the_square_of_pytorchs(
    array: Callable[[Any], Any], slope: float
) -> None:
    q = array(np.array([0.01, 1.0, 50.0]))

    got = preserving_gain(q, activation=partial(leaky_relu, alpha=slope))

    want = nn.init.calculate_gain("leaky_relu", slope) ** 2
    np.testing.assert_allclose(got, [want] * 3, rtol=1e-10)
    np.testing.assert_allclose(preserving_gain(q), [2, 2, 2], rtol=1e-10)
    one = preserving_gain(np.array(1.0), activation=selu)
    assert float(one) == pytest.approx(1, rel=1e-7)


@pytest.mark.verifies("eq-preserving-gain")
@pytest.mark.parametrize("activation", [tanh, relu, sigmoid])
def test_layers_with_that_gain_keep_the_variance(
    rng: np.random.Generator, activation: Callable[[Any], Any]
) -> None:
    gain = float(preserving_gain(np.array(1.0), activation=activation))
    Z: NDArray[Any] = rng.normal(size=(100, 400))

    for _ in range(10):
        W = np.sqrt(gain / 400) * rng.normal(size=(400, 400))
        Z = activation(Z) @ W

    assert (Z**2).mean() == pytest.approx(1, rel=0.2)


@pytest.mark.verifies("eq-preserving-gain")
def test_the_gain_can_be_differentiated_with_respect_to_the_variance() -> None:
    q = torch.tensor([0.3, 2.0], dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradcheck(lambda q: preserving_gain(q, activation=tanh), q)


@pytest.mark.parametrize("variance", [0.0, -1.0, float("nan")])
def test_no_gain_keeps_a_variance_that_is_none(
    array: Callable[[Any], Any], variance: float
) -> None:
    with pytest.raises(ValueError, match="variance must be positive, got "):
        preserving_gain(array(np.array([1.0, variance])))
