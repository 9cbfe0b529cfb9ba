r"""
.. _nb-hp-early-stopping:

How long should one wait for a lower error?
===========================================

Early stopping ends training when the validation error has not improved for a number of
epochs, the patience.  Too few, and a chance bump ends the run; too many, and time is
wasted.  Does a threshold for what counts as an improvement help?  And what is lost if
the weights of the last epoch are kept in the place of the best ones?
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from dlnotes.lab import plots
from dlnotes.lab.data import load
from dlnotes.lab.fit import fit, predict
from dlnotes.lab.models import MLP, he
from dlnotes.lab.script import command_line
from dlnotes.training.early_stopping import early_stopping_epoch

# sphinx_gallery_start_ignore
command_line(__doc__)
# sphinx_gallery_end_ignore

# %%
# The data
# --------
# Pictures of garments: 1,000 to learn from and 500 to validate on, drawn anew for each
# seed, and 1,000 to test on.  A fifth of the labels to learn from are wrong, as they
# are where people label in a hurry; those to validate and to test on are right.

train, test = (load("fashion-mnist", split=split) for split in ("train", "test"))
pixels, pixels_test = (
    torch.tensor(each.X.reshape(-1, 784) / 255).float() for each in (train, test)
)
labels = torch.tensor(train.y)
testing = pixels_test[:1000], torch.tensor(test.y[:1000])
print(f"{train.source}; {len(testing[0]):,} of {test.source}")


def drawn(rng):
    rows = torch.tensor(rng.permutation(len(pixels))[:1500])
    X, y = pixels[rows], labels[rows]
    wrong = torch.tensor(rng.choice(1000, size=200, replace=False))
    y[wrong] = (y[wrong] + torch.tensor(rng.integers(1, 10, size=200))) % 10
    return (X[:1000], y[:1000]), (X[1000:], y[1000:])


# %%
# The curves
# ----------
# A network with 64 rectified hidden units, trained by Adam for 60 epochs.  After each
# the loss is looked at on all three parts, and the mistakes on the test images.


def curves(seed, epochs=60):
    rng = np.random.default_rng(seed)
    training, validation = drawn(rng)
    model, seen = MLP(rng, [784, 64, 10], torch.relu, init_std=he), []

    def look(_):
        z = [predict(model, X) for X, _ in (training, validation, testing)]
        targets = training[1], validation[1], testing[1]
        lost = [cross_entropy(*each).item() for each in zip(z, targets, strict=True)]
        mistakes = (z[2].argmax(1) != targets[2]).float().mean().item()
        seen.append([*lost, 100 * mistakes])

    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    settings = {"loss": cross_entropy, "optimizer": optimizer, "after_epoch": look}
    fit(model, *training, epochs=epochs, batch_size=50, rng=rng, **settings)
    return np.array(seen).T


# %%
# Five seeds, each with other images, other wrong labels and other initial weights.

runs = [curves(seed) for seed in range(5)]
TRAINING, VALIDATION, TEST, MISTAKES = range(4)

# %%
# The training loss falls for all 60 epochs: in the end the network learns the wrong
# labels too.  The validation loss falls and then rises, for all seeds.

fig, ax = plt.subplots(figsize=(6, 3.6))
for seed, run in enumerate(runs):
    names = ("training", "validation") if seed == 0 else (None, None)
    ax.plot(run[TRAINING], "C0--", linewidth=1, label=names[0])
    ax.plot(run[VALIDATION], "C1", linewidth=1, label=names[1])
    best = run[VALIDATION].argmin()
    ax.plot(best, run[VALIDATION, best], "C3o", label=None if seed else "lowest")
ax.set(xlabel="epoch", ylabel="cross-entropy", ylim=(0, 2))
ax.legend(loc="upper right")
fig.suptitle(f"Five seeds: the network learns wrong labels\n{train.source}")
fig.set_label(
    "Five pairs of curves over 60 epochs. The training losses fall steadily. The "
    "validation losses fall fast, are lowest between epochs 15 and 45, and rise again."
)

# %%
# The sweep
# ---------
# Five patiences, and three thresholds ``min_delta`` by which an error must fall below
# the best to count.  No run is repeated: the rule only looks at the curve.  The table
# has the mean test loss of the weights that are restored, and of the epochs run.

PATIENCES, THRESHOLDS = (1, 2, 5, 10, 20), (0.0, 0.01, 0.05)


def outcome(run, patience, min_delta):
    best, stop = early_stopping_epoch(
        run[VALIDATION], patience=patience, min_delta=min_delta
    )
    return run[TEST, best], stop + 1, run[TEST, stop], run[MISTAKES, best]


swept = np.array(
    [[[outcome(r, P, d) for r in runs] for d in THRESHOLDS] for P in PATIENCES]
)
means = swept.mean(axis=2)

# %%
# Both tables, side by side with what no stopping gives.

fig, axes = plt.subplots(2, 1, figsize=(5.4, 7.4))
ticks, names = (THRESHOLDS, PATIENCES), ("min_delta", "patience")
for ax, k, form in zip(axes, (0, 1), (".3f", ".0f"), strict=True):
    plots.heatmap(ax, means[..., k], form=form, ticks=ticks, names=names)
axes[0].set_title("test loss, best weights restored")
axes[1].set_title("epochs run, of 60")
fig.suptitle(f"Patience pays, a threshold hardly does\n{train.source}")
fig.set_label(
    "Two tables of five patiences by three thresholds. The test loss falls from "
    "patience 1 to 5 and then stays; with a larger threshold it is higher. The epochs "
    "run grow with the patience."
)

# %%
# How large is the difference against the spread between seeds?  All are paired: the
# same runs, stopped or not.

at_end = np.array([[run[TEST, -1], run[MISTAKES, -1]] for run in runs])
for P, row in zip(PATIENCES, swept[:, 0], strict=True):
    saved = at_end[:, 0] - row[:, 0]
    said = f"saves {saved.mean():6.3f} ± {saved.std(ddof=1):.3f} of test loss"
    print(f"patience {P:2} {said}, runs {row[:, 1].mean():.0f} epochs")
print(f"test loss at the end: {at_end[:, 0].mean():.3f}")

# %%
# The best weights
# ----------------
# With a patience of 10, what does it cost to keep the weights of the epoch at which
# training stopped, and what does stopping do to the mistakes?

kept = swept[PATIENCES.index(10), 0]
cost, mistakes = kept[:, 2] - kept[:, 0], at_end[:, 1] - kept[:, 3]
print(f"not restoring costs {cost.mean():.3f} ± {cost.std(ddof=1):.3f} of test loss")
spread = mistakes.std(ddof=1)
print(f"stopping avoids {mistakes.mean():.1f} ± {spread:.1f} mistakes in 100")

# %%
# The answer
# ----------
# About five epochs here.  A patience of one or two ends the run at the first bump, and
# the network is then little better, or worse, than one that was trained to the end.
# With five epochs the test loss is lower for each seed; ten and twenty find the same or
# nearly the same epoch, and take longer.  A threshold ends the waiting sooner, and
# costs some loss: 0.05 is more than a late epoch ever gains.  To restore the best
# weights costs a copy, and is worth it.
#
# Go on
# -----
# * Give the network right labels only.  Does the validation loss still rise?
# * Watch the mistakes on the validation images in the place of the loss, with
#   ``mode="min"``.  They jump by fifths of a percent; which patience do they need?
# * Train on all 1,500 images for as many epochs as stopping found.  Is that better?
#
# Every claim of the prose, checked.  Run by hand, the script shows its figures at the
# end.

for run in runs:
    assert run[TRAINING, -1] < run[VALIDATION].min() / 2
    assert 0 < run[VALIDATION].argmin() < 59
    assert run[VALIDATION, -1] > 1.01 * run[VALIDATION].min()
loss, epochs = means[:, 0, 0], means[:, 0, 1]
assert min(loss[:2]) > at_end[:, 0].mean() - 0.05 > loss[2]
assert (swept[2:, 0, :, 0] < at_end[:, 0]).all()
assert max(loss[2:]) - min(loss[2:]) < 0.01
assert (np.diff(epochs[2:]) > 5).all()
assert (means[2:, 2, 0] > means[2:, 0, 0]).all()
assert (means[2:, 2, 1] < means[2:, 0, 1]).all()
assert cost.mean() > cost.std(ddof=1) / 5**0.5
assert mistakes.mean() > mistakes.std(ddof=1)
plt.show()
