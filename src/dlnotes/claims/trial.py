"""Training runs that differ in one thing, and the rows that they leave.

Seeds, here once for all claims: seed s fixes the rows that are drawn, how they are
split, the initial weights and the order of the batches, each by a generator of its own,
whatever is trained; so what the runs of one seed differ in is what they were meant to.
A claim is measured on seeds 0, 1, 2, ..., as many as its decorator says and from the
first that it names.  A learning rate is tuned on other seeds, 100 to 102, and there on
a fifth of the training rows that is held out, so no test row has a say in it; then it
is the same for all seeds.  Every method that is compared has the same values to choose
from.

The optimizers and the layers are PyTorch's, so that an edit of `dlnotes.optim` or
`dlnotes.nn` makes nothing stale; the tests show that these compute the same.  What
stands between layers is a section's function.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from dlnotes.claims import Finding, Row
from dlnotes.claims.evidence import TUNING_SEEDS, Ruling, at_ends, best_setting
from dlnotes.claims.progress import progress
from dlnotes.claims.rounding import disturbed
from dlnotes.lab.fit import History, fit, predict
from dlnotes.lab.models import ModelFactory
from dlnotes.lab.tasks import Task, TaskFactory, hold_out

Measure = Callable[["Trial", float, int], Mapping[str, float]]
RATE = "learning rate"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Trial:
    """All of a training run but its learning rate and its seed."""

    method: str
    make: TaskFactory
    build: ModelFactory
    epochs: int
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam
    batch_size: int = 64

    def start(
        self, seed: int, *, tuning: bool = False
    ) -> tuple[Task, nn.Module, np.random.Generator]:
        """Draw the rows, the initial weights, and what will order the batches."""
        _, weights, order = np.random.default_rng(seed).spawn(3)
        task = draw(self.make, seed, tuning=tuning)
        model = self.build(weights, task)
        with torch.no_grad():
            for each in model.parameters():
                values = disturbed(each.numpy(force=True))
                each.copy_(torch.as_tensor(values, device=each.device))
        return task, model, order

    def run(
        self,
        learning_rate: float,
        seed: int,
        *,
        tuning: bool = False,
        after_epoch: Callable[[History], bool] | None = None,
    ) -> tuple[Task, nn.Module, History]:
        """Train, and return what was learned from, what was learned, and how."""
        task, model, order = self.start(seed, tuning=tuning)
        history = self.train(learning_rate, task, model, order, after_epoch)
        return task, model, history

    def train(
        self,
        learning_rate: float,
        task: Task,
        model: nn.Module,
        order: np.random.Generator,
        after_epoch: Callable[[History], bool] | None = None,
    ) -> History:
        """Train what a trial starts with, and return how it went."""
        torch.set_num_threads(1)
        return fit(
            model,
            *task.train,
            loss=task.loss,
            optimizer=self.optimizer(model.parameters(), lr=learning_rate),
            epochs=self.epochs,
            batch_size=self.batch_size,
            rng=order,
            after_epoch=after_epoch,
        )

    def scores(
        self, learning_rate: float, seed: int, *, tuning: bool = False
    ) -> dict[str, float]:
        """Return the scores on the training and on the test rows."""
        task, model, _ = self.run(learning_rate, seed, tuning=tuning)
        return {
            f"{name} score": task.score(predict(model, X), y)
            for name, (X, y) in (("training", task.train), ("test", task.test))
        }

    def validation_score(self, learning_rate: float, seed: int) -> float:
        """Return the score on the fifth held out, the lowest if the loss diverges."""
        try:
            return self.scores(learning_rate, seed, tuning=True)["test score"]
        except FloatingPointError:
            return -np.inf

    def epochs_needed(
        self, learning_rate: float, seed: int, *, tuning: bool = False
    ) -> dict[str, float]:
        """Count the epochs until the mean loss of one is at most 0.1, or count all."""

        def low(history: History) -> bool:
            return bool(history.epoch_losses[-1] <= 0.1)

        try:
            *_, history = self.run(learning_rate, seed, tuning=tuning, after_epoch=low)
        except FloatingPointError:
            return {"epochs": float(self.epochs)}
        return {"epochs": float(len(history.epoch_losses))}

    def negative_epochs(self, learning_rate: float, seed: int) -> float:
        """Return minus the epochs needed on four fifths of the training rows."""
        return -self.epochs_needed(learning_rate, seed, tuning=True)["epochs"]


def draw(make: TaskFactory, seed: int, *, tuning: bool = False) -> Task:
    """Draw the task of a seed, once: trials that share a seed share its rows."""
    return _draw(make, seed, tuning, torch.get_default_device())


@lru_cache(maxsize=16)
def _draw(make: TaskFactory, seed: int, tuning: bool, _: torch.device) -> Task:  # noqa: FBT001  # a key of the cache
    rows, *_others = np.random.default_rng(seed).spawn(3)
    return hold_out(make(rows), rows) if tuning else make(rows)


def compare(
    trials: Sequence[Trial],
    measure: Measure,
    seeds: Sequence[int],
    grid: Sequence[float],
    score: Callable[[Trial, float, int], float] | None = None,
) -> list[Row]:
    """Tune the rate of each trial on other seeds, then measure it on these.

    A grid of one value needs no score, and leaves no row with the rate.
    """
    tuning = len(grid) * len(TUNING_SEEDS) if score else 0
    found: list[Row] = []
    with progress(range(len(trials) * (tuning + len(seeds)))) as bar:
        for trial in trials:
            bar.set_description(trial.method)
            rate = grid[0]
            if score:
                scored = partial(_counted, bar, partial(score, trial))
                rate = best_setting(scored, grid)
            measure_one = partial(_counted, bar, partial(measure, trial))
            values = [measure_one(rate, seed) for seed in seeds]
            data = draw(trial.make, seeds[-1]).name
            found += [
                Row(
                    quantity,
                    trial.method,
                    data,
                    tuple(each[quantity] for each in values),
                )
                for quantity in values[0]
            ]
            if score:
                found.append(Row(RATE, trial.method, data, (rate,)))
    return found


def _counted(
    bar: "tqdm[int]", call: Callable[[float, int], Result], rate: float, seed: int
) -> Result:
    """Call with a rate and a seed, and let the bar move on."""
    result = call(rate, seed)
    bar.update()
    return result


def finding(
    ruling: Ruling,
    rows: Sequence[Row],
    makers: Iterable[TaskFactory],
    seeds: Sequence[int],
    grid: Sequence[float] = (),
) -> Finding:
    """Say what was found, on what, and which tuned rates end their grid."""
    tasks = [draw(make, seeds[-1]) for make in makers]
    rates = {
        f"{row.method} on {row.data}" if tasks[1:] else row.method: row.values[0]
        for row in rows
        if row.quantity == RATE
    }
    return Finding(
        verdict=ruling.verdict,
        because=ruling.because,
        condition=ruling.condition,
        data="; ".join(map(str, tasks)),
        measured=tuple(rows),
        hashes={name: each for task in tasks for name, each in task.hashes.items()},
        remark=at_ends(rates, grid) if rates else "",
    )
