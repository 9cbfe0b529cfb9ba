"""The rule against loops and scikit-learn, the shrinkage against runs and solutions."""

import copy
import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from torch import nn

from dlnotes.training.early_stopping import (
    State,
    early_stopping_epoch,
    equivalent_weight_decay,
    generalization_loss,
    should_stop,
    stopped_shrinkage,
    update,
)

STOP: Any = early_stopping_epoch


def by_definition(E: NDArray[Any], patience: int, min_delta: float) -> tuple[int, int]:
    """Find the best epochs and the stop as the equation has them."""

    def tau(t: int) -> int:
        better = {s for s in range(1, t + 1) if E[s] < E[tau(s - 1)] - min_delta}
        return max(better | {0})

    waits = [t for t in range(len(E)) if t - tau(t) >= patience]
    stop = min([*waits, len(E) - 1])
    return tau(stop), stop


def wandering(rng: np.random.Generator, epochs: int = 10) -> NDArray[Any]:
    """Draw errors that fall and rise by quarters, with ties."""
    return 3 + np.round(2 * rng.normal(size=epochs)).cumsum() / 4


@pytest.mark.verifies("eq-early-stopping")
@pytest.mark.parametrize("min_delta", [0.0, 0.25, 0.5])
def test_the_rule_is_the_equation(min_delta: float, rng: np.random.Generator) -> None:
    seen = set()
    for _ in range(60):
        E, patience = wandering(rng), int(rng.integers(1, 7))

        best, stop = early_stopping_epoch(E, patience=patience, min_delta=min_delta)

        assert (best, stop) == by_definition(E, patience, min_delta)
        seen.add((stop == len(E) - 1, best == E.argmin()))
    assert {(True, True), (False, True), (False, False)} <= seen


@pytest.mark.verifies("eq-early-stopping")
@pytest.mark.parametrize("patience", [2, 3, 8])
def test_the_rule_is_that_of_scikit_learn_which_counts_past_its_number(
    patience: int, rng: np.random.Generator
) -> None:
    X, y = rng.normal(size=(60, 5)), rng.integers(2, size=60)
    classifier = MLPClassifier(
        (4,),
        solver="sgd",
        learning_rate_init=0.9,
        batch_size=10,
        n_iter_no_change=patience - 1,
        tol=0,
        max_iter=500,
        random_state=1,
    )
    curve = np.array(classifier.fit(X, y).loss_curve_)

    best, stop = early_stopping_epoch(curve, patience=patience)

    assert stop == len(curve) - 1 < 499
    assert curve[best] == classifier.best_loss_
    assert best == stop - patience


