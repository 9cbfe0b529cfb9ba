r"""Layer, group, instance and RMS normalization.

Batch normalization needs a batch: the outputs of an instance depend on its neighbors,
a batch of one is refused, and evaluation computes something else than training.  Layer
normalization (Ba, Kiros and Hinton, 2016) takes the mean and the variance over the
units of one instance instead.  Group and instance normalization do so within a part of
the channels of an image, and RMS normalization leaves out the mean.

References
----------
* J. L. Ba, J. R. Kiros and G. E. Hinton (2016). Layer normalization.
  https://arxiv.org/abs/1607.06450
* D. Ulyanov, A. Vedaldi and V. Lempitsky (2016). Instance normalization: the missing
  ingredient for fast stylization. https://arxiv.org/abs/1607.08022
* Y. Wu and K. He (2018). Group normalization. *European Conference on Computer Vision*.
  https://arxiv.org/abs/1803.08494
* B. Zhang and R. Sennrich (2019). Root mean square layer normalization. *Advances in
  Neural Information Processing Systems* 32. https://arxiv.org/abs/1910.07467
* R. Xiong, Y. Yang, D. He and others (2020). On layer normalization in the transformer
  architecture. *International Conference on Machine Learning*.
  https://arxiv.org/abs/2002.04745
"""

from math import prod
from typing import Any

from jaxtyping import Float

from dlnotes.arrays import Array, array_namespace, checked
from dlnotes.checks import at_least, integer
from dlnotes.training.batch_normalization import standardize, standardize_backward


@checked
def layer_norm_forward(
    X: Float[Array, "*instances units"],
    gamma: Float[Array, "units"],
    beta: Float[Array, "units"],
    *,
    epsilon: float = 1e-5,
) -> Float[Array, "*instances units"]:
    r"""Standardize the units of each instance, then scale and shift each unit.

    The mean and the variance are those of the :math:`D` units of one instance, and the
    scale :math:`\gamma_j` and the shift :math:`\beta_j` of a unit are the same for all
    instances:

    .. math::
       :label: eq-layer-norm

       \mu = \frac{1}{D} \sum_{j=1}^{D} x_j, \qquad
       \sigma^2 = \frac{1}{D} \sum_{j=1}^{D} (x_j - \mu)^2, \qquad
       y_j = \gamma_j\, \frac{x_j - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta_j

    Parameters
    ----------
    X
        One instance a row.  Any axes may come before the units: the words of a
        sequence are normalized each by itself.
    gamma, beta
        The scale :math:`\gamma` and the shift :math:`\beta`, one for each unit.
    epsilon
        The number :math:`\epsilon`, at least 0.

    Returns
    -------
    Y
        The outputs, in training and in evaluation.

    Raises
    ------
    ValueError
        If ``epsilon`` is negative, or there are no units.

    Examples
    --------
    The second instance is the first one times 5 plus 10, and comes out the same:

    >>> import numpy as np
    >>> from dlnotes.training.layer_normalization import layer_norm_forward
    >>> X = np.array([[0.0, 0.0, 6.0, 6.0], [10.0, 10.0, 40.0, 40.0]])
    >>> gamma, beta = np.array([1.0, 2.0, 1.0, 2.0]), np.array([0.0, 0.0, 9.0, 9.0])
    >>> layer_norm_forward(X, gamma, beta, epsilon=0.0).tolist()
    [[-1.0, -2.0, 10.0, 11.0], [-1.0, -2.0, 10.0, 11.0]]
    """
    X_hat, _, _ = standardize(X, axes=(-1,), epsilon=epsilon)
    return array_namespace(X).astype(gamma * X_hat + beta, X.dtype, copy=False)


