"""Claims about the choice of an optimizer."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

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
from dlnotes.claims.trial import RATE, Trial, compare, draw, finding
from dlnotes.lab.fit import predict
from dlnotes.lab.models import HIDDEN_LAYERS, linear, mlp
from dlnotes.lab.tasks import Task, digits
from dlnotes.optimization.choosing import tolerated_decades
from dlnotes.wording import join_words

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "RMSProp": torch.optim.RMSprop,
    "Adam": torch.optim.Adam,
}
PERCEPTRON = mlp(HIDDEN_LAYERS["ReLU"], 64)
GRID = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)


def on_digits(name: str) -> Trial:
    """Train a network on the digits for 20 epochs by an optimizer."""
    return Trial(name, digits, PERCEPTRON, 20, OPTIMIZERS[name], batch_size=50)


# The learning rates that work


RATES = tuple(map(float, np.geomspace(1e-5, 10, 19)))
WIDTH, BEST = "decades of rates", "best rate, validation"
REACHED = "best validation accuracy"


@claim("claim-adam-less-rate-tuning")
def adam_less_rate_tuning(seeds: Sequence[int]) -> Finding:
    """Adam reduces the need to tune the learning rate.

    A network with 64 hidden units learns four fifths of 1,000 digits in batches of 50
    for 20 epochs, by SGD, momentum of 0.9, RMSProp and Adam at 19 learning rates from
    1e-5 to 10, three for each power of ten.  Measured is how many powers of ten of
    rates come within one point of the accuracy that the optimizer has at its best rate
    with the same seed, on the fifth held out.  Noted are the best rate and its
    accuracy.

    It holds if the width for Adam is larger than that for SGD and than that for
    momentum, both by the paired interval.  It holds conditionally if it is larger than
    one of them by it.  It fails if neither is larger in the mean.
    """
    found: list[Row] = []
    for name in progress(OPTIMIZERS, "optimizers"):
        measured = [sensitivity(on_digits(name), seed) for seed in seeds]
        for quantity in measured[0]:
            values = [each[quantity] for each in measured]
            found += rows(quantity, {name: values}, "digits")
    return finding(judge_widths(found), found, [digits], seeds)


def sensitivity(trial: Trial, seed: int) -> dict[str, float]:
    """Say over how many powers of ten a trial does nearly its best."""
    scores = np.array([trial.validation_score(rate, seed) for rate in RATES])
    width = tolerated_decades(np.array(RATES), scores, margin=0.01 + 1e-9)
    best = int(scores.argmax())
    return {WIDTH: float(width), BEST: RATES[best], REACHED: float(scores[best])}


def judge_widths(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about the learning rates that work."""
    widths = by_method(found, WIDTH, "digits")
    others = ("SGD", "momentum")
    wider = [
        name for name in others if significantly_above(widths["Adam"], widths[name])
    ]
    verdict = decide(
        confirmed=len(wider) == len(others),
        conditional=bool(wider),
        refuted=all(
            np.mean(widths["Adam"]) <= np.mean(widths[name]) for name in others
        ),
    )
    reached = by_method(found, REACHED, "digits")
    points = {name: [100 * value for value in each] for name, each in reached.items()}
    because = (
        f"The powers of ten of learning rates within a point of the best are "
        f"{format_means(widths)}. The best accuracies, in percent, are "
        f"{format_means(points)}."
    )
    return Ruling(verdict, because, f"against {join_words(wider or ['none'])} only")


# Sparse gradients


WORDS, LENGTH, EXPONENT = 2000, 30, 1.1
RARE, ALL = "log loss, rare words", "log loss, all documents"
SPARSE, DENSE = "words", "words, rotated"
ADAPTIVE = {
    "Adagrad": torch.optim.Adagrad,
    "RMSProp": torch.optim.RMSprop,
    "Adam": torch.optim.Adam,
}


def documents(rng: np.random.Generator) -> Task:
    """Draw bags of words by Zipf's law, and labels of a logistic model."""
    chances = np.arange(1, WORDS + 1.0) ** -EXPONENT
    X = rng.multinomial(LENGTH, chances / chances.sum(), size=7000).astype(np.float32)
    logits = X @ rng.normal(size=WORDS)
    y = rng.random(7000) < 1 / (1 + np.exp(-logits))
    return as_task(SPARSE, X, y[:, None].astype(np.float32))


