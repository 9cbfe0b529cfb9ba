r"""
.. _nb-hp-regularization:

What do penalties do to weights?
================================

Ridge, lasso and elastic net all make weights small.  Which of them makes zeros?  Which
predicts best: does it depend on how many inputs matter?  And what does each make of a
network that learns from few pictures?
"""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch

from dlnotes.lab.data import load
from dlnotes.lab.fit import Callback, Falling, fit, predict
from dlnotes.lab.models import MLP, he
from dlnotes.lab.script import command_line
from dlnotes.training.weight_decay import (
    elastic_net_penalty,
    elastic_net_step,
    elastic_net_subgradient,
    ridge_regression,
)

# sphinx_gallery_start_ignore
command_line(__doc__)
# sphinx_gallery_end_ignore

# %%
# Penalties and their gradients
# -----------------------------
# The three differ in the share of the lasso.  For three weights: the penalty, and its
# gradient, derived by hand and by PyTorch.  Where a weight is zero, the lasso has no
# gradient; both take 0.

RATIOS = {"ridge": 0.0, "lasso": 1.0, "elastic net": 0.5}
w = torch.tensor([2.0, -0.1, 0.0], requires_grad=True)
apart = 0.0
for name, r in RATIOS.items():
    penalty = elastic_net_penalty(w, strength=1.0, l1_ratio=r)
    (theirs,) = torch.autograd.grad(penalty, w)
    ours = elastic_net_subgradient(w.detach(), strength=1.0, l1_ratio=r)
    apart = max(apart, (ours - theirs).abs().max().item())
    print(f"{name:<12} {penalty.item():5.3f}  {[round(g, 3) for g in ours.tolist()]}")

# %%
# A path
# ------
# A linear model with 100 inputs learns from 60 rows.  Either all inputs matter, or five
# of them do.  A seed fixes inputs, weights and noise; 500 more rows are for validation.

STRENGTHS = np.geomspace(10, 0.003, 14)
SEEDS = range(5)


def draw(inputs_that_matter, seed):
    rng = np.random.default_rng(seed)
    X, w = rng.normal(size=(560, 100)), rng.normal(size=100)
    w[inputs_that_matter:] = 0
    signal = X @ w
    y = 2 * signal / signal.std() + rng.normal(size=560)
    return (X[:60], y[:60]), (X[60:], y[60:])


# %%
# From the strongest penalty to the weakest, each starting at the weights of the one
# before: ridge by its formula, the others by 200 proximal steps.


def path(X, y, r):
    w, found = np.zeros(100), []
    rate = len(X) / np.linalg.norm(X, 2) ** 2
    for strength in map(float, STRENGTHS):
        step = partial(elastic_net_step, strength=strength, l1_ratio=r)
        for _ in range(200 if r else 0):
            w = step(w, X.T @ (X @ w - y) / len(X), learning_rate=rate)
        found.append(w if r else ridge_regression(X, y, strength=strength))
    return np.array(found)


# %%
# Mean squared errors along the paths, on the rows that were seen and on the others:

TASKS = {"all matter": 100, "five matter": 5}
errors, paths = {}, {}
for task, count in TASKS.items():
    for name, r in RATIOS.items():
        scores = []
        for seed in SEEDS:
            (X, y), other = draw(count, seed)
            paths[task, name] = W = path(X, y, r)
            scores.append([((W @ A.T - b) ** 2).mean(1) for A, b in ((X, y), other)])
        errors[task, name] = np.array(scores)

# %%
# Towards the left the penalty gets weaker.  The error on rows that were seen falls all
# the way to nearly zero: there the model has learned the noise, too.  The error on
# others has a minimum.

fig, axes = plt.subplots(2, 1, figsize=(6, 7), sharex=True, sharey=True)
for ax, task in zip(axes, TASKS, strict=True):
    for k, name in enumerate(RATIOS):
        seen, others = errors[task, name].mean(axis=0)
        ax.plot(STRENGTHS, others, f"C{k}-", marker="os^"[k], label=name)
        ax.plot(STRENGTHS, seen, f"C{k}:", linewidth=1)
    ax.set(xscale="log", ylabel="mean squared error", ylim=(0, 7))
    ax.set_title(task, loc="left", fontsize=10)
axes[0].legend(loc="lower right", fontsize=9)
axes[1].set_xlabel("strength")
fig.suptitle("Rows that were seen (dotted) and others\nsynthetic, 60 rows, 100 inputs")
fig.set_label(
    "Error against the strength, for three penalties, twice. The dotted curves rise. "
    "Of the others, ridge lies lowest where all inputs matter; where five do, lasso "
    "and elastic net have a deep minimum, and ridge has nearly none."
)

