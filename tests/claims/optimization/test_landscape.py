"""The experiments on the loss surface: each part small, each rule on made-up rows."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from dlnotes.claims import Row, Verdict
from dlnotes.claims.optimization import landscape as room
from dlnotes.claims.optimization.landscape import (
    judge_minima,
    judge_plateau,
    judge_saddle,
    losses,
    lowest,
    moons,
    restarts,
    start,
    walk,
)
from dlnotes.optimization.landscape import plateau, saddle

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


# Walks


def test_a_walk_counts_the_steps_of_gradient_descent_in_a_bowl() -> None:
    steps = walk(room.BOWL, (4.0, 0.0), room.ON_PLATEAUS[room.GD], room.at_minimum, 100)

    assert steps == np.ceil(np.log(40) / -np.log(0.9))


def test_a_walk_that_does_not_arrive_ends_at_its_cap() -> None:
    far = walk(plateau, (5.0, 0.0), room.ON_PLATEAUS[room.GD], room.at_minimum, 50)
    ridge = walk(saddle, (1.0, 0.0), room.AT_SADDLES[room.GD], room.escaped, 60)

    assert (far, ridge) == (50, 60)


def test_noise_drives_a_walk_off_the_ridge_and_differs_from_seed_to_seed() -> None:
    found = [
        walk(
            saddle,
            (1.0, 0.0),
            room.AT_SADDLES[room.GD],
            room.escaped,
            400,
            noise=np.random.default_rng(seed),
        )
        for seed in (0, 1, 0)
    ]

    assert found[0] == found[2] != found[1]
    assert max(found) < 400


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((10.0, 20.0, 30.0), HOLDS),
        ((9.9, 20.0, 30.0), CONDITIONAL),
        ((1.0, 1.0, 10.0), CONDITIONAL),
        ((1.9, 1.9, 1.9), FAILS),
        ((1.9, 1.9, 2.0), OPEN),
    ],
)
def test_the_rule_about_plateaus(ratios: Sequence[float], verdict: Verdict) -> None:
    found = [Row(room.RATIO, room.GD, f"from {k}", (r,)) for k, r in enumerate(ratios)]
    others = [Row(room.RATIO, "Adam", "from 0", (0.5,))]

    assert judge_plateau([*others, *found]).verdict is verdict


CAP = room.SADDLE_CAP


@pytest.mark.parametrize(
    ("exact", "noisy", "verdict"),
    [
        ((CAP, 50, 40, 10), [60] * 10, CONDITIONAL),
        ((CAP, 30, 20, 10), [50] * 10, CONDITIONAL),
        ((CAP, 49, 20, 10), [49] * 10, FAILS),
        ((90, 49, 20, 10), [49] * 10, FAILS),
        ((90, 50, 20, 10), [49] * 10, OPEN),
        ((CAP, CAP, 20, 10), [49] * 10, HOLDS),
        ((CAP, 49, 20, 10), [CAP] * 5 + [49] * 5, HOLDS),
        ((90, 49, 20, 10), [CAP] * 4 + [49] * 6, OPEN),
    ],
)
def test_the_rule_about_saddle_points(
    exact: Sequence[float], noisy: Sequence[float], verdict: Verdict
) -> None:
    found = [
        Row(room.ESCAPE, name, f"y = {height:g}", values)
        for height, steps in zip(room.HEIGHTS, exact, strict=True)
        for name, values in ((room.GD, (steps,)), (room.NOISY, tuple(noisy)))
    ]

    assert judge_saddle(found).verdict is verdict


# Local minima


def test_the_loss_of_networks_side_by_side_is_that_of_each_alone() -> None:
    X, y = moons()
    layers = start(4, range(3))

    together = losses(layers, X, y)

    for k in range(3):
        W_1, b_1, W_2, b_2 = (each[k] for each in layers)
        scores = (torch.tanh(X @ W_1 + b_1) @ W_2 + b_2)[:, 0]
        p = torch.sigmoid(scores)
        alone = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
        torch.testing.assert_close(together[k], alone)


def test_the_smallest_eigenvalue_is_the_least_curvature_in_any_direction() -> None:
    X, y = moons()
    layers = [each[0].detach() for each in start(2, range(1))]
    rng = np.random.default_rng(0)
    curvatures = []
    for _ in range(200):
        step = [torch.tensor(rng.normal(size=each.shape)) for each in layers]
        length = sum(float((each**2).sum()) for each in step) ** 0.5
        up, middle, down = (
            losses(
                [
                    a.double() + k * b / length
                    for a, b in zip(layers, step, strict=True)
                ],
                X.double(),
                y.double(),
            )
            for k in (1e-3, 0.0, -1e-3)
        )
        curvatures.append(float(up - 2 * middle + down) / 1e-6)

    least = lowest(layers, X, y)

    assert least <= min(curvatures) + 1e-4
    assert least > min(curvatures) - 0.5


def test_restarts_learn_and_say_where_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "EPOCHS", 60)
    X, y = moons()

    small, large = restarts(4, range(2)), restarts(64, range(2))

    assert set(small) == {room.LOSS, room.GRADIENT, room.CURVATURE}
    assert set(large) == {room.LOSS, room.GRADIENT}
    for found, units in ((small, 4), (large, 64)):
        before = losses(start(units, range(2)), X, y).tolist()
        pairs = zip(found[room.LOSS], before, strict=True)
        assert all(a < 0.8 * b for a, b in pairs)
        assert len({*found[room.LOSS]}) == 2


@pytest.mark.parametrize(
    ("stuck", "verdict"),
    [
        ((2, 2), HOLDS),
        ((5, 1), CONDITIONAL),
        ((1, 1), FAILS),
        ((0, 0), FAILS),
        ((0, 2), OPEN),
    ],
)
def test_the_rule_about_local_minima(stuck: tuple[int, int], verdict: Verdict) -> None:
    found = [
        Row(room.LOSS, f"{units} units", "", (0.2,) * count + (0.09,) * 2 + (0.0,) * 16)
        for units, count in zip(room.UNITS, stuck, strict=True)
    ]

    assert judge_minima(found).verdict is verdict
