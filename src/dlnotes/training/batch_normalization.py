r"""Batch normalization.

While a network learns, the scale and the mean of what a layer reads change with every
step of the layers before it.  Batch normalization (Ioffe and Szegedy, 2015) sets both:
it standardizes each feature over the mini-batch, and then gives it a scale and a shift
that are learned.  Each instance so depends on the others of its batch.  Where one
instance has to be judged alone, running averages take the place of the batch.

References
----------
* S. Ioffe and C. Szegedy (2015). Batch normalization: accelerating deep network
  training by reducing internal covariate shift. *International Conference on Machine
  Learning*. https://arxiv.org/abs/1502.03167
* S. Ioffe (2017). Batch renormalization: towards reducing minibatch dependence in
  batch-normalized models. *Advances in Neural Information Processing Systems* 30.
  https://arxiv.org/abs/1702.03275
* T. van Laarhoven (2017). L2 regularization versus batch and weight normalization.
  https://arxiv.org/abs/1706.05350
* S. Santurkar, D. Tsipras, A. Ilyas and A. Mądry (2018). How does batch normalization
  help optimization? *Advances in Neural Information Processing Systems* 31.
  https://arxiv.org/abs/1805.11604
* N. Bjorck, C. P. Gomes, B. Selman and K. Q. Weinberger (2018). Understanding batch
  normalization. *Advances in Neural Information Processing Systems* 31.
  https://arxiv.org/abs/1806.02375
* S. Arora, Z. Li and K. Lyu (2019). Theoretical analysis of auto rate-tuning by batch
  normalization. *International Conference on Learning Representations*.
  https://arxiv.org/abs/1812.03981
"""

from math import prod
from typing import Any

from jaxtyping import Float

from dlnotes.arrays import Array, array_namespace, checked
from dlnotes.checks import at_least, in_range, integer


@checked
def standardize(
    X: Float[Array, "*shape"], *, axes: tuple[int, ...], epsilon: float = 1e-5
) -> tuple[Float[Array, "*shape"], Float[Array, "*kept"], Float[Array, "*kept"]]:
    r"""Subtract the mean, and divide by the standard deviation.

    In batch normalization each feature has a mean :math:`\mu` and a variance
    :math:`\sigma^2` of its own, taken over the :math:`N` instances of the batch
    :math:`\mathcal{B}`:

    .. math::
       :label: eq-bn-statistics

       \mu_{\mathcal{B}} = \frac{1}{N} \sum_{n=1}^{N} x_n, \qquad
       \sigma^2_{\mathcal{B}} = \frac{1}{N} \sum_{n=1}^{N}
       (x_n - \mu_{\mathcal{B}})^2

    A small :math:`\epsilon` keeps the quotient finite where a feature hardly varies:

    .. math::
       :label: eq-bn-normalize

       \hat{x}_n = \frac{x_n - \mu_{\mathcal{B}}}
       {\sqrt{\sigma^2_{\mathcal{B}} + \epsilon}}

    Parameters
    ----------
    X
        The numbers; half precision is computed in single, and comes back so.
    axes
        The axes over which means are taken: ``(0,)`` for a batch of rows, ``(0, 2, 3)``
        for a batch of images.
    epsilon
        The number :math:`\epsilon`, at least 0.

    Returns
    -------
    X_hat
        The standardized numbers.
    mean, variance
        What was found, with an axis of length 1 for each axis in ``axes``.

    Raises
    ------
    ValueError
        If ``epsilon`` is negative, or there is nothing to average.

    Examples
    --------
    The first column has the mean 2 and the variance (1 + 0 + 1) / 3.  The second is a
    hundred times the first, and becomes the same:

    >>> import numpy as np
    >>> from dlnotes.training.batch_normalization import standardize
    >>> X = np.array([[1.0, 100.0], [2.0, 200.0], [3.0, 300.0]])
    >>> X_hat, mean, variance = standardize(X, axes=(0,))
    >>> X_hat.round(3).tolist()
    [[-1.225, -1.225], [0.0, 0.0], [1.225, 1.225]]
    >>> mean.tolist(), variance.round(3).tolist()
    ([[2.0, 200.0]], [[0.667, 6666.667]])
    """
    centered, mean, variance, deviation = _center(X, axes, epsilon)
    return centered / deviation, mean, variance


