"""Actions nobody named: starts, labels, a run that stops and goes on, names given afterwards."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from lamps import Lamps
from small_models import K, codes, made

from cvq_tutorial.measure import unnamed as scored
from cvq_tutorial.method.causal_transition import CausalTransition
from cvq_tutorial.training import checkpoints, recipes, starts, unnamed
from cvq_tutorial.training.data import check_data
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.make import make_world

SMALL = {"prune_tolerance": 0, "width": 16, "transitions": 1000, "transition_steps": 150}


def world():
    return make_world("codes", n_variables=5, n_codes=4, n_actions=3, n_targets=2)


def recipe(**changes):
    return recipes.get("nano", "codes", **{**SMALL, "actions": "none", **changes})


def paths(n: int = 900, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Two variables of 8 values, each shown by four codes; four actions: a step up or down."""
    rng = np.random.default_rng(seed)
    values, action = rng.integers(0, 7, (n, 2)), rng.integers(0, 4, n)
    low, high = values.copy(), values.copy()
    high[np.arange(n), action % 2] += 1
    down = (action >= 2)[:, None]
    shown = rng.permuted(np.tile(np.arange(8), (8, 1)), axis=1)  # each code has names of its own

    def seen(v: np.ndarray) -> torch.Tensor:
        return torch.tensor(shown[np.arange(8), np.repeat(v, 4, axis=1)])[:, :, None]

    return seen(np.where(down, high, low)), seen(np.where(down, low, high)), action


def purity(true: np.ndarray, found: np.ndarray) -> float:
    m = int(true.max()) + 1
    table = scored.together(true, found, m, m)
    return table[np.arange(len(table)), scored.codes_of(table)].sum() / len(true)


def test_what_changed_tells_actions_with_targets_of_their_own():
    seen = world().sample(1500, "train", 0)
    x, y = torch.tensor(seen.x), torch.tensor(seen.y)
    found = starts.start_labels(x, y, 4, 3, "changed", np.random.default_rng(0))
    shuffled = np.random.default_rng(1).permutation(found)
    assert purity(seen.actions, found) > 0.75 > 0.5 > purity(seen.actions, shuffled)


def test_slow_features_tell_up_from_down_where_the_same_codes_change():
    x, y, action = paths()
    by = {
        kind: starts.start_labels(x, y, 8, 4, kind, np.random.default_rng(0))
        for kind in starts.STARTS
    }
    assert purity(action, by["slow"]) > 0.95
    assert purity(action, by["changed"]) < 0.6  # which codes change says the variable, no more


def test_components_are_merged_to_as_many_as_there_are():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 2000)
    chances = np.array([[0.8, 0.8, 0, 0, 0, 0], [0, 0, 0.8, 0.8, 0, 0], [0, 0, 0, 0, 0.8, 0.8]])
    changed = torch.tensor(rng.random((2000, 6)) < chances[kind]).float()
    left = starts.merged(changed, starts.mixture(changed, 8, rng))
    assert left.shape == (2000, 3)
    torch.testing.assert_close(left.sum(1), torch.ones(2000))


def test_the_price_of_a_merge_is_what_the_components_explain_less():
    rng = np.random.default_rng(0)
    first = np.arange(60)[:, None] < 25
    chances = np.where(first, [0.9, 0.8, 0.5, 0.2, 0.1], [0.7, 0.8, 0.6, 0.2, 0.3])
    changed = (rng.random((60, 5)) < chances).astype(float)

    def cost(rows: np.ndarray, components: int) -> float:  # half a pair of the mean in each
        ones = rows.sum(0) + components * 0.5 * changed.mean(0)
        p = (ones / (len(rows) + 0.5)).clip(1e-4, 1 - 1e-4)
        nats = ones * np.log(p) + (len(rows) + 0.5 - ones) * np.log1p(-p)
        return -nats.sum() - len(rows) * np.log(len(rows) / 60)

    more = (cost(changed, 2) - cost(changed[:25], 1) - cost(changed[25:], 1)) / 60  # nats a pair
    two = torch.tensor(np.hstack([first, ~first])).float()
    for price, left in ((more - 0.003, 2), (more + 0.003, 1)):
        assert starts.merged(torch.tensor(changed).float(), two.clone(), price).shape[1] == left


