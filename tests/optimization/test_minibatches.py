"""Mini-batches against PyTorch, and against every mini-batch that can be drawn."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.optimization.minibatches import (
    accumulated_gradient,
    epoch,
    minibatch_gradient,
    minibatch_variance,
)


def regression(rng: np.random.Generator, instances: int = 7, inputs: int = 3) -> Any:
    """Draw inputs, targets, weights and a bias."""
    X, y = rng.normal(size=(instances, inputs)) + 0.5, rng.normal(size=instances)
    return X, y, rng.normal(size=inputs), np.asarray(rng.normal())


def loss(w: Any, b: Any, x: Any, target: Any) -> Any:
    """Return the loss of one instance."""
    return (x @ w + b - target) ** 2 / 2


@pytest.mark.verifies("eq-minibatch-gradient")
@pytest.mark.parametrize("batch", [[4], [6, 0, 3], [2, 2, 5]])
def test_the_gradient_is_the_mean_of_those_of_single_instances(
    batch: list[int], rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    arrays = regression(rng)
    X, y, w, b = map(torch.asarray, arrays)
    each = torch.func.vmap(torch.func.grad(loss, (0, 1)), (None, None, 0, 0))
    of_weights, of_bias = each(w, b, X, y)

    ours = run(minibatch_gradient, *arrays, np.array(batch))

    np.testing.assert_allclose(ours[0], of_weights[batch].mean(0), rtol=1e-12)
    np.testing.assert_allclose(ours[1], of_bias[batch].mean(), rtol=1e-12)


def test_the_gradient_is_the_slope_of_the_mean_loss(rng: np.random.Generator) -> None:
    X, y, w, b = regression(rng)
    batch = np.array([5, 1, 2])

    def mean_loss(w: Any, b: Any) -> float:
        return float(np.mean([loss(w, b, X[n], y[n]) for n in batch]))

    bumps = 1e-5 * np.eye(3)
    slopes = [(mean_loss(w + h, b) - mean_loss(w - h, b)) / 2e-5 for h in bumps]
    slope = (mean_loss(w, b + 1e-5) - mean_loss(w, b - 1e-5)) / 2e-5

    of_weights, of_bias = minibatch_gradient(X, y, w, b, batch)

    np.testing.assert_allclose(of_weights, slopes, rtol=1e-7)
    np.testing.assert_allclose(of_bias, slope, rtol=1e-7)


@pytest.mark.verifies("eq-minibatch-gradient")
@pytest.mark.parametrize(
    "batches", [product(range(5), repeat=2), combinations(range(5), 2)]
)
def test_the_mean_over_all_mini_batches_is_the_full_gradient(
    batches: Iterator[tuple[int, ...]], rng: np.random.Generator
) -> None:
    X, y, w, b = regression(rng, instances=5)

    each = [minibatch_gradient(X, y, w, b, np.array(batch)) for batch in batches]

    for k, full in enumerate(minibatch_gradient(X, y, w, b, np.arange(5))):
        np.testing.assert_allclose(np.mean([one[k] for one in each], 0), full)


@pytest.mark.verifies("eq-minibatch-variance")
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_variance_is_that_over_all_mini_batches(
    size: int, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    gradients = rng.normal(size=(5, 2, 3))
    brute_force = [
        np.var([gradients[list(batch)].mean(axis=0) for batch in batches], axis=0)
        for batches in (product(range(5), repeat=size), combinations(range(5), size))
    ]

    ours = run(partial(minibatch_variance, batch_size=size), gradients)

    np.testing.assert_allclose(ours[0], brute_force[0], rtol=1e-12)
    np.testing.assert_allclose(ours[1], brute_force[1], rtol=1e-12, atol=1e-16)


def test_a_single_instance_has_no_variance() -> None:
    both = minibatch_variance(np.ones((1, 2)), batch_size=1)

    np.testing.assert_array_equal(both, np.zeros((2, 2)))


@pytest.mark.verifies("eq-minibatch-epoch")
@pytest.mark.parametrize("size", [1, 3, 7, 9])
def test_an_epoch_is_that_of_a_data_loader_of_pytorch(
    size: int, rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    X, y, w, b = regression(rng)
    order, rate = rng.permutation(7), rng.uniform(0.1, 0.3)
    model = torch.nn.Linear(3, 1).double()
    model.load_state_dict(
        {"weight": torch.asarray(w)[None], "bias": torch.asarray(b)[None]}
    )
    data = torch.utils.data.TensorDataset(torch.asarray(X), torch.asarray(y))
    loader = torch.utils.data.DataLoader(data, size, sampler=order.tolist())
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for x, target in loader:
        optimizer.zero_grad()
        mean = torch.nn.functional.mse_loss(model(x)[:, 0], target)
        torch.autograd.backward(mean / 2)
        optimizer.step()

    step = partial(epoch, batch_size=size, learning_rate=rate)
    of_weights, of_bias = run(step, X, y, w, b, order)

    np.testing.assert_allclose(of_weights, model.weight.detach()[0], rtol=1e-12)
    np.testing.assert_allclose(of_bias, model.bias.detach()[0], rtol=1e-12)


def test_an_epoch_on_copies_is_as_many_epochs(rng: np.random.Generator) -> None:
    X, y, w, b = regression(rng)
    order = rng.permutation(7)
    orders = np.concatenate([order + 7 * copy for copy in range(3)])
    settings: dict[str, Any] = {"batch_size": 7, "learning_rate": 0.2}

    many = epoch(np.tile(X, (3, 1)), np.tile(y, 3), w, b, orders, **settings)
    for _ in range(3):
        w, b = epoch(X, y, w, b, order, **settings)

    np.testing.assert_allclose(many[0], w, rtol=1e-12)
    np.testing.assert_allclose(many[1], b, rtol=1e-12)


@pytest.mark.verifies("eq-minibatch-accumulation")
def test_accumulated_gradients_are_those_of_pytorch(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    X, y, w, b = regression(rng)
    parts = [np.array([3, 0, 6]), np.array([1]), np.array([4, 2])]
    theirs = torch.asarray(w).requires_grad_()
    for part in parts:
        errors = torch.asarray(X[part]) @ theirs + float(b) - torch.asarray(y[part])
        torch.autograd.backward((errors**2).sum() / 2 / 6)

    each = [minibatch_gradient(X, y, w, b, part)[0] for part in parts]
    ours = run(accumulated_gradient, np.array(each), np.array([3, 1, 2]))

    assert theirs.grad is not None
    np.testing.assert_allclose(ours, theirs.grad, rtol=1e-12)


def test_parts_may_be_single_numbers_or_matrices(rng: np.random.Generator) -> None:
    sizes = np.array([2, 5, 1])

    for shape in [(), (2, 3)]:
        gradients = rng.normal(size=(3, *shape))
        expected = np.average(gradients, axis=0, weights=sizes)
        np.testing.assert_allclose(accumulated_gradient(gradients, sizes), expected)


def test_single_precision_stays_single(rng: np.random.Generator) -> None:
    X, y, w, b = (each.astype(np.float32) for each in regression(rng))
    order = np.arange(7)

    found = [
        *minibatch_gradient(X, y, w, b, order),
        *minibatch_variance(X, batch_size=2),
        *epoch(X, y, w, b, order, batch_size=2, learning_rate=0.1),
        accumulated_gradient(X, order + 1),
    ]

    assert {each.dtype for each in found} == {np.dtype(np.float32)}


def test_pytorch_differentiates_an_epoch(rng: np.random.Generator) -> None:
    X, y, w, b = map(torch.asarray, regression(rng))

    def after(w: torch.Tensor) -> Any:
        return epoch(X, y, w, b, torch.arange(7), batch_size=3, learning_rate=0.1)[0]

    assert torch.autograd.gradcheck(after, w.requires_grad_())


@pytest.mark.parametrize("size", [0, 2.0])
def test_a_size_below_one_or_broken_is_refused(size: Any) -> None:
    X, y, w, b = np.ones((2, 1)), np.ones(2), np.ones(1), np.array(0.0)
    wanted = f"batch_size must be an int of at least 1, got {size}"

    with pytest.raises(ValueError, match=wanted):
        minibatch_variance(X, batch_size=size)
    with pytest.raises(ValueError, match=wanted):
        epoch(X, y, w, b, np.arange(2), batch_size=size, learning_rate=0.1)


def test_in_half_precision_sizes_may_be_beyond_its_range(
    array: Callable[[Any], Any],
) -> None:
    gradients = array(np.array([1.0, 2.0], np.float16))

    got = accumulated_gradient(gradients, array(np.array([70_000, 70_000])))

    assert float(got) == 1.5


@pytest.mark.parametrize("array", [np.asarray, torch.asarray], ids=["numpy", "torch"])
def test_in_half_precision_a_sum_may_be_beyond_its_range(
    array: Callable[[Any], Any],
) -> None:
    X, y = np.full((1024, 1), 10, np.float16), np.zeros(1024, np.float16)
    w, b = np.ones(1, np.float16), np.zeros((), np.float16)

    gradients = minibatch_gradient(*map(array, (X, y, w, b, np.arange(1024))))

    np.testing.assert_allclose([each.item() for each in gradients], [100, 10], 0.01)


def test_what_cannot_be_a_mini_batch_is_refused() -> None:
    X, y, w, b = np.ones((2, 1)), np.ones(2), np.ones(1), np.array(0.0)
    none = np.zeros(0, dtype=int)

    with pytest.raises(ValueError, match="at most the number of instances, 2, got 3"):
        minibatch_variance(X, batch_size=3)
    with pytest.raises(ValueError, match="batch must have at least 1 entry, got 0"):
        minibatch_gradient(X, y, w, b, none)
    with pytest.raises(ValueError, match="sizes must have at least 1 entry, got 0"):
        accumulated_gradient(np.zeros((0, 1)), none)
    with pytest.raises(ValueError, match="sizes must be at least 1"):
        accumulated_gradient(np.ones(2), np.array([2, 0]))
    with pytest.raises(ValueError, match=r"learning_rate must be at least 0, got -0.1"):
        epoch(X, y, w, b, np.arange(2), batch_size=1, learning_rate=-0.1)


def test_a_common_offset_of_all_gradients_does_not_hide_their_variance() -> None:
    gradients = 1e8 + np.array([1.0, 2.0, 6.0])

    once, _ = minibatch_variance(gradients, batch_size=1)

    assert float(once) == pytest.approx(14 / 3)
