"""Training.

`fit` is the loop that every experiment shares: shuffle, take a batch, follow the
gradient of its loss.  What is trained, on what, and by which optimizer is the caller's;
what else happens on the way is a `Callback`.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, TypeGuard, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.amp import GradScaler
from torch.nn import Module
from torch.optim.lr_scheduler import LinearLR
from tqdm import tqdm

from dlnotes.checks import integer
from dlnotes.lab.arguments import check_data, check_settings, only_ignored
from dlnotes.lab.batches import Batch, Loaded, Pairs, Source, Tensors, as_pair
from dlnotes.lab.metrics import accuracy
from dlnotes.lab.processes import (
    Share,
    copy_from_first,
    from_first,
    in_any,
    normalized_together,
    process,
    sum_gradients,
)
from dlnotes.lab.streams import Streams

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class History:
    """What a training run went through."""

    losses: Float[np.ndarray, "steps"]
    epoch_losses: Float[np.ndarray, "epochs"]
    scores: Float[np.ndarray, "scores"]
    seconds: float


@dataclass(eq=False)
class Run:
    """A training run as its callbacks see it.

    The history is that of the epochs that are over, ``losses`` are those of the steps
    of the present one, and the steps are all that were made.  How many steps an epoch
    has is not known where batches come from what has no length.  The last step was
    ``skipped`` if scaled gradients overflowed in it.  A callback ends the training by
    setting ``stop``; where there are several processes, one that does so ends it in all
    of them.
    """

    model: Module
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    epochs: int
    steps_per_epoch: int | None
    history: History
    callbacks: list["Callback"]
    streams: Streams
    scaler: GradScaler
    losses: list[Tensor] = field(default_factory=list)
    steps: int = 0
    skipped: bool = False
    stop: bool = False


class Callback:
    """What happens during a training run besides the training.

    Each method does nothing unless a subclass has one of its own.  Callbacks are called
    in the order in which they were given.

    Examples
    --------
    A learning rate that falls by the same factor at every step:

    >>> import numpy as np
    >>> import torch
    >>> from dlnotes.lab.fit import Callback, fit
    >>> class Decay(Callback):
    ...     def after_step(self, run, loss):
    ...         for group in run.optimizer.param_groups:
    ...             group["lr"] *= 0.5
    >>> X, line = torch.linspace(-1, 1, 100)[:, None], torch.nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(line.parameters(), lr=0.8)
    >>> history = fit(
    ...     line,
    ...     X,
    ...     3 * X - 2,
    ...     loss=torch.nn.MSELoss(),
    ...     optimizer=optimizer,
    ...     epochs=1,
    ...     batch_size=50,
    ...     rng=np.random.default_rng(0),
    ...     callbacks=[Decay()],
    ... )
    >>> optimizer.param_groups[0]["lr"]
    0.2
    """

    def before_training(self, run: Run) -> None:
        """Act before the first step, when a run that was saved may be put back."""

    def before_epoch(self, run: Run) -> None:
        """Act before the first step of an epoch, the order of which is drawn."""

    def before_step(self, run: Run) -> None:
        """Act between the gradients and the step that follows them."""

    def after_step(self, run: Run, loss: Tensor) -> None:
        """Act after a step; the loss is that of its batch, before the step."""

    def after_epoch(self, run: Run) -> None:
        """Act after an epoch, whose losses and score the history has."""

    def after_training(self, run: Run) -> None:
        """Act after the last epoch, unless an error ended the training."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint is to keep of this callback."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint has kept."""


class Falling(Callback):
    """The learning rate falls to zero, by as much at every step.

    Examples
    --------
    From 0.4, in four steps:

    >>> import numpy as np
    >>> import torch
    >>> from dlnotes.lab.fit import Callback, Falling, fit
    >>> class Rates(Callback):
    ...     def before_step(self, run):
    ...         print(round(run.optimizer.param_groups[0]["lr"], 3))
    >>> X, line = torch.linspace(-1, 1, 100)[:, None], torch.nn.Linear(1, 1)
    >>> history = fit(
    ...     line,
    ...     X,
    ...     3 * X - 2,
    ...     loss=torch.nn.MSELoss(),
    ...     optimizer=torch.optim.SGD(line.parameters(), lr=0.4),
    ...     epochs=2,
    ...     batch_size=50,
    ...     rng=np.random.default_rng(0),
    ...     callbacks=[Rates(), Falling()],
    ... )
    0.4
    0.3
    0.2
    0.1
    """

    def before_training(self, run: Run) -> None:
        """Begin with the optimizer's own rate."""
        if run.steps_per_epoch is None:
            raise ValueError("X must have a length, for the rate to fall to zero")
        steps = run.epochs * run.steps_per_epoch
        self.schedule = LinearLR(run.optimizer, 1, 0, total_iters=steps)

    def after_step(self, run: Run, loss: Tensor) -> None:  # noqa: ARG002
        """Lower the rate."""
        if not run.skipped:
            self.schedule.step()

    def state_dict(self) -> dict[str, Any]:
        """Return how far the rate has fallen."""
        return self.schedule.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the rate fall on from there."""
        self.schedule.load_state_dict(dict(state))


def predict(model: Module, X: Tensor, *, batch_size: int = 1000) -> Tensor:
    """Return the outputs of a model in evaluation mode, without their gradients.

    Parameters
    ----------
    model
        The model, on the device of the data; each of its modules is put back into the
        mode in which it was.
    X
        One instance a row.
    batch_size
        How many instances to give the model at a time.

    Returns
    -------
    outputs
        The output for each instance.

    Examples
    --------
    Dropout drops nothing in evaluation mode, and drops again afterwards:

    >>> import torch
    >>> from dlnotes.lab.fit import predict
    >>> dropout = torch.nn.Dropout(0.5)
    >>> predict(dropout, torch.ones(1, 4)), dropout.training
    (tensor([[1., 1., 1., 1.]]), True)
    """
    with _modes_restored(model), torch.no_grad():
        model.eval()
        return torch.cat([model(batch) for batch in torch.split(X, batch_size)])


def fit(  # noqa: PLR0913  # each is a choice that some experiment makes
    model: Module,
    X: Tensor | Pairs,
    y: Tensor | None = None,
    *,
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    batch_size: int = 64,
    rng: np.random.Generator | None = None,
    validation: tuple[Tensor, Tensor] | Pairs | None = None,
    metric: Callable[[Tensor, Tensor], float] = accuracy,
    after_epoch: Callable[[History], bool] | None = None,
    callbacks: Iterable[Callback] = (),
    accumulation_steps: int = 1,
    autocast: torch.dtype | None = None,
) -> History:
    """Train a model on batches in random order.

    A model in evaluation mode is trained in training mode and put back.  In a model in
    training mode, modules that are in evaluation mode stay there: batch normalization
    that is frozen in this way keeps its statistics.

    Where several processes have been joined by ``torch.distributed``, each takes its
    share of every batch and the gradients are summed, so the losses are those of one
    process.  Batch normalization sees the whole batch.  What layers draw, such as
    dropout, each process draws by itself, so there the losses are those of another
    seed.  (Other layers that look at the whole batch see a share of it, and losses that
    weight or ignore some of the targets take the mean over their share.)  The score is
    that of the first process, and all stop together.

    Parameters
    ----------
    model
        What to train, on the device of the data.
    X
        One instance a row; or batches, which are pairs of instances and targets, from a
        ``DataLoader`` or whatever yields them anew for every epoch.  These are brought
        to the device of the model.
    y
        The target of each instance.  Integers beside an axis of several outputs are
        labels, which count these from zero.  Batches have their own.
    loss
        From outputs and targets to the loss of each instance, or the mean of these.
    optimizer
        The optimizer of the model's parameters.
    epochs
        How many times to go through the data.
    batch_size
        How many instances to take at a step, over all processes; what is left at the
        end of an epoch makes a smaller batch.  Batches have their own size.
    rng
        The source of the order of the instances; seeded alike in every process.
        Batches have their own order.
    validation
        Instances and targets to score the model on after every epoch, or batches of
        these.
    metric
        From outputs and targets to a score.
    after_epoch
        Called with the history so far; training stops if it returns true.
    callbacks
        What else to do before, during and after the training.
    accumulation_steps
        In how many parts to take a batch, one after the other, whose gradients are
        added up: as many times less memory, and the same step, but for layers and
        losses that do not see instances one by one.
    autocast
        The type in which ``torch.autocast`` computes what it can, ``torch.bfloat16`` or
        ``torch.float16``; the gradients of the latter are scaled.

    Returns
    -------
    history
        The loss of each step, the mean loss of the instances over each epoch, the score
        after each epoch if there is validation data, and the seconds that it all took.

    Raises
    ------
    ValueError
        If a number of epochs or the size of a batch is no positive integer; if the
        optimizer has no parameter of the model; if ``autocast`` is another type; if the
        data are empty, of different lengths or not finite; if labels are out of range
        and the loss does not ignore them; or if the loss compares an instance with the
        target of another one, since the shapes of outputs and targets differ.
    TypeError
        If the source of the order is no generator, or the optimizer one that computes
        losses by itself, such as ``torch.optim.LBFGS``; if there are no targets, a
        batch is no pair of tensors, or batches can be taken once only.
    FloatingPointError
        If a loss is not finite.  On a CPU the parameters are left as they were before
        that step; elsewhere losses are looked at once an epoch, not to wait for each.

    Examples
    --------
    Least squares, told to stop once the loss of an epoch is small:

    >>> import numpy as np
    >>> import torch
    >>> from dlnotes.lab.fit import fit
    >>> X = torch.linspace(-1, 1, 100)[:, None]
    >>> line = torch.nn.Linear(1, 1)
    >>> history = fit(
    ...     line,
    ...     X,
    ...     3 * X - 2,
    ...     loss=torch.nn.MSELoss(),
    ...     optimizer=torch.optim.SGD(line.parameters(), lr=0.1),
    ...     epochs=1000,
    ...     rng=np.random.default_rng(0),
    ...     after_epoch=lambda history: history.epoch_losses[-1] < 1e-6,
    ... )
    >>> round(line.weight.item(), 1), round(line.bias.item(), 1)
    (3.0, -2.0)
    >>> len(history.epoch_losses) < 1000
    True
    """
    if not isinstance(X, Tensor):
        rng = rng or np.random.default_rng(0)  # from which nothing is drawn
    rng = cast(np.random.Generator, rng)
    check_settings(model, optimizer, rng, epochs=epochs, batch_size=batch_size)
    integer(1, accumulation_steps=accumulation_steps)
    check = partial(check_data, partial(predict, model), loss, batch_size)
    data = _source(model, X, y, batch_size, check)
    if validation is not None and _whole(validation):
        check(*validation)
    every = [*([] if after_epoch is None else [_Until(after_epoch)]), *callbacks]
    streams, lowered = Streams(rng, data.device, X), _lowered(data.device, autocast)
    scaler = GradScaler(data.device.type, enabled=autocast is torch.float16)
    nothing = History(np.empty(0), np.empty(0), np.empty(0), seconds=0.0)
    run = Run(
        model, optimizer, rng, epochs, data.steps, nothing, every, streams, scaler
    )
    with _modes_restored(model), normalized_together(model) as share, streams.apart():
        _begin(run)
        gradients = partial(_gradients, run, loss, share, lowered, accumulation_steps)
        score = partial(_score, model, metric, validation, data.device)
        _train(run, data, gradients, partial(_why, model, loss, data), score)
    return run.history


def _whole(data: tuple[Tensor, Tensor] | Pairs) -> TypeGuard[tuple[Tensor, Tensor]]:
    """Tell instances and targets from batches of them."""
    return isinstance(data, tuple) and all(isinstance(each, Tensor) for each in data)


def _source(
    model: Module,
    X: Tensor | Pairs,
    y: Tensor | None,
    batch_size: int,
    check: Callable[[Tensor, Tensor], None],
) -> Source:
    """Say where the batches come from; tensors are checked at once."""
    if not isinstance(X, Tensor):
        if y is not None:
            raise TypeError(f"X must be a tensor, as y is, got {type(X).__name__}")
        return Loaded(X, next(model.parameters()).device, check)
    if y is None:
        raise TypeError("y must be the targets of the instances, got none")
    check(X, y)
    return Tensors(X, y, batch_size)


def _lowered(
    device: torch.device, autocast: torch.dtype | None
) -> Callable[[], AbstractContextManager[Any]]:
    """Return what makes a context of lower precision, or of none."""
    if autocast is None:
        return nullcontext
    if autocast not in (torch.bfloat16, torch.float16):
        raise ValueError(
            f"autocast must be torch.bfloat16 or torch.float16, got {autocast}"
        )
    return partial(torch.autocast, device.type, autocast)


def _train(
    run: Run,
    data: Source,
    gradients: Callable[[Batch], Tensor],
    why: Callable[[int], str],
    score: Callable[[], list[float]],
) -> None:
    """Go through the epochs that are left."""
    while len(run.history.epoch_losses) < run.epochs and not _stopped(run, data.device):
        started = perf_counter()
        batches = data.epoch(run.streams, len(run.losses))
        for each in run.callbacks:
            each.before_epoch(run)
        losses = _read(_steps(run, batches, gradients), run, why)
        copy_from_first(run.model.buffers())
        run.history = _continued(run.history, losses, data.sizes, score(), started)
        run.losses = []
        for each in run.callbacks:
            each.after_epoch(run)
    for each in run.callbacks:
        each.after_training(run)


@dataclass(frozen=True)
class _Until(Callback):
    """Stop after the epoch in which a condition holds."""

    condition: Callable[[History], bool]

    def after_epoch(self, run: Run) -> None:
        if self.condition(run.history):
            run.stop = True


def _begin(run: Run) -> None:
    """Start a run, or continue one that a callback puts back."""
    if not run.model.training:
        run.model.train()
    for each in run.callbacks:
        each.before_training(run)
    run.steps = len(run.history.losses) + len(run.losses)
    copy_from_first([*run.model.parameters(), *run.model.buffers()])


def _steps(
    run: Run, batches: Iterable[Batch], gradients: Callable[[Batch], Tensor]
) -> Iterator[None]:
    """Take a step for each batch, unless its loss is not finite."""
    for batch in batches:
        total = gradients(batch)
        del batch  # before the next one is made
        run.losses.append(total)
        if total.is_cpu and not math.isfinite(total):
            return
        sum_gradients(run.model)
        run.scaler.unscale_(run.optimizer)
        for each in run.callbacks:
            each.before_step(run)
        _move(run)
        run.steps += 1
        for each in run.callbacks:
            each.after_step(run, total)
        if run.callbacks and _stopped(run, total.device):
            return
        yield


def _move(run: Run) -> None:
    """Take the step, unless scaled gradients have overflowed: then they are lowered."""
    if not run.scaler.is_enabled():
        run.optimizer.step()
        return
    scale = run.scaler.get_scale()
    run.scaler.step(run.optimizer)
    run.scaler.update()
    run.skipped = run.scaler.get_scale() < scale


def _gradients(
    run: Run,
    loss: Loss,
    share: Share,
    lowered: Callable[[], AbstractContextManager[Any]],
    parts: int,
    batch: Batch,
) -> Tensor:
    """Add up the gradients of this process's share, and return the whole loss."""
    share.counts = batch.weight > 0
    run.optimizer.zero_grad()
    values = []
    for X, y, weight in batch.parts(parts):
        with lowered():
            value = loss(run.model(X), y)
            value = value.mean() if value.ndim else value
            value = value if weight == 1 else weight * value
        torch.autograd.backward(run.scaler.scale(value))
        values.append(value.detach())
    total = sum(values[1:], values[0].clone())
    if process()[1] > 1:
        distributed.all_reduce(total)
    return total


