"""The experiment on Adadelta and Adagrad: what it measures, and its rule."""

from functools import partial

import numpy as np
import pytest
import torch

from dlnotes.claims import Row, Verdict
from dlnotes.claims.optimization.adadelta import (
    EPOCHS,
    GRADIENT,
    LOG_LOSS,
    UPDATE,
    judge_shrinkage,
    through_shift,
    trial,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import Task, digits

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


@pytest.mark.parametrize(
    ("updates", "epochs", "loss", "verdict"),
    [
        (0.5, 3.0, 0.1, HOLDS),
        (0.5, 5.0, 0.1, CONDITIONAL),
        (0.5, 3.0, 0.3, CONDITIONAL),
        (0.2, 3.0, 0.1, FAILS),
    ],
)
def test_the_rule_about_updates_that_shrink(
    updates: float, epochs: float, loss: float, verdict: Verdict
) -> None:
    values = {
        UPDATE: (updates, 0.2),
        GRADIENT: (0.3, 0.3),
        EPOCHS: (epochs, 5.0),
        LOG_LOSS: (loss, 0.0),
    }
    found = [
        Row(quantity, method, "digits", (value, value + 0.001))
        for quantity, pair in values.items()
        for method, value in zip(("Adadelta", "Adagrad"), pair, strict=True)
    ]

    assert judge_shrinkage(found).verdict is verdict


def few(rng: np.random.Generator) -> Task:
    """Draw a hundred digits."""
    return digits(rng, train=100, test=100)


def test_updates_of_gradient_descent_change_as_its_gradients_do() -> None:
    made = Trial("SGD", few, trial("", torch.optim.SGD).build, 4, torch.optim.SGD)

    found = through_shift(made, 0.1, seed=0)

    assert found[UPDATE] == pytest.approx(found[GRADIENT], rel=1e-3)
    assert found[EPOCHS] == 30


def test_a_rate_near_zero_learns_nothing_before_or_after_the_shift() -> None:
    still = partial(torch.optim.RMSprop, alpha=0.9)
    made = Trial("still", few, trial("", still).build, 4, still)

    found = through_shift(made, 1e-9, seed=0)

    assert found[EPOCHS] == 30
    assert found[LOG_LOSS] > np.log(2)
