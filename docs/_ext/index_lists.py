"""What the indexes list: equations, errata, claims, exercises, sources and data."""

from collections import defaultdict
from collections.abc import Callable
from functools import partial

import inventory
from boxes import card, folded, footer, heading
from dlnotes.claims import Finding, Verdict, ledger
from dlnotes.contents import CONTENTS
from dlnotes.exercises import named
from exercise_boxes import beginning
from publication import REPOSITORY


def place(page: str) -> str:
    """Name a section or the opening of a chapter by its number, and lead there."""
    kind = "Chapter" if page.endswith("/index") else "Section"
    return f"{kind} {inventory.section_number(page)}, {{doc}}`/{page}`"


def equations() -> str:
    """Write each displayed equation, what computes it and its tests, by section."""
    functions, tests = inventory.functions(), inventory.tests()
    text = section = ""
    for label, home in inventory.equations().items():
        if home != section:
            section = home
            title = f"{inventory.section_number(section)} {{doc}}`/{section}`"
            text += heading(title, 2)
        computed = [f"{{py:obj}}`~{name}`" for name in functions.get(label, [])]
        verified = "\n".join(f"- {tested(test)}" for test in tests.get(label, []))
        count = len(tests.get(label, []))
        text += card(
            f"```{{formula}} {label}\n```\n\n"
            f"Computed by {', '.join(computed)}.\n\n"
            + folded(f"Verified by {count} test{'s' * (count != 1)}", verified)
        )
    return text


def tested(test: inventory.Test) -> str:
    """Write what a test says, with a link to where it stands."""
    where = f"{REPOSITORY}/blob/main/{test.path}#L{test.line}"
    return f"[{test.sentence}]({where})"


def errata(*severities: str) -> str:
    """Write a card for each erratum of some severities, in reading order."""
    text = ""
    for name, section in inventory.pages("erratum").items():
        row = inventory.catalogue()["errata"][name]
        if row["severity"] in severities:
            text += card(
                f"**[{row['title']}](#{name})**\n"
                + footer(
                    f"{row['severity'].capitalize()}. {row['source']}. "
                    f"{place(section)}."
                )
            )
    return text


def findings() -> dict[str, Finding]:
    """Return what was found of each claim that has a result, in reading order."""
    found = {}
    for name in inventory.pages("claim"):
        try:
            found[name] = ledger.load(name).finding
        except ledger.NoResultError:  # which `promises` complains about
            continue
    return found


def claims(*verdicts: Verdict) -> str:
    """Write a card for each claim of some verdicts, by verdict, in reading order."""
    found, home = findings(), inventory.pages("claim")
    return "".join(
        card(
            f"[{ledger.declared()[name].statement}](#{name})\n\n"
            f"**It {finding.outcome}.** {finding.because}\n"
            + footer(f"{place(home[name])}.")
        )
        for verdict in verdicts
        for name, finding in found.items()
        if finding.verdict is verdict
    )


LEVELS = ("easy", "medium", "hard", "")
ELSEWHERE = ("On data", "By program")  # how an exercise begins that is not on paper


def exercises() -> str:
    """Write a list of all exercises, by chapter and by level."""
    text = ""
    for chapter, sections in CONTENTS.items():
        rows = [
            each
            for section in sections
            for each in inventory.exercises(f"{chapter}/{section}")
        ]
        title = f"{{doc}}`/{chapter}/index`"
        text += heading(title, 2)
        for level in LEVELS:
            chosen = [each for each in rows if each.level == level]
            if chosen:
                listed = "\n".join(map(exercise, chosen))
                name = level.capitalize() or "Not graded"
                text += f"{heading(name, 3)}\n{listed}\n"
    return text


def exercise(row: inventory.Set) -> str:
    """Write a line of the list: the number, what it is about, and its name."""
    link = f"[{row.number}](#{row.label})"
    if row.name:
        asked = named(row.name)
        about = asked.about[:1].lower() + asked.about[1:].rstrip(".")
        return f"- {link} Write `{asked.solution.__name__}`: {about} (`{row.name}`)"
    text = beginning(row)
    return f"- {link} {text if text.startswith(ELSEWHERE) else f'On paper: {text}'}"


def sources() -> str:
    """Write what each letter stands for that errata and claims name."""
    text = ""
    for letter, row in inventory.sources().items():
        told = f"*{row['title']}*. {row['by']}, {row['year']}. {row['has']}"
        text += f"\n**{letter}.** {told}\n"
    return text


def data() -> str:
    """Say which pages, and which claims, use which set of data."""
    used = defaultdict[str, list[str]](list)
    for name, pages in inventory.data_used().items():
        used[name] += [f"{{doc}}`/{page}`" for page in pages]
    for claim in inventory.pages("claim"):
        try:
            hashes = ledger.load(claim).finding.hashes
        except ledger.NoResultError:  # which `promises` complains about
            continue
        files = [file.partition(",")[0].removesuffix(".csv") for file in hashes]
        statement = ledger.declared()[claim].statement.rstrip(".")
        for name in dict.fromkeys(files):
            used[name].append(f"the claim [{statement}](#{claim})")
    return "\n".join(f"- `{name}`: {'; '.join(used[name])}" for name in sorted(used))


LISTS: dict[str, Callable[[], str]] = {
    "equations": equations,
    "errata": partial(errata, "wrong", "misleading", "outdated"),
    "omissions": partial(errata, "omission"),
    "misprints": partial(errata, "garbled", "typo"),
    "surprises": partial(claims, Verdict.FAILS, Verdict.CONDITIONAL),
    "confirmations": partial(claims, Verdict.HOLDS),
    "undecided": partial(claims, Verdict.OPEN),
    "exercises": exercises,
    "sources": sources,
    "data": data,
}
