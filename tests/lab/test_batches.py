"""Batches from a loader, in parts or in mixed precision train as batches do."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from dlnotes.lab.callbacks import Clipping
from dlnotes.lab.fit import Callback, History, Run, fit


def problem(dtype: torch.dtype = torch.float64) -> tuple[nn.Module, Tensor, Tensor]:
    """Return a network, its instances and their labels."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)
    X, y = rng.normal(size=(50, 4)), rng.integers(3, size=50)
    return model, torch.asarray(X, dtype=dtype), torch.asarray(y)


def train(model: nn.Module, X: Any, y: Any = None, **settings: Any) -> History:
    chosen: dict[str, Any] = {
        "loss": nn.CrossEntropyLoss(),
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        "epochs": 3,
        "batch_size": 8,
    }
    return fit(model, X, y, **chosen | settings)


def assert_same(ours: nn.Module, theirs: nn.Module, *, atol: float = 0.0) -> None:
    for now, then in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(now, then, rtol=0, atol=atol)


def test_a_loader_trains_as_the_loop_written_out_to_the_last_bit() -> None:
    model, X, y = problem()
    whole = nn.Sequential(model, nn.Dropout(0.2))
    torch.manual_seed(5)
    history = train(whole, DataLoader(TensorDataset(X, y), 8, shuffle=True))

    other, X, y = problem()
    plain = nn.Sequential(other, nn.Dropout(0.2))
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9)
    torch.manual_seed(5)
    loader, losses = DataLoader(TensorDataset(X, y), 8, shuffle=True), []
    for _ in range(3):
        for X_batch, y_batch in loader:
            loss = functional.cross_entropy(plain(X_batch), y_batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())

    np.testing.assert_array_equal(history.losses, losses)
    shares = np.array([8, 8, 8, 8, 8, 8, 2]) / 50
    np.testing.assert_allclose(
        history.epoch_losses, np.reshape(losses, (3, 7)) @ shares
    )
    assert_same(whole, plain)


class Endless:
    """Batches, of which nobody knows how many there are."""

    def __init__(self, *batches: Any) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


class Lengths(Callback):
    """Note how many steps an epoch is said to have."""

    def before_training(self, run: Run) -> None:
        self.found = run.steps_per_epoch


def test_whatever_yields_batches_is_a_loader() -> None:
    model, X, y = problem()
    other, *_ = problem()
    batches = [(X[:30], y[:30]), [X[30:], y[30:]]]
    known, unknown = Lengths(), Lengths()

    once = train(model, batches, callbacks=[known])
    again = train(other, Endless(*batches), callbacks=[unknown])

    np.testing.assert_array_equal(once.losses, again.losses)
    assert_same(model, other)
    assert (known.found, unknown.found) == (2, None)


def test_batches_are_brought_to_the_device_of_the_model(
    other_device: torch.device,
) -> None:
    model, X, y = problem()
    alone = train(model, [(X, y)], validation=[(X, y)])

    model, X, y = problem()
    there = train(model.to(other_device), [(X, y)], validation=[(X, y)])

    np.testing.assert_allclose(there.losses, alone.losses, rtol=1e-12)
    np.testing.assert_array_equal(there.scores, alone.scores)


def test_a_loader_validates_as_tensors_do() -> None:
    scores = []
    for validate in (
        lambda X, y: (X, y),
        lambda X, y: ((X[:9], y[:9]), (X[9:], y[9:])),
    ):
        model, X, y = problem()
        scores.append(
            train(
                model,
                X,
                y,
                validation=validate(X, y),
                rng=np.random.default_rng(0),
                metric=lambda outputs, y: -functional.cross_entropy(outputs, y).item(),
            ).scores
        )

    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-12)


_, X, Y = problem()
BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "once": (iter([(X, Y)]), TypeError, "X must yield its batches in every epoch"),
    "nothing": ([], ValueError, "X must yield some batches, got none"),
    "no pair": ([(X, Y, Y)], TypeError, "pair .* got tuple of Tensor, Tensor, Tensor"),
    "a tensor": ([X], TypeError, "pair of tensors, .* got Tensor"),
    "arrays": ([(X.numpy(), Y)], TypeError, "got tuple of ndarray, Tensor"),
    "empty": ([(X[:0], Y[:0])], ValueError, "as many y as X, and some, got 0 and 0"),
    "other lengths": ([(X, Y[:9])], ValueError, "got 9 and 50"),
    "a number": ([(X[0, 0], Y[0])], ValueError, "got a number and a number"),
    "labels": ([(X, Y + 1)], ValueError, "labels must be at least 0 and less than 3"),
    "not finite": ([(X, Y), (X / 0, Y)], ValueError, "X must be finite"),
}


