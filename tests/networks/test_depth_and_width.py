"""Constructed networks against interpolation, polynomials, counts and bounds."""

from collections.abc import Callable
from functools import partial
from itertools import combinations, pairwise, product
from math import comb
from typing import Any

import numpy as np
import pytest
import torch
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from scipy.optimize import linprog

from dlnotes.networks.activations import sigmoid
from dlnotes.networks.depth_and_width import (
    activation_pattern,
    bump_network,
    bumps_needed,
    ramps_needed,
    relu_interpolation,
    sawtooth,
)
from dlnotes.neurons.perceptron import Perceptron, net_input, predict

Run = Callable[..., NDArray[Any]]
ONE = np.ones(1)


def random_knots(rng: np.random.Generator, points: int) -> NDArray[Any]:
    return np.cumsum(rng.uniform(0.2, 2.0, size=points)) - points / 2


def random_network(
    rng: np.random.Generator, *sizes: int
) -> tuple[Perceptron[NDArray[Any]], ...]:
    return tuple(
        Perceptron(rng.normal(size=(inputs, units)), rng.normal(size=units))
        for inputs, units in pairwise(sizes)
    )


def pieces(network: tuple[Perceptron[NDArray[Any]], ...], x: NDArray[Any]) -> int:
    """Count the linear pieces along a line by how often the pattern changes."""
    S = activation_pattern(network, x[:, None])
    return 1 + int((S[1:] != S[:-1]).any(axis=1).sum())


@pytest.mark.verifies("eq-bump-network")
def test_bumps_that_overlap_are_added_in_a_loop(
    run: Run, rng: np.random.Generator
) -> None:
    starts, heights = rng.normal(size=5), rng.normal(size=5)
    ends, x = starts + rng.uniform(0.5, 3.0, size=5), rng.uniform(-3, 5, size=40)

    def output(s: Any, e: Any, c: Any, X: Any) -> Any:
        hidden, out = bump_network(s, e, c, steepness=2.5)
        return net_input(out, predict(hidden, X))

    got = run(output, starts, ends, heights, x[:, None])

    bumps = list(zip(starts, ends, heights, strict=True))
    want = [sum(c for s, e, c in bumps if s <= each < e) for each in x]
    np.testing.assert_allclose(got[:, 0], want, rtol=1e-12, atol=1e-15)


@pytest.mark.verifies("eq-bump-network")
def test_a_bump_is_on_where_it_starts_and_off_where_it_ends(
    array: Callable[[Any], Any],
) -> None:
    hidden, output = bump_network(*map(array, np.array([[0.5], [0.75], [2.0]])))
    places = np.array([np.nextafter(0.5, 0), 0.5, np.nextafter(0.75, 0), 0.75])

    got = net_input(output, predict(hidden, array(places[:, None])))

    assert got.tolist() == [[0.0], [2.0], [2.0], [0.0]]


@pytest.mark.verifies("eq-bump-network")
@pytest.mark.parametrize(
    ("said", "steepness"), [({}, 1.0), ({"steepness": 30.0}, 30.0)]
)
def test_with_sigmoids_the_steepness_rounds_the_sides(
    array: Callable[[Any], Any], said: dict[str, float], steepness: float
) -> None:
    x = np.linspace(-2, 4, 50)[:, None]
    network = bump_network(
        *map(array, np.array([[0.0, 1.0], [1.0, 2.5], [2.0, -3.0]])), **said
    )

    got = net_input(network[1], predict(network[0], array(x), activation=sigmoid))

    def rise(at: float) -> NDArray[Any]:
        return np.asarray((1 + np.tanh(steepness * (x - at) / 2)) / 2)

    want = 2 * (rise(0) - rise(1)) - 3 * (rise(1) - rise(2.5))
    np.testing.assert_allclose(got, want, atol=1e-13)


