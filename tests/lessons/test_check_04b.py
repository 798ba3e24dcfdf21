"""The self-checks of lesson 04b: each likely mistake gets its own hint."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch

from cvq_tutorial.lessons import check

SAVED = log(4) - 0.75 * log(3)


def at(log_probs, y):
    return log_probs.gather(-1, y[..., None]).squeeze(-1)


def stable(logit, copy, mechanism, y):
    logsigmoid = torch.nn.functional.logsigmoid
    return torch.logaddexp(logsigmoid(-logit) + at(copy, y), logsigmoid(logit) + at(mechanism, y))


def mixing(formula):
    """An answer that makes something of m and the probabilities of y by copy and mechanism."""
    return lambda logit, copy, mechanism, y: formula(
        torch.sigmoid(logit), at(copy, y).exp(), at(mechanism, y).exp()
    )


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.place_of_a_node, [4, 3], "right: "),
        (check.place_of_a_node, np.array([3, 4]), "first the row"),
        (check.place_of_a_node, (5, 4), "counted from 0"),
        (check.place_of_a_node, [3, 5], "8 times the row"),
        (check.place_of_a_node, [3, 11], "one of 0 to 7"),
        (check.place_of_a_node, 35, "shape (2)"),
        (check.marginal_likelihood, stable, "right: "),
        (
            check.marginal_likelihood,
            mixing(lambda m, c, k: ((1 - m) * c + m * k).log()),
            "add in logs",
        ),
        (
            check.marginal_likelihood,
            mixing(lambda m, c, k: (m * c + (1 - m) * k).log()),
            "exchanged",
        ),
        (
            check.marginal_likelihood,
            mixing(lambda m, c, k: (1 - m) * c.log() + m * k.log()),
            "mean of logarithms",
        ),
        (check.marginal_likelihood, mixing(lambda m, c, k: (1 - m) * c + m * k), "its logarithm"),
        (check.marginal_likelihood, lambda *given: -stable(*given), "the sign"),
        (
            check.marginal_likelihood,
            mixing(lambda m, c, k: torch.where(m > 0.5, k, c).log()),
            "by a threshold",
        ),
        (check.marginal_likelihood, mixing(lambda m, c, k: k.log()), "where is the copy"),
        (check.marginal_likelihood, mixing(lambda m, c, k: c.log()), "where is the mechanism"),
        (
            check.marginal_likelihood,
            lambda logit, c, k, y: ((1 - logit) * at(c, y).exp() + logit * at(k, y).exp()).log(),
            "sigmoid of `mask_logit`",
        ),
        (
            check.marginal_likelihood,
            lambda logit, c, k, y: torch.logaddexp(c, k),
            "take the one of y",
        ),
        (check.marginal_likelihood, lambda *given: stable(*given).sum(2), "one number per code"),
        (
            check.marginal_likelihood,
            lambda *given: 0.5 * stable(*given),
            "each taken at the code y",
        ),
        (check.marginal_likelihood, lambda *given: 1.0, "expected a tensor"),
        (check.marginal_likelihood, lambda *given: None, "not attempted"),
        (check.prices_that_pay, [log(4), 4 * SAVED], "right: "),
        (check.prices_that_pay, [1.39, 2.25], "right: "),
        (check.prices_that_pay, torch.tensor([1.3863, 2.2493]), "right: "),
        (check.prices_that_pay, [2.0, 3.25], "in bits"),
        (check.prices_that_pay, [4 * SAVED, log(4)], "turned round"),
        (check.prices_that_pay, [log(4), SAVED], "what silence saves"),
        (check.prices_that_pay, [log(4), 4 * log(4)], "does not tell everything"),
        (check.prices_that_pay, [log(4), log(4) / 0.75], "silent for one code only"),
        (check.prices_that_pay, [0.5, 4 * SAVED], "(i)"),
        (check.prices_that_pay, [log(4), 3.0], "how often the edge is on"),
        (check.prices_that_pay, 1.39, "shape (2)"),
        (check.prices_that_pay, [1, 2, 3], "shape (2)"),
        (check.prices_that_pay, ["a", "b"], "expected numbers"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)
    assert "\n" not in exercise.reply(answer)


def test_the_prices_agree_with_the_best_silent_edge():
    # The best silent edge: on for some codes, off for the rest, which are then told apart no more.
    pays = [(log(4) - (off / 4) * log(off)) / (1 - off / 4) for off in (1, 2, 3)]
    assert max(pays) == pytest.approx(4 * SAVED)
    assert check.prices_that_pay.reply([log(4), max(pays)]).startswith("right: ")
