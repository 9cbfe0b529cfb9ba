"""Claims about mini-batches: what a step costs, how soon it helps, how noisy it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, median
from time import process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch.func import functional_call, grad, vmap

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    best_setting,
    by_method,
    datasets,
    decide,
    format_means,
    rows,
    significantly_below,
)
from dlnotes.claims.progress import progress
from dlnotes.claims.rounding import disturbed
from dlnotes.claims.trial import Trial, draw, finding
from dlnotes.lab.models import HIDDEN_LAYERS, mlp
from dlnotes.lab.tasks import digits
from dlnotes.networks.backpropagation import minibatches
from dlnotes.optimization.gradient_descent import update
from dlnotes.optimization.minibatches import minibatch_gradient
from dlnotes.wording import join_words

# Cost

TIME, TOUCHED, GROWTH = "seconds of a step", "instances of a step", "slope of log time"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
SGD, BATCH = "SGD, B = 1", "full batch"


@claim("claim-sgd-cost-independent-n")
def sgd_cost_independent_n(seeds: Sequence[int]) -> Finding:
    """Time per SGD update does not depend on the data-set size.

    Linear regression on 20 normal inputs in single precision, with 1,000 to a million
    instances.  A step of SGD draws one of them at random; a step of batch descent takes
    them all, and is the control.  A time is the median processor time of 200 steps, of
    20 for the full batch, in each of five repetitions; the slope of its logarithm on
    that of the number of instances is fitted from 10,000 on, and the median of the five
    counts.  How many instances a step reads stands in the rows, and has no say.

    It holds if the slope of SGD is below 0.1 and that of batch descent above 0.8.  It
    holds conditionally if the slope of SGD is from 0.1 to 0.3, an effect of memory.  It
    fails if it is 0.3 or more.
    """
    times: dict[tuple[str, int], list[float]] = {}
    for seed in progress(seeds, "repetitions"):
        for instances in SIZES:
            for method, seconds in step_times(instances, seed).items():
                times.setdefault((method, instances), []).append(seconds)
    found = []
    for (method, instances), values in times.items():
        data, count = f"{instances:,} instances", instances if method == BATCH else 1
        found.append(Row(TIME, method, data, tuple(values)))
        found.append(Row(TOUCHED, method, data, (float(count),)))
    found += rows(
        GROWTH,
        {method: slopes(times, method, len(seeds)) for method in (SGD, BATCH)},
    )
    verdict, because, condition = judge_cost(found)
    data = "20 normal inputs and a linear target"
    return Finding(verdict, because, data, tuple(found), condition)


def step_times(instances: int, seed: int) -> dict[str, float]:
    """Return the median processor time of a step, by method."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(instances, 20)).astype(np.float32)
    y = X @ rng.normal(size=20).astype(np.float32)
    everything, found = np.arange(instances), {}
    single = rng.integers(instances, size=(200, 1))
    for method, batches in ((SGD, [*single]), (BATCH, [everything] * 20)):
        w, b, seconds = np.zeros(20, np.float32), np.zeros((), np.float32), []
        for batch in batches:
            started = process_time()
            gradient_w, gradient_b = minibatch_gradient(X, y, w, b, batch)
            w = update(w, gradient_w, learning_rate=0.001)
            b = update(b, gradient_b, learning_rate=0.001)
            seconds.append(process_time() - started)
        found[method] = median(seconds)
    return found


def slopes(
    times: dict[tuple[str, int], list[float]], method: str, repetitions: int
) -> list[float]:
    """Fit the slope of log time on log size in each repetition, from 10,000 on."""
    large = [size for size in SIZES if size >= 10_000]
    logs = np.log([times[method, size] for size in large])
    fits = [np.polyfit(np.log(large), logs[:, k], 1) for k in range(repetitions)]
    return [float(fit[0]) for fit in fits]


