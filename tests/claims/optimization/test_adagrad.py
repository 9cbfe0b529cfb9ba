"""The experiments on Adagrad: each part small, each rule on made-up rows."""

import numpy as np
import pytest
import torch
from tests.claims.made_up import far_apart, near

from dlnotes.claims import Row, Verdict
from dlnotes.claims.optimization import adagrad as room
from dlnotes.claims.optimization.adagrad import (
    behind,
    final_loss,
    judge_decay,
    judge_nonconvex,
    log_loss,
    low_loss,
    median_rate,
    through_shift,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import Task, digits

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


@pytest.fixture
def task(rng: np.random.Generator) -> Task:
    """Give a hundred digits."""
    return digits(rng, train=100, test=20)


# A rate that decays too much


@pytest.mark.parametrize("optimizer", [torch.optim.Adagrad, room.RMSPROP])
def test_the_median_rate_is_what_a_step_was_multiplied_by(
    optimizer: type[torch.optim.Optimizer], rng: np.random.Generator
) -> None:
    theta = torch.nn.Parameter(torch.zeros(5, dtype=torch.float64))
    gradient = torch.tensor(rng.uniform(1, 2, size=5))
    steps = optimizer([theta], lr=0.1)  # type: ignore[call-arg]
    for _ in range(3):
        before = theta.detach().clone()
        theta.grad = gradient
        steps.step()

    rates = (before - theta.detach()) / gradient

    assert median_rate(steps) == pytest.approx(rates.median().item())


def test_the_squares_are_forgotten_only_where_it_is_said(task: Task) -> None:
    trial = Trial(
        "Adagrad",
        lambda _: task,
        room.PERCEPTRON,
        60,
        torch.optim.Adagrad,
        batch_size=50,
    )

    found = through_shift(trial, 0.03, 0)

    assert found[room.FORGETTING] < found[room.EPOCHS] <= 30
    assert 0 < found[room.SHRINKAGE] < 1
    assert found[room.LOG_LOSS] < -1


def test_the_logarithm_is_that_of_the_mean_loss(task: Task) -> None:
    _, model, _ = Trial("", lambda _: task, room.PERCEPTRON, 1).run(0.01, 0)
    X, y = task.train

    with torch.no_grad():
        share = torch.softmax(model(X), 1)[range(len(y)), y]

    wanted = np.log(-share.log().mean().item())
    assert log_loss(model, task) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    ("shrinkage", "loss", "epochs", "verdict"),
    [
        (0.4, -2.0, 9.0, HOLDS),
        (0.6, -2.0, 9.0, CONDITIONAL),
        (0.4, -4.0, 9.0, CONDITIONAL),
        (0.4, -2.0, 3.0, OPEN),
        (0.4, -4.0, 3.0, FAILS),
    ],
)
def test_the_rule_about_a_rate_that_decays(
    shrinkage: float, loss: float, epochs: float, verdict: Verdict
) -> None:
    found = [
        Row(quantity, method, "digits", tuple(near(value)))
        for quantity, ours, theirs in (
            (room.SHRINKAGE, shrinkage, 3.0),
            (room.LOG_LOSS, loss, -3.0),
            (room.EPOCHS, epochs, 5.0),
            (room.FORGETTING, 3.0, 5.0),
        )
        for method, value in (("Adagrad", ours), ("RMSProp", theirs))
    ]

    assert judge_decay(found).verdict is verdict


# Problems that are not convex


def losses(convex: list[float], network: list[float]) -> list[Row]:
    """Write rows in which Adagrad is that far above Adam, and SGD behind both."""
    found = []
    for problem, values in (("softmax regression", convex), ("MLP", network)):
        for method, base in (("Adam", 0.0), ("RMSProp", 1.0), ("SGD", 9.0)):
            name = f"{method}, {problem}"
            found.append(Row(room.LOG_LOSS, name, "digits", (base,) * 5))
            found.append(Row("test score", name, "digits", (0.9,) * 5))
        name = f"Adagrad, {problem}"
        found.append(Row(room.LOG_LOSS, name, "digits", tuple(values)))
        found.append(Row("test score", name, "digits", (0.9,) * 5))
    return found


@pytest.mark.parametrize(
    ("convex", "network", "verdict"),
    [
        (near(0.0), near(1.0), HOLDS),
        (near(0.5), near(1.0), OPEN),
        (near(0.0), near(0.5), CONDITIONAL),
        (near(0.0), near(0.0), FAILS),
        (near(0.0), far_apart(0.5), OPEN),
    ],
)
def test_the_rule_about_problems_that_are_not_convex(
    convex: list[float], network: list[float], verdict: Verdict
) -> None:
    found = losses(convex, network)

    assert behind(found, "MLP")[0] == "Adam"
    assert judge_nonconvex(found).verdict is verdict


def test_a_rate_that_is_far_too_large_has_the_lowest_score(task: Task) -> None:
    trial = Trial(
        "SGD", lambda _: task, room.PERCEPTRON, 20, torch.optim.SGD, batch_size=50
    )

    scores = {rate: low_loss(trial, rate, 100) for rate in (0.1, 1e12)}

    assert scores[1e12] < scores[0.1]
    assert final_loss(trial, 0.1, 0)[room.LOG_LOSS] < np.log(2)
