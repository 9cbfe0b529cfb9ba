"""What is wrong with how a page looks: light and dark, wide and narrow.

A page is opened once.  Access is judged at two widths; contrast in each of the views,
which are these widths, both choices of the reader and both systems.  What axe says of
contrast follows from a text's color, size and weight and from what is behind it, so a
text is judged that looks like none before, on this page or another.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from browser import axe, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE, PHONE, NARROW = 1280, 390, 320  # pixels
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
CONTRAST = ["color-contrast", "link-in-text-block"]
# Not a pointer's click, before which Playwright waits until nothing moves.
CLICK = """
[...document.querySelectorAll(".theme-toggle")].find(
  (button) => button.checkVisibility({visibilityProperty: true})
).click()
"""
# Axe does not judge the contrast of what stands on a gradient.
STILL = """
* {animation: none !important; transition: none !important}
.highlight pre, .formula, .scroll, .table-wrapper {background-image: none !important}
"""


class Looker:
    """A page of the browser that opens those of the book, one after the other."""

    def __init__(self, browser: "Browser", site: str, judged: set[str]) -> None:
        self.noted: list[str] = []
        self.browser = browser
        self.page = watched(browser.new_context(), site, self.noted)
        self.site = site
        self.judged = judged  # looks of texts, which all pages share
        self.tools = axe() + Path(__file__).with_suffix(".js").read_text("utf-8")

    def problems(self, name: str) -> Iterator[str]:
        """Say what is wrong with a page in each of the views."""
        self.page.emulate_media(color_scheme="light")
        self.page.goto(f"{self.site}/{name}")
        self.page.add_script_tag(content=self.tools)
        self.page.add_style_tag(content=STILL)
        self.page.evaluate("look.unfold()")
        for width in (WIDE, PHONE, NARROW):
            self._resize(width)
            for what in self.page.evaluate("look.cut()"):
                yield f"{name}, {width} px: cut off: {what}"
        self.page.evaluate("look.thin()")
        for width in (NARROW, WIDE):
            self._resize(width)
            found = [*self._access(), *self._colors()]
            yield from (f"{name}, {width} px: {what}" for what in found)
        yield from (f"{name}: {problem}" for problem in self.noted)
        self.noted.clear()

    def _resize(self, width: int) -> None:
        self.page.set_viewport_size({"width": width, "height": 900})

    def _access(self) -> Iterator[str]:
        """Say what axe finds, whatever the colors."""
        found = self.page.evaluate("but => look.access(but)", CONTRAST)
        yield from map(_finding, found)

    def _colors(self) -> Iterator[str]:
        """Say which colors do not follow the reader's choice, or are hard to see."""
        for choice in SCHEMES:
            self.page.emulate_media(color_scheme=choice)
            choose(self.page, "auto")
            self.page.evaluate("look.remember()")
            choose(self.page, choice)
            for system in SCHEMES:
                self.page.emulate_media(color_scheme=system)
                here = f"{choice} chosen on a {system} system"
                if other := self.page.evaluate("to => look.differs(to)", choice):
                    yield f"{here}: {other}"
                yield from (f"{here}: {what}" for what in self._contrast())
        choose(self.page, "auto")

    def _contrast(self) -> Iterator[str]:
        """Say what axe finds of the texts that look like none that it has judged."""
        new = [*filter(self._is_new, self.page.evaluate("look.sample()"))]
        if new:
            self.judged.update(new)
            call = "([texts, rules]) => look.contrast(texts, rules)"
            yield from map(_finding, self.page.evaluate(call, [new, CONTRAST]))

    def _is_new(self, text: str) -> bool:
        return text not in self.judged


def choose(page: "Page", choice: str) -> None:
    """Click the button until the page is in the light that is wanted."""
    for _ in range(3):
        if page.evaluate("document.body.dataset.theme") == choice:
            return
        page.evaluate(CLICK)
    assert page.evaluate("document.body.dataset.theme") == choice


def _finding(finding: Any) -> str:
    """Write what axe found in a line: its rule, and the first element it found."""
    nodes = finding["nodes"]
    where = " ".join(map(str, nodes[0]["target"]))
    why = [*nodes[0]["any"], *nodes[0]["all"], *nodes[0]["none"]][0]["message"]
    return f"{finding['id']} at {len(nodes)} places, first {where}: {why}"
