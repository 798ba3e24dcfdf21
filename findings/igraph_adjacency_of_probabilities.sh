#!/usr/bin/env bash
# igraph takes a matrix of edge probabilities for a matrix of counts, and makes a graph without edges of
# it. Guess: `Graph.Adjacency` refuses numbers that are no counts, or takes whatever is not 0 for an
# edge, as networkx does. Seen with igraph 1.0.0 and networkx 3.6.1: of [[0, 0.9], [0, 0]] no edge is
# left, of 1.5 one, of 2 two parallel ones, each cut to a whole number without a warning; -1 is refused.
# networkx makes one edge of each. `Graph.Weighted_Adjacency` keeps 0.9 as a weight.
# Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  igraph==1.0.0 networkx==3.6.1 numpy==2.2.6
"$folder/venv/bin/python" -W error - <<'PYTHON'
import igraph
import networkx
import numpy as np

print("igraph", igraph.__version__, "networkx", networkx.__version__)
told = True
for value, edges in ((0.9, 0), (1.0, 1), (1.5, 1), (2.0, 2)):
    matrix = np.array([[0, value], [0, 0]])
    cut = igraph.Graph.Adjacency(matrix).ecount()
    kept = igraph.Graph.Weighted_Adjacency(matrix).es["weight"]
    other = networkx.from_numpy_array(matrix, create_using=networkx.DiGraph).number_of_edges()
    print(f"entry {value}: Adjacency {cut} edges, Weighted_Adjacency {kept}, networkx {other} edge")
    told = told and cut == edges and kept == [value] and other == 1
raise SystemExit(not told)
PYTHON
