"""What PyTorch does around a module, it does around each of ours as around its own."""

import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from tests.nn.side_by_side import SideBySide
from torch import Tensor
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from dlnotes import nn

# Of each class: settings, the shape of an input without the batch, and its target.
CASES: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "linear": ("Linear", {"in_features": 4, "out_features": 3}, (4,)),
    "linear, no bias": (
        "Linear",
        {"in_features": 4, "out_features": 3, "bias": False},
        (2, 4),
    ),
    "convolution": (
        "Conv2d",
        {"in_channels": 2, "out_channels": 4, "kernel_size": 3, "padding": 1},
        (2, 5, 6),
    ),
    "convolution, groups": (
        "Conv2d",
        {
            "in_channels": 2,
            "out_channels": 4,
            "kernel_size": (2, 3),
            "stride": 2,
            "groups": 2,
            "bias": False,
        },
        (2, 5, 6),
    ),
    "convolution, mirror": (
        "Conv2d",
        {
            "in_channels": 2,
            "out_channels": 2,
            "kernel_size": 3,
            "padding": "same",
            "padding_mode": "reflect",
        },
        (2, 5, 6),
    ),
    "relu": ("ReLU", {}, (3, 4)),
    "leaky relu": ("LeakyReLU", {"negative_slope": 0.2}, (3, 4)),
    "leaky relu, turned up": ("LeakyReLU", {"negative_slope": -0.2}, (3, 4)),
    "elu": ("ELU", {"alpha": 0.7}, (3, 4)),
    "elu, turned up": ("ELU", {"alpha": -0.7}, (3, 4)),
    "prelu": ("PReLU", {"init": 0.3}, (3, 4)),
    "prelu, a slope for each channel": ("PReLU", {"num_parameters": 3}, (3, 4)),
    "selu": ("SELU", {}, (3, 4)),
    "gelu": ("GELU", {}, (3, 4)),
    "gelu by tanh": ("GELU", {"approximate": "tanh"}, (3, 4)),
    "silu": ("SiLU", {}, (3, 4)),
    "mish": ("Mish", {}, (3, 4)),
    "softplus": ("Softplus", {"beta": 2.5, "threshold": 1}, (3, 4)),
    "softmax": ("Softmax", {"dim": -2}, (3, 4)),
    "log softmax": ("LogSoftmax", {"dim": -1}, (3, 4)),
    "sigmoid": ("Sigmoid", {}, (3, 4)),
    "tanh": ("Tanh", {}, (3, 4)),
    "flatten": ("Flatten", {}, (3, 4)),
    "pooling": ("MaxPool2d", {"kernel_size": 2}, (2, 6, 4)),
    "pooling, overlapping": (
        "MaxPool2d",
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        (2, 6, 5),
    ),
    "batch norm": (
        "BatchNorm1d",
        {"num_features": 3, "track_running_stats": False},
        (3, 4),
    ),
    "batch norm of images": (
        "BatchNorm2d",
        {"num_features": 2, "track_running_stats": False, "bias": False},
        (2, 3, 4),
    ),
    "layer norm": ("LayerNorm", {"normalized_shape": (3, 4)}, (2, 3, 4)),
    "rms norm": ("RMSNorm", {"normalized_shape": 4}, (3, 4)),
    "group norm": ("GroupNorm", {"num_groups": 2, "num_channels": 4}, (4, 3)),
    "instance norm": ("InstanceNorm2d", {"num_features": 2, "affine": True}, (2, 3, 4)),
    "squared error": ("MSELoss", {}, (3, 4)),
    "absolute error": ("L1Loss", {"reduction": "none"}, (3, 4)),
    "huber loss": ("HuberLoss", {"delta": 0.4}, (3, 4)),
    "binary loss": ("BCEWithLogitsLoss", {}, (4,)),
    "binary loss, weights": (
        "BCEWithLogitsLoss",
        {"weight": torch.tensor([0.5, 2.0, 0.1, 1.0]), "pos_weight": torch.tensor(3.0)},
        (4,),
    ),
    "likelihood": ("NLLLoss", {}, (4,)),
    "likelihood of pictures": (
        "NLLLoss",
        {"weight": torch.tensor([0.5, 2.0, 0.1, 1.0]), "reduction": "none"},
        (4, 2, 3),
    ),
    "loss": ("CrossEntropyLoss", {}, (4,)),
    "loss, smooth": (
        "CrossEntropyLoss",
        {"label_smoothing": 0.1, "weight": torch.tensor([0.5, 2.0, 0.1, 1.0])},
        (4,),
    ),
    "loss of pictures": ("CrossEntropyLoss", {"reduction": "sum"}, (4, 2, 3)),
}
every_case = pytest.mark.parametrize("case", CASES)
# What is drawn at random is in test_dropout.py.
NAMES = sorted({*nn.__all__} - {"Dropout", "Dropout2d"})
every_class = pytest.mark.parametrize(
    "cases",
    [[case for case in CASES if CASES[case][0] == name] for name in NAMES],
    ids=NAMES,
)


