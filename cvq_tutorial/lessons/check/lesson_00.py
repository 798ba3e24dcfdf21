"""Exercises of lesson 00: the first words, and a way to a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.lessons.check.base import Exercise, Unreadable, function, whole
from cvq_tutorial.worlds.shapes3d import FACTORS

START = (1, 6, 7, 5, 1, 3)  # floor, wall, object hue, scale, shape, orientation
GOAL = (1, 5, 9, 5, 2, 3)

actions_of_nine_factors = Exercise(
    read=whole(0, 10_000),
    right=lambda n: n == 18,
    hints={
        "each factor can be raised and lowered": lambda n: n == 9,
        "an action moves one factor only, so they are added, not combined": (
            lambda n: n in (512, 81, 36, 72)
        ),
        "that is this world's number; sprites have nine factors": lambda n: n == 12,
    },
    clue="count the actions of one factor, then of nine",
    praise="9 that raise and 9 that lower",
    otherwise="two actions for each factor: one up, one down",
)


def _undoes(wanted: Callable[[int, int], int]) -> Callable[[Callable[..., Any]], bool]:
    """Whether an answer gives what `wanted` does, for all actions of 6 and of 9 factors."""
    return lambda given: all(given(a, f) == wanted(a, f) for f in (6, 9) for a in range(2 * f))


undoing_action = Exercise(
    read=function(1, 6, gives=whole(-10_000, 10_000)),
    right=_undoes(lambda a, f: (a + f) % (2 * f)),
    hints={
        "right for actions that raise; one that lowers has to come back to 0..F-1": _undoes(
            lambda a, f: a + f
        ),
        "right for actions that lower; one that raises is then below 0": _undoes(
            lambda a, f: a - f
        ),
        "an action has a number from 0 on: minus wall_hue+ is wall_hue-, F further": _undoes(
            lambda a, f: -a
        ),
        "the same action again goes one step further": _undoes(lambda a, f: a),
        "there are 2 F actions, so it is the remainder by 2 F, not by F": _undoes(
            lambda a, f: (a + f) % f
        ),
        "that counts from the other end; the pairs are 0 and F, 1 and F + 1, ...": _undoes(
            lambda a, f: 2 * f - 1 - a
        ),
        "F is an argument: it is not 6 in every world": lambda given: any(
            all(given(a, f) == line(a) for f in (6, 9) for a in range(2 * f))
            for line in (lambda a: a + 6, lambda a: a - 6, lambda a: (a + 6) % 12)
        ),
    },
    clue="write down the pairs that undo each other for F = 6: 0 and 6, 1 and 7, ...; and back: "
    "6 and 0",
    praise="F further, and round at 2 F: twice undone is done",
    otherwise="for F = 6 the pairs that undo each other are 0 and 6, 1 and 7, up to 5 and 11",
)


def _actions(answer: Any) -> tuple[str, ...]:
    """Reader of a list of names of actions."""
    if isinstance(answer, str) or not isinstance(answer, (list, tuple)):
        raise Unreadable(f"expected a list of names of actions, found {type(answer).__name__}")
    for name in answer:
        if name not in FACTORS.action_names:
            raise Unreadable(close_match("action", name, FACTORS.action_names))
    return tuple(answer)


def _ends(way: tuple[str, ...]) -> tuple[int, ...]:
    """Where a way from START ends. Raises Unreadable where an action leads nowhere."""
    values = np.array([START])
    for name in way:
        number = np.array([FACTORS.action_id(name)])
        if not FACTORS.legal(values, number)[0]:
            raise Unreadable(f"{name} can go no further there")
        values = FACTORS.apply(values, number)
    return tuple(values[0].tolist())


_STEPS = sum(abs(a - b) for a, b in zip(START, GOAL, strict=True))
_MOVED = {FACTORS.names[f] for f in range(FACTORS.n_factors) if START[f] != GOAL[f]}


def _moves(way: tuple[str, ...]) -> set[str]:
    return {name.rstrip("+-") for name in way}


way_to_the_goal = Exercise(
    read=_actions,
    right=lambda way: _ends(way) == GOAL and len(way) == _STEPS,
    hints={
        "you get there, but there is a shorter way: some actions undo each other": (
            lambda way: _ends(way) == GOAL
        ),
        "that leads from the goal back to the start": lambda way: (
            [2 * s - e for s, e in zip(START, _ends(way), strict=True)] == list(GOAL)
        ),
        "the right factors move; look once more how far each, and in which direction": (
            lambda way: _moves(way) == _MOVED
        ),
        "one factor too many moves: floor, size and camera stay as they are": (
            lambda way: bool(_moves(way) - _MOVED)
        ),
        "not all that differs has moved: compare wall, object and its shape": (
            lambda way: _moves(way) < _MOVED
        ),
    },
    clue="compare the two pictures surface by surface: which hues, sizes and shapes differ?",
    praise="four steps, and their order does not matter",
)
