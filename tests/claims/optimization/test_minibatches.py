"""The experiments on mini-batches: each part small, each rule on made-up rows."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from dlnotes.claims import Row, Verdict
from dlnotes.claims.optimization.minibatches import (
    BATCH,
    COPIES,
    DIGITS,
    GROWTH,
    MEAN,
    PERCEPTRON,
    SGD,
    SIZES,
    SLOPE,
    SUM,
    TOLERANCES,
    gradients_of_instances,
    judge_cost,
    judge_noise,
    judge_speed,
    mean_gradient,
    mean_loss,
    needed,
    passes_needed,
    problem,
    slopes,
    step_times,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import digits
from dlnotes.networks.losses import cross_entropy, cross_entropy_gradient

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


def test_a_step_has_a_time_for_each_method() -> None:
    times = step_times(50, 0)

    assert [*times] == [SGD, BATCH]
    assert min(times.values()) > 0


def test_a_slope_is_that_of_a_power_law_from_ten_thousand_on() -> None:
    times = {(SGD, n): [3e-9 * n**0.7, 2e-9 * n**0.2] for n in SIZES}
    times[SGD, 1_000] = [1.0, 1.0]

    assert slopes(times, SGD, 2) == pytest.approx([0.7, 0.2])


@pytest.mark.parametrize(
    ("sgd", "batch", "verdict"),
    [
        (0.09, 0.9, HOLDS),
        (0.09, 0.7, OPEN),
        (0.1, 0.9, CONDITIONAL),
        (0.3, 0.9, FAILS),
    ],
)
def test_the_rule_about_the_time_of_a_step(
    sgd: float, batch: float, verdict: Verdict
) -> None:
    found = [
        Row(GROWTH, SGD, "", (0.0, sgd, 9.0)),
        Row(GROWTH, BATCH, "", (0.0, batch, 9.0)),
    ]

    assert judge_cost(found).verdict is verdict


def test_loss_and_gradient_are_those_of_the_book(rng: np.random.Generator) -> None:
    X, W = rng.normal(size=(6, 4)), rng.normal(size=(4, 3))
    labels = rng.integers(3, size=6)
    gradient = X.T @ cross_entropy_gradient(X @ W, labels) / 6

    assert mean_loss(W, X, labels) == pytest.approx(cross_entropy(X @ W, labels).mean())
    np.testing.assert_allclose(mean_gradient(W, X, labels), gradient, rtol=1e-12)


def test_the_excess_is_one_at_zero_weights_and_zero_at_the_minimum() -> None:
    task, W = problem(COPIES, 3), np.zeros((21, 2))
    excesses = [task.excess(W)]
    for _ in range(300):
        W = W - 2 * mean_gradient(W, task.X, task.labels)
        excesses.append(task.excess(W))

    assert excesses[0] == pytest.approx(1)
    assert min(excesses) == pytest.approx(excesses[-1], abs=1e-9)
    assert excesses[-1] == pytest.approx(0, abs=1e-4)


def test_passes_are_counted_until_the_loss_is_reached() -> None:
    task, W = problem(COPIES, 3), np.zeros((21, 2))
    steps = 0
    while task.excess(W) > 0.1:
        W = W - 10 * mean_gradient(W, task.X, task.labels)
        steps += 1

    found = passes_needed(COPIES, 0, 10.0, 3)

    assert found == {0.1: steps, 0.001: 10}
    assert passes_needed(COPIES, 32, 1.0, 3)[0.1] < steps
    assert {*passes_needed(COPIES, 0, 1e-9, 3).values()} == {10}


@pytest.mark.parametrize(
    ("sgd", "verdict"),
    [
        (((0.1, 0.1), (0.1, 0.1)), HOLDS),
        (((0.1, 0.1), (10.0, 10.0)), CONDITIONAL),
        (((0.1, 9.0), (9.0, 9.0)), CONDITIONAL),
        (((3.0, 3.0), (9.0, 9.0)), OPEN),
        (((10.0, 10.0), (0.1, 0.1)), FAILS),
    ],
)
def test_the_rule_about_how_soon_a_loss_is_reached(
    sgd: Sequence[Sequence[float]], verdict: Verdict
) -> None:
    found = []
    for tolerance, means in zip(TOLERANCES, sgd, strict=True):
        for data, mean in zip((COPIES, DIGITS), means, strict=True):
            quantity = needed(tolerance)
            found.append(Row(quantity, SGD, data, (mean, mean + 0.01, mean)))
            found.append(Row(quantity, BATCH, data, (10.0, 10.0, 10.0)))

    assert judge_speed(found).verdict is verdict


def test_gradients_of_instances_have_the_mean_of_the_batch() -> None:
    trial = Trial("network", digits, PERCEPTRON, epochs=0)
    task, model, _ = trial.start(1)
    X, y = task.train
    whole = torch.autograd.grad(task.loss(model(X), y), [*model.parameters()])

    each = gradients_of_instances(trial, 1)

    flat = torch.cat([part.flatten() for part in whole])
    np.testing.assert_allclose(each.mean(axis=0), flat, atol=1e-6)
    assert each.shape == (1000, 64 * 64 + 64 + 640 + 10)


@pytest.mark.parametrize(
    ("mean", "total", "verdict"),
    [
        (-1.0, -0.1, HOLDS),
        (-1.0, 1.0, CONDITIONAL),
        (-0.7, 1.0, OPEN),
        (-0.4, 1.0, FAILS),
    ],
)
def test_the_rule_about_the_variance(
    mean: float, total: float, verdict: Verdict
) -> None:
    found = [
        Row(SLOPE, MEAN, "digits", (mean - 0.05, mean + 0.05)),
        Row(SLOPE, SUM, "digits", (total - 0.05, total + 0.05)),
    ]

    assert judge_noise(found).verdict is verdict
