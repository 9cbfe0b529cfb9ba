r"""Losses for regression.

What a prediction should be depends on the loss that it is to make small.  For the
squared error the best single number is the mean of the targets, for the absolute error
it is their median, which an outlier hardly moves.  The Huber loss (Huber, 1964) is a
compromise: squared near zero, absolute far out.

References
----------
* P. J. Huber (1964). Robust estimation of a location parameter. *Annals of Mathematical
  Statistics* 35(1). https://doi.org/10.1214/aoms/1177703732
* R. Koenker and G. Bassett (1978). Regression quantiles. *Econometrica* 46(1).
  https://doi.org/10.2307/1913643
"""

from jaxtyping import Float, Num, Real

from dlnotes.arrays import Array, array_namespace, checked
from dlnotes.checks import positive


@checked
def absolute_error(
    y_hat: Num[Array, "*shape"], y: Num[Array, "*shape"]
) -> Real[Array, "*shape"]:
    r"""Compute the absolute error of each prediction.

    For a prediction :math:`\hat y` and its target :math:`y` it is

    .. math::
       :label: eq-absolute-error

       L(\hat y, y) = |\hat y - y|

    Parameters
    ----------
    y_hat
        The predictions.  Whole numbers are subtracted in their own type, where an
        unsigned one cannot go below zero and wraps round.
    y
        The targets.

    Returns
    -------
    L
        The loss of each prediction; the mean absolute error is their mean.

    Examples
    --------
    One error of three counts as much as three errors of one:

    >>> import numpy as np
    >>> from dlnotes.networks.regression_losses import absolute_error
    >>> absolute_error(np.array([5.0, 1.0]), np.array([2.0, 2.0]))
    array([3., 1.])
    """
    return abs(y_hat - y)


@checked
def absolute_error_gradient(
    y_hat: Float[Array, "*shape"], y: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    r"""Compute the derivative of each absolute error with respect to its prediction.

    It is the sign of the error, and where the prediction is exact, at the kink, zero is
    taken:

    .. math::
       :label: eq-absolute-error-gradient

       \frac{\partial L}{\partial \hat y} = \operatorname{sign}(\hat y - y)

    Parameters
    ----------
    y_hat
        The predictions.
    y
        The targets.

    Returns
    -------
    gradient
        The derivative of each loss, which is the gradient of the sum of all losses.
        Divide by the number of predictions for the gradient of their mean.

    Examples
    --------
    An error of a thousand pulls no more than an error of one:

    >>> import numpy as np
    >>> from dlnotes.networks.regression_losses import absolute_error_gradient
    >>> absolute_error_gradient(np.array([1002.0, 1.0, 2.0]), np.array([2.0, 2.0, 2.0]))
    array([ 1., -1.,  0.])
    """
    return array_namespace(y_hat).sign(y_hat - y)


@checked
def huber(
    y_hat: Float[Array, "*shape"], y: Float[Array, "*shape"], *, delta: float = 1.0
) -> Float[Array, "*shape"]:
    r"""Compute the Huber loss of each prediction.

    Up to an error of :math:`\delta` it is half the squared error, and beyond it goes on
    along a line:

    .. math::
       :label: eq-huber

       L(\hat y, y) = \begin{cases}
       \tfrac12 (\hat y - y)^2 & |\hat y - y| \le \delta, \\
       \delta\,\bigl(|\hat y - y| - \tfrac12 \delta\bigr) & |\hat y - y| > \delta
       \end{cases}

    The code computes the first line for the error up to :math:`\delta`, and adds
    :math:`\delta` for every unit of what is beyond.

    Parameters
    ----------
    y_hat
        The predictions.
    y
        The targets.
    delta
        The error :math:`\delta` at which the parabola ends and the line begins.

    Returns
    -------
    L
        The loss of each prediction.

    Raises
    ------
    ValueError
        If ``delta`` is not positive and finite.

    Examples
    --------
    Up to an error of 2 it is a parabola, and then every further unit costs 2:

    >>> import numpy as np
    >>> from dlnotes.networks.regression_losses import huber
    >>> huber(np.array([1.0, 2.0, 3.0, 4.0]), np.zeros(4), delta=2.0)
    array([0.5, 2. , 4. , 6. ])
    """
    positive(delta=delta)
    error, delta = y_hat - y, _representable(delta, y_hat)
    size = abs(error)
    near = array_namespace(y_hat).where(size > delta, delta, error)
    return near * (near / 2) + delta * (size - abs(near))


@checked
def huber_gradient(
    y_hat: Float[Array, "*shape"], y: Float[Array, "*shape"], *, delta: float = 1.0
) -> Float[Array, "*shape"]:
    r"""Compute the derivative of each Huber loss with respect to its prediction.

    It is the error, cut off at :math:`\pm\delta`:

    .. math::
       :label: eq-huber-gradient

       \frac{\partial L}{\partial \hat y}
       = \max(-\delta, \min(\delta, \hat y - y))

    Parameters
    ----------
    y_hat
        The predictions.
    y
        The targets.
    delta
        The error :math:`\delta` at which the parabola ends and the line begins.

    Returns
    -------
    gradient
        The derivative of each loss, which is the gradient of the sum of all losses.
        Divide by the number of predictions for the gradient of their mean.

    Raises
    ------
    ValueError
        If ``delta`` is not positive and finite.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.networks.regression_losses import huber_gradient
    >>> huber_gradient(np.array([0.5, -2.0, 1000.0]), np.zeros(3))
    array([ 0.5, -1. ,  1. ])
    """
    positive(delta=delta)
    delta = _representable(delta, y_hat)
    return array_namespace(y_hat).clip(y_hat - y, -delta, delta)


def _representable(delta: float, like: Array) -> float:
    """Return the error at which the line begins, not above the largest number."""
    if isinstance(delta, float | int):
        return min(delta, float(array_namespace(like).finfo(like.dtype).max))
    return delta
