"""Each module computes what PyTorch's computes, with its state and its errors."""

import inspect
import pickle
import re
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.nn.side_by_side import SideBySide
from torch import Tensor

from dlnotes import nn

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
    pytest.mark.filterwarnings("ignore:.*Function'> should not be instantiated"),
]

# A class, its settings, and the shape of an input.
CASES: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "linear": ("Linear", {"in_features": 4, "out_features": 3}, (5, 4)),
    "linear, one instance": ("Linear", {"in_features": 4, "out_features": 3}, (4,)),
    "linear, many axes": (
        "Linear",
        {"in_features": 4, "out_features": 3},
        (2, 1, 5, 4),
    ),
    "linear, no instance": ("Linear", {"in_features": 4, "out_features": 3}, (0, 4)),
    "linear, no bias": (
        "Linear",
        {"in_features": 4, "out_features": 3, "bias": False},
        (5, 4),
    ),
    "convolution": ("Conv2d", {"kernel_size": 3}, (2, 4, 7, 6)),
    "convolution, one image": ("Conv2d", {"kernel_size": 3}, (4, 7, 6)),
    "convolution, no image": ("Conv2d", {"kernel_size": 3}, (0, 4, 7, 6)),
    "convolution, no bias": ("Conv2d", {"kernel_size": 3, "bias": False}, (2, 4, 7, 6)),
    "convolution, rectangle": (
        "Conv2d",
        {
            "kernel_size": (2, 3),
            "stride": (2, 1),
            "padding": (1, 2),
            "dilation": (1, 2),
        },
        (2, 4, 7, 6),
    ),
    "convolution, groups": ("Conv2d", {"kernel_size": 3, "groups": 2}, (2, 4, 7, 6)),
    "convolution, valid": (
        "Conv2d",
        {"kernel_size": 3, "padding": "valid"},
        (2, 4, 7, 6),
    ),
    "convolution, same": (
        "Conv2d",
        {"kernel_size": (4, 3), "padding": "same", "dilation": (1, 2)},
        (2, 4, 7, 6),
    ),
    "convolution, same and reflected": (
        "Conv2d",
        {"kernel_size": (4, 3), "padding": "same", "padding_mode": "reflect"},
        (4, 7, 6),
    ),
    **{
        f"convolution, {mode}": (
            "Conv2d",
            {"kernel_size": 3, "padding": (2, 1), "padding_mode": mode, "stride": 2},
            (2, 4, 7, 6),
        )
        for mode in ("zeros", "reflect", "replicate", "circular")
    },
    "relu": ("ReLU", {}, (5, 4)),
    "relu in place": ("ReLU", {"inplace": True}, (5, 4)),
    "leaky relu": ("LeakyReLU", {"negative_slope": 0.2}, (5, 4)),
    "leaky relu, turned up": ("LeakyReLU", {"negative_slope": -0.2}, (5, 4)),
    "elu, turned up": ("ELU", {"alpha": -0.2}, (5, 4)),
    "leaky relu in place": ("LeakyReLU", {"inplace": True}, (5, 4)),
    "elu": ("ELU", {"alpha": 0.7}, (5, 4)),
    "elu in place": ("ELU", {"inplace": True}, (5, 4)),
    "prelu": ("PReLU", {}, (5, 4)),
    "prelu of a number": ("PReLU", {}, ()),
    "prelu, a slope for each channel": ("PReLU", {"num_parameters": 3}, (2, 3, 4, 5)),
    "prelu, no instance": ("PReLU", {"num_parameters": 3}, (0, 3)),
    "selu": ("SELU", {}, (5, 4)),
    "selu in place": ("SELU", {"inplace": True}, (5, 4)),
    "gelu": ("GELU", {}, (5, 4)),
    "gelu by tanh": ("GELU", {"approximate": "tanh"}, (5, 4)),
    "silu": ("SiLU", {}, (5, 4)),
    "silu in place": ("SiLU", {"inplace": True}, (5, 4)),
    "mish": ("Mish", {}, (5, 4)),
    "mish in place": ("Mish", {"inplace": True}, (5, 4)),
    "softplus": ("Softplus", {}, (5, 4)),
    "softplus, sharp": ("Softplus", {"beta": 2.0, "threshold": 1}, (5, 4)),
    "softplus, turned": ("Softplus", {"beta": -0.5, "threshold": 0.2}, (5, 4)),
    "softmax": ("Softmax", {"dim": 1}, (2, 3, 4)),
    "softmax of a number": ("Softmax", {"dim": 0}, ()),
    "softmax, first axis": ("Softmax", {"dim": -3}, (2, 3, 4)),
    "softmax, no class": ("Softmax", {"dim": 1}, (2, 0)),
    "log softmax": ("LogSoftmax", {"dim": 1}, (2, 3, 4)),
    "log softmax, last axis": ("LogSoftmax", {"dim": -1}, (5, 4)),
    "sigmoid": ("Sigmoid", {}, (2, 3, 4)),
    "tanh": ("Tanh", {}, ()),
    "flatten": ("Flatten", {"start_dim": 0, "end_dim": 1}, (2, 3, 4)),
    "pooling": ("MaxPool2d", {"kernel_size": 2}, (2, 3, 6, 8)),
    "pooling, one image": ("MaxPool2d", {"kernel_size": 2}, (3, 6, 8)),
    "pooling, overlapping": (
        "MaxPool2d",
        {"kernel_size": 3, "stride": 1},
        (2, 3, 6, 8),
    ),
    "pooling, rectangle": (
        "MaxPool2d",
        {
            "kernel_size": (3, 2),
            "stride": (2, 1),
            "padding": (1, 0),
            "dilation": (1, 2),
        },
        (2, 3, 6, 8),
    ),
    "pooling, list": (
        "MaxPool2d",
        {"kernel_size": [3, 2], "stride": [2, 1], "padding": [1, 0]},
        (2, 3, 6, 8),
    ),
    "pooling, rest left out": ("MaxPool2d", {"kernel_size": 3}, (2, 3, 7, 8)),
    "pooling, rest kept": (
        "MaxPool2d",
        {"kernel_size": 3, "ceil_mode": True},
        (2, 3, 7, 8),
    ),
    "pooling, last window outside": (
        "MaxPool2d",
        {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
        (2, 3, 6, 8),
    ),
    "pooling, rest of a padded rectangle": (
        "MaxPool2d",
        {
            "kernel_size": (2, 3),
            "stride": (3, 2),
            "padding": (1, 1),
            "ceil_mode": True,
            "return_indices": True,
        },
        (2, 3, 8, 7),
    ),
    "pooling, last row outside only": (
        "MaxPool2d",
        {"kernel_size": 2, "stride": (2, 3), "padding": (1, 0), "ceil_mode": True},
        (2, 3, 7, 9),
    ),
    "pooling, one number in a tuple": (
        "MaxPool2d",
        {"kernel_size": (3,), "stride": [], "padding": [1], "dilation": (1,)},
        (2, 3, 7, 9),
    ),
    "pooling, where": (
        "MaxPool2d",
        {"kernel_size": 3, "padding": 1, "return_indices": True, "ceil_mode": True},
        (2, 3, 7, 8),
    ),
    "pooling, where in one image": (
        "MaxPool2d",
        {"kernel_size": 2, "dilation": 2, "return_indices": True},
        (3, 7, 8),
    ),
}
every_case = pytest.mark.parametrize(
    ("name", "settings", "shape"), CASES.values(), ids=CASES.keys()
)


