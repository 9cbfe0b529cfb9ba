"""Claims about orthogonal and sparse weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
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
    rows,
    significantly_below,
)
from dlnotes.claims.progress import progress
from dlnotes.claims.rounding import disturbed
from dlnotes.claims.trial import RATE, Trial, draw, finding
from dlnotes.lab.fit import predict
from dlnotes.lab.tasks import Task, digits
from dlnotes.training.orthogonal_initialization import orthogonal_init, sparse_init
from dlnotes.training.weight_initialization import he_normal
from dlnotes.wording import join_words

Weights = NDArray[Any]

# What training leaves


WIDTH, HIDDEN = 64, 5
DRIFT = "drift"
SPREAD = "largest over smallest singular value"
AT = {"the best rate": 1.0, "a tenth of it": 0.1}
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
SCHEMES: dict[str, Callable[[Weights], Weights]] = {
    "orthogonal": orthogonal_init,
    "He": he_normal,
}


@dataclass(frozen=True)
class TanhStack:
    """Five hidden layers of 64 tanh units, their weights by a scheme."""

    scheme: Callable[[Weights], Weights]

    def __call__(self, rng: np.random.Generator, task: Task) -> nn.Sequential:
        """Draw the network for a task; its biases are zero."""
        layers: list[nn.Module] = []
        for shape in pairwise((*[WIDTH] * (HIDDEN + 1), task.outputs)):
            layer = nn.Linear(*shape)
            W = self.scheme(rng.normal(size=shape))
            layer.weight.data = torch.tensor(W.T.copy()).float()
            layer.bias.data.zero_()
            layers += [layer, nn.Tanh()]
        return nn.Sequential(*layers[:-1])


@claim("claim-init-properties-do-not-persist")
def init_properties_do_not_persist(seeds: Sequence[int]) -> Finding:
    """The properties imposed at initialization may not persist during training.

    Five hidden layers of 64 tanh units, all of them square, learn 1,000 digits by SGD
    for 20 epochs, on batches of 50.  Their weights begin as orthogonal matrices or with
    He's variance.  The learning rate is the best of seven by accuracy on rows held out,
    on other seeds, or a tenth of it.  Measured is the drift of the products that an
    orthogonal matrix has fixed: the Frobenius norm of the change of W^T W over that of
    W^T W at the start, its mean over the hidden layers.  Noted are, at the end, the
    largest singular value of a hidden layer over its smallest, and the test accuracy.

    It holds if the drift is above 0.1 for all seeds, at both rates and for both
    schemes.  It holds conditionally if it is so at the best rate only.  It fails if the
    mean drift at the best rate is at most 0.1 for both schemes.
    """
    found: list[Row] = []
    for name, scheme in SCHEMES.items():
        trial = Trial(
            name, digits, TanhStack(scheme), 20, torch.optim.SGD, batch_size=50
        )
        rate = best_setting(trial.validation_score, RATES)
        for at, factor in AT.items():
            measure = partial(after_training, trial, factor * rate)
            runs = [measure(seed) for seed in progress(seeds, f"{name}, {at}")]
            for quantity in runs[0]:
                found += rows(quantity, {name: [run[quantity] for run in runs]}, at)
        found.append(Row(RATE, name, "", (rate,)))
    return finding(judge_drift(found), found, [digits], seeds, RATES)


def after_training(trial: Trial, rate: float, seed: int) -> dict[str, float]:
    """Train, and say what has become of the hidden weights."""
    task, model, order = trial.start(seed)
    before = hidden_weights(model)
    trial.train(rate, task, model, order)
    after = hidden_weights(model)
    X, y = task.test
    return {
        DRIFT: float(
            np.mean([drift(*pair) for pair in zip(before, after, strict=True)])
        ),
        SPREAD: float(np.mean([np.linalg.cond(W) for W in after])),
        "test accuracy": task.score(predict(model, X), y),
    }


def hidden_weights(model: nn.Module) -> list[Weights]:
    """Return the weights of the square layers, each with the shape (inputs, units)."""
    layers = [each for each in model.children() if isinstance(each, nn.Linear)]
    return [each.weight.detach().double().numpy().T.copy() for each in layers[:-1]]


def drift(before: Weights, after: Weights) -> float:
    """Compare the products of all columns before and after."""
    products = before.T @ before
    return float(np.linalg.norm(after.T @ after - products) / np.linalg.norm(products))


def judge_drift(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about properties that do not persist."""
    best, tenth = (by_method(found, DRIFT, at) for at in AT)
    lasting = [min(map(min, each.values())) > 0.1 for each in (best, tenth)]
    verdict = decide(
        confirmed=all(lasting),
        conditional=lasting[0],
        refuted=max(map(np.mean, best.values())) <= 0.1,  # type: ignore[arg-type]
    )
    said = [
        f"{name} {np.mean(best[name]):.2g} at the best rate and "
        f"{np.mean(tenth[name]):.2g} at a tenth of it"
        for name in SCHEMES
    ]
    spread = by_method(found, SPREAD, "the best rate")["orthogonal"]
    because = (
        f"The drift of the products is for {join_words(said)}. The singular values of "
        "an orthogonal layer, all 1 at first, end with a ratio of "
        f"{np.mean(spread):.2g} at the best rate."
    )
    return Ruling(verdict, because, "at the best learning rate")


