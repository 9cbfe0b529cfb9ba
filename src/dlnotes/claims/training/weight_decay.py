"""Claims about ridge, lasso and elastic net."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    by_method,
    decide,
    format_means,
    rows,
    significantly_below,
)
from dlnotes.claims.progress import progress
from dlnotes.claims.rounding import disturbed, tuned_once
from dlnotes.claims.trial import draw, finding
from dlnotes.lab.tasks import Task, TaskFactory, digits
from dlnotes.training.weight_decay import ridge_regression
from dlnotes.wording import join_words

RATIOS = {"ridge": 0.0, "lasso": 1.0, "elastic net": 0.5}  # the share of the lasso
PLAIN, FOLDS = "no penalty", 5
STRENGTH = "strength"


def folds(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Draw the order of the rows, cut into folds of one size."""
    return rng.permutation(count).reshape(FOLDS, -1)


def chosen(losses: Float[np.ndarray, "strengths"], strengths: Sequence[float]) -> float:
    """Return the strength with the least loss, of equal ones the strongest."""
    return float(strengths[len(strengths) - 1 - int(losses[::-1].argmin())])


# Overfitting


STRENGTHS = tuple(map(float, np.geomspace(1e-5, 10, 9)))
GAP, TEST, TRAINING = "test minus training loss", "test loss", "training loss"
NETWORKS = {"softmax regression": (64, 10), "MLP 64-64-10": (64, 64, 10)}
RATES = {"softmax regression": 0.1, "MLP 64-64-10": 0.01}
ON_DIGITS = {name: f"digits, {name}" for name in NETWORKS}
ON_DIABETES = "diabetes, linear"
SETTINGS = (*ON_DIGITS.values(), ON_DIABETES)
STEPS = 200

few_digits = partial(digits, train=200, test=500)


def diabetes(rng: np.random.Generator) -> Task:
    """Draw from the diabetes data, with all products of two different inputs."""
    import sklearn.datasets

    X, y = sklearn.datasets.load_diabetes(return_X_y=True)
    order = rng.permutation(len(X))[:350]
    X, y = X[order], y[order, None]
    X = (X - X[:150].mean(axis=0)) / X[:150].std(axis=0)
    X = np.stack([*X.T, *(a * b for a, b in combinations(X.T, 2))], axis=1)
    X = (X - X[:150].mean(axis=0)) / X[:150].std(axis=0)
    y = (y - y[:150].mean()) / y[:150].std()
    folder = Path(sklearn.datasets.__file__).parent / "data"
    files = ("diabetes_data_raw.csv.gz", "diabetes_target.csv.gz")
    hashes = {name: sha256((folder / name).read_bytes()).hexdigest() for name in files}
    return as_task("diabetes with products", X, y, 150, hashes)


def as_task(
    name: str,
    X: Float[np.ndarray, "rows inputs"],
    y: Float[np.ndarray, "rows 1"],
    train: int,
    hashes: Mapping[str, str] | None = None,
) -> Task:
    """Split rows into the first ones, to learn from, and others to be judged by."""
    pair = torch.tensor(X), torch.tensor(y)

    def half_square(outputs: Tensor, targets: Tensor) -> Tensor:
        """Return half of the mean squared error."""
        return functional.mse_loss(outputs, targets) / 2

    return Task(
        name=name,
        train=(pair[0][:train], pair[1][:train]),
        test=(pair[0][train:], pair[1][train:]),
        outputs=1,
        loss=half_square,
        score=lambda outputs, targets: -half_square(outputs, targets).item(),
        hashes=dict(hashes or {}),
    )


Layers = list[tuple[Tensor, Tensor]]


def initial(rng: np.random.Generator, widths: Sequence[int]) -> Layers:
    """Draw weights after He, and biases of zero."""
    layers = []
    for inputs, outputs in pairwise(widths):
        W = rng.normal(size=(inputs, outputs)) * (2 / inputs) ** 0.5
        W = disturbed(W.astype(np.float32))
        layers.append((torch.tensor(W), torch.zeros(1, outputs)))
    return layers


def scores_of(layers: Layers, X: Tensor) -> Tensor:
    """Return the class scores of networks that are trained side by side."""
    for W, b in layers[:-1]:
        X = torch.relu(X @ W + b)
    W, b = layers[-1]
    return X @ W + b


