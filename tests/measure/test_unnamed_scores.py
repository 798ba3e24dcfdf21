"""Scores of unnamed actions on answers that are known."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_models import K, codes, made

from cvq_tutorial.measure import unnamed
from cvq_tutorial.worlds.make import make_world

RNG = np.random.default_rng(0)


def test_the_match_is_the_best_of_all():
    table = RNG.integers(0, 50, (4, 6))
    best = max(
        sum(table[a, c] for a, c in enumerate(chosen))
        for chosen in itertools.permutations(range(6), 4)
    )
    actions = unnamed.match(table)
    assert sorted(actions[actions >= 0]) == [0, 1, 2, 3] and (actions == -1).sum() == 2
    assert sum(table[a, c] for c, a in enumerate(actions) if a >= 0) == best
    chosen = unnamed.codes_of(table)
    assert [actions[c] for c in chosen] == [0, 1, 2, 3]


def test_fewer_codes_than_actions_share():
    table = np.array([[9, 0], [0, 5], [0, 4]])
    assert unnamed.match(table).tolist() == [0, 1]
    assert unnamed.codes_of(table).tolist() == [0, 1, 1]


def test_renumbered_actions_are_right_and_pieces_only_many_to_one():
    true = RNG.integers(0, 4, 800)
    renumbered = np.array([2, 0, 3, 1])[true]
    told = unnamed.scores((true, renumbered), (true, renumbered), 4, 4)
    assert told["one_to_one"] == told["many_to_one"] == 1 == pytest.approx(told["nmi"])
    assert 0.2 < told["chance"] < 0.4
    pieces = renumbered + 4 * RNG.integers(0, 2, 800)
    told = unnamed.scores((true, pieces), (true, pieces), 4, 8)
    assert told["many_to_one"] == 1 and told["one_to_one"] < 0.6 and told["nmi"] < 0.9
    factor_of = np.array([0, 1, 0, 1])
    mixed = np.where(true % 2 == 0, 0, true)  # both actions of factor 0 have one code
    told = unnamed.scores((true, mixed), (true, mixed), 4, 4, factor_of, ("hue", "size"))
    assert told["factor"] == 1 and told["per_factor"]["size"] == 1
    assert 0.4 < told["per_factor"]["hue"] < 0.6


def test_the_match_is_not_made_on_what_is_scored():
    true = np.arange(4).repeat(50)
    told = unnamed.scores((true, true), (true, (true + 1) % 4), 4, 4)
    assert told["one_to_one"] == 0 and told["nmi"] == 1


def test_k_means_finds_what_lies_apart():
    true = RNG.integers(0, 3, 300)
    found = unnamed.k_means(np.eye(3)[true] + 0.01 * RNG.normal(size=(300, 3)), 3)
    assert unnamed.scores((true, found), (true, found), 3, 3)["one_to_one"] == 1


def test_one_label_per_action_names_the_codes():
    x, actions = codes(400, 1), np.arange(400) % 4
    y = x.clone()
    y[:, 0, 0] = (x[:, 0, 0] + torch.tensor(actions) + 1) % K  # how far the first code moved
    true = np.array([3, 1, 0, 2])[actions]
    features = unnamed.code_changes(x, y, K)
    assert features.shape == (400, x[0].numel() * (K + 1))
    told = unnamed.few_names(np.eye(4)[actions], features, true, np.arange(4), 4)
    assert told["labels"] == 4 and told["learnt_codes"] == 1
    assert told["classifier"] < 0.7  # that many codes are not seen in four pairs
    with pytest.raises(
        ValueError, match=r"a named pair of each of 4 actions, found \[1, 1, 0, 1\]"
    ):
        unnamed.few_names(np.eye(4)[actions], features, true, np.arange(3), 4)


def test_steps_commute_and_overwriting_does_not():
    """Actions 0 and 1 step code 0 up and down, 2 and 3 set code 1 to 0 and to 1."""

    def after(x: torch.Tensor, action: int) -> torch.Tensor:
        y = x.clone()
        if action < 2:
            y[:, 0] = (x[:, 0] + (1, -1)[action]) % 8
        else:
            y[:, 1] = action - 2
        return y

    x = torch.randint(8, (50, 3, 1), generator=torch.Generator().manual_seed(0))
    told = unnamed.commute(after, x, 4)
    assert told[2, 3] < 0.5  # only code 1 was touched, and ends as the later one says
    assert told[0].tolist() == told[1].tolist() == [1, 1, 1, 1]


def test_the_way_back_is_read_where_it_is_likely():
    class Steps:
        """Reads how far the first code moved: by 1 or -1 for sure, by others hardly."""

        n_actions = 3

        def retrieve(self, x: torch.Tensor, y: torch.Tensor) -> SimpleNamespace:
            moved = (y - x)[:, 0, 0]
            actions = torch.where(moved > 1, 2, torch.where(moved > 0, 0, 1))
            likely = torch.where(moved < -1, -9.0, -0.1)
            return SimpleNamespace(actions=actions, per_code=likely)

    x = torch.zeros(90, 1, 1, dtype=torch.int64)
    y = x + torch.tensor([1, -1, 4]).repeat(30)[:, None, None]  # nothing leads back from 4
    told = unnamed.ways_back(Steps(), x, y)
    assert told.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert unnamed.inverses(told) == [(0, 1)]


def test_what_a_model_does_is_its_intervention():
    model, x = made(layout="codebook_places"), codes(3)
    torch.testing.assert_close(unnamed.after_of(model)(x, 1), model.intervene(x, 1).codes)


def test_bad_input_is_one_line():
    with pytest.raises(ValueError, match="expected pairs to match and to score, found 0 and 2"):
        unnamed.scores(([], []), ([0, 1], [0, 1]), 2, 2)
    with pytest.raises(ValueError, match="action codes must be at least 1, found 0"):
        unnamed.scores(([0], [0]), ([0], [0]), 1, 0)


def test_a_world_of_codes_is_matched_on_validation_pairs():
    place = make_world("codes", n_variables=6, n_codes=8, n_actions=4, n_targets=2)
    model = made(images=False)
    with pytest.raises(ValueError, match="codes"):
        unnamed.with_names(model, place, 20)
