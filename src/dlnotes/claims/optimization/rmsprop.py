"""Claims about RMSProp."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    by_method,
    decide,
    rows,
    significantly_above,
)
from dlnotes.claims.progress import progress
from dlnotes.claims.trial import Trial, finding
from dlnotes.lab.fit import Callback, Run, fit, predict
from dlnotes.lab.models import HIDDEN_LAYERS, mlp
from dlnotes.lab.tasks import Task, digits
from dlnotes.optimization.rmsprop import init, update
from dlnotes.wording import join_words

DECAYS, RATES = (0.9, 0.99, 0.999), (0.001, 0.01)
EARLY, LATER = "bias at step 1", "bias at step 0.5 / (1 - decay)"
FIRST, RISE = "first step / rate", "rise of the loss in 20 steps"
END = "training loss after 20 epochs"


@claim("claim-rmsprop-early-bias")
def rmsprop_early_bias(seeds: Sequence[int]) -> Finding:
    """RMSProp may have high bias early in training.

    The gradients of 10,000 parameters are drawn from N(1, 1), so the mean of their
    squares is 2.  With the decays 0.9, 0.99 and 0.999, measured is by what share the
    mean of v is off, at step 1 and at step 0.5 / (1 - decay), and how long the first
    step is, in learning rates.  Then a network of 64 hidden units learns 1,000 of the
    digits in batches of 50 for 20 epochs, at the rates 0.001 and 0.01, by RMSProp and,
    as the control, with v / (1 - decay^t) in the place of v, which is Adam with beta1 =
    0.  Measured is by how much the loss over all training rows rises above that of the
    start in the first 20 steps, and noted is the loss at the end.

    It holds if the bias at step 1 is more than 0.5 for every decay, the first step is
    within a hundredth of 1 / sqrt(1 - decay), and for some decay and rate the loss
    rises higher without the correction, by the paired interval.  It holds conditionally
    if only the last is not so.  It fails if the bias at step 1 is less than 0.1 for
    every decay.
    """
    found: list[Row] = []
    for decay in DECAYS:
        streams = [moments(decay, seed) for seed in seeds]
        for quantity in streams[0]:
            values = [each[quantity] for each in streams]
            found += rows(quantity, {"RMSProp": values}, f"decay {decay:g}")
    for decay in progress(DECAYS, "digits"):
        optimizers: dict[str, Callable[..., torch.optim.Optimizer]] = {
            "RMSProp": partial(torch.optim.RMSprop, alpha=decay),
            "corrected": partial(torch.optim.Adam, betas=(0.0, decay)),
        }
        for rate in RATES:
            for name, optimizer in optimizers.items():
                trial = Trial(name, digits, PERCEPTRON, 20, optimizer, batch_size=50)
                runs = [first_steps(trial, rate, seed) for seed in seeds]
                data = f"decay {decay:g}, rate {rate:g}"
                for quantity in runs[0]:
                    found += rows(quantity, {name: [r[quantity] for r in runs]}, data)
    return finding(judge_bias(found), found, [digits], seeds)


PERCEPTRON = mlp(HIDDEN_LAYERS["ReLU"], 64)


def moments(decay: float, seed: int) -> dict[str, float]:
    """Follow the mean squares of gradients whose mean square is known."""
    rng = np.random.default_rng(seed)
    theta = np.zeros(10_000)
    state, steps = init(theta), round(0.5 / (1 - decay))
    biases, lengths = [], []
    for _ in range(steps):
        gradient = rng.normal(1, 1, size=theta.shape)
        after, state = update(theta, gradient, state, learning_rate=1.0, decay=decay)
        lengths.append(np.median(np.abs(after - theta)))
        biases.append(abs(state.v.mean() - 2) / 2)
        theta = after
    return {EARLY: biases[0], LATER: biases[-1], FIRST: lengths[0]}


class LossTracker(Callback):
    """Keep the loss over all training rows after each of the first steps."""

    def __init__(self, task: Task, steps: int) -> None:
        self.task, self.steps = task, steps
        self.losses: list[float] = []

    def before_training(self, run: Run) -> None:
        """Measure it before the first step."""
        self.losses.append(loss_over_all(run.model, self.task))

    def after_step(self, run: Run, loss: Tensor) -> None:
        """Measure it, if the step is one of the first."""
        del loss
        if run.steps <= self.steps:
            self.losses.append(loss_over_all(run.model, self.task))


def loss_over_all(model: nn.Module, task: Task) -> float:
    """Return the mean loss over the training rows."""
    X, y = task.train
    return float(task.loss(predict(model, X), y))


def first_steps(trial: Trial, rate: float, seed: int) -> dict[str, float]:
    """Train, and say by how much the loss has risen in twenty steps."""
    torch.set_num_threads(1)
    task, model, order = trial.start(seed)
    tracker = LossTracker(task, 20)
    fit(
        model,
        *task.train,
        loss=task.loss,
        optimizer=trial.optimizer(model.parameters(), lr=rate),
        epochs=trial.epochs,
        batch_size=trial.batch_size,
        rng=order,
        callbacks=[tracker],
    )
    start, *later = tracker.losses
    return {RISE: max(later) - start, END: loss_over_all(model, task)}


def judge_bias(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about an early bias."""
    early, first = (
        {
            decay: by_method(found, name, f"decay {decay:g}")["RMSProp"]
            for decay in DECAYS
        }
        for name in (EARLY, FIRST)
    )
    as_said = all(min(early[decay]) > 0.5 for decay in DECAYS) and all(
        abs(length * (1 - decay) ** 0.5 - 1) < 0.01
        for decay in DECAYS
        for length in first[decay]
    )
    rises = {
        data: by_method(found, RISE, data)
        for data in (f"decay {d:g}, rate {rate:g}" for d in DECAYS for rate in RATES)
    }
    higher = [
        data
        for data, each in rises.items()
        if significantly_above(each["RMSProp"], each["corrected"])
    ]
    verdict = decide(
        confirmed=as_said and bool(higher),
        conditional=as_said,
        refuted=all(max(each) < 0.1 for each in early.values()),
    )
    lengths = [f"{np.mean(first[decay]):.1f} at {decay:g}" for decay in DECAYS]
    most = max(rises, key=lambda data: float(np.mean(rises[data]["RMSProp"])))
    pair = rises[most]
    because = (
        f"At step 1 the mean square is too small by a share of at least "
        f"{min(map(min, early.values())):.2f}, and the first step is, in rates, "
        f"{join_words(lengths)}. Without the correction the loss rises higher at "
        f"{join_words([f'({each})' for each in higher] or ['none'])}, at ({most}) by "
        f"{np.mean(pair['RMSProp']):.2g} and with it by "
        f"{np.mean(pair['corrected']):.2g}."
    )
    return Ruling(verdict, because, "for the steps, but not for the loss")
