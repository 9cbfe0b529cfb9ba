"""Depth and width: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.depth_and_width import relu_interpolation, sawtooth


def _points(rng: np.random.Generator) -> dict[str, Any]:
    """Draw points to join: unequal gaps, at any scale, sometimes beginning at zero."""
    points = whole(rng, 2, 7)
    knots = np.cumsum(rng.uniform(0.3, 2.0, size=points))
    knots = (knots - rng.choice([knots[0], 3.0])) * rng.choice([1.0, 1.0, 20.0, 1e-4])
    values = reals(rng, points) + rng.choice([0.0, 2.0])
    return either(rng, {"knots": knots, "values": values})


def _slopes(knots: Any, values: Any) -> Any:
    return np.diff(values) / np.diff(knots)


def _equal_gaps(knots: Any, values: Any) -> Any:
    return values[0], np.diff(np.diff(values) / (knots[1] - knots[0]), prepend=0.0)


INTERPOLATION = Exercise(
    name="write-networks-depth-and-width-relu-interpolation",
    section="networks.depth_and_width",
    task="Write `relu_interpolation(knots, values)`: knots (points,), two or more, "
    "ascend with unequal gaps; values (points,) are wanted there. The network offset + "
    "sum over k of a_k ReLU(x - knots[k]), with one hidden unit at each knot but the "
    "last, shall pass through all points, straight in between. Return the offset, a "
    "number, and the output weights a (points - 1,).",
    solution=relu_interpolation,
    inputs=_points,
    harmless=(
        "is right only where axis 0 of knots has more than one entry",
        "is right only where axis 0 of values has more than one entry",
    ),
    mistakes=(
        Mistake(
            lambda knots, values: (values[0], _slopes(knots, values)),
            "You use the slope of each piece as a weight. Earlier units stay on, so "
            "their slopes are still there: each unit only adds the CHANGE of slope at "
            "its knot.",
        ),
        Mistake(
            lambda values, **_: (values[0], np.diff(np.diff(values), prepend=0.0)),
            "You take differences of values as slopes. The gaps between knots are "
            "unequal: divide by them.",
        ),
        Mistake(
            _equal_gaps,
            "You divide all differences by the same gap. The gaps between knots are "
            "unequal, so each slope has its own.",
        ),
        Mistake(
            lambda knots, values: (0.0, relu_interpolation(knots, values)[1]),
            "The offset is missing: at the first knot all hidden units are zero, yet "
            "the first value must come out.",
        ),
        Mistake(
            lambda knots, values: (values[0], -relu_interpolation(knots, values)[1]),
            "The signs are turned round: a change of slope is the later slope minus "
            "the earlier.",
        ),
        Mistake(
            lambda knots, values: (
                values[0],
                np.diff(_slopes(knots, values), append=0.0),
            ),
            "Your changes of slope sit one knot too early: before the first knot the "
            "slope is zero, so the first weight is the first slope.",
        ),
        Mistake(
            lambda values, **_: (values[0], values[1:] - values[0]),
            "You use heights as weights, as if the units were steps. A rectified unit "
            "contributes a slope from its knot on.",
        ),
        Mistake(
            lambda values, **_: (values[0], np.diff(values)),
            "You use the rise of each piece as a weight. That is right for steps; a "
            "rectified unit adds a slope, and keeps adding it.",
        ),
        Mistake(
            lambda knots, values: (values[0], np.diff(_slopes(knots, values))),
            "The first unit is missing. It has no earlier slope to change: its weight "
            "is the first slope itself.",
        ),
        Mistake(
            lambda knots, values: (
                values[0],
                np.diff(_slopes(knots, values), prepend=_slopes(knots, values)[0]),
            ),
            "Your first weight is zero, as if the network already rose before its "
            "first unit. Left of the first knot all units are off, so the slope there "
            "is zero.",
        ),
        Mistake(
            lambda knots, values: (
                values[0],
                np.diff(_slopes(knots, values), prepend=0.0, append=0.0),
            ),
            "You have a unit at the last knot as well, which makes the network level "
            "beyond it. Asked is one unit at each knot but the last.",
        ),
        Mistake(
            lambda knots, values: (
                values[0],
                np.diff(_slopes(knots, values), prepend=0.0) / np.diff(knots),
            ),
            "You divide the change of slope by the gap once more; that is a second "
            "derivative. The weight is the change of slope itself.",
        ),
        Mistake(
            lambda knots, values: (values[-1], relu_interpolation(knots, values)[1]),
            "Your offset is the last value. The units are all off at the first knot, "
            "so the first value is the offset.",
        ),
    ),
    hint="Walk from left to right: what must the unit at a knot add so that the next "
    "point is met?",
)


def _on_the_interval(rng: np.random.Generator) -> dict[str, Any]:
    """Draw numbers from 0 to 1, ends, middle and corners of teeth among them."""
    points = whole(rng, 1, 9)
    corners = rng.integers(0, 65, size=points) / 64
    x = np.where(rng.random(points) < 0.3, corners, rng.uniform(0, 1, size=points))
    return either(
        rng, {"x": x * rng.choice([1.0, 1.0, 1e-4]), "depth": whole(rng, 1, 6)}
    )


def _composed(tent: Any) -> Any:
    """Put another tent in the place of the right one."""

    def wrong(x: Any, depth: int) -> Any:
        for _ in range(depth):
            x = tent(x)
        return x

    return wrong


SAWTOOTH = Exercise(
    name="write-networks-depth-and-width-sawtooth",
    section="networks.depth_and_width",
    task="Write `sawtooth(x, depth)`: x (points,) lies in [0, 1]. The tent rises "
    "straight from 0 at 0 to 1 at 1/2 and falls straight back to 0 at 1; a network of "
    "two rectified units draws it. Return the tent composed with itself so that "
    "`depth` layers are applied one after another, (points,).",
    solution=sawtooth,
    inputs=_on_the_interval,
    harmless=("is right only where x stays below 10.0", "clips x"),
    mistakes=(
        Mistake(
            _composed(lambda x: x),
            "You return x as it came in. Each layer puts the tent around the result "
            "of the one before.",
        ),
        Mistake(
            lambda x, depth: sawtooth(x, depth - 1) if depth > 1 else x,
            "One layer is missing: with depth 1 the result is the tent itself.",
        ),
        Mistake(
            lambda x, depth: sawtooth(x, depth + 1),
            "There is one layer too many, and so twice as many teeth: with depth 1 the "
            "result is the tent itself.",
        ),
        Mistake(
            lambda x, depth: 2**depth * x % 1,
            "You let the value jump back to zero: that is doubling modulo 1. A tent "
            "folds, so every second tooth runs the other way.",
        ),
        Mistake(
            lambda x, depth: depth * sawtooth(x, 1),
            "You add tents up instead of feeding one into the next. A sum, as in a "
            "wide layer, has no more teeth than one tent.",
        ),
        Mistake(
            lambda x, depth: sawtooth(x, 1) ** depth,
            "You take a power of the tent. Composed means that the output of one layer "
            "is the input of the next.",
        ),
        Mistake(
            lambda x, **_: sawtooth(x, 1),
            "You apply one tent, whatever the depth is.",
        ),
        Mistake(
            lambda x, depth: np.abs(np.sin(2 ** (depth - 1) * np.pi * x)),
            "The teeth are in the right places, but rounded: a rectified net is "
            "piecewise straight.",
        ),
        Mistake(
            _composed(lambda x: 4 * x * (1 - x)),
            "Your layer is a parabola. It has the right ends and the right top, but "
            "two rectified units draw straight lines.",
        ),
        Mistake(
            _composed(lambda x: np.minimum(x, 1 - x)),
            "Your tent rises to 1/2 only, so a second one has nothing to fold. Its "
            "slopes are 2 and -2.",
        ),
        Mistake(
            _composed(lambda x: 2 * np.maximum(x, 0) - 2 * np.maximum(x - 0.5, 0)),
            "From 1/2 on your tent is level: the second unit takes away the slope 2 "
            "of the first, and no more. To fall it must take away 4.",
        ),
        Mistake(
            lambda x, depth: 1 - np.abs(2 * (depth * x % 1) - 1),
            "You draw one tooth more with each layer. A layer folds everything that "
            "is there, so it doubles the number of teeth.",
        ),
    ),
    hint="How many teeth does each further layer make of one?",
)

EXERCISES = (INTERPOLATION, SAWTOOTH)
