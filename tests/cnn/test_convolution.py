"""Convolution against loops, PyTorch, SciPy, difference quotients and its transpose."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import convolve2d, correlate2d
from torch.nn import functional

from dlnotes.cnn.convolution import (
    conv2d,
    conv2d_backward,
    conv_transpose2d,
    filter_parameter_count,
    fold,
    unfold,
)

Layer = dict[str, Any]

LAYERS: list[Layer] = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (2, 3), "padding": (0, 2)},
    {"padding": (3, 1), "dilation": 2},
    {"stride": (3, 1), "padding": 1, "dilation": (1, 3)},
    {"padding": 4},
    {"stride": 4},
    {"stride": (1, 2), "padding": 1, "groups": 2},
    {"padding": (0, 1), "dilation": (2, 1), "groups": 4},
]
SKEWED: Layer = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}
skewed: Callable[..., Any] = partial(conv2d, **SKEWED)


def drawn(rng: np.random.Generator, layer: Layer) -> list[Any]:
    """Draw images, filters and biases, of which nothing is square."""
    shapes = (3, 4, 10, 9), (8, 4 // layer.get("groups", 1), 3, 2), (8,)
    return [rng.normal(size=shape) for shape in shapes]


def pytorch(X: Any, W: Any, b: Any, **layer: Any) -> torch.Tensor:
    """Return what PyTorch's own layer does."""
    given = (torch.as_tensor(each) for each in (X, W, b))
    return cast(Callable[..., torch.Tensor], functional.conv2d)(*given, **layer)


def gradients_of_pytorch(
    X: Any, W: Any, b: Any, upstream: Any, **layer: Any
) -> tuple[torch.Tensor, ...]:
    """Return the gradients of PyTorch's own layer."""
    given = [torch.asarray(each).requires_grad_() for each in (X, W, b)]
    Y = pytorch(*given, **layer)
    return torch.autograd.grad(Y, given, torch.asarray(upstream))


