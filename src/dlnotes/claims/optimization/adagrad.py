"""Claims about Adagrad."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    by_method,
    decide,
    format_means,
    interval,
    significantly_above,
)
from dlnotes.claims.trial import Trial, compare, finding
from dlnotes.lab.fit import Callback, Run, fit, predict
from dlnotes.lab.models import HIDDEN_LAYERS, mlp
from dlnotes.lab.tasks import Task, digits
from dlnotes.wording import join_words

PERCEPTRON = mlp(HIDDEN_LAYERS["ReLU"], 64)


# A rate that decays too much


RMSPROP = partial(torch.optim.RMSprop, alpha=0.9)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1)
LOG_LOSS, SHRINKAGE = "log of the final training loss", "rate at the end over step 100"
EPOCHS = "epochs after the shift"
FORGETTING = "epochs after the shift, squares forgotten"


@claim("claim-adagrad-decays-too-much")
def adagrad_decays_too_much(seeds: Sequence[int]) -> Finding:
    """Adagrad's sum of squares makes the learning rate too small.

    A network with 64 hidden units learns 1,000 of the digits for 30 epochs of batches
    of 50, by Adagrad and by RMSProp with a decay of 0.9.  The learning rate of each is
    the best of seven for the accuracy on rows held out.  Then the labels change, from y
    to 9 - y, and training goes on for at most 30 epochs, until the mean loss of one is
    0.5.  Measured are the median effective rate after 30 epochs over that after step
    100, the logarithm of the training loss after 30 epochs, and the epochs after the
    shift.  The control: at the shift the squares so far are forgotten.

    It holds if the rate of Adagrad is more than halved in every seed, its loss is
    higher than RMSProp's and it needs more epochs after the shift, both by the paired
    interval.  It holds conditionally if it needs more epochs only.  It fails if neither
    its loss nor its epochs are more in the mean.
    """
    optimizers: dict[str, Any] = {"Adagrad": torch.optim.Adagrad, "RMSProp": RMSPROP}
    trials = [
        Trial(name, digits, PERCEPTRON, 30, optimizer, batch_size=50)
        for name, optimizer in optimizers.items()
    ]
    found = compare(trials, through_shift, seeds, RATES, Trial.validation_score)
    return finding(judge_decay(found), found, [digits], seeds, RATES)


class RateTracker(Callback):
    """Keep the median effective learning rate after some of the steps."""

    def __init__(self, *steps: int) -> None:
        self.steps, self.medians = steps, dict.fromkeys(steps, np.nan)

    def after_step(self, run: Run, loss: Tensor) -> None:
        """Measure it, if it is time to."""
        del loss
        if run.steps in self.steps:
            self.medians[run.steps] = median_rate(run.optimizer)


def median_rate(optimizer: torch.optim.Optimizer) -> float:
    """Return the median of what multiplies the gradients of Adagrad or RMSProp."""
    rates = []
    for group in optimizer.param_groups:
        for each in group["params"]:
            kept = optimizer.state[each]
            squares = kept["sum" if "sum" in kept else "square_avg"]
            rates.append((group["lr"] / (squares.sqrt() + group["eps"])).flatten())
    return torch.cat(rates).median().item()


def through_shift(trial: Trial, learning_rate: float, seed: int) -> dict[str, float]:
    """Train, turn the labels round, and train on, with the squares and without."""
    torch.set_num_threads(1)
    task, model, order = trial.start(seed)
    X, y = task.train
    steps = -(-len(X) // trial.batch_size)
    tracker = RateTracker(100, trial.epochs * steps)
    options: dict[str, Any] = {"loss": task.loss, "batch_size": trial.batch_size}
    optimizer = trial.optimizer(model.parameters(), lr=learning_rate)
    first: dict[str, Any] = {
        "epochs": trial.epochs,
        "optimizer": optimizer,
        "rng": order,
    }
    fit(model, X, y, callbacks=[tracker], **first, **options)
    early, late = tracker.medians.values()
    measured = {LOG_LOSS: log_loss(model, task), SHRINKAGE: late / early}
    forgetful = deepcopy(model)
    new = trial.optimizer(forgetful.parameters(), lr=learning_rate)
    for quantity, network, continued in (
        (EPOCHS, model, optimizer),
        (FORGETTING, forgetful, new),
    ):
        history = fit(
            network,
            X,
            9 - y,
            epochs=30,
            optimizer=continued,
            rng=deepcopy(order),
            after_epoch=lambda history: bool(history.epoch_losses[-1] <= 0.5),
            **options,
        )
        measured[quantity] = float(len(history.epoch_losses))
    return measured


def log_loss(model: nn.Module, task: Task) -> float:
    """Return the logarithm of the mean loss over the training rows."""
    X, y = task.train
    return float(np.log(task.loss(predict(model, X).double(), y).item()))


def judge_decay(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about a rate that decays too much."""
    of = partial(by_method, found, data="digits")
    shrinkage, losses, epochs = of(SHRINKAGE), of(LOG_LOSS), of(EPOCHS)
    more = significantly_above(epochs["Adagrad"], epochs["RMSProp"])
    higher = significantly_above(losses["Adagrad"], losses["RMSProp"])
    verdict = decide(
        confirmed=max(shrinkage["Adagrad"]) < 0.5 and higher and more,
        conditional=more,
        refuted=all(
            np.mean(each["Adagrad"]) <= np.mean(each["RMSProp"])
            for each in (losses, epochs)
        ),
    )
    because = (
        f"The median rate of Adagrad after 30 epochs is "
        f"{np.mean(shrinkage['Adagrad']):.2f} of that after step 100. The training "
        f"loss is then {said(losses)}. After the shift the epochs are "
        f"{format_means(epochs)}; with the squares forgotten they are "
        f"{format_means(of(FORGETTING))}."
    )
    return Ruling(verdict, because, "after the labels have changed")


