"""Newton's method against autograd and SciPy, and where it goes wrong."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy import optimize
from scipy.sparse import linalg as sparse

from dlnotes.optimization.gradient_descent import update as descend
from dlnotes.optimization.second_order import (
    conjugate_gradient,
    descent_damping,
    newton_step,
    quadratic_model,
)

Run = Callable[..., Any]


def bowl(rng: np.random.Generator, size: int) -> Any:
    """Draw a positive definite matrix with curvatures from 0.5 to 5."""
    turn, _ = np.linalg.qr(rng.normal(size=(size, size)))
    return (turn * rng.uniform(0.5, 5, size=size)) @ turn.T


def wave(theta: Any) -> Any:
    """Compute a smooth function of a tensor that is no quadratic."""
    return torch.exp(theta[0] * theta[1]) + torch.sin(theta[1:] * theta[:-1]).sum()


def hessian_of(function: Callable[[Any], Any], theta: Any) -> Any:
    """Return the second derivatives by autograd."""
    return torch.autograd.functional.hessian(function, theta)  # type: ignore[no-untyped-call]


def derivatives(theta: Any) -> tuple[float, Any, Any]:
    """Return value, gradient and Hessian of the wave, from autograd, in NumPy."""
    at = torch.asarray(theta)
    gradient = torch.func.grad(wave)(at)
    return float(wave(at)), gradient.numpy(), hessian_of(wave, at).numpy()


# The model


@pytest.mark.verifies("eq-taylor-second")
def test_the_model_is_a_sum_over_all_pairs_of_parameters(
    rng: np.random.Generator, run: Run
) -> None:
    gradient, steps = rng.normal(size=4), rng.normal(size=(3, 4))
    hessian = bowl(rng, 4)

    found = run(lambda *arrays: quadratic_model(0.7, *arrays), gradient, hessian, steps)

    for d, model in zip(steps, found, strict=True):
        linear = sum(gradient[i] * d[i] for i in range(4))
        pairs = sum(d[i] * hessian[i, j] * d[j] for i in range(4) for j in range(4))
        assert model == pytest.approx(0.7 + linear + pairs / 2, rel=1e-12)


@pytest.mark.verifies("eq-taylor-second")
def test_half_the_step_leaves_an_eighth_of_the_rest(rng: np.random.Generator) -> None:
    theta, d = rng.normal(size=(2, 3)) / 2
    halved = np.array([d * 0.5**k for k in range(3, 7)])

    model = quadratic_model(*derivatives(theta), halved)

    rest = [float(wave(torch.asarray(theta + each))) for each in halved] - model
    np.testing.assert_allclose(rest[:-1] / rest[1:], 8, rtol=0.15)


# The step


@pytest.mark.verifies("eq-newton")
def test_one_step_from_anywhere_ends_at_the_minimum_of_a_bowl(
    rng: np.random.Generator, run: Run
) -> None:
    theta, b = rng.normal(size=(2, 5))
    hessian = bowl(rng, 5)

    found = run(newton_step, theta, hessian @ theta - b, hessian)

    np.testing.assert_allclose(found, np.linalg.inv(hessian) @ b, rtol=1e-10)


@pytest.mark.verifies("eq-newton")
def test_in_one_dimension_the_steps_are_those_of_scipy() -> None:
    def slope(x: Any) -> Any:
        return x**3 + np.exp(x)

    def curvature(x: Any) -> Any:
        return 3 * x**2 + np.exp(x)

    theta = np.array([1.3])

    for steps in range(1, 6):
        theta = newton_step(theta, slope(theta), curvature(theta)[:, None])

        theirs, _ = optimize.newton(
            slope, 1.3, curvature, maxiter=steps, disp=False, full_output=True
        )
        assert theta[0] == pytest.approx(theirs, rel=1e-12)


@pytest.mark.verifies("eq-newton")
def test_the_error_is_squared_by_each_step_near_a_minimum() -> None:
    theta = np.array([0.4, -0.3])
    errors = []
    for _ in range(4):
        errors.append(np.abs(theta).max())
        gradient = np.sinh(theta) + theta.sum()  # of sum(cosh) + (sum)^2 / 2
        theta = newton_step(theta, gradient, np.diag(np.cosh(theta)) + 1)

    assert errors[-1] < 1e-14
    assert errors[1] > 1e-4
    assert all(after < before**2 for before, after in pairwise(errors))


@pytest.mark.verifies("eq-damped-newton")
def test_damping_shortens_the_step_along_each_eigenvector(
    rng: np.random.Generator, run: Run
) -> None:
    theta, gradient = rng.normal(size=(2, 4))
    hessian, damping = bowl(rng, 4), 0.7

    found = run(
        lambda *arrays: newton_step(*arrays, damping=damping), theta, gradient, hessian
    )

    curvatures, directions = np.linalg.eigh(hessian)
    shares = (gradient @ directions) / (curvatures + damping)
    np.testing.assert_allclose(theta - found, directions @ shares, rtol=1e-10)


@pytest.mark.verifies("eq-damped-newton")
def test_much_damping_makes_a_small_step_of_gradient_descent(
    rng: np.random.Generator,
) -> None:
    theta, gradient = rng.normal(size=(2, 4))
    hessian = bowl(rng, 4)

    damped = newton_step(theta, gradient, hessian, damping=1e6)

    np.testing.assert_allclose(
        damped - theta, descend(theta, gradient, learning_rate=1e-6) - theta, rtol=1e-5
    )


def test_negative_damping_is_refused() -> None:
    with pytest.raises(ValueError, match=r"damping must be at least 0, got -0\.1"):
        newton_step(np.ones(2), np.ones(2), np.eye(2), damping=-0.1)
    with pytest.raises(ValueError, match="damping must be at least 0, got nan"):
        newton_step(np.ones(2), np.ones(2), np.eye(2), damping=np.nan)


# Where the curvature is negative


@pytest.mark.verifies("eq-newton")
def test_newton_jumps_onto_a_saddle_that_gradient_descent_leaves(
    rng: np.random.Generator,
) -> None:
    hessian = np.diag([2.0, -2.0])
    for theta in rng.normal(size=(20, 2)):
        newton = newton_step(theta, hessian @ theta, hessian)
        first_order = descend(theta, hessian @ theta, learning_rate=0.1)

        np.testing.assert_allclose(newton, 0, atol=1e-12)
        assert abs(first_order[1]) > abs(theta[1])


@pytest.mark.verifies("eq-descent-damping")
@pytest.mark.parametrize("smallest", [0.3, 10.0])
def test_the_damped_matrix_has_no_curvature_below_the_limit(
    smallest: float, rng: np.random.Generator, run: Run
) -> None:
    hessian = rng.normal(size=(4, 4))
    hessian = hessian + hessian.T

    damping = run(lambda H: descent_damping(H, smallest=smallest), hessian)

    damped = np.linalg.eigvalsh(hessian + damping * np.eye(4))
    assert damping > 0
    assert damped.min() == pytest.approx(smallest)


@pytest.mark.verifies("eq-descent-damping")
def test_a_bowl_is_not_damped_and_a_damped_step_goes_downhill(
    rng: np.random.Generator,
) -> None:
    assert descent_damping(bowl(rng, 4), smallest=0.4) == 0
    for _ in range(20):
        hessian, gradient = rng.normal(size=(4, 4)), rng.normal(size=4)
        hessian = hessian + hessian.T
        damping = float(descent_damping(hessian, smallest=0.1))
        step = newton_step(np.zeros(4), gradient, hessian, damping=damping)

        assert step @ gradient < 0


# Conjugate gradients


@pytest.mark.verifies("eq-conjugate-gradient")
def test_each_iterate_is_that_of_scipy(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    hessian, b = bowl(rng, 6), rng.normal(size=6)
    theirs: list[Any] = []
    sparse.cg(
        hessian,
        b,
        rtol=0,
        atol=0,
        maxiter=5,
        callback=lambda x: theirs.append(x.copy()),
    )

    for iterations, want in enumerate(theirs, start=1):
        found = conjugate_gradient(
            lambda p: array(hessian) @ p, array(b), iterations=iterations
        )
        np.testing.assert_allclose(found, want, rtol=1e-9)
    assert len(theirs) == 5


@pytest.mark.verifies("eq-conjugate-gradient")
def test_as_many_products_as_parameters_solve_the_system(
    rng: np.random.Generator,
) -> None:
    hessian, b = bowl(rng, 6), rng.normal(size=6)

    found = conjugate_gradient(lambda p: hessian @ p, b, iterations=6)

    np.testing.assert_allclose(hessian @ found, b, rtol=1e-8)


@pytest.mark.verifies("eq-conjugate-gradient")
def test_as_many_products_as_different_curvatures_do_too() -> None:
    curvature = np.array([1.0, 1.0, 1.0, 7.0, 7.0])

    found = conjugate_gradient(lambda p: curvature * p, np.arange(1.0, 6), iterations=2)

    np.testing.assert_allclose(found, np.arange(1.0, 6) / curvature)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [("float32", 1e-25), ("float32", 1e25), ("float64", 1e-170), ("float64", 1e170)],
)
def test_a_tiny_or_huge_right_hand_side_is_solved_like_any_other(
    dtype: str, scale: float, array: Callable[[Any], Any]
) -> None:
    curvature = array(np.array([1.0, 2.0, 5.0], dtype=dtype))
    b = array(scale * np.array([1.0, -3.0, 0.5]).astype(dtype))

    found = conjugate_gradient(lambda p: curvature * p, b, iterations=3)

    assert found.dtype == b.dtype
    np.testing.assert_allclose(found / scale, [1.0, -1.5, 0.1], rtol=1e-5)
    np.testing.assert_array_equal(
        conjugate_gradient(lambda p: curvature * p, 0 * b, iterations=3), 0
    )


def test_rounding_takes_more_iterations_than_there_are_parameters() -> None:
    i = np.arange(8)
    hilbert = 1 / (1 + i + i[:, None])
    b = hilbert @ np.ones(8)

    ends = [
        np.linalg.norm(
            b - hilbert @ conjugate_gradient(hilbert.__matmul__, b, iterations=k)
        )
        for k in (8, 40)
    ]

    assert ends[1] < ends[0] / 100


def test_it_ends_where_it_is_done_and_where_the_curvature_is_negative() -> None:
    solved = conjugate_gradient(lambda p: 2 * p, np.ones(3), iterations=50)
    uphill = conjugate_gradient(lambda p: -2 * p, np.ones(3), iterations=50)

    np.testing.assert_allclose(solved, 0.5)
    np.testing.assert_array_equal(uphill, 0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: descent_damping(np.eye(2), smallest=0.0),
            "smallest must be positive",
        ),
        (
            lambda: descent_damping(np.diag([np.nan, 1.0]), smallest=0.1),
            "hessian must be finite, got NaN or infinity",
        ),
        (
            lambda: conjugate_gradient(lambda p: p, np.ones(2), iterations=0),
            "iterations must be an int of at least 1, got 0",
        ),
    ],
)
def test_a_setting_out_of_range_is_refused(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()
