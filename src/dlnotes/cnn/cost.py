"""The cost of a convolutional layer.

A layer costs parameters, which are stored and learned, multiply-adds, which take time,
and memory for its outputs, which the backward pass needs.  A convolutional layer has
few parameters and uses each of them at every position.

References
----------
* A. Krizhevsky, I. Sutskever and G. E. Hinton (2012). ImageNet classification with deep
  convolutional neural networks. *Advances in Neural Information Processing Systems* 25.
  https://papers.nips.cc/paper/4824
* K. Simonyan and A. Zisserman (2015). Very deep convolutional networks for large-scale
  image recognition. *International Conference on Learning Representations*.
  https://arxiv.org/abs/1409.1556
* S. Williams, A. Waterman and D. Patterson (2009). Roofline: an insightful visual
  performance model for multicore architectures. *Communications of the ACM* 52(4).
  https://doi.org/10.1145/1498765.1498785
* L. Sifre (2014). *Rigid-motion scattering for image classification.* Ph.D. thesis,
  École Polytechnique.
* K. He, X. Zhang, S. Ren and J. Sun (2016). Deep residual learning for image
  recognition. *IEEE Conference on Computer Vision and Pattern Recognition*.
  https://arxiv.org/abs/1512.03385
* F. Chollet (2017). Xception: deep learning with depthwise separable convolutions.
  *IEEE Conference on Computer Vision and Pattern Recognition*.
  https://arxiv.org/abs/1610.02357
* A. G. Howard, M. Zhu, B. Chen, D. Kalenichenko, W. Wang, T. Weyand, M. Andreetto and
  H. Adam (2017). MobileNets: efficient convolutional neural networks for mobile vision
  applications. https://arxiv.org/abs/1704.04861
"""

from dlnotes.checks import integer
from dlnotes.cnn.convolution import filter_parameter_count


def conv_parameter_count(
    filters: int, kernel_size: int, depth: int, *, places: int = 1
) -> int:
    r"""Count the parameters of a convolutional layer with shared or separate filters.

    The number of parameters does not depend on the size of the image, because all
    positions share the filters.  A *locally connected* layer has filters of its own at
    each of its :math:`W_2 H_2` positions, and learns that many for each of them:

    .. math::
       :label: eq-conv-parameters

       K\,(F^2 D_1 + 1) &\text{ shared} \\
       W_2 H_2\, K\,(F^2 D_1 + 1) &\text{ not shared}

    Parameters
    ----------
    filters
        How many filters there are at a position.
    kernel_size
        The kernel size :math:`F`.
    depth
        The number of channels :math:`D_1` that a filter reads.
    places
        How many positions have filters of their own: one if all share them, and
        :math:`W_2 H_2` in a locally connected layer.

    Returns
    -------
    count
        How many numbers the layer learns, biases included.

    Raises
    ------
    ValueError
        If an argument is not an integer of at least 1.

    Examples
    --------
    The first layer of AlexNet, with its filters shared and with filters of their own at
    each of its 55 times 55 positions:

    >>> from dlnotes.cnn.cost import conv_parameter_count
    >>> conv_parameter_count(96, kernel_size=11, depth=3)
    34944
    >>> conv_parameter_count(96, kernel_size=11, depth=3, places=55 * 55)
    105705600
    """
    integer(1, filters=filters, places=places)
    return places * filters * filter_parameter_count(kernel_size, depth)


def mac_count(kernel_size: int, depth: int, filters: int, places: int) -> int:
    r"""Count the multiply-adds of a layer for one image.

    Each of the :math:`K W_2 H_2` outputs of :eq:`eq-conv-2d` takes one multiplication
    and one addition for each weight of its filter, in all

    .. math::

       F^2 D_1 \cdot K W_2 H_2 .

    Parameters
    ----------
    kernel_size
        The kernel size :math:`F`.
    depth
        The number of input channels :math:`D_1`.
    filters
        The number of filters :math:`K`.
    places
        The number of output positions :math:`W_2 H_2`.

    Returns
    -------
    count
        The number of multiply-adds.

    Raises
    ------
    ValueError
        If an argument is not an integer of at least 1.

    Examples
    --------
    A fully connected layer is a 1x1 filter at a single position.  AlexNet's last one
    has more than a hundred times the weights of its first convolution, which costs 25
    times as much:

    >>> from dlnotes.cnn.cost import mac_count
    >>> dense = mac_count(1, depth=4096, filters=1000, places=1)
    >>> round(mac_count(11, depth=3, filters=96, places=55 * 55) / dense, 1)
    25.7
    """
    integer(1, kernel_size=kernel_size, depth=depth, filters=filters, places=places)
    return kernel_size * kernel_size * depth * filters * places
