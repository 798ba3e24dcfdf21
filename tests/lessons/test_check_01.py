"""The self-checks of lesson 01: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.lessons import check


def itself(graph, cause):
    return np.arange(len(graph)) == cause


def within(graph, cause, arrows):
    moved = itself(graph, cause)
    for _ in range(arrows):
        moved = moved | graph[moved].any(axis=0)
    return moved


def descendants(graph, cause):
    return within(graph, cause, len(graph))


def by_powers(graph, cause):  # another right way
    steps = np.linalg.matrix_power(np.eye(len(graph)) + graph, len(graph))
    return steps[cause] > 0


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (90, "right: "),
        (90.0, "right: "),
        (45, "both directions"),
        (60, "3 steps"),
        (120, "3 steps"),
        (180, "by one step"),
        (6, "any of its 15"),
        (202, "only the first"),
        (7, "count the steps"),
        ("x", "expected an integer"),
        (None, "not attempted yet"),
    ],
)
def test_transitions_of_the_first(answer, told):
    assert told in check.transitions_of_the_first.reply(answer)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (1 - 0.15 / 18, "right: "),
        (0.9917, "right: "),
        (0.85, "only one edit in nine"),
        (0.925, "only one edit in nine"),
        (0.9833, "half of the time"),
        (1 - 0.15 / 9 * 17 / 18, "need not guess among all 18"),
        (1.0, "the action has a direction"),
        (0.5, "take it from 1"),
        (99.2, "expected a number"),
        ("high", "expected a number"),
        (None, "not attempted yet"),
    ],
)
def test_best_with_invisible_edits(answer, told):
    assert told in check.best_with_invisible_edits.reply(answer)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (descendants, "right: "),
        (by_powers, "right: "),
        (lambda g, c: g[c] | itself(g, c), "effects of its own"),
        (lambda g, c: within(g, c, 2), "two arrows in a row"),
        (lambda g, c: within(g, c, 3), "a few arrows in a row and stops"),
        (lambda g, c: within(g, c, 6), "a few arrows in a row and stops"),
        (lambda g, c: within(g, c, 7), "right: "),
        (lambda g, c: descendants(g.T, c), "backwards"),
        (lambda g, c: descendants(g, c) & ~itself(g, c), "done on moves, too"),
        (lambda g, c: g[c], "done on moves, too"),
        (lambda g, c: np.flatnonzero(g[c]), "expected a boolean array of shape (6,)"),
        (lambda g, c: int(c), "expected a boolean array"),
        (lambda g, c: ~itself(g, c), "not yet: "),
        (lambda g, c: g[99], "your answer raised IndexError"),
        (lambda g, c: None, "not attempted yet"),
        (None, "not attempted yet"),
        (5, "expected a function"),
    ],
)
def test_moved_by(answer, told):
    line = check.moved_by.reply(answer)
    assert told in line and "\n" not in line


def test_an_answer_that_changes_the_graph_changes_nothing_for_the_next():
    def spoils(graph, cause):
        found = descendants(graph, cause)
        graph[:] = False
        return found

    assert "right: " in check.moved_by.reply(spoils)
    assert "right: " in check.moved_by.reply(descendants)
