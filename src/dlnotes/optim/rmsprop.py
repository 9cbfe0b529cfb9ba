"""RMSProp."""

from typing import ClassVar

import torch

from dlnotes.optim.step import SectionOptimizer
from dlnotes.optimization import rmsprop


class RMSprop(SectionOptimizer, torch.optim.RMSprop):
    """:mod:`dlnotes.optimization.rmsprop` as an optimizer; the drop-in for PyTorch's.

    Arguments, groups, state and errors are those of :class:`torch.optim.RMSprop`.

    Examples
    --------
    A first step is ten learning rates long, since the mean has a hundredth of a square:

    >>> import torch
    >>> from dlnotes.optim import RMSprop
    >>> theta = torch.nn.Parameter(torch.tensor([3.0, -4.0]))
    >>> theta.grad = torch.tensor([100.0, -0.1])
    >>> RMSprop([theta], lr=0.01).step()
    >>> theta.detach()
    tensor([ 2.9000, -3.9000])
    """

    _update = staticmethod(rmsprop.update)
    _state = rmsprop.State
    _kept: ClassVar = {"v": "square_avg", "m": "grad_avg", "b": "momentum_buffer"}
    _only_with: ClassVar = {"m": "centered", "b": "momentum"}
    _settings: ClassVar = {
        "learning_rate": "lr",
        "decay": "alpha",
        "epsilon": "eps",
        "mu": "momentum",
    }
