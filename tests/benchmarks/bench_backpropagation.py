"""An epoch of training by hand against PyTorch's: the table gives each as a ratio."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dlnotes.networks.backpropagation import minibatches, mlp_backward
from dlnotes.networks.losses import cross_entropy_gradient
from dlnotes.networks.mlp import forward_pass, random_layers
from dlnotes.neurons.perceptron import Perceptron
from dlnotes.optimization import adam

SIZES, INSTANCES, BATCH = (784, 256, 10), 12_800, 128


def by_hand(X: Any, y: Any) -> Callable[[], None]:
    """Return an epoch with gradients derived by hand, in NumPy."""
    rng = np.random.default_rng(0)
    drawn = random_layers(SIZES, rng=rng)
    parameters = [
        each.astype(np.float32) for layer in drawn for each in (layer.W, layer.b)
    ]
    states = [adam.init(each) for each in parameters]

    def epoch() -> None:
        for batch in minibatches(INSTANCES, BATCH, rng=rng):
            layers = tuple(map(Perceptron, parameters[::2], parameters[1::2]))
            H, Z = forward_pass(layers, X[batch])
            upstream = cross_entropy_gradient(Z[-1], y[batch]) / BATCH
            gradients = mlp_backward(layers, H, Z, upstream)
            slopes = [each for layer in gradients for each in (layer.W, layer.b)]
            for k, slope in enumerate(slopes):
                parameters[k], states[k] = adam.update(parameters[k], slope, states[k])

    return epoch


def by_autograd(X: Any, y: Any) -> Callable[[], None]:
    """Return an epoch of PyTorch's modules, autograd and optimizer."""
    inputs, units, outputs = SIZES
    model = nn.Sequential(
        nn.Linear(inputs, units), nn.ReLU(), nn.Linear(units, outputs)
    )
    optimizer, loss = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()
    X, y, rng = torch.asarray(X), torch.asarray(y), np.random.default_rng(0)

    def epoch() -> None:
        for batch in minibatches(INSTANCES, BATCH, rng=rng):
            optimizer.zero_grad()
            loss(model(X[batch]), y[batch]).backward()
            optimizer.step()

    return epoch


@pytest.mark.parametrize("engine", ["PyTorch", "NumPy"])
def test_an_epoch_of_a_multilayer_perceptron(benchmark: Any, engine: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(INSTANCES, SIZES[0])).astype(np.float32)
    y = rng.integers(SIZES[-1], size=INSTANCES)
    epoch = (by_autograd if engine == "PyTorch" else by_hand)(X, y)
    benchmark.group = "epoch of 12,800 images, 784-256-10, Adam"

    benchmark(epoch)
