"""Training.

`fit` is the loop that every experiment shares: shuffle, take a batch, follow the
gradient of its loss.  What is trained, on what, and by which optimizer is the caller's;
what else happens on the way is a `Callback`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import compress
from time import perf_counter

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.nn import Module
from torch.optim.lr_scheduler import LinearLR
from tqdm import tqdm

from dlnotes.lab.arguments import check_data, check_settings, only_ignored
from dlnotes.lab.metrics import accuracy

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

    The history is that of the epochs that are over, and the steps are all that were
    made.  A callback ends the training by setting ``stop``; where there are several
    processes, one that does so ends it in all of them.
    """

    model: Module
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    epochs: int
    steps_per_epoch: int
    history: History
    steps: int = 0
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

    def before_step(self, run: Run) -> None:
        """Act between the gradients and the step that follows them."""

    def after_step(self, run: Run, loss: Tensor) -> None:
        """Act after a step; the loss is that of its batch, before the step."""

    def after_epoch(self, run: Run) -> None:
        """Act after an epoch, whose losses and score the history has."""

    def after_training(self, run: Run) -> None:
        """Act after the last epoch, unless an error ended the training."""


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
        steps = run.epochs * run.steps_per_epoch
        self.schedule = LinearLR(run.optimizer, 1, 0, total_iters=steps)

    def after_step(self, run: Run, loss: Tensor) -> None:  # noqa: ARG002
        """Lower the rate."""
        self.schedule.step()


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
    X: Tensor,
    y: Tensor,
    *,
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    batch_size: int = 64,
    rng: np.random.Generator,
    validation: tuple[Tensor, Tensor] | None = None,
    metric: Callable[[Tensor, Tensor], float] = accuracy,
    after_epoch: Callable[[History], bool] | None = None,
    callbacks: Iterable[Callback] = (),
) -> History:
    """Train a model on batches in random order.

    A model in evaluation mode is trained in training mode and put back.  In a model in
    training mode, modules that are in evaluation mode stay there: batch normalization
    that is frozen in this way keeps its statistics.

    Where several processes have been joined by ``torch.distributed``, each takes its
    share of every batch and the gradients are summed, so the losses are those of one
    process.  (Not so for layers that look at the whole batch or draw random numbers,
    such as batch normalization and dropout, nor for losses that weight or ignore some
    of the targets.)  The score is that of the first process, and all stop together.

    Parameters
    ----------
    model
        What to train, on the device of the data.
    X
        One instance a row.
    y
        The target of each instance.  Integers beside an axis of several outputs are
        labels, which count these from zero.
    loss
        From outputs and targets to the loss of each instance, or the mean of these.
    optimizer
        The optimizer of the model's parameters.
    epochs
        How many times to go through the data.
    batch_size
        How many instances to take at a step, over all processes; what is left at the
        end of an epoch makes a smaller batch.
    rng
        The source of the order of the instances; seeded alike in every process.
    validation
        Instances and targets to score the model on after every epoch.
    metric
        From outputs and targets to a score.
    after_epoch
        Called with the history so far; training stops if it returns true.
    callbacks
        What else to do before, during and after the training.

    Returns
    -------
    history
        The loss of each step, the mean loss of the instances over each epoch, the score
        after each epoch if there is validation data, and the seconds that it all took.

    Raises
    ------
    ValueError
        If a number of epochs or the size of a batch is no positive integer; if the
        optimizer has no parameter of the model; if the data are empty, of different
        lengths or not finite; if labels are out of range and the loss does not ignore
        them; or if the loss compares an instance with the target of another one, since
        the shapes of outputs and targets differ.
    TypeError
        If the source of the order is no generator, or the optimizer one that computes
        losses by itself, such as ``torch.optim.LBFGS``.
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
    check_settings(model, optimizer, rng, epochs=epochs, batch_size=batch_size)
    outputs_of = partial(predict, model)
    for data in filter(None, [(X, y), validation]):
        check_data(outputs_of, loss, batch_size, *data)
    nothing = History(np.empty(0), np.empty(0), np.empty(0), seconds=0.0)
    run = Run(model, optimizer, rng, epochs, -(-len(X) // batch_size), nothing)
    every = [*callbacks, *([] if after_epoch is None else [_Until(after_epoch)])]
    with _modes_restored(model):
        _begin(run, every)
        loss_of = partial(_batch_loss, model, X, y, loss)
        while len(run.history.epoch_losses) < epochs and not _stopped(run, X.device):
            started = perf_counter()
            batches = _batches(run.rng, X, batch_size)
            why = partial(only_ignored, outputs_of, loss, X, y, batches)
            losses = _read(_steps(run, every, batches, loss_of), run, why)
            _copy_from_first(model.buffers())
            scores = [] if validation is None else [_score(model, metric, *validation)]
            run.history = _continued(run.history, losses, batches, scores, started)
            for each in every:
                each.after_epoch(run)
        for each in every:
            each.after_training(run)
    return run.history


@dataclass(frozen=True)
class _Until(Callback):
    """Stop after the epoch in which a condition holds."""

    condition: Callable[[History], bool]

    def after_epoch(self, run: Run) -> None:
        if self.condition(run.history):
            run.stop = True


def _begin(run: Run, callbacks: Sequence[Callback]) -> None:
    """Start a run, or continue one that a callback puts back."""
    if not run.model.training:
        run.model.train()
    for each in callbacks:
        each.before_training(run)
    run.steps = len(run.history.losses)
    _copy_from_first([*run.model.parameters(), *run.model.buffers()])


def _batches(
    rng: np.random.Generator, X: Tensor, batch_size: int
) -> tuple[Tensor, ...]:
    """Draw the order of the instances and cut it into batches."""
    order = torch.from_numpy(rng.permutation(len(X))).to(X.device)
    return torch.split(order, batch_size)


def _steps(
    run: Run,
    callbacks: Sequence[Callback],
    batches: Sequence[Tensor],
    loss_of: Callable[[Tensor], tuple[Tensor, Tensor]],
) -> Iterator[Tensor]:
    """Yield the loss of each batch and then take the step, unless it is not finite."""
    for batch in batches:
        value, total = loss_of(batch)
        yield total
        if total.is_cpu and not total.isfinite():
            return
        run.optimizer.zero_grad()
        torch.autograd.backward(value)
        if _process()[1] > 1:
            _sum_gradients(run.model)
        for each in callbacks:
            each.before_step(run)
        run.optimizer.step()
        run.steps += 1
        for each in callbacks:
            each.after_step(run, total)
        if callbacks and _stopped(run, total.device):
            return


def _batch_loss(
    model: Module, X: Tensor, y: Tensor, loss: Loss, batch: Tensor
) -> tuple[Tensor, Tensor]:
    """Return this process's part of the loss of a batch, and the whole of it."""
    rank, processes = _process()
    # A process without a share still has to take part: with no weight.
    share = batch[rank::processes] if len(batch) > rank else batch[:1]
    weight = len(batch[rank::processes]) / len(batch)
    value = weight * loss(model(X[share]), y[share]).mean()
    total = value.detach().clone()
    if processes > 1:
        distributed.all_reduce(total)
    return value, total


