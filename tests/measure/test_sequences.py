"""Plans and actions in a row, measured: the truth by slow searches, the measures by hand."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from known_transition import WORLD, after, knowing, true_distances

from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import SPLITS, split_of
from cvq_tutorial.measure import sequences
from cvq_tutorial.measure.judge import Judge
from cvq_tutorial.measure.metrics import psnr
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.worlds.make import make_world

SHAPES = make_world("shapes3d")


@pytest.fixture(scope="module")
def untrained() -> CausalVQ:
    """A small model of shapes3d with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return checkpoints.build(SHAPES, recipes.get("nano", "shapes3d")).eval()


# --- the truth ------------------------------------------------------------------------------------


def test_distances_between_factors_are_counted_in_steps():
    start = (0, 4, 9, 7, 1, 14)  # at some ends, where half of the actions do not exist
    layers = sequences.at_distance(SHAPES, start, 3)
    ranges = [range(max(0, v - 3), min(s, v + 4)) for v, s in zip(start, SHAPES.factors.sizes)]  # noqa: B905
    by_hand = [0, 0, 0, 0]
    for values in itertools.product(*ranges):
        steps = sum(abs(a - b) for a, b in zip(values, start, strict=True))
        if steps <= 3:
            by_hand[steps] += 1
    assert [len(layer) for layer in layers] == by_hand
    for distance, layer in enumerate(layers):
        assert (np.abs(layer - np.array(start)).sum(1) == distance).all()


def test_distances_between_codes_agree_with_a_slow_search():
    start = (0, 1, 2, 0)
    slow = true_distances(start)
    layers = sequences.at_distance(WORLD, start, max(slow.values()) + 1)
    fast = {tuple(row.tolist()): d for d, layer in enumerate(layers) for row in layer}
    assert fast == slow and len(layers[-1]) == 0


def test_an_action_that_does_not_exist_leads_nowhere():
    space = SHAPES.factors
    up, down = (space.action_id(name) for name in ("shape+", "shape-"))
    top = np.array([1, 1, 1, 1, 3, 1])
    after, exists = sequences.outcomes(SHAPES, np.stack([top, top - 1 * (np.arange(6) == 4)]))
    assert after.shape == (2, 12, 6) and exists.shape == (2, 12)
    assert not exists[0, up] and (after[0, up] == top).all()
    assert exists[1, up] and (after[1, up] == top).all() and exists[0, down]
    assert sequences.follow(SHAPES, top, [down, up]).tolist() == top.tolist()
    assert sequences.follow(SHAPES, top, [down, up, up]) is None
    assert sequences.follow(SHAPES, top, [up, down]) is None
    assert sequences.follow(SHAPES, top, []) is top


@pytest.mark.parametrize("distance", [0, 1, 3])
@pytest.mark.parametrize("split", SPLITS)
def test_pairs_have_the_distance_and_lie_in_the_split(distance, split):
    x, y = sequences.pairs_at(SHAPES, distance, 6, 1, split)
    assert x.shape == y.shape == (6, 6)
    assert (np.abs(x - y).sum(1) == distance).all()
    for values in (x, y):
        assert (split_of(SHAPES.factors, values) == SPLITS.index(split)).all()
    again = sequences.pairs_at(SHAPES, distance, 6, 1, split)
    assert (x == again[0]).all() and (y == again[1]).all()
    assert (x != sequences.pairs_at(SHAPES, distance, 6, 2, split)[0]).any()


def test_pairs_are_refused_where_there_are_none():
    with pytest.raises(
        ValueError, match="expected 3 pairs 30 actions apart in split 'test', found 0"
    ):
        sequences.pairs_at(WORLD, 30, 3)
    for arguments, message, error in (
        ((-1, 3), "distance must be at least 0, found -1", ValueError),
        ((1.0, 3), "distance must be an integer, found 1.0", TypeError),
        ((1, 0), "n must be at least 1, found 0", ValueError),
        ((1, 3, 0, "tests"), "unknown split 'tests'; did you mean 'test'", ValueError),
    ):
        with pytest.raises(error, match=message):
            sequences.pairs_at(SHAPES, *arguments)


# --- plans ----------------------------------------------------------------------------------------


def test_a_model_that_knows_its_world_finds_every_plan_and_chance_does_not():
    model = knowing()
    told = [sequences.plan_success(model, WORLD, d, n=12, seed=4, beam=40) for d in (1, 2, 3)]
    for distance, row in enumerate(told, 1):
        assert json.loads(json.dumps(row)) == row
        assert (row["distance"], row["n"], row["world"]) == (distance, 12, "codes")
        assert row["success"] == row["optimal"] == row["reached"] == row["trusted"] == 1
        assert row["interval"] == [1, 1]
    assert told[0]["random"]["success"] == 1 and told[0]["expanded"] == 2
    narrow = sequences.plan_success(model, WORLD, 3, n=12, seed=4, beam=1)
    assert narrow["random"]["success"] < 0.5 and narrow["expanded"] < told[2]["expanded"]
    again = sequences.plan_success(model, WORLD, 3, n=12, seed=4, beam=40)
    assert {k: v for k, v in again.items() if k != "seconds"} == {
        k: v for k, v in told[2].items() if k != "seconds"
    }


def test_what_the_world_says_counts_and_not_what_the_model_says(monkeypatch):
    """A model of another world reaches y in its own eyes only."""
    foreign = knowing(type(WORLD)(**{**WORLD.options, "seed": 8}))
    row = sequences.plan_success(foreign, WORLD, 2, n=12, beam=40)
    assert row["success"] < row["reached"] and row["trusted"] < 1
    monkeypatch.setattr(foreign, "plan", lambda *_: knowing().plan(*_, max_steps=1))
    assert sequences.plan_success(foreign, WORLD, 3, n=4)["trusted"] is None