@checked
def layer_norm_backward(
    X: Float[Array, "*instances units"],
    gamma: Float[Array, "units"],
    upstream: Float[Array, "*instances units"],
    *,
    epsilon: float = 1e-5,
) -> tuple[
    Float[Array, "*instances units"], Float[Array, "units"], Float[Array, "units"]
]:
    r"""Return the gradients of layer normalization: of inputs, scale and shift.

    With :math:`s = \sqrt{\sigma^2 + \epsilon}` and the gradient
    :math:`g_j = \gamma_j\, \partial J / \partial y_j` of a standardized unit, the means
    for an input go over the units of its instance; the sums for a scale and a shift go
    over the instances :math:`n`:

    .. math::
       :label: eq-layer-norm-backward

       \frac{\partial J}{\partial x_j} &= \frac{1}{s} \left( g_j
       - \frac{1}{D} \sum_{k=1}^{D} g_k
       - \hat{x}_j\, \frac{1}{D} \sum_{k=1}^{D} g_k\, \hat{x}_k \right) \\
       \frac{\partial J}{\partial \gamma_j} &= \sum_{n=1}^{N}
       \frac{\partial J}{\partial y_{nj}}\, \hat{x}_{nj}, \qquad
       \frac{\partial J}{\partial \beta_j} = \sum_{n=1}^{N}
       \frac{\partial J}{\partial y_{nj}}

    Parameters
    ----------
    X, gamma
        What :func:`layer_norm_forward` was given; the shift is not needed.
    upstream
        The gradient with respect to the outputs that it returned.
    epsilon
        The number :math:`\epsilon` that it was given.

    Returns
    -------
    gradients
        The gradients with respect to ``X``, ``gamma`` and ``beta``.

    Raises
    ------
    ValueError
        If :func:`layer_norm_forward` would refuse the arguments.

    Examples
    --------
    The deviation is 3 and the standardized units are -1, -1, 1 and 1.  The gradients of
    the inputs add up to zero, as a shift of all units of an instance changes nothing:

    >>> import numpy as np
    >>> from dlnotes.training.layer_normalization import layer_norm_backward
    >>> X, gamma = np.array([[0.0, 0.0, 6.0, 6.0]]), np.array([3.0, 3.0, 3.0, 6.0])
    >>> upstream = np.array([[1.0, 0.0, 0.0, 2.0]])
    >>> dX, dgamma, dbeta = layer_norm_backward(X, gamma, upstream, epsilon=0.0)
    >>> dX.tolist()
    [[0.5, -0.5, -2.0, 2.0]]
    >>> dgamma.tolist(), dbeta.tolist()
    ([-1.0, 0.0, 0.0, 2.0], [1.0, 0.0, 0.0, 2.0])
    """
    xp, units = array_namespace(X), (-1, X.shape[-1])
    X_hat, _, variance = standardize(X, axes=(-1,), epsilon=epsilon)
    upstream = xp.astype(upstream, X_hat.dtype, copy=False)
    deviation = xp.sqrt(variance + epsilon)
    dX = standardize_backward(X_hat, deviation, gamma * upstream, axes=(-1,))
    dgamma = xp.sum(xp.reshape(upstream * X_hat, units), axis=0)
    dbeta = xp.sum(xp.reshape(upstream, units), axis=0)
    return (
        xp.astype(dX, X.dtype, copy=False),
        xp.astype(dgamma, gamma.dtype, copy=False),
        xp.astype(dbeta, gamma.dtype, copy=False),
    )


