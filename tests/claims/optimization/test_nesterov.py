"""The experiment on Nesterov momentum: its parts, and its rule on made-up rows."""

from collections.abc import Sequence

import numpy as np
import pytest
from tests.claims.made_up import near

from dlnotes.claims import Row, Verdict
from dlnotes.claims.optimization import nesterov as room
from dlnotes.claims.optimization.nesterov import (
    fewest_steps,
    heavy_ball,
    judge,
    overshoot,
)
from dlnotes.optimization.nesterov import look_ahead_update

HOLDS, CONDITIONAL, FAILS, _ = Verdict


def test_momentum_s_step_with_the_last_step_as_its_state() -> None:
    theta, u = heavy_ball(
        np.array([4.0]), np.array([-4.0]), lambda x: x, learning_rate=0.5, mu=0.5
    )

    assert (theta[0], u[0]) == pytest.approx((0, -4))


@pytest.mark.parametrize(
    ("step", "lowest"), [(heavy_ball, -0.25), (look_ahead_update, -0.07)]
)
def test_overshoot_is_how_far_below_the_minimum_it_comes(
    step: object, lowest: float
) -> None:
    x = [1.0, 1.0]
    for _ in range(60):
        ahead = x[-1] + 0.9 * (x[-1] - x[-2])
        seen = ahead if step is look_ahead_update else x[-1]
        x.append(ahead - 0.1 * seen)

    assert overshoot(step, 0.9) == pytest.approx(-min(x))  # type: ignore[arg-type]
    assert min(x) < lowest


def test_the_fewest_steps_are_at_most_those_in_closed_form() -> None:
    root = np.sqrt(10)
    theta = before = np.full(20, 20**-0.5)
    curvature, steps = np.geomspace(1, 10, 20), 0
    while np.linalg.norm(theta) >= 1e-6:
        left = ((root - 1) / (root + 1)) ** 2 * (theta - before)
        before, theta = theta, theta + left - 4 / (1 + root) ** 2 * curvature * theta
        steps += 1

    assert 0.8 * steps < fewest_steps(heavy_ball, 10) <= steps


@pytest.mark.parametrize(
    ("over", "steps", "epochs", "verdict"),
    [
        ([0.3, 0.5], 20, 5.0, HOLDS),
        ([0.3, 0.5], 40, 5.0, CONDITIONAL),
        ([0.3, 0.5], 20, 9.0, CONDITIONAL),
        ([0.7, 0.95], 20, 5.0, FAILS),
    ],
)
def test_the_rule(
    over: Sequence[float], steps: int, epochs: float, verdict: Verdict
) -> None:
    found = []
    swings = zip(room.COEFFICIENTS, (0.0, 0.6, 0.9), (0.5, *over), strict=True)
    for mu, theirs, ours in swings:
        found.append(Row(room.OVERSHOOT, "momentum", f"mu = {mu:g}", (theirs,)))
        found.append(Row(room.OVERSHOOT, "Nesterov", f"mu = {mu:g}", (ours,)))
    for kappa in room.KAPPAS:
        data = f"condition number {kappa}"
        found.append(Row(room.STEPS, "momentum", data, (30.0,)))
        found.append(Row(room.STEPS, "Nesterov", data, (float(steps),)))
    found.append(Row("epochs", "momentum", "digits", tuple(near(7.0))))
    found.append(Row("epochs", "Nesterov", "digits", tuple(near(epochs))))

    assert judge(found).verdict is verdict
