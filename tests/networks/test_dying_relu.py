"""Dead units against loops, PyTorch's gradients, and what training does to them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dlnotes.networks.dying_relu import dead_fraction, dead_units
from dlnotes.networks.rectifiers import leaky_relu, relu

Run = Callable[..., NDArray[Any]]


def some_dead(rng: np.random.Generator) -> NDArray[Any]:
    """Draw a layer of nine units: 1 and 4 below zero, 6 at most zero, 7 all but once.

    So does an instance, the first, for which no unit is active.
    """
    Z = rng.normal(size=(6, 9))
    Z[5] = abs(Z[5])
    Z[:, [1, 4, 6, 7]] = -abs(Z[:, [1, 4, 6, 7]])
    Z[3, 6], Z[2, 7] = 0.0, 1e-12
    Z[0] = -abs(Z[0])
    return Z


@pytest.mark.verifies("eq-dead-unit")
def test_every_engine_finds_the_units_without_a_positive_pre_activation(
    run: Run, rng: np.random.Generator
) -> None:
    Z = some_dead(rng)

    dead = run(dead_units, Z)

    assert dead.dtype == bool
    assert dead.tolist() == [max(column) <= 0 for column in Z.T.tolist()]
    assert dead.nonzero()[0].tolist() == [1, 4, 6]


@pytest.mark.verifies("eq-dead-fraction")
def test_every_engine_counts_them(run: Run, rng: np.random.Generator) -> None:
    assert float(run(dead_fraction, some_dead(rng))) == pytest.approx(3 / 9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_share_has_the_precision_of_the_pre_activations(
    array: Callable[[Any], Any], dtype: str
) -> None:
    Z = array(np.array([[-1.0, 1.0, -1.0]], dtype=dtype))

    share = dead_fraction(Z)

    assert share.dtype == Z.dtype
    assert float(share) == pytest.approx(2 / 3, rel=1e-6)


@pytest.mark.verifies("eq-dead-unit")
def test_the_dead_units_are_those_whose_weights_get_no_gradient(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    X, W, b = rng.normal(size=(8, 3)), rng.normal(size=(3, 40)), rng.normal(size=40) - 1
    b[0] = -np.max(X @ W[:, 0])  # active for none, and at the kink for one
    weights, biases = (torch.tensor(each, requires_grad=True) for each in (W, b))

    dead = np.asarray(dead_units(array(X @ W + b)))

    loss = (torch.relu(torch.tensor(X) @ weights + biases) - 2).square().sum()
    for each in torch.autograd.grad(loss, (weights, biases)):
        silent = (each == 0).reshape(-1, 40).all(dim=0)
        np.testing.assert_array_equal(dead, silent)
    assert dead[0]
    assert 5 < dead.sum() < 35


@pytest.mark.verifies("eq-dead-fraction")
def test_more_instances_never_make_a_unit_dead(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    Z = rng.normal(size=(60, 200)) - 1

    shares = [float(dead_fraction(array(Z[:n]))) for n in range(1, 61)]

    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.7
    assert shares[-1] < 0.1


@pytest.mark.verifies("eq-dead-unit")
def test_a_constant_added_to_a_bias_decides(array: Callable[[Any], Any]) -> None:
    Z = np.array([[-3.0, -2.0], [-1.0, -5.0]])

    assert dead_units(array(Z + np.array([1.0, 2.0]))).tolist() == [True, True]
    assert dead_units(array(Z + np.array([1.01, 2.01]))).tolist() == [False, False]


@pytest.mark.verifies("eq-dead-unit")
@pytest.mark.parametrize(("alpha", "back"), [(0.0, False), (0.05, True)])
def test_gradient_descent_leaves_a_dead_layer_as_it_is_unless_it_leaks(
    rng: np.random.Generator, alpha: float, *, back: bool
) -> None:
    X = torch.tensor(rng.random((50, 3)))
    W = torch.tensor(rng.normal(size=(3, 4)), requires_grad=True)
    b = torch.full((4,), -6.0, dtype=torch.float64, requires_grad=True)
    assert dead_fraction(X @ W.detach() + b.detach()) == 1
    before = W.detach().clone()

    for _ in range(200):
        A = leaky_relu(X @ W + b, alpha=alpha) if alpha else relu(X @ W + b)
        grads = torch.autograd.grad((A - 1).square().mean(), (W, b))
        with torch.no_grad():
            for parameter, gradient in zip((W, b), grads, strict=True):
                parameter.sub_(2 * gradient)

    assert torch.equal(W, before) != back
    assert dead_fraction(X @ W.detach() + b.detach()) == (0 if back else 1)


def test_a_pre_activation_that_is_no_number_is_not_dead(
    array: Callable[[Any], Any],
) -> None:
    assert dead_units(array(np.array([[np.nan, -1.0], [-1.0, -np.inf]]))).tolist() == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("shape", "wants"),
    [
        ((0, 3), r"^Z must have an instance, a row, got none$"),
        ((3, 0), r"^Z must have a unit, a column, got none$"),
    ],
)
def test_nothing_to_count_is_refused(
    array: Callable[[Any], Any], shape: tuple[int, int], wants: str
) -> None:
    with pytest.raises(ValueError, match=wants):
        dead_fraction(array(np.zeros(shape)))
