"""What the experiments learn: data sets, split by a seed.

A `TaskFactory` takes a generator and returns a `Task`; the same seed makes the same
task, so that methods which share a seed are compared on the same rows.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import product
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dlnotes.lab.data import Split, load
from dlnotes.lab.metrics import accuracy, negative_mse, r_squared

Rows = tuple[Tensor, Tensor]
Place = Literal["border", "center"]

# A plus and a cross.
MARKS = np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]], [[1, 0, 1], [0, 1, 0], [1, 0, 1]]])


@dataclass(frozen=True, eq=False)
class Task:
    """Instances and targets to learn from, and others to be judged by.

    The loss is what training lowers; the score says what it was good for, and is the
    higher the better.  A model needs so many outputs, and ``hashes`` has the SHA-256
    of each file that the rows came from.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.lab.tasks import moons
    >>> print(moons(np.random.default_rng(0), train=400, test=100, noise=0.2))
    two moons, noise 0.2: 400 training rows, 100 test rows
    """

    name: str
    train: Rows
    test: Rows
    outputs: int
    loss: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor, Tensor], float]
    hashes: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the name, and how many rows there are."""
        train, test = (len(X) for X, _ in (self.train, self.test))
        tests = f", {test:,} test rows" if test else ""
        return f"{self.name}: {train:,} training rows{tests}"


TaskFactory = Callable[[np.random.Generator], Task]


