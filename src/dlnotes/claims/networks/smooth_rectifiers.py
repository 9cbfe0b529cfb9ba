"""Claims about smooth and non-monotonic activation functions, and about all of them."""

from collections.abc import Sequence
from functools import partial
from statistics import fmean

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    by_method,
    datasets,
    decide,
    significantly_above,
    significantly_below,
)
from dlnotes.claims.networks.rectifiers import ADAM_RATES, MONOTONIC, best_scores
from dlnotes.claims.trial import Trial, finding
from dlnotes.lab.models import HIDDEN_LAYERS, mlp
from dlnotes.lab.tasks import digits, moons
from dlnotes.wording import join_words

NON_MONOTONIC = ("SiLU", "GELU", "Mish", "sine")


@claim("claim-nonmonotonic-hurts")
def nonmonotonic_hurts(seeds: Sequence[int]) -> Finding:
    """An activation that is not monotonic may keep training from converging.

    Two hidden layers of 64 units, Glorot's weights for sigmoid, tanh and sine, and He's
    for the others; Adam, 50 epochs; the rate is the best of 0.0003, 0.001, 0.003, 0.01,
    0.03, 0.1 and 0.3 on a fifth of the training rows of other seeds.  An activation
    fails on a set of data if its training accuracy is below 0.9 in some seed, or if its
    test accuracy is more than a point below that of the best of sigmoid, tanh and ReLU.
    Where one of these three fails as well, on the same set, the failure is not for want
    of monotonicity, and does not count.

    It holds if a failure of each of SiLU, GELU and Mish counts.  It holds conditionally
    if one of some of the three, or of the sine, does.  It fails if none does.
    """
    trials = [
        Trial(name, make, mlp(HIDDEN_LAYERS[name], 64, 64), epochs=50)
        for make in (few_moons, digits)
        for name in (*MONOTONIC, *NON_MONOTONIC)
    ]
    found = best_scores(trials, seeds, ADAM_RATES)
    ruling = judge_nonmonotonic(found)
    return finding(ruling, found, [few_moons, digits], seeds, ADAM_RATES)


few_moons = partial(moons, train=400, test=100, noise=0.2)


def judge_nonmonotonic(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about activations that are not monotonic."""
    failing: dict[str, list[str]] = {}
    for data in datasets(found, "test score"):
        train, test = (
            by_method(found, f"{part} score", data) for part in ("training", "test")
        )
        best = max((test[name] for name in MONOTONIC), key=fmean)
        failing[data] = [
            name
            for name in train
            if min(train[name]) < 0.9 or significantly_below(test[name], best, 0.01)
        ]
    counted = {
        data: [] if {*names} & {*MONOTONIC} else names
        for data, names in failing.items()
    }
    every = {name for names in counted.values() for name in names}
    verdict = decide(
        confirmed={"SiLU", "GELU", "Mish"} <= every,
        conditional=bool(every),
        refuted=not every,
    )
    places = [
        f"{join_words(names or ['none'])} on {data}" for data, names in failing.items()
    ]
    because = (
        f"Of all seven, monotonic or not, those that fail are {join_words(places)}."
    )
    alone = [f"{join_words(each)} on {data}" for data, each in counted.items() if each]
    return Ruling(verdict, because, f"for {join_words(alone)}" if alone else "")


@claim("claim-many-activations-work", seeds=10)
def many_activations_work(seeds: Sequence[int]) -> Finding:
    """Backpropagation works well with many activations besides the sigmoid.

    Two hidden layers of 64 units, He's weights for ReLU, leaky ReLU, SiLU and GELU, and
    Glorot's for the others; Adam, 30 epochs; the rate is the best of 0.0003, 0.001,
    0.003, 0.01, 0.03, 0.1 and 0.3 on a fifth of the training rows of other seeds.
    Eight activations are compared with the one among them that has the best mean test
    accuracy.  A test digit is 0.2 points, and a margin of two points was decided by the
    last bits of the weights; so there are ten seeds and a margin of three.

    It holds if the interval of the difference lies above -3 points for all eight.  It
    holds conditionally if it does for at least six, and fails if for fewer.
    """
    trials = [
        Trial(name, digits, mlp(HIDDEN_LAYERS[name], 64, 64), epochs=30)
        for name in EIGHT
    ]
    found = best_scores(trials, seeds, ADAM_RATES)
    return finding(judge_eight(found), found, [digits], seeds, ADAM_RATES)


EIGHT = (
    *("sigmoid", "tanh", "scaled tanh", "ReLU"),
    *("leaky ReLU", "Maxout", "SiLU", "GELU"),
)


def judge_eight(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about many activations."""
    test = by_method(found, "test score", found[0].data)
    best = max(test, key=lambda name: fmean(test[name]))
    behind = [
        name for name in test if not significantly_above(test[name], test[best], -0.03)
    ]
    working = len(test) - len(behind)
    verdict = decide(
        confirmed=not behind, conditional=working >= 6, refuted=working < 6
    )
    lowest = min(fmean(each) for each in test.values())
    slow = join_words(behind or ["none of the others"])
    because = (
        f"The mean accuracies go from {lowest:.1%} to {fmean(test[best]):.1%}, that of "
        f"{best}; {slow} may be three points or more behind it."
    )
    return Ruling(verdict, because, f"for all but {slow}" if behind else "for all")
