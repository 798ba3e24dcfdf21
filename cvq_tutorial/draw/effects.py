"""What every action does to an image: where it sets codes, beside the pixels that truly change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import (
    EDGE_AT,
    as_images,
    as_probabilities,
    check_grid,
    check_threshold,
)
from cvq_tutorial.draw.parts import (
    blocks_of_rows,
    border,
    key,
    labels_of,
    row_label,
    tile,
    tile_lines,
)
from cvq_tutorial.draw.style import BLUE, ORANGE, Picture, styled

PALE = 0.35  # how much of the image's contrast is left under a mask
BORDER = "#8a3b00"  # around nodes that are set
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


def cells_of(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """(H, W): the value (rows, columns) of the cell that each pixel lies in."""
    rows = np.arange(shape[0]) * values.shape[0] // shape[0]
    columns = np.arange(shape[1]) * values.shape[1] // shape[1]
    return values[rows[:, None], columns[None, :]]


def outline(axes: Axes, cells: NDArray[np.bool_], shape: tuple[int, ...]) -> None:
    """The border around the marked cells (rows, columns), in the pixels of an image (H, W)."""
    size = np.array([shape[1] / cells.shape[1], shape[0] / cells.shape[0]])  # of a cell
    lines = border(cells) * size - 0.5
    axes.add_collection(LineCollection([*lines], colors=BORDER, linewidths=1.1, capstyle="round"))


def mask_over(
    axes: Axes, ground: NDArray[np.float64], cells: NDArray[np.float64], limit: float = EDGE_AT
) -> None:
    """A mask (rows, columns) over a ground (H, W, 3), with a border around the nodes it sets."""
    tile(axes, tinted(ground, cells_of(cells, ground.shape), ORANGE))
    outline(axes, cells >= limit, ground.shape)


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

    blocks, rows = blocks_of_rows(len(x))
    figure = Picture(0.9 + blocks * 4.15, (1.15 if blocks == 2 else 1.6) + 1.12 * rows)
    figure.suptitle("Effects of every action")
    lines = tile_lines(figure, len(x), ["x", "codes set", "pixels that change"], 0.28)
    pixels = x.shape[1:3]
    inside, sets = [], []
    for a, line in enumerate(lines):
        cells, ground = learned[a].reshape(shape), paled(x[a])
        marked = cells >= limit
        within = cells_of(marked, pixels)
        tile(line[0], x[a])
        mask_over(line[1], ground, cells, limit)
        tile(line[2], tinted(ground, changed[a] * 1.0, BLUE))
        outline(line[2], marked, pixels)
        row_label(line[0], names[a])
        sets.append(int(marked.sum()))
        inside.append(float(within[changed[a]].mean()) if changed[a].any() else None)
        told = "no pixel changes" if inside[-1] is None else f"{inside[-1]:.0%} inside"
        line[1].set_xlabel(f"{sets[-1]} of {marked.size} nodes", fontsize=7.5, labelpad=2)
        line[2].set_xlabel(told, fontsize=7.5, labelpad=2)
    handles = [
        Patch(facecolor=ORANGE, label="probability that the action sets a code here"),
        Patch(facecolor=BLUE, label="pixel that truly changes"),
        key(f"around nodes of at least {limit:.2f}", color=BORDER),
    ]
    figure.legend_below(handles, ncols=3 if blocks == 2 else 1)
    known = [share for share in inside if share is not None]
    covered = f"{np.mean(known):.0%}" if known else "none"
    counts = ", ".join(f"{name} {n}" for name, n in zip(names, sets, strict=True))
    return figure.saying(
        f"Effects of {len(x)} actions, one example each, threshold {limit:.2f}: nodes set of "
        f"{learned.shape[1]}: {counts}; on average {covered} of the pixels that change lie within "
        "the set nodes."
    )
