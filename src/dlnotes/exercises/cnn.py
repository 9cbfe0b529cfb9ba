"""Convolutional networks: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.cnn.arithmetic import (
    conv_output_volume,
    reads_per_pixel,
    transposed_output_size,
)
from dlnotes.cnn.convolution import (
    conv2d,
    conv2d_backward,
    fold,
    receptive_field,
    unfold,
)
from dlnotes.cnn.pooling import max_pool2d, max_pool2d_backward
from dlnotes.exercises import Exercise, Mistake

Answer = Callable[..., Any]


# --- cnn.convolution ------------------------------------------------------------------


def _images(rng: np.random.Generator) -> dict[str, Any]:
    """Draw images and filters, neither of them square, for a stride and a padding."""
    X, W = rng.normal(size=(2, 3, 7, 6)), rng.normal(size=(4, 3, 3, 2))
    return {"X": X, "W": W, "stride": 2, "padding": 1}


def _framed(X: Any, before: int, behind: int, **how: Any) -> Any:
    """Put pixels around an image."""
    return np.pad(X, ((0, 0), (0, 0), (before, behind), (before, behind)), **how)


def _unit_stride(
    X: Any, W: Any, b: Any = None, *, stride: Any = 1, **settings: Any
) -> Any:
    """Give as many outputs as wanted, from neighboring places."""
    rows, columns = conv2d(X, W, b, stride=stride, **settings).shape[2:]
    return conv2d(X, W, b, **settings)[:, :, :rows, :columns]


FORWARD = Exercise(
    name="write-cnn-convolution-forward",
    section="cnn.convolution",
    task="Write `conv2d(X, W, b, *, stride, padding)`, the layer called convolution in "
    "deep learning, for images `X` (batch, channels, height, width), filters `W` "
    "(filters, channels, filter height, filter width) and biases `b` (filters,), with "
    "padding zeros on every side and the same stride both ways; the filter only takes "
    "places where it fits. Return an array (batch, filters, rows, columns).",
    hint="Test a filter that is zero but for a 1 in its upper left corner.",
    solution=conv2d,
    inputs=lambda rng: {**_images(rng), "b": rng.normal(size=4)},
    mistakes=(
        Mistake(
            lambda X, W, b=None, **settings: conv2d(
                X, W[:, :, ::-1, ::-1], b, **settings
            ),
            "You flip the filter. That is the convolution of mathematics and of "
            "scipy's convolve2d; deep-learning layers slide the filter as it is "
            "(cross-correlation).",
            "scipy convolve2d genera valores incorrectos, "
            "https://techfeed.net/es/428607/",
        ),
        Mistake(
            _unit_stride,
            "You compute the right number of outputs but step by one pixel between "
            "them. The position in the image is the output's index times the stride.",
            "Fix stride in 1D and 2D convolution example, "
            "https://github.com/rasbt/machine-learning-book/pull/168",
        ),
        Mistake(
            lambda X, W, b, **settings: conv2d(X, W, X.shape[1] * b, **settings),
            "You add the bias once for every channel. A filter has one bias, added "
            "after the sum over its channels.",
        ),
        Mistake(
            lambda X, W, b=None, **settings: conv2d(
                X, np.broadcast_to(W[:, :1], W.shape), b, **settings
            ),
            "You use the filter's first channel for all channels of the image. A "
            "filter has its own weights for each of them.",
        ),
        Mistake(
            lambda X, W, b=None, *, stride=1, padding=0: conv2d(
                _framed(X, 0, 2 * padding), W, b, stride=stride
            ),
            "You put all zeros below and to the right. The padding goes on every side, "
            "so the first window starts outside the image.",
        ),
        Mistake(
            lambda X, W, b=None, *, stride=1, padding=0: conv2d(
                _framed(X, padding, padding, mode="edge"), W, b, stride=stride
            ),
            "You pad by repeating the border pixels. Asked are zeros.",
        ),
    ),
)


def _overwritten(
    X: Any, W: Any, upstream: Any, *, stride: int = 1, padding: int = 0
) -> Any:
    """Let a window's part of the gradient replace what other windows sent."""
    _, dW, db = conv2d_backward(X, W, upstream, stride=stride, padding=padding)
    padded = np.zeros_like(_framed(X, padding, padding))
    sent = np.einsum("nkij,kcuv->nijcuv", upstream, W)
    for i, j in np.ndindex(upstream.shape[2:]):
        y, x = i * stride, j * stride
        padded[:, :, y : y + W.shape[2], x : x + W.shape[3]] = sent[:, i, j]
    rows, columns = (slice(padding, padding + input_size) for input_size in X.shape[2:])
    return padded[:, :, rows, columns], dW, db


