"""The tasks are what they say, and no row is on both sides of a split."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from torch import Tensor

from dlnotes.lab import tasks
from dlnotes.lab.data import load
from dlnotes.lab.metrics import r_squared
from dlnotes.lab.tasks import (
    Place,
    TaskFactory,
    adding,
    cars,
    digits,
    fashion_mnist,
    hold_out,
    marked_images,
    moons,
    plus_or_cross,
    standardize,
)

MAKERS = {
    "digits": digits,
    "cars": cars,
    "moons": partial(moons, train=40, test=10, noise=0.2),
    "adding": partial(adding, train=40, test=10),
}


def rows(*parts: Tensor) -> list[Any]:
    """Return the rows of tensors in an order of their own."""
    return sorted(row for part in parts for row in part.flatten(1).tolist())


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_a_seed_makes_one_task_and_another_seed_another(make: TaskFactory) -> None:
    task, again, other = (make(np.random.default_rng(seed)) for seed in (0, 0, 1))

    for ours, theirs in ((task.train, again.train), (task.test, again.test)):
        for values, same in zip(ours, theirs, strict=True):
            torch.testing.assert_close(values, same, rtol=0, atol=0)
    assert not torch.equal(task.train[0], other.train[0])


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_a_fifth_of_the_training_rows_takes_the_place_of_the_test_rows(
    make: TaskFactory, rng: np.random.Generator
) -> None:
    task = make(rng)
    n = len(task.train[0])

    tuning = hold_out(task, rng)

    assert len(tuning.test[0]) == len(tuning.test[1]) == n // 5
    for k in (0, 1):
        parts = (part[k] for part in (tuning.train, tuning.test))
        wide = [part.reshape(len(part), -1) for part in parts]
        assert rows(*wide) == rows(task.train[k].reshape(n, -1))


def test_a_target_stays_with_its_instance_when_rows_are_held_out(
    rng: np.random.Generator,
) -> None:
    X = torch.arange(50.0)[:, None]
    task = replace(moons(rng, train=50, noise=0), train=(X, 2 * X))

    tuning = hold_out(task, rng)

    for X, y in (tuning.train, tuning.test):
        torch.testing.assert_close(y, 2 * X)


def test_digits_are_scikit_learns_each_in_one_part_with_its_class(
    rng: np.random.Generator,
) -> None:
    task = digits(rng, train=1300, test=497)
    X, y = load_digits(return_X_y=True)

    labeled = (torch.column_stack(part) for part in (task.train, task.test))
    assert rows(*labeled) == rows(torch.tensor(np.column_stack([X / 16, y])))


def test_each_part_of_the_digits_has_its_share_of_each_class(
    rng: np.random.Generator,
) -> None:
    _, y = load_digits(return_X_y=True)
    task = digits(rng)

    for _, labels in (task.train, task.test):
        share = np.bincount(y) * len(labels) / len(y)
        assert np.abs(np.bincount(labels) - share).max() <= 1


@pytest.fixture
def _few_garments(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have 50 images, the value of each of whose pixels is its number."""

    def load(_name: str, *, split: str, allow_subset: bool) -> Any:
        assert not allow_subset
        numbers = np.arange(50) + 100 * (split == "test")
        X = np.tile(numbers[:, None, None], (1, 28, 28)).astype(np.uint8)
        source = SimpleNamespace(sha256=f"hash of {split}")
        return SimpleNamespace(X=X, y=numbers % 10, source=source)

    monkeypatch.setattr(tasks, "load", load)
    tasks._all_garments.cache_clear()
    yield
    tasks._all_garments.cache_clear()


@pytest.mark.usefixtures("_few_garments")
def test_fashion_images_are_drawn_once_each_and_all_others_test(
    rng: np.random.Generator,
) -> None:
    task = fashion_mnist(rng, train=30)

    (X, y), (X_test, y_test) = task.train, task.test
    numbers, test_numbers = ((255 * each[:, 0]).round().long() for each in (X, X_test))
    assert X.shape == (30, 784)
    assert len(set(numbers.tolist())) == 30
    assert max(numbers.tolist()) < 50
    assert test_numbers.tolist() == list(range(100, 150))
    assert (numbers % 10).tolist() == y.tolist()
    assert (test_numbers % 10).tolist() == y_test.tolist()
    assert task.hashes == {
        "fashion-mnist, train": "hash of train",
        "fashion-mnist, test": "hash of test",
    }


def test_a_line_explains_most_of_what_cars_cost(rng: np.random.Generator) -> None:
    task = cars(rng)

    line = LinearRegression().fit(*map(np.asarray, task.train))

    assert len(task.train[0]) + len(task.test[0]) == 804
    assert 0.9 < line.score(*map(np.asarray, task.test)) < 0.95  # 0.926 over ten folds


def test_what_is_to_be_known_of_a_car_is_the_logarithm_of_its_price(
    rng: np.random.Generator,
) -> None:
    task = cars(rng)
    targets = np.sort(torch.cat([task.train[1], task.test[1]])[:, 0].numpy())
    prices = np.sort(load("cars-kbb-2005").columns["Price"])

    assert np.corrcoef(targets, np.log(prices))[0, 1] == pytest.approx(1, abs=1e-9)


