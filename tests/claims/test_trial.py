"""Trials at a small size: what they share, what they measure, what they report."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from dlnotes.claims import Verdict
from dlnotes.claims.evidence import Ruling, rows
from dlnotes.claims.rounding import repetition
from dlnotes.claims.trial import Trial, compare, draw, finding
from dlnotes.lab.models import HIDDEN_LAYERS, HiddenLayer, mlp, recurrent
from dlnotes.lab.tasks import Task, adding, digits, moons


def few(rng: np.random.Generator) -> Task:
    return moons(rng, train=150, test=20, noise=0.1)


SMALL = Trial("tanh", few, mlp(HIDDEN_LAYERS["tanh"], 4), epochs=2)


def test_a_seed_gives_the_same_run_and_another_seed_another() -> None:
    (_, one, first), (_, same, again), (_, _, other) = (
        SMALL.run(0.01, seed) for seed in (3, 3, 4)
    )

    for ours, theirs in zip(one.parameters(), same.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert first.losses.tolist() == again.losses.tolist()
    assert first.losses.tolist() != other.losses.tolist()


def test_trials_with_one_seed_share_batches_however_many_weights_they_have() -> None:
    def batches(kind: HiddenLayer) -> list[list[float]]:
        noted: list[list[float]] = []

        def build(rng: np.random.Generator, task: Task) -> nn.Module:
            model = mlp(kind, 4)(rng, task)
            model.register_forward_pre_hook(
                lambda _, inputs: noted.append(inputs[0].flatten().tolist())
            )
            return model

        replace(SMALL, build=build).run(0.01, 7)
        return noted

    maxout = batches(HIDDEN_LAYERS["Maxout"])

    assert len(maxout) > 6  # two epochs of three batches
    assert maxout == batches(HIDDEN_LAYERS["sigmoid"])


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

    scores = SMALL.scores(0.1, 5)

    assert scores["training score"] == pytest.approx(shares[0])
    assert scores["test score"] == pytest.approx(shares[1])
    assert 0.5 < shares[0] < 1


def test_epochs_are_counted_until_the_loss_is_low_enough() -> None:
    trial = Trial("tanh", few, mlp(HIDDEN_LAYERS["tanh"], 16), epochs=100)
    _, _, whole = trial.run(0.03, 0)
    reached = 1 + int(np.argmax(whole.epoch_losses <= 0.1))

    assert 1 < reached < 100
    assert trial.epochs_needed(0.03, 0) == {"epochs": reached}
    assert replace(trial, epochs=reached - 1).epochs_needed(0.03, 0) == {
        "epochs": reached - 1
    }


def test_the_faster_rate_has_the_higher_score() -> None:
    trial = Trial("tanh", few, mlp(HIDDEN_LAYERS["tanh"], 16), epochs=60)

    assert -60 < trial.negative_epochs(0.1, 100) < 0
    assert trial.negative_epochs(0.0001, 100) == -60


def test_a_loss_that_diverges_is_the_worst_of_scores_and_never_fast() -> None:
    def far(rng: np.random.Generator) -> Task:
        return adding(rng, train=20, test=10, steps=4)

    build = recurrent(HIDDEN_LAYERS["ReLU"], 4)
    diverging = Trial("ReLU", far, build, epochs=3, optimizer=torch.optim.SGD)

    assert diverging.validation_score(1e20, 0) == -np.inf
    assert diverging.epochs_needed(1e20, 0) == {"epochs": 3}


def test_the_rows_of_a_seed_are_drawn_once_for_all_trials() -> None:
    drawn = []

    def make(rng: np.random.Generator) -> Task:
        drawn.append(1)
        return few(rng)

    one, other = (
        replace(SMALL, make=make, method=name, epochs=epochs)
        for name, epochs in (("one", 1), ("other", 2))
    )
    tasks = [trial.start(seed)[0] for seed in (3, 4) for trial in (one, other)]

    assert len(drawn) == 2
    assert tasks[0] is tasks[1]
    assert not torch.equal(tasks[0].train[0], tasks[2].train[0])
    assert not torch.equal(one.start(3, tuning=True)[0].train[0], tasks[0].train[0])


def test_initial_weights_are_disturbed_in_the_last_bit_and_no_more() -> None:
    _, model, _ = SMALL.start(3)
    with repetition() as current:
        current.disturbing = True
        _, other, _ = SMALL.start(3)

    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert bool((ours == theirs).all()) == (not ours.any())
        torch.testing.assert_close(ours, theirs, rtol=2e-7, atol=0)


def test_rates_are_tuned_on_other_seeds_than_those_measured() -> None:
    tuning: list[int] = []

    def score(trial: Trial, learning_rate: float, seed: int) -> float:
        tuning.append(seed)
        return -abs(learning_rate - trial.epochs)

    def measure(_: Trial, learning_rate: float, seed: int) -> dict[str, float]:
        return {"one": 1000 * learning_rate + seed, "two": seed}

    trials = [replace(SMALL, method=f"{n} epochs", epochs=n) for n in (1, 3)]
    found = compare(trials, measure, (0, 1), (1, 2, 3), score)

    data = "two moons, noise 0.1"
    assert [(row.quantity, row.method, row.values) for row in found] == [
        ("one", "1 epochs", (1000, 1001)),
        ("two", "1 epochs", (0, 1)),
        ("learning rate", "1 epochs", (1,)),
        ("one", "3 epochs", (3000, 3001)),
        ("two", "3 epochs", (0, 1)),
        ("learning rate", "3 epochs", (3,)),
    ]
    assert {row.data for row in found} == {data}
    assert {*tuning} == {100, 101, 102}


def test_a_rate_that_is_given_is_not_tuned() -> None:
    found = compare([SMALL], lambda _, rate, seed: {"x": rate + seed}, (0, 1), [0.5])

    assert [row.values for row in found] == [(0.5, 1.5)]


def test_a_finding_tells_of_rates_at_either_end_of_their_grid() -> None:
    best = {"low": [1.0], "middle": [2.0], "high": [3.0]}
    found = rows("learning rate", best, "two moons")
    ruling = Ruling(Verdict.CONDITIONAL, "It was so.", "on moons")

    ours = finding(ruling, found, [few], (0, 1), (1.0, 2.0, 3.0))
    inside = finding(ruling, found[1:2], [few], (0, 1), (1.0, 2.0, 3.0))

    assert (ours.verdict, ours.because, ours.condition) == ruling
    assert ours.measured == tuple(found)
    assert "best for low" in ours.remark
    assert "best for high" in ours.remark
    assert inside.remark == ""


def test_a_finding_names_its_data_and_the_files_they_are_from() -> None:
    before = draw(digits, 7)

    found = finding(Ruling(Verdict.HOLDS, ""), [], [few, digits], [7])

    assert draw(digits, 7) is before
    assert found.data == (
        "two moons, noise 0.1: 150 training rows, 20 test rows; "
        "digits: 1,000 training rows, 497 test rows"
    )
    assert [*found.hashes] == ["digits.csv"]
