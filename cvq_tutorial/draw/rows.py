"""Images in rows: with names, one thing moved from left to right, pairs, actions in a row."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.textpath import TextPath

from cvq_tutorial.common.arrays import as_array, as_images
from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.draw.parts import labels_of, row_label, tile
from cvq_tutorial.draw.style import Picture, label, styled
from cvq_tutorial.measure.metrics import psnr

PAIRS = 10  # most that are drawn
MOST = 12  # actions in a strip
ROOM = 67  # points for a title over an image


@styled
def image_rows(
    rows: Mapping[str, Any], limit: int = 8, title: str = "Images", *, compare: bool = True
) -> Picture:
    """Rows of images; the first row is the truth.

    rows: name -> B images, all of one shape.
    compare: the PSNR of each further row against the first, over all B, stands beside its name.
    """
    tables = {name: as_images(images, name) for name, images in rows.items()}
    if not tables:
        raise ValueError("expected at least one row, found none")
    truth = next(iter(tables.values()))
    for name, table in tables.items():
        if table.shape != truth.shape:
            raise ValueError(f"{name}: expected images {truth.shape}, found {table.shape}")
    shown = min(whole_number("limit", limit), len(truth))
    figure = Picture(1.7 + 1.0 * shown, 0.55 + 1.05 * len(tables), label(title, 90))
    axes = figure.subplots(len(tables), shown, squeeze=False)
    told = []
    for line, (name, table) in zip(axes, tables.items(), strict=True):
        for cell, image in zip(line, table, strict=False):
            tile(cell, image)
        text = label(name)
        if compare and table is not truth:
            text += f"\n{psnr(float(((table - truth) ** 2).mean())):.1f} dB"
        row_label(line[0], text)
        told.append(text.replace("\n", " "))
    return figure.saying(f"{title}, {shown} of {len(truth)} in rows: {', '.join(told)}.")


@styled
def traversals(images: Any, names: Sequence[str], title: str) -> Picture:
    """One row of images per thing that is moved.

    images: (R, S, 3, H, W) float in [0, 1] or (R, S, H, W, 3) uint8, R rows of S steps.
    names: what is moved in each row.
    """
    table = as_array(images)
    if table.ndim != 5:
        raise ValueError(f"expected images (rows, steps, ...) of 5 dimensions, found {table.shape}")
    rows, steps = table.shape[:2]
    labels = labels_of(names, rows, "names")
    pictures = as_images(table.reshape(-1, *table.shape[2:]))
    figure = Picture(1.5 + 0.95 * steps, 0.5 + 0.98 * rows, title)
    axes = figure.subplots(rows, steps, squeeze=False)
    for number, image in enumerate(pictures):
        tile(axes[number // steps, number % steps], image)
    for row, text in enumerate(labels):
        row_label(axes[row, 0], text)
    return figure.saying(f"{title}: {rows} rows of {steps} images, for {', '.join(names)}.")


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
    figure = Picture(0.5 + 1.1 * shown, 2.9 + 0.16 * lines, label(title, 110))
    axes = figure.subplots(2, shown, squeeze=False)
    for b in range(shown):
        tile(axes[0, b], x[b], "\n".join(textwrap.wrap(above[b], 16)))
        tile(axes[1, b], y[b])
        text = "\n".join(label(line, 24) for line in below[b].split("\n"))
        axes[1, b].set_xlabel(text, fontsize=8)
    for row, text in enumerate(labels_of(rows, 2, "rows", 12)):
        row_label(axes[row, 0], text)
    texts = zip(above[:shown], below[:shown], strict=True)
    told = ", ".join(f"{t} ({n})".replace("\n", " ") if n else t for t, n in texts)
    return figure.saying(f"{shown} of {len(x)} pairs of pictures: {told}"[:400])


@styled
def plan_strip(
    imagined: Any,
    action_names: Sequence[str],
    truth: Any = None,
    target: Any = None,
    title: str = "A plan, step by step",
) -> Picture:
    """What a sequence of actions does to an image: as it truly is above, as imagined below.

    imagined: T + 1 images, before and after each of T actions.  action_names: T names, at most 12.
    truth: true images likewise, or None; fewer where an action does not exist in the world: what
        follows is left empty.
    target: one image that the actions should lead to, shown at the right, or None.
    The PSNR of each imagined image against the true one stands below it.
    """
    below = as_images(imagined, "imagined")
    names = labels_of(action_names, len(below) - 1, "action names", longest=16)
    if len(names) > MOST:
        raise ValueError(f"a strip shows at most {MOST} actions, found {len(names)}")
    above = None if truth is None else as_images(truth, "truth")
    if above is not None and (above.shape[1:] != below.shape[1:] or len(above) > len(below)):
        raise ValueError(
            f"truth must be at most {len(below)} images of shape {below.shape[1:]}, found "
            f"{len(above)} of {above.shape[1:]}"
        )
    end = None if target is None else as_images(target, "target")
    if end is not None and end.shape != (1, *below.shape[1:]):
        raise ValueError(f"target must be one image of {below.shape[1:]}, found {end.shape}")

    rows, columns = 1 + (above is not None), len(below) + (end is not None)
    figure = Picture(max(3.6, 0.95 + 1.02 * columns), 0.7 + 1.06 * rows, label(title, 60))
    axes = figure.subplots(rows, columns, squeeze=False)
    titles = ["x", *(f"{i}: {name}" for i, name in enumerate(names, 1))]
    widest = max(TextPath((0, 0), title, size=8.5).get_extents().x1 for title in titles)
    size = 8.5 * min(1.0, ROOM / widest)
    nothing = np.ones_like(below[0])
    errors: list[float] = []
    for column, image in enumerate(below):
        tile(axes[-1, column], image)
        if above is not None and column < len(above):
            tile(axes[0, column], above[column])
            errors.append(psnr(float(np.square(image - above[column]).mean())))
            axes[-1, column].set_xlabel(f"{errors[-1]:.1f} dB", fontsize=7.5, labelpad=2)
        elif above is not None:
            tile(axes[0, column], nothing)
            middle: dict[str, Any] = {"ha": "center", "va": "center"}
            middle["transform"] = axes[0, column].transAxes
            axes[0, column].text(0.5, 0.5, "does not\nexist", fontsize=8, **middle)
        axes[0, column].set_title(titles[column], fontsize=size)
    if end is not None:
        tile(axes[0, -1], end[0])
        axes[0, -1].set_title("y", fontsize=size)
        for cell in axes[1:, -1]:
            cell.set_axis_off()
    if above is not None:
        row_label(axes[0, 0], "true")
    row_label(axes[-1, 0], "imagined")
    figure.summary = f"{len(names)} actions in a row: {', '.join(names) or 'none, x alone'}."
    if errors:
        told = ", ".join(f"{error:.1f}" for error in errors)
        figure.summary += f" PSNR of the imagined against the true image, from x on: {told} dB."
    if above is not None and len(above) < len(below):
        figure.summary += f" Action {len(above)} does not exist in the world."
    return figure
