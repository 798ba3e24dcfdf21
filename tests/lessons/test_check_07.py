"""The self-checks of lesson 07: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cvq_tutorial.lessons import check


def inverse(column, power):
    _, place, counts = np.unique(column, return_inverse=True, return_counts=True)
    return counts[place] ** -float(power)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (0.25, "right: "),
        (1 / 4, "right: "),
        (0.7, "plain accuracy"),
        (0, "never right about the three"),
        (1, "never right about the three"),
        (0.175, "counts each once"),
        (0.6, "not yet: "),
        (25, "expected a number"),
        ("all", "expected a number"),
        (None, "not attempted yet"),
    ],
)
def test_macro_of_the_majority(answer, told):
    assert told in check.macro_of_the_majority.reply(answer)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda c, s: inverse(c, s) / inverse(c, s).sum(), "right: "),
        (lambda c, s: inverse(c, s), "add up to one"),
        (lambda c, s: inverse(c, -s) / inverse(c, -s).sum(), "frequent values even more"),
        (lambda c, s: inverse(c, 1) / inverse(c, 1).sum(), "the strength is not used"),
        (lambda c, s: np.ones(2), "one number per row"),
        (lambda c, s: 0.5, "one number per row"),
        (lambda c, s: np.full(len(c), 0.1), "not yet: "),
        (lambda c: c, "your answer raised TypeError"),
        (lambda c, s: None, "not attempted yet"),
        (None, "not attempted yet"),
        (0.5, "expected a function"),
    ],
)
def test_chances_to_draw(answer, told):
    line = check.chances_to_draw.reply(answer)
    assert told in line and "\n" not in line


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda p: p.sum() ** 2 / (p**2).sum(), "right: "),
        (lambda p: 1 / (p**2).sum(), "right: "),
        (lambda p: 1 / (torch.from_numpy(p) ** 2).sum(), "right: "),
        (lambda p: (p > 0).sum(), "can be drawn at all"),
        (lambda p: (p**2).sum(), "its inverse"),
        (lambda p: 1 / p.max(), "the likeliest row only"),
        (lambda p: p, "one number for a sample"),
        (lambda p: 7.0, "not yet: "),
        (lambda p: None, "not attempted yet"),
        (None, "not attempted yet"),
    ],
)
def test_worth_of_a_sample(answer, told):
    assert told in check.worth_of_a_sample.reply(answer)
