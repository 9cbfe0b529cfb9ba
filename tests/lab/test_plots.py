"""What is drawn is where the data are."""

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes

from dlnotes.lab import plots
from dlnotes.lab.fit import History
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


def test_a_bar_ends_at_the_mean_and_every_seed_is_a_dot(ax: Axes) -> None:
    samples = {"first": np.array([1.0, 2.0, 6.0]), "second": np.array([4.0])}

    plots.bars(ax, samples, name="loss")

    assert [bar.get_width() for bar in ax.patches] == [3.0, 4.0]  # type: ignore[attr-defined]
    assert [list(np.asarray(line.get_xdata())) for line in ax.lines] == [
        [1.0, 2.0, 6.0],
        [4.0],
    ]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["first", "second"]


def test_the_mean_of_an_epoch_stands_in_the_middle_of_its_steps(ax: Axes) -> None:
    steps = np.array([8.0, 6.0, 5.0, 3.0, 2.0, 1.0])
    means = steps.reshape(2, 3).mean(axis=1)
    history = History(steps, means, np.empty(0), seconds=1.0)

    plots.losses(ax, {"run": history})

    faint, strong = ax.lines
    np.testing.assert_allclose(np.asarray(faint.get_xdata()), np.arange(6) / 3)
    np.testing.assert_array_equal(faint.get_ydata(), steps)
    np.testing.assert_allclose(np.asarray(strong.get_xdata()), [0.5, 1.5])
    np.testing.assert_array_equal(strong.get_ydata(), means)


def test_a_path_is_drawn_through_its_points_and_inside_the_figure(ax: Axes) -> None:
    walk = np.array([[3.0, 1.0], [-2.0, 0.5], [1.0, -0.2]])

    plots.paths(ax, lambda X: (X**2).sum(axis=1), {"downhill": walk})

    (line,) = ax.lines
    np.testing.assert_array_equal(np.asarray(line.get_xydata()), walk)
    low, high = ax.get_xlim()
    assert low < -3.0
    assert high > 3.0
