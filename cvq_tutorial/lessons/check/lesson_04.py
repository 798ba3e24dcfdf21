"""Exercises of lesson 04: reading a graph, what an edge may cost, and how a graph is judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cvq_tutorial.graphs import graph_recovery
from cvq_tutorial.lessons.check.base import Exercise, array, function, one_number, words

_NAMES = ("v0", "v1", "v2", "v3")
_GRAPH = np.array([[0, 0, 0, 1], [0, 1, 0, 0], [0, 1, 0, 1], [0, 1, 0, 1]])  # row = cause


def _named(marks: np.ndarray) -> frozenset[str]:
    return frozenset(np.array(_NAMES)[marks > 0].tolist())


_CAUSES, _EFFECTS = _named(_GRAPH[:, 3]), _named(_GRAPH[3])

causes_of_v3 = Exercise(
    read=words(_NAMES),
    right=lambda found: found == _CAUSES,
    hints={
        "that is the row of v3, its effects; causes stand in its column": (
            lambda found: found == _EFFECTS
        ),
        "v3 is a cause of itself: it reads its own old code": (
            lambda found: found == _CAUSES - {"v3"}
        ),
        "that is the column of v1; go down the last one": (
            lambda found: found == _named(_GRAPH[:, 1])
        ),
    },
    clue="row = cause, column = effect: where do the causes of v3 stand?",
    praise="down the column of v3, its own entry included",
    otherwise="go down the column of v3 and name each row with a 1",
)

_WORTH = np.array([1.2, 0.04, 0.3, 0.0])  # nats that a learner loses that relearns without it
_PRICES = np.array([0.01, 0.05, 0.5, 5.0])
_KEPT = (_WORTH[:, None] > _PRICES).sum(0).tolist()

edges_kept = Exercise(
    read=array((4,), "integer"),
    right=lambda n: n.tolist() == _KEPT,
    hints={
        "an edge that is worth nothing does not pay its price, however low that is": (
            lambda n: n[0] == 4
        ),
        "these are the edges that go; asked are those that stay": lambda n: (
            n.tolist() == [4 - k for k in _KEPT]
        ),
        "dearer edges, fewer of them: the number cannot rise with the price": lambda n: bool(
            (np.diff(n) > 0).any()
        ),
        "the edge that is worth 0.3 nats costs 0.5 there": lambda n: n[2] == 2,
        "no edge is worth 5 nats": lambda n: n[3] > 0,
        "the edge that is worth 0.04 nats costs more than that at the second price": lambda n: (
            n[1] == 3
        ),
    },
    clue="an edge stays if a learner that relearns without it loses more than the edge costs",
    praise="each edge is a trade; the price is where you draw the line",
    otherwise="for each price count the edges that are worth more: without them more is lost",
)


Graphs = tuple[np.ndarray, np.ndarray, np.ndarray]


def _graphs(seed: int) -> Graphs:
    """found, true (3, 5, 5) and targets (3, 5), drawn so that no two wrong formulas agree."""
    rng = np.random.default_rng(seed)
    return rng.random((3, 5, 5)) < 0.4, rng.random((3, 5, 5)) < 0.3, rng.random((3, 5)) < 0.6


_TRIALS = [_graphs(seed) for seed in (0, 1, 2)]


def _columns(found: np.ndarray, true: np.ndarray, targets: np.ndarray) -> Graphs:
    return found & targets[:, None], true & targets[:, None], targets


def _share(found: np.ndarray, true: np.ndarray, of: str) -> float:
    """Of marks found and true: their precision, recall, f1, or both over either."""
    both, sizes = (found & true).sum(), {"precision": found.sum(), "recall": true.sum()}
    sizes |= {"f1": (found.sum() + true.sum()) / 2, "either": (found | true).sum()}
    return float(both / sizes[of])


def _gives(formula: Callable[..., float]) -> Callable[[Callable[..., Any]], bool]:
    return lambda given: all(
        bool(np.isclose(given(*(part.copy() for part in trial)), formula(*trial), atol=1e-6))
        for trial in _TRIALS
    )


def _judged(of: str) -> Callable[..., float]:
    return lambda *trial: _share(*_columns(*trial)[:2], of)


edge_f1 = Exercise(
    read=function(*(part.copy() for part in _TRIALS[0]), gives=one_number),
    right=_gives(lambda *t: graph_recovery(t[0].astype(float), t[1], t[2])["edge_f1"]),
    hints={
        "edges into variables that are only copied count there: judge the columns of targets": (
            _gives(lambda found, true, _: _share(found, true, "f1"))
        ),
        "an effect is a column: `targets[:, None, :]`, not a row": _gives(
            lambda found, true, t: _share(found & t[..., None], true & t[..., None], "f1")
        ),
        "that is the precision; recall matters as much": _gives(_judged("precision")),
        "that is the recall; precision matters as much": _gives(_judged("recall")),
        "that is the harmonic mean without its factor 2": _gives(lambda *t: _judged("f1")(*t) / 2),
        "that is the plain mean of precision and recall; F1 is the harmonic one": _gives(
            lambda *t: (_judged("precision")(*t) + _judged("recall")(*t)) / 2
        ),
        "an edge that is found and true is in both numbers below the line, so it counts twice": (
            _gives(_judged("either"))
        ),
        "that is the mean of the actions' F1; count the edges of all of them first": _gives(
            lambda *t: float(np.mean([_judged("f1")(*(p[a : a + 1] for p in t)) for a in range(3)]))
        ),
    },
    clue="mark the columns that are judged, then count three things: found, true, and both",
    praise="what `graph_recovery` says, and the controls of this lesson are measured with",
    otherwise="twice what is found and true, over found plus true, in the columns of targets",
)
