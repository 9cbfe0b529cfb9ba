"""Fixtures that every chapter's tests use."""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

COMPILED = ["numpy", "torch", "compiled"]
COMPILED += ["jax"] if importlib.util.find_spec("jax") else []


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture(params=["numpy", "torch"])
def array(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Make an array of NumPy, then of torch, from a NumPy array."""
    return np.asarray if request.param == "numpy" else torch.asarray


@pytest.fixture(params=COMPILED)
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Call a pure function on NumPy arrays as each engine would; NumPy comes back.

    The engines are NumPy, torch, torch compiled whole, and JAX where it is installed.
    """
    calls = {"numpy": _numpy, "torch": _torch, "compiled": _compiled, "jax": _jax}
    return calls[request.param]


def _numpy(function: Callable[..., Any], *arrays: Any) -> Any:
    return function(*arrays)


def _torch(function: Callable[..., Any], *arrays: Any) -> Any:
    return _as_numpy(function(*map(torch.asarray, arrays)))


def _compiled(function: Callable[..., Any], *arrays: Any) -> Any:
    torch.compiler.reset()
    compiled = torch.compile(function, fullgraph=True, backend="eager")
    return _as_numpy(compiled(*map(torch.asarray, arrays)))


def _jax(function: Callable[..., Any], *arrays: Any) -> Any:
    import jax

    with jax.enable_x64():
        return _as_numpy(jax.jit(function)(*map(jax.numpy.asarray, arrays)))


def _as_numpy(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(map(_as_numpy, result))
    return np.asarray(result)
