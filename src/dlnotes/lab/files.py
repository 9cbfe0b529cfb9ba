"""Files of your own: a folder of images with its labels, and a table with JSON in it.

Some data may be used and not passed on, so the book cannot have them.  What reads your
copy of them is here.  It leaves nothing out without a word: what cannot be read, or has
no partner, is an error that names the file and the line.
"""

import csv
import hashlib
import json
import math
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray

from dlnotes.lab.data import Source, Table
from dlnotes.lab.fetch import DatasetError, user_path

IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
SHOWN = 3  # how many names an error has
LONGEST = 2**31 - 1  # characters of a cell, the most that the csv module can be told
WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
# Python's own float takes 12_34, which is the name of a session.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class LabeledImages:
    """Images of one size, the number of the class of each, and the names of classes."""

    X: UInt8[np.ndarray, "images height width 3"]
    y: Int64[np.ndarray, "images"]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    source: Source


def image_folder(
    path: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    *,
    size: tuple[int, int],
    classes: Sequence[str],
    columns: tuple[str, str] = ("ID", "Class"),
) -> LabeledImages:
    r"""Read a folder of images whose classes are in a CSV file.

    Only files whose names end as those of images do are read, and no folder inside.
    Of a file of several pictures, such as an animation, the first is taken.  All pixels
    become opaque: a transparent one has the color that the file has for it.

    Parameters
    ----------
    path
        The folder.
    labels
        The CSV file, with a header and a row for each image.
    size
        The height and the width that each image is stretched or shrunk to, in pixels.
    classes
        The names of the classes, in the order of their numbers.
    columns
        The header of the column of file names, and of that of classes.

    Returns
    -------
    images
        The images in the order of the CSV file, with red, green and blue from 0 to 255.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or no such CSV file.
    DatasetError
        If the folder has no image; if an image has no label, several or one that is no
        class; if a label has no image; or if a file cannot be read, or has gray of more
        than 8 bits.
    ValueError
        If a size is not positive, or a class is listed twice.

    Examples
    --------
    Two images of different sizes:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from dlnotes.lab.files import image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (40, 30), "red").save(Path(folder, "a.png"))
    ...     Image.new("L", (7, 9), 255).save(Path(folder, "b.png"))
    ...     labels = Path(folder, "labels.csv")
    ...     _ = labels.write_text("ID,Class\nb.png,white\na.png,red\n")
    ...     found = image_folder(folder, labels, size=(8, 8), classes=["red", "white"])
    >>> found.X.shape, found.names, found.y.tolist()
    ((2, 8, 8, 3), ('b.png', 'a.png'), [1, 0])
    >>> found.X[:, 0, 0].tolist()
    [[255, 255, 255], [255, 0, 0]]
    """
    if min(size) < 1:
        raise ValueError(f"size must be positive, got {size}")
    if len({*classes}) < len(classes):
        raise ValueError(f"classes must differ, got {list(classes)}")
    folder, table = user_path(path), user_path(labels)
    present = sorted(
        each.name
        for each in folder.iterdir()
        if each.suffix.lower() in IMAGES and not each.name.startswith(".")
    )
    if not present:
        raise DatasetError(f"{folder} has no image, no file that ends in {IMAGES}")
    named = _labels(table, columns)
    _check_partners(folder, table, present, named, classes)
    content, X = _images(folder, [*named], size)
    number = {name: k for k, name in enumerate(classes)}
    note = f"Images of {folder.name}: {len(X):,} images"
    return LabeledImages(
        X,
        np.array([number[each] for each in named.values()], np.int64),
        tuple(named),
        tuple(classes),
        Source("path", str(folder), content, len(X), note),
    )