@pytest.mark.verifies("eq-bump-count")
@pytest.mark.parametrize("tolerance", [0.5, 0.07, 0.01])
def test_bumps_of_the_number_counted_meet_lines_of_the_steepest_slope(
    tolerance: float,
) -> None:
    slope, left, length = 3.0, -0.7, 2.2
    x = np.linspace(left, left + length, 2003)[1:-1, None]

    def largest_error(bumps: int) -> float:
        edges = np.linspace(left, left + length, bumps + 1)
        heights = slope * (edges[1:] + edges[:-1]) / 2
        hidden, output = bump_network(edges[:-1], edges[1:], heights)
        return float(abs(net_input(output, predict(hidden, x)) - slope * x).max())

    bumps = bumps_needed(slope, length, tolerance)

    assert largest_error(bumps) <= tolerance * (1 + 1e-9)
    assert largest_error(bumps - 1) > tolerance


@pytest.mark.verifies("eq-bump-count")
def test_a_cube_is_cut_along_each_of_its_sides(rng: np.random.Generator) -> None:
    slope, tolerance = 2.0, 0.3

    boxes = bumps_needed(slope, 1.5, tolerance, inputs=3)

    each = round(boxes ** (1 / 3))
    assert each**3 == boxes == bumps_needed(slope, 1.5, tolerance) ** 3
    centers = (np.array(list(product(range(each), repeat=3))) + 0.5) * 1.5 / each
    X = rng.uniform(0, 1.5, size=(200, 3))
    nearest = abs(X[:, None] - centers).max(axis=2).min(axis=1)
    assert slope * nearest.max() <= tolerance < slope * 1.5 / (each - 1) / 2


@pytest.mark.verifies("eq-relu-interpolation")
@pytest.mark.parametrize("points", [2, 3, 9])
def test_the_sum_of_relus_is_scipys_linear_spline(
    run: Run, rng: np.random.Generator, points: int
) -> None:
    knots, values = random_knots(rng, points), rng.normal(size=points) + 2
    x = np.append(rng.uniform(knots[0], knots[-1], size=40), knots)

    offset, a = run(relu_interpolation, knots, values)

    got = offset + np.maximum(x[:, None] - knots[:-1], 0) @ a
    want = make_interp_spline(knots, values, k=1)(x)
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-13)


@pytest.mark.verifies("eq-relu-interpolation")
def test_outside_its_knots_the_sum_goes_straight_on(
    array: Callable[[Any], Any], rng: np.random.Generator
) -> None:
    knots, values = random_knots(rng, 6), rng.normal(size=6)

    offset, a = map(np.asarray, relu_interpolation(array(knots), array(values)))

    last = (values[-1] - values[-2]) / (knots[-1] - knots[-2])
    before, beyond = knots[0] - 7.0, knots[-1] + 7.0
    assert offset + np.maximum(before - knots[:-1], 0) @ a == values[0]
    got = offset + np.maximum(beyond - knots[:-1], 0) @ a
    np.testing.assert_allclose(got, values[-1] + 7 * last, rtol=1e-12)


@pytest.mark.verifies("eq-relu-interpolation")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_precision_of_the_points_is_kept(
    array: Callable[[Any], Any], dtype: str
) -> None:
    points = array(np.array([0.0, 1.0, 3.0], dtype=dtype))

    hidden, output = bump_network(points, points, points, steepness=3.0)
    made = [*relu_interpolation(points, points), hidden.W, hidden.b, output.W, output.b]

    assert {each.dtype for each in [*made, sawtooth(points / 3, 2)]} == {points.dtype}


@pytest.mark.verifies("eq-relu-interpolation")
def test_the_weights_have_the_gradients_of_difference_quotients(
    rng: np.random.Generator,
) -> None:
    knots, values = (
        torch.asarray(each).requires_grad_()
        for each in (random_knots(rng, 5), rng.normal(size=5))
    )

    assert torch.autograd.gradcheck(relu_interpolation, (knots, values))