@checked
def batch_norm_forward(
    X: Float[Array, "batch features *positions"],
    gamma: Float[Array, "features"],
    beta: Float[Array, "features"],
    *,
    epsilon: float = 1e-5,
) -> tuple[
    Float[Array, "batch features *positions"],
    Float[Array, "features"],
    Float[Array, "features"],
]:
    r"""Standardize each feature over the batch, then scale and shift it.

    The scale :math:`\gamma` and the shift :math:`\beta` are learned, one of each for a
    feature:

    .. math::
       :label: eq-bn-affine

       y_n = \gamma\, \hat{x}_n + \beta

    A feature of an image is a channel, and all its positions count as instances.

    Parameters
    ----------
    X
        One instance a row, or images: any axes may follow the features.
    gamma, beta
        The scale :math:`\gamma` and the shift :math:`\beta`.
    epsilon
        The number :math:`\epsilon` of :eq:`eq-bn-normalize`, at least 0.

    Returns
    -------
    Y
        The outputs: each feature has the mean :math:`\beta` and, but for
        :math:`\epsilon`, the standard deviation :math:`\lvert \gamma \rvert`.
    mean, variance
        Those of the batch, for the running averages.

    Raises
    ------
    ValueError
        If a feature has less than two values, or ``epsilon`` is negative.

    Examples
    --------
    With two instances a feature becomes -1 and 1, whatever it was, and then
    :math:`\beta \mp \gamma`:

    >>> import numpy as np
    >>> from dlnotes.training.batch_normalization import batch_norm_forward
    >>> X, gamma, beta = np.array([[5.0], [9.0]]), np.array([3.0]), np.array([10.0])
    >>> Y, mean, variance = batch_norm_forward(X, gamma, beta, epsilon=0.0)
    >>> Y.tolist(), mean.tolist(), variance.tolist()
    ([[7.0], [13.0]], [7.0], [4.0])
    """
    _instances(X)
    xp = array_namespace(X)
    centered, mean, variance, deviation = _center(X, _all_but_features(X), epsilon)
    scale = _along_features(gamma, X) / deviation  # one product for two
    Y = centered * scale + _along_features(beta, X)
    mean, variance = xp.reshape(mean, (-1,)), xp.reshape(variance, (-1,))
    return xp.astype(Y, X.dtype, copy=False), mean, variance


@checked
def batch_norm_update_running(
    running_mean: Float[Array, "features"],
    running_variance: Float[Array, "features"],
    mean: Float[Array, "features"],
    variance: Float[Array, "features"],
    *,
    instances: int,
    momentum: float = 0.1,
    unbiased: bool = True,
) -> tuple[Float[Array, "features"], Float[Array, "features"]]:
    r"""Update the running averages with the mean and the variance of a batch.

    The momentum :math:`m` is the weight of the new batch.  A variance about the batch's
    own mean is too small by the factor :math:`(N - 1) / N` on average, for which
    :math:`N / (N - 1)` makes up:

    .. math::
       :label: eq-bn-running

       \mu_{\text{run}} &\leftarrow (1 - m)\, \mu_{\text{run}}
       + m\, \mu_{\mathcal{B}} \\
       \sigma^2_{\text{run}} &\leftarrow (1 - m)\, \sigma^2_{\text{run}}
       + m\, \frac{N}{N - 1}\, \sigma^2_{\mathcal{B}}

    These are the conventions of PyTorch.  In Keras the momentum is the weight
    :math:`1 - m` of the past, and the variance stays biased.

    Parameters
    ----------
    running_mean, running_variance
        The averages so far; at the start PyTorch has zeros and ones.
    mean, variance
        Those of the batch, the variance biased as :func:`batch_norm_forward` returns
        it.
    instances
        How many values of a feature the batch had, :math:`N`: with images its size
        times the positions.
    momentum
        The weight :math:`m`, from 0 to 1.  The weight :math:`1/t` for batch :math:`t`
        makes the plain mean of all batches, as a momentum of None does in PyTorch.
    unbiased
        Whether to multiply by :math:`N / (N - 1)`.

    Returns
    -------
    running_mean, running_variance
        The averages with the new batch.

    Raises
    ------
    ValueError
        If the momentum is out of its range, or ``instances`` is not an integer of at
        least 2 (1, where the variance stays biased).

    Examples
    --------
    The values 1, 2 and 6 have the mean 3, the biased variance 14/3, and the unbiased
    one 7.  A tenth of 3, and of the way from 1 to 7:

    >>> import numpy as np
    >>> from dlnotes.training.batch_normalization import batch_norm_update_running
    >>> averages = batch_norm_update_running(
    ...     np.zeros(1), np.ones(1), np.array([3.0]), np.array([14 / 3]), instances=3
    ... )
    >>> [each.round(6).tolist() for each in averages]
    [[0.3], [1.6]]
    """
    in_range(0, 1, momentum=momentum)
    integer(2 if unbiased else 1, instances=instances)
    xp = array_namespace(running_mean)
    factor = instances / (instances - 1) if unbiased else 1.0
    averages = (
        (1 - momentum) * running_mean + momentum * mean,
        (1 - momentum) * running_variance + (momentum * factor) * variance,
    )
    dtypes = running_mean.dtype, running_variance.dtype
    return (
        xp.astype(averages[0], dtypes[0], copy=False),
        xp.astype(averages[1], dtypes[1], copy=False),
    )


