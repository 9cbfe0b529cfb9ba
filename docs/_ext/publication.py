"""Where the book comes from, and where it is published.

Each page says the version, the license, the repository and how to cite the book, all
as ``pyproject.toml`` has them.  Where ``DLNOTES_BASEURL`` gives the address at which
the book will be read, search engines and previews of links are told it as well.
"""

import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from meta_description import description

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]


def name_repository(_app: Sphinx, _page: str, text: list[str]) -> None:
    """Write the address of the repository where a page asks for it."""
    text[0] = text[0].replace("{{ repository }}", REPOSITORY)


def source(app: Sphinx, page: str) -> str:
    """Return the file, from the root, that a page is written in; '' if in none."""
    if page not in app.env.found_docs:
        return ""
    if not page.startswith("gallery/"):
        return f"docs/{page}.md"
    if page.endswith("/index") or page == "gallery/index":
        return page.replace("index", "GALLERY_HEADER.rst")
    return f"{page}.py"


def preview(app: Sphinx, page: str, title: str, text: str) -> Iterator[str]:
    """Yield what others show where they link a page (the Open Graph protocol)."""
    says = {
        "type": "article",
        "site_name": app.config.project,
        "title": title,
        "description": text,
        "url": f"{app.config.html_baseurl}/{page}.html",
    }
    for name, said in says.items():
        yield f'<meta property="og:{name}" content="{escape(said)}">'


def explain(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Give the templates what they say about the book, and a page its preview."""
    path = source(app, page)
    context["publication"] = {
        "version": PROJECT["version"],
        "license": PROJECT["license"],
        "authors": PROJECT["authors"][0]["name"],
        "repository": REPOSITORY,
        "baseurl": app.config.html_baseurl,
        "address": app.config.html_baseurl or REPOSITORY,
        "source": f"{REPOSITORY}/blob/main/{path}" if path else "",
    }
    if not path:
        context["pageurl"] = ""  # no address of its own among the results of a search
    if app.config.html_baseurl and doctree:
        title = app.env.titles[page].astext()
        shown = preview(app, page, title, description(doctree))
        context["metatags"] += "".join(shown)


def extra_pages(_app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the page that a server shows for an address that leads nowhere."""
    yield "404", {"title": "Page not found"}, "404.html"


def announce(app: Sphinx, exception: Exception | None) -> None:
    """List the pages for search engines, where the address of the book is known."""
    base = app.config.html_baseurl
    if exception is None and base and app.builder.format == "html":
        pages = sorted(app.env.found_docs)
        lines = (f"<url><loc>{base}/{page}.html</loc></url>" for page in pages)
        schema = "http://www.sitemaps.org/schemas/sitemap/0.9"
        xml = f'<urlset xmlns="{schema}">\n' + "\n".join(lines) + "\n</urlset>\n"
        Path(app.outdir, "sitemap.xml").write_text(xml, encoding="utf-8")
        robots = f"User-agent: *\nAllow: /\nSitemap: {base}/sitemap.xml\n"
        Path(app.outdir, "robots.txt").write_text(robots, encoding="utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    """Tell the templates, after the description of a page is written."""
    app.setup_extension("meta_description")
    app.connect("source-read", name_repository)
    app.connect("html-page-context", explain, priority=600)
    app.connect("html-collect-pages", extra_pages)
    app.connect("build-finished", announce)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
