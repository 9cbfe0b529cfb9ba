r"""Weight decay: ridge, lasso and elastic net.

A model with many weights can fit the noise of its training instances.  A penalty on
large weights makes it choose, among all that fit about equally well, weights that are
small (ridge: Hoerl and Kennard, 1970), weights of which most are zero (lasso:
Tibshirani, 1996), or a mixture (elastic net: Zou and Hastie, 2005).  For networks
Hanson and Pratt (1988) made it a step: all weights shrink a little, each time.

References
----------
* A. E. Hoerl and R. W. Kennard (1970). Ridge regression: biased estimation for
  nonorthogonal problems. *Technometrics* 12.
  https://doi.org/10.1080/00401706.1970.10488634
* S. J. Hanson and L. Y. Pratt (1988). Comparing biases for minimal network construction
  with back-propagation. *Advances in Neural Information Processing Systems* 1.
* R. Tibshirani (1996). Regression shrinkage and selection via the lasso. *Journal of
  the Royal Statistical Society B* 58.
  https://doi.org/10.1111/j.2517-6161.1996.tb02080.x
* H. Zou and T. Hastie (2005). Regularization and variable selection via the elastic
  net. *Journal of the Royal Statistical Society B* 67.
  https://doi.org/10.1111/j.1467-9868.2005.00503.x
* N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov (2014).
  Dropout: a simple way to prevent neural networks from overfitting. *Journal of Machine
  Learning Research* 15. https://jmlr.org/papers/v15/srivastava14a.html
* T. van Laarhoven (2017). L2 regularization versus batch and weight normalization.
  https://arxiv.org/abs/1706.05350
* I. Loshchilov and F. Hutter (2019). Decoupled weight decay regularization.
  *International Conference on Learning Representations*.
  https://arxiv.org/abs/1711.05101
"""

from jaxtyping import Float

from dlnotes.arrays import Array, array_namespace, checked, device_of
from dlnotes.checks import at_least, in_range, positive


@checked
def l2_penalty(w: Float[Array, "*shape"], *, strength: float) -> Float[Array, ""]:
    r"""Return the ridge penalty of weights.

    Half of their squares, summed, times a strength :math:`\lambda` are added to the
    loss :math:`J`:

    .. math::
       :label: eq-ridge

       J_{\text{ridge}}
       = J + \frac{\lambda}{2}\, \lVert \mathbf w \rVert_2^2
       = J + \frac{\lambda}{2} \sum_i w_i^2

    The half makes the gradient of the penalty :math:`\lambda \mathbf w`.

    Parameters
    ----------
    w
        The weights :math:`\mathbf w`, in any shape.
    strength
        The strength :math:`\lambda`, at least 0.

    Returns
    -------
    penalty
        What is added to the loss.

    Raises
    ------
    ValueError
        If the strength is negative.

    Examples
    --------
    One weight of 4 costs more than four of 1:

    >>> import numpy as np
    >>> from dlnotes.training.weight_decay import l2_penalty
    >>> [float(l2_penalty(np.array(w), strength=1.0)) for w in ([4.0], [1.0] * 4)]
    [8.0, 2.0]
    """
    at_least(0, strength=strength)
    return array_namespace(w).sum(strength / 2 * w * w)


@checked
def ridge_regression(
    X: Float[Array, "batch inputs"], y: Float[Array, "batch"], *, strength: float
) -> Float[Array, "inputs"]:
    r"""Return the weights of a linear model with the least ridge loss.

    With the loss :math:`J = \lVert \mathbf X \mathbf w - \mathbf y \rVert^2 / (2N)` of
    :math:`N` instances the gradient
    :math:`\mathbf X^\top (\mathbf X \mathbf w - \mathbf y) / N + \lambda \mathbf w` is
    zero at

    .. math::
       :label: eq-ridge-solution

       \mathbf w_\lambda
       = \Big( \frac{\mathbf X^\top \mathbf X}{N} + \lambda\, \mathbf I \Big)^{-1}
       \frac{\mathbf X^\top \mathbf y}{N}

    There is one solution, also with more inputs than instances.  The model has no bias:
    subtract the means of the inputs and of the targets first.

    Parameters
    ----------
    X
        One instance a row.
    y
        The target of each.
    strength
        The strength :math:`\lambda`, positive.

    Returns
    -------
    w
        The weight :math:`\mathbf w_\lambda` of each input.

    Raises
    ------
    ValueError
        If the strength is not positive, or if there is no instance.

    Examples
    --------
    The inputs 1 and 1 have the targets 2 and 4.  Without a penalty the weight is the
    mean, 3; a strength of 2 makes it 3 / (1 + 2):

    >>> import numpy as np
    >>> from dlnotes.training.weight_decay import ridge_regression
    >>> ridge_regression(np.ones((2, 1)), np.array([2.0, 4.0]), strength=2.0)
    array([1.])
    """
    positive(strength=strength)
    batch, inputs = X.shape
    at_least(1, batch=batch)
    xp = array_namespace(X)
    identity = xp.eye(inputs, dtype=X.dtype, device=device_of(X))
    return xp.linalg.solve(X.T @ X / batch + strength * identity, X.T @ y / batch)


