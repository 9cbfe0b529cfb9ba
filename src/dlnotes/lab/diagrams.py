"""Diagrams.

A function that draws a shape returns it, and `arrow` joins two shapes, or a shape and a
point.  Sizes and places are in the units of the axes, which the first shape makes
square and bare.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, TypeVar

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.patches import (
    Circle,
    FancyArrowPatch,
    FancyBboxPatch,
    Patch,
    PathPatch,
    Polygon,
)
from matplotlib.path import Path
from matplotlib.transforms import Bbox

Point = tuple[float, float]
Edges = Iterable[tuple[str, str]] | Mapping[tuple[str, str], str]
Shape = TypeVar("Shape", bound=Patch)
Side = Literal["left", "right", "top", "bottom"]

_TURNS = {
    "across first": "angle,angleA=0,angleB=90,rad=6",
    "up first": "angle,angleA=90,angleB=0,rad=6",
}


def neuron(
    ax: Axes,
    at: Point,
    text: str = "",
    *,
    activation: Callable[[Float[np.ndarray, "points"]], Any] | None = None,
    color: str = "C0",
    radius: float = 0.35,
    dropped: bool = False,
) -> Circle:
    """Draw a circle with a text, the graph of an activation, or a cross in it."""
    circle = _add(ax, Circle(at, radius), "none" if dropped else color, text, at)
    if activation is not None:
        z = np.linspace(-4.0, 4.0, 81)
        a = np.asarray(activation(z))
        flat = (z / 4, 2 * (a - a.min()) / (a.max() - a.min()) - 1)
        x, y = (at[k] + 0.55 * radius * flat[k] for k in (0, 1))
        ax.plot(x, y, color=_ink(), linewidth=1.2)
    if dropped:
        circle.set(edgecolor=_ink(), linestyle=":")
        for slope in (-1, 1):
            x, y = (np.array([-0.5, 0.5]) * radius * k for k in (1, slope))
            ax.plot(at[0] + x, at[1] + y, color=_ink(), linewidth=1.2)
    return circle


def box(
    ax: Axes,
    at: Point,
    text: str = "",
    *,
    width: float = 1.0,
    height: float = 0.7,
    color: str = "C0",
    title: bool = False,
) -> FancyBboxPatch:
    """Draw a rounded box around its centre; a title stands at its top, as for a cell.

    What is inside a cell is drawn after it.
    """
    corner = (at[0] - width / 2, at[1] - height / 2)
    place = (at[0], at[1] + height / 2 - 0.25) if title else at
    rounded = "round,pad=0,rounding_size=0.12"
    shape = FancyBboxPatch(corner, width, height, boxstyle=rounded)
    _add(ax, shape, color, text, place).set_zorder(1 if title else 2)
    return shape


def volume(
    ax: Axes,
    at: Point,
    size: tuple[float, float, float],
    text: str = "",
    *,
    color: str = "C0",
) -> PathPatch:
    """Draw a block of a height, width and depth, seen from the right and above.

    ``at`` is the centre of its front, and the text stands below.
    """
    height, width, depth = size
    x, y, back = at[0] - width / 2, at[1] - height / 2, depth * 0.4
    corners = {
        "front": [(0, 0), (width, 0), (width, height), (0, height)],
        "top": [(0, height), (back, height + back), (width + back, height + back)],
        "side": [(width + back, height + back), (width + back, back), (width, 0)],
    }
    corners["top"].append((width, height))
    corners["side"].append((width, height))
    for face in corners.values():
        patch = Polygon([(x + right, y + up) for right, up in face], zorder=2)
        ax.add_patch(patch).set(facecolor=(color, 0.25), edgecolor=color, linewidth=1)
    outline = [(0, 0), (width, 0), (width + back, back), (width + back, height + back)]
    outline += [(back, height + back), (0, height), (0, 0)]
    path = Path([(x + right, y + up) for right, up in outline], closed=True)
    shape = _add(ax, PathPatch(path), "none", "", at)
    shape.set_edgecolor(color)
    _beside(ax, (at[0] + back / 2, y), text, (0, -9))
    return shape


def arrow(
    ax: Axes,
    start: Patch | Point,
    end: Patch | Point,
    text: str = "",
    *,
    bend: float | Literal["across first", "up first"] = 0.0,
    color: str = "",
    style: str = "-|>",
) -> FancyArrowPatch:
    """Draw an arrow from a shape or a point to another, and a text beside its middle.

    It bends to the left of its way, more so the greater ``bend``, or takes a right
    angle.  The style is one of matplotlib's: ``"-"`` is a line.
    """
    rise = 0.0 if isinstance(bend, str) else bend
    way = _TURNS[bend] if isinstance(bend, str) else f"arc3,rad={-bend}"
    patches = [each if isinstance(each, Patch) else None for each in (start, end)]
    places = [_centre(each) for each in (start, end)]
    line = FancyArrowPatch(
        *places,
        patchA=patches[0],
        patchB=patches[1],
        connectionstyle=way,
        arrowstyle=style,
        mutation_scale=10,
        color=color or _ink(),
        linewidth=1.2,
        shrinkA=1,
        shrinkB=1,
        zorder=1.5,
    )
    ax.add_patch(line)
    ax.update_datalim(places)
    ax.autoscale_view()
    if text:
        (x, y), (x_end, y_end) = places
        left = np.array([y - y_end, x_end - x])
        middle = np.mean(places, axis=0) + rise / 2 * left
        _beside(ax, middle, text, 8 * left / np.hypot(*left))
    return line


def port(shape: Patch, side: Side, share: float = 0.5) -> Point:
    """Return the point on a side of a shape, a share of it from its left or bottom."""
    extent = _extent(shape)
    if side in ("left", "right"):
        x = extent.x0 if side == "left" else extent.x1
        return x, extent.y0 + share * extent.height
    y = extent.y0 if side == "bottom" else extent.y1
    return extent.x0 + share * extent.width, y


def layers(
    ax: Axes,
    sizes: Sequence[int],
    names: Sequence[str] = (),
    *,
    dropped: Iterable[tuple[int, int]] = (),
    gap: float = 2.0,
) -> list[list[Circle]]:
    """Draw each layer as a column of neurons that are joined to all of the next layer.

    Names stand below the columns.  The layer and the place, from the top, of neurons
    that are ``dropped`` count from zero; these are crossed out and have no lines.
    """
    gone, columns = set(dropped), []
    for layer, size in enumerate(sizes):
        color = "C2" if layer == 0 else "C1" if layer == len(sizes) - 1 else "C0"
        column = [
            neuron(
                ax,
                (gap * layer, (size - 1) / 2 - place),
                color=color,
                dropped=(layer, place) in gone,
            )
            for place in range(size)
        ]
        columns.append(column)
    for layer, (before, after) in enumerate(pairwise(columns)):
        for j, sender in enumerate(before):
            for k, receiver in enumerate(after):
                if not gone & {(layer, j), (layer + 1, k)}:
                    arrow(ax, sender, receiver, style="-").set(linewidth=0.7)
    for layer, name in enumerate(names):
        ax.text(gap * layer, -max(sizes) / 2 - 0.1, name, ha="center", va="top")
    return columns


def graph(
    ax: Axes,
    places: Mapping[str, Point],
    edges: Edges,
    *,
    colors: Mapping[str, str] | None = None,
    radius: float = 0.35,
) -> dict[str, Circle]:
    """Draw nodes, each with its name in it, and an arrow for each pair of names.

    Edges that are a mapping have the texts of the arrows as values.
    """
    colors = colors or {}
    nodes = {
        name: neuron(ax, at, name, color=colors.get(name, "C0"), radius=radius)
        for name, at in places.items()
    }
    texts = edges if isinstance(edges, Mapping) else dict.fromkeys(edges, "")
    for (start, end), text in texts.items():
        arrow(ax, nodes[start], nodes[end], text)
    return nodes


def _add(ax: Axes, shape: Shape, color: str, text: str, at: Point) -> Shape:
    """Put a shape and its text on axes that fit it."""
    shape.set(
        facecolor="none" if color == "none" else (color, 0.25),
        edgecolor=color,
        linewidth=1.2,
        zorder=2,
    )
    ax.add_patch(shape)
    ax.text(*at, text, ha="center", va="center", zorder=3)
    ax.set_aspect("equal")
    ax.axis("off")
    ax.autoscale_view()
    return shape


def _ink() -> Any:
    """Return the colour of lines: that of text, which suits light and dark."""
    return mpl.rcParams["text.color"]


def _beside(ax: Axes, at: Any, text: str, offset: Any) -> None:
    """Write a text some points away from a place."""
    ax.annotate(text, at, offset, textcoords="offset points", ha="center", va="center")


def _centre(shape: Patch | Point) -> Point:
    """Return a point as it is, and of a shape its centre."""
    if not isinstance(shape, Patch):
        return shape
    extent = _extent(shape)
    return extent.x0 + extent.width / 2, extent.y0 + extent.height / 2


def _extent(shape: Patch) -> Bbox:
    """Return the rectangle around a shape in the units of its axes."""
    return shape.get_path().get_extents(shape.get_patch_transform())
