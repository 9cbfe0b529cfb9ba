"""Dropout: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, shape, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.losses import log_softmax, softmax
from dlnotes.training.dropout import (
    enumerate_subnetworks,
    inverted_dropout,
    subnetwork_ensemble,
)


def _step(rng: np.random.Generator) -> dict[str, Any]:
    """Draw activations of any shape, uniform numbers, a rate, and whether to train.

    Some of the numbers may be zero, or the rate itself.  In one draw of eight nothing
    is to be dropped, and in another one everything.
    """
    H = reals(rng, *shape(rng))
    p = float(rng.choice([*rng.uniform(0.1, 0.9, size=6), 0.0, 1.0]))
    edge = rng.random(H.shape) < rng.choice([0.0, 0.3])
    u = np.where(edge, rng.choice([0.0, p % 1], size=H.shape), rng.random(H.shape))
    case = either(rng, {"H": H, "u": u})
    return {**case, "p": p, "training": bool(rng.random() < 0.6)}


def _kept(H: Any, u: Any, p: float) -> Any:
    """Return what is kept, not scaled."""
    return H * (u >= p)


def _over(kept: Any, share: float) -> Any:
    """Divide by a share, or return zeros where it is zero."""
    return kept / share if share else 0 * kept


INVERTED = Exercise(
    name="write-training-dropout-inverted",
    section="training.dropout",
    task="Write `inverted_dropout(H, u, *, p, training)`: H are activations of any "
    "shape and p is the chance of dropping a unit, from 0 to 1. u, of the shape of H, "
    "are uniform draws from [0, 1): a unit is kept where its draw is at least p. "
    "training says whether this is a step of training or inference. Return an array "
    "of the shape of H; with p = 1 a step of training gives zeros.",
    hint="The mean over many draws must be H, in training as at inference.",
    solution=inverted_dropout,
    inputs=_step,
    harmless=(
        "is right only where u stays below 10.0",
        "clips u",
        "moves u a little",
    ),
    mistakes=(
        Mistake(
            lambda H, u, p, training: _over(H * (u < p), p) if training else H,
            "You treat p as the chance of keeping a unit, as the paper of 2014 does. "
            "Here, as in torch, it is the chance of dropping it.",
            "dropout behaviour (1-p -> p) + new notebook, "
            "https://github.com/v-iashin/CS231n/pull/8",
        ),
        Mistake(
            lambda H, u, p, training: _over(_kept(H, u, p), p) if training else H,
            "You divide by the chance of dropping. The share that remains is 1 - p; "
            "the two look the same only at one half.",
            "Fix bug in BernoulliDropout, https://github.com/lmjohns3/theanets/pull/123",
        ),
        Mistake(
            lambda H, u, p, training: _over(H * (u < p), 1 - p) if training else H,
            "You keep the units that are to be dropped: with your mask a draw below p "
            "keeps its unit.",
        ),
        Mistake(
            lambda H, u, p, training: _kept(H, u, p) if training else H,
            "You do not rescale. At inference all units are active, so the next layer "
            "would receive more than it was trained with, by the factor 1 / (1 - p).",
        ),
        Mistake(
            lambda H, u, p, training: _kept(H, u, p) if training else H * (1 - p),
            "That is dropout as in the paper of 2012, which rescales at inference. It "
            "is right in itself, but inverted dropout, asked for here, leaves "
            "inference untouched.",
        ),
        Mistake(
            lambda H, u, p, training: (
                _over(_kept(H, u, p), 1 - p) if training else H * (1 - p)
            ),
            "You rescale twice, in training and again at inference. Once is enough.",
            "non-standard dropout behavior, https://github.com/clab/dynet/issues/186",
        ),
        Mistake(
            lambda H, u, p, training: _over(_kept(H, u, p), 1 - p),  # noqa: ARG005
            "You drop units at inference too, so predictions are random. There every "
            "unit takes part, and nothing is scaled.",
        ),
        Mistake(
            lambda H, u, p, training: H if training else _over(_kept(H, u, p), 1 - p),
            "You have training and inference the wrong way round: units are dropped "
            "in training only.",
        ),
        Mistake(
            lambda H, u, p, training: _over(H * (u > p), 1 - p) if training else H,
            "You drop a unit whose draw is exactly p. Draws begin at 0 and end before "
            "1, so it is those below p that have the probability p; with p = 0 a draw "
            "of 0 must keep its unit.",
        ),
        Mistake(
            lambda H, u, p, training: (
                _over(H * ((u[:1] if u.ndim else u) >= p), 1 - p) if training else H
            ),
            "You use one mask, that of the first instance, for the whole batch. Each "
            "instance has its own.",
        ),
        Mistake(
            lambda H, u, p, training: (
                H * (u >= p) / np.maximum((u >= p).mean(), 1 / H.size)
                if training
                else H
            ),
            "You divide by the share of units that happened to be kept. It is the "
            "probability of keeping one, 1 - p, that makes the mean over many draws "
            "right.",
        ),
    ),
)


def _layer(rng: np.random.Generator) -> dict[str, Any]:
    """Draw what a softmax layer reads for one instance, and the layer.

    Some numbers are zero, and in some draws the logits are far apart.
    """
    units, classes = whole(rng, 1, 6), whole(rng, 1, 5)
    if rng.random() < 0.1:
        classes = units
    x, W = rng.normal(size=units) + 0.5, rng.normal(size=(units, classes))
    x, W = (np.where(rng.random(each.shape) < 0.1, 0.0, each) for each in (x, W))
    b = rng.normal(size=classes) * rng.choice([1.0, 1.0, 0.0, 30.0])
    scale = rng.choice([1.0, 1.0, 1.0, 20.0, 1e-4])
    return either(
        rng, {"x": scale * x, "W": W * rng.choice([1.0, 1.0, 20.0, 1e-4]), "b": b}
    )


def _members(x: Any, W: Any, b: Any, first: int = 0, last: int | None = None) -> Any:
    """Return the logits of the subnetworks, which may lack some at either end."""
    return (enumerate_subnetworks(len(x))[first:last] * x) @ W + b


def _geometric(logits: Any) -> Any:
    """Return the geometric mean of the probabilities, not normalized."""
    return np.exp(np.mean(log_softmax(logits), axis=0))


ENSEMBLE = Exercise(
    name="write-training-dropout-ensemble",
    section="training.dropout",
    task="Write `subnetwork_ensemble(x, W, b)` for a layer with the inputs x (units,), "
    "the weights W (units, classes) and the biases b (classes,). Each way of switching "
    "units off gives a softmax classifier of what is left; nothing is rescaled, and "
    "the biases are always there. Return the probabilities (classes,) of the ensemble "
    "of all 2^units of them, all weighted alike: their geometric mean, normalized.",
    hint="For one unit there are two classifiers: the biases alone, and all.",
    solution=subnetwork_ensemble,
    inputs=_layer,
    mistakes=(
        Mistake(
            lambda x, W, b: np.mean(softmax(_members(x, W, b)), axis=0),
            "You take the arithmetic mean of the probabilities. It is the geometric "
            "mean for which halving the weights is exact.",
        ),
        Mistake(
            lambda x, W, b: _geometric(_members(x, W, b)),
            "You do not normalize: geometric means of probabilities sum to less than "
            "1.",
        ),
        Mistake(
            lambda x, W, b: softmax(x @ W + b),
            "That is the network with all units on and full weights. Each unit is off "
            "in half of the members, so its weights count by half.",
        ),
        Mistake(
            lambda x, W, b: softmax((x @ W + b) / 2),
            "You halve the biases as well. They are never switched off, so they keep "
            "their full size.",
        ),
        Mistake(
            lambda x, W, b: softmax(np.mean(_members(x, W, b, first=1), axis=0)),
            "You leave out the member with all units off. It counts too: it answers "
            "by its biases.",
        ),
        Mistake(
            lambda x, W, b: softmax(np.mean(_members(x, W, b, last=-1), axis=0)),
            "You leave out the member with all units on. It is one of the 2^units.",
        ),
        Mistake(
            lambda x, W, b: softmax(np.mean(_members(x, W, 0 * b), axis=0)),
            "You leave out the biases.",
        ),
        Mistake(
            lambda x, W, b: (
                np.mean(_members(x, W, b), axis=0)
                - np.log(np.sum(np.exp(np.mean(_members(x, W, b), axis=0))))
            ),
            "You return logarithms of probabilities.",
        ),
    ),
)

EXERCISES = (INVERTED, ENSEMBLE)
