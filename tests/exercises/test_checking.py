"""What `check` says of an answer: right, which mistake, or how its result differs."""

import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from dlnotes.exercises import Exercise, Feedback, Mistake, check
from dlnotes.exercises.checking import NOT_ALONE

Array = Any


def scaled(x: Array, factor: float = 2.0, shift: float = 0.0) -> Array:
    return factor * x + shift


DOUBLE = Exercise(
    name="double",
    section="arithmetic",
    task="Write `double(x)`: double every number.",
    solution=lambda x: 2 * x,
    inputs=lambda rng: {"x": rng.normal(size=(2, 3))},
    mistakes=(
        Mistake(lambda x: x**2, "That is the square."),
        Mistake(partial(scaled, factor=3.0), "That is three times."),
        Mistake(partial(scaled, shift=1.0), "You add one."),
        Mistake(partial(scaled, factor=4.0), "That is four times."),
    ),
    hint="Add it to itself.",
)
PAIR = Exercise(
    name="pair",
    section="arithmetic",
    task="Write `pair(n)`.",
    solution=lambda n: (n, n + 1),
    inputs=lambda rng: {"n": int(rng.integers(9))},
    mistakes=(),
)


def in_place(x: Array) -> Array:
    x *= 2
    return x


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: x**2, "That is the square."),
        (lambda x: 3 * x + 1, "Two things. That is three times. You add one."),
        (
            lambda x: -x,
            "Its result is -0.5 times what it should be.\nAdd it to itself.",
        ),
        (lambda x: (2 * x).T, "has shape (3, 2), not (2, 3) (transposed)."),
        (lambda x: (2 * x)[0], "has shape (3,), not (2, 3)."),
        (lambda _: None, "It returns nothing: is a return missing?"),
        (lambda x: {"y": 2 * x}, "Its result is a dict, not an array."),
        (lambda x: (2 * x, x), "Its result is a tuple of 2, not an array."),
        (lambda x: [x[0].tolist(), [1]], "cannot be read as an array"),
        (lambda x: (2 * x).astype(str), "not numbers."),
        (lambda x: 2 * x + 1e-3j, "Its result at [0, 0] is"),
        (lambda x: 2 * x + 0j, "Its result is of complex numbers."),
        (in_place, "changes its argument x in place."),
        (lambda x: x @ x, "It fails in line"),
        (lambda x, y: x + y, "It cannot be called as `double(x)`: "),
        (lambda: 2, "It cannot be called as `double(x)`: <lambda>() takes 0"),
        (lambda _: sys.exit(0), "It ends the program in line"),
        (
            lambda x: 2 * x.astype(np.float32).astype(float),
            "About seven digits are right",
        ),
        (lambda x: np.where(x > 0, np.inf, 2 * x), "inf instead of"),
    ],
)
def test_what_a_wrong_answer_did_is_said(
    answer: Callable[..., Any], message: str
) -> None:
    feedback = check(DOUBLE, answer)

    assert message in feedback.message
    assert not feedback.right


def test_a_mistake_that_hardly_shows_in_one_input_is_shown_in_another() -> None:
    def nearly_square(x: Any) -> Any:
        return x**2 * (1 + 1e-8 * (x.size == 2) + 0.5 * (x.size == 9))

    square = Exercise(
        name="square",
        section="arithmetic",
        task="Square every number.",
        solution=lambda x: x**2,
        inputs=lambda rng: {"x": rng.normal(size=rng.choice([2, 9]))},
        mistakes=(),
    )

    feedback = check(square, nearly_square)

    assert feedback.message == "Its result is 1.5 times what it should be."
    assert feedback.case == "Seen for x of shape (9,)."


