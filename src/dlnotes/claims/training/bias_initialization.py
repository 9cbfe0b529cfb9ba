"""Claims about the biases that training begins with."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    Scores,
    by_method,
    datasets,
    decide,
    format_means,
    interval,
    rows,
    significantly_above,
)
from dlnotes.claims.trial import Trial, compare, finding
from dlnotes.lab.fit import predict
from dlnotes.lab.models import HIDDEN_LAYERS, mlp
from dlnotes.lab.tasks import Task, digits
from dlnotes.wording import join_words

DIGITS = partial(digits, test=500)
MOMENTUM = partial(torch.optim.SGD, momentum=0.9)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
EPOCHS, BATCH = 20, 50
TEST = "test accuracy, %"


@dataclass(frozen=True)
class Biased:
    """A network whose hidden biases begin at a number, or as PyTorch's do.

    Those of PyTorch are uniform up to 1 over the square root of the number of inputs.
    """

    units: str
    widths: tuple[int, ...]
    bias: float | None

    def __call__(self, rng: np.random.Generator, task: Task) -> nn.Module:
        """Draw weights, the same whatever the biases are, and then biases."""
        model = mlp(HIDDEN_LAYERS[self.units], *self.widths)(rng, task)
        for layer in model.get_submodule("hidden").children():
            W, b = layer.parameters()
            limit = W.shape[1] ** -0.5
            uniform = torch.tensor(rng.uniform(-limit, limit, size=len(b))).float()
            b.data = uniform if self.bias is None else torch.full_like(b, self.bias)
        return model

    def trial(self, method: str) -> Trial:
        """Train it by momentum on digits."""
        return Trial(method, DIGITS, self, EPOCHS, MOMENTUM, BATCH)


def validation_accuracy(trial: Trial, rate: float, seed: int) -> float:
    """Return the accuracy on the fifth of the training rows that is held out."""
    return trial.validation_score(rate, seed)


def test_accuracy(trial: Trial, rate: float, seed: int) -> dict[str, float]:
    """Train, and return the percent of the test rows that are right."""
    return {TEST: 100 * trial.scores(rate, seed)["test score"]}


test_accuracy.__test__ = False  # type: ignore[attr-defined]  # its name means another test


# Zero


ZERO, UNIFORM, TENTH = "0", "uniform", "0.1"
STARTS = {ZERO: 0.0, UNIFORM: None, TENTH: 0.1}
UNITS = ("ReLU", "tanh")


@claim("claim-zero-bias-fine", seeds=10)
def zero_bias_fine(seeds: Sequence[int]) -> Finding:
    """Zero biases are fine when weights are random.

    Networks with two hidden layers of 64 units learn 1,000 digits in 20 epochs of
    batches of 50, by momentum 0.9.  The units are ReLUs, with weights after He, or
    tanh, with weights after Glorot.  Hidden biases begin at 0, at 0.1, or uniform up to
    1 over the square root of the number of inputs; each has its own learning rate, the
    best of six on rows held out, on other seeds.  Measured is the accuracy on 500
    test rows, in percent, and of it the paired difference, zero minus each other.

    It holds if the 95 percent interval of the difference lies within -1 and 1 points in
    all four comparisons.  It holds conditionally if it does in two or three, and lies
    below -1 in none.  It fails if it lies below -1 in one.
    """
    found: list[Row] = []
    for units in UNITS:
        trials = [
            Biased(units, (64, 64), bias).trial(f"{units}, {name}")
            for name, bias in STARTS.items()
        ]
        found += compare(trials, test_accuracy, seeds, RATES, validation_accuracy)
    return finding(judge_zero(found), found, [DIGITS], seeds, RATES)


def judge_zero(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about zero biases."""
    right = by_method(found, TEST, datasets(found, TEST)[0])
    within, below, said = [], [], []
    for units in UNITS:
        zero = right[f"{units}, {ZERO}"]
        for name in (UNIFORM, TENTH):
            other = right[f"{units}, {name}"]
            low, high = interval([a - b for a, b in zip(zero, other, strict=True)])
            within += [f"{units} against {name}"] * (low >= -1 and high <= 1)
            below.append(high < -1)
            said.append(f"{low:.2f} to {high:.2f} for {units} against {name}")
    verdict = decide(
        confirmed=len(within) == 4,
        conditional=len(within) >= 2 and not any(below),
        refuted=any(below),
    )
    because = (
        f"Percent right: {format_means(right)}. Zero minus the other: "
        f"{join_words(said)}."
    )
    return Ruling(verdict, because, f"for {join_words(within or ['none'])}")


