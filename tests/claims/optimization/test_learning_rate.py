"""The experiments on learning rates: each part small, each rule on made-up rows."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from dlnotes.claims import Row, Verdict
from dlnotes.claims.optimization import learning_rate as room
from dlnotes.claims.optimization.learning_rate import (
    Net,
    judge_extremes,
    judge_shape,
    on_a_quadratic,
    on_a_task,
    phases,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import Task, digits

HOLDS, CONDITIONAL, FAILS, _ = Verdict


@pytest.fixture
def task(rng: np.random.Generator) -> Task:
    """Give a hundred digits."""
    return digits(rng, train=100, test=10)


def test_a_net_has_batch_normalization_only_where_it_says_so(
    rng: np.random.Generator, task: Task
) -> None:
    kinds = [
        [type(each).__name__ for each in Net(batch_norm)(rng, task).children()]
        for batch_norm in (False, True)
    ]

    assert kinds[0] == ["Linear", "ReLU", "Linear"]
    assert kinds[1] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    first, *_, last = Net()(rng, task).children()
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    assert first.weight.var().item() == pytest.approx(2 / 64, rel=0.1)
    assert last.weight.shape == (10, 64)


@pytest.mark.parametrize("learning_rate", [1e-4, 0.01, 0.021])
def test_on_a_quadratic_each_direction_shrinks_by_its_own_factor(
    learning_rate: float,
) -> None:
    curvatures = np.geomspace(1, 100, 20)
    start = np.random.default_rng(3).normal(size=20)
    end = (1 - learning_rate * curvatures) ** 200 * start

    found = on_a_quadratic(learning_rate, 3)

    wanted = (curvatures @ end**2) / (curvatures @ start**2)
    assert found == pytest.approx(wanted, rel=1e-6)
    assert (found > 1) == (learning_rate > 2 / 100)
    assert on_a_quadratic(1e9, 3) == np.inf


def test_the_ratio_is_of_losses_over_all_rows_and_infinite_if_there_is_none(
    task: Task,
) -> None:
    trial = Trial("net", lambda _: task, Net(), 3, torch.optim.SGD, batch_size=50)
    X, y = task.train
    losses = []
    for epochs in (0, 3):
        _, model, order = trial.start(1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
        for _ in range(epochs):
            for batch in torch.split(torch.from_numpy(order.permutation(100)), 50):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(X[batch]), y[batch]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        losses.append(nn.functional.cross_entropy(model(X), y).item())

    assert on_a_task(trial, 0.3, 1) == pytest.approx(losses[1] / losses[0], rel=1e-5)
    assert on_a_task(trial, 1e30, 1) == np.inf


@pytest.mark.parametrize(
    ("quadratic", "digits", "verdict"),
    [
        ((0.95, 0.1, 9.0), (0.9, 0.1, 1.0), HOLDS),
        ((0.95, 0.1, 9.0), (0.9, 0.01, 0.9), CONDITIONAL),
        ((0.95, 0.09, 0.9), (0.9, 0.01, 0.9), CONDITIONAL),
        ((0.95, 0.1, 0.3), (0.9, 0.01, 9.0), Verdict.OPEN),
        ((0.8, 0.1, 9.0), (0.9, 0.1, 9.0), Verdict.OPEN),
        ((0.95, 0.1, 9.0), (0.9, 1.1, 1.0), FAILS),
        ((0.95, 0.1, 0.01), (0.9, 0.1, 9.0), FAILS),
    ],
)
def test_the_rule_about_rates_too_low_or_too_high(
    quadratic: Sequence[float], digits: Sequence[float], verdict: Verdict
) -> None:
    found = [
        Row(room.RATIO, rate, data, (mean - 0.005, mean + 0.005))
        for data, means in (("quadratic", quadratic), ("digits", digits))
        for rate, mean in zip(("0.1", "1", "10"), means, strict=True)
    ]

    ruling = judge_extremes(found)

    assert ruling.verdict is verdict
    if quadratic[-1] == 9.0 and digits[-1] == 0.9:
        assert ruling.condition.startswith("with divergence on quadratic; elsewhere")


class Still(torch.optim.SGD):
    """An optimizer that moves nothing."""

    def step(self, closure: object = None) -> None:  # type: ignore[override]
        """Take no step."""


def test_phases_are_quotients_of_one_curve(task: Task) -> None:
    trial = Trial("net", lambda _: task, Net(), 1, torch.optim.SGD, batch_size=50)

    found = phases(trial, 0)

    assert found.keys() == {room.FALL, room.RISE}
    assert 0.2 < found[room.FALL] < 0.8
    assert found[room.RISE] > 1.5
    still = phases(Trial("net", lambda _: task, Net(), 1, Still, batch_size=50), 0)
    assert still[room.FALL] > 0.8
    assert still[room.RISE] < 1.5


@pytest.mark.parametrize(
    ("fall", "rise", "good", "verdict"),
    [
        (0.8, 1.5, 57, HOLDS),
        (0.8, 1.5, 56, CONDITIONAL),
        (0.8, 1.5, 30, CONDITIONAL),
        (0.8, 1.5, 29, FAILS),
        (0.81, 1.5, 60, FAILS),
        (0.8, 1.49, 60, FAILS),
    ],
)
def test_the_rule_about_the_shape(
    fall: float, rise: float, good: int, verdict: Verdict
) -> None:
    falls = np.where(np.arange(60) < good, fall, 0.99).reshape(2, 6, 5)
    found = []
    for data, of_data in zip(("digits", "garments"), falls, strict=True):
        for k, values in enumerate(of_data):
            found.append(Row(room.FALL, f"net {k}", data, tuple(values)))
            found.append(Row(room.RISE, f"net {k}", data, (rise,) * 5))

    ruling = judge_shape(found)

    assert ruling.verdict is verdict
    shown = good if (fall, rise) == (0.8, 1.5) else 0
    assert f"in {shown} of 60 runs" in ruling.because
