"""The McCulloch-Pitts neuron against counting in loops, Python's logic and Dedekind."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.neurons.mcculloch_pitts import (
    Links,
    fire,
    is_monotone,
    minterms,
    normal_form,
    truth_table_inputs,
)

PAIRS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def functions(inputs: int) -> list[tuple[float, ...]]:
    """List every Boolean function, by the outputs of its truth table."""
    return list(product([0.0, 1.0], repeat=2**inputs))


@pytest.mark.verifies("eq-mcp-sum")
def test_a_unit_counts_active_inputs_unless_one_of_them_vetoes(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    E, V = rng.integers(0, 3, (5, 40)) * 1.0, (rng.random((5, 40)) < 0.15) * 2.0
    theta, X = rng.integers(0, 5, 40) * 1.0, np.array([*product([0.0, 1.0], repeat=5)])

    Y = run(lambda E, V, theta, X: fire(Links(E, V, theta), X), E, V, theta, X)

    for x, y in zip(X, Y, strict=True):
        active = [i for i in range(5) if x[i] == 1]
        for j in range(40):
            vetoed = any(V[i, j] for i in active)
            enough = sum(E[i, j] for i in active) >= theta[j]
            assert y[j] == (enough and not vetoed)
    assert 0.2 < Y.mean() < 0.8


@pytest.mark.parametrize(
    ("E", "V", "function"),
    [
        ([2, 0], [0, 0], lambda a, _: a),
        ([1, 1], [0, 0], lambda a, b: a and b),
        ([2, 2], [0, 0], lambda a, b: a or b),
        ([2, 0], [0, 1], lambda a, b: a and not b),
    ],
)
def test_the_circuits_of_the_notes_compute_what_they_are_said_to(
    E: list[int], V: list[int], function: Callable[..., Any], array: Callable[..., Any]
) -> None:
    e, v = (array(np.array(each, dtype=float)[:, None]) for each in (E, V))

    y = fire(Links(E=e, V=v, theta=array(np.array([2.0]))), array(PAIRS))[:, 0]

    assert y.tolist() == [function(bool(a), bool(b)) for a, b in PAIRS]


@pytest.mark.verifies("eq-truth-table")
@pytest.mark.parametrize("inputs", [0, 1, 2, 3, 6])
def test_a_truth_table_has_every_row_in_the_order_of_the_binary_numbers(
    inputs: int, run: Callable[..., Any]
) -> None:
    X = run(truth_table_inputs, np.zeros(2**inputs))

    assert X.tolist() == [list(row) for row in product([0, 1], repeat=inputs)]


@pytest.mark.verifies("eq-minterm")
def test_each_minterm_is_active_for_its_row_only(array: Callable[[Any], Any]) -> None:
    outputs = np.array([1.0, 0, 0, 1, 1, 0, 1, 0])

    Y = np.asarray(fire(minterms(array(outputs)), truth_table_inputs(array(outputs))))

    assert np.array_equal(Y, np.eye(8)[:, [0, 3, 4, 6]])


@pytest.mark.verifies("eq-disjunctive-normal-form")
@pytest.mark.parametrize("inputs", [0, 1, 2, 3])
def test_two_layers_compute_every_function(
    inputs: int, array: Callable[[Any], Any]
) -> None:
    X = np.array([*product([0.0, 1.0], repeat=inputs)]).reshape(2**inputs, inputs)

    for outputs in functions(inputs):
        y = normal_form(minterms(array(np.array(outputs))), array(X))
        assert y.tolist() == list(outputs)


def test_the_second_layer_is_or_on_every_engine(
    rng: np.random.Generator, run: Callable[..., Any]
) -> None:
    E, theta = rng.integers(0, 3, (3, 4)) * 1.0, np.array([2.0, 3.0, 4.0, 5.0])
    X = np.array([*product([0.0, 1.0], repeat=3)])

    y = run(lambda E, theta, X: normal_form(Links(E, 0 * E, theta), X), E, theta, X)

    assert y.tolist() == [(x @ E >= theta).any() for x in X]
    assert 0 < y.mean() < 1


@pytest.mark.verifies("eq-monotone")
def test_a_monotone_function_rises_along_every_pair_of_rows(
    run: Callable[..., Any],
) -> None:
    X = np.array([*product([0, 1], repeat=3)])
    below = [(k, m) for k in range(8) for m in range(8) if (X[k] <= X[m]).all()]

    for outputs in functions(3)[:: 1 if run.__name__ == "_numpy" else 17]:
        wanted = all(outputs[k] <= outputs[m] for k, m in below)
        assert bool(run(is_monotone, np.array(outputs))) == wanted


@pytest.mark.parametrize(("inputs", "number"), [(0, 2), (1, 3), (2, 6), (3, 20)])
def test_there_are_as_many_monotone_functions_as_dedekind_counted(
    inputs: int, number: int
) -> None:
    monotone = [is_monotone(np.array(outputs)) for outputs in functions(inputs)]

    assert sum(monotone) == number


def test_without_inhibition_a_network_computes_the_monotone_functions_only() -> None:
    X = np.array([*product([0.0, 1.0], repeat=3)])

    for outputs in map(np.array, functions(3)):
        links = minterms(outputs)
        y = normal_form(Links(links.E, 0 * links.V, links.theta), X)
        assert np.array_equal(y, outputs) == is_monotone(outputs)
        assert (y >= outputs).all()


def test_links_without_inhibition_make_a_unit_monotone(
    rng: np.random.Generator,
) -> None:
    E, theta = rng.integers(0, 4, (4, 100)) * 1.0, rng.integers(0, 9, 100) * 1.0

    Y = fire(Links(E, 0 * E, theta), np.array([*product([0.0, 1.0], repeat=4)]))

    assert all(is_monotone(y) for y in Y.T)


def test_what_is_no_bit_is_refused(array: Callable[[Any], Any]) -> None:
    links = Links(*(array(np.ones(shape)) for shape in ((2, 1), (2, 1), 1)))

    with pytest.raises(ValueError, match=r"X must be 0 or 1, got 0.5"):
        fire(links, array(np.array([[0.0, 0.5]])))
    with pytest.raises(ValueError, match=r"X must be 0 or 1, got nan"):
        normal_form(links, array(np.array([[0.0, np.nan]])))
    for function in (minterms, is_monotone):
        with pytest.raises(ValueError, match=r"outputs must be 0 or 1, got -1.0"):
            function(array(np.array([0.0, -1.0])))


@pytest.mark.parametrize("function", [truth_table_inputs, minterms, is_monotone])
@pytest.mark.parametrize("rows", [0, 3, 12])
def test_a_table_with_a_row_too_few_is_refused(
    function: Callable[..., Any], rows: int, array: Callable[[Any], Any]
) -> None:
    with pytest.raises(ValueError, match=rf"1, 2, 4, 8, ... rows, got {rows}"):
        function(array(np.zeros(rows)))


def test_a_stack_of_inputs_or_functions_is_computed_by_vmap(
    rng: np.random.Generator,
) -> None:
    links = Links(*(torch.asarray(each) for each in rng.integers(0, 2, (3, 2)) * 1.0))
    units = Links(links.E[:, None], links.V[:, None], links.theta[:1])
    X, outputs = (torch.asarray(rng.integers(0, 2, (6, 4, n)) * 1.0) for n in (2, 1))

    fired = torch.func.vmap(lambda each: fire(units, each))(X)
    monotone = torch.func.vmap(is_monotone)(outputs[..., 0])

    for k in range(6):
        assert torch.equal(fired[k], fire(units, X[k]))
        assert torch.equal(monotone[k], is_monotone(outputs[k, :, 0]))
    assert 0 < monotone.sum() < 6
