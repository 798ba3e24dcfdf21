"""What all figures share: one look, one kind of figure, one way to check what is drawn and to save.

A figure here is a `Picture`: a matplotlib Figure that pyplot never knew of (so none stays open),
that carries a one-line `summary` for readers who cannot see it, and that shows itself in a notebook
exactly once.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cvq_tutorial.paths import write_atomic

STYLE = Path(__file__).with_name("cvq.mplstyle")
BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#999999", "#222222"
ORIENTATION = "row = cause, column = effect"

P = ParamSpec("P")
R = TypeVar("R")


class Picture(Figure):
    """A figure with a `summary`: one line that says what can be seen in it."""

    summary: str = ""

    def __init__(self, width: float, height: float) -> None:
        """An empty figure of a fixed size in inches, with constrained layout, without pyplot."""
        super().__init__(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        # Jupyter knows how to show a Figure only once pyplot is imported; this works always, once.
        return png(self)


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Decorator: draw in the project's style, and leave the user's settings as they were."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rc_file(STYLE, use_default_template=False)
            return draw(*args, **kwargs)

    return drawn


@styled
def png(figure: Figure, dpi: float | None = None) -> bytes:
    """The figure as the bytes of a PNG; its summary is in the metadata entry Description."""
    buffer = io.BytesIO()
    about = {"Description": getattr(figure, "summary", ""), "Software": None}
    figure.savefig(buffer, format="png", dpi=dpi or "figure", metadata=about)
    return buffer.getvalue()


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure as a PNG at 150 dpi, whole or not at all, and return the path.

    Raises ValueError for a name that does not end in .png, OSError as `write_atomic`.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"a figure is saved as .png, found {path.name!r}")
    return write_atomic(path, png(figure, dpi=150))


# What may be drawn -------------------------------------------------------------------------------


def as_array(values: Any) -> NDArray:
    """A numpy array of an array, a list or a tensor (on any device, with or without gradient)."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() else values
        return values.numpy()
    return np.asarray(values)


def as_images(images: Any, name: str = "images") -> NDArray[np.float64]:
    """Images as float (B, H, W, 3) in [0, 1], checked.

    images: float (B, C, H, W) in [0, 1], array or tensor, or uint8 (B, H, W, C); C is 1 or 3.
    Raises ValueError for another shape or range (with a hint for images in [-1, 1]), TypeError for
    another dtype.
    """
    array = as_array(images)
    if array.ndim != 4 or array.size == 0:
        raise ValueError(
            f"{name} must be float (B, C, H, W) or uint8 (B, H, W, C), found shape {array.shape}"
        )
    if array.dtype == np.uint8:
        array = array / 255.0
    elif array.dtype.kind == "f":
        array = np.moveaxis(array, 1, -1).astype(np.float64)
    else:
        raise TypeError(f"{name} must be float or uint8, found {array.dtype}")
    if array.shape[-1] not in (1, 3):
        raise ValueError(
            f"{name} must have 1 or 3 channels, (B, C, H, W) for floats and (B, H, W, C) for "
            f"uint8, found shape {as_array(images).shape}"
        )
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{name} must be finite, found NaN or infinity")
    if low < -1e-3 or high > 1 + 1e-3:  # a decoder in bfloat16 may overshoot by a hair
        hint = "; for images in [-1, 1] pass (images + 1) / 2" if -1.01 < low < 0 else ""
        raise ValueError(f"{name} must lie in [0, 1], found {low:.2f} to {high:.2f}{hint}")
    return np.repeat(array, 3, axis=-1).clip(0, 1) if array.shape[-1] == 1 else array.clip(0, 1)


def as_probabilities(values: Any, name: str, shape: Sequence[int | None]) -> NDArray[np.float64]:
    """Finite numbers in [0, 1] of the given shape (None: any length), checked."""
    array = as_array(values)
    fits = array.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits or array.size == 0:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise ValueError(f"{name} must have shape ({wanted}), found {array.shape}")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be numbers in [0, 1], found {array.dtype}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, found NaN or infinity")
    if array.min() < 0 or array.max() > 1 + 1e-6:
        raise ValueError(
            f"{name} must be probabilities in [0, 1], found {array.min():g} to {array.max():g}"
        )
    return array.clip(0, 1)


def as_graph(graph: Any, name: str = "graph") -> NDArray[np.float64]:
    """Edge probabilities (N, N), row = cause, column = effect, checked.

    graph: an array or tensor, or a networkx DiGraph (edge attribute `probability`, 1 if missing).
    """
    if hasattr(graph, "is_directed"):
        if not graph.is_directed():
            raise TypeError(f"{name} must be directed (networkx.DiGraph), found an undirected one")
        position = {node: n for n, node in enumerate(graph)}
        array = np.zeros((len(position), len(position)))
        for cause, effect, probability in graph.edges.data("probability", default=1.0):
            array[position[cause], position[effect]] = probability
        graph = array
    array = as_probabilities(graph, name, (None, None))
    if array.shape[0] != array.shape[1]:
        raise ValueError(f"{name} must have shape (N, N), found {array.shape}")
    return array


def as_marks(marks: Any, length: int, name: str) -> NDArray[np.bool_]:
    """Booleans (length,), checked; all True for None."""
    if marks is None:
        return np.ones(length, dtype=bool)
    array = as_array(marks)
    if array.shape != (length,) or array.dtype != np.bool_:
        raise ValueError(
            f"{name} must be booleans of shape ({length},), found {array.dtype} {array.shape}"
        )
    return array


def check_names(names: Sequence[str] | None, expected: int, what: str) -> tuple[str, ...]:
    """`expected` names, or the numbers 0 .. expected-1 where none are given."""
    if names is None:
        return tuple(str(i) for i in range(expected))
    if len(names) != expected:
        raise ValueError(f"expected {expected} {what}, found {len(names)}")
    return tuple(str(name) for name in names)


def check_threshold(threshold: float) -> float:
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must lie in (0, 1], found {threshold}")
    return float(threshold)


def check_grid(grid: Sequence[int], n_nodes: int) -> tuple[int, int]:
    """(rows, columns) of the code map, checked against the number of nodes."""
    if len(grid) != 2 or int(grid[0]) * int(grid[1]) != n_nodes:
        raise ValueError(f"grid must be (rows, columns) of {n_nodes} nodes, found {tuple(grid)}")
    return int(grid[0]), int(grid[1])


# Small parts -------------------------------------------------------------------------------------


def edges_shown(shown: int, total: int, threshold: float) -> str:
    return f"{shown} of {total} edges shown, threshold {threshold:.2f}"


def tile(axes: Axes, image: NDArray, title: str = "", **options: Any) -> Any:
    """One image without ticks, framed thinly."""
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(visible=True, color="#bbbbbb", linewidth=0.6)
    if title:
        axes.set_title(title, fontsize=8.5)
    return axes.imshow(image, **options)


def row_label(axes: Axes, text: str) -> None:
    axes.set_ylabel(text, rotation=0, ha="right", va="center", labelpad=6)
