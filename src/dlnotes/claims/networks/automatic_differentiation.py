"""The claim about computational graphs, measured on programs that are no networks."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import Ruling, by_method, decide
from dlnotes.networks.automatic_differentiation import (
    Node,
    elementwise,
    gradients,
    total,
)
from dlnotes.wording import join_words

LIMITS = {"central differences": 1e-6, "PyTorch's autograd": 1e-10}
H = 1e-5


class Language(NamedTuple):
    """The operations of a program besides arithmetic."""

    sin: Callable[[Any], Any]
    exp: Callable[[Any], Any]
    transpose: Callable[[Any], Any]
    log_det: Callable[[Any], Any]
    total: Callable[[Any], Any]


def log_det(M: NDArray[Any]) -> NDArray[Any]:
    """Return the logarithm of a positive determinant."""
    return np.linalg.slogdet(M).logabsdet


def record_log_det(M: Node[Any]) -> Node[Any]:
    """Record the logarithm of a determinant, whose gradient is the inverse of M^T."""

    def vjp(upstream: Any) -> Any:
        return upstream * np.linalg.inv(M.value).T

    return Node(log_det(M.value), (M,), (vjp,))


RECORDED = Language(
    sin=lambda x: elementwise(x, np.sin, np.cos),
    exp=lambda x: elementwise(x, np.exp, np.exp),
    transpose=lambda x: Node(x.value.T, (x,), (np.transpose,)),
    log_det=record_log_det,
    total=total,
)

NUMPY = Language(np.sin, np.exp, np.transpose, log_det, np.sum)
TORCH = Language(torch.sin, torch.exp, torch.t, torch.logdet, torch.sum)


def pendulum(say: Language, angle: Any, speed: Any, gravity: Any) -> Any:
    """Return the angle of a pendulum after 50 steps of Euler's method."""
    for _ in range(50):
        angle, speed = (
            angle + 0.05 * speed,
            speed - 0.05 * gravity * say.sin(angle),
        )
    return angle


def determinant(say: Language, A: Any, unit: Any) -> Any:
    """Return the logarithm of the determinant of A A^T + I."""
    return say.log_det(A @ say.transpose(A) + unit)


def branches(say: Language, x: Any) -> Any:
    """Return the sum of x sin x + exp(x sin x), whose first term is used twice."""
    u = x * say.sin(x)
    return say.total(u + say.exp(u))


PROGRAMS: dict[str, tuple[Callable[..., Any], Callable[[np.random.Generator], Any]]] = {
    "50 steps of a pendulum": (
        pendulum,
        lambda rng: (rng.uniform(-2, 2), rng.uniform(-1, 1), rng.uniform(5, 15)),
    ),
    "log det of A A^T + I": (
        determinant,
        lambda rng: (rng.normal(size=(4, 3)), np.eye(4)),
    ),
    "x sin x + exp(x sin x)": (branches, lambda rng: (rng.uniform(-2, 2, size=5),)),
}


@claim("claim-backprop-any-graph", seeds=10)
def backprop_any_graph(seeds: Sequence[int]) -> Finding:
    """Backpropagation applies to any computational graph, not only to neural networks.

    Three programs that are no networks are differentiated with respect to all their
    inputs: 50 Euler steps of a pendulum, the logarithm of the determinant of
    A A^T + I, and x sin x + exp(x sin x), where a quantity is used twice.  The
    difference from central differences, and from PyTorch's autograd, is relative to the
    largest number in the gradient.

    It holds if the first is below 1e-6 and the second below 1e-10, for all three in
    every seed.  It holds conditionally if so for some of the programs only, and fails
    if for none.
    """
    found = []
    for name, (program, inputs) in PROGRAMS.items():
        differences = [
            compare(program, inputs(np.random.default_rng(seed))) for seed in seeds
        ]
        found += [
            Row(
                "relative difference",
                method,
                name,
                tuple(d[method] for d in differences),
            )
            for method in LIMITS
        ]
    verdict, because, condition = judge_graphs(found)
    data = f"{len(PROGRAMS)} programs on drawn inputs, float64"
    return Finding(verdict, because, data, tuple(found), condition)


def compare(program: Callable[..., Any], inputs: Sequence[Any]) -> dict[str, float]:
    """Return how far the gradient is from what each of two other methods finds."""
    inputs = [*map(np.asarray, inputs)]
    nodes = [Node(each) for each in inputs]
    ours = flat(gradients(program(RECORDED, *nodes), nodes))
    tensors = [torch.asarray(each).requires_grad_() for each in inputs]
    theirs = flat(torch.autograd.grad(program(TORCH, *tensors), tensors))
    quotients = flat(central_differences(lambda *moved: program(NUMPY, *moved), inputs))
    others = dict(zip(LIMITS, (quotients, theirs), strict=True))
    return {
        name: float(abs(ours - other).max() / abs(other).max())
        for name, other in others.items()
    }


def flat(arrays: Sequence[Any]) -> NDArray[Any]:
    """Put the numbers of several arrays in a row."""
    return np.concatenate([np.ravel(each) for each in arrays])


def central_differences(
    function: Callable[..., Any], inputs: Sequence[NDArray[Any]]
) -> list[NDArray[Any]]:
    """Differentiate a function of several arrays, one entry at a time."""
    found = [np.empty(each.shape) for each in inputs]
    for k, quotients in enumerate(found):
        for place in np.ndindex(quotients.shape):
            ahead, behind = [*inputs], [*inputs]
            ahead[k], behind[k] = inputs[k].copy(), inputs[k].copy()
            ahead[k][place] += H
            behind[k][place] -= H
            quotients[place] = (function(*ahead) - function(*behind)) / (2 * H)
    return found


def judge_graphs(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about graphs."""
    right = []
    for name in PROGRAMS:
        differences = by_method(found, "relative difference", name)
        if all(
            value < limit
            for method, limit in LIMITS.items()
            for value in differences[method]
        ):
            right.append(name)
    verdict = decide(
        confirmed=len(right) == len(PROGRAMS),
        conditional=bool(right),
        refuted=not right,
    )
    most = {
        method: np.max([row.values for row in found if row.method == method])
        for method in LIMITS
    }
    largest = join_words([f"{size:.0e} from {method}" for method, size in most.items()])
    because = f"The gradients differ by at most {largest}, as shares of the largest."
    return Ruling(verdict, because, f"for {join_words(right)}" if right else "")
