r"""
.. _ex-bollywood-age:

Do class weights help a rare class?
===================================

A folder of images, a CSV file with a class for each, and one class of the three is
rare.  A network that learns from them sees that class so seldom that it may hardly ever
answer with it.  Do weights in the loss help, and what do they cost?

**Try it first.**  The lecture notes set it as an exercise on faces: 19,906 pictures of
Indian film actors, each young, middle or old.  They are not here, for the reasons
:ref:`below <faces>`, and nothing stands in for them: the pictures of this page are of
garments, in three unequal groups.  With a copy of your own the task is the same.

1. Read a folder of pictures of many sizes, and its labels.  Is there a picture without
   a label, or the other way round?  Bring all to one size.
2. Train a multilayer perceptron, and look at its confusion matrix, and at the recall
   and the precision of the rare class.
3. Weight the loss of each class by how rare the class is, and compare.
4. Which of the two is better?  Say by which measure.

One way to do it follows.
"""

import csv
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
)
from torch import nn

from dlnotes.lab import plots
from dlnotes.lab.data import load
from dlnotes.lab.files import image_folder
from dlnotes.lab.fit import fit, predict
from dlnotes.lab.models import MLP, he
from dlnotes.lab.script import command_line
from dlnotes.networks.rectifiers import relu

# sphinx_gallery_start_ignore
command_line(__doc__)
# sphinx_gallery_end_ignore

# %%
# A folder of images
# ------------------
# The ten garments of Fashion-MNIST, merged into three groups.  The rest, trousers and
# dresses, is made rare.

GROUPS = ["tops", "shoes and bags", "the rest"]
MERGED = np.array([0, 2, 0, 2, 0, 1, 0, 1, 1, 1])
COUNTS = (700, 500, 100)


def drawn(split, rng):
    data = load("fashion-mnist", split=split)
    group = MERGED[data.y]
    share = min(len(group), 2000) / 2000  # where there is but a part of the data
    rows = [
        rng.choice(np.flatnonzero(group == k), int(share * count), replace=False)
        for k, count in enumerate(COUNTS)
    ]
    rows = rng.permutation(np.concatenate(rows))
    return data.X[rows], group[rows], f"{len(rows):,} drawn from {data.source}"


# %%
# They are written to a folder as such data come: files of different sizes, and a CSV
# file with the columns ``ID`` and ``Class``.


