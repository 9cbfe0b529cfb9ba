r"""
.. _nb-hp-learning-rate:

Does a range test find the learning rate?
=========================================

A range test takes a few hundred steps while the learning rate rises, and several rules
read a rate off its curve.  A grid takes a whole training run for each rate.  Do the
rules find what the grid finds?  Are they as good for SGD as for Adam?  And does the
ramp matter?
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from dlnotes.lab.data import load
from dlnotes.lab.fit import fit, predict
from dlnotes.lab.metrics import accuracy
from dlnotes.lab.models import MLP, he
from dlnotes.lab.range_test import range_test
from dlnotes.lab.script import command_line
from dlnotes.optimization.learning_rate import exponential_ramp, linear_ramp, picks

# sphinx_gallery_start_ignore
command_line(__doc__)
# sphinx_gallery_end_ignore

# %%
# The data
# --------
# Pictures of garments, each a row of 784 numbers.  The network has one hidden layer of
# 64 rectified units; a seed fixes its initial weights and the order of the batches.

train, test = (load("fashion-mnist", split=split) for split in ("train", "test"))
X, X_test = (
    torch.tensor(each.X[:1000].reshape(-1, 784) / 255).float() for each in (train, test)
)
y, y_test = (torch.tensor(each.y[:1000]) for each in (train, test))
print(f"{len(X):,} pictures to learn from; {train.source}; {test.source}")

# %%
# SGD and Adam, each with the same networks and the same batches:

OPTIMIZERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}
SEEDS = range(5)


def begin(name, seed, rate):
    rng = np.random.default_rng(seed)
    model = MLP(rng, [784, 64, 10], torch.relu, init_std=he)
    optimizer = OPTIMIZERS[name](model.parameters(), lr=rate)
    settings = {"loss": torch.nn.CrossEntropyLoss(), "optimizer": optimizer}
    return model, settings | {"batch_size": 50, "rng": rng}


# %%
# Two ramps
# ---------
# The rate rises from 0.00001 to 10 in 200 steps, by a constant factor or by a constant
# amount.  The test trains copies, so nothing has to be put back.


def tested(name, seed, ramp):
    model, settings = begin(name, seed, 0.0)
    return range_test(model, X, y, rates=ramp(1e-5, 10, 200), **settings)


# %%
# A linear ramp has two of its 200 steps below 0.1, and misses all that happens there.

fig, axes = plt.subplots(2, 1, figsize=(6, 6), sharey=True)
for ax, ramp in zip(axes, (exponential_ramp, linear_ramp), strict=True):
    for k, name in enumerate(OPTIMIZERS):
        curve = tested(name, 0, ramp)
        ax.plot(curve.rates, curve.smoothed, f"C{k}", label=name)
    ax.set(xscale="log", xlim=(1e-5, 10), ylim=(0, 6), ylabel="smoothed loss")
    ax.set_title(ramp.__name__.replace("_", " "), loc="left", fontsize=10)
axes[0].legend()
axes[1].set_xlabel("learning rate")
fig.suptitle(f"A linear ramp skips what matters\n{len(X):,} of {train.source}")
fig.set_label(
    "The loss against the learning rate, for SGD and Adam, twice. With the exponential "
    "ramp both curves are flat, fall and rise, that of Adam at smaller rates. With "
    "the linear ramp nearly all steps have rates above 0.1, and no curve falls far."
)

# %%
# What the rules pick
# -------------------
# Four rules, five seeds: the median of what each picks.  The first ten losses are left
# out, since they are means of so few.

RULES = ("half of largest", "below turning point", "tenth of turning point", "steepest")
picked = {}
for name in OPTIMIZERS:
    curves = [tested(name, seed, exponential_ramp) for seed in SEEDS]
    found = [picks(each.rates, each.smoothed) for each in curves]
    picked[name] = np.array(found)
    for rule, rates in zip(RULES, picked[name].T, strict=True):
        low, middle, high = np.quantile(rates, (0, 0.5, 1))
        print(f"{name:<5} {rule:<22} {middle:7.4f}  ({low:.4f} to {high:.4f})")

# %%
# The grid
# --------
# Eight rates for each optimizer, five seeds for each, five epochs.


def score(name, seed, rate):
    model, settings = begin(name, seed, float(rate))
    try:
        fit(model, X, y, epochs=5, **settings)
    except FloatingPointError:
        return 0.0
    return accuracy(predict(model, X_test), y_test)


GRIDS = {"SGD": exponential_ramp(0.003, 3, 8), "Adam": exponential_ramp(1e-4, 0.1, 8)}
on_grid = {
    name: np.array([[score(name, seed, rate) for rate in grid] for seed in SEEDS])
    for name, grid in GRIDS.items()
}

# %%
# The same for each rule, with the rate that it picked for that seed:

by_rule = {
    name: np.array([[score(name, s, rate) for rate in picked[name][s]] for s in SEEDS])
    for name in OPTIMIZERS
}

# %%
# The lines are the means of the grid, the marks those of the rules, at the median of
# their rates.

fig, axes = plt.subplots(2, 1, figsize=(6, 6.4), sharey=True)
for ax, (name, grid) in zip(axes, GRIDS.items(), strict=True):
    ax.plot(grid, on_grid[name].mean(axis=0), "o-", color="#808080", markersize=4)
    for k, rule in enumerate(RULES):
        rate, share = np.median(picked[name][:, k]), by_rule[name][:, k].mean()
        ax.plot(rate, share, "os^D"[k], color=f"C{k}", markersize=9, label=rule)
    ax.set(xscale="log", ylabel="accuracy", ylim=(0, 1))
    ax.set_title(name, loc="left", fontsize=10)
axes[0].legend(fontsize=9, loc="lower left")
axes[1].set_xlabel("learning rate")
fig.suptitle(f"The rules and the grid\n{len(X_test):,} of {test.source}")
fig.set_label(
    "Accuracy against the learning rate, for SGD and for Adam: it rises, has a flat "
    "top and falls. Half of the largest rate lies below the others, on the far side; "
    "the marks of the three other rules are on the top, or just before it."
)

# %%
# How much is lost
# ----------------
# The regret of a rule is the mean accuracy at the best rate of the grid minus its own,
# in points.  The best rate is chosen on the images by which it is then judged, so all
# regrets are a little too large.

regret = {
    name: 100 * (on_grid[name].mean(axis=0).max() - by_rule[name].mean(axis=0))
    for name in OPTIMIZERS
}
for name, values in regret.items():
    best = GRIDS[name][on_grid[name].mean(axis=0).argmax()]
    print(f"{name}: best of the grid {best:.3g}")
    for rule, value in zip(RULES, values, strict=True):
        print(f"  {rule:<22} regret {value:5.1f}")

# %%
# The answer
# ----------
# It finds the power of ten, and the rule decides the rest.  Where the loss falls
# fastest the network is nearly as good as with the best rate of the grid, which took
# eight training runs; slightly below the turning point is not far behind.  Half of the
# largest rate is far too much, for both optimizers: what a network survives for a few
# steps is not what it learns with.  A tenth of the turning point suits Adam, and is too
# slow for SGD.
#
# Go on
# -----
# * Train for twenty epochs.  Which rule gains, and which loses?
# * Smooth with a decay of 0.98.  Which of the rates move, and which way?
# * Let the network have five hidden layers, or batch normalization.
#
# Every claim of the prose, checked.  Run by hand, the script shows its figures at the
# end.

half, below, tenth, steepest = np.array([*regret.values()]).T
assert (half > 10).all()
assert steepest.max() < 3
assert (below < half / 3).all()
assert tenth[1] < 3 < tenth[0]
assert np.sum(linear_ramp(1e-5, 10, 200) < 0.1) == 2
for scores in on_grid.values():
    assert 0 < scores.mean(axis=0).argmax() < 7
plt.show()
