"""Books of a few lines, built with one extension of the book or two."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from sphinx.testing.util import SphinxTestApp


class Built(NamedTuple):
    """The pages of a book as HTML, by their names, and what was warned of."""

    pages: dict[str, str]
    warnings: str


Build = Callable[..., Built]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Build pages in Markdown with some extensions, all or only some as a draft."""

    def made(
        pages: dict[str, str],
        *extensions: str,
        only: Sequence[str] = (),
        **settings: object,
    ) -> Built:
        (tmp_path / "conf.py").touch()
        for name, text in pages.items():
            path = tmp_path / f"{name}.md"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        settings = {
            "extensions": ["myst_parser", *extensions],
            "html_theme": "basic",
            "myst_enable_extensions": ["colon_fence", "dollarmath"],
            "numfig": True,
            **settings,
        }
        warnings = io.StringIO()
        app = SphinxTestApp(
            "html", tmp_path, confoverrides=settings, warning=warnings, verbosity=0
        )
        try:
            app.build(filenames=[tmp_path / f"{name}.md" for name in only])
            html = {name: app.outdir / f"{name}.html" for name in only or pages}
            found = {name: path.read_text("utf-8") for name, path in html.items()}
        finally:
            app.cleanup()
        return Built(found, warnings.getvalue())

    return made
