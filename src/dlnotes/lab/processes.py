"""Several processes that train one model.

Each takes its share of every batch.  What is here makes of the shares the whole again:
gradients are added up, and what a normalization knows of a batch, it knows of all of
it.  Where there is one process, nothing here does anything.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import compress
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import Module
from torch.nn.modules.batchnorm import _BatchNorm


def process() -> tuple[int, int]:
    """Return the number of this process and how many there are.

    Examples
    --------
    >>> from dlnotes.lab.processes import process
    >>> process()
    (0, 1)
    """
    if not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def copy_from_first(tensors: Iterable[Tensor]) -> None:
    """Give every process the numbers that the first one has."""
    for each in tensors if process()[1] > 1 else ():
        distributed.broadcast(each.detach(), 0)


def from_first(number: float, device: torch.device) -> float:
    """Return the number that the first process has."""
    if process()[1] == 1:
        return number
    shared = torch.tensor(number, dtype=torch.float64, device=device)
    copy_from_first([shared])
    return shared.item()


def in_any(condition: bool, device: torch.device) -> bool:  # noqa: FBT001  # its subject
    """Tell whether a condition holds in one of the processes."""
    if process()[1] == 1:
        return condition
    flag = _flag(condition, device)
    distributed.all_reduce(flag, distributed.ReduceOp.MAX)
    return bool(flag)


def _flag(value: bool, device: torch.device) -> Tensor:  # noqa: FBT001  # its one use
    """Make a number of a truth value, of which processes can take the highest."""
    return torch.tensor(float(value), device=device)


def of_each(tensor: Tensor, device: torch.device) -> list[Tensor]:
    """Return what a tensor is in each of the processes, in their order."""
    if process()[1] == 1:
        return [tensor]
    there = tensor.to(device)
    found = [torch.empty_like(there) for _ in range(process()[1])]
    distributed.all_gather(found, there)
    return [each.to(tensor.device) for each in found]


def sum_gradients(model: Module) -> None:
    """Sum the gradients over the processes, of what took part in one of them.

    PyTorch's own wrapper does this while they are still computed, but wants to be told
    beforehand whether some parameters take no part, and fails or warns if they differ.
    """
    if process()[1] == 1:
        return
    learned = [each for each in model.parameters() if each.requires_grad]
    used = torch.stack([_flag(each.grad is not None, each.device) for each in learned])
    distributed.all_reduce(used, distributed.ReduceOp.MAX)
    for each in compress(learned, used.tolist()):
        if each.grad is None:
            each.grad = torch.zeros_like(each)
        distributed.all_reduce(each.grad)


@dataclass
class Share:
    """Whether what this process computes at present counts, or only takes part."""

    counts: bool = True


@contextmanager
def normalized_together(model: Module) -> Iterator[Share]:
    """Let batch normalization see the shares of all processes, for a while.

    PyTorch's ``SyncBatchNorm`` takes the place of the layers for good, and runs on GPUs
    only; here the layers stay what they are.

    Yields
    ------
    share
        To be told whether the present share counts.
    """
    share = Share()
    layers = [each for each in model.modules() if isinstance(each, _BatchNorm)]
    layers = layers if process()[1] > 1 else []
    for layer in layers:
        layer.forward = partial(_normalized, layer, layer.forward, share)  # type: ignore[method-assign]
    try:
        yield share
    finally:
        for layer in layers:
            del layer.forward


def _normalized(
    layer: _BatchNorm, alone: Callable[[Tensor], Tensor], share: Share, x: Tensor
) -> Tensor:
    """Normalize by the mean and the variance over the shares of all processes."""
    if not layer.training:
        return alone(x)
    layer._check_input_dim(x)  # type: ignore[no-untyped-call]
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    axes = [0, *range(2, x.ndim)]
    weight = float(share.counts)
    count = _total(torch.full_like(wide[0, :1].flatten()[:1], weight * _places(x)))
    if count <= 1:
        raise ValueError(
            f"batch normalization needs more than 1 value per channel of a batch in "
            f"training, got input of shape {tuple(x.shape)}"
        )
    shape = [1, -1, *[1] * (x.ndim - 2)]
    mean = _total(weight * wide.sum(axes)) / count
    centered = wide - mean.reshape(shape)
    variance = _total(weight * (centered**2).sum(axes)) / count
    _remember(layer, mean.detach(), variance.detach() * count / (count - 1))
    y = centered * torch.rsqrt(variance + layer.eps).reshape(shape)
    if layer.affine:
        y = y * layer.weight.reshape(shape) + layer.bias.reshape(shape)
    return y.to(x.dtype)


def _places(x: Tensor) -> float:
    """Return how many values a channel has."""
    return x.numel() / x.shape[1]


class _Total(torch.autograd.Function):
    """The sum over the processes, whose gradient is summed on the way back."""

    @staticmethod
    def forward(_context: Any, value: Tensor) -> Tensor:
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, upstream: Tensor) -> Tensor:
        return _Total.forward(_context, upstream)


def _total(value: Tensor) -> Tensor:
    """Sum a tensor over the processes."""
    total: Tensor = _Total.apply(value)  # type: ignore[no-untyped-call]
    return total


def _remember(layer: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics towards those of a batch."""
    if layer.running_mean is None or layer.running_var is None:
        return
    share = layer.momentum
    if layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
        if share is None:
            share = 1 / float(layer.num_batches_tracked)
    layer.running_mean.lerp_(mean.to(layer.running_mean.dtype), share or 0.0)
    layer.running_var.lerp_(variance.to(layer.running_var.dtype), share or 0.0)
