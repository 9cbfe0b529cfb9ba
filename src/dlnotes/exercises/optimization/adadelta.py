"""Adadelta: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.exercises.optimization.rmsprop import mean_square
from dlnotes.optimization.adadelta import State, update

Average = Callable[[Any, Any, float], Any]
Step = Callable[[Any, Any, Any, float], Any]


def _running(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a run that is about to begin, or has made some steps."""
    size = shape(rng)
    theta, gradient = reals(rng, *size), reals(rng, *size)
    begun = rng.random() < 0.85
    scale = np.abs(gradient).max() * begun
    v = np.asarray(scale**2 * rng.uniform(0.1, 2, size))
    u = begun * np.asarray(rng.choice([1.0, 1e3, 1e-4]) * rng.uniform(0.1, 2, size))
    case = {
        "theta": theta,
        "gradient": gradient,
        "state": State(v=v, u=np.asarray(u)),
        "learning_rate": float(rng.uniform(0.1, 1)),
        "decay": float(rng.choice([0.5, 0.9, 0.95])),
        "epsilon": float(rng.choice([1e-6, 0.01, 0.1])),
    }
    return either(rng, case)


def _adadelta(
    step: Step = lambda g, v, u, epsilon: np.sqrt((u + epsilon) / (v + epsilon)) * g,
    of: Callable[..., Any] = lambda delta, **_others: delta,
    *,
    average: Average = mean_square,
    sign: int = -1,
    keep: bool = True,
) -> Answer:
    """Step or average otherwise, or keep the means of before."""

    def answer(
        theta: Any,
        gradient: Any,
        state: Any,
        learning_rate: float = 1.0,
        decay: float = 0.9,
        epsilon: float = 1e-6,
    ) -> tuple[Any, Any]:
        v = average(state.v, gradient, decay)
        delta = step(gradient, v, state.u, epsilon)
        new = theta + sign * learning_rate * delta
        moved = of(delta, theta=new, gradient=gradient, learning_rate=learning_rate)
        return new, State(v, mean_square(state.u, moved, decay)) if keep else state

    return answer


def _late(
    theta: Any,
    gradient: Any,
    state: Any,
    learning_rate: float = 1.0,
    decay: float = 0.9,
    epsilon: float = 1e-6,
) -> tuple[Any, Any]:
    """Divide by the mean square of before this gradient."""
    delta = np.sqrt((state.u + epsilon) / (state.v + epsilon)) * gradient
    new = State(
        mean_square(state.v, gradient, decay), mean_square(state.u, delta, decay)
    )
    return theta - learning_rate * delta, new


def _unscaled(
    theta: Any, gradient: Any, state: Any, *, learning_rate: float, **constants: float
) -> tuple[Any, Any]:
    """Take a step at the rate 1."""
    del learning_rate
    return update(theta, gradient, state, learning_rate=1.0, **constants)


ADADELTA = Exercise(
    name="write-optimization-adadelta-update",
    section="optimization.adadelta",
    task="Write `update(theta, gradient, state, *, learning_rate, decay, epsilon)`, "
    "arrays of one shape: one step of Adadelta. `state` is a `State` with the running "
    "means `v` of the squared gradients and `u` of the squared steps; epsilon stands "
    "inside both roots. The learning rate multiplies the step when it is taken, and is "
    "not in what `u` averages. Return `(theta, state)`, the new state as it is to be "
    "kept for the next step.",
    hint="The step uses the new mean of gradients and the old mean of steps.",
    solution=update,
    inputs=_running,
    mistakes=(
        Mistake(
            _adadelta(of=lambda _delta, theta, **_others: theta),
            "Your second mean is of the squared parameters. It is the steps whose size "
            "it must remember, otherwise the step depends on where the parameters lie.",
            "Adadelta formula fixes, https://github.com/d2l-ai/d2l-en/pull/1196",
        ),
        Mistake(
            _adadelta(of=lambda _delta, gradient, **_others: gradient),
            "Both your means are of squared gradients. The second is of the steps; "
            "that is what gives a step the unit of a parameter.",
            "fix adadelta docs for moving average of update, "
            "https://github.com/Lasagne/Lasagne/pull/502",
        ),
        Mistake(
            _adadelta(average=lambda v, g, decay: (decay * v + (1 - decay)) * g**2),
            "A bracket is misplaced: you multiply the old mean by the squared gradient "
            "too. It decays on its own, and the new square is added to it.",
            "Adadelta issues, https://github.com/deeplearning4j/nd4j/issues/1239",
        ),
        Mistake(
            _adadelta(
                lambda g, v, u, epsilon: (
                    (np.sqrt(u) + epsilon) / (np.sqrt(v) + epsilon) * g
                )
            ),
            "You add epsilon after the roots. In Adadelta it stands inside: it starts "
            "the method, since at first there are no steps to take the root of.",
        ),
        Mistake(
            _adadelta(lambda g, v, _u, epsilon: g / np.sqrt(v + epsilon)),
            "Your step lacks the root mean square of past steps above the line. "
            "Without it this is RMSProp.",
        ),
        Mistake(
            _adadelta(lambda g, v, u, epsilon: (u + epsilon) / (v + epsilon) * g),
            "You take the ratio of the means without their roots. They are of squares, "
            "so the step would not have the unit of a parameter.",
        ),
        Mistake(
            _adadelta(of=lambda delta, learning_rate, **_others: learning_rate * delta),
            "The steps that you average have the learning rate in them. Then it acts "
            "again at every later step, and below 1 the steps cannot grow: average the "
            "step before it is multiplied.",
        ),
        Mistake(
            _adadelta(
                lambda g, v, u, epsilon: np.sqrt((v + epsilon) / (u + epsilon)) * g
            ),
            "Your quotient is upside down: the steps belong above the line, the "
            "gradients below it.",
        ),
        Mistake(
            _unscaled,
            "You do not use the learning rate. In the paper it is 1; here it scales "
            "the step.",
        ),
        Mistake(
            _late,
            "You divide by the mean from before this gradient. Update it first: one "
            "sudden large gradient is damped only if it takes part itself.",
        ),
        Mistake(
            _adadelta(average=lambda v, g, _decay: v + g**2),
            "Your first mean is Adagrad's sum of all squares, and the steps shrink for "
            "ever. Adadelta forgets old squares.",
        ),
        Mistake(
            _adadelta(sign=1),
            "You go uphill: the step is added where it should be subtracted.",
        ),
        Mistake(
            _adadelta(keep=False),
            "Your step is right, but you return the means of before it. They would "
            "stay at zero for ever.",
        ),
    ),
)

EXERCISES = (ADADELTA,)
