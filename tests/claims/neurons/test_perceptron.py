"""What trains a unit for each seed at once does what the section's rule does."""

from typing import Any

import numpy as np
import pytest
from tests.claims.made_up import near

from dlnotes.claims import Row, Verdict
from dlnotes.claims.evidence import rows
from dlnotes.claims.neurons.perceptron import (
    accuracies,
    averaged_rule,
    epochs,
    gaussians,
    judge_threshold,
    judge_unit,
    late_accuracies,
    rule,
    tangent,
)
from dlnotes.networks.activations import sigmoid
from dlnotes.neurons.perceptron import Perceptron, heaviside
from dlnotes.neurons.perceptron_rule import update

SEEDS = (3, 4)


@pytest.mark.parametrize("activation", [heaviside, sigmoid])
def test_the_units_of_all_seeds_learn_what_each_learns_alone(
    rng: np.random.Generator, activation: object
) -> None:
    X, Y = rng.normal(size=(2, 5, 3)), rng.integers(0, 2, size=(2, 5))
    X[..., -1], start = 1.0, rng.normal(size=(2, 3))

    def step(W: object, x: object, y: object) -> object:
        return rule(W, x, y, activation=activation, learning_rate=0.3)  # type: ignore[arg-type]

    *_, W = epochs(step, start, X, Y, count=4, seeds=SEEDS)

    for s, seed in enumerate(SEEDS):
        model = Perceptron(W=start[s, :2, None], b=start[s, 2:])
        order = np.random.default_rng(seed)
        for _ in range(4):
            n = order.permutation(5)
            model, _ = update(
                model,
                X[s, n, :2],
                Y[s, n, None].astype(float),
                learning_rate=0.3,
                activation=activation,  # type: ignore[arg-type]
            )
        np.testing.assert_allclose(W[s], [*model.W[:, 0], *model.b])


def test_the_printed_rule_multiplies_by_the_output_and_the_old_bias() -> None:
    W = np.array([[1.0, -2.0, 0.5], [-1.0, 0.0, 4.0]])
    x = np.array([[1.0, 1.0, 1.0], [-2.0, 1.0, 1.0]])

    after = rule(W, x, np.array([1.0, 0.0]), learning_rate=0.5, printed=True)

    # The first says no and should say yes; its output is zero, and its bias 0.5.
    assert after[0].tolist() == [1.0, -2.0, 0.5 + 0.5 * 1 * 0.5]
    # The second says yes and should say no; its output is one, and its bias 4.
    assert after[1].tolist() == [-1.0 + 0.5 * 2, 0.0 - 0.5, 4.0 - 0.5 * 4]


def test_the_classes_are_two_apart_and_of_equal_size() -> None:
    X, Y, X_test, Y_test = gaussians(0)

    assert Y.sum() == 100
    assert Y_test.sum() == 1000
    means = [X_test[Y_test == y].mean(axis=0) for y in (0, 1)]
    np.testing.assert_allclose(means, [[-1, 0, 1], [1, 0, 1]], atol=0.15)
    assert X_test[Y_test == 1, 1].std() == pytest.approx(1.5, abs=0.1)
    assert X.shape == (200, 3)


def test_the_linear_unit_is_the_tangent_of_the_sigmoid() -> None:
    z = np.array([-1e-4, 0.0, 1e-4])

    np.testing.assert_allclose(tangent(z), sigmoid(z), rtol=1e-12)
    assert tangent(4.0) == 1.5


def test_the_accuracies_are_those_of_the_last_25_epochs() -> None:
    scores = late_accuracies(rule, [gaussians(seed) for seed in SEEDS], SEEDS)

    assert scores.shape == (25, 2)
    assert 0.5 < scores.mean() < 0.75


def test_the_averaged_step_answers_by_the_mean_after_every_instance() -> None:
    sets = [gaussians(seed) for seed in SEEDS]
    X, Y, X_test, Y_test = map(np.stack, zip(*sets, strict=True))

    scores = late_accuracies(averaged_rule, sets, SEEDS)

    def remember(W: Any, x: Any, y: Any) -> Any:
        path.append(rule(W, x, y))
        return path[-1]

    path: list[Any] = []
    [*epochs(remember, np.zeros((2, 3)), X, Y, count=50, seeds=SEEDS)]
    assert len(path) == 50 * 200
    last = accuracies(np.mean(path, axis=0), X_test, Y_test)
    np.testing.assert_allclose(scores[-1], last)
    plain = late_accuracies(rule, sets, SEEDS)
    assert scores.std(axis=0).max() < plain.std(axis=0).min()


@pytest.mark.parametrize(
    ("means", "spreads", "verdict"),
    [
        ((0.74, 0.65, 0.7, 0.7), (0.01, 0.1), Verdict.HOLDS),
        ((0.74, 0.65, 0.74, 0.7), (0.01, 0.1), Verdict.CONDITIONAL),
        ((0.74, 0.65, 0.7, 0.74), (0.01, 0.1), Verdict.CONDITIONAL),
        ((0.65, 0.65, 0.6, 0.6), (0.01, 0.1), Verdict.CONDITIONAL),
        ((0.74, 0.65, 0.7, 0.7), (0.1, 0.1), Verdict.FAILS),
    ],
)
def test_a_smooth_threshold_must_beat_a_steady_one_and_a_line(
    means: tuple[float, ...], spreads: tuple[float, ...], verdict: Verdict
) -> None:
    names = ("sigmoid", "step", "averaged step", "linear unit")
    accuracy = {name: near(mean) for name, mean in zip(names, means, strict=True)}
    deviation = {
        name: near(mean) for name, mean in zip(names, (*spreads, 0, 0), strict=True)
    }
    found = rows("test accuracy", accuracy)

    ruling = judge_threshold(found + rows("deviation over the epochs", deviation))

    assert ruling.verdict is verdict


@pytest.mark.parametrize(
    ("line", "corners", "rings", "verdict"),
    [
        (1.0, 0.75, 0.7, Verdict.HOLDS),
        (1.0, 1.0, 0.7, Verdict.CONDITIONAL),
        (1.0, 0.75, 0.9, Verdict.CONDITIONAL),
        (0.99, 0.75, 0.7, Verdict.FAILS),
    ],
)
def test_a_unit_must_draw_lines_and_no_more(
    line: float, corners: float, rings: float, verdict: Verdict
) -> None:
    values = {"separable points": line, "exclusive or": corners, "two circles": rings}
    found = [
        Row("best training accuracy", "", data, (min(value, 0.5 + value / 2), value))
        for data, value in values.items()
    ]

    assert judge_unit(found).verdict is verdict
