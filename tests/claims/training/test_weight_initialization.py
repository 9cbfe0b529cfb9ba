"""The experiments on initial weights: each part small, each rule on made-up rows."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from tests.claims.made_up import far_apart, near
from torch import nn

from dlnotes.claims import Row, Verdict
from dlnotes.claims.evidence import rows
from dlnotes.claims.training import weight_initialization as room
from dlnotes.claims.training.weight_initialization import (
    OneHidden,
    TanhStack,
    constant,
    deepest,
    directions,
    epochs_to_95,
    first_over_last,
    from_balance,
    judge_glorot,
    judge_identical,
    judge_random,
    judge_relu,
    judge_small,
    logistic_accuracy,
    normal,
    orthogonal,
    tuning_score,
    units_after_training,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import digits
from dlnotes.training.weight_initialization import glorot_normal, he_normal

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


# Symmetry


def test_orthogonal_weights_and_directions_are_what_they_say(
    rng: np.random.Generator,
) -> None:
    for shape in ((2, 5), (5, 2)):
        W = orthogonal(rng, shape)
        product = W @ W.T if shape[0] < shape[1] else W.T @ W
        np.testing.assert_allclose(product, np.eye(2), atol=1e-12)
    W = directions(rng, (2, 16))
    assert len(np.unique(W.round(6), axis=1).T) == 16
    np.testing.assert_array_equal(W, directions(np.random.default_rng(5), (2, 16)))


def test_a_unit_is_its_weights_in_its_bias_and_its_weight_out(
    rng: np.random.Generator,
) -> None:
    model = OneHidden(rng, normal(1.0), 3)
    model.first.bias.data = torch.tensor([7.0, 8.0, 9.0]).double()

    units = model.units()

    assert units.shape == (3, 4)
    assert units[:, 2].tolist() == [7.0, 8.0, 9.0]
    X = torch.tensor([[0.3, -2.0]]).double()
    Z = X @ units[:, :2].T + units[:, 2]
    assert model(X).item() == pytest.approx((torch.tanh(Z) @ units[:, 3]).item())


@pytest.mark.parametrize("descent", room.DESCENTS)
def test_equal_units_stay_so_and_different_ones_do_not(
    descent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = room.train_on_all
    monkeypatch.setattr(
        room, "train_on_all", lambda task, model, how, _: train(task, model, how, 5)
    )

    equal, other = (
        units_after_training(each, descent, 0) for each in (constant(0.5), normal(1.0))
    )

    assert equal[room.APART] < 1e-10
    assert equal[room.MOVED] > 1e-3
    assert other[room.APART] > 0.1


@pytest.mark.parametrize(
    ("apart", "verdict"),
    [
        ({}, HOLDS),
        ({"all 0": 1e-8}, CONDITIONAL),
        ({"all 0.5": 1e-3}, CONDITIONAL),
        ({"all 0": 1e-3, "all 0.5": 1e-3}, FAILS),
        ({"all 0": 1e-8, "all 0.5": 1e-8}, OPEN),
        ({"Glorot": 1e-4}, OPEN),
    ],
)
@pytest.mark.parametrize("one", room.DESCENTS)
def test_the_rule_about_equal_weights(
    apart: dict[str, float], verdict: Verdict, one: str
) -> None:
    found: list[Row] = []
    for descent in room.DESCENTS:
        usual = {"all 0": 0.0, "all 0.5": 1e-12, "Glorot": 3.0}
        each = usual | (apart if descent == one else {})
        scores = {name: [usual[name], value] for name, value in each.items()}
        found += rows(room.APART, scores, descent)
        found += rows(room.MOVED, {name: [1.0] for name in each}, descent)

    assert judge_identical(found).verdict is verdict


def test_the_rows_of_a_seed_are_those_of_logistic_regression() -> None:
    task, _ = room.on_moons(normal(1.0), 2, 3)
    again = room.on_moons(constant(0.5), 2, 3)[0]

    assert torch.equal(task.train[0], again.train[0])
    assert 75 < logistic_accuracy(3) < 95


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, HOLDS),
        ({"He": near(87.5)}, CONDITIONAL),
        ({"He": far_apart(99)}, CONDITIONAL),
        ({room.LOGISTIC: near(80)}, CONDITIONAL),
        ({name: near(87.0) for name in room.SCHEMES}, FAILS),
    ],
)
def test_the_rule_about_random_weights(
    changed: Mapping[str, list[float]], verdict: Verdict
) -> None:
    equal = {name: near(87.6) for name in (*room.OTHERS, room.LOGISTIC)}
    scores = {name: near(99.0) for name in room.SCHEMES} | equal | {**changed}

    assert judge_random(rows(room.TEST, scores)).verdict is verdict


# Deep networks


@pytest.fixture
def trial(rng: np.random.Generator) -> Trial:
    """Give two epochs on a hundred digits, with Glorot's weights."""
    task = digits(rng, train=100, test=50)
    return Trial(
        "Glorot",
        lambda _: task,
        TanhStack(room.scaled(glorot_normal)),
        2,
        partial(torch.optim.SGD),
        batch_size=50,
    )


