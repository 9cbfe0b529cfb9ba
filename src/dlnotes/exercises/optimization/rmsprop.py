"""RMSProp: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.optimization.rmsprop import State, update

Average = Callable[[Any, Any, float], Any]
Step = Callable[..., Any]


def _running(rng: np.random.Generator, *, centered: bool = False) -> dict[str, Any]:
    """Draw a run that is about to begin, or has made some steps."""
    size = shape(rng)
    theta, gradient = reals(rng, *size), reals(rng, *size)
    scale = np.abs(gradient).max() * (rng.random() < 0.85)
    m = np.asarray(scale * rng.normal(size=size)) * centered
    variance = np.where(rng.random(size) < 0.1, 0.0, rng.uniform(0.1, 2, size))
    v = m**2 + scale**2 * variance
    if (
        centered and rng.random() < 0.2
    ):  # equal gradients, and a mean square rounded down
        m, v = gradient, gradient**2 * (1 - 1e-5)
    case = {
        "theta": theta,
        "gradient": gradient,
        "state": State(v=np.asarray(v), m=m if centered else None),
        "learning_rate": float(rng.uniform(0.01, 1)),
        "decay": float(rng.choice([0.5, 0.9, 0.99])),
        "epsilon": float(rng.choice([1e-8, 0.01, 0.1])),
    }
    return either(rng, case)


def mean_square(v: Any, g: Any, decay: float) -> Any:
    """Average the square of a gradient with the mean of those before."""
    return decay * v + (1 - decay) * g**2


def _rmsprop(
    average: Average = mean_square,
    step: Step = lambda g, v, _old, epsilon: g / (np.sqrt(v) + epsilon),
    *,
    sign: int = -1,
    keep: bool = True,
) -> Answer:
    """Average or step otherwise, or keep the mean of before."""

    def answer(
        theta: Any,
        gradient: Any,
        state: Any,
        learning_rate: float = 0.01,
        decay: float = 0.99,
        epsilon: float = 1e-8,
    ) -> tuple[Any, Any]:
        v = average(state.v, gradient, decay)
        move = learning_rate * step(gradient, v, state.v, epsilon)
        return theta + sign * move, State(v if keep else state.v)

    return answer


UPHILL = "You go uphill: the step is added where it should be subtracted."
UNSCALED = (
    "You do not use the learning rate: the quotient is about 1, and the rate is the "
    "length of a step."
)


def _unscaled(
    theta: Any, gradient: Any, state: Any, *, learning_rate: float, **constants: float
) -> tuple[Any, Any]:
    """Take a step at the rate 1."""
    del learning_rate
    return update(theta, gradient, state, learning_rate=1.0, **constants)


RMSPROP = Exercise(
    name="write-optimization-rmsprop-update",
    section="optimization.rmsprop",
    task="Write `update(theta, gradient, state, *, learning_rate, decay, epsilon)`, "
    "arrays of one shape: one step of RMSProp. `state` is a `State` with the running "
    "mean `v` of the squared gradients; `decay` is the share of it that is kept, and "
    "epsilon is added to its root. Return `(theta, state)`, the new state as it is to "
    "be kept for the next step.",
    hint="With equal gradients for a long time `v` must settle at their square.",
    solution=update,
    inputs=_running,
    mistakes=(
        Mistake(
            _rmsprop(step=lambda g, v, _old, epsilon: g / np.sqrt(v + epsilon)),
            "You put epsilon inside the square root, as TensorFlow does. Here, as in "
            "PyTorch, it is added to the root; with a large epsilon the two train "
            "differently.",
            "Difference in the implementation of rmsprop with Tensorflow, "
            "https://github.com/pytorch/pytorch/issues/23796",
        ),
        Mistake(
            _rmsprop(lambda v, g, decay: (1 - decay) * v + decay * g**2),
            "The two weights are exchanged: the decay is the weight of the past, so "
            "with a decay near 1 the mean must change slowly.",
        ),
        Mistake(
            _rmsprop(lambda v, g, decay: decay * v + g**2),
            "The new square enters with full weight, so `v` is a decaying sum, larger "
            "than a mean by the factor 1 / (1 - decay), and the steps are too short.",
            "Incorrect Momentum Calculation in 16_accel_sgd, "
            "https://github.com/fastai/fastbook/issues/174",
        ),
        Mistake(
            _rmsprop(lambda v, g, _decay: v + g**2),
            "That is Adagrad: the sum only grows, and the steps shrink for ever. "
            "RMSProp forgets old squares.",
        ),
        Mistake(
            _rmsprop(lambda v, g, decay: decay * v + (1 - decay) * np.abs(g)),
            "You average the sizes of the gradients and take the root of that. It is "
            "the squares that are averaged.",
        ),
        Mistake(
            _rmsprop(step=lambda g, _v, old, epsilon: g / (np.sqrt(old) + epsilon)),
            "You divide by the mean from before this gradient. Update it first: one "
            "sudden large gradient is damped only if it takes part itself.",
        ),
        Mistake(
            _rmsprop(step=lambda g, v, _old, epsilon: g / (v + epsilon)),
            "You divide by the mean of the squares without its root. A gradient ten "
            "times as large would then make a step of a tenth.",
        ),
        Mistake(_rmsprop(sign=1), UPHILL),
        Mistake(_unscaled, UNSCALED),
        Mistake(
            _rmsprop(keep=False),
            "Your step is right, but you return the mean of before it. It would stay "
            "at zero for ever.",
        ),
    ),
)


def _centered(
    step: Step = lambda g, v, m, _old, epsilon: (
        g / (np.sqrt(np.maximum(v - m**2, 0)) + epsilon)
    ),
    *,
    sign: int = -1,
    keep: bool = True,
) -> Answer:
    """Step otherwise, or keep the means of before."""

    def answer(
        theta: Any,
        gradient: Any,
        state: Any,
        learning_rate: float = 0.01,
        decay: float = 0.99,
        epsilon: float = 1e-8,
    ) -> tuple[Any, Any]:
        v = mean_square(state.v, gradient, decay)
        m = decay * state.m + (1 - decay) * gradient
        move = learning_rate * step(gradient, v, m, state.m, epsilon)
        return theta + sign * move, State(v, m) if keep else state

    return answer


def _unguarded(g: Any, v: Any, m: Any, _old: Any, epsilon: float) -> Any:
    """Take the root of whatever the variance is."""
    with np.errstate(invalid="ignore"):
        return g / (np.sqrt(v - m**2) + epsilon)


def _of_distances(
    theta: Any,
    gradient: Any,
    state: Any,
    learning_rate: float = 0.01,
    decay: float = 0.99,
    epsilon: float = 1e-8,
) -> tuple[Any, Any]:
    """Average the squares of the distances from the mean."""
    m = decay * state.m + (1 - decay) * gradient
    v = mean_square(state.v, gradient - m, decay)
    return theta - learning_rate * gradient / (np.sqrt(v) + epsilon), State(v, m)


CENTERED = Exercise(
    name="write-optimization-rmsprop-centered",
    section="optimization.rmsprop",
    task="Write `update(theta, gradient, state, *, learning_rate, decay, epsilon)`, "
    "arrays of one shape: one step of centered RMSProp. `state` is a `State` with the "
    "running means `v` of the squared gradients and `m` of the gradients; the gradient "
    "is divided by the root of the variance that they imply, plus epsilon. Return "
    "`(theta, state)`, the new state as it is to be kept for the next step.",
    hint="A variance is a mean of squares less the square of a mean.",
    summary="Take one step of centered RMSProp.",
    solution=update,
    inputs=lambda rng: _running(rng, centered=True),
    mistakes=(
        Mistake(
            _centered(
                lambda g, v, m, _old, epsilon: (
                    g / np.sqrt(np.maximum(v - m**2, 0) + epsilon)
                )
            ),
            "You put epsilon inside the root. Where gradients hardly vary the variance "
            "goes to zero, and the root of epsilon is then all that remains below.",
            "Centered RMSprop can take the square root of a negative number, "
            "https://github.com/CanReader/FastNN/issues/12",
        ),
        Mistake(
            _centered(lambda g, v, _m, _old, epsilon: g / (np.sqrt(v) + epsilon)),
            "You keep the mean but do not subtract its square: that is plain RMSProp.",
        ),
        Mistake(
            _centered(
                lambda g, v, _m, old, epsilon: (
                    g / (np.sqrt(np.maximum(v - old**2, 0)) + epsilon)
                )
            ),
            "You subtract the mean from before this gradient from an average that "
            "contains it. Both moments must be of the same gradients.",
        ),
        Mistake(
            _centered(
                lambda _g, v, m, _old, epsilon: (
                    m / (np.sqrt(np.maximum(v - m**2, 0)) + epsilon)
                )
            ),
            "You move along the mean gradient. The mean is only for the variance "
            "below; the step itself follows the present gradient.",
        ),
        Mistake(
            _centered(
                lambda g, v, m, _old, epsilon: (
                    (g - m) / (np.sqrt(np.maximum(v - m**2, 0)) + epsilon)
                )
            ),
            "You subtract the mean from the gradient, too. Equal gradients would then "
            "make no step: the mean is only for the variance below.",
        ),
        Mistake(
            _of_distances,
            "You average squared distances from the mean of the moment, which itself "
            "moves. `v` holds plain squares, and the square of the mean is taken off "
            "when the step is made.",
        ),
        Mistake(
            _centered(
                lambda g, v, m, _old, epsilon: g / (np.maximum(v - m**2, 0) + epsilon)
            ),
            "You divide by the variance without its root. A gradient ten times as "
            "large would then make a step of a tenth.",
        ),
        Mistake(
            _centered(_unguarded),
            "You take the root of a difference that rounding can make negative: where "
            "gradients have long been equal, your parameter becomes NaN. Take at least "
            "zero.",
            "Centered RMSprop can take the square root of a negative number, "
            "https://github.com/CanReader/FastNN/issues/12",
        ),
        Mistake(_centered(sign=1), UPHILL),
        Mistake(_unscaled, UNSCALED),
        Mistake(
            _centered(keep=False),
            "Your step is right, but you return the means of before it. They would "
            "stay at zero for ever.",
        ),
    ),
)

EXERCISES = (RMSPROP, CENTERED)
