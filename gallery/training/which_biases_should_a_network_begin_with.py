r"""
.. _nb-hp-biases:

Which biases should a network begin with?
=========================================

Weights begin at random.  The biases of hidden ReLUs may begin at zero, or a little
above it, so that fewer units are inactive; the bias of an output may begin at the base
rate.  How many units does a positive bias make active?  Is the network better for it?
And what does the base rate save?
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from dlnotes.lab import plots
from dlnotes.lab.data import load
from dlnotes.lab.fit import fit, predict
from dlnotes.lab.metrics import accuracy
from dlnotes.lab.models import MLP, he
from dlnotes.lab.script import command_line
from dlnotes.networks.dying_relu import dead_fraction
from dlnotes.training.bias_initialization import base_rate_bias, initial_loss

# sphinx_gallery_start_ignore
command_line(__doc__)
# sphinx_gallery_end_ignore

# %%
# The data
# --------
# Pictures of garments, made smaller to 14 by 14 pixels: 1,000 to learn from, 500 to
# choose a learning rate by, and 2,000 to test on.

train, test = (load("fashion-mnist", split=split) for split in ("train", "test"))


def smaller(images):
    blocks = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    return torch.tensor(blocks.reshape(-1, 196) / 255).float()


pixels, X_test = smaller(train.X[:21_500]), smaller(test.X[:2000])
labels, y_test = torch.tensor(train.y[:21_500]), torch.tensor(test.y[:2000])
X, y = pixels[:1000], labels[:1000]
X_val, y_val = pixels[1000:1500], labels[1000:1500]
print(f"{train.source}; {len(X_test):,} of {test.source}")

# %%
# Networks of 2, 5 and 10 hidden layers of 64 ReLUs, with He's weights.  A seed gives
# the same weights whatever the biases are.

DEPTHS, BIASES, SEEDS = (2, 5, 10), (0.0, 0.01, 0.1, 1.0), range(3)


def network(depth, bias, seed):
    rng = np.random.default_rng(seed)
    model = MLP(rng, [196, *[64] * depth, 10], torch.relu, init_std=he)
    for layer in model.hidden:
        torch.nn.init.constant_(layer.bias, bias)
    return model, rng


# %%
# Before training
# ---------------
# The share of pairs of a unit and a picture that are inactive, and the share of units
# that are dead, that is, inactive for all 1,000 pictures.  Means over the layers.


@torch.no_grad()
def at_start(depth, bias, seed):
    A, found = X, []
    for layer in network(depth, bias, seed)[0].hidden:
        Z = layer(A)
        found.append([(Z <= 0).float().mean().item(), dead_fraction(Z).item()])
        A = torch.relu(Z)
    return 100 * np.mean(found, axis=0)


shares = np.array(
    [[[at_start(d, b, s) for s in range(5)] for b in BIASES] for d in DEPTHS]
)
inactive, dead = np.moveaxis(shares, -1, 0)

# %%
# Both, in percent, as means of five networks:

fig, axes = plt.subplots(2, 1, figsize=(5.4, 6.4), layout="constrained")
titled = {"inactive pairs": inactive, "dead units": dead}
for ax, (title, values) in zip(axes, titled.items(), strict=True):
    table, names = values.mean(axis=2), ("hidden layers", "bias")
    plots.heatmap(ax, table.T, form=".1f", ticks=(DEPTHS, BIASES), names=names)
    ax.set_title(f"{title}, %")
fig.suptitle(f"A bias of 0.01 changes next to nothing\n{train.source}")
fig.set_label(
    "Two tables of four biases by three depths. With the biases 0 and 0.01 the shares "
    "are the same to a point. With 0.1 some points fewer pairs are inactive, and "
    "with 1 many fewer. Dead units are more with depth, and most with a bias of 1."
)

# %%
# After training
# --------------
# Eight epochs of momentum 0.9.  Each depth and bias has its own learning rate, the best
# of five on the validation pictures, by a seed that is not used again.

RATES = (0.001, 0.003, 0.01, 0.03, 0.1)


def trained(depth, bias, rate, seed):
    model, rng = network(depth, bias, seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    settings = {"loss": cross_entropy, "optimizer": optimizer, "rng": rng}
    try:
        fit(model, X, y, epochs=8, batch_size=100, **settings)
    except FloatingPointError:  # the loss has overflowed
        return 0.0, 0.0
    parts = ((X_val, y_val), (X_test, y_test))
    return [100 * accuracy(predict(model, each), labels) for each, labels in parts]


# %%
# The test accuracy at the best rate, for each seed:


def at_best(depth, bias):
    rate = max(RATES, key=lambda each: trained(depth, bias, each, 100)[0])
    return [*(trained(depth, bias, rate, seed)[1] for seed in SEEDS), rate]


results = np.array([[at_best(depth, bias) for bias in BIASES] for depth in DEPTHS])
right = results[..., :3]
for depth, row in zip(DEPTHS, results, strict=True):
    for bias, (*each, rate) in zip(BIASES, row, strict=True):
        said = f"{np.mean(each):.1f} ± {np.std(each, ddof=1):.1f} percent right"
        print(f"{depth:2} layers, bias {bias:<4g} {said}, rate {rate:g}")

# %%
# The base rate
# -------------
# Now one output tells boots from all else, and boots are rare: 20 of 1,980 pictures.
# The bias of the output begins at zero, or at the log odds of the base rate.

boots = torch.where(labels == 9)[0][:20]
others = torch.where(labels != 9)[0][:1960]
rare, target = pixels[torch.cat([boots, others])], torch.zeros(1980)
target[:20] = 1
log_odds = base_rate_bias(target).item()
two_logits = torch.tensor([0.0, log_odds])
entropy = initial_loss(torch.stack([1 - target, target], dim=1), two_logits).item()
print(f"log odds {log_odds:.2f}, entropy of the base rate {entropy:.3f}")

# %%
# A hidden layer of 32 units learns for 150 steps; the loss on all pictures is looked at
# before every fifth.


def losses(bias, rate, seed, steps=150):
    rng = np.random.default_rng(seed)
    model = MLP(rng, [196, 32, 1], torch.relu, init_std=he)
    torch.nn.init.constant_(model.last.bias, bias)
    optimizer, seen = torch.optim.SGD(model.parameters(), lr=rate), []
    for step in range(steps + 1):
        if step % 5 == 0:
            logits = predict(model, rare)[:, 0]
            seen.append(binary_cross_entropy_with_logits(logits, target))
        rows = torch.tensor(rng.permutation(len(rare))[:50])
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(
            model(rare[rows])[:, 0], target[rows]
        ).backward()
        optimizer.step()
    return torch.stack(seen).numpy()


# %%
# Three learning rates, three seeds:

GRID = (0.03, 0.1, 0.3)
curves = {
    bias: np.array([[losses(bias, rate, seed) for seed in SEEDS] for rate in GRID])
    for bias in (0.0, log_odds)
}
fig, axes = plt.subplots(3, 1, figsize=(5.4, 7), sharex=True, layout="constrained")
for k, ax in enumerate(axes):
    for (bias, runs), style in zip(curves.items(), ("C0-", "C1--"), strict=True):
        ax.plot(5 * np.arange(31), runs[k].T, style, linewidth=0.5)
        ax.plot(
            5 * np.arange(31), runs[k].mean(axis=0), style, label=f"bias {bias:.2f}"
        )
    ax.axhline(entropy, color="#808080", linewidth=1)
    ax.set(ylabel=f"loss, rate {GRID[k]:g}", yscale="log", ylim=(0.02, 1.5))
axes[0].legend()
axes[-1].set_xlabel("step")
fig.suptitle(f"The base rate saves the first fall\n{train.source}")
fig.set_label(
    "Three panels of loss against step, one a learning rate. From bias zero the loss "
    "begins near 0.8, falls steeply, and then slowly, above the gray line of the "
    "entropy or not far below. From the log odds it begins at the line and stays lower."
)

# %%
# After how many steps is the mean loss below the entropy, and what is it at the end?

for bias, runs in curves.items():
    for rate, each in zip(GRID, runs.mean(axis=1), strict=True):
        below = np.flatnonzero(each < entropy)
        first = f"after {5 * below[0]} steps" if len(below) else "not"
        print(f"bias {bias:5.2f}, rate {rate:<4g}: {first}; at the end {each[-1]:.3f}")

# %%
# The answer
# ----------
# Zero will do for hidden layers.  A bias of 0.01 changes next to nothing, and 0.1 makes
# a few more pairs active; neither is more accurate at all three depths.  A bias of 1
# makes many more pairs active, and yet more units dead in deep networks: all
# activations grow by the same amount, and pictures look more alike to the next layer.
# There the accuracy is lower, too.
#
# The output is another matter.  With one boot in a hundred pictures the base rate
# begins where zero gets only later, and is still ahead at the end.
#
# Go on
# -----
# * Center the pictures.  How many units are dead now?
# * Draw the hidden biases as PyTorch does, uniform up to 0.07 in the first layer.
# * Make boots more frequent, 200 of 1,980.  What is left of the base rate's lead?
#
# Every claim of the prose, checked.  Run by hand, the script shows its figures at the
# end.

pairs, units = inactive.mean(axis=2), dead.mean(axis=2)
assert (abs(pairs[:, 1] - pairs[:, 0]) < 1).all()
assert (abs(units[:, 1] - units[:, 0]) < 1).all()
assert (pairs[:, 2] < pairs[:, 0] - 1).all()
assert (pairs[:, 3] < pairs[:, 2] - 5).all()
assert (units[1:, 3] > units[1:, 0] + 2).all()
mean = right.mean(axis=2)
assert not (mean[:, 1:3] > mean[:, :1]).all(axis=0).any()
assert (mean[1:, 3] < mean[1:, 0] - 1).all()
zero, odds = (runs.mean(axis=1) for runs in curves.values())
assert ((odds < entropy).argmax(axis=1) * 5 < 80).all()
assert (odds[:, -1] < zero[:, -1]).all()
plt.show()
