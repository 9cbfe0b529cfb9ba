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

from jaxtyping import Float

from dlnotes.arrays import Array, array_namespace, checked
from dlnotes.cnn.convolution import fold, unfold


@checked
def max_pool2d(
    X: Float[Array, "batch channels height width"],
    kernel_size: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> Float[Array, "batch channels rows columns"]:
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
    seen = _competitors(X, kernel_size, stride, padding, dilation)
    return array_namespace(X).max(seen, axis=0)


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
    seen = _competitors(X, kernel_size, stride, padding, dilation)
    if upstream.shape[2:] != seen.shape[3:]:
        raise ValueError(
            f"upstream must have {seen.shape[3]} rows and {seen.shape[4]} columns, as "
            f"what max_pool2d returns, got shape {tuple(upstream.shape)}"
        )
    largest, nothing, sent = xp.max(seen, axis=0), xp.zeros_like(upstream), []
    for k in range(len(seen)):  # ten times as fast as argmax along the first axis
        lost = seen[k] < largest
        sent.append(xp.where(lost, nothing, upstream))
        upstream = xp.where(lost, upstream, nothing)  # what is left for the next one
    return fold(
        xp.stack(sent),
        (X.shape[2], X.shape[3]),
        kernel_size,
        stride=kernel_size if stride is None else stride,
        padding=padding,
        dilation=dilation,
    )


def _competitors(
    X: Array,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None,
    padding: int | tuple[int, int],
    dilation: int | tuple[int, int],
) -> Array:
    """Return the pixels of each window, and minus infinity for what is outside."""
    seen = unfold(
        X,
        kernel_size,
        stride=kernel_size if stride is None else stride,
        padding=padding,
        dilation=dilation,
        fill=-float("inf"),
    )
    sides, margins = (
        each if isinstance(each, tuple) else (each, each)
        for each in (kernel_size, padding)
    )
    if any(
        2 * margin > input_size
        for margin, input_size in zip(margins, sides, strict=True)
    ):
        raise ValueError(
            f"padding must be at most half of size {kernel_size}, got {padding}"
        )
    return seen
