r"""The loss surface.

The loss of a network is a surface over its parameters, and training walks on it knowing
no more than the height and the slope where it stands.  This section is about the places
where that is too little: plateaus, where the slope is next to nothing; saddle points,
where it is zero although the loss still falls to the sides; and local minima, from
which every way leads up.  The eigenvalues of the Hessian tell them apart, most of
the time.

References
----------
* E. M. L. Beale (1958). *On an iterative method for finding a local minimum of a
  function of more than one variable*. Technical report 25, Statistical Techniques
  Research Group, Princeton University.
* H. H. Rosenbrock (1960). An automatic method for finding the greatest or least value
  of a function. *The Computer Journal* 3(3). https://doi.org/10.1093/comjnl/3.3.175
* B. A. Pearlmutter (1994). Fast exact multiplication by the Hessian. *Neural
  Computation* 6(1). https://doi.org/10.1162/neco.1994.6.1.147
* D. S. Dean and S. N. Majumdar (2006). Large deviations of extreme eigenvalues of
  random matrices. *Physical Review Letters* 97. https://arxiv.org/abs/cond-mat/0609651
* A. J. Bray and D. S. Dean (2007). Statistics of critical points of Gaussian fields on
  large-dimensional spaces. *Physical Review Letters* 98.
  https://arxiv.org/abs/cond-mat/0611023
* Y. N. Dauphin, R. Pascanu, C. Gulcehre, K. Cho, S. Ganguli and Y. Bengio (2014).
  Identifying and attacking the saddle point problem in high-dimensional non-convex
  optimization. *Advances in Neural Information Processing Systems* 27.
  https://arxiv.org/abs/1406.2572
* J. D. Lee, M. Simchowitz, M. I. Jordan and B. Recht (2016). Gradient descent only
  converges to minimizers. *Conference on Learning Theory*.
  https://proceedings.mlr.press/v49/lee16.html
* S. S. Du, C. Jin, J. D. Lee, M. I. Jordan, B. Póczos and A. Singh (2017). Gradient
  descent can take exponential time to escape saddle points. *Advances in Neural
  Information Processing Systems* 30. https://arxiv.org/abs/1705.10412
* C. Jin, R. Ge, P. Netrapalli, S. M. Kakade and M. I. Jordan (2017). How to escape
  saddle points efficiently. *International Conference on Machine Learning*.
  https://arxiv.org/abs/1703.00887
* L. Sagun, U. Evci, V. U. Güney, Y. Dauphin and L. Bottou (2018). Empirical analysis of
  the Hessian of over-parametrized neural networks. *ICLR Workshop*.
  https://arxiv.org/abs/1706.04454
* F. Draxler, K. Veschgini, M. Salmhofer and F. A. Hamprecht (2018). Essentially no
  barriers in neural network energy landscape. *International Conference on Machine
  Learning*. https://arxiv.org/abs/1803.00885
* T. Garipov, P. Izmailov, D. Podoprikhin, D. Vetrov and A. G. Wilson (2018). Loss
  surfaces, mode connectivity, and fast ensembling of DNNs. *Advances in Neural
  Information Processing Systems* 31. https://arxiv.org/abs/1802.10026
"""

from collections.abc import Callable
from math import log1p
from typing import Any

from jaxtyping import Float, Int

from dlnotes.arrays import Array, array_namespace, checked, device_of
from dlnotes.checks import at_least, finite, positive

KINDS = ("not critical", "minimum", "maximum", "saddle", "undecided")


@checked
def tangent_plane(
    loss: Float[Array, ""],
    gradient: Float[Array, "parameters"],
    d: Float[Array, "*batch parameters"],
) -> Float[Array, "*batch"]:
    r"""Predict the loss nearby from the loss and the gradient at one point.

    To first order, for a short step :math:`\mathbf{d}`, the surface is its tangent
    plane (a hyperplane, for more than two parameters):

    .. math::
       :label: eq-taylor-first

       J(\boldsymbol{\theta} + \mathbf{d}) \approx
       J(\boldsymbol{\theta}) + \nabla J(\boldsymbol{\theta})^\top \mathbf{d}

    Parameters
    ----------
    loss
        The loss :math:`J(\boldsymbol{\theta})`.
    gradient
        The gradient :math:`\nabla J(\boldsymbol{\theta})`.
    d
        One step :math:`\mathbf{d}`, or several.

    Returns
    -------
    prediction
        The height of the plane at the end of each step.

    Examples
    --------
    The loss :math:`\theta_1^2 + 3\,\theta_2` is 7 at (1, 2), with the gradient (2, 3).
    At (1.1, 1.9) it is 6.91:

    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import tangent_plane
    >>> plane = tangent_plane(
    ...     np.array(7.0), np.array([2.0, 3.0]), np.array([0.1, -0.1])
    ... )
    >>> round(float(plane), 9)
    6.9
    """
    return loss + d @ gradient