def hold_out(task: Task, rng: np.random.Generator) -> Task:
    """Put a random fifth of the training rows in the place of the test rows.

    Whatever is tuned is tuned on this task, so that no test row has a say in it.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.lab.tasks import hold_out, moons
    >>> rng = np.random.default_rng(0)
    >>> task = hold_out(moons(rng, train=100, noise=0.2), rng)
    >>> len(task.train[0]), len(task.test[0])
    (80, 20)
    """
    X, y = task.train
    order = torch.tensor(rng.permutation(len(X)))
    fifth, rest = order[: len(X) // 5], order[len(X) // 5 :]
    return replace(task, train=(X[rest], y[rest]), test=(X[fifth], y[fifth]))


def standardize(task: Task) -> Task:
    """Bring each input, and each target that is a number, to mean 0 and deviation 1.

    The means and deviations are those of the training rows.  What never varies there
    is only centered.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.lab.tasks import moons, standardize
    >>> task = standardize(moons(np.random.default_rng(0), train=100, noise=0.2))
    >>> task.train[0].std(0)
    tensor([1., 1.])
    """
    X, y = task.train
    scaled = _scaler(X)
    same: Callable[[Tensor], Tensor] = lambda labels: labels  # noqa: E731
    target = _scaler(y) if y.is_floating_point() else same
    train, test = ((scaled(X), target(y)) for X, y in (task.train, task.test))
    return replace(task, name=f"{task.name}, standardized", train=train, test=test)


def _scaler(values: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what standardizes as these values want it."""
    mean, deviation = values.mean(0), values.std(0)
    varies = values.amin(0) < values.amax(0)  # rounding may give a constant a deviation
    divisor = torch.where(varies, deviation, torch.ones_like(deviation))
    return lambda others: (others - mean) / divisor


def digits(rng: np.random.Generator, *, train: int = 1000, test: int = 497) -> Task:
    """Draw from scikit-learn's 1,797 digits of 8 by 8 pixels, each class by its share.

    Parameters
    ----------
    rng
        The source of randomness.
    train
        How many rows to learn from.
    test
        How many others to be judged by; what is left is in neither.

    Returns
    -------
    task
        The pixels of each digit in a row, from 0 to 1, and which digit it is.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.lab.tasks import digits
    >>> task = digits(np.random.default_rng(0))
    >>> task.train[0].shape, task.test[0].shape
    (torch.Size([1000, 64]), torch.Size([497, 64]))
    """
    from sklearn.model_selection import train_test_split

    X, y, hashes = _all_digits()
    split = train_test_split(
        X, y, train_size=train, test_size=test, stratify=y, random_state=_seed(rng)
    )
    X_train, X_test, y_train, y_test = split
    return Task(
        name="digits",
        train=_rows(X_train, y_train),
        test=_rows(X_test, y_test),
        outputs=10,
        loss=functional.cross_entropy,
        score=accuracy,
        hashes=hashes,
    )


def fashion_mnist(rng: np.random.Generator, *, train: int = 5000) -> Task:
    """Draw from the 60,000 training images of Fashion-MNIST; all 10,000 others test.

    Parameters
    ----------
    rng
        The source of randomness.
    train
        How many images to learn from.

    Returns
    -------
    task
        The pixels of each image in a row, from 0 to 1, and what garment it shows.

    Raises
    ------
    DatasetUnavailable
        If the whole data set is not there: its embedded subset has too few test images.
    """
    (X, y, hashes), (X_test, y_test, more) = map(_all_garments, ("train", "test"))
    drawn = rng.choice(len(X), size=train, replace=False)
    return Task(
        name="Fashion-MNIST",
        train=_rows(X[drawn] / 255, y[drawn]),
        test=_rows(X_test / 255, y_test),
        outputs=10,
        loss=functional.cross_entropy,
        score=accuracy,
        hashes=hashes | more,
    )


def cars(rng: np.random.Generator) -> Task:
    """Predict the logarithm of the price of 804 used cars, a fifth of which test.

    Parameters
    ----------
    rng
        The source of the split.

    Returns
    -------
    task
        Mileage, cylinders, doors, extras, make and body of each car, standardized as
        the logarithm of its price is; the score is the share of variance explained.
    """
    found = load("cars-kbb-2005")
    table = rng.permutation(np.stack([*found.columns.values()], axis=1))
    X, y, fifth = table[:, 1:], np.log(table[:, :1]), len(table) // 5
    return standardize(
        Task(
            name="used cars",
            train=_rows(X[fifth:], y[fifth:]),
            test=_rows(X[:fifth], y[:fifth]),
            outputs=1,
            loss=functional.mse_loss,
            score=r_squared,
            hashes={"cars-kbb-2005": found.source.sha256},
        )
    )


def moons(rng: np.random.Generator, *, train: int, test: int = 0, noise: float) -> Task:
    """Scatter points along two interlocking half circles, one a class.

    Parameters
    ----------
    rng
        The source of randomness.
    train
        How many points to learn from.
    test
        How many others to be judged by.
    noise
        The standard deviation of what is added to each coordinate.

    Returns
    -------
    task
        The coordinates of each point, and the half circle that it is from.
    """
    from sklearn.datasets import make_moons

    X, y = make_moons(train + test, noise=noise, random_state=_seed(rng))
    return Task(
        name=f"two moons, noise {noise}",
        train=_rows(X[:train], y[:train]),
        test=_rows(X[train:], y[train:]),
        outputs=2,
        loss=functional.cross_entropy,
        score=accuracy,
    )


def adding(
    rng: np.random.Generator, *, train: int, test: int = 0, steps: int = 30
) -> Task:
    """Add the two numbers of a sequence that are marked, one in each half.

    It needs a memory of up to as many steps as the sequence has.  Who always answers
    1, the mean, has a score of -1/6.

    Parameters
    ----------
    rng
        The source of randomness.
    train
        How many sequences to learn from.
    test
        How many others to be judged by.
    steps
        How long each sequence is.

    Returns
    -------
    task
        Sequences of pairs, a number from 0 to 1 and its mark, 0 or 1, and the sum of
        the numbers marked; the score is minus the mean squared error.

    Raises
    ------
    ValueError
        If a sequence has no two halves.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from dlnotes.lab.tasks import adding
    >>> X, y = adding(np.random.default_rng(0), train=1, steps=6).train
    >>> marked = X[0, :, 1] == 1
    >>> int(marked.sum()), bool(torch.allclose(X[0, marked, 0].sum(), y))
    (2, True)
    """
    if not steps >= 2:
        raise ValueError(f"steps must be at least 2, one for each half, got {steps}")
    n, half = train + test, steps // 2
    numbers, marks = rng.uniform(size=(n, steps)), np.zeros((n, steps))
    marks[np.arange(n), rng.integers(half, size=n)] = 1
    marks[np.arange(n), rng.integers(half, steps, size=n)] = 1
    X, y = np.stack([numbers, marks], axis=2), (numbers * marks).sum(1, keepdims=True)
    return Task(
        name=f"adding over {steps} steps",
        train=_rows(X[:train], y[:train]),
        test=_rows(X[train:], y[train:]),
        outputs=1,
        loss=functional.mse_loss,
        score=negative_mse,
    )


def plus_or_cross(rng: np.random.Generator, *, images: int = 1000) -> Task:
    """Tell a plus from a cross, at the border or near the center of a noisy image.

    Parameters
    ----------
    rng
        The source of randomness.
    images
        How many images to draw for each of the two places, for training and again for
        testing.

    Returns
    -------
    task
        The images marked at the border, then as many marked near the center; the label
        is 1 for a cross.

    Examples
    --------
    >>> import numpy as np
    >>> from dlnotes.lab.tasks import plus_or_cross
    >>> task = plus_or_cross(np.random.default_rng(0), images=10)
    >>> task.train[0].shape, task.train[1].sum().item()
    (torch.Size([20, 1, 20, 20]), 10)
    """

    def both() -> Rows:
        (X, y), (X_2, y_2) = (
            marked_images(rng, "border", images=images),
            marked_images(rng, "center", images=images),
        )
        return torch.cat([X, X_2]), torch.cat([y, y_2])

    return Task(
        name="a plus or a cross in noise",
        train=both(),
        test=both(),
        outputs=2,
        loss=functional.cross_entropy,
        score=accuracy,
    )


def marked_images(
    rng: np.random.Generator, place: Place, *, images: int = 1000, width: int = 20
) -> tuple[Float[Tensor, "images 1 width width"], Integer[Tensor, "images"]]:
    """Draw noise with a plus or a cross in it, as many of one as of the other.

    Parameters
    ----------
    rng
        The source of randomness.
    place
        Where the mark of 3x3 pixels is: touching the border, or with its middle within
        two pixels of that of the image.
    images
        How many images to draw.
    width
        How many pixels an image is wide and high.

    Returns
    -------
    X
        The images: noise of standard deviation 0.5, and 1 added where the mark is.
    y
        The mark of each, 0 for a plus and 1 for a cross.
    """
    last, first = width - 3, width // 2 - 3
    everywhere = product(range(last + 1), repeat=2)
    corners = {
        "border": [each for each in everywhere if {0, last} & {*each}],
        "center": [*product(range(first, first + 4), repeat=2)],
    }[place]
    X = rng.normal(0, 0.5, size=(images, 1, width, width))
    y = rng.permutation(np.arange(images) % 2)
    for image, label, (i, j) in zip(X, y, rng.choice(corners, images), strict=True):
        image[0, i : i + 3, j : j + 3] += MARKS[label]
    return _rows(X, y)


@cache
def _all_digits() -> tuple[NDArray[Any], NDArray[Any], dict[str, str]]:
    from sklearn.datasets import load_digits

    found = load_digits()
    packed = (files("sklearn.datasets.data") / "digits.csv.gz").read_bytes()
    hashes = {"digits.csv": sha256(gzip.decompress(packed)).hexdigest()}
    return found.data / 16, found.target, hashes


@cache
def _all_garments(split: Split) -> tuple[NDArray[Any], NDArray[Any], dict[str, str]]:
    found = load("fashion-mnist", split=split, allow_subset=False)
    hashes = {f"fashion-mnist, {split}": found.source.sha256}
    return found.X.reshape(len(found.X), -1), found.y, hashes


def _seed(rng: np.random.Generator) -> int:
    """Draw a seed for what takes no generator."""
    return int(rng.integers(2**32))


def _rows(X: NDArray[Any], y: NDArray[Any]) -> Rows:
    """Make tensors of instances and of labels, if whole, or numbers."""
    kind = torch.int64 if np.issubdtype(y.dtype, np.integer) else torch.float32
    return torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=kind)
