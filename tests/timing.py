"""Print what each part of ``.ci/run`` took, and what it would take for the full book.

The full book has the sections that are written and those of ``docs/roadmap.yml``.  What
happens once takes as long then as now: installing, reading the types of libraries, the
tests of the tools.  What a section brings takes as much longer as there are more of
them: its page and cells, tests, claims, mistakes, notebook, script.  All seconds are on
record in ``_build``; nothing is assumed but that a later section costs what an earlier
one does, and a later layer what an earlier one does.

It ends with an error where the full book would take more than :data:`LIMIT`.  So that a
slow machine is not taken for slow code, the minutes are those of a machine that does a
fixed piece of work in :data:`PACE` seconds; here that work is done at the end, on every
core at once.
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml
from jupyter_cache import get_cache

from dlnotes import nn, optim
from dlnotes.contents import CONTENTS

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "_build"
LIMIT = 25  # minutes on two cores
NOISE = 1.5  # by which two runs of the same commit may differ, on other machines
WORK = """
from time import process_time
sum(k * k for k in range(10**7))
print(process_time())
"""
PACE = 0.5  # seconds for it where LIMIT was set: two cores of an AMD EPYC, Python 3.11
PARALLEL = 6  # scripts, from which on the gallery runs two at a time, as in conf.py

ROADMAP = yaml.safe_load((ROOT / "docs" / "roadmap.yml").read_text(encoding="utf-8"))
SECTIONS = sum(map(len, CONTENTS.values()))
PLANNED = sum(len(chapter.get("planned", ())) for chapter in ROADMAP.values())
GROWTH = (SECTIONS + PLANNED) / SECTIONS

SCRIPTS = len([*(ROOT / "gallery").rglob("*.py")])
NEW_PAGES = PLANNED + len(ROADMAP) - len(CONTENTS)
NEW_SCRIPTS = round(SCRIPTS * (GROWTH - 1))
LAYERS = len(nn.__all__) + len(optim.__all__)
# What PyTorch has of the subjects that are still to come, by the section's name.
DROP_INS = {
    "batch_normalization": ["BatchNorm1d", "BatchNorm2d"],
    "dropout": ["Dropout", "Dropout2d"],
    "recurrent_layer": ["RNN", "RNNCell"],
    "lstm": ["LSTM", "LSTMCell"],
    "gru": ["GRU", "GRUCell"],
}
NEW_LAYERS = sum(
    len(DROP_INS.get(name, ()))
    for chapter in ROADMAP.values()
    for name in chapter.get("planned", ())
)

ONCE = ("system packages", "install", "types: libraries", "tests: libraries")


class Part(NamedTuple):
    """What a part took, and how many times as long the full book takes."""

    name: str
    seconds: float
    growth: float = 1.0

    @property
    def projected(self) -> float:
        """Return the seconds for the full book."""
        return self.seconds * self.growth


def parts(build: Path = BUILD) -> Iterator[Part]:
    """Divide what was measured into what happens once and what grows."""
    for line in (build / "times").read_text(encoding="utf-8").splitlines():
        name, _, seconds = line.rpartition(" ")
        if name == "docs":
            yield from docs(float(seconds), build)
        elif name == "tests":
            yield from tests(float(seconds), build)
        elif name == "site":
            pages = len([*(build / "html").rglob("*.html")])
            growth = (pages + NEW_PAGES + NEW_SCRIPTS) / pages
            yield Part(name, float(seconds), growth)
        else:
            yield Part(name, float(seconds), 1 if name.startswith(ONCE) else GROWTH)


def docs(seconds: float, build: Path) -> Iterator[Part]:
    """Tell scripts, the cells of sections and those of other pages from the rest."""
    kept = (build / "gallery").glob("*.json")
    gallery = sum(json.loads(each.read_text("utf-8"))["seconds"] for each in kept)
    gallery /= 2 if SCRIPTS >= PARALLEL else 1
    later = 1 if SCRIPTS >= PARALLEL or SCRIPTS + NEW_SCRIPTS < PARALLEL else 2
    yield Part("docs: gallery", gallery, GROWTH / later)
    ran = defaultdict[bool, float](float)
    for record in get_cache(build / "cells").list_cache_records():
        page = Path(record.uri)
        section = page.stem in CONTENTS.get(page.parent.name, ())
        ran[section] += record.data["execution_seconds"] / 2  # two processes read
    yield Part("docs: cells of sections", ran[True], GROWTH)
    yield Part("docs: cells of other pages", ran[False])
    pages = len([*(ROOT / "docs").rglob("[!_]*.md")])
    rest = seconds - gallery - sum(ran.values())
    yield Part("docs: pages read and written", rest, (pages + NEW_PAGES) / pages)


def tests(seconds: float, build: Path) -> Iterator[Part]:
    """Divide the time of the tests as the time within the tests is divided."""
    took: dict[tuple[str, float], float] = defaultdict(float)
    for case in ET.parse(build / "tests.xml").iter("testcase"):
        found = kind(case.get("classname", ""), case.get("name", ""))
        took[found] += float(case.get("time", "0"))
    workers = len(os.sched_getaffinity(0))
    start = max(0.0, seconds - sum(took.values()) / workers)
    yield Part("tests: collection", start, GROWTH)
    for (name, growth), spent in sorted(took.items()):
        share = spent / sum(took.values())
        yield Part(f"tests: {name}", (seconds - start) * share, growth)


def kind(module: str, test: str) -> tuple[str, float]:
    """Return the part that a test belongs to, and how it grows."""
    names = {*module.split(".")}
    if "test_mistakes" in names and "[" in test:
        return "mistakes", GROWTH
    if {"nn", "optim"} & names:
        return "layers and optimizers", (LAYERS + NEW_LAYERS) / LAYERS
    for_each = any(f"[{chapter}" in test for chapter in CONTENTS) or "[write-" in test
    if for_each or (names & {*CONTENTS}) or "[claim-" in test:
        return "claims" if "claims" in names else "sections", GROWTH
    return "the rest", 1.0


def pace() -> float:
    """Return how many times as long as where LIMIT was set work takes here."""
    return min(_work() for _ in range(3)) / PACE


def _work() -> float:
    """Return the mean seconds that the work takes, done on every core at once."""
    command, cores = [sys.executable, "-c", WORK], len(os.sched_getaffinity(0))
    work = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(cores)]
    return sum(float(each.communicate()[0]) for each in work) / cores


def main() -> None:
    """Print the table, and refuse a book that would take too long."""
    found = list(parts())
    print(f"{'part':30} {'seconds':>7} {'times':>6} {'projected':>9}")
    for part in found:
        row = f"{part.name:30} {part.seconds:7.0f} {part.growth:6.1f}"
        print(f"{row} {part.projected:9.0f}")
    minutes = sum(part.seconds for part in found) / 60
    projected = sum(part.projected for part in found) / 60
    cores, slower = len(os.sched_getaffinity(0)), pace()
    there = projected / slower
    print(
        f"{minutes:.1f} minutes on {cores} cores for {SECTIONS} sections; "
        f"{projected:.1f} projected for {SECTIONS + PLANNED}. "
        f"This machine needs {slower:.2f} times as long as the one of the limit, where "
        f"that is {there:.1f} (at most {LIMIT} wanted)."
    )
    if there > NOISE * LIMIT:
        sys.exit("the full book would take too long")


if __name__ == "__main__":
    main()
