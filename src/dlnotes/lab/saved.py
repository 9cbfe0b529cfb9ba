"""Values in a file that is whole or not there at all.

The file is one of `safetensors <https://github.com/huggingface/safetensors>`_: every
program that knows the format finds the tensors in it, and nothing in it is ever run, as
a pickle would be.  What is no tensor is JSON in its header, next to a SHA-256 of the
whole file, without which nothing is read.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from filelock import FileLock
from torch import Tensor

_UNKNOWN = "0" * 64  # in the place of the digest, while it is computed


class DamagedError(ValueError):
    """A file is not what was saved."""


def pack(values: Any) -> bytes:
    """Return values, with tensors and arrays among them, as the content of a file.

    Parameters
    ----------
    values
        Dictionaries, lists and tuples of numbers, strings, truth values, None, arrays
        and tensors.

    Returns
    -------
    content
        The content, in which tensors have the names of their places.

    Raises
    ------
    TypeError
        If there is something else among them; it says where.

    Examples
    --------
    >>> import torch
    >>> from dlnotes.lab.saved import pack, unpack
    >>> unpack(pack({"rates": (0.5, 0.25), "weights": torch.arange(3)}), "here")
    {'rates': (0.5, 0.25), 'weights': tensor([0, 1, 2])}
    >>> pack({"rates": {0.5, 0.25}})
    Traceback (most recent call last):
        ...
    TypeError: rates is a set, which cannot be saved
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_written(values, "", tensors))
    header = {"values": tree, "sha256": _UNKNOWN}
    content = safetensors.torch.save(tensors, header)
    digest = hashlib.sha256(content).hexdigest()
    return content.replace(_UNKNOWN.encode(), digest.encode(), 1)


def unpack(content: bytes, name: str) -> Any:
    """Return the values in the content of a file.

    Parameters
    ----------
    content
        What :func:`pack` has returned.
    name
        What to call the file in an error.

    Returns
    -------
    values
        The values; tensors are on the CPU.

    Raises
    ------
    DamagedError
        If the content is not to the last bit what was packed.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])["__metadata__"]
        tree, digest = header["values"], header["sha256"]
        unsigned = content.replace(digest.encode(), _UNKNOWN.encode(), 1)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"{name} is no checkpoint, or is damaged") from error
    if hashlib.sha256(unsigned).hexdigest() != digest:
        raise DamagedError(f"{name} is damaged: its SHA-256 is not the one in it")
    return _read(json.loads(tree), safetensors.torch.load(content))


def write(content: bytes, path: Path) -> None:
    """Put a file in its place so that the old one or the new one is there, whole.

    Parameters
    ----------
    content
        What is to be in the file.
    path
        Its place.  The folder is made if need be.

    Raises
    ------
    OSError
        If it cannot be written; then what was there is there still, and nothing else.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _keep(path.parent)


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Wait until no other process writes a file; a killed one is not waited for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield


def _keep(folder: Path) -> None:
    """Have the disk keep the names in a folder, where a system can be asked to."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _written(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    """Write a value as JSON, and put the tensors in it aside."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Tensor():
            tensors[place] = value.detach().cpu().contiguous().clone()
            return {"tensor": place}
        case np.ndarray():
            tensors[place] = torch.from_numpy(value.copy())
            return {"array": place}
        case np.generic():
            return value.item()
        case dict():
            items = [
                [key, _written(each, f"{place}.{key}".lstrip("."), tensors)]
                for key, each in value.items()
            ]
            return {"dict": items}
        case list() | tuple():
            parts = [
                _written(each, f"{place}.{k}", tensors) for k, each in enumerate(value)
            ]
            return {type(value).__name__: parts}
    raise TypeError(f"{place} is a {type(value).__name__}, which cannot be saved")


def _read(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """Read a value from JSON, and put the tensors back into it."""
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    match kind:
        case "tensor":
            return tensors[content]
        case "array":
            return tensors[content].numpy()
        case "dict":
            return {key: _read(each, tensors) for key, each in content}
    parts = [_read(each, tensors) for each in content]
    return parts if kind == "list" else tuple(parts)
