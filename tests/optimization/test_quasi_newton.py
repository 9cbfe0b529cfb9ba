"""BFGS and L-BFGS against SciPy and PyTorch, and the line search by its conditions."""

from collections.abc import Callable, Sequence
from functools import partial
from math import nan
from typing import Any

import numpy as np
import pytest
import torch
from scipy import optimize
from torch.optim.lbfgs import _strong_wolfe

from dlnotes.optimization.quasi_newton import (
    State,
    Trial,
    bfgs_update,
    cubic_minimum,
    decreases,
    flattens,
    init,
    lbfgs_direction,
    line_search,
    minimize,
    remember,
    update,
)

Run = Callable[..., Any]
CURVATURE = np.array([1.0, 3.0, 10.0, 30.0])


def bowl(rng: np.random.Generator, size: int) -> Any:
    """Draw a positive definite matrix with curvatures from 0.5 to 5."""
    turn, _ = np.linalg.qr(rng.normal(size=(size, size)))
    return (turn * rng.uniform(0.5, 5, size=size)) @ turn.T


def history(rng: np.random.Generator, pairs: int, size: int) -> tuple[Any, Any]:
    """Draw steps, and the changes of the gradient along them on a quadratic."""
    s = rng.normal(size=(pairs, size))
    return s, s @ bowl(rng, size)


def rosenbrock(theta: Any) -> Any:
    """Compute the loss of Rosenbrock's curved valley, for any number of parameters."""
    rise = theta[1:] - theta[:-1] ** 2
    return ((1 - theta[:-1]) ** 2 + 100 * rise**2).sum()


def evaluated(function: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, Any]]:
    """Return what gives the value of a function of a tensor, and its gradient."""

    def evaluate(theta: Any) -> tuple[Any, Any]:
        gradient, value = torch.func.grad_and_value(function)(torch.asarray(theta))
        return (
            (value, gradient) if torch.is_tensor(theta) else (value, gradient.numpy())
        )

    return evaluate


def tried(rate: float, value: float, slope: float) -> Any:
    """Make a trial whose gradient is of no interest."""
    return Trial(rate, value, slope, np.zeros(1))


def on_curve(function: Callable[[float], tuple[float, float]], rate: float) -> Any:
    """Try a rate on a curve."""
    return tried(rate, *function(rate))


# The update


@pytest.mark.verifies("eq-bfgs")
def test_updates_from_the_identity_are_scipy_s_product(
    rng: np.random.Generator, run: Run
) -> None:
    s, y = history(rng, 3, 5)

    def updated(s: Any, y: Any, H: Any) -> Any:
        for k in range(3):
            H = bfgs_update(H, s[k], y[k])
        return H

    found = run(updated, s, y, np.eye(5))

    np.testing.assert_allclose(
        found, optimize.LbfgsInvHessProduct(s, y).todense(), rtol=1e-10, atol=1e-12
    )


@pytest.mark.verifies("eq-bfgs")
def test_an_update_of_any_matrix_is_that_of_scipy(rng: np.random.Generator) -> None:
    H, (s, y) = bowl(rng, 4), (each[0] for each in history(rng, 1, 4))
    H = (H + H.T) / 2  # SciPy wants it to the last bit
    theirs = optimize.BFGS(init_scale=H)
    theirs.initialize(4, "inv_hess")

    theirs.update(s, y)

    np.testing.assert_allclose(bfgs_update(H, s, y), theirs.get_matrix(), rtol=1e-10)


@pytest.mark.verifies("eq-secant")
def test_it_takes_the_change_of_the_gradient_to_the_step_and_stays_positive(
    rng: np.random.Generator, run: Run
) -> None:
    H, (s, y) = bowl(rng, 4), (each[0] for each in history(rng, 1, 4))

    found = run(bfgs_update, H, s, y)

    np.testing.assert_allclose(found @ y, s, rtol=1e-10)
    np.testing.assert_allclose(found, found.T, rtol=1e-12)
    assert np.linalg.eigvalsh(found).min() > 0


# The history


