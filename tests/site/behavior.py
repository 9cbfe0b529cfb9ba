"""What a reader does with the book: search, choose, step, copy, look a formula up."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from browser import watched, without_storage
from look import choose

if TYPE_CHECKING:
    from look import Looker
    from playwright.sync_api import Page

# What readers typed and did not find.
SHORT = ["XOR", "im2col", "dying ReLU", "BCE", "feature map", "fully connected"]
SHORT += ["translation invariance", "universal approximation", "numerical stability"]
SHORT += ["Xavier", "vanishing gradient", "learning rate", "hidden layer", "Adam"]
SHORT += ["logistic regression", "edge detection", "heavy ball", "SVD", "eigenvector"]
SHORT += ["mean squared error", "overfitting", "MSE", "SGD", "EMA", "MLP", "batch"]
FIRST = """
(terms) => terms.map(term => {
  const found = Search._performSearch(...Search._parseQuery(term));
  return found.slice(-3).reverse().map(([page, title, anchor, , score, , kind]) =>
    [page + anchor, kind, score]);
})
"""
EXACT = 100  # the score of an entry that is what was typed
SELECT = """
(formula) => {
  const range = document.createRange();
  range.selectNodeContents(formula);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  const copy = new ClipboardEvent("copy", {
    clipboardData: new DataTransfer(), bubbles: true, cancelable: true});
  document.dispatchEvent(copy);
  return copy.clipboardData.getData("text/plain").trim();
}
"""


def parts(root: Path) -> Iterator[tuple[str, Callable[["Looker"], Iterable[str]]]]:
    """Name what is tried, each in a page that is as new."""
    for part in (keeps_the_choice, steps, looks_up, copies, says_something):
        yield part.__name__.replace("_", " "), partial(_watched, part)
    for search in (finds_sections, finds_terms):
        yield search.__name__.replace("_", " "), partial(_watched, search, root=root)
    yield "nothing kept", nothing_kept
    yield "offline", partial(offline, path=root / "neurons/perceptron_rule.html")


def _watched(
    part: Callable[..., Iterable[str]], looker: "Looker", **more: Path
) -> Iterator[str]:
    """Try a part, and say what goes wrong in its page meanwhile."""
    noted: list[str] = []
    context = looker.browser.new_context()
    yield from part(watched(context, looker.site, noted), looker.site, **more)
    context.close()
    yield from (f"{part.__name__}: {problem}" for problem in noted)


def _searched(page: "Page", site: str, terms: list[str]) -> list[Any]:
    """Return the first three results for each of some terms, in the book's order."""
    page.goto(f"{site}/search.html?q=perceptron")
    page.locator("#search-results li a").first.wait_for()
    found: list[Any] = page.evaluate(FIRST, terms)
    return found


def finds_sections(page: "Page", site: str, root: Path) -> Iterator[str]:
    """Say which section the search does not find by its name."""
    sections = {}
    for path in sorted(root.rglob("*.html")):
        heading = re.search(
            r'<h1><span class="section-number">[\d.]+ </span>([^<]+)<',
            path.read_text(encoding="utf-8"),
        )
        if heading:
            name = path.relative_to(root).with_suffix("").as_posix()
            sections[name] = unescape(heading[1])
    found = _searched(page, site, [*sections.values()])
    for (name, title), results in zip(sections.items(), found, strict=True):
        if not any(address.partition("#")[0] == name for address, _, _ in results):
            yield f"search: {title!r} finds first {results}"
    if len(sections) < 10:
        yield f"search: tried with {len(sections)} sections only"


def finds_terms(page: "Page", site: str, root: Path) -> Iterator[str]:
    """Say which term is not an entry of the glossary or index in the first three."""
    glossary = (root / "glossary.html").read_text(encoding="utf-8")
    terms = re.findall(r'<dt id="term-[^"]*">(.*?)<a class="headerlink"', glossary)
    if len(terms) < 100:
        yield f"glossary: has {len(terms)} terms only"
    typed = (re.sub(r"<[^>]*>", "", unescape(term)) for term in terms)
    wanted = [*SHORT, *(term.replace("\u2019", "'") for term in typed)]
    for term, results in zip(wanted, _searched(page, site, wanted), strict=True):
        if not any(kind == "index" and score >= EXACT for _, kind, score in results):
            yield f"search: {term!r} finds first {results}"


