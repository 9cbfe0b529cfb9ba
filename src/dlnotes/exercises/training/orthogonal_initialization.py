"""Orthogonal and sparse weights: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.training.orthogonal_initialization import orthogonal_init, sparse_init


def _draws(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a matrix of full rank, in some draws huge or tiny, or with a zero."""
    scale = rng.choice([1.0, 1.0, 1e3, 1e-6])
    z = scale * rng.normal(size=(whole(rng, 1, 7), whole(rng, 1, 7)))
    if z.size > 1 and rng.random() < 0.3:
        z.flat[rng.integers(z.size)] = 0.0
    return either(rng, {"z": z, "gain": float(rng.choice([1.0, 2.0, 0.3]))})


def _tall(z: Any) -> Any:
    """Return the draws, or their transpose if there are more units than inputs."""
    return z if z.shape[0] >= z.shape[1] else z.T


def _from(make: Callable[[Any], Any]) -> Answer:
    """Answer with another matrix, made of the draws as a tall matrix."""

    def wrong(z: Any, *, gain: float) -> Any:
        W = gain**0.5 * make(_tall(z))
        return W if z.shape[0] >= z.shape[1] else W.T

    return wrong


def _stretched(tall: Any) -> Any:
    Q, R = np.linalg.qr(tall)
    return Q * np.diag(R)


def _signed_rows(tall: Any) -> Any:
    Q, R = np.linalg.qr(tall)
    signs = np.ones(len(tall))
    signs[: len(R)] = np.sign(np.diag(R))
    return signs[:, None] * Q


def _all_signed(tall: Any) -> Any:
    Q, R = np.linalg.qr(tall)
    return Q * np.sign(np.linalg.det(R))


def _polar(tall: Any) -> Any:
    U, _, V = np.linalg.svd(tall, full_matrices=False)
    return U @ V


def _never_transposed(z: Any, *, gain: float) -> Any:
    Q, R = np.linalg.qr(z)
    return gain**0.5 * Q * np.sign(np.diag(R))


ORTHOGONAL = Exercise(
    name="write-training-orthogonal-initialization-orthogonal",
    section="training.orthogonal_initialization",
    task="Write `orthogonal_init(z, *, gain)`: z (inputs, units) are standard normal "
    "draws. Return weights (inputs, units) whose columns are orthonormal, or whose "
    "rows are if there are more units than inputs, times the root of the gain. Get "
    "them by the QR decomposition of the draws, of their transpose if there are more "
    "units, and choose the signs with which the diagonal of R is positive.",
    hint="Q R stays what it is if a column of Q and the row of R with the same number "
    "both change sign.",
    solution=orthogonal_init,
    inputs=_draws,
    mistakes=(
        Mistake(
            _from(lambda tall: np.linalg.qr(tall)[0]),
            "You leave the signs as the decomposition happens to choose them. The "
            "matrix is orthogonal, but some are likelier than others: multiply each "
            "column by the sign that R has there.",
            "Make orthogonal initializer use qr factorization (instead of svd), "
            "https://github.com/tensorflow/tensorflow/pull/9429",
        ),
        Mistake(
            _never_transposed,
            "With more units than inputs you decompose the draws as they are, and get "
            "a square matrix. There the rows are to be orthonormal: decompose the "
            "transpose.",
        ),
        Mistake(
            _from(_polar),
            "You take the orthogonal matrix from the singular vectors. It is evenly "
            "distributed as well, but another one than the QR decomposition gives.",
        ),
        Mistake(
            _from(_stretched),
            "You multiply by the diagonal of R itself, which stretches the columns. "
            "Only its signs are wanted.",
        ),
        Mistake(
            _from(_signed_rows),
            "You change the signs of rows. The diagonal of R goes with the columns of "
            "Q.",
        ),
        Mistake(
            _from(_all_signed),
            "You change all signs together, by that of the determinant of R. Each "
            "column has a sign of its own.",
        ),
        Mistake(
            _from(lambda tall: tall / np.linalg.norm(tall, axis=0)),
            "Your vectors have the length 1, but they are not at right angles to each "
            "other. Orthonormal means both.",
        ),
        Mistake(
            lambda z, *, gain: gain * orthogonal_init(z),
            "You multiply by the gain. It is the factor of squared lengths, so the "
            "weights are multiplied by its root.",
        ),
        Mistake(
            lambda z, **_: orthogonal_init(z),
            "You forget the gain.",
        ),
    ),
)