def _uncropped(
    X: Any, W: Any, upstream: Any, *, stride: int = 1, padding: int = 0
) -> Any:
    """Return the gradient of the image with its frame."""
    framed = _framed(X, padding, padding)
    return conv2d_backward(framed, W, upstream, stride=stride)


def _flipped_back(X: Any, W: Any, upstream: Any, **settings: Any) -> Any:
    """Use the filter upside down for the gradient of the image."""
    _, dW, db = conv2d_backward(X, W, upstream, **settings)
    return conv2d_backward(X, W[:, :, ::-1, ::-1], upstream, **settings)[0], dW, db


def _unit_stride_back(
    X: Any, W: Any, upstream: Any, *, stride: int = 1, padding: int = 0
) -> Any:
    """Take the gradient for that of neighboring places."""
    assert stride > 0
    spread = np.zeros_like(conv2d(X, W, padding=padding))
    spread[:, :, : upstream.shape[2], : upstream.shape[3]] = upstream
    return conv2d_backward(X, W, spread, padding=padding)


def _bias_mean(X: Any, W: Any, upstream: Any, **settings: Any) -> Any:
    """Average over the places where the sum belongs."""
    dX, dW, _ = conv2d_backward(X, W, upstream, **settings)
    return dX, dW, upstream.mean(axis=(2, 3)).sum(axis=0)


def _batch_mean(X: Any, W: Any, upstream: Any, **settings: Any) -> Any:
    """Average over the images where the sum belongs."""
    dX, dW, db = conv2d_backward(X, W, upstream, **settings)
    return dX, dW / len(X), db / len(X)


BACKWARD = Exercise(
    name="write-cnn-convolution-backward",
    section="cnn.convolution",
    task="Write `conv2d_backward(X, W, upstream, *, stride, padding)`, where "
    "`upstream` (batch, filters, rows, columns) is the gradient of the loss with "
    "respect to the output of the convolutional layer (cross-correlation, zero "
    "padding on every side) with filters `W` on images `X`. Return the gradients with "
    "respect to `X`, `W` and the bias (filters,), as a tuple.",
    hint="Wherever the forward pass uses one number several times, the backward pass "
    "adds.",
    solution=conv2d_backward,
    inputs=lambda rng: {**_images(rng), "upstream": rng.normal(size=(2, 4, 4, 4))},
    mistakes=(
        Mistake(
            _overwritten,
            "In the gradient of X you overwrite where windows overlap. A pixel that "
            "several windows read gets the sum of what they send back.",
            "confused about the 'col2im' ?, "
            "https://github.com/hguomin/deep-learning-from-scratch/issues/2",
        ),
        Mistake(
            _uncropped,
            "Your gradient of X still has the padding around it. The zeros are no "
            "input; cut them off.",
        ),
        Mistake(
            _flipped_back,
            "You flip the filter although you already spread each output's gradient "
            "over the window it read. The flip belongs to the other way of writing it, "
            "as a convolution of the upstream gradient.",
        ),
        Mistake(
            _unit_stride_back,
            "You forget the stride on the way back: an output's window starts at its "
            "index times the stride, as in the forward pass.",
            "bug fix, https://github.com/Kulbear/deep-learning-coursera/pull/34",
        ),
        Mistake(
            _bias_mean,
            "You average the gradient of the bias over the positions. The bias is "
            "added at each of them, so their gradients are summed.",
        ),
        Mistake(
            _batch_mean,
            "You divide the gradients of W and the bias by the batch size. If the loss "
            "is a mean, that division is in the upstream gradient already.",
        ),
    ),
)


