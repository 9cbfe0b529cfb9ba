"""Weights are drawn as PyTorch draws them, by the variances of the book."""

import inspect
import warnings
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from dlnotes import nn

SETTINGS: dict[str, list[dict[str, Any]]] = {
    "xavier_uniform_": [{}, {"gain": 1.7}, {"gain": 0.0}],
    "xavier_normal_": [{}, {"gain": 1.7}, {"gain": 0.0}],
    "kaiming_uniform_": [{}, {"a": 0.3}, {"mode": "fan_out", "nonlinearity": "relu"}],
    "kaiming_normal_": [{}, {"mode": "FAN_IN", "nonlinearity": "tanh"}, {"a": -2}],
}
CASES = [(name, each) for name, several in SETTINGS.items() for each in several]
SHAPES = [(6, 9), (4, 3, 2), (8, 3, 5, 4), (7, 5, 2, 3, 2)]
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


def both(name: str) -> tuple[Any, Any]:
    return getattr(nn.init, name), getattr(torch.nn.init, name)


@pytest.mark.parametrize(("name", "settings"), CASES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_same_generator_draws_the_same(
    name: str, settings: dict[str, Any], shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    ours, theirs = (
        fill(torch.empty(shape, dtype=dtype), generator=seeded(), **settings)
        for fill in both(name)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-15, atol=0)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_tensor_is_filled_in_place(name: str) -> None:
    fill, _ = both(name)
    before = torch.get_rng_state()
    weight = torch.nn.Parameter(torch.zeros(4, 6))
    assert fill(tensor=weight, generator=seeded()) is weight
    assert weight.requires_grad
    assert weight.is_leaf
    assert weight.any()
    assert torch.equal(torch.get_rng_state(), before)
    fill(weight)
    assert not torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_seen_through_a_view_is_filled(name: str) -> None:
    stored = torch.zeros(6, 8)
    views = [stored.T[::2], torch.zeros(6, 8).T[::2]]
    ours, theirs = (
        fill(view, generator=seeded())
        for fill, view in zip(both(name), views, strict=True)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-15, atol=0)
    assert not stored[:, 1::2].any()
    fill, _ = both(name)
    assert fill(torch.empty(2, 3, device="meta")).is_meta


def refused(fill: Any, *given: Any, **settings: Any) -> tuple[Any, ...]:
    """Return what comes of a call: the error, or the warnings and the shape."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            result = fill(*given, **settings)
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            return type(error), str(error)
        return tuple(result.shape), [str(each.message) for each in told]


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(3),
        torch.tensor(1.0),
        torch.zeros(0, 3),
        torch.zeros(3, 0),
        torch.zeros(2, 2, dtype=torch.int64),
        torch.zeros(2, 2, dtype=torch.complex64),
        None,
    ],
    ids=str,
)
def test_what_cannot_be_filled_is_refused_in_pytorchs_words(
    name: str, tensor: Tensor
) -> None:
    ours, theirs = (refused(fill, tensor) for fill in both(name))
    assert ours == theirs


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("xavier_uniform_", {"gain": -1.0}),
        ("xavier_normal_", {"gain": -1.0}),
        ("xavier_normal_", {"gain": "relu"}),
        ("kaiming_normal_", {"mode": "fan_mean"}),
        ("kaiming_normal_", {"mode": "in"}),
        ("kaiming_uniform_", {"mode": 1}),
        ("kaiming_uniform_", {"nonlinearity": "softmax"}),
        ("kaiming_normal_", {"a": "0"}),
    ],
)
def test_settings_are_refused_in_pytorchs_words(
    name: str, settings: dict[str, Any]
) -> None:
    ours, theirs = (refused(fill, torch.empty(2, 3), **settings) for fill in both(name))
    assert ours == theirs
    assert isinstance(ours[0], type)


@pytest.mark.parametrize("name", SETTINGS)
def test_arguments_are_pytorchs(name: str) -> None:
    ours, theirs = (inspect.signature(fill).parameters for fill in both(name))
    assert [*ours] == [*theirs]
    assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]


def test_what_the_book_does_not_have_is_pytorchs() -> None:
    assert nn.init.trunc_normal_ is torch.nn.init.trunc_normal_
    assert {"zeros_", "eye_", "dirac_", *nn.init.__all__} <= {*dir(nn.init)}
    with pytest.raises(AttributeError, match="has an attribute 'twos_'"):
        _ = nn.init.twos_


def seeded() -> Generator:
    return torch.Generator().manual_seed(5)
