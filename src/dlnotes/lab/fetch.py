"""Finding files of data, verifying and downloading them.

A file is known by the SHA-256 of what is in it once unpacked: the same file packed by
somebody else has other bytes.  Nothing is used that has not been verified, wherever it
was found, and nobody ever sees half a file.
"""

import gzip
import hashlib
import io
import os
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

SYSTEM = Path("/usr/share/datasets")
TIMEOUT = 20.0  # seconds in which a server says nothing
DAY = 86_400.0  # after which a file that is still being written is nobody's


class DatasetError(RuntimeError):
    """Data are there, and are not what they should be."""


class DatasetUnavailable(DatasetError):  # noqa: N818  # unlike its base, no fault
    """Data are nowhere to be found."""


@dataclass(frozen=True)
class File:
    """What is known about a file beforehand: its size and its SHA-256, unpacked.

    It is looked for with ``.gz`` after its name, then without.  A mirror has it packed,
    in one way only.
    """

    name: str
    sha256: str
    size: int
    packed_sha256: str = ""
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What files hold, and where they were."""

    kind: str
    place: str
    contents: tuple[bytes, ...]


def find(
    name: str,
    files: Sequence[File],
    *,
    path: str | os.PathLike[str] | None = None,
    download: bool | None = None,
) -> Found:
    """Look for all files of a data set in one place after the other.

    The places are ``path``; a folder in ``DLNOTES_DATA``; the cache; the system's data
    sets; the network.  What is wrong in one of the first two is an error, since the
    caller named it.  Elsewhere it is passed over with a warning.

    Parameters
    ----------
    name
        The data set, which is the name of its folder too.
    files
        Its files.
    path
        The folder to look in, and nowhere else.
    download
        Whether to download what is nowhere else; if not given, unless
        ``DLNOTES_DOWNLOAD`` is 0.

    Returns
    -------
    found
        What is in the files, unpacked and verified, from the first place with them all.

    Raises
    ------
    FileNotFoundError
        If a file is not in ``path``.
    DatasetError
        If a file in a folder that the caller named is damaged or another one.
    DatasetUnavailable
        If no place has the files; it says which were tried.
    """
    if path is not None:
        return _found("path", Path(path), files)
    try:
        return _search(name, files)
    except DatasetUnavailable as error:
        tried = str(error)
    if download is None:
        download = os.environ.get("DLNOTES_DOWNLOAD") != "0"
    if not download:
        raise DatasetUnavailable(f"{tried}; downloading is off")
    try:
        return _download(files, cache() / name)
    except DatasetUnavailable as error:
        raise DatasetUnavailable(f"{tried}; {error}") from error


def cache() -> Path:
    """Return the folder where downloads are kept."""
    if named := os.environ.get("DLNOTES_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / "dlnotes" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "dlnotes"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dlnotes"


def read(folder: Path, file: File) -> bytes:
    """Return what a file holds, unpacked and verified.

    Raises
    ------
    FileNotFoundError
        If it is not in the folder.
    DatasetError
        If it cannot be read, is damaged, or is another file.
    """
    for path in (folder / f"{file.name}.gz", folder / file.name):
        try:
            return _unpack(path.read_bytes(), file)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise DatasetError(f"{path}, which cannot be read: {error}") from error
        except DatasetError as error:
            raise DatasetError(f"{path}, {error}") from error
    raise FileNotFoundError(f"{folder} has no {file.name}.gz")


def _search(name: str, files: Sequence[File]) -> Found:
    """Look in the folders of this machine."""
    tried = []
    for kind, folder in _places(name):
        try:
            return _found(kind, folder, files)
        except FileNotFoundError as error:
            tried.append(str(error))
        except DatasetError as error:
            if kind == "data folder":
                raise
            warnings.warn(f"ignored {error}", stacklevel=5)  # who called load
            tried.append(str(error))
    raise DatasetUnavailable("; ".join(tried))


def _places(name: str) -> Iterator[tuple[str, Path]]:
    if named := os.environ.get("DLNOTES_DATA"):
        yield "data folder", Path(named) / name
        yield "data folder", Path(named)
    yield "cache", cache() / name
    yield "system", SYSTEM / name


def _found(kind: str, folder: Path, files: Sequence[File]) -> Found:
    return Found(kind, str(folder), tuple(read(folder, file) for file in files))


def _unpack(packed: bytes, file: File) -> bytes:
    """Return what is in a file, which may not be packed, if it is what it should be."""
    content = packed
    if packed[:2] == b"\x1f\x8b":
        try:
            content = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(file.size + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise DatasetError(f"which is damaged: {error}") from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise DatasetError("which is not the published file: its SHA-256 is another")
    return content


def _download(files: Sequence[File], folder: Path) -> Found:
    """Download what the cache lacks, and keep it there if that can be."""
    places, contents, unwritten = [], [], None
    for file in files:
        try:
            place, content = str(folder), read(folder, file)
        except (FileNotFoundError, DatasetError):
            place, packed, content = _fetch(file)
            try:
                _store(packed, folder / f"{file.name}.gz")
            except OSError as error:
                unwritten = error
        places.append(place)
        contents.append(content)
    if unwritten is not None:
        warnings.warn(f"downloaded, but not kept: {unwritten}", stacklevel=5)
    return Found("download", ", ".join(places), tuple(contents))


def _fetch(file: File) -> tuple[str, bytes, bytes]:
    """Return the address of the first mirror that has a file, and it, also unpacked."""
    failures = []
    for mirror in file.mirrors:
        url = f"{mirror}{file.name}.gz"
        try:
            packed = _get(url, file)
            return url, packed, _unpack(packed, file)
        except (DatasetError, HTTPException, OSError, ValueError) as error:
            failures.append(f"{url}: {error}")
    raise DatasetUnavailable("; ".join(failures))


def _get(url: str, file: File) -> bytes:
    """Return what a server sends, if it is the packed file."""
    with urlopen(url, timeout=TIMEOUT) as response:
        packed: bytes = response.read(2 * file.size)
        length = int(response.headers.get("Content-Length", len(packed)))
    if len(packed) != length:
        raise DatasetError(f"{len(packed):,} of {length:,} bytes came")
    if hashlib.sha256(packed).hexdigest() != file.packed_sha256:
        raise DatasetError(f"{len(packed):,} bytes of another file came")
    return packed


def _store(packed: bytes, target: Path) -> None:
    """Write a file so that it appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    handle, name = tempfile.mkstemp(".part", f".{target.name}.", target.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(packed)
            stream.flush()
            os.fsync(stream.fileno())
        part.chmod(0o644)
        part.replace(target)
    except PermissionError:
        if not target.exists():  # else, on Windows, it is open elsewhere: it may stay
            raise
    finally:
        part.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed have left."""
    for part in folder.glob(".*.part"):
        with suppress(FileNotFoundError):  # it may just have been finished
            if time.time() - part.stat().st_mtime > DAY:
                part.unlink()
