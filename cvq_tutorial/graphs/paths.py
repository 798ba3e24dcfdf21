"""Paths through a graph given as booleans (N, N), row = cause: reach, cycles, and depth."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order


def reached(present: NDArray[np.bool_], start: int) -> set[int]:
    """The nodes at the end of a path from `start`, without `start` itself."""
    found = breadth_first_order(csr_array(present), start, return_predecessors=False)
    return set(found.tolist()) - {start}


def cycles(present: NDArray[np.bool_], at_most: int) -> list[tuple[int, ...]]:
    """Cycles, each once, smallest number first, shortest cycle first; see `CausalGraph.cycles`."""
    graph = nx.DiGraph(np.argwhere(present).tolist())
    complete: set[tuple[int, ...]] = set()
    length = 1
    while True:  # the cycles up to some length, then up to half as much again
        some = islice(nx.simple_cycles(graph, length_bound=length), at_most)
        found = {_rotated(cycle) for cycle in some}
        if len(found) == at_most or length >= len(present):
            break
        complete, length = found, length + max(1, length // 2)
    return sorted(complete | found, key=lambda cycle: (len(cycle), cycle))[:at_most]


def _rotated(cycle: Iterable[int]) -> tuple[int, ...]:
    nodes = list(cycle)
    first = nodes.index(min(nodes))
    return tuple(nodes[first:] + nodes[:first])


def knots(present: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,): a number for each set of nodes that all reach each other; -1 for a node by itself."""
    graph = nx.from_numpy_array(present, create_using=nx.DiGraph)
    tied = [nodes for nodes in nx.strongly_connected_components(graph) if len(nodes) > 1]
    found = np.full(len(present), -1, dtype=np.int64)
    for number, nodes in enumerate(sorted(tied, key=min)):
        found[list(nodes)] = number
    return found


def closing(present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N, N): a small set of edges without which there is no cycle; own edges are left out.

    Nodes are put in a row, sinks to the end and sources to the start, else the node that sends most
    and hears least to the start (Eades, Lin and Smyth 1993); what then points back, closes a cycle.
    """
    knot = knots(present)
    edges = present & (knot[:, None] == knot[None, :]) & (knot >= 0)
    np.fill_diagonal(edges, False)
    open_, row, end = knot >= 0, list[int](), list[int]()
    rest = edges.copy()
    while open_.any():
        sends, hears = rest.sum(axis=1), rest.sum(axis=0)
        sinks = np.flatnonzero(open_ & (sends == 0))
        if len(sinks):
            chosen = sinks[:1]
            end.append(int(chosen[0]))
        else:
            score = np.where(open_, sends - hears, -len(present) - 1)
            score[open_ & (hears == 0)] = len(present) + 1
            chosen = np.array([score.argmax()])
            row.append(int(chosen[0]))
        open_[chosen] = False
        rest[chosen], rest[:, chosen] = False, False
    position = np.zeros(len(present), dtype=int)
    position[row + end[::-1]] = np.arange(len(row) + len(end))
    return edges & (position[:, None] > position[None, :])


def depth(present: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,): edges of the longest path that ends in each node; of a graph without cycles."""
    found = np.zeros(len(present), dtype=np.int64)
    graph = nx.from_numpy_array(present, create_using=nx.DiGraph)
    for edges, nodes in enumerate(nx.topological_generations(graph)):
        found[nodes] = edges
    return found
