from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from cvq_tutorial.worlds.codes import CodesWorld
from cvq_tutorial.worlds.factors import SPLITS
from cvq_tutorial.worlds.make import make_world

SMALL = CodesWorld(n_variables=4, n_codes=3, n_actions=6, n_targets=2, max_parents=2, seed=1)


def every_setting(world: CodesWorld) -> np.ndarray:
    codes = itertools.product(range(world.n_codes), repeat=world.n_nodes)
    return np.array(list(codes))[:, :, None]


def is_function_of(x: np.ndarray, y: np.ndarray, nodes: list[int]) -> bool:
    """Whether y (M,) follows from the columns `nodes` of x (M, N, 1)."""
    answers: dict[tuple, set] = {}
    for row, answer in zip(x[:, nodes, 0], y, strict=True):
        answers.setdefault(tuple(row), set()).add(int(answer))
    return all(len(a) == 1 for a in answers.values())


@pytest.mark.parametrize(
    "world",
    [
        SMALL,
        CodesWorld(3, 2, 5, 3, 3, seed=4),
        CodesWorld(2, 2, 1, 1, 1),
        CodesWorld(4, 3, 6, 2, 3, mechanism="parity"),
        CodesWorld(4, 3, 6, 2, 4, mechanism="gate", seed=2),
        CodesWorld(4, 3, 6, 2, 2, mechanism="copy"),
        CodesWorld(4, 3, 6, 2, 3, min_parents=3),
    ],
)
def test_the_graph_is_the_truth_about_the_data(world):
    x = every_setting(world)
    for action in range(world.n_actions):
        y = world.apply(x, np.full(len(x), action))
        for node in range(world.n_nodes):
            parents = np.flatnonzero(world.graph[action, :, node]).tolist()
            if not world.targets[action, node]:
                assert not parents
                assert np.array_equal(y[:, node], x[:, node])
                continue
            assert 1 <= len(parents) <= world.max_parents
            assert is_function_of(x, y[:, node, 0], parents)
            for parent in parents:  # every parent matters
                others = [p for p in parents if p != parent]
                assert not is_function_of(x, y[:, node, 0], others)
            assert (y[:, node] != x[:, node]).mean() >= 0.25  # set, not copied


@pytest.mark.parametrize("mechanism", ["parity", "gate"])
@pytest.mark.parametrize("n_codes", [3, 4])
def test_of_parity_and_gate_no_set_of_parents_but_all_tells_anything(mechanism, n_codes):
    world = CodesWorld(5, n_codes, 4, 2, 4, mechanism=mechanism, min_parents=2, seed=3)
    x = every_setting(world)
    for action, node in np.argwhere(world.targets):
        after = world.apply(x, np.full(len(x), action))[:, node, 0]
        parents = np.flatnonzero(world.graph[action, :, node])
        assert len(parents) >= (3 if mechanism == "gate" else 2)
        fewer = itertools.combinations(parents, 1 if mechanism == "gate" else len(parents) - 1)
        for known in fewer:
            groups = x[:, list(known), 0] @ n_codes ** np.arange(len(known))
            joint = np.zeros((groups.max() + 1, n_codes))
            np.add.at(joint, (groups, after), 1)
            assert (joint == joint[0, 0]).all()  # every code is as frequent, whatever they are


def test_mechanisms_by_hand():
    """One action, one target: its table for settings of the parents, first parent fastest."""

    def told(mechanism, n_codes, parents, setting):
        world = CodesWorld(5, n_codes, 1, 1, parents, mechanism=mechanism, min_parents=parents)
        causes = np.flatnonzero(world.graph[0].any(1))
        x = np.zeros((1, 5, 1), dtype=int)
        x[0, causes, 0] = setting
        return int(world.apply(x, np.array([0]))[0, world.targets[0], 0].item())

    assert told("parity", 4, 3, [3, 2, 2]) == 3
    assert told("gate", 4, 3, [1, 3, 0]) == told("gate", 4, 3, [1, 3, 1]) == 0  # 1 + 3
    assert told("gate", 4, 3, [1, 3, 2]) == told("gate", 4, 3, [1, 3, 3]) == 2  # 1 - 3
    assert told("gate", 5, 4, [1, 2, 4, 2]) == 0  # 1 - 2 - 4
    assert told("copy", 4, 1, [2]) == 2


def test_redrawing_nothing_the_usual_world_is_the_one_of_before():
    assert CodesWorld().fingerprint == "7b1674bb93d33331"
    assert "mechanism" not in CodesWorld().options and "min_parents" not in CodesWorld().options


def test_shapes_sizes_and_names():
    world = CodesWorld()
    assert (world.n_nodes, world.n_codes, world.n_actions) == (12, 6, 8)
    assert world.targets.shape == (8, 12)
    assert world.graph.shape == (8, 12, 12)
    assert (world.targets.sum(axis=1) == 3).all()
    assert not world.graph[~world.targets[:, None, :].repeat(12, axis=1)].any()
    assert world.action_names == ("a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7")
    assert not world.has_images
    parents = world.graph.sum(axis=1)[world.targets]
    assert set(parents) == {1, 2}


