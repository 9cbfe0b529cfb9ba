"""Experiments put together, with made-up measurements."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from dlnotes.claims import Row
from dlnotes.claims.networks import activations, rectifiers
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import Task, moons


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[Trial]:
    """The trials that an experiment compares; each is measured to be 0.95."""
    found: list[Trial] = []

    def fake(
        trials: Sequence[Trial], measure: Any, seeds: Any, grid: Any, score: Any
    ) -> list[Row]:
        found.extend(trials)
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
    return found


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few points in the place of many pictures."""

    def few(rng: np.random.Generator) -> Task:
        return moons(rng, train=150, test=20, noise=0.1)

    monkeypatch.setattr(rectifiers, "fashion_mnist", few)
