r"""Visualization with t-SNE.

t-SNE (van der Maaten and Hinton, 2008) draws a map of data in which near points stay
near each other.  Each distance becomes a probability, in the data and in the map, and
gradient descent moves the points of the map until the Kullback-Leibler divergence of
the two is small.  It comes from SNE (Hinton and Roweis, 2002), whose maps may be
crowded.  A map shows neighbors; distances between clusters and their sizes mean little.

References
----------
* R. A. Jacobs (1988). Increased rates of convergence through learning rate adaptation.
  *Neural Networks* 1(4). https://doi.org/10.1016/0893-6080(88)90003-2
* J. Venna and S. Kaski (2001). Neighborhood preservation in nonlinear projection
  methods: an experimental study. *International Conference on Artificial Neural
  Networks*. https://doi.org/10.1007/3-540-44668-0_68
* G. Hinton and S. Roweis (2002). Stochastic neighbor embedding. *Advances in Neural
  Information Processing Systems* 15.
* L. van der Maaten and G. Hinton (2008). Visualizing data using t-SNE. *Journal of
  Machine Learning Research* 9. https://jmlr.org/papers/v9/vandermaaten08a.html
* L. van der Maaten (2009). Learning a parametric embedding by preserving local
  structure. *Proceedings of Machine Learning Research* 5.
  https://proceedings.mlr.press/v5/maaten09a.html
* L. van der Maaten (2014). Accelerating t-SNE using tree-based algorithms. *Journal of
  Machine Learning Research* 15. https://jmlr.org/papers/v15/vandermaaten14a.html
* M. Wattenberg, F. Viégas and I. Johnson (2016). How to use t-SNE effectively.
  *Distill*. https://doi.org/10.23915/distill.00002
* L. McInnes, J. Healy and J. Melville (2018). UMAP: uniform manifold approximation and
  projection for dimension reduction. https://arxiv.org/abs/1802.03426
* A. C. Belkina, C. O. Ciccolella, R. Anno, R. Halpert, J. Spidlen and J. E.
  Snyder-Cappione (2019). Automated optimized parameters for t-distributed stochastic
  neighbor embedding improve visualization and analysis of large datasets. *Nature
  Communications* 10. https://doi.org/10.1038/s41467-019-13055-y
* D. Kobak and P. Berens (2019). The art of using t-SNE for single-cell transcriptomics.
  *Nature Communications* 10. https://doi.org/10.1038/s41467-019-13056-x
* P. G. Poličar, M. Stražar and B. Zupan (2024). openTSNE: a modular Python library for
  t-SNE dimensionality reduction and embedding. *Journal of Statistical Software*
  109(3). https://doi.org/10.18637/jss.v109.i03
"""

from collections import deque
from collections.abc import Iterator
from functools import reduce
from operator import add
from typing import Any

from jaxtyping import Float

from dlnotes.arrays import Array, anywhere, array_namespace, checked, device_of
from dlnotes.checks import at_least, in_range, integer, positive
from dlnotes.networks.losses import softmax


@checked
def conditional_probabilities(
    X: Float[Array, "points features"], sigma: Float[Array, "points"]
) -> Float[Array, "points points"]:
    r"""Compute the probability with which each point picks each other as its neighbor.

    Point :math:`i` picks point :math:`j` in proportion to a Gaussian around
    :math:`\mathbf{x}_i` with the bandwidth :math:`\sigma_i`, and never itself:

    .. math::
       :label: eq-tsne-conditional

       p_{j|i} = \frac{e^{-\lVert \mathbf{x}_i - \mathbf{x}_j \rVert^2 / 2 \sigma_i^2}}
       {\sum_{k \ne i} e^{-\lVert \mathbf{x}_i - \mathbf{x}_k \rVert^2 / 2 \sigma_i^2}},
       \qquad p_{i|i} = 0

    Parameters
    ----------
    X
        One point a row.
    sigma
        The bandwidth :math:`\sigma_i` of each point, positive.

    Returns
    -------
    P
        The probability :math:`p_{j|i}` in row :math:`i` and column :math:`j`; each row
        adds up to one.

    Raises
    ------
    ValueError
        If there is only one point, or a bandwidth is not positive.

    Examples
    --------
    Points at 0, 1 and 3 on a line.  With the bandwidth 1 the first one picks the second
    with odds of exp(9/2 - 1/2) = exp(4), about 55 to 1, and with a wide one nearly as
    often as the third:

    >>> import numpy as np
    >>> from dlnotes.networks.tsne import conditional_probabilities
    >>> X = np.array([[0.0], [1.0], [3.0]])
    >>> for width in (1.0, 100.0):
    ...     conditional_probabilities(X, np.full(3, width))[0].round(3).tolist()
    [0.0, 0.982, 0.018]
    [0.0, 0.5, 0.5]
    """
    if anywhere(~(sigma > 0)):
        raise ValueError("sigma must be positive, but is not everywhere")
    _check_several(X=X)
    return _softmax_over_others(_squared_distances(X), sigma)