def write(folder, split, rng):
    (folder / split).mkdir()
    X, group, source = drawn(split, rng)
    rows = [("ID", "Class")]
    for k, (pixels, label) in enumerate(zip(X, group, strict=True)):
        size = tuple(int(each) for each in rng.integers(24, 60, 2))
        Image.fromarray(pixels).resize(size).save(folder / split / f"{k}.png")
        rows.append((f"{k}.png", GROUPS[label]))
    with (folder / f"{split}.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return source


# %%
# And read.  :func:`~dlnotes.lab.files.image_folder` refuses a label without an image,
# an image without a label, a class that is not in the list, and a damaged file, and
# names them.  With a copy of your own, ``classes`` is ``["YOUNG", "MIDDLE", "OLD"]``.


def read(folder, split, classes):
    return image_folder(
        folder / split, folder / f"{split}.csv", size=(28, 28), classes=classes
    )


rng = np.random.default_rng(0)
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    sources = [write(folder, split, rng) for split in ("train", "test")]
    train, test = (read(folder, split, GROUPS) for split in ("train", "test"))
    (folder / "test" / "7.png").write_bytes(b"half a file")
    try:
        read(folder, "test", GROUPS)
    except RuntimeError as error:
        refused = str(error).replace(name, "")
print(f"{train.source}, {train.X.shape[1:]}")
print(f"A damaged file: {refused}")

# %%
# Three of each group.

some = np.concatenate([np.flatnonzero(train.y == k)[:3] for k in range(3)])
fig, ax = plt.subplots(figsize=(4.8, 5.4))
labels = [GROUPS[label] for label in train.y[some]]
plots.images(ax, train.X[some].mean(axis=3) / 255, columns=3, labels=labels)
fig.suptitle(f"Brought to one size\n{sources[0]}")
fig.set_label("Three rows of gray pictures of garments, a group in each.")

# %%
# Measures
# --------
# Of 1,300 pictures 100 are of the rare class.  Who never answers with it is right about
# 92 of 100 pictures at best, so accuracy says little of it.  **Recall** is the share of
# a class that is found, and **precision** is the share of the answers with it that are
# right.  Their harmonic mean is :math:`F_1`, and its mean over the classes is **macro**
# :math:`F_1`, in which each class counts the same.  The mean of the recalls is the
# **balanced accuracy**, which does not ask how many answers were wrong.


def measures(guesses, labels):
    precision, recall, F1, _ = precision_recall_fscore_support(
        labels, guesses, zero_division=0
    )
    return [recall[2], precision[2], F1.mean(), recall.mean()]


# %%
# All of these change when the network merely answers with a class more readily.  The
# **average precision** hardly does: it puts the pictures in the order of their chance
# to be of the rare class, and is the mean of the precision down that list.


def ordered(scores, labels):
    chance = scores[:, 2] - np.logaddexp(scores[:, 0], scores[:, 1])
    return average_precision_score(labels == 2, chance)


# %%
# Three methods
# -------------
# The loss as it is; the loss of each picture times a weight, which is larger the rarer
# its class; and, as a control, the network of the first method with nothing learned
# anew: to the score of each class the logarithm of that weight is added (`Menon and
# others, 2021 <https://arxiv.org/abs/2007.07314>`_, call it logit adjustment).

there = np.bincount(train.y, minlength=3)
weights = len(train.y) / (3 * np.maximum(there, 1))
print({name: round(float(each), 2) for name, each in zip(GROUPS, weights, strict=True)})
gray = [each.X.mean(axis=3).reshape(len(each.X), -1) for each in (train, test)]
X, X_test = ((each - gray[0].mean()) / gray[0].std() for each in gray)
X, X_test = (torch.tensor(each, dtype=torch.float32) for each in (X, X_test))
y = torch.tensor(train.y)


# %%
# The network is trained for 3 and for 24 epochs, from the same weights, with the same
# pictures in the same order.


def scores(seed, epochs, loss_weights):
    rng = np.random.default_rng(seed)
    model = MLP(rng, [784, 64, 3], relu, init_std=he)
    loss = nn.CrossEntropyLoss(loss_weights, reduction="none")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    fit(model, X, y, loss=loss, optimizer=optimizer, epochs=epochs, rng=rng)
    return predict(model, X_test).double().numpy()


# %%
# Five times each.

METHODS = ("as it is", "weighted", "shifted afterwards")
EPOCHS = (3, 24)
found = np.empty((len(EPOCHS), len(METHODS), 5, 5))
confusions = np.zeros((2, 3, 3))
for row, epochs in enumerate(EPOCHS):
    for seed in range(5):
        plain = scores(seed, epochs, None)
        weighted = scores(seed, epochs, torch.tensor(weights, dtype=torch.float32))
        for k, each in enumerate((plain, weighted, plain + np.log(weights))):
            guesses = each.argmax(axis=1)
            found[row, k, :, seed] = *measures(guesses, test.y), ordered(each, test.y)
            if row == 0 and k < 2:
                confusions[k] += confusion_matrix(test.y, guesses)

# %%
# The answer
# ----------
# It depends on the measure.  With weights more of the rare pictures are found, and more
# of the answers with the rare class are wrong.  So the balanced accuracy rises.  Macro
# :math:`F_1`, which weighs the one against the other, changes little, and rather for
# the worse.

MEASURES = ("recall", "precision", "macro F1", "balanced accuracy", "average precision")
for row, epochs in enumerate(EPOCHS):
    print(f"after {epochs} epochs:    {',  '.join(METHODS)}")
    for name, means in zip(MEASURES, found[row].mean(axis=2).T, strict=True):
        print(f"{name:<18}", "  ".join(f"{each:.3f}" for each in means))

# %%
# And the average precision stays as it was.  Weights do not teach the network to tell
# the classes apart: they say which mistake is worse.

fig, axes = plt.subplots(5, 1, figsize=(6, 9.6))
names = ("recall of the rare class", "its precision", *MEASURES[2:])
for measure, (ax, name) in enumerate(zip(axes, names, strict=True)):
    samples = dict(zip(METHODS, found[0, :, measure], strict=True))
    plots.bars(ax, samples, name=f"{name}, after {EPOCHS[0]} epochs")
    ax.set(xlim=(0, 1))
fig.suptitle(f"What weights find they pay for\n{sources[1]}")
fig.set_label(
    "Five panels of three bars. Weights raise the recall of the rare class and the "
    "balanced accuracy, and lower the precision, and so does the shift afterwards; "
    "macro F1 and average precision change little."
)

# %%
# Two things more.  Where the loss was not weighted, to add the logarithms of the
# weights to the scores afterwards does much the same, and costs no training.  And after
# more epochs the weights do less, as `Byrd and Lipton (2019)
# <https://arxiv.org/abs/1812.03372>`_ found: a network that fits all of its training
# pictures has no loss left that could be weighted.

gained = (found[:, 1] - found[:, 0])[:, 0].mean(axis=1)
for epochs, gain in zip(EPOCHS, gained, strict=True):
    print(f"after {epochs:2} epochs weights raise the recall by {gain:.2f}")

# %%
# What is taken for what, after 3 epochs, as it is and with weights.  A row is a group,
# and its cells are percent of the pictures in it.

confusions /= confusions.sum(axis=2, keepdims=True)
fig, axes = plt.subplots(2, 1, figsize=(5.4, 6.8))
ticks, names = (["tops", "shoes", "rest"], GROUPS), ("taken for, %", "")
for ax, name, confusion in zip(axes, METHODS[:2], confusions, strict=True):
    plots.heatmap(ax, 100 * confusion, form=".0f", ticks=ticks, names=names)
    ax.set(title=f"the loss {name}")
right = " and ".join(f"{100 * confusion[2, 2]:.0f}%" for confusion in confusions)
fig.suptitle(f"More of the rest is found, and more of the tops is lost\n{sources[1]}")
fig.set_label(
    f"Two tables of three by three groups. Of the rest {right} are right, without and "
    "with weights; more tops are taken for it with weights."
)

# %%
# .. _faces:
#
# Faces
# -----
# Why is there no folder of faces here?  The pictures of the exercise are frames of
# films: nobody in them was asked, and whose the frames are and what may be done with
# them is not stated.  *Young*, *middle* and *old* is what somebody thought of a face
# with make-up in a film, and not an age.  The same actors are on many pictures, so a
# random split has them on both sides, and a network may learn who they are instead.
#
# It is no single case.  `Labeled Faces in the Wild
# <https://vis-www.cs.umass.edu/lfw/>`_ came from news pages, and its own page warns
# that it has few children and old people, and fewer women than men.  `Buolamwini and
# Gebru (2018) <https://proceedings.mlr.press/v81/buolamwini18a.html>`_ showed that
# three products which classify faces err most for women with dark skin.  `Peng, Mathur
# and Narayanan (2021) <https://arxiv.org/abs/2108.02922>`_ followed such data through a
# thousand papers: they went on to be used after they had been withdrawn.  Before you
# use a folder of faces ask who agreed, to what, what the license says, who is missing,
# and what a wrong answer does to whom.
#
# Go on
# -----
# * Choose the weight of the rare class such that its recall and precision are equal.
# * Draw the precision over the recall as the shift grows.
# * Put a convolutional network in the place of the multilayer perceptron.
#
# Every claim of the prose, checked.  Run by hand, the script shows its figures at the
# end.

as_it_is, weighted, shifted = found[0]
assert "7.png" in refused
assert train.X.shape[1:] == test.X.shape[1:] == (28, 28, 3)
assert (weighted[0] > as_it_is[0]).all()
assert weighted[1].mean() < as_it_is[1].mean() - 0.05
assert -0.05 < weighted[2].mean() - as_it_is[2].mean() < 0.02
assert weighted[3].mean() > as_it_is[3].mean() + 0.01
assert np.abs(found[:, 1, 4].mean(axis=1) - found[:, 0, 4].mean(axis=1)).max() < 0.02
assert np.abs(shifted - weighted).mean(axis=1).max() < 0.1
assert gained[1] < gained[0] / 2
assert confusions[1, 0, 2] > confusions[0, 0, 2]
plt.show()
