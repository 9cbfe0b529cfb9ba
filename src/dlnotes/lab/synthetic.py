"""Data that are made on the spot, from a generator that the caller seeds."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from dlnotes.neurons.perceptron import Perceptron, predict


def linearly_separable(
    rng: np.random.Generator, *, instances: int, inputs: int = 2, margin: float
) -> tuple[
    Float[np.ndarray, "instances inputs"],
    Float[np.ndarray, "instances 1"],
    Perceptron[NDArray[Any]],
]:
    """Scatter points in a cube on both sides of a random hyperplane.

    Parameters
    ----------
    rng
        The source of randomness.
    instances
        How many points to make.
    inputs
        The dimension of the cube.
    margin
        How near to the hyperplane, which passes through the origin, a point may lie;
        less than one.

    Returns
    -------
    X
        One point a row, each coordinate between minus one and one.
    Y
        The side of each point, zero or one.
    truth
        The perceptron that the sides come from, its weights of length one.

    Raises
    ------
    ValueError
        If the margin leaves no room for points.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.lab.synthetic import linearly_separable
    >>> X, Y, truth = linearly_separable(
    ...     np.random.default_rng(0), instances=100, margin=0.1
    ... )
    >>> bool(np.abs(X @ truth.W).min() >= 0.1)
    True
    """
    if not 0 <= margin < 1:
        raise ValueError(f"margin must be at least 0 and less than 1, got {margin}")
    normal = rng.normal(size=(inputs, 1))
    truth = Perceptron(W=normal / np.linalg.norm(normal), b=np.zeros(1))
    X = np.empty((0, inputs))
    while len(X) < instances:
        draw = rng.uniform(-1, 1, size=(instances, inputs))
        X = np.vstack([X, draw[np.abs(draw @ truth.W)[:, 0] >= margin]])
    return X[:instances], predict(truth, X[:instances]), truth
