"""Nesterov momentum: what to write, and the mistakes made there."""

from collections.abc import Callable
from math import ceil, log10
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.exercises.optimization.momentum import (
    looked,
    moving,
    old_velocity,
    stepped,
)
from dlnotes.optimization.nesterov import look_ahead_update, update

Gradient = Callable[[Any], Any]


def _jumping(rng: np.random.Generator) -> dict[str, Any]:
    """Draw parameters, their last step, and a loss by its gradient."""
    size = shape(rng)
    drawn = rng.uniform((0.5, 0.1, -1), (2, 0.3, 1)).round(1)
    curvature, cubic, slope = drawn.tolist()
    numbers = reals if np.prod(size) > 1 else _simple
    case = {
        "theta": numbers(rng, *size),
        "u": numbers(rng, *size),
        "learning_rate": round(rng.uniform(0.05, 0.5), 2),
        "mu": float(rng.choice([0.0, 0.5, 0.9, 0.99])),
    }
    largest = max(float(np.abs(case[name]).max()) for name in ("theta", "u"))
    bend = cubic / 10 ** ceil(log10(max(1.0, largest)))

    def gradient(x: Any) -> Any:
        return curvature * x + bend * x * abs(x) + slope

    sign = "-" if slope < 0 else "+"
    gradient.__name__ = f"{curvature:g} x + {bend:g} x |x| {sign} {abs(slope):g}"
    return {**either(rng, case), "gradient": gradient}


def _simple(rng: np.random.Generator, *size: int) -> Any:
    """Draw numbers that a reader can compute with."""
    return np.asarray(np.round(rng.uniform(-3, 3, size), 1))


def _jump(
    where: Callable[[Any, Any, float], Any] = lambda theta, u, mu: theta + mu * u,
    move: Callable[[Any, Any, Any, float], Any] = lambda theta, _u, new, _mu: (
        theta + new
    ),
    *,
    kept: float = 1.0,
    sign: int = -1,
    keep: Callable[[Any, Any, float], Any] = lambda _u, new, _mu: new,
) -> Answer:
    """Take the gradient elsewhere, move otherwise, or keep another step."""

    def answer(
        theta: Any, u: Any, gradient: Gradient, learning_rate: float, mu: float
    ) -> tuple[Any, Any]:
        slope = gradient(where(theta, u, mu))
        new = mu * u * kept + sign * learning_rate * slope
        return move(theta, u, new, mu), keep(u, new, mu)

    return answer


def _undecayed(
    theta: Any, u: Any, gradient: Gradient, learning_rate: float, mu: float
) -> tuple[Any, Any]:
    u = u - learning_rate * gradient(theta + mu * u)
    return theta + u, u


