r"""Second-order methods.

The gradient says in which direction the loss falls; how far to go, it does not say.
The second derivatives say how the slope changes on the way.  With them the loss near a
point is a quadratic function whose minimum can be computed, and Newton's method steps
there (Newton and Raphson, in the seventeenth century, for roots of equations; Simpson,
1740, for minima).  Where the quadratic has no minimum, it has to be made to have one:
damping does so (Levenberg, 1944; Marquardt, 1963).  Hestenes and Stiefel (1952) solve
the linear system of a step from products with the Hessian alone.

References
----------
* K. Levenberg (1944). A method for the solution of certain non-linear problems in least
  squares. *Quarterly of Applied Mathematics* 2(2). https://doi.org/10.1090/qam/10666
* M. R. Hestenes and E. Stiefel (1952). Methods of conjugate gradients for solving
  linear systems. *Journal of Research of the National Bureau of Standards* 49(6).
  https://doi.org/10.6028/jres.049.044
* D. W. Marquardt (1963). An algorithm for least-squares estimation of nonlinear
  parameters. *Journal of the Society for Industrial and Applied Mathematics* 11(2).
  https://doi.org/10.1137/0111030
* B. A. Pearlmutter (1994). Fast exact multiplication by the Hessian. *Neural
  Computation* 6(1). https://doi.org/10.1162/neco.1994.6.1.147
* J. Nocedal and S. J. Wright (2006). *Numerical Optimization*, second edition.
  Springer. https://doi.org/10.1007/978-0-387-40065-5
* Y. N. Dauphin, R. Pascanu, C. Gulcehre, K. Cho, S. Ganguli and Y. Bengio (2014).
  Identifying and attacking the saddle point problem in high-dimensional non-convex
  optimization. *Advances in Neural Information Processing Systems* 27.
  https://arxiv.org/abs/1406.2572
* J. Martens and R. Grosse (2015). Optimizing neural networks with Kronecker-factored
  approximate curvature. *International Conference on Machine Learning*.
  https://arxiv.org/abs/1503.05671
* V. Gupta, T. Koren and Y. Singer (2018). Shampoo: preconditioned stochastic tensor
  optimization. *International Conference on Machine Learning*.
  https://arxiv.org/abs/1802.09568
"""

from collections.abc import Callable

from jaxtyping import Float

from dlnotes.arrays import Array, array_namespace, checked, device_of
from dlnotes.checks import at_least, finite, integer, positive


@checked
def quadratic_model(
    value: float,
    gradient: Float[Array, "parameters"],
    hessian: Float[Array, "parameters parameters"],
    steps: Float[Array, "steps parameters"],
) -> Float[Array, "steps"]:
    r"""Compute the second-order Taylor model of a loss, for each of several steps.

    Around the parameters :math:`\boldsymbol\theta`, with the gradient :math:`\mathbf g`
    and the Hessian :math:`\mathbf H` of the loss :math:`J` there, a step
    :math:`\mathbf d` leads to

    .. math::
       :label: eq-taylor-second

       J(\boldsymbol\theta + \mathbf d) \approx J(\boldsymbol\theta)
       + \mathbf g^\top \mathbf d
       + \tfrac12\, \mathbf d^\top \mathbf H\, \mathbf d

    The rest is of third order: with half the step it is about an eighth.

    Parameters
    ----------
    value
        The loss :math:`J(\boldsymbol\theta)`.
    gradient
        Its gradient :math:`\mathbf g`.
    hessian
        Its second derivatives, the matrix :math:`\mathbf H`.
    steps
        One step :math:`\mathbf d` a row.

    Returns
    -------
    model
        The model of the loss after each step.

    Examples
    --------
    The function x² y at (1, 2) has the value 2, the gradient (4, 1) and the second
    derivatives 4, 2 and 0.  A step of (1, 1) leads to 2 · 2 · 3 = 12, and the model to
    2 + 5 + 4: the third-order rest is 1.

    >>> import numpy as np
    >>> from dlnotes.optimization.second_order import quadratic_model
    >>> gradient, hessian = np.array([4.0, 1.0]), np.array([[4.0, 2.0], [2.0, 0.0]])
    >>> quadratic_model(2.0, gradient, hessian, np.array([[0.0, 0.0], [1.0, 1.0]]))
    array([ 2., 11.])
    """
    xp = array_namespace(steps)
    return value + steps @ gradient + 0.5 * xp.sum(steps @ hessian * steps, axis=1)


