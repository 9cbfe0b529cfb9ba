"""The order of the pages and the numbers of sections come from the package."""

import re

import pytest
from tests.docs.conftest import Build

import inventory
from dlnotes import contents

CONTENTS = {"fish": ("carp", "pike"), "birds": ("wren",)}
PAGES = {
    "index": "# Book\n\n```{chapters}\n:numbered:\n```\n",
    "fish/index": "# Fish\n\n```{sections}\n```\n",
    "fish/carp": "# Carp\n\nBefore {secnum}`pike` and {secnum}`../birds/wren`.\n",
    "fish/pike": "# Pike\n",
    "birds/index": "# Birds\n\n```{sections}\n```\n",
    "birds/wren": "# Wren\n",
}


@pytest.fixture(autouse=True)
def _animals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "CONTENTS", CONTENTS)
    monkeypatch.setattr(inventory, "CONTENTS", CONTENTS)
    order = [f"{chapter}/{name}" for chapter in CONTENTS for name in CONTENTS[chapter]]
    monkeypatch.setattr(inventory, "sections", lambda: order)


def test_pages_stand_in_the_order_of_the_contents_with_their_numbers(
    build: Build,
) -> None:
    pages, warnings = build(PAGES, "reading_order")

    listed = re.findall(r'href="([\w/]+)\.html">([\d.]+)', pages["index"])
    assert not warnings
    assert listed[:5] == [
        ("fish/index", "1."),
        ("fish/carp", "1.1."),
        ("fish/pike", "1.2."),
        ("birds/index", "2."),
        ("birds/wren", "2.1."),
    ]


def test_a_number_of_a_section_is_that_of_its_page_and_leads_there(
    build: Build,
) -> None:
    pages, _ = build(PAGES, "reading_order")

    links = re.findall(r'href="([^"]*)"><span class="doc">([^<]*)<', pages["fish/carp"])
    assert ("pike.html", "1.2") in links
    assert ("../birds/wren.html", "2.1") in links


def test_a_number_of_no_section_is_warned_of(build: Build) -> None:
    text = "# Carp\n\nBefore {secnum}`whale`.\n"

    _, warnings = build(PAGES | {"fish/carp": text}, "reading_order")

    assert "carp.md:3: WARNING: no section fish/whale" in warnings
