"""Graphs go to other tools and come back; the lines of code are those of figures/exchange.md."""

from __future__ import annotations

import warnings

import numpy as np
import project_tools
import pytest

from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.graphs import files
from cvq_tutorial.graphs.graph import CausalGraph

exchange = project_tools.load("build_exchange")
TABLE = (PROJECT_ROOT / "figures" / "exchange.md").read_text(encoding="utf-8")


@pytest.fixture(params=exchange.TOOLS, ids=lambda tool: tool.package)
def tool(request):
    found = exchange.version(request.param)
    if found is None:
        pytest.skip(f"{request.param.package} is not installed")
    return request.param


def test_a_graph_goes_there_and_comes_back(tool):
    names = ("floor hue", "scale", "wall", "alone")
    edges = np.zeros((4, 4))
    edges[2, 0] = edges[0, 1] = edges[2, 1] = 1.0  # wall -> floor hue -> scale, wall -> scale
    graph = CausalGraph(edges, names)
    known = {"graph": graph, "names": names, "np": np, "files": files, "CausalGraph": CausalGraph}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(f"import {tool.module}\n{tool.take}\nback = {tool.bring}", known)
    assert known["back"].names == names
    assert np.array_equal(known["back"].edges, edges)


def test_its_matrix_points_as_the_table_says(tool):
    [line] = [line for line in TABLE.splitlines() if line.startswith(f"| {tool.package} |")]
    assert f"| {exchange.points(tool)} |" in line
    if "from_matrix" in tool.bring:
        assert f'"{exchange.points(tool)}"' in tool.bring


def test_the_table_has_the_lines_that_are_tested():
    for tool in exchange.TOOLS:
        [line] = [line for line in TABLE.splitlines() if line.startswith(f"| {tool.package} |")]
        assert f"`{tool.bring}`" in line and f"`{tool.take}`" in line