def test_every_class_has_cases() -> None:
    assert {name for name, _, _ in CASES.values()} == {*NAMES}


def both(case: str) -> tuple[Any, Any]:
    """Return our module and PyTorch's, with the same parameters."""
    name, settings, _ = CASES[case]
    torch.manual_seed(0)
    ours, theirs = getattr(nn, name)(**settings), getattr(torch.nn, name)(**settings)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def side_by_side(cases: list[str]) -> tuple[SideBySide, SideBySide]:
    """Return our modules and PyTorch's of several cases."""
    ours, theirs = zip(*map(both, cases), strict=True)
    return SideBySide([*ours]), SideBySide([*theirs])


def given(case: str, batch: int = 3) -> tuple[Tensor, ...]:
    """Return an input of so many instances, and labels for a loss."""
    name, _, shape = CASES[case]
    torch.manual_seed(batch)
    X = torch.randn(batch, *shape)
    if name in ("MSELoss", "L1Loss", "HuberLoss", "BCEWithLogitsLoss"):
        return X, torch.rand(batch, *shape)
    if name not in ("CrossEntropyLoss", "NLLLoss"):
        return (X,)
    return X, torch.randint(shape[0], (batch, *shape[1:]))


def slopes(module: Any, X: Tensor, *others: Tensor) -> list[Tensor]:
    """Return the output and the gradients of a sum of its squares."""
    X = X.clone().requires_grad_()
    Y = module(X, *others)
    wanted = [X, *(each for each in module.parameters() if each.requires_grad)]
    return [Y, *torch.autograd.grad(Y.pow(2).sum(), wanted)]


@every_case
@pytest.mark.parametrize("reentrant", [False, True])
def test_a_region_of_it_can_be_computed_twice_to_save_memory(
    case: str,
    reentrant: bool,  # noqa: FBT001
) -> None:
    ours, theirs = both(case)
    X, *others = given(case)
    results = []

    for module, recomputed in ((ours, True), (theirs, False)):
        leaf = X.clone().requires_grad_()
        if recomputed:
            Y = checkpoint(module, leaf, *others, use_reentrant=reentrant)
        else:
            Y = module(leaf, *others)
        Y.pow(2).sum().backward()
        results.append([Y, leaf.grad, *(each.grad for each in module.parameters())])

    torch.testing.assert_close(*results)


@every_class
@pytest.mark.parametrize("dynamic", [None, True])
def test_compiled_modules_have_one_graph_for_all_batch_sizes_and_nothing_is_said(
    cases: list[str],
    dynamic: bool | None,  # noqa: FBT001
) -> None:
    ours, theirs = side_by_side(cases)
    graphs = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    compiled: Any = torch.compile(
        ours, backend=backend, fullgraph=True, dynamic=dynamic
    )

    for batch in (13, 7, 17, 8, 9, 19, 18, 11, 16, 10):
        samples = [given(case, batch) for case in cases]
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            results = compiled(samples)
        torch.testing.assert_close(results, theirs(samples))
        assert [str(each.message) for each in said] == []
    assert len(graphs) == (1 if dynamic else 2)


@every_class
@pytest.mark.parametrize("strict", [False, True])
def test_exported_modules_take_batches_of_any_size(
    cases: list[str],
    strict: bool,  # noqa: FBT001
) -> None:
    ours, theirs = side_by_side(cases)
    batch = torch.export.Dim("batch", min=2, max=64)
    samples = [given(case, 5) for case in cases]

    exported = torch.export.export(
        ours,
        (samples,),
        dynamic_shapes=([tuple({0: batch} for _ in sample) for sample in samples],),
        strict=strict,
    ).module()

    for size in (2, 9, 64):
        others = [given(case, size) for case in cases]
        torch.testing.assert_close(exported(others), theirs(others))


