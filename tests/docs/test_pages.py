"""What a page says of its neighbors is so, and no table says a thing twice."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from dlnotes.contents import CONTENTS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    DOCS / chapter / f"{section}.md"
    for chapter, sections in CONTENTS.items()
    for section in sections
]


@pytest.mark.parametrize(
    ("page", "following"),
    [pytest.param(*pair, id=pair[0].stem) for pair in pairwise(PAGES)],
)
def test_what_a_page_calls_next_comes_next(page: Path, following: Path) -> None:
    linked = re.findall(r"Next:\s+\[[^]]*\]\(([^)#]+)", page.read_text())

    opening = following.parent / "index.md"  # of a chapter, if this page is its last
    allowed = {following} | ({opening} if page.parent != following.parent else set())
    assert {(page.parent / link).resolve() for link in linked} <= allowed


@pytest.mark.parametrize("chapter", CONTENTS)
def test_no_table_of_a_chapter_has_a_row_twice(chapter: str) -> None:
    page = (DOCS / chapter / "index.md").read_text()
    rows = Counter(line for line in page.splitlines() if line.startswith("| "))

    assert [row for row, times in rows.items() if times > 1 and "---" not in row] == []
