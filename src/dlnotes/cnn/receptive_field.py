"""Receptive field.

The receptive field of an output is the part of the image that it depends on.  It grows
with every layer of a stack, and after a layer with a stride it grows faster.  Luo et
al. (2016) found that an output depends mostly on the center of its receptive field.

References
----------
* A. Krizhevsky, I. Sutskever and G. E. Hinton (2012). ImageNet classification with deep
  convolutional neural networks. *Advances in Neural Information Processing Systems* 25.
  https://papers.nips.cc/paper/4824
* K. Simonyan and A. Zisserman (2015). Very deep convolutional networks for large-scale
  image recognition. *International Conference on Learning Representations*.
  https://arxiv.org/abs/1409.1556
* F. Yu and V. Koltun (2016). Multi-scale context aggregation by dilated convolutions.
  *International Conference on Learning Representations*.
  https://arxiv.org/abs/1511.07122
* W. Luo, Y. Li, R. Urtasun and R. Zemel (2016). Understanding the effective receptive
  field in deep convolutional neural networks. *Advances in Neural Information
  Processing Systems* 29. https://arxiv.org/abs/1701.04128
* Z. Liu, H. Mao, C.-Y. Wu, C. Feichtenhofer, T. Darrell and S. Xie (2022). A ConvNet
  for the 2020s. *Computer Vision and Pattern Recognition*.
  https://arxiv.org/abs/2201.03545
* X. Ding, X. Zhang, J. Han and G. Ding (2022). Scaling up your kernels to 31x31:
  revisiting large kernel design in CNNs. *Computer Vision and Pattern Recognition*.
  https://arxiv.org/abs/2203.06717
"""

from collections.abc import Sequence

from dlnotes.checks import integer


def receptive_field(sizes: Sequence[int], strides: Sequence[int]) -> list[int]:
    r"""Return the size of the receptive field after each layer of a stack.

    The receptive field of an output is the part of the image that it depends on.  Along
    one axis its size :math:`r_l` after layer :math:`l` is

    .. math::
       :label: eq-receptive-field

       r_l = r_{l-1} + (F_l - 1) \prod_{i<l} S_i, \qquad r_0 = 1,

    with the kernel sizes :math:`F_l` and the strides :math:`S_i` of the layers.  The
    product is the jump: how many pixels neighboring outputs of layer :math:`l - 1` are
    apart.  The layers have no dilation.

    Parameters
    ----------
    sizes
        The kernel size of each layer, the first layer first.
    strides
        The stride of each layer.

    Returns
    -------
    fields
        How many pixels there are, along one axis, from the first to the last one that
        an output of each layer depends on, both counted.

    Raises
    ------
    ValueError
        If there is not one size and one stride a layer, each an integer of at least 1.

    Examples
    --------
    Two layers of 3x3 filters have the receptive field of one layer of 5x5 filters.  A
    layer with stride 2 between two others enlarges what the last one depends on:

    >>> from dlnotes.cnn.receptive_field import receptive_field
    >>> receptive_field([3, 3], [1, 1]), receptive_field([5, 2, 5], [1, 2, 1])
    ([3, 5], [5, 6, 14])
    """
    if len(sizes) != len(strides):
        raise ValueError(
            f"wants one stride a size, got sizes {sizes}, strides {strides}"
        )
    fields, field, apart = [], 1, 1
    for kernel_size, stride in zip(sizes, strides, strict=True):
        integer(1, kernel_size=kernel_size, stride=stride)
        field, apart = field + (kernel_size - 1) * apart, apart * stride
        fields.append(field)
    return fields
