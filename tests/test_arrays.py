"""What `checked` refuses, and in which words."""

from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float, Int

from dlnotes.arrays import Array, checked
from dlnotes.neurons.perceptron import Perceptron, heaviside, net_input
from dlnotes.optimization.adam import State, update

MODEL = Perceptron(W=np.ones((3, 5)), b=np.ones(5))


@pytest.mark.parametrize(
    ("X", "error", "says"),
    [
        (
            np.ones((2, 4)),
            ValueError,
            r"net_input\(\) got X of shape \(2, 4\), but inputs is 3 in model.W",
        ),
        (np.ones(3), ValueError, r"got X of shape \(3,\), wants \(batch, inputs\)"),
        (np.ones((2, 3), int), TypeError, r"wants Float numbers in X, got int64"),
        (
            torch.ones(2, 3),
            TypeError,
            r"got X from torch, but the first array from numpy",
        ),
        ([[1.0, 2.0, 3.0]], TypeError, r"wants an array for X, got list"),
    ],
)
def test_what_does_not_fit_is_named(X: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        net_input(MODEL, X)


def test_a_number_is_no_array_wherever_it_stands() -> None:
    with pytest.raises(TypeError, match="wants an array for z, got float"):
        heaviside(1.0)  # type: ignore[type-var]


def test_an_argument_is_tied_to_a_field_of_another() -> None:
    state = State(m=np.zeros(4), v=np.zeros(4), t=0)

    with pytest.raises(
        ValueError, match=r"got state.m of shape \(4,\), but shape is \(3,\) in theta"
    ):
        update(np.zeros(3), np.zeros(3), state)


def test_axes_that_stand_for_several_are_compared_whole() -> None:
    @checked
    def pair(
        x: Float[Array, "*batch n"],
        y: Float[Array, "*batch m"],
        k: Int[Array, "*batch"] | None = None,
    ) -> None:
        del x, y, k

    pair(np.ones((2, 3, 4)), np.ones((2, 3, 9)), np.ones((2, 3), int))
    with pytest.raises(ValueError, match=r"but batch is \(2, 3\) in x of shape"):
        pair(np.ones((2, 3, 4)), np.ones((2, 9)))
    with pytest.raises(ValueError, match=r"got y of shape \(\), wants \(\*batch, m\)"):
        pair(np.ones(4), np.ones(()))


def test_what_is_returned_is_held_to_the_axes_of_what_was_given() -> None:
    @checked
    def broken(x: Float[Array, "batch inputs"]) -> Float[Array, "batch"]:
        return x[0]

    with pytest.raises(
        ValueError, match=r"broken\(\) returned result of shape \(3,\), but batch is 2"
    ):
        broken(np.ones((2, 3)))
