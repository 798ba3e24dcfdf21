"""Exercises of lesson 04b: a place of a picture, the mask summed out, what an edge may cost."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvq_tutorial.lessons.check.base import Exercise, Unreadable, array, function
from cvq_tutorial.method.causal_transition import TransitionOutput, at_codes

place_of_a_node = Exercise(
    read=array((2,), "integer"),
    right=lambda found: found.tolist() == [4, 3],
    hints={
        "turned round: first the row": lambda found: found.tolist() == [3, 4],
        "rows and columns are counted from 0": lambda found: found.tolist() == [5, 4],
        "a row has 8 places, so the number is 8 times the row plus the column": (
            lambda found: 8 * found[0] + found[1] != 35
        ),
        "a column is one of 0 to 7": lambda found: not 0 <= found[1] < 8,
    },
    clue="number = 8 x row + column: divide with a remainder",
    praise="35 = 8 x 4 + 3, the place r4c3",
    otherwise="a row has 8 places: divide 35 by 8, with a remainder",
)

_MILD, _SURE = 1.5, 200.0  # spread of the log-odds; at 200 probabilities are 0 in a float


def _trial(spread: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """mask_logit, log_copy, log_mechanism and y of 2 images, 3 nodes, 2 codebooks, 5 codes."""
    random = torch.Generator().manual_seed(0)
    logits, mechanism = (torch.randn(2, 3, 2, *more, generator=random) for more in ((), (5,)))
    x, y = (torch.randint(5, (2, 3, 2), generator=random) for _ in range(2))
    copy = torch.full((2, 3, 2, 5), log(0.1 / 4)).scatter(-1, x[..., None], log(0.9))
    return spread * logits, copy, (spread * mechanism).log_softmax(-1), y


def _result(given: Callable[..., Any], spread: float) -> Tensor:
    found = given(*(part.clone() for part in _trial(spread)))
    if not isinstance(found, Tensor):
        raise Unreadable(f"expected a tensor (B, N, C), found {type(found).__name__}")
    if found.shape == (2, 3, 2, 5):
        raise Unreadable("that is of every code; of the K entries take the one of y")
    if found.shape != (2, 3, 2):
        raise Unreadable(f"expected one number per code, (B, N, C), found {tuple(found.shape)}")
    return found


def _package(logits: Tensor, copy: Tensor, mechanism: Tensor, y: Tensor) -> Tensor:
    none = torch.zeros(0)
    return TransitionOutput(copy, mechanism, logits, none, none).log_likelihood(y)


def _is(formula: Callable[..., Tensor], *spreads: float) -> Callable[[Callable[..., Any]], bool]:
    """Whether an answer gives what the formula does with m, copy, mechanism at y."""

    def test(given: Callable[..., Any]) -> bool:
        return all(
            torch.allclose(
                _result(given, spread), formula(*_trial(spread)), atol=1e-4, equal_nan=True
            )
            for spread in spreads or (_MILD,)
        )

    return test


def _with(formula: Callable[..., Tensor]) -> Callable[[Callable[..., Any]], bool]:
    """The same, of m and of the two probabilities of y."""
    return _is(
        lambda logits, copy, mechanism, y: formula(
            torch.sigmoid(logits), at_codes(copy, y).exp(), at_codes(mechanism, y).exp()
        )
    )


marginal_likelihood = Exercise(
    read=function(*_trial(_MILD)),
    right=_is(_package, _MILD, _SURE),
    hints={
        "right where all is moderate; where both stories are sure to be wrong their sum is 0 in a "
        "float, and its log minus infinity: add in logs, with logsigmoid and logaddexp": _is(
            _package, _MILD
        ),
        "m and 1 - m are exchanged: m is the probability that the code is set": _with(
            lambda m, copy, mechanism: (m * copy + (1 - m) * mechanism).log()
        ),
        "that is a mean of logarithms; it is the probabilities that are mixed": _with(
            lambda m, copy, mechanism: (1 - m) * copy.log() + m * mechanism.log()
        ),
        "that is the probability; its logarithm is asked for": _with(
            lambda m, copy, mechanism: (1 - m) * copy + m * mechanism
        ),
        "the sign: a log-likelihood is below 0": lambda given: bool(
            (_result(given, _MILD) > 0).all()
        ),
        "that takes one of the two by a threshold; both stories count, by their probability": _with(
            lambda m, copy, mechanism: torch.where(m > 0.5, mechanism, copy).log()
        ),
        "that is the mechanism alone: where is the copy?": _with(
            lambda m, copy, mechanism: mechanism.log()
        ),
        "that is the copy alone: where is the mechanism?": _with(lambda m, copy, _: copy.log()),
        "m is the sigmoid of `mask_logit`": _is(
            lambda logits, copy, mechanism, y: (
                (1 - logits) * at_codes(copy, y).exp() + logits * at_codes(mechanism, y).exp()
            ).log()
        ),
    },
    clue="of each distribution take the entry of y (gather on the last axis); then weigh and add",
    praise="the mask is summed out exactly, and stays finite where it is sure",
    otherwise="the log of (1 - m) copy + m mechanism, each taken at the code y",
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
    clue="an edge pays as long as what it saves, on average, is more than how often it is on "
    "times its price",
    praise="so an edge is first given up for some codes of its cause, and only then as a whole",
    otherwise="(ii) what is saved per transition, divided by how often the edge is on",
)
