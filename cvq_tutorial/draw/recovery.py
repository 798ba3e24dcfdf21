"""How well a known graph is recovered, while a model learns or a setting is moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator
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
    at = checked("steps", steps, "numbers", (None,))
    if len(at) < 2 or (np.diff(at) <= 0).any():
        raise ValueError(f"steps must be at least two and grow, found {at.tolist()}")
    if not 1 <= len(scores) <= len(_LOOKS):
        raise ValueError(f"expected 1 to {len(_LOOKS)} curves, found {len(scores)}")
    names = labels_of(list(scores), len(scores), "names of curves", longest=48)
    curves: list[NDArray[np.float64]] = [
        checked(f"scores of {name}", values, "probabilities", at.shape)
        for name, values in zip(names, scores.values(), strict=True)
    ]
    level_names: tuple[str, ...] = ()
    heights: list[float] = []
    if levels:
        level_names = labels_of(list(levels), len(levels), "names of levels", longest=48)
        heights = checked("levels", list(levels.values()), "probabilities", (None,)).tolist()

    figure = Picture(7.6, 3.9)
    axes = figure.add_subplot()
    for name, height in zip(level_names, heights, strict=True):
        axes.axhline(height, color=GREY, linewidth=1.2, linestyle=(0, (1, 1)))
        axes.annotate(
            f"{name}: {height:.2f}", (1, height), xycoords=("axes fraction", "data"),
            xytext=(-4, 2), textcoords="offset points", ha="right", va="bottom",
            fontsize=8, color="#555555",
        )  # fmt: skip
    for name, values, (color, marker, dashes) in zip(names, curves, _LOOKS, strict=False):
        axes.plot(
            at, values, color=color, marker=marker, linestyle=dashes, markersize=5.5,
            markeredgecolor="white", markeredgewidth=0.6, label=name, clip_on=False, zorder=3,
        )  # fmt: skip
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
