"""Momentum: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.optimization.momentum import update


def moving(rng: np.random.Generator) -> dict[str, Any]:
    """Draw parameters that move already."""
    size = shape(rng)
    case = {name: reals(rng, *size) for name in ("theta", "v", "gradient")}
    rate, mu = float(rng.uniform(0.05, 1.5)), float(rng.choice([0.0, 0.5, 0.9, 0.99]))
    return either(rng, {**case, "learning_rate": rate, "mu": mu})


def stepped(
    theta: Any, v: Any, gradient: Any, learning_rate: float, mu: float
) -> tuple[Any, Any]:
    """Take a step of momentum."""
    v = mu * v + gradient
    return theta - learning_rate * v, v


def looked(
    theta: Any, v: Any, gradient: Any, learning_rate: float, mu: float
) -> tuple[Any, Any]:
    """Take a step of Nesterov's momentum."""
    v = mu * v + gradient
    return theta - learning_rate * (gradient + mu * v), v


def old_velocity(step: Answer) -> Mistake:
    """Take the right step, and forget the velocity that it was taken with."""
    return Mistake(
        lambda theta, v, gradient, learning_rate, mu: (
            step(theta, v, gradient, learning_rate, mu)[0],
            v,
        ),
        "Your step is right, but you return the velocity of before. The next step "
        "would not know of this gradient.",
    )


MOMENTUM = Exercise(
    name="write-optimization-momentum-update",
    section="optimization.momentum",
    task="Write `update(theta, v, gradient, *, learning_rate, mu)`, arrays of one "
    "shape: one step of gradient descent with momentum and no dampening. The velocity "
    "accumulates gradients, and the learning rate multiplies the velocity. Return "
    "`(theta, v)`.",
    hint="After many equal gradients g the velocity must settle at g / (1 - mu).",
    summary="Take one step of momentum.",
    solution=update,
    inputs=moving,
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
            lambda *given: stepped(*given)[::-1],
            "Your step is right, but the results come in the other order: first the "
            "parameters, then the velocity.",
        ),
        Mistake(
            lambda theta, v, gradient, _rate, mu: (
                theta - (mu * v + gradient),
                mu * v + gradient,
            ),
            "You do not use the learning rate: the step is the velocity multiplied by "
            "it.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta - learning_rate * (mu * v - gradient),
                mu * v - gradient,
            ),
            "You subtract the gradient from the velocity and the velocity from the "
            "parameters. The two signs cancel, so the gradient leads uphill.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta + learning_rate * (mu * v - gradient),
                mu * v - gradient,
            ),
            "Your velocity points downhill: it collects gradients with a minus sign. "
            "Some texts have it so, but the velocity that you are given, and that is "
            "wanted, is a sum of gradients with a plus sign.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta + (mu * v - learning_rate * gradient),
                mu * v - learning_rate * gradient,
            ),
            "You keep the last step as the state: it has the learning rate and a minus "
            "sign in it. Some texts have it so; here the velocity is a sum of plain "
            "gradients, and rate and sign come when the parameters are moved.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, _mu: (
                theta - learning_rate * (v + gradient),
                v + gradient,
            ),
            "You do not use mu, so the velocity forgets nothing. Multiply the old one "
            "by mu before you add the gradient.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta - learning_rate * (v + mu * gradient),
                v + mu * gradient,
            ),
            "You multiply the gradient by mu. It belongs to the old velocity, which is "
            "what is to be forgotten little by little.",
        ),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta - learning_rate * mu * (v + gradient),
                mu * (v + gradient),
            ),
            "You multiply the sum of the old velocity and the gradient by mu. Only the "
            "old velocity decays; the new gradient counts in full.",
        ),
        old_velocity(stepped),
        Mistake(
            lambda theta, v, gradient, learning_rate, mu: (
                theta - learning_rate * gradient,
                mu * v + gradient,
            ),
            "You update the velocity and then step along the gradient, as gradient "
            "descent does. Step along the velocity.",
        ),
        Mistake(
            looked,
            "That is Nesterov's step: it adds the new velocity, decayed once more, to "
            "the gradient. Here the parameters move along the velocity itself.",
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

EXERCISES = (MOMENTUM,)
