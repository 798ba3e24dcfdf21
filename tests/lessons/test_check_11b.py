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
        (check.states_that_tell, 16, "doubles agree"),
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
        (check.all_four_agree, 0.125, "right: "),
        (check.all_four_agree, 1 / 16, "the other one, too"),
        (check.all_four_agree, 0.5, "two starts"),
        (check.all_four_agree, 0.25, "three starts"),
        (check.all_four_agree, 7 / 8, "do not all agree"),
        (check.all_four_agree, 0, "four fair coins"),
        (check.all_four_agree, 2, "expected"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)


def test_the_right_answer_agrees_with_a_simulation():
    states = np.array(list(product(range(4), repeat=3)))
    worlds = [(states[:, cause] + 1) % 4 for cause in (0, 1)]
    told = check.states_that_tell.reply(int((worlds[0] != worlds[1]).sum()))
    assert told.startswith("right: ")
