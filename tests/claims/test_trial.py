"""Trials at a small size: what they share, what they measure, what they report."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from dlnotes.claims import Verdict
from dlnotes.claims.networks import KINDS, Kind, mlp, recurrent
from dlnotes.claims.trial import Trial, compare, report
from dlnotes.lab.tasks import Task, adding, digits, moons
from dlnotes.optim import SGD, Adam


def few(rng: np.random.Generator) -> Task:
    return moons(rng, train=150, test=20, noise=0.1)


SMALL = Trial(few, mlp(KINDS["tanh"], 4), Adam, epochs=2)


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

    assert blind.validation_score(0.01, 100) == clean.validation_score(0.01, 100)
    assert blind.negative_epochs(0.01, 100) == clean.negative_epochs(0.01, 100)


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

    assert -60 < trial.negative_epochs(0.1, 100) < 0
    assert trial.negative_epochs(0.0001, 100) == -60


def test_a_loss_that_diverges_is_the_worst_of_scores_and_never_fast() -> None:
    def far(rng: np.random.Generator) -> Task:
        return adding(rng, train=20, test=10, steps=4)

    diverging = Trial(far, recurrent(KINDS["ReLU"], 4), SGD, epochs=3)

    assert diverging.validation_score(1e20, 0) == -np.inf
    assert diverging.epochs_needed(1e20, 0) == 3


def test_rates_are_tuned_on_other_seeds_than_those_measured() -> None:
    tuning: list[tuple[Trial, float, int]] = []

    def score(trial: Trial, learning_rate: float, seed: int) -> float:
        tuning.append((trial, learning_rate, seed))
        return -abs(learning_rate - trial.epochs)

    def measure(_: Trial, learning_rate: float, seed: int) -> float:
        return 1000 * learning_rate + seed

    trials = {"one": replace(SMALL, epochs=1), "three": replace(SMALL, epochs=3)}
    rates, measured = compare(trials, score, measure, (1, 2, 3), (0, 1))

    assert rates == {"one": 1, "three": 3}
    assert measured == {"one": [1000, 1001], "three": [3000, 3001]}
    assert {seed for *_, seed in tuning} == {100, 101, 102}


def test_a_report_tells_of_rates_at_either_end_of_their_grid() -> None:
    rates = {"low": 1.0, "middle": 2.0, "high": 3.0}
    grid = (1.0, 2.0, 3.0)

    finding = report((Verdict.HOLDS, "it was so"), {"x": [5.0]}, [few], rates, grid)
    inside = report((Verdict.OPEN, "it was so"), {}, [few], {"middle": 2.0}, grid)

    assert finding.verdict is Verdict.HOLDS
    assert finding.because == "it was so"
    assert finding.remark == "The best rate ends the grid for low and high."
    assert finding.measured["x"] == [5.0]
    assert finding.measured["rate, middle"] == [2.0]
    assert inside.remark == ""


def test_a_report_names_its_data_and_the_files_they_are_from() -> None:
    finding = report((Verdict.HOLDS, ""), {}, [few, digits])

    assert finding.data == (
        "two moons, noise 0.1: 150 training rows, 20 test rows; "
        "digits: 1,000 training rows, 497 test rows"
    )
    assert [*finding.hashes] == ["digits.csv"]
