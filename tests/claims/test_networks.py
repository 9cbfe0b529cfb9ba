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
    Trial,
    collapsed,
    compare,
    follow_steps,
    judge_eight,
    judge_linear,
    judge_nonmonotonic,
    judge_relu,
    judge_scaled,
    judge_steps,
    judge_zero_mean,
    linear_stack,
    listed,
    logistic_accuracy,
    mlp,
    recurrent,
    report,
    ruling,
    step,
    variance,
)
from dlnotes.lab.tasks import Task, adding, digits, moons
from dlnotes.optim import SGD, Adam

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict
SEEDS = 5


def near(mean: float) -> list[float]:
    """Return a value a seed, close to a mean."""
    return [mean + 0.001 * k for k in (-2, -1, 0, 1, 2)]


def spread(mean: float) -> list[float]:
    """Return values too far apart to tell their mean from another."""
    return [mean + k for k in (40, -30, 20, -20, -10)]


def few(rng: np.random.Generator) -> Task:
    return moons(rng, train=150, test=20, noise=0.1)


SMALL = Trial(few, mlp(KINDS["tanh"], 4), Adam, epochs=2)


# What all trials share


@pytest.mark.parametrize(
    ("applies", "verdict"),
    [
        ((True, True, True), HOLDS),
        ((False, True, True), CONDITIONAL),
        ((False, False, True), FAILS),
        ((False, False, False), OPEN),
    ],
)
def test_the_first_rule_that_applies_decides(
    applies: tuple[bool, bool, bool], verdict: Verdict
) -> None:
    confirmed, conditional, refuted = applies

    assert (
        ruling(confirmed=confirmed, conditional=conditional, refuted=refuted) is verdict
    )


def test_a_seed_gives_the_same_run_and_another_seed_another() -> None:
    (_, one, first), (_, same, again), (_, _, other) = (
        SMALL.run(0.01, seed) for seed in (3, 3, 4)
    )

    for ours, theirs in zip(one.parameters(), same.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert first.losses.tolist() == again.losses.tolist()
    assert first.losses.tolist() != other.losses.tolist()


def test_trials_with_one_seed_share_batches_however_many_weights_they_have() -> None:
    def batches(kind: Kind) -> list[list[float]]:
        noted: list[list[float]] = []

        def build(rng: np.random.Generator, task: Task) -> nn.Module:
            model = mlp(kind, 4)(rng, task)
            model.register_forward_pre_hook(
                lambda _, inputs: noted.append(inputs[0].flatten().tolist())
            )
            return model

        replace(SMALL, build=build).run(0.01, 7)
        return noted

    maxout = batches(KINDS["Maxout"])

    assert len(maxout) > 6  # two epochs of three batches
    assert maxout == batches(KINDS["sigmoid"])


def test_tuning_never_looks_at_a_test_row() -> None:
    def spoilt(rng: np.random.Generator) -> Task:
        task = few(rng)
        X, y = task.test
        return replace(task, test=(torch.full_like(X, torch.nan), y))

    clean, blind = (replace(SMALL, make=make) for make in (few, spoilt))

    assert blind.validated(0.01, 100) == clean.validated(0.01, 100)
    assert blind.speed(0.01, 100) == clean.speed(0.01, 100)


def test_scores_are_those_of_the_model_trained() -> None:
    task, model, _ = SMALL.run(0.1, 5)

    shares = [
        (model(X).argmax(1) == y).double().mean().item()
        for X, y in (task.train, task.test)
    ]

    assert SMALL.scores(0.1, 5) == pytest.approx(tuple(shares))
    assert 0.5 < shares[0] < 1


def test_epochs_are_counted_until_the_loss_is_low_enough() -> None:
    trial = Trial(few, mlp(KINDS["tanh"], 16), Adam, epochs=100)
    _, _, whole = trial.run(0.03, 0)
    reached = 1 + int(np.argmax(whole.epoch_losses <= 0.1))

    assert 1 < reached < 100
    assert trial.epochs_needed(0.03, 0) == reached
    assert replace(trial, epochs=reached - 1).epochs_needed(0.03, 0) == reached - 1


def test_the_faster_rate_has_the_higher_score() -> None:
    trial = Trial(few, mlp(KINDS["tanh"], 16), Adam, epochs=60)

    assert -60 < trial.speed(0.1, 100) < 0
    assert trial.speed(0.0001, 100) == -60


def test_a_loss_that_diverges_is_the_worst_of_scores_and_never_fast() -> None:
    def far(rng: np.random.Generator) -> Task:
        return adding(rng, train=20, test=10, steps=4)

    diverging = Trial(far, recurrent(KINDS["ReLU"], 4), SGD, epochs=3)

    assert diverging.validated(1e20, 0) == -np.inf
    assert diverging.epochs_needed(1e20, 0) == 3


def test_rates_are_tuned_on_other_seeds_than_those_measured() -> None:
    tuning: list[tuple[Trial, float, int]] = []

    def score(trial: Trial, rate: float, seed: int) -> float:
        tuning.append((trial, rate, seed))
        return -abs(rate - trial.epochs)

    def measure(_: Trial, rate: float, seed: int) -> float:
        return 1000 * rate + seed

    trials = {"one": replace(SMALL, epochs=1), "three": replace(SMALL, epochs=3)}
    rates, measured = compare(trials, score, measure, (1, 2, 3), (0, 1))

    assert rates == {"one": 1, "three": 3}
    assert measured == {"one": [1000, 1001], "three": [3000, 3001]}
    assert {seed for *_, seed in tuning} == {100, 101, 102}


def test_a_report_tells_of_rates_at_either_end_of_their_grid() -> None:
    rates = {"low": 1.0, "middle": 2.0, "high": 3.0}

    finding = report((HOLDS, "it was so"), {"x": [5.0]}, [few], rates, (1.0, 2.0, 3.0))
    inside = report((OPEN, "it was so"), {}, [few], {"middle": 2.0}, (1.0, 2.0, 3.0))

    assert finding.because.startswith("it was so; ")
    assert "low (1.0) and high (3.0)" in finding.because
    assert "middle" not in finding.because
    assert finding.measured["x"] == [5.0]
    assert finding.measured["rate, middle"] == [2.0]
    assert inside.because == "it was so"


def test_a_report_names_its_data_and_the_files_they_are_from() -> None:
    finding = report((HOLDS, ""), {}, [few, digits])

    assert finding.data == (
        "two moons, noise 0.1: 150 training rows, 20 test rows; "
        "digits: 1,000 training rows, 497 test rows"
    )
    assert [*finding.hashes] == ["digits.csv"]


def test_lists_read_well() -> None:
    assert [listed("abc"[:k]) for k in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


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
        (near(10), spread(38), CONDITIONAL),
        (near(50), near(15), FAILS),
        (spread(38), near(15), FAILS),
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
        (spread(38), FAILS),
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
        ({}, {"SiLU_a": spread(0.9)}, FAILS),
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
def test_a_stack_of_layers_collapses_whatever_it_has_learnt(depth: int) -> None:
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
@pytest.mark.parametrize("low", [near(0.94), spread(0.97)], ids=["low", "wide"])
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
    assert "grid" not in finding.because


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
