"""Transitions of actions that set a value, and the default of steps, which stays bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.data.sampling import Sampling
from cvq_tutorial.data.transitions import SPLITS, invisible_share, sample_transitions, split_of
from cvq_tutorial.worlds.factors import Factor, FactorSpace

KINDS = (
    Factor("hue", 10, "cyclic"),
    Factor("kind", 4, "categorical"),
    Factor("scale", 8),
    Factor("cloth", 5, "categorical"),
)
SPACE = FactorSpace(KINDS, actions="set")


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("sampling", [None, Sampling(factors={"scale": 0.5})])
def test_a_pair_starts_from_another_value_and_ends_at_the_one_that_is_set(split, sampling):
    t = sample_transitions(SPACE, 1200, split, 1, sampling=sampling)
    assert (SPACE.apply(t.x, t.actions) == t.y).all()  # raises where it was set already
    assert ((t.x != t.y).sum(1) == 1).all()
    for end in (t.x, t.y):
        assert set(split_of(SPACE, end)) == {SPLITS.index(split)}
    for action, name in enumerate(SPACE.action_names):
        if "=" in name:
            factor, value = name.split("=")
            column = SPACE.factor_id(factor)
            assert (t.y[t.actions == action, column] == int(value)).all()
            assert (t.x[t.actions == action, column] != int(value)).all()


@pytest.mark.parametrize("sampling", [None, Sampling()])
def test_factors_are_balanced_and_within_one_all_pairs_of_values(sampling):
    t = sample_transitions(SPACE, 40_000, "train", 0, sampling=sampling)
    factor = SPACE.factor_of(t.actions)
    assert np.bincount(factor).tolist() == [10_000] * 4
    for f, size in ((1, 4), (3, 5)):
        rows = factor == f
        pairs = np.bincount(t.x[rows, f] * size + t.y[rows, f], minlength=size**2) / rows.sum()
        wanted = (1 - np.eye(size)).ravel() / (size * (size - 1))
        assert np.abs(pairs - wanted).max() < 0.012
    steps = np.bincount(t.actions[np.isin(factor, (0, 2))], minlength=4)[:4]
    assert np.abs(steps / 5000 - 1).max() < 0.06


def test_reversed_sets_what_was_there():
    t = sample_transitions(SPACE, 600, seed=2)
    back = t.reversed(SPACE)
    assert (back.x == t.y).all() and (SPACE.apply(back.x, back.actions) == t.x).all()
    assert (back.reversed(SPACE).actions == t.actions).all()
    row = int(np.flatnonzero(SPACE.factor_of(t.actions) == 1)[0])
    assert SPACE.action_names[back.actions[row]] == f"kind={t.x[row, 1]}"


@pytest.mark.parametrize("space", [SPACE, FactorSpace(KINDS)])
def test_the_remainder_goes_to_factors_drawn_at_random(space):
    got = np.zeros(4)
    for seed in range(60):
        counts = np.bincount(space.factor_of(sample_transitions(space, 9, seed=seed).actions))
        assert sorted(counts) == [2, 2, 2, 3]
        got[counts.argmax()] += 1
    assert got.min() >= 6  # 15 each in the mean, and not the first factor always


def test_a_factor_is_named_by_the_space_where_shares_are_counted():
    class Painted:
        factors = SPACE

        def render(self, values):
            images = np.zeros((len(values), 2, 2, 3), dtype=np.uint8)
            images[:, 0, 0, 0], images[:, 0, 1, 0] = values[:, 1], values[:, 2]
            return images

    share = invisible_share(Painted(), n=400)
    assert share == {"hue": 1.0, "kind": 0.0, "scale": 0.0, "cloth": 1.0}
