"""Claims about networks of several layers."""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import Ruling, by_method, decide
from dlnotes.networks.mlp import mlp_forward
from dlnotes.neurons.mcculloch_pitts import truth_table_inputs
from dlnotes.neurons.perceptron import Perceptron, heaviside

ROWS = truth_table_inputs(np.zeros(8))
PARITY = ROWS.sum(axis=1) % 2


@claim("claim-hidden-layer-adds-power", seeds=1)
def hidden_layer_adds_power(seeds: Sequence[int]) -> Finding:
    """A cascade of layers computes more than a single layer.

    Counted are the Boolean functions of three inputs, 256 in all, that one threshold
    unit computes, by linear programming, and those that a hidden layer of at most three
    such units and an output unit compute, by trying all.  The exclusive or of three
    inputs has a network that is written down.

    It holds if one unit computes fewer than 256, and two layers compute more than one
    unit and the exclusive or too.  It holds conditionally if two layers compute more,
    but not the exclusive or.  It fails if they compute no more than one unit.
    """
    del seeds
    single = threshold_functions()
    found = [
        Row("functions computed", "one unit", "", (float(len(single)),)),
        Row("functions computed", "two layers", "", (float(len(deep(single))),)),
        Row("functions in all", "", "", (float(2 ** len(ROWS)),)),
        Row("rows of the exclusive or that are right", "", "", (right_rows(),)),
    ]
    verdict, because, condition = judge_power(found)
    data = "all eight rows of each truth table of three inputs"
    return Finding(verdict, because, data, tuple(found), condition)


def threshold_functions() -> NDArray[Any]:
    """Return the functions that one unit computes, one a row."""
    every = (np.arange(256)[:, None] >> np.arange(8)) & 1
    signed = np.hstack([ROWS, np.ones((8, 1))])
    return np.array([f for f in every if separable(signed, f)])


def separable(inputs: NDArray[Any], f: NDArray[Any]) -> bool:
    """Tell whether weights exist that are at least 1 where ``f`` is 1, else -1."""
    sides = (1 - 2 * f)[:, None] * inputs
    return bool(
        linprog(
            np.zeros(inputs.shape[1]),
            A_ub=sides,
            b_ub=-np.ones(len(f)),
            bounds=(None, None),
        ).success
    )


def deep(single: NDArray[Any]) -> set[int]:
    """Return the functions of two layers, each as the number its bits spell.

    Three hidden units are enough to try: two alike do what one does.  Their outputs
    are a row of the table of the output unit, which is a threshold function too.
    """
    hidden = np.array([*combinations_with_replacement(range(len(single)), 3)])
    rows = single[hidden].transpose(0, 2, 1) @ [4, 2, 1]
    return {
        int(number)
        for f in single
        for number in np.unique(f[rows] @ (1 << np.arange(8)))
    }


def right_rows() -> float:
    """Count the rows that a network for the exclusive or has right.

    Its hidden units tell whether at least one, two and three inputs are 1.
    """
    at_least = Perceptron(np.ones((3, 3)), np.array([-0.5, -1.5, -2.5]))
    last = Perceptron(np.array([[1.0], [-1.0], [1.0]]), np.array([-0.5]))
    outputs = mlp_forward((at_least, last), ROWS, activation=heaviside)
    return float((heaviside(outputs[:, 0]) == PARITY).sum())


def judge_power(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about a hidden layer."""
    counts = {k: v[0] for k, v in by_method(found, "functions computed").items()}
    (every,) = by_method(found, "functions in all")[""]
    (right,) = by_method(found, "rows of the exclusive or that are right")[""]
    one, two = counts["one unit"], counts["two layers"]
    verdict = decide(
        confirmed=one < every and two > one and right == len(ROWS),
        conditional=two > one,
        refuted=two <= one,
    )
    because = (
        f"Of {every:.0f} functions of three inputs one unit computes {one:.0f}, and "
        f"two layers {two:.0f}; the exclusive or of three inputs has {right:.0f} of "
        f"{len(ROWS)} rows right."
    )
    return Ruling(verdict, because, "but not for the exclusive or of three inputs")
