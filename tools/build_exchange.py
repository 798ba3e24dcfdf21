"""Which way the matrices of other tools point, measured, and how graphs go to and fro.

    python tools/build_exchange.py            -> figures/exchange.md

Each tool that is installed learns, or is told, that x is a cause of y; where its matrix then has
its entry is what the table says. The lines of code in it are run as they stand (`tests/graphs/
test_exchange.py`). A tool that is not installed keeps the row that it has in the table.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

import numpy as np

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT

OUT = PROJECT_ROOT / "figures" / "exchange.md"
HEAD = """# Graphs to and from other tools

Made by `python tools/build_exchange.py`. *Points* was measured: each tool learnt, or was told,
that x is a cause of y. In `row_is_cause` the entry is at `M[x, y]`, as here; in `row_is_effect` at
`M[y, x]`. `graph` is a `CausalGraph`, `files` is `cvq_tutorial.graphs.files`; what stands in the
last two columns is run by the tests. Tools that want a DAG refuse cycles and own edges:
`graph.cycles()` shows them.

| tool | version | its matrix or graph | points | bring it here | take ours there |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Tool:
    """package: its name on PyPI.  module: what is imported.  what: the matrix.

    probe: returns the matrix (2, 2) of a graph x -> y, as floats.
    take: statements that make `theirs` of `graph`.  bring: an expression of `theirs`.
    """

    package: str
    module: str
    what: str
    probe: Callable[[], Any]
    bring: str
    take: str


