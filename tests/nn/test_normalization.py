"""Normalizations compute PyTorch's outputs, gradients, running averages and errors."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from dlnotes import nn

# What PyTorch says of itself while it compiles.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script"),
    pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight"),
]

CASES: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "batch": ("BatchNorm1d", {"num_features": 4}, (5, 4)),
    "batch, sequences": (
        "BatchNorm1d",
        {"num_features": 4, "momentum": 0.7},
        (5, 4, 3),
    ),
    "batch, mean of all": (
        "BatchNorm1d",
        {"num_features": 4, "momentum": None},
        (5, 4),
    ),
    "batch, plain": ("BatchNorm1d", {"num_features": 4, "affine": False}, (5, 4)),
    "batch, no bias": ("BatchNorm1d", {"num_features": 4, "bias": False}, (5, 4)),
    "batch, nothing kept": (
        "BatchNorm1d",
        {"num_features": 4, "track_running_stats": False},
        (5, 4),
    ),
    "batch, none": ("BatchNorm1d", {"num_features": 4}, (0, 4)),
    "batch of images": ("BatchNorm2d", {"num_features": 4, "eps": 0.1}, (2, 4, 3, 5)),
    "one image": ("BatchNorm2d", {"num_features": 4}, (1, 4, 3, 5)),
    "layer": ("LayerNorm", {"normalized_shape": 4}, (5, 4)),
    "layer, one": ("LayerNorm", {"normalized_shape": 4}, (4,)),
    "layer, axes": (
        "LayerNorm",
        {"normalized_shape": (3, 4), "eps": 0.1},
        (2, 5, 3, 4),
    ),
    "layer, no bias": ("LayerNorm", {"normalized_shape": 4, "bias": False}, (5, 4)),
    "layer, plain": (
        "LayerNorm",
        {"normalized_shape": 4, "elementwise_affine": False},
        (5, 4),
    ),
    "layer, none": ("LayerNorm", {"normalized_shape": 4}, (0, 4)),
    "rms": ("RMSNorm", {"normalized_shape": 4}, (5, 4)),
    "rms, axes": ("RMSNorm", {"normalized_shape": (3, 4), "eps": 0.1}, (2, 5, 3, 4)),
    "rms, plain": (
        "RMSNorm",
        {"normalized_shape": 4, "elementwise_affine": False},
        (5, 4),
    ),
    "group": ("GroupNorm", {"num_groups": 2, "num_channels": 4}, (3, 4, 2, 5)),
    "group, rows": ("GroupNorm", {"num_groups": 2, "num_channels": 4}, (3, 4)),
    "group, plain": (
        "GroupNorm",
        {"num_groups": 4, "num_channels": 4, "eps": 0.1, "affine": False},
        (3, 4, 5),
    ),
    "group, none": ("GroupNorm", {"num_groups": 2, "num_channels": 4}, (0, 4, 5)),
    "instance": ("InstanceNorm2d", {"num_features": 4}, (3, 4, 2, 5)),
    "instance, one": ("InstanceNorm2d", {"num_features": 4, "affine": True}, (4, 2, 5)),
    "instance, kept": (
        "InstanceNorm2d",
        {"num_features": 4, "track_running_stats": True, "affine": True, "eps": 0.1},
        (3, 4, 2, 5),
    ),
}
every_case = pytest.mark.parametrize("case", CASES)
NAMES = sorted({name for name, *_ in CASES.values()})


def both(case: str, dtype: torch.dtype = torch.float64) -> list[Any]:
    """Return our layer and PyTorch's, with the same random parameters and averages."""
    name, settings, _ = CASES[case]
    theirs: Any = getattr(torch.nn, name)(**settings, dtype=dtype)
    torch.manual_seed(0)
    for each in theirs.state_dict().values():
        if each.is_floating_point():
            each.uniform_(0.5, 2)
    ours = getattr(nn, name)(**settings, dtype=dtype)
    ours.load_state_dict(theirs.state_dict())
    return [ours, theirs]


def sample(case: str, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(CASES[case][2], generator=generator) + 2).to(dtype)


