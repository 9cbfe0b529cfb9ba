"""The training loop does what the loop written out does, alone or with others."""

import atexit
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset

from dlnotes.lab import fit as fit_module
from dlnotes.lab.arguments import check_data, check_settings, only_ignored
from dlnotes.lab.callbacks import EarlyStopping
from dlnotes.lab.checkpoint import Checkpoint as SavedRun
from dlnotes.lab.device import device
from dlnotes.lab.fit import Callback, History, Run, fit, predict
from dlnotes.lab.metrics import accuracy


def problem(*, seed: int = 0, n: int = 50) -> tuple[nn.Module, Tensor, Tensor]:
    """Return a small network, its instances and their labels."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    X = torch.asarray(rng.normal(size=(n, 4)))
    return model, X, torch.asarray(rng.integers(3, size=n))


def train(
    model: nn.Module, X: Any, y: Tensor | None = None, **settings: Any
) -> History:
    chosen: dict[str, Any] = {
        "loss": nn.CrossEntropyLoss(),
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        "epochs": 3,
        "batch_size": 8,
        "rng": np.random.default_rng(1),
    }
    return fit(model, X, y, **chosen | settings)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize(
    "make",
    [
        partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        partial(torch.optim.Adam, lr=0.01),
        partial(torch.optim.RMSprop, lr=0.01, weight_decay=0.1),
    ],
)
def test_all_bits_are_those_of_the_loop_written_out(
    make: Callable[..., torch.optim.Optimizer], reduction: str, dtype: torch.dtype
) -> None:
    """The digest of claims takes this for granted: see `dlnotes.claims.source.FRAMES`."""
    loss_of = nn.CrossEntropyLoss(reduction=reduction)
    model, X, y = problem()
    model, X = nn.Sequential(model, nn.Dropout(0.3)).to(dtype), X.to(dtype)
    other = deepcopy(model)

    torch.manual_seed(2)
    history = train(model, X, y, optimizer=make(model.parameters()), loss=loss_of)

    torch.manual_seed(2)
    optimizer = make(other.parameters())
    order, losses, means = np.random.default_rng(1), [], []
    for _ in range(3):
        batches = torch.from_numpy(order.permutation(50)).split(8)
        for batch in batches:
            loss = loss_of(other(X[batch]), y[batch]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        sizes = [len(batch) for batch in batches]
        means.append(np.average(losses[-len(batches) :], weights=sizes))

    assert history.losses.tolist() == losses
    assert history.epoch_losses.tolist() == means
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)


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
@pytest.mark.parametrize("value", [0, 2.5])
def test_a_count_that_is_none_is_refused(count: str, value: float) -> None:
    given: dict[str, Any] = {count: value}

    with pytest.raises(ValueError, match=f"{count} must be an int .* 1, got {value}"):
        train(*problem(), **given)


def test_a_seed_is_no_source_of_the_order() -> None:
    with pytest.raises(TypeError, match="rng must be a numpy"):
        train(*problem(), rng=0)


def test_an_optimizer_of_another_model_is_refused() -> None:
    other, *_ = problem()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)

    with pytest.raises(ValueError, match="optimizer must have parameters of the model"):
        train(*problem(), optimizer=optimizer)


def test_an_optimizer_may_have_some_parameters_of_the_model_and_others() -> None:
    model, X, y = problem()
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)

    train(
        model,
        X,
        y,
        loss=lambda outputs, labels: functional.cross_entropy(scale * outputs, labels),
        optimizer=torch.optim.SGD([next(model.parameters()), scale], lr=0.1),
    )

    assert scale != 1


def test_an_optimizer_that_asks_for_losses_is_refused() -> None:
    model, X, y = problem()
    optimizer = torch.optim.LBFGS(model.parameters())

    with pytest.raises(TypeError, match=r"optimizer must .* without a closure.* LBFGS"):
        train(model, X, y, optimizer=optimizer)


class Plain(torch.optim.SGD):
    """An optimizer whose step takes nothing."""

    def step(self) -> None:  # type: ignore[override]
        """Take a step."""
        super().step()


def test_an_optimizer_whose_step_takes_nothing_trains() -> None:
    model, X, y = problem()

    other = deepcopy(model)

    plain, usual = (
        train(each, X, y, optimizer=kind(each.parameters(), lr=0.5))
        for each, kind in ((model, Plain), (other, torch.optim.SGD))
    )

    np.testing.assert_array_equal(plain.losses, usual.losses)


def test_a_batch_of_ignored_labels_is_named_where_it_makes_the_loss_nan() -> None:
    model, X, y = problem()
    y[8:] = -100

    with pytest.raises(FloatingPointError, match=r"nan at .*: the loss ignores every"):
        train(model, X, y, batch_size=2)


def test_what_is_refused_is_looked_for_without_a_trace() -> None:
    model, X, y = problem()
    noisy = nn.Sequential(model, nn.BatchNorm1d(3).double(), nn.Dropout(0.5))
    before = deepcopy(noisy.state_dict())
    rng, torchs = np.random.default_rng(1), torch.get_rng_state()
    optimizer, loss = torch.optim.SGD(noisy.parameters(), lr=1.0), nn.CrossEntropyLoss()

    check_settings(noisy, optimizer, rng, epochs=1, batch_size=8)
    check_data(partial(predict, noisy), loss, 8, X, marked(y, -100))
    check_data(partial(predict, noisy), nn.MSELoss(), 8, X, X[:, :3])
    only_ignored(partial(predict, noisy), loss, X[:8], y[:8])

    assert rng.random() == np.random.default_rng(1).random()
    assert torch.equal(torch.get_rng_state(), torchs)
    assert all(
        torch.equal(before[name], now) for name, now in noisy.state_dict().items()
    )
    assert all(each.grad is None for each in noisy.parameters())
    assert noisy.training


class Cosine(Callback):
    """Lower the rate from step to step, as half a cosine, to zero."""

    def before_training(self, run: Run) -> None:
        assert run.steps_per_epoch
        steps = run.epochs * run.steps_per_epoch
        self.schedule = CosineAnnealingLR(run.optimizer, steps)
        self.rates: list[float] = []

    def after_step(self, run: Run, _loss: Tensor) -> None:
        self.rates += [group["lr"] for group in run.optimizer.param_groups]
        self.schedule.step()


class Patience(Callback):
    """Stop when the score has not risen for some epochs, and put back the best."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def after_epoch(self, run: Run) -> None:
        best = int(run.history.scores.argmax())
        if best == len(run.history.scores) - 1:
            self.best = deepcopy(run.model.state_dict())
        run.stop |= len(run.history.scores) - 1 - best >= self.epochs

    def after_training(self, run: Run) -> None:
        run.model.load_state_dict(self.best)


