"""What is wrong with how a page looks: light and dark, wide and narrow."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from browser import axe, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = {1280: "dark", 320: "light"}  # and the choice that axe sees at that width
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
OTHER: dict[str, Literal["light", "dark"]] = {"light": "dark", "dark": "light"}
Colors = list[tuple[str, str, str]]  # of each element, with its markup and its scheme
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
# Axe does not judge the contrast of what stands on a gradient.
STILL = """
* {animation: none !important; transition: none !important}
.highlight pre, .formula, .scroll, .table-wrapper {background-image: none !important}
"""
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
# The colors of all that is on a page, and the scheme that its figures follow.
COLORS = """
() => [...document.body.querySelectorAll(
  ":not(script):not(.theme-toggle *):not(mjx-container *)"
)].map(
  (each) => {
    const style = getComputedStyle(each);
    const names = ["color", "backgroundColor", "borderLeftColor", "fill", "stroke"];
    const colors = names.map(name => style[name]).join(" ");
    return [each.cloneNode().outerHTML.slice(0, 120), colors, style.colorScheme];
  })
"""


def problems(browser: "Browser", site: str, names: Iterable[str]) -> Iterator[str]:
    """Say what is wrong with each page in each of the views."""
    noted: list[str] = []
    page = watched(browser.new_context(), site, noted)
    for name in names:
        page.emulate_media(color_scheme="light")
        page.goto(f"{site}/{name}")
        page.add_script_tag(content=axe())
        page.add_style_tag(content=STILL)
        page.evaluate(PREPARE)
        for width, audited in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 900})
            for what in _view(page, audited):
                yield f"{name}, {width} px: {what}"
        yield from (f"{name}: {problem}" for problem in noted)
        noted.clear()


def _view(page: "Page", audited: str) -> Iterator[str]:
    """Say what is wrong at one width, whatever the system and the reader prefer."""
    if wide := page.evaluate(TOO_WIDE):
        yield f"wider than its place: {wide}"
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        choose(page, "auto")
        wanted = page.evaluate(COLORS)
        choose(page, scheme)
        for system in SCHEMES:
            page.emulate_media(color_scheme=system)
            yield from _differs(wanted, page.evaluate(COLORS), scheme, system)
        if scheme == audited:
            page.emulate_media(color_scheme=OTHER[scheme])
            for finding in page.evaluate(AUDIT):
                yield f"{scheme} chosen: {_finding(finding)}"
    choose(page, "auto")


def _differs(wanted: Colors, found: Colors, choice: str, system: str) -> Iterator[str]:
    """Say what first has other colors than where the system is as the choice is."""
    here = f"{choice} chosen on a {system} system"
    for (markup, colors, _), (_, others, followed) in zip(wanted, found, strict=True):
        if others != colors:
            yield f"{here}: {others}, not {colors}: {markup}"
            return
        if markup.startswith("<img") and followed != choice:
            yield f"{here}: a figure follows {followed!r}: {markup}"
            return


def choose(page: "Page", choice: str) -> None:
    """Click the button until the page is in the light that is wanted."""
    for _ in range(3):
        if page.evaluate("document.body.dataset.theme") == choice:
            return
        page.locator(".theme-toggle:visible").first.click()
    assert page.evaluate("document.body.dataset.theme") == choice


def _finding(finding: Any) -> str:
    """Write what axe found in a line: its rule, and the first element it found."""
    nodes = finding["nodes"]
    where = " ".join(map(str, nodes[0]["target"]))
    why = [*nodes[0]["any"], *nodes[0]["all"], *nodes[0]["none"]][0]["message"]
    return f"{finding['id']} at {len(nodes)} places, first {where}: {why}"
