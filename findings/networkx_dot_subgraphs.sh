#!/usr/bin/env bash
# What a subgraph of a DOT file holds is lost when networkx reads the file: its edges and its nodes.
# The file is plain DOT: a frame (cluster) around a -> b, and b -> c outside of it; three nodes and
# two edges. Seen with networkx 3.6.1 and pydot 4.0.1: one edge, b -> c; the node a is not there, and
# no warning says so. Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --target "$folder" \
  networkx==3.6.1 pydot==4.0.1
PYTHONPATH=$folder "${PYTHON:-python3}" -W ignore - <<'PYTHON'
import networkx
import pydot

[parsed] = pydot.graph_from_dot_data("digraph { subgraph cluster_0 { a -> b } b -> c }")
inside = [edge.get_source() + edge.get_destination() for edge in parsed.get_subgraphs()[0].get_edges()]
graph = networkx.nx_pydot.from_pydot(parsed)
found = sorted(graph.nodes), sorted(edge[:2] for edge in graph.edges)
print("networkx", networkx.__version__, "pydot", pydot.__version__)
print("edges in the subgraph, as pydot has them:", inside)
print("nodes and edges of networkx:", *found)
raise SystemExit(inside != ["ab"] or found != (["b", "c"], [("b", "c")]))
PYTHON
