r"""
.. _nb-hp-weights:

How should the weights of a deep network begin?
===============================================

Zero, constant, random, after Glorot, after He, orthogonal or sparse: does it matter
where training begins?  Which layers do signals and gradients reach, before training and
after it?  And how deep may a network be?
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from dlnotes.lab.script import command_line
from dlnotes.lab.tasks import digits
from dlnotes.training.orthogonal_initialization import orthogonal_init, sparse_init
from dlnotes.training.weight_initialization import (
    glorot_normal,
    glorot_uniform,
    he_normal,
)

# sphinx_gallery_start_ignore
command_line(__doc__)
# sphinx_gallery_end_ignore

# %%
# The data
# --------
# The digits of scikit-learn, 64 pixels each: 1,000 to learn from, 200 to choose a
# learning rate by, and 297 that choose nothing.

task = digits(np.random.default_rng(0))
(X, y), (X_rest, y_rest) = task.train, task.test
X, X_rest = 2 * X - 1, 2 * X_rest - 1
print(f"{len(X):,} digits to learn from, {len(X_rest):,} others")

# %%
# Fifteen networks at once
# ------------------------
# Each setting is tried with five learning rates and three seeds.  All fifteen networks
# train together: the first axis of every array of weights counts them.  They have no
# biases.

RATES, SEEDS, WIDTH = (0.003, 0.01, 0.03, 0.1, 0.3), range(3), 32
RATE = torch.tensor(RATES * len(SEEDS))[:, None, None]


def begin(scheme, depth):
    rngs, weights = [np.random.default_rng(seed) for seed in SEEDS], []
    for shape in [(64, WIDTH), *[(WIDTH, WIDTH)] * (depth - 1), (WIDTH, 10)]:
        drawn = [scheme(rng, shape) for rng in rngs]
        W = torch.tensor(np.repeat(drawn, len(RATES), axis=0)).float()
        weights.append(W.requires_grad_())
    return weights


# %%
# What each hidden layer gives, and the outputs at the end:


def forward(weights, X, activation):
    H = [X.expand(len(RATE), *X.shape)]
    for W in weights[:-1]:
        H.append(activation(H[-1] @ W))
    return [*H[1:], H[-1] @ weights[-1]]


# %%
# The losses are added up, so each network gets its own gradient.  One that diverges
# leaves the others alone.


def loss(outputs, y):
    each = cross_entropy(outputs.transpose(1, 2), y.expand(len(RATE), -1))
    return len(RATE) * each


def train(weights, activation, epochs=4):
    rng = np.random.default_rng(1)
    order = np.concatenate([rng.permutation(len(X)) for _ in range(epochs)])
    for batch in np.split(order, len(order) // 50):
        total = loss(forward(weights, X[batch], activation)[-1], y[batch])
        gradients = torch.autograd.grad(total, weights)
        with torch.no_grad():
            for W, gradient in zip(weights, gradients, strict=True):
                W.sub_(RATE * gradient)


# %%
# The rate with the highest mean accuracy on the first 200 of the other digits counts;
# it is judged on the rest.


def judged(weights, activation):
    with torch.no_grad():
        guesses = forward(weights, X_rest, activation)[-1].argmax(2)
    right = (guesses == y_rest).double().reshape(len(SEEDS), len(RATES), -1)
    best = right[:, :, :200].mean((0, 2)).argmax().item()
    return 100 * right[:, best, 200:].mean(1).numpy(), best


def learn(scheme, depth, activation):
    weights = begin(scheme, depth)
    train(weights, activation)
    return judged(weights, activation)


# %%
# Nine beginnings
# ---------------
# Five hidden layers of tanh units.  Sparse units read 15 inputs with weights of
# variance 1/15.


def scaled(scheme):
    return lambda rng, shape: scheme(rng.normal(size=shape))


def sparse(rng, shape):
    return sparse_init(rng.normal(size=shape), rng.random(shape), std=15**-0.5)


def uniform(rng, shape):
    return glorot_uniform(rng.random(shape))


# %%
# Biases would begin at zero, so that all differences are those of the weights:

BEGINNINGS = {
    "all 0": scaled(np.zeros_like),
    "all 0.1": scaled(lambda z: 0 * z + 0.1),
    "N(0, 1)": scaled(lambda z: z),
    "N(0, 0.01²)": scaled(lambda z: 0.01 * z),
    "Glorot, uniform": uniform,
    "Glorot, normal": scaled(glorot_normal),
    "He": scaled(he_normal),
    "orthogonal": scaled(orthogonal_init),
    "sparse": sparse,
}

# %%
# Percent right, mean and standard deviation over three seeds:

found = {name: learn(f, 5, torch.tanh) for name, f in BEGINNINGS.items()}
for name, (right, best) in found.items():
    print(f"{name:<16} {right.mean():5.1f} ± {right.std(ddof=1):4.1f} at {RATES[best]}")

# %%
# Bars are means over the seeds, lines reach from the lowest to the highest.

fig, ax = plt.subplots(figsize=(6, 3.8))
values = np.array([right for right, _ in found.values()])
mean = values.mean(axis=1)
ends = [mean - values.min(axis=1), values.max(axis=1) - mean]
ax.barh([*found], mean, xerr=ends, color="C0", ecolor="0.3")
ax.invert_yaxis()
ax.set(xlabel="digits right, percent", xlim=(0, 100))
fig.suptitle("Five hidden layers of tanh, four epochs\nscikit-learn's digits")
fig.set_label(
    "Nine bars: " + ", ".join(f"{n} {m:.0f}" for n, m in zip(found, mean, strict=True))
)

# %%
# What reaches which layer
# ------------------------
# Twenty layers of rectified units.  The length of the activations, of the gradient with
# respect to them and of that with respect to the weights, each over what it is in the
# last hidden layer, for one of the networks.


def profile(weights, network):
    H = forward(weights, X[:200], torch.relu)
    hidden = [*H[:-1], *weights[:-1]]
    gradients = torch.autograd.grad(loss(H[-1], y[:200]), hidden)
    sizes = [each[network].norm().item() for each in (*H[:-1], *gradients)]
    parts = np.array(sizes).reshape(3, 20)
    return parts / parts[:, -1:]


# %%
# Before training, and after it at the best rate:

DEEP = {"Glorot": glorot_normal, "He": he_normal}
profiles = {}
for name, scheme in DEEP.items():
    weights = begin(scaled(scheme), 20)
    profiles[name, "before"] = profile(weights, 0)
    train(weights, torch.relu)
    right, best = judged(weights, torch.relu)
    profiles[name, "after"] = profile(weights, best)
    print(f"{name}: {right.mean():.1f} percent right")

# %%
# Rectified units need twice Glorot's variance.  Without the factor signals fall by half
# in the square, layer after layer, and so do gradients on their way back.  The gradient
# of the *weights* does not show it: it is the product of the two.

fig, axes = plt.subplots(3, 1, figsize=(6, 7.6), sharex=True)
titles = ("activations", "gradient of activations", "gradient of weights")
for (name, when), parts in profiles.items():
    style = {"color": f"C{[*DEEP].index(name)}"}
    style["linestyle"] = "-" if when == "before" else ":"
    for ax, part in zip(axes, parts, strict=True):
        ax.plot(range(1, 21), part, label=f"{name}, {when}", **style)

# %%
# Solid lines are before training, dotted ones after it.

for ax, title in zip(axes, titles, strict=True):
    ax.set(yscale="log", ylim=(1e-5, 1e5))
    ax.set_title(title, loc="left", fontsize=10)
axes[0].legend(fontsize=8, ncols=2)
axes[2].set(xlabel="hidden layer", xticks=range(2, 21, 3))
fig.suptitle("Twenty layers of ReLU, over the last one\nscikit-learn's digits")
fig.set_label(
    "Three panels over the layers. Before training activations with Glorot fall by "
    "about three powers of ten and their gradients rise by as much; with He both stay "
    "near one. The gradients of the weights stay near one with both."
)

# %%
# How deep?
# ---------
# Networks of 5 to 40 hidden layers, four epochs each.  All layers but two are square,
# where Glorot's variance is that of one over the inputs.

DEPTHS = (5, 10, 20, 40)
KINDS = {
    "ReLU": (torch.relu, ("Glorot", "He")),
    "tanh": (torch.tanh, ("Glorot", "He", "orthogonal")),
    "linear": (torch.nn.Identity(), ("Glorot", "orthogonal")),
}
NAMED = DEEP | {"orthogonal": orthogonal_init}
runs = {
    (kind, name): [learn(scaled(NAMED[name]), d, f) for d in DEPTHS]
    for kind, (f, names) in KINDS.items()
    for name in names
}

# %%
# Their rates, and how many digits are right:

reached = {key: np.array([right for right, _ in each]) for key, each in runs.items()}
for (kind, name), right in reached.items():
    rates = [RATES[best] for _, best in runs[kind, name]]
    print(f"{kind:<7} {name:<11} {right.mean(axis=1).round()}  at {rates}")

# %%
# Lines are means over three seeds, the bands reach from the lowest to the highest.

fig, axes = plt.subplots(3, 1, figsize=(6, 8), sharex=True, sharey=True)
for (kind, name), right in reached.items():
    ax, k = axes[[*KINDS].index(kind)], [*NAMED].index(name)
    ax.plot(DEPTHS, right.mean(axis=1), "os^"[k] + "-", color=f"C{k}", label=name)
    ends = right.min(axis=1), right.max(axis=1)
    ax.fill_between(DEPTHS, *ends, color=f"C{k}", alpha=0.2)
    ax.set(ylabel="percent right", ylim=(0, 100), xticks=DEPTHS)
    ax.set_title(kind, loc="left", fontsize=10)
    ax.legend(fontsize=8, loc="lower left")
axes[2].set_xlabel("hidden layers")


# %%
# Of tanh and linear networks only orthogonal ones still learn well at 40 layers.

fig.suptitle("How deep?\nscikit-learn's digits")
means = {key: right.mean(axis=1).round() for key, right in reached.items()}
fig.set_label(
    "Percent right with 5, 10, 20 and 40 layers. "
    + ". ".join(f"{kind} with {name}: {each}" for (kind, name), each in means.items())
)

# %%
# The answer
# ----------
# Zeros, equal weights and tiny ones leave the network near chance, and weights of
# variance 1 are not much use.  Among the schemes with the right variance it hardly
# matters which is taken, nor whether it is uniform or normal, while there are five
# layers of tanh.  With more it does.  Rectified units learn more from He's weights, and
# with so few steps and no biases neither scheme helps them at 40 layers.  Tanh gains by
# He's weights, too, and at 40 layers most by orthogonal ones.  In a linear network
# these hardly notice the depth, and Gaussian ones of the same variance do.  So the
# mean of a squared length is not all that counts: the spread around it does, too.
#
# Go on
# -----
# * Train for twenty epochs.  Which of the differences remain?
# * Give tanh orthogonal weights with a gain of 1.5.  Is it better at 40 layers?
# * Let rectified units begin orthogonally, with a gain of 2.  Is it as good as He?
#
# Every claim of the prose, checked:

lost = np.array([found[name][0] for name in ("all 0", "all 0.1", "N(0, 0.01²)")])
assert lost.max() < 25
assert found["N(0, 1)"][0].max() < 60
assert mean[4:].min() > 80
assert np.ptp(mean[4:]) < 5
for depth in (0, 1):
    he, glorot = (reached["ReLU", name][depth] for name in ("He", "Glorot"))
    assert he.mean() > glorot.mean() + 3
assert reached["tanh", "He"][2].mean() > reached["tanh", "Glorot"][2].mean() + 3
for kind in ("tanh", "linear"):
    assert reached[kind, "orthogonal"][3].min() > reached[kind, "Glorot"][3].max()
assert means["tanh", "orthogonal"][3] > means["tanh", "He"][3] + 10
assert np.ptp(means["linear", "orthogonal"]) < 8
assert np.ptp(means["linear", "Glorot"]) > 20
assert max(means["ReLU", "He"][3], means["ReLU", "Glorot"][3]) < 25

# %%
# Those about single layers.  Run by hand, the script shows its figures at the end.

before = {name: profiles[name, "before"] for name in DEEP}
assert before["Glorot"][0, 0] > 100
assert before["Glorot"][1, 0] < 0.01
assert (abs(np.log10(before["He"])) < 1).all()
assert (abs(np.log10(before["Glorot"][2])) < 1).all()
plt.show()
