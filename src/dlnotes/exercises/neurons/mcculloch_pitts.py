"""The McCulloch-Pitts neuron: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.neurons.mcculloch_pitts import (
    Links,
    fire,
    minterms,
    truth_table_inputs,
)


def _layers(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a layer, some inputs of which count twice or veto, and a batch of bits."""
    batch, inputs, units = whole(rng, 1, 6), whole(rng, 1, 5), whole(rng, 1, 3)
    E = rng.integers(0, 3, (inputs, units)) * 1.0
    V = rng.choice([0.0, 0.0, 0.0, 1.0, 2.0], (inputs, units))
    X = rng.integers(0, 2, (batch, inputs)) * 1.0
    theta = rng.integers(0, 4, units) * 1.0
    on_threshold = np.where(rng.random(units) < 0.5, (X @ E)[0], theta)
    return either(rng, {"links": Links(E=E, V=V, theta=on_threshold), "X": X})


def _tables(rng: np.random.Generator) -> dict[str, Any]:
    """Draw the outputs of a truth table of one to six inputs."""
    inputs = rng.choice([1, 2, 3, 4, 6])
    outputs = rng.integers(0, 2, 2**inputs) * 1.0
    return either(rng, {"outputs": outputs})


def _counting(answer: Answer) -> Answer:
    """Answer with the count, the number of active vetoes, and the threshold."""
    return lambda links, X: 1.0 * answer(X @ links.E, X @ links.V, links.theta)


def _always_veto(links: Links[Any], X: Any) -> Any:
    """Let an input veto only if all that can veto are active."""
    able, count = links.V > 0, X @ links.E
    silent = (X[:, :, None] * able == able).all(axis=1) & able.any(axis=0)
    return 1.0 * ((count >= links.theta) & ~silent)


FIRE = Exercise(
    name="write-neurons-mcculloch-pitts-fire",
    section="neurons.mcculloch_pitts",
    task="Write `fire(links, X)`: `links` has the numbers of excitatory links `E` and "
    "of inhibitory links `V`, both (inputs, units), and thresholds `theta` (units,); "
    "`X` is (batch, inputs) and holds 0 and 1. Return (batch, units): 1 where a "
    "McCulloch-Pitts neuron is active, and 0 where not.",
    hint="How many active inputs veto a unit? One product of matrices counts them.",
    solution=fire,
    inputs=_layers,
    mistakes=(
        Mistake(
            _counting(lambda count, vetoes, theta: (count > theta) & (vetoes == 0)),
            "You ask for a count above the threshold; to reach it is enough.",
        ),
        Mistake(
            _counting(lambda count, vetoes, theta: count - vetoes >= theta),
            "You subtract the inhibitory inputs from the count. Here inhibition is "
            "absolute: one active veto silences the unit, however high the count.",
            "McCulloch Pitts Neurons (page 3), "
            "http://mind.ilstu.edu/curriculum/mcp_neurons/mcp_neuron_3.php?modGUI=212&compGUI=1749&itemGUI=3020",
        ),
        Mistake(
            _counting(lambda count, vetoes, theta: (count >= theta) | (vetoes < 0)),
            "You only count active inputs, as the notes do. Such a unit is monotone: "
            "it never computes NOT, nor A AND NOT B. Where do the vetoes come in?",
        ),
        Mistake(
            _always_veto,
            "You silence a unit when all the inputs that can veto it are active; one "
            "of them is enough.",
        ),
        Mistake(
            _counting(lambda count, vetoes, theta: (count >= theta) & (vetoes != 1)),
            "You silence a unit only if exactly one link vetoes. Two silence it too: "
            "it is active if none does.",
        ),
        Mistake(
            _counting(lambda count, vetoes, theta: count * (vetoes == 0) + 0 * theta),
            "You return the count, which is the net input. The output is 1 or 0: "
            "compare the count with the threshold.",
        ),
        Mistake(
            _counting(lambda count, vetoes, theta: count * (vetoes == 0) >= theta),
            "You set the count to 0 where there is a veto and compare it then. With a "
            "threshold of 0 the unit is active all the same: a veto sets the output "
            "to 0, not the count.",
        ),
        Mistake(
            lambda links, X: (
                1.0 * ((X @ (links.E > 0) >= links.theta) & (X @ links.V == 0))
            ),
            "You count an input with two links once. Each of its links counts: that "
            "is what the numbers in E say.",
        ),
        Mistake(
            _counting(
                lambda count, vetoes, theta: np.where(
                    (count >= theta) & (vetoes == 0), 1, -1
                )
            ),
            "You answer with -1 and 1. The output is a bit, 0 or 1, so that units of "
            "the next layer can count it.",
        ),
    ),
)


