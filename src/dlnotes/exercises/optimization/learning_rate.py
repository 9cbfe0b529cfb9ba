"""The learning rate: what to write, and the mistakes made there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, whole
from dlnotes.exercises.exercise import Answer, Exercise, Mistake
from dlnotes.optimization.learning_rate import (
    exponential_ramp,
    linear_ramp,
    smoothed_losses,
    stable_rates,
)


def _bounds(rng: np.random.Generator) -> dict[str, Any]:
    """Draw two rates, near or far apart, and a number of steps."""
    low = float(10 ** rng.uniform(-6, 1))
    high = low * float(10 ** rng.uniform(0.5, 6))
    return {"low": low, "high": high, "steps": whole(rng, 2, 12)}


RAMP = Exercise(
    name="write-optimization-learning-rate-ramp",
    section="optimization.learning_rate",
    task="Write `exponential_ramp(low, high, steps)`: the learning rates of a range "
    "test, an array (steps,) that starts at low, ends at high, and grows by a constant "
    "factor at each step.",
    hint="Look at both ends, and at the quotient of neighbors.",
    solution=exponential_ramp,
    inputs=_bounds,
    harmless=("drops axes of one entry",),
    mistakes=(
        Mistake(
            lambda low, high, steps: low * (high / low) ** (np.arange(steps) / steps),
            "Your ramp stops one step short of high: there are steps - 1 gaps between "
            "the rates.",
            "Update lr_finder.py, "
            "https://github.com/davidtvs/pytorch-lr-finder/pull/42",
        ),
        Mistake(
            lambda low, high, steps: (
                low * (high / low) ** (np.arange(1, steps + 1) / steps)
            ),
            "Your ramp reaches high but does not start at low: you count from 1, so "
            "the lowest rate is never tried.",
            "find_learning_rate step problem, "
            "https://github.com/flairNLP/flair/issues/986",
        ),
        Mistake(
            linear_ramp,
            "Your ramp is linear, as in Smith's own test. Over many powers of ten it "
            "spends almost all its steps on rates that are too large; multiply by a "
            "constant instead.",
        ),
        Mistake(
            lambda low, high, steps: exponential_ramp(low, high, steps)[::-1],
            "Your ramp falls. The test must begin with rates that are surely safe and "
            "stop when the loss explodes.",
        ),
        Mistake(
            lambda low, high, steps: np.linspace(np.log10(low), np.log10(high), steps),
            "You return the logarithms of the rates. They are equally far apart, as "
            "they should be; raise 10 to their power.",
        ),
        Mistake(
            lambda low, high, steps: np.exp(
                np.linspace(np.log10(low), np.log10(high), steps)
            ),
            "You take logarithms to the base 10 and powers of e. The base must be the "
            "same on both ways.",
        ),
    ),
)


def _noisy(rng: np.random.Generator) -> dict[str, Any]:
    """Draw losses, one or several, all alike, huge or tiny, and a decay."""
    scale = float(rng.choice([1.0, 1.0, 1e3, 1e-6]))
    losses = scale * rng.uniform(0, 4, size=whole(rng, 1, 9))
    losses = np.where(rng.random(losses.shape) < 0.1, 0.0, losses)
    beta = float(rng.choice([0.0, 0.3, 0.7, 0.9, 0.98]))
    return either(rng, {"losses": losses, "beta": beta})


def _smooth(
    update: Callable[[Any, Any, float, int], Any],
    value: Callable[[Any, float, int], Any],
) -> Answer:
    """Smooth with another average, or another correction of it."""

    def answer(losses: Any, beta: float) -> Any:
        average, smooth = 0.0, np.empty_like(losses)
        for k, loss in enumerate(losses, start=1):
            average = update(average, loss, beta, k)
            smooth[k - 1] = value(average, beta, k)
        return smooth

    return answer


def _decaying(average: Any, loss: Any, beta: float, _k: int) -> Any:
    """Update the average as it should be."""
    return beta * average + (1 - beta) * loss


SMOOTHING = Exercise(
    name="write-optimization-learning-rate-smoothing",
    section="optimization.learning_rate",
    task="Write `smoothed_losses(losses, *, beta)`: for each step of a range test the "
    "exponential moving average of the losses (steps,) so far, where beta is the "
    "weight of the past, started at zero and corrected for that start. Return an array "
    "(steps,).",
    hint="Losses that are all equal must come out unchanged.",
    solution=smoothed_losses,
    inputs=_noisy,
    mistakes=(
        Mistake(
            _smooth(_decaying, lambda average, _beta, _k: average),
            "You do not correct for the start at zero, so the curve seems to rise at "
            "first although the loss does not.",
            "Learning Rate finder too strong loss smoothing, "
            "https://github.com/Lightning-AI/pytorch-lightning/issues/14167",
        ),
        Mistake(
            _smooth(
                lambda average, loss, beta, _k: (1 - beta) * average + beta * loss,
                lambda average, beta, k: average / max(1 - (1 - beta) ** k, 1e-300),
            ),
            "The weights are exchanged: beta belongs to the past. Near 1 it should "
            "smooth strongly, and yours hardly smooths.",
        ),
        Mistake(
            _smooth(
                lambda _average, loss, _beta, _k: loss,
                lambda average, beta, k: average / (1 - beta**k),
            ),
            "You mix the new loss with itself, so nothing is smoothed: the past has to "
            "be kept from step to step.",
            "LRFinder smoothing, https://github.com/titu1994/keras-one-cycle/issues/2",
        ),
        Mistake(
            _smooth(
                lambda average, loss, beta, k: (
                    (beta * average + (1 - beta) * loss) / (1 - beta**k)
                ),
                lambda average, _beta, _k: average,
            ),
            "You carry the corrected average on, and it is corrected again at each "
            "step. Keep the plain average, and correct only what you report.",
        ),
        Mistake(
            _smooth(
                _decaying, lambda average, beta, k: average / (1 - beta ** (k + 1))
            ),
            "Your correction counts one step too many, so the first smoothed loss is "
            "not the first loss.",
            "SFT: Fix off-by-one EMA debias, "
            "https://github.com/karpathy/nanochat/pull/818",
        ),
        Mistake(
            _smooth(_decaying, lambda average, beta, k: average / max(beta**k, 1e-300)),
            "You divide by the power of beta itself. That goes to zero with time and "
            "your curve explodes; what is missing at first is that power, so divide by "
            "1 less it.",
            "Fix M-SVAG NaN from debiasing moments by beta**step instead of 1 - "
            "beta**step, https://github.com/kozistr/pytorch_optimizer/pull/525",
        ),
        Mistake(
            _smooth(
                lambda average, loss, beta, k: (
                    loss if k == 1 else _decaying(average, loss, beta, k)
                ),
                lambda average, _beta, _k: average,
            ),
            "You start the average at the first loss. That needs no correction, but "
            "the first loss keeps a weight that is larger than any other's for long; "
            "here the average starts at zero and is corrected.",
        ),
        Mistake(
            lambda losses, beta: (
                np.cumsum(losses) / np.arange(1, len(losses) + 1) + 0 * beta
            ).astype(losses.dtype),
            "You take the mean of all losses so far, so an old one counts as much as a "
            "new one and the curve hardly moves. The weights of the past must fall by "
            "the factor beta.",
        ),
    ),
)


def _bowl(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a positive definite Hessian, with one curvature or several, and momentum."""
    d = whole(rng, 1, 4)
    A = rng.normal(size=(d, d))
    scale = float(rng.choice([1.0, 1.0, 1e3, 1e-6]))
    hessian = scale * (A @ A.T + 0.5 * np.eye(d))
    if rng.random() < 0.2:
        hessian = np.diag(np.diag(hessian))  # where entries are zero
    return either(
        rng, {"hessian": hessian, "mu": float(rng.choice([0.0, 0.4, 0.9, 0.99]))}
    )


