"""L-BFGS."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dlnotes.optim.step import Group, real, widened
from dlnotes.optimization import quasi_newton
from dlnotes.optimization.quasi_newton import init

State = quasi_newton.State[Tensor]
Evaluate = Callable[[Tensor], tuple[float, Tensor]]


class LBFGS(torch.optim.LBFGS):
    """:mod:`dlnotes.optimization.quasi_newton`; the drop-in for PyTorch's L-BFGS.

    Arguments, state and errors are those of :class:`torch.optim.LBFGS`.  A step takes
    up to ``max_iter`` steps of the section, so it needs a closure that computes the
    loss and its gradients again.

    Examples
    --------
    A parabola: a step of length 1, which shows its curvature, and one to its minimum:

    >>> import torch
    >>> from dlnotes.optim import LBFGS
    >>> theta = torch.nn.Parameter(torch.tensor([5.0]))
    >>> optimizer = LBFGS([theta], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (theta**2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item(), theta.item()
    (25.0, 0.0)
    """

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Minimize the loss, and return what it was before.

        If the closure fails, the parameters and the state are what they were.
        """
        if not callable(closure):
            raise TypeError(
                "closure must be a function that computes the loss and its gradients, "
                f"got {closure!r}"
            )
        (group,) = self.param_groups
        parameters, losses = group["params"], []

        def evaluate(theta: Tensor) -> tuple[float, Tensor]:
            _write(parameters, theta)
            with torch.enable_grad():
                losses.append(closure())
            return float(losses[-1]), _end_to_end(parameters, gradients=True)

        with torch.no_grad():
            theta = start = _end_to_end(parameters)
            kept = self.state[parameters[0]]
            try:
                theta, state = _minimize(evaluate, start, _loaded(kept, start), group)
            finally:
                _write(parameters, theta)
            _save(kept, state, len(losses))
        return losses[0]


def _minimize(
    evaluate: Evaluate, theta: Tensor, state: State | None, group: Group
) -> tuple[Tensor, State]:
    """Take steps of the section, with its line search or at a fixed rate."""
    if group["line_search_fn"] is None or group["max_iter"] < 1:
        return _at_a_fixed_rate(evaluate, theta, state or init(theta), group)
    if group["line_search_fn"] != "strong_wolfe":
        raise RuntimeError("only 'strong_wolfe' is supported")
    return quasi_newton.minimize(
        evaluate,
        theta,
        state,
        learning_rate=float(group["lr"]),
        iterations=group["max_iter"],
        evaluations=group["max_eval"],
        history_size=group["history_size"],
        tolerance_gradient=max(0.0, group["tolerance_grad"]),
        tolerance_change=max(0.0, group["tolerance_change"]),
    )


def _at_a_fixed_rate(
    evaluate: Evaluate, theta: Tensor, state: State, group: Group
) -> tuple[Tensor, State]:
    """Take steps until a tolerance or a limit is reached, as PyTorch does."""
    learning_rate, change = float(group["lr"]), group["tolerance_change"]
    value, gradient = evaluate(theta)
    for taken in range(1, group["max_iter"] + 1):
        if gradient.abs().max() <= group["tolerance_grad"]:
            break
        moved, state = quasi_newton.update(
            theta,
            gradient,
            state,
            learning_rate=learning_rate,
            history_size=group["history_size"],
        )
        rate = learning_rate
        if state.t == 1:  # the first step knows no curvature, and is shorter
            rate *= min(1.0, 1 / float(gradient.abs().sum()))
        if gradient @ state.step > -change * rate:
            return theta, replace(state, step=torch.zeros_like(theta))
        theta, before = moved, value
        if taken == group["max_iter"]:
            break
        value, gradient = evaluate(theta)
        if taken + 1 >= group["max_eval"] or state.step.abs().max() <= change:
            break
        if abs(value - before) < change:
            break
    return theta, state


def _loaded(kept: dict[str, Any], theta: Tensor) -> State | None:
    """Return what the section keeps, if there was a step before."""
    if "d" not in kept:
        return None
    empty = theta.new_empty(0, len(theta))
    s, y = (
        torch.stack(kept[name]).to(theta.dtype) if kept[name] else empty
        for name in ("old_stps", "old_dirs")
    )
    step, gradient = kept["d"] * kept["t"], kept["prev_flat_grad"]
    return State(s, y, step.to(theta.dtype), gradient.to(theta.dtype), kept["n_iter"])


def _save(kept: dict[str, Any], state: State, evaluations: int) -> None:
    """Keep the state by the names that PyTorch reads."""
    kept["func_evals"] = kept.get("func_evals", 0) + evaluations
    kept["n_iter"] = state.t
    if not state.t:
        return
    slopes = (state.s * state.y).sum(1)
    newest = slopes[-1:] / (state.y[-1:] ** 2).sum(1)
    kept |= {
        "d": state.step,
        "t": 1.0,  # the step is as long as it is
        "old_dirs": list(state.y),
        "old_stps": list(state.s),
        "ro": list(1 / slopes),
        "H_diag": newest[0] if len(newest) else 1,
        "prev_flat_grad": state.gradient,
    }


def _end_to_end(parameters: list[Tensor], *, gradients: bool = False) -> Tensor:
    """Put parameters, or their gradients, into one vector, never of half precision."""
    if gradients:
        parameters = [
            torch.zeros_like(x) if x.grad is None else x.grad.to_dense().resolve_conj()
            for x in parameters
        ]
    return widened(torch.cat([x.reshape(-1) for x in real(*parameters)]))


def _write(parameters: list[Tensor], theta: Tensor) -> None:
    """Write the numbers of a vector over the parameters."""
    wholes = real(*parameters)
    parts = torch.split(theta, [x.numel() for x in wholes])
    for whole, part in zip(wholes, parts, strict=True):
        whole.copy_(part.view_as(whole))
