"""What `checked` refuses, and in which words."""

import inspect
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from types import NoneType
from typing import Any

import array_api_compat
import numpy as np
import pytest
import torch
from jaxtyping import Float, Int

from dlnotes.arrays import Array, array_namespace, checked
from dlnotes.contents import CONTENTS
from dlnotes.neurons.perceptron import Perceptron, heaviside, net_input, predict
from dlnotes.optimization import adam
from dlnotes.optimization.adam import State, update

Function = Callable[..., Any]

MODEL = Perceptron(W=np.ones((3, 5)), b=np.ones(5))


@pytest.mark.parametrize(
    ("X", "error", "says"),
    [
        (
            np.ones((2, 4)),
            ValueError,
            r"net_input\(\) got X of shape \(2, 4\), but inputs is 3 in model.W",
        ),
        (np.ones(3), ValueError, r"got X of shape \(3,\), wants \(batch, inputs\)"),
        (np.ones((2, 3), int), TypeError, r"wants Float numbers in X, got int64"),
        (
            torch.ones(2, 3),
            TypeError,
            r"got X from torch, but the first array from numpy",
        ),
        ([[1.0, 2.0, 3.0]], TypeError, r"wants an array for X, got list"),
    ],
)
def test_what_does_not_fit_is_named(X: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        net_input(MODEL, X)


def test_a_number_is_no_array_wherever_it_stands() -> None:
    with pytest.raises(TypeError, match="wants an array for z, got float"):
        heaviside(1.0)  # type: ignore[type-var]


def test_an_argument_is_tied_to_a_field_of_another() -> None:
    state = State(m=np.zeros(4), v=np.zeros(4), t=0)

    with pytest.raises(
        ValueError, match=r"got state.m of shape \(4,\), but shape is \(3,\) in theta"
    ):
        update(np.zeros(3), np.zeros(3), state)


def test_axes_that_stand_for_several_are_compared_whole() -> None:
    @checked
    def pair(
        x: Float[Array, "*batch n"],
        y: Float[Array, "*batch m"],
        k: Int[Array, "*batch"] | None = None,
    ) -> None:
        del x, y, k

    pair(np.ones((2, 3, 4)), np.ones((2, 3, 9)), np.ones((2, 3), int))
    with pytest.raises(ValueError, match=r"but batch is \(2, 3\) in x of shape"):
        pair(np.ones((2, 3, 4)), np.ones((2, 9)))
    with pytest.raises(ValueError, match=r"got y of shape \(\), wants \(\*batch, m\)"):
        pair(np.ones(4), np.ones(()))


def test_what_is_returned_is_held_to_the_axes_of_what_was_given() -> None:
    @checked
    def broken(x: Float[Array, "batch inputs"]) -> Float[Array, "batch"]:
        return x[0]

    with pytest.raises(
        ValueError, match=r"broken\(\) returned result of shape \(3,\), but batch is 2"
    ):
        broken(np.ones((2, 3)))


def test_an_error_about_what_is_returned_names_the_function() -> None:
    @checked
    def counted(x: Float[Array, "batch"]) -> Float[Array, "batch"]:
        return x > 0

    with pytest.raises(
        TypeError, match=r"^counted\(\) wants Float numbers in result, got"
    ):
        counted(np.ones(2))


@pytest.mark.parametrize(
    ("z", "way"),
    [
        (np.array([1, -1]), r"int64; z\.astype\(float\) makes them so"),
        (np.array([True]), r"bool; z\.astype\(float\) makes them so"),
        (torch.tensor([1, -1]), r"int64; z\.float\(\) makes them so"),
    ],
)
def test_whole_numbers_are_refused_with_the_way_to_convert_them(
    z: Any, way: str
) -> None:
    with pytest.raises(
        TypeError, match=f"heaviside.. wants Float numbers in z, got {way}"
    ):
        heaviside(z)


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f8", ">f2"])
def test_floats_are_floats_in_either_order_of_bytes(dtype: str) -> None:
    z = np.array([-1.0, 2.0]).astype(dtype)

    assert heaviside(z).tolist() == [0, 1]


def test_a_parameter_and_a_tensor_are_of_one_library() -> None:
    W, b = torch.nn.Parameter(torch.ones(2, 1)), torch.nn.Buffer(torch.zeros(1))
    model = Perceptron(W, b)

    assert net_input(model, torch.ones(1, 2)).tolist() == [[2.0]]
    assert net_input(Perceptron(torch.ones(2, 1), W[0]), W.T).tolist() == [[3.0]]


def test_the_library_of_an_array_is_that_of_the_standard() -> None:
    for array in (np.ones(1), torch.ones(1), torch.nn.Parameter(torch.ones(1))):
        assert array_namespace(array) is array_api_compat.array_namespace(array)
    with pytest.raises(TypeError, match="not a supported array type"):
        array_namespace([1.0])


def test_a_compilation_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    torch.compiler.reset()
    torch.compile(heaviside, fullgraph=True, backend="eager")(torch.ones(2))

    assert not [each for each in recwarn if "lru_cache" in str(each.message)]


@pytest.mark.parametrize("state", [None, 3, (1, 2)], ids=repr)
def test_what_is_no_state_is_refused(state: Any) -> None:
    kind = type(state).__name__

    with pytest.raises(
        TypeError, match=f"update.. wants a State for state, got {kind}"
    ):
        update(np.ones(2), np.ones(2), state)


def test_what_is_wanted_may_not_be_none() -> None:
    missing: Any = None

    with pytest.raises(TypeError, match="wants an array for X, got NoneType"):
        net_input(MODEL, missing)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'X'"):
        net_input(MODEL)  # type: ignore[call-arg]


def test_jax_takes_a_dataclass_of_arrays() -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    model, theta = Perceptron(jnp.ones((2, 1)), jnp.zeros(1)), jnp.ones(3)
    state = adam.init(theta)

    answers = jax.jit(predict)(model, jnp.ones((4, 2)))
    slopes = jax.grad(lambda model: net_input(model, jnp.ones((4, 2))).sum())(model)
    _, after = jax.jit(update)(theta, theta, state)

    assert answers.tolist() == 4 * [[1.0]]
    assert slopes.W.tolist() == [[4.0], [4.0]]
    assert int(after.t) == 1


# Arrays in tuples of any length


@checked
def chain(
    first: Float[Array, "batch inputs"], layers: tuple[Perceptron[Array], ...]
) -> tuple[Float[Array, "batch _"], ...]:
    return tuple(first[:, : layer.b.shape[0]] for layer in layers)


def layer(inputs: int, units: int, dtype: type = float) -> Any:
    return Perceptron(np.ones((inputs, units), dtype), np.ones(units))


def test_each_element_of_a_tuple_has_axes_of_its_own() -> None:
    found = chain(np.ones((4, 3)), (layer(3, 2), layer(2, 1)))

    assert [each.shape for each in found] == [(4, 2), (4, 1)]
    assert chain(np.ones((4, 3)), ()) == ()


def test_an_element_that_does_not_fit_is_named() -> None:
    uneven = Perceptron(np.ones((2, 5)), np.ones(4))

    with pytest.raises(
        ValueError, match=r"^chain\(\) got layers\[1\].b of shape .4,., "
    ):
        chain(np.ones((4, 3)), (layer(3, 2), uneven))
    with pytest.raises(TypeError, match=r"Float numbers in layers\[1\].W, got complex"):
        chain(np.ones((4, 3)), (layer(3, 2), layer(2, 1, complex)))
    with pytest.raises(TypeError, match=r"wants a Perceptron for layers\[0\], got int"):
        chain(np.ones((4, 3)), (7,))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="wants a tuple for layers, got Perceptron"):
        chain(np.ones((4, 3)), layer(3, 2))
    with pytest.raises(TypeError, match=r"layers\[0\].W from torch, but the first"):
        chain(np.ones((4, 3)), (Perceptron(torch.ones(3, 2), torch.ones(2)),))  # type: ignore[misc]