def both(name: str, settings: dict[str, Any]) -> tuple[Any, Any]:
    """Return our module and PyTorch's, with the same parameters."""
    if name == "Conv2d":
        settings = {"in_channels": 4, "out_channels": 6, **settings}
    ours, theirs = getattr(nn, name)(**settings), getattr(torch.nn, name)(**settings)
    if name == "PReLU":
        torch.nn.init.normal_(theirs.weight)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def numbers(*shape: int) -> Tensor:
    """Return random numbers, some of them equal, and some zero."""
    torch.manual_seed(0)
    return torch.randn(shape).mul(4).round().div(4)


def results(module: Any, X: Tensor, *others: Any) -> list[Tensor]:
    """Return outputs, indices among them, and the gradients of a random sum of them."""
    X = X.clone().requires_grad_()
    outputs = module(X.clone(), *others)  # a module may write into what it is given
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    upstream = (numbers(*outputs[0].shape) + 0.1).to(X.device)
    wanted = [X, *module.parameters()]
    return [*outputs, *torch.autograd.grad(outputs[0], wanted, upstream)]


@every_case
def test_outputs_and_gradients_are_pytorch_s(
    name: str, settings: dict[str, Any], shape: tuple[int, ...]
) -> None:
    ours, theirs = both(name, settings)
    X = numbers(*shape)

    torch.testing.assert_close(results(ours, X), results(theirs, X))


@every_case
def test_gradients_have_the_right_gradients(
    name: str, settings: dict[str, Any], shape: tuple[int, ...]
) -> None:
    ours, theirs = (module.double() for module in both(name, settings))
    X = numbers(*shape).double() + 0.1 * torch.rand(shape, dtype=torch.float64)

    def slopes(module: Any) -> Any:
        X_ = X.clone().requires_grad_()
        outputs = module(X_.clone())
        value = (outputs[0] if isinstance(outputs, tuple) else outputs).pow(3).sum()
        (slope,) = torch.autograd.grad(value, X_, create_graph=True)
        return torch.autograd.grad(slope.pow(2).sum() + 0 * X_.sum(), X_)

    torch.testing.assert_close(slopes(ours), slopes(theirs))


