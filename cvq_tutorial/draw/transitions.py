"""Pairs of pictures, one above the other, and what differs in each written to it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from cvq_tutorial.common.arrays import as_images
from cvq_tutorial.draw.style import Picture, label, labels_of, row_label, styled, tile

PAIRS = 10  # most that are drawn


@styled
def pairs(
    before: Any,
    after: Any,
    titles: Sequence[str],
    notes: Sequence[str],
    *,
    title: str = "Pairs of pictures",
    rows: Sequence[str] = ("x", "y"),
) -> Picture:
    """Pictures x in the upper row, y below each, of which the first 10 are drawn.

    before, after: B images each, of one shape: uint8 (B, H, W, 3), or float (B, 3, H, W) in [0, 1].
    titles: B texts, each above its pair (the attribute that was meant to differ).
    notes: B texts, each below its pair (what else differs); "" says nothing.
    rows: what stands at the left of the two rows.
    Raises TypeError, ValueError: no images, two shapes, another number of texts.
    """
    x, y = as_images(before, "before"), as_images(after, "after")
    if x.shape != y.shape:
        raise ValueError(f"after: expected shape {x.shape} as before has, found {y.shape}")
    above, below = labels_of(titles, len(x), "titles", 24), list(notes)
    if len(below) != len(x):
        raise ValueError(f"notes: expected {len(x)}, found {len(below)}")
    shown = min(PAIRS, len(x))
    lines = max(note.count("\n") + 1 for note in below[:shown])
    figure = Picture(0.5 + 1.1 * shown, 2.9 + 0.16 * lines)
    axes = figure.subplots(2, shown, squeeze=False)
    for b in range(shown):
        tile(axes[0, b], x[b], "\n".join(textwrap.wrap(above[b], 16)))
        tile(axes[1, b], y[b])
        text = "\n".join(label(line, 24) for line in below[b].split("\n"))
        axes[1, b].set_xlabel(text, fontsize=8)
    for row, text in enumerate(labels_of(rows, 2, "rows", 12)):
        row_label(axes[row, 0], text)
    figure.suptitle(label(title, 110))
    texts = zip(above[:shown], below[:shown], strict=True)
    told = ", ".join(f"{t} ({n})".replace("\n", " ") if n else t for t, n in texts)
    figure.summary = f"{shown} of {len(x)} pairs of pictures: {told}"[:400]
    return figure
