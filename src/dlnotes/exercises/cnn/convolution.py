"""Convolution: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.cnn.convolution import conv2d, conv2d_backward
from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake


def _images(rng: np.random.Generator) -> dict[str, Any]:
    """Draw images and filters, a stride and a padding, with and without a rest."""
    batch, channels, filters = (whole(rng, 1, 3) for _ in range(3))
    kernel, padding = (whole(rng, 1, 3), whole(rng, 1, 3)), whole(rng, 0, 2)
    size = (max(1, side - 2 * padding) + whole(rng, 0, 4) for side in kernel)
    case = {
        "X": reals(rng, batch, channels, *size),
        "W": reals(rng, filters, channels, *kernel),
        "b": reals(rng, filters),
        "stride": whole(rng, 1, 3),
        "padding": padding,
    }
    return either(rng, case)


def _sent_back(rng: np.random.Generator) -> dict[str, Any]:
    """Draw images, filters, and the gradient of the loss at the layer's output."""
    case = _images(rng)
    b = case.pop("b")
    upstream = conv2d(**case, b=b)
    return {**case, "upstream": reals(rng, *upstream.shape).astype(b.dtype)}


def _framed(X: Any, before: int, behind: int, **how: Any) -> Any:
    """Put pixels around an image."""
    return np.pad(X, ((0, 0), (0, 0), (before, behind), (before, behind)), **how)


def _unit_stride(
    X: Any, W: Any, b: Any = None, *, stride: Any = 1, **settings: Any
) -> Any:
    """Give as many outputs as wanted, from neighboring places."""
    rows, columns = conv2d(X, W, b, stride=stride, **settings).shape[2:]
    return conv2d(X, W, b, **settings)[:, :, :rows, :columns]


def _one_before_division(
    X: Any, W: Any, b: Any = None, *, stride: int = 1, padding: int = 0
) -> Any:
    """Add the one to the steps of the filter before they are divided."""
    rows, columns = (
        (X.shape[k] - W.shape[k] + 2 * padding + 1) // stride for k in (2, 3)
    )
    outputs = conv2d(X, W, b, stride=stride, padding=padding)
    return outputs[:, :, :rows, :columns]


