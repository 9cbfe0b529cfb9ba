"""What training refuses: settings and data that cannot be meant.

`dlnotes.lab.fit.fit` asks here before its first step.  What is here computes nothing:
it leaves model, data and generators as they are, and returns or raises.  So a change of
it makes no measurement stale.
"""

import inspect
import warnings
from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

from dlnotes.checks import generator, integer

Loss = Callable[[Tensor, Tensor], Tensor]
Outputs = Callable[[Tensor], Tensor]


def check_settings(
    model: Module,
    optimizer: torch.optim.Optimizer,
    rng: np.random.Generator,
    *,
    epochs: int,
    batch_size: int,
) -> None:
    """Refuse counts that are none, and an optimizer that cannot train the model."""
    integer(1, epochs=epochs, batch_size=batch_size)
    generator(rng=rng)
    if _wants_closure(optimizer):
        raise TypeError(
            "optimizer must take a step without a closure that computes the loss, "
            f"got {type(optimizer).__name__}"
        )
    learned = {each for group in optimizer.param_groups for each in group["params"]}
    if learned.isdisjoint(model.parameters()):
        raise ValueError(
            "optimizer must have parameters of the model, got one that has none of them"
        )


def _wants_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Tell whether a step of an optimizer has to be given something."""
    given = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(
        each.default is each.empty and each.kind not in given
        for each in inspect.signature(optimizer.step).parameters.values()
    )


def check_data(
    outputs_of: Outputs, loss: Loss, batch_size: int, X: Tensor, y: Tensor
) -> None:
    """Refuse data that no model can be trained on, or not this one by this loss."""
    check_values(X, y)
    output = outputs_of(X[:1])[0]
    if _labels(output, y):
        _check_labels(loss, output, y)
    elif y.ndim != output.ndim + 1:
        _check_pairs(loss, output, y, min(len(y), batch_size))


def check_values(X: Tensor, y: Tensor) -> None:
    """Refuse instances and targets that no model can be trained on."""
    if X.ndim == 0 or y.ndim == 0 or len(X) == 0 or len(X) != len(y):
        counts = " and ".join(str(len(v)) if v.ndim else "a number" for v in (y, X))
        raise ValueError(f"wants as many y as X, and some, got {counts}")
    for name, values in (("X", X), ("y", y)):
        if not values.isfinite().all():
            raise ValueError(f"{name} must be finite, but has NaN or infinity in it")


def only_ignored(outputs_of: Outputs, loss: Loss, X: Tensor, y: Tensor) -> str:
    """Say so if it is why a loss is not finite: each label of its batch is ignored."""
    output, labels = outputs_of(X[:1])[0], y.cpu().flatten().tolist()
    if not _labels(output, y):
        return ""
    if not all(_ignored(loss, output, each) for each in set(labels)):
        return ""
    return (
        ": the loss ignores every label of that batch, so batch_size must be larger, "
        "or such instances be left out of X and y"
    )


def _labels(output: Tensor, y: Tensor) -> bool:
    """Tell whether targets number the outputs."""
    several = output.ndim > 0 and len(output) > 1
    return several and not y.is_floating_point() and y.shape[1:] == output.shape[1:]


def _check_labels(loss: Loss, output: Tensor, y: Tensor) -> None:
    """Refuse labels that are no number of an output, unless the loss ignores them."""
    low, high, classes = int(y.min()), int(y.max()), len(output)
    outside = set(y[(y < 0) | (y >= classes)].cpu().tolist())
    if all(_ignored(loss, output, label) for label in outside):
        return
    raise ValueError(
        f"labels must be at least 0 and less than {classes}, which is how many outputs "
        f"the model has, or be ignored by the loss, got {low} to {high}"
    )


def _ignored(loss: Loss, output: Tensor, label: int) -> bool:
    """Tell whether a label leaves a loss as it is, whatever the outputs are."""
    if isinstance(loss, Module):
        loss = deepcopy(loss).cpu()  # where a wrong label is an error and no crash
    given = torch.tensor([*range(min(len(output), 9)), label])
    shape = (len(given), *output.shape)
    outputs = torch.zeros(shape, dtype=output.dtype, requires_grad=True)
    labels = given.reshape(-1, *[1] * (output.ndim - 1)).expand(-1, *output.shape[1:])
    try:
        value = loss(outputs, labels).mean()
    except (IndexError, RuntimeError, ValueError):
        return False
    (gradient,) = torch.autograd.grad(value, outputs)
    return not gradient[-1].any()


def _check_pairs(loss: Loss, output: Tensor, y: Tensor, size: int) -> None:
    """Refuse targets that a loss compares with the outputs of other instances.

    Such a loss has broadcast outputs and targets, so that of a batch is not the mean of
    those of its halves.  Outputs are made up within the range of the targets.
    """
    order = y.reshape(len(y), -1)[:, 0].argsort()
    targets = y[order[torch.linspace(0, len(y) - 1, size).long()]]
    shape = torch.Size((size, *output.shape))
    if size == 1 or not _broadcast(shape, targets.shape):
        return
    share = torch.linspace(0.1, 0.9, shape.numel(), dtype=output.dtype).to(y.device)
    outputs = (y.min() + share * (y.max() - y.min())).reshape(shape)
    halves = zip(outputs.tensor_split(2), targets.tensor_split(2), strict=True)
    with warnings.catch_warnings(action="ignore"):
        whole = loss(outputs, targets).mean().item()
        try:
            parts = sum(len(half[0]) * loss(*half).mean().item() for half in halves)
        except RuntimeError:  # whose targets are no longer as many as the outputs
            parts = np.inf
    if abs(whole - parts / size) > 1e-3 * abs(whole):
        raise ValueError(
            f"the loss compares each instance with the targets of others: outputs have "
            f"the shape {tuple(shape)} and y {tuple(targets.shape)}, for a batch"
        )


def _broadcast(*shapes: torch.Size) -> bool:
    """Tell whether arrays of these shapes broadcast."""
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True
