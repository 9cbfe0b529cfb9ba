r"""Losses.

A loss is one number for how far an answer is from what was wanted.  Where the answer is
a number :math:`\hat y`, the usual one is the squared error:

.. math::
   :label: eq-squared-error

   L(\hat y, y) = (\hat y - y)^2, \qquad
   \frac{\partial L}{\partial \hat y} = 2\,(\hat y - y)

Where it is a choice among classes, a network gives each class a score (a *logit*)
:math:`o_k`, and the softmax turns scores into probabilities (Bridle, 1990):

.. math::
   :label: eq-softmax

   \operatorname{softmax}(\mathbf{o})_k = \frac{e^{o_k}}{\sum_j e^{o_j}}

Only differences between scores count.  So the largest can be taken off first, and then
no exponential overflows and no logarithm is of zero (Blanchard et al., 2021):

.. math::
   :label: eq-log-softmax

   \log \operatorname{softmax}(\mathbf{o})_k = (o_k - m) - \log \sum_j e^{o_j - m},
   \qquad m = \max_j o_j

The cross-entropy is the surprise at the right class :math:`y`: zero if it had been
certain, and without bound as its probability goes to zero.  Its gradient is what was
answered minus what was right:

.. math::
   :label: eq-cross-entropy

   L(\mathbf{o}, y) = -\log \operatorname{softmax}(\mathbf{o})_y, \qquad
   \frac{\partial L}{\partial o_k} = \operatorname{softmax}(\mathbf{o})_k
   - \mathbf{1}[k = y]

With two classes one score is enough, that of the second over the first.  Then the
softmax is a sigmoid, and for :math:`y` from 0 to 1

.. math::
   :label: eq-binary-cross-entropy

   &L(z, y) = -y \log \sigma(z) - (1 - y) \log(1 - \sigma(z))
   = y \operatorname{softplus}(-z) + (1 - y) \operatorname{softplus}(z), \\
   &\frac{\partial L}{\partial z} = \sigma(z) - y

Each loss is, but for constants, minus the logarithm of the probability of what was
wanted: under a normal distribution around :math:`\hat y`, one over the classes, and one
over two of them.  Making it small is maximum likelihood.

References
----------
* J. S. Bridle (1990). Probabilistic interpretation of feedforward classification
  network outputs, with relationships to statistical pattern recognition.
  *Neurocomputing*.
  https://doi.org/10.1007/978-3-642-76153-9_28
* P. Blanchard, D. J. Higham and N. J. Higham (2021). Accurately computing the
  log-sum-exp and softmax functions. *IMA Journal of Numerical Analysis* 41(4).
  https://doi.org/10.1093/imanum/draa038
"""

from math import prod

from jaxtyping import Float, Int

from dlnotes.arrays import Array, array_namespace, checked, is_traced
from dlnotes.networks.activations import sigmoid
from dlnotes.networks.smooth_rectifiers import softplus


