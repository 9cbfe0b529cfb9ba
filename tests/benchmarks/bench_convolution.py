"""The convolutional layer against PyTorch's own: the table gives each as a ratio."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from dlnotes.cnn.convolution import conv2d, conv2d_backward
from dlnotes.cnn.pooling import max_pool2d

ENGINES = ["PyTorch", "NumPy", "tensors"]
LAYERS = {  # images, filters and padding
    "3x3, 32 to 64 channels, 28x28": ((64, 32, 28, 28), (64, 32, 3, 3), 1),
    "5x5, 1 to 32 channels, 28x28": ((64, 1, 28, 28), (32, 1, 5, 5), 2),
    "3x3, 64 to 64 channels, 14x14": ((64, 64, 14, 14), (64, 64, 3, 3), 1),
}


def drawn(layer: str) -> tuple[list[Any], int]:
    """Draw images, filters and biases in single precision."""
    images, filters, padding = LAYERS[layer]
    rng, shapes = np.random.default_rng(0), (images, filters, filters[:1])
    return [rng.normal(size=each).astype(np.float32) for each in shapes], padding


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layer", LAYERS)
def test_forward(benchmark: Any, layer: str, engine: str) -> None:
    arrays, padding = drawn(layer)
    given = arrays if engine == "NumPy" else [torch.asarray(each) for each in arrays]
    function: Callable[..., Any] = conv2d
    if engine == "PyTorch":
        function = functional.conv2d
    benchmark.group = f"forward, {layer}"

    Y = benchmark(function, *given, padding=padding)

    assert tuple(Y.shape[2:]) == LAYERS[layer][0][2:]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layer", LAYERS)
def test_forward_and_backward(benchmark: Any, layer: str, engine: str) -> None:
    arrays, padding = drawn(layer)
    given = [torch.asarray(each) for each in arrays]
    upstream = np.ones_like(conv2d(*arrays, padding=padding))
    function: Callable[..., Any] = conv2d
    if engine == "PyTorch":
        function = functional.conv2d
    benchmark.group = f"forward and backward, {layer}"

    def by_autograd() -> None:
        leaves = [each.requires_grad_() for each in given]
        function(*leaves, padding=padding).backward(torch.asarray(upstream))

    def by_hand() -> None:
        X, W, b = arrays
        conv2d(X, W, b, padding=padding)
        conv2d_backward(X, W, upstream, padding=padding)

    benchmark(by_hand if engine == "NumPy" else by_autograd)


@pytest.mark.parametrize("engine", ENGINES)
def test_max_pooling(benchmark: Any, engine: str) -> None:
    X = np.random.default_rng(0).normal(size=(64, 32, 28, 28)).astype(np.float32)
    function: Callable[..., Any] = max_pool2d
    if engine == "PyTorch":
        function = functional.max_pool2d
    benchmark.group = "max pooling, 2x2, 32 channels, 28x28"

    Y = benchmark(function, X if engine == "NumPy" else torch.asarray(X), 2)

    assert tuple(Y.shape) == (64, 32, 14, 14)
