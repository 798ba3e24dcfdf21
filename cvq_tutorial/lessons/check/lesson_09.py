"""Exercises of lesson 09: numbers that show a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cvq_tutorial.lessons.check.base import Exercise, choice, function, one_number

what_shows_shuffled_actions = Exercise(
    read=choice(("loss", "reconstruction", "action accuracy")),
    right=lambda word: word == "action accuracy",
    hints={
        "the loss fell for both models; there is much to learn without the action": (
            lambda word: word == "loss"
        ),
        "the autoencoder never sees an action, so its images are as good as ever": (
            lambda word: word == "reconstruction"
        ),
    },
    clue="which of the three could not be good without the right actions?",
    praise="and only because its chance stands beside it",
)

_GOOD = np.array([33.0, 28.5, 30.0, 29.0, 37.0, 36.0, 45.0, 28.0, 28.2, 37.5, 38.0])  # uneven

_MORE = np.array([20.0, 22.0, 24.0, 26.0, 28.0, 30.0])  # even


def _limits(
    formula: Callable[[np.ndarray, float], float],
) -> Callable[[Callable[..., Any]], bool]:
    return lambda given: all(
        abs(given(_GOOD.copy(), share) - formula(_GOOD, share)) < 0.51 for share in (0.0, 0.2, 0.5)
    )


limit_of_an_alarm = Exercise(
    read=function(_GOOD.copy(), 0.2, gives=one_number),
    right=_limits(lambda good, share: float(np.quantile(good, share))),
    hints={
        "that is the worst of all, whatever the share": lambda given: all(
            given(_GOOD.copy(), share) == _GOOD.min() for share in (0.0, 0.2, 0.5)
        ),
        "that is the other end: low quality is what should raise the alarm": _limits(
            lambda good, share: float(np.quantile(good, 1 - share))
        ),
        "that is a share of the best value; ask how many images lie below": _limits(
            lambda good, share: share * float(good.max())
        ),
        "that is a share of the way from worst to best; ask how many images lie below": _limits(
            lambda good, share: float(good.min() + share * (good.max() - good.min()))
        ),
        "that takes the values for normal ones; ask how many images lie below": lambda given: any(
            all(
                abs(given(good.copy(), 0.2) - (good.mean() - times * good.std())) < 0.3
                for good in (_GOOD, _MORE)
            )
            for times in (1, 2, 3)
        ),
        "np.percentile counts in percent: 0.2 is a fifth of a percent there": _limits(
            lambda good, share: float(np.percentile(good, share))
        ),
    },
    clue="sort the good values: which one has at most `share` of the others below it?",
    praise="known good images set the limit, never the suspicious ones",
    otherwise="it is a quantile of `good`: a share of `share` lies below it",
)

_LOW, _HIGH = np.array([0.0, 1.0, 1.0, 3.0]), np.array([1.0, 2.0, 5.0])


def _area(wanted: float) -> Callable[[Callable[..., Any]], bool]:
    return lambda given: abs(given(_LOW.copy(), _HIGH.copy()) - wanted) < 1e-6


_RIGHT = float(((_HIGH[:, None] > _LOW) + 0.5 * (_HIGH[:, None] == _LOW)).mean())

auroc_with_ties = Exercise(
    read=function(_LOW.copy(), _HIGH.copy(), gives=one_number),
    right=_area(_RIGHT),
    hints={
        "ties are lost there: an alarm that always says 0 would get 0 instead of 0.5": _area(
            float((_HIGH[:, None] > _LOW).mean())
        ),
        "ties count fully there: an alarm that always says 0 would get 1": _area(
            float((_HIGH[:, None] >= _LOW).mean())
        ),
        "turned round: how often is `high` the higher one?": _area(1 - _RIGHT),
    },
    clue="compare every value of `high` with every value of `low`: one is a row, the other a "
    "column",
    praise="an alarm that always says the same gets 0.5, as a coin does",
    otherwise="over all pairs: 1 where `high` is larger, 1/2 where they are equal, 0 else; then "
    "the mean",
)
