"""What every action does to an image: where it sets codes, beside the pixels that truly change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import (
    EDGE_AT,
    as_images,
    as_probabilities,
    check_grid,
    check_threshold,
)
from cvq_tutorial.draw.style import BLUE, ORANGE, Picture, labels_of, row_label, styled, tile

PALE = 0.35  # how much of the image's contrast is left under a mask
LEAST_CHANGE = 1 / 255  # a pixel changes if a channel of it moves by more than this


def paled(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """(H, W, 3) the image in light greys, a ground on which any colour can be seen."""
    grey = image @ np.array([0.2126, 0.7152, 0.0722])
    return np.repeat((1 - PALE + PALE * grey)[..., None], 3, axis=-1)


def tinted(
    ground: NDArray[np.float64], share: NDArray[np.float64], color: str
) -> NDArray[np.float64]:
    """(H, W, 3) the ground with as much of the colour in each pixel as `share` (H, W) says."""
    part = 0.85 * share[..., None]
    return (1 - part) * ground + part * np.array(to_rgb(color))


def cells_of(values: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """(H, W): the value (rows, columns) of the cell that each pixel lies in."""
    rows = np.arange(shape[0]) * values.shape[0] // shape[0]
    columns = np.arange(shape[1]) * values.shape[1] // shape[1]
    return values[rows[:, None], columns[None, :]]


def outline(axes: Axes, cells: NDArray[np.bool_], shape: tuple[int, int], color: str) -> None:
    """The border around the marked cells (rows, columns), in the pixels of an image (H, W)."""
    framed = np.pad(cells, 1)
    high, wide = shape[0] / cells.shape[0], shape[1] / cells.shape[1]
    lines = []
    for row, column in np.argwhere(framed[1:, :] != framed[:-1, :]).tolist():
        y = row * high - 0.5
        lines.append([((column - 1) * wide - 0.5, y), (column * wide - 0.5, y)])
    for row, column in np.argwhere(framed[:, 1:] != framed[:, :-1]).tolist():
        x = column * wide - 0.5
        lines.append([(x, (row - 1) * high - 0.5), (x, row * high - 0.5)])
    axes.add_collection(LineCollection(lines, colors=color, linewidths=1.1, capstyle="round"))


@styled
def effects_over_images(
    before: Any,
    after: Any,
    mask: Any,
    grid: Sequence[int],
    action_names: Sequence[str],
    threshold: float = EDGE_AT,
) -> Picture:
    """One example of every action: x, where the model sets codes in it, and what truly changes.

    before, after: A images each, x and the true y of one transition per action.
    mask: (A, N) probability that the action sets the node, in that very image.
    grid: (rows, columns) of the code map, rows x columns = N.  action_names: A names.
    threshold: in (0, 1]; nodes from it on are outlined, in both pictures.
    A pixel counts as changed if a channel of it moves by more than 1/255. The share of the changed
    pixels that lie within the outline stands under the third picture. Nodes may well be set outside
    of it: a code describes more than the pixels of its own cell.
    """
    x, y = as_images(before, "before"), as_images(after, "after")
    if x.shape != y.shape:
        raise ValueError(f"after must have the shape of before {x.shape}, found {y.shape}")
    learned = as_probabilities(mask, "mask", (len(x), None))
    shape, limit = check_grid(grid, learned.shape[1]), check_threshold(threshold)
    names = labels_of(action_names, len(x), "action names", longest=20)
    changed = np.abs(x - y).max(axis=3) > LEAST_CHANGE + 1e-9  # (A, H, W)

    blocks = 2 if len(x) >= 6 else 1
    rows = -(-len(x) // blocks)
    figure = Picture(0.9 + blocks * 4.15, (1.15 if blocks == 2 else 1.6) + 1.12 * rows)
    ratios = [1, 1, 1, *([0.28, 1, 1, 1] if blocks == 2 else [])]
    axes = figure.subplots(rows, len(ratios), squeeze=False, width_ratios=ratios)
    for cell in axes.ravel():
        cell.set_axis_off()
    inside, sets = [], []
    for a in range(len(x)):
        line = axes[a % rows, (a // rows) * 4 :]
        for cell in line[:3]:
            cell.set_axis_on()
        first, pixels = a % rows == 0, x[a].shape[:2]
        cells = learned[a].reshape(shape)
        marked = cells >= limit
        within = cells_of(marked, pixels)
        ground = paled(x[a])
        share = cells_of(cells, pixels)
        tile(line[0], x[a], "x" if first else "")
        tile(line[1], tinted(ground, share, ORANGE), "codes set" if first else "")
        tile(line[2], tinted(ground, changed[a] * 1.0, BLUE), "pixels that change" if first else "")
        outline(line[1], marked, pixels, "#8a3b00")
        outline(line[2], marked, pixels, "#8a3b00")
        row_label(line[0], names[a])
        sets.append(int(marked.sum()))
        inside.append(float(within[changed[a]].mean()) if changed[a].any() else None)
        told = "no pixel changes" if inside[-1] is None else f"{inside[-1]:.0%} inside"
        line[1].set_xlabel(f"{sets[-1]} of {marked.size} nodes", fontsize=7.5, labelpad=2)
        line[2].set_xlabel(told, fontsize=7.5, labelpad=2)
    figure.suptitle("Effects of every action")
    handles = [
        Patch(facecolor=ORANGE, label="probability that the action sets a code here"),
        Patch(facecolor=BLUE, label="pixel that truly changes"),
        Line2D([], [], color="#8a3b00", label=f"around nodes of at least {limit:.2f}"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if blocks == 2 else 1)
    known = [share for share in inside if share is not None]
    covered = f"{np.mean(known):.0%}" if known else "none"
    counts = ", ".join(f"{name} {n}" for name, n in zip(names, sets, strict=True))
    figure.summary = (
        f"Effects of {len(x)} actions, one example each, threshold {limit:.2f}: nodes set of "
        f"{learned.shape[1]}: {counts}; on average {covered} of the pixels that change lie within "
        "the set nodes."
    )
    return figure