@pytest.mark.verifies("eq-curvature-pair")
def test_the_newest_pairs_of_positive_curvature_are_kept(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    steps, changes = history(rng, 6, 3)
    changes[4] = -changes[4]
    changes[2] = 0.9e-10 * steps[2] / (steps[2] @ steps[2])
    s = y = array(np.empty((0, 3)))

    for step, change in zip(steps, changes, strict=True):
        s, y = remember(s, y, array(step), array(change), history_size=3)

    np.testing.assert_array_equal(s, steps[[1, 3, 5]])
    np.testing.assert_array_equal(y, changes[[1, 3, 5]])


def test_a_pair_just_above_the_limit_is_kept() -> None:
    s = y = np.empty((0, 1))

    s, y = remember(s, y, np.array([1.0]), np.array([1.1e-10]), history_size=1)

    assert s.tolist() == [[1.0]]
    assert y.tolist() == [[1.1e-10]]


# The direction


@pytest.mark.verifies("eq-two-loop")
def test_two_loops_are_a_product_with_the_dense_matrix(
    rng: np.random.Generator, run: Run
) -> None:
    s, y = history(rng, 3, 5)
    gradient = rng.normal(size=5)

    found = run(lbfgs_direction, gradient, s, y)

    H = (s[-1] @ y[-1]) / (y[-1] @ y[-1]) * np.eye(5)
    for s_k, y_k in zip(s, y, strict=True):
        rho = 1 / (s_k @ y_k)
        V = np.eye(5) - rho * np.outer(y_k, s_k)
        H = V.T @ H @ V + rho * np.outer(s_k, s_k)
    np.testing.assert_allclose(found, -H @ gradient, rtol=1e-10)


@pytest.mark.verifies("eq-two-loop")
def test_without_a_pair_it_goes_against_the_gradient(
    rng: np.random.Generator, run: Run
) -> None:
    gradient, none = rng.normal(size=4), np.empty((0, 4))

    np.testing.assert_array_equal(run(lbfgs_direction, gradient, none, none), -gradient)


@pytest.mark.verifies("eq-two-loop")
def test_as_many_conjugate_pairs_as_parameters_give_newton_s_direction(
    rng: np.random.Generator,
) -> None:
    hessian, gradient = bowl(rng, 4), rng.normal(size=4)
    _, s = np.linalg.eigh(hessian)  # its columns are conjugate, so are its rows in s.T

    found = lbfgs_direction(gradient, s.T, s.T @ hessian)

    np.testing.assert_allclose(found, -np.linalg.solve(hessian, gradient), rtol=1e-10)


# The conditions


def along(theta: Any, d: Any, rate: float) -> Any:
    """Try a rate along a direction, in Rosenbrock's valley."""
    gradient = optimize.rosen_der(theta + rate * d)
    value = float(optimize.rosen(theta + rate * d))
    return Trial(rate, value, float(gradient @ d), gradient)


@pytest.mark.verifies("eq-armijo")
@pytest.mark.verifies("eq-wolfe")
def test_the_conditions_are_those_of_scipy(rng: np.random.Generator) -> None:
    value, gradient = optimize.rosen, optimize.rosen_der
    met = np.zeros(2)
    for theta in rng.normal(size=(20, 3)):
        d = -gradient(theta)
        found = optimize.line_search(value, gradient, theta, d, c1=0.01, c2=0.3)
        rate = float(found[0])  # type: ignore[arg-type]
        trial = partial(along, theta, d)
        assert decreases(trial(0.0), trial(rate), c1=0.01)
        assert flattens(trial(0.0), trial(rate), c2=0.3)
        for t in rate * np.array([0.05, 0.5, 2.0, 8.0]):
            at, slope = value(theta + t * d), gradient(theta + t * d) @ d
            low = at <= value(theta) + 0.01 * t * (gradient(theta) @ d)
            flat = abs(slope) <= 0.3 * abs(gradient(theta) @ d)
            assert decreases(trial(0.0), trial(t), c1=0.01) == low
            assert flattens(trial(0.0), trial(t), c2=0.3) == flat
            met += low, flat

    assert (met > 5).all() and (met < 75).all()  # noqa: PT018  # both answers occur


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_not_low(bad: float) -> None:
    start = tried(0.0, 1.0, -1.0)

    assert not decreases(start, tried(1.0, bad, 0.0))
    assert not flattens(start, tried(1.0, 0.0, bad))


# The cubic


@pytest.mark.verifies("eq-cubic-minimum")
def test_the_cubic_s_minimum_is_found_among_its_points(
    rng: np.random.Generator,
) -> None:
    found = 0
    for _ in range(50):
        cubic = np.polynomial.Polynomial(rng.normal(size=4))
        a, b = np.sort(rng.uniform(0, 3, size=2))
        slope, bend = cubic.deriv(), cubic.deriv(2)
        wanted = [t.real for t in slope.roots() if not t.imag and bend(t.real) > 0]
        found += bool(wanted)
        first, second = (
            Trial(t, float(cubic(t)), float(slope(t)), np.zeros(1)) for t in (a, b)
        )

        for ends in ((first, second), (second, first)):
            middle = wanted[0] if wanted else (a + b) / 2
            assert cubic_minimum(*ends) == pytest.approx(np.clip(middle, a, b))
    assert 10 < found < 50


@pytest.mark.parametrize(
    ("first", "second", "bounds", "wanted"),
    [
        ((0.0, 1.0, -1.0), (1.0, 0.0, -1.0), (1.01, 10.0), 10.0),  # a line
        ((0.0, 0.0, 1.0), (1.0, 1.0, 1.0), None, 0.0),
        ((0.0, 1.0, -1.0), (1.0, np.inf, 1.0), None, 0.5),
        ((0.0, 1.0, -1.0), (1.0, np.nan, np.nan), None, 0.5),
        ((0.0, 1.0, -1e300), (1.0, 2.0, 1e300), None, 0.5),
        ((0.0, 1.0, -1.0), (4.0, 9.0, 3.0), (2.0, 3.0), 2.0),
    ],
)
def test_a_rate_is_found_where_there_is_no_cubic(
    first: Sequence[float],
    second: Sequence[float],
    bounds: tuple[float, float] | None,
    wanted: float,
) -> None:
    assert cubic_minimum(tried(*first), tried(*second), bounds) == wanted


# The line search

CURVES = {
    "parabola": lambda t: ((t - 1) ** 2, 2 * (t - 1)),
    "flat and long": lambda t: (-t / (t**2 + 2), (t**2 - 2) / (t**2 + 2) ** 2),
    "steep": lambda t: (np.exp(4 * t) - 20 * t, 4 * np.exp(4 * t) - 20),
    "wavy": lambda t: (
        np.sin(6 * t) / 4 + (t - 2) ** 2,
        1.5 * np.cos(6 * t) + 2 * (t - 2),
    ),
}


@pytest.mark.verifies("eq-armijo")
@pytest.mark.verifies("eq-wolfe")
@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0])
def test_what_is_found_fulfills_both_conditions(name: str, first: float) -> None:
    calls: list[float] = []

    def phi(rate: float) -> Any:
        calls.append(rate)
        return on_curve(CURVES[name], rate)

    start = on_curve(CURVES[name], 0.0)

    trial, count = line_search(phi, start, first, c1=0.01, c2=0.1)

    assert decreases(start, trial, c1=0.01)
    assert flattens(start, trial, c2=0.1)
    assert trial.value == CURVES[name](trial.rate)[0]
    assert calls[0] == first
    assert count == len(calls) <= 12


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 50.0])
@pytest.mark.parametrize("tries", [0, 2, 25])
def test_each_trial_is_that_of_pytorch(name: str, first: float, tries: int) -> None:
    ours, theirs = [], []

    def phi(rate: float) -> Any:
        ours.append(rate)
        return on_curve(CURVES[name], rate)

    def objective(_x: Any, rate: float, _d: Any) -> tuple[float, Any]:
        theirs.append(float(rate))
        value, slope = CURVES[name](float(rate))
        return value, torch.tensor([slope], dtype=torch.float64)

    value, slope = CURVES[name](0.0)
    given = torch.zeros(1), first, torch.ones(1, dtype=torch.float64), value
    start = torch.tensor([slope], dtype=torch.float64), torch.tensor(slope)
    wanted = _strong_wolfe(  # type: ignore[no-untyped-call]
        objective, *given, *start, 0.01, 0.1, 1e-9, tries
    )

    found = line_search(
        phi, tried(0.0, value, slope), first, c1=0.01, c2=0.1, tries=tries
    )

    np.testing.assert_allclose(ours, theirs, rtol=1e-10)
    assert found[1] == wanted[3]
    assert found[0].rate == pytest.approx(float(wanted[2]), rel=1e-10)


