r"""Depth and width.

With enough units, a network with one hidden layer comes as close as one likes to any
continuous function on a closed and bounded region.  Cybenko (1989), Hornik et al.
(1989) and Leshno et al. (1993) proved it; this section builds such networks and counts
their units.  What they need may be much: Telgarsky (2015) found functions that a few
units per layer compute in a deep network, and that take exponentially many units in one
hidden layer.

References
----------
* G. Cybenko (1989). Approximation by superpositions of a sigmoidal function.
  *Mathematics of Control, Signals and Systems* 2.
  https://doi.org/10.1007/BF02551274
* K. Hornik, M. Stinchcombe and H. White (1989). Multilayer feedforward networks are
  universal approximators. *Neural Networks* 2(5).
  https://doi.org/10.1016/0893-6080(89)90020-8
* M. Leshno, V. Y. Lin, A. Pinkus and S. Schocken (1993). Multilayer feedforward
  networks with a nonpolynomial activation function can approximate any function.
  *Neural Networks* 6(6). https://doi.org/10.1016/S0893-6080(05)80131-5
* R. A. DeVore, R. Howard and C. Micchelli (1989). Optimal nonlinear approximation.
  *Manuscripta Mathematica* 63. https://doi.org/10.1007/BF02171759
* G. Montúfar, R. Pascanu, K. Cho and Y. Bengio (2014). On the number of linear regions
  of deep neural networks. *Advances in Neural Information Processing Systems* 27.
  https://arxiv.org/abs/1402.1869
* O. Russakovsky et al. (2015). ImageNet large scale visual recognition challenge.
  *International Journal of Computer Vision* 115. https://arxiv.org/abs/1409.0575
* R. K. Srivastava, K. Greff and J. Schmidhuber (2015). Highway networks.
  https://arxiv.org/abs/1505.00387
* M. Telgarsky (2015). Representation benefits of deep feedforward networks.
  https://arxiv.org/abs/1509.08101
* K. He, X. Zhang, S. Ren and J. Sun (2016). Deep residual learning for image
  recognition. *Computer Vision and Pattern Recognition*.
  https://arxiv.org/abs/1512.03385
* D. Yarotsky (2017). Error bounds for approximations with deep ReLU networks. *Neural
  Networks* 94. https://arxiv.org/abs/1610.01145
* L. Xiao, Y. Bahri, J. Sohl-Dickstein, S. Schoenholz and J. Pennington (2018).
  Dynamical isometry and a mean field theory of CNNs: how to train 10,000-layer vanilla
  convolutional neural networks. *International Conference on Machine Learning*.
  https://arxiv.org/abs/1806.05393
* M. Belkin, D. Hsu, S. Ma and S. Mandal (2019). Reconciling modern machine-learning
  practice and the classical bias-variance trade-off. *Proceedings of the National
  Academy of Sciences* 116. https://doi.org/10.1073/pnas.1903070116
* B. Hanin and D. Rolnick (2019). Complexity of linear regions in deep networks.
  *International Conference on Machine Learning*. https://arxiv.org/abs/1901.09021
"""

from math import ceil, isfinite, sqrt

from jaxtyping import Bool, Float

from dlnotes.arrays import Array, anywhere, array_namespace, checked
from dlnotes.checks import at_least, integer, positive
from dlnotes.networks.mlp import forward_pass
from dlnotes.networks.rectifiers import relu
from dlnotes.neurons.perceptron import Perceptron


