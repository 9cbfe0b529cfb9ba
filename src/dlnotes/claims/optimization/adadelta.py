"""Claims about Adadelta."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    by_method,
    decide,
    format_means,
    significantly_above,
    significantly_below,
)
from dlnotes.claims.trial import Trial, compare, finding
from dlnotes.lab.fit import Callback, Run, fit, predict
from dlnotes.lab.models import HIDDEN_LAYERS, mlp
from dlnotes.lab.tasks import digits
from dlnotes.wording import join_words

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
PERCEPTRON = mlp(HIDDEN_LAYERS["ReLU"], 64)
UPDATE, GRADIENT = "update, epoch 30 / epoch 3", "gradient, epoch 30 / epoch 3"
EPOCHS, LOG_LOSS = "epochs after the shift", "log of the training loss, epoch 30"


@claim("claim-adadelta-fixes-adagrad")
def adadelta_fixes_adagrad(seeds: Sequence[int]) -> Finding:
    """Adadelta overcomes Adagrad's shrinking rate.

    A network of 64 hidden units learns 1,000 of the digits for 30 epochs of batches of
    50, by Adagrad, with the best of seven rates for the accuracy on rows held out, and
    by Adadelta, with a decay of 0.9, an epsilon of 1e-6 and the rate 1.  Then the
    labels change, from y to 9 - y, and training goes on for at most 30 epochs, until
    the mean loss of one is 0.5.  Measured are the root mean square of the updates of
    epoch 30 over that of epoch 3, the epochs after the shift, and the logarithm of the
    loss over all training rows after epoch 30.  Noted are the same quotient for the
    gradients, and all of it for RMSProp with a decay of 0.9, whose rate is tuned as
    Adagrad's: it forgets, too, and has no root of past steps.

    It holds if the quotient of the updates is larger for Adadelta, the epochs after the
    shift are fewer, and the logarithm of the loss is higher by less than log 1.2, all
    by the paired interval.  It holds conditionally if only the first is so, or the
    first and one of the others.  It fails if the first is not so.
    """
    tuned = {
        "Adagrad": torch.optim.Adagrad,
        "RMSProp": partial(torch.optim.RMSprop, alpha=0.9),
    }
    found = compare(
        [trial(*each) for each in tuned.items()],
        through_shift,
        seeds,
        RATES,
        Trial.validation_score,
    )
    adadelta = trial("Adadelta", partial(torch.optim.Adadelta, rho=0.9, eps=1e-6))
    found += compare([adadelta], through_shift, seeds, (1.0,))
    return finding(judge_shrinkage(found), found, [digits], seeds, RATES)


def trial(name: str, optimizer: Any) -> Trial:
    """Train the network on the digits by some optimizer."""
    return Trial(name, digits, PERCEPTRON, 30, optimizer, batch_size=50)


class UpdateTracker(Callback):
    """Sum the squares of updates and of gradients over each epoch."""

    def __init__(self) -> None:
        self.before: list[Tensor] = []
        self.squares: dict[str, list[float]] = {UPDATE: [], GRADIENT: []}
        self.sums = dict.fromkeys(self.squares, 0.0)

    def before_step(self, run: Run) -> None:
        """Keep the parameters."""
        self.before = [each.detach().clone() for each in run.model.parameters()]

    def after_step(self, run: Run, loss: Tensor) -> None:
        """See how far they have moved, and along which gradient."""
        del loss
        for old, new in zip(self.before, run.model.parameters(), strict=True):
            assert new.grad is not None
            self.sums[UPDATE] += float((new.detach() - old).square().sum())
            self.sums[GRADIENT] += float(new.grad.square().sum())

    def after_epoch(self, run: Run) -> None:
        """Begin the next sums."""
        del run
        for quantity, total in self.sums.items():
            self.squares[quantity].append(total)
            self.sums[quantity] = 0.0


def through_shift(trial: Trial, learning_rate: float, seed: int) -> dict[str, float]:
    """Train, turn the labels round, and train on."""
    torch.set_num_threads(1)
    task, model, order = trial.start(seed)
    X, y = task.train
    tracker = UpdateTracker()
    settings: dict[str, Any] = {
        "loss": task.loss,
        "optimizer": trial.optimizer(model.parameters(), lr=learning_rate),
        "batch_size": trial.batch_size,
        "rng": order,
    }
    fit(model, X, y, epochs=trial.epochs, callbacks=[tracker], **settings)
    log_loss = float(task.loss(predict(model, X).double(), y).log())
    history = fit(
        model,
        X,
        9 - y,
        epochs=30,
        after_epoch=lambda history: bool(history.epoch_losses[-1] <= 0.5),
        **settings,
    )
    quotients = {
        quantity: (each[-1] / each[2]) ** 0.5
        for quantity, each in tracker.squares.items()
    }
    return {
        **quotients,
        EPOCHS: float(len(history.epoch_losses)),
        LOG_LOSS: log_loss,
    }


def judge_shrinkage(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about a rate that shrinks."""
    updates, gradients, epochs, losses = (
        by_method(found, quantity, "digits")
        for quantity in (UPDATE, GRADIENT, EPOCHS, LOG_LOSS)
    )
    larger = significantly_above(updates["Adadelta"], updates["Adagrad"])
    fewer = significantly_below(epochs["Adadelta"], epochs["Adagrad"])
    limit = [each + float(np.log(1.2)) for each in losses["Adagrad"]]
    no_worse = significantly_below(losses["Adadelta"], limit)
    verdict = decide(
        confirmed=larger and fewer and no_worse,
        conditional=larger,
        refuted=not larger,
    )
    ends = [f"{np.exp(np.mean(each)):.2g} for {k}" for k, each in losses.items()]
    because = (
        f"From epoch 3 to epoch 30 the updates change by the factors "
        f"{format_means(updates)}, where the gradients change by "
        f"{format_means(gradients)}. After the shift the epochs are "
        f"{format_means(epochs)}. The training loss after 30 epochs is "
        f"{join_words(ends)}."
    )
    true = ["for the updates"] + ["for the epochs after a change"] * fewer
    return Ruling(verdict, because, join_words([*true, *["for the loss"] * no_worse]))
