"""The table of trust is its results file, and what was measured is what the truth demands."""

from __future__ import annotations

import json
from pathlib import Path

import project_tools

from cvq_tutorial.worlds.make import make_world

ROOT = Path(__file__).resolve().parent.parent.parent
TOLD = json.loads((ROOT / "figures" / "trust.json").read_text("utf-8"))
WORLD = make_world("light_tunnel")

build_trust = project_tools.load("build_trust")


def test_the_table_is_that_of_the_results_file():
    assert (ROOT / "figures" / "trust.md").read_text("utf-8") == build_trust.written(TOLD)


def test_retrieval_halves_twins_and_is_sure_of_all_others():
    twins = {name: mate for pair in WORLD.twins for name, mate in (pair, pair[::-1])}
    assert tuple(TOLD["twins"]) == WORLD.factors.action_names
    for name, row in TOLD["twins"].items():
        assert row["name"] == twins.get(name) and row["n"] > 30
        if name in twins:
            assert 0.45 <= row["own"][0] <= 0.55 and 0.45 <= row["twin"][0] <= 0.55
    own, alone = (
        [row["own"][0] for name, row in TOLD["twins"].items() if (name in twins) == paired]
        for paired in (True, False)
    )
    assert sum(alone) / len(alone) >= 0.99
    told = f"says {min(own):.2f} to {max(own):.2f} of the one that was done, and "
    told += f"{min(alone):.3f} to {max(alone):.3f} of all other actions"
    assert told in project_tools.said()


def test_graphs_are_faithful_on_average_and_shuffled_ones_are_not():
    for world in ("codes", "shapes3d"):
        rows = TOLD["faithful"][world].values()
        assert sum(row["rank"] for row in rows) / len(rows) >= 0.9
        assert all(abs(row["rank_shuffled"]) < 0.2 for row in rows)