def outcome(layer: Any, x: Tensor) -> list[Any]:
    """Return output, gradients and state of a layer."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(x)
    upstream = torch.arange(y.numel(), dtype=torch.float64).cos().reshape(y.shape)
    slopes = torch.autograd.grad(y, [x, *layer.parameters()], upstream.to(y.dtype))
    return [y.detach(), *slopes, *(each.clone() for each in layer.buffers())]


@every_case
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_outputs_gradients_and_averages_are_pytorchs(
    case: str,
    training: bool,  # noqa: FBT001
) -> None:
    ours, theirs = (layer.train(training) for layer in both(case))
    for seed in (1, 2):  # the second time after an update
        x = sample(case, seed=seed)
        found, wanted = outcome(ours, x), outcome(theirs, x)
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-10)
    theirs.load_state_dict(ours.state_dict())
    assert ours.extra_repr() == theirs.extra_repr()


@every_case
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("mixed", [False, True], ids=["one dtype", "single parameters"])
def test_dtypes_are_pytorchs(
    case: str,
    dtype: torch.dtype,
    mixed: bool,  # noqa: FBT001
) -> None:
    ours, theirs = both(case, torch.float32 if mixed else dtype)
    x = sample(case, dtype)
    found = outcome(ours, x)
    wanted = outcome(theirs, x)
    assert [each.dtype for each in found] == [each.dtype for each in wanted]
    close = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(found[0], wanted[0], rtol=close, atol=close)


@every_case
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_under_autocast_dtypes_are_pytorchs(case: str, dtype: torch.dtype) -> None:
    ours, theirs = both(case, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, wanted = (layer(sample(case, dtype)) for layer in (ours, theirs))
    torch.testing.assert_close(found, wanted, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(
    "case", ["batch of images", "group", "instance", "layer, axes"]
)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_input_may_lie_in_memory_as_it_likes(
    case: str,
    training: bool,  # noqa: FBT001
) -> None:
    ours, theirs = (layer.train(training) for layer in both(case))
    x = sample(case)
    last = torch.channels_last
    for given in (
        x.contiguous(memory_format=last),
        x.transpose(2, 3).contiguous().transpose(2, 3),
        torch.stack([x, x], dim=-1)[..., 0],
    ):
        found, wanted = outcome(ours, given), outcome(theirs, given)
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-10)
    y = ours(x.contiguous(memory_format=last))
    assert case == "layer, axes" or y.is_contiguous(memory_format=last)


@every_case
def test_transforms_reach_through(case: str) -> None:
    layers = [layer.eval() for layer in both(case)]
    x = sample(case)
    if x.numel() == 0:
        return
    results = []
    for layer in layers:

        def f(x: Tensor, layer: Any = layer) -> Tensor:
            return layer(x).pow(3).sum()

        several = torch.stack([x, 2 * x])
        results.append(
            [
                *torch.func.jvp(layer, (x,), (x.cos(),)),
                torch.func.vmap(layer)(several),
                torch.func.vmap(torch.func.grad(f))(several),
                torch.func.jvp(torch.func.grad(f), (x,), (x.cos(),))[1],
            ]
        )
    torch.testing.assert_close(*results, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_compiled_exported_and_pickled_layers_compute_the_same(name: str) -> None:
    case = next(each for each in CASES if CASES[each][0] == name)
    ours, theirs = both(case)
    x = sample(case)
    torch.compiler.reset()
    compiled: Any = torch.compile(deepcopy(ours), backend="eager", fullgraph=True)
    torch.testing.assert_close(outcome(compiled, x), outcome(deepcopy(theirs), x))
    exported = torch.export.export(ours.eval(), (x,)).module()
    torch.testing.assert_close(exported(x), theirs.eval()(x))


REFUSED: list[tuple[str, Tensor]] = [
    ("batch", torch.ones(1, 4).double()),
    ("batch", torch.ones(4).double()),
    ("batch", torch.ones(3, 5).double()),
    ("batch", torch.ones(3, 4)),
    ("batch", torch.ones(3, 4, dtype=torch.int64)),
    ("batch of images", torch.ones(3, 4).double()),
    ("batch of images", torch.ones(1, 4, 1, 1).double()),
    ("layer", torch.ones(3, 5).double()),
    ("layer", torch.ones(3, 4)),
    ("layer, axes", torch.ones(4).double()),
    ("rms", torch.ones(3, 5).double()),
    ("group, plain", torch.ones(1, 4, 1).double()),
    ("group", torch.ones(2, 5, 3).double()),
    ("group", torch.ones(4).double()),
    ("instance", torch.ones(2, 4, 1, 1).double()),
    ("instance", torch.ones(2, 4).double()),
    ("instance, one", torch.ones(2, 3, 4, 4).double()),
]


@pytest.mark.parametrize(("case", "x"), REFUSED)
def test_input_is_refused_in_pytorchs_words(case: str, x: Tensor) -> None:
    ours, theirs = both(case)
    with pytest.raises(Exception) as wanted:  # noqa: PT011  # whatever PyTorch raises
        theirs(x)
    with pytest.raises(wanted.type) as got:
        ours(x)
    assert str(got.value) == str(wanted.value)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