def _two_draws(rng: np.random.Generator) -> dict[str, Any]:
    """Draw weights, what decides, in some draws from close to zero, and how many."""
    inputs, units = whole(rng, 1, 9), whole(rng, 1, 9)
    u = rng.random((inputs, units)) * rng.choice([1.0, 1.0, 1e-6])
    u[rng.integers(inputs)] *= rng.random() < 0.7
    case = either(rng, {"z": reals(rng, inputs, units), "u": u})
    return case | {"nonzeros": whole(rng, 1, inputs)}


def _kept(where: Callable[[Any, int], Any]) -> Answer:
    """Answer with the draws at other places."""
    return lambda z, u, *, nonzeros: np.where(where(u, nonzeros), z, 0)


def _ranks(u: Any, axis: int | None = 0) -> Any:
    order = np.argsort(np.argsort(u, axis=axis), axis=axis)
    return order.reshape(u.shape)


SPARSE = Exercise(
    name="write-training-orthogonal-initialization-sparse",
    section="training.orthogonal_initialization",
    task="Write `sparse_init(z, u, *, nonzeros)`: z and u (inputs, units) are normal "
    "and uniform draws. A unit keeps the draws of z at those nonzeros of its inputs "
    "where u is smallest; its other weights are zero. Return the weights.",
    hint="Which rank has each number of u among those of its unit?",
    solution=sparse_init,
    inputs=_two_draws,
    harmless=(
        "clips u",
        "is right only where u stays below 10.0",
    ),
    mistakes=(
        Mistake(
            _kept(lambda u, k: _ranks(u, 1) < k),
            "You keep so many weights of each input. It is the inputs of each unit "
            "that are to be few, and the units are columns here.",
            "Document row-wise sparsity in nn.init.sparse, "
            "https://github.com/ml-explore/mlx/pull/3752",
        ),
        Mistake(
            _kept(lambda u, k: u < k / len(u)),
            "You keep each weight with the same chance. Then some units get more "
            "inputs than others, and one may get none.",
            "[Feature] Added Sparse Initialization, "
            "https://github.com/ml-explore/mlx/pull/1498",
        ),
        Mistake(
            _kept(lambda u, k: _ranks(u, None) < k * u.shape[1]),
            "You keep the right number in the whole matrix, but not the same number "
            "for each unit.",
        ),
        Mistake(
            _kept(lambda u, k: np.argsort(u, axis=0) < k),
            "You compare the order, that is where the smallest is, where the second "
            "and so on. What you want is the rank of each number: sort once more.",
        ),
        Mistake(
            _kept(lambda u, k: _ranks(u) >= k),
            "You set to zero those that should stay. nonzeros counts what is kept; "
            "what PyTorch asks for is the share of zeros.",
        ),
        Mistake(
            _kept(lambda u, k: _ranks(u) <= k),
            "You keep one too many: ranks begin at 0.",
        ),
        Mistake(
            _kept(lambda u, k: _ranks(-u) < k),
            "You keep the weights where u is largest.",
        ),
        Mistake(
            _kept(lambda u, k: np.broadcast_to(_ranks(u[:, :1]) < k, u.shape)),
            "All your units read the same inputs. Each has a choice of its own.",
            "Add sparse initialization, https://github.com/FluxML/Flux.jl/pull/1454",
        ),
        Mistake(
            lambda u, nonzeros, **_: np.where(_ranks(u) < nonzeros, u, 0),
            "You keep the uniform draws. They only decide; the weights are those of z.",
        ),
        Mistake(
            lambda z, u, *, nonzeros: np.where(
                _ranks(u) < nonzeros, z / nonzeros**0.5, 0
            ),
            "You scale the weights by their number. That keeps the size of a "
            "signal, but was not asked for here.",
        ),
    ),
)

EXERCISES = (ORTHOGONAL, SPARSE)