def test_the_ratio_is_that_of_gradients_of_layers_outputs(
    rng: np.random.Generator, trial: Trial
) -> None:
    task = trial.make(rng)
    model = TanhStack(room.scaled(glorot_normal))(rng, task)
    kept: list[torch.Tensor] = []
    for each in model.modules():
        if isinstance(each, nn.Tanh):
            each.register_forward_hook(lambda *given: kept.append(given[-1]))

    got = first_over_last(model, task)

    kept.clear()
    loss = nn.functional.cross_entropy(model(task.train[0]), task.train[1])
    first, last = torch.autograd.grad(loss, [kept[0], kept[9]])
    assert len(kept) == 10
    assert got == pytest.approx((first.norm() / last.norm()).item(), rel=1e-4)
    std = model[4].weight.std().item()  # type: ignore[operator]  # of a layer
    assert std == pytest.approx(1 / 8, rel=0.05)


def test_training_ends_when_95_percent_are_right_and_is_worst_if_it_diverges(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = iter([0.5, 0.96, 0.96, 0.2, 0.3, 0.4])
    monkeypatch.setattr(room, "accuracy", lambda *_: next(shares))

    early, never = (epochs_to_95(trial, 0.01, 0) for _ in range(2))

    assert (early[room.NEEDED], early["accuracy"]) == (2, 0.96)
    assert (never[room.NEEDED], never["accuracy"]) == (2, 0.4)

    def diverge(*_: Any) -> None:
        raise FloatingPointError

    monkeypatch.setattr(Trial, "train", diverge)
    assert tuning_score(trial, 0.01, 0) == -2


@pytest.mark.parametrize(
    ("needed", "ratio", "verdict"),
    [
        ({}, 0.5, HOLDS),
        ({}, 0.3, CONDITIONAL),
        ({}, 3.5, CONDITIONAL),
        ({"N(0, 1)": near(12)}, 0.5, CONDITIONAL),
        ({name: near(11) for name in room.UNSCALED}, 0.5, FAILS),
        ({name: far_apart(13) for name in room.UNSCALED}, 0.5, OPEN),
    ],
)
def test_the_rule_about_glorots_scaling(
    needed: Mapping[str, list[float]], ratio: float, verdict: Verdict
) -> None:
    scores = {"N(0, 1)": near(40), "N(0, 0.01^2)": near(40), "Glorot": near(12)}
    found = rows(room.NEEDED, scores | {**needed})
    found += rows(room.RATIO, {"Glorot": [ratio / 2, ratio * 2]})

    assert judge_glorot(found).verdict is verdict


# The size of a weight


def test_the_deepest_layer_is_drawn_last_and_has_the_size_of_its_width() -> None:
    shallow, deep = (deepest(he_normal, 200, depth, 0) for depth in (1, 3))

    assert shallow != deep
    assert deep == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [([1.0, 0.96], FAILS), ([0.8, 0.5], HOLDS), ([1.0, 0.9], OPEN)],
)
def test_the_rule_about_small_weights(ratios: list[float], verdict: Verdict) -> None:
    found = [Row(room.DEEPER, "He", f"{k}", (r,)) for k, r in enumerate(ratios)]
    found += rows(room.WIDER, {"He": [0.2]})

    assert judge_small(found).verdict is verdict


# Glorot with ReLU


def test_glorot_is_as_far_from_balance_as_half_a_factor_a_layer_says() -> None:
    apart = {depth: from_balance(depth, 0) for depth in (10, 20)}

    for depth, found in apart.items():
        layers = depth - 1
        lost = {"Glorot": 0.5, "N(0, 1)": 32, "N(0, 0.01^2)": 0.0032, "He": 1}
        for name, factor in lost.items():
            want = abs(layers * np.log10(factor) / 2)
            assert found[name] == pytest.approx(want, abs=0.6)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, HOLDS),
        ({"Glorot": near(1.5)}, CONDITIONAL),
        ({"N(0, 1)": near(0.5)}, FAILS),
        ({"N(0, 0.01^2)": far_apart(2.0)}, OPEN),
    ],
)
@pytest.mark.parametrize("one", room.DEPTHS)
def test_the_rule_about_glorot_with_relu(
    changed: Mapping[str, list[float]], verdict: Verdict, one: int
) -> None:
    found: list[Row] = []
    for depth in room.DEPTHS:
        scores = {name: near(5.0) for name in room.UNSCALED}
        scores |= {"Glorot": near(0.7), "He": near(0.1)}
        found += rows(
            room.DISTANCE,
            scores | ({**changed} if depth == one else {}),
            room.layered(depth),
        )

    assert judge_relu(found).verdict is verdict
