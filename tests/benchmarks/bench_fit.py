"""A step of `fit` against the loop written out: the table gives it as a ratio."""

from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.lab.fit import fit

EPOCHS, STEPS, SIZE = 5, 40, 64


@pytest.mark.parametrize("engine", ["PyTorch", "tensors"])
def test_the_steps_of_a_training(benchmark: Any, engine: str) -> None:
    rng = np.random.default_rng(0)
    X = torch.asarray(rng.normal(size=(STEPS * SIZE, 784)).astype(np.float32))
    y = torch.asarray(rng.integers(10, size=STEPS * SIZE))
    hidden, last = torch.nn.Linear(784, 64), torch.nn.Linear(64, 10)
    model = torch.nn.Sequential(hidden, torch.nn.ReLU(), last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
    loss = torch.nn.CrossEntropyLoss()
    benchmark.group = f"{EPOCHS * STEPS} steps of fit, 784-64-10, {SIZE} images each"

    def written_out() -> list[float]:
        losses = []
        for _ in range(EPOCHS):
            order = torch.from_numpy(rng.permutation(len(X)))
            for batch in torch.split(order, SIZE):
                value = loss(model(X[batch]), y[batch])
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                losses.append(value.item())
        return losses

    def by_fit() -> Any:
        settings: Any = {"loss": loss, "optimizer": optimizer, "epochs": EPOCHS}
        return fit(model, X, y, **settings, batch_size=SIZE, rng=rng).losses

    losses = benchmark(written_out if engine == "PyTorch" else by_fit)

    assert len(losses) == EPOCHS * STEPS
