"""A causal graph as arrows in layers: causes at the left, what depends on them further right.

The layers are the depth of the graph once a few edges are taken out that close its cycles; those
are drawn too, dashed, from right to left. Within a layer the nodes are put where their arrows cross
least, and an arrow over several layers runs between the nodes, not through them (the method of
Sugiyama, Tagawa and Toda 1981). Everything is counted, nothing is drawn at random: the same graph
gives the same picture, whatever the order in which its edges came.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch
from matplotlib.path import Path
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from cvq_tutorial.common.arrays import EDGE_AT
from cvq_tutorial.draw.arrows import (
    DASHES,
    SET_COLOR,
    checked_graph,
    likeliest,
    line_style,
    strength_of,
)
from cvq_tutorial.draw.parts import edges_shown, key
from cvq_tutorial.draw.style import BLUE, GREEN, INK, ORANGE, ORIENTATION, Picture, styled
from cvq_tutorial.graphs import paths as graph_paths

MOST_LAYERS = 14  # that fit beside each other
SWEEPS = 12
TURN = 0.3  # height that an arrow on its way between nodes takes, where a node takes 1


@dataclass(frozen=True)
class Layers:
    """Where the nodes and the arrows go.

    depth: (N,) layer of each node.  height: (N,) vertical place, downwards, 1 apart at least.
    closing: (N, N) edges that are drawn from right to left.
    routes: edge -> its (layer, height) from cause to effect, turning points included.
    """

    depth: NDArray[np.int64]
    height: NDArray[np.float64]
    closing: NDArray[np.bool_]
    routes: dict[tuple[int, int], list[tuple[float, float]]]


def layers_of(present: NDArray[np.bool_]) -> Layers:
    """Lay out a graph, booleans (N, N), row = cause; own edges are left to the drawing."""
    n_nodes = len(present)
    closing = graph_paths.closing(present)
    right = (present & ~closing) | (present & closing).T  # every edge from left to right
    np.fill_diagonal(right, False)
    depth = graph_paths.depth(right)
    layers: list[list[int]] = [np.flatnonzero(depth == d).tolist() for d in range(depth.max() + 1)]
    links: list[list[tuple[int, int]]] = [[] for _ in layers[1:]]  # between layer d and d + 1
    chains: dict[tuple[int, int], list[int]] = {}
    next_turn = n_nodes
    for i, j in np.argwhere(right).tolist():
        passed = range(depth[i] + 1, depth[j])
        for turn, d in enumerate(passed, start=next_turn):
            layers[d].append(turn)
        chains[i, j] = [i, *range(next_turn, next_turn + len(passed)), j]
        next_turn += len(passed)
        for d, pair in enumerate(pairwise(chains[i, j]), start=int(depth[i])):
            links[d].append(pair)
    layers = _untangled(layers, links)
    height = _heights(layers, links, n_nodes)
    routes = {}
    for (i, j), chain in chains.items():
        points = [(float(depth[i] + step), height[item]) for step, item in enumerate(chain)]
        if present[i, j] and not closing[i, j]:
            routes[i, j] = points
        if present[j, i] and closing[j, i]:
            routes[j, i] = points[::-1]
    return Layers(depth, np.array([height[n] for n in range(n_nodes)]), closing, routes)


def _untangled(layers: list[list[int]], links: list[list[tuple[int, int]]]) -> list[list[int]]:
    """The order in each layer with the fewest crossings that sweeping to and fro finds."""
    best, fewest = layers, _crossings(layers, links)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        layers = [list(layer) for layer in layers]
        down = sweep % 2 == 0
        for d in range(1, len(layers)) if down else range(len(layers) - 2, -1, -1):
            fixed = layers[d - 1] if down else layers[d + 1]
            place = {item: p for p, item in enumerate(fixed)}
            ends: dict[int, list[int]] = {item: [] for item in layers[d]}
            for a, b in links[d - 1] if down else links[d]:
                moved, anchor = (b, a) if down else (a, b)
                ends[moved].append(place[anchor])
            spot = {item: np.mean(ends[item] or [p]) for p, item in enumerate(layers[d])}
            layers[d] = sorted(layers[d], key=lambda item: spot[item])
        crossings = _crossings(layers, links)
        if crossings < fewest:
            best, fewest = layers, crossings
    return best


def _crossings(layers: list[list[int]], links: list[list[tuple[int, int]]]) -> int:
    total = 0
    for d, pairs in enumerate(links):
        left = {item: p for p, item in enumerate(layers[d])}
        right = {item: p for p, item in enumerate(layers[d + 1])}
        ends = np.array([(left[a], right[b]) for a, b in pairs]).reshape(-1, 2)
        order = ends[:, None] - ends[None, :]  # (E, E, 2)
        total += int((order[..., 0] * order[..., 1] < 0).sum()) // 2
    return total


def _heights(
    layers: list[list[int]], links: list[list[tuple[int, int]]], n_nodes: int
) -> dict[int, float]:
    """A height for each item: near the mean of what it is linked with, in order, well apart."""
    near: dict[int, list[int]] = {item: [] for layer in layers for item in layer}
    for pairs in links:
        for a, b in pairs:
            near[a].append(b)
            near[b].append(a)
    offsets = []
    for layer in layers:
        room = np.array([1.0 if item < n_nodes else TURN for item in layer])
        offsets.append(np.concatenate([[0.0], np.cumsum((room[1:] + room[:-1]) / 2)]))
    height: dict[int, float] = {}
    for layer, offset in zip(layers, offsets, strict=True):
        height |= zip(layer, (offset - offset[-1] / 2).tolist(), strict=True)
    for _ in range(SWEEPS):
        for layer, offset in zip(layers, offsets, strict=True):
            wish = np.array([np.mean([height[n] for n in near[item] or [item]]) for item in layer])
            height |= zip(layer, (_increasing(wish - offset) + offset).tolist(), strict=True)
    return height


def _increasing(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest numbers, in least squares, that never fall."""
    return isotonic_regression(values).x


