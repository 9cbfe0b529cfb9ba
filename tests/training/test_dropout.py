"""Dropout against loops over all masks, PyTorch, SciPy and difference quotients."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import binom
from torch.nn import functional

from dlnotes.training.dropout import (
    apply_mask,
    channel_dropout,
    dropout,
    dropout_backward,
    dropout_mask,
    dropout_penalty,
    dropout_variance,
    enumerate_subnetworks,
    inverted_dropout,
    mask_probabilities,
    subnetwork_ensemble,
)

Run = Callable[..., Any]
Make = Callable[[Any], Any]


def probability(mask: tuple[int, ...], p: float) -> float:
    """Multiply, unit by unit, the probability that it is as the mask has it."""
    return float(np.prod([1 - p if kept else p for kept in mask]))


# Masks


@pytest.mark.verifies("eq-dropout-mask")
def test_every_engine_keeps_what_is_drawn_at_p_or_above(
    run: Run, rng: np.random.Generator
) -> None:
    u = rng.random((4, 5))
    u[0, :3] = 0.3, 0.0, np.nextafter(0.3, 0)

    mask = run(lambda u: dropout_mask(u, p=0.3), u)

    assert mask.dtype == bool
    assert mask.tolist() == [[number >= 0.3 for number in row] for row in u.tolist()]
    assert mask[0, :3].tolist() == [True, False, False]


@pytest.mark.verifies("eq-dropout-mask")
def test_nothing_is_dropped_at_zero_and_all_at_one(
    array: Make, rng: np.random.Generator
) -> None:
    u = array(np.append(rng.random(50), [0.0, np.nextafter(1.0, 0)]))

    assert dropout_mask(u, p=0).all()
    assert not dropout_mask(u, p=1).any()


# Training and inference


@pytest.mark.verifies("eq-dropout")
def test_every_engine_drops_and_divides_as_a_loop_does(
    run: Run, rng: np.random.Generator
) -> None:
    H, u = rng.normal(size=(3, 4, 2)), rng.random((3, 4, 2))
    u[0, 0, 0], u[2, 1, 1] = 0.3, np.nextafter(0.3, 0)

    found = run(lambda H, u: inverted_dropout(H, u, p=0.3, training=True), H, u)

    assert found.dtype == np.float64
    for place in np.ndindex(H.shape):
        wanted = H[place] / 0.7 if u[place] >= 0.3 else 0.0
        assert found[place] == pytest.approx(wanted, rel=1e-14)


@pytest.mark.verifies("eq-dropout")
def test_at_inference_every_engine_returns_what_it_got(
    run: Run, rng: np.random.Generator
) -> None:
    H, u = rng.normal(size=(2, 4)), np.zeros((2, 4))

    found = run(lambda H, u: inverted_dropout(H, u, p=0.9, training=False), H, u)

    np.testing.assert_array_equal(found, H)


@pytest.mark.verifies("eq-dropout")
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_it_is_pytorchs_to_the_last_bit_with_the_mask_of_pytorch(
    dtype: torch.dtype, p: float
) -> None:
    H = torch.randn(40, 30, generator=torch.Generator().manual_seed(0)).to(dtype)
    H.requires_grad_()
    torch.manual_seed(1)
    theirs = functional.dropout(H, p)
    mask = theirs.detach() != 0

    ours = apply_mask(H, mask, p=p)
    (gradient,) = torch.autograd.grad(ours.sum(), H)

    assert ours.dtype == dtype
    assert torch.equal(ours, theirs)
    assert torch.equal(gradient, torch.autograd.grad(theirs.sum(), H)[0])


@pytest.mark.verifies("eq-dropout")
def test_numpy_computes_in_single_precision_what_pytorch_does(
    rng: np.random.Generator,
) -> None:
    H = rng.normal(size=(40, 30)).astype(np.float32)
    torch.manual_seed(1)
    theirs = functional.dropout(torch.tensor(H), 0.3).numpy()

    ours = inverted_dropout(
        H, (theirs != 0).astype(np.float32) / 2, p=0.3, training=True
    )

    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.verifies("eq-dropout")
def test_the_mean_over_all_masks_is_the_activation(
    array: Make, rng: np.random.Generator
) -> None:
    h, p = rng.normal(size=4), 0.3

    mean = sum(
        probability(mask, p)
        * np.asarray(
            inverted_dropout(array(h), array(0.9 * np.array(mask)), p=p, training=True)
        )
        for mask in product((0, 1), repeat=4)
    )

    np.testing.assert_allclose(mean, h, rtol=1e-12)


@pytest.mark.parametrize("sizes", [(3, 1, 4), (1, 5, 1), (3, 5, 4)])
def test_an_axis_of_size_one_is_kept_or_dropped_together(
    run: Run, rng: np.random.Generator, sizes: tuple[int, ...]
) -> None:
    H, mask = rng.normal(size=(3, 5, 4)), rng.random(sizes) < 0.6

    found = run(lambda H, mask: apply_mask(H, mask, p=0.4), H, mask)

    for i, j, k in np.ndindex(H.shape):
        a, b, c = (min(at, size - 1) for at, size in zip((i, j, k), sizes, strict=True))
        wanted = H[i, j, k] / 0.6 if mask[a, b, c] else 0.0
        assert found[i, j, k] == pytest.approx(wanted, rel=1e-14)


# Random draws


@pytest.mark.verifies("eq-dropout")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_drawn_masks_drop_a_share_of_p_and_keep_the_mean(
    array: Make, rng: np.random.Generator, dtype: str
) -> None:
    H = array(np.full((400, 250), 7.0, dtype=dtype))

    found = dropout(H, p=0.3, rng=rng)

    assert found.dtype == H.dtype
    zeros = np.asarray(found == 0)
    np.testing.assert_allclose(np.asarray(found)[~zeros], 7 / 0.7, rtol=1e-6)
    assert abs(zeros.sum() - 30_000) < 4 * (100_000 * 0.3 * 0.7) ** 0.5
    assert float(found.mean()) == pytest.approx(7, abs=0.06)
    dropped = zeros.sum(axis=1)  # by each row: Binomial(250, 0.3)
    assert dropped.var() == pytest.approx(250 * 0.3 * 0.7, rel=0.3)
    assert abs(np.corrcoef(zeros[:, :-1].ravel(), zeros[:, 1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(zeros[:-1].ravel(), zeros[1:].ravel())[0, 1]) < 0.02


def test_the_generator_alone_decides_and_both_libraries_draw_alike(
    rng: np.random.Generator,
) -> None:
    H = rng.normal(size=(6, 7))

    first, again, other = (
        dropout(H, p=0.5, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    tensor = dropout(torch.tensor(H), p=0.5, rng=np.random.default_rng(1))

    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, tensor.numpy())
    assert (first != other).any()


@pytest.mark.usefixtures("other_device")
def test_a_tensor_on_another_device_stays_there(other_device: torch.device) -> None:
    H = torch.ones(3, 4).to(other_device)

    found = dropout(H, p=0.5, rng=np.random.default_rng(0))

    assert found.device == other_device
    assert {*found.cpu().flatten().tolist()} == {0.0, 2.0}


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_the_ends_of_the_range_keep_all_or_nothing(
    array: Make, rng: np.random.Generator, p: float
) -> None:
    H = rng.normal(size=(5, 6))

    found = dropout(array(H), p=p, rng=rng)

    np.testing.assert_array_equal(np.asarray(found), (1 - p) * H)


# Backward


@pytest.mark.verifies("eq-dropout-backward")
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_the_gradient_is_that_of_autograd_and_of_difference_quotients(
    run: Run, rng: np.random.Generator, p: float
) -> None:
    H, upstream = rng.normal(size=(2, 3, 5))
    mask = rng.random((3, 5)) >= p

    found = run(lambda G, mask: dropout_backward(G, mask, p=p), upstream, mask)

    leaf = torch.tensor(H, requires_grad=True)
    out = inverted_dropout(
        leaf, torch.tensor(mask.astype(float)) * (1 - 1e-9), p=p, training=True
    )
    (theirs,) = torch.autograd.grad(out, leaf, torch.tensor(upstream))
    np.testing.assert_allclose(found, theirs, rtol=1e-12)
    for place in np.ndindex(H.shape):
        step = np.zeros_like(H)
        step[place] = 1e-6
        low, high = (apply_mask(H + k * step, mask, p=p) for k in (-1, 1))
        quotient = (upstream * (high - low)).sum() / 2e-6
        assert found[place] == pytest.approx(quotient, abs=1e-8)


# Variance


@pytest.mark.verifies("eq-dropout-variance")
def test_the_variance_is_that_over_all_masks(
    run: Run, rng: np.random.Generator
) -> None:
    h, p = rng.normal(size=4), 0.35

    found = run(lambda h: dropout_variance(h, p=p), h)

    outcomes = [
        (probability(mask, p), np.array(mask) * h / (1 - p))
        for mask in product((0, 1), repeat=4)
    ]
    mean = sum(share * each for share, each in outcomes)
    wanted = sum(share * (each - mean) ** 2 for share, each in outcomes)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


# Channels


@pytest.mark.verifies("eq-channel-dropout")
def test_channels_are_dropped_whole_each_image_by_itself(
    array: Make, rng: np.random.Generator
) -> None:
    X = rng.normal(size=(300, 20, 3, 2))

    found = np.asarray(channel_dropout(array(X), p=0.2, rng=rng))

    zeros = (found == 0).all(axis=(2, 3))
    np.testing.assert_array_equal(found[zeros], 0)
    np.testing.assert_allclose(found[~zeros], X[~zeros] / 0.8, rtol=1e-14)
    assert zeros.mean() == pytest.approx(0.2, abs=0.02)
    assert zeros.sum(axis=0).min() > 0
    assert zeros.sum(axis=1).var() == pytest.approx(20 * 0.2 * 0.8, rel=0.3)


@pytest.mark.verifies("eq-channel-dropout")
def test_channels_have_the_values_of_pytorchs_dropout2d() -> None:
    X = torch.randn(4, 5, 3, 3, dtype=torch.float64)
    theirs = functional.dropout2d(X, 0.4)
    kept = (theirs != 0).any(dim=3, keepdim=True).any(dim=2, keepdim=True)

    assert torch.equal(apply_mask(X, kept, p=0.4), theirs)


# The penalty of a linear model


@pytest.mark.verifies("eq-dropout-penalty")
def test_the_penalty_is_what_all_masks_add_to_the_squared_error(
    run: Run, rng: np.random.Generator
) -> None:
    X, w, y, p = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=3), 0.3

    found = float(run(lambda X, w: dropout_penalty(X, w, p=p), X, w))

    noisy = 0.0
    for x, target in zip(X, y, strict=True):
        for mask in product((0, 1), repeat=4):
            error = sum(r * a * b for r, a, b in zip(mask, x, w, strict=True)) / 0.7
            noisy += probability(mask, p) * (error - target) ** 2
    clean = sum((float(np.dot(x, w)) - t) ** 2 for x, t in zip(X, y, strict=True))
    assert found == pytest.approx(noisy - clean, rel=1e-10)


@pytest.mark.verifies("eq-dropout-penalty")
def test_its_gradient_is_that_of_a_ridge_with_the_scale_of_each_input(
    rng: np.random.Generator,
) -> None:
    X = rng.normal(size=(9, 3)) * [1.0, 10.0, 0.1]
    w = torch.tensor(rng.normal(size=3), requires_grad=True)

    penalty = dropout_penalty(torch.tensor(X), w, p=0.2)
    (gradient,) = torch.autograd.grad(penalty, w)

    wanted = 2 * 0.25 * np.diag(X.T @ X) * w.detach().numpy()
    np.testing.assert_allclose(gradient.numpy(), wanted, rtol=1e-12)


# Subnetworks


@pytest.mark.parametrize("units", [1, 2, 5])
def test_all_masks_are_listed_once(units: int) -> None:
    masks = enumerate_subnetworks(units)

    assert masks.dtype == bool
    assert [tuple(map(int, mask)) for mask in masks.tolist()] == [
        *product((0, 1), repeat=units)
    ]


@pytest.mark.verifies("eq-mask-probability")
@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 1.0])
def test_masks_that_keep_as_many_units_add_up_to_the_binomial_distribution(
    p: float,
) -> None:
    masks = enumerate_subnetworks(5)

    found = mask_probabilities(masks, p=p)

    kept = masks.sum(axis=1)
    for k in range(6):
        assert found[kept == k].sum() == pytest.approx(binom.pmf(k, 5, 1 - p))
        assert np.ptp(found[kept == k]) == 0
    for mask, share in zip(masks.tolist(), found, strict=True):
        assert share == pytest.approx(probability(mask, p))


def brute_force(
    x: NDArray[Any], W: NDArray[Any], b: NDArray[Any], p: float
) -> NDArray[Any]:
    """Multiply the powers of the probabilities of all masks, one after another."""
    total = np.ones(len(b))
    for mask in product((0, 1), repeat=len(x)):
        total *= softmax(np.array(mask) * x @ W + b) ** probability(mask, p)
    return total / total.sum()


@pytest.mark.verifies("eq-dropout-ensemble")
def test_the_ensemble_of_every_engine_is_that_of_a_loop_over_masks(
    run: Run, rng: np.random.Generator
) -> None:
    x, W, b = rng.normal(size=4), rng.normal(size=(4, 3)), rng.normal(size=3)

    found = run(subnetwork_ensemble, x, W, b)

    np.testing.assert_allclose(found, brute_force(x, W, b, 0.5), rtol=1e-12)


@pytest.mark.verifies("eq-dropout-ensemble")
@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 0.9])
def test_it_is_one_network_with_scaled_weights(
    array: Make, rng: np.random.Generator, p: float
) -> None:
    x, W, b = rng.normal(size=6), rng.normal(size=(6, 4)), rng.normal(size=4)

    found = subnetwork_ensemble(*map(array, (x, W, b)), p=p)

    np.testing.assert_allclose(
        np.asarray(found), softmax((1 - p) * x @ W + b), rtol=1e-12
    )
    np.testing.assert_allclose(np.asarray(found), brute_force(x, W, b, p), rtol=1e-10)


@pytest.mark.verifies("eq-dropout-ensemble")
def test_logits_that_are_far_apart_do_not_overflow(array: Make) -> None:
    x, W, b = np.array([1.0, 2.0]), np.array([[900.0, 0.0], [0.0, 450.0]]), np.zeros(2)

    found = subnetwork_ensemble(*map(array, (x, W, b)))

    np.testing.assert_allclose(np.asarray(found), [0.5, 0.5], rtol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_ensemble_has_the_precision_of_the_inputs(array: Make, dtype: str) -> None:
    x, W, b = (array(np.ones(size, dtype=dtype)) for size in (2, (2, 3), 3))

    found = subnetwork_ensemble(x, W, b)

    assert found.dtype == x.dtype
    np.testing.assert_allclose(np.asarray(found), [1 / 3] * 3, rtol=1e-6)


# What is refused


TAKE_P: dict[str, Callable[..., Any]] = {
    "mask": lambda x, p: dropout_mask(x, p=p),
    "given mask": lambda x, p: apply_mask(x, x > 0, p=p),
    "training": lambda x, p: inverted_dropout(x, x, p=p, training=True),
    "inference": lambda x, p: inverted_dropout(x, x, p=p, training=False),
    "draw": lambda x, p: dropout(x, p=p, rng=np.random.default_rng(0)),
    "backward": lambda x, p: dropout_backward(x, x > 0, p=p),
    "probabilities": lambda _, p: mask_probabilities(enumerate_subnetworks(2), p=p),
    "ensemble": lambda x, p: subnetwork_ensemble(x, x[:, None], x[:1], p=p),
}


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("name", TAKE_P)
def test_a_rate_that_is_no_probability_is_refused(
    array: Make, name: str, p: float
) -> None:
    with pytest.raises(ValueError, match=f"^p must be from 0 to 1, got {p}$"):
        TAKE_P[name](array(np.ones(3)), p)


def test_a_rate_of_one_is_refused_where_the_result_would_be_infinite(
    array: Make,
) -> None:
    x, wants = array(np.ones(3)), r"^p must be at least 0 and less than 1, got 1\.0$"

    with pytest.raises(ValueError, match=wants):
        dropout_variance(x, p=1.0)
    with pytest.raises(ValueError, match=wants):
        dropout_penalty(x[None], x, p=1.0)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2), (1, 4, 3), ()])
def test_a_mask_that_does_not_fit_is_refused(
    array: Make, shape: tuple[int, ...]
) -> None:
    H, mask = array(np.ones((4, 3))), array(np.ones(shape, dtype=bool))

    with pytest.raises(ValueError, match=r"^mask must have the shape of H, \(4, 3\), "):
        apply_mask(H, mask, p=0.5)


@pytest.mark.parametrize("units", [0, 21, 2.5])
def test_no_layer_and_too_many_units_to_enumerate_are_refused(units: int) -> None:
    with pytest.raises(ValueError, match=r"^units must be "):
        enumerate_subnetworks(units)


def test_a_seed_is_no_generator(array: Make) -> None:
    rng: Any = 0
    for call in (dropout, channel_dropout):
        with pytest.raises(TypeError, match=r"^rng must be a numpy\.random\.Generator"):
            call(array(np.ones((1, 1, 2, 2))), p=0.5, rng=rng)