# A positive bias for ReLU


DEPTHS = (2, 5, 10)
SMALL, LARGE = ("0.01", "0.1"), "1"
INACTIVE = "inactive at the start, %"
DEAD = "dead units at the start, %"


@claim("claim-positive-bias-relu", seeds=10)
def positive_bias_relu(seeds: Sequence[int]) -> Finding:
    """A small positive bias (0.01 or 0.1) for ReLU avoids early saturation.

    Networks with 2, 5 and 10 hidden layers of 64 ReLUs, their weights after He, learn
    1,000 digits in 20 epochs of batches of 50, by momentum 0.9.  Hidden biases begin at
    0, 0.01 or 0.1, and for comparison at 1; at each depth each has its own learning
    rate, the best of six on rows held out, on other seeds.  Measured is the share of
    pairs of a hidden unit and a training row that are inactive before training, in
    percent, and the accuracy on 500 test rows.  Noted is the share of units that are
    dead before training.

    It holds if, for 0.01 or for 0.1, at two depths or more, the mean inactive share is
    lower than with 0 by at least 5 points, and the accuracy is higher (interval of the
    paired difference).  It holds conditionally if the share is lower by 5 points at
    some depth.  It fails if it is lower by less than 5 points at every depth for both.
    """
    found: list[Row] = []
    for depth in DEPTHS:
        trials = [
            Biased("ReLU", (64,) * depth, float(bias)).trial(f"{bias}, {layers(depth)}")
            for bias in ("0", *SMALL, LARGE)
        ]
        found += compare(trials, test_accuracy, seeds, RATES, validation_accuracy)
        for trial in trials:
            runs = [at_start(trial, seed) for seed in seeds]
            for quantity in runs[0]:
                found += rows(quantity, {trial.method: [run[quantity] for run in runs]})
    return finding(judge_positive(found), found, [DIGITS], seeds, RATES)


def layers(depth: int) -> str:
    """Name the networks of a depth."""
    return f"{depth} layers"


def at_start(trial: Trial, seed: int) -> dict[str, float]:
    """Count what is inactive, and what is dead, on the training rows."""
    task, model, _ = trial.start(seed)
    X, inactive, dead = task.train[0], [], []
    for layer in model.get_submodule("hidden").children():
        Z = predict(layer, X)
        inactive.append(float((Z <= 0).double().mean()))
        dead.append(float((Z <= 0).all(dim=0).double().mean()))
        X = torch.relu(Z)
    return {
        INACTIVE: 100 * statistics.fmean(inactive),
        DEAD: 100 * statistics.fmean(dead),
    }


def means(scores: Scores, depth: int) -> str:
    """Say the mean with each bias."""
    biases = ("0", *SMALL, LARGE)
    of_depth = [statistics.fmean(scores[f"{bias}, {layers(depth)}"]) for bias in biases]
    return join_words([f"{mean:.3g}" for mean in of_depth])


def judge_positive(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about a small positive bias."""
    inactive = by_method(found, INACTIVE)
    right = by_method(found, TEST, datasets(found, TEST)[0])
    both: dict[str, list[int]] = {bias: [] for bias in SMALL}
    fewer, said = [], []
    for depth in DEPTHS:
        zero = f"0, {layers(depth)}"
        said.append(
            f"with {layers(depth)} {means(inactive, depth)} percent are inactive at "
            f"the start, and {means(right, depth)} percent right at the end"
        )
        for bias in SMALL:
            name = f"{bias}, {layers(depth)}"
            gain = statistics.fmean(inactive[zero]) - statistics.fmean(inactive[name])
            if gain >= 5:
                fewer.append(f"{bias} in {layers(depth)}")
                if significantly_above(right[name], right[zero]):
                    both[bias].append(depth)
    verdict = decide(
        confirmed=any(len(depths) >= 2 for depths in both.values()),
        conditional=bool(fewer),
        refuted=not fewer,
    )
    higher = sum(map(len, both.values()))
    condition = (
        f"for the share of inactive pairs, with {join_words(fewer or ['none'])}, and "
        f"for the accuracy too in {higher} of these {len(fewer)} cases"
    )
    because = f"Biases of 0, 0.01, 0.1 and 1: {'; '.join(said)}."
    return Ruling(verdict, because, condition)