# The picture -------------------------------------------------------------------------------------


@styled
def graph_layers(
    graph: Any,
    names: Sequence[str] | None = None,
    threshold: float = EDGE_AT,
    top_k: int = 40,
    *,
    set_nodes: Any = None,
    title: str = "Graph",
) -> Picture:
    """A graph as arrows in layers by depth, from causes at the left to effects at the right.

    graph: (N, N) probabilities, a DiGraph, or a CausalGraph (names and set nodes are known then).
    threshold: in (0, 1]; top_k: at most so many arrows, the likeliest first.
    names: N node names.  set_nodes: booleans (N,), nodes that the action sets, filled; only edges
        into these are drawn.
    Of a graph that is deeper than 14 layers, only as many edges are drawn as make 14. Nodes without
    a drawn edge are left out and counted. Edges that close a cycle are dashed and run
    from right to left; a node on a cycle has a thick border; an own edge is an arc.
    """
    if set_nodes is None and getattr(graph, "set_by", None) is not None:
        set_nodes = graph.set_nodes
    matrix, limit, labels, is_set = checked_graph(graph, names, threshold, top_k, set_nodes)
    n_nodes = len(matrix)
    found = (matrix >= limit) & is_set[None, :]
    order = likeliest(matrix, found)
    for shown in _fewer(min(top_k, len(order))):
        chosen = np.zeros_like(found)
        chosen[tuple(order[:shown].T)] = True
        kept = np.flatnonzero(chosen.any(0) | chosen.any(1))
        if not len(kept):
            kept = np.arange(min(n_nodes, 20))
        edges = chosen[np.ix_(kept, kept)]
        layout = layers_of(edges)
        if layout.depth.max() < MOST_LAYERS:
            break
    knot = graph_paths.knots(edges) >= 0

    figure = Picture(9.0, 5.6, title)
    axes = figure.add_subplot()
    sheet = _Sheet(axes, layout, [labels[n] for n in kept])
    marked = set_nodes is not None
    for n in range(len(kept)):
        fill = SET_COLOR if marked and is_set[kept[n]] else "#f2f2f2"
        sheet.box(n, fill, 2.4 if knot[n] else 0.9)
    size = float(np.clip((60 / max(1, shown)) ** 0.5, 0.4, 1.0))  # of the arrows
    near = matrix[np.ix_(kept, kept)]
    for i, j in sorted(np.argwhere(edges).tolist(), key=lambda e: (near[tuple(e)], e)):
        strength = strength_of(near[i, j], limit)  # likeliest last, on top
        if i == j:
            sheet.loop(i, line_style(GREEN, strength, size=size))
        elif layout.closing[i, j]:
            sheet.arrow(i, j, line_style(ORANGE, strength, DASHES, size))
        else:
            sheet.arrow(i, j, line_style(BLUE, strength, size=size))

    loops, back = int(np.trace(edges)), int((edges & layout.closing).sum())
    total = int(found.sum())
    note = edges_shown(shown, total, limit)
    if shown < min(top_k, total):
        note += f" (more would make over {MOST_LAYERS} layers)"
    away = n_nodes - len(kept)
    left_out = f"; {away} of {n_nodes} nodes without a drawn edge are left out" if away else ""
    axes.set_title(
        f"arrow from cause to effect; in the matrix {ORIENTATION}\n{note}{left_out}", fontsize=8
    )
    handles: list[Any] = [
        key(f"cause -> effect: {shown - loops - back}", color=BLUE, lw=2),
        key(f"closes a cycle: {back}", color=ORANGE, lw=2, linestyle=DASHES),
        key(f"own edge (arc): {loops}", color=GREEN, lw=2),
        Patch(facecolor="#f2f2f2", edgecolor=INK, lw=2.4, label=f"on a cycle: {knot.sum()} nodes"),
    ]
    if marked:
        handles.append(Patch(facecolor=SET_COLOR, edgecolor=INK, label="set by the action"))
    figure.legend_below(handles, ncols=len(handles), handlelength=2.2)
    return figure.saying(
        f"{title}: arrows from cause to effect ({ORIENTATION}) in {layout.depth.max() + 1} layers "
        f"by depth; {note}{left_out}; {back} edges close a cycle, {knot.sum()} nodes are on one, "
        f"{loops} self-loops."
    )


