"""The rules of the chapter's claims on made-up measurements, and what they rest on."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import cast

import numpy as np
import pytest
import torch

from dlnotes.claims import Row, Verdict
from dlnotes.claims.cnn import arithmetic
from dlnotes.claims.evidence import rows
from dlnotes.claims.trial import Trial
from dlnotes.lab.fit import predict
from dlnotes.lab.metrics import accuracy
from dlnotes.lab.tasks import Task, marked_images, moons


def about(mean: float, spread: float = 0.1) -> list[float]:
    """Make up the results of five seeds."""
    return [mean + spread * each for each in (-1.0, -0.5, 0.0, 0.5, 1.0)]


def percent_right(
    place: str, padded: Sequence[list[float]], reflected: Sequence[float] = (80, 80)
) -> list[Row]:
    """Make up accuracies with 3 and with 6 layers; without padding they are 70."""
    scores = {}
    for layers, values, other in zip(
        ("3 layers", "6 layers"), padded, reflected, strict=True
    ):
        scores[f"{layers}, zero padding"] = values
        scores[f"{layers}, no padding"] = [70.0] * 5
        scores[f"{layers}, reflection"] = about(other)
    return rows(f"percent right at the {place}", scores, "marks")


def few(rng: np.random.Generator) -> Task:
    return moons(rng, train=10, noise=0.1)


def garments(rng: np.random.Generator) -> Task:
    task = moons(rng, train=4, test=4, noise=0.1)
    train, test = ((X.repeat(1, 392), y) for X, y in (task.train, task.test))
    return replace(task, train=train, test=test)


@pytest.mark.parametrize(
    ("added", "verdict"),
    [
        ((-1, -1, -1), Verdict.HOLDS),
        ((-1, 0, -1), Verdict.CONDITIONAL),
        ((-1, 0, 1), Verdict.FAILS),
    ],
)
def test_every_step_of_the_stride_must_make_the_output_smaller(
    added: Sequence[int], verdict: Verdict
) -> None:
    found = [
        Row(f"steps that {what}", f"room {room}", "", (float(count),))
        for room in (True, False)
        for what, sign in arithmetic.SIGNS.items()
        for count in [added.count(sign) if room else 0]
    ]

    ruling = arithmetic.judge_steps(found)

    assert ruling.verdict is verdict
    start = f"Of 3 steps {sum(a < 0 for a in added)} make the output"
    assert ruling.because.startswith(start)


def test_a_larger_stride_never_enlarges_and_sometimes_changes_nothing() -> None:
    finding = arithmetic.larger_stride_smaller_output([0])

    counts = np.reshape([row.values[0] for row in finding.measured], (2, 3))
    ties = [
        len(range(0, places, S)) == len(range(0, places, S + 1))
        for W, F, P, S in product(range(5, 65), range(1, 12), range(3), range(1, 8))
        if W >= F
        for places in [W - F + 2 * P + 1]
    ]
    assert finding.verdict == Verdict.CONDITIONAL
    assert counts.sum(axis=0).tolist() == [len(ties) - sum(ties), sum(ties), 0]
    assert counts[0, 1] == 0
    assert "where W - F + 2P is at least S (S + 1)" in finding.outcome


def test_sizes_that_are_not_pytorchs_are_no_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        arithmetic, "conv_output_size", lambda W, _, stride, **__: W // stride
    )

    with pytest.raises(ArithmeticError, match="W=5, F=1, P=0"):
        arithmetic.larger_stride_smaller_output([0])


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
    ruling = arithmetic.judge_border(
        percent_right("border", [about(70 + mean) for mean in border])
        + percent_right("center", [about(70 + mean) for mean in center])
    )

    assert ruling.verdict is verdict
    low, high = border[0] - 0.098, border[0] + 0.098  # five seeds, deviation 0.079
    assert (
        f"{low:.1f} to {high:.1f} points at the border with 3 layers" in ruling.because
    )


@pytest.mark.parametrize(
    ("reflected", "gained", "verdict"),
    [
        ((80, 60.2), 9, Verdict.HOLDS),
        ((80, 60.0), 9, Verdict.CONDITIONAL),
        ((50, 50), 9, Verdict.OPEN),
        ((80, 50), 0, Verdict.OPEN),
        ((80, 80), 0, Verdict.FAILS),
    ],
)
def test_networks_are_compared_only_where_each_of_them_has_learned(
    reflected: Sequence[float], gained: float, verdict: Verdict
) -> None:
    ruling = arithmetic.judge_border(
        percent_right("border", [about(70 + gained)] * 2)
        + percent_right("center", [about(70)] * 2, reflected)
    )

    assert ruling.verdict is verdict
    compared = [
        name
        for name, mean in zip(arithmetic.DEEP, reflected, strict=True)
        if mean - 0.1 >= 60
    ]
    told = " and ".join(compared) or "neither depth"
    assert ruling.because.endswith(f"With {told} all three networks learn.")


def test_help_that_not_every_seed_gets_is_none() -> None:
    found = [
        row
        for place in ("border", "center")
        for row in percent_right(place, [about(73, spread=9)] * 2)
    ]

    assert arithmetic.judge_border(found).verdict is Verdict.FAILS


def test_networks_that_differ_in_their_padding_start_from_the_same_weights() -> None:
    trials = [
        Trial(padding, few, arithmetic.detector(3, padding), epochs=1)
        for padding in arithmetic.PADDINGS
    ]
    models = [cast(torch.nn.Sequential, trial.start(1)[1]) for trial in trials]
    sizes = [tuple(model[:-3](torch.zeros(1, 1, 20, 20)).shape) for model in models]

    first, *others = [model.state_dict() for model in models]

    assert sizes == [(1, 8, 14, 14), (1, 8, 20, 20), (1, 8, 20, 20)]
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)
    another = trials[1].start(2)[1].state_dict()
    assert not torch.isclose(first["0.weight"], another["0.weight"]).any()


def test_training_tells_the_marks_apart_and_is_repeatable() -> None:
    def central(rng: np.random.Generator) -> Task:
        data = marked_images(rng, "center", images=600)
        return replace(few(rng), train=data)

    trial = Trial("zeros", central, arithmetic.detector(1, "zero padding"), epochs=10)

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
    wide, narrow = "variance 2 / inputs", "variance 1 / (3 inputs)"
    shares = {
        "pairs that are duplicates before training": [0.02] * 5,
        "pairs that are duplicates after training": [pairs] * 5,
        "structured filters before training": about(first),
        "structured filters after training": [last] * 5,
    }
    found = [
        row
        for name, values in shares.items()
        for row in rows(
            f"share of {name}", {wide: values, narrow: [0.9] * 5}, "fashion"
        )
    ]

    ruling = arithmetic.judge_filters(found)

    assert ruling.verdict is verdict
    assert f"{pairs:.1%} of the pairs are duplicates (2.0% of untr" in ruling.because
    assert f"goes from {first:.1%}, untrained, to {last:.1%}" in ruling.because
    assert ruling.condition == (
        "in that few filters are alike, which holds of untrained ones, too; "
        "they become edges or blobs not from weights of variance 2 / inputs"
    )


def test_untrained_filters_are_the_control() -> None:
    trial = Trial("untrained", garments, arithmetic.classifier(2.0), epochs=1)
    _, model, _ = trial.start(3)

    noted = arithmetic.look_at_filters(trial, 0.01, 3)

    filters = arithmetic.unit_filters(model)
    for what, share in (
        ("pairs that are duplicates", arithmetic.duplicates),
        ("structured filters", arithmetic.structured),
    ):
        assert noted[f"share of {what} before training"] == share(filters)
    assert {name for name in noted if name.endswith("after training")} == {
        f"share of {what} after training"
        for what in ("pairs that are duplicates", "structured filters")
    }


def test_filters_are_duplicates_up_to_sign_brightness_and_contrast() -> None:
    edge, bar = np.zeros((2, 7, 7))
    edge[:, :3], edge[:, 4:], bar[:, 3] = -1, 1, 1
    model = torch.nn.Conv2d(1, 4, 7)
    model.weight = torch.nn.Parameter(
        torch.tensor(np.stack([edge, 3 - 2 * edge, bar, edge.T])[:, None])
    )

    filters = arithmetic.unit_filters(model)

    assert arithmetic.duplicates(filters) == pytest.approx(1 / 6)
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
    for _ in range(2):
        x0, y0, (sigma, ratio) = *rng.uniform(-2, 2, 2), rng.uniform((1, 1.5), (2, 4))
        z = (x - x0 + 1j * (y - y0)) * np.exp(-1j * rng.uniform(0, np.pi))
        bell = np.exp(-(z.real**2 + z.imag**2 / 2) / (2 * sigma**2))
        wave = np.cos(2 * np.pi * 0.2 * z.real + rng.uniform(0, np.pi))
        narrow, wide = (
            np.exp(-(abs(z) ** 2) / (2 * s**2)) / s**2 for s in (sigma, ratio * sigma)
        )

        assert arithmetic.best_r_squared(arithmetic.gabors, unit(bell * wave)) > 0.99
        assert arithmetic.best_r_squared(arithmetic.blobs, unit(wide - narrow)) > 0.99


def test_noise_has_no_structure(rng: np.random.Generator) -> None:
    noise = np.stack([unit(rng.normal(size=49)) for _ in range(10)])

    # The best fit to any of the ten is to the last, with an R^2 of 0.41.
    assert arithmetic.structured(noise[-2:]) == 0


@pytest.mark.parametrize(
    "family", list(arithmetic.RANGES), ids=lambda each: each.__name__
)
def test_no_other_parameters_in_range_fit_better(
    rng: np.random.Generator, family: arithmetic.Family
) -> None:
    low, high, _ = zip(*arithmetic.RANGES[family], strict=True)
    others = family(rng.uniform(low, high, size=(5000, len(low))))
    for _ in range(2):
        pixels = unit(rng.normal(size=49))

        best = arithmetic.best_r_squared(family, pixels)

        errors = (
            pixels - (others @ (np.linalg.pinv(others) @ pixels)[..., None])[..., 0]
        )
        assert best > 1 - (errors**2).sum(axis=1).min()
