"""Exercises of lesson 08: what a disentanglement score is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cvq_tutorial.lessons.check.base import Exercise, function, number, one_number


def _is(wanted: float) -> Callable[[float], bool]:
    return lambda given: abs(given - wanted) < 1e-6


mig_with_copies = Exercise(
    read=number(0, 1),
    right=_is(0.9),
    hints={
        "the copies of the tenth: the second best knows as much as the best, so it has no gap": (
            lambda given: given == 1 or _is(0.95)(given) or abs(given - 28 / 30) < 1e-3
        ),
        "that is the gap of the tenth; MIG is the mean over all ten": _is(0),
        "that is what the copies cost; the mean of the ten gaps is asked for": _is(0.1),
        "a mean over the latents? It is over the ten factors": lambda given: (
            abs(given - 9 / 12) < 1e-3 or abs(given - 10 / 12) < 1e-3
        ),
    },
    clue="write down the ten gaps, then take their mean",
    praise="MIG punishes a factor that is written more than once, however clearly",
    otherwise="the mean of ten gaps: what is the gap of the tenth, and of each of the others?",
)

# two latents know equally much of the third factor: its gap is 0
_INFORMATION = np.array(
    [[1.0, 0.1, 0.3], [0.25, 0.3, 0.9], [0.0, 0.8, 0.1], [0.5, 0.2, 0.9], [0.1, 0.05, 0.0]]
)
_ENTROPY = np.array([2.0, 1.0, 1.5])


def _gives(
    formula: Callable[[np.ndarray, np.ndarray], float],
) -> Callable[[Callable[..., Any]], bool]:
    wanted = formula(_INFORMATION, _ENTROPY)
    return lambda given: bool(np.isclose(given(_INFORMATION.copy(), _ENTROPY.copy()), wanted))


def _gap(axis: int, information: np.ndarray) -> np.ndarray:
    ranked = np.sort(information, axis=axis)
    return np.take(ranked, -1, axis) - np.take(ranked, -2, axis)


def _gap_to_a_smaller_one(information: np.ndarray) -> np.ndarray:
    best = information.max(0)
    return best - np.where(information < best, information, -np.inf).max(0)


mig_by_hand = Exercise(
    read=function(_INFORMATION.copy(), _ENTROPY.copy(), gives=one_number),
    right=_gives(lambda i, h: float((_gap(0, i) / h).mean())),
    hints={
        "two latents may know equally much: then the second best is as good as the best": _gives(
            lambda i, h: float((_gap_to_a_smaller_one(i) / h).mean())
        ),
        "divide each gap by the entropy of its factor, or large factors count more": _gives(
            lambda i, h: float(_gap(0, i).mean())
        ),
        "that is the mean gap over the mean entropy; divide first, then take the mean": _gives(
            lambda i, h: float(_gap(0, i).mean() / h.mean())
        ),
        "that is the gap between factors for each latent; go the other way": _gives(
            lambda i, h: float(_gap(1, i).mean())
        ),
        "that is the best latent alone; take the second best away": _gives(
            lambda i, h: float((i.max(0) / h).mean())
        ),
        "best minus worst? the gap is to the second best": _gives(
            lambda i, h: float(((i.max(0) - i.min(0)) / h).mean())
        ),
    },
    clue="sort each column; the gap is between its last two entries",
    praise="the mutual information gap",
    otherwise="(largest - second largest of each column) / entropy of that column, then the mean",
)

_TABLE = np.stack([np.arange(40), 100 + np.arange(40)], axis=1)


def _dealt(given: Callable[..., Any], seed: int = 0) -> np.ndarray:
    return np.asarray(given(_TABLE.copy(), np.random.default_rng(seed)))


def _spoils(given: Callable[..., Any]) -> bool:
    """Whether the answer changes the table that it is given."""
    table = _TABLE.copy()
    given(table, np.random.default_rng(0))
    return not np.array_equal(table, _TABLE)


def _is_control(given: Callable[..., Any]) -> bool:
    found = _dealt(given)
    return (
        found.shape == _TABLE.shape
        and sorted(map(tuple, found)) == sorted(map(tuple, _TABLE))
        and not np.array_equal(found, _TABLE)
        and not np.array_equal(found, _dealt(given, seed=1))
        and np.array_equal(found, _dealt(given))  # the order is that of `rng`
        and not _spoils(given)
    )


permuted_rows = Exercise(
    read=function(_TABLE.copy(), np.random.default_rng(0)),
    right=_is_control,
    hints={
        "nothing moved: each row still belongs to its image": lambda given: np.array_equal(
            _dealt(given), _TABLE
        ),
        "`factors` itself was changed; return a new array": _spoils,
        "the same order for every generator: let `rng` choose it": lambda given: np.array_equal(
            _dealt(given), _dealt(given, seed=1)
        ),
        "another order each time: only `rng` may choose it, so that one can draw it again": (
            lambda given: (
                sorted(map(tuple, _dealt(given))) == sorted(map(tuple, _TABLE))
                and not np.array_equal(_dealt(given), _dealt(given))
            )
        ),
        "the factors of a row must stay together: permute rows, not single values": lambda given: (
            _dealt(given).shape == _TABLE.shape
            and sorted(_dealt(given).flatten()) == sorted(_TABLE.flatten())
        ),
        "rows are missing or occur twice: permute, do not draw with replacement": lambda given: (
            _dealt(given).shape == _TABLE.shape
        ),
    },
    clue="the generator has a method that gives an order of the rows",
    praise="what a score says of this is what it says of nothing",
)