@checked
def batch_norm_train(
    X: Float[Array, "batch features *positions"],
    gamma: Float[Array, "features"],
    beta: Float[Array, "features"],
    running_mean: Float[Array, "features"],
    running_variance: Float[Array, "features"],
    *,
    momentum: float = 0.1,
    epsilon: float = 1e-5,
) -> tuple[
    Float[Array, "batch features *positions"],
    Float[Array, "features"],
    Float[Array, "features"],
]:
    """Normalize a batch in training, by its own statistics, and keep averages of them.

    Parameters
    ----------
    X, gamma, beta
        As for :func:`batch_norm_forward`.
    running_mean, running_variance
        The averages of the batches before.
    momentum
        The weight of the new batch in the averages, from 0 to 1.
    epsilon
        The number in :eq:`eq-bn-normalize`, at least 0.

    Returns
    -------
    Y
        The outputs, which do not depend on the averages.
    running_mean, running_variance
        The averages with this batch.  Autograd follows them too: keep them detached.

    Raises
    ------
    ValueError
        If a feature has less than two values, or a setting is out of its range.

    Examples
    --------
    The batch is standardized by its biased variance 4, and 8 enters the average:

    >>> import numpy as np
    >>> from dlnotes.training.batch_normalization import batch_norm_train
    >>> X, gamma, beta = np.array([[5.0], [9.0]]), np.ones(1), np.zeros(1)
    >>> found = batch_norm_train(
    ...     X, gamma, beta, np.zeros(1), np.ones(1), momentum=0.5, epsilon=0.0
    ... )
    >>> [each.tolist() for each in found]
    [[[-1.0], [1.0]], [3.5], [4.5]]
    """
    Y, mean, variance = batch_norm_forward(X, gamma, beta, epsilon=epsilon)
    running_mean, running_variance = batch_norm_update_running(
        running_mean,
        running_variance,
        mean,
        variance,
        instances=_instances(X),
        momentum=momentum,
    )
    return Y, running_mean, running_variance


@checked
def batch_norm_eval(
    X: Float[Array, "batch features *positions"],
    gamma: Float[Array, "features"],
    beta: Float[Array, "features"],
    running_mean: Float[Array, "features"],
    running_variance: Float[Array, "features"],
    *,
    epsilon: float = 1e-5,
) -> Float[Array, "batch features *positions"]:
    """Normalize by the running averages, each instance by itself.

    Parameters
    ----------
    X, gamma, beta
        As for :func:`batch_norm_forward`; a batch of one will do.
    running_mean, running_variance
        The averages, which take the place of the batch's mean and variance.
    epsilon
        The number in :eq:`eq-bn-normalize`, at least 0.

    Returns
    -------
    Y
        The outputs.

    Raises
    ------
    ValueError
        If ``epsilon`` is negative.

    Examples
    --------
    Where 10 is usual and the standard deviation is 2, 14 is 2 deviations above:

    >>> import numpy as np
    >>> from dlnotes.training.batch_normalization import batch_norm_eval
    >>> mean, variance = np.array([10.0]), np.array([4.0])
    >>> X, gamma, beta = np.array([[14.0]]), np.array([3.0]), np.array([1.0])
    >>> batch_norm_eval(X, gamma, beta, mean, variance, epsilon=0.0)
    array([[7.]])
    """
    at_least(0, epsilon=epsilon)
    xp = array_namespace(X)
    scale = gamma / xp.sqrt(_widen(running_variance) + epsilon)
    centered = _widen(X) - _along_features(running_mean, X)
    Y = centered * _along_features(scale, X) + _along_features(beta, X)
    return xp.astype(Y, X.dtype, copy=False)


