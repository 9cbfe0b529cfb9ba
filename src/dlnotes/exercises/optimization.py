"""Optimization: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises import Exercise, Mistake
from dlnotes.optimization import adam, gradient_descent, momentum
from dlnotes.optimization.adam import State

Answer = Callable[..., Any]


def _vectors(rng: np.random.Generator, *names: str) -> dict[str, Any]:
    """Draw a vector for each name."""
    return {name: rng.normal(size=4) for name in names}


# --- optimization.gradient_descent ----------------------------------------------------

PENALTY = Exercise(
    name="write-optimization-gradient-descent-penalized-gradient",
    section="optimization.gradient_descent",
    task="Write `penalized_gradient(theta, gradient, *, weight_decay)`, arrays of one "
    "shape: `gradient` is that of a loss at `theta`. Return the gradient of the loss "
    "plus `weight_decay` times half the sum of the squares of the parameters.",
    hint="Differentiate the penalty with respect to one parameter.",
    solution=gradient_descent.penalized_gradient,
    inputs=lambda rng: {**_vectors(rng, "theta", "gradient"), "weight_decay": 0.3},
    mistakes=(
        Mistake(
            lambda theta, gradient, weight_decay: (
                gradient + weight_decay * theta**2 / 2
            ),
            "You add the penalty itself. What belongs there is its gradient, which is "
            "negative where the parameter is negative.",
        ),
        Mistake(
            lambda theta, gradient, weight_decay: gradient + 2 * weight_decay * theta,
            "Your penalty has twice the slope: the half in front of the squares "
            "cancels the 2 that comes down from them.",
        ),
        Mistake(
            lambda theta, gradient, weight_decay: gradient - weight_decay * theta,
            "You subtract the penalty's gradient. A step goes against the gradient, so "
            "the parameters would be pushed away from zero.",
        ),
        Mistake(
            lambda theta, gradient, weight_decay: (
                gradient + weight_decay * np.sign(theta)
            ),
            "That is the gradient of a penalty on absolute values: it pulls all "
            "parameters equally hard. The squares pull the larger ones harder.",
        ),
        Mistake(
            lambda _theta, gradient, weight_decay: (1 + weight_decay) * gradient,
            "You enlarge the gradient of the loss. The penalty knows nothing of the "
            "loss; its gradient depends on the parameters.",
        ),
    ),
)

STEP = Exercise(
    name="write-optimization-gradient-descent-update",
    section="optimization.gradient_descent",
    task="Write `update(theta, gradient, *, learning_rate)`, arrays of one shape: one "
    "step of gradient descent. Return the parameters after it.",
    hint="How far is the step, and which way, where the loss is twice as steep?",
    solution=gradient_descent.update,
    inputs=lambda rng: {**_vectors(rng, "theta", "gradient"), "learning_rate": 0.3},
    mistakes=(
        Mistake(
            lambda theta, gradient, learning_rate: theta + learning_rate * gradient,
            "You go uphill: the gradient points to where the loss grows.",
        ),
        Mistake(
            lambda theta, gradient, learning_rate: (
                theta - learning_rate * np.sign(gradient)
            ),
            "You use only the signs of the gradient, so all parameters move equally "
            "far. The step is long where the loss is steep.",
        ),
        Mistake(
            lambda theta, gradient, learning_rate: (
                theta - learning_rate * gradient / np.sqrt((gradient**2).sum())
            ),
            "You divide the gradient by its length. Then every step is equally long, "
            "near the minimum too, and none ever arrives there.",
        ),
        Mistake(
            lambda theta, gradient, learning_rate: (
                (1 - learning_rate) * theta - learning_rate * gradient
            ),
            "You shrink the parameters as well. That would be weight decay, and it is "
            "part of the gradient where it is wanted.",
        ),
        Mistake(
            lambda _theta, gradient, learning_rate: -learning_rate * gradient,
            "That is the step alone. Add it to where the parameters are.",
        ),
    ),
)


# --- optimization.momentum ------------------------------------------------------------


def _moving(rng: np.random.Generator) -> dict[str, Any]:
    """Draw parameters that move already."""
    return {
        **_vectors(rng, "theta", "v", "gradient"),
        "learning_rate": float(rng.uniform(0.05, 0.3)),
        "mu": float(rng.uniform(0.6, 0.9)),
    }


MOMENTUM = Exercise(
    name="write-optimization-momentum-update",
    section="optimization.momentum",
    task="Write `update(theta, v, gradient, *, learning_rate, mu)`, arrays of one "
    "shape: one step of gradient descent with momentum and no dampening. The velocity "
    "accumulates gradients, and the learning rate multiplies the velocity. Return "
    "`(theta, v)`.",
    hint="After many equal gradients g the velocity must settle at g / (1 - mu).",
    solution=momentum.update,
    inputs=_moving,
    mistakes=(
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta - learning_rate * (mu * v + (1 - mu) * gradient),
                mu * v + (1 - mu) * gradient,
            ),
            "You average the gradients, with weight 1 - mu on the new one. Momentum "
            "sums them; with your average the steps are smaller by the factor 1 - mu.",
            "SGD w/ momentum, https://github.com/HIPS/autograd/issues/289",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta - (mu * v + learning_rate * gradient),
                mu * v + learning_rate * gradient,
            ),
            "You keep the learning rate inside the velocity. That is the other common "
            "convention; the two agree only while the rate stays constant, and here "
            "the rate comes last.",
            "Add a note in the docs about the momentum formulation used in optim, "
            "https://github.com/pytorch/pytorch/issues/1099",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta - learning_rate * v,
                mu * v + gradient,
            ),
            "You move by the velocity from before this gradient, so each gradient acts "
            "one step late. Update the velocity first.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta + learning_rate * (mu * v + gradient),
                mu * v + gradient,
            ),
            "You go uphill. In this convention the velocity collects gradients as they "
            "are, so the parameters move against it.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                np.where(
                    v * gradient > 0, theta - learning_rate * (mu * v + gradient), theta
                ),
                mu * v + gradient,
            ),
            "You update only the parameters whose gradient agrees with the velocity. "
            "Momentum updates all of them: where signs alternate, the terms cancel by "
            "themselves.",
        ),
    ),
)

NESTEROV = Exercise(
    name="write-optimization-momentum-nesterov-update",
    section="optimization.momentum",
    task="Write `nesterov_update(theta, v, gradient, *, learning_rate, mu)`, arrays "
    "of one shape: Nesterov's method re-parameterized as in PyTorch, so that the "
    "gradient at `theta` itself is enough. The velocity sums gradients, and the step "
    "anticipates its next decay. Return `(theta, v)`.",
    hint="Ask what momentum would do next if the same gradient came again only in the "
    "velocity.",
    solution=momentum.nesterov_update,
    inputs=_moving,
    mistakes=(
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta - learning_rate * (mu * v + gradient),
                mu * v + gradient,
            ),
            "That is heavy-ball momentum. Nesterov's step adds to the gradient the new "
            "velocity once more decayed.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta - learning_rate * (gradient + (mu * v + gradient)),
                mu * v + gradient,
            ),
            "You add the new velocity without decaying it, so the gradient counts "
            "twice in full. In the step the velocity comes multiplied by mu.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta
                - learning_rate * ((1 + mu) * gradient + mu**2 * (mu * v + gradient)),
                mu * v + gradient,
            ),
            "You use the expanded form, with mu squared, but put the new velocity "
            "where the old one belongs: the new gradient is then counted a third time.",
            "NesterovAG implementation inconsistent with reference, "
            "https://github.com/chainer/chainer/issues/4274",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta - learning_rate * (gradient + mu * (mu * v + gradient)),
                gradient + mu * (mu * v + gradient),
            ),
            "Your step is right, but you store it as the velocity. The state is the "
            "plain accumulated velocity; the look-ahead is only for this step.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta
                - learning_rate * (gradient + mu * (mu * v + (1 - mu) * gradient)),
                mu * v + (1 - mu) * gradient,
            ),
            "You damp the new gradient by 1 - mu in the velocity. Nesterov's method "
            "sums gradients undamped; PyTorch refuses dampening together with it.",
        ),
    ),
)


# --- optimization.adam ----------------------------------------------------------------

Step = Callable[[Any, Any, int, float, float, float], Any]


def _running(rng: np.random.Generator, *, amsgrad: bool = False) -> dict[str, Any]:
    """Draw a run that has made a few steps."""
    state = State(
        m=rng.normal(size=4),
        v=rng.uniform(0.2, 2, size=4),
        t=int(rng.integers(2, 6)),
        v_max=np.array([0.3, 5.0, 6.0, 0.1]) if amsgrad else None,
    )
    return {
        **_vectors(rng, "theta", "gradient"),
        "state": state,
        "learning_rate": float(rng.uniform(0.01, 0.1)),
        "beta1": float(rng.uniform(0.6, 0.9)),
        "beta2": float(rng.uniform(0.91, 0.99)),
        "epsilon": 0.1,
    }


def _means(
    m: Any, v: Any, g: Any, beta1: float, beta2: float, *, raw: bool = True
) -> tuple[Any, Any]:
    m = beta1 * m + (1 - beta1) * g
    return m, beta2 * v + (1 - beta2) * (g if raw else g - m) ** 2


def _quotient(m: Any, v: Any, t: int, b1: float, b2: float, epsilon: float) -> Any:
    return m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + epsilon)


def _adam(step: Step, *, raw: bool = True, corrected: bool = False) -> Answer:
    """Step otherwise, track the variance, or keep the means as they are corrected."""

    def answer(
        theta: Any, gradient: Any, state: Any, learning_rate: float, **constants: float
    ) -> tuple[Any, Any]:
        b1, b2, epsilon = (constants[name] for name in ("beta1", "beta2", "epsilon"))
        m, v = _means(state.m, state.v, gradient, b1, b2, raw=raw)
        t = state.t + 1
        theta = theta - learning_rate * step(m, v, t, b1, b2, epsilon)
        if corrected:
            m, v = m / (1 - b1**t), v / (1 - b2**t)
        return theta, State(m, v, t)

    return answer


ADAM = Exercise(
    name="write-optimization-adam-update",
    section="optimization.adam",
    task="Write `update(theta, gradient, state, *, learning_rate, beta1, beta2, "
    "epsilon)`: one step of Adam. `state` is a `State` with the means `m` and `v` and "
    "the number `t` of steps made before this one. Return `(theta, state)`, the new "
    "state as it is to be kept for the next step.",
    hint="At the first step, with means of zero and a tiny epsilon, every parameter "
    "moves by the rate.",
    solution=adam.update,
    inputs=_running,
    mistakes=(
        Mistake(
            _adam(lambda m, v, _t, _b1, _b2, epsilon: m / (np.sqrt(v) + epsilon)),
            "You use the moments as they are. They start at zero and are too small at "
            "first, the two unequally so: divide each by what is missing.",
            "Missing bias correction in Adam variants, "
            "https://github.com/oxiglade/mlx-rs/issues/301",
        ),
        Mistake(
            _adam(lambda m, v, _t, *constants: _quotient(m, v, 1, *constants)),
            "Your correction is the same at every step: the betas are not raised to "
            "the power of the step. What is missing from the averages shrinks with "
            "time, and so must it.",
            "Adam optimizer bias correction formula, "
            "https://github.com/eriklindernoren/ML-From-Scratch/issues/35",
        ),
        Mistake(
            _adam(
                lambda m, v, t, b1, b2, epsilon: (
                    m / (1 - b1**t) / np.sqrt(v / (1 - b2**t) + epsilon)
                )
            ),
            "You put epsilon inside the square root. Adam adds it to the root; inside, "
            "1e-8 weighs as much as 1e-4 outside.",
            "Match paper for Adam implementation and make epsilon use more consistent, "
            "https://github.com/FluxML/Flux.jl/pull/448",
        ),
        Mistake(
            _adam(_quotient, corrected=True),
            "Your step is right, but you keep the corrected moments as the state. The "
            "next step would correct them again: correct copies, and keep the "
            "averages.",
            "Inplace bias correction, https://github.com/frgfm/holocron/issues/1",
        ),
        Mistake(
            _adam(lambda m, v, t, *constants: _quotient(m, v, t - 1, *constants)),
            "You correct with the number of steps before this one. The averages "
            "already contain the present gradient, so count it; at the first step you "
            "would divide by zero.",
            "Update Adam.java, https://github.com/deeplearning4j/nd4j/pull/1227",
        ),
        Mistake(
            _adam(_quotient, raw=False),
            "Your second moment is of distances from the mean. Adam keeps the raw "
            "moment, of the gradients themselves: it is no variance, whatever some "
            "texts call it.",
        ),
        Mistake(
            _adam(
                lambda m, v, t, b1, b2, epsilon: (
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


def _amsgrad(*, corrected: bool = False, decay: bool = False, keep: bool = True) -> Any:
    """Compare corrected means, decay the largest mean, or do not keep it."""

    def answer(
        theta: Any, gradient: Any, state: Any, learning_rate: float, **constants: float
    ) -> tuple[Any, Any]:
        b1, b2, epsilon = (constants[name] for name in ("beta1", "beta2", "epsilon"))
        m, v = _means(state.m, state.v, gradient, b1, b2)
        t = state.t + 1
        share = 1 - b2**t if corrected else 1.0
        decayed = b2 * state.v_max + (1 - b2) * gradient**2 if decay else state.v_max
        v_max = np.maximum(decayed, v / share)
        step = _quotient(m, v_max * share, t, b1, b2, epsilon)
        kept = v_max if keep else state.v_max
        return theta - learning_rate * step, State(m, v, t, kept)

    return answer


def _forgetful(
    theta: Any, gradient: Any, state: Any, *, learning_rate: float, **constants: float
) -> tuple[Any, Any]:
    """Take a step of Adam, and note the largest mean without using it."""
    theta, new = adam.update(
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
    theta, new = adam.update(
        theta, gradient, state, learning_rate=learning_rate, **constants
    )
    return theta, State(new.m, new.v_max, new.t, new.v_max)


AMSGRAD = Exercise(
    name="write-optimization-adam-amsgrad",
    section="optimization.adam",
    task="Write `update(theta, gradient, state, *, learning_rate, beta1, beta2, "
    "epsilon)`: one step of AMSGrad. `state` is a `State` with the means `m` and `v`, "
    "the number `t` of steps made before this one, and `v_max`, the largest `v` so "
    "far, element by element. Return `(theta, state)`, the new state as it is to be "
    "kept.",
    hint="Which of the two, `v` or `v_max`, goes on decaying?",
    solution=adam.update,
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
            _amsgrad(decay=True),
            "Your largest mean decays before it is compared. It must not forget: that "
            "is all that AMSGrad is about.",
        ),
        Mistake(
            _amsgrad(keep=False),
            "Your step is right, but the state that you return still has the largest "
            "mean of the step before.",
        ),
    ),
)

EXERCISES = (PENALTY, STEP, MOMENTUM, NESTEROV, ADAM, AMSGRAD)
