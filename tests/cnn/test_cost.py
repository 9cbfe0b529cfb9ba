"""Counts of parameters and multiply-adds against PyTorch's."""

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from dlnotes.cnn.cost import conv_parameter_count, mac_count


@pytest.mark.verifies("eq-conv-parameters")
def test_shared_parameters_are_those_of_pytorchs_layer() -> None:
    layer = torch.nn.Conv2d(3, 96, 11, stride=4)

    count = conv_parameter_count(96, kernel_size=11, depth=3)

    assert count == sum(each.numel() for each in layer.parameters()) == 34_944


@pytest.mark.verifies("eq-conv-parameters")
def test_unshared_parameters_are_those_of_a_dense_layer_a_place() -> None:
    rows, columns = 4, 3
    places = [torch.nn.Linear(2 * 5 * 5, 7) for _ in range(rows * columns)]

    count = conv_parameter_count(7, kernel_size=5, depth=2, places=rows * columns)

    assert count == sum(each.numel() for layer in places for each in layer.parameters())


def test_multiplications_are_those_that_pytorch_counts() -> None:
    with FlopCounterMode(display=False) as counter:
        Y = functional.conv2d(
            torch.ones(1, 3, 13, 11), torch.ones(4, 3, 5, 5), stride=2
        )

    count = mac_count(kernel_size=5, depth=3, filters=4, places=Y[0, 0].numel())

    assert 2 * count == counter.get_total_flops()


def test_counts_beyond_32_bits_are_those_of_pytorch() -> None:
    shapes = (64 * 64, 512, 9 * 512), (64 * 64, 512)
    with FlopCounterMode(display=False) as counter:
        functional.conv2d(
            torch.empty(1, 512, 64, 64, device="meta"),
            torch.empty(512, 512, 3, 3, device="meta"),
            padding=1,
        )

    parameters = conv_parameter_count(512, 3, 512, places=64 * 64)
    count = mac_count(3, 512, 512, 64 * 64)

    assert 2 * count == counter.get_total_flops() > 2**33
    assert parameters == sum(
        torch.empty(each, device="meta").numel() for each in shapes
    )


def test_counts_without_a_position_are_refused() -> None:
    with pytest.raises(ValueError, match=r"places must be .* got 0"):
        conv_parameter_count(5, 3, 2, places=0)
    with pytest.raises(ValueError, match=r"places must be .* got 2\.5"):
        mac_count(3, depth=1, filters=1, places=2.5)  # type: ignore[arg-type]
