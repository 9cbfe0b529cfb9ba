r"""
.. _nb-mlp-fashion-mnist:

Does a hidden layer pay on pictures?
====================================

A linear classifier tells garments apart surprisingly well.  What does a hidden layer
add, trained with gradients that were derived by hand?  Does the activation function
matter?  And what does a convolutional network find that neither of them does?
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.metrics import confusion_matrix
from torch import nn

from dlnotes.lab import plots
from dlnotes.lab.data import GARMENTS, load
from dlnotes.lab.fit import fit, predict
from dlnotes.lab.script import command_line
from dlnotes.networks import activations, rectifiers
from dlnotes.networks.backpropagation import backprop_step, minibatches
from dlnotes.networks.losses import cross_entropy, cross_entropy_gradient
from dlnotes.networks.mlp import mlp_forward, parameter_count, random_layers

# sphinx_gallery_start_ignore
command_line(__doc__)
# sphinx_gallery_end_ignore

# %%
# The data
# --------
# Every picture becomes a row of 784 numbers, standardized with the mean and the
# deviation of the training pictures.  A fifth of these is held out: settings are chosen
# on them, and never on the test pictures.

train, test = (load("fashion-mnist", split=split) for split in ("train", "test"))
amount = min(4000, len(train.X) * 4 // 5)
mean, deviation = train.X[:amount].mean(), train.X[:amount].std()
X, X_test = (
    (each.X.reshape(len(each.X), -1) - mean) / deviation for each in (train, test)
)
held_out = slice(amount, amount + amount // 4)
X_validation, y_validation = X[held_out], train.y[held_out]
X, y, y_test = X[:amount], train.y[:amount], test.y
print(f"{amount:,} pictures to learn from; {train.source}; {test.source}")

# %%
# Training by hand
# ----------------
# Mini-batches, the forward and the backward pass, and plain gradient descent, in NumPy.
# After each epoch the loss on both sets and the accuracy are noted.

FUNCTIONS = {
    "sigmoid": (activations.sigmoid, activations.sigmoid_derivative),
    "tanh": (activations.tanh, activations.tanh_derivative),
    "scaled tanh": (activations.scaled_tanh, activations.scaled_tanh_derivative),
    "ReLU": (rectifiers.relu, rectifiers.relu_derivative),
    "leaky ReLU": (rectifiers.leaky_relu, rectifiers.leaky_relu_derivative),
}


def judged(layers, function, X, y):
    outputs = mlp_forward(layers, X, activation=function)
    return cross_entropy(outputs, y).mean(), np.mean(outputs.argmax(axis=1) == y)


# %%
# ReLU keeps half of what it reads, so its weights begin with twice the variance.


def learn(sizes, name, rate, epochs):
    function, derivative = FUNCTIONS[name]
    rng, history = np.random.default_rng(0), []
    layers = random_layers(sizes, rng=rng, gain=2.0 if "ReLU" in name else 1.0)
    keys = {"activation": function, "activation_derivative": derivative}
    keys |= {"learning_rate": rate, "loss_gradient": cross_entropy_gradient}
    for _ in range(epochs):
        for batch in minibatches(len(X), 50, rng=rng):
            layers = backprop_step(layers, X[batch], y[batch], **keys)
        sets = ((X[:1000], y[:1000]), (X_validation, y_validation))
        history.append(np.ravel([judged(layers, function, *each) for each in sets]))
    return layers, np.array(history)


# %%
# With and without a hidden layer
# -------------------------------
# Each network gets the best of five learning rates, by its accuracy on the pictures
# that were held out.

RATES = (0.01, 0.03, 0.1, 0.4, 1.6)
NETWORKS = {"linear": (784, 10), "64 hidden units": (784, 64, 10)}


def best(sizes, name, epochs):
    runs = {rate: learn(sizes, name, rate, epochs) for rate in RATES}
    return max(runs.items(), key=lambda run: run[1][1][-1, 3])


found = {name: best(sizes, "ReLU", 8) for name, sizes in NETWORKS.items()}
rates = {name: rate for name, (rate, _) in found.items()}

# %%
# On the training pictures the network with a hidden layer goes on to learn when the
# linear one is done.  On others the gap is smaller.

fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.2), sharey=True)
for ax, (name, (_, (_, history))) in zip(axes, found.items(), strict=True):
    curves = {"seen": history[:, 0], "held out": history[:, 2]}
    plots.curves(ax, np.arange(1.0, 9), curves, names=("epoch", "loss"))
    ax.set(title=name)
fig.suptitle("A hidden layer learns more of what it has seen")
fig.set_label(
    "The losses of both networks over 8 epochs, on pictures they have seen and on "
    "others. Both curves of the network with a hidden layer end lower."
)

# %%
# The same in PyTorch
# -------------------
# The same weights, the same batches, and autograd in the place of our own backward
# pass: after an epoch both have the same weights, but for rounding.

layers, _ = learn((784, 64, 10), "ReLU", 0.03, 1)
rng = np.random.default_rng(0)
begun = random_layers((784, 64, 10), rng=rng)
W1, b1, W2, b2 = (torch.tensor(each) for k in begun for each in (k.W, k.b))
theirs = [each.requires_grad_() for each in (W1, b1, W2, b2)]
optimizer = torch.optim.SGD(theirs, lr=0.03)
for batch in minibatches(len(X), 50, rng=rng):
    optimizer.zero_grad()
    outputs = torch.relu(torch.tensor(X[batch]) @ W1 + b1) @ W2 + b2
    nn.functional.cross_entropy(outputs, torch.tensor(y[batch])).backward()
    optimizer.step()

# %%
# The largest difference of any weight:

apart = abs(layers[0].W - W1.detach().numpy()).max()
print(f"{apart:.0e}")

# %%
# Five activation functions
# -------------------------
# The same network with each of them, again at the best of the rates.

scores, chosen = {}, {}
for name in FUNCTIONS:
    chosen[name], (_, history) = best((784, 64, 10), name, 3)
    scores[name] = history[-1, 3]
    print(f"{name:<12} at {chosen[name]:<5} {scores[name]:.1%}")

# %%
# After three epochs they are close together.  In deep networks the choice matters more.

fig, ax = plt.subplots(figsize=(6, 3))
ax.barh([*scores], [*scores.values()])
ax.set(xlabel="accuracy on held-out pictures", xlim=(0.5, 1))
fig.suptitle(f"Between the best and the worst: {np.ptp([*scores.values()]):.1%}")
fig.set_label(
    "A bar for each of five activation functions, from "
    f"{min(scores.values()):.0%} to {max(scores.values()):.0%}."
)

# %%
# A convolutional network
# -----------------------
# The network of :doc:`/gallery/cnn/do_these_layers_train_like_pytorchs` on the same
# pictures.  It has fewer parameters, and sees that neighbors belong together.

torch.manual_seed(0)
cnn = nn.Sequential(
    *(nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 16, 5, stride=2, padding=2)),
    *(nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
    *(nn.Flatten(), nn.Linear(32 * 7 * 7, 10)),
)
optimizer = torch.optim.Adam(cnn.parameters(), lr=0.003)
data = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
rng, loss = np.random.default_rng(0), nn.CrossEntropyLoss()
fit(cnn, *data, loss=loss, optimizer=optimizer, epochs=6, rng=rng)

# %%
# On pictures that no choice has seen:

answers = {
    name: mlp_forward(layers, X_test).argmax(axis=1)
    for name, (_, (layers, _)) in found.items()
}
answers["convolutional"] = predict(cnn, torch.tensor(X_test).float()).argmax(1).numpy()
right = {name: np.mean(each == y_test) for name, each in answers.items()}
sizes = [parameter_count(each) for each in NETWORKS.values()]
sizes.append(sum(each.numel() for each in cnn.parameters()))
for (name, share), size in zip(right.items(), sizes, strict=True):
    print(f"{name:<17} {size:>7,} parameters  {share:.1%} right")

# %%
# What is mistaken for what
# -------------------------
# The confusion matrix of the network with a hidden layer.  A cell is a share, in
# percent, of the garments of its row.

guesses = answers["64 hidden units"]
taken = confusion_matrix(y_test, guesses, normalize="true")

# %%
# Shirts are the hardest garments for it, too.

fig, ax = plt.subplots(figsize=(6.4, 6.8))
ticks, axes = (GARMENTS, GARMENTS), ("taken for, %", "")
plots.heatmap(ax, 100 * taken, form=".0f", ticks=ticks, names=axes)
ax.tick_params("x", rotation=45)
fig.suptitle(f"{right['64 hidden units']:.1%} are right\n{test.source}")
lowest, highest = 100 * np.sort(np.diag(taken))[[0, -1]]
fig.set_label(
    f"A table of 10 by 10 kinds of garments, bright on its diagonal: {lowest:.0f}% of "
    f"the shirts are right, and up to {highest:.0f}% of other kinds."
)

# %%
# Some of its mistakes.  About many of them a person would have to think as well.

wrong = np.flatnonzero(guesses != y_test)[:8]
labels = [f"{GARMENTS[y_test[n]]}, not {GARMENTS[guesses[n]]}" for n in wrong]
fig, ax = plt.subplots(figsize=(6.4, 4.2))
plots.images(ax, test.X[wrong] / 255, columns=4, labels=labels)
fig.suptitle(f"What they are, and what they were not\n{test.source}")
fig.set_label(
    "Two rows of gray pictures of garments, each with its name and a wrong one."
)

# %%
# Yes, it pays: the hidden layer makes fewer mistakes than the linear classifier, and
# the convolutional network fewer still, with less than half of the weights.  Every
# claim made on the way is checked here.  Run by hand, the script shows its figures at
# the end.

linear, hidden, convolutional = right.values()
assert linear + 0.01 < hidden < convolutional - 0.005
assert sizes[2] < sizes[1] / 2
assert apart < 1e-10
assert np.ptp([*scores.values()]) < 0.05
assert np.diag(taken).argmin() == GARMENTS.index("shirt")
assert found["64 hidden units"][1][1][-1, 0] < found["linear"][1][1][-1, 0]
assert not {*RATES[::4]} & {*rates.values(), *chosen.values()}
plt.show()
