"""The networks compute what loops compute, from weights that a seed fixes."""

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlnotes.lab.models import (
    HIDDEN_LAYERS,
    MLP,
    NETWORKS,
    HiddenLayer,
    InitStd,
    Recurrent,
    build_layers,
    glorot,
    he,
    he_normal_,
    linear,
    mlp,
)
from dlnotes.lab.tasks import moons
from dlnotes.networks.maxout import maxout


def randomize(model: nn.Module, rng: np.random.Generator) -> None:
    """Give every parameter, biases included, another value."""
    with torch.no_grad():
        for each in model.parameters():
            each.copy_(torch.tensor(0.3 * rng.normal(size=each.shape)))


@pytest.mark.parametrize("maxout_pieces", [1, 2])
def test_a_network_is_its_layers_one_after_the_other(
    rng: np.random.Generator, maxout_pieces: int
) -> None:
    def activation(z: Tensor) -> Tensor:
        return torch.tanh(z.reshape(len(z), -1, maxout_pieces).amax(2))

    model = MLP(rng, [4, 3, 5, 2], activation, maxout_pieces=maxout_pieces)
    randomize(model, rng)
    x = rng.normal(size=(6, 4)).astype(np.float32)

    outputs = model(torch.tensor(x)).detach().numpy()

    *hidden, last = (
        (layer.weight.detach().numpy(), layer.bias.detach().numpy())
        for layer in model.modules()
        if isinstance(layer, nn.Linear)
    )
    for row, output in zip(x, outputs, strict=True):
        h = row
        for W, b in hidden:
            z = W @ h + b
            h = np.tanh(
                [max(z[k : k + maxout_pieces]) for k in range(0, len(z), maxout_pieces)]
            )
        np.testing.assert_allclose(output, last[0] @ h + last[1], rtol=1e-4, atol=1e-6)


def test_a_hidden_layer_of_maxout_is_that_of_the_section(
    rng: np.random.Generator,
) -> None:
    layer = HIDDEN_LAYERS["Maxout"]
    model = MLP(rng, [4, 3, 2], layer.activation, maxout_pieces=layer.maxout_pieces)
    randomize(model, rng)
    x = torch.tensor(rng.normal(size=(6, 4)), dtype=torch.float32)
    W, b = model.hidden[0].parameters()

    outputs = model(x)

    H = maxout(x, W.T.reshape(4, 3, 2), b.reshape(3, 2))
    torch.testing.assert_close(outputs, model.last(H))


def test_a_recurrent_layer_with_tanh_is_pytorchs(rng: np.random.Generator) -> None:
    model = Recurrent(rng, (2, 5, 3), torch.tanh)
    randomize(model, rng)
    x = torch.tensor(rng.normal(size=(4, 7, 2)), dtype=torch.float32)
    theirs = nn.RNN(2, 5, batch_first=True)
    theirs.load_state_dict(
        {
            "weight_ih_l0": model.inwards.weight,
            "weight_hh_l0": model.recurrent.T,
            "bias_ih_l0": model.inwards.bias,
            "bias_hh_l0": torch.zeros(5),
        }
    )

    outputs = model(x)

    torch.testing.assert_close(outputs, model.outwards(theirs(x)[0][:, -1]))


@pytest.mark.parametrize("init_std", [glorot, he])
def test_weights_are_normal_with_the_deviation_asked_for_and_biases_zero(
    rng: np.random.Generator, init_std: InitStd
) -> None:
    layer = linear(rng, 300, 200, init_std=init_std)

    weights = layer.weight.detach() / init_std(300, 200)

    assert weights.std().item() == pytest.approx(1, abs=0.01)
    assert (weights**4).mean().item() == pytest.approx(3, abs=0.1)  # 1.8 if uniform
    assert not layer.bias.any()


def test_the_variances_of_glorot_and_he_are_those_of_their_papers() -> None:
    assert glorot(30, 70) ** 2 == pytest.approx(2 / 100)
    assert he(30, 70) ** 2 == pytest.approx(2 / 30)


def test_recurrent_weights_begin_orthogonal(rng: np.random.Generator) -> None:
    W = Recurrent(rng, (1, 6, 1), torch.tanh).recurrent.detach()

    torch.testing.assert_close(W @ W.T, torch.eye(6), rtol=0, atol=1e-6)


def test_two_methods_with_one_seed_begin_with_proportional_weights() -> None:
    ours, theirs = (
        MLP(np.random.default_rng(0), [4, 8, 3], torch.tanh, init_std=init_std)
        for init_std in (glorot, he)
    )

    first = ours.last.weight / theirs.last.weight

    torch.testing.assert_close(first, torch.full((3, 8), glorot(8, 3) / he(8, 3)))


@pytest.mark.parametrize("layer", HIDDEN_LAYERS.values(), ids=list(HIDDEN_LAYERS))
def test_every_kind_of_layer_fits_into_a_network_and_is_differentiable(
    layer: HiddenLayer, rng: np.random.Generator
) -> None:
    task = moons(rng, train=150, noise=0.1)
    model = mlp(layer, 6, 5)(rng, task)
    X, y = task.train

    task.loss(model(X), y).backward()  # type: ignore[no-untyped-call]

    assert model(X).shape == (150, 2)
    for each in model.parameters():
        assert each.grad is not None
        assert each.grad.any()


@pytest.mark.parametrize(
    ("network", "parameters", "mac_count"),
    [
        ("AlexNet", 62_378_344, 1_135_256_096),
        ("VGG-11", 132_863_336, 7_609_090_048),
        ("the CIFAR network", 1_140 + 38_410, 1_152_000 + 38_400),
    ],
)
def test_the_networks_have_the_sizes_that_are_published(
    network: str, parameters: int, mac_count: int
) -> None:
    side, layers = NETWORKS[network]

    _, counts, sizes = zip(*build_layers(layers, side), strict=True)

    assert (sum(sizes), sum(counts)) == (parameters, mac_count)


@pytest.mark.parametrize("gain", [2, 1 / 3])
def test_initial_weights_have_the_variance_that_is_wanted(
    rng: np.random.Generator, gain: float
) -> None:
    layer = torch.nn.Conv2d(4, 500, 5)

    he_normal_(layer, rng, gain)

    assert layer.weight.var().item() == pytest.approx(gain / 100, rel=0.02)
    assert not cast(torch.Tensor, layer.bias).any()
