"""Claims about the places where gradient methods slow down or stop."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import Ruling, by_method, decide, rows
from dlnotes.claims.progress import progress
from dlnotes.claims.rounding import disturbed
from dlnotes.optimization.landscape import double_well, plateau, ravine, saddle
from dlnotes.wording import join_words

Surface = Callable[[Tensor], tuple[Tensor, Tensor]]
Make = Callable[[list[Tensor]], torch.optim.Optimizer]

GD = "gradient descent"


def walk(
    surface: Surface,
    start: Sequence[float],
    make: Make,
    arrived: Callable[[Tensor], bool],
    cap: int,
    noise: np.random.Generator | None = None,
) -> int:
    """Count the steps until a point has arrived, or the cap."""
    theta = torch.tensor(disturbed(np.array(start)))
    optimizer = make([theta])
    for step in range(cap):
        if arrived(theta):
            return step
        theta.grad = surface(theta)[1]
        if noise:
            theta.grad += torch.tensor(noise.normal(0, 0.01, 2))
        optimizer.step()
    return cap


# Plateaus


STARTS, PLATEAU_CAP = (4.0, 4.5, 5.0), 200_000
BOWL: Surface = partial(ravine, condition_number=1.0)
RATIO, STEPS = "steps on the plateau over steps in the bowl", "steps to the minimum"
ON_PLATEAUS: Mapping[str, Make] = {
    GD: partial(torch.optim.SGD, lr=0.1),
    "momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "RMSProp": partial(torch.optim.RMSprop, lr=0.1),
    "Adam": partial(torch.optim.Adam, lr=0.1),
}


@claim("claim-plateau-slows", seeds=1)
def plateau_slows(seeds: Sequence[int]) -> Finding:
    """Gradient descent slows down on plateaus.

    On the plateau 1 - exp(-x^2 / 2) and in the bowl x^2 / 2, which has the same
    curvature at the minimum, gradient descent at 0.1 starts at x = 4, 4.5 and 5, where
    the plateau's gradient is below a hundredth of its maximum.  Counted are the
    steps until x is below 0.1 in size, at most 200,000, and the ratio of both.  Noted
    are momentum of 0.9, RMSProp and Adam, all at 0.1.

    It holds if the ratio for gradient descent is at least 10 from all three starts,
    conditionally if from one or two.  It fails if it is below 2 from every start.
    """
    del seeds
    found: list[Row] = []
    for name, make in progress([*ON_PLATEAUS.items()], "optimizers"):
        for start in STARTS:
            far, near = (
                walk(surface, (start, 0.0), make, at_minimum, PLATEAU_CAP)
                for surface in (plateau, BOWL)
            )
            where = f"from x = {start:g}"
            found += rows(f"{STEPS}, plateau", {name: [far]}, where)
            found += rows(f"{STEPS}, bowl", {name: [near]}, where)
            found += rows(RATIO, {name: [far / near]}, where)
    verdict, because, condition = judge_plateau(found)
    data = "a plateau and a bowl of one parameter"
    remark = (
        "True by construction: the starts were chosen for their small gradients, and "
        "an integral gives the counts beforehand. The measurement is a check."
    )
    return Finding(verdict, because, data, tuple(found), condition, remark=remark)


def at_minimum(theta: Tensor) -> bool:
    """Tell whether the first parameter is within a tenth of zero."""
    return bool(theta[0].abs() < 0.1)


def judge_plateau(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about plateaus."""
    ratios = {
        row.data: row.values[0]
        for row in found
        if (row.quantity, row.method) == (RATIO, GD)
    }
    slow = [where for where, ratio in ratios.items() if ratio >= 10]
    verdict = decide(
        confirmed=len(slow) == len(ratios),
        conditional=bool(slow),
        refuted=max(ratios.values()) < 2,
    )
    because = (
        "Gradient descent needs "
        + join_words([f"{ratio:,.0f} ({where})" for where, ratio in ratios.items()])
        + " times the steps that it needs in the bowl."
    )
    return Ruling(verdict, because, join_words(slow or ["none"]))


# Saddle points


HEIGHTS, SADDLE_CAP = (0.0, 1e-6, 1e-2, 0.3), 10_000
ESCAPE, NOISY = "steps to escape", "gradient descent, noise"
AT_SADDLES: Mapping[str, Make] = {
    GD: partial(torch.optim.SGD, lr=0.05),
    "momentum": partial(torch.optim.SGD, lr=0.05, momentum=0.9),
    "Adam": partial(torch.optim.Adam, lr=0.01),
}


