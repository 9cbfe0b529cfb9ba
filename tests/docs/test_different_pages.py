"""The pages that are looked at from all sides are those made of something new."""

from pathlib import Path

import written

PAGES = {
    "first": '<p class="note" id="a">One</p><style>p {margin: 0}</style>',
    "same": '<p class="note" id="b">Two</p><style>p {margin: 0}</style>',
    "not styled": '<p class="note other">Three</p>',
    "class": '<p class="box">Four</p>',
    "name": '<p id="top">Five</p>',
    "tag": "<em>Six</em>",
    "style": '<p class="note" style="color: gray">Seven</p>',
    "columns": '<em style="--columns: 5;">Eight</em>',
    "sheet": "<style>p {color: gray}</style>",
}


def test_a_page_is_different_that_has_what_no_page_before_has(tmp_path: Path) -> None:
    for name, body in PAGES.items():
        (tmp_path / f"{name}.html").write_text(body, encoding="utf-8")
    (tmp_path / "book.css").write_text(".note, .box, #top {}", encoding="utf-8")
    documents = written.read(tmp_path)

    found = written.different(
        tmp_path, {path: documents[path] for path in map(tmp_path.joinpath, names())}
    )

    assert [path.stem for path in found] == [
        *("first", "class", "name", "tag", "style", "sheet")
    ]


def names() -> list[str]:
    """Return the files of the pages in order."""
    return [f"{name}.html" for name in PAGES]
