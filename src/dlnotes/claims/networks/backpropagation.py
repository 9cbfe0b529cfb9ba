"""Claims about backpropagation and what it trains."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import Ruling, by_method, decide, rows
from dlnotes.claims.progress import progress
from dlnotes.claims.rounding import disturbed
from dlnotes.lab.tasks import moons
from dlnotes.networks.activations import (
    sigmoid,
    sigmoid_derivative,
    tanh,
    tanh_derivative,
)
from dlnotes.networks.backpropagation import mlp_backward
from dlnotes.networks.losses import (
    binary_cross_entropy,
    binary_cross_entropy_gradient,
    cross_entropy_gradient,
    squared_error,
    squared_error_gradient,
)
from dlnotes.networks.mlp import (
    forward_pass,
    mlp_forward,
    parameter_count,
    random_layers,
)
from dlnotes.neurons.perceptron import Perceptron
from dlnotes.optimization import adam

Layers = tuple[Perceptron[NDArray[Any]], ...]

WIDTHS = (22, 70, 223, 707)  # about 10^3, 10^4, 10^5 and 10^6 parameters
FORWARD_MODE = WIDTHS[:2]
SAMPLED, ROUNDS, STEP = 200, 11, 1e-5
RATES = tuple(float(f"{rate:.3g}") for rate in np.logspace(-3, 1, 9))
PATTERNS = np.eye(8)


def drawn(sizes: tuple[int, ...], rng: np.random.Generator) -> Layers:
    """Draw layers for tanh or sigmoids, disturbed when it is time to."""
    return tuple(
        replace(layer, W=disturbed(layer.W))
        for layer in random_layers(sizes, rng=rng, gain=1.0)
    )


# Two passes


@claim("claim-two-passes-all-gradients", seeds=5)
def two_passes_all_gradients(seeds: Sequence[int]) -> Finding:
    """One forward and one backward pass give all gradients, efficiently.

    Networks with a hidden layer of tanh, as many inputs and outputs as hidden units and
    about 10^3 to 10^6 parameters, a batch of 64, and the mean squared error.  The
    gradient of 200 random parameters is compared with central differences and, up to
    10^4 parameters, with forward mode, which sends the change of one parameter at a
    time through the network.  The error is the largest difference from either, as a
    share of the largest of these gradients.  Measured is also the processor's time of a
    forward and a backward pass over that of a forward pass, medians of 11 on one
    thread, of each seed in turn.

    It holds if the error is below 1e-6 and the mean ratio below 5 at every size, and
    the slope of the logarithm of the ratio over that of the number of parameters is at
    most 0.1.  It holds conditionally if only the ratio is 5 or more.  It fails if an
    error is 1e-6 or more, or the slope above 0.5.
    """
    found = []
    for width in progress(WIDTHS, "widths"):
        sizes = (width, width, width)
        name = f"{parameter_count(sizes):,} parameters"
        measured = [two_passes(sizes, seed) for seed in seeds]
        for quantity in measured[0]:
            found += rows(quantity, {name: [each[quantity] for each in measured]})
    verdict, because, condition = judge_passes(found)
    data = "normal inputs and targets, batches of 64"
    return Finding(verdict, because, data, tuple(found), condition)


def two_passes(sizes: tuple[int, ...], seed: int) -> dict[str, float]:
    """Compare gradients of one network, and the time that they take."""
    rng = np.random.default_rng(seed)
    layers = drawn(sizes, rng)
    X, Y = rng.normal(size=(64, sizes[0])), rng.normal(size=(64, sizes[-1]))
    flat = np.concatenate([each.ravel() for each in arrays(gradient(layers, X, Y))])
    chosen = rng.choice(flat.size, size=SAMPLED, replace=False)
    others = [[quotient(layers, X, Y, place) for place in chosen]]
    if sizes[0] in FORWARD_MODE:
        others.append([pushed_forward(layers, X, Y, place) for place in chosen])
    largest = abs(flat[chosen]).max()
    times = interleaved(
        lambda: mlp_forward(layers, X, activation=tanh),
        lambda: gradient(layers, X, Y),
    )
    return {
        "largest relative error": float(abs(others - flat[chosen]).max() / largest),
        "time of both passes over that of the forward pass": times[1] / times[0],
    }


def arrays(layers: Layers) -> list[NDArray[Any]]:
    """Return the weights and biases in turn."""
    return [each for layer in layers for each in (layer.W, layer.b)]


def chained(parameters: Sequence[NDArray[Any]]) -> Layers:
    """Make layers of weights and biases in turn."""
    return tuple(map(Perceptron, parameters[::2], parameters[1::2]))


def gradient(layers: Layers, X: Any, Y: Any) -> Layers:
    """Return the gradient of the mean squared error by backpropagation."""
    H, Z = forward_pass(layers, X, activation=tanh)
    upstream = squared_error_gradient(Z[-1], Y) / len(X)
    return mlp_backward(layers, H, Z, upstream, activation_derivative=tanh_derivative)


def moved(layers: Layers, place: int, by: float) -> Layers:
    """Change one parameter, by its place among all."""
    changed = arrays(layers)
    for k, each in enumerate(changed):
        if place < each.size:
            changed[k] = each.copy()
            changed[k].flat[place] += by
            break
        place -= each.size
    return chained(changed)


def quotient(layers: Layers, X: Any, Y: Any, place: int) -> float:
    """Return the central difference quotient for one parameter."""
    up, down = (
        squared_error(mlp_forward(moved(layers, place, by), X, activation=tanh), Y)
        for by in (STEP, -STEP)
    )
    return float((up - down).sum() / (2 * STEP * len(X)))


def pushed_forward(layers: Layers, X: Any, Y: Any, place: int) -> float:
    """Send the change of one parameter forward through the network."""
    zero = tuple(Perceptron(0 * layer.W, 0 * layer.b) for layer in layers)
    H, change = X, 0 * X
    for layer, direction in zip(layers, moved(zero, place, 1.0), strict=True):
        Z = H @ layer.W + layer.b
        change_Z = change @ layer.W + H @ direction.W + direction.b
        H, change = tanh(Z), tanh_derivative(Z) * change_Z
    return float((squared_error_gradient(Z, Y) * change_Z).sum() / len(X))


def interleaved(*calls: Callable[[], object]) -> list[float]:
    """Return the median processor's time of each call, measured in turn."""
    seconds: list[list[float]] = [[] for _ in calls]
    with threadpool_limits(1):
        for _ in range(ROUNDS + 1):  # the first is a warm-up
            for call, took in zip(calls, seconds, strict=True):
                start = process_time()
                call()
                took.append(process_time() - start)
    return [median(took[1:]) for took in seconds]


