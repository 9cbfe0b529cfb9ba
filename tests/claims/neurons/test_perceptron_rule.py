"""The rules about how a perceptron learns, on made-up rows."""

import warnings

import numpy as np
import pytest

from dlnotes.claims import Row, Verdict
from dlnotes.claims.evidence import by_method
from dlnotes.claims.neurons import perceptron_rule as room

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


@pytest.mark.parametrize(
    ("most", "wrong", "verdict"),
    [
        (1.0, 0.0, HOLDS),
        (1.0, 4.0, CONDITIONAL),
        (1.1, 4.0, FAILS),
        (1.1, 0.0, FAILS),
    ],
)
def test_the_rule_about_convergence(
    most: float, wrong: float, verdict: Verdict
) -> None:
    found = [
        Row("corrections as a share of the bound", "", "margin 0.5", (0.2, most)),
        Row("corrections as a share of the bound", "", "margin 0.1", (0.1, 0.2)),
        Row("mistakes in epoch 1,000", "", "exclusive or", (wrong,)),
    ]

    assert room.judge_convergence(found).verdict is verdict


@pytest.mark.parametrize(
    ("printed", "verdict"),
    [
        ((1.0, 0.96, 0.95), HOLDS),
        ((1.0, 0.9, 0.5), CONDITIONAL),
        ((1.0, 0.2, 0.1), FAILS),
        ((0.9, 0.9, 0.9), FAILS),
    ],
)
def test_the_rule_about_the_printed_rule(
    printed: tuple[float, ...], verdict: Verdict
) -> None:
    found = []
    for data, share in zip("abc", printed, strict=True):
        learned = tuple(
            np.repeat([1.0, 0.0], [round(100 * share), 100 - round(100 * share)])
        )
        found.append(Row("learned", "correct rule", data, (1.0,) * 100))
        found.append(Row("learned", "printed rule", data, learned))

    ruling = room.judge_printed_rule(found)

    assert ruling.verdict is verdict
    if verdict is CONDITIONAL:
        assert ruling.condition == "in a"


def test_an_overflow_of_the_printed_rule_is_not_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sets = room.training_sets(range(2))
    far = {
        name: [(10 * X[:5], Y[:5]) for X, Y in pairs] for name, pairs in sets.items()
    }
    monkeypatch.setattr(room, "training_sets", lambda _: far)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        finding = room.seed_rule_learns(range(2))

    assert len(finding.measured) == 24
    assert by_method(finding.measured, "learned", "and, step, start at zero")[
        "correct rule"
    ] == (1.0, 1.0)


@pytest.mark.parametrize(
    ("hebb", "verdict"),
    [
        ((0.9, 0.9, 0.91), HOLDS),
        ((0.96, 0.96, 0.97), CONDITIONAL),
        ((0.9, 1.0, 1.0), OPEN),
        ((1.0, 1.0, 1.0), FAILS),
    ],
)
def test_the_rule_about_hebb(hebb: tuple[float, ...], verdict: Verdict) -> None:
    found = [
        Row("accuracy", "Hebb", room.CORRELATED, hebb),
        Row("accuracy", "perceptron", room.CORRELATED, (1.0,) * 3),
    ]

    assert room.judge_hebb(found).verdict is verdict


def test_what_hebb_and_the_perceptron_do_is_noted() -> None:
    noted = room.hebb_and_perceptron(0, 0.9)

    assert {*noted} == {"Hebb", "perceptron"}
    assert noted["perceptron"] == 1
    assert 0.8 < noted["Hebb"] < 1


def test_what_is_by_construction_is_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = {"Hebb": 0.9, "perceptron": 1.0}
    monkeypatch.setattr(room, "hebb_and_perceptron", lambda *_: noted)

    finding = room.hebb_error_driven(range(2))

    assert {row.quantity for row in finding.measured} == {"accuracy"}
