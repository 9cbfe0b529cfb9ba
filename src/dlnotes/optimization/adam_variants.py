r"""AdaMax, Nadam and AdamW.

Each changes one part of Adam.  AdaMax (Kingma and Ba, 2015, section 7.1) divides by the
largest gradient of late in place of a root mean square.  Nadam (Dozat, 2016) looks
ahead as Nesterov momentum does.  AdamW (Loshchilov and Hutter, 2019) leaves both means
alone and keeps weight decay out of them.

References
----------
* D. P. Kingma and J. Ba (2015). Adam: a method for stochastic optimization.
  *International Conference on Learning Representations*.
  https://arxiv.org/abs/1412.6980
* T. Dozat (2016). Incorporating Nesterov momentum into Adam. *International Conference
  on Learning Representations, Workshop Track*.
  https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ
* I. Loshchilov and F. Hutter (2019). Decoupled weight decay regularization.
  *International Conference on Learning Representations*.
  https://arxiv.org/abs/1711.05101
* L. Liu, H. Jiang, P. He, W. Chen, X. Liu, J. Gao and J. Han (2020). On the variance of
  the adaptive learning rate and beyond. *International Conference on Learning
  Representations*. https://arxiv.org/abs/1908.03265
* P. Foret, A. Kleiner, H. Mobahi and B. Neyshabur (2021). Sharpness-aware minimization
  for efficiently improving generalization. *International Conference on Learning
  Representations*. https://arxiv.org/abs/2010.01412
* X. Chen et al. (2023). Symbolic discovery of optimization algorithms. *Advances in
  Neural Information Processing Systems* 36. https://arxiv.org/abs/2302.06675
* K. Jordan et al. (2024). Muon: an optimizer for hidden layers in neural networks.
  https://kellerjordan.github.io/posts/muon/
* S. Xie and Z. Li (2024). Implicit bias of AdamW: infinity norm constrained
  optimization. *International Conference on Machine Learning*.
  https://arxiv.org/abs/2404.04454
"""

from dataclasses import dataclass
from typing import Generic

from jaxtyping import Float

from dlnotes.arrays import Array, ArrayTree, array_namespace, checked
from dlnotes.checks import at_least, in_range
from dlnotes.optimization import adam
from dlnotes.optimization.adam import bias_correction
from dlnotes.optimization.rmsprop import running_mean, running_mean_square


@dataclass(frozen=True, eq=False)
class AdamaxState(ArrayTree, Generic[Array]):
    """The running mean ``m``, the decaying maximum ``u`` and the number of steps."""

    m: Float[Array, "*shape"]
    u: Float[Array, "*shape"]
    t: int


@checked
def adamax_init(theta: Float[Array, "*shape"]) -> AdamaxState[Array]:
    """Return the state before the first step of AdaMax.

    Parameters
    ----------
    theta
        The parameters that will be updated.

    Returns
    -------
    state
        Mean and maximum zero, no step taken.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.adam_variants import adamax_init
    >>> adamax_init(np.array([3.0, 4.0]))
    AdamaxState(m=array([0., 0.]), u=array([0., 0.]), t=0)
    """
    zeros = array_namespace(theta).zeros_like
    return AdamaxState(m=zeros(theta), u=zeros(theta), t=0)


