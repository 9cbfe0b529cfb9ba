"""Gradient descent, with momentum or without."""

from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from dlnotes.optim.step import (
    Row,
    SectionOptimizer,
    apart,
    penalized,
    real,
    scalar,
    take,
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

    def _update(self, group: dict[str, Any]) -> None:
        """Take a step of the section, with momentum or without."""
        rows: dict[str, list[Row]] = {}
        for parameter in self._with_gradient(group):
            gradient = cast(Tensor, parameter.grad)
            row = [parameter, gradient]
            kind = "plain"
            if group["momentum"]:
                kept = self.state[parameter]
                kind = "momentum"
                if kept.get("momentum_buffer") is None:
                    kind = "first"
                    kept["momentum_buffer"] = torch.zeros_like(gradient)
                row.append(kept["momentum_buffer"])
            rows.setdefault(kind, []).append(real(*row))
        for kind, alike in rows.items():
            # PyTorch does not dampen the first gradient.
            dampening = group["dampening"] if kind == "momentum" else 0.0
            step = partial(_step, group=group, dampening=dampening)
            take(step, alike, together=not apart(group))


def _step(
    theta: Tensor,
    gradient: Tensor,
    *kept: Tensor,
    group: dict[str, Any],
    dampening: float,
) -> tuple[Tensor, ...]:
    """Take a step with one parameter or several."""
    theta, gradient = penalized(theta, gradient, group)
    learning_rate, mu = scalar(group["lr"]), group["momentum"]
    if not kept:
        return (gradient_descent.update(theta, gradient, learning_rate=learning_rate),)
    (v,) = kept
    if group["nesterov"]:
        return nesterov.update(theta, v, gradient, learning_rate=learning_rate, mu=mu)
    return momentum.update(
        theta, v, gradient, learning_rate=learning_rate, mu=mu, dampening=dampening
    )
