"""Batch normalization against loops, PyTorch, differences and what it cannot see."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from dlnotes.exercises import check, named
from dlnotes.networks.backpropagation import numerical_gradient
from dlnotes.training.batch_normalization import (
    batch_norm_backward,
    batch_norm_eval,
    batch_norm_forward,
    batch_norm_train,
    batch_norm_update_running,
    fold_batch_norm,
    standardize,
    standardize_backward,
)

Run = Callable[..., Any]
SHAPES = [(5, 3), (4, 3, 2), (3, 4, 2, 5)]
PYTORCH: Callable[..., Any] = functional.batch_norm
train: Callable[..., Any] = batch_norm_train
update_running: Callable[..., Any] = batch_norm_update_running
backward: Callable[..., Any] = batch_norm_backward


def some(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Draw a batch whose features differ in scale and mean, and random parameters."""
    features = (shape[1], *(1,) * (len(shape) - 2))
    X = rng.uniform(0.5, 3, features) * rng.normal(size=shape) + rng.normal(
        size=features
    )
    return X, *rng.normal(size=(2, shape[1])), rng.normal(size=shape)


# Forward


@pytest.mark.verifies("eq-bn-statistics")
@pytest.mark.verifies("eq-bn-normalize")
@pytest.mark.verifies("eq-bn-affine")
@pytest.mark.parametrize("shape", [(5, 3), (3, 4, 2, 5)])
def test_each_feature_is_standardized_over_the_batch_and_its_positions(
    run: Run, rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    X, gamma, beta, _ = some(rng, shape)

    Y, mean, variance = run(partial(batch_norm_forward, epsilon=0.1), X, gamma, beta)

    for c in range(shape[1]):
        values = X[:, c].ravel().tolist()
        mu = sum(values) / len(values)
        square = sum((x - mu) ** 2 for x in values) / len(values)
        wanted = [gamma[c] * (x - mu) / (square + 0.1) ** 0.5 + beta[c] for x in values]
        np.testing.assert_allclose(Y[:, c].ravel(), wanted, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose([mean[c], variance[c]], [mu, square], rtol=1e-12)


@pytest.mark.verifies("eq-bn-statistics")
@pytest.mark.verifies("eq-bn-normalize")
@pytest.mark.parametrize("axes", [(0,), (1,), (1, 2), (0, 2)])
def test_any_axes_can_be_standardized(
    rng: np.random.Generator, array: Callable[[Any], Any], axes: tuple[int, ...]
) -> None:
    X = 3 * rng.normal(size=(4, 3, 5)) + 2

    X_hat, mean, variance = standardize(array(X), axes=axes, epsilon=0.2)

    wanted = X.mean(axis=axes, keepdims=True), X.var(axis=axes, keepdims=True)
    np.testing.assert_allclose(mean, wanted[0], rtol=1e-12)
    np.testing.assert_allclose(variance, wanted[1], rtol=1e-12)
    np.testing.assert_allclose(
        X_hat, (X - wanted[0]) / np.sqrt(wanted[1] + 0.2), rtol=1e-11, atol=1e-12
    )


@pytest.mark.verifies("eq-bn-running")
@pytest.mark.parametrize("shape", SHAPES)
def test_training_is_pytorchs_in_outputs_and_running_averages(
    run: Run, rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    X, gamma, beta, _ = some(rng, shape)
    mean, variance = rng.normal(size=shape[1]), rng.uniform(0.5, 2, size=shape[1])

    step = partial(batch_norm_train, momentum=0.3, epsilon=0.01)
    Y, *found = run(step, X, gamma, beta, mean, variance)

    theirs: Any = [torch.tensor(each) for each in (X, mean, variance, gamma, beta)]
    wanted = PYTORCH(*theirs, training=True, momentum=0.3, eps=0.01)
    np.testing.assert_allclose(Y, wanted, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found[0], theirs[1], rtol=1e-12)
    np.testing.assert_allclose(found[1], theirs[2], rtol=1e-12)


def test_the_settings_left_out_are_those_of_pytorch(rng: np.random.Generator) -> None:
    X, gamma, beta, upstream = some(rng, (6, 3))
    theirs: Any = torch.nn.BatchNorm1d(3, dtype=torch.float64)
    theirs.weight.data, theirs.bias.data = torch.tensor(gamma), torch.tensor(beta)
    x = torch.tensor(X, requires_grad=True)

    Y, mean, variance = batch_norm_train(X, gamma, beta, np.zeros(3), np.ones(3))
    wanted = theirs(x)

    np.testing.assert_allclose(Y, wanted.detach(), rtol=1e-11)
    np.testing.assert_allclose(mean, theirs.running_mean, rtol=1e-12)
    np.testing.assert_allclose(variance, theirs.running_var, rtol=1e-12)
    np.testing.assert_allclose(batch_norm_forward(X, gamma, beta)[0], Y, rtol=1e-12)
    (dX,) = torch.autograd.grad(wanted, x, torch.tensor(upstream))
    found = batch_norm_backward(X, gamma, upstream)[0]
    np.testing.assert_allclose(found, dX, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(
        batch_norm_eval(X, gamma, beta, mean, variance),
        theirs.eval()(x).detach(),
        rtol=1e-11,
    )
    np.testing.assert_allclose(
        np.stack(fold_batch_norm(np.eye(3), beta, gamma, beta, mean, variance)[0]),
        np.diag(gamma / np.sqrt(variance + theirs.eps)),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_evaluation_is_pytorchs_and_judges_one_instance_like_a_batch(
    run: Run, rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    X, gamma, beta, _ = some(rng, shape)
    mean, variance = rng.normal(size=shape[1]), rng.uniform(0.5, 2, size=shape[1])
    given: Any = gamma, beta, mean, variance

    found = run(partial(batch_norm_eval, epsilon=0.01), X, *given)

    theirs: Any = [torch.tensor(each) for each in (X, mean, variance, gamma, beta)]
    wanted = PYTORCH(*theirs, eps=0.01)
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12)
    alone = batch_norm_eval(X[:1], *given, epsilon=0.01)
    np.testing.assert_allclose(alone, found[:1], rtol=1e-12)


# Running averages


@pytest.mark.verifies("eq-bn-running")
def test_a_falling_momentum_makes_the_mean_of_all_batches_as_none_does_in_pytorch(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    theirs: Any = torch.nn.BatchNorm1d(3, momentum=None, dtype=torch.float64)
    averages: Any = array(rng.normal(size=(2, 3)))  # which is forgotten
    one, zero = array(np.ones(3)), array(np.zeros(3))

    batches = 2 * rng.normal(size=(6, 4, 3)) + 1
    for t, X in enumerate(batches, 1):
        theirs(torch.tensor(X))
        _, *averages = batch_norm_train(array(X), one, zero, *averages, momentum=1 / t)

    np.testing.assert_allclose(averages[0], theirs.running_mean, rtol=1e-11)
    np.testing.assert_allclose(averages[1], theirs.running_var, rtol=1e-11)
    np.testing.assert_allclose(averages[0], batches.mean(axis=(0, 1)), rtol=1e-11)


@pytest.mark.verifies("eq-bn-running")
def test_without_the_factor_the_running_variance_is_too_small_by_what_it_makes_up_for(
    rng: np.random.Generator,
) -> None:
    batches = rng.normal(5, 2, size=(4000, 3, 1))
    found = {}
    for unbiased in (True, False):
        averages: Any = np.zeros((2, 1))
        for t, X in enumerate(batches, 1):
            averages = update_running(
                *averages,
                X.mean(axis=0),
                X.var(axis=0),
                instances=3,
                momentum=1 / t,
                unbiased=unbiased,
            )
        found[unbiased] = float(averages[1][0])

    assert found[True] == pytest.approx(4, rel=0.05)
    assert found[False] == pytest.approx(found[True] * 2 / 3)


@pytest.mark.verifies("eq-bn-running")
def test_the_past_fades_by_the_momentum_of_keras_which_is_the_complement() -> None:
    averages: Any = np.array([[8.0], [4.0]])

    for _ in range(3):
        averages = update_running(
            *averages, np.zeros(1), np.zeros(1), instances=2, momentum=1 - 0.75
        )

    np.testing.assert_allclose(averages, [[8 * 0.75**3], [4 * 0.75**3]])


# Backward


@pytest.mark.verifies("eq-bn-backward")
@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradients_are_pytorchs(
    run: Run, rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    X, gamma, beta, upstream = some(rng, shape)

    found = run(partial(batch_norm_backward, epsilon=0.1), X, gamma, upstream)

    x, weight, bias = (torch.tensor(a, requires_grad=True) for a in (X, gamma, beta))
    Y = PYTORCH(x, None, None, weight, bias, training=True, eps=0.1)
    wanted = torch.autograd.grad(Y, (x, weight, bias), torch.tensor(upstream))
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.verifies("eq-bn-backward")
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 2, 2)])
def test_the_gradients_are_difference_quotients_of_our_own_forward_pass(
    rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    X, gamma, beta, upstream = some(rng, shape)

    def loss(X: Any, gamma: Any, beta: Any) -> float:
        return float((upstream * batch_norm_forward(X, gamma, beta)[0]).sum())

    dX, dgamma, dbeta = batch_norm_backward(X, gamma, upstream)

    at = {0: dX, 1: dgamma, 2: dbeta}
    for k, got in at.items():
        given: Any = [X, gamma, beta]

        def moved(theta: Any, k: int = k, given: Any = given) -> float:
            there: Any = [*given[:k], theta, *given[k + 1 :]]
            return loss(*there)

        want = numerical_gradient(moved, given[k], h=1e-6)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7)


@pytest.mark.verifies("eq-bn-backward")
def test_autograd_goes_through_the_forward_pass_and_twice_through_both(
    rng: np.random.Generator,
) -> None:
    X, gamma, beta, upstream = (
        torch.tensor(each, requires_grad=True) for each in some(rng, (4, 2, 3))
    )

    Y, *_ = batch_norm_forward(X, gamma, beta, epsilon=0.1)
    wanted = torch.autograd.grad(Y, (X, gamma, beta), upstream, create_graph=True)
    found = batch_norm_backward(X, gamma, upstream, epsilon=0.1)

    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got.detach(), want.detach(), rtol=1e-10, atol=1e-12)
    second = [
        torch.autograd.grad([(each**2).sum() for each in pair], (X, gamma, upstream))
        for pair in (found, wanted)
    ]
    for got, want in zip(*second, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-11)


@pytest.mark.verifies("eq-bn-standardize-backward")
@pytest.mark.parametrize("axes", [(0,), (1, 2), (0, 2)])
def test_the_gradient_of_standardization_over_any_axes_is_autograds(
    run: Run, rng: np.random.Generator, axes: tuple[int, ...]
) -> None:
    X, upstream = 3 * rng.normal(size=(4, 3, 5)) + 2, rng.normal(size=(4, 3, 5))

    def ours(X: Any, upstream: Any) -> Any:
        X_hat, _, variance = standardize(X, axes=axes, epsilon=0.1)
        deviation = (variance + 0.1) ** 0.5
        return standardize_backward(X_hat, deviation, upstream, axes=axes)

    found = run(ours, X, upstream)

    x = torch.tensor(X, requires_grad=True)
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    (wanted,) = torch.autograd.grad(
        (x - mean) / (variance + 0.1).sqrt(), x, torch.tensor(upstream)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


def as_on_the_page(X: Any, gamma: Any, upstream: Any, *, epsilon: float) -> Any:
    """Answer with the formula."""
    n, std = len(X), np.sqrt(X.var(axis=0) + epsilon)
    X_hat = (X - X.mean(axis=0)) / std
    d_beta, d_gamma = upstream.sum(axis=0), (upstream * X_hat).sum(axis=0)
    return gamma / std * (upstream - d_beta / n - X_hat / n * d_gamma), d_gamma, d_beta


def step_by_step(X: Any, gamma: Any, upstream: Any, *, epsilon: float) -> Any:
    """Answer as by hand: through the division, the root and the mean."""
    n, centered = len(X), X - X.mean(axis=0)
    std = np.sqrt(X.var(axis=0) + epsilon)
    d_hat = gamma * upstream
    d_std = -(d_hat * centered).sum(axis=0) / std**2
    d_centered = d_hat / std + d_std * centered / (n * std)
    return (
        d_centered - d_centered.sum(axis=0) / n,
        (upstream * centered / std).sum(axis=0),
        upstream.sum(axis=0),
    )


def by_pytorch(X: Any, gamma: Any, upstream: Any, *, epsilon: float) -> Any:
    """Answer by automatic differentiation."""
    X, gamma, upstream = map(torch.tensor, (X, gamma, upstream))
    inputs = X, gamma, torch.zeros_like(gamma)
    for each in inputs:
        each.requires_grad_()
    Y = PYTORCH(X, None, None, *inputs[1:], training=True, eps=epsilon)
    return tuple(each.numpy() for each in torch.autograd.grad(Y, inputs, upstream))


@pytest.mark.parametrize("answer", [as_on_the_page, step_by_step, by_pytorch])
def test_the_exercise_takes_each_right_way_to_write_the_backward_pass(
    answer: Callable[..., Any],
) -> None:
    exercise = named("write-training-batch-normalization-backward")

    assert check(exercise, answer).right


# What it cannot see


def test_scale_and_shift_of_a_feature_do_not_matter_and_no_gradient_changes_them(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    X, gamma, beta, upstream = map(array, some(rng, (6, 3)))
    scale, shift = array(np.array([0.01, 3.0, 1e4])), array(rng.normal(size=3))

    Y, *_ = batch_norm_forward(X, gamma, beta, epsilon=0.0)
    moved, *_ = batch_norm_forward(scale * X + shift, gamma, beta, epsilon=0.0)
    dX, *_ = batch_norm_backward(X, gamma, upstream, epsilon=0.0)

    np.testing.assert_allclose(moved, Y, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(dX.sum(0), np.zeros(3), atol=1e-12)
    np.testing.assert_allclose((dX * X).sum(0), np.zeros(3), atol=1e-12)


@pytest.mark.parametrize("factor", [0.1, 5.0])
def test_weights_before_it_can_grow_unseen_and_their_gradient_shrinks(
    rng: np.random.Generator, factor: float
) -> None:
    X, W, upstream = (rng.normal(size=s) for s in ((8, 4), (4, 3), (8, 3)))
    gamma, beta = rng.normal(size=(2, 3))

    def pass_through(W: NDArray[Any]) -> tuple[Any, Any]:
        Y, *_ = batch_norm_forward(X @ W, gamma, beta, epsilon=0.0)
        dZ, *_ = batch_norm_backward(X @ W, gamma, upstream, epsilon=0.0)
        return Y, X.T @ dZ

    Y, dW = pass_through(W)
    same, smaller = pass_through(factor * W)

    np.testing.assert_allclose(same, Y, rtol=1e-9)
    np.testing.assert_allclose(smaller, dW / factor, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose((W * dW).sum(axis=0), np.zeros(3), atol=1e-12)


def test_a_bias_before_it_is_without_effect_and_without_a_gradient(
    rng: np.random.Generator,
) -> None:
    Z, gamma, beta, upstream = some(rng, (6, 3))

    Y, *_ = batch_norm_forward(Z, gamma, beta)
    biased, *_ = batch_norm_forward(Z + rng.normal(size=3), gamma, beta)
    dZ, *_ = batch_norm_backward(Z, gamma, upstream)

    np.testing.assert_allclose(biased, Y, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(dZ.sum(axis=0), np.zeros(3), atol=1e-12)


def test_a_constant_feature_becomes_its_shift(array: Callable[[Any], Any]) -> None:
    X, gamma, beta = map(array, (np.full((3, 1), 0.1), np.ones(1), np.full(1, 7.0)))

    Y, _, variance = batch_norm_forward(X, gamma, beta)
    dX, dgamma, _ = batch_norm_backward(X, gamma, X)

    np.testing.assert_allclose(Y, np.full((3, 1), 7.0), rtol=1e-12)
    np.testing.assert_allclose(variance, [0.0], atol=1e-30)
    np.testing.assert_allclose(dX, np.zeros((3, 1)), atol=1e-12)
    np.testing.assert_allclose(dgamma, [0.0], atol=1e-12)


# Folding


@pytest.mark.verifies("eq-bn-fold")
def test_a_folded_layer_does_what_both_do(run: Run, rng: np.random.Generator) -> None:
    X, W = rng.normal(size=(6, 4)), rng.normal(size=(4, 3))
    b, gamma, beta, mean = rng.normal(size=(4, 3))
    variance = rng.uniform(0.1, 2, size=3)

    given = (W, b, gamma, beta, mean, variance)
    folded, bias = run(partial(fold_batch_norm, epsilon=0.1), *given)

    theirs: Any = [
        torch.tensor(each) for each in (X @ W + b, mean, variance, gamma, beta)
    ]
    wanted = PYTORCH(*theirs, eps=0.1)
    np.testing.assert_allclose(X @ folded + bias, wanted, rtol=1e-10, atol=1e-12)


# Precision


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_half_precision_is_computed_in_single_and_rounded_once(
    rng: np.random.Generator, dtype: torch.dtype
) -> None:
    X, gamma, beta, upstream = (torch.tensor(each) for each in some(rng, (300, 3)))
    X = 200 * X  # whose squares exceed what half precision holds
    given: Any = [each.to(dtype) for each in (X, gamma, beta, upstream)]
    x, g, b, up = (each.double() for each in given)
    close = partial(torch.testing.assert_close, check_dtype=False)
    last = 2 * torch.finfo(dtype).eps

    Y, *averages = train(*given[:3], torch.zeros(3), torch.ones(3))
    gradients = backward(*given[:2], given[3])
    later = batch_norm_eval(*given[:3], *averages)

    zeros, ones = torch.zeros(3).double(), torch.ones(3).double()
    wanted, *kept = batch_norm_train(x, g, b, zeros, ones)
    close(Y, wanted, rtol=last, atol=last)
    close(averages, kept, rtol=1e-5, atol=1e-3)
    close(later, batch_norm_eval(x, g, b, *kept), rtol=last, atol=last)
    for got, want in zip(gradients, batch_norm_backward(x, g, up), strict=True):
        close(got, want, rtol=last, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_results_have_the_precision_of_what_they_belong_to(
    rng: np.random.Generator, dtype: torch.dtype
) -> None:
    X, gamma, beta, upstream = (
        torch.tensor(each).to(dtype) for each in some(rng, (4, 4))
    )
    averages: Any = torch.zeros(4), torch.ones(4)

    Y, *kept = batch_norm_train(X, gamma, beta, *averages)
    gradients = batch_norm_backward(X, gamma, upstream)
    later = batch_norm_eval(X, gamma, beta, *averages)
    folded = fold_batch_norm(X, beta, gamma, beta, *averages)

    assert {each.dtype for each in (Y, *gradients, later, *folded)} == {dtype}
    assert {each.dtype for each in kept} == {torch.float32}


def test_bfloat16_is_computed_in_single_too(rng: np.random.Generator) -> None:
    X, gamma, beta, _ = (torch.tensor(each).bfloat16() for each in some(rng, (300, 3)))

    Y, mean, variance = batch_norm_forward(X, gamma, beta)
    later = batch_norm_eval(X, gamma, beta, mean, variance)

    wanted, *_ = batch_norm_forward(X.float(), gamma.float(), beta.float())
    assert (Y.dtype, later.dtype) == (torch.bfloat16, torch.bfloat16)
    assert (mean.dtype, variance.dtype) == (torch.float32, torch.float32)
    assert torch.equal(Y, wanted.bfloat16())
    torch.testing.assert_close(later, Y)


# What is refused


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1), (0, 3)])
def test_a_single_value_for_a_feature_is_refused_in_pytorchs_words(
    shape: tuple[int, ...], array: Callable[[Any], Any]
) -> None:
    X, gamma, beta = map(array, (np.ones(shape), np.ones(3), np.zeros(3)))
    said = "Expected more than 1 value per channel when training, got input size"

    for call in (
        lambda: batch_norm_forward(X, gamma, beta),
        lambda: batch_norm_train(X, gamma, beta, gamma, beta),
        lambda: batch_norm_backward(X, gamma, X),
        lambda: PYTORCH(torch.ones(1, 3), None, None, training=True),
    ):
        with pytest.raises(ValueError, match=said):
            call()


def test_settings_out_of_range_and_nothing_to_average_are_refused() -> None:
    X, one = np.ones((2, 3)), np.ones(3)

    for call in (
        lambda epsilon: standardize(X, axes=(0,), epsilon=epsilon),
        lambda epsilon: batch_norm_forward(X, one, one, epsilon=epsilon),
        lambda epsilon: batch_norm_eval(X, one, one, one, one, epsilon=epsilon),
        lambda epsilon: batch_norm_backward(X, one, X, epsilon=epsilon),
        lambda epsilon: fold_batch_norm(X, *[one] * 5, epsilon=epsilon),
    ):
        for bad in (-1.0, np.nan):
            with pytest.raises(ValueError, match=f"epsilon must be .*got {bad}"):
                call(bad)
    update = partial(batch_norm_update_running, one, one, one, one)
    with pytest.raises(ValueError, match=r"momentum must be from 0 to 1, got 1\.5"):
        update(instances=2, momentum=1.5)
    with pytest.raises(ValueError, match="instances must be an int of at least 2"):
        update(instances=1)
    assert update(instances=1, unbiased=False)[1].tolist() == [1.0] * 3
    with pytest.raises(ValueError, match=r"numbers along \(0,\), got shape \(0, 3\)"):
        standardize(np.ones((0, 3)), axes=(0,))
    with pytest.raises(TypeError, match="wants Float numbers in X, got int64"):
        batch_norm_forward(np.ones((2, 3), dtype=int), one, one)