def pairs(n: int = 1000) -> np.ndarray:
    """(n, 2): x and y = 2 x + noise, neither of them Gaussian, so that the direction is seen."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=n)
    return np.stack([x, 2 * x + rng.uniform(size=n)], axis=1)


def networkx_says() -> Any:
    import networkx

    return networkx.to_numpy_array(networkx.DiGraph([("x", "y")]))


def igraph_says() -> Any:
    import igraph

    return igraph.Graph(n=2, edges=[(0, 1)], directed=True).get_adjacency().data


def pgmpy_says() -> Any:
    import networkx
    from pgmpy.models import DiscreteBayesianNetwork

    return networkx.to_numpy_array(DiscreteBayesianNetwork([("x", "y")]), weight="none of them")


def dowhy_says() -> Any:
    import dowhy.gcm
    import networkx

    model = dowhy.gcm.StructuralCausalModel(networkx.DiGraph([("x", "y")]))
    return networkx.to_numpy_array(model.graph)


def lingam_says() -> Any:
    import lingam

    return lingam.DirectLiNGAM().fit(pairs()).adjacency_matrix_


def gcastle_says() -> Any:
    from castle.algorithms import DirectLiNGAM

    model = DirectLiNGAM()
    model.learn(pairs())
    return np.asarray(model.causal_matrix)


def causal_learn_says() -> Any:
    """Of a collider x -> y <- z: PC alone does not turn an edge between two."""
    from causallearn.search.ConstraintBased.PC import pc

    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 1000))
    data = np.stack([x, x + z + 0.3 * rng.normal(size=1000), z], axis=1)
    return pc(data, 0.05, show_progress=False).G.graph[:2, :2] == 1


def tigramite_says() -> Any:
    from tigramite.data_processing import DataFrame
    from tigramite.independence_tests.parcorr import ParCorr
    from tigramite.pcmci import PCMCI

    data = np.random.default_rng(0).normal(size=(500, 2))
    data[1:, 1] += 2 * data[:-1, 0]
    told = PCMCI(dataframe=DataFrame(data), cond_ind_test=ParCorr(), verbosity=0)
    return (told.run_pcmci(tau_max=1, pc_alpha=0.01)["graph"] == "-->").any(axis=2)


TOOLS = [
    Tool(
        "networkx",
        "networkx",
        "`to_numpy_array(digraph)`",
        networkx_says,
        "files.from_networkx(theirs)",
        "theirs = files.to_networkx(graph)",
    ),
    Tool(
        "igraph",
        "igraph",
        "`get_adjacency()`",
        igraph_says,
        "files.from_networkx(theirs.to_networkx())",
        'theirs = igraph.Graph.Weighted_Adjacency(graph.edges, attr="probability"); '
        'theirs.vs["name"] = graph.names',
    ),
    Tool(
        "pgmpy",
        "pgmpy.models",
        "`DiscreteBayesianNetwork`, a DiGraph",
        pgmpy_says,
        "files.from_networkx(theirs)",
        "theirs = pgmpy.models.DiscreteBayesianNetwork(); theirs.add_nodes_from(graph.names); "
        "theirs.add_edges_from(files.to_networkx(graph.threshold(0.5)).edges)",
    ),
    Tool(
        "dowhy",
        "dowhy.gcm",
        "`StructuralCausalModel.graph`, a DiGraph",
        dowhy_says,
        "files.from_networkx(theirs.graph)",
        "theirs = dowhy.gcm.StructuralCausalModel(files.to_networkx(graph.threshold(0.5)))",
    ),
    Tool(
        "causal-learn",
        "causallearn.graph.GeneralGraph",
        "`G.graph`: `[j, i] = 1` and `[i, j] = -1` is i -> j",
        causal_learn_says,
        'CausalGraph.from_matrix((theirs.graph == 1) & (theirs.graph.T == -1), "row_is_effect", '
        "theirs.get_node_names())",
        "from causallearn.graph.GraphNode import GraphNode; nodes = [GraphNode(n) for n in "
        "graph.names]; theirs = causallearn.graph.GeneralGraph.GeneralGraph(nodes); "
        "[theirs.add_directed_edge(nodes[i], nodes[j]) for i, j, _ in graph.pairs()]",
    ),
    Tool(
        "lingam",
        "lingam",
        "`adjacency_matrix_`: coefficients",
        lingam_says,
        'CausalGraph.from_matrix(theirs, "row_is_effect", names, at_least=0.1)',
        "theirs = graph.present.T.astype(float)",
    ),
    Tool(
        "gcastle",
        "castle.metrics",
        "`causal_matrix`",
        gcastle_says,
        'CausalGraph.from_matrix(theirs, "row_is_cause", names)',
        "theirs = graph.present.astype(int)",
    ),
    Tool(
        "tigramite",
        "tigramite",
        '`results["graph"]`: `[i, j, lag]` is `-->`',
        tigramite_says,
        'CausalGraph.from_matrix((theirs == "-->").any(axis=2), "row_is_cause", names)',
        'theirs = np.where(graph.present, "-->", "")[:, :, None].repeat(2, axis=2); '
        'theirs[:, :, 0] = ""',
    ),
]


def version(tool: Tool) -> str | None:
    """The version that is installed, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_module(tool.module)
        return metadata.version(tool.package)
    except ImportError:
        return None


def points(tool: Tool) -> str:
    """Which way the tool's matrix points, as the tool itself says. RuntimeError if it says both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = np.asarray(tool.probe(), dtype=float) != 0
    if found[0, 1] == found[1, 0]:
        raise RuntimeError(f"{tool.package}: expected one direction between x and y, found {found}")
    return "row_is_cause" if found[0, 1] else "row_is_effect"


def row(tool: Tool, old: str) -> str:
    """A line of the table, the old one where the tool is not installed."""
    found = version(tool)
    if found is None:
        kept = [line for line in old.splitlines() if line.startswith(f"| {tool.package} |")]
        print(f"{tool.package}: not installed, {'row kept' if kept else 'no row'}", file=sys.stderr)
        return "".join(f"{line}\n" for line in kept)
    cells = [tool.package, found, tool.what, points(tool), f"`{tool.bring}`", f"`{tool.take}`"]
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    logging.disable(logging.CRITICAL)  # some tools greet
    old = OUT.read_text(encoding="utf-8") if OUT.exists() else ""
    write_atomic(OUT, (HEAD + "".join(row(tool, old) for tool in TOOLS)).encode())


if __name__ == "__main__":
    main()
