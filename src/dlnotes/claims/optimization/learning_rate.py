"""Claims about learning rates, and about the curve that a range test draws."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import Ruling, by_method, datasets, decide, rows
from dlnotes.claims.progress import progress
from dlnotes.claims.rounding import disturbed
from dlnotes.claims.trial import Trial, draw, finding
from dlnotes.lab.fit import predict
from dlnotes.lab.models import he, linear
from dlnotes.lab.range_test import range_test
from dlnotes.lab.tasks import Task, digits, fashion_mnist
from dlnotes.optimization.gradient_descent import update
from dlnotes.optimization.learning_rate import exponential_ramp
from dlnotes.wording import join_words

RATES = tuple(10 ** (k / 2) for k in range(-12, 3))  # a millionth to ten
RATIO = "final over initial training loss"
MOST = 1e6  # what a ratio is counted as at most
QUADRATIC = "quadratic"
FALL, RISE = "least over first smoothed loss", "last over least smoothed loss"


@dataclass(frozen=True)
class Net:
    """A hidden layer of 64 rectified units, with or without batch normalization."""

    batch_norm: bool = False

    def __call__(self, rng: np.random.Generator, task: Task) -> nn.Module:
        """Draw the network for a task; its biases are zero."""
        inputs = task.train[0].shape[1]
        first = linear(rng, inputs, 64, init_std=he)
        norm = [nn.BatchNorm1d(64)] if self.batch_norm else []
        last = linear(rng, 64, task.outputs, init_std=he)
        return nn.Sequential(first, *norm, nn.ReLU(), last)


# Too low and too high


@claim("claim-lr-too-low-high")
def lr_too_low_high(seeds: Sequence[int]) -> Finding:
    """Too low a learning rate is slow; too high a rate does not converge or diverges.

    Gradient descent takes 200 steps on a quadratic of 20 curvatures from 1 to 100, from
    a random start, and a network with 64 rectified hidden units learns 1,000 digits by
    SGD in 10 epochs of batches of 50, also 200 steps.  The learning rates are a
    millionth to ten, two for each power of ten.  Measured is the loss at the end over
    that at the start, counted as a million where it is more or no number.

    It holds if on both the mean ratio is at least 0.9 at the lowest rate, least at a
    rate between, and at least 1 at the highest.  It holds conditionally if instead the
    ratio at the highest rate is below 1, but ten times the least or more.  It fails if
    on either the least ratio is that of the lowest or of the highest rate.
    """
    trial = Trial(
        "network", digits, Net(), epochs=10, optimizer=torch.optim.SGD, batch_size=50
    )
    runs: dict[str, Callable[[float, int], float]] = {
        QUADRATIC: on_a_quadratic,
        draw(digits, seeds[-1]).name: partial(on_a_task, trial),
    }
    found: list[Row] = []
    for data, ratio in runs.items():
        for rate in progress(RATES, data):
            values = [min(ratio(rate, seed), MOST) for seed in seeds]
            found += rows(RATIO, {f"{rate:.2g}": values}, data)
    return finding(judge_extremes(found), found, [digits], seeds)


def on_a_quadratic(learning_rate: float, seed: int) -> float:
    """Return the loss after 200 steps over that before."""
    curvatures = np.geomspace(1, 100, 20)
    theta = start = disturbed(np.random.default_rng(seed).normal(size=20))
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(200):
            theta = update(theta, curvatures * theta, learning_rate=learning_rate)
        ratio = (curvatures @ theta**2) / (curvatures @ start**2)
    return float(ratio) if np.isfinite(ratio) else np.inf


def on_a_task(trial: Trial, learning_rate: float, seed: int) -> float:
    """Return the loss over all training rows after training over that before."""
    task, model, order = trial.start(seed)
    X, y = task.train
    before = task.loss(predict(model, X), y).item()
    try:
        trial.train(learning_rate, task, model, order)
    except FloatingPointError:
        return np.inf
    after = task.loss(predict(model, X), y).item()
    return after / before if np.isfinite(after) else np.inf


def judge_extremes(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about rates that are too low or too high."""
    slow, inside, above, worse, said = [], [], [], [], []
    for data in datasets(found, RATIO):
        means = {
            rate: statistics.fmean(values)
            for rate, values in by_method(found, RATIO, data).items()
        }
        best, (lowest, *between, highest) = min(means, key=means.__getitem__), means
        slow.append(means[lowest] >= 0.9)
        inside.append(best in between)
        above.append(means[highest] >= 1)
        worse.append(means[highest] >= 10 * means[best])
        said.append(
            f"On the {data} the ratio is {means[lowest]:.3g} at the rate {lowest}, "
            f"{means[best]:.2g} at {best}, and {means[highest]:.3g} at {highest}."
        )
    low = all(slow) and all(inside)
    verdict = decide(
        confirmed=low and all(above),
        conditional=low and all(a or b for a, b in zip(above, worse, strict=True)),
        refuted=not all(inside),
    )
    sets = datasets(found, RATIO)
    names = [data for data, diverges in zip(sets, above, strict=True) if diverges]
    condition = (
        f"with divergence on {join_words(names or ['neither'])}; elsewhere the highest "
        "rate does not converge"
    )
    return Ruling(verdict, " ".join(said), condition)