@checked
def group_norm_forward(
    X: Float[Array, "batch channels *positions"],
    gamma: Float[Array, "channels"],
    beta: Float[Array, "channels"],
    *,
    groups: int,
    epsilon: float = 1e-5,
) -> Float[Array, "batch channels *positions"]:
    r"""Standardize each group of channels of each image, then scale and shift.

    Neighboring channels make up :math:`G` groups of equal size.  Image :math:`n` has
    for group :math:`g` one mean and one variance, over the channels
    :math:`c \in \mathcal{C}_g` and all positions :math:`p`:

    .. math::
       :label: eq-group-norm

       y_{ncp} = \gamma_c\, \frac{x_{ncp} - \mu_{ng}}{\sqrt{\sigma^2_{ng} + \epsilon}}
       + \beta_c, \qquad
       \mu_{ng} = \operatorname*{mean}_{c \in \mathcal{C}_g,\, p} x_{ncp}, \qquad
       \sigma^2_{ng} = \operatorname*{mean}_{c \in \mathcal{C}_g,\, p}
       (x_{ncp} - \mu_{ng})^2

    With one group it is layer normalization over the whole image, but for the scale and
    the shift, which belong to a channel here.

    Parameters
    ----------
    X
        Images, with any axes after the channels.
    gamma, beta
        The scale :math:`\gamma` and the shift :math:`\beta`, one for each channel.
    groups
        How many groups, :math:`G`: a divisor of the number of channels.
    epsilon
        The number :math:`\epsilon`, at least 0.

    Returns
    -------
    Y
        The outputs, in training and in evaluation.

    Raises
    ------
    ValueError
        If ``groups`` does not divide the channels, ``epsilon`` is negative, or a group
        has no numbers.

    Examples
    --------
    Channels of one pixel: the first two make up a group, and so do the last two.

    >>> import numpy as np
    >>> from dlnotes.training.layer_normalization import group_norm_forward
    >>> X, gamma, beta = np.array([[1.0, 3.0, 100.0, 500.0]]), np.ones(4), np.zeros(4)
    >>> group_norm_forward(X, gamma, beta, groups=2, epsilon=0.0).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    xp = array_namespace(X)
    X_hat, _, _ = standardize(_in_groups(X, groups), axes=(2,), epsilon=epsilon)
    Y = _along_channels(gamma, X) * xp.reshape(X_hat, X.shape)
    return xp.astype(Y + _along_channels(beta, X), X.dtype, copy=False)


@checked
def group_norm_backward(
    X: Float[Array, "batch channels *positions"],
    gamma: Float[Array, "channels"],
    upstream: Float[Array, "batch channels *positions"],
    *,
    groups: int,
    epsilon: float = 1e-5,
) -> tuple[
    Float[Array, "batch channels *positions"],
    Float[Array, "channels"],
    Float[Array, "channels"],
]:
    r"""Return the gradients of group normalization: of inputs, scale and shift.

    That of the inputs is :eq:`eq-bn-standardize-backward` within each group of each
    image.  A scale and a shift are used at all positions of all images:

    .. math::
       :label: eq-group-norm-backward

       \frac{\partial J}{\partial \gamma_c} = \sum_{n,\, p}
       \frac{\partial J}{\partial y_{ncp}}\, \hat{x}_{ncp}, \qquad
       \frac{\partial J}{\partial \beta_c} = \sum_{n,\, p}
       \frac{\partial J}{\partial y_{ncp}}

    Parameters
    ----------
    X, gamma
        What :func:`group_norm_forward` was given; the shift is not needed.
    upstream
        The gradient with respect to the outputs that it returned.
    groups, epsilon
        The settings that it was given.

    Returns
    -------
    gradients
        The gradients with respect to ``X``, ``gamma`` and ``beta``.

    Raises
    ------
    ValueError
        If :func:`group_norm_forward` would refuse the arguments.

    Examples
    --------
    One channel to a group, and two pixels, which become -1 and 1 whatever they are.  So
    only the scale and the shift can lower the loss:

    >>> import numpy as np
    >>> from dlnotes.training.layer_normalization import group_norm_backward
    >>> X, upstream = np.array([[[5.0, 9.0]]]), np.array([[[1.0, 4.0]]])
    >>> dX, dgamma, dbeta = group_norm_backward(
    ...     X, np.ones(1), upstream, groups=1, epsilon=0.0
    ... )
    >>> dX.tolist(), dgamma.tolist(), dbeta.tolist()
    ([[[0.0, 0.0]]], [3.0], [5.0])
    """
    xp, axes = array_namespace(X), (0, *range(2, X.ndim))
    X_hat, _, variance = standardize(_in_groups(X, groups), axes=(2,), epsilon=epsilon)
    upstream = xp.astype(upstream, X_hat.dtype, copy=False)
    dX_hat = _in_groups(_along_channels(gamma, X) * upstream, groups)
    dX = standardize_backward(X_hat, xp.sqrt(variance + epsilon), dX_hat, axes=(2,))
    dgamma = xp.sum(upstream * xp.reshape(X_hat, X.shape), axis=axes)
    dbeta = xp.sum(upstream, axis=axes)
    return (
        xp.astype(xp.reshape(dX, X.shape), X.dtype, copy=False),
        xp.astype(dgamma, gamma.dtype, copy=False),
        xp.astype(dbeta, gamma.dtype, copy=False),
    )


@checked
def instance_norm_forward(
    X: Float[Array, "batch channels *positions"],
    gamma: Float[Array, "channels"],
    beta: Float[Array, "channels"],
    *,
    epsilon: float = 1e-5,
) -> Float[Array, "batch channels *positions"]:
    r"""Standardize each channel of each image, then scale and shift it.

    It is what :func:`group_norm_forward` computes with as many groups as channels: the
    means go over the :math:`P` positions alone,

    .. math::
       :label: eq-instance-norm

       \mu_{nc} = \frac{1}{P} \sum_{p=1}^{P} x_{ncp}, \qquad
       \sigma^2_{nc} = \frac{1}{P} \sum_{p=1}^{P} (x_{ncp} - \mu_{nc})^2

    Parameters
    ----------
    X, gamma, beta, epsilon
        As for :func:`group_norm_forward`.

    Returns
    -------
    Y
        The outputs, in training and in evaluation.

    Raises
    ------
    ValueError
        If there are fewer than two positions, or ``epsilon`` is negative.

    Examples
    --------
    The second image is the first one with three times the contrast, and brighter:

    >>> import numpy as np
    >>> from dlnotes.training.layer_normalization import instance_norm_forward
    >>> X = np.array([[[1.0, 3.0]], [[103.0, 109.0]]])
    >>> instance_norm_forward(X, np.ones(1), np.zeros(1), epsilon=0.0).tolist()
    [[[-1.0, 1.0]], [[-1.0, 1.0]]]
    """
    if prod(X.shape[2:]) < 2:
        raise ValueError(
            "Expected more than 1 spatial element when training, got input size "
            f"{X.shape}"
        )
    X_hat, _, _ = standardize(X, axes=tuple(range(2, X.ndim)), epsilon=epsilon)
    Y = _along_channels(gamma, X) * X_hat + _along_channels(beta, X)
    return array_namespace(X).astype(Y, X.dtype, copy=False)


@checked
def rms_norm_forward(
    X: Float[Array, "*instances units"],
    gamma: Float[Array, "units"],
    *,
    epsilon: float = 1e-5,
) -> Float[Array, "*instances units"]:
    r"""Divide the units of each instance by their root mean square, then scale.

    .. math::
       :label: eq-rms-norm

       y_j = \gamma_j\, \frac{x_j}{r}, \qquad
       r = \sqrt{\frac{1}{D} \sum_{j=1}^{D} x_j^2 + \epsilon}

    Nothing is subtracted, and no shift is learned.

    Parameters
    ----------
    X
        One instance a row, with any axes before the units.
    gamma
        The scale :math:`\gamma`, one for each unit.
    epsilon
        The number :math:`\epsilon`, at least 0.

    Returns
    -------
    Y
        The outputs, in training and in evaluation.

    Raises
    ------
    ValueError
        If ``epsilon`` is negative, or there are no units.

    Examples
    --------
    The mean square of 1 and 7 is 25, and ten times the instance comes out the same:

    >>> import numpy as np
    >>> from dlnotes.training.layer_normalization import rms_norm_forward
    >>> X, gamma = np.array([[1.0, 7.0], [10.0, 70.0]]), np.array([1.0, 2.0])
    >>> rms_norm_forward(X, gamma, epsilon=0.0).tolist()
    [[0.2, 2.8], [0.2, 2.8]]
    """
    X_hat, _ = _divide_by_rms(X, epsilon)
    return array_namespace(X).astype(gamma * X_hat, X.dtype, copy=False)


@checked
def rms_norm_backward(
    X: Float[Array, "*instances units"],
    gamma: Float[Array, "units"],
    upstream: Float[Array, "*instances units"],
    *,
    epsilon: float = 1e-5,
) -> tuple[Float[Array, "*instances units"], Float[Array, "units"]]:
    r"""Return the gradients of RMS normalization: of inputs and scale.

    Of the two means of :eq:`eq-layer-norm-backward` only one is left.  With
    :math:`\hat{x}_j = x_j / r` and :math:`g_j = \gamma_j\, \partial J / \partial y_j`,

    .. math::
       :label: eq-rms-norm-backward

       \frac{\partial J}{\partial x_j} = \frac{1}{r} \left( g_j - \hat{x}_j\,
       \frac{1}{D} \sum_{k=1}^{D} g_k\, \hat{x}_k \right), \qquad
       \frac{\partial J}{\partial \gamma_j} = \sum_{n=1}^{N}
       \frac{\partial J}{\partial y_{nj}}\, \hat{x}_{nj}

    Parameters
    ----------
    X, gamma
        What :func:`rms_norm_forward` was given.
    upstream
        The gradient with respect to the outputs that it returned.
    epsilon
        The number :math:`\epsilon` that it was given.

    Returns
    -------
    gradients
        The gradients with respect to ``X`` and ``gamma``.

    Raises
    ------
    ValueError
        If :func:`rms_norm_forward` would refuse the arguments.

    Examples
    --------
    The root mean square is 5.  A step along the instance changes nothing, so the
    gradient stands at a right angle to it, 4.9 times 1 less 0.7 times 7:

    >>> import numpy as np
    >>> from dlnotes.training.layer_normalization import rms_norm_backward
    >>> X, upstream = np.array([[1.0, 7.0]]), np.array([[25.0, 0.0]])
    >>> dX, dgamma = rms_norm_backward(X, np.ones(2), upstream, epsilon=0.0)
    >>> dX.round(6).tolist(), dgamma.tolist()
    ([[4.9, -0.7]], [5.0, 0.0])
    """
    xp, units = array_namespace(X), (-1, X.shape[-1])
    X_hat, root = _divide_by_rms(X, epsilon)
    upstream = xp.astype(upstream, X_hat.dtype, copy=False)
    g = gamma * upstream
    stretch = xp.mean(g * X_hat, axis=-1, keepdims=True)
    dgamma = xp.sum(xp.reshape(upstream * X_hat, units), axis=0)
    return (
        xp.astype((g - X_hat * stretch) / root, X.dtype, copy=False),
        xp.astype(dgamma, gamma.dtype, copy=False),
    )


def _in_groups(X: Any, groups: int) -> Any:
    """Put the numbers of each group of channels of each image in a row."""
    integer(1, groups=groups)
    if X.shape[1] % groups:
        raise ValueError(f"groups must divide the {X.shape[1]} channels, got {groups}")
    size = prod(X.shape[1:]) // groups
    return array_namespace(X).reshape(X, (X.shape[0], groups, size))


def _along_channels(values: Any, X: Any) -> Any:
    """Give a number for each channel an axis for each position of X."""
    return array_namespace(X).reshape(values, (-1, *(1,) * (X.ndim - 2)))


def _divide_by_rms(X: Any, epsilon: float) -> tuple[Any, Any]:
    """Return the units over their root mean square, and the root; half as single."""
    at_least(0, epsilon=epsilon)
    if X.shape[-1] == 0:
        raise ValueError(f"X must have units, got shape {tuple(X.shape)}")
    xp = array_namespace(X)
    X = xp.astype(X, xp.float32) if X.dtype.itemsize == 2 else X
    root = xp.sqrt(xp.mean(X * X, axis=-1, keepdims=True) + epsilon)
    return X / root, root