@pytest.mark.verifies("eq-conv-2d")
def test_every_engine_adds_up_what_the_equation_says(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    X, W, b = (rng.normal(size=shape) for shape in ((2, 4, 6, 5), (2, 2, 3, 2), (2,)))

    Y = run(skewed, X, W, b)

    want = np.zeros((2, 2, 3, 7))
    for n, k, i, j in np.ndindex(want.shape):
        want[n, k, i, j] = b[k]
        for c, u, v in np.ndindex(2, 3, 2):
            y, x = 2 * i + u - 1, j + 2 * v - 2
            if 0 <= y < 6 and 0 <= x < 5:
                want[n, k, i, j] += W[k, c, u, v] * X[n, 2 * k + c, y, x]
    np.testing.assert_allclose(Y, want, rtol=1e-12, atol=1e-14)


@pytest.mark.verifies("eq-conv-2d")
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_pytorchs(
    layer: Layer, rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    X, W, b = drawn(rng, layer)

    Y = conv2d(array(X), array(W), array(b), **layer)

    want = pytorch(X, W, b, **layer)
    np.testing.assert_allclose(Y, want, rtol=1e-10, atol=1e-12)


@st.composite
def legal(draw: st.DrawFn) -> tuple[list[int], list[int], Layer]:
    """Draw the sides of an image, those of a filter that fits, and settings."""
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel_size, stride, dilation = (draw(pair) for _ in range(3))
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    spans = zip(kernel_size, dilation, padding, strict=True)
    least = [max(1, d * (f - 1) + 1 - 2 * p) for f, d, p in spans]
    sides = [draw(st.integers(input_size, input_size + 4)) for input_size in least]
    layer = {"stride": stride, "padding": padding, "dilation": dilation}
    return sides, list(kernel_size), layer | {"groups": draw(st.integers(1, 3))}


@settings(deadline=None, derandomize=True)
@given(case=legal())
def test_whatever_pytorch_takes_comes_out_as_in_pytorch(
    case: tuple[list[int], list[int], Layer],
) -> None:
    (sides, kernel_size, layer), rng = case, np.random.default_rng(0)
    X = rng.normal(size=(2, 2 * layer["groups"], *sides))
    W, b = rng.normal(size=(layer["groups"], 2, *kernel_size)), rng.normal(size=1)

    Y = conv2d(X, W, np.repeat(b, layer["groups"]), **layer)
    upstream = rng.normal(size=Y.shape)
    gradients = conv2d_backward(X, W, upstream, **layer)

    b = np.repeat(b, layer["groups"])
    want = pytorch(X, W, b, **layer)
    np.testing.assert_allclose(Y, want, rtol=1e-10, atol=1e-12)
    wanted = gradients_of_pytorch(X, W, b, upstream, **layer)
    for got, gradient in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(got, gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.verifies("eq-conv-2d")
def test_it_is_cross_correlation_and_with_a_flipped_filter_convolution(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    x, w = rng.normal(size=(6, 5)), rng.normal(size=(3, 2))
    X, W = array(x[None, None]), array(w[None, None])
    flipped = array(w[None, None, ::-1, ::-1].copy())

    slid, convolved = conv2d(X, W)[0, 0], conv2d(X, flipped)[0, 0]

    np.testing.assert_allclose(slid, correlate2d(x, w, "valid"), rtol=1e-10)
    np.testing.assert_allclose(convolved, convolve2d(x, w, "valid"), rtol=1e-10)


def test_a_layer_without_biases_is_linear_in_the_images_and_in_the_filters(
    rng: np.random.Generator,
) -> None:
    X, W, _ = drawn(rng, SKEWED)
    X_2, W_2, _ = drawn(rng, SKEWED)
    Y = skewed(X, W)

    many, much = skewed(2 * X - X_2, W), skewed(X, 2 * W - W_2)

    np.testing.assert_allclose(many, 2 * Y - skewed(X_2, W), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(much, 2 * Y - skewed(X, W_2), rtol=1e-9, atol=1e-12)


@pytest.mark.verifies("eq-conv-2d-backward")
def test_the_gradients_are_difference_quotients(rng: np.random.Generator) -> None:
    given = drawn(rng, SKEWED)
    directions = drawn(rng, SKEWED)
    upstream = rng.normal(size=skewed(*given).shape)

    gradients = conv2d_backward(given[0], given[1], upstream, **SKEWED)

    for k, gradient in enumerate(gradients):
        near = [
            [*given[:k], given[k] + h * directions[k], *given[k + 1 :]] for h in (-1, 1)
        ]
        less, more = (np.sum(upstream * skewed(*each)) for each in near)
        np.testing.assert_allclose(
            np.sum(gradient * directions[k]), (more - less) / 2, rtol=1e-9
        )


@pytest.mark.verifies("eq-conv-2d-backward")
@pytest.mark.parametrize("layer", LAYERS)
def test_the_gradients_are_those_of_pytorchs_layer(
    layer: Layer, rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    X, W, b = drawn(rng, layer)
    upstream = rng.normal(size=conv2d(X, W, b, **layer).shape)

    gradients = conv2d_backward(array(X), array(W), array(upstream), **layer)

    wanted = gradients_of_pytorch(X, W, b, upstream, **layer)
    for got, want in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.verifies("eq-conv-2d-backward")
def test_every_engine_carries_the_gradient_back(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    X, W, b = drawn(rng, SKEWED)
    upstream = rng.normal(size=skewed(X, W, b).shape)

    gradients = run(partial(conv2d_backward, **SKEWED), X, W, upstream)

    wanted = gradients_of_pytorch(X, W, b, upstream, **SKEWED)
    for got, want in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("differentiate", ["autograd", "torch.func"])
def test_differentiating_the_layer_gives_the_hand_derived_gradients(
    differentiate: str, rng: np.random.Generator
) -> None:
    given = [torch.asarray(each) for each in drawn(rng, SKEWED)]
    upstream = torch.asarray(rng.normal(size=skewed(*given).shape))

    if differentiate == "autograd":
        leaves = [each.requires_grad_() for each in given]
        got = torch.autograd.grad(skewed(*leaves), leaves, upstream)
    else:
        got = torch.func.grad(
            lambda *each: (skewed(*each) * upstream).sum(), argnums=(0, 1, 2)
        )(*given)

    X, W, _ = (each.detach() for each in given)
    wanted = conv2d_backward(X, W, upstream, **SKEWED)
    for ours, want in zip(got, wanted, strict=True):
        np.testing.assert_allclose(ours, want, rtol=1e-10, atol=1e-12)


def test_one_image_at_a_time_is_the_batch(rng: np.random.Generator) -> None:
    X, W, b = (torch.asarray(each) for each in drawn(rng, SKEWED))

    Y = torch.func.vmap(lambda x: skewed(x[None], W, b)[0])(X)

    np.testing.assert_allclose(Y, skewed(X, W, b), rtol=1e-12)


def test_a_batch_too_large_for_the_cache_comes_out_in_order(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    X, W, b = (rng.normal(size=s) for s in ((3, 8, 60, 64), (2, 8, 5, 5), (2,)))
    upstream = rng.normal(size=(3, 2, 60, 64))

    Y = conv2d(array(X), array(W), array(b), padding=2)
    gradients = conv2d_backward(array(X), array(W), array(upstream), padding=2)

    want = pytorch(X, W, b, padding=2)
    np.testing.assert_allclose(Y, want, rtol=1e-9, atol=1e-10)
    wanted = gradients_of_pytorch(X, W, b, upstream, padding=2)
    for got, gradient in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(got, gradient, rtol=1e-9, atol=1e-9)


def test_a_batch_of_no_images_has_no_answers_and_no_gradient(
    array: Callable[[Any], Any],
) -> None:
    X, W, b = (
        array(np.ones((0, 2, 5, 4))),
        array(np.ones((3, 2, 2, 2))),
        array(np.ones(3)),
    )

    Y = conv2d(X, W, b)
    dX, dW, db = conv2d_backward(X, W, Y)

    assert tuple(Y.shape) == (0, 3, 4, 3)
    assert tuple(dX.shape) == (0, 2, 5, 4)
    np.testing.assert_array_equal(dW, np.zeros((3, 2, 2, 2)))
    np.testing.assert_array_equal(db, np.zeros(3))


def test_single_precision_stays_single(array: Callable[[Any], Any]) -> None:
    X, W = (array(np.ones((2, 2, n, n), np.float32)) for n in (5, 3))
    b, single = array(np.ones(2, np.float32)), array(np.ones(1, np.float32)).dtype

    Y = conv2d(X, W, b, stride=2, padding=1)
    results = [*conv2d_backward(X, W, Y, stride=2, padding=1)]
    results += [
        Y,
        conv_transpose2d(Y, W),
        unfold(X, 2),
        fold(unfold(X, 2), (5, 5), 2),
    ]

    assert {each.dtype for each in results} == {single}


@pytest.mark.verifies("eq-conv-2d-backward")
@pytest.mark.parametrize("layer", LAYERS)
def test_a_transposed_layer_is_pytorchs(
    layer: Layer, rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    _, W, _ = drawn(rng, layer)
    Y = rng.normal(size=(3, 8, 9, 8))
    down, across = np.broadcast_to(layer.get("stride", 1), 2).tolist()
    layer = layer | {"output_padding": (down - 1, min(across - 1, 1))}

    X = conv_transpose2d(array(Y), array(W), **layer)

    want = functional.conv_transpose2d(torch.asarray(Y), torch.asarray(W), **layer)
    np.testing.assert_allclose(X, want, rtol=1e-10, atol=1e-12)


def test_dilation_makes_room_for_output_padding_that_the_stride_does_not(
    rng: np.random.Generator,
) -> None:
    Y, W = rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(3, 2, 2, 3))
    layer: Layer = {"stride": 2, "dilation": (4, 1), "output_padding": (3, 1)}

    X = conv_transpose2d(Y, W, **layer)

    want = functional.conv_transpose2d(torch.asarray(Y), torch.asarray(W), **layer)
    np.testing.assert_allclose(X, want, rtol=1e-10, atol=1e-12)


@pytest.mark.verifies("eq-conv-2d-backward")
def test_a_layer_and_its_transpose_are_adjoint(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    X, W, _ = drawn(rng, SKEWED)
    Y = rng.normal(size=skewed(X, W).shape)

    there = run(skewed, X, W)
    back = run(partial(conv_transpose2d, **SKEWED, output_padding=(1, 0)), Y, W)

    np.testing.assert_allclose(np.sum(there * Y), np.sum(X * back), rtol=1e-10)


def test_windows_are_those_that_slide_over_the_image(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    X = rng.normal(size=(2, 3, 8, 7))
    settings: Layer = {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 1)}

    seen = run(partial(unfold, kernel_size=(3, 2), fill=-7.0, **settings), X)

    framed = np.pad(X, ((0, 0), (0, 0), (1, 1), (2, 2)), constant_values=-7.0)
    slid = sliding_window_view(framed, (5, 2), axis=(2, 3))[:, :, ::2, :, ::2]
    assert seen.shape == (6, 2, 3, 3, 10)
    np.testing.assert_array_equal(np.moveaxis(seen, 0, -1).reshape(slid.shape), slid)


def test_cutting_up_and_adding_overlaps_are_adjoint(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    settings: Layer = {"stride": (3, 2), "padding": (0, 2), "dilation": (1, 3)}
    X = rng.normal(size=(2, 9, 8))
    seen = unfold(X, (2, 3), **settings)
    slices = rng.normal(size=seen.shape)

    image = run(partial(fold, shape=(9, 8), kernel_size=(2, 3), **settings), slices)

    np.testing.assert_allclose(np.sum(seen * slices), np.sum(X * image), rtol=1e-10)


@pytest.mark.verifies("eq-filter-weights")
@pytest.mark.parametrize(("kernel_size", "depth"), [(5, 3), (1, 7), (4, 1)])
def test_a_filter_has_the_parameters_of_pytorchs(kernel_size: int, depth: int) -> None:
    layer = torch.nn.Conv2d(depth, 1, kernel_size)

    count = filter_parameter_count(kernel_size, depth)

    assert count == sum(each.numel() for each in layer.parameters())


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        ({"stride": 0}, "stride must be an int or a pair of ints, at least 1, got 0"),
        ({"stride": (1, -2)}, r"stride must be .* at least 1, got \(1, -2\)"),
        ({"stride": 1.5}, "stride must be .* got 1.5"),
        ({"stride": (1, 2, 3)}, r"stride must be .* got \(1, 2, 3\)"),
        ({"padding": -1}, "padding must be .* at least 0, got -1"),
        ({"padding": float("nan")}, "padding must be .* got nan"),
        ({"dilation": 0}, "dilation must be .* at least 1, got 0"),
        ({"groups": 0}, "groups must be an int of at least 1 .* 4 filters .* got 0"),
        ({"groups": 3}, "groups must be .* divides the 4 filters of W, got 3"),
        (
            {"groups": 2},
            r"X must have 4 channels, groups .2. times those of W .2., got 2",
        ),
        ({"dilation": 3}, "size 3 and dilation 3 does not fit into 5 x 6 pixels"),
    ],
)
def test_a_layer_that_cannot_be_is_refused(layer: Layer, says: str) -> None:
    X, W = np.ones((1, 2, 5, 6)), np.ones((4, 2, 3, 3))

    with pytest.raises(ValueError, match=says):
        conv2d(X, W, **layer)
    with pytest.raises(ValueError, match=says):
        conv2d_backward(X, W, np.ones((1, 4, 3, 4)), **layer)


def test_filters_that_do_not_belong_to_the_images_or_biases_are_refused() -> None:
    X, W = np.ones((1, 2, 5, 6)), np.ones((4, 3, 3, 3))

    with pytest.raises(
        ValueError,
        match=r"X must have 3 channels, groups .1. times those of W .3., got 2",
    ):
        conv2d(X, W)
    with pytest.raises(
        ValueError, match=r"got b of shape \(3,\), but filters is 4 in W"
    ):
        conv2d(X, W, np.ones(3))


@pytest.mark.parametrize("shape", [(1, 4, 2, 4), (1, 4, 3, 5)])
def test_an_upstream_gradient_of_another_size_is_refused(
    shape: tuple[int, ...],
) -> None:
    X, W = np.ones((1, 2, 5, 6)), np.ones((4, 2, 3, 3))

    with pytest.raises(ValueError, match="upstream must have 3 rows and 4 columns"):
        conv2d_backward(X, W, np.ones(shape))


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (
            {"output_padding": 1},
            "output_padding must be less than the stride 1 .* got 1",
        ),
        ({"output_padding": -1}, "output_padding must be .* at least 0, got -1"),
        (
            {"padding": 2},
            "padding must leave some of the image, got 2, .* 0 x 1 pixels",
        ),
        ({"groups": 3}, "groups must be .* divides the 4 filters of W, got 3"),
        ({"stride": 0}, "stride must be .* got 0"),
    ],
)
def test_a_transposed_layer_that_cannot_be_is_refused(layer: Layer, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        conv_transpose2d(np.ones((1, 4, 2, 3)), np.ones((4, 2, 3, 3)), **layer)


@pytest.mark.parametrize("shape", [(4, 3, 3), (9, 4, 3), (9, 3, 4), (9, 2, 3)])
def test_slices_that_are_not_of_such_windows_are_refused(
    shape: tuple[int, ...],
) -> None:
    with pytest.raises(
        ValueError, match="windows of size 3 on 5 x 5 pixels have other"
    ):
        fold(np.ones(shape), (5, 5), 3)


@pytest.mark.parametrize("kernel_size", [0, (2, 0), 1.5])
def test_a_window_without_pixels_is_refused(kernel_size: Any) -> None:
    with pytest.raises(ValueError, match=r"kernel_size must be .* at least 1, got"):
        unfold(np.ones((4, 4)), kernel_size)


def test_a_filter_that_reads_no_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="depth must be an int of at least 1, got 0"):
        filter_parameter_count(3, depth=0)
