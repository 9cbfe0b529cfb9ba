"""Formulas are typeset while the book is built, and a reference shows its formula."""

import re

import pytest
from tests.docs.conftest import Build

import inventory
import mathjax_static

PAGES = {
    "index": "# Book\n\n```{toctree}\n:numbered:\nfirst\nsecond\n```\n",
    "first": (
        "# First\n\n```{math}\n:label: eq-sum\n\nz = x + 1\n```\n\nSee {eq}`eq-sum`.\n"
    ),
    "second": "# Second\n\nSee {eq}`eq-sum` again.\n\n```{formula} eq-sum\n```\n",
}


@pytest.fixture(autouse=True)
def _catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"equations": {"eq-sum": "eq-sum", "eq-part": "eq-sum"}}
    monkeypatch.setattr(inventory, "catalogue", lambda: rows)


def test_a_fraction_is_html_to_look_at_and_mathml_to_listen_to() -> None:
    found = mathjax_static.typeset(r"\frac{1}{2}", display=False)

    assert "<mjx-mfrac" in found["html"]
    assert "<mfrac>" in found["mathml"]


def test_lines_are_aligned() -> None:
    found = mathjax_static.typeset(r"a &= 1 \\ b &= 2", display=True)

    assert found["mathml"].count("<mtr>") == 2


@pytest.mark.parametrize("tex", [r"\frac{1}", r"\unknown", "{"])
def test_what_is_not_tex_is_an_error_and_no_formula(tex: str) -> None:
    assert {*mathjax_static.typeset(tex, display=False)} == {"error"}


def test_a_reference_opens_the_formula_that_it_names(build: Build) -> None:
    settings = {"html_math_renderer": "static", "numfig_secnum_depth": 2}
    pages, warnings = build(PAGES, "mathjax_static", "eqref", **settings)

    assert not warnings
    for name, home in (("first", ""), ("second", "first.html")):
        html = pages[name]
        (target,) = re.findall(r'<button[^>]*popovertarget="([^"]+)"', html)
        assert html.count(f'<span popover id="{target}"') == 1
        assert f'href="{home}#equation-eq-sum">Equation' in html
        assert 'data-tex="z = x + 1"' in html
    assert 'id="equation-eq-part"' in pages["first"]  # the name of a part leads there
    assert re.search(
        r'class="eqno"><a href="first.html#equation-eq-sum"', pages["second"]
    )


def test_a_line_is_not_divided_before_the_mark_after_a_reference(build: Build) -> None:
    settings = {"html_math_renderer": "static", "numfig_secnum_depth": 2}
    pages, _ = build(PAGES, "mathjax_static", "eqref", **settings)

    assert ">Equation (1.1)</a></span>.</span></p>" in pages["first"]
    assert ">Equation (1.1)</a></span></span> again.</p>" in pages["second"]


def test_an_equation_of_no_page_is_warned_of(build: Build) -> None:
    text = "# Second\n\n```{formula} eq-none\n```\n"
    settings = {"html_math_renderer": "static"}

    _, warnings = build(PAGES | {"second": text}, "mathjax_static", "eqref", **settings)

    assert "no page has the equation eq-none" in warnings
