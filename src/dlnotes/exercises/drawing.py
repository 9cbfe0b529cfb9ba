"""Draw inputs that vary in all that a task promises."""

from typing import Any

import numpy as np

from dlnotes.exercises.results import mapped


def whole(rng: np.random.Generator, least: int, most: int) -> int:
    """Draw a whole number.

    Parameters
    ----------
    rng
        The random generator.
    least, most
        Its bounds, both included.
    """
    return int(rng.integers(least, most + 1))


def shape(rng: np.random.Generator) -> tuple[int, ...]:
    """Draw a shape of none to four axes.

    Parameters
    ----------
    rng
        The random generator.
    """
    return tuple(whole(rng, 1, 3) for _ in range(whole(rng, 0, 4)))


def reals(rng: np.random.Generator, *size: int) -> Any:
    """Draw real numbers, some of them zero, in some draws all huge or all tiny.

    Parameters
    ----------
    rng
        The random generator.
    *size
        The shape of the array.
    """
    scale = rng.choice([1.0, 1.0, 1.0, 1.0, 1e3, 1e-6])
    values = np.asarray(scale * rng.normal(size=size))
    return np.where(rng.random(size) < 0.1, 0.0, values)


def pre_activations(rng: np.random.Generator, *tails: float) -> dict[str, Any]:
    """Draw pre-activations of any shape, all but the first of which may be far out.

    Parameters
    ----------
    rng
        The random generator.
    *tails
        Where those that are far out lie.
    """
    z = reals(rng, *shape(rng))
    z = 3 * z / max(1.0, np.abs(z).max())
    far = (rng.random(z.shape) < 0.3) & (np.arange(z.size).reshape(z.shape) > 0)
    return either(rng, {"z": np.where(far, rng.choice(tails, size=z.shape), z)})


def either(rng: np.random.Generator, case: dict[str, Any]) -> dict[str, Any]:
    """Return inputs as they are or, one time in six, in single precision.

    Parameters
    ----------
    rng
        The random generator.
    case
        The inputs by name.
    """
    return single(case) if rng.random() < 1 / 6 else case


def single(case: dict[str, Any]) -> dict[str, Any]:
    """Return inputs in single precision.

    Parameters
    ----------
    case
        The inputs by name.
    """
    made: dict[str, Any] = mapped(_single, case)
    return made


def _single(_path: str, value: Any) -> Any:
    """Return an array of real numbers in single precision."""
    real = isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f"
    return value.astype(np.float32) if real else value
