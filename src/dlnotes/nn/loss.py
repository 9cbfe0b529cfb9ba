"""Losses."""

from collections.abc import Callable

import torch
from torch import Tensor

from dlnotes.networks.losses import cross_entropy, log_softmax
from dlnotes.nn.errors import with_pytorch_errors


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
        classes = min(1, input.ndim - 1)
        logits = _wide(input).movedim(classes, -1)
        ones = logits.new_ones(logits.shape[-1])
        weight = ones if self.weight is None else _wide(self.weight)
        shared = target.shape == input.shape
        fits = weight.shape == logits.shape[-1:] and 0 <= self.label_smoothing <= 1
        if not fits or (shared and self.ignore_index >= 0):
            raise ValueError(f"{self} does not fit logits of shape {input.shape}")
        if shared:
            losses = self._shared(logits, _wide(target).movedim(classes, -1), weight)
            total = torch.tensor(losses.numel())
        else:
            losses, total = self._labeled(logits, target, weight)
        reduced: dict[str, Callable[[], Tensor]] = {
            "none": lambda: losses,
            "sum": losses.sum,
            "mean": lambda: losses.sum() / total,
        }
        return reduced[self.reduction]().to(input.dtype)

    def _labeled(
        self, logits: Tensor, labels: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of each instance, and what all of them weigh."""
        ignored = labels == self.ignore_index
        labels = labels.long() if labels.dtype == torch.uint8 else labels
        beyond = logits.shape[-1]  # where a label below zero belongs as well
        labels = labels.masked_fill(labels < 0, beyond).masked_fill(ignored, 0)
        weights = weight[labels].masked_fill(ignored, 0)
        losses = weights * cross_entropy(logits, labels)
        if self.label_smoothing:
            rest = -(log_softmax(logits) * weight).mean(-1)
            losses = losses.lerp(rest, self.label_smoothing)
        return losses.masked_fill(ignored, 0), weights.sum()

    def _shared(self, logits: Tensor, shares: Tensor, weight: Tensor) -> Tensor:
        """Return the loss of each instance whose label the classes share."""
        evenly = torch.full_like(shares, 1 / shares.shape[-1])
        shares = shares.lerp(evenly, self.label_smoothing)
        return -(log_softmax(logits) * shares * weight).sum(-1)


def _wide(values: Tensor) -> Tensor:
    """Return half precision as single, in which sums keep their digits."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
