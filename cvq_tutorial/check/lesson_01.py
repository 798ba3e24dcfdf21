"""Exercises of lesson 01: factors, actions, transitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cvq_tutorial.check.base import Exercise, function, whole

transitions_of_the_first = Exercise(
    read=whole(0, 100_000),
    right=lambda n: n == 2 * 3 * 15,
    hints={
        "both directions count: up and down": lambda n: n == 45,
        "4 values have 3 steps between them, not 4": lambda n: n in (60, 120),
        "the other factor can have any of its 15 values": lambda n: n in (3, 6),
    },
    praise="3 steps, 2 directions, 15 settings of the other factor",
)

_CASES = [(0, 6), (5, 6), (6, 6), (11, 6), (2, 3)]


def _is(formula: Callable[[int, int], int]) -> Callable[[Callable[..., Any]], bool]:
    return lambda given: all(int(given(a, f)) == formula(a, f) for a, f in _CASES)


opposite_action = Exercise(
    read=function(0, 6),
    right=_is(lambda a, f: (a + f) % (2 * f)),
    hints={
        "that is right only for actions that raise; those that lower are a >= F": _is(
            lambda a, f: a + f
        ),
        "the sign does not turn an action round; its number moves by F": _is(lambda a, f: -a),
        "that counts from the end; action 0 is undone by action F": _is(lambda a, f: 2 * f - 1 - a),
    },
    praise="twice the opposite is the action itself",
)

_X = np.array([[1, 2], [1, 2], [1, 2], [1, 2], [0, 0], [3, 3], [2, 2]])
_Y = np.array([[1, 3], [0, 2], [1, 2], [2, 3], [2, 0], [2, 4], [1, 4]])


def _says(
    formula: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[Callable[..., Any]], bool]:
    wanted = formula(_X, _Y)

    def test(given: Callable[..., Any]) -> bool:
        found = np.asarray(given(_X.copy(), _Y.copy()))
        return found.shape == wanted.shape and bool((found.astype(bool) == wanted).all())

    return test


atomic_pairs = Exercise(
    read=function(_X.copy(), _Y.copy()),
    right=_says(lambda x, y: np.abs(x - y).sum(1) == 1),
    hints={
        "a step of two in one factor is not atomic": _says(lambda x, y: (x != y).sum(1) == 1),
        "steps up and down cancel there: take the absolute value first": _says(
            lambda x, y: np.abs((x - y).sum(1)) == 1
        ),
        "a step down is a step, too": _says(lambda x, y: (y - x).sum(1) == 1),
        "one answer per pair is asked for: shape (B,)": lambda given: (
            np.asarray(given(_X.copy(), _Y.copy())).shape != (len(_X),)
        ),
    },
    praise="what the method calls a transition",
)
