"""Initial weights: what to write, and the mistakes made there."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.training.weight_initialization import (
    fans,
    glorot_normal,
    glorot_uniform,
    he_normal,
    lecun_normal,
)


def _shape(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the shape of a matrix, or of a kernel with a window of one to three axes."""
    axes = whole(rng, 2, 5)
    return {"shape": tuple(whole(rng, 1, 9) for _ in range(axes))}


def _kernel(count: Callable[..., tuple[int, int]]) -> Answer:
    """Answer for a kernel by another count, and for a matrix as is right."""

    def wrong(shape: tuple[int, ...]) -> tuple[int, int]:
        return fans(shape) if len(shape) == 2 else count(*shape)

    return wrong


FANS = Exercise(
    name="write-training-weight-initialization-fans",
    section="training.weight_initialization",
    task="Write `fans(shape)`: the shape of weights is (inputs, units), or that of a "
    "kernel, (filters, channels, ...), where the axes of the window follow: one, two "
    "or three. Return a tuple of two ints: fan-in, the number of terms that a "
    "pre-activation adds up, and fan-out, the number of pre-activations that one input "
    "goes into where the window has a stride of 1 and no border is near.",
    hint="How many weights does one output of a filter use? And how many outputs read "
    "one pixel?",
    solution=fans,
    inputs=_shape,
    mistakes=(
        Mistake(
            lambda shape: fans(shape)[::-1],
            "Fan-in and fan-out are exchanged: fan-in is what a unit adds up.",
        ),
        Mistake(
            lambda shape: (
                (shape[1], shape[0]) if len(shape) == 2 else fans(tuple(shape))
            ),
            "You read a matrix in the layout of PyTorch, (outputs, inputs). Here the "
            "first axis has the inputs.",
            "docs: note transposed weight initialisations, "
            "https://github.com/pytorch/pytorch/pull/130122",
        ),
        Mistake(
            lambda shape: (shape[0] * prod(shape[2:]), shape[1] * prod(shape[2:])),
            "You read a kernel in the layout of a matrix, inputs first. Its first axis "
            "has the filters, and a filter reads the channels.",
        ),
        Mistake(
            _kernel(lambda f, c, *_: (c, f)),
            "The window is missing: an output adds up all its pixels, of every "
            "channel.",
        ),
        Mistake(
            _kernel(lambda f, c, *window: (c * prod(window), f)),
            "The window is missing in fan-out: a pixel is read from every position of "
            "the window, by each filter.",
        ),
        Mistake(
            _kernel(lambda f, _, *window: (prod(window), f * prod(window))),
            "You count one channel. A filter reads all of them and adds them up.",
        ),
        Mistake(
            _kernel(lambda f, c, *window: (c * window[0], f * window[0])),
            "You count one axis of the window only; its pixels are the product of all.",
        ),
        Mistake(
            _kernel(lambda f, c, *window: (c * sum(window), f * sum(window))),
            "You add the sides of the window; its pixels are their product.",
        ),
    ),
)


def _uniform_draws(rng: np.random.Generator) -> dict[str, Any]:
    """Draw numbers from 0 to 1, some of them zero, in some draws all close to it."""
    shape = whole(rng, 1, 9), whole(rng, 1, 9)
    u = rng.random(shape) * rng.choice([1.0, 1.0, 1.0, 1e-6])
    return either(rng, {"u": np.where(rng.random(shape) < 0.1, 0.0, u)})


def _limit(of: Callable[[int, int], float]) -> Answer:
    """Answer with another limit of the uniform distribution."""
    return lambda u: of(*u.shape) * (2 * u - 1)


