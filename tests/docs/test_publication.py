import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import yaml
from sphinx.application import Sphinx

import publication
from dlnotes.contents import CONTENTS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
TEXTS = [*ROOT.glob("*.md"), ROOT / "CITATION.cff", *ROOT.glob(".github/**/*.yml")]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_file_names_the_same_repository(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    named = re.findall(r"https://github\.com/[\w-]+/dlnotes\b", text)

    assert {*named} <= {PROJECT["urls"]["Repository"]}


def test_the_citation_has_the_version_the_license_and_the_address() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]


def test_the_changelog_begins_with_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)

    assert newest is not None
    assert newest[1] == PROJECT["version"]


def test_links_of_the_readme_work_outside_the_repository() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    links = re.findall(r"\]\(([^)]*)\)", readme)

    assert links
    assert all(link.startswith("https://") for link in links)


def test_no_workflow_lists_the_chapters() -> None:
    text = "".join(path.read_text("utf-8") for path in ROOT.glob(".github/**/*.yml"))

    assert not [name for name in CONTENTS if f"tests/{name}" in text]


def test_every_action_that_ci_runs_is_pinned_by_a_digest() -> None:
    used = re.findall(
        r"uses: \S+@(\S+)", (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    )

    assert used
    assert all(re.fullmatch(r"[0-9a-f]{40}", version) for version in used)


def site(folder: Path, base: str) -> Sphinx:
    """Return what these functions ask of a build."""
    pages = {
        "index",
        "cnn/pooling",
        "gallery/index",
        "gallery/cnn/index",
        "gallery/cnn/a",
    }
    config = SimpleNamespace(html_baseurl=base, project="Notes")
    builder = SimpleNamespace(format="html")
    env = SimpleNamespace(found_docs=pages)
    known = {"config": config, "builder": builder, "env": env, "outdir": folder}
    return cast("Sphinx", SimpleNamespace(**known))


def test_search_engines_are_told_where_each_page_is(tmp_path: Path) -> None:
    publication.announce(site(tmp_path, "https://example.org/book"), None)

    sitemap = (tmp_path / "sitemap.xml").read_text(encoding="utf-8")
    assert "<loc>https://example.org/book/cnn/pooling.html</loc>" in sitemap
    assert sitemap.count("<loc>") == 5
    robots = (tmp_path / "robots.txt").read_text(encoding="utf-8")
    assert "Sitemap: https://example.org/book/sitemap.xml\n" in robots


def test_a_book_without_an_address_announces_nothing(tmp_path: Path) -> None:
    publication.announce(site(tmp_path, ""), None)

    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("page", "path"),
    [
        ("cnn/pooling", "docs/cnn/pooling.md"),
        ("gallery/index", "gallery/GALLERY_HEADER.rst"),
        ("gallery/cnn/index", "gallery/cnn/GALLERY_HEADER.rst"),
        ("gallery/cnn/a", "gallery/cnn/a.py"),
        ("search", ""),
    ],
)
def test_a_page_names_the_file_that_it_is_written_in(
    tmp_path: Path, page: str, path: str
) -> None:
    assert publication.source(site(tmp_path, ""), page) == path


def test_a_preview_cannot_break_out_of_its_tag(tmp_path: Path) -> None:
    app = site(tmp_path, "https://example.org")

    tags = [*publication.preview(app, "index", 'A "b" <c>', "Text")]

    assert '<meta property="og:title" content="A &quot;b&quot; &lt;c&gt;">' in tags
    assert '<meta property="og:url" content="https://example.org/index.html">' in tags
