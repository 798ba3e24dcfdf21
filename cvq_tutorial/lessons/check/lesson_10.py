"""Exercises of lesson 10: what to count before a folder of pictures is trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cvq_tutorial.lessons.check.base import Exercise, array, function, number, one_number


def _near(wanted: float) -> Callable[[float], bool]:
    return lambda found: bool(np.isclose(found, wanted, atol=1e-6))


others_that_differ = Exercise(
    read=number(0, 40, "of attributes"),
    right=_near(9),
    hints={
        "the chosen ones agree, all but one: count over the other 30 only": (
            lambda found: found in (12, 13)
        ),
        "that is how many agree": _near(21),
        "the one that was meant to differ is not one of the others": _near(10),
        "that is the share of one attribute; there are 30 of them": _near(0.3),
    },
    clue="how many attributes are not chosen, and how many of these differ on average?",
    praise="9 of 30 in the mean pair: nobody would call that a change of one thing",
    otherwise="as many as were not chosen, each with its chance to differ",
)

_VALUES = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 0]])
_PAIRS = np.array([[0, 1], [1, 2], [0, 2], [0, 3], [0, 4], [1, 4], [3, 3], [1, 3]])
_DIFFER = (_VALUES[_PAIRS[:, 0]] != _VALUES[_PAIRS[:, 1]]).sum(axis=1)  # of each pair
_TRIAL = (_VALUES.copy(), _PAIRS.copy())


def _share(wanted: float) -> Callable[[Callable[..., Any]], bool]:
    return lambda given: bool(np.isclose(given(_VALUES.copy(), _PAIRS.copy()), wanted))


share_of_atomic_pairs = Exercise(
    read=function(*_TRIAL, gives=one_number),
    right=_share(float((_DIFFER == 1).mean())),
    hints={
        "two pictures without any difference are no edit either: exactly one": _share(
            float((_DIFFER <= 1).mean())
        ),
        "at least one is too weak: exactly one attribute may differ": _share(
            float((_DIFFER >= 1).mean())
        ),
        "that is the mean number of differences; the share of pairs is asked for": _share(
            float(_DIFFER.mean())
        ),
        "that counts pairs; divide by how many there are": _share(float((_DIFFER == 1).sum())),
    },
    clue="for each pair count the attributes that differ; which count is atomic?",
    praise="this is the column `none` of `pair_report`, counted over all attributes",
    otherwise="count the attributes that differ in each pair; the share of pairs whose count is 1",
)

_IDENTITY = np.repeat(np.arange(60), 5)[np.random.default_rng(0).permutation(300)]


def _side(given: Callable[..., Any], share: float = 0.25) -> np.ndarray:
    """The answer's test side of the trial, bool (300,)."""
    return array((len(_IDENTITY),), "boolean")(given(_IDENTITY.copy(), share))


def _is_near(given: Callable[..., Any], share: float) -> bool:
    return bool(abs(_side(given, share).mean() - share) < 0.12)


def _torn(side: np.ndarray) -> bool:
    """Whether an identity lies on both sides."""
    return bool(np.intersect1d(_IDENTITY[side], _IDENTITY[~side]).size)


whole_identities = Exercise(
    read=function(_IDENTITY.copy(), 0.25),
    right=lambda given: not _torn(_side(given)) and _is_near(given, 0.25) and _is_near(given, 0.5),
    hints={
        "some identities lie on both sides: draw identities, not pictures": (
            lambda given: _torn(_side(given))
        ),
        "the two sides are exchanged: True should be the test side": (
            lambda given: bool(abs(_side(given).mean() - 0.75) < 0.12)
        ),
        "one side is empty": lambda given: bool(_side(given).mean() in (0, 1)),
        "right for a quarter, but not for other shares: use `share`": (
            lambda given: _is_near(given, 0.25)
        ),
        "the test side is far from the share that was asked for": lambda given: True,
    },
    clue="draw from np.unique(identity), then ask of each picture whether its identity was drawn",
    praise="whoever is in the test has never been seen, not even in another picture",
)
