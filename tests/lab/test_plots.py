"""What is drawn is where the data are."""

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb

from dlnotes.lab import plots
from dlnotes.neurons.perceptron import Perceptron


@pytest.fixture
def ax() -> Iterator[Axes]:
    mpl.use("agg")
    fig, axes = plt.subplots()
    yield axes
    fig.canvas.draw()  # a warning while it is drawn is an error
    plt.close(fig)


def texts(ax: Axes) -> list[str]:
    return [each.get_text() for each in ax.texts]


def test_each_point_is_in_the_group_of_its_class(
    ax: Axes, rng: np.random.Generator
) -> None:
    X, Y = rng.normal(size=(9, 2)), (np.arange(9.0)[:, None] % 3 == 0).astype(float)

    plots.points(ax, X, Y)

    drawn = [np.asarray(group.get_offsets()) for group in ax.collections]
    np.testing.assert_array_equal(drawn[0], X[Y[:, 0] == 0])
    np.testing.assert_array_equal(drawn[1], X[Y[:, 0] == 1])


def test_the_net_input_is_zero_all_along_a_boundary(
    ax: Axes, rng: np.random.Generator
) -> None:
    model = Perceptron(rng.normal(size=(2, 1)), rng.normal(size=1))

    plots.boundary(ax, model, "here")

    (line,) = ax.lines
    for point in (line.get_xy1(), line.get_xy2()):  # type: ignore[attr-defined]
        assert np.array(point) @ model.W + model.b == pytest.approx(0.0)


def test_each_curve_has_its_label_and_its_values(ax: Axes) -> None:
    x = np.linspace(0.0, 1.0, 5)

    plots.curves(ax, x, {"square": x**2, "cube": x**3}, names=("x", "y"))

    drawn = {str(line.get_label()): line.get_ydata() for line in ax.lines}
    assert list(drawn) == ["square", "cube"]
    np.testing.assert_array_equal(drawn["cube"], x**3)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")


def test_a_region_has_the_color_of_the_class_at_each_corner(ax: Axes) -> None:
    def answer(X: np.ndarray) -> np.ndarray:
        return (X[:, 0] > 0) + 2 * (X[:, 1] > 0)

    plots.regions(ax, answer, low=-1.0, high=1.0)

    (shown,) = ax.images
    classes, last = np.asarray(shown.get_array()), 200
    places = [(0, 0), (0, last), (last, 0), (last, last)]
    assert [int(classes[row, column]) for row, column in places] == [0, 1, 2, 3]
    assert shown.origin == "lower"


@pytest.mark.parametrize("channels", [(), (3,)])
def test_images_stand_in_rows_and_share_their_scale(
    ax: Axes, rng: np.random.Generator, channels: tuple[int, ...]
) -> None:
    batch = rng.uniform(size=(5, 4, 6, *channels))

    plots.images(ax, batch, columns=2, labels="abcde")

    corners = [image.get_extent() for image in ax.images]
    assert texts(ax) == list("abcde")
    assert [(corner[0], corner[2]) for corner in corners] == sorted(
        ((corner[0], corner[2]) for corner in corners), key=lambda at: (at[1], at[0])
    )
    assert len({corner[0] for corner in corners}) == 2
    assert len({corner[3] for corner in corners}) == 3
    for image, values in zip(ax.images, batch, strict=True):
        np.testing.assert_array_equal(np.asarray(image.get_array()), values)
        assert image.get_clim() == (batch.min(), batch.max())


def test_each_number_of_a_heat_map_is_in_its_cell_and_can_be_read(ax: Axes) -> None:
    values = np.array([[0.0, 1.0, 2.0], [7.0, 8.0, 9.0]])

    plots.heatmap(ax, values, form=".1f", ticks=(list("abc"), list("de")))

    where = {text.get_position(): text for text in ax.texts}
    assert where[2, 0].get_text() == "2.0"
    assert where[0, 1].get_text() == "7.0"
    assert (where[0, 0].get_color(), where[2, 1].get_color()) == ("white", "black")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list("abc")


def test_zero_lets_the_page_through_and_signs_have_their_colors(ax: Axes) -> None:
    plots.picture(ax, np.array([[-1.0, 0.0, 1.0]]), reach=1.0)

    (shown,) = ax.images
    negative, zero, positive = shown.to_rgba(np.asarray(shown.get_array()))[0]
    assert (negative[3], positive[3]) == (1.0, 1.0)
    assert zero[3] < 0.01
    assert negative[2] > negative[0]
    assert positive[0] > positive[2]


def test_a_bar_ends_at_the_mean_and_every_seed_is_a_dot(ax: Axes) -> None:
    samples = {"first": np.array([1.0, 2.0, 6.0]), "second": np.array([4.0])}

    plots.bars(ax, samples, name="loss")

    assert [bar.get_width() for bar in ax.patches] == [3.0, 4.0]  # type: ignore[attr-defined]
    assert [list(np.asarray(line.get_xdata())) for line in ax.lines] == [
        [1.0, 2.0, 6.0],
        [4.0],
    ]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["first", "second"]


