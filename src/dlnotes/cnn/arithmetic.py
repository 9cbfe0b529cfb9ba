r"""Convolution arithmetic: depth, stride and zero-padding.

Four numbers fix what a convolutional layer makes of a volume of width :math:`W_1`,
height :math:`H_1` and depth :math:`D_1`: how many filters there are, :math:`K`, their
side :math:`F`, the stride :math:`S` and the padding :math:`P`.  A filter that starts at
the left end can make :math:`(W_1 - F + 2P) / S` steps, and has one place more than it
makes steps:

.. math::
   :label: eq-conv-w2

   W_2 = \frac{W_1 - F + 2P}{S} + 1, \qquad
   H_2 = \frac{H_1 - F + 2P}{S} + 1, \qquad D_2 = K

Where the division leaves a rest, the libraries round down: the filter stops at the last
place where it fits, and the rest of the image is not read.  At stride 1 a filter of odd
side leaves the size of the image as it is if the padding is

.. math::
   :label: eq-same-padding

   P = \frac{F - 1}{2} \qquad (S = 1,\ F \text{ odd})

References
----------
* V. Dumoulin and F. Visin (2016). A guide to convolution arithmetic for deep learning.
  https://arxiv.org/abs/1603.07285
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
    """Count the places of a filter along one axis by :eq:`eq-conv-w2`.

    A pooling window has as many.

    Parameters
    ----------
    input_size
        How many pixels the image has along the axis.
    kernel_size
        The side of the filter.
    stride
        How many pixels the filter jumps.
    padding
        How many zeros are put on either end.
    exact
        Whether to refuse a filter that leaves pixels at the far end unread.

    Returns
    -------
    places
        The size of the output along the axis.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the filter does not fit.

    Examples
    --------
    With a stride of 2 the image comes out half as large, but the last zero is not read:

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
    """Say which volume comes out of a convolutional layer, by :eq:`eq-conv-w2`.

    Parameters
    ----------
    volume
        The depth, height and width of what goes in.
    filters
        How many filters there are.
    kernel_size
        The side of the filters, which are as deep as the volume.
    stride
        How many pixels a filter jumps, both ways.
    padding
        How many zeros are put on every side.

    Returns
    -------
    volume
        The depth, height and width of what comes out.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the filter does not fit.

    Examples
    --------
    The image has three channels, and nothing of what comes out reminds of them:

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
    """Return the padding of :eq:`eq-same-padding`.

    Parameters
    ----------
    kernel_size
        The side of the filter, an odd number.

    Returns
    -------
    padding
        How many zeros on every side leave the image as large as it is, at stride 1.

    Raises
    ------
    ValueError
        If the side is even: the zeros would have to be more on one side.

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
    """Count how often a filter reads each pixel of a line.

    Parameters
    ----------
    input_size
        How many pixels the line has.
    kernel_size
        The length of the filter.
    stride
        How many pixels the filter jumps.
    padding
        How many zeros are put on either end.

    Returns
    -------
    reads
        For each pixel the number of places at which the filter reads it.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the filter does not fit.

    Examples
    --------
    Without padding the pixel at the end is read once, however long the filter is, and a
    stride as long as the filter reads every pixel once, or not at all:

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
    """Return how many pixels a filter spans whose weights are so far apart.

    Everywhere else in :eq:`eq-conv-w2` it counts as a filter of that side.

    Parameters
    ----------
    kernel_size
        How many weights the filter has along the axis.
    dilation
        How many pixels lie between neighboring weights.

    Returns
    -------
    span
        How many pixels lie from its first weight to its last one, both counted.

    Raises
    ------
    ValueError
        If an argument is not an integer of at least 1.

    Examples
    --------
    Its nine weights stand on the corners, the sides and the middle of a square of five:

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
    """Solve :eq:`eq-conv-w2` for the size before the convolution.

    Parameters
    ----------
    input_size
        How many places there are along the axis, the input of a transposed convolution.
    kernel_size
        The side of the filter.
    stride, padding
        Those of the convolution that is transposed.
    output_padding
        How many pixels at the far end that convolution left unread, less than its
        stride.

    Returns
    -------
    pixels
        The size of the output of the transposed convolution.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the padding leaves no pixel.

    Examples
    --------
    A stride of 2 leads from 15 pixels to 8, and from 16 too.  The way back is to the
    smaller size, unless it is told that a pixel was left out:

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
