"""Pooling: what to write, and the mistakes made there."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.cnn.convolution import fold, unfold
from dlnotes.cnn.pooling import max_pool2d, max_pool2d_backward
from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake


def _windows(rng: np.random.Generator, *, padding: bool) -> dict[str, Any]:
    """Draw images, most pixels negative, and windows with and without overlap.

    With padding some are so far below zero that no number is low enough for the frame.
    """
    batch, channels, kernel_size = whole(rng, 1, 3), whole(rng, 1, 3), whole(rng, 1, 4)
    margin = whole(rng, 0, kernel_size // 2) if padding else 0
    least = max(1, kernel_size - 2 * margin)
    X = reals(rng, batch, channels, least + whole(rng, 0, 4), least + whole(rng, 0, 4))
    far = rng.choice([1.0, 1.0, 1e30]) if padding else 1.0
    case = {
        "X": far * (X - np.abs(X).max() * (rng.random() < 0.5)),
        "kernel_size": kernel_size,
        "stride": whole(rng, 1, 4),
    }
    return either(rng, {**case, "padding": margin} if padding else case)


def _with_ties(rng: np.random.Generator) -> dict[str, Any]:
    """Draw images of few values, and the gradient of the loss at the layer's output.

    In some draws the pixels differ a little from these values: they almost tie.
    """
    case = _windows(rng, padding=False)
    X = case["X"]
    few = np.round(2 * X / (np.abs(X).max() or 1)) * np.abs(X).max()
    least = 2.0**-20 if X.dtype == np.float32 else 2.0**-40
    off = least * rng.integers(0, 3, X.shape) * (rng.random() < 0.3)
    case["X"] = (few * (1 + off)).astype(X.dtype)
    upstream = reals(rng, *max_pool2d(**case).shape)
    return {**case, "upstream": upstream.astype(X.dtype)}


def _zero_framed(pooled: Callable[[Any], Any]) -> Answer:
    """Pool windows that read zeros outside the image."""
    return lambda X, kernel_size, *, stride=None, padding=0: pooled(
        unfold(X, kernel_size, stride=stride or kernel_size, padding=padding)
    )


def _rounded_up(
    X: Any, kernel_size: int, *, stride: int | None = None, padding: int = 0
) -> Any:
    """Pool the windows, too, that begin on the padded image and stick out of it."""
    step = stride or kernel_size
    margins = [(0, 0), (0, 0)]
    for size in X.shape[2:]:
        rest = -(size + 2 * padding - kernel_size) % step
        margins.append((padding, padding + rest))
    return max_pool2d(
        np.pad(X, margins, constant_values=-np.inf), kernel_size, stride=step
    )


def _sliced(
    X: Any, kernel_size: int, *, stride: int | None = None, padding: int = 0
) -> Any:
    """Slice the image itself, also from a negative index."""
    step = stride or kernel_size
    rows, columns = (
        range(-padding, size + padding - kernel_size + 1, step) for size in X.shape[2:]
    )
    places = [
        [X[:, :, y : y + kernel_size, x : x + kernel_size] for x in columns]
        for y in rows
    ]
    pooled = np.asarray([[seen.max(axis=(2, 3)) for seen in row] for row in places])
    return pooled.transpose(2, 3, 0, 1)


def _all_axes_framed(X: Any, kernel_size: int, *, padding: int = 0, **how: Any) -> Any:
    """Put minus infinity around the batch and the channels, too."""
    margins = [(padding, padding)] * 2 + [(0, 0)] * 2
    X = np.pad(X, margins, constant_values=-np.inf)
    return max_pool2d(X, kernel_size, padding=padding, **how)


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
    inputs=lambda rng: _windows(rng, padding=True),
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
            lambda X, kernel_size, *, stride=None, **_: max_pool2d(
                X, kernel_size, stride=stride, padding=kernel_size // 2
            ),
            "You choose the padding by the size of the window. It is an argument, and "
            "may be zero.",
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
        Mistake(
            _zero_framed(lambda seen: seen.sum(axis=0)),
            "You sum over each window. Asked is its largest pixel.",
        ),
        Mistake(
            lambda X, kernel_size, **settings: -max_pool2d(-X, kernel_size, **settings),
            "You take the smallest pixel of each window. Asked is the largest.",
        ),
        Mistake(
            lambda X, kernel_size, *, padding=0, **_: max_pool2d(
                X, kernel_size, stride=1, padding=padding
            ),
            "You move by one pixel. The window moves by the stride.",
        ),
        Mistake(
            lambda X, kernel_size, *, stride=None, **_: max_pool2d(
                X, kernel_size, stride=stride
            ),
            "You leave the padding out.",
        ),
        Mistake(
            _sliced,
            "Where a window starts before the image your slice has a negative start, "
            "which Python counts from the end: the slice is empty or holds other "
            "pixels. Cut the window off at the border, or slice a padded image.",
        ),
        Mistake(
            _all_axes_framed,
            "You pad all four axes, the batch and the channels among them. Only height "
            "and width have a padding.",
        ),
        Mistake(
            lambda X, kernel_size, **settings: np.maximum(
                max_pool2d(X, kernel_size, **settings), 0
            ),
            "No number of your result is below zero. Where all pixels of a window are "
            "negative, so is the largest: do not begin to compare with zero.",
        ),
        Mistake(
            lambda X, kernel_size, **settings: max_pool2d(X, kernel_size, **settings)[
                :, :, :-1, :-1
            ],
            "You miss the last row and the last column: the window has one place more "
            "than it has steps.",
        ),
        Mistake(
            _rounded_up,
            "You let windows stick out at the far end, where they do not fit. Round "
            "their number down.",
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


def _first(seen: Any) -> Any:
    """Take the first one of the largest."""
    first = np.argmax(seen, axis=0)
    return (np.arange(len(seen)).reshape(-1, 1, 1, 1, 1) == first).astype(float)


def _neighboring(X: Any, upstream: Any, kernel_size: int, **_: Any) -> Any:
    """Take the gradient for that of windows that move by one pixel."""
    spread = np.zeros_like(max_pool2d(X, kernel_size, stride=1))
    spread[:, :, : upstream.shape[2], : upstream.shape[3]] = upstream
    return max_pool2d_backward(X, spread, kernel_size, stride=1)


def _by_columns(
    X: Any, upstream: Any, kernel_size: int, *, stride: int | None = None
) -> Any:
    """Search each window column by column."""
    turned = max_pool2d_backward(
        X.swapaxes(2, 3), upstream.swapaxes(2, 3), kernel_size, stride=stride
    )
    return turned.swapaxes(2, 3)


def _nearly(seen: Any) -> Any:
    """Take the first one that is close to the largest."""
    first = np.argmax(np.isclose(seen, seen.max(axis=0), atol=0), axis=0)
    return (np.arange(len(seen)).reshape(-1, 1, 1, 1, 1) == first).astype(float)


def _transposed(seen: Any) -> Any:
    """Take the pixel whose row and column are those of the first largest, swapped."""
    side = math.isqrt(len(seen))
    first = _first(seen).reshape(side, side, *seen.shape[1:])
    return first.swapaxes(0, 1).reshape(seen.shape)


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
    inputs=_with_ties,
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
            _shared(_transposed),
            "Inside the window you swap row and column of the largest pixel.",
        ),
        Mistake(
            _shared(_nearly),
            "You count numbers that are close as equal. The maximum is the largest, by "
            "however little; only equal pixels tie.",
        ),
        Mistake(
            _shared(lambda seen: np.full_like(seen, 1 / len(seen))),
            "You spread the gradient evenly, as for average pooling. A pixel that was "
            "not the maximum has no effect on the output and gets nothing.",
        ),
        Mistake(
            _shared(np.ones_like),
            "You send the whole gradient to every pixel of the window. Only the "
            "largest one has an effect on the output.",
        ),
        Mistake(
            _shared(lambda seen: _first(-seen)),
            "You send the gradient to the smallest pixel. The largest one made the "
            "output.",
        ),
        Mistake(
            _shared(lambda seen: _first(np.abs(seen))),
            "You send the gradient to the pixel of the largest size, whatever its "
            "sign. The maximum of -3 and 1 is 1.",
        ),
        Mistake(
            _shared(lambda seen: seen * _first(seen)),
            "You multiply the gradient by the pixel. If the maximum rises by 0.1, so "
            "does the output: the derivative is 1.",
        ),
        Mistake(
            lambda X, upstream, kernel_size, *, stride=None: max_pool2d_backward(
                X, np.ones_like(upstream), kernel_size, stride=stride
            ),
            "You leave `upstream` out. Multiply by the gradient that arrives at the "
            "output.",
        ),
        Mistake(
            lambda X, upstream, kernel_size, *, stride=None: (
                max_pool2d_backward(X, upstream, kernel_size, stride=stride) / len(X)
            ),
            "You divide by the batch size. If the loss is a mean, that division is in "
            "the upstream gradient already.",
        ),
        Mistake(
            _neighboring,
            "You forget the stride on the way back: a window starts at its index times "
            "the stride, as in the forward pass.",
        ),
        Mistake(
            _by_columns,
            "Where pixels tie you take the first one column by column. It is the "
            "first, row by row, that counts.",
        ),
    ),
)

EXERCISES = (POOL, POOL_BACKWARD)
