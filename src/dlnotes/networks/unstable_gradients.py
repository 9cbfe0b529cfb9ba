r"""Vanishing and exploding gradients.

On its way back a gradient is multiplied by the weights and by the slope of the
activation function of each layer.  After many layers the product is tiny or huge,
unless its factors have the right size.  Hochreiter (1991) and Bengio et al. (1994)
found it in recurrent networks; Glorot and Bengio (2010) measured it in deep ones, and
derived from variances how large initial weights should be.  The same sums predict how
large the gradient of each layer is before training begins; Poole et al. (2016) and
Schoenholz et al. (2017) add what becomes of the difference of two inputs.

References
----------
* S. Hochreiter (1991). *Untersuchungen zu dynamischen neuronalen Netzen*. Diploma
  thesis, Technische Universität München.
* Y. Bengio, P. Simard and P. Frasconi (1994). Learning long-term dependencies with
  gradient descent is difficult. *IEEE Transactions on Neural Networks* 5(2).
  https://doi.org/10.1109/72.279181
* X. Glorot and Y. Bengio (2010). Understanding the difficulty of training deep
  feedforward neural networks. *Proceedings of Machine Learning Research* 9.
  https://proceedings.mlr.press/v9/glorot10a.html
* R. Pascanu, T. Mikolov and Y. Bengio (2013). On the difficulty of training recurrent
  neural networks. *International Conference on Machine Learning*.
  https://arxiv.org/abs/1211.5063
* A. M. Saxe, J. L. McClelland and S. Ganguli (2014). Exact solutions to the nonlinear
  dynamics of learning in deep linear neural networks. *International Conference on
  Learning Representations*. https://arxiv.org/abs/1312.6120
* K. He, X. Zhang, S. Ren and J. Sun (2015). Delving deep into rectifiers: surpassing
  human-level performance on ImageNet classification. *International Conference on
  Computer Vision*. https://arxiv.org/abs/1502.01852
* S. Ioffe and C. Szegedy (2015). Batch normalization: accelerating deep network
  training by reducing internal covariate shift. *International Conference on Machine
  Learning*. https://arxiv.org/abs/1502.03167
* K. He, X. Zhang, S. Ren and J. Sun (2016). Deep residual learning for image
  recognition. *Computer Vision and Pattern Recognition*.
  https://arxiv.org/abs/1512.03385
* B. Poole, S. Lahiri, M. Raghu, J. Sohl-Dickstein and S. Ganguli (2016). Exponential
  expressivity in deep neural networks through transient chaos. *Advances in Neural
  Information Processing Systems* 29. https://arxiv.org/abs/1606.05340
* S. S. Schoenholz, J. Gilmer, S. Ganguli and J. Sohl-Dickstein (2017). Deep information
  propagation. *International Conference on Learning Representations*.
  https://arxiv.org/abs/1611.01232
* B. Hanin (2018). Which neural network architectures give rise to exploding and
  vanishing gradients? *Advances in Neural Information Processing Systems* 31.
  https://arxiv.org/abs/1801.03744
* G. Yang, J. Pennington, V. Rao, J. Sohl-Dickstein and S. S. Schoenholz (2019). A mean
  field theory of batch normalization. *International Conference on Learning
  Representations*. https://arxiv.org/abs/1902.08129
"""

import math
from collections.abc import Callable

from jaxtyping import Float

from dlnotes.arrays import Array, array_namespace, checked, device_of
from dlnotes.checks import at_least, integer, positive
from dlnotes.networks.activations import tanh_derivative
from dlnotes.networks.backpropagation import deltas, mlp_backward
from dlnotes.networks.mlp import forward_pass
from dlnotes.networks.rectifiers import relu, relu_derivative
from dlnotes.neurons.perceptron import Perceptron

POINTS, STEP, END = 2000, 0.01, 10.0  # beyond 10 a normal has no mass


