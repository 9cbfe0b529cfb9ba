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
from dlnotes.networks.activations import sigmoid
from dlnotes.neurons.perceptron import Perceptron, predict
from dlnotes.neurons.perceptron_rule import fit, novikoff_bound, pocket, update

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
    return (X @ w + b >= 0).astype(float)


# %%
# Three truth tables
# ------------------
# Thirty starts for each gate and each rule, and how many of them end with all four
# corners right.

corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
gates = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "exclusive or": [0, 1, 1, 0]}
starts = np.random.default_rng(0).normal(size=(30, 3))
learnt = np.zeros((2, 3))
for row, printed in enumerate([False, True]):
    for column, y in enumerate(gates.values()):
        for *w, b in starts:
            answers = learn(np.array(w), b, corners, y, printed=printed)
            learnt[row, column] += (answers == y).all()

# %%
# The rule learns *and* and *or* from every start.  As printed it hardly ever does.
# Nothing learns *exclusive or*.

fig, ax = plt.subplots(figsize=(6.4, 2.4))
ticks = list(gates), ["the rule", "as printed"]
plots.heatmap(ax, learnt, form=".0f", ticks=ticks)
ax.set_title("Of 30 starts, how many learn all four corners")

# %%
# The library's function is the same rule: with NumPy arrays it takes the same steps.

start = Perceptron(W=np.zeros((2, 1)), b=np.zeros(1))
Y_or = np.array([gates["or"]], dtype=float).T
model, corrections = fit(start, corners, Y_or)
from_scratch = learn(np.zeros(2), 0.0, corners, gates["or"], printed=False)

# %%
# Flowers
# -------
# Is an iris a *setosa*, or one of the two others?  The length of its sepals and of its
# petals, in centimetres, is enough.  In the order of the file, six passes are made, and
# the line turns after each of the first five.

iris = load_iris()
Y = (iris.target[:, None] == 0).astype(float)
X = iris.data[:, [0, 2]]
passes, made = [start], []
while not made or made[-1]:
    model, errors = update(passes[-1], X, Y)
    passes.append(model)
    made.append(int((errors != 0).sum()))

fig, ax = plt.subplots()
plots.points(ax, X, Y)
for k in (1, 2, 3, len(made)):
    plots.boundary(ax, passes[k], f"pass {k}: {made[k - 1]} corrections")
ax.set(xlim=(4, 8.2), ylim=(0.5, 7.2), aspect="auto")
ax.set(xlabel="sepal length", ylabel="petal length")
ax.set_title("The line turns until setosa is alone on its side")

# %%
# Corrections, made and allowed
# -----------------------------
# Novikoff's bound needs a vector that separates, and is the lower the wider the gap
# that it sees.  A support vector machine finds one with nearly the widest gap.  Three
# pairs of measurements, from easy to hard:

pairs = {"both widths": [1, 3], "both lengths": [0, 2], "sepals alone": [0, 1]}
counts = {"made": [], "allowed": []}
for columns in pairs.values():
    X = iris.data[:, columns]
    svm = SVC(kernel="linear", C=1e8).fit(X, Y[:, 0])
    u = Perceptron(W=svm.coef_.T.copy(), b=svm.intercept_)
    model, corrections = fit(start, X, Y)
    counts["made"].append(corrections)
    counts["allowed"].append(float(novikoff_bound(u, X, Y)[0]))

# %%
# The allowance is never used up.  It knows the gap alone, and not that most of the
# flowers are far from it.

fig, ax = plt.subplots()
for label, values in counts.items():
    ax.plot(list(pairs), values, "o-", label=label)
ax.set(yscale="log", ylabel="corrections")
ax.legend()
ax.set_title("A narrower gap takes more corrections, always fewer than allowed")

# %%
# The same by scikit-learn
# ------------------------
# Its perceptron also corrects an instance that lies exactly on the line, so its weights
# differ.  Its answers do not: both are right about every flower.

X = iris.data[:, [0, 2]]
ours, _ = fit(start, X, Y)
theirs = SklearnPerceptron(shuffle=False, tol=None).fit(X, Y[:, 0])
same = predict(ours, X)[:, 0] == theirs.predict(X)

# %%
# Two clouds
# ----------
# Of two clouds that overlap no line gets everything right.  The rule goes on for ever,
# and is now better, now worse.  What it passes can be kept in a pocket; and a logistic
# unit with small steps does not jump in the first place.

rng = np.random.default_rng(0)
Y = rng.integers(0, 2, size=(300, 1)).astype(float)
X = rng.normal(size=(300, 2)) + 1.6 * Y
shares = {"the rule": [], "a logistic unit": []}
for values, settings in zip(
    shares.values(), ({}, {"rate": 0.01, "activation": sigmoid}), strict=True
):
    model = start
    for _ in range(40):
        model, _ = update(model, X, Y, **settings)
        values.append((predict(model, X) == Y).mean())

# %%
# The pocket and the logistic unit end where the rule only passes by.

best = pocket(start, X, Y, rng=rng, steps=2000)
shares["the pocket, at the end"] = np.full(40, (predict(best, X) == Y).mean())
fig, ax = plt.subplots()
plots.curves(ax, np.arange(1.0, 41), shares, names=("pass", "share of right answers"))
ax.set_title("Where classes overlap the rule never comes to rest")

# %%
# Every claim made on the way, checked on the numbers just drawn:

assert (learnt[0] == [30, 30, 0]).all()
assert (learnt[1] <= 3).all()
assert learnt[1, 2] == 0
assert (from_scratch == Y_or[:, 0]).all()
assert corrections > 1000
assert len(made) == 6
assert (np.diff(counts["made"]) > 0).all()
assert (np.array(counts["made"]) < counts["allowed"]).all()
assert same.all()
