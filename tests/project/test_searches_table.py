"""What is said of graphs by search is in the results file."""

from __future__ import annotations

import json

import project_tools

from cvq_tutorial.common.folders import PROJECT_ROOT

ROWS = json.loads((PROJECT_ROOT / "figures" / "searches.json").read_text("utf-8"))
build_searches = project_tools.load("build_searches")


def test_the_page_is_that_of_the_results_file():
    page = (PROJECT_ROOT / "figures" / "searches.md").read_text("utf-8")
    assert page == build_searches.text(ROWS)


def test_what_the_page_says_is_measured():
    by = {(row["world"], row["search"]): row["edge_f1"] for row in ROWS}
    blind = [world for world in build_searches.WORLDS if world.startswith(("parity", "gate"))]
    for (world, how), found in by.items():
        if how == "sets of parents" and not world.startswith("parity of 4"):
            assert min(found) == 1.0, world
        if world in blind and how != "sets of parents":
            assert max(found) < 0.1, (world, how)
        if world not in blind:
            assert min(found) > 0.98, (world, how)
    assert all((world, "independence") in by for world in build_searches.WORLDS)
    words = " ".join(project_tools.said().split())
    assert "every set of at most three parents finds all of these exactly" in words
