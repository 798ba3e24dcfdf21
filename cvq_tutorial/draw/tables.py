"""Tables of sweeps as figures: a row's numbers as dots, a number against a setting as curves.

A dot with a bar is a mean and the sample standard deviation over seeds; a hollow dot is one seed,
of which no spread is known. What was not measured is said, not drawn as zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from cvq_tutorial.draw.parts import key, labels_of, name_lines
from cvq_tutorial.draw.style import BLUE, GREY, INK, LOOKS, ORANGE, Picture, styled
from cvq_tutorial.draw.style import label as clean

Rows = Mapping[str, Mapping[str, Any]]  # label -> row, as in `tables.table`
Points = Mapping[float, Mapping[str, Any]]  # value of a setting -> {"mean", "sd", "seeds"}

MOST_ROWS, MOST_PANELS = 24, 4
UNITS = {"PSNR": "dB"}
LEVEL_DASHES: tuple[Any, ...] = ((0, (1.5, 1.8)), (0, (5, 2)), "-.")
LEVEL: dict[str, Any] = {"color": "#555555", "linewidth": 1.3}
MOST_CURVES = 3


def _said(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return "not measured"
    return f"{value['mean']:.1f}" if abs(value["mean"]) >= 5 else f"{value['mean']:.3f}"


@styled
def dot_plot(
    rows: Rows,
    columns: Sequence[str],
    *,
    levels: Mapping[str, Mapping[str, float]] | None = None,
    reference: str = "",
    stem_from: str = "",
    title: str = "",
) -> Picture:
    """Rows of a table as dots, one panel per column, with the spread over seeds.

    rows: label -> {seeds, numbers {column: {mean, sd}}}, as in a table; 1 to 24.
    columns: 1 to 4 names of numbers; each must be measured in some row.
    levels: {column: {name: value}}: dashed lines across a panel, such as chance; lines of one name
        look alike in every panel.
    reference: label of a row that the others are compared with: a stem leads from its mean to each
        dot, its spread is a grey band, and the difference is written beside each number.
    stem_from: name of a level: in the panels that have it a pale stem leads from it to each dot.
    Raises ValueError for no rows or too many, a column that no row has, an unknown reference.
    """
    labels = list(rows)
    if not 1 <= len(labels) <= MOST_ROWS:
        raise ValueError(f"expected 1 to {MOST_ROWS} rows, found {len(labels)}")
    if not 1 <= len(columns) <= MOST_PANELS:
        raise ValueError(f"expected 1 to {MOST_PANELS} columns, found {len(columns)}")
    if reference and reference not in rows:
        raise ValueError(f"reference {reference!r} is none of the rows: {', '.join(labels)}")
    for column in columns:
        if not any(column in row["numbers"] for row in rows.values()):
            raise ValueError(f"no row has the number {column!r}")
    drawn = labels_of(labels, len(labels), "labels of rows", longest=32)

    figure = Picture(2.6 + 2.5 * len(columns), 1.5 + 0.3 * len(labels), clean(title, 90))
    panels = figure.subplots(1, len(columns), squeeze=False, sharey=True)[0]
    told = []
    dashes = _dashes(levels or {}, columns)
    for axes, column in zip(panels, columns, strict=True):
        lines = dict((levels or {}).get(column, {}))
        for name, value in lines.items():
            axes.axvline(value, linestyle=dashes[name], zorder=1, **LEVEL)
        _dots(axes, rows, column, lines, reference, lines.get(stem_from))
        said = [f"{name} {_said(row['numbers'].get(column))}" for name, row in rows.items()]
        marked = ", ".join(f"{name} {value:.3g}" for name, value in lines.items())
        told.append(f"{column}{f' ({marked})' if marked else ''}: {', '.join(said)}")
    name_lines(panels[0], drawn, 0.4)
    figure.legend_below(_marks(rows, reference, dashes), ncols=3, handlelength=2.6)
    return figure.saying(f"{title}: {'; '.join(told)}.")


def _dashes(levels: Mapping[str, Mapping[str, float]], columns: Sequence[str]) -> dict[str, Any]:
    """How the line of each name is dashed: alike in every panel."""
    names = dict.fromkeys(name for column in columns for name in levels.get(column, {}))
    return {name: LEVEL_DASHES[i % len(LEVEL_DASHES)] for i, name in enumerate(names)}


def _dots(
    axes: Axes, rows: Rows, column: str, lines: Mapping[str, float], reference: str,
    stem: float | None,
) -> None:  # fmt: skip
    axes.set_xlim(_limits(rows, column, lines))
    base = rows[reference]["numbers"].get(column) if reference else None
    if base is not None:
        axes.axvspan(base["mean"] - base["sd"], base["mean"] + base["sd"], color="#e2e2e2", lw=0)
        axes.axvline(base["mean"], color=GREY, linewidth=1.0, zorder=1)
    for place, (name, row) in enumerate(rows.items()):
        value, several = row["numbers"].get(column), len(row["seeds"]) > 1
        if value is None:
            axes.text(
                0.5, place, "not measured", transform=axes.get_yaxis_transform(), ha="center",
                va="center", fontsize=7.5, color="#777777", style="italic",
            )  # fmt: skip
            continue
        color = INK if name == reference else BLUE
        if stem is not None:
            axes.plot([stem, value["mean"]], [place, place], color="#9ecae1", lw=5, zorder=1.5)
        if base is not None and name != reference:
            axes.plot([base["mean"], value["mean"]], [place, place], color=ORANGE, lw=2.2, zorder=2)
        axes.errorbar(
            value["mean"], place, xerr=value["sd"] if several else None, fmt="o", color=color,
            markersize=6, markerfacecolor=color if several else "white", markeredgecolor=color,
            markeredgewidth=1.3, elinewidth=1.4, capsize=3, zorder=3, clip_on=False,
        )  # fmt: skip
        text = _said(value)
        if base is not None and name != reference:
            text += f" ({value['mean'] - base['mean']:+.3f})"
        axes.annotate(
            text, (1, place), xycoords=("axes fraction", "data"), xytext=(5, 0),
            textcoords="offset points", va="center", fontsize=7.5,
        )  # fmt: skip
    axes.set_xlabel(clean(f"{column} ({UNITS[column]})" if column in UNITS else column, 40))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y")


def _limits(rows: Rows, column: str, lines: Mapping[str, float]) -> tuple[float, float]:
    values = [row["numbers"][column] for row in rows.values() if column in row["numbers"]]
    means = [value["mean"] for value in values] + list(lines.values())
    if min(means) >= 0 and max(means) <= 1:
        return -0.06, 1.06  # a share is seen on the whole of its scale
    low = min([value["mean"] - value["sd"] for value in values] + means)
    high = max([value["mean"] + value["sd"] for value in values] + means)
    pad = 0.06 * (high - low or 1.0)
    return low - pad, high + pad


def _marks(rows: Rows, reference: str, dashes: Mapping[str, Any]) -> list[Line2D]:
    found = []
    dot: dict[str, Any] = {"color": BLUE, "marker": "o", "markersize": 6}
    seeds = sorted({len(row["seeds"]) for row in rows.values()})
    if several := [count for count in seeds if count > 1]:
        count = " to ".join(dict.fromkeys(str(n) for n in (several[0], several[-1])))
        found.append(key(f"mean ± standard deviation, {count} seeds", **dot))
    if seeds[0] == 1:
        hollow: dict[str, Any] = {"linestyle": "none", "mfc": "white", "mew": 1.3}
        found.append(key("one seed, no spread known", **dot, **hollow))
    if reference:
        found.append(key(f"difference from {clean(reference, 24)}", color=ORANGE, linewidth=2.2))
    return found + [key(clean(name, 32), linestyle=d, **LEVEL) for name, d in dashes.items()]


@styled
def setting_curves(
    panels: Mapping[str, Mapping[str, Points]],
    *,
    levels: Mapping[str, float] | None = None,
    ylabel: str = "edge F1 at threshold 0.5",
    title: str = "Recovery of the graph",
) -> Picture:
    """A number in [0, 1] against several settings, one panel each, with the spread over seeds.

    panels: setting -> who -> {value: {mean, sd, seeds}}; 1 to 4 panels, 1 to 3 names in all, each
        drawn alike in every panel. Values are drawn at equal distances, in growing order.
    levels: name -> value of a line across all panels, such as chance.
    Raises ValueError for no panels or too many, a panel without a point, a mean outside [0, 1].
    """
    if not 1 <= len(panels) <= MOST_PANELS:
        raise ValueError(f"expected 1 to {MOST_PANELS} panels, found {len(panels)}")
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    if not 1 <= len(names) <= MOST_CURVES:
        raise ValueError(f"expected 1 to {MOST_CURVES} curves, found {len(names)}")
    for setting, curves in panels.items():
        points = [point for curve in curves.values() for point in curve.values()]
        if not points:
            raise ValueError(f"panel {setting!r} has no point")
        for point in points:
            if not 0 <= (mean := point["mean"]) <= 1:
                raise ValueError(f"panel {setting!r}: expected means in [0, 1], found {mean:g}")

    figure = Picture(0.9 + 2.45 * len(panels), 3.5, clean(title, 90))
    every = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    told = []
    for axes, (setting, curves) in zip(every, panels.items(), strict=True):
        values = sorted({value for curve in curves.values() for value in curve})
        for height in (levels or {}).values():
            axes.axhline(height, linestyle=LEVEL_DASHES[0], zorder=1, **LEVEL)
        for number, name in enumerate(names):
            if name in curves:
                _curve(axes, curves[name], values, LOOKS[number], 0.09 * (number - 1))
                said = [f"{_said(point)} at {value:g}" for value, point in curves[name].items()]
                told.append(f"{setting}, {name}: {', '.join(said)}")
        axes.set_xticks(range(len(values)), [f"{value:g}" for value in values])
        axes.set(xlim=(-0.4, len(values) - 0.6), xlabel=clean(setting, 32), ylim=(-0.03, 1.06))
        axes.grid(axis="y")
    every[0].set_ylabel(clean(ylabel, 48))
    handles = [
        key(clean(name, 40), color=color, marker=mark, linestyle=dashes)
        for name, (color, mark, dashes) in zip(names, LOOKS, strict=False)
    ]
    handles += [key(clean(name, 32), linestyle=LEVEL_DASHES[0], **LEVEL) for name in levels or {}]
    figure.legend_below(handles, ncols=4, handlelength=3)
    controls = "".join(f"; {name} {value:.3g}" for name, value in (levels or {}).items())
    return figure.saying(f"{title}: {ylabel}. {'; '.join(told)}{controls}.")


def _curve(
    axes: Axes, curve: Points, values: Sequence[float], look: tuple[str, str, Any], shift: float
) -> None:
    color, mark, dashes = look
    at = [values.index(value) + shift for value in curve]  # beside each other where they agree
    axes.plot(at, [p["mean"] for p in curve.values()], color=color, linestyle=dashes, zorder=2)
    for place, point in zip(at, curve.values(), strict=True):
        several = len(point["seeds"]) > 1
        axes.errorbar(
            place, point["mean"], yerr=point["sd"] if several else None, fmt=mark, color=color,
            markersize=5.5, markerfacecolor=color if several else "white", markeredgewidth=1.2,
            elinewidth=1.3, capsize=3, zorder=3, clip_on=False,
        )  # fmt: skip