def test_from_far_beyond_it_may_take_the_lower_end_for_the_better_one() -> None:
    start = on_curve(CURVES["flat and long"], 0.0)

    trial, count = line_search(
        partial(on_curve, CURVES["flat and long"]), start, 50.0, c1=0.01, c2=0.1
    )

    assert count == 26
    assert not decreases(start, trial, c1=0.01)


def test_a_first_rate_that_is_good_is_taken() -> None:
    start = on_curve(CURVES["parabola"], 0.0)

    trial, count = line_search(partial(on_curve, CURVES["parabola"]), start, 1.3)

    assert (trial.rate, count) == (1.3, 1)


@pytest.mark.parametrize("tries", [1, 2, 3])
def test_it_stops_after_so_many_trials_with_the_lowest(tries: int) -> None:
    calls: list[Any] = []

    def downhill(rate: float) -> Any:
        calls.append(tried(rate, -rate, -1.0))
        return calls[-1]

    start = tried(0.0, 0.0, -1.0)

    trial, count = line_search(downhill, start, 1.0, tries=tries)

    assert count == len(calls) == tries + 1
    assert trial is calls[-1]


def test_the_second_trial_may_be_higher_than_the_first_as_in_pytorch() -> None:
    answers, rates = [(-1.0, -1.0), (-0.5, -1.0), (-3.0, 0.0)], []

    def phi(rate: float) -> Any:
        rates.append(rate)
        return tried(rate, *answers[len(rates) - 1])

    line_search(phi, tried(0.0, 0.0, -1.0), 1.0)

    assert rates == sorted(rates)
    assert len(rates) == 3


