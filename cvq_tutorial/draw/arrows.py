"""Causal graphs as arrows: between nodes on a circle, and over the image.

One convention everywhere: `graph[i, j]` is the probability that node i is a cause of node j. Row =
cause, column = effect, and an arrow points from the cause to the effect. Every figure says so,
names its threshold and says how many of the edges it shows. Positions are a function of the node
numbers alone, so two graphs can be compared by looking.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Patch, Rectangle
from matplotlib.path import Path
from matplotlib.patheffects import Normal, withStroke
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import (
    EDGE_AT,
    as_graph,
    as_marks,
    as_probabilities,
    check_grid,
    check_threshold,
)
from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.draw.parts import box, edges_shown, key, labels_of, names_of, one_image
from cvq_tutorial.draw.style import BLUE, GREEN, GREY, INK, ORANGE, ORIENTATION, Picture, styled

DASHES = (0, (3.2, 1.6))
DOTS = (0, (1, 1.2))
SET_COLOR = "#f6d57a"
PALE = 0.3  # how much white is mixed into an image under arrows


# Arrows ------------------------------------------------------------------------------------------


def add_arrow(
    axes: Axes, start: Any, end: Any, style: dict[str, Any], bend: float = 0.12, **ends: Any
) -> None:
    """An arrow from cause to effect.

    bend: to the right of the way if positive, as a share of its length.  ends: patches of nodes
    where it is clipped, and how many points short of them or of the middles it ends.
    """
    way = f"arc3,rad={bend}"
    arrow = FancyArrowPatch(tuple(start), tuple(end), connectionstyle=way, **ends, **style)
    # Where it meets its nodes is slow to find: only when it is drawn, not for limits and layout.
    arrow.set_in_layout(False)
    axes.add_artist(arrow)


def _loop(
    axes: Axes, at: NDArray, outward: NDArray, size: tuple[float, float], start: float,
    style: dict[str, Any],
) -> None:  # fmt: skip
    """An arrow from a node to itself: an arc on the side `outward` (a unit vector) of its centre.

    size: (reach, half width) of the arc; start: distance from the centre where it begins and ends.
    """
    side = np.array([-outward[1], outward[0]])
    reach, half = size
    foot = 0.55 * min(start, half)
    points = [
        at + start * outward + foot * side,
        at + reach * outward + half * side,
        at + reach * outward - half * side,
        at + start * outward - foot * side,
    ]
    path = Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    patch = FancyArrowPatch(path=path, **style)
    patch.set_gid("self-loop")
    axes.add_patch(patch)


def _free_direction(at: NDArray, others: NDArray) -> NDArray[np.float64]:
    """Of 16 directions the one farthest from those to the others; up where all are alike."""
    angles = np.arange(16) * np.pi / 8 - np.pi / 2
    if not len(others):
        return np.array([0.0, -1.0])
    taken = np.arctan2(others[:, 1] - at[1], others[:, 0] - at[0])
    apart = np.cos(angles[:, None] - taken[None, :]).max(axis=1).round(6)
    best = angles[np.argmin(apart)]
    return np.array([np.cos(best), np.sin(best)])


def _name_cells(axes: Axes, codes: Sequence[str], columns: int, cell: float) -> None:
    """Codes and names v0, v1, ... in cells of a side in points, over arrows, if there is room."""
    halo = [withStroke(linewidth=3, foreground="white"), Normal()]
    look: dict[str, Any] = {"color": INK, "zorder": 7, "path_effects": halo}
    for n, code in enumerate(codes):
        x, y = n % columns, n // columns
        if (size := min(0.44, 0.8 / len(code)) * cell) >= 5:
            axes.text(x, y, code, fontsize=size, ha="center", va="center_baseline", **look)
        if (size := 0.17 * cell) >= 5:
            axes.text(x - 0.42, y - 0.42, f"v{n}", fontsize=size, ha="left", va="top", **look)


def checked_graph(
    graph: Any, names: Sequence[str] | None, threshold: float, top_k: int, set_nodes: Any
) -> tuple[NDArray[np.float64], float, tuple[str, ...], NDArray[np.bool_]]:
    """What all figures of arrows take: the matrix, the threshold, names, which nodes are set."""
    matrix, limit = as_graph(graph), check_threshold(threshold)
    labels = labels_of(names_of(graph, names), len(matrix), "names")
    is_set = as_marks(set_nodes, len(matrix), "set_nodes")
    whole_number("top_k", top_k)
    return matrix, limit, labels, is_set


def likeliest(matrix: NDArray[np.float64], which: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(E, 2) the marked edges, likeliest first."""
    order = np.argsort(-np.where(which, matrix, -1.0), axis=None, kind="stable")[: which.sum()]
    return np.stack(np.unravel_index(order, matrix.shape), axis=1)


