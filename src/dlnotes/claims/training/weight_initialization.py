"""Claims about the weights that training begins with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dlnotes.claims import Finding, Row, claim
from dlnotes.claims.evidence import (
    Ruling,
    best_setting,
    by_method,
    decide,
    format_means,
    rows,
    significantly_above,
    significantly_below,
)
from dlnotes.claims.progress import progress
from dlnotes.claims.rounding import disturbed
from dlnotes.claims.trial import RATE, Trial, draw, finding
from dlnotes.lab.fit import History
from dlnotes.lab.metrics import accuracy
from dlnotes.lab.tasks import Task, digits, moons
from dlnotes.networks.backpropagation import deltas
from dlnotes.networks.losses import cross_entropy_gradient
from dlnotes.networks.mlp import forward_pass
from dlnotes.networks.rectifiers import relu, relu_derivative
from dlnotes.neurons.perceptron import Perceptron
from dlnotes.training.weight_initialization import (
    glorot_normal,
    he_normal,
)
from dlnotes.wording import join_words

Weights = NDArray[Any]
Scheme = Callable[[np.random.Generator, tuple[int, int]], Weights]


def scaled(scheme: Callable[[Weights], Weights]) -> Scheme:
    """Draw standard normal numbers, and scale them."""
    return lambda rng, shape: scheme(rng.normal(size=shape))


def normal(deviation: float) -> Scheme:
    """Draw normal weights of one deviation, whatever the shape."""
    return lambda rng, shape: deviation * rng.normal(size=shape)


def constant(value: float) -> Scheme:
    """Give all weights one value."""
    return lambda _, shape: np.full(shape, float(value))


def orthogonal(rng: np.random.Generator, shape: tuple[int, int]) -> Weights:
    """Draw a matrix whose columns, or whose rows, are orthonormal."""
    z = rng.normal(size=(max(shape), min(shape)))
    Q, R = np.linalg.qr(z)
    Q = Q * np.sign(np.diag(R))
    return Q if shape[0] >= shape[1] else Q.T


def directions(_: np.random.Generator, shape: tuple[int, int]) -> Weights:
    """Give each unit another direction, and draw nothing."""
    entries = np.cos(np.outer(np.arange(1, shape[0] + 1), np.arange(shape[1])))
    return entries * (2 / sum(shape)) ** 0.5


# Symmetry


MOONS = partial(moons, train=400, test=200, noise=0.1)
APART = "largest distance between two units"
MOVED = "largest change of a unit"
DESCENTS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "gradient descent at 0.5": partial(torch.optim.SGD, lr=0.5),
    "Adam at 0.01": partial(torch.optim.Adam, lr=0.01),
}
EQUAL = {"all 0": constant(0), "all 0.5": constant(0.5)}
STARTS = EQUAL | {"Glorot": scaled(glorot_normal)}


@claim("claim-zero-init-identical")
def zero_init_identical(seeds: Sequence[int]) -> Finding:
    """With zero (or equal) weights all units of a layer stay identical.

    Eight tanh units and one output learn two moons of noise 0.1, from 400 rows, in
    double precision, by 300 steps on all rows, once by gradient descent at 0.5 and once
    by Adam at 0.01.  All weights begin at 0, or at 0.5, or are drawn after Glorot; all
    biases begin at 0.  Measured is, at the end, the largest distance between two hidden
    units, each the vector of its weights in, its bias and its weight out.  Noted is how
    far the hidden unit that moved most has moved.

    It holds if, with both optimizers and for all seeds, the distance is at most 1e-10
    for both equal starts, and above 1e-3 for the random one.  It holds conditionally if
    it is so for one of the equal starts only.  It fails if the distance is above 1e-6
    for one of them.
    """
    found: list[Row] = []
    for descent, (name, scheme) in progress([*product(DESCENTS, STARTS.items())]):
        runs = [units_after_training(scheme, descent, seed) for seed in seeds]
        for quantity in runs[0]:
            found += rows(quantity, {name: [run[quantity] for run in runs]}, descent)
    return finding(judge_identical(found), found, [MOONS], seeds)


def units_after_training(scheme: Scheme, descent: str, seed: int) -> dict[str, float]:
    """Say how far apart the hidden units are after training, and how far they moved."""
    task, model = on_moons(scheme, 8, seed)
    before = model.units()
    train_on_all(task, model, DESCENTS[descent], 300)
    after = model.units()
    distances = [float((a - b).norm()) for a, b in combinations(after, 2)]
    moved = float((after - before).norm(dim=1).max())
    return {APART: max(distances), MOVED: moved}


class OneHidden(nn.Module):
    """A hidden layer of tanh units and one output, in double precision."""

    def __init__(self, rng: np.random.Generator, scheme: Scheme, hidden: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(2, hidden), nn.Linear(hidden, 1)
        for layer in (self.first, self.last):
            W = scheme(rng, (layer.in_features, layer.out_features))
            layer.weight.data = torch.tensor(W.T.copy())
            layer.bias.data = torch.tensor(np.zeros(layer.out_features))

    def forward(self, X: Tensor) -> Tensor:
        """Compute a logit for each row."""
        logits: Tensor = self.last(torch.tanh(self.first(X)))[:, 0]
        return logits

    def units(self) -> Tensor:
        """Return the hidden units, each a row: weights in, bias and weight out."""
        inwards = [self.first.weight, self.first.bias[:, None]]
        return torch.cat([*inwards, self.last.weight.T], dim=1).detach()


def on_moons(scheme: Scheme, hidden: int, seed: int) -> tuple[Task, OneHidden]:
    """Draw the rows of a seed, and a network with such weights."""
    drawn, rng = np.random.default_rng(seed).spawn(2)
    return MOONS(drawn), OneHidden(rng, scheme, hidden)


def train_on_all(
    task: Task,
    model: nn.Module,
    descent: Callable[..., torch.optim.Optimizer],
    steps: int,
) -> None:
    """Lower the binary cross-entropy by so many steps on all training rows."""
    torch.set_num_threads(1)
    X, y = as_double(task.train)
    optimizer = descent(model.parameters())
    for _ in range(steps):
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(model(X), y)
        loss.backward()  # type: ignore[no-untyped-call]  # of torch
        optimizer.step()


def as_double(part: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return rows and labels in double precision.

    When it is time to, the rows are disturbed, rather than weights that are equal.
    """
    X, y = part
    return torch.tensor(disturbed(X.double().numpy())), y.double()


