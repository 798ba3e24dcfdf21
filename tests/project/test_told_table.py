"""Worths of several starts beside their gates: as in the results file, right where it is known."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import project_tools
import pytest
import torch

from cvq_tutorial import make_world
from cvq_tutorial.lessons import shipped
from cvq_tutorial.measure.told import Told
from cvq_tutorial.training import train as training
from cvq_tutorial.training.recipes import get
from cvq_tutorial.training.train import train
from cvq_tutorial.training.trusted import sealed

ROOT = Path(__file__).resolve().parent.parent.parent
TOLD = json.loads((ROOT / "figures" / "told.json").read_text("utf-8"))

ALL = list(TOLD["actions"].values())

build_told = project_tools.load("build_told")


def test_the_table_is_that_of_the_results_file():
    assert (ROOT / "figures" / "told.md").read_text("utf-8") == build_told.written(TOLD)


def test_what_is_said_of_three_starts_is_measured():
    told = re.search(
        r"share ([\d.]+) to ([\d.]+) of the edges that tell 0\.3 nats .*? three times: ([\d.]+) to "
        r"([\d.]+); at random ([\d.]+) to ([\d.]+)\)", project_tools.said(), flags=re.S,
    )  # fmt: skip
    assert told is not None and len(TOLD["seeds"]) == 3
    lines = [line[how]["told"]["0.3"] for how in ("starts", "again") for line in ALL]
    shared, again = ([line["shared"] for line in half] for half in (lines[:6], lines[6:]))
    chance = [line["chance"] for line in lines[:6]]
    wanted = [f(values) for values in (shared, again, chance) for f in (min, max)]
    assert [float(x) for x in told.groups()] == [round(x, 2) for x in wanted]


EVERY = np.arange(16) == 5  # the one effect that all runs set


def test_two_causes_that_tell_half_each_are_shared():
    worth = np.zeros((16, 16))
    worth[0, 5], worth[1, 5], worth[9, 2] = 0.7, 0.4, 9.0  # 2 is not set in every run
    found = build_told.compared(np.stack([worth, worth]), EVERY, (4, 4))
    assert found["told"]["0.3"]["shared"] == 1 > found["told"]["0.3"]["chance"] > 0
    assert found["told"]["0.3"]["edges"] == 2 and found["told"]["0.5"]["edges"] == 1
    assert found["correlation"] == pytest.approx(1)
    assert found["regions_correlation"] == pytest.approx(1) and found["regions_shared"] == 1


def test_worths_that_differ_are_not_shared_though_regions_may_be():
    """Neighbours in one region tell instead of each other."""
    worths = np.zeros((2, 16, 16))
    worths[0, 0, 5], worths[1, 1, 5] = 0.7, 0.7
    found = build_told.compared(worths, EVERY, (4, 4))
    assert found["told"]["0.3"]["shared"] == 0 and found["correlation"] < 0
    assert found["regions_shared"] == 1 and found["regions_correlation"] == pytest.approx(1)


def test_a_run_and_its_copy_agree(monkeypatch, tmp_path):
    asked = []

    def of_the_codes(model, x, action, y, coalitions, seed):  # `told_by` has its tests, and is slow
        asked.append(seed)
        told = (x != y).double().mean((0, 2)).numpy()
        return Told(5 * np.outer(told, told), {}, told, np.zeros((64, 64)))

    monkeypatch.setattr(build_told, "PAIRS", 5)
    monkeypatch.setattr(build_told, "told_by", of_the_codes)
    load = build_told.checkpoints.load_run
    monkeypatch.setattr(build_told, "trained_on_shuffled", lambda folder: load(folder)[0])
    numbers = {"retrieval": {"action_accuracy": 1.0}, "intervention": {"recovered": 0.5}}
    monkeypatch.setattr(build_told, "read_metrics", lambda _: numbers)
    run = shipped.SHIPPED / "shapes3d-lesson-s0"
    other = shutil.copytree(run, tmp_path / "other")
    with pytest.raises(ValueError, match=r"expected runs of different seeds, found \[0, 0\]"):
        build_told.measured(run, other)
    info = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(sealed(info | {"seed": 1})))
    told = build_told.measured(run, other)
    assert told.keys() == TOLD.keys() and told["actions"].keys() == TOLD["actions"].keys()
    assert asked == 6 * [0, 1, 2, 3, 4]  # no two readings share the noise of their coalitions
    for line in told["actions"].values():
        for how in ("starts", "again"):
            assert line[how]["correlation"] == pytest.approx(1)
            assert line[how]["told"]["0.3"]["shared"] == 1
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
