"""Print what each part of ``.ci/run`` took, and what it would take for the full book.

The full book is as large as its plan: :data:`FULL` has its numbers.  A part is taken to
grow with one kind of thing, in proportion, as if nothing in it happened only once, so
the sum is too high rather than too low.  Two parts differ: installing does not grow,
and from six scripts on the gallery runs two at a time.
"""

import json
import os
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dlnotes import nn, optim
from dlnotes.claims import ledger
from dlnotes.contents import CONTENTS
from dlnotes.exercises import every

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "_build"
TIMES, TESTS = BUILD / "times", BUILD / "tests.xml"
LIMIT = 25  # minutes on two cores

SECTIONS = sum(map(len, CONTENTS.values()))
SCRIPTS = len([*(ROOT / "gallery").rglob("*.py")])
MISTAKES = sum(len(each.mistakes) for each in every())
NEW_SECTIONS, NEW_SCRIPTS = 70 - SECTIONS, 22 - SCRIPTS
LAYERS = len(nn.__all__) + len(optim.__all__)
PAGES = len([*(ROOT / "docs").rglob("[!_]*.md")])
SITE = len([*(BUILD / "html").rglob("*.html")])
FILES = len([*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])

NOW = {
    "once": 1,
    "sections": SECTIONS,
    "claims": len(ledger.experiments()),
    "mistakes": MISTAKES,
    "scripts": SCRIPTS,
    "layers and optimizers": LAYERS,
    "pages": PAGES,
    "pages of the site": SITE,
    "files": FILES,
}
# The plan's numbers; a section brings a page, and a module, a test, claims, exercises.
FULL = {
    "once": 1,
    "sections": 70,
    "claims": 187,
    "mistakes": 857,
    "scripts": 22,
    "layers and optimizers": LAYERS + 27 * NEW_SECTIONS // 60,
    "pages": PAGES + NEW_SECTIONS,
    "pages of the site": SITE + NEW_SECTIONS + NEW_SCRIPTS,
    "files": FILES + 4 * NEW_SECTIONS,
}
UNITS = {"lint": "files", "types": "files", "site": "pages of the site"}


class Part(NamedTuple):
    """What a part took, and what it grows with."""

    name: str
    seconds: float
    unit: str = "once"

    @property
    def projected(self) -> float:
        """Return the seconds for the full book."""
        grown = self.seconds * FULL[self.unit] / NOW[self.unit]
        return grown / 2 if self.unit == "scripts" and NOW["scripts"] < 6 else grown


def parts() -> Iterator[Part]:
    """Divide what was measured into parts that grow with one kind of thing."""
    for line in TIMES.read_text(encoding="utf-8").splitlines():
        name, _, seconds = line.rpartition(" ")
        if name == "docs":
            yield from docs(float(seconds))
        elif name == "tests":
            yield from tests(float(seconds))
        else:
            yield Part(name, float(seconds), UNITS.get(name, "once"))


def docs(seconds: float) -> Iterator[Part]:
    """Tell the gallery from the pages."""
    kept = (BUILD / "gallery").glob("*.json")
    times = [json.loads(each.read_text("utf-8"))["seconds"] for each in kept]
    gallery = sum(times) / (2 if SCRIPTS >= 6 else 1)
    yield Part("docs: gallery", gallery, "scripts")
    yield Part("docs: pages", seconds - gallery, "pages")


def tests(seconds: float) -> Iterator[Part]:
    """Divide the time of the tests as the time within the tests is divided."""
    took: dict[tuple[str, str], float] = defaultdict(float)
    for case in ET.parse(TESTS).iter("testcase"):
        took[kind(case.get("classname", ""))] += float(case.get("time", "0"))
    for (name, unit), spent in sorted(took.items()):
        yield Part(f"tests: {name}", seconds * spent / sum(took.values()), unit)


def kind(module: str) -> tuple[str, str]:
    """Return the part that a test belongs to, and what it grows with."""
    names = module.split(".")
    if "test_mistakes" in names:
        return "mistakes", "mistakes"
    if "test_pytorch_samples" in names:
        return "samples", "layers and optimizers"
    if {"nn", "optim"} & {*names}:
        return "layers and optimizers", "layers and optimizers"
    if "claims" in names:
        return "claims", "claims"
    if {*CONTENTS, "docs", "exercises", "test_reading_order"} & {*names}:
        return "sections", "sections"
    return "the rest", "once"


def main() -> None:
    """Print the table."""
    found = list(parts())
    print(f"{'part':30} {'seconds':>7}  {'units':30} {'full':>5} {'projected':>9}")
    for part in found:
        units = f"{NOW[part.unit]} {part.unit}" if part.unit != "once" else ""
        full = FULL[part.unit] if part.unit != "once" else ""
        row = f"{part.name:30} {part.seconds:7.0f}  {units:30} {full:>5}"
        print(f"{row} {part.projected:9.0f}")
    minutes = sum(part.seconds for part in found) / 60
    projected = sum(part.projected for part in found) / 60
    cores = len(os.sched_getaffinity(0))
    print(
        f"{minutes:.1f} minutes on {cores} cores; {projected:.1f} projected for "
        f"{FULL['sections']} sections (at most {LIMIT} wanted on two cores)"
    )


if __name__ == "__main__":
    main()