def judge_cost(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about the time of a step."""
    of_sgd, of_batch = (
        median(by_method(found, GROWTH)[method]) for method in (SGD, BATCH)
    )
    verdict = decide(
        confirmed=of_sgd < 0.1 and of_batch > 0.8,
        conditional=0.1 <= of_sgd < 0.3,
        refuted=of_sgd >= 0.3,
    )
    because = (
        f"The median slope is {of_sgd:.2f} for SGD and {of_batch:.2f} for the full "
        "batch."
    )
    return Ruling(verdict, because, "up to effects of memory")


# Speed

GRID = tuple(10 ** (k / 2) for k in range(-6, 5))  # a thousandth to a hundred
TOLERANCES = (0.1, 0.001)
PASSES = 10
COPIES, DIGITS = "1,000 instances, 10 copies of each", "digits"
BATCHES = {SGD: 1, "mini-batch, B = 32": 32, BATCH: 0}


def needed(tolerance: float) -> str:
    """Return how rows call the passes until an excess loss."""
    return f"passes until {tolerance:g} of the excess loss"


@dataclass(frozen=True)
class Problem:
    """Instances without copies, their classes, how often each stands, and a loss."""

    X: NDArray[Any]
    labels: NDArray[Any]
    copies: int
    least: float

    def excess(self, W: NDArray[Any]) -> float:
        """Return the loss above the least, as a share of that at zero weights."""
        loss = mean_loss(W, self.X, self.labels)
        return (loss - self.least) / (np.log(W.shape[1]) - self.least)


def log_softmax(z: NDArray[Any]) -> NDArray[Any]:
    """Return the log-probabilities, quickly: a step of one instance calls it."""
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def mean_loss(W: NDArray[Any], X: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the mean cross-entropy."""
    return -float(log_softmax(X @ W)[np.arange(len(labels)), labels].mean())


def mean_gradient(
    W: NDArray[Any], X: NDArray[Any], labels: NDArray[Any]
) -> NDArray[Any]:
    """Return the gradient of the mean cross-entropy."""
    errors = np.exp(log_softmax(X @ W))
    errors[np.arange(len(labels)), labels] -= 1
    return X.T @ errors / len(labels)


@cache
def problem(data: str, seed: int) -> Problem:
    """Draw the instances of a seed, and find the least loss by L-BFGS."""
    rng, copies = np.random.default_rng(seed), 10 if data == COPIES else 1
    if data == COPIES:
        X = rng.normal(size=(1000, 20))
        labels = (X @ rng.normal(size=20) > 0).astype(int)
        labels = np.where(rng.random(1000) < 0.05, 1 - labels, labels)
    else:
        X, labels = (each.numpy() for each in draw(digits, seed).train)
    X = np.hstack([X.astype(float), np.ones((1000, 1))])
    shape = X.shape[1], int(labels.max()) + 1

    def loss(flat: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        W = flat.reshape(shape)
        return mean_loss(W, X, labels), mean_gradient(W, X, labels).ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, options={"maxiter": 2000})
    return Problem(X, labels, copies, float(found.fun))


def passes_needed(
    data: str, B: int, learning_rate: float, seed: int
) -> dict[float, float]:
    """Count the passes until each tolerance, looked at every hundredth, at most 10."""
    task = problem(data, seed)
    instances = len(task.labels) * task.copies
    B = B or instances
    order, seen, found = np.random.default_rng([seed, 1]), 0, {}  # type: ignore[var-annotated]  # by tolerance
    W = np.zeros((task.X.shape[1], int(task.labels.max()) + 1))
    X = disturbed(task.X)
    looked = 0
    for _ in range(PASSES):
        for drawn in minibatches(instances, B, rng=order):
            batch = drawn % len(task.labels)
            W = W - learning_rate * mean_gradient(W, X[batch], task.labels[batch])
            seen += len(batch)
            if seen - looked < instances / 100:
                continue
            looked, excess = seen, task.excess(W)
            for tolerance in TOLERANCES:
                if excess <= tolerance:
                    found.setdefault(tolerance, seen / instances)
            if len(found) == len(TOLERANCES) or not excess < 100:
                break
        else:
            continue
        break
    return {each: found.get(each, float(PASSES)) for each in TOLERANCES}


@claim("claim-sgd-converges-earlier")
def sgd_converges_earlier(seeds: Sequence[int]) -> Finding:
    """SGD converges earlier than batch gradient descent, notably on redundant data.

    Softmax regression from zero weights: on 1,000 instances with 20 normal inputs and
    two classes, 5 percent of the labels turned around, each instance standing 10 times;
    and on 1,000 of the digits.  Single instances, mini-batches of 32 and the full batch
    are each tried at the same 11 learning rates from 0.001 to 100, and for each
    tolerance the best one on other seeds is taken.  Counted are the passes until the
    loss above the least, which L-BFGS finds, is at most 0.1 and 0.001 of that at the
    start; 10 where it is not reached in 10.

    It holds if single instances need at most a fifth of the passes of the full batch at
    both tolerances on both sets, in every seed.  It holds conditionally if so at the
    tolerance of 0.1 on some set.  It fails if on neither set fewer passes are needed
    there, by the paired interval.
    """
    found: list[Row] = []
    cases = [(data, method) for data in (COPIES, DIGITS) for method in BATCHES]
    for data, method in progress(cases, "methods"):

        @cache
        def run(
            rate: float, seed: int, data: str = data, B: int = BATCHES[method]
        ) -> dict[float, float]:
            return passes_needed(data, B, rate, seed)

        for tolerance in TOLERANCES:

            def score(
                rate: float,
                seed: int,
                run: Callable[[float, int], dict[float, float]] = run,
                tolerance: float = tolerance,
            ) -> float:
                return -run(rate, seed)[tolerance]

            best = best_setting(score, GRID)
            values = [run(best, seed)[tolerance] for seed in seeds]
            found += rows(needed(tolerance), {method: values}, data)
            rate = f"learning rate for {tolerance:g}"
            found += rows(rate, {method: [best]}, data)
    return finding(judge_speed(found), found, [digits], seeds)


def judge_speed(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about how soon a loss is reached."""
    fifth, fewer, said = {}, {}, []
    for tolerance in TOLERANCES:
        for data in datasets(found, needed(tolerance)):
            passes = by_method(found, needed(tolerance), data)
            ours, theirs = passes[SGD], passes[BATCH]
            fifth[tolerance, data] = all(
                5 * a <= b for a, b in zip(ours, theirs, strict=True)
            )
            fewer[tolerance, data] = significantly_below(ours, theirs)
            said.append(f"{format_means(passes)} until {tolerance:g} on {data}")
    first = TOLERANCES[0]
    where = [data for (each, data), yes in fifth.items() if each == first and yes]
    verdict = decide(
        confirmed=all(fifth.values()),
        conditional=bool(where),
        refuted=not any(yes for (each, _), yes in fewer.items() if each == first),
    )
    condition = (
        f"until a tenth of the excess loss, on {join_words(where or ['no set'])}"
    )
    return Ruling(verdict, f"The mean passes are {'; '.join(said)}.", condition)


# Noise

SLOPE, MEAN, SUM = "slope of log variance on log batch size", "mean", "sum"
POWERS = tuple(2**k for k in range(9))
PERCEPTRON = mlp(HIDDEN_LAYERS["ReLU"], 64)


@claim("claim-minibatch-reduces-variance")
def minibatch_reduces_variance(seeds: Sequence[int]) -> Finding:
    """Mini-batches reduce update variance.

    A network with 64 rectified hidden units at its initial weights, on 1,000 digits.
    Mini-batches of 1, 2, 4 and so on to 256 are drawn with replacement, 500 of each
    size; their gradients are means or sums.  Measured is the slope of the logarithm of
    the variance, summed over all weights, on the logarithm of the size, one for each
    initialization.

    It holds if the mean slope is from -1.1 to -0.9 for means and below 0 for sums also.
    It holds conditionally if it is so for means only.  It fails if it is above -0.5 for
    means.
    """
    found: list[Row] = []
    trial = Trial("network", digits, PERCEPTRON, epochs=0)
    for reduction in (MEAN, SUM):
        values = [variance_slope(trial, seed, reduction) for seed in seeds]
        found += rows(SLOPE, {reduction: values}, "digits")
    return finding(judge_noise(found), found, [digits], seeds)


def gradients_of_instances(trial: Trial, seed: int) -> NDArray[Any]:
    """Return the gradient of each training row, flat, at the initial weights."""
    task, model, _ = trial.start(seed)
    parameters = dict(model.named_parameters())

    def loss(parameters: Any, x: torch.Tensor, y: torch.Tensor) -> Any:
        return task.loss(functional_call(model, parameters, x[None]), y[None])

    torch.set_num_threads(1)
    each = vmap(grad(loss), (None, 0, 0))(parameters, *task.train)
    flat = [part.flatten(start_dim=1) for part in each.values()]
    return torch.cat(flat, dim=1).numpy(force=True)


def variance_slope(trial: Trial, seed: int, reduction: str) -> float:
    """Fit the slope of the log variance of 500 mini-batches on the log of their size.

    A mini-batch drawn with replacement is how often it has each row, a multinomial
    draw.
    """
    gradients = gradients_of_instances(trial, seed)
    rng, instances, traces = np.random.default_rng([seed, 1]), len(gradients), []
    for B in POWERS:
        counts = rng.multinomial(B, np.full(instances, 1 / instances), size=500)
        weights = counts / (B if reduction == MEAN else 1)
        updates = weights.astype(gradients.dtype) @ gradients
        traces.append(updates.var(axis=0, ddof=1).sum())
    return float(np.polyfit(np.log(POWERS), np.log(traces), 1)[0])


def judge_noise(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about the variance."""
    slopes = {
        name: fmean(values)
        for name, values in by_method(found, SLOPE, "digits").items()
    }
    inside = -1.1 <= slopes[MEAN] <= -0.9
    verdict = decide(
        confirmed=inside and slopes[SUM] < 0,
        conditional=inside,
        refuted=slopes[MEAN] > -0.5,
    )
    because = (
        f"The mean slope is {slopes[MEAN]:.3f} for means and {slopes[SUM]:.3f} for "
        "sums."
    )
    return Ruling(verdict, because, "for means; the variance of sums grows")
