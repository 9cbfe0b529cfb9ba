"""The search shows first what a page says that it is about."""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.utils import new_document
from sphinx import addnodes
from tests.docs.conftest import Build

from index_entries import Entries

CONTENTS = "# Book\n\n```{toctree}\nstride\npadding\n```\n"
NAMED = "# {0}\n\n```{{index}} {0}\n```\n\nText.\n"


def index_of(folder: Path) -> dict[str, Any]:
    """Return the entries that the search of a built book knows."""
    (written,) = folder.rglob("searchindex.js")
    index = json.loads(written.read_text("utf-8")[len("Search.setIndex(") : -1])
    entries: dict[str, Any] = index["indexentries"]
    return entries


def entries(*, inline: bool, value: str) -> list[tuple[str | None, ...]]:
    """Return what is left of one entry of a page."""
    document = new_document("page", get_default_settings())
    node = addnodes.index(entries=[("single", value, "here", "", None)])
    if inline:
        node["inline"] = True
    document += nodes.paragraph("", "", node)

    Entries(document).apply()

    found: list[tuple[str | None, ...]] = node["entries"]
    return found


def test_what_a_page_names_itself_is_a_main_entry() -> None:
    assert entries(inline=True, value="stride") == [
        ("single", "stride", "here", "main", None)
    ]


def test_what_a_tool_names_stays_as_it_is() -> None:
    value = "relu() (in module dlnotes.networks.rectifiers)"

    assert entries(inline=False, value=value) == [("single", value, "here", "", None)]


def test_a_module_is_found_by_its_page_alone() -> None:
    assert entries(inline=False, value="module; dlnotes.cnn.cost") == []


def test_the_search_keeps_the_entries_of_pages_that_are_not_written_again(
    build: Build, tmp_path: Path
) -> None:
    pages = {name: NAMED.format(name) for name in ("stride", "padding")}
    build({"index": CONTENTS, **pages}, "index_entries")

    build({"padding": pages["padding"] + "More.\n"}, "index_entries")

    assert {"stride", "padding"} <= index_of(tmp_path).keys()


def test_a_draft_of_one_page_has_the_entries_of_that_page(
    build: Build, tmp_path: Path
) -> None:
    pages = {name: NAMED.format(name) for name in ("stride", "padding")}

    build({"index": CONTENTS, **pages}, "index_entries", only=["padding"])

    assert set(index_of(tmp_path)) == {"padding"}