def _reach(spread: Callable[[Any], Any]) -> Answer:
    """Add up the sides less one, each times a distance taken from the strides."""
    return lambda sizes, strides: (
        1 + np.cumsum((np.asarray(sizes) - 1) * spread(np.asarray(strides)))
    ).tolist()


FIELD = Exercise(
    name="write-cnn-convolution-receptive-field",
    section="cnn.convolution",
    task="Write `receptive_field(sizes, strides)` for a stack of convolutional and "
    "pooling layers with these filter sizes and strides, two lists with the first "
    "layer first. Return for each layer how many pixels of the input image, along one "
    "axis, one of its units depends on: a list of ints.",
    hint="Neighboring pixels of a layer's input lie how far apart in the image?",
    solution=receptive_field,
    inputs=lambda rng: {
        "sizes": rng.permutation([2, 3, 4, 5]).tolist(),
        "strides": rng.permutation([2, 3, 1, 2]).tolist(),
    },
    mistakes=(
        Mistake(
            _reach(np.cumprod),
            "You count a layer's own stride. It spreads the units of the next layer "
            "apart, not the pixels this layer reads: only earlier strides count.",
        ),
        Mistake(
            _reach(np.ones_like),
            "You leave the strides out. After a stride of 2 neighboring units lie two "
            "pixels apart, so later filters reach twice as far.",
        ),
        Mistake(
            lambda sizes, **_: list(sizes),
            "You return the filter sizes. They are receptive fields only in the first "
            "layer; deeper units see more of the image.",
        ),
        Mistake(
            _reach(lambda strides: np.concatenate([[1], strides[:-1]])),
            "You use the stride of the layer just before. The strides of all earlier "
            "layers multiply.",
        ),
        Mistake(
            lambda sizes, **_: np.cumprod(sizes).tolist(),
            "You multiply the filter sizes. Windows overlap; a layer adds its size "
            "less one, times the distance of what it reads.",
        ),
    ),
)


# --- cnn.arithmetic -------------------------------------------------------------------