@checked
def adamax_update(
    theta: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    state: AdamaxState[Array],
    *,
    learning_rate: float = 0.002,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[Float[Array, "*shape"], AdamaxState[Array]]:
    r"""Take one step of AdaMax.

    The corrected mean :math:`m_t` of the gradient is divided by :math:`u_t`, the
    largest size that a gradient :math:`g_s` has had, each multiplied by
    :math:`\beta_2` for every step since.  A small :math:`\epsilon` keeps the quotient
    finite, and the learning rate is :math:`\eta`:

    .. math::
       :label: eq-adamax

       u_t &= \max(\beta_2\, u_{t-1},\; \lvert g_t \rvert + \epsilon) \\
       \theta_t &= \theta_{t-1} - \frac{\eta}{1 - \beta_1^t}\, \frac{m_t}{u_t}

    Parameters
    ----------
    theta
        The parameters :math:`\theta_{t-1}`.
    gradient
        The gradient :math:`g_t` of the loss at ``theta``.
    state
        Mean and maximum after the step before.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    beta1, beta2
        The decay of the mean and of the maximum, at least 0 and less than 1.
    epsilon
        The number :math:`\epsilon` that keeps the division finite where every gradient
        so far was zero; at least 0.

    Returns
    -------
    theta
        The parameters :math:`\theta_t`.
    state
        Mean and maximum after this step.

    Raises
    ------
    ValueError
        If a rate, a decay or an epsilon is out of its range.

    Examples
    --------
    Gradients of 4 and 2 have the corrected mean 0.56 / 0.19, and the maximum is nearly
    4 still, so the second step is 0.74 learning rates long:

    >>> import numpy as np
    >>> from dlnotes.optimization.adam_variants import adamax_init, adamax_update
    >>> theta = np.zeros(1)
    >>> state = adamax_init(theta)
    >>> for g in (4.0, 2.0):
    ...     theta, state = adamax_update(theta, np.array([g]), state, learning_rate=1.0)
    ...     print(theta.round(2), state.u.round(3))
    [-1.] [4.]
    [-1.74] [3.996]
    """
    at_least(0, learning_rate=learning_rate, epsilon=epsilon)
    in_range(0, 1, half_open=True, beta1=beta1, beta2=beta2)
    xp = array_namespace(theta)
    t = state.t + 1
    m = running_mean(state.m, gradient, decay=beta1)
    u = xp.maximum(beta2 * state.u, xp.abs(gradient) + epsilon)
    rate = learning_rate / bias_correction(beta1, t)
    return theta - rate * (m / u), AdamaxState(m, u, t)


def nadam_momentum(
    t: int, *, beta1: float = 0.9, momentum_decay: float = 0.004
) -> float:
    r"""Return the momentum coefficient of a step of Nadam.

    It rises from about half of :math:`\beta_1` towards :math:`\beta_1`, the faster the
    larger the momentum decay :math:`\psi`:

    .. math::
       :label: eq-nadam-momentum

       \mu_t = \beta_1\, (1 - 0.5 \cdot 0.96^{\psi t})

    Parameters
    ----------
    t
        The number of the step, at least 1.
    beta1
        The coefficient :math:`\beta_1` in the long run, at least 0 and less than 1.
    momentum_decay
        The momentum decay :math:`\psi`, at least 0.  An infinite one makes the
        coefficient constant.

    Returns
    -------
    mu
        The coefficient :math:`\mu_t`.

    Raises
    ------
    ValueError
        If the decay or the number of the step is out of its range.

    Examples
    --------
    Half of 0.9 at the first step, and most of it after ten thousand:

    >>> import math
    >>> from dlnotes.optimization.adam_variants import nadam_momentum
    >>> [round(nadam_momentum(t), 3) for t in (1, 1000, 10_000)]
    [0.45, 0.518, 0.812]
    >>> nadam_momentum(1, momentum_decay=math.inf)
    0.9
    """
    at_least(1, t=t)
    at_least(0, momentum_decay=momentum_decay)
    in_range(0, 1, half_open=True, beta1=beta1)
    return beta1 * (1 - 0.5 * 0.96 ** (momentum_decay * t))


@dataclass(frozen=True, eq=False)
class NadamState(ArrayTree, Generic[Array]):
    """Both running means, the number of steps, and the product of all ``mu`` so far."""

    m: Float[Array, "*shape"]
    v: Float[Array, "*shape"]
    t: int
    product: float


@checked
def nadam_init(theta: Float[Array, "*shape"]) -> NadamState[Array]:
    """Return the state before the first step of Nadam.

    Parameters
    ----------
    theta
        The parameters that will be updated.

    Returns
    -------
    state
        Both means zero, no step taken; a product of no factors is 1.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.optimization.adam_variants import nadam_init
    >>> nadam_init(np.array([3.0]))
    NadamState(m=array([0.]), v=array([0.]), t=0, product=1.0)
    """
    zeros = array_namespace(theta).zeros_like
    return NadamState(m=zeros(theta), v=zeros(theta), t=0, product=1.0)


@checked
def nadam_update(  # noqa: PLR0913  # the settings of PyTorch's class
    theta: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    state: NadamState[Array],
    *,
    learning_rate: float = 0.002,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    momentum_decay: float = 0.004,
) -> tuple[Float[Array, "*shape"], NadamState[Array]]:
    r"""Take one step of Nadam.

    The means :math:`m_t` and :math:`v_t` are Adam's.  The step goes along
    :math:`\bar m_t`: the mean, carried ahead with the coefficient of the next step, and
    the gradient :math:`g_t`, each with the correction of its own step, where
    :math:`P_t = \mu_1 \mu_2 \cdots \mu_t`:

    .. math::
       :label: eq-nadam

       \bar m_t &= \frac{\mu_{t+1}\, m_t}{1 - P_{t+1}}
       + \frac{(1 - \mu_t)\, g_t}{1 - P_t} \\
       \theta_t &= \theta_{t-1} - \eta\, \bar m_t / (\sqrt{\hat v_t} + \epsilon)

    Parameters
    ----------
    theta
        The parameters :math:`\theta_{t-1}`.
    gradient
        The gradient :math:`g_t` of the loss at ``theta``.
    state
        What was kept after the step before.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    beta1, beta2
        The decay of each mean, at least 0 and less than 1.
    epsilon
        The number :math:`\epsilon` that keeps the division finite where every gradient
        so far was zero; at least 0.
    momentum_decay
        The momentum decay :math:`\psi` of :func:`nadam_momentum`, at least 0.

    Returns
    -------
    theta
        The parameters :math:`\theta_t`.
    state
        What is kept after this step.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    With a constant coefficient of 0.9 the first step is longer than a learning rate:
    the gradient counts as 1, and the mean, a tenth of it, as 0.9 / 0.19 of itself:

    >>> import math
    >>> import numpy as np
    >>> from dlnotes.optimization.adam_variants import nadam_init, nadam_update
    >>> theta, gradient = np.zeros(2), np.array([100.0, -0.1])
    >>> state, constant = nadam_init(theta), {"momentum_decay": math.inf}
    >>> nadam_update(theta, gradient, state, learning_rate=1.0, **constant)[0].round(3)
    array([-1.474,  1.474])
    """
    at_least(0, learning_rate=learning_rate, epsilon=epsilon)
    xp = array_namespace(theta)
    t = state.t + 1
    mu, following = (
        nadam_momentum(step, beta1=beta1, momentum_decay=momentum_decay)
        for step in (t, t + 1)
    )
    product = state.product * mu
    m = running_mean(state.m, gradient, decay=beta1)
    v = running_mean_square(state.v, gradient, decay=beta2)
    ahead = following / (1 - product * following) * m
    ahead = ahead + (1 - mu) / (1 - product) * gradient
    root = xp.sqrt(v) / bias_correction(beta2, t) ** 0.5  # that of v_hat
    new = NadamState(m, v, t, product)
    return theta - learning_rate * (ahead / (root + epsilon)), new


@checked
def adamw_update(  # noqa: PLR0913  # the settings of PyTorch's class
    theta: Float[Array, "*shape"],
    gradient: Float[Array, "*shape"],
    state: adam.State[Array],
    *,
    learning_rate: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> tuple[Float[Array, "*shape"], adam.State[Array]]:
    r"""Take one step of AdamW.

    The parameters shrink by a factor, the same for all, and then take the step of Adam
    for the gradient of the loss alone, with the weight decay :math:`\lambda`:

    .. math::
       :label: eq-adamw

       \theta_t = (1 - \eta\lambda)\, \theta_{t-1}
       - \eta\, \hat m_t / (\sqrt{\hat v_t} + \epsilon)

    Parameters
    ----------
    theta
        The parameters :math:`\theta_{t-1}`.
    gradient
        The gradient of the loss at ``theta``, without a penalty.
    state
        The state after the step before, from :func:`dlnotes.optimization.adam.init`.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    beta1, beta2
        The decay of each mean, at least 0 and less than 1.
    epsilon
        The number :math:`\epsilon` that keeps the division finite, at least 0.
    weight_decay
        The weight decay :math:`\lambda`, at least 0.

    Returns
    -------
    theta
        The parameters :math:`\theta_t`.
    state
        The means after this step.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    Where the loss is flat, all parameters lose the same share, here a hundredth:

    >>> import numpy as np
    >>> from dlnotes.optimization.adam import init
    >>> from dlnotes.optimization.adam_variants import adamw_update
    >>> theta = np.array([5.0, -200.0])
    >>> flat, settings = np.zeros(2), {"learning_rate": 0.1, "weight_decay": 0.1}
    >>> adamw_update(theta, flat, init(theta), **settings)[0]
    array([   4.95, -198.  ])
    """
    at_least(0, learning_rate=learning_rate, weight_decay=weight_decay)
    return adam.update(
        (1 - learning_rate * weight_decay) * theta,
        gradient,
        state,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
    )