@pytest.mark.verifies("eq-ramp-count")
@pytest.mark.parametrize("tolerance", [0.25, 0.02, 0.001])
def test_relus_of_the_number_counted_meet_a_parabola_and_one_fewer_do_not(
    tolerance: float,
) -> None:
    curvature, left, length = 5.0, -1.3, 2.6

    def largest_error(units: int) -> float:
        knots = np.linspace(left, left + length, units + 1)
        middles = (knots[1:] + knots[:-1]) / 2  # where a chord is farthest away
        offset, a = relu_interpolation(knots, curvature / 2 * knots**2)
        sums = offset + np.maximum(middles[:, None] - knots[:-1], 0) @ a
        return float(abs(sums - curvature / 2 * middles**2).max())

    units = ramps_needed(curvature, length, tolerance)

    assert largest_error(units) <= tolerance * (1 + 1e-9)
    assert largest_error(units - 1) > tolerance


@pytest.mark.verifies("eq-ramp-count")
@pytest.mark.verifies("eq-bump-count")
def test_the_bounds_hold_for_smooth_functions_drawn_at_random(
    rng: np.random.Generator,
) -> None:
    x = np.linspace(0, 2, 4001)[:-1]
    for _ in range(10):
        f = Chebyshev(rng.normal(size=7), domain=[0, 2])
        slope, curvature = (1.001 * abs(f.deriv(m)(x)).max() for m in (1, 2))

        edges = np.linspace(0, 2, bumps_needed(slope, 2.0, 0.2) + 1)
        knots = np.linspace(0, 2, ramps_needed(curvature, 2.0, 0.02) + 1)

        middles = f((edges[1:] + edges[:-1]) / 2)
        hidden, output = bump_network(edges[:-1], edges[1:], middles)
        bumps = net_input(output, predict(hidden, x[:, None]))[:, 0]
        offset, a = relu_interpolation(knots, f(knots))
        ramps = offset + np.maximum(x[:, None] - knots[:-1], 0) @ a
        assert abs(bumps - f(x)).max() <= 0.2
        assert abs(ramps - f(x)).max() <= 0.02


@pytest.mark.parametrize(
    ("needed", "factor"), [(bumps_needed, 0.5), (ramps_needed, 0.125)]
)
def test_a_quarter_of_the_error_takes_four_times_the_bumps_but_twice_the_ramps(
    needed: Callable[..., int], factor: float
) -> None:
    power = 1 if needed is bumps_needed else 0.5

    counts = [needed(1.0, 1000.0, 4.0**-k) for k in range(4)]

    want = [1000 * (factor * 4**k) ** power for k in range(4)]
    np.testing.assert_allclose(counts, want, atol=1)
    assert needed(0.0, 1.0, 0.1) == 1


@pytest.mark.verifies("eq-bump-count")
@pytest.mark.verifies("eq-ramp-count")
@pytest.mark.parametrize("count", [1, 3, 7, 40])
def test_a_bound_that_is_whole_is_met_and_the_next_number_is_for_more(
    count: int,
) -> None:
    more = 1 + 1e-9

    assert bumps_needed(0.1, count, 0.05) == count
    assert bumps_needed(0.1 * more, count, 0.05) == count + 1
    assert ramps_needed(0.8, count, 0.1) == count
    assert ramps_needed(0.8 * more, count, 0.1) == count + 1


@pytest.mark.verifies("eq-sawtooth")
def test_below_zero_both_units_are_silent(array: Callable[[Any], Any]) -> None:
    assert sawtooth(array(np.array([-0.3, -5.0])), 2).tolist() == [0.0, 0.0]


@pytest.mark.verifies("eq-sawtooth")
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_sawtooth_joins_zeros_and_ones_by_two_to_the_depth_pieces(
    run: Run, rng: np.random.Generator, depth: int
) -> None:
    x = np.append(rng.uniform(0, 1, size=60), np.linspace(0, 1, 65)).reshape(5, 25)

    got = run(partial(sawtooth, depth=depth), x)

    corners = np.linspace(0, 1, 2**depth + 1)
    want = np.interp(x, corners, np.arange(2**depth + 1) % 2)
    np.testing.assert_allclose(got, want, atol=1e-14)