@every_case
def test_state_repr_and_copies_are_pytorch_s(
    name: str, settings: dict[str, Any], shape: tuple[int, ...]
) -> None:
    ours, theirs = both(name, settings)
    X = numbers(*shape)
    before = results(ours, X)

    theirs.load_state_dict(ours.state_dict())

    assert repr(ours) == repr(theirs)
    for copied in (deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        torch.testing.assert_close(results(copied, X), before)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


@pytest.mark.parametrize("name", sorted({name for name, _, _ in CASES.values()}))
def test_modules_of_a_class_can_be_compiled_whole(name: str) -> None:
    cases = [case for case in CASES.values() if case[0] == name]
    ours = SideBySide([both(name, settings)[0] for _, settings, _ in cases])
    samples = [(numbers(*shape),) for _, _, shape in cases]
    torch.compiler.reset()
    compiled: Any = torch.compile(ours, backend="eager", fullgraph=True)

    found = compiled(written := deepcopy(samples))

    torch.testing.assert_close(found, ours(samples))
    torch.testing.assert_close(written, samples)  # where it is in place, both are


@every_case
def test_a_module_computes_where_its_input_is(
    name: str,
    settings: dict[str, Any],
    shape: tuple[int, ...],
    other_device: torch.device,
) -> None:
    ours, theirs = both(name, settings)
    X = numbers(*shape)
    wanted = results(theirs, X)

    found = results(ours.to(other_device), X.to(other_device))

    assert {each.device for each in found} == {other_device}
    torch.testing.assert_close([each.cpu() for each in found], wanted)


@every_case
def test_outputs_lie_in_memory_as_pytorch_s_so_that_they_can_be_viewed(
    name: str, settings: dict[str, Any], shape: tuple[int, ...]
) -> None:
    ours, theirs = both(name, settings)
    X = numbers(*shape)

    torch.testing.assert_close(
        ours(X.clone()), theirs(X.clone()), check_stride=0 not in shape
    )


@pytest.mark.parametrize("name", ["Conv2d", "MaxPool2d"])
@pytest.mark.parametrize("what", ["images", "filters", "both", "neither"])
def test_channels_that_are_last_in_memory_stay_last(name: str, what: str) -> None:
    ours, theirs = both(name, {"kernel_size": 3})
    X = numbers(2, 4, 7, 6)
    if what in ("images", "both"):
        X = X.contiguous(memory_format=torch.channels_last)
    if what in ("filters", "both"):
        for module in (ours, theirs):
            module.to(memory_format=torch.channels_last)

    torch.testing.assert_close(ours(X), theirs(X), check_stride=True)


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize(
    "name", ["Softmax", "LogSoftmax", "GELU", "SiLU", "Mish", "Softplus", "PReLU"]
)
def test_of_numbers_in_another_order_in_memory_outputs_lie_as_pytorch_s(
    name: str, dim: int
) -> None:
    ours, theirs = both(name, {"dim": dim} if "Softmax" in name else {})
    X = numbers(3, 4, 5)

    for given in (X.transpose(0, 2), X.permute(1, 2, 0), X[:, ::2]):
        got, want = ours(given), theirs(given)
        torch.testing.assert_close(got, want, check_stride=True)


@pytest.mark.parametrize("shape", [(4, 1, 3, 3), (1, 4, 3, 3), (4, 4, 1, 1)])
def test_gradients_of_filters_lie_in_memory_as_the_filters_do(
    shape: tuple[int, int, int, int],
) -> None:
    filters, channels, high, wide = shape
    layer = nn.Conv2d(channels, filters, (high, wide))

    layer(numbers(2, channels, 7, 6)).sum().backward()

    assert layer.weight.grad is not None
    assert layer.weight.grad.stride() == layer.weight.stride()


@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU", "ELU", "SELU", "SiLU", "Mish"])
def test_what_works_in_place_returns_its_argument(name: str) -> None:
    X = numbers(5, 4)

    assert getattr(nn, name)(inplace=True)(X) is X


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("shape", [(), (4,), (5, 4), (2, 3, 4), (2, 3, 4, 2)])
def test_an_axis_that_is_not_named_is_chosen_with_pytorch_s_warning(
    name: str, shape: tuple[int, ...]
) -> None:
    X = numbers(*shape)
    with pytest.warns(UserWarning, match="Implicit dimension choice") as expected:
        want = getattr(torch.nn, name)()(X)

    with pytest.warns(UserWarning, match="Implicit dimension choice") as said:
        got = getattr(nn, name)()(X)

    torch.testing.assert_close(got, want)
    assert str(said[0].message) == str(expected[0].message)
    assert said[0].filename == expected[0].filename


PAIRS: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        f"{name}, {reduction}": (name, {"reduction": reduction})
        for name in ("MSELoss", "L1Loss", "HuberLoss", "BCEWithLogitsLoss")
        for reduction in ("mean", "sum", "none")
    },
    "late line": ("HuberLoss", {"delta": 2.5}),
    "early line": ("HuberLoss", {"delta": 0.3, "reduction": "sum"}),
    "weights": ("BCEWithLogitsLoss", {"weight": torch.tensor([0.5, 2.0, 0.0, 1.0])}),
    "weights of instances": (
        "BCEWithLogitsLoss",
        {"weight": torch.rand(5, 1), "reduction": "none"},
    ),
    "weights of positives": (
        "BCEWithLogitsLoss",
        {"pos_weight": torch.tensor([0.5, 2.0, 0.0, 1.0]), "reduction": "none"},
    ),
    "both weights": (
        "BCEWithLogitsLoss",
        {"weight": torch.rand(5, 4), "pos_weight": torch.rand(4)},
    ),
    "deprecated": ("MSELoss", {"size_average": False}),
    "deprecated too": ("L1Loss", {"reduce": False}),
}