@checked
def ridge_shrinkage(
    curvature: Float[Array, "directions"], *, strength: float
) -> Float[Array, "directions"]:
    r"""Return the share of the least-squares weights that ridge keeps.

    Along an eigenvector of :math:`\mathbf X^\top \mathbf X / N` with the eigenvalue
    :math:`d_k`, the curvature of the loss, it is

    .. math::
       :label: eq-ridge-shrinkage

       s_k = \frac{d_k}{d_k + \lambda}

    Parameters
    ----------
    curvature
        The eigenvalue :math:`d_k` of each direction, at least 0.
    strength
        The strength :math:`\lambda`, positive.

    Returns
    -------
    share
        The share :math:`s_k`, from 0 (nothing is left) to 1.  The sum of all is the
        effective number of parameters.

    Raises
    ------
    ValueError
        If the strength is not positive.

    Examples
    --------
    A direction in which the loss is steep keeps nearly all, and a flat one nearly
    nothing:

    >>> import numpy as np
    >>> from dlnotes.training.weight_decay import ridge_shrinkage
    >>> ridge_shrinkage(np.array([9.0, 1.0, 0.25, 0.0]), strength=1.0)
    array([0.9, 0.5, 0.2, 0. ])
    """
    positive(strength=strength)
    return curvature / (curvature + strength)


@checked
def weight_decay_step(
    w: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    *,
    learning_rate: float,
    weight_decay: float,
) -> Float[Array, "*shape"]:
    r"""Shrink the weights by a factor, and step against the gradient.

    With the learning rate :math:`\eta` and the weight decay :math:`\lambda`,

    .. math::
       :label: eq-weight-decay

       \mathbf w \leftarrow (1 - \eta\lambda)\, \mathbf w - \eta\, \nabla J

    Parameters
    ----------
    w
        The weights :math:`\mathbf w`.
    gradient
        The gradient :math:`\nabla J` of the loss there, without a penalty.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    weight_decay
        The weight decay :math:`\lambda`, at least 0.

    Returns
    -------
    w
        The weights after the step.

    Raises
    ------
    ValueError
        If a setting is negative.

    Examples
    --------
    Each weight loses a twentieth, and then the step follows:

    >>> import numpy as np
    >>> from dlnotes.training.weight_decay import weight_decay_step
    >>> w, gradient = np.array([2.0, -4.0]), np.array([1.0, 0.0])
    >>> weight_decay_step(w, gradient, learning_rate=0.1, weight_decay=0.5)
    array([ 1.8, -3.8])
    """
    at_least(0, learning_rate=learning_rate, weight_decay=weight_decay)
    return (1 - learning_rate * weight_decay) * w - learning_rate * gradient


@checked
def l1_penalty(w: Float[Array, "*shape"], *, strength: float) -> Float[Array, ""]:
    r"""Return the lasso penalty of weights.

    Their absolute values, summed, times a strength :math:`\lambda` are added to the
    loss :math:`J`:

    .. math::
       :label: eq-lasso

       J_{\text{lasso}}
       = J + \lambda\, \lVert \mathbf w \rVert_1
       = J + \lambda \sum_i \lvert w_i \rvert

    Parameters
    ----------
    w
        The weights :math:`\mathbf w`, in any shape.
    strength
        The strength :math:`\lambda`, at least 0.

    Returns
    -------
    penalty
        What is added to the loss.

    Raises
    ------
    ValueError
        If the strength is negative.

    Examples
    --------
    One weight of 4 costs as much as four of 1:

    >>> import numpy as np
    >>> from dlnotes.training.weight_decay import l1_penalty
    >>> [float(l1_penalty(np.array(w), strength=1.0)) for w in ([4.0], [1.0] * 4)]
    [4.0, 4.0]
    """
    at_least(0, strength=strength)
    xp = array_namespace(w)
    return xp.sum(strength * xp.abs(w))