def test_what_a_tuple_returns_is_checked() -> None:
    @checked
    def twice(x: Float[Array, "rows"]) -> tuple[Float[Array, "_"], ...]:
        return x, x[:, None]

    with pytest.raises(ValueError, match=r"returned result\[1\] of shape \(3, 1\)"):
        twice(np.ones(3))


def test_a_setting_of_numpy_does_not_widen_single_precision() -> None:
    x = np.ones(3, np.float32)

    @checked
    def scaled(
        x: Float[Array, "rows"], *, by: float, plus: float | None = None
    ) -> Float[Array, "rows"]:
        return by * x if plus is None else by * x + plus

    assert scaled(x, by=np.float64(0.1)).dtype == np.float32
    assert scaled(x, by=0.1, plus=np.float64(0.1)).dtype == np.float32


# Every public function of a section


def public() -> Iterator[Function]:
    """Yield the functions of the book."""
    for chapter, sections in CONTENTS.items():
        for section in sections:
            module = import_module(f"dlnotes.{chapter}.{section}")
            for name, value in vars(module).items():
                own = getattr(value, "__module__", "") == module.__name__
                if inspect.isfunction(value) and own and not name.startswith("_"):
                    yield value


def is_repeated(hint: Any) -> bool:
    """Tell whether a value is a tuple of any length, or a sequence."""
    options = typing.get_args(hint)
    return typing.get_origin(hint) in (Sequence, list) or options[1:] == (Ellipsis,)


