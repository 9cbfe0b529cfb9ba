"""What is wrong with how a page looks: light and dark, wide and narrow.

A page is opened once.  What axe finds whatever the colors is asked at one width, and at
the other too of the pages that are made of something new (:func:`written.different`).
These are also looked at in both choices of the reader on both systems: whether their
colors follow the choice.  The others are looked at with each choice on the other
system, so that a text whose color follows the system looks like none before.
Contrast follows from a text's color, size and weight and from what is behind it, so
those texts are judged that look like none before, on this page or another.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from browser import TOOLS, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE, PHONE, NARROW = 1280, 390, 320  # pixels
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
OTHER: dict[str, Literal["light", "dark"]] = {"light": "dark", "dark": "light"}
CONTRAST = ["color-contrast", "link-in-text-block"]
BUT_CONTRAST = {"rules": {rule: {"enabled": False} for rule in CONTRAST}}
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

    def __init__(
        self, browser: "Browser", site: str, different: set[str], judged: set[str]
    ) -> None:
        self.noted: list[str] = []
        self.browser = browser
        self.page = watched(browser.new_context(), site, self.noted)
        self.site = site
        self.different = different  # pages that are made of something new
        self.judged = judged  # looks of texts, which all pages share
        self.new: set[str] = set()  # those of this page

    def problems(self, name: str) -> Iterator[str]:
        """Say what is wrong with a page in each of the views."""
        self.page.emulate_media(color_scheme="light")
        self.page.goto(f"{self.site}/{name}")
        for tool in TOOLS:
            self.page.add_script_tag(url=f"{self.site}{tool}")
        self.page.add_style_tag(content=STILL)
        self.page.evaluate("look.unfold()")
        for width in (WIDE, PHONE, NARROW):
            self._resize(width)
            for what in self.page.evaluate("look.cut()"):
                yield f"{name}, {width} px: cut off: {what}"
        self.page.evaluate("look.thin()")
        yield from (
            f"{name}, {what}" for what in [*self._access(name), *self._views(name)]
        )
        yield from (f"{name}: {problem}" for problem in self.noted)
        self.noted.clear()

    def _resize(self, width: int) -> None:
        self.page.set_viewport_size({"width": width, "height": 600})

    def _access(self, name: str) -> Iterator[str]:
        """Say what axe finds, whatever the colors."""
        for width in (NARROW, WIDE) if name in self.different else (NARROW,):
            self._resize(width)
            for finding in self.page.evaluate("how => look.access(how)", BUT_CONTRAST):
                yield f"{width} px: {_finding(finding)}"

    def _views(self, name: str) -> Iterator[str]:
        """Say which colors do not follow the reader's choice, or are hard to see."""
        self.new = set()
        if name in self.different:
            yield from self._follows()
        for _ in self._views_of(NARROW, every=name in self.different):
            self._keep()
        if self.new:
            self.judged |= self.new
            self.page.evaluate("look.prune()")  # axe makes short work of the rest
            yield from self._contrast()

    def _follows(self) -> Iterator[str]:
        """Say what has other colors than where the system is as the choice is."""
        for choice in SCHEMES:
            self.page.emulate_media(color_scheme=choice)
            choose(self.page, "auto")
            self.page.evaluate("look.remember()")
            choose(self.page, choice)
            for system in (choice, OTHER[choice]):
                self.page.emulate_media(color_scheme=system)
                if other := self.page.evaluate("to => look.differs(to)", choice):
                    yield f"{choice} chosen on a {system} system: {other}"
                self._keep()

    def _keep(self) -> None:
        """Keep a text of each look that is new."""
        looks = {*self.page.evaluate("look.sample()")} - self.judged
        self.page.evaluate("looks => look.keep(looks)", [*looks])
        self.new |= looks

    def _contrast(self) -> Iterator[str]:
        """Say what axe finds of the texts that were kept, each once."""
        call = "([looks, rules]) => look.contrast(looks, rules)"
        for width in (WIDE, NARROW):
            for here in self._views_of(width, every=True):
                looks = self.new.intersection(self.page.evaluate("look.sample()"))
                for what in self.page.evaluate(call, [[*looks], CONTRAST]):
                    yield f"{here}: {_finding(what)}"
                self.new -= looks
                if not self.new:
                    return
        yield from (f"not judged: {look}" for look in self.new)

    def _views_of(self, width: int, *, every: bool) -> Iterator[str]:
        """Go through the choices, and through both systems or the other than chosen."""
        self._resize(width)
        for choice in reversed(SCHEMES):
            choose(self.page, choice)
            for system in (OTHER[choice], choice)[: 1 + every]:
                self.page.emulate_media(color_scheme=system)
                yield f"{width} px, {choice} chosen on a {system} system"


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
