"""Gradient descent, with momentum or without."""

from typing import Any, cast

import torch
from torch import Tensor

from dlnotes.optim.step import (
    Counts,
    Group,
    SectionOptimizer,
    Step,
    Taken,
    penalized,
    scalar,
)
from dlnotes.optimization import gradient_descent, momentum, nesterov


class SGD(SectionOptimizer, torch.optim.SGD):
    """Gradient descent and momentum as an optimizer; the drop-in for PyTorch's.

    Arguments, groups, state and errors are those of :class:`torch.optim.SGD`.

    Examples
    --------
    It walks where PyTorch's walks, and either takes over from the other:

    >>> import torch
    >>> from dlnotes.optim import SGD
    >>> theta = torch.nn.Parameter(torch.tensor([3.0, -4.0]))
    >>> ours = SGD([theta], lr=0.1, momentum=0.5)
    >>> theirs = torch.optim.SGD([theta], lr=0.1, momentum=0.5)
    >>> for optimizer in (theirs, ours):
    ...     if optimizer is ours:
    ...         ours.load_state_dict(theirs.state_dict())
    ...     theta.grad = 2 * theta.detach()
    ...     _ = optimizer.step()
    >>> theta.detach()
    tensor([ 1.6200, -2.1600])
    """

    def _remembered(
        self, parameter: torch.nn.Parameter, group: Group
    ) -> tuple[Counts, list[Tensor]]:
        """Return whether a step is the first of a parameter, and its velocity."""
        if not group["momentum"]:
            return (), []
        gradient = cast(Tensor, parameter.grad)
        v = self.state[parameter].get("momentum_buffer")
        return (v is None,), [torch.zeros_like(gradient) if v is None else v]

    def _section(self, group: Group, counts: Counts) -> Step:
        """Return a step for one parameter or several."""
        settings = {"learning_rate": scalar(group["lr"])}
        move: Step = gradient_descent.update
        if counts:  # there is a velocity
            settings["mu"] = group["momentum"]
            move = nesterov.update if group["nesterov"] else momentum.update
            if not (
                group["nesterov"] or counts[0]
            ):  # PyTorch dampens no first gradient
                settings["dampening"] = group["dampening"]

        def step(theta: Tensor, gradient: Tensor, *kept: Tensor) -> tuple[Tensor, ...]:
            theta, gradient = penalized(theta, gradient, group)
            moved: Any = move(theta, *kept, gradient, **settings)
            return moved if kept else (moved,)

        return step

    def _advance(self, group: Group, taken: Taken) -> None:
        """Keep the velocities."""
        if group["momentum"]:
            for parameter, _, (v,), _ in taken:
                self.state[parameter]["momentum_buffer"] = v
