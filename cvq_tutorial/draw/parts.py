"""Small parts that figures share: names, tiles of images, cells with texts, boxes, legends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from cvq_tutorial.common.arrays import as_array, as_images, check_names
from cvq_tutorial.draw.style import GREY, INK, label


def labels_of(
    names: Sequence[str] | None, expected: int, what: str, longest: int = 40
) -> tuple[str, ...]:
    """`check_names`, as they can be drawn."""
    return tuple(label(name, longest) for name in check_names(names, expected, what))


def names_of(graph: Any, names: Sequence[str] | None) -> Sequence[str] | None:
    """The names given, else those of a `CausalGraph`, else None."""
    return names if names is not None else getattr(graph, "names", None)


def edges_shown(shown: int, total: int, threshold: float) -> str:
    """The words below a graph: how many of its edges it shows."""
    return f"{shown} of {total} edges shown, threshold {threshold:.2f}"


def tile(axes: Axes, image: NDArray, title: str = "", **options: Any) -> Any:
    """One image without ticks, framed thinly."""
    axes.set(xticks=[], yticks=[])
    framed(axes, color="#bbbbbb", linewidth=0.6)
    if title:
        axes.set_title(title, fontsize=8.5)
    return axes.imshow(image, **options)


def blocks_of_rows(n: int) -> tuple[int, int]:
    """(blocks, rows of each) in which n rows of tiles stand: two from six rows on."""
    blocks = 2 if n >= 6 else 1
    return blocks, -(-n // blocks)


def tile_lines(figure: Figure, n: int, titles: Sequence[str], gap: float) -> list[NDArray]:
    """N rows of axes, one for each title, in blocks that stand `gap` of a tile apart."""
    (blocks, rows), wide = blocks_of_rows(n), len(titles)
    ratios = ([1] * wide + [gap]) * blocks
    axes = figure.subplots(rows, len(ratios) - 1, squeeze=False, width_ratios=ratios[:-1])
    for cell in axes.ravel():
        cell.set_axis_off()
    lines = [axes[b % rows, (start := b // rows * (wide + 1)) : start + wide] for b in range(n)]
    for b, line in enumerate(lines):
        for cell, title in zip(line, titles, strict=True):
            cell.set_axis_on()
            cell.set_title(title if b % rows == 0 else "", fontsize=8.5)
    return lines


def row_label(axes: Axes, text: str) -> None:
    """Name a row of tiles, to its left, upright."""
    axes.set_ylabel(text, rotation=0, ha="right", va="center", labelpad=6)


def framed(axes: Axes, **look: Any) -> None:
    """A line on all four sides."""
    axes.spines[:].set(**{"visible": True, "color": GREY, **look})


def box(axes: Axes, left: Any, top: Any, wide: float, high: float, **look: Any) -> None:
    """A rectangle, from its corner of the smallest coordinates."""
    axes.add_patch(Rectangle((left, top), wide, high, **look))


def hatched(axes: Axes, left: Any, top: Any, wide: float, high: float, color: str) -> None:
    """As `box`, hatched: what is never so."""
    box(axes, left, top, wide, high, fill=False, edgecolor=color, hatch="////", lw=0)


def key(name: str, **look: Any) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], label=name, **look)


def log_steps(axes: Axes, values: NDArray[np.float64], form: str = "g") -> None:
    """A logarithmic axis with a tick at each of a few values."""
    axes.set_xscale("log")
    axes.set_xticks(values, [f"{value:{form}}" for value in values])
    axes.set_xticks([], minor=True)


def name_lines(axes: Axes, names: Sequence[str], edge: float = 0.5) -> None:
    """Names of lines 0, 1, ... at the left, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - edge, edge - 1)


def draw_curve(axes: Axes, at: Any, values: Any, look: tuple, name: str, **more: Any) -> None:
    """A curve with a look of its own: colour, mark, dashes (see `style.LOOKS`)."""
    color, marker, dashes = look
    axes.plot(at, values, color=color, marker=marker, linestyle=dashes, label=name, **more)


def write_cells(
    axes: Axes, texts: ArrayLike, light: ArrayLike = False, size: float = 7.5, bold: Any = False
) -> None:
    """Texts (rows, columns) in the cells of a heat map; light: where the ground is dark."""
    table = np.asarray(texts)
    light, bold = np.broadcast_to(light, table.shape), np.broadcast_to(bold, table.shape)
    for cell, text in np.ndenumerate(table):
        if text:
            axes.text(
                cell[1], cell[0], text, ha="center", va="center", fontsize=size,
                color="white" if light[cell] else INK, weight="bold" if bold[cell] else "normal",
            )  # fmt: skip


def name_nodes(axes: Axes, names: Sequence[str], scale: float = 1, start: float = 0) -> None:
    """Node names along both axes, as many as can be read; cause down, effect across.

    The first stands at `start`, the next ones `scale` apart.
    """
    n_nodes = len(names)
    step = 1 if n_nodes <= 24 else 8 if n_nodes <= 64 else -(-n_nodes // 80) * 10
    shown = names[::step]
    places = np.arange(0, n_nodes, step) * scale + start
    axes.set_xticks(places, shown, rotation=90 if max(map(len, shown)) > 3 else 0)
    axes.set_yticks(places, shown, rotation=0)
    framed(axes)
    axes.set(xlabel="effect j (column)", ylabel="cause i (row)")


# Codes -------------------------------------------------------------------------------------------


def code_colors(n_codes: int) -> NDArray[np.float64]:
    """Pale colours (K, 3) in [0, 1], far apart for neighbouring codes; the same everywhere.

    Golden-ratio steps around the hues.
    """
    code = np.arange(n_codes)
    shade = np.array([(0.42, 0.97), (0.28, 0.88), (0.55, 0.92)])[code % 3]
    return hsv_to_rgb(np.column_stack([(0.61803398875 * code) % 1.0, shade]))


def code_cells(
    axes: Axes, cells: NDArray[np.integer], n_codes: int, title: str, size: float = 6.5
) -> None:
    """Codes (rows, columns) as cells of a figure, with their numbers on at most eight columns."""
    colors = ListedColormap([tuple(color) for color in code_colors(n_codes)])
    tile(axes, cells, title, cmap=colors, vmin=-0.5, vmax=n_codes - 0.5)
    if cells.shape[1] <= 8:
        write_cells(axes, cells.astype(str), size=size)


def border(cells: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(L, 2, 2) the lines around marked cells (rows, columns), (x, y) to (x, y) in cells."""
    on = np.pad(cells, 1)
    y, x = np.argwhere(on[1:] != on[:-1]).T
    level = np.stack([x - 1, y, x, y], axis=1)
    y, x = np.argwhere(on[:, 1:] != on[:, :-1]).T
    return np.concatenate([level, np.stack([x, y - 1, x, y], axis=1)]).reshape(-1, 2, 2)


def one_image(image: Any, name: str = "image") -> NDArray[np.float64]:
    """(H, W, 3) in [0, 1] of one image, or of a batch of one; see `as_images`."""
    array = as_array(image)
    batch = as_images(array[None] if array.ndim == 3 else array, name)
    if len(batch) != 1:
        raise ValueError(f"expected one image, found {len(batch)}")
    return batch[0]
