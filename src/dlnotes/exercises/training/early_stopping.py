"""Early stopping: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.training.early_stopping import early_stopping_epoch


def _curve(rng: np.random.Generator) -> dict[str, Any]:
    """Draw errors of exact steps, with ties: a walk, or a steady fall."""
    patience, scale = whole(rng, 1, 4), 2.0 ** float(rng.choice([0, 0, 10, -20]))
    steps = rng.integers(-3, 4, size=whole(rng, 1, 14))
    walk = np.cumsum(steps) if rng.random() < 0.8 else -np.arange(len(steps))
    min_delta = float(rng.choice([0.0, 1.0, 1.5]))
    errors = scale * (walk - float(walk.min()))
    case = {"errors": errors, "patience": patience, "min_delta": scale * min_delta}
    return either(rng, case) if scale == 1 else case


def _watch(
    errors: Any,
    patience: int,
    min_delta: float,
    *,
    previous: bool = False,
    late: bool = False,
    reset: bool = True,
    strict: bool = True,
) -> tuple[int, int]:
    """Apply the rule, or one that is changed in one thing."""
    best = epoch = waited = 0
    for epoch in range(1, len(errors)):
        against = errors[epoch - 1] if previous else errors[best]
        if errors[epoch] < against - min_delta or (
            not strict and errors[epoch] <= against - min_delta
        ):
            best, waited = epoch, 0 if reset else waited
        else:
            waited += 1
        if waited >= patience + late:
            break
    return best, epoch


def _moving(errors: Any, patience: int, min_delta: float) -> tuple[int, int]:
    """Move the best at each improvement, and count those that are too small."""
    best = epoch = waited = 0
    for epoch in range(1, len(errors)):
        waited = 0 if errors[epoch] < errors[best] - min_delta else waited + 1
        best = epoch if errors[epoch] < errors[best] else best
        if waited >= patience:
            break
    return best, epoch


def _same(epoch: int) -> tuple[int, int]:
    """Restore the epoch at which training stops."""
    return epoch, epoch


STOPPING = Exercise(
    name="write-training-early-stopping-epoch",
    section="training.early_stopping",
    task="Write `early_stopping_epoch(errors, *, patience, min_delta)`: `errors` is "
    "(epochs,), the validation errors of epochs 0, 1, 2, ... The first epoch is the "
    "first best; a later one is the new best if its error is below that of the best so "
    "far by more than `min_delta`. Training stops after the epoch at which the best "
    "lies `patience` epochs back (at least 1), or after the last one. Return the pair "
    "(best, stop) of ints: the epoch whose weights are restored, and the last one run.",
    hint="Go through the epochs as training meets them: no decision may use a later "
    "error.",
    solution=early_stopping_epoch,
    inputs=_curve,
    mistakes=(
        Mistake(
            lambda errors, patience, min_delta: _watch(
                errors, patience, min_delta, late=True
            ),
            "You stop one epoch too late, once the waiting exceeds the patience. That "
            "is scikit-learn's way of counting; here, as in Keras, reaching it is "
            "enough.",
        ),
        Mistake(
            lambda errors, patience, min_delta: _watch(
                errors, patience, min_delta, previous=True
            ),
            "You compare each epoch with the one before. After a bad epoch any "
            "recovery then looks like progress: compare with the best so far.",
        ),
        Mistake(
            lambda errors, patience, min_delta: _watch(errors, patience, 0 * min_delta),
            "You ignore min_delta, so the smallest chance improvement starts the "
            "waiting anew.",
            source=(
                "callbacks.early_stopping ignores min_delta and other thoughts, "
                "https://github.com/cgarciae/ciclo/issues/11"
            ),
        ),
        Mistake(
            lambda errors, patience, min_delta: _watch(
                errors, patience, min_delta, reset=False
            ),
            "Your waiting counter is never set back, so it adds up all bad epochs of "
            "the run. It starts anew at every improvement.",
            source=(
                "fix: Fix bug in EarlyStop plugin patience counter, "
                "https://github.com/modelscope/ms-swift/pull/5326"
            ),
        ),
        Mistake(
            lambda errors, patience, min_delta: _same(
                _watch(errors, patience, min_delta)[1]
            ),
            "You keep the weights of the last epoch. By then the error has not "
            "improved for a while: the best weights must be saved, and restored at "
            "the end.",
        ),
        Mistake(
            lambda errors, **_settings: _same(int(np.argmin(errors))),
            "You stop at the lowest error of the whole run. That needs the future: the "
            "minimum is known only after the patience has passed, and a later one is "
            "never met.",
        ),
        Mistake(
            lambda errors, patience, min_delta: _watch(
                errors, patience, min_delta, strict=False
            ),
            "You take an error that equals the best, or its limit, for an improvement. "
            "It must be below.",
        ),
        Mistake(
            _moving,
            "You move the best at each improvement, also one that is too small to "
            "count. A slow, steady fall then never counts, however far it leads: the "
            "best moves only when the waiting starts anew.",
        ),
        Mistake(
            lambda errors, patience, min_delta: (
                _watch(errors, len(errors), min_delta)[0],
                _watch(errors, patience, min_delta)[1],
            ),
            "Your best epoch comes after the stop: it was never run.",
        ),
    ),
)

EXERCISES = (STOPPING,)
