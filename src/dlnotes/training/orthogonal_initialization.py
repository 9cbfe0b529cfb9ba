r"""Orthogonal and sparse weights.

Random weights of the right variance keep the length of a signal on average.  Some
directions they stretch and others they squeeze, and over many layers the two part.  An
orthogonal matrix keeps every length: Saxe et al. (2014) begin with such matrices, and
deep linear networks learn as fast as shallow ones.  Martens (2010) began with weights
of which most are zero, so that units read different inputs and no weight has to be
small.

References
----------
* J. Martens (2010). Deep learning via Hessian-free optimization. *International
  Conference on Machine Learning*. https://icml.cc/Conferences/2010/papers/458.pdf
* F. Mezzadri (2007). How to generate random matrices from the classical compact groups.
  *Notices of the American Mathematical Society* 54.
  https://arxiv.org/abs/math-ph/0609050
* A. M. Saxe, J. L. McClelland and S. Ganguli (2014). Exact solutions to the nonlinear
  dynamics of learning in deep linear neural networks. *International Conference on
  Learning Representations*. https://arxiv.org/abs/1312.6120
* J. Pennington, S. S. Schoenholz and S. Ganguli (2017). Resurrecting the sigmoid in
  deep learning through dynamical isometry: theory and practice. *Advances in Neural
  Information Processing Systems* 30. https://arxiv.org/abs/1711.04735
"""

from collections.abc import Callable

from jaxtyping import Float

from dlnotes.arrays import Array, array_namespace, checked
from dlnotes.checks import integer, positive
from dlnotes.networks.activations import tanh, tanh_derivative
from dlnotes.networks.mlp import forward_pass
from dlnotes.neurons.perceptron import Perceptron
from dlnotes.training.weight_initialization import fans


@checked
def orthogonal_init(
    z: Float[Array, "inputs units"], *, gain: float = 1.0
) -> Float[Array, "inputs units"]:
    r"""Turn standard normal draws into orthogonal weights.

    With a gain :math:`g` of 1 the columns are orthonormal, or the rows if there are
    more units than inputs:

    .. math::
       :label: eq-orthogonal

       \mathbf{W}^{\top} \mathbf{W} = g\, \mathbf{I}
       \quad (n_{\text{in}} \ge n_{\text{out}}) , \qquad
       \mathbf{W} \mathbf{W}^{\top} = g\, \mathbf{I}
       \quad (n_{\text{in}} < n_{\text{out}})

    They are the factor :math:`\mathbf{Q}` of the decomposition
    :math:`\mathbf{Q} \mathbf{R}` of the draws, of their transpose if there are more
    units.  Its signs are made those for which :math:`\mathbf{R}` has a positive
    diagonal.  Then it is unique, and every orthogonal matrix is as likely as any other.

    Parameters
    ----------
    z
        A standard normal draw for each weight.
    gain
        The gain :math:`g`, the factor of all squared lengths.

    Returns
    -------
    W
        The weights.

    Raises
    ------
    ValueError
        If there are no inputs or no units, or the gain is not positive.

    Examples
    --------
    The first column gets the length 1, the second has to be at right angles to it:

    >>> import numpy as np
    >>> from dlnotes.training.orthogonal_initialization import orthogonal_init
    >>> orthogonal_init(np.array([[3.0, 1.0], [4.0, 2.0]])).round(12)
    array([[ 0.6, -0.8],
           [ 0.8,  0.6]])
    """
    inputs, units = fans(z.shape)
    positive(gain=gain)
    xp = array_namespace(z)
    tall = xp.astype(z if inputs >= units else z.T, xp.result_type(z.dtype, xp.float32))
    Q, R = xp.linalg.qr(tall)
    Q = Q * (1 - 2 * xp.astype(xp.linalg.diagonal(R) < 0, Q.dtype))
    return gain**0.5 * xp.astype(Q if inputs >= units else Q.T, z.dtype)


