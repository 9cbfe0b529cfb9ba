"""The experiment on early stopping: its data and rows, and its rule on made-up rows."""

from collections.abc import Sequence

import numpy as np
import pytest

from dlnotes.claims import Row, Verdict
from dlnotes.claims.training import early_stopping as room
from dlnotes.claims.training.early_stopping import (
    Curves,
    curves,
    judge_early_stopping,
    measured,
    right_digits,
    with_patience,
    wrong_digits,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.models import HIDDEN_LAYERS, mlp

HOLDS, CONDITIONAL, FAILS, _ = Verdict


def test_a_fifth_of_the_training_labels_and_no_other_is_wrong() -> None:
    right, wrong = (
        make(np.random.default_rng(3)) for make in (right_digits, wrong_digits)
    )

    assert len(right.train[1]) == 400
    assert len(right.test[1]) == 600
    assert (right.train[1] != wrong.train[1]).sum() == 80
    assert 0 <= wrong.train[1].min() <= wrong.train[1].max() < 10
    assert (right.test[1] == wrong.test[1]).all()
    assert (right.train[0] == wrong.train[0]).all()


def test_curves_have_the_losses_of_each_part_after_each_epoch() -> None:
    trial = Trial("ReLU", right_digits, mlp(HIDDEN_LAYERS["ReLU"], 4), 3)

    found = curves(trial, 0)

    task, model, _ = trial.run(0.001, 0)
    X, y = task.test
    assert len(found.training) == len(found.validation) == len(found.test) == 3
    for loss, rows in ((found.validation, slice(100)), (found.test, slice(100, None))):
        wanted = task.loss(model(X[rows]), y[rows]).item()
        assert loss[-1] == pytest.approx(wanted, rel=1e-5)
    wanted = task.loss(model(task.train[0]), task.train[1]).item()
    assert found.training[-1] == pytest.approx(wanted, rel=1e-5)


def test_the_rows_have_the_test_loss_where_the_validation_loss_was_best() -> None:
    validation = np.concatenate(
        [np.linspace(4, 2, 9), np.full(6, 3), np.linspace(2, 1, 30)]
    )
    run = Curves(validation, validation, np.arange(45.0))

    found = {(row.quantity, row.method): row.values for row in measured([run], "d")}

    assert found[room.TEST, with_patience(5)] == (8.0,)
    assert found[room.STOPPED, with_patience(5)] == (13.0,)
    assert found[room.TEST, with_patience(20)] == (44.0,)
    assert found[room.TEST, room.LAST] == (44.0,)
    assert found[room.RISE, "200 epochs"] == (1.0,)


def rows(data: str, rising: int, saved: Sequence[float]) -> list[Row]:
    """Make up rows: for how many seeds the loss rises, and what stopping saves."""
    rise = tuple(1.05 if k < rising else 1.04 for k in range(5))
    kept = tuple(1.0 - each for each in saved)
    return [
        Row(room.RISE, "200 epochs", data, rise),
        Row(room.TEST, room.LAST, data, (1.0,) * 5),
        Row(room.TEST, with_patience(20), data, kept),
    ]


MUCH, LITTLE = (0.1, 0.2, 0.1, 0.2, 0.1), (0.1, -0.1, 0.2, -0.1, 0.0)


@pytest.mark.parametrize(
    ("wrong", "right", "verdict"),
    [
        ((4, MUCH), (4, MUCH), HOLDS),
        ((4, MUCH), (3, MUCH), CONDITIONAL),
        ((4, MUCH), (5, LITTLE), CONDITIONAL),
        ((5, LITTLE), (5, MUCH), FAILS),
        ((1, MUCH), (5, MUCH), FAILS),
        ((3, MUCH), (5, MUCH), Verdict.OPEN),
    ],
)
def test_the_rule_about_early_stopping(
    wrong: tuple[int, Sequence[float]],
    right: tuple[int, Sequence[float]],
    verdict: Verdict,
) -> None:
    ruling = judge_early_stopping([*rows("wrong", *wrong), *rows("right", *right)])

    assert ruling.verdict is verdict
    assert f"{wrong[0]} of 5 seeds" in ruling.because