@checked
def standardize_backward(
    X_hat: Float[Array, "*shape"],
    deviation: Float[Array, "*kept"],
    upstream: Float[Array, "*shape"],
    *,
    axes: tuple[int, ...],
) -> Float[Array, "*shape"]:
    r"""Return the gradient of the loss with respect to what was standardized.

    A value moves the mean and the variance too, and through these all the others.  With
    :math:`g_n = \partial J / \partial \hat{x}_n` and
    :math:`s = \sqrt{\sigma^2_{\mathcal{B}} + \epsilon}`,

    .. math::
       :label: eq-bn-standardize-backward

       \frac{\partial J}{\partial x_n} = \frac{1}{s} \left( g_n
       - \frac{1}{N} \sum_{k=1}^{N} g_k
       - \hat{x}_n\, \frac{1}{N} \sum_{k=1}^{N} g_k\, \hat{x}_k \right)

    Parameters
    ----------
    X_hat
        The standardized numbers that :func:`standardize` returned.
    deviation
        The root :math:`s` that it divided by, with its axes of length 1.
    upstream
        The gradient :math:`g` with respect to ``X_hat``.
    axes
        The axes over which means were taken.

    Returns
    -------
    gradient
        The gradient with respect to ``X``.

    Examples
    --------
    Of three numbers only the middle one is pulled.  A shift of all would not change
    what is standardized, so the gradients add up to zero:

    >>> import numpy as np
    >>> from dlnotes.training.batch_normalization import standardize_backward
    >>> X_hat, upstream = np.array([-1.0, 0.0, 1.0]), np.array([0.0, 3.0, 0.0])
    >>> standardize_backward(X_hat, np.array([2.0]), upstream, axes=(0,)).tolist()
    [-0.5, 1.0, -0.5]
    """
    xp = array_namespace(X_hat)
    shift = xp.mean(upstream, axis=axes, keepdims=True)
    stretch = xp.mean(upstream * X_hat, axis=axes, keepdims=True)
    return (upstream - shift - X_hat * stretch) / deviation


@checked
def batch_norm_backward(
    X: Float[Array, "batch features *positions"],
    gamma: Float[Array, "features"],
    upstream: Float[Array, "batch features *positions"],
    *,
    epsilon: float = 1e-5,
) -> tuple[
    Float[Array, "batch features *positions"],
    Float[Array, "features"],
    Float[Array, "features"],
]:
    r"""Return the gradients of the loss with respect to inputs, scale and shift.

    Two sums over the batch are the gradients of :math:`\beta` and :math:`\gamma`, and
    they are all that the gradient of an input needs to know of the other instances:

    .. math::
       :label: eq-bn-backward

       \frac{\partial J}{\partial \beta} &= \sum_{n=1}^{N}
       \frac{\partial J}{\partial y_n}, \qquad
       \frac{\partial J}{\partial \gamma} = \sum_{n=1}^{N}
       \frac{\partial J}{\partial y_n}\, \hat{x}_n \\
       \frac{\partial J}{\partial x_n} &= \frac{\gamma}
       {\sqrt{\sigma^2_{\mathcal{B}} + \epsilon}} \left(
       \frac{\partial J}{\partial y_n}
       - \frac{1}{N} \frac{\partial J}{\partial \beta}
       - \frac{\hat{x}_n}{N} \frac{\partial J}{\partial \gamma} \right)

    Parameters
    ----------
    X, gamma
        What :func:`batch_norm_forward` was given; the shift is not needed.
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
        If :func:`batch_norm_forward` would refuse the arguments.

    Examples
    --------
    Two instances become -1 and 1 whatever they are, so no input can lower the loss.
    The scale and the shift can:

    >>> import numpy as np
    >>> from dlnotes.training.batch_normalization import batch_norm_backward
    >>> X, upstream = np.array([[5.0], [9.0]]), np.array([[1.0], [4.0]])
    >>> dX, dgamma, dbeta = batch_norm_backward(X, np.ones(1), upstream, epsilon=0.0)
    >>> dX.tolist(), dgamma.tolist(), dbeta.tolist()
    ([[0.0], [0.0]], [3.0], [5.0])
    """
    N, axes = _instances(X), _all_but_features(X)
    xp, g = array_namespace(X), _widen(upstream)
    centered, _, _, deviation = _center(X, axes, epsilon)
    dbeta = xp.sum(g, axis=axes, keepdims=True)
    dgamma = xp.sum(g * centered, axis=axes, keepdims=True) / deviation
    through = g - dbeta / N - centered * (dgamma / deviation / N)
    dX = _along_features(gamma, X) / deviation * through
    dgamma, dbeta = xp.reshape(dgamma, (-1,)), xp.reshape(dbeta, (-1,))
    return (
        xp.astype(dX, X.dtype, copy=False),
        xp.astype(dgamma, gamma.dtype, copy=False),
        xp.astype(dbeta, gamma.dtype, copy=False),
    )


