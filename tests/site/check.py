"""Open every page of the built book in a browser and say what is wrong with it.

``python tests/site/check.py _build/html``, or with the names of some pages behind it.
The browser is the one that ``CHROMIUM`` names; it reaches nothing but the book.
"""

import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Response, Route

VIEWS = [(scheme, width) for width in (1280, 320) for scheme in ("light", "dark")]
PATIENCE = 120_000  # milliseconds, on a busy machine
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# Unfold all, and leave one word of each color in code, which axe is slow to look at.
PREPARE = """
() => {
  document.querySelectorAll("details").forEach(fold => fold.open = true);
  const seen = new Set();
  for (const token of document.querySelectorAll(".highlight pre:not(:has(a)) span"))
    if (seen.has(token.className)) token.replaceWith(...token.childNodes);
    else seen.add(token.className);
}
"""
STILL = "* {animation: none !important; transition: none !important}"
AUDIT = "axe.run(document, {reporter: 'no-passes'}).then(each => each.violations)"
TOO_WIDE = """
() => {
  const fits = box => {
    let around = box.parentElement;
    while (getComputedStyle(around).overflowX === "visible" && around.parentElement)
      around = around.parentElement;
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(around).overflowX);
    return scrolls && !around.matches(".content")
      || box.getBoundingClientRect().right <= around.getBoundingClientRect().right + 1;
  };
  const boxes = document.querySelectorAll("article :not(mjx-assistive-mml *)");
  const wide = [...boxes].find(box => !fits(box));
  return wide ? wide.cloneNode().outerHTML + wide.textContent.slice(0, 80) : "";
}
"""
NAMELESS = re.compile(r"|.*\.(svg|png|jpe?g)|_?images/.*|image\d*", re.IGNORECASE)

LEFTOVERS = {
    "a cell leaves": re.compile(r"Text\(.*|&lt;matplotlib.*|output stderr"),
    "no number for": re.compile(r'href="[^"]*#(equation-[^"]*)">\(\)'),
}


