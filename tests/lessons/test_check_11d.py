"""The self-checks of lesson 11d: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cvq_tutorial.identify import discrepancy
from cvq_tutorial.lessons import check


def along(effect, later):
    return (effect @ later) / (later @ later) * later


def means(formula):
    return lambda *three: formula(*[one.mean(0) for one in three])


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.evidence_for_a_graph, [1, 0, 0, -1], "right: "),
        (check.evidence_for_a_graph, [1, 0, 0], "shape (4)"),
        (check.evidence_for_a_graph, [2, 0, 0, -1], "1, 0 or -1"),
        (check.evidence_for_a_graph, [0, 0, 0, -1], "(i) is the case that counts"),
        (check.evidence_for_a_graph, [1, 1, 0, -1], "so does the rival"),
        (check.evidence_for_a_graph, [1, -1, 0, -1], "takes nothing away"),
        (check.evidence_for_a_graph, [1, 0, 1, -1], "right and unused"),
        (check.evidence_for_a_graph, [1, 0, -1, -1], "right and unused"),
        (check.evidence_for_a_graph, [1, 0, 0, 0], "does harm"),
        (check.two_at_once, means(lambda a, b, c: b + c - a), "right: "),
        (check.two_at_once, means(lambda a, b, c: b + c), "counts twice"),
        (check.two_at_once, means(lambda a, b, c: b + c - 2 * a), "begin where nothing"),
        (check.two_at_once, means(lambda a, b, c: (b + c) / 2), "do not average"),
        (check.two_at_once, means(lambda a, b, c: b + c + a), "not a sum"),
        (check.two_at_once, means(lambda a, b, c: b - c - a), "add it"),
        (check.two_at_once, means(lambda a, b, c: b - c + a), "turned round"),
        (check.two_at_once, means(lambda a, b, c: c), "second alone"),
        (check.two_at_once, means(lambda a, b, c: b), "first alone"),
        (check.two_at_once, means(lambda a, b, c: 2 * b), "plus both effects"),
        (check.two_at_once, lambda a, b, c: b, "shape"),
        (check.two_at_once, lambda a, b, c: None, "not attempted"),
        (check.own_column, lambda e, f: e - along(e, f), "right: "),
        (check.own_column, along, "Asked is the rest"),
        (check.own_column, lambda e, f: e - f, "not all of it"),
        (check.own_column, lambda e, f: e - (e @ f) * f, "divide by `later @ later`"),
        (check.own_column, lambda e, f: e - (e @ f) / (f @ f) ** 0.5 * f, "squared length"),
        (check.own_column, lambda e, f: f - along(f, e), "the other way round"),
        (check.own_column, lambda e, f: e - (e @ f) / (e @ e) * f, "not by that of `effect`"),
        (check.own_column, lambda e, f: e + along(e, f), "do not add"),
        (check.own_column, lambda e, f: e, "nothing to do"),
        (check.own_column, lambda e, f: 3 * e, "perpendicular"),
        (check.own_column, lambda e, f: None, "not attempted"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)


def test_the_column_that_is_left_is_that_of_the_start():
    effects = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 6)))
    own = discrepancy.own_parts(effects, [0, 1]).numpy()
    first, later = effects.numpy()
    assert np.allclose(own, [first - along(first, later), later])