def wanted(hint: Any, *path: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the path of each array in an annotation, and its axes.

    The axes of an element of a tuple of any length are its own.
    """
    if hasattr(hint, "dim_str"):
        yield path, tuple(hint.dim_str.split())
    elif is_dataclass(origin := typing.get_origin(hint) or hint):
        for each in fields(origin):
            yield from wanted(each.type, *path, each.name)
    elif is_repeated(hint):
        for inner, axes in wanted(typing.get_args(hint)[0], *path, "[0]"):
            yield inner, tuple(f"{axis} of {path[0]}" for axis in axes)
    else:
        for option in typing.get_args(hint):
            yield from wanted(option, *path)


def arrays_of(function: Function) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return the arrays that a function takes, and their axes."""
    hints = function.__annotations__.items()
    return {
        path: axes
        for name, hint in hints
        if name != "return"
        for path, axes in wanted(hint, name)
    }


def arguments(function: Function, shapes: dict[tuple[str, ...], list[int]]) -> Any:
    """Return arrays of these shapes, dataclasses of them and fitting settings."""
    given: dict[str, Any] = {}
    for name, each in inspect.signature(function).parameters.items():
        value = argument(each.annotation, shapes, name)
        if value is not None:
            given[name] = value
        elif each.default is each.empty:
            given[name] = np.random.default_rng(0) if name == "rng" else 1
    return given


KINDS: dict[str, type] = {"Int": int, "Bool": bool}


def argument(hint: Any, shapes: dict[tuple[str, ...], list[int]], *path: str) -> Any:
    """Return an array, or a dataclass or tuple with arrays; None for anything else."""
    if NoneType in typing.get_args(hint):
        hint = typing.get_args(hint)[0]
    origin = typing.get_origin(hint) or hint
    if path in shapes:
        kinds = [kind for name, kind in KINDS.items() if name in str(hint)]
        return np.ones(shapes[path], [*kinds, float][0])
    if is_dataclass(origin):
        made = {f.name: (*path, f.name) for f in fields(origin)}
        return typing.cast(Any, origin)(
            **{f: np.ones(shapes[p]) if p in shapes else 1 for f, p in made.items()}
        )
    if is_repeated(hint):
        return (argument(typing.get_args(hint)[0], shapes, *path, "[0]"),)
    return None


TAKE_ARRAYS = [each for each in public() if arrays_of(each)]
NAMES = [f"{each.__module__.partition('.')[2]}.{each.__name__}" for each in TAKE_ARRAYS]
SHARED = [
    pytest.param(function, path, k, id=f"{name}, axis {k} of {'.'.join(path)}")
    for function, name in zip(TAKE_ARRAYS, NAMES, strict=True)
    for number, (path, axes) in enumerate(arrays_of(function).items())
    for k, axis in enumerate(axes)
    if number
    and axis not in ("...", "_")
    and axis in [a for x in list(arrays_of(function).values())[:number] for a in x]
]


def changed(value: Any, path: tuple[str, ...], array: Any) -> Any:
    """Return a value with another array at a place in it."""
    if not path:
        return array
    if path[0] == "[0]":
        return (changed(value[0], path[1:], array),)
    field = changed(getattr(value, path[0]), path[1:], array)
    return type(value)(**{**vars(value), path[0]: field})


def sizes(axes: tuple[str, ...]) -> list[int]:
    """Return a size for each axis, the same wherever its name stands."""
    return [2 + sum(map(ord, axis)) % 5 for axis in axes]


def test_there_are_functions_that_take_arrays() -> None:
    assert len(TAKE_ARRAYS) > 50
    assert len(SHARED) > 40


@pytest.mark.parametrize("function", TAKE_ARRAYS, ids=NAMES)
def test_a_function_that_takes_arrays_is_checked(function: Function) -> None:
    assert hasattr(function, "__wrapped__")


@pytest.mark.parametrize("function", TAKE_ARRAYS, ids=NAMES)
def test_every_function_refuses_another_kind_of_numbers(function: Function) -> None:
    shapes = {path: sizes(axes) for path, axes in arrays_of(function).items()}
    given = arguments(function, shapes)
    path = next(iter(shapes))
    taken = getattr(function.__annotations__[path[0]], "dtypes", ())
    kind = bool if "complex128" in taken else complex
    value = changed(given[path[0]], path[1:], np.ones(shapes[path], kind))

    with pytest.raises(
        TypeError, match=rf"{function.__name__}\(\) wants .* got {kind.__name__}"
    ):
        function(**given | {path[0]: value})


@pytest.mark.parametrize("function", TAKE_ARRAYS, ids=NAMES)
def test_every_function_refuses_another_number_of_axes(function: Function) -> None:
    found = arrays_of(function)
    path, axes = next(
        ((p, a) for p, a in found.items() if not any(x[0] in "*." for x in a)),
        next(iter(found.items())),
    )
    shapes = {p: sizes(a) for p, a in found.items()}
    fixed = [axis for axis in axes if axis[0] not in "*."]
    others = [a for p, a in found.items() if p != path]
    if not fixed and (axes == ("...",) or not any({*axes} & {*a} for a in others)):
        return  # any shape fits
    shapes[path] = [9, *shapes[path], 9] if len(fixed) == len(axes) else []
    if not fixed:
        shapes[path] = [9, 9, 9, 9]

    with pytest.raises(ValueError, match=rf"{function.__name__}\(\) got .* of shape"):
        function(**arguments(function, shapes))


@pytest.mark.parametrize(("function", "path", "k"), SHARED)
def test_every_function_refuses_axes_that_disagree(
    function: Function, path: tuple[str, ...], k: int
) -> None:
    shapes = {each: sizes(axes) for each, axes in arrays_of(function).items()}
    shapes[path][k] += 1

    with pytest.raises(ValueError, match=rf"{function.__name__}\(\) got .* but "):
        function(**arguments(function, shapes))