# %%
# The error of each at its best strength, mean and standard deviation over the seeds.
# The strength is chosen on the rows by which it is then judged, so all errors are a
# little too low.

best = {}
for key, values in errors.items():
    k = values[:, 1].mean(axis=0).argmin()
    best[key] = values[:, 1, k]
    mean, deviation = best[key].mean(), best[key].std(ddof=1)
    print(f"{': '.join(key):<24} {mean:4.2f} ± {deviation:4.2f} at {STRENGTHS[k]:.3f}")

# %%
# The weights themselves, where five matter, for the last seed.  From right to left, as
# the penalty gets weaker, ridge lets all grow together, and lasso one after the other.

fig, axes = plt.subplots(1, 2, figsize=(6, 3.6), sharey=True, layout="constrained")
for ax, name in zip(axes, ("ridge", "lasso"), strict=True):
    W = paths["five matter", name]
    ax.plot(STRENGTHS, W[:, 5:], color="#a0a0a0", linewidth=0.5)
    ax.plot(STRENGTHS, W[:, :5], linewidth=2)
    ax.set(xscale="log", xlabel="strength", title=name)
axes[0].set_ylabel("weight")
fig.suptitle("Five inputs matter (thick), 95 do not\nsynthetic, 60 rows")
fig.set_label(
    "Weights against the strength, from right to left. Under ridge all leave zero at "
    "once. Under lasso the largest of the five leave it long before the others."
)

# %%
# A network
# ---------
# 784 pixels, 32 hidden units, 10 kinds of garments; 500 pictures to learn from, and
# 1,000 others of the same file to choose a strength by.

train, test = (load("fashion-mnist", split=split) for split in ("train", "test"))
X, y = torch.tensor(train.X[:1500].reshape(-1, 784) / 255).float(), train.y[:1500]
X_test = torch.tensor(test.X[:1000].reshape(-1, 784) / 255).float()
y, y_test = torch.tensor(y), torch.tensor(test.y[:1000])
loss = torch.nn.CrossEntropyLoss()
print(f"{train.source}; {test.source}")

# %%
# After each step of SGD follows the proximal step of the penalty, on weights and not on
# biases: the step of the section, for a gradient of zero.  A momentum of 0.9 lets each
# gradient count ten times in the long run, so the penalty gets ten times the rate.


class Penalty(Callback):
    def __init__(self, strength, r):
        self.step = partial(elastic_net_step, strength=strength, l1_ratio=r)

    def after_step(self, run, _loss):
        rate = run.optimizer.param_groups[0]["lr"] / (1 - 0.9)
        with torch.no_grad():
            for w in run.model.parameters():
                if w.ndim > 1:
                    w.copy_(self.step(w, torch.zeros_like(w), learning_rate=rate))


# %%
# Twenty epochs, in which the rate falls to zero.  A seed fixes the initial weights and
# the order of the batches.


def learn(strength, r, seed):
    rng = np.random.default_rng(seed)
    model = MLP(rng, [784, 32, 10], torch.relu, init_std=he)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    run = {"loss": loss, "optimizer": optimizer, "epochs": 20, "batch_size": 50}
    both = [Penalty(float(strength), r), Falling()]
    fit(model, X[:500], y[:500], rng=rng, callbacks=both, **run)
    return model


def losses(model):
    sets = ((X[:500], y[:500]), (X[500:], y[500:]), (X_test, y_test))
    return [loss(predict(model, inputs), labels).item() for inputs, labels in sets]


# %%
# Four strengths for each penalty, the lasso's smaller, since it pulls on small weights
# as hard as on large ones; and none.

GRID = {"ridge": (0.003, 0.01, 0.03, 0.1), "lasso": (0.0003, 0.001, 0.003, 0.01)}
GRID["elastic net"] = (0.0006, 0.002, 0.006, 0.02)
models = {("none", 0): [learn(0, 0, seed) for seed in range(3)]}
for name, grid in GRID.items():
    for strength in grid:
        runs = [learn(strength, RATIOS[name], seed) for seed in range(3)]
        models[name, strength] = runs
scores = {key: np.array([*map(losses, runs)]) for key, runs in models.items()}

# %%
# The best strength of each by validation, and then the loss on the pictures seen and on
# the test pictures (mean and standard deviation), and the share of exact zeros in the
# first layer, for the first seed.