@checked
def soft_threshold(
    w: Float[Array, "*shape"], *, threshold: float
) -> Float[Array, "*shape"]:
    r"""Shorten each weight by a threshold, but not beyond zero.

    This is the proximal operator of :math:`\tau\, \lvert w \rvert`, with the threshold
    :math:`\tau`: the point with the least sum of that penalty and of half the squared
    distance from :math:`w`.

    .. math::
       :label: eq-soft-threshold

       S_\tau(w) = \operatorname{sign}(w) \max(\lvert w \rvert - \tau,\; 0)

    The code takes off what lies within the threshold, which is the same.

    Parameters
    ----------
    w
        The weights.
    threshold
        The threshold :math:`\tau`, at least 0.

    Returns
    -------
    w
        The shortened weights, those within the threshold exactly zero.

    Raises
    ------
    ValueError
        If the threshold is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.training.weight_decay import soft_threshold
    >>> soft_threshold(np.array([3.0, 0.5, -2.0, -1.0]), threshold=1.0)
    array([ 2.,  0., -1.,  0.])
    """
    at_least(0, threshold=threshold)
    return w - array_namespace(w).clip(w, -threshold, threshold)


@checked
def lasso_step(
    w: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    *,
    learning_rate: float,
    strength: float,
) -> Float[Array, "*shape"]:
    r"""Take a proximal gradient step for a loss with a lasso penalty.

    The step of gradient descent is for the loss alone; then the soft threshold
    :eq:`eq-soft-threshold` acts, as large as the penalty moves a weight in one step:

    .. math::
       :label: eq-lasso-step

       \mathbf w \leftarrow S_{\eta\lambda}(\mathbf w - \eta\, \nabla J)

    Parameters
    ----------
    w
        The weights :math:`\mathbf w`.
    gradient
        The gradient :math:`\nabla J` of the loss there, without the penalty.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    strength
        The strength :math:`\lambda`, at least 0.

    Returns
    -------
    w
        The weights after the step.

    Raises
    ------
    ValueError
        If a setting is negative.

    Examples
    --------
    The gradient takes the first weight to 1.5, and the penalty takes off 0.5.  The
    second would be pushed past zero, and stops there:

    >>> import numpy as np
    >>> from dlnotes.training.weight_decay import lasso_step
    >>> w, gradient = np.array([2.0, -0.25]), np.array([1.0, 0.0])
    >>> lasso_step(w, gradient, learning_rate=0.5, strength=1.0)
    array([1., 0.])
    """
    at_least(0, learning_rate=learning_rate, strength=strength)
    return soft_threshold(
        w - learning_rate * gradient, threshold=learning_rate * strength
    )


@checked
def elastic_net_penalty(
    w: Float[Array, "*shape"], *, strength: float, l1_ratio: float
) -> Float[Array, ""]:
    r"""Return the elastic net penalty of weights.

    A share :math:`r` of the strength :math:`\lambda` is that of a lasso, and the rest
    that of a ridge penalty:

    .. math::
       :label: eq-elastic-net

       J_{\text{en}} = J + \lambda \Big( r\, \lVert \mathbf w \rVert_1
       + \frac{1 - r}{2}\, \lVert \mathbf w \rVert_2^2 \Big)

    Parameters
    ----------
    w
        The weights :math:`\mathbf w`, in any shape.
    strength
        The strength :math:`\lambda`, at least 0.
    l1_ratio
        The share :math:`r`, from 0 (ridge) to 1 (lasso).

    Returns
    -------
    penalty
        What is added to the loss.

    Raises
    ------
    ValueError
        If the strength is negative, or the share not from 0 to 1.

    Examples
    --------
    Half of the lasso's 7, and half of the ridge's 12.5:

    >>> import numpy as np
    >>> from dlnotes.training.weight_decay import elastic_net_penalty
    >>> float(elastic_net_penalty(np.array([3.0, -4.0]), strength=1.0, l1_ratio=0.5))
    9.75
    """
    in_range(0, 1, l1_ratio=l1_ratio)
    at_least(0, strength=strength)
    lasso = l1_penalty(w, strength=strength * l1_ratio)
    return lasso + l2_penalty(w, strength=strength * (1 - l1_ratio))


