"""Convolution arithmetic against PyTorch's shapes and gradients, and SciPy's modes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate
from torch.nn import functional

from dlnotes.cnn.arithmetic import (
    conv_output_size,
    conv_output_volume,
    effective_kernel_size,
    reads_per_pixel,
    same_padding,
    transposed_output_size,
)

SIDES = st.integers(1, 40)
SIZES, STRIDES = st.integers(1, 9), st.integers(1, 6)
PADDINGS, DILATIONS = st.integers(0, 5), st.integers(1, 4)

steady = settings(deadline=None, derandomize=True)


def slid(input_size: int, kernel_size: int, **layer: Any) -> torch.Tensor:
    """Return what a filter of ones makes of a line of ones in PyTorch."""
    return functional.conv1d(
        torch.ones(1, 1, input_size), torch.ones(1, 1, kernel_size), **layer
    )


@pytest.mark.verifies("eq-conv-w2")
@steady
@given(
    input_size=SIDES,
    kernel_size=SIZES,
    stride=STRIDES,
    padding=PADDINGS,
    dilation=DILATIONS,
)
def test_a_layer_is_as_large_as_pytorchs_or_both_refuse_it(
    input_size: int, kernel_size: int, stride: int, padding: int, dilation: int
) -> None:
    span = effective_kernel_size(kernel_size, dilation)
    settings: dict[str, Any] = {"stride": stride, "padding": padding}

    try:
        places = conv_output_size(input_size, span, **settings)
    except ValueError:
        with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
            slid(input_size, kernel_size, dilation=dilation, **settings)
    else:
        y = slid(input_size, kernel_size, dilation=dilation, **settings)
        assert places == y.shape[2]


@pytest.mark.verifies("eq-conv-w2")
@steady
@given(
    input_size=st.integers(9, 40), kernel_size=SIZES, stride=STRIDES, padding=PADDINGS
)
def test_an_exact_fit_is_one_whose_last_place_reads_the_last_pixel(
    input_size: int, kernel_size: int, stride: int, padding: int
) -> None:
    line = torch.arange(1.0, input_size + 2 * padding + 1)
    last = line.unfold(0, kernel_size, stride)[-1, -1]

    try:
        conv_output_size(
            input_size, kernel_size, stride=stride, padding=padding, exact=True
        )
    except ValueError:
        assert last < line[-1]
    else:
        assert last == line[-1]


@pytest.mark.verifies("eq-conv-w2")
@steady
@given(input_size=st.integers(3, 40), kernel_size=st.integers(1, 3), stride=STRIDES)
def test_pooling_windows_have_as_many_places(
    input_size: int, kernel_size: int, stride: int
) -> None:
    y = functional.max_pool1d(torch.ones(1, 1, input_size), kernel_size, stride)

    assert conv_output_size(input_size, kernel_size, stride=stride) == y.shape[2]


@pytest.mark.verifies("eq-conv-w2")
def test_the_volume_is_that_of_pytorchs_layer() -> None:
    layer = torch.nn.Conv2d(3, 7, 5, stride=2, padding=1)

    volume = conv_output_volume(
        (3, 12, 17), filters=7, kernel_size=5, stride=2, padding=1
    )

    assert volume == layer(torch.zeros(1, 3, 12, 17)).shape[1:]


@pytest.mark.parametrize(
    ("mode", "padding"),
    [
        ("valid", lambda _: 0),
        ("same", same_padding),
        ("full", lambda kernel_size: kernel_size - 1),
    ],
)
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_valid_same_and_full_are_scipys(
    mode: Any, padding: Callable[[int], int], kernel_size: int
) -> None:
    want = correlate(np.ones(9), np.ones(kernel_size), mode)

    assert conv_output_size(9, kernel_size, padding=padding(kernel_size)) == len(want)


@pytest.mark.verifies("eq-same-padding")
@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
def test_the_same_padding_is_pytorchs(kernel_size: int) -> None:
    X, W = torch.ones(1, 1, 9, 8), torch.ones(1, 1, kernel_size, kernel_size)

    Y = functional.conv2d(X, W, padding=same_padding(kernel_size))

    assert torch.equal(Y, functional.conv2d(X, W, padding="same"))


@steady
@given(
    input_size=st.integers(9, 30), kernel_size=SIZES, stride=STRIDES, padding=PADDINGS
)
def test_a_pixel_is_read_as_often_as_the_sum_of_outputs_grows_with_it(
    input_size: int, kernel_size: int, stride: int, padding: int
) -> None:
    x = torch.ones(1, 1, input_size, requires_grad=True)
    y = functional.conv1d(
        x, torch.ones(1, 1, kernel_size), stride=stride, padding=padding
    )

    reads = reads_per_pixel(input_size, kernel_size, stride=stride, padding=padding)

    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert reads == gradient[0, 0].tolist()


@pytest.mark.parametrize("kernel_size", range(1, 8))
@pytest.mark.parametrize("stride", range(1, 9))
def test_pixels_inside_are_read_equally_often_just_if_the_stride_divides_the_kernel(
    kernel_size: int, stride: int
) -> None:
    reads = reads_per_pixel(40, kernel_size, stride=stride)

    last = (40 - kernel_size) // stride * stride
    inside = set(reads[kernel_size - 1 : last + 1])
    assert inside == {kernel_size // stride, -(-kernel_size // stride)}
    assert (len(inside) == 1) == (kernel_size % stride == 0)


def test_a_stride_as_large_as_the_kernel_can_read_every_pixel_once() -> None:
    assert reads_per_pixel(7, 3, stride=3, padding=1) == [1] * 7


@steady
@given(kernel_size=SIZES, dilation=DILATIONS)
def test_a_dilated_filter_fits_exactly_once_on_as_many_pixels(
    kernel_size: int, dilation: int
) -> None:
    assert (
        slid(
            effective_kernel_size(kernel_size, dilation), kernel_size, dilation=dilation
        ).shape[2]
        == 1
    )


@pytest.mark.parametrize("most", [0, 4])
@steady
@given(
    input_size=SIDES,
    kernel_size=SIZES,
    stride=STRIDES,
    padding=PADDINGS,
    unread=PADDINGS,
)
def test_a_transposed_layer_is_as_large_as_pytorchs_and_leads_back(
    most: int, input_size: int, kernel_size: int, stride: int, padding: int, unread: int
) -> None:
    settings: dict[str, Any] = {"stride": stride, "padding": padding}
    extra = min(unread, most) % stride
    lines = torch.ones(1, 1, input_size), torch.ones(1, 1, kernel_size)

    try:
        pixels = transposed_output_size(
            input_size, kernel_size, **settings, output_padding=extra
        )
    except ValueError:
        assert (input_size - 1) * stride + kernel_size + extra <= 2 * padding
    else:
        y = functional.conv_transpose1d(*lines, output_padding=extra, **settings)
        assert pixels == y.shape[2]
        assert conv_output_size(pixels, kernel_size, **settings) == input_size


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        ({"input_size": 0}, "input_size must be an int of at least 1, got 0"),
        ({"kernel_size": 2.0}, r"kernel_size must be an int of at least 1, got 2\.0"),
        ({"stride": 0}, "stride must be an int of at least 1, got 0"),
        ({"padding": -1}, "padding must be an int of at least 0, got -1"),
        ({"padding": float("nan")}, "padding must be an int of at least 0, got nan"),
        (
            {"kernel_size": 12},
            "kernel_size must be at most 9, the input with its padding, got 12",
        ),
    ],
)
def test_a_line_that_cannot_be_is_refused(layer: dict[str, Any], says: str) -> None:
    line: dict[str, Any] = {"input_size": 7, "kernel_size": 3, "padding": 1} | layer

    with pytest.raises(ValueError, match=says):
        conv_output_size(**line)
    with pytest.raises(ValueError, match=says):
        reads_per_pixel(**line)


def test_a_filter_that_does_not_fit_exactly_can_be_refused() -> None:
    with pytest.raises(
        ValueError, match=r"5 pixels beyond .* multiple of the stride 2"
    ):
        conv_output_size(8, 3, stride=2, exact=True)


def test_an_even_filter_has_no_same_padding() -> None:
    with pytest.raises(ValueError, match=r"kernel_size must be odd .*, got 4"):
        same_padding(4)


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (lambda: conv_output_volume((3, 8, 8), 0, 3), "filters must be .* got 0"),
        (lambda: conv_output_volume((0, 8, 8), 5, 3), "depth must be .* got 0"),
        (
            lambda: effective_kernel_size(3, 0),
            "dilation must be an int of at least 1, got 0",
        ),
        (
            lambda: transposed_output_size(2, 3, padding=3),
            "padding must leave a pixel, got 3, which leaves -2",
        ),
        (
            lambda: transposed_output_size(8, 3, stride=2, output_padding=5),
            "output_padding must be less than the stride 2, got 5",
        ),
        (
            lambda: transposed_output_size(2, 3, output_padding=-1),
            "output_padding must be an int of at least 0, got -1",
        ),
    ],
)
def test_what_cannot_be_counted_is_refused(count: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        count()
