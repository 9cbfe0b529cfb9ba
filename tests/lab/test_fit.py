"""The training loop does what the loop written out does, alone or with others."""

import atexit
import os
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlnotes.lab.device import device
from dlnotes.lab.fit import History, fit, predict
from dlnotes.lab.metrics import accuracy


def problem(*, seed: int = 0, n: int = 50) -> tuple[nn.Module, Tensor, Tensor]:
    """Return a small network, its instances and their labels."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    X = torch.asarray(rng.normal(size=(n, 4)))
    return model, X, torch.asarray(rng.integers(3, size=n))


def train(model: nn.Module, X: Tensor, y: Tensor, **settings: Any) -> History:
    chosen: dict[str, Any] = {
        "loss": nn.CrossEntropyLoss(),
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        "epochs": 3,
        "batch_size": 8,
        "rng": np.random.default_rng(1),
    }
    return fit(model, X, y, **chosen | settings)


def test_losses_and_parameters_are_those_of_the_loop_written_out() -> None:
    model, X, y = problem()
    history = train(model, X, y)

    other, X, y = problem()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    order, losses = np.random.default_rng(1), []
    for _ in range(3):
        places = order.permutation(50)
        for first in range(0, 50, 8):
            batch = torch.from_numpy(places[first : first + 8])
            loss = nn.functional.cross_entropy(other(X[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())

    np.testing.assert_allclose(history.losses, losses, rtol=1e-12)
    np.testing.assert_allclose(
        history.epoch_losses, np.reshape(losses, (3, 7)).mean(axis=1)
    )
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_losses_of_each_instance_do_as_well_as_their_mean() -> None:
    model, X, y = problem()
    other = deepcopy(model)

    each = train(model, X, y, loss=nn.CrossEntropyLoss(reduction="none"))

    np.testing.assert_allclose(each.losses, train(other, X, y).losses, rtol=1e-12)


def test_validation_is_scored_after_every_epoch_in_evaluation_mode() -> None:
    model, X, y = problem()
    noisy = nn.Sequential(model, nn.Dropout(0.5))
    modes = []

    def metric(outputs: Tensor, labels: Tensor) -> float:
        modes.append(noisy.training)
        torch.testing.assert_close(outputs, model(X[:20]))
        return accuracy(outputs, labels)

    history = train(noisy, X, y, validation=(X[:20], y[:20]), metric=metric)

    hits = [
        int(row.argmax()) == int(k) for row, k in zip(model(X[:20]), y, strict=False)
    ]
    assert modes == [True, True, True]
    assert history.scores.shape == (3,)
    assert history.scores[-1] == sum(hits) / 20


def test_a_model_is_trained_where_it_is(other_device: torch.device) -> None:
    model, X, y = problem()
    alone = train(deepcopy(model), X, y, validation=(X, y))

    X, y = X.to(other_device), y.to(other_device)
    there = train(model.to(other_device), X, y, validation=(X, y))

    np.testing.assert_allclose(there.losses, alone.losses, rtol=1e-12)
    np.testing.assert_array_equal(there.scores, alone.scores)


def test_predictions_do_not_depend_on_the_size_of_the_batches() -> None:
    model, X, _ = problem()
    model.train(mode=False)

    outputs = predict(model, X, batch_size=7)

    torch.testing.assert_close(outputs, model(X))
    assert not outputs.requires_grad
    assert not model.training


def test_accuracy_counts_each_place_of_an_instance(rng: np.random.Generator) -> None:
    logits, labels = rng.normal(size=(5, 4, 3)), rng.integers(4, size=(5, 3))
    right = [
        int(np.argmax(logits[n, :, place])) == labels[n, place]
        for n in range(5)
        for place in range(3)
    ]

    share = accuracy(torch.asarray(logits), torch.asarray(labels))

    assert share == pytest.approx(sum(right) / 15)


def test_training_stops_when_told_to() -> None:
    seen = []

    def enough(history: History) -> bool:
        seen.append(len(history.losses))
        return len(seen) == 2

    history = train(*problem(), epochs=9, after_epoch=enough)

    assert seen == [7, 14]
    assert len(history.epoch_losses) == 2


def infinite_at(step: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the cross-entropy, but for one infinite loss."""
    steps = count(1)

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, labels) / (next(steps) != step)

    return loss


