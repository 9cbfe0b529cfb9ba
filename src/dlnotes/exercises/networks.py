"""Networks: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises import Exercise, Mistake
from dlnotes.networks.activations import (
    scaled_tanh,
    scaled_tanh_derivative,
    sigmoid,
    sigmoid_derivative,
)
from dlnotes.networks.losses import (
    cross_entropy,
    cross_entropy_gradient,
    softmax,
)
from dlnotes.networks.rectifiers import leaky_relu, leaky_relu_derivative

A, B = 1.7159, 2 / 3


def _leak(rng: np.random.Generator) -> dict[str, Any]:
    """Draw net inputs, one of them zero, and a slope that may exceed one."""
    z = rng.normal(size=(4, 3))
    z[1, 2] = 0.0
    return {"z": z, "alpha": float(rng.choice([0.1, 0.3, 1.6]))}


def _overflowing_sigmoid(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.exp(z) / (1 + np.exp(z))


def _inverse_slope(z: Any) -> Any:
    with np.errstate(all="ignore"):
        return B / (1 - (B * z) ** 2)


def _large_scores(rng: np.random.Generator) -> dict[str, Any]:
    """Draw scores of six instances, of which some would overflow or underflow."""
    logits = rng.normal(size=(5, 3)) * 2
    logits += np.array([[0.0], [0.0], [900.0], [0.0], [-900.0]])
    return {
        "logits": np.vstack([logits, [[40.0, 0.0, 2.0]]]),
        "labels": np.append(rng.permutation([0, 1, 2, 2, 0]), 1),
    }


def _overflowing_softmax(logits: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def _surprise(p: Any, labels: Any) -> Any:
    with np.errstate(all="ignore"):
        return -np.log(p[np.arange(len(labels)), labels])


def _gradient(rule: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Write a gradient by the probabilities and the targets."""

    def wrong(logits: Any, labels: Any) -> Any:
        p, y = softmax(logits), np.eye(logits.shape[1])[labels]
        return rule(p, y)

    return wrong