@pytest.mark.parametrize(("batches", "error", "says"), BAD.values(), ids=BAD.keys())
def test_batches_that_are_none_are_refused(
    batches: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        train(problem()[0], batches)


def test_validation_that_yields_nothing_is_refused() -> None:
    model, X, y = problem()

    with pytest.raises(ValueError, match="validation must yield some batches"):
        train(model, [(X, y)], validation=[])


def test_tensors_want_targets_and_an_order() -> None:
    model, X, y = problem()

    with pytest.raises(TypeError, match="X must be a tensor, as y is, got ndarray"):
        train(model, X.numpy(), y, rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match="y must be the targets"):
        train(model, X, rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match="rng must be a numpy"):
        train(model, X, y)


def test_a_batch_of_ignored_labels_of_a_loader_is_named() -> None:
    model, X, y = problem()
    batches = [(X[:9], y[:9]), (X[9:], torch.full_like(y[9:], -100))]

    with pytest.raises(
        FloatingPointError, match=r"step 2 of epoch 1: the loss ignores"
    ):
        train(model, batches)


@pytest.mark.parametrize("parts", [2, 3, 8, 99])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_a_batch_in_parts_is_the_same_batch(parts: int, reduction: str) -> None:
    model, X, y = problem()
    other, *_ = problem()
    loss = nn.CrossEntropyLoss(reduction=reduction)

    whole = train(model, X, y, loss=loss, rng=np.random.default_rng(0))
    cut = train(
        other,
        X,
        y,
        loss=loss,
        rng=np.random.default_rng(0),
        accumulation_steps=parts,
    )

    np.testing.assert_allclose(cut.losses, whole.losses, rtol=1e-12)
    np.testing.assert_allclose(cut.epoch_losses, whole.epoch_losses, rtol=1e-12)
    assert_same(model, other, atol=1e-12)


def test_the_model_sees_the_parts_one_by_one_and_a_callback_the_whole() -> None:
    model, X, y = problem()
    seen: list[int] = []
    model.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))

    history = train(
        model,
        X,
        y,
        epochs=1,
        batch_size=40,
        rng=np.random.default_rng(0),
        accumulation_steps=3,
        callbacks=[Clipping(1.0)],
    )

    assert seen == [1, 14, 13, 13, 4, 3, 3]  # the first one is a look at the data
    assert len(history.losses) == 2


@pytest.mark.parametrize("parts", [0, 1.5])
def test_a_number_of_parts_that_is_none_is_refused(parts: Any) -> None:
    model, X, y = problem()

    with pytest.raises(ValueError, match="accumulation_steps must be an int"):
        train(model, X, y, rng=np.random.default_rng(0), accumulation_steps=parts)


class Types(Callback):
    """Note the types of a gradient, and its size."""

    def before_step(self, run: Run) -> None:
        gradient = next(run.model.parameters()).grad
        assert gradient is not None
        self.found, self.size = gradient.dtype, gradient.abs().max().item()


@pytest.mark.parametrize("lower", [torch.bfloat16, torch.float16])
def test_what_can_be_is_computed_in_lower_precision(lower: torch.dtype) -> None:
    model, X, y = problem(torch.float32)
    other, *_ = problem(torch.float32)
    outputs: list[torch.dtype] = []
    model.register_forward_hook(lambda *found: outputs.append(found[2].dtype))
    types, settings = Types(), dict[str, Any](epochs=1, batch_size=50)

    mixed = train(
        *(model, X, y),
        autocast=lower,
        callbacks=[types],
        rng=np.random.default_rng(0),
        validation=(X, y),
        **settings,
    )
    full = train(other, X, y, rng=np.random.default_rng(0), **settings)

    assert outputs[2:] == [lower, torch.float32]  # after two looks: batch, validation
    assert (types.found, types.size < 1) == (torch.float32, True)
    assert mixed.losses.tolist() == pytest.approx(full.losses.tolist(), rel=0.01)
    assert mixed.losses.tolist() != full.losses.tolist()
    assert_same(model, other, atol=0.01)


def test_a_gradient_that_overflows_in_half_precision_makes_no_step() -> None:
    model, X, y = problem(torch.float32)
    start = [each.detach().clone() for each in model.parameters()]

    class Scales(Callback):
        def after_step(self, run: Run, _loss: Tensor) -> None:
            self.scale, self.skipped = run.scaler.get_scale(), run.skipped

    scales = Scales()
    train(
        *(model, X, y),
        loss=lambda outputs, labels: 1e4 * functional.cross_entropy(outputs, labels),
        autocast=torch.float16,
        epochs=1,
        batch_size=50,
        rng=np.random.default_rng(0),
        callbacks=[scales],
    )

    for now, then in zip(model.parameters(), start, strict=True):
        assert torch.equal(now, then)
    assert (scales.scale, scales.skipped) == (2.0**15, True)


def test_precision_is_lowered_to_one_of_two_types() -> None:
    model, X, y = problem()

    with pytest.raises(ValueError, match=r"autocast must be .* got torch\.float32"):
        train(model, X, y, rng=np.random.default_rng(0), autocast=torch.float32)
