"""The self-checks of lesson 05: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest
import torch

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


def mixture(m, copy, mechanism):
    return ((1 - m) * copy + m * mechanism).log()


def of_y(p, m, y):
    return p.expand(*m.shape, -1).gather(-1, y.expand(m.shape)[..., None])[..., 0]


def by(mixed, over=torch.sum):
    """An answer that adds up something of m and the probabilities of y by copy and mechanism."""
    return lambda m, copy, mechanism, y: over(
        mixed(m, of_y(copy, m, y), of_y(mechanism, m, y)), (1, 2)
    ).softmax(0)


def products(m, copy, mechanism, y):
    likely = mixture(m, of_y(copy, m, y), of_y(mechanism, m, y)).exp().flatten(1).prod(1)
    return likely / likely.sum()


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.scores_of_one_action, [1 / 12, 1 / 6], "right: "),
        (check.scores_of_one_action, (0.083, 0.167), "right: "),
        (check.scores_of_one_action, [0, 1], "scores of a copy"),
        (check.scores_of_one_action, [1 / 6, 1 / 12], "turned round"),
        (check.scores_of_one_action, [1 / 6, 1 / 6], "moves the floor up"),
        (check.scores_of_one_action, [1 / 12, 1 / 12], "nothing but the floor"),
        (check.scores_of_one_action, [1 / 12, 1], "one of the others"),
        (check.scores_of_one_action, [1 / 12, 0], "two shares of the twelve"),
        (check.scores_of_one_action, 0.5, "shape (2)"),
        (check.posterior_of_a_pair, by(mixture), "right: "),
        (check.posterior_of_a_pair, products, "for many the product is 0"),
        (check.posterior_of_a_pair, by(mixture, torch.mean), "it is the sum"),
        (check.posterior_of_a_pair, by(lambda m, c, k: (m * c + (1 - m) * k).log()), "exchanged"),
        (
            check.posterior_of_a_pair,
            by(lambda m, c, k: (1 - m) * c.log() + m * k.log()),
            "mean of logarithms",
        ),
        (check.posterior_of_a_pair, by(lambda m, c, k: k.log() + 0 * m), "the mechanism alone"),
        (check.posterior_of_a_pair, lambda *pair: by(mixture)(*pair).log(), "the logarithm of"),
        (check.posterior_of_a_pair, lambda *pair: 2 * by(mixture)(*pair), "add up to one"),
        (check.posterior_of_a_pair, by(lambda *three: mixture(*three).exp()), "not added"),
        (check.posterior_of_a_pair, by(lambda *three: 2 * mixture(*three)), "a sum over all codes"),
        (check.posterior_of_a_pair, lambda m, c, k, y: m, "found (5, 3, 2)"),
        (check.posterior_of_a_pair, lambda m, c, k, y: 1, "found int"),
        (check.posterior_of_a_pair, lambda *pair: None, "not attempted"),
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
