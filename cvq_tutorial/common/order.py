"""Causes before their effects."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def depths(causes: Mapping[Node, Iterable[Node]]) -> dict[Node, int]:
    """How many steps the longest chain of causes has that ends in each node; 0 without causes.

    causes: the direct causes of each node; nodes without any may be left out.
    Raises graphlib.CycleError, whose `args[1]` is a circle, where there is one.
    """
    found: dict[Node, int] = {}
    for node in TopologicalSorter(causes).static_order():
        found[node] = max((found[cause] + 1 for cause in causes.get(node, ())), default=0)
    return found


__all__ = ["CycleError", "depths"]
