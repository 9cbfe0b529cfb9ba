"""Metrics are what a loop over the instances counts."""

import numpy as np
import pytest
import torch

from dlnotes.lab.metrics import accuracy, negative_mse, r_squared


def test_accuracy_counts_each_place_of_an_instance(rng: np.random.Generator) -> None:
    logits, labels = rng.normal(size=(5, 4, 3)), rng.integers(4, size=(5, 3))
    right = [
        int(np.argmax(logits[n, :, place])) == labels[n, place]
        for n in range(5)
        for place in range(3)
    ]

    share = accuracy(torch.asarray(logits), torch.asarray(labels))

    assert share == pytest.approx(sum(right) / 15)


def test_a_label_that_is_ignored_does_not_count(rng: np.random.Generator) -> None:
    logits, labels = rng.normal(size=(9, 3)), rng.integers(3, size=9)
    labels[[0, 4]] = 255
    right = [int(np.argmax(logits[n])) == labels[n] for n in (1, 2, 3, 5, 6, 7, 8)]

    share = accuracy(torch.asarray(logits), torch.asarray(labels), ignore_index=255)

    assert share == pytest.approx(sum(right) / 7)


@pytest.mark.parametrize("column", [0, 1])
def test_logits_that_are_not_numbers_are_right_about_nothing(column: int) -> None:
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    logits[:, column] = torch.nan

    assert accuracy(logits, torch.tensor([0, 1])) == 0
    assert accuracy(logits, torch.tensor([1, 0])) == 0


def test_r_squared_is_the_share_of_the_variance(rng: np.random.Generator) -> None:
    outputs, targets = rng.normal(size=(2, 9, 1))

    explained = r_squared(torch.asarray(outputs), torch.asarray(targets))

    unexplained = np.mean((outputs - targets) ** 2) / np.var(targets)
    assert explained == pytest.approx(1 - unexplained)


def test_r_squared_of_targets_that_do_not_vary_is_refused() -> None:
    with pytest.raises(ValueError, match="targets must vary"):
        r_squared(torch.zeros(3, 1), torch.ones(3, 1))


def test_a_mean_squared_error_is_the_better_the_smaller(
    rng: np.random.Generator,
) -> None:
    outputs, targets = rng.normal(size=(2, 9, 2))

    score = negative_mse(torch.asarray(outputs), torch.asarray(targets))

    assert score == pytest.approx(-np.mean((outputs - targets) ** 2))


def test_targets_that_would_be_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match=r"targets of shape \(3,\)"):
        negative_mse(torch.zeros(3, 1), torch.ones(3))
