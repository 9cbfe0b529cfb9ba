"""The cost of a convolutional layer: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.cnn.cost import conv_parameter_count, mac_count
from dlnotes.exercises.drawing import whole
from dlnotes.exercises.exercise import Exercise, Mistake


def _layer(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the size, the number and the depth of filters, and the positions.

    Some layers are so large that their count does not fit into 32 bits.
    """
    if rng.random() < 0.2:
        return {
            "kernel_size": whole(rng, 3, 7),
            "depth": whole(rng, 512, 1024),
            "filters": whole(rng, 512, 1024),
            "places": whole(rng, 10_000, 50_000),
        }
    return {
        "kernel_size": whole(rng, 1, 7),
        "depth": whole(rng, 1, 64),
        "filters": whole(rng, 1, 64),
        "places": whole(rng, 1, 400) if rng.random() < 0.8 else 1,
    }


def _in_32_bits(count: int) -> int:
    """Let a number that is too large wrap around."""
    return (count + 2**31) % 2**32 - 2**31


OVERFLOW = (
    "Your integers have 32 bits: above 2147483647 they wrap around, and the count of a "
    "large layer is wrong or even negative. Python's own integers have no limit."
)


PARAMETERS = Exercise(
    name="write-cnn-cost-parameter-count",
    section="cnn.cost",
    task="Write `conv_parameter_count(filters, kernel_size, depth, *, places)`, the "
    "number of weights and biases of a layer with that many square filters on an "
    "input with `depth` channels. `places` is the number of positions that have "
    "filters of their own: 1 in a convolutional layer, where all share them. Return "
    "an int.",
    hint="Count one filter first.",
    solution=conv_parameter_count,
    inputs=_layer,
    mistakes=(
        Mistake(
            lambda filters, kernel_size, depth, *, places: (
                places * filters * kernel_size**2 * depth
            ),
            "You leave the biases out. Every filter has one.",
        ),
        Mistake(
            lambda filters, kernel_size, depth, *, places: (
                places * (filters * kernel_size**2 * depth + 1)
            ),
            "You count one bias for all filters. Every filter has its own.",
        ),
        Mistake(
            lambda filters, kernel_size, depth, *, places: (
                places * filters * depth * (kernel_size**2 + 1)
            ),
            "You count a bias for every channel. A filter adds one bias to the sum "
            "over its channels.",
        ),
        Mistake(
            lambda filters, kernel_size, depth, *, places: (
                places * filters * (kernel_size * depth + 1)
            ),
            "You count one row of the kernel. It is as high as it is wide.",
        ),
        Mistake(
            lambda filters, kernel_size, depth, *, places: (
                places * depth * (filters * kernel_size**2 + 1)
            ),
            "You count a bias for every channel of the input. The biases belong to the "
            "filters.",
        ),
        Mistake(
            lambda filters, kernel_size, *, places, **_: (
                places * filters * (kernel_size**2 + 1)
            ),
            "You count one channel. A filter has a kernel for every channel of its "
            "input.",
        ),
        Mistake(
            lambda filters, kernel_size, depth, *, places: (
                filters * (kernel_size**2 * depth + places)
            ),
            "You share the weights and give each position biases of its own. Positions "
            "that do not share have weights of their own too.",
        ),
        Mistake(
            lambda filters, kernel_size, depth, *, places: (
                filters * (places * kernel_size**2 * depth + 1)
            ),
            "You count the biases of one position. Positions with filters of their own "
            "have biases of their own, too.",
        ),
        Mistake(
            lambda filters, kernel_size, depth, *, places: (
                places * filters * kernel_size**2 * depth + 1
            ),
            "You count a single bias. Every filter has its own.",
        ),
        Mistake(
            lambda filters, kernel_size, depth, **_: (
                filters * (kernel_size**2 * depth + 1)
            ),
            "You leave `places` out. It says at how many positions there are filters "
            "of their own.",
        ),
        Mistake(
            lambda kernel_size, depth, *, places, **_: (
                places * (kernel_size**2 * depth + 1)
            ),
            "You count one filter. A layer has several.",
        ),
        Mistake(
            lambda filters, kernel_size, depth, *, places: (
                places**2 * filters * (kernel_size**2 * depth + 1)
            ),
            "You square the number of positions. It counts rows times columns already.",
        ),
        Mistake(
            lambda filters, kernel_size, depth, *, places: _in_32_bits(
                conv_parameter_count(filters, kernel_size, depth, places=places)
            ),
            OVERFLOW,
        ),
    ),
)

MULTIPLY_ADDS = Exercise(
    name="write-cnn-cost-mac-count",
    section="cnn.cost",
    task="Write `mac_count(kernel_size, depth, filters, places)`, the number of "
    "multiply-adds of a convolutional layer for one image: products of a weight and "
    "an input, each added to a sum. The filters are square, the input has `depth` "
    "channels, and each filter has `places` positions. Return an int.",
    hint="How many products does one number of the output take, and how many numbers "
    "are there?",
    solution=mac_count,
    inputs=_layer,
    mistakes=(
        Mistake(
            lambda kernel_size, depth, filters, places: (
                2 * mac_count(kernel_size, depth, filters, places)
            ),
            "You count a multiplication and an addition as two. Those are FLOPs; one "
            "multiply-add is both.",
        ),
        Mistake(
            lambda kernel_size, depth, filters, **_: kernel_size**2 * depth * filters,
            "You count every weight once. A convolutional layer uses it at every "
            "position.",
        ),
        Mistake(
            lambda kernel_size, filters, places, **_: kernel_size**2 * filters * places,
            "You leave the channels out. A filter reads all channels of its input.",
        ),
        Mistake(
            lambda kernel_size, depth, filters, places: (
                (kernel_size**2 * depth + 1) * filters * places
            ),
            "You count the bias as a multiply-add. It is added and multiplies nothing.",
        ),
        Mistake(
            lambda kernel_size, depth, places, **_: kernel_size**2 * depth * places,
            "You count one filter. A layer has several, and each has an output at "
            "every position.",
        ),
        Mistake(
            lambda kernel_size, depth, filters, places: (
                kernel_size**2 * depth * filters * places**2
            ),
            "You square the number of positions. It counts rows times columns already.",
        ),
        Mistake(
            lambda kernel_size, depth, filters, places: (
                kernel_size * depth * filters * places
            ),
            "You count one row of the kernel. It is as high as it is wide.",
        ),
        Mistake(
            lambda kernel_size, depth, filters, places: (
                (kernel_size**2 * depth - 1) * filters * places
            ),
            "You count the additions between the products, one fewer than there are "
            "products. A multiply-add is a product that is added to a sum, and the "
            "first one is added as well.",
        ),
        Mistake(
            lambda kernel_size, depth, filters, places: (
                (2 * kernel_size**2 * depth - 1) * filters * places
            ),
            "You count multiplications and the additions between them one by one, as "
            "for FLOPs. One multiply-add is both.",
        ),
        Mistake(
            lambda filters, places, **_: filters * places,
            "You count the numbers of the output. Each of them takes many "
            "multiply-adds.",
        ),
        Mistake(
            lambda kernel_size, depth, filters, places: _in_32_bits(
                mac_count(kernel_size, depth, filters, places)
            ),
            OVERFLOW,
        ),
    ),
)

EXERCISES = (PARAMETERS, MULTIPLY_ADDS)