@pytest.mark.verifies("eq-sawtooth")
@pytest.mark.parametrize("depth", [1, 3, 6])
def test_the_slope_of_the_sawtooth_is_two_to_the_depth_up_or_down(
    rng: np.random.Generator, depth: int
) -> None:
    x = torch.asarray(rng.uniform(0, 1, size=200)).requires_grad_()

    (slope,) = torch.autograd.grad(sawtooth(x, depth).sum(), x)

    even = np.floor(x.detach().numpy() * 2**depth) % 2 == 0
    assert slope.tolist() == np.where(even, 2.0**depth, -(2.0**depth)).tolist()


@pytest.mark.verifies("eq-sawtooth")
@pytest.mark.verifies("eq-depth-separation")
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_one_hidden_layer_meets_the_sawtooth_with_two_to_the_depth_units_not_fewer(
    depth: int,
) -> None:
    x = np.linspace(0, 1, 2**depth + 1)
    teeth = sawtooth(x, depth)

    offset, a = relu_interpolation(x, teeth)

    assert len(a) == 2**depth
    assert (a != 0).all()
    assert offset == 0
    fine = np.linspace(0, 1, 1001)
    sums = offset + np.maximum(fine[:, None] - x[:-1], 0) @ a
    np.testing.assert_allclose(sums, sawtooth(fine, depth), atol=1e-12)


@pytest.mark.verifies("eq-depth-separation")
def test_with_too_few_kinks_no_output_weights_come_within_one_half() -> None:
    x = np.linspace(0, 1, 5)
    teeth = sawtooth(x, 2)

    def least_error(kinks: tuple[float, ...]) -> float:
        """Return the largest error of the best weights, a linear program."""
        features = np.column_stack(
            [ONE.repeat(5), x, np.maximum(x[:, None] - kinks, 0)]
        )
        slack = -np.ones((5, 1))
        rows = np.block([[features, slack], [-features, slack]])
        cost = np.eye(rows.shape[1])[-1]
        found = linprog(cost, rows, np.append(teeth, -teeth), bounds=(None, None))
        assert found.fun is not None
        return found.fun

    few = [least_error(pair) for pair in combinations(np.linspace(0, 1, 13), 2)]

    assert min(few) == pytest.approx(0.5)
    assert least_error((0.25, 0.5, 0.75)) == pytest.approx(0)


@pytest.mark.verifies("eq-depth-separation")
@pytest.mark.verifies("eq-activation-pattern")
def test_one_hidden_layer_has_one_more_piece_than_kinks_inside(
    rng: np.random.Generator,
) -> None:
    for units in (1, 7, 30):
        network = random_network(rng, 1, units, 1)

        kinks = -network[0].b / network[0].W[0]

        assert (
            pieces(network, np.linspace(-1, 1, 200_001)) == 1 + (abs(kinks) < 1).sum()
        )


@pytest.mark.verifies("eq-activation-pattern")
def test_the_pattern_says_which_units_a_loop_finds_active(
    run: Run, rng: np.random.Generator
) -> None:
    network, X = random_network(rng, 3, 4, 5, 2), rng.normal(size=(6, 3))

    def patterns(X: Any, *arrays: Any) -> Any:
        layers = map(Perceptron, arrays[::2], arrays[1::2])
        return activation_pattern(tuple(layers), X)

    got = run(patterns, X, *(each for layer in network for each in (layer.W, layer.b)))

    want = np.zeros((6, 9), dtype=bool)
    for row, x in zip(want, X, strict=True):
        outputs, place = list(x), 0
        for layer in network[:-1]:
            sums = [
                sum(w * o for w, o in zip(column, outputs, strict=True)) + bias
                for column, bias in zip(layer.W.T, layer.b, strict=True)
            ]
            row[place : place + len(sums)] = [each > 0 for each in sums]
            outputs, place = [max(each, 0.0) for each in sums], place + len(sums)
    assert got.dtype == bool
    np.testing.assert_array_equal(got, want)


