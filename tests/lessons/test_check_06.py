"""The self-checks of lesson 06: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.lessons import check


def macro(true, named):
    return np.mean([(named[true == a] == a).mean() for a in np.unique(true)])


def by_named(true, named):
    return np.mean([(true[named == a] == a).mean() for a in np.unique(named)])


def without_zeros(true, named):
    shares = [(named[true == a] == a).mean() for a in np.unique(true)]
    return np.mean([share for share in shares if share])


def over_all(true, named):
    return sum((named[true == a] == a).mean() for a in np.unique(true)) / 6


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.chance_of_the_factor, 1 / 9, "right: "),
        (check.chance_of_the_factor, 0.111, "right: "),
        (check.chance_of_the_factor, 1 / 18, "chance of the action"),
        (check.chance_of_the_factor, 1 / 6, "six factors"),
        (check.chance_of_the_factor, 0.5, "the direction"),
        (check.chance_of_the_factor, 17, "in [0, 1]"),
        (check.posterior_of_actions, lambda p: p.sum(1).softmax(0), "right: "),
        (check.posterior_of_actions, lambda p: p.mean(1).softmax(0), "the mean"),
        (check.posterior_of_actions, lambda p: p.sum(1).exp() / p.sum(1).exp().sum(), "softmax"),
        (check.posterior_of_actions, lambda p: p.prod(1).softmax(0), "added"),
        (check.posterior_of_actions, lambda p: p.softmax(0), "shape (A,)"),
        (check.posterior_of_actions, lambda p: p.sum(1), "add up to one"),
        (check.posterior_of_actions, lambda p: None, "not attempted"),
        (check.macro_over_actions, macro, "right: "),
        (check.macro_over_actions, lambda t, n: (t == n).mean(), "plain accuracy"),
        (check.macro_over_actions, by_named, "by true action"),
        (check.macro_over_actions, without_zeros, "counts as 0"),
        (check.macro_over_actions, over_all, "do not occur"),
        (check.macro_over_actions, 1, "expected a function"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)
