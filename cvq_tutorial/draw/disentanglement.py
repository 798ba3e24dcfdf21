"""Pictures of disentanglement: who says what about which factor, scores, and leakage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import as_array, as_marks, as_probabilities, check_grid
from cvq_tutorial.draw.heatmaps import WHITE_TO_AMBER, WHITE_TO_BLUE, percent_bar
from cvq_tutorial.draw.parts import box, framed, labels_of, tile, write_cells
from cvq_tutorial.draw.style import BLUE, GREY, INK, ORANGE, Picture, label, styled
from cvq_tutorial.measure.disentanglement.columns import Score

DARK_ORANGE = "#A34A00"  # the orange of the control, as text on white
NUMBERS_UP_TO = 24  # rows whose numbers can still be read


def _numbers(values: Any, name: str, dimensions: int) -> NDArray[np.float64]:
    """Finite numbers of at least 0, checked."""
    array = as_array(values)
    if array.ndim != dimensions or array.size == 0:
        raise ValueError(f"{name} must have {dimensions} dimensions, found shape {array.shape}")
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be numbers, found {array.dtype}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all() or array.min() < 0:
        raise ValueError(f"{name} must be finite numbers of at least 0")
    return array


def _factors_below(axes: Axes, names: Sequence[str]) -> None:
    """Names of factors under the columns, in a frame."""
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
    framed(axes)
    axes.tick_params(length=0)


@styled
def mutual_information(
    table: Any,
    factor_names: Sequence[str],
    latent_names: Sequence[str] | None = None,
    *,
    normalised: bool = True,
    title: str = "What each latent says about each factor",
) -> Picture:
    """Mutual information as a heat map, row = latent, column = factor.

    table: (L, F) of `disentangle.mutual_information`, or an importance of `disentangle.dci`; at
        least 0. If `normalised`, shares in [0, 1] of the factor's entropy; else nats, and white to
        blue runs from 0 to the largest.
    factor_names: F names; latent_names: L names, the numbers 0..L-1 if None.
    The best latent of each factor is outlined in orange. Up to 24 latents the numbers are written.
    """
    values = _numbers(table, "table", 2)
    if normalised:
        values = as_probabilities(values, "table", (None, None))
    n_latents, n_factors = values.shape
    factors = labels_of(factor_names, n_factors, "factor names", longest=24)
    latents = labels_of(latent_names, n_latents, "latent names", longest=28)
    top = 1.0 if normalised else max(float(values.max()), 1e-12)

    numbers = n_latents <= NUMBERS_UP_TO
    height = 0.3 * n_latents if numbers else 5.0
    figure = Picture(2.9 + 0.66 * max(3, n_factors), 1.9 + max(1.2, height), title)
    axes = figure.add_subplot()
    look: dict[str, Any] = {"cmap": WHITE_TO_BLUE, "aspect": "auto", "interpolation": "none"}
    heat = axes.imshow(values, vmin=0, vmax=top, **look)
    best = values.argmax(axis=0)
    is_best = np.zeros(values.shape, dtype=bool)
    is_best[best, np.arange(n_factors)] = values.max(axis=0) > 0
    tall = 1.0 if numbers else max(1.0, n_latents / 60)
    outline: dict[str, Any] = {"fill": False, "edgecolor": ORANGE, "lw": 1.8, "zorder": 3}
    for row, column in np.argwhere(is_best):
        box(axes, column - 0.5, row - tall / 2, 1, tall, **outline)
    if numbers:
        write_cells(axes, np.char.mod("%.2f", values), values > 0.55 * top, bold=is_best)
    step = 1 if numbers else next(s for s in (4, 8, 16, 32, 64, 10**9) if n_latents / s <= 32)
    rows = range(0, n_latents, step)
    axes.set_yticks(rows, [latents[row] for row in rows])
    _factors_below(axes, factors)
    axes.set(xlabel="factor (column)", ylabel="latent (row)")
    unit = "share of the factor's entropy" if normalised else "nats"
    wrap = "\n" if height < 2.4 else " "  # a low figure has no room for it in one line
    figure.colorbar(heat, shrink=0.8, label=f"mutual information,{wrap}{unit}")
    axes.set_title("orange: the best latent of each factor", fontsize=8)
    told = ", ".join(
        f"{name} {values[row, column]:.2f} (latent {latents[row]})"
        for column, (name, row) in enumerate(zip(factors, best.tolist(), strict=True))
    )
    return figure.saying(
        f"{title}: mutual information of {n_latents} latents (rows) and {n_factors} factors "
        f"(columns), {unit}; best per factor: {told}."
    )


@styled
def information_maps(
    table: Any,
    grid: Sequence[int],
    factor_names: Sequence[str],
    *,
    title: str = "Where the codes say which factor",
) -> Picture:
    """One map of the nodes per factor: what the best code of each node says about it.

    table: (N, C, F) shares in [0, 1], of `CodeColumns.on_map`, or (N, F).
    grid: (rows, columns) of the code map.  factor_names: F names.
    """
    values = as_array(table)
    if values.ndim == 2:
        values = values[:, None]
    values = as_probabilities(values, "table", (None, None, None)).max(axis=1)  # (N, F)
    n_nodes, n_factors = values.shape
    names = labels_of(factor_names, n_factors, "factor names", longest=18)
    shape = check_grid(grid, n_nodes)
    columns = min(n_factors, 6)
    rows = -(-n_factors // columns)
    figure = Picture(1.5 + 1.35 * max(3, columns), 0.75 + 1.5 * rows, title)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for cell in cells[n_factors:]:
        cell.set_axis_off()
    for cell, name, share in zip(cells, names, values.T, strict=False):
        heat = tile(cell, share.reshape(shape), name, vmin=0, vmax=1, cmap=WHITE_TO_BLUE)
        cell.set_xlabel(f"best {share.max():.2f}", fontsize=8)
    bar = figure.colorbar(heat, ax=cells.tolist(), shrink=0.75, aspect=18, ticks=[0, 0.5, 1])
    bar.set_label("mutual information,\nshare of entropy", fontsize=8)
    told = ", ".join(
        f"{name} {share.max():.2f}, {int((share >= 0.5 * share.max()).sum())} nodes"
        for name, share in zip(names, values.T, strict=True)
        if share.max() > 0
    )
    return figure.saying(
        f"{title}: {n_nodes} nodes; best share of the factor's entropy, and nodes that say at "
        f"least half as much: {told or 'no node says anything'}."
    )


@styled
def score_bars(
    scores: Mapping[str, Score] | Mapping[str, Mapping[str, Score]],
    *,
    title: str = "Disentanglement scores and their controls",
) -> Picture:
    """Scores as bars, and on each a line where the same score is when nothing can be known.

    scores: {name: Score}, or {representation: {name: Score}} with the same names in each, which
        gives one panel per representation.
    What of a bar lies to the left of its orange line is worth nothing. A star marks a score with
    notes; the first of them stand below.
    """
    alone = {name: score for name, score in scores.items() if isinstance(score, Score)}
    groups = {name: group for name, group in scores.items() if not isinstance(group, Score)}
    if alone:
        groups[""] = alone
    names = list(next(iter(groups.values()), {}))
    if not names or any(list(group) != names for group in groups.values()):
        raise ValueError("scores must have at least one score, and the same names in each group")
    figure = Picture(2.0 + 2.7 * max(len(groups), 1.5), 1.55 + 0.3 * len(names), title)
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    at = np.arange(len(names))
    for axes, (group, found) in zip(panels, groups.items(), strict=True):
        values = np.array([found[name].value for name in names])
        controls = np.array([found[name].permuted for name in names])
        axes.barh(at, values, height=0.62, color=BLUE, label="score")
        axes.vlines(controls, at - 0.42, at + 0.42, color=ORANGE, lw=2.6, label="factors permuted")
        for place, name in enumerate(names):
            star = "*" if found[name].notes else ""
            line = {"y": place, "va": "center", "fontsize": 8}
            axes.text(x=1.04, s=f"{values[place]:.2f}{star}", color=BLUE, weight="bold", **line)
            axes.text(x=1.27, s=f"{controls[place]:.2f}", color=DARK_ORANGE, **line)
        axes.set(xlim=(0, 1.45), xticks=[0, 0.5, 1], ylim=(len(names) - 0.4, -0.6))
        axes.set_yticks(at, [label(n, 28) if axes is panels[0] else "" for n in names])
        axes.tick_params(axis="y", length=0)
        axes.axvline(1, color=GREY, lw=0.8, zorder=0)
        axes.set_title(label(group, 30), fontsize=9)
        axes.set_xlabel("score", fontsize=8, loc="left")
    figure.legend_below(panels[0].get_legend_handles_labels()[0], ncols=2)
    notes = dict.fromkeys(n for found in groups.values() for s in found.values() for n in s.notes)
    if notes:
        more = f" (and {len(notes) - 2} more)" if len(notes) > 2 else ""
        text = "\n".join(f"* {label(note, 70)}" for note in list(notes)[:2]) + more
        panels[0].set_xlabel(f"score\n{text}", fontsize=7.5, loc="left")
    parts = []
    for group, found in groups.items():
        told = ", ".join(f"{k} {s.value:.2f} (permuted {s.permuted:.2f})" for k, s in found.items())
        own = dict.fromkeys(note for score in found.values() for note in score.notes)
        parts.append(f"{group + ': ' if group else ''}{told}" + "".join(f"; {n}" for n in own))
    return figure.saying(f"{title}: {' | '.join(parts)}.")


def _percent(value: float) -> str:
    """A share in words of percent: one decimal below ten, where one edit of few counts."""
    if value == 0:
        return "0"
    if value < 0.01:
        return "<1"
    percent = 100 * float(value)
    return f"{percent:.1f}".removesuffix(".0") if percent < 9.95 else f"{percent:.0f}"


def _leakage_panel(
    axes: Axes, share: NDArray[np.float64], names: Sequence[str], rows: NDArray, title: str
) -> Any:
    heat = axes.imshow(share, vmin=0, vmax=1, cmap=WHITE_TO_AMBER)
    texts = np.where(rows[:, None], np.vectorize(_percent, otypes="U")(share), "")
    write_cells(axes, texts, share > 0.75)
    for row in range(len(share)):
        if not rows[row]:
            box(axes, -0.5, row - 0.5, len(share), 1, facecolor="#e9e9e9", edgecolor="none")
        box(axes, row - 0.46, row - 0.46, 0.92, 0.92, fill=False, edgecolor=INK, lw=1.1)
    _factors_below(axes, names)
    axes.set_title(f"{title}\nframed: the set factor missed its value", fontsize=8.5)
    axes.set_xlabel("factor that is wrong after it (column)")
    return heat


@styled
def leakage(
    share: Any,
    factor_names: Sequence[str],
    *,
    control: Any = None,
    n_edits: Any = None,
    title: str = "Leakage of interventions",
) -> Picture:
    """Which factors are wrong after one is set, in % of the edits: row = set, column = wrong.

    share: (F, F) of `leakage.leakage`: off the diagonal leakage, on it (framed) the target missed.
    factor_names: F names.
    control: (F, F), the same of the ceiling, the true images decoded; drawn beside.
    n_edits: (F,) edits per factor, written at the rows; rows without any are grey.
    """
    n_factors = len(as_probabilities(share, "share", (None, None)))
    values = as_probabilities(share, "share", (n_factors, n_factors))
    names = labels_of(factor_names, n_factors, "factor names", longest=20)
    rows = as_marks(None, n_factors, "rows")
    row_names = list(names)
    if n_edits is not None:
        counts = _numbers(n_edits, "n_edits", 1)
        if len(counts) != n_factors:
            raise ValueError(f"n_edits must have {n_factors} entries, found {len(counts)}")
        rows = counts > 0
        row_names = [f"{name} ({count:.0f})" for name, count in zip(names, counts, strict=True)]
    tables = [("after the edit", values)]
    if control is not None:
        own = as_probabilities(control, "control", values.shape)
        tables.append(("the ceiling: true images, decoded", own))

    side = 1.1 + 0.42 * max(n_factors, 4)
    figure = Picture(2.2 + len(tables) * side, 1.3 + side, title)
    panels = figure.subplots(1, len(tables), squeeze=False)[0]
    for axes, (text, table) in zip(panels, tables, strict=True):
        heat = _leakage_panel(axes, table, names, rows, text)
        axes.set_yticks(range(n_factors), row_names if axes is panels[0] else [""] * n_factors)
    panels[0].set_ylabel("factor that was set (row)" + (", edits" if n_edits is not None else ""))
    percent_bar(figure, heat, panels.tolist(), "share of the edits")

    def told(table: NDArray[np.float64]) -> str:
        off = np.where(np.eye(n_factors, dtype=bool) | ~rows[:, None], -1.0, table)
        row, column = np.unravel_index(off.argmax(), off.shape)
        if off.max() < 0:
            return "there is nothing to leak into"
        mean = table[off >= 0].mean()
        return (
            f"mean leakage {100 * mean:.1f} %, most from {names[row]} into {names[column]} "
            f"({100 * off.max():.0f} %), target missed {100 * np.diag(table)[rows].mean():.1f} %"
        )

    beside = f"; ceiling: {told(tables[1][1])}" if len(tables) > 1 else ""
    return figure.saying(f"{title}, row = set, column = wrong: {told(values)}{beside}.")