def line_style(color: str, strength: float, dashes: Any = "-", size: float = 1.0) -> dict[str, Any]:
    """The look of an arrow; `strength` in [0, 1] sets width and opacity, `size` scales it all."""
    width = size * (1.1 + 1.5 * strength)
    return {
        "arrowstyle": "-|>,head_length=0.5,head_width=0.24",
        "mutation_scale": size * (9 + 4 * strength),
        "color": color,
        "alpha": 0.5 + 0.5 * strength,
        "linewidth": width,
        "linestyle": dashes,
        "joinstyle": "miter",
        "path_effects": [
            withStroke(linewidth=width + 1.8 * size, foreground="white", alpha=0.8),
            Normal(),
        ],
        "zorder": 3,
    }


def strength_of(probability: float, limit: float) -> float:
    """0 at the limit from which an edge is drawn, 1 at a probability of 1."""
    return (probability - limit) / (1 - limit) if limit < 1 else 1.0


MARGIN = 0.6  # of a cell around an image under arrows: room for a loop on the border


def size_over(grid: Sequence[int], of_codes: bool) -> tuple[float, float]:
    """Inches of the figure of `graph_over_image`; one of codes is no larger than its cells need."""
    if not of_codes:
        return 6.0, 6.4
    rows, columns = grid
    wide = min(6.0, 1.2 + 0.95 * columns)
    return wide, 1.2 + (rows + 2 * MARGIN) * 0.95 * wide / (columns + 2 * MARGIN)