def _pair(limit: Callable[[Any], Any], both: Callable[[Any], Any]) -> Answer:
    """Divide twice one plus the momentum by other curvatures."""
    return lambda hessian, mu: tuple(
        (hessian.dtype.type(2 * (1 + mu)) / np.asarray(each(hessian))).astype(
            hessian.dtype
        )
        for each in (limit, both)
    )


def _ends(hessian: Any) -> Any:
    """Return the smallest and the largest eigenvalue."""
    return np.linalg.eigvalsh(hessian)[[0, -1]]


def _largest(hessian: Any) -> Any:
    """Return the largest eigenvalue."""
    return _ends(hessian)[1]


def _sum_of_ends(hessian: Any) -> Any:
    """Return the sum of the smallest and the largest eigenvalue."""
    return _ends(hessian).sum()


def _diagonal_ends(hessian: Any) -> Any:
    """Return the sum of the smallest and the largest entry of the diagonal."""
    return np.diag(hessian).min() + np.diag(hessian).max()


def _with(change: Callable[[float], float]) -> Answer:
    """Take another number for the momentum."""
    return lambda hessian, mu: _pair(_largest, _sum_of_ends)(hessian, change(mu))


STABILITY = Exercise(
    name="write-optimization-learning-rate-stability",
    section="optimization.learning_rate",
    task="Write `stable_rates(hessian, *, mu)`, for gradient descent with momentum mu "
    "(0 for none) and a constant learning rate on a quadratic with this positive "
    "definite Hessian (d, d). Return `(largest, best)`: the limit below which it "
    "converges, and the rate with which the largest factor of a step is smallest.",
    hint="Without momentum the error along an eigenvector is multiplied by 1 - rate * "
    "eigenvalue at every step. With it, the same product counts, divided by 1 + mu.",
    summary="Compute the largest and the best constant learning rate.",
    solution=stable_rates,
    inputs=_bowl,
    harmless=("is right only where axes 0 and 1 of hessian are equally long",),
    mistakes=(
        Mistake(
            _pair(_largest, lambda hessian: 2 * _largest(hessian)),
            "You take half the largest rate as the best. That holds only where all "
            "curvatures are equal; flat directions ask for more.",
        ),
        Mistake(
            _pair(lambda hessian: 2 * _largest(hessian), _sum_of_ends),
            "Your limit is too careful by half: the error may change its sign at each "
            "step and still shrink, up to twice the inverse of the largest curvature.",
        ),
        Mistake(
            _pair(lambda hessian: np.diag(hessian).max(), _diagonal_ends),
            "You take the diagonal for the curvatures. The steepest direction usually "
            "lies between the axes, and its curvature is larger than any on the "
            "diagonal.",
        ),
        Mistake(
            _pair(lambda hessian: _ends(hessian)[0], _sum_of_ends),
            "Your limit comes from the smallest curvature. It is the steepest "
            "direction that diverges first.",
        ),
        Mistake(
            _pair(np.trace, _sum_of_ends),
            "You divide by the sum of all curvatures. That is safe but too small: the "
            "directions do not disturb each other, so only the largest counts.",
        ),
        Mistake(
            _pair(_largest, lambda hessian: 2 * np.linalg.eigvalsh(hessian).mean()),
            "Your best rate is for the mean curvature. The factor of a step is largest "
            "at one of the two ends, so only these count.",
        ),
        Mistake(
            _with(lambda _mu: 0.0),
            "You do not use the momentum. It lets the rate be larger, by the factor "
            "1 + mu.",
        ),
        Mistake(
            lambda hessian, mu: (
                stable_rates(hessian, mu=mu)[0],
                stable_rates(hessian)[1],
            ),
            "Your limit is right, but the best rate is that without momentum. It grows "
            "by the same factor.",
        ),
        Mistake(
            _with(lambda mu: mu / (1 - mu)),
            "You take the limit for 1 / (1 - mu) times larger, as steps are in the "
            "long run. Along the steepest axis the velocity turns each time, and the "
            "limit grows by the factor 1 + mu only.",
        ),
        Mistake(
            _with(lambda mu: -mu),
            "You let momentum lower the limit. It raises it, to almost twice the limit "
            "without.",
        ),
        Mistake(
            lambda hessian, mu: stable_rates(hessian, mu=mu)[::-1],
            "Both rates are right, but they come in the other order: first the "
            "largest, then the best.",
        ),
    ),
)

EXERCISES = (STABILITY, RAMP, SMOOTHING)