@checked
def perplexity(P: Float[Array, "points points"]) -> Float[Array, "points"]:
    r"""Compute the effective number of neighbors of each point.

    It is two to the power of the entropy of a row in bits, or :math:`e` to the power of
    the entropy in nats; a term with :math:`p_{j|i} = 0` counts as zero:

    .. math::
       :label: eq-perplexity

       \operatorname{perplexity}(P_i) = 2^{-\sum_j p_{j|i} \log_2 p_{j|i}}
       = e^{-\sum_j p_{j|i} \log p_{j|i}}

    Parameters
    ----------
    P
        The probabilities :math:`p_{j|i}`; each row adds up to one.

    Returns
    -------
    perplexity
        The perplexity of each row, from 1 to the number of other points.

    Examples
    --------
    Of three points, one has two equal neighbors, one has a single neighbor, and one is
    between:

    >>> import numpy as np
    >>> from dlnotes.networks.tsne import perplexity
    >>> P = np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.9, 0.1, 0.0]])
    >>> perplexity(P).round(3).tolist()
    [2.0, 1.0, 1.384]
    """
    return array_namespace(P).exp(_entropy(P))


@checked
def bandwidths(
    X: Float[Array, "points features"], *, perplexity: float = 30.0
) -> Float[Array, "points"]:
    r"""Find the bandwidth of each point for which its perplexity is the one wanted.

    The wider a Gaussian, the higher is the perplexity.  So an interval in which the
    bandwidth must lie can be halved again and again (bisection), here on a logarithmic
    scale and for all points at once.  The halvings are decisions: for automatic
    differentiation the bandwidths are constants, with the derivative zero.

    Parameters
    ----------
    X
        One point a row.
    perplexity
        The perplexity :eq:`eq-perplexity` that each point is to have, at least 1 and
        less than the number of other points.

    Returns
    -------
    sigma
        The bandwidth :math:`\sigma_i` of each point.

    Raises
    ------
    ValueError
        If there is only one point, the perplexity is out of its range, a number is not
        finite, squared distances leave the range of the floating-point type, or so many
        points are equally near to one of them that it cannot have the perplexity, as
        when all are the same.

    Examples
    --------
    Three points, and far away the same three with ten times the distances.  Their
    bandwidths are ten times as large:

    >>> import numpy as np
    >>> from dlnotes.networks.tsne import bandwidths
    >>> X = np.array([[0.0], [1.0], [3.0], [1000.0], [1010.0], [1030.0]])
    >>> bandwidths(X, perplexity=1.5).round(2).tolist()
    [1.49, 0.91, 1.17, 14.85, 9.1, 11.74]
    """
    _check_points(X=X)
    in_range(1, X.shape[0] - 1, half_open=True, perplexity=perplexity)
    xp, D = array_namespace(X), _squared_distances(X)
    farthest = xp.max(D, axis=1)
    farthest = xp.where(farthest > 0, farthest, 1.0)
    farthest = 2.0 ** xp.floor(xp.log2(farthest) / 2)  # a step, whose derivative is 0
    low, high = 1e-12 * farthest, 1e4 * farthest
    for _ in range(50):
        middle = xp.sqrt(low) * xp.sqrt(high)
        reached = xp.exp(_entropy(_softmax_over_others(D, middle)))
        wide = reached > perplexity
        low, high = xp.where(wide, low, middle), xp.where(wide, middle, high)
    _check_reached(reached, perplexity)
    return middle


