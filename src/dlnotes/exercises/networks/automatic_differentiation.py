"""Automatic differentiation: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.networks.automatic_differentiation import (
    forward_mode,
    reverse_mode,
    unbroadcast,
)


def _graphs(rng: np.random.Generator) -> dict[str, Any]:
    """Draw local derivatives of which some are zero, in some draws all but few."""
    nodes = whole(rng, 1, 9)
    used = rng.random((nodes, nodes)) < rng.choice([0.3, 0.9])
    D = np.tril(reals(rng, nodes, nodes) * used, -1)
    return either(rng, {"D": D})


def _last_use_only(D: Any) -> Any:
    """Let each use of a node overwrite what earlier ones gave it."""
    gradient = np.eye(len(D))[-1]
    for i in range(len(D) - 1, -1, -1):
        gradient = np.where(D[i] != 0, gradient[i] * D[i], gradient)
    return gradient


def _depth_first(D: Any) -> Any:
    """Push on along every edge whatever has been gathered so far."""
    gradient = np.eye(len(D))[-1]

    def push(i: int) -> None:
        nonlocal gradient
        for j in np.flatnonzero(D[i]):
            gradient = gradient + gradient[i] * D[i, j] * np.eye(len(D))[j]
            push(int(j))

    push(len(D) - 1)
    return gradient


def _first_to_last(D: Any) -> Any:
    gradient = np.eye(len(D))[-1]
    for i in range(len(D)):
        gradient = gradient + gradient[i] * D[i]
    return gradient


REVERSE_MODE = Exercise(
    name="write-networks-automatic-differentiation-reverse-mode",
    section="networks.automatic_differentiation",
    task="Write `reverse_mode(D)`: the nodes of a computation are numbered in the "
    "order in which they are computed. `D` (nodes, nodes) has the local derivatives, "
    "`D[i, j]` that of node i with respect to a node j that it uses directly, and 0 "
    "where it does not, so it is strictly lower triangular. Return (nodes,): the "
    "total derivative of the last node with respect to each node, by one backward "
    "pass.",
    hint="When a node's turn comes, its own derivative must be complete. Then it hands "
    "shares to the nodes that it uses.",
    solution=reverse_mode,
    inputs=_graphs,
    mistakes=(
        Mistake(
            _last_use_only,
            "A node that is used several times keeps the share of one use only: the "
            "others are overwritten. The shares of all uses add up.",
            "Add Chapter 0, Autograd section backprop test, "
            "https://github.com/callummcdougall/ARENA_2.0/pull/18",
        ),
        Mistake(
            _depth_first,
            "You go on from a node each time it is reached, so what it has passed on "
            "already is passed on again. Wait until all of its uses are in: go through "
            "the nodes in the reverse of the order in which they were computed.",
            "An issue of micrograd, https://github.com/karpathy/micrograd/issues/2",
        ),
        Mistake(
            _first_to_last,
            "Only direct uses by the last node arrive; paths through other nodes count "
            "too. From first to last, a node's own derivative is not known yet when "
            "its turn comes.",
        ),
        Mistake(
            lambda D: forward_mode(D, 0),
            "These are the derivatives of every node with respect to the first: "
            "forward mode. Asked is for one output and every input.",
        ),
        Mistake(
            lambda D: reverse_mode(D) - np.eye(len(D))[-1],
            "The derivative of the last node with respect to itself is 1, with which "
            "the backward pass begins. You return 0 there.",
        ),
        Mistake(
            lambda D: np.linalg.inv(np.eye(len(D)) + D)[-1],
            "Each step from a node to the next has the wrong sign. The share is the "
            "gradient times the local derivative, added and not subtracted.",
        ),
    ),
    harmless=("is right only where axes 0 and 1 of D are equally long",),
)


def _broadcast(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a gradient, and a shape that broadcasting brings to the gradient's."""
    axes, new = whole(rng, 0, 4), whole(rng, 0, 2)
    size = tuple(whole(rng, 1, 4) for _ in range(axes))
    shape = tuple(1 if rng.random() < 0.4 else each for each in size[new:])
    return either(rng, {"upstream": reals(rng, *size), "shape": shape})


def _shared_out(combine: Answer) -> Answer:
    """Answer with something else than the sum over the copies."""

    def answer(upstream: Any, shape: Any) -> Any:
        new = upstream.ndim - len(shape)
        copied = [k for k in range(upstream.ndim) if k < new or shape[k - new] == 1]
        return combine(upstream, tuple(copied)).reshape(shape)

    return answer


def _first(upstream: Any, axes: Any) -> Any:
    return upstream[
        tuple(0 if k in axes else slice(None) for k in range(upstream.ndim))
    ]


def _added_only(upstream: Any, shape: Any) -> Any:
    """Sum over the axes that are new, and not over those that were stretched."""
    return upstream.sum(axis=tuple(range(upstream.ndim - len(shape))))


def _stretched_only(upstream: Any, shape: Any) -> Any:
    """Sum over the axes that were stretched, and keep those that are new."""
    new = upstream.ndim - len(shape)
    axes = tuple(new + k for k, size in enumerate(shape) if size == 1)
    return upstream.sum(axis=axes, keepdims=True)


def _axes_dropped(upstream: Any, shape: Any) -> Any:
    """Sum over the right axes, and drop those that had one entry."""
    right = unbroadcast(upstream, shape)
    return right.reshape([size for size in shape if size > 1])


UNBROADCAST = Exercise(
    name="write-networks-automatic-differentiation-unbroadcast",
    section="networks.automatic_differentiation",
    task="Write `unbroadcast(upstream, shape)`: an array of the shape `shape`, a "
    "tuple, was broadcast as NumPy does it. `upstream` is the gradient of the loss "
    "with respect to the result. Return the gradient with respect to the array.",
    hint="Which entries of the result are copies of one entry of the array? How does "
    "the loss change if that one entry is moved?",
    solution=unbroadcast,
    inputs=_broadcast,
    mistakes=(
        Mistake(
            _shared_out(lambda upstream, axes: upstream.mean(axis=axes)),
            "You take the mean over the copies. All of them move with the entry, so "
            "their gradients add up.",
        ),
        Mistake(
            _shared_out(_first),
            "You return the gradient of one copy. The entry has a share in each of its "
            "copies.",
        ),
        Mistake(
            _added_only,
            "You sum over the axes that broadcasting has put in front, but not over "
            "those of one entry that it has stretched.",
        ),
        Mistake(
            _stretched_only,
            "You sum over the axes that were stretched, but not over those that "
            "broadcasting has put in front: the result has too many axes.",
        ),
        Mistake(
            _axes_dropped,
            "The sums are right, and the axes of one entry are missing. The gradient "
            "has the shape of the array.",
        ),
        Mistake(
            lambda upstream, shape: np.broadcast_to(upstream.sum(), shape),
            "You sum over all axes. Sum only over those along which the array was "
            "copied.",
        ),
        Mistake(
            lambda upstream, shape: upstream,  # noqa: ARG005
            "You return the gradient of the result as it is. Where the array was "
            "broadcast it has another shape: sum over the copies.",
        ),
    ),
)

EXERCISES = (REVERSE_MODE, UNBROADCAST)
