"""The table of worlds is its results file, and the README quotes nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import project_tools
import pytest
import torch

from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.worlds.make import make_world

ROOT = Path(__file__).resolve().parent.parent.parent
ROWS = json.loads((ROOT / "figures" / "worlds.json").read_text("utf-8"))
BOTH = json.loads((ROOT / "figures" / "worlds_actions.json").read_text("utf-8"))
PHOTOS = json.loads((ROOT / "figures" / "worlds_photographs.json").read_text("utf-8"))
README = project_tools.said()

build_worlds = project_tools.load("build_worlds")


def test_the_table_is_that_of_the_results_file():
    told = (ROOT / "figures" / "worlds.md").read_text("utf-8")
    assert told == build_worlds.written(ROWS, BOTH, PHOTOS)
    assert list(ROWS) == list(build_worlds.ORDER)


@pytest.mark.parametrize("world", ROWS)
def test_the_numbers_of_a_world_in_the_readme_are_measured(world):
    (told,) = re.findall(rf"^\| `{world}`:[^|]*\|([^|]+\|[^|]+\|[^|]+\|[^|]+)\|$", README, re.M)
    row = ROWS[world]
    wanted = [
        f"{row['visible_action_accuracy']:.3f} ({row['chance']:.3f})",
        f"{row['recovered']:.3f}",
        f"{row['target_reached']:.3f} ({row['target_ceiling']:.3f})",
        f"{row['weakest']['factor']} {row['weakest']['action_accuracy']:.3f}",
    ]
    assert [cell.strip().replace("`", "") for cell in told.split("|")] == wanted


SEED_ROWS = {  # first words of a row in the README -> key, digits, keys of what is beside it
    "reconstruction (dB)": ("psnr", 1, ()),
    "codes used, of": ("codes_used", 0, ()),
    "name the action: macro accuracy": ("action_accuracy", 3, ("chance",)),
    "name the factor: macro accuracy": ("factor_accuracy", 3, ("factor_chance",)),
    "intervened picture (dB)": ("intervened_psnr", 1, ("copy_psnr", "psnr")),
    "recovered": ("recovered", 3, ()),
    "judge: target reached": ("target_reached", 3, ("target_ceiling",)),
    "judge: all others kept": ("others_kept", 3, ("others_ceiling",)),
    "causes per set node": ("causes", 1, ()),
}


@pytest.mark.parametrize("words", SEED_ROWS)
def test_the_numbers_of_each_seed_in_the_readme_are_measured(words):
    key, digits, beside = SEED_ROWS[words]
    seeds = [ROWS["shapes3d"]["seeds"][seed] for seed in "012"]
    table = re.search(r"^\| `shapes3d` \| seed 0.*?\n\n", README, re.M | re.S)
    assert table is not None
    ((head, cells),) = re.findall(rf"^\| ({re.escape(words)}[^|]*)\|(.+)\|$", table[0], re.M)
    *told, about = [cell.strip() for cell in cells.split("|")]
    assert told == [f"{seed[key]:.{digits}f}" for seed in seeds]
    if key == "codes_used":
        assert {int(head.split()[-1])} == {seed["codes"] for seed in seeds}
    if key == "causes":
        assert {about} == {f"{seed['nodes']} possible" for seed in seeds}
    for other in beside:
        values = sorted(f"{seed[other]:.{digits}f}" for seed in seeds)
        span = values[0] if values[0] == values[-1] else f"{values[0]} to {values[-1]}"
        name = {"chance": "chance", "factor_chance": "chance", "copy_psnr": "copy"}
        assert f"{span} {name.get(other, 'ceiling')}" in about


def test_what_the_readme_says_of_failures_is_measured():
    (told,) = re.findall(r"^What fails: .*?\n\n", README, re.M | re.S)
    wanted = [ROWS["sprites"]["weakest"]["edit_kept"], ROWS["sprites"]["edit_kept"]]
    wanted.append(ROWS["dsprites"]["weakest"]["edit_kept"])
    texts = [f"{number:.2f}" for number in wanted]
    texts += [f"{ROWS[world]['factor_accuracy']:.3f}" for world in ("dsprites", "cars3d")]
    assert re.findall(r"-?\d\.\d+", told) == texts
    assert [ROWS[w]["weakest"]["factor"] for w in ("sprites", "dsprites")] == ["eyes", "shape"]
    minutes = [row["minutes"] for row in ROWS.values()]
    assert f"{min(minutes):.0f} to {max(minutes):.0f} minutes" in told


def test_a_run_of_other_settings_does_not_get_into_the_table(tmp_path):
    world = make_world("shapes3d")
    recipe = replace(recipes.get("lesson"), autoencoder_steps=10)
    with torch.random.fork_rng():
        model = checkpoints.build(world, recipe)
    checkpoints.save(tmp_path, model, world, recipe, 0)
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(ValueError, match=r"expected the recipe 'lesson' .*'autoencoder_steps': 10"):
        build_worlds.summed_up(tmp_path)


def test_runs_with_other_actions_get_into_their_own_table_as_a_pair(tmp_path):
    recipe = recipes.get("lesson", autoencoder_steps=10)
    row = {"n": 3, "action_accuracy": 0.5, "factor_accuracy": 1.0}
    done = {"n": 3, "recovered": 0.25, "target_reached": 0.75}
    keys = ("recovered", "target_reached", "target_reached_ceiling", "others_kept")
    metrics = {
        "reconstruction": {"psnr": 20.0},
        "retrieval": {"n": 9, "action_accuracy": 0.9, "factor_accuracy": 1.0,
                      "chance": {"action": 0.1}, "per_factor": {"shape": row}},
        "intervention": dict.fromkeys((*keys, "others_kept_ceiling"), 0.125)
        | {"per_factor": {"shape": done}},
    }  # fmt: skip
    for how in ("steps", "set"):
        world = make_world("shapes3d", actions=how)
        with torch.random.fork_rng():
            model = checkpoints.build(world, recipe)
        checkpoints.save(tmp_path / how, model, world, recipe, 0)
        (tmp_path / how / "metrics.json").write_text(json.dumps(metrics))
    told = build_worlds.both_ways(tmp_path / "steps", tmp_path / "set")
    assert told["categories"] == ["shape"] and told["changed"] == {"autoencoder_steps": [3000, 10]}
    assert (told["steps"]["actions"], told["set"]["actions"]) == (12, 14)
    assert (
        told["set"]["action_of_categories"] == 0.5 and told["set"]["target_of_categories"] == 0.75
    )
    text = build_worlds.written_both({"shapes3d": told})
    assert (
        "autoencoder_steps 10 (usual 3000)" in text and "| `shapes3d` | set | 14 | 0.900 |" in text
    )
    assert told["set"]["recovered_of_categories"] == 0.25 and told["undefined"] == []
    done["recovered"] = None  # where the codes lose more than the edit is worth, in one of the two
    (tmp_path / "set" / "metrics.json").write_text(json.dumps(metrics))
    told = build_worlds.both_ways(tmp_path / "steps", tmp_path / "set")
    assert told["undefined"] == ["shape"] and told["steps"]["recovered_of_categories"] is None
    text = build_worlds.written_both({"shapes3d": told})
    assert "is without shape, where it is not defined" in text and "| 0.125 | - | 0.125 |" in text
    with pytest.raises(ValueError, match=r"expected the world of .* with actions='set'"):
        build_worlds.both_ways(tmp_path / "set", tmp_path / "steps")
    with pytest.raises(ValueError, match="expected actions 'steps', found 'set'; see --actions"):
        build_worlds.summed_up(tmp_path / "set")


def test_photographs_stand_beside_the_classifier_of_their_own_seed(tmp_path):
    world, recipe = make_world("shapes3d"), recipes.get("lesson", "pictures", autoencoder_steps=10)
    edits = dict.fromkeys(("target_reached", "target_reached_ceiling", "kept", "kept_ceiling"), 0.5)
    metrics = {
        "reconstruction": {"psnr": 20.0},
        "retrieval": {"n": 9, "chance": {"action": 0.125}, "per_factor": {}},
        "intervention": {"psnr": 16.0, "psnr_copy": 13.0, "recovered": 0.25,
                         "per_factor": {"shape": edits},
                         "judge_accuracy": {"shape": 0.75}},
        "seconds": {"evaluate": 1.0},
    }  # fmt: skip
    for seed in (0, 1):
        for kind, named in ((None, 0.6 + 0.1 * seed), ("pairs of images", 0.8)):
            folder = tmp_path / f"{kind}{seed}"
            with torch.random.fork_rng():
                model = checkpoints.build(world, recipe)
            network = None if kind is None else {"kind": kind}
            checkpoints.save(folder, model, world, recipe, seed, kind=network)
            metrics["retrieval"]["per_factor"]["shape"] = {"action_accuracy": named}
            (folder / "metrics.json").write_text(json.dumps(metrics))
    run, rival = tmp_path / "None0", tmp_path / "pairs of images0"
    seeds = {"0": build_worlds.photographs(run, rival)}
    seeds["1"] = build_worlds.photographs(tmp_path / "None1", tmp_path / "pairs of images1")
    assert seeds["0"]["changed"] == {"autoencoder_steps": [3000, 10]}
    text = build_worlds.written_photographs(seeds)
    row = "| `shape` | 0.65 (0.60 to 0.70) | 0.80 | 0.50 | 0.50 |"
    assert (
        row in text and "autoencoder_steps 10 (usual 3000)" in text and "Seeds 0, 1, mean" in text
    )
    with pytest.raises(ValueError, match="expected the baseline 'image-pairs', found None"):
        build_worlds.photographs(run, run)
    with pytest.raises(ValueError, match="expected the seed of"):
        build_worlds.photographs(run, tmp_path / "pairs of images1")


def test_what_the_readme_says_of_photographs_is_measured():
    (told,) = re.findall(r"^Of photographs there is .*?\n\n", README, re.M | re.S)

    def mean(factor: str, key: str) -> str:
        return f"{sum(row['factors'][factor][key] for row in PHOTOS.values()) / len(PHOTOS):.2f}"

    keys = {"pose": 3, "eyes": 3, "expression": 2}
    wanted = [
        mean(f, key) for f, n in keys.items() for key in ("named", "rival", "target_reached")[:n]
    ]
    assert re.findall(r"\d\.\d+", told) == wanted
