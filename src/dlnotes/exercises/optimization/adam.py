"""Adam: what to write, and the mistakes made there."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.optimization.adam import State, update

Step = Callable[[Any, Any, int, float, float, float], Any]


def _running(rng: np.random.Generator, *, amsgrad: bool = False) -> dict[str, Any]:
    """Draw a run that is about to begin or has made a few steps, or a thousand."""
    size, t = shape(rng), whole(rng, 0, 5)
    t = 1000 if rng.random() < 0.1 else t
    theta, gradient = reals(rng, *size), reals(rng, *size)
    scale = np.abs(gradient).max() * (t > 0)
    v = scale**2 * np.where(rng.random(size) < 0.1, 0.0, rng.uniform(0.1, 2, size))
    larger = np.asarray(np.maximum(v, scale**2 * rng.uniform(0, 3, size)))
    m = np.asarray(scale * rng.normal(size=size))
    state = State(m=m, v=np.asarray(v), t=t, v_max=larger if amsgrad else None)
    case = {
        "theta": theta,
        "gradient": gradient,
        "state": state,
        "learning_rate": float(rng.uniform(0.01, 1)),
        "beta1": float(rng.choice([0.0, 0.5, 0.9])),
        "beta2": float(rng.choice([0.9, 0.99, 0.999])),
        "epsilon": float(rng.choice([1e-8, 0.01, 0.1])),
    }
    return either(rng, case)


def _means(
    m: Any, v: Any, g: Any, beta1: float, beta2: float, *, raw: bool = True
) -> tuple[Any, Any]:
    m = beta1 * m + (1 - beta1) * g
    return m, beta2 * v + (1 - beta2) * (g if raw else g - m) ** 2


def _quotient(m: Any, v: Any, t: int, b1: float, b2: float, epsilon: float) -> Any:
    return m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + epsilon)


def _step(
    theta: Any,
    gradient: Any,
    state: Any,
    *,
    step: Step = _quotient,
    corrected: bool = False,
    counted: bool = True,
    sign: int = -1,
    **constants: float,
) -> tuple[Any, Any]:
    """Step otherwise, or keep another state than the one that is wanted."""
    b1, b2, epsilon = (constants[name] for name in ("beta1", "beta2", "epsilon"))
    m, v = _means(state.m, state.v, gradient, b1, b2)
    t = state.t + 1
    move = constants["learning_rate"] * step(m, v, t, b1, b2, epsilon)
    if corrected:
        m, v = m / (1 - b1**t), v / (1 - b2**t)
    return theta + sign * move, State(m, v, t if counted else state.t)


def _adam(**settings: Any) -> Answer:
    """Make an answer of some settings, which two mistakes at once can join."""
    return partial(_step, **settings)


def _of_distances(
    theta: Any, gradient: Any, state: Any, *, learning_rate: float, **constants: float
) -> tuple[Any, Any]:
    """Average the squares of the distances from the mean gradient."""
    b1, b2, epsilon = (constants[name] for name in ("beta1", "beta2", "epsilon"))
    m, v = _means(state.m, state.v, gradient, b1, b2, raw=False)
    t = state.t + 1
    return theta - learning_rate * _quotient(m, v, t, b1, b2, epsilon), State(m, v, t)


def _with_gradient(
    theta: Any, gradient: Any, state: Any, *, learning_rate: float, **constants: float
) -> tuple[Any, Any]:
    """Divide the gradient, and not its mean: a step of RMSProp."""
    _, new = update(theta, gradient, state, learning_rate=learning_rate, **constants)
    root = np.sqrt(new.v / (1 - constants["beta2"] ** new.t))
    return theta - learning_rate * gradient / (root + constants["epsilon"]), new


def _swapped(
    theta: Any, gradient: Any, state: Any, *, beta1: float, beta2: float, **rest: float
) -> tuple[Any, Any]:
    """Take each decay for the other."""
    return update(theta, gradient, state, beta1=beta2, beta2=beta1, **rest)


def _idle(theta: Any, gradient: Any, state: Any, **constants: float) -> tuple[Any, Any]:
    """Take the step, and return the state of before."""
    return update(theta, gradient, state, **constants)[0], state


def _summed(
    theta: Any, gradient: Any, state: Any, *, learning_rate: float, **constants: float
) -> tuple[Any, Any]:
    """Add gradients up, as momentum does, in place of their mean."""
    b1, b2, epsilon = (constants[name] for name in ("beta1", "beta2", "epsilon"))
    m, (_, v) = b1 * state.m + gradient, _means(state.m, state.v, gradient, b1, b2)
    t = state.t + 1
    return theta - learning_rate * _quotient(m, v, t, b1, b2, epsilon), State(m, v, t)


ADAM = Exercise(
    name="write-optimization-adam-update",
    section="optimization.adam",
    task="Write `update(theta, gradient, state, *, learning_rate, beta1, beta2, "
    "epsilon)`, arrays of one shape: one step of Adam. `state` is a `State` with the "
    "means `m` and `v` and the number `t` of steps made before this one. Return "
    "`(theta, state)`, the new state as it is to be kept for the next step.",
    hint="At the first step, with means of zero and a tiny epsilon, every parameter "
    "moves by the rate.",
    solution=update,
    inputs=_running,
    mistakes=(
        Mistake(
            _adam(step=lambda m, v, _t, _b1, _b2, epsilon: m / (np.sqrt(v) + epsilon)),
            "You use the moments as they are. They start at zero and are too small at "
            "first, the two unequally so: divide each by what is missing.",
            "Missing bias correction in Adam variants, "
            "https://github.com/oxiglade/mlx-rs/issues/301",
        ),
        Mistake(
            _adam(step=lambda m, v, _t, *constants: _quotient(m, v, 1, *constants)),
            "Your correction is the same at every step: the betas are not raised to "
            "the power of the step. What is missing from the averages shrinks with "
            "time, and so must it.",
            "Adam optimizer bias correction formula, "
            "https://github.com/eriklindernoren/ML-From-Scratch/issues/35",
        ),
        Mistake(
            _adam(
                step=lambda m, v, t, b1, b2, epsilon: (
                    m / (1 - b1**t) / np.sqrt(v / (1 - b2**t) + epsilon)
                )
            ),
            "You put epsilon inside the square root. Adam adds it to the root; inside, "
            "1e-8 weighs as much as 1e-4 outside.",
            "Match paper for Adam implementation and make epsilon use more consistent, "
            "https://github.com/FluxML/Flux.jl/pull/448",
        ),
        Mistake(
            _adam(corrected=True),
            "Your step is right, but you keep the corrected moments as the state. The "
            "next step would correct them again: correct copies, and keep the "
            "averages.",
            "Inplace bias correction, https://github.com/frgfm/holocron/issues/1",
        ),
        Mistake(
            _adam(step=lambda m, v, t, *constants: _quotient(m, v, t - 1, *constants)),
            "You correct with the number of steps before this one. The averages "
            "already contain the present gradient, so count it; at the first step you "
            "would divide by zero.",
            "Update Adam.java, https://github.com/deeplearning4j/nd4j/pull/1227",
        ),
        Mistake(
            _adam(
                step=lambda m, v, t, *constants: _quotient(
                    m, v, max(t - 1, 1), *constants
                )
            ),
            "You correct with the number of steps before this one, and take 1 where it "
            "is 0. The averages already contain the present gradient: count this step.",
        ),
        Mistake(
            _adam(
                step=lambda m, v, t, *constants: _quotient(m, v, t - 1, *constants),
                counted=False,
            ),
            "You never count this step: the averages already contain the present "
            "gradient, so add 1 to the number of steps, both for the correction and in "
            "the state that you return.",
        ),
        Mistake(
            _adam(counted=False),
            "Your step is right, but the state that you return still has the number of "
            "steps made before it. The next step would be corrected as if it were "
            "this one.",
        ),
        Mistake(
            _idle,
            "Your step is right, but you return the state of before it. The averages "
            "would stay at zero for ever.",
        ),
        Mistake(
            _adam(sign=1),
            "You go uphill: the mean gradient points to where the loss grows.",
        ),
        Mistake(
            _adam(
                step=lambda m, v, t, b1, _b2, epsilon: (
                    m / (1 - b1**t) / (np.sqrt(v) + epsilon)
                )
            ),
            "You correct the mean of the gradients and not that of their squares. Both "
            "start at zero, so each needs its own correction.",
        ),
        Mistake(
            _adam(
                step=lambda m, v, t, _b1, b2, epsilon: (
                    m / (np.sqrt(v / (1 - b2**t)) + epsilon)
                )
            ),
            "You correct the mean of the squares and not that of the gradients. Both "
            "start at zero, so each needs its own correction.",
        ),
        Mistake(
            _adam(
                step=lambda m, v, t, b1, b2, epsilon: (
                    m / (1 - b1**t) / (v / (1 - b2**t) + epsilon)
                )
            ),
            "You divide by the mean of the squares without its root. A gradient ten "
            "times as large would then make a step of a tenth.",
        ),
        Mistake(
            _adam(
                step=lambda m, v, t, b1, b2, epsilon: (
                    m / (1 - b2**t) / (np.sqrt(v / (1 - b1**t)) + epsilon)
                )
            ),
            "You have each correction in the other's place: the mean of the gradients "
            "has decayed with beta1, that of the squares with beta2.",
        ),
        Mistake(
            _adam(
                step=lambda m, v, t, b1, _b2, epsilon: _quotient(
                    m, v, t, b1, b1, epsilon
                )
            ),
            "You correct both means with beta1. The mean of the squares has decayed "
            "with beta2, so what is missing from it is beta2 to the power of the step.",
        ),
        Mistake(
            _adam(
                step=lambda m, v, t, _b1, b2, epsilon: _quotient(
                    m, v, t, b2, b2, epsilon
                )
            ),
            "You correct both means with beta2. The mean of the gradients has decayed "
            "with beta1, so what is missing from it is beta1 to the power of the step.",
        ),
        Mistake(
            _swapped,
            "You have the two decays in each other's place: beta1 is that of the mean "
            "gradient, beta2 that of the mean square.",
        ),
        Mistake(
            _with_gradient,
            "You divide the gradient itself, as RMSProp does. Adam divides the running "
            "mean of the gradients.",
        ),
        Mistake(
            _summed,
            "Your first moment is a sum of gradients, as in momentum. Adam's is a "
            "mean: the new gradient has the weight 1 - beta1.",
        ),
        Mistake(
            _of_distances,
            "Your second moment is of distances from the mean. Adam keeps the raw "
            "moment, of the gradients themselves: it is no variance, whatever some "
            "texts call it.",
        ),
        Mistake(
            _adam(
                step=lambda m, v, t, b1, b2, epsilon: (
                    np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + epsilon)
                )
            ),
            "You fold the corrections into the learning rate, and epsilon is then "
            "added to the uncorrected root: early on it acts too strongly. Correct the "
            "moment first.",
            "beta2_power is applied incorrectly in Adam optimizer, "
            "https://github.com/tensorflow/tensorflow/issues/9047",
        ),
    ),
)


Largest = Callable[[Any, Any, Any, float], Any]


def _at_most(v: Any, _gradient: Any, state: Any, _decay: float) -> Any:
    """Return the largest mean so far."""
    return np.maximum(state.v_max, v)


def _decayed(_v: Any, gradient: Any, state: Any, decay: float) -> Any:
    """Let the largest mean decay before it is compared."""
    latest = decay * state.v + (1 - decay) * gradient**2
    return np.maximum(decay * state.v_max + (1 - decay) * gradient**2, latest)


def _amsgrad(
    largest: Largest = _at_most,
    *,
    corrected: bool = False,
    keep: bool = True,
    counted: bool = True,
    step: Step = _quotient,
    sign: int = -1,
) -> Answer:
    """Find the largest mean or the step otherwise, or keep another state."""

    def answer(
        theta: Any, gradient: Any, state: Any, learning_rate: float, **constants: float
    ) -> tuple[Any, Any]:
        b1, b2, epsilon = (constants[name] for name in ("beta1", "beta2", "epsilon"))
        m, v = _means(state.m, state.v, gradient, b1, b2)
        t = state.t + 1
        share = 1 - b2**t if corrected else 1.0
        v_max = largest(v / share, gradient, state, b2)
        move = learning_rate * step(m, v_max * share, t, b1, b2, epsilon)
        kept, steps = v_max if keep else state.v_max, t if counted else state.t
        return theta + sign * move, State(m, v, steps, kept)

    return answer


def _forgetful(
    theta: Any, gradient: Any, state: Any, *, learning_rate: float, **constants: float
) -> tuple[Any, Any]:
    """Take a step of Adam, and note the largest mean without using it."""
    theta, new = update(
        theta,
        gradient,
        State(state.m, state.v, state.t),
        learning_rate=learning_rate,
        **constants,
    )
    return theta, State(new.m, new.v, new.t, np.maximum(state.v_max, new.v))


def _replacing(
    theta: Any, gradient: Any, state: Any, *, learning_rate: float, **constants: float
) -> tuple[Any, Any]:
    """Take a step of AMSGrad, and go on from the largest mean."""
    theta, new = update(
        theta, gradient, state, learning_rate=learning_rate, **constants
    )
    return theta, State(new.m, new.v_max, new.t, new.v_max)


AMSGRAD = Exercise(
    name="write-optimization-adam-amsgrad",
    section="optimization.adam",
    task="Write `update(theta, gradient, state, *, learning_rate, beta1, beta2, "
    "epsilon)`, arrays of one shape: one step of AMSGrad. `state` is a `State` with "
    "the means `m` and `v`, the number `t` of steps made before this one, and `v_max`, "
    "the largest `v` so far, element by element. Return `(theta, state)`, the new "
    "state as it is to be kept.",
    hint="Which of the two, `v` or `v_max`, goes on decaying?",
    summary="Take one step of AMSGrad.",
    solution=update,
    inputs=lambda rng: _running(rng, amsgrad=True),
    mistakes=(
        Mistake(
            _forgetful,
            "You keep the largest mean but divide by the latest: that is Adam.",
        ),
        Mistake(
            _replacing,
            "You put the largest mean in the place of the running one. That one must "
            "go on by itself, or it can never fall and rise again.",
        ),
        Mistake(
            _amsgrad(corrected=True),
            "You compare means that have been corrected. Early means are corrected "
            "most, so an early one would count as the largest for too long: compare "
            "first, correct the largest then.",
        ),
        Mistake(
            _amsgrad(_decayed),
            "Your largest mean decays before it is compared. It must not forget: that "
            "is all that AMSGrad is about.",
        ),
        Mistake(
            _amsgrad(lambda v, _gradient, state, _decay: np.maximum(state.v, v)),
            "You compare with the mean of one step before. The largest of all so far "
            "is in `v_max`.",
        ),
        Mistake(
            _amsgrad(
                lambda _v, gradient, state, _decay: np.maximum(state.v_max, gradient**2)
            ),
            "You compare with the square of this gradient. What is compared is the "
            "running mean of the squares, the new `v`.",
        ),
        Mistake(
            _amsgrad(lambda v, _gradient, state, _decay: np.minimum(state.v_max, v)),
            "You keep the smallest mean, and divide by it. AMSGrad keeps the largest, "
            "so that no step grows because a large gradient has been forgotten.",
        ),
        Mistake(
            _amsgrad(
                step=lambda m, v, _t, _b1, _b2, epsilon: m / (np.sqrt(v) + epsilon)
            ),
            "You leave out both corrections. The paper on AMSGrad does so, too; here "
            "its step is corrected as Adam's is.",
        ),
        Mistake(
            _amsgrad(
                step=lambda m, v, t, b1, _b2, epsilon: (
                    m / (1 - b1**t) / (np.sqrt(v) + epsilon)
                )
            ),
            "You divide by the largest mean as it is. It is one of the means that "
            "start at zero, so it is corrected as Adam's is.",
        ),
        Mistake(
            _amsgrad(counted=False),
            "Your step is right, but the state that you return still has the number of "
            "steps made before it.",
        ),
        Mistake(
            _amsgrad(sign=1),
            "You go uphill: the mean gradient points to where the loss grows.",
        ),
        Mistake(
            _amsgrad(keep=False),
            "Your step is right, but the state that you return still has the largest "
            "mean of the step before.",
        ),
    ),
)

EXERCISES = (ADAM, AMSGRAD)
