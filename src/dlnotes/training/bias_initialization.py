r"""Initial biases.

Weights must differ at the start, and biases need not: zero is the usual choice.  Three
kinds of bias have reasons for another one.  The bias of an output can hold the mean of
the targets before anything is learned, so that training need not begin with a large
loss; Lin et al. (2017) begin with a prior of 0.01 for a rare class, so that training is
stable.  A positive bias makes a rectified linear unit active for more instances.  And a
gate that decides what a memory keeps (Gers, Schmidhuber and Cummins, 2000) is opened by
a bias of one (Jozefowicz, Zaremba and Sutskever, 2015).

References
----------
* F. A. Gers, J. Schmidhuber and F. Cummins (2000). Learning to forget: continual
  prediction with LSTM. *Neural Computation* 12(10).
  https://doi.org/10.1162/089976600300015015
* R. Jozefowicz, W. Zaremba and I. Sutskever (2015). An empirical exploration of
  recurrent network architectures. *International Conference on Machine Learning*.
  https://proceedings.mlr.press/v37/jozefowicz15.html
* T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár (2017). Focal loss for dense
  object detection. *International Conference on Computer Vision*.
  https://arxiv.org/abs/1708.02002
* C. Tallec and Y. Ollivier (2018). Can recurrent neural networks warp time?
  *International Conference on Learning Representations*.
  https://arxiv.org/abs/1804.11188
"""

from jaxtyping import Bool, Float

from dlnotes.arrays import Array, anywhere, array_namespace, checked, erfc
from dlnotes.checks import integer
from dlnotes.networks.activations import sigmoid
from dlnotes.networks.dying_relu import dead_fraction
from dlnotes.networks.losses import log_softmax


@checked
def symmetric_units(
    W: Float[Array, "inputs units"],
    b: Float[Array, "units"],
    V: Float[Array, "units outputs"],
) -> Bool[Array, "units units"]:
    r"""Tell which hidden units can be exchanged without changing the network.

    Units :math:`i` and :math:`j` are **twins** if they read the same, add the same, and
    are read alike:

    .. math::
       :label: eq-twin-units

       w_{ki} = w_{kj} \;\text{for all } k , \qquad b_i = b_j , \qquad
       v_{io} = v_{jo} \;\text{for all } o

    Gradient descent never parts twins.  One difference is enough to make two units no
    twins, and it may be in the biases alone.

    Parameters
    ----------
    W
        The weights into the hidden layer, a column a unit.
    b
        Its biases.
    V
        The weights out of it, a row a unit.

    Returns
    -------
    twins
        Whether each pair of units are twins.  A unit is its own twin, unless it has a
        NaN, which equals nothing.

    Examples
    --------
    Three units with the same weights; the bias of the third one is another:

    >>> import numpy as np
    >>> from dlnotes.training.bias_initialization import symmetric_units
    >>> W, b, V = np.full((2, 3), 0.5), np.array([0.0, 0.0, 0.1]), np.ones((3, 1))
    >>> symmetric_units(W, b, V)
    array([[ True,  True, False],
           [ True,  True, False],
           [False, False,  True]])
    """
    xp = array_namespace(W)
    units = xp.concat([W, b[None], V.T])
    return xp.all(units[:, :, None] == units[:, None, :], axis=0)


@checked
def base_rate_bias(y: Float[Array, "batch *outputs"]) -> Float[Array, "*outputs"]:
    r"""Compute the bias with which a sigmoid output predicts the share of ones.

    The **base rate** :math:`\pi` is the mean of the targets :math:`y_n`.  If the
    weights contribute nothing, the sigmoid of the bias is the prediction, so the bias
    must be the inverse of the sigmoid, the logarithm of the **odds**:

    .. math::
       :label: eq-base-rate-bias

       b = \log \frac{\pi}{1 - \pi} , \qquad \pi = \frac{1}{N} \sum_n y_n

    Parameters
    ----------
    y
        The targets, from 0 to 1, an instance a row.

    Returns
    -------
    b
        The bias of each output.

    Raises
    ------
    ValueError
        If there is no target, one is not from 0 to 1, or the targets of an output are
        all 0 or all 1: its bias would be infinite.

    Examples
    --------
    One positive instance and three negative ones: the odds are 1 to 3.

    >>> import numpy as np
    >>> from dlnotes.training.bias_initialization import base_rate_bias
    >>> b = base_rate_bias(np.array([0.0, 1.0, 0.0, 0.0]))
    >>> bool(np.isclose(b, -np.log(3)))
    True
    """
    _check_targets(y=y)
    xp = array_namespace(y)
    ones, zeros = xp.mean(y, axis=0), xp.mean(1 - y, axis=0)
    if anywhere((ones == 0) | (zeros == 0)):
        raise ValueError(
            "y must have ones and zeros for each output, or its bias is infinite"
        )
    return xp.log(ones) - xp.log(zeros)


