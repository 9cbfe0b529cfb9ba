"""The experiments on initial biases: each part small, each rule on made-up rows."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.claims.made_up import far_apart, near

from dlnotes.claims import Row, Verdict
from dlnotes.claims.evidence import rows
from dlnotes.claims.training import bias_initialization as room
from dlnotes.claims.training.bias_initialization import (
    Biased,
    at_start,
    judge_positive,
    judge_zero,
    layers,
    validation_accuracy,
)
from dlnotes.lab.tasks import digits

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


def test_networks_of_a_seed_differ_in_their_hidden_biases_only() -> None:
    task = digits(np.random.default_rng(0))
    networks = {
        bias: Biased("ReLU", (64, 16), bias)(np.random.default_rng(0), task)
        for bias in (0.0, 0.5, None)
    }

    for bias, network in networks.items():
        for name, value in network.named_parameters():
            zero = networks[0.0].get_parameter(name)
            if "hidden" not in name or "weight" in name:
                assert torch.equal(value, zero)
            elif bias is None:
                assert 0.8 / 8 < value.abs().max() <= 1 / 8
                assert len(set(value.tolist())) > 10
            else:
                assert (value == bias).all()


def test_all_begin_with_the_same_rows_and_batches() -> None:
    trials = [Biased("tanh", (8,), bias).trial("one") for bias in (0.0, None)]

    (task, _, order), (other, _, same) = (each.start(3) for each in trials)

    assert torch.equal(task.train[0], other.train[0])
    assert len(task.train[0]) == 1000
    assert len(task.test[0]) == 500
    assert order.random() == same.random()


def test_what_is_inactive_and_dead_is_counted_layer_by_layer() -> None:
    trial = Biased("ReLU", (5, 7), -0.5).trial("one")
    task, model, _ = trial.start(1)
    X = task.train[0].numpy()
    inactive, dead = [], []
    for name in ("hidden.0", "hidden.1"):
        W, b = (
            model.get_parameter(f"{name}.{each}").detach().numpy()
            for each in ("weight", "bias")
        )
        Z = X @ W.T + b
        inactive.append((Z <= 0).mean())
        dead.append((Z.max(axis=0) <= 0).mean())
        X = np.maximum(Z, 0)

    found = at_start(trial, 1)

    assert found[room.INACTIVE] == pytest.approx(100 * np.mean(inactive), abs=0.1)
    assert found[room.DEAD] == pytest.approx(100 * np.mean(dead))
    assert 50 < found[room.INACTIVE] < 100


def test_training_is_judged_in_percent_of_the_test_rows() -> None:
    trial = replace(Biased("ReLU", (16,), 0.0).trial("one"), epochs=3)

    assert 80 < room.test_accuracy(trial, 0.1, 0)[room.TEST] <= 100
    assert 0.8 < validation_accuracy(trial, 0.1, 0) <= 1


def zero_rows(changed: Mapping[str, list[float]]) -> list[Row]:
    """Make accuracies of 95 percent, but for some of them."""
    usual = {
        f"{units}, {name}": near(95) for units in room.UNITS for name in room.STARTS
    }
    return rows(room.TEST, usual | dict(changed), "digits")


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, HOLDS),
        ({"ReLU, 0": near(95.9)}, HOLDS),
        ({"tanh, uniform": near(97)}, FAILS),
        ({"tanh, uniform": near(93)}, CONDITIONAL),
        ({"tanh, 0.1": far_apart(95)}, CONDITIONAL),
        ({"ReLU, 0": near(98)}, CONDITIONAL),
        ({"ReLU, 0": near(98), "tanh, 0.1": near(93)}, OPEN),
        ({"ReLU, 0": near(93)}, FAILS),
    ],
)
def test_the_rule_about_zero_biases(
    changed: dict[str, list[float]], verdict: Verdict
) -> None:
    assert judge_zero(zero_rows(changed)).verdict is verdict


def positive_rows(
    inactive: Mapping[str, float], right: Mapping[str, list[float]]
) -> list[Row]:
    """Make half of the pairs inactive and 95 percent right, but for some."""
    names = [
        f"{bias}, {layers(depth)}"
        for bias in ("0", *room.SMALL, room.LARGE)
        for depth in room.DEPTHS
    ]
    shares = {name: near(inactive.get(name, 50)) for name in names}
    scores = {name: right.get(name, near(95)) for name in names}
    return [*rows(room.INACTIVE, shares), *rows(room.TEST, scores, "digits")]


@pytest.mark.parametrize(
    ("inactive", "right", "verdict"),
    [
        ([], [], FAILS),
        ([], ["0.1, 2 layers", "0.1, 5 layers"], FAILS),
        (["1, 2 layers", "1, 5 layers"], ["1, 2 layers", "1, 5 layers"], FAILS),
        (["0.1, 10 layers"], [], CONDITIONAL),
        (["0.1, 10 layers"], ["0.1, 10 layers"], CONDITIONAL),
        (["0.1, 2 layers", "0.1, 5 layers"], ["0.1, 2 layers"], CONDITIONAL),
        (
            ["0.1, 2 layers", "0.01, 5 layers"],
            ["0.1, 2 layers", "0.01, 5 layers"],
            CONDITIONAL,
        ),
        (
            ["0.1, 2 layers", "0.1, 5 layers"],
            ["0.1, 2 layers", "0.1, 5 layers"],
            HOLDS,
        ),
    ],
)
def test_the_rule_about_a_positive_bias(
    inactive: list[str], right: list[str], verdict: Verdict
) -> None:
    shares, scores = dict.fromkeys(inactive, 44.0), dict.fromkeys(right, near(96))

    assert judge_positive(positive_rows(shares, scores)).verdict is verdict


def test_five_points_are_asked_for_and_an_interval() -> None:
    both = ["0.1, 2 layers", "0.1, 5 layers"]
    higher = dict.fromkeys(both, near(96))

    little = positive_rows(dict.fromkeys(both, 45.5), higher)
    unsure = positive_rows(
        dict.fromkeys(both, 40.0), dict.fromkeys(both, far_apart(96))
    )

    assert judge_positive(little).verdict is FAILS
    assert judge_positive(unsure).verdict is CONDITIONAL