def _units(excite: Answer, veto: Answer, threshold: Answer, *, of: float = 1) -> Answer:
    """Answer with links that follow from the rows whose output is ``of``."""

    def answer(outputs: Any) -> Links[Any]:
        r = truth_table_inputs(outputs)[outputs == of].T
        theta = np.zeros(r.shape[1], r.dtype) + threshold(r)
        return Links(E=excite(r), V=veto(r), theta=theta)

    return answer


def _rearranged(change: Answer) -> Answer:
    """Answer with the right links, but with each array rearranged."""

    def answer(outputs: Any) -> Links[Any]:
        right = minterms(outputs)
        return Links(E=change(right.E), V=change(right.V), theta=change(right.theta))

    return answer


def _ones(r: Any) -> Any:
    return r


def _zeros(r: Any) -> Any:
    return 1 - r


def _number_of_ones(r: Any) -> Any:
    return r.sum(axis=0)


MINTERMS = Exercise(
    name="write-neurons-mcculloch-pitts-minterms",
    section="neurons.mcculloch_pitts",
    task="Write `minterms(outputs)`: `outputs` has the 2**N outputs of a truth table, "
    "in the order of the binary numbers (`truth_table_inputs(outputs)` of "
    "`dlnotes.neurons.mcculloch_pitts` lists the rows of inputs). Return the `Links` "
    "of a layer with a unit for each row whose output is 1, in this order: the unit is "
    "active for that row and no other. Use one link at most from an input to a unit, "
    "of either kind, and the number of its excitatory links as a unit's threshold.",
    hint="Which inputs must be active for the unit's row, and which must not?",
    solution=minterms,
    inputs=_tables,
    mistakes=(
        Mistake(
            _units(_ones, np.zeros_like, _number_of_ones),
            "There are no vetoes, so a unit is also active for rows with more ones "
            "than its own. The zeros of its row have to veto.",
        ),
        Mistake(
            _units(_ones, _zeros, lambda _: 1),
            "With a threshold of 1, one active input of the row is enough. All of its "
            "ones have to be active: the threshold is their number.",
        ),
        Mistake(
            _units(_ones, _zeros, lambda r: np.maximum(r.sum(axis=0), 1)),
            "Your thresholds are at least 1, so the unit of the row 00...0 is never "
            "active. That row has no ones, and its unit the threshold 0.",
        ),
        Mistake(
            _units(_ones, _zeros, len),
            "Your threshold is the number of inputs. Only the ones of a row can be "
            "counted, so units of rows with a zero in them are never active.",
        ),
        Mistake(
            _units(_ones, _zeros, _number_of_ones, of=0),
            "Your units stand for the rows whose output is 0.",
        ),
        Mistake(
            _units(_zeros, _ones, lambda r: (1 - r).sum(axis=0)),
            "Excitation and inhibition are exchanged: the ones of the row excite, and "
            "its zeros veto.",
        ),
        Mistake(
            _units(_ones, np.ones_like, _number_of_ones),
            "Every input vetoes, so a unit with a one in its row is never active. Only "
            "the zeros of its row veto.",
        ),
        Mistake(
            _rearranged(lambda part: part[..., ::-1]),
            "Your units stand in reverse: the first is for the first row with output "
            "1, counted from 00...0.",
        ),
        Mistake(
            _rearranged(lambda part: part[::-1] if part.ndim == 2 else part),
            "Your inputs stand in reverse: the first input is the leading binary digit "
            "of the row's number.",
        ),
        Mistake(
            _rearranged(lambda part: part.T),
            "E and V have a unit in each row. In this book a column is a unit: "
            "(inputs, units).",
        ),
    ),
    harmless=("is right only where axis 0 of outputs has more than one entry",),
)

EXERCISES = (FIRE, MINTERMS)