@checked
def bump_network(
    starts: Float[Array, "bumps"],
    ends: Float[Array, "bumps"],
    heights: Float[Array, "bumps"],
    *,
    steepness: float = 1.0,
) -> tuple[Perceptron[Array], ...]:
    r"""Make a network with one hidden layer that is a sum of rectangular bumps.

    Each bump takes a pair of hidden units.  With the step :math:`f` as the activation
    function, one unit switches on where bump :math:`k` starts, at :math:`s_k`, the
    other where it ends, at :math:`e_k`, and the output subtracts them:

    .. math::
       :label: eq-bump-network

       \hat{y}(x) = \sum_k c_k \left( f(\beta\,(x - s_k)) - f(\beta\,(x - e_k)) \right)

    The steepness :math:`\beta` changes nothing for the step.  With the sigmoid in its
    place, a larger one makes the sides of the bumps steeper.

    Parameters
    ----------
    starts
        Where each bump starts, :math:`s_k`; there its output is on already.
    ends
        Where each bump ends, :math:`e_k`; there its output is off again.
    heights
        The height :math:`c_k` of each bump, of either sign.
    steepness
        The input weight :math:`\beta` of all hidden units, above zero.

    Returns
    -------
    network
        The hidden layer of two units a bump, first all that switch on, and the output
        layer of one unit.

    Raises
    ------
    ValueError
        If there is no bump, or ``steepness`` is not positive.

    Examples
    --------
    Two bumps side by side, of the heights 3 and 5, are four hidden units:

    >>> import numpy as np
    >>> from dlnotes.networks.depth_and_width import bump_network
    >>> from dlnotes.neurons.perceptron import net_input, predict
    >>> starts, ends = np.array([0.0, 1.0]), np.array([1.0, 2.0])
    >>> hidden, output = bump_network(starts, ends, np.array([3.0, 5.0]))
    >>> x = np.array([[-0.5], [0.5], [1.5], [2.5]])
    >>> net_input(output, predict(hidden, x)).T
    array([[0., 3., 5., 0.]])
    """
    positive(steepness=steepness)
    if not starts.shape[0]:
        raise ValueError("starts must have at least one bump, got 0")
    xp = array_namespace(starts)
    switches = xp.concat([starts, ends])
    hidden = Perceptron(
        W=steepness * xp.ones_like(switches)[None, :], b=-steepness * switches
    )
    W = xp.concat([heights, -heights])[:, None]
    return hidden, Perceptron(W, b=xp.zeros_like(heights[:1]))


def bumps_needed(
    lipschitz: float, length: float, tolerance: float, *, inputs: int = 1
) -> int:
    r"""Count the bumps that meet any function of bounded slope.

    Let no slope of the function exceed :math:`L` in size: the function is Lipschitz
    continuous with the constant :math:`L`.  Its region is an interval of length
    :math:`\ell` or, with :math:`d` inputs, a cube with sides of that length.  Cut each
    side into :math:`n` equal parts, and let each bump have the height of the function
    in the middle of its box.  Then the error is nowhere above :math:`\varepsilon` if

    .. math::
       :label: eq-bump-count

       n \ge \frac{L\,\ell}{2 \varepsilon} ,

    and there are :math:`n^d` bumps.

    Parameters
    ----------
    lipschitz
        The Lipschitz constant :math:`L`.  With several inputs it bounds the change of
        the function divided by the largest change of any one input.
    length
        The length :math:`\ell` of the interval, or of each side of the cube.
    tolerance
        The error :math:`\varepsilon` that is allowed.
    inputs
        The number of inputs :math:`d`.

    Returns
    -------
    bumps
        The number of bumps.

    Raises
    ------
    ValueError
        If ``lipschitz`` is negative, ``length`` or ``tolerance`` not positive,
        ``inputs`` no integer of at least 1, or the number not finite.

    Examples
    --------
    The sine has no slope above 1.  A hundred bumps on an interval of length 2 keep the
    error at or below 0.01.  A function of four inputs takes a hundred to the fourth:

    >>> from dlnotes.networks.depth_and_width import bumps_needed
    >>> bumps_needed(1.0, 2.0, 0.01), bumps_needed(1.0, 2.0, 0.01, inputs=4)
    (100, 100000000)
    """
    at_least(0, lipschitz=lipschitz)
    positive(length=length, tolerance=tolerance)
    integer(1, inputs=inputs)
    return _count(lipschitz * length / (2 * tolerance)) ** inputs


