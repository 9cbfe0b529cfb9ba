"""Losses: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import single, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.losses import (
    cross_entropy,
    cross_entropy_gradient,
    softmax,
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
        return -np.log(p[np.arange(len(labels)), labels])


def _below_the_least(logits: Any, labels: Any) -> Any:
    above = logits - logits.min(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        sums = np.log(np.exp(above).sum(axis=1))
    return sums - above[np.arange(len(labels)), labels]


def _gradient(rule: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Write a gradient by the probabilities and the targets."""

    def wrong(logits: Any, labels: Any) -> Any:
        p, y = softmax(logits), np.eye(logits.shape[1])[labels]
        return rule(p, y)

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
            "The exponential of a large logit overflows and the result is not a "
            "number. A softmax does not change when the same number is subtracted "
            "from all logits of a row: choose it so that nothing overflows.",
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
            lambda logits, labels: _negative_log(softmax(logits) + 1e-9, labels),
            "A small number inside the logarithm hides how wrong a confident "
            "mistake is: the loss cannot exceed 21. Compute the logarithm of the "
            "softmax directly.",
            "Stable SoftmaxCrossEntropy, https://github.com/chainer/chainer/issues/584",
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
            "The exponential of a large logit overflows and the result is not a "
            "number. A softmax does not change when the same number is subtracted "
            "from all logits of a row: choose it so that nothing overflows.",
            "tf.nn.softmax overflow due to exp(x), "
            "https://github.com/tensorflow/tensorflow/issues/10142",
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
    ),
    hint="Write the logarithm of the softmax as a difference, and differentiate that.",
)

EXERCISES = (CROSS_ENTROPY, CROSS_ENTROPY_GRADIENT)
