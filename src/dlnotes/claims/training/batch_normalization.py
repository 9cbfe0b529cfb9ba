"""Claims about batch normalization."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    best_setting,
    by_method,
    decide,
    format_means,
    interval,
    rows,
    significantly_above,
    significantly_below,
)
from dlnotes.claims.progress import progress
from dlnotes.claims.rounding import disturbed
from dlnotes.claims.trial import RATE, Trial, compare, finding
from dlnotes.lab.fit import History, predict
from dlnotes.lab.metrics import accuracy
from dlnotes.lab.tasks import Task, TaskFactory, digits, standardize
from dlnotes.training.batch_normalization import batch_norm_forward
from dlnotes.wording import join_words

PLAIN, NORMALIZED = "without", "with"
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
ACCURACY = "test accuracy in percent"


@dataclass(frozen=True)
class Net:
    """Hidden layers with ReLU, and where batch normalization stands."""

    widths: tuple[int, ...]
    hidden: bool = False  # after each hidden linear layer, before ReLU
    inputs: bool = False
    outputs: bool = False
    gain: float = 2.0  # the variance of a weight times the inputs of its unit
    scale: float = 1.0  # by what all weights are multiplied
    dropout: float = 0.0

    def __call__(self, rng: np.random.Generator, task: Task) -> nn.Module:
        """Draw the network for a task; its biases are zero."""
        width = task.train[0].shape[1]
        layers: list[nn.Module] = [nn.BatchNorm1d(width)] if self.inputs else []
        for units in self.widths:
            layers.append(self.linear(rng, width, units))
            layers += [nn.BatchNorm1d(units)] if self.hidden else []
            layers.append(nn.ReLU())
            layers += [nn.Dropout(self.dropout)] if self.dropout else []
            width = units
        layers.append(self.linear(rng, width, task.outputs))
        layers += [nn.BatchNorm1d(task.outputs)] if self.outputs else []
        torch.manual_seed(int(rng.integers(2**31)))  # of dropout
        return nn.Sequential(*layers)

    def linear(self, rng: np.random.Generator, inputs: int, units: int) -> nn.Linear:
        """Draw a layer."""
        layer, std = nn.Linear(inputs, units), self.scale * (self.gain / inputs) ** 0.5
        weights = rng.normal(0, std, layer.weight.shape)
        layer.weight.data = torch.tensor(weights).float()
        layer.bias.data.zero_()
        return layer


def accuracy_reached(trial: Trial, rate: float, seed: int) -> dict[str, float]:
    """Train, and return the accuracy on the test rows; that of a guess if it fails."""
    try:
        return {ACCURACY: 100 * trial.scores(rate, seed)["test score"]}
    except FloatingPointError:
        return {ACCURACY: 100 / draw_outputs(trial, seed)}


def draw_outputs(trial: Trial, seed: int) -> int:
    """Return how many classes a trial tells apart."""
    return trial.start(seed)[0].outputs


# In place of standardized inputs


def table(name: str, rng: np.random.Generator) -> Task:
    """Draw 70 percent of a table of scikit-learn to learn from, on its own scale."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    seed = int(rng.integers(2**32))
    split = train_test_split(X, y, train_size=0.7, stratify=y, random_state=seed)
    X_train, X_test, y_train, y_test = split
    return Task(
        name=name.replace("_", " "),
        train=labeled(X_train, y_train),
        test=labeled(X_test, y_test),
        outputs=len(np.unique(y)),
        loss=nn.functional.cross_entropy,
        score=accuracy,
    )


