"""Claims about activation functions that saturate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import torch
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
from dlnotes.claims.trial import RATE, Trial, compare, draw, finding
from dlnotes.lab.fit import History, predict
from dlnotes.lab.models import MLP, Function, HiddenLayer, glorot, mlp
from dlnotes.lab.tasks import Task, TaskFactory, digits, moons, standardize
from dlnotes.networks.activations import compose_affine, scaled_tanh, sigmoid, tanh
from dlnotes.wording import join_words

SGD_RATES = (0.03, 0.1, 0.3, 1, 3, 10, 30)


@claim("claim-step-no-gradient")
def step_no_gradient(seeds: Sequence[int]) -> Finding:
    """With a step activation gradient descent cannot move.

    A network with 16 hidden units has steps throughout, or steps below a sigmoid, or
    sigmoids throughout.  Adam lowers its squared error, at a rate of 0.05, in 300 steps
    on all points.

    It holds if, with steps in the hidden layer, every gradient is exactly 0 and no
    parameter moves, and sigmoids get at least 85 percent of the points right in every
    seed.  It holds conditionally if so with steps throughout, and a sigmoid above
    steps learns, its loss down by at least 10 percent in every seed, while the hidden
    layer stands still.  It fails if a gradient in a hidden layer of steps is not 0.
    """
    units: dict[str, tuple[Function, Function]] = {
        "steps": (step, step),
        "steps below a sigmoid": (step, sigmoid),
        "sigmoids": (sigmoid, sigmoid),
    }
    trials = [
        Trial(name, yes_or_no, Squashed.builder(*pair), epochs=300, batch_size=200)
        for name, pair in units.items()
    ]
    found = compare(trials, follow, seeds, [0.05])
    return finding(judge_steps(found), found, [yes_or_no], seeds)


def step(z: Tensor) -> Tensor:
    """Return 0 or 1.  PyTorch can differentiate a sign, but not a comparison."""
    return (1 + torch.sign(z)) / 2


def yes_or_no(rng: np.random.Generator) -> Task:
    """Draw two moons whose labels are numbers, 0 or 1, to be met by one output."""
    task = moons(rng, train=200, noise=0.1)
    X, labels = task.train
    y = labels[:, None].to(X.dtype)
    return replace(task, train=(X, y), outputs=1, loss=functional.mse_loss, score=share)


def share(outputs: Tensor, y: Tensor) -> float:
    """Return the share of the outputs that are on the right side of a half."""
    return ((outputs > 0.5) == (y > 0.5)).double().mean().item()


class Squashed(nn.Module):
    """A network of 16 hidden units, and a function of its output."""

    def __init__(
        self, rng: np.random.Generator, hidden: Function, output: Function
    ) -> None:
        super().__init__()
        self.net_input, self.output = MLP(rng, [2, 16, 1], hidden), output

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output of each instance."""
        return self.output(self.net_input(x))

    @classmethod
    def builder(
        cls, hidden: Function, output: Function
    ) -> Callable[[np.random.Generator, Task], nn.Module]:
        """Return what builds such a network for a task."""
        return lambda rng, _: cls(rng, hidden, output)


def follow(trial: Trial, learning_rate: float, seed: int) -> dict[str, float]:
    """Train a network, and note its gradients and how far its parameters move."""
    task, model, order = trial.start(seed)
    before = [each.detach().clone() for each in model.parameters()]
    gradients: list[list[float]] = []

    def note(_: History) -> bool:
        gradients.append([largest(each.grad) for each in model.parameters()])
        return False

    history = trial.train(learning_rate, task, model, order, note)
    moves = [largest(a - b) for a, b in zip(model.parameters(), before, strict=True)]
    X, y = task.train
    return {
        "largest gradient": float(np.max(gradients)),
        "largest hidden gradient": float(np.max(gradients, axis=0)[:2].max()),
        "largest move": max(moves),
        "largest hidden move": max(moves[:2]),
        "last loss over first": float(history.losses[-1] / history.losses[0]),
        "training accuracy": task.score(predict(model, X), y),
    }


