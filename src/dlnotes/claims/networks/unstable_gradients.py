"""Claims about gradients that vanish or explode, and what is said to help."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    best_setting,
    by_method,
    decide,
    interval,
    rows,
    significantly_above,
    significantly_below,
)
from dlnotes.claims.progress import progress
from dlnotes.claims.rounding import disturbed
from dlnotes.claims.trial import RATE, Trial, finding
from dlnotes.lab.fit import predict
from dlnotes.lab.tasks import Task, digits
from dlnotes.networks.activations import sigmoid, tanh, tanh_derivative
from dlnotes.networks.rectifiers import relu, relu_derivative
from dlnotes.networks.unstable_gradients import gradient_through_depth
from dlnotes.wording import join_words

LAST_OVER_FIRST = "log10 of last over first"
MOMENTS = ("at the start", "after 100 steps")
SATURATED = 0.01  # of the range of a sigmoid, from either end
SCALES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SMALL, WIDTHS = SCALES[:5], (100, 500)


# Networks that are trained


@dataclass(frozen=True)
class Stack:
    """Hidden layers of 64 units, and the variance of their weights times 64."""

    activation: Callable[[], nn.Module]
    gain: float
    depth: int
    dropout: float = 0.0

    def __call__(self, rng: np.random.Generator, task: Task) -> nn.Module:
        """Draw the network for a task; its biases are zero."""
        widths = [task.train[0].shape[1], *[64] * self.depth]
        layers: list[nn.Module] = []
        for inputs in widths[:-1]:
            layers += [nn.Linear(inputs, 64), self.activation()]
            if self.dropout:
                layers.append(nn.Dropout(self.dropout))
        model = nn.Sequential(*layers, nn.Linear(64, task.outputs))
        for each in model.parameters():
            std = (self.gain / 64) ** 0.5 if each.ndim > 1 else 0.0
            each.data = torch.tensor(rng.normal(0, std, each.shape)).float()
        torch.manual_seed(int(rng.integers(2**31)))  # of dropout
        return model


def weights(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights of the hidden layers, from the first to the last."""
    return [each for each in model.parameters() if each.ndim > 1][:-1]


def gradient_sizes(model: nn.Module, task: Task) -> list[float]:
    """Return the root mean square of the gradient of each hidden layer's weights.

    The loss is the mean over all training rows, and nothing is dropped.
    """
    X, y = task.train
    model.eval()
    gradients = torch.autograd.grad(task.loss(model(X), y).mean(), weights(model))
    model.train()
    return [float(each.double().square().mean().sqrt()) for each in gradients]


# Lower layers


KINDS = {
    "sigmoid": Stack(nn.Sigmoid, 1.0, 10),
    "tanh": Stack(nn.Tanh, 1.0, 10),
    "ReLU": Stack(nn.ReLU, 2.0, 10),
}


@claim("claim-vanishing-lower-layers", seeds=10)
def vanishing_lower_layers(seeds: Sequence[int]) -> Finding:
    """Gradients get smaller towards the lower layers, so these barely change.

    Ten hidden layers of 64 units learn the digits: sigmoids and tanh with weights of
    variance 1/64, which is Glorot's for equal widths, and ReLU with 2/64.  They take
    100 steps of SGD at 0.1, on batches of 50.  Measured is the logarithm (base 10) of
    the gradient's root mean square for the weights of the last hidden layer over that
    of the first, before and after.  Noted is by how much the weights of both layers
    changed, as a share of their length at the start.

    It holds if the interval of the mean is above 1 for all three, before and after.  It
    holds conditionally if it is so for the sigmoid, but not for all three.  It fails if
    it is not so for the sigmoid.
    """
    found: list[Row] = []
    for name, build in KINDS.items():
        trial = Trial(name, digits, build, 5, torch.optim.SGD, batch_size=50)
        runs = [before_and_after(trial, seed) for seed in progress(seeds, name)]
        for quantity in runs[0]:
            found += rows(quantity, {name: [run[quantity] for run in runs]})
    return finding(judge_lower_layers(found), found, [digits], seeds)


