"""Arithmetic of shapes: what to write, and the mistakes made there."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dlnotes.cnn.arithmetic import (
    conv_output_volume,
    reads_per_pixel,
    transposed_output_size,
)
from dlnotes.exercises.drawing import whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake


def _layer(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a layer and an image into which its filters fit."""
    line = _line(rng)
    least = line.pop("input_size")
    height, width = rng.permutation([least, least + whole(rng, 0, 9)]).tolist()
    return {
        "volume": (whole(rng, 1, 4), height, width),
        "filters": whole(rng, 1, 10),
        **line,
    }


def _line(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a filter, its stride and padding, and a line into which it fits."""
    kernel_size, padding = whole(rng, 1, 5), whole(rng, 0, 3)
    return {
        "input_size": max(1, kernel_size - 2 * padding) + whole(rng, 0, 12),
        "kernel_size": kernel_size,
        "stride": whole(rng, 1, 4),
        "padding": padding,
    }


def _spread(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a transposed convolution that leaves at least a pixel."""
    while True:
        case = _line(rng)
        if (case["input_size"] - 1) * case["stride"] + case["kernel_size"] > (
            2 * case["padding"]
        ):
            return case


def _side(w: int, f: int, s: int, p: int) -> int:
    return (w - f + 2 * p) // s + 1


def _volume(
    volume: Any,
    filters: int,
    kernel_size: int,
    *,
    along: Callable[[int, int, int, int], float] = _side,
    deep: Callable[[int, int], int] = lambda _, filters: filters,
    order: Callable[[int, int, int], tuple[int, int, int]] = lambda *volume: volume,
    **steps: int,
) -> tuple[int, int, int]:
    """Return an output volume by another rule along an axis, or for the depth."""
    stride, padding = steps.get("stride", 1), steps.get("padding", 0)
    rows, columns = (int(along(w, kernel_size, stride, padding)) for w in volume[1:])
    return order(deep(volume[0], filters), rows, columns)


VOLUME = Exercise(
    name="write-cnn-arithmetic-output-volume",
    section="cnn.arithmetic",
    task="Write `conv_output_volume(volume, filters, kernel_size, *, stride, "
    "padding)` for a convolutional layer with square filters of side `kernel_size` on "
    "a `volume` (depth, height, width), with padding on every side. Return the output "
    "volume as three ints (depth, height, width); where the filter does not fit "
    "exactly, the rest of the image is left out.",
    hint="How many steps can the filter make from its first place, and at how many "
    "places is it?",
    solution=conv_output_volume,
    inputs=_layer,
    harmless=("takes volume[0] for its first value",),
    mistakes=(
        Mistake(
            partial(_volume, along=lambda w, f, s, p: (w - f + 2 * p) // (s + 1)),
            "You divide by the stride plus one. The one is added after the division: "
            "for the place the filter has before its first step.",
        ),
        Mistake(
            partial(_volume, along=lambda w, f, s, p: (w - f + p) // s + 1),
            "You count the padding once. It is on both sides.",
        ),
        Mistake(
            partial(_volume, along=lambda w, f, s, p: (w - f + 2 * p) // s),
            "You count the steps of the filter. Its places are one more.",
        ),
        Mistake(
            partial(_volume, along=lambda w, f, s, p: np.ceil((w - f + 2 * p) / s) + 1),
            "You round up. A place where the filter would stick out does not count, so "
            "round down.",
            "What would be the convolutional layer output by keras.layers.Conv2D when "
            "conv output is fractional?, "
            "https://stats.stackexchange.com/questions/650777/what-would-be-the-convolutional-layer-output-by-keras-layers-conv2d-when-conv-ou",
        ),
        Mistake(
            partial(_volume, along=lambda w, f, s, p: round((w - f + 2 * p) / s + 1)),
            "You round to the nearest whole number. A place where the filter would "
            "stick out does not count, so round down.",
        ),
        Mistake(
            partial(_volume, along=lambda w, f, s, p: (w - f + 2 * p + 1) // s),
            "You add the one before you divide. It is added after the division: for "
            "the place the filter has before its first step.",
        ),
        Mistake(
            partial(_volume, along=lambda w, f, s, _: (w - f) // s + 1),
            "You leave the padding out. It makes the image larger, on both sides.",
        ),
        Mistake(
            partial(_volume, along=lambda w, f, s, p: (w - f - 2 * p) // s + 1),
            "You subtract the padding. It makes the image larger.",
        ),
        Mistake(
            partial(_volume, along=lambda w, f, _, p: w - f + 2 * p + 1),
            "You leave the stride out. You count the places of a filter that moves by "
            "one pixel.",
        ),
        Mistake(
            partial(_volume, order=lambda depth, rows, columns: (rows, columns, depth)),
            "You return the depth last. The order is depth, height, width.",
        ),
        Mistake(
            partial(_volume, order=lambda depth, rows, columns: (depth, columns, rows)),
            "You swap height and width. The order is depth, height, width.",
        ),
        Mistake(
            partial(_volume, order=lambda depth, rows, _: (depth, rows, rows)),
            "You take the width to be the height. An image need not be square.",
        ),
        Mistake(
            partial(_volume, deep=lambda depth, _: depth),
            "You keep the depth of the input. The output has one slice for each "
            "filter.",
        ),
        Mistake(
            partial(_volume, deep=lambda depth, filters: depth * filters),
            "You count a slice for each filter and each channel. A filter sums over "
            "the channels and gives one slice.",
        ),
    ),
)


def _bent(
    input_size: int, kernel_size: int, *, stride: int = 1, padding: int = 0
) -> Any:
    """Count at stride 1, with the zeros, and divide."""
    pixel = np.arange(input_size)
    reads = np.minimum(np.minimum(pixel, pixel[::-1]) + 1 + padding, kernel_size)
    return (reads // stride).tolist()


def _unpadded(
    input_size: int, kernel_size: int, *, stride: int = 1, padding: int = 0
) -> Any:
    """Count the places that lie on the line itself."""
    assert padding >= 0
    starts = range(0, input_size - kernel_size + 1, stride)
    return [
        sum(start <= pixel < start + kernel_size for start in starts)
        for pixel in range(input_size)
    ]


def _framed(
    input_size: int, kernel_size: int, *, stride: int = 1, padding: int = 0
) -> list[int]:
    """Count for the padded line, its zeros included."""
    return reads_per_pixel(input_size + 2 * padding, kernel_size, stride=stride)


def _cut_to_nothing(
    input_size: int, kernel_size: int, *, stride: int = 1, padding: int = 0
) -> list[int]:
    """Cut the zeros off by a slice that ends at minus the padding."""
    reads = _framed(input_size, kernel_size, stride=stride, padding=padding)
    return reads[padding:-padding]


def _counted(
    starts: Callable[[int, int, int, int], range],
    beyond: int = 0,
) -> Answer:
    """Count by other starts, or some pixels beyond the filter."""

    def answer(
        input_size: int, kernel_size: int, *, stride: int = 1, padding: int = 0
    ) -> Any:
        begins = starts(input_size, kernel_size, stride, padding)
        return [
            sum(start <= pixel < start + kernel_size + beyond for start in begins)
            for pixel in range(input_size)
        ]

    return answer


def _starts(w: int, f: int, s: int, p: int) -> range:
    return range(-p, w + p - f + 1, s)


def _from_the_end(
    input_size: int, kernel_size: int, *, stride: int = 1, padding: int = 0
) -> Any:
    """Count up with indices that are negative before the line."""
    reads = [0] * input_size
    for start in _starts(input_size, kernel_size, stride, padding):
        for pixel in range(start, min(start + kernel_size, input_size)):
            reads[pixel] += 1
    return reads


COVERAGE = Exercise(
    name="write-cnn-arithmetic-reads-per-pixel",
    section="cnn.arithmetic",
    task="Write `reads_per_pixel(input_size, kernel_size, *, stride, padding)` for a "
    "filter of length `kernel_size` that slides along a line of `input_size` pixels, "
    "with padding on both ends. Return a list of ints: how many places of the filter "
    "read each pixel.",
    hint="List the places of the filter, then ask each pixel which of them contain it.",
    solution=reads_per_pixel,
    inputs=_line,
    mistakes=(
        Mistake(
            lambda input_size, kernel_size, **_: [kernel_size] * input_size,
            "You count every pixel as often as the filter is long. That holds only "
            "inside, and only with stride 1.",
        ),
        Mistake(
            _unpadded,
            "You ignore the padding. It lets the filter start outside, so border "
            "pixels are read more often.",
        ),
        Mistake(
            lambda input_size, kernel_size, *, padding=0, **_: reads_per_pixel(
                input_size, kernel_size, padding=padding
            ),
            "You ignore the stride: the filter skips places.",
        ),
        Mistake(
            lambda input_size, kernel_size, *, stride=1, padding=0: reads_per_pixel(
                input_size + 2 * padding, kernel_size, stride=stride
            )[:input_size],
            "Your counts are those of the padded line from its beginning. The first "
            "`padding` entries belong to zeros, not to pixels.",
        ),
        Mistake(
            _framed,
            "Your counts are those of the padded line. The first and the last "
            "`padding` entries belong to zeros, not to pixels: cut them off.",
        ),
        Mistake(
            _cut_to_nothing,
            "Without padding your list is empty: a slice from padding to minus padding "
            "is one from 0 to 0. Count its end from the front.",
        ),
        Mistake(
            _counted(lambda w, f, s, p: range(-p, w - f + 1, s)),
            "You count the padding once. It is on both ends, so the filter also takes "
            "places that reach beyond the last pixel.",
        ),
        Mistake(
            _counted(lambda w, f, s, p: range(-p, w + p - f, s)),
            "You miss a last place that just fits: `range` leaves out its end.",
        ),
        Mistake(
            _counted(lambda w, f, s, p: range(-p, (_side(w, f, s, p) - 1) * s - p, s)),
            "You miss the last place: you count the steps of the filter, and its "
            "places are one more.",
        ),
        Mistake(
            _counted(lambda w, _, s, p: range(-p, w + p, s)),
            "You let the filter stick out at the far end. A place where it does not "
            "fit into the padded line does not count.",
        ),
        Mistake(
            _counted(_starts, beyond=1),
            "You count one pixel too many at each place. From its start on a filter "
            "reads kernel_size pixels, the first one counted.",
        ),
        Mistake(
            _from_the_end,
            "Where the filter starts before the line your index is negative, and "
            "Python counts it from the end of the list.",
        ),
        Mistake(
            _bent,
            "You count as if with stride 1 and divide by the stride. Which pixels are "
            "read more often depends on where the places fall.",
        ),
    ),
)

TRANSPOSED = Exercise(
    name="write-cnn-arithmetic-transposed-size",
    section="cnn.arithmetic",
    task="Write `transposed_output_size(input_size, kernel_size, *, stride, padding)` "
    "for a transposed convolution of `input_size` pixels with a filter of length "
    "`kernel_size`, where stride and padding are those of the convolution it "
    "transposes. Return the length of the output (an int), the smallest from which "
    "that convolution leads back to `input_size`.",
    hint="Turn the formula of the forward convolution round, for a filter that fits "
    "exactly.",
    solution=transposed_output_size,
    inputs=_spread,
    mistakes=(
        Mistake(
            lambda input_size, kernel_size, *, stride=1, padding=0: (
                (input_size - kernel_size + 2 * padding) // stride + 1
            ),
            "That is the length after a forward convolution. A transposed one goes the "
            "other way and makes the line longer.",
        ),
        Mistake(
            lambda input_size, *, stride=1, padding=0, **_: (
                (input_size - 1) * stride - 2 * padding + 1
            ),
            "You forget the filter: each pixel is spread over its whole length, so the "
            "last one adds kernel_size pixels, not one.",
            "Feedback about ConvTranspose3d, "
            "https://github.com/pytorch/pytorch/issues/172560",
        ),
        Mistake(
            lambda input_size, kernel_size, *, stride=1, padding=0: (
                (input_size - 1) * stride + kernel_size + 2 * padding
            ),
            "You add the padding. It is that of the forward convolution, so here it is "
            "cut off.",
            "[PyTorch] Incorrect padding doc for ConvTranspose*, "
            "https://github.com/pytorch/pytorch/issues/6417",
        ),
        Mistake(
            lambda input_size, kernel_size, *, stride=1, padding=0: (
                input_size * stride + kernel_size - 2 * padding
            ),
            "You count one stride too many: between input_size pixels there are "
            "input_size - 1 of them.",
        ),
        Mistake(
            lambda input_size, kernel_size, *, stride=1, padding=0: (
                (input_size - 1) * stride + kernel_size - padding
            ),
            "You cut the padding off one end only.",
        ),
        Mistake(
            lambda input_size, kernel_size, *, stride=1, **_: (
                (input_size - 1) * stride + kernel_size
            ),
            "You leave the padding out. It is cut off both ends.",
        ),
        Mistake(
            lambda input_size, kernel_size, *, stride=1, padding=0: (
                (input_size - 1) * kernel_size + stride - 2 * padding
            ),
            "You have stride and kernel size the wrong way round. Neighboring pixels "
            "are spread to places one stride apart.",
        ),
        Mistake(
            lambda input_size, kernel_size, *, padding=0, **_: (
                input_size - 1 + kernel_size - 2 * padding
            ),
            "You leave the stride out. Neighboring pixels are spread to places one "
            "stride apart.",
        ),
        Mistake(
            lambda input_size, kernel_size, *, stride=1, padding=0: (
                (input_size - 1) * stride + kernel_size - 2 * padding + 1
            ),
            "You add a one, as the formula of the forward convolution does. Solved for "
            "the other length, that one is subtracted from input_size.",
        ),
        Mistake(
            lambda input_size, kernel_size, *, stride=1, padding=0: (
                input_size * stride + kernel_size - 2 * padding - 1
            ),
            "You give the largest length from which the convolution leads back. Asked "
            "is the smallest, from which it leaves no rest.",
        ),
        Mistake(
            lambda input_size, *, stride=1, **_: input_size * stride,
            "You multiply by the stride and no more. That is right only for some "
            "filters and paddings.",
        ),
    ),
)

EXERCISES = (VOLUME, COVERAGE, TRANSPOSED)
