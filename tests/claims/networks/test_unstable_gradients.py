"""The experiments on unstable gradients: each part small, each rule on made-up rows."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from dlnotes.claims import Row, Verdict
from dlnotes.claims.networks import unstable_gradients as room
from dlnotes.claims.networks.unstable_gradients import (
    Stack,
    back_through,
    before_and_after,
    best_dose,
    delta_sizes,
    distance,
    gradient_sizes,
    judge_lower_layers,
    judge_regularization,
    judge_sigmoids,
    judge_small,
    outcome,
    through_sigmoids,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import Task, digits

HOLDS, CONDITIONAL, FAILS, _ = Verdict


@pytest.fixture
def task(rng: np.random.Generator) -> Task:
    """Give fifty digits."""
    return digits(rng, train=50, test=10)


# Networks that are trained


def test_a_stack_has_the_layers_the_variance_and_the_dropout_it_says(
    rng: np.random.Generator, task: Task
) -> None:
    model = Stack(nn.Tanh, 3.0, 5, dropout=0.3)(rng, task)

    kinds = [type(each).__name__ for each in model.children()]
    assert kinds == ["Linear", "Tanh", "Dropout"] * 5 + ["Linear"]
    (share,) = {each.p for each in model.modules() if isinstance(each, nn.Dropout)}
    assert share == 0.3
    drawn = torch.cat([each.flatten() for each in room.weights(model)])
    assert len(room.weights(model)) == 5
    assert drawn.var().item() == pytest.approx(3 / 64, rel=0.05)
    assert not any(each.any() for each in model.parameters() if each.ndim == 1)
    assert "Dropout" not in str(Stack(nn.Tanh, 1.0, 2)(rng, task))


def test_sizes_are_those_of_gradients_without_dropout_and_training_goes_on(
    rng: np.random.Generator, task: Task
) -> None:
    model = Stack(nn.Tanh, 1.0, 3, dropout=0.5)(rng, task)

    sizes = [f(model, task) for f in (gradient_sizes, delta_sizes) for _ in range(2)]

    assert sizes[0] == sizes[1]
    assert sizes[2] == sizes[3]
    assert model.training
    X, y = task.train
    kept: list[torch.Tensor] = []
    for each in model.eval().modules():
        if isinstance(each, nn.Linear):
            each.register_forward_hook(lambda *given: kept.append(given[-1]))
    loss = nn.functional.cross_entropy(model(X), y)
    gradients = torch.autograd.grad(loss, [*room.weights(model), *kept[:3]])
    wanted = [(each**2).mean().sqrt().item() for each in gradients]
    np.testing.assert_allclose(sizes[0] + sizes[2], wanted, rtol=1e-5)


def test_one_epoch_moves_the_last_layer_of_sigmoids_more_than_the_first(
    task: Task,
) -> None:
    trial = Trial(
        "sigmoid",
        lambda _: task,
        Stack(nn.Sigmoid, 1.0, 4),
        1,
        torch.optim.SGD,
        batch_size=25,
    )

    found = before_and_after(trial, 0)

    changes = [
        found[f"relative change of the {k} layer's weights"] for k in ("first", "last")
    ]
    assert 0 < changes[0] < changes[1] / 10
    assert found[f"{room.LAST_OVER_FIRST}, at the start"] > 1
    assert len(set(found.values())) == 4


@pytest.mark.parametrize(
    ("sigmoid", "others", "after", "verdict"),
    [
        (3.0, 2.0, 0.0, HOLDS),
        (3.0, 0.5, 0.0, CONDITIONAL),
        (3.0, 2.0, -1.5, CONDITIONAL),
        (0.5, 2.0, 0.0, FAILS),
        (3.0, 2.0, -2.5, FAILS),
    ],
)
def test_the_rule_about_lower_layers(
    sigmoid: float, others: float, after: float, verdict: Verdict
) -> None:
    means = {"sigmoid": sigmoid, "tanh": others, "ReLU": others}
    found = [
        Row(f"{room.LAST_OVER_FIRST}, {moment}", name, "", (mean - 0.01, mean + 0.01))
        for moment, change in zip(room.MOMENTS, (0.0, after), strict=True)
        for name, mean in ((name, mean + change) for name, mean in means.items())
    ]

    assert judge_lower_layers(found).verdict is verdict


# Sigmoids and their variance


@pytest.mark.parametrize(("draw", "units"), [*product(room.DRAWS, room.UNITS)])
def test_what_ten_layers_return_is_described_within_its_range(
    draw: str, units: str
) -> None:
    found = through_sigmoids(draw, units, 0)

    zero_mean = units != "sigmoid"
    assert abs(found["mean of layer 1"] - (0 if zero_mean else 0.5)) < 0.05
    whole = found["variance over rows and units of layer 10"]
    assert 0 < found["variance of layer 10"] <= whole <= (1 if zero_mean else 0.25)
    # with so small weights rows become alike, and units stay apart
    if draw != "N(0, 1)" and not zero_mean:
        assert found["variance of layer 10"] < 1e-10
        assert whole > 1e-3
    share = found["saturated share of layer 1"]
    # |z| > log 99 for a normal z with variance 100, or hardly ever with variance 1/3
    assert share == pytest.approx(0.646 if draw == "N(0, 1)" else 0, abs=0.02)


@pytest.mark.parametrize(
    ("last", "saturated", "zero_mean", "draws", "verdict"),
    [
        (0.2, 0.6, 0.4, room.DRAWS, HOLDS),
        (0.2, 0.6, 0.4, ["N(0, 1)"], CONDITIONAL),
        (0.05, 0.6, 0.4, room.DRAWS, FAILS),
        (0.2, 0.2, 0.1, room.DRAWS, FAILS),
        (0.2, 0.6, 0.7, room.DRAWS, FAILS),
    ],
)
def test_the_rule_about_the_variance_of_sigmoids(
    last: float,
    saturated: float,
    zero_mean: float,
    draws: Sequence[str],
    verdict: Verdict,
) -> None:
    found = []
    for draw in room.DRAWS:
        grows = last if draw in draws else 0.01
        for quantity, name, value in (
            ("variance of layer 1", "sigmoid", 0.1),
            ("variance of layer 10", "sigmoid", grows),
            ("saturated share of layer 1", "sigmoid", 0.3),
            ("saturated share of layer 1", "zero-mean sigmoid", 0.3),
            ("saturated share of layer 10", "sigmoid", saturated),
            ("saturated share of layer 10", "zero-mean sigmoid", zero_mean),
        ):
            found.append(Row(quantity, name, draw, (value - 0.01, value, value + 0.01)))

    assert judge_sigmoids(found).verdict is verdict


# Small weights


@pytest.mark.parametrize(("name", "kept"), [("tanh", 1.0), ("ReLU", 0.5)])
@pytest.mark.parametrize("width", [20, 100])
def test_tiny_weights_shrink_a_gradient_by_a_known_factor(
    name: str, kept: float, width: int
) -> None:
    got = back_through(name, width, 0)

    want = 20 * np.log10(0.001 * (width * kept) ** 0.5)
    assert got[0.001] == pytest.approx(want, abs=1)
    assert got[0.003] - got[0.001] == pytest.approx(20 * np.log10(3), abs=0.1)
    assert [*got] == [*room.SCALES]


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, HOLDS),
        ({(100, 0.01): -3.0}, CONDITIONAL),
        ({(500, 0.1): 3.0}, CONDITIONAL),
        ({(100, 0.1): 3.0}, FAILS),
        ({(500, 0.03): 3.0}, FAILS),
        ({(500, 0.03): 3.0, (100, 0.001): -3.0}, FAILS),
    ],
)
@pytest.mark.parametrize("name", [*room.SLOPES])
def test_the_rule_about_small_weights(
    changed: dict[tuple[int, float], float], verdict: Verdict, name: str
) -> None:
    found = []
    for width, each, scale in product(room.WIDTHS, room.SLOPES, room.SCALES):
        mean = changed.get((width, scale), 0.0) if each == name else 0.0
        mean = 5.0 if scale > 0.1 else mean
        data, values = room.stacked(each, width), (mean - 0.01, mean + 0.01)
        found.append(Row(room.CHANGE, f"s = {scale:g}", data, values))

    assert judge_small(found).verdict is verdict


# Regularization


def test_what_comes_of_training_is_two_distances_and_an_accuracy(task: Task) -> None:
    build = Stack(nn.Sigmoid, 1.0, 4)
    trial = Trial("", lambda _: task, build, 1, torch.optim.SGD, batch_size=25)

    found = outcome(trial, 0.1, 0)

    _, model, _ = trial.run(0.1, 0)
    X, y = task.train
    right = (model(X).argmax(dim=1) == y).double().mean().item()
    assert found[room.LEARNED] == pytest.approx(right)
    assert found[room.DISTANCE] == pytest.approx(distance(delta_sizes(model, task)))
    assert found[room.DISTANCE_OF_WEIGHTS] > 1
    assert distance([1e-3, 7.0, 1.0]) == distance([1.0, 7.0, 1e-3]) == 3


def test_the_dose_lowers_the_distance_most_of_those_that_let_a_network_learn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = {0.0: (5.0, 0.8), 0.001: (4.0, 0.9), 0.01: (3.0, 0.73), 0.03: (2.0, 0.7)}

    def given(trial: Trial, *_: float, tuning: bool) -> dict[str, float]:
        assert tuning
        decay = trial.optimizer.keywords["weight_decay"]  # type: ignore[attr-defined]  # a partial
        apart, learned = made.get(decay, (1.0, 0.1))
        return {room.DISTANCE: apart, room.LEARNED: learned}

    monkeypatch.setattr(room, "outcome", given)

    assert best_dose("weight decay", 0.8, 0.01) == {"decay": 0.01}


@pytest.mark.parametrize(
    ("better", "verdict"),
    [
        ([*product((0.8, 2.0), room.DOSES)], HOLDS),
        ([(0.8, "weight decay"), (0.8, "dropout"), (2.0, "dropout")], CONDITIONAL),
        ([(2.0, "dropout")], CONDITIONAL),
        ([], FAILS),
    ],
)
def test_the_rule_about_regularization(
    better: Sequence[tuple[float, str]], verdict: Verdict
) -> None:
    found = []
    for scale, name in product((0.8, 2.0), ("none", *room.DOSES)):
        mean, data = 1.0 if (scale, name) in better else 2.0, f"s = {scale:g}"
        found.append(Row(room.DISTANCE, name, data, (mean, mean + 0.01)))
        found.append(Row(room.LEARNED, name, data, (0.9, 0.9)))
        found += [Row("dose", name, data, (0.1,))] * (name != "none")

    assert judge_regularization(found).verdict is verdict