def _sum_gradients(model: Module) -> None:
    """Sum the gradients over the processes, of what took part in one of them.

    PyTorch's own wrapper does this while they are still computed, but wants to be told
    beforehand whether some parameters take no part, and fails or warns if they differ.
    """
    learned = [each for each in model.parameters() if each.requires_grad]
    used = torch.stack([_flag(each.grad is not None, each.device) for each in learned])
    distributed.all_reduce(used, distributed.ReduceOp.MAX)
    for each in compress(learned, used.tolist()):
        if each.grad is None:
            each.grad = torch.zeros_like(each)
        distributed.all_reduce(each.grad)


def _copy_from_first(tensors: Iterable[Tensor]) -> None:
    """Give every process the numbers that the first one has."""
    for each in tensors if _process()[1] > 1 else ():
        distributed.broadcast(each.detach(), 0)


def _flag(value: bool, device: torch.device) -> Tensor:  # noqa: FBT001  # its one use
    """Make a number of a truth value, of which processes can take the highest."""
    return torch.tensor(float(value), device=device)


def _process() -> tuple[int, int]:
    """Return the number of this process and how many there are."""
    if not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def _stopped(run: Run, device: torch.device) -> bool:
    """Stop a run in every process if it is to stop in one."""
    if _process()[1] > 1:
        stop = _flag(run.stop, device)
        distributed.all_reduce(stop, distributed.ReduceOp.MAX)
        run.stop = bool(stop)
    return run.stop


def _score(
    model: Module, metric: Callable[[Tensor, Tensor], float], X: Tensor, y: Tensor
) -> float:
    """Score a model; of several processes the first one's score is everybody's."""
    score = metric(predict(model, X), y)
    if _process()[1] > 1:
        shared = torch.tensor(score, dtype=torch.float64, device=X.device)
        _copy_from_first([shared])
        score = shared.item()
    return score


def _read(
    steps: Iterable[Tensor], run: Run, why: Callable[[int], str]
) -> NDArray[np.float64]:
    """Take the steps of an epoch and fetch their losses, which must be finite."""
    epoch, others = len(run.history.epoch_losses) + 1, _process()[0] > 0
    quiet = True if others else None  # None: unless it is a terminal
    bar = tqdm(steps, f"epoch {epoch}", run.steps_per_epoch, leave=False, disable=quiet)
    losses = torch.stack(list(bar)).cpu().double().numpy()
    if not np.isfinite(losses).all():
        step = int(np.argmin(np.isfinite(losses)))
        raise FloatingPointError(
            f"the loss is {losses[step]} at step {step + 1} of epoch {epoch}{why(step)}"
        )
    return losses


def _continued(
    history: History,
    losses: NDArray[np.float64],
    batches: Sequence[Tensor],
    scores: Sequence[float],
    started: float,
) -> History:
    """Add an epoch to a history, in which a batch counts by its instances."""
    sizes = [len(batch) for batch in batches[: len(losses)]]
    mean = np.average(losses, weights=sizes)
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
