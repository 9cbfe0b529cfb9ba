"""Orthogonal and sparse weights against PyTorch, SciPy, loops and theorems."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import ks_2samp, kstest, ortho_group
from torch import nn

from dlnotes.networks.activations import sigmoid, sigmoid_derivative, tanh
from dlnotes.networks.backpropagation import deltas
from dlnotes.networks.mlp import forward_pass, mlp_forward
from dlnotes.networks.rectifiers import relu, relu_derivative
from dlnotes.neurons.perceptron import Perceptron
from dlnotes.training.orthogonal_initialization import (
    mlp_jacobian,
    orthogonal_init,
    sparse_init,
)

Run = Callable[..., Any]
SHAPES = [(5, 5), (7, 3), (3, 7), (1, 4), (4, 1), (1, 1)]


def by_gram_schmidt(z: NDArray[Any]) -> NDArray[Any]:
    """Make the columns orthonormal, one after the other."""
    columns: list[NDArray[Any]] = []
    for column in z.T:
        rest = column.copy()
        for earlier in columns:
            rest -= (earlier @ rest) * earlier
        columns.append(rest / np.linalg.norm(rest))
    return np.array(columns).T


# Orthogonal weights


@pytest.mark.verifies("eq-orthogonal")
@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_columns_or_rows_are_what_gram_and_schmidt_make_of_the_draws(
    run: Run, rng: np.random.Generator, shape: tuple[int, int]
) -> None:
    z = rng.normal(size=shape)

    got = run(lambda z: orthogonal_init(z, gain=2.5), z)

    high = shape[0] >= shape[1]
    want = by_gram_schmidt(z) if high else by_gram_schmidt(z.T).T
    np.testing.assert_allclose(got, np.sqrt(2.5) * want, rtol=1e-9, atol=1e-11)
    products = got.T @ got if high else got @ got.T
    np.testing.assert_allclose(products, 2.5 * np.eye(min(shape)), atol=1e-12)


@pytest.mark.verifies("eq-orthogonal")
@pytest.mark.parametrize("shape", SHAPES)
def test_of_the_same_draws_pytorch_makes_the_same_weights(
    shape: tuple[int, int],
) -> None:
    first, second = (torch.Generator().manual_seed(3) for _ in range(2))
    theirs = torch.empty(shape, dtype=torch.float64)
    draws = torch.empty_like(theirs).normal_(generator=first)

    got = orthogonal_init(draws, gain=2.0)

    nn.init.orthogonal_(theirs, gain=2.0**0.5, generator=second)
    torch.testing.assert_close(got, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.verifies("eq-orthogonal")
def test_angles_of_eigenvalues_are_those_of_scipys_matrices_and_need_the_signs(
    rng: np.random.Generator,
) -> None:
    z = rng.normal(size=(2000, 4, 4))
    ours = np.array([orthogonal_init(each) for each in z])
    unsigned = np.linalg.qr(z)[0]
    theirs = ortho_group.rvs(4, size=2000, random_state=np.random.default_rng(1))

    def angles(matrices: NDArray[Any]) -> NDArray[Any]:
        """Return one angle of each matrix, so that they are independent."""
        return np.abs(np.angle(np.linalg.eigvals(matrices)))[:, 0]

    assert ks_2samp(angles(ours), angles(theirs)).pvalue > 0.01
    assert ks_2samp(angles(unsigned), angles(theirs)).pvalue < 1e-6


@pytest.mark.verifies("eq-orthogonal")
def test_in_the_plane_rotations_and_reflections_are_evenly_spread(
    rng: np.random.Generator,
) -> None:
    W = np.array([orthogonal_init(rng.normal(size=(2, 2))) for _ in range(2000)])
    turns = np.arctan2(W[:, 0, 1], W[:, 0, 0])
    rotation = np.linalg.det(W) > 0

    assert rotation.mean() == pytest.approx(0.5, abs=0.04)
    for each in (rotation, ~rotation):
        share = (turns[each] + np.pi) / (2 * np.pi)
        assert kstest(share, "uniform").pvalue > 0.01


@pytest.mark.verifies("eq-orthogonal")
@pytest.mark.parametrize(("inputs", "units"), [(6, 6), (9, 4), (4, 9)])
def test_lengths_are_kept_where_there_is_room_for_them(
    rng: np.random.Generator, inputs: int, units: int
) -> None:
    X, G = rng.normal(size=(50, inputs)), rng.normal(size=(50, units))
    W = orthogonal_init(rng.normal(size=(inputs, units)))

    forward = np.linalg.norm(X @ W, axis=1) / np.linalg.norm(X, axis=1)
    back = np.linalg.norm(G @ W.T, axis=1) / np.linalg.norm(G, axis=1)

    if units >= inputs:
        np.testing.assert_allclose(forward, 1, rtol=1e-12)
    else:
        assert forward.max() < 1
    if inputs >= units:
        np.testing.assert_allclose(back, 1, rtol=1e-12)
    else:
        assert back.max() < 1


@pytest.mark.verifies("eq-orthogonal")
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_orthogonal_weights_have_the_precision_of_the_draws(dtype: torch.dtype) -> None:
    draws = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).to(dtype)

    got = orthogonal_init(draws)

    assert got.dtype is dtype
    torch.testing.assert_close(
        got.double(), orthogonal_init(draws.double()), rtol=0, atol=5e-3
    )
    assert orthogonal_init(np.ones((2, 1), dtype=np.float16)).dtype == np.float16


@pytest.mark.verifies("eq-orthogonal")
def test_a_column_of_zeros_makes_no_column_of_zeros() -> None:
    z = np.array([[1.0, 0.0], [2.0, 0.0]])

    got = orthogonal_init(z)

    np.testing.assert_allclose(got.T @ got, np.eye(2), atol=1e-12)


# The Jacobian


def network(rng: np.random.Generator, *widths: int) -> list[NDArray[Any]]:
    """Draw weights and biases, in turn."""
    arrays = []
    for inputs, units in pairwise(widths):
        arrays += [rng.normal(size=(inputs, units)), rng.normal(size=units)]
    return arrays


def chained(arrays: tuple[Any, ...]) -> tuple[Perceptron[Any], ...]:
    """Make layers of weights and biases in turn."""
    return tuple(
        Perceptron(W=W, b=b) for W, b in zip(arrays[::2], arrays[1::2], strict=True)
    )


@pytest.mark.verifies("eq-mlp-jacobian")
def test_the_jacobian_is_the_quotient_of_differences(
    run: Run, rng: np.random.Generator
) -> None:
    arrays, X = network(rng, 3, 5, 4, 2), rng.normal(size=(4, 3))

    got = run(lambda X, *a: mlp_jacobian(chained(a), X), X, *arrays)

    assert got.shape == (4, 3, 2)
    for i, step in enumerate(1e-6 * np.eye(3)):
        ahead, behind = (
            mlp_forward(chained(tuple(arrays)), X + s, activation=tanh)
            for s in (step, -step)
        )
        np.testing.assert_allclose(got[:, i], (ahead - behind) / 2e-6, atol=1e-7)


@pytest.mark.verifies("eq-mlp-jacobian")
@pytest.mark.parametrize(
    ("f", "slope", "theirs"),
    [
        (relu, relu_derivative, torch.relu),
        (sigmoid, sigmoid_derivative, torch.sigmoid),
    ],
)
def test_the_jacobian_is_autograds(
    rng: np.random.Generator, f: Any, slope: Any, theirs: Any
) -> None:
    arrays = [torch.tensor(each) for each in network(rng, 3, 6, 5, 4)]
    X = torch.tensor(rng.normal(size=(7, 3)))

    def outputs(x: Any) -> Any:
        for W, b in zip(arrays[:-2:2], arrays[1:-2:2], strict=True):
            x = theirs(x @ W + b)
        return x @ arrays[-2] + arrays[-1]

    got = mlp_jacobian(
        chained(tuple(arrays)), X, activation=f, activation_derivative=slope
    )

    for x, J in zip(X, got, strict=True):
        want = torch.autograd.functional.jacobian(outputs, x)  # type: ignore[no-untyped-call]  # of torch
        torch.testing.assert_close(J, want.T, rtol=1e-10, atol=1e-12)


@pytest.mark.verifies("eq-mlp-jacobian")
def test_a_gradient_goes_back_through_the_transpose(rng: np.random.Generator) -> None:
    layers, X = chained(tuple(network(rng, 3, 6, 4))), rng.normal(size=(5, 3))
    upstream = rng.normal(size=(5, 4))
    slopes: dict[str, Any] = {"activation_derivative": relu_derivative}
    _, Z = forward_pass(layers, X)

    J = mlp_jacobian(layers, X, activation=relu, **slopes)

    first = deltas(layers, Z, upstream, **slopes)[0]
    want = first @ layers[0].W.T
    np.testing.assert_allclose(np.einsum("no,nio->ni", upstream, J), want, rtol=1e-12)


@pytest.mark.verifies("eq-orthogonal")
@pytest.mark.verifies("eq-mlp-jacobian")
def test_a_deep_linear_network_of_orthogonal_weights_is_an_isometry(
    rng: np.random.Generator,
) -> None:
    identity: dict[str, Any] = {
        "activation": lambda z: z,
        "activation_derivative": np.ones_like,
    }

    def singular(scheme: Callable[[Any], Any]) -> NDArray[Any]:
        W = [scheme(rng.normal(size=(20, 20))) for _ in range(30)]
        layers = tuple(Perceptron(W=each, b=np.ones(20)) for each in W)
        J = mlp_jacobian(layers, rng.normal(size=(1, 20)), **identity)
        return np.asarray(np.linalg.svd(J[0], compute_uv=False))

    np.testing.assert_allclose(singular(orthogonal_init), 1, rtol=1e-11)
    spread = singular(lambda z: z / np.sqrt(20))
    assert spread[0] / spread[-1] > 1e6


def test_one_layer_is_its_own_jacobian_and_layers_that_do_not_fit_are_named(
    rng: np.random.Generator,
) -> None:
    fine = chained(tuple(network(rng, 3, 2)))
    assert mlp_jacobian(fine, np.zeros((0, 3))).shape == (0, 3, 2)
    alone = mlp_jacobian(fine, np.ones((2, 3)))
    np.testing.assert_array_equal(alone, [fine[0].W, fine[0].W])
    with pytest.raises(ValueError, match="layers must be one layer or more"):
        mlp_jacobian((), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="layer 2 must have 2 inputs"):
        mlp_jacobian(fine + fine, np.zeros((1, 3)))


# Sparse weights


@pytest.mark.verifies("eq-sparse-init")
def test_each_unit_keeps_the_draws_where_its_numbers_are_smallest(
    run: Run, rng: np.random.Generator
) -> None:
    shape, k = (6, 4), 2
    z, u = rng.normal(size=shape), rng.random(shape)

    got = run(lambda z, u: sparse_init(z, u, nonzeros=k, std=0.3), z, u)

    want = np.zeros(shape)
    for j in range(shape[1]):
        for i in sorted(range(shape[0]), key=list(u[:, j]).__getitem__)[:k]:
            want[i, j] = 0.3 * z[i, j]
    np.testing.assert_allclose(got, want, rtol=1e-14)


@pytest.mark.verifies("eq-sparse-init")
def test_pytorch_keeps_as_many_in_each_column_of_weights_in_our_layout(
    rng: np.random.Generator,
) -> None:
    W = nn.init.sparse_(torch.empty(100, 30), sparsity=0.85, std=1.0)

    got = sparse_init(rng.normal(size=(100, 30)), rng.random((100, 30)))

    np.testing.assert_array_equal((got != 0).sum(axis=0), (W != 0).sum(dim=0))


@pytest.mark.verifies("eq-sparse-init")
def test_all_inputs_are_read_as_often_and_the_draws_are_as_they_were(
    rng: np.random.Generator,
) -> None:
    z, u = rng.normal(size=(10, 20_000)), rng.random((10, 20_000))

    W = sparse_init(z, u, nonzeros=3)

    kept = W != 0
    np.testing.assert_allclose(kept.mean(axis=1), 0.3, atol=0.015)
    pairs = kept[:, None] & kept
    apart = pairs.mean(axis=2)[~np.eye(10, dtype=bool)]
    np.testing.assert_allclose(apart, (3 * 2) / (10 * 9), atol=0.01)
    assert kstest(W[kept], "norm").pvalue > 0.01


@pytest.mark.verifies("eq-sparse-init")
def test_equal_numbers_and_huge_ones_still_keep_as_many() -> None:
    u = np.array([[0.0, 1e300], [0.0, np.inf], [0.0, -1.0]])

    W = sparse_init(np.ones((3, 2)), u, nonzeros=2)

    assert (W != 0).sum(axis=0).tolist() == [2, 2]
    assert W[:, 1].tolist() == [1, 0, 1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_sparse_weights_have_the_precision_of_the_draws(dtype: torch.dtype) -> None:
    z = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)).to(dtype)

    got = sparse_init(z, torch.rand_like(z), nonzeros=8)

    assert got.dtype is dtype
    assert torch.equal(got, z)


# What is refused


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda z: orthogonal_init(z, gain=0.0), "gain must be positive and finite"),
        (
            lambda z: orthogonal_init(z, gain=float("nan")),
            "gain must be positive and finite, got nan",
        ),
        (lambda z: orthogonal_init(z[:0]), r"weights must have .* got shape \(0, 2\)"),
        (lambda z: orthogonal_init(z[0]), "z of shape"),
        (
            lambda z: sparse_init(z, z, nonzeros=0),
            "nonzeros must be an int of at least 1, got 0",
        ),
        (
            lambda z: sparse_init(z, z, nonzeros=4),
            "nonzeros must be at most the number of inputs, 3, got 4",
        ),
        (lambda z: sparse_init(z, z, nonzeros=2, std=-1.0), "std must be positive"),
        (lambda z: sparse_init(z[:, :0], z[:, :0]), r"got shape \(3, 0\)"),
        (lambda z: sparse_init(z, z.T), "got u of shape"),
    ],
)
def test_what_does_not_fit_is_named(
    array: Callable[[Any], Any], call: Callable[[Any], Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        call(array(np.ones((3, 2))))


def test_whole_numbers_are_no_draws() -> None:
    with pytest.raises(TypeError, match="wants Float numbers"):
        orthogonal_init(np.ones((2, 2), dtype=int))
    with pytest.raises(TypeError, match="wants Float numbers"):
        sparse_init(np.ones((2, 2), dtype=int), np.ones((2, 2)), nonzeros=1)
