"""What the optimizers share.

PyTorch keeps the parameters, the groups and the state; a section computes.  A function
of a section is called for many numbers at once: parameters that are small are put end
to end first, and one that is large is taken in pieces that stay in the processor's
cache.  Each number is updated by itself, so the result is the same.

What is used of PyTorch is documented, except ``_init_group`` of its Adam, which makes
the state and refuses what Adam does not take, ``found_inf`` and ``grad_scale``, which
its gradient scaler sets on an optimizer, and ``_foreach_copy_``, by which its own
optimizers write many arrays in one call.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from dlnotes.optimization import gradient_descent

BLOCK = 2**20  # numbers that are read at once on a CPU, of all that is kept together
PLAIN = (Tensor, torch.nn.Parameter)

Row = list[Tensor]  # a parameter, its gradient, and what is kept for it
Step = Callable[..., tuple[Tensor, ...]]  # from these to the parameter and what is kept


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
        found_inf = getattr(self, "found_inf", None)  # a GradScaler's, where fused
        if found_inf is None or not found_inf.item():
            with torch.set_grad_enabled(self.defaults["differentiable"]):
                for group in self.param_groups:
                    self._update(group)
        return loss

    def _update(self, group: dict[str, Any]) -> None:
        """Take a step with the parameters of one group."""
        raise NotImplementedError

    def _with_gradient(self, group: dict[str, Any]) -> Iterator[torch.nn.Parameter]:
        """Yield each parameter that has a gradient, which is scaled back."""
        scale = getattr(self, "grad_scale", None)
        for parameter in group["params"]:
            if parameter.grad is not None:
                if scale is not None:
                    parameter.grad.div_(scale)
                yield parameter


def penalized(
    theta: Tensor, gradient: Tensor, group: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """Return a parameter and the gradient of what is to be made smaller.

    Weight decay is the gradient of a penalty, or a step of its own if it is decoupled.
    """
    gradient = -gradient if group["maximize"] else gradient
    weight_decay = scalar(group["weight_decay"])
    if isinstance(weight_decay, float | int) and not weight_decay:
        return theta, gradient
    if group.get("decoupled_weight_decay"):
        learning_rate = scalar(group["lr"])
        decay = weight_decay * theta
        return gradient_descent.update(
            theta, decay, learning_rate=learning_rate
        ), gradient
    return theta, gradient_descent.penalized_gradient(
        theta, gradient, weight_decay=weight_decay
    )


def take(step: Step, rows: list[Row], *, together: bool) -> None:
    """Take a step with each row, and write its results over what they follow."""
    for block in _blocks(rows) if together else ([row] for row in rows):
        if len(block) == 1:
            theta, gradient, *kept = block[0]
            for before, after in zip(
                (theta, *kept), step(theta, gradient, *kept), strict=True
            ):
                before.copy_(after)
            continue
        columns = [list(each) for each in zip(*block, strict=True)]
        results = step(*map(torch.cat, columns))
        sizes = [each.numel() for each in columns[0]]
        written = (columns[0], *columns[2:])  # but not the gradients
        for many, made in zip(written, results, strict=True):
            torch._foreach_copy_(many, torch.split(made, sizes))


def _blocks(rows: list[Row]) -> Iterator[list[Row]]:
    """Cut long rows and put short ones together, if their numbers are of one kind."""
    for kind, alike in groupby(rows, _kind):
        if kind is None:
            yield from ([row] for row in alike)
        else:
            flat = [[x.view(-1) for x in row] for row in alike]
            limit = BLOCK // len(flat[0]) if kind[1].type == "cpu" else None
            yield from _of_one_size(flat, limit)


def _kind(row: Row) -> tuple[torch.dtype, torch.device] | None:
    """Return dtype and device of a row, or None if it is not to be cut or joined."""
    theta, gradient = row[:2]
    plain = type(theta) in PLAIN and type(gradient) in PLAIN
    if plain and gradient.layout is torch.strided:
        for each in row:
            if not each.is_contiguous():
                return None
        return theta.dtype, theta.device
    return None


def _of_one_size(rows: list[Row], limit: int | None) -> Iterator[list[Row]]:
    """Yield blocks of about as many numbers each; without a limit, all rows at once."""
    block: list[Row] = []
    length = 0
    for row in rows:
        size = row[0].numel()
        if limit and size > limit:
            parts = zip(*(torch.split(each, limit) for each in row), strict=True)
            yield from ([list(part)] for part in parts)
            continue
        block.append(row)
        length += size
        if limit and length > limit:
            yield block
            block, length = [], 0
    if block:
        yield block


def real(*tensors: Tensor) -> list[Tensor]:
    """View complex numbers as pairs of real ones, and leave real ones as they are."""
    return [torch.view_as_real(x) if x.is_complex() else x for x in tensors]


def apart(group: dict[str, Any]) -> bool:
    """Say whether each parameter is to take its step alone."""
    return torch.compiler.is_compiling() or bool(group["differentiable"])


def scalar(value: Any) -> Any:
    """Take the axes away from a tensor of one number."""
    return value.squeeze() if isinstance(value, Tensor) else value