@pytest.mark.filterwarnings("ignore:size_average and reduce args will be deprecated")
@pytest.mark.parametrize(("name", "settings"), PAIRS.values(), ids=PAIRS.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_loss_of_two_tensors_has_pytorch_s_gradients_in_both(
    name: str, settings: dict[str, Any], dtype: torch.dtype, other_device: torch.device
) -> None:
    ours, theirs = both(name, settings)
    x = numbers(5, 4).mul(3)
    if name == "HuberLoss":  # PyTorch's has no gradients if precisions differ
        x = x.to(dtype)
    y = (numbers(5, 4).sigmoid() if name[0] == "B" else numbers(5, 4).flip(0)).to(dtype)
    y[0] = y[0].round()

    def outcome(module: Any, device: Any = "cpu") -> list[Tensor]:
        module = deepcopy(module).to(device)
        leaves = [each.to(device).requires_grad_() for each in (x.clone(), y.clone())]
        loss = module(*leaves)
        upstream = (numbers(*loss.shape) + 0.1).to(loss)
        slopes = torch.autograd.grad(loss, leaves, upstream)
        return [each.cpu() for each in (loss, *slopes)]

    assert repr(ours) == repr(theirs)
    got, want = outcome(ours), outcome(theirs)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)  # partly in single
    torch.testing.assert_close(outcome(ours, other_device), got)


@pytest.mark.parametrize("name", ["MSELoss", "L1Loss", "HuberLoss"])
@pytest.mark.parametrize("shapes", [((5, 4), (4,)), ((5, 1), (5,)), ((), (3,))])
def test_targets_of_another_shape_are_repeated_with_pytorch_s_warning(
    name: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    x, y = (numbers(*shape) for shape in shapes)
    with pytest.warns(UserWarning, match="Using a target size") as expected:
        want = getattr(torch.nn, name)()(x, y)

    with pytest.warns(UserWarning, match="Using a target size") as said:
        got = getattr(nn, name)()(x, y)

    torch.testing.assert_close(got, want)
    assert str(said[0].message) == str(expected[0].message)
    lines, first = inspect.getsourcelines(getattr(nn, name))
    assert Path(said[0].filename).name == Path(expected[0].filename).name == "loss.py"
    assert first <= said[0].lineno < first + len(lines)


@pytest.mark.parametrize("name", ["NLLLoss", "CrossEntropyLoss"])
@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 2.0, 3.0])])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_label_of_one_instance_may_have_an_axis(
    name: str, weight: Tensor | None, reduction: str
) -> None:
    ours, theirs = both(name, {"weight": weight, "reduction": reduction})
    x, y = numbers(3), torch.tensor([1])

    torch.testing.assert_close(ours(x, y), theirs(x, y))
    with pytest.raises(ValueError, match="1D target must have size 1"):
        ours(x, torch.tensor([1, 2]))