def _stopped(run: Run, device: torch.device) -> bool:
    """Stop a run in every process if it is to stop in one."""
    run.stop = in_any(run.stop, device)
    return run.stop


def _score(
    model: Module,
    metric: Callable[[Tensor, Tensor], float],
    validation: tuple[Tensor, Tensor] | Pairs | None,
    device: torch.device,
) -> list[float]:
    """Score a model; of several processes the first one's score is everybody's."""
    if validation is None:
        return []
    pairs = [validation] if _whole(validation) else cast(Pairs, validation)
    found = [
        (predict(model, X.to(device)), y.to(device)) for X, y in map(as_pair, pairs)
    ]
    if not found:
        raise ValueError("validation must yield some batches, got none")
    outputs, targets = map(torch.cat, zip(*found, strict=True))
    return [from_first(metric(outputs, targets), device)]


def _why(model: Module, loss: Loss, data: Source, step: int) -> str:
    """Say why a loss is not finite, where that is known."""
    batch = data.at(step)
    return only_ignored(partial(predict, model), loss, *batch) if batch else ""


def _read(
    steps: Iterable[None], run: Run, why: Callable[[int], str]
) -> NDArray[np.float64]:
    """Take the steps of an epoch and fetch their losses, which must be finite."""
    epoch, others = len(run.history.epoch_losses) + 1, process()[0] > 0
    quiet = True if others else None  # None: unless it is a terminal
    bar = partial(tqdm, initial=len(run.losses), leave=False, disable=quiet)
    deque(bar(steps, f"epoch {epoch}", run.steps_per_epoch), maxlen=0)
    if not run.losses:
        raise ValueError("X must yield some batches, got none")
    losses = torch.stack(run.losses).cpu().double().numpy()
    if not np.isfinite(losses).all():
        step = int(np.argmin(np.isfinite(losses)))
        raise FloatingPointError(
            f"the loss is {losses[step]} at step {step + 1} of epoch {epoch}{why(step)}"
        )
    return losses


def _continued(
    history: History,
    losses: NDArray[np.float64],
    sizes: Sequence[int],
    scores: Sequence[float],
    started: float,
) -> History:
    """Add an epoch to a history, in which a batch counts by its instances."""
    mean = np.average(losses, weights=sizes[: len(losses)])
    return History(
        losses=np.append(history.losses, losses),
        epoch_losses=np.append(history.epoch_losses, mean),
        scores=np.append(history.scores, scores),
        seconds=history.seconds + perf_counter() - started,
    )


@contextmanager
def _modes_restored(model: Module) -> Iterator[None]:
    """Put each module back into the mode in which it was, also after an error."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
