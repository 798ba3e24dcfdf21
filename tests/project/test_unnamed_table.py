"""What is said about actions that nobody named is in the results file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import project_tools

ROOT = Path(__file__).resolve().parent.parent.parent
TOLD = json.loads((ROOT / "figures" / "unnamed.json").read_text("utf-8"))
README = project_tools.said()

build_unnamed = project_tools.load("build_unnamed")


def row(world: str, part: str, **wanted) -> dict:
    (found,) = (
        row
        for row in TOLD[f"{world} 0"][part]
        if all(row[key] == value for key, value in wanted.items())
    )
    return found


def test_the_table_is_that_of_the_results_file():
    assert (ROOT / "figures" / "unnamed.md").read_text("utf-8") == build_unnamed.written(TOLD)


def test_the_numbers_in_the_readme_are_measured():
    told = re.search(
        r"Where nobody names the actions.*?`codes`, 16 codes: (\d\.\d+) .*?edge F1 (\d\.\d+).*?"
        r"`shapes3d`, 12 codes: (\d\.\d+) \(chance (\d\.\d+), k-means on pixels (\d\.\d+), on "
        r"which codes changed (\d\.\d+)\), in (\d\.\d+) times the time.*?"
        r"one name per action: (\d\.\d+), a classifier of the same pairs (\d\.\d+)",
        re.sub(r"\s+", " ", README),
    )
    assert told is not None
    codes = row("codes", "found", codes=16)
    shapes, named = (row("shapes3d", "found", codes=m) for m in (12, "named"))
    by = {r["k-means on"]: r["one to one"] for r in TOLD["shapes3d 0"]["rivals"]}
    few = row("shapes3d", "names", codes=12, **{"labels per action": 1})
    wanted = [codes["one to one"], codes["edge F1"], shapes["one to one"], shapes["chance"]]
    wanted += [by["pixels"], by["which codes changed"]]
    wanted = [round(w, 3) for w in wanted]
    wanted += [round(shapes["cpu s"] / named["cpu s"], 1)]
    wanted += [round(few["learnt codes"], 3), round(few["classifier"], 3)]
    assert [float(t) for t in told.groups()] == wanted
