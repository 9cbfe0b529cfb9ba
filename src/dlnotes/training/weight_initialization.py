r"""Initial weights.

Training begins at weights that nobody has learned.  They must differ, or the units of a
layer never do; and they must have the right size, or signals and gradients die out or
blow up on their way through the layers.  LeCun et al. (1998) scaled weights by the
number of inputs, Glorot and Bengio (2010) also by the number of units, and He et al.
(2015) doubled the variance for rectified linear units.

References
----------
* Y. LeCun, L. Bottou, G. B. Orr and K.-R. Müller (1998). Efficient BackProp. In *Neural
  networks: tricks of the trade*. Springer. https://doi.org/10.1007/3-540-49430-8_2
* X. Glorot and Y. Bengio (2010). Understanding the difficulty of training deep
  feedforward neural networks. *Proceedings of Machine Learning Research* 9.
  https://proceedings.mlr.press/v9/glorot10a.html
* K. He, X. Zhang, S. Ren and J. Sun (2015). Delving deep into rectifiers: surpassing
  human-level performance on ImageNet classification. *International Conference on
  Computer Vision*. https://arxiv.org/abs/1502.01852
* G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter (2017). Self-normalizing
  neural networks. *Advances in Neural Information Processing Systems* 30.
  https://arxiv.org/abs/1706.02515
"""

import math
from collections.abc import Callable
from typing import Literal

from jaxtyping import Float

from dlnotes.arrays import Array, anywhere, checked
from dlnotes.checks import integer, positive
from dlnotes.networks.rectifiers import relu
from dlnotes.networks.unstable_gradients import mean_square

Fan = Literal["in", "out", "mean"]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    r"""Count what a unit adds up, and what an input is added to.

    A matrix of weights has an axis of :math:`n_{\text{in}}` inputs and one of
    :math:`n_{\text{out}}` units.  A kernel has the axes filters, channels, height and
    width, or fewer or more of the last: a unit of filter :math:`f` reads a window of
    all :math:`c` channels, and each pixel is read by all filters, from each position of
    the window.  With :math:`k` positions in a window,

    .. math::
       :label: eq-fans

       n_{\text{in}} = c\, k , \qquad n_{\text{out}} = f\, k .

    Parameters
    ----------
    shape
        The shape of the weights: inputs and units, or filters, channels and the axes of
        a window.

    Returns
    -------
    fan_in
        The number of terms in a pre-activation.
    fan_out
        The number of pre-activations that an input goes into.

    Raises
    ------
    ValueError
        If there are fewer than two axes, or one has no entry.

    Examples
    --------
    A kernel of 8 filters for 3 channels, 5 by 5 pixels, adds up 75 numbers:

    >>> from dlnotes.training.weight_initialization import fans
    >>> fans((784, 256)), fans((8, 3, 5, 5))
    ((784, 256), (75, 200))
    """
    if len(shape) < 2 or min(shape) < 1:
        raise ValueError(
            "weights must have an axis of inputs and one of units, neither of them "
            f"empty, got shape {tuple(shape)}"
        )
    if len(shape) == 2:
        return shape[0], shape[1]
    filters, channels, *window = shape
    return channels * math.prod(window), filters * math.prod(window)