class Checkpoint(Callback):
    """Keep all of a run after every epoch, and go on from there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def before_training(self, run: Run) -> None:
        if self.path.exists():
            saved = torch.load(self.path, weights_only=True)
            run.model.load_state_dict(saved["model"])
            run.optimizer.load_state_dict(saved["optimizer"])
            run.rng.bit_generator.state = saved["rng"]
            torch.set_rng_state(saved["torch"])
            losses, means, scores = map(np.asarray, saved["history"])
            run.history = History(losses, means, scores, saved["seconds"])

    def after_epoch(self, run: Run) -> None:
        history = run.history
        arrays = history.losses, history.epoch_losses, history.scores
        saved = {
            "model": run.model.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "rng": run.rng.bit_generator.state,
            "torch": torch.get_rng_state(),
            "history": [each.tolist() for each in arrays],
            "seconds": history.seconds,
        }
        torch.save(saved, self.path)


class RangeTest(Callback):
    """Raise the rate at every step until the loss is much above the lowest."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.losses: list[float] = []

    def after_step(self, run: Run, loss: Tensor) -> None:
        self.losses.append(loss.item())
        self.rates.append(run.optimizer.param_groups[0]["lr"])
        run.optimizer.param_groups[0]["lr"] *= 1.5
        run.stop = self.losses[-1] > 4 * min(self.losses)


class Clip(Callback):
    """Hold the norm of all gradients to a half."""

    def before_step(self, run: Run) -> None:
        nn.utils.clip_grad_norm_(run.model.parameters(), 0.5)


