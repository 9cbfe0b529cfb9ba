"""Batch normalization: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, single, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.training.batch_normalization import (
    batch_norm_backward,
    batch_norm_train,
    fold_batch_norm,
)

EPSILONS = (1e-5, 0.01, 0.5)


def _batch(rng: np.random.Generator, batch: int, features: int) -> Any:
    """Draw rows whose features have means of their own, and may be constant."""
    X = reals(rng, batch, features)
    mean = np.abs(X).max() * rng.normal(size=features) * (rng.random() < 0.7)
    return np.where(rng.random(features) < 0.1, mean, X + mean)


def _variances(rng: np.random.Generator, features: int) -> Any:
    """Draw variances, some of them zero."""
    return np.where(rng.random(features) < 0.1, 0.0, rng.uniform(0.1, 2, features))


def _training(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a batch, a scale and a shift, and the averages of before."""
    batch, features = whole(rng, 2, 6), whole(rng, 1, 4)
    X = _batch(rng, batch, features)
    scale = np.abs(X).max()
    case = {
        "X": X,
        "gamma": reals(rng, features),
        "beta": reals(rng, features),
        "running_mean": scale * reals(rng, features),
        "running_variance": scale**2 * _variances(rng, features),
        "momentum": float(rng.choice([0.01, 0.1, 0.3, 0.9])),
        "epsilon": float(rng.choice(EPSILONS)),
    }
    return either(rng, case)


def _running(
    X: Any, mean: Any, variance: Any, momentum: float, *, unbiased: bool = True
) -> tuple[Any, Any]:
    """Update the averages."""
    return (
        (1 - momentum) * mean + momentum * X.mean(axis=0),
        (1 - momentum) * variance + momentum * X.var(axis=0, ddof=int(unbiased)),
    )


def _train(
    hat: Callable[[Any, Any, Any, float], Any] | None = None,
    averages: Callable[..., tuple[Any, Any]] = _running,
    affine: Callable[[Any, Any, Any], Any] = lambda x, gamma, beta: gamma * x + beta,
) -> Answer:
    """Answer with another standardization, other averages or another scale."""

    def wrong(
        X: Any,
        gamma: Any,
        beta: Any,
        running_mean: Any,
        running_variance: Any,
        momentum: float = 0.1,
        epsilon: float = 1e-5,
    ) -> Any:
        new = averages(X, running_mean, running_variance, momentum)
        standardize = hat or (lambda X, _mean, _variance, epsilon: _hat(X, epsilon))
        x_hat = standardize(X, *new, epsilon)
        return affine(x_hat, gamma, beta), *new

    return wrong


def _hat(X: Any, epsilon: float, *, axis: int = 0, ddof: int = 0) -> Any:
    """Standardize along an axis."""
    variance = X.var(axis=axis, keepdims=True, ddof=ddof)
    return (X - X.mean(axis=axis, keepdims=True)) / np.sqrt(variance + epsilon)


