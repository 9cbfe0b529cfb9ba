"""Initial biases against SciPy, loops, PyTorch's gradients and random draws."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import special, stats
from torch.nn import functional

from dlnotes.training.bias_initialization import (
    base_rate_bias,
    class_share_bias,
    dead_probability,
    inactive_probability,
    initial_dead_fraction,
    initial_loss,
    remembered,
    symmetric_units,
)

Run = Callable[..., Any]
Layer = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


# Twins


def some_twins(rng: np.random.Generator) -> Layer:
    """Draw ten units: 0, 3 and 6 are twins, and 1 and 4.

    Units 2, 5 and 7 differ from 0 in a weight in, the bias, and a weight out; 8 has its
    weights in another order, and 9 with the other sign.
    """
    units = rng.normal(size=(10, 6))
    units[[2, 3, 5, 6, 7, 8, 9]], units[4] = units[0], units[1]
    units[8, :3], units[9, :3] = units[0, 2::-1], -units[0, :3]
    units[2, 1] += 0.3
    units[5, 3] += 0.3
    units[7, 5] += 0.3
    return units[:, :3].T.copy(), units[:, 3].copy(), units[:, 4:].copy()


TWINS = [{0, 3, 6}, {1, 4}, {2}, {5}, {7}, {8}, {9}]


@pytest.mark.verifies("eq-twin-units")
def test_every_engine_finds_the_twins(run: Run, rng: np.random.Generator) -> None:
    twins = run(symmetric_units, *some_twins(rng))

    assert twins.dtype == bool
    for i in range(10):
        (same,) = (group for group in TWINS if i in group)
        assert set(np.flatnonzero(twins[i])) == same


@pytest.mark.verifies("eq-twin-units")
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_training_keeps_twins_together_and_parts_all_others(
    rng: np.random.Generator, optimizer: Callable[..., torch.optim.Optimizer]
) -> None:
    layer = some_twins(rng)
    X, Y = (torch.tensor(rng.normal(size=(20, n))) for n in (3, 2))
    W, b, V = (torch.tensor(each, requires_grad=True) for each in layer)
    steps = optimizer([W, b, V], lr=0.01)

    for _ in range(30):
        steps.zero_grad()
        loss = (torch.tanh(X @ W + b) @ V - Y).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]  # of torch
        steps.step()

    after = torch.cat([W, b[None], V.T]).detach().T
    twins = symmetric_units(*layer)
    assert torch.equal(torch.cdist(after, after) < 1e-9, torch.tensor(twins))
    for weights in (W.T, b[:, None]):  # each part by itself, of those that began alike
        assert (weights[0] - weights[7]).abs().max() > 1e-4


@pytest.mark.verifies("eq-twin-units")
def test_biases_alone_part_units_with_equal_weights(rng: np.random.Generator) -> None:
    W, V = np.full((3, 4), 0.5), np.full((4, 2), 0.5)

    assert symmetric_units(W, np.zeros(4), V).all()
    assert symmetric_units(1e-9 * W, np.full(4, 0.1), V).all()
    assert np.array_equal(symmetric_units(W, rng.normal(size=4), V), np.eye(4) == 1)


def test_a_unit_that_is_no_number_is_the_twin_of_none() -> None:
    b = np.array([np.nan, 0.0])

    twins = symmetric_units(np.zeros((1, 2)), b, np.zeros((2, 1)))

    assert twins.tolist() == [[False, False], [False, True]]


def test_units_without_inputs_or_outputs_are_compared_by_what_they_have() -> None:
    b = np.array([0.0, 1.0, 0.0])

    twins = symmetric_units(np.zeros((0, 3)), b, np.zeros((3, 0)))

    assert twins[0].tolist() == [True, False, True]


# Output biases


@pytest.mark.verifies("eq-base-rate-bias")
@pytest.mark.parametrize("outputs", [(), (3,), (2, 4)])
def test_every_engine_inverts_the_sigmoid_of_the_share(
    run: Run, rng: np.random.Generator, outputs: tuple[int, ...]
) -> None:
    y = rng.random((30, *outputs)) ** 3

    b = run(base_rate_bias, y)

    np.testing.assert_allclose(b, special.logit(y.mean(axis=0)), rtol=1e-12)


@pytest.mark.verifies("eq-base-rate-bias")
def test_no_other_bias_has_a_lower_loss(rng: np.random.Generator) -> None:
    y = torch.tensor(rng.random(50) < 0.1).double()
    b = base_rate_bias(y).requires_grad_()

    logits = b.expand(50)
    loss = functional.binary_cross_entropy_with_logits(logits, y)

    (slope,) = torch.autograd.grad(loss, b)
    assert abs(slope) < 1e-15
    for other in (b - 0.1, b + 0.1):
        moved = functional.binary_cross_entropy_with_logits(other.expand(50), y)
        assert moved > loss


@pytest.mark.verifies("eq-base-rate-bias")
@pytest.mark.parametrize("ones", [1, 3, 99_998, 99_999])
def test_one_rare_target_is_enough_in_single_precision(
    array: Callable[[Any], Any], ones: int
) -> None:
    y = array((np.arange(100_000) < ones).astype(np.float32))

    b = base_rate_bias(y)

    assert b.dtype == y.dtype
    assert float(b) == pytest.approx(np.log(ones / (100_000 - ones)), rel=1e-5)


@pytest.mark.verifies("eq-class-share-bias")
def test_every_engine_takes_the_logarithm_of_the_shares(
    run: Run, rng: np.random.Generator
) -> None:
    labels = np.r_[0:5, rng.choice(5, p=[0.1, 0.1, 0.5, 0.1, 0.2], size=40)]

    b = run(class_share_bias, np.eye(5)[labels])

    shares = [sum(label == k for label in labels.tolist()) / 45 for k in range(5)]
    np.testing.assert_allclose(np.exp(b), shares, rtol=1e-12)


@pytest.mark.verifies("eq-class-share-bias", "eq-base-rate-bias")
def test_of_two_classes_the_difference_is_the_log_odds(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    y = rng.random(20)

    b = class_share_bias(array(np.stack([1 - y, y], axis=1)))

    assert float(b[1] - b[0]) == pytest.approx(float(base_rate_bias(array(y))))


# The loss at the start


@pytest.mark.verifies("eq-initial-loss")
def test_every_engine_computes_the_loss_of_constant_logits(
    run: Run, rng: np.random.Generator
) -> None:
    Y, b = rng.dirichlet(np.ones(4), size=30), rng.normal(size=4)

    loss = run(initial_loss, Y, b)

    logits = torch.tensor(b).expand(30, 4)
    want = functional.cross_entropy(logits, torch.tensor(Y)).item()
    assert float(loss) == pytest.approx(want, rel=1e-12)


@pytest.mark.verifies("eq-initial-loss")
def test_the_loss_is_the_entropy_and_the_divergence(rng: np.random.Generator) -> None:
    Y, b = np.eye(4)[rng.choice(4, p=[0.1, 0.2, 0.3, 0.4], size=60)], rng.normal(size=4)
    p = Y.mean(axis=0)

    at_shares, elsewhere = initial_loss(Y, class_share_bias(Y)), initial_loss(Y, b)

    assert at_shares == pytest.approx(stats.entropy(p))
    assert elsewhere - at_shares == pytest.approx(stats.entropy(p, special.softmax(b)))
    assert initial_loss(Y, np.zeros(4)) == pytest.approx(np.log(4))


@pytest.mark.verifies("eq-initial-loss")
def test_its_gradient_is_the_prediction_minus_the_shares(
    rng: np.random.Generator,
) -> None:
    Y, b = rng.dirichlet(np.ones(4), size=30), rng.normal(size=4)
    Y[:, 1] = 0.0
    Y /= Y.sum(axis=1, keepdims=True)
    leaf = torch.tensor(b, requires_grad=True)

    (gradient,) = torch.autograd.grad(initial_loss(torch.tensor(Y), leaf), leaf)

    want = special.softmax(b) - Y.mean(axis=0)
    np.testing.assert_allclose(gradient.numpy(), want, atol=1e-12)
    step = 1e-6 * np.eye(4)
    slopes = [
        float(initial_loss(Y, b + h) - initial_loss(Y, b - h)) / 2e-6 for h in step
    ]
    np.testing.assert_allclose(slopes, want, atol=1e-8)


@pytest.mark.verifies("eq-initial-loss")
def test_a_class_that_never_occurs_may_have_no_chance(
    array: Callable[[Any], Any],
) -> None:
    Y, b = np.eye(3)[[0, 2, 2]], np.array([0.0, -np.inf, np.log(2)])

    assert float(initial_loss(array(Y), array(b))) == pytest.approx(
        stats.entropy([1 / 3, 2 / 3])
    )


# Inactive and dead


@pytest.mark.verifies("eq-inactive-probability")
def test_every_engine_has_the_normal_distribution_function(
    run: Run, rng: np.random.Generator
) -> None:
    b, s = rng.normal(size=(3, 5)), rng.uniform(0.1, 3, size=(3, 5))

    probability = run(inactive_probability, b, s)

    np.testing.assert_allclose(probability, stats.norm.cdf(-b / s), rtol=1e-12)


@pytest.mark.verifies("eq-inactive-probability")
def test_far_out_it_keeps_its_digits() -> None:
    b, s = np.array([20.0, -20.0]), np.array([2.0, 2.0])

    probability = inactive_probability(b, s)

    np.testing.assert_allclose(probability, stats.norm.sf([10, -10]), rtol=1e-10)


@pytest.mark.verifies("eq-inactive-probability")
def test_so_often_a_unit_is_inactive_for_normal_inputs(
    rng: np.random.Generator,
) -> None:
    w, b = rng.normal(size=(6, 4)), np.array([-1.0, 0.0, 0.1, 2.0])

    inactive = (rng.normal(size=(40_000, 6)) @ w + b <= 0).mean(axis=0)

    expected = inactive_probability(b, np.linalg.norm(w, axis=0))
    np.testing.assert_allclose(inactive, expected, atol=0.01)


@pytest.mark.verifies("eq-dead-probability")
def test_every_engine_raises_it_to_the_number_of_instances(
    run: Run, rng: np.random.Generator
) -> None:
    b, s = rng.normal(size=5), rng.uniform(0.1, 3, size=5)

    probability = run(partial(dead_probability, instances=7), b, s)

    product = np.ones(5)
    for _ in range(7):
        product = product * stats.norm.cdf(-b / s)
    np.testing.assert_allclose(probability, product, rtol=1e-10)


@pytest.mark.verifies("eq-dead-probability", "eq-initial-pre-activations")
def test_so_often_a_unit_is_dead_on_small_data_sets(rng: np.random.Generator) -> None:
    w, b = rng.normal(size=(6, 4)), np.array([-2.0, -0.5, 0.0, 0.5])
    expected = dead_probability(b, np.linalg.norm(w, axis=0), instances=3)

    found = [
        float(initial_dead_fraction(X, w, b)) for X in rng.normal(size=(4000, 3, 6))
    ]

    assert np.mean(found) == pytest.approx(expected.mean(), abs=0.015)
    assert 0.1 < expected.mean() < 0.6


@pytest.mark.verifies("eq-initial-pre-activations")
def test_every_engine_counts_units_that_no_instance_makes_active(
    run: Run, rng: np.random.Generator
) -> None:
    X, W, b = rng.random((7, 3)), rng.normal(size=(3, 40)), rng.normal(size=40)
    X[4] = 0.0
    W[:, :2], b[:2] = 0.0, [0.0, 1e-9]  # exactly zero, and hardly above it

    share = run(initial_dead_fraction, X, W, b)

    dead = 0
    for i in range(40):
        z = [sum(X[n] * W[:, i]) + b[i] for n in range(7)]
        dead += max(z) <= 0
    assert float(share) == pytest.approx(dead / 40)
    assert 4 < dead < 36


@pytest.mark.verifies("eq-initial-pre-activations")
@pytest.mark.parametrize("bias", [0.0, 0.1])
def test_with_centered_inputs_no_unit_is_dead(
    rng: np.random.Generator, array: Callable[[Any], Any], bias: float
) -> None:
    X, W, b = rng.random((9, 3)), rng.normal(size=(3, 500)), np.full(500, bias)
    centered = X - X.mean(axis=0)

    given = float(initial_dead_fraction(array(X), array(W), array(b)))

    assert float(initial_dead_fraction(array(centered), array(W), array(b))) == 0
    assert given > 0.02


# A gate


@pytest.mark.verifies("eq-leaky-memory")
@pytest.mark.parametrize("steps", [0, 1, 9])
def test_every_engine_keeps_a_share_at_each_step(
    run: Run, rng: np.random.Generator, steps: int
) -> None:
    b = rng.normal(size=(2, 3))

    left = run(partial(remembered, steps=steps), b)

    c = np.ones((2, 3))
    for _ in range(steps):
        c = special.expit(b) * c
    np.testing.assert_allclose(left, c, rtol=1e-12)


@pytest.mark.verifies("eq-leaky-memory")
@pytest.mark.parametrize("steps", [100, 1000])
def test_a_bias_of_log_steps_keeps_about_a_third(steps: int) -> None:
    left = remembered(np.log(np.array([steps - 1.0])), steps=steps)

    assert left[0] == pytest.approx(np.exp(-1), rel=1 / steps)


# What all have in common


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_precision_stays(array: Callable[[Any], Any], dtype: str) -> None:
    y = array(np.array([0.0, 1.0, 0.0, 0.0], dtype=dtype))
    Y, b = array(np.eye(2, dtype=dtype)), array(np.zeros(2, dtype=dtype))
    s = array(np.ones(2, dtype=dtype))

    results = [
        base_rate_bias(y),
        class_share_bias(Y),
        initial_loss(Y, b),
        inactive_probability(b, s),
        dead_probability(b, s, instances=2),
        initial_dead_fraction(Y, Y, b),
        remembered(b, steps=3),
    ]

    wanted = [-np.log(3), -np.log(2), np.log(2), 0.5, 0.25, 0.0, 0.125]
    for result, want in zip(results, wanted, strict=True):
        assert result.dtype == y.dtype
        np.testing.assert_allclose(np.asarray(result), want, rtol=2e-3)


ONE = np.ones(1)


@pytest.mark.parametrize(
    ("function", "given", "said"),
    [
        (base_rate_bias, [ONE[:0]], "y must have an instance"),
        (base_rate_bias, [np.zeros(3)], "y must have ones and zeros"),
        (base_rate_bias, [np.ones(3)], "y must have ones and zeros"),
        (base_rate_bias, [np.eye(2)[[0, 0]]], "y must have ones and zeros"),
        (base_rate_bias, [np.array([0.0, 2.0])], "y must have targets from 0 to 1"),
        (base_rate_bias, [np.array([1.0, -0.5])], "y must have targets from 0 to 1"),
        (base_rate_bias, [np.array([1.0, np.nan])], "y must have targets from 0 to 1"),
        (class_share_bias, [np.zeros((0, 2))], "Y must have an instance"),
        (class_share_bias, [np.eye(3)[:2]], "Y must have each class"),
        (class_share_bias, [np.ones((2, 2))], "Y must have rows that add up to 1"),
        (initial_loss, [np.full((2, 2), 0.1), np.zeros(2)], "Y must have rows that"),
        (inactive_probability, [ONE, 0 * ONE], "s must be positive"),
        (inactive_probability, [ONE, np.nan * ONE], "s must be positive"),
        (
            partial(dead_probability, instances=0),
            [ONE, ONE],
            "instances must be an int of at least 1, got 0",
        ),
        (
            initial_dead_fraction,
            [np.zeros((0, 2)), np.zeros((2, 3)), np.zeros(3)],
            "X must have an instance and W a unit, got 0 and 3",
        ),
        (
            initial_dead_fraction,
            [np.zeros((4, 2)), np.zeros((2, 0)), np.zeros(0)],
            "X must have an instance and W a unit, got 4 and 0",
        ),
        (
            partial(remembered, steps=-1),
            [ONE],
            "steps must be an int of at least 0, got -1",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    array: Callable[[Any], Any],
    function: Callable[..., Any],
    given: list[NDArray[Any]],
    said: str,
) -> None:
    with pytest.raises(ValueError, match=said):
        function(*map(array, given))
