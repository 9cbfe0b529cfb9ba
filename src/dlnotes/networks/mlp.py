r"""The multilayer perceptron.

A multilayer perceptron (MLP) is a stack of fully connected layers, each of which reads
the activations of the layer before.  The layers between the inputs and the outputs are
hidden.  They compute a representation of the inputs in which the task of the last layer
is easy: XOR is beyond a single layer and takes one hidden layer of two units.
Rosenblatt (1962) drew such networks and trained their last layer.  How to train all
layers, by following the gradient of the loss, became widely known with Rumelhart,
Hinton and Williams (1986), and is the next section.

References
----------
* F. Rosenblatt (1962). *Principles of neurodynamics: perceptrons and the theory of
  brain mechanisms*. Spartan Books.
* D. E. Rumelhart, G. E. Hinton and R. J. Williams (1986). Learning representations by
  back-propagating errors. *Nature* 323. https://doi.org/10.1038/323533a0
* I. Goodfellow, Y. Bengio and A. Courville (2016). *Deep learning*, chapter 6. MIT
  Press. https://www.deeplearningbook.org/contents/mlp.html
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from dlnotes.arrays import Array, checked
from dlnotes.checks import generator, integer, positive
from dlnotes.networks.rectifiers import relu
from dlnotes.neurons.perceptron import Perceptron, net_input


@checked
def mlp_forward(
    layers: tuple[Perceptron[Array], ...],
    X: Float[Array, "batch inputs"],
    *,
    activation: Callable[[Array], Array] = relu,
) -> Float[Array, "batch outputs"]:
    r"""Compute the outputs of a multilayer perceptron for a batch.

    With :math:`L` layers, layer :math:`l` has the weights :math:`\mathbf{W}_l` and the
    biases :math:`\mathbf{b}_l`.  It reads the activations :math:`\mathbf{H}_{l-1}` of
    the layer before; the first one reads the batch :math:`\mathbf{X}`.  The hidden
    layers apply the activation function :math:`\phi` to their pre-activations
    :math:`\mathbf{Z}_l`, and the last layer does not:

    .. math::
       :label: eq-mlp

       \mathbf{H}_0 &= \mathbf{X} \\
       \mathbf{Z}_l &= \mathbf{H}_{l-1} \mathbf{W}_l + \mathbf{b}_l
       && (l = 1, \dots, L) \\
       \mathbf{H}_l &= \phi(\mathbf{Z}_l) && (l = 1, \dots, L - 1) \\
       \hat{\mathbf{Y}} &= \mathbf{Z}_L

    Parameters
    ----------
    layers
        The layers, from the one that reads the inputs to the one that gives the
        outputs.
    X
        One instance a row.
    activation
        The activation function of the hidden layers.

    Returns
    -------
    Y_hat
        The outputs, one row an instance: predictions, or the logits of classes.

    Raises
    ------
    ValueError
        If there is no layer, or a layer has another number of inputs than the layer
        before has units.

    Examples
    --------
    The distance of a number from 2 is what two hidden units add up to: one is active
    above 2, the other below.

    >>> import numpy as np
    >>> from dlnotes.networks.mlp import mlp_forward
    >>> from dlnotes.neurons.perceptron import Perceptron
    >>> hidden = Perceptron(W=np.array([[1.0, -1.0]]), b=np.array([-2.0, 2.0]))
    >>> output = Perceptron(W=np.array([[1.0], [1.0]]), b=np.zeros(1))
    >>> mlp_forward((hidden, output), np.array([[0.0], [2.0], [5.0]])).tolist()
    [[2.0], [0.0], [3.0]]
    """
    _check_layers(layers)
    H = X
    for layer in layers[:-1]:
        H = activation(net_input(layer, H))
    return net_input(layers[-1], H)


@checked
def forward_pass(
    layers: tuple[Perceptron[Array], ...],
    X: Float[Array, "batch inputs"],
    *,
    activation: Callable[[Array], Array] = relu,
) -> tuple[tuple[Float[Array, "batch _"], ...], tuple[Float[Array, "batch _"], ...]]:
    r"""Compute the outputs as :func:`mlp_forward` does, and keep every layer's arrays.

    Parameters
    ----------
    layers
        The layers, in the order in which they compute.
    X
        One instance a row.
    activation
        The activation function of the hidden layers.

    Returns
    -------
    H
        What each layer reads, :math:`\mathbf{H}_0` to :math:`\mathbf{H}_{L-1}` of
        :eq:`eq-mlp`: the batch, then the activations of each hidden layer.
    Z
        The pre-activations of each layer, :math:`\mathbf{Z}_1` to
        :math:`\mathbf{Z}_L`, the last of which are the outputs.

    Raises
    ------
    ValueError
        If there is no layer, or the layers do not fit together.

    Examples
    --------
    For 5 the second hidden unit is at -3, so its activation is 0:

    >>> import numpy as np
    >>> from dlnotes.networks.mlp import forward_pass
    >>> from dlnotes.neurons.perceptron import Perceptron
    >>> hidden = Perceptron(W=np.array([[1.0, -1.0]]), b=np.array([-2.0, 2.0]))
    >>> output = Perceptron(W=np.array([[1.0], [1.0]]), b=np.zeros(1))
    >>> H, Z = forward_pass((hidden, output), np.array([[5.0]]))
    >>> [each.tolist() for each in (H[0], Z[0], H[1], Z[1])]
    [[[5.0]], [[3.0, -3.0]], [[3.0, 0.0]], [[3.0]]]
    """
    _check_layers(layers)
    H, Z = [X], [net_input(layers[0], X)]
    for layer in layers[1:]:
        H.append(activation(Z[-1]))
        Z.append(net_input(layer, H[-1]))
    return tuple(H), tuple(Z)


def parameter_count(sizes: tuple[int, ...]) -> int:
    r"""Count the weights and biases of a multilayer perceptron.

    With :math:`n_0` inputs and :math:`n_l` units in layer :math:`l`, the last of which
    are the outputs, every unit has a weight for each number that it reads, and a bias:

    .. math::
       :label: eq-mlp-parameters

       \sum_{l=1}^{L} (n_{l-1} + 1)\, n_l

    Parameters
    ----------
    sizes
        The number of inputs, of units in each hidden layer, and of outputs.

    Returns
    -------
    count
        How many numbers the network learns.

    Raises
    ------
    ValueError
        If there are fewer than two sizes, or one is not an integer of at least 1.

    Examples
    --------
    The first layer has (4 + 1) · 5 = 25 parameters, the second (5 + 1) · 3 = 18:

    >>> from dlnotes.networks.mlp import parameter_count
    >>> parameter_count((4, 5, 3))
    43
    """
    _check_sizes(sizes)
    return sum((inputs + 1) * units for inputs, units in pairwise(map(int, sizes)))


def random_layers(
    sizes: tuple[int, ...], *, rng: np.random.Generator, gain: float = 2.0
) -> tuple[Perceptron[NDArray[Any]], ...]:
    r"""Draw the weights with which training begins; the biases are zero.

    The weights of a layer with :math:`n` inputs are normal with mean 0 and variance
    :math:`g / n`, where :math:`g` is the gain.

    Parameters
    ----------
    sizes
        The number of inputs, of units in each hidden layer, and of outputs.
    rng
        The random generator.
    gain
        The variance of a weight times the number of inputs of its unit: 2 suits ReLU,
        and 1 suits tanh.

    Returns
    -------
    layers
        The layers, in NumPy's arrays.

    Raises
    ------
    ValueError
        If there are fewer than two sizes, one is not an integer of at least 1, or the
        gain is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.networks.mlp import random_layers
    >>> layers = random_layers((4, 5, 3), rng=np.random.default_rng(0))
    >>> [(layer.W.shape, layer.b.tolist()) for layer in layers]
    [((4, 5), [0.0, 0.0, 0.0, 0.0, 0.0]), ((5, 3), [0.0, 0.0, 0.0])]
    """
    _check_sizes(sizes)
    generator(rng=rng)
    positive(gain=gain)
    return tuple(
        Perceptron(
            W=rng.normal(scale=(gain / inputs) ** 0.5, size=(inputs, units)),
            b=np.zeros(units),
        )
        for inputs, units in pairwise(sizes)
    )


def _check_layers(layers: tuple[Perceptron[Array], ...]) -> None:
    """Refuse layers of which one cannot read what the one before it gives."""
    if not layers:
        raise ValueError("layers must be one layer or more, got none")
    for k, (before, after) in enumerate(pairwise(layers), 1):
        units, inputs = before.W.shape[1], after.W.shape[0]
        if inputs != units:
            raise ValueError(
                f"layer {k + 1} must have {units} inputs, as layer {k} has units, "
                f"got W of shape {tuple(after.W.shape)}"
            )


def _check_sizes(sizes: tuple[int, ...]) -> None:
    """Refuse sizes of no network."""
    if len(sizes) < 2:
        raise ValueError(f"sizes must be those of inputs and outputs, got {sizes}")
    for k, size in enumerate(sizes):
        integer(1, **{f"sizes[{k}]": size})
