"""Mask and graph of one action while they are learned: as an animation, and as a strip on paper."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.draw.effects import mask_over, paled
from cvq_tutorial.draw.heatmaps import along_axes, threshold_ramp
from cvq_tutorial.draw.parts import edges_shown, one_image, row_label, tile
from cvq_tutorial.draw.style import BLUE, INK, ORANGE, ORIENTATION, Picture, label, png, styled
from cvq_tutorial.graphs.graph import CausalGraph

Snapshots = Sequence[tuple[int, CausalGraph]]
LAST = 1.8  # seconds that the last frame stays


@dataclass(frozen=True)
class Animation:
    """An animated GIF with a one-line `summary`; a notebook plays it."""

    gif: bytes
    summary: str

    def save(self, path: str | Path) -> Path:
        """Write it, whole or not at all; ValueError for a name that does not end in .gif."""
        if Path(path).suffix.lower() != ".gif":
            raise ValueError(f"an animation is saved as .gif, found {Path(path).name!r}")
        return write_atomic(path, self.gif)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"image/gif": base64.b64encode(self.gif).decode(), "text/plain": self.summary}


def _checked(snapshots: Snapshots) -> list[tuple[int, CausalGraph]]:
    taken = list(snapshots)
    if not taken:
        raise ValueError("expected at least one snapshot, found none")
    for (before, _), (step, _) in pairwise(taken):
        if step <= before:
            told = f"found {step} after {before}"
            raise ValueError(f"snapshots must stand in the order of steps, {told}")
    n_nodes = taken[0][1].n_nodes
    for _, graph in taken:
        if graph.n_nodes != n_nodes:
            raise ValueError(f"expected graphs of {n_nodes} nodes, found {graph.n_nodes}")
        if graph.set_by is None:
            raise ValueError("the graph of a snapshot needs set_by, the mask; found None")
    return taken


def _ground(image: Any, graph: CausalGraph) -> NDArray[np.float64] | None:
    """(H, W, 3) what the mask is drawn on: the image in pale greys, else paper; None: no places."""
    if graph.grid is None:
        if image is not None:
            raise ValueError("nodes without a grid cannot be drawn over an image")
        return None
    if image is None:
        rows, columns = graph.grid
        return np.full((8 * rows, 8 * columns, 3), 0.97)
    return paled(one_image(image))


def _mask(axes: Axes, graph: CausalGraph, ground: NDArray[np.float64]) -> None:
    """The mask on the grid; the largest of several codebooks."""
    assert graph.grid is not None and graph.set_by is not None
    cells = graph.set_by.reshape(graph.codebooks, *graph.grid).max(axis=0)  # (rows, columns)
    mask_over(axes, ground, cells)


def _matrix(axes: Axes, graph: CausalGraph, limit: float) -> Any:
    """Edges into set nodes, the columns of the others grey; without a grid, the mask around it."""
    copied = np.broadcast_to(~graph.set_nodes, graph.edges.shape)
    shown = np.ma.masked_array(graph.edges, mask=copied)
    if graph.grid is None and graph.set_by is not None:
        along_axes(axes, graph.set_by)
    colors = threshold_ramp(limit).with_extremes(bad="#e6e6e6")
    return tile(axes, shown, vmin=0, vmax=1, cmap=colors, interpolation="nearest")


def _counted(graph: CausalGraph) -> tuple[int, int]:
    """Nodes that are set, and edges into them."""
    return int(graph.set_nodes.sum()), int(graph.present[:, graph.set_nodes].sum())


def _ends(taken: Snapshots) -> str:
    (before, start), (after, end) = taken[0], taken[-1]
    (n_set, edges), (set_after, edges_after) = _counted(start), _counted(end)
    first = f"from step {before} with {n_set} nodes set and {edges} edges into them"
    return f"{first} to step {after} with {set_after} and {edges_after}"


def _heading(title: str | None, graph: CausalGraph) -> str:
    return title or f"Learning {label(graph.action or 'a graph')}"


@styled
def training_strip(
    snapshots: Snapshots, image: Any = None, *, limit: int = 6, title: str | None = None
) -> Picture:
    """Mask and graph at some steps of training, side by side.

    snapshots: (step, graph) in the order of steps; the graphs are of one action, on the same
        inputs, and have `set_by`.
    image: one image to draw the mask over, if the graphs have a grid.
    limit: at most so many columns, evenly chosen, the first and the last among them.
    """
    taken = _checked(snapshots)
    number = min(whole_number("limit", limit), len(taken))
    picked = [taken[k] for k in np.linspace(len(taken) - 1, 0, number).round().astype(int)[::-1]]
    last = taken[-1][1]
    ground = _ground(image, last)
    rows = 1 if ground is None else 2
    figure = Picture(max(5.0, 1.4 + 1.75 * number), 1.3 + 1.85 * rows)
    axes = figure.subplots(rows, number, squeeze=False)
    for column, (step, graph) in enumerate(picked):
        n_set, edges = _counted(graph)
        if ground is not None:
            _mask(axes[0, column], graph, ground)
            axes[0, column].set_xlabel(f"{n_set} of {graph.n_nodes} nodes set", fontsize=7.5)
        heat = _matrix(axes[-1, column], graph, last.limit)
        axes[-1, column].set_xlabel(f"{edges} edges", fontsize=7.5)
        axes[0, column].set_title(f"step {step}", fontsize=8.5, pad=5 if rows == 2 else 9)
    if ground is not None:
        row_label(axes[0, 0], "mask")
    row_label(axes[-1, 0], "graph")
    look: dict[str, Any] = {"shrink": 0.85, "aspect": 12, "ticks": [0, last.limit, 1]}
    figure.colorbar(heat, ax=axes[-1, :], label="probability", **look)
    told = edges_shown(edges, edges, last.limit)
    figure.suptitle(_heading(title, last))
    amber = "" if ground is not None else ", amber: probability that it is"
    note = f"graph: {ORIENTATION}; grey: not set{amber}\nat the end {told}"
    figure.supxlabel(note, fontsize=8, color=INK)
    return figure.saying(
        f"{_heading(title, last)}: {number} of {len(taken)} snapshots ({ORIENTATION}), "
        f"{_ends(taken)}; {told}."
    )


@styled
def training_animation(
    snapshots: Snapshots,
    image: Any = None,
    *,
    seconds: float = 6.0,
    title: str | None = None,
    dpi: int = 90,
) -> Animation:
    """Mask and graph through training as an animated GIF, for ever from the start.

    snapshots, image: as `training_strip` takes them.  seconds: of one round, the last frame aside.
    dpi: dots per inch; the picture is 8.2 x 4.6 inches.
    The curve below counts the edges into set nodes; the numbers are in the title of each frame, so
    a frame can be read by itself. Where nothing moves (on paper), use `training_strip`.
    """
    taken = _checked(snapshots)
    if not 0 < seconds <= 600:
        raise ValueError(f"seconds must lie in (0, 600], found {seconds}")
    last = taken[-1][1]
    ground = _ground(image, last)
    steps = [step for step, _ in taken]
    counts = np.array([_counted(graph) for _, graph in taken])  # (S, 2)
    figure = Picture(8.2, 4.6)
    columns = "mg" if ground is not None else "g"
    panels = figure.subplot_mosaic(f"{columns}\n{'e' * len(columns)}", height_ratios=[3.4, 1])
    curve = panels["e"]
    curve.plot(steps, counts[:, 1], color=BLUE)
    (dot,) = curve.plot(steps[:1], counts[:1, 1], "o", color=ORANGE, markersize=7)
    curve.set(xlabel="step", ylabel="edges", ylim=(0, 1.12 * max(1, counts[:, 1].max())))
    frames: list[Image.Image] = []
    for (step, graph), (n_set, edges) in zip(taken, counts.tolist(), strict=True):
        for name in columns:
            panels[name].clear()
        if ground is not None:
            _mask(panels["m"], graph, ground)
            panels["m"].set_title(f"mask: {n_set} of {graph.n_nodes} nodes set", fontsize=9)
        heat = _matrix(panels["g"], graph, last.limit)
        panels["g"].set(xlabel="effect j (column)", ylabel="cause i (row)")
        note = f"graph: {ORIENTATION}\n{edges_shown(edges, edges, graph.limit)}"
        panels["g"].set_title(note, fontsize=8.5, pad=5 if ground is not None else 13)
        dot.set_data([step], [edges])
        figure.suptitle(f"{_heading(title, last)}, step {step}")
        if not frames:
            figure.colorbar(heat, ax=panels["g"], shrink=0.8, ticks=[0, last.limit, 1])
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # the parts of a moving picture stay where they are
        frames.append(Image.open(io.BytesIO(png(figure, dpi))).convert("RGB"))
    summary = (
        f"{_heading(title, last)}, {len(taken)} frames ({ORIENTATION}): {_ends(taken)}; threshold "
        f"{last.limit:.2f}."
    )
    return Animation(_gif(frames, seconds, summary), summary)


def _gif(frames: list[Image.Image], seconds: float, comment: str) -> bytes:
    """All frames in the colours of a sheet of the first, the middle and the last: none flickers."""
    wide, high = frames[0].size
    sheet = Image.new("RGB", (wide, 3 * high))
    for place, k in enumerate((0, len(frames) // 2, len(frames) - 1)):
        sheet.paste(frames[k], (0, place * high))
    palette = sheet.quantize(128, dither=Image.Dither.NONE)
    colors = np.array(palette.getpalette()).reshape(-1, 3)
    colors[colors.min(axis=1) >= 250] = 255  # paper stays white
    palette.putpalette(colors.ravel().tolist())
    small = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    each = max(20, round(1000 * seconds / len(frames) / 10) * 10)  # GIF counts in 10 ms
    times = [each] * (len(frames) - 1) + [each + round(1000 * LAST)]
    buffer = io.BytesIO()
    told = comment.encode("ascii", "replace")
    rest = small[1:]
    small[0].save(
        buffer, "GIF", save_all=True, append_images=rest, duration=times, loop=0, comment=told
    )
    return buffer.getvalue()