@styled
def graph_over_image(
    image: Any,
    graph: Any,
    grid: Sequence[int],
    node: int,
    threshold: float = EDGE_AT,
    top_k: int = 8,
    *,
    set_nodes: Any = None,
    title: str | None = None,
    codes: Sequence[str] | None = None,
) -> Picture:
    """The causes and the effects of one node as arrows over the image.

    image: one image, float (3, H, W) in [0, 1] or uint8 (H, W, 3) (a batch of one is taken too).
    graph: (N, N) probabilities, row = cause, or a DiGraph.
    grid: (rows, columns) of the code map, rows x columns = N; node: in 0..N-1.
    threshold: in (0, 1]; top_k: at most so many causes, and so many effects, the likeliest.
    set_nodes: booleans (N,), nodes that the action sets; no edge is drawn into another node: it
        is copied and has no causes.
    codes: of a world without images: N texts for the cells. Then nodes are variables v0, v1, ...
    Causes are solid arrows into the node, effects dashed arrows out of it, the own edge is an arc;
    likelier is wider.
    """
    matrix, limit, _, is_set = checked_graph(graph, None, threshold, top_k, set_nodes)
    n_nodes = len(matrix)
    rows, columns = check_grid(grid, n_nodes)
    whole_number("node", node, 0, n_nodes - 1)
    picture = one_image(image)

    matrix = np.where(is_set[None, :], matrix, 0.0)
    others = np.arange(n_nodes) != node
    chosen = {}
    for role, row in (("causes", matrix[:, node]), ("effects", matrix[node])):
        found = np.flatnonzero((row >= limit) & others)
        best = found[np.argsort(-row[found], kind="stable")][:top_k]
        chosen[role] = (best, row[best], len(found))
    own = matrix[node, node] >= limit

    wide, high = size_over((rows, columns), codes is not None)
    figure = Picture(wide, high)
    axes = figure.add_subplot()
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    axes.imshow(PALE + (1 - PALE) * picture, extent=extent)  # paler, for the arrows to stand out
    faint: dict[str, Any] = {"color": "white", "alpha": 0.45, "linewidth": 0.6}
    for edge in np.arange(columns - 1) + 0.5:
        axes.plot([edge, edge], [-0.5, rows - 0.5], **faint)
    for edge in np.arange(rows - 1) + 0.5:
        axes.plot([-0.5, columns - 0.5], [edge, edge], **faint)

    def place(n: int) -> NDArray[np.float64]:
        return np.array([n % columns, n // columns], dtype=float)

    here = place(node)
    outline = Rectangle(tuple(here - 0.5), 1, 1, fill=False, color=INK, lw=1.8, zorder=6)
    box(axes, here[0] - 0.5, here[1] - 0.5, 1, 1, fill=False, color="white", lw=4.2, zorder=5)
    axes.add_patch(outline)
    cell = wide * 62 / (columns + 2 * MARGIN)  # its side in points, about
    border: Rectangle | None = outline
    near, gap, disc, aside = 1.5, 3.0, 4.5, np.zeros(2)
    if codes is not None:  # arrows and marks leave the middle of a cell to its code
        border, disc, aside = None, 7.0, np.array([0.38, -0.38])
        near = gap = 0.3 * cell
    (causes, likely, n_causes), (effects, likely_too, n_effects) = chosen.values()
    for n, probability in zip(causes, likely, strict=True):
        style = line_style(BLUE, strength_of(probability, limit))
        add_arrow(axes, place(n), here, style, shrinkA=gap, patchB=border, shrinkB=near)
        axes.plot(*place(n) + aside, "o", color=BLUE, markersize=disc, mec="white", zorder=4)
    for n, probability in zip(effects, likely_too, strict=True):
        style = line_style(ORANGE, strength_of(probability, limit), DASHES)
        add_arrow(axes, here, place(n), style, patchA=border, shrinkA=near, shrinkB=gap)
        axes.plot(*place(n) + aside, "s", color=ORANGE, markersize=7, mec="white", zorder=2)
    if own:
        others = np.array([place(n) for n in (*causes, *effects)])
        style = line_style(GREEN, strength_of(matrix[node, node], limit))
        _loop(axes, here, _free_direction(here, others), (1.15, 0.55), 0.56, style)
    axes.set_xlim(-0.5 - MARGIN, columns - 0.5 + MARGIN)
    axes.set_ylim(rows - 0.5 + MARGIN, -0.5 - MARGIN)
    axes.set_axis_off()
    if codes is not None:
        _name_cells(axes, codes, columns, cell)

    shown, total = len(causes) + len(effects) + int(own), n_causes + n_effects + int(own)
    note = edges_shown(shown, total, limit)
    at = f"node {node} = (row {node // columns}, column {node % columns})"
    at = at if codes is None else f"v{node} = {codes[node]}"
    heading = title or f"Causes and effects of {at.split(' = ')[0]}"
    figure.suptitle(heading)
    if set_nodes is not None:
        at += ", set by the action" if is_set[node] else ", not set by the action"
    axes.set_title(f"{at}; graph: {ORIENTATION}\n{note}", fontsize=8)
    into = key(f"causes, arrow in: {len(causes)} of {n_causes}", color=BLUE, marker="o")
    out = key(f"effects, arrow out: {len(effects)} of {n_effects}", color=ORANGE, marker="s")
    out.set_linestyle(DASHES)
    loop = key(f"own edge: {'yes' if own else 'no'}", color=GREEN)
    figure.legend_below([into, out, loop], ncols=3 if wide > 5.4 else 2, handlelength=2.6)
    return figure.saying(
        f"{heading}, {at}: {n_causes} causes, {n_effects} effects and {'an' if own else 'no'} own "
        f"edge; {note} ({ORIENTATION})."
    )


@styled
def graph_arrows(
    graph: Any,
    names: Sequence[str] | None = None,
    threshold: float = EDGE_AT,
    top_k: int = 100,
    *,
    truth: Any = None,
    set_nodes: Any = None,
    title: str = "Graph",
) -> Picture:
    """A graph as arrows from cause to effect, nodes on a circle: 0 on top, then clockwise.

    graph: (N, N) probabilities, or a DiGraph; names: N node names, the numbers 0..N-1 if None.
    threshold: in (0, 1]; top_k: at most so many arrows, the likeliest first.
    truth: booleans (N, N) or None; with it, edges are right (solid), extra (dashed) or missed
        (dotted).
    set_nodes: booleans (N,) or None; only edges into these nodes are drawn, and they are filled.
    """
    matrix, limit, labels, is_set = checked_graph(graph, names, threshold, top_k, set_nodes)
    n_nodes = len(matrix)
    known = None
    if truth is not None:
        known = as_probabilities(truth, "truth", (n_nodes, n_nodes)) > 0
        known &= is_set[None, :]
    found = (matrix >= limit) & is_set[None, :]
    drawn = found if known is None else found | known
    edges = likeliest(matrix, drawn)[:top_k]

    figure = Picture(6.4, 7.0, title)
    axes = figure.add_subplot()
    around = nx.circular_layout(range(n_nodes))  # depends on the number of nodes only
    spots = np.array([around[n][::-1] for n in range(n_nodes)])  # turned: node 0 on top, clockwise
    if n_nodes == 1:
        spots = np.array([[0.0, 1.0]])
    spacing = 2 * np.pi / max(n_nodes, 3)
    radius = min(0.11, 0.4 * spacing)
    loop = (radius + 0.24, min(0.26, 0.85 * spacing))
    has_loop = any(i == j for i, j in edges)
    fills = np.where(is_set & (set_nodes is not None), SET_COLOR, "#f2f2f2")
    discs = [
        axes.add_patch(Circle(tuple(spot), radius, fc=fill, ec=INK, linewidth=1.0, zorder=4))
        for spot, fill in zip(spots, fills, strict=True)
    ]

    looks: dict[str, Any] = {
        "right": (BLUE, "-"),
        "extra": (ORANGE, DASHES),
        "missed": (GREY, DOTS),
    }
    for i, j in edges[::-1]:  # likeliest last, on top
        role = "missed" if not found[i, j] else "right" if known is None or known[i, j] else "extra"
        strength = 0.5 if role == "missed" else strength_of(matrix[i, j], limit)
        color, dashes = looks[role]
        style = line_style(color, strength, dashes)
        if i == j:
            _loop(axes, spots[i], spots[i], loop, 0.92 * radius, style)
        else:
            # Towards the middle, else the tail of one arrow can meet the head of another, which
            # then looks double; there and back keep to their right, each on a side of its own.
            right = (spots[j] - spots[i])[::-1] * (1, -1)
            inward = drawn[j, i] or right @ (spots[i] + spots[j]) <= 1e-9
            bend = 0.12 if inward else -0.12
            ends: dict[str, Any] = {"patchA": discs[i], "patchB": discs[j]}
            add_arrow(axes, spots[i], spots[j], style, bend, shrinkA=1.5, shrinkB=1.5, **ends)

    reach = 1 + (0.75 * loop[0] + 0.25 * radius + 0.05 if has_loop else radius + 0.03)
    longest = max(map(len, labels))
    within = radius > 0.06 and longest <= 3  # the names fit into the discs
    for (x, y), text in zip(spots, labels, strict=True):
        look: dict[str, Any] = {"ha": "center", "fontsize": 9}
        if not within:
            x, y, left = x * reach, y * reach, x < -1e-9
            look = {"ha": "right" if left else "left", "fontsize": 8 if n_nodes <= 32 else 6.5}
            look["rotation"] = np.degrees(np.arctan2(y, x)) + (180 if left else 0)
        axes.text(x, y, text, va="center", rotation_mode="anchor", zorder=6, **look)
    reach += 0 if within else 0.02 + 0.038 * longest
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set_axis_off()

    total = int(drawn.sum())
    loops = int((drawn & np.eye(n_nodes, dtype=bool)).sum())
    handles: list[Any] = [key(f"cause -> effect: {total}", color=BLUE)]
    against = ""
    if known is not None:
        cells = {"right": found & known, "extra": found & ~known, "missed": known & ~found}
        counts = {role: int(which.sum()) for role, which in cells.items()}
        handles = [
            key(f"{role}: {n}", color=looks[role][0], linestyle=looks[role][1], linewidth=2)
            for role, n in counts.items()
        ]
        against = "; against the truth " + ", ".join(f"{n} {role}" for role, n in counts.items())
    arc: dict[str, Any] = {"marker": r"$\circlearrowleft$", "markersize": 10, "color": "none"}
    handles.append(key(f"self-loops: {loops}", markerfacecolor=INK, **arc))
    if set_nodes is not None:
        handles.append(Patch(facecolor=SET_COLOR, edgecolor=INK, label="set by the action"))
    note = edges_shown(len(edges), total, limit)
    axes.set_title(f"arrow from cause to effect; in the matrix {ORIENTATION}\n{note}", fontsize=8)
    figure.legend_below(handles, ncols=len(handles), handlelength=2.4)
    return figure.saying(
        f"{title}: arrows from cause to effect ({ORIENTATION}) between {n_nodes} nodes; {note}; "
        f"{loops} self-loops{against}."
    )
