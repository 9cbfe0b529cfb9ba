"""Training runs that differ in one thing, and what they say about it.

A seed fixes the rows, the initial weights and the order of the batches, whatever is
trained; so what the runs of one seed differ in is what they were meant to.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from dlnotes.claims import Finding
from dlnotes.claims.evidence import Ruling, best_setting
from dlnotes.lab.fit import History, fit, predict
from dlnotes.lab.tasks import Task, hold_out

TaskFactory = Callable[[np.random.Generator], Task]
ModelFactory = Callable[[np.random.Generator, Task], nn.Module]
Measure = TypeVar("Measure")


@dataclass(frozen=True)
class Trial:
    """All of a training run but its rate and its seed."""

    make: TaskFactory
    build: ModelFactory
    optimizer: Callable[..., torch.optim.Optimizer]
    epochs: int

    def start(
        self, seed: int, *, tuning: bool = False
    ) -> tuple[Task, nn.Module, np.random.Generator]:
        """Draw the rows, the initial weights, and what will order the batches."""
        rows, weights, order = np.random.default_rng(seed).spawn(3)
        task = hold_out(self.make(rows), rows) if tuning else self.make(rows)
        return task, self.build(weights, task), order

    def run(
        self,
        learning_rate: float,
        seed: int,
        *,
        tuning: bool = False,
        after_epoch: Callable[[History], bool] | None = None,
    ) -> tuple[Task, nn.Module, History]:
        """Train, and return what was learned from, what was learned, and how."""
        torch.set_num_threads(1)
        task, model, order = self.start(seed, tuning=tuning)
        history = fit(
            model,
            *task.train,
            loss=task.loss,
            optimizer=self.optimizer(model.parameters(), lr=learning_rate),
            epochs=self.epochs,
            rng=order,
            after_epoch=after_epoch,
        )
        return task, model, history

    def scores(
        self, learning_rate: float, seed: int, *, tuning: bool = False
    ) -> tuple[float, float]:
        """Return the scores on the training and on the test rows."""
        task, model, _ = self.run(learning_rate, seed, tuning=tuning)
        (X, y), (X_test, y_test) = task.train, task.test
        train, test = predict(model, X), predict(model, X_test)
        return task.score(train, y), task.score(test, y_test)

    def validation_score(self, learning_rate: float, seed: int) -> float:
        """Return the score on the fifth held out, the lowest if the loss diverges."""
        try:
            return self.scores(learning_rate, seed, tuning=True)[1]
        except FloatingPointError:
            return -np.inf

    def epochs_needed(
        self, learning_rate: float, seed: int, *, tuning: bool = False
    ) -> float:
        """Count the epochs until the mean loss of one is at most 0.1, or count all."""

        def low(history: History) -> bool:
            return bool(history.epoch_losses[-1] <= 0.1)

        try:
            *_, history = self.run(learning_rate, seed, tuning=tuning, after_epoch=low)
        except FloatingPointError:
            return float(self.epochs)
        return float(len(history.epoch_losses))

    def negative_epochs(self, learning_rate: float, seed: int) -> float:
        """Return minus the epochs needed on four fifths of the training rows."""
        return -self.epochs_needed(learning_rate, seed, tuning=True)


def compare(
    trials: Mapping[str, Trial],
    score: Callable[[Trial, float, int], float],
    measure: Callable[[Trial, float, int], Measure],
    grid: Sequence[float],
    seeds: Sequence[int],
) -> tuple[dict[str, float], dict[str, list[Measure]]]:
    """Tune the rate of each trial on other seeds, then measure it on these."""
    rates, measured = {}, {}
    for name, trial in tqdm(trials.items(), disable=None):
        rates[name] = best_setting(partial(score, trial), grid)
        measured[name] = [measure(trial, rates[name], seed) for seed in seeds]
    return rates, measured


def report(
    ruling: Ruling,
    measured: dict[str, list[float]],
    makers: Iterable[TaskFactory],
    rates: Mapping[str, float] | None = None,
    grid: Sequence[float] = (),
) -> Finding:
    """Say what was found, on what, at which rates, and whether one ends its grid."""
    tasks = [make(np.random.default_rng(0)) for make in makers]
    rates = rates or {}
    ends = [name for name in rates if rates[name] in grid[:: len(grid) - 1]]
    remark = f"The best rate ends the grid for {join_words(ends)}." if ends else ""
    return Finding(
        *ruling,
        data="; ".join(map(str, tasks)),
        measured=measured | {f"rate, {name}": [rates[name]] for name in rates},
        hashes={name: each for task in tasks for name, each in task.hashes.items()},
        remark=remark,
    )
