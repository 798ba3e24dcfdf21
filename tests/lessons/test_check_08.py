"""The self-checks of lesson 08: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.lessons import check


def mig(information, entropy):
    ranked = np.sort(information, axis=0)
    return ((ranked[-1] - ranked[-2]) / entropy).mean()


def gap(information, axis):
    ranked = np.sort(information, axis=axis)
    return np.take(ranked, -1, axis) - np.take(ranked, -2, axis)


def in_place(factors, rng):
    rng.shuffle(factors)
    return factors


def to_a_smaller_one(information, entropy):
    best = information.max(0)
    second = np.where(information == best, 0, information).max(0)
    return ((best - second) / entropy).mean()


def without_rng(factors, rng):
    return factors[np.random.default_rng().permutation(len(factors))]


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.mig_with_copies, 0.9, "right: "),
        (check.mig_with_copies, 9 / 10, "right: "),
        (check.mig_with_copies, 1, "no gap"),
        (check.mig_with_copies, 0.95, "no gap"),
        (check.mig_with_copies, 0, "mean over all ten"),
        (check.mig_with_copies, 0.1, "what the copies cost"),
        (check.mig_with_copies, 9 / 12, "over the ten factors"),
        (check.mig_with_copies, 0.5, "the mean of ten gaps"),
        (check.mig_with_copies, "0.9", "expected a number"),
        (check.mig_by_hand, mig, "right: "),
        (check.mig_by_hand, lambda i, h: gap(i, 0).mean(), "entropy"),
        (check.mig_by_hand, lambda i, h: gap(i, 1).mean(), "other way"),
        (check.mig_by_hand, lambda i, h: (i.max(0) / h).mean(), "best latent alone"),
        (check.mig_by_hand, lambda i, h: ((i.max(0) - i.min(0)) / h).mean(), "best minus worst"),
        (check.mig_by_hand, to_a_smaller_one, "equally much"),
        (check.mig_by_hand, lambda i, h: None, "not attempted"),
        (check.permuted_rows, lambda f, rng: f[rng.permutation(len(f))], "right: "),
        (check.permuted_rows, lambda f, rng: f, "nothing moved"),
        (check.permuted_rows, lambda f, rng: rng.permuted(f, axis=0), "stay together"),
        (check.permuted_rows, lambda f, rng: f[rng.integers(0, len(f), len(f))], "replacement"),
        (check.permuted_rows, in_place, "was changed"),
        (check.permuted_rows, lambda f, rng: f[::-1], "let `rng` choose"),
        (check.permuted_rows, lambda f, rng: np.roll(f, 1, axis=0), "let `rng` choose"),
        (check.permuted_rows, without_rng, "only `rng` may choose"),
        (check.permuted_rows, 3, "expected a function"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)
