"""
Do these layers train like PyTorch's?
=====================================

Every layer of :mod:`dlnotes.nn` is a function of the book with parameters attached, and
so is every optimizer of :mod:`dlnotes.optim`.  Put together they are a convolutional
network.  Does it learn what the same network of PyTorch's layers learns, and is it any
good at telling garments apart?
"""

import os
import sys

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.metrics import confusion_matrix

import dlnotes.nn
import dlnotes.optim
from dlnotes.lab import plots
from dlnotes.lab.data import GARMENTS, load
from dlnotes.lab.device import device
from dlnotes.lab.fit import Falling, fit, predict
from dlnotes.lab.metrics import accuracy
from dlnotes.lab.script import command_line

# %%
# The data
# --------
# Small gray pictures of ten kinds of garment.  All pixels are shifted and scaled alike,
# so that those of the training images have mean zero and variance one.

where = device(command_line(__doc__, device=True).device)
train, test = (load("fashion-mnist", split=split) for split in ("train", "test"))
mean, deviation = train.X.mean(), train.X.std()
X, X_test = (
    torch.tensor((each.X[:, None] - np.float32(mean)) / np.float32(deviation))
    for each in (train, test)
)
y, y_test = torch.tensor(train.y), torch.tensor(test.y)

# %%
# The first two dozen, from where they were found on this machine:

fig, ax = plt.subplots()
names = [GARMENTS[label] for label in train.y[:24]]
plots.images(ax, train.X[:24] / 255, columns=8, labels=names)
fig.suptitle(f"Shirts, coats and dresses look much alike\n{train.source}")
fig.set_label(
    f"Three rows of gray pictures of garments, from {', '.join(names[:3])} on."
)
print(f"{train.source}, on the {where.type}")

# %%
# One network, twice
# ------------------
# Only the library that the layers come from differs.


def network(nn):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 10),
    )


# %%
# Side by side
# ------------
# PyTorch's network takes over the weights of ours.  Then each makes fifty steps or a
# few more, on the same batches in the same order, in double precision (which Apple's
# GPUs do not have).

ours, theirs = network(dlnotes.nn), network(torch.nn)
theirs.load_state_dict(ours.state_dict())
exactly = {"device": "cpu" if where.type == "mps" else where, "dtype": torch.float64}
few = slice(1600)
passes = -(-1600 // len(X[few]))
pair = {"dlnotes": (ours, dlnotes), "PyTorch": (theirs, torch)}

# %%
# The data, the loss, the rate and the generator of the order are the same for both.

runs, right = {}, {}
for name, (model, library) in pair.items():
    model.to(**exactly)
    runs[name] = fit(
        model,
        X[few].to(**exactly),
        y[few].to(exactly["device"]),
        loss=library.nn.CrossEntropyLoss(),
        optimizer=library.optim.Adam(model.parameters(), lr=0.003),
        epochs=passes,
        batch_size=32,
        rng=np.random.default_rng(0),
    )

# %%
# Whatever is between the two comes from rounding, for they add up in another order.
# Of a thousand test images, both have the same number right.

for name, (model, _) in pair.items():
    logits = predict(model, X_test[:1000].to(**exactly)).cpu()
    right[name] = accuracy(logits, y_test[:1000])
first, second = (run.losses for run in runs.values())
gaps, numbers = np.abs(first - second), np.arange(1.0, len(first) + 1)
fig, (above, below) = plt.subplots(2, sharex=True)
curves = {"dlnotes": first, "PyTorch": second}
plots.curves(above, numbers, curves, names=("", "loss"))
plots.curves(below, numbers, {"difference": gaps}, names=("step", ""))
share = f"{right['dlnotes']:.1%} and {right['PyTorch']:.1%}"
fig.suptitle(f"Two losses make one curve, and {share} are right")
fig.set_label(
    f"Above, the losses of both networks in {len(first)} steps, which fall together as "
    f"one line. Below, their difference, which stays under {gaps.max():.0e}."
)
print(f"after {len(first)} steps in each library, {share} are right")

# %%
# More data
# ---------
# Ours goes on in single precision, on 6,400 images, or a hundred times as many on a
# GPU, while its learning rate falls to zero.  The schedule, which
# :class:`~dlnotes.lab.fit.Falling` sets up, is PyTorch's, and does not mind whose
# optimizer it is.

amount = 6400 * (1 if where.type == "cpu" else 100)
ours.to(where, torch.float32)
optimizer = dlnotes.optim.Adam(ours.parameters(), lr=0.003)

# %%
# Only the loss, the optimizer and the schedule change for the long run.

run = fit(
    ours,
    X[:amount].to(where),
    y[:amount].to(where),
    loss=dlnotes.nn.CrossEntropyLoss(),
    optimizer=optimizer,
    epochs=max(1, amount // len(X)),
    rng=np.random.default_rng(1),
    callbacks=[Falling()],
)

# %%
# The confusion matrix: what the garments of each kind are taken for.  Shirts are the
# hardest: they have the most neighbors.

logits = predict(ours, X_test.to(where)).cpu()
right["dlnotes, more data"] = share = accuracy(logits, y_test)
taken = confusion_matrix(y_test, logits.argmax(1), normalize="true")

# %%
# A cell of the matrix is a share, in percent, of the garments of its row.

fig, ax = plt.subplots(figsize=(6.4, 6.8))
ticks, axes = (GARMENTS, GARMENTS), ("taken for, %", "")
plots.heatmap(ax, 100 * taken, form=".0f", ticks=ticks, names=axes)
ax.tick_params("x", rotation=45)
fig.suptitle(f"{share:.1%} are right, and shirts the least often\n{train.source}")
lowest, highest = 100 * np.sort(np.diag(taken))[[0, -1]]
fig.set_label(
    f"A table of 10 by 10 kinds of garments, bright on its diagonal: {lowest:.0f}% of "
    f"the shirts are right, and up to {highest:.0f}% of other kinds."
)
print(f"after {amount:,} images, {share:.1%} are right")

# sphinx_gallery_start_ignore
# No two runs take as long, so the page does not say it; speed.md has a measurement.
runs["dlnotes, more data"] = run
for name, each in runs.items():
    steps, seconds = len(each.losses), each.seconds
    line = f"{name}: {steps} steps in {seconds:.1f} s, {right[name]:.1%} right\n"
    if os.environ.get("RANK", "0") == "0":
        sys.__stdout__.write(line)
# sphinx_gallery_end_ignore

# %%
# The claims of the figures, checked on what they were drawn from.  Run by hand, the
# script shows its figures at the end.

assert gaps[:50].max() < 1e-13
assert right["dlnotes"] == right["PyTorch"] > 0.7
assert share > (0.82 if len(X) == 60_000 else 0.78)
assert np.diag(taken).argmin() == GARMENTS.index("shirt")
plt.show()
