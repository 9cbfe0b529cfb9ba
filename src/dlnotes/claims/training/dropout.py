"""Claims about dropout."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    best_setting,
    by_method,
    decide,
    rows,
    significantly_above,
)
from dlnotes.claims.progress import progress
from dlnotes.claims.trial import RATE, Trial, finding
from dlnotes.lab.fit import History, predict
from dlnotes.lab.models import he, linear
from dlnotes.lab.tasks import Task, digits
from dlnotes.training.dropout import enumerate_subnetworks, mask_probabilities
from dlnotes.wording import join_words


@dataclass(frozen=True)
class Net:
    """Hidden layers of rectified units that are dropped with probability p.

    Networks of one seed that differ in `draw` begin with other weights.
    """

    p: float
    widths: tuple[int, ...]
    draw: int = 0

    def __call__(self, rng: np.random.Generator, task: Task) -> nn.Sequential:
        """Draw the network for a task."""
        rng = rng.spawn(self.draw + 1)[self.draw]
        layers: list[nn.Module] = []
        inputs = task.train[0].shape[1]
        for units in self.widths:
            layers.append(linear(rng, inputs, units, init_std=he))
            layers += [nn.ReLU(), nn.Dropout(self.p)]
            inputs = units
        torch.manual_seed(int(rng.integers(2**31)))  # of dropout
        return nn.Sequential(*layers, linear(rng, inputs, task.outputs))


# The ensemble of subnetworks


SCALING, SOME, ALL, BAG = "weight scaling", "100 masks", "all masks", "bagging"
DIVERGENCE, ACCURACY = "KL from the ensemble of all masks", "test accuracy, percent"
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
MEMBERS = 10
WITH_DROPOUT = Net(0.5, (10,))


@claim("claim-dropout-ensemble")
def dropout_ensemble(seeds: Sequence[int]) -> Finding:
    """Dropout approximates a bagged ensemble of many subnetworks cheaply.

    A network with one hidden layer of 10 rectified units, dropped with p = 0.5, learns
    1,000 digits, with Adam for 40 epochs in batches of 50.  The full ensemble is the
    mean of the probabilities of all 1,024 masks.  Weight scaling, the network without
    dropout, is to stand for it; the mean over 100 random masks is the other stand-in.
    Measured are the mean Kullback-Leibler divergences of both from the full ensemble,
    over 497 test digits, and the test accuracy.  Beside them is bagging: the mean
    probabilities of ten such networks without dropout, each trained on as many rows
    drawn with replacement.  The rate of dropout and that of bagging are the best of
    0.001, 0.003, 0.01, 0.03 and 0.1 on a fifth of the training rows of other seeds.

    It holds if the divergence of weight scaling is not larger than that of 100 masks,
    and the accuracy of weight scaling minus that of bagging has an interval above -1
    point.  It holds conditionally if the divergence is not larger, but the accuracy is
    lower.  It fails if the divergence is larger.
    """
    rates = {SCALING: best_setting(trial(WITH_DROPOUT).validation_score, RATES)}
    rates[BAG] = best_setting(bagged_score, RATES)
    divergences: dict[str, list[float]] = {SCALING: [], SOME: []}
    accuracies: dict[str, list[float]] = {SCALING: [], SOME: [], ALL: [], BAG: []}
    for seed in progress(seeds, "seeds"):
        task, answers = dropped(rates[SCALING], seed)
        for name, kept in divergences.items():
            kept.append(divergence(answers[ALL], answers[name]))
        answers[BAG] = bagged(rates[BAG], seed)[1]
        for name, percents in accuracies.items():
            percents.append(percent_right(task, answers[name]))
    found = rows(DIVERGENCE, divergences) + rows(ACCURACY, accuracies)
    found += rows(RATE, {name: [rate] for name, rate in rates.items()})
    return finding(judge_ensemble(found), found, [digits], seeds, RATES)


def trial(net: Net) -> Trial:
    """Return the training of one network."""
    return Trial("", digits, net, 40, batch_size=50)


def dropped(rate: float, seed: int) -> tuple[Task, dict[str, NDArray[np.float64]]]:
    """Train with dropout, and return the probabilities in each way to use it."""
    task, model, _ = trial(WITH_DROPOUT).run(rate, seed)
    masks = enumerate_subnetworks(10)
    some = np.random.default_rng(seed).integers(len(masks), size=100)
    each = subnetworks(model, task.test[0], masks)
    scaled = probabilities(predict(model, task.test[0]))
    answers = {ALL: each.mean(axis=0), SOME: each[some].mean(axis=0), SCALING: scaled}
    return task, answers


def subnetworks(
    model: nn.Module, X: Tensor, masks: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the probabilities that each mask of the hidden layer gives."""
    first, rectify, _, last = model.children()
    with torch.no_grad():
        H = rectify(first(X))
        kept = 2 * torch.tensor(masks).to(H)
        return probabilities(last(kept[:, None] * H))


