"""The receptive field: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.cnn.receptive_field import receptive_field
from dlnotes.exercises.drawing import whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake


def _stack(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the filter sizes and the strides of a few layers."""
    layers = whole(rng, 1, 5)
    sizes, strides = rng.integers(1, 6, layers), rng.integers(1, 4, layers)
    return {"sizes": sizes.tolist(), "strides": strides.tolist()}


def _before(strides: Any) -> Any:
    """Multiply the strides before each layer."""
    return np.concatenate([[1], np.cumprod(strides)[:-1]])


def _without_formula(start: int, less: Callable[[int], int]) -> Answer:
    """Begin with other pixels, or add another number for each layer."""
    return lambda sizes, strides: (
        start + np.cumsum([less(size) for size in sizes] * _before(strides))
    ).tolist()


def _forward(sizes: Any, strides: Any) -> list[int]:
    """Go from the first layer to the last by the rule for the other way."""
    fields, field = [], 1
    for kernel_size, stride in zip(sizes, strides, strict=True):
        field = (field - 1) * stride + kernel_size
        fields.append(field)
    return fields


def _pixels(sizes: Any, strides: Any) -> list[int]:
    """Count the pixels that an output depends on, without those between them."""
    pixels, step, counts = {0}, 1, []
    for size, stride in zip(sizes, strides, strict=True):
        pixels = {pixel + step * k for pixel in pixels for k in range(size)}
        step *= stride
        counts.append(len(pixels))
    return counts


def _reach(spread: Callable[[Any], Any]) -> Answer:
    """Add up the sides less one, each times a distance taken from the strides."""
    return lambda sizes, strides: (
        1 + np.cumsum((np.asarray(sizes) - 1) * spread(np.asarray(strides)))
    ).tolist()


FIELD = Exercise(
    name="write-cnn-receptive-field-sizes",
    section="cnn.receptive_field",
    task="Write `receptive_field(sizes, strides)` for a stack of convolutional and "
    "pooling layers with these filter sizes and strides, two lists with the first "
    "layer first. Return for each layer how many pixels of the input image there are, "
    "along one axis, from the first to the last one that an output of the layer "
    "depends on, both counted: a list of ints.",
    hint="Neighboring pixels of a layer's input lie how far apart in the image?",
    solution=receptive_field,
    inputs=_stack,
    mistakes=(
        Mistake(
            _reach(np.cumprod),
            "You count a layer's own stride. It spreads the units of the next layer "
            "apart, not the pixels this layer reads: only earlier strides count.",
        ),
        Mistake(
            _reach(lambda strides: strides),
            "You multiply by a layer's own stride. It spreads the units of the next "
            "layer apart; what counts for a layer is the product of all strides before "
            "it.",
        ),
        Mistake(
            _pixels,
            "You count the pixels that the output depends on. Where a stride is larger "
            "than the filter there are gaps between them; asked is the whole distance "
            "from the first to the last.",
        ),
        Mistake(
            lambda sizes, strides: receptive_field(sizes, strides)[-1],
            "You return one number, for the last layer. Asked is a list with one for "
            "each layer.",
        ),
        Mistake(
            _reach(np.ones_like),
            "You leave the strides out. After a stride of 2 neighboring units lie two "
            "pixels apart, so later filters reach twice as far.",
        ),
        Mistake(
            lambda sizes, **_: list(sizes),
            "You return the filter sizes. They are receptive fields only in the first "
            "layer; deeper units see more of the image.",
        ),
        Mistake(
            _reach(lambda strides: np.concatenate([[1], strides[:-1]])),
            "You use the stride of the layer just before. The strides of all earlier "
            "layers multiply.",
        ),
        Mistake(
            _reach(lambda strides: np.concatenate([[1], np.cumsum(strides)[:-1]])),
            "You add the strides of the earlier layers. They multiply.",
        ),
        Mistake(
            _without_formula(1, lambda size: size),
            "You add the whole filter size. The first of the inputs that a layer reads "
            "is counted already, so it adds its size less one.",
        ),
        Mistake(
            _without_formula(1, lambda size: size // 2),
            "You count one side of each window. It reaches out on both sides.",
        ),
        Mistake(
            _without_formula(0, lambda size: size - 1),
            "You start from no pixel. Before the first layer an output is a pixel of "
            "the image and sees one: itself.",
        ),
        Mistake(
            _forward,
            "You use the rule that goes from the last layer back to the image, (field "
            "- 1) * stride + size, from the first layer on. It gives one number, for "
            "the last layer.",
        ),
        Mistake(
            lambda sizes, **_: np.cumprod(sizes).tolist(),
            "You multiply the filter sizes. Windows overlap; a layer adds its size "
            "less one, times the distance of what it reads.",
        ),
    ),
)

EXERCISES = (FIELD,)
