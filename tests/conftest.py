"""Fixtures that every chapter's tests use."""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten

OTHER = torch.device("lazy", 0)  # for which PyTorch has a name but no arithmetic
ENGINES = ["numpy", "torch", "compiled", "other_device"]
ENGINES += ["jax"] if importlib.util.find_spec("jax") else []


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture(params=["numpy", "torch"])
def array(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Make an array of NumPy, then of torch, from a NumPy array."""
    return np.asarray if request.param == "numpy" else torch.asarray


@pytest.fixture(params=ENGINES)
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Call a pure function on NumPy arrays as each engine would; NumPy comes back.

    The engines are NumPy, torch, torch compiled whole, torch on another device than the
    CPU, and JAX where it is installed.
    """
    calls = {
        "numpy": _numpy,
        "torch": _torch,
        "compiled": _compiled,
        "other_device": _other_device,
        "jax": _jax,
    }
    return calls[request.param]


@pytest.fixture
def other_device() -> Iterator[torch.device]:
    """Another device than the CPU, which does not mix with it."""
    with _OtherDevice():  # type: ignore[no-untyped-call]
        yield OTHER


def _numpy(function: Callable[..., Any], *arrays: Any) -> Any:
    return function(*arrays)


def _torch(function: Callable[..., Any], *arrays: Any) -> Any:
    return _as_numpy(function(*map(torch.asarray, arrays)))


def _compiled(function: Callable[..., Any], *arrays: Any) -> Any:
    torch.compiler.reset()
    compiled = torch.compile(function, fullgraph=True, backend="eager")
    return _as_numpy(compiled(*map(torch.asarray, arrays)))


def _other_device(function: Callable[..., Any], *arrays: Any) -> Any:
    with _OtherDevice():  # type: ignore[no-untyped-call]
        there = [torch.asarray(each).to(OTHER) for each in arrays]
        result = function(*there)
        tensors = pytree.tree_leaves(result)
        assert all(each.device == OTHER for each in tensors), "it came back"
        return _as_numpy(pytree.tree_map(torch.Tensor.cpu, result))


def _jax(function: Callable[..., Any], *arrays: Any) -> Any:
    import jax

    with jax.enable_x64():
        return _as_numpy(jax.jit(function)(*map(jax.numpy.asarray, arrays)))


def _as_numpy(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(map(_as_numpy, result))
    return np.asarray(result)


def _operate(
    _where: Any, operation: Any, _types: Any, arguments: Any = (), settings: Any = None
) -> Any:
    """Compute on the CPU, whatever the tensors say of where they are."""
    settings = dict(settings or {})
    leaves = pytree.tree_leaves((arguments, settings))
    tensors = [each for each in leaves if isinstance(each, torch.Tensor)]
    there = {id(each.numbers): each for each in tensors if isinstance(each, _Elsewhere)}
    copies = operation.overloadpacket in (aten._to_copy, aten.copy_)
    if there and not copies and any(each.ndim for each in tensors if each.is_cpu):
        raise RuntimeError(f"{operation} was given tensors of two devices")
    to = OTHER if there else torch.device("cpu")
    if "device" in settings:
        to, settings["device"] = torch.device(settings["device"] or to), None
    elif copies:
        to = arguments[0].device
    numbers = partial(pytree.tree_map_only, _Elsewhere, lambda each: each.numbers)
    result = operation(*numbers(arguments), **numbers(settings))
    if to.type == "cpu":
        return result
    return pytree.tree_map_only(
        torch.Tensor,
        lambda each: there[id(each)] if id(each) in there else _Elsewhere(each),
        result,
    )


class _Elsewhere(torch.Tensor):
    """A tensor that is not on the CPU, as far as anyone can tell."""

    numbers: torch.Tensor
    __torch_dispatch__ = classmethod(_operate)  # type: ignore[assignment]

    def __new__(cls, numbers: torch.Tensor) -> Any:
        make: Any = torch.Tensor._make_wrapper_subclass
        layout = numbers.size(), numbers.stride(), numbers.storage_offset()
        there = make(cls, *layout, dtype=numbers.dtype, device=OTHER)
        there.numbers = numbers
        return there


class _OtherDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Where there is one more device, whose tensors do not mix with the CPU's."""

    __torch_dispatch__ = _operate
