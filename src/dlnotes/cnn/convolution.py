r"""The convolutional layer: learnable filters and receptive field.

A filter is a small block of weights that reads a patch of the image, the same weights
at every place.  It is as deep as the volume that it reads: on an image with three
channels a filter of side five has

.. math::
   :label: eq-filter-weights

   5 \cdot 5 \cdot 3 = 75 \text{ weights}, \qquad 75 + 1 = 76 \text{ parameters},

in general :math:`F \cdot F \cdot D_1` weights and a bias.  A layer (LeCun et al., 1989)
has :math:`K` of them.  With stride :math:`S` and :math:`P` zeros around the image,
filter :math:`k` says at place :math:`(i, j)`

.. math::
   :label: eq-conv-2d

   Y_{k,i,j} = b_k + \sum_{c=1}^{D_1} \sum_{u=0}^{F-1} \sum_{v=0}^{F-1}
   W_{k,c,u,v}\, X_{c,\,iS+u-P,\,jS+v-P}

Pixels outside the image count as zero, and a dilation multiplies the offsets :math:`u`
and :math:`v`.  The equation is linear in each of its parts, so a gradient
:math:`\bar Y` of the loss comes back through it by the same products:

.. math::
   :label: eq-conv-2d-backward

   \bar W_{k,c,u,v} &= \sum_{i,j} \bar Y_{k,i,j}\, X_{c,\,iS+u-P,\,jS+v-P}, \qquad
   \bar b_k = \sum_{i,j} \bar Y_{k,i,j}, \\
   \bar X_{c,y,x} &= \sum_k \sum_{\substack{i,u:\\ iS+u-P=y}}\;
   \sum_{\substack{j,v:\\ jS+v-P=x}} W_{k,c,u,v}\, \bar Y_{k,i,j}

For a batch, the first two are summed over its images as well.  The patch of the image
that a unit depends on is its receptive field.  In a stack of layers its side grows by

.. math::
   :label: eq-receptive-field

   r_l = r_{l-1} + (F_l - 1) \prod_{i<l} S_i, \qquad r_0 = 1

References
----------
* Y. LeCun, B. Boser, J. S. Denker, D. Henderson, R. E. Howard, W. Hubbard and L. D.
  Jackel (1989). Backpropagation applied to handwritten zip code recognition. *Neural
  Computation* 1(4). https://doi.org/10.1162/neco.1989.1.4.541
* V. Dumoulin and F. Visin (2016). A guide to convolution arithmetic for deep learning.
  https://arxiv.org/abs/1603.07285
"""

from collections.abc import Iterator, Sequence
from math import prod
from numbers import Integral
from typing import Any

import array_api_extra as xpx
from jaxtyping import Float

from dlnotes.arrays import Array, array_namespace, checked


def filter_parameter_count(size: int, depth: int) -> int:
    """Count the weights and the bias of a filter, as :eq:`eq-filter-weights` does.

    Parameters
    ----------
    size
        The side :math:`F` of the filter.
    depth
        The depth :math:`D_1` of the volume that it reads.

    Returns
    -------
    count
        How many numbers the filter learns, its bias among them.

    Raises
    ------
    ValueError
        If an argument is not an integer of at least 1.

    Examples
    --------
    A small filter that reads a deep volume is larger than a large one on an image:

    >>> from dlnotes.cnn.convolution import filter_parameter_count
    >>> filter_parameter_count(11, depth=3), filter_parameter_count(3, depth=256)
    (364, 2305)
    """
    _natural(size=size, depth=depth)
    return size * size * depth + 1


