"""The losses against PyTorch's own, SciPy, probabilities and difference quotients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import special

from dlnotes.networks.losses import (
    binary_cross_entropy,
    binary_cross_entropy_gradient,
    cross_entropy,
    cross_entropy_gradient,
    log_softmax,
    negative_log_likelihood,
    softmax,
    squared_error,
    squared_error_gradient,
)

Run = Callable[..., NDArray[Any]]


def draw_logits(rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw instances by classes, some far out, and a label for each instance."""
    logits = rng.normal(scale=3, size=(12, 4))
    logits[1:3] += 900
    logits[3:5] -= 900
    logits[5:7, 1] += 800
    return logits, np.append(rng.integers(4, size=5), [0, 1, 2, 3, 0, 1, 2])


def quotient(loss: Any, x: NDArray[Any], h: float = 1e-6) -> NDArray[Any]:
    """Differentiate the sum of a loss, one entry of ``x`` at a time."""
    derivatives = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[place] = h
        derivatives[place] = (loss(x + step) - loss(x - step)).sum() / (2 * h)
    return derivatives


@pytest.mark.verifies("eq-squared-error")
def test_the_squared_error_is_pytorchs(run: Run, rng: np.random.Generator) -> None:
    y_hat, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))

    got = run(squared_error, y_hat, y)

    want = torch.nn.MSELoss(reduction="none")(*map(torch.asarray, (y_hat, y)))
    np.testing.assert_allclose(got, want, rtol=1e-14)


@pytest.mark.verifies("eq-softmax")
@pytest.mark.verifies("eq-log-softmax")
def test_softmax_and_its_logarithm_are_scipys(
    run: Run, rng: np.random.Generator
) -> None:
    logits, _ = draw_logits(rng)

    p, log_p = run(softmax, logits), run(log_softmax, logits)

    np.testing.assert_allclose(p, special.softmax(logits, axis=-1), rtol=1e-12)
    np.testing.assert_allclose(log_p, special.log_softmax(logits, axis=-1), rtol=1e-13)
    np.testing.assert_allclose(p.sum(axis=-1), np.ones(12), rtol=1e-14)


@pytest.mark.verifies("eq-softmax")
def test_only_differences_between_logits_count(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    logits = rng.normal(size=(4, 3))
    shift = rng.normal(scale=100, size=(4, 1))

    got = softmax(array(logits + shift))

    np.testing.assert_allclose(got, softmax(logits), rtol=1e-12)


@pytest.mark.verifies("eq-log-softmax")
def test_a_class_that_is_ruled_out_has_no_probability_and_does_no_harm(
    array: Callable[[Any], Any],
) -> None:
    logits = array(np.array([[1.0, -np.inf, 1.0]]))

    assert softmax(logits).round(decimals=12).tolist() == [[0.5, 0.0, 0.5]]
    got = cross_entropy(logits, array(np.array([2])))
    assert float(got[0]) == pytest.approx(np.log(2))


@pytest.mark.verifies("eq-cross-entropy")
def test_cross_entropy_is_pytorchs(run: Run, rng: np.random.Generator) -> None:
    logits, labels = draw_logits(rng)

    got = run(cross_entropy, logits, labels)

    theirs = torch.nn.CrossEntropyLoss(reduction="none")
    want = theirs(*map(torch.asarray, (logits, labels)))
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-15)
    assert got.max() > 700, "some right class must be far from likely"