def test_scikit_learn_moves_its_best_so_a_slow_fall_never_counts(
    rng: np.random.Generator,
) -> None:
    X, y = rng.normal(size=(40, 3)), rng.integers(2, size=40)

    def fitted(tol: float) -> MLPClassifier:
        return MLPClassifier(
            (4,),
            solver="sgd",
            n_iter_no_change=4,
            tol=tol,
            max_iter=60,
            random_state=0,
        ).fit(X, y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        curve = np.array(fitted(0.0).loss_curve_)
        min_delta = 1.01 * -np.diff(curve).min()
        theirs = len(fitted(min_delta).loss_curve_)

    _, ours = early_stopping_epoch(curve, patience=5, min_delta=min_delta)

    assert (np.diff(curve) < 0).all()
    assert theirs == 6
    assert ours == len(curve) - 1 == 59


@pytest.mark.verifies("eq-early-stopping")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_of_either_library_give_the_same_epochs(
    dtype: type, array: Callable[[Any], Any], rng: np.random.Generator
) -> None:
    E: NDArray[Any] = wandering(rng, 12).astype(dtype)
    assert STOP(array(E), patience=3) == by_definition(E, 3, 0.0)


def test_the_most_of_scores_is_the_least_of_their_negatives(
    rng: np.random.Generator,
) -> None:
    for _ in range(20):
        E: NDArray[Any] = wandering(rng)
        settings: dict[str, Any] = {"patience": 3, "min_delta": 0.25}
        assert STOP(-E, mode="max", **settings) == STOP(E, **settings)
    state = update(update(State(), 0.5, mode="max"), 0.75, mode="max")
    assert (state.best, state.best_epoch) == (0.75, 1)


def test_a_loop_that_restores_has_the_weights_of_the_best_epoch() -> None:
    torch.manual_seed(0)
    X, X_val = torch.randn(12, 10), torch.randn(40, 10)
    y, y_val = (x[:, :1] + 0.8 * torch.randn(len(x), 1) for x in (X, X_val))
    model, kept, errors = nn.Linear(10, 1), {}, []
    optimizer, state = torch.optim.SGD(model.parameters(), lr=0.1), State()
    while not should_stop(state, patience=4):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(X), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        errors.append(nn.functional.mse_loss(model(X_val), y_val).item())
        state = update(state, errors[-1])
        if state.waited == 0:
            kept = copy.deepcopy(model.state_dict())

    model.load_state_dict(kept)

    restored = nn.functional.mse_loss(model(X_val), y_val).item()
    assert restored == min(errors) < errors[-1]
    assert STOP(np.array(errors), patience=4) == (state.best_epoch, len(errors) - 1)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_what_is_no_finite_number_is_never_best_and_is_waited_for(
    mode: Any, bad: float
) -> None:
    first = STOP(np.array([bad, 2.0, 2.0, bad, 2.0, 9.0]), patience=3, mode=mode)
    last = STOP(np.array([2.0, bad, bad, 0.0, 4.0]), patience=2, mode=mode)

    assert first == (1, 4)
    assert last == (0, 2)
    with pytest.raises(ValueError, match="got none in 2 epochs"):
        STOP(np.array([bad, bad, 1.0]), patience=2, mode=mode)


def test_an_error_must_exceed_the_improvement_that_counts() -> None:
    E = np.array([1.0, 0.75, 0.5, 0.25])

    assert STOP(E, patience=9, min_delta=0.25) == (2, 3)
    assert STOP(E, patience=9, min_delta=0.24) == (3, 3)
    assert STOP(np.ones(5), patience=3) == (0, 3)


@pytest.mark.verifies("eq-early-stopping-generalization-loss")
def test_the_generalization_loss_is_that_of_a_loop(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    E = rng.uniform(0.5, 2, size=8)

    loss = run(generalization_loss, E)

    wanted = [100 * (E[t] / min(E[: t + 1]) - 1) for t in range(8)]
    np.testing.assert_allclose(loss, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.verifies("eq-early-stopping-shrinkage")
@pytest.mark.parametrize("steps", [0, 1, 7])
def test_gradient_descent_on_least_squares_shrinks_so_along_each_eigenvector(
    steps: int, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    X, y = rng.normal(size=(9, 4)), rng.normal(size=9)
    a, Q = np.linalg.eigh(X.T @ X / 9)
    theta = np.zeros(4)
    for _ in range(steps):
        theta = theta - 0.6 * X.T @ (X @ theta - y) / 9

    share = run(partial(stopped_shrinkage, learning_rate=0.6, steps=steps), a)

    best = np.linalg.lstsq(X, y, rcond=None)[0]
    np.testing.assert_allclose(Q.T @ theta, share * (Q.T @ best), atol=1e-12)


@pytest.mark.verifies("eq-early-stopping-decay")
@pytest.mark.parametrize("steps", [1, 6])
def test_penalties_of_their_own_for_each_eigenvector_lead_where_the_steps_do(
    steps: int, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    X, y = rng.normal(size=(9, 4)), rng.normal(size=9)
    a, Q = np.linalg.eigh(X.T @ X / 9)
    settings: dict[str, Any] = {"learning_rate": 0.9 / a[-1], "steps": steps}
    theta = np.zeros(4)
    for _ in range(steps):
        theta = theta - settings["learning_rate"] * X.T @ (X @ theta - y) / 9

    decay = run(partial(equivalent_weight_decay, **settings), a)

    penalty = Q @ np.diag(decay) @ Q.T
    ridge = np.linalg.solve(X.T @ X / 9 + penalty, X.T @ y / 9)
    np.testing.assert_allclose(theta, ridge, rtol=1e-10)


@pytest.mark.verifies("eq-early-stopping-decay")
def test_the_penalty_is_that_of_the_rule_of_thumb_where_little_is_learned(
    run: Callable[..., Any],
) -> None:
    a = np.array([0.0, 1e-12, 1e-5, 1e-3, 0.1])

    decay = run(partial(equivalent_weight_decay, learning_rate=0.01, steps=100), a)

    # Its first term of departure is (t + 1) eta a / 2.
    np.testing.assert_allclose(decay[:4], 1 - 1.01 * a[:4] / 2, rtol=1e-6)
    assert decay[0] == 1
    assert (np.diff(decay) < 0).all()


def test_stopping_shrinks_at_most_as_much_as_the_penalty_of_the_rule_of_thumb() -> None:
    a = np.geomspace(1e-4, 0.999, 300)
    for steps in (1, 10, 1000):
        share = stopped_shrinkage(a, learning_rate=1.0, steps=steps)
        ridge = a / (a + 1 / steps)

        assert (share >= ridge - 1e-12).all()
        if steps == 1000:
            assert (share - ridge).max() == pytest.approx(0.2036, abs=1e-3)


def test_single_precision_stays_and_gradients_flow() -> None:
    a = torch.tensor([0.0, 0.3, 0.9], dtype=torch.float64, requires_grad=True)
    shares = partial(stopped_shrinkage, learning_rate=0.5, steps=3)
    decay = partial(equivalent_weight_decay, learning_rate=0.5, steps=3)
    for function in (shares, decay):
        assert function(a.detach().float()).dtype == torch.float32
    assert torch.autograd.gradcheck(shares, a)
    assert torch.autograd.gradcheck(decay, a[1:].detach().requires_grad_())


PAIR = np.array([2.0, 1.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: STOP(PAIR, patience=0),
        lambda: STOP(PAIR, patience=-1),
        lambda: STOP(PAIR, patience=2.5),
        lambda: STOP(PAIR, patience=2, min_delta=-0.1),
        lambda: STOP(PAIR, patience=2, min_delta=math.nan),
        lambda: STOP(PAIR, patience=2, min_delta=math.inf),
        lambda: STOP(PAIR, patience=2, mode="least"),
        lambda: STOP(PAIR[:0], patience=2),
        lambda: should_stop(State(), patience=0),
        lambda: update(State(), 1.0, min_delta=-1.0),
        lambda: update(State(), 1.0, mode=None),  # type: ignore[arg-type]
        lambda: generalization_loss(PAIR[:0]),
        lambda: generalization_loss(0 * PAIR),
        lambda: stopped_shrinkage(PAIR, learning_rate=-1.0, steps=1),
        lambda: stopped_shrinkage(PAIR, learning_rate=1.0, steps=-1),
        lambda: equivalent_weight_decay(PAIR, learning_rate=0.0, steps=1),
        lambda: equivalent_weight_decay(PAIR, learning_rate=0.1, steps=0),
        lambda: equivalent_weight_decay(PAIR, learning_rate=0.5, steps=1),
        lambda: equivalent_weight_decay(-PAIR, learning_rate=0.1, steps=1),
        lambda: equivalent_weight_decay(PAIR * math.nan, learning_rate=0.1, steps=1),
    ],
    ids=range(20),
)
def test_what_makes_no_sense_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        call()
