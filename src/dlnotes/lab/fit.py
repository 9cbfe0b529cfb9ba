"""Training.

`fit` is the loop that every experiment shares: shuffle, take a batch, follow the
gradient of its loss.  What is trained, on what, and by which optimizer is the caller's.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.nn import Module
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from dlnotes.lab.metrics import accuracy


@dataclass(frozen=True, eq=False)
class History:
    """What a training run went through."""

    losses: Float[np.ndarray, "steps"]
    epoch_losses: Float[np.ndarray, "epochs"]
    scores: Float[np.ndarray, "scores"]
    seconds: float


def predict(model: Module, X: Tensor, *, batch_size: int = 1000) -> Tensor:
    """Return the outputs of a model in evaluation mode, without their gradients."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        outputs = torch.cat([model(batch) for batch in torch.split(X, batch_size)])
    model.train(was_training)
    return outputs


def fit(  # noqa: PLR0913  # each is a choice that some experiment makes
    model: Module,
    X: Tensor,
    y: Tensor,
    *,
    loss: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    epochs: int,
    batch_size: int = 64,
    rng: np.random.Generator,
    validation: tuple[Tensor, Tensor] | None = None,
    metric: Callable[[Tensor, Tensor], float] = accuracy,
    after_epoch: Callable[[History], bool] | None = None,
) -> History:
    """Train a model on batches in random order.

    Where several processes have been joined by ``torch.distributed``, each takes its
    share of every batch and the gradients are averaged, so the losses are those of one
    process.  (Not so for layers that look at the whole batch or draw random numbers,
    such as batch normalization and dropout.)

    Parameters
    ----------
    model
        What to train, on the device of the data.
    X
        One instance a row.
    y
        The target of each instance; integers are labels, and count the outputs.
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

    Returns
    -------
    history
        The loss of each step, their mean over each epoch, the score after each epoch
        if there is validation data, and the seconds that all of it took.

    Raises
    ------
    ValueError
        If a number of epochs or the size of a batch is not positive, or if the data
        are empty, of different lengths, not finite, or labeled out of range.
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
    if not (epochs >= 1 and batch_size >= 1):
        raise ValueError(f"wants 1 or more, got {epochs=} and {batch_size=}")
    for data in filter(None, [(X, y), validation]):
        _check_data(model, *data)
    rank, processes = _process()
    wrapped = DistributedDataParallel(model) if processes > 1 else model
    losses, scores, started = [], [], perf_counter()
    for epoch in range(1, epochs + 1):
        model.train()
        order = torch.from_numpy(rng.permutation(len(X))).to(X.device)
        batches = torch.split(order, batch_size)
        steps = _steps(wrapped, X, y, batches, loss, optimizer)
        quiet = True if rank > 0 else None  # None: unless it is a terminal
        bar = tqdm(steps, f"epoch {epoch}", len(batches), leave=False, disable=quiet)
        losses.append(_read(bar, epoch))
        if validation is not None:
            scores.append(metric(predict(model, validation[0]), validation[1]))
        history = History(
            losses=np.concatenate(losses),
            epoch_losses=np.mean(losses, axis=1),
            scores=np.array(scores),
            seconds=perf_counter() - started,
        )
        if after_epoch is not None and after_epoch(history):
            break
    return history


def _steps(
    model: Module,
    X: Tensor,
    y: Tensor,
    batches: Sequence[Tensor],
    loss: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
) -> Iterator[Tensor]:
    """Yield the loss of each batch and then take the step, unless it is not finite."""
    rank, processes = _process()
    for batch in batches:
        # A process without a share still has to take part: with no weight.
        share = batch[rank::processes] if len(batch) > rank else batch[:1]
        weight = len(batch[rank::processes]) * processes / len(batch)
        value = weight * loss(model(X[share]), y[share]).mean()
        total = value.detach().clone()
        if processes > 1:
            distributed.all_reduce(total)
        yield total / processes
        if total.is_cpu and not total.isfinite():
            return
        optimizer.zero_grad()
        torch.autograd.backward(value)
        optimizer.step()


def _process() -> tuple[int, int]:
    """Return the number of this process and how many there are."""
    if not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def _read(values: Iterable[Tensor], epoch: int) -> NDArray[np.float64]:
    """Fetch the losses of an epoch, all of which must be finite."""
    losses = torch.stack(list(values)).cpu().double().numpy()
    if not np.isfinite(losses).all():
        step = int(np.argmin(np.isfinite(losses)))
        raise FloatingPointError(
            f"the loss is {losses[step]} at step {step + 1} of epoch {epoch}"
        )
    return losses


def _check_data(model: Module, X: Tensor, y: Tensor) -> None:
    """Refuse data that no model can be trained on, or not this one."""
    if len(X) == 0 or len(X) != len(y):
        raise ValueError(f"wants as many y as X, and some, got {len(y)} and {len(X)}")
    for name, values in (("X", X), ("y", y)):
        if not values.isfinite().all():
            raise ValueError(f"{name} must be finite, but has NaN or infinity in it")
    outputs = predict(model, X[:1])
    if not y.is_floating_point() and outputs.ndim > 1:
        low, high, classes = int(y.min()), int(y.max()), outputs.shape[1]
        if low < 0 or high >= classes:
            raise ValueError(
                f"labels must be at least 0 and less than {classes}, which is how many "
                f"outputs the model has, got {low} to {high}"
            )