@checked
def elastic_net_subgradient(
    w: Float[Array, "*shape"], *, strength: float, l1_ratio: float
) -> Float[Array, "*shape"]:
    r"""Return a subgradient of the elastic net penalty.

    Where a weight is not zero, it is the derivative.  At zero the lasso's part has a
    kink, where every slope from :math:`-\lambda r` to :math:`\lambda r` is one, and the
    sign gives 0:

    .. math::
       :label: eq-elastic-net-subgradient

       \lambda\, \big( r \operatorname{sign}(\mathbf w) + (1 - r)\, \mathbf w \big)

    Parameters
    ----------
    w
        The weights :math:`\mathbf w`.
    strength
        The strength :math:`\lambda`, at least 0.
    l1_ratio
        The share :math:`r`, from 0 (ridge) to 1 (lasso).

    Returns
    -------
    subgradient
        What is added to the gradient of the loss.

    Raises
    ------
    ValueError
        If the strength is negative, or the share not from 0 to 1.

    Examples
    --------
    The ridge pulls the weight of -4 four times as hard as that of 1, the lasso pulls
    both alike:

    >>> import numpy as np
    >>> from dlnotes.training.weight_decay import elastic_net_subgradient
    >>> w = np.array([1.0, 0.0, -4.0])
    >>> for r in (0.0, 1.0):
    ...     elastic_net_subgradient(w, strength=1.0, l1_ratio=r).tolist()
    [1.0, 0.0, -4.0]
    [1.0, 0.0, -1.0]
    """
    in_range(0, 1, l1_ratio=l1_ratio)
    at_least(0, strength=strength)
    sign = array_namespace(w).sign(w)
    return strength * l1_ratio * sign + strength * (1 - l1_ratio) * w


@checked
def elastic_net_step(
    w: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    *,
    learning_rate: float,
    strength: float,
    l1_ratio: float,
) -> Float[Array, "*shape"]:
    r"""Take a proximal gradient step for a loss with an elastic net penalty.

    First the step and the threshold of the lasso, then the ridge divides:

    .. math::
       :label: eq-elastic-net-step

       \mathbf w \leftarrow \frac{S_{\eta\lambda r}(\mathbf w - \eta\, \nabla J)}
       {1 + \eta\lambda\, (1 - r)}

    Parameters
    ----------
    w
        The weights :math:`\mathbf w`.
    gradient
        The gradient :math:`\nabla J` of the loss there, without the penalty.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    strength
        The strength :math:`\lambda`, at least 0.
    l1_ratio
        The share :math:`r`, from 0 (ridge) to 1 (lasso).

    Returns
    -------
    w
        The weights after the step.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    The gradient takes the weights to 1.5 and -0.25, the lasso takes off 0.25, and the
    ridge divides by 1.25:

    >>> import numpy as np
    >>> from dlnotes.training.weight_decay import elastic_net_step
    >>> w, gradient = np.array([2.0, -0.25]), np.array([1.0, 0.0])
    >>> settings = {"learning_rate": 0.5, "strength": 1.0, "l1_ratio": 0.5}
    >>> elastic_net_step(w, gradient, **settings)
    array([1., 0.])
    """
    at_least(0, strength=strength)
    in_range(0, 1, l1_ratio=l1_ratio)
    lasso, ridge = strength * l1_ratio, strength * (1 - l1_ratio)
    shortened = lasso_step(w, gradient, learning_rate=learning_rate, strength=lasso)
    return shortened / (1 + learning_rate * ridge)


@checked
def max_norm(
    W: Float[Array, "inputs units"], *, limit: float
) -> Float[Array, "inputs units"]:
    r"""Scale the weights of each unit down to a largest length.

    The weights :math:`\mathbf w_j` that come into unit :math:`j` are column :math:`j`.
    They keep their direction, and get a length of at most :math:`c`:

    .. math::
       :label: eq-max-norm

       \mathbf w_j \leftarrow
       \mathbf w_j \min\Big( 1,\; \frac{c}{\lVert \mathbf w_j \rVert_2} \Big)

    Parameters
    ----------
    W
        The weights, one column for each unit.
    limit
        The largest length :math:`c`, positive.

    Returns
    -------
    W
        The weights, scaled where they were longer.

    Raises
    ------
    ValueError
        If the limit is not positive and finite, or if there is no input.

    Examples
    --------
    The first unit has weights of length 5, the second of length 1:

    >>> import numpy as np
    >>> from dlnotes.training.weight_decay import max_norm
    >>> max_norm(np.array([[3.0, 0.0], [4.0, 1.0]]), limit=2.5)
    array([[1.5, 0. ],
           [2. , 1. ]])
    """
    positive(limit=limit)
    at_least(1, inputs=W.shape[0])
    xp = array_namespace(W)
    largest = xp.max(xp.abs(W), axis=0, keepdims=True)
    W = W / xp.clip(largest / limit, min=1)  # so that no square overflows
    squares = xp.sum((W / limit) ** 2, axis=0, keepdims=True)
    return W / xp.sqrt(xp.clip(squares, min=1))
