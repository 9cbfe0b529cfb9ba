"""Mini-batches: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.optimization.minibatches import (
    epoch,
    minibatch_gradient,
    minibatch_variance,
)


def _regression(rng: np.random.Generator) -> dict[str, Any]:
    """Draw instances, one or several, with one input or several, and a linear model."""
    n, d = whole(rng, 1, 11), whole(rng, 1, 4)
    if rng.random() < 0.1:
        d = n  # where one axis can pass for another
    return {
        "X": reals(rng, n, d),
        "y": reals(rng, n),
        "w": reals(rng, d),
        "b": reals(rng),
    }


def _batch(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a mini-batch, in which an instance may stand twice."""
    case = _regression(rng)
    n = len(case["y"])
    batch = rng.permutation(n)[: whole(rng, 1, n)]
    if rng.random() < 0.3:
        batch = rng.integers(n, size=whole(rng, 1, n + 2))
    return either(rng, {**case, "batch": batch})


def _times(factor: Callable[[int, int], float]) -> Answer:
    """Scale the gradient by a factor of the numbers of all rows and of the batch's."""

    def answer(X: Any, y: Any, w: Any, b: Any, batch: Any) -> Any:
        scale = factor(len(X), len(batch))
        gradient_w, gradient_b = minibatch_gradient(X, y, w, b, batch)
        return scale * gradient_w, np.asarray(scale * gradient_b, dtype=X.dtype)

    return answer


GRADIENT = Exercise(
    name="write-optimization-minibatches-gradient",
    section="optimization.minibatches",
    task="Write `minibatch_gradient(X, y, w, b, batch)` for linear regression with the "
    "loss (x.w + b - y)^2 / 2 of an instance: inputs (n, d), targets (n,), weights "
    "(d,) and a bias (). The mini-batch are the rows whose indices are in `batch` "
    "(B,); an index may come twice, and then counts twice. Return the means over it of "
    "the gradients with respect to w and b, `(gradient_w, gradient_b)`, as large as w "
    "and b.",
    hint="A mini-batch with every row in it must give the gradient of the mean loss of "
    "the data.",
    solution=minibatch_gradient,
    inputs=_batch,
    mistakes=(
        Mistake(
            _times(lambda _n, size: size),
            "You sum the gradients of the mini-batch. Then the step grows with the "
            "batch size and the learning rate must be tuned anew for each; average "
            "instead.",
            "Chapter 4: mini-batch gradient descent, "
            "https://github.com/ageron/handson-ml/issues/179",
        ),
        Mistake(
            _times(lambda n, size: size / n),
            "You divide by the number of rows in the data set. The mini-batch has "
            "fewer, so your gradient is too small by their ratio.",
        ),
        Mistake(
            lambda X, y, w, b, batch: (
                minibatch_gradient(X, y, w, b, batch)[0] * len(batch) / X.shape[1],
                minibatch_gradient(X, y, w, b, batch)[1],
            ),
            "You divide the gradient of w by the number of inputs. The mean is over "
            "the rows of the mini-batch.",
        ),
        Mistake(
            lambda X, y, w, b, _batch: minibatch_gradient(
                X, y, w, b, np.arange(len(X))
            ),
            "You use every row. The rows of the mini-batch are those that batch names.",
        ),
        Mistake(
            lambda X, y, w, b, batch: minibatch_gradient(X, y, w, b, np.unique(batch)),
            "You count a row once that batch names twice. Drawn with replacement, it "
            "belongs to the mean as often as it was drawn.",
        ),
        Mistake(
            lambda X, y, w, b, batch: minibatch_gradient(
                X, y, w, b, np.arange(len(batch))
            ),
            "You take the first rows, as many as the mini-batch has. batch says which "
            "ones they are.",
        ),
        Mistake(
            _times(lambda _n, _size: -1),
            "Your gradient has the wrong sign, as if the error were target minus "
            "prediction. The derivative of the prediction with respect to w is x, so "
            "it is the other way round.",
        ),
        Mistake(
            _times(lambda _n, _size: 2),
            "Your gradient is twice too large: the loss here carries a half, which "
            "cancels the 2 that comes down from the square.",
        ),
        Mistake(
            lambda X, y, w, b, batch: minibatch_gradient(
                X, y, w, np.zeros_like(b), batch
            ),
            "You leave the bias out of the prediction. The error that both gradients "
            "are made of has it.",
        ),
    ),
)