def weight_variance(
    fan_in: int, fan_out: int, *, fan: Fan = "mean", gain: float = 1.0
) -> float:
    r"""Compute the variance that weights need for signals or gradients to keep theirs.

    The gain :math:`g` makes up for what the activation function takes away, and the
    number :math:`n` is that of the terms in a sum:

    .. math::
       :label: eq-weight-variance

       \operatorname{Var}(w) = \frac{g}{n} , \qquad
       n = n_{\text{in}} , \quad n_{\text{out}} \quad \text{or} \quad
       \tfrac{1}{2} (n_{\text{in}} + n_{\text{out}}) .

    Parameters
    ----------
    fan_in
        The number :math:`n_{\text{in}}` of terms in a pre-activation.
    fan_out
        The number :math:`n_{\text{out}}` of pre-activations that an input goes into.
    fan
        Which of them is :math:`n`: ``"in"`` keeps signals, ``"out"`` keeps gradients,
        and ``"mean"`` is in between.
    gain
        The gain :math:`g`.

    Returns
    -------
    variance
        The variance of each weight.

    Raises
    ------
    ValueError
        If a number of terms is not an integer of at least 1, ``fan`` is none of the
        three, or the gain is not positive.

    Examples
    --------
    >>> from dlnotes.training.weight_initialization import weight_variance
    >>> [weight_variance(100, 300, fan=n) for n in ("in", "mean", "out")]
    [0.01, 0.005, 0.0033333333333333335]
    """
    integer(1, fan_in=fan_in, fan_out=fan_out)
    positive(gain=gain)
    numbers = {"in": fan_in, "out": fan_out, "mean": (fan_in + fan_out) / 2}
    if fan not in numbers:
        raise ValueError(f"fan must be 'in', 'out' or 'mean', got {fan!r}")
    return gain / numbers[fan]


