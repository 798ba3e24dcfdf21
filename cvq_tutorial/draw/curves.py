"""Curves beside controls: recovery of a graph, what cutting costs, accuracy by value, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import as_probabilities, checked
from cvq_tutorial.common.checks import close_match
from cvq_tutorial.draw.parts import draw_curve, labels_of
from cvq_tutorial.draw.style import BLUE, GREEN, GREY, INK, LOOKS, ORANGE, Picture, styled

# who: (text, colour, mark, dashes); the keys are those of `sequences.composition`
LINES: dict[str, tuple[str, str, str, Any]] = {
    "belief": ("belief carried on", BLUE, "o", "-"),
    "codes": ("likeliest codes carried on", ORANGE, "s", (0, (5, 2))),
    "images": ("image decoded and encoded anew", GREEN, "^", (0, (1, 1.3))),
    "ceiling": ("ceiling: true image, encoded and decoded", INK, "", (0, (6, 2, 1, 2))),
    "copy": ("copy: image before the first action", GREY, "x", "-"),
}
MARKS = ((GREY, "s", "--"), (BLUE, "o", "-"), (ORANGE, "D", "-"), (GREEN, "^", ":"))


@styled
def recovery_curve(
    steps: Sequence[int],
    scores: Mapping[str, Sequence[float]],
    levels: Mapping[str, float] | None = None,
    *,
    title: str = "Recovery of the graph",
    ylabel: str = "edge F1 against the truth",
) -> Picture:
    """Scores between 0 and 1 against the step of training, beside the levels of their controls.

    steps: S growing integers, at least two.
    scores: name -> S scores in [0, 1]; 1 to 4 curves, told apart by colour, mark and dash.
    levels: name -> score of a control that does not learn, drawn as a grey line across.
    Raises ValueError or TypeError, naming expected and found.
    """
    at, names, curves = _checked_curves(
        "steps", steps, "numbers", "scores", scores, "probabilities"
    )
    controls = _checked_levels(levels, "probabilities")

    figure = Picture(7.6, 3.9, title)
    axes = figure.add_subplot()
    _draw_levels(axes, controls, ".2f", 1)
    _draw_curves(axes, at, names, curves)
    axes.set(xlabel="step of training", ylabel=ylabel, ylim=(0, 1.02), xlim=(at[0], at[-1]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend_below(ncols=min(len(curves), 2), handlelength=3.2)
    told = [f"{name} from {v[0]:.2f} to {v[-1]:.2f}" for name, v in zip(names, curves, strict=True)]
    levels_told = ", ".join(f"{name} {height:.2f}" for name, height in controls.items())
    return figure.saying(
        f"{title}: {ylabel}, steps {at[0]:.0f} to {at[-1]:.0f}: {'; '.join(told)}"
        f"{f'; controls: {levels_told}' if controls else ''}."
    )


@styled
def cutting_curve(
    shares: Sequence[float],
    costs: Mapping[str, Sequence[float]],
    levels: Mapping[str, float] | None = None,
    *,
    title: str = "What cutting costs",
) -> Picture:
    """What cutting a share of the edges costs, beside controls.

    shares: S growing numbers in [0, 1], at least two: which share of its causes each effect loses.
    costs: name -> S costs in nats per effect; 1 to 4 curves, told apart by colour, mark and dash.
    levels: name -> nats, drawn as a grey line across, such as the cost of guessing.
    Raises ValueError or TypeError, naming expected and found.
    """
    at, names, curves = _checked_curves(
        "shares", shares, "probabilities", "costs", costs, "numbers"
    )
    controls = _checked_levels(levels, "numbers")
    every = np.concatenate([*curves, [*controls.values()]])
    low, top = min(0.0, float(every.min())), max(1e-9, float(every.max()))

    figure = Picture(6.4, 3.7, title)
    axes = figure.add_subplot()
    _draw_levels(axes, controls, ".1f", 0)
    _draw_curves(axes, at, names, curves)
    axes.set(xlabel="share of the causes of a node that is cut")
    axes.set_ylabel("more surprise (nats per node)")
    axes.set(ylim=(low, 1.08 * top), xlim=(at[0], at[-1]), xticks=at)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.legend_below(ncols=min(len(curves), 2), handlelength=3.2)
    told = [
        f"{name} {', '.join(f'{v:.1f}' for v in values)}"
        for name, values in zip(names, curves, strict=True)
    ]
    told += [f"{name} {height:.1f}" for name, height in controls.items()]
    cut = ", ".join(f"{share:.0%}" for share in at)
    return figure.saying(f"{title}: nats per node, of the causes cut {cut}: {'; '.join(told)}.")


@styled
def accuracy_by_value(
    shares: Any,
    accuracies: Mapping[str, Any],
    labels: Sequence[str],
    *,
    chance: float,
    title: str = "Accuracy by value",
) -> Picture:
    """Shares of the values of one factor as bars, and below them the accuracies of some methods.

    shares: (V,) in [0, 1], how often each value occurs in the training data.
    accuracies: {method: (V,) in [0, 1]}, one to four methods.
    labels: V texts, the values.  chance: in [0, 1], drawn as a dotted line.
    """
    above = as_probabilities(shares, "shares", (len(labels),))
    if not 1 <= len(accuracies) <= len(MARKS):
        raise ValueError(f"accuracies: expected 1 to {len(MARKS)} methods, found {len(accuracies)}")
    if not 0 <= chance <= 1:
        raise ValueError(f"chance must lie in [0, 1], found {chance}")
    lines = {
        name: as_probabilities(values, name, (len(labels),)) for name, values in accuracies.items()
    }
    figure = Picture(1.6 + 0.62 * len(labels), 4.6, title)
    bars, axes = figure.subplots(2, 1, sharex=True, height_ratios=[1, 2])
    places = np.arange(len(labels))
    bars.bar(places, above, color=BLUE, width=0.7)
    bars.axhline(1 / len(labels), color=INK, linestyle="--", linewidth=1, label="even share")
    bars.set(ylabel="share in\ntraining", ylim=(0, 1.1 * max(above.max(), 1 / len(labels))))
    bars.legend(loc="upper right")
    for (name, values), look in zip(lines.items(), MARKS, strict=False):
        draw_curve(axes, places, values, look, name, mec="white", ms=7, clip_on=False)
    axes.axhline(chance, color=INK, linestyle=":", linewidth=1, label="chance")
    axes.set(ylabel="action accuracy", ylim=(0, 1.02), xlabel="value before the action")
    axes.set_xticks(places, labels)
    axes.grid(True, axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    told = ", ".join(
        f"{name} {v.mean():.2f} on average, {v.min():.2f} at worst ({labels[int(v.argmin())]})"
        for name, v in lines.items()
    )
    return figure.saying(f"{title}: {told}; chance {chance:.2f}.")


@styled
def error_growth(
    decibels: Mapping[str, Sequence[float]], all_right: Mapping[str, Sequence[float]] | None = None
) -> Picture:
    """How far imagined images go astray when actions are done one after another.

    decibels: PSNR against the true image after each step, one list per line; `psnr` of
        `sequences.composition`. Lines: belief, codes, images (how the model goes on from step to
        step), and the controls ceiling and copy.
    all_right: share of images of which the judge reads all factors right, likewise, or None.
    The second panel shows the first without the copy, so that its lines come apart.
    """
    table = _table("decibels", decibels)
    judged = None if all_right is None else _table("all_right", all_right, 1)
    near = {who: values for who, values in table.items() if who != "copy"}
    panels = 1 + (0 < len(near) < len(table)) + (judged is not None)
    figure = Picture(0.9 + 3.1 * panels, 3.7, "Actions in a row")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _lines(axes[0], table)
    axes[0].set(title="Imagined against true image", ylabel="PSNR (dB)")
    if 0 < len(near) < len(table):
        _lines(axes[1], near)
        axes[1].set(title="The same without the copy", ylabel="PSNR (dB)")
    if judged is not None:
        _lines(axes[-1], judged)
        axes[-1].set(title="All factors right, says the judge", ylim=(-0.03, 1.03))
        axes[-1].set_ylabel("share of images")
    handles, _ = axes[0].get_legend_handles_labels()
    figure.legend_below(handles, ncols=2 if panels > 1 else 1)
    ends = "; ".join(
        f"{LINES[who][0]} {values[0]:.1f} to {values[-1]:.1f}" for who, values in table.items()
    )
    steps = len(next(iter(table.values())))
    figure.summary = f"PSNR in dB after 1 and after {steps} actions: {ends}."
    if judged is not None:
        ends = "; ".join(f"{LINES[who][0]} {values[-1]:.0%}" for who, values in judged.items())
        figure.summary += f" All factors right after the last, says the judge: {ends}."
    return figure


def _checked_curves(
    along: str, at: Sequence[float], at_kind: str, what: str,
    curves: Mapping[str, Sequence[float]], kind: str,
) -> tuple[NDArray[np.float64], tuple[str, ...], list[NDArray[np.float64]]]:  # fmt: skip
    """Where the curves have values, their names, and the values of each."""
    places = checked(along, at, at_kind, (None,))
    if len(places) < 2 or (np.diff(places) <= 0).any():
        raise ValueError(f"{along} must be at least two and grow, found {places.tolist()}")
    if not 1 <= len(curves) <= len(LOOKS):
        raise ValueError(f"expected 1 to {len(LOOKS)} curves, found {len(curves)}")
    names = labels_of(list(curves), len(curves), "names of curves", longest=48)
    pairs = zip(names, curves.values(), strict=True)
    return places, names, [checked(f"{what} of {n}", v, kind, places.shape) for n, v in pairs]


def _checked_levels(levels: Mapping[str, float] | None, kind: str) -> dict[str, float]:
    """Names and heights of the controls."""
    if not levels:
        return {}
    names = labels_of(list(levels), len(levels), "names of levels", longest=48)
    heights = checked("levels", list(levels.values()), kind, (None,)).tolist()
    return dict(zip(names, heights, strict=True))


def _draw_levels(axes: Axes, levels: Mapping[str, float], form: str, side: int) -> None:
    """Grey lines across, their names and heights at the left (side 0) or the right (1)."""
    look: dict[str, Any] = {"ha": ("left", "right")[side], "va": "bottom", "color": "#555555"}
    for name, height in levels.items():
        axes.axhline(height, color=GREY, linewidth=1.2, linestyle=(0, (1, 1)))
        axes.annotate(
            f"{name}: {height:{form}}", (side, height), xycoords=("axes fraction", "data"),
            xytext=((6, -4)[side], 2), textcoords="offset points", fontsize=8, **look,
        )  # fmt: skip


def _draw_curves(
    axes: Axes, at: NDArray[np.float64], names: Sequence[str], curves: Sequence[NDArray[np.float64]]
) -> None:
    """Up to four curves, told apart by colour, mark and dash."""
    more: dict[str, Any] = {"ms": 5.5, "mec": "white", "mew": 0.6, "clip_on": False, "zorder": 3}
    for name, values, look in zip(names, curves, LOOKS, strict=False):
        draw_curve(axes, at, values, look, name, **more)


def _lines(axes: Axes, table: Mapping[str, Sequence[float]]) -> None:
    for who, values in table.items():
        text, *look = LINES[who]
        draw_curve(axes, range(1, len(values) + 1), values, tuple(look), text, ms=4.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="actions done")
    axes.grid(axis="y")


def _table(
    name: str, table: Mapping[str, Sequence[float]], top: float = np.inf
) -> dict[str, list[float]]:
    if not table:
        raise ValueError(f"{name} must have at least one line, found none")
    for who in table:
        if who not in LINES:
            raise ValueError(close_match(f"line of {name}", who, LINES))
    taken = {who: [float(value) for value in table[who]] for who in LINES if who in table}
    lengths = {who: len(values) for who, values in taken.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"{name} must have one number per step and line, found {lengths}")
    every = np.array(list(taken.values()))
    if not np.isfinite(every).all() or every.min() < 0 or every.max() > top:
        raise ValueError(f"{name} must lie in [0, {top:g}], found {every.min()}..{every.max()}")
    return taken
