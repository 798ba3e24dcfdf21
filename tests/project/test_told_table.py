"""Worths of several starts beside their gates: as in the results file, right where it is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import project_tools
import pytest
import torch

from cvq_tutorial import make_world
from cvq_tutorial.graphs.graph import CausalGraph
from cvq_tutorial.lessons import shipped
from cvq_tutorial.measure.told import Told
from cvq_tutorial.training import train as training
from cvq_tutorial.training.recipes import get
from cvq_tutorial.training.train import train
from cvq_tutorial.training.trusted import sealed

ROOT = Path(__file__).resolve().parent.parent.parent
TOLD = json.loads((ROOT / "figures" / "told.json").read_text("utf-8"))

build_told = project_tools.load("build_told")


def test_the_table_is_that_of_the_results_file():
    assert (ROOT / "figures" / "told.md").read_text("utf-8") == build_told.written(TOLD)


def graph(edges: np.ndarray, sets: list[int]) -> CausalGraph:
    set_by = np.isin(np.arange(16), sets) * 1.0
    return CausalGraph(edges * 1.0, set_by=set_by, grid=(4, 4))


def test_starts_that_read_other_twins_agree_on_what_tells():
    """Two causes say the same; each start's gate takes one of them, both tell half each."""
    one, two, worth = np.zeros((3, 16, 16))
    one[0, 5], two[1, 5], worth[0, 5], worth[1, 5], worth[9, 2] = 1, 1, 0.7, 0.7, 9.0
    found = build_told.compared(
        [graph(one, [2, 5]), graph(two, [5])], np.stack([worth, worth]), np.zeros((16, 16))
    )
    assert found["nodes"] == 1  # 2 is set in one run only
    assert found["gates"]["shared"] == 0 and found["told"]["0.3"]["shared"] == 1
    assert found["told"]["0.3"]["edges"] == 2 and found["told"]["0.5"]["edges"] == 2
    assert found["correlation"] == pytest.approx(1)
    assert found["regions_correlation"] == pytest.approx(1)
    assert found["regions_shared"] == 1 and found["shuffled"] == 0


def test_worths_that_differ_are_not_shared_though_regions_may_be():
    """Neighbours in one region tell instead of each other."""
    worths = np.zeros((2, 16, 16))
    worths[0, 0, 5], worths[1, 1, 5] = 0.7, 0.7
    graphs = [graph(np.zeros((16, 16)), [5])] * 2
    found = build_told.compared(graphs, worths, np.full((16, 16), 0.4))
    assert found["told"]["0.3"]["shared"] == 0 and found["correlation"] < 0
    assert found["regions_shared"] == 1 and found["regions_correlation"] == pytest.approx(1)
    assert found["shuffled"] == 16


def test_a_run_and_its_copy_agree(monkeypatch, tmp_path):
    def of_the_codes(
        model, x, action, y, coalitions
    ):  # `told_by` has tests of its own, and is slow
        told = (x != y).double().mean((0, 2)).numpy()
        return Told(np.outer(told, told), {}, told)

    monkeypatch.setattr(build_told, "PAIRS", 5)
    monkeypatch.setattr(build_told, "told_by", of_the_codes)
    load = build_told.checkpoints.load_run
    monkeypatch.setattr(build_told, "trained_on_shuffled", lambda folder: load(folder)[0])
    numbers = {"action_accuracy": 1.0, "recovered": 0.5}
    monkeypatch.setattr(build_told, "read_metrics", lambda _: numbers)
    run = shipped.SHIPPED / "shapes3d-lesson-s0"
    other = shutil.copytree(run, tmp_path / "other")
    with pytest.raises(ValueError, match=r"expected runs of different seeds, found \[0, 0\]"):
        build_told.measured(run, other)
    info = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(sealed(info | {"seed": 1})))
    told = build_told.measured(run, other)
    assert told.keys() == TOLD.keys() and told["actions"].keys() == TOLD["actions"].keys()
    for line in told["actions"].values():
        assert line["correlation"] == pytest.approx(1) and line["told"]["0.3"]["shared"] == 1
    assert "seeds 0, 1, each with" in build_told.written(told)
    info["recipe"]["mask_price"] = 9.0
    (other / "model.json").write_text(json.dumps(sealed(info | {"seed": 1})))
    with pytest.raises(ValueError, match=r"other: expected the recipe of .*, found another"):
        build_told.measured(run, other)
    assert build_told.main([]) == 2


def test_the_control_sees_each_y_with_the_x_of_another_pair_of_its_action(monkeypatch, tmp_path):
    recipe = get("nano", "codes", transition_steps=2, transitions=200)
    train(make_world("codes"), recipe, 0, tmp_path, progress=False)
    seen = []
    drawn = build_told.training_codes
    monkeypatch.setattr(build_told, "training_codes", lambda *a: seen.append(drawn(*a)) or seen[0])
    monkeypatch.setattr(build_told, "CONTROL", 1)
    model = build_told.trained_on_shuffled(tmp_path)
    x, actions, y, _ = seen[0]
    true_x, true_actions, true_y, _ = drawn(make_world("codes"), model, recipe, 0)
    assert torch.equal(x, true_x) and torch.equal(actions, true_actions)
    assert (y != true_y).any(-1).any(-1).float().mean() > 0.9
    for action in actions.unique():
        now, before = (part[actions == action].tolist() for part in (y, true_y))
        assert sorted(now) == sorted(before)
    assert training.training_codes is drawn
