"""Claims about momentum."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    by_method,
    decide,
    format_means,
    significantly_above,
    significantly_below,
)
from dlnotes.claims.progress import progress
from dlnotes.claims.trial import Trial, compare, finding
from dlnotes.lab.fit import predict
from dlnotes.lab.models import HIDDEN_LAYERS, mlp
from dlnotes.lab.tasks import Task, digits
from dlnotes.optimization import momentum
from dlnotes.optimization.landscape import beale
from dlnotes.wording import join_words

PERCEPTRON = mlp(HIDDEN_LAYERS["ReLU"], 64)
COEFFICIENTS = (0.0, 0.5, 0.9, 0.99)
STEPS, EPOCHS = "steps to a distance of 1e-6", "epochs"

Gradient = Callable[[Any], Any]


def path(
    gradient: Gradient, theta: NDArray[Any], steps: int, learning_rate: float, mu: float
) -> NDArray[Any]:
    """Return the parameters before each step and after the last."""
    v, walk = np.zeros_like(theta), [theta]
    for _ in range(steps):
        theta, v = momentum.update(
            theta, v, gradient(theta), learning_rate=learning_rate, mu=mu
        )
        walk.append(theta)
    return np.array(walk)


def named(mu: float) -> str:
    """Return how rows call a coefficient."""
    return f"mu = {mu:g}"


# Speed


KAPPAS = (1, 10, 100, 1000)
CHANGES = "sign changes, steepest"
RATES = (0.01, 0.03, 0.1, 0.3, 1, 3, 10)


@claim("claim-momentum-accelerates")
def momentum_accelerates(seeds: Sequence[int]) -> Finding:
    """Momentum damps oscillation and speeds up where gradients agree.

    Quadratics in 20 dimensions have curvatures evenly spaced on a log scale, with the
    condition numbers 1, 10, 100 and 1,000.  Gradient descent and momentum, each at the
    settings that are best in closed form, start at distance 1 along all axes alike.
    Counted are the steps to a distance of 1e-6, and how often the sign changes along
    the steepest axis.  A network with 64 hidden units learns 1,000 of the digits on
    batches of 50, by SGD and with momentum 0.9, each at the best of seven learning
    rates; counted are the epochs to a training loss of 0.1, at most 60.

    It holds if the slope of log(steps of gradient descent / steps with momentum) on
    log(condition number), from 10 on, is from 0.4 to 0.6, and the digits need fewer
    epochs by the paired interval.  It holds conditionally if momentum is faster from a
    condition number of 10 on, but not on the digits.  It fails if it is not faster at
    100 and 1,000.
    """
    found: list[Row] = []
    for kappa in KAPPAS:
        for method, walk in best_paths(kappa).items():
            data = f"condition number {kappa}"
            signs = np.sign(walk[:, -1])
            changes = float((signs[1:] * signs[:-1] < 0).sum())
            found.append(Row(STEPS, method, data, (float(len(walk) - 1),)))
            found.append(Row(CHANGES, method, data, (changes,)))
    trials = [
        Trial(name, digits, PERCEPTRON, 60, optimizer, batch_size=50)
        for name, optimizer in (
            ("gradient descent", torch.optim.SGD),
            ("momentum", partial(torch.optim.SGD, momentum=0.9)),
        )
    ]
    found += compare(trials, Trial.epochs_needed, seeds, RATES, Trial.negative_epochs)
    return finding(judge_speed(found), found, [digits], seeds, RATES)


def best_paths(kappa: float) -> dict[str, NDArray[Any]]:
    """Return the paths to the minimum at the settings that are best in closed form."""
    curvature, root = np.geomspace(1, kappa, 20), kappa**0.5
    settings = {
        "gradient descent": (2 / (1 + kappa), 0.0),
        "momentum": (4 / (1 + root) ** 2, ((root - 1) / (root + 1)) ** 2),
    }
    walks = {}
    for method, (learning_rate, mu) in settings.items():
        theta = np.full(20, 20**-0.5)
        v, walk = np.zeros(20), [theta]
        while np.linalg.norm(theta) > 1e-6:
            theta, v = momentum.update(
                theta, v, curvature * theta, learning_rate=learning_rate, mu=mu
            )
            walk.append(theta)
        walks[method] = np.array(walk)
    return walks


def judge_speed(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about speed."""
    gains = {}
    for kappa in KAPPAS:
        steps = by_method(found, STEPS, f"condition number {kappa}")
        gains[kappa] = steps["gradient descent"][0] / steps["momentum"][0]
    large = [kappa for kappa in KAPPAS if kappa >= 10]
    logs = np.log([gains[kappa] for kappa in large])
    slope = float(np.polyfit(np.log(large), logs, 1)[0])
    epochs = by_method(found, EPOCHS, "digits")
    fewer = significantly_below(epochs["momentum"], epochs["gradient descent"])
    faster = [kappa for kappa in large if gains[kappa] > 1]
    verdict = decide(
        confirmed=0.4 <= slope <= 0.6 and fewer,
        conditional=faster == large and not fewer,
        refuted=not {100, 1000} & {*faster},
    )
    ratios = [f"{gains[kappa]:.2g} at {kappa:,}" for kappa in KAPPAS]
    changes = by_method(found, CHANGES, "condition number 100")
    because = (
        f"Gradient descent needs so many times the steps: {join_words(ratios)}; the "
        f"slope is {slope:.2f}. Along the steepest axis, at 100, the sign changes "
        f"{format_means(changes)} times. The epochs on the digits are "
        f"{format_means(epochs)}."
    )
    return Ruling(verdict, because, "on quadratics")