@checked
def joint_probabilities(
    X: Float[Array, "points features"], sigma: Float[Array, "points"]
) -> Float[Array, "points points"]:
    r"""Compute the probability of each pair of points in the data.

    It is the mean of :eq:`eq-tsne-conditional` in both directions, divided by the
    number of points :math:`n`:

    .. math::
       :label: eq-tsne-joint

       p_{ij} = \frac{p_{j|i} + p_{i|j}}{2n}

    So each point has at least :math:`1 / 2n` of the probability, an outlier too.

    Parameters
    ----------
    X
        One point a row.
    sigma
        The bandwidth :math:`\sigma_i` of each point, positive.

    Returns
    -------
    P
        The symmetric probabilities :math:`p_{ij}`, which add up to one in all.

    Raises
    ------
    ValueError
        If there is only one point, or a bandwidth is not positive.

    Examples
    --------
    The last point is far from all others.  Still its row adds up to more than 1/6:

    >>> import numpy as np
    >>> from dlnotes.networks.tsne import joint_probabilities
    >>> X = np.array([[0.0], [1.0], [100.0]])
    >>> P = joint_probabilities(X, np.array([1.0, 1.0, 50.0]))
    >>> P.sum(axis=1).round(3).tolist(), float(P.sum().round(6))
    ([0.415, 0.418, 0.167], 1.0)
    """
    P = conditional_probabilities(X, sigma)
    return (P + P.T) / (2 * X.shape[0])


@checked
def map_probabilities(
    Y: Float[Array, "points dimensions"],
) -> Float[Array, "points points"]:
    r"""Compute the probability of each pair of points in the map.

    It falls with the distance as Student's t distribution with one degree of freedom
    does, and all pairs are normalized together:

    .. math::
       :label: eq-tsne-student

       q_{ij} = \frac{k_{ij}}{\sum_{l \ne m} k_{lm}}, \qquad
       k_{ij} = \frac{1}{1 + \lVert \mathbf{y}_i - \mathbf{y}_j \rVert^2},
       \qquad q_{ii} = 0

    Parameters
    ----------
    Y
        The map: the place of each point, one a row.

    Returns
    -------
    Q
        The symmetric probabilities :math:`q_{ij}`, which add up to one in all.

    Raises
    ------
    ValueError
        If there is only one point.

    Examples
    --------
    At the distances 0, 1 and 1 the kernel is 1, 1/2 and 1/2, so the pair that coincides
    has half of the probability:

    >>> import numpy as np
    >>> from dlnotes.networks.tsne import map_probabilities
    >>> Q = map_probabilities(np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]]))
    >>> Q.tolist()
    [[0.0, 0.25, 0.125], [0.25, 0.0, 0.125], [0.125, 0.125, 0.0]]
    """
    K = _student_kernel(Y)
    return K / array_namespace(K).sum(K)


@checked
def kl_divergence(
    P: Float[Array, "points points"], Y: Float[Array, "points dimensions"]
) -> Float[Array, ""]:
    r"""Compute the Kullback-Leibler divergence of the map from the data.

    With :math:`q_{ij}` from :eq:`eq-tsne-student` it is

    .. math::
       :label: eq-tsne

       C = \operatorname{KL}(P \,\Vert\, Q)
       = \sum_{i \ne j} p_{ij} \log \frac{p_{ij}}{q_{ij}}

    Parameters
    ----------
    P
        The probabilities :math:`p_{ij}` of the data, which add up to one.
    Y
        The map.

    Returns
    -------
    C
        The divergence in nats: zero where the map has the probabilities of the data,
        and else more; infinite where neighbors lie so far apart that they have none.

    Raises
    ------
    ValueError
        If there is only one point.

    Examples
    --------
    The only pair that counts is near in one map and far in the other.  Its probability
    in them, both directions together, is 10/12 and 1/12:

    >>> import numpy as np
    >>> from dlnotes.networks.tsne import kl_divergence
    >>> P = np.array([[0.0, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> near, far = np.array([[0.0], [0.0], [3.0]]), np.array([[0.0], [3.0], [0.0]])
    >>> for Y in (near, far):
    ...     round(float(np.exp(-kl_divergence(P, Y))), 4)
    0.8333
    0.0833
    """
    xp, Q = array_namespace(P), map_probabilities(Y)
    counts = P != 0
    ratio = xp.where(counts, P, 1.0) / xp.where(counts, Q, 1.0)
    return xp.sum(P * xp.log(ratio))


