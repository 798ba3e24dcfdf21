"""The self-checks of lesson 05: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.lessons import check


def leaks(read, expected, factor):
    wrong = read != expected
    wrong[np.arange(len(factor)), factor] = False
    return wrong.any(axis=1).mean()


def mean_of_others(read, expected, factor):
    wrong = read != expected
    wrong[np.arange(len(factor)), factor] = False
    return wrong.sum() / (len(factor) * 2)


def whole_columns(read, expected, factor):
    wrong = read != expected
    wrong[:, factor] = False
    return wrong.any(axis=1).mean()


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.scores_of_a_copy, [0, 1], "right: "),
        (check.scores_of_a_copy, (1.0, 0.0), "turned round"),
        (check.scores_of_a_copy, [1 / 12, 1], "does not guess"),
        (check.scores_of_a_copy, [0, 0], "every other factor"),
        (check.scores_of_a_copy, [1, 1], "did not change either"),
        (check.scores_of_a_copy, 0.5, "shape (2)"),
        (check.recovered_share, lambda e, c, x: (x - e) / (x - c), "right: "),
        (check.recovered_share, lambda e, c, x: (e - c) / (x - c), "what is lost"),
        (check.recovered_share, lambda e, c, x: 1 - e / x, "leaves the ceiling out"),
        (check.recovered_share, lambda e, c, x: (x - e) / (c - x), "sign is turned"),
        (check.recovered_share, lambda e, c, x: None, "not attempted"),
        (check.share_that_leaks, leaks, "right: "),
        (check.share_that_leaks, lambda r, e, f: (r != e).any(1).mean(), "no leak"),
        (check.share_that_leaks, whole_columns, "one entry per row"),
        (check.share_that_leaks, mean_of_others, "mean over the other factors"),
        (check.share_that_leaks, lambda r, e, f: 1 - leaks(r, e, f), "the opposite"),
        (check.share_that_leaks, "x", "expected a function"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)
