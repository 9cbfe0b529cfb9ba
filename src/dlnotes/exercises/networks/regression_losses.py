"""Losses for regression: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.regression_losses import huber, huber_gradient

SIZE = (
    "You compare the error itself with delta. An error far below zero is large as "
    "well: compare its size."
)


def _errors(rng: np.random.Generator) -> dict[str, Any]:
    """Draw predictions and targets of any shape, on both sides of delta and at it."""
    size = shape(rng)
    delta = float(rng.choice([0.5, 1.0, 2.0, round(10 ** rng.uniform(-2, 4), 2)]))
    error = np.where(rng.random(size) < 0.2, delta, delta * reals(rng, *size))
    error = error * rng.choice([-2.0, -1.0, 1.0, 2.0], size=size)
    y = rng.choice([0.0, 1.0, 100.0]) * rng.normal(size=size)
    return either(rng, {"y_hat": y + error, "y": y, "delta": delta})


def _pieces(y_hat: Any, y: Any, delta: float, near: Any, far: Any) -> Any:
    """Choose by the size of the error."""
    e = y_hat - y
    return np.where(np.abs(e) <= delta, near(e, delta), far(e, delta))


def _near(e: Any, _: float) -> Any:
    return e**2 / 2


def _far(e: Any, delta: float) -> Any:
    return delta * (np.abs(e) - delta / 2)


HUBER = Exercise(
    name="write-networks-regression-losses-huber",
    section="networks.regression_losses",
    task="Write `huber(y_hat, y, *, delta)`: predictions and targets are arrays of one "
    "shape; delta, above 0, is the error up to which the loss is half the squared "
    "error; beyond, it goes on as a line without a kink. Return the loss of each "
    "prediction, an array of the same shape.",
    solution=huber,
    inputs=_errors,
    mistakes=(
        Mistake(
            lambda y_hat, y, delta: _pieces(y_hat, y, delta, lambda e, _: e**2, _far),
            "Near zero you return the whole square. The loss is half of it, so that it "
            "meets the line at delta.",
        ),
        Mistake(
            lambda y_hat, y, delta: _pieces(
                y_hat, y, delta, _near, lambda e, d: d * np.abs(e)
            ),
            "Your loss jumps at delta: the line must be lowered by half the square of "
            "delta, to meet the parabola.",
        ),
        Mistake(
            lambda y_hat, y, delta: _pieces(
                y_hat, y, delta, _near, lambda e, d: np.abs(e) - d / 2
            ),
            "Beyond delta your line has the slope 1. The parabola arrives with the "
            "slope delta, and the line goes on with it.",
        ),
        Mistake(
            lambda y_hat, y, delta: _pieces(
                y_hat, y, delta, _near, lambda e, d: d * (np.abs(e) - 0.5)
            ),
            "The line is lowered by half of delta, which is right for delta 1 only. "
            "It takes half the square of delta.",
        ),
        Mistake(
            lambda y_hat, y, delta: _pieces(
                y_hat, y, delta, _near, lambda e, d: d * (e - d / 2)
            ),
            "Beyond delta the loss of a prediction that is too low comes out negative. "
            "The line takes the size of the error.",
        ),
        Mistake(
            lambda y_hat, y, delta: np.where(
                y_hat - y <= delta, _near(y_hat - y, delta), _far(y_hat - y, delta)
            ),
            SIZE,
        ),
        Mistake(
            lambda y_hat, y, delta: np.where(
                y - y_hat <= delta, _near(y_hat - y, delta), _far(y_hat - y, delta)
            ),
            SIZE,
        ),
        Mistake(
            lambda y_hat, y, delta: _near(y_hat - y, delta),
            "Your loss is half the square everywhere, as the larger of the two pieces "
            "is. Beyond delta it goes on along the line.",
        ),
        Mistake(
            lambda y_hat, y, delta: _far(y_hat - y, delta),
            "Your loss is the line everywhere, as the smaller of the two pieces is. Up "
            "to delta it is half the square.",
        ),
        Mistake(
            lambda y_hat, y, delta: 2 * huber(y_hat, y, delta=delta),
            "There is a factor 2 too many: the parabola is half the square, and the "
            "line has the slope delta.",
        ),
        Mistake(
            lambda y_hat, y, **_: huber(y_hat, y, delta=1.0),
            "You take delta for 1, whatever it is.",
        ),
        Mistake(
            lambda y_hat, y, delta: _pieces(y_hat, y, delta, _far, _near),
            "The pieces have changed places: the line is near zero and the parabola "
            "far out.",
        ),
        Mistake(
            lambda y_hat, y, delta: huber(y_hat, y, delta=delta) / delta,
            "You divide by delta. That is what PyTorch calls the smooth L1 loss; the "
            "Huber loss has the slope delta far out.",
        ),
        Mistake(
            lambda y_hat, y, delta: np.minimum(_near(y_hat - y, 0), delta**2 / 2),
            "Your loss stays the same beyond delta. It goes on rising, along a line.",
        ),
        Mistake(
            lambda y_hat, y, delta: delta**2 * (np.hypot(1, (y_hat - y) / delta) - 1),
            "That is the pseudo-Huber loss, which is smooth everywhere. Here a "
            "parabola and a line meet at delta.",
        ),
        Mistake(
            lambda y_hat, y, delta: np.mean(huber(y_hat, y, delta=delta)),
            "You return the mean. Each prediction has a loss of its own.",
        ),
        Mistake(
            lambda y_hat, y, delta: np.sum(huber(y_hat, y, delta=delta)),
            "You return the sum. Each prediction has a loss of its own.",
        ),
    ),
    hint="Half the square up to delta; beyond, each further unit costs delta.",
)

HUBER_GRADIENT = Exercise(
    name="write-networks-regression-losses-huber-gradient",
    section="networks.regression_losses",
    task="Write `huber_gradient(y_hat, y, *, delta)`: predictions and targets are "
    "arrays of one shape; delta is above 0. Return the derivative of each Huber loss "
    "with respect to its prediction, an array of the same shape.",
    solution=huber_gradient,
    inputs=_errors,
    mistakes=(
        Mistake(
            lambda y_hat, y, delta: -huber_gradient(y_hat, y, delta=delta),
            "The sign is turned round. A prediction that is too high has a positive "
            "derivative: prediction minus target.",
        ),
        Mistake(
            lambda y_hat, y, delta: np.clip(2 * (y_hat - y), -2 * delta, 2 * delta),
            "There is a factor 2 too many: the parabola is half the square.",
        ),
        Mistake(
            lambda y_hat, y, delta: _pieces(
                y_hat, y, delta, lambda e, _: e, lambda e, _: np.sign(e)
            ),
            "Far out you return the sign of the error, the slope of an absolute error. "
            "The line of this loss has the slope delta.",
        ),
        Mistake(
            lambda y_hat, y, delta: _pieces(
                y_hat, y, delta, lambda e, _: e, lambda e, d: d * np.ones_like(e)
            ),
            "Far out your derivative is delta on both sides. A prediction that is too "
            "low has a negative one.",
        ),
        Mistake(
            lambda y_hat, y, delta: np.minimum(y_hat - y, delta),
            "You cut off the errors above delta and not those below minus delta.",
        ),
        Mistake(
            lambda y_hat, y, delta: np.maximum(y_hat - y, -delta),
            "You cut off the errors below minus delta and not those above delta.",
        ),
        Mistake(
            lambda y_hat, y, **_: y_hat - y,
            "That is the derivative of half the squared error, whatever delta is. "
            "Beyond delta it stays the same.",
        ),
        Mistake(
            lambda y_hat, y, delta: _pieces(
                y_hat, y, delta, lambda e, _: e, lambda e, _: 0 * e
            ),
            "Far out your derivative is zero, as if the loss were flat there. It is a "
            "line that rises.",
        ),
        Mistake(
            lambda y_hat, y, delta: np.clip(y_hat - y, -delta, delta) / delta,
            "You divide by delta. That is the derivative of PyTorch's smooth L1 loss.",
        ),
        Mistake(
            lambda y_hat, y, **_: np.clip(y_hat - y, -1, 1),
            "You cut off at 1, whatever delta is.",
        ),
        Mistake(
            lambda y_hat, y, delta: (
                huber_gradient(y_hat, y, delta=delta) / max(1, np.size(y))
            ),
            "You divide by the number of predictions, which belongs to the mean of "
            "the losses. Here each loss has a derivative of its own.",
        ),
    ),
    hint="Near zero it is the error; far out it is the slope of the line.",
)

EXERCISES = (HUBER, HUBER_GRADIENT)