@checked
def newton_step(
    theta: Float[Array, "parameters"],
    gradient: Float[Array, "parameters"],
    hessian: Float[Array, "parameters parameters"],
    *,
    damping: float = 0.0,
) -> Float[Array, "parameters"]:
    r"""Step to the point where the quadratic model is flat.

    The gradient of the model after a step :math:`\mathbf d` is
    :math:`\mathbf g + \mathbf H \mathbf d`, which is zero for
    :math:`\mathbf d = -\mathbf H^{-1} \mathbf g`:

    .. math::
       :label: eq-newton

       \boldsymbol\theta_t
       = \boldsymbol\theta_{t-1} - \mathbf H^{-1} \mathbf g

    Damping by :math:`\lambda` adds as much to every eigenvalue of the Hessian, which
    shortens the step, most in flat directions:

    .. math::
       :label: eq-damped-newton

       \boldsymbol\theta_t = \boldsymbol\theta_{t-1}
       - (\mathbf H + \lambda\, \mathbf I)^{-1}\, \mathbf g

    The code solves the linear system, and forms no inverse.

    Parameters
    ----------
    theta
        The parameters :math:`\boldsymbol\theta_{t-1}`.
    gradient
        The gradient :math:`\mathbf g` of the loss there.
    hessian
        The second derivatives :math:`\mathbf H` there.
    damping
        The number :math:`\lambda`, at least 0.

    Returns
    -------
    theta
        The parameters :math:`\boldsymbol\theta_t`.

    Raises
    ------
    ValueError
        If the damping is negative.
    LinAlgError
        If the damped Hessian is singular; JAX returns what is not finite.

    Examples
    --------
    In the valley with curvatures 1 and 100 a step from anywhere ends at the minimum.
    Damped by 1, it goes half of the way along the flat axis and nearly all of it along
    the steep one:

    >>> import numpy as np
    >>> from dlnotes.optimization.second_order import newton_step
    >>> theta, hessian = np.array([8.0, 1.01]), np.diag([1.0, 100.0])
    >>> newton_step(theta, hessian @ theta, hessian)
    array([0., 0.])
    >>> newton_step(theta, hessian @ theta, hessian, damping=1.0).round(6)
    array([4.  , 0.01])
    """
    at_least(0, damping=damping)
    xp = array_namespace(theta)
    identity = xp.eye(theta.shape[0], dtype=theta.dtype, device=device_of(theta))
    return theta - xp.linalg.solve(hessian + damping * identity, gradient)


@checked
def descent_damping(
    hessian: Float[Array, "parameters parameters"], *, smallest: float
) -> Float[Array, ""]:
    r"""Return the damping after which no curvature is below a limit.

    The eigenvalues of the Hessian are its curvatures, the smallest of them
    :math:`\lambda_{\min}`.  To raise them all to at least :math:`\delta` takes

    .. math::
       :label: eq-descent-damping

       \lambda = \max(0,\; \delta - \lambda_{\min}(\mathbf H))

    With :math:`\delta > 0` the damped matrix is positive definite, and the Newton step
    points downhill.

    Parameters
    ----------
    hessian
        The second derivatives, a symmetric matrix.
    smallest
        The limit :math:`\delta`, positive.

    Returns
    -------
    damping
        The number :math:`\lambda`.

    Raises
    ------
    ValueError
        If the limit is not positive, or a second derivative is not finite.

    Examples
    --------
    A saddle with curvatures 2 and -3 needs 3 and the limit; a bowl needs nothing:

    >>> import numpy as np
    >>> from dlnotes.optimization.second_order import descent_damping
    >>> float(descent_damping(np.diag([2.0, -3.0]), smallest=0.5))
    3.5
    >>> float(descent_damping(np.diag([2.0, 3.0]), smallest=0.5))
    0.0
    """
    positive(smallest=smallest)
    finite(hessian=hessian)
    xp = array_namespace(hessian)
    lacking = smallest - xp.linalg.eigvalsh(hessian)
    return xp.max(xp.where(lacking > 0, lacking, 0 * lacking))


