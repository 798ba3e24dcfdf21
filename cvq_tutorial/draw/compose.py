"""Actions done in a row: how errors grow, and the images of one sequence, true and imagined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator

from cvq_tutorial.common.arrays import as_images
from cvq_tutorial.common.checks import close_match
from cvq_tutorial.draw.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    Picture,
    label,
    labels_of,
    row_label,
    styled,
    tile,
)
from cvq_tutorial.measure.metrics import psnr

# who: (text, colour, line, marker); the keys are those of `sequences.composition`
LINES: dict[str, tuple[str, str, Any, str]] = {
    "belief": ("belief carried on", BLUE, "-", "o"),
    "codes": ("likeliest codes carried on", ORANGE, (0, (5, 2)), "s"),
    "images": ("image decoded and encoded anew", GREEN, (0, (1, 1.3)), "^"),
    "ceiling": ("ceiling: true image, encoded and decoded", INK, (0, (6, 2, 1, 2)), ""),
    "copy": ("copy: image before the first action", GREY, "-", "x"),
}
MOST = 12  # actions in a strip
ROOM = 67  # points for a title over an image


def _lines(axes: Axes, table: Mapping[str, Sequence[float]]) -> None:
    for who, values in table.items():
        text, color, line, marker = LINES[who]
        steps = range(1, len(values) + 1)
        axes.plot(steps, values, color=color, linestyle=line, marker=marker, markersize=4.5,
                  label=text)  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="actions done")
    axes.grid(axis="y")


def _table(
    name: str, table: Mapping[str, Sequence[float]], top: float = np.inf
) -> dict[str, list[float]]:
    if not table:
        raise ValueError(f"{name} must have at least one line, found none")
    taken: dict[str, list[float]] = {}
    for who in (*LINES, *table):
        if who not in LINES:
            raise ValueError(close_match(f"line of {name}", who, LINES))
        if who in table:
            taken[who] = [float(value) for value in table[who]]
    lengths = {who: len(values) for who, values in taken.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"{name} must have one number per step and line, found {lengths}")
    every = np.array(list(taken.values()))
    if not np.isfinite(every).all() or every.min() < 0 or every.max() > top:
        raise ValueError(f"{name} must lie in [0, {top:g}], found {every.min()}..{every.max()}")
    return taken


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
    figure = Picture(0.9 + 3.1 * panels, 3.7)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _lines(axes[0], table)
    axes[0].set(title="Imagined against true image", ylabel="PSNR (dB)")
    if 0 < len(near) < len(table):
        _lines(axes[1], near)
        axes[1].set(title="The same without the copy", ylabel="PSNR (dB)")
    if judged is not None:
        _lines(axes[-1], judged)
        axes[-1].set(title="All factors right, says the judge", ylabel="share of images")
        axes[-1].set_ylim(-0.03, 1.03)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 if panels > 1 else 1)
    figure.suptitle("Actions in a row")
    ends = "; ".join(
        f"{LINES[who][0]} {values[0]:.1f} to {values[-1]:.1f}" for who, values in table.items()
    )
    steps = len(next(iter(table.values())))
    figure.summary = f"PSNR in dB after 1 and after {steps} actions: {ends}."
    if judged is not None:
        ends = "; ".join(f"{LINES[who][0]} {values[-1]:.0%}" for who, values in judged.items())
        figure.summary += f" All factors right after the last, says the judge: {ends}."
    return figure


@styled
def plan_strip(
    imagined: Any,
    action_names: Sequence[str],
    truth: Any = None,
    target: Any = None,
    title: str = "A plan, step by step",
) -> Picture:
    """What a sequence of actions does to an image: as it truly is above, as imagined below.

    imagined: T + 1 images, before and after each of T actions.  action_names: T names, at most 12.
    truth: true images likewise, or None; fewer where an action does not exist in the world: what
        follows is left empty.
    target: one image that the actions should lead to, shown at the right, or None.
    The PSNR of each imagined image against the true one stands below it.
    """
    below = as_images(imagined, "imagined")
    names = labels_of(action_names, len(below) - 1, "action names", longest=16)
    if len(names) > MOST:
        raise ValueError(f"a strip shows at most {MOST} actions, found {len(names)}")
    above = None if truth is None else as_images(truth, "truth")
    if above is not None and (above.shape[1:] != below.shape[1:] or len(above) > len(below)):
        raise ValueError(
            f"truth must be at most {len(below)} images of shape {below.shape[1:]}, found "
            f"{len(above)} of {above.shape[1:]}"
        )
    end = None if target is None else as_images(target, "target")
    if end is not None and end.shape != (1, *below.shape[1:]):
        raise ValueError(f"target must be one image of {below.shape[1:]}, found {end.shape}")

    rows, columns = 1 + (above is not None), len(below) + (end is not None)
    figure = Picture(max(3.6, 0.95 + 1.02 * columns), 0.7 + 1.06 * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    titles = ["x", *(f"{i}: {name}" for i, name in enumerate(names, 1))]
    size = 8.5 * min(
        1.0, ROOM / max(TextPath((0, 0), t, size=8.5).get_extents().x1 for t in titles)
    )
    nothing = np.ones_like(below[0])
    errors: list[float] = []
    for column, image in enumerate(below):
        tile(axes[-1, column], image)
        if above is not None and column < len(above):
            tile(axes[0, column], above[column])
            errors.append(psnr(float(np.square(image - above[column]).mean())))
            axes[-1, column].set_xlabel(f"{errors[-1]:.1f} dB", fontsize=7.5, labelpad=2)
        elif above is not None:
            tile(axes[0, column], nothing)
            axes[0, column].text(
                0.5, 0.5, "does not\nexist", ha="center", va="center", fontsize=8,
                transform=axes[0, column].transAxes,
            )  # fmt: skip
        axes[0, column].set_title(titles[column], fontsize=size)
    if end is not None:
        tile(axes[0, -1], end[0])
        axes[0, -1].set_title("y", fontsize=size)
        for cell in axes[1:, -1]:
            cell.set_axis_off()
    if above is not None:
        row_label(axes[0, 0], "true")
    row_label(axes[-1, 0], "imagined")
    figure.suptitle(label(title, 60))
    figure.summary = f"{len(names)} actions in a row: {', '.join(names) or 'none, x alone'}."
    if errors:
        told = ", ".join(f"{error:.1f}" for error in errors)
        figure.summary += f" PSNR of the imagined against the true image, from x on: {told} dB."
    if above is not None and len(above) < len(below):
        figure.summary += f" Action {len(above)} does not exist in the world."
    return figure
