#!/usr/bin/env bash
# igraph's Graph.Formula of a partly directed graph depends on which edge is written first. Guess: an
# edge without an arrow beside one with an arrow is kept as edges in both directions, or refused, and
# the order of the parts changes nothing. Seen with igraph 1.0.0: of "a -> b, b - c" the edge b - c is
# gone, of "b - c, a -> b" it is an arc b -> c, of "c - b, a -> b" an arc c -> b. Such formulas are how
# the class of a causal graph (a CPDAG) is written. "b <-> c" makes both directions in either order.
# Nothing is said. Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check igraph==1.0.0
"$folder/venv/bin/python" -W error - <<'PYTHON'
import igraph

print("igraph", igraph.__version__)
expected = {
    "a -> b, b - c": [("a", "b")],
    "b - c, a -> b": [("a", "b"), ("b", "c")],
    "c - b, a -> b": [("a", "b"), ("c", "b")],
    "a -> b, b <-> c": [("a", "b"), ("b", "c"), ("c", "b")],
    "b <-> c, a -> b": [("a", "b"), ("b", "c"), ("c", "b")],
}
told = True
for formula, edges in expected.items():
    graph = igraph.Graph.Formula(formula)
    found = sorted(tuple(graph.vs[edge.tuple]["name"]) for edge in graph.es)
    print(f"{formula:16} -> {found}, nodes {graph.vs['name']}")
    told = told and graph.is_directed() and found == edges
raise SystemExit(not told)
PYTHON
