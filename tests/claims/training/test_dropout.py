"""The experiments on dropout: each part small, each rule on made-up rows."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from dlnotes.claims import Row, Verdict
from dlnotes.claims.evidence import rows
from dlnotes.claims.training import dropout as room
from dlnotes.claims.training.dropout import (
    ACCURACY,
    ACTIVE,
    ALL,
    BAG,
    DIVERGENCE,
    EPOCHS,
    PARAMETERS,
    RANDOM,
    SCALING,
    SOME,
    TRUE,
    Net,
    active_share,
    divergence,
    judge_ensemble,
    judge_memorizing,
    judge_parameters,
    probabilities,
    random_labels,
    some_digits,
    subnetworks,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import Task, digits

HOLDS, CONDITIONAL, FAILS, _ = Verdict


@pytest.fixture
def task(rng: np.random.Generator) -> Task:
    """Give fifty digits."""
    return digits(rng, train=50, test=10)


def test_networks_of_one_seed_begin_alike_whatever_the_rate(task: Task) -> None:
    plain, dropped, other = (
        Net(p, (5, 4), draw=draw)(np.random.default_rng(0), task)
        for p, draw in ((0.0, 0), (0.5, 0), (0.5, 1))
    )

    kinds = [type(each).__name__ for each in dropped.children()]
    assert kinds == ["Linear", "ReLU", "Dropout"] * 2 + ["Linear"]
    assert {each.p for each in dropped.modules() if isinstance(each, nn.Dropout)} == {
        0.5
    }
    pairs = [*zip(plain.parameters(), dropped.parameters(), strict=True)]
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(next(dropped.parameters()), next(other.parameters()))


def test_a_mask_gives_what_the_network_does_with_these_units_off(task: Task) -> None:
    model = Net(0.5, (4,))(np.random.default_rng(0), task)
    masks, X = np.array([[1, 0, 0, 1], [0, 0, 0, 0]], dtype=bool), task.test[0]

    found = subnetworks(model, X, masks)

    first, last = (each for each in model.children() if isinstance(each, nn.Linear))
    with torch.no_grad():
        H = torch.relu(first(X)) * torch.tensor([2.0, 0, 0, 2])
        np.testing.assert_allclose(found[0], probabilities(last(H)), rtol=1e-6)
        alone = probabilities(last.bias[None])
        np.testing.assert_allclose(found[1], alone.repeat(10, axis=0), rtol=1e-6)


def test_divergence_is_the_mean_over_instances() -> None:
    P, Q = np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([[0.25, 0.75], [0.9, 0.1]])

    wanted = (0.5 * np.log(2) + 0.5 * np.log(2 / 3)) / 2
    assert divergence(P, Q) == pytest.approx(wanted)


def test_the_experiment_on_the_ensemble_runs(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def score(rate: float, _: int) -> float:
        asked.append(rate)
        return 0.0

    answers = {
        name: probabilities(torch.randn(10, 10)) for name in (ALL, SOME, SCALING)
    }
    monkeypatch.setattr(room, "dropped", lambda _rate, _seed: (task, answers))
    monkeypatch.setattr(room, "bagged", lambda _rate, _seed: (task, answers[ALL]))
    monkeypatch.setattr(room, "bagged_score", score)
    monkeypatch.setattr(Trial, "validation_score", lambda *_: 0.0)

    found = room.dropout_ensemble([0, 1])

    assert {*asked} == {*room.RATES}
    names = {row.method for row in found.measured if row.quantity == ACCURACY}
    assert names == {SCALING, SOME, ALL, BAG}


def some_rows(
    apart: Sequence[float], right: Sequence[float], bag: Sequence[float]
) -> list[Row]:
    """Write rows in which 100 masks are 0.1 away."""
    found = rows(DIVERGENCE, {SCALING: apart, SOME: [0.1, 0.1, 0.11]})
    scores = {SCALING: right, SOME: right, ALL: right, BAG: bag}
    return found + rows(ACCURACY, scores)


@pytest.mark.parametrize(
    ("apart", "bag", "verdict"),
    [
        ([0.1, 0.05, 0.1], [90.1, 91.2, 92.3], HOLDS),
        ([0.1, 0.05, 0.1], [95.1, 96.2, 97.3], CONDITIONAL),
        ([0.5, 0.55, 0.5], [90.1, 91.2, 92.3], FAILS),
        ([0.5, 0.55, 0.5], [95.1, 96.2, 97.3], FAILS),
    ],
)
def test_the_ensemble_is_judged_by_divergence_and_by_accuracy(
    apart: Sequence[float], bag: Sequence[float], verdict: Verdict
) -> None:
    assert judge_ensemble(some_rows(apart, [90, 91, 92], bag)).verdict is verdict


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5])
def test_a_weight_is_active_where_both_ends_are(p: float) -> None:
    assert active_share(p) == pytest.approx((1 - p) ** 2)


@pytest.mark.parametrize(
    ("counts", "share", "verdict"),
    [((8, 10), 0.25, HOLDS), ((10, 10), 0.25, CONDITIONAL), ((10, 10), 0.5, FAILS)],
)
def test_parameters_are_judged_by_their_number_first(
    counts: tuple[int, int], share: float, verdict: Verdict
) -> None:
    names = ("with dropout", "without")
    found = rows(PARAMETERS, {n: [k] for n, k in zip(names, counts, strict=True)})
    found += rows(ACTIVE, {"p = 0.5": [share]})

    assert judge_parameters(found).verdict is verdict


def test_random_labels_say_nothing_of_the_digits() -> None:
    true, drawn = (
        make(np.random.default_rng(0)).train for make in (some_digits, random_labels)
    )

    assert torch.equal(true[0], drawn[0])
    assert (true[1] == drawn[1]).float().mean() < 0.2
    assert len({*drawn[1].tolist()}) == 10


@pytest.mark.parametrize(
    ("some", "half", "verdict"),
    [
        ([50, 60, 70], [90, 95, 99], HOLDS),
        ([20, 20, 20], [90, 95, 99], CONDITIONAL),
        ([50, 60, 70], [30, 99, 10], FAILS),
    ],
)
def test_memorizing_is_judged_by_the_epochs_for_random_labels(
    some: Sequence[float], half: Sequence[float], verdict: Verdict
) -> None:
    epochs = {"p = 0": [30, 31, 33], "p = 0.2": some, "p = 0.5": half}
    found = rows(EPOCHS, epochs, RANDOM)
    found += rows(EPOCHS, dict.fromkeys(epochs, (9.0, 9, 9)), TRUE)

    ruling = judge_memorizing(found)

    assert ruling.verdict is verdict
    assert "or more" not in ruling.because


def test_a_run_that_is_stopped_says_so() -> None:
    values: dict[str, list[float]] = {
        f"p = {p}": [100.0 * k, 100.0 * k + 1]
        for k, p in enumerate(("0", "0.2", "0.5"), 1)
    }
    found = [
        row
        for labels, (name, each) in product((RANDOM, TRUE), values.items())
        for row in rows(EPOCHS, {name: each}, labels)
    ]

    assert "300 or more with p = 0.5" in judge_memorizing(found).because