@pytest.mark.verifies("eq-cross-entropy")
def test_cross_entropy_is_the_negative_log_likelihood_of_the_right_class(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    logits, labels = rng.normal(size=(5, 3)), np.array([0, 1, 2, 2, 1])

    got = cross_entropy(array(logits), array(labels))

    for n in range(5):
        odds = [np.exp(logit) for logit in logits[n]]
        assert float(got[n]) == pytest.approx(-np.log(odds[labels[n]] / sum(odds)))


@pytest.mark.verifies("eq-cross-entropy")
def test_all_axes_before_the_classes_are_of_instances(
    run: Run, rng: np.random.Generator
) -> None:
    logits, labels = draw_logits(rng)
    shaped = logits.reshape(2, 3, 2, 4), labels.reshape(2, 3, 2)

    losses, gradient = run(cross_entropy, *shaped), run(cross_entropy_gradient, *shaped)

    np.testing.assert_allclose(losses.ravel(), cross_entropy(logits, labels))
    flat = cross_entropy_gradient(logits, labels)
    np.testing.assert_allclose(gradient.reshape(12, 4), flat, atol=1e-16)


@pytest.mark.verifies("eq-negative-log-likelihood")
def test_the_negative_log_likelihood_is_pytorchs_where_a_class_is_ruled_out_too(
    run: Run, rng: np.random.Generator
) -> None:
    log_p = np.log(rng.dirichlet(np.ones(4), size=(2, 6)))
    labels = rng.integers(4, size=(2, 6))
    log_p[0, :3, 2] = -np.inf
    labels[0, :2] = 2, 1

    got = run(negative_log_likelihood, log_p, labels)

    theirs = torch.nn.NLLLoss(reduction="none")
    want = theirs(torch.asarray(log_p).movedim(-1, 1), torch.asarray(labels))
    np.testing.assert_allclose(got, want, rtol=1e-14)
    assert np.isinf(got).sum() == 1


@pytest.mark.verifies("eq-negative-log-likelihood")
def test_of_a_log_softmax_it_is_the_cross_entropy_with_its_gradient(
    rng: np.random.Generator,
) -> None:
    logits, labels = map(torch.asarray, draw_logits(rng))
    logits.requires_grad_()

    got = negative_log_likelihood(log_softmax(logits), labels)

    want = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(got, want)
    slopes = [torch.autograd.grad(each.sum(), logits) for each in (got, want)]
    torch.testing.assert_close(*slopes)


@pytest.mark.verifies("eq-binary-cross-entropy")
def test_binary_cross_entropy_is_pytorchs(run: Run, rng: np.random.Generator) -> None:
    logits = np.append(rng.normal(scale=3, size=10), [-800.0, 800.0, 0.0, 800.0])
    y = np.append(rng.uniform(size=10), [1.0, 1.0, 0.0, 0.0])

    got = run(binary_cross_entropy, logits, y)

    theirs = torch.nn.BCEWithLogitsLoss(reduction="none")
    want = theirs(*map(torch.asarray, (logits, y)))
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.verifies("eq-binary-cross-entropy")
def test_a_logit_without_end_costs_nothing_where_it_is_right_and_else_all(
    array: Callable[[Any], Any],
) -> None:
    logits = np.repeat([-np.inf, np.inf], 3)
    y = np.tile([0.0, 0.5, 1.0], 2)

    got = binary_cross_entropy(array(logits), array(y))

    want = [0.0, np.inf, np.inf, np.inf, np.inf, 0.0]
    np.testing.assert_array_equal(np.asarray(got), want)


@pytest.mark.verifies("eq-binary-cross-entropy")
def test_two_classes_are_one_logit_and_a_sigmoid(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    z, labels = rng.normal(scale=3, size=9), np.array([0, 1, 1, 0, 1, 0, 0, 1, 1])
    two = np.stack([np.zeros(9), z], axis=1)

    got = binary_cross_entropy(array(z), array(labels.astype(float)))

    want = cross_entropy(array(two), array(labels))
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.verifies("eq-binary-cross-entropy")
def test_a_right_answer_keeps_the_digits_of_its_small_loss() -> None:
    got = binary_cross_entropy(np.array([-40.0, 40.0]), np.array([0.0, 1.0]))

    np.testing.assert_allclose(got, np.exp([-40.0, -40.0]), rtol=1e-12)


@pytest.mark.verifies("eq-squared-error-gradient")
@pytest.mark.verifies("eq-binary-cross-entropy-gradient")
@pytest.mark.parametrize(
    ("loss", "gradient"),
    [
        (squared_error, squared_error_gradient),
        (binary_cross_entropy, binary_cross_entropy_gradient),
    ],
)
def test_the_derivative_of_each_loss_is_a_difference_quotient_and_autograd_agrees(
    run: Run, rng: np.random.Generator, loss: Any, gradient: Any
) -> None:
    x, y = rng.normal(size=(4, 3)), rng.uniform(size=(4, 3))
    tensor = torch.asarray(x).requires_grad_()

    got = run(gradient, x, y)

    np.testing.assert_allclose(got, quotient(lambda x: loss(x, y), x), rtol=1e-7)
    total = loss(tensor, torch.asarray(y)).sum()
    (want,) = torch.autograd.grad(total, tensor)
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.verifies("eq-cross-entropy-gradient")
def test_the_gradient_of_the_cross_entropy_is_a_difference_quotient_far_out_too(
    run: Run, rng: np.random.Generator
) -> None:
    logits, labels = draw_logits(rng)
    tensor = torch.asarray(logits).requires_grad_()

    got = run(cross_entropy_gradient, logits, labels)

    quotients = quotient(lambda logits: cross_entropy(logits, labels), logits)
    np.testing.assert_allclose(got, quotients, atol=1e-6)
    total = cross_entropy(tensor, torch.asarray(labels)).sum()
    (want,) = torch.autograd.grad(total, tensor)
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(got.sum(axis=-1), np.zeros(12), atol=1e-15)
    assert abs(got).max() <= 1


@pytest.mark.verifies("eq-cross-entropy-gradient")
def test_divided_by_the_number_of_instances_it_is_the_gradient_of_the_mean(
    rng: np.random.Generator, array: Callable[[Any], Any]
) -> None:
    logits, labels = draw_logits(rng)
    tensor = torch.asarray(logits).requires_grad_()

    got = cross_entropy_gradient(array(logits), array(labels)) / len(labels)

    mean = torch.nn.CrossEntropyLoss()(tensor, torch.asarray(labels))
    (want,) = torch.autograd.grad(mean, tensor)
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-15)


@pytest.mark.verifies("eq-squared-error-gradient")
@pytest.mark.verifies("eq-binary-cross-entropy-gradient")
def test_behind_a_sigmoid_the_squared_error_saturates_and_the_cross_entropy_does_not(
    array: Callable[[Any], Any],
) -> None:
    z = np.linspace(-40, 40, 8001)
    a = 1 / (1 + np.exp(-z))

    squared = squared_error_gradient(array(a), array(np.ones(8001)))
    binary = binary_cross_entropy_gradient(array(z), array(np.ones(8001)))

    size = -np.asarray(squared) * a * (1 - a)
    assert size.max() == pytest.approx(8 / 27, rel=1e-5)
    assert a[size.argmax()] == pytest.approx(1 / 3, abs=1e-2)
    assert size[z < -10].max() < 1e-4
    assert float(binary[z < -10].max()) < -0.9999


@pytest.mark.parametrize("classes", [2, 10])
def test_probabilities_taken_for_logits_leave_a_loss_where_all_is_right(
    classes: int,
) -> None:
    certain = 100 * np.eye(classes)

    got = cross_entropy(softmax(certain), np.arange(classes))

    np.testing.assert_allclose(got, np.log(1 + (classes - 1) / np.e))
    assert cross_entropy(certain, np.arange(classes)).max() < 1e-40


def test_labels_and_logits_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"labels of shape \(4,\), but batch is"):
        cross_entropy(np.ones((5, 3)), np.zeros(4, dtype=int))
    with pytest.raises(TypeError, match="wants Int numbers in labels, got float64"):
        cross_entropy(np.ones((5, 3)), np.zeros(5))


