"""Exercises of lesson 01: counting transitions, invisible edits, what a cause moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvq_tutorial.graphs.paths import reached
from cvq_tutorial.lessons.check.base import Exercise, Unreadable, function, number, whole
from cvq_tutorial.worlds.causal_shapes3d import CausalShapes3D

# Numbers ------------------------------------------------------------------------------------------

transitions_of_the_first = Exercise(
    read=whole(0, 100_000),
    right=lambda n: n == 2 * 3 * 15,
    hints={
        "both directions count: up and down": lambda n: n == 45,
        "4 values have 3 steps between them, not 4": lambda n: n in (60, 120),
        "an action moves by one step; from the first value it does not reach the last": (
            lambda n: n in (12, 180)
        ),
        "the other factor can have any of its 15 values": lambda n: n in (3, 6),
        "these are those of both factors; only the first is asked for": lambda n: n in (101, 202),
    },
    clue="how many steps up are there between 4 values? Then down, then the other factor",
    praise="3 steps, 2 directions, 15 settings of the other factor",
    otherwise="count the steps between 4 values, the directions, and the settings of the other",
)


def _near(wanted: float) -> Callable[[float], bool]:
    return lambda given: abs(given - wanted) < 2e-4


best_with_invisible_edits = Exercise(
    read=number(0, 1),
    right=_near(1 - 0.15 / 9 / 2),
    hints={
        "only one edit in nine is one of the eyes": lambda v: (
            _near(0.85)(v) or _near(0.925)(v) or _near(1 - 0.15 * 17 / 18)(v)
        ),
        "an invisible edit is not always named wrong: a guess between eyes+ and eyes- is right "
        "half of the time": _near(1 - 0.15 / 9),
        "it need not guess among all 18 actions: only those of the eyes can change nothing": (
            _near(1 - 0.15 / 9 * 17 / 18)
        ),
        "that is the factor, which is always right here; the action has a direction, too": (
            _near(1)
        ),
    },
    clue="which edits can nobody see, what is the best guess there, and how often is it right?",
    praise="a factor can be named where an action cannot; no method is to blame for the rest",
    otherwise="share of the eyes, times the share of their edits that are invisible, times the "
    "chance to guess those wrong; take it from 1",
)

# What an action on a cause moves ------------------------------------------------------------------

Graph = NDArray[np.bool_]


def _graphs() -> list[Graph]:
    """The graph of the lesson; a chain that is not in the order of its numbers; no arrow at all."""
    way = [3, 1, 4, 0, 6, 2, 7, 5]  # long: whoever follows a few arrows and stops does not reach 5
    chain = np.zeros((8, 8), dtype=bool)
    chain[way[:-1], way[1:]] = True
    return [CausalShapes3D().factor_graph, chain, np.zeros((3, 3), dtype=bool)]


def _descendants(graph: Graph, cause: int) -> Graph:
    """The cause and all that a chain of arrows from it leads to."""
    found = np.zeros(len(graph), dtype=bool)
    found[[cause, *reached(graph, cause)]] = True
    return found


def _within(arrows: int) -> Callable[[Graph, int], Graph]:
    """The cause and what at most so many arrows in a row lead to."""

    def found(graph: Graph, cause: int) -> Graph:
        moved = np.arange(len(graph)) == cause
        for _ in range(arrows):
            moved = moved | graph[moved].any(axis=0)
        return moved

    return found


def _moves(formula: Callable[[Graph, int], Graph]) -> Callable[[Callable[..., Any]], bool]:
    """Whether an answer gives what the formula does, for every factor of some graphs."""
    return lambda given: all(
        bool((_read(given, graph, cause) == formula(graph, cause)).all())
        for graph in _graphs()
        for cause in range(len(graph))
    )


def _read(given: Callable[..., Any], graph: Graph, cause: int) -> Graph:
    found = np.asarray(given(graph.copy(), cause))
    if found.shape != (len(graph),) or found.dtype.kind not in "b":
        raise Unreadable(
            f"expected a boolean array of shape ({len(graph)},), one entry per factor, found "
            f"{found.dtype} of shape {found.shape}"
        )
    return found


moved_by = Exercise(
    read=function(_graphs()[0], 1),
    right=_moves(_descendants),
    hints={
        "an effect has effects of its own: follow the arrows to their end": _moves(_within(1)),
        "that follows two arrows in a row; a chain may be longer": _moves(_within(2)),
        "that follows a few arrows in a row and stops; a chain may pass through all factors": (
            lambda given: any(_moves(_within(arrows))(given) for arrows in (3, 4, 5, 6))
        ),
        "rows are causes: that follows the arrows backwards": _moves(
            lambda graph, cause: _descendants(graph.T, cause)
        ),
        "the factor that the action is done on moves, too": lambda given: (
            _moves(lambda g, c: _descendants(g, c) & (np.arange(len(g)) != c))(given)
            or _moves(lambda g, c: g[c])(given)
        ),
    },
    clue="begin with the cause alone; add the effects of what you have until nothing new comes",
    praise="the factor and its descendants: what an action on it moves",
    otherwise="True for the cause itself and for whatever a chain of arrows from it reaches; "
    "nothing else",
)
