"""What can be identified: samples, scores that turn, a ratio, twins, rows of B, two at once.

Rows are those of `identify.report`, weights have row = cause, column = effect.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cvq_tutorial.common.arrays import checked
from cvq_tutorial.draw.compare import ORANGE_TO_BLUE
from cvq_tutorial.draw.parts import draw_curve, log_steps, name_lines, write_cells
from cvq_tutorial.draw.style import BLUE, GREY, INK, LOOKS, ORANGE, ORIENTATION, Picture, styled
from cvq_tutorial.draw.style import label as clean

Rows = Sequence[Mapping[str, Any]]


def _some(rows: Rows, *needed: str) -> Rows:
    if not rows:
        raise ValueError("expected at least one row, found none")
    for name in needed:
        if any(name not in row for row in rows):
            raise ValueError(f"rows: expected {name!r} in each, found {', '.join(rows[0])}")
    return rows


def _size(value: float) -> str:
    return f"{value:.2g}"


@styled
def by_samples(
    rows: Rows, panels: Mapping[str, Mapping[str, str]], *, title: str = "", errors: Sequence[str]
) -> Picture:
    """Numbers of an estimate against how many samples it had of each context.

    rows: each with `samples`, a whole number, and the columns asked for; in growing order.
    panels: name of an axis -> name of a curve -> column; 1 to 3 curves each.
    errors: names of the axes that are logarithmic; the others are shares, 0 to 1.
    """
    _some(rows, "samples", *(column for curves in panels.values() for column in curves.values()))
    at = checked("samples", [row["samples"] for row in rows], "numbers", (None,))
    if (np.diff(at) <= 0).any():
        raise ValueError(f"samples must grow from row to row, found {at.tolist()}")
    figure = Picture(0.9 + 3.6 * len(panels), 3.5, clean(title, 90))
    told = []
    every = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, curves) in zip(every, panels.items(), strict=True):
        for (who, column), look in zip(curves.items(), LOOKS, strict=False):
            values = [float(row[column]) for row in rows]
            draw_curve(axes, at, values, look, clean(who), ms=5.5, clip_on=name in errors)
            told.append(f"{name}, {who}: {', '.join(map(_size, values))}")
        log_steps(axes, at, ",.0f")
        axes.set(xlabel="samples per context", ylabel=clean(name))
        axes.grid(axis="y")
        if name in errors:
            axes.set_yscale("log")
        else:
            axes.set_ylim(-0.03, 1.05)
        axes.legend(loc="best")
    sizes = ", ".join(f"{n:.0f}" for n in at)
    return figure.saying(f"{title}: at {sizes} samples per context, {'; '.join(told)}.")


@styled
def score_changes(panels: Mapping[str, tuple[Any, Any]], title: str = "") -> Picture:
    """How an intervention on a target turns the score, as an arrow at every sample.

    panels: name -> samples (n, 2) and differences of scores (n, 2); columns: a cause, the target.
    """
    if not panels:
        raise ValueError("expected at least one panel, found none")
    figure = Picture(0.6 + 2.9 * len(panels), 3.4, clean(title, 110))
    every = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    told = []
    for axes, (name, (u, change)) in zip(every, panels.items(), strict=True):
        u, change = (
            checked(what, values, "numbers", (None, 2))
            for what, values in (("samples", u), ("differences", change))
        )
        axes.plot(*u.T, "o", color=GREY, markersize=2.5)
        axes.quiver(
            *u.T, *change.T, color=BLUE, angles="xy", scale_units="xy", scale=3, width=0.007
        )  # fmt: skip
        axes.set(title=clean(name), xlabel="z0, the cause")
        axes.margins(0.12)
        axes.grid()
        sizes = np.linalg.svd(change, compute_uv=False)
        told.append(f"{name} {_size(float(sizes[1] / sizes[0]) ** 2)}")
    every[0].set_ylabel("z1, the target")
    return figure.saying(f"{title}: size of a second direction, as a share: {', '.join(told)}.")


@styled
def by_ratio(rows: Rows, ratios: Sequence[float], title: str = "") -> Picture:
    """Ancestors missed and falsely found, over models, against the ratio from which one counts.

    rows: each with `missed, by ratio`, `false, by ratio` (as many as ratios), `relations` and
        `ratio by the null`: the range of the last is a grey band.
    """
    _some(rows, "missed, by ratio", "false, by ratio", "relations", "ratio by the null")
    at = checked("ratios", ratios, "numbers", (None,))
    figure = Picture(6.4, 3.5, clean(title, 90))
    axes = figure.subplots()
    own = [row["ratio by the null"] for row in rows]
    axes.axvspan(min(own) / 1.02, max(own) * 1.02, color="#e2e2e2", label="ratio by the null")
    told = []
    for name, look in zip(("missed", "false"), LOOKS, strict=False):
        sums = np.sum([row[f"{name}, by ratio"] for row in rows], axis=0)
        draw_curve(axes, at, sums, look, name)
        told.append(f"{name} {', '.join(map(str, sums.tolist()))}")
    total = sum(row["relations"] for row in rows)
    log_steps(axes, at)
    axes.set(xlabel="ratio from which a second direction counts", ylabel="pairs of latents")
    axes.grid(axis="y")
    axes.legend()
    return figure.saying(
        f"{title}: of {total} ancestors in {len(rows)} models, at ratios "
        f"{', '.join(f'{r:g}' for r in at)}: {'; '.join(told)}; the null says {min(own):.2g} to "
        f"{max(own):.2g}."
    )


@styled
def twin_gaps(rows: Rows, title: str = "Twins: equal in all that is measured") -> Picture:
    """How far twins are apart in what can be measured, and in what cannot."""
    columns = ("largest difference of it", "smallest difference of weights")
    _some(rows, "twins", *columns)
    figure = Picture(6.8, 1.5 + 0.4 * len(rows), clean(title, 90))
    axes = figure.subplots()
    told = []
    for place, row in enumerate(rows):
        seen, hidden = (max(float(row[column]), 1e-17) for column in columns)
        axes.plot([seen, hidden], [place, place], color="#cccccc", linewidth=4, zorder=1)
        axes.plot(seen, place, "o", color=BLUE, markersize=7)
        axes.plot(hidden, place, "s", color=ORANGE, markersize=7)
        told.append(f"{row['twins']} {_size(seen)} and {_size(hidden)}")
    axes.axvline(1e-10, color=GREY, linestyle=(0, (1.5, 1.8)))
    axes.plot([], [], "o", color=BLUE, label="what can be measured")
    axes.plot([], [], "s", color=ORANGE, label="weights, which cannot")
    axes.set_xscale("log")
    axes.set(xlabel="difference between the two (dotted: 1e-10)")
    name_lines(axes, [clean(str(row["twins"])) for row in rows])
    figure.legend_below(ncols=2)
    return figure.saying(f"{title}: difference of it, and of weights: {'; '.join(told)}.")


@styled
def two_worlds(pair: Any, title: str = "") -> Picture:
    """The weights of both of a pair of twins (`identify.Twins`), with how far they are apart."""
    sides = [np.asarray(one.weights, dtype=float) for one in (pair.one, pair.other)]
    top = max(1.0, float(np.abs(sides).max()))
    figure = Picture(7.4, 3.9)
    panels = figure.subplots(1, 2)
    for axes, weights, name in zip(panels, sides, ("one world", "its twin"), strict=True):
        heat = axes.imshow(weights, cmap=ORANGE_TO_BLUE, vmin=-top, vmax=top)
        texts = np.where(np.abs(weights) > 1e-9, np.char.mod("%.1f", weights), "")
        write_cells(axes, texts, np.abs(weights) > 0.55 * top, 8)
        at = range(len(weights))
        axes.set_xticks(at, [f"z{i}" for i in at])
        axes.set_yticks(at, [f"z{i}" for i in at])
        axes.set(title=name, xlabel="effect (column)", ylabel="cause (row)")
    figure.colorbar(heat, ax=panels, shrink=0.75, label="weight of the edge")
    said = (
        f"all that is measured agrees to {pair.measured:.0e}, weights differ by up to "
        f"{pair.apart:.1f}"
    )
    figure.suptitle(clean(f"{title or pair.name}: {said}", 110), fontsize=9.5)
    edges = [int((np.abs(one) > 1e-9).sum()) for one in sides]
    return figure.saying(
        f"{title or pair.name}, {ORIENTATION}: {edges[0]} and {edges[1]} edges between "
        f"{len(sides[0])} latents; {said}."
    )


@styled
def row_arrows(
    changes: Mapping[str, tuple[Any, Any]], axes: tuple[str, str] = ("z0", "z1"), title: str = ""
) -> Picture:
    """An old row of B and the new one as arrows, and the rank of what the change of both makes.

    changes: name -> (old row b, new row c), two numbers each; the rank is that of c c' - b b', 1
        where both lie on one line. axes: what the two numbers belong to.
    """
    if not changes:
        raise ValueError("changes: expected at least one, found none")
    figure = Picture(0.6 + 2.5 * len(changes), 3.1)
    told = []
    both = {
        name: [checked(name, row, "numbers", (2,)).astype(float) for row in rows]
        for name, rows in changes.items()
    }
    reach = 1.15 * max(float(np.abs(rows).max()) for rows in both.values())
    panels = figure.subplots(1, len(changes), squeeze=False)[0]
    for panel, (name, rows) in zip(panels, both.items(), strict=True):
        old, new = rows
        rank = int(np.linalg.matrix_rank(np.outer(new, new) - np.outer(old, old)))
        longest = max(rows, key=np.linalg.norm)
        along = longest / np.abs(longest).max() * reach
        panel.plot(*np.array([-along, along]).T, color=GREY, linestyle=(0, (1.5, 1.8)), zorder=1)
        looks = ((new, ORANGE, "new row c", 5.0), (old, BLUE, "old row b", 2.2))
        for row, color, text, width in looks:  # the old one on top, thinner: both can be seen
            panel.plot([0, row[0]], [0, row[1]], color=color, linewidth=width, label=text)
            panel.plot(
                *row, "s" if color == ORANGE else "o", color=color, markersize=8, mec="white"
            )
        panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel=axes[0])
        heading = "\n".join(textwrap.wrap(clean(name, 60), 26))
        panel.set_title(f"{heading}\nrank {rank}", fontsize=9)
        panel.axhline(0, color="#dddddd", linewidth=0.8, zorder=0)
        panel.axvline(0, color="#dddddd", linewidth=0.8, zorder=0)
        told.append(f"{name}: b = {_pair(old)}, c = {_pair(new)}, rank {rank}")
    panels[0].set_ylabel(axes[1])
    lines, names = panels[0].get_legend_handles_labels()
    figure.legend(lines[::-1], names[::-1], loc="outside lower center", ncols=2)
    figure.suptitle(clean(title, 90))
    figure.summary = f"{title}. {'; '.join(told)}."
    return figure


def _pair(row: np.ndarray) -> str:
    return f"({row[0]:g}, {row[1]:g})"


@styled
def doubles(rows: Rows, title: str = "Two interventions at once, never seen") -> Picture:
    """Discrepancy on unseen double interventions of each run, beside its floor and its copy."""
    called = {"MMD on doubles": "two at once", "floor": "floor: two true samples"}
    marks = {"MMD on doubles": ("o", BLUE), "floor": ("|", INK), "copy": ("x", ORANGE)}
    _some(rows, "run", *marks)
    size = 1.6 + (0.4 if len(rows) < 13 else 0.26) * len(rows)
    figure = Picture(6.8, size, clean(title, 90))
    axes = figure.subplots()
    for name, (marker, color) in marks.items():
        values, text = [row[name] for row in rows], called.get(name, name)
        look: dict[str, Any] = {"color": color, "ms": 13 if marker == "|" else 7, "mew": 1.8}
        axes.plot(values, range(len(rows)), marker, label=text, **look)
    axes.set_xscale("log")
    axes.set(xlabel="squared MMD (smaller is better)")
    name_lines(axes, [clean(str(row["run"])) for row in rows])
    axes.grid(axis="x")
    figure.legend_below(ncols=3)
    told = [
        f"{row['run']} {_size(row['MMD on doubles'])} (floor {_size(row['floor'])}, copy "
        f"{_size(row['copy'])})"
        for row in rows
    ]
    return figure.saying(f"{title}: {'; '.join(told)}.")