@pytest.mark.verifies("eq-activation-pattern")
def test_a_unit_at_zero_is_not_active_and_just_above_it_is(
    array: Callable[[Any], Any],
) -> None:
    layer = Perceptron(array(np.ones((1, 1))), array(np.zeros(1)))

    S = activation_pattern((layer, layer), array(np.array([[0.0], [1e-30]])))

    assert S.tolist() == [[False], [True]]


@pytest.mark.verifies("eq-activation-pattern")
def test_within_a_linear_region_the_gradient_is_one_and_the_same(
    rng: np.random.Generator,
) -> None:
    network, X = random_network(rng, 2, 6, 6, 1), rng.normal(size=(3000, 2))

    S = activation_pattern(network, X)

    x = torch.asarray(X).requires_grad_()
    y = x
    for layer in network[:-1]:
        y = torch.relu(y @ torch.asarray(layer.W) + torch.asarray(layer.b))
    (slopes,) = torch.autograd.grad((y @ torch.asarray(network[-1].W)).sum(), x)
    patterns, region = np.unique(S, axis=0, return_inverse=True)
    assert len(patterns) > 10
    for k in range(len(patterns)):
        assert np.ptp(slopes.numpy()[region == k], axis=0).max() < 1e-12


@pytest.mark.verifies("eq-activation-pattern")
def test_lines_in_the_plane_make_as_many_regions_as_geometry_allows(
    rng: np.random.Generator,
) -> None:
    angles = rng.permutation(5) * np.pi / 5 + 0.1
    W = np.stack([np.cos(angles), np.sin(angles)])
    hidden = Perceptron(W, b=rng.uniform(-0.3, 0.3, size=5))
    near = np.linspace(-6, 6, 801) + 1e-4

    S = activation_pattern(
        (hidden, Perceptron(np.ones((5, 1)), np.zeros(1))),
        np.stack(np.meshgrid(near, near), axis=-1).reshape(-1, 2),
    )

    assert len(np.unique(S @ 2 ** np.arange(5))) == 1 + 5 + comb(5, 2)


@pytest.mark.parametrize(
    ("function", "given", "message"),
    [
        (
            partial(bump_network, steepness=0.0),
            (ONE,) * 3,
            "steepness must be positive",
        ),
        (bump_network, (ONE, ONE, np.ones(2)), "bumps is 1 in starts"),
        (bump_network, (ONE[:0],) * 3, "starts must have at least one bump, got 0"),
        (bumps_needed, (np.inf, 1.0, 0.1), "number of units must be finite, got inf"),
        (ramps_needed, (np.inf, 1.0, 0.1), "number of units must be finite, got inf"),
        (bumps_needed, (-1.0, 1.0, 0.1), "lipschitz must be at least 0, got -1"),
        (bumps_needed, (1.0, 0.0, 0.1), "length must be positive"),
        (bumps_needed, (1.0, 1.0, 0.0), "tolerance must be positive"),
        (partial(bumps_needed, inputs=0), (1.0, 1.0, 0.1), "inputs must be an int"),
        (relu_interpolation, (ONE, ONE), "knots must be at least two, got 1"),
        (relu_interpolation, (ONE[[0, 0]], ONE[[0, 0]]), "knots must ascend"),
        (relu_interpolation, (-np.arange(3.0), np.ones(3)), "knots must ascend"),
        (ramps_needed, (-1.0, 1.0, 0.1), "curvature must be at least 0, got -1"),
        (ramps_needed, (1.0, -1.0, 0.1), "length must be positive"),
        (ramps_needed, (1.0, 1.0, 0.0), "tolerance must be positive"),
        (sawtooth, (ONE, 0), "depth must be an int of at least 1, got 0"),
        (
            activation_pattern,
            ((Perceptron(ONE[:, None], ONE),), ONE[:, None]),
            "layers must be two or more, got 1",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    function: Callable[..., Any], given: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        function(*given)