@claim("claim-stuck-saddle", seeds=10)
def stuck_saddle(seeds: Sequence[int]) -> Finding:
    """Gradient methods get stuck on saddle points.

    On x^2 - y^2 + y^4 / 2 they start at (1, y), with y = 0, 1e-6, 0.01 and 0.3, and
    have escaped from the saddle point (0, 0) when y is above 0.5 in size; they have
    10,000 steps.  Gradient descent has the rate 0.05, also with normal noise of
    standard deviation 0.01, in all directions alike, added to each gradient, in every
    seed.  Noted are momentum of 0.9 at the same rate and Adam at 0.01.

    It holds if gradient descent does not escape from some y other than 0, or if with
    noise it does not escape from y = 0 in 5 or more of 10 seeds.  It holds
    conditionally if it never escapes from y = 0, and from 1e-6, or from 0 with noise,
    needs at least 5 times the steps that it needs from 0.3.  It fails if it escapes
    with noise in all seeds, and from 1e-6, in less than 5 times those steps.
    """
    found: list[Row] = []
    for name, make in AT_SADDLES.items():
        for height in HEIGHTS:
            found += rows(
                ESCAPE,
                {name: [walk(saddle, (1.0, height), make, escaped, SADDLE_CAP)]},
                f"y = {height:g}",
            )
    for height in HEIGHTS:
        steps = [
            walk(
                saddle,
                (1.0, height),
                AT_SADDLES[GD],
                escaped,
                SADDLE_CAP,
                noise=np.random.default_rng(seed),
            )
            for seed in seeds
        ]
        found += rows(ESCAPE, {NOISY: steps}, f"y = {height:g}")
    verdict, because, condition = judge_saddle(found)
    data = "a saddle of two parameters"
    remark = (
        "The noise of mini-batches is not the same in all directions. It may vanish at "
        "a saddle point: with all weights zero the gradient of the hidden weights is "
        "zero for every instance, and nothing leads away."
    )
    return Finding(verdict, because, data, tuple(found), condition, remark=remark)


def escaped(theta: Tensor) -> bool:
    """Tell whether a point has left the saddle point along the way down."""
    return bool(theta[1].abs() > 0.5)