GLOROT = Exercise(
    name="write-training-weight-initialization-glorot",
    section="training.weight_initialization",
    task="Write `glorot_uniform(u)`: u (inputs, units) are uniform draws from 0 to 1. "
    "Return the weights of a layer after Glorot and Bengio in their uniform form, each "
    "weight increasing with its draw.",
    hint="A uniform distribution from -a to a has the variance a squared over 3.",
    solution=glorot_uniform,
    inputs=_uniform_draws,
    harmless=("is right only where u stays below 10.0", "clips u"),
    mistakes=(
        Mistake(
            _limit(lambda i, o: (6 / i + o) ** 0.5),
            "A bracket is missing: you divide by the number of inputs and then add the "
            "number of units. It is their sum that divides.",
            "Xavier initialization, https://github.com/mlverse/torch/issues/555",
        ),
        Mistake(
            _limit(lambda i, o: (2 / (i + o)) ** 0.5),
            "You take the wanted standard deviation for the limit. A uniform draw up "
            "to a has a smaller one, by the factor root 3, so the limit must be "
            "larger.",
        ),
        Mistake(
            lambda u: (6 / sum(u.shape)) ** 0.5 * u,
            "All your weights are positive. The distribution is symmetric about zero.",
        ),
        Mistake(
            lambda u: (6 / sum(u.shape)) ** 0.5 * (u - 0.5),
            "Your weights reach only half as far as the limit: from 0 to 1 the draws "
            "are one wide, and from -a to a it is 2a.",
        ),
        Mistake(
            _limit(lambda i, o: 6 / (i + o)),
            "You forget the root. The variance goes with one over the numbers of "
            "inputs and units, so the limit goes with one over their root.",
        ),
        Mistake(
            _limit(lambda i, _: (6 / i) ** 0.5),
            "That is He's uniform form, with the inputs only. Glorot's compromise "
            "between the way forward and the way back has inputs and units.",
        ),
        Mistake(
            _limit(lambda i, _: (3 / i) ** 0.5),
            "That is LeCun's uniform form, with the inputs only. Glorot's compromise "
            "between the way forward and the way back has inputs and units.",
        ),
        Mistake(
            _limit(lambda i, o: (3 / (i + o)) ** 0.5),
            "You divide by the sum of inputs and units, where their mean is meant: "
            "your variance is half of what it should be.",
        ),
        Mistake(
            _limit(lambda i, o: (6 / (i * o)) ** 0.5),
            "You divide by the number of weights. It is the inputs plus the units "
            "that divide.",
        ),
        Mistake(
            lambda u: (6 / sum(u.shape)) ** 0.5 * (1 - 2 * u),
            "The sign is wrong: the largest draw gets the smallest weight.",
        ),
        Mistake(
            glorot_normal,
            "You scale the draws to a standard deviation, as if they were normal with "
            "mean 0 and variance 1. These are uniform from 0 to 1.",
        ),
    ),
)


def _normal_draws(rng: np.random.Generator) -> dict[str, Any]:
    return either(rng, {"z": reals(rng, whole(rng, 1, 9), whole(rng, 1, 9))})


def _deviation(of: Callable[[int, int], float]) -> Answer:
    """Answer with another standard deviation."""
    return lambda z: of(*z.shape) * z


HE = Exercise(
    name="write-training-weight-initialization-he",
    section="training.weight_initialization",
    task="Write `he_normal(z)`: z (inputs, units) are standard normal draws. Return "
    "the weights of a layer before ReLUs after He et al., who keep the size of the "
    "signals on the way forward. The layer computes X @ W.",
    hint="Which axis of W does X @ W sum over?",
    solution=he_normal,
    inputs=_normal_draws,
    mistakes=(
        Mistake(
            _deviation(lambda _, o: (2 / o) ** 0.5),
            "You divide by the number of units, the last axis, as in the layout of "
            "PyTorch, (outputs, inputs). Here W is (inputs, units), and it is the "
            "inputs that are summed.",
            "docs: note transposed weight initialisations, "
            "https://github.com/pytorch/pytorch/pull/130122",
        ),
        Mistake(
            _deviation(lambda i, _: 2 / i),
            "You scale by the variance. A draw is scaled by the standard deviation, "
            "its root.",
        ),
        Mistake(
            lecun_normal,
            "That is LeCun's scale. ReLU removes half of the signal, so the mean "
            "square would halve at every layer: hence the factor 2.",
            'Bugfixes for "Xavier" initializers, '
            "https://github.com/LBANN/lbann/pull/316",
        ),
        Mistake(
            glorot_normal,
            "That is Glorot's variance, made for units that are nearly linear. For "
            "ReLU the inputs alone count, with a factor of 2.",
        ),
        Mistake(
            _deviation(lambda i, _: 2**0.5 / i),
            "The root covers the 2 only. It belongs over the whole quotient, so the "
            "weights fall with the root of the number of inputs.",
        ),
        Mistake(
            _deviation(lambda i, _: 2 / i**0.5),
            "The root covers the number of inputs only. It belongs over the 2 as well.",
        ),
        Mistake(
            _deviation(lambda i, _: (6 / i) ** 0.5),
            "That is the limit of the uniform form. Normal draws are multiplied by the "
            "standard deviation itself.",
        ),
        Mistake(
            _deviation(lambda i, _: (i / 2) ** 0.5),
            "You divide where you should multiply: the more inputs, the smaller the "
            "weights.",
        ),
        Mistake(
            _deviation(lambda i, o: (2 / (i * o)) ** 0.5),
            "You divide by the number of all weights. A unit adds up its inputs only.",
        ),
    ),
)

EXERCISES = (FANS, GLOROT, HE)
