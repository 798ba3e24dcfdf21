"""Images, their codes, interventions on them, and the curves of a training.

A figure, here and in all of `draw`, is a pure function: it takes arrays or tensors, draws on a
`Picture` and returns it. Sizes are fixed, positions do not depend on the values (but for
`graph_layers`, where they are the point), nothing is told by colour alone, and `figure.summary`
says in one line what can be seen. Bad input is refused with a line that says what was expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import as_array, as_images, check_grid, check_names
from cvq_tutorial.draw.parts import (
    blocks_of_rows,
    code_cells,
    labels_of,
    row_label,
    tile,
    tile_lines,
)
from cvq_tutorial.draw.style import BLUE, ORANGE, Picture, label, styled
from cvq_tutorial.measure.metrics import psnr

LARGEST_DIFFERENCE = 0.25  # where the colours of |difference| end; fixed, so that figures compare
DIFFERENCE: dict[str, Any] = {"vmin": 0, "vmax": LARGEST_DIFFERENCE, "cmap": "magma"}


def _same_shape(a: NDArray, b: NDArray, name: str) -> None:
    if a.shape != b.shape:
        wanted = f"the shape of the first images {a.shape}"
        raise ValueError(f"{name} must have {wanted}, found {b.shape}")


# Images and codes --------------------------------------------------------------------------------


@styled
def reconstructions(
    images: Any,
    recons: Any,
    limit: int = 8,
    *,
    rows: Sequence[str] = ("image", "decoded"),
    title: str = "Reconstruction",
) -> Picture:
    """Images, what the autoencoder makes of them, and where the two differ.

    images, recons: B images each, of one shape. The first `limit` are drawn; the numbers in the
    title are over all B.  rows: what the two are, where they are something else.
    """
    top, bottom = check_names(rows, 2, "rows")
    true, made = as_images(images, "images"), as_images(recons, "recons")
    _same_shape(true, made, "recons")
    errors = ((true - made) ** 2).mean(axis=(1, 2, 3))
    shown = min(limit, len(true))
    difference = np.abs(true - made).mean(axis=-1)

    figure = Picture(1.25 + 1.0 * shown + 0.75, 3.7)
    axes = figure.subplots(3, shown, squeeze=False)
    for b in range(shown):
        tile(axes[0, b], true[b], f"{psnr(errors[b]):.1f} dB")
        tile(axes[1, b], made[b])
        heat = tile(axes[2, b], difference[b], **DIFFERENCE)
    for row, text in enumerate((label(top), label(bottom), "|difference|")):
        row_label(axes[row, 0], text)
    ends = [0, LARGEST_DIFFERENCE]
    figure.colorbar(heat, ax=axes, aspect=8, shrink=0.28, anchor=(0, 0), ticks=ends, extend="max")
    mean = psnr(errors.mean())
    figure.suptitle(f"{label(title)}: PSNR {mean:.1f} dB")
    return figure.saying(
        f"{shown} of {len(true)} images in pairs, {top} and {bottom}, and the difference: PSNR "
        f"{mean:.1f} dB, from {psnr(errors.max()):.1f} to {psnr(errors.min()):.1f} per image."
    )


@styled
def code_maps(codes: Any, grid: Sequence[int], images: Any, limit: int = 4) -> Picture:
    """The codes of images on the grid of their nodes, one map per codebook.

    codes: integers (B, N, C); grid: (rows, columns), rows x columns = N; images: B images.
    Same colour and number = same code; the numbers are left out where the grid has over 8 columns.
    The first `limit` images are drawn.
    """
    table, pictures = as_array(codes), as_images(images)
    if table.ndim != 3 or table.size == 0:
        raise ValueError(f"codes must have shape (B, N, C), found {table.shape}")
    if table.dtype.kind not in "iu":
        raise TypeError(f"codes must be integers, found {table.dtype}")
    if table.min() < 0:
        raise ValueError(f"codes must not be negative, found {table.min()}")
    if len(table) != len(pictures):
        found = f"{len(pictures)} and {len(table)}"
        raise ValueError(f"expected as many images as codes, found {found}")
    rows, columns = check_grid(grid, table.shape[1])
    shown, n_codebooks = min(limit, len(table)), table.shape[2]
    n_codes = int(table.max()) + 1

    figure = Picture(0.3 + 1.85 * (n_codebooks + 1), 0.55 + 1.85 * shown)
    axes = figure.subplots(shown, n_codebooks + 1, squeeze=False)
    for b in range(shown):
        tile(axes[b, 0], pictures[b], "image" if b == 0 else "")
        for c in range(n_codebooks):
            heading = f"codebook {c}" if b == 0 else ""
            code_cells(axes[b, c + 1], table[b, :, c].reshape(rows, columns), n_codes, heading)
    used = [len(np.unique(table[:, :, c])) for c in range(n_codebooks)]
    figure.suptitle(f"Codes on the {rows} x {columns} nodes")
    return figure.saying(
        f"Code maps of {shown} of {len(table)} images on {rows} x {columns} nodes; codes in use "
        f"per codebook: {', '.join(map(str, used))}."
    )


@styled
def before_after(before: Any, intervened: Any, truth: Any, action_names: Sequence[str]) -> Picture:
    """One row per action: x, x after the intervention, the true y, and where the last two differ.

    before, intervened, truth: B images each, of one shape.
    action_names: B texts, the action applied to each image.
    From six rows on they stand in two blocks; given in the order of the actions, raising a factor
    then stands beside lowering it.
    """
    x, made = as_images(before, "before"), as_images(intervened, "intervened")
    y = as_images(truth, "truth")
    _same_shape(x, made, "intervened")
    _same_shape(x, y, "truth")
    names = labels_of(action_names, len(x), "action names")
    blocks, rows = blocks_of_rows(len(x))
    figure = Picture(0.6 + blocks * 4.9, 0.75 + 0.9 * rows)
    lines = tile_lines(figure, len(x), ["x", "x, do(action)", "true y", "|difference|"], 0.12)
    for line, one, done, true, name in zip(lines, x, made, y, names, strict=True):
        for cell, image in zip(line, (one, done, true), strict=False):
            tile(cell, image)
        heat = tile(line[3], np.abs(done - true).mean(axis=-1), **DIFFERENCE)
        row_label(line[0], name)
    look: dict[str, Any] = {"aspect": 30, "shrink": 0.6, "extend": "max"}
    ends = [0, LARGEST_DIFFERENCE]
    figure.colorbar(heat, ax=figure.axes, ticks=ends, label="|do(action) - y|", **look)
    error, copy = float(((made - y) ** 2).mean()), float(((x - y) ** 2).mean())
    scores = f"PSNR {psnr(error):.1f} dB against y, copying x {psnr(copy):.1f} dB"
    figure.suptitle(f"Interventions: {scores}")
    return figure.saying(
        f"{len(x)} interventions ({', '.join(names)}): x, x after the action, true y and their "
        f"difference; {scores}."
    )


# Training --------------------------------------------------------------------------


PANELS = {  # phase: (column, title, whether a logarithmic axis is of use)
    "autoencoder": (
        ("loss", "loss", True),
        ("mse", "squared error", True),
        ("psnr", "PSNR (dB)", False),
        ("perplexity", "perplexity of the codes", False),
        ("used", "codes used", False),
    ),
    "transition": (
        ("loss", "loss (nats per image)", False),
        ("nll", "negative log-likelihood (nats)", False),
        ("action_accuracy", "action accuracy", False),
        ("set_codes", "codes set per action", False),
        ("edges_per_set_node", "edges per set node", False),
    ),
}


def _column(rows: Sequence[Mapping[str, Any]], phase: str, name: str) -> NDArray[np.float64]:
    """(n, 2) step and value of the rows of a phase that have a finite number there."""
    told = [r for r in rows if r.get("phase") == phase and r.get(name) not in (None, "")]
    table = np.array([(r["step"], r[name]) for r in told], dtype=np.float64).reshape(-1, 2)
    return table[np.isfinite(table).all(axis=1)]


@styled
def training_curves(rows: Sequence[Mapping[str, Any]]) -> Picture:
    """How the numbers of log.csv went: one row of panels per phase, last values in their titles.

    rows: one mapping per row of the log, with `phase` ("autoencoder" or "transition"), `step`, and
        numbers or their texts, empty or missing where they do not apply.
    Raises ValueError if there is nothing to draw.
    """
    found: dict[str, list[tuple[str, bool, NDArray]]] = {}
    for phase, panels in PANELS.items():
        curves = [(title, log, _column(rows, phase, name)) for name, title, log in panels]
        curves = [curve for curve in curves if len(curve[2])]
        if curves:
            found[phase] = curves
    if not found:
        known = f"a known phase ({', '.join(PANELS)})"
        raise ValueError(f"no numbers of {known} in the log, found {len(rows)} rows")

    width = max(len(curves) for curves in found.values())
    figure = Picture(max(4.0, 2.35 * width), 0.3 + 2.35 * len(found))
    parts = figure.subfigures(len(found), 1, squeeze=False)[:, 0]
    ends = []
    for part, (phase, curves) in zip(parts, found.items(), strict=True):
        color = BLUE if phase == "autoencoder" else ORANGE
        part.suptitle(f"{phase} phase", fontsize=10)
        axes = part.subplots(1, width, squeeze=False)[0]
        for cell in axes[len(curves) :]:
            cell.set_axis_off()
        for cell, (title, log, points) in zip(axes, curves, strict=False):
            cell.plot(*points.T, color=color, marker="." if len(points) < 30 else "", markersize=5)
            if log and (points[:, 1] > 0).all() and points[:, 1].max() > 5 * points[:, 1].min():
                cell.set_yscale("log")
            last = f"{points[-1, 1]:.3g}"
            cell.set_title(f"{title}\nlast {last}", fontsize=8.5)
            cell.set_xlabel("step", fontsize=8)
            cell.grid(True)
            cell.locator_params(axis="x", nbins=4)
            if cell.get_yscale() == "linear":
                cell.ticklabel_format(axis="y", useOffset=False)
            ends.append(f"{title} {last}")
        ends[-len(curves)] = f"{phase}: {ends[-len(curves)]}"
    return figure.saying(f"Training curves, last values: {', '.join(ends)}.")
