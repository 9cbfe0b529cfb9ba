"""Fixtures that every chapter's tests use."""

import gc
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from tests.other_device import OTHER, OtherDevice
from torch.utils import _pytree as pytree

from dlnotes.contents import CONTENTS

collect_ignore = ["site"]  # programs, which drive a browser
SECTIONS = [Path(__file__).parent / chapter for chapter in CONTENTS]
ENGINES = ["numpy", "torch", "compiled", "other_device"]
ENGINES += ["jax"] if importlib.util.find_spec("jax") else []
settings.register_profile("steady", deadline=None, derandomize=True)  # on any machine
settings.load_profile("steady")


@pytest.hookimpl(tryfirst=True)  # before those that are not asked for are left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of sections, so that nobody need list the chapters."""
    for item in items:
        if item.path.parent in SECTIONS:
            item.add_marker("sections")


def pytest_collection_finish() -> None:
    """Spare the garbage collector all of PyTorch, through which it would look often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000)


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
    CPU, and JAX where it is installed.  What a test compiles is kept to its end.
    """
    if request.param == "compiled":
        torch.compiler.reset()
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
    with OtherDevice():  # type: ignore[no-untyped-call]
        yield OTHER


def _numpy(function: Callable[..., Any], *arrays: Any) -> Any:
    return function(*arrays)


def _torch(function: Callable[..., Any], *arrays: Any) -> Any:
    return _as_numpy(function(*map(torch.asarray, arrays)))


def _compiled(function: Callable[..., Any], *arrays: Any) -> Any:
    compiled = torch.compile(function, fullgraph=True, backend="eager")
    return _as_numpy(compiled(*map(torch.asarray, arrays)))


def _other_device(function: Callable[..., Any], *arrays: Any) -> Any:
    with OtherDevice():  # type: ignore[no-untyped-call]
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
