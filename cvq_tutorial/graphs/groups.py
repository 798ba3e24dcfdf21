"""Names of nodes and of groups of nodes: by place, by region of the image, by what sets them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import EDGE_AT, as_probabilities, check_names, check_threshold
from cvq_tutorial.common.checks import whole_number


def places(grid: tuple[int, int], codebooks: int = 1) -> list[str]:
    """r0c0, r0c1, ... for the places of a grid; b0r0c0, ... where there are several codebooks."""
    one = [f"r{row}c{column}" for row in range(grid[0]) for column in range(grid[1])]
    if codebooks == 1:
        return one
    return [f"b{book}{place}" for book in range(codebooks) for place in one]


def regions(
    grid: tuple[int, int], block: int | None = None, at_most: int = 20
) -> tuple[list[str], tuple[int, int]]:
    """The block of `block` x `block` places that each place belongs to, and the grid of the blocks.

    grid: (rows, columns).  block: if None, the smallest that makes at most `at_most` blocks.
    Returns one name per place, such as "r0-1 c2-3", and (rows, columns) of the blocks.
    """
    rows, columns = grid
    if block is None:
        limit, block = whole_number("at_most", at_most), 1
        while -(-rows // block) * -(-columns // block) > limit:
            block += 1
    block = whole_number("block", block)
    down = [_span("r", row - row % block, rows, block) for row in range(rows)]
    across = [_span("c", column - column % block, columns, block) for column in range(columns)]
    names = [f"{row} {column}" for row in down for column in across]
    return names, (-(-rows // block), -(-columns // block))


def _span(letter: str, first: int, length: int, block: int) -> str:
    last = min(first + block, length) - 1
    return f"{letter}{first}" if last == first else f"{letter}{first}-{last}"


def by_actions(
    masks: Any, action_names: Sequence[str], at_most: int = 20, threshold: float = EDGE_AT
) -> list[str]:
    """What sets each node, and how many nodes that sets, such as "scale, shape (12)".

    masks: (A, N) probabilities that an action sets a node.  action_names: A names; those
        that differ only in a + or - at the end, or in the value after a =, count as one, which sets
        what any of them sets.
    More than `at_most` groups are made fewer: the smallest joins the one whose actions differ from
    its own the least, until they fit. Returns one name per node.
    """
    table = as_probabilities(masks, "masks", (None, None)) >= check_threshold(threshold)  # (A, N)
    names = check_names(action_names, len(table), "action names")
    limit = whole_number("at_most", at_most)
    bases = [name.partition("=")[0].rstrip("+-") or name for name in names]
    kept = tuple(dict.fromkeys(bases))
    either = np.array([table[[base == b for b in bases]].any(axis=0) for base in kept])
    kinds, kind_of = np.unique(either.T, axis=0, return_inverse=True)  # (G, F), (N,)
    kind_of = kind_of.ravel()
    sizes = np.bincount(kind_of)
    while (sizes > 0).sum() > limit:
        small = int(np.where(sizes > 0, sizes, sizes.sum() + 1).argmin())
        apart = (kinds != kinds[small]).sum(axis=1).astype(float)
        apart[(sizes == 0) | (np.arange(len(sizes)) == small)] = np.inf
        kind_of[kind_of == small] = apart.argmin()
        sizes = np.bincount(kind_of, minlength=len(kinds))
    labels = [f"{_told(kind, kept)} ({size})" for kind, size in zip(kinds, sizes, strict=True)]
    return [labels[kind] for kind in kind_of]


def _told(is_set: NDArray[np.bool_], names: Sequence[str]) -> str:
    """What sets, or, where that is shorter, all but what does not."""
    these = [name for name, one in zip(names, is_set, strict=True) if one]
    others = [name for name, one in zip(names, is_set, strict=True) if not one]
    if not these or not others:
        return "every action" if these else "no action"
    return "all but " + ", ".join(others) if len(others) < len(these) else ", ".join(these)