def judge_saddle(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about saddle points."""
    exact = {
        height: by_method(found, ESCAPE, f"y = {height:g}")[GD][0] for height in HEIGHTS
    }
    noisy = by_method(found, ESCAPE, "y = 0")[NOISY]
    stuck = sum(steps == SADDLE_CAP for steps in noisy)
    never = [height for height in HEIGHTS[1:] if exact[height] == SADDLE_CAP]
    slowest = max(exact[1e-6], float(np.mean(noisy))) / exact[0.3]
    verdict = decide(
        confirmed=bool(never) or stuck >= 5,
        conditional=exact[0.0] == SADDLE_CAP and slowest >= 5,
        refuted=not stuck and slowest < 5,
    )
    because = (
        f"From y = 0 it {'never escapes' if exact[0.0] == SADDLE_CAP else 'escapes'} "
        f"without noise; from 1e-6 it needs {exact[1e-6]:.0f} steps, and from 0.3 "
        f"{exact[0.3]:.0f}. "
        f"With noise it escapes from y = 0 in {len(noisy) - stuck} of {len(noisy)} "
        f"seeds, after {np.mean(noisy):.0f} steps on average."
    )
    condition = (
        "for a start exactly on the line into the saddle point, without noise; "
        "elsewhere, or with noise in all directions, gradient descent is slowed down, "
        "and escapes"
    )
    return Ruling(verdict, because, condition)


# Local minima


UNITS, EPOCHS, GAP = (4, 64), 3000, 0.1
LOSS, GRADIENT = "last loss", "length of the last gradient"
CURVATURE = "smallest eigenvalue of the Hessian"
RIGHT = "ends in the right well"
IN_WELLS: Mapping[str, Make] = {
    GD: partial(torch.optim.SGD, lr=0.01),
    "momentum": partial(torch.optim.SGD, lr=0.01, momentum=0.9),
    "Adam": partial(torch.optim.Adam, lr=0.01),
}


@claim("claim-stuck-local-minimum", seeds=20)
def stuck_local_minimum(seeds: Sequence[int]) -> Finding:
    """Gradient methods that train a network get stuck in local minima.

    A network of one hidden layer of 4 or of 64 tanh units learns 500 points of two
    moons, noise 0.1, the same for all, by their mean cross-entropy and Adam at 0.01, in
    3,000 full-batch steps.  Its weights begin normal, with the variance 1/n for n
    inputs of the unit, its biases at 0.  A run is stuck if its last loss is more than
    0.1 nats above that of the best seed.  Noted are the length of the last gradient
    and, for 4 units, the smallest eigenvalue of the Hessian; and where gradient
    descent, momentum of 0.9 and Adam, all at 0.01, end on x^4 - 2x^2 + 0.3x from x =
    1.2, in the worse well, after 3,000 steps.

    It holds if at least 2 of the 20 seeds are stuck with 4 units and with 64, and
    conditionally if so with 4 only.  It fails if at most 1 is with either.
    """
    found: list[Row] = []
    for name, make in IN_WELLS.items():
        where = torch.tensor([1.2, 0.0], dtype=torch.float64)
        optimizer = make([where])
        for _ in range(EPOCHS):
            where.grad = double_well(where)[1]
            optimizer.step()
        found += rows(RIGHT, {name: [float(where[0] > 0)]})
    for units in UNITS:
        for quantity, values in restarts(units, seeds).items():
            found += rows(quantity, {f"{units} units": values})
    verdict, because, condition = judge_minima(found)
    worse = [name for name, (end,) in by_method(found, RIGHT).items() if end]
    remark = (
        f"On the curve with two wells {join_words(worse or ['none'])} ended in the "
        "worse one: in one dimension they do get stuck. The moons are one data set, an "
        "easy one: of others this says nothing. Nor is a loss that is close to the "
        "best, or far from it, a test for a minimum."
    )
    data = "500 points of two moons, noise 0.1"
    return Finding(verdict, because, data, tuple(found), condition, remark=remark)


def restarts(units: int, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Train a network from the weights of each seed, all of them at once.

    Adam treats each parameter by itself, so side by side they learn as one by one.
    """
    torch.set_num_threads(1)
    X, y = moons()
    layers = start(units, seeds)
    optimizer = torch.optim.Adam(layers, lr=0.01)
    for _ in progress(range(EPOCHS), f"{units} units"):
        optimizer.zero_grad()
        losses(layers, X, y).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    last = losses(layers, X, y)
    gradients = torch.autograd.grad(last.sum(), layers)
    lengths = torch.cat([g.flatten(1) for g in gradients], dim=1).norm(dim=1)
    measured = {LOSS: last.tolist(), GRADIENT: lengths.tolist()}
    if units == UNITS[0]:
        measured[CURVATURE] = [
            lowest([each[k].detach() for each in layers], X, y)
            for k in range(len(seeds))
        ]
    return measured


def moons() -> tuple[Tensor, Tensor]:
    """Return the points and their labels."""
    from sklearn.datasets import make_moons

    X, y = make_moons(500, noise=0.1, random_state=0)
    return torch.tensor(X).float(), torch.tensor(y).float()


def start(units: int, seeds: Sequence[int]) -> list[Tensor]:
    """Draw the weights and biases of each seed."""
    drawn = [np.random.default_rng(seed) for seed in seeds]
    first = np.stack([rng.normal(0, 2**-0.5, (2, units)) for rng in drawn])
    last = np.stack([rng.normal(0, units**-0.5, (units, 1)) for rng in drawn])
    arrays = (
        first,
        np.zeros((len(seeds), 1, units)),
        last,
        np.zeros((len(seeds), 1, 1)),
    )
    return [
        torch.tensor(disturbed(each.astype(np.float32))).requires_grad_()
        for each in arrays
    ]


def losses(layers: Sequence[Tensor], X: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy of each network."""
    W_1, b_1, W_2, b_2 = layers
    scores = (torch.tanh(X @ W_1 + b_1) @ W_2 + b_2)[..., 0]
    each = binary_cross_entropy_with_logits(
        scores, y.expand_as(scores), reduction="none"
    )
    return each.mean(dim=-1)


def lowest(layers: Sequence[Tensor], X: Tensor, y: Tensor) -> float:
    """Return the smallest eigenvalue of one network's Hessian."""
    shapes = [each.shape for each in layers]
    flat = torch.cat([each.flatten() for each in layers]).double()

    def loss(theta: Tensor) -> Tensor:
        parts = torch.split(theta, [each.numel() for each in layers])
        shaped = [part.reshape(s) for part, s in zip(parts, shapes, strict=True)]
        return losses(shaped, X.double(), y.double())

    H: Any = torch.autograd.functional.hessian(loss, flat)  # type: ignore[no-untyped-call]
    return float(torch.linalg.eigvalsh(H)[0])


def judge_minima(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about local minima."""
    ends = by_method(found, LOSS)
    stuck = [
        sum(loss > min(ends[f"{units} units"]) + GAP for loss in ends[f"{units} units"])
        for units in UNITS
    ]
    verdict = decide(
        confirmed=min(stuck) >= 2,
        conditional=stuck[0] >= 2 and stuck[1] < 2,
        refuted=max(stuck) <= 1,
    )
    said = [
        f"{count} with {units} units" for count, units in zip(stuck, UNITS, strict=True)
    ]
    seeds = len(ends[f"{UNITS[0]} units"])
    because = (
        f"Of {seeds} such networks, stuck more than {GAP} nats above the best were "
        f"{join_words(said)}."
    )
    return Ruling(verdict, because, f"for the small network, with {UNITS[0]} units")