PICKING = [cross_entropy, cross_entropy_gradient, negative_log_likelihood]


@pytest.mark.parametrize("label", [-1, 3, -100])
@pytest.mark.parametrize("function", PICKING)
def test_a_label_that_is_no_class_is_refused_by_name(
    array: Callable[[Any], Any], function: Any, label: int
) -> None:
    logits, labels = array(np.ones((2, 3))), array(np.array([1, label]))

    with pytest.raises(
        ValueError, match=f"labels must be at least 0 and less than 3, got {label}"
    ):
        function(logits, labels)


@pytest.mark.parametrize("label", [-1, 3])
@pytest.mark.parametrize("function", PICKING)
@pytest.mark.parametrize("how", ["compiled", "mapped"])
def test_where_labels_cannot_be_seen_what_is_no_class_is_not_a_number(
    function: Any, label: int, how: str
) -> None:
    logits, labels = torch.ones(2, 3), torch.tensor([1, label])
    torch.compiler.reset()
    call: Any = torch.compile(function, backend="eager", fullgraph=True)
    if how == "mapped":
        call = torch.func.vmap(function)

    got = call(logits, labels).reshape(2, -1)

    assert got.isnan().all(dim=1).tolist() == [False, True]
    assert got.isnan().any(dim=1).tolist() == [False, True]


