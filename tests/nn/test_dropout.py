"""Dropout drops with PyTorch's seeds what PyTorch drops, and nothing in evaluation."""

from typing import Any

import pytest
import torch
from tests.nn.side_by_side import SideBySide
from torch import Tensor

from dlnotes import nn

# What PyTorch says of itself while it compiles.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script")

SHAPES: dict[str, list[tuple[int, ...]]] = {
    "Dropout": [(), (7,), (5, 4), (2, 3, 4, 5), (0, 4)],
    "Dropout2d": [(6, 5, 3, 4), (0, 5, 3, 4), (2, 3, 0, 4)],
}
CASES = [(name, shape) for name, several in SHAPES.items() for shape in several]
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


def both(name: str, **settings: Any) -> list[Any]:
    return [getattr(each, name)(**settings) for each in (nn, torch.nn)]


def seeded(call: Any, *given: Any) -> Any:
    torch.manual_seed(3)
    return call(*given)


def sample(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)


@pytest.mark.parametrize(("name", "shape"), CASES)
@pytest.mark.parametrize("inplace", [False, True], ids=["new", "in place"])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_a_seed_drops_the_same_and_sends_back_the_same(
    name: str, shape: tuple[int, ...], p: float, *, inplace: bool
) -> None:
    outcomes = []
    for layer in both(name, p=p, inplace=inplace):
        leaf = sample(shape).requires_grad_()
        given = leaf * 1
        output = seeded(layer, given)
        assert (output is given) is (inplace or p == 0 or given.numel() == 0)
        (output * sample(shape).cos()).sum().backward()
        outcomes.append((output, leaf.grad))
    torch.testing.assert_close(outcomes[0], outcomes[1], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", SHAPES)
def test_a_dtype_stays_also_under_autocast(name: str, dtype: torch.dtype) -> None:
    x = sample((6, 5, 3, 4), dtype)
    ours, theirs = (seeded(layer, x) for layer in both(name, p=0.3))
    assert ours.dtype == dtype
    assert torch.equal(ours, theirs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(*(seeded(layer, x) for layer in both(name, p=0.3)))


@pytest.mark.parametrize("name", SHAPES)
def test_evaluation_leaves_everything(name: str) -> None:
    for x in (sample((2, 5, 3, 4)), torch.ones(2, 5, 3, 4, dtype=torch.int64)):
        layer = both(name)[0].eval()
        before = torch.get_rng_state()
        assert layer(x) is x
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("p", [0.4, 1.0])
def test_what_is_no_number_is_pytorchs(name: str, p: float) -> None:
    x = sample((6, 5, 3, 4))
    x.view(-1)[::3] = torch.nan
    x.view(-1)[1::3] = torch.inf
    ours, theirs = (seeded(layer, x) for layer in both(name, p=p))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.complex64])
def test_where_all_is_dropped_nothing_is_drawn(name: str, dtype: torch.dtype) -> None:
    x = torch.ones(2, 3, 4, 4, dtype=dtype)
    before = torch.get_rng_state()
    ours, theirs = (layer(x) for layer in both(name, p=1.0))
    assert torch.equal(ours, theirs)
    assert ours.dtype == theirs.dtype
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", SHAPES)
def test_weights_that_cannot_be_written_to_stay(name: str) -> None:
    weight = torch.nn.Parameter(torch.ones(2, 3, 4, 4))
    for layer in both(name, p=0.5, inplace=True):
        with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
            layer(weight)
        assert torch.equal(weight, torch.ones(2, 3, 4, 4))


@pytest.mark.parametrize("name", SHAPES)
def test_how_it_lies_in_memory_stays(name: str) -> None:
    x = sample((6, 5, 3, 4)).contiguous(memory_format=torch.channels_last)
    outputs = [seeded(layer, x) for layer in both(name, p=0.4)]
    assert outputs[0].stride() == outputs[1].stride()
    assert torch.equal(*(output == 0 for output in outputs))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(
    "x",
    [
        torch.ones(2, 3, 4, 4, dtype=torch.int64),
        torch.ones(2, 3, 4, 4, dtype=torch.complex64),
        None,
    ],
    ids=["integers", "complex", "nothing"],
)
def test_input_is_refused_in_pytorchs_words(name: str, x: Any) -> None:
    ours, theirs = both(name)
    with pytest.raises(Exception) as wanted:  # noqa: PT011  # whatever PyTorch raises
        theirs(x)
    with pytest.raises(wanted.type) as got:
        ours(x)
    assert str(got.value) == str(wanted.value)


@pytest.mark.parametrize("name", SHAPES)
def test_a_probability_is_refused_in_pytorchs_words(name: str) -> None:
    for p in (-0.1, 1.1):
        for each in (nn, torch.nn):
            with pytest.raises(ValueError, match=f"between 0 and 1, but got {p}"):
                getattr(each, name)(p)
    for layer in both(name):
        layer.p = 2.0
        with pytest.raises(ValueError, match=r"between 0 and 1, but got 2\.0"):
            layer(torch.ones(2, 3, 4, 4))


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (2, 3, 4, 5, 2)], ids=str)
@pytest.mark.filterwarnings("ignore:dropout2d. Received a")
def test_other_axes_than_those_of_images_are_pytorchs_own(
    shape: tuple[int, ...],
) -> None:
    assert torch.equal(
        *(seeded(layer, sample(shape)) for layer in both("Dropout2d", p=0.4))
    )


@pytest.mark.parametrize("name", SHAPES)
def test_transforms_reach_through(name: str) -> None:
    x, tangent = sample((4, 6, 5, 3)), sample((4, 6, 5, 3)).cos()
    for layer in both(name, p=0.4):
        output, slope = seeded(torch.func.jvp, layer, (x,), (tangent,))
        kept = output != 0
        torch.testing.assert_close(slope, kept * tangent / 0.6)
        for randomness, same in (("same", True), ("different", False)):
            every = torch.func.vmap(layer, randomness=randomness)
            dropped = seeded(every, torch.ones(3, 4, 6, 5, 3)) == 0
            assert torch.equal(dropped[0], dropped[1]) is same
        with pytest.raises(RuntimeError, match="randomness"):
            torch.func.vmap(layer)(torch.ones(3, 4, 6, 5, 3))


def test_compiled_and_exported_calls_drop_as_often() -> None:
    layers = SideBySide([both(name, p=0.25)[0] for name in SHAPES])
    given = [(torch.ones(40, 50, 2, 2),) for _ in SHAPES]
    compiled = torch.compile(layers, fullgraph=True)
    exported = torch.export.export(layers, (given,)).module()
    for output in (*seeded(compiled, given), *seeded(exported, given)):
        torch.testing.assert_close(output.unique(), torch.tensor([0, 4 / 3]))
        assert abs(float(output.mean()) - 1) < 0.05