def _pass(rng: np.random.Generator) -> dict[str, Any]:
    """Draw an order, a batch size that divides the rows or does not, and a rate."""
    case = _regression(rng)
    n = len(case["y"])
    rate = rng.choice([0.05, 0.1, 0.3]) / max(1.0, np.square(case["X"]).max())
    case |= {"order": rng.permutation(n), "batch_size": whole(rng, 1, n + 1)}
    return either(rng, {**case, "learning_rate": float(rate)})


def _steps(step: Callable[..., Any]) -> Answer:
    """Go through the mini-batches with another step."""

    def answer(
        X: Any, y: Any, w: Any, b: Any, order: Any, **settings: Any
    ) -> tuple[Any, Any]:
        size, rate = settings["batch_size"], settings["learning_rate"]
        for start in range(0, len(X), size):
            batch = order[start : start + size]
            w, b = step(X, y, w, b, batch, rate, size)
        return w, np.asarray(b)

    return answer


def _one_after_the_other(
    X: Any, y: Any, w: Any, b: Any, batch: Any, rate: float, _size: int
) -> Any:
    """Step with the weights, and with the bias after it."""
    w = w - rate * minibatch_gradient(X, y, w, np.asarray(b), batch)[0]
    return w, b - rate * minibatch_gradient(X, y, w, np.asarray(b), batch)[1]


def _fixed_divisor(
    X: Any, y: Any, w: Any, b: Any, batch: Any, rate: float, size: int
) -> Any:
    """Divide each mini-batch by the same number."""
    share = rate * len(batch) / size
    gradient_w, gradient_b = minibatch_gradient(X, y, w, np.asarray(b), batch)
    return w - share * gradient_w, b - share * gradient_b


def _summed(X: Any, y: Any, w: Any, b: Any, batch: Any, rate: float, _size: int) -> Any:
    """Sum over the mini-batch."""
    return _fixed_divisor(X, y, w, b, batch, rate, 1)


def _uphill(X: Any, y: Any, w: Any, b: Any, batch: Any, rate: float, _size: int) -> Any:
    """Go along the gradient."""
    return _fixed_divisor(X, y, w, b, batch, -rate, len(batch))


def _stale(X: Any, y: Any, w: Any, b: Any, order: Any, **settings: Any) -> Any:
    """Take all gradients where the epoch began."""
    size, rate = settings["batch_size"], settings["learning_rate"]
    new_w, new_b = w, b
    for start in range(0, len(X), size):
        gradients = minibatch_gradient(X, y, w, b, order[start : start + size])
        new_w, new_b = new_w - rate * gradients[0], new_b - rate * gradients[1]
    return new_w, np.asarray(new_b)