def test_it_gives_up_where_the_loss_only_rises() -> None:
    start = tried(0.0, 0.0, -1.0)  # as a wrong gradient would have it

    trial, count = line_search(lambda t: tried(t, t, 1.0), start, 1.0)

    assert trial is start
    assert count < 25


def test_it_comes_back_from_where_the_loss_is_no_number() -> None:
    def phi(rate: float) -> Any:
        number = rate < 2
        return on_curve(CURVES["parabola"], rate) if number else tried(rate, nan, nan)

    trial, _ = line_search(phi, phi(0.0), 30.0)

    assert 0 < trial.rate < 2
    assert flattens(phi(0.0), trial)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"rate": 0.0}, "rate must be positive"),
        ({"tries": -1}, "tries must be an int of at least 0, got -1"),
        ({"c1": -0.1}, "c1 must be from 0 to 1, got -0.1"),
        ({"c2": 1.1}, "c2 must be from 0 to 1, got 1.1"),
        ({"tolerance": -1.0}, "tolerance must be at least 0"),
        ({"start": 1.0}, "start must have a negative slope, got 1.0"),
    ],
)
def test_a_search_that_cannot_be_is_refused(setting: dict[str, Any], says: str) -> None:
    slope, rate = setting.pop("start", -1.0), setting.pop("rate", 1.0)
    start = tried(0.0, 0.0, slope)

    with pytest.raises(ValueError, match=says):
        line_search(lambda _: start, start, rate, **setting)


# Steps


def pytorch(theta: Any, function: Callable[[Any], Any], **settings: Any) -> Any:
    """Return PyTorch's optimizer, its parameters, and what makes a step."""
    theirs = torch.nn.Parameter(torch.asarray(theta.copy()))
    optimizer = torch.optim.LBFGS([theirs], **settings)
    count = [0]

    def closure() -> Any:
        count[0] += 1
        optimizer.zero_grad()
        value = function(theirs)
        value.backward()
        return value

    return theirs, partial(optimizer.step, closure), count


@pytest.mark.verifies("eq-lbfgs-step")
@pytest.mark.verifies("eq-two-loop")
@pytest.mark.parametrize("history_size", [1, 4, 100])
def test_fifty_steps_of_a_fixed_rate_end_where_pytorch_ends(
    history_size: int, rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    theta, shift = rng.normal(size=(2, 4))
    center, curvature = map(torch.asarray, (shift, CURVATURE))

    def function(at: Any) -> Any:
        return (torch.cosh(at - center) * curvature).sum()

    theirs, step, _ = pytorch(
        theta,
        function,
        lr=0.1,
        max_iter=1,
        history_size=history_size,
        tolerance_change=0.0,
    )
    ours, state = array(theta), init(array(theta))

    for _ in range(50):
        gradient = evaluated(function)(ours)[1]
        ours, state = update(
            ours, gradient, state, learning_rate=0.1, history_size=history_size
        )
        step()

        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-9, atol=1e-9)
    assert state.t == 50


