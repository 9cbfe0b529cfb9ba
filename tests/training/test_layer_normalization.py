"""Layer, group, instance and RMS normalization against loops and PyTorch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from dlnotes.networks.backpropagation import numerical_gradient
from dlnotes.training.layer_normalization import (
    group_norm_backward,
    group_norm_forward,
    instance_norm_forward,
    layer_norm_backward,
    layer_norm_forward,
    rms_norm_backward,
    rms_norm_forward,
)

Run = Callable[..., Any]
Array = Callable[[Any], Any]
ROWS = [(4,), (5, 3), (2, 3, 4)]
IMAGES = [(3, 6), (2, 6, 5), (3, 4, 2, 5)]
PYTORCH_LAYER: Callable[..., Any] = functional.layer_norm
PYTORCH_GROUP: Callable[..., Any] = functional.group_norm
PYTORCH_INSTANCE: Callable[..., Any] = functional.instance_norm
PYTORCH_RMS: Callable[..., Any] = functional.rms_norm


def some(
    rng: np.random.Generator, shape: tuple[int, ...], axis: int
) -> tuple[Any, ...]:
    """Draw numbers that differ in scale and mean along an axis, and parameters."""
    along = [1] * len(shape)
    along[axis] = shape[axis]
    X = rng.uniform(0.5, 3, along) * rng.normal(size=shape) + rng.normal(size=along)
    return X, *rng.normal(size=(2, shape[axis])), rng.normal(size=shape)


def tensors(*arrays: Any) -> list[Any]:
    return [torch.tensor(each, requires_grad=True) for each in arrays]


def assert_all_close(found: Any, wanted: Any) -> None:
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


# Layer normalization


@pytest.mark.verifies("eq-layer-norm")
def test_each_instance_is_standardized_over_its_units(
    array: Array, rng: np.random.Generator
) -> None:
    X, gamma, beta, _ = some(rng, (5, 3), -1)

    Y = layer_norm_forward(*map(array, (X, gamma, beta)), epsilon=0.1)

    for row, found in zip(X.tolist(), Y.tolist(), strict=True):
        mu = sum(row) / 3
        root = (sum((x - mu) ** 2 for x in row) / 3 + 0.1) ** 0.5
        wanted = [gamma[j] * (row[j] - mu) / root + beta[j] for j in range(3)]
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.verifies("eq-layer-norm")
@pytest.mark.verifies("eq-layer-norm-backward")
@pytest.mark.parametrize("shape", ROWS)
def test_layer_normalization_is_pytorchs_forward_and_backward(
    array: Array, rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    X, gamma, beta, upstream = some(rng, shape, -1)

    Y = layer_norm_forward(*map(array, (X, gamma, beta)), epsilon=0.1)
    found = layer_norm_backward(*map(array, (X, gamma, upstream)), epsilon=0.1)

    x, weight, bias = tensors(X, gamma, beta)
    theirs = PYTORCH_LAYER(x, shape[-1:], weight, bias, eps=0.1)
    wanted = torch.autograd.grad(theirs, (x, weight, bias), torch.tensor(upstream))
    np.testing.assert_allclose(Y, theirs.detach(), rtol=1e-11, atol=1e-12)
    assert_all_close(found, wanted)


# Groups


@pytest.mark.verifies("eq-group-norm")
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_a_group_of_channels_shares_a_mean_in_each_image(
    array: Array, rng: np.random.Generator, groups: int
) -> None:
    X, gamma, beta, _ = some(rng, (2, 6, 2), 1)

    settings: Any = {"groups": groups, "epsilon": 0.1}
    Y = group_norm_forward(*map(array, (X, gamma, beta)), **settings)

    size = 6 // groups
    for n in range(2):
        for first in range(0, 6, size):
            channels = range(first, first + size)
            values = [X[n, c, p] for c in channels for p in range(2)]
            mu = sum(values) / len(values)
            square = sum((x - mu) ** 2 for x in values) / len(values)
            for c in channels:
                wanted = gamma[c] * (X[n, c] - mu) / (square + 0.1) ** 0.5 + beta[c]
                np.testing.assert_allclose(Y[n, c], wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.verifies("eq-group-norm")
@pytest.mark.verifies("eq-group-norm-backward")
@pytest.mark.parametrize("shape", IMAGES)
@pytest.mark.parametrize("groups", [1, 2])
def test_group_normalization_is_pytorchs_forward_and_backward(
    array: Array, rng: np.random.Generator, shape: tuple[int, ...], groups: int
) -> None:
    X, gamma, beta, upstream = some(rng, shape, 1)

    settings: Any = {"groups": groups, "epsilon": 0.1}
    Y = group_norm_forward(*map(array, (X, gamma, beta)), **settings)
    found = group_norm_backward(*map(array, (X, gamma, upstream)), **settings)

    x, weight, bias = tensors(X, gamma, beta)
    theirs = PYTORCH_GROUP(x, groups, weight, bias, eps=0.1)
    wanted = torch.autograd.grad(theirs, (x, weight, bias), torch.tensor(upstream))
    np.testing.assert_allclose(Y, theirs.detach(), rtol=1e-11, atol=1e-12)
    assert_all_close(found, wanted)


@pytest.mark.verifies("eq-instance-norm")
@pytest.mark.parametrize("shape", [(2, 6, 5), (3, 4, 2, 5)])
def test_instance_normalization_is_pytorchs_and_its_gradient_that_of_groups(
    array: Array, rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    X, gamma, beta, upstream = some(rng, shape, 1)

    Y = instance_norm_forward(*map(array, (X, gamma, beta)), epsilon=0.1)
    backward = partial(group_norm_backward, groups=shape[1], epsilon=0.1)
    found = backward(*map(array, (X, gamma, upstream)))

    x, weight, bias = tensors(X, gamma, beta)
    theirs = PYTORCH_INSTANCE(x, weight=weight, bias=bias, eps=0.1)
    wanted = torch.autograd.grad(theirs, (x, weight, bias), torch.tensor(upstream))
    np.testing.assert_allclose(Y, theirs.detach(), rtol=1e-11, atol=1e-12)
    assert_all_close(found, wanted)


def test_one_group_is_layer_normalization_of_the_whole_image(
    rng: np.random.Generator, array: Array
) -> None:
    X = rng.normal(size=(3, 4, 2, 5))

    found = group_norm_forward(
        *map(array, (X, np.ones(4), np.zeros(4))), groups=1, epsilon=0.1
    )
    rows = map(array, (X.reshape(3, -1), np.ones(40), np.zeros(40)))
    whole = layer_norm_forward(*rows, epsilon=0.1)

    np.testing.assert_allclose(np.asarray(found).reshape(3, -1), whole, rtol=1e-12)


# RMS


@pytest.mark.verifies("eq-rms-norm")
@pytest.mark.verifies("eq-rms-norm-backward")
@pytest.mark.parametrize("shape", ROWS)
def test_rms_normalization_is_pytorchs_forward_and_backward(
    array: Array, rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    X, gamma, _, upstream = some(rng, shape, -1)

    Y = rms_norm_forward(*map(array, (X, gamma)), epsilon=0.1)
    found = rms_norm_backward(*map(array, (X, gamma, upstream)), epsilon=0.1)

    x, weight = tensors(X, gamma)
    theirs = PYTORCH_RMS(x, shape[-1:], weight, eps=0.1)
    wanted = torch.autograd.grad(theirs, (x, weight), torch.tensor(upstream))
    np.testing.assert_allclose(Y, theirs.detach(), rtol=1e-11, atol=1e-12)
    assert_all_close(found, wanted)
    if len(shape) == 2:
        squares = [sum(x * x for x in row) / shape[1] for row in X.tolist()]
        byhand = gamma * X / (np.array(squares)[:, None] + 0.1) ** 0.5
        np.testing.assert_allclose(Y, byhand, rtol=1e-12)


# All of them

NORMS: dict[str, tuple[Any, Any, tuple[int, ...], int]] = {
    "layer": (layer_norm_forward, layer_norm_backward, (3, 4), -1),
    "group": (
        partial(group_norm_forward, groups=2),
        partial(group_norm_backward, groups=2),
        (2, 4, 3),
        1,
    ),
    "instance": (
        instance_norm_forward,
        partial(group_norm_backward, groups=2),
        (2, 2, 3),
        1,
    ),
    "rms": (
        lambda X, gamma, _, **settings: rms_norm_forward(X, gamma, **settings),
        rms_norm_backward,
        (3, 4),
        -1,
    ),
}
every_norm = pytest.mark.parametrize("name", NORMS)


@every_norm
def test_every_engine_computes_the_same(
    run: Run, rng: np.random.Generator, name: str
) -> None:
    forward, backward, shape, axis = NORMS[name]
    given = some(rng, shape, axis)

    def both(X: Any, gamma: Any, beta: Any, upstream: Any) -> tuple[Any, ...]:
        return forward(X, gamma, beta), *backward(X, gamma, upstream)

    assert_all_close(run(both, *given), both(*given))


@pytest.mark.verifies("eq-layer-norm-backward")
@pytest.mark.verifies("eq-group-norm-backward")
@pytest.mark.verifies("eq-rms-norm-backward")
@every_norm
def test_gradients_are_difference_quotients_and_autograds(
    rng: np.random.Generator, name: str
) -> None:
    forward, backward, shape, axis = NORMS[name]
    X, gamma, beta, upstream = some(rng, shape, axis)
    given: Any = [X, gamma, beta]

    found = backward(X, gamma, upstream)

    leaves = tensors(*given)
    traced = torch.autograd.grad(
        forward(*leaves), leaves[: len(found)], torch.tensor(upstream)
    )
    assert_all_close(found, traced)
    for k, got in enumerate(found):

        def moved(theta: Any, k: int = k) -> float:
            there = [*given[:k], theta, *given[k + 1 :]]
            return float((upstream * forward(*there)).sum())

        want = numerical_gradient(moved, given[k], h=1e-6)
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7)


@every_norm
def test_the_usual_epsilon_is_that_of_pytorch(
    rng: np.random.Generator, name: str
) -> None:
    forward, backward, shape, axis = NORMS[name]
    X, gamma, beta, upstream = some(rng, shape, axis)
    X = 0.01 * X  # so that epsilon counts

    Y, (dX, *_) = forward(X, gamma, beta), backward(X, gamma, upstream)

    x, weight, bias = tensors(X, gamma, beta)
    wanted = {
        "layer": lambda: PYTORCH_LAYER(x, shape[-1:], weight, bias),
        "group": lambda: PYTORCH_GROUP(x, 2, weight, bias),
        "instance": lambda: PYTORCH_INSTANCE(x, weight=weight, bias=bias),
        "rms": lambda: PYTORCH_RMS(x, shape[-1:], weight, eps=1e-5),
    }[name]()
    np.testing.assert_allclose(Y, wanted.detach(), rtol=1e-10, atol=1e-12)
    (slope,) = torch.autograd.grad(wanted, x, torch.tensor(upstream))
    np.testing.assert_allclose(dX, slope, rtol=1e-9, atol=1e-9)


@every_norm
def test_an_instance_is_normalized_alone_as_in_a_batch(
    rng: np.random.Generator, name: str, array: Array
) -> None:
    forward, _, shape, axis = NORMS[name]
    X, gamma, beta, _ = some(rng, shape, axis)

    Y = forward(*map(array, (X, gamma, beta)))

    for n in range(shape[0]):
        alone = forward(*map(array, (X[n : n + 1], gamma, beta)))
        np.testing.assert_allclose(alone, Y[n : n + 1], rtol=1e-12)


@every_norm
def test_the_order_of_the_positions_and_the_channels_of_a_group_is_kept(
    rng: np.random.Generator, name: str
) -> None:
    forward, _, shape, axis = NORMS[name]
    X, gamma, _, _ = some(rng, shape, axis)
    X_hat = forward(X, gamma**0, 0 * gamma)
    rows = zip(X.reshape(-1, X.shape[-1]), X_hat.reshape(-1, X.shape[-1]), strict=True)
    for row, found in rows:
        np.testing.assert_array_equal(np.argsort(row), np.argsort(found))


@pytest.mark.parametrize(
    ("name", "unchanged"),
    [
        ("layer", {"scaled instance", "shifted instance"}),
        ("rms", {"scaled instance"}),
        ("one group", {"scaled instance", "shifted instance"}),
        ("groups", {"scaled instance", "shifted instance", "scaled group"}),
        (
            "instance",
            {
                "scaled instance",
                "shifted instance",
                "scaled group",
                "scaled channel",
                "contrast",
            },
        ),
    ],
)
def test_what_each_does_not_see(
    rng: np.random.Generator,
    name: str,
    unchanged: set[str],
    array: Array,
) -> None:
    shape = (3, 4, 5) if name not in ("layer", "rms") else (3, 4)
    X, gamma, beta, _ = some(rng, shape, 1)
    one = (1,) * (len(shape) - 2)
    each, group, channel = (
        np.array(scale).reshape(-1, *one)
        for scale in ([0.1, 2.0, 30.0], [3.0, 3.0, 0.5, 0.5], [0.1, 2.0, 30.0, 1.0])
    )
    moved = {
        "scaled instance": each[:, None] * X,
        "shifted instance": X + each[:, None],
        "scaled group": group * X,
        "scaled channel": channel * X,
        "contrast": rng.uniform(0.5, 2, (3, 4, *one)) * X
        + rng.normal(size=(3, 4, *one)),
    }
    forward: dict[str, Any] = {
        "layer": layer_norm_forward,
        "rms": NORMS["rms"][0],
        "one group": partial(group_norm_forward, groups=1),
        "groups": partial(group_norm_forward, groups=2),
        "instance": instance_norm_forward,
    }

    def normalized(X: Any) -> Any:
        return forward[name](*map(array, (X, gamma, beta)), epsilon=0.0)

    Y = normalized(X)

    for what, values in moved.items():
        same = np.allclose(normalized(values), Y, rtol=1e-8, atol=1e-10)
        assert same is (what in unchanged), what


def test_weights_before_layer_normalization_can_grow_only_together(
    rng: np.random.Generator,
) -> None:
    X, W = rng.normal(size=(6, 4)), rng.normal(size=(4, 3))
    gamma, beta = rng.normal(size=(2, 3))

    def outputs(W: Any) -> Any:
        return layer_norm_forward(X @ W, gamma, beta, epsilon=0.0)

    np.testing.assert_allclose(outputs(7 * W), outputs(W), rtol=1e-9)
    assert not np.allclose(outputs(np.array([7.0, 1.0, 1.0]) * W), outputs(W), atol=0.1)


@every_norm
def test_no_gradient_changes_the_scale_of_an_instance_nor_its_mean_where_it_is_taken(
    rng: np.random.Generator, name: str, array: Array
) -> None:
    _, backward, shape, axis = NORMS[name]
    X, gamma, _, upstream = some(rng, shape, axis)

    dX, *_ = backward(*map(array, (X, gamma, upstream)), epsilon=0.0)

    dX = np.asarray(dX).reshape(shape[0], -1)
    along = (dX * X.reshape(shape[0], -1)).sum(axis=1)
    np.testing.assert_allclose(along, np.zeros(shape[0]), atol=1e-11)
    flat = np.allclose(dX.sum(axis=1), 0, atol=1e-11)
    assert flat is (name != "rms")


@every_norm
def test_a_constant_instance_becomes_its_shift_but_for_rms(
    name: str, array: Array
) -> None:
    forward, backward, shape, _ = NORMS[name]
    units = shape[1]
    X = np.full(shape, 0.1)

    Y = forward(*map(array, (X, np.ones(units), np.full(units, 7.0))), epsilon=1e-12)
    dX, *_ = backward(*map(array, (X, np.ones(units), X)), epsilon=1e-12)

    expected = 1.0 if name == "rms" else 7.0
    np.testing.assert_allclose(Y, np.full(shape, expected), rtol=1e-8)
    np.testing.assert_allclose(dX, np.zeros(shape), atol=1e-8)


# Precision


@every_norm
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_half_precision_is_computed_in_single_and_rounded_once(
    rng: np.random.Generator, name: str, dtype: torch.dtype
) -> None:
    forward, backward, shape, axis = NORMS[name]
    shape = (*shape[:-1], 300) if axis == 1 else (3, 300)
    X, gamma, beta, upstream = some(rng, shape, axis)
    given = [torch.tensor(each).to(dtype) for each in (400 * X, gamma, beta, upstream)]
    x, g, b, up = (each.double() for each in given)
    close = partial(torch.testing.assert_close, check_dtype=False)
    last = 4 * torch.finfo(dtype).eps

    Y, gradients = forward(*given[:3]), backward(*given[:2], given[3])

    assert {each.dtype for each in (Y, *gradients)} == {dtype}
    close(Y, forward(x, g, b), rtol=last, atol=last)
    for got, want in zip(gradients, backward(x, g, up), strict=True):
        close(got, want, rtol=last, atol=1e-4)


def test_bfloat16_is_computed_in_single_too(rng: np.random.Generator) -> None:
    X, gamma, beta, upstream = (
        torch.tensor(each).bfloat16() for each in some(rng, (3, 300), -1)
    )
    image, scale = X[:, :4, None] + X[:, None, :9], gamma[:4]
    calls: list[tuple[Any, ...]] = [
        (layer_norm_forward, X, gamma, beta),
        (rms_norm_backward, X, gamma, upstream),
        (partial(group_norm_backward, groups=2), image, scale, image),
    ]

    for function, *given in calls:
        found = function(*given)
        wanted = function(*(each.float() for each in given))
        for got, want in zip(tuple(found), tuple(wanted), strict=True):
            assert torch.equal(got, want.bfloat16())


# What is refused


def test_settings_out_of_range_and_shapes_that_do_not_fit_are_refused() -> None:
    X, one = np.ones((2, 4)), np.ones(4)

    for name, (forward, backward, *_) in NORMS.items():
        x = np.ones((2, 4, 3)) if name in ("group", "instance") else X
        for bad in (-1.0, np.nan):
            for function, last in ((forward, one), (backward, x)):
                with pytest.raises(ValueError, match=f"epsilon must be .*got {bad}"):
                    function(x, one, last, epsilon=bad)
        with pytest.raises(TypeError, match="wants Float numbers in X, got int64"):
            forward(x.astype(int), one, one)
    for groups, said in (
        (3, "groups must divide the 4 channels, got 3"),
        (0, "groups must be an int of at least 1, got 0"),
        (2.0, "groups must be an int"),
    ):
        with pytest.raises(ValueError, match=said):
            group_norm_forward(X, one, one, groups=groups)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=said):
            group_norm_backward(X, one, X, groups=groups)  # type: ignore[arg-type]
    none = np.ones((2, 0))
    with pytest.raises(ValueError, match=r"numbers along \(-1,\), got shape \(2, 0\)"):
        layer_norm_forward(none, none[0], none[0])
    with pytest.raises(ValueError, match=r"X must have units, got shape \(2, 0\)"):
        rms_norm_forward(none, none[0])
    with pytest.raises(ValueError, match="units is 4 in X"):
        layer_norm_forward(X, np.ones(3), one)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1, 1), (2, 3, 0)])
def test_one_position_for_instance_normalization_is_refused_in_pytorchs_words(
    shape: tuple[int, ...], array: Array
) -> None:
    X, one = array(np.ones(shape)), array(np.ones(3))
    said = "Expected more than 1 spatial element when training, got input size"

    with pytest.raises(ValueError, match=said):
        instance_norm_forward(X, one, one)
    with pytest.raises(ValueError, match=said):
        PYTORCH_INSTANCE(torch.ones(2, 3, 1))


def test_no_instances_are_no_mistake(array: Array) -> None:
    for name, (forward, backward, shape, _) in NORMS.items():
        X, one = array(np.ones((0, *shape[1:]))), array(np.ones(shape[1]))

        assert forward(X, one, one).shape == X.shape, name
        dX, *rest = backward(X, one, X)
        assert dX.shape == X.shape
        assert all(not each.any() for each in rest)
