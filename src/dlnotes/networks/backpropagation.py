r"""Backpropagation.

Training asks how the loss changes when a weight changes a little, for every weight of
the network.  Backpropagation answers for all of them in one pass from the outputs to
the inputs: it is the chain rule, with every intermediate derivative computed once and
used by all weights before it.  Kelley (1960) and Dreyfus (1962) had sent derivatives
back through the stages of a control problem, Linnainmaa (1970) through any program.
Werbos had the method in his thesis of 1974, and wrote in 1982 how to train networks
with it; Parker and Le Cun found it again in 1985, and Rumelhart, Hinton and Williams
(1986) made it known.  What it computes is a gradient; what is done with the gradient,
such as a step of gradient descent, is another matter.

References
----------
* H. J. Kelley (1960). Gradient theory of optimal flight paths. *ARS Journal* 30(10).
  https://doi.org/10.2514/8.5282
* S. E. Dreyfus (1962). The numerical solution of variational problems. *Journal of
  Mathematical Analysis and Applications* 5(1).
  https://doi.org/10.1016/0022-247X(62)90004-5
* S. Linnainmaa (1970). *The representation of the cumulative rounding error of an
  algorithm as a Taylor expansion of the local rounding errors*. Master's thesis (in
  Finnish), University of Helsinki.
* P. J. Werbos (1974). *Beyond regression: new tools for prediction and analysis in the
  behavioral sciences*. Doctoral thesis, Harvard University.
* P. J. Werbos (1982). Applications of advances in nonlinear sensitivity analysis.
  *System Modeling and Optimization*. https://doi.org/10.1007/BFb0006203
* D. B. Parker (1985). *Learning-logic*. Technical report 47, Massachusetts Institute of
  Technology.
* Y. Le Cun (1985). Une procédure d'apprentissage pour réseau à seuil asymétrique.
  *Proceedings of Cognitiva 85*.
* D. E. Rumelhart, G. E. Hinton and R. J. Williams (1986). Learning representations by
  back-propagating errors. *Nature* 323. https://doi.org/10.1038/323533a0
* T. Chen, B. Xu, C. Zhang and C. Guestrin (2016). Training deep nets with sublinear
  memory cost. https://arxiv.org/abs/1604.06174
* A. G. Baydin, B. A. Pearlmutter, A. A. Radul and J. M. Siskind (2018). Automatic
  differentiation in machine learning: a survey. *Journal of Machine Learning Research*
  18. https://jmlr.org/papers/v18/17-468.html
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from dlnotes.arrays import Array, array_namespace, checked, device_of
from dlnotes.checks import at_least, generator, integer, positive
from dlnotes.networks.losses import squared_error_gradient
from dlnotes.networks.mlp import forward_pass
from dlnotes.networks.rectifiers import relu, relu_derivative
from dlnotes.neurons.perceptron import Perceptron


@checked
def net_input_backward(
    model: Perceptron[Array],
    X: Float[Array, "batch inputs"],
    upstream: Float[Array, "batch units"],
) -> tuple[Perceptron[Array], Float[Array, "batch inputs"]]:
    r"""Send the gradient of a layer's pre-activations back to all that they depend on.

    With :math:`\mathbf{Z} = \mathbf{X} \mathbf{W} + \mathbf{b}`, a row an instance, and
    the gradient :math:`\boldsymbol{\delta} = \partial J / \partial \mathbf{Z}`,

    .. math::
       :label: eq-layer-backward

       \frac{\partial J}{\partial \mathbf{W}} &= \mathbf{X}^\top \boldsymbol{\delta} \\
       \frac{\partial J}{\partial \mathbf{b}} &= \sum_n \boldsymbol{\delta}_n \\
       \frac{\partial J}{\partial \mathbf{X}} &= \boldsymbol{\delta} \mathbf{W}^\top

    where :math:`\boldsymbol{\delta}_n` is the row of instance :math:`n`.

    Parameters
    ----------
    model
        The weights and biases.
    X
        What the layer reads, one instance a row.
    upstream
        The gradient :math:`\boldsymbol{\delta}` with respect to the pre-activations.

    Returns
    -------
    gradient
        The gradient with respect to the weights and the biases, in their places.
    X_gradient
        The gradient with respect to what the layer reads.

    Examples
    --------
    One instance and one unit: the gradient of a weight is its input times
    ``upstream``, and that of an input is its weight times ``upstream``.

    >>> import numpy as np
    >>> from dlnotes.networks.backpropagation import net_input_backward
    >>> from dlnotes.neurons.perceptron import Perceptron
    >>> unit = Perceptron(W=np.array([[2.0], [-3.0]]), b=np.array([0.5]))
    >>> gradient, X_gradient = net_input_backward(
    ...     unit, np.array([[4.0, 1.0]]), np.array([[10.0]])
    ... )
    >>> gradient.W.tolist(), gradient.b.tolist(), X_gradient.tolist()
    ([[40.0], [10.0]], [10.0], [[20.0, -30.0]])
    """
    return _parameter_gradient(X, upstream), upstream @ model.W.T


@checked
def deltas(
    layers: tuple[Perceptron[Array], ...],
    Z: tuple[Float[Array, "batch _"], ...],
    upstream: Float[Array, "batch outputs"],
    *,
    activation_derivative: Callable[[Array], Array] = relu_derivative,
) -> tuple[Float[Array, "batch _"], ...]:
    r"""Compute the gradient with respect to the pre-activations of every layer.

    It is written :math:`\boldsymbol{\delta}_l = \partial J / \partial \mathbf{Z}_l`.
    The last layer of the network has no activation function, so the first line is the
    gradient of the loss.  Each earlier layer has it from the one behind it:

    .. math::
       :label: eq-backprop-delta

       \boldsymbol{\delta}_L &= \frac{\partial J}{\partial \hat{\mathbf{Y}}} \\
       \boldsymbol{\delta}_l &= \left( \boldsymbol{\delta}_{l+1}
       \mathbf{W}_{l+1}^\top \right) \odot \phi'(\mathbf{Z}_l)
       \qquad (l = L - 1, \dots, 1)

    Parameters
    ----------
    layers
        The layers, in the order in which they compute.
    Z
        The pre-activations of each layer, from
        :func:`~dlnotes.networks.mlp.forward_pass`.
    upstream
        The gradient with respect to the outputs.
    activation_derivative
        The derivative :math:`\phi'` of the activation function of the hidden layers.

    Returns
    -------
    deltas
        The gradient for each layer, from the first to the last.

    Raises
    ------
    ValueError
        If there are not as many pre-activations as layers, or an array has another
        shape than the layers give it.

    Examples
    --------
    Of two hidden units the second is silent, so no gradient passes through it:

    >>> import numpy as np
    >>> from dlnotes.networks.backpropagation import deltas
    >>> from dlnotes.networks.mlp import forward_pass
    >>> from dlnotes.neurons.perceptron import Perceptron
    >>> hidden = Perceptron(W=np.array([[1.0, -1.0]]), b=np.array([-2.0, 2.0]))
    >>> output = Perceptron(W=np.array([[3.0], [4.0]]), b=np.zeros(1))
    >>> H, Z = forward_pass((hidden, output), np.array([[5.0]]))
    >>> [each.tolist() for each in deltas((hidden, output), Z, np.array([[10.0]]))]
    [[[30.0, 0.0]], [[10.0]]]
    """
    _check_pass(layers, upstream, Z, "Z", [each.W.shape[1] for each in layers])
    found = [upstream]
    for layer, z in zip(layers[:0:-1], Z[-2::-1], strict=True):
        found.append(found[-1] @ layer.W.T * activation_derivative(z))
    return tuple(reversed(found))


@checked
def mlp_backward(
    layers: tuple[Perceptron[Array], ...],
    H: tuple[Float[Array, "batch _"], ...],
    Z: tuple[Float[Array, "batch _"], ...],
    upstream: Float[Array, "batch outputs"],
    *,
    activation_derivative: Callable[[Array], Array] = relu_derivative,
) -> tuple[Perceptron[Array], ...]:
    r"""Compute the gradient with respect to all weights and biases (backward pass).

    Layer :math:`l` has read :math:`\mathbf{H}_{l-1}`, so with the
    :math:`\boldsymbol{\delta}_l` of :eq:`eq-backprop-delta`

    .. math::
       :label: eq-backprop-gradient

       \frac{\partial J}{\partial \mathbf{W}_l} &=
       \mathbf{H}_{l-1}^\top \boldsymbol{\delta}_l \\
       \frac{\partial J}{\partial \mathbf{b}_l} &=
       \sum_n \boldsymbol{\delta}_{l, n}

    Parameters
    ----------
    layers
        The layers, in the order in which they compute.
    H, Z
        What each layer reads, and its pre-activations, from
        :func:`~dlnotes.networks.mlp.forward_pass`.
    upstream
        The gradient with respect to the outputs.
    activation_derivative
        The derivative of the activation function that the forward pass had.

    Returns
    -------
    gradients
        The gradient for each layer, its weights and biases in their places.  It is that
        of the sum over the batch, or of what else ``upstream`` is the gradient of.

    Raises
    ------
    ValueError
        If there are not as many arrays as layers, or one has another shape than the
        layers give it.

    Examples
    --------
    The weight of the active hidden unit gets 5 · 30, that of the silent one nothing:

    >>> import numpy as np
    >>> from dlnotes.networks.backpropagation import mlp_backward
    >>> from dlnotes.networks.mlp import forward_pass
    >>> from dlnotes.neurons.perceptron import Perceptron
    >>> hidden = Perceptron(W=np.array([[1.0, -1.0]]), b=np.array([-2.0, 2.0]))
    >>> output = Perceptron(W=np.array([[3.0], [4.0]]), b=np.zeros(1))
    >>> layers = (hidden, output)
    >>> H, Z = forward_pass(layers, np.array([[5.0]]))
    >>> first, last = mlp_backward(layers, H, Z, np.array([[10.0]]))
    >>> first.W.tolist(), first.b.tolist(), last.W.tolist(), last.b.tolist()
    ([[150.0, 0.0]], [30.0, 0.0], [[30.0], [0.0]], [10.0])
    """
    _check_pass(layers, upstream, H, "H", [each.W.shape[0] for each in layers])
    found = deltas(layers, Z, upstream, activation_derivative=activation_derivative)
    return tuple(map(_parameter_gradient, H, found))


@checked
def numerical_gradient(
    f: Callable[[Array], Any], theta: Float[Array, "*shape"], *, h: float = 1e-5
) -> Float[Array, "*shape"]:
    r"""Estimate a gradient by central differences, one parameter at a time.

    With the unit vector :math:`\mathbf{e}_i` of parameter :math:`\theta_i` and a small
    step :math:`h`,

    .. math::
       :label: eq-gradient-check

       \frac{\partial J}{\partial \theta_i} \approx
       \frac{J(\boldsymbol{\theta} + h \mathbf{e}_i)
       - J(\boldsymbol{\theta} - h \mathbf{e}_i)}{2h}

    Parameters
    ----------
    f
        The function :math:`J`, from an array of the shape of ``theta`` to a number.
    theta
        The parameters :math:`\boldsymbol{\theta}`.
    h
        The step :math:`h`.  The default suits double precision and parameters of about
        unit size.

    Returns
    -------
    gradient
        The estimate for each parameter, for two evaluations of ``f`` each.

    Raises
    ------
    ValueError
        If the step is not positive.

    Examples
    --------
    For a cube the quotient is too large by the square of the step:

    >>> import numpy as np
    >>> from dlnotes.networks.backpropagation import numerical_gradient
    >>> numerical_gradient(lambda t: (t**3).sum(), np.array([1.0, 2.0]), h=0.1).round(9)
    array([ 3.01, 12.01])
    """
    positive(h=h)
    xp, size = array_namespace(theta), prod(theta.shape)
    places = xp.reshape(xp.arange(size, device=device_of(theta)), theta.shape)
    gradient = theta
    for i in range(size):
        step = h * xp.astype(places == i, theta.dtype)
        quotient = (f(theta + step) - f(theta - step)) / (2 * h)
        gradient = xp.where(places == i, quotient, gradient)
    return xp.astype(gradient, theta.dtype, copy=False)


def minibatches(
    instances: int, batch_size: int, *, rng: np.random.Generator
) -> list[NDArray[Any]]:
    """Divide the instances of an epoch into mini-batches, in random order.

    Parameters
    ----------
    instances
        How many instances there are.
    batch_size
        How many a mini-batch has; the last one has what is left.
    rng
        The random generator.

    Returns
    -------
    batches
        The indices of the instances of each mini-batch: every index once.

    Raises
    ------
    ValueError
        If a number is not an integer of at least 1.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.networks.backpropagation import minibatches
    >>> batches = minibatches(7, 3, rng=np.random.default_rng(0))
    >>> [len(batch) for batch in batches], sorted(np.concatenate(batches).tolist())
    ([3, 3, 1], [0, 1, 2, 3, 4, 5, 6])
    """
    integer(1, instances=instances, batch_size=batch_size)
    generator(rng=rng)
    order = rng.permutation(instances)
    return [order[k : k + batch_size] for k in range(0, instances, batch_size)]


@checked
def backprop_step(
    layers: tuple[Perceptron[Array], ...],
    X: Float[Array, "batch inputs"],
    Y: Any,
    *,
    learning_rate: float,
    loss_gradient: Callable[[Array, Any], Array] = squared_error_gradient,
    activation: Callable[[Array], Array] = relu,
    activation_derivative: Callable[[Array], Array] = relu_derivative,
) -> tuple[Perceptron[Array], ...]:
    r"""Take one step of gradient descent on the mean loss of a batch.

    The loss :math:`J` is the mean over the instances :math:`n = 1, \dots, B`.  All
    gradients are taken at the old parameters, and then each parameter :math:`\theta` is
    changed by the learning rate :math:`\eta` times its own:

    .. math::
       :label: eq-backprop-step

       J = \frac{1}{B} \sum_{n=1}^{B} L(\hat{\mathbf{y}}_n, \mathbf{y}_n), \qquad
       \theta \leftarrow \theta - \eta\, \frac{\partial J}{\partial \theta}

    Parameters
    ----------
    layers
        The layers, in the order in which they compute.
    X, Y
        One instance a row, and their targets as ``loss_gradient`` takes them.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    loss_gradient
        The gradient of the loss of each instance with respect to its outputs, given
        outputs and targets; that of a squared error is for all outputs of an instance
        together.
    activation, activation_derivative
        The activation function of the hidden layers, and its derivative.

    Returns
    -------
    layers
        The layers after the step.

    Raises
    ------
    ValueError
        If the rate is negative, or the layers do not fit together.

    Examples
    --------
    A single weight of 1 is to turn 2 into 6.  The gradient of the squared error is
    2 · (2 - 6) · 2 = -16 for the weight and -8 for the bias:

    >>> import numpy as np
    >>> from dlnotes.networks.backpropagation import backprop_step
    >>> from dlnotes.neurons.perceptron import Perceptron
    >>> layers = (Perceptron(W=np.array([[1.0]]), b=np.zeros(1)),)
    >>> X, Y = np.array([[2.0]]), np.array([[6.0]])
    >>> (layer,) = backprop_step(layers, X, Y, learning_rate=0.1)
    >>> round(float(layer.W[0, 0]), 6), round(float(layer.b[0]), 6)
    (2.6, 0.8)
    """
    at_least(0, learning_rate=learning_rate)
    H, Z = forward_pass(layers, X, activation=activation)
    upstream = loss_gradient(Z[-1], Y) / X.shape[0]
    gradients = mlp_backward(
        layers, H, Z, upstream, activation_derivative=activation_derivative
    )
    return tuple(
        Perceptron(
            W=layer.W - learning_rate * gradient.W,
            b=layer.b - learning_rate * gradient.b,
        )
        for layer, gradient in zip(layers, gradients, strict=True)
    )


@checked
def _parameter_gradient(
    X: Float[Array, "batch inputs"], delta: Float[Array, "batch units"]
) -> Perceptron[Array]:
    """Multiply what each weight reads by what comes back, and add over the batch."""
    return Perceptron(W=X.T @ delta, b=array_namespace(X).sum(delta, axis=0))


def _check_pass(
    layers: tuple[Perceptron[Array], ...],
    upstream: Array,
    kept: tuple[Array, ...],
    name: str,
    widths: list[int],
) -> None:
    """Refuse what no forward pass through the layers can have kept."""
    if not 0 < len(layers) == len(kept):
        raise ValueError(
            f"{name} must have an array for each layer, got {len(kept)} for "
            f"{len(layers)}"
        )
    for k, (each, width) in enumerate(zip(kept, widths, strict=True)):
        wanted = (upstream.shape[0], width)
        if tuple(each.shape) != wanted:
            raise ValueError(
                f"{name}[{k}] must have the shape {wanted}, as the layers have it, got "
                f"{tuple(each.shape)}"
            )
    wanted = (upstream.shape[0], layers[-1].b.shape[0])
    if tuple(upstream.shape) != wanted:
        raise ValueError(
            f"upstream must have the shape {wanted} of the outputs, got "
            f"{tuple(upstream.shape)}"
        )