KINDS = (
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.int64,
    torch.bool,
    torch.uint8,
    torch.complex64,
)


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
@pytest.mark.parametrize("name", ["MSELoss", "L1Loss", "HuberLoss"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_numbers_of_all_kinds_are_mixed_where_pytorch_mixes_them(
    name: str, reduction: str
) -> None:
    ours, theirs = both(name, {"reduction": reduction})
    taken = 0
    for kinds in product(KINDS, KINDS):
        x, y = (
            each.abs().mul(3).to(kind)
            for each, kind in zip(
                (numbers(3, 4), numbers(3, 4) + 1), kinds, strict=True
            )
        )
        try:
            want = theirs(x, y)
        except (RuntimeError, NotImplementedError) as refused:
            with pytest.raises(type(refused), match=re.escape(str(refused))):
                ours(x, y)
            continue
        taken += 1
        half = torch.bfloat16 in (x.dtype, y.dtype)
        off = 2e-2 if half else 1e-6
        torch.testing.assert_close(ours(x, y), want, rtol=off, atol=off)
    assert taken > 9


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # its own
def test_huber_s_second_derivative_is_pytorch_s_where_the_prediction_is_right() -> None:
    x, y = torch.tensor([3.0, 2.5, 2.0, 1.5, 1.0, -9.0]), torch.full((6,), 2.0)
    losses = both("HuberLoss", {"delta": 0.7, "reduction": "sum"})

    got, want = (torch.func.hessian(loss)(x, y).diag() for loss in losses)

    torch.testing.assert_close(got, want)
    assert got.tolist() == [0, 1, 1, 1, 0, 0]


def test_a_logit_without_end_that_is_right_costs_nothing() -> None:
    z, y = torch.tensor([-torch.inf, torch.inf]), torch.tensor([0.0, 1.0])

    loss = nn.BCEWithLogitsLoss(reduction="none")(z, y)

    assert loss.tolist() == [0, 0]
    assert torch.nn.BCEWithLogitsLoss(reduction="none")(z, y).isnan().all()


LOSSES: dict[str, dict[str, Any]] = {
    "mean": {},
    "sum": {"reduction": "sum"},
    "each": {"reduction": "none"},
    "weights": {"weight": torch.tensor([0.5, 2.0, 0.0, 1.0])},
    "weights, each": {"weight": torch.rand(4), "reduction": "none"},
    "smooth": {"label_smoothing": 0.2},
    "smooth and weights": {"label_smoothing": 0.2, "weight": torch.rand(4)},
    "smooth, sum": {"label_smoothing": 1.0, "reduction": "sum"},
    "deprecated": {"size_average": False},
}
SHAPES = {"one": (4,), "batch": (5, 4), "places": (2, 4, 3, 2), "none": (0, 4)}


@pytest.mark.filterwarnings("ignore:size_average and reduce args will be deprecated")
@pytest.mark.parametrize("settings", LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("target", ["labels", "bytes", "ignored", "left out", "shares"])
@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss"])
def test_the_loss_is_pytorch_s_and_computed_where_its_input_is(
    settings: dict[str, Any],
    shape: tuple[int, ...],
    target: str,
    name: str,
    other_device: torch.device,
) -> None:
    if name == "NLLLoss" and (target == "shares" or "label_smoothing" in settings):
        return
    logits, classes = numbers(*shape), min(1, len(shape) - 1)
    places = shape[:classes] + shape[classes + 1 :]
    wanted = torch.randint(4, places)
    if target == "bytes" and len(shape) < 3:  # of places PyTorch takes none
        wanted = wanted.byte()
    elif target == "ignored":
        settings = {**settings, "ignore_index": 2}
    elif target == "left out":
        wanted = wanted.masked_fill(wanted == 1, -100)
    elif target == "shares":
        wanted = torch.rand(shape).softmax(classes)
    whole = wanted if target == "shares" else wanted.long()  # it smooths no bytes
    ours, theirs = both(name, settings)

    assert repr(ours) == repr(theirs)
    expected, found = results(theirs, logits, whole), results(ours, logits, wanted)
    torch.testing.assert_close(found, expected, equal_nan=True)
    there = results(
        ours.to(other_device), logits.to(other_device), wanted.to(other_device)
    )
    torch.testing.assert_close([each.cpu() for each in there], found, equal_nan=True)


MAKING: dict[str, tuple[str, dict[str, Any]]] = {
    "groups": ("Conv2d", {"kernel_size": 3, "groups": 3}),
    "no groups": ("Conv2d", {"kernel_size": 3, "groups": 0}),
    "mode": ("Conv2d", {"kernel_size": 3, "padding_mode": "mirror"}),
    "same with a stride": (
        "Conv2d",
        {"kernel_size": 3, "padding": "same", "stride": 2},
    ),
    "padding": ("Conv2d", {"kernel_size": 3, "padding": "much"}),
    "unknown": ("Linear", {"in_features": 4, "out_features": 3, "units": 3}),
    "no elu": ("ELU", {"negative_slope": 0.1}),
    "no axis": ("Softmax", {"axis": 1}),
    "no smoothing": ("NLLLoss", {"label_smoothing": 0.1}),
}


@pytest.mark.parametrize(("name", "settings"), MAKING.values(), ids=MAKING.keys())
def test_settings_that_pytorch_refuses_are_refused_in_its_words(
    name: str, settings: dict[str, Any]
) -> None:
    if name == "Conv2d":
        settings = {"in_channels": 4, "out_channels": 6, **settings}
    with pytest.raises((ValueError, TypeError)) as refused:
        getattr(torch.nn, name)(**settings)

    with pytest.raises(refused.type) as also:
        getattr(nn, name)(**settings)

    assert str(also.value) == str(refused.value)


CALLS: dict[str, tuple[str, dict[str, Any], tuple[Any, ...]]] = {
    "inputs": ("Linear", {"in_features": 4, "out_features": 3}, (numbers(5, 3),)),
    "no axis": ("Linear", {"in_features": 1, "out_features": 3}, (numbers(),)),
    "integers": (
        "Linear",
        {"in_features": 4, "out_features": 3},
        (torch.ones(5, 4, dtype=torch.int64),),
    ),
    "precision": (
        "Linear",
        {"in_features": 4, "out_features": 3},
        (numbers(5, 4).double(),),
    ),
    "list": ("Linear", {"in_features": 4, "out_features": 3}, ([1.0, 2.0],)),
    "channels": ("Conv2d", {"kernel_size": 3}, (numbers(2, 3, 7, 6),)),
    "axes": ("Conv2d", {"kernel_size": 3}, (numbers(7, 6),)),
    "more axes": ("Conv2d", {"kernel_size": 3}, (numbers(1, 2, 4, 7, 6),)),
    "small image": ("Conv2d", {"kernel_size": 3}, (numbers(2, 4, 2, 6),)),
    "short mirror": (
        "Conv2d",
        {"kernel_size": 3, "padding": 3, "padding_mode": "reflect"},
        (numbers(2, 4, 3, 3),),
    ),
    "stride of zero": (
        "Conv2d",
        {"kernel_size": 3, "stride": 0},
        (numbers(2, 4, 7, 6),),
    ),
    "padding below zero": (
        "Conv2d",
        {"kernel_size": 3, "padding": -1},
        (numbers(2, 4, 7, 6),),
    ),
    "no channel": ("MaxPool2d", {"kernel_size": 2}, (numbers(2, 0, 6, 8),)),
    "no channel of one": ("MaxPool2d", {"kernel_size": 2}, (numbers(0, 6, 8),)),
    "no pixel": (
        "MaxPool2d",
        {"kernel_size": 2, "padding": 1},
        (numbers(2, 3, 0, 8),),
    ),
    "three paddings": (
        "MaxPool2d",
        {"kernel_size": 2, "padding": (1, 1, 1)},
        (numbers(2, 3, 6, 8),),
    ),
    "dilation of zero": (
        "MaxPool2d",
        {"kernel_size": 2, "dilation": 0},
        (numbers(2, 3, 6, 8),),
    ),
    "images in a list": ("MaxPool2d", {"kernel_size": 1}, ([[[1.0]]],)),
    "large alpha": ("ELU", {"alpha": 1e300}, (numbers(5, 4),)),
    "large slope": ("LeakyReLU", {"negative_slope": -1e300}, (numbers(5, 4),)),
    "bytes of places": (
        "CrossEntropyLoss",
        {},
        (numbers(2, 4, 3), torch.zeros(2, 3).byte()),
    ),
    "sigmoid of a list": ("Sigmoid", {}, ([1.0],)),
    "prelu of a list": ("PReLU", {}, ([1.0],)),
    "prelu, slopes": ("PReLU", {"num_parameters": 3}, (numbers(3, 4),)),
    "prelu, one axis": ("PReLU", {"num_parameters": 4}, (numbers(4),)),
    "prelu, precision": ("PReLU", {}, (numbers(3, 4).double(),)),
    "gate": ("GELU", {"approximate": "sigmoid"}, (numbers(3, 4),)),
    "axis": ("Softmax", {"dim": 2}, (numbers(3, 4),)),
    "kind of axis": ("LogSoftmax", {"dim": "last"}, (numbers(3, 4),)),
    "softmax of a list": ("Softmax", {"dim": 0}, ([1.0],)),
    "errors": ("MSELoss", {}, (numbers(3, 4), numbers(3, 3))),
    "error of a list": ("L1Loss", {}, (numbers(3), [1.0, 2.0, 3.0])),
    "errors of yes and no": ("L1Loss", {}, (numbers(3), torch.ones(3).bool())),
    "line from zero": ("HuberLoss", {"delta": 0.0}, (numbers(3), numbers(3))),
    "median": ("L1Loss", {"reduction": "median"}, (numbers(3), numbers(3))),
    "targets": ("BCEWithLogitsLoss", {}, (numbers(3, 4), numbers(4))),
    "whole targets": ("BCEWithLogitsLoss", {}, (numbers(3), torch.ones(3).long())),
    "weight of positives": (
        "BCEWithLogitsLoss",
        {"pos_weight": torch.ones(3)},
        (numbers(3, 4), numbers(3, 4)),
    ),
    "weights of more": (
        "BCEWithLogitsLoss",
        {"weight": torch.ones(2, 3, 4)},
        (numbers(3, 4), numbers(3, 4)),
    ),
    "likelihood, label": ("NLLLoss", {}, (numbers(2, 4), torch.tensor([0, 4]))),
    "likelihood, batch": ("NLLLoss", {}, (numbers(5, 4), torch.tensor([0, 1]))),
    "likelihood, shares": ("NLLLoss", {}, (numbers(2, 4), torch.ones(2, 4))),
    "likelihood, kind": ("NLLLoss", {}, (numbers(2, 4), torch.zeros(2).int())),
    "likelihood, weights": (
        "NLLLoss",
        {"weight": torch.ones(3)},
        (numbers(2, 4), torch.tensor([0, 1])),
    ),
    "likelihood, precision": (
        "NLLLoss",
        {"weight": torch.ones(4).double()},
        (numbers(2, 4), torch.tensor([0, 1])),
    ),
    "window of nothing": ("MaxPool2d", {"kernel_size": 0}, (numbers(2, 3, 6, 8),)),
    "much padding": (
        "MaxPool2d",
        {"kernel_size": 2, "padding": 2},
        (numbers(3, 6, 8),),
    ),
    "large window": ("MaxPool2d", {"kernel_size": 7}, (numbers(2, 3, 6, 8),)),
    "plane": ("MaxPool2d", {"kernel_size": 2}, (numbers(6, 8),)),
    "labels": ("CrossEntropyLoss", {}, (numbers(5, 4), torch.tensor([0, 1, 4, 2, 3]))),
    "label below": (
        "CrossEntropyLoss",
        {},
        (numbers(5, 4), torch.tensor([0, 1, -1, 2, 3])),
    ),
    "batch": ("CrossEntropyLoss", {}, (numbers(5, 4), torch.tensor([0, 1]))),
    "kind of label": ("CrossEntropyLoss", {}, (numbers(2, 4), torch.zeros(2).int())),
    "whole shares": ("CrossEntropyLoss", {}, (numbers(2, 4), torch.ones(2, 4).long())),
    "weights": (
        "CrossEntropyLoss",
        {"weight": torch.ones(3)},
        (numbers(2, 4), torch.tensor([0, 1])),
    ),
    "smoothing": (
        "CrossEntropyLoss",
        {"label_smoothing": 1.5},
        (numbers(2, 4), torch.tensor([0, 1])),
    ),
    "reduction": (
        "CrossEntropyLoss",
        {"reduction": "median"},
        (numbers(2, 4), torch.tensor([0, 1])),
    ),
    "first share ignored": (
        "CrossEntropyLoss",
        {"ignore_index": 0},
        (numbers(2, 4), torch.ones(2, 4)),
    ),
    "precision of weights": (
        "CrossEntropyLoss",
        {"weight": torch.ones(4).double()},
        (numbers(2, 4), torch.tensor([0, 1])),
    ),
    "whole numbers": ("LeakyReLU", {}, (torch.ones(3, dtype=torch.int64),)),
    "yes and no": ("MaxPool2d", {"kernel_size": 2}, (torch.ones(1, 4, 4).bool(),)),
    "precision of images": ("Conv2d", {"kernel_size": 3}, (numbers(4, 7, 6).half(),)),
    "ignored share": (
        "CrossEntropyLoss",
        {"ignore_index": 1},
        (numbers(2, 4), torch.ones(2, 4)),
    ),
}


@pytest.mark.parametrize(
    ("name", "settings", "given"), CALLS.values(), ids=CALLS.keys()
)
def test_inputs_that_pytorch_refuses_are_refused_in_its_words(
    name: str, settings: dict[str, Any], given: tuple[Any, ...]
) -> None:
    ours, theirs = both(name, settings)
    with pytest.raises(Exception) as refused:  # noqa: PT011  # whichever PyTorch has
        theirs(*given)

    with pytest.raises(refused.type) as also:
        ours(*given)

    assert str(also.value) == str(refused.value)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ReLU", {}),
        ("Sigmoid", {}),
        ("Tanh", {}),
        ("MaxPool2d", {"kernel_size": 3}),
        ("PReLU", {}),
        ("SELU", {}),
        ("GELU", {}),
        ("SiLU", {}),
        ("Mish", {}),
        ("Softplus", {}),
        ("Softmax", {"dim": 1}),
        ("LogSoftmax", {"dim": 1}),
    ],
)
@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.uint8, torch.bool])
def test_whole_numbers_are_taken_where_pytorch_takes_them(
    name: str, settings: dict[str, Any], dtype: torch.dtype
) -> None:
    ours, theirs = both(name, settings)
    X = torch.arange(-40, 56).reshape(2, 1, 6, 8).to(dtype)
    try:
        want = theirs(X)
    except RuntimeError as refused:
        with pytest.raises(type(refused), match=re.escape(str(refused))):
            ours(X)
        return

    torch.testing.assert_close(ours(X), want)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("odd", ["all -inf", "some -inf", "nan", "both"])
