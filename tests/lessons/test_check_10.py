"""The self-checks of lesson 10: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.lessons import check


def differ(values, pairs):
    return (values[pairs[:, 0]] != values[pairs[:, 1]]).sum(axis=1)


def whole(identity, share):
    people = np.random.default_rng(0).permutation(np.unique(identity))
    return np.isin(identity, people[: round(share * len(people))])


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.others_that_differ, 9, "right: "),
        (check.others_that_differ, 12, "other 30 only"),
        (check.others_that_differ, 21, "how many agree"),
        (check.others_that_differ, 10, "not one of the others"),
        (check.others_that_differ, 0.3, "share of one attribute"),
        (check.others_that_differ, 5, "as many as were not chosen"),
        (check.others_that_differ, "nine", "expected a number"),
        (check.others_that_differ, None, "not attempted"),
        (check.share_of_atomic_pairs, lambda v, p: (differ(v, p) == 1).mean(), "right: "),
        (check.share_of_atomic_pairs, lambda v, p: (differ(v, p) <= 1).mean(), "no edit either"),
        (check.share_of_atomic_pairs, lambda v, p: (differ(v, p) >= 1).mean(), "too weak"),
        (check.share_of_atomic_pairs, lambda v, p: differ(v, p).mean(), "mean number"),
        (check.share_of_atomic_pairs, lambda v, p: (differ(v, p) == 1).sum(), "counts pairs"),
        (check.share_of_atomic_pairs, lambda v, p: None, "not attempted"),
        (check.share_of_atomic_pairs, 0.5, "expected a function"),
        (check.whole_identities, whole, "right: "),
        (
            check.whole_identities,
            lambda identity, share: np.random.default_rng(0).random(len(identity)) < share,
            "draw identities, not pictures",
        ),
        (check.whole_identities, lambda i, share: ~whole(i, share), "exchanged"),
        (check.whole_identities, lambda i, share: np.zeros(len(i), dtype=bool), "empty"),
        (check.whole_identities, lambda i, share: whole(i, 0.5), "far from the share"),
        (check.whole_identities, lambda i, share: i % 4 == 0, "use `share`"),
        (check.whole_identities, lambda i, share: whole(i, share)[:7], "shape (300)"),
        (check.whole_identities, lambda i, share: whole(i, share).astype(int), "boolean"),
        (check.whole_identities, lambda i, share: None, "not attempted"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)