def test_a_schedule_sets_the_rate_of_every_step() -> None:
    schedule = Cosine()

    train(*problem(), epochs=2, callbacks=[schedule])

    angles = np.pi * np.arange(14) / 14
    np.testing.assert_allclose(schedule.rates, 0.05 * (1 + np.cos(angles)))


def test_training_that_gets_no_better_stops_and_the_best_comes_back() -> None:
    model, X, y = problem()
    scores, states = iter([0.1, 0.5, 0.4, 0.45, 0.9]), []

    def metric(_outputs: Tensor, _labels: Tensor) -> float:
        states.append(deepcopy(model.state_dict()))
        return next(scores)

    history = train(
        model,
        X,
        y,
        epochs=9,
        validation=(X, y),
        metric=metric,
        callbacks=[Patience(2)],
    )

    assert history.scores.tolist() == [0.1, 0.5, 0.4, 0.45]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, states[1][name], rtol=0, atol=0)


class Failure(Callback):
    """End a process after some step, in the middle of an epoch."""

    def __init__(self, step: int = 17) -> None:
        self.step = step

    def after_step(self, run: Run, _loss: Tensor) -> None:
        if run.steps == self.step:
            raise KeyboardInterrupt


def dropping(path: Path, *others: Callback) -> tuple[nn.Module, History]:
    """Train a model with dropout, and keep all of the run in a file."""
    model, X, y = problem()
    whole = nn.Sequential(model, nn.Dropout(0.2))
    history = train(
        whole,
        X,
        y,
        optimizer=torch.optim.Adam(whole.parameters(), lr=0.01),
        epochs=4,
        validation=(X, y),
        callbacks=[Checkpoint(path), *others],
    )
    return whole, history


def test_a_run_that_was_killed_goes_on_bit_for_bit(tmp_path: Path) -> None:
    model, history = dropping(tmp_path / "whole")

    with pytest.raises(KeyboardInterrupt):
        dropping(tmp_path / "killed", Failure())
    torch.manual_seed(99)
    resumed, continued = dropping(tmp_path / "killed")
    again, finished = dropping(tmp_path / "killed")

    for then in (continued, finished):
        np.testing.assert_array_equal(then.losses, history.losses)
        np.testing.assert_array_equal(then.epoch_losses, history.epoch_losses)
        np.testing.assert_array_equal(then.scores, history.scores)
    for name, value in model.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])
        assert torch.equal(value, again.state_dict()[name])
    assert finished.seconds == continued.seconds > 0


def test_a_run_that_goes_on_counts_its_steps_and_seconds_on(tmp_path: Path) -> None:
    steps: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        dropping(tmp_path / "killed", Failure())
    saved = torch.load(tmp_path / "killed", weights_only=True)
    saved["seconds"] = 1000.0
    torch.save(saved, tmp_path / "killed")

    _, history = dropping(tmp_path / "killed", Diary(steps))

    assert steps[1:3] == ["before step, 14 made", "after step, 15 made"]
    assert history.seconds > 1000