@checked
def gradient_through_depth(
    W: Float[Array, "layers units units"],
    Z: Float[Array, "layers batch units"],
    upstream: Float[Array, "batch units"],
    *,
    activation_derivative: Callable[[Array], Array] = tanh_derivative,
) -> Float[Array, "batch units"]:
    r"""Send the gradient of a stack's outputs back to its inputs.

    Every layer of the stack has the same number of units, and the activation function
    :math:`\phi` follows each of them, also the last.  For one instance and the loss
    :math:`J`, with :math:`\mathbf{h}_0` the inputs of the stack and
    :math:`\mathbf{h}_L` its outputs,

    .. math::
       :label: eq-gradient-product

       \frac{\partial J}{\partial \mathbf{h}_0}
       = \left( \prod_{l=1}^{L} \mathbf{W}_l
       \operatorname{diag}(\phi'(\mathbf{z}_l)) \right)
       \frac{\partial J}{\partial \mathbf{h}_L} .

    The rightmost factor, that of the last layer, comes first on the way back.  The code
    multiplies a batch of rows, so each factor is transposed.

    Parameters
    ----------
    W
        The weights of each layer, from the first to the last.
    Z
        The pre-activations of each layer.
    upstream
        The gradient with respect to the outputs of the last layer.
    activation_derivative
        The derivative :math:`\phi'` of the activation function.

    Returns
    -------
    gradient
        The gradient with respect to the inputs of the first layer.

    Examples
    --------
    Three layers of one sigmoid unit, whose slope is 1/4 at a pre-activation of zero.
    With weights of 1 a 64th is left, and with weights of 8 the gradient doubles in each
    layer:

    >>> import numpy as np
    >>> from dlnotes.networks.activations import sigmoid_derivative
    >>> from dlnotes.networks.unstable_gradients import gradient_through_depth
    >>> Z, upstream = np.zeros((3, 1, 1)), np.ones((1, 1))
    >>> for w in (1.0, 8.0):
    ...     W = np.full((3, 1, 1), w)
    ...     gradient_through_depth(
    ...         W, Z, upstream, activation_derivative=sigmoid_derivative
    ...     )
    array([[0.015625]])
    array([[8.]])
    """
    gradient = upstream
    for k in reversed(range(W.shape[0])):
        gradient = (gradient * activation_derivative(Z[k])) @ W[k].T
    return gradient


@checked
def gradient_bound(
    W: Float[Array, "layers inputs units"], *, largest_derivative: float
) -> Float[Array, ""]:
    r"""Bound the factor by which a stack of layers can lengthen a gradient.

    A matrix lengthens no vector by more than its largest singular value
    :math:`s_{\max}`.  If no derivative of the activation function exceeds :math:`c` in
    size,

    .. math::
       :label: eq-gradient-bound

       \left\lVert \frac{\partial J}{\partial \mathbf{h}_0} \right\rVert
       \le \left( \prod_{l=1}^{L} c\, s_{\max}(\mathbf{W}_l) \right)
       \left\lVert \frac{\partial J}{\partial \mathbf{h}_L} \right\rVert .

    Parameters
    ----------
    W
        The weights of each layer.
    largest_derivative
        The bound :math:`c`: 1/4 for the sigmoid, 1 for tanh and ReLU.

    Returns
    -------
    bound
        The product in parentheses.

    Raises
    ------
    ValueError
        If ``largest_derivative`` is not positive.

    Examples
    --------
    The longest that this matrix makes a vector of length 1 is 3, so two layers of it
    with sigmoids can keep no more than 9/16:

    >>> import numpy as np
    >>> from dlnotes.networks.unstable_gradients import gradient_bound
    >>> W = np.array([[0.0, 3.0], [2.0, 0.0]])
    >>> bound = gradient_bound(np.stack([W, W]), largest_derivative=0.25)
    >>> round(float(bound), 12)
    0.5625
    """
    positive(largest_derivative=largest_derivative)
    xp = array_namespace(W)
    return xp.prod(largest_derivative * xp.linalg.svdvals(W)[:, 0])