@checked
def relu_interpolation(
    knots: Float[Array, "points"], values: Float[Array, "points"]
) -> tuple[Float[Array, ""], Float[Array, "units"]]:
    r"""Find the ReLUs whose sum joins points by straight lines.

    The network has one hidden unit at each knot :math:`t_0 < t_1 < \dots < t_n` but
    the last, with the input weight 1 and the bias :math:`-t_k`:

    .. math::
       :label: eq-relu-interpolation

       \begin{aligned}
       \hat{y}(x) &= y_0 + \sum_{k=0}^{n-1} a_k\,\mathrm{ReLU}(x - t_k), \\
       a_k &= m_k - m_{k-1}, \\
       m_k &= \frac{y_{k+1} - y_k}{t_{k+1} - t_k}, \qquad m_{-1} = 0 .
       \end{aligned}

    The slope after knot :math:`k` is :math:`m_k`, and the output weight :math:`a_k` is
    the change of slope at that knot.

    Parameters
    ----------
    knots
        Where the points are, in ascending order, all different.
    values
        The value :math:`y_k` wanted at each knot.

    Returns
    -------
    offset
        The bias of the output, :math:`y_0`.
    a
        The output weight of each hidden unit, one fewer than knots.

    Raises
    ------
    ValueError
        If there are fewer than two knots, or they do not ascend.

    Examples
    --------
    From (0, 1) up to (2, 5), then down to (3, 2).  The slopes are 2 and -3, and the
    second unit has to turn one into the other:

    >>> import numpy as np
    >>> from dlnotes.networks.depth_and_width import relu_interpolation
    >>> offset, a = relu_interpolation(np.array([0.0, 2.0, 3.0]), np.array([1.0, 5, 2]))
    >>> float(offset), a.tolist()
    (1.0, [2.0, -5.0])
    """
    if knots.shape[0] < 2:
        raise ValueError(f"knots must be at least two, got {knots.shape[0]}")
    if anywhere(~(knots[1:] > knots[:-1])):
        raise ValueError("knots must ascend, each greater than the one before")
    slopes = (values[1:] - values[:-1]) / (knots[1:] - knots[:-1])
    xp = array_namespace(knots)
    return values[0], xp.concat([slopes[:1], slopes[1:] - slopes[:-1]])


def ramps_needed(curvature: float, length: float, tolerance: float) -> int:
    r"""Count the ReLUs that meet any function of bounded curvature.

    On an interval of length :math:`\ell` let the second derivative of the function be
    nowhere larger than :math:`M` in size.  Cut it into :math:`n` equal parts, and join
    the values at their ends by the :math:`n` units of :eq:`eq-relu-interpolation`.
    Then the error is nowhere above :math:`\varepsilon` if

    .. math::
       :label: eq-ramp-count

       \frac{M}{8} \left( \frac{\ell}{n} \right)^2 \le \varepsilon .

    Parameters
    ----------
    curvature
        The bound :math:`M` of the second derivative.
    length
        The length :math:`\ell` of the interval.
    tolerance
        The error :math:`\varepsilon` that is allowed.

    Returns
    -------
    units
        The smallest such number :math:`n` of hidden units.

    Raises
    ------
    ValueError
        If ``curvature`` is negative, ``length`` or ``tolerance`` not positive, or the
        number not finite.

    Examples
    --------
    The second derivative of the sine is at most 1 in size.  Where bumps needed a
    hundred pairs of units, eight ReLUs do, since 2/8 squared is a sixteenth, and an
    eighth of that is 0.0078:

    >>> from dlnotes.networks.depth_and_width import ramps_needed
    >>> ramps_needed(1.0, 2.0, 0.01)
    8
    """
    at_least(0, curvature=curvature)
    positive(length=length, tolerance=tolerance)
    return _count(length * sqrt(curvature / (8 * tolerance)))


