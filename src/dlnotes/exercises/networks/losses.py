"""Losses: what to write, and the mistakes made there."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import single, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.losses import (
    cross_entropy,
    cross_entropy_gradient,
    log_softmax,
    softmax,
)

OVERFLOW = (
    "The exponential of a large logit overflows and the result is not a number. A "
    "softmax does not change when the same number is subtracted from all logits of a "
    "row: choose it so that nothing overflows."
)
SMALL_NUMBER = (
    "A small number inside the logarithm, or a limit below which no probability may "
    "fall, hides how wrong a confident mistake is: the loss cannot exceed a few dozen. "
    "Compute the logarithm of the softmax directly."
)
COLUMNS = (
    "Your softmax adds over the instances. An instance is a row, and its probabilities "
    "add up to one: sum along axis 1."
)
WHOLE = (
    "Your softmax adds over the whole array. Each instance, a row, has probabilities "
    "of its own, which add up to one."
)
LARGEST_OF_ALL = (
    "You subtract the largest logit of the whole array. A row far below it is left "
    "with exponentials that are all rounded to zero. Subtract the largest of each row."
)


def _large_logits(rng: np.random.Generator) -> dict[str, Any]:
    """Draw logits, of which some would overflow or underflow but for the first row.

    In some rows one class lies 1800 above or below all others, so that no number but
    the largest logit can be subtracted and a wrong class may have all the probability.
    In single precision they are small, for not every right formula keeps its digits.
    """
    instances, classes = whole(rng, 1, 6), whole(rng, 1, 5)
    logits = rng.normal(size=(instances, classes)) * rng.choice([1.0, 1.0, 1e-5])
    logits = np.where(rng.random(logits.shape) < 0.1, 0.0, logits)
    labels = rng.integers(classes, size=instances)
    if rng.random() < 1 / 6:
        return single({"logits": logits, "labels": labels})
    shift = rng.choice([0.0, 0.0, 900.0, -900.0], size=instances)
    lead = rng.choice([0.0, 0.0, 40.0, 1800.0, -1800.0], size=instances)
    shift = np.where(np.abs(lead) > 40, -lead / 2, shift)
    shift[0] = lead[0] = 0.0
    logits[np.arange(instances), rng.integers(classes, size=instances)] += lead
    return {"logits": logits + shift[:, None], "labels": labels}


def _overflowing_softmax(logits: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def _negative_log(p: Any, labels: Any) -> Any:
    with np.errstate(all="ignore"):
        return -np.log(_right(p, labels))


def _plain_log_sum_exp(logits: Any, labels: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.log(np.exp(logits).sum(axis=1)) - _right(logits, labels)


def _right(values: Any, labels: Any) -> Any:
    """Pick the value of the right class of each instance."""
    return values[np.arange(len(labels)), labels]


def _shared_softmax(logits: Any, axis: int | None) -> Any:
    """Add over the instances, or over all, after a shift that is the same for all."""
    e = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _softmax_below_the_largest_of_all(logits: Any) -> Any:
    e = np.exp(logits - logits.max())
    with np.errstate(all="ignore"):
        return e / e.sum(axis=1, keepdims=True)


def _log_sum_exp_below_the_largest_of_all(logits: Any, labels: Any) -> Any:
    below = logits - logits.max()
    with np.errstate(all="ignore"):
        return np.log(np.exp(below).sum(axis=1)) - _right(below, labels)


def _others_too(logits: Any, labels: Any) -> Any:
    """Add the losses of all classes, as if each were a question of its own."""
    p = softmax(logits)
    with np.errstate(all="ignore"):
        each = np.where(_one_hot(logits, labels) == 1, np.log(p), np.log1p(-p))
    return -each.sum(axis=1)


def _one_hot(logits: Any, labels: Any) -> Any:
    return np.eye(logits.shape[1])[labels]


def _softened(logits: Any, labels: Any, *, least: float, at_least: bool) -> Any:
    """Add a small number to the probabilities, or let none be smaller than it."""
    p = softmax(logits)
    return _negative_log(np.maximum(p, least) if at_least else p + least, labels)


def _by_probability(p: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.where(y == 1, -1 / p, 0.0)


def _ones_in_columns(logits: Any, labels: Any) -> Any:
    gradient = softmax(logits)
    gradient[:, labels] -= 1
    return gradient


def _below_the_least(logits: Any, labels: Any) -> Any:
    above = logits - logits.min(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        sums = np.log(np.exp(above).sum(axis=1))
    return sums - _right(above, labels)


def _gradient(rule: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Write a gradient by the probabilities and the targets."""

    def wrong(logits: Any, labels: Any) -> Any:
        return rule(softmax(logits), _one_hot(logits, labels))

    return wrong