@checked
def preactivation_variance(
    H: Float[Array, "batch inputs"], *, weight_variance: float
) -> Float[Array, ""]:
    r"""Compute the variance that random weights give to the next pre-activations.

    The weights of a layer are drawn independently, with mean zero and one variance
    :math:`\operatorname{Var}(w)`; its biases are zero.  The activations that it reads,
    and the gradient that comes back to it, do not depend on these weights.  Each
    pre-activation is then a sum of :math:`n_{l-1}` uncorrelated terms, one for each
    unit of the layer before, and each entry of the gradient that it sends back a sum of
    :math:`n_l`, one for each of its own units:

    .. math::
       :label: eq-variance-propagation

       \operatorname{Var}(z_l) &= n_{l-1} \operatorname{Var}(w)\,
       \mathbb{E}\left[ h_{l-1}^2 \right] \\
       \mathbb{E}\left[ \left( \frac{\partial J}{\partial h_{l-1}} \right)^2 \right]
       &= n_l \operatorname{Var}(w)\, \mathbb{E}\left[ \delta_l^2 \right]

    The function computes the first line, with a mean over units and instances for
    :math:`\mathbb{E}`; given :math:`\boldsymbol{\delta}_l` for ``H``, it computes the
    second.

    Parameters
    ----------
    H
        The activations that the layer reads.
    weight_variance
        The variance :math:`\operatorname{Var}(w)` of a weight.

    Returns
    -------
    variance
        The variance of a pre-activation over the draw of the weights, mean over the
        instances.

    Raises
    ------
    ValueError
        If ``weight_variance`` is negative.

    Examples
    --------
    The squares 1, 1, 1 and 9 have the mean 3, and 4 · 1/4 · 3 = 3.  (The variance of
    the activations would be 0.75; it does not matter.)

    >>> import numpy as np
    >>> from dlnotes.networks.unstable_gradients import preactivation_variance
    >>> H = np.array([[1.0, 1.0, 1.0, 3.0]])
    >>> float(preactivation_variance(H, weight_variance=1 / 4))
    3.0
    """
    at_least(0, weight_variance=weight_variance)
    return H.shape[1] * weight_variance * array_namespace(H).mean(H**2)


