"""A diagram has the parts that it was asked for, and its arrows reach them."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

from dlnotes.lab import diagrams
from dlnotes.networks.activations import sigmoid
from dlnotes.neurons.perceptron import heaviside


@pytest.fixture
def ax() -> Iterator[Axes]:
    mpl.use("agg")
    fig, axes = plt.subplots()
    yield axes
    fig.canvas.draw()  # a warning while it is drawn is an error
    plt.close(fig)


def arrows(ax: Axes) -> list[FancyArrowPatch]:
    return [each for each in ax.patches if isinstance(each, FancyArrowPatch)]


def ends(ax: Axes, arrow: FancyArrowPatch) -> np.ndarray:
    """Return the two ends of an arrow's line, in the units of the axes."""
    assert ax.figure is not None
    ax.figure.canvas.draw()
    return np.asarray(arrow.get_path().vertices)[[0, -1]]


def test_a_neuron_shows_its_text_at_its_center(ax: Axes) -> None:
    circle = diagrams.neuron(ax, (2.0, 3.0), "$x_1$", radius=0.5)

    (text,) = ax.texts
    assert (text.get_text(), text.get_position()) == ("$x_1$", (2.0, 3.0))
    assert (circle.center, circle.radius) == ((2.0, 3.0), 0.5)


def test_the_graph_of_an_activation_has_its_shape_and_stays_in_the_neuron(
    ax: Axes,
) -> None:
    diagrams.neuron(ax, (1.0, -1.0), activation=sigmoid, radius=0.4)

    (line,) = ax.lines
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    assert np.corrcoef(y, sigmoid(np.linspace(-4, 4, 81)))[0, 1] == pytest.approx(1.0)
    assert np.hypot(x - 1.0, y + 1.0).max() < 0.4


def test_an_arrow_leaves_one_shape_and_ends_at_the_other(ax: Axes) -> None:
    start = diagrams.neuron(ax, (0.0, 0.0), radius=0.5)
    end = diagrams.box(ax, (4.0, 0.0), width=2.0)

    line = diagrams.arrow(ax, start, end, "w", style="-")

    first, last = ends(ax, line)
    assert first == pytest.approx([0.5, 0.0], abs=0.05)
    assert last == pytest.approx([3.0, 0.0], abs=0.05)
    assert ax.texts[-1].get_text() == "w"


@pytest.mark.parametrize(("bend", "side"), [(0.4, 1), (-0.4, -1)])
def test_an_arrow_bends_to_the_left_of_its_way_and_its_text_goes_with_it(
    ax: Axes, bend: float, side: int
) -> None:
    line = diagrams.arrow(ax, (0.0, 0.0), (2.0, 0.0), "text", bend=bend)

    ends(ax, line)
    height = np.asarray(line.get_path().vertices)[:, 1]
    assert side * height[np.argmax(abs(height))] > 0.1
    assert side * ax.texts[-1].xy[1] > 0.1  # type: ignore[attr-defined]


@pytest.mark.parametrize("bend", [0.0, 0.4])
def test_the_text_of_an_arrow_stands_at_its_share_of_the_way(
    ax: Axes, bend: float
) -> None:
    diagrams.arrow(ax, (0.0, 0.0), (4.0, 0.0), "text", share=0.25, bend=bend)

    # A quadratic curve, whose control point is to the left of the middle.
    control = np.array([2.0, 4.0 * bend])
    place = 2 * 0.25 * 0.75 * control + 0.25**2 * np.array([4.0, 0.0])
    assert ax.texts[-1].xy == pytest.approx(place)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("bend", "corner"), [("across first", (2.0, 0.0)), ("up first", (0.0, 1.0))]
)
def test_an_arrow_with_a_right_angle_turns_where_it_is_told_to(
    ax: Axes, bend: str, corner: tuple[float, float]
) -> None:
    line = diagrams.arrow(ax, (0.0, 0.0), (2.0, 1.0), bend=bend)  # type: ignore[arg-type]

    ends(ax, line)
    way = np.asarray(line.get_path().vertices)
    assert np.hypot(*(way - corner).T).min() < 0.05


def test_a_port_is_on_the_side_of_its_cell(ax: Axes) -> None:
    cell = diagrams.box(ax, (1.0, 2.0), "LSTM", width=4.0, height=2.0, title=True)

    assert diagrams.port(cell, "left", 0.25) == pytest.approx((-1.0, 1.5))
    assert diagrams.port(cell, "right") == pytest.approx((3.0, 2.0))
    assert diagrams.port(cell, "top", 0.75) == pytest.approx((2.0, 3.0))
    assert diagrams.port(cell, "bottom") == pytest.approx((1.0, 1.0))
    assert ax.texts[-1].get_position()[1] > 2.5


def test_layers_are_joined_to_the_next_and_to_no_other(ax: Axes) -> None:
    columns = diagrams.layers(ax, [3, 4, 2], ["in", "hidden", "out"])

    assert [len(column) for column in columns] == [3, 4, 2]
    joined = {(line.patchA, line.patchB) for line in arrows(ax)}
    assert joined == {
        (sender, receiver)
        for before, after in pairwise(columns)
        for sender in before
        for receiver in after
    }
    assert [text.get_text() for text in ax.texts][-3:] == ["in", "hidden", "out"]


