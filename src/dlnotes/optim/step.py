"""What the optimizers share."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from dlnotes.optimization import gradient_descent


class SectionOptimizer(torch.optim.Optimizer):
    """A PyTorch optimizer that leaves to a section what happens to the parameters.

    PyTorch keeps the groups and the state.  ``foreach`` and ``fused`` choose among its
    own ways to compute one and the same thing, so here they change nothing.
    """

    def step(  # type: ignore[override]
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if any(group.get("capturable") for group in self.param_groups):
            raise NotImplementedError("capturable=True: a step here has no CUDA graph")
        found_inf = getattr(self, "found_inf", None)  # a GradScaler's, where fused
        if found_inf is None or not found_inf.item():
            with torch.set_grad_enabled(self.defaults["differentiable"]):
                for group in self.param_groups:
                    self._update(group)
        return loss

    def _update(self, group: dict[str, Any]) -> None:
        """Take a step with the parameters of one group."""
        raise NotImplementedError

    def _gradients(
        self, group: dict[str, Any]
    ) -> Iterator[tuple[torch.nn.Parameter, Tensor, Tensor]]:
        """Yield each parameter that has a gradient, as reals, and the gradient there.

        The gradient is that of what is to be made smaller, penalty included.
        """
        weight_decay, scale = (
            scalar(group["weight_decay"]),
            getattr(self, "grad_scale", None),
        )
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            if scale is not None:
                parameter.grad.div_(scale)
            theta, gradient = real(parameter, parameter.grad)
            gradient = -gradient if group["maximize"] else gradient
            if weight_decay and group.get("decoupled_weight_decay"):
                learning_rate = scalar(group["lr"])
                theta.copy_(
                    gradient_descent.update(
                        theta, weight_decay * theta, learning_rate=learning_rate
                    )
                )
            elif weight_decay:
                gradient = gradient_descent.penalized_gradient(
                    theta, gradient, weight_decay=weight_decay
                )
            yield parameter, theta, gradient


def real(*tensors: Tensor) -> list[Tensor]:
    """View complex numbers as pairs of real ones, and leave real ones as they are."""
    return [torch.view_as_real(x) if x.is_complex() else x for x in tensors]


def scalar(value: float | Tensor) -> Any:
    """Take the axes away from a tensor of one number."""
    return value.squeeze() if isinstance(value, Tensor) else value
