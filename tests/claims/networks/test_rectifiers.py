"""The experiment on ReLU: its networks, and its rule on made-up rows.

What was really measured is on record, and `nox -s claims` measures it again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tests.claims.made_up import near

from dlnotes.claims import EXPERIMENTS, Verdict
from dlnotes.claims.evidence import rows
from dlnotes.claims.networks import rectifiers
from dlnotes.claims.networks.rectifiers import judge_relu
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