@checked
def windows(
    X: Float[Array, "*lead height width"],
    size: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    fill: float = 0.0,
) -> Float[Array, "positions *lead rows columns"]:
    """Cut an image into the patches that a filter reads, one slice a weight.

    The first slice holds what the upper left weight reads at each of its places, the
    next one what its neighbour to the right reads, and so on, row by row.

    Parameters
    ----------
    X
        Images; any axes may come before the height and the width.
    size
        The side of a window, or a pair: its height and its width.
    stride
        How many pixels lie between neighbouring windows, or a pair.
    padding
        How many pixels are put on each side of the image, or a pair.
    dilation
        How many pixels lie between neighbouring weights, or a pair.
    fill
        What is put there.

    Returns
    -------
    slices
        At ``[k, ..., i, j]`` the pixel that weight ``k`` reads at place ``i, j``.

    Raises
    ------
    ValueError
        If a setting is out of its range, or a window does not fit.

    Examples
    --------
    A window of two by two has four places on nine pixels.  Its lower right weight never
    meets the first row or column:

    >>> import numpy as np
    >>> from dlnotes.cnn.convolution import windows
    >>> windows(np.arange(9.0).reshape(3, 3), 2)[3]
    array([[4., 5.],
           [7., 8.]])
    """
    high, wide = _pair("size", size)
    (top, left), (down, across) = _pair("padding", padding, 0), _pair("stride", stride)
    gap, space = _pair("dilation", dilation)
    X = _pad(X, [(top, top), (left, left)], fill)
    rows = X.shape[-2] - gap * (high - 1)
    columns = X.shape[-1] - space * (wide - 1)
    if rows < 1 or columns < 1:
        raise ValueError(
            f"a window of size {size} and dilation {dilation} does not fit into "
            f"{X.shape[-2]} x {X.shape[-1]} pixels, padding included"
        )
    slices = [
        X[..., y : y + rows : down, x : x + columns : across]
        for y in range(0, high * gap, gap)
        for x in range(0, wide * space, space)
    ]
    return array_namespace(X).stack(slices)


