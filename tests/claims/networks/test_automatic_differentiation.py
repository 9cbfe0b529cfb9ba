"""The claim about graphs: its rule on made-up rows, and what it compares with."""

import numpy as np
import pytest

from dlnotes.claims import Row, Verdict
from dlnotes.claims.networks import automatic_differentiation as room
from dlnotes.claims.networks.automatic_differentiation import judge_graphs
from dlnotes.networks.automatic_differentiation import elementwise

HOLDS, CONDITIONAL, FAILS, _ = Verdict


@pytest.mark.parametrize(
    ("wrong", "verdict"),
    [
        ({}, HOLDS),
        ({("pendulum", "central differences"): 1e-6}, CONDITIONAL),
        ({("pendulum", "PyTorch's autograd"): 1e-10}, CONDITIONAL),
        ({("", "PyTorch's autograd"): 1e-9}, FAILS),
        ({("pendulum", "PyTorch's autograd"): np.nan}, CONDITIONAL),
    ],
)
def test_the_rule_wants_both_methods_to_agree_in_every_seed(
    wrong: dict[tuple[str, str], float], verdict: Verdict
) -> None:
    found = [
        Row("relative difference", method, name, (1e-12, off, 1e-12))
        for name in room.PROGRAMS
        for method in room.LIMITS
        for off in [
            next(
                (
                    size
                    for (part, kind), size in wrong.items()
                    if part in name and kind == method
                ),
                1e-13,
            )
        ]
    ]

    ruling = judge_graphs(found)

    assert ruling.verdict == verdict
    if verdict is CONDITIONAL:
        assert "pendulum" not in ruling.condition
        assert "log det" in ruling.condition


def test_central_differences_are_the_slopes_of_a_function_of_two_arrays() -> None:
    x, y = np.array([1.0, 2.0]), np.asarray(3.0)

    to_x, to_y = room.central_differences(lambda x, y: (x**2).sum() * y, [x, y])

    np.testing.assert_allclose(to_x, [6, 12], rtol=1e-8)
    assert float(to_y) == pytest.approx(5)


def test_a_wrong_gradient_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    program, draw = room.PROGRAMS["x sin x + exp(x sin x)"]
    inputs = draw(np.random.default_rng(0))
    right = room.compare(program, inputs)
    slipped = room.RECORDED._replace(
        exp=lambda x: elementwise(x, np.exp, lambda v: 1.001 * np.exp(v))
    )

    monkeypatch.setattr(room, "RECORDED", slipped)
    wrong = room.compare(program, inputs)

    for method, limit in room.LIMITS.items():
        assert right[method] < limit < wrong[method]
