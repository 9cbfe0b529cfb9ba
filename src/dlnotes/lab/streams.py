"""The random numbers of a training run: where they come from, and how far they are.

The order of tensors comes from the run's generator, and that of a loader from PyTorch's
or from its own.  Layers, such as dropout, draw from PyTorch's.  Where several processes
train together, a batch must be the same in all of them, and what is dropped must not.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from dlnotes.lab.processes import copy_from_first, of_each, process


class Streams:
    """All random numbers that a run draws.

    Parameters
    ----------
    rng
        The generator of the run, alike in every process.
    device
        The device of the run.
    loader
        What loads the batches, if they are loaded.
    """

    def __init__(
        self, rng: np.random.Generator, device: torch.device, loader: object = None
    ) -> None:
        self.rng, self.device = rng, device
        batches = getattr(loader, "batch_sampler", None)
        samplers = (getattr(each, "sampler", None) for each in (loader, batches))
        found = [getattr(each, "generator", None) for each in (loader, *samplers)]
        generators = {id(g): g for g in found if isinstance(g, torch.Generator)}
        self.loaders = [*generators.values()]
        self.common: torch.Tensor | None = None  # PyTorch's, alike in every process

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Let each of several processes draw numbers of its own, for a while."""
        rank, processes = process()
        if processes == 1:
            yield
            return
        common = torch.get_rng_state().to(self.device)
        copy_from_first([common])
        torch.set_rng_state(common.cpu())
        seed = int(torch.randint(2**62, ()))
        self.common = torch.get_rng_state()
        torch.manual_seed(seed + rank)
        try:
            yield
        finally:
            torch.set_rng_state(self.common)

    @contextmanager
    def alike(self) -> Iterator[None]:
        """Draw numbers that are alike in every process, for a while."""
        if self.common is None:
            yield
            return
        own = torch.get_rng_state()
        torch.set_rng_state(self.common)
        try:
            yield
        finally:
            self.common = torch.get_rng_state()
            torch.set_rng_state(own)

    def state(self) -> dict[str, Any]:
        """Return how far all of them are, in every process."""
        there = [] if self.device.type == "cpu" else [self._accelerator.get_rng_state()]
        return {
            "numpy": self.rng.bit_generator.state,
            "torch": of_each(torch.get_rng_state(), self.device),
            "accelerator": [each for s in there for each in of_each(s, self.device)],
            "loader": [each.get_state() for each in self.loaders],
            "common": self.common,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there; more or fewer processes than then begin anew."""
        rank, processes = process()
        self.rng.bit_generator.state = state["numpy"]
        for each, saved in zip(self.loaders, state["loader"], strict=True):
            each.set_state(saved)
        if (then := len(state["torch"])) != processes:
            warnings.warn(
                f"a run of {then} processes goes on in {processes}, where layers draw "
                "other random numbers",
                stacklevel=2,
            )
            return
        self.common = state["common"]
        torch.set_rng_state(state["torch"][rank])
        if state["accelerator"] and self.device.type != "cpu":
            self._accelerator.set_rng_state(state["accelerator"][rank])

    @property
    def _accelerator(self) -> Any:
        return torch.get_device_module(self.device)
