"""The experiments on orthogonal and sparse weights, and their rules on made-up rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.claims.made_up import far_apart, near

from dlnotes.claims import Row, Verdict
from dlnotes.claims.evidence import rows
from dlnotes.claims.training import orthogonal_initialization as room
from dlnotes.claims.training.orthogonal_initialization import (
    TanhStack,
    after_training,
    correlations,
    drift,
    hidden_weights,
    judge_drift,
    judge_sparse,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import digits
from dlnotes.training.orthogonal_initialization import orthogonal_init
from dlnotes.training.weight_initialization import he_normal

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


def test_a_stack_has_five_square_layers_of_the_scheme(rng: np.random.Generator) -> None:
    task = digits(np.random.default_rng(0))

    model = TanhStack(orthogonal_init)(rng, task)

    layers = hidden_weights(model)
    assert [W.shape for W in layers] == [(64, 64)] * 5
    for W in layers:
        np.testing.assert_allclose(W.T @ W, np.eye(64), atol=1e-5)
    assert model(task.train[0][:3]).shape == (3, 10)


def test_hidden_weights_have_the_layout_of_the_book(rng: np.random.Generator) -> None:
    model = TanhStack(he_normal)(rng, digits(np.random.default_rng(0)))
    X = torch.tensor(rng.normal(size=(4, 64))).float()

    W = hidden_weights(model)[0]

    got = model[1](model[0](X)).detach()
    np.testing.assert_allclose(got, np.tanh(X.numpy() @ W), atol=1e-5)


def test_the_drift_of_a_layer_sees_lengths_and_angles_but_no_turn(
    rng: np.random.Generator,
) -> None:
    W, turn = (orthogonal_init(rng.normal(size=(4, 4))) for _ in range(2))

    assert drift(W, turn @ W) == pytest.approx(0, abs=1e-12)
    assert drift(W, 2 * W) == pytest.approx(3)
    assert drift(W, np.full((4, 4), 0.5)) == pytest.approx(np.sqrt(12 / 4))


def test_without_a_step_nothing_drifts_and_with_steps_something_does() -> None:
    trial = Trial(
        "orthogonal", digits, TanhStack(orthogonal_init), 1, torch.optim.SGD, 50
    )

    still, moved = (after_training(trial, rate, 0) for rate in (0.0, 0.1))

    assert still[room.DRIFT] == 0
    assert still[room.SPREAD] == pytest.approx(1, abs=1e-4)
    assert moved[room.DRIFT] > 1e-3
    longer = after_training(replace(trial, epochs=3), 0.1, 0)
    assert longer[room.DRIFT] > moved[room.DRIFT]
    assert longer[room.SPREAD] > 1.01


@pytest.mark.parametrize(
    ("drifts", "verdict"),
    [
        ({}, HOLDS),
        ({("He", "a tenth of it"): 0.05}, CONDITIONAL),
        ({("orthogonal", "a tenth of it"): 0.09}, CONDITIONAL),
        ({("He", "the best rate"): 0.05}, OPEN),
        ({("He", "the best rate"): 0.05, ("orthogonal", "the best rate"): 0.1}, OPEN),
        ({("He", "the best rate"): 0.05, ("orthogonal", "the best rate"): 0.08}, FAILS),
    ],
)
def test_the_rule_about_properties_that_do_not_persist(
    drifts: dict[tuple[str, str], float], verdict: Verdict
) -> None:
    found: list[Row] = []
    for at in room.AT:
        values = {name: drifts.get((name, at), 0.5) for name in room.SCHEMES}
        # One seed decides: it is lower than the others, which are above by 0.02.
        scores = {name: [each, each + 0.02] for name, each in values.items()}
        found += rows(room.DRIFT, scores, at)
        found += rows(room.SPREAD, {name: [2.0] for name in values}, at)

    assert judge_drift(found).verdict is verdict


def test_of_one_seed_sparse_and_dense_units_see_the_same_rows() -> None:
    first, again = (correlations("digits", 1) for _ in range(2))

    assert first == again
    assert first != correlations("digits", 2)
    for name in ("sparse", "dense"):
        assert 0 < first[name, room.CORRELATION] < first[name, room.SQUARE] < 1


def test_on_independent_inputs_the_mean_square_is_one_over_their_number() -> None:
    runs = [correlations(room.NORMAL, seed) for seed in range(4)]

    for name in ("sparse", "dense"):
        square = np.mean([run[name, room.SQUARE] ** 2 for run in runs])
        sampling = 1 / 1000  # of the rows
        assert square == pytest.approx(1 / 64 + sampling, rel=0.05)


@pytest.mark.parametrize(
    ("normal", "on_digits", "verdict"),
    [
        (near(0.3), near(0.3), HOLDS),
        (near(0.49), near(0.3), CONDITIONAL),
        (near(0.3), near(0.5), CONDITIONAL),
        (near(0.5), near(0.3), CONDITIONAL),
        (near(0.5), near(0.5), FAILS),
        (near(0.6), near(0.6), FAILS),
        (far_apart(0.3), far_apart(0.3), FAILS),
    ],
)
def test_the_rule_about_sparse_units(
    normal: list[float], on_digits: list[float], verdict: Verdict
) -> None:
    found: list[Row] = []
    for data, sparse in ((room.NORMAL, normal), ("digits", on_digits)):
        scores = {"sparse": sparse, "dense": near(0.5)}
        found += rows(room.CORRELATION, scores, data)
        found += rows(room.SQUARE, scores, data)

    assert judge_sparse(found).verdict is verdict
