"""What a code looks like: its colour, the same in all figures and explorers, and codes as cells."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, hsv_to_rgb
from numpy.typing import NDArray

from cvq_tutorial.draw.style import tile


def code_colors(n_codes: int) -> NDArray[np.float64]:
    """Pale colours (K, 3) in [0, 1], far apart for neighbouring codes.

    Golden-ratio steps around the hues.
    """
    code = np.arange(n_codes)
    shade = np.array([(0.42, 0.97), (0.28, 0.88), (0.55, 0.92)])[code % 3]
    return hsv_to_rgb(np.column_stack([(0.61803398875 * code) % 1.0, shade]))


def code_cells(
    axes: Axes, cells: NDArray[np.integer], n_codes: int, title: str, size: float = 6.5
) -> None:
    """Codes (rows, columns) as cells of a figure, with their numbers on at most eight columns."""
    colors = ListedColormap([tuple(color) for color in code_colors(n_codes)])
    tile(axes, cells, title, cmap=colors, vmin=-0.5, vmax=n_codes - 0.5)
    if cells.shape[1] <= 8:
        for (row, column), code in np.ndenumerate(cells):
            axes.text(column, row, str(code), ha="center", va="center", fontsize=size)
