"""Exercises of lesson 11d: what is evidence, two interventions that add up, room for an edge."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from cvq_tutorial.lessons.check.base import Exercise, agrees, array, function

evidence_for_a_graph = Exercise(
    read=array((4,), "integer"),
    right=lambda found: found.tolist() == [1, 0, 0, -1],
    hints={
        "1, 0 or -1 for each": lambda found: bool((np.abs(found) > 1).any()),
        "(i) is the case that counts: the rival without it stays far away": (
            lambda found: found[0] != 1
        ),
        "(ii) draws at the floor, but so does the rival without any graph": (
            lambda found: found[1] == 1
        ),
        "(ii) a rival that draws as well takes nothing away from the graph, either": (
            lambda found: found[1] == -1
        ),
        "(iii) both are as far off: the graph may be right and unused. Look at its edges": (
            lambda found: found[2] != 0
        ),
        "(iv) draws worse than the rival: this graph, as it was used, does harm": (
            lambda found: found[3] != -1
        ),
    },
    clue="hold the first number against the second, not against 1",
    praise="only a rival makes a number evidence; the floor says how much there was to gain",
    otherwise="four numbers: 1 for the graph, 0 nothing, -1 against it as it was used",
)


def _three(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples (n, 3) without intervention, with a first, with a second; of unequal sizes."""
    rng = np.random.default_rng(seed)
    nothing, first, second = rng.uniform(0.5, 2, (3, 3)) * np.array([[1], [2], [4]])
    return (
        nothing + rng.standard_normal((7, 3)),
        first + rng.standard_normal((8, 3)),
        second + rng.standard_normal((9, 3)),
    )


_SETS = [_three(seed) for seed in (0, 1, 2)]


def _adds(formula: Callable[..., Any]) -> Callable[[Callable[..., Any]], bool]:
    """Does the answer give a formula of the three means?"""
    return agrees(_SETS, lambda *sets: formula(*(one.mean(0) for one in sets)))


two_at_once = Exercise(
    read=function(*[one.copy() for one in _SETS[0]], gives=array((3,))),
    right=_adds(lambda nothing, first, second: first + second - nothing),
    hints={
        "what is there without intervention is in both means: it counts twice so": _adds(
            lambda nothing, first, second: first + second
        ),
        "those are both effects; begin where nothing was done": _adds(
            lambda nothing, first, second: first + second - 2 * nothing
        ),
        "that is the mean of the two means: two effects add up, they do not average": _adds(
            lambda nothing, first, second: (first + second) / 2
        ),
        "an effect is a mean with the intervention minus one without, not a sum": _adds(
            lambda nothing, first, second: first + second + nothing
        ),
        "the second takes its effect away so: add it": _adds(
            lambda nothing, first, second: first - second - nothing
        ),
        "the second effect is turned round: with the intervention minus without": _adds(
            lambda nothing, first, second: first - second + nothing
        ),
        "that is the second alone; what did the first add?": _adds(
            lambda nothing, first, second: second
        ),
        "that is the first alone; what does the second add?": _adds(
            lambda nothing, first, second: first
        ),
    },
    clue="an effect: the mean with an intervention minus the mean without. Start without, add both",
    praise="in a straight world this is all that it takes: no graph, no model",
    otherwise="the mean without, plus both effects",
)


def _two(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5, 2, 5), rng.uniform(0.5, 2, 5)


_EFFECTS = [_two(seed) for seed in (0, 1, 2)]
_leaves = partial(agrees, _EFFECTS)


def _along(effect: np.ndarray, later: np.ndarray) -> np.ndarray:
    return (effect @ later) / (later @ later) * later


own_column = Exercise(
    read=function(*[one.copy() for one in _EFFECTS[0]], gives=array((5,))),
    right=_leaves(lambda effect, later: effect - _along(effect, later)),
    hints={
        "that is the part along the later effect: what an edge would pass on. Asked is the rest": (
            _leaves(_along)
        ),
        "take away only as much of the later effect as there is in it, not all of it": _leaves(
            lambda effect, later: effect - later
        ),
        "`effect @ later` counts the length of `later` twice: divide by `later @ later`": _leaves(
            lambda effect, later: effect - (effect @ later) * later
        ),
        "divide by the squared length of `later`, which is here twice: `later @ later`": _leaves(
            lambda effect, later: effect - (effect @ later) / np.sqrt(later @ later) * later
        ),
        "that is what `effect` leaves of `later`: the other way round": _leaves(
            lambda effect, later: later - _along(later, effect)
        ),
        "divide by the squared length of `later`, not by that of `effect`": _leaves(
            lambda effect, later: effect - (effect @ later) / (effect @ effect) * later
        ),
        "take that part away, do not add it": _leaves(
            lambda effect, later: effect + _along(effect, later)
        ),
        "that is the start at the mean effect: it leaves an edge nothing to do": _leaves(
            lambda effect, later: effect
        ),
    },
    clue="the part of `effect` along `later` is a multiple of `later`: which? Then take it away",
    praise="this is the start with room: what is left is perpendicular to the later effect",
    otherwise="what is left must be perpendicular to `later`: `left @ later` is 0",
)