def largest(values: Tensor | None) -> float:
    """Return the largest size of a number; a gradient that is missing is zero."""
    return 0.0 if values is None else values.detach().abs().max().item()


def judge_steps(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about steps."""
    most = {
        (row.quantity, row.method): max(row.values)
        for row in found
        if row.quantity != "training accuracy"
    }
    mixed = "steps below a sigmoid"
    moved = max(most["largest gradient", "steps"], most["largest move", "steps"])
    above = max(most["largest gradient", mixed], most["largest move", mixed])
    below = max(most[f"largest hidden {what}", mixed] for what in ("gradient", "move"))
    loss = most["last loss over first", mixed]
    accuracy = min(by_method(found, "training accuracy", found[0].data)["sigmoids"])
    verdict = decide(
        confirmed=moved == above == 0 and accuracy >= 0.85,
        conditional=moved == below == 0 and loss <= 0.9,
        refuted=any(most["largest hidden gradient", each] for each in ("steps", mixed)),
    )
    because = (
        f"The largest gradient or move of a parameter is {moved:.2g} with steps "
        f"throughout, and {below:.2g} in a hidden layer of steps below a sigmoid; that "
        f"sigmoid's own weights move, and the loss ends at {loss:.0%} of the first or "
        f"less. With sigmoids throughout {accuracy:.1%} of the points or more are "
        "right."
    )
    condition = "for the layers below a step; a sigmoid above them still learns"
    return Ruling(verdict, because, condition)


@claim("claim-tanh-zero-centred-faster")
def tanh_zero_centered_faster(seeds: Sequence[int]) -> Finding:
    """What has a mean of zero, as tanh has, is learned from faster than the sigmoid.

    Three hidden layers of 64 units, gradient descent on batches of 64.  What counts is
    how many epochs it takes until the mean loss of one is at most 0.1; who needs more
    than 60 gets 60.  Each kind of unit has the start and the rate that take it the
    fewest, of all pairs, on four fifths of the training rows of other seeds: weights of
    1/2, 1, 2, 4 and 8 times Glorot's deviation; rates of 0.03, 0.1, 0.3, 1, 3, 10 and
    30.  An earlier rule had Glorot's weights for all; larger ones make up for the small
    slope of the sigmoid.

    Tanh is 2 sigmoid(2z) - 1: it differs from the sigmoid in its mean and in its slope.
    Two pairs differ in the mean alone: the sigmoid and the sigmoid less a half, of
    slope 1/4 at zero, and sigmoid(2z) and 2 sigmoid(z) - 1, of slope 1/2.

    It holds if tanh takes fewer epochs than the sigmoid, and in both pairs the one with
    a mean of zero takes fewer.  It holds conditionally if tanh does and so does one
    pair.  It fails if tanh does not, or neither pair, for then it is the slope.
    """
    kinds: dict[str, Function] = {
        "sigmoid": sigmoid,
        "tanh": tanh,
        "sigmoid less a half": lambda z: sigmoid(z) - 0.5,
        "sigmoid of 2z": lambda z: sigmoid(2 * z),
        "shifted sigmoid": lambda z: 2 * sigmoid(z) - 1,
    }
    found: list[Row] = []
    for name, activation in progress([*kinds.items()]):
        trials = {
            scale: three_layers(name, digits, activation, scale) for scale in SCALES
        }
        found += from_best_start(trials, seeds)
    return finding(judge_zero_mean(found), found, [digits], seeds, SGD_RATES)


SCALES = (0.5, 1, 2, 4, 8)
SCALE = "weights, times Glorot's"


def from_best_start(trials: Mapping[float, Trial], seeds: Sequence[int]) -> list[Row]:
    """Count the epochs from the start and at the rate that take the fewest."""

    def score(setting: tuple[float, float], seed: int) -> float:
        scale, rate = setting
        return trials[scale].negative_epochs(rate, seed)

    scale, rate = best_setting(score, [*product(trials, SGD_RATES)])
    trial = trials[scale]
    data = draw(trial.make, seeds[-1]).name
    needed = [trial.epochs_needed(rate, seed)["epochs"] for seed in seeds]
    return [
        Row("epochs", trial.method, data, (*needed,)),
        Row(SCALE, trial.method, data, (scale,)),
        Row(RATE, trial.method, data, (rate,)),
    ]


def epochs_needed(trials: Sequence[Trial], seeds: Sequence[int]) -> list[Row]:
    """Count the epochs of each trial, at the rate that takes the fewest."""
    return compare(trials, Trial.epochs_needed, seeds, SGD_RATES, Trial.negative_epochs)


def three_layers(
    name: str, make: TaskFactory, activation: Function, scale: float = 1
) -> Trial:
    """Return a trial of three hidden layers, scaled weights and gradient descent."""

    def init_std(inputs: int, outputs: int) -> float:
        return scale * glorot(inputs, outputs)

    build = mlp(HiddenLayer(activation, init_std), 64, 64, 64)
    return Trial(name, make, build, epochs=60, optimizer=torch.optim.SGD)


def judge_zero_mean(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about a mean of zero."""
    epochs = by_method(found, "epochs", found[0].data)
    tanh_faster, slow_pair, steep_pair = (
        significantly_below(epochs[centered], epochs[other])
        for centered, other in (
            ("tanh", "sigmoid"),
            ("sigmoid less a half", "sigmoid"),
            ("shifted sigmoid", "sigmoid of 2z"),
        )
    )
    verdict = decide(
        confirmed=tanh_faster and slow_pair and steep_pair,
        conditional=tanh_faster and (slow_pair or steep_pair),
        refuted=True,
    )
    scales = by_method(found, SCALE, found[0].data)
    best = join_words([f"{each:g} for {name}" for name, (each,) in scales.items()])
    because = (
        f"The mean number of epochs is {format_means(epochs)}, from the best start, "
        f"which has weights of so many times Glorot's: {best}."
    )
    slope = "1/4" if slow_pair else "1/2"
    return Ruling(verdict, because, f"for units of slope {slope} at zero")


@claim("claim-scaled-tanh")
def scaled_tanh_faster(seeds: Sequence[int]) -> Finding:
    """A tanh scaled to 1.7159 tanh(2z/3) avoids the slow learning of the sigmoid.

    Three hidden layers of 64 units, Glorot's weights, gradient descent on batches of
    64.  What counts is how many epochs it takes until the mean loss of one is at most
    0.1; who needs more than 60 gets 60.  The rate is the one of 0.03, 0.1, 0.3, 1, 3,
    10 and 30 that takes the fewest, on four fifths of the training rows of other seeds.

    It holds if the scaled tanh takes fewer than the sigmoid and fewer than tanh.  It
    holds conditionally if only fewer than the sigmoid.  It fails if not even that.
    """
    kinds = {"sigmoid": sigmoid, "tanh": tanh, "scaled tanh": scaled_tanh}
    trials = [three_layers(name, even_digits, each) for name, each in kinds.items()]
    found = epochs_needed(trials, seeds)
    exact = {name: [variance(each)] for name, each in kinds.items()}
    found += rows("variance of the output for normal input", exact)
    return finding(judge_scaled(found), found, [even_digits], seeds, SGD_RATES)


def even_digits(rng: np.random.Generator) -> Task:
    """Draw from the digits, standardized."""
    return standardize(digits(rng))


def variance(activation: Function) -> float:
    """Integrate over a standard normal input, by Gauss and Hermite's nodes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    a, p = activation(torch.tensor(nodes)).numpy(force=True), weights / weights.sum()
    return float(p @ a**2 - (p @ a) ** 2)


def judge_scaled(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about the scaled tanh."""
    epochs = by_method(found, "epochs", found[0].data)
    sigmoid_slower, tanh_slower = (
        significantly_below(epochs["scaled tanh"], epochs[name])
        for name in ("sigmoid", "tanh")
    )
    verdict = decide(
        confirmed=sigmoid_slower and tanh_slower,
        conditional=sigmoid_slower,
        refuted=not sigmoid_slower,
    )
    because = f"The mean number of epochs is {format_means(epochs)}."
    return Ruling(verdict, because, "of any tanh: the scaled one is not the faster")


@claim("claim-linear-stack-collapses")
def linear_stack_collapses(seeds: Sequence[int]) -> Finding:
    """Without a function that is not linear, a deep stack is one layer.

    That a composition of affine maps is affine is proved in a line; what is measured is
    that the trained networks and `compose_affine` bear it out.  Linear networks of one,
    two and five layers, 16 units wide, are trained in float64 for 100 epochs by Adam at
    a rate of 0.01, and then collapsed into one layer each.

    It holds if in every seed no output changes by 1e-10 or more, and no depth has more
    than a point of training accuracy over logistic regression.  It fails if an output
    does, or a depth has.
    """
    trials = [
        Trial(name, double_moons, linear_stack(depth), epochs=100)
        for name, depth in (("1 layer", 1), ("2 layers", 2), ("5 layers", 5))
    ]
    found = compare(trials, collapsed, seeds, [0.01])
    right = {"logistic regression": [logistic_accuracy(seed) for seed in seeds]}
    found += rows("training accuracy", right, found[0].data)
    return finding(judge_linear(found), found, [double_moons], seeds)


def double_moons(rng: np.random.Generator) -> Task:
    """Draw moons in float64."""
    task = moons(rng, train=500, noise=0.2)
    X, y = task.train
    return replace(task, train=(X.double(), y))


def linear_stack(depth: int) -> Callable[[np.random.Generator, Task], nn.Module]:
    """Return what builds linear layers with nothing between them."""
    sizes = [2, *(depth - 1) * [16], 2]
    return lambda rng, _: MLP(rng, sizes, lambda z: z).double()


def collapsed(trial: Trial, learning_rate: float, seed: int) -> dict[str, float]:
    """Train, and return what collapsing changes at most, and the training accuracy."""
    task, model, _ = trial.run(learning_rate, seed)
    X, y = task.train
    (W, b), *others = (
        (layer.weight.detach().T, layer.bias.detach())
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
    )
    for W_2, b_2 in others:
        W, b = compose_affine(W, b, W_2, b_2)
    outputs = predict(model, X)
    return {
        "largest change of an output": largest(X @ W + b - outputs),
        "training accuracy": task.score(outputs, y),
    }


def logistic_accuracy(seed: int) -> float:
    """Return the training accuracy of logistic regression on the same points."""
    from sklearn.linear_model import LogisticRegression

    X, y = (each.numpy(force=True) for each in draw(double_moons, seed).train)
    return float(LogisticRegression(C=np.inf).fit(X, y).score(X, y))


def judge_linear(found: Sequence[Row]) -> Ruling:
    """Apply the rule of the claim about linear stacks."""
    data = found[0].data
    changes = by_method(found, "largest change of an output", data)
    change = max(max(each) for each in changes.values())
    right = by_method(found, "training accuracy", data)
    logistic = right["logistic regression"]
    better = [
        name for name in changes if significantly_above(right[name], logistic, 0.01)
    ]
    verdict = decide(
        confirmed=change < 1e-10 and not better, refuted=change >= 1e-10 or bool(better)
    )
    ahead = f"only the network of {join_words(better)} is" if better else "no depth is"
    return Ruling(
        verdict,
        f"Collapsing changes no output by more than {change:.1g}, and {ahead} more "
        "than a point of training accuracy ahead of logistic regression.",
    )