@checked
def fold_batch_norm(
    W: Float[Array, "inputs units"],
    b: Float[Array, "units"],
    gamma: Float[Array, "units"],
    beta: Float[Array, "units"],
    running_mean: Float[Array, "units"],
    running_variance: Float[Array, "units"],
    *,
    epsilon: float = 1e-5,
) -> tuple[Float[Array, "inputs units"], Float[Array, "units"]]:
    r"""Fold batch normalization into the weights and biases of the layer before it.

    With the running averages it is a fixed scale and shift, so a linear layer and batch
    normalization are one linear layer with

    .. math::
       :label: eq-bn-fold

       \mathbf{W}' = \mathbf{W} \operatorname{diag}(\mathbf{s}), \qquad
       \mathbf{b}' = (\mathbf{b} - \boldsymbol{\mu}_{\text{run}})
       \odot \mathbf{s} + \boldsymbol{\beta}, \qquad
       s_j = \frac{\gamma_j}{\sqrt{\sigma^2_{\text{run}, j} + \epsilon}} .

    Parameters
    ----------
    W, b
        The weights and biases of the linear layer.
    gamma, beta, running_mean, running_variance, epsilon
        As for :func:`batch_norm_eval`.

    Returns
    -------
    W, b
        The weights and biases of the one layer that does what both do.

    Raises
    ------
    ValueError
        If ``epsilon`` is negative.

    Examples
    --------
    2x + 1 less 5, over 4, times 8 and plus 3 is 4x - 5:

    >>> import numpy as np
    >>> from dlnotes.training.batch_normalization import fold_batch_norm
    >>> W, b = np.array([[2.0]]), np.array([1.0])
    >>> gamma, beta = np.array([8.0]), np.array([3.0])
    >>> mean, variance = np.array([5.0]), np.array([16.0])
    >>> fold_batch_norm(W, b, gamma, beta, mean, variance, epsilon=0.0)
    (array([[4.]]), array([-5.]))
    """
    at_least(0, epsilon=epsilon)
    xp = array_namespace(W)
    scale = gamma / xp.sqrt(_widen(running_variance) + epsilon)
    folded = W * scale, (b - running_mean) * scale + beta
    return (
        xp.astype(folded[0], W.dtype, copy=False),
        xp.astype(folded[1], b.dtype, copy=False),
    )


def _center(X: Any, axes: tuple[int, ...], epsilon: float) -> tuple[Any, Any, Any, Any]:
    """Return the distances from the mean, mean, variance and what is divided by."""
    at_least(0, epsilon=epsilon)
    if any(X.shape[axis] == 0 for axis in axes):
        raise ValueError(f"X must have numbers along {axes}, got shape {X.shape}")
    xp, X = array_namespace(X), _widen(X)
    mean = xp.mean(X, axis=axes, keepdims=True)
    centered = X - mean
    variance = xp.mean(centered * centered, axis=axes, keepdims=True)
    return centered, mean, variance, xp.sqrt(variance + epsilon)


def _instances(X: Any) -> int:
    """Count the values of a feature, of which standardization needs two."""
    count = prod(X.shape[:1] + X.shape[2:])
    if count < 2:
        raise ValueError(
            "Expected more than 1 value per channel when training, got input size "
            f"{X.shape}"
        )
    return count


def _all_but_features(X: Any) -> tuple[int, ...]:
    """Return the axes of the instances and the positions."""
    return (0, *range(2, X.ndim))


def _along_features(values: Any, X: Any) -> Any:
    """Give a number for each feature an axis for each position of X."""
    return array_namespace(X).reshape(values, (-1, *(1,) * (X.ndim - 2)))


def _widen(X: Any) -> Any:
    """Return half precision as single, in which sums keep their digits."""
    xp = array_namespace(X)
    return xp.astype(X, xp.float32) if X.dtype.itemsize == 2 else X