def json_table(
    path: str | os.PathLike[str],
    *,
    json_columns: Collection[str],
    words: Collection[str] = (),
    columns: Collection[str] | None = None,
) -> Table:
    """Read a CSV file some of whose cells are JSON objects.

    A key of an object becomes a column of its own, ``totals.hits`` where the object is
    in the column ``totals``, and so does a key of an object inside it, and a place in a
    list, ``totals.0``.  An object that lacks a key has a gap there.

    Parameters
    ----------
    path
        The CSV file, with a header.
    json_columns
        The headers of the columns of JSON objects.
    words
        Columns to keep as they are written: a customer's number is a name, whose zeros
        in front count.
    columns
        The columns to keep, as they are named afterwards, to save memory; all if not
        given.

    Returns
    -------
    table
        Columns by their names, as `dlnotes.lab.data.load` has them: whole numbers,
        floats with NaN for a gap, or strings with an empty one for a gap.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DatasetError
        If a column that was named is not there, a row has more or fewer cells than the
        header or two values of one name, a cell is no JSON object, or the file is no
        text.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from dlnotes.lab.files import json_table
    >>> rows = '''visitor,totals
    ... 007,"{""hits"": ""2""}"
    ... 011,"{""hits"": ""5"", ""revenue"": 3.5}"
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "visits.csv")
    ...     _ = path.write_text(rows)
    ...     table = json_table(path, json_columns=["totals"], words=["visitor"])
    >>> {name: values.tolist() for name, values in table.columns.items()}
    {'visitor': ['007', '011'], 'totals.hits': [2, 5], 'totals.revenue': [nan, 3.5]}
    """
    file, found, count = user_path(path), dict[str, dict[int, str]](), 0
    for line, row in _rows(file, json_columns):
        for name, cell in _flat(row, json_columns, f"{file}, line {line}"):
            kept = found.setdefault(name, {})
            if columns is None or name in columns:
                if count in kept or "\0" in cell:  # which NumPy takes for the end
                    odd = "two values" if count in kept else "a NUL"
                    raise DatasetError(f"{file}, line {line}: {name!r} has {odd}")
                kept[count] = cell
        count += 1
    if not count:
        raise DatasetError(f"{file} has no row")
    wanted = [*found] if columns is None else columns
    if lacking := {*wanted, *words} - {*found}:
        raise DatasetError(f"{file} has no column {_some(lacking)}; it has {[*found]}")
    table = {}
    for name in wanted:
        cells = [found[name].get(row, "") for row in range(count)]
        table[name] = np.array(cells) if name in words else _numbers(cells)
    note = f"{file.name}: {count:,} rows"
    return Table(table, Source("path", str(file), _digest([file]), count, note))


def _labels(table: Path, columns: tuple[str, str]) -> dict[str, str]:
    """Return the class of each file that a CSV file names."""
    rows = [(row[columns[0]], row[columns[1]]) for _, row in _rows(table, columns)]
    if twice := _repeated(name for name, _ in rows):
        raise DatasetError(f"{table} has several labels for {_some(twice)}")
    return dict(rows)


def _check_partners(
    folder: Path,
    table: Path,
    present: Sequence[str],
    named: Mapping[str, str],
    classes: Sequence[str],
) -> None:
    """Refuse an image without a class, or a class without an image."""
    if lacking := {*named} - {*present}:
        raise DatasetError(
            f"{table} has labels of images that {folder} lacks: {_some(lacking)}"
        )
    if lacking := {*present} - {*named}:
        raise DatasetError(
            f"{folder} has images that {table} has no label of: {_some(lacking)}"
        )
    if odd := {name: kind for name, kind in named.items() if kind not in classes}:
        raise DatasetError(f"{table} has classes other than {classes}: {_some(odd)}")


def _images(
    folder: Path, names: Sequence[str], size: tuple[int, int]
) -> tuple[str, UInt8[np.ndarray, "images height width 3"]]:
    """Return the SHA-256 of files one after the other, and the images in them."""
    X, unread = np.empty((len(names), *size, 3), np.uint8), dict[str, str]()
    for k, name in enumerate(names):
        try:
            X[k] = _pixels(folder / name, size)
        except Exception as error:  # damage can raise any
            unread[name] = str(error)
    if unread:
        raise DatasetError(f"{folder} has files that cannot be read: {_some(unread)}")
    return _digest(folder / name for name in names), X


