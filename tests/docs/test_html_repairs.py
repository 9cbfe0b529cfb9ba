"""What the theme leaves out is mended, and nothing else is touched."""

import pytest

from html_repairs import repair


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (
            '<p class="caption" role="heading">Book</p>',
            '<p class="caption">Book</p>',
        ),
        (
            '<div class="highlight"><pre>x = 1\n\n\n</pre></div>',
            '<div class="highlight"><pre tabindex="0">x = 1\n</pre></div>',
        ),
        (
            '<a class="reference internal" href="a.html">'
            '<span class="doc">A</span></a>',
            '<a class="reference internal" href="a.html" aria-label="A">'
            '<span class="doc">A</span></a>',
        ),
        (
            '<span class="s"><span class="pre">\'mean\'</span></span>',
            '<span class="s"><span class="pre">"mean"</span></span>',
        ),
    ],
)
def test_a_repair_reaches_a_keyboard_or_a_screen_reader(wrong: str, right: str) -> None:
    assert repair(wrong) == right


def test_a_signature_of_several_lines_is_no_list() -> None:
    head = '<span class="sig-paren">(</span>'
    wrong = f"{head}\n<dl>\n<dd>x,</dd>\n<dd>y,</dd>\n</dl>\n<span>)</span>"

    right = repair(wrong)

    assert right == (
        f'{head}<span class="sig-line">x,</span><span class="sig-line">y,</span>'
        "<span>)</span>"
    )


def test_repairing_twice_changes_no_text_and_plain_text_not_at_all() -> None:
    text = "<p>A caption, a <em>table</em> and <code>'quotes'</code>.</p>"

    assert repair(text) == text