# Diversity of sparse units


UNITS, KEPT = 128, 15
CORRELATION = "mean absolute correlation"
SQUARE = "root mean square correlation"
NORMAL = "standard normal inputs"


@claim("claim-sparse-init-diversity", seeds=10)
def sparse_init_diversity(seeds: Sequence[int]) -> Finding:
    """Sparse initialization gives more diversity among units.

    A layer of 128 units reads the 64 pixels of 1,000 digits, or as many standard normal
    numbers, before any training.  A unit has 15 weights that are not zero, from a
    normal distribution, or it has 64 such weights, made as long together as the 15.
    Measured is the mean size of the correlation of two units' pre-activations over the
    rows, of all pairs of units.  Noted is the root of the mean square correlation.

    It holds if the mean size is lower for sparse units (interval of the paired
    difference), and by at least 5 percent of the dense mean, on both inputs.  It holds
    conditionally if it is lower on at least one.  It fails if it is lower on neither.
    """
    found: list[Row] = []
    for data in (NORMAL, "digits"):
        runs = [correlations(data, seed) for seed in progress(seeds, data)]
        for quantity in (CORRELATION, SQUARE):
            values = {
                name: [run[name, quantity] for run in runs]
                for name in ("sparse", "dense")
            }
            found += rows(quantity, values, data)
    return finding(judge_sparse(found), found, [digits], seeds)


def correlations(data: str, seed: int) -> dict[tuple[str, str], float]:
    """Draw sparse and dense units, and say how alike they are on some inputs."""
    rng = np.random.default_rng(seed)
    X = draw(digits, seed).train[0].double().numpy()
    if data == NORMAL:
        X = rng.normal(size=X.shape)
    shape = (X.shape[1], UNITS)
    sparse = sparse_init(rng.normal(size=shape), rng.random(shape), nonzeros=KEPT)
    dense = rng.normal(size=shape)
    dense *= np.linalg.norm(sparse, axis=0) / np.linalg.norm(dense, axis=0)
    measured = {}
    for name, W in {"sparse": sparse, "dense": dense}.items():
        matrix = np.corrcoef(X @ disturbed(W), rowvar=False)
        pairs = matrix[np.triu_indices(UNITS, 1)]
        measured[name, CORRELATION] = float(abs(pairs).mean())
        measured[name, SQUARE] = float((pairs**2).mean() ** 0.5)
    return measured


def judge_sparse(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about sparse units."""
    below, clearly, said = [], [], []
    for data in (NORMAL, "digits"):
        size, square = (by_method(found, q, data) for q in (CORRELATION, SQUARE))
        share = np.mean(size["sparse"]) / np.mean(size["dense"])
        below += [data] * significantly_below(size["sparse"], size["dense"])
        clearly.append(share <= 0.95)
        said.append(
            f"on {data} {np.mean(size['sparse']):.3f} for sparse units and "
            f"{np.mean(size['dense']):.3f} for dense ones, with roots of the mean "
            f"square of {np.mean(square['sparse']):.3f} and "
            f"{np.mean(square['dense']):.3f}"
        )
    verdict = decide(
        confirmed=len(below) == 2 and all(clearly),
        conditional=bool(below),
        refuted=not below,
    )
    because = f"The mean size of a correlation is {join_words(said)}."
    return Ruling(verdict, because, f"on {join_words(below or ['neither'])}")
