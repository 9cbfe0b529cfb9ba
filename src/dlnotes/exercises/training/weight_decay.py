"""Weight decay: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.training.weight_decay import elastic_net_penalty, lasso_step, max_norm


def _short(w: Any, size: Any) -> Any:
    """Shorten each weight by a size, but not beyond zero."""
    return np.sign(w) * np.maximum(np.abs(w) - size, 0)


# The lasso's step


def _lasso_case(rng: np.random.Generator) -> dict[str, Any]:
    """Draw weights, some of which the threshold sets to zero, and settings."""
    size = shape(rng)
    rate, strength = rng.choice([0.25, 0.5, 1.5]), rng.choice([0.0, 0.5, 1.0, 3.0])
    w = rng.normal(size=size) * rng.choice([rate * strength + 0.1, 5.0], size=size)
    w = np.where(rng.random(size) < 0.15, 0.0, w)
    case = {"w": w, "gradient": rng.choice([0.2, 1.0]) * reals(rng, *size)}
    settings = {"learning_rate": float(rate), "strength": float(strength)}
    return either(rng, {**case, **settings})


LASSO_STEP = Exercise(
    name="write-training-weight-decay-lasso-step",
    section="training.weight_decay",
    task="Write `lasso_step(w, gradient, *, learning_rate, strength)`, arrays of one "
    "shape: one proximal gradient step on a loss with an L1 penalty of this strength. "
    "`gradient` is that of the loss alone at `w`. Return the weights after it.",
    hint="The penalty shortens every weight by the same amount, but never past zero.",
    solution=lasso_step,
    inputs=_lasso_case,
    mistakes=(
        Mistake(
            lambda w, gradient, rate, strength: _short(w - rate * gradient, strength),
            "Your threshold lacks the learning rate. With a small rate the penalty "
            "would then outweigh the loss and set almost everything to zero.",
            "Implementation of the proximal operator, "
            "https://github.com/glm-tools/pyglmnet/issues/383",
        ),
        Mistake(
            lambda w, gradient, rate, strength: (
                w - rate * (gradient + strength * np.sign(w))
            ),
            "You follow the subgradient of the penalty, so small weights jump over "
            "zero and back. The proximal step stops at zero, and that is where the "
            "exact zeros come from.",
        ),
        Mistake(
            lambda w, gradient, rate, strength: np.where(
                np.abs(w - rate * gradient) > rate * strength, w - rate * gradient, 0
            ),
            "You set small weights to zero but leave the others untouched (a hard "
            "threshold). L1 shortens the large ones too, by the same amount.",
        ),
        Mistake(
            lambda w, gradient, rate, strength: np.maximum(
                w - rate * gradient - rate * strength, 0
            ),
            "All your negative weights are gone. Shorten the size of the weight, and "
            "give it back its sign.",
        ),
        Mistake(
            lambda w, gradient, rate, strength: (
                _short(w, rate * strength) - rate * gradient
            ),
            "You threshold before the gradient step, so nothing stays exactly zero. "
            "The proximal step comes last.",
        ),
        Mistake(
            lambda w, gradient, rate, strength: (
                (1 - rate * strength) * w - rate * gradient
            ),
            "You shrink the weights by a factor. That is weight decay, the ridge "
            "penalty; L1 takes off a constant amount and reaches zero.",
        ),
        Mistake(
            lambda w, gradient, rate, strength: (
                (w - rate * gradient) / (1 + rate * strength)
            ),
            "You divide the weights, which is the proximal step of the ridge penalty. "
            "L1 takes off a constant amount and reaches zero.",
        ),
        Mistake(
            lambda w, gradient, rate, strength: _short(
                w + rate * gradient, rate * strength
            ),
            "You go uphill: the step is against the gradient.",
        ),
        Mistake(
            lambda w, gradient, _rate, strength: _short(w - gradient, strength),
            "You do not use the learning rate. It multiplies both the gradient and "
            "the strength.",
        ),
        Mistake(
            lambda w, gradient, rate, _strength: w - rate * gradient,
            "That is the step of gradient descent. The penalty has no part in it.",
        ),
        Mistake(
            lambda w, _gradient, rate, strength: _short(w, rate * strength),
            "That is the proximal step alone. Before it comes a step on the loss.",
        ),
    ),
)


# The elastic net


def _penalty_case(rng: np.random.Generator) -> dict[str, Any]:
    """Draw weights, a strength, and shares from one end to the other."""
    ratio = rng.choice([0.0, 0.25, 0.5, 0.75, 1.0])
    settings = {"strength": float(rng.uniform(0.2, 3)), "l1_ratio": float(ratio)}
    return either(rng, {"w": reals(rng, *shape(rng)), **settings})


def _net(
    lasso: Callable[[Any], Any] = lambda w: np.abs(w).sum(),
    ridge: Callable[[Any], Any] = lambda w: (w**2).sum() / 2,
) -> Callable[..., Any]:
    """Mix other penalties."""
    return lambda w, strength, ratio: (
        strength * (ratio * lasso(w) + (1 - ratio) * ridge(w))
    )


def _operator_norms(w: Any, strength: float, ratio: float) -> Any:
    """Use the norms that NumPy has for matrices."""
    if w.ndim != 2:
        return _net()(w, strength, ratio)
    one, two = np.linalg.norm(w, 1), np.linalg.norm(w, 2)
    return strength * (ratio * one + (1 - ratio) / 2 * two**2)


ELASTIC_NET = Exercise(
    name="write-training-weight-decay-elastic-net",
    section="training.weight_decay",
    task="Write `elastic_net_penalty(w, *, strength, l1_ratio)` for weights of any "
    "shape: what the elastic net adds to the loss for them. `l1_ratio`, from 0 to 1, "
    "is the share of the lasso part, and the ridge part carries a half. Return a "
    "number.",
    hint="Try the ratios 1 and 0 on a single weight.",
    solution=elastic_net_penalty,
    inputs=_penalty_case,
    mistakes=(
        Mistake(
            _net(ridge=lambda w: (w**2).sum()),
            "The ridge part lacks its half. The half is there so that its gradient is "
            "simply the weights.",
            "ENH add ElasticNet, https://github.com/mathurinm/celer/pull/230",
        ),
        Mistake(
            _net(ridge=lambda w: (w**2).sum() ** 0.5 / 2),
            "You add the norm of the weights where its square belongs. The square is "
            "what makes the gradient proportional to the weight.",
            "[MRG] Add elastic net penalty to LogisticRegression, "
            "https://github.com/scikit-learn/scikit-learn/pull/11646",
        ),
        Mistake(
            lambda w, strength, ratio: _net()(w, strength, 1 - ratio),
            "The shares are exchanged: the ratio belongs to the lasso part.",
            "[MRG] Fix sgd l1 ratio, "
            "https://github.com/scikit-learn/scikit-learn/pull/2631",
        ),
        Mistake(
            _operator_norms,
            "You use NumPy's norms 1 and 2 on a matrix. For matrices these are "
            "operator norms (the largest column sum, the largest singular value); the "
            "penalty sums over all entries.",
        ),
        Mistake(
            lambda w, strength, ratio: (
                strength * ratio * np.abs(w).sum() + (1 - ratio) / 2 * (w**2).sum()
            ),
            "The strength multiplies the lasso part only. It scales the whole penalty.",
        ),
        Mistake(
            lambda w, strength, ratio: (
                ratio * np.abs(w).sum() + strength * (1 - ratio) / 2 * (w**2).sum()
            ),
            "The strength multiplies the ridge part only. It scales the whole penalty.",
        ),
        Mistake(
            _net(lasso=lambda w: np.abs(w).sum() / 2),
            "You halve both parts. The half belongs to the squares; the lasso part has "
            "none.",
        ),
        Mistake(
            _net(lasso=lambda w: w.sum()),
            "You add up the weights with their signs, so that positive and negative "
            "ones cancel. The lasso part has their sizes.",
        ),
        Mistake(
            _net(lambda w: np.abs(w).mean(), lambda w: (w**2).mean() / 2),
            "You take means over the weights. The penalty has sums: more weights cost "
            "more.",
        ),
        Mistake(
            lambda w, _strength, ratio: _net()(w, 1.0, ratio),
            "You do not use the strength, which multiplies the whole penalty.",
        ),
        Mistake(
            lambda w, strength, ratio: (
                strength * (ratio * np.abs(w).sum() + (w**2).sum() / 2)
            ),
            "Your ridge part is there in full. Its share is 1 less the ratio.",
        ),
        Mistake(
            lambda w, strength, ratio: (
                strength * (ratio * np.sign(w) + (1 - ratio) * w)
            ),
            "That is the gradient of the penalty. What is added to the loss is asked "
            "for, one number.",
        ),
    ),
)


# Max-norm


def _units(rng: np.random.Generator) -> dict[str, Any]:
    """Draw units, some longer than the limit, some shorter, some exactly zero."""
    W = reals(rng, whole(rng, 1, 5), whole(rng, 1, 5))
    limit = float(rng.uniform(0.5, 2))
    W = W * rng.choice([0.0, 0.2, 1.0, 3.0], size=W.shape[1])
    return either(rng, {"W": W, "limit": limit})


def _scaled(W: Any, lengths: Any, limit: float) -> Any:
    """Scale down what is longer, by lengths."""
    return W * np.minimum(1, limit / np.maximum(lengths, 1e-300))


MAX_NORM = Exercise(
    name="write-training-weight-decay-max-norm",
    section="training.weight_decay",
    task="Write `max_norm(W, *, limit)`, W (inputs, units): the weights that come into "
    "each unit are scaled down to the Euclidean length `limit` if they are longer. "
    "Weights of length zero stay as they are. Return the weights (inputs, units).",
    hint="Which axis of W belongs to one unit?",
    solution=max_norm,
    inputs=_units,
    mistakes=(
        Mistake(
            lambda W, limit: _scaled(
                W, np.sqrt((W**2).sum(axis=1, keepdims=True)), limit
            ),
            "You bound the rows, the weights going out of each input. In this layout "
            "the weights coming into a unit are a column.",
            "Implementing Max Norm Correctly, "
            "https://github.com/kevinzakka/pytorch-goodies/issues/1",
        ),
        Mistake(
            lambda W, limit: _scaled(W, np.sqrt((W**2).sum()), limit),
            "You bound the length of the whole matrix. The constraint is for each unit "
            "by itself; yours gets tighter with every unit added.",
        ),
        Mistake(
            lambda W, limit: (
                W * limit / np.maximum(np.sqrt((W**2).sum(axis=0)), 1e-300)
            ),
            "You bring every unit to the length limit, the short ones as well. Only "
            "those that are longer are scaled.",
        ),
        Mistake(
            lambda W, limit: np.clip(W, -limit, limit),
            "You clip the entries one by one. That changes the direction of the weight "
            "vector; scale it as a whole.",
        ),
        Mistake(
            lambda W, limit: _scaled(W, (W**2).sum(axis=0), limit),
            "You forget the root of the sum of squares, so the length is not limited "
            "to the limit.",
        ),
        Mistake(
            lambda W, limit: _scaled(W, np.abs(W).sum(axis=0), limit),
            "You measure lengths by the sum of sizes. The Euclidean length is the root "
            "of the sum of squares.",
        ),
        Mistake(
            lambda W, limit: _scaled(W, np.abs(W).max(axis=0), limit),
            "You measure a unit by its largest weight. The Euclidean length is the "
            "root of the sum of squares.",
        ),
        Mistake(
            lambda W, limit: _scaled(W, np.sqrt((W**2).mean(axis=0)), limit),
            "You take the mean of the squares. The length has their sum.",
        ),
        Mistake(
            lambda W, limit: np.where(np.sqrt((W**2).sum(axis=0)) > limit, 0.0, W),
            "You set units that are too long to zero. They keep their direction and "
            "get the length limit.",
        ),
        Mistake(
            lambda W, _limit: _scaled(W, np.sqrt((W**2).sum(axis=0)), 1.0),
            "You do not use the limit: yours is always 1.",
        ),
    ),
)

EXERCISES = (LASSO_STEP, ELASTIC_NET, MAX_NORM)
