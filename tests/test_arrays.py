"""What `checked` refuses, and in which words."""

from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float, Int

from dlnotes.arrays import Array, checked
from dlnotes.optimization.adam import State, update


def layer(inputs: int = 3, hidden: int = 5) -> Weights[Any]:
    shapes = [(4, inputs, hidden), (4, hidden, hidden), (4, 1, hidden)]
    return Weights(*map(np.ones, shapes))


REST = State(h=np.zeros((2, 5)), c=np.zeros((2, 5)))


@pytest.mark.parametrize(
    ("x", "error", "says"),
    [
        (
            np.ones((2, 4)),
            ValueError,
            r"step\(\) got x of shape \(2, 4\), but inputs is 3",
        ),
        (np.ones((7, 3)), ValueError, r"got state.h of shape \(2, 5\), but batch is 7"),
        (np.ones(3), ValueError, r"got x of shape \(3,\), wants \(batch, inputs\)"),
        (np.ones((2, 3), int), TypeError, r"wants Float numbers in x, got int64"),
        (
            torch.ones(2, 3),
            TypeError,
            r"got x from torch, but the first array from numpy",
        ),
        ([[1.0, 2.0, 3.0]], TypeError, r"wants an array for x, got list"),
    ],
)
def test_what_does_not_fit_is_named(x: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        step(layer(), x, REST)


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