def test_pixels_without_a_number_win_where_they_do_in_pytorch(
    odd: str,
    dilation: int,
    ceil_mode: bool,  # noqa: FBT001
) -> None:
    settings = {"stride": 2, "padding": 1, "dilation": dilation}
    ours, theirs = both(
        "MaxPool2d",
        {"kernel_size": 3, "return_indices": True, "ceil_mode": ceil_mode, **settings},
    )
    X = numbers(2, 3, 8, 9)
    choices = torch.rand(X.shape)
    if odd == "all -inf":
        X.fill_(-torch.inf)
    if odd in ("some -inf", "both"):
        X[choices < 0.8] = -torch.inf
    if odd in ("nan", "both"):
        X[choices > 0.9] = torch.nan

    torch.testing.assert_close(results(ours, X), results(theirs, X), equal_nan=True)


def has_an_empty_window(sides: Any, outputs: Any, settings: dict[str, Any]) -> bool:
    """Tell, window by window, whether one along an axis has no pixel."""
    step, padding, dilation = (settings[x] for x in ("stride", "padding", "dilation"))
    return not all(
        any(
            0 <= i * step - padding + u * dilation < side
            for u in range(settings["kernel_size"])
        )
        for side, many in zip(sides, outputs, strict=True)
        for i in range(many)
    )


