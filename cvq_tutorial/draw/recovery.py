"""How well a known graph is recovered while a model learns, and what cutting its edges costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import checked
from cvq_tutorial.draw.style import BLUE, GREEN, GREY, INK, ORANGE, Picture, labels_of, styled

_LOOKS = (
    (BLUE, "o", "-"),
    (ORANGE, "s", (0, (4, 1.6))),
    (GREEN, "^", (0, (1.4, 1.2))),
    (INK, "D", "-."),
)


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
    level_names, heights = _checked_levels(levels, "probabilities")

    figure = Picture(7.6, 3.9)
    axes = figure.add_subplot()
    for name, height in zip(level_names, heights, strict=True):
        axes.axhline(height, color=GREY, linewidth=1.2, linestyle=(0, (1, 1)))
        axes.annotate(
            f"{name}: {height:.2f}", (1, height), xycoords=("axes fraction", "data"),
            xytext=(-4, 2), textcoords="offset points", ha="right", va="bottom",
            fontsize=8, color="#555555",
        )  # fmt: skip
    _draw_curves(axes, at, names, curves)
    axes.set(xlabel="step of training", ylabel=ylabel, ylim=(0, 1.02), xlim=(at[0], at[-1]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title)
    figure.legend(loc="outside lower center", ncols=min(len(curves), 2), handlelength=3.2)
    told = [f"{name} from {v[0]:.2f} to {v[-1]:.2f}" for name, v in zip(names, curves, strict=True)]
    controls = [f"{name} {height:.2f}" for name, height in zip(level_names, heights, strict=True)]
    figure.summary = f"{title}: {ylabel}, steps {at[0]:.0f} to {at[-1]:.0f}: {'; '.join(told)}" + (
        f"; controls: {', '.join(controls)}." if controls else "."
    )
    return figure


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
    level_names, heights = _checked_levels(levels, "numbers")
    low = min(0.0, *heights, *(float(values.min()) for values in curves))
    top = max(*heights, *(float(values.max()) for values in curves), 1e-9)

    figure = Picture(6.4, 3.7)
    axes = figure.add_subplot()
    for name, height in zip(level_names, heights, strict=True):
        axes.axhline(height, color=GREY, linewidth=1.2, linestyle=(0, (1, 1)))
        axes.annotate(
            f"{name}: {height:.1f}", (0, height), xycoords=("axes fraction", "data"),
            xytext=(6, 2), textcoords="offset points", va="bottom", fontsize=8, color="#555555",
        )  # fmt: skip
    _draw_curves(axes, at, names, curves)
    axes.set(xlabel="share of the causes of a node that is cut")
    axes.set_ylabel("more surprise (nats per node)")
    axes.set(ylim=(low, 1.08 * top), xlim=(at[0], at[-1]), xticks=at)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.suptitle(title)
    figure.legend(loc="outside lower center", ncols=min(len(curves), 2), handlelength=3.2)
    told = [
        f"{name} {', '.join(f'{v:.1f}' for v in values)}"
        for name, values in zip(names, curves, strict=True)
    ]
    told += [f"{name} {height:.1f}" for name, height in zip(level_names, heights, strict=True)]
    cut = ", ".join(f"{share:.0%}" for share in at)
    figure.summary = f"{title}: nats per node, of the causes cut {cut}: {'; '.join(told)}."
    return figure


def _checked_curves(
    along: str, at: Sequence[float], at_kind: str, what: str,
    curves: Mapping[str, Sequence[float]], kind: str,
) -> tuple[NDArray[np.float64], tuple[str, ...], list[NDArray[np.float64]]]:  # fmt: skip
    """Where the curves have values, their names, and the values of each."""
    places = checked(along, at, at_kind, (None,))
    if len(places) < 2 or (np.diff(places) <= 0).any():
        raise ValueError(f"{along} must be at least two and grow, found {places.tolist()}")
    if not 1 <= len(curves) <= len(_LOOKS):
        raise ValueError(f"expected 1 to {len(_LOOKS)} curves, found {len(curves)}")
    names = labels_of(list(curves), len(curves), "names of curves", longest=48)
    pairs = zip(names, curves.values(), strict=True)
    return places, names, [checked(f"{what} of {n}", v, kind, places.shape) for n, v in pairs]


def _checked_levels(
    levels: Mapping[str, float] | None, kind: str
) -> tuple[tuple[str, ...], list[float]]:
    """Names and heights of the controls; none without any."""
    if not levels:
        return (), []
    names = labels_of(list(levels), len(levels), "names of levels", longest=48)
    return names, checked("levels", list(levels.values()), kind, (None,)).tolist()


def _draw_curves(
    axes: Axes, at: NDArray[np.float64], names: Sequence[str], curves: Sequence[NDArray[np.float64]]
) -> None:
    """Up to four curves, told apart by colour, mark and dash."""
    for name, values, (color, marker, dashes) in zip(names, curves, _LOOKS, strict=False):
        axes.plot(
            at, values, color=color, marker=marker, linestyle=dashes, markersize=5.5,
            markeredgecolor="white", markeredgewidth=0.6, label=name, clip_on=False, zorder=3,
        )  # fmt: skip
