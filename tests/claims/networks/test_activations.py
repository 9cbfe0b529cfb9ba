"""The experiments on networks: each part at a small size, each rule on made-up numbers.

What was really measured is on record, and `nox -s claims` measures it again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch import nn

from dlnotes.claims import EXPERIMENTS, Verdict, networks
from dlnotes.claims.networks import (
    KINDS,
    Kind,
    Steps,
    collapsed,
    follow_steps,
    judge_eight,
    judge_linear,
    judge_nonmonotonic,
    judge_relu,
    judge_scaled,
    judge_steps,
    judge_zero_mean,
    linear_stack,
    logistic_accuracy,
    mlp,
    step,
    variance,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import Task, moons

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict
SEEDS = 5


def near(mean: float) -> list[float]:
    """Return a value a seed, close to a mean."""
    return [mean + 0.001 * k for k in (-2, -1, 0, 1, 2)]


def format_spread(mean: float) -> list[float]:
    """Return values too far apart to tell their mean from another."""
    return [mean + k for k in (40, -30, 20, -20, -10)]


def few(rng: np.random.Generator) -> Task:
    return moons(rng, train=150, test=20, noise=0.1)


# The networks


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_every_kind_of_layer_fits_into_a_network_and_is_differentiable(
    kind: Kind, rng: np.random.Generator
) -> None:
    task = few(rng)
    model = mlp(kind, 6, 5)(rng, task)
    X, y = task.train

    task.loss(model(X), y).backward()  # type: ignore[no-untyped-call]

    assert model(X).shape == (150, 2)
    for each in model.parameters():
        assert each.grad is not None
        assert each.grad.any()


# Steps


def test_a_step_is_0_or_1_and_its_gradient_is_there_and_zero() -> None:
    z = torch.tensor([-2.0, 0.1], requires_grad=True)

    step(z).sum().backward()  # type: ignore[no-untyped-call]

    assert step(z).tolist() == [0, 1]
    assert z.grad is not None
    assert z.grad.tolist() == [0, 0]


def test_gradients_and_moves_are_told_by_layer() -> None:
    mixed = follow_steps(step, torch.sigmoid, seed=0)

    assert mixed.largest_hidden_gradient == mixed.largest_hidden_move == 0
    assert mixed.largest_gradient > 0
    assert mixed.largest_move > 1
    assert 0 < mixed.last_loss_over_first < 0.5


STILL = Steps(0, 0, 0, 0, 1, 0.5)
LEARNS = Steps(0.1, 0, 1, 0, 0.3, 0.8)
GOOD = Steps(1, 1, 1, 1, 0.1, 0.9)


@pytest.mark.parametrize(
    ("steps", "mixed", "sigmoids", "verdict"),
    [
        (STILL, STILL, GOOD, HOLDS),
        (STILL, STILL, GOOD._replace(training_accuracy=0.84), OPEN),
        (STILL, LEARNS, GOOD, CONDITIONAL),
        (STILL, LEARNS._replace(last_loss_over_first=0.91), GOOD, OPEN),
        (STILL, LEARNS._replace(largest_hidden_gradient=1e-9), GOOD, FAILS),
        (STILL, LEARNS._replace(largest_hidden_move=1e-9), GOOD, OPEN),
        (LEARNS._replace(largest_hidden_gradient=1e-9), LEARNS, GOOD, FAILS),
        (STILL._replace(largest_gradient=1e-9), LEARNS, GOOD, OPEN),
    ],
)
def test_the_rule_about_steps(
    steps: Steps, mixed: Steps, sigmoids: Steps, verdict: Verdict
) -> None:
    runs = [[STILL, steps], [STILL, mixed], [GOOD, sigmoids]]
    if mixed is not STILL:
        runs[1][0] = LEARNS

    assert judge_steps(*runs)[0] is verdict


# Epochs


@pytest.mark.parametrize(
    ("tanh", "shifted", "verdict"),
    [
        (near(10), near(15), HOLDS),
        (near(10), near(40), CONDITIONAL),
        (near(10), format_spread(38), CONDITIONAL),
        (near(50), near(15), FAILS),
        (format_spread(38), near(15), FAILS),
    ],
)
def test_the_rule_about_a_mean_of_zero(
    tanh: list[float], shifted: list[float], verdict: Verdict
) -> None:
    epochs = {"sigmoid": near(40), "tanh": tanh, "shifted sigmoid": shifted}

    assert judge_zero_mean(epochs)[0] is verdict


@pytest.mark.parametrize(
    ("scaled", "verdict"),
    [
        (near(5), HOLDS),
        (near(10), CONDITIONAL),
        (near(20), CONDITIONAL),
        (near(40), FAILS),
        (format_spread(38), FAILS),
    ],
)
def test_the_rule_about_the_scaled_tanh(scaled: list[float], verdict: Verdict) -> None:
    epochs = {"sigmoid": near(40), "tanh": near(10), "scaled tanh": scaled}

    assert judge_scaled(epochs)[0] is verdict


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


def accuracies(**changed: list[float]) -> dict[str, list[float]]:
    """Return the accuracies of all on two sets, 0.97 but for those that are named."""
    names = (*networks.MONOTONIC, *networks.NON_MONOTONIC)
    usual = {f"{name} on {where}": near(0.97) for name in names for where in "ab"}
    return usual | {name.replace("_", " on "): each for name, each in changed.items()}


@pytest.mark.parametrize(
    ("train", "test", "verdict"),
    [
        ({}, {}, FAILS),
        ({}, {"SiLU_a": near(0.965)}, FAILS),
        ({}, {"SiLU_a": format_spread(0.9)}, FAILS),
        ({"ReLU_a": near(0.8)}, {"tanh_b": near(0.5)}, FAILS),
        ({}, {"SiLU_a": near(0.955)}, CONDITIONAL),
        ({"sine_b": [0.97, 0.97, 0.97, 0.97, 0.89]}, {}, CONDITIONAL),
        ({"SiLU_a": near(0.8), "GELU_b": near(0.8)}, {}, CONDITIONAL),
        ({"SiLU_a": near(0.8), "GELU_b": near(0.8)}, {"Mish_a": near(0.9)}, HOLDS),
        ({}, {"sigmoid_a": near(0.99)}, HOLDS),
        (
            {f"{name}_b": near(0.5) for name in ("SiLU", "GELU", "Mish", "sine")},
            {},
            HOLDS,
        ),
    ],
)
def test_the_rule_about_what_is_not_monotonic(
    train: dict[str, list[float]], test: dict[str, list[float]], verdict: Verdict
) -> None:
    ruled, _ = judge_nonmonotonic(accuracies(**train), accuracies(**test), "ab")

    assert ruled is verdict


def test_the_reason_names_what_failed_monotonic_or_not() -> None:
    train = accuracies(sine_b=near(0.8), tanh_a=near(0.8))

    _, because = judge_nonmonotonic(train, accuracies(), "ab")
    _, otherwise = judge_nonmonotonic(accuracies(), accuracies(), "ab")

    assert because.index("sine on b") < because.index("tanh on a")
    assert "ReLU" not in because
    assert "sine" not in otherwise


# Linear


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_stack_of_layers_collapses_whatever_it_has_learned(depth: int) -> None:
    trial = replace(linear_stack(depth), epochs=50)
    _, model, _ = trial.run(0.01, 0)

    change, share = collapsed(trial, 0)

    assert sum(isinstance(each, nn.Linear) for each in model.modules()) == depth
    assert change < 1e-12
    assert 0.7 < share < 0.95


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
    changes = {"depth 1": [0.0] * SEEDS, "depth 2": [1e-16] * 4 + [change]}
    accuracies = {"depth 1": near(0.87), "depth 2": near(right)}

    assert judge_linear(changes, accuracies, near(0.87))[0] is verdict


# Many activations


@pytest.mark.parametrize(
    ("behind", "verdict"),
    [(0, HOLDS), (1, CONDITIONAL), (2, CONDITIONAL), (3, FAILS), (7, FAILS)],
)
@pytest.mark.parametrize("low", [near(0.94), format_spread(0.97)], ids=["low", "wide"])
def test_the_rule_about_many_activations(
    behind: int, low: list[float], verdict: Verdict
) -> None:
    best = near(0.98) if max(low) < 1 else near(60)
    close = near(0.965) if max(low) < 1 else near(59.99)
    test = {name: low if k < behind else close for k, name in enumerate(networks.EIGHT)}
    test["GELU"] = best

    ruled, because = judge_eight(test)

    assert ruled is verdict
    assert ("none" in because) == (behind == 0)


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
    test = {f"ReLU on {where}": each for where, each in zip("abcd", relu, strict=True)}
    test |= {f"sigmoid on {where}": near(0.8) for where in "abcd"}
    test |= {f"tanh on {where}": tanh for where in "abcd"}

    assert judge_relu(test, "abcd")[0] is verdict


# The experiments put together, with made-up measurements

TRIED = {
    "claim-tanh-zero-centred-faster": 3,
    "claim-scaled-tanh": 3,
    "claim-nonmonotonic-hurts": 14,
    "claim-many-activations-work": 8,
    "claim-relu-better-in-general": 12,
}


@pytest.mark.parametrize(("name", "count"), TRIED.items())
def test_an_experiment_compares_all_that_its_rule_names(
    monkeypatch: pytest.MonkeyPatch, name: str, count: int
) -> None:
    compared: dict[str, Trial] = {}

    def fake(
        trials: dict[str, Trial], _: Any, measure: Any, grid: Any, seeds: Any
    ) -> Any:
        compared.update(trials)
        both = measure is Trial.scores
        values = [(0.95, 0.9) if both else 4.0 for _ in seeds]
        return dict.fromkeys(trials, grid[1]), dict.fromkeys(trials, values)

    monkeypatch.setattr(networks, "compare", fake)
    monkeypatch.setattr(networks, "fashion_mnist", few)

    finding = EXPERIMENTS[name].measure(range(SEEDS))

    lengths = [len(values) for values in finding.measured.values()]
    assert len(compared) == lengths.count(SEEDS) / (2 if count == 14 else 1) == count
    assert set(lengths) == {1, SEEDS}
    assert not finding.remark


@pytest.mark.parametrize("name", ["tanh on digits", "ReLU on sums"])
def test_the_networks_about_relu_have_the_sizes_and_weights_of_the_rule(
    monkeypatch: pytest.MonkeyPatch, name: str, rng: np.random.Generator
) -> None:
    trials: dict[str, Trial] = {}

    def stop(given: dict[str, Trial], *_: Any) -> Any:
        trials.update(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(networks, "compare", stop)
    with pytest.raises(KeyboardInterrupt):
        networks.relu_better_in_general(range(SEEDS))
    trial = trials[name]
    model = trial.build(rng, trial.make(rng))

    shapes = [tuple(each.shape) for each in model.parameters() if each.ndim == 2]

    assert trial.epochs == 30
    if name == "tanh on digits":
        assert shapes == [(128, 64), (128, 128), (10, 128)]
    else:
        assert sorted(shapes) == [(1, 64), (64, 2), (64, 64)]
