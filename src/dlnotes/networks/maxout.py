r"""Maxout.

A maxout unit (Goodfellow et al., 2013) returns the largest of several weighted sums,
its pieces, each with weights and a bias of its own.  So it learns a convex piecewise
linear function, and the difference of two comes close to any continuous one on a
bounded closed region.  It never saturates: for each instance one piece wins and passes
the gradient on.

References
----------
* S. Wang (2004). General constructive representations for continuous piecewise-linear
  functions. *IEEE Transactions on Circuits and Systems I* 51(9).
  https://doi.org/10.1109/TCSI.2004.834521
* I. J. Goodfellow, D. Warde-Farley, M. Mirza, A. Courville and Y. Bengio (2013). Maxout
  networks. *Proceedings of Machine Learning Research* 28(3).
  https://arxiv.org/abs/1302.4389
"""

from jaxtyping import Float, Int

from dlnotes.arrays import Array, array_namespace, checked


@checked
def maxout(
    X: Float[Array, "batch inputs"],
    W: Float[Array, "inputs units pieces"],
    b: Float[Array, "units pieces"],
) -> Float[Array, "batch units"]:
    r"""Return the largest of the weighted sums of each unit.

    Unit :math:`i` has :math:`k` pieces; piece :math:`j` has the weights
    :math:`\mathbf{W}_{\cdot ij}` and the bias :math:`b_{ij}`.  For an instance
    :math:`\mathbf{x}` the unit returns

    .. math::
       :label: eq-maxout

       h_i(\mathbf{x}) = \max_{1 \le j \le k}
           \left( \mathbf{x}^\top \mathbf{W}_{\cdot ij} + b_{ij} \right)

    Parameters
    ----------
    X
        A batch of instances, one a row.
    W
        The weights of each piece of each unit.
    b
        The biases of the pieces.

    Returns
    -------
    H
        The outputs of the layer.

    Raises
    ------
    ValueError
        If units have no piece.

    Examples
    --------
    With the pieces x and -x the unit is the absolute value, with x and 0 a ReLU:

    >>> import numpy as np
    >>> from dlnotes.networks.maxout import maxout
    >>> X = np.array([[-3.0], [2.0]])
    >>> W = np.array([[[1.0, -1.0], [1.0, 0.0]]])
    >>> maxout(X, W, np.zeros((2, 2)))
    array([[3., 0.],
           [2., 2.]])
    """
    Z = _pieces(X, W, b)
    return array_namespace(Z).max(Z, axis=-1)


@checked
def maxout_winners(
    X: Float[Array, "batch inputs"],
    W: Float[Array, "inputs units pieces"],
    b: Float[Array, "units pieces"],
) -> Int[Array, "batch units"]:
    r"""Return which piece of each unit is the largest.

    Where several pieces tie, the first one is the winner.  A piece that is NaN (not a
    number) wins.

    Parameters
    ----------
    X, W, b
        As for :func:`maxout`.

    Returns
    -------
    winners
        The number of the winning piece, from zero.

    Raises
    ------
    ValueError
        If units have no piece.

    Examples
    --------
    Which piece wins depends on the instance; at 0 both are 0, and the first one wins:

    >>> import numpy as np
    >>> from dlnotes.networks.maxout import maxout_winners
    >>> X, W = np.array([[-3.0], [0.0], [2.0]]), np.array([[[1.0, -1.0]]])
    >>> maxout_winners(X, W, np.zeros((1, 2)))[:, 0].tolist()
    [1, 0, 0]
    """
    Z = _pieces(X, W, b)
    return array_namespace(Z).argmax(Z, axis=-1)


@checked
def maxout_backward(
    X: Float[Array, "batch inputs"],
    W: Float[Array, "inputs units pieces"],
    b: Float[Array, "units pieces"],
    upstream: Float[Array, "batch units"],
) -> tuple[
    Float[Array, "batch inputs"],
    Float[Array, "inputs units pieces"],
    Float[Array, "units pieces"],
]:
    r"""Return the gradients of the loss with respect to inputs, weights and biases.

    The gradient of an output goes to the winner among the pieces of its unit, and the
    other pieces get zero.  From there on a piece is a unit of a fully connected layer:

    .. math::
       :label: eq-maxout-gradient

       \delta_{nij} &= \frac{\partial J}{\partial h_{ni}}\,
           \mathbf{1}[\text{piece } j \text{ of unit } i \text{ wins for instance } n]
           \\
       \frac{\partial J}{\partial W_{lij}} &= \sum_n x_{nl}\, \delta_{nij}, \qquad
       \frac{\partial J}{\partial b_{ij}} = \sum_n \delta_{nij} \\
       \frac{\partial J}{\partial x_{nl}} &= \sum_{i,j} \delta_{nij}\, W_{lij}

    Parameters
    ----------
    X, W, b
        As for :func:`maxout`.
    upstream
        The gradient of the loss with respect to its output,
        :math:`\partial J / \partial h`.

    Returns
    -------
    X_gradient, W_gradient, b_gradient
        The gradients of the loss.

    Raises
    ------
    ValueError
        If units have no piece.

    Examples
    --------
    For the instance 2 the piece x wins over -x; the other one learns nothing:

    >>> import numpy as np
    >>> from dlnotes.networks.maxout import maxout_backward
    >>> X, W = np.array([[2.0]]), np.array([[[1.0, -1.0]]])
    >>> _, d_W, d_b = maxout_backward(X, W, np.zeros((1, 2)), np.array([[10.0]]))
    >>> d_W.tolist(), d_b.tolist()
    ([[[20.0, 0.0]]], [[10.0, 0.0]])
    """
    xp = array_namespace(X)
    winners = maxout_winners(X, W, b)
    sent = [xp.where(winners == j, upstream, 0) for j in range(W.shape[2])]
    delta = xp.stack(sent, axis=-1)
    d_X = xp.tensordot(delta, W, axes=((1, 2), (1, 2)))
    d_W = xp.tensordot(X, delta, axes=((0,), (0,)))
    return d_X, d_W, xp.sum(delta, axis=0)


def _pieces(X: Array, W: Array, b: Array) -> Array:
    """Compute the weighted sum and bias of every piece of every unit."""
    if W.shape[2] == 0:
        raise ValueError(f"W must have a piece for each unit, got shape {W.shape}")
    return array_namespace(X).tensordot(X, W, axes=1) + b
