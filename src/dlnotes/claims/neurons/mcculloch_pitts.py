"""Claims about units that count active inputs, each decided by trying every unit."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import Ruling, by_method, decide
from dlnotes.neurons.mcculloch_pitts import Links, fire, truth_table_inputs
from dlnotes.neurons.perceptron import Perceptron, predict

Table = tuple[int, ...]

PAIRS = truth_table_inputs(np.zeros(4))
FUNCTIONS: dict[str, Table] = {
    "A": (0, 0, 1, 1),
    "A and B": (0, 0, 0, 1),
    "A or B": (0, 1, 1, 1),
    "A and not B": (0, 0, 1, 0),
}


def table(outputs: Any) -> Table:
    """Return the outputs for the four rows as a key."""
    return tuple(map(int, np.asarray(outputs).ravel()))


def circuits(vetoes: int) -> list[Table]:
    """Return what each unit computes that has up to two links from each input.

    A row for each unit: thresholds from 0 to 4, and up to as many inputs that veto.
    """
    found = []
    for E, V, theta in product(
        product((0, 1, 2), repeat=2), product((0, 1), repeat=2), range(5)
    ):
        if sum(V) <= vetoes:
            e, v = (np.array(each, dtype=float)[:, None] for each in (E, V))
            unit = Links(E=e, V=v, theta=np.array([float(theta)]))
            found.append(table(fire(unit, PAIRS)))
    return found


@claim("claim-mcp-computes-logic", seeds=1)
def mcp_computes_logic(seeds: Sequence[int]) -> Finding:
    """Threshold neurons compute identity, AND, OR, and A AND NOT B.

    All units with up to two links from each of two inputs and thresholds from 0 to 4
    are tried, without inhibition, as the notes describe them, and with one inhibitory
    input.  It holds if each of the four functions has a unit without inhibition.  It
    holds conditionally if identity, AND and OR have one, and A AND NOT B has one only
    with an inhibitory input.  It fails otherwise.
    """
    del seeds
    kinds = {"counting only": circuits(0), "with one inhibitory input": circuits(1)}
    found = [
        Row("units that compute it", kind, name, (float(tables.count(wanted)),))
        for kind, tables in kinds.items()
        for name, wanted in FUNCTIONS.items()
    ]
    verdict, because, condition = judge_logic(found)
    data = "all four rows of each truth table"
    return Finding(verdict, because, data, tuple(found), condition)


def judge_logic(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about logic gates."""
    units = {
        name: by_method(found, "units that compute it", name) for name in FUNCTIONS
    }
    counting = {name: units[name]["counting only"][0] > 0 for name in FUNCTIONS}
    vetoing = units["A and not B"]["with one inhibitory input"][0] > 0
    three = all(counting[name] for name in ("A", "A and B", "A or B"))
    verdict = decide(
        confirmed=all(counting.values()),
        conditional=three and vetoing,
        refuted=not (three and vetoing),
    )
    lacking = [name for name in FUNCTIONS if not counting[name]]
    because = (
        f"Units that only count compute all of the four but {', '.join(lacking)}."
        if lacking
        else "Units that only count compute all four."
    )
    return Ruling(verdict, because, "with inhibitory inputs, which the notes leave out")


@claim("claim-mcp-fixed-limits", seeds=1)
def mcp_fixed_limits(seeds: Sequence[int]) -> Finding:
    """The McCulloch-Pitts unit is limited by its fixed weights.

    The functions of two bits are counted that some unit computes: with both weights 1;
    with up to two links from each input, or a veto; with whole weights from -2 to 2;
    each with any threshold; and by two layers of the last, two units in the first.  It
    holds if each of these numbers is larger than the one before.  It holds
    conditionally if only the last is not.  It fails otherwise.

    That a unit with a fixed threshold too computes one function, and that a binary
    output is binary, needs no test.
    """
    del seeds
    one = reached(range(-2, 3), PAIRS)
    first = (np.array(pair, dtype=float).T for pair in product(one, repeat=2))
    deep = set().union(*(reached(range(-2, 3), H) for H in first))
    counts = {
        "one unit, both weights 1": len(reached([1], PAIRS)),
        "one unit, up to two links or a veto": len({*circuits(2)}),
        "one unit, weights from -2 to 2": len(one),
        "two layers of these": len(deep),
    }
    found = [
        Row("functions computed", name, "", (float(count),))
        for name, count in counts.items()
    ]
    verdict, because, condition = judge_limits(found)
    data = f"the {2**4} functions of two bits"
    return Finding(verdict, because, data, tuple(found), condition)


def reached(weights: Iterable[int], X: Any) -> set[Table]:
    """Return what units with such weights and any threshold compute from two inputs."""
    settings = np.array([*product(weights, weights, range(-4, 6))], dtype=float)
    units = Perceptron(W=settings[:, :2].T, b=-settings[:, 2])
    return set(map(table, predict(units, X).T))


def judge_limits(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about fixed weights."""
    counts = by_method(found, "functions computed").values()
    alike, linked, free, deep = (number for (number,) in counts)
    verdict = decide(
        confirmed=alike < linked < free < deep,
        conditional=alike < linked < free == deep,
        refuted=not alike < linked < free,
    )
    because = (
        f"With both weights 1 a unit computes {alike:.0f} functions of two bits, with "
        f"links and vetoes {linked:.0f}, with weights from -2 to 2 {free:.0f}; two "
        f"layers compute {deep:.0f}."
    )
    return Ruling(verdict, because, "for its weights; a second layer adds nothing")