def as_task(
    name: str, X: Float[np.ndarray, "rows words"], y: Float[np.ndarray, "rows 1"]
) -> Task:
    """Split rows into 5,000 to learn from and 2,000 to be judged by."""
    pair = torch.tensor(X), torch.tensor(y)
    return Task(
        name=name,
        train=(pair[0][:5000], pair[1][:5000]),
        test=(pair[0][5000:], pair[1][5000:]),
        outputs=1,
        loss=functional.binary_cross_entropy_with_logits,
        score=lambda logits, labels: (
            -functional.binary_cross_entropy_with_logits(logits, labels).item()
        ),
    )


@lru_cache(maxsize=1)
def rotation() -> Float[torch.Tensor, "words words"]:
    """Return a random rotation of all words, the same for every seed."""
    normal = np.random.default_rng(0).normal(size=(WORDS, WORDS))
    return torch.tensor(np.linalg.qr(normal)[0], dtype=torch.float32)


def rotated_documents(rng: np.random.Generator) -> Task:
    """Draw the same documents with the counts of all words mixed by a rotation."""
    task = documents(rng)
    X, y = (torch.cat([task.train[k], task.test[k]]) for k in (0, 1))
    return as_task(DENSE, (X @ rotation()).numpy(), y.numpy())


def has_rare_word(X: Float[torch.Tensor, "rows words"]) -> torch.Tensor:
    """Tell which documents have a word of the rarest fifth."""
    return X[:, -WORDS // 5 :].sum(1) > 0


def logistic(rng: np.random.Generator, task: Task) -> nn.Module:
    """Make a logistic regression."""
    return linear(rng, task.train[0].shape[1], 1)


def rare_losses(
    trial: Trial, learning_rate: float, seed: int, *, tuning: bool = False
) -> dict[str, float]:
    """Return the log loss on documents with a rare word, and on all."""
    task, model, _ = trial.run(learning_rate, seed, tuning=tuning)
    X, y = task.test
    counts = X if task.name == SPARSE else (X @ rotation().T).round()
    rare, logits = has_rare_word(counts), predict(model, X)
    return {
        RARE: -task.score(logits[rare], y[rare]),
        ALL: -task.score(logits, y),
    }


def low_rare_loss(trial: Trial, learning_rate: float, seed: int) -> float:
    """Return minus the log loss on rare words when tuned; the least if it diverges."""
    try:
        return -rare_losses(trial, learning_rate, seed, tuning=True)[RARE]
    except FloatingPointError:
        return -np.inf


@claim("claim-adaptive-sparse-gradients")
def adaptive_sparse_gradients(seeds: Sequence[int]) -> Finding:
    """Adaptive methods do better where gradients are sparse.

    Logistic regression learns from the counts of 2,000 words in 5,000 documents of 30
    words each, in batches of 32 for 5 epochs.  A word is the rarer the higher its rank,
    by Zipf's law with the exponent 1.1; the true weights are normal.  SGD, Adagrad,
    RMSProp and Adam have each the best of nine learning rates on documents held out.
    Measured is the log loss on those of 2,000 test documents that have a word of the
    rarest fifth.  The control is the same with the counts mixed by a rotation, which
    makes all gradients dense and leaves the loss of SGD as it is but for its start.

    It holds if the loss of all three adaptive methods is below that of SGD by the
    paired interval.  It holds conditionally if that of one or two is below, and fails
    if none is.
    """
    found: list[Row] = []
    for make in (documents, rotated_documents):
        trials = [
            Trial(name, make, logistic, 5, optimizer, batch_size=32)
            for name, optimizer in {"SGD": torch.optim.SGD, **ADAPTIVE}.items()
        ]
        found += compare(trials, rare_losses, seeds, GRID, low_rare_loss)
    makers = [documents, rotated_documents]
    return finding(judge_sparse(found), found, makers, seeds, GRID)


def better_than_sgd(losses: Mapping[str, Sequence[float]]) -> list[str]:
    """Name the adaptive methods whose loss is below that of SGD."""
    return [
        name for name in ADAPTIVE if significantly_below(losses[name], losses["SGD"])
    ]


def judge_sparse(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about sparse gradients."""
    losses, control = (by_method(found, RARE, data) for data in (SPARSE, DENSE))
    better = better_than_sgd(losses)
    verdict = decide(
        confirmed=len(better) == len(ADAPTIVE),
        conditional=bool(better),
        refuted=not better,
    )
    because = (
        f"On documents with a rare word the log loss is {format_means(losses)}; minus "
        f"that of SGD, with its interval, it is {differences(losses)}. The loss of SGD "
        f"is from {min(losses['SGD']):.2f} to {max(losses['SGD']):.2f}, by the seed. "
        f"With the words rotated the losses are {format_means(control)}, and the "
        f"differences {differences(control)}."
    )
    return Ruling(verdict, because, f"for {join_words(better or ['none'])}")


def differences(losses: Mapping[str, Sequence[float]]) -> str:
    """Say by how much each adaptive method is above SGD, with the interval."""
    said = []
    for name in ADAPTIVE:
        pairs = zip(losses[name], losses["SGD"], strict=True)
        above = [ours - theirs for ours, theirs in pairs]
        low, high = interval(above)
        said.append(f"{np.mean(above):.3f} ({low:.3f} to {high:.3f}) for {name}")
    return join_words(said)


# The optimizer and the learning rate


MULTIPLIERS = (1 / 9, 1 / 3, 1.0, 3.0, 9.0)
ERROR = "log test error"
OF_OPTIMIZER, OF_RATE = "share of the optimizer", "share of the rate"


@claim("claim-better-optimizer-matters", seeds=10)
def better_optimizer_matters(seeds: Sequence[int]) -> Finding:
    """A better optimizer than plain SGD matters as much as the learning rate.

    A network with 64 hidden units learns 1,000 digits in batches of 50 for 20 epochs,
    by SGD, momentum of 0.9, RMSProp and Adam.  The best of nine learning rates of each
    is found on rows held out; then each has a ninth, a third, one, three and nine times
    that rate.  Measured is the logarithm of the test error, and for each seed the share
    of its variance that is due to the optimizer and that due to the multiple of the
    rate, by a two-way analysis of variance.  No error counts as half an error.

    It holds if the share of the optimizer is larger than that of the rate by the paired
    interval.  It holds conditionally if it is not, but the interval of the share of the
    optimizer lies above 0.1.  It fails if that interval lies below 0.1.
    """
    found: list[Row] = []
    for name in progress(OPTIMIZERS, "optimizers"):
        trial = on_digits(name)
        rate = best_setting(trial.validation_score, GRID)
        found.append(Row(RATE, name, "digits", (rate,)))
        for multiplier in MULTIPLIERS:
            values = [log_error(trial, multiplier * rate, seed) for seed in seeds]
            found += rows(ERROR, {f"{name}, {multiplier:.2g} times": values}, "digits")
    errors = np.array([row.values for row in found if row.quantity == ERROR])
    table = errors.reshape(len(OPTIMIZERS), len(MULTIPLIERS), -1)
    for quantity, axis in ((OF_OPTIMIZER, 0), (OF_RATE, 1)):
        found += rows(quantity, {"": share_of_axis(table, axis).tolist()}, "digits")
    return finding(judge_shares(found), found, [digits], seeds, GRID)


def log_error(trial: Trial, learning_rate: float, seed: int) -> float:
    """Return the logarithm of the share of test rows that are wrong."""
    rows_tested = len(draw(trial.make, seed).test[0])
    try:
        error = 1 - trial.scores(learning_rate, seed)["test score"]
    except FloatingPointError:
        error = 0.9  # as good as a guess
    return float(np.log(max(error, 0.5 / rows_tested)))


def share_of_axis(
    table: Float[np.ndarray, "optimizers rates seeds"], axis: int
) -> Float[np.ndarray, "seeds"]:
    """Return the share of the variance that the means along one factor have."""
    centered = table - table.mean(axis=(0, 1))
    means = centered.mean(axis=1 - axis)
    return np.mean(means**2, axis=0) / np.mean(centered**2, axis=(0, 1))


def judge_shares(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about the optimizer and the learning rate."""
    optimizer, rate = (
        by_method(found, each, "digits")[""] for each in (OF_OPTIMIZER, OF_RATE)
    )
    low, high = interval(optimizer)
    larger = significantly_above(optimizer, rate)
    verdict = decide(confirmed=larger, conditional=low > 0.1, refuted=high < 0.1)
    errors = by_method(found, ERROR, "digits")
    best = {
        name: [100 * np.exp(np.mean(errors[f"{name}, 1 times"]))] for name in OPTIMIZERS
    }
    because = (
        f"The share of the optimizer is {np.mean(optimizer):.2f}, with the interval "
        f"{low:.2f} to {high:.2f}, and that of the rate {np.mean(rate):.2f}. At their "
        f"best rates the test errors, in percent, are {format_means(best)}."
    )
    return Ruling(verdict, because, "but the optimizer matters less than the rate")
