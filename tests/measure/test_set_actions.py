"""Actions that set a value, from training to plans, on a world that is learnt in seconds."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from signs import Signs

from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_transitions
from cvq_tutorial.draw.heatmaps import confusion, effects_masks
from cvq_tutorial.draw.sampling import sample_balance
from cvq_tutorial.explore.actions import ActionPad
from cvq_tutorial.explore.game import RetrievalGame
from cvq_tutorial.explore.plan import PlanExplorer
from cvq_tutorial.graphs.groups import by_actions
from cvq_tutorial.measure import judge, sequences
from cvq_tutorial.measure.evaluate import evaluate
from cvq_tutorial.run.gallery import look
from cvq_tutorial.run.report import about_world
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.training.data import encoded_transitions
from cvq_tutorial.training.train import train

WORLD = Signs()
SPACE = WORLD.factors
RECIPE = recipes.get("nano", transition_steps=300, transitions=1500, judge_steps=60)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CVQ_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("signs")


@pytest.fixture(scope="module")
def model(folder):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield train(WORLD, RECIPE, 0, folder, device="cpu", progress=False)
    torch.set_num_threads(threads)


def test_actions_are_named_and_done_as_well_as_steps_are(model):
    told = evaluate(model, WORLD, RECIPE, progress=False)
    json.dumps(told, allow_nan=False)
    named = told["retrieval"]
    test = sample_transitions(SPACE, RECIPE.test_transitions, "test", 0)
    chance = float((1 / SPACE.possible(test.x).sum(1)).mean())
    assert named["chance"]["action"] == pytest.approx(chance) == named["copy"]["action"]
    assert 1 / SPACE.n_actions < chance < 1 / 7  # a set value is no guess, nor is a step too far
    assert named["action_accuracy"] > 0.9 and list(named["per_factor"]) == list(SPACE.names)
    assert sum(row["n"] for row in named["per_factor"].values()) == len(test)
    done = told["intervention"]
    assert done["target_reached"] > 0.8 > 0.3 > done["recovered"] - 0.7
    assert {name: row["n"] for name, row in done["per_factor"].items()} == {
        name: row["n"] for name, row in named["per_factor"].items()
    }


def test_a_checkpoint_knows_its_actions(model, folder):
    info = checkpoints.read_info(folder)
    assert info["action_names"] == list(SPACE.action_names) and "sign=blue" in info["action_names"]
    assert info["world"]["options"] == {"actions": "set"}
    assert info["world"]["factors"]["actions"] == "set"
    assert checkpoints.load(folder, Signs()).action_names == model.action_names
    with pytest.raises(checkpoints.CheckpointError, match="model of another world"):
        checkpoints.load(folder, Signs("steps"))


def test_half_of_the_training_is_the_other_half_backwards(model):
    """What is learnt from: reversed pairs have the set that undoes theirs, by the pictures."""
    x, actions, y = encoded_transitions(WORLD, model, 200, "train", 3)
    assert (x[:100] == y[100:]).all() and (y[:100] == x[100:]).all()
    drawn = sample_transitions(SPACE, 100, "train", 3)
    assert (actions[:100].numpy() == drawn.actions).all()
    undone = SPACE.apply(drawn.y, actions[100:].numpy())
    assert (undone == drawn.x).all()
    assert (model.encode(to_float(WORLD.render(undone))).short() == y[100:]).all()


def test_plans_are_made_of_sets_and_lead_there(model):
    near, far = (sequences.plan_success(model, WORLD, d, n=20, beam=16) for d in (1, 3))
    assert near["success"] >= 0.8 and far["success"] > far["random"]["success"] + 0.2
    x, y = np.array([[0, 2, 0, 1], [3, 2, 1, 1]])
    plan = model.plan(*(to_float(WORLD.render(v[None])) for v in (x, y)))
    assert sorted(plan.names) == ["lamp+", "sign=grey"]
    assert sequences.follow(WORLD, x, plan.actions).tolist() == y.tolist()
    assert sequences.follow(WORLD, y, [SPACE.action_id("sign=grey")]) is None  # set already


def test_distances_count_a_set_as_one_whatever_the_values_are():
    layers = sequences.at_distance(WORLD, (0, 2, 0, 0), 7)
    for distance, layer in enumerate(layers):
        sets = (layer[:, [0, 3]] != 0).sum(1)
        assert (sets + np.abs(layer[:, [1, 2]] - [2, 0]).sum(1) == distance).all()
    assert sum(map(len, layers)) == SPACE.size
    path, actions = sequences.random_actions(WORLD, 4, 60)
    for now, action, then in zip(path, actions, path[1:], strict=False):
        assert (SPACE.apply(now, action) == then).all()
    assert len(np.unique(actions)) == SPACE.n_actions


def test_the_judge_of_both_conventions_is_one():
    assert judge.identity(WORLD, 0, 9) == judge.identity(Signs("steps"), 0, 9)
    assert judge.identity(WORLD, 0, 9) != judge.identity(WORLD, 0, 8)


def test_pictures_speak_of_actions_by_name(model):
    seen = look(model, WORLD, 240)
    assert "sign=pink" in effects_masks(seen.mask, model.grid, model.action_names).summary
    assert f"of {SPACE.n_actions} actions" in confusion(seen.confusion, model.action_names).summary
    drawn = sample_transitions(SPACE, 400, "train", 0)
    assert "sign in 25 %" in sample_balance(SPACE, drawn).summary
    *_, steps = about_world(Signs("steps")).splitlines()
    assert steps == "8 actions: each raises or lowers one factor by one step"
    *_, sets = about_world(WORLD).splitlines()
    assert sets == steps.replace("8", "12") + ", or sets one value of sign, frame"


def test_the_sets_of_one_factor_are_one_group():
    masks = np.eye(12, 5)[:, [0, 0, 4, 1, 2]]  # the nodes of grey+, grey+, sign=red, lamp+, grey-
    names = by_actions(masks, SPACE.action_names)
    assert names == ["grey (3)", "grey (3)", "sign (1)", "lamp (1)", "grey (3)"]


def test_explorers_offer_what_is_possible(model):
    pad = ActionPad(model, WORLD, (0, 2, 0, 0))
    order = [button.description for button in pad.children[0].children[0].children[0].children]
    assert order[:4] == ["grey-", "grey+", "lamp-", "lamp+"] and order[4:] == list(
        SPACE.action_names[4:]
    )
    assert pad.buttons["sign=red"].disabled and not pad.buttons["sign=blue"].disabled
    pad.buttons["sign=blue"].click()
    assert (
        pad.values == (2, 2, 0, 0) and pad.actions == ("sign=blue",) and "sign blue" in pad.summary
    )
    assert pad.buttons["sign=blue"].disabled and not pad.buttons["sign=red"].disabled
    with pytest.raises(ValueError, match="sets what is set already"):
        pad.do("sign=blue")
    game = RetrievalGame(model, WORLD)
    game.buttons[game.truth].click()
    assert game.score == 1 and game.answer in SPACE.action_names
    plan = PlanExplorer(model, WORLD, (0, 2, 0, 0), (2, 2, 0, 0))
    assert "sign (red to blue)" in plan.summary
    for explorer in (pad, game, plan):
        explorer.close()
