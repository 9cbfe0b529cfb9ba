"""Callbacks do what is done by hand without them."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from dlnotes.lab.callbacks import Clipping, EarlyStopping, Schedule, Scheduler
from dlnotes.lab.fit import Callback, Falling, History, Run, fit
from dlnotes.optimization.schedules import cosine_decay, step_decay, warm_up


def problem() -> tuple[nn.Module, Tensor, Tensor]:
    """Return a network with statistics, its instances and their labels."""
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3)
    )
    return (
        model.double(),
        torch.asarray(rng.normal(size=(50, 4))),
        torch.asarray(rng.integers(3, size=50)),
    )


def train(*callbacks: Callback, **settings: Any) -> tuple[nn.Module, History]:
    """Train that network, and return it with what it went through."""
    model, X, y = settings.pop("problem", problem())
    chosen: dict[str, Any] = {
        "loss": nn.CrossEntropyLoss(),
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "epochs": 4,
        "batch_size": 8,
        "rng": np.random.default_rng(1),
    }
    return model, fit(model, X, y, callbacks=callbacks, **chosen | settings)


class Rates(Callback):
    """Note the rate of every step."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def before_step(self, run: Run) -> None:
        self.rates += [group["lr"] for group in run.optimizer.param_groups]


class States(Callback):
    """Note what the model was after each epoch."""

    def __init__(self) -> None:
        self.states: list[dict[str, Tensor]] = []

    def after_epoch(self, run: Run) -> None:
        self.states.append(deepcopy(run.model.state_dict()))


SCORES = [0.3, 0.5, 0.45, 0.52, 0.5, 0.51, 0.4, 0.9]
RULES: dict[str, tuple[dict[str, Any], list[float], int, int]] = {
    "two epochs": ({"patience": 2}, SCORES, 3, 6),
    "one epoch": ({"patience": 1}, SCORES, 1, 3),
    "to the end": ({"patience": 4}, SCORES, 7, 8),
    "a little better does not count": (
        {"patience": 3, "min_delta": 0.1},
        SCORES,
        1,
        5,
    ),
    "the lowest": ({"patience": 2, "mode": "min"}, [0.5, 0.4, 0.6, 0.7, 0.1], 1, 4),
    "NaN is never the best": ({"patience": 2}, [np.nan, 0.1, np.nan, np.nan, 1], 1, 4),
}


@pytest.mark.parametrize(
    ("settings", "scores", "best", "epochs"), RULES.values(), ids=RULES.keys()
)
def test_training_ends_after_the_patience_and_the_best_model_comes_back(
    settings: dict[str, Any], scores: list[float], best: int, epochs: int
) -> None:
    model, X, y = problem()
    states, given = States(), iter(scores)

    _, history = train(
        EarlyStopping(**settings),
        states,
        problem=(model, X, y),
        epochs=len(scores),
        validation=(X, y),
        metric=lambda *_: next(given),
    )

    assert len(history.scores) == epochs
    for name, value in model.state_dict().items():
        assert torch.equal(value, states.states[best][name])
    other = states.states[best - 1]["3.weight"]
    assert not torch.equal(model.state_dict()["3.weight"], other)


def test_a_model_without_a_finite_score_stays_as_it_is() -> None:
    model, X, y = problem()
    states = States()

    train(
        EarlyStopping(patience=2),
        states,
        problem=(model, X, y),
        validation=(X, y),
        metric=lambda *_: np.nan,
    )

    assert len(states.states) == 2
    for name, value in model.state_dict().items():
        assert torch.equal(value, states.states[-1][name])


def test_early_stopping_can_be_used_again() -> None:
    stopping, first = EarlyStopping(patience=1), iter([0.9, 0.8])
    then = iter([0.1, 0.2, 0.15])
    _, X, y = problem()

    histories = [
        train(
            stopping,
            validation=(X, y),
            metric=lambda *_, scores=scores: next(scores),
        )[1]
        for scores in (first, then)
    ]

    assert [len(each.scores) for each in histories] == [2, 3]


def test_early_stopping_wants_scores() -> None:
    with pytest.raises(ValueError, match="validation must be given"):
        train(EarlyStopping(patience=2))


@pytest.mark.parametrize(
    "settings", [{"patience": 0}, {"patience": 1, "min_delta": -1}, {"patience": 1.5}]
)
def test_early_stopping_refuses_settings_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        EarlyStopping(**settings)


