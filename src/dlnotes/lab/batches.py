"""Batches: from tensors in random order, or from whatever yields them.

Where several processes train together, each gets its share of every batch.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.data import DistributedSampler

from dlnotes.lab.arguments import check_values
from dlnotes.lab.processes import process
from dlnotes.lab.streams import Streams

Pairs = Iterable[tuple[Tensor, Tensor]]


class Part(NamedTuple):
    """Some instances, their targets, and their share of the batch they belong to."""

    X: Tensor
    y: Tensor
    weight: float


class Batch(NamedTuple):
    """The share of a batch that this process has, and how much of the batch it is.

    A process without a share still has to take part: with an instance of no weight.
    """

    X: Tensor
    y: Tensor
    size: int
    weight: float

    def parts(self, number: int) -> Iterator[Part]:
        """Yield the share in as many parts as the batch has in every process."""
        number = min(number, max(1, self.size // process()[1]))
        if number == 1:
            yield Part(self.X, self.y, self.weight)
            return
        split = (each.tensor_split(number) for each in (self.X, self.y))
        for X, y in zip(*split, strict=True):
            yield Part(X, y, len(X) / self.size)


class Source(Protocol):
    """Where the batches of every epoch come from."""

    device: torch.device
    sizes: list[int]

    @property
    def steps(self) -> int | None:
        """How many batches an epoch has, if that is known."""

    def epoch(self, streams: Streams, skip: int) -> Iterator[Batch]:
        """Begin an epoch after some of its batches, which are not used again."""

    def at(self, step: int) -> tuple[Tensor, Tensor] | None:
        """Return a batch of the epoch, unless it is gone."""


class Tensors:
    """Batches of tensors, in an order that the run's generator draws for each epoch.

    Parameters
    ----------
    X
        One instance a row.
    y
        Their targets.
    batch_size
        How many instances a batch has; the last one of an epoch may have fewer.
    """

    def __init__(self, X: Tensor, y: Tensor, batch_size: int) -> None:
        self.X, self.y, self.batch_size = X, y, batch_size
        self.steps, self.device = -(-len(X) // batch_size), X.device
        self.sizes: list[int] = []

    def epoch(self, streams: Streams, skip: int) -> Iterator[Batch]:
        """Draw the order of the instances and cut it into batches."""
        order = torch.from_numpy(streams.rng.permutation(len(self.X))).to(self.device)
        self.batches = torch.split(order, self.batch_size)
        self.sizes = [len(each) for each in self.batches]
        return map(self._share, self.batches[skip:], self.sizes[skip:])

    def at(self, step: int) -> tuple[Tensor, Tensor] | None:
        """Return a batch of the epoch."""
        return self.X[self.batches[step]], self.y[self.batches[step]]

    def _share(self, batch: Tensor, size: int) -> Batch:
        share, weight = _share(size)
        if weight < 1:
            batch = batch[share]
        return Batch(self.X[batch], self.y[batch], size, weight)


class Loaded:
    """Batches that something else makes, such as a ``DataLoader``, anew for each epoch.

    Parameters
    ----------
    batches
        Yields pairs of instances and targets.
    device
        Where they are needed.
    check
        Called with the first of them, to refuse it.
    """

    def __init__(
        self,
        batches: Pairs,
        device: torch.device,
        check: Callable[[Tensor, Tensor], None],
    ) -> None:
        if isinstance(batches, Iterator):
            raise TypeError(
                "X must yield its batches in every epoch, but an iterator such as "
                f"{type(batches).__name__} yields them once: give a list or DataLoader"
            )
        sampler = getattr(batches, "sampler", None)
        if process()[1] > 1 and isinstance(sampler, DistributedSampler):
            raise ValueError(
                "X must be a DataLoader without DistributedSampler: each process takes "
                "its share of every batch by itself"
            )
        self.batches, self.device, self.check = batches, device, check
        self.checked = False
        self.steps = _length(batches)
        self.sizes: list[int] = []

    def epoch(self, streams: Streams, skip: int) -> Iterator[Batch]:
        """Begin to load, and load what is skipped."""
        self.sizes = []
        with streams.alike():
            source = iter(self.batches)
        every = iter(lambda: self._next(streams, source), None)
        for _ in range(skip):
            next(every)
        return every

    def at(self, step: int) -> tuple[Tensor, Tensor] | None:
        """Return the last batch that was loaded."""
        return self.last if step == len(self.sizes) - 1 else None

    def _next(self, streams: Streams, source: Iterator[Any]) -> Batch | None:
        """Load a batch and take this process's share, or nothing if all are loaded."""
        with streams.alike():
            pair = next(source, None)
        if pair is None:
            return None
        X, y = (each.to(self.device) for each in as_pair(pair))
        self.last = X, y
        if not self.checked:
            self.check(X, y)
            self.checked = True
        self.sizes.append(len(X))
        share, weight = _share(len(X))
        return Batch(X[share], y[share], self.sizes[-1], weight)


def _share(size: int) -> tuple[slice, float]:
    """Return which instances of a batch this process takes, and their share of it."""
    rank, processes = process()
    if size <= rank:
        return slice(1), 0.0
    return slice(rank, None, processes), len(range(rank, size, processes)) / size


def as_pair(pair: Any) -> tuple[Tensor, Tensor]:
    """Return instances and targets, or refuse what is something else.

    Examples
    --------
    >>> from dlnotes.lab.batches import as_pair
    >>> as_pair("ab")
    Traceback (most recent call last):
        ...
    TypeError: a batch must be a pair of tensors, instances and targets, got str
    """
    whole = isinstance(pair, tuple | list) and len(pair) == 2
    if not (whole and all(isinstance(each, Tensor) for each in pair)):
        told = type(pair).__name__
        if isinstance(pair, tuple | list):
            told += f" of {', '.join(type(each).__name__ for each in pair)}"
        raise TypeError(
            f"a batch must be a pair of tensors, instances and targets, got {told}"
        )
    X, y = pair
    check_values(X, y)
    return X, y


def _length(batches: Any) -> int | None:
    """Return how many batches there are, if that is known before they are loaded."""
    try:
        return len(batches)
    except TypeError:
        return None