def probabilities(logits: Tensor) -> NDArray[np.float64]:
    """Return the softmax in double precision."""
    found: NDArray[np.float64] = softmax(logits.double().numpy(force=True), axis=-1)
    return found


def bagged(
    rate: float, seed: int, *, tuning: bool = False
) -> tuple[Task, NDArray[np.float64]]:
    """Train networks on rows drawn with replacement; average their probabilities."""
    answers = []
    for k in range(MEMBERS):
        one = trial(Net(0.0, (10,), draw=k))
        task, model, order = one.start(seed, tuning=tuning)
        X, y = task.train
        again = np.random.default_rng((seed, k)).integers(len(X), size=len(X))
        one.train(rate, replace(task, train=(X[again], y[again])), model, order)
        answers.append(probabilities(predict(model, task.test[0])))
    return task, np.mean(answers, axis=0)


def bagged_score(rate: float, seed: int) -> float:
    """Return the accuracy of bagging on the rows held out."""
    return percent_right(*bagged(rate, seed, tuning=True))


def percent_right(task: Task, answers: NDArray[np.float64]) -> float:
    """Return the accuracy on the test rows, in percent."""
    return 100 * task.score(torch.tensor(answers), task.test[1].cpu())


def divergence(P: NDArray[np.float64], Q: NDArray[np.float64]) -> float:
    """Return the mean over instances of the Kullback-Leibler divergence KL(P || Q)."""
    return float((P * np.log(P / Q)).sum(axis=1).mean())