def mean_loss(layers: Layers, X: Tensor, y: Tensor) -> Tensor:
    """Return the cross-entropy of each network."""
    logits = scores_of(layers, X)
    labels = y.expand(logits.shape[:-1])
    each = functional.cross_entropy(
        logits.flatten(0, -2), labels.flatten(), reduction="none"
    )
    return each.reshape(labels.shape).mean(-1)


def train_side_by_side(
    start: Layers,
    X: Tensor,
    y: Tensor,
    strengths: Sequence[float],
    *,
    l1_ratio: float,
    learning_rate: float,
) -> Layers:
    """Train one network for each strength and each set of rows, by 200 steps of Adam.

    The networks share their initial weights.  The penalty is on the weights only.
    """
    size = (len(strengths), len(X), 1, 1)
    layers = [
        (W.repeat(*size[:2], 1, 1).requires_grad_(), b.repeat(*size).requires_grad_())
        for W, b in start
    ]
    strength = torch.tensor(strengths).reshape(-1, 1)
    parameters = [each for pair in layers for each in pair]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    for _ in range(STEPS):
        penalty = sum(
            l1_ratio * W.abs().sum((-2, -1)) + (1 - l1_ratio) / 2 * (W**2).sum((-2, -1))
            for W, _ in layers
        )
        loss = mean_loss(layers, X, y) + strength * penalty
        optimizer.zero_grad()
        torch.autograd.backward(loss.sum())
        optimizer.step()
    return [(W.detach(), b.detach()) for W, b in layers]


def digit_losses(name: str, method: str, seed: int) -> dict[str, float]:
    """Choose the strength of a penalty on digits, train, and return the losses."""
    torch.set_num_threads(1)
    task = draw(few_digits, seed)
    X, y = task.train
    _, weights, order = np.random.default_rng(seed).spawn(3)
    start, parts = initial(weights, NETWORKS[name]), folds(order, len(X))
    ratio = RATIOS.get(method, 0.0)
    train = partial(
        train_side_by_side, start, l1_ratio=ratio, learning_rate=RATES[name]
    )

    def tune() -> float:
        """Cross-validate."""
        rest = np.stack([np.delete(parts, k, axis=0).ravel() for k in range(FOLDS)])
        found = train(X[rest], y[rest], STRENGTHS)
        losses = mean_loss(found, X[parts], y[parts]).mean(1)
        return chosen(losses.numpy(), STRENGTHS)

    strength = 0.0 if method == PLAIN else tuned_once(tune)
    trained = train(X[None], y[None], [strength])
    pairs = ((X, y), task.test)
    training, test = (float(mean_loss(trained, *pair)) for pair in pairs)
    return {GAP: test - training, TEST: test, TRAINING: training, STRENGTH: strength}


def weights_along(
    X: Float[np.ndarray, "rows inputs"],
    y: Float[np.ndarray, "rows"],
    l1_ratio: float,
    strengths: Sequence[float],
) -> Float[np.ndarray, "strengths inputs"]:
    """Return the weights that minimize a penalized loss, for each strength."""
    if l1_ratio == 0:
        return np.stack([ridge_regression(X, y, strength=each) for each in strengths])
    from sklearn.linear_model import enet_path

    with warnings.catch_warnings():  # where a strength of nearly nothing is slow
        warnings.filterwarnings("ignore", "Objective did not converge")
        falling = enet_path(X, y, l1_ratio=l1_ratio, alphas=strengths, max_iter=10_000)
    return falling[1].T[::-1]


def predicted(
    X: Float[np.ndarray, "rows inputs"],
    y: Float[np.ndarray, "rows"],
    others: Float[np.ndarray, "others inputs"],
    method: str,
    strengths: Sequence[float],
) -> Float[np.ndarray, "strengths others"]:
    """Fit linear models with a bias, and predict the targets of other rows."""
    mean, centered = X.mean(axis=0), y - y.mean()
    if method == PLAIN:
        W = np.linalg.lstsq(X - mean, centered)[0][None]
    else:
        W = weights_along(X - mean, centered, RATIOS[method], strengths)
    return W @ (others - mean).T + y.mean()


