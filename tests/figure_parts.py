"""What tests look at in a figure, and something to draw."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text


def some_images(n: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, side, side, 3)).astype(np.uint8)


def some_graph(n: int) -> np.ndarray:
    return np.random.default_rng(n).random((n, n))


def visible_texts(figure: Figure) -> list[Text]:
    """All texts that are drawn: of tick labels only those within the view."""
    ticks, hidden = set(), set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            labels = axis.get_majorticklabels() + axis.get_minorticklabels()
            places = list(axis.get_majorticklocs()) + list(axis.get_minorticklocs())
            ticks.update(labels)
            for label, place in zip(labels, places, strict=False):
                if axes.axison and low - 1e-9 <= place <= high + 1e-9:
                    ticks.discard(label)
            if not axes.axison:
                hidden.update([axis.label, axis.offsetText])
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in ticks | hidden
    ]


def arrows_of(figure: Figure) -> list[FancyArrowPatch]:
    return figure.axes[0].findobj(lambda artist: type(artist) is FancyArrowPatch)


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def middle_of(arrow: FancyArrowPatch) -> np.ndarray:
    path = arrow.get_connectionstyle()(*arrow._posA_posB)
    return path.vertices[1]  # of a start, a point that it bends towards, and an end
