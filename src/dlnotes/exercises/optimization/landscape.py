"""The loss surface: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.optimization.landscape import KINDS, classify_critical_points

SIGNS = (
    (1, 1, 1, 1),
    (-1, -1, -1, -1),
    (0, 1, 1, 1),
    (-1, -1, -1, 0),
    (0, 0, 0, 0),
    (-1, 0, 1, 1),
    (-1, 1, 1, 1),
    (-1, -1, 1, 1),
)  # of eigenvalues, of which small Hessians have the first and the last


def _points(rng: np.random.Generator) -> dict[str, Any]:
    """Draw points of any kind, each with eigenvalues along axes or between them."""
    points, n = whole(rng, 1, 8), whole(rng, 1, 4)
    tolerance = float(rng.choice([1e-6, 1e-3, 0.1]))
    scale = rng.choice([1.0, 1.0, 1e3])
    signs = rng.permutation(SIGNS)[:points, np.arange(n) - n // 2]
    sizes = scale * rng.uniform(1, 2, (points, n))
    flat = tolerance * np.maximum(1, (sizes * abs(signs)).max(1, keepdims=True))
    near = flat * rng.choice([-1.1, -0.9, 0.0, 0.9, 0.9, 1.1], (points, n))
    eigenvalues = np.where(signs == 0, near, signs * sizes)
    turns = np.linalg.qr(rng.normal(size=(points, n, n)))[0]
    turns = np.where(rng.random((points, 1, 1)) < 0.2, np.eye(n), turns)
    H = (turns * eigenvalues[:, None]) @ np.swapaxes(turns, 1, 2)
    directions = rng.normal(size=(points, n))
    directions /= np.sqrt((directions**2).sum(axis=1, keepdims=True))
    lengths = rng.choice([0.0, 0.5, 0.98, 0.98, 1.02, 2.0, 20 / tolerance], (points, 1))
    case = {
        "gradients": tolerance * lengths * directions,
        "hessians": (H + np.swapaxes(H, 1, 2)) / 2,
        "tolerance": tolerance,
    }
    return either(rng, case) if tolerance > 1e-6 and scale == 1 else case


def _each(kind: Callable[[Any, Any, float], str]) -> Answer:
    """Turn a rule for one point into an answer for all."""

    def answer(gradients: Any, hessians: Any, tolerance: float = 1e-6) -> Any:
        pairs = zip(gradients, hessians, strict=True)
        return np.array([KINDS.index(kind(g, H, tolerance)) for g, H in pairs])

    return answer


def _by_signs(values: Any, tolerance: float) -> str:
    """Say which kind of critical point has these curvatures."""
    low, high = min(values), max(values)
    if low < -tolerance and high > tolerance:
        return "saddle"
    if low > tolerance:
        return "minimum"
    return "maximum" if high < -tolerance else "undecided"


def _flat(H: Any, tolerance: float) -> float:
    """Return up to which size eigenvalues count as zero."""
    return tolerance * max(1.0, np.abs(np.linalg.eigvalsh(H)).max())


def _critical(
    rule: Callable[[Any, float], str], flat: Callable[[Any, float], float] = _flat
) -> Answer:
    """Judge Hessians by a rule where the gradient vanishes."""

    def kind(g: Any, H: Any, tolerance: float) -> str:
        if np.linalg.norm(g) > tolerance:
            return "not critical"
        return rule(H, flat(H, tolerance))

    return _each(kind)


def _by_eigenvalues(H: Any, tolerance: float) -> str:
    return _by_signs(np.linalg.eigvalsh(H), tolerance)


def _determinant(H: Any, tolerance: float) -> str:
    determinant = np.linalg.det(H)
    if abs(determinant) <= tolerance:
        return "undecided"
    if determinant < 0:
        return "saddle"
    return "minimum" if H[0, 0] > 0 else "maximum"


def _flat_counts(H: Any, tolerance: float) -> str:
    values = np.linalg.eigvalsh(H)
    if values[0] >= -tolerance:
        return "minimum"
    return "maximum" if values[-1] <= tolerance else "saddle"


def _flat_is_saddle(H: Any, tolerance: float) -> str:
    kind = _by_eigenvalues(H, tolerance)
    return "saddle" if kind == "undecided" else kind


def _singular(H: Any, tolerance: float) -> str:
    values = np.linalg.eigvalsh(H)
    flat = np.any(np.abs(values) <= tolerance)
    return "undecided" if flat else _by_signs(values, tolerance)


def _by_entries(g: Any, H: Any, tolerance: float) -> str:
    still = np.all(np.abs(g) <= tolerance)
    return _by_eigenvalues(H, _flat(H, tolerance)) if still else "not critical"


def _turned(H: Any, tolerance: float) -> str:
    return _by_signs(-np.linalg.eigvalsh(H), tolerance)


CLASSIFY = Exercise(
    name="write-optimization-landscape-classify-critical-points",
    section="optimization.landscape",
    task="Write `classify_critical_points(gradients, hessians, *, tolerance)`: "
    "`gradients` is (points, n), and `hessians`, symmetric, is (points, n, n). Return "
    "an integer for each point: 0 if it is not critical, 1 for a minimum, 2 for a "
    "maximum, 3 for a saddle point, and 4 for a critical point whose Hessian does not "
    "settle the matter. A gradient whose Euclidean length is up to `tolerance` counts "
    "as zero. So does an eigenvalue of size up to `tolerance`, or, where the largest "
    "size of the eigenvalues of its Hessian is above 1, up to `tolerance` times that.",
    hint="In every direction the curvature lies between the smallest and the largest "
    "eigenvalue.",
    solution=classify_critical_points,
    inputs=_points,
    harmless=(
        "is right only where axes 1 and 2 of hessians are equally long",
        "clips gradients",
    ),
    mistakes=(
        Mistake(
            _critical(lambda _H, _tolerance: "saddle"),
            "You call every point with vanishing derivatives a saddle point. Minima "
            "and maxima have them too: look at the curvature, and at whether it has "
            "both signs.",
        ),
        Mistake(
            _critical(lambda H, tolerance: _by_signs(np.diag(H), tolerance)),
            "You read the curvature off the diagonal of the Hessian, that is along the "
            "axes only. A surface may bend down between the axes: look at the "
            "eigenvalues.",
        ),
        Mistake(
            _critical(_determinant),
            "You decide by the sign of the determinant. That rule is for two "
            "variables; with three a maximum has a negative determinant, and a saddle "
            "point may have a positive one.",
            "Saddle Points, "
            "http://mathhelpforum.com/calculus/134003-saddle-points.html",
        ),
        Mistake(
            _critical(_flat_counts),
            "You let a zero eigenvalue pass as curvature. Along that direction the "
            "Hessian says nothing, and higher terms may fall as well as rise: without "
            "two opposite signs such a point stays undecided.",
        ),
        Mistake(
            _critical(_flat_is_saddle),
            "You call a saddle point what is neither clearly a minimum nor clearly a "
            "maximum. A zero eigenvalue is no evidence of that: the sum of two fourth "
            "powers has only such ones, at its minimum.",
        ),
        Mistake(
            _critical(_singular),
            "You call a point undecided as soon as one eigenvalue is zero. Two others "
            "of opposite signs already make it a saddle point, whatever happens in the "
            "flat direction.",
            "When does a multivariable function's Hessian matrix indicate a saddle "
            "point?, https://qeeebo.com/questions/whe/63/537/"
            "when-does-a-multivariable-functions-hessian-matrix-indicate-a-saddle-point",
        ),
        Mistake(
            _each(lambda _g, H, tol: _by_eigenvalues(H, _flat(H, tol))),
            "You classify by curvature alone. Where the gradient does not vanish the "
            "point is not critical at all, whatever its Hessian.",
        ),
        Mistake(
            _each(_by_entries),
            "You compare each entry of the gradient with the tolerance. It is the "
            "length of the whole gradient that has to be small.",
        ),
        Mistake(
            lambda gradients, hessians, tolerance=1e-6: np.where(
                np.linalg.norm(gradients) > tolerance,
                0,
                classify_critical_points(0 * gradients, hessians, tolerance=tolerance),
            ),
            "You compare the length of all gradients together with the tolerance. Each "
            "point has its own: one that is not critical says nothing of the others.",
        ),
        Mistake(
            _critical(_turned),
            "You have minima and maxima in each other's place: curvature that is "
            "positive in every direction makes a minimum.",
        ),
        Mistake(
            lambda gradients, hessians, tolerance=1e-6: classify_critical_points(
                gradients, hessians, tolerance=0 * tolerance
            ),
            "You do not use the tolerance: rounding alone makes a zero a small number "
            "of either sign.",
        ),
        Mistake(
            _critical(_by_eigenvalues, lambda _H, tolerance: tolerance),
            "You compare eigenvalues with the tolerance alone. Those of a large "
            "Hessian are known to a share of the largest one only.",
        ),
        Mistake(
            _critical(
                _by_eigenvalues,
                lambda H, tolerance: tolerance * np.abs(np.linalg.eigvalsh(H)).max(),
            ),
            "You take the tolerance as a share of the largest eigenvalue even where "
            "all are small. What is left of zeros would then decide.",
        ),
    ),
)

EXERCISES = (CLASSIFY,)