def before_and_after(trial: Trial, seed: int) -> dict[str, float]:
    """Measure gradients before and after training, and how far weights have moved."""
    task, model, order = trial.start(seed)
    old = [each.detach().clone() for each in weights(model)]
    measured = {}
    for moment in MOMENTS:
        if moment is not MOMENTS[0]:
            trial.train(0.1, task, model, order)
        sizes = gradient_sizes(model, task)
        measured[f"{LAST_OVER_FIRST}, {moment}"] = float(np.log10(sizes[-1] / sizes[0]))
    pairs = list(zip(weights(model), old, strict=True))
    for name, (new, before) in {"first": pairs[0], "last": pairs[-1]}.items():
        change = ((new - before).norm() / before.norm()).item()
        measured[f"relative change of the {name} layer's weights"] = change
    return measured


def judge_lower_layers(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about lower layers."""
    lows: dict[str, float] = {}
    for moment in MOMENTS:
        for name, values in by_method(found, f"{LAST_OVER_FIRST}, {moment}").items():
            lows[name] = min(lows.get(name, np.inf), interval(values)[0])
    vanish = [name for name, low in lows.items() if low > 1]
    verdict = decide(
        confirmed=len(vanish) == len(lows),
        conditional="sigmoid" in vanish,
        refuted="sigmoid" not in vanish,
    )
    start = by_method(found, f"{LAST_OVER_FIRST}, {MOMENTS[0]}")
    ratios = {name: f"{10 ** np.mean(each):.2g}" for name, each in start.items()}
    which = join_words(vanish or ["none"])
    because = (
        "At the start the gradient of the last hidden layer over that of the first is "
        + join_words([f"{float(each):,g} for {name}" for name, each in ratios.items()])
        + f"; it is above 10, before and after training, for {which}."
    )
    return Ruling(verdict, because, f"for {which}")


# Sigmoids and their variance


def normal_weights(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[Any]:
    """Draw weights of variance 1."""
    return rng.normal(size=shape)


def uniform_weights(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[Any]:
    """Draw the weights that Glorot and Bengio found in use, uniform."""
    limit = shape[0] ** -0.5
    return rng.uniform(-limit, limit, size=shape)


DRAWS = {"N(0, 1)": normal_weights, "U(-1/sqrt(n), 1/sqrt(n))": uniform_weights}
UNITS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": sigmoid,
    "zero-mean sigmoid": lambda z: tanh(z / 2),
}


@claim("claim-sigmoid-normal-init-saturates", seeds=10)
def sigmoid_normal_init_saturates(seeds: Sequence[int]) -> Finding:
    """With sigmoids and the old weights, variance grows and the top saturates.

    A thousand rows of 100 standard normal inputs go through ten layers of 100 sigmoids,
    with weights N(0, 1) and with the weights U(-1/sqrt(n), 1/sqrt(n)) of which Glorot
    and Bengio (2010) speak, without biases.  Beside them is the sigmoid of zero mean,
    twice the sigmoid less one.  Measured are the variance of the outputs of the first
    and of the last layer, over the rows for each unit, mean over the units; beside it
    the variance over rows and units, to which units that differ by a constant add;
    their mean; and the share that is saturated: less than a hundredth of the range from
    either end.

    It holds if with both draws the variance rises from layer 1 to layer 10, the
    saturated share rises too, and in layer 10 it is above that of the zero-mean
    sigmoid.  It holds conditionally if it is so with one of them, and fails if it is so
    with neither.
    """
    found: list[Row] = []
    for draw, units in progress([(d, u) for d in DRAWS for u in UNITS], "networks"):
        runs = [through_sigmoids(draw, units, seed) for seed in seeds]
        for quantity in runs[0]:
            found += rows(quantity, {units: [run[quantity] for run in runs]}, draw)
    verdict, because, condition = judge_sigmoids(found)
    data = "1,000 rows of 100 standard normal inputs"
    return Finding(verdict, because, data, tuple(found), condition)


def through_sigmoids(draw: str, units: str, seed: int) -> dict[str, float]:
    """Send the rows through ten layers, and describe the first and the last."""
    inputs, drawn = np.random.default_rng(seed).spawn(2)
    H, low = inputs.normal(size=(1000, 100)), {"sigmoid": 0.0}.get(units, -1.0)
    measured: dict[str, float] = {}
    for layer in range(1, 11):
        H = UNITS[units](H @ disturbed(DRAWS[draw](drawn, (100, 100))))
        share = (H - low) / (1 - low)
        if layer in (1, 10):
            far = abs(share - 0.5) > 0.5 - SATURATED
            measured |= {
                f"variance of layer {layer}": float(H.var(axis=0).mean()),
                f"variance over rows and units of layer {layer}": float(H.var()),
                f"saturated share of layer {layer}": float(far.mean()),
                f"mean of layer {layer}": float(H.mean()),
            }
    return measured


def judge_sigmoids(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about the variance of sigmoids."""
    true, said = [], []
    for draw in DRAWS:
        of = partial(by_method, found, data=draw)
        variances = [of(f"variance of layer {k}")["sigmoid"] for k in (1, 10)]
        first, last = (of(f"saturated share of layer {k}") for k in (1, 10))
        grows = significantly_above(variances[1], variances[0])
        more = significantly_above(last["sigmoid"], first["sigmoid"])
        worse = significantly_above(last["sigmoid"], last["zero-mean sigmoid"])
        true += [draw] * (grows and more and worse)
        said.append(
            f"With {draw} the variance of a unit's outputs goes from "
            f"{np.mean(variances[0]):.2g} to {np.mean(variances[1]):.2g}, and the "
            f"saturated share from {np.mean(first['sigmoid']):.2g} to "
            f"{np.mean(last['sigmoid']):.2g} "
            f"({np.mean(last['zero-mean sigmoid']):.2g} with zero mean)."
        )
    verdict = decide(
        confirmed=len(true) == len(DRAWS), conditional=bool(true), refuted=not true
    )
    return Ruling(verdict, " ".join(said), f"with {join_words(true or ['none'])}")


# Small weights


SLOPES = {"tanh": (tanh, tanh_derivative), "ReLU": (relu, relu_derivative)}
CHANGE = "log10 of the gradient at the input over that at the output"


@claim("claim-small-random-prevents-explosion", seeds=10)
def small_random_prevents_explosion(seeds: Sequence[int]) -> Finding:
    """Small random weights help to prevent exploding gradients.

    A hundred rows of n standard normal inputs go through 20 layers of n units, with n =
    100 and 500, tanh and ReLU, with weights of the standard deviations s from 0.001 to
    1 and no biases; a standard normal gradient comes back.  Measured is the logarithm
    (base 10) of its root mean square at the input over that at the output.  It explodes
    if the interval of the mean is above 2, and vanishes if that is below -2.

    It holds if, for both widths and both activation functions, neither happens at any
    deviation up to 0.1.  It holds conditionally if the gradient explodes at none of
    these that is also at most 1/sqrt(n), but at some it vanishes, or at a larger one
    explodes.  It fails if it explodes at one of at most 1/sqrt(n).
    """
    found: list[Row] = []
    for width, name in progress([*product(WIDTHS, SLOPES)], "networks"):
        runs = [back_through(name, width, seed) for seed in seeds]
        for scale in SCALES:
            values = [run[scale] for run in runs]
            found += rows(CHANGE, {f"s = {scale:g}": values}, stacked(name, width))
    verdict, because, condition = judge_small(found)
    data = f"100 rows of {join_words([*map(str, WIDTHS)])} standard normal inputs"
    return Finding(verdict, because, data, tuple(found), condition)


def stacked(name: str, width: int) -> str:
    """Name a stack."""
    return f"{name}, {width} units"


def back_through(name: str, width: int, seed: int) -> dict[float, float]:
    """Send a gradient back through 20 layers, and say by how much each scale alters it.

    The layers differ between the scales by nothing but a factor.
    """
    inputs, drawn, above = np.random.default_rng(seed).spawn(3)
    activation, derivative = SLOPES[name]
    W = disturbed(drawn.normal(size=(20, width, width)))
    X, upstream = inputs.normal(size=(100, width)), above.normal(size=(100, width))
    changes = {}
    for scale in SCALES:
        H, Z = X, []
        for layer in scale * W:
            Z.append(H @ layer)
            H = activation(Z[-1])
        gradient = gradient_through_depth(
            scale * W, np.stack(Z), upstream, activation_derivative=derivative
        )
        change = np.mean(gradient**2) / np.mean(upstream**2)
        changes[scale] = float(np.log10(change) / 2)
    return changes


def judge_small(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about small weights."""
    explodes, too_wide, vanishes, said = [], [], [], []
    for width, name in product(WIDTHS, SLOPES):
        changes = by_method(found, CHANGE, stacked(name, width))
        grown = [s for s in SCALES if interval(changes[f"s = {s:g}"])[0] > 2]
        gone = [s for s in SMALL if interval(changes[f"s = {s:g}"])[1] < -2]
        explodes += [s for s in grown if s in SMALL and s <= width**-0.5]
        too_wide += [s for s in grown if s in SMALL and s > width**-0.5]
        vanishes += gone
        lost, blown = (
            join_words([f"s = {s:g}" for s in each] or ["none"])
            for each in (gone, grown)
        )
        said.append(
            f"With {stacked(name, width)} a layer, the gradient vanishes at {lost} "
            f"and explodes at {blown}."
        )
    verdict = decide(
        confirmed=not (explodes or too_wide or vanishes),
        conditional=not explodes,
        refuted=bool(explodes),
    )
    condition = (
        "for explosion alone, and if small is meant for the width: s at most 1/sqrt(n)"
    )
    return Ruling(verdict, " ".join(said), condition)


# Regularization


DOSES: dict[str, tuple[dict[str, float], ...]] = {
    "weight decay": tuple({"decay": dose} for dose in (0.001, 0.01, 0.03, 0.1, 0.3)),
    "dropout": tuple({"dropout": dose} for dose in (0.02, 0.05, 0.1)),
}
TOO_SMALL, RIGHT, TOO_LARGE = 0.8, 1.0, 2.0
RATES = (0.001, 0.003, 0.01, 0.03)
DISTANCE = "|log10 of first over last|, pre-activations"
DISTANCE_OF_WEIGHTS = "|log10 of first over last|, weights"
LEARNED = "training accuracy"


@claim("claim-regularisation-unstable-gradients", seeds=5)
def regularization_unstable_gradients(seeds: Sequence[int]) -> Finding:
    """Regularization is a technique against vanishing and exploding gradients.

    Twenty hidden layers of 64 tanh units learn the digits in 400 steps of SGD with
    momentum 0.9, on batches of 50.  Their weights begin with a variance of s^2/64, with
    s = 0.8, where gradients shrink on their way back, and s = 2, where they grow.  For
    each s the learning rate, from 0.001 to 0.03, is the one with which the network
    learns best without regularization.  With that rate come weight decay, from 0.001 to
    0.3, and dropout, from 0.02 to 0.1.  Measured is, at the end and without dropping
    anything, how far the logarithm (base 10) of the first layer's over the last hidden
    layer's root mean square gradient, of the pre-activations, is from zero; beside it
    the same of the weights, and the training accuracy.  Of each technique the dose is
    the one that, on other seeds, lowers the distance most while nine tenths of the
    training accuracy without it are kept; or the smallest, if none does.  The same
    network with s = 1 and no regularization is the control.

    It holds if weight decay and dropout both lower the distance at both scales.  It
    holds conditionally if at least one of them does at one scale, and fails if neither
    does at either.
    """
    found: list[Row] = []
    for scale in (TOO_SMALL, RIGHT, TOO_LARGE):
        rate = best_setting(tanh_trial(scale).validation_score, RATES)
        doses: dict[str, dict[str, float]] = {"none": {}}
        for name in DOSES if scale != RIGHT else ():
            doses[name] = best_dose(name, scale, rate)
        for name, dose in doses.items():
            trial, bar = tanh_trial(scale, **dose), progress(seeds, f"{scale}: {name}")
            runs = [outcome(trial, rate, seed) for seed in bar]
            for quantity in runs[0]:
                values = [run[quantity] for run in runs]
                found += rows(quantity, {name: values}, f"s = {scale:g}")
            for size in dose.values():
                found.append(Row("dose", name, f"s = {scale:g}", (size,)))
        found.append(Row(RATE, f"s = {scale:g}", "", (rate,)))
    return finding(judge_regularization(found), found, [digits], seeds, RATES)


def tanh_trial(scale: float, decay: float = 0.0, dropout: float = 0.0) -> Trial:
    """Return the training of twenty layers of tanh."""
    make = partial(torch.optim.SGD, momentum=0.9, weight_decay=decay)
    build = Stack(nn.Tanh, scale**2, 20, dropout)
    return Trial("tanh", digits, build, 20, make, batch_size=50)


def best_dose(name: str, scale: float, rate: float) -> dict[str, float]:
    """Return the dose that lowers the distance most, among those that let it learn."""

    @cache
    def learned(seed: int) -> float:
        return outcome(tanh_trial(scale), rate, seed, tuning=True)[LEARNED]

    def score(dose: dict[str, float], seed: int) -> float:
        found = outcome(tanh_trial(scale, **dose), rate, seed, tuning=True)
        return -found[DISTANCE] if found[LEARNED] >= 0.9 * learned(seed) else -np.inf

    return best_setting(score, DOSES[name])


def outcome(
    trial: Trial, rate: float, seed: int, *, tuning: bool = False
) -> dict[str, float]:
    """Train, and return how far apart the outer layers' gradients are, and accuracy."""
    task, model, _ = trial.run(rate, seed, tuning=tuning)
    X, y = task.train
    return {
        DISTANCE: distance(delta_sizes(model, task)),
        DISTANCE_OF_WEIGHTS: distance(gradient_sizes(model, task)),
        LEARNED: task.score(predict(model, X), y),
    }


def delta_sizes(model: nn.Module, task: Task) -> list[float]:
    """Return the root mean square gradient of each hidden layer's pre-activations."""
    (h, y), Z = task.train, []
    model.eval()
    for each in model.children():
        h = each(h)
        Z += [h] if isinstance(each, nn.Linear) else []
    gradients = torch.autograd.grad(task.loss(h, y).mean(), Z[:-1])
    model.train()
    return [float(each.double().square().mean().sqrt()) for each in gradients]


def distance(sizes: Sequence[float]) -> float:
    """Return how many powers of ten the first and the last size are apart."""
    return abs(float(np.log10(sizes[0] / sizes[-1])))


def judge_regularization(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about regularization."""
    helps, said = [], []
    for scale in (TOO_SMALL, TOO_LARGE):
        data = f"s = {scale:g}"
        apart, learned = (by_method(found, q, data) for q in (DISTANCE, LEARNED))
        doses = by_method(found, "dose", data)
        helps += [
            f"{name} at {data}"
            for name in DOSES
            if significantly_below(apart[name], apart["none"])
        ]
        means = [
            f"{np.mean(apart[name]):.2f} with {name}"
            + "".join(f" of {size:g}" for size in doses.get(name, ()))
            + f" (accuracy {np.mean(learned[name]):.2f})"
            for name in apart
        ]
        said.append(f"At {data} the distance is {join_words(means)}.")
    verdict = decide(confirmed=len(helps) == 4, conditional=bool(helps), refuted=True)
    return Ruling(verdict, " ".join(said), f"with {join_words(helps or ['neither'])}")