def says_something(page: "Page", site: str) -> Iterator[str]:
    """Say whether the page of the search is empty before one searches."""
    page.goto(f"{site}/search.html")
    if "glossary" not in page.locator("article").inner_text():
        yield "search: the page without a query says nothing"


def keeps_the_choice(page: "Page", site: str) -> Iterator[str]:
    """Say whether a choice of dark is lost with the page, and if figures miss it."""
    page.emulate_media(color_scheme="dark")
    page.goto(f"{site}/index.html")
    figure = page.locator(".cell_output img").first
    choose(page, "auto")
    dark, light = figure.screenshot(), b""
    page.emulate_media(color_scheme="light")
    light = figure.screenshot()
    choose(page, "dark")
    page.goto(f"{site}/index.html")
    if page.evaluate("document.body.dataset.theme") != "dark":
        yield "theme: the choice is lost when the page is loaded again"
    if figure.screenshot() != dark or light == dark:
        yield "theme: a figure does not follow the choice"
    choose(page, "auto")


def steps(page: "Page", site: str) -> Iterator[str]:
    """Say whether a figure in steps goes neither on by a click nor by a key."""
    page.goto(f"{site}/cnn/convolution.html")
    box = page.locator(".stepper fieldset").first
    seen = [_checked(box)]
    box.locator(".frame:visible .on").click()
    seen.append(_checked(box))
    box.locator("input:checked").press("ArrowRight")
    seen.append(_checked(box))
    box.locator(".frame:visible .back").click()
    seen.append(_checked(box))
    if seen != ["1", "2", "3", "2"]:
        yield f"stepper: goes through {seen}"


def _checked(box: Any) -> str:
    value: str = box.locator("input:checked").get_attribute("value")
    return value


def looks_up(page: "Page", site: str) -> Iterator[str]:
    """Say whether a formula that a pointer opens is not there, or stays at Escape."""
    page.goto(f"{site}/cnn/arithmetic.html")
    number = page.locator(".eqref").first
    number.locator("button").hover()
    card = number.locator(".eqcard")
    card.wait_for(state="visible")
    page.keyboard.press("Escape")
    if card.is_visible():
        yield "equation: Escape does not close the formula"
    page.mouse.move(0, 0)
    number.locator("button").hover()
    card.wait_for(state="visible")


def copies(page: "Page", site: str) -> Iterator[str]:
    """Say whether a formula that is copied is something else than its TeX."""
    page.goto(f"{site}/optimization/adam.html")
    formula = page.locator("mjx-container[display]").first
    copied = formula.evaluate(SELECT)
    tex = formula.get_attribute("data-tex")
    if not tex or " ".join(copied.split()) != " ".join(f"$${tex}$$".split()):
        yield f"copy: a formula is {copied!r}"


def nothing_kept(looker: "Looker") -> Iterator[str]:
    """Say what does not work in a browser that keeps nothing for a page."""
    from playwright.sync_api import TimeoutError as NotThere

    noted: list[str] = []
    with without_storage(looker.browser.browser_type) as context:
        page = watched(context, looker.site, noted)
        page.goto(f"{looker.site}/search.html?q=adam")
        try:
            page.locator("#search-results li a").first.wait_for(timeout=30_000)
            choose(page, "dark")
        except NotThere as missing:
            yield f"without storage: {missing.message}"
        yield from (f"without storage: {problem}" for problem in noted)


def offline(looker: "Looker", path: Path) -> Iterator[str]:
    """Say what a page lacks that is opened as a file, by a browser without scripts."""
    context = looker.browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(path.absolute().as_uri())
    for what in (
        "h1",
        "mjx-container[display] mjx-math",
        "dl.py .sig",
        ".cell_output img",
    ):
        if not opened.locator(what).first.is_visible():
            yield f"{path}, without scripts: {what} is not there"
    context.close()