def _drop_last(X: Any, y: Any, w: Any, b: Any, order: Any, **settings: Any) -> Any:
    """Leave out the mini-batch that is not full."""
    kept = order[: len(X) // settings["batch_size"] * settings["batch_size"]]
    return epoch(X[kept], y[kept], w, b, np.arange(len(kept)), **settings)


EPOCH = Exercise(
    name="write-optimization-minibatches-epoch",
    section="optimization.minibatches",
    task="Write `epoch(X, y, w, b, order, *, batch_size, learning_rate)`: one pass of "
    "mini-batch gradient descent on the loss (x.w + b - y)^2 / 2, averaged over each "
    "mini-batch, for inputs (n, d), targets (n,), weights (d,) and a bias (). `order` "
    "is a permutation of the rows; take batch_size of them at a time, the last "
    "mini-batch being smaller where n does not divide. Return `(w, b)`. You may call "
    "`minibatch_gradient` of the section.",
    hint="Every mini-batch meets the parameters that the one before it has left.",
    solution=epoch,
    inputs=_pass,
    mistakes=(
        Mistake(
            _drop_last,
            "You leave out the last, smaller mini-batch. Its rows belong to the epoch "
            "too.",
        ),
        Mistake(
            lambda X, y, w, b, order, **settings: epoch(
                X[order], y, w, b, np.arange(len(X)), **settings
            ),
            "You shuffle the inputs but not the targets, so each row is trained on the "
            "answer of another. The same permutation must go to both.",
            "Incomplete randomization, "
            "https://github.com/DrexelChatbotGroup/DrexelChatbot/issues/15",
        ),
        Mistake(
            _stale,
            "You compute all gradients of the epoch at the parameters it started from. "
            "That is one long batch step cut into pieces; each mini-batch must use the "
            "updated parameters.",
        ),
        Mistake(
            lambda X, y, w, b, _order, **settings: epoch(
                X, y, w, b, np.arange(len(X)), **settings
            ),
            "You go through the rows as they are stored. order says which rows come "
            "together.",
        ),
        Mistake(
            _steps(_fixed_divisor),
            "You divide the last mini-batch by batch_size although it has fewer rows, "
            "so these count for less than the others. Divide by the number of rows "
            "that are there.",
            "incorrect mean cross entropy when batch sizes vary, "
            "https://github.com/rinuboney/ladder/issues/5",
        ),
        Mistake(
            _steps(_one_after_the_other),
            "You update w first and compute the gradient of b with the new w. Both "
            "belong to one gradient at one point: compute them, then update both.",
        ),
        Mistake(
            _steps(_summed),
            "You sum the gradients of a mini-batch. Then a step is as many times "
            "longer as it has rows; average instead.",
        ),
        Mistake(
            _steps(_uphill),
            "You go uphill: a step goes against the gradient.",
        ),
        Mistake(
            lambda X, y, w, b, order, batch_size, learning_rate: epoch(
                X,
                y,
                w,
                b,
                order,
                batch_size=max(batch_size, len(X)),
                learning_rate=learning_rate,
            ),
            "You take one step with all rows. An epoch has a step for each mini-batch.",
        ),
    ),
)


def _gradients(rng: np.random.Generator) -> dict[str, Any]:
    """Draw gradients of any shape, and a size from one to all."""
    n = whole(rng, 1, 8)
    axes = [whole(rng, 1, 3) for _ in range(whole(rng, 0, 2))]
    gradients = reals(rng, n, *axes)  # away from zero, but not by more than they vary
    gradients = gradients + rng.choice([0.0, 2.0]) * np.abs(gradients).max()
    return either(rng, {"gradients": gradients, "batch_size": whole(rng, 1, n)})


def _variance(
    one: Callable[[int, int], float], many: Callable[[int, int], float], ddof: int = 0
) -> Answer:
    """Give the variance of the mean with other factors: put back, and not."""

    def answer(gradients: Any, batch_size: int) -> Any:
        n = len(gradients)
        spread = np.var(gradients, axis=0, ddof=min(ddof, n - 1))
        first = spread * gradients.dtype.type(one(n, batch_size))
        return first, first * gradients.dtype.type(many(n, batch_size))

    return answer


def _share(_n: int, size: int) -> float:
    """Return what the mean over a mini-batch makes of a variance."""
    return 1 / size


def _finite(n: int, size: int) -> float:
    """Return the factor for instances that are not put back."""
    return (n - size) / max(n - 1, 1)


VARIANCE = Exercise(
    name="write-optimization-minibatches-variance",
    section="optimization.minibatches",
    task="Write `minibatch_variance(gradients, *, batch_size)`: `gradients` (n, ...) "
    "has the gradient of instance i in row i. Return the variance of the mean gradient "
    "of a random mini-batch of that size, from 1 to n, for each entry, as a tuple of "
    "two arrays (...): the mini-batch drawn with replacement, and without. With one "
    "row there is no variance.",
    hint="Without replacement a mini-batch of all n rows has no variance left.",
    solution=minibatch_variance,
    inputs=_gradients,
    mistakes=(
        Mistake(
            _variance(lambda _n, size: size, _finite),
            "That is the variance of the sum of the mini-batch, which grows with its "
            "size. The variance of the mean falls with it.",
        ),
        Mistake(
            _variance(lambda _n, size: size**-0.5, _finite),
            "You divide by the square root of the size. That is how the standard "
            "deviation falls; the variance is its square.",
        ),
        Mistake(
            _variance(_share, lambda _n, _size: 1),
            "Drawing without replacement makes no difference in your answer. Rows "
            "cannot repeat then, which lowers the variance, down to zero for a "
            "mini-batch of all rows.",
        ),
        Mistake(
            _variance(_share, _finite, ddof=1),
            "You estimate the variance of a wider population from the rows (n - 1 in "
            "the divisor). Here the n rows are the whole population the mini-batches "
            "are drawn from.",
        ),
        Mistake(
            _variance(_share, lambda n, size: (n - size) / n),
            "Your factor for drawing without replacement has n below where n - 1 "
            "belongs. A mini-batch of one row is drawn the same way in both cases, so "
            "there it must be 1.",
        ),
        Mistake(
            lambda gradients, batch_size: minibatch_variance(
                gradients, batch_size=batch_size
            )[::-1],
            "Both variances are right, but they come in the other order: first with "
            "replacement, then without.",
        ),
        Mistake(
            lambda gradients, batch_size: tuple(
                np.sqrt(each)
                for each in minibatch_variance(gradients, batch_size=batch_size)
            ),
            "You return standard deviations. The variances are their squares.",
        ),
    ),
)

EXERCISES = (GRADIENT, EPOCH, VARIANCE)
