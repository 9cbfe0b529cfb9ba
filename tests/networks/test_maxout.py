"""Maxout against loops, PyTorch's gradients, and the functions that it contains."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dlnotes.networks.maxout import maxout, maxout_backward, maxout_winners
from dlnotes.networks.rectifiers import leaky_relu, relu

Run = Callable[..., Any]
Layer = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
PIECES = [1, 2, 3, 4]


def layer(rng: np.random.Generator, pieces: int, *, ties: bool = False) -> Layer:
    """Draw inputs, weights and biases; with ties from few numbers, of which many tie.

    There are as many units as three of four draws have pieces, so that axes may mix up.
    """
    shapes = (6, 5), (5, 3, pieces), (3, pieces)
    if ties:
        X, W, b = (rng.integers(-1, 2, shape) / 2 for shape in shapes)
    else:
        X, W, b = (rng.normal(size=shape) for shape in shapes)
    return X, W, b


def by_loop(X: NDArray[Any], W: NDArray[Any], b: NDArray[Any]) -> list[list[list[Any]]]:
    """Return every weighted sum: by instance, by unit, by piece."""
    inputs, units, pieces = W.shape
    return [
        [
            [
                sum(x[k] * W[k, i, j] for k in range(inputs)) + b[i, j]
                for j in range(pieces)
            ]
            for i in range(units)
        ]
        for x in X
    ]


@pytest.mark.verifies("eq-maxout")
def test_every_engine_returns_the_largest_piece(
    run: Run, rng: np.random.Generator
) -> None:
    X, W, b = layer(rng, 3)

    H = run(maxout, X, W, b)

    want = [[max(unit) for unit in instance] for instance in by_loop(X, W, b)]
    np.testing.assert_allclose(H, want, rtol=1e-12)


@pytest.mark.verifies("eq-maxout")
@pytest.mark.parametrize("pieces", PIECES)
def test_any_number_of_pieces(
    rng: np.random.Generator, array: Callable[[Any], Any], pieces: int
) -> None:
    X, W, b = layer(rng, pieces)
    W, b = W - 1, b - 20  # so that most outputs are negative

    H = maxout(*map(array, (X, W, b)))

    want = [[max(unit) for unit in instance] for instance in by_loop(X, W, b)]
    np.testing.assert_allclose(H, want, rtol=1e-12)


@pytest.mark.verifies("eq-maxout")
def test_relu_leaky_relu_and_absolute_value_are_maxout(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    X, w, b = rng.normal(size=(20, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    Z = X @ w + b
    both = {"relu": 0.0, "leaky": 0.1, "absolute": -1.0}

    found = {
        name: maxout(
            array(X),
            array(np.stack([w, slope * w], axis=-1)),
            array(np.stack([b, slope * b], axis=-1)),
        )
        for name, slope in both.items()
    }

    np.testing.assert_allclose(found["relu"], relu(Z), atol=1e-14)
    np.testing.assert_allclose(found["leaky"], leaky_relu(Z, alpha=0.1), atol=1e-14)
    np.testing.assert_allclose(found["absolute"], abs(Z), atol=1e-14)


@pytest.mark.verifies("eq-maxout")
def test_a_unit_is_convex_in_its_inputs(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    (_, W, b), (A, B) = layer(rng, 4), 3 * rng.normal(size=(2, 200, 5))
    share = rng.random((200, 1))

    between, at_a, at_b = (
        np.asarray(maxout(*map(array, (X, W, b))))
        for X in (share * A + (1 - share) * B, A, B)
    )

    gap = share * at_a + (1 - share) * at_b - between
    assert gap.min() > -1e-12
    assert gap.max() > 1


@pytest.mark.parametrize("ties", [False, True])
def test_every_engine_names_the_first_of_the_largest_pieces(
    run: Run,
    rng: np.random.Generator,
    ties: bool,  # noqa: FBT001
) -> None:
    X, W, b = layer(rng, 3, ties=ties)

    winners = run(maxout_winners, X, W, b)

    sums = by_loop(X, W, b)
    want = [[unit.index(max(unit)) for unit in instance] for instance in sums]
    assert winners.tolist() == want
    several = [unit.count(max(unit)) > 1 for instance in sums for unit in instance]
    assert any(several) == ties


@pytest.mark.verifies("eq-maxout-gradient")
def test_every_engine_carries_the_gradient_back_to_the_winners(
    run: Run, rng: np.random.Generator
) -> None:
    X, W, b = layer(rng, 3, ties=True)
    upstream = rng.normal(size=(6, 3))

    found = run(maxout_backward, X, W, b, upstream)

    want = [np.zeros_like(each) for each in (X, W, b)]
    for n, instance in enumerate(by_loop(X, W, b)):
        for i, unit in enumerate(instance):
            j = unit.index(max(unit))
            want[0][n] += upstream[n, i] * W[:, i, j]
            want[1][:, i, j] += upstream[n, i] * X[n]
            want[2][i, j] += upstream[n, i]
    for ours, theirs in zip(found, want, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.verifies("eq-maxout-gradient")
@pytest.mark.parametrize("pieces", PIECES)
def test_the_gradients_are_difference_quotients_and_those_of_autograd(
    rng: np.random.Generator, array: Callable[[Any], Any], pieces: int
) -> None:
    given = layer(rng, pieces)
    upstream, h = rng.normal(size=(6, 3)), 1e-6

    found = maxout_backward(*map(array, (*given, upstream)))

    leaves = [torch.tensor(each, requires_grad=True) for each in given]
    wants = torch.autograd.grad(maxout(*leaves), leaves, torch.tensor(upstream))
    for k, (ours, theirs) in enumerate(zip(found, wants, strict=True)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
        direction = rng.normal(size=given[k].shape)
        less, more = (
            np.sum(upstream * maxout(*[*given[:k], given[k] + step, *given[k + 1 :]]))
            for step in (-h * direction, h * direction)
        )
        quotient = (more - less) / (2 * h)
        assert np.sum(np.asarray(ours) * direction) == pytest.approx(quotient, rel=1e-6)


@pytest.mark.verifies("eq-maxout-gradient")
def test_every_instance_passes_its_gradient_on_and_a_piece_that_never_wins_gets_none(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    X, W, b = layer(rng, 3)
    b[1, 2] = -100.0
    upstream = rng.normal(size=(6, 3))

    _, d_W, d_b = map(np.asarray, maxout_backward(*map(array, (X, W, b, upstream))))

    np.testing.assert_allclose(d_b.sum(axis=1), upstream.sum(axis=0), rtol=1e-12)
    assert not d_W[:, 1, 2].any()
    assert d_b[1, 2] == 0


@pytest.mark.verifies("eq-maxout-gradient")
def test_the_sum_of_squares_goes_down_along_the_gradient(
    rng: np.random.Generator,
) -> None:
    X, W, b = layer(rng, 2)
    Y = rng.normal(size=(6, 3))
    losses = []

    for _ in range(300):
        error = maxout(X, W, b) - Y
        losses.append(float(np.mean(error**2)))
        _, d_W, d_b = maxout_backward(X, W, b, error)
        W, b = W - 0.02 * d_W, b - 0.02 * d_b

    assert losses[-1] < 0.05 * losses[0]


def test_the_larger_piece_wins_by_however_little_and_infinity_stays_with_the_winner(
    array: Callable[[Any], Any],
) -> None:
    X, W = array(np.ones((1, 1))), array(np.array([[[1.0, 1.0 + 1e-12, -1.0]]]))
    b, upstream = array(np.zeros((1, 3))), array(np.array([[np.inf]]))

    _, d_W, d_b = maxout_backward(X, W, b, upstream)

    assert d_b.tolist() == [[0, np.inf, 0]]
    assert d_W.tolist() == [[[0, np.inf, 0]]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_precision_of_the_input_is_kept(
    rng: np.random.Generator, array: Callable[[Any], Any], dtype: str
) -> None:
    given = [array(each.astype(dtype)) for each in layer(rng, 2)]
    upstream = array(np.ones((6, 3), dtype=dtype))

    results = maxout(*given), *maxout_backward(*[*given, upstream])

    assert {each.dtype for each in results} == {given[0].dtype}


def test_a_unit_without_pieces_is_refused(array: Callable[[Any], Any]) -> None:
    given = [array(np.zeros(shape)) for shape in ((2, 3), (3, 4, 0), (4, 0))]

    with pytest.raises(ValueError, match=r"^W must have a piece for each unit, got"):
        maxout(*given)