def test_moons_without_noise_are_half_circles(rng: np.random.Generator) -> None:
    task = moons(rng, train=30, test=10, noise=0)

    points, labels = map(torch.cat, zip(task.train, task.test, strict=True))
    center = torch.tensor([[0.0, 0.0], [1.0, 0.5]])[labels]
    torch.testing.assert_close((points - center).norm(dim=1), torch.ones(40))
    assert labels.bincount().tolist() == [20, 20]


@pytest.mark.parametrize("steps", [2, 7, 30])
def test_the_sum_is_of_one_marked_number_in_each_half(
    rng: np.random.Generator, steps: int
) -> None:
    X, y = adding(rng, train=200, steps=steps).train

    for sequence, target in zip(X.tolist(), y.tolist(), strict=True):
        places = [k for k, (_, mark) in enumerate(sequence) if mark == 1]
        first, second = places
        assert first < steps // 2 <= second
        assert target == [pytest.approx(sum(sequence[k][0] for k in places), rel=1e-6)]


def test_marks_fall_on_every_step(rng: np.random.Generator) -> None:
    X, _ = adding(rng, train=500, steps=7).train

    assert (X[:, :, 1].sum(0) > 0).all()


def test_who_always_answers_1_to_a_sum_is_off_by_a_sixth(
    rng: np.random.Generator,
) -> None:
    task = adding(rng, train=1, test=20_000)
    _, y = task.test

    assert task.score(torch.ones_like(y), y) == pytest.approx(-1 / 6, abs=0.005)


@pytest.mark.parametrize("steps", [1, 0, -4])
def test_a_sequence_too_short_for_two_halves_is_refused(
    rng: np.random.Generator, steps: int
) -> None:
    with pytest.raises(ValueError, match=f"steps must be at least 2, .*, got {steps}"):
        adding(rng, train=1, steps=steps)


def test_means_and_deviations_are_those_of_the_training_rows(
    rng: np.random.Generator,
) -> None:
    X, y, X_test, y_test = (
        rng.normal(3, 5, size=size) for size in ((100, 3), (100, 1), (6, 3), (6, 1))
    )
    as_tensor = partial(torch.tensor, dtype=torch.float32)
    train, test = (as_tensor(X), as_tensor(y)), (as_tensor(X_test), as_tensor(y_test))
    task = replace(cars(rng), train=train, test=test)

    even = standardize(task)

    wanted = (X_test - X.mean(axis=0)) / X.std(axis=0, ddof=1)
    np.testing.assert_allclose(even.test[0], wanted, rtol=1e-4)
    wanted = (y_test - y.mean()) / y.std(ddof=1)
    np.testing.assert_allclose(even.test[1], wanted, rtol=1e-4)
    np.testing.assert_allclose(even.train[0].mean(0), 0, atol=1e-6)


def test_what_is_constant_is_only_centered_even_if_rounding_gives_it_a_deviation(
    rng: np.random.Generator,
) -> None:
    constant = torch.full((20, 1), 0.1)
    labels = torch.zeros(20, dtype=torch.int64)
    task = moons(rng, train=20, noise=0)
    task = replace(task, train=(constant, labels), test=(constant + 3, labels))

    even = standardize(task)

    torch.testing.assert_close(even.test[0], torch.full((20, 1), 3.0))


def test_labels_are_not_standardized(rng: np.random.Generator) -> None:
    task = moons(rng, train=10, test=5, noise=0.1)

    even = standardize(task)

    assert torch.equal(even.train[1], task.train[1])
    assert torch.equal(even.test[1], task.test[1])


def test_the_variance_explained_is_scikit_learns(rng: np.random.Generator) -> None:
    outputs, targets = rng.normal(size=(2, 30, 1))

    explained = r_squared(torch.asarray(outputs), torch.asarray(targets))

    assert explained == pytest.approx(r2_score(targets, outputs))


@pytest.mark.parametrize("place", ["border", "center"])
def test_each_image_has_one_mark_in_its_place_and_half_of_them_are_crosses(
    rng: np.random.Generator, place: Place
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.5, size=(500, 1, 20, 20))

    X, y = marked_images(rng, place, images=500)

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
        marked_images(np.random.default_rng(seed), "border", images=4)[0]
        for seed in (1, 1, 2)
    )

    assert torch.equal(one, again)
    assert not torch.isclose(one, other).any()


def test_marks_are_half_at_the_border_and_half_at_the_center(
    rng: np.random.Generator,
) -> None:
    task = plus_or_cross(rng)

    for X, y in (task.train, task.test):
        pixels = X[:, 0].reshape(2, 1000, 20, 20).mean(1)
        inside = pixels[:, 7:13, 7:13].mean(dim=(1, 2))
        assert inside.tolist() == pytest.approx([0, 5 / 36], abs=0.01)
        assert pixels.mean(dim=(1, 2)).tolist() == pytest.approx(
            [5 / 400] * 2, abs=0.01
        )
        assert y.reshape(2, 1000).sum(1).tolist() == [500, 500]
    assert not torch.isclose(task.train[0], task.test[0]).all(dim=(1, 2, 3)).any()
