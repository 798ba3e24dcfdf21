"""Accuracy value by value, below how often each value occurs: what a skew costs, and whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cvq_tutorial.common.arrays import as_probabilities
from cvq_tutorial.draw.style import BLUE, GREEN, GREY, INK, ORANGE, Picture, styled

MARKS = ((GREY, "s", "--"), (BLUE, "o", "-"), (ORANGE, "D", "-"), (GREEN, "^", ":"))


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
    figure = Picture(1.6 + 0.62 * len(labels), 4.6)
    bars, axes = figure.subplots(2, 1, sharex=True, height_ratios=[1, 2])
    places = np.arange(len(labels))
    bars.bar(places, above, color=BLUE, width=0.7)
    bars.axhline(1 / len(labels), color=INK, linestyle="--", linewidth=1, label="even share")
    bars.set(ylabel="share in\ntraining", ylim=(0, 1.1 * max(above.max(), 1 / len(labels))))
    bars.legend(loc="upper right")
    for (name, values), (color, marker, style) in zip(lines.items(), MARKS, strict=False):
        axes.plot(
            places, values, style, color=color, marker=marker, markeredgecolor="white",
            markersize=7, label=name, clip_on=False,
        )  # fmt: skip
    axes.axhline(chance, color=INK, linestyle=":", linewidth=1, label="chance")
    axes.set(ylabel="action accuracy", ylim=(0, 1.02), xlabel="value before the action")
    axes.set_xticks(places, labels)
    axes.grid(True, axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    figure.suptitle(title)
    told = ", ".join(
        f"{name} {v.mean():.2f} on average, {v.min():.2f} at worst ({labels[int(v.argmin())]})"
        for name, v in lines.items()
    )
    figure.summary = f"{title}: {told}; chance {chance:.2f}."
    return figure
