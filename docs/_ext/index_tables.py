"""What the indexes have in tables: verdicts, severities, sections, versions."""

import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version

import index_lists
import inventory
from dlnotes.claims import Verdict

Row = tuple[str, ...]

MEANING = {
    Verdict.FAILS: "The measurement contradicts the claim, by the rule set beforehand.",
    Verdict.CONDITIONAL: "It is so under a condition, which the verdict names.",
    Verdict.HOLDS: "The measurement bears the claim out, wherever the rule looks.",
    Verdict.OPEN: "The seeds disagree too much, or the last bit of a weight decides.",
}


def verdicts() -> Iterator[Row]:
    """Write a row for each verdict: what it means, and how many claims have it."""
    yield "Verdict", "What it means", "Claims"
    found = [finding.verdict for finding in index_lists.findings().values()]
    for verdict, meaning in MEANING.items():
        yield str(verdict), meaning, str(found.count(verdict))


SEVERITIES = {
    "wrong": "It is false, however kindly it is read.",
    "misleading": "It can be read rightly, and a reader is likely to read it wrongly.",
    "outdated": "It was so once, and the field has moved on.",
    "omission": "A condition or a definition is absent that it needs.",
    "garbled": "Words or marks are lost or scrambled, in our copy at least.",
    "typo": "One sign or index is another, and the text around it shows which.",
}


def severities() -> Iterator[Row]:
    """Write a row for each severity: what it means, and how many errata have it."""
    yield "Severity", "What it means", "Errata"
    found = [row["severity"] for row in inventory.catalogue()["errata"].values()]
    for severity, meaning in SEVERITIES.items():
        yield severity, meaning, str(found.count(severity))


def status() -> Iterator[Row]:
    """Write a row for each section, in reading order: what stands behind it."""
    engines = list(inventory.engines(inventory.sections()[0]))
    kinds = ("erratum", "claim", "exercise")
    yield "Section", "Equations", "Tests", *engines, "Errata", "Claims", "Exercises"
    where = [*inventory.equations().values()]
    placed = [[*inventory.pages(kind).values()] for kind in kinds]
    for section in inventory.sections():
        proved = inventory.engines(section).values()
        shown = (on.count(section) for on in placed)
        counts = where.count(section), inventory.test_count(section), *proved, *shown
        yield f"{{doc}}`/{section}`", *map(str, counts)


def versions() -> Iterator[Row]:
    """Write a row for each tool that the book was built with."""
    yield "Built with", "Version"
    yield "Python", platform.python_version()
    for tool in ("NumPy", "torch", "Sphinx"):
        yield tool, version(tool).partition("+")[0]


TABLES: dict[str, Callable[[], Iterator[Row]]] = {
    "severities": severities,
    "verdicts": verdicts,
    "status": status,
    "versions": versions,
}