def judge_ensemble(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about the ensemble."""
    apart, right = by_method(found, DIVERGENCE), by_method(found, ACCURACY)
    larger = significantly_above(apart[SCALING], apart[SOME])
    as_good = significantly_above(right[SCALING], right[BAG], margin=-1)
    verdict = decide(
        confirmed=not larger and as_good, conditional=not larger, refuted=larger
    )
    because = (
        f"From the ensemble of all 1,024 masks weight scaling is "
        f"{np.mean(apart[SCALING]):.2g} nats away, and the mean of 100 masks "
        f"{np.mean(apart[SOME]):.2g}. The test accuracy is "
        f"{np.mean(right[SCALING]):.1f}% for weight scaling, "
        f"{np.mean(right[ALL]):.1f}% for all masks and {np.mean(right[BAG]):.1f}% for "
        f"bagging ten networks."
    )
    return Ruling(verdict, because, "with a lower accuracy than bagging")


# Parameters


PARAMETERS, ACTIVE = "parameters", "expected share of active weights"


@claim("claim-dropout-fewer-parameters", seeds=1)
def dropout_fewer_parameters(_seeds: Sequence[int]) -> Finding:
    """Dropout reduces the number of parameters.

    Counted are the parameters of a network with two hidden layers of 256 units on 64
    inputs, with dropout between its layers and without.  Of the weights between two
    hidden layers of 4 units each, those are active in a step whose both ends are kept;
    their expected share comes from all 256 masks, with p = 0.2 and 0.5.

    It holds if the number of parameters falls.  It holds conditionally if the number
    stays and the expected share of active weights is the square of 1 - p.  It fails if
    neither falls.
    """
    rng, task = np.random.default_rng(0), digits(np.random.default_rng(0))
    models = {
        name: Net(p, (256, 256))(rng, task)
        for name, p in {"with dropout": 0.5, "without": 0.0}.items()
    }
    models["without"] = nn.Sequential(
        *(each for each in models["without"] if not isinstance(each, nn.Dropout))
    )
    counts = {
        name: [sum(each.numel() for each in model.parameters())]
        for name, model in models.items()
    }
    found = rows(PARAMETERS, counts)
    found += rows(ACTIVE, {f"p = {p:g}": [active_share(p)] for p in (0.2, 0.5)})
    verdict, because, condition = judge_parameters(found)
    return Finding(verdict, because, "no data", tuple(found), condition)


def active_share(p: float) -> float:
    """Return the expected share of active weights between two layers of 4 units."""
    masks = enumerate_subnetworks(8)
    both = masks[:, :4, None] & masks[:, None, 4:]
    return float(mask_probabilities(masks, p=p) @ both.mean(axis=(1, 2)))


def judge_parameters(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about the number of parameters."""
    counts = {name: n for name, (n,) in by_method(found, PARAMETERS).items()}
    shares = {name: s for name, (s,) in by_method(found, ACTIVE).items()}
    square = {name: (1 - float(name.removeprefix("p = "))) ** 2 for name in shares}
    same = counts["with dropout"] == counts["without"]
    active = all(abs(shares[name] - square[name]) < 1e-12 for name in shares)
    verdict = decide(
        confirmed=counts["with dropout"] < counts["without"],
        conditional=same and active,
        refuted=True,
    )
    said = " and ".join(f"{s:.2f} with {name}" for name, s in shares.items())
    because = (
        f"The network has {counts['with dropout']:,.0f} parameters with dropout and "
        f"{counts['without']:,.0f} without. The expected share of the weights between "
        f"hidden layers that are active in a step is {said}."
    )
    return Ruling(
        verdict, because, "for the weights active in a step, not for those kept"
    )


# Labels drawn at random


EPOCHS, MOST_EPOCHS = "epochs to 99% training accuracy", 300
RANDOM, TRUE = "random labels", "true labels"


@claim("claim-dropout-hinders-memorising")
def dropout_hinders_memorising(seeds: Sequence[int]) -> Finding:
    """Dropout makes it harder to memorize the training data.

    Two hidden layers of 128 rectified units learn 500 digits whose labels are drawn at
    random, so that there is nothing to learn but the labels themselves, with Adam at
    0.001 and batches of 50.  Their units are dropped with p = 0, 0.2 and 0.5.  Measured
    are the epochs until 99 percent of the training rows are right with nothing dropped;
    300, if that does not happen before, count as 300.  The control has the true labels:
    by how much longer takes with dropout what can be learned otherwise?

    It holds if p = 0.5 takes more epochs than p = 0, and the mean for p = 0.2 lies
    between.  It holds conditionally if p = 0.5 takes more, without the latter.  It
    fails if the interval of the difference includes 0 or lies below it.
    """
    found: list[Row] = []
    for labels, p in progress([*product((RANDOM, TRUE), (0.0, 0.2, 0.5))], "networks"):
        epochs = [epochs_needed(p, labels, seed) for seed in seeds]
        found += rows(EPOCHS, {f"p = {p:g}": epochs}, labels)
    return finding(judge_memorizing(found), found, [some_digits], seeds)


def some_digits(rng: np.random.Generator) -> Task:
    """Draw 500 digits to learn."""
    return digits(rng, train=500)


def random_labels(rng: np.random.Generator) -> Task:
    """Draw 500 digits, and labels that have nothing to do with them."""
    task = some_digits(rng)
    labels = torch.tensor(rng.integers(10, size=500), device=task.train[1].device)
    return replace(task, train=(task.train[0], labels))


def epochs_needed(p: float, labels: str, seed: int) -> int:
    """Count the epochs until 99 percent of the training rows are right."""
    make = random_labels if labels == RANDOM else some_digits
    one = Trial("", make, Net(p, (128, 128)), MOST_EPOCHS, batch_size=50)
    task, model, order = one.start(seed)
    X, y = task.train

    def known(_: History) -> bool:
        return task.score(predict(model, X), y) >= 0.99

    return len(one.train(0.001, task, model, order, known).epoch_losses)


def judge_memorizing(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about labels drawn at random."""
    epochs, control = (by_method(found, EPOCHS, each) for each in (RANDOM, TRUE))
    none, some, half = (float(np.mean(epochs[f"p = {p}"])) for p in ("0", "0.2", "0.5"))
    longer = significantly_above(epochs["p = 0.5"], epochs["p = 0"])
    verdict = decide(
        confirmed=longer and none < some < half,
        conditional=longer,
        refuted=not longer,
    )
    plain = np.mean(control["p = 0.5"]) / np.mean(control["p = 0"])
    means = [
        f"{np.mean(each):.0f}{' or more' * (max(each) >= MOST_EPOCHS)} with {name}"
        for name, each in epochs.items()
    ]
    because = (
        f"To learn labels drawn at random takes {join_words(means)}, in epochs: "
        f"{half / none:.1f} times as many with p = 0.5 as with p = 0. With the true "
        f"labels it is {plain:.1f} times."
    )
    return Ruling(verdict, because, "for p = 0.5 only")