def _pixels(file: Path, size: tuple[int, int]) -> UInt8[np.ndarray, "height width 3"]:
    from PIL import Image, ImageOps

    with Image.open(file) as image:
        if image.mode.startswith(("I", "F")):  # as RGB it would be cut off at 255
            raise ValueError(f"its pixels have more than 8 bits, {image.mode}")
        upright = ImageOps.exif_transpose(image).convert("RGB")
    return np.asarray(upright.resize(size[::-1], Image.Resampling.BILINEAR))


def _rows(file: Path, columns: Collection[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line of the end of each row of a CSV file, and its cells."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        limit = csv.field_size_limit(LONGEST)
        try:
            header = next(reader, [])
            _check_header(file, header, columns)
            for row in reader:
                if not row and len(header) > 1:  # in a single column it may be a gap
                    continue
                if len(row) != len(header):
                    raise DatasetError(
                        f"{file}, line {reader.line_num}: {len(row)} cells, and the "
                        f"header has {len(header)}"
                    )
                yield reader.line_num, dict(zip(header, row, strict=True))
        except csv.Error as error:
            raise DatasetError(f"{file}, line {reader.line_num}: {error}") from error
        except UnicodeDecodeError as error:  # text is decoded in blocks of many lines
            raise DatasetError(
                f"{file}, after line {reader.line_num}: no text in UTF-8, {error}"
            ) from error
        finally:
            csv.field_size_limit(limit)


def _check_header(file: Path, header: Sequence[str], columns: Iterable[str]) -> None:
    """Refuse a header that lacks a column, or has one twice."""
    if not header:
        raise DatasetError(f"{file} has no header in its first line")
    if lacking := {*columns} - {*header}:
        raise DatasetError(f"{file} has no column {_some(lacking)}; it has {header}")
    if twice := _repeated(header):
        raise DatasetError(f"{file} has several columns {_some(twice)}")


def _flat(
    row: Mapping[str, str], json_columns: Collection[str], where: str
) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each cell, and of each value in an object."""
    for name, cell in row.items():
        if name not in json_columns:
            yield name, cell
            continue
        try:
            value = OBJECT.decode(cell)
            leaves = [*_leaves(name, value)]
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{where}, column {name}: no JSON, {error}") from error
        if not isinstance(value, tuple):
            raise DatasetError(
                f"{where}, column {name}: no JSON object, but {cell:.40}"
            )
        yield from leaves


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        value = tuple(enumerate(value))
    if isinstance(value, tuple):  # of an object, so that no key replaces another
        for key, inner in value:
            yield from _leaves(f"{name}.{key}", inner)
    elif isinstance(value, str):
        yield name, value
    else:
        yield name, {None: "", True: "true", False: "false"}[value]


def _refuse(constant: str) -> None:
    raise ValueError(f"which has no {constant}")


OBJECT = json.JSONDecoder(
    object_pairs_hook=tuple, parse_float=str, parse_int=str, parse_constant=_refuse
)


def _numbers(cells: Sequence[str]) -> NDArray[Any]:
    """Return numbers if all cells that are no gaps are numbers, else the cells.

    The cells, too, if one is a number of more digits before the point than a machine's
    have, or beyond its range: to round them would make one visitor of two.
    """
    words = np.array(cells)
    if all(WHOLE.fullmatch(cell) for cell in cells):
        with suppress(OverflowError, ValueError):
            return words.astype(np.int64)
        return words
    if not all(NUMBER.fullmatch(cell) for cell in cells if cell):
        return words
    values = np.array([float(cell or "nan") for cell in cells])
    largest = [math.inf if "e" in cell.lower() else 2**53 for cell in cells]
    return words if (abs(values) >= largest).any() else values


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest()


def _some(names: Collection[str]) -> str:
    """Write the first names, what they are mapped to, and how many more there are."""
    said = names if isinstance(names, Mapping) else {}
    first = [
        f"{name!r} ({said[name]})" if name in said else repr(name)
        for name in sorted(names)[:SHOWN]
    ]
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(first) + more
