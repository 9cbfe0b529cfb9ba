"""The rules of the chapter's claims on made-up measurements, and what they rest on."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import cast

import numpy as np
import pytest
import torch

from dlnotes.claims import Verdict, cnn
from dlnotes.claims.trial import Trial
from dlnotes.lab.fit import predict
from dlnotes.lab.metrics import accuracy
from dlnotes.lab.tasks import Task, moons
from dlnotes.optim import Adam


def about(mean: float, format_spread: float = 0.1) -> list[float]:
    """Make up the results of five seeds."""
    return [mean + format_spread * each for each in (-1.0, -0.5, 0.0, 0.5, 1.0)]


def few(rng: np.random.Generator) -> Task:
    return moons(rng, train=10, noise=0.1)


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ((0.51, 0.6, 0.99), Verdict.HOLDS),
        ((0.5, 0.6, 0.99), Verdict.CONDITIONAL),
        ((0.4, 0.5, 0.99), Verdict.FAILS),
        ((0.1, 0.2, 0.3), Verdict.FAILS),
    ],
)
def test_convolutions_must_do_more_than_half_of_the_work_everywhere(
    shares: Sequence[float], verdict: Verdict
) -> None:
    work = dict(zip("abc", shares, strict=True))

    found, because = cnn.most_of_the_work(work, dict.fromkeys(work, 0.25))

    assert found == verdict
    assert f"in c {shares[2]:.1%} of the multiply-adds and 25.0%" in because


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
    side, layers = cnn.NETWORKS[network]

    _, counts, sizes = zip(*cnn.laid_out(layers, side), strict=True)

    assert (sum(sizes), sum(counts)) == (parameters, mac_count)


def test_convolutions_do_most_of_the_work_with_few_of_the_parameters() -> None:
    finding = cnn.conv_dominates_compute([0])

    assert finding.verdict == Verdict.HOLDS
    assert finding.measured["share of the multiply-adds, the CIFAR network"] == [
        pytest.approx(1_152_000 / 1_190_400)
    ]


def test_a_count_that_is_not_pytorchs_is_no_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cnn, "mac_count", lambda *_, places, **__: places)

    with pytest.raises(ArithmeticError, match="AlexNet"):
        cnn.conv_dominates_compute([0])


@pytest.mark.parametrize(
    ("added", "verdict"),
    [
        ((-1, -2, -1), Verdict.HOLDS),
        ((-1, 0, -1), Verdict.CONDITIONAL),
        ((-1, 0, 1), Verdict.FAILS),
    ],
)
def test_every_step_of_the_stride_must_make_the_output_smaller(
    added: Sequence[int], verdict: Verdict
) -> None:
    found, because = cnn.smaller_at_every_step([(each < 0, each) for each in added])

    assert found == verdict
    assert because.startswith(f"of 3 steps {sum(a < 0 for a in added)} make the output")


def test_a_larger_stride_never_enlarges_and_sometimes_changes_nothing() -> None:
    finding = cnn.larger_stride_smaller_output([0])

    shares = [share for (share,) in finding.measured.values()]
    ties = [
        len(range(0, places, S)) == len(range(0, places, S + 1))
        for W, F, P, S in product(range(5, 65), range(1, 12), range(3), range(1, 8))
        if W >= F
        for places in [W - F + 2 * P + 1]
    ]
    assert finding.verdict == Verdict.CONDITIONAL
    assert shares == pytest.approx([1 - np.mean(ties), np.mean(ties), 0])


def test_sizes_that_are_not_pytorchs_are_no_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cnn, "conv_output_size", lambda W, _, stride, **__: W // stride)

    with pytest.raises(ArithmeticError, match="W=5, F=1, P=0"):
        cnn.larger_stride_smaller_output([0])


@pytest.mark.parametrize(
    ("border", "center", "verdict"),
    [
        ((3, 5), (0, 1), Verdict.HOLDS),
        ((3, 5), (0, 4), Verdict.CONDITIONAL),
        ((3, 5), (-3, 0), Verdict.CONDITIONAL),
        ((3, 0), (0, 0), Verdict.CONDITIONAL),
        ((0, 3), (0, 4), Verdict.CONDITIONAL),
        ((0, 0), (0, 0), Verdict.FAILS),
        ((-3, -5), (9, 9), Verdict.FAILS),
    ],
)
def test_padding_must_help_at_the_border_and_make_no_difference_at_the_center(
    border: Sequence[float], center: Sequence[float], verdict: Verdict
) -> None:
    added = {
        (place, depth, "zeros"): about(mean)
        for place, format_means in (("border", border), ("center", center))
        for depth, mean in zip((3, 6), format_means, strict=True)
    }

    found, because = cnn.kept_at_the_border(added)

    assert found == verdict
    low, high = border[0] - 0.098, border[0] + 0.098  # five seeds, deviation 0.079
    assert f"{low:.1f} to {high:.1f} points at the border with 3 layers" in because


def test_help_that_not_every_seed_gets_is_none() -> None:
    added = {
        key: about(3, format_spread=9) for key in product(cnn.PLACES, (3, 6), ["zeros"])
    }

    assert cnn.kept_at_the_border(added)[0] == Verdict.FAILS


@pytest.mark.parametrize("place", cnn.PLACES)
def test_each_image_has_one_mark_in_its_place_and_half_of_them_are_crosses(
    rng: np.random.Generator, place: str
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.5, size=(500, 1, 20, 20))

    X, y = cnn.marked(rng, place, images=500)

    marks, corners = np.rint(X.numpy() - noise), set()
    np.testing.assert_allclose(X.numpy() - marks, noise, atol=1e-6)
    for image, label in zip(marks[:, 0], y.tolist(), strict=True):
        i, j = (int(where.min()) for where in np.nonzero(image))
        ink = [
            "".join(map(str, row)) for row in image[i : i + 3, j : j + 3].astype(int)
        ]
        assert ink == (["101", "010", "101"] if label else ["010", "111", "010"])
        assert image.sum() == 5
        corners.add((i, j))
    at_border = [{i, j} & {0, 17} != set() for i, j in corners]
    near_center = [max(abs(i + 1 - 9.5), abs(j + 1 - 9.5)) < 2 for i, j in corners]
    assert int(y.sum()) == 250
    assert all(at_border if place == "border" else near_center)
    assert len(corners) == {"border": 4 * 17, "center": 4 * 4}[place]


def test_marks_are_the_same_for_a_seed_and_others_for_another() -> None:
    one, again, other = (
        cnn.marked(np.random.default_rng(seed), "border", images=4)[0]
        for seed in (1, 1, 2)
    )

    assert torch.equal(one, again)
    assert not torch.isclose(one, other).any()


def test_networks_that_differ_in_their_padding_start_from_the_same_weights() -> None:
    trials = [
        Trial(few, cnn.detector(3, padding), Adam, epochs=1) for padding in cnn.PADDINGS
    ]
    models = [cast(torch.nn.Sequential, trial.start(1)[1]) for trial in trials]
    sizes = [tuple(model[:-3](torch.zeros(1, 1, 20, 20)).shape) for model in models]

    first, *others = [model.state_dict() for model in models]

    assert sizes == [(1, 8, 14, 14), (1, 8, 20, 20), (1, 8, 20, 20)]
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)
    another = trials[1].start(2)[1].state_dict()
    assert not torch.isclose(first["0.weight"], another["0.weight"]).any()


@pytest.mark.parametrize("gain", [2, 1 / 3])
def test_initial_weights_have_the_variance_that_is_wanted(
    rng: np.random.Generator, gain: float
) -> None:
    layer = torch.nn.Conv2d(4, 500, 5)

    cnn.drawn(layer, rng, gain)

    assert layer.weight.var().item() == pytest.approx(gain / 100, rel=0.02)
    assert not cast(torch.Tensor, layer.bias).any()


def test_marks_are_half_at_the_border_and_half_at_the_center(
    rng: np.random.Generator,
) -> None:
    task = cnn.marks(rng)

    for X, y in (task.train, task.test):
        pixels = X[:, 0].reshape(2, 1000, 20, 20).mean(1)
        inside = pixels[:, 7:13, 7:13].mean(dim=(1, 2))
        assert inside.tolist() == pytest.approx([0, 5 / 36], abs=0.01)
        assert pixels.mean(dim=(1, 2)).tolist() == pytest.approx(
            [5 / 400] * 2, abs=0.01
        )
        assert y.reshape(2, 1000).sum(1).tolist() == [500, 500]
    assert not torch.isclose(task.train[0], task.test[0]).all(dim=(1, 2, 3)).any()


def test_training_tells_the_marks_apart_and_is_repeatable() -> None:
    def central(rng: np.random.Generator) -> Task:
        data = cnn.marked(rng, "center", images=600)
        return replace(few(rng), train=data)

    trial = Trial(central, cnn.detector(1, "zeros"), Adam, epochs=10)

    (task, model, _), (_, again, _) = (trial.run(0.03, 3) for _ in range(2))

    one, two = model.state_dict(), again.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert accuracy(predict(model, task.train[0]), task.train[1]) > 0.8


@pytest.mark.parametrize(
    ("pairs", "first", "last", "verdict"),
    [
        (0.05, 0.1, 0.5, Verdict.HOLDS),
        (0.0, 0.5, 0.5, Verdict.CONDITIONAL),
        (0.05, 0.5, 0.1, Verdict.CONDITIONAL),
        (0.06, 0.1, 0.5, Verdict.FAILS),
        (0.06, 0.5, 0.5, Verdict.FAILS),
    ],
)
def test_filters_must_differ_and_become_structured(
    pairs: float, first: float, last: float, verdict: Verdict
) -> None:
    found, because = cnn.distinct_and_structured([pairs] * 5, about(first), [last] * 5)

    assert found == verdict
    assert f"goes from {first:.1%} to {last:.1%}" in because


def test_filters_are_duplicates_up_to_sign_brightness_and_contrast() -> None:
    edge, bar = np.zeros((2, 7, 7))
    edge[:, :3], edge[:, 4:], bar[:, 3] = -1, 1, 1
    model = torch.nn.Conv2d(1, 4, 7)
    model.weight = torch.nn.Parameter(
        torch.tensor(np.stack([edge, 3 - 2 * edge, bar, edge.T])[:, None])
    )

    filters = cnn.unit_filters(model)

    assert cnn.duplicates(filters) == pytest.approx(1 / 6)
    np.testing.assert_allclose(filters.sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose((filters**2).sum(axis=1), 1)


def unit(image: np.ndarray) -> np.ndarray:
    """Bring pixels to mean zero and length one."""
    pixels = image.ravel() - image.mean()
    return pixels / np.linalg.norm(pixels)


def test_a_gabor_function_and_a_difference_of_gaussians_are_recovered(
    rng: np.random.Generator,
) -> None:
    y, x = np.mgrid[-3:4, -3:4]
    for _ in range(5):
        x0, y0, (sigma, ratio) = *rng.uniform(-2, 2, 2), rng.uniform((1, 1.5), (2, 4))
        z = (x - x0 + 1j * (y - y0)) * np.exp(-1j * rng.uniform(0, np.pi))
        bell = np.exp(-(z.real**2 + z.imag**2 / 2) / (2 * sigma**2))
        wave = np.cos(2 * np.pi * 0.2 * z.real + rng.uniform(0, np.pi))
        narrow, wide = (
            np.exp(-(abs(z) ** 2) / (2 * s**2)) / s**2 for s in (sigma, ratio * sigma)
        )

        assert cnn.fitted(cnn.gabors, unit(bell * wave)) > 0.99
        assert cnn.fitted(cnn.blobs, unit(wide - narrow)) > 0.99


def test_noise_has_no_structure(rng: np.random.Generator) -> None:
    noise = np.stack([unit(rng.normal(size=49)) for _ in range(10)])

    assert cnn.structured(noise) == 0


@pytest.mark.parametrize("family", list(cnn.RANGES), ids=lambda each: each.__name__)
def test_no_other_parameters_in_range_fit_better(
    rng: np.random.Generator, family: cnn.Family
) -> None:
    low, high, _ = zip(*cnn.RANGES[family], strict=True)
    others = family(rng.uniform(low, high, size=(5000, len(low))))
    for _ in range(3):
        pixels = unit(rng.normal(size=49))

        best = cnn.fitted(family, pixels)

        errors = (
            pixels - (others @ (np.linalg.pinv(others) @ pixels)[..., None])[..., 0]
        )
        assert best > 1 - (errors**2).sum(axis=1).min()