@checked
def class_share_bias(Y: Float[Array, "batch classes"]) -> Float[Array, "classes"]:
    r"""Compute the biases with which a softmax predicts the share of each class.

    With :math:`\pi_k` for the share of class :math:`k` among the targets,

    .. math::
       :label: eq-class-share-bias

       b_k = \log \pi_k , \qquad \pi_k = \frac{1}{N} \sum_n y_{nk} .

    Any constant may be added to all of them, since the softmax does not see it.

    Parameters
    ----------
    Y
        The targets, an instance a row: 1 for its class and else 0, or probabilities.

    Returns
    -------
    b
        The bias of each class.

    Raises
    ------
    ValueError
        If there is no instance, a row is not one of probabilities, or a class has the
        share 0: its bias would be infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.networks.losses import softmax
    >>> from dlnotes.training.bias_initialization import class_share_bias
    >>> Y = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> softmax(class_share_bias(Y)).round(6)
    array([0.75, 0.25])
    """
    pi = _shares(Y)
    if anywhere(pi == 0):
        raise ValueError("Y must have each class, or the bias of one is infinite")
    return array_namespace(Y).log(pi)


@checked
def initial_loss(
    Y: Float[Array, "batch classes"], b: Float[Array, "classes"]
) -> Float[Array, ""]:
    r"""Compute the mean cross-entropy of a network whose logits are its biases.

    It depends on the targets by the shares :math:`\pi_k` of the classes alone.  With
    :math:`\mathbf{p} = \operatorname{softmax}(\mathbf{b})` it has two parts: the
    **entropy** :math:`H` of the shares, and the **Kullback-Leibler divergence**
    :math:`D` of the prediction from them, which is zero if :math:`\mathbf{p} =
    \boldsymbol{\pi}` and else positive:

    .. math::
       :label: eq-initial-loss

       -\sum_k \pi_k \log p_k
       = \underbrace{-\sum_k \pi_k \log \pi_k}_{H(\boldsymbol{\pi})}
       + \underbrace{\sum_k \pi_k \log \frac{\pi_k}{p_k}}_{D(\boldsymbol{\pi} \,\|\,
       \mathbf{p})}

    Parameters
    ----------
    Y
        The targets, an instance a row: 1 for its class and else 0, or probabilities.
    b
        The bias of each class, which is its logit for all instances.

    Returns
    -------
    loss
        The loss, in nats.

    Raises
    ------
    ValueError
        If there is no instance, or a row is not one of probabilities.

    Examples
    --------
    Zero biases cost log 2, whatever the shares are; the logarithms of 3/4 and 1/4 cost
    the entropy, which is less:

    >>> import numpy as np
    >>> from dlnotes.training.bias_initialization import initial_loss
    >>> Y = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> for b in (np.zeros(2), np.log([0.75, 0.25])):
    ...     print(float(initial_loss(Y, b).round(4)))
    0.6931
    0.5623
    """
    xp, pi = array_namespace(Y), _shares(Y)
    return -xp.sum(pi * xp.where(pi > 0, log_softmax(b), 0))


@checked
def inactive_probability(
    b: Float[Array, "*units"], s: Float[Array, "*units"]
) -> Float[Array, "*units"]:
    r"""Compute how often a normal pre-activation leaves a ReLU inactive.

    Without the bias the pre-activation is normal with mean 0 and standard deviation
    :math:`s`.  With it the mean is :math:`b`, and the ReLU is inactive with the
    probability

    .. math::
       :label: eq-inactive-probability

       P(z \le 0) = \Phi\left( -\frac{b}{s} \right) ,

    where :math:`\Phi` is the standard normal distribution function.

    Parameters
    ----------
    b
        The bias of each unit.
    s
        The standard deviation of its pre-activation.  For independent standard normal
        inputs it is the length of the unit's weight vector.

    Returns
    -------
    probability
        The probability that the unit is inactive for an instance.

    Raises
    ------
    ValueError
        If a standard deviation is not positive.

    Examples
    --------
    Zero bias halves the instances.  A bias of one standard deviation leaves about a
    sixth inactive, and one of a hundredth changes next to nothing:

    >>> import numpy as np
    >>> from dlnotes.training.bias_initialization import inactive_probability
    >>> inactive_probability(np.array([0.0, 0.01, 1.0]), np.ones(3)).round(3)
    array([0.5  , 0.496, 0.159])
    """
    if anywhere(~(s > 0)):
        raise ValueError("s must be positive for each unit")
    return erfc(b / s / 2**0.5) / 2