@checked
def lecun_normal(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Scale standard normal draws to the weights of LeCun et al., a gain of 1.

    .. math::
       :label: eq-lecun

       \operatorname{Var}(w) = \frac{1}{n_{\text{in}}}

    Parameters
    ----------
    z
        A standard normal draw for each weight; :func:`fans` reads the shape.

    Returns
    -------
    W
        The weights.

    Raises
    ------
    ValueError
        If the shape is none of weights.

    Examples
    --------
    Four inputs halve the draws:

    >>> import numpy as np
    >>> from dlnotes.training.weight_initialization import lecun_normal
    >>> lecun_normal(np.array([[2.0], [-1.0], [0.0], [3.0]])).ravel()
    array([ 1. , -0.5,  0. ,  1.5])
    """
    return z * weight_variance(*fans(z.shape), fan="in") ** 0.5


@checked
def lecun_uniform(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Stretch uniform draws to weights of the variance of :eq:`eq-lecun`.

    A uniform distribution from :math:`-a` to :math:`a` has the variance :math:`a^2/3`,
    so a wanted variance needs the limit

    .. math::
       :label: eq-uniform-limit

       a = \sqrt{3 \operatorname{Var}(w)} .

    Parameters
    ----------
    u
        A draw from 0 to 1 for each weight.

    Returns
    -------
    W
        The weights.

    Raises
    ------
    ValueError
        If the shape is none of weights.

    Examples
    --------
    Twelve inputs ask for the variance 1/12, so the limit is 1/2:

    >>> import numpy as np
    >>> from dlnotes.training.weight_initialization import lecun_uniform
    >>> lecun_uniform(np.tile([0.0, 0.5, 0.75], 4)[:, None])[:3].ravel()
    array([-0.5 ,  0.  ,  0.25])
    """
    return _uniform(u, weight_variance(*fans(u.shape), fan="in"))


@checked
def glorot_uniform(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Stretch uniform draws to the weights of Glorot and Bengio.

    .. math::
       :label: eq-glorot

       \operatorname{Var}(w) = \frac{2}{n_{\text{in}} + n_{\text{out}}} ,
       \qquad w \sim U\left( -\sqrt{\tfrac{6}{n_{\text{in}} + n_{\text{out}}}},
       \sqrt{\tfrac{6}{n_{\text{in}} + n_{\text{out}}}} \right)

    Parameters
    ----------
    u
        A draw from 0 to 1 for each weight.

    Returns
    -------
    W
        The weights.

    Raises
    ------
    ValueError
        If the shape is none of weights.

    Examples
    --------
    Two inputs and four units: the limit is 1.

    >>> import numpy as np
    >>> from dlnotes.training.weight_initialization import glorot_uniform
    >>> glorot_uniform(np.array([[0.0, 0.25, 0.5, 0.75], [0.5, 0.5, 0.5, 0.5]]))
    array([[-1. , -0.5,  0. ,  0.5],
           [ 0. ,  0. ,  0. ,  0. ]])
    """
    return _uniform(u, weight_variance(*fans(u.shape)))


@checked
def glorot_normal(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Scale standard normal draws to weights of the variance of :eq:`eq-glorot`.

    Parameters
    ----------
    z
        A standard normal draw for each weight.

    Returns
    -------
    W
        The weights.

    Raises
    ------
    ValueError
        If the shape is none of weights.

    Examples
    --------
    Two inputs and six units: the variance is 2/8, the deviation 1/2.

    >>> import numpy as np
    >>> from dlnotes.training.weight_initialization import glorot_normal
    >>> glorot_normal(np.ones((2, 6)))[0]
    array([0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    """
    return z * weight_variance(*fans(z.shape)) ** 0.5


@checked
def he_normal(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Scale standard normal draws to the weights of He et al., for ReLU.

    .. math::
       :label: eq-he

       \operatorname{Var}(w) = \frac{2}{n_{\text{in}}}

    Parameters
    ----------
    z
        A standard normal draw for each weight.

    Returns
    -------
    W
        The weights.

    Raises
    ------
    ValueError
        If the shape is none of weights.

    Examples
    --------
    Eight inputs halve the draws.  The number of units does not matter:

    >>> import numpy as np
    >>> from dlnotes.training.weight_initialization import he_normal
    >>> he_normal(np.ones((8, 2)))[0], he_normal(np.ones((8, 3)))[0]
    (array([0.5, 0.5]), array([0.5, 0.5, 0.5]))
    """
    return z * weight_variance(*fans(z.shape), fan="in", gain=2.0) ** 0.5


@checked
def he_uniform(u: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""Stretch uniform draws to weights of the variance of :eq:`eq-he`.

    Parameters
    ----------
    u
        A draw from 0 to 1 for each weight.

    Returns
    -------
    W
        The weights.

    Raises
    ------
    ValueError
        If the shape is none of weights.

    Examples
    --------
    Six inputs: the limit is the root of 6/6.

    >>> import numpy as np
    >>> from dlnotes.training.weight_initialization import he_uniform
    >>> he_uniform(np.tile([0.0, 0.5, 0.75], 2)[:, None])[:3].ravel().round(12)
    array([-1. ,  0. ,  0.5])
    """
    return _uniform(u, weight_variance(*fans(u.shape), fan="in", gain=2.0))


@checked
def preserving_gain(
    variance: Float[Array, "*shape"], *, activation: Callable[[Array], Array] = relu
) -> Float[Array, "*shape"]:
    r"""Compute the gain with which pre-activations of a variance keep it.

    It undoes what the activation function :math:`\phi` does to the mean square, and
    makes :math:`q` a fixed point of :eq:`eq-variance-map`:

    .. math::
       :label: eq-preserving-gain

       g(q) = \frac{q}{\mathbb{E}\left[ \phi(\sqrt{q}\, x)^2 \right]} ,
       \qquad x \sim \mathcal{N}(0, 1)

    Parameters
    ----------
    variance
        The variance :math:`q` that is to be kept, one or several.
    activation
        The activation function :math:`\phi`.

    Returns
    -------
    gain
        The gain for each variance.

    Raises
    ------
    ValueError
        If a variance is not positive.

    Examples
    --------
    A ReLU needs a gain of 2 for any variance.  Tanh needs more for a larger one:

    >>> import numpy as np
    >>> from dlnotes.networks.activations import tanh
    >>> from dlnotes.training.weight_initialization import preserving_gain
    >>> q = np.array([0.01, 1.0, 4.0])
    >>> preserving_gain(q).round(4), preserving_gain(q, activation=tanh).round(4)
    (array([2., 2., 2.]), array([1.0198, 2.5362, 6.2966]))
    """
    if anywhere(~(variance > 0)):
        raise ValueError(f"variance must be positive, got {variance}")
    return variance / mean_square(activation, variance)


def _uniform(u: Array, variance: float) -> Array:
    """Stretch draws from 0 to 1 to a variance, around zero."""
    limit = (3 * variance) ** 0.5
    return limit * (2 * u - 1)
