"""Surfaces against their formulas written out, and curvature against theorems."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy import optimize

from dlnotes.optimization.landscape import (
    KINDS,
    beale,
    classify_critical_points,
    double_well,
    escape_steps,
    hessian,
    hessian_vector,
    monkey_saddle,
    plateau,
    ravine,
    rosenbrock,
    saddle,
    saddle_index,
    tangent_plane,
)

Surface = Callable[..., tuple[Any, Any]]

SURFACES: list[Surface] = [
    plateau,
    saddle,
    monkey_saddle,
    partial(double_well, tilt=-0.7),
    partial(ravine, condition_number=7.0),
    beale,
    rosenbrock,
]
WRITTEN: dict[Any, Callable[[Any, Any], Any]] = {
    plateau: lambda x, y: 1 - 2.718281828459045 ** (-(x * x + y * y) / 2),
    saddle: lambda x, y: x * x - y * y + y * y * y * y / 2,
    monkey_saddle: lambda x, y: x * x * x - 3 * x * y * y,
    double_well: lambda x, y: (x * x - 1) * (x * x - 1) - 1 - 0.7 * x + y * y,
    ravine: lambda x, y: x * x / 2 + 3.5 * y * y,
    beale: lambda x, y: (
        (1.5 - x + x * y) ** 2
        + (2.25 - x + x * y * y) ** 2
        + (2.625 - x + x * y * y * y) ** 2
    ),
    rosenbrock: lambda x, y: optimize.rosen([x, y]),
}


def named(gradients: Any, hessians: Any, **settings: float) -> list[str]:
    """Return the kind of each point in words."""
    kinds = classify_critical_points(gradients, hessians, **settings)
    return [KINDS[k] for k in kinds]


def slope(surface: Surface) -> Callable[[Any], Any]:
    """Return the gradient of a surface alone."""
    return lambda theta: surface(theta)[1]


@pytest.mark.verifies("eq-plateau")
@pytest.mark.verifies("eq-saddle-surface")
@pytest.mark.verifies("eq-monkey-saddle")
@pytest.mark.verifies("eq-double-well")
@pytest.mark.verifies("eq-ravine")
@pytest.mark.verifies("eq-beale")
@pytest.mark.verifies("eq-rosenbrock")
@pytest.mark.parametrize("surface", SURFACES)
def test_a_surface_has_the_height_of_its_formula_and_the_gradient_of_its_height(
    surface: Surface, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    theta = rng.normal(size=(3, 4, 2))
    tensor = torch.asarray(theta.copy()).requires_grad_()
    (wanted,) = torch.autograd.grad(surface(tensor)[0].sum(), tensor)
    written = WRITTEN[getattr(surface, "func", surface)]

    loss, gradient = run(surface, theta)

    for place in product(range(3), range(4)):
        height = written(*theta[place].tolist())
        assert loss[place] == pytest.approx(height, rel=1e-12, abs=1e-13)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-11, atol=1e-12)
    for k, bump in enumerate(1e-5 * np.eye(2)):
        quotient = (surface(theta + bump)[0] - surface(theta - bump)[0]) / 2e-5
        np.testing.assert_allclose(gradient[..., k], quotient, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("surface", "minimum", "loss"),
    [
        (plateau, (0.0, 0.0), 0.0),
        (saddle, (0.0, 1.0), -0.5),
        (saddle, (0.0, -1.0), -0.5),
        (partial(double_well, tilt=0.0), (1.0, 0.0), -1.0),
        (partial(double_well, tilt=0.0), (-1.0, 0.0), -1.0),
        (ravine, (0.0, 0.0), 0.0),
        (beale, (3.0, 0.5), 0.0),
        (rosenbrock, (1.0, 1.0), 0.0),
    ],
)
def test_the_minima_are_where_the_docstrings_say(
    surface: Surface, minimum: tuple[float, float], loss: float
) -> None:
    found = optimize.minimize(surface, np.add(minimum, (0.05, -0.03)), jac=True)

    height, gradient = surface(np.array(minimum))

    assert float(height) == loss
    assert gradient.tolist() == [0.0, 0.0]
    np.testing.assert_allclose(found.x, minimum, atol=1e-4)


def test_next_to_its_minimum_a_plateau_is_a_parabola() -> None:
    for distance in (1e-9, 1e-30, 1e-150):
        loss, _ = plateau(np.array([distance, 0.0]))

        assert float(loss) == pytest.approx(distance**2 / 2, rel=1e-12, abs=0)


def test_a_tilt_keeps_two_wells_up_to_the_limit_and_the_left_one_is_deeper() -> None:
    limit = 8 / np.sqrt(27)

    for share, wells in ((0.02, 2), (0.98, 2), (1.02, 1)):
        surface = partial(double_well, tilt=share * limit)
        roots = np.roots([4, 0, -4, share * limit])
        at = np.array([[root.real, 0.0] for root in roots if abs(root.imag) < 1e-9])
        hessians = np.stack([hessian(slope(surface), each) for each in at])
        kinds = named(surface(at)[1], hessians, tolerance=1e-4)

        assert kinds.count("minimum") == wells
        assert kinds.count("saddle") == wells - 1
        assert at[surface(at)[0].argmin(), 0] < 0


@pytest.mark.verifies("eq-taylor-first")
def test_a_tangent_plane_is_right_to_first_order(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    theta, direction = rng.normal(size=(2, 2))
    steps = direction * np.array([[1e-2], [5e-3], [2.5e-3]])
    loss, gradient = beale(theta)
    _, slope_along = torch.autograd.functional.jvp(  # type: ignore[no-untyped-call]
        lambda t: beale(t)[0], torch.asarray(theta), torch.asarray(steps[0])
    )

    plane = run(tangent_plane, loss, gradient, steps)

    assert plane[0] - loss == pytest.approx(float(slope_along), rel=1e-10)
    errors = abs(plane - beale(theta + steps)[0])
    np.testing.assert_allclose(errors[:-1] / errors[1:], 4, rtol=0.1)


@pytest.mark.verifies("eq-hessian-vector")
def test_a_product_with_the_hessian_is_that_of_autograd_for_two_gradients(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    A, theta, v = rng.normal(size=(5, 5)), *rng.normal(size=(2, 5))
    calls = []
    _, wanted = torch.autograd.functional.hvp(  # type: ignore[no-untyped-call]
        lambda t: ((torch.asarray(A) @ t) ** 4).sum() / 4,
        torch.asarray(theta),
        torch.asarray(v),
    )

    def product(A: Any, theta: Any, v: Any) -> Any:
        def gradient(t: Any) -> Any:
            calls.append(t)
            return A.T @ (A @ t) ** 3

        return hessian_vector(gradient, theta, v)

    found = run(product, A, theta, v)

    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-7)
    assert len(calls) == 2


def test_the_error_of_the_quotient_is_the_square_of_its_step() -> None:
    theta, v = np.array([2.0, -1.0]), np.array([1.0, 3.0])

    found = hessian_vector(lambda t: t**3, theta, v, h=0.1)

    np.testing.assert_allclose(found, 3 * theta**2 * v + 0.01 * v**3, rtol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "share"), [("float64", 1e-8), ("float32", 1e-4), ("float16", 0.03)]
)
@pytest.mark.parametrize("size", [1.0, 30.0])
def test_if_no_step_is_given_one_suits_the_precision_and_the_parameters(
    dtype: str, share: float, size: float, array: Callable[[Any], Any]
) -> None:
    theta = array(np.array([1.0, size], dtype=dtype))
    v = array(np.array([0.001, 0.0], dtype=dtype))

    found = hessian(lambda t: t**3 / 3 + 2 * t, theta)
    product = hessian_vector(lambda t: t**3 / 3 + 2 * t, theta, v)
    nowhere = hessian_vector(lambda t: t**3, theta, 0 * v)

    assert found.dtype == theta.dtype
    np.testing.assert_allclose(found, np.diag([3.0, size**2 + 2]), rtol=share)
    assert float(product[0]) == pytest.approx(0.003, rel=share)
    assert [*nowhere] == [0.0, 0.0]


def test_huge_parameters_are_moved_by_a_share_of_their_size() -> None:
    found = hessian(lambda t: t**3, np.array([1e12, 3.0, 0.1]))

    np.testing.assert_allclose(found, np.diag([3e24, 27, 0.03]), rtol=1e-8)


@pytest.mark.verifies("eq-hessian")
def test_the_hessian_is_that_of_autograd_and_symmetric(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    A, theta = rng.normal(size=(4, 3)), rng.normal(size=3)
    wanted = torch.autograd.functional.hessian(  # type: ignore[no-untyped-call]
        lambda t: ((torch.asarray(A) @ t) ** 4).sum() / 4, torch.asarray(theta)
    )

    found = run(lambda A, theta: hessian(lambda t: A.T @ (A @ t) ** 3, theta), A, theta)

    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-7)
    assert (found == found.T).all()


def test_a_hessian_of_rounded_gradients_is_the_mean_of_both_triangles() -> None:
    skew = np.array([[0.0, 2.0], [-2.0, 0.0]])

    found = hessian(lambda t: (np.diag([1.0, 3.0]) + skew) @ t, np.zeros(2), h=0.5)

    assert found.tolist() == [[1.0, 0.0], [0.0, 3.0]]


@pytest.mark.verifies("eq-saddle")
def test_a_critical_point_is_what_its_eigenvalues_make_it(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    spectra = {
        (1.0, 2.0, 3.0): "minimum",
        (-1.0, -2.0, -3.0): "maximum",
        (-1.0, -2.0, 3.0): "saddle",  # with a positive determinant
        (-1.0, 2.0, 3.0): "saddle",
        (-1.0, 0.0, 2.0): "saddle",
        (0.0, 1.0, 2.0): "undecided",
        (0.0, -1.0, -2.0): "undecided",
        (0.0, 0.0, 0.0): "undecided",
    }
    turns = [np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in spectra]
    pairs = zip(turns, spectra, strict=True)
    hessians = np.stack([Q @ np.diag(each) @ Q.T for Q, each in pairs])
    gradients = 1e-8 * rng.normal(size=(len(spectra), 3))

    found = run(classify_critical_points, gradients, hessians)
    moving = named(gradients + 1, hessians)

    assert [KINDS[k] for k in found] == [*spectra.values()]
    assert moving == ["not critical"] * len(spectra)


@pytest.mark.verifies("eq-saddle")
def test_a_point_is_a_saddle_where_the_loss_rises_and_falls_around_it(
    rng: np.random.Generator,
) -> None:
    hessians = rng.normal(size=(60, 2, 2))
    hessians = hessians + np.swapaxes(hessians, 1, 2)
    angles = np.linspace(0, np.pi, 10_000)
    around = np.stack([np.cos(angles), np.sin(angles)])
    curvatures = np.einsum("ia,kij,ja->ka", around, hessians, around)
    rises, falls = (curvatures > 0).any(axis=1), (curvatures < 0).any(axis=1)
    names = {(True, True): "saddle", (True, False): "minimum", (False, True): "maximum"}

    found = named(np.zeros((60, 2)), hessians)

    assert found == [names[pair] for pair in zip(rises, falls, strict=True)]
    assert {*found} == {*names.values()}


@pytest.mark.parametrize("tolerance", [0.0, 0.01, 0.5])
def test_what_is_up_to_the_tolerance_counts_as_zero(tolerance: float) -> None:
    above, below = 1.001 * tolerance + 1e-9, 0.999 * tolerance
    gradients = np.array([[below, 0.0], [above, 0.0], [0.8 * above, 0.8 * above]])
    curved = np.stack([np.eye(2)] * 3)
    hessians = np.stack(
        [
            np.diag(each)
            for each in (
                [above, 1.0],
                [below, 1.0],
                [-above, 1.0],
                [-below, 1.0],
                [-1.0, above],
                [-1.0, below],
                [-1.0, -above],
                [-1.0, -below],
            )
        ]
    )

    lengths = named(gradients, curved, tolerance=tolerance)
    kinds = named(np.zeros((8, 2)), hessians, tolerance=tolerance)

    assert lengths == ["minimum", "not critical", "not critical"]
    assert kinds[::2] == ["minimum", "saddle", "saddle", "maximum"]
    assert kinds[1::2] == ["undecided"] * 4


@pytest.mark.parametrize("scale", [1e3, 1e12])
def test_the_tolerance_is_a_share_of_a_large_eigenvalue(scale: float) -> None:
    ones = scale * np.ones((1, 3, 3))  # the eigenvalues 3, 0 and 0, up to rounding
    edges = [np.diag([sign * scale, scale]) for sign in (9e-7, 1.1e-6, -1.1e-6)]

    kinds = named(np.zeros((1, 3)), ones) + named(np.zeros((3, 2)), np.stack(edges))

    assert kinds == ["undecided", "undecided", "minimum", "saddle"]


def test_where_all_eigenvalues_are_tiny_none_decides() -> None:
    hessians = np.stack([np.diag([-1e-8, 1e-7]), np.diag([1e-7, 2e-7])])

    assert named(np.zeros((2, 2)), hessians) == ["undecided"] * 2


def test_derivatives_that_are_not_finite_are_refused() -> None:
    still, bad = np.zeros((1, 2)), np.array([[np.nan, -1.0]])

    calls: list[Callable[[], Any]] = [
        lambda: classify_critical_points(still, np.diag([np.nan, 1.0])[None]),
        lambda: classify_critical_points(bad, np.eye(2)[None]),
        lambda: saddle_index(bad),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="must be finite, got NaN or infinity"):
            call()


def test_a_monkey_saddle_is_undecided_although_it_is_no_extremum() -> None:
    around = 0.1 * np.stack(
        [np.cos(np.arange(6) * np.pi / 3), np.sin(np.arange(6) * np.pi / 3)], axis=1
    )

    kinds = named(np.zeros((1, 2)), hessian(slope(monkey_saddle), np.zeros(2))[None])

    assert kinds == ["undecided"]
    np.testing.assert_allclose(
        monkey_saddle(around)[0], 0.001 * np.array([1.0, -1, 1, -1, 1, -1])
    )


@pytest.mark.verifies("eq-escape")
def test_steps_to_escape_are_counted_as_gradient_descent_takes_them(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    curvature, rate, radius = -rng.uniform(1, 3), rng.uniform(0.05, 0.2), 0.7
    distance = 10.0 ** -rng.uniform(1, 8, size=(2, 3))
    call = partial(escape_steps, curvature=curvature, learning_rate=rate, radius=radius)

    found = run(call, distance)

    for start, t in zip(distance.ravel(), found.ravel(), strict=True):
        y, steps = start, 0
        while y < radius:
            y, steps = y - rate * curvature * y, steps + 1
        assert steps == np.ceil(t)


@pytest.mark.verifies("eq-escape")
def test_the_saddle_surface_is_left_in_about_the_steps_of_its_quadratic_model() -> None:
    for start in (1e-3, 1e-6, 1e-9):
        theta, steps = np.array([1.0, start]), 0
        while theta[1] < 0.1:
            theta, steps = theta - 0.05 * saddle(theta)[1], steps + 1

        (t,) = escape_steps(
            np.array([start]), curvature=-2.0, learning_rate=0.05, radius=0.1
        )

        assert steps == pytest.approx(float(t), abs=1)


@pytest.mark.verifies("eq-saddle-index")
def test_the_index_is_the_share_of_negative_eigenvalues(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    eigenvalues = rng.normal(size=(3, 4, 7)) * (rng.random((3, 4, 7)) < 0.8)

    for tolerance in (0.0, 0.3):
        index = run(partial(saddle_index, tolerance=tolerance), eigenvalues)

        for place in product(range(3), range(4)):
            count = sum(each < -tolerance for each in eigenvalues[place].tolist())
            assert index[place] == pytest.approx(count / 7, rel=1e-12)


def test_half_of_the_directions_of_a_random_symmetric_matrix_curve_down(
    rng: np.random.Generator,
) -> None:
    A = rng.normal(size=(200, 40, 40))

    index = saddle_index(np.linalg.eigvalsh(A + np.swapaxes(A, 1, 2)))

    assert index.mean() == pytest.approx(0.5, abs=0.01)
    assert 0.3 < index.min() < index.max() < 0.7


@pytest.mark.parametrize("bad", [np.nan, -0.5])
def test_what_is_out_of_range_is_refused_by_its_name(bad: float) -> None:
    theta, H = np.zeros(2), np.zeros((1, 2, 2))
    escape = partial(escape_steps, theta, curvature=-1.0, learning_rate=0.1)
    calls: dict[str, Callable[[], Any]] = {
        "h must be positive": partial(hessian, slope(beale), theta, h=bad),
        "h must be positive and": partial(hessian_vector, slope(beale), theta, theta),
        "tolerance must be at least 0": partial(saddle_index, theta),
        "tolerance must be at": partial(classify_critical_points, H[0, :1], H),
        "condition_number must be at least 1": partial(ravine, theta),
        "learning_rate must be positive": escape,
        "radius must be positive": escape,
        "curvature must be negative": escape,
    }

    for message, call in calls.items():
        with pytest.raises(ValueError, match=f"{message}.*, got"):
            call(**{message.split()[0]: abs(bad) if "curvature" in message else bad})


def test_a_point_of_three_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rosenbrock\(\) got theta of shape \(4, 3\)"):
        rosenbrock(np.zeros((4, 3)))
