"""Gradients of recorded programs against PyTorch's, inverses, loops and quotients."""

import operator
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dlnotes.networks.activations import tanh, tanh_derivative
from dlnotes.networks.automatic_differentiation import (
    Node,
    add,
    elementwise,
    forward_mode,
    gradients,
    matmul,
    multiply,
    reverse_mode,
    topological_order,
    total,
    unbroadcast,
)
from dlnotes.networks.losses import cross_entropy, cross_entropy_gradient
from dlnotes.networks.rectifiers import relu, relu_derivative

Run = Callable[..., Any]


def draw_graph(rng: np.random.Generator, nodes: int) -> NDArray[Any]:
    """Draw local derivatives of either sign, a third of which are zero."""
    D = rng.normal(size=(nodes, nodes)) * (rng.random((nodes, nodes)) < 2 / 3)
    return np.tril(D, -1)


# Numbers


@pytest.mark.verifies("eq-reverse-mode")
@pytest.mark.verifies("eq-forward-mode")
def test_the_total_derivatives_are_the_inverse_of_one_minus_the_local_ones(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    D = draw_graph(rng, 7)

    row = reverse_mode(array(D))
    columns = [np.asarray(forward_mode(array(D), j)) for j in range(7)]

    every = np.linalg.inv(np.eye(7) - D)
    np.testing.assert_allclose(row, every[-1], atol=1e-12)
    np.testing.assert_allclose(np.stack(columns, axis=1), every, atol=1e-12)


@pytest.mark.verifies("eq-reverse-mode")
@pytest.mark.verifies("eq-forward-mode")
def test_on_every_engine_both_modes_meet_in_the_corner(
    run: Run, rng: np.random.Generator
) -> None:
    D = draw_graph(rng, 4)

    row, column = run(lambda D: (reverse_mode(D), forward_mode(D, 0)), D)

    every = np.linalg.inv(np.eye(4) - D)
    np.testing.assert_allclose(row, every[-1], atol=1e-12)
    np.testing.assert_allclose(column, every[:, 0], atol=1e-12)
    assert row[0] == pytest.approx(column[-1])


@pytest.mark.verifies("eq-reverse-mode")
@pytest.mark.verifies("eq-forward-mode")
def test_a_node_alone_moves_as_itself(array: Callable[[Any], Any]) -> None:
    D = array(np.zeros((1, 1)))

    assert reverse_mode(D).tolist() == forward_mode(D, 0).tolist() == [1]


@pytest.mark.verifies("eq-reverse-mode")
def test_a_total_derivative_is_the_sum_over_all_paths(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    D = draw_graph(rng, 6)

    def along_paths(start: int) -> float:
        if start == 5:
            return 1.0
        return sum(D[i, start] * along_paths(i) for i in range(start + 1, 6))

    got = reverse_mode(array(D))

    np.testing.assert_allclose(np.asarray(got), [*map(along_paths, range(6))])


@pytest.mark.verifies("eq-reverse-mode")
@pytest.mark.verifies("eq-vjp")
def test_a_recorded_program_and_its_local_derivatives_have_the_same_gradient() -> None:
    x, y = Node(np.asarray(3.0)), Node(np.asarray(2.0))
    u = x * y
    order = [x, y, u, v := u + x, u * v]
    D = np.zeros((5, 5))
    for i, node in enumerate(order):
        for parent, vjp in zip(node.parents, node.vjps, strict=True):
            D[i, order.index(parent)] += vjp(np.asarray(1.0))

    want = reverse_mode(D)

    assert want.tolist() == [36, 45, 15, 6, 1]
    np.testing.assert_array_equal(gradients(order[-1], order), want)


@pytest.mark.verifies("eq-reverse-mode")
@pytest.mark.verifies("eq-forward-mode")
def test_an_infinite_derivative_reaches_only_the_nodes_that_are_used(
    array: Callable[[Any], Any],
) -> None:
    D = array(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, np.inf, 0.0]]))

    assert np.asarray(reverse_mode(D)).tolist() == [0, np.inf, 1]
    assert np.asarray(forward_mode(D, 0)).tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("D", "says"),
    [
        (np.eye(2), "got 1.0"),
        ([[0.0, 5.0], [0.0, 0.0]], "only earlier ones, got 5.0"),
        ([[np.nan]], "got nan"),
        (np.zeros((0, 0)), "must have a node, got none"),
    ],
)
@pytest.mark.parametrize("function", [reverse_mode, lambda D: forward_mode(D, 0)])
def test_a_node_that_uses_itself_or_a_later_one_is_refused(
    array: Callable[[Any], Any], function: Any, D: Any, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        function(array(np.asarray(D)))


@pytest.mark.parametrize(("j", "says"), [(2, "less than 2"), (-1, "at least 0")])
def test_forward_mode_needs_a_node_that_is_there(j: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        forward_mode(np.zeros((2, 2)), j)


# Operations


OPERATIONS = {"add": add, "multiply": multiply, "matmul": matmul}
SHAPES = {
    "alike": ((4, 3), (4, 3)),
    "a row": ((4, 3), (3,)),
    "a column": ((4, 1), (4, 3)),
    "a number": ((), (4, 3)),
    "both": ((4, 1), (2, 1, 3)),
    "one of one": ((1, 1), (1,)),
    "matrices": ((4, 3), (3, 2)),
    "stacks": ((5, 4, 3), (5, 3, 2)),
    "a stack and a matrix": ((5, 4, 3), (3, 2)),
}
CASES = [
    (name, shapes)
    for name in OPERATIONS
    for shapes in SHAPES
    if (name == "matmul") == (shapes in list(SHAPES)[-3:])
]


@pytest.mark.verifies("eq-add-vjp")
@pytest.mark.verifies("eq-multiply-vjp")
@pytest.mark.verifies("eq-matmul-vjp")
@pytest.mark.verifies("eq-broadcast-vjp")
@pytest.mark.parametrize(("name", "shapes"), CASES)
def test_the_vjps_of_an_operation_are_pytorchs(
    array: Callable[[Any], Any], rng: np.random.Generator, name: str, shapes: str
) -> None:
    x, y = (rng.normal(size=shape) for shape in SHAPES[shapes])
    operation: Any = getattr(operator, {"multiply": "mul"}.get(name, name))
    upstream = rng.normal(size=operation(x, y).shape)

    node = OPERATIONS[name](Node(array(x)), Node(array(y)))
    got = node.value, *(vjp(array(upstream)) for vjp in node.vjps)

    tensors = [torch.asarray(each).requires_grad_() for each in (x, y)]
    value = operation(*tensors)
    want = torch.autograd.grad(value, tensors, torch.asarray(upstream))
    for ours, theirs in zip(got, (value.detach(), *want), strict=True):
        assert tuple(ours.shape) == tuple(theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.verifies("eq-elementwise-vjp")
@pytest.mark.verifies("eq-total-vjp")
def test_the_vjps_of_a_function_and_of_a_sum_are_difference_quotients(
    array: Callable[[Any], Any], rng: np.random.Generator
) -> None:
    values, weights, h = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), 1e-6
    x = Node(array(values))

    y = elementwise(x, tanh, tanh_derivative) * array(weights)
    (got,) = gradients(total(y), [x])

    for place in np.ndindex(values.shape):
        step = np.zeros(values.shape)
        step[place] = h
        ahead, behind = ((np.tanh(values + k * step) * weights).sum() for k in (1, -1))
        assert float(got[place]) == pytest.approx((ahead - behind) / (2 * h), rel=1e-7)


@pytest.mark.verifies("eq-broadcast-vjp")
@given(
    st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=4), st.integers(0, 4)
)
def test_to_unbroadcast_is_the_adjoint_of_to_broadcast(
    axes: list[tuple[int, bool]], new: int
) -> None:
    rng = np.random.default_rng(0)
    shape = tuple(1 if copied else size for size, copied in axes)[new:]
    a, G = rng.normal(size=shape), rng.normal(size=[size for size, _ in axes])

    got = unbroadcast(G, shape)

    assert got.shape == shape
    inner = float((np.broadcast_to(a, G.shape) * G).sum())
    assert float((a * got).sum()) == pytest.approx(inner)


@pytest.mark.verifies("eq-broadcast-vjp")
@pytest.mark.parametrize(
    "shape", [(2, 3, 4), (3, 4), (1, 4), (2, 1, 1), (4,), (1,), ()]
)
def test_each_copy_has_a_share(
    array: Callable[[Any], Any], rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    G, wanted = rng.normal(size=(2, 3, 4)), np.zeros(shape)
    for place in np.ndindex(G.shape):
        back = place[3 - len(shape) :]
        wanted[tuple(0 if n == 1 else k for k, n in zip(back, shape, strict=True))] += (
            G[place]
        )

    got = unbroadcast(array(G), shape)

    np.testing.assert_allclose(got, wanted, rtol=1e-12)


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "matmul": operator.matmul,
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(
    "kind", ["node", "array", "array first", "number", "number first"]
)
def test_arithmetic_with_a_node_is_that_of_its_value(
    rng: np.random.Generator, array: Callable[[Any], Any], name: str, kind: str
) -> None:
    if name == "matmul" and "number" in kind:
        pytest.skip("there is no such product")
    x, y = (rng.uniform(1, 2, size=(3, 3)) for _ in range(2))
    ours, theirs = Node(array(x)), torch.asarray(x).requires_grad_()
    others: dict[str, tuple[Any, Any]] = {
        "node": (Node(array(y)), torch.asarray(y)),
        "array": (array(y), torch.asarray(y)),
        "number": (1.5, 1.5),
    }
    other = others[kind.removesuffix(" first")]

    pairs = [(ours, other[0]), (theirs, other[1])]
    got, want = (
        BINARY[name](*(each[::-1] if "first" in kind else each)) for each in pairs
    )

    assert isinstance(got, Node)
    np.testing.assert_allclose(got.value, want.detach(), rtol=1e-12)
    (gradient,) = gradients(total(got * got), [ours])
    (expected,) = torch.autograd.grad((want * want).sum(), theirs)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)


@pytest.mark.parametrize("exponent", [1, 2, 3, 2.5])
def test_a_power_and_a_minus_have_the_derivatives_of_pytorchs(
    array: Callable[[Any], Any], exponent: float
) -> None:
    x = np.array([0.0, 0.5, 2.0])
    ours, theirs = Node(array(x)), torch.asarray(x).requires_grad_()

    got = gradients(total(-(ours**exponent)), [ours])

    want = torch.autograd.grad((-(theirs**exponent)).sum(), theirs)
    np.testing.assert_allclose(got, want[0][None], rtol=1e-12)


# Graphs


def recorded_tanh(x: Node[Any]) -> Node[Any]:
    return elementwise(x, tanh, tanh_derivative)


def random_program(choices: list[tuple[int, int, int]], f: Any, x: Any, y: Any) -> Any:
    """Compute as many values as there are choices, each from two earlier ones."""
    values = [x, y]
    for kind, one, other in choices:
        a, b = values[one % len(values)], values[other % len(values)]
        value = [a + b, a * b, a - b, f(a), f(a) @ b][kind]
        values.append(value)
    return values


@pytest.mark.verifies("eq-vjp")
@given(
    st.lists(
        st.tuples(st.integers(0, 4), *2 * [st.integers(0, 20)]), min_size=1, max_size=12
    )
)
def test_any_program_has_the_gradient_that_pytorch_finds(
    choices: list[tuple[int, int, int]],
) -> None:
    rng = np.random.default_rng(len(choices))
    x, y = rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
    tensors = [torch.asarray(each).requires_grad_() for each in (x, y)]
    nodes = [Node(x), Node(y)]

    *_, ours = random_program(choices, recorded_tanh, *nodes)
    got = gradients(total(ours), nodes)

    *_, theirs = random_program(choices, torch.tanh, *tensors)
    want = torch.autograd.grad(theirs.sum(), tensors, materialize_grads=True)
    for mine, other in zip(got, want, strict=True):
        scale = max(1.0, float(other.abs().max()))
        np.testing.assert_allclose(mine / scale, other / scale, rtol=1e-9, atol=1e-9)


@given(st.lists(st.tuples(st.integers(0, 4), *2 * [st.integers(0, 20)]), max_size=12))
def test_in_a_topological_order_parents_come_first_and_each_node_once(
    choices: list[tuple[int, int, int]],
) -> None:
    x, y = Node(np.eye(2)), Node(np.ones((2, 2)))
    *_, output = random_program(choices, recorded_tanh, x, y)

    order = topological_order(output)

    assert order[-1] is output
    assert len({*order}) == len(order)
    for place, node in enumerate(order):
        assert {*node.parents} <= {*order[:place]}
    used = {parent for node in order for parent in node.parents}
    assert used == {*order[:-1]}, "each leads to the output"


@pytest.mark.verifies("eq-vjp")
def test_shares_of_a_million_times_a_million_paths_are_added_up_in_forty_steps() -> (
    None
):
    x = node = Node(np.asarray(1.0))
    for _ in range(40):
        node = node + node

    assert gradients(node, [x]) == [2**40]


def test_a_chain_of_a_hundred_thousand_nodes_is_not_too_deep() -> None:
    x = node = Node(np.asarray(2.0))
    for _ in range(100_000):
        node = Node(node.value, (node,), (lambda upstream: -upstream,))

    assert gradients(node, [x]) == [1.0]


@pytest.mark.verifies("eq-vjp")
def test_gradients_are_with_respect_to_any_node_asked_for(
    array: Callable[[Any], Any],
) -> None:
    x, elsewhere = Node(array(np.array([1.0, 2.0]))), Node(array(np.ones((2, 3))))
    u = x * x
    output = total(u * u)

    of_x, of_u, of_itself, of_other, again = gradients(
        output, [x, u, output, elsewhere, x]
    )

    assert of_u.tolist() == [2, 8]
    assert of_x.tolist() == again.tolist() == [4, 32]
    assert float(of_itself) == 1
    assert of_other.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_what_nobody_asked_for_is_not_computed() -> None:
    def costly(upstream: Any) -> Any:
        raise AssertionError(f"the gradient {upstream} is not wanted")

    x, data = Node(np.asarray(2.0)), Node(np.asarray(3.0))
    output = Node(np.asarray(6.0), (x, data), (lambda upstream: upstream * 3, costly))

    assert gradients(output, [x]) == [3]


def test_a_node_cannot_be_led_back_to_itself() -> None:
    x = Node(np.asarray(2.0))
    node = x * x

    with pytest.raises(FrozenInstanceError):
        x.parents = (node,)  # type: ignore[misc]


def test_a_node_shows_its_value_and_not_all_that_leads_to_it() -> None:
    node = Node(np.array([1.0]))
    for _ in range(9):
        node = node + node

    assert repr(Node(np.array([2.0])) * node).startswith("Node(value=array([")
    assert len(repr(node)) < 60


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_number_takes_the_precision_of_the_node(
    array: Callable[[Any], Any], dtype: str
) -> None:
    x = Node(array(np.ones(3, dtype)))

    y = total((2 * x + 1) / 3 - x**2)
    (gradient,) = gradients(y, [x])

    for each in (y.value, gradient):
        assert str(each.dtype).removeprefix("torch.") == dtype


@pytest.mark.parametrize("kind", [int, float, np.int64, np.float32, np.float64])
def test_no_number_changes_the_precision_of_a_node_or_stumbles_over_infinity(
    kind: Callable[[int], Any],
) -> None:
    x, number = Node(np.array([1, np.inf], np.float32)), kind(2)

    for node in (x * number, number * x, x + number, x / number, number - x):
        assert node.value.dtype == np.float32
        assert not np.isnan(node.value).any()


@pytest.mark.parametrize("size", [1e-15, 1e25])
def test_a_quotient_is_divided_once_and_has_no_square_that_overflows(
    size: float,
) -> None:
    x, y = np.array([3, -5], np.float32), np.array([size, 2], np.float32)
    nodes, tensors = [Node(x), Node(y)], [torch.tensor(each) for each in (x, y)]
    for each in tensors:
        each.requires_grad_()

    got = gradients(total(nodes[0] / nodes[1]), nodes)

    want = torch.autograd.grad((tensors[0] / tensors[1]).sum(), tensors)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-6)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-6)
    odd = np.arange(1.0, 200)
    np.testing.assert_array_equal((Node(odd) / Node(odd)).value, 1)


