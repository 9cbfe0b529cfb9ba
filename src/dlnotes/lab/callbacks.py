"""Callbacks: what many trainings do besides training.

Each is given to :func:`~dlnotes.lab.fit.fit`, and a checkpoint keeps what it remembers.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from dlnotes.checks import positive
from dlnotes.lab.fit import Callback, Run
from dlnotes.training import early_stopping

Rate = Callable[[Float[np.ndarray, ""]], Float[np.ndarray, ""]]


class EarlyStopping(Callback):
    """Stop when the score gets no better, and put back the best model.

    The rule is :func:`~dlnotes.training.early_stopping.update`.  What comes back are
    the parameters and the buffers after the epoch with the best score.

    Parameters
    ----------
    patience
        How many epochs to wait for a better score, at least 1.
    min_delta
        By how much more than the best so far a score must be better, to count.
    mode
        Whether the best score is the highest, ``"max"``, or the lowest, ``"min"``.

    Raises
    ------
    ValueError
        If the patience is no integer of at least 1, ``min_delta`` is negative, the mode
        is another word, or, in training, if there is no score, since there are no
        validation data.

    Examples
    --------
    The score is best after the second epoch, and two epochs later training ends, though
    better ones would have come:

    >>> import numpy as np
    >>> import torch
    >>> from dlnotes.lab.callbacks import EarlyStopping
    >>> from dlnotes.lab.fit import fit
    >>> scores = iter([0.5, 0.7, 0.6, 0.6, 0.9])
    >>> X, line = torch.linspace(-1, 1, 100)[:, None], torch.nn.Linear(1, 1)
    >>> stopping = EarlyStopping(patience=2)
    >>> history = fit(
    ...     line,
    ...     X,
    ...     3 * X - 2,
    ...     loss=torch.nn.MSELoss(),
    ...     optimizer=torch.optim.SGD(line.parameters(), lr=0.1),
    ...     epochs=5,
    ...     rng=np.random.default_rng(0),
    ...     validation=(X, 3 * X - 2),
    ...     metric=lambda outputs, targets: next(scores),
    ...     callbacks=[stopping],
    ... )
    >>> history.scores, stopping.state.best_epoch
    (array([0.5, 0.7, 0.6, 0.6]), 1)
    """

    def __init__(
        self,
        *,
        patience: int,
        min_delta: float = 0.0,
        mode: early_stopping.Mode = "max",
    ) -> None:
        start = early_stopping.State()
        early_stopping.should_stop(start, patience=patience)
        early_stopping.update(start, 0.0, min_delta=min_delta, mode=mode)
        self.patience, self.min_delta, self.mode = patience, min_delta, mode

    def before_training(self, run: Run) -> None:  # noqa: ARG002
        """Begin to wait."""
        self.state = early_stopping.State()
        self.best: dict[str, Tensor] = {}

    def after_epoch(self, run: Run) -> None:
        """Look at the score."""
        if not len(run.history.scores):
            raise ValueError("validation must be given, for there to be a score")
        self.state = early_stopping.update(
            self.state,
            float(run.history.scores[-1]),
            min_delta=self.min_delta,
            mode=self.mode,
        )
        if self.state.waited == 0:
            self.best = deepcopy(dict(run.model.state_dict()))
        if early_stopping.should_stop(self.state, patience=self.patience):
            run.stop = True

    def after_training(self, run: Run) -> None:
        """Put back the best model, if a score was a finite number."""
        if self.best:
            run.model.load_state_dict(self.best)

    def state_dict(self) -> dict[str, Any]:
        """Return the best model, and how long a better one was waited for."""
        return {"state": asdict(self.state), "best": self.best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Wait on."""
        self.state, self.best = early_stopping.State(**state["state"]), state["best"]