def labeled(X: NDArray[Any], y: NDArray[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Make tensors of instances and labels."""
    return torch.tensor(X).float(), torch.tensor(y)


def standardized(name: str, rng: np.random.Generator) -> Task:
    """Draw the same rows, with each input standardized."""
    return replace(standardize(table(name, rng)), name=name.replace("_", " "))


NAMES = ("wine", "breast_cancer", "digits")
TABLES = {name: partial(table, name) for name in NAMES}
SCALED = {name: partial(standardized, name) for name in NAMES}
RAW, SCALER, FIRST = "raw inputs", "standardized inputs", "batch normalization first"


@claim("claim-bn-input-standardisation", seeds=10)
def input_standardization(seeds: Sequence[int]) -> Finding:
    """Batch normalization as the first layer makes standardizing inputs unnecessary.

    On wine, breast cancer and the digits of scikit-learn on their own scales, 70
    percent of the rows, each class by its share, train 64 hidden ReLU units for 60
    epochs of Adam at 0.01 on batches of 32: with raw inputs, with inputs standardized
    by the training rows, and with raw inputs and batch normalization as the first
    layer.  Measured is the test accuracy in percent.

    It holds if the interval of the difference, batch normalization less standardized
    inputs, lies within 2 points of zero on all three.  It holds conditionally if on one
    or two, and fails if it lies below -2 on two or more.
    """
    found: list[Row] = []
    for name in NAMES:
        methods: dict[str, tuple[TaskFactory, Net]] = {
            RAW: (TABLES[name], Net((64,))),
            SCALER: (SCALED[name], Net((64,))),
            FIRST: (TABLES[name], Net((64,), inputs=True)),
        }
        trials = [
            Trial(method, make, build, 60, batch_size=32)
            for method, (make, build) in methods.items()
        ]
        found += compare(trials, accuracy_reached, seeds, (0.01,))
    return finding(judge_inputs(found), found, TABLES.values(), seeds)


def judge_inputs(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about inputs."""
    equal, worse, said = [], 0, []
    for name in (each.replace("_", " ") for each in NAMES):
        scores = by_method(found, ACCURACY, name)
        pairs = zip(scores[FIRST], scores[SCALER], strict=True)
        low, high = interval([ours - theirs for ours, theirs in pairs])
        equal += [name] * (low >= -2 and high <= 2)
        worse += high < -2
        said.append(
            f"On {name} the accuracies are {format_means(scores)}; the difference is "
            f"between {low:.1f} and {high:.1f} points."
        )
    verdict = decide(
        confirmed=len(equal) == len(NAMES), conditional=bool(equal), refuted=worse > 1
    )
    return Ruling(verdict, " ".join(said), f"on {join_words(equal or ['none'])}")


# Overfitting


FEW = partial(digits, train=200, test=500)
SIZES = (8, 32, 200)
GAP = "test loss less training loss"
REMEDIES: dict[str, tuple[Net, float]] = {
    PLAIN: (Net((128, 128)), 0.0),
    NORMALIZED: (Net((128, 128), hidden=True), 0.0),
    "dropout 0.5": (Net((128, 128), dropout=0.5), 0.0),
    "weight decay 0.1": (Net((128, 128)), 0.1),
}


@claim("claim-bn-prevents-overfitting", seeds=10)
def prevents_overfitting(seeds: Sequence[int]) -> Finding:
    """Batch normalization prevents overfitting.

    Two hidden layers of 128 ReLU units learn 200 digits in 100 epochs of Adam at 0.001,
    on batches of 8, 32 and 200, with and without batch normalization of the hidden
    layers.  Beside them are dropout of 0.5 and decoupled weight decay of 0.1.  Measured
    are, on 500 other digits and without noise, the test loss less the training loss,
    and the test accuracy in percent.

    It holds if at all three batch sizes batch normalization lowers the gap and raises
    the accuracy, by the paired intervals.  It holds conditionally if it does both at
    one or two.  It fails if it lowers the gap at none.
    """
    found: list[Row] = []
    for size in SIZES:
        trials = [
            Trial(name, FEW, build, 100, decaying(decay), batch_size=size)
            for name, (build, decay) in REMEDIES.items()
        ]
        measured = compare(trials, gap_and_accuracy, seeds, (0.001,))
        found += [replace(row, data=batches(size)) for row in measured]
    return finding(judge_overfitting(found), found, [FEW], seeds)


def decaying(decay: float) -> Callable[..., torch.optim.Optimizer]:
    """Return Adam with decoupled weight decay."""
    return partial(torch.optim.AdamW, weight_decay=decay)


def batches(size: int) -> str:
    """Name a batch size."""
    return f"batches of {size}"


def gap_and_accuracy(trial: Trial, rate: float, seed: int) -> dict[str, float]:
    """Train, and compare the losses on the training and on the test rows."""
    task, model, _ = trial.run(rate, seed)
    (X, y), (X_test, y_test) = task.train, task.test
    losses = [
        float(task.loss(predict(model, each), labels).mean())
        for each, labels in ((X, y), (X_test, y_test))
    ]
    score = task.score(predict(model, X_test), y_test)
    return {GAP: losses[1] - losses[0], ACCURACY: 100 * score}


def judge_overfitting(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about overfitting."""
    smaller, both, said = [], [], []
    for data in map(batches, SIZES):
        gaps, scores = (by_method(found, each, data) for each in (GAP, ACCURACY))
        less = significantly_below(gaps[NORMALIZED], gaps[PLAIN])
        more = significantly_above(scores[NORMALIZED], scores[PLAIN])
        smaller += [data] * less
        both += [data] * (less and more)
        said.append(
            f"On {data} the gap is {format_means(gaps)}, and the accuracy "
            f"{format_means(scores)}."
        )
    verdict = decide(
        confirmed=len(both) == len(SIZES), conditional=bool(both), refuted=not smaller
    )
    return Ruling(verdict, " ".join(said), f"with {join_words(both or ['none'])}")


# Scale


INPUT_SCALES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
WEIGHT_SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)
INPUTS, WEIGHTS = "inputs times", "initial weights times"
CHANGE = "largest change of the normalized outputs"
BUILDS = {
    PLAIN: Net((64, 64)),
    NORMALIZED: Net((64, 64), hidden=True, outputs=True),
}


def multiplied(factor: float, rng: np.random.Generator) -> Task:
    """Draw the digits, with all inputs multiplied."""
    task = digits(rng)
    (X, y), (X_test, y_test) = task.train, task.test
    return replace(task, train=(factor * X, y), test=(factor * X_test, y_test))


MULTIPLIED = {factor: partial(multiplied, factor) for factor in INPUT_SCALES}


@claim("claim-bn-scale-robust", seeds=5)
def scale_robust(seeds: Sequence[int]) -> Finding:
    """Batch normalization makes training robust to the scale of inputs and weights.

    Two hidden layers of 64 ReLU units learn the digits in 20 epochs of SGD on batches
    of 50, with and without batch normalization after each linear layer.  The rate of
    each is tuned at scale 1, from 0.003 to 1.  Then the inputs are multiplied by 0.001
    to 1000, or the initial weights by 0.1 to 10.  Measured is the test accuracy in
    percent; a run whose loss diverges counts as a guess.  The spread is the highest
    less the lowest mean of a method over the scales.  Measured exactly, in double
    precision, is how much batch normalization without epsilon changes when its inputs
    are multiplied by 0.1 to 10.

    It holds if with batch normalization both spreads are at most 2 points, without it
    both are at least 10, and the change is at most 1e-5.  It holds conditionally if
    with it the spread is at most 2 points over three decades of the scale of inputs or
    more, but not over all.  It fails if one spread is not smaller with it than without.
    """
    found: list[Row] = []
    for method, build in BUILDS.items():
        trial = Trial(method, digits, build, 20, torch.optim.SGD, batch_size=50)
        rate = best_setting(trial.validation_score, RATES)
        found.append(Row(RATE, method, "digits", (rate,)))
        cases = {
            f"{INPUTS} {factor:g}": replace(trial, make=make)
            for factor, make in MULTIPLIED.items()
        } | {
            f"{WEIGHTS} {factor:g}": replace(trial, build=replace(build, scale=factor))
            for factor in WEIGHT_SCALES
        }
        for case, each in progress([*cases.items()], method):
            values = [accuracy_reached(each, rate, seed)[ACCURACY] for seed in seeds]
            found += rows(ACCURACY, {method: values}, case)
    changes = [largest_change(seed) for seed in seeds]
    found += rows(CHANGE, {"batch normalization": changes}, "normal numbers")
    return finding(judge_scale(found), found, [digits], seeds, RATES)


def largest_change(seed: int) -> float:
    """Normalize the outputs of a layer, and again with its weights multiplied."""
    rng = np.random.default_rng(seed)
    X, W = rng.normal(size=(50, 20)), disturbed(rng.normal(size=(20, 10)))
    normalize = partial(
        batch_norm_forward, gamma=np.ones(10), beta=np.zeros(10), epsilon=0.0
    )
    before, *_ = normalize(X @ W)
    after = [normalize(X @ (a * W))[0] for a in np.geomspace(0.1, 10, 21)]
    return float(np.abs(np.stack(after) - before).max())


def judge_scale(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about scale."""
    means = {
        (kind, method): [
            float(np.mean(by_method(found, ACCURACY, f"{kind} {factor:g}")[method]))
            for factor in factors
        ]
        for kind, factors in ((INPUTS, INPUT_SCALES), (WEIGHTS, WEIGHT_SCALES))
        for method in BUILDS
    }
    spreads = {case: max(each) - min(each) for case, each in means.items()}
    change = max(by_method(found, CHANGE, "normal numbers")["batch normalization"])
    ours = [spreads[kind, NORMALIZED] for kind in (INPUTS, WEIGHTS)]
    theirs = [spreads[kind, PLAIN] for kind in (INPUTS, WEIGHTS)]
    steady = decades(means[INPUTS, NORMALIZED])
    verdict = decide(
        confirmed=max(ours) <= 2 and min(theirs) >= 10 and change <= 1e-5,
        conditional=3 <= steady < len(INPUT_SCALES) - 1,
        refuted=any(a >= b for a, b in zip(ours, theirs, strict=True)),
    )
    because = (
        f"Over the scales of the inputs the accuracy spreads by {ours[0]:.1f} points "
        f"with batch normalization and {theirs[0]:.1f} without, over those of the "
        f"weights by {ours[1]:.1f} and {theirs[1]:.1f}. With it, {steady} successive "
        f"decades of inputs stay within 2 points. The normalized outputs change by "
        f"{change:.0e} at most."
    )
    return Ruling(verdict, because, f"over {steady} decades of the scale of inputs")


def decades(accuracies: Sequence[float]) -> int:
    """Return how many steps of a scale in a row stay within 2 points."""
    n = len(accuracies)
    runs = [
        last - first
        for first in range(n)
        for last in range(first, n)
        if np.ptp(accuracies[first : last + 1]) <= 2
    ]
    return max(runs)


# Running averages


BATCHES = (2, 8, 32, 250)
TRAIN_LOSS, EVAL_LOSS = "loss by the batches", "loss by the running averages"
DIFFERENCE = "relative difference of both losses"


@claim("claim-bn-running-consistent", seeds=5)
def running_consistent(seeds: Sequence[int]) -> Finding:
    """Running averages make inference consistent with training.

    Two hidden layers of 64 ReLU units with batch normalization, whose running averages
    give a new batch the weight 0.1, learn the digits in 10 epochs of Adam at 0.001 on
    batches of 2, 8, 32 and 250.  Measured on the training rows is the loss by the
    running averages, and the loss by the statistics of batches of the same size; and
    the size of their difference as a share of the latter.

    It holds if the mean share is at most 0.1 at all four batch sizes.  It holds
    conditionally if only at those of 32 and 250, and fails if at none.
    """
    found: list[Row] = []
    for size in BATCHES:
        build = Net((64, 64), hidden=True)
        trial = Trial("batch normalization", digits, build, 10, batch_size=size)
        measured = compare([trial], both_losses, seeds, (0.001,))
        found += [replace(row, data=batches(size)) for row in measured]
    return finding(judge_running(found), found, [digits], seeds)


def both_losses(trial: Trial, rate: float, seed: int) -> dict[str, float]:
    """Train, and return the loss on the training rows in either mode."""
    task, model, _ = trial.run(rate, seed)
    X, y = task.train
    by_averages = float(task.loss(predict(model, X), y).mean())
    order = torch.tensor(np.random.default_rng(seed).permutation(len(y)))
    parts = order.split(trial.batch_size)  # type: ignore[no-untyped-call]
    model.train()
    with torch.no_grad():
        losses = [task.loss(model(X[part]), y[part]) for part in parts]
    by_batches = sum(
        float(loss) * len(part) for loss, part in zip(losses, parts, strict=True)
    ) / len(y)
    return {
        EVAL_LOSS: by_averages,
        TRAIN_LOSS: by_batches,
        DIFFERENCE: abs(by_averages - by_batches) / by_batches,
    }


def judge_running(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about running averages."""
    means = {
        size: float(
            np.mean(by_method(found, DIFFERENCE, batches(size))["batch normalization"])
        )
        for size in BATCHES
    }
    close = [size for size, mean in means.items() if mean <= 0.1]
    verdict = decide(
        confirmed=len(close) == len(BATCHES),
        conditional=close == [32, 250],
        refuted=not close,
    )
    said = [f"{mean:.2f} on {batches(size)}" for size, mean in means.items()]
    because = f"The losses differ by a share of {join_words(said)}."
    return Ruling(
        verdict, because, f"on {join_words([*map(batches, close)] or ['none'])}"
    )


# Gradients in training


SCHEMES = {
    "Glorot": Net((64,) * 20, gain=1.0),
    "He": Net((64,) * 20),
    "He, batch normalization": Net((64,) * 20, hidden=True),
}
MOVED = "largest change of log10 of first over last gradient"
BEST, TRIPLE, FAR = "best rate", "3 times the best rate", 10.0


@claim("claim-instability-comes-back", seeds=5)
def instability_comes_back(seeds: Sequence[int]) -> Finding:
    """Good initial weights with ReLU do not keep gradients stable during training.

    Twenty hidden layers of 64 ReLU units, with Glorot's and with He's weights, learn
    the digits in 30 epochs of SGD on batches of 50, at the best of six rates from 0.003
    to 1 and at 3 times that.  He's with batch normalization is reported.  Measured on
    all training rows, at the start and after each epoch, is the length of the gradient
    with respect to the outputs of the first hidden layer over that of the last; then
    how far its logarithm (base 10) gets from where it began, at most.  What is not
    finite, or a loss that diverges, counts as 10.

    It holds if this is above 1 in at least four of five seeds at the best rate, for
    either scheme.  It holds conditionally if only at 3 times the best rate.  It fails
    if it is at most 1 in at least four of five seeds, at both rates and for both.
    """
    found: list[Row] = []
    for name, build in SCHEMES.items():
        trial = Trial(name, digits, build, 30, torch.optim.SGD, batch_size=50)
        best = best_setting(trial.validation_score, RATES)
        found.append(Row(RATE, name, "digits", (best,)))
        for data, rate in ((BEST, best), (TRIPLE, 3 * best)):
            bar = progress(seeds, f"{name}, {data}")
            measured = [largest_move(trial, rate, seed) for seed in bar]
            for quantity in measured[0]:
                values = [each[quantity] for each in measured]
                found += rows(quantity, {name: values}, data)
    return finding(judge_instability(found), found, [digits], seeds, RATES)


def largest_move(trial: Trial, rate: float, seed: int) -> dict[str, float]:
    """Train, and follow the gradient of the first hidden layer over the last one's."""
    task, model, order = trial.start(seed)
    path = [log_ratio(model, task)]

    def look(_: History) -> bool:
        path.append(log_ratio(model, task))
        return False

    score = 1 / task.outputs
    try:
        trial.train(rate, task, model, order, look)
        score = task.score(predict(model, task.test[0]), task.test[1])
    except FloatingPointError:
        path.append(np.nan)
    moves = np.abs(np.array(path) - path[0])
    moved = float(moves.max()) if np.isfinite(moves).all() else FAR
    return {MOVED: min(moved, FAR), ACCURACY: 100 * score}


def log_ratio(model: nn.Module, task: Task) -> float:
    """Compare the gradients of the outer hidden layers' outputs, as training has it."""
    (h, y), outputs = task.train, []
    for layer in deepcopy(model).train():  # type: ignore[attr-defined]  # a Sequential
        h = layer(h)
        outputs += [h] if isinstance(layer, nn.ReLU) else []
    ends = (outputs[0], outputs[-1])
    first, last = torch.autograd.grad(task.loss(h, y).mean(), ends)
    with np.errstate(divide="ignore", invalid="ignore"):
        lengths = [float(each.double().norm()) for each in (first, last)]
        return float(np.log10(lengths[0]) - np.log10(lengths[1]))


def judge_instability(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about gradients in training."""
    schemes, unstable, steady, said = ("Glorot", "He"), {}, [], []
    for data in (BEST, TRIPLE):
        moved = by_method(found, MOVED, data)
        far = {name: sum(d > 1 for d in values) for name, values in moved.items()}
        unstable[data] = [name for name in schemes if far[name] >= 4]
        steady += [len(moved[name]) - far[name] >= 4 for name in schemes]
        scores = format_means(by_method(found, ACCURACY, data))
        counts = [
            f"{count} of {len(moved[name])} for {name}" for name, count in far.items()
        ]
        said.append(
            f"At the {data} the ratio moves by more than a power of ten in "
            f"{join_words(counts)}; the test accuracy is {scores}."
        )
    verdict = decide(
        confirmed=bool(unstable[BEST]),
        conditional=bool(unstable[TRIPLE]),
        refuted=all(steady),
    )
    condition = (
        f"at 3 times the best rate, with {join_words(unstable[TRIPLE] or ['none'])}"
    )
    return Ruling(verdict, " ".join(said), condition)