# The shape of the curve


def some_garments(rng: np.random.Generator) -> Task:
    """Draw 2,000 training images of Fashion-MNIST."""
    return fashion_mnist(rng, train=2000)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "Adam": torch.optim.Adam,
}
NETS = {"MLP": Net(), "MLP with batch normalization": Net(batch_norm=True)}
SETS = (digits, some_garments)


@claim("claim-range-test-shape")
def range_test_shape(seeds: Sequence[int]) -> Finding:
    """During a range test the loss first falls and then shoots up.

    The rate rises from 1e-5 to 10 by a constant factor, in 300 steps on batches of 50.
    There are twelve settings: digits and 2,000 images of Fashion-MNIST; SGD, momentum
    of 0.9 and Adam; a network with 64 rectified hidden units, with and without batch
    normalization.  The losses are smoothed with a decay of 0.98, bias corrected; no
    rise ends the test.  Measured is the least smoothed loss over the first, and the
    last over the least.

    A run has both phases if the first quotient is at most 0.8 and the second at least
    1.5.  It holds if at least 95 percent of the runs have them (57 of 60).  It holds
    conditionally if at least half of them do, and fails otherwise.
    """
    found: list[Row] = []
    cases = [(make, o, n) for make in SETS for o in OPTIMIZERS for n in NETS]
    for make, optimizer, net in progress(cases, "settings"):
        name = f"{optimizer}, {net}"
        trial = Trial(name, make, NETS[net], 1, OPTIMIZERS[optimizer], batch_size=50)
        runs = [phases(trial, seed) for seed in seeds]
        data = draw(make, seeds[-1]).name
        for quantity in (FALL, RISE):
            found += rows(quantity, {name: [run[quantity] for run in runs]}, data)
    return finding(judge_shape(found), found, SETS, seeds)


def phases(trial: Trial, seed: int) -> dict[str, float]:
    """Say how deep the smoothed loss falls and how far it rises again."""
    task, model, order = trial.start(seed)
    torch.set_num_threads(1)
    test = range_test(
        model,
        *task.train,
        loss=task.loss,
        optimizer=trial.optimizer(model.parameters(), lr=0.0),
        rates=exponential_ramp(1e-5, 10, 300),
        batch_size=trial.batch_size,
        rng=order,
        beta=0.98,
        factor=np.inf,
    )
    least = test.smoothed.min()
    return {
        FALL: float(least / test.smoothed[0]),
        RISE: float(test.smoothed[-1] / least),
    }


def judge_shape(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about the shape of the curve."""
    both, runs, without = 0, 0, []
    for data in datasets(found, FALL):
        falls, rises = (by_method(found, each, data) for each in (FALL, RISE))
        for name, values in falls.items():
            pairs = [*zip(values, rises[name], strict=True)]
            seen = sum(fall <= 0.8 and rise >= 1.5 for fall, rise in pairs)
            both, runs = both + seen, runs + len(pairs)
            if seen < len(pairs):
                without.append(f"{name} on {data} ({seen} of {len(pairs)})")
    verdict = decide(
        confirmed=both >= 0.95 * runs,
        conditional=both >= 0.5 * runs,
        refuted=both < 0.5 * runs,
    )
    because = f"Both phases are seen in {both} of {runs} runs"
    because += f"; not in all with {join_words(without)}." if without else "."
    return Ruling(verdict, because, f"in {both} of {runs} runs")
