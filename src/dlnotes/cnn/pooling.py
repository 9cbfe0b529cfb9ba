r"""The pooling layer.

Pooling makes a volume smaller and learns nothing.  Of each window of side :math:`F` it
keeps the largest number, in each slice of the volume by itself, and the windows lie
:math:`S` pixels apart:

.. math::
   :label: eq-max-pool

   Y_{c,i,j} = \max_{0 \le u, v < F} X_{c,\,iS+u,\,jS+v}, \qquad
   W_2 = \frac{W_1 - F}{S} + 1

Only the pixel that won has a say in the output, so it alone gets the gradient.  The
depth stays, and there are no parameters.

References
----------
* D. Scherer, A. Müller and S. Behnke (2010). Evaluation of pooling operations in
  convolutional architectures for object recognition. *International Conference on
  Artificial Neural Networks*. https://doi.org/10.1007/978-3-642-15825-4_10
"""

from functools import reduce

from jaxtyping import Float, Int, Real

from dlnotes.arrays import Array, array_namespace, checked
from dlnotes.cnn.convolution import _fold, _slices, _Windows, _windows


@checked
def max_pool2d(
    X: Real[Array, "batch channels height width"],
    kernel_size: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> Real[Array, "batch channels rows columns"]:
    """Keep the largest pixel of each window, by :eq:`eq-max-pool`.

    Parameters
    ----------
    X
        A batch of volumes.
    kernel_size
        The side of a window, or a pair: its height and its width.
    stride
        How many pixels lie between neighboring windows, or a pair; if not given, the
        windows lie side by side.
    padding
        How far a window may reach out of the image, or a pair; at most half its side.
        What is outside loses against every pixel.
    dilation
        How many pixels lie between those of a window, or a pair.

    Returns
    -------
    Y
        The largest pixel of each window.  Windows that would stick out at the far end
        are left out.

    Raises
    ------
    ValueError
        If a setting is out of its range, or a window does not fit.

    Examples
    --------
    A mark that moves by a pixel leaves no trace, if it stays within its window:

    >>> import numpy as np
    >>> from dlnotes.cnn.pooling import max_pool2d
    >>> marks = np.array([[[[0.0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [3, 0, 0, 0]]]])
    >>> max_pool2d(marks, 2)[0, 0]
    array([[0., 1.],
           [3., 0.]])
    >>> max_pool2d(np.roll(marks, 1, axis=3), 2)[0, 0]
    array([[0., 1.],
           [3., 0.]])
    """
    windows = _pooling_windows(kernel_size, stride, padding, dilation)
    return reduce(array_namespace(X).maximum, _slices(X, windows, _lowest(X)))


@checked
def max_pool2d_winners(
    X: Real[Array, "batch channels height width"],
    kernel_size: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> Int[Array, "batch channels rows columns"]:
    """Tell which pixel of each window :func:`max_pool2d` has kept.

    Where several are largest, the first one wins, and what is not a number wins against
    all before it.  What is outside the image never wins.

    Parameters
    ----------
    X
        A batch of volumes.
    kernel_size, stride, padding, dilation
        As for :func:`max_pool2d`.

    Returns
    -------
    winners
        The place of the winner in its window, counted row by row from zero.

    Raises
    ------
    ValueError
        If :func:`max_pool2d` would refuse the arguments.

    Examples
    --------
    The largest pixel stands at the lower left of the first window, the third of its
    four places; in the second window all are equal:

    >>> import numpy as np
    >>> from dlnotes.cnn.pooling import max_pool2d_winners
    >>> max_pool2d_winners(
    ...     np.array([[[[1.0, 2.0, 7.0, 7.0], [5.0, 0.0, 7.0, 7.0]]]]), 2
    ... )
    array([[[[2, 0]]]])
    """
    windows = _pooling_windows(kernel_size, stride, padding, dilation)
    xp, lowest = array_namespace(X), _lowest(X)
    inside = xp.ones_like(X[:1, :1, :, :], dtype=xp.uint8)
    first = xp.argmax(xp.stack(_slices(inside, windows)), axis=0)
    best, *others = _slices(X, windows, lowest)
    winners = xp.zeros_like(best, dtype=first.dtype) + first
    for k, pixels in enumerate(others, 1):
        better = (pixels > best) | xp.isnan(pixels)
        best = xp.where(better, pixels, best)
        winners = xp.where(better, k, winners)
    return winners


@checked
def max_pool2d_backward(
    X: Float[Array, "batch channels height width"],
    upstream: Float[Array, "batch channels rows columns"],
    kernel_size: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> Float[Array, "batch channels height width"]:
    """Send the gradient of each window to the pixel that won it.

    Where several pixels of a window are largest, the first one, row by row, is the
    winner.

    Parameters
    ----------
    X
        What :func:`max_pool2d` was given.
    upstream
        The gradient of the loss with respect to what it returned.
    kernel_size, stride, padding, dilation
        As for :func:`max_pool2d`.

    Returns
    -------
    gradient
        The gradient of the loss with respect to ``X``.

    Raises
    ------
    ValueError
        If :func:`max_pool2d` would refuse the arguments, or returns another height or
        width than that of ``upstream``.

    Examples
    --------
    Windows overlap, and the pixel that wins three of them is told by all three:

    >>> import numpy as np
    >>> from dlnotes.cnn.pooling import max_pool2d_backward
    >>> X = np.array([[[[0.0, 4.0, 9.0, 3.0, 5.0, 1.0]]]])
    >>> upstream = np.array([[[[10.0, 20.0, 30.0, 40.0]]]])
    >>> max_pool2d_backward(X, upstream, kernel_size=(1, 3), stride=1)
    array([[[[ 0.,  0., 60.,  0., 40.,  0.]]]])
    """
    xp = array_namespace(X)
    windows = _pooling_windows(kernel_size, stride, padding, dilation)
    winners = max_pool2d_winners(
        X, kernel_size, stride=stride, padding=padding, dilation=dilation
    )
    if upstream.shape[2:] != winners.shape[2:]:
        raise ValueError(
            f"upstream must have {winners.shape[2]} rows and {winners.shape[3]} "
            f"columns, as what max_pool2d returns, got shape {tuple(upstream.shape)}"
        )
    height, width = windows.kernel_size
    sent = [xp.where(winners == k, upstream, 0) for k in range(height * width)]
    return _fold(xp.stack(sent), (X.shape[2], X.shape[3]), windows)


def _pooling_windows(
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None,
    padding: int | tuple[int, int],
    dilation: int | tuple[int, int],
) -> _Windows:
    """Bring the settings into one form; without a stride windows lie side by side."""
    stride = kernel_size if stride is None else stride
    windows = _windows(kernel_size, stride, padding, dilation)
    if any(2 * windows.padding[k] > windows.kernel_size[k] for k in (0, 1)):
        raise ValueError(
            f"padding must be at most half of size {kernel_size}, got {padding}"
        )
    return windows


def _lowest(X: Array) -> float:
    """Return a number that loses against every pixel."""
    xp = array_namespace(X)
    if xp.isdtype(X.dtype, "integral"):
        return xp.iinfo(X.dtype).min
    return -float("inf")
