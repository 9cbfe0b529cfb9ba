"""Visualization with t-SNE: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.tsne import joint_probabilities, kl_gradient, perplexity


def _rows(rng: np.random.Generator) -> dict[str, Any]:
    """Draw neighbors for each point: many alike, a few, or one alone."""
    points = whole(rng, 2, 7)
    E = rng.uniform(0.05, 1, (points, points)) ** rng.choice([0, 2, 9], (points, 1))
    E = np.where(rng.random(E.shape) < 0.2, 0.0, E)
    E[np.arange(points), (np.arange(points) + 1) % points] += 0.1
    E *= 1 - np.eye(points)
    return either(rng, {"P": E / E.sum(axis=1, keepdims=True)})


def _cloud(rng: np.random.Generator) -> dict[str, Any]:
    """Draw points on some scale, and bandwidths to match.

    Some numbers are zero, and in some draws a point is far from all others.
    """
    points, scale = whole(rng, 2, 7), rng.choice([1.0, 1.0, 1e3, 1e-6])
    X = rng.normal(size=(points, whole(rng, 1, 5)))
    X = scale * np.where(rng.random(X.shape) < 0.1, 0.0, X)
    X[0] += scale * rng.choice([0.0, 90.0], p=[0.8, 0.2])
    return either(rng, {"X": X, "sigma": scale * rng.uniform(0.6, 1.6, points)})


def _map(rng: np.random.Generator) -> dict[str, Any]:
    """Draw probabilities of pairs, some zero, and a map that is small, wide or huge.

    In some draws a point is far from the others.
    """
    points, scale = whole(rng, 2, 7), rng.choice([1.0, 1.0, 1e3, 1e-4])
    S = rng.uniform(0.1, 1, (points, points)) * (1 - np.eye(points))
    S = np.where(rng.random(S.shape) < 0.2, 0.0, S)
    S[0, 1] = 1.0
    Y = rng.normal(size=(points, whole(rng, 1, 4)))
    Y = scale * np.where(rng.random(Y.shape) < 0.1, 0.0, Y)
    Y[-1] *= rng.choice([1.0, 30.0], p=[0.8, 0.2])
    return either(rng, {"P": (S + S.T) / (S + S.T).sum(), "Y": Y})


def _bits(P: Any) -> Any:
    return np.log2(perplexity(P))


def _zero_times_log(P: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.exp2(-(P * np.log2(P)).sum(axis=1))


def _squared_distances(X: Any) -> Any:
    return ((X[:, None] - X) ** 2).sum(axis=2)


def _others(points: int) -> Any:
    return 1 - np.eye(points)


def _rows_normalized(E: Any) -> Any:
    return E / E.sum(axis=1, keepdims=True)


def _mean_of_both(P: Any) -> Any:
    return (P + P.T) / (2 * len(P))


def _from_the_nearest(exponent: Any) -> Any:
    """Subtract the least exponent of each row, with which it is never 0 / 0."""
    return exponent - exponent.min(axis=1, keepdims=True)


def _diagonal_zeroed_last(P: Any) -> Any:
    P = _mean_of_both(P) * _others(len(P))
    return P / P.sum()


def _joint(
    exponent: Callable[[Any, Any], Any] = lambda d, s: d / 2 / s[:, None] ** 2,
    others: Callable[[int], Any] = _others,
    normalized: Callable[[Any], Any] = _rows_normalized,
    joined: Callable[[Any], Any] = _mean_of_both,
    shifted: Callable[[Any], Any] = _from_the_nearest,
) -> Callable[[Any, Any], Any]:
    """Write the probabilities of pairs in five parts, one of which may be wrong."""

    def wrong(X: Any, sigma: Any) -> Any:
        with np.errstate(all="ignore"):
            e = exponent(_squared_distances(X), sigma)
            e = np.where(others(len(X)) > 0, e, np.inf)
            return joined(normalized(np.exp(-shifted(e))))

    return wrong


def _gradient(
    kernel: Callable[[Any], Any] = lambda d: 1 / (1 + d),
    factor: float = 4.0,
    pull: Callable[[Any], Any] = lambda K: K,
    normalized: Callable[[Any], Any] = lambda K: K / K.sum(),
    itself: float = 0.0,
) -> Callable[[Any, Any], Any]:
    """Write the gradient in five parts, one of which may be wrong."""

    def wrong(P: Any, Y: Any) -> Any:
        with np.errstate(all="ignore"):
            K = kernel(_squared_distances(Y))
            K = np.where(np.eye(len(Y)) > 0, itself, K)
            F = (P - normalized(K)) * pull(K)
            return factor * (F.sum(axis=1)[:, None] * Y - F @ Y)

    return wrong


def _pulled_to_the_origin(P: Any, Y: Any) -> Any:
    K = _others(len(Y)) / (1 + _squared_distances(Y))
    return -4 * ((P - K / K.sum()) * K) @ Y


PERPLEXITY = Exercise(
    name="write-networks-tsne-perplexity",
    section="networks.tsne",
    task="Write `perplexity(P)`: each row of P (points, points) holds the "
    "probabilities p(j|i) of the neighbors of one point and adds up to 1; the diagonal "
    "is zero, and so may be other entries. Return the perplexity of each row "
    "(points,), the effective number of neighbors.",
    solution=perplexity,
    inputs=_rows,
    harmless=(
        "is right only where axes 0 and 1 of P are equally long",
        "is right only where axis 0 of P has more than one entry",
        "is right only where axis 1 of P has more than one entry",
        "is right only where P stays below 10.0",
        "is right only where P has a number above 1e-3",
        "clips P",
        "drops axes of one entry",
    ),
    mistakes=(
        Mistake(
            _zero_times_log,
            "Zero times the logarithm of zero gives NaN. A neighbor without "
            "probability contributes nothing to the entropy.",
            "NaN Entropy for Categorical Distribution, "
            "https://github.com/tensorflow/probability/issues/241",
        ),
        Mistake(
            _bits,
            "That is the entropy in bits. The perplexity is two to that power: for k "
            "equally likely neighbors it is k.",
            "Perplexity Calculation, https://github.com/IINemo/lm-polygraph/issues/273",
        ),
        Mistake(
            lambda P: np.log(perplexity(P)),
            "That is the entropy in nats. The perplexity is e to that power: for k "
            "equally likely neighbors it is k.",
        ),
        Mistake(
            lambda P: np.exp2(np.log(perplexity(P))),
            "Two bases are mixed: the entropy is in nats, but you raise 2 to its "
            "power. Use bits with 2, or nats with e.",
            "Perplexity with `torch.exp2` instead of `torch.exp`, "
            "https://github.com/huggingface/evaluate/issues/241",
        ),
        Mistake(
            lambda P: np.exp(_bits(P)),
            "Two bases are mixed: the entropy is in bits, but you raise e to its "
            "power, so the perplexity may exceed the number of neighbors.",
        ),
        Mistake(
            lambda P: 1 / perplexity(P),
            "The minus of the entropy is missing: a perplexity is at least 1.",
            "Updating perplexity computation, to apply exp(-x), "
            "https://github.com/IBM/unitxt/pull/534",
        ),
        Mistake(
            lambda P: np.exp2(_bits(P).mean()) * np.ones(len(P)),
            "You average over the points. Each has its own perplexity, by which its "
            "own sigma is found.",
            "Fix perplexity calculation., https://github.com/magenta/magenta/pull/239",
        ),
        Mistake(
            lambda P: perplexity(P.T),
            "You add over the columns. Row i holds the neighbors of point i, and only "
            "rows add up to one.",
        ),
        Mistake(
            lambda P: 1 / (P**2).sum(axis=1),
            "That is one over the sum of squares, another effective number. The "
            "perplexity is the exponential of the entropy.",
        ),
        Mistake(
            lambda P: (P > 0).sum(axis=1).astype(P.dtype),
            "You count the neighbors that have any probability. One with hardly any "
            "must hardly count.",
        ),
    ),
    hint="Try a row with k equal probabilities: the answer must be k.",
)

PROBABILITIES = Exercise(
    name="write-networks-tsne-probabilities",
    section="networks.tsne",
    task="Write `joint_probabilities(X, sigma)`: X (points, features), 2 points or "
    "more; sigma (points,) is the standard deviation of the Gaussian around each "
    "point, already chosen. Return the symmetric joint probabilities P (points, "
    "points) of t-SNE; they add up to 1 in all, and the diagonal is zero.",
    solution=joint_probabilities,
    inputs=_cloud,
    harmless=(
        "is right only where axis 0 of X has more than one entry",
        "is right only where axis 0 of sigma has more than one entry",
        "is right only where sigma has no zero",
        "drops axes of one entry",
    ),
    mistakes=(
        Mistake(
            _joint(shifted=lambda e: e),
            "For a point that is far from all others every Gaussian underflows to "
            "zero, and 0 / 0 is NaN. Subtract its smallest squared distance first, "
            "which changes no ratio.",
        ),
        Mistake(
            _joint(others=lambda _: 1.0),
            "Each point is its own neighbor, and by far the nearest. The diagonal is "
            "left out before normalizing.",
            "calculating wrong perplexity when using function find_optimal_sigmas, "
            "https://github.com/nlml/tsne_raw/issues/1",
        ),
        Mistake(
            _joint(
                others=lambda _: 1.0,
                joined=lambda P: _mean_of_both(P * _others(len(P))),
            ),
            "You set the diagonal to zero after normalizing, so what is left adds up "
            "to less than one. Leave it out before.",
        ),
        Mistake(
            _joint(others=lambda _: 1.0, joined=_diagonal_zeroed_last),
            "You set the diagonal to zero in the end and divide by the sum once more. "
            "Then rows have lost different shares. Leave it out before each row is "
            "normalized.",
        ),
        Mistake(
            _joint(normalized=lambda E: E, shifted=lambda e: e),
            "You do not normalize the rows. The probabilities with which a point picks "
            "its neighbor add up to one.",
        ),
        Mistake(
            _joint(exponent=lambda d, s: d / s[:, None] ** 2),
            "The factor 2 beside sigma squared is missing, so your Gaussians are "
            "narrower than their standard deviation says.",
        ),
        Mistake(
            _joint(exponent=lambda d, s: d / 2 / s[:, None]),
            "Sigma must be squared in the exponent, or the unit of the features "
            "matters.",
        ),
        Mistake(
            _joint(exponent=lambda d, s: np.sqrt(d) / 2 / s[:, None] ** 2),
            "The distance in the exponent must be squared; otherwise the tails are far "
            "too heavy.",
        ),
        Mistake(
            _joint(exponent=lambda d, s: d / 2 / s**2),
            "You use the sigma of the neighbor. In p(j|i) the Gaussian stands at "
            "point i: sigma varies along the rows, not the columns.",
        ),
        Mistake(
            _joint(
                normalized=lambda E: E / E.sum(),
                joined=lambda P: (P + P.T) / 2,
                shifted=lambda e: e,
            ),
            "You normalize over all pairs at once. An outlier then has hardly any "
            "neighbors; each row is normalized by itself before the two directions "
            "are averaged.",
            "Implement a simplified t-SNE, "
            "https://click4ai.perfionixai.com/problems/tsne-implementation",
        ),
        Mistake(
            _joint(joined=lambda P: (P + P.T) / 2),
            "Your probabilities add up to the number of points: the mean of the two "
            "directions is divided by that number too.",
        ),
        Mistake(
            _joint(joined=lambda P: (P + P.T) / len(P)),
            "Your probabilities add up to two: the sum of the two directions is halved "
            "as well.",
        ),
        Mistake(
            _joint(joined=lambda P: P / len(P)),
            "Your probabilities are not symmetric. Those of both directions, p(j|i) "
            "and p(i|j), are averaged.",
        ),
    ),
    hint="Conditional probabilities row by row first, then make them symmetric.",
)

GRADIENT = Exercise(
    name="write-networks-tsne-gradient",
    section="networks.tsne",
    task="Write `kl_gradient(P, Y)`: P (points, points) are symmetric joint "
    "probabilities with a zero diagonal that add up to 1, Y (points, dimensions) the "
    "map, 2 points or more. Return the exact gradient (points, dimensions) with "
    "respect to Y of the divergence KL(P || Q) of t-SNE, in nats.",
    solution=kl_gradient,
    inputs=_map,
    harmless=(
        "is right only where axes 0 and 1 of P are equally long",
        "is right only where axis 0 of P has more than one entry",
        "is right only where axis 1 of P has more than one entry",
        "is right only where axis 0 of Y has more than one entry",
        "is right only where P stays below 10.0",
        "is right only where P has a number above 1e-3",
        "clips P",
    ),
    mistakes=(
        Mistake(
            _gradient(factor=1.0),
            "The factor 4 is missing. Some programs leave it to the learning rate, but "
            "then the gradient does not pass a check by differences.",
            "Remove constant 4 factor from gradients, "
            "https://github.com/pavlin-policar/openTSNE/pull/89",
        ),
        Mistake(
            _gradient(factor=2.0),
            "The factor is 4, not 2: each pair stands in the sum twice, as (i, j) and "
            "as (j, i).",
        ),
        Mistake(
            _gradient(pull=np.ones_like),
            "The factor 1 / (1 + squared distance) is missing. That would be the force "
            "of a Gaussian map; with Student's t far pairs hardly pull.",
        ),
        Mistake(
            _gradient(factor=-4.0),
            "The sign is turned round: this is the direction to move in, not the "
            "gradient.",
        ),
        Mistake(
            _gradient(pull=lambda K: K / K.sum()),
            "You multiply by q instead of by the kernel 1 / (1 + squared distance), "
            "which is not divided by the sum of all pairs.",
        ),
        Mistake(
            _gradient(pull=lambda K: K**2),
            "You multiply by the square of the kernel. The derivative of the kernel is "
            "its square, but that of its logarithm, which the divergence has, is not.",
        ),
        Mistake(
            _gradient(itself=1.0),
            "You count each point as its own neighbor in the map: the diagonal of Q "
            "must be zero before normalizing.",
        ),
        Mistake(
            _gradient(normalized=lambda K: K / K.sum(axis=1, keepdims=True)),
            "You normalize Q row by row. In t-SNE it is one distribution over all "
            "pairs.",
        ),
        Mistake(
            _gradient(normalized=lambda K: K),
            "You leave out the sum of all pairs: the kernel is a probability only when "
            "it is divided by that sum.",
        ),
        Mistake(
            _gradient(kernel=lambda d: 1 / (1 + np.sqrt(d))),
            "The distance in the kernel must be squared.",
        ),
        Mistake(
            _gradient(kernel=lambda d: np.exp(-d), pull=np.ones_like),
            "Your map has Gaussian neighbors: that is symmetric SNE, which crowds the "
            "points together. t-SNE uses Student's t.",
        ),
        Mistake(
            _pulled_to_the_origin,
            "You multiply by the place of the other point. The force acts along the "
            "difference of the two places, so it must not change when all points move "
            "alike.",
        ),
    ),
    hint="Four factors for each pair; check the result with differences.",
)

EXERCISES = (PERPLEXITY, PROBABILITIES, GRADIENT)
