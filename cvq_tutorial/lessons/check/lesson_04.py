"""Exercises of lesson 04: reading a graph, what an edge may cost, and one found unseen."""

from __future__ import annotations

from functools import cache

import numpy as np

from cvq_tutorial.lessons.check.base import Exercise, array, words
from cvq_tutorial.worlds import CodesWorld

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


_WORLD = {"n_variables": 6, "n_codes": 4, "n_actions": 3, "n_targets": 2, "seed": 31}


@cache
def _truth() -> tuple[np.ndarray, np.ndarray]:
    """Graphs (A, N, N) and targets (A, N) of the world that the lesson does not draw."""
    world = CodesWorld(**_WORLD)
    return world.graph.astype(bool), world.targets.astype(bool)


def _share(found: np.ndarray, of: str = "f1") -> float:
    """Precision, recall or F1 of edges over all columns, copied ones too."""
    both = (found & _truth()[0]).sum()
    sizes = {"precision": found.sum(), "recall": _truth()[0].sum()}
    return float(both / max(1, sizes[of] if of in sizes else sum(sizes.values()) / 2))


found_graph = Exercise(
    read=array((3, 6, 6), "boolean"),
    right=lambda found: _share(found) >= 0.9,
    hints={
        "row = cause, column = effect: yours is turned round": (
            lambda found: _share(found.transpose(0, 2, 1)) >= 0.9
        ),
        "no edge at all: is what a cut costs in nats compared with what you think?": (
            lambda found: not found.any()
        ),
        "every edge: what does cutting one cost?": lambda found: bool(found.all()),
        "the graphs are there, but those of other actions: cut on transitions of the same one": (
            lambda found: any(_share(np.roll(found, k, 0)) >= 0.9 for k in (1, 2))
        ),
        "one graph for all three actions: judge each on its own transitions": (
            lambda found: bool((found == found[0]).all())
        ),
        "those that are needed, and into copied variables others: they have no causes": (
            lambda found: _share(found & _truth()[1][:, None]) >= 0.9
        ),
        "most true edges are there, and many others: that is what is read; which are needed?": (
            lambda found: _share(found, "recall") >= 0.8
        ),
        "what you found is true, but much is missing: a lower threshold, a longer training?": (
            lambda found: _share(found, "precision") >= 0.8
        ),
    },
    clue="`learn`, then per action what `edge_cost` says on transitions that were held out",
    praise="at least nine of ten edges, in a world whose truth nobody showed you",
    otherwise="few of these edges are true: are training and cuts on the transitions of `unknown`?",
)
