"""Checks of what is kept, drawn or measured: images, probabilities, graphs, names. Numpy only.

Everything here takes arrays, lists or tensors, gives numpy arrays, and refuses what does not fit
with one line that says what was expected and what was found.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

EDGE_AT = 0.5  # an edge, or a code that is set, counts from this probability on


def counts(probability: Any) -> Any:
    """Which edges, or set codes, of these probabilities (array or tensor) count: booleans."""
    return probability >= EDGE_AT


def as_array(values: Any) -> NDArray:
    """A numpy array of an array, a list or a tensor (on any device, with or without gradient)."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        half = values.is_floating_point() and values.element_size() < 4  # NumPy lacks bfloat16
        values = values.float() if half else values
        return values.numpy()
    return np.asarray(values)


def checked(
    name: str,
    values: ArrayLike,
    kind: str,
    shape: tuple[int | None, ...],
    high: int | None = None,
) -> NDArray:
    """`values` as an array, when it has the shape, the kind and the range that are asked for.

    kind: integers, booleans, numbers (finite; given as float64) or probabilities (in [0, 1]).
    shape: one length per dimension, None for any.  high: integers must lie in 0..high-1.
    Raises TypeError for another kind, ValueError else, both naming `name`, expected and found.
    """
    array = as_array(values)
    if array.ndim != len(shape):
        raise ValueError(f"{name} must have {len(shape)} dimension(s), found shape {array.shape}")
    if any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        want = tuple("any" if length is None else length for length in shape)
        raise ValueError(f"{name} must have shape {want}, found {array.shape}".replace("'", ""))
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, found shape {array.shape}")
    if array.dtype.kind not in {"integers": "iu", "booleans": "b"}.get(kind, "biuf"):
        raise TypeError(f"{name} must be {kind}, found {array.dtype}")
    if kind in ("numbers", "probabilities"):
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, found NaN or infinity")
    low, top = (array.min(), array.max()) if kind != "booleans" else (0, 0)
    if kind == "probabilities" and (low < 0 or top > 1 + 1e-6):
        raise ValueError(f"{name} must be probabilities in [0, 1], found {low:g}..{top:g}")
    if high is not None and (low < 0 or top >= high):
        raise ValueError(f"{name} must lie in 0..{high - 1}, found {low}..{top}")
    return array


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


EDGE_NUMBERS = ("probability", "prob", "p", "weight", "label")


def as_graph(graph: Any, name: str = "graph") -> NDArray[np.float64]:
    """Edge probabilities (N, N), row = cause, column = effect, checked.

    graph: an array, a tensor, a `CausalGraph`, a pandas DataFrame (columns are put into the order
        of the rows, by name), or a networkx DiGraph. The number of an edge is its attribute
        `probability`, else `prob`, `p`, `weight` or a `label` that is a number: the first of these
        that any edge has, and then all must have it; else all are 1.
    """
    if hasattr(graph, "is_directed"):
        graph = _adjacency(graph, name)
    elif hasattr(graph, "columns"):
        graph = _by_name(graph, name)
    array = as_probabilities(graph, name, (None, None))
    if array.shape[0] != array.shape[1]:
        raise ValueError(f"{name} must have shape (N, N), found {array.shape}")
    return array


def graph_names(graph: Any) -> tuple[str, ...]:
    """The names that a DiGraph or a DataFrame has for its nodes; () for others or for 0, 1, ..."""
    if hasattr(graph, "is_directed"):
        labels = list(graph)
    else:
        labels = list(graph.index) if hasattr(graph, "columns") else []
    return () if labels == list(range(len(labels))) else tuple(map(str, labels))


def _by_name(table: Any, name: str) -> NDArray:
    """A DataFrame's values, the columns in the order of the rows."""
    rows, columns = list(table.index), list(table.columns)
    if set(rows) != set(columns) or len(set(rows)) < len(rows) or len(rows) != len(columns):
        told = [", ".join(map(repr, labels[:8])) for labels in (rows, columns)]
        raise ValueError(
            f"{name} must have the same names of rows and columns, each once, found rows {told[0]} "
            f"and columns {told[1]}"
        )
    return table.to_numpy()[:, [columns.index(row) for row in rows]]


def _adjacency(graph: Any, name: str) -> NDArray[np.float64]:
    if not graph.is_directed():
        raise TypeError(f"{name} must be directed (networkx.DiGraph), found an undirected one")
    if graph.is_multigraph():
        raise TypeError(f"{name} must have at most one edge from node to node, found a multigraph")
    position = {node: n for n, node in enumerate(graph)}
    array = np.zeros((len(position), len(position)))
    edges = list(graph.edges(data=True))
    key = next((k for k in EDGE_NUMBERS if any(_has_number(told, k) for *_, told in edges)), None)
    for cause, effect, told in edges:
        if key is not None and told.get(key) is None:
            raise ValueError(
                f"{name}: expected a {key} of every edge or of none, found none of {cause!r} -> "
                f"{effect!r}"
            )
        probability = 1.0 if key is None else told[key]
        try:
            array[position[cause], position[effect]] = float(probability)
        except (TypeError, ValueError):
            raise TypeError(
                f"{name}: the probability of {cause!r} -> {effect!r} must be a number, found "
                f"{probability!r}"
            ) from None
    return array


def _has_number(told: Any, key: str) -> bool:
    """Whether an edge has a number under a key; a label may be a text."""
    if key != "label":
        return told.get(key) is not None
    try:
        return float(told[key]) is not None
    except (KeyError, TypeError, ValueError):
        return False


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


def check_text(what: str, text: str) -> str:
    r"""Text that every file format can hold: not empty, of control characters only \n and \t."""
    kinds = {unicodedata.category(c) for c in text if c not in "\n\t"}
    if not text or kinds & {"Cc", "Cs", "Cn"}:
        raise ValueError(f"{what} must be a text without control characters, found {text!r}")
    return text


def check_node_names(names: Sequence[str], n_nodes: int) -> tuple[str, ...]:
    """N different texts that every file format can hold."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"names must be a sequence of texts, found {names!r:.60}")
    checked = check_names(names, n_nodes, "node names")
    if len(set(checked)) < len(checked):
        twice = next(name for n, name in enumerate(checked) if name in checked[:n])
        raise ValueError(f"node names must differ, found {twice!r} twice")
    for name in checked:
        check_text("a node name", name)
    return checked


def check_threshold(threshold: float) -> float:
    """A threshold in (0, 1] as a float; another one raises."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must lie in (0, 1], found {threshold}")
    return float(threshold)


def check_grid(grid: Sequence[int], n_nodes: int) -> tuple[int, int]:
    """(rows, columns) of the code map, checked against the number of nodes."""
    if len(grid) != 2 or int(grid[0]) * int(grid[1]) != n_nodes:
        raise ValueError(f"grid must be (rows, columns) of {n_nodes} nodes, found {tuple(grid)}")
    return int(grid[0]), int(grid[1])
