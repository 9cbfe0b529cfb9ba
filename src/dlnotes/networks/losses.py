r"""Loss functions.

A loss is one number that says how far a prediction is from its target, and training
means to make it small.  Regression, which predicts a number, uses the squared error.
Classification turns scores, the logits, into probabilities by the softmax (Bridle,
1990) and uses the cross-entropy, which is the negative logarithm of the probability of
the right class.  Minimizing the cross-entropy is maximum likelihood.  So is minimizing
the squared error, if targets are normal around the prediction with a fixed deviation.

References
----------
* J. S. Bridle (1990). Probabilistic interpretation of feedforward classification
  network outputs, with relationships to statistical pattern recognition.
  *Neurocomputing*.
  https://doi.org/10.1007/978-3-642-76153-9_28
* C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna (2016). Rethinking the
  Inception architecture for computer vision. *Conference on Computer Vision and Pattern
  Recognition*. https://doi.org/10.1109/CVPR.2016.308
* P. Blanchard, D. J. Higham and N. J. Higham (2021). Accurately computing the
  log-sum-exp and softmax functions. *IMA Journal of Numerical Analysis* 41(4).
  https://doi.org/10.1093/imanum/draa038
"""

from math import prod

from jaxtyping import Float, Int

from dlnotes.arrays import Array, anywhere, array_namespace, checked, device_of
from dlnotes.networks.activations import sigmoid
from dlnotes.networks.smooth_rectifiers import softplus


