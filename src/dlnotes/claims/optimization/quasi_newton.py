"""Claims about second-order methods and what takes their place."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    best_setting,
    by_method,
    decide,
    rows,
    significantly_below,
)
from dlnotes.claims.progress import progress
from dlnotes.claims.rounding import disturbed
from dlnotes.claims.trial import RATE, draw
from dlnotes.lab.tasks import digits
from dlnotes.optimization import gradient_descent, momentum, quasi_newton
from dlnotes.optimization.second_order import newton_step

Loss = Callable[[NDArray[Any]], tuple[float, NDArray[Any]]]
Hessian = Callable[[NDArray[Any]], NDArray[Any]]

EVALUATIONS, SECONDS = "evaluations", "milliseconds an iteration"
LOSS = "training loss"
VALLEY, CLASSIFIER, DIGITS = "Rosenbrock's valley", "breast cancer", "digits"
BUDGET, CLOSE, WORST = 20_000, 1e-6, 100.0
EVALUATED = 20 * 1000 / 64  # batches in 20 epochs
QUASI, HEAVY, PLAIN = "L-BFGS", "momentum 0.9", "gradient descent"
RATES = {
    VALLEY: {PLAIN: np.geomspace(2e-4, 4e-3, 8), HEAVY: np.geomspace(1e-4, 4e-3, 8)},
    CLASSIFIER: {PLAIN: np.geomspace(1, 100, 8), HEAVY: np.geomspace(0.03, 10, 8)},
    DIGITS: {PLAIN: np.geomspace(0.1, 10, 8), HEAVY: np.geomspace(0.01, 3, 8)},
}
FIRST_RATES = {
    VALLEY: np.geomspace(0.2, 5, 8),
    CLASSIFIER: np.geomspace(0.2, 5, 8),
    DIGITS: np.geomspace(0.01, 30, 8),
}


@claim("claim-second-order-better", seeds=5)
def second_order_better(seeds: Sequence[int]) -> Finding:
    """Second-order methods perform better than first-order ones, at a higher cost.

    L-BFGS (ten pairs, a line search with the strong Wolfe conditions) against gradient
    descent and momentum 0.9, each at the best of eight rates.  Counted are evaluations
    of loss and gradient together until the loss is within 1e-6 of its minimum, on
    Rosenbrock's valley from (-1.2, 1), and for logistic regression on breast cancer,
    standardized, with an L2 penalty of 0.001/2, from zero, on all instances; Newton's
    method is noted there.  A network 64-32-10 with tanh learns 1,000 digits with
    batches of 64, a fresh one for each step; its loss on all 1,000 is measured after
    20 times 1,000 gradients of an instance, at rates tuned for the same on other seeds,
    and a loss of 100 or more, or none, counts as 100.  The control takes away the noise
    alone: all instances in each batch, and as many evaluations.  Measured is also the
    processor's time of an iteration.

    It holds if L-BFGS needs fewer evaluations than momentum in the valley and for the
    regression, its loss with batches is lower than momentum's (95 percent interval of
    the paired difference), and its iterations take longer in all three.  It holds
    conditionally if it needs fewer evaluations in both, but its loss with batches is
    not lower.  It fails if it needs more in one of them.
    """
    found: list[Row] = []
    for name, problem in {VALLEY: valley, CLASSIFIER: classifier}.items():
        found += descents(name, *problem())
    for batch, data in ((64, DIGITS), (1000, f"{DIGITS}, all in a batch")):
        for method in (PLAIN, HEAVY, QUASI):
            grid = FIRST_RATES[DIGITS] if method == QUASI else RATES[DIGITS][method]
            score = partial(negative_loss, method, batch)
            rate = best_setting(score, [float(each) for each in grid])
            runs = [
                train(method, batch, rate, seed) for seed in progress(seeds, method)
            ]
            for quantity in runs[0]:
                found += rows(quantity, {method: [run[quantity] for run in runs]}, data)
            found += rows(RATE, {method: [rate]}, data)
    verdict, because, condition = judge(found)
    _, _, _, hashes = cancer()
    return Finding(
        verdict,
        because,
        "Rosenbrock's function of two parameters; 569 rows of breast cancer; "
        + str(draw(digits, seeds[-1])),
        tuple(found),
        condition,
        hashes | draw(digits, seeds[-1]).hashes,
    )


# Without noise


def valley() -> tuple[Loss, Hessian, NDArray[Any], float]:
    """Return Rosenbrock's function with its derivatives, a start, and the minimum."""

    def loss(theta: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        x, y = theta
        rise = y - x**2
        value = (1 - x) ** 2 + 100 * rise**2
        return value, np.array([-2 * (1 - x) - 400 * x * rise, 200 * rise])

    def hessian(theta: NDArray[Any]) -> NDArray[Any]:
        x, y = theta
        return np.array([[2 - 400 * (y - 3 * x**2), -400 * x], [-400 * x, 200.0]])

    return loss, hessian, disturbed(np.array([-1.2, 1.0])), 0.0


@cache
def cancer() -> tuple[NDArray[Any], NDArray[Any], str, dict[str, str]]:
    """Return the standardized features with a one, the classes, and the file's hash."""
    import sklearn.datasets

    X, y = sklearn.datasets.load_breast_cancer(return_X_y=True)
    X = np.hstack([(X - X.mean(axis=0)) / X.std(axis=0), np.ones((len(X), 1))])
    path = Path(sklearn.datasets.__file__).parent / "data" / "breast_cancer.csv"
    return X, y * 1.0, path.name, {path.name: sha256(path.read_bytes()).hexdigest()}


def classifier() -> tuple[Loss, Hessian, NDArray[Any], float]:
    """Return logistic regression with its derivatives, a start, and the minimum."""
    X, y, *_ = cancer()
    X = disturbed(X)
    penalty = 1e-3 * (np.arange(X.shape[1]) < X.shape[1] - 1)  # none on the bias

    def loss(theta: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        z = X @ theta
        value = np.mean(np.logaddexp(0, z) - y * z) + penalty @ theta**2 / 2
        error = 1 / (1 + np.exp(-z)) - y
        return float(value), error @ X / len(y) + penalty * theta

    def hessian(theta: NDArray[Any]) -> NDArray[Any]:
        p = 1 / (1 + np.exp(-X @ theta))
        return (X.T * (p * (1 - p))) @ X / len(y) + np.diag(penalty)

    theta = np.zeros(X.shape[1])
    lowest = theta
    for _ in range(30):
        lowest = newton_step(lowest, loss(lowest)[1], hessian(lowest))
    return loss, hessian, theta, loss(lowest)[0]


class CloseError(Exception):
    """The loss has come close enough to its minimum, or takes too long."""


class Counted:
    """A loss whose evaluations are counted, until one is close to the minimum."""

    def __init__(self, loss: Loss, lowest: float) -> None:
        """Begin to count."""
        self.loss, self.lowest, self.count, self.close = loss, lowest, 0, False

    def __call__(self, theta: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        """Evaluate once more."""
        self.count += 1
        with np.errstate(over="ignore", invalid="ignore"):
            value, gradient = self.loss(theta)
        self.close = value - self.lowest < CLOSE
        lost = not np.isfinite(gradient).all()
        if lost or self.close or self.count == BUDGET:
            raise CloseError
        return value, gradient


Steps = Iterator[NDArray[Any]]


def steps(
    method: str, evaluate: Loss, hessian: Hessian, theta: NDArray[Any], rate: float
) -> Steps:
    """Take steps by a method for as long as somebody wants them."""
    v = np.zeros_like(theta)
    state = quasi_newton.init(theta)
    while True:
        if method == QUASI:
            theta, state = quasi_newton.minimize(
                evaluate,
                theta,
                state,
                learning_rate=rate,
                iterations=1,
                evaluations=26,
                history_size=10,
                tolerance_gradient=0.0,
                tolerance_change=0.0,
            )
        else:
            _, gradient = evaluate(theta)
            if method == PLAIN:
                theta = gradient_descent.update(theta, gradient, learning_rate=rate)
            elif method == HEAVY:
                theta, v = momentum.update(
                    theta, v, gradient, learning_rate=rate, mu=0.9
                )
            else:
                theta = newton_step(theta, gradient, hessian(theta))
        yield theta


def descend(
    method: str,
    rate: float,
    loss: Loss,
    hessian: Hessian,
    theta: NDArray[Any],
    lowest: float,
) -> tuple[float, float]:
    """Return the evaluations until the loss is close, and the time of an iteration."""
    evaluate, begun, iterations = Counted(loss, lowest), process_time(), 0
    try:
        for _ in steps(method, evaluate, hessian, theta, rate):
            iterations += 1
    except CloseError:
        pass
    took = 1000 * (process_time() - begun) / max(iterations, 1)
    return (float(evaluate.count) if evaluate.close else float(BUDGET)), took


def descents(
    name: str, loss: Loss, hessian: Hessian, theta: NDArray[Any], lowest: float
) -> list[Row]:
    """Measure each method at the best of its rates."""
    found = []
    grids: dict[str, Any] = {**RATES[name], QUASI: FIRST_RATES[name], "Newton": [1.0]}
    for method, grid in progress(grids.items(), name):
        tried = {
            float(rate): descend(method, float(rate), loss, hessian, theta, lowest)
            for rate in grid
        }
        best = min(tried, key=lambda rate: tried[rate][0])
        count, took = tried[best]
        for quantity, value in ((EVALUATIONS, count), (SECONDS, took), (RATE, best)):
            found += rows(quantity, {method: [value]}, name)
    return found


# With batches


def network(seed: int) -> tuple[nn.Module, torch.Tensor, torch.Tensor, Any]:
    """Draw a network, the digits, and what orders the batches."""
    _, weights, order = np.random.default_rng(seed).spawn(3)
    model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    for each in model.parameters():
        std = each.shape[-1] ** -0.5 if each.ndim > 1 else 0.0
        each.data = torch.tensor(disturbed(weights.normal(0, std, each.shape))).float()
    return model, *draw(digits, seed).train, order


def train(method: str, batch: int, rate: float, seed: int) -> dict[str, float]:
    """Train for so many gradients, and return the loss on all rows."""
    model, X, y, order = network(seed)
    optimizer: torch.optim.Optimizer = torch.optim.SGD(
        model.parameters(), lr=rate, momentum=0.9 if method == HEAVY else 0.0
    )
    if method == QUASI:
        optimizer = torch.optim.LBFGS(
            model.parameters(),
            lr=rate,
            max_iter=1,
            max_eval=26,
            history_size=10,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )
    evaluations, iterations, begun = 0, 0, process_time()
    while evaluations < EVALUATED:
        part = torch.as_tensor(order.choice(len(X), batch, replace=False))
        evaluations += take_step(optimizer, model, X[part], y[part])
        iterations += 1
    took = 1000 * (process_time() - begun) / iterations
    loss = float(functional.cross_entropy(model(X), y))
    return {LOSS: min(WORST, loss), SECONDS: took}


def take_step(
    optimizer: torch.optim.Optimizer, model: nn.Module, X: torch.Tensor, y: torch.Tensor
) -> int:
    """Take a step on a batch, and return how many evaluations it took."""
    count = 0

    def closure() -> float:
        nonlocal count
        count += 1
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(X), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss)

    optimizer.step(closure)
    return count


def negative_loss(method: str, batch: int, rate: float, seed: int) -> float:
    """Return minus the loss after training."""
    return -train(method, batch, rate, seed)[LOSS]


# The rule


def judge(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about second-order methods."""
    counts = {
        name: by_method(found, EVALUATIONS, name) for name in (VALLEY, CLASSIFIER)
    }
    times = {name: by_method(found, SECONDS, name) for name in (*counts, DIGITS)}
    losses = by_method(found, LOSS, DIGITS)
    control = by_method(found, LOSS, f"{DIGITS}, all in a batch")
    fewer = [each[QUASI][0] < each[HEAVY][0] for each in counts.values()]
    dearer = [np.mean(each[QUASI]) > np.mean(each[HEAVY]) for each in times.values()]
    lower = significantly_below(losses[QUASI], losses[HEAVY])
    verdict = decide(
        confirmed=all(fewer) and lower and all(dearer),
        conditional=all(fewer) and not lower,
        refuted=any(each[QUASI][0] > each[HEAVY][0] for each in counts.values()),
    )
    said = "; ".join(
        f"{name}: {each[QUASI][0]:,.0f} evaluations against {each[HEAVY][0]:,.0f} of "
        "momentum"
        for name, each in counts.items()
    )
    ratios = [np.mean(each[QUASI]) / np.mean(each[HEAVY]) for each in times.values()]
    because = (
        f"{said}. With batches of 64 the loss is {np.mean(losses[QUASI]):.3g} against "
        f"{np.mean(losses[HEAVY]):.3g}; with all instances in each batch, "
        f"{np.mean(control[QUASI]):.3g} against {np.mean(control[HEAVY]):.3g}. An "
        f"iteration takes {min(ratios):.1f} to {max(ratios):.1f} times as long."
    )
    return Ruling(verdict, because, "without noise, and not with batches of 64")
