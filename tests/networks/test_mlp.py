"""The multilayer perceptron against loops, PyTorch, and what can be counted."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from dlnotes.networks.activations import sigmoid, tanh
from dlnotes.networks.mlp import (
    forward_pass,
    mlp_forward,
    parameter_count,
    random_layers,
)
from dlnotes.networks.rectifiers import relu
from dlnotes.neurons.perceptron import Perceptron

SIZES = (3, 5, 4, 2)
Run = Callable[..., Any]


def chained(*arrays: Any) -> tuple[Perceptron[Any], ...]:
    """Make layers of weights and biases in turn."""
    return tuple(map(Perceptron, arrays[::2], arrays[1::2]))


@pytest.fixture
def arrays(rng: np.random.Generator) -> list[NDArray[Any]]:
    """Give the weights and biases of three layers in turn, then a batch."""
    drawn = [
        rng.normal(size=shape)
        for inputs, units in pairwise(SIZES)
        for shape in ((inputs, units), (units,))
    ]
    return [*drawn, rng.normal(size=(7, 3))]


def by_loops(
    layers: tuple[Perceptron[Any], ...], x: Any, activation: Callable[[float], float]
) -> tuple[list[list[float]], list[list[float]]]:
    """Compute what each layer reads and its pre-activations, number by number."""
    read, sums = [list(x)], []
    for k, layer in enumerate(layers, 1):
        inputs, units = layer.W.shape
        z = [
            sum(read[-1][i] * layer.W[i, j] for i in range(inputs)) + layer.b[j]
            for j in range(units)
        ]
        sums.append(z)
        if k < len(layers):
            read.append([activation(each) for each in z])
    return read, sums


@pytest.mark.verifies("eq-mlp")
def test_outputs_and_all_that_leads_to_them_are_sums_written_out(
    arrays: list[NDArray[Any]], run: Run
) -> None:
    outputs = run(lambda *a: mlp_forward(chained(*a[:-1]), a[-1]), *arrays)
    H, Z = run(lambda *a: forward_pass(chained(*a[:-1]), a[-1]), *arrays)

    for n, x in enumerate(arrays[-1]):
        read, sums = by_loops(chained(*arrays[:-1]), x, lambda z: max(z, 0))
        np.testing.assert_allclose(outputs[n], sums[-1], rtol=1e-12)
        for got, want in zip([*H, *Z], [*read, *sums], strict=True):
            np.testing.assert_allclose(got[n], want, rtol=1e-12)


@pytest.mark.verifies("eq-mlp")
@pytest.mark.parametrize(
    ("activation", "theirs"),
    [(relu, nn.ReLU()), (tanh, nn.Tanh()), (sigmoid, nn.Sigmoid())],
)
def test_it_is_pytorchs_stack_of_linear_layers_with_the_same_weights(
    arrays: list[NDArray[Any]], activation: Any, theirs: nn.Module
) -> None:
    modules: list[nn.Module] = []
    for layer in chained(*arrays[:-1]):
        linear = nn.Linear(*layer.W.shape).double()
        linear.load_state_dict(
            {"weight": torch.asarray(layer.W.T), "bias": torch.asarray(layer.b)}
        )
        modules += [linear, theirs]
    stack = nn.Sequential(*modules[:-1])

    got = mlp_forward(chained(*arrays[:-1]), arrays[-1], activation=activation)
    H, Z = forward_pass(chained(*arrays[:-1]), arrays[-1], activation=activation)

    X = torch.asarray(arrays[-1])
    np.testing.assert_allclose(got, stack(X).detach(), rtol=1e-12)
    np.testing.assert_allclose(H[2], stack[:4](X).detach(), rtol=1e-12)
    np.testing.assert_allclose(Z[1], stack[:3](X).detach(), rtol=1e-12)


@pytest.mark.verifies("eq-mlp")
def test_one_layer_is_linear_and_two_are_not(
    arrays: list[NDArray[Any]], array: Callable[[Any], Any]
) -> None:
    W, b, W_2, b_2 = map(array, arrays[:4])
    X = array(arrays[-1])

    def middle(layers: tuple[Perceptron[Any], ...]) -> tuple[Any, Any]:
        """Return the output for the mean of two batches, and the mean output."""
        both = [mlp_forward(layers, each) for each in (X, -3 * X)]
        return mlp_forward(layers, -X), (both[0] + both[1]) / 2

    np.testing.assert_allclose(*middle((Perceptron(W, b),)), rtol=1e-12)
    one, other = middle((Perceptron(W, b), Perceptron(W_2, b_2)))
    assert float(abs(one - other).max()) > 0.1


@pytest.mark.verifies("eq-mlp")
@pytest.mark.parametrize("depth", [1, 2, 3, 6])
def test_every_layer_takes_part_once(depth: int, array: Callable[[Any], Any]) -> None:
    add_one = Perceptron(W=array(np.eye(2)), b=array(np.ones(2)))

    got = mlp_forward((add_one,) * depth, array(np.zeros((3, 2))))

    np.testing.assert_array_equal(got, np.full((3, 2), depth))


@pytest.mark.verifies("eq-mlp")
def test_hidden_units_in_another_order_give_the_same_outputs(
    arrays: list[NDArray[Any]], array: Callable[[Any], Any]
) -> None:
    order = [3, 0, 4, 2, 1]
    moved = [arrays[0][:, order], arrays[1][order], arrays[2][order], *arrays[3:6]]

    got = mlp_forward(chained(*map(array, moved)), array(arrays[-1]))

    want = mlp_forward(chained(*arrays[:-1]), arrays[-1])
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.verifies("eq-mlp-parameters")
def test_parameters_are_counted_beyond_the_range_of_small_integers() -> None:
    sizes: Any = (np.int8(100), np.int8(100))

    assert parameter_count(sizes) == 10_100


@pytest.mark.verifies("eq-mlp-parameters")
@pytest.mark.parametrize("sizes", [(1, 1), (7, 3), (3, 5, 4, 2), (784, 256, 10)])
def test_parameters_are_as_many_as_pytorch_has(sizes: tuple[int, ...]) -> None:
    stack = nn.Sequential(*(nn.Linear(*each) for each in pairwise(sizes)))
    layers = random_layers(sizes, rng=np.random.default_rng(0))

    count = parameter_count(sizes)

    assert count == sum(each.numel() for each in stack.parameters())
    assert count == sum(layer.W.size + layer.b.size for layer in layers)


@pytest.mark.parametrize(
    ("said", "gain"), [({}, 2.0), ({"gain": 1.0}, 1.0), ({"gain": 2.5}, 2.5)]
)
def test_random_weights_keep_a_signal_of_their_gain_at_its_size(
    rng: np.random.Generator, said: dict[str, float], gain: float
) -> None:
    sizes = (400, 500, 500, 300)
    layers = random_layers(sizes, rng=rng, **said)
    X = rng.normal(size=(200, 400))

    Z = forward_pass(layers, X, activation=relu)[1]

    for layer in layers:
        inputs = layer.W.shape[0]
        assert layer.W.var() * inputs == pytest.approx(gain, rel=0.03)
        assert abs(layer.W.mean()) < 0.01
        assert not layer.b.any()
    # A ReLU halves the mean square: each layer but the first multiplies by gain / 2.
    sizes_of_signals = [np.mean(each**2) for each in Z]
    wanted = gain * np.array([1, gain / 2, (gain / 2) ** 2])
    np.testing.assert_allclose(sizes_of_signals, wanted, rtol=0.2)


def test_the_generator_alone_decides_the_weights() -> None:
    first, again, other = (
        random_layers((3, 2), rng=np.random.default_rng(seed)) for seed in (0, 0, 1)
    )

    np.testing.assert_array_equal(first[0].W, again[0].W)
    assert (first[0].W != other[0].W).all()


@pytest.mark.parametrize("function", [mlp_forward, forward_pass])
def test_layers_that_do_not_fit_are_refused_by_their_numbers(
    arrays: list[NDArray[Any]], function: Any, array: Callable[[Any], Any]
) -> None:
    first, second, third = chained(*map(array, arrays[:-1]))
    X = array(arrays[-1])

    with pytest.raises(ValueError, match="layers must be one layer or more, got none"):
        function((), X)
    with pytest.raises(
        ValueError,
        match=r"layer 2 must have 5 inputs, as layer 1 has units, got W of shape "
        r"\(4, 2\)",
    ):
        function((first, third), X)
    with pytest.raises(ValueError, match="layer 3 must have 4 inputs"):
        function((first, second, second), X)
    with pytest.raises(ValueError, match=r"X of shape \(7, 3\)|model.W of shape"):
        function((second, third), X)


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ((), r"sizes must be those of inputs and outputs, got \(\)"),
        ((4,), r"sizes must be those of inputs and outputs, got \(4,\)"),
        ((4, 0, 2), r"sizes\[1\] must be an int of at least 1, got 0"),
        ((4, 2.5), r"sizes\[1\] must be an int of at least 1, got 2.5"),
    ],
)
def test_sizes_of_no_network_are_refused(sizes: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parameter_count(sizes)
    with pytest.raises(ValueError, match=says):
        random_layers(sizes, rng=np.random.default_rng(0))


def test_a_seed_is_no_generator_and_a_gain_is_positive() -> None:
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator"):
        random_layers((2, 1), rng=0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="gain must be positive"):
        random_layers((2, 1), rng=np.random.default_rng(0), gain=0.0)
