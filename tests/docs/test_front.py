"""What stands around the sections says what the sections are."""

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sphinx.application import Sphinx

import docstrings
import index_lists
import index_tables
import inventory
import landing
import roadmap
from dlnotes.claims import ledger
from dlnotes.contents import CONTENTS
from dlnotes.exercises import every, named


def test_every_chapter_is_on_the_roadmap_and_in_the_order_of_the_book() -> None:
    assert [name for name in inventory.roadmap() if name in CONTENTS] == [*CONTENTS]


def test_a_section_that_is_written_is_not_still_to_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chapter, (section, *_) = next(iter(CONTENTS.items()))
    rows = {each: {"planned": {section: "again"}} for each in CONTENTS}
    monkeypatch.setattr(inventory, "roadmap", lambda: rows)

    found = list(inventory._unmapped())

    assert f"docs/roadmap.yml plans {chapter}/{section}, which is written" in found


def test_the_roadmap_has_a_link_to_each_section_and_none_to_what_is_to_come() -> None:
    text = "".join(
        roadmap.chapter(name, row) for name, row in inventory.roadmap().items()
    )

    linked = re.findall(r"\{doc\}`/(\w+/\w+)`", text)
    assert [each for each in linked if not each.endswith("/index")] == (
        inventory.sections()
    )


def test_a_section_uses_what_it_imports_and_nothing_later() -> None:
    order = inventory.sections()

    assert "neurons/perceptron" in inventory.uses()["neurons/perceptron_rule"]
    for section, used in inventory.uses().items():
        assert all(order.index(each) < order.index(section) for each in used)


def test_the_map_has_a_link_for_each_section_and_an_arrow_for_each_use() -> None:
    node = roadmap.ideas()
    page = SimpleNamespace(findall=lambda _: [node])
    app = SimpleNamespace(
        env=SimpleNamespace(titles={}),
        builder=SimpleNamespace(get_relative_uri=lambda _, to: f"{to}.html"),
    )
    roadmap.fill(cast(Sphinx, app), cast(Any, page), "index")

    drawn = [roadmap.drawn(each, node["places"]) for each in node["places"].values()]

    for section, svg in zip(inventory.sections(), drawn, strict=True):
        assert svg.count("<a href=") == 1
        assert f'href="{section}.html"' in svg
        assert svg.count("marker-end") == len(inventory.uses()[section])


def test_an_arrow_goes_down_the_page_and_stays_on_it() -> None:
    one = roadmap.Place("One", "one.html", 20, [])
    two = roadmap.Place("Two", "two.html", 4000, ["one"])

    (arrow,) = roadmap.arrows(two, {"one": one, "two": two})

    start, reach, again, end = re.findall(r"(\d+) (\d+)", arrow)[:4]
    assert (int(start[1]), int(end[1])) == (20, 4000)
    middle = (int(start[0]) + 3 * int(reach[0]) + 3 * int(again[0]) + int(end[0])) / 8
    assert middle < roadmap.WIDTH


def test_exercises_are_numbered_as_their_pages_set_them() -> None:
    for section in inventory.sections():
        numbers = [each.number for each in inventory.exercises(section)]
        home = inventory.section_number(section)
        assert numbers == [f"{home}.{k + 1}" for k in range(len(numbers))]
    assert {*inventory.exercise_numbers()} == {each.name for each in every()}


def test_a_folded_body_names_the_exercise_that_asks_for_it() -> None:
    exercise = every()[0]

    title = docstrings.try_first(docstrings.solves(exercise.solution))

    number = inventory.exercise_numbers()[exercise.name]
    assert title == f"Try it first: exercise {number}"
    assert docstrings.solves(named) == ""


def test_the_list_of_exercises_has_each_once() -> None:
    text = index_lists.exercises()

    labels = [
        each.label
        for section in inventory.sections()
        for each in inventory.exercises(section)
    ]
    assert sorted(re.findall(r"\]\(#([\w-]+)\)", text)) == sorted(labels)


def test_a_source_without_a_letter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = inventory.catalogue()
    name = next(iter(rows["errata"]))
    changed = rows["errata"] | {name: rows["errata"][name] | {"source": 'Z, "A title"'}}
    monkeypatch.setattr(inventory, "catalogue", lambda: rows | {"errata": changed})

    found = list(inventory._unknown_sources())

    assert any(f"{name} is from Z" in each for each in found)


def test_every_severity_is_explained() -> None:
    used = {row["severity"] for row in inventory.catalogue()["errata"].values()}

    assert used <= {*index_tables.SEVERITIES}


def test_a_claim_without_a_result_has_a_card_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(*_: object) -> None:
        raise ledger.NoResultError

    monkeypatch.setattr(ledger, "load", nothing)

    _, text = landing.claim(next(iter(ledger.declared())))

    assert "not been measured yet" in text


def test_the_erratum_on_the_first_page_is_wrong_however_kindly_it_is_read() -> None:
    text = (inventory.DOCS / "index.md").read_text(encoding="utf-8")

    shown = re.findall(r"^err-\S+$", text, flags=re.MULTILINE)

    assert shown
    graded = {inventory.catalogue()["errata"][each]["severity"] for each in shown}
    assert graded == {"wrong"}