@checked
def squared_error(
    y_hat: Float[Array, "*shape"], y: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Measure each error by its square, :eq:`eq-squared-error`.

    Parameters
    ----------
    y_hat
        The answers.
    y
        What was wanted.

    Returns
    -------
    L
        The loss of each answer; the mean squared error is their mean.

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
    """Differentiate :eq:`eq-squared-error`, each loss with respect to its answer.

    Parameters
    ----------
    y_hat
        The answers.
    y
        What was wanted.

    Returns
    -------
    gradient
        The derivative of each loss, which is the gradient of their sum; that of their
        mean is as much smaller as there are answers.

    Examples
    --------
    The further off, the harder the pull:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import squared_error_gradient
    >>> squared_error_gradient(np.array([5.0, 1.0]), np.array([2.0, 2.0]))
    array([ 6., -2.])
    """
    return 2 * (y_hat - y)


@checked
def log_softmax(
    logits: Float[Array, "*batch classes"],
) -> Float[Array, "*batch classes"]:
    """Turn scores into logarithms of probabilities by :eq:`eq-log-softmax`.

    Parameters
    ----------
    logits
        The score of each class, of any size.

    Returns
    -------
    log_p
        The logarithm of the probability of each class.

    Examples
    --------
    A lead of 1000 leaves the other class a probability too small to write down, and yet
    its logarithm is exact:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import log_softmax
    >>> log_softmax(np.array([500.0, -500.0])).tolist()
    [0.0, -1000.0]
    """
    if logits.shape[-1] == 0:
        return logits
    xp, below = array_namespace(logits), _below_largest(logits)
    return below - xp.log(xp.sum(xp.exp(below), axis=-1, keepdims=True))


@checked
def softmax(logits: Float[Array, "*batch classes"]) -> Float[Array, "*batch classes"]:
    """Turn scores into probabilities by :eq:`eq-softmax`.

    The largest score is taken off before, as in :eq:`eq-log-softmax`.  The
    probabilities add up to one in half precision too, which the exponentials of rounded
    logarithms do not.

    Parameters
    ----------
    logits
        The score of each class, of any size.

    Returns
    -------
    p
        The probability of each class; those of an instance add up to one.

    Examples
    --------
    A lead of log 3 is odds of three to one, wherever the scores are:

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
    return e / xp.sum(e, axis=-1, keepdims=True)


@checked
def cross_entropy(
    logits: Float[Array, "*batch classes"], labels: Int[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """Measure how surprising the right classes are, by :eq:`eq-cross-entropy`.

    Parameters
    ----------
    logits
        The score of each class, of any size.
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
        is compiled or mapped, the loss is not a number instead.

    Examples
    --------
    With no idea which of ten classes it is, the loss is log 10.  Being sure costs
    nothing, and being sure of the wrong class as much as the lead it was given:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import cross_entropy
    >>> clueless, sure = np.zeros((1, 10)), 40 * np.eye(10)[:1]
    >>> logits = np.concatenate([clueless, sure, sure])
    >>> cross_entropy(logits, np.array([0, 0, 1])).round(3).tolist()
    [2.303, 0.0, 40.0]
    """
    known = _check_labels(labels, logits.shape[-1])
    xp, below = array_namespace(logits), _below_largest(logits)
    instances = prod(labels.shape)
    n = xp.arange(instances, device=logits.device)
    k = xp.reshape(xp.astype(xp.where(known, labels, 0), n.dtype), (instances,))
    right = xp.reshape(below, (instances, logits.shape[-1]))[n, k]
    L = xp.log(xp.sum(xp.exp(below), axis=-1)) - xp.reshape(right, labels.shape)
    return xp.where(known, L, xp.nan)


@checked
def cross_entropy_gradient(
    logits: Float[Array, "*batch classes"], labels: Int[Array, "*batch"]
) -> Float[Array, "*batch classes"]:
    """Differentiate :eq:`eq-cross-entropy`, each loss with respect to its scores.

    Parameters
    ----------
    logits
        The score of each class, of any size.
    labels
        The right class of each instance, a number from 0 to classes - 1.

    Returns
    -------
    gradient
        The gradient of each loss, a row an instance.  Together they are the gradient of
        the sum of the losses; that of their mean is as much smaller as there are
        instances.

    Raises
    ------
    ValueError
        If a label is no class, as in :func:`cross_entropy`.

    Examples
    --------
    A step against it gives to the right class what it takes from the others, and it
    takes most from the likeliest:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import cross_entropy_gradient
    >>> logits = np.log(np.array([[0.7, 0.2, 0.1]]))
    >>> cross_entropy_gradient(logits, np.array([1])).round(3).tolist()
    [[0.7, -0.8, 0.1]]
    """
    known = _check_labels(labels, logits.shape[-1])
    xp = array_namespace(logits)
    classes = xp.arange(logits.shape[-1], device=logits.device)
    wanted = xp.astype(labels[..., None] == classes, logits.dtype)
    return softmax(logits) - xp.where(known[..., None], wanted, xp.nan)


@checked
def binary_cross_entropy(
    logits: Float[Array, "*shape"], y: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Measure how surprising a yes or a no is, by :eq:`eq-binary-cross-entropy`.

    Parameters
    ----------
    logits
        The score of *yes* over *no*, of any size.
    y
        One for yes, zero for no, or the probability of a yes.

    Returns
    -------
    L
        The loss of each answer, in nats.

    Examples
    --------
    A confident mistake costs what it was confident by, however confident it was:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import binary_cross_entropy
    >>> binary_cross_entropy(np.array([-800.0, 30.0, 800.0]), np.zeros(3)).round(
    ...     6
    ... ).tolist()
    [0.0, 30.0, 800.0]
    """
    return y * softplus(-logits) + (1 - y) * softplus(logits)


@checked
def binary_cross_entropy_gradient(
    logits: Float[Array, "*shape"], y: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Differentiate :eq:`eq-binary-cross-entropy`, each loss with respect to its score.

    Parameters
    ----------
    logits
        The score of *yes* over *no*, of any size.
    y
        One for yes, zero for no, or the probability of a yes.

    Returns
    -------
    gradient
        The derivative of each loss, which is the gradient of their sum; that of their
        mean is as much smaller as there are answers.

    Examples
    --------
    It is never more than one, and a confident mistake gets nearly all of it:

    >>> import numpy as np
    >>> from dlnotes.networks.losses import binary_cross_entropy_gradient
    >>> binary_cross_entropy_gradient(np.array([800.0]), np.array([0.0]))
    array([1.])
    """
    return sigmoid(logits) - y


def _below_largest(logits: Array) -> Array:
    """Return how far each score is below the largest of its instance."""
    return logits - array_namespace(logits).max(logits, axis=-1, keepdims=True)


def _check_labels(labels: Array, classes: int) -> Array:
    """Tell which labels are classes, and refuse others where numbers can be seen."""
    xp = array_namespace(labels)
    known = (labels >= 0) & (labels < classes)
    if is_traced(labels) or str(labels.device) != "cpu":
        return known
    try:
        outside = bool(xp.any(~known))
    except (RuntimeError, TypeError):  # a tracer stands for numbers and has none
        return known
    if outside:
        first = int(labels[~known][0])
        raise ValueError(
            f"labels must be at least 0 and less than {classes}, got {first}"
        )
    return known
