"""The experiments on penalties: each part small, each rule on its own."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso, Ridge
from tests.claims.made_up import far_apart, near

from dlnotes.claims import Row, Verdict
from dlnotes.claims.evidence import rows
from dlnotes.claims.training import weight_decay as room
from dlnotes.claims.training.weight_decay import (
    PLAIN,
    as_task,
    chosen,
    dense,
    diabetes,
    ends,
    folds,
    grouped,
    initial,
    judge_cases,
    judge_overfitting,
    linear_losses,
    mean_loss,
    predicted,
    sparse,
    train_side_by_side,
)

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict
METHODS = (PLAIN, *room.RATIOS)


def test_folds_have_each_row_once() -> None:
    parts = folds(np.random.default_rng(0), 20)

    assert parts.shape == (5, 4)
    assert sorted(parts.ravel()) == list(range(20))


def test_the_strongest_of_the_best_is_chosen() -> None:
    assert chosen(np.array([3.0, 1.0, 1.0, 2.0]), [0.1, 0.2, 0.3, 0.4]) == 0.3


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_networks_side_by_side_learn_what_each_learns_alone(
    l1_ratio: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "STEPS", 20)
    rng = np.random.default_rng(0)
    X = torch.tensor(rng.normal(size=(2, 12, 3)), dtype=torch.float32)
    y = torch.tensor(rng.integers(4, size=(2, 12)))
    start, strengths = initial(rng, (3, 5, 4)), (0.001, 0.1)
    settings = {"l1_ratio": l1_ratio, "learning_rate": 0.01}

    together = train_side_by_side(start, X, y, strengths, **settings)

    for s, strength in enumerate(strengths):
        for k in range(2):
            net: Any = torch.nn.Sequential(
                torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 4)
            )
            layers: list[Any] = [net[0], net[2]]
            for layer, (W, _) in zip(layers, start, strict=True):
                layer.weight.data, layer.bias.data = (
                    W.T.clone(),
                    torch.zeros(W.shape[1]),
                )
            optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
            for _ in range(room.STEPS):
                loss = torch.nn.functional.cross_entropy(net(X[k]), y[k])
                for layer in layers:
                    loss = loss + strength * l1_ratio * layer.weight.abs().sum()
                    loss = (
                        loss + strength * (1 - l1_ratio) / 2 * layer.weight.norm() ** 2
                    )
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
            alone = torch.nn.functional.cross_entropy(net(X[k]), y[k]).item()
            found = mean_loss(together, X, y)[s, k].item()
            assert found == pytest.approx(alone, rel=1e-3)


def test_linear_models_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 4)) + 5, rng.normal(size=30) + 7
    others = rng.normal(size=(6, 4))

    ridge = predicted(X, y, others, "ridge", [0.1, 0.5])[1]
    lasso = predicted(X, y, others, "lasso", [0.01, 0.1])[0]
    plain = predicted(X, y, others, PLAIN, [])[0]

    np.testing.assert_allclose(ridge, Ridge(15).fit(X, y).predict(others))
    theirs = Lasso(0.01).fit(X, y).predict(others)
    np.testing.assert_allclose(lasso, theirs, rtol=1e-3)
    np.testing.assert_allclose(plain, Ridge(1e-9).fit(X, y).predict(others), rtol=1e-6)


def test_a_penalty_narrows_the_gap_where_there_are_as_many_weights_as_rows() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 25))
    task = as_task("made up", X, X[:, :1] + rng.normal(size=(60, 1)), 30)

    losses = {m: linear_losses(lambda _: task, m, (0.01, 0.3), 0) for m in METHODS}

    for name in room.RATIOS:
        assert losses[name][room.GAP] < losses[PLAIN][room.GAP]
        assert losses[name][room.TRAINING] > losses[PLAIN][room.TRAINING]
    assert losses[PLAIN][room.STRENGTH] == 0


def test_the_inputs_of_the_diabetes_data_are_standardized_with_their_products() -> None:
    task = diabetes(np.random.default_rng(0))

    X = task.train[0]
    assert X.shape == (150, 55)
    assert len(task.test[0]) == 200
    torch.testing.assert_close(X.mean(0), torch.zeros(55).double(), atol=1e-9, rtol=0)
    product = X[:, 0] * X[:, 1]
    assert torch.corrcoef(torch.stack([product, X[:, 10]]))[0, 1] > 0.999
    assert len(task.hashes) == 2


def test_the_cases_have_the_noise_and_the_structure_that_is_said() -> None:
    made = {each: each(np.random.default_rng(1)) for each in (dense, sparse, grouped)}

    for task in made.values():
        X, y = (torch.cat([a, b]) for a, b in zip(task.train, task.test, strict=True))
        assert X.shape == (1100, 200)
        assert len(task.train[0]) == 100
        w = torch.linalg.lstsq(X, y).solution
        noise = ((y - X @ w) ** 2).sum() / 900
        assert noise == pytest.approx(1, rel=0.15)
        assert (X @ w).var() / noise == pytest.approx(4, rel=0.3)
        matter = {dense: 200, sparse: 10, grouped: 40}
        made_of = next(each for each in made if made[each] is task)
        assert (w.abs() > 0.25).sum() <= matter[made_of]
    X = made[grouped].train[0]
    within = torch.corrcoef(X.T[:20]).mean()
    assert within == pytest.approx(0.905, abs=0.04)
    assert torch.corrcoef(X.T[:40])[0, 20:].abs().max() < 0.5


def losses_of(gap: dict[str, list[float]], test: dict[str, list[float]]) -> list[Row]:
    """Write rows in which all settings have the same losses."""
    return [
        row
        for data in room.SETTINGS
        for row in rows(room.GAP, gap, data) + rows(room.TEST, test, data)
    ]


@pytest.mark.parametrize(
    ("gap", "test", "verdict"),
    [
        (0.1, 0.3, HOLDS),
        (0.1, 0.5, OPEN),
        (0.3, 0.5, FAILS),
    ],
)
def test_the_rule_about_overfitting(gap: float, test: float, verdict: Verdict) -> None:
    gaps = {name: near(gap) for name in room.RATIOS} | {PLAIN: near(0.2)}
    tests = {name: near(test) for name in room.RATIOS} | {PLAIN: near(0.4)}

    assert judge_overfitting(losses_of(gaps, tests)).verdict is verdict


def test_a_lower_test_loss_in_some_settings_only_is_a_condition() -> None:
    gaps = {name: near(0.1) for name in room.RATIOS} | {PLAIN: near(0.2)}
    tests = {name: near(0.3) for name in room.RATIOS} | {PLAIN: near(0.4)}
    found = losses_of(gaps, tests)
    first = room.SETTINGS[0]
    k = next(
        k
        for k, row in enumerate(found)
        if (row.quantity, row.method, row.data) == (room.TEST, "ridge", first)
    )
    found[k] = Row(room.TEST, "ridge", first, tuple(far_apart(0.4)))

    ruling = judge_overfitting(found)

    assert ruling.verdict is CONDITIONAL
    assert first not in ruling.condition
    assert room.SETTINGS[1] in ruling.condition


@pytest.mark.parametrize(
    ("best", "clear", "verdict"),
    [
        (("ridge", "lasso", "lasso"), True, HOLDS),
        (("lasso", "lasso", "lasso"), True, FAILS),
        (("lasso", "lasso", "lasso"), False, CONDITIONAL),
        (("ridge", "lasso", "elastic net"), False, OPEN),
    ],
)
def test_the_rule_about_the_use_case(
    best: tuple[str, ...],
    clear: bool,  # noqa: FBT001
    verdict: Verdict,
) -> None:
    found: list[Row] = []
    for make, winner in zip(room.CASES, best, strict=True):
        values = near if clear else far_apart
        errors = {name: values(1.0) for name in room.RATIOS}
        errors[winner] = near(0.5)
        found += rows(room.ERROR, errors, make.__name__)

    assert judge_cases(found).verdict is verdict


def test_ends_of_the_grid_are_told() -> None:
    found = rows(room.STRENGTH, {"ridge": [1.0, 3.0], "lasso": [2.0, 2.0]}, "digits")

    assert ends(found, (1.0, 2.0, 3.0)).endswith(": 2 for ridge on digits.")
    assert ends(found, (0.5, 4.0)) == ""
