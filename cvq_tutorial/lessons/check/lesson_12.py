"""Exercises of lesson 12: what pairs can tell, the E-step, and a match that is fair."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from cvq_tutorial.lessons.check.base import Exercise, array, function, one_number

told_apart = Exercise(
    read=array((4,), "boolean"),
    right=lambda found: found.tolist() == [False, True, True, False],
    hints={
        "two actions with one effect are one, whatever they are called": lambda found: found[0],
        "one state in which they differ is enough, if pairs show it": lambda found: not found[1],
        "up and down change the same codes, but not to the same ones": lambda found: not found[2],
        "if the two are always done together, no pair tells which did what": (
            lambda found: found[3]
        ),
    },
    clue="is there a pair of pictures that one of the two can have made, and the other cannot?",
    praise="what differs in some pair is told apart, and nothing else is",
    otherwise="for each: does some pair that occurs look other under the one than under the other?",
)

_RNG = np.random.default_rng(0)
_SCORES = np.concatenate(
    [_RNG.normal(-40, 3, (5, 3)), [[-3000.0, -1500.0, -1501.0]]]
)  # (6, 3) nats
_OTHER = _SCORES[:, ::-1].copy()  # a view turned round is refused by torch
_SHARE = np.array([0.7, 0.25, 0.05])


def _expected(scores: np.ndarray, share: np.ndarray) -> np.ndarray:
    joint = scores + np.log(share)
    return np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))


def _like(given: Callable[..., Any], wanted: np.ndarray, rows: slice = slice(None)) -> bool:
    found = given(_SCORES, _SHARE)
    return bool(np.allclose(found[rows], wanted[rows], atol=1e-6))


responsibilities = Exercise(
    read=function(_SCORES, _SHARE, gives=array((6, 3))),
    right=lambda given: (
        _like(given, _expected(_SCORES, _SHARE))
        and bool(np.allclose(given(_OTHER, _SHARE), _expected(_OTHER, _SHARE)))
    ),
    hints={
        "the use of each code is its prior: a code that is seldom used must be believed less": (
            lambda given: _like(given, _expected(_SCORES, np.ones(3)), slice(5))
        ),
        "that divides by the use; what is used seldom must become less likely, not more": (
            lambda given: _like(given, _expected(_SCORES, 1 / _SHARE), slice(5))
        ),
        "each pair shares itself among the codes: every row adds up to 1": (
            lambda given: not np.allclose(given(_SCORES, _SHARE)[:5].sum(1), 1)
        ),
        "exp(-1500) is 0 in a computer: take the largest of each row away before exp": (
            lambda given: _like(given, _expected(_SCORES, _SHARE), slice(5))
        ),
    },
    clue="log-likelihood and log-prior are added; then each row of M numbers shares out one",
    praise="likelihood times prior, shared out: one E-step",
    otherwise="per row: likelihood times use, over the sum of that product over all codes",
)

_TRUE = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
_FOUND = np.array([2, 2, 2, 0, 0, 0, 1, 1, 0, 0])  # one to one 3 + 2 + 2, many to one 3 + 2 + 2
_SPLIT = np.array([1, 1, 2, 2, 0, 0, 0, 0, 0, 0])  # one to one 2 + 4, many to one 2 + 2 + 4


_TRAP = (
    np.array([0, 0, 0, 1, 1, 0, 0]),
    np.array([0, 0, 0, 0, 0, 1, 1]),
)  # the largest first: 3, not 4


def _fair(true: np.ndarray, found: np.ndarray, n: int) -> float:
    ways = [np.array(p) for p in permutations(range(n))]
    return float(max((way[found] == true).mean() for way in ways))


def _many(true: np.ndarray, found: np.ndarray, n: int) -> float:
    return sum(np.bincount(true[found == c], minlength=n).max() for c in range(n)) / len(true)


def _greedy(true: np.ndarray, found: np.ndarray, n: int) -> float:
    table = np.zeros((n, n))
    np.add.at(table, (true, found), 1)
    right = 0.0
    for _ in range(n):
        a, c = np.unravel_index(table.argmax(), table.shape)
        right += table[a, c]
        table[a], table[:, c] = -1, -1
    return right / len(true)


_TRIALS = (
    (_TRUE, _FOUND, 3),
    (_TRUE, _SPLIT, 3),
    (_TRUE, (_TRUE + 1) % 3, 3),
    (_TRUE, _TRUE, 4),
    (*_TRAP, 2),
)


def _reach(given: Callable[..., Any], score: Callable[..., float]) -> bool:
    return all(abs(one_number(given(*trial)) - score(*trial)) < 1e-9 for trial in _TRIALS)


one_to_one = Exercise(
    read=function(*_TRIALS[0], gives=one_number),
    right=lambda given: _reach(given, _fair),
    hints={
        "the number of a code means nothing: try every way to give codes to actions": (
            lambda given: _reach(given, lambda true, found, n: float((true == found).mean()))
        ),
        "two codes went to one action, that is many to one: an action in pieces must cost": (
            lambda given: _reach(given, _many)
        ),
        "the largest count first may spoil the rest: compare whole ways": (
            lambda given: _reach(given, _greedy)
        ),
        "a share is asked for: divide by the number of pairs": (
            lambda given: _reach(given, lambda true, found, n: _fair(true, found, n) * len(true))
        ),
    },
    clue="count how often each code meets each action; which n of these counts may be added up?",
    praise="the best of all ways to name codes, each used once",
    otherwise="of all ways to give each code another action: the largest share of right pairs",
)
