"""Max pooling against PyTorch, loops and difference quotients."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from dlnotes.cnn.pooling import max_pool2d, max_pool2d_backward, max_pool2d_winners
from dlnotes.networks.rectifiers import relu

LAYERS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (3, 2), "stride": (1, 3), "padding": (0, 1)},
    {"kernel_size": 2, "stride": 1, "dilation": 3, "padding": 1},
    {"kernel_size": (2, 3), "dilation": (1, 2)},
]


def pytorch(X: Any, kernel_size: Any, **layer: Any) -> torch.Tensor:
    """Return what PyTorch's own layer does."""
    return functional.max_pool2d(torch.as_tensor(X), kernel_size, **layer)


@pytest.mark.verifies("eq-max-pool")
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_pytorchs_on_negative_numbers_too(
    layer: dict[str, Any], rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    X = rng.normal(size=(2, 3, 9, 8)) - 1

    Y = max_pool2d(array(X), **layer)

    np.testing.assert_array_equal(Y, pytorch(X, **layer))


@pytest.mark.verifies("eq-max-pool")
def test_every_engine_keeps_the_largest_pixel_of_each_window(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    X = rng.normal(size=(2, 3, 7, 6))

    Y = run(partial(max_pool2d, kernel_size=(3, 2), stride=2), X)

    assert Y.shape == (2, 3, 3, 3)
    for n, c, i, j in np.ndindex(Y.shape):
        assert Y[n, c, i, j] == X[n, c, 2 * i : 2 * i + 3, 2 * j : 2 * j + 2].max()


def test_a_shift_by_the_stride_shifts_the_output_by_one_and_a_smaller_one_does_not(
    rng: np.random.Generator,
) -> None:
    X = rng.normal(size=(1, 2, 12, 12))

    by_stride, by_less = (
        max_pool2d(np.roll(X, shift, axis=2), 3, stride=2) for shift in (2, 1)
    )

    Y = max_pool2d(X, 3, stride=2)
    np.testing.assert_array_equal(by_stride[:, :, 1:], Y[:, :, :-1])
    assert (by_less[:, :, 1:] != Y[:, :, :-1]).any()
    assert (by_less != Y).any()


def test_max_pooling_and_relu_can_change_places(rng: np.random.Generator) -> None:
    X = rng.normal(size=(2, 3, 8, 6))

    Y = max_pool2d(relu(X), 2)

    np.testing.assert_array_equal(Y, relu(max_pool2d(X, 2)))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("ties", [False, True])
def test_the_gradient_goes_where_pytorch_sends_it(
    layer: dict[str, Any],
    ties: bool,  # noqa: FBT001
    rng: np.random.Generator,
    array: Callable[[Any], Any],
) -> None:
    X = (
        rng.integers(0, 3, (2, 3, 9, 8)) - 1.0
        if ties
        else rng.normal(size=(2, 3, 9, 8))
    )
    upstream = rng.normal(size=pytorch(X, **layer).shape)

    gradient = max_pool2d_backward(array(X), array(upstream), **layer)

    leaf = torch.tensor(X, requires_grad=True)
    Y = pytorch(leaf, **layer)
    (want,) = torch.autograd.grad(Y, leaf, torch.asarray(upstream))
    np.testing.assert_allclose(gradient, want, rtol=1e-12)


def test_every_engine_carries_the_gradient_back_to_the_first_winner(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    X, upstream = rng.integers(0, 3, (2, 3, 7, 5)) / 2, rng.normal(size=(2, 3, 3, 2))

    gradient = run(partial(max_pool2d_backward, kernel_size=3, stride=2), X, upstream)

    want = np.zeros_like(X)
    for n, c, i, j in np.ndindex(upstream.shape):
        window = X[n, c, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        u, v = divmod(window.ravel().tolist().index(window.max()), 3)
        want[n, c, 2 * i + u, 2 * j + v] += upstream[n, c, i, j]
    np.testing.assert_allclose(gradient, want, rtol=1e-12)


def test_the_gradient_is_a_difference_quotient_and_autograd_agrees(
    rng: np.random.Generator,
) -> None:
    X, direction = rng.normal(size=(2, 2, 3, 7, 6))
    layer: dict[str, Any] = {"kernel_size": 3, "stride": 2, "padding": 1}
    upstream = rng.normal(size=max_pool2d(X, **layer).shape)

    gradient = max_pool2d_backward(X, upstream, **layer)

    h = 1e-6
    less, more = (
        np.sum(upstream * max_pool2d(X + step * direction, **layer)) for step in (-h, h)
    )
    np.testing.assert_allclose(
        np.sum(gradient * direction), (more - less) / (2 * h), rtol=1e-7
    )
    leaf = torch.tensor(X, requires_grad=True)
    Y = max_pool2d(leaf, **layer)
    (want,) = torch.autograd.grad(Y, leaf, torch.asarray(upstream))
    np.testing.assert_allclose(gradient, want, rtol=1e-12)


@pytest.mark.parametrize("layer", LAYERS)
def test_infinite_pixels_and_no_numbers_win_where_they_do_in_pytorch(
    layer: dict[str, Any], rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    X = rng.choice(
        [-np.inf, -1.0, 0.0, np.inf, np.nan],
        p=[0.7, 0.1, 0.1, 0.05, 0.05],
        size=(4, 3, 9, 8),
    )
    X[0] = -np.inf
    X[1] = np.nan
    upstream = rng.normal(size=pytorch(X, **layer).shape)

    Y = max_pool2d(array(X), **layer)
    gradient = max_pool2d_backward(array(X), array(upstream), **layer)

    leaf = torch.tensor(X, requires_grad=True)
    want = pytorch(leaf, **layer)
    np.testing.assert_array_equal(Y, want.detach())
    (want,) = torch.autograd.grad(want, leaf, torch.asarray(upstream))
    np.testing.assert_allclose(gradient, want, rtol=1e-12)


def test_every_engine_finds_the_place_of_the_first_winner(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    X = rng.integers(0, 3, (2, 3, 7, 5)) / 2

    winners = run(partial(max_pool2d_winners, kernel_size=(3, 2), stride=2), X)

    for n, c, i, j in np.ndindex(2, 3, 3, 2):
        window = X[n, c, 2 * i : 2 * i + 3, 2 * j : 2 * j + 2].ravel().tolist()
        assert winners[n, c, i, j] == window.index(max(window))


def test_a_window_larger_than_the_image_sees_all_of_it() -> None:
    X = np.array([[[[4.0, 3.0], [2.0, 1.0]]]])

    Y = max_pool2d(X, 3, stride=1, padding=1)

    assert Y.tolist() == [[[[4.0, 4.0], [4.0, 4.0]]]]


@pytest.mark.parametrize("dtype", ["int64", "uint8", "int8"])
def test_whole_pixels_stay_whole(array: Callable[[Any], Any], dtype: str) -> None:
    X = array(np.array([[[[-5, -3], [-4, -9]]]]).astype(dtype))

    Y = max_pool2d(X, 2, stride=1, padding=1)

    assert Y.dtype == X.dtype
    want = functional.max_pool2d(torch.asarray(X), 2, stride=1, padding=1)
    np.testing.assert_array_equal(Y, want)


def test_what_is_not_a_number_wins_its_windows(array: Callable[[Any], Any]) -> None:
    X = np.zeros((1, 1, 4, 4))
    X[0, 0, 0, 1] = np.nan

    Y = max_pool2d(array(X), 2)

    np.testing.assert_array_equal(Y[0, 0], [[np.nan, 0], [0, 0]])


def test_single_precision_stays_single_and_no_images_are_no_error(
    array: Callable[[Any], Any],
) -> None:
    X = array(np.ones((0, 2, 4, 6), np.float32))

    Y = max_pool2d(X, 2)
    gradient = max_pool2d_backward(X, Y, 2)

    assert tuple(Y.shape) == (0, 2, 2, 3)
    assert Y.dtype == gradient.dtype == X.dtype
    assert gradient.shape == X.shape


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        ({"kernel_size": 0}, "kernel_size must be .* at least 1, got 0"),
        ({"kernel_size": 2, "stride": 0}, "stride must be .* at least 1, got 0"),
        (
            {"kernel_size": 3, "padding": 2},
            "padding must be at most half of size 3, got 2",
        ),
        ({"kernel_size": 3, "padding": -1}, "padding must be .* at least 0, got -1"),
        ({"kernel_size": 2, "dilation": 0.5}, r"dilation must be .* got 0\.5"),
        ({"kernel_size": 6}, "a window of size 6 .* does not fit into 5 x 6 pixels"),
    ],
)
def test_a_layer_that_cannot_be_is_refused(layer: dict[str, Any], says: str) -> None:
    X = np.ones((1, 2, 5, 6))

    with pytest.raises(ValueError, match=says):
        max_pool2d(X, **layer)
    with pytest.raises(ValueError, match=says):
        max_pool2d_backward(X, np.ones((1, 2, 2, 3)), **layer)


def test_an_upstream_gradient_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="upstream must have 2 rows and 3 columns"):
        max_pool2d_backward(np.ones((1, 2, 5, 6)), np.ones((1, 2, 3, 3)), 2)
