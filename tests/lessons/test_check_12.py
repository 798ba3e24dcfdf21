"""The self-checks of lesson 12: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from cvq_tutorial.lessons import check
from cvq_tutorial.measure.unnamed import match, together


def shared(scores, share):
    return torch.softmax(torch.tensor(scores + np.log(share)), 1)


def without_care(scores, share):
    weights = np.exp(scores) * share
    return weights / weights.sum(1, keepdims=True)


def by_columns(scores, share):
    return torch.softmax(torch.tensor(scores + np.log(share)), 0)


def table(true, found, n):
    return together(true, found, n, n)


def hungarian(true, found, n):
    rows, columns = linear_sum_assignment(-table(true, found, n))
    return table(true, found, n)[rows, columns].sum() / len(true)


def largest_first(true, found, n):
    counts, right = table(true, found, n).astype(float), 0
    for _ in range(n):
        a, c = np.unravel_index(counts.argmax(), counts.shape)
        right += counts[a, c]
        counts[a], counts[:, c] = -1, -1
    return right / len(true)


def in_torch(scores, share):
    return (torch.as_tensor(scores) + torch.as_tensor(share).log()).softmax(1)


def as_the_package(true, found, n):
    return float((match(table(true, found, n))[found] == true).mean())


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.told_apart, [False, True, True, False], "right: "),
        (check.told_apart, [True, True, True, False], "one effect are one"),
        (check.told_apart, [False, False, True, False], "one state in which they differ"),
        (check.told_apart, [False, True, False, False], "not to the same ones"),
        (check.told_apart, [False, True, True, True], "always done together"),
        (check.told_apart, [0, 1, 1, 0], "expected booleans"),
        (check.responsibilities, shared, "right: "),
        (check.responsibilities, in_torch, "right: "),
        (check.responsibilities, lambda s, p: torch.softmax(torch.tensor(s), 1), "is its prior"),
        (check.responsibilities, lambda s, p: shared(s, 1 / p), "divides by the use"),
        (check.responsibilities, lambda s, p: shared(s, p**2), "likelihood times use, over"),
        (check.responsibilities, by_columns, "every row adds up to 1"),
        (check.responsibilities, lambda s, p: s + np.log(p), "every row adds up to 1"),
        (check.responsibilities, lambda s, p: s[0], "shape (6, 3)"),
        (check.responsibilities, lambda s, p: None, "not attempted"),
        (check.one_to_one, hungarian, "right: "),
        (check.one_to_one, as_the_package, "right: "),
        (check.one_to_one, largest_first, "may spoil the rest"),
        (check.one_to_one, lambda t, f, n: (t == f).mean(), "try every way"),
        (check.one_to_one, lambda t, f, n: table(t, f, n).max(0).sum() / len(t), "in pieces"),
        (check.one_to_one, lambda t, f, n: len(t) * hungarian(t, f, n), "divide by the number"),
        (check.one_to_one, lambda t, f, n: 1 - hungarian(t, f, n), "the largest share of"),
        (check.one_to_one, lambda t, f, n: "x", "expected a number"),
    ],
)  # fmt: skip
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)


def test_a_row_that_underflows_has_a_hint_of_its_own():
    with np.errstate(all="ignore"):  # 0 / 0 where every weight is 0
        told = check.responsibilities.reply(without_care)
    assert "take the largest of each row away" in told


def test_many_to_one_and_one_to_one_differ_on_the_trials():
    from cvq_tutorial.lessons.check import lesson_12 as lesson

    fair = [lesson._fair(*trial) for trial in lesson._TRIALS]
    many = [lesson._many(*trial) for trial in lesson._TRIALS]
    assert fair == [as_the_package(*trial) for trial in lesson._TRIALS]
    assert many[1] > fair[1] and fair[2] == fair[3] == 1