def test_a_factor_is_seen_where_each_result_is_one_number() -> None:
    total = Exercise(
        name="total",
        section="arithmetic",
        task="Add up all numbers.",
        solution=lambda x: x.sum(),
        inputs=lambda rng: {"x": rng.normal(size=rng.choice([2, 9]))},
        mistakes=(Mistake(lambda x: x[:9].sum() * 3 / (x.size // 2), "You guess."),),
    )

    feedback = check(total, lambda x: 3 * x.sum())

    assert feedback.message == "Its result is 3 times what it should be."


def test_a_mistake_that_explains_some_cases_is_shown_with_one_of_them() -> None:
    def three_only_for_nine(x: Any) -> Any:
        return np.full_like(x, 7) if x.size == 2 else 3 * x

    double = Exercise(
        name="twice",
        section="arithmetic",
        task="Double every number.",
        solution=lambda x: 2 * x,
        inputs=lambda rng: {"x": rng.normal(size=rng.choice([2, 9]))},
        mistakes=(Mistake(lambda x: 3 * x, "You take it three times."),),
    )

    feedback = check(double, three_only_for_nine)

    assert feedback.message.startswith("You take it three times.")
    assert feedback.case == "Seen for x of shape (9,)."


def test_an_input_is_described_so_that_it_can_be_made_again() -> None:
    exercise = Exercise(
        name="sum",
        section="arithmetic",
        task="Add up.",
        solution=lambda x, shape, f: f(x).sum() + len(shape),
        inputs=lambda _: {"x": np.ones(2), "shape": (), "f": np.exp},
        mistakes=(),
    )

    feedback = check(exercise, lambda *_: 0.0)

    assert feedback.case == "Seen for x = [1., 1.], shape = () and f = exp."


def test_two_mistakes_at_once_need_settings_of_one_function() -> None:
    both = check(DOUBLE, lambda x: (x**2) * 3 + 1)
    clash = check(DOUBLE, lambda x: 12 * x)

    assert "Two things" not in both.message
    assert clash.message.startswith("Its result is 6 times")


COUNTS = Exercise(
    name="counts",
    section="arithmetic",
    task="Write `counts(n)`.",
    solution=lambda n: [int(k) for k in n],
    inputs=lambda rng: {"n": rng.integers(1, 4, size=2).tolist()},
    mistakes=(Mistake(lambda n: [1, n[1] + 1], "You count one more."),),
)


def test_a_ratio_is_said_of_several_real_numbers_only() -> None:
    assert "times" not in check(COUNTS, lambda n: [2 * k for k in n]).message
    for factor in (1 + 1e-5, -1e-300, 0.0):
        said = check(DOUBLE, lambda x, by=factor: 2 * x * by).message
        assert "times" not in said, said


def test_whole_numbers_that_agree_by_accident_are_no_mistake() -> None:
    said = check(COUNTS, lambda n: [1 for k in n] if n[0] > 1 else [1, n[1] + 1])

    assert NOT_ALONE not in said.message


def test_nested_lists_stand_for_an_array() -> None:
    assert check(DOUBLE, lambda x: (2 * x).tolist()).message == "Right."
    assert "has shape (1, 2, 3)" in check(DOUBLE, lambda x: [(2 * x).tolist()]).message


def test_an_answer_that_takes_anything_is_also_called_by_position() -> None:
    def decorated(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    def inner(z: Array, *, alpha: float) -> Array:
        return np.where(z > 0, z, alpha * z)

    leaky = "write-networks-rectifiers-leaky-relu"
    assert check(DOUBLE, np.vectorize(lambda z: 2 * z)).right
    assert check(DOUBLE, lambda *args: 2 * args[0]).right
    assert check(leaky, decorated).right


def test_a_mistake_in_single_precision_is_the_only_one() -> None:
    def mean(logits: Array, labels: Array) -> Array:
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return (p - np.eye(logits.shape[1])[labels]) / len(labels)

    said = check("write-networks-losses-cross-entropy-gradient", mean).message

    assert "is divided" in said
    assert NOT_ALONE not in said


def test_a_mistake_that_is_not_the_only_one_is_named() -> None:
    def mostly(x: Array) -> Array:
        return x**2 if x[0, 0] > -0.5 else x**4

    def rarely(x: Array) -> Array:
        return x**2 if x[0, 0] > 1.5 else x**4

    assert check(DOUBLE, mostly).message == f"That is the square. {NOT_ALONE}"
    assert NOT_ALONE not in check(DOUBLE, rarely).message


def test_a_mistake_says_nothing_where_it_fails() -> None:
    def square(x: Array, least: float) -> Array:
        if x[0, 0] < least:
            raise ValueError(x)
        return x**2

    def known(least: float) -> Exercise:
        wrong = partial(square, least=least)
        return replace(DOUBLE, mistakes=(Mistake(wrong, "That is the square."),))

    def mixed(x: Array) -> Array:
        return square(x, 1.0) if x[0, 0] < 1.5 else x**4

    assert check(known(-0.5), lambda x: x**2).message == "That is the square."
    assert "square" not in check(known(1.0), lambda x: x**2).message
    assert check(known(1.0), mixed).message.startswith("It fails")


def test_a_hint_is_given_where_the_numbers_are_wrong_only() -> None:
    def hinted(answer: Callable[..., Any]) -> bool:
        return DOUBLE.hint in check(DOUBLE, answer).message

    assert hinted(lambda x: x + 0.1)
    assert not hinted(in_place)
    assert not hinted(lambda x: (2 * x)[0])
    assert not hinted(lambda x: 2 * x[:, :2].T)


def test_whole_numbers_are_exact_and_shown_in_full() -> None:
    exercise = Exercise(
        name="many",
        section="arithmetic",
        task="Write `many(n)`.",
        solution=lambda n: n * 1_000_003,
        inputs=lambda rng: {"n": int(rng.integers(100_000, 200_000))},
        mistakes=(),
    )

    said = check(exercise, lambda n: n * 1_000_003 + 1).message

    first = min(exercise.inputs(np.random.default_rng(k))["n"] for k in range(32))
    right = first * 1_000_003
    assert said == f"Its result is {right + 1} instead of {right}."


def test_the_input_is_shown_if_small_and_its_shape_if_large() -> None:
    large = Exercise(
        name="large",
        section="arithmetic",
        task="Write `f(x, *, n)`.",
        solution=lambda x, *, n: x + n,
        inputs=lambda rng: {"x": rng.normal(size=(2, 5)), "n": 3},
        mistakes=(),
    )

    small = check(DOUBLE, lambda x: x + 1).case

    assert (
        check(large, lambda x, n: x - n).case == "Seen for x of shape (2, 5) and n = 3."
    )
    assert small.startswith("Seen for x = [[ 0.12573 , -0.1321")


def test_the_smallest_input_is_shown_and_an_argument_may_be_keyword_only() -> None:
    growing = Exercise(
        name="growing",
        section="arithmetic",
        task="Write `f(x, n)`.",
        solution=lambda x, n: x - n,
        inputs=lambda rng: {"x": np.ones(int(rng.integers(1, 9))), "n": 3},
        mistakes=(),
    )

    assert check(growing, lambda n, *, x: x - n).right
    assert check(growing, lambda x, n: x + n).case == "Seen for x = [1.] and n = 3."


def test_feedback_prints_as_words() -> None:
    assert repr(check(DOUBLE, lambda x: 2 * x)) == "Right."
    assert repr(Feedback(right=False, message="No.", case="Seen.")) == "No.\nSeen."


@pytest.mark.parametrize("error", [1e-5, 1e-7, 3e-9])
def test_two_different_numbers_are_never_printed_the_same(error: float) -> None:
    def off(x: Array) -> Array:
        return 2 * x + error * np.abs(x).max() * np.eye(2, 3)

    message = check(DOUBLE, off).message

    shown = re.search(r" (\S+) instead of (\S+);", message)
    assert shown is not None, message
    assert shown[1] != shown[2]


def test_rounding_is_no_mistake() -> None:
    assert check(DOUBLE, lambda x: (x / 3 + x / 3 + x / 3) * 2).right


def test_rounding_of_a_part_that_is_zero_is_no_mistake() -> None:
    pair = Exercise(
        name="pair",
        section="arithmetic",
        task="Return zero and the number.",
        solution=lambda x: (0.0, x),
        inputs=lambda rng: {"x": rng.normal()},
        mistakes=(),
    )

    assert check(pair, lambda x: (1e-16 * x, x)).right
    assert not check(pair, lambda x: (1e-12 * x, x)).right


def test_the_line_that_failed_is_that_of_the_answer() -> None:
    def deep(x: Array) -> Array:
        settings: dict[str, float] = {}
        return settings["gain"] * x

    message = check(DOUBLE, deep).message

    assert "`return settings[\"gain\"] * x`: KeyError: 'gain'" in message
    assert " of test_checking.py" in message


def test_single_precision_is_right_and_said() -> None:
    feedback = check(DOUBLE, lambda x: (2 * x).astype(np.float32))

    assert feedback.right
    assert "single precision" in feedback.message
    assert not check(DOUBLE, lambda x: (2 * x).astype(np.float16)).right
    assert not check(DOUBLE, lambda x: (2 * x + 1e-4).astype(np.float32)).right


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (lambda n: [n, n + 1], True),
        (lambda n: np.array([n, n + 1]), True),
        (lambda n: torch.tensor([n, n + 1]), True),
        (lambda n: (n, n + 1, 0), False),
        (lambda n: (n, n + 1.0), False),
        (lambda n: (float(n), n + 1), False),
        (lambda n: {n, n + 1}, False),
        (lambda n: n, False),
    ],
    ids=["list", "array", "tensor", "three", "float", "floats", "set", "int"],
)
def test_a_list_stands_for_a_tuple_but_no_float_for_an_int(
    answer: Callable[..., Any], *, right: bool
) -> None:
    assert check(PAIR, answer).right is right


# --- right answers in unusual style ---------------------------------------------------


@dataclass
class Own:
    m: Any
    v: Any
    t: int


def adam(theta: Array, g: Array, s: Any, *, learning_rate: float, **k: float) -> Any:
    m = k["beta1"] * s.m + (1 - k["beta1"]) * g
    v = k["beta2"] * s.v + (1 - k["beta2"]) * g * g
    share = 1 - k["beta1"] ** (s.t + 1), 1 - k["beta2"] ** (s.t + 1)
    step = m / share[0] / (np.sqrt(v / share[1]) + k["epsilon"])
    return [theta - learning_rate * step, Own(m, v, s.t + 1)]


def slope(z: Array) -> Any:
    s = torch.sigmoid(torch.tensor(z, requires_grad=True))
    return s * (1 - s)


def volume(volume: Any, filters: int, size: int, /, stride: int, padding: int) -> Any:
    h, w = ((n - size + 2 * padding) // stride + 1 for n in volume[1:])
    return [filters, h, w]


def field(k: Any, s: Any) -> Any:
    return tuple(
        1 + sum((k[i] - 1) * math.prod(s[:i]) for i in range(n + 1))
        for n in range(len(k))
    )


def convolved(
    images: Array, kernel: Array, bias: Array, *, stride: int, padding: int
) -> Any:
    X, W, b = (torch.tensor(each) for each in (images, kernel, bias))
    return torch.nn.functional.conv2d(X, W, b, stride=stride, padding=padding)


def cross_entropy(logits: Array, labels: Array) -> Any:
    m = logits.max(axis=1, keepdims=True)
    sums = m[:, 0] + np.log(np.exp(logits - m).sum(axis=1))
    return sums - logits[np.arange(len(labels)), labels]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("optimization-adam-update", adam),
        ("networks-activations-sigmoid-derivative", slope),
        ("networks-activations-sigmoid", lambda z: (1 + np.tanh(z / 2)) / 2),
        ("cnn-arithmetic-output-volume", volume),
        ("cnn-receptive-field-sizes", field),
        ("cnn-convolution-forward", convolved),
        ("networks-losses-cross-entropy", cross_entropy),
        ("neurons-perceptron-layer", lambda p, A: (A @ p.W + p.b >= 0) * 1),
        (
            "networks-rectifiers-leaky-relu",
            lambda x, *, alpha: x * np.where(x > 0, 1, alpha),
        ),
    ],
)
def test_a_right_answer_in_another_style_is_right(
    name: str, answer: Callable[..., Any]
) -> None:
    feedback = check(f"write-{name}", answer)

    assert feedback.right, feedback


def test_a_result_in_single_precision_is_right() -> None:
    def slope(z: Array) -> Array:
        s = 1 / (1 + np.exp(-z.astype(np.float32)))
        return s * (1 - s)

    feedback = check("write-networks-activations-sigmoid-derivative", slope)

    assert feedback.right, feedback
    assert "single precision" in feedback.message


# --- wrong answers that were once called right ----------------------------------------


def windows(X: Array, high: int, wide: int, stride: int) -> Array:
    view = np.lib.stride_tricks.sliding_window_view(X, (high, wide), axis=(2, 3))
    return view[:, :, ::stride, ::stride]


def conv(X: Array, W: Array, b: Array, stride: int, margins: Any) -> Array:
    X = np.pad(X, [(0, 0), (0, 0), *margins])
    seen = windows(X, W.shape[2], W.shape[3], stride)
    return np.einsum("ncijuv,kcuv->nkij", seen, W) + b[:, None, None]


def half_padded(X: Array, W: Array, b: Array, *, stride: int, **_: int) -> Array:
    half = W.shape[2] // 2
    return conv(X, W, b, stride, [(half, half), (half, half)])


def rounded_up(X: Array, W: Array, b: Array, *, stride: int, padding: int) -> Array:
    rests = [
        -(n + 2 * padding - f) % stride
        for n, f in zip(X.shape[2:], W.shape[2:], strict=True)
    ]
    return conv(X, W, b, stride, [(padding, padding + rest) for rest in rests])


def pooled(X: Array, kernel_size: int, *, stride: int, **_: int) -> Array:
    half = (kernel_size // 2, kernel_size // 2)
    X = np.pad(X, [(0, 0), (0, 0), half, half], constant_values=-10)
    return windows(X, kernel_size, kernel_size, stride).max(axis=(-1, -2))


def low_padded(X: Array, kernel_size: int, *, stride: int, padding: int) -> Array:
    margin = (padding, padding)
    X = np.pad(X, [(0, 0), (0, 0), margin, margin], constant_values=-10)
    return windows(X, kernel_size, kernel_size, stride).max(axis=(-1, -2))


def cropped(X: Array, W: Array, upstream: Array, *, stride: int, padding: int) -> Any:
    p, (kh, kw) = padding, W.shape[2:]
    framed = np.pad(X, [(0, 0), (0, 0), (p, p), (p, p)])
    dX, dW = np.zeros_like(framed), np.zeros_like(W)
    for i, j in np.ndindex(upstream.shape[2:]):
        rows = slice(i * stride, i * stride + kh)
        columns = slice(j * stride, j * stride + kw)
        sent = upstream[:, :, i, j]
        dX[:, :, rows, columns] += np.einsum("nk,kcuv->ncuv", sent, W)
        dW += np.einsum("nk,ncuv->kcuv", sent, framed[:, :, rows, columns])
    return dX[:, :, p:-p, p:-p], dW, upstream.sum(axis=(0, 2, 3))


def above_zero(model: Any, X: Array, Y: Array, *, learning_rate: float) -> Any:
    W, b, errors = model.W, model.b, []
    for x, y in zip(X, Y, strict=True):
        e = y - (x @ W + b > 0)
        W, b = W + learning_rate * np.outer(x, e), b + learning_rate * e
        errors.append(e)
    return type(model)(W, b), np.array(errors)


def one_length(u: Any, X: Array, Y: Array) -> Array:
    z = X @ u.W + u.b
    length = np.sqrt((u.W**2).sum() + (u.b**2).sum())
    gamma = ((2 * Y - 1) * z).min(axis=0) / length
    return ((X**2).sum(axis=1).max() + 1) / gamma**2


def volume_up(
    volume: Any, filters: int, kernel_size: int, *, stride: int, padding: int
) -> Any:
    h, w = (-(-(n - kernel_size + 2 * padding) // stride) + 1 for n in volume[1:])
    return filters, h, w


def padded_once_depth_last(
    volume: Any, filters: int, kernel_size: int, *, stride: int, padding: int
) -> Any:
    h, w = ((n - kernel_size + padding) // stride + 1 for n in volume[1:])
    return h, w, filters


def shifted_by(shift: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def loss(logits: Array, labels: Array) -> Array:
        z = logits - shift(logits, labels)[:, None]
        return np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]

    return loss


def log_of_softmax(logits: Array, labels: Array, least: float = 1e-30) -> Array:
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(p)), labels] + least)


def padded_by(number: float) -> Callable[..., Array]:
    def pool(X: Array, kernel_size: int, *, stride: int, padding: int) -> Array:
        margin = (padding, padding)
        X = np.pad(X, [(0, 0), (0, 0), margin, margin], constant_values=number)
        return windows(X, kernel_size, kernel_size, stride).max(axis=(-1, -2))

    return pool


def tails(z: Array) -> Array:
    small = np.exp(-np.abs(z))
    return np.where(z > 4, 1 - small, np.where(z < -4, small, 1 / (1 + np.exp(-z))))


def widest(
    volume: Any, filters: int, kernel_size: int, *, stride: int, padding: int
) -> Any:
    h, w = max(volume[1:]), volume[2]
    return (
        filters,
        *((n - kernel_size + 2 * padding) // stride + 1 for n in (h, w)),
    )


def one_axis(z: Array) -> Array:
    return np.array([1 / (1 + math.exp(-min(max(x, -700), 700))) for x in z])


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("cnn-convolution-forward", half_padded, "padding"),
        ("cnn-convolution-forward", rounded_up, "is rounded down"),
        ("cnn-pooling-max-pool2d", pooled, "padding"),
        ("cnn-pooling-max-pool2d", low_padded, "-10"),
        ("cnn-convolution-backward", cropped, "Without padding"),
        (
            "networks-activations-sigmoid",
            lambda z: 1 / (1 + np.exp(-np.clip(z, -30, 30))),
            "e-",
        ),
        ("networks-activations-sigmoid", one_axis, "in line"),
        (
            "networks-rectifiers-leaky-relu",
            lambda z, *, alpha: np.array(
                [[x if x > 0 else alpha * x for x in row] for row in z]
            ),
            "in line",
        ),
        ("neurons-perceptron-rule-update", above_zero, "exactly zero"),
        ("neurons-perceptron-rule-novikoff-bound", one_length, "all weights together"),
        ("cnn-arithmetic-output-volume", volume_up, "round down"),
        ("cnn-arithmetic-output-volume", padded_once_depth_last, "Two things. You "),
        ("neurons-perceptron-layer", lambda m, X: m.b + X @ m.W > 0, ""),
        ("neurons-perceptron-layer", lambda m, X: (m.b + X @ m.W > -1e-9) * 1, "is 1"),
        ("networks-losses-cross-entropy", log_of_softmax, "instead of 1800"),
        (
            "networks-losses-cross-entropy",
            shifted_by(lambda z, _: z.min(axis=1)),
            "smallest logit",
        ),
        ("networks-losses-cross-entropy", shifted_by(lambda z, _: z[:, 0]), "."),
        ("networks-losses-cross-entropy", shifted_by(lambda z, _: z.mean(axis=1)), ""),
        (
            "networks-losses-cross-entropy",
            shifted_by(lambda z, y: z[np.arange(len(y)), y]),
            "infinite",
        ),
        ("cnn-pooling-max-pool2d", padded_by(-1e10), "-1e+10"),
        ("networks-activations-sigmoid", tails, ""),
        ("cnn-arithmetic-output-volume", widest, "instead of"),
        ("neurons-perceptron-layer", lambda m, X: m.b + X @ m.W >= 0, "True and False"),
    ],
)
def test_a_wrong_answer_that_suits_many_inputs_is_wrong(
    name: str, answer: Callable[..., Any], message: str
) -> None:
    feedback = check(f"write-{name}", answer)

    assert not feedback.right
    assert message in feedback.message
    assert feedback.case.startswith("Seen for ")
