"""Exercises of lesson 04: reading a graph, what data can tell, and what an edge may cost."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np

from cvq_tutorial.lessons.check.base import Exercise, array, whole, words

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
    praise="down the column of v3, its own entry included",
)

_STATES = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
_TELL = int((_STATES[:, 0] != _STATES[:, 1]).sum())

states_that_tell = Exercise(
    read=whole(0, len(_STATES)),
    right=lambda n: n == _TELL,
    hints={
        "these are the states in which the twins agree; there both worlds do the same": (
            lambda n: n == len(_STATES) - _TELL
        ),
        "these are the pairs (v0, v1); each occurs with four codes of v2": (lambda n: n == 12),
        "not in all of them: compare v0 and v1": lambda n: n == len(_STATES),
        "the data of the twins hold none; the question is about all 64 states": lambda n: n == 0,
    },
    praise="wherever v0 and v1 differ, and never in the twins' data",
)


def _near(*wanted: float) -> Callable[[np.ndarray], bool]:
    return lambda found: bool(np.allclose(found, wanted, atol=0.01))


_ALWAYS = log(4)
_SILENT = 4 * (log(4) - 0.75 * log(3))  # ln 4 falls to 3/4 ln 3, paid in 1 of 4 transitions

prices_that_pay = Exercise(
    read=array((2,)),
    right=_near(_ALWAYS, _SILENT),
    hints={
        "that is in bits; nats have the natural logarithm": lambda found: bool(
            np.isclose(found[0], 2.0, atol=0.01)
        ),
        "turned round: first the edge that is always on": _near(_SILENT, _ALWAYS),
        "(ii) that is what silence saves; it is paid for in one transition of four": (
            _near(_ALWAYS, _SILENT / 4)
        ),
        "(ii) silence does not tell everything: ln 3 of surprise is left, three times of four": (
            lambda found: bool(np.isclose(found[1], 4 * log(4), atol=0.01))
        ),
        "(ii) that is an edge silent for one code only; let it be silent for three": (
            _near(_ALWAYS, log(4) / 0.75)
        ),
        "(i) an edge that is always on saves all of ln 4 and is paid for every time": (
            lambda found: not np.isclose(found[0], _ALWAYS, atol=0.01)
        ),
    },
    praise="so an edge is first given up for some codes of its cause, and only then as a whole",
    otherwise="(ii) what is saved per transition, divided by how often the edge is on",
)
