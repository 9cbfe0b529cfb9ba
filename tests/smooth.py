"""What a smooth function and its derivative are tested by, one number at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Run = Callable[..., NDArray[Any]]
LINE = np.concatenate([[-np.inf], np.linspace(-800, 800, 1601), [np.inf]])


def assert_values_are(
    theirs: Any, run: Run, rng: np.random.Generator, value: Any, derivative: Any
) -> None:
    """Compare the values with PyTorch's, near zero and far out."""
    z = np.concatenate([rng.normal(scale=3, size=51), LINE[1:-1]]).reshape(4, -1)

    got = run(value, z)

    want = theirs(torch.asarray(z))
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)
    assert derivative(z).shape == got.shape == z.shape


def assert_derivative_is_difference_quotient(
    theirs: Any, run: Run, rng: np.random.Generator, value: Any, derivative: Any
) -> None:
    """Compare the derivative with quotients of PyTorch's values and of ours."""
    z, h = np.append(rng.normal(scale=2, size=19), 0.0).reshape(4, 5), 1e-5

    got = run(derivative, z)

    above, below = theirs(torch.asarray(z + h)), theirs(torch.asarray(z - h))
    np.testing.assert_allclose(got, (above - below) / (2 * h), atol=1e-9)
    np.testing.assert_allclose(got, (value(z + h) - value(z - h)) / (2 * h), atol=1e-9)


def assert_autograd_finds_derivatives(
    theirs: Any, rng: np.random.Generator, value: Any, derivative: Any
) -> None:
    """Let PyTorch differentiate ours once and twice, at zero and far out too."""
    far, h = [-800.0, -40.0, -1e-9, 0.0, 1e-9, 40.0, 800.0], 1e-5
    given = np.concatenate([rng.normal(scale=3, size=20), far])
    z = torch.asarray(given).requires_grad_()

    (got,) = torch.autograd.grad(value(z).sum(), z, create_graph=True)
    (curvature,) = torch.autograd.grad(got.sum(), z)

    (want,) = torch.autograd.grad(theirs(z).sum(), z)
    np.testing.assert_allclose(got.detach(), derivative(given), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(got.detach(), want, rtol=1e-10, atol=1e-15)
    quotient = (derivative(given + h) - derivative(given - h)) / (2 * h)
    np.testing.assert_allclose(curvature, quotient, atol=1e-8)
