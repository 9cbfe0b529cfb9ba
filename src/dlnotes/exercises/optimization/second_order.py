"""Second-order methods: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.optimization.second_order import newton_step, quadratic_model


def _symmetric(rng: np.random.Generator, size: int) -> Any:
    a = reals(rng, size, size)
    return a + a.T


def _models(rng: np.random.Generator) -> dict[str, Any]:
    """Draw derivatives of any size, and steps."""
    size = whole(rng, 1, 4)
    case = {
        "value": float(rng.normal()),
        "gradient": reals(rng, size),
        "hessian": _symmetric(rng, size),
        "steps": reals(rng, whole(rng, 1, 5), size),
    }
    return either(rng, case)


QUADRATIC = Exercise(
    name="write-optimization-second-order-quadratic-model",
    section="optimization.second_order",
    task="Write `quadratic_model(value, gradient, hessian, steps)`: the second-order "
    "Taylor model of a loss around a point. `value`, a number, `gradient` "
    "(parameters,) and `hessian` (parameters, parameters), which is symmetric, are "
    "those of the loss there, and `steps` (steps, parameters) has one step a row. "
    "Return the model after each step (steps,).",
    hint="Try it on the loss x squared at x = 1, where the model must be exact.",
    solution=quadratic_model,
    inputs=_models,
    harmless=("is right only where axes 0 and 1 of hessian are equally long",),
    mistakes=(
        Mistake(
            lambda value, gradient, hessian, steps: (
                value + steps @ gradient + np.sum(steps @ hessian * steps, axis=1)
            ),
            "Your quadratic term is twice too large: in a Taylor series the second "
            "derivative comes divided by 2 factorial.",
        ),
        Mistake(
            lambda value, gradient, hessian, steps: (
                value
                + 0.5 * (steps @ gradient + np.sum(steps @ hessian * steps, axis=1))
            ),
            "You halve the linear term too. Only the quadratic one carries the half.",
        ),
        Mistake(
            lambda value, gradient, hessian, steps: (
                value + steps @ gradient + 0.5 * steps**2 @ np.diag(hessian)
            ),
            "You use the diagonal of the Hessian only and so drop the mixed "
            "derivatives: a step along two axes at once meets them.",
        ),
        Mistake(
            lambda value, gradient, hessian, steps: (
                value + steps @ gradient + 0.5 * np.sum(steps @ hessian * steps)
            ),
            "You sum the quadratic term over all steps. Each step has its own.",
        ),
        Mistake(
            lambda value, gradient, _hessian, steps: value + steps @ gradient,
            "That is the tangent plane, the first-order model. It says how the loss "
            "changes; how its slope changes is in the Hessian.",
        ),
        Mistake(
            lambda _value, gradient, hessian, steps: (
                steps @ gradient + 0.5 * np.sum(steps @ hessian * steps, axis=1)
            ),
            "You return the change of the loss. The model of the loss itself starts "
            "from the value at the point: at a step of zero it must give exactly that.",
        ),
    ),
)


def _bowls_and_saddles(rng: np.random.Generator) -> dict[str, Any]:
    """Draw Hessians of all sizes, damped or not, that no damping makes singular."""
    size = whole(rng, 1, 4)
    scale = rng.choice([1.0, 1.0, 1.0, 1e3, 1e-4])
    turn, _ = np.linalg.qr(rng.normal(size=(size, size)))
    if rng.random() < 0.2:
        turn = np.eye(size)
    curvatures = rng.uniform(0.5, 3, size=size)
    if rng.random() < 0.3:
        curvatures = np.where(rng.random(size) < 0.5, -1.5 - curvatures, curvatures)
    hessian = (turn * curvatures) @ turn.T
    case = {
        "theta": reals(rng, size),
        "gradient": reals(rng, size),
        "hessian": scale * (hessian + hessian.T),
        "damping": float(scale * rng.uniform(0.5, 2) * (rng.random() < 0.8)),
    }
    return either(rng, case)


def _saddle_free(theta: Any, gradient: Any, hessian: Any, damping: float = 0.0) -> Any:
    """Divide by the sizes of the curvatures."""
    curvatures, axes = np.linalg.eigh(hessian)
    return theta - axes @ ((axes.T @ gradient) / (np.abs(curvatures) + damping))


def _damped(hessian: Any, damping: float) -> Any:
    return hessian + damping * np.eye(len(hessian))


NEWTON = Exercise(
    name="write-optimization-second-order-newton-step",
    section="optimization.second_order",
    task="Write `newton_step(theta, gradient, hessian, *, damping)`: one damped Newton "
    "step for minimizing, with `theta` and `gradient` (parameters,) and `hessian` "
    "(parameters, parameters), a symmetric matrix. `damping`, a number of at least 0, "
    "is added to every eigenvalue of the Hessian. Return the new parameters.",
    hint="With no damping one step from anywhere must reach the minimum of a quadratic "
    "bowl.",
    summary="Take one damped Newton step.",
    solution=newton_step,
    inputs=_bowls_and_saddles,
    harmless=("is right only where axes 0 and 1 of hessian are equally long",),
    mistakes=(
        Mistake(
            lambda theta, gradient, hessian, damping: (
                theta - _damped(hessian, damping) @ gradient
            ),
            "You multiply the gradient by the Hessian instead of by its inverse, so "
            "the step is longest where the curvature is largest: the wrong way round.",
        ),
        Mistake(
            lambda theta, gradient, hessian, damping: (
                theta
                - (1 / np.where((h := _damped(hessian, damping)) == 0, np.inf, h))
                @ gradient
            ),
            "You invert the entries of the Hessian one by one. The inverse of a matrix "
            "is another thing; better still, solve the linear system and form no "
            "inverse.",
        ),
        Mistake(
            lambda theta, gradient, hessian, damping: (
                theta + np.linalg.solve(_damped(hessian, damping), gradient)
            ),
            "You go uphill: the step has the wrong sign for minimizing.",
        ),
        Mistake(
            lambda theta, gradient, hessian, _damping: (
                theta - np.linalg.solve(hessian, gradient)
            ),
            "You do not use the damping. Without it a nearly flat direction gets an "
            "enormous step.",
        ),
        Mistake(
            lambda theta, gradient, hessian, damping: (
                theta - np.linalg.solve(hessian + damping, gradient)
            ),
            "You add the damping to every entry of the Hessian: a number plus an array "
            "does that in NumPy. To shift the eigenvalues it belongs on the diagonal "
            "only.",
        ),
        Mistake(
            lambda theta, gradient, hessian, damping: (
                theta - gradient / (np.diag(hessian) + damping)
            ),
            "You divide by the diagonal, as if each parameter had its own curvature "
            "only. The Newton step couples the parameters through the mixed "
            "derivatives.",
        ),
        Mistake(
            _saddle_free,
            "You divide by the sizes of the curvatures. That keeps away from saddles, "
            "and is a method of its own (saddle-free Newton). A Newton step divides by "
            "a negative curvature as it is, and goes uphill along it.",
        ),
        Mistake(
            lambda theta, gradient, hessian, damping: (
                theta - np.linalg.solve(_damped(hessian, -damping), gradient)
            ),
            "You subtract the damping. It is to make curvatures larger and the step "
            "shorter.",
        ),
        Mistake(
            lambda theta, gradient, hessian, damping: (
                theta
                - np.linalg.solve(
                    hessian * (1 + damping * np.eye(len(hessian))), gradient
                )
            ),
            "You add a share of the diagonal, as Marquardt does. Here the same number "
            "is added to each eigenvalue.",
        ),
        Mistake(
            lambda _theta, gradient, hessian, damping: (
                -np.linalg.solve(_damped(hessian, damping), gradient)
            ),
            "You return the step alone. Add it to the parameters.",
        ),
    ),
)

EXERCISES = (QUADRATIC, NEWTON)