def _wrapped(text: str, width: int, lines: int) -> str:
    """The text in lines of at most `width` letters, cut if it needs more lines."""
    if len(text) <= width:
        return text
    if lines == 1 or width < 6:  # the ends tell names apart
        start = max(0, (width - 2) // 2)
        return text[:start] + ".." + text[start - width + 2 :] if width > 2 else text[-width:]
    return textwrap.fill(text, width, max_lines=lines, placeholder="..", break_on_hyphens=False)


def _fewer(k: int) -> Iterator[int]:
    """k, and then fewer and fewer, down to 0."""
    while k > 0:
        yield k
        k -= max(1, k // 8)
    yield 0


class _Sheet:
    """Boxes and arrows of a layout on axes whose units are inches; y runs downwards."""

    WIDTH, HEIGHT = 8.6, 4.3

    def __init__(self, axes: Axes, layout: Layers, labels: list[str]) -> None:
        self.axes, self.layout = axes, layout
        turns = [y for route in layout.routes.values() for _, y in route]
        heights = np.array([*layout.height, *turns])
        middle, spread = (heights.max() + heights.min()) / 2, np.ptp(heights)
        self.step = min(0.72, self.HEIGHT / (spread + 1))  # inches between boxes of a layer
        self.tall = 0.56 * self.step
        n_layers = int(layout.depth.max()) + 1
        self.font = float(np.clip(self.tall * 45, 3, min(9, 100 / n_layers)))
        letter = 0.0091 * self.font  # inches of one letter
        lines = 2 if 72 * self.tall > 2.4 * self.font else 1
        room = (self.WIDTH * 0.72 - 0.14 * n_layers) / letter  # letters, over all layers
        for width in range(max(map(len, labels)), 0, -1):  # the widest labels that fit
            self.labels = [_wrapped(text, width, lines) for text in labels]
            longest = np.zeros(n_layers, dtype=int)
            widest = [max(map(len, text.split("\n"))) for text in self.labels]
            np.maximum.at(longest, layout.depth, widest)
            if longest.sum() <= room:
                break
        self.wide = np.maximum(0.14 + letter * longest, 0.8 * self.tall)  # of the boxes
        free = self.WIDTH - self.wide.sum()
        self.gap = min(1.9, free / max(1, n_layers - 1))
        starts = np.cumsum([0.0, *(self.wide[:-1] + self.gap)])
        self.centre = starts + self.wide / 2 - (starts[-1] + self.wide[-1]) / 2
        self.y = lambda height: (height - middle) * self.step
        axes.set_xlim(-self.WIDTH / 2 - 0.1, self.WIDTH / 2 + 0.1)
        axes.set_ylim(self.HEIGHT / 2, -self.HEIGHT / 2 - 0.1)
        axes.set_axis_off()
        self.ports = self._ports()

    def _ports(self) -> dict[tuple[int, int], tuple[float, float]]:
        """For each edge how far from the middle of their boxes it starts and ends, in inches.

        The arrows on one side of a box stand in the order of what they come from or go to.
        """
        sides: dict[tuple[int, str], list[tuple[float, tuple[int, int], int]]] = {}
        for edge, route in self.layout.routes.items():
            forward = route[0][0] < route[-1][0]
            out, into = ("right", "left") if forward else ("left", "right")
            sides.setdefault((edge[0], out), []).append((route[1][1], edge, 0))
            sides.setdefault((edge[1], into), []).append((route[-2][1], edge, 1))
        ports = {edge: [0.0, 0.0] for edge in self.layout.routes}
        for ends in sides.values():
            room = min(0.7 * self.tall, 0.09 * (len(ends) - 1))
            for place, (_, edge, end) in zip(
                np.linspace(-room / 2, room / 2, len(ends)), sorted(ends), strict=True
            ):
                ports[edge][end] = float(place) if len(ends) > 1 else 0.0
        return {edge: (start, end) for edge, (start, end) in ports.items()}

    def box(self, n: int, fill: str, border: float) -> None:
        layer = self.layout.depth[n]
        x, y = self.centre[layer], self.y(self.layout.height[n])
        wide = self.wide[layer]
        round_ = f"round,pad=0,rounding_size={0.3 * self.tall}"
        look: dict[str, Any] = {"fc": fill, "ec": INK, "lw": border, "zorder": 5}
        corner = (x - wide / 2, y - self.tall / 2)
        self.axes.add_patch(FancyBboxPatch(corner, wide, self.tall, boxstyle=round_, **look))
        look = {"ha": "center", "va": "center", "linespacing": 1.0, "zorder": 6}
        self.axes.text(x, y, self.labels[n], fontsize=self.font, **look)

    def arrow(self, i: int, j: int, style: dict[str, Any]) -> None:
        """A curve from the side of one box to the side of the other, level where it turns."""
        route = self.layout.routes[i, j]
        ahead = 1 if route[0][0] < route[-1][0] else -1
        start, end = self.ports[i, j]
        points = []
        for place, (layer, height) in enumerate(route):
            x, y, half = self.centre[int(layer)], self.y(height), self.wide[int(layer)] / 2
            if place == 0:
                points.append((x + ahead * half, y + start))
            elif place == len(route) - 1:
                points.append((x - ahead * (half + 0.02), y + end))
            else:  # straight past the boxes of this layer
                points += [(x - ahead * half, y), (x + ahead * half, y)]
        vertices, codes = [points[0]], [Path.MOVETO]
        for (x0, y0), (x1, y1) in pairwise(points):
            bend = 0.5 * (x1 - x0)
            vertices += [(x0 + bend, y0), (x1 - bend, y1), (x1, y1)]
            codes += [Path.CURVE4] * 3
        self.axes.add_artist(FancyArrowPatch(path=Path(vertices, codes), **style))

    def loop(self, n: int, style: dict[str, Any]) -> None:
        """An arc over the box."""
        layer = self.layout.depth[n]
        x, y = self.centre[layer], self.y(self.layout.height[n]) - self.tall / 2
        side, reach = min(0.14, 0.4 * self.wide[layer]), 0.9 * (self.step - self.tall)
        points = [(x - side / 2, y), (x - 1.4 * side, y - reach), (x + 1.4 * side, y - reach)]
        path = Path([*points, (x + side / 2, y)], [Path.MOVETO] + [Path.CURVE4] * 3)
        style |= {"mutation_scale": min(style["mutation_scale"], 18 * self.step)}
        patch = FancyArrowPatch(path=path, **style)
        patch.set_gid("self-loop")
        self.axes.add_patch(patch)
