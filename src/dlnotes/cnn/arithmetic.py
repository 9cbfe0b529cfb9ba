"""Convolution arithmetic: depth, stride and zero-padding.

Four settings of a convolutional layer fix the shape of its output for a given input:
the number of filters, their kernel size, the stride and the padding.  A fifth, the
dilation, acts like a larger kernel size.  This section counts the positions of a
window, first along one axis and then in a volume, counts how often each pixel is read,
and goes back from the size of the output to that of the input.

References
----------
* V. Dumoulin and F. Visin (2016). A guide to convolution arithmetic for deep learning.
  https://arxiv.org/abs/1603.07285
* A. Krizhevsky, I. Sutskever and G. E. Hinton (2012). ImageNet classification with deep
  convolutional neural networks. *Advances in Neural Information Processing Systems* 25.
  https://papers.nips.cc/paper/4824
* A. Odena, V. Dumoulin and C. Olah (2016). Deconvolution and checkerboard artifacts.
  *Distill*. https://doi.org/10.23915/distill.00003
"""

from dlnotes.checks import integer


def conv_output_size(
    input_size: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int = 0,
    exact: bool = False,
) -> int:
    r"""Count the positions of a window along one axis: the size of the output.

    A layer with :math:`K` filters of kernel size :math:`F`, stride :math:`S` and
    padding :math:`P` turns a volume of width :math:`W_1` and height :math:`H_1` into
    one of width :math:`W_2`, height :math:`H_2` and depth :math:`D_2`:

    .. math::
       :label: eq-conv-w2

       W_2 &= \left\lfloor \frac{W_1 - F + 2P}{S} \right\rfloor + 1 \\
       H_2 &= \left\lfloor \frac{H_1 - F + 2P}{S} \right\rfloor + 1, \qquad D_2 = K

    The fraction is how many steps of :math:`S` pixels fit between the first position
    and the end of the padded line.  The brackets round it down, since a window that
    sticks out does not count.  The one is the first position.

    Parameters
    ----------
    input_size
        The number of pixels :math:`W_1` or :math:`H_1` along the axis.
    kernel_size
        The kernel size :math:`F`, or the side of a pooling window.
    stride
        The step :math:`S` from one window to the next, in pixels.
    padding
        The number of zeros :math:`P` on each side.
    exact
        Whether to refuse settings that leave pixels, or zeros, at the far end unread.

    Returns
    -------
    places
        The number of positions, which is the size of the output along the axis.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the window does not fit.

    Examples
    --------
    With a stride of 2 the output is half as large, but the last zero is not read:

    >>> from dlnotes.cnn.arithmetic import conv_output_size
    >>> conv_output_size(32, 5, stride=2, padding=2)
    16
    >>> conv_output_size(32, 5, stride=2, padding=2, exact=True)
    Traceback (most recent call last):
        ...
    ValueError: 31 pixels beyond the first place are no multiple of the stride 2
    """
    integer(1, input_size=input_size, kernel_size=kernel_size, stride=stride)
    integer(0, padding=padding)
    steps, rest = divmod(input_size - kernel_size + 2 * padding, stride)
    if steps < 0:
        raise ValueError(
            f"kernel_size must be at most {input_size + 2 * padding}, the input with "
            f"its padding, got {kernel_size}"
        )
    if exact and rest:
        raise ValueError(
            f"{input_size - kernel_size + 2 * padding} pixels beyond the first place "
            f"are no multiple of the stride {stride}"
        )
    return steps + 1


def conv_output_volume(
    volume: tuple[int, int, int],
    filters: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int = 0,
) -> tuple[int, int, int]:
    """Return the shape that a convolutional layer makes of a volume.

    Rows and columns follow :eq:`eq-conv-w2` independently.  The depth of the output is
    the number of filters, whatever the depth of the input.

    Parameters
    ----------
    volume
        The depth, height and width of the input.
    filters
        The number of filters :math:`K`.
    kernel_size
        The kernel size :math:`F`.  The filters are as deep as the volume.
    stride
        The step :math:`S` from one window to the next, in pixels, down and across.
    padding
        The number of rows and columns of zeros :math:`P` on each side.

    Returns
    -------
    volume
        The depth, height and width of the output.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the filter does not fit.

    Examples
    --------
    The first layer of AlexNet (Krizhevsky et al., 2012) on a color image:

    >>> from dlnotes.cnn.arithmetic import conv_output_volume
    >>> conv_output_volume((3, 227, 227), filters=96, kernel_size=11, stride=4)
    (96, 55, 55)
    """
    integer(1, depth=volume[0], filters=filters)
    rows, columns = (
        conv_output_size(input_size, kernel_size, stride=stride, padding=padding)
        for input_size in volume[1:]
    )
    return filters, rows, columns


