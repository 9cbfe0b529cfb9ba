"""Metrics: what a model's outputs are worth, the higher the better."""

from jaxtyping import Float, Integer
from torch import Tensor
from torch.nn import functional

from dlnotes.arrays import checked


@checked
def accuracy(
    logits: Float[Tensor, "batch classes *places"],
    labels: Integer[Tensor, "batch *places"],
    *,
    ignore_index: int | None = None,
) -> float:
    """Return the share of the labels that have the highest logit.

    Parameters
    ----------
    logits
        The score of each class.  Where one is not a number, no class has the highest.
    labels
        The numbers of the classes that are right.
    ignore_index
        A label that does not count, as in a loss that ignores it.

    Returns
    -------
    share
        The share, of the labels that count; not a number if there are none.

    Examples
    --------
    >>> import torch
    >>> from dlnotes.lab.metrics import accuracy
    >>> logits = torch.tensor([[0.2, 0.1], [0.3, 0.9], [0.8, 0.7], [0.0, 0.1]])
    >>> accuracy(logits, torch.tensor([0, 1, 1, 1]))
    0.75
    >>> accuracy(logits, torch.tensor([0, 1, -100, 1]), ignore_index=-100)
    1.0
    """
    right = (logits.argmax(1) == labels) & ~logits.isnan().any(1)
    if ignore_index is not None:
        right = right[labels != ignore_index]
    return right.double().mean().item()


@checked
def r_squared(
    outputs: Float[Tensor, "batch outputs"], targets: Float[Tensor, "batch outputs"]
) -> float:
    """Return the share of the targets' variance that the outputs explain.

    Parameters
    ----------
    outputs
        What a model says of each instance.
    targets
        What it should say.

    Returns
    -------
    share
        One for outputs that are right, zero for the mean of the targets, and less than
        zero for what is worse.

    Raises
    ------
    ValueError
        If all targets are the same, so that there is no variance.

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
    variance = (spread**2).sum()
    if not variance:
        raise ValueError("targets must vary, but are all the same")
    return 1 - ((residual**2).sum() / variance).item()


@checked
def negative_mse(
    outputs: Float[Tensor, "batch *outputs"], targets: Float[Tensor, "batch *outputs"]
) -> float:
    """Return minus the mean squared error.

    Parameters
    ----------
    outputs
        What a model says of each instance.
    targets
        What it should say, in the same shape.

    Returns
    -------
    score
        Zero for outputs that are right, and else less.

    Examples
    --------
    >>> import torch
    >>> from dlnotes.lab.metrics import negative_mse
    >>> negative_mse(torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [5.0]]))
    -4.5
    """
    return -functional.mse_loss(outputs, targets).item()