@checked
def kl_gradient(
    P: Float[Array, "points points"], Y: Float[Array, "points dimensions"]
) -> Float[Array, "points dimensions"]:
    r"""Compute the gradient of the divergence with respect to the map.

    With :math:`k_{ij}` and :math:`q_{ij}` from :eq:`eq-tsne-student` the gradient of
    :eq:`eq-tsne` is

    .. math::
       :label: eq-tsne-gradient

       \frac{\partial C}{\partial \mathbf{y}_i}
       = 4 \sum_j (p_{ij} - q_{ij})\, k_{ij}\, (\mathbf{y}_i - \mathbf{y}_j)

    Parameters
    ----------
    P
        The symmetric probabilities :math:`p_{ij}` of the data, which add up to one.
    Y
        The map.

    Returns
    -------
    gradient
        The gradient, one row a point.  A step against it moves pairs together whose
        :math:`p_{ij}` is larger than :math:`q_{ij}`, and the others apart.

    Raises
    ------
    ValueError
        If there is only one point.

    Examples
    --------
    Only the first two points are neighbors.  Against the gradient the first one moves
    right to the second, though the third is nearer and on its left, and the third
    moves away from both:

    >>> import numpy as np
    >>> from dlnotes.networks.tsne import kl_gradient
    >>> P = np.array([[0.0, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> Y = np.array([[0.0], [2.0], [-1.0]])
    >>> -kl_gradient(P, Y).round(3)
    array([[ 1.225], [-0.525], [-0.7  ]])
    """
    xp, K = array_namespace(Y), _student_kernel(Y)
    F = (P - K / xp.sum(K)) * K
    return 4 * (xp.sum(F, axis=1)[:, None] * Y - F @ Y)


@checked
def update(
    Y: Float[Array, "points dimensions"],
    v: Float[Array, "points dimensions"],
    gains: Float[Array, "points dimensions"],
    gradient: Float[Array, "points dimensions"],
    *,
    learning_rate: float,
    mu: float,
) -> tuple[
    Float[Array, "points dimensions"],
    Float[Array, "points dimensions"],
    Float[Array, "points dimensions"],
]:
    r"""Take one step of gradient descent with momentum and gains.

    The velocity :math:`v` keeps the share :math:`\mu` of the one before.  Each
    coordinate has a gain :math:`\gamma`, by which its gradient :math:`g` is multiplied.
    The gain grows while the coordinate goes on in one direction and shrinks when it
    turns (Jacobs, 1988); with the learning rate :math:`\eta`

    .. math::
       :label: eq-tsne-update

       \gamma_t &= \begin{cases} \gamma_{t-1} + 0.2 & v_{t-1}\, g_t > 0, \\
       \max(0.8\, \gamma_{t-1},\; 0.01) & \text{else}, \end{cases} \\
       v_t &= \mu\, v_{t-1} + \gamma_t\, g_t, \\
       y_t &= y_{t-1} - \eta\, v_t

    Parameters
    ----------
    Y
        The map.
    v
        The velocity of each coordinate; zeros at the start.
    gains
        The gain :math:`\gamma` of each coordinate; ones at the start.
    gradient
        The gradient of the loss at ``Y``.
    learning_rate
        The learning rate :math:`\eta`, positive.
    mu
        The share :math:`\mu` of the velocity that is kept, from 0 to 1.

    Returns
    -------
    Y
        The map after the step.
    v
        The velocity after the step.
    gains
        The gains after the step.

    Raises
    ------
    ValueError
        If the learning rate or the momentum is out of its range.

    Examples
    --------
    Two coordinates with the velocity 1.  The gradient of the first agrees with it, and
    that of the second has turned:

    >>> import numpy as np
    >>> from dlnotes.networks.tsne import update
    >>> Y, one = np.zeros((1, 2)), np.ones((1, 2))
    >>> g = np.array([[1.0, -1.0]])
    >>> update(Y, v=one, gains=one, gradient=g, learning_rate=1.0, mu=0.5)
    (array([[-1.7,  0.3]]), array([[ 1.7, -0.3]]), array([[1.2, 0.8]]))
    """
    positive(learning_rate=learning_rate)
    in_range(0, 1, mu=mu)
    xp = array_namespace(Y)
    less = xp.clip(0.8 * gains, min=0.01)
    gains = xp.where(v * gradient > 0, gains + 0.2, less)
    v = mu * v + gains * gradient
    return Y - learning_rate * v, v, gains