CROSS_ENTROPY = Exercise(
    name="write-networks-losses-cross-entropy",
    section="networks.losses",
    task="Write `cross_entropy(logits, labels)`: logits (instances, classes) are "
    "numbers of any size, 900 included; labels (instances,) the right classes. "
    "Return the cross-entropy of each instance in nats, an array (instances,).",
    solution=cross_entropy,
    inputs=_large_logits,
    mistakes=(
        Mistake(
            lambda logits, labels: _negative_log(_overflowing_softmax(logits), labels),
            OVERFLOW,
            "tf.nn.softmax overflow due to exp(x), "
            "https://github.com/tensorflow/tensorflow/issues/10142",
        ),
        Mistake(
            lambda logits, labels: _negative_log(softmax(logits), labels),
            "The loss becomes infinite where another class is far ahead. You take the "
            "logarithm of a probability, which is rounded to zero there, or you "
            "subtract another number than the largest logit. Write the logarithm of "
            "the softmax as a difference, without the quotient.",
        ),
        Mistake(
            _below_the_least,
            "You subtract the smallest logit of each row, and the exponential of the "
            "largest still overflows. Subtract the largest.",
        ),
        Mistake(
            _plain_log_sum_exp,
            "The loss becomes infinite where a logit is large: its exponential "
            "overflows. The difference is the right one, but subtract the largest "
            "logit of each row first, in both terms.",
        ),
        Mistake(_log_sum_exp_below_the_largest_of_all, LARGEST_OF_ALL),
        Mistake(
            lambda logits, labels: _negative_log(softmax(logits) + 1e-9, labels),
            SMALL_NUMBER,
            "Stable SoftmaxCrossEntropy, https://github.com/chainer/chainer/issues/584",
        ),
        *(
            Mistake(partial(_softened, least=least, at_least=at_least), SMALL_NUMBER)
            for least in (1e-12, 1e-15)
            for at_least in (False, True)
        ),
        Mistake(
            lambda logits, labels: -cross_entropy(logits, labels),
            "The sign is turned round. The logarithm of a probability is negative; the "
            "loss is minus that, and never below zero.",
        ),
        Mistake(
            lambda logits, labels: -_right(softmax(logits), labels),
            "The logarithm is missing: that is minus the probability of the right "
            "class.",
        ),
        Mistake(
            lambda logits, labels: cross_entropy(logits, labels) - logits.max(axis=1),
            "You subtract the largest logit inside the exponentials and not from the "
            "logit of the right class; or you do not add it back. Both terms must be "
            "shifted alike.",
        ),
        Mistake(
            lambda logits, labels: (
                cross_entropy(logits, labels) + 2 * _right(logits, labels)
            ),
            "The sign of the logit of the right class is turned round: it is "
            "subtracted from the logarithm of the sum. The larger it is, the smaller "
            "is the loss.",
        ),
        Mistake(
            lambda logits, labels: _negative_log(
                _shared_softmax(logits, axis=0), labels
            ),
            COLUMNS,
        ),
        Mistake(
            lambda logits, labels: _negative_log(
                _shared_softmax(logits, axis=None), labels
            ),
            WHOLE,
        ),
        Mistake(
            _others_too,
            "You also add the logarithms of 1 - p for the wrong classes, as for a "
            "question of yes or no about each class. In the cross-entropy only the "
            "right class has a term.",
        ),
        Mistake(
            lambda logits, labels: cross_entropy(softmax(logits), labels),
            "The softmax is applied twice, the second time to probabilities. These "
            "differ by at most one, so the loss can never come near zero.",
            "No need to use nn.Softmax layer when using nn.CrossEntropyLoss(), "
            "https://github.com/IBM/dstc-noesis/issues/18",
        ),
        Mistake(
            lambda logits, labels: cross_entropy(logits, labels) / np.log(2),
            "That is in bits, by the logarithm to the base two. A nat is 1.44 of "
            "them, and its logarithm is the natural one.",
        ),
        Mistake(
            lambda logits, labels: np.mean(cross_entropy(logits, labels)),
            "You return the mean over the instances. Each has a loss of its own.",
        ),
        Mistake(
            lambda logits, labels: np.sum(cross_entropy(logits, labels)),
            "You return the sum over the instances. Each has a loss of its own.",
        ),
        Mistake(
            lambda logits, labels: cross_entropy(logits, labels) / len(labels),
            "You divide by the number of instances, which belongs to the mean of all. "
            "Each instance has its own loss, undivided.",
        ),
        Mistake(
            lambda logits, **_: -log_softmax(logits),
            "You return a number for each class. The loss of an instance is that of "
            "its right class alone.",
        ),
        Mistake(
            lambda logits, labels: -log_softmax(logits)[:, labels],
            "You pick the classes of all labels in every row: `[:, labels]` is a "
            "table, instances by instances. Pick one entry a row.",
        ),
        Mistake(
            lambda logits, labels: 1 - softmax(logits)[range(len(labels)), labels],
            "That is the probability of a mistake, which never exceeds one. The "
            "cross-entropy is minus the logarithm of the probability of being right.",
        ),
    ),
    hint="Write the logarithm of the softmax as a difference.",
)

