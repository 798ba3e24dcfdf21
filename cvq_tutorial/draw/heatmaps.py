"""Figures made of cells: the graph as a matrix, effects masks, the confusion of actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import (
    EDGE_AT,
    as_array,
    as_graph,
    as_marks,
    as_probabilities,
    check_grid,
    check_threshold,
    counts,
)
from cvq_tutorial.draw.parts import (
    box,
    edges_shown,
    framed,
    hatched,
    labels_of,
    name_nodes,
    names_of,
    row_label,
    tile,
    write_cells,
)
from cvq_tutorial.draw.style import INK, ORIENTATION, Picture, styled

ANNOTATE_UP_TO = 12  # nodes whose probabilities can still be read as numbers
MOST_CELLS = 1024  # in a row: more than the picture has pixels
WHITE_TO_AMBER = LinearSegmentedColormap.from_list("set", ["#ffffff", "#f6d57a", "#8a5a00"])
WHITE_TO_BLUE = LinearSegmentedColormap.from_list("share", ["#ffffff", "#9ecae1", "#08306b"])


def threshold_ramp(limit: float) -> LinearSegmentedColormap:
    """Greys under the threshold, blues from it on; the jump in lightness is what marks an edge."""
    stops = [(0.0, "#ffffff"), (limit, "#d0d0d0"), (limit, "#6aaed6"), (1.0, "#08306b")]
    if limit == 1.0:
        stops = [(0.0, "#ffffff"), (1.0, "#d0d0d0")]
    return LinearSegmentedColormap.from_list("edges", stops, N=512)


def cell_lines(axes: Axes, n: int, **look: Any) -> None:
    """Lines between the n x n cells, and no ticks."""
    axes.set_xticks(np.arange(n - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(n - 1) + 0.5, minor=True)
    axes.grid(which="minor", **look)
    axes.tick_params(which="both", length=0)


def percent_bar(figure: Figure, heat: Any, axes: Any, name: str) -> None:
    """The colours of shares, in percent."""
    options: dict[str, Any] = {"shrink": 0.7, "ticks": [0, 0.5, 1], "label": name}
    figure.colorbar(heat, ax=axes, format=lambda v, _: f"{100 * v:.0f} %", **options)


def along_axes(axes: Axes, mask: NDArray[np.float64]) -> None:
    """The mask as a strip above the matrix (effects) and one to its right (causes)."""
    look: dict[str, Any] = {"vmin": 0, "vmax": 1, "cmap": WHITE_TO_AMBER, "aspect": "auto"}
    tile(axes.inset_axes((0, 1.012, 1, 0.03)), mask[None, :], **look)
    tile(axes.inset_axes((1.012, 0, 0.03, 1)), mask[:, None], **look)


@styled
def graph_matrix(
    graph: Any,
    threshold: float = EDGE_AT,
    title: str = "Graph",
    *,
    names: Sequence[str] | None = None,
    set_nodes: Any = None,
    mask: Any = None,
) -> Picture:
    """The graph as a matrix, row = cause, column = effect; grey under the threshold, blue above.

    graph: (N, N) probabilities, a DiGraph, or a CausalGraph (then names and mask are known).
    threshold: in (0, 1], an edge is there from it on.
    names: N node names, the numbers 0..N-1 if None.
    set_nodes: booleans (N,), nodes that the action sets; the columns of the others, whose edges are
        never used, are hatched and not counted.
    mask: (N,) probability that the action sets the node, drawn along both axes; without `set_nodes`
        the nodes of at least 0.5 are the set ones.
    Up to 12 nodes the probabilities are written into the cells, edges in bold. Of more than 1,024
    nodes a cell is a block of edges, as likely as the likeliest of them that is used.
    """
    import seaborn  # here: it brings pandas and pyplot, two seconds that only this figure needs

    matrix, limit = as_graph(graph), check_threshold(threshold)
    n_nodes = len(matrix)
    labels = labels_of(names_of(graph, names), n_nodes, "names", longest=24)
    mask = getattr(graph, "set_by", None) if mask is None else mask
    chance = None if mask is None else as_probabilities(mask, "mask", (n_nodes,))
    if set_nodes is None and chance is not None:
        set_nodes = counts(chance)
    is_set = as_marks(set_nodes, n_nodes, "set_nodes")
    annotate = n_nodes <= ANNOTATE_UP_TO
    block = -(-n_nodes // MOST_CELLS)
    cells, hatch = matrix, ~is_set
    if block > 1:
        first = np.arange(0, n_nodes, block)
        cells = np.maximum.reduceat(np.where(is_set, matrix, 0.0), first, axis=0)
        cells = np.maximum.reduceat(cells, first, axis=1)
        hatch = ~np.logical_or.reduceat(is_set, first)

    figure = Picture(6.2, 5.6)
    axes = figure.add_subplot()
    seaborn.heatmap(
        cells,
        ax=axes,
        mask=np.broadcast_to(hatch, cells.shape),
        vmin=0,
        vmax=1,
        cmap=threshold_ramp(limit),
        annot=annotate,
        fmt=".2f",
        annot_kws={"size": 9 if n_nodes <= 8 else 7.5},
        square=True,
        linewidths=1.0 if annotate else 0,
        xticklabels=False,
        yticklabels=False,
        cbar_kws={"shrink": 0.8, "label": "edge probability"},
    )
    bar = figure.axes[-1]
    ticks = sorted({0.0, 1.0, limit})
    bar.set_yticks(ticks, [f"{tick:.2f}" for tick in ticks])
    bar.axhline(limit, color=INK, linewidth=1.2)
    for text, probability in zip(axes.texts, matrix[:, is_set].ravel(), strict=False):
        text.set_fontweight("bold" if probability >= limit else "normal")
    for column in np.flatnonzero(hatch):
        hatched(axes, column, 0, 1, len(cells), "#c4c4c4")
    name_nodes(axes, labels, 1 / block, 0.5)
    if chance is not None:
        along_axes(axes, chance)
    edges = (matrix >= limit) & is_set[None, :]
    figure.suptitle(title)
    note = edges_shown(int(edges.sum()), int(edges.sum()), limit)
    if block > 1:
        note += f"; a cell is the likeliest of {block} x {block} edges"
    striped = "; hatched: not set by the action" if hatch.any() else ""
    amber = "amber, top and right: probability that the action sets the node\n"
    head = f"{ORIENTATION}{striped}\n{amber if chance is not None else ''}{note}"
    axes.set_title(head, fontsize=8, pad=14 if chance is not None else 5)
    per_node = edges.sum() / max(1, is_set.sum())
    return figure.saying(
        f"{title}: graph of {n_nodes} nodes as a matrix ({ORIENTATION}); {note}; "
        f"{np.diag(edges).sum()} self-loops, {per_node:.1f} causes per set node."
    )


@styled
def effects_masks(
    mask: Any, grid: Sequence[int], action_names: Sequence[str], true_change: Any = None
) -> Picture:
    """Where each action sets codes: one map of the nodes per action, over how often they do change.

    mask: (A, N) probability that the action sets the node; action_names: A names.
    grid: (rows, columns) of the code map, rows x columns = N.
    true_change: (A, N) share of transitions in which a code of the node changed, or None.
    """
    learned = as_probabilities(mask, "mask", (None, None))
    n_actions, n_nodes = learned.shape
    names = labels_of(action_names, n_actions, "action names")
    shape = check_grid(grid, n_nodes)
    layers = [("learned", learned)]
    if true_change is not None:
        layers.append(("true", as_probabilities(true_change, "true_change", learned.shape)))
    half = -(-n_actions // 2) if n_actions > 4 else n_actions  # raising actions, then lowering
    wide = min(1.7, max(1.08, 0.078 * max(map(len, names))))  # inches of a map, as its name needs
    wraps = -(-half // int(13 / wide))
    columns = -(-half // wraps)
    blocks = -(-n_actions // half) * wraps

    tall = 0.95 * min(2.0, max(0.2, shape[0] / shape[1])) + 0.05  # inches of one row of maps
    figure = Picture(1.7 + wide * columns, 0.65 + blocks * (0.25 + tall * len(layers)))
    axes = figure.subplots(blocks * len(layers), columns, squeeze=False)
    for cell in axes.ravel():
        cell.set_axis_off()
    for a in range(n_actions):
        row, column = divmod(a % half, columns)
        for layer, (text, values) in enumerate(layers):
            cell = axes[(a // half * wraps + row) * len(layers) + layer, column]
            cell.set_axis_on()
            title = names[a] if layer == 0 else ""
            heat = tile(cell, values[a].reshape(shape), title, vmin=0, vmax=1)
            if column == 0:
                row_label(cell, text)
    look: dict[str, Any] = {"aspect": 25, "shrink": 0.7, "ticks": [0, 0.5, 1]}
    figure.colorbar(heat, ax=axes, label="probability", **look)
    figure.suptitle("Effects masks: where each action sets codes")
    totals = zip(names, learned.sum(axis=1), strict=True)
    counts = ", ".join(f"{name} {total:.1f}" for name, total in totals)
    compared = ""
    if true_change is not None:
        gap = np.abs(learned - layers[1][1]).mean()
        compared = f"; mean distance from how often they change {gap:.3f}"
    return figure.saying(
        f"Effects masks, expected nodes set per action of {n_nodes}: {counts}{compared}."
    )


@styled
def confusion(counts: Any, action_names: Sequence[str], what: str = "action") -> Picture:
    """Which action was named for which: row = true action, column = named one, in % of the row.

    counts: integers (A, A), as `metrics.confusion` gives; action_names: A names.
    what: what a row is, when it is not an action but, say, a "factor".
    Each row's number of transitions stands beside its name; rows without any are left grey.
    """
    table = as_array(counts)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or table.size == 0:
        raise ValueError(f"counts must have shape (A, A), found {table.shape}")
    if table.dtype.kind not in "iu" or table.min() < 0:
        raise ValueError(f"counts must be integers of at least 0, found {table.dtype}")
    n_actions = len(table)
    names = labels_of(action_names, n_actions, "action names")
    in_row = table.sum(axis=1)
    share = table / np.maximum(in_row, 1)[:, None]

    side = 2.6 + 0.36 * max(n_actions, 8)
    figure = Picture(side + 1.2, side)
    axes = figure.add_subplot()
    heat = axes.imshow(share, vmin=0, vmax=1, cmap=WHITE_TO_BLUE)
    percent = np.where(share < 0.005, "<1", np.char.mod("%.0f", 100 * share))
    write_cells(axes, np.where(table, percent, ""), share > 0.55, 7)
    for row in np.flatnonzero(in_row == 0):
        box(axes, -0.5, row - 0.5, n_actions, 1, facecolor="#eeeeee", edgecolor="none")
    axes.set_xticks(range(n_actions), names, rotation=90)
    axes.set_yticks(range(n_actions), [f"{n} ({k})" for n, k in zip(names, in_row, strict=True)])
    cell_lines(axes, n_actions, color="#e4e4e4", linewidth=0.6)
    framed(axes)
    axes.set(xlabel=f"named {what} (column)", ylabel=f"true {what} (row), number of transitions")
    percent_bar(figure, heat, axes, "share of the row")
    total, right = int(in_row.sum()), int(np.trace(table))
    accuracy = right / total if total else 0.0
    figure.suptitle(f"Retrieval: {right} of {total} {what}s named right ({100 * accuracy:.1f} %)")
    wrong = table - np.diag(np.diag(table))
    row, column = np.unravel_index(wrong.argmax(), wrong.shape)
    pair = f"{names[row]} named {names[column]}, {wrong[row, column]} times"
    worst = f"; most frequent error: {pair}" if wrong.any() else ""
    return figure.saying(
        f"Confusion of {n_actions} {what}s: {right} of {total} right "
        f"({100 * accuracy:.1f} %){worst}."
    )
