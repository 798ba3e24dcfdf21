"""The test of independence: against scipy pair by pair, on a known graph, and where it is blind."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from cvq_tutorial.baselines.independence import (
    evaluate_independence,
    independence_graph,
    pair_p_values,
)
from cvq_tutorial.training.recipes import get
from cvq_tutorial.worlds.make import make_world


def test_p_values_are_those_of_scipy():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (300, 3))
    y = np.stack([x[:, 1], (x[:, 0] + rng.integers(0, 2, 300)) % 4, rng.integers(0, 4, 300)], 1)
    actions = rng.integers(0, 2, 300)
    found = pair_p_values(x, actions, y, 4, 2)
    for a in range(2):
        for i in range(3):
            for j in range(3):
                counts = np.zeros((4, 4))
                np.add.at(counts, (x[actions == a, i], y[actions == a, j]), 1)
                wanted = chi2_contingency(counts, correction=False, lambda_="log-likelihood")
                assert found[a, i, j] == pytest.approx(wanted.pvalue, rel=1e-6, abs=1e-300)


def test_it_finds_single_parents_and_points_from_cause_to_effect():
    world = make_world("codes", max_parents=1)
    seen = world.sample(8000, "train")
    x, y = seen.x[..., 0], seen.y[..., 0]
    scores = independence_graph(x, seen.actions, y, world.n_codes, world.n_actions)
    assert ((scores > 0.5) & world.targets[:, None, :] == world.graph).all()


def test_two_parents_that_work_only_together_are_invisible_to_it():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 2, (4000, 3))
    y = x.copy()
    y[:, 2] = x[:, 0] ^ x[:, 1]
    scores = independence_graph(x, np.zeros(4000, int), y, 2, 1)[0]
    assert not (scores[:, 2] > 0.5).any()
    assert (scores[[0, 1], [0, 1]] > 0.5).all()


def test_constants_and_absent_actions_give_no_edge():
    x = np.zeros((50, 2), int)
    assert (pair_p_values(x, np.zeros(50, int), x, 3, 2) == 1).all()


def test_it_is_scored_like_the_method_and_needs_a_known_graph():
    told = evaluate_independence(make_world("codes"), get("nano", "codes"))
    assert {"edge_f1", "edge_auroc", "shd"} == set(told["graph"])
    assert told["graph"]["edge_auroc"] > 0.8
    with pytest.raises(ValueError, match="known graph"):
        evaluate_independence(make_world("shapes3d"), get("nano"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros((5, 3), int)}, "one shape"),
        ({"actions": np.zeros(4, int)}, "one shape"),
        ({"x": np.full((5, 2), 9)}, r"x: expected codes in 0\.\.2"),
        ({"alpha": 0.0}, "alpha"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {"x": np.zeros((5, 2), int), "y": np.zeros((5, 2), int), "actions": np.zeros(5, int)}
    with pytest.raises(ValueError, match=message):
        independence_graph(**{**given, "n_codes": 3, "n_actions": 1, **change})