def same_padding(kernel_size: int) -> int:
    r"""Return the padding that keeps the size of the image, at stride 1.

    Set :math:`W_2 = W_1` and :math:`S = 1` in :eq:`eq-conv-w2`.  That leaves
    :math:`W_1 = W_1 - F + 2P + 1`, so :math:`2P = F - 1` and

    .. math::
       :label: eq-same-padding

       P = \frac{F - 1}{2} \qquad (S = 1,\ F \text{ odd})

    For an even kernel size this is no whole number: one side would need a zero more.

    Parameters
    ----------
    kernel_size
        The kernel size :math:`F`, an odd number.

    Returns
    -------
    padding
        The number of zeros :math:`P` on each side.

    Raises
    ------
    ValueError
        If the kernel size is even.

    Examples
    --------
    >>> from dlnotes.cnn.arithmetic import conv_output_size, same_padding
    >>> conv_output_size(32, 5, padding=same_padding(5))
    32
    >>> same_padding(4)
    Traceback (most recent call last):
        ...
    ValueError: kernel_size must be odd for the same padding on both sides, got 4
    """
    integer(1, kernel_size=kernel_size)
    if kernel_size % 2 == 0:
        raise ValueError(
            "kernel_size must be odd for the same padding on both sides, got "
            f"{kernel_size}"
        )
    return (kernel_size - 1) // 2


def reads_per_pixel(
    input_size: int, kernel_size: int, *, stride: int = 1, padding: int = 0
) -> list[int]:
    """Count how many windows contain each pixel of a line.

    Window :math:`i` begins at pixel :math:`iS - P` and ends :math:`F - 1` pixels later.

    Parameters
    ----------
    input_size
        The number of pixels of the line.
    kernel_size
        The kernel size :math:`F`.
    stride
        The step :math:`S` from one window to the next, in pixels.
    padding
        The number of zeros :math:`P` on each side.

    Returns
    -------
    reads
        For each pixel the number of windows that contain it.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the window does not fit.

    Examples
    --------
    Without padding the first and the last pixel are read once.  With
    a stride as large as the kernel the windows lie side by side, and the last pixel is
    left over:

    >>> from dlnotes.cnn.arithmetic import reads_per_pixel
    >>> reads_per_pixel(7, 3)
    [1, 2, 3, 3, 3, 2, 1]
    >>> reads_per_pixel(7, 3, stride=3)
    [1, 1, 1, 1, 1, 1, 0]
    """
    places = conv_output_size(input_size, kernel_size, stride=stride, padding=padding)
    starts = [place * stride - padding for place in range(places)]
    return [
        sum(start <= pixel < start + kernel_size for start in starts)
        for pixel in range(input_size)
    ]


def effective_kernel_size(kernel_size: int, dilation: int) -> int:
    r"""Return how many pixels a dilated kernel covers along an axis.

    From the first kernel element to the last one there are :math:`F - 1` steps of
    :math:`d` pixels, where :math:`d` is the dilation, so the kernel covers

    .. math::

       d\,(F - 1) + 1

    pixels, which takes the place of :math:`F` in :eq:`eq-conv-w2`.

    Parameters
    ----------
    kernel_size
        The number of kernel elements :math:`F` along the axis.
    dilation
        The step :math:`d` from one kernel element to the next, in pixels; 1 leaves no
        gap.

    Returns
    -------
    span
        The number of pixels from the first kernel element to the last one, both
        counted.

    Raises
    ------
    ValueError
        If an argument is not an integer of at least 1.

    Examples
    --------
    With dilation 2 a 3x3 kernel has its nine weights on a square of 5 by 5 pixels:

    >>> from dlnotes.cnn.arithmetic import effective_kernel_size
    >>> effective_kernel_size(3, dilation=2)
    5
    """
    integer(1, kernel_size=kernel_size, dilation=dilation)
    return (kernel_size - 1) * dilation + 1


def transposed_output_size(
    input_size: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
) -> int:
    r"""Return the size of the output of a transposed convolution along one axis.

    This is :eq:`eq-conv-w2` solved for the size before the convolution,

    .. math::

       W_1 = (W_2 - 1)\, S + F - 2P + r ,

    where :math:`r` is the remainder of the division, which the rounding has lost.

    Parameters
    ----------
    input_size
        The size :math:`W_2`: of the input here, and of the output of the convolution
        that is transposed.
    kernel_size
        The kernel size :math:`F`.
    stride, padding
        Those of the convolution that is transposed, so the padding is cut off here.
    output_padding
        The remainder :math:`r`, less than the stride.

    Returns
    -------
    pixels
        The size :math:`W_1` of the output.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the padding leaves no pixel.

    Examples
    --------
    A convolution with stride 2 turns 15 pixels into 8, and 16 too.
    The way back leads to the smaller size unless it is told the remainder:

    >>> from dlnotes.cnn.arithmetic import conv_output_size, transposed_output_size
    >>> [
    ...     conv_output_size(input_size, 3, stride=2, padding=1)
    ...     for input_size in (15, 16)
    ... ]
    [8, 8]
    >>> transposed_output_size(8, 3, stride=2, padding=1)
    15
    >>> transposed_output_size(8, 3, stride=2, padding=1, output_padding=1)
    16
    """
    integer(1, input_size=input_size, kernel_size=kernel_size, stride=stride)
    integer(0, padding=padding, output_padding=output_padding)
    if output_padding >= stride:
        raise ValueError(
            f"output_padding must be less than the stride {stride}, got "
            f"{output_padding}"
        )
    pixels = (input_size - 1) * stride + kernel_size - 2 * padding + output_padding
    if pixels < 1:
        raise ValueError(
            f"padding must leave a pixel, got {padding}, which leaves {pixels}"
        )
    return pixels