class Document(HTMLParser):
    """What a page names: its own anchors, where it leads, what it loads and shows."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.alternatives: list[str] = []
        self.described = False
        self.classes = ""  # of the element before
        self.feed(markup)

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        found = {name: value or "" for name, value in attributes}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "icon"):
            self.loads.append(found["href"])
        elif "src" in found:
            self.loads.append(found["src"])
        if tag == "img" and "thumb" not in self.classes:
            self.alternatives.append(found.get("alt", ""))
        self.classes = found.get("class", "")
        if tag == "meta" and found.get("name") == "description":
            self.described = bool(found.get("content"))


def read(root: Path) -> dict[Path, Document]:
    """Parse each page of the site."""
    pages = sorted(root.rglob("*.html"))
    return {page: Document(page.read_text(encoding="utf-8")) for page in pages}


def written(documents: dict[Path, Document]) -> Iterator[str]:
    """Say what is wrong with the text of the pages: links, images, descriptions."""
    for page, document in documents.items():
        if not document.described:
            yield f"{page}: no description for search engines"
        markup = page.read_text(encoding="utf-8")
        for what, wrong in LEFTOVERS.items():
            yield from (f"{page}: {what} {text!r}" for text in wrong.findall(markup))
        for text in filter(NAMELESS.fullmatch, document.alternatives):
            yield f"{page}: an image says only {text!r}"
        for url in sorted({*document.links, *document.loads}):
            if urlsplit(url).scheme not in ("", "data") and url in document.loads:
                yield f"{page}: loads {url}"
            if not _resolves(page, url, documents):
                yield f"{page}: no such place as {url}"


def _resolves(page: Path, url: str, documents: dict[Path, Document]) -> bool:
    """Tell whether a link leads out of the book or to a place that is in it."""
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return True
    target = page
    if parts.path:
        target = Path(os.path.normpath(page.parent / unquote(parts.path)))
    anchor = unquote(parts.fragment)
    if not anchor:
        return target.exists()
    return target in documents and anchor in documents[target].anchors


def shown(browser: "Browser", site: str, names: Iterable[str]) -> Iterator[str]:
    """Say what is wrong with each page in each of the views.

    Axe takes its time, so it sees light on a wide screen and dark on a narrow one.
    """
    problems: list[str] = []
    page = _watched(browser, site, problems)
    for name in names:
        page.goto(f"{site}/{name}")
        page.add_script_tag(content=_axe())
        page.add_style_tag(content=STILL)
        page.evaluate(PREPARE)
        for scheme, width in VIEWS:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            view = f"{name}, {scheme}, {width} px"
            if wide := page.evaluate(TOO_WIDE):
                yield f"{view}: wider than its place: {wide}"
            if (scheme == "light") == (width > 1000):
                for finding in page.evaluate(AUDIT):
                    yield f"{view}: {_finding(finding)}"
        yield from (f"{name}: {problem}" for problem in problems)
        problems.clear()


def found(
    browser: "Browser", site: str, documents: dict[Path, Document]
) -> Iterator[str]:
    """Say which section the search does not find by its name."""
    from playwright.sync_api import TimeoutError as NotThere

    problems: list[str] = []
    page = _watched(browser, site, problems)
    for path in documents:
        heading = re.search(
            r'<h1><span class="section-number">[\d.]+ </span>([^<]+)<',
            path.read_text(encoding="utf-8"),
        )
        if heading:
            page.goto(f"{site}/search.html?q={quote(heading[1])}")
            link = page.locator("#search-results li a", has_text=heading[1])
            try:
                link.first.wait_for(timeout=PATIENCE / 4)
            except NotThere:
                yield f"search: does not find {heading[1]!r}"
    yield from problems


def offline(browser: "Browser", page: Path) -> Iterator[str]:
    """Say what a page lacks that is opened as a file, by a browser without scripts."""
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(page.absolute().as_uri())
    for what in (
        "h1",
        "mjx-container[display] mjx-math",
        "dl.py .sig",
        ".cell_output img",
    ):
        if not opened.locator(what).first.is_visible():
            yield f"{page}, without scripts: {what} is not there"
    context.close()


def _watched(browser: "Browser", site: str, problems: list[str]) -> "Page":
    """Open a page that reaches nothing but the site, and note what goes wrong in it."""

    def guard(route: "Route") -> None:
        if route.request.url.startswith((site, "data:")):
            route.continue_()
        else:
            problems.append(f"asks for {route.request.url}")
            route.abort()

    def on_console(message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            problems.append(f"console {message.type}: {message.text}")

    def on_response(response: "Response") -> None:
        if response.status >= 400:
            problems.append(f"{response.status} for {response.url}")

    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    page.route("**/*", guard)
    page.on("console", on_console)
    page.on("response", on_response)
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    return page


def _axe() -> str:
    """Return the source of axe, which finds what keeps people out."""
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def _finding(finding: Any) -> str:
    """Write what axe found in a line: its rule, and the first element it found."""
    nodes = finding["nodes"]
    where = " ".join(map(str, nodes[0]["target"]))
    why = [*nodes[0]["any"], *nodes[0]["all"], *nodes[0]["none"]][0]["message"]
    return f"{finding['id']} at {len(nodes)} places, first {where}: {why}"


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve a folder on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Think nothing of a browser that hangs up."""

    handler = partial(Quiet, directory=str(root))
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def started() -> Iterator["Browser"]:
    """Start a browser."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


def main(root: Path, *chosen: str) -> str:
    """Return a line for each problem."""
    documents = read(root)
    names = chosen or [str(path.relative_to(root)) for path in documents]
    cores = min(os.cpu_count() or 1, len(names))

    def share(core: int) -> list[str]:
        with started() as browser:
            return list(shown(browser, site, names[core::cores]))

    with served(root) as site, ThreadPoolExecutor(cores) as pool:
        problems = [*written(documents), *chain(*pool.map(share, range(cores)))]
        if not chosen:
            with started() as browser:
                problems += found(browser, site, documents)
                problems += offline(browser, root / "neurons" / "perceptron_rule.html")
    return "\n".join(problems)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), *sys.argv[2:]) or 0)
