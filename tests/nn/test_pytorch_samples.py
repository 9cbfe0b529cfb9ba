"""The samples that PyTorch tests its own modules and optimizers with, given to ours.

``pytest -m samples`` runs them.  They come with PyTorch, but are no part of what it
promises to keep.
"""

import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from dlnotes import nn, optim

pytestmark = [
    pytest.mark.samples,
    pytest.mark.filterwarnings("ignore"),  # each of them is PyTorch's own
]


def tensors(value: Any) -> list[Tensor]:
    """Return the tensors among some values."""
    if isinstance(value, Tensor):
        return [value]
    values = value if isinstance(value, tuple | list) else []
    return [tensor for each in values for tensor in tensors(each)]


def outcome(module: Any, given: Any) -> list[Tensor]:
    """Return what a module makes of a sample, and the gradients of a sum of it."""
    values = [*given.args, *given.kwargs.values()]
    # A module may write into what it is given.
    copies = [x.clone() if isinstance(x, Tensor) else x for x in values]
    named = dict(zip(given.kwargs, copies[len(given.args) :], strict=True))
    outputs = tensors(module(*copies[: len(given.args)], **named))
    leaves = [x for x in tensors(values) if x.requires_grad]
    if not leaves:
        return [each.detach() for each in outputs]
    torch.manual_seed(0)
    upstream = torch.randn(outputs[0].shape).half().to(outputs[0].dtype)
    leaves += module.parameters()
    slopes: Sequence[Tensor | None] = torch.autograd.grad(
        outputs[0], leaves, upstream, allow_unused=True
    )
    return [*outputs, *(torch.zeros(0) if x is None else x for x in slopes)]


def in_double(given: Any) -> Any:
    """Return a sample in double precision."""

    def double(x: Any) -> Any:
        half = isinstance(x, Tensor) and x.dtype == torch.float16
        return x.detach().double().requires_grad_(x.requires_grad) if half else x

    named = {name: double(x) for name, x in given.kwargs.items()}
    return type(given)(*map(double, given.args), **named)


def assert_as_exact(
    ours: list[Tensor], theirs: list[Tensor], exact: list[Tensor]
) -> None:
    """Refuse what is farther from the exact result than theirs, rounding aside."""
    for a, b, c in zip(ours, theirs, exact, strict=True):
        off = (b.double() - c).abs() + 1e-3 * c.abs() + 1e-4
        assert ((a.double() - c).abs() <= off)[b.isfinite() & c.isfinite()].all()


@pytest.mark.parametrize(
    "name", sorted({*nn.__all__} - {"Flatten", "Dropout", "Dropout2d"})
)
def test_a_module_makes_of_every_sample_what_pytorch_s_makes(name: str) -> None:
    from torch.testing._internal.common_modules import module_db

    (info,) = (each for each in module_db if each.module_cls is getattr(torch.nn, name))
    count = 0
    torch.manual_seed(0)
    for dtype, training, slopes in product(info.dtypes, (True, False), (True, False)):
        settings = {"dtype": dtype, "training": training, "requires_grad": slopes}
        for sample in info.module_inputs_func(info, device="cpu", **settings):
            made, given = sample.constructor_input, sample.forward_input
            theirs = getattr(torch.nn, name)(*made.args, **made.kwargs).to(dtype)
            ours = getattr(nn, name)(*made.args, **made.kwargs).to(dtype)
            ours.load_state_dict(theirs.state_dict())

            found, wanted = (
                outcome(each.train(training), given) for each in (ours, theirs)
            )

            if dtype == torch.float16:
                exact = outcome(theirs.double(), in_double(given))
                assert_as_exact(found, wanted, exact)
            elif dtype == torch.bfloat16 and name == "GroupNorm":  # theirs rounds more
                torch.testing.assert_close(found, wanted, rtol=2e-2, atol=1e-2)
            else:
                torch.testing.assert_close(found, wanted, equal_nan=True)
            count += 1
    assert count >= 24


@pytest.mark.parametrize("name", optim.__all__)
def test_an_optimizer_walks_with_every_setting_where_pytorch_s_walks(name: str) -> None:
    info, count = optimizer(name), 0
    for sample, how in product(
        info.optim_inputs_func(device="cpu"), info.supported_impls or [""]
    ):
        settings = sample.kwargs | ({how: True} if how in ("foreach", "fused") else {})
        if not settings.get("capturable"):
            paths = [walk(each, name, settings) for each in (optim, torch.optim)]
            torch.testing.assert_close(*paths)
            count += 1
    assert count >= (5 if name == "LBFGS" else 10)


@pytest.mark.parametrize("name", optim.__all__)
def test_an_optimizer_refuses_what_pytorch_s_refuses(name: str) -> None:
    for sample in optimizer(name).optim_error_inputs_func("cpu", torch.float32):
        given = sample.optimizer_error_input
        said = [
            refusal(getattr(each, name), given.params, given.kwargs)
            for each in (optim, torch.optim)
        ]
        assert said[0] == said[1] != ""


def optimizer(name: str) -> Any:
    """Return what PyTorch knows of an optimizer."""
    from torch.testing._internal.common_optimizers import optim_db

    wanted = getattr(torch.optim, name)
    return next(each for each in optim_db if each.optim_cls is wanted)


def walk(library: Any, name: str, settings: dict[str, Any]) -> list[Any]:
    """Return the parameters and the state after six steps of a small network."""
    torch.manual_seed(0)
    layers = torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)
    model = torch.nn.Sequential(*layers)
    X, y = torch.randn(8, 3), torch.randn(8, 2)
    many = name == "LBFGS"  # steps in each, which part soon where numbers are short
    if many:
        model, X, y = model.double(), X.double(), y.double()
    walker = getattr(library, name)(model.parameters(), **deepcopy(settings))

    def loss() -> Tensor:
        walker.zero_grad()
        value = torch.nn.functional.mse_loss(model(X), y)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    for _ in range(2 if many else 6):
        walker.step(loss)
    found = [*model.state_dict().values()]
    # PyTorch's L-BFGS keeps more than it reads again.
    return found if many else [*found, walker.state_dict()["state"]]


def refusal(make: Callable[..., Any], params: Any, settings: dict[str, Any]) -> str:
    """Return the error, or the warning, that settings are refused with."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            make(deepcopy(params), **settings)
        except Exception as error:  # whichever PyTorch has
            return repr(error)
    return ""
