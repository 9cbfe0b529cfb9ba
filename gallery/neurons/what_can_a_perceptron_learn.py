r"""
.. _nb-perceptron:

What can a perceptron learn?
============================

One unit has one straight line to spend.  What does Rosenblatt's rule make of it on a
truth table, on flowers, and on data that no line separates?  And does it matter that
the lecture notes print the rule with two factors more?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import Perceptron as SklearnPerceptron
from sklearn.svm import SVC

from dlnotes.lab import plots
from dlnotes.lab.script import command_line
from dlnotes.networks.activations import sigmoid
from dlnotes.neurons.perceptron import Perceptron, predict, signed_distance
from dlnotes.neurons.perceptron_rule import fit, novikoff_bound, pocket, update

# sphinx_gallery_start_ignore
command_line(__doc__)
# sphinx_gallery_end_ignore

# %%
# The rule, from scratch
# ----------------------
# Everything there is to it: weights, a bias, an error, and one step for each instance.
# The printed rule has the output as a factor in the step of the weights, and the old
# bias as a factor in the step of the bias.


def learn(w, b, X, y, *, printed, passes=20):
    for _ in range(passes):
        for x, target in zip(X, y, strict=True):
            output = float(w @ x + b >= 0)
            error = target - output
            w = w + error * (output if printed else 1) * x
            b = b + error * (b if printed else 1)
    return [*w, b]


# %%
# Three truth tables
# ------------------
# Thirty starts for each gate and each rule, and how many of them end with all four
# corners right.

corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
gates = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "exclusive or": [0, 1, 1, 0]}
starts = np.random.default_rng(0).normal(size=(30, 3))
learned = np.zeros((2, 3))
for row, printed in enumerate([False, True]):
    for column, y in enumerate(gates.values()):
        for start in starts:
            *w, b = learn(start[:2], start[2], corners, y, printed=printed)
            learned[row, column] += ((corners @ w + b >= 0) == y).all()

# %%
# The rule learns *and* and *or* from every start.  As printed it hardly ever does.
# Nothing learns *exclusive or*.

print("of 30 starts:", " ".join(f"{gate:>12}" for gate in gates))
for name, counts in zip(["the rule", "as printed"], learned, strict=True):
    print(f"{name:<13}", " ".join(f"{count:12.0f}" for count in counts))

# %%
# The library's function is the same rule, and ends at the same weights.

start = Perceptron(W=np.zeros((2, 1)), b=np.zeros(1))
Y_or = np.array([gates["or"]], dtype=float).T
model, _ = fit(start, corners, Y_or)
by_library = [*model.W[:, 0], *model.b]
by_hand = learn(np.zeros(2), 0.0, corners, gates["or"], printed=False)

# %%
# Flowers
# -------
# Is an iris a *setosa*, or one of the two others?  The length and the width of its
# sepals are just enough to tell.  Here is the line after some of the passes over the
# 150 flowers, in the order of the file, each measurement less its mean.

iris = load_iris()
Y = (iris.target[:, None] == 0).astype(float)
measured = iris.data[:, [0, 1]]
centered = measured - measured.mean(axis=0)
passes, made = [start], []
while not made or made[-1]:
    model, errors = update(passes[-1], centered, Y)
    passes.append(model)
    made.append(int((errors != 0).sum()))

# %%
# The last pass has nothing to correct.  The rule stops at the first line that will do,
# not at the best: this one passes a flower at half the distance that could be had, as
# the next cells find.

fig, ax = plt.subplots()
plots.points(ax, centered, Y)
for k in (2, 3, 4, len(made)):
    plots.boundary(ax, passes[k], f"pass {k}, {made[k - 1]} corrections")
ax.set(xlim=(-1.9, 2.4), ylim=(-1.4, 1.6))
ax.set(xlabel="sepal length", ylabel="sepal width")
fig.suptitle("Pass by pass the line turns until setosa (1) is on its own")
print(f"after {len(made)} passes all 150 flowers are on their side")
fig.set_label(
    "Sepal widths over lengths of 150 flowers, in two groups that touch. The lines of "
    "early passes cut through a group; that of the last pass runs between them."
)

# %%
# Corrections, made and allowed
# -----------------------------
# Novikoff's bound needs a vector that separates, and is the lower the wider the gap
# that it sees.  A support vector machine finds one with nearly the widest gap.

counts = {"made": [], "allowed": []}
for X in (centered, measured):
    svm = SVC(kernel="linear", C=1e8).fit(X, Y[:, 0])
    u = Perceptron(W=svm.coef_.T.copy(), b=svm.intercept_)
    model, corrections = fit(start, X, Y)
    counts["made"].append(corrections)
    counts["allowed"].append(float(novikoff_bound(u, X, Y)[0]))


def gap(model, X):
    return np.abs(signed_distance(model, X)).min()


# %%
# The allowance is never used up.  But it is right about what makes the work hard: the
# gap beside the length of the instances.  To subtract the mean shortens the instances
# and leaves the gap, and saves nearly all of the corrections.

print(f"corrections      {'made':>8} {'allowed':>8}")
for name, *row in zip(
    ["mean subtracted", "as measured"], *counts.values(), strict=True
):
    print(f"{name:<16}", " ".join(f"{count:8,.0f}" for count in row))

# %%
# The same by scikit-learn
# ------------------------
# Its perceptron also corrects an instance that lies exactly on the line, so its weights
# differ.  Its answers do not: both are right about every flower.

ours, _ = fit(start, centered, Y)
theirs = SklearnPerceptron(shuffle=False, tol=None).fit(centered, Y[:, 0])
same = predict(ours, centered)[:, 0] == theirs.predict(centered)
same_weights = np.allclose(ours.W[:, 0], theirs.coef_)
print(f"the same answer for {same.sum()} of {len(same)} flowers")

# %%
# Two clouds
# ----------
# Of two clouds that overlap no line gets everything right.  The rule goes on for ever,
# and is now better, now worse.  What it passes can be kept in a pocket; and a logistic
# unit with small steps does not jump in the first place.

rng = np.random.default_rng(0)
labels = rng.integers(0, 2, size=(300, 1)).astype(float)
points = rng.normal(size=(300, 2)) + 1.6 * labels
shares = {"the rule": [], "a logistic unit": []}
for values, settings in zip(
    shares.values(), ({}, {"learning_rate": 0.01, "activation": sigmoid}), strict=True
):
    model = start
    for _ in range(40):
        model, _ = update(model, points, labels, **settings)
        values.append((predict(model, points) == labels).mean())

# %%
# The rule only passes by where the other two stay.

best = pocket(start, points, labels, rng=rng, steps=2000)
shares["the pocket, at the end"] = np.full(40, (predict(best, points) == labels).mean())
fig, ax = plt.subplots()
plots.curves(ax, np.arange(1.0, 41), shares, names=("pass", "share of right answers"))
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
fig.suptitle("Where classes overlap the rule never comes to rest")
fig.set_label(
    "The share of right answers over 40 passes: the rule's jumps to the end, and "
    "those of the logistic unit and of the pocket stay at its upper edge."
)

# %%
# Every claim made on the way, checked on the numbers just found.  Run by hand, the
# script shows its figures at the end.

assert (learned[0] == [30, 30, 0]).all()
assert (learned[1] <= 3).all()
assert learned[1, 2] == 0
assert np.array_equal(by_library, by_hand)
assert (predict(passes[-1], centered) == Y).all()
assert gap(passes[-1], centered) < 0.6 * gap(u, measured)
assert (np.array(counts["made"]) < np.array(counts["allowed"]) / 10).all()
assert counts["made"][0] < counts["made"][1] / 10
assert same.all()
assert not same_weights
assert np.std(shares["the rule"][20:]) > 0.01
assert np.std(shares["a logistic unit"][20:]) < 0.001
assert max(shares["the rule"]) <= shares["the pocket, at the end"][0]
plt.show()