@pytest.mark.verifies("eq-lbfgs-step")
@pytest.mark.parametrize("iterations", [1, 4])
@pytest.mark.parametrize("history_size", [2, 100])
def test_searched_steps_end_where_pytorch_ends_after_as_many_evaluations(
    iterations: int,
    history_size: int,
    rng: np.random.Generator,
    array: Callable[[Any], Any],
) -> None:
    theta = rng.normal(size=2)
    theirs, step, count = pytorch(
        theta,
        rosenbrock,
        max_iter=iterations,
        max_eval=25 * iterations,
        history_size=history_size,
        line_search_fn="strong_wolfe",
    )
    calls, state, ours = [0], None, array(theta)

    def evaluate(at: Any) -> Any:
        calls[0] += 1
        return evaluated(rosenbrock)(at)

    for _ in range(60 // iterations):
        ours, state = minimize(
            evaluate,
            ours,
            state,
            iterations=iterations,
            evaluations=25 * iterations,
            history_size=history_size,
        )
        step()

        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-9, atol=1e-9)
        assert calls == count
    assert isinstance(state, State)
    np.testing.assert_allclose(ours, 1, atol=1e-4)


@pytest.mark.parametrize("evaluations", [2, 3, 7, None])
def test_it_stops_with_pytorch_when_evaluations_run_out(
    evaluations: int | None, rng: np.random.Generator
) -> None:
    theta = rng.normal(size=3)
    theirs, step, count = pytorch(
        theta, rosenbrock, max_eval=evaluations, line_search_fn="strong_wolfe"
    )
    calls = [0]

    def evaluate(at: Any) -> Any:
        calls[0] += 1
        return evaluated(rosenbrock)(at)

    ours, _ = minimize(evaluate, theta, evaluations=evaluations)
    step()

    assert calls == count
    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-9)


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0.3},
        {"learning_rate": 3.0},
        {"tolerance_gradient": 1.0},
        {"tolerance_change": 0.05},
        {"tolerance_gradient": 0.0, "tolerance_change": 0.0},
    ],
    ids=str,
)
def test_its_settings_are_pytorch_s(
    settings: dict[str, Any], rng: np.random.Generator
) -> None:
    theta, b = rng.normal(size=(2, 4))
    curvature, slope = map(torch.asarray, (CURVATURE, b))

    def function(at: Any) -> Any:
        return (at**2 * curvature).sum() / 2 - at @ slope

    names = {"learning_rate": "lr", "tolerance_gradient": "tolerance_grad"}
    theirs, step, _ = pytorch(
        theta,
        function,
        line_search_fn="strong_wolfe",
        **{names.get(name, name): value for name, value in settings.items()},
    )

    ours, _ = minimize(evaluated(function), theta, **settings)
    step()

    np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-9, atol=1e-9)


def test_an_interval_is_left_when_it_is_as_narrow_as_pytorch_s(
    rng: np.random.Generator,
) -> None:
    for theta in rng.normal(size=(8, 3)):
        settings = {"line_search_fn": "strong_wolfe", "tolerance_change": 1e-3}
        theirs, step, count = pytorch(
            theta, rosenbrock, lr=30.0, max_iter=3, **settings
        )
        calls = [0]

        def evaluate(at: Any, calls: list[int] = calls) -> Any:
            calls[0] += 1
            return evaluated(rosenbrock)(at)

        ours, _ = minimize(
            evaluate, theta, learning_rate=30.0, iterations=3, tolerance_change=1e-3
        )
        step()

        assert calls == count
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-9)


@pytest.mark.parametrize(
    ("curvature", "start", "tolerance"),
    [
        ((1e10, 1e8), (1e-6, 1e-6), 1e-4),  # the step is small, not the change
        ((4.0, 1.0), (0.125, 0.05), 0.1),  # the change is small, not the step
    ],
    ids=["step", "change"],
)
def test_either_a_small_step_or_a_small_change_of_the_loss_is_the_last(
    curvature: Any, start: Any, tolerance: float
) -> None:
    a, theta = np.array(curvature), np.array(start)

    def evaluate(at: Any) -> Any:
        return float(at @ (a * at)) / 2, a * at

    def moved(steps: int) -> tuple[Any, Any]:
        return minimize(
            evaluate,
            theta,
            iterations=steps,
            evaluations=25 * steps,
            tolerance_change=tolerance,
        )

    found, state = moved(20)

    step, change = abs(found - theta).max(), evaluate(theta)[0] - evaluate(found)[0]
    assert state.t == 1
    assert (step <= tolerance) != (change < tolerance)
    assert abs(evaluate(found)[1]).max() > 1e-3  # so it is not the gradient


def test_the_width_of_an_interval_is_that_of_the_step_in_the_parameters() -> None:
    evaluate = evaluated(lambda at: 500 * (at**2).sum())

    found, _ = minimize(
        evaluate,
        np.array([0.1]),
        learning_rate=0.9,
        iterations=1,
        evaluations=20,
        tolerance_change=1e-2,
    )

    assert abs(found[0]) < 1e-6