@checked
def mlp_jacobian(
    layers: tuple[Perceptron[Array], ...],
    X: Float[Array, "batch inputs"],
    *,
    activation: Callable[[Array], Array] = tanh,
    activation_derivative: Callable[[Array], Array] = tanh_derivative,
) -> Float[Array, "batch inputs outputs"]:
    r"""Compute how each output of a multilayer perceptron moves with each input.

    Between two layers each column is multiplied by the slope of its unit,
    :math:`\mathbf{D}_l = \operatorname{diag}(\phi'(\mathbf{z}_l))`:

    .. math::
       :label: eq-mlp-jacobian

       \mathbf{J} = \mathbf{W}_1 \mathbf{D}_1 \mathbf{W}_2 \mathbf{D}_2 \cdots
       \mathbf{D}_{L-1} \mathbf{W}_L , \qquad
       J_{ij} = \frac{\partial \hat{y}_j}{\partial x_i}

    A small step :math:`\mathbf{s}` of the inputs moves the outputs by
    :math:`\mathbf{s} \mathbf{J}`, and a gradient :math:`\mathbf{g}` of the outputs
    becomes :math:`\mathbf{g} \mathbf{J}^{\top}` at the inputs.  The singular values of
    :math:`\mathbf{J}` bound what either does to a length.  If all are near 1, that is
    dynamical isometry.

    Parameters
    ----------
    layers
        The layers, in the order in which they compute.
    X
        One instance a row.
    activation
        The activation function of the hidden layers.
    activation_derivative
        Its derivative.

    Returns
    -------
    J
        One matrix for each instance.

    Raises
    ------
    ValueError
        If there is no layer, or the layers do not fit together.

    Examples
    --------
    Of two ReLUs the second is at -2 and stops, so the slope is that of the first way:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import relu, relu_derivative
    >>> from dlnotes.neurons.perceptron import Perceptron
    >>> from dlnotes.training.orthogonal_initialization import mlp_jacobian
    >>> hidden = Perceptron(W=np.array([[1.0, -1.0]]), b=np.zeros(2))
    >>> output = Perceptron(W=np.array([[3.0], [5.0]]), b=np.zeros(1))
    >>> slopes = {"activation": relu, "activation_derivative": relu_derivative}
    >>> mlp_jacobian((hidden, output), np.array([[2.0]]), **slopes)
    array([[[3.]]])
    """
    _, Z = forward_pass(layers, X, activation=activation)
    shape = (X.shape[0], *layers[0].W.shape)
    J = array_namespace(X).broadcast_to(layers[0].W, shape)
    for z, layer in zip(Z[:-1], layers[1:], strict=True):
        J = (J * activation_derivative(z)[:, None, :]) @ layer.W
    return J


@checked
def sparse_init(
    z: Float[Array, "inputs units"],
    u: Float[Array, "inputs units"],
    *,
    nonzeros: int = 15,
    std: float = 1.0,
) -> Float[Array, "inputs units"]:
    r"""Give each unit the same few weights that are not zero, at random inputs.

    Unit :math:`j` keeps :math:`k` of its draws, where the uniform ones are smallest, so
    that all choices of :math:`k` inputs are equally likely:

    .. math::
       :label: eq-sparse-init

       \lVert \mathbf{w}_j \rVert_0 = k , \qquad
       w_{ij} \sim \mathcal{N}(0, \sigma^2) \quad \text{where it is not zero}

    Parameters
    ----------
    z
        A standard normal draw for each weight.
    u
        A uniform draw for each weight, which decides whether it is kept.
    nonzeros
        The number :math:`k` of inputs that a unit reads at first.
    std
        The standard deviation :math:`\sigma` of the weights that are not zero.

    Returns
    -------
    W
        The weights.

    Raises
    ------
    ValueError
        If the number of weights to keep is not an integer from 1 to that of inputs, or
        the deviation is not positive.

    Examples
    --------
    The first unit keeps the draws at its first two inputs, the second at its last two:

    >>> import numpy as np
    >>> from dlnotes.training.orthogonal_initialization import sparse_init
    >>> z = np.array([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]])
    >>> u = np.array([[0.1, 0.8], [0.5, 0.7], [0.9, 0.2]])
    >>> sparse_init(z, u, nonzeros=2)
    array([[1., 0.],
           [2., 5.],
           [0., 6.]])
    """
    inputs, _ = fans(z.shape)
    integer(1, nonzeros=nonzeros)
    positive(std=std)
    if nonzeros > inputs:
        raise ValueError(
            f"nonzeros must be at most the number of inputs, {inputs}, got {nonzeros}"
        )
    xp = array_namespace(z)
    ranks = xp.argsort(xp.argsort(u, axis=0), axis=0)
    return xp.where(ranks < nonzeros, std * z, xp.zeros_like(z))
