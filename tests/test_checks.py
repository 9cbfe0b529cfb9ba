"""What is said of a number that is out of its range, and what is let through."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.checks import (
    at_least,
    entries,
    finite,
    generator,
    in_range,
    integer,
    pair,
    positive,
)

Check = Callable[..., Any]
REFUSED = [
    (partial(at_least, 0), -0.1, "number must be at least 0, got -0.1"),
    (partial(at_least, 0), np.float32(-1), "number must be at least 0, got -1.0"),
    (positive, 0.0, "number must be positive and finite, got 0.0"),
    (positive, np.inf, "number must be positive and finite, got inf"),
    (partial(in_range, 0, 1), 1.1, "number must be from 0 to 1, got 1.1"),
    (partial(in_range, 0, 1), -0.1, "number must be from 0 to 1, got -0.1"),
    (
        partial(in_range, 0, 1, half_open=True),
        1.0,
        "number must be at least 0 and less than 1, got 1.0",
    ),
    (partial(integer, 1), 0, "number must be an int of at least 1, got 0"),
    (partial(integer, 1), 2.0, "number must be an int of at least 1, got 2.0"),
    (partial(pair, 1), 0, "number must be an int or a pair of ints, at least 1, got 0"),
    (partial(pair, 1), (1, 0), "number must be an int or .* got "),
    (partial(pair, 1), (1, 1, 1), "number must be an int or .* got "),
    (partial(pair, 1), (1, 2.0), "number must be an int or .* got "),
]
REAL = [at_least, in_range, positive]
LIMITS: dict[Check, tuple[float, ...]] = {at_least: (0,), in_range: (0, 1)}


@pytest.mark.parametrize(("check", "number", "says"), REFUSED)
def test_a_number_out_of_range_is_named(check: Check, number: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check(number=number)


@pytest.mark.parametrize("check", [*REAL, integer, pair])
def test_nan_fits_nowhere(check: Check) -> None:
    with pytest.raises(ValueError, match=r"number must be .* got nan"):
        check(*LIMITS.get(check, () if check is positive else (0,)), number=np.nan)


@pytest.mark.parametrize("check", REAL)
@pytest.mark.parametrize("number", [None, "0.1", [0.1]], ids=repr)
def test_what_is_no_number_is_refused(check: Check, number: Any) -> None:
    says = f"number must be a number, got {type(number).__name__}"

    with pytest.raises(TypeError, match=says):
        check(*LIMITS.get(check, ()), number=number)


def test_the_ends_of_an_interval_are_inside_but_where_one_is_left_out() -> None:
    at_least(0, number=0)
    in_range(0, 1, low=0, high=1.0)
    in_range(0, 1, half_open=True, low=0.0)
    integer(1, number=np.int64(1))
    positive(number=1e-300)

    assert pair(0, padding=0) == (0, 0)
    assert pair(1, stride=(1, 3)) == (1, 3)


@pytest.mark.parametrize("check", REAL)
def test_a_number_in_a_tensor_is_not_looked_at(check: Check) -> None:
    number = torch.tensor(-1.0, device="meta")  # it has no value to look at

    check(*LIMITS.get(check, ()), number=number)


def test_a_traced_number_is_checked_without_a_break() -> None:
    def scale(x: torch.Tensor, rate: float, n: int) -> torch.Tensor:
        at_least(0, rate=rate)
        positive(rate=rate)
        in_range(0, 1, half_open=True, rate=rate)
        integer(1, n=n)
        return x * rate * pair(1, n=n)[1]

    torch.compiler.reset()
    compiled = torch.compile(scale, fullgraph=True, backend="eager")

    for rate, n in ((0.5, 1), (0.25, 3), (0.75, 4)):
        assert compiled(torch.ones(1), rate, n).item() == rate * n


def test_jax_traces_a_learning_rate() -> None:
    jax = pytest.importorskip("jax")
    from dlnotes.optimization.gradient_descent import update

    def step(theta: Any, learning_rate: float) -> Any:
        return update(theta, theta, learning_rate=learning_rate)

    after = jax.jit(step)(jax.numpy.ones(2), 0.25)

    assert after.tolist() == [0.75, 0.75]


def test_a_seed_is_no_generator() -> None:
    generator(rng=np.random.default_rng(0))

    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator.*int"):
        generator(rng=0)


def test_an_array_with_too_few_entries_is_named(array: Callable[[Any], Any]) -> None:
    entries(2, scores=array(np.ones((2, 0))))

    with pytest.raises(ValueError, match="scores must have at least 1 entry, got 0"):
        entries(1, scores=array(np.ones((0, 3))))
    with pytest.raises(ValueError, match="scores must have at least 3 entries, got 2"):
        entries(3, rates=array(np.ones(3)), scores=array(np.ones(2)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_array_that_is_not_finite_is_named(
    bad: float, array: Callable[[Any], Any]
) -> None:
    finite(matrix=array(np.ones((2, 2))))

    with pytest.raises(ValueError, match="matrix must be finite, got NaN or infinity"):
        finite(vector=array(np.ones(1)), matrix=array(np.array([[1.0, bad]])))


def test_an_array_without_numbers_is_let_through() -> None:
    def grown(x: torch.Tensor) -> torch.Tensor:
        finite(x=x)
        return x + 1

    compiled = torch.compile(grown, fullgraph=True, backend="eager")

    assert compiled(torch.tensor([np.inf])).tolist() == [np.inf]