@checked
def initial_map(
    X: Float[Array, "points features"], *, dimensions: int = 2
) -> Float[Array, "points dimensions"]:
    """Project the points on their first principal components, and shrink the result.

    Parameters
    ----------
    X
        One point a row.
    dimensions
        How many components, at most as many as there are features or points.

    Returns
    -------
    Y
        A map in which the first coordinate has the standard deviation 0.0001, so that
        all pairs begin with nearly the same probability.

    Raises
    ------
    ValueError
        If there is only one point, there are not as many components, a number is not
        finite, or all points are the same.

    Examples
    --------
    Points that vary most along the diagonal, and less across it:

    >>> import numpy as np
    >>> from dlnotes.networks.tsne import initial_map
    >>> X = np.array([[5.0, 5.0], [-5.0, -5.0], [1.0, -1.0], [-1.0, 1.0]])
    >>> abs(initial_map(X)).round(7).tolist()
    [[0.0001414, 0.0], [0.0001414, 0.0], [0.0, 2.83e-05], [0.0, 2.83e-05]]
    """
    _check_points(X=X)
    integer(1, dimensions=dimensions)
    if dimensions > min(X.shape):
        raise ValueError(
            f"dimensions must be at most the number of points and of features, "
            f"{min(X.shape)}, got {dimensions}"
        )
    xp = array_namespace(X)
    centered = X - xp.mean(X, axis=0)
    U, s, _ = xp.linalg.svd(centered, full_matrices=False)
    Z = U[:, :dimensions] * s[:dimensions]
    spread = xp.std(Z[:, 0])
    if anywhere(xp.all(X[0] == X) | (spread == 0)):
        raise ValueError("X must have points that differ, but all are the same")
    return 1e-4 * Z / spread


@checked
def descend(
    P: Float[Array, "points points"],
    Y: Float[Array, "points dimensions"],
    *,
    steps: int = 1000,
    exaggeration: float = 4.0,
    learning_rate: float | None = None,
) -> Iterator[Any]:
    """Move a map against the gradient of its divergence, and yield it after each step.

    In the first quarter of the steps the probabilities of the data are multiplied by
    the exaggeration and the momentum is 0.5.  Then velocity and gains begin anew, with
    the probabilities as they are and the momentum 0.8.

    Parameters
    ----------
    P
        The probabilities :math:`p_{ij}` of the data, as from
        :func:`joint_probabilities`.
    Y
        The map to begin with, such as :func:`initial_map`.
    steps
        How many steps to take.
    exaggeration
        By how much neighbors attract each other more in the first quarter, at least 1.
    learning_rate
        The learning rate; if not given, the number of points divided by four times the
        exaggeration, and at least 50.

    Yields
    ------
    Y
        The map.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    Four points, of which each has one neighbor.  As the pairs close up and move apart,
    the divergence goes to zero:

    >>> import numpy as np
    >>> from dlnotes.networks.tsne import descend, kl_divergence
    >>> P = np.kron(np.eye(2), [[0.0, 0.25], [0.25, 0.0]])
    >>> start = np.array([[0.0, 0.1], [1.0, 0.0], [0.2, 1.0], [1.0, 1.1]])
    >>> maps = list(descend(P, start, steps=80, exaggeration=1.0, learning_rate=1.0))
    >>> [round(float(kl_divergence(P, Y)), 2) for Y in (start, maps[9], maps[-1])]
    [0.94, 0.08, 0.01]
    """
    integer(1, steps=steps)
    at_least(1, exaggeration=exaggeration)
    positive(exaggeration=exaggeration)  # and finite
    if learning_rate is None:
        learning_rate = max(Y.shape[0] / exaggeration / 4, 50.0)
    xp = array_namespace(Y)
    early = steps // 4
    for factor, mu, count in (exaggeration, 0.5, early), (1.0, 0.8, steps - early):
        v, gains, rate = xp.zeros_like(Y), xp.ones_like(Y), learning_rate
        for _ in range(count):
            gradient = kl_gradient(factor * P, Y)
            Y, v, gains = update(Y, v, gains, gradient, learning_rate=rate, mu=mu)
            yield Y


