"""Backpropagation against autograd, SciPy's difference quotients, loops and PyTorch."""

from collections.abc import Callable
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import approx_fprime
from torch import nn
from torch.nn import functional

from dlnotes.networks.activations import (
    sigmoid,
    sigmoid_derivative,
    tanh,
    tanh_derivative,
)
from dlnotes.networks.backpropagation import (
    backprop_step,
    deltas,
    minibatches,
    mlp_backward,
    net_input_backward,
    numerical_gradient,
)
from dlnotes.networks.losses import (
    binary_cross_entropy_gradient,
    cross_entropy_gradient,
    squared_error_gradient,
)
from dlnotes.networks.mlp import forward_pass, mlp_forward, random_layers
from dlnotes.networks.rectifiers import relu, relu_derivative
from dlnotes.networks.smooth_rectifiers import silu, silu_derivative
from dlnotes.neurons.perceptron import Perceptron, net_input

Run = Callable[..., Any]
Layers = tuple[Perceptron[Any], ...]

SIZES = (3, 5, 4, 2)
PAIRS = [
    (relu, relu_derivative),
    (tanh, tanh_derivative),
    (sigmoid, sigmoid_derivative),
    (silu, silu_derivative),
]


def chained(*arrays: Any) -> Layers:
    """Make layers of weights and biases in turn."""
    return tuple(map(Perceptron, arrays[::2], arrays[1::2]))


def unchained(layers: Layers) -> tuple[Any, ...]:
    """Return the weights and biases of layers in turn."""
    return tuple(each for layer in layers for each in (layer.W, layer.b))


@pytest.fixture
def arrays(rng: np.random.Generator) -> list[NDArray[Any]]:
    """Give weights and biases of three layers in turn, a batch, and an upstream."""
    drawn = [
        rng.normal(size=shape)
        for inputs, units in pairwise(SIZES)
        for shape in ((inputs, units), (units,))
    ]
    return [*drawn, rng.normal(size=(7, 3)), rng.normal(size=(7, 2))]


