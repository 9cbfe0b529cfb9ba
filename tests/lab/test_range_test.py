"""A range test is the loop written out, and leaves no trace, however it ends."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dlnotes import optim
from dlnotes.lab.range_test import RangeTest, range_test
from dlnotes.optimization.learning_rate import exponential_ramp, smoothed_losses

RATES = exponential_ramp(1e-3, 1e3, 60)


def problem() -> tuple[nn.Sequential, Tensor, Tensor]:
    """Return a network with all that has a state, its instances and their labels."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3)),
        nn.Linear(8, 3),
    )
    X, y = rng.normal(size=(50, 4)), rng.integers(3, size=50)
    return model, torch.asarray(X).float(), torch.asarray(y)


def trained(kind: Callable[..., Any]) -> tuple[Any, Any, Tensor, Tensor]:
    """Return a network and an optimizer after three steps, in two groups."""
    model, X, y = problem()
    groups = [
        {"params": [*model[0].parameters()], "lr": 0.03},
        {"params": [*model[1].parameters(), *model[4].parameters()]},
    ]
    optimizer = kind(groups, lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        functional.cross_entropy(model(X), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    model[1].eval()  # as where its statistics are frozen
    return model, optimizer, X, y


def bits(model: Any, optimizer: Any, rng: Any) -> list[Any]:
    """Return all that training may change: where it is, and its bytes."""
    found: list[Any] = []
    for name, each in [*model.named_parameters(), *model.named_buffers()]:
        gradient = None if each.grad is None else each.grad.numpy().tobytes()
        found.append((name, id(each), each.detach().numpy().tobytes(), gradient))
    for parameter, state in optimizer.state.items():
        values = [(key, np.asarray(each).tobytes()) for key, each in state.items()]
        found.append((id(parameter), values))
    for group in optimizer.param_groups:
        settings = {key: each for key, each in group.items() if key != "params"}
        found.append((settings, [id(each) for each in group["params"]]))
    found += [module.training for module in model.modules()]
    return [*found, rng.bit_generator.state, torch.get_rng_state().tolist()]


@pytest.mark.parametrize("end", ["last rate", "divergence", "no number", "error"])
@pytest.mark.parametrize("kind", [torch.optim.Adam, optim.SGD, torch.optim.Adagrad])
def test_everything_is_as_it_was_to_the_last_bit(
    kind: Callable[..., Any], end: str
) -> None:
    model, optimizer, X, y = trained(kind)
    rng, calls, counted = np.random.default_rng(1), 0, torch.zeros(1)
    rng.normal(size=3)

    class Loss(nn.Module):
        """Cross-entropy, which counts its calls, and may end them."""

        def __init__(self) -> None:
            super().__init__()
            self.count = counted

        def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            with torch.no_grad():
                self.count += 1
            if end == "error" and calls > 20:
                raise RuntimeError("out of memory")
            wrong = torch.inf if end == "no number" and calls > 20 else 1.0
            return functional.cross_entropy(outputs, labels) * wrong

    loss = Loss()
    before = bits(model, optimizer, rng)

    def test() -> RangeTest:
        return range_test(
            *(model, X, y),
            loss=loss,
            optimizer=optimizer,
            rates=RATES[:10] if end == "last rate" else RATES,
            batch_size=8,
            rng=rng,
            factor=1.5 if end == "divergence" else 1e9,
        )

    if end == "error":
        with pytest.raises(RuntimeError, match="out of memory"):
            test()
    else:
        found = test()
        assert (len(found.rates) < len(RATES)) or end == "last rate"

    assert calls > 5
    assert bits(model, optimizer, rng) == before
    assert counted.item() == 0


def test_the_state_that_is_compared_is_one_that_training_changes() -> None:
    model, optimizer, X, y = trained(torch.optim.Adam)
    rng = np.random.default_rng(1)
    model[1].train()
    before = bits(model, optimizer, rng)

    functional.cross_entropy(model(X), y).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    rng.normal()

    after = bits(model, optimizer, rng)
    same = [ours == theirs for ours, theirs in zip(before, after, strict=True)]
    assert same.count(True) == 2 + len([*model.modules()])  # settings and modes
    assert len(same) > 20


def test_losses_are_those_of_the_loop_written_out() -> None:
    model, X, y = problem()
    copy, order = deepcopy(model), np.random.default_rng(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=77.0, momentum=0.5)

    torch.manual_seed(2)
    found = range_test(
        *(model, X, y),
        loss=functional.cross_entropy,
        optimizer=optimizer,
        rates=list(RATES[:30]),
        batch_size=8,
        rng=np.random.default_rng(1),
        beta=0.7,
    )

    torch.manual_seed(2)
    theirs = torch.optim.SGD(copy.parameters(), lr=0.0, momentum=0.5)
    batches: list[Any] = []
    while len(batches) < 30:
        batches += np.array_split(order.permutation(50), [8, 16, 24, 32, 40, 48])
    losses = []
    for rate, batch in zip(RATES[:30], batches, strict=False):
        theirs.param_groups[0]["lr"] = rate
        value = functional.cross_entropy(copy(X[batch]), y[batch])
        theirs.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        theirs.step()
        losses.append(value.item())
    np.testing.assert_allclose(found.losses, losses, rtol=1e-6)
    np.testing.assert_allclose(
        found.smoothed, smoothed_losses(np.array(losses), beta=0.7), rtol=1e-6
    )
    np.testing.assert_array_equal(found.rates, RATES[:30])


def line(losses: list[float], rates: Any = RATES, **settings: Any) -> RangeTest:
    """Test with a loss whose values are given, each with a gradient."""
    model, values = nn.Linear(1, 1), iter(losses)

    def loss(outputs: Tensor, _: Tensor) -> Tensor:
        return 0 * outputs.mean() + next(values)

    return range_test(
        *(model, torch.ones(1, 1), torch.ones(1, 1)),
        loss=loss,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        rates=rates,
        rng=np.random.default_rng(0),
        **{"beta": 0.0, "skip": 0} | settings,
    )


def test_it_ends_at_the_first_smoothed_loss_that_is_far_above_the_least() -> None:
    found = line([2.0, 1.0, 3.9, 4.1, 1.0])

    np.testing.assert_allclose(found.losses, [2.0, 1.0, 3.9, 4.1])
    np.testing.assert_array_equal(found.rates, RATES[:4])
    smoother = line([2.0, 1.0, 3.9, 4.1, 1.0], RATES[:5], beta=0.5)
    assert len(smoother.losses) == 5


def test_the_factor_is_the_one_given() -> None:
    assert len(line([2.0, 1.0, 1.6, 1.0], factor=1.5).losses) == 3
    assert len(line([2.0, 1.0, 7.9, 8.1, 1.0], factor=8.0).losses) == 4


def test_the_first_losses_end_nothing_and_are_not_the_least() -> None:
    lucky = [0.1, 9.0, *[2.0] * 8, 0.6, 2.3, 2.5]

    assert len(line([*lucky, 1.0], skip=10).losses) == 13  # above 4 times 0.6
    assert len(line([*lucky[:10], 2.0, 2.0], RATES[:12], skip=10).losses) == 12
    assert len(line([*lucky, 1.0]).losses) == 2


def test_a_loss_below_zero_ends_nothing() -> None:
    found = line([0.5, -0.1, 0.3, -5.0, -2.0, 1.0], RATES[:6])

    assert len(found.losses) == 6


def test_if_not_said_otherwise_ten_losses_are_left_and_a_tenth_is_new() -> None:
    model, values = nn.Linear(1, 1), iter([0.01, *[2.0] * 12, 3.0, 4.0, 5.0])
    sizes: list[int] = []

    def loss(outputs: Tensor, _: Tensor) -> Tensor:
        sizes.append(len(outputs))
        return 0 * outputs.mean() + next(values)

    def test(rates: Any, **settings: Any) -> RangeTest:
        return range_test(
            *(model, torch.ones(300, 1), torch.ones(300, 1)),
            loss=loss,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            rates=rates,
            rng=np.random.default_rng(0),
            **settings,
        )

    found = test(RATES[:12])

    assert len(found.losses) == 12
    np.testing.assert_allclose(found.smoothed, smoothed_losses(found.losses, beta=0.9))
    assert sizes == [64, 64, 64, 64, 44] * 2 + [64] * 2
    heavy = test(RATES[:4], batch_size=100, beta=0.98)
    assert sizes[12:] == [100, 100, 100, 100]
    np.testing.assert_allclose(heavy.smoothed, smoothed_losses(heavy.losses, beta=0.98))


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_it_ends_before_a_loss_that_is_no_number_unless_it_is_the_first(
    bad: float,
) -> None:
    found = line([2.0, 1.0, bad])

    np.testing.assert_allclose(found.losses, [2.0, 1.0])
    np.testing.assert_array_equal(found.rates, RATES[:2])
    with pytest.raises(FloatingPointError, match="at step 1 of epoch 1"):
        line([bad])


@pytest.mark.parametrize("rates", [[], [0.1, -0.1], [0.1, np.inf], [np.nan]])
def test_rates_that_are_none_are_refused(rates: list[float]) -> None:
    with pytest.raises(ValueError, match="rates must be finite and at least 0, got"):
        line([1.0, 1.0], rates)


@pytest.mark.parametrize(
    ("rates", "settings", "says"),
    [
        (np.ones((3, 2)), {}, r"rates must have one axis, got the shape \(3, 2\)"),
        (0.1, {}, r"rates must have one axis, got the shape \(\)"),
        ([0.2, 0.1], {}, "rates must not fall, got"),
        ([0.1], {"beta": 1.0}, "beta must be at least 0 and less than 1, got 1.0"),
        ([0.1], {"factor": 0.5}, "factor must be at least 1, got 0.5"),
        ([0.1], {"skip": -1}, "skip must be an int of at least 0, got -1"),
    ],
)
def test_settings_that_are_none_are_refused_by_their_names(
    rates: Any, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        line([1.0, 1.0], rates, **settings)


def test_a_model_of_which_there_is_no_copy_is_refused() -> None:
    model = nn.Linear(1, 1)
    model.last = model(torch.ones(1, 1))

    with pytest.raises(RuntimeError, match="deepcopy"):
        range_test(
            *(model, torch.ones(1, 1), torch.ones(1, 1)),
            loss=nn.MSELoss(),
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            rates=[0.1],
            rng=np.random.default_rng(0),
        )


def test_data_are_refused_as_training_refuses_them() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    with pytest.raises(ValueError, match="batch_size must be an int of at least 1"):
        range_test(
            *(model, torch.ones(2, 1), torch.ones(2, 1)),
            loss=nn.MSELoss(),
            optimizer=optimizer,
            rates=RATES,
            batch_size=0,
            rng=np.random.default_rng(0),
        )

    with pytest.raises(ValueError, match="wants as many y as X, and some"):
        range_test(
            *(model, torch.ones(0, 1), torch.ones(0, 1)),
            loss=nn.MSELoss(),
            optimizer=optimizer,
            rates=RATES,
            rng=np.random.default_rng(0),
        )
