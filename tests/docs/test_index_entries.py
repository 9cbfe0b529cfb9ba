"""The search shows first what a page says that it is about."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.utils import new_document
from sphinx import addnodes
from tests.docs.conftest import Build

import index_entries
from index_entries import Entries


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
    named = "# {0}\n\n```{{index}} {0}\n```\n\nText.\n"
    pages = {name: named.format(name) for name in ("stride", "padding")}
    contents = "# Book\n\n```{toctree}\nstride\npadding\n```\n"
    build({"index": contents, **pages}, "index_entries")

    build({"padding": pages["padding"] + "More.\n"}, "index_entries")

    (written,) = tmp_path.rglob("searchindex.js")
    index = json.loads(written.read_text("utf-8")[len("Search.setIndex(") : -1])
    assert {"stride", "padding"} <= index["indexentries"].keys()


def test_a_draft_has_the_entries_of_the_pages_that_it_writes() -> None:
    named = {page: [("single", page, "here", "main", None)] for page in ("a", "b")}
    domains = SimpleNamespace(index_domain=SimpleNamespace(entries=named))
    indexer = SimpleNamespace(_titles={"a": "A"}, _index_entries={})
    app: Any = SimpleNamespace(
        builder=SimpleNamespace(indexer=indexer), env=SimpleNamespace(domains=domains)
    )

    assert not [*index_entries.remember(app)]
    assert indexer._index_entries == {"a": [("a", "here", "main")]}
