"""Claims about rectifiers."""

from collections.abc import Callable, Sequence
from functools import partial

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    by_method,
    datasets,
    decide,
    significantly_above,
    significantly_below,
)
from dlnotes.claims.trial import Trial, compare, finding
from dlnotes.lab.models import HIDDEN_LAYERS, mlp, recurrent
from dlnotes.lab.tasks import TaskFactory, adding, cars, digits, fashion_mnist
from dlnotes.wording import join_words

ADAM_RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)

MONOTONIC = ("sigmoid", "tanh", "ReLU")


@claim("claim-relu-better-in-general")
def relu_better_in_general(seeds: Sequence[int]) -> Finding:
    """ReLU is in general better than the sigmoid kind.

    Two hidden layers of 128 units, or, for the sequences, one recurrent layer of 64
    whose recurrent weights begin orthogonal; the others are Glorot's for sigmoid and
    tanh and He's for ReLU.  Adam, 30 epochs; the rate is the best of 0.0003, 0.001,
    0.003, 0.01, 0.03, 0.1 and 0.3 on a fifth of the training rows of other seeds.  What
    counts is test accuracy, the share of variance explained, or, for the sequences,
    minus the squared error.  An earlier run had no rates above 0.03, and four of twelve
    best ones ended the grid.

    It holds if ReLU is above sigmoid and above tanh on all four sets.  It holds
    conditionally if it is above both on some set and below both on none, or above the
    sigmoid on all four.  It fails if it is below sigmoid or below tanh on some set, and
    above both on none.
    """
    sets: tuple[TaskFactory, ...] = (digits, fashion_mnist, cars)
    trials = [
        Trial(name, make, mlp(HIDDEN_LAYERS[name], 128, 128), epochs=30)
        for make in sets
        for name in MONOTONIC
    ]
    trials += [
        Trial(name, sums, recurrent(HIDDEN_LAYERS[name], 64), epochs=30)
        for name in MONOTONIC
    ]
    found = best_scores(trials, seeds, ADAM_RATES)
    return finding(judge_relu(found), found, [*sets, sums], seeds, ADAM_RATES)


def best_scores(
    trials: Sequence[Trial], seeds: Sequence[int], grid: Sequence[float]
) -> list[Row]:
    """Score each trial on training and test rows, at the best rate for others."""
    return compare(trials, Trial.scores, seeds, grid, Trial.validation_score)


# Sequences of 30 steps whose two marked numbers are to be added.
sums = partial(adding, train=2000, test=1000, steps=30)


def judge_relu(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about ReLU."""
    sets = datasets(found, "test score")
    test = {data: by_method(found, "test score", data) for data in sets}

    def where(compare: Callable[..., bool], *rivals: str) -> list[str]:
        return [
            data
            for data, scores in test.items()
            if all(compare(scores["ReLU"], scores[rival]) for rival in rivals)
        ]

    over_both, under_both = (
        where(compare, "sigmoid", "tanh")
        for compare in (significantly_above, significantly_below)
    )
    over = where(significantly_above, "sigmoid")
    lower = [where(significantly_below, rival) for rival in ("sigmoid", "tanh")]
    under = [data for data in sets if any(data in each for each in lower)]
    verdict = decide(
        confirmed=len(over_both) == len(sets),
        conditional=bool(over_both and not under_both) or len(over) == len(sets),
        refuted=bool(under and not over_both),
    )
    both, neither, some, one = (
        join_words(each or ["no set"]) for each in (over_both, under_both, over, under)
    )
    because = (
        f"ReLU is above both on {both}, below both on {neither}, above the sigmoid on "
        f"{some}, and below one of them on {one}."
    )
    against = "against the sigmoid, but not against tanh"
    return Ruling(verdict, because, f"on {both}" if over_both else against)
