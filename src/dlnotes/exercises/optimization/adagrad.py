"""Adagrad: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.optimization.adagrad import State, update


def _running(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a run that is about to begin or has made some steps."""
    size = shape(rng)
    gradient = reals(rng, *size)
    typical = np.abs(gradient).max() ** 2 * (rng.random() > 0.1)
    case = {
        "theta": reals(rng, *size),
        "gradient": gradient,
        "state": State(np.asarray(typical * rng.uniform(0.2, 2, size=size))),
        "learning_rate": float(rng.uniform(0.05, 1.5)),
        "epsilon": float(rng.choice([1e-10, 0.01, 0.1])),
    }
    return either(rng, case)


def _root(total: Any, epsilon: float) -> Any:
    return np.sqrt(total) + epsilon


def _adagrad(
    divisor: Callable[[Any, Any, Any, float], Any] = lambda _old, new, _g, epsilon: (
        _root(new, epsilon)
    ),
    *,
    added: Callable[[Any], Any] = np.square,
    sign: int = -1,
    keep: Callable[[Any, Any, Any], Any] = lambda _old, new, _gradient: new,
) -> Answer:
    """Divide by something else, add something else, or keep something else."""

    def answer(
        theta: Any, gradient: Any, state: Any, learning_rate: float, epsilon: float
    ) -> tuple[Any, Any]:
        old, new = state.total, state.total + added(gradient)
        step = learning_rate * gradient / divisor(old, new, gradient, epsilon)
        return theta + sign * step, State(keep(old, new, gradient))

    return answer


def _sum_of_steps(
    theta: Any, gradient: Any, state: Any, learning_rate: float, epsilon: float
) -> tuple[Any, Any]:
    step = learning_rate * gradient / _root(state.total + gradient**2, epsilon)
    return theta - step, State(state.total + step**2)


ADAGRAD = Exercise(
    name="write-optimization-adagrad-update",
    section="optimization.adagrad",
    task="Write `update(theta, gradient, state, *, learning_rate, epsilon)`, arrays of "
    "one shape: one step of Adagrad. `state` is a `State` with `total`, the sum of the "
    "squares of each parameter's gradients before this one. The learning rate is "
    "divided by the root of the sum, to which epsilon is added. Return "
    "`(theta, state)`, the new state as it is to be kept for the next step.",
    hint="From a sum of zero and with a tiny epsilon the first step has the length "
    "`learning_rate` in every parameter.",
    summary="Take one step of Adagrad.",
    solution=update,
    inputs=_running,
    mistakes=(
        Mistake(
            _adagrad(lambda _old, new, _g, epsilon: np.sqrt(new + epsilon)),
            "You put epsilon inside the square root. There it acts like a number as "
            "large as its own root: 1e-8 becomes 1e-4. It belongs outside.",
            "Add optimizers (AdaMax, AdaDelta, RMSprop) and ordering optimizer "
            "classes, https://github.com/ml-explore/mlx/pull/142",
        ),
        Mistake(
            _adagrad(added=lambda gradient: np.sum(np.square(gradient))),
            "You add the squares of all gradients to each sum, so that all parameters "
            "share what is added. Adagrad has a sum for each parameter: only its own "
            "gradients count, entry by entry.",
        ),
        Mistake(
            _sum_of_steps,
            "Your step is right, but you add the square of the step to the sum. It is "
            "the square of the gradient that is kept; the step has the learning rate "
            "and the root in it.",
        ),
        Mistake(
            _adagrad(added=np.abs),
            "You sum the sizes of the gradients. Adagrad sums their squares; only then "
            "has the root the unit of a gradient.",
        ),
        Mistake(
            _adagrad(lambda _old, new, _g, epsilon: new + epsilon),
            "You forget the square root: dividing by squares makes large gradients "
            "move less than small ones, and the step depends on the scale of the loss.",
        ),
        Mistake(
            _adagrad(lambda old, _new, _g, epsilon: _root(old, epsilon)),
            "You divide by the sum without the present gradient. Add its square first; "
            "at the very first step there would be nothing but epsilon below.",
        ),
        Mistake(
            _adagrad(
                lambda _old, _new, gradient, epsilon: np.abs(gradient) + epsilon,
                keep=lambda _old, _new, gradient: np.square(gradient),
            ),
            "Your sum forgets the past: it holds the last square only, so every step "
            "has about the same length. Adagrad accumulates over all steps.",
        ),
        Mistake(
            _adagrad(sign=1),
            "You go uphill: the step is added where it should be subtracted.",
            "about adagrad whether there exists a error, "
            "https://github.com/PaddlePaddle/Paddle/issues/4184",
        ),
        Mistake(
            _adagrad(keep=lambda old, _new, _gradient: old),
            "Your step is right, but the state that you return is that of before it. "
            "The sum would never grow.",
        ),
        Mistake(
            _adagrad(keep=lambda _old, new, _gradient: np.sqrt(new)),
            "Your step is right, but you keep the root. The next square is to be added "
            "to the sum itself: take the root for this step only.",
        ),
        Mistake(
            _adagrad(lambda _old, _new, gradient, epsilon: np.abs(gradient) + epsilon),
            "You divide each gradient by its own size, whatever came before: use the "
            "sum that you keep.",
        ),
        Mistake(
            _adagrad(lambda _old, _new, _gradient, _epsilon: 1.0),
            "You sum the squares and do not use them: that is a step of gradient "
            "descent.",
        ),
    ),
)

EXERCISES = (ADAGRAD,)
