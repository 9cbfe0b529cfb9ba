"""Losses."""

from collections.abc import Callable
from typing import Any
from warnings import warn

import torch
from torch import Tensor

from dlnotes.networks.losses import (
    binary_cross_entropy,
    cross_entropy,
    log_softmax,
    negative_log_likelihood,
    squared_error,
)
from dlnotes.networks.regression_losses import absolute_error, huber
from dlnotes.nn.errors import with_pytorch_errors
from dlnotes.nn.precision import (
    HALF,
    autocast_dtype,
    in_single,
    widen,
    without_autocast,
)


class MSELoss(torch.nn.MSELoss):
    """:func:`dlnotes.networks.losses.squared_error`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.MSELoss.forward)
    def forward(self, input: Tensor, target: Tensor) -> Tensor:  # noqa: A002
        """Square the error of each prediction."""
        return _squared_error(input, target, reduction=self.reduction)


class L1Loss(torch.nn.L1Loss):
    """:func:`dlnotes.networks.regression_losses.absolute_error`; PyTorch's drop-in."""

    @with_pytorch_errors(torch.nn.L1Loss.forward)
    def forward(self, input: Tensor, target: Tensor) -> Tensor:  # noqa: A002
        """Take the size of the error of each prediction."""
        return _absolute_error(input, target, reduction=self.reduction)


class HuberLoss(torch.nn.HuberLoss):
    """:func:`dlnotes.networks.regression_losses.huber`; the drop-in for PyTorch's."""

    @with_pytorch_errors(torch.nn.HuberLoss.forward)
    def forward(self, input: Tensor, target: Tensor) -> Tensor:  # noqa: A002
        """Square the small errors, and take the size of the large ones."""
        return _huber(input, target, delta=self.delta, reduction=self.reduction)


class BCEWithLogitsLoss(torch.nn.BCEWithLogitsLoss):
    """:func:`dlnotes.networks.losses.binary_cross_entropy`; PyTorch's drop-in.

    Examples
    --------
    With equal odds each target costs log 2, a positive one ``pos_weight`` times that:

    >>> import torch
    >>> from dlnotes.nn import BCEWithLogitsLoss
    >>> loss = BCEWithLogitsLoss(pos_weight=torch.tensor(3.0), reduction="none")
    >>> loss(torch.zeros(2), torch.tensor([0.0, 1.0])).exp()
    tensor([2., 8.])
    """

    @with_pytorch_errors(torch.nn.BCEWithLogitsLoss.forward)
    def forward(self, input: Tensor, target: Tensor) -> Tensor:  # noqa: A002
        """Compare each logit with its target."""
        return _binary_cross_entropy(
            input, target, self.weight, self.pos_weight, reduction=self.reduction
        )


