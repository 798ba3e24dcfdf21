"""The self-checks of lesson 09: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.lessons import check


def compare(low, high, tie=0.5):
    low, high = np.asarray(low)[None], np.asarray(high)[:, None]
    return ((high > low) + tie * (high == low)).mean()


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.what_shows_shuffled_actions, "Action accuracy", "right: "),
        (check.what_shows_shuffled_actions, "loss", "fell for both"),
        (check.what_shows_shuffled_actions, "reconstruction", "never sees an action"),
        (check.what_shows_shuffled_actions, "mask", "expected one of"),
        (check.limit_of_an_alarm, np.quantile, "right: "),
        (check.limit_of_an_alarm, lambda g, s: np.quantile(g, 1 - s), "other end"),
        (check.limit_of_an_alarm, lambda g, s: s * max(g), "share of the best"),
        (check.limit_of_an_alarm, lambda g, s: sorted(g)[int(s * len(g))], "right: "),
        (check.limit_of_an_alarm, lambda g, s: min(g) + s * (max(g) - min(g)), "worst to best"),
        (check.limit_of_an_alarm, np.percentile, "in percent"),
        (check.limit_of_an_alarm, lambda g, s: np.quantile(g, s / 2), "it is a quantile"),
        (check.limit_of_an_alarm, lambda g, s: g.mean() - g.std(), "for normal ones"),
        (check.limit_of_an_alarm, lambda g, s: g.mean() - 2 * g.std(), "for normal ones"),
        (check.limit_of_an_alarm, lambda g, s: None, "not attempted"),
        (check.auroc_with_ties, compare, "right: "),
        (check.auroc_with_ties, lambda a, b: compare(a, b, 0), "ties are lost"),
        (check.auroc_with_ties, lambda a, b: compare(a, b, 1), "ties count fully"),
        (check.auroc_with_ties, lambda a, b: compare(b, a), "turned round"),
        (check.auroc_with_ties, [1], "expected a function"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)
