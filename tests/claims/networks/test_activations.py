"""The experiments on activations: each part at a small size, each rule on made-up rows.

What was really measured is on record, and `nox -s claims` measures it again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch import nn

from dlnotes.claims import EXPERIMENTS, Row, Verdict
from dlnotes.claims.evidence import join_words, rows
from dlnotes.claims.networks import activations, rectifiers, smooth_rectifiers
from dlnotes.claims.networks.activations import (
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
from dlnotes.claims.networks.rectifiers import judge_relu
from dlnotes.claims.networks.smooth_rectifiers import judge_eight, judge_nonmonotonic
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import Task, moons

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict
SEEDS = 5


def near(mean: float) -> list[float]:
    """Return a value a seed, close to a mean."""
    return [mean + 0.001 * k for k in (-2, -1, 0, 1, 2)]


def far_apart(mean: float) -> list[float]:
    """Return values too far apart to tell their mean from another."""
    return [mean + k for k in (40, -30, 20, -20, -10)]


def few(rng: np.random.Generator) -> Task:
    return moons(rng, train=150, test=20, noise=0.1)


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

    ruling = judge_zero_mean(rows("epochs", epochs, "digits"))

    assert ruling.verdict is verdict
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


# Not monotonic


# Monotonic


def scores(quantity: str, changed: Mapping[tuple[str, str], list[float]]) -> list[Row]:
    """Return the scores of all on two sets, 0.97 but for those that are changed."""
    names = (*rectifiers.MONOTONIC, *smooth_rectifiers.NON_MONOTONIC)
    return [
        Row(quantity, name, data, tuple(changed.get((name, data), near(0.97))))
        for data in ("a", "b")
        for name in names
    ]


BAD = near(0.8)


@pytest.mark.parametrize(
    ("train", "test", "verdict"),
    [
        ({}, {}, FAILS),
        ({}, {("SiLU", "a"): near(0.965)}, FAILS),
        ({}, {("SiLU", "a"): far_apart(0.9)}, FAILS),
        ({("ReLU", "a"): BAD}, {("tanh", "b"): near(0.5)}, FAILS),
        ({}, {("SiLU", "a"): near(0.955)}, CONDITIONAL),
        ({("sine", "b"): [0.97, 0.97, 0.97, 0.97, 0.89]}, {}, CONDITIONAL),
        ({("sine", "b"): BAD, ("tanh", "b"): BAD}, {}, FAILS),
        ({("sine", "b"): BAD, ("tanh", "a"): BAD}, {}, CONDITIONAL),
        ({("SiLU", "a"): BAD, ("GELU", "b"): BAD}, {}, CONDITIONAL),
        ({("SiLU", "a"): BAD, ("GELU", "b"): BAD}, {("Mish", "a"): BAD}, HOLDS),
        ({}, {("sigmoid", "a"): near(0.99)}, FAILS),
        ({(name, "b"): BAD for name in ("SiLU", "GELU", "Mish", "sine")}, {}, HOLDS),
    ],
)
def test_the_rule_about_what_is_not_monotonic(
    train: dict[tuple[str, str], list[float]],
    test: dict[tuple[str, str], list[float]],
    verdict: Verdict,
) -> None:
    found = scores("training score", train) + scores("test score", test)

    assert judge_nonmonotonic(found).verdict is verdict


def test_the_reason_names_what_failed_and_the_condition_what_counts() -> None:
    train = {("sine", "b"): BAD, ("GELU", "a"): BAD, ("tanh", "a"): BAD}
    found = scores("training score", train) + scores("test score", {})

    ruling = judge_nonmonotonic(found)

    assert "tanh and GELU on a and sine on b" in ruling.because
    assert ruling.condition == "for sine on b"


@pytest.mark.parametrize("failed", [[], ["tanh"]])
def test_where_no_failure_counts_there_is_no_condition(failed: list[str]) -> None:
    train = {(name, "a"): BAD for name in failed}
    found = scores("training score", train) + scores("test score", {})

    ruling = judge_nonmonotonic(found)

    assert (ruling.verdict, ruling.condition) == (FAILS, "")
    assert f"{join_words(failed or ['none'])} on a" in ruling.because


# Linear


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_stack_of_layers_collapses_whatever_it_has_learned(depth: int) -> None:
    trial = Trial("linear", double_moons, linear_stack(depth), epochs=50)
    _, model, _ = trial.run(0.01, 0)

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


# Many activations


@pytest.mark.parametrize(
    ("behind", "verdict"),
    [(0, HOLDS), (1, CONDITIONAL), (2, CONDITIONAL), (3, FAILS), (7, FAILS)],
)
@pytest.mark.parametrize("low", [near(0.94), far_apart(0.97)], ids=["low", "wide"])
def test_the_rule_about_many_activations(
    behind: int, low: list[float], verdict: Verdict
) -> None:
    best = near(0.98) if max(low) < 1 else near(60)
    close = near(0.955) if max(low) < 1 else near(59.98)
    test = {
        name: low if k < behind else close
        for k, name in enumerate(smooth_rectifiers.EIGHT)
    }
    test["GELU"] = best

    ruling = judge_eight(rows("test score", test, "digits"))

    slow = smooth_rectifiers.EIGHT[:behind]
    assert ruling.verdict is verdict
    assert f"GELU; {join_words(slow or ['none of the others'])} may" in ruling.because
    assert ruling.condition == (
        f"for all but {join_words(slow)}" if slow else "for all"
    )


# ReLU

ABOVE, UNDER, SAME = (near(mean) for mean in (0.9, 0.7, 0.8))


@pytest.mark.parametrize(
    ("relu", "tanh", "verdict"),
    [
        ((ABOVE, ABOVE, ABOVE, ABOVE), SAME, HOLDS),
        ((ABOVE, SAME, SAME, SAME), SAME, CONDITIONAL),
        ((ABOVE, ABOVE, ABOVE, ABOVE), near(0.95), CONDITIONAL),
        ((ABOVE, UNDER, SAME, SAME), SAME, OPEN),
        ((UNDER, SAME, SAME, SAME), SAME, FAILS),
        ((SAME, SAME, SAME, ABOVE), near(0.95), FAILS),
        ((SAME, SAME, SAME, SAME), SAME, OPEN),
    ],
)
def test_the_rule_about_relu(
    relu: Sequence[list[float]], tanh: list[float], verdict: Verdict
) -> None:
    found = []
    for data, ours in zip("abcd", relu, strict=True):
        scores = {"sigmoid": near(0.8), "tanh": tanh, "ReLU": ours}
        found += rows("test score", scores, data)

    assert judge_relu(found).verdict is verdict


# The experiments put together, with made-up measurements

TRIED = {
    "claim-tanh-zero-centred-faster": 5,
    "claim-scaled-tanh": 3,
    "claim-nonmonotonic-hurts": 14,
    "claim-many-activations-work": 8,
    "claim-relu-better-in-general": 12,
}


@pytest.mark.parametrize(("name", "count"), TRIED.items())
def test_an_experiment_compares_all_that_its_rule_names(
    monkeypatch: pytest.MonkeyPatch, name: str, count: int
) -> None:
    compared: list[Trial] = []

    def fake(
        trials: Sequence[Trial], measure: Any, seeds: Any, grid: Any, score: Any
    ) -> list[Row]:
        compared.extend(trials)
        scored = measure is Trial.scores
        quantities = ("training score", "test score") if scored else ("epochs",)
        assert score is (Trial.validation_score if scored else Trial.negative_epochs)
        assert grid[1] in (0.001, 0.1)
        rng = np.random.default_rng(0)
        return [
            Row(quantity, each.method, each.make(rng).name, tuple(0.95 for _ in seeds))
            for each in trials
            for quantity in quantities
        ]

    for module in (activations, rectifiers):
        monkeypatch.setattr(module, "compare", fake)
    monkeypatch.setattr(rectifiers, "fashion_mnist", few)

    finding = EXPERIMENTS[name].measure(range(SEEDS))

    pairs = {(row.method, row.data) for row in finding.measured if row.data}
    assert len(compared) == len(pairs) == count
    assert not finding.remark


@pytest.mark.parametrize(
    ("method", "task"), [("tanh", "digits"), ("ReLU", "adding over 30 steps")]
)
def test_the_networks_about_relu_have_the_sizes_and_weights_of_the_rule(
    monkeypatch: pytest.MonkeyPatch, method: str, task: str, rng: np.random.Generator
) -> None:
    trials: list[Trial] = []

    def stop(given: Sequence[Trial], *_: Any) -> Any:
        trials.extend(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(rectifiers, "compare", stop)
    monkeypatch.setattr(rectifiers, "fashion_mnist", few)
    with pytest.raises(KeyboardInterrupt):
        rectifiers.relu_better_in_general(range(SEEDS))
    trial, made = next(
        (each, made)
        for each in trials
        if each.method == method and (made := each.make(rng)).name == task
    )
    model = trial.build(rng, made)

    shapes = [tuple(each.shape) for each in model.parameters() if each.ndim == 2]

    assert trial.epochs == 30
    if task == "digits":
        assert shapes == [(128, 64), (128, 128), (10, 128)]
    else:
        assert sorted(shapes) == [(1, 64), (64, 2), (64, 64)]
