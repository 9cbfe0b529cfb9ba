"""Claims about rectifiers."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from statistics import fmean, median
from time import process_time
from typing import Any

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn
from torch.nn import functional

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    by_method,
    datasets,
    decide,
    format_means,
    interval,
    rows,
    significantly_above,
    significantly_below,
)
from dlnotes.claims.rounding import disturbed
from dlnotes.claims.trial import Trial, compare, finding
from dlnotes.lab.models import HIDDEN_LAYERS, mlp, recurrent
from dlnotes.lab.tasks import TaskFactory, adding, cars, digits, fashion_mnist
from dlnotes.networks.rectifiers import relu, relu_derivative
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


@claim("claim-relu-no-vanish-no-explode", seeds=10)
def relu_no_vanish_no_explode(seeds: Sequence[int]) -> Finding:
    """With ReLU gradients neither vanish nor explode.

    A stack of 30 layers of 100 ReLUs reads 50 rows of standard normal numbers, and a
    standard normal gradient goes back from its output to its input.  Weights are normal
    with the deviation of He et al., half of it and twice of it; biases are zero.  What
    counts is the common logarithm of the gradient's root mean square at the input over
    that at the output.  That the two other scales move it by 30 log 2, which is 9, is
    no measurement: ReLU(cz) = c ReLU(z) for c > 0, and the derivative stays.

    It holds if the interval of the logarithm lies inside [-1, 1] at all three scales.
    It holds conditionally if at He's scale alone, and fails if not even there.
    """
    scales = {"half of He's scale": 0.5, "He's scale": 1, "twice He's scale": 2}
    changes = {
        name: [log_change(scale, seed) for seed in seeds]
        for name, scale in scales.items()
    }
    data = "30 layers of 100 ReLUs"
    found = rows("log10 of the change of the gradient", changes, data)
    verdict, because, condition = judge_change(found)
    return Finding(verdict, because, f"{data}, 50 random rows", tuple(found), condition)


def log_change(scale: float, seed: int) -> float:
    """Return by how many powers of ten a gradient changes on its way back."""
    rng = np.random.default_rng(seed)
    A, passed = rng.normal(size=(50, 100)), []
    for _ in range(30):
        W = scale * disturbed(rng.normal(scale=0.02**0.5, size=(100, 100)))
        passed.append((W, A @ W))
        A = relu(A @ W)
    G = upstream = rng.normal(size=A.shape)
    for W, Z in reversed(passed):
        G = (G * relu_derivative(Z)) @ W.T
    return float(np.log10(np.sqrt(np.mean(G**2) / np.mean(upstream**2))))


def judge_change(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about gradients behind ReLUs."""
    changes = by_method(found, found[0].quantity, found[0].data)
    inside = [
        name for name, values in changes.items() if max(map(abs, interval(values))) < 1
    ]
    at_he = "He's scale" in inside
    verdict = decide(
        confirmed=len(inside) == len(changes), conditional=at_he, refuted=not at_he
    )
    because = f"The mean logarithm is {format_means(changes)}."
    return Ruling(verdict, because, f"at {join_words(inside or ['none'])}")


Calls = Mapping[str, Sequence[Callable[[], Any]]]


@claim("claim-relu-cheaper")
def relu_cheaper(seeds: Sequence[int]) -> Finding:
    """ReLU is quicker to compute.

    ReLU, tanh and the sigmoid of a million normal numbers, in single precision, in
    NumPy and in PyTorch on one thread, written into an array that is there already, so
    that no memory is asked for; of several ways to write a function the fastest counts.
    Then a training step of a network of 784 inputs, 256 hidden units and 10 outputs in
    PyTorch, on a batch of 128.  Each time is the median of 21 processor times, taken in
    turns, over that of ReLU; every seed is a process of its own.  Backward stands in
    the rows and has no say.

    It holds if forward tanh and sigmoid take at least 2 times as long in both
    libraries, by the interval, and the step with tanh at least 1.05 times.  It holds
    conditionally if so forward, and the step takes less than 1.05 times.  It fails if
    one of the two takes less than 1.2 times as long forward in either library.
    """
    fresh = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
        each = [*pool.map(relative_times, seeds)]
    found = [
        Row(*names, tuple(times[names] for times in each))  # one value a process
        for names in each[0]
    ]
    verdict, because, condition = judge_times(found)
    data = "a million random numbers; a batch of 128 random rows"
    return Finding(verdict, because, data, tuple(found), condition)


