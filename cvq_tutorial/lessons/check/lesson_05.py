"""Exercises of lesson 05: what an intervention is measured by, and the posterior of actions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvq_tutorial.lessons.check.base import Exercise, Unreadable, array, function, one_number
from cvq_tutorial.method.causal_transition import TransitionOutput, at_codes


def _near(*wanted: float) -> Callable[[np.ndarray], bool]:
    return lambda found: bool(np.allclose(found, wanted, atol=2e-3))


scores_of_one_action = Exercise(
    read=array((2,)),
    right=_near(1 / 12, 2 / 12),
    hints={
        "those are the scores of a copy; this model always moves the floor": _near(0.0, 1.0),
        "turned round: first how often the target is reached": _near(2 / 12, 1 / 12),
        "asked for floor_hue-, it moves the floor up: that is not the value asked for": (
            lambda found: abs(found[0] - 2 / 12) < 2e-3
        ),
        "asked for floor_hue-, it moves the floor too, and nothing but the floor: the *others* are "
        "kept": lambda found: abs(found[1] - 1 / 12) < 2e-3,
        "asked for any other factor, it moves the floor, and the floor is one of the others": (
            lambda found: found[1] > 2 / 12 + 2e-3
        ),
    },
    clue="go through the twelve actions that can be asked for: is the target reached? are the five "
    "others kept?",
    praise="once in twelve and twice in twelve: what never depends on the action earns little",
    otherwise="two shares of the twelve actions: the target is reached; all five others are kept",
)

_SMALL, _LARGE = 3, 400  # nodes; a product over 400 is 0 in a float


def _pair(nodes: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """m, copy, mechanism and y of one pair: 5 actions, nodes, 2 codebooks, 4 codes."""
    random = torch.Generator().manual_seed(0)
    m = torch.rand(5, nodes, 2, generator=random)
    copy = torch.full((1, nodes, 2, 4), 0.1)
    x, y = (torch.randint(4, (nodes, 2), generator=random) for _ in range(2))
    copy.scatter_(-1, x[None, ..., None], 0.7)
    mechanism = torch.randn(5, nodes, 2, 4, generator=random).softmax(-1)
    return m, copy, mechanism, y


def _package(m: Tensor, copy: Tensor, mechanism: Tensor, y: Tensor) -> Tensor:
    none = torch.zeros(0)
    out = TransitionOutput(copy.log()[None], mechanism.log()[None], m.logit()[None], none, none)
    likely = out.log_likelihood(y[None, None].expand(1, *m.shape))
    return out.evidence(likely)[0].softmax(0)


def _posterior(given: Callable[..., Any], nodes: int) -> Tensor:
    found = given(*(part.clone() for part in _pair(nodes)))
    if not isinstance(found, Tensor) or found.shape != (5,):
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise Unreadable(f"expected one probability per action, a tensor (A,), found {shape}")
    return found


def _names(formula: Callable[..., Tensor], *sizes: int) -> Callable[[Callable[..., Any]], bool]:
    return lambda given: all(
        torch.allclose(_posterior(given, n), formula(*_pair(n)), atol=1e-4) for n in sizes
    )


def _with(mixed: Callable[..., Tensor]) -> Callable[[Callable[..., Any]], bool]:
    """Whether an answer is the posterior by another log-likelihood of each code."""
    return _names(
        lambda m, copy, mechanism, y: (
            mixed(m, *(at_codes(p, y.expand(m.shape)) for p in (copy, mechanism)))
            .sum((1, 2))
            .softmax(0)
        ),
        _SMALL,
    )


posterior_of_a_pair = Exercise(
    read=function(*_pair(_SMALL)),
    right=_names(_package, _SMALL, _LARGE),
    hints={
        "right for few codes; for many the product is 0 in a float: add logarithms, then softmax": (
            _names(_package, _SMALL)
        ),
        "that is the mean over the codes; evidence adds up, so it is the sum": _names(
            lambda *pair: _package(*pair).log().div(_SMALL * 2).softmax(0), _SMALL
        ),
        "m and 1 - m are exchanged: m is the probability that the action sets the code": _with(
            lambda m, copy, mechanism: (m * copy + (1 - m) * mechanism).log()
        ),
        "that is a mean of logarithms; it is the probabilities that are mixed": _with(
            lambda m, copy, mechanism: (1 - m) * copy.log() + m * mechanism.log()
        ),
        "that is the mechanism alone: a code may also have been copied": _with(
            lambda m, copy, mechanism: mechanism.log()
        ),
        "that is the logarithm of the posterior": _names(
            lambda *pair: _package(*pair).log(), _SMALL
        ),
        "the probabilities of all actions must add up to one": lambda given: (
            abs(float(_posterior(given, _SMALL).sum()) - 1) > 1e-3
        ),
        "the probabilities of a code are multiplied, not added": _names(
            lambda m, copy, mechanism, y: (
                (
                    (1 - m) * at_codes(copy, y.expand(m.shape))
                    + m * at_codes(mechanism, y.expand(m.shape))
                )
                .sum((1, 2))
                .softmax(0)
            ),
            _SMALL,
        ),
    },
    clue="first p (A, N, C, K) as in the lesson; then the entry of y (gather); then logarithms, a "
    "sum over nodes and codebooks, and a softmax over actions",
    praise="Bayes' rule over every action at once: this is `model.retrieve`",
    otherwise="log p(y | x, a) is a sum over all codes of log((1 - m) copy + m mechanism) at y",
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
    clue="mark what is read wrong, clear the target of each row, then ask row by row",
    praise="the share of edits with a leak; `leakage.leakage` says from which factor to which",
    otherwise="a row leaks if any factor but its own target is read wrong; the share of such rows",
)
