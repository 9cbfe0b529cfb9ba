"""Adamax and NAdam."""

from typing import ClassVar

import torch

from dlnotes.optim.step import Group, SectionOptimizer, Taken
from dlnotes.optimization import adam_variants
from dlnotes.optimization.adam_variants import nadam_momentum


class Adamax(SectionOptimizer, torch.optim.Adamax):
    """AdaMax as an optimizer; the drop-in for PyTorch's.

    It is :func:`dlnotes.optimization.adam_variants.adamax_update`.  Arguments, groups,
    state and errors are those of :class:`torch.optim.Adamax`.

    Examples
    --------
    A first step is one learning rate long:

    >>> import torch
    >>> from dlnotes.optim import Adamax
    >>> theta = torch.nn.Parameter(torch.tensor([3.0, -4.0]))
    >>> theta.grad = torch.tensor([100.0, -0.1])
    >>> Adamax([theta], lr=0.1).step()
    >>> theta.detach()
    tensor([ 2.9000, -3.9000])
    """

    _update = staticmethod(adam_variants.adamax_update)
    _state = adam_variants.AdamaxState
    _kept: ClassVar = {"m": "exp_avg", "u": "exp_inf"}
    _counts: ClassVar = {"t": "step"}
    _settings: ClassVar = {"learning_rate": "lr", "epsilon": "eps"}


class NAdam(SectionOptimizer, torch.optim.NAdam):
    """Nadam as an optimizer; the drop-in for PyTorch's.

    It is :func:`dlnotes.optimization.adam_variants.nadam_update`.  Arguments, groups,
    state and errors are those of :class:`torch.optim.NAdam`.

    Examples
    --------
    With a constant momentum coefficient, a first step is longer than a learning rate:

    >>> import torch
    >>> from dlnotes.optim import NAdam
    >>> theta = torch.nn.Parameter(torch.tensor([3.0, -4.0]))
    >>> theta.grad = torch.tensor([100.0, -0.1])
    >>> NAdam([theta], lr=0.1, momentum_decay=torch.inf).step()
    >>> theta.detach()
    tensor([ 2.8526, -3.8526])
    """

    _update = staticmethod(adam_variants.nadam_update)
    _state = adam_variants.NadamState
    _kept: ClassVar = {"m": "exp_avg", "v": "exp_avg_sq"}
    _counts: ClassVar = {"t": "step", "product": "mu_product"}
    _settings: ClassVar = {
        "learning_rate": "lr",
        "epsilon": "eps",
        "momentum_decay": "momentum_decay",
    }

    def _advance(self, group: Group, taken: Taken) -> None:
        """Count the step, and multiply the products by its coefficient."""
        settings = {"beta1": group["betas"][0]}
        settings["momentum_decay"] = group["momentum_decay"]
        products = [self.state[parameter]["mu_product"] for parameter, *_ in taken]
        mus = [nadam_momentum(t + 1, **settings) for _, (t, _), *_ in taken]
        torch._foreach_mul_(products, mus)
        super()._advance(group, taken)
