"""The experiments on activations: each part at a small size, each rule on made-up rows.

What was really measured is on record, and `nox -s claims` measures it again.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from tests.claims.made_up import far_apart, near
from torch import nn

from dlnotes.claims import EXPERIMENTS, Row, Verdict
from dlnotes.claims.evidence import by_method, rows
from dlnotes.claims.networks.activations import (
    SCALE,
    Squashed,
    collapsed,
    double_moons,
    follow,
    judge_linear,
    judge_scaled,
    judge_steps,
    judge_zero_mean,
    linear_stack,
    logistic_accuracy,
    step,
    variance,
    yes_or_no,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import digits

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict
SEEDS = 5


# Steps


def test_a_step_is_0_or_1_and_its_gradient_is_there_and_zero() -> None:
    z = torch.tensor([-2.0, 0.1], requires_grad=True)

    step(z).sum().backward()  # type: ignore[no-untyped-call]

    assert step(z).tolist() == [0, 1]
    assert z.grad is not None
    assert z.grad.tolist() == [0, 0]


def test_gradients_and_moves_are_told_by_layer() -> None:
    build = Squashed.builder(step, torch.sigmoid)
    trial = Trial("mixed", yes_or_no, build, epochs=300, batch_size=200)

    mixed = follow(trial, 0.05, 0)

    assert mixed["largest hidden gradient"] == mixed["largest hidden move"] == 0
    assert mixed["largest gradient"] > 0
    assert mixed["largest move"] > 1
    assert 0 < mixed["last loss over first"] < 0.5
    assert 0.7 < mixed["training accuracy"] < 1


QUANTITIES = (
    *("largest gradient", "largest hidden gradient"),
    *("largest move", "largest hidden move"),
    *("last loss over first", "training accuracy"),
)
STILL = dict(zip(QUANTITIES, (0, 0, 0, 0, 1, 0.5), strict=True))
LEARNS = dict(zip(QUANTITIES, (0.1, 0, 1, 0, 0.3, 0.8), strict=True))
GOOD = dict(zip(QUANTITIES, (1, 1, 1, 1, 0.1, 0.9), strict=True))


@pytest.mark.parametrize(
    ("steps", "mixed", "sigmoids", "verdict"),
    [
        (STILL, STILL, GOOD, HOLDS),
        (STILL, STILL, GOOD | {"training accuracy": 0.84}, OPEN),
        (STILL, LEARNS, GOOD, CONDITIONAL),
        (STILL, LEARNS | {"last loss over first": 0.91}, GOOD, OPEN),
        (STILL, LEARNS | {"largest hidden gradient": 1e-9}, GOOD, FAILS),
        (STILL, LEARNS | {"largest hidden move": 1e-9}, GOOD, OPEN),
        (LEARNS | {"largest hidden gradient": 1e-9}, LEARNS, GOOD, FAILS),
        (STILL | {"largest gradient": 1e-9}, LEARNS, GOOD, OPEN),
    ],
)
def test_the_rule_about_steps(
    steps: dict[str, float],
    mixed: dict[str, float],
    sigmoids: dict[str, float],
    verdict: Verdict,
) -> None:
    usual = STILL if mixed is STILL else LEARNS
    runs = {
        "steps": (STILL, steps),
        "steps below a sigmoid": (usual, mixed),
        "sigmoids": (GOOD, sigmoids),
    }
    found = [
        Row(quantity, name, "moons", (first[quantity], second[quantity]))
        for name, (first, second) in runs.items()
        for quantity in QUANTITIES
    ]

    assert judge_steps(found).verdict is verdict


# Epochs


@pytest.mark.parametrize(
    ("tanh", "less_a_half", "of_2z", "shifted", "verdict"),
    [
        (near(10), near(21), near(19), near(15), HOLDS),
        (near(10), near(21), near(40), near(15), HOLDS),
        (near(10), near(40), near(19), near(15), CONDITIONAL),
        (near(10), far_apart(38), near(19), near(15), CONDITIONAL),
        (near(10), near(21), near(15), near(15), CONDITIONAL),
        (near(10), near(40), near(15), near(15), FAILS),
        (near(50), near(21), near(19), near(15), FAILS),
        (far_apart(38), near(21), near(19), near(15), FAILS),
    ],
)
def test_the_rule_about_a_mean_of_zero(
    tanh: list[float],
    less_a_half: list[float],
    of_2z: list[float],
    shifted: list[float],
    verdict: Verdict,
) -> None:
    epochs = {
        "sigmoid": near(40),
        "tanh": tanh,
        "sigmoid less a half": less_a_half,
        "sigmoid of 2z": of_2z,
        "shifted sigmoid": shifted,
    }

    scales = {name: [1 + len(name)] for name in epochs}
    found = rows("epochs", epochs, "digits") + rows(SCALE, scales, "digits")

    ruling = judge_zero_mean(found)

    assert ruling.verdict is verdict
    assert "8 for sigmoid, 5 for tanh, 20 for sigmoid less" in ruling.because
    if verdict is CONDITIONAL:
        slope = "1/4" if less_a_half == near(21) else "1/2"
        assert slope in ruling.condition


@pytest.mark.parametrize(
    ("scaled", "verdict"),
    [
        (near(5), HOLDS),
        (near(10), CONDITIONAL),
        (near(20), CONDITIONAL),
        (near(40), FAILS),
        (far_apart(38), FAILS),
    ],
)
def test_the_rule_about_the_scaled_tanh(scaled: list[float], verdict: Verdict) -> None:
    epochs = {"sigmoid": near(40), "tanh": near(10), "scaled tanh": scaled}

    assert judge_scaled(rows("epochs", epochs, "digits")).verdict is verdict


@pytest.mark.parametrize("activation", [torch.tanh, torch.sigmoid, torch.exp])
def test_the_variance_is_that_of_an_integral(
    activation: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    def moment(power: int) -> float:
        def integrand(z: float) -> float:
            return activation(torch.tensor(z)).item() ** power * float(norm.pdf(z))

        return float(quad(integrand, -12, 12)[0])

    assert variance(activation) == pytest.approx(moment(2) - moment(1) ** 2, rel=1e-5)


# Linear


@pytest.mark.parametrize("depth", [1, 5])
def test_a_stack_of_layers_collapses_whatever_it_has_learned(depth: int) -> None:
    trial = Trial("linear", double_moons, linear_stack(depth), epochs=50)
    _, model, _ = trial.start(0)

    measured = collapsed(trial, 0.01, 0)

    assert sum(isinstance(each, nn.Linear) for each in model.modules()) == depth
    assert measured["largest change of an output"] < 1e-12
    assert 0.7 < measured["training accuracy"] < 0.95


def test_logistic_regression_sees_the_points_of_the_seed() -> None:
    assert 0.8 < logistic_accuracy(0) < 0.95
    assert logistic_accuracy(0) != logistic_accuracy(1)


@pytest.mark.parametrize(
    ("change", "right", "verdict"),
    [
        (1e-15, 0.87, HOLDS),
        (1e-15, 0.875, HOLDS),
        (1e-15, 0.89, FAILS),
        (1e-10, 0.87, FAILS),
    ],
)
def test_the_rule_about_linear_stacks(
    change: float, right: float, verdict: Verdict
) -> None:
    changes = {"1 layer": [0.0] * SEEDS, "2 layers": [1e-16] * 4 + [change]}
    accuracy = {"1 layer": near(0.87), "2 layers": near(right)}
    accuracy["logistic regression"] = near(0.87)
    found = rows("largest change of an output", changes, "moons")
    found += rows("training accuracy", accuracy, "moons")

    assert judge_linear(found).verdict is verdict


# The experiments put together, with made-up measurements


def test_the_scaled_tanh_is_compared_with_all_that_its_rule_names(
    compared: list[Trial],
) -> None:
    finding = EXPERIMENTS["claim-scaled-tanh"].measure(range(5))

    pairs = {(row.method, row.data) for row in finding.measured if row.data}
    assert len(compared) == len(pairs) == 3
    assert not finding.remark


def test_each_kind_begins_from_the_start_and_at_the_rate_that_are_best_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    best = {"sigmoid": (4, 3), "tanh": (1, 0.3), "shifted sigmoid": (2, 1)}
    tuned: set[tuple[str, float, float]] = set()

    def scale_of(trial: Trial) -> float:
        rng = np.random.default_rng(0)
        W = next(trial.build(rng, digits(rng)).parameters())
        return 2 ** round(np.log2(W.std().item() * 64**0.5))

    def epochs(
        trial: Trial, learning_rate: float, seed: int, *, tuning: bool = False
    ) -> dict[str, float]:
        scale = scale_of(trial)
        wanted = best.get(trial.method, (1, 1))
        if tuning:
            tuned.add((trial.method, scale, learning_rate))
        return {"epochs": 10.0 + seed % 2 + ((scale, learning_rate) != wanted)}

    monkeypatch.setattr(Trial, "epochs_needed", epochs)
    finding = EXPERIMENTS["claim-tanh-zero-centred-faster"].measure(range(5))

    data = "digits"
    scales, rates = (
        by_method(finding.measured, what, data) for what in (SCALE, "learning rate")
    )
    for name, (scale, rate) in best.items():
        assert (scales[name], rates[name]) == ((scale,), (rate,))
    needed = by_method(finding.measured, "epochs", data)
    assert set(needed.values()) == {(10, 11, 10, 11, 10)}
    assert len(tuned) == 5 * 5 * 7