class NLLLoss(torch.nn.NLLLoss):
    """:func:`dlnotes.networks.losses.negative_log_likelihood`; PyTorch's drop-in."""

    @with_pytorch_errors(torch.nn.NLLLoss.forward)
    def forward(self, input: Tensor, target: Tensor) -> Tensor:  # noqa: A002
        """Compare log-probabilities, their classes on the second axis, with labels."""
        return _negative_log_likelihood(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


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
@in_single
def _squared_error(input: Tensor, target: Tensor, *, reduction: str) -> Tensor:  # noqa: A002
    y_hat, y = _paired(input, target)
    loss = _reduce(squared_error(widen(y_hat), widen(y)), reduction)
    return loss.to(y.dtype)


@torch.fx.wrap
@in_single
def _absolute_error(input: Tensor, target: Tensor, *, reduction: str) -> Tensor:  # noqa: A002
    if torch.bool in (input.dtype, target.dtype):
        raise TypeError("truth values have no difference")
    y_hat, y = _paired(input, target)
    loss = _reduce(absolute_error(widen(y_hat), widen(y)), reduction)
    return loss.to(y.dtype) if y.dtype in HALF else loss


@torch.fx.wrap
@in_single
def _huber(input: Tensor, target: Tensor, *, delta: float, reduction: str) -> Tensor:  # noqa: A002
    if not input.is_floating_point():
        raise TypeError(f"wants fractions, got {input.dtype}")
    y_hat, y = _paired(input, target)
    loss = _reduce(huber(widen(y_hat), widen(y), delta=delta), reduction)
    return loss.to(input.dtype)


def _paired(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:  # noqa: A002
    """Return predictions and targets of one shape and one kind of number."""
    if input.shape != target.shape:
        warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to "
            "broadcasting. Please ensure they have the same size.",
            stacklevel=5,
        )
    y_hat, y = torch.broadcast_tensors(input, target)  # type: ignore[no-untyped-call]
    dtype = torch.promote_types(y_hat.dtype, y.dtype)
    return y_hat.to(dtype), y.to(dtype)


@torch.fx.wrap
@in_single
def _binary_cross_entropy(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    pos_weight: Tensor | None,
    *,
    reduction: str,
) -> Tensor:
    z, y = widen(logits), widen(target)
    if pos_weight is None:
        losses = binary_cross_entropy(z, y)
    else:  # the loss is linear in the target
        positive = binary_cross_entropy(z, torch.ones_like(y))
        negative = binary_cross_entropy(z, torch.zeros_like(y))
        losses = y * widen(pos_weight) * positive + (1 - y) * negative
    losses = losses if weight is None else losses * widen(weight)
    if losses.shape != logits.shape:
        raise ValueError(f"the weights do not fit logits of shape {logits.shape}")
    return _reduce(losses, reduction).to(target.dtype)


@torch.fx.wrap
@in_single
def _negative_log_likelihood(
    log_p: Tensor,
    labels: Tensor,
    weight: Tensor | None,
    *,
    ignore_index: int,
    reduction: str,
) -> Tensor:
    if weight is not None and weight.dtype != log_p.dtype:
        raise TypeError(f"the weights must be {log_p.dtype}, got {weight.dtype}")
    rows = widen(log_p).movedim(min(1, log_p.ndim - 1), -1)
    weight = None if weight is None else widen(weight)
    losses, total = _labeled(
        rows, labels, weight, ignore_index, loss=negative_log_likelihood
    )
    return _reduce(losses, reduction, total).to(log_p.dtype)


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
    if not 0 <= label_smoothing <= 1 or (shared and ignore_index >= 0):
        raise ValueError(f"the settings do not fit logits of shape {logits.shape}")
    if shared:
        shares = widen(target).movedim(classes, -1)
        losses = _shared(logits, shares, weight, label_smoothing)
        return _reduce(losses, reduction)
    losses, total = _labeled(
        logits, target, weight, ignore_index, smoothing=label_smoothing
    )
    return _reduce(losses, reduction, total)


def _reduce(losses: Tensor, reduction: str, total: Tensor | None = None) -> Tensor:
    """Return the losses as they are, their sum or their mean."""
    if reduction not in ("none", "sum", "mean"):
        raise ValueError(f"unknown reduction {reduction}")
    if reduction == "none":
        return losses
    if reduction == "mean" and total is None:
        return losses.mean()
    return losses.sum() if total is None or reduction == "sum" else losses.sum() / total


def _labeled(
    scores: Tensor,
    labels: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    *,
    smoothing: float = 0.0,
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
) -> tuple[Tensor, Tensor]:
    """Return the loss of each instance, and what all of them weigh."""
    _check_weights(weight, scores)
    if labels.dtype not in (torch.int64, torch.uint8):
        raise TypeError(f"labels must be int64 or uint8, got {labels.dtype}")
    if labels.dtype == torch.uint8 and labels.ndim > 1 and labels.numel():
        raise TypeError("labels of places must be int64, got uint8")
    if scores.ndim == labels.ndim == 1 and len(labels) == 1:  # of one instance
        labels = labels[0]
    ignored = labels == ignore_index
    labels = labels.long().masked_fill(ignored, 0)
    losses = loss(scores, labels)
    weights = torch.ones_like(losses) if weight is None else weight[labels]
    weights = weights.masked_fill(ignored, 0)
    losses = losses if weight is None else weights * losses
    if smoothing:
        log_p = log_softmax(scores)
        evenly = -(log_p if weight is None else log_p * weight).mean(-1)
        losses = (1 - smoothing) * losses + smoothing * evenly
    return losses.masked_fill(ignored, 0), weights.sum()


def _shared(
    logits: Tensor, shares: Tensor, weight: Tensor | None, smoothing: float
) -> Tensor:
    """Return the loss of each instance whose label the classes share."""
    _check_weights(weight, logits)
    if not shares.is_floating_point():
        raise TypeError(f"shares of classes must be fractions, got {shares.dtype}")
    if smoothing:
        shares = (1 - smoothing) * shares + smoothing / shares.shape[-1]
    products = log_softmax(logits) * shares
    return -(products if weight is None else products * weight).sum(-1)


def _check_weights(weight: Tensor | None, scores: Tensor) -> None:
    """Refuse weights that are not one a class."""
    if weight is not None and weight.shape != scores.shape[-1:]:
        raise ValueError(f"got weights {weight.shape} for scores {scores.shape}")