@pytest.mark.parametrize("shape", [(3, 2), (2, 2), (1, 2, 3), (2,)])
def test_a_shape_that_was_never_broadcast_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shape must broadcast to \(2, 3\), got"):
        unbroadcast(np.ones((2, 3)), shape)


def test_a_stack_of_graphs_is_differentiated_by_vmap(rng: np.random.Generator) -> None:
    stack = np.stack([draw_graph(rng, 5) for _ in range(3)])

    rows = torch.func.vmap(reverse_mode)(torch.asarray(stack))

    for row, D in zip(rows, stack, strict=True):
        np.testing.assert_allclose(row, reverse_mode(D), rtol=1e-12)


def test_nodes_of_two_libraries_do_not_mix() -> None:
    ours, theirs = Node(np.ones(2)), Node(torch.ones(2))

    with pytest.raises(TypeError, match=r"multiply\(\) got y.value from torch"):
        ours * theirs  # type: ignore[operator]


def test_what_has_no_gradient_is_refused_by_name(array: Callable[[Any], Any]) -> None:
    x = Node(array(np.ones((2, 3))))

    with pytest.raises(ValueError, match=r"number, got the shape \(2, 3\); total"):
        gradients(x, [x])
    with pytest.raises(ValueError, match=r"y must be a matrix, got the shape \(\)"):
        x @ 2.0
    with pytest.raises(ValueError, match="exponent must be at least 1, got -1"):
        x**-1
    with pytest.raises(TypeError, match="wants Float numbers in x"):
        Node(array(np.ones(2, "int64"))) + x


