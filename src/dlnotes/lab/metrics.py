"""Metrics: what a model's outputs are worth, the higher the better."""

from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional

from dlnotes.arrays import checked


@checked
def accuracy(
    logits: Float[Tensor, "batch classes *places"],
    labels: Integer[Tensor, "batch *places"],
) -> float:
    """Return the share of the labels that have the highest logit.

    Examples
    --------
    >>> import torch
    >>> from dlnotes.lab.metrics import accuracy
    >>> logits = torch.tensor([[0.2, 0.1], [0.3, 0.9], [0.8, 0.7], [0.0, 0.1]])
    >>> accuracy(logits, torch.tensor([0, 1, 1, 1]))
    0.75
    """
    return (logits.argmax(1) == labels).double().mean().item()


@checked
def r_squared(
    outputs: Float[Tensor, "batch outputs"], targets: Float[Tensor, "batch outputs"]
) -> float:
    """Return the share of the targets' variance that the outputs explain.

    Examples
    --------
    To answer with the mean explains nothing, and to answer worse than that less:

    >>> import torch
    >>> from dlnotes.lab.metrics import r_squared
    >>> targets = torch.tensor([[1.0], [2.0], [3.0]])
    >>> r_squared(torch.full((3, 1), 2.0), targets), r_squared(-targets, targets)
    (0.0, -27.0)
    """
    residual, spread = targets - outputs, targets - targets.mean(0)
    return 1 - ((residual**2).sum() / (spread**2).sum()).item()


def negative_mse(outputs: Tensor, targets: Tensor) -> float:
    """Return minus the mean squared error."""
    return -functional.mse_loss(outputs, targets).item()
