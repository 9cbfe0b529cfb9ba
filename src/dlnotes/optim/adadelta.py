"""Adadelta."""

from typing import ClassVar

import torch

from dlnotes.optim.step import SectionOptimizer
from dlnotes.optimization import adadelta


class Adadelta(SectionOptimizer, torch.optim.Adadelta):
    """:mod:`dlnotes.optimization.adadelta` as an optimizer; the drop-in for PyTorch's.

    Arguments, groups, state and errors are those of :class:`torch.optim.Adadelta`.

    Examples
    --------
    A first step is the root of ten epsilon, for any gradient that is large against it:

    >>> import torch
    >>> from dlnotes.optim import Adadelta
    >>> theta = torch.nn.Parameter(torch.tensor([3.0, -4.0]))
    >>> theta.grad = torch.tensor([100.0, -1.0])
    >>> Adadelta([theta], eps=1e-5).step()
    >>> theta.detach()
    tensor([ 2.9900, -3.9900])
    """

    _update = staticmethod(adadelta.update)
    _state = adadelta.State
    _kept: ClassVar = {"v": "square_avg", "u": "acc_delta"}
    _settings: ClassVar = {"learning_rate": "lr", "decay": "rho", "epsilon": "eps"}
