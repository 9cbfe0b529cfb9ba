"""Adagrad."""

from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from dlnotes.optim.step import Counts, Group, Row, SectionOptimizer, Taken, real
from dlnotes.optimization import adagrad


class Adagrad(SectionOptimizer, torch.optim.Adagrad):
    """:mod:`dlnotes.optimization.adagrad` as an optimizer; the drop-in for PyTorch's.

    Arguments, groups, state and errors are those of :class:`torch.optim.Adagrad`.  A
    sparse gradient moves the rows that it has, and no other is read.

    Examples
    --------
    A first step is one learning rate long in every parameter that has a gradient, and
    the same gradient again moves it less:

    >>> import torch
    >>> from dlnotes.optim import Adagrad
    >>> theta = torch.nn.Parameter(torch.tensor([3.0, -4.0]))
    >>> theta.grad = torch.tensor([100.0, 0.0])
    >>> optimizer = Adagrad([theta], lr=1.0)
    >>> for _ in range(2):
    ...     _ = optimizer.step()
    ...     print(theta.detach())
    tensor([ 2., -4.])
    tensor([ 1.2929, -4.0000])
    """

    _update = staticmethod(adagrad.update)
    _kept: ClassVar = {"total": "sum"}
    _counts: ClassVar = {"t": "step"}
    _settings: ClassVar = {"learning_rate": "lr", "epsilon": "eps"}

    @staticmethod
    def _state(total: Tensor, t: Any) -> adagrad.State[Tensor]:  # noqa: ARG004
        """Return what the section keeps, which counts no steps."""
        return adagrad.State(total)

    def _arguments(self, group: Group, counts: Counts) -> dict[str, Any]:
        """Let the learning rate decay with the steps."""
        found = super()._arguments(group, counts)
        rate = found["learning_rate"] / (1 + counts[0] * group["lr_decay"])
        return found | {"learning_rate": rate}

    def _row(
        self, parameter: torch.nn.Parameter, kept: list[Tensor], group: Group
    ) -> Row:
        """Read what a sparse gradient has numbers for, or all that there is."""
        gradient = cast(Tensor, parameter.grad)
        if not gradient.is_sparse:
            return super()._row(parameter, kept, group)
        if group["fused"]:
            raise RuntimeError("`fused` does not support sparse grad or complex param")
        if group["weight_decay"] != 0:
            raise RuntimeError(
                "weight_decay option is not compatible with sparse gradients"
            )
        gradient = gradient.coalesce()
        at = tuple(gradient.indices())
        return real(parameter[at], gradient.values(), *(each[at] for each in kept))

    def _advance(self, group: Group, taken: Taken) -> None:
        """Write what a sparse gradient has moved, and count the step."""
        for parameter, _, (total,), row in taken:
            gradient = cast(Tensor, parameter.grad)
            if gradient.is_sparse:
                at = tuple(gradient.coalesce().indices())
                for whole, part in ((parameter, row[0]), (total, row[2])):
                    pairs = whole.is_complex()
                    whole[at] = torch.view_as_complex(part) if pairs else part
        super()._advance(group, taken)
