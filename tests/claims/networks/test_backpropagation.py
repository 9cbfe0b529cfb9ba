"""The experiments on backpropagation: each part small, each rule on made-up rows.

What was really measured is on record, and `nox -s claims` measures it again.
"""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from dlnotes.claims import Row, Verdict
from dlnotes.claims.networks import backpropagation as room
from dlnotes.claims.networks.backpropagation import (
    chained,
    descend,
    drawn,
    encode,
    gradient,
    interleaved,
    judge_codes,
    judge_descent,
    judge_passes,
    moved,
    pushed_forward,
    quotient,
)

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


# Two passes


def test_both_ways_to_check_a_gradient_agree_with_autograd(
    rng: np.random.Generator,
) -> None:
    layers = drawn((3, 4, 2), rng)
    X, Y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    tensors = [torch.asarray(each).requires_grad_() for each in room.arrays(layers)]
    W_1, b_1, W_2, b_2 = tensors
    outputs = torch.tanh(torch.asarray(X) @ W_1 + b_1) @ W_2 + b_2
    loss = ((outputs - torch.asarray(Y)) ** 2).sum(1).mean()
    want = [each.ravel() for each in torch.autograd.grad(loss, tensors)]

    for place, right in enumerate(torch.cat(want).tolist()):
        assert quotient(layers, X, Y, place) == pytest.approx(right, abs=1e-8)
        assert pushed_forward(layers, X, Y, place) == pytest.approx(right, abs=1e-12)
    got = np.concatenate([each.ravel() for each in room.arrays(gradient(layers, X, Y))])
    np.testing.assert_allclose(got, torch.cat(want), rtol=1e-12)


def test_one_parameter_is_moved_and_the_others_are_kept(
    rng: np.random.Generator,
) -> None:
    layers = drawn((3, 4, 2), rng)
    before = np.concatenate([each.ravel() for each in room.arrays(layers)])

    for place in range(before.size):
        after = room.arrays(moved(layers, place, 0.5))
        change = np.concatenate([each.ravel() for each in after]) - before
        assert change.nonzero()[0].tolist() == [place]
        assert change[place] == pytest.approx(0.5)


def test_times_are_of_calls_in_turn_after_a_warm_up() -> None:
    called: list[str] = []

    interleaved(lambda: called.append("a"), lambda: called.append("b"))

    assert "".join(called) == "ab" * (room.ROUNDS + 1)


@pytest.mark.parametrize(
    ("error", "ratios", "verdict"),
    [
        (1e-9, (3, 3, 3, 3), HOLDS),
        (1e-9, (4.9, 4, 3, 2), HOLDS),
        (1e-9, (5, 3, 3, 3), CONDITIONAL),
        (1e-9, (9, 9, 9, 9), CONDITIONAL),
        (1e-9, (1, 2, 4, 8), OPEN),
        (1e-9, (1, 4, 16, 64), FAILS),
        (1e-6, (3, 3, 3, 3), FAILS),
        (np.nan, (3, 3, 3, 3), OPEN),
        (1e-9, (3, 3, np.nan, 3), OPEN),
    ],
)
def test_the_rule_about_two_passes(
    error: float, ratios: Sequence[float], verdict: Verdict
) -> None:
    names = [f"{count:,} parameters" for count in (1000, 10_000, 100_000, 1_000_000)]
    time = "time of both passes over that of the forward pass"
    found = [
        Row(quantity, name, "", values)
        for name, ratio in zip(names, ratios, strict=True)
        for quantity, values in (
            ("largest relative error", (0.0, error)),
            (time, (ratio, ratio)),
        )
    ]

    assert judge_passes(found).verdict is verdict


# Descent


def test_a_small_rate_descends_and_a_large_one_jumps() -> None:
    small, large = descend(0.01, 0), descend(10.0, 0)

    assert small["steps that raise the loss"] == 0
    assert large["steps that raise the loss"] > 0
    assert small["last loss"] < 0.7


def test_a_loss_that_is_no_number_counts_as_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "binary_cross_entropy", lambda *_: np.array(np.nan))

    assert descend(0.01, 0)["steps that raise the loss"] == 1000


@pytest.mark.parametrize(
    ("raised", "length", "verdict"),
    [
        ((0, 0, 0), 0.05, HOLDS),
        ((0, 0, 0), 0.2, OPEN),
        ((0, 0, 0), np.nan, OPEN),
        ((0, 0, 7), 0.2, CONDITIONAL),
        ((0, 7, 0), 0.05, CONDITIONAL),
        ((1, 0, 0), 0.05, FAILS),
    ],
)
def test_the_rule_about_repeated_steps(
    raised: Sequence[int], length: float, verdict: Verdict
) -> None:
    found = []
    for rate, count in zip(("0.001", "0.1", "10"), raised, strict=True):
        name = f"rate {rate}"
        found += [
            Row("steps that raise the loss", name, "", (0, count)),
            Row("length of the gradient, end over start", name, "", (0.01, length)),
        ]

    assert judge_descent(found).verdict is verdict


# Representations


def test_a_frozen_hidden_layer_stays_and_a_trained_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    def kept(parameters: Sequence[np.ndarray]) -> room.Layers:
        made.append(chained(parameters))
        return made[-1]

    monkeypatch.setattr(room, "chained", kept)
    encode(0, trained=False)
    (frozen,) = {each[0].W.tobytes() for each in made}
    made.clear()
    encode(0, trained=True)

    assert frozen == drawn((8, 3, 8), np.random.default_rng(0))[0].W.tobytes()
    assert len({each[0].W.tobytes() for each in made}) == 3000


@pytest.mark.parametrize(
    ("right", "codes", "control", "verdict"),
    [
        (20, 10, 19, HOLDS),
        (19, 20, 0, HOLDS),
        (20, 9, 0, CONDITIONAL),
        (20, 20, 20, CONDITIONAL),
        (18, 20, 0, OPEN),
        (9, 20, 0, FAILS),
    ],
)
def test_the_rule_about_representations(
    right: int, codes: int, control: int, verdict: Verdict
) -> None:
    def seeds(count: int) -> tuple[float, ...]:
        return (1.0,) * count + (0.0,) * (20 - count)

    found = [
        Row("all right", "trained", "", seeds(right)),
        Row("all right", "hidden layer frozen", "", seeds(control)),
        Row("eight codes", "trained", "", seeds(codes)),
    ]

    assert judge_codes(found).verdict is verdict