@checked
def tsne(
    X: Float[Array, "points features"],
    start: Float[Array, "points dimensions"] | None = None,
    *,
    perplexity: float = 30.0,
    steps: int = 1000,
    exaggeration: float = 4.0,
    learning_rate: float | None = None,
) -> Float[Array, "points dimensions"]:
    """Draw a map of points in which neighbors stay neighbors.

    Parameters
    ----------
    X
        One point a row.
    start
        The map to begin with; if not given, :func:`initial_map` of ``X``.
    perplexity
        The effective number of neighbors of each point.
    steps, exaggeration, learning_rate
        As in :func:`descend`.

    Returns
    -------
    Y
        The map.

    Raises
    ------
    ValueError
        If the points are not fit for a map, as in :func:`bandwidths` and
        :func:`initial_map`, or a setting is out of its range.

    Examples
    --------
    Two groups of ten in five dimensions.  In the map too, the nearest neighbor of each
    point is of its own group:

    >>> import numpy as np
    >>> from dlnotes.networks.tsne import tsne
    >>> X = np.random.default_rng(0).normal(size=(20, 5))
    >>> X[10:] += 4
    >>> Y = tsne(X, perplexity=5.0, steps=400)
    >>> D = ((Y[:, None] - Y) ** 2).sum(axis=-1) + 1e9 * np.eye(20)
    >>> bool(((D.argmin(axis=1) < 10) == (np.arange(20) < 10)).all())
    True
    """
    P = joint_probabilities(X, bandwidths(X, perplexity=perplexity))
    maps = descend(
        P,
        initial_map(X) if start is None else start,
        steps=steps,
        exaggeration=exaggeration,
        learning_rate=learning_rate,
    )
    return deque(maps, maxlen=1)[0]


@checked
def trustworthiness(
    X: Float[Array, "points features"],
    Y: Float[Array, "points dimensions"],
    *,
    neighbors: int = 5,
) -> Float[Array, ""]:
    r"""Measure how far neighbors in the map are neighbors in the data.

    Let :math:`U_i` be the :math:`k` points nearest to :math:`i` in the map, and
    :math:`r(i, j)` the rank of :math:`j` by its distance from :math:`i` in the data,
    1 for the nearest.  Of :math:`n` points, those in :math:`U_i` that rank behind
    :math:`k` count by how far behind they are (Venna and Kaski, 2001):

    .. math::
       :label: eq-trustworthiness

       T(k) = 1 - \frac{2}{n k (2n - 3k - 1)}
       \sum_i \sum_{j \in U_i} \max(0,\; r(i, j) - k)

    Parameters
    ----------
    X
        The data, one point a row.
    Y
        The map.
    neighbors
        The number :math:`k` of neighbors, less than half the number of points.

    Returns
    -------
    T
        The trustworthiness, from 0 to 1, which it is if all neighbors in the map are
        neighbors in the data.

    Raises
    ------
    ValueError
        If there is only one point, a number is not finite, or the number of neighbors
        is out of its range.

    Examples
    --------
    On a line a map that keeps the order is perfect, and one that shuffles it is not:

    >>> import numpy as np
    >>> from dlnotes.networks.tsne import trustworthiness
    >>> X = np.arange(50.0)[:, None]
    >>> shuffled = np.random.default_rng(0).permutation(X)
    >>> [round(float(trustworthiness(X, Y)), 1) for Y in (X**3, shuffled)]
    [1.0, 0.6]
    """
    _check_points(X=X, Y=Y)
    n, k = X.shape[0], neighbors
    integer(1, neighbors=neighbors)
    if 2 * k >= n:
        raise ValueError(f"neighbors must be less than half of {n} points, got {k}")
    xp = array_namespace(X)
    rank, place = _ranks(X), _ranks(Y)
    behind = xp.where(place <= k, xp.clip(rank - k, min=0), 0)
    total = xp.astype(xp.sum(behind), X.dtype)
    return 1 - 2 * total / (n * k * (2 * n - 3 * k - 1))


