"""Dying ReLU: what to write, and the mistakes made there."""

from typing import Any

import numpy as np

from dlnotes.exercises.drawing import either, reals, whole
from dlnotes.exercises.exercise import Exercise, Mistake
from dlnotes.networks.dying_relu import dead_fraction, dead_units


def _layer(rng: np.random.Generator) -> dict[str, Any]:
    """Draw units that are dead, dead but for one instance, nearly dead, or well.

    That instance may be hardly active.  A unit that is nearly dead gets to zero.  In
    some draws an instance finds no unit active.
    """
    Z = reals(rng, rng.choice([whole(rng, 1, 6), 30]), whole(rng, 1, 8))
    instances, units = Z.shape
    kind, below = rng.integers(5, size=units), -np.abs(Z)
    below = np.where(below == 0, -np.abs(Z).max(), below)
    one = np.arange(instances)[:, None] == rng.integers(instances, size=units)
    Z = np.where(kind == 0, below, Z)
    Z = np.where(kind == 1, np.where(one, -below * rng.choice([0.5, 1e-12]), below), Z)
    Z = np.where(kind == 2, np.where(one, 0.0, below), Z)
    if rng.random() < 0.3:
        Z[whole(rng, 0, instances - 1)] = below[0]
    return either(rng, {"Z": Z})


DEAD_FRACTION = Exercise(
    name="write-networks-dying-relu-dead-fraction",
    section="networks.dying_relu",
    task="Write `dead_fraction(Z)`: Z (instances, units) has the pre-activations of a "
    "layer of ReLUs for a whole data set. Return the share, from 0 to 1, of dead "
    "units: those to whose weights no instance sends a gradient, where the derivative "
    "at zero is zero.",
    solution=dead_fraction,
    inputs=_layer,
    harmless=("clips Z",),
    mistakes=(
        Mistake(
            lambda Z: (Z <= 0).mean(),
            "That is the share of zero outputs, the sparsity. A healthy unit is "
            "inactive for about half of the instances; a dead one for all of them.",
            "oneoff script to count number of zero weights, "
            "https://github.com/tensorflow/minigo/pull/425",
        ),
        Mistake(
            lambda Z: (Z <= 0).any(axis=0).mean(),
            "You count units that are inactive at least once. Dead means inactive for "
            "every instance.",
        ),
        Mistake(
            lambda Z: (Z <= 0).all(axis=1).mean(),
            "You count instances for which all units are inactive: the axes are "
            "swapped.",
        ),
        Mistake(
            lambda Z: (Z < 0).all(axis=0).mean(),
            "A pre-activation of exactly zero passes no gradient either, so it does "
            "not make a unit alive.",
        ),
        Mistake(
            lambda Z: (Z.mean(axis=0) <= 0).mean(),
            "You judge by the mean pre-activation. One instance above zero keeps a "
            "unit alive, however negative the mean is.",
        ),
        Mistake(
            lambda Z: (np.median(Z, axis=0) <= 0).mean(),
            "You call a unit dead that is inactive for half of the instances. That is "
            "the usual state of a healthy one; dead means inactive for all.",
        ),
        Mistake(
            lambda Z: (Z <= 0).all(axis=0).sum(),
            "You return the number of dead units; their share is asked for.",
        ),
        Mistake(
            lambda Z: (Z <= 0).all(axis=0).sum() / len(Z),
            "You divide the number of dead units by that of the instances. Of the "
            "units a share is asked for.",
        ),
        Mistake(
            lambda Z: (Z > 0).any(axis=0).mean(),
            "That is the share of units that are alive.",
        ),
        Mistake(
            lambda Z: (Z == 0).all(axis=0).mean(),
            "You look for zeros, as if Z were the outputs. Z has pre-activations: "
            "those of a dead unit are negative.",
        ),
        Mistake(
            lambda Z: (Z[0] <= 0).mean(),
            "You look at the first instance only. Others may make the unit active.",
        ),
        Mistake(
            lambda Z: float((Z <= 0).all()),
            "You ask once for the whole layer. Each unit, a column, is dead or alive "
            "by itself.",
        ),
        Mistake(
            dead_units,
            "You return which units are dead; their share is asked for.",
        ),
    ),
    hint="Ask of each unit whether there is an instance that it learns from.",
)

EXERCISES = (DEAD_FRACTION,)
