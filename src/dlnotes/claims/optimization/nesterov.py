"""The claim about Nesterov momentum."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    by_method,
    decide,
    format_means,
    significantly_below,
)
from dlnotes.claims.trial import Trial, compare, finding
from dlnotes.lab.models import HIDDEN_LAYERS, mlp
from dlnotes.lab.tasks import digits
from dlnotes.optimization import momentum
from dlnotes.optimization.nesterov import look_ahead_update
from dlnotes.wording import join_words

COEFFICIENTS = (0.5, 0.9, 0.99)
OVERSHOOT, STEPS = "overshoot", "steps to a distance of 1e-6"
KAPPAS, MOST = (10, 100), 10_000
SHARES = (0.5, 0.8, 1, 1.3, 1.6, 2, 2.3, 2.6, 3)  # of 1 / the largest curvature
NINE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)

Gradient = Callable[[Any], Any]


def heavy_ball(
    theta: NDArray[Any],
    u: NDArray[Any],
    gradient: Gradient,
    *,
    learning_rate: float,
    mu: float,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Take a step of momentum with the last step as its state."""
    new, _ = momentum.update(
        theta,
        -u / learning_rate,
        gradient(theta),
        learning_rate=learning_rate,
        mu=mu,
    )
    return new, new - theta


METHODS: dict[str, Callable[..., Any]] = {
    "momentum": heavy_ball,
    "Nesterov": look_ahead_update,
}


@claim("claim-nag-less-overshoot")
def nag_less_overshoot(seeds: Sequence[int]) -> Finding:
    """Nesterov's look-ahead keeps momentum from going too fast, and reacts sooner.

    On a parabola of curvature 1, at a learning rate of 0.1 and for mu = 0.5, 0.9 and
    0.99, the overshoot in 500 steps is how far a method that starts at 1 comes below
    the minimum at 0.  On quadratics in 20 dimensions with the condition numbers 10 and
    100, the steps to a distance of 1e-6 are those at the best of nine coefficients and
    nine rates.  A network with 64 hidden units learns 1,000 of the digits on
    batches of 50 with mu = 0.9, each method at the best of nine rates; counted are the
    epochs to a training loss of 0.1, at most 60.

    It holds if Nesterov's method overshoots less wherever momentum overshoots by more
    than 0.01, needs fewer steps on both quadratics, and fewer epochs on the digits by
    the paired interval.  It holds conditionally if it overshoots less in all those
    cases, but not both of the others are so.  It fails if it overshoots less in none.
    """
    found: list[Row] = []
    for (name, step), mu in product(METHODS.items(), COEFFICIENTS):
        value = overshoot(step, mu)
        found.append(Row(OVERSHOOT, name, f"mu = {mu:g}", (value,)))
    for (name, step), kappa in product(METHODS.items(), KAPPAS):
        steps = fewest_steps(step, kappa)
        found.append(Row(STEPS, name, f"condition number {kappa}", (steps,)))
    trials = [
        Trial(
            name,
            digits,
            mlp(HIDDEN_LAYERS["ReLU"], 64),
            60,
            partial(torch.optim.SGD, momentum=0.9, nesterov=name == "Nesterov"),
            batch_size=50,
        )
        for name in METHODS
    ]
    found += compare(trials, Trial.epochs_needed, seeds, RATES, Trial.negative_epochs)
    return finding(judge(found), found, [digits], seeds, RATES)


def overshoot(step: Callable[..., Any], mu: float) -> float:
    """Return how far below the minimum a method comes on the parabola."""
    theta, u, lowest = np.ones(1), np.zeros(1), 1.0
    for _ in range(500):
        theta, u = step(theta, u, lambda x: x, learning_rate=0.1, mu=mu)
        lowest = min(lowest, float(theta[0]))
    return max(0.0, -lowest)


def fewest_steps(step: Callable[..., Any], kappa: float) -> float:
    """Return the steps to the minimum at the best of all settings."""
    curvature, fewest = np.geomspace(1, kappa, 20), MOST
    for share, mu in product(SHARES, NINE):
        theta, u = np.full(20, 20**-0.5), np.zeros(20)
        for t in range(1, fewest):
            theta, u = step(
                theta, u, lambda x: curvature * x, learning_rate=share / kappa, mu=mu
            )
            distance = np.linalg.norm(theta)
            if distance < 1e-6:
                fewest = t
            if not 1e-6 <= distance < 1e6:
                break
    return float(fewest)


def judge(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about Nesterov momentum."""
    swings, less = [], []
    for mu in COEFFICIENTS:
        over = by_method(found, OVERSHOOT, f"mu = {mu:g}")
        ours, theirs = over["Nesterov"][0], over["momentum"][0]
        if theirs > 0.01:
            swings.append(f"{ours:.2g} in place of {theirs:.2g} for mu = {mu:g}")
            less.append(ours < theirs)
    steps = {k: by_method(found, STEPS, f"condition number {k}") for k in KAPPAS}
    faster = all(
        each["Nesterov"] < each["momentum"]  # type: ignore[operator]  # two tuples
        for each in steps.values()
    )
    epochs = by_method(found, "epochs", "digits")
    fewer = significantly_below(epochs["Nesterov"], epochs["momentum"])
    verdict = decide(
        confirmed=all(less) and faster and fewer,
        conditional=all(less) and not (faster and fewer),
        refuted=not any(less),
    )
    counts = "; ".join(f"{format_means(steps[k])} at {k}" for k in KAPPAS)
    because = (
        f"It overshoots by {'; '.join(swings)}. At the best settings the steps by "
        f"condition number are {counts}. The digits need {format_means(epochs)} epochs."
    )
    also = ["the steps on quadratics"] * faster + ["the epochs on the digits"] * fewer
    held = join_words(["the overshoot at the same settings", *also])
    return Ruling(verdict, because, f"for {held}, and not for the rest")