def _squared_distances(X: Array) -> Array:
    """Add up the squared differences of each two points, feature by feature."""
    return reduce(add, ((x[:, None] - x) ** 2 for x in X.T))


def _softmax_over_others(D: Array, sigma: Array) -> Array:
    """Compute the probabilities of neighbors from squared distances."""
    others = _diagonal(D, float("inf"))
    nearest = array_namespace(D).min(others, axis=1, keepdims=True)
    exponents = (nearest - D) / sigma[:, None] / sigma[:, None] / 2
    return softmax(_diagonal(exponents, -float("inf")))


def _student_kernel(Y: Array) -> Array:
    """Compute the kernel of each two points of a map, zero for a point with itself."""
    _check_several(Y=Y)
    return _diagonal(1 / (1 + _squared_distances(Y)), 0.0)


def _diagonal(values: Array, fill: float) -> Array:
    """Replace what is of a point with itself."""
    xp = array_namespace(values)
    n = xp.arange(values.shape[0], device=device_of(values))
    return xp.where(n[:, None] == n, fill, values)


def _entropy(P: Array) -> Array:
    """Compute the entropy of each row, in nats."""
    return -array_namespace(P).sum(P * _log(P), axis=1)


def _log(P: Array) -> Array:
    """Compute the logarithm of what is positive, and zero for zero."""
    xp = array_namespace(P)
    return xp.log(xp.where(P > 0, P, 1.0))


def _ranks(X: Array) -> Array:
    """Rank the points by their distance from each, 0 for itself."""
    xp = array_namespace(X)
    order = xp.argsort(_diagonal(_squared_distances(X), -1.0), axis=1)
    return xp.argsort(order, axis=1)


def _check_several(**points: Array) -> None:
    """Refuse a single point, and points without a feature."""
    for name, X in points.items():
        if X.shape[0] < 2 or not X.shape[1]:
            raise ValueError(
                f"{name} must have 2 points or more, and a feature, "
                f"got shape {tuple(X.shape)}"
            )


def _check_points(**points: Array) -> None:
    """Refuse a single point, and numbers that are no place."""
    _check_several(**points)
    for name, X in points.items():
        xp = array_namespace(X)
        if xp.finfo(X.dtype).bits < 32:
            raise ValueError(
                f"{name} must be in single or double precision, got {X.dtype}"
            )
        if anywhere(~xp.isfinite(X)):
            raise ValueError(f"{name} must be finite, got NaN or infinity")


def _check_reached(reached: Array, perplexity: float) -> None:
    """Refuse points of which one has too many neighbors at the same distance."""
    if anywhere(array_namespace(reached).isnan(reached)):
        raise ValueError(
            f"X must have distances whose squares, and 1e-12 of which, {reached.dtype} "
            f"can hold"
        )
    missed = abs(reached - perplexity) > 1e-3 * perplexity
    if anywhere(missed):
        raise ValueError(
            f"X must not have {float(reached[missed][0]):.0f} points equally near to "
            f"another one, or perplexity must be more than that, got {perplexity}"
        )
