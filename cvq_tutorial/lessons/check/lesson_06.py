"""Exercises of lesson 06: naming the action, and how good that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from cvq_tutorial.lessons.check.base import Exercise, function, number, one_number


def _is(wanted: float) -> Callable[[float], bool]:
    return lambda found: abs(found - wanted) < 0.002


chance_of_the_factor = Exercise(
    read=number(0, 1),
    right=_is(1 / 9),
    hints={
        "that is the chance of the action; two of the 18 move the right factor": _is(1 / 18),
        "that is for six factors, as in this lesson's images; here there are nine": _is(1 / 6),
        "that is the chance of the direction, when the factor is known": _is(1 / 2),
    },
    clue="how many of the 18 actions would name the right factor?",
    praise="2 of 18 actions move the right factor",
    otherwise="actions that move the right factor, over all actions",
)

# sums near -900: exp of them is zero, and so is what one divides by
_PER_CODE = torch.tensor(
    [[-300.0, -300.0, -301.0], [-300.0, -300.0, -300.0], [-299.0, -302.0, -303.0]]
)
_PRIOR = torch.tensor([0.7, 0.1, 0.2])


def _posterior(given: Callable[..., Any], prior: torch.Tensor = _PRIOR) -> torch.Tensor:
    return torch.as_tensor(given(_PER_CODE.clone(), prior.clone())).float()


def _gives(
    formula: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], prior: torch.Tensor = _PRIOR
) -> Callable[[Callable[..., Any]], bool]:
    wanted = formula(_PER_CODE, prior)

    def test(given: Callable[..., Any]) -> bool:
        found = _posterior(given, prior)
        return found.shape == wanted.shape and torch.allclose(
            found, wanted, atol=1e-4, equal_nan=True
        )

    return test


posterior_of_actions = Exercise(
    read=function(_PER_CODE.clone(), _PRIOR.clone()),
    right=_gives(lambda p, prior: (p.sum(1) + prior.log()).softmax(0)),
    hints={
        "the prior is not used: an action that is done more often is likelier before one looks": (
            _gives(lambda p, prior: p.sum(1).softmax(0))
        ),
        "the prior counts once for an action, not once for each code": _gives(
            lambda p, prior: (p + prior.log()[:, None]).sum(1).softmax(0)
        ),
        "log-likelihoods are added to the logarithm of the prior, not to the prior": _gives(
            lambda p, prior: (p.sum(1) + prior).softmax(0)
        ),
        "that is the mean: each code counts only a third of what it says": _gives(
            lambda p, prior: (p.mean(1) + prior.log()).softmax(0)
        ),
        "exp of the sums is zero: use softmax, or take away the largest sum first": _gives(
            lambda p, prior: p.sum(1).exp() * prior / (p.sum(1).exp() * prior).sum()
        ),
        "log-likelihoods of codes are added, not multiplied": _gives(
            lambda p, prior: (p.prod(1) + prior.log()).softmax(0)
        ),
        "one probability per action is asked for: shape (A,)": lambda given: (
            tuple(_posterior(given).shape) != (3,)
        ),
        "the probabilities of all actions must add up to one": lambda given: (
            not (abs(float(_posterior(given).sum()) - 1) < 1e-3)
        ),
    },
    clue="Bayes' rule with p(a) in it: what becomes of a product in logarithms? Then make the A "
    "numbers add up to one",
    praise="the prior is added once, as a logarithm: 99 to 1 is 4.6 nats, far less than the leads "
    "above",
    otherwise="softmax over actions of (the sum over codes + the log of the prior)",
)

_TRUE = np.array([0, 0, 0, 0, 0, 0, 2, 2, 5, 5])
_NAMED = np.array([0, 0, 0, 0, 0, 2, 2, 0, 0, 9])  # 9 does not occur in _TRUE


def _accuracy(wanted: float) -> Callable[[Callable[..., Any]], bool]:
    return lambda given: abs(given(_TRUE.copy(), _NAMED.copy()) - wanted) < 1e-6


macro_over_actions = Exercise(
    read=function(_TRUE.copy(), _NAMED.copy(), gives=one_number),
    right=_accuracy((5 / 6 + 1 / 2 + 0) / 3),
    hints={
        "that is plain accuracy: a frequent action counts more than a rare one": _accuracy(6 / 10),
        "count by true action, not by named one": lambda given: any(
            _accuracy((5 / 7 + 1 / 2) / n)(given) for n in (2, 3)
        ),
        "an action that occurs and is never named right counts as 0, too": _accuracy(
            (5 / 6 + 1 / 2) / 2
        ),
        "actions that do not occur in `true` do not count": lambda given: (
            np.isnan(given(_TRUE.copy(), _NAMED.copy()))
            or any(_accuracy((5 / 6 + 1 / 2) / n)(given) for n in (4, 6, 10, 12, 18))
        ),
    },
    clue="one accuracy for each action that occurs in `true`, then their mean",
    praise="every action counts the same, however rare",
    otherwise="for each action in `true`: the share of its rows that was named right; then the "
    "mean",
)