def linear_losses(
    make: TaskFactory, method: str, strengths: Sequence[float], seed: int
) -> dict[str, float]:
    """Choose the strength for a linear model, fit it, and return the losses."""
    task = draw(make, seed)
    (X, y), (X_test, y_test) = (
        (each[0].numpy(force=True), each[1].numpy(force=True)[:, 0])
        for each in (task.train, task.test)
    )
    X, parts = disturbed(X), folds(np.random.default_rng(seed).spawn(3)[2], len(X))

    def tune() -> float:
        """Cross-validate."""
        losses = np.zeros(len(strengths))
        for k, part in enumerate(parts):
            rest = np.delete(parts, k, axis=0).ravel()
            outputs = predicted(X[rest], y[rest], X[part], method, strengths)
            losses += ((outputs - y[part]) ** 2).mean(axis=1)
        return chosen(losses, strengths)

    strength = 0.0 if method == PLAIN else tuned_once(tune)
    training, test = (
        float(((predicted(X, y, each, method, [strength]) - targets) ** 2).mean() / 2)
        for each, targets in ((X, y), (X_test, y_test))
    )
    return {GAP: test - training, TEST: test, TRAINING: training, STRENGTH: strength}


@claim("claim-weight-decay-reduces-overfitting", seeds=10)
def weight_decay_reduces_overfitting(seeds: Sequence[int]) -> Finding:
    """A penalty on big weights reduces overfitting.

    Softmax regression and a network with 64 hidden units learn 200 digits, by 200 steps
    of Adam on all of them at a learning rate of 0.1 and 0.01, which take the training
    loss near zero without a penalty, and are judged by 500 others; a
    linear model learns from 150 rows of the diabetes data, with all products of two
    different inputs, by least squares or at most 10,000 rounds of coordinate descent,
    and is judged by 200 others.  Each has no penalty, or that of
    ridge, lasso or elastic net (half of each) on its weights, with one of nine
    strengths from 0.00001 to 10, chosen for each seed by cross-validation with five
    folds.  The loss is the cross-entropy, and half the mean squared error.  Measured
    are the test loss, and the gap: the test loss minus the training loss.

    It holds if ridge has a smaller gap and a lower test loss than no penalty in all
    three settings, by the paired interval.  It holds conditionally if its gap is
    smaller in all three and its test loss lower in one or two.  It fails if in some
    setting no penalty makes the gap smaller.
    """
    measures: dict[str, Callable[[str, int], dict[str, float]]] = {
        label: partial(digit_losses, name) for name, label in ON_DIGITS.items()
    }
    measures[ON_DIABETES] = lambda method, seed: linear_losses(
        diabetes, method, STRENGTHS, seed
    )
    found = collect(measures, (PLAIN, *RATIOS), seeds)
    made = finding(judge_overfitting(found), found, [few_digits, diabetes], seeds)
    return replace(made, remark=f"{EARLIER} {ends(found, STRENGTHS)}".strip())


EARLIER = (
    "In an earlier run softmax regression had a learning rate of 0.01, too small to "
    "overfit in 200 steps; there neither the gap nor the test loss of ridge was below "
    "that of no penalty by the interval, and the verdict was open."
)


def ends(found: Sequence[Row], grid: Sequence[float]) -> str:
    """Say how often the smallest or the largest strength was chosen, and where."""
    said = [
        f"{sum(value in (grid[0], grid[-1]) for value in row.values)} for {row.method} "
        f"on {row.data}"
        for row in found
        if row.quantity == STRENGTH and {grid[0], grid[-1]} & {*row.values}
    ]
    if not said:
        return ""
    return (
        f"Seeds for which an end of the grid was chosen, {grid[0]:g} or {grid[-1]:g}: "
        f"{join_words(said)}."
    )


def collect(
    measures: Mapping[str, Callable[[str, int], dict[str, float]]],
    methods: Sequence[str],
    seeds: Sequence[int],
) -> list[Row]:
    """Measure every method on every data set."""
    found: list[Row] = []
    pairs = [(data, method) for data in measures for method in methods]
    for data, method in progress(pairs, "methods"):
        values = [measures[data](method, seed) for seed in seeds]
        for quantity in values[0]:
            each = [value[quantity] for value in values]
            found += rows(quantity, {method: each}, data)
    return found