def test_joins_are_of_codes_that_move_alike_and_never_of_opposite_ones():
    directions = np.array(
        [[1, 0, 0], [1, 0.1, 0], [-1, 0, 0], [0, 0, 0], [0, 0, 1], [-1, -0.3, 0]], dtype=float
    )
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 4, 4, 5, 5, 5])  # no pair has code 3
    ways = unnamed.joins(directions[labels], labels, 6)
    assert [len(np.unique(way[labels])) for way in ways] == [5, 4, 3]
    assert ways[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert ways[1].tolist() == [
        0,
        0,
        2,
        3,
        4,
        5,
    ]  # the most alike; called as the larger
    assert ways[2].tolist() == [0, 0, 5, 3, 4, 5]
    away = np.eye(3)[[0, 1, 2]]
    assert len(unnamed.joins(away, np.arange(3), 3)) == 1


class Apart:
    """A run, of which labels are what is trained; it has no folder."""

    def __init__(self) -> None:
        self.recipe = recipe(transition_steps=300)
        self.device, self.told = torch.device("cpu"), []
        self.say, self.autocast = self.told.append, contextlib.nullcontext

    def numbers(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(key)

    def generator(self, *key: int) -> torch.Generator:
        return torch.Generator().manual_seed(sum(key))


def joined(
    x: torch.Tensor, y: torch.Tensor, given: np.ndarray, m: int, steps: int
) -> tuple[np.ndarray, Apart]:
    """Labels of the pairs, after a transition was trained on those given and codes were joined."""
    run, n = Apart(), len(x) - 100
    torch.manual_seed(0)
    net = CausalTransition(8, 1, 8, m, width=16)
    net.register_buffer("labels", torch.tensor(given[:n], dtype=torch.int16))
    labels = unnamed.Labels(run, net, x[:n], y[:n], (x[n:], y[n:]))
    labels._trial(net, np.arange(n), steps, run.numbers(0))
    labels._join(200)
    return labels.labels.numpy(), run


def test_pieces_of_an_action_become_one_code_and_actions_stay_apart():
    x, y, action = paths()
    low = x[:, :, 0].float().mean(1) < x[:, :, 0].float().mean()  # says something of the state
    pieces = action + 4 * low.numpy()
    found, run = joined(x, y, pieces, 10, 250)
    assert len(np.unique(pieces)) == 8 and 4 <= len(np.unique(found)) < 7, run.told
    table = scored.together(action[:800], found, 4, 10)
    assert table.max(0).sum() > 0.9 * 800  # with two actions joined it would be 0.75 or less
    found, run = joined(x, y, action, 4, 250)
    assert (found == action[:800]).mean() > 0.9 and len(np.unique(found)) == 4, run.told


@pytest.mark.parametrize(("pieces", "times"), [("joined", 1), ("apart", 0)])
def test_pieces_may_stay_apart(tmp_path, monkeypatch, pieces, times):
    calls = []
    monkeypatch.setattr(unnamed.Labels, "_join", lambda self, number: calls.append(number))
    short = recipe(
        action_codes=3, transition_steps=60, transitions=300, prune_tolerance=0,
        action_pieces=pieces,
    )  # fmt: skip
    train(world(), short, 0, tmp_path, progress=False)
    assert len(calls) == times


def test_models_of_before_pieces_were_joined_say_so():
    old = recipes.get("lesson", actions="none").to_json()
    del old["action_pieces"]
    assert recipes.grown(old)["action_pieces"] == "apart"
    assert recipes.grown(old | {"actions": "named"})["action_pieces"] == "joined"


def test_where_nothing_can_be_learnt_nothing_is_joined():
    drawn = torch.randint(8, (2, 300, 8, 1), generator=torch.Generator().manual_seed(0))
    x, y = drawn  # of one another they say nothing
    labels = np.arange(300) % 4
    found, run = joined(x, y, labels, 4, 20)
    assert run.told[0].startswith("4 codes") and run.told[1].startswith("1 codes")
    assert len(run.told) == 2 and len(np.unique(found)) == 4


def test_what_is_forgotten_is_of_actions_alone():
    net = made(images=False).transition
    other = unnamed.forgotten(net, torch.Generator().manual_seed(0))
    same = {n: torch.equal(a, dict(other.named_parameters())[n]) for n, a in net.named_parameters()}
    changed = {name for name, kept in same.items() if not kept}
    assert (
        {"action_vectors", "mask_action"} <= changed <= {"action_vectors", "mask_action", "styles"}
    )
    assert not other.styles.any()


def test_a_run_finds_the_actions_names_them_afterwards_and_is_loaded(tmp_path):
    model = train(world(), recipe(action_codes=3), 0, tmp_path, progress=False)
    again, place, info = checkpoints.load_run(tmp_path)
    assert again.action_names == info["action_names"] == [f"action {i}" for i in range(1, 4)]
    assert torch.equal(again.transition.labels, model.transition.labels)
    assert bool((model.transition.labels >= 0).any())
    other, told = scored.with_names(again, place, 600)
    assert other.action_names == ["a0", "a1", "a2"] and other.n_actions == 3
    assert told["one_to_one"] > 0.8 > 0.5 > told["chance"]
    seen = place.sample(100, "test", 5)
    x, y = torch.tensor(seen.x), torch.tensor(seen.y)
    renamed = other.retrieve(x, y).log_likelihood
    assert renamed.shape == (100, 3)
    assert (other.retrieve(x, y).actions.numpy() == seen.actions).mean() > 0.8


def test_a_stopped_run_ends_with_the_same_bits(tmp_path):
    short = recipe(action_codes=3, transition_steps=60, transitions=300)
    whole = train(world(), short, 0, tmp_path / "whole", progress=False)

    def stop(row: dict, _: object) -> None:
        if row["step"] >= 30:
            raise KeyboardInterrupt

    from cvq_tutorial.training import run as runs

    before, runs.SAVE_EVERY = runs.SAVE_EVERY, 0.0
    try:
        with pytest.raises(KeyboardInterrupt):
            train(world(), short, 0, tmp_path / "cut", progress=False, on_log=stop)
    finally:
        runs.SAVE_EVERY = before
    assert (tmp_path / "cut" / "state.safetensors").exists()
    resumed = train(world(), short, 0, tmp_path / "cut", progress=False)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_names_of_actions_never_reach_training(tmp_path):
    class Renumbered:
        """The same world, but what it says about actions is wrong."""

        def __init__(self) -> None:
            self.inner = world()

        def __getattr__(self, name: str):
            return getattr(self.inner, name)

        def sample(self, n: int, split: str = "train", seed: int = 0):
            seen = self.inner.sample(n, split, seed)
            return type(seen)(x=seen.x, actions=(seen.actions + 1) % 3, y=seen.y)

    short = recipe(action_codes=3, transition_steps=20, transitions=200)
    found = [
        train(place, short, 0, tmp_path / str(i), progress=False).state_dict()
        for i, place in enumerate((world(), Renumbered()))
    ]
    assert all(torch.equal(a, b) for a, b in zip(*(f.values() for f in found), strict=True))


def test_one_code_is_the_collapse(tmp_path):
    short = recipe(action_codes=1, transition_steps=20, transitions=200)
    model = train(world(), short, 0, tmp_path, progress=False)
    other, told = scored.with_names(model, world(), 300)
    assert told["one_to_one"] == pytest.approx(told["one_code"]) and told["nmi"] == 0
    assert other.n_actions == 3  # all three names are of the one code


def test_a_world_with_pictures(tmp_path):
    place = Lamps()
    settings = recipes.get(
        "nano", transitions=300, transition_steps=30, autoencoder_steps=40, actions="none",
        action_codes=5,
    )  # fmt: skip
    model = train(place, settings, 0, tmp_path, progress=False)
    assert model.n_actions == 5
    other, told = scored.with_names(model, place, 60)
    assert other.action_names == list(place.factors.action_names)
    assert set(told["per_factor"]) == set(place.factors.names)


def test_named_keeps_what_each_code_does():
    model = made(images=False)
    other = unnamed.named(model, [3, 0, 3], ["x", "y", "z"])
    x, y = codes(6, 1), codes(6, 2)
    one, two = model.retrieve(x, y).log_likelihood, other.retrieve(x, y).log_likelihood
    torch.testing.assert_close(two, one[:, [3, 0, 3]])
    assert model.n_actions == 4 and other.n_actions == 3
    with pytest.raises(ValueError, match=r"one code in 0\.\.3 for each of 1 names, found \[4\]"):
        unnamed.named(model, [4], ["x"])


def test_bad_input_is_one_line(tmp_path):
    x = codes(10)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="need pairs whose codes differ, found none in 10"):
        starts.start_labels(x, x, K, 2, "changed", rng)
    with pytest.raises(ValueError, match="at most one per pair, 10, found 11"):
        starts.start_labels(x, codes(10, 1), K, 11, "changed", rng)
    with pytest.raises(ValueError, match="action_codes: must be at least 1, found 0"):
        recipe(action_codes=0)
    with pytest.raises(ValueError, match=r"at most one per pair, 1000, .* found 1001"):
        check_data(world(), recipe(action_codes=1001))
    with pytest.raises(ValueError, match="'none' learns actions with our transition"):
        recipe(unset="repredict")
    with pytest.raises(ValueError, match=r"one of \('named', 'none'\), found 'unknown'"):
        recipe(actions="unknown")
    with pytest.raises(ValueError, match="needs the factors of each pair"):
        check_data(Lamps(), recipes.get("nano", actions="none", resample=0.5))