class Schedule(Callback):
    """Set the learning rate of every step to what a schedule says.

    Parameters
    ----------
    rate
        From the number of a step, counted from 0, to its rate, as the functions of
        :mod:`dlnotes.optimization.schedules` do; all groups of the optimizer get it.

    Examples
    --------
    >>> from functools import partial
    >>> import numpy as np
    >>> import torch
    >>> from dlnotes.lab.callbacks import Schedule
    >>> from dlnotes.lab.fit import fit
    >>> from dlnotes.optimization.schedules import step_decay
    >>> X, line = torch.linspace(-1, 1, 100)[:, None], torch.nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(line.parameters(), lr=1.0)
    >>> history = fit(
    ...     line,
    ...     X,
    ...     3 * X - 2,
    ...     loss=torch.nn.MSELoss(),
    ...     optimizer=optimizer,
    ...     epochs=3,
    ...     batch_size=50,
    ...     rng=np.random.default_rng(0),
    ...     callbacks=[Schedule(partial(step_decay, high=0.1, period=2, factor=0.5))],
    ... )
    >>> optimizer.param_groups[0]["lr"]
    0.025
    """

    def __init__(self, rate: Rate) -> None:
        self.rate = rate

    def before_step(self, run: Run) -> None:
        """Set the rate of the step to come."""
        rate = float(self.rate(np.asarray(run.steps)))
        for group in run.optimizer.param_groups:
            group["lr"] = rate


class Scheduler(Callback):
    """Let one of PyTorch's schedulers set the learning rates.

    Parameters
    ----------
    make
        From the optimizer to its scheduler.  One that waits for a plateau,
        ``ReduceLROnPlateau``, is told the score, or the loss of the epoch if there is
        none, after each epoch.
    every
        Whether the scheduler counts steps or epochs.

    Raises
    ------
    ValueError
        If what is counted is neither.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from torch.optim.lr_scheduler import ExponentialLR
    >>> from dlnotes.lab.callbacks import Scheduler
    >>> from dlnotes.lab.fit import fit
    >>> X, line = torch.linspace(-1, 1, 100)[:, None], torch.nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(line.parameters(), lr=0.8)
    >>> history = fit(
    ...     line,
    ...     X,
    ...     3 * X - 2,
    ...     loss=torch.nn.MSELoss(),
    ...     optimizer=optimizer,
    ...     epochs=3,
    ...     rng=np.random.default_rng(0),
    ...     callbacks=[Scheduler(lambda o: ExponentialLR(o, 0.5), every="epoch")],
    ... )
    >>> optimizer.param_groups[0]["lr"]
    0.1
    """

    def __init__(
        self,
        make: Callable[[torch.optim.Optimizer], LRScheduler],
        *,
        every: Literal["step", "epoch"] = "step",
    ) -> None:
        if every not in ("step", "epoch"):
            raise ValueError(f"every must be 'step' or 'epoch', got {every!r}")
        self.make, self.every = make, every

    def before_training(self, run: Run) -> None:
        """Begin with the optimizer's own rates."""
        self.scheduler = self.make(run.optimizer)
        self.waits = isinstance(self.scheduler, ReduceLROnPlateau)

    def after_step(self, run: Run, loss: Tensor) -> None:  # noqa: ARG002
        """Count the step, unless it was skipped."""
        if self.every == "step" and not (self.waits or run.skipped):
            self.scheduler.step()

    def after_epoch(self, run: Run) -> None:
        """Count the epoch, or tell how good the model is."""
        history = run.history
        if self.waits:
            told = history.scores if len(history.scores) else history.epoch_losses
            self.scheduler.step(told[-1])
        elif self.every == "epoch":
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Return how far the scheduler is."""
        return self.scheduler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.scheduler.load_state_dict(dict(state))


class Clipping(Callback):
    """Shorten the gradient of all parameters together if it is too long.

    Parameters
    ----------
    norm
        The length that it is shortened to.

    Raises
    ------
    ValueError
        If the length is not positive and finite.

    Examples
    --------
    However steep the loss, a step at the rate 1 goes no further than the norm:

    >>> import numpy as np
    >>> import torch
    >>> from dlnotes.lab.callbacks import Clipping
    >>> from dlnotes.lab.fit import fit
    >>> X, line = torch.ones(1, 1), torch.nn.Linear(1, 1, bias=False)
    >>> start = line.weight.item()
    >>> history = fit(
    ...     line,
    ...     X,
    ...     1000 * X,
    ...     loss=torch.nn.MSELoss(),
    ...     optimizer=torch.optim.SGD(line.parameters(), lr=1.0),
    ...     epochs=1,
    ...     rng=np.random.default_rng(0),
    ...     callbacks=[Clipping(0.5)],
    ... )
    >>> round(line.weight.item() - start, 3)
    0.5
    """

    def __init__(self, norm: float) -> None:
        positive(norm=norm)
        self.norm = norm

    def before_step(self, run: Run) -> None:
        """Shorten the gradient."""
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), self.norm)
