"""The world of twins: two actions that no picture tells apart, and all others that any does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cvq_tutorial.data.transitions import sample_transitions, split_of
from cvq_tutorial.worlds.light_tunnel import FIRST, SECOND, LightTunnel
from cvq_tutorial.worlds.make import make_world

WORLD = make_world("light_tunnel")
SPACE = WORLD.factors
EVERY = SPACE.values(np.arange(SPACE.size))
PICTURES = WORLD.render(EVERY)
LOOKS = np.unique(PICTURES.reshape(len(EVERY), -1), axis=0, return_inverse=True)[1].ravel()


def every_transition() -> np.ndarray:
    """(M, 3): picture before, action, picture after, of every possible transition."""
    rows, actions = np.nonzero(SPACE.possible(EVERY))
    after = SPACE.index(SPACE.apply(EVERY[rows], actions))
    return np.stack([LOOKS[rows], actions, LOOKS[after]], axis=1)


SEEN = every_transition()


def tabular_posterior(before: int, after: int) -> np.ndarray:
    """p(action | picture x, picture y) of who has seen every transition, all equally often."""
    rows = (SEEN[:, 0] == before) & (SEEN[:, 2] == after)
    counts = np.bincount(SEEN[rows, 1], minlength=SPACE.n_actions)
    return counts / counts.sum()


def test_twins_lead_to_the_same_picture_from_every_picture():
    assert WORLD.twins == LightTunnel().twins and len(WORLD.twins) == 2
    for pair in WORLD.twins:
        one, other = (SPACE.action_names.index(name) for name in pair)
        both = SPACE.possible(EVERY)[:, [one, other]].all(1)
        ends = [
            WORLD.render(SPACE.apply(EVERY[both], np.full(both.sum(), a))) for a in (one, other)
        ]
        assert both.sum() == 500 and (ends[0] == ends[1]).all()


def test_only_the_twins_of_the_truth_are_twins():
    told = set(map(frozenset, WORLD.twins))
    names, possible = SPACE.action_names, SPACE.possible(EVERY)
    ends = np.full(possible.shape, -1)
    rows, actions = np.nonzero(possible)
    ends[rows, actions] = LOOKS[SPACE.index(SPACE.apply(EVERY[rows], actions))]
    for one, other in itertools.combinations(range(SPACE.n_actions), 2):
        both = possible[:, [one, other]].all(1)
        same = bool(both.any()) and bool((ends[both, one] == ends[both, other]).all())
        assert same == ({names[one], names[other]} in told)


def test_who_has_seen_everything_says_one_half_of_twins_and_is_sure_of_all_others():
    found = sample_transitions(SPACE, 60, "test", 0)
    twin = {name: mate for pair in WORLD.twins for name, mate in (pair, pair[::-1])}
    names = SPACE.action_names
    for x, action, y in zip(found.x, found.actions, found.y, strict=True):
        posterior = tabular_posterior(*LOOKS[SPACE.index(np.stack([x, y]))])
        if names[action] in twin:
            mate = names.index(twin[names[action]])
            assert posterior[action] + posterior[mate] == 1
        else:
            assert posterior[action] == 1
    # of a middle picture both are as frequent: by symmetry, not by chance
    x, y = np.array([[0, 0, 0, 1, 1]]), np.array([[0, 0, 0, 2, 1]])
    posterior = tabular_posterior(*LOOKS[SPACE.index(np.concatenate([x, y]))])
    assert sorted(posterior)[-2:] == [0.5, 0.5]


def test_only_the_difference_is_seen_and_alike_pictures_share_a_split():
    first = SPACE.first_alike(EVERY)
    assert (WORLD.render(first) == PICTURES).all()
    assert len(np.unique(LOOKS)) == 5**3 * 5  # differences of 0, 22.5, 45, 67.5, 90 degrees
    assert len(np.unique(SPACE.index(first))) == 5**3 * 5  # and no two of them look alike
    assert (split_of(SPACE, EVERY) == split_of(SPACE, first)).all()


def test_the_beams_follow_the_law_of_malus():
    for i, j in itertools.product(range(3), range(3)):
        picture = WORLD.render(np.array([[4, 2, 0, i, j]]))[0]
        lit = 0.3 + 0.7 * np.cos(np.deg2rad(FIRST[i] - SECOND[j])) ** 2
        beams = 255 * (0.08 + 0.92 * lit * np.diag([1.0, 0.7, 0.4]))  # red, green, blue in a row
        assert np.abs(picture[12, [3, 11, 19]] - beams).max() <= 0.5
        assert (picture[:, [0, 7, 8, 23]] == 20).all()  # the tunnel around them is dark


def test_every_action_can_be_seen():
    for action in range(SPACE.n_actions):
        can = SPACE.possible(EVERY)[:, action]
        after = WORLD.render(SPACE.apply(EVERY[can], np.full(can.sum(), action)))
        moved = np.abs(after.astype(int) - PICTURES[can]).max((1, 2, 3))
        assert moved.min() >= 8  # of 255


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: WORLD.render(np.zeros((1, 4), int)), ValueError, r"\(B, 5\)"),
        (lambda: WORLD.render(np.full((1, 5), 5)), ValueError, "5"),
        (lambda: make_world("light_tunnel", size=3), ValueError, "unknown option"),
    ],
)
def test_bad_input_is_one_line(call, error, message):
    with pytest.raises(error, match=message) as told:
        call()
    assert "\n" not in str(told.value)