def test_a_mode_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="mode must be 'min' or 'max'"):
        EarlyStopping(patience=1, mode="best")  # type: ignore[arg-type]


def test_a_schedule_of_ours_sets_the_rate_of_every_step() -> None:
    rates = Rates()
    schedule = partial(cosine_decay, steps=28, high=0.3, low=0.01)

    train(Schedule(schedule), rates)

    np.testing.assert_allclose(rates.rates, schedule(np.arange(28)))


def test_schedules_can_be_multiplied() -> None:
    rates = Rates()

    def rate(k: Any) -> Any:
        return warm_up(k, steps=5, low=0.2) * step_decay(k, high=0.4, period=10)

    train(Schedule(rate), rates)

    np.testing.assert_allclose(rates.rates[4:12], [0.4 * 0.84] + 5 * [0.4] + 2 * [0.04])


SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "cosine": lambda optimizer: CosineAnnealingLR(optimizer, 28),
    "steps": lambda optimizer: StepLR(optimizer, 3, 0.5),
    "one cycle": lambda optimizer: OneCycleLR(optimizer, 0.5, 28),
    "a function": lambda optimizer: LambdaLR(optimizer, lambda k: 0.9**k),
    "one after the other": lambda optimizer: SequentialLR(
        optimizer, [StepLR(optimizer, 2, 0.5), StepLR(optimizer, 4, 0.9)], [9]
    ),
}


@pytest.mark.parametrize("make", SCHEDULERS.values(), ids=SCHEDULERS.keys())
@pytest.mark.parametrize("every", ["step", "epoch"])
def test_a_scheduler_of_pytorchs_counts_steps_or_epochs(
    make: Callable[[Any], Any], every: Any
) -> None:
    rates, parameter = Rates(), nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    scheduler, expected = make(optimizer), []

    train(Scheduler(make, every=every), rates)

    for step in range(28):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if every == "step" or step % 7 == 6:
            scheduler.step()
    np.testing.assert_allclose(rates.rates, expected, rtol=1e-12)


@pytest.mark.parametrize("scored", [True, False])
def test_a_scheduler_that_waits_for_a_plateau_is_told_of_each_epoch(
    scored: bool,  # noqa: FBT001
) -> None:
    model, X, y = problem()
    rates, scores = Rates(), iter([0.5, 0.6, 0.6, 0.7])
    mode: Any = "max" if scored else "min"
    told = {"validation": (X, y), "metric": lambda *_: next(scores)} if scored else {}

    train(
        Scheduler(lambda o: ReduceLROnPlateau(o, mode, factor=0.5, patience=0)),
        rates,
        problem=(model, X, y),
        loss=nn.CrossEntropyLoss() if scored else lambda o, _: o.sum() * 0 + 1,
        **told,
    )

    last = [0.1, 0.1, 0.1, 0.05] if scored else [0.1, 0.1, 0.05, 0.025]
    np.testing.assert_allclose(rates.rates[6::7], last)


def test_what_a_scheduler_counts_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="every must be 'step' or 'epoch', got 'day'"):
        Scheduler(lambda o: StepLR(o, 1), every="day")  # type: ignore[arg-type]


def test_a_rate_that_falls_to_zero_wants_a_number_of_steps() -> None:
    _, X, y = problem()

    class Endless:
        def __iter__(self) -> Any:
            yield X, y

    with pytest.raises(ValueError, match="X must have a length"):
        train(Falling(), problem=(problem()[0], Endless(), None))


@pytest.mark.parametrize("steep", [1.0, 1e6])
def test_a_gradient_is_shortened_if_it_is_too_long(steep: float) -> None:
    model, X, y = problem()
    start = deepcopy(model)

    train(
        Clipping(0.01),
        problem=(model, X, y),
        loss=lambda outputs, labels: (
            steep * nn.functional.cross_entropy(outputs, labels)
        ),
        optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
        epochs=1,
        batch_size=50,
    )

    pairs = zip(model.parameters(), start.parameters(), strict=True)
    moved = torch.cat([(now - then).flatten() for now, then in pairs])
    assert moved.norm().item() == pytest.approx(0.01, rel=1e-3)


def test_a_gradient_that_is_short_stays_as_it_is() -> None:
    (ours, _), (theirs, _) = train(Clipping(1e6)), train()

    for now, then in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(now, then)


@pytest.mark.parametrize("norm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_length_that_is_none_is_refused(norm: float) -> None:
    with pytest.raises(ValueError, match="norm must be positive and finite"):
        Clipping(norm)
