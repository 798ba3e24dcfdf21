from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.data.transitions import (
    SPLITS,
    Transitions,
    changed_pixels,
    invisible_share,
    sample_transitions,
    sample_values,
    split_of,
    visible_only,
)
from cvq_tutorial.worlds.factors import Factor, FactorSpace

SPACE = FactorSpace(
    (
        Factor("hue", 10, kind="cyclic"),
        Factor("kind", 4, kind="categorical"),
        Factor("scale", 8),
        Factor("turn", 15),
    )
)


class Painted:
    """A world that paints hue and scale, and kind only where scale is above 3."""

    factors = SPACE

    def render(self, values):
        images = np.zeros((len(values), 2, 3, 3), dtype=np.uint8)
        images[:, 0, 0, 0] = values[:, 0]
        images[:, 0, 1, 1] = images[:, 1, 1, 2] = values[:, 2] + 1
        images[:, 0, 2, 2] = np.where(values[:, 2] > 3, values[:, 1], 0)
        return images


def test_split_shares_and_stability():
    every = SPACE.values(np.arange(SPACE.size))
    splits = split_of(SPACE, every)
    shares = np.bincount(splits) / len(splits)
    assert np.abs(shares - [0.70, 0.15, 0.15]).max() < 0.02
    order = np.random.default_rng(0).permutation(len(every))
    assert np.array_equal(split_of(SPACE, every[order]), splits[order])
    # A change of the hash would silently mix old training images into new test sets.
    assert "".join(str(s) for s in splits[:24]) == "200000100000010000010012"


@pytest.mark.parametrize("split", SPLITS)
def test_values_lie_in_their_split_and_are_uniform_in_it(split):
    values = sample_values(SPACE, 20_000, split, seed=3)
    assert values.shape == (20_000, 4)
    assert values.dtype == np.int64
    assert set(split_of(SPACE, values)) == {SPLITS.index(split)}
    every = SPACE.values(np.arange(SPACE.size))
    inside = every[split_of(SPACE, every) == SPLITS.index(split)]
    assert len(np.unique(SPACE.index(values))) > 0.99 * len(inside)  # nothing is left out
    for f, size in enumerate(SPACE.sizes):
        drawn = np.bincount(values[:, f], minlength=size) / len(values)
        expected = np.bincount(inside[:, f], minlength=size) / len(inside)
        assert np.abs(drawn - expected).max() < 0.02


@pytest.mark.parametrize("split", SPLITS)
def test_transitions_are_single_steps_with_both_ends_in_the_split(split):
    t = sample_transitions(SPACE, 1000, split, seed=1)
    assert len(t) == 1000
    assert np.array_equal(SPACE.apply(t.x, t.actions), t.y)
    assert ((t.x != t.y).sum(axis=1) == 1).all()
    for end in (t.x, t.y):
        assert set(split_of(SPACE, end)) == {SPLITS.index(split)}


def test_what_is_left_over_goes_to_factors_drawn_at_random():
    """Always to the first ones, a small sample would hold more of them than of the others."""
    extra = np.zeros(4, dtype=np.int64)
    for seed in range(80):
        counts = np.bincount(sample_transitions(SPACE, 6, "train", seed).actions % 4, minlength=4)
        assert sorted(counts) == [1, 1, 2, 2]
        extra += counts - 1
    assert extra.sum() == 160 and extra.min() > 20


def test_no_image_is_in_two_splits():
    seen = [
        set(SPACE.index(np.concatenate([t.x, t.y])))
        for t in (sample_transitions(SPACE, 4000, split) for split in SPLITS)
    ]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]


def test_factors_are_exactly_balanced_and_shuffled():
    t = sample_transitions(SPACE, 4002, "train", seed=5)
    factor = t.actions % SPACE.n_factors
    counts = np.bincount(factor)
    assert counts.sum() == 4002
    assert sorted(counts) == [1000, 1000, 1001, 1001]
    half = np.bincount(factor[:2001]) / 2001
    assert np.abs(half - 0.25).max() < 0.05