def _layer(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a layer on an image that is not square."""
    return {
        "volume": (
            int(rng.integers(2, 5)),
            int(rng.integers(12, 16)),
            int(rng.integers(17, 22)),
        ),
        "filters": int(rng.integers(6, 11)),
        "kernel_size": int(rng.choice([3, 5])),
        "stride": int(rng.integers(2, 4)),
        "padding": int(rng.integers(1, 3)),
    }


def _volume(
    along: Callable[[int, int, int, int], float],
    deep: Callable[[int, int], int] = lambda _, filters: filters,
) -> Answer:
    """Give an output volume by another rule along an axis, or for the depth."""

    def answer(
        volume: Any,
        filters: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
    ) -> Any:
        rows, columns = (
            int(along(w, kernel_size, stride, padding)) for w in volume[1:]
        )
        return deep(volume[0], filters), rows, columns

    return answer


def _side(w: int, f: int, s: int, p: int) -> int:
    return (w - f + 2 * p) // s + 1


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
    mistakes=(
        Mistake(
            _volume(lambda w, f, s, p: (w - f + 2 * p) // (s + 1)),
            "You divide by the stride plus one. The one is added after the division: "
            "for the place the filter has before its first step.",
        ),
        Mistake(
            _volume(lambda w, f, s, p: (w - f + p) // s + 1),
            "You count the padding once. It is on both sides.",
        ),
        Mistake(
            _volume(lambda w, f, s, p: (w - f + 2 * p) // s),
            "You count the steps of the filter. Its places are one more.",
        ),
        Mistake(
            _volume(lambda w, f, s, p: np.ceil((w - f + 2 * p) / s) + 1),
            "You round up. A place where the filter would stick out does not count, so "
            "round down.",
            "What would be the convolutional layer output by keras.layers.Conv2D when "
            "conv output is fractional?, "
            "https://stats.stackexchange.com/questions/650777/what-would-be-the-convolutional-layer-output-by-keras-layers-conv2d-when-conv-ou",
        ),
        Mistake(
            _volume(_side, lambda depth, _: depth),
            "You keep the depth of the input. The output has one slice for each "
            "filter.",
        ),
        Mistake(
            _volume(_side, lambda depth, filters: depth * filters),
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


COVERAGE = Exercise(
    name="write-cnn-arithmetic-reads-per-pixel",
    section="cnn.arithmetic",
    task="Write `reads_per_pixel(input_size, kernel_size, *, stride, padding)` for a "
    "filter of length `kernel_size` that slides along a line of `input_size` pixels, "
    "with padding on both ends. Return a list of ints: how many places of the filter "
    "read each pixel.",
    hint="List the places of the filter, then ask each pixel which of them contain it.",
    solution=reads_per_pixel,
    inputs=lambda rng: {
        "input_size": int(rng.integers(11, 15)),
        "kernel_size": int(rng.integers(4, 6)),
        "stride": 2,
        "padding": int(rng.integers(1, 3)),
    },
    mistakes=(
        Mistake(
            lambda input_size, kernel_size, **_: [kernel_size] * input_size,
            "You count every pixel as often as the filter is long. That holds only "
            "inside, and only with stride 1.",
        ),
        Mistake(
            lambda input_size, kernel_size, *, stride=1, **_: reads_per_pixel(
                input_size, kernel_size, stride=stride
            ),
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
    inputs=lambda rng: {
        "input_size": int(rng.integers(7, 12)),
        "kernel_size": int(rng.integers(4, 6)),
        "stride": int(rng.integers(2, 4)),
        "padding": 1,
    },
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
    ),
)


# --- cnn.pooling ----------------------------------------------------------------------


def _zero_framed(pooled: Callable[[Any], Any]) -> Answer:
    """Pool windows that read zeros outside the image."""
    return lambda X, kernel_size, *, stride=None, padding=0: pooled(
        unfold(X, kernel_size, stride=stride or kernel_size, padding=padding)
    )


def _largest_size(seen: Any) -> Any:
    """Pick the number farthest from zero."""
    farthest = np.argmax(np.abs(seen), axis=0)[None]
    return np.take_along_axis(seen, farthest, axis=0)[0]


POOL = Exercise(
    name="write-cnn-pooling-max-pool2d",
    section="cnn.pooling",
    task="Write `max_pool2d(X, kernel_size, *, stride, padding)`: max pooling of `X` "
    "(batch, channels, height, width) with square windows. With padding, windows may "
    "start outside the image, but only real pixels compete; windows that do not fit "
    "at the far end are left out. Return an array (batch, channels, rows, columns).",
    hint="Try an image whose pixels are all negative.",
    solution=max_pool2d,
    inputs=lambda rng: {
        "X": rng.normal(size=(2, 3, 7, 6)) - 1,
        "kernel_size": 3,
        "stride": 2,
        "padding": 1,
    },
    mistakes=(
        Mistake(
            _zero_framed(lambda seen: seen.max(axis=0)),
            "You pad with zeros, which beat negative pixels at the border. What is "
            "outside must lose against every pixel.",
            "MaxPool layer does not correctly implement padding., "
            "https://github.com/pytorch/pytorch/issues/41294",
        ),
        Mistake(
            lambda X, kernel_size, *, padding=0, **_: max_pool2d(
                X, kernel_size, padding=padding
            ),
            "You move by the window's own size. Here the stride is given, and windows "
            "may overlap.",
        ),
        Mistake(
            lambda X, kernel_size, **settings: max_pool2d(
                X, kernel_size, **settings
            ).max(axis=1, keepdims=True),
            "You take the maximum over the channels too. Pooling works on each channel "
            "by itself.",
        ),
        Mistake(
            _zero_framed(_largest_size),
            "You pick the pixel of the largest size, whatever its sign. The maximum of "
            "-3 and 1 is 1.",
        ),
        Mistake(
            _zero_framed(lambda seen: seen.mean(axis=0)),
            "That is average pooling.",
        ),
    ),
)


def _shared(share: Callable[[Any], Any]) -> Answer:
    """Send each window's gradient to its pixels in some shares."""

    def answer(X: Any, upstream: Any, kernel_size: Any, *, stride: Any = None) -> Any:
        step = stride or kernel_size
        sent = share(unfold(X, kernel_size, stride=step)) * upstream
        return fold(sent, X.shape[2:], kernel_size, stride=step)

    return answer


def _ties(seen: Any) -> Any:
    return (seen == seen.max(axis=0)).astype(float)


def _last(seen: Any) -> Any:
    """Take the last one of the largest."""
    last = len(seen) - 1 - np.argmax(seen[::-1], axis=0)
    return (np.arange(len(seen)).reshape(-1, 1, 1, 1, 1) == last).astype(float)


def _pool_overwritten(
    X: Any, upstream: Any, kernel_size: int, *, stride: int | None = None
) -> Any:
    """Let the gradient of a window replace what others sent to the pixel."""
    gradient, step = np.zeros_like(X), stride or kernel_size
    for n, c, i, j in np.ndindex(upstream.shape):
        y, x = i * step, j * step
        window = X[n, c, y : y + kernel_size, x : x + kernel_size]
        u, v = np.unravel_index(np.argmax(window), window.shape)
        gradient[n, c, y + u, x + v] = upstream[n, c, i, j]
    return gradient


POOL_BACKWARD = Exercise(
    name="write-cnn-pooling-max-pool2d-backward",
    section="cnn.pooling",
    task="Write `max_pool2d_backward(X, upstream, kernel_size, *, stride)` for max "
    "pooling of `X` (batch, channels, height, width) without padding, where "
    "`upstream` (batch, channels, rows, columns) is the gradient of the loss with "
    "respect to its output. If several pixels of a window are largest, the first one, "
    "row by row, counts as the maximum (as in PyTorch). Return the gradient with "
    "respect to `X`.",
    hint="The gradients that you hand back must sum to the sum of `upstream`.",
    solution=max_pool2d_backward,
    inputs=lambda rng: {
        "X": rng.integers(0, 4, size=(2, 3, 7, 5)).astype(float),
        "upstream": rng.normal(size=(2, 3, 3, 2)),
        "kernel_size": 3,
        "stride": 2,
    },
    mistakes=(
        Mistake(
            _pool_overwritten,
            "You overwrite where windows overlap. A pixel that wins several windows "
            "gets the sum of their gradients.",
            "FIX two bugs in the DeepLIFT max-pool rule, "
            "https://github.com/jmschrei/tangermeme/pull/95",
        ),
        Mistake(
            _shared(_ties),
            "Every pixel that equals the maximum gets the whole gradient, so ties "
            "multiply it. One pixel counts as the maximum.",
        ),
        Mistake(
            _shared(lambda seen: _ties(seen) / _ties(seen).sum(axis=0)),
            "You share the gradient among equal maxima. That is a valid subgradient, "
            "but here the first of them gets all of it.",
        ),
        Mistake(
            _shared(_last),
            "Among equal maxima you take the last. It is the first, row by row, that "
            "counts.",
        ),
        Mistake(
            _shared(lambda seen: np.full_like(seen, 1 / len(seen))),
            "You spread the gradient evenly, as for average pooling. A pixel that was "
            "not the maximum has no effect on the output and gets nothing.",
        ),
    ),
)

EXERCISES = (
    FORWARD,
    BACKWARD,
    FIELD,
    VOLUME,
    COVERAGE,
    TRANSPOSED,
    POOL,
    POOL_BACKWARD,
)
