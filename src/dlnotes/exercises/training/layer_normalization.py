"""Layer, group and RMS normalization: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.training.layer_normalization import (
    group_norm_forward,
    layer_norm_backward,
    rms_norm_forward,
)

EPSILONS = (1e-5, 0.01, 0.5)


def _rows(rng: np.random.Generator) -> Any:
    """Draw instances with means of their own, after none to two axes."""
    lead = tuple(whole(rng, 1, 4) for _ in range(whole(rng, 0, 2)))
    X = reals(rng, *lead, whole(rng, 1, 6))
    mean = np.abs(X).max() * rng.normal(size=(*lead, 1)) * (rng.random() < 0.7)
    return X + mean


def _upstream(rng: np.random.Generator) -> dict[str, Any]:
    """Draw instances, a scale, and what comes back."""
    X = _rows(rng)
    case = {
        "X": X,
        "gamma": reals(rng, X.shape[-1]),
        "upstream": reals(rng, *X.shape) + 0.5 * (rng.random() < 0.5),
        "epsilon": float(rng.choice(EPSILONS)),
    }
    return either(rng, case)


def _over_instances(values: Any) -> Any:
    return values.reshape(-1, values.shape[-1]).sum(axis=0)


def _back(
    dX: Answer | None = None,
    dgamma: Answer = lambda _X, x_hat, g: _over_instances(g * x_hat),
    dbeta: Answer = _over_instances,
) -> Answer:
    """Answer with another rule for one of the gradients."""

    def wrong(X: Any, gamma: Any, upstream: Any, epsilon: float = 1e-5) -> Any:
        std = np.sqrt(X.var(axis=-1, keepdims=True) + epsilon)
        x_hat = (X - X.mean(axis=-1, keepdims=True)) / std
        return (
            (dX or _through)(x_hat, gamma, std, upstream),
            dgamma(X, x_hat, upstream),
            dbeta(upstream),
        )

    return wrong


def _over_units(values: Any) -> Any:
    return values.mean(axis=-1, keepdims=True)


def _through(x_hat: Any, gamma: Any, std: Any, upstream: Any) -> Any:
    g = gamma * upstream
    return (g - _over_units(g) - x_hat * _over_units(g * x_hat)) / std


def _gamma_last(x_hat: Any, gamma: Any, std: Any, g: Any) -> Any:
    return gamma / std * (g - _over_units(g) - x_hat * _over_units(g * x_hat))


def _over_batch(x_hat: Any, gamma: Any, std: Any, upstream: Any) -> Any:
    g = gamma * upstream
    shift = _over_instances(g) / (g.size / g.shape[-1])
    stretch = _over_instances(g * x_hat) / (g.size / g.shape[-1])
    return (g - shift - x_hat * stretch) / std


BACKWARD = Exercise(
    name="write-training-layer-normalization-backward",
    section="training.layer_normalization",
    task="Write `layer_norm_backward(X, gamma, upstream, *, epsilon)`, the backward "
    "pass of layer normalization: the last axis of X has the units, over which each "
    "instance is standardized (biased variance, plus epsilon); none, one or two axes "
    "before it have the instances. `gamma` is the scale of each unit, and `upstream` "
    "the gradient of the loss with respect to the outputs. Return the gradients with "
    "respect to X, to gamma and to the shift beta.",
    hint="Adding a constant to all units of an instance changes nothing, so the "
    "gradients of an instance must sum to zero, whatever gamma is.",
    solution=layer_norm_backward,
    inputs=_upstream,
    mistakes=(
        Mistake(
            _back(_gamma_last),
            "You take the means of the gradient before it is multiplied by gamma. Each "
            "unit has a scale of its own, so gamma does not come out of a mean over "
            "units, as it did out of a mean over the batch.",
        ),
        Mistake(
            _back(lambda _x_hat, gamma, std, g: gamma * g / std),
            "You treat mean and variance of an instance as constants. Both depend on "
            "every unit of it: two terms are missing.",
        ),
        Mistake(
            _back(lambda _h, gamma, std, g: (gamma * g - _over_units(gamma * g)) / std),
            "You send the gradient back through the mean but not through the variance. "
            "Scaling an instance hardly changes the output, so its gradient must have "
            "no part along the standardized values.",
        ),
        Mistake(
            _back(
                lambda x_hat, gamma, std, g: (
                    (gamma * g - x_hat * _over_units(gamma * g * x_hat)) / std
                )
            ),
            "You send the gradient back through the variance but not through the "
            "mean. That is RMS normalization; here the gradients of an instance must "
            "sum to zero.",
        ),
        Mistake(
            _back(_over_batch),
            "In the gradient of X you take means over the instances, as for batch "
            "normalization. An instance here does not act on the others: the means go "
            "over its own units.",
        ),
        Mistake(
            _back(lambda x_hat, _gamma, std, g: _through(x_hat, 1, std, g)),
            "Your gradient of X lacks gamma, by which the output is scaled.",
        ),
        Mistake(
            _back(lambda x_hat, gamma, _std, g: _through(x_hat, gamma, 1, g)),
            "Your gradient of X lacks the standard deviation, by which an instance is "
            "divided.",
        ),
        Mistake(
            _back(dgamma=lambda X, _x_hat, g: _over_instances(g * X)),
            "Your gradient of gamma uses X. Gamma multiplies the standardized values, "
            "so they are what goes with the gradient.",
        ),
        Mistake(
            _back(
                dgamma=lambda _X, x_hat, g: g * x_hat,
                dbeta=lambda g: g,
            ),
            "Your gradients of gamma and beta have a row for each instance. All of "
            "them use the same scale and shift: add over the instances.",
        ),
        Mistake(
            _back(
                dgamma=lambda _X, x_hat, g: (
                    _over_instances(g * x_hat) / (g.size / g.shape[-1])
                ),
                dbeta=lambda g: _over_instances(g) / (g.size / g.shape[-1]),
            ),
            "You average the gradients of gamma and beta over the instances. They are "
            "sums: if the loss is a mean, the division is in `upstream` already.",
        ),
    ),
)


def _images(rng: np.random.Generator) -> dict[str, Any]:
    """Draw images of one to three groups of channels, and what scales them."""
    groups, positions = whole(rng, 1, 3), whole(rng, 0, 2)
    channels = groups * whole(rng, 1, 3)
    shape = (whole(rng, 1, 3), channels)
    X = reals(rng, *shape, *(whole(rng, 1, 3) for _ in range(positions)))
    mean = rng.normal(size=(*shape, *(1,) * positions)) * (rng.random() < 0.7)
    case = {
        "X": X + np.abs(X).max() * mean,
        "gamma": reals(rng, channels),
        "beta": reals(rng, channels),
        "groups": groups,
        "epsilon": float(rng.choice(EPSILONS)),
    }
    return either(rng, case)


def _standardized(X: Any, axes: Any, epsilon: float, *, ddof: int = 0) -> Any:
    deviation = np.sqrt(X.var(axis=axes, keepdims=True, ddof=ddof) + epsilon)
    return (X - X.mean(axis=axes, keepdims=True)) / deviation


def _in_groups(X: Any, groups: int, epsilon: float, axes: Any = (2,)) -> Any:
    rows = X.reshape(len(X), groups, -1)
    return _standardized(rows, axes, epsilon).reshape(X.shape)


def _by_position(X: Any, groups: int, epsilon: float) -> Any:
    parts = X.reshape(len(X), groups, -1, *X.shape[2:])
    return _standardized(parts, (2,), epsilon).reshape(X.shape)


def _every_other(X: Any, groups: int, epsilon: float) -> Any:
    parts = X.reshape(len(X), -1, groups, *X.shape[2:])
    axes = (1, *range(3, parts.ndim))
    return _standardized(parts, axes, epsilon).reshape(X.shape)


def _other_size(X: Any, groups: int, epsilon: float) -> Any:
    size = X.shape[1] // groups
    return _in_groups(X, size, epsilon)


def _outside(X: Any, groups: int, epsilon: float) -> Any:
    rows = X.reshape(len(X), groups, -1)
    centered = rows - rows.mean(axis=2, keepdims=True)
    return (centered / (rows.std(axis=2, keepdims=True) + epsilon)).reshape(X.shape)


def _group(
    hat: Callable[..., Any] = _in_groups,
    affine: Callable[..., Any] = lambda x, gamma, beta: gamma * x + beta,
) -> Answer:
    """Answer with another standardization, or another scale."""

    def wrong(X: Any, gamma: Any, beta: Any, groups: int, epsilon: float = 1e-5) -> Any:
        along = (-1, *(1,) * (X.ndim - 2))
        x_hat = hat(X, groups, epsilon)
        return affine(x_hat, gamma.reshape(along), beta.reshape(along))

    return wrong


GROUP = Exercise(
    name="write-training-layer-normalization-group",
    section="training.layer_normalization",
    task="Write `group_norm_forward(X, gamma, beta, *, groups, epsilon)`: X is (batch, "
    "channels, ...) with none to two axes of positions, `groups` divides the channels, "
    "and each group has neighboring channels. Standardize each group of each instance "
    "over its channels and positions, with the biased variance plus epsilon, then "
    "scale and shift each channel by its gamma and beta.",
    hint="With gamma 1 and beta 0 the outputs of each group of each instance have the "
    "mean 0.",
    solution=group_norm_forward,
    inputs=_images,
    mistakes=(
        Mistake(
            _group(lambda X, groups, epsilon: _in_groups(X, groups, epsilon, (0, 2))),
            "You take means over the batch, too. Each instance has means of its own, "
            "so it comes out the same in any batch.",
        ),
        Mistake(
            _group(lambda X, _groups, epsilon: _in_groups(X, 1, epsilon)),
            "You standardize over all channels of an instance, as with one group. Each "
            "group has a mean and a variance of its own.",
        ),
        Mistake(
            _group(lambda X, _groups, epsilon: _in_groups(X, X.shape[1], epsilon)),
            "You standardize each channel by itself. That is instance normalization; "
            "here the channels of a group share a mean and a variance.",
        ),
        Mistake(
            _group(_every_other),
            "You put every k-th channel into one group. A group has neighboring "
            "channels: reshape the channels to (groups, channels of a group), in this "
            "order.",
        ),
        Mistake(
            _group(_by_position),
            "You take a mean for each position. All positions of a group count "
            "together.",
        ),
        Mistake(
            _group(_other_size),
            "You take `groups` for the number of channels in a group. It is the number "
            "of groups.",
        ),
        Mistake(
            _group(_outside),
            "You add epsilon to the standard deviation. It is added to the variance, "
            "inside the root.",
        ),
        Mistake(
            _group(affine=lambda x, _gamma, _beta: x),
            "You standardize and stop there: scale and shift are missing.",
        ),
        Mistake(
            _group(affine=lambda x, gamma, beta: gamma * (x + beta)),
            "You shift before you scale. The shift beta is added as it is.",
        ),
    ),
)


def _scaled(rng: np.random.Generator) -> dict[str, Any]:
    """Draw instances and a scale."""
    X = _rows(rng)
    case = {
        "X": X,
        "gamma": reals(rng, X.shape[-1]),
        "epsilon": float(rng.choice(EPSILONS)),
    }
    return either(rng, case)


def _rms(root: Callable[[Any, float], Any]) -> Answer:
    """Answer with something else below the scaled units."""

    def wrong(X: Any, gamma: Any, epsilon: float = 1e-5) -> Any:
        return gamma * X / root(X, epsilon)

    return wrong


RMS = Exercise(
    name="write-training-layer-normalization-rms",
    section="training.layer_normalization",
    task="Write `rms_norm_forward(X, gamma, *, epsilon)`: divide the last axis of X, "
    "the units of an instance, by the root of its mean square plus epsilon, and scale "
    "each unit by its gamma. None to two axes of instances come before the units.",
    hint="The instance (1, 7) has the root mean square 5.",
    solution=rms_norm_forward,
    inputs=_scaled,
    mistakes=(
        Mistake(
            lambda X, gamma, epsilon=1e-5: gamma * _standardized(X, -1, epsilon),
            "You subtract the mean. That is layer normalization without a shift; RMS "
            "normalization leaves the mean where it is.",
        ),
        Mistake(
            _rms(lambda X, epsilon: np.sqrt(X.var(axis=-1, keepdims=True) + epsilon)),
            "You divide by the standard deviation, whose squares are about the mean. "
            "Here they are about zero.",
        ),
        Mistake(
            _rms(lambda X, epsilon: np.sqrt((X**2).sum(-1, keepdims=True) + epsilon)),
            "You divide by the length of an instance. The squares are averaged, so "
            "that a unit is about 1 however many there are.",
        ),
        Mistake(
            _rms(lambda X, epsilon: np.sqrt((X**2).mean(-1, keepdims=True)) + epsilon),
            "You add epsilon to the root. It is added to the mean square, inside.",
        ),
        Mistake(
            _rms(lambda X, epsilon: (X**2).mean(axis=-1, keepdims=True) + epsilon),
            "You divide by the mean square. It is its root that divides.",
        ),
        Mistake(
            _rms(lambda X, epsilon: np.sqrt((X**2).mean() + epsilon)),
            "You take one mean square for all instances. Each has one of its own.",
        ),
        Mistake(
            lambda X, gamma, epsilon=1e-5: (
                X
                * gamma
                / np.sqrt(((X * gamma) ** 2).mean(-1, keepdims=True) + epsilon)
            ),
            "You scale before you divide, so gamma changes what is divided by. The "
            "scale comes last.",
        ),
        Mistake(
            lambda X, gamma, epsilon=1e-5: (
                (X + 0 * gamma) / np.sqrt((X**2).mean(-1, keepdims=True) + epsilon)
            ),
            "The scale gamma is missing.",
        ),
    ),
)

EXERCISES = (BACKWARD, GROUP, RMS)