@every_case
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, "half"])
@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
def test_under_autocast_results_have_the_precision_of_pytorch_s(
    case: str, half: torch.dtype, dtype: Any
) -> None:
    ours, theirs = both(case)
    X, *others = given(case)
    X = X.to(half if dtype == "half" else dtype)
    others = [each.to(X) if each.is_floating_point() else each for each in others]

    with torch.autocast("cpu", dtype=half):
        try:
            want = slopes(theirs, X, *others)
        except RuntimeError as refused:
            with pytest.raises(type(refused), match=r"[Tt]ype"):
                ours(X, *others)
            return
        got = slopes(ours, X, *others)

    assert [each.dtype for each in got] == [each.dtype for each in want]
    assert len(got) == len(want)
    torch.testing.assert_close(got, want, rtol=4e-2, atol=4e-2)


def scalar(module: Any, *others: Tensor) -> Callable[[Tensor], Tensor]:
    """Return a smooth function of an input to one number."""
    return lambda X: module(X, *others).pow(3).sum()


@every_case
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # its own
def test_it_is_differentiated_forward_and_in_every_direction_at_once(case: str) -> None:
    X, *others = given(case, 2)
    others = [each.double() if each.is_floating_point() else each for each in others]
    direction = torch.randn_like(X)
    autograd: Any = torch.autograd.functional
    results = []

    for module in (each.double() for each in both(case)):
        f = scalar(module, *others)
        X = X.double()
        out = [
            *torch.func.jvp(f, (X,), (direction.double(),)),
            torch.func.jacfwd(f)(X),
            torch.func.jacrev(f)(X),
            torch.func.hessian(f)(X),
            autograd.hessian(f, X),
            autograd.jacobian(f, X, vectorize=True),
            autograd.jacobian(lambda X, m=module: m(X, *others), X, vectorize=True),
        ]
        results.append(out)

    torch.testing.assert_close(*results)


@every_class
def test_the_gradient_of_each_instance_is_found_by_itself_and_compiled(
    cases: list[str],
) -> None:
    samples = [given(case) for case in cases]
    inputs, others = [each[0] for each in samples], [each[1:] for each in samples]
    results = []

    for modules in side_by_side(cases):
        state = dict(modules.named_parameters()) | dict(modules.named_buffers())

        def loss(
            inputs: Any, others: Any, modules: Any = modules, at: Any = state
        ) -> Any:
            batches = [
                tuple(each[None] for each in (X, *rest))
                for X, rest in zip(inputs, others, strict=True)
            ]
            outputs = functional_call(modules, at, (batches,))
            return sum(each.pow(2).sum() for each in outputs)

        results.append(torch.func.vmap(torch.func.grad(loss)))

    mine, yours = (each(inputs, others) for each in results)
    torch.compiler.reset()
    compiled: Any = torch.compile(results[0], backend="eager", fullgraph=True)

    torch.testing.assert_close(mine, yours)
    torch.testing.assert_close(compiled(inputs, others), yours)


@pytest.mark.parametrize("case", [each for each in CASES if each != "loss, smooth"])
def test_it_is_mapped_over_batches_and_over_an_ensemble(case: str) -> None:
    X, *others = (torch.stack([each, each]) for each in given(case))
    results = []

    for module in both(case):
        copies = [module, deepcopy(module)]
        state: Any = torch.func.stack_module_state(copies)

        def call(state: Any, *sample: Tensor, module: Any = module) -> Tensor:
            return functional_call(module, state, sample)

        mapped = torch.func.vmap(module)(X, *others)
        if state[0]:  # parameters
            mapped = [mapped, torch.func.vmap(call)(state, X, *others)]
        results.append(mapped)

    torch.testing.assert_close(*results)


# PyTorch's own instance normalization looks at its input.
@pytest.mark.parametrize("case", [each for each in CASES if each != "instance norm"])
def test_it_can_be_traced_by_fx_alone_and_inside_a_network(case: str) -> None:
    ours, theirs = both(case)
    X, *others = given(case)
    want = slopes(theirs, X, *others)

    traced = torch.fx.symbolic_trace(ours)

    torch.testing.assert_close(slopes(traced, X, *others), want)
    if not others:
        network = torch.fx.symbolic_trace(torch.nn.Sequential(ours))
        torch.testing.assert_close(slopes(network, X), want)


@every_case
@pytest.mark.filterwarnings("ignore:.*torch.jit.trace")
def test_it_can_be_traced_for_batches_of_any_size(case: str) -> None:
    ours, theirs = both(case)
    trace: Any = torch.jit.trace

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = trace(ours, given(case, 5))

    for batch in (2, 5, 9):
        sample = given(case, batch)
        torch.testing.assert_close(traced(*sample), theirs(*sample))
