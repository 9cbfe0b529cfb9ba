r"""
.. _nb-hp-dropout:

Does dropout help on pictures?
==============================

A network that has few pictures to learn from learns them by heart.  How many units
should be dropped, in the hidden layers or among the pixels?  What gets better by it?
Is it better than weight decay?  And is it worth while to ask many masks?
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from dlnotes.lab.data import load
from dlnotes.lab.fit import fit, predict
from dlnotes.lab.metrics import accuracy
from dlnotes.lab.models import MLP, he
from dlnotes.lab.script import command_line
from dlnotes.training.dropout import dropout, enumerate_subnetworks

# sphinx_gallery_start_ignore
command_line(__doc__)
# sphinx_gallery_end_ignore

# %%
# The data
# --------
# Garments of 14 by 14 pixels: 500 for each of four seeds, others to choose settings
# by, and test pictures, which choose nothing.

train, test = (load("fashion-mnist", split=split) for split in ("train", "test"))
X, X_test = (
    torch.tensor(
        each.X[:3000].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)) / 255
    ).float()
    for each in (train, test)
)
X, X_test = X.flatten(1), X_test[:1000].flatten(1)
y, y_test = torch.tensor(train.y[:3000]), torch.tensor(test.y[:1000])
OTHERS, SEEDS = (X[2000:], y[2000:]), range(4)
print(f"500 pictures to learn from, {len(OTHERS[1]):,} to choose by; {train.source}")

# %%
# A network with dropout
# ----------------------
# Two hidden layers of 128 rectified units.  The masks come from the section's
# :func:`~dlnotes.training.dropout.dropout`, and from a generator of their own, so that
# weights and batches are the same whatever the rates are.


class Network(MLP):
    def __init__(self, seed, inputs=0.0, hidden=0.0, units=(128, 128)):
        weights, masks = np.random.default_rng(seed).spawn(2)
        super().__init__(weights, [196, *units, 10], torch.relu, init_std=he)
        self.rates, self.masks = (inputs, hidden), masks

    def drop(self, H, p):
        return dropout(H, p=p, rng=self.masks) if self.training and p else H

    def forward(self, x):
        x = self.drop(x, self.rates[0])
        for layer in self.hidden:
            x = self.drop(torch.relu(layer(x)), self.rates[1])
        return self.last(x)


# %%
# Is what it drops rescaled?  The mean of many passes through a dropped layer is the
# layer, and in evaluation mode nothing happens:

network, H = Network(0, hidden=0.5), torch.ones(20_000, 4)
dropped = network.drop(H, 0.5)
network.eval()
print(sorted({*dropped.flatten().tolist()}), dropped.mean(0), network.drop(H, 0.5)[0])

# %%
# Twenty-five epochs of AdamW.  Accuracy and loss are noted on the pictures to choose
# by, and on the test pictures.


def learn(seed, decay=0.0, **rates):
    network, rows = Network(seed, **rates), slice(500 * seed, 500 * seed + 500)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.002, weight_decay=decay)
    settings = {"loss": cross_entropy, "optimizer": optimizer, "epochs": 25}
    order = np.random.default_rng(seed)
    fit(network, X[rows], y[rows], batch_size=50, rng=order, **settings)
    return network


def judged(network, X, y):
    outputs = predict(network, X)
    return accuracy(outputs, y), cross_entropy(outputs, y).item()


# %%
# Three ways to regularize
# ------------------------
# Each has the same number of settings to try, and nothing but this one setting differs
# between them.

GRIDS = {
    "hidden": (0.2, 0.4, 0.7),
    "inputs": (0.1, 0.3, 0.5),
    "decay": (0.3, 1.0, 3.0),
}
plain = np.array(
    [[judged(net, *OTHERS), judged(net, X_test, y_test)] for net in map(learn, SEEDS)]
)
found = {(way, 0): plain for way in GRIDS}

# %%
# The arrays have the axes seed, set (to choose by, test), and accuracy or loss.

for way, grid in GRIDS.items():
    for value in grid:
        nets = [learn(seed, **{way: value}) for seed in SEEDS]
        scores = [[judged(net, *OTHERS), judged(net, X_test, y_test)] for net in nets]
        found[way, value] = np.array(scores)

# %%
# The best setting of each, by the mean loss on the pictures to choose by, and what it
# gives on the test pictures: means, and the standard deviation over the seeds of the
# difference from nothing.

best = {
    way: min(grid, key=lambda value: found[way, value][:, 0, 1].mean())
    for way, grid in GRIDS.items()
}
gains = {way: found[way, value][:, 1] - plain[:, 1] for way, value in best.items()}
print("nothing       accuracy {:.3f}, loss {:.3f}".format(*plain[:, 1].mean(axis=0)))
for way, value in best.items():
    (right, loss), (d_right, d_loss) = gains[way].mean(0), gains[way].std(0, ddof=1)
    print(
        f"{way:<7}{value:<5}  {right:+.3f} ± {d_right:.3f}, {loss:+.3f} ± {d_loss:.3f}"
    )

# %%
# The curves of all settings, on the test pictures.  Points are seeds.

fig, axes = plt.subplots(2, 1, figsize=(6, 6), sharex=True)
for k, ax in enumerate(axes):
    for way, marker in zip(("hidden", "inputs"), "os", strict=True):
        rates = (0, *GRIDS[way])
        values = np.array([found[way, rate][:, 1, k] for rate in rates])
        line = ax.plot(rates, values.mean(axis=1), marker + "-", label=way)
        ax.plot(rates, values, ".", color=line[0].get_color(), alpha=0.5)
    ax.set(ylabel=("accuracy", "loss")[k])
axes[0].legend()
axes[1].set_xlabel("dropout rate")
fig.suptitle(
    f"After 25 epochs dropout lowers the loss\n{len(X_test):,} of {test.source}"
)
fig.set_label(
    "Accuracy and loss on test pictures against the dropout rate, of hidden units and "
    "of inputs. The accuracy hardly changes and then falls; the loss falls first."
)

# %%
# Many masks
# ----------
# Monte Carlo dropout: the mean of the probabilities of fifty random masks, against the
# network in evaluation mode, which is asked once.

network = learn(0, hidden=best["hidden"])
network.train()
with torch.no_grad():
    answers = torch.stack([network(X_test).softmax(1) for _ in range(50)])
once = predict(network, X_test).softmax(1)
many = answers.mean(0)
compared = {
    name: (accuracy(p, y_test), -p.gather(1, y_test[:, None]).log().mean().item())
    for name, p in {"once": once, "many": many, "one mask": answers[0]}.items()
}

# %%
# Accuracy and loss:

for name, (right, loss) in compared.items():
    print(f"{name:<9} {right:.3f} {loss:.3f}")

# %%
# All subnetworks
# ---------------
# A network with one hidden layer of eight units has 256 masks, all of which can be
# asked.  Each is judged by itself, and then the mean of all.

small = learn(0, hidden=0.5, units=(8,))
with torch.no_grad():
    H = torch.relu(small.hidden[0](X_test))
    masks = torch.tensor(enumerate_subnetworks(8)).float()
    each = small.last(2 * masks[:, None] * H).softmax(2)
alone = np.array([accuracy(p, y_test) for p in each])
together = {"mean of all masks": accuracy(each.mean(0), y_test)}
together["scaled weights"] = judged(small, X_test, y_test)[0]

# %%
# The more units a mask keeps, the better it is.  Both ways to use all of them are at
# the upper end.

kept = masks.sum(1).numpy()
fig, ax = plt.subplots(figsize=(6, 4.2))
ax.plot(kept + np.random.default_rng(0).uniform(-0.2, 0.2, 256), alone, ".", alpha=0.5)
for (name, share), style in zip(together.items(), ("-", "--"), strict=True):
    ax.axhline(share, color="C1", linestyle=style, label=name)
ax.legend(loc="lower right")
ax.set(xlabel="units kept", ylabel="accuracy")
fig.suptitle(f"The 256 subnetworks of eight units\n{len(X_test):,} of {test.source}")
fig.set_label(
    "A point for each subnetwork: accuracy against the number of units kept, rising. "
    "Two lines, of the mean of all masks and of scaled weights, are near the best."
)

# %%
# The answer
# ----------
# Dropout in the hidden layers makes the network less sure of what it has not seen: its
# loss falls in every seed.  That its accuracy is better these runs do not show.  Weight
# decay at its best lowers the loss too, and which of them does more is not clear.  All
# had twenty-five epochs: the network without either may gain as much from fewer.  Fifty
# masks are about as often right as the network that is asked once.
#
# Go on
# -----
# * Train on 2,000 pictures.  Which rates are best then?
# * Drop inputs and hidden units at the same time.
# * Let each rate have its own best number of epochs.
#
# Every claim of the prose, checked.  Run by hand, the script shows its figures at the
# end.

assert len({len(grid) for grid in GRIDS.values()}) == 1
assert all(best[way] not in grid[::2] for way, grid in GRIDS.items())
assert (gains["hidden"][:, 1] < 0).all()
assert gains["decay"][:, 1].mean() < 0
right = gains["hidden"][:, 0]
assert abs(right.mean()) < 3 * right.std(ddof=1) / 2
assert abs(compared["many"][0] - compared["once"][0]) < 0.02
assert min(together.values()) > np.quantile(alone, 0.9)
assert np.corrcoef(kept, alone)[0, 1] > 0.5
assert torch.equal(network.eval().drop(H, 0.5), H)
plt.show()
