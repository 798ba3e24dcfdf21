"""The self-checks of lesson 01: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial import check


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.transitions_of_the_first, 90, "right: "),
        (check.transitions_of_the_first, 45, "both directions"),
        (check.transitions_of_the_first, 120, "3 steps"),
        (check.transitions_of_the_first, 6, "any of its 15"),
        (check.transitions_of_the_first, "x", "expected an integer"),
        (check.opposite_action, lambda a, f: (a + f) % (2 * f), "right: "),
        (check.opposite_action, lambda a, f: a + f, "only for actions that raise"),
        (check.opposite_action, lambda a, f: -a, "the sign"),
        (check.opposite_action, lambda a, f: 2 * f - 1 - a, "from the end"),
        (check.opposite_action, lambda a, f: None, "not attempted"),
        (check.atomic_pairs, lambda x, y: np.abs(x - y).sum(1) == 1, "right: "),
        (check.atomic_pairs, lambda x, y: (x != y).sum(1) == 1, "a step of two"),
        (check.atomic_pairs, lambda x, y: np.abs((x - y).sum(1)) == 1, "cancel"),
        (check.atomic_pairs, lambda x, y: (y - x).sum(1) == 1, "a step down"),
        (check.atomic_pairs, lambda x, y: np.abs(x - y) == 1, "one answer per pair"),
        (check.atomic_pairs, 5, "expected a function"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)
