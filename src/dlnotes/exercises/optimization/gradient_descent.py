"""Gradient descent: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.optimization.gradient_descent import penalized_gradient, update


def _point(rng: np.random.Generator, setting: str) -> dict[str, Any]:
    """Draw parameters, a gradient, and a setting."""
    size = shape(rng)
    case = {"theta": reals(rng, *size), "gradient": reals(rng, *size)}
    return either(rng, {**case, setting: float(rng.uniform(0.05, 1.5))})


PENALTY = Exercise(
    name="write-optimization-gradient-descent-penalized-gradient",
    section="optimization.gradient_descent",
    task="Write `penalized_gradient(theta, gradient, *, weight_decay)`, arrays of one "
    "shape: `gradient` is that of a loss at `theta`. Return the gradient of the loss "
    "plus `weight_decay` times half the sum of the squares of the parameters.",
    hint="Differentiate the penalty with respect to one parameter.",
    solution=penalized_gradient,
    inputs=lambda rng: _point(rng, "weight_decay"),
    mistakes=(
        Mistake(
            lambda theta, gradient, weight_decay: (
                gradient + weight_decay * theta**2 / 2
            ),
            "You add the penalty itself. What belongs there is its gradient, which is "
            "negative where the parameter is negative.",
        ),
        Mistake(
            lambda theta, gradient, weight_decay: (
                gradient + weight_decay * (theta**2).sum() / 2
            ),
            "You add the whole penalty, one number, to every entry. What belongs there "
            "is its gradient, which has an entry of its own for each parameter.",
        ),
        Mistake(
            lambda theta, gradient, weight_decay: gradient + weight_decay * theta**2,
            "You multiply by the squares of the parameters. They are the penalty; what "
            "belongs there is the derivative of half of each.",
        ),
        Mistake(
            lambda theta, gradient, weight_decay: gradient + weight_decay * theta / 2,
            "Your penalty has half the slope: to differentiate a square brings down a "
            "2, and that cancels the half in front of it.",
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
            lambda theta, gradient, _decay: gradient + theta,
            "You do not use the weight decay: it says how strong the penalty is, and "
            "multiplies its gradient.",
        ),
        Mistake(
            lambda theta, _gradient, weight_decay: weight_decay * theta,
            "That is the gradient of the penalty alone. Add it to that of the loss.",
        ),
        Mistake(
            lambda theta, gradient, weight_decay: theta + weight_decay * gradient,
            "You multiply the wrong one: the weight decay belongs to the parameters, "
            "and the gradient of the loss stays as it is.",
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
    summary="Take one step of gradient descent.",
    solution=update,
    inputs=lambda rng: _point(rng, "learning_rate"),
    mistakes=(
        Mistake(
            lambda theta, gradient, learning_rate: theta + learning_rate * gradient,
            "You go uphill: the gradient points to where the loss grows.",
        ),
        Mistake(
            lambda theta, gradient, _rate: theta - gradient,
            "You do not use the learning rate: the step is the gradient multiplied by "
            "it.",
        ),
        Mistake(
            lambda theta, gradient, learning_rate: (
                theta - learning_rate * gradient.mean()
            ),
            "You move all parameters by the mean of the gradient. Each parameter moves "
            "by its own entry.",
        ),
        Mistake(
            lambda theta, gradient, learning_rate: (
                theta - learning_rate * gradient.sum()
            ),
            "You move all parameters by the sum of the gradient. Each parameter moves "
            "by its own entry.",
        ),
        Mistake(
            lambda theta, gradient, learning_rate: (
                theta - learning_rate * gradient / gradient.size
            ),
            "You divide the gradient by the number of parameters. A mean over "
            "instances, if there is one, is part of the gradient already.",
        ),
        Mistake(
            lambda theta, gradient, learning_rate: gradient - learning_rate * theta,
            "You have the two in each other's place: the parameters are where the step "
            "begins, and the gradient is what the learning rate multiplies.",
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

EXERCISES = (STEP, PENALTY)
