"""Losses."""

from typing import Any

import torch
from torch import Tensor

from dlnotes.networks.losses import cross_entropy, log_softmax
from dlnotes.nn.errors import with_pytorch_errors
from dlnotes.nn.precision import autocast_dtype, widen, without_autocast


class CrossEntropyLoss(torch.nn.CrossEntropyLoss):
    """:func:`dlnotes.networks.losses.cross_entropy`; the drop-in for PyTorch's.

    Examples
    --------
    The mean is over the instances that count, each by the weight of its class:

    >>> import torch
    >>> from dlnotes.nn import CrossEntropyLoss
    >>> logits, labels = torch.tensor([[0.0, 0.0], [9.0, 9.0]]), torch.tensor([1, -100])
    >>> CrossEntropyLoss(weight=torch.tensor([1.0, 5.0]))(logits, labels).exp()
    tensor(2.)
    """

    @with_pytorch_errors(torch.nn.CrossEntropyLoss.forward)
    def forward(self, input: Tensor, target: Tensor) -> Tensor:  # noqa: A002
        """Compare the logits, their classes on the second axis, with the target."""
        return _loss(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )


@torch.fx.wrap
def _loss(
    logits: Tensor, target: Tensor, weight: Tensor | None, **settings: Any
) -> Tensor:
    """Return the loss in the precision of PyTorch's."""
    if autocast_dtype(logits) is not None:
        logits = widen(logits)
        target, weight = widen(target), None if weight is None else widen(weight)
    dtype = logits.dtype
    if target.shape == logits.shape:
        for each in (target, *([] if weight is None else [weight])):
            dtype = torch.promote_types(dtype, each.dtype)
    elif weight is not None and weight.dtype != dtype:
        raise TypeError(f"the weights must be of dtype {dtype}, got {weight.dtype}")
    weight = None if weight is None else widen(weight)
    return _reduced(widen(logits), target, weight, **settings).to(dtype)


@without_autocast
def _reduced(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    *,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
) -> Tensor:
    """Return the losses as they are, their sum or their mean."""
    classes, shared = min(1, logits.ndim - 1), target.shape == logits.shape
    logits = logits.movedim(classes, -1)
    fits = weight is None or weight.shape == logits.shape[-1:]
    if not fits or not 0 <= label_smoothing <= 1 or (shared and ignore_index >= 0):
        raise ValueError(f"the settings do not fit logits of shape {logits.shape}")
    if shared:
        shares = widen(target).movedim(classes, -1)
        losses = _shared(logits, shares, weight, label_smoothing)
        total = torch.tensor(losses.numel())
    else:
        losses, total = _labeled(logits, target, weight, label_smoothing, ignore_index)
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(f"unknown reduction {reduction}")
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / total


def _labeled(
    logits: Tensor,
    labels: Tensor,
    weight: Tensor | None,
    smoothing: float,
    ignore_index: int,
) -> tuple[Tensor, Tensor]:
    """Return the loss of each instance, and what all of them weigh."""
    if labels.dtype not in (torch.int64, torch.uint8):
        raise TypeError(f"labels must be int64 or uint8, got {labels.dtype}")
    if labels.dtype == torch.uint8 and labels.ndim > 1 and labels.numel():
        raise TypeError("labels of places must be int64, got uint8")
    ignored = labels == ignore_index
    labels = labels.long().masked_fill(ignored, 0)
    losses = cross_entropy(logits, labels)
    weights = torch.ones_like(losses) if weight is None else weight[labels]
    weights = weights.masked_fill(ignored, 0)
    losses = losses if weight is None else weights * losses
    if smoothing:
        log_p = log_softmax(logits)
        evenly = -(log_p if weight is None else log_p * weight).mean(-1)
        losses = (1 - smoothing) * losses + smoothing * evenly
    return losses.masked_fill(ignored, 0), weights.sum()


def _shared(
    logits: Tensor, shares: Tensor, weight: Tensor | None, smoothing: float
) -> Tensor:
    """Return the loss of each instance whose label the classes share."""
    if not shares.is_floating_point():
        raise TypeError(f"shares of classes must be fractions, got {shares.dtype}")
    if smoothing:
        shares = (1 - smoothing) * shares + smoothing / shares.shape[-1]
    products = log_softmax(logits) * shares
    return -(products if weight is None else products * weight).sum(-1)