def relative_times(seed: int) -> dict[tuple[str, str, str], float]:
    """Time everything in this process, by quantity, method and data, over ReLU."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    z, upstream = rng.normal(size=(2, 1_000_000)).astype(np.float32)
    found = {}
    for quantity, data, calls in (
        ("forward", "NumPy", numpy_forward(z)),
        ("backward", "NumPy", numpy_backward(z, upstream)),
        ("forward", "PyTorch", torch_forward(torch.asarray(z))),
        ("backward", "PyTorch", torch_backward(torch.asarray(z), upstream)),
        ("training step", "PyTorch", training_steps(rng)),
    ):
        times = fastest(calls)
        for method in {*times} - {"ReLU"}:
            ratio = times[method] / times["ReLU"]
            found[f"time of {quantity} over that of ReLU", method, data] = ratio
    return found


def numpy_forward(z: Any) -> Calls:
    """Return ways to compute each function in NumPy."""
    zeros, out = np.zeros_like(z), np.empty_like(z)

    def by_exponential() -> Any:
        np.exp(np.negative(z, out=out), out=out)
        return np.reciprocal(np.add(out, 1, out=out), out=out)

    return {
        "ReLU": tuple(partial(np.maximum, z, low, out=out) for low in (0, zeros)),
        "tanh": (partial(np.tanh, z, out=out),),
        "sigmoid": (partial(expit, z, out=out), by_exponential),
    }


def numpy_backward(z: Any, upstream: Any) -> Calls:
    """Return what multiplies a gradient by each derivative, from the activation."""
    positive, a, p = np.maximum(z, 0), np.tanh(z), expit(z)
    return {
        "ReLU": (lambda: upstream * (positive > 0),),
        "tanh": (lambda: upstream * (1 - a * a),),
        "sigmoid": (lambda: upstream * (p * (1 - p)),),
    }


def torch_forward(z: Tensor) -> Calls:
    """Return PyTorch's own functions."""
    out = torch.empty_like(z)
    return {
        "ReLU": (partial(torch.clamp, z, 0, out=out),),
        "tanh": (partial(torch.tanh, z, out=out),),
        "sigmoid": (partial(torch.sigmoid, z, out=out),),
    }


def torch_backward(z: Tensor, upstream: Any) -> Calls:
    """Return PyTorch's own backward passes."""
    leaf, gradient = z.requires_grad_(), torch.asarray(upstream)
    outputs = {"ReLU": leaf.relu(), "tanh": leaf.tanh(), "sigmoid": leaf.sigmoid()}
    return {
        name: (partial(torch.autograd.grad, a, leaf, gradient, retain_graph=True),)
        for name, a in outputs.items()
    }


def training_steps(rng: np.random.Generator) -> Calls:
    """Return a step of gradient descent for a network with ReLU, and with tanh."""
    X = torch.tensor(rng.normal(size=(128, 784)), dtype=torch.float32)
    y = torch.tensor(rng.integers(10, size=128))

    def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(X), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def steps(activation: nn.Module) -> Callable[[], None]:
        layers = nn.Linear(784, 256), activation, nn.Linear(256, 10)
        model = nn.Sequential(*layers)
        return partial(step, model, torch.optim.SGD(model.parameters(), lr=0.01))

    return {"ReLU": (steps(nn.ReLU()),), "tanh": (steps(nn.Tanh()),)}


def fastest(calls: Calls, repetitions: int = 21) -> dict[str, float]:
    """Return the median seconds of the fastest way of each, after a warm-up."""
    seconds: dict[tuple[str, int], list[float]] = {}
    for repetition in range(repetitions + 3):
        for name, ways in calls.items():
            for k, way in enumerate(ways):
                started = process_time()
                way()
                if repetition >= 3:
                    seconds.setdefault((name, k), []).append(process_time() - started)
    return {
        name: min(median(seconds[name, k]) for k in range(len(ways)))
        for name, ways in calls.items()
    }


def judge_times(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about the time of a ReLU."""
    forward = {
        f"{row.method} in {row.data}": row.values
        for row in found
        if row.quantity == "time of forward over that of ReLU"
    }
    (step,) = (row.values for row in found if "step" in row.quantity)
    slow = all(interval(values)[0] >= 2 for values in forward.values())
    verdict = decide(
        confirmed=slow and interval(step)[0] >= 1.05,
        conditional=slow and interval(step)[1] < 1.05,
        refuted=any(interval(values)[1] < 1.2 for values in forward.values()),
    )
    because = (
        f"Forward the mean ratio is {format_means(forward)}; the step with tanh takes "
        f"{fmean(step):.3g} times as long as that with ReLU."
    )
    return Ruling(verdict, because, "by itself: a training step takes as long")