def test_a_path_is_drawn_through_its_points_and_inside_the_figure(ax: Axes) -> None:
    walk = np.array([[3.0, 1.0], [-2.0, 0.5], [1.0, -0.2]])

    plots.paths(ax, lambda X: (X**2).sum(axis=1), {"downhill": walk})

    (line,) = ax.lines
    np.testing.assert_array_equal(np.asarray(line.get_xydata()), walk)
    low, high = ax.get_xlim()
    assert low < -3.0
    assert high > 3.0


def test_one_class_is_one_color_all_over(ax: Axes) -> None:
    plots.regions(ax, lambda X: np.ones(len(X)), low=-1.0, high=1.0)

    (shown,) = ax.images
    face = shown.to_rgba(np.asarray(shown.get_array()))[0, 0, :3]
    np.testing.assert_allclose(face, mpl.colors.to_rgb("C1"), atol=0.01)


def test_a_gap_in_a_curve_is_a_gap(ax: Axes) -> None:
    values = np.array([1.0, np.nan, 2.0])

    plots.curves(ax, np.arange(3.0), {"here": values}, names=("", ""))

    np.testing.assert_array_equal(ax.lines[0].get_ydata(), values)


def colors_and_alpha(ax: Axes) -> Any:
    """Return red, green, blue and how opaque each cell is."""
    (shown,) = ax.images
    numbers = shown.get_array()
    assert numbers is not None
    return shown.to_rgba(numbers).reshape(-1, 4)


def faces(ax: Axes) -> list[str]:
    """Return the color of each cell."""
    return [to_hex(tuple(face)) for face in colors_and_alpha(ax)]


def test_a_cell_without_a_number_is_gray_and_spoils_no_other(ax: Axes) -> None:
    plots.heatmap(ax, np.array([[0.9, np.nan], [0.1, 0.2]]))

    colors = [text.get_color() for text in ax.texts]
    assert texts(ax) == ["0.9", "nan", "0.1", "0.2"]
    assert colors == ["black", "black", "white", "white"]
    yellow, gray, purple, _ = faces(ax)
    assert (yellow, gray, purple) == ("#fde725", "#b0b0b0", "#440154")


def test_an_infinite_cell_has_the_color_of_the_nearest_number(ax: Axes) -> None:
    plots.heatmap(ax, np.array([[np.inf, -np.inf], [1.0, 2.0]]))

    high, low, lowest, highest = faces(ax)
    assert (high, low) == (highest, lowest)
    colors = [text.get_color() for text in ax.texts]
    assert colors == ["black", "white", "white", "black"]
    assert texts(ax)[:2] == ["inf", "-inf"]


@pytest.mark.parametrize("value", [0.0, 3.0, np.nan])
def test_a_table_of_one_number_can_be_read(ax: Axes, value: float) -> None:
    plots.heatmap(ax, np.full((2, 2), value))

    (face, *_), text = faces(ax), ax.texts[0].get_color()
    brightness = np.mean(mpl.colors.to_rgb(face))
    assert abs(brightness - (text == "white")) > 0.3


