"""The pooling layer.

Pooling replaces each window of a feature map by one number, most often its largest.
The map becomes smaller, and small shifts of what it responds to matter less.  A
pooling layer has no parameters.

References
----------
* M. Lin, Q. Chen and S. Yan (2014). Network in network. *International Conference on
  Learning Representations*. https://arxiv.org/abs/1312.4400
* J. T. Springenberg, A. Dosovitskiy, T. Brox and M. Riedmiller (2015). Striving for
  simplicity: the all convolutional net. *International Conference on Learning
  Representations*, workshop track. https://arxiv.org/abs/1412.6806
* R. Zhang (2019). Making convolutional networks shift-invariant again. *International
  Conference on Machine Learning*. https://arxiv.org/abs/1904.11486
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
    r"""Return the largest number of each window, in each channel by itself.

    At row :math:`i` and column :math:`j` of channel :math:`c` the output is

    .. math::
       :label: eq-max-pool

       Y_{c,i,j} &= \max_{0 \le u, v < F} X_{c,\,iS+u-P,\,jS+v-P} \\
       W_2 &= \left\lfloor \frac{W_1 - F + 2P}{S} \right\rfloor + 1 \\
       H_2 &= \left\lfloor \frac{H_1 - F + 2P}{S} \right\rfloor + 1, \qquad D_2 = D_1

    The maximum runs over the rows :math:`u` and the columns :math:`v` of a window of
    side :math:`F`.  The stride :math:`S` is the step from one window to the next, and
    the padding :math:`P` is how far windows may begin outside the image.  Outside,
    :math:`X = -\infty`, so only pixels of the image can be the largest.

    Parameters
    ----------
    X
        A batch of volumes.
    kernel_size
        The side :math:`F` of a window, or a pair: its height and its width.
    stride
        The step :math:`S` from one window to the next, in pixels, or a pair: down and
        across.  If not given, it is the kernel size, so that windows lie side by side.
    padding
        The padding :math:`P`, or a pair; at most half the side of a window.
    dilation
        The step from one pixel of a window to the next, or a pair; 1 leaves no gap.

    Returns
    -------
    Y
        The largest number of each window.  A window that would reach beyond the padding
        at the far end is left out.

    Raises
    ------
    ValueError
        If a setting is out of its range, or a window does not fit.

    Examples
    --------
    A mark that moves by a pixel leaves the output as it is, if it stays in its window:

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
    """Return which pixel of each window is the largest.

    Where several pixels tie, the first one, row by row, is the winner.  NaN (not a
    number) wins against all pixels before it.  What is outside the image never wins.

    Parameters
    ----------
    X
        A batch of volumes.
    kernel_size, stride, padding, dilation
        As for :func:`max_pool2d`.

    Returns
    -------
    winners
        The position of the winner in its window, counted row by row from zero.

    Raises
    ------
    ValueError
        If :func:`max_pool2d` would refuse the arguments.

    Examples
    --------
    The largest pixel of the first window is at its lower left, the
    third of four positions; in the second window all tie:

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
    r"""Return the gradient of the loss with respect to the input of max pooling.

    The gradient of each output goes to the winner of its window, the other pixels get
    zero, and what comes from several windows is added up:

    .. math::

       \frac{\partial J}{\partial X_{c,y,x}} =
       \sum_{(i,j)\,:\ (y,x) \text{ wins window } (i,j)}
       \frac{\partial J}{\partial Y_{c,i,j}}

    Parameters
    ----------
    X
        The input of :func:`max_pool2d`.
    upstream
        The gradient of the loss with respect to its output,
        :math:`\partial J / \partial Y`.
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
    Windows overlap, and the 9 is the largest of three of them, so it
    gets the gradients of all three:

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