FORWARD = Exercise(
    name="write-training-batch-normalization-forward",
    section="training.batch_normalization",
    task="Write `batch_norm_train(X, gamma, beta, running_mean, running_variance, *, "
    "momentum, epsilon)`: batch normalization of two or more rows X (batch, features) "
    "in training. The batch is standardized with its biased variance, plus epsilon, "
    "and then scaled and shifted. `momentum` is the weight of the new batch in the "
    "running averages, which take the unbiased variance. Return (Y, running_mean, "
    "running_variance): arrays (batch, features), (features,) and (features,).",
    hint="With gamma 1 and beta 0 every column of Y has mean 0 and a variance just "
    "below 1.",
    solution=batch_norm_train,
    inputs=_training,
    harmless=("is right only where axis 0 of X has more than one entry",),
    mistakes=(
        Mistake(
            _train(averages=lambda *given: _running(*given, unbiased=False)),
            "You average the biased variance. The running average estimates the "
            "variance of all data, so it takes the unbiased one, n - 1 below; only the "
            "batch itself uses n.",
            "[0.2] `BatchNorm2d` updates `running_var` with the biased variance; "
            "PyTorch uses the unbiased estimator, "
            "https://github.com/callummcdougall/ARENA_3.0/issues/415",
        ),
        Mistake(
            _train(lambda X, _mean, _variance, epsilon: _hat(X, epsilon, ddof=1)),
            "You standardize with the unbiased variance. In the batch itself the "
            "divisor is n, so that the output has variance 1; n - 1 is for the running "
            "average.",
            "torch.nn.BatchNormxd use biased var or unbiased var?, "
            "https://github.com/pytorch/pytorch/issues/60528",
        ),
        Mistake(
            _train(
                averages=lambda X, mean, variance, momentum: _running(
                    X, mean, variance, 1 - momentum
                )
            ),
            "Your momentum weighs the past, as in Keras and in optimizers. Here it "
            "weighs the new batch, as in PyTorch: 0.1 of one is 0.9 of the other.",
            "batchnorm momentum convention, "
            "https://github.com/pytorch/examples/issues/289",
        ),
        Mistake(
            _train(
                lambda X, _mean, _variance, epsilon: (
                    (X - X.mean(axis=0)) / (X.std(axis=0) + epsilon)
                )
            ),
            "You add epsilon to the standard deviation. It is added to the variance, "
            "inside the root.",
        ),
        Mistake(
            _train(lambda X, _mean, _variance, epsilon: _hat(X, epsilon, axis=1)),
            "You take mean and variance over the units of each instance. That is layer "
            "normalization; here every feature is standardized over the batch, down "
            "the column.",
        ),
        Mistake(
            _train(
                lambda X, mean, variance, epsilon: (
                    (X - mean) / np.sqrt(variance + epsilon)
                )
            ),
            "You standardize with the running averages. They are for inference; in "
            "training the batch uses its own mean and variance.",
        ),
        Mistake(
            _train(
                lambda X, _mean, _variance, epsilon: (
                    (X - X.mean(axis=0)) / (X.var(axis=0) + epsilon)
                )
            ),
            "You divide by the variance. It is its root, the standard deviation, that "
            "divides.",
        ),
        Mistake(
            _train(affine=lambda x, _gamma, _beta: x),
            "You standardize and stop there: scale and shift are missing.",
        ),
        Mistake(
            _train(affine=lambda x, gamma, beta: gamma * (x + beta)),
            "You shift before you scale, so the mean of a feature is gamma times beta. "
            "It should be beta.",
        ),
        Mistake(
            _train(lambda X, _mean, _variance, _epsilon: _hat(X, 1e-5)),
            "Your epsilon is a number of your own: use the one that is given.",
        ),
        Mistake(
            _train(
                averages=lambda X, mean, variance, momentum: (
                    mean + momentum * X.mean(axis=0),
                    variance + momentum * X.var(axis=0, ddof=1),
                )
            ),
            "You add the share of the new batch, but nothing of the past fades. The "
            "two weights must add up to 1.",
        ),
        Mistake(
            _train(averages=lambda _X, mean, variance, _momentum: (mean, variance)),
            "Your outputs are right, but the averages stay as they were. Inference "
            "would then know nothing of the data.",
        ),
    ),
)


