"""The experiments on ReLU: their parts, and their rules on made-up rows.

What was really measured is on record, and `nox -s claims` measures it again.
"""

from collections.abc import Callable, Sequence
from math import log10
from typing import Any

import numpy as np
import pytest
import torch
from tests.claims.made_up import near

from dlnotes.claims import EXPERIMENTS, Row, Verdict
from dlnotes.claims.evidence import rows
from dlnotes.claims.networks import rectifiers
from dlnotes.claims.networks.rectifiers import (
    fastest,
    judge_change,
    judge_relu,
    judge_times,
    log_change,
    numpy_backward,
    numpy_forward,
    relative_times,
    torch_backward,
    torch_forward,
    training_steps,
)
from dlnotes.claims.trial import Trial

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict
ABOVE, UNDER, SAME = (near(mean) for mean in (0.9, 0.7, 0.8))


@pytest.mark.parametrize(
    ("relu", "tanh", "verdict"),
    [
        ((ABOVE, ABOVE, ABOVE, ABOVE), SAME, HOLDS),
        ((ABOVE, SAME, SAME, SAME), SAME, CONDITIONAL),
        ((ABOVE, ABOVE, ABOVE, ABOVE), near(0.95), CONDITIONAL),
        ((ABOVE, UNDER, SAME, SAME), SAME, OPEN),
        ((UNDER, SAME, SAME, SAME), SAME, FAILS),
        ((SAME, SAME, SAME, ABOVE), near(0.95), FAILS),
        ((SAME, SAME, SAME, SAME), SAME, OPEN),
    ],
)
def test_the_rule_about_relu(
    relu: Sequence[list[float]], tanh: list[float], verdict: Verdict
) -> None:
    found = []
    for data, ours in zip("abcd", relu, strict=True):
        scores = {"sigmoid": near(0.8), "tanh": tanh, "ReLU": ours}
        found += rows("test score", scores, data)

    assert judge_relu(found).verdict is verdict


def test_the_experiment_compares_all_that_its_rule_names(
    compared: list[Trial],
) -> None:
    finding = EXPERIMENTS["claim-relu-better-in-general"].measure(range(5))

    pairs = {(row.method, row.data) for row in finding.measured if row.data}
    assert len(compared) == len(pairs) == 12
    assert not finding.remark