def judge_identical(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about equal weights."""
    apart, moved = (
        {
            name: [each for d in DESCENTS for each in by_method(found, q, d)[name]]
            for name in STARTS
        }
        for q in (APART, MOVED)
    )
    equal = [name for name in EQUAL if max(apart[name]) <= 1e-10]
    parted = min(apart["Glorot"]) > 1e-3
    verdict = decide(
        confirmed=len(equal) == len(EQUAL) and parted,
        conditional=len(equal) == 1 and parted,
        refuted=max(apart["all 0"] + apart["all 0.5"]) > 1e-6,
    )
    because = (
        "After training the largest distance between two units is "
        f"{max(apart['all 0']):.1g} from zeros, {max(apart['all 0.5']):.1g} from 0.5, "
        f"and at least {min(apart['Glorot']):.2g} from random weights. The units moved "
        f"by up to {max(moved['all 0']):.2g} from zeros, and "
        f"{max(moved['all 0.5']):.2g} from 0.5."
    )
    return Ruling(verdict, because, f"from {join_words(equal or ['none'])}")


# Random weights


TEST = "test accuracy, %"
SCHEMES = {
    "N(0, 0.1^2)": normal(0.1),
    "Glorot": scaled(glorot_normal),
    "He": scaled(he_normal),
    "orthogonal": orthogonal,
}
OTHERS = {"all 0.5": constant(0.5), "different, not random": directions}
LOGISTIC = "logistic regression"


@claim("claim-random-breaks-symmetry")
def random_breaks_symmetry(seeds: Sequence[int]) -> Finding:
    """Random initialization breaks the symmetry, and backpropagation can train units.

    Sixteen tanh units and one output learn two moons of noise 0.1, from 400 rows, by
    500 steps of Adam at 0.01 on all rows.  The weights are normal with variance 0.01,
    or drawn after Glorot, after He or as orthogonal matrices, or all 0.5; biases begin
    at 0.  Beside them is logistic regression, without a penalty and to its optimum, and
    a start that is no drawing: each unit has another direction, by a cosine.  Measured
    is the accuracy on 200 test rows, in percent.

    It holds if each random scheme is above the constant (interval of the paired
    difference), and the constant's mean is within 2 points of logistic regression's.
    It holds conditionally if some schemes are above the constant.  It fails if none is.
    """
    found: list[Row] = []
    for name, scheme in progress([*(SCHEMES | OTHERS).items()], "schemes"):
        found += rows(TEST, {name: [test_accuracy(scheme, seed) for seed in seeds]})
    found += rows(TEST, {LOGISTIC: [logistic_accuracy(seed) for seed in seeds]})
    return finding(judge_random(found), found, [MOONS], seeds)


def test_accuracy(scheme: Scheme, seed: int) -> float:
    """Train sixteen units from such weights, and return the percent right."""
    task, model = on_moons(scheme, 16, seed)
    train_on_all(task, model, partial(torch.optim.Adam, lr=0.01), 500)
    X, y = as_double(task.test)
    with torch.no_grad():
        return 100 * float(((model(X) > 0) == (y == 1)).double().mean())


test_accuracy.__test__ = False  # type: ignore[attr-defined]  # its name means another test


def logistic_accuracy(seed: int) -> float:
    """Fit a logistic regression, and return the percent right."""
    from sklearn.linear_model import LogisticRegression

    task = MOONS(np.random.default_rng(seed).spawn(1)[0])
    (X, y), (X_test, y_test) = as_double(task.train), as_double(task.test)
    fitted = LogisticRegression(C=np.inf).fit(X.numpy(), y.numpy())
    return 100 * float(fitted.score(X_test.numpy(), y_test.numpy()))


def judge_random(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about random weights."""
    right = by_method(found, TEST)
    equal = right["all 0.5"]
    above = [name for name in SCHEMES if significantly_above(right[name], equal)]
    near = abs(np.mean(equal) - np.mean(right[LOGISTIC])) <= 2
    verdict = decide(
        confirmed=len(above) == len(SCHEMES) and bool(near),
        conditional=bool(above),
        refuted=not above,
    )
    condition = f"for {join_words(above or ['none'])}"
    if not near:
        condition += ", but the constant is not near logistic regression"
    return Ruling(verdict, f"Percent right: {format_means(right)}.", condition)


# Deep networks


UNSCALED = {
    "N(0, 1)": normal(1.0),
    "N(0, 0.01^2)": normal(0.01),
}
NEEDED, RATIO = "epochs", "gradient of first over last hidden layer"
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
VALIDATED = partial(digits, test=297)


@dataclass(frozen=True)
class TanhStack:
    """Ten hidden layers of 64 tanh units, their weights by a scheme."""

    scheme: Scheme

    def __call__(self, rng: np.random.Generator, task: Task) -> nn.Sequential:
        """Draw the network for a task; its biases are zero."""
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((64, *[64] * 10, task.outputs)):
            layer = nn.Linear(inputs, outputs)
            W = self.scheme(rng, (inputs, outputs))
            layer.weight.data = torch.tensor(W.T).float()
            layer.bias.data.zero_()
            layers += [layer, nn.Tanh()]
        return nn.Sequential(*layers[:-1])


@claim("claim-glorot-helps")
def glorot_helps(seeds: Sequence[int]) -> Finding:
    """Glorot's scaling by inputs and units helps deep networks to train.

    Ten hidden layers of 64 tanh units learn 1,000 digits by SGD on batches of 50, for
    at most 40 epochs.  The weights are normal with variance 1, with variance 0.0001, or
    with Glorot's; each has its own learning rate, the one of seven with which it needs
    the fewest epochs, or else is most accurate, on rows held out, on other seeds.
    Measured is after how many epochs 95 percent of 297 validation rows are right; 40 if
    never.  Noted is the accuracy at the end, and before training the norm of the
    gradient with respect to the first hidden layer's outputs over that of the last one.

    It holds if Glorot needs fewer epochs than both others (interval of the paired
    difference), and the geometric mean of its ratio lies from 1/3 to 3.  It holds
    conditionally if it needs fewer than one of them.  It fails if its mean is not below
    that of either.
    """
    found: list[Row] = []
    for name, scheme in (UNSCALED | {"Glorot": scaled(glorot_normal)}).items():
        trial = Trial(
            name, VALIDATED, TanhStack(scheme), 40, torch.optim.SGD, batch_size=50
        )
        rate = best_setting(partial(tuning_score, trial), RATES)
        runs = [epochs_to_95(trial, rate, seed) for seed in progress(seeds, name)]
        for quantity in runs[0]:
            found += rows(quantity, {name: [run[quantity] for run in runs]})
        found.append(Row(RATE, name, "", (rate,)))
    return finding(judge_glorot(found), found, [VALIDATED], seeds, RATES)


def epochs_to_95(
    trial: Trial, rate: float, seed: int, *, tuning: bool = False
) -> dict[str, float]:
    """Train until 95 percent of the rows that it is judged by are right."""
    task, model, order = trial.start(seed, tuning=tuning)
    measured = {RATIO: first_over_last(model, task)}
    X, y = task.test

    def right() -> float:
        with torch.no_grad():
            return accuracy(model(X), y)

    def enough(_: History) -> bool:
        return right() >= 0.95

    try:
        epochs = len(trial.train(rate, task, model, order, enough).epoch_losses)
    except FloatingPointError:
        return measured | {NEEDED: float(trial.epochs), "accuracy": 0.0}
    return measured | {NEEDED: float(epochs), "accuracy": right()}


def tuning_score(trial: Trial, rate: float, seed: int) -> float:
    """Prefer few epochs, and of as many, the more accurate."""
    found = epochs_to_95(trial, rate, seed, tuning=True)
    return found["accuracy"] - found[NEEDED]


def first_over_last(model: nn.Module, task: Task) -> float:
    """Compare the gradients of the first and the last hidden layer's outputs."""
    X, y = task.train
    outputs = [X]
    for layer in model.children():
        outputs.append(layer(outputs[-1]))
    hidden = outputs[2:-1:2]
    gradients = torch.autograd.grad(task.loss(outputs[-1], y), [hidden[0], hidden[-1]])
    first, last = (each.double().norm().item() for each in gradients)
    return first / last


def judge_glorot(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about Glorot's scaling."""
    needed = by_method(found, NEEDED)
    ours = needed["Glorot"]
    below = [name for name in UNSCALED if significantly_below(ours, needed[name])]
    mean = {name: float(np.mean(each)) for name, each in needed.items()}
    ratio = float(np.exp(np.mean(np.log(by_method(found, RATIO)["Glorot"]))))
    verdict = decide(
        confirmed=len(below) == len(UNSCALED) and 1 / 3 <= ratio <= 3,
        conditional=bool(below),
        refuted=all(mean["Glorot"] >= mean[name] for name in UNSCALED),
    )
    because = (
        f"Epochs to 95 percent, at most 40: {format_means(needed)}. With Glorot the "
        f"gradient of the first hidden layer over that of the last is {ratio:.2g}."
    )
    return Ruling(verdict, because, f"against {join_words(below or ['none'])}")


# The size of a weight


DEEPER = "deviation at depth 100 over that at depth 2"
WIDER = "deviation at 1,000 units over that at 30"
SIZES = (30, 100, 300, 1000)


@claim("claim-weights-small-with-depth", seeds=1)
def weights_small_with_depth(seeds: Sequence[int]) -> Finding:
    """Under Glorot or He every weight becomes small as the number of layers grows.

    Square layers of 30, 100, 300 or 1,000 units are drawn after Glorot and after He, as
    many as a network of depth 2 has and as one of depth 100 has.  Measured is the
    standard deviation of the weights of the deepest layer, at depth 100 over depth 2.
    Noted is the same for 1,000 units over 30, at depth 100.

    It holds if the ratio is below 0.9 for all widths and both schemes.  It fails if it
    lies from 0.95 to 1.05 for all of them.
    """
    found: list[Row] = []
    for name, scheme in {"Glorot": glorot_normal, "He": he_normal}.items():
        deep = {
            (n, depth): deepest(scheme, n, depth, seeds[0])
            for n, depth in product(SIZES, (2, 100))
        }
        found += [
            Row(DEEPER, name, f"{n} units", (deep[n, 100] / deep[n, 2],)) for n in SIZES
        ]
        found.append(Row(WIDER, name, "", (deep[1000, 100] / deep[30, 100],)))
    ruling = judge_small(found)
    return Finding(*ruling[:2], "random weights only", tuple(found))


def deepest(
    scheme: Callable[[Weights], Weights], units: int, depth: int, seed: int
) -> float:
    """Draw all layers, and return the deviation of the last one's weights."""
    rng = np.random.default_rng((seed, depth, units))
    for _ in progress(range(depth), f"{units} units"):
        W = scheme(rng.normal(size=(units, units)))
    return float(W.std())


def judge_small(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about small weights."""
    ratios = [row.values[0] for row in found if row.quantity == DEEPER]
    verdict = decide(
        confirmed=max(ratios) < 0.9,
        refuted=all(0.95 <= ratio <= 1.05 for ratio in ratios),
    )
    wider = [row.values[0] for row in found if row.quantity == WIDER]
    because = (
        "A hundred layers in place of two multiply the deviation by "
        f"{min(ratios):.3f} to {max(ratios):.3f}. A thousand units in place of 30 "
        f"multiply it by {min(wider):.2g} to {max(wider):.2g}."
    )
    return Ruling(verdict, because)


# Glorot with ReLU


DEPTHS = (5, 10, 20, 40)
DISTANCE = "|log10 of first over last|"
RELU_SCHEMES = UNSCALED | {"Glorot": scaled(glorot_normal), "He": scaled(he_normal)}


@claim("claim-glorot-relu-tames-gradients")
def glorot_relu_tames_gradients(seeds: Sequence[int]) -> Finding:
    """Glorot's weights with ReLU considerably reduce unstable gradients at the start.

    Networks of 5, 10, 20 and 40 hidden layers of 64 ReLUs, without biases and in double
    precision, see 200 digits before any training.  Their weights are normal with
    variance 1, with variance 0.0001, with Glorot's or with He's, made of the same
    draws.  Measured is the distance from balance: the size of the logarithm (base 10)
    of the norm of the gradient with respect to the first hidden layer's outputs over
    that of the last one.  It is not the gradient of the weights, which in such a
    network is as long in every layer and so cannot see the scale.

    It holds if with Glorot the mean distance is below 1 at each depth, and at each
    depth below that of both other normal draws (interval of the paired difference).  It
    holds conditionally if it is below both at each depth, but not below 1 at some.  It
    fails if at some depth its mean is not below that of one of them.  He's is noted.
    """
    found: list[Row] = []
    for depth in progress(DEPTHS, "depths"):
        runs = [from_balance(depth, seed) for seed in seeds]
        scores = {name: [run[name] for run in runs] for name in RELU_SCHEMES}
        found += rows(DISTANCE, scores, layered(depth))
    return finding(judge_relu(found), found, [VALIDATED], seeds)


def layered(depth: int) -> str:
    """Name the networks of a depth."""
    return f"{depth} hidden layers"


def from_balance(depth: int, seed: int) -> dict[str, float]:
    """Measure the distance from balance of one network with each scheme."""
    X, y = draw(VALIDATED, seed).train
    batch, labels = X[:200].double().numpy(), y[:200].numpy()
    measured = {}
    for name, scheme in RELU_SCHEMES.items():
        rng = np.random.default_rng((seed, depth))  # the same draws for all
        layers = tuple(
            Perceptron(W=disturbed(scheme(rng, shape)), b=np.zeros(shape[1]))
            for shape in pairwise((64, *[64] * depth, 10))
        )
        _, Z = forward_pass(layers, batch, activation=relu)
        upstream = cross_entropy_gradient(Z[-1], labels) / len(labels)
        each = deltas(layers, Z, upstream, activation_derivative=relu_derivative)
        first, last = (each[k] @ layers[k].W.T for k in (1, depth))
        ratio = np.linalg.norm(first) / np.linalg.norm(last)
        measured[name] = float(abs(np.log10(ratio)))
    return measured


def judge_relu(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about Glorot's weights with ReLU."""
    below, worse, near, said = [], [], [], []
    for depth in DEPTHS:
        apart = by_method(found, DISTANCE, layered(depth))
        mean = {name: float(np.mean(each)) for name, each in apart.items()}
        below += [
            significantly_below(apart["Glorot"], apart[name]) for name in UNSCALED
        ]
        worse += [mean["Glorot"] >= mean[name] for name in UNSCALED]
        near += [depth] * (mean["Glorot"] < 1)
        said.append(f"{layered(depth)}: {format_means(apart)}")
    verdict = decide(
        confirmed=all(below) and len(near) == len(DEPTHS),
        conditional=all(below),
        refuted=any(worse),
    )
    because = f"Powers of ten between the first and the last layer. {'; '.join(said)}."
    held = join_words([str(depth) for depth in near] or ["none"])
    condition = f"with less than a power of ten between the layers at depth {held} only"
    return Ruling(verdict, because, condition)