def _upstream(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a batch, a scale, and what comes back.

    Of two rows only a share of epsilon over the variance comes back, what else there
    is cancels.  So epsilon grows with X, and is largest in single precision.
    """
    batch, features = whole(rng, 2, 6), whole(rng, 1, 4)
    X, upstream = _batch(rng, batch, features), reals(rng, batch, features)
    offset = 0.5 * np.abs(upstream).max() * (rng.random() < 0.5)
    rough = rng.random() < 1 / 6
    epsilon = max(EPSILONS) if rough else rng.choice(EPSILONS)
    case = {
        "X": X,
        "gamma": reals(rng, features),
        "upstream": upstream + offset,
        "epsilon": float(epsilon * max(1.0, np.abs(X).max() ** 2)),
    }
    return single(case) if rough else case


def _through(x_hat: Any, gamma: Any, std: Any, g: Any) -> Any:
    return gamma / std * (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0))


def _back(
    dX: Answer = _through,
    dgamma: Answer = lambda _X, x_hat, g: (g * x_hat).sum(axis=0),
    dbeta: Answer = lambda g: g.sum(axis=0),
) -> Answer:
    """Answer with another rule for one of the gradients."""

    def wrong(X: Any, gamma: Any, upstream: Any, epsilon: float = 1e-5) -> Any:
        std, x_hat = np.sqrt(X.var(axis=0) + epsilon), _hat(X, epsilon)
        return (
            dX(x_hat, gamma, std, upstream),
            dgamma(X, x_hat, upstream),
            dbeta(upstream),
        )

    return wrong


BACKWARD = Exercise(
    name="write-training-batch-normalization-backward",
    section="training.batch_normalization",
    task="Write `batch_norm_backward(X, gamma, upstream, *, epsilon)`, the backward "
    "pass of batch normalization in training with the biased variance: X is (batch, "
    "features) with two or more rows, `gamma` the scale of each feature, and "
    "`upstream` (batch, features) the gradient of the loss with respect to the "
    "outputs. Return the gradients with respect to X, to gamma and to the shift beta.",
    hint="Adding a constant to a column of X changes nothing, so its gradients must "
    "sum to zero.",
    solution=batch_norm_backward,
    inputs=_upstream,
    harmless=(
        "is right only where axis 0 of X has more than one entry",
        "is right only where axis 0 of upstream has more than one entry",
    ),
    mistakes=(
        Mistake(
            _back(lambda _x_hat, gamma, std, g: gamma / std * g),
            "You treat mean and variance of the batch as constants. Both depend on "
            "every row of X, so each instance also acts on all the others: two terms "
            "are missing.",
        ),
        Mistake(
            _back(lambda _x_hat, gamma, std, g: gamma / std * (g - g.mean(axis=0))),
            "You send the gradient back through the mean but not through the variance. "
            "Scaling a column of X hardly changes the output, so its gradient must "
            "have no part along the standardized values.",
        ),
        Mistake(
            _back(
                lambda x_hat, gamma, std, g: (
                    gamma / std * (g - x_hat * (g * x_hat).mean(axis=0))
                )
            ),
            "You send the gradient back through the variance but not through the "
            "mean. Shifting a column of X changes nothing, so its gradients must sum "
            "to zero.",
        ),
        Mistake(
            _back(lambda x_hat, _gamma, std, g: _through(x_hat, 1, std, g)),
            "Your gradient of X lacks gamma, by which the output is scaled.",
        ),
        Mistake(
            _back(lambda x_hat, gamma, _std, g: _through(x_hat, gamma, 1, g)),
            "Your gradient of X lacks the standard deviation, by which X is divided.",
        ),
        Mistake(
            _back(
                lambda x_hat, gamma, std, g: (
                    gamma / std * (g - g.sum(axis=0) - x_hat * (g * x_hat).sum(axis=0))
                )
            ),
            "In the gradient of X you take sums over the batch. The mean and the "
            "variance divide by its size, so there stand means.",
        ),
        Mistake(
            _back(dgamma=lambda X, _x_hat, g: (g * X).sum(axis=0)),
            "Your gradient of gamma uses X. Gamma multiplies the standardized values, "
            "so they are what goes with the gradient.",
        ),
        Mistake(
            _back(
                dgamma=lambda _X, x_hat, g: (g * x_hat).mean(axis=0),
                dbeta=lambda g: g.mean(axis=0),
            ),
            "You average the gradients of gamma and beta over the batch. They are "
            "sums: if the loss is a mean, the division is in `upstream` already.",
        ),
        Mistake(
            _back(lambda x_hat, gamma, std, g: gamma * _through(x_hat, gamma, std, g)),
            "Your gradient of X has gamma twice. The output is scaled by it once.",
        ),
        Mistake(
            _back(dbeta=lambda g: g),
            "Your gradient of beta has a row for each instance. All of them use the "
            "same shift: add over the batch.",
        ),
    ),
)


def _layer(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a linear layer, and batch normalization behind it."""
    inputs, units = whole(rng, 1, 4), whole(rng, 1, 4)
    W, b = reals(rng, inputs, units), reals(rng, units)
    scale = max(np.abs(W).max(), np.abs(b).max())
    case = {
        "W": W,
        "b": b,
        "gamma": reals(rng, units),
        "beta": reals(rng, units),
        "running_mean": scale * reals(rng, units),
        "running_variance": scale**2 * _variances(rng, units),
        "epsilon": float(rng.choice(EPSILONS)),
    }
    return either(rng, case)


def _folded(
    scale: Answer = lambda gamma, variance, epsilon: (
        gamma / np.sqrt(variance + epsilon)
    ),
    bias: Answer = lambda b, mean, s, beta: (b - mean) * s + beta,
    weights: Answer = lambda W, s: W * s,
) -> Answer:
    """Answer with another scale, other weights or other biases."""

    def wrong(
        W: Any,
        b: Any,
        gamma: Any,
        beta: Any,
        running_mean: Any,
        running_variance: Any,
        epsilon: float = 1e-5,
    ) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            s = scale(gamma, running_variance, epsilon)
        return weights(W, s), bias(b, running_mean, s, beta)

    return wrong


FOLD = Exercise(
    name="write-training-batch-normalization-fold",
    section="training.batch_normalization",
    task="Write `fold_batch_norm(W, b, gamma, beta, running_mean, running_variance, *, "
    "epsilon)` for a linear layer with weights W (inputs, units) and biases b, "
    "followed by batch normalization at inference. Return (W, b) of the one linear "
    "layer that does the same as both.",
    hint="Send the zero vector through both layers: the new bias must be what comes "
    "out.",
    solution=fold_batch_norm,
    inputs=_layer,
    mistakes=(
        Mistake(
            _folded(bias=lambda b, mean, s, beta: b - mean * s + beta),
            "You do not scale the old bias. It passes through the normalization as "
            "well; the slip stays unseen as long as the layer has no bias.",
            "fuse_conv_and_bn, https://github.com/ultralytics/yolov3/issues/807",
        ),
        Mistake(
            _folded(bias=lambda _b, mean, s, beta: beta - mean * s),
            "You drop the old bias. It is part of what the normalization receives.",
            "[quant] Enable fusion for conv modules with bias, "
            "https://github.com/pytorch/pytorch/pull/36173",
        ),
        Mistake(
            _folded(bias=lambda b, _mean, s, beta: b * s + beta),
            "You forget the running mean: normalization subtracts it before it scales.",
        ),
        Mistake(
            _folded(lambda _gamma, variance, epsilon: 1 / np.sqrt(variance + epsilon)),
            "Your scale lacks gamma, so the folded layer standardizes and no more.",
        ),
        Mistake(
            _folded(lambda gamma, variance, epsilon: gamma / (variance + epsilon)),
            "You divide by the variance. It is the standard deviation, its root, that "
            "divides.",
        ),
        Mistake(
            _folded(lambda gamma, variance, _epsilon: gamma / np.sqrt(variance)),
            "You leave epsilon out. It is small, but the layer was trained with it, "
            "and where the variance is small it decides.",
        ),
        Mistake(
            _folded(bias=lambda b, mean, s, _beta: (b - mean) * s),
            "The shift beta is missing in the new bias.",
        ),
        Mistake(
            _folded(weights=lambda W, _s: W),
            "You change the biases only. The scale multiplies what the weights "
            "contribute, too.",
        ),
        Mistake(
            lambda W, b, gamma, beta, running_mean, running_variance, epsilon=1e-5: (
                W * gamma / (np.sqrt(running_variance) + epsilon),
                (b - running_mean) * gamma / (np.sqrt(running_variance) + epsilon)
                + beta,
            ),
            "You add epsilon to the standard deviation. It is added to the variance, "
            "inside the root.",
        ),
    ),
)

EXERCISES = (FORWARD, BACKWARD, FOLD)