@checked
def sawtooth(x: Float[Array, "*shape"], depth: int) -> Float[Array, "*shape"]:
    r"""Fold the interval from 0 to 1 in each layer of a deep network.

    A layer of two ReLUs draws a tent :math:`g`, which rises from 0 to 1 and falls back
    to 0.  The sawtooth of depth :math:`k` puts :math:`k` tents one after another:

    .. math::
       :label: eq-sawtooth

       \begin{aligned}
       g(x) &= 2\,\mathrm{ReLU}(x) - 4\,\mathrm{ReLU}(x - \tfrac12), \\
       g_k &= \underbrace{g \circ g \circ \dots \circ g}_{k}
       \end{aligned}

    It has :math:`2^k` straight pieces, and :math:`g_k(j / 2^k)` is 0 for even
    :math:`j`, 1 for odd.  One hidden layer of :math:`n` ReLUs that stays closer than
    1/2 to it on the whole interval must be wide:

    .. math::
       :label: eq-depth-separation

       \max_{0 \le x \le 1} |\hat{y}(x) - g_k(x)| < \tfrac12
       \quad \Longrightarrow \quad n \ge 2^k - 1

    Parameters
    ----------
    x
        Numbers from 0 to 1.
    depth
        The number :math:`k` of tents, which is that of hidden layers.

    Returns
    -------
    y
        The output of the last tent.

    Raises
    ------
    ValueError
        If ``depth`` is no integer of at least 1.

    Examples
    --------
    0.375 is three eighths, so the third tent takes it to 1: 0.375, 0.75, 0.5, 1.

    >>> import numpy as np
    >>> from dlnotes.networks.depth_and_width import sawtooth
    >>> [float(sawtooth(np.array(0.375), depth)) for depth in (1, 2, 3)]
    [0.75, 0.5, 1.0]
    """
    integer(1, depth=depth)
    for _ in range(depth):
        x = 2 * relu(x) - 4 * relu(x - 0.5)
    return x


@checked
def activation_pattern(
    layers: tuple[Perceptron[Array], ...], X: Float[Array, "batch inputs"]
) -> Bool[Array, "batch hidden"]:
    r"""Tell for each instance which hidden ReLUs of a network are active.

    Number the hidden units of all layers :math:`1, 2, \dots`, and let :math:`z_j` be
    the pre-activation of unit :math:`j`:

    .. math::
       :label: eq-activation-pattern

       s_j(\mathbf{x}) = \mathbf{1}[z_j(\mathbf{x}) > 0]

    Where the pattern stays the same, each unit is either a linear function or zero, so
    the network is one affine map there.  Such a region is a linear region, or a part of
    one: two neighbors may have the same map.

    Parameters
    ----------
    layers
        The layers of the network, the first hidden layer first; the last one, which has
        no activation function, is the output.
    X
        One instance a row.

    Returns
    -------
    S
        For each instance and each hidden unit, whether it is active.

    Raises
    ------
    ValueError
        If ``layers`` has no hidden layer.

    Examples
    --------
    The tent has one unit that switches on at 0 and another one at 1/2:

    >>> import numpy as np
    >>> from dlnotes.networks.depth_and_width import activation_pattern
    >>> from dlnotes.neurons.perceptron import Perceptron
    >>> hidden = Perceptron(W=np.array([[1.0, 1.0]]), b=np.array([0.0, -0.5]))
    >>> output = Perceptron(W=np.array([[2.0], [-4.0]]), b=np.array([0.0]))
    >>> activation_pattern((hidden, output), np.array([[-0.1], [0.1], [0.9]])).tolist()
    [[False, False], [True, False], [True, True]]
    """
    if len(layers) < 2:
        raise ValueError(f"layers must be two or more, got {len(layers)}")
    _, Z = forward_pass(layers, X)
    return array_namespace(X).concat([z > 0 for z in Z[:-1]], axis=1)


def _count(bound: float) -> int:
    """Round a bound up to at least 1, but not for what its rounding has added."""
    if not isfinite(bound):
        raise ValueError(f"the number of units must be finite, got {bound}")
    return max(1, ceil(bound * (1 - 1e-14)))