def test_direction_and_position_are_uniform():
    t = sample_transitions(SPACE, 40_000, "train", seed=2)
    up = t.actions < SPACE.n_factors
    assert abs(up.mean() - 0.5) < 0.02
    turn = t.actions % SPACE.n_factors == 3
    low = np.minimum(t.x, t.y)[turn, 3]
    assert np.bincount(low, minlength=14) / len(low) == pytest.approx(1 / 14, abs=0.02)
    assert np.bincount(t.x[~turn, 3], minlength=15) / (~turn).sum() == pytest.approx(
        1 / 15, abs=0.02
    )


def test_a_seed_gives_the_same_and_another_seed_another():
    first, again = sample_transitions(SPACE, 50, seed=7), sample_transitions(SPACE, 50, seed=7)
    assert np.array_equal(first.x, again.x) and np.array_equal(first.actions, again.actions)
    assert not np.array_equal(first.x, sample_transitions(SPACE, 50, seed=8).x)
    assert np.array_equal(sample_values(SPACE, 9, seed=7), sample_values(SPACE, 9, seed=7))
    rng = np.random.default_rng(0)
    assert not np.array_equal(sample_values(SPACE, 9, seed=rng), sample_values(SPACE, 9, seed=rng))


def test_none_at_all_is_fine():
    assert len(sample_transitions(SPACE, 0)) == 0
    assert sample_values(SPACE, 0).shape == (0, 4)
    assert len(visible_only(Painted(), sample_transitions(SPACE, 0))) == 0


def test_reversed_goes_back():
    t = sample_transitions(SPACE, 200, seed=0)
    back = t.reversed(SPACE)
    assert np.array_equal(SPACE.apply(back.x, back.actions), t.x)
    twice = back.reversed(SPACE)
    assert np.array_equal(twice.actions, t.actions) and np.array_equal(twice.x, t.x)
    none = Transitions(t.x, t.x, np.full(200, -1))
    assert (none.reversed(SPACE).actions == -1).all()


def test_changed_pixels_counts_pixels_not_channels_and_any_batch_size_agrees():
    x = np.array([[0, 0, 2, 0], [0, 0, 3, 0], [0, 1, 3, 0], [0, 1, 5, 0], [1, 0, 0, 3]])
    actions = np.array([2, 2, 1, 1, 3])
    t = Transitions(x, SPACE.apply(x, actions), actions)
    assert changed_pixels(Painted(), t).tolist() == [2, 2, 0, 1, 0]
    assert changed_pixels(Painted(), t, batch_size=2).tolist() == [2, 2, 0, 1, 0]
    assert visible_only(Painted(), t).actions.tolist() == [2, 2, 1]


def test_invisible_share_per_factor():
    share = invisible_share(Painted(), n=8000, seed=1)
    assert list(share) == ["hue", "kind", "scale", "turn"]
    assert (share["hue"], share["scale"], share["turn"]) == (0.0, 0.0, 1.0)
    assert share["kind"] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: sample_values(SPACE, 3, "tst"),
            ValueError,
            "unknown split 'tst'; did you mean 'test'",
        ),
        (lambda: sample_transitions(SPACE, -1), ValueError, "expected 0 or more, found -1"),
        (
            lambda: sample_values(SPACE, 3, sampling="zipf:1"),
            TypeError,
            r"a Sampling .*zipf",
        ),
        (lambda: sample_transitions(SPACE, 3, sampling={}), TypeError, r"a Sampling .*found {}"),
        (lambda: sample_transitions(SPACE, 2.5), TypeError, "expected an integer, found 2.5"),
        (
            lambda: invisible_share(Painted(), n=3),
            ValueError,
            "at least 4, one per factor, found 3",
        ),
        (
            lambda: Transitions(np.zeros((2, 4)), np.zeros((3, 4)), np.zeros(2)),
            ValueError,
            r"found \(2, 4\), \(3, 4\) and \(2,\)",
        ),
        (
            lambda: sample_transitions(FactorSpace((Factor("a", 2),)), 1, "test"),
            ValueError,
            "split 'test' holds no transition of factor 'a'",
        ),
        (
            lambda: sample_values(FactorSpace((Factor("a", 2),)), 1, "valid"),
            ValueError,
            "split 'valid' holds no image",
        ),
    ],
)
def test_bad_input_is_one_line_that_names_expected_and_found(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