CROSS_ENTROPY_GRADIENT = Exercise(
    name="write-networks-losses-cross-entropy-gradient",
    section="networks.losses",
    task="Write `cross_entropy_gradient(logits, labels)`: logits (instances, "
    "classes) are numbers of any size, 900 included; labels (instances,) the right "
    "classes. Return the gradient of the SUM of the losses of all instances with "
    "respect to the logits (instances, classes).",
    solution=cross_entropy_gradient,
    inputs=_large_logits,
    mistakes=(
        Mistake(
            lambda logits, labels: (
                _overflowing_softmax(logits) - np.eye(logits.shape[1])[labels]
            ),
            OVERFLOW,
            "tf.nn.softmax overflow due to exp(x), "
            "https://github.com/tensorflow/tensorflow/issues/10142",
        ),
        Mistake(
            lambda logits, labels: (
                _softmax_below_the_largest_of_all(logits) - _one_hot(logits, labels)
            ),
            LARGEST_OF_ALL,
        ),
        Mistake(
            _gradient(lambda p, y: (p - y) / len(y)),
            "The loss is a sum, but your gradient is that of the mean: it is divided "
            "by the number of instances.",
            "gradient checks do not match, "
            "https://github.com/dennybritz/nn-from-scratch/issues/13",
        ),
        Mistake(
            _gradient(lambda p, y: -y * (1 - p)),
            "You use only the diagonal of the softmax's derivative, p (1 - p), so "
            "the wrong classes get no gradient. Raising one score lowers all other "
            "probabilities.",
            "Softmax derivative implementation incorrect, "
            "https://github.com/deeplearning4j/libnd4j/issues/440",
        ),
        Mistake(
            _gradient(lambda p, y: y - p),
            "The sign of the gradient is turned round: probability minus target, "
            "not target minus probability.",
            "softmax_loss -1 subtraction, https://github.com/mantasu/cs231n/issues/10",
        ),
        Mistake(
            _gradient(lambda p, y: (p - y) * p * (1 - p)),
            "You multiply once more by p (1 - p), the derivative of a sigmoid. The "
            "derivative of the softmax is already in p - y.",
            "Implementation of softmax_prime, "
            "https://github.com/zhuozhiyongde/Fundamentals-of-Artificial-Intelligence-2024Spring-PKU/issues/1",
        ),
        Mistake(
            lambda logits, **_: softmax(logits),
            "The target is missing: the probability of the right class must be "
            "diminished by one.",
        ),
        Mistake(
            lambda logits, **_: softmax(logits) - 1,
            "You subtract one from the probabilities of all classes. The target is one "
            "for the right class and zero for every other one.",
        ),
        Mistake(
            _ones_in_columns,
            "You subtract one in every row for the classes of all labels: `[:, "
            "labels]` picks whole columns. Pick one entry a row.",
        ),
        Mistake(
            _gradient(lambda p, y: p + y),
            "The target is added. It is subtracted: the entry of the right class is "
            "negative.",
        ),
        Mistake(
            lambda logits, labels: softmax(logits) - labels[:, None],
            "You subtract the number of the label. The target is a row of zeros with a "
            "one at the right class.",
        ),
        Mistake(
            lambda logits, labels: logits - _one_hot(logits, labels),
            "You subtract the target from the logits. It is subtracted from their "
            "softmax, the probabilities.",
        ),
        Mistake(
            lambda logits, labels: (
                _shared_softmax(logits, axis=0) - _one_hot(logits, labels)
            ),
            COLUMNS,
        ),
        Mistake(
            lambda logits, labels: (
                _shared_softmax(logits, axis=None) - _one_hot(logits, labels)
            ),
            WHOLE,
        ),
        Mistake(
            _gradient(lambda p, y: 2 * (p - y)),
            "There is a factor 2 too many, which belongs to the squared error.",
        ),
        Mistake(
            _gradient(lambda p, y: (p - y) / p.shape[1]),
            "You divide by the number of classes. The cross-entropy of an instance has "
            "one term, so nothing is divided.",
        ),
        Mistake(
            _gradient(lambda p, y: (p - y).sum(axis=0)),
            "You add over the instances. The logits of each instance have a gradient "
            "of their own, a row.",
        ),
        Mistake(
            _gradient(_by_probability),
            "That is the gradient with respect to the probabilities, -1 / p for the "
            "right class. Go on through the softmax, by the chain rule.",
        ),
    ),
    hint="Write the logarithm of the softmax as a difference, and differentiate that.",
)

EXERCISES = (CROSS_ENTROPY, CROSS_ENTROPY_GRADIENT)
