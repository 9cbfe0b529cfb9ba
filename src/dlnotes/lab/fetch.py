"""Finding files of data, verifying and downloading them.

A file is known by the SHA-256 of what is in it once unpacked: the same file packed by
somebody else has other bytes.  Nothing is used that has not been verified, wherever it
was found, and nobody ever sees half a file.

Downloads are not left to pooch, which verifies only packed bytes, has one address for a
file, needs a cache that can be written, and brings four packages to replace 60 lines.
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
from typing import IO
from urllib.request import urlopen

SYSTEM = Path("/usr/share/datasets")
TIMEOUT = 20.0  # seconds in which a server says nothing
DAY = 86_400.0  # after which a file that is still being written is nobody's
CACHES = {
    "darwin": ("XDG_CACHE_HOME", "~/Library/Caches", "dlnotes"),
    "linux": ("XDG_CACHE_HOME", "~/.cache", "dlnotes"),
    "win32": ("LOCALAPPDATA", "~/AppData/Local", "dlnotes/cache"),
}
SWITCH = dict.fromkeys(["", "1", "true", "yes", "on"], True)
SWITCH |= dict.fromkeys(["0", "false", "no", "off"], False)


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

    The places are ``path``, or else ``DLNOTES_DATA``, which names a folder or the one
    around it, or else the cache, the system's data sets and the network.  What is wrong
    or absent in one of the first two is an error, since the caller named it.  Elsewhere
    it is passed over, what is wrong with a warning.

    Parameters
    ----------
    name
        The data set, which is the name of its folder too.
    files
        Its files.
    path
        The folder to look in, and nowhere else; ``~`` is the home folder.
    download
        Whether to download what is nowhere else; if not given, unless
        ``DLNOTES_DOWNLOAD`` is 0, false, no or off.

    Returns
    -------
    found
        What is in the files, unpacked and verified, from the first place with them all.

    Raises
    ------
    FileNotFoundError
        If a file is not in the folder that the caller named.
    DatasetError
        If a file in that folder is damaged or another one.
    DatasetUnavailable
        If no place has the files; it says which were tried.
    ValueError
        If ``DLNOTES_DOWNLOAD`` says neither yes nor no.
    """
    if download is None:
        download = _switch("DLNOTES_DOWNLOAD")
    if path is not None:
        return _found("path", user_path(path), files)
    if named := os.environ.get("DLNOTES_DATA"):
        return _named(user_path(named), name, files)
    try:
        return _search(name, files)
    except DatasetUnavailable as error:
        tried = str(error)
    if not download:
        raise DatasetUnavailable(f"{tried}; downloading is off")
    try:
        return _download(name, files)
    except DatasetUnavailable as error:
        raise DatasetUnavailable(f"{tried}; {error}") from error


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path as its user means it; ``~`` stays where there is no home.

    Parameters
    ----------
    path
        A path, which may begin with ``~``.

    Returns
    -------
    path
        The path that it stands for.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111  # Path's own raises


def cache() -> Path | None:
    """Return the folder where downloads are kept.

    Returns
    -------
    folder
        The folder; none if it would be in the home of a user who has none.
    """
    variable, usual, inside = CACHES.get(sys.platform, CACHES["linux"])
    named = os.environ.get("DLNOTES_CACHE")
    around = os.environ.get(variable) or usual
    folder = user_path(named) if named else user_path(around) / inside
    return None if folder.parts[:1] == ("~",) else folder


def read(folder: Path, file: File) -> bytes:
    """Return what a file holds, unpacked and verified.

    Parameters
    ----------
    folder
        Where the file is.
    file
        What is known about it.

    Returns
    -------
    content
        Its bytes, unpacked.

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


def _switch(variable: str) -> bool:
    """Tell whether a variable of the environment is on, as it is if it is not set."""
    word = os.environ.get(variable, "").strip().lower()
    if word not in SWITCH:
        known = ", ".join(filter(None, SWITCH))
        raise ValueError(f"{variable} must be one of {known}, got {word}")
    return SWITCH[word]


def _named(folder: Path, name: str, files: Sequence[File]) -> Found:
    """Look in the folder that the user named, and in the data set's folder in it."""
    try:
        return _found("data folder", folder / name, files)
    except FileNotFoundError as inner:
        try:
            return _found("data folder", folder, files)
        except FileNotFoundError as outer:
            raise FileNotFoundError(
                f"DLNOTES_DATA is {folder}, but {inner}, and {outer}"
            ) from None


def _search(name: str, files: Sequence[File]) -> Found:
    """Look in the folders of this machine that nobody named."""
    tried, kept = [], cache()
    places = {"cache": kept and kept / name, "system": SYSTEM / name}
    for kind, folder in places.items():
        if folder is None:
            tried.append("there is no home folder, nor DLNOTES_CACHE")
            continue
        try:
            return _found(kind, folder, files)
        except FileNotFoundError as error:
            tried.append(str(error))
        except DatasetError as error:
            warnings.warn(f"ignored {error}", stacklevel=5)  # who called load
            tried.append(str(error))
    raise DatasetUnavailable("; ".join(tried))


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


def _download(name: str, files: Sequence[File]) -> Found:
    """Download what the cache lacks, and keep it there if that can be."""
    places, contents, unwritten = [], [], None
    for file in files:
        place, packed, content = _kept(name, file) or _fetch(file)
        if packed:
            try:
                _store(packed, name, file)
            except OSError as error:
                unwritten = error
        places.append(place)
        contents.append(content)
    if unwritten is not None:
        warnings.warn(f"downloaded, but not kept: {unwritten}", stacklevel=5)
    return Found("download", ", ".join(places), tuple(contents))


def _kept(name: str, file: File) -> tuple[str, bytes, bytes] | None:
    """Return the folder of the cache and what a file holds, if it is there."""
    if (folder := cache()) is None:
        return None
    try:
        return str(folder / name), b"", read(folder / name, file)
    except (FileNotFoundError, DatasetError):
        return None


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
        length = response.headers.get("Content-Length")
        total = None if length is None else int(length)
        packed = b"".join(_chunks(response, url, total, 2 * file.size))
    if total not in (None, len(packed)):
        raise DatasetError(f"{len(packed):,} of {total:,} bytes came")
    if hashlib.sha256(packed).hexdigest() != file.packed_sha256:
        raise DatasetError(f"{len(packed):,} bytes of another file came")
    return packed


def _chunks(
    response: IO[bytes], url: str, total: int | None, limit: int
) -> Iterator[bytes]:
    """Read what a server sends; say how much it is, and on a terminal how far it is."""
    from tqdm import tqdm

    size = "an unknown number of" if total is None else f"{total / 1e6:.1f}"
    sys.stderr.write(f"downloading {size} MB from {url}\n")
    with tqdm(total=total, unit="B", unit_scale=True, leave=False, disable=None) as bar:
        while limit > 0 and (chunk := response.read(min(limit, 65_536))):
            limit -= len(chunk)
            bar.update(len(chunk))
            yield chunk


def _store(packed: bytes, name: str, file: File) -> None:
    """Write a file into the cache."""
    if (folder := cache()) is None:
        raise FileNotFoundError("there is no home folder; DLNOTES_CACHE can name one")
    _write(packed, folder / name / f"{file.name}.gz")


def _write(packed: bytes, target: Path) -> None:
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