def watched(arrays: list[NDArray[Any]]) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return parameters that autograd follows, and the batch."""
    tensors = [torch.asarray(each) for each in arrays[:-1]]
    return [each.requires_grad_() for each in tensors[:-1]], tensors[-1]


# One layer


@pytest.mark.verifies("eq-layer-backward")
def test_the_gradients_of_a_layer_are_sums_written_out(
    arrays: list[NDArray[Any]], run: Run, rng: np.random.Generator
) -> None:
    W, b, X, upstream = *arrays[:2], arrays[-2], rng.normal(size=(7, 5))

    def call(W: Any, b: Any, X: Any, upstream: Any) -> tuple[Any, ...]:
        gradient, back = net_input_backward(Perceptron(W, b), X, upstream)
        return gradient.W, gradient.b, back

    W_gradient, b_gradient, X_gradient = run(call, W, b, X, upstream)

    for i, j in product(range(3), range(5)):
        wanted = sum(X[n, i] * upstream[n, j] for n in range(7))
        assert W_gradient[i, j] == pytest.approx(wanted, abs=1e-12)
    for n, i in product(range(7), range(3)):
        wanted = sum(upstream[n, j] * W[i, j] for j in range(5))
        assert X_gradient[n, i] == pytest.approx(wanted, abs=1e-12)
    for j in range(5):
        wanted = sum(upstream[n, j] for n in range(7))
        assert b_gradient[j] == pytest.approx(wanted, abs=1e-12)


@pytest.mark.verifies("eq-layer-backward")
def test_it_is_the_product_of_upstream_and_the_whole_jacobian(
    arrays: list[NDArray[Any]], rng: np.random.Generator
) -> None:
    W, b, X = (torch.asarray(each) for each in (*arrays[:2], arrays[-2]))
    upstream = torch.asarray(rng.normal(size=(7, 5)))
    jacobians: Any = torch.autograd.functional.jacobian(  # type: ignore[no-untyped-call]
        lambda W, b, X: net_input(Perceptron(W, b), X), (W, b, X)
    )

    gradient, back = net_input_backward(Perceptron(W, b), X, upstream)

    for got, jacobian in zip((gradient.W, gradient.b, back), jacobians, strict=True):
        wanted = torch.tensordot(upstream, jacobian, dims=2)
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-13)


# A network


@pytest.mark.verifies("eq-backprop-delta")
@pytest.mark.verifies("eq-backprop-gradient")
def test_the_numbers_worked_out_by_hand_on_the_page(
    array: Callable[[Any], Any],
) -> None:
    def square(z: Any) -> Any:
        return z**2

    numbers = ([[0.5]], [0.0], [[3.0]], [0.0])
    layers = chained(*(array(np.array(each)) for each in numbers))
    H, Z = forward_pass(layers, array(np.array([[2.0]])), activation=square)
    upstream = squared_error_gradient(Z[-1], array(np.array([[5.0]])))

    first, last = mlp_backward(
        layers, H, Z, upstream, activation_derivative=lambda z: 2 * z
    )

    assert [float(each[0, 0]) for each in (upstream, last.W, first.W)] == [-4, -4, -48]


@pytest.mark.verifies("eq-backprop-delta")
@pytest.mark.verifies("eq-backprop-gradient")
def test_every_gradient_is_autograds_on_every_engine(
    arrays: list[NDArray[Any]], run: Run
) -> None:
    def call(*given: Any) -> tuple[Any, ...]:
        *parameters, X, upstream = given
        layers = chained(*parameters)
        H, Z = forward_pass(layers, X)
        gradients = mlp_backward(layers, H, Z, upstream)
        return unchained(gradients) + deltas(layers, Z, upstream)

    got = run(call, *arrays)

    parameters, X = watched(arrays)
    h, Z = X, []
    for W, b in zip(parameters[::2], parameters[1::2], strict=True):
        Z.append(h @ W + b)
        h = torch.relu(Z[-1])
    total = (Z[-1] * torch.asarray(arrays[-1])).sum()
    for ours, theirs in zip(
        got, torch.autograd.grad(total, [*parameters, *Z]), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.verifies("eq-backprop-delta")
@pytest.mark.verifies("eq-backprop-gradient")
@pytest.mark.parametrize(("activation", "derivative"), PAIRS)
def test_every_gradient_is_a_difference_quotient_and_autograds(
    arrays: list[NDArray[Any]], activation: Any, derivative: Any
) -> None:
    *given, X, upstream = arrays
    shapes = [each.shape for each in given]

    def loss(flat: NDArray[Any]) -> float:
        parts = np.split(flat, np.cumsum([each.size for each in given])[:-1])
        layers = chained(*map(np.reshape, parts, shapes))
        return float(np.sum(upstream * mlp_forward(layers, X, activation=activation)))

    H, Z = forward_pass(chained(*given), X, activation=activation)
    gradients = mlp_backward(
        chained(*given), H, Z, upstream, activation_derivative=derivative
    )

    flat = np.concatenate([each.ravel() for each in unchained(gradients)])
    point = np.concatenate([each.ravel() for each in given])
    np.testing.assert_allclose(
        flat, approx_fprime(point, loss, 1e-7), rtol=1e-4, atol=1e-4
    )
    parameters, batch = watched(arrays)
    outputs = mlp_forward(chained(*parameters), batch, activation=activation)
    theirs = torch.autograd.grad((outputs * torch.asarray(upstream)).sum(), parameters)
    for ours, wanted in zip(unchained(gradients), theirs, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("sizes", [(4, 3), (4, 6, 3), (1, 1, 1, 1, 1)])
@pytest.mark.verifies("eq-backprop-gradient")
def test_networks_of_any_depth_and_width_have_the_gradients_of_autograd(
    sizes: tuple[int, ...], rng: np.random.Generator
) -> None:
    layers = random_layers(sizes, rng=rng)
    X, upstream = rng.normal(size=(9, sizes[0])), rng.normal(size=(9, sizes[-1]))
    H, Z = forward_pass(layers, X, activation=tanh)

    got = mlp_backward(layers, H, Z, upstream, activation_derivative=tanh_derivative)

    parameters = [torch.asarray(each).requires_grad_() for each in unchained(layers)]
    outputs = mlp_forward(chained(*parameters), torch.asarray(X), activation=tanh)
    theirs = torch.autograd.grad(outputs, parameters, torch.asarray(upstream))
    for ours, each in zip(unchained(got), theirs, strict=True):
        np.testing.assert_allclose(ours, each, rtol=1e-12, atol=1e-13)


def test_what_a_forward_pass_keeps_is_not_changed_by_the_backward_pass(
    arrays: list[NDArray[Any]],
) -> None:
    *given, X, upstream = arrays
    H, Z = forward_pass(chained(*given), X)
    before = [each.copy() for each in (*given, *H, *Z, upstream)]

    mlp_backward(chained(*given), H, Z, upstream)

    for now, then in zip((*given, *H, *Z, upstream), before, strict=True):
        np.testing.assert_array_equal(now, then)


# Training


@pytest.mark.verifies("eq-backprop-step")
@pytest.mark.parametrize(
    ("gradient", "loss"),
    [
        (squared_error_gradient, lambda o, y: (o - y).square().sum(1).mean()),
        (
            binary_cross_entropy_gradient,
            lambda o, y: (
                functional.binary_cross_entropy_with_logits(o, y, reduction="none")
                .sum(1)
                .mean()
            ),
        ),
        (cross_entropy_gradient, functional.cross_entropy),
    ],
    ids=["squared error", "binary cross-entropy", "cross-entropy"],
)
@pytest.mark.parametrize(
    ("activation", "derivative", "theirs"),
    [
        (relu, relu_derivative, nn.ReLU()),
        (sigmoid, sigmoid_derivative, nn.Sigmoid()),
    ],
)
def test_a_network_trained_by_it_is_the_one_that_pytorch_trains(
    rng: np.random.Generator,
    gradient: Any,
    loss: Any,
    activation: Any,
    derivative: Any,
    theirs: nn.Module,
) -> None:
    layers = random_layers((4, 6, 5, 3), rng=rng)
    X, Y = rng.normal(size=(40, 4)), rng.uniform(size=(40, 3))
    targets = Y.argmax(axis=1) if gradient is cross_entropy_gradient else Y
    modules: list[nn.Module] = []
    for layer in layers:
        linear = nn.Linear(*layer.W.shape).double()
        linear.load_state_dict(
            {"weight": torch.asarray(layer.W.T), "bias": torch.asarray(layer.b)}
        )
        modules += [linear, theirs]
    model = nn.Sequential(*modules[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    for batch in minibatches(40, 16, rng=rng) * 10:
        layers = backprop_step(
            layers,
            X[batch],
            targets[batch],
            learning_rate=0.1,
            loss_gradient=gradient,
            activation=activation,
            activation_derivative=derivative,
        )
        optimizer.zero_grad()
        loss(model(torch.asarray(X[batch])), torch.asarray(targets[batch])).backward()
        optimizer.step()

    state = [each.detach().numpy().T for each in model.parameters()]
    for ours, wanted in zip(unchained(layers), state, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.verifies("eq-backprop-step")
def test_a_batch_shown_twice_is_a_step_of_the_same_size(
    arrays: list[NDArray[Any]], array: Callable[[Any], Any]
) -> None:
    layers, (X, Y) = chained(*map(array, arrays[:-2])), arrays[-2:]

    once = backprop_step(layers, array(X), array(Y), learning_rate=0.1)
    twice = backprop_step(
        layers, array(np.tile(X, (2, 1))), array(np.tile(Y, (2, 1))), learning_rate=0.1
    )

    for one, other, old in zip(*map(unchained, (once, twice, layers)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
        assert float(abs(one - old).max()) > 1e-3


@pytest.mark.verifies("eq-backprop-step")
def test_hidden_units_that_begin_alike_stay_alike_and_random_ones_do_not(
    rng: np.random.Generator,
) -> None:
    X, Y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    alike: Layers = (
        Perceptron(np.tile(rng.normal(size=(3, 1)), 4), np.zeros(4)),
        Perceptron(np.tile(rng.normal(size=(1, 2)), (4, 1)), np.zeros(2)),
    )
    drawn = random_layers((3, 4, 2), rng=rng)

    for _ in range(50):
        alike = backprop_step(alike, X, Y, learning_rate=0.05)
        drawn = backprop_step(drawn, X, Y, learning_rate=0.05)

    assert np.ptp(alike[0].W, axis=1).max() < 1e-12
    assert np.ptp(alike[1].W, axis=0).max() < 1e-12
    assert np.ptp(drawn[0].W, axis=1).min() > 0.1


def test_from_zero_only_the_last_bias_learns(rng: np.random.Generator) -> None:
    X, Y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    layers = chained(np.zeros((3, 4)), np.zeros(4), np.zeros((4, 2)), np.zeros(2))

    for _ in range(200):
        layers = backprop_step(
            layers,
            X,
            Y,
            learning_rate=0.1,
            activation=tanh,
            activation_derivative=tanh_derivative,
        )

    assert not any(each.any() for each in unchained(layers)[:-1])
    np.testing.assert_allclose(layers[1].b, Y.mean(axis=0), rtol=1e-12)


def test_training_in_single_precision_stays_there(
    arrays: list[NDArray[Any]], array: Callable[[Any], Any]
) -> None:
    *given, X, Y = (array(each.astype(np.float32)) for each in arrays)

    layers = backprop_step(chained(*given), X, Y, learning_rate=0.1)

    assert {each.dtype for each in unchained(layers)} == {X.dtype}


@pytest.mark.parametrize(("instances", "batch_size"), [(7, 3), (6, 3), (1, 5), (50, 1)])
def test_an_epoch_shows_each_instance_once(
    rng: np.random.Generator, instances: int, batch_size: int
) -> None:
    batches = minibatches(instances, batch_size, rng=rng)

    assert sorted(np.concatenate(batches).tolist()) == [*range(instances)]
    assert {len(each) for each in batches[:-1]} <= {batch_size}
    assert 1 <= len(batches[-1]) <= batch_size


def test_each_epoch_has_another_order(rng: np.random.Generator) -> None:
    orders = [np.concatenate(minibatches(30, 7, rng=rng)).tolist() for _ in range(3)]

    assert len({tuple(each) for each in orders}) == 3
    for order in orders:
        assert len(set(np.diff(order) % 30)) > 5  # not merely turned


# Gradient check


def smooth(theta: Any) -> Any:
    """Return a number from parameters of any shape; it is symmetric in none."""
    weights = torch.arange(1, theta.numel() + 1, dtype=theta.dtype).reshape(theta.shape)
    return torch.exp(theta * weights / 3).sum() + torch.cos(theta).prod()


@pytest.mark.verifies("eq-gradient-check")
@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3), (2, 1, 2)])
def test_the_numerical_gradient_is_autograds_in_any_shape(
    rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    theta = torch.asarray(rng.normal(size=shape))

    got = numerical_gradient(smooth, theta)

    (want,) = torch.autograd.grad(
        smooth(follow := theta.clone().requires_grad_()), follow
    )
    assert got.shape == theta.shape
    torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-8)


@pytest.mark.verifies("eq-gradient-check")
def test_every_engine_finds_what_scipy_does(
    arrays: list[NDArray[Any]], run: Run
) -> None:
    W, X = arrays[0], arrays[-2]

    def call(W: Any, X: Any) -> Any:
        def cubes(W: Any) -> Any:
            return ((X @ W) ** 3).sum()

        return numerical_gradient(cubes, W, h=1e-4)

    got = run(call, W, X)

    def flat(w: NDArray[Any]) -> float:
        return float(((X @ w.reshape(3, 5)) ** 3).sum())

    want = approx_fprime(W.ravel(), flat, 1e-7)
    np.testing.assert_allclose(got.ravel(), want, rtol=1e-4, atol=1e-4)


@pytest.mark.verifies("eq-gradient-check")
def test_its_error_falls_with_the_square_of_the_step(
    array: Callable[[Any], Any],
) -> None:
    theta = array(np.array([0.3, -1.2]))

    def error(h: float) -> Any:
        got = numerical_gradient(lambda t: (t**5).sum(), theta, h=h)
        return np.asarray(got) - 5 * np.asarray(theta) ** 4

    # The error is 10 theta^2 h^2 + h^4: no more and no less.
    for h in (0.1, 0.05):
        wanted = 10 * np.asarray(theta) ** 2 * h**2 + h**4
        np.testing.assert_allclose(error(h), wanted, rtol=1e-9)


@pytest.mark.verifies("eq-gradient-check")
def test_the_default_step_is_the_one_that_the_page_recommends() -> None:
    (got,) = numerical_gradient(lambda t: (t**3).sum(), np.zeros(1))

    assert got == pytest.approx(1e-5**2, rel=1e-6)  # of a cube at 0: the square of it


def test_a_cost_in_double_precision_does_not_change_that_of_the_gradient() -> None:
    theta = np.array([1.0, 2.0], dtype=np.float32)

    got = numerical_gradient(lambda t: np.float64((t**2).sum()), theta, h=1e-2)

    assert got.dtype == np.float32


def test_it_leaves_the_parameters_as_they_are_and_in_their_precision() -> None:
    theta = np.array([[1.0, 2.0]], dtype=np.float32)

    got = numerical_gradient(lambda t: float((t**2).sum()), theta, h=1e-2)

    assert theta.tolist() == [[1.0, 2.0]]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [[2.0, 4.0]], rtol=1e-3)


# What is refused


def test_what_no_forward_pass_has_kept_is_refused(
    arrays: list[NDArray[Any]], array: Callable[[Any], Any]
) -> None:
    *given, X, upstream = map(array, arrays)
    layers = chained(*given)
    H, Z = forward_pass(layers, X)

    with pytest.raises(ValueError, match="an array for each layer, got 2 for 3"):
        deltas(layers, Z[1:], upstream)
    with pytest.raises(ValueError, match="an array for each layer, got 2 for 3"):
        mlp_backward(layers, H[1:], Z, upstream)
    with pytest.raises(ValueError, match=r"H\[1\] must have the shape \(7, 5\), "):
        mlp_backward(layers, (H[0], H[2], H[2]), Z, upstream)
    with pytest.raises(ValueError, match=r"Z\[0\] must have the shape \(7, 5\), "):
        deltas(layers, (Z[0][:, :1], *Z[1:]), upstream)
    with pytest.raises(ValueError, match=r"Z\[0\] must have the shape \(6, 5\), .*\(7"):
        deltas(layers, Z, upstream[1:])
    with pytest.raises(ValueError, match="an array for each layer, got 0 for 0"):
        deltas((), (), upstream)
    with pytest.raises(
        ValueError, match=r"upstream must have the shape \(7, 2\) of the outputs, got "
    ):
        mlp_backward(layers, H, Z, upstream[:, 1:])
    with pytest.raises(ValueError, match=r"upstream of shape \(7, 4\), but units is 5"):
        net_input_backward(layers[0], X, Z[1])


def test_settings_out_of_range_are_refused(arrays: list[NDArray[Any]]) -> None:
    *given, X, Y = arrays
    rng = np.random.default_rng(0)

    with pytest.raises(ValueError, match="learning_rate must be at least 0"):
        backprop_step(chained(*given), X, Y, learning_rate=-0.1)
    with pytest.raises(ValueError, match="h must be positive and finite, got 0"):
        numerical_gradient(lambda t: t.sum(), X, h=0)
    with pytest.raises(ValueError, match="batch_size must be an int of at least 1"):
        minibatches(7, 0, rng=rng)
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator"):
        minibatches(7, 2, rng=0)  # type: ignore[arg-type]
