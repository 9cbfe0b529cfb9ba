"""Checkpoints: a run that was ended, however, goes on where it was.

A checkpoint holds all that the rest of a run depends on: parameters and buffers, what
the optimizer and the callbacks remember, how far the random numbers are, the history.
So a run that was killed and goes on has, on the CPU, the losses of one that was not, to
the last bit.  (On a GPU some of PyTorch's operations add in an order of their own.)
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, distributed

from dlnotes.checks import integer
from dlnotes.lab.fit import Callback, History, Run
from dlnotes.lab.processes import in_any, process
from dlnotes.lab.saved import DamagedError, only_writer, pack, unpack, write


class OtherRunError(ValueError):
    """A checkpoint is of another model, or of a run that was set up otherwise."""


class OtherWriterError(RuntimeError):
    """Another run writes the same checkpoint."""


class Checkpoint(Callback):
    """Keep all of a run in a file, and go on from there.

    It has to be the last of the callbacks, so that it keeps what the others have done.
    A run that begins where there is a checkpoint goes on with it, whatever its model
    and its generator were before; it may have more epochs.  A run that was over is over
    at once.

    A file that cannot be written, for the disk is full, is a warning: the one before
    stays, and the run goes on.  Beside it lies an empty hidden file, by which writers
    wait for each other.  Where there are several processes, the first one reads
    and writes the file, so the others may be on machines that do not have it.

    Parameters
    ----------
    path
        The file.
    steps
        After how many steps to save the run, besides after every epoch.

    Raises
    ------
    DamagedError
        In the beginning, if a single bit of the file is not as it was saved.
    OtherRunError
        In the beginning, if the file is of another model, optimizer, callbacks, or, in
        the middle of an epoch, other batches; then nothing has been changed.
    OtherWriterError
        If another run has written the file meanwhile; its file is left as it is.
    ValueError
        If it is not the last of the callbacks.

    Examples
    --------
    A line is trained for two epochs.  Another one, which begins somewhere else, goes on
    from there for a third, and has the losses of all:

    >>> import numpy as np
    >>> import torch
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from dlnotes.lab.checkpoint import Checkpoint
    >>> from dlnotes.lab.fit import fit
    >>> X = torch.linspace(-1, 1, 100)[:, None]
    >>> with TemporaryDirectory() as folder:
    ...     for epochs in (2, 3):
    ...         line = torch.nn.Linear(1, 1)
    ...         history = fit(
    ...             line,
    ...             X,
    ...             3 * X - 2,
    ...             loss=torch.nn.MSELoss(),
    ...             optimizer=torch.optim.SGD(line.parameters(), lr=0.1),
    ...             epochs=epochs,
    ...             batch_size=50,
    ...             rng=np.random.default_rng(0),
    ...             callbacks=[Checkpoint(Path(folder, "line.safetensors"))],
    ...         )
    ...         print(len(history.losses))
    4
    6
    """

    def __init__(
        self, path: str | os.PathLike[str], *, steps: int | None = None
    ) -> None:
        if steps is not None:
            integer(1, steps=steps)
        self.path, self.every = Path(path), steps

    def before_training(self, run: Run) -> None:
        """Put a run back that was saved."""
        if run.callbacks[-1] is not self:
            raise ValueError("callbacks must have the checkpoint as the last of them")
        self.within: Mapping[str, Any] | None = None
        self.seen = _identity(self.path)
        content = _read_by_first(self.path, run.streams.device)
        if content:
            saved = unpack(content, str(self.path))
            _refuse_other(saved, run, self.path)
            _put_back(saved, run)
            run.streams.restore(saved["start"])
            self.within = saved["within"]
        self.start = run.streams.state()

    def before_epoch(self, run: Run) -> None:
        """Go on with the random numbers of the middle of an epoch."""
        self.started = perf_counter()
        if self.within is not None:
            run.streams.restore(self.within)
            self.within = None

    def after_step(self, run: Run, loss: Tensor) -> None:
        """Save the run if it is time, unless the epoch ends with this step."""
        if self.every is None or run.steps % self.every:
            return
        if not in_any(run.stop, loss.device):
            self._save(run, run.streams.state())

    def after_epoch(self, run: Run) -> None:
        """Save the run."""
        run.stop = in_any(run.stop, run.streams.device)
        self.start = run.streams.state()
        self._save(run, None)

    def _save(self, run: Run, within: Mapping[str, Any] | None) -> None:
        """Write the file, if this is the first process."""
        if process()[0] > 0:
            return
        kept = {**_kept(run), "start": self.start, "within": within}
        if within is not None:
            kept["history"]["seconds"] += perf_counter() - self.started
        content = pack(kept)
        try:
            with only_writer(self.path):
                if _identity(self.path) not in (None, self.seen):
                    raise OtherWriterError(
                        f"{self.path} was written by another run since this one looked "
                        "at it: give each run a file of its own"
                    )
                write(content, self.path)
                self.seen = _identity(self.path)
        except OSError as error:
            warnings.warn(f"{self.path} could not be saved: {error}", stacklevel=2)


def _kept(run: Run) -> dict[str, Any]:
    """Return all that the rest of a run depends on but for its random numbers."""
    return {
        "model": dict(run.model.state_dict()),
        "optimizer": {
            "name": type(run.optimizer).__name__,
            **run.optimizer.state_dict(),
        },
        "scaler": run.scaler.state_dict(),
        "callbacks": [
            (type(each).__name__, each.state_dict()) for each in run.callbacks
        ],
        "history": dict(vars(run.history)),
        "losses": list(run.losses),
        "steps_per_epoch": run.steps_per_epoch,
        "stop": run.stop,
    }


def _put_back(saved: Mapping[str, Any], run: Run) -> None:
    """Make a run what it was."""
    run.model.load_state_dict(saved["model"])
    optimizer = {key: saved["optimizer"][key] for key in ("state", "param_groups")}
    run.optimizer.load_state_dict(optimizer)
    if saved["scaler"]:
        run.scaler.load_state_dict(saved["scaler"])
    for each, (_, state) in zip(run.callbacks, saved["callbacks"], strict=True):
        each.load_state_dict(state)
    run.history = History(**saved["history"])
    run.losses = [each.to(run.streams.device) for each in saved["losses"]]
    run.stop = saved["stop"]


def _refuse_other(saved: Mapping[str, Any], run: Run, path: Path) -> None:
    """Refuse what is not of this run, before anything is changed."""
    here = _kept(run)
    differences = [*_differences(saved["model"], here["model"])]
    if differences:
        raise OtherRunError(f"{path} is of another model: {'; '.join(differences)}")
    for what, then, now in _setups(saved, run):
        if then != now:
            raise OtherRunError(f"{path} is of a run with {what} {then}, not {now}")


def _differences(
    then: Mapping[str, Tensor], now: Mapping[str, Tensor]
) -> Iterator[str]:
    """Say which tensors two models do not have in common."""
    for name in now.keys() - then.keys():
        yield f"it lacks {name}"
    for name in then.keys() - now.keys():
        yield f"it has {name}, too"
    for name in then.keys() & now.keys():
        kinds = [(tuple(each[name].shape), each[name].dtype) for each in (then, now)]
        if kinds[0] != kinds[1]:
            told = (f"{shape} of {dtype}" for shape, dtype in kinds)
            yield f"its {name} is {', not '.join(told)}"


def _setups(saved: Mapping[str, Any], run: Run) -> Iterator[tuple[str, Any, Any]]:
    """Yield what is to be the same then and now."""
    then, now = saved["optimizer"], run.optimizer
    yield "the optimizer", then["name"], type(now).__name__
    groups = [
        [len(each["params"]) for each in some["param_groups"]]
        for some in (then, now.state_dict())
    ]
    yield "parameters in the optimizer's groups:", groups[0], groups[1]
    names = [type(each).__name__ for each in run.callbacks]
    yield "the callbacks", [name for name, _ in saved["callbacks"]], names
    kind = type(run.rng.bit_generator).__name__
    yield "the generator", saved["start"]["numpy"]["bit_generator"], kind
    yield "scaled gradients", bool(saved["scaler"]), run.scaler.is_enabled()
    if saved["losses"]:
        yield "steps in an epoch:", saved["steps_per_epoch"], run.steps_per_epoch


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what changes whenever a file is written anew."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read_by_first(path: Path, device: torch.device) -> bytes:
    """Return what the first process finds in a file, or nothing if there is none."""
    content = b""
    if process()[0] == 0 and path.exists():
        content = path.read_bytes()
        if not content:
            raise DamagedError(f"{path} is empty")
    if process()[1] == 1:
        return content
    length = torch.tensor(len(content), device=device)
    distributed.broadcast(length, 0)
    there = torch.zeros(int(length), dtype=torch.uint8, device=device)
    if content:
        there.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    distributed.broadcast(there, 0)
    return there.cpu().numpy().tobytes()