@pytest.mark.parametrize(
    ("method", "task"), [("tanh", "digits"), ("ReLU", "adding over 30 steps")]
)
def test_the_networks_about_relu_have_the_sizes_and_weights_of_the_rule(
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    task: str,
    rng: np.random.Generator,
) -> None:
    trials: list[Trial] = []

    def stop(given: Sequence[Trial], *_: Any) -> Any:
        trials.extend(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(rectifiers, "compare", stop)
    with pytest.raises(KeyboardInterrupt):
        rectifiers.relu_better_in_general(range(5))
    trial, made = next(
        (each, made)
        for each in trials
        if each.method == method and (made := each.make(rng)).name == task
    )
    model = trial.build(rng, made)

    shapes = [tuple(each.shape) for each in model.parameters() if each.ndim == 2]

    assert trial.epochs == 30
    if task == "digits":
        assert shapes == [(128, 64), (128, 128), (10, 128)]
    else:
        assert sorted(shapes) == [(1, 64), (64, 2), (64, 64)]


# Gradients


def test_the_change_of_a_gradient_is_that_of_autograd() -> None:
    rng = np.random.default_rng(3)
    X = A = torch.tensor(rng.normal(size=(50, 100)), requires_grad=True)
    for _ in range(30):
        W = 2 * torch.tensor(rng.normal(scale=0.02**0.5, size=(100, 100)))
        A = torch.relu(A @ W)
    upstream = torch.tensor(rng.normal(size=A.shape))

    (gradient,) = torch.autograd.grad(A, X, upstream)

    want = log10((gradient.square().mean() / upstream.square().mean()).sqrt())
    assert log_change(2, 3) == pytest.approx(want, rel=1e-10)
    assert log_change(1, 3) == pytest.approx(want - 30 * log10(2), rel=1e-8)


@pytest.mark.parametrize(
    ("half", "he", "twice", "verdict"),
    [
        (near(-0.5), near(0), near(0.5), HOLDS),
        (near(-9), near(0), near(0.5), CONDITIONAL),
        (near(-0.5), near(0.99), near(1.01), CONDITIONAL),
        (near(-0.5), near(-1), near(0.5), FAILS),
        (near(-0.5), [0.9, 1.1, -1.1, -0.9, 0.0], near(0.5), FAILS),
    ],
)
def test_the_rule_about_gradients(
    half: list[float], he: list[float], twice: list[float], verdict: Verdict
) -> None:
    changes = {
        "half of He's scale": half,
        "He's scale": he,
        "twice He's scale": twice,
    }

    ruling = judge_change(rows("change", changes, "layers"))

    assert ruling.verdict is verdict
    if half == near(-9):
        assert ruling.condition == "at He's scale and twice He's scale"


# Times


def test_what_is_timed_computes_the_functions_and_their_gradients() -> None:
    z, upstream = np.random.default_rng(0).normal(size=(2, 40)).astype(np.float32)
    forward, backward = numpy_forward(z), numpy_backward(z, upstream)
    theirs = torch_forward(torch.tensor(z))
    gradients = torch_backward(torch.tensor(z), upstream)

    for name in ("ReLU", "tanh", "sigmoid"):
        for way in forward[name]:
            np.testing.assert_allclose(way(), theirs[name][0](), rtol=1e-5, atol=1e-7)
        (want,) = gradients[name][0]()
        np.testing.assert_allclose(backward[name][0](), want, rtol=1e-4, atol=1e-6)


def test_the_fastest_way_counts_by_its_median_after_a_warm_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]

    def takes(*seconds: float) -> Callable[[], None]:
        left = iter(seconds)

        def way() -> None:
            clock[0] += next(left)

        return way

    monkeypatch.setattr(rectifiers, "process_time", lambda: clock[0])

    found = fastest(
        {
            "one": (takes(9, 9, 9, 2, 1, 7),),
            "two": (takes(*[4] * 6), takes(*[3] * 6)),
        },
        repetitions=3,
    )

    assert found == {"one": 2, "two": 3}


def test_a_step_trains() -> None:
    calls = training_steps(np.random.default_rng(0))

    assert [*calls] == ["ReLU", "tanh"]
    for (step,) in calls.values():
        model = step.args[0]  # type: ignore[attr-defined]
        before = model[0].weight.detach().clone()
        step()
        assert not torch.equal(before, model[0].weight)
        assert [each.in_features for each in (model[0], model[2])] == [784, 256]


def test_times_are_over_that_of_relu(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = {"ReLU": 2.0, "tanh": 3.0, "sigmoid": 8.0}
    monkeypatch.setattr(
        rectifiers, "fastest", lambda calls: {name: made_up[name] for name in calls}
    )

    found = relative_times(0)

    assert len(found) == 9
    assert {value for (_, method, _), value in found.items() if method == "tanh"} == {
        1.5
    }
    assert found["time of forward over that of ReLU", "sigmoid", "NumPy"] == 4


@pytest.mark.parametrize(
    ("tanh", "sigmoid", "step", "verdict"),
    [
        (near(3), near(3), near(1.1), HOLDS),
        (near(3), near(3), near(1.01), CONDITIONAL),
        (near(3), near(3), near(1.05), OPEN),
        (near(3), near(1.5), near(1.1), OPEN),
        (near(2), near(3), near(1.1), OPEN),
        (near(1.1), near(3), near(1.1), FAILS),
        (near(3), near(1.1), near(1.01), FAILS),
    ],
)
def test_the_rule_about_times(
    tanh: list[float], sigmoid: list[float], step: list[float], verdict: Verdict
) -> None:
    found = [
        Row(f"time of {quantity} over that of ReLU", method, data, tuple(values))
        for quantity, method, data, values in (
            ("forward", "tanh", "NumPy", tanh),
            ("backward", "tanh", "NumPy", near(1)),
            ("forward", "sigmoid", "NumPy", near(4)),
            ("forward", "tanh", "PyTorch", near(4)),
            ("forward", "sigmoid", "PyTorch", sigmoid),
            ("training step", "tanh", "PyTorch", step),
        )
    ]

    assert judge_times(found).verdict is verdict