def test_a_decrease_of_a_few_ten_thousandths_of_the_slope_is_enough() -> None:
    def phi(rate: float) -> Trial[Any]:
        return Trial(rate, -5e-4 * (rate > 0), -0.1 if rate else -1.0, np.zeros(1))

    assert line_search(phi, phi(0.0), 1.0)[1] == 1


def test_without_any_tolerance_it_ends_too() -> None:
    a, b = (Trial(2.0, 1.0, slope, np.zeros(1)) for slope in (-1.0, 1.0))

    assert cubic_minimum(a, b) == 2.0
    assert cubic_minimum(a, b, (2.0, 4.0)) == 3.0


@pytest.mark.parametrize("evaluations", [1.5, 0, -5])
def test_evaluations_that_are_none_are_refused(evaluations: Any) -> None:
    with pytest.raises(ValueError, match="evaluations must be an int of at least 1"):
        minimize(evaluated(rosenbrock), np.ones(2), evaluations=evaluations)


def test_it_is_done_where_the_gradient_is_zero_or_the_tolerance() -> None:
    calls: list[Any] = []

    def evaluate(theta: Any) -> Any:
        calls.append(theta)
        return theta @ theta / 2, theta

    for theta in (np.zeros(2), np.full(2, 1e-7)):
        found, state = minimize(evaluate, theta)

        assert found is theta
        assert state.t == 0
    assert len(calls) == 2


def test_where_the_first_gradient_is_zero_a_step_stays(
    array: Callable[[Any], Any],
) -> None:
    theta = array(np.ones(2))

    found, _ = update(theta, 0 * theta, init(theta))

    np.testing.assert_array_equal(np.asarray(found), 1)


def test_it_finds_the_minimum_of_scipy_in_about_as_many_evaluations() -> None:
    start, calls = np.array([-1.2, 1.0, -0.5, 0.8]), [0]

    def evaluate(theta: Any) -> Any:
        calls[0] += 1
        return float(optimize.rosen(theta)), optimize.rosen_der(theta)

    theirs = optimize.minimize(
        optimize.rosen, start, jac=optimize.rosen_der, method="L-BFGS-B"
    )
    ours, _ = minimize(
        evaluate, start, iterations=500, evaluations=1000, history_size=10
    )

    np.testing.assert_allclose(ours, theirs.x, atol=1e-4)
    assert theirs.nfev / 1.5 < calls[0] < theirs.nfev * 1.5


@pytest.mark.verifies("eq-bfgs")
def test_with_exact_searches_it_solves_a_quadratic_as_conjugate_gradients_do(
    rng: np.random.Generator,
) -> None:
    hessian, b = bowl(rng, 5), rng.normal(size=5)
    theta, H = np.zeros(5), np.eye(5)

    for _ in range(5):
        gradient = hessian @ theta - b
        d = -H @ gradient
        s = -(gradient @ d) / (d @ hessian @ d) * d
        H, theta = bfgs_update(H, s, hessian @ s), theta + s

    np.testing.assert_allclose(theta, np.linalg.solve(hessian, b), rtol=1e-7)


def test_a_batch_that_changes_between_two_gradients_hides_the_curvature(
    rng: np.random.Generator,
) -> None:
    step, noise = 0.01, 0.1 * rng.normal(size=(1000, 2))  # the curvature is 1
    changes = step + noise[:, 1] - noise[:, 0]
    s = y = np.empty((0, 1))

    for change in changes:
        s, y = remember(s, y, np.array([step]), np.array([change]), history_size=1000)

    kept = len(s) / 1000
    assert 0.5 < kept < 0.6  # the others seem to curve down
    assert np.median(y / s) > 5


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda at: update(at, at, init(at), learning_rate=-0.1),
            "learning_rate must be at least 0, got -0.1",
        ),
        (
            lambda at: update(at, at, init(at), history_size=0),
            "history_size must be an int of at least 1, got 0",
        ),
        (
            lambda at: minimize(lambda at: (0.0, at), at, learning_rate=0.0),
            "learning_rate must be positive",
        ),
        (
            lambda at: minimize(lambda at: (0.0, at), at, iterations=0),
            "iterations must be an int of at least 1, got 0",
        ),
        (
            lambda at: minimize(lambda at: (0.0, at), at, tolerance_change=-1.0),
            "tolerance_change must be at least 0, got -1.0",
        ),
    ],
)
def test_a_setting_out_of_range_is_refused(
    call: Callable[[Any], Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        call(np.ones(2))
