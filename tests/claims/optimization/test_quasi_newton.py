"""The experiment on second-order methods: each part small, the rule on made-up rows.

What was really measured is on record, and `nox -s claims` measures it again.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime
from torch import nn

from dlnotes.claims import Row, Verdict
from dlnotes.claims.optimization import quasi_newton as room
from dlnotes.claims.optimization.quasi_newton import (
    CLASSIFIER,
    DIGITS,
    EVALUATIONS,
    HEAVY,
    LOSS,
    PLAIN,
    QUASI,
    SECONDS,
    VALLEY,
    classifier,
    descend,
    judge,
    network,
    take_step,
    train,
    valley,
)

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


@pytest.mark.parametrize("problem", [valley, classifier])
def test_derivatives_are_difference_quotients(
    problem: Callable[[], Any], rng: np.random.Generator
) -> None:
    loss, hessian, start, lowest = problem()
    theta = start + 0.3 * rng.normal(size=start.shape)

    def part(at: Any, k: int) -> Any:
        return loss(at)[k]

    value, gradient = loss(theta)

    wanted = approx_fprime(theta, part, 1e-7, 0)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-4)
    bends = approx_fprime(theta, part, 1e-7, 1)
    np.testing.assert_allclose(hessian(theta), bends, rtol=1e-4, atol=1e-4)
    assert value > lowest


def test_the_minimum_of_the_regression_is_one() -> None:
    loss, hessian, start, lowest = classifier()

    count, _ = descend("Newton", 1.0, loss, hessian, start, lowest)

    assert count < 20
    assert all(loss(start + step)[0] > lowest for step in np.eye(len(start)) * 0.1)


@pytest.mark.parametrize(
    ("method", "rate", "most"),
    [(PLAIN, 0.1, 200), (HEAVY, 0.05, 200), (QUASI, 1.0, 20), ("Newton", 1.0, 2)],
)
def test_each_method_comes_close_on_a_bowl_and_is_counted(
    method: str, rate: float, most: int
) -> None:
    curvature, calls = np.array([1.0, 10.0]), []

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        calls.append(curvature @ theta**2 / 2)
        return calls[-1], curvature * theta

    count, took = descend(
        method, rate, loss, lambda _: np.diag(curvature), np.ones(2), 0.0
    )

    assert count == len(calls) <= most
    assert calls[-1] < room.CLOSE <= min(calls[:-1])
    assert took >= 0


def test_what_diverges_has_all_of_the_budget() -> None:
    count, _ = descend(PLAIN, 1.0, *valley())

    assert count == room.BUDGET


@pytest.mark.filterwarnings("ignore:Converting a tensor")
def test_evaluations_are_counted() -> None:
    model, X, y, _ = network(0)
    plain = torch.optim.SGD(model.parameters(), lr=0.1)
    searched = torch.optim.LBFGS(
        model.parameters(), max_iter=1, max_eval=26, line_search_fn="strong_wolfe"
    )

    assert take_step(plain, model, X[:64], y[:64]) == 1
    assert take_step(searched, model, X[:64], y[:64]) >= 2


def test_seeds_share_weights_and_differ() -> None:
    first, again, other = (
        nn.utils.parameters_to_vector(network(seed)[0].parameters())
        for seed in (0, 0, 1)
    )

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_loss_that_is_no_number_counts_as_the_worst(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "EVALUATED", 10)

    assert train(PLAIN, 64, 1e30, 0)[LOSS] == room.WORST
    assert train(PLAIN, 64, 0.1, 0)[LOSS] < 3


@pytest.mark.parametrize(
    ("counts", "losses", "times", "verdict"),
    [
        ((10, 10), (0.1, 0.2), (2.0, 2.0, 2.0), HOLDS),
        ((10, 10), (0.2, 0.1), (2.0, 2.0, 2.0), CONDITIONAL),
        ((10, 10), (0.1, 0.1), (0.5, 0.5, 0.5), CONDITIONAL),
        ((10, 10), (0.1, 0.2), (2.0, 0.5, 2.0), OPEN),
        ((20, 10), (0.1, 0.2), (2.0, 2.0, 2.0), OPEN),
        ((30, 10), (0.1, 0.2), (2.0, 2.0, 2.0), FAILS),
        ((10, 30), (0.1, 0.2), (2.0, 2.0, 2.0), FAILS),
    ],
)
def test_the_rule(
    counts: Sequence[float],
    losses: Sequence[float],
    times: Sequence[float],
    verdict: Verdict,
) -> None:
    found = []
    for name, count in zip((VALLEY, CLASSIFIER), counts, strict=True):
        found += [Row(EVALUATIONS, QUASI, name, (count,))]
        found += [Row(EVALUATIONS, HEAVY, name, (20.0,))]
    for name, time in zip((VALLEY, CLASSIFIER, DIGITS), times, strict=True):
        found += [Row(SECONDS, QUASI, name, (time,)), Row(SECONDS, HEAVY, name, (1.0,))]
    for data in (DIGITS, f"{DIGITS}, all in a batch"):
        for method, loss in zip((QUASI, HEAVY), losses, strict=True):
            values = tuple(loss + 0.001 * k for k in (0, 1, 2))
            found += [Row(LOSS, method, data, values)]

    assert judge(found).verdict is verdict
