"""The self-checks of lesson 11b: each likely mistake gets its own hint."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from cvq_tutorial.lessons import check


def best(n):
    return n.max(1).sum() / n.sum()


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.states_that_tell, 48, "right: "),
        (check.states_that_tell, torch.tensor(48), "right: "),
        (check.states_that_tell, 16, "twins agree"),
        (check.states_that_tell, 12, "the pairs"),
        (check.states_that_tell, 64, "not in all"),
        (check.states_that_tell, 0, "all 64 states"),
        (check.states_that_tell, 65, "integer in 0..64"),
        (check.states_that_tell, [48], "expected an integer"),
        (check.best_retrieval, best, "right: "),
        (check.best_retrieval, lambda n: (n.max(1) / n.sum(1)).mean(), "counts more"),
        (check.best_retrieval, lambda n: n.sum(0).max() / n.sum(), "for all pairs"),
        (check.best_retrieval, lambda n: best(n.T), "a row is a pair"),
        (check.best_retrieval, lambda n: (n.max(1) / n.sum(1)).max(), "the best of one pair"),
        (
            check.best_retrieval,
            lambda n: (n**2 / n.sum(1, keepdims=True)).sum() / n.sum(),
            "at random",
        ),
        (check.best_retrieval, lambda n: 0.5, "added up"),
        (check.best_retrieval, lambda n: None, "not attempted"),
        (check.best_retrieval, lambda n: n.max(1), "number"),
        (check.orders_that_work, [3, 4, 4, 0], "right: "),
        (check.orders_that_work, [3, 4, 4], "shape (4)"),
        (check.orders_that_work, [3.0, 4, 4, 0], "expected integers"),
        (check.orders_that_work, [0, 4, 4, 0], "the first cumulant"),
        (check.orders_that_work, [3, 3, 4, 0], "no third cumulant"),
        (check.orders_that_work, [3, 4, 3, 0], "order 3 whitens"),
        (check.orders_that_work, [3, 4, 4, 4], "no cumulant above the second"),
        (check.orders_that_work, [3, 4, 4, 2], "order 2 is the covariance"),
        (check.orders_that_work, [2, 2, 4, 2], "order 2 is the covariance"),
        (check.orders_that_work, [4, 4, 4, 0], "the smallest is asked for"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)


def test_the_right_answer_agrees_with_a_simulation():
    states = np.array(list(product(range(4), repeat=3)))
    worlds = [(states[:, cause] + 1) % 4 for cause in (0, 1)]
    told = check.states_that_tell.reply(int((worlds[0] != worlds[1]).sum()))
    assert told.startswith("right: ")
