"""The receptive field against the pixels that PyTorch's gradient reaches."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from dlnotes.cnn.receptive_field import receptive_field


@pytest.mark.verifies("eq-receptive-field")
def test_the_receptive_field_is_where_the_gradient_of_a_unit_reaches(
    rng: np.random.Generator,
) -> None:
    for _ in range(5):
        sizes, strides = (rng.integers(1, 5, size=4).tolist() for _ in range(2))

        fields = receptive_field(sizes, strides)

        x = torch.ones(1, 1, 400, requires_grad=True)
        y, reached = x, []
        for kernel_size, stride in zip(sizes, strides, strict=True):
            y = functional.conv1d(y, torch.ones(1, 1, kernel_size), stride=stride)
            unit = y[0, 0, y.shape[2] // 2]
            (gradient,) = torch.autograd.grad(unit, x, retain_graph=True)
            reaching = torch.nonzero(gradient[0, 0])
            reached.append(int(reaching.max() - reaching.min()) + 1)
        assert fields == reached


def test_layers_without_a_stride_are_refused() -> None:
    with pytest.raises(ValueError, match="one stride a size"):
        receptive_field([3, 3], [1])
    with pytest.raises(ValueError, match="stride must be an int of at least 1, got 0"):
        receptive_field([3], [0])
