r"""Mini-batches.

The gradient of a training loss is a mean over all instances, and costs a pass over all
of them.  *Stochastic* gradient descent estimates it from one instance or a few, a
*mini-batch*, and steps at once.  It goes back to Robbins and Monro (1951), who looked
for roots of functions that are measured with noise; Bottou, Curtis and Nocedal (2018)
survey its theory, and what large data sets make of it.

References
----------
* H. Robbins and S. Monro (1951). A stochastic approximation method. *The Annals of
  Mathematical Statistics* 22(3). https://doi.org/10.1214/aoms/1177729586
* P. Goyal, P. Dollár, R. Girshick, P. Noordhuis, L. Wesolowski, A. Kyrola, A. Tulloch,
  Y. Jia and K. He (2017). Accurate, large minibatch SGD: training ImageNet in 1 hour.
  https://arxiv.org/abs/1706.02677
* L. Bottou, F. E. Curtis and J. Nocedal (2018). Optimization methods for large-scale
  machine learning. *SIAM Review* 60(2). https://doi.org/10.1137/16M1080173
* S. McCandlish, J. Kaplan, D. Amodei and others (2018). An empirical
  model of large-batch training. https://arxiv.org/abs/1812.06162
* S. Malladi, K. Lyu, A. Panigrahi and S. Arora (2022). On the SDEs and scaling rules
  for adaptive gradient algorithms. *Advances in Neural Information Processing Systems*
  35. https://arxiv.org/abs/2205.10287
"""

from jaxtyping import Float, Int

from dlnotes.arrays import Array, anywhere, array_namespace, checked
from dlnotes.checks import entries, integer
from dlnotes.optimization.gradient_descent import update


@checked
def minibatch_gradient(
    X: Float[Array, "instances inputs"],
    y: Float[Array, "instances"],
    w: Float[Array, "inputs"],
    b: Float[Array, ""],
    batch: Int[Array, "B"],
) -> tuple[Float[Array, "inputs"], Float[Array, ""]]:
    r"""Compute the gradient of linear regression on a mini-batch.

    The gradient of a mini-batch :math:`\mathcal{B}` of :math:`B` instances is the mean
    of the gradients of their losses :math:`J_n`:

    .. math::
       :label: eq-minibatch-gradient

       g_{\mathcal{B}} = \frac{1}{B} \sum_{n \in \mathcal{B}} \nabla J_n

    Here :math:`J_n = \tfrac12 (x_n \cdot w + b - y_n)^2`, so that
    :math:`\nabla_w J_n = (x_n \cdot w + b - y_n)\, x_n`, and
    :math:`\partial J_n / \partial b` is the same without the last factor.

    Parameters
    ----------
    X
        The inputs :math:`x_n` of all instances.
    y
        Their targets :math:`y_n`.
    w
        The weights.
    b
        The bias.
    batch
        The indices :math:`\mathcal{B}` of the instances of the mini-batch; one that
        stands there twice counts twice.

    Returns
    -------
    gradient_w
        The gradient with respect to the weights.
    gradient_b
        The gradient with respect to the bias.

    Raises
    ------
    ValueError
        If the mini-batch is empty.

    Examples
    --------
    With one weight, three instances have the gradients -1, -2 and -6.  The full
    gradient is their mean, -3; the last two give -4:

    >>> import numpy as np
    >>> from dlnotes.optimization.minibatches import minibatch_gradient
    >>> X, y = np.ones((3, 1)), np.array([1.0, 2.0, 6.0])
    >>> w, b = np.zeros(1), np.array(0.0)
    >>> for batch in ([0, 1, 2], [1, 2]):
    ...     gradient_w, gradient_b = minibatch_gradient(X, y, w, b, np.array(batch))
    ...     print(gradient_w, float(gradient_b))
    [-3.] -3.0
    [-4.] -4.0
    """
    entries(1, batch=batch)
    xp = array_namespace(X)
    x = xp.take(X, batch, axis=0)
    error = x @ w + b - xp.take(y, batch, axis=0)
    return x.T @ (error / batch.shape[0]), xp.mean(error)


