r"""Early stopping.

While a network trains, its loss on the training data keeps falling.  Its error on data
that it does not learn from often falls at first and then rises again.  *Early stopping*
watches that error and keeps the weights of the epoch where it was lowest.  Prechelt
(1998) compared rules for when to give up waiting for a lower one.  On a quadratic loss,
stopping does nearly what an L2 penalty does (Bishop, 1995; Goodfellow, Bengio and
Courville, 2016): iterations that solve linear equations (Landweber, 1951) have long
been stopped early where the data are noisy, and Ali, Kolter and Tibshirani (2019) bound
how much worse than the penalty it can be.

References
----------
* L. Landweber (1951). An iteration formula for Fredholm integral equations of the first
  kind. *American Journal of Mathematics* 73(3). https://doi.org/10.2307/2372313
* C. M. Bishop (1995). Regularization and complexity control in feed-forward networks.
  *International Conference on Artificial Neural Networks*.
* L. Prechelt (1998). Early stopping -- but when? *Neural Networks: Tricks of the
  Trade*, Springer. https://doi.org/10.1007/3-540-49430-8_3
* I. Goodfellow, Y. Bengio and A. Courville (2016). *Deep Learning*, section 7.8. MIT
  Press. https://www.deeplearningbook.org
* A. Ali, J. Z. Kolter and R. J. Tibshirani (2019). A continuous-time view of early
  stopping for least squares regression. *International Conference on Artificial
  Intelligence and Statistics*. https://arxiv.org/abs/1810.10082
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from jaxtyping import Float

from dlnotes.arrays import Array, anywhere, array_namespace, checked
from dlnotes.checks import at_least, in_range, integer, positive

Mode = Literal["min", "max"]


@dataclass(frozen=True)
class State:
    """The best error so far, its epoch, and how long it has been waited for a better.

    Epochs are counted from 0.  Before the first epoch, and as long as no error was a
    finite number, there is no best.
    """

    epochs: int = 0
    waited: int = 0
    best_epoch: int | None = None
    best: float | None = None


def update(
    state: State, error: float, *, min_delta: float = 0.0, mode: Mode = "min"
) -> State:
    r"""Take in the validation error of one more epoch.

    It is the new best if it is below the best so far by more than ``min_delta``, and
    then the waiting starts anew.  An error that is NaN or infinite is never the best,
    and counts as an epoch of waiting.

    Parameters
    ----------
    state
        The state after the epoch before, or ``State()`` before the first.
    error
        The validation error :math:`E` of this epoch.
    min_delta
        The improvement :math:`\delta` that an error must exceed to count, at least 0.
    mode
        Whether the best is the least, ``"min"``, or, as for an accuracy, the most,
        ``"max"``.

    Returns
    -------
    state
        The state after this epoch.  Its weights are worth saving if the state has
        waited for 0 epochs.

    Raises
    ------
    ValueError
        If ``min_delta`` is negative or not finite, or the mode is another word.

    Examples
    --------
    The second epoch is better, the third has diverged:

    >>> from dlnotes.training.early_stopping import State, update
    >>> state = State()
    >>> for error in (0.5, 0.25, float("nan")):
    ...     state = update(state, error)
    >>> state
    State(epochs=3, waited=1, best_epoch=1, best=0.25)
    """
    in_range(0, math.inf, half_open=True, min_delta=min_delta)
    _check_mode(mode)
    error, epoch = float(error), state.epochs
    sign = 1 if mode == "min" else -1
    better = state.best is None or sign * error < sign * state.best - min_delta
    if math.isfinite(error) and better:
        return State(epochs=epoch + 1, waited=0, best_epoch=epoch, best=error)
    return replace(state, epochs=epoch + 1, waited=state.waited + 1)


def should_stop(state: State, *, patience: int) -> bool:
    r"""Tell whether the waiting has reached the patience.

    Parameters
    ----------
    state
        The state after an epoch.
    patience
        The number :math:`P` of epochs to wait for a new best, at least 1.

    Returns
    -------
    stop
        Whether this epoch is to be the last.

    Raises
    ------
    ValueError
        If the patience is no integer of at least 1.

    Examples
    --------
    >>> from dlnotes.training.early_stopping import State, should_stop
    >>> state = State(epochs=9, waited=3, best_epoch=5, best=0.25)
    >>> should_stop(state, patience=3), should_stop(state, patience=4)
    (True, False)
    """
    integer(1, patience=patience)
    return state.waited >= patience


@checked
def early_stopping_epoch(
    errors: Float[Array, "epochs"],
    *,
    patience: int,
    min_delta: float = 0.0,
    mode: Mode = "min",
) -> tuple[int, int]:
    r"""Say where training would have stopped, and which epoch would have been kept.

    The best epoch :math:`\tau_t` so far is the last one whose error was below that of
    the best before it by more than :math:`\delta`.  Training stops once it lies
    :math:`P` epochs back, and the weights :math:`\theta` of the best epoch are
    restored:

    .. math::
       :label: eq-early-stopping

       \tau_t &= \max\{ s \le t : E(s) < E(\tau_{s-1}) - \delta \} \\
       t_{\text{stop}} &= \min\{ t : t - \tau_t \ge P \}, \qquad
       \theta^* = \theta_{\tau_{t_{\text{stop}}}}

    Epochs are counted from 0, and the first finite error is the first best.

    Parameters
    ----------
    errors
        The validation error :math:`E(t)` of each epoch.
    patience
        The number :math:`P` of epochs to wait for a new best, at least 1.
    min_delta
        The improvement :math:`\delta` that an error must exceed to count, at least 0.
    mode
        Whether the best is the least, ``"min"``, or the most, ``"max"``.

    Returns
    -------
    best
        The epoch whose weights are restored.
    stop
        The last epoch that was run: where the patience ended, or else the errors.

    Raises
    ------
    ValueError
        If a setting is out of its range, there are no errors, or none up to the stop is
        finite.

    Examples
    --------
    The error falls up to epoch 3.  Three epochs later training stops, and never meets
    the error of epoch 7:

    >>> import numpy as np
    >>> from dlnotes.training.early_stopping import early_stopping_epoch
    >>> errors = np.array([5.0, 3.0, 2.0, 1.5, 1.7, 1.6, 1.9, 0.2])
    >>> early_stopping_epoch(errors, patience=3)
    (3, 6)
    """
    state = State()
    for error in errors:
        state = update(state, error, min_delta=min_delta, mode=mode)
        if should_stop(state, patience=patience):
            break
    if state.best_epoch is None:
        raise ValueError(
            f"errors must have a finite number before the patience ends, got none in "
            f"{state.epochs} epochs"
        )
    return state.best_epoch, state.epochs - 1


@checked
def generalization_loss(errors: Float[Array, "epochs"]) -> Float[Array, "epochs"]:
    r"""Compute by how many percent each error is above the lowest so far.

    Prechelt (1998) calls this the generalization loss, and stops when it exceeds a
    threshold:

    .. math::
       :label: eq-early-stopping-generalization-loss

       GL(t) = 100 \left( \frac{E(t)}{\min_{s \le t} E(s)} - 1 \right)

    Parameters
    ----------
    errors
        The validation error :math:`E(t)` of each epoch, above 0.

    Returns
    -------
    loss
        The generalization loss after each epoch; NaN from an error on that is NaN.

    Raises
    ------
    ValueError
        If there are no errors, or one is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.training.early_stopping import generalization_loss
    >>> generalization_loss(np.array([4.0, 2.0, 2.5, 3.0, 1.0]))
    array([ 0.,  0., 25., 50.,  0.])
    """
    xp = array_namespace(errors)
    if errors.shape[0] == 0:
        raise ValueError("errors must have at least one epoch, got none")
    if anywhere(errors <= 0):
        raise ValueError(f"errors must be above 0, got {float(xp.min(errors))}")
    lowest = [errors[0]]
    for epoch in range(1, errors.shape[0]):
        lowest.append(xp.minimum(lowest[-1], errors[epoch]))
    return 100 * (errors / xp.stack(lowest) - 1)


@checked
def stopped_shrinkage(
    curvature: Float[Array, "*shape"], *, learning_rate: float, steps: int
) -> Float[Array, "*shape"]:
    r"""Return the share of the way to the minimum that gradient descent has gone.

    On a quadratic loss a step from :math:`\theta = 0` multiplies the distance from the
    minimum :math:`\hat\theta` by :math:`1 - \eta a` along an eigenvector of curvature
    :math:`a`, so after :math:`t` steps

    .. math::
       :label: eq-early-stopping-shrinkage

       \frac{\theta_t}{\hat\theta} = 1 - (1 - \eta a)^t

    Parameters
    ----------
    curvature
        The curvature :math:`a` along each eigenvector.
    learning_rate
        The learning rate :math:`\eta`, at least 0.
    steps
        The number :math:`t` of steps, at least 0.

    Returns
    -------
    share
        The share along each eigenvector; above 1 where a step has gone beyond.

    Raises
    ------
    ValueError
        If the rate is negative, or the number of steps no integer of at least 0.

    Examples
    --------
    The steep axis is done after a step; the flat ones have hardly begun:

    >>> import numpy as np
    >>> from dlnotes.training.early_stopping import stopped_shrinkage
    >>> stopped_shrinkage(np.array([1.0, 0.5, 0.0]), learning_rate=1.0, steps=2)
    array([1.  , 0.75, 0.  ])
    """
    at_least(0, learning_rate=learning_rate)
    integer(0, steps=steps)
    return 1 - (1 - learning_rate * curvature) ** steps


@checked
def equivalent_weight_decay(
    curvature: Float[Array, "*shape"], *, learning_rate: float, steps: int
) -> Float[Array, "*shape"]:
    r"""Return the L2 penalty that shrinks as much as stopping after some steps does.

    With the penalty :math:`\tfrac{\lambda}{2} \lVert \theta \rVert^2` the minimum lies
    at the share :math:`a / (a + \lambda)` of the way.  It is that of
    :eq:`eq-early-stopping-shrinkage` for

    .. math::
       :label: eq-early-stopping-decay

       \lambda_a = \frac{a}{(1 - \eta a)^{-t} - 1} \;\approx\; \frac{1}{\eta t}

    where the second form needs small steps, :math:`\eta a \ll 1`, and an axis along
    which little has been learned, :math:`\eta a t \ll 1`.

    Parameters
    ----------
    curvature
        The curvature :math:`a` along each eigenvector, at least 0 and below
        :math:`1/\eta`.
    learning_rate
        The learning rate :math:`\eta`, positive.
    steps
        The number :math:`t` of steps, at least 1.

    Returns
    -------
    decay
        The factor :math:`\lambda_a` for each eigenvector; its limit :math:`1 / (\eta
        t)` where the curvature is zero.

    Raises
    ------
    ValueError
        If the rate is not positive and finite, the number of steps no integer of at
        least 1, or a curvature out of its range.

    Examples
    --------
    Ten steps of 0.1 are a penalty of nearly 1 along flat axes, and of less along steep
    ones, so no single penalty does the same along all:

    >>> import numpy as np
    >>> from dlnotes.training.early_stopping import equivalent_weight_decay
    >>> curvature = np.array([0.0, 0.01, 1.0, 5.0])
    >>> equivalent_weight_decay(curvature, learning_rate=0.1, steps=10).round(3)
    array([1.   , 0.995, 0.535, 0.005])
    """
    positive(learning_rate=learning_rate)
    integer(1, steps=steps)
    products = learning_rate * curvature
    if anywhere(~((products >= 0) & (products < 1))):
        raise ValueError(
            "curvature must be at least 0 and less than 1 / learning_rate = "
            f"{1 / learning_rate:.4g}, got {curvature}"
        )
    xp = array_namespace(curvature)
    flat = curvature == 0
    exponent = -steps * xp.log1p(-products)  # the logarithm of (1 - eta a)^-t
    growth = xp.expm1(xp.where(flat, xp.ones_like(exponent), exponent))
    return xp.where(flat, 1 / (learning_rate * steps), curvature / growth)


def _check_mode(mode: str) -> None:
    """Refuse a mode that is neither of the two."""
    if mode not in ("min", "max"):
        raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
