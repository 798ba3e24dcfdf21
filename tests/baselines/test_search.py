"""Graphs by search: exact where the sets of parents can be counted, and the rivals that are not."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from cvq_tutorial.baselines import search
from cvq_tutorial.worlds.make import make_world


def data_of(n: int = 8000, **options):
    world = make_world("codes", **options)
    seen = world.sample(n, "train")
    return world, (seen.x[..., 0], seen.actions, seen.y[..., 0], world.n_codes, world.n_actions)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"noise": 0.2},
        {"mechanism": "parity", "n_codes": 2},
        {"mechanism": "parity", "n_codes": 3, "min_parents": 3, "max_parents": 3},
        {"mechanism": "gate", "n_codes": 3, "max_parents": 3},
        {"mechanism": "copy"},
    ],
    ids=str,
)
def test_sets_of_parents_find_every_mechanism(options):
    world, data = data_of(**options)
    found = search.parent_sets(*data)
    changed = world.targets[:, None, :]
    assert ((found > 0.5) & changed == world.graph).all()
    assert found[~np.broadcast_to(changed, found.shape)].max() == 0


def test_the_score_is_the_likelihood_of_one_code_after_the_other():
    rng = np.random.default_rng(0)
    parents, effect = rng.integers(0, 3, (40, 2)), rng.integers(0, 3, 40)
    each, told, seen = search.PRIOR / 27, 0.0, np.zeros((3, 3, 3))
    for (i, j), code in zip(parents, effect, strict=True):
        told += np.log((seen[i, j, code] + each) / (seen[i, j].sum() + 3 * each))
        seen[i, j, code] += 1
    assert search._bdeu(parents, effect, 3) == pytest.approx(told)


def test_shuffled_causes_have_no_edge():
    _, (x, actions, y, *sizes) = data_of()
    x = np.random.default_rng(0).permuted(x, axis=0)
    assert (search.parent_sets(x, actions, y, *sizes) > 0.5).sum() == 0


def test_too_many_sets_and_data_that_do_not_fit_are_refused():
    x = np.zeros((4, 300), int)
    with pytest.raises(ValueError, match="at most 200,000 sets of parents, found 4,500,251"):
        search.parent_sets(x, np.zeros(4, int), x, 2, 1)
    for find in (search.parent_sets, lambda *data: search.neighbours(*data, how="pc")):
        with pytest.raises(ValueError, match="one shape"):
            find(x, np.zeros(3, int), x, 2, 1)
    with pytest.raises(ValueError, match="unknown how 'gse'"):
        search.neighbours(x, np.zeros(4, int), x, 2, 1, how="gse")


def test_without_causal_learn_the_command_is_told(monkeypatch):
    monkeypatch.setattr(search, "find_spec", lambda _: None)
    x = np.zeros((4, 2), int)
    with pytest.raises(ImportError, match=r"cvq_tutorial\[discovery\]"):
        search.neighbours(x, np.zeros(4, int), x, 2, 1, how="ges")


@pytest.mark.parametrize("how", ["pc", "ges"])
def test_neighbours_of_the_effect_are_its_parents(monkeypatch, how):
    """What is handed over, and read back: the answer of the library is played here."""
    graph = np.zeros((4, 4))
    graph[3, 1] = graph[0, 2] = -1  # y has one neighbour, x_1; x_0 and x_2 are not asked about
    asked = []

    def answer(data, *rest, **named):
        asked.append((data, rest, named))
        graph_of = SimpleNamespace(graph=graph)
        return SimpleNamespace(G=graph_of) if how == "pc" else {"G": graph_of}

    room = "ConstraintBased.PC" if how == "pc" else "ScoreBased.GES"
    played = ModuleType("played")
    setattr(played, how, answer)
    monkeypatch.setitem(sys.modules, "causallearn", ModuleType("causallearn"))
    monkeypatch.setitem(sys.modules, f"causallearn.search.{room}", played)
    monkeypatch.setattr(search, "find_spec", lambda _: True)
    x = np.random.default_rng(0).integers(0, 2, (9, 3))
    y = x.copy()
    y[:, 2] = x[:, 1]
    found = search.neighbours(x, np.zeros(9, int), y, 2, 1, how=how)
    assert found[0].tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert len(asked) == 1 and (asked[0][0] == np.column_stack([x, y[:, 2]])).all()


def test_ges_of_one_variable_is_a_comparison_of_two_scores(monkeypatch):
    """causal-learn 0.1.4.8 takes the log of 1 - 1 / (2 - 1) there, and finds no edge, ever."""
    monkeypatch.setattr(search, "find_spec", lambda _: True)
    monkeypatch.setitem(sys.modules, "causallearn", ModuleType("causallearn"))
    played = ModuleType("played")
    played.ges = None  # not asked
    monkeypatch.setitem(sys.modules, "causallearn.search.ScoreBased.GES", played)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (600, 1))
    for y, edge in (((x + 1) % 4, 1), (rng.integers(0, 4, (600, 1)), 0)):
        assert search.neighbours(x, np.zeros(600, int), y, 4, 1, how="ges").tolist() == [[[edge]]]
