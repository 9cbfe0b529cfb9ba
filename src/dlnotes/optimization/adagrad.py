r"""Adagrad.

Adagrad (Duchi, Hazan and Singer, 2011; McMahan and Streeter, 2010) adds up the squares
of each parameter's gradients and divides its learning rate by the root of the sum.  A
parameter whose gradients were large or frequent is moved less by the next one, and one
whose gradients are rare keeps a large rate until they come.  It was made for convex
problems with sparse features, such as the words of a text, and it is the first of the
methods that give each parameter a learning rate of its own.

References
----------
* H. B. McMahan and M. Streeter (2010). Adaptive bound optimization for online convex
  optimization. *Conference on Learning Theory*. https://arxiv.org/abs/1002.4908
* J. Duchi, E. Hazan and Y. Singer (2011). Adaptive subgradient methods for online
  learning and stochastic optimization. *Journal of Machine Learning Research* 12.
  https://jmlr.org/papers/v12/duchi11a.html
* A. Défossez, L. Bottou, F. Bach and N. Usunier (2022). A simple convergence proof of
  Adam and Adagrad. *Transactions on Machine Learning Research*.
  https://arxiv.org/abs/2003.02395
"""

from dataclasses import dataclass
from typing import Generic

from jaxtyping import Float

from dlnotes.arrays import Array, ArrayTree, array_namespace, checked
from dlnotes.checks import at_least


@dataclass(frozen=True, eq=False)
class State(ArrayTree, Generic[Array]):
    """The sum of the squared gradients of each parameter."""

    total: Float[Array, "*shape"]


@checked
def init(theta: Float[Array, "*shape"], *, initial: float = 0.0) -> State[Array]:
    """Return the state before the first step.

    Parameters
    ----------
    theta
        The parameters that will be updated.
    initial
        What every sum begins with, at least 0; more makes the first steps shorter.

    Returns
    -------
    state
        The sums, all equal.

    Raises
    ------
    ValueError
        If the sums would begin below zero.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.adagrad import init
    >>> init(np.array([3.0, 4.0]), initial=0.1).total
    array([0.1, 0.1])
    """
    at_least(0, initial=initial)
    return State(array_namespace(theta).full_like(theta, initial))


@checked
def update(
    theta: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    state: State[Array],
    *,
    learning_rate: float = 0.01,
    epsilon: float = 1e-10,
) -> tuple[Float[Array, "*shape"], State[Array]]:
    r"""Take one step of Adagrad.

    The square of the gradient :math:`g_t` is added to the sum :math:`G_t`, entry by
    entry, and the step is divided by the root of the new sum:

    .. math::
       :label: eq-adagrad

       G_t &= G_{t-1} + g_t^2 \\
       \theta_t &= \theta_{t-1} - \eta\, \frac{g_t}{\sqrt{G_t} + \epsilon}

    Parameters
    ----------
    theta
        The parameters :math:`\theta_{t-1}`.
    gradient
        The gradient :math:`g_t` of the loss at ``theta``.
    state
        The sum :math:`G_{t-1}` after the step before.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    epsilon
        The number :math:`\epsilon` that keeps the division finite, at least 0.

    Returns
    -------
    theta
        The parameters :math:`\theta_t`.
    state
        The sum :math:`G_t`.

    Raises
    ------
    ValueError
        If the rate or the epsilon is negative.

    Examples
    --------
    From a sum of zero the first step is one learning rate long in every parameter that
    has a gradient.  With the same gradient again, the second is shorter by the root of
    2:

    >>> import numpy as np
    >>> from dlnotes.optimization.adagrad import init, update
    >>> theta, gradient = np.zeros(3), np.array([100.0, -0.01, 0.0])
    >>> theta, state = update(theta, gradient, init(theta), learning_rate=1.0)
    >>> theta.round(3)
    array([-1.,  1.,  0.])
    >>> update(theta, gradient, state, learning_rate=1.0)[0].round(3)
    array([-1.707,  1.707,  0.   ])
    """
    total = state.total + gradient * gradient
    rate = effective_rate(total, learning_rate=learning_rate, epsilon=epsilon)
    return theta - rate * gradient, State(total)


@checked
def effective_rate(
    total: Float[Array, "*shape"],
    *,
    learning_rate: float = 0.01,
    epsilon: float = 1e-10,
) -> Float[Array, "*shape"]:
    r"""Return what multiplies the gradient of each parameter.

    With the sum :math:`G_t` of the squared gradients, the learning rate :math:`\eta`
    and a small :math:`\epsilon` it is

    .. math::
       :label: eq-adagrad-rate

       \eta_t = \frac{\eta}{\sqrt{G_t} + \epsilon}

    Where all gradients have the same size :math:`\lvert g \rvert > 0` and the sum
    began at zero, it decays like :math:`1 / \sqrt{t}`, for
    :math:`\epsilon = 0` exactly:

    .. math::
       :label: eq-adagrad-decay

       \eta_t = \frac{\eta}{\lvert g \rvert \sqrt{t}}

    Parameters
    ----------
    total
        The sum :math:`G_t`.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    epsilon
        The number :math:`\epsilon` that keeps the division finite where every gradient
        so far was zero; at least 0.

    Returns
    -------
    rate
        The effective learning rate of each parameter.

    Raises
    ------
    ValueError
        If the rate or the epsilon is negative.

    Examples
    --------
    After the gradients 3 and 4 the root of the sum is 5, and after a hundred gradients
    of 5 it is 50:

    >>> import numpy as np
    >>> from dlnotes.optimization.adagrad import effective_rate
    >>> total = np.array([3.0**2 + 4.0**2, 100 * 5.0**2])
    >>> effective_rate(total, learning_rate=1.0).round(6)
    array([0.2 , 0.02])
    """
    at_least(0, learning_rate=learning_rate, epsilon=epsilon)
    return learning_rate / (array_namespace(total).sqrt(total) + epsilon)
