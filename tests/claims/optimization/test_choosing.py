"""The experiments on choosing an optimizer: each part small, each rule on its own."""

import numpy as np
import pytest
import torch
from tests.claims.made_up import far_apart, near

from dlnotes.claims import Row, Verdict
from dlnotes.claims.evidence import rows
from dlnotes.claims.optimization import choosing as room
from dlnotes.claims.optimization.choosing import (
    documents,
    has_rare_word,
    judge_shares,
    judge_sparse,
    judge_widths,
    log_error,
    logistic,
    low_rare_loss,
    rare_losses,
    rotated_documents,
    sensitivity,
    share_of_axis,
)
from dlnotes.claims.trial import Trial
from dlnotes.lab.tasks import Task, digits

HOLDS, CONDITIONAL, FAILS, OPEN = Verdict


@pytest.fixture
def trial(rng: np.random.Generator) -> Trial:
    """Train a network on few digits by SGD."""
    task = digits(rng, train=200, test=100)
    return Trial(
        "SGD", lambda _: task, room.PERCEPTRON, 4, torch.optim.SGD, batch_size=50
    )


def test_a_width_counts_the_rates_that_are_nearly_as_good(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "RATES", (1e-4, 0.1, 1e12))

    found = sensitivity(trial, 0)

    assert found[room.WIDTH] == pytest.approx((np.log10(1e12) + 4) / 2)
    assert found[room.BEST] == 0.1
    assert 0.3 < found[room.REACHED] < 1


@pytest.mark.parametrize(
    ("sgd", "momentum", "verdict"),
    [
        (near(1.0), near(1.0), HOLDS),
        (near(1.0), near(3.0), CONDITIONAL),
        (near(3.0), near(1.0), CONDITIONAL),
        (near(3.0), near(3.0), FAILS),
        (far_apart(1.0), near(3.0), OPEN),
    ],
)
def test_the_rule_about_the_rates_that_work(
    sgd: list[float], momentum: list[float], verdict: Verdict
) -> None:
    widths = {"SGD": sgd, "momentum": momentum, "RMSProp": near(9), "Adam": near(2.0)}
    reached = dict.fromkeys(widths, near(0.9))

    found = rows(room.WIDTH, widths, "digits") + rows(room.REACHED, reached, "digits")

    assert judge_widths(found).verdict is verdict


@pytest.fixture(scope="module")
def bags() -> Task:
    """Draw the documents of a seed."""
    return documents(np.random.default_rng(0))


def test_documents_have_thirty_words_and_rare_ones_are_rare(bags: Task) -> None:
    X = torch.cat([bags.train[0], bags.test[0]])
    counts = X.sum(0)

    assert set(X.sum(1).tolist()) == {30.0}
    assert counts[0] / counts[9] == pytest.approx(10**room.EXPONENT, rel=0.1)
    rare = has_rare_word(X)
    assert 0.3 < rare.float().mean() < 0.5
    assert X[~rare][:, 1600:].sum() == 0 < X[rare][:, 1600:].sum(1).min()


def test_a_rotation_keeps_lengths_and_leaves_no_zero(bags: Task) -> None:
    rotated = rotated_documents(np.random.default_rng(0))

    for ours, theirs in ((rotated.train, bags.train), (rotated.test, bags.test)):
        torch.testing.assert_close(ours[0].norm(dim=1), theirs[0].norm(dim=1))
        torch.testing.assert_close(ours[1], theirs[1])
    back = (rotated.test[0] @ room.rotation().T).round()
    torch.testing.assert_close(back, bags.test[0])
    assert (rotated.train[0] == 0).float().mean() < 1e-3


def test_the_loss_is_that_of_the_documents_with_a_rare_word(bags: Task) -> None:
    small = Task(
        bags.name,
        (bags.train[0][:300], bags.train[1][:300]),
        (bags.test[0][:200], bags.test[1][:200]),
        1,
        bags.loss,
        bags.score,
    )
    trial = Trial("SGD", lambda _: small, logistic, 2, torch.optim.SGD, batch_size=32)

    found = rare_losses(trial, 0.1, 0)

    _, model, _ = trial.run(0.1, 0)
    with torch.no_grad():
        p = torch.sigmoid(model(small.test[0]))[:, 0]
    y = small.test[1][:, 0]
    each = -torch.log(torch.where(y == 1, p, 1 - p))
    rare = small.test[0][:, 1600:].sum(1) > 0
    assert found[room.RARE] == pytest.approx(each[rare].mean().item(), rel=1e-4)
    assert found[room.ALL] == pytest.approx(each.mean().item(), rel=1e-4)
    assert low_rare_loss(trial, 1e30, 0) < low_rare_loss(trial, 0.1, 0)


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        ((near(0.1), near(0.1), near(0.1)), HOLDS),
        ((near(0.1), near(0.1), near(0.3)), CONDITIONAL),
        ((near(0.3), near(0.3), near(0.1)), CONDITIONAL),
        ((near(0.2), near(0.3), far_apart(0.1)), FAILS),
    ],
)
def test_the_rule_about_sparse_gradients(
    losses: tuple[list[float], ...], verdict: Verdict
) -> None:
    methods = ["SGD", *room.ADAPTIVE]
    sparse = dict(zip(methods, [near(0.2), *losses], strict=True))
    control = dict.fromkeys(methods, near(0.2))

    found = rows(room.RARE, sparse, room.SPARSE) + rows(room.RARE, control, room.DENSE)

    assert judge_sparse(found).verdict is verdict


def test_the_error_is_that_of_the_test_rows(trial: Trial) -> None:
    score = trial.scores(0.1, 0)["test score"]

    assert log_error(trial, 0.1, 0) == pytest.approx(np.log(1 - score))
    assert log_error(trial, 1e30, 0) == pytest.approx(np.log(0.9), abs=0.1)


def test_shares_are_those_of_an_analysis_of_variance(rng: np.random.Generator) -> None:
    optimizers, rates = rng.normal(size=(4, 1, 3)), rng.normal(size=(1, 5, 3))
    noise = np.einsum("i,j,k->ijk", [1, 1, -1, -1], [1, -1, 1, -1, 0], np.ones(3))

    table = 7 + 2 * optimizers + rates + noise

    shares = [share_of_axis(table, axis) for axis in (0, 1)]
    variances = [4 * optimizers[:, 0].var(axis=0), rates[0].var(axis=0), 0.8]
    for share, variance in zip(shares, variances, strict=False):
        np.testing.assert_allclose(share, variance / sum(variances))


@pytest.mark.parametrize(
    ("optimizer", "rate", "verdict"),
    [
        (near(0.5), near(0.2), HOLDS),
        (near(0.2), near(0.5), CONDITIONAL),
        (near(0.05), near(0.5), FAILS),
        (far_apart(0.2), near(0.5), OPEN),
    ],
)
def test_the_rule_about_the_optimizer_and_the_rate(
    optimizer: list[float], rate: list[float], verdict: Verdict
) -> None:
    shares = {room.OF_OPTIMIZER: optimizer, room.OF_RATE: rate}
    found = [Row(name, "", "digits", tuple(each)) for name, each in shares.items()]
    errors = {f"{name}, 1 times": [-3.0] * 5 for name in room.OPTIMIZERS}
    found += rows(room.ERROR, errors, "digits")

    assert judge_shares(found).verdict is verdict
