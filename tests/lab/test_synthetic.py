"""Data that are made keep their arguments' promises."""

import numpy as np
import pytest

from dlnotes.lab.synthetic import linearly_separable


@pytest.mark.parametrize("inputs", [1, 2, 10])
def test_no_point_is_nearer_to_the_hyperplane_than_the_margin(
    rng: np.random.Generator, inputs: int
) -> None:
    X, Y, truth = linearly_separable(rng, instances=300, inputs=inputs, margin=0.2)

    side = X @ truth.W / np.linalg.norm(truth.W)
    assert np.abs(side).min() >= 0.2
    assert np.array_equal(Y, side > 0)


def test_a_margin_that_leaves_no_room_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="margin must be at least 0 and less than 1"):
        linearly_separable(rng, instances=1, margin=1.0)
