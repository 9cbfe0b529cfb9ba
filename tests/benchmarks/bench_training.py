"""A step of training against PyTorch's own: the table gives each as a ratio."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import dlnotes.nn
import dlnotes.optim
from dlnotes.networks.automatic_differentiation import (
    Node,
    elementwise,
    gradients,
    total,
)
from dlnotes.networks.losses import cross_entropy, cross_entropy_gradient
from dlnotes.networks.rectifiers import relu, relu_derivative

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


@pytest.mark.parametrize("engine", ["PyTorch", "NumPy", "tensors"])
def test_the_gradients_of_a_network(benchmark: Any, engine: str) -> None:
    rng = np.random.default_rng(0)
    convert: Any = np.asarray if engine == "NumPy" else torch.asarray
    X, *theta = (
        convert(rng.normal(scale=0.1, size=size).astype(np.float32))
        for size in ((64, 784), (784, 100), (100,), (100, 10), (10,))
    )
    y = convert(rng.integers(10, size=64))
    benchmark.group = "gradients of a network, 100 hidden units, 64 images"

    def recorded() -> list[Any]:
        W, b, V, c = nodes = [Node(each) for each in theta]
        H = elementwise(X @ W + b, relu, relu_derivative)
        logits = H @ V + c
        losses = Node(
            cross_entropy(logits.value, y),
            (logits,),
            (lambda G: G[:, None] * cross_entropy_gradient(logits.value, y),),
        )
        return gradients(total(losses) / 64, nodes)

    def autograd() -> tuple[torch.Tensor, ...]:
        W, b, V, c = leaves = [each.requires_grad_() for each in theta]
        logits = torch.relu(X @ W + b) @ V + c
        return torch.autograd.grad(functional.cross_entropy(logits, y), leaves)

    found = benchmark(autograd if engine == "PyTorch" else recorded)

    assert [tuple(each.shape) for each in found] == [tuple(p.shape) for p in theta]


OPTIMIZERS: dict[str, tuple[str, dict[str, float]]] = {
    "SGD": ("SGD", {}),
    "SGD with momentum": ("SGD", {"momentum": 0.9}),
    "Adagrad": ("Adagrad", {}),
    "RMSprop": ("RMSprop", {}),
    "Adadelta": ("Adadelta", {}),
    "Adam": ("Adam", {}),
    "AdamW": ("AdamW", {}),
    "Adamax": ("Adamax", {}),
    "NAdam": ("NAdam", {}),
}
SIZES: dict[str, list[tuple[int, ...]]] = {
    "a million parameters": [(1000, 1000)],
    "160 arrays of at most 256 parameters": 80 * [(16, 16), (16,)],
}


def parameters(sizes: list[tuple[int, ...]]) -> list[torch.nn.Parameter]:
    """Return parameters that have a gradient."""
    theta = [torch.nn.Parameter(torch.ones(size)) for size in sizes]
    for each in theta:
        each.grad = torch.ones_like(each)
    return theta


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("engine", LIBRARIES)
def test_a_step_of_an_optimizer(
    benchmark: Any, engine: str, name: str, sizes: str
) -> None:
    theta = parameters(SIZES[sizes])
    kind, settings = OPTIMIZERS[name]
    optimizer = getattr(LIBRARIES[engine].optim, kind)(theta, foreach=True, **settings)
    benchmark.group = f"step of {name}, {sizes}"

    benchmark(optimizer.step)

    assert all((each < 1).all() for each in theta)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's, of its own code
@pytest.mark.filterwarnings("ignore:Profiler record function")
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("engine", ["compiled"])
def test_a_compiled_step_of_an_optimizer(
    benchmark: Any, engine: str, name: str
) -> None:
    assert engine == "compiled"  # which the table calls it
    (sizes, *_) = SIZES
    theta = parameters(SIZES[sizes])
    kind, settings = OPTIMIZERS[name]
    torch.compiler.reset()  # it compiles a function for eight classes, and no more
    step = torch.compile(getattr(dlnotes.optim, kind)(theta, **settings).step)
    for _ in range(2):  # a first step is not like the others
        step()  # type: ignore[no-untyped-call]
    benchmark.group = f"step of {name}, {sizes}"

    benchmark(step)

    assert all((each < 1).all() for each in theta)
