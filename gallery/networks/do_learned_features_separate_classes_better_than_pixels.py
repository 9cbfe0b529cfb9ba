"""
.. _nb-tsne:

Do learned features separate classes better than pixels?
========================================================

A map by t-SNE (:mod:`dlnotes.networks.tsne`) of what a hidden layer returns often has
tidier groups than one of the pixels.  Is that the layer, or the eye?  Here the layers
of a small network are compared with the pixels, and with the same layers before any
training, on images that the network has not seen.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.manifold import TSNE

from dlnotes.lab import plots
from dlnotes.lab.data import load
from dlnotes.lab.device import device
from dlnotes.lab.fit import fit
from dlnotes.lab.script import command_line
from dlnotes.networks.tsne import (
    bandwidths,
    initial_map,
    joint_probabilities,
    kl_divergence,
    kl_gradient,
    trustworthiness,
    tsne,
)

# %%
# The data
# --------
# Small gray pictures of ten kinds of garment.  The network learns from 5,000 of the
# training images; the maps are of 400 test images, or of 2,000 on a GPU.

where = device(command_line(__doc__, device=True).device)
train, test = (load("fashion-mnist", split=split) for split in ("train", "test"))
X, X_test = (
    torch.tensor(each.X.reshape(len(each.X), -1) / 255).float()
    for each in (train, test)
)
y, y_test = torch.tensor(train.y), torch.tensor(test.y)
count = min(400 if where.type == "cpu" else 2000, len(X_test))
print(f"{train.source}; {test.source}; on the {where.type}")

# %%
# A network with two hidden layers, and what each of them returns.


def network(seed):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(784, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    ).to(where)


def hidden(model, images):
    with torch.no_grad():
        first = model[:2](images)
        return first, model[2:4](first)


# %%
# The measure
# -----------
# The share of images of which most of the five nearest others have the same label.  It
# is taken in the full space, where it counts, and in the map.


def knn_accuracy(Z, labels):
    D = torch.cdist(Z, Z).fill_diagonal_(torch.inf)
    nearest = D.topk(5, largest=False).indices
    return (labels[nearest].mode(dim=1).values == labels).double().mean().item()


# %%
# The experiment
# --------------
# Five times: a network is made and trained, and test images are drawn.

NAMES = ("pixels", "layer 2, untrained", "layer 1, trained", "layer 2, trained")


def features(seed):
    rng, model = np.random.default_rng(seed), network(seed)
    some = rng.choice(len(X_test), count, replace=False)
    images, labels = X_test[some].to(where), y_test[some].to(where)
    untrained, learn = hidden(model, images)[1], slice(None, 5000)
    chosen = rng.permutation(len(X))[learn]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    loss, data = torch.nn.CrossEntropyLoss(), (X[chosen].to(where), y[chosen].to(where))
    fit(model, *data, loss=loss, optimizer=optimizer, epochs=8, rng=rng)
    return dict(
        zip(NAMES, (images, untrained, *hidden(model, images)), strict=True)
    ), labels


# %%
# Each of the four sets of features gets a map, and three numbers.

full, mapped, trusted = np.empty((3, len(NAMES), 5))
for seed in range(5):
    sets, labels = features(seed)
    maps = {name: tsne(Z, steps=500) for name, Z in sets.items()}
    for row, name in enumerate(NAMES):
        full[row, seed] = knn_accuracy(sets[name], labels)
        mapped[row, seed] = knn_accuracy(maps[name], labels)
        trusted[row, seed] = trustworthiness(sets[name], maps[name])
for name, *rows in zip(NAMES, full, mapped, trusted, strict=True):
    space, plane, trust = (np.mean(row) for row in rows)
    print(
        f"{name}: {space:.1%} in the space, {plane:.1%} in the map, trust {trust:.3f}"
    )

# %%
# Two maps of the last images: the pixels, and what layer 2 makes of them.  A letter
# stands for each kind of garment.

fig, axes = plt.subplots(2, 1, figsize=(5, 9.5))
for ax, name in zip(axes, ("pixels", "layer 2, trained"), strict=True):
    for label, letter in enumerate("TUPDCSHNBA"):
        at = maps[name][labels == label].cpu().numpy()
        ax.plot(*at.T, linestyle="", marker=f"${letter}$", markersize=5)
    ax.set(xticks=[], yticks=[], aspect="equal", title=name)
letters = (
    "T-shirt, troUsers, Pullover, Dress, Coat, Sandal, sHirt, sNeaker, Bag, Ankle boot"
)
fig.suptitle(f"The same images by pixels and by what was learned\n{test.source}")
fig.set_label(f"Two maps of letters, {letters}. Both have groups of one letter.")

# %%
# The answer
# ----------