@checked
def dead_probability(
    b: Float[Array, "*units"], s: Float[Array, "*units"], *, instances: int
) -> Float[Array, "*units"]:
    r"""Compute how often a ReLU is dead for independent normal pre-activations.

    It is dead if each of the :math:`N` instances leaves it inactive:

    .. math::
       :label: eq-dead-probability

       P(\max_n z_n \le 0) = \Phi\left( -\frac{b}{s} \right)^N

    Parameters
    ----------
    b
        The bias of each unit.
    s
        The standard deviation of its pre-activation, as in
        :func:`inactive_probability`.
    instances
        The number :math:`N` of instances, at least 1.

    Returns
    -------
    probability
        The probability that the unit is dead at the start.

    Raises
    ------
    ValueError
        If ``instances`` is not an integer of at least 1, or a standard deviation is not
        positive.

    Examples
    --------
    With zero bias each instance is a coin toss; a bias of minus two standard deviations
    leaves one unit in ten dead for 100 instances:

    >>> import numpy as np
    >>> from dlnotes.training.bias_initialization import dead_probability
    >>> float(dead_probability(np.array(0.0), np.array(1.0), instances=10)) * 1024
    1.0
    >>> float(dead_probability(np.array(-2.0), np.array(1.0), instances=100).round(2))
    0.1
    """
    integer(1, instances=instances)
    return inactive_probability(b, s) ** instances


@checked
def initial_dead_fraction(
    X: Float[Array, "batch inputs"],
    W: Float[Array, "inputs units"],
    b: Float[Array, "units"],
) -> Float[Array, ""]:
    r"""Count which share of a layer of ReLUs is dead on data, before any training.

    It is the dead fraction :eq:`eq-dead-fraction` of the pre-activations

    .. math::
       :label: eq-initial-pre-activations

       z_{ni} = \sum_k x_{nk} w_{ki} + b_i .

    Parameters
    ----------
    X
        The whole data set, one instance a row.
    W
        The initial weights, a column a unit.
    b
        The initial biases.

    Returns
    -------
    fraction
        A number from zero to one.

    Raises
    ------
    ValueError
        If there is no instance, or no unit.

    Examples
    --------
    Both inputs are positive, so negative weights kill a unit with zero bias.  A bias of
    0.1 does not bring it back, and one of 1 does:

    >>> import numpy as np
    >>> from dlnotes.training.bias_initialization import initial_dead_fraction
    >>> X, W = np.array([[0.5], [0.25]]), np.array([[1.0, -1.0]])
    >>> [float(initial_dead_fraction(X, W, np.full(2, b))) for b in (0.0, 0.1, 1.0)]
    [0.5, 0.5, 0.0]
    """
    n, m = X.shape[0], W.shape[1]
    if n == 0 or m == 0:
        raise ValueError(f"X must have an instance and W a unit, got {n} and {m}")
    return dead_fraction(X @ W + b)


@checked
def remembered(b: Float[Array, "*gates"], *, steps: int) -> Float[Array, "*gates"]:
    r"""Compute what a leaky memory has kept after some steps.

    At each step a **leaky memory** keeps the share :math:`f` of what it holds, the
    value of a gate with a sigmoid.  As long as the bias :math:`b` is all that the
    sigmoid gets, it keeps after :math:`T` steps

    .. math::
       :label: eq-leaky-memory

       f^T , \qquad f = \sigma(b) = \frac{1}{1 + e^{-b}} .

    Parameters
    ----------
    b
        The bias of each gate.
    steps
        The number :math:`T` of steps, at least 0.

    Returns
    -------
    share
        The share that is left.

    Raises
    ------
    ValueError
        If ``steps`` is not an integer of at least 0.

    Examples
    --------
    A gate with zero bias halves the memory at each step; a bias of one keeps 0.73:

    >>> import numpy as np
    >>> from dlnotes.training.bias_initialization import remembered
    >>> b = np.array([0.0, 1.0])
    >>> remembered(b, steps=1).round(3), remembered(b, steps=10).round(3)
    (array([0.5  , 0.731]), array([0.001, 0.044]))
    """
    integer(0, steps=steps)
    return sigmoid(b) ** steps


def _shares(Y: Array) -> Array:
    """Return the share of each class."""
    _check_targets(Y=Y)
    xp = array_namespace(Y)
    if anywhere(abs(xp.sum(Y, axis=1) - 1) > 0.01):
        raise ValueError(
            "Y must have rows that add up to 1, such as np.eye(10)[labels]"
        )
    return xp.mean(Y, axis=0)


def _check_targets(**targets: Array) -> None:
    """Refuse targets of which there are none, or that are not from 0 to 1."""
    for name, y in targets.items():
        if y.shape[0] == 0:
            raise ValueError(f"{name} must have an instance, a row, got none")
        if anywhere(~((y >= 0) & (y <= 1))):
            raise ValueError(f"{name} must have targets from 0 to 1")
