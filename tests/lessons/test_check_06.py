"""The self-checks of lesson 06: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest
import torch

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


def over_named_too(true, named):
    """Also over actions that were named and never done: a mean over nothing, NaN."""
    with np.errstate(invalid="ignore"):
        each = [
            (named[true == a] == a).sum() / (true == a).sum() for a in np.unique(np.r_[true, named])
        ]
    return np.mean(each)


def guarded_over_named_too(true, named):
    each = [
        (named[true == a] == a).sum() / max(1, (true == a).sum())
        for a in np.unique(np.r_[true, named])
    ]
    return np.mean(each)


def posterior(per_code, prior):
    return (per_code.sum(1) + prior.log()).softmax(0)


def products(per_code, prior):
    likely = per_code.exp().prod(1) * prior
    return likely / likely.sum()


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.chance_of_the_factor, 1 / 9, "right: "),
        (check.chance_of_the_factor, 0.111, "right: "),
        (check.chance_of_the_factor, 1 / 18, "chance of the action"),
        (check.chance_of_the_factor, 1 / 6, "six factors"),
        (check.chance_of_the_factor, 0.5, "the direction"),
        (check.chance_of_the_factor, 17, "in [0, 1]"),
        (check.posterior_of_actions, posterior, "right: "),
        (check.posterior_of_actions, lambda p, q: p.sum(1).softmax(0), "prior is not used"),
        (
            check.posterior_of_actions,
            lambda p, q: posterior(p + q.log()[:, None], torch.ones(3)),
            "once for each code",
        ),
        (check.posterior_of_actions, lambda p, q: (p.sum(1) + q).softmax(0), "not to the prior"),
        (check.posterior_of_actions, lambda p, q: posterior(p / 3, q), "the mean"),
        (check.posterior_of_actions, products, "softmax"),
        (check.posterior_of_actions, lambda p, q: (p.prod(1) + q.log()).softmax(0), "added"),
        (check.posterior_of_actions, lambda p, q: p.softmax(0), "shape (A,)"),
        (check.posterior_of_actions, lambda p, q: p.sum(1).softmax(0) * q, "add up to one"),
        (check.posterior_of_actions, lambda p, q: posterior(2 * p, q), "the log of the prior"),
        (check.posterior_of_actions, lambda p, q: None, "not attempted"),
        (check.macro_over_actions, macro, "right: "),
        (check.macro_over_actions, lambda t, n: (t == n).mean(), "plain accuracy"),
        (check.macro_over_actions, by_named, "by true action"),
        (check.macro_over_actions, without_zeros, "counts as 0"),
        (check.macro_over_actions, over_all, "do not occur"),
        (check.macro_over_actions, over_named_too, "do not occur"),
        (check.macro_over_actions, guarded_over_named_too, "do not occur"),
        (check.macro_over_actions, 1, "expected a function"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)
