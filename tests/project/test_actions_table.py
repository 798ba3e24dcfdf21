"""What is said about leakage, actions in a row and plans is in the results file."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import project_tools
import pytest

from cvq_tutorial.lessons import shipped
from cvq_tutorial.training.trusted import sealed

ROOT = Path(__file__).resolve().parent.parent.parent
TOLD = json.loads((ROOT / "figures" / "actions.json").read_text("utf-8"))
README = project_tools.said()

build_actions = project_tools.load("build_actions")


def test_the_table_is_that_of_the_results_file():
    assert (ROOT / "figures" / "actions.md").read_text("utf-8") == build_actions.written(TOLD)


def test_the_numbers_in_the_readme_are_measured():
    told = re.search(
        r"true distance 3 a plan succeeds in ([\d.]+) of (\d+) pairs \(random search ([\d.]+)\),\s+"
        r"at 5 in ([\d.]+) \(([\d.]+)\).*?ten actions in a row .*? ([\d.]+) dB \(ceiling ([\d.]+), "
        r"copy ([\d.]+)\)",
        README, flags=re.S,
    )  # fmt: skip
    assert told is not None
    plans = {plan["distance"]: plan for plan in TOLD["plans"]}
    psnr = {who: values[9] for who, values in TOLD["in_a_row"]["psnr"].items()}
    wanted = [f"{plans[3]['success']:.2f}", str(plans[3]["n"])]
    wanted += [f"{plans[3]['random']['success']:.2f}", f"{plans[5]['success']:.2f}"]
    wanted += [f"{plans[5]['random']['success']:.2f}"]
    wanted += [f"{psnr[who]:.1f}" for who in ("belief", "ceiling", "copy")]
    assert list(told.groups()) == wanted


def test_what_the_readme_says_of_other_seeds_is_measured():
    told = re.search(
        r"they share ([\d.]+) to ([\d.]+), depending on the\s+action, where random graphs of that "
        r"size would share ([\d.]+) to (\d\.\d+)", README,
    )  # fmt: skip
    assert told is not None
    agreed = TOLD["over_seeds"]["actions"].values()
    shared, chance = ([a[key] for a in agreed] for key in ("shared", "chance"))
    wanted = [min(shared), max(shared), min(chance), max(chance)]
    assert [float(x) for x in told.groups()] == [round(x, 2) for x in wanted]
    assert len(TOLD["over_seeds"]["seeds"]) == 3
    # "agree on what an action sets": nearly every place that one sets, all set
    assert sum(a["nodes_set_by_all"] for a in agreed) > 0.8 * sum(
        a["nodes_set_by_any"] for a in agreed
    )


def test_a_small_run_is_measured_in_the_same_shape(monkeypatch, tmp_path):
    small = {"EDITS": 24, "ROWS": 4, "PAIRS": 2, "DISTANCES": (1,), "STEPS": 2, "IMAGES": 4}
    for name, value in small.items():
        monkeypatch.setattr(build_actions, name, value)
    judge = shipped.load_or_train_a_judge  # trained as long as the recipe says, and not again here
    monkeypatch.setattr(build_actions, "load_or_train_judge", lambda world, steps: judge(world))
    folder = shipped.SHIPPED / "shapes3d-lesson-s0"
    other = shutil.copytree(folder, tmp_path / "other")
    with pytest.raises(ValueError, match=r"expected runs of different seeds, found \[0, 0\]"):
        build_actions.measured(folder, other)
    info = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(sealed(info | {"seed": 1})))
    told = build_actions.measured(folder, other)
    assert told.keys() == TOLD.keys() and told["factors"] == TOLD["factors"]
    assert told["in_a_row"].keys() == TOLD["in_a_row"].keys()
    assert told["plans"][0].keys() == TOLD["plans"][0].keys()
    assert told["plans"][0]["success"] == 1.0
    text = build_actions.written(told)
    assert told["over_seeds"].keys() == TOLD["over_seeds"].keys()
    for agreed in told["over_seeds"]["actions"].values():  # a copy agrees with the run
        assert agreed["shared"] == 1.0 > agreed["chance"] > 0
        assert agreed["nodes_set_by_all"] == agreed["nodes_set_by_any"] > 0
    assert "Share of 24 edits" in text and text.count("\n| floor_hue |") == 1


def test_runs_of_another_recipe_are_not_compared(tmp_path):
    folder = shipped.SHIPPED / "shapes3d-lesson-s0"
    other = shutil.copytree(folder, tmp_path / "other")
    info = json.loads((other / "model.json").read_text())
    info["recipe"]["mask_price"] = 9.0
    (other / "model.json").write_text(json.dumps(sealed(info | {"seed": 1})))
    with pytest.raises(ValueError, match=r"other: expected the recipe of .*, found another"):
        build_actions.measured(folder, other)
    assert build_actions.main([]) == 2