def test_longer_than_needed_is_a_success_but_not_optimal(monkeypatch):
    model, plan = knowing(), knowing().plan

    def detour(x, y):
        start = tuple(x[0, :, 0].tolist())
        found = plan(x, y, beam=81)
        for first in range(WORLD.n_actions):  # an action that changes nothing here
            if after(start, [first]) == start:
                return type(found)(
                    (first, *found.actions), ("", *found.names), found.codes, 0.0, 0.0, True, 1
                )
        return found

    monkeypatch.setattr(model, "plan", detour)
    row = sequences.plan_success(model, WORLD, 2, n=12, seed=1)
    assert row["success"] == 1 and 0 < row["optimal"] < 1


@pytest.mark.parametrize(("length", "budget"), [(1, 1), (2, 9), (3, 9), (5, 18), (4, 2)])
def test_random_plans_look_at_no_more_states_than_allowed(length, budget):
    model, tried = knowing(), []
    model.advance = lambda belief, actions: (
        tried.append(len(belief)) or CausalVQ.advance(model, belief, actions)
    )
    x, y = (torch.tensor(v)[None, :, None] for v in ((0, 1, 2, 0), (1, 1, 0, 2)))
    found = sequences.random_plan(model, x, y, length, budget, np.random.default_rng(0))
    assert 1 <= sum(tried) <= budget and len(found) <= length
    if budget >= length:
        assert sum(tried) > budget - length


# --- actions in a row -----------------------------------------------------------------------------


def test_random_actions_exist_and_lead_where_they_say():
    path, actions = sequences.random_actions(SHAPES, 7, 20, 3)
    assert path.shape == (8, 20, 6) and actions.shape == (7, 20)
    assert (split_of(SHAPES.factors, path[0]) == SPLITS.index("test")).all()
    for now, action, then in zip(path, actions, path[1:]):  # noqa: B905
        assert SHAPES.factors.legal(now, action).all()
        assert (SHAPES.factors.apply(now, action) == then).all()
    assert len(np.unique(actions)) == 12
    again = sequences.random_actions(SHAPES, 7, 20, 3)
    assert (path == again[0]).all() and (actions == again[1]).all()


def test_a_model_that_knows_its_world_does_not_go_astray():
    told = sequences.composition(knowing(), WORLD, 6, 30)
    assert set(told["codes_right"]) == {"copy", "belief", "codes"}
    assert told["codes_right"]["belief"] == told["codes_right"]["codes"] == [1.0] * 6
    assert max(told["codes_right"]["copy"]) < 1 and "psnr" not in told


def test_composition_is_what_it_says(untrained, monkeypatch):
    steps, n = 3, 5
    torch.manual_seed(0)
    judge = Judge(SHAPES.factors.sizes, SHAPES.image_shape).eval()
    told = sequences.composition(untrained, SHAPES, steps, n, 2, judge)
    assert json.loads(json.dumps(told)) == told
    assert (told["world"], told["steps"], told["n"], told["seed"]) == ("shapes3d", 3, 5, 2)
    lines = {"belief", "codes", "images", "ceiling", "copy"}
    for table in ("psnr", "factors_right", "all_right"):
        assert set(told[table]) == lines
        assert all(len(values) == steps for values in told[table].values())
    assert set(told["codes_right"]) == lines - {"ceiling"}
    for table in ("psnr", "codes_right", "factors_right"):  # the first step starts alike
        assert told[table]["belief"][0] == told[table]["codes"][0] == told[table]["images"][0]

    path, actions = sequences.random_actions(SHAPES, steps, n, 2)
    truth = [to_float(SHAPES.render(values)) for values in path]
    codes = untrained.encode(truth[0])
    by_codes = untrained.compose(codes, actions, carry="codes")
    for step in range(steps):
        y = truth[step + 1]
        ceiling = untrained.reconstruct(y)
        for line, shown in (
            ("codes", by_codes[step].images),
            ("ceiling", ceiling),
            ("copy", truth[0]),
        ):
            assert told["psnr"][line][step] == pytest.approx(
                psnr(float((shown - y).square().mean()))
            )
            right = judge.read(shown).numpy() == path[step + 1]
            assert told["factors_right"][line][step] == pytest.approx(right.mean())
            assert told["all_right"][line][step] == pytest.approx(right.all(1).mean())
        for line, found in (("codes", by_codes[step].codes), ("copy", codes)):
            same = float((found == untrained.encode(y)).double().mean())
            assert told["codes_right"][line][step] == pytest.approx(same)

    assert "all_right" not in sequences.composition(untrained, SHAPES, 1, 2)
    monkeypatch.setattr(sequences, "BATCH", 2)
    parts = sequences.composition(untrained, SHAPES, steps, n, 2)
    for line, values in parts["psnr"].items():
        assert values == pytest.approx(told["psnr"][line])


def test_numbers_are_checked(untrained):
    for arguments, message in (
        ((0, 5), "steps must be at least 1"),
        ((2, 0), "n must be at least"),
    ):
        with pytest.raises(ValueError, match=message):
            sequences.composition(untrained, SHAPES, *arguments)
    with pytest.raises(ValueError, match="distance must be at least 1, found 0"):
        sequences.plan_success(untrained, SHAPES, 0)
    with pytest.raises(ValueError, match="unknown split"):
        sequences.composition(untrained, SHAPES, 2, 5, split="all")
