"""The picture of a world as `worlds.check` found it: images, factors, and what is wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from cvq_tutorial.common.arrays import as_images
from cvq_tutorial.draw.style import BLUE, GREEN, INK, ORANGE, Picture, label, styled
from cvq_tutorial.worlds.inspect.report import FactorLine, WorldReport

IMAGES = 24  # most that are shown
FACTORS = 40  # most lines of the table
TEXTS = 12  # most lines of notes and problems each
_LINE = 0.19  # inches
_WRAP = 128  # characters of a line at the bottom
# Where the columns of the table end (or begin, the first and third), from 0 to 1.
_COLUMNS = {
    "factor": 0,
    "values": 0.32,
    "which": 0.35,
    "rarest": 0.78,
    "edits": 0.92,
    "unseen": 1.06,
}


@styled
def world_card(report: WorldReport, images: Any = None) -> Picture:
    """What a file or folder is: sample images, a table of its factors, and a line per problem.

    report: of `worlds.check.check`.
    images: samples, uint8 (B, H, W, 3) or float (B, 3, H, W) in [0, 1], of which the first 24 are
        shown; None shows those of the report.
    In the table "rarest" is how many pictures have the rarest value, "edits" how many pairs of
    pictures differ in this factor alone, and "unseen" the share of edits that change no pixel.
    Raises TypeError, ValueError: what is no report, or no images.
    """
    if not isinstance(report, WorldReport):
        raise TypeError(f"expected a WorldReport of check(path), found {type(report).__name__}")
    given = report.images if images is None else images
    shown = None if given is None or not len(given) else as_images(given, "images")[:IMAGES]
    bottom = _bottom(report)
    rows = min(len(report.factors), FACTORS + 1) + 1 if report.factors else 0
    middle = max(rows * _LINE + 0.3 if rows else 0.0, 2.6 if shown is not None else 0.0)
    heights = [middle, len(bottom) * _LINE + 0.1]
    figure = Picture(10.2, sum(heights) + (1.0 if middle else 0.5))
    figure.suptitle(label(report.summary, 110), x=0.01, ha="left")
    place = figure.add_gridspec(2, 1, height_ratios=heights) if middle else None
    if place is not None:
        above: Any = figure.add_subfigure(place[0])
        both = shown is not None and rows
        left, right = above.subfigures(1, 2, width_ratios=[1, 1.35]) if both else (above, above)
        if shown is not None:
            _images(left, shown)
        if rows:
            _table(right.subplots(), report.factors, rows)
    axes = (figure if place is None else figure.add_subfigure(place[1])).subplots()
    axes.set(xlim=(0, 1), ylim=(len(bottom) - 0.4, -0.6))
    axes.axis("off")
    for row, (text, color) in enumerate(bottom):
        axes.text(0, row, text, color=color, fontsize=8.5, va="center")
    first = f"; the first: {label(report.problems[0], 200)}" if report.problems else ""
    return figure.saying(label(report.summary, 400).replace("\\$", "$") + first)


def _bottom(report: WorldReport) -> list[tuple[str, str]]:
    """Lines of text under the picture, and their colours."""
    there, possible = report.combinations
    notes = [f"pictures: {report.images_are}"] if report.images_are else []
    if possible:
        notes.append(f"combinations of values: {there:,} of {possible:,} have a picture")
    lines = _wrapped([*notes, *report.notes], "", INK)
    if report.problems:
        return lines + _wrapped(report.problems, "x  ", ORANGE)
    return [*lines, ("ok  no problem found", GREEN)]


def _wrapped(texts: Sequence[str], mark: str, color: str) -> list[tuple[str, str]]:
    lines = []
    for text in texts[:TEXTS]:
        parts = textwrap.wrap(f"{mark}{label(text, 380)}", _WRAP, subsequent_indent="     ")
        lines += [(part, color) for part in parts]
    if len(texts) > TEXTS:
        lines.append((f"{mark}... and {len(texts) - TEXTS} more", color))
    return lines


def _images(figure: Any, images: np.ndarray) -> None:
    """As many columns as make a square of them, in one picture: fewer axes draw faster."""
    across = int(np.ceil(np.sqrt(len(images))))
    down = -(-len(images) // across)
    _, height, width, _ = images.shape
    gap = max(1, width // 24)
    sheet = np.ones((down * (height + gap) - gap, across * (width + gap) - gap, 3))
    for i, image in enumerate(images):
        top, left = (i // across) * (height + gap), (i % across) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    axes = figure.subplots()
    axes.imshow(sheet)
    axes.axis("off")
    axes.set_anchor("N")


def _table(axes: Axes, factors: Sequence[FactorLine], rows: int) -> None:
    """The factors as lines; a bar under "unseen", so that a factor without effect stands out."""
    axes.set(xlim=(0, 1.16), ylim=(rows - 0.4, -0.6))
    axes.axis("off")
    sides = {name: "left" if name in ("factor", "which") else "right" for name in _COLUMNS}
    for name, x in _COLUMNS.items():
        axes.text(x, 0, name, ha=sides[name], va="center", weight="bold", fontsize=8.5)
    axes.axhline(0.5, color=INK, linewidth=0.6)
    for place, line in enumerate(factors[:FACTORS], start=1):
        cells = {
            "factor": label(line.name, 24),
            "values": str(line.size),
            "which": label(line.values, 30),
            "rarest": f"{line.rarest:,}",
            "edits": _short(line.edits),
        }
        if line.unseen is not None:
            color = ORANGE if line.unseen == 1 else BLUE
            axes.barh(place, 0.09 * line.unseen, left=1.07, height=0.6, color=color)
            cells["unseen"] = f"{line.unseen:.0%}"
        for name, text in cells.items():
            axes.text(_COLUMNS[name], place, text, ha=sides[name], va="center", fontsize=8)
    if len(factors) > FACTORS:
        axes.text(0, FACTORS + 1, f"... and {len(factors) - FACTORS} more", fontsize=8, va="center")


def _short(number: int) -> str:
    """A count in at most seven characters: 12,345 or 1.2e+09."""
    return f"{number:,}" if number < 10**6 else f"{number:.1e}".replace("e+0", "e")