@checked
def minibatch_variance(
    gradients: Float[Array, "instances *shape"], *, batch_size: int
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    r"""Compute the variance of the gradient of a random mini-batch.

    Let :math:`\sigma^2` be the variance of a gradient's entry over all :math:`N`
    instances.  The mean over :math:`B` of them, drawn at random, has the variance

    .. math::
       :label: eq-minibatch-variance

       \operatorname{Var}(g_{\mathcal{B}}) = \frac{\sigma^2}{B}
       \quad \text{or} \quad
       \operatorname{Var}(g_{\mathcal{B}}) = \frac{\sigma^2}{B} \cdot
       \frac{N - B}{N - 1}

    if an instance is put back before the next one is drawn, or is not.

    Parameters
    ----------
    gradients
        The gradients :math:`\nabla J_n` of all :math:`N` instances.
    batch_size
        The size :math:`B` of the mini-batch, from 1 to :math:`N`.

    Returns
    -------
    with_replacement
        The variance of each entry if instances are put back.
    without_replacement
        The variance if they are not.

    Raises
    ------
    ValueError
        If the size is no integer from 1 to the number of instances.

    Examples
    --------
    The gradients 1, 2 and 6 have the variance 14/3.  A mini-batch of two has half of
    it, and a quarter if it never has one instance twice; without putting back, all
    three have none:

    >>> import numpy as np
    >>> from dlnotes.optimization.minibatches import minibatch_variance
    >>> gradients = np.array([1.0, 2.0, 6.0])
    >>> for B in (1, 2, 3):
    ...     both = minibatch_variance(gradients, batch_size=B)
    ...     print(B, [round(float(each), 2) for each in both])
    1 [4.67, 4.67]
    2 [2.33, 1.17]
    3 [1.56, 0.0]
    """
    integer(1, batch_size=batch_size)
    instances = gradients.shape[0]
    if batch_size > instances:
        raise ValueError(
            f"batch_size must be at most the number of instances, {instances}, "
            f"got {batch_size}"
        )
    variance = array_namespace(gradients).var(gradients, axis=0) / batch_size
    return variance, variance * (instances - batch_size) / max(instances - 1, 1)


@checked
def epoch(
    X: Float[Array, "instances inputs"],
    y: Float[Array, "instances"],
    w: Float[Array, "inputs"],
    b: Float[Array, ""],
    order: Int[Array, "instances"],
    *,
    batch_size: int,
    learning_rate: float,
) -> tuple[Float[Array, "inputs"], Float[Array, ""]]:
    r"""Take one pass of mini-batch gradient descent through the data.

    The order is cut into :math:`\lceil N / B \rceil` mini-batches :math:`\mathcal{B}_1,
    \mathcal{B}_2, \dots` of :math:`B` instances, the last of which has what is left.
    Each takes one step :eq:`eq-gd-step` from where the one before it has led, with
    :eq:`eq-minibatch-gradient`:

    .. math::
       :label: eq-minibatch-epoch

       \theta_k = \theta_{k-1}
       - \frac{\eta}{\lvert \mathcal{B}_k \rvert}
       \sum_{n \in \mathcal{B}_k} \nabla J_n(\theta_{k-1})

    Parameters
    ----------
    X
        The inputs of all instances.
    y
        Their targets.
    w
        The weights, which together with the bias are :math:`\theta_0`.
    b
        The bias.
    order
        The indices of all instances in the order in which they are taken, as
        ``rng.permutation(instances)`` returns it.
    batch_size
        The size :math:`B` of a mini-batch, at least 1.
    learning_rate
        The learning rate :math:`\eta`, at least 0.

    Returns
    -------
    w
        The weights after the epoch.
    b
        The bias after the epoch.

    Raises
    ------
    ValueError
        If the size is no integer of at least 1, or the rate is negative.

    Examples
    --------
    Three targets and no input: the bias goes half of the way to the mean of each
    mini-batch, from 0 to 2 to 5.  In the other order it ends elsewhere:

    >>> import numpy as np
    >>> from dlnotes.optimization.minibatches import epoch
    >>> X, y = np.zeros((3, 1)), np.array([3.0, 5.0, 8.0])
    >>> for order in ([0, 1, 2], [2, 1, 0]):
    ...     w, b = epoch(
    ...         X,
    ...         y,
    ...         np.zeros(1),
    ...         np.array(0.0),
    ...         np.array(order),
    ...         batch_size=2,
    ...         learning_rate=0.5,
    ...     )
    ...     print(float(b))
    5.0
    3.125
    """
    integer(1, batch_size=batch_size)
    for start in range(0, order.shape[0], batch_size):
        batch = order[start : start + batch_size]
        gradient_w, gradient_b = minibatch_gradient(X, y, w, b, batch)
        w = update(w, gradient_w, learning_rate=learning_rate)
        b = update(b, gradient_b, learning_rate=learning_rate)
    return w, b


@checked
def accumulated_gradient(
    gradients: Float[Array, "parts *shape"], sizes: Int[Array, "parts"]
) -> Float[Array, "*shape"]:
    r"""Compute the gradient of a batch from those of its parts.

    With the gradient :math:`g_k` of part :math:`k`, a mean over its :math:`B_k`
    instances, the mean over all :math:`B = \sum_k B_k` instances is

    .. math::
       :label: eq-minibatch-accumulation

       g = \sum_k \frac{B_k}{B}\, g_k

    Parameters
    ----------
    gradients
        The gradients :math:`g_k` of the parts, all at the same parameters.
    sizes
        The number :math:`B_k` of instances of each part, at least 1.

    Returns
    -------
    gradient
        The gradient :math:`g` of the batch.

    Raises
    ------
    ValueError
        If there is no part, or one has no instance.

    Examples
    --------
    The gradients 1, 2 and 6 have the mean 3, also if 1 and 2 come first.  The plain
    mean of the two parts, 3.75, counts the last one twice:

    >>> import numpy as np
    >>> from dlnotes.optimization.minibatches import accumulated_gradient
    >>> float(accumulated_gradient(np.array([1.5, 6.0]), np.array([2, 1])))
    3.0
    """
    entries(1, sizes=sizes)
    xp = array_namespace(gradients)
    if anywhere(sizes < 1):
        raise ValueError("sizes must be at least 1")
    counts = xp.astype(sizes, xp.result_type(gradients.dtype, xp.float32))
    shares = xp.astype(counts / xp.sum(counts), gradients.dtype)
    return xp.tensordot(shares, gradients, axes=1)