@checked
def mean_square(
    function: Callable[[Array], Array], variance: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    r"""Average the square of a function over normal pre-activations.

    With many inputs, the sum of random weights times activations is nearly normal.  So
    the mean square of an activation function :math:`\phi`, or of its derivative, is
    taken over a normal pre-activation with mean zero and variance :math:`q`:

    .. math::
       :label: eq-normal-mean-square

       \mathbb{E}\left[ \phi(\sqrt{q}\, x)^2 \right]
       = \frac{1}{\sqrt{2 \pi}} \int \phi(\sqrt{q}\, x)^2\, e^{-x^2 / 2}\, dx

    The code takes the sum over a grid for the integral.  Its points, the hyperbolic
    sines of even steps, are dense near zero, where a large variance makes the function
    change quickly.

    Parameters
    ----------
    function
        An elementwise function: :math:`\phi` or :math:`\phi'`.
    variance
        One variance or several, none of them negative.  The grid is fine enough up to
        :math:`10^9` for functions like the sigmoid and tanh.  At a variance of zero the
        code cannot be differentiated.

    Returns
    -------
    mean
        The mean square for each variance.

    Examples
    --------
    A ReLU keeps half of the mean square, which for the identity is the variance itself:

    >>> import numpy as np
    >>> from dlnotes.networks.rectifiers import relu
    >>> from dlnotes.networks.unstable_gradients import mean_square
    >>> q = np.array([1.0, 8.0])
    >>> mean_square(lambda z: z, q).round(6), mean_square(relu, q).round(6)
    (array([1., 8.]), array([0.5, 4. ]))
    """
    xp = array_namespace(variance)
    k = xp.arange(POINTS, dtype=variance.dtype, device=device_of(variance))
    t = STEP * (k - (POINTS - 1) / 2)
    x = END * xp.sinh(t) / math.sinh(STEP * POINTS / 2)
    weight = xp.exp(-(x**2) / 2) * xp.cosh(t)
    values = function(xp.sqrt(variance)[..., None] * x) ** 2
    return xp.sum(values * weight, axis=-1) / xp.sum(weight)


@checked
def variance_path(
    variance: Float[Array, "*shape"],
    *,
    depth: int,
    activation: Callable[[Array], Array] = relu,
    gain: float = 2.0,
) -> Float[Array, "layers *shape"]:
    r"""Predict the variance of the pre-activations of layer after layer.

    If each weight has the variance :math:`g / n`, with :math:`n` the number of inputs
    of its layer and :math:`g` the gain, then :math:`n \operatorname{Var}(w) = g`, and
    the variances of two successive layers are

    .. math::
       :label: eq-variance-map

       q_{l+1} = g\, \mathbb{E}\left[ \phi(\sqrt{q_l}\, x)^2 \right] ,
       \qquad x \sim \mathcal{N}(0, 1) .

    It is exact in the limit of many units per layer.

    Parameters
    ----------
    variance
        The variance :math:`q_1` of the pre-activations of the first layer.
    depth
        The number of layers.
    activation
        The activation function :math:`\phi`.
    gain
        The gain :math:`g`.

    Returns
    -------
    variances
        The variance of each layer, from the first to the last.

    Raises
    ------
    ValueError
        If ``depth`` is not an integer of at least 1, or the gain is not positive.

    Examples
    --------
    A ReLU halves the mean square, and a gain of 2 makes up for it.  A gain of 1 does
    not:

    >>> import numpy as np
    >>> from dlnotes.networks.unstable_gradients import variance_path
    >>> variance_path(np.array(8.0), depth=4, gain=2.0).round(6).tolist()
    [8.0, 8.0, 8.0, 8.0]
    >>> variance_path(np.array(8.0), depth=4, gain=1.0).round(6).tolist()
    [8.0, 4.0, 2.0, 1.0]
    """
    integer(1, depth=depth)
    positive(gain=gain)
    path = [variance]
    for _ in range(depth - 1):
        path.append(gain * mean_square(activation, path[-1]))
    return array_namespace(variance).stack(path)


@checked
def gradient_factor(
    variance: Float[Array, "*shape"],
    *,
    activation_derivative: Callable[[Array], Array] = relu_derivative,
    gain: float = 2.0,
) -> Float[Array, "*shape"]:
    r"""Predict by what a layer multiplies the mean square of the gradient.

    Between two layers of equal width, where the pre-activations of the lower one have
    the variance :math:`q_l`,

    .. math::
       :label: eq-gradient-factor

       \frac{\mathbb{E}[\delta_l^2]}{\mathbb{E}[\delta_{l+1}^2]}
       = g\, \mathbb{E}\left[ \phi'(\sqrt{q_l}\, x)^2 \right] = \chi(q_l) .

    Gradients vanish where :math:`\chi < 1`, and explode where :math:`\chi > 1`.

    Parameters
    ----------
    variance
        The variance :math:`q_l` of the pre-activations, of one layer or of several.
    activation_derivative
        The derivative :math:`\phi'` of the activation function.
    gain
        The gain :math:`g`.

    Returns
    -------
    factor
        The factor :math:`\chi(q_l)` for each variance.

    Raises
    ------
    ValueError
        If the gain is not positive.

    Examples
    --------
    No slope of a sigmoid exceeds 1/4, so with a gain of 1 at most a 16th of the mean
    square is left, at small pre-activations.  A ReLU with a gain of 2 keeps all of it:

    >>> import numpy as np
    >>> from dlnotes.networks.activations import sigmoid_derivative
    >>> from dlnotes.networks.unstable_gradients import gradient_factor
    >>> q = np.array([0.0, 1.0, 100.0])
    >>> gradient_factor(q, activation_derivative=sigmoid_derivative, gain=1.0).round(4)
    array([0.0625, 0.0448, 0.0066])
    >>> gradient_factor(q[1:]).round(6)
    array([1., 1.])
    """
    positive(gain=gain)
    return gain * mean_square(activation_derivative, variance)


@checked
def gradient_profile(
    layers: tuple[Perceptron[Array], ...],
    X: Float[Array, "batch inputs"],
    upstream: Float[Array, "batch outputs"],
    *,
    activation: Callable[[Array], Array] = relu,
    activation_derivative: Callable[[Array], Array] = relu_derivative,
) -> Float[Array, "layers"]:
    r"""Measure how large the gradient of each layer's pre-activations is.

    The size is the root mean square over the :math:`B` instances and the :math:`n_l`
    units of the layer:

    .. math::
       :label: eq-gradient-size

       r_l = \sqrt{\frac{1}{B\, n_l} \sum_{b, j} \delta_{l, bj}^2}

    Parameters
    ----------
    layers
        The layers, in the order in which they compute.
    X
        One instance a row.
    upstream
        The gradient with respect to the outputs.
    activation
        The activation function of the hidden layers.
    activation_derivative
        Its derivative.

    Returns
    -------
    sizes
        The size for each layer, from the first to the last.

    Raises
    ------
    ValueError
        If the layers do not fit together, or ``upstream`` not to the outputs.

    Examples
    --------
    With three units a layer, all active, weights of 1 triple the gradient in each:

    >>> import numpy as np
    >>> from dlnotes.networks.unstable_gradients import gradient_profile
    >>> from dlnotes.neurons.perceptron import Perceptron
    >>> ones = Perceptron(W=np.ones((3, 3)), b=np.zeros(3))
    >>> gradient_profile((ones, ones, ones), np.ones((2, 3)), np.ones((2, 3)))
    array([9., 3., 1.])
    """
    xp = array_namespace(X)
    _, Z = forward_pass(layers, X, activation=activation)
    found = deltas(layers, Z, upstream, activation_derivative=activation_derivative)
    return xp.stack([_root_mean_square(delta) for delta in found])


@checked
def weight_gradient_profile(
    layers: tuple[Perceptron[Array], ...],
    X: Float[Array, "batch inputs"],
    upstream: Float[Array, "batch outputs"],
    *,
    activation: Callable[[Array], Array] = relu,
    activation_derivative: Callable[[Array], Array] = relu_derivative,
) -> Float[Array, "layers"]:
    r"""Measure how large the gradient of each layer's weights is.

    The gradient of a weight is a sum over the instances, of the activation that the
    weight multiplies times the gradient of the pre-activation that it adds to.  Its
    size is the root mean square over the :math:`n_{l-1}` inputs and the :math:`n_l`
    units of the layer:

    .. math::
       :label: eq-weight-gradient-size

       w_l = \sqrt{\frac{1}{n_{l-1}\, n_l} \sum_{i, j} \left( \sum_b h_{l-1, bi}\,
       \delta_{l, bj} \right)^2}

    Parameters
    ----------
    layers
        The layers, in the order in which they compute.
    X
        One instance a row.
    upstream
        The gradient with respect to the outputs.
    activation
        The activation function of the hidden layers.
    activation_derivative
        Its derivative.

    Returns
    -------
    sizes
        The size for each layer, from the first to the last.

    Raises
    ------
    ValueError
        If the layers do not fit together, or ``upstream`` not to the outputs.

    Examples
    --------
    Three units a layer with weights of 1/9 send back a third of the gradient of a
    pre-activation.  But they also send on a third of each activation, so the product,
    the gradient of a weight, is the same in all layers:

    >>> import numpy as np
    >>> from dlnotes.networks.unstable_gradients import (
    ...     gradient_profile,
    ...     weight_gradient_profile,
    ... )
    >>> from dlnotes.neurons.perceptron import Perceptron
    >>> ninths = Perceptron(W=np.full((3, 3), 1 / 9), b=np.zeros(3))
    >>> stack, one = (ninths, ninths, ninths), np.ones((1, 3))
    >>> gradient_profile(stack, one, one).round(3)
    array([0.111, 0.333, 1.   ])
    >>> weight_gradient_profile(stack, one, one).round(3)
    array([0.111, 0.111, 0.111])
    """
    H, Z = forward_pass(layers, X, activation=activation)
    found = mlp_backward(
        layers, H, Z, upstream, activation_derivative=activation_derivative
    )
    return array_namespace(X).stack([_root_mean_square(each.W) for each in found])


def _root_mean_square(values: Array) -> Array:
    """Divide by the largest before squaring, so that no square is lost or infinite."""
    xp = array_namespace(values)
    largest = xp.max(xp.abs(values))
    usable = (largest > 0) & (largest < xp.inf)
    scale = xp.where(usable, largest, xp.ones_like(largest))
    return scale * xp.sqrt(xp.mean((values / scale) ** 2))
