"""Graphs against each other: the difference of two, and what several (one per seed) share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import EDGE_AT, check_threshold
from cvq_tutorial.common.checks import whole_number

if TYPE_CHECKING:
    from cvq_tutorial.graphs.graph import CausalGraph


@dataclass(frozen=True, eq=False)
class GraphDifference:
    """Two graphs of the same nodes: an action against another or none, a seed against another.

    Raises ValueError if the nodes are not the same.
    """

    first: CausalGraph
    second: CausalGraph

    def __post_init__(self) -> None:
        same_nodes(self.first, self.second)

    @property
    def edges(self) -> NDArray[np.float64]:
        """(N, N) in [-1, 1]: probability in the first minus probability in the second."""
        return self.first.edges - self.second.edges

    @property
    def only_first(self) -> NDArray[np.bool_]:
        """(N, N): edges that are in the first graph and not in the second."""
        return self.first.present & ~self.second.present

    @property
    def only_second(self) -> NDArray[np.bool_]:
        """(N, N): edges that are in the second graph and not in the first."""
        return self.second.present & ~self.first.present

    @property
    def both(self) -> NDArray[np.bool_]:
        """(N, N): edges that are in both graphs."""
        return self.first.present & self.second.present

    def largest(self, k: int = 10) -> list[tuple[int, int, float]]:
        """(cause, effect, difference) of the k edges that differ most; equal ones are left out."""
        size = np.abs(self.edges)
        order = np.argsort(-size, axis=None, kind="stable")[: whole_number("k", k)]
        pairs = np.stack(np.unravel_index(order, size.shape), axis=1).tolist()
        return [(i, j, float(self.edges[i, j])) for i, j in pairs if size[i, j] > 0]


def stability(graphs: Sequence[CausalGraph], threshold: float | None = None) -> CausalGraph:
    """The share of the graphs (one per seed, say) that have each edge, as a graph.

    graphs: at least two, of the same nodes.  threshold: in (0, 1]; if None, each graph's own limit.
    `n` of the result is the number of graphs, `set_by` the mean of theirs.
    """
    graphs = list(graphs)
    if len(graphs) < 2:
        raise ValueError(f"a stability needs at least two graphs, found {len(graphs)}")
    for other in graphs[1:]:
        same_nodes(graphs[0], other)
    limits = [g.limit if threshold is None else check_threshold(threshold) for g in graphs]
    kept = np.mean([g.edges >= t for g, t in zip(graphs, limits, strict=True)], axis=0)
    set_by = [g.set_by for g in graphs if g.set_by is not None]
    actions = {g.action for g in graphs}
    action = graphs[0].action if len(actions) == 1 else None
    return replace(
        graphs[0],
        edges=kept,
        action=action,
        n=len(graphs),
        limit=EDGE_AT,
        set_by=np.mean(set_by, axis=0) if len(set_by) == len(graphs) else None,
    )


def same_nodes(one: CausalGraph, two: CausalGraph) -> None:
    """Raise ValueError unless the graphs have the same nodes in the same order."""
    if one.n_nodes != two.n_nodes:
        raise ValueError(
            f"expected graphs of the same nodes, found {one.n_nodes} and {two.n_nodes}"
        )
    for number, (a, b) in enumerate(zip(one.names, two.names, strict=True)):
        if a != b:
            raise ValueError(
                f"expected graphs of the same nodes, found node {number} named {a!r} and {b!r}"
            )