@pytest.mark.parametrize("loss", [cross_entropy, negative_log_likelihood])
def test_on_another_device_a_label_that_is_no_class_makes_nan(
    other_device: torch.device, loss: Any
) -> None:
    scores, labels = torch.zeros(2, 3), torch.tensor([2, 3])

    got = loss(scores.to(other_device), labels.to(other_device))

    assert got.cpu().isnan().tolist() == [False, True]


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64"])
def test_labels_are_whole_numbers_of_any_size(run: Run, kind: str) -> None:
    logits, labels = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]), np.array([1, 2])

    got = run(cross_entropy, logits, labels.astype(kind))

    np.testing.assert_allclose(got, -np.log([0.25, 0.8]), rtol=1e-12)


@pytest.mark.parametrize("loss", [cross_entropy, negative_log_likelihood])
def test_more_classes_than_small_labels_can_count_refuse_none_of_them(
    array: Callable[[Any], Any], loss: Any
) -> None:
    scores, labels = array(np.zeros((2, 256))), array(np.array([3, 100], "int8"))

    assert np.isfinite(np.asarray(loss(scores, labels))).all()


def test_without_classes_there_is_nothing_to_share(array: Callable[[Any], Any]) -> None:
    logits = array(np.zeros((2, 0)))

    assert tuple(softmax(logits).shape) == tuple(log_softmax(logits).shape) == (2, 0)


@pytest.mark.verifies("eq-softmax")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_in_half_precision_too_probabilities_add_up_to_one(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    logits = torch.randn(20, 5000).to(dtype)

    p = softmax(logits)

    assert p.dtype == dtype
    exact = logits.double().softmax(-1)
    off = (p.double().sum(-1) - 1).abs().max()
    assert off < 0.6 * torch.finfo(dtype).eps
    torch.testing.assert_close(
        p.double(), exact, rtol=4 * torch.finfo(dtype).eps, atol=1e-7
    )


@pytest.mark.verifies("eq-softmax")
@pytest.mark.verifies("eq-log-softmax")
@pytest.mark.verifies("eq-cross-entropy")
@pytest.mark.parametrize("classes", [10, 70_000])
def test_in_half_precision_so_many_classes_are_added_that_their_sum_overflows(
    array: Callable[[Any], Any], classes: int
) -> None:
    logits = np.linspace(0, 1, 2 * classes).reshape(2, classes).astype(np.float16)
    labels = np.array([0, classes - 1])
    given = array(logits)

    p, log_p = softmax(given), log_softmax(given)
    loss = cross_entropy(given, array(labels))

    exact = special.log_softmax(logits.astype(np.float64), axis=-1)
    assert p.dtype == log_p.dtype == loss.dtype == given.dtype
    np.testing.assert_allclose(np.asarray(p), np.exp(exact), rtol=5e-4, atol=6e-8)
    np.testing.assert_allclose(np.asarray(log_p), exact, rtol=1e-3)
    np.testing.assert_allclose(np.asarray(loss), -exact[[0, 1], labels], rtol=1e-3)