EXERCISES = (
    Exercise(
        name="write-networks-rectifiers-leaky-relu",
        section="networks.rectifiers",
        task="Write `leaky_relu(z, *, alpha)`: z is an array of net inputs of any "
        "shape; alpha is the slope for negative net inputs, at least 0, and may exceed "
        "1. Return the activations, an array of the same shape.",
        solution=leaky_relu,
        inputs=_leak,
        mistakes=(
            Mistake(
                lambda z, alpha: np.maximum(alpha * z, z),
                "The larger of slope times z and z is right only for slopes up to 1; "
                "beyond, it picks the wrong branch. Choose by the sign of z.",
                "leaky_relu - buggy when alpha > 1 or alpha < 0, "
                "https://github.com/tensorflow/tensorflow/issues/24566",
            ),
            Mistake(
                lambda z, **_: np.maximum(z, 0),
                "Your output does not leak: negative net inputs are cut to zero before "
                "the slope is applied.",
                "Fix Leaky ReLU activation, https://github.com/tflearn/tflearn/pull/784",
            ),
            Mistake(
                lambda z, alpha: np.where(z < 0, 0.0, alpha * z),
                "The branches are mixed up: you scale the positive side and cut the "
                "negative one.",
                "Problem(?) of leaky ReLU Implementation, "
                "https://github.com/BrainJS/brain.js/issues/560",
            ),
            Mistake(
                lambda z, alpha: np.where(z > 0, z, -alpha * z),
                "The negative side comes out positive. It leaks downwards: a negative "
                "net input gives a negative activation, only a smaller one.",
            ),
        ),
        hint="One condition on z decides which of two straight lines it is.",
    ),
    Exercise(
        name="write-networks-rectifiers-leaky-relu-derivative",
        section="networks.rectifiers",
        task="Write `leaky_relu_slope(z, *, alpha)`: z and alpha are those of "
        "`leaky_relu`. Return its derivative at each net input, an array of the same "
        "shape; at exactly zero the derivative is that of the negative side.",
        solution=leaky_relu_derivative,
        inputs=_leak,
        mistakes=(
            Mistake(
                lambda z, **_: np.where(z > 0, 1.0, 0.0),
                "The gradient is that of the plain ReLU: for negative net inputs it is "
                "the slope, not zero. That leak keeps units alive.",
                "Wrong derivative of leaky-relu activation, "
                "https://github.com/scientific-computing/FKB/issues/15",
            ),
            Mistake(
                lambda z, alpha: np.where(z < 0, 0.0, alpha),
                "The branches are mixed up: you scale the positive side and cut the "
                "negative one.",
                "Problem(?) of leaky ReLU Implementation, "
                "https://github.com/BrainJS/brain.js/issues/560",
            ),
            Mistake(
                lambda z, alpha: np.where(z >= 0, 1.0, alpha),
                "At exactly zero you take the slope of the positive side. Either would "
                "do, but the two sides of a convention must agree: here it is that of "
                "the negative side.",
                "added derivative at 0 for relu and leakyrelu, "
                "https://github.com/uptake/numpynet/pull/35",
            ),
            Mistake(
                lambda z, alpha: np.where(z > 0, 1.0, alpha * z),
                "On the negative side you return the activation. Its derivative is the "
                "number that z was multiplied by.",
            ),
        ),
        hint="Differentiate each of the two straight lines.",
    ),
    Exercise(
        name="write-networks-activations-sigmoid",
        section="networks.activations",
        task="Write `sigmoid(z)`: z is an array of real numbers of any shape and any "
        "size, -1000 and 1000 included. Return the logistic sigmoid of each, an array "
        "of the same shape with values from 0 to 1.",
        solution=sigmoid,
        inputs=lambda rng: {
            "z": np.concatenate([rng.normal(size=4) * 3, [-1000.0, 0.0, 1000.0]])
        },
        mistakes=(
            Mistake(
                _overflowing_sigmoid,
                "For large z the exponential is infinite, and infinity divided by "
                "infinity is not a number. Find a form in which no exponential of a "
                "large positive number occurs.",
                "Numeric Stable for sigmoid & log_logistic, "
                "https://github.com/FederatedAI/FATE/issues/65",
            ),
            Mistake(
                lambda z: sigmoid(-z),
                "Your curve falls: the sign in the exponent is turned round. Large z "
                "must give values near 1.",
            ),
            Mistake(
                lambda z: z * sigmoid(z),
                "There is a factor z too many: that is the SiLU (Swish), which is not "
                "bounded.",
                "sigmoid function, "
                "https://github.com/joaopauloschuler/neural-api/issues/21",
            ),
            Mistake(
                np.tanh,
                "That is the hyperbolic tangent, from -1 to 1. It is a sigmoid too, "
                "stretched: tanh(z) = 2 sigma(2z) - 1.",
            ),
            Mistake(
                lambda z: 2 * sigmoid(2 * z) + 1,
                "You turned the identity tanh(z) = 2 sigma(2z) - 1 round, or copied it "
                "without its minus: no value here should exceed 1.",
            ),
            Mistake(
                lambda z: sigmoid(np.clip(z, -10, 10)),
                "You clip z to avoid the overflow, which bends the tails: they stop "
                "near 0.00005 and have no slope at all. A stable form needs no "
                "clipping.",
                "fix: no need to clip input value of Sigmoid, "
                "https://github.com/harvard-edge/cs249r_book/pull/1140",
            ),
        ),
        hint="Which of exp(z) and exp(-z) is small depends on the sign of z; or think "
        "of a related function that never overflows.",
    ),
    Exercise(
        name="write-networks-activations-sigmoid-derivative",
        section="networks.activations",
        task="Write `sigmoid_slope(z)`: z (instances, units) are NET INPUTS, not "
        "outputs. Return the derivative of the logistic sigmoid at each of them, an "
        "array of the same shape.",
        solution=sigmoid_derivative,
        inputs=lambda rng: {"z": rng.normal(size=(4, 3)) * 2},
        mistakes=(
            Mistake(
                lambda z: z * (1 - z),
                "You use z where the OUTPUT belongs: the slope is h (1 - h) with h = "
                "sigma(z). Nowhere can it exceed 1/4.",
                "CH.SOL- 5.21, "
                "https://github.com/BoltzmannEntropy/interviews.ai/issues/4",
            ),
            Mistake(
                lambda z: sigmoid_derivative(sigmoid(z)),
                "The sigmoid is applied twice: once outside and once inside the slope. "
                "Decide whether your function takes the net input or the output.",
                "Improvements, comments and harmonization of the code, "
                "https://github.com/liashchynskyi/skynet/pull/1",
            ),
            Mistake(
                lambda z: 1 - sigmoid(z) ** 2,
                "1 - h^2 is the slope of tanh. For the sigmoid it is h (1 - h).",
            ),
            Mistake(
                sigmoid,
                "That is the sigmoid itself; its slope is asked for, which is largest, "
                "1/4, at zero and vanishes on both sides.",
            ),
            Mistake(
                lambda z: -sigmoid_derivative(z),
                "The sign is wrong: the sigmoid rises everywhere, so its slope is "
                "positive. An inner derivative of -z got lost or was counted twice.",
            ),
        ),
        hint="Express the slope by the output.",
    ),
    Exercise(
        name="write-networks-activations-scaled-tanh",
        section="networks.activations",
        task="Write `scaled_tanh_slope(z)`: z (instances, units) are the net inputs of "
        "LeCun's activation a tanh(b z) with a = 1.7159 and b = 2/3. Return its "
        "derivative with respect to z, an array of the same shape.",
        solution=scaled_tanh_derivative,
        inputs=lambda rng: {"z": rng.normal(size=(3, 4))},
        mistakes=(
            Mistake(
                _inverse_slope,
                "You read `atanh` as the inverse function, as it is set in the notes. "
                "It is a TIMES tanh, bounded, and passes through (1, 1).",
            ),
            Mistake(
                lambda z: A * (1 - np.tanh(B * z) ** 2),
                "The inner derivative b is missing from the slope.",
            ),
            Mistake(
                lambda z: 1 - scaled_tanh(z) ** 2,
                "1 - f^2 is the slope of the plain tanh. Here f goes up to 1.7159, so "
                "that would even turn negative.",
            ),
            Mistake(
                lambda z: A * B * (1 - scaled_tanh(z) ** 2),
                "In the slope you square the scaled output. 1 - t^2 holds for t = "
                "tanh(b z), before the factor a.",
            ),
            Mistake(
                lambda z: A * B * (1 - np.tanh(A * z) ** 2),
                "a and b have changed places: a stretches the output, b the input. "
                "Check that f(1) is 1.",
            ),
            Mistake(
                lambda z: A * B * (1 - (B * z) ** 2),
                "In the slope you square the net input instead of its hyperbolic "
                "tangent.",
            ),
        ),
        hint="Name t = tanh(b z) once, and write the slope with it.",
    ),
    Exercise(
        name="write-networks-losses-cross-entropy",
        section="networks.losses",
        task="Write `cross_entropy(logits, labels)`: logits (instances, classes) are "
        "scores of any size, 900 included; labels (instances,) the right classes. "
        "Return the cross-entropy of each instance in nats, an array (instances,).",
        solution=cross_entropy,
        inputs=_large_scores,
        mistakes=(
            Mistake(
                lambda logits, labels: _surprise(_overflowing_softmax(logits), labels),
                "The exponential of a large score overflows and the result is not a "
                "number. A softmax does not change when the same number is subtracted "
                "from all scores of a row: choose it so that nothing overflows.",
                "tf.nn.softmax overflow due to exp(x), "
                "https://github.com/tensorflow/tensorflow/issues/10142",
            ),
            Mistake(
                lambda logits, labels: _surprise(softmax(logits) + 1e-9, labels),
                "A small number inside the logarithm hides how wrong a confident "
                "mistake is: the loss cannot exceed 21. Compute the logarithm of the "
                "softmax directly.",
                "Stable SoftmaxCrossEntropy, "
                "https://github.com/chainer/chainer/issues/584",
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
                "That is the chance of a mistake, which never exceeds one. The "
                "surprise is minus the logarithm of the chance of being right.",
            ),
        ),
        hint="Write the logarithm of the softmax as a difference.",
    ),
    Exercise(
        name="write-networks-losses-cross-entropy-gradient",
        section="networks.losses",
        task="Write `cross_entropy_gradient(logits, labels)`: logits (instances, "
        "classes) are scores of any size, 900 included; labels (instances,) the right "
        "classes. Return the gradient of the SUM of the losses of all instances with "
        "respect to the logits (instances, classes).",
        solution=cross_entropy_gradient,
        inputs=_large_scores,
        mistakes=(
            Mistake(
                lambda logits, labels: (
                    _overflowing_softmax(logits) - np.eye(logits.shape[1])[labels]
                ),
                "The exponential of a large score overflows and the result is not a "
                "number. A softmax does not change when the same number is subtracted "
                "from all scores of a row: choose it so that nothing overflows.",
                "tf.nn.softmax overflow due to exp(x), "
                "https://github.com/tensorflow/tensorflow/issues/10142",
            ),
            Mistake(
                _gradient(lambda p, y: (p - y) / len(y)),
                "The loss is a sum, but your gradient is that of the mean: it is "
                "divided by the number of instances.",
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
                "softmax_loss -1 subtraction, "
                "https://github.com/mantasu/cs231n/issues/10",
            ),
            Mistake(
                _gradient(lambda p, y: (p - y) * p * (1 - p)),
                "You multiply once more by p (1 - p), the slope of a sigmoid. The "
                "derivative of the softmax is already in p - y.",
                "Implementation of softmax_prime, "
                "https://github.com/zhuozhiyongde/Fundamentals-of-Artificial-Intelligence-2024Spring-PKU/issues/1",
            ),
        ),
        hint="Write the logarithm of the softmax as a difference, and differentiate "
        "that.",
    ),
)