def luminance(color: tuple[float, ...]) -> float:
    """Return the relative luminance of the Web Content Accessibility Guidelines."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize(
    ("page", "ink"), [("white", "#3f434a"), ("#131416", "#c6c9ce")]
)
def test_numbers_with_signs_can_be_read_on_a_light_and_on_a_dark_page(
    ax: Axes, page: str, ink: str
) -> None:
    plots.heatmap(ax, np.array([[-2.0, -1.0, 0.0, 1.0, 2.0, 9.0]]), reach=2.0)

    assert {text.get_color() for text in ax.texts} == {mpl.rcParams["text.color"]}
    paper = np.array(to_rgb(page))
    for *color, alpha in colors_and_alpha(ax):
        mixed = tuple(alpha * np.array(color) + (1 - alpha) * paper)
        dark, bright = sorted([luminance(mixed), luminance(to_rgb(ink))])
        assert (bright + 0.05) / (dark + 0.05) > 4


def test_zero_has_no_color_in_a_picture_with_signs(ax: Axes) -> None:
    plots.picture(ax, np.array([[-1.0, 0.0, 0.5, 1.0]]), reach=1.0)

    blue, none, pale, red = colors_and_alpha(ax)
    assert none[3] == 0 < pale[3] < red[3] == blue[3] == 1
    assert blue[2] > blue[0]
    assert red[0] > red[2]


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_an_image_that_is_the_same_everywhere_is_gray(ax: Axes, value: float) -> None:
    plots.picture(ax, np.full((2, 2), value))

    assert set(faces(ax)) == {"#808080"}


@pytest.mark.parametrize("still", [np.zeros(3), np.ones(3)])
def test_a_path_along_an_axis_has_level_lines_around_it(
    ax: Axes, still: np.ndarray
) -> None:
    walk = np.stack([np.array([2.0, 1.0, 0.5]) * still[0], np.zeros(3)], axis=1)

    plots.paths(ax, lambda X: (X**2).sum(axis=1), {"along": walk})

    (lines,) = ax.collections
    assert sum(np.size(path.vertices) > 0 for path in lines.get_paths()) > 3


def test_level_lines_cover_losses_below_zero(ax: Axes) -> None:
    walk = np.array([[3.0, 1.0], [1.0, -0.2]])

    plots.paths(ax, lambda X: (X**2).sum(axis=1) - 50, {"downhill": walk})

    (lines,) = ax.collections
    assert sum(np.size(path.vertices) > 0 for path in lines.get_paths()) > 3


NOWHERE = np.array([[0.0, np.nan], [1.0, 2.0]])
REFUSED: dict[str, tuple[Callable[[Axes], Any], str]] = {
    "a point": (lambda ax: plots.points(ax, NOWHERE, np.ones((2, 1))), "X must be fin"),
    "a third class": (
        lambda ax: plots.points(ax, np.ones((2, 2)), np.array([[0.0], [2.0]])),
        r"Y must be 0 or 1, got \[0.0, 2.0\]",
    ),
    "no line": (
        lambda ax: plots.boundary(ax, Perceptron(np.zeros((2, 1)), np.ones(1)), ""),
        "model.W must not be zero",
    ),
    "weights": (
        lambda ax: plots.boundary(ax, Perceptron(NOWHERE[:1].T, np.ones(1)), ""),
        "model must be finite",
    ),
    "no curve": (
        lambda ax: plots.curves(ax, np.ones(2), {}, names=("", "")),
        "ys must not be empty",
    ),
    "where": (
        lambda ax: plots.curves(ax, NOWHERE[0], {"a": np.ones(2)}, names=("", "")),
        "x must be finite",
    ),
    "an infinite curve": (
        lambda ax: plots.curves(
            ax, np.ones(2), {"a": np.array([0, -np.inf])}, names=("", "")
        ),
        r"ys\['a'\] must be finite",
    ),
    "no class": (
        lambda ax: plots.regions(ax, lambda X: X[:, 0], low=-1, high=1),
        "answer must give whole numbers from 0 to 9, got numbers from -1.0 to 1.0",
    ),
    "a class without a color": (
        lambda ax: plots.regions(ax, lambda X: np.full(len(X), 10), low=-1, high=1),
        "answer must give whole numbers",
    ),
    "no image": (
        lambda ax: plots.images(ax, np.empty((0, 2, 2)), columns=1),
        "batch must not be empty",
    ),
    "a pixel": (
        lambda ax: plots.images(ax, NOWHERE[None], columns=1),
        "batch must be finite",
    ),
    "a color": (
        lambda ax: plots.images(ax, np.full((1, 2, 2, 3), 1.5), columns=1),
        "batch must have colors from 0 to 1, got 1.5 to 1.5",
    ),
    "no column": (
        lambda ax: plots.images(ax, np.ones((1, 2, 2)), columns=0),
        "got columns=0 and 0 labels",
    ),
    "a label too many": (
        lambda ax: plots.images(ax, np.ones((1, 2, 2)), columns=1, labels="ab"),
        "a label for each of 1 images, or none, got columns=1 and 2 labels",
    ),
    "a pixel of one": (lambda ax: plots.picture(ax, NOWHERE), "image must be finite"),
    "a pixel out of reach": (
        lambda ax: plots.picture(ax, np.full((2, 2), -3.0), reach=2),
        "image must be within its reach of 2, got -3.0 to -3.0",
    ),
    "no reach": (
        lambda ax: plots.picture(ax, np.zeros((2, 2)), reach=0),
        "reach must be positive and finite, got 0",
    ),
    "no cell": (lambda ax: plots.heatmap(ax, np.empty((0, 3))), "values must not be"),
    "no bar": (lambda ax: plots.bars(ax, {}, name=""), "samples must not be empty"),
    "an empty bar": (
        lambda ax: plots.bars(ax, {"a": np.empty(0)}, name=""),
        r"samples\['a'\] must not be empty",
    ),
    "a bar": (
        lambda ax: plots.bars(ax, {"a": NOWHERE[0]}, name=""),
        r"samples\['a'\] must be finite",
    ),
    "no way": (lambda ax: plots.paths(ax, np.sum, {}), "walks must not be empty"),
    "a step": (
        lambda ax: plots.paths(ax, np.sum, {"a": NOWHERE}),
        "walks must be finite",
    ),
    "a height": (
        lambda ax: plots.paths(ax, lambda X: X[:, 0] + np.inf, {"a": np.ones((2, 2))}),
        "the loss must be finite",
    ),
}


@pytest.mark.parametrize(("draw", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_shown_is_refused(
    ax: Axes, draw: Callable[[Axes], Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        draw(ax)


def test_integers_are_colors_to_255(ax: Axes) -> None:
    plots.images(ax, np.full((1, 2, 2, 3), 200, np.uint8), columns=1)

    assert len(ax.images) == 1