def test_a_sample_follows_the_mechanisms():
    world = CodesWorld()
    t = world.sample(3000, seed=1)
    assert t.x.shape == t.y.shape == (3000, 12, 1)
    assert t.actions.shape == (3000,) and len(t) == 3000
    assert t.x.dtype == t.y.dtype == t.actions.dtype == np.int64
    assert np.array_equal(world.apply(t.x, t.actions), t.y)
    assert np.bincount(t.actions) / 3000 == pytest.approx(1 / 8, abs=0.03)
    assert np.bincount(t.x.ravel()) / t.x.size == pytest.approx(1 / 6, abs=0.01)


def test_no_action_changes_nothing():
    x = every_setting(SMALL)
    assert np.array_equal(SMALL.apply(x, np.full(len(x), -1)), x)


def test_splits_are_disjoint_and_have_their_shares():
    pairs = []
    for split in SPLITS:
        t = SMALL.sample(6000, split)
        rows = np.concatenate([t.x[:, :, 0], t.actions[:, None]], axis=1)
        pairs.append({tuple(r) for r in rows})
    assert not pairs[0] & pairs[1] and not pairs[0] & pairs[2] and not pairs[1] & pairs[2]
    sizes = np.array([len(p) for p in pairs])
    assert sizes.sum() == 3**4 * 6  # every pair is in some split
    assert np.abs(sizes / sizes.sum() - [0.70, 0.15, 0.15]).max() < 0.06


def test_noise_replaces_codes_of_targets_only():
    world = CodesWorld(noise=0.3)
    assert np.array_equal(world.graph, CodesWorld().graph)
    t = world.sample(8000)
    wrong = (world.apply(t.x, t.actions) != t.y)[:, :, 0]
    targets = world.targets[t.actions]
    assert not wrong[~targets].any()
    assert wrong[targets].mean() == pytest.approx(0.3 * 5 / 6, abs=0.02)


def test_a_seed_decides_the_world_and_another_seed_the_sample():
    a, b = CodesWorld(seed=3), CodesWorld(seed=3)
    assert np.array_equal(a.graph, b.graph) and a.fingerprint == b.fingerprint and a == b
    assert a.fingerprint != CodesWorld(seed=4).fingerprint
    assert np.array_equal(a.sample(20, seed=1).y, b.sample(20, seed=1).y)
    assert not np.array_equal(a.sample(20, seed=1).x, a.sample(20, seed=2).x)
    assert len(a.sample(0)) == 0


def test_options_make_the_world_again():
    world = CodesWorld(5, 4, 3, 2, 3, noise=0.1, seed=9, mechanism="gate", min_parents=2)
    again = make_world("codes", **json.loads(json.dumps(world.options)))
    assert again == world and again.fingerprint == world.fingerprint


def test_truth_cannot_be_overwritten():
    with pytest.raises(ValueError, match="read-only"):
        SMALL.graph[0, 0, 0] = True


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: CodesWorld(n_variables=0), ValueError, "n_variables must lie in 1..4096, found 0"),
        (lambda: CodesWorld(n_codes=1), ValueError, "n_codes must lie in 2"),
        (lambda: CodesWorld(n_targets=13), ValueError, "n_targets must lie in 1..12, found 13"),
        (lambda: CodesWorld(max_parents=0), ValueError, "max_parents must lie in 1..12, found 0"),
        (lambda: CodesWorld(max_parents=12), ValueError, "at most 100000, found 6 \\*\\* 12"),
        (lambda: CodesWorld(min_parents=3), ValueError, "min_parents must lie in 1..2, found 3"),
        (lambda: CodesWorld(mechanism="xor"), ValueError, "unknown mechanism 'xor'; known: table"),
        (
            lambda: CodesWorld(mechanism="gate"),
            ValueError,
            "max_parents: expected at least 3 for the mechanism 'gate', found 2",
        ),
        (
            lambda: CodesWorld(mechanism="gate", max_parents=3, n_codes=2),
            ValueError,
            "n_codes of the mechanism 'gate' must lie in 3..4096, found 2",
        ),
        (
            lambda: CodesWorld(1, n_targets=1, max_parents=1, mechanism="copy"),
            ValueError,
            "n_variables of the mechanism 'copy' must lie in 2",
        ),
        (lambda: CodesWorld(noise=1.5), ValueError, r"noise: .* in \[0, 1\], found 1.5"),
        (lambda: CodesWorld(seed=-1), ValueError, "seed must lie in 0"),
        (lambda: CodesWorld(n_actions=2.0), TypeError, "n_actions must be an integer, found 2.0"),
        (lambda: SMALL.sample(5, "dev"), ValueError, "unknown split 'dev'"),
        (lambda: SMALL.sample(-1), ValueError, "n must lie in 0.."),
        (lambda: CodesWorld(1, 2, 1, 1, 1).sample(5, "valid"), ValueError, "holds no transition"),
        (lambda: SMALL.apply(np.zeros((2, 5, 1), int), [0, 0]), ValueError, r"\(n, 4, 1\), found"),
        (
            lambda: SMALL.apply(np.full((1, 4, 1), 3), [0]),
            ValueError,
            r"0..2, found 3 at \(0, 0, 0\)",
        ),
        (lambda: SMALL.apply(np.zeros((1, 4, 1)), [0]), TypeError, "codes: expected integers"),
        (lambda: SMALL.apply(np.zeros((1, 4, 1), int), [6]), ValueError, "expected -1..5, found 6"),
        (lambda: make_world("codes", n_code=5), ValueError, "'n_code'; did you mean 'n_codes'"),
    ],
)
def test_bad_input_is_one_line_that_names_expected_and_found(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
