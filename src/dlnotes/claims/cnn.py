"""Convolutional networks."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise, product
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy.typing import NDArray
from scipy.optimize import least_squares
from torch import Tensor
from torch.nn.functional import conv1d, cross_entropy
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from dlnotes import nn
from dlnotes.claims import Finding, claim
from dlnotes.claims.evidence import Ruling, decide, interval, significantly_above
from dlnotes.claims.trial import ModelFactory, Trial, report
from dlnotes.cnn.arithmetic import (
    conv_output_size,
    conv_parameter_count,
    reads_per_pixel,
)
from dlnotes.cnn.convolution import mac_count
from dlnotes.lab.fit import predict
from dlnotes.lab.metrics import accuracy
from dlnotes.lab.tasks import Task, fashion_mnist
from dlnotes.optim import Adam


class Conv(NamedTuple):
    """A convolutional layer."""

    K: int
    F: int
    S: int = 1
    P: int = 0


class Pool(NamedTuple):
    """A pooling layer."""

    F: int
    S: int


class Dense(NamedTuple):
    """A layer of units that see all that the layer before returns."""

    K: int


Layer = Conv | Pool | Dense

CIFAR_NET = (Conv(15, 5, P=2), Pool(2, 2), Dense(10))
ALEXNET = (
    *(Conv(96, 11, S=4), Pool(3, 2)),
    *(Conv(256, 5, P=2), Pool(3, 2)),
    *(Conv(384, 3, P=1), Conv(384, 3, P=1), Conv(256, 3, P=1), Pool(3, 2)),
    *(Dense(4096), Dense(4096), Dense(1000)),
)
VGG_11 = (
    *(Conv(64, 3, P=1), Pool(2, 2)),
    *(Conv(128, 3, P=1), Pool(2, 2)),
    *(Conv(256, 3, P=1), Conv(256, 3, P=1), Pool(2, 2)),
    *(Conv(512, 3, P=1), Conv(512, 3, P=1), Pool(2, 2)),
    *(Conv(512, 3, P=1), Conv(512, 3, P=1), Pool(2, 2)),
    *(Dense(4096), Dense(4096), Dense(1000)),
)
NETWORKS: dict[str, tuple[int, tuple[Layer, ...]]] = {
    "AlexNet": (227, ALEXNET),
    "VGG-11": (224, VGG_11),
    "the CIFAR network": (32, CIFAR_NET),
}


@claim("claim-conv-dominates-compute", seeds=1)
def conv_dominates_compute(_seeds: Sequence[int]) -> Finding:
    """The convolutional layers do most of the computation.

    The multiply-adds of one image are counted layer by layer, from the shapes, in
    AlexNet (227 pixels wide, its two halves not parted), in VGG-11 (224 pixels) and in
    the CIFAR network with fifteen filters, and PyTorch's counter has to agree.  The
    claim holds if the convolutional layers do more than half of them in all three.  It
    holds under conditions if they do so in two, and fails if in one or none.
    """
    work, weights = {}, {}
    for name, (side, layers) in NETWORKS.items():
        modules, counts, sizes = zip(*laid_out(layers, side), strict=True)
        model = torch.nn.Sequential(*modules)
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, side, side, device="meta"))
        theirs = (
            counter.get_total_flops() / 2,
            sum(p.numel() for p in model.parameters()),
        )
        if (sum(counts), sum(sizes)) != theirs:
            raise ArithmeticError(
                f"{name} has {theirs} in PyTorch, not {counts}, {sizes}"
            )
        work[name], weights[name] = share(layers, counts), share(layers, sizes)
    verdict, because = most_of_the_work(work, weights)
    measured = {f"share of the multiply-adds, {name}": [work[name]] for name in work}
    measured |= {f"share of the parameters, {name}": [weights[name]] for name in work}
    return Finding(verdict, because, "the shapes of three networks", measured)


def share(layers: Sequence[Layer], counts: Sequence[int]) -> float:
    """Return the share of what was counted that is in convolutional layers."""
    each = zip(layers, counts, strict=True)
    return sum(n for layer, n in each if isinstance(layer, Conv)) / sum(counts)


def laid_out(
    layers: Sequence[Layer], side: int
) -> Iterator[tuple[torch.nn.Module, int, int]]:
    """Yield each layer, its multiply-adds for a color image, and its parameters."""
    depth = 3
    for layer in layers:
        match layer:
            case Conv(K, F, S, P):
                side = conv_output_size(side, F, stride=S, padding=P)
                work = mac_count(F, depth, filters=K, places=side**2)
                conv = torch.nn.Conv2d(depth, K, F, S, P, device="meta")
                yield conv, work, conv_parameter_count(K, F, depth)
                depth = K
            case Pool(F, S):
                side = conv_output_size(side, F, stride=S)
                yield torch.nn.MaxPool2d(F, S), 0, 0
            case Dense(K):
                inputs, depth, side = depth * side**2, K, 1
                work = mac_count(1, inputs, filters=K, places=1)
                linear = torch.nn.Linear(inputs, K, device="meta")
                dense = torch.nn.Sequential(torch.nn.Flatten(), linear)
                yield dense, work, conv_parameter_count(K, 1, inputs)


def most_of_the_work(work: dict[str, float], weights: dict[str, float]) -> Ruling:
    """Judge the shares of the convolutional layers in the work of three networks."""
    most = sum(share > 0.5 for share in work.values())
    shares = "; ".join(
        f"in {name} {work[name]:.1%} of the multiply-adds and "
        f"{weights[name]:.1%} of the parameters are theirs"
        for name in work
    )
    return decide(confirmed=most == 3, conditional=most == 2, refuted=most < 2), shares


@claim("claim-larger-stride-smaller-output", seeds=1)
def larger_stride_smaller_output(_seeds: Sequence[int]) -> Finding:
    """A larger stride gives a smaller output.

    Every step from stride S to S + 1 is taken, from 1 to 8, for inputs of width W from
    5 to 64, filters of width F from 1 to 11 (at most W), and padding P from 0 to 2, by
    the book's formula, and PyTorch has to agree.  The claim holds if every step makes
    the output strictly smaller.  It holds under conditions if none makes it larger, but
    some leave it as it is.  It fails if one makes it larger.
    """
    steps = []
    for W, F, P in product(range(5, 65), range(1, 12), range(3)):
        if W < F:
            continue
        sizes = [conv_output_size(W, F, stride=S, padding=P) for S in range(1, 9)]
        x, w = torch.empty(1, 1, W, device="meta"), torch.empty(1, 1, F, device="meta")
        if sizes != [conv1d(x, w, None, S, P).shape[-1] for S in range(1, 9)]:
            raise ArithmeticError(f"PyTorch has other sizes where {W=}, {F=}, {P=}")
        steps += [
            (W - F + 2 * P >= S * (S + 1), after - before)
            for S, (before, after) in enumerate(pairwise(sizes), start=1)
        ]
    verdict, because = smaller_at_every_step(steps)
    signs = {"make the output smaller": -1, "leave it as it is": 0, "make it larger": 1}
    measured = {
        f"share of the steps that {name}": [
            float(np.mean([np.sign(added) == sign for _, added in steps]))
        ]
        for name, sign in signs.items()
    }
    every = "every width from 5 to 64, filter to 11, padding to 2 and stride to 8"
    return Finding(verdict, because, every, measured)


def smaller_at_every_step(steps: Sequence[tuple[bool, int]]) -> Ruling:
    """Judge steps: whether W - F + 2P is at least S (S + 1), and what a step adds."""
    smaller, equal, larger = (
        sum(np.sign(added) == sign for _, added in steps) for sign in (-1, 0, 1)
    )
    roomy = [added < 0 for room, added in steps if room]
    verdict = decide(
        confirmed=not (equal or larger), conditional=not larger, refuted=larger > 0
    )
    return verdict, (
        f"of {len(steps):,} steps {smaller:,} make the output smaller, {larger:,} make "
        f"it larger, and {equal:,} leave it as it is, by rounding down; {sum(roomy):,} "
        f"of the {len(roomy):,} where W - F + 2P is at least S (S + 1) make it smaller"
    )


# A plus and a cross.
MARKS = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]], [[1, 0, 1], [0, 1, 0], [1, 0, 1]]])
PLACES = ("border", "center")


@claim("claim-zero-padding-border")
def zero_padding_border(seeds: Sequence[int]) -> Finding:
    """Zero padding keeps information at the border that is otherwise lost.

    A plus or a cross of 3x3 pixels is added to 20x20 pixels of noise (standard
    deviation 0.5): touching the border, or with its middle within two pixels of the
    image's.  Networks of 1, 3 and 6 convolutional layers (3x3, 8 channels, ReLU),
    global max pooling and a linear layer learn which it is from 1,000 images of either
    place (Adam at 0.003, 10 epochs), and are tested on 1,000 of either.  What zero
    padding adds to the accuracy, against none, is judged by 95 percent t intervals,
    paired by seed.  The claim holds if it is above 0 at the border with 3 and with 6
    layers, and within 2 points of 0 at the center.  It holds under conditions if it is
    above 0 at the border with 3 or with 6 layers.  It fails if it is so with neither.
    """
    points = defaultdict(list)
    for seed, depth, padding in tqdm(
        [*product(seeds, (1, 3, 6), PADDINGS)], disable=None
    ):
        trial = Trial(marks, detector(depth, padding), Adam, epochs=10)
        task, model, _ = trial.run(0.003, seed)
        halves = zip(*(each.chunk(2) for each in task.test), strict=True)
        for place, (images, labels) in zip(PLACES, halves, strict=True):
            right = accuracy(predict(model, images), labels)
            points[place, depth, padding].append(100 * right)
    added = {
        key: np.subtract(values, points[*key[:2], "nothing"]).tolist()
        for key, values in points.items()
    }
    verdict, because = kept_at_the_border(added)
    measured = {
        f"percent right, {place}, {depth} layers, padding with {padding}": values
        for (place, depth, padding), values in sorted(points.items())
    }
    for padding, zeros in (("nothing", 0), ("zeros", 1)):
        end, inside = reads_per_pixel(20, 3, padding=zeros)[:3:2]
        measured[f"reads of a corner pixel, padding with {padding}"] = [end * end]
        measured[f"reads of a pixel at an edge, padding with {padding}"] = [
            end * inside
        ]
    return report((verdict, because), measured, [marks])


def marks(rng: np.random.Generator) -> Task:
    """Draw images marked at the border, and after them as many at the center."""

    def both() -> tuple[Tensor, Tensor]:
        (X, y), (X_2, y_2) = (marked(rng, place) for place in PLACES)
        return torch.cat([X, X_2]), torch.cat([y, y_2])

    return Task(
        name="a plus or a cross in noise",
        train=both(),
        test=both(),
        outputs=2,
        loss=cross_entropy,
        score=accuracy,
    )


def marked(
    rng: np.random.Generator, place: str, *, images: int = 1000, side: int = 20
) -> tuple[Float[Tensor, "images 1 side side"], Integer[Tensor, "images"]]:
    """Draw noise with a plus or a cross in it, as many of one as of the other."""
    last, first = side - 3, side // 2 - 3
    everywhere = product(range(last + 1), repeat=2)
    corners = {
        "border": [each for each in everywhere if {0, last} & {*each}],
        "center": [*product(range(first, first + 4), repeat=2)],
    }[place]
    X = rng.normal(0, 0.5, size=(images, 1, side, side))
    y = rng.permutation(np.arange(images) % 2)
    for image, label, (i, j) in zip(X, y, rng.choice(corners, images), strict=True):
        image[0, i : i + 3, j : j + 3] += MARKS[label]
    return torch.tensor(X, dtype=torch.float32), torch.tensor(y)


PADDINGS: dict[str, dict[str, Any]] = {
    "nothing": {"padding": 0},
    "zeros": {"padding": 1},
    "reflection": {"padding": 1, "padding_mode": "reflect"},
}


def detector(depth: int, padding: str) -> ModelFactory:
    """Return what builds convolutional layers, global max pooling, a linear layer."""

    def build(rng: np.random.Generator, _: Task) -> torch.nn.Module:
        convolutions = [
            nn.Conv2d(channels, 8, 3, **PADDINGS[padding])
            for channels in (1, *(depth - 1) * [8])
        ]
        layers = [layer for each in convolutions for layer in (each, nn.ReLU())]
        pool = torch.nn.AdaptiveMaxPool2d(1)
        model = torch.nn.Sequential(*layers, pool, nn.Flatten(), nn.Linear(8, 2))
        return drawn(model, rng)

    return build


def drawn(
    model: torch.nn.Module, rng: np.random.Generator, gain: float = 2
) -> torch.nn.Module:
    """Draw normal weights of variance gain / inputs, and biases of zero.

    A gain of two is the one for rectifiers (He et al. 2015).
    """
    with torch.no_grad():
        for each in model.parameters():
            spread = (gain / each[0].numel()) ** 0.5 if each.ndim > 1 else 0.0
            each.copy_(torch.tensor(rng.normal(0, spread, size=each.shape)))
    return model


def kept_at_the_border(added: Mapping[tuple[str, int, str], Sequence[float]]) -> Ruling:
    """Judge what padding adds to the accuracy, by place, depth and padding."""
    deep = {key: interval(added[*key, "zeros"]) for key in product(PLACES, (3, 6))}
    better = [deep["border", depth][0] > 0 for depth in (3, 6)]
    same = all(max(map(abs, deep["center", depth])) <= 2 for depth in (3, 6))
    verdict = decide(
        confirmed=all(better) and same,
        conditional=any(better),
        refuted=not any(better),
    )
    points = ", ".join(
        f"{low:.1f} to {high:.1f} points at the {place} with {depth} layers"
        for (place, depth), (low, high) in deep.items()
    )
    return verdict, f"zero padding adds, by the 95 percent intervals, {points}"


@claim("claim-filters-distinct")
def filters_distinct(seeds: Sequence[int]) -> Finding:
    """Each filter of a layer looks for a feature of its own, such as an edge or a blob.

    A layer of 16 filters (7x7, padding 3), ReLU, 4x4 average pooling and a linear layer
    learn 5,000 images of Fashion-MNIST (Adam at 0.001, 10 epochs) from normal weights
    of variance 2 / inputs.  Two filters, less their means, are duplicates if the cosine
    of the angle between them is beyond 0.8 either way.  A filter is structured if a
    Gabor function (`gabors`) or a difference of Gaussians (`blobs`), centered in it and
    1 to 3 pixels wide, fits it with R^2 above 0.5: one less the sum of squared errors
    of the better fit, over that of a constant.  The claim holds if at most 0.05 of the
    pairs are duplicates, in the mean of the seeds, and the share of structured filters
    rises in training (95 percent t interval, paired by seed).  It holds under
    conditions if it does not rise, and fails if there are more duplicates.  What is
    learned from PyTorch's variance, 1 / (3 inputs), is reported and decides nothing.
    """
    found = defaultdict[str, list[tuple[float, ...]]](list)
    gains = {"2 / inputs": 2.0, "1 / (3 inputs)": 1 / 3}
    for seed, variance in tqdm([*product(seeds, gains)], disable=None):
        trial = Trial(fashion_mnist, classifier(gains[variance]), Adam, epochs=10)
        before = unit_filters(trial.start(seed)[1])
        task, model, _ = trial.run(0.001, seed)
        after, (images, labels) = unit_filters(model), task.test
        right = accuracy(predict(model, images), labels)
        shares = duplicates(after), structured(before), structured(after), right
        found[variance].append(shares)
    pairs, first, last, _ = zip(*found["2 / inputs"], strict=True)
    verdict, because = distinct_and_structured(pairs, first, last)
    narrow = fmean(structured for _, _, structured, _ in found["1 / (3 inputs)"])
    measured = {
        f"share of {name}, initial variance {variance}": list(values)
        for variance, shares in found.items()
        for name, values in zip(SHARES, zip(*shares, strict=True), strict=True)
    }
    because += f"; from PyTorch's variance it goes to {narrow:.1%}"
    return report((verdict, because), measured, [fashion_mnist])


SHARES = (
    "pairs that are duplicates",
    "structured filters before training",
    "structured filters after training",
    "test images told right",
)


def classifier(gain: float) -> ModelFactory:
    """Return what builds a layer of 16 filters, average pooling, a linear layer."""

    def build(rng: np.random.Generator, task: Task) -> torch.nn.Module:
        model = torch.nn.Sequential(
            torch.nn.Unflatten(1, (1, 28, 28)),
            nn.Conv2d(1, 16, 7, padding=3),
            nn.ReLU(),
            torch.nn.AvgPool2d(4),
            nn.Flatten(),
            nn.Linear(16 * 7 * 7, task.outputs),
        )
        return drawn(model, rng, gain)

    return build


def unit_filters(model: torch.nn.Module) -> Float[np.ndarray, "filters pixels"]:
    """Return the filters of the first layer, less their means, of length one."""
    weights = next(model.parameters()).detach().flatten(1).double()
    weights = weights - weights.mean(1, keepdim=True)
    return (weights / weights.norm(dim=1, keepdim=True)).numpy(force=True)


def duplicates(filters: Float[np.ndarray, "filters pixels"]) -> float:
    """Return the share of the pairs of filters that are alike, up to sign."""
    first, second = np.triu_indices(len(filters), k=1)
    cosines = (filters[first] * filters[second]).sum(axis=1)
    return float(np.mean(np.abs(cosines) > 0.8))


def structured(filters: Float[np.ndarray, "filters pixels"]) -> float:
    """Return the share of the filters that a Gabor function or a blob fits."""
    fits = [max(fitted(gabors, each), fitted(blobs, each)) for each in filters]
    return float(np.mean(np.array(fits) > 0.5))


def gabors(parameters: Float[np.ndarray, "*some 6"]) -> Float[np.ndarray, "*some 49 3"]:
    """Return waves of both phases under a bell, and a constant, to be combined.

    The parameters are the column and row of the bell's center, its width across the
    waves and how many times that its inverse is along them, the direction of the waves
    and how many of them there are to a pixel.
    """
    x0, y0, width, aspect, angle, frequency = np.moveaxis(parameters, -1, 0)[..., None]
    y, x = np.indices((7, 7)).reshape(2, -1) - 3
    across = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
    along = (y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)
    bell = np.exp(-(across**2 + (aspect * along) ** 2) / (2 * width**2))
    phase = 2 * np.pi * frequency * across
    waves = [bell * np.cos(phase), bell * np.sin(phase)]
    return np.stack([*waves, np.ones_like(bell)], axis=-1)


def blobs(parameters: Float[np.ndarray, "*some 4"]) -> Float[np.ndarray, "*some 49 2"]:
    """Return a difference of two round Gaussians, and a constant, to be combined.

    The parameters are the column and row of their center, the width of the narrower
    one, and how many times as wide the other one is.
    """
    x0, y0, width, ratio = np.moveaxis(parameters, -1, 0)[..., None]
    y, x = np.indices((7, 7)).reshape(2, -1) - 3
    squares = (x - x0) ** 2 + (y - y0) ** 2
    inner, outer = (
        np.exp(-squares / (2 * sigma**2)) / sigma**2 for sigma in (width, ratio * width)
    )
    return np.stack([inner - outer, np.ones_like(inner)], axis=-1)


Family = Callable[[NDArray[Any]], NDArray[Any]]

# The range of each parameter, and how many of its values the search starts from.
CENTER = ((-3, 3, 5), (-3, 3, 5))
RANGES: dict[Family, tuple[tuple[float, float, int], ...]] = {
    gabors: (*CENTER, (1, 3, 3), (0.5, 2, 3), (0, np.pi, 9), (0.05, 0.5, 6)),
    blobs: (*CENTER, (1, 3, 5), (1.25, 5, 4)),
}


def fitted(family: Family, pixels: Float[np.ndarray, "49"]) -> float:
    """Return R^2 of the best fit to pixels with mean zero and length one."""
    low, high, _ = zip(*RANGES[family], strict=True)
    grid, bases = starts(family)

    def residual(parameters: NDArray[Any]) -> NDArray[Any]:
        basis = np.linalg.qr(family(parameters)).Q
        return pixels - basis @ (basis.T @ pixels)

    explained = ((bases.mT @ pixels) ** 2).sum(axis=1)
    return max(
        1 - 2 * least_squares(residual, start, bounds=(low, high)).cost
        for start in grid[np.argsort(explained)[-3:]]
    )


@cache
def starts(family: Family) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a grid of parameters, and an orthonormal basis of what each can fit."""
    axes = [np.linspace(*each) for each in RANGES[family]]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, len(axes))
    return grid, np.linalg.qr(family(grid)).Q


def distinct_and_structured(
    pairs: Sequence[float], first: Sequence[float], last: Sequence[float]
) -> Ruling:
    """Judge the shares of duplicates and of structured filters, one a seed."""
    few, rise = fmean(pairs) <= 0.05, significantly_above(last, first)
    verdict = decide(confirmed=few and rise, conditional=few, refuted=not few)
    low, high = interval(np.subtract(last, first).tolist())
    return verdict, (
        f"{fmean(pairs):.1%} of the pairs are duplicates, and the share of structured "
        f"filters goes from {fmean(first):.1%} to {fmean(last):.1%}, a change of "
        f"{low:.2f} to {high:.2f} by the 95 percent interval"
    )