def test_a_callback_can_stop_within_an_epoch() -> None:
    model, X, y = problem()
    test = RangeTest()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)

    history = train(
        model, X, y, optimizer=optimizer, epochs=20, validation=(X, y), callbacks=[test]
    )

    assert history.losses.tolist() == pytest.approx(test.losses)
    assert len(test.rates) % 7
    assert len(history.epoch_losses) == len(history.scores) == -(-len(test.rates) // 7)
    rest = history.losses[len(test.rates) // 7 * 7 :]
    assert history.epoch_losses[-1] == pytest.approx(rest.mean())


def test_gradients_can_be_changed_before_their_step() -> None:
    model, X, y = problem()
    start = deepcopy(model)

    train(
        model,
        X,
        y,
        loss=lambda outputs, labels: 99 * functional.cross_entropy(outputs, labels),
        optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
        epochs=1,
        batch_size=50,
        callbacks=[Clip()],
    )

    moved = [
        (now - then).flatten()
        for now, then in zip(model.parameters(), start.parameters(), strict=True)
    ]
    assert torch.cat(moved).norm().item() == pytest.approx(0.5, rel=1e-5)


class Diary(Callback):
    """Note what is called, and how far the run is."""

    def __init__(self, entries: list[str]) -> None:
        self.entries = entries

    def before_training(self, run: Run) -> None:
        self.entries.append(f"before training, {run.steps_per_epoch} steps an epoch")

    def before_step(self, run: Run) -> None:
        self.entries.append(f"before step, {run.steps} made")

    def after_step(self, run: Run, _loss: Tensor) -> None:
        self.entries.append(f"after step, {run.steps} made")

    def after_epoch(self, run: Run) -> None:
        self.entries.append(f"after epoch, {len(run.history.epoch_losses)} over")

    def after_training(self, _run: Run) -> None:
        self.entries.append("after training")


def test_callbacks_are_called_at_their_places_and_in_their_order() -> None:
    first: list[str] = []
    both: list[str] = []

    train(
        *problem(),
        epochs=1,
        batch_size=40,
        callbacks=iter([Diary(first), Diary(both), Diary(both)]),
    )

    assert first == [
        "before training, 2 steps an epoch",
        "before step, 0 made",
        "after step, 1 made",
        "before step, 1 made",
        "after step, 2 made",
        "after epoch, 1 over",
        "after training",
    ]
    assert both[::2] == both[1::2] == first


def test_the_last_batch_counts_by_its_instances() -> None:
    X = torch.zeros(65, 1)
    X[7] = 64.0

    history = train(
        nn.Linear(1, 1),
        X,
        X,
        loss=lambda _outputs, targets: targets.requires_grad_(),
        batch_size=64,
    )

    np.testing.assert_allclose(history.epoch_losses, 64 / 65)


def statistics(model: nn.Sequential) -> list[float]:
    """Return the running mean of the normalization."""
    means: list[float] = model.state_dict()["1.running_mean"].tolist()
    return means


def frozen(model: nn.Module) -> nn.Sequential:
    """Add normalization that is to keep its statistics, and dropout that is to drop."""
    whole = nn.Sequential(model, nn.BatchNorm1d(3).double(), nn.Dropout(0.5))
    whole[1].eval()
    return whole


def test_each_module_is_put_back_into_its_own_mode() -> None:
    model, X, y = problem()
    whole = frozen(model)

    predict(whole, X)
    train(whole, X, y, validation=(X, y))

    assert [each.training for each in whole] == [True, False, True]
    assert whole.training
    assert statistics(whole) == [0, 0, 0]


def test_modes_are_put_back_after_an_error_too() -> None:
    model, X, y = problem()
    whole = frozen(model)

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        predict(whole, X[:, :2])
    with pytest.raises(FloatingPointError):
        train(whole, X, y, loss=infinite_at(2))

    assert [each.training for each in whole] == [True, False, True]


def test_a_model_in_evaluation_mode_is_trained_in_training_mode() -> None:
    model, X, y = problem()
    whole = frozen(model).eval()

    train(whole, X, y)

    assert statistics(whole) != [0, 0, 0]
    assert not any(each.training for each in whole.modules())


def marked(y: Tensor, label: int) -> Tensor:
    return y.index_fill(0, torch.tensor([3, 4]), label)


def pick(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the negative log-likelihoods, as an index takes them."""
    return -outputs.log_softmax(1)[torch.arange(len(labels)), labels]


IGNORING = {
    "by default": (nn.CrossEntropyLoss(), -100),
    "by an argument": (nn.CrossEntropyLoss(ignore_index=255), 255),
    "with weights": (
        nn.CrossEntropyLoss(torch.tensor([0.5, 1.0, 2.0]).double(), ignore_index=-1),
        -1,
    ),
    "a function": (partial(functional.cross_entropy, ignore_index=9), 9),
    "by a mask": (lambda o, k: pick(o, k.clamp(0)) * (k >= 0), -7),
}


@pytest.mark.parametrize(("loss", "label"), IGNORING.values(), ids=IGNORING.keys())
def test_a_label_that_the_loss_ignores_is_ignored(
    loss: Callable[[Tensor, Tensor], Tensor], label: int
) -> None:
    model, X, y = problem()
    score = partial(accuracy, ignore_index=label)
    there = torch.tensor([k for k in range(50) if k not in (3, 4)])

    history = train(
        model,
        X,
        marked(y, label),
        loss=loss,
        validation=(X, marked(y, label)),
        metric=score,
    )

    expected = accuracy(predict(model, X)[there], y[there])
    assert history.scores[-1] == pytest.approx(expected)


def test_labels_of_the_places_of_an_image_may_be_ignored_too(
    rng: np.random.Generator,
) -> None:
    X = torch.asarray(rng.normal(size=(6, 1, 4, 4)))
    y = torch.asarray(rng.integers(2, size=(6, 4, 4)))
    model = nn.Conv2d(1, 2, 1).double()

    y[0, 1, 2] = -100
    train(model, X, y)
    y[0, 1, 3] = 2
    with pytest.raises(ValueError, match=r"less than 2, .* got -100 to 2"):
        train(model, X, y)


COUNTED = {
    "another than that": (nn.CrossEntropyLoss(ignore_index=255), 254),
    "from the end": (pick, -1),
    "beside one that is": (functional.cross_entropy, 3),
}


@pytest.mark.parametrize(("loss", "label"), COUNTED.values(), ids=COUNTED.keys())
def test_a_label_out_of_range_is_refused_unless_the_loss_ignores_it(
    loss: Callable[[Tensor, Tensor], Tensor], label: int
) -> None:
    model, X, y = problem()
    y = marked(y, label)
    y[9] = -100 if label == 3 else y[9]

    with pytest.raises(ValueError, match="or be ignored by the loss, got"):
        train(model, X, y, loss=loss)


def column(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs[:, 0] - targets) ** 2


def quantiles(outputs: Tensor, targets: Tensor) -> Tensor:
    gap = targets[:, None] - outputs
    return torch.maximum(0.2 * gap, -0.8 * gap)


GOOD_TARGETS = {
    "the loss takes the column": (1, lambda y: y, column),
    "integers": (1, lambda y: (9 * y).long(), column),
    "counts": (2, lambda y: (9 * y[:, None]).long().expand(-1, 2), nn.PoissonNLLLoss()),
    "the loss adds the axis": (8, lambda y: y, quantiles),
    "all the same": (1, lambda y: y * 0, lambda o, t: (o - t) ** 2),
}


@pytest.mark.parametrize(
    ("outputs", "make", "loss"), GOOD_TARGETS.values(), ids=GOOD_TARGETS.keys()
)
def test_targets_are_what_the_loss_takes(
    outputs: int,
    make: Callable[[Tensor], Tensor],
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    X = torch.linspace(0, 1, 50)[:, None]

    history = train(nn.Linear(1, outputs), X, make(X[:, 0]), loss=loss)

    assert history.losses[-1] < history.losses[0]


BROADCAST = {
    "squared": ((1,), (), lambda o, t: (o - t) ** 2),
    "its mean": ((1,), (), lambda o, t: ((o - t) ** 2).mean()),
    "absolute": ((1,), (), lambda o, t: (o - t).abs()),
    "with a warning": ((1,), (), nn.MSELoss()),
    "the other way": ((), (1,), lambda o, t: (o - t) ** 2),
    "by chance": ((8,), (), lambda o, t: (o - t) ** 2),
    "integers": ((1,), (), lambda o, t: (o - t.round().long()) ** 2),
}


@pytest.mark.parametrize(
    ("outputs", "targets", "loss"), BROADCAST.values(), ids=BROADCAST.keys()
)
@pytest.mark.parametrize("zero", [False, True])
def test_targets_that_meet_the_outputs_of_other_instances_are_refused(
    outputs: tuple[int, ...],
    targets: tuple[int, ...],
    loss: Callable[[Tensor, Tensor], Tensor],
    zero: bool,  # noqa: FBT001
) -> None:
    X = torch.linspace(-1, 1, 50)[:, None]
    linear = nn.Linear(1, outputs[0] if outputs else 1)
    model = linear if outputs else nn.Sequential(linear, nn.Flatten(0))
    for each in model.parameters():
        each.data *= not zero

    with pytest.raises(ValueError, match=r"targets of others: .* \(8,"):
        train(model, X, (3 * X[:, 0] - 2).reshape(50, *targets), loss=loss)


def test_targets_that_begin_alike_and_lie_far_apart_are_refused_too() -> None:
    y = torch.zeros(50)
    y[25:] = 1000.0

    with pytest.raises(ValueError, match="targets of others"):
        train(nn.Linear(1, 1), y[:, None], y, loss=lambda o, t: (o - t).abs())


def test_a_loss_over_the_places_of_sequences_may_ignore_some() -> None:
    tokens = torch.arange(60).reshape(20, 3) % 5
    tokens[:9, 1:] = -100

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5))
    history = train(model, tokens.clamp(0), tokens, loss=loss, epochs=20)

    assert history.losses[-1] < history.losses[0]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train in two processes at once, and return where they put what they found."""
    folder = tmp_path_factory.mktemp("together")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, "--standalone", __file__, folder],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"DLNOTES_DEVICE": "cpu", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    (folder / "stderr").write_text(done.stderr, encoding="utf-8")
    return folder


def results(folder: Path, name: str) -> list[np.ndarray]:
    """Return what the two processes found of a name."""
    return [np.load(folder / f"{rank}.npz")[name] for rank in "01"]


def test_two_processes_have_the_losses_of_one(together: Path) -> None:
    alone = twice()

    for losses, unused in zip(
        results(together, "twice"), results(together, "unused"), strict=True
    ):
        np.testing.assert_allclose(losses, alone, rtol=1e-6)
        np.testing.assert_allclose(unused, alone[: len(unused)], rtol=1e-6)
    for rank in "01":
        assert "gloo" not in (together / f"{rank}.threads").read_text(encoding="utf-8")


def test_normalization_parts_and_loaders_are_those_of_one_process_in_two(
    together: Path,
) -> None:
    alone = in_one_or_two()

    assert len(alone) > 20
    for name, value in alone.items():
        for there in results(together, name):
            np.testing.assert_allclose(there, value, rtol=1e-8, atol=1e-12)


def test_what_is_drawn_differs_between_two_processes_and_not_between_two_runs(
    together: Path,
) -> None:
    first, second = results(together, "drawn")

    assert not set(first) & set(second)
    for name in ("drawn", "drawn with", "drawn by"):
        for once, again in zip(
            results(together, name),
            results(together, name.replace("n", "n again", 1)),
            strict=True,
        ):
            np.testing.assert_array_equal(once, again)
    for name in ("drawn with", "drawn by", "drawn later"):
        here, there = results(together, name)
        np.testing.assert_array_equal(here, there)


def test_two_processes_go_on_bit_for_bit_with_the_file_of_the_first(
    together: Path,
) -> None:
    for whole, killed in zip(
        results(together, "whole run"), results(together, "killed run"), strict=True
    ):
        np.testing.assert_array_equal(killed, whole)
    assert [each.tolist() for each in results(together, "files")] == [[0], [0]]


def test_two_processes_see_each_instance_of_a_shuffled_loader_once(
    together: Path,
) -> None:
    _, X, _ = problem()
    seen = np.concatenate(results(together, "seen"))

    np.testing.assert_array_equal(np.sort(seen), np.sort(np.tile(X[:, 0], 3)))


def test_a_run_of_two_processes_goes_on_in_one_with_a_warning(together: Path) -> None:
    (whole, _), (_, X, y) = results(together, "whole run"), problem()
    model = nn.Sequential(problem(seed=1)[0], nn.Dropout(0.2))
    callbacks = [Failure(0), SavedRun(together / "whole.safetensors")]

    with pytest.warns(UserWarning, match="a run of 2 processes goes on in 1"):
        history = train(model, X, y, epochs=4, callbacks=callbacks)

    np.testing.assert_array_equal(history.losses[:21], whole)
    assert len(history.losses) == 28


def test_a_layer_that_takes_no_part_stays_as_it_is_in_two_processes(
    together: Path,
) -> None:
    for weights in results(together, "weights of the unused"):
        assert (weights == 7).all()


@pytest.mark.parametrize("how", ["after_epoch", "callback"])
def test_two_processes_stop_together_when_one_of_them_wants_to(
    together: Path, how: str
) -> None:
    steps = {"after_epoch": 2 * 7, "callback": 9}

    assert [len(each) for each in results(together, how)] == [steps[how]] * 2


def test_two_processes_stop_early_as_the_first_one_has_it(together: Path) -> None:
    model, X, y = problem()

    train(model, X, y, epochs=2)

    for scores, weight in zip(
        results(together, "waited"), results(together, "waited for"), strict=True
    ):
        assert scores.tolist() == [0.5, 0.9, 0.8, 0.7]
        np.testing.assert_allclose(weight, model.state_dict()["0.weight"], rtol=1e-9)


def test_the_score_is_that_of_the_first_process(together: Path) -> None:
    assert [each.tolist() for each in results(together, "scores")] == [[0, 0], [0, 0]]


def test_only_the_first_process_may_have_a_bar(together: Path) -> None:
    assert [each.tolist() for each in results(together, "quiet")] == [[False], [True]]


def test_two_processes_begin_with_the_parameters_of_the_first(together: Path) -> None:
    first, second = results(together, "weights from other starts")

    np.testing.assert_array_equal(first, second)


def test_two_processes_end_with_the_statistics_of_the_first(together: Path) -> None:
    first, second = results(together, "statistics")

    np.testing.assert_array_equal(first, second)
    assert first.any()


def test_training_in_two_processes_says_nothing(together: Path) -> None:
    said = (together / "stderr").read_text(encoding="utf-8")

    assert "Warning" not in said


def images(*, seed: int = 0, n: int = 49) -> tuple[nn.Module, Tensor, Tensor]:
    """Return a network that normalizes images, of which the last batch has one."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = nn.Sequential(
        *(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3, momentum=None), nn.Tanh()),
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), nn.Flatten()),
        nn.Linear(16, 3),
    ).double()
    X = torch.asarray(rng.normal(2, 3, size=(n, 1, 6, 6)))
    return model, X, torch.asarray(rng.integers(3, size=n))


def rows(*, n: int = 51) -> tuple[nn.Module, Tensor, Tensor]:
    """Return a network that normalizes rows, the last batch of which has three."""
    model, X, y = problem(n=n)
    return nn.Sequential(nn.BatchNorm1d(4).double(), model), X, y


def in_one_or_two() -> dict[str, Any]:
    """Train in all ways in which two processes have the losses of one."""
    found: dict[str, Any] = {}
    for name, (model, X, y) in {"images": images(), "rows": rows()}.items():
        found[f"{name} losses"] = train(model, X, y, validation=(X, y)).losses
        for key, value in model.state_dict().items():
            found[f"{name} {key}"] = value.numpy()
    for parts in (3, 99):
        model, X, y = problem(n=49)
        found[f"{parts} parts"] = train(model, X, y, accumulation_steps=parts).losses
    model, X, y = problem(n=49)
    own = torch.Generator().manual_seed(5)
    loader = DataLoader(TensorDataset(X, y), 8, shuffle=True, generator=own)
    found["loader"] = train(model, loader).losses
    return found


class Draws(Callback):
    """Note random numbers after each step."""

    def __init__(self) -> None:
        self.drawn: list[float] = []

    def after_step(self, _run: Run, _loss: Tensor) -> None:
        self.drawn.append(torch.rand(()).item())


def draws_in_a_process() -> dict[str, Any]:
    """Train with random numbers, of layers and of a loader, two times."""
    found: dict[str, Any] = {}
    for name in ("drawn", "drawn again"):
        model, X, y = problem()
        whole, draws = nn.Sequential(model, nn.Dropout(0.5)), Draws()
        seen: list[float] = []
        model.register_forward_pre_hook(
            lambda module, given, seen=seen: seen.extend(
                given[0][:, 0].tolist() if module.training else ()
            )
        )
        loader = DataLoader(TensorDataset(X, y), 8, shuffle=True)
        history = train(whole, loader, callbacks=[draws])
        weights = whole.state_dict()["0.0.weight"]
        found |= {
            name: draws.drawn,
            f"{name} with": weights,
            f"{name} by": history.losses,
        }
    return found | {"drawn later": torch.rand(3), "seen": seen}


def checkpoints_in_a_process(folder: Path, rank: int) -> dict[str, Any]:
    """End a run in the middle of an epoch and go on, with a file in the first alone."""
    found, (_, X, y) = {}, problem()
    for name, end, seed in (("whole", 0, 0), ("killed", 17, 0), ("killed", 0, 1)):
        path = (folder if rank == 0 else folder / "nowhere") / f"{name}.safetensors"
        model = nn.Sequential(problem(seed=seed)[0], nn.Dropout(0.2))
        callbacks = [Failure(end), SavedRun(path, steps=5)]
        with suppress(KeyboardInterrupt):
            found[f"{name} run"] = train(model, X, y, callbacks=callbacks).losses
    return found | {"files": [len([*folder.glob("nowhere")])]}


def twice() -> Any:
    """Train the same model two times, with six batches of eight and one of one."""
    model, X, y = problem(n=49)
    return np.concatenate([train(model, X, y).losses for _ in range(2)])


class Unused(nn.Module):
    """A model with a layer that it does not use."""

    def __init__(self, used: nn.Module) -> None:
        super().__init__()
        self.used, self.unused = used, nn.Linear(2, 2)
        nn.init.constant_(self.unused.weight, 7)

    def forward(self, x: Tensor) -> Any:
        return self.used(x)


class StopAt(Callback):
    """Stop after some steps, in one of the processes."""

    def __init__(self, steps: int, *, here: bool) -> None:
        self.steps, self.here = steps, here

    def after_step(self, run: Run, _loss: Tensor) -> None:
        run.stop |= self.here and run.steps == self.steps


def note_threads(path: Path) -> None:
    """Note the names of the threads that this process still has, where Linux knows."""
    names = [each.read_text() for each in Path("/proc/self/task").glob("*/comm")]
    path.write_text("".join(names), encoding="utf-8")


def states_in_a_process(rank: int) -> dict[str, Any]:
    """Train models of which some parts are otherwise, or not used."""
    model, X, y = problem(n=49)
    whole = Unused(model)
    optimizer = torch.optim.SGD(whole.parameters(), lr=0.1, momentum=0.9)
    losses = train(whole, X, y, optimizer=optimizer).losses
    other, normalized = problem(seed=rank)[0], frozen(problem()[0]).train()
    train(other, X, y)
    train(normalized, X, y, batch_size=10)
    return {
        "unused": losses,
        "weights of the unused": whole.unused.weight.detach(),
        "weights from other starts": other.state_dict()["0.weight"],
        "statistics": statistics(normalized),
    }


def decisions_in_a_process(rank: int) -> dict[str, Any]:
    """Train with decisions that differ between the processes."""

    def bored(history: History) -> bool:
        return rank == 0 and len(history.epoch_losses) == 2

    model, X, y = problem()
    score = {"validation": (X, y), "metric": lambda *_: float(rank)}
    stop = StopAt(9, here=rank == 1)
    other, given = problem()[0], iter([0.5, 0.9, 0.8, 0.7] if rank == 0 else count())
    patient = {"epochs": 9, "validation": (X, y), "metric": lambda *_: next(given)}
    waited = train(other, X, y, callbacks=[EarlyStopping(patience=2)], **patient)
    return {
        "waited": waited.scores,
        "waited for": other.state_dict()["0.weight"],
        "after_epoch": train(*problem(), after_epoch=bored).losses,
        "callback": train(*problem(), callbacks=[stop]).losses,
        "scores": train(model, X, y, epochs=2, **score).scores,
    }


def bars_in_a_process() -> list[bool]:
    """Train, and return which bars were to be quiet."""
    quiet = []

    def bar(steps: Any, *_: Any, disable: bool | None, **_others: Any) -> Any:
        quiet.append(bool(disable))
        return steps

    fit_module.tqdm = bar  # type: ignore[assignment, attr-defined]
    train(*problem(), epochs=1)
    return quiet


if __name__ == "__main__":  # one of the processes that torchrun starts
    here = Path(sys.argv[1]) / os.environ["RANK"]
    atexit.register(note_threads, here.with_suffix(".threads"))  # the last one called
    device()
    rank = int(os.environ["RANK"])
    found = states_in_a_process(rank) | decisions_in_a_process(rank) | in_one_or_two()
    found |= draws_in_a_process() | checkpoints_in_a_process(here.parent, rank)
    np.savez(here, twice=twice(), **found, quiet=bars_in_a_process())