def _rounded_up(
    X: Any, W: Any, b: Any = None, *, stride: int = 1, padding: int = 0
) -> Any:
    """Add places where a filter sticks out, with zeros below it."""
    X = _framed(X, padding, padding)
    rests = (-(X.shape[k] - W.shape[k]) % stride for k in (2, 3))
    X = np.pad(X, [(0, 0), (0, 0), *((0, rest) for rest in rests)])
    return conv2d(X, W, b, stride=stride)


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
    inputs=_images,
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
            lambda X, W, b, **settings: conv2d(X, W, W[0].size * b, **settings),
            "You add the bias to every product. A filter has one bias, added once "
            "after the sum.",
        ),
        Mistake(
            _one_before_division,
            "In the number of rows and columns you add the one before you divide. It "
            "is added after the division: for the place the filter has before its "
            "first step.",
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
        Mistake(
            lambda X, W, b=None, *, stride=1, **_: conv2d(
                X, W, b, stride=stride, padding=(W.shape[2] // 2, W.shape[3] // 2)
            ),
            "You choose the padding by the size of the filter. It is an argument, and "
            "may be zero or larger.",
        ),
        Mistake(
            _rounded_up,
            "You let the filter take a last place where it sticks out of the padded "
            "image. Where the stride leaves a rest, the number of places is rounded "
            "down.",
        ),
        Mistake(
            lambda X, W, b, **settings: conv2d(X, W, 0 * b, **settings),
            "You leave the bias out. It is added to every number of the filter's "
            "output.",
        ),
        Mistake(
            lambda X, W, b, **settings: conv2d(X, W, -b, **settings),
            "You subtract the bias. It is added.",
        ),
        Mistake(
            lambda X, W, b, **settings: conv2d(X, W / X.shape[1], b, **settings),
            "You average over the channels. Their sums are added up.",
        ),
        Mistake(
            lambda X, W, b, **settings: conv2d(X, W / W[0].size, b, **settings),
            "You take the mean of the products. Asked is their sum.",
        ),
        Mistake(
            lambda X, W, b, **settings: conv2d(X[:, :1], W[:, :1], b, **settings),
            "You read the first channel only. A filter sums over all channels.",
        ),
        Mistake(
            lambda X, W, b, **settings: conv2d(X[:, -1:], W[:, -1:], b, **settings),
            "You keep the last channel only: each channel replaces the sum instead of "
            "being added to it.",
        ),
        Mistake(
            lambda X, W, b, *, stride=1, **_: conv2d(X, W, b, stride=stride),
            "You leave the padding out.",
        ),
        Mistake(
            lambda X, W, b, *, stride=1, padding=0: conv2d(
                X, W, b, stride=stride, padding=padding // 2
            ),
            "You halve the padding. It says how many zeros there are on each side, not "
            "on both together.",
        ),
        Mistake(
            lambda X, W, b, *, padding=0, **_: conv2d(X, W, b, padding=padding),
            "You leave the stride out: your output has every place of the filter.",
        ),
        Mistake(
            lambda X, W, b, **settings: conv2d(X, W, b, **settings)[:, :, :-1, :-1],
            "You miss the last row and the last column: the filter has one place more "
            "than it has steps.",
        ),
        Mistake(
            lambda X, W, b, **settings: conv2d(X, W, b, **settings).transpose(
                0, 2, 3, 1
            ),
            "You return the filters as the last axis. They are the second one.",
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


def _cropped_to_nothing(
    X: Any, W: Any, upstream: Any, *, stride: int = 1, padding: int = 0
) -> Any:
    """Cut the frame off by a slice that ends at minus the padding."""
    dX, dW, db = _uncropped(X, W, upstream, stride=stride, padding=padding)
    return dX[:, :, padding:-padding, padding:-padding], dW, db


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


def _afterwards(change: Callable[[Any, Any, Any, Any], Any]) -> Answer:
    """Change the gradients once they are computed."""
    return lambda X, W, upstream, **settings: change(
        *conv2d_backward(X, W, upstream, **settings), X
    )


def _bias_of_each_image(X: Any, W: Any, upstream: Any, **settings: Any) -> Any:
    """Sum over the places and not over the images."""
    dX, dW, _ = conv2d_backward(X, W, upstream, **settings)
    return dX, dW, upstream.sum(axis=(2, 3))


def _weights_of_the_last_image(X: Any, W: Any, upstream: Any, **settings: Any) -> Any:
    """Forget the gradient of the filters at each new image."""
    dX, _, db = conv2d_backward(X, W, upstream, **settings)
    return dX, conv2d_backward(X[-1:], W, upstream[-1:], **settings)[1], db


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
    inputs=_sent_back,
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
            _cropped_to_nothing,
            "Without padding your gradient of X is empty: a slice from padding to "
            "minus padding is one from 0 to 0. Count its end from the front.",
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
        Mistake(
            _afterwards(lambda dX, dW, db, X: (dX, dW / len(X), db)),
            "You divide the gradient of W by the batch size. If the loss is a mean, "
            "that division is in the upstream gradient already.",
        ),
        Mistake(
            _afterwards(lambda dX, dW, db, X: (dX / len(X), dW / len(X), db / len(X))),
            "You divide all gradients by the batch size. If the loss is a mean, that "
            "division is in the upstream gradient already.",
        ),
        Mistake(
            _afterwards(lambda dX, dW, db, _: (dW, dX, db)),
            "You return the gradient of W first. The order is X, W, bias.",
        ),
        Mistake(
            _afterwards(lambda dX, dW, db, _: (dW, db, dX)),
            "You return the gradient of X last. The order is X, W, bias.",
        ),
        Mistake(
            _afterwards(lambda dX, dW, db, _: (-dX, -dW, -db)),
            "You turn the sign. Asked are the gradients; the minus belongs to the step "
            "that follows them.",
        ),
        Mistake(
            _afterwards(lambda dX, dW, db, _: (dX, dW[:, :, ::-1, ::-1], db)),
            "You flip the gradient of W. It has the order of the filter, which is not "
            "flipped in the forward pass either.",
        ),
        Mistake(
            _afterwards(lambda dX, dW, db, _: (dX, dW, db.sum())),
            "You sum the gradient of the bias over the filters, too. Each filter has a "
            "bias of its own.",
        ),
        Mistake(
            _bias_of_each_image,
            "You do not sum the gradient of the bias over the images. All images use "
            "the same bias.",
        ),
        Mistake(
            _weights_of_the_last_image,
            "Your gradient of W is that of the last image: each image replaces the sum "
            "instead of being added to it.",
        ),
    ),
)


EXERCISES = (FORWARD, BACKWARD)