def test_a_loss_that_is_not_finite_stops_before_the_parameters_move() -> None:
    model, X, y = problem()
    infinite = infinite_at(10)  # seven steps are an epoch
    before: list[Tensor] = []

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        before[:] = [each.detach().clone() for each in model.parameters()]
        return infinite(outputs, labels)

    with pytest.raises(FloatingPointError, match="loss is inf at step 3 of epoch 2"):
        train(model, X, y, loss=loss)

    for now, then in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(now, then)


def test_a_loss_that_is_not_finite_is_named_elsewhere_too(
    other_device: torch.device,
) -> None:
    model, X, y = problem()
    there = model.to(other_device), X.to(other_device), y.to(other_device)

    with pytest.raises(FloatingPointError, match="loss is inf at step 3 of epoch 2"):
        train(*there, loss=infinite_at(10))


def spoilt(values: Tensor, value: float) -> Tensor:
    return values.index_fill(0, torch.tensor([3]), value)


BAD = {
    "no instance": (lambda X, y: (X[:0], y[:0]), "got 0 and 0"),
    "a label too few": (lambda X, y: (X, y[:-1]), "got 49 and 50"),
    "NaN in X": (lambda X, y: (spoilt(X, torch.nan), y), "X must be finite"),
    "infinity in X": (lambda X, y: (spoilt(X, -torch.inf), y), "X must be finite"),
    "NaN in y": (lambda X, y: (X, spoilt(y.double(), torch.nan)), "y must be finite"),
    "label below": (lambda X, y: (X, spoilt(y, -1)), "less than 3, .* got -1 to 2"),
    "label above": (lambda X, y: (X, spoilt(y, 3)), "less than 3, .* got 0 to 3"),
}


@pytest.mark.parametrize(("spoil", "says"), BAD.values(), ids=BAD.keys())
def test_bad_data_are_refused_where_they_enter(
    spoil: Callable[..., tuple[Tensor, Tensor]], says: str
) -> None:
    model, X, y = problem()

    with pytest.raises(ValueError, match=says):
        train(model, *spoil(X, y))
    with pytest.raises(ValueError, match=says):
        train(model, X, y, validation=spoil(X, y))


@pytest.mark.parametrize("count", ["epochs", "batch_size"])
def test_a_count_below_one_is_refused(count: str) -> None:
    none: dict[str, Any] = {count: 0}

    with pytest.raises(ValueError, match=f"wants 1 or more, got .*{count}=0"):
        train(*problem(), **none)


def test_two_processes_have_the_losses_of_one(tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    subprocess.run(
        [*torchrun, "--standalone", __file__, tmp_path],
        check=True,
        capture_output=True,
        timeout=300,
        env=os.environ | {"DLNOTES_DEVICE": "cpu", "OMP_NUM_THREADS": "1"},
    )

    alone = twice()
    for rank in "01":
        np.testing.assert_allclose(np.load(tmp_path / f"{rank}.npy"), alone, rtol=1e-6)
        assert "gloo" not in (tmp_path / f"{rank}.threads").read_text(encoding="utf-8")


def twice() -> Any:
    """Train the same model two times, with six batches of eight and one of one."""
    model, X, y = problem(n=49)
    return np.concatenate([train(model, X, y).losses for _ in range(2)])


def note_threads(path: Path) -> None:
    """Note the names of the threads that this process still has, where Linux knows."""
    names = [each.read_text() for each in Path("/proc/self/task").glob("*/comm")]
    path.write_text("".join(names), encoding="utf-8")


if __name__ == "__main__":  # one of the processes that torchrun starts
    here = Path(sys.argv[1]) / os.environ["RANK"]
    atexit.register(note_threads, here.with_suffix(".threads"))  # the last one called
    device([])
    np.save(here, twice())
