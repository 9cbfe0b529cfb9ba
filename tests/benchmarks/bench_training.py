"""A step of training against PyTorch's own: the table gives each as a ratio."""

from typing import Any

import numpy as np
import pytest
import torch

import dlnotes.nn
import dlnotes.optim

LIBRARIES = {"PyTorch": torch, "tensors": dlnotes}


def network(nn: Any) -> torch.nn.Module:
    """Return the network of the gallery."""
    return torch.nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 10),
    )


@pytest.mark.parametrize("engine", LIBRARIES)
def test_a_step_of_a_convolutional_network(benchmark: Any, engine: str) -> None:
    library: Any = LIBRARIES[engine]
    rng = np.random.default_rng(0)
    X = torch.asarray(rng.normal(size=(64, 1, 28, 28)).astype(np.float32))
    y = torch.asarray(rng.integers(10, size=64))
    model, loss = network(library.nn), library.nn.CrossEntropyLoss()
    optimizer = library.optim.Adam(model.parameters())
    benchmark.group = "step of training, the gallery's network on 64 images"

    def step() -> float:
        optimizer.zero_grad()
        value = loss(model(X), y)
        value.backward()
        optimizer.step()
        return float(value.detach())

    first = step()
    benchmark(step)

    assert step() < first


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("engine", LIBRARIES)
def test_a_step_of_an_optimizer(benchmark: Any, engine: str, name: str) -> None:
    theta = torch.nn.Parameter(torch.ones(1000, 1000))
    theta.grad = torch.ones(1000, 1000)
    settings = {"momentum": 0.9} if name == "SGD" else {}
    optimizer = getattr(LIBRARIES[engine].optim, name)([theta], **settings)
    benchmark.group = f"step of {name}, a million parameters"

    benchmark(optimizer.step)

    assert (theta < 1).all()
