"""Quasi-Newton methods: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.optimization.quasi_newton import bfgs_update, lbfgs_direction


def _bowl(rng: np.random.Generator, size: int) -> Any:
    """Draw a positive definite matrix, in some draws a diagonal one."""
    turn, _ = np.linalg.qr(rng.normal(size=(size, size)))
    if rng.random() < 0.2:
        turn = np.eye(size)
    made = (turn * rng.uniform(0.5, 3, size=size)) @ turn.T
    return made + made.T


def _steps(rng: np.random.Generator, *size: int) -> Any:
    """Draw steps, with some entries zero but none of all zeros, at times tiny."""
    steps = np.where(rng.random(size) < 0.1, 0.0, rng.normal(size=size))
    steps[..., 0] += 0.5 * np.where(steps[..., 0] < 0, -1, 1)
    return rng.choice([1.0, 1.0, 1.0, 30.0, 1e-4]) * steps


def _update(rng: np.random.Generator) -> dict[str, Any]:
    """Draw an approximation, and a pair that shows a positive curvature."""
    size = whole(rng, 1, 4)
    s = _steps(rng, size)
    y = _bowl(rng, size) @ s * rng.choice([1.0, 1.0, 30.0])
    H = rng.choice([1.0, 1.0, 30.0, 1e-4]) * _bowl(rng, size)
    return either(rng, {"H": H, "s": s, "y": y})


def _dfp(H: Any, s: Any, y: Any) -> Any:
    """Return the update of Davidon, Fletcher and Powell."""
    H_y = H @ y
    return H - np.outer(H_y, H_y) / (y @ H_y) + np.outer(s, s) / (y @ s)


def _factor(s: Any, y: Any) -> Any:
    """Return the matrix V, which takes y to zero."""
    return np.eye(len(s)) - np.outer(y, s) / (y @ s)


BFGS = Exercise(
    name="write-optimization-quasi-newton-bfgs-update",
    section="optimization.quasi_newton",
    task="Write `bfgs_update(H, s, y)`: the BFGS update of `H` (parameters, "
    "parameters), which approximates the *inverse* Hessian. `s` (parameters,) is a "
    "step and `y` (parameters,) the change of the gradient along it, with s.y > 0. "
    "Return the new `H`.",
    hint="The new matrix must be symmetric, and map y to s.",
    summary="Update an inverse Hessian by BFGS.",
    solution=bfgs_update,
    inputs=_update,
    harmless=("is right only where axes 0 and 1 of H are equally long",),
    mistakes=(
        Mistake(
            lambda H, s, y: bfgs_update(H, y, s),
            "You have exchanged s and y. Then the matrix approximates the Hessian, and "
            "you wanted its inverse, which maps changes of the gradient to steps.",
        ),
        Mistake(
            _dfp,
            "That is the update of Davidon, Fletcher and Powell. It fulfills the same "
            "secant equation, but is another matrix.",
        ),
        Mistake(
            lambda H, s, y: (
                H - np.outer(H @ s, H @ s) / (s @ H @ s) + np.outer(y, y) / (y @ s)
            ),
            "That is how BFGS updates an approximation of the Hessian itself. `H` "
            "stands for its inverse.",
        ),
        Mistake(
            lambda H, s, y: (
                _factor(s, y) @ H @ _factor(s, y).T + np.outer(s, s) / (y @ s)
            ),
            "You have the transposed factor on the wrong side: the factor that takes y "
            "to zero must be the one that y meets first.",
        ),
        Mistake(
            lambda H, s, y: _factor(s, y).T @ H @ _factor(s, y),
            "You leave out the last term. Without it the new matrix takes y to zero.",
        ),
        Mistake(
            lambda H, s, y: _factor(s, y).T @ H @ _factor(s, y) + np.outer(s, s),
            "You do not divide the last term by s.y, so the new matrix takes y to a "
            "multiple of s.",
        ),
        Mistake(
            lambda _H, s, y: _factor(s, y).T @ _factor(s, y) + np.outer(s, s) / (y @ s),
            "You start from the identity, and lose what earlier steps have shown. The "
            "matrix that is given belongs between the two factors.",
        ),
        Mistake(
            lambda H, s, y: (
                H
                + np.outer(s - H @ y, s - H @ y)
                / np.where((c := (s - H @ y) @ y) == 0, 1.0, c)
            ),
            "That is the symmetric rank-one update. It fulfills the secant equation "
            "too, but does not keep the matrix positive definite.",
        ),
    ),
)


def _two_loops(
    gradient: Any, s: Any, y: Any, scale: Any, *, back: bool = True, sign: int = 1
) -> Any:
    q, alphas = gradient, []
    for s_k, y_k in zip(s[::-1], y[::-1], strict=True):
        alphas.append((s_k @ q) / (s_k @ y_k))
        q = q - alphas[-1] * y_k
    r = scale * q
    second = zip(s[::-1], y[::-1], alphas, strict=True)
    for s_k, y_k, alpha in reversed(list(second)) if back else second:
        r = r + sign * s_k * (alpha - (y_k @ r) / (s_k @ y_k))
    return -r


def _scale(s: Any, y: Any, pair: int = -1) -> Any:
    """Return the inverse of the curvature that a pair has shown."""
    return (s[pair] @ y[pair]) / (y[pair] @ y[pair])


def _one_loop(gradient: Any, s: Any, y: Any) -> Any:
    """Stop after the first loop."""
    q = gradient
    for s_k, y_k in zip(s[::-1], y[::-1], strict=True):
        q = q - (s_k @ q) / (s_k @ y_k) * y_k
    return -(s[-1] @ y[-1]) / (y[-1] @ y[-1]) * q


def _history(rng: np.random.Generator) -> dict[str, Any]:
    """Draw pairs that a quadratic bowl could have shown."""
    size, pairs = whole(rng, 1, 5), whole(rng, 1, 4)
    s = _steps(rng, pairs, size)
    y = s @ _bowl(rng, size) * rng.choice([1.0, 1.0, 30.0])
    return either(rng, {"gradient": reals(rng, size), "s": s, "y": y})


LBFGS = Exercise(
    name="write-optimization-quasi-newton-lbfgs-direction",
    section="optimization.quasi_newton",
    task="Write `lbfgs_direction(gradient, s, y)`: the direction of L-BFGS for "
    "minimizing, by the two-loop recursion, with `gradient` (parameters,). Row k of "
    "`s` (pairs, parameters) is a step, and row k of `y` (pairs, parameters) the "
    "change of the gradient along it, the oldest first. The recursion starts from the "
    "identity times s.y / y.y of the newest pair; there is at least one. Return the "
    "direction (parameters,).",
    hint="The matrix that the pairs stand for must map the newest y to the newest s.",
    summary="Compute the direction of L-BFGS.",
    solution=lbfgs_direction,
    inputs=_history,
    mistakes=(
        Mistake(
            lambda gradient, s, y: lbfgs_direction(gradient, s[::-1], y[::-1]),
            "You go through the pairs in the wrong order. The first loop runs from the "
            "newest to the oldest, the second one back, and the newest pair sets the "
            "scale.",
        ),
        Mistake(
            lambda gradient, s, y: _two_loops(gradient, s, y, 1.0),
            "You start the second loop from the unscaled identity. The newest pair "
            "tells the size of the curvature, and without that scale the first steps "
            "have no sensible length.",
        ),
        Mistake(
            lambda gradient, s, y: _two_loops(
                gradient, s, y, (y[-1] @ y[-1]) / (s[-1] @ y[-1])
            ),
            "Your initial scale is upside down: y.y / s.y estimates the curvature, and "
            "you need its inverse.",
        ),
        Mistake(
            lambda gradient, s, y: -lbfgs_direction(gradient, s, y),
            "You return the inverse Hessian times the gradient, which points uphill. A "
            "direction for minimizing has the other sign.",
        ),
        Mistake(
            lambda gradient, s, y: lbfgs_direction(gradient, s[-1:], y[-1:]),
            "You use the newest pair only. All of them take part, each in both loops.",
        ),
        Mistake(
            lambda gradient, s, y: lbfgs_direction(gradient, y, s),
            "You have exchanged s and y. Then the recursion approximates the Hessian, "
            "and you wanted its inverse, which maps changes of the gradient to steps.",
        ),
        Mistake(
            lambda gradient, s, y: _two_loops(gradient, s, y, _scale(s, y), back=False),
            "Both your loops run from the newest pair to the oldest. The second one "
            "goes back, from the oldest to the newest.",
        ),
        Mistake(
            lambda gradient, s, y: _two_loops(gradient, s, y, _scale(s, y), sign=-1),
            "You have the difference in the second loop the other way round: what it "
            "adds is the share of the first loop minus that of the second.",
        ),
        Mistake(
            lambda gradient, s, y: _two_loops(gradient, s, y, _scale(s, y, 0)),
            "You take the scale from the oldest pair. The newest knows the curvature "
            "of where you are.",
        ),
        Mistake(
            _one_loop,
            "You stop after the first loop. The second one adds what the pairs say of "
            "the inverse.",
        ),
        Mistake(
            lambda gradient, s, y: _two_loops(
                gradient, s, y, (s[-1] @ s[-1]) / (s[-1] @ y[-1])
            ),
            "Your initial scale is s.s / s.y. That estimates the inverse curvature "
            "too, and is the longer of the two; wanted is s.y / y.y.",
        ),
    ),
)

EXERCISES = (BFGS, LBFGS)