@checked
def conjugate_gradient(
    product: Callable[[Array], Array],
    b: Float[Array, "parameters"],
    *,
    iterations: int,
) -> Float[Array, "parameters"]:
    r"""Solve a linear system, given products with its matrix only.

    The system is :math:`\mathbf H \mathbf x = \mathbf b`, so :math:`\mathbf x` is the
    minimum of the quadratic
    :math:`\tfrac12 \mathbf x^\top \mathbf H \mathbf x - \mathbf b^\top \mathbf x`.
    From :math:`\mathbf x = \mathbf 0`, with the residual
    :math:`\mathbf r = \mathbf p = \mathbf b`, each iteration goes to the lowest point
    along :math:`\mathbf p`, and then turns to a direction that is conjugate to all
    before it, :math:`\mathbf p_i^\top \mathbf H\, \mathbf p_j = 0`:

    .. math::
       :label: eq-conjugate-gradient

       \alpha &= \frac{\mathbf r^\top \mathbf r}{\mathbf p^\top \mathbf H\, \mathbf p},
       \qquad
       \mathbf x \leftarrow \mathbf x + \alpha\, \mathbf p, \qquad
       \mathbf r_{\text{new}} = \mathbf r - \alpha\, \mathbf H\, \mathbf p \\
       \mathbf p &\leftarrow \mathbf r_{\text{new}}
       + \frac{\mathbf r_{\text{new}}^\top \mathbf r_{\text{new}}}
       {\mathbf r^\top \mathbf r}\, \mathbf p

    It ends early where the curvature along :math:`\mathbf p` is not positive: there the
    quadratic has no lowest point, or the system is solved.

    Parameters
    ----------
    product
        The function that returns :math:`\mathbf H \mathbf p` for a vector.
    b
        The right-hand side :math:`\mathbf b`.
    iterations
        How many products at most.  As many as there are parameters solve the system, up
        to rounding, if the matrix is symmetric and positive definite.

    Returns
    -------
    x
        The solution, or how far the iterations came.

    Raises
    ------
    ValueError
        If the number of iterations is none of at least 1.

    Examples
    --------
    Two parameters take two products.  With curvatures 1 and 3 and the right-hand side
    (1, 1) the first goes as far as (1/2, 1/2), and the second to (1, 1/3):

    >>> import numpy as np
    >>> from dlnotes.optimization.second_order import conjugate_gradient
    >>> product = lambda p: np.array([1.0, 3.0]) * p
    >>> b = np.ones(2)
    >>> conjugate_gradient(product, b, iterations=1)
    array([0.5, 0.5])
    >>> conjugate_gradient(product, b, iterations=2).round(4)
    array([1.    , 0.3333])
    """
    integer(1, iterations=iterations)
    xp = array_namespace(b)
    largest = xp.max(xp.abs(b))
    scale = xp.where(largest > 0, largest, xp.ones_like(largest))
    r = p = b / scale  # else the squares of tiny or huge entries are 0 or infinite
    x = xp.zeros_like(b)
    for _ in range(iterations):
        product_p = product(p)
        curvature = p @ product_p
        if not curvature > 0:
            break
        alpha = (r @ r) / curvature
        x, before, r = x + alpha * p, r, r - alpha * product_p
        p = r + (r @ r) / (before @ before) * p
    return scale * x