def judge_overfitting(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about overfitting."""
    gaps, tests = (
        {data: by_method(found, quantity, data) for data in SETTINGS}
        for quantity in (GAP, TEST)
    )
    better = [
        data
        for data in SETTINGS
        if significantly_below(tests[data]["ridge"], tests[data][PLAIN])
    ]
    smaller = {
        data: [
            name
            for name in RATIOS
            if significantly_below(gaps[data][name], gaps[data][PLAIN])
        ]
        for data in SETTINGS
    }
    everywhere = all("ridge" in names for names in smaller.values())
    verdict = decide(
        confirmed=everywhere and len(better) == len(SETTINGS),
        conditional=everywhere and bool(better),
        refuted=not all(smaller.values()),
    )
    because = " ".join(
        f"On {data}, the mean gap is {format_means(gaps[data])}, and the mean test "
        f"loss {format_means(tests[data])}."
        for data in SETTINGS
    )
    condition = f"on {join_words(better or ['none'])}, if the test loss counts"
    return Ruling(verdict, because, condition)


# The use case


GRID = tuple(map(float, np.geomspace(1e-3, 100, 20)))
ERROR = "log test error"


def regression(
    name: str,
    rng: np.random.Generator,
    X: Float[np.ndarray, "rows inputs"],
    w: Float[np.ndarray, "inputs"],
) -> Task:
    """Scale the signal to four times the variance of the noise, and add the noise."""
    signal = X @ w
    y = 2 * signal / signal.std() + rng.normal(size=len(X))
    return as_task(name, X, y[:, None], 100)


def dense(rng: np.random.Generator) -> Task:
    """Draw independent inputs that all matter."""
    X = rng.normal(size=(1100, 200))
    return regression("dense", rng, X, rng.normal(size=200))


def sparse(rng: np.random.Generator) -> Task:
    """Draw independent inputs of which ten matter."""
    X, w = rng.normal(size=(1100, 200)), np.zeros(200)
    w[rng.choice(200, 10, replace=False)] = rng.normal(size=10)
    return regression("sparse", rng, X, w)


def grouped(rng: np.random.Generator) -> Task:
    """Draw ten groups of inputs with correlation 0.9, of which two matter."""
    common = np.repeat(rng.normal(size=(1100, 10)), 20, axis=1)
    X = 0.9**0.5 * common + 0.1**0.5 * rng.normal(size=(1100, 200))
    w = np.repeat(rng.permutation(10) < 2, 20).astype(float)
    return regression("grouped", rng, X, w)


CASES = (dense, sparse, grouped)


@claim("claim-penalty-depends-on-use-case", seeds=10)
def penalty_depends_on_use_case(seeds: Sequence[int]) -> Finding:
    """Which of ridge, lasso and elastic net is best depends on the use case.

    A linear model learns from 100 rows with 200 inputs, and is judged by 1,000 others.
    The signal has four times the variance of the noise, which is 1.  In the first case
    all weights are normal, in the second ten are and the others zero, and in the third
    the inputs come in ten groups with correlation 0.9 inside, of which two have equal
    weights and the others none.  Ridge, lasso and elastic net (half of each) have each
    one of 20 strengths from 0.001 to 100, chosen for each seed by cross-validation with
    five folds.  Measured is the logarithm of half the mean squared test error.

    A penalty wins a case if its mean is the lowest and it is below at least one other
    by the paired interval.  The claim holds if two cases have different winners.  It
    holds conditionally if the same penalty has the lowest mean in all cases, but does
    not win each.  It fails if one penalty wins all three cases.
    """
    measures = {make.__name__: partial(log_error, make) for make in CASES}
    found = collect(measures, [*RATIOS], seeds)
    made = finding(judge_cases(found), found, CASES, seeds)
    return replace(made, remark=ends(found, GRID))


def log_error(make: TaskFactory, method: str, seed: int) -> dict[str, float]:
    """Return the logarithm of the test error, and the strength that was chosen."""
    losses = linear_losses(make, method, GRID, seed)
    return {ERROR: float(np.log(losses[TEST])), STRENGTH: losses[STRENGTH]}


def judge_cases(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about the use case."""
    errors = {make.__name__: by_method(found, ERROR, make.__name__) for make in CASES}
    lowest, winners = {}, {}
    for case, each in errors.items():
        lowest[case] = best = min(each, key=lambda name: float(np.mean(each[name])))
        if any(significantly_below(each[best], other) for other in each.values()):
            winners[case] = best
    same, won = len({*lowest.values()}) == 1, len(winners) == len(CASES)
    verdict = decide(
        confirmed=len({*winners.values()}) > 1,
        conditional=same and not won,
        refuted=same and won,
    )
    because = " ".join(
        f"In the {case} case the mean logarithm is {format_means(each)}; "
        + (f"{winners[case]} wins." if case in winners else "none wins.")
        for case, each in errors.items()
    )
    return Ruling(
        verdict, because, f"for {join_words([*winners] or ['no'])} cases only"
    )