chosen, zeros = {"none": ("none", 0)}, {}
for name, grid in GRID.items():
    keys = [(name, strength) for strength in grid]
    chosen[name] = min(keys, key=lambda key: scores[key][:, 1].mean())
first = {name: models[key][0].hidden[0].weight for name, key in chosen.items()}
for name, key in chosen.items():
    zeros[name] = (first[name] == 0).float().mean().item()
    seen, _, unseen = scores[key].mean(axis=0)
    deviation = scores[key][:, 2].std(ddof=1)
    print(f"{name:<12} {key[1]:6} {seen:.3f}  {unseen:.3f} ± {deviation:.3f}", end="")
    print(f"  {zeros[name]:.0%} zeros")

# %%
# Strength against loss, for each penalty: too weak is like none, too strong hurts both.

fig, axes = plt.subplots(3, 1, figsize=(6, 7.6), sharey=True)
for ax, (name, grid) in zip(axes, GRID.items(), strict=True):
    curve = np.array([scores[name, each].mean(axis=0) for each in grid])
    ax.plot(grid, curve[:, 0], "o:", label="seen")
    ax.plot(grid, curve[:, 1], "s-", label="validation")
    ax.axhline(scores["none", 0][:, 1].mean(), color="#808080", linestyle="--")
    ax.set(xscale="log", ylabel="loss")
    ax.set_title(name, loc="left", fontsize=10)
axes[0].legend(loc="lower right")
axes[2].set_xlabel("strength")
fig.suptitle(f"Dashed: validation without a penalty\n500 of {train.source}")
fig.set_label(
    "Loss against the strength, for three penalties. The dotted curves, of pictures "
    "that were seen, rise. The validation curves have a minimum that lies below the "
    "dashed line."
)

# %%
# The weights of the first layer, 25,088 in each network, in classes of one width.

layout = {"sharex": True, "sharey": True, "layout": "constrained"}
fig, axes = plt.subplots(4, 1, figsize=(6, 7.6), **layout)
for ax, (name, weights) in zip(axes, first.items(), strict=True):
    values = weights.detach().numpy().ravel()
    ax.hist(values, bins=np.linspace(-0.2, 0.2, 82), color="C0")
    ax.set(yscale="log", ylabel="weights")
    text = f"{name}: {zeros[name]:.0%} are exactly zero"
    ax.set_title(text, loc="left", fontsize=10)
axes[-1].set_xlabel("weight")
fig.suptitle(f"Weights of the first layer\n500 of {train.source}")
fig.set_label(
    "Four histograms on a log scale. Without a penalty it is a broad hill. With ridge "
    "the hill is narrower. With lasso and elastic net a spike stands at zero."
)

# %%
# The answer
# ----------
# Which penalty is best depends on how many inputs matter: ridge where all do, lasso
# where five of a hundred do.  The elastic net lies between them, and is never last.
#
# In the network each of the three, at its best strength, has a lower loss on pictures
# that it has not seen than no penalty has, and a higher one on those it has.  Between
# the three the difference is small, but not in the weights: ridge has made no weight
# exactly zero, and lasso more than half of the first layer.
#
# Go on
# -----
# * Learn from 5,000 pictures.  How much is left of the advantage?
# * Set to zero the weights of the ridge network that are smallest, as many as the
#   lasso's zeros.  What does it cost?
# * Follow the subgradient in the place of the proximal step, and count the zeros.
#
# Every claim of the prose, checked.  Run by hand, the script shows its figures at the
# end.

assert apart == 0
for task, winner in (("all matter", "ridge"), ("five matter", "lasso")):
    middle = best[task, "elastic net"].mean()
    ends = [best[task, name].mean() for name in ("ridge", "lasso")]
    assert best[task, winner].mean() == min(ends) < middle < max(ends)
for seen, others in (values.mean(axis=0) for values in errors.values()):
    assert (np.diff(seen) < 0.02).all()
    assert seen[-1] < 0.05
    assert 0 < others.argmin() < len(STRENGTHS) - 1
means = {name: scores[key].mean(axis=0) for name, key in chosen.items()}
for name in RATIOS:
    assert means[name][2] < means["none"][2]
    assert means[name][0] > means["none"][0]
    assert GRID[name].index(chosen[name][1]) in (1, 2)
assert np.ptp([means[name][2] for name in RATIOS]) < 0.05
assert zeros["none"] == zeros["ridge"] == 0
assert zeros["lasso"] > 0.5
plt.show()