POOLING = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
WINDOWS = product((1, 2, 3, 4), (1, 2, 3), (0, 1, 2), (1, 2, 3, 5), (False, True))


def test_a_window_without_a_pixel_is_refused_and_never_given_to_pytorch() -> None:
    outcomes = []
    for values, sides in product(WINDOWS, [(1, 3), (2, 2), (5, 3)]):
        settings = dict(zip(POOLING, values, strict=True)) | {"return_indices": True}
        ours, theirs = both("MaxPool2d", settings)
        X = numbers(1, 2, *sides)
        try:
            outputs = theirs(X.to("meta"))[0].shape[2:]  # without memory, so it is safe
        except RuntimeError as refused:
            outcomes.append("refused")
            with pytest.raises(RuntimeError, match=re.escape(str(refused))):
                ours(X)
            continue
        if has_an_empty_window(sides, outputs, settings):
            outcomes.append("empty")
            with pytest.raises(ValueError, match="has no pixel"):
                ours(X)
        else:
            outcomes.append("taken")
            torch.testing.assert_close(results(ours, X), results(theirs, X))
    assert all(outcomes.count(each) > 5 for each in ("refused", "empty", "taken"))


BENT = {
    "relu": ("ReLU", {}),
    "leaky relu": ("LeakyReLU", {}),
    "leaky relu, turned up": ("LeakyReLU", {"negative_slope": -0.3}),
    "elu": ("ELU", {}),
    "elu, turned up": ("ELU", {"alpha": -0.3}),
    "prelu": ("PReLU", {"init": 0.2}),
    "selu": ("SELU", {}),
    "softplus": ("Softplus", {"beta": 0.7}),
}
every_bend = pytest.mark.parametrize(
    ("name", "settings"), BENT.values(), ids=BENT.keys()
)


@every_bend
@pytest.mark.parametrize(
    ("dtype", "rtol"), [(torch.float32, 1e-6), (torch.float64, 1e-14)]
)
def test_first_and_second_derivatives_are_pytorch_s_far_below_and_at_zero(
    name: str, settings: dict[str, Any], dtype: torch.dtype, rtol: float
) -> None:
    below = [-torch.inf, -80.0, -20.0, -8.0, -1.0, -0.9, -1e-9, -0.0]
    X = torch.tensor([*below, 0.0, 1e-9, 5.0, torch.inf], dtype=dtype)
    found = []

    for module in (each.to(dtype) for each in both(name, settings)):
        leaf = X.clone().requires_grad_()
        Y = module(leaf)
        (slope,) = torch.autograd.grad(Y.sum(), leaf, create_graph=True)
        found.append([Y, slope, *torch.autograd.grad(slope.sum(), leaf)])

    torch.testing.assert_close(*found, rtol=rtol, atol=0)


