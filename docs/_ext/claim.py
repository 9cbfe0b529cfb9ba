"""The directive ``claim``: what was claimed, the verdict, and what was measured."""

import inspect
from collections import defaultdict
from collections.abc import Sequence

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

import docstrings
import inventory
from boxes import folded, footer
from dlnotes.claims import Finding, ledger

MOST_SHOWN = 6  # rows that a claim's box has room for


class Claim(SphinxDirective):
    """Show what was claimed, what was measured, and how to measure it again."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write the ledger's row of the claim."""
        name = self.arguments[0]
        self.env.note_dependency(str(inventory.ROOT / ledger.RESULTS / f"{name}.json"))
        try:
            result = ledger.load(name)
        except ledger.NoResultError:
            return []  # which `promises` complains about
        measure, claim = ledger.experiments()[name].measure, ledger.declared()[name]
        self.env.note_dependency(inspect.getfile(inspect.unwrap(measure)))
        source = inventory.catalogue()["claims"][name]["source"]
        code = "\n".join(docstrings.body(measure))
        measured = f"{measurements(result.finding)}\n\n{result.finding.remark}\n"
        if len(result.finding.measured) > MOST_SHOWN:
            measured = folded("All that was measured", measured)
        versions = ", ".join(f"{key} {value}" for key, value in result.versions.items())
        return self.parse_text_to_nodes(
            f"({name})=\n:::::{{admonition}} Claim: {claim.statement} "
            f"It {result.finding.outcome}.\n"
            f":class: claim\n:collapsible: closed\n\n"
            f"**It {result.finding.outcome}.** {result.finding.because}\n\n"
            + measured
            + folded(
                "The rule, set beforehand, and the experiment",
                f"{claim.rule}\n\n```python\n{code}\n```\n",
            )
            + footer(
                f"[Claimed in](#sources) {source}. Measured on {result.finding.data}; "
                f"{repeated(result)}{result.date}, {versions}, {result.device}, "
                f"{result.seconds} s. Again: `dlnotes claims run {name}`."
            )
            + ":::::\n"
        )


def repeated(result: ledger.Result) -> str:
    """Say on which seeds a claim was measured, and that it was measured twice."""
    if result.disturbed is None:
        return ""
    seeds = f"seeds {min(result.seeds)} to {max(result.seeds)}"
    return f"{seeds}, and again with the last bit of each initial weight perturbed; "


def measurements(finding: Finding) -> str:
    """Write a table of what was measured, with a dot for each seed.

    Rows of one quantity on one set of data share an axis, whose ends are numbers.
    """
    scales = defaultdict[tuple[str, str], list[float]](list)
    for row in finding.measured:
        scales[row.quantity, row.data] += row.values
    sampled = any(row.values[1:] for row in finding.measured)
    head = ["quantity", "method", "data"]
    head += ["each seed", "mean, deviation, range"] if sampled else ["exact"]
    lines = [head, ["---"] * len(head)]
    for row in finding.measured:
        seen = (
            dots(row.values, scales[row.quantity, row.data]) if row.values[1:] else ""
        )
        cells = [row.quantity, row.method, row.data, ledger.format_spread(row.values)]
        lines.append([*cells[:3], seen, cells[3]] if sampled else cells)
    used = [k for k in range(len(head)) if any(line[k] for line in lines[2:])]
    return "\n".join(f"| {' | '.join(line[k] for k in used)} |" for line in lines)


def dots(values: Sequence[float], scale: Sequence[float]) -> str:
    """Draw a dot for each value, on an axis from the least to the most of the scale."""
    low, high = min(scale), max(scale)
    width = (high - low) or 1.0
    places = (5 + 110 * (value - low) / width for value in values)
    drawn = "".join(f'<circle cx="{place:.1f}" cy="6" r="4"/>' for place in places)
    line = '<line x1="5" x2="115" y1="6" y2="6"/>'
    text = 'y="22" font-size="10" fill="currentColor" stroke="none"'
    ends = f'<text x="1" {text}>{low:.3g}</text>'
    if high > low:
        ends += f'<text x="119" text-anchor="end" {text}>{high:.3g}</text>'
    return (
        '<svg class="dots" style="height: 1.5rem" viewBox="0 0 120 24" '
        f'aria-hidden="true">{line}{drawn}{ends}</svg>'
    )


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directive."""
    app.add_directive("claim", Claim)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