def test_a_dropped_neuron_is_crossed_out_and_has_no_lines(ax: Axes) -> None:
    columns = diagrams.layers(ax, [3, 4, 2], dropped=[(1, 0), (2, 1)])

    gone = {columns[1][0], columns[2][1]}
    assert len(arrows(ax)) == 3 * 3 + 3 * 1
    for line in arrows(ax):
        assert not gone & {line.patchA, line.patchB}
    assert len(ax.lines) == 2 * 2


def test_a_graph_has_an_arrow_for_each_edge(ax: Axes) -> None:
    places = {"x": (0.0, 0.0), "h": (2.0, 0.0), "y": (4.0, 1.0)}

    nodes = diagrams.graph(ax, places, {("x", "h"): "U", ("h", "y"): "V"})

    assert [(line.patchA, line.patchB) for line in arrows(ax)] == [
        (nodes["x"], nodes["h"]),
        (nodes["h"], nodes["y"]),
    ]
    assert {name: circle.center for name, circle in nodes.items()} == places
    assert {text.get_text() for text in ax.texts} == {"x", "h", "y", "U", "V"}


def test_a_node_of_a_graph_shows_its_text_instead_of_its_name(ax: Axes) -> None:
    places = {"x": (0.0, 0.0), "y": (2.0, 0.0)}

    nodes = diagrams.graph(ax, places, [("x", "y")], texts={"x": "3"})

    assert list(nodes) == ["x", "y"]
    assert {text.get_text() for text in ax.texts} == {"3", "y"}


def test_a_volume_has_a_front_of_its_size_and_room_for_its_depth(ax: Axes) -> None:
    flat = diagrams.volume(ax, (0.0, 0.0), (2.0, 3.0, 0.0), "2 x 3")
    deep = diagrams.volume(ax, (9.0, 0.0), (2.0, 3.0, 5.0))

    assert diagrams.port(flat, "right")[0] == pytest.approx(1.5)
    assert diagrams.port(deep, "left")[0] == pytest.approx(7.5)
    assert diagrams.port(deep, "right")[0] > 10.5
    assert ax.texts[1].get_text() == "2 x 3"


def test_all_that_is_drawn_is_in_view(ax: Axes) -> None:
    diagrams.neuron(ax, (5.0, 5.0))
    diagrams.arrow(ax, (-3.0, 0.0), (9.0, -2.0))

    assert isinstance(ax.patches[0], Circle)
    assert ax.get_xlim()[0] <= -3.0
    assert ax.get_xlim()[1] >= 9.0
    assert ax.get_ylim()[0] <= -2.0
    assert ax.get_ylim()[1] >= 5.35
    assert ax.get_aspect() == 1.0


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_the_graph_of_a_constant_is_a_line_through_the_center(
    ax: Axes, value: float
) -> None:
    diagrams.neuron(ax, (1.0, -1.0), activation=lambda z: np.full(z.shape, value))

    np.testing.assert_array_equal(ax.lines[0].get_ydata(), np.full(81, -1.0))


def test_the_graph_of_a_step_fills_the_neuron(ax: Axes) -> None:
    diagrams.neuron(ax, (0.0, 0.0), activation=heaviside, radius=1.0)

    heights = np.asarray(ax.lines[0].get_ydata())
    np.testing.assert_allclose([heights.min(), heights.max()], [-0.55, 0.55])


def test_a_table_leaves_what_is_no_number_empty(ax: Axes) -> None:
    diagrams.grid(ax, (0.0, 2.0), np.array([[1.0, np.nan], [-np.inf, 0.5]]))

    assert [text.get_text() for text in ax.texts] == ["1", "\u2212inf", "0.5", ""]


def test_a_box_around_squares_may_stick_out_of_the_table(ax: Axes) -> None:
    diagrams.grid(ax, (1.0, 2.0), np.ones((1, 4)), boxes=[(0, 2, 1, 3)])

    *squares, box = (each for each in ax.patches if isinstance(each, Rectangle))
    assert len(squares) == 4
    assert box.get_xy() == (3.0, 1.0)
    assert (box.get_width(), box.get_height()) == (3, 1)


REFUSED: dict[str, tuple[Callable[[Axes], Any], str]] = {
    "a pole": (
        lambda ax: diagrams.neuron(ax, (0, 0), activation=lambda z: z * np.inf),
        "activation must be finite",
    ),
    "no way": (
        lambda ax: diagrams.arrow(ax, (1, 2), (1, 2), "w"),
        r"must be apart, got both at \(1, 2\)",
    ),
    "no table": (
        lambda ax: diagrams.grid(ax, (0, 0), np.empty((0, 2))),
        r"got the shape \(0, 2\)",
    ),
    "no square": (
        lambda ax: diagrams.grid(ax, (0, 0), np.ones((2, 2)), shaded=[(0, 2)]),
        r"got the shape \(2, 2\) and \[\(0, 2\)\]",
    ),
    "an empty layer": (lambda ax: diagrams.layers(ax, [2, 0]), r"got sizes=\[2, 0\]"),
    "no layer": (lambda ax: diagrams.layers(ax, []), r"got sizes=\[\]"),
    "a name too many": (lambda ax: diagrams.layers(ax, [1], "ab"), "names='ab'"),
}


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize(("draw", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_drawn_is_refused(
    ax: Axes, draw: Callable[[Axes], Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        draw(ax)