@pytest.mark.parametrize("name", ["leaky relu, turned up", "elu, turned up"])
def test_turned_up_and_in_place_too_gradients_are_right(name: str) -> None:
    cls, settings = BENT[name]
    X = numbers(5, 4)

    found = results(getattr(nn, cls)(**settings, inplace=True), X)

    # PyTorch has a gradient only where it is not in place.
    torch.testing.assert_close(found, results(getattr(torch.nn, cls)(**settings), X))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("other", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("third", [None, torch.float64, torch.float32])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_a_loss_of_mixed_precisions_has_pytorch_s(
    dtype: torch.dtype, other: torch.dtype, third: torch.dtype | None, reduction: str
) -> None:
    weight = None if third is None else torch.tensor([0.5, 2.0, 1.0, 1.0]).to(third)
    settings: dict[str, Any] = {"weight": weight, "reduction": reduction}
    logits, shares = numbers(5, 4).to(dtype), numbers(5, 4).softmax(1).to(other)

    got = nn.CrossEntropyLoss(**settings)(logits, shares)

    want = torch.nn.CrossEntropyLoss(**settings)(logits, shares)
    assert got.dtype == want.dtype
    torch.testing.assert_close(got, want, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("label", [0, 1])
def test_a_smooth_loss_of_what_was_ruled_out_is_infinite(label: int) -> None:
    logits = torch.tensor([[-torch.inf, 1.0, 2.0]])
    labels = torch.tensor([label])

    loss = nn.CrossEntropyLoss(label_smoothing=0.1)(logits, labels)

    theirs = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    assert loss == theirs(logits, labels) == torch.inf


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_no_more_than_in_pytorch(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    ours, theirs = both("Conv2d", {"kernel_size": 5, "padding": 2})
    ours, theirs = ours.to(dtype), theirs.to(dtype)
    X = torch.randn(2, 4, 12, 12).to(dtype)
    exact = results(deepcopy(theirs).double(), X.double())

    found, wanted = results(ours, X), results(theirs, X)

    for values in zip(found, wanted, exact, strict=True):
        got, want, right = (each.detach() for each in values)
        bound = torch.finfo(dtype).eps * right.abs() + 1e-4
        off = ((got.double() - right).abs() / bound).max().item()
        assert got.dtype == want.dtype
        theirs_off = ((want.double() - right).abs() / bound).max().item()
        assert off <= max(0.51, theirs_off)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["ELU", "GELU", "SELU", "SiLU", "Mish", "Softplus"])
def test_activations_of_half_precision_are_rounded_once(
    name: str, dtype: torch.dtype
) -> None:
    ours, theirs = both(name, {})
    X = torch.linspace(-6, 6, 2001).to(dtype)
    right = theirs(X.double())

    off = (ours(X).double() - right).abs()

    assert ours(X).dtype == dtype
    assert (off / (torch.finfo(dtype).eps * right.abs() + 1e-4)).max() < 0.6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_mean_of_many_likelihoods_is_rounded_once(
    dtype: torch.dtype,
) -> None:
    torch.manual_seed(0)
    log_p, labels = torch.rand(3001, 5).neg().to(dtype), torch.randint(5, (3001,))

    got = nn.NLLLoss()(log_p, labels)

    right = torch.nn.NLLLoss()(log_p.double(), labels)
    torch.testing.assert_close(got, right.to(dtype), rtol=0, atol=0)


class _Steering(Exception):  # noqa: N818  # no error, like PyTorch's own for this
    """By which a caller steers."""


def test_only_refusals_are_brought_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    layer = nn.Linear(4, 3)
    hook = torch.autograd.graph.saved_tensors_hooks

    def stop(_: Tensor) -> None:
        raise _Steering

    monkeypatch.setattr(torch.nn.functional, "linear", lambda *_: asked.append(1))
    with pytest.raises(_Steering), hook(stop, lambda x: x):
        layer(numbers(5, 4).requires_grad_())
    assert not asked


def test_what_the_book_does_not_have_is_pytorch_s_own() -> None:
    assert nn.Sequential is torch.nn.Sequential
    assert nn.functional is torch.nn.functional
    for name in nn.__all__:
        ours = getattr(nn, name)
        assert issubclass(ours, getattr(torch.nn, name))
        assert ours.__module__.startswith("dlnotes.") or name == "Flatten"
    assert {*dir(torch.nn)} <= {*dir(nn)}
    with pytest.raises(AttributeError, match=r"neither .* nor torch\.nn has"):
        _ = nn.Sequence


def test_the_page_lists_the_names_that_are_the_book_s_own() -> None:
    page = Path(__file__).parents[2] / "docs" / "drop_ins.md"
    table = page.read_text().partition("| Of `dlnotes.nn`")[2].partition("\n\n")[0]

    assert {*re.findall(r"`(\w+)`", table)} == {*nn.__all__}