def judge_passes(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about two passes."""
    errors = by_method(found, "largest relative error")
    times = by_method(found, "time of both passes over that of the forward pass")
    worst = float(np.max([*errors.values()]))  # NaN, if one is
    ratios = [float(np.mean(each)) for each in times.values()]
    counts = [int(name.split()[0].replace(",", "")) for name in times]
    slope = float(np.polyfit(np.log(counts), np.log(ratios), 1)[0])
    verdict = decide(
        confirmed=worst < 1e-6 and np.max(ratios) < 5 and slope <= 0.1,
        conditional=worst < 1e-6 and slope <= 0.1,
        refuted=worst >= 1e-6 or slope > 0.5,
    )
    because = (
        f"The largest relative error is {worst:.0e}; both passes take "
        f"{min(ratios):.1f} to {max(ratios):.1f} times as long as a forward pass, with "
        f"a slope of {slope:.2f} over the number of parameters."
    )
    return Ruling(verdict, because, "but for more than five times the time")


# Descent


@claim("claim-gd-error-drops", seeds=5)
def gd_error_drops(seeds: Sequence[int]) -> Finding:
    """Repeated gradient steps gradually lower the error until it reaches a minimum.

    A network with 16 tanh units learns 200 points of two moons, noise 0.1, by their
    mean cross-entropy in full batches, in 1,000 steps, at nine learning rates from
    0.001 to 10.  Counted are the steps that raise the loss by more than 1e-12, and
    the gradient's length at the end over that at the start.  Whether there is a
    minimum to reach is not asked: where the network separates the classes, there is
    none.

    It holds if no step raises the loss at any rate in any seed, and the gradient's
    length falls below a tenth at each rate.  It holds conditionally if there is a rate
    up to which no step raises the loss in any seed, and above it some do; that is the
    first half of the claim alone.  It fails if steps raise the loss at the smallest
    rate.
    """
    found = []
    for rate in progress(RATES, "rates"):
        runs = [descend(rate, seed) for seed in seeds]
        for quantity in runs[0]:
            found += rows(quantity, {f"rate {rate:g}": [run[quantity] for run in runs]})
    verdict, because, condition = judge_descent(found)
    data = "200 points of two moons, noise 0.1"
    return Finding(verdict, because, data, tuple(found), condition)


def descend(rate: float, seed: int) -> dict[str, float]:
    """Train at a rate, and count the steps that raise the loss."""
    points, weights = np.random.default_rng(seed).spawn(2)
    X, Y = (each.double().numpy() for each in moons(points, train=200, noise=0.1).train)
    layers, Y = drawn((2, 16, 1), weights), Y[:, None]
    losses, lengths = [], []
    for _ in range(1001):
        H, Z = forward_pass(layers, X, activation=tanh)
        upstream = binary_cross_entropy_gradient(Z[-1], Y) / len(X)
        gradients = mlp_backward(
            layers, H, Z, upstream, activation_derivative=tanh_derivative
        )
        losses.append(float(binary_cross_entropy(Z[-1], Y).mean()))
        lengths.append(float(sum((each**2).sum() for each in arrays(gradients))) ** 0.5)
        pairs = zip(arrays(layers), arrays(gradients), strict=True)
        layers = chained([theta - rate * slope for theta, slope in pairs])
    return {
        "steps that raise the loss": float((~(np.diff(losses) <= 1e-12)).sum()),
        "length of the gradient, end over start": lengths[-1] / lengths[0],
        "last loss": losses[-1],
    }


def judge_descent(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about repeated steps."""
    raised = by_method(found, "steps that raise the loss")
    lengths = by_method(found, "length of the gradient, end over start")
    quiet = [max(each) == 0 for each in raised.values()]
    first = quiet.index(False) if False in quiet else len(quiet)
    arrived = [bool(np.max(each) < 0.1) for each in lengths.values()]
    verdict = decide(
        confirmed=all(quiet) and all(arrived),
        conditional=0 < first < len(quiet),
        refuted=not quiet[0],
    )
    names = [name.removeprefix("rate ") for name in raised]
    limit = names[first - 1] if first else "none"
    because = (
        f"No step raises the loss at any learning rate up to {limit}. At a rate of "
        f"{names[-1]} it rises in {np.mean(raised[f'rate {names[-1]}']):.0f} of 1,000 "
        f"steps, on average. The gradient falls below a tenth, in all seeds, at "
        f"{sum(arrived[:first])} of the {first} rates up to {limit} and at "
        f"{sum(arrived[first:])} of the others."
    )
    condition = (
        f"for learning rates up to {limit} here, as far as the error drops; that it "
        "reaches a minimum is not shown"
    )
    return Ruling(verdict, because, condition)


# Representations


@claim("claim-backprop-learns-representations", seeds=20)
def backprop_learns_representations(seeds: Sequence[int]) -> Finding:
    """Backpropagation lets networks learn useful internal representations.

    The encoder of Rumelhart, Hinton and Williams: eight one-hot patterns go through
    three sigmoid units and come out again, learned by the cross-entropy and Adam at
    0.03 in 3,000 steps.  In the control the hidden layer is random and stays so.
    Noted is whether all eight outputs are right, and whether the hidden activations,
    cut at one half, are eight different codes.

    It holds if the trained network has all eight right in at least 19 of 20 seeds, with
    eight codes in at least half of them, and the control in fewer seeds.  It holds
    conditionally if the trained network has all eight right in at least 19, but codes
    are different in fewer than half, or the control is as good.  It fails if the
    trained network has all eight right in fewer than 10.
    """
    kinds = {"trained": True, "hidden layer frozen": False}
    found = []
    for name, trained in kinds.items():
        runs = [encode(seed, trained=trained) for seed in progress(seeds, name)]
        for quantity in runs[0]:
            found += rows(quantity, {name: [run[quantity] for run in runs]})
    verdict, because, condition = judge_codes(found)
    return Finding(verdict, because, "eight one-hot patterns", tuple(found), condition)


def encode(seed: int, *, trained: bool) -> dict[str, float]:
    """Train the encoder, or its last layer alone."""
    layers, labels = drawn((8, 3, 8), np.random.default_rng(seed)), np.arange(8)
    theta = np.concatenate([each.ravel() for each in arrays(layers)])
    learns = np.arange(theta.size) >= (0 if trained else 8 * 3 + 3)
    state = adam.init(theta)
    for _ in range(3000):
        H, Z = forward_pass(layers, PATTERNS, activation=sigmoid)
        upstream = cross_entropy_gradient(Z[-1], labels) / 8
        gradients = mlp_backward(
            layers, H, Z, upstream, activation_derivative=sigmoid_derivative
        )
        slope = np.concatenate([each.ravel() for each in arrays(gradients)])
        theta, state = adam.update(theta, learns * slope, state, learning_rate=0.03)
        parts = np.split(theta, np.cumsum([8 * 3, 3, 3 * 8]))
        layers = chained(
            [*map(np.reshape, parts, ((8, 3), 3, (3, 8), 8))]  # type: ignore[arg-type]
        )
    H, Z = forward_pass(layers, PATTERNS, activation=sigmoid)
    codes = np.unique(H[1] > 0.5, axis=0)
    return {
        "all right": float((Z[-1].argmax(axis=1) == labels).all()),
        "eight codes": float(len(codes) == 8),
    }


def judge_codes(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about representations."""
    right = {name: sum(each) for name, each in by_method(found, "all right").items()}
    codes = by_method(found, "eight codes")["trained"]
    seeds, control = len(codes), right["hidden layer frozen"]
    learned = right["trained"] >= seeds - 1
    different = sum(codes) >= seeds / 2
    verdict = decide(
        confirmed=learned and different and control < right["trained"],
        conditional=learned,
        refuted=right["trained"] < seeds / 2,
    )
    because = (
        f"All eight outputs are right in {right['trained']:.0f} of {seeds} seeds, with "
        f"eight different codes in {sum(codes):.0f}; with a hidden layer that stays "
        f"random, in {control:.0f}."
    )
    lacking = "for the codes; the outputs are right with a random hidden layer, too"
    return Ruling(verdict, because, lacking if different else "without binary codes")