@checked
def conv2d(
    X: Float[Array, "batch channels height width"],
    W: Float[Array, "filters group_channels kernel_height kernel_width"],
    b: Float[Array, "filters"] | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Float[Array, "batch filters rows columns"]:
    """Slide filters over images by :eq:`eq-conv-2d`.

    Every window becomes a column of a matrix, and the layer is one product with it.

    Parameters
    ----------
    X
        A batch of images or volumes.
    W
        The filters.
    b
        The bias of each filter; none are zeros.
    stride
        How many pixels the filter jumps, or a pair, for the height and the width.
    padding
        How many zeros are put on each side of the image, or a pair.
    dilation
        How many pixels lie between neighbouring weights, or a pair.
    groups
        In how many parts the channels and the filters are divided; a filter reads the
        channels of its own part only.

    Returns
    -------
    Y
        What each filter says at each place.  Places at the far end where the filter
        would stick out are left out.

    Raises
    ------
    ValueError
        If a setting is out of its range, the filter does not fit into the image, or
        filters, channels and groups do not fit together.

    Examples
    --------
    A filter that subtracts a pixel from its right neighbour is blind to the slow rise
    of brightness, once its bias takes that off, and answers to the edge alone:

    >>> import numpy as np
    >>> from dlnotes.cnn.convolution import conv2d
    >>> image = np.array([[[[0.0, 1.0, 2.0, 9.0, 10.0]]]])
    >>> conv2d(image, np.array([[[[-1.0, 1.0]]]]), np.array([-1.0]))
    array([[[[0., 0., 6., 0.]]]])
    """
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    xp, kernel, parts = array_namespace(X), _matrix(W, groups), []
    for _, places, seen in _columns(X, W, groups, **settings):
        Y = xp.reshape(kernel @ seen, (len(W), places[0], places[1], places[2]))
        parts.append(Y if b is None else Y + b[:, None, None, None])
    return xp.permute_dims(_joined(parts), (1, 0, 2, 3))


@checked
def overlap_add(
    slices: Float[Array, "positions *lead rows columns"],
    shape: tuple[int, int],
    size: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
) -> Float[Array, "*lead height width"]:
    """Put windows back to where they were read, and add where they overlap.

    It is the transpose of :func:`windows`: a gradient of the slices goes in, and the
    gradient of the image comes out.

    Parameters
    ----------
    slices
        Numbers in the places of those that :func:`windows` returns.
    shape
        The height and the width of the image.
    size, stride, padding, dilation
        As for :func:`windows`.

    Returns
    -------
    image
        At each pixel the sum of the numbers that belong there.

    Raises
    ------
    ValueError
        If a setting is out of its range, or such an image has no such windows.

    Examples
    --------
    Cut up and put back, a pixel is multiplied by the number of windows that read it:

    >>> import numpy as np
    >>> from dlnotes.cnn.convolution import overlap_add, windows
    >>> overlap_add(windows(np.ones((3, 3)), 2), shape=(3, 3), size=2)
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    xp, (rows, columns) = array_namespace(slices), slices.shape[-2:]
    (high, wide), (down, across) = _pair("size", size), _pair("stride", stride)
    gap, space = _pair("dilation", dilation)
    top, left = _pair("padding", padding, 0)
    height, width = shape[0] + 2 * top, shape[1] + 2 * left
    below = height - down * (rows - 1) - gap * (high - 1)
    right = width - across * (columns - 1) - space * (wide - 1)
    if len(slices) != high * wide or below < 1 or right < 1:
        raise ValueError(
            f"windows of size {size} on {shape[0]} x {shape[1]} pixels have other "
            f"slices than those of shape {tuple(slices.shape)}"
        )
    # Tile the image with blocks of down x across pixels: a weight reads one of each.
    tall, broad = -(-height // down), -(-width // across)
    lead: tuple[int, ...] = slices.shape[1:-2]
    blocks = xp.reshape(slices, (len(slices), *lead, rows, 1, columns, 1))

    def placed(k: int) -> Array:
        (i, y), (j, x) = divmod(k // wide * gap, down), divmod(k % wide * space, across)
        vertical = [(i, tall - rows - i), (y, down - 1 - y)]
        horizontal = [(j, broad - columns - j), (x, across - 1 - x)]
        return _pad(blocks[k], vertical + horizontal)

    image = sum(map(placed, range(1, len(slices))), start=placed(0))
    image = xp.reshape(image, (*lead, tall * down, broad * across))
    return image[..., top : top + shape[0], left : left + shape[1]]


@checked
def conv2d_backward(
    X: Float[Array, "batch channels height width"],
    W: Float[Array, "filters group_channels kernel_height kernel_width"],
    upstream: Float[Array, "batch filters rows columns"],
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> tuple[
    Float[Array, "batch channels height width"],
    Float[Array, "filters group_channels kernel_height kernel_width"],
    Float[Array, "filters"],
]:
    """Carry a gradient back through the layer by :eq:`eq-conv-2d-backward`.

    Parameters
    ----------
    X, W
        What :func:`conv2d` was given; the bias is not needed.
    upstream
        The gradient of the loss with respect to what it returned.
    stride, padding, dilation, groups
        As for :func:`conv2d`.

    Returns
    -------
    gradients
        The gradients of the loss with respect to ``X``, ``W`` and ``b``.

    Raises
    ------
    ValueError
        If :func:`conv2d` would refuse the arguments, or returns another height or
        width than that of ``upstream``.

    Examples
    --------
    A weight's gradient adds up the pixels that it read.  Those at the rim of a filter
    also read the padding, so they learn from fewer pixels:

    >>> import numpy as np
    >>> from dlnotes.cnn.convolution import conv2d_backward
    >>> X, W, upstream = (np.ones((1, 1, n, n)) for n in (4, 3, 4))
    >>> conv2d_backward(X, W, upstream, padding=1)[1][0, 0]
    array([[ 9., 12.,  9.],
           [12., 16., 12.],
           [ 9., 12.,  9.]])
    """
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    xp, kernel = array_namespace(X), _matrix(W, groups)
    dY, dW = xp.permute_dims(upstream, (1, 0, 2, 3)), xp.zeros_like(kernel)
    for part, places, seen in _columns(X, W, groups, **settings):
        if tuple(upstream.shape[2:]) != places[1:]:
            raise ValueError(
                f"upstream must have {places[1]} rows and {places[2]} columns, as what "
                f"conv2d returns, got shape {tuple(upstream.shape)}"
            )
        dY_part = xp.reshape(dY[:, part], (groups, len(W) // groups, prod(places)))
        dW = dW + dY_part @ xp.permute_dims(seen, (0, 2, 1))
    dW = xp.reshape(dW, (len(W), W.shape[2], W.shape[3], W.shape[1]))
    dX = _stamped(upstream, W, (X.shape[2], X.shape[3]), groups, **settings)
    return dX, xp.permute_dims(dW, (0, 3, 1, 2)), xp.sum(upstream, axis=(0, 2, 3))


@checked
def conv_transpose2d(
    Y: Float[Array, "batch filters rows columns"],
    W: Float[Array, "filters group_channels kernel_height kernel_width"],
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    output_padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Float[Array, "batch channels height width"]:
    """Let every place stamp its filters onto a larger image and add the stamps up.

    This is the last line of :eq:`eq-conv-2d-backward`, taken as a layer that enlarges:
    the transpose of :func:`conv2d` with the same filters, and not its inverse.

    Parameters
    ----------
    Y
        How strongly each place stamps each filter.
    W
        The filters.
    stride, padding
        Those of the convolution that is transposed, so the padding is cut off here.
    output_padding
        How many rows below and columns at the right that convolution left unread, or a
        pair; less than the stride or the dilation.
    dilation, groups
        Those of the convolution that is transposed.

    Returns
    -------
    X
        The sum of the stamps.

    Raises
    ------
    ValueError
        If a setting is out of its range, nothing would be left of the image, or the
        filters and groups do not fit ``Y``.

    Examples
    --------
    Where the stride is the side of the filter the stamps lie side by side:

    >>> import numpy as np
    >>> from dlnotes.cnn.convolution import conv_transpose2d
    >>> stamp = np.array([[[[1.0, 0.5]]]])
    >>> conv_transpose2d(np.array([[[[1.0, 3.0]]]]), stamp, stride=(1, 2))
    array([[[[1. , 0.5, 3. , 1.5]]]])

    With a smaller stride they overlap and add up:

    >>> conv_transpose2d(np.array([[[[1.0, 3.0]]]]), stamp)
    array([[[[1. , 3.5, 1.5]]]])
    """
    steps, gaps = _pair("stride", stride), _pair("dilation", dilation)
    margins = _pair("padding", padding, 0)
    extra = _pair("output_padding", output_padding, 0)
    if extra[0] >= max(steps[0], gaps[0]) or extra[1] >= max(steps[1], gaps[1]):
        raise ValueError(
            f"output_padding must be less than the stride {stride} or the dilation "
            f"{dilation}, got {output_padding}"
        )
    height, width = (
        steps[k] * (Y.shape[2 + k] - 1)
        + gaps[k] * (W.shape[2 + k] - 1)
        + (1 + extra[k] - 2 * margins[k])
        for k in (0, 1)
    )
    if height < 1 or width < 1:
        raise ValueError(
            f"padding must leave some of the image, got {padding}, which leaves "
            f"{height} x {width} pixels"
        )
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    return _stamped(Y, W, (height, width), groups, **settings)


def receptive_field(sizes: Sequence[int], strides: Sequence[int]) -> list[int]:
    """Follow :eq:`eq-receptive-field` through a stack of layers.

    Parameters
    ----------
    sizes
        The side of the filter, or of the pooling window, of each layer, the first
        layer first.
    strides
        The stride of each layer.

    Returns
    -------
    fields
        How many pixels of the image, along one axis, a unit of each layer depends on.

    Raises
    ------
    ValueError
        If there is not one size and one stride a layer, each an integer of at least 1.

    Examples
    --------
    Two filters of side three reach as far as one of side five, with fewer weights.  A
    stride between two filters lets the second one reach farther:

    >>> from dlnotes.cnn.convolution import receptive_field
    >>> receptive_field([3, 3], [1, 1]), receptive_field([5, 2, 5], [1, 2, 1])
    ([3, 5], [5, 6, 14])
    """
    if len(sizes) != len(strides):
        raise ValueError(
            f"wants one stride a size, got sizes {sizes}, strides {strides}"
        )
    fields, field, apart = [], 1, 1
    for size, stride in zip(sizes, strides, strict=True):
        _natural(size=size, stride=stride)
        field, apart = field + (size - 1) * apart, apart * stride
        fields.append(field)
    return fields


def multiply_adds(size: int, depth: int, filters: int, places: int) -> int:
    r"""Count the multiplications of :eq:`eq-conv-2d`, each with its addition.

    Parameters
    ----------
    size
        The side :math:`F` of the filters.
    depth
        The depth :math:`D_1` of the volume that they read.
    filters
        How many filters there are, :math:`K`.
    places
        At how many places each of them is, :math:`W_2 H_2`.

    Returns
    -------
    count
        :math:`F^2 D_1` for each of the :math:`K W_2 H_2` numbers that come out.

    Raises
    ------
    ValueError
        If an argument is not an integer of at least 1.

    Examples
    --------
    A dense layer is a filter of side one at a single place.  AlexNet's last one has
    more than a hundred times the weights of its first convolution, at a 25th of the
    cost:

    >>> from dlnotes.cnn.convolution import multiply_adds
    >>> dense = multiply_adds(1, depth=4096, filters=1000, places=1)
    >>> round(multiply_adds(11, depth=3, filters=96, places=55 * 55) / dense, 1)
    25.7
    """
    _natural(size=size, depth=depth, filters=filters, places=places)
    return size * size * depth * filters * places


def _natural(**numbers: int) -> None:
    """Refuse what is not an integer of at least 1."""
    for name, number in numbers.items():
        if not (isinstance(number, Integral) and number >= 1):
            raise ValueError(f"{name} must be an int of at least 1, got {number}")


def _pair(name: str, setting: int | tuple[int, ...], least: int = 1) -> tuple[int, int]:
    """Return a setting for the height and the width."""
    pair = setting if isinstance(setting, tuple) else (setting, setting)
    if len(pair) != 2 or not all(
        isinstance(each, Integral) and each >= least for each in pair
    ):
        raise ValueError(
            f"{name} must be an int or a pair of ints, at least {least}, got {setting}"
        )
    return pair[0], pair[1]


def _columns(
    X: Array, W: Array, groups: int, **settings: Any
) -> Iterator[tuple[slice, tuple[int, ...], Array]]:
    """Yield which images come next, their number of windows, and a column for each.

    The rows are in the order of the weights, group by group, as in `_matrix`.
    """
    xp, (_, depth, high, wide) = array_namespace(X), W.shape
    if X.shape[1] != groups * depth:
        raise ValueError(
            f"X must have {groups * depth} channels, groups ({groups}) times those of "
            f"W ({depth}), got {X.shape[1]}"
        )
    down, across = _pair("stride", settings["stride"])
    X, weights = xp.permute_dims(X, (1, 0, 2, 3)), high * wide * depth
    for part in _parts(X.shape[1], high * wide * prod(X[..., ::down, ::across].shape)):
        seen = windows(X[:, part], (high, wide), **settings)
        places = tuple(seen.shape[2:])
        seen = xp.reshape(seen, (high * wide, groups, depth, prod(places)))
        seen = xp.permute_dims(seen, (1, 0, 2, 3))
        yield part, places, xp.reshape(seen, (groups, weights, prod(places)))


def _stamped(
    Y: Array, W: Array, shape: tuple[int, int], groups: int, **settings: Any
) -> Array:
    """Add up the stamps of all places on images of that shape."""
    xp, (filters, depth, high, wide) = array_namespace(Y), W.shape
    kernel = xp.permute_dims(_matrix(W, groups), (0, 2, 1))
    Y, images = xp.permute_dims(Y, (1, 0, 2, 3)), []
    for part in _parts(Y.shape[1], groups * kernel.shape[1] * prod(Y.shape[1:])):
        _, n, rows, columns = Y[:, part].shape
        pixels = xp.reshape(Y[:, part], (groups, filters // groups, n * rows * columns))
        stamps = xp.reshape(
            kernel @ pixels, (groups, high * wide, depth, n, rows, columns)
        )
        stamps = xp.permute_dims(stamps, (1, 0, 2, 3, 4, 5))
        stamps = xp.reshape(stamps, (high * wide, groups * depth, n, rows, columns))
        images.append(overlap_add(stamps, shape, (high, wide), **settings))
    return xp.permute_dims(_joined(images), (1, 0, 2, 3))


def _matrix(W: Array, groups: int) -> Array:
    """Write a filter a row, position by position, channels inside, group by group."""
    filters, depth, height, width = W.shape
    if not (isinstance(groups, Integral) and groups >= 1 and filters % groups == 0):
        raise ValueError(
            f"groups must be an int of at least 1 that divides the {filters} filters "
            f"of W, got {groups}"
        )
    xp, weights = array_namespace(W), height * width * depth
    W = xp.permute_dims(W, (0, 2, 3, 1))
    return xp.reshape(W, (groups, filters // groups, weights))


def _parts(batch: int, numbers: int) -> list[slice]:
    """Divide a batch so that what is made of a part stays in the processor's cache."""
    parts = min(16, 1 + numbers // 2**21)
    size = max(1, -(-batch // parts))
    return [slice(k, k + size) for k in range(0, max(1, batch), size)]


def _joined(parts: list[Array]) -> Array:
    """Join the parts of a batch along their second axis."""
    return array_namespace(*parts).concat(parts, axis=1) if parts[1:] else parts[0]


def _pad(X: Any, margins: list[tuple[int, int]], fill: float = 0.0) -> Any:
    """Fill up before and behind the last axes."""
    before = [(0, 0)] * (X.ndim - len(margins))
    return xpx.pad(X, before + margins, constant_values=fill)
