"""The self-checks of lesson 11: each likely mistake gets its own hint."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cvq_tutorial.identify import check_context, solve
from cvq_tutorial.lessons import check
from cvq_tutorial.lessons.check.lesson_11 import _misfits, _turned_round, three_data_sets

MISFITS = _misfits()


def right_twin(d, m):
    M = np.eye(d)
    M[m, m + 1 :] = 1
    return M


def other_twin(d, m):
    M = np.eye(d)
    M[m, d - 1] = -0.5  # one cause mixed in
    return M


def turned(d, m):
    M = np.eye(d)
    M[m] = 1
    return M


def without_itself(d, m):
    M = right_twin(d, m)
    M[m, m] = 0
    return M


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.second_contexts, MISFITS.max(1), "right: "),
        (check.second_contexts, MISFITS.max(1).tolist(), "right: "),
        (check.second_contexts, MISFITS.min(1), "take the largest"),
        (check.second_contexts, MISFITS.mean(1), "not the mean"),
        (check.second_contexts, MISFITS.sum(1), "not their sum"),
        (check.second_contexts, [0, 0, 0], "stands out"),
        (check.second_contexts, [False, True, False], "which set is soft"),
        (check.second_contexts, [0, 0, 1], "which set is soft"),
        (check.second_contexts, _turned_round(), "not the other way round"),
        (check.second_contexts, MISFITS.max(1)[::-1][[0, 2, 1]], "in the order A, B, C"),
        (check.second_contexts, [1, 2, 3], "check_context"),
        (check.second_contexts, "B", "expected"),
        (check.twin_matrix, right_twin, "right: "),
        (check.twin_matrix, other_twin, "right: "),
        (check.twin_matrix, lambda d, m: np.eye(d), "the same world"),
        (check.twin_matrix, lambda d, m: right_twin(d, m).T, "other rows than m"),
        (check.twin_matrix, lambda d, m: right_twin(d, m).T, "column m"),
        (check.twin_matrix, lambda d, m: np.triu(np.ones((d, d))), "other rows than m"),
        (check.twin_matrix, turned, "turn arrows round"),
        (check.twin_matrix, without_itself, "ones on the diagonal"),
        (check.twin_matrix, lambda d, m: 2 * right_twin(d, m), "ones on the diagonal"),
        (check.twin_matrix, lambda d, m: None, "not attempted"),
        (check.twin_matrix, lambda d, m: np.eye(3), "shape (4, 4)"),
        (check.ranks_of_changes, [2, 1, 0, 2, 1], "right: "),
        (check.ranks_of_changes, [1, 1, 0, 2, 1], "loses its causes"),
        (check.ranks_of_changes, [2, 2, 0, 2, 1], "one direction"),
        (check.ranks_of_changes, [2, 1, 1, 2, 1], "nothing changes"),
        (check.ranks_of_changes, [2, 0, 0, 2, 1], "another size"),
        (check.ranks_of_changes, [2, 1, 0, 1, 1], "points elsewhere"),
        (check.ranks_of_changes, [2, 1, 0, 2, 2], "points the same way"),
        (check.ranks_of_changes, [3, 1, 0, 2, 1], "at most two"),
        (check.ranks_of_changes, [0, 1, 0, 2, 1], "two directions, one, or no change"),
        (check.ranks_of_changes, [2, 1, 0], "shape (5)"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)


def test_only_the_soft_data_set_is_missed():
    missed = {}
    for letter, data in three_data_sets().items():
        found = solve(data[:4], 3)
        assert found.misfit.max() < 1e-9, "one context per target fits whatever it is"
        missed[letter] = max(check_context(found, extra).misfit for extra in data[4:])
    assert missed["B"] > 0.05 and max(missed["A"], missed["C"]) < 1e-9


def test_the_ranks_are_those_of_the_changes():
    B = np.array([[1.0, -0.8, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])  # z1, z2 cause z0
    rows = [[2.0, 0, 0], [0, 2.0, 0], [0, 1.0, 0], [2.0, 0.3, 0.1], [0.5, -0.4, 0.25]]
    ranks = []
    for target, row in zip((0, 1, 1, 0, 0), rows, strict=True):
        new = B.copy()
        new[target] = row
        ranks.append(np.linalg.matrix_rank(new.T @ new - B.T @ B))
    assert check.ranks_of_changes.reply(ranks).startswith("right: ")


def test_no_hint_names_the_set_that_is_soft():
    for hint in [*check.second_contexts.hints, check.second_contexts.clue]:
        assert not re.search(r"\bB\b(?!, C)", hint), hint