# Networks


def softmax_loss(logits: Node[Any], labels: Any) -> Node[Any]:
    """Record the sum of the losses, whose gradient the book has derived."""
    losses = Node(
        cross_entropy(logits.value, labels),
        (logits,),
        (
            lambda upstream: (
                upstream[:, None] * cross_entropy_gradient(logits.value, labels)
            ),
        ),
    )
    return total(losses)


@pytest.mark.verifies("eq-vjp")
def test_the_gradients_of_a_network_are_pytorchs_on_every_engine(
    run: Run, rng: np.random.Generator
) -> None:
    X, W, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
    V, c, y = rng.normal(size=(2, 4)), rng.normal(size=4), rng.normal(size=(5, 4))

    def program(*arrays: Any) -> tuple[Any, ...]:
        X, W, b, V, c, y = nodes = [Node(each) for each in arrays]
        H = elementwise(add(matmul(X, W), b), tanh, tanh_derivative)
        error = add(matmul(H, V), c) - y
        return tuple(gradients(total(error * error) / 5, nodes))

    got = run(program, X, W, b, V, c, y)

    tensors = [torch.asarray(each).requires_grad_() for each in (X, W, b, V, c, y)]
    X_, W_, b_, V_, c_, y_ = tensors
    loss = ((torch.tanh(X_ @ W_ + b_) @ V_ + c_ - y_) ** 2).sum() / 5
    for ours, theirs in zip(got, torch.autograd.grad(loss, tensors), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_network_trained_by_it_is_the_one_that_autograd_trains(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    X, labels = rng.normal(size=(20, 3)), rng.integers(4, size=20)
    sizes = ((3, 8), (8,), (8, 4), (4,))
    start = [rng.normal(size=size) for size in sizes]
    ours = [array(each) for each in start]
    theirs = [torch.asarray(each).requires_grad_() for each in start]

    for _ in range(20):
        W, b, V, c = nodes = [Node(each) for each in ours]
        H = elementwise(array(X) @ W + b, relu, relu_derivative)
        loss = softmax_loss(H @ V + c, array(labels)) / 20
        found = gradients(loss, nodes)
        ours = [a - 0.3 * g for a, g in zip(ours, found, strict=True)]
    for _ in range(20):
        W_, b_, V_, c_ = theirs
        logits = torch.relu(torch.asarray(X) @ W_ + b_) @ V_ + c_
        mean = torch.nn.functional.cross_entropy(logits, torch.asarray(labels))
        slopes = torch.autograd.grad(mean, theirs)
        with torch.no_grad():
            theirs = [
                (a - 0.3 * g).requires_grad_()
                for a, g in zip(theirs, slopes, strict=True)
            ]

    assert float(loss.value) < 0.7 * float(
        cross_entropy(
            np.maximum(X @ start[0] + start[1], 0) @ start[2] + start[3], labels
        ).mean()
    )
    for a, b_ in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(a), b_.detach(), rtol=1e-12, atol=1e-14)
