"""Gradient descent, with momentum or without."""

from typing import Any, cast

import torch
from torch import Tensor

from dlnotes.optim.step import SectionOptimizer, real, scalar
from dlnotes.optimization import gradient_descent, momentum


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
        """Take a step of the section."""
        learning_rate = scalar(group["lr"])
        for parameter, theta, gradient in self._gradients(group):
            if group["momentum"]:
                after = self._momentum_step(parameter, theta, gradient, group)
            else:
                after = gradient_descent.update(
                    theta, gradient, learning_rate=learning_rate
                )
            theta.copy_(after)

    def _momentum_step(
        self,
        parameter: torch.nn.Parameter,
        theta: Tensor,
        gradient: Tensor,
        group: dict[str, Any],
    ) -> Tensor:
        """Take a step with momentum, and keep the velocity in PyTorch's name for it."""
        kept = self.state[parameter]
        settings = {"learning_rate": scalar(group["lr"]), "mu": group["momentum"]}
        if kept.get("momentum_buffer") is None:  # the first gradient is not dampened
            kept["momentum_buffer"] = torch.zeros_like(cast(Tensor, parameter.grad))
        elif not group["nesterov"]:
            settings["dampening"] = group["dampening"]
        (v,) = real(kept["momentum_buffer"])
        step = momentum.nesterov_update if group["nesterov"] else momentum.update
        theta, after = step(theta, v, gradient, **settings)
        v.copy_(after)
        return theta