# Local minima


TILTS = (0.1, 0.5, 1.0, 1.3)
RUNS = 200
OUT, ACROSS = "runs that get out, from rest", "crosses, rolling"
PLAIN = "gradient descent at 0.1"


@claim("claim-momentum-escapes-minimum")
def momentum_escapes_minimum(seeds: Sequence[int]) -> Finding:
    """Momentum helps out of a local minimum.

    The loss x^4 - 2 x^2 + t x has its worse minimum on the right; t is 0.1, 0.5, 1 and
    1.3, and mu is 0, 0.5, 0.9 and 0.99.  The learning rate is 0.01 (1 - mu), so that
    the step in the long run is the same.  One kind of start is at rest in the right
    minimum, with noise of deviation 3 on the gradients; the other rolls down from
    x = 2, without noise.  Counted are the runs that are on the left after 5,000 steps,
    of 200 over all seeds, with Wilson's intervals.  Noted is whether gradient descent
    crosses from x = 2 at a rate of 0.1.

    It holds if at rest some mu above 0 gets out more often than mu = 0, with intervals
    that do not overlap, for at least two values of t, and rolling some mu above 0
    crosses where mu = 0 does not.  It holds conditionally if only the second is so.
    It fails if no mu above 0 gets out more often in either start.
    """
    plain = rolls_across(0.0, 0.1)
    found = [
        Row(ACROSS, PLAIN, f"t = {tilt:g}", (float(crosses),))
        for tilt, crosses in zip(TILTS, plain, strict=True)
    ]
    for mu in progress(COEFFICIENTS, "coefficients"):
        out = [escapes(mu, seed, RUNS // len(seeds)) for seed in seeds]
        rolled = rolls_across(mu, 0.01 * (1 - mu))
        for k, tilt in enumerate(TILTS):
            counts = tuple(float(each[k]) for each in out)
            found.append(Row(OUT, named(mu), f"t = {tilt:g}", counts))
            found.append(Row(ACROSS, named(mu), f"t = {tilt:g}", (float(rolled[k]),)))
    ruling = judge_escape(found)
    data = f"{RUNS} runs from rest and one rolling for each tilt and each coefficient"
    return Finding(ruling.verdict, ruling.because, data, tuple(found), ruling.condition)


def slope_at(x: NDArray[Any]) -> NDArray[Any]:
    """Return the derivative of the loss, one row for each tilt."""
    return 4 * x**3 - 4 * x + np.array(TILTS)[:, None]


def escapes(mu: float, seed: int, runs: int) -> NDArray[Any]:
    """Count for each tilt the runs from rest that end on the left."""
    rng = np.random.default_rng(seed)
    bottoms = [max(np.roots([4, 0, -4, tilt]).real) for tilt in TILTS]
    x = np.repeat(np.array(bottoms)[:, None], runs, axis=1)
    v = np.zeros_like(x)
    for _ in range(5000):
        gradient = slope_at(x) + 3 * rng.normal(size=x.shape)
        x, v = momentum.update(x, v, gradient, learning_rate=0.01 * (1 - mu), mu=mu)
    return (x < 0).sum(axis=1)


def rolls_across(mu: float, learning_rate: float) -> NDArray[Any]:
    """Tell for each tilt whether a start at 2 ends on the left."""
    walk = path(slope_at, np.full((len(TILTS), 1), 2.0), 5000, learning_rate, mu)
    return walk[-1, :, 0] < 0


def judge_escape(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about local minima."""
    oftener, more, crossing, large, said = [], False, [], [], []
    for tilt in TILTS:
        of = partial(by_method, found, data=f"t = {tilt:g}")
        counts = {k: sum(v) for k, v in of(OUT).items()}
        plain = counts.pop(named(0))
        best = max(counts.values())
        high = binomtest(int(plain), RUNS).proportion_ci(method="wilson").high
        low = binomtest(int(best), RUNS).proportion_ci(method="wilson").low
        oftener += [tilt] * int(low > high)
        more |= best > plain
        rolled = {k: v[0] for k, v in of(ACROSS).items()}
        large += [f"{tilt:g}"] * int(rolled.pop(PLAIN))
        crossing += [tilt] * int(any(rolled.values()) and not rolled[named(0)])
        said.append(f"{plain:.0f} and {best:.0f} at t = {tilt:g}")
    verdict = decide(
        confirmed=len(oftener) >= 2 and bool(crossing),
        conditional=len(oftener) < 2 and bool(crossing),
        refuted=not more and not crossing,
    )
    where = join_words([f"{tilt:g}" for tilt in crossing] or ["none"])
    because = (
        f"From rest, of {RUNS} runs without momentum and with the best coefficient, so "
        f"many get out: {join_words(said)}. Rolling, some coefficient crosses where "
        f"gradient descent does not for t = {where}. At the rate 0.1 gradient descent "
        f"crosses for t = {join_words(large or ['none'])}."
    )
    condition = (
        "for a start that rolls, at the same step in the long run; not from rest"
    )
    return Ruling(verdict, because, condition)


# Overshoot


OVERSHOOT = "overshoot"


@claim("claim-momentum-overshoots", seeds=1)
def momentum_overshoots(seeds: Sequence[int]) -> Finding:
    """Momentum may pass a minimum because of its speed.

    On the parabola x^2 / 2, from 1 at a learning rate of 0.1, the overshoot in 500
    steps is how far x comes below the minimum at 0.  The coefficients are 0, 0.5, 0.9
    and 0.99; that from which on it swings is (1 - sqrt(0.1))^2 = 0.468.  Noted is how
    far momentum passes the minimum (3, 0.5) of Beale's function in its first
    coordinate, from (1, 1) at a rate of 0.001 in 20,000 steps.

    It holds if the overshoot is above 0.1 for mu = 0.9.  It holds conditionally if it
    is so for 0.99 only, and fails if for none.
    """
    del seeds
    found = []
    for mu in COEFFICIENTS:
        lowest = path(lambda x: x, np.ones(1), 500, 0.1, mu).min()
        farthest = path(lambda x: beale(x)[1], np.ones(2), 20_000, 0.001, mu)
        past = farthest[:, 0].max() - 3
        for data, over in (("parabola", -lowest), ("Beale's function", past)):
            found.append(Row(OVERSHOOT, named(mu), data, (max(0.0, float(over)),)))
    verdict, because, condition = judge_overshoot(found)
    data = "the parabola from 1, Beale's function from (1, 1)"
    remark = (
        "On the parabola true by construction: the page proves it. For Beale's "
        "function nothing is proved."
    )
    return Finding(verdict, because, data, tuple(found), condition, remark=remark)


def judge_overshoot(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about overshoot."""
    over = by_method(found, OVERSHOOT, "parabola")
    far = {mu for mu in COEFFICIENTS if over[named(mu)][0] > 0.1}
    verdict = decide(confirmed=0.9 in far, conditional=far == {0.99}, refuted=not far)
    beale = by_method(found, OVERSHOOT, "Beale's function")
    because = (
        f"The overshoot is {format_means(over)}. On Beale's function it is "
        f"{format_means(beale)}."
    )
    return Ruling(verdict, because, "for mu = 0.99 only")


# Gradients that agree


@claim("claim-momentum-step-counts-agreement", seeds=1)
def momentum_step_counts_agreement(seeds: Sequence[int]) -> Finding:
    """The step grows with the number of gradients in a row that agree.

    Gradients of size 1 come in three streams of 200: all equal; with a sign that
    alternates; equal, but with the other sign from step 51 on.  The coefficients are
    0.5, 0.9 and 0.99, the learning rate is 1.  Measured is by how much a step after k
    equal gradients differs from (1 - mu^k) / (1 - mu), as a share of it, and the
    longest step in the stream that alternates, from its second on: the first is a
    plain step.  Noted is after how many steps momentum turns round in the third.

    It holds if the difference is at most 1e-12, the steps grow with k, and the longest
    that alternates is shorter than a plain step, for all three.  It holds conditionally
    if only the last is not so for some.  It fails if a step differs from the formula.
    """
    del seeds
    found = []
    k = np.arange(1, 201)
    for mu in COEFFICIENTS[1:]:
        steps = {
            name: np.diff(path_of_stream(stream, mu))
            for name, stream in (
                ("equal", np.ones(200)),
                ("alternating", (-1.0) ** k),
                ("turning", np.where(k <= 50, 1.0, -1.0)),
            )
        }
        formula = (1 - mu**k) / (1 - mu)
        lengths = np.abs(steps["equal"])
        # Steps that differ by less than rounding count as grown.
        shrunk = (np.diff(lengths) < -1e-12 * lengths[1:]).sum()
        turned = int(np.argmax(steps["turning"] > 0)) - 50
        for quantity, value in (
            ("difference from the formula", np.abs(lengths / formula - 1).max()),
            ("steps that are shorter than the one before", shrunk),
            ("longest step, alternating", np.abs(steps["alternating"][1:]).max()),
            ("steps until it turns round", turned),
        ):
            found.append(Row(quantity, named(mu), "", (float(value),)))
    verdict, because, condition = judge_agreement(found)
    data = "three streams of 200 gradients"
    remark = "True by construction: the page proves it. This checks the code."
    return Finding(verdict, because, data, tuple(found), condition, remark=remark)


def path_of_stream(stream: NDArray[Any], mu: float) -> NDArray[Any]:
    """Return the parameter before and after each gradient of a stream."""
    following = iter(stream)
    gradient = lambda _: np.array([next(following)])  # noqa: E731
    return path(gradient, np.zeros(1), len(stream), 1.0, mu)[:, 0]


def judge_agreement(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about gradients that agree."""
    off = by_method(found, "difference from the formula")
    shrunk = by_method(found, "steps that are shorter than the one before")
    longest = by_method(found, "longest step, alternating")
    equal = all(values[0] <= 1e-12 for values in off.values())
    grown = not any(values[0] for values in shrunk.values())
    short = all(values[0] < 1 for values in longest.values())
    verdict = decide(
        confirmed=equal and grown and short,
        conditional=equal and grown,
        refuted=not equal,
    )
    turns = by_method(found, "steps until it turns round")
    most = max(values[0] for values in off.values())
    because = (
        f"Steps differ from the formula by at most {most:.1g}. The longest step where "
        f"signs alternate is {format_means(longest)}. After 50 equal gradients it "
        f"takes {format_means(turns)} opposite ones until it turns round."
    )
    return Ruling(verdict, because, "but steps that alternate are not all shorter")


# The choice of the learning rate


MANY_RATES = tuple(float(f"{rate:.3g}") for rate in np.logspace(-5, 1, 19))
WIDTH = "width of the good rates, in decades"


@claim("claim-momentum-mitigates-rate-choice")
def momentum_mitigates_rate_choice(seeds: Sequence[int]) -> Finding:
    """Momentum makes the learning rate easier to choose, for one setting more.

    A network with 64 hidden units learns 1,000 of the digits for 20 epochs of batches
    of 50, by SGD with the coefficients 0, 0.5, 0.9 and 0.99, at 19 learning rates from
    1e-5 to 10, three in a decade.  The width is a third of the number of rates whose
    accuracy on other digits is within one point of the best of the same coefficient and
    seed.  On a quadratic in 20 dimensions with the condition number 100 and curvatures
    from 1 to 100 it is a third of the number of rates that in 200 steps bring the loss
    below a thousandth.

    It holds if mu = 0.9 has a larger width than mu = 0 on both, on the digits by the
    paired interval.  It holds conditionally if it is so on one of them.  It fails if it
    is so on neither, and on the digits the mean is not larger either.
    """
    found: list[Row] = []
    for mu in progress(COEFFICIENTS, "coefficients"):
        trial = Trial(
            named(mu),
            digits_to_validate,
            PERCEPTRON,
            20,
            partial(torch.optim.SGD, momentum=mu),
            batch_size=50,
        )
        widths = tuple(width(trial, seed) for seed in seeds)
        found.append(Row(WIDTH, named(mu), "digits", widths))
        found.append(Row(WIDTH, named(mu), "quadratic", (quadratic_width(mu),)))
    return finding(judge_width(found), found, [digits_to_validate], seeds)


def digits_to_validate(rng: np.random.Generator) -> Task:
    """Draw 1,000 digits to learn and 297 others to choose by."""
    return digits(rng, train=1000, test=297)


def width(trial: Trial, seed: int) -> float:
    """Return in decades how many rates come within a point of the best."""
    scores = np.array([validated(trial, rate, seed) for rate in MANY_RATES])
    return float((scores >= scores.max() - 0.01).sum()) / 3


def validated(trial: Trial, learning_rate: float, seed: int) -> float:
    """Return the accuracy on the digits to choose by, or the lowest if it diverges."""
    try:
        task, model, _ = trial.run(learning_rate, seed)
    except FloatingPointError:
        return -np.inf
    X, y = task.test
    return task.score(predict(model, X), y)


def quadratic_width(mu: float) -> float:
    """Return in decades how many rates bring the loss below a thousandth."""
    curvature, start = np.geomspace(1, 100, 20), np.ones(20)
    loss: Gradient = lambda theta: curvature @ theta**2  # noqa: E731
    with np.errstate(over="ignore", invalid="ignore"):
        ends = [
            loss(path(lambda x: curvature * x, start, 200, rate, mu)[-1])
            for rate in MANY_RATES
        ]
    return float((np.array(ends) < loss(start) / 1000).sum()) / 3


def judge_width(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about the choice of the learning rate."""
    widths: dict[str, Mapping[str, Sequence[float]]] = {
        data: by_method(found, WIDTH, data) for data in ("digits", "quadratic")
    }
    plain, heavy = named(0), named(0.9)
    of_digits, of_quadratic = widths["digits"], widths["quadratic"]
    wider = {
        "digits": significantly_above(of_digits[heavy], of_digits[plain]),
        "the quadratic": of_quadratic[heavy][0] > of_quadratic[plain][0],
    }
    true = [name for name, holds in wider.items() if holds]
    verdict = decide(
        confirmed=len(true) == 2,
        conditional=len(true) == 1,
        refuted=not true and np.mean(of_digits[heavy]) <= np.mean(of_digits[plain]),
    )
    because = (
        f"In decades, on the digits: {format_means(of_digits)}; on the quadratic: "
        f"{format_means(of_quadratic)}."
    )
    return Ruling(verdict, because, f"on {join_words(true or ['none'])}")