@checked
def squared_error(
    y_hat: Float[Array, "*shape"], y: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    r"""Compute the squared error of each prediction.

    For a prediction :math:`\hat y` and its target :math:`y` it is

    .. math::
       :label: eq-squared-error

       L(\hat y, y) = (\hat y - y)^2

    Parameters
    ----------
    y_hat
        The predictions.
    y
        The targets.

    Returns
    -------
    L
        The loss of each prediction; the mean squared error is their mean.

    Examples
    --------
    One error of three counts as much as nine errors of one:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import squared_error
    >>> squared_error(np.array([5.0, 1.0]), np.array([2.0, 2.0]))
    array([9., 1.])
    """
    return (y_hat - y) ** 2


@checked
def squared_error_gradient(
    y_hat: Float[Array, "*shape"], y: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    r"""Compute the derivative of each squared error with respect to its prediction.

    It is the derivative of :eq:`eq-squared-error`:

    .. math::
       :label: eq-squared-error-gradient

       \frac{\partial L}{\partial \hat y} = 2\,(\hat y - y)

    Parameters
    ----------
    y_hat
        The predictions.
    y
        The targets.

    Returns
    -------
    gradient
        The derivative of each loss, which is the gradient of the sum of all losses.
        Divide by the number of predictions for the gradient of their mean.

    Examples
    --------
    A prediction that is too high has a positive derivative, one that is too low a
    negative one, and its size is twice the error:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import squared_error_gradient
    >>> squared_error_gradient(np.array([5.0, 1.0]), np.array([2.0, 2.0]))
    array([ 6., -2.])
    """
    return 2 * (y_hat - y)


@checked
def softmax(logits: Float[Array, "*batch classes"]) -> Float[Array, "*batch classes"]:
    r"""Turn the logits of each instance into probabilities.

    The softmax of the logits :math:`\mathbf{o}` gives class :math:`k` the exponential
    of its logit, divided by the sum of the exponentials of all classes :math:`j`:

    .. math::
       :label: eq-softmax

       p_k = \operatorname{softmax}(\mathbf{o})_k = \frac{e^{o_k}}{\sum_j e^{o_j}}

    The largest logit is subtracted first, which changes nothing but the range of the
    numbers.

    Parameters
    ----------
    logits
        The logit of each class, of any size.

    Returns
    -------
    p
        The probability of each class; those of an instance add up to one, in half
        precision too.

    Examples
    --------
    A lead of log 3 makes a class three times as probable as another, whatever the
    logits are:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import softmax
    >>> lead = np.log(3)
    >>> softmax(np.array([[lead, 0.0], [1000 + lead, 1000.0]])).round(6)
    array([[0.75, 0.25],
           [0.75, 0.25]])
    """
    if logits.shape[-1] == 0:
        return logits
    xp = array_namespace(logits)
    e = xp.exp(_below_largest(logits))
    return xp.astype(e / _sum(e)[..., None], e.dtype, copy=False)


@checked
def log_softmax(
    logits: Float[Array, "*batch classes"],
) -> Float[Array, "*batch classes"]:
    r"""Compute the logarithm of the softmax without overflow (log-sum-exp trick).

    With the largest logit :math:`m` subtracted first, no exponential is above one, and
    their sum is at least one:

    .. math::
       :label: eq-log-softmax

       \log \operatorname{softmax}(\mathbf{o})_k = (o_k - m) - \log \sum_j e^{o_j - m},
       \qquad m = \max_j o_j

    Parameters
    ----------
    logits
        The logit of each class, of any size.

    Returns
    -------
    log_p
        The logarithm of the probability of each class.

    Examples
    --------
    A lead of 1000 leaves the other class a probability that is too small for a
    floating-point number, and yet its logarithm is exact:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import log_softmax
    >>> log_softmax(np.array([500.0, -500.0])).tolist()
    [0.0, -1000.0]
    """
    if logits.shape[-1] == 0:
        return logits
    xp, below = array_namespace(logits), _below_largest(logits)
    log_p = below - xp.log(_sum(xp.exp(below)))[..., None]
    return xp.astype(log_p, logits.dtype, copy=False)


@checked
def negative_log_likelihood(
    log_p: Float[Array, "*batch classes"], labels: Int[Array, "*batch"]
) -> Float[Array, "*batch"]:
    r"""Take minus the log-probability of the label of each instance.

    Where a network has computed the logarithms already, for the label :math:`y` it is

    .. math::
       :label: eq-negative-log-likelihood

       L(\log \mathbf{p}, y) = -\log p_y

    Parameters
    ----------
    log_p
        The logarithm of the probability of each class.
    labels
        The right class of each instance, a number from 0 to classes - 1.

    Returns
    -------
    L
        The loss of each instance, in nats.

    Raises
    ------
    ValueError
        If a label is no class, as in :func:`cross_entropy`.

    Examples
    --------
    A class that had one chance in four costs log 4:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import negative_log_likelihood
    >>> log_p = np.log(np.array([[0.25, 0.75]]))
    >>> np.exp(negative_log_likelihood(log_p, np.array([0]))).round(9)
    array([4.])
    """
    known = _check_labels(labels, log_p.shape[-1])
    xp = array_namespace(log_p)
    classes = xp.arange(log_p.shape[-1], device=device_of(log_p))
    right = xp.where(labels[..., None] == classes, log_p, 0)
    return xp.where(known, -xp.sum(right, axis=-1), xp.nan)


@checked
def cross_entropy(
    logits: Float[Array, "*batch classes"], labels: Int[Array, "*batch"]
) -> Float[Array, "*batch"]:
    r"""Compute the cross-entropy of each instance from its logits.

    It is the negative log-likelihood of the label :math:`y`, that is, minus the
    logarithm of the probability that the softmax of the logits :math:`\mathbf{o}`
    gives to the right class:

    .. math::
       :label: eq-cross-entropy

       L(\mathbf{o}, y) = -\log \operatorname{softmax}(\mathbf{o})_y
       = \log \sum_j e^{o_j} - o_y

    Parameters
    ----------
    logits
        The logit of each class, of any size.
    labels
        The right class of each instance, a number from 0 to classes - 1.

    Returns
    -------
    L
        The loss of each instance, in nats.

    Raises
    ------
    ValueError
        If a label is no class.  Where that cannot be seen, on a GPU or in a call that
        is compiled or mapped, the loss is NaN instead.

    Examples
    --------
    Equal logits for ten classes cost log 10.  A lead of 40 for the right class costs
    almost nothing, and the same lead for a wrong class costs 40:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import cross_entropy
    >>> equal, lead = np.zeros((1, 10)), 40 * np.eye(10)[:1]
    >>> logits = np.concatenate([equal, lead, lead])
    >>> cross_entropy(logits, np.array([0, 0, 1])).round(3).tolist()
    [2.303, 0.0, 40.0]
    """
    known = _check_labels(labels, logits.shape[-1])
    xp, below = array_namespace(logits), _below_largest(logits)
    instances = prod(labels.shape)
    n = xp.arange(instances, device=device_of(logits))
    k = xp.reshape(xp.astype(xp.where(known, labels, 0), n.dtype), (instances,))
    right = xp.reshape(below, (instances, logits.shape[-1]))[n, k]
    L = xp.log(_sum(xp.exp(below))) - xp.reshape(right, labels.shape)
    return xp.where(known, xp.astype(L, logits.dtype, copy=False), xp.nan)


@checked
def cross_entropy_gradient(
    logits: Float[Array, "*batch classes"], labels: Int[Array, "*batch"]
) -> Float[Array, "*batch classes"]:
    r"""Compute the gradient of each cross-entropy with respect to its logits.

    It is the derivative of :eq:`eq-cross-entropy`, probability minus target. The target
    of class :math:`k` is one if it is the label :math:`y`, and zero if not:

    .. math::
       :label: eq-cross-entropy-gradient

       \frac{\partial L}{\partial o_k} = \operatorname{softmax}(\mathbf{o})_k
       - \mathbf{1}[k = y]

    Parameters
    ----------
    logits
        The logit of each class, of any size.
    labels
        The right class of each instance, a number from 0 to classes - 1.

    Returns
    -------
    gradient
        The gradient of each loss, a row an instance.  Together the rows are the
        gradient of the sum of all losses.  Divide by the number of instances for the
        gradient of their mean.

    Raises
    ------
    ValueError
        If a label is no class, as in :func:`cross_entropy`.

    Examples
    --------
    The right class, here the second, has the only negative entry, and all entries add
    up to zero:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import cross_entropy_gradient
    >>> logits = np.log(np.array([[0.7, 0.2, 0.1]]))
    >>> cross_entropy_gradient(logits, np.array([1])).round(3).tolist()
    [[0.7, -0.8, 0.1]]
    """
    known = _check_labels(labels, logits.shape[-1])
    xp = array_namespace(logits)
    classes = xp.arange(logits.shape[-1], device=device_of(logits))
    wanted = xp.astype(labels[..., None] == classes, logits.dtype)
    return softmax(logits) - xp.where(known[..., None], wanted, xp.nan)


@checked
def binary_cross_entropy(
    logits: Float[Array, "*shape"], y: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    r"""Compute the binary cross-entropy of each instance from its logit.

    For the logit :math:`z` of the positive class and a target :math:`y` from 0 to 1

    .. math::
       :label: eq-binary-cross-entropy

       L(z, y) &= -y \log \sigma(z) - (1 - y) \log(1 - \sigma(z)) \\
       &= y \operatorname{softplus}(-z) + (1 - y) \operatorname{softplus}(z)

    The second line is the one to compute, since it needs no logarithm of a number that
    may have been rounded to zero.

    Parameters
    ----------
    logits
        The logit of the positive class, of any size.
    y
        One for the positive class, zero for the negative class, or the probability of
        the positive class.

    Returns
    -------
    L
        The loss of each instance, in nats.

    Examples
    --------
    Three instances of the negative class.  A wrong logit costs about its own size,
    however large:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import binary_cross_entropy
    >>> binary_cross_entropy(np.array([-800.0, 30.0, 800.0]), np.zeros(3)).round(
    ...     6
    ... ).tolist()
    [0.0, 30.0, 800.0]
    """
    xp = array_namespace(logits)
    # An infinite logit that is right costs nothing, and not zero times infinite.
    right = xp.isinf(logits) & (y == sigmoid(logits))
    z = xp.where(right, 1e4 * (2 * y - 1), logits)
    return y * softplus(-z) + (1 - y) * softplus(z)


@checked
def binary_cross_entropy_gradient(
    logits: Float[Array, "*shape"], y: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    r"""Compute the derivative of each binary cross-entropy with respect to its logit.

    It is the derivative of :eq:`eq-binary-cross-entropy`, again probability minus
    target:

    .. math::
       :label: eq-binary-cross-entropy-gradient

       \frac{\partial L}{\partial z} = \sigma(z) - y

    Parameters
    ----------
    logits
        The logit of the positive class, of any size.
    y
        One for the positive class, zero for the negative class, or the probability of
        the positive class.

    Returns
    -------
    gradient
        The derivative of each loss, which is the gradient of the sum of all losses.
        Divide by the number of instances for the gradient of their mean.

    Examples
    --------
    It is between -1 and 1, and a confident mistake comes close to these:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import binary_cross_entropy_gradient
    >>> binary_cross_entropy_gradient(np.array([800.0]), np.array([0.0]))
    array([1.])
    """
    return sigmoid(logits) - y


def _below_largest(logits: Array) -> Array:
    """Subtract from each logit the largest one of its instance."""
    return logits - array_namespace(logits).max(logits, axis=-1, keepdims=True)


def _sum(e: Array) -> Array:
    """Add over the classes, half precision in single: 65,505 ones overflow float16."""
    xp = array_namespace(e)
    return xp.sum(e, axis=-1, dtype=xp.result_type(e.dtype, xp.float32))


def _check_labels(labels: Array, classes: int) -> Array:
    """Tell which labels are classes, and refuse others where numbers can be seen."""
    xp = array_namespace(labels)
    known = labels >= 0
    if classes <= xp.iinfo(labels.dtype).max:  # else a small dtype would wrap it round
        known = known & (labels < classes)
    if str(device_of(labels)) == "cpu" and anywhere(~known):  # else a GPU would wait
        first = int(labels[~known][0])
        raise ValueError(
            f"labels must be at least 0 and less than {classes}, got {first}"
        )
    return known