@checked
def plateau(
    theta: Float[Array, "*batch 2"],
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch 2"]]:
    r"""Return the loss and the gradient on a plateau around a bowl.

    Near the minimum, (0, 0) with the loss 0, it is a parabola of curvature 1.  Far out
    it is flat:

    .. math::
       :label: eq-plateau

       J(\boldsymbol{\theta}) = 1 - e^{-\lVert \boldsymbol{\theta} \rVert^2 / 2},
       \qquad \nabla J = e^{-\lVert \boldsymbol{\theta} \rVert^2 / 2}\,
       \boldsymbol{\theta}

    Parameters
    ----------
    theta
        One point :math:`\boldsymbol{\theta}`, or several.

    Returns
    -------
    loss
        The loss at each point.
    gradient
        The gradient there.

    Examples
    --------
    At a distance of 1 from the minimum the slope is more than a half, and at a
    distance of 3 a thirtieth:

    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import plateau
    >>> loss, gradient = plateau(np.array([[1.0, 0.0], [3.0, 0.0]]))
    >>> loss.round(3), gradient[:, 0].round(3)
    (array([0.393, 0.989]), array([0.607, 0.033]))
    """
    xp = array_namespace(theta)
    exponent = -xp.sum(theta**2, axis=-1) / 2
    return -xp.expm1(exponent), xp.exp(exponent)[..., None] * theta


@checked
def saddle(
    theta: Float[Array, "*batch 2"],
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch 2"]]:
    r"""Return the loss and the gradient around a saddle between two minima.

    The saddle point is (0, 0), with the loss 0.  Both minima, (0, 1) and (0, -1), have
    the loss -1/2:

    .. math::
       :label: eq-saddle-surface

       J(\boldsymbol{\theta}) = \theta_1^2 - \theta_2^2 + \tfrac12 \theta_2^4,
       \qquad \nabla J = (2\,\theta_1,\; 2\,\theta_2^3 - 2\,\theta_2)

    Parameters
    ----------
    theta
        One point :math:`\boldsymbol{\theta}`, or several.

    Returns
    -------
    loss
        The loss at each point.
    gradient
        The gradient there.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import saddle
    >>> loss, gradient = saddle(np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]]))
    >>> loss.tolist()
    [0.0, 0.25, -0.21875]
    >>> gradient.tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, -0.75]]
    """
    x, y = theta[..., 0], theta[..., 1]
    slopes = array_namespace(theta).stack([2 * x, 2 * y**3 - 2 * y], axis=-1)
    return x**2 - y**2 + y**4 / 2, slopes


@checked
def hessian_vector(
    gradient: Callable[[Array], Array],
    theta: Float[Array, "*shape"],
    v: Float[Array, "*shape"],
    *,
    h: float | None = None,
) -> Float[Array, "*shape"]:
    r"""Multiply the Hessian by a vector without computing the Hessian.

    The Hessian :math:`\mathbf{H}` holds the second derivatives :math:`\partial^2 J /
    \partial \theta_i\, \partial \theta_j`.  Its product with :math:`\mathbf{v}` is how
    the gradient changes in the direction of :math:`\mathbf{v}`, which for a small step
    :math:`h` is a quotient of differences:

    .. math::
       :label: eq-hessian-vector

       \mathbf{H} \mathbf{v} \approx
       \frac{\nabla J(\boldsymbol{\theta} + h \mathbf{v})
       - \nabla J(\boldsymbol{\theta} - h \mathbf{v})}{2h}

    Parameters
    ----------
    gradient
        The function :math:`\nabla J`, from parameters to an array of their shape.
    theta
        The parameters :math:`\boldsymbol{\theta}`.
    v
        The vector :math:`\mathbf{v}`.
    h
        The step :math:`h`.  If not given, it moves the parameters by up to the cube
        root of the distance between 1 and the next number of their precision, or, those
        that are larger than 1, by that share of their size.

    Returns
    -------
    product
        The vector :math:`\mathbf{H} \mathbf{v}`, for two gradients.

    Raises
    ------
    ValueError
        If the step is not positive.

    Examples
    --------
    The gradient of :math:`\theta_1^2 \theta_2` is :math:`(2\,\theta_1 \theta_2,\,
    \theta_1^2)`, and its Hessian at (1, 3) is [[6, 2], [2, 0]].  Times (1, -1):

    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import hessian_vector
    >>> gradient = lambda theta: np.array([2 * theta[0] * theta[1], theta[0] ** 2])
    >>> hessian_vector(gradient, np.array([1.0, 3.0]), np.array([1.0, -1.0])).round(6)
    array([4., 2.])
    """
    if h is None:
        h = _step(theta, v)
    else:
        positive(h=h)
    return (gradient(theta + h * v) - gradient(theta - h * v)) / (2 * h)


def _step(theta: Array, v: Array) -> Any:
    """Return a step that is small, and not too small for the precision."""
    xp = array_namespace(theta)
    size = xp.abs(theta)
    longest = xp.max(xp.abs(v) / xp.where(size > 1, size, xp.ones_like(size)))
    longest = xp.where(longest > 0, longest, xp.ones_like(longest))
    return float(xp.finfo(theta.dtype).eps) ** (1 / 3) / longest


@checked
def hessian(
    gradient: Callable[[Array], Array],
    theta: Float[Array, "parameters"],
    *,
    h: float | None = None,
) -> Float[Array, "parameters parameters"]:
    r"""Compute the whole Hessian, one column at a time.

    A column is the product with a unit vector :math:`\mathbf{e}_j`.  Second derivatives
    do not depend on the order, so the Hessian is symmetric; the mean with its transpose
    makes it so to the last digit:

    .. math::
       :label: eq-hessian

       \mathbf{A} = [\mathbf{H} \mathbf{e}_1, \dots, \mathbf{H} \mathbf{e}_n], \qquad
       \mathbf{H} = \tfrac12 (\mathbf{A} + \mathbf{A}^\top)

    Parameters
    ----------
    gradient
        The function :math:`\nabla J`.
    theta
        The :math:`n` parameters :math:`\boldsymbol{\theta}`.
    h
        The step of :func:`hessian_vector`, which has its own for each parameter if
        none is given.

    Returns
    -------
    H
        The Hessian :math:`\mathbf{H}`, for :math:`2n` gradients.

    Raises
    ------
    ValueError
        If the step is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import hessian, saddle
    >>> gradient = lambda theta: saddle(theta)[1]
    >>> hessian(gradient, np.zeros(2)).round(6).tolist()
    [[2.0, 0.0], [0.0, -2.0]]
    """
    xp, n = array_namespace(theta), theta.shape[0]
    unit = xp.eye(n, dtype=theta.dtype, device=device_of(theta))
    columns = [hessian_vector(gradient, theta, unit[j], h=h) for j in range(n)]
    A = xp.stack(columns, axis=1)
    return (A + A.T) / 2


@checked
def classify_critical_points(
    gradients: Float[Array, "points parameters"],
    hessians: Float[Array, "points parameters parameters"],
    *,
    tolerance: float = 1e-6,
) -> Int[Array, "points"]:
    r"""Say of each point whether it is a minimum, a maximum or a saddle point.

    Where the gradient vanishes the curvature decides.  In every direction it
    lies between the smallest and the largest eigenvalue of the Hessian.  If the two
    have opposite signs,

    .. math::
       :label: eq-saddle

       \nabla J(\boldsymbol{\theta}^*) = \mathbf{0}, \qquad
       \lambda_{\min}(\mathbf{H}) < 0 < \lambda_{\max}(\mathbf{H}),

    it is a saddle point; if all are positive, a minimum; if all are negative, a
    maximum.  If one is zero and no two have opposite signs, higher derivatives decide,
    and the point is undecided.

    Parameters
    ----------
    gradients
        The gradient at each point.
    hessians
        The Hessian at each point, symmetric.
    tolerance
        Gradients of up to this length count as zero, and so do eigenvalues of up to
        this size, or up to this share of the Hessian's largest one if that is above 1.

    Returns
    -------
    kinds
        The place of each point's kind in ``KINDS``: 0 for *not critical*, 1 for a
        minimum, 2 for a maximum, 3 for a saddle point, 4 for *undecided*.

    Raises
    ------
    ValueError
        If the tolerance is negative, or a derivative is not finite.

    Examples
    --------
    Curvature of 2 along both axes; of 2 and -2; and of none at all:

    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import KINDS, classify_critical_points
    >>> hessians = np.array([[[2.0, 0], [0, 2]], [[2, 0], [0, -2]], [[0, 0], [0, 0]]])
    >>> kinds = classify_critical_points(np.zeros((3, 2)), hessians)
    >>> [KINDS[k] for k in kinds]
    ['minimum', 'saddle', 'undecided']

    The eigenvalues of a matrix of ones are 2 and 0.  On its diagonal, that is along the
    axes, nothing shows it:

    >>> [
    ...     KINDS[k]
    ...     for k in classify_critical_points(np.zeros((1, 2)), np.ones((1, 2, 2)))
    ... ]
    ['undecided']
    """
    at_least(0, tolerance=tolerance)
    finite(gradients=gradients, hessians=hessians)
    xp = array_namespace(gradients)
    eigenvalues = xp.linalg.eigvalsh(hessians)
    low, high = eigenvalues[:, 0], eigenvalues[:, -1]
    largest = xp.where(high > -low, high, -low)
    flat = tolerance * xp.where(largest > 1, largest, xp.ones_like(largest))
    critical = xp.linalg.vector_norm(gradients, axis=-1) <= tolerance
    kinds = xp.where((low < -flat) & (high > flat), 3, 4)
    kinds = xp.where(low > flat, 1, kinds)
    kinds = xp.where(high < -flat, 2, kinds)
    return xp.where(critical, kinds, 0)


@checked
def monkey_saddle(
    theta: Float[Array, "*batch 2"],
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch 2"]]:
    r"""Return the loss and the gradient on a saddle for a rider with a tail.

    From (0, 0) three valleys go down, two for the legs and one for the tail, and three
    ridges go up.  It has no minimum.  At (0, 0) all second derivatives vanish:

    .. math::
       :label: eq-monkey-saddle

       J(\boldsymbol{\theta}) = \theta_1^3 - 3\,\theta_1 \theta_2^2, \qquad
       \nabla J = (3\,\theta_1^2 - 3\,\theta_2^2,\; -6\,\theta_1 \theta_2)

    Parameters
    ----------
    theta
        One point :math:`\boldsymbol{\theta}`, or several.

    Returns
    -------
    loss
        The loss at each point.
    gradient
        The gradient there.

    Examples
    --------
    Along the first axis it rises on one side and falls on the other, so (0, 0) is no
    extremum, but the Hessian does not show it:

    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import hessian, monkey_saddle
    >>> monkey_saddle(np.array([[0.5, 0.0], [-0.5, 0.0]]))[0].tolist()
    [0.125, -0.125]
    >>> hessian(lambda theta: monkey_saddle(theta)[1], np.zeros(2)).round(6).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """
    x, y = theta[..., 0], theta[..., 1]
    slopes = array_namespace(theta).stack([3 * x**2 - 3 * y**2, -6 * x * y], axis=-1)
    return x**3 - 3 * x * y**2, slopes


@checked
def escape_steps(
    distance: Float[Array, "*shape"],
    *,
    curvature: float,
    learning_rate: float,
    radius: float = 1.0,
) -> Float[Array, "*shape"]:
    r"""Count the steps that gradient descent needs to get away from a saddle point.

    Along a direction of curvature :math:`\lambda < 0` the gradient is
    :math:`\lambda y`, so a step :math:`y - \eta \lambda y` multiplies the distance
    :math:`y` by :math:`1 + \eta \lvert \lambda \rvert`.  From :math:`y_0` to the radius
    :math:`r`, inside of which the quadratic model holds, that takes

    .. math::
       :label: eq-escape

       t = \frac{\log (r / y_0)}{\log (1 + \eta \lvert \lambda \rvert)}

    steps.

    Parameters
    ----------
    distance
        The distances :math:`y_0`, positive.
    curvature
        The curvature :math:`\lambda`, negative.
    learning_rate
        The learning rate :math:`\eta`.
    radius
        The radius :math:`r`.

    Returns
    -------
    steps
        The number :math:`t` for each distance, not rounded.

    Raises
    ------
    ValueError
        If the curvature is not negative, or the rate or the radius not positive.

    Examples
    --------
    A rate of 1/2 doubles the distance where the curvature is -2.  To start a thousandth
    as far away costs only ten steps more:

    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import escape_steps
    >>> distance = np.array([1 / 4, 1 / 4096])
    >>> escape_steps(distance, curvature=-2.0, learning_rate=0.5)
    array([ 2., 12.])
    """
    positive(learning_rate=learning_rate, radius=radius)
    if not curvature < 0:
        raise ValueError(f"curvature must be negative, got {curvature}")
    growth = log1p(-learning_rate * curvature)
    return array_namespace(distance).log(radius / distance) / growth


@checked
def double_well(
    theta: Float[Array, "*batch 2"], *, tilt: float = 0.3
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch 2"]]:
    r"""Return the loss and the gradient on two wells, one deeper than the other.

    Without a tilt the minima are (-1, 0) and (1, 0), both with the loss -1, and the
    saddle point between them is (0, 0).  A tilt :math:`t` with
    :math:`0 < t < 8 / \sqrt{27}` lowers the left well and raises the right one, which
    is then a local minimum that is not the global one:

    .. math::
       :label: eq-double-well

       J(\boldsymbol{\theta}) = \theta_1^4 - 2\,\theta_1^2 + t\,\theta_1 + \theta_2^2,
       \qquad \nabla J = (4\,\theta_1^3 - 4\,\theta_1 + t,\; 2\,\theta_2)

    Parameters
    ----------
    theta
        One point :math:`\boldsymbol{\theta}`, or several.
    tilt
        The tilt :math:`t`.

    Returns
    -------
    loss
        The loss at each point.
    gradient
        The gradient there.

    Examples
    --------
    The critical points lie on the first axis, at the roots of a cubic:

    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import double_well
    >>> roots = np.sort(np.roots([4, 0, -4, 0.3]))
    >>> loss, gradient = double_well(np.stack([roots, np.zeros(3)], axis=1))
    >>> roots.round(2).tolist(), loss.round(2).tolist()
    ([-1.04, 0.08, 0.96], [-1.31, 0.01, -0.71])
    >>> bool(abs(gradient).max() < 1e-12)
    True
    """
    x, y = theta[..., 0], theta[..., 1]
    slopes = array_namespace(theta).stack([4 * x**3 - 4 * x + tilt, 2 * y], axis=-1)
    return x**4 - 2 * x**2 + tilt * x + y**2, slopes


@checked
def saddle_index(
    eigenvalues: Float[Array, "*batch parameters"], *, tolerance: float = 0.0
) -> Float[Array, "*batch"]:
    r"""Return the share of the directions in which a surface curves down.

    The index of a critical point is, for :math:`n` eigenvalues of its Hessian,

    .. math::
       :label: eq-saddle-index

       \alpha = \frac{1}{n} \sum_{i=1}^{n} [\lambda_i < 0]

    with one for a true bracket and zero for a false one.  A minimum has the index 0, a
    maximum 1.  (In mathematics the index is the number of negative eigenvalues.)

    Parameters
    ----------
    eigenvalues
        The eigenvalues :math:`\lambda_i`, of one Hessian or of several.
    tolerance
        Eigenvalues count as negative only below minus this.

    Returns
    -------
    index
        The index :math:`\alpha` of each Hessian.

    Raises
    ------
    ValueError
        If the tolerance is negative, or an eigenvalue is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import saddle_index
    >>> saddle_index(np.array([[1.0, 2.0, 3.0, 4.0], [-1.0, 0.0, 1.0, 2.0]]))
    array([0.  , 0.25])
    """
    at_least(0, tolerance=tolerance)
    finite(eigenvalues=eigenvalues)
    xp = array_namespace(eigenvalues)
    return xp.mean(xp.astype(eigenvalues < -tolerance, eigenvalues.dtype), axis=-1)


@checked
def ravine(
    theta: Float[Array, "*batch 2"], *, condition_number: float = 20.0
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch 2"]]:
    r"""Return the loss and the gradient in a long valley.

    The minimum is (0, 0), with the loss 0.  Across the valley the curvature is the
    condition number :math:`\kappa`, along it 1:

    .. math::
       :label: eq-ravine

       J(\boldsymbol{\theta}) = \tfrac12 (\theta_1^2 + \kappa\, \theta_2^2), \qquad
       \nabla J = (\theta_1,\; \kappa\, \theta_2)

    Parameters
    ----------
    theta
        One point :math:`\boldsymbol{\theta}`, or several.
    condition_number
        The condition number :math:`\kappa`, at least 1.

    Returns
    -------
    loss
        The loss at each point.
    gradient
        The gradient there.

    Raises
    ------
    ValueError
        If the condition number is below 1.

    Examples
    --------
    The steepest way down leads across the valley, not along it:

    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import ravine
    >>> loss, gradient = ravine(np.array([1.0, 1.0]))
    >>> float(loss), gradient.tolist()
    (10.5, [1.0, 20.0])
    """
    at_least(1, condition_number=condition_number)
    x, y = theta[..., 0], theta[..., 1]
    slopes = array_namespace(theta).stack([x, condition_number * y], axis=-1)
    return (x**2 + condition_number * y**2) / 2, slopes


@checked
def beale(
    theta: Float[Array, "*batch 2"],
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch 2"]]:
    r"""Return Beale's function and its gradient: flat regions between steep walls.

    The global minimum is (3, 1/2), with the loss 0.  The function is a sum of squares,
    with :math:`c = (1.5, 2.25, 2.625)`:

    .. math::
       :label: eq-beale

       J(\boldsymbol{\theta}) &= \sum_{k=1}^{3} r_k^2, \qquad
       r_k = c_k - \theta_1 (1 - \theta_2^k) \\
       \frac{\partial J}{\partial \theta_1} &= -2 \sum_k r_k (1 - \theta_2^k), \qquad
       \frac{\partial J}{\partial \theta_2}
       = 2 \sum_k r_k\, k\, \theta_1 \theta_2^{k-1}

    Parameters
    ----------
    theta
        One point :math:`\boldsymbol{\theta}`, or several.

    Returns
    -------
    loss
        The loss at each point.
    gradient
        The gradient there.

    Examples
    --------
    At (0, 0) all three squares are those of their constants.  At (0, 1) the gradient
    vanishes too, but the Hessian tells that it is a saddle point:

    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import beale
    >>> loss, gradient = beale(np.array([[3.0, 0.5], [0.0, 0.0], [0.0, 1.0]]))
    >>> loss.tolist()
    [0.0, 14.203125, 14.203125]
    >>> gradient.tolist()
    [[0.0, 0.0], [-12.75, 0.0], [0.0, 0.0]]
    """
    x, y = theta[..., 0], theta[..., 1]
    powers = ((1, 1.5), (2, 2.25), (3, 2.625))
    r = [c - x * (1 - y**k) for k, c in powers]
    along_x = sum(-2 * r[k - 1] * (1 - y**k) for k, _ in powers)
    along_y = sum(2 * r[k - 1] * k * x * y ** (k - 1) for k, _ in powers)
    slopes = array_namespace(theta).stack([along_x, along_y], axis=-1)
    return r[0] ** 2 + r[1] ** 2 + r[2] ** 2, slopes


@checked
def rosenbrock(
    theta: Float[Array, "*batch 2"],
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch 2"]]:
    r"""Return Rosenbrock's function and its gradient: a valley with a bend.

    The only minimum is (1, 1), with the loss 0, on the floor of a valley that follows
    the parabola :math:`\theta_2 = \theta_1^2`.  There the condition number of the
    Hessian is about 2,500:

    .. math::
       :label: eq-rosenbrock

       J(\boldsymbol{\theta}) &= (1 - \theta_1)^2 + 100\, (\theta_2 - \theta_1^2)^2 \\
       \frac{\partial J}{\partial \theta_1} &= -2\, (1 - \theta_1)
       - 400\, \theta_1 (\theta_2 - \theta_1^2) \\
       \frac{\partial J}{\partial \theta_2} &= 200\, (\theta_2 - \theta_1^2)

    Parameters
    ----------
    theta
        One point :math:`\boldsymbol{\theta}`, or several.

    Returns
    -------
    loss
        The loss at each point.
    gradient
        The gradient there.

    Examples
    --------
    At (0, 0), on the floor, the gradient has the length 2.  A tenth beside it one of
    its entries is 20:

    >>> import numpy as np
    >>> from dlnotes.optimization.landscape import rosenbrock
    >>> loss, gradient = rosenbrock(np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.1]]))
    >>> loss.round(9).tolist(), gradient.round(9).tolist()
    ([0.0, 1.0, 2.0], [[0.0, 0.0], [-2.0, 0.0], [-2.0, 20.0]])
    """
    x, y = theta[..., 0], theta[..., 1]
    off = y - x**2
    slopes = [-2 * (1 - x) - 400 * x * off, 200 * off]
    return (1 - x) ** 2 + 100 * off**2, array_namespace(theta).stack(slopes, axis=-1)