LOOK_AHEAD = Exercise(
    name="write-optimization-nesterov-look-ahead-update",
    section="optimization.nesterov",
    task="Write `look_ahead_update(theta, u, gradient, *, learning_rate, mu)`: one "
    "step of Nesterov's momentum in its look-ahead form. `theta` and `u` are arrays of "
    "one shape, `u` is the step made last time, and `gradient` is a function that "
    "returns the gradient at any point. What is left of the last step is `mu` times "
    "it. Return `(theta, u)`, the parameters and the step that led to them.",
    hint="Jump first, look around there, and correct the jump you have made.",
    solution=look_ahead_update,
    inputs=_jumping,
    mistakes=(
        Mistake(
            _jump(lambda theta, _u, _mu: theta),
            "You take the gradient where the parameters are. That is classic momentum; "
            "Nesterov's method looks at the point where the last step is about to "
            "carry them.",
        ),
        Mistake(
            _jump(lambda theta, u, _mu: theta + u),
            "You look ahead by the whole last step. Only mu times it will be carried "
            "over, so that is how far to look.",
        ),
        Mistake(
            _jump(lambda theta, u, mu: theta - mu * u),
            "You look back instead of ahead. The step is added to the parameters, so "
            "the look-ahead point has the same sign.",
        ),
        Mistake(
            _jump(move=lambda theta, u, new, mu: theta + mu * u + new),
            "You make the jump twice: from the look-ahead point you add a step that "
            "already contains it. The look-ahead point is only for the gradient.",
        ),
        Mistake(
            _jump(move=lambda theta, u, new, mu: theta + new - mu * u),
            "You apply the correction but not the jump: the parameters move by the "
            "whole new step, not only by the gradient's part of it.",
        ),
        Mistake(
            _jump(keep=lambda u, _new, _mu: u),
            "Your parameters are right, but you return the step of before. The next "
            "step would be carried on by the wrong one.",
        ),
        Mistake(
            _jump(keep=lambda u, new, mu: new - mu * u),
            "Your parameters are right, but of the step you return the gradient's part "
            "only. What is left of the last step belongs to it: the parameters moved "
            "by both.",
        ),
        Mistake(
            _undecayed,
            "You look ahead by mu times the last step, and then make the whole of it. "
            "What is made is what was looked at: mu times the last step.",
        ),
        Mistake(
            _jump(sign=1),
            "You go uphill: the gradient's part of the step is to be subtracted.",
        ),
        Mistake(
            _jump(
                lambda theta, _u, _mu: theta,
                move=lambda theta, _u, new, _mu: theta + new,
                kept=0.0,
            ),
            "You take a step of gradient descent: neither the gradient nor the step "
            "knows of the last one.",
        ),
        Mistake(
            lambda *given: look_ahead_update(
                *given[:3], learning_rate=given[3], mu=given[4]
            )[::-1],
            "Your step is right, but the results come in the other order: first the "
            "parameters, then the step.",
        ),
    ),
)

NESTEROV = Exercise(
    name="write-optimization-nesterov-update",
    section="optimization.nesterov",
    task="Write `update(theta, v, gradient, *, learning_rate, mu)`, arrays "
    "of one shape: one step of Nesterov's momentum in PyTorch's form, which needs the "
    "gradient at `theta` only. The velocity is updated as in momentum. The parameters "
    "then move against the sum of the gradient and the new velocity, decayed once "
    "more. Return `(theta, v)`.",
    hint="Check two cases. From a velocity of zero the parameters move by "
    "learning_rate * (1 + mu) * gradient. After many equal gradients g they move by "
    "learning_rate * g / (1 - mu), as far as with momentum.",
    solution=update,
    inputs=moving,
    mistakes=(
        Mistake(
            stepped,
            "That is heavy-ball momentum. Nesterov's step adds to the gradient the new "
            "velocity once more decayed.",
        ),
        Mistake(
            lambda *given: looked(*given)[::-1],
            "Your step is right, but the results come in the other order: first the "
            "parameters, then the velocity.",
        ),
        Mistake(
            lambda theta, v, gradient, _rate, mu: looked(theta, v, gradient, 1.0, mu),
            "You do not use the learning rate: it multiplies all of the step.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: looked(
                theta, v, gradient, -learning_rate, mu
            ),
            "You go uphill: the velocity collects gradients as they are, so the "
            "parameters move against it.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta - learning_rate * mu * (mu * v + gradient),
                mu * v + gradient,
            ),
            "You step along the decayed velocity alone. The gradient itself is to be "
            "added to it.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta - learning_rate * (1 + mu) * (mu * v + gradient),
                mu * v + gradient,
            ),
            "You take momentum's step, along the new velocity, and then look ahead "
            "along it as well. The look-ahead comes in place of that step: the decayed "
            "velocity is added to the gradient, not to the velocity.",
        ),
        old_velocity(looked),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta
                + mu * (mu * v - learning_rate * gradient)
                - learning_rate * gradient,
                mu * v - learning_rate * gradient,
            ),
            "You keep the last step as the state: it has the learning rate and a minus "
            "sign in it. Some texts have it so; here the velocity is a sum of plain "
            "gradients, and rate and sign come when the parameters are moved.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta
                - mu * (mu * v + learning_rate * gradient)
                - learning_rate * gradient,
                mu * v + learning_rate * gradient,
            ),
            "You keep the learning rate inside the velocity. Here the velocity is a "
            "sum of plain gradients, and the rate multiplies all of the step.",
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

EXERCISES = (LOOK_AHEAD, NESTEROV)
