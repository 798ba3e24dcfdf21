"""What can be identified: samples, scores that turn, the sweep of a ratio, twins, and doubles.

Rows are those of `identify.report`, weights have row = cause, column = effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from cvq_tutorial.common.arrays import checked
from cvq_tutorial.draw.compare import ORANGE_TO_BLUE
from cvq_tutorial.draw.style import BLUE, GREEN, GREY, INK, ORANGE, ORIENTATION, Picture, styled
from cvq_tutorial.draw.style import label as clean

Rows = Sequence[Mapping[str, Any]]
LOOKS = ((BLUE, "o", "-"), (ORANGE, "s", (0, (4, 1.6))), (GREEN, "^", (0, (1.4, 1.2))))


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
    figure = Picture(0.9 + 3.6 * len(panels), 3.5)
    told = []
    every = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, curves) in zip(every, panels.items(), strict=True):
        for (who, column), (color, marker, dashes) in zip(curves.items(), LOOKS, strict=False):
            values = [float(row[column]) for row in rows]
            axes.plot(
                at, values, color=color, marker=marker, linestyle=dashes, label=clean(who),
                markersize=5.5, clip_on=name in errors,
            )  # fmt: skip
            told.append(f"{name}, {who}: {', '.join(map(_size, values))}")
        axes.set_xscale("log")
        axes.set(xlabel="samples per context", ylabel=clean(name))
        axes.set_xticks(at, [f"{n:,.0f}" for n in at])
        axes.set_xticks([], minor=True)
        axes.grid(axis="y")
        if name in errors:
            axes.set_yscale("log")
        else:
            axes.set_ylim(-0.03, 1.05)
        axes.legend(loc="best")
    figure.suptitle(clean(title, 90))
    sizes = ", ".join(f"{n:.0f}" for n in at)
    figure.summary = f"{title}: at {sizes} samples per context, {'; '.join(told)}."
    return figure


@styled
def score_changes(panels: Mapping[str, tuple[Any, Any]], title: str = "") -> Picture:
    """How an intervention on a target turns the score, as an arrow at every sample.

    panels: name -> samples (n, 2) and differences of scores (n, 2); columns: a cause, the target.
    """
    if not panels:
        raise ValueError("expected at least one panel, found none")
    figure = Picture(0.6 + 2.9 * len(panels), 3.4)
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
    figure.suptitle(clean(title, 110), fontsize=10)
    figure.summary = f"{title}: size of a second direction, as a share: {', '.join(told)}."
    return figure


@styled
def by_ratio(rows: Rows, ratios: Sequence[float], title: str = "") -> Picture:
    """Ancestors missed and falsely found, over models, against the ratio from which one counts.

    rows: each with `missed, by ratio`, `false, by ratio` (as many as ratios), `relations` and
        `ratio by the null`: the range of the last is a grey band.
    """
    _some(rows, "missed, by ratio", "false, by ratio", "relations", "ratio by the null")
    at = checked("ratios", ratios, "numbers", (None,))
    figure = Picture(6.4, 3.5)
    axes = figure.subplots()
    own = [row["ratio by the null"] for row in rows]
    axes.axvspan(min(own) / 1.02, max(own) * 1.02, color="#e2e2e2", label="ratio by the null")
    told = []
    for name, (color, marker, dashes) in zip(("missed", "false"), LOOKS, strict=False):
        sums = np.sum([row[f"{name}, by ratio"] for row in rows], axis=0)
        axes.plot(at, sums, color=color, marker=marker, linestyle=dashes, label=name)
        told.append(f"{name} {', '.join(map(str, sums.tolist()))}")
    total = sum(row["relations"] for row in rows)
    axes.set_xscale("log")
    axes.set(xlabel="ratio from which a second direction counts", ylabel="pairs of latents")
    axes.set_xticks(at, [f"{r:g}" for r in at])
    axes.set_xticks([], minor=True)
    axes.grid(axis="y")
    axes.legend()
    figure.suptitle(clean(title, 90))
    figure.summary = (
        f"{title}: of {total} ancestors in {len(rows)} models, at ratios "
        f"{', '.join(f'{r:g}' for r in at)}: {'; '.join(told)}; the null says {min(own):.2g} to "
        f"{max(own):.2g}."
    )
    return figure


@styled
def twin_gaps(rows: Rows, title: str = "Twins: equal in all that is measured") -> Picture:
    """How far twins are apart in what can be measured, and in what cannot."""
    columns = ("largest difference of it", "smallest difference of weights")
    _some(rows, "twins", *columns)
    figure = Picture(6.8, 1.5 + 0.4 * len(rows))
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
    axes.set(xlabel="difference between the two (dotted: 1e-10)", ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(range(len(rows)), [clean(str(row["twins"])) for row in rows])
    figure.legend(loc="outside lower center", ncols=2)
    figure.suptitle(clean(title, 90))
    figure.summary = f"{title}: difference of it, and of weights: {'; '.join(told)}."
    return figure


def _weights(axes: Axes, weights: np.ndarray, name: str, top: float) -> Any:
    heat = axes.imshow(weights, cmap=ORANGE_TO_BLUE, vmin=-top, vmax=top)
    for (i, j), value in np.ndenumerate(weights):
        if abs(value) > 1e-9:
            shade = "white" if abs(value) > 0.55 * top else INK
            axes.text(j, i, f"{value:.1f}", ha="center", va="center", fontsize=8, color=shade)
    at = range(len(weights))
    axes.set_xticks(at, [f"z{i}" for i in at])
    axes.set_yticks(at, [f"z{i}" for i in at])
    axes.set(title=name, xlabel="effect (column)", ylabel="cause (row)")
    return heat


@styled
def two_worlds(pair: Any, title: str = "") -> Picture:
    """The weights of both of a pair of twins (`identify.Twins`), with how far they are apart."""
    sides = [np.asarray(one.weights, dtype=float) for one in (pair.one, pair.other)]
    top = max(1.0, float(np.abs(sides).max()))
    figure = Picture(7.4, 3.9)
    panels = figure.subplots(1, 2)
    for axes, weights, name in zip(panels, sides, ("one world", "its twin"), strict=True):
        heat = _weights(axes, weights, name, top)
    figure.colorbar(heat, ax=panels, shrink=0.75, label="weight of the edge")
    said = f"{pair.numbers}: {pair.measured:.1g} apart; weights: {_size(pair.apart)}"
    figure.suptitle(clean(f"{title or pair.name}: {said}", 110), fontsize=9.5)
    edges = [int((np.abs(one) > 1e-9).sum()) for one in sides]
    figure.summary = (
        f"{title or pair.name}, {ORIENTATION}: {edges[0]} and {edges[1]} edges between "
        f"{len(sides[0])} latents; {said}."
    )
    return figure


@styled
def doubles(rows: Rows, title: str = "Two interventions at once, never seen") -> Picture:
    """Discrepancy on unseen double interventions of each run, beside its floor and its copy."""
    called = {"MMD on doubles": "two at once", "floor": "floor: two true samples"}
    marks = {"MMD on doubles": ("o", BLUE), "floor": ("|", INK), "copy": ("x", ORANGE)}
    _some(rows, "run", *marks)
    figure = Picture(6.8, 1.6 + (0.4 if len(rows) < 13 else 0.26) * len(rows))
    axes = figure.subplots()
    for name, (marker, color) in marks.items():
        values = [row[name] for row in rows]
        axes.plot(
            values, range(len(rows)), marker, color=color, markersize=13 if marker == "|" else 7,
            markeredgewidth=1.8,
            linestyle="none", label=called.get(name, name),
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set(xlabel="squared MMD (smaller is better)", ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(range(len(rows)), [clean(str(row["run"])) for row in rows])
    axes.grid(axis="x")
    figure.legend(loc="outside lower center", ncols=3)
    figure.suptitle(clean(title, 90))
    told = [
        f"{row['run']} {_size(row['MMD on doubles'])} (floor {_size(row['floor'])}, copy "
        f"{_size(row['copy'])})"
        for row in rows
    ]
    figure.summary = f"{title}: {'; '.join(told)}."
    return figure