def said(logs: Mapping[str, Sequence[float]]) -> str:
    """Say the geometric mean of each loss whose logarithms these are."""
    return join_words(
        [f"{np.exp(np.mean(each)):.2g} for {name}" for name, each in logs.items()]
    )


# Problems that are not convex


OTHERS = {
    "SGD": torch.optim.SGD,
    "RMSProp": torch.optim.RMSprop,
    "Adam": torch.optim.Adam,
}
WIDE_RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
MODELS = {"softmax regression": mlp(HIDDEN_LAYERS["ReLU"]), "MLP": PERCEPTRON}


@claim("claim-adagrad-nonconvex")
def adagrad_nonconvex(seeds: Sequence[int]) -> Finding:
    """Adagrad is not suitable for problems that are not convex.

    Softmax regression, whose loss is convex, and a network with 64 hidden units, whose
    loss is not, learn 1,000 of the digits for 30 epochs of batches of 50: by Adagrad,
    SGD, RMSProp and Adam, each at the best of ten learning rates for the final
    training loss.  Measured is the logarithm of that loss, and by how much Adagrad's is
    above that of the best other method, the one with the lowest mean.  Noted is the
    accuracy on test rows.

    It holds if the interval of the difference is above log 2 for the network and below
    log 1.2 for softmax regression.  It holds conditionally if for the network it is
    above zero, but not above log 2.  It fails if for the network it is below log 1.2.
    """
    found: list[Row] = []
    for problem, build in MODELS.items():
        trials = [
            Trial(f"{name}, {problem}", digits, build, 30, optimizer, batch_size=50)
            for name, optimizer in {"Adagrad": torch.optim.Adagrad, **OTHERS}.items()
        ]
        found += compare(trials, final_loss, seeds, WIDE_RATES, low_loss)
    return finding(judge_nonconvex(found), found, [digits], seeds, WIDE_RATES)


def final_loss(
    trial: Trial, learning_rate: float, seed: int, *, tuning: bool = False
) -> dict[str, float]:
    """Return the logarithm of the training loss in the end, and the test score."""
    task, model, _ = trial.run(learning_rate, seed, tuning=tuning)
    X, y = task.test
    score = task.score(predict(model, X), y)
    return {LOG_LOSS: log_loss(model, task), "test score": score}


def low_loss(trial: Trial, learning_rate: float, seed: int) -> float:
    """Return how low the loss gets when tuned; the lowest score if it diverges."""
    try:
        return -final_loss(trial, learning_rate, seed, tuning=True)[LOG_LOSS]
    except FloatingPointError:
        return -np.inf


def behind(found: Sequence[Row], problem: str) -> tuple[str, list[float]]:
    """Name the best other method, and return by how much Adagrad's loss is above it."""
    losses = by_method(found, LOG_LOSS, "digits")
    best = min(OTHERS, key=lambda name: np.mean(losses[f"{name}, {problem}"]))
    pairs = zip(
        losses[f"Adagrad, {problem}"], losses[f"{best}, {problem}"], strict=True
    )
    return best, [ours - theirs for ours, theirs in pairs]


def judge_nonconvex(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about problems that are not convex."""
    lows, highs, sentences = {}, {}, []
    for problem in MODELS:
        best, above = behind(found, problem)
        lows[problem], highs[problem] = np.exp(interval(above))
        sentences.append(
            f"For {problem} Adagrad's loss is {np.exp(np.mean(above)):.2g} times that "
            f"of {best}, the best other method, with the interval "
            f"{lows[problem]:.2g} to {highs[problem]:.2g}."
        )
    verdict = decide(
        confirmed=lows["MLP"] > 2 and highs["softmax regression"] < 1.2,
        conditional=1 < lows["MLP"] <= 2,
        refuted=highs["MLP"] < 1.2,
    )
    scores = by_method(found, "test score", "digits")
    means = {name: 100 * np.mean(scores[f"{name}, MLP"]) for name in ("Adagrad", best)}
    each = join_words([f"{mean:.1f} with {name}" for name, mean in means.items()])
    convex = by_method(found, LOG_LOSS, "digits")["Adagrad, softmax regression"]
    sentences.append(
        "Where softmax regression can separate the digits its loss has no minimum; "
        f"Adagrad's is from {np.exp(min(convex)):.1g} to {np.exp(max(convex)):.1g}. "
        f"The percent of test rows that the MLP has right: {each}."
    )
    return Ruling(verdict, " ".join(sentences), "by less than a factor of 2")
