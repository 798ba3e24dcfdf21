"""The page of factor graphs is that of its results file, and says what was found."""

from __future__ import annotations

import json

import project_tools

from cvq_tutorial.common.folders import PROJECT_ROOT

ROWS = json.loads((PROJECT_ROOT / "figures" / "factor_graph.json").read_text("utf-8"))
build_factor_graph = project_tools.load("build_factor_graph")


def test_the_page_is_that_of_the_results_file():
    page = (PROJECT_ROOT / "figures" / "factor_graph.md").read_text("utf-8")
    assert page == build_factor_graph.text(ROWS)


def test_every_row_is_of_a_graph_that_is_told():
    for row in ROWS:
        assert row["edges"] == len(build_factor_graph.GRAPHS[row["graph"]])
        assert row["least"] is None or row["least"] <= 1
        assert (row["direct"] == 1.0) == (row["most"] <= 0.5 and (row["least"] or 1) > 0.5)


def test_what_is_said_of_it_is_measured():
    first = {row["graph"]: row for row in ROWS if row["seed"] == 0}
    words = " ".join(project_tools.said().split())
    assert "six graphs of six found, edge F1 1.0 each" in words
    assert len(first) == 6 and all(row["direct"] == 1.0 for row in first.values())
    assert "taken for the graph, has 0.80 on a chain" in words and first["chain"]["plain"] == 0.8
