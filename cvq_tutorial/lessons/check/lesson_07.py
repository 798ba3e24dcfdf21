"""Exercises of lesson 07: macro accuracy, chances to draw rows by, what a sample is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvq_tutorial.data.balance import balanced_chances, effective_size
from cvq_tutorial.lessons.check.base import Exercise, Unreadable, function, number


def _near(*wanted: float) -> Callable[[float], bool]:
    return lambda given: any(abs(given - w) < 2e-3 for w in wanted)


macro_of_the_majority = Exercise(
    read=number(0, 1),
    right=_near(0.25),
    hints={
        "that is the plain accuracy; macro is the mean of the four accuracies, one per value": (
            _near(0.7)
        ),
        "it is never right about the three rare values, and always about the frequent one": (
            _near(0.0, 1.0, 0.1, 0.3)
        ),
        "the mean over values counts each once, whatever its share": _near(0.49, 0.52, 0.175),
    },
    clue="write down the accuracy for each of the four shapes",
    praise="1 right value of 4: macro shows that it knows nothing",
    otherwise="the mean of four accuracies, one per shape",
)

# Functions on small samples -----------------------------------------------------------------------

Numbers = NDArray[Any]
_COLUMNS = [np.array([0, 0, 0, 0, 0, 0, 1, 1, 2]), np.array([3, 3, 1]), np.array([5])]
_STRENGTHS = (0.0, 0.5, 1.0)


def _counts(column: Numbers) -> Numbers:
    return np.unique(column, return_counts=True)[1][np.unique(column, return_inverse=True)[1]]


def _chances(found: Any, n: int) -> Numbers:
    chances = np.asarray(found)
    if chances.shape != (n,) or chances.dtype.kind not in "fiu":
        raise Unreadable(
            f"expected one number per row, an array of shape ({n},), found {chances.dtype} of "
            f"shape {chances.shape}"
        )
    return chances


def _draws(formula: Callable[[Numbers, float], Numbers]) -> Callable[[Callable[..., Any]], bool]:
    return lambda given: all(
        bool(np.allclose(_chances(given(c.copy(), s), len(c)), formula(c, s), atol=1e-3))
        for c in _COLUMNS
        for s in _STRENGTHS
    )


def _normalised(weights: Numbers) -> Numbers:
    return weights / weights.sum()


chances_to_draw = Exercise(
    read=function(_COLUMNS[0].copy(), 0.5),
    right=_draws(lambda c, s: balanced_chances([c], s)),
    hints={
        "chances add up to one: divide by their sum": _draws(lambda c, s: _counts(c) ** -s),
        "that draws frequent values even more often: a row's chance falls with the count of its "
        "value": _draws(lambda c, s: _normalised(_counts(c) ** s)),
        "that mixes equal and balanced chances; the strength is an exponent of the count": _draws(
            lambda c, s: (1 - s) / len(c) + s * _normalised(1 / _counts(c))
        ),
        "the strength is not used: 0 must leave all chances equal": _draws(
            lambda c, s: _normalised(1 / _counts(c))
        ),
    },
    clue="np.bincount(column)[column] is, for each row, how often its value occurs",
    praise="what balanced_chances does with one column; 0.5 is square-root sampling",
    otherwise="each row gets (count of its value) to the power of minus strength, over the sum "
    "of these",
)

_SAMPLES = [np.array([0.25] * 4), np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.5, 0.5, 0.0])]


def _worth(formula: Callable[[Numbers], float]) -> Callable[[Callable[..., Any]], bool]:
    def test(given: Callable[..., Any]) -> bool:
        found = [np.asarray(given(p.copy())) for p in _SAMPLES]
        if any(f.size != 1 or f.dtype.kind not in "fiu" for f in found):
            raise Unreadable("expected one number for a sample")
        return all(abs(f.item() - formula(p)) < 1e-3 for f, p in zip(found, _SAMPLES, strict=True))

    return test


worth_of_a_sample = Exercise(
    read=function(_SAMPLES[0].copy()),
    right=_worth(effective_size),
    hints={
        "how many rows can be drawn at all is not what they are worth: a row of chance 0.7 is most "
        "of the sample": _worth(lambda p: float((p > 0).sum())),
        "that is its inverse": _worth(lambda p: float((p**2).sum())),
        "that looks at the likeliest row only; all rows count": _worth(
            lambda p: float(1 / p.max())
        ),
    },
    clue="try it with [1/4, 1/4, 1/4, 1/4]: it should give 4",
    praise="Kish's effective size: what is drawn again and again is worth little",
    otherwise="the square of the sum of p, over the sum of the squares of p",
)
