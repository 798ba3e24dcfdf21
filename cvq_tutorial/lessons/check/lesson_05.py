"""Exercises of lesson 05: what an intervention is measured by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cvq_tutorial.lessons.check.base import Exercise, array, function, one_number


def _near(*wanted: float) -> Callable[[np.ndarray], bool]:
    return lambda found: bool(np.allclose(found, wanted, atol=1e-6))


scores_of_a_copy = Exercise(
    read=array((2,)),
    right=_near(0.0, 1.0),
    hints={
        "turned round: first the target, which a copy never reaches": _near(1.0, 0.0),
        "a copy does not guess: the target keeps its old value, every time": (
            lambda found: 0 < found[0] < 1
        ),
        "nothing changed, so every other factor is where it was": lambda found: found[1] < 1,
        "nothing changed, so the target did not change either": lambda found: found[0] == 1,
    },
    praise="0 and 1: one of the two numbers alone can be had for nothing",
)

_ERRORS = [(0.004, 0.002, 0.012), (0.002, 0.002, 0.012), (0.012, 0.002, 0.012), (0.02, 0.01, 0.03)]


def _as(formula: Callable[[float, float, float], float]) -> Callable[[Callable[..., Any]], bool]:
    return lambda given: all(np.isclose(given(*errors), formula(*errors)) for errors in _ERRORS)


recovered_share = Exercise(
    read=function(*_ERRORS[0], gives=one_number),
    right=_as(lambda e, ceiling, copy: (copy - e) / (copy - ceiling)),
    hints={
        "that is what is lost; 1 should be as good as the ceiling": _as(
            lambda e, ceiling, copy: (e - ceiling) / (copy - ceiling)
        ),
        "that leaves the ceiling out: a perfect intervention would not get 1": _as(
            lambda e, ceiling, copy: (copy - e) / copy
        ),
        "the sign is turned: copying is the larger error": _as(
            lambda e, ceiling, copy: (copy - e) / (ceiling - copy)
        ),
    },
    praise="this is `recovered` in metrics.json",
)

_EXPECTED = np.array([[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]])
_READ = np.array([[1, 2, 3], [0, 2, 3], [1, 0, 0], [0, 0, 3], [9, 2, 3]])
_FACTOR = np.array([0, 0, 1, 2, 0])  # each factor is the target of some edit


def _shares(wanted: float) -> Callable[[Callable[..., Any]], bool]:
    return lambda given: bool(
        np.isclose(given(_READ.copy(), _EXPECTED.copy(), _FACTOR.copy()), wanted)
    )


share_that_leaks = Exercise(
    read=function(_READ.copy(), _EXPECTED.copy(), _FACTOR.copy(), gives=one_number),
    right=_shares(2 / 5),
    hints={
        "a target that was missed is no leak: leave the factor itself out": _shares(4 / 5),
        "each edit has its own target: clear one entry per row, not columns": _shares(0.0),
        "count edits, not factors: an edit leaks if any other factor moved": _shares(3 / 15),
        "that is the mean over the other factors; one of them is enough": _shares(3 / 10),
        "that is the share that kept all others; the question is the opposite": _shares(3 / 5),
    },
    praise="the share of edits with a leak; `leakage.leakage` says from which factor to which",
)
