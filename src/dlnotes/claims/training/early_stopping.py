"""Claims about stopping where the validation error is lowest."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    by_method,
    datasets,
    decide,
    interval,
    rows,
    significantly_below,
)
from dlnotes.claims.progress import progress
from dlnotes.claims.trial import Trial, draw, finding
from dlnotes.lab.fit import History, predict
from dlnotes.lab.models import HIDDEN_LAYERS, mlp
from dlnotes.lab.tasks import Task, digits
from dlnotes.training.early_stopping import early_stopping_epoch

EPOCHS, PATIENCES = 200, (5, 20, 50)
RISE, TEST = "last over lowest validation loss", "test loss"
LAST, KEPT, STOPPED = "the last epoch", "the best epoch", "last epoch run"
CASES = ("a fifth of the training labels wrong", "no wrong labels")


def right_digits(rng: np.random.Generator) -> Task:
    """Draw 400 digits to learn from, then 100 to validate on and 500 to test on."""
    return replace(digits(rng, train=400, test=600), name=f"digits, {CASES[1]}")


def wrong_digits(rng: np.random.Generator) -> Task:
    """Give 80 of the 400 training digits a label that is not theirs."""
    task = right_digits(rng)
    X, y = task.train
    mislabeled = torch.tensor(rng.choice(len(y), size=len(y) // 5, replace=False))
    shift = torch.tensor(rng.integers(1, 10, size=len(mislabeled)))
    y = y.clone()
    y[mislabeled] = (y[mislabeled] + shift) % 10
    return replace(task, name=f"digits, {CASES[0]}", train=(X, y))


@dataclass(frozen=True, eq=False)
class Curves:
    """The loss on each part of the data after each epoch of a run."""

    training: NDArray[np.float64]
    validation: NDArray[np.float64]
    test: NDArray[np.float64]


def curves(trial: Trial, seed: int) -> Curves:
    """Train, and look at all losses after each epoch."""
    task, model, order = trial.start(seed)
    (X, y), parts = task.test, [task.train]
    parts += [(X[:100], y[:100]), (X[100:], y[100:])]
    seen: list[list[float]] = []

    def look(_: History) -> bool:
        seen.append([task.loss(predict(model, X), y).item() for X, y in parts])
        return False

    trial.train(0.001, task, model, order, after_epoch=look)
    return Curves(*np.array(seen).T)


@claim("claim-early-stopping")
def early_stopping(seeds: Sequence[int]) -> Finding:
    """Validation error falls, then rises; it helps to stop there; patience controls it.

    A network with 256 rectified hidden units learns 400 digits by Adam at the rate
    0.001, in 200 epochs of batches of 64, with a fifth of the training labels wrong and
    with none wrong.  The loss on 100 other digits is looked at after each epoch, and
    the test loss on 500.  Measured are the rise, the last validation loss over the
    lowest, and the test loss at the end and at the best epoch, as early stopping with a
    patience of 5, 20 and 50 epochs restores it.

    It holds if, with and without wrong labels, the rise is at least 1.05 for at least
    four seeds of five, and the test loss at the best epoch is lower than at the end, by
    a paired difference whose 95 percent interval excludes zero, for a patience of 20.
    It holds conditionally if that is so with wrong labels only.  It fails if with wrong
    labels the rise is below 1.05 for four seeds of five, or the test loss is not lower.
    """
    found: list[Row] = []
    for make in progress((wrong_digits, right_digits), "data"):
        trial = Trial("ReLU", make, mlp(HIDDEN_LAYERS["ReLU"], 256), EPOCHS)
        found += measured(
            [curves(trial, seed) for seed in seeds], draw(make, seeds[-1]).name
        )
    makers = (wrong_digits, right_digits)
    return finding(judge_early_stopping(found), found, makers, seeds)


def measured(runs: Sequence[Curves], data: str) -> list[Row]:
    """Say how far the loss rises, and what each patience would have kept."""
    rise = [run.validation[-1] / run.validation.min() for run in runs]
    tests, last = {LAST: [run.test[-1] for run in runs]}, {}
    for patience in PATIENCES:
        name = with_patience(patience)
        best, stop = zip(*(stopped(run, patience) for run in runs), strict=True)
        tests[name] = [run.test[k] for run, k in zip(runs, best, strict=True)]
        last[name] = [*stop]
    return [
        *rows(RISE, {f"{EPOCHS} epochs": rise}, data),
        *rows(TEST, tests, data),
        *rows(STOPPED, last, data),
    ]


def stopped(run: Curves, patience: int) -> tuple[int, int]:
    """Say which epoch early stopping keeps, and which is the last."""
    return early_stopping_epoch(run.validation, patience=patience)


def with_patience(patience: int) -> str:
    """Name the method."""
    return f"{KEPT}, patience {patience}"


def judge_early_stopping(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about early stopping."""
    holds, fails, said = {}, {}, []
    method = with_patience(20)
    for data in datasets(found, RISE):
        (rise,) = by_method(found, RISE, data).values()
        tests = by_method(found, TEST, data)
        rising, enough = sum(each >= 1.05 for each in rise), 0.8 * len(rise)
        lower = significantly_below(tests[method], tests[LAST])
        holds[data] = rising >= enough and lower
        fails[data] = len(rise) - rising >= enough or not lower
        said.append(
            f"On {data}, the last validation loss is in the mean "
            f"{statistics.fmean(rise):.3g} times the lowest, and at least 1.05 times "
            f"for {rising} of {len(rise)} seeds; with a patience of 20 "
            f"{compared(tests)}."
        )
    wrong, right = datasets(found, RISE)
    verdict = decide(
        confirmed=holds[wrong] and holds[right],
        conditional=holds[wrong],
        refuted=fails[wrong],
    )
    return Ruling(verdict, " ".join(said), f"with {CASES[0]}")


def compared(tests: Mapping[str, Sequence[float]]) -> str:
    """Say the test losses, at the end and where a patience of 20 goes back to."""
    kept, last = tests[with_patience(20)], tests[LAST]
    low, high = interval([a - b for a, b in zip(kept, last, strict=True)])
    return (
        f"the test loss is {statistics.fmean(kept):.3g} in the place of "
        f"{statistics.fmean(last):.3g} at the end (the difference is {low:.2g} to "
        f"{high:.2g})"
    )
