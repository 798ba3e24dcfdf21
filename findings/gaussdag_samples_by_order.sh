#!/usr/bin/env bash
# GaussDAG of graphical_models samples another model than the one it describes where its nodes are not
# named in the order 0, 1, 2, ... Guess: the names of the nodes only say which column is whose. Seen
# with graphical_models 0.1a21 and numpy 2.2.6, the chain 2 -> 0 -> 1 with weights 5 and 1: given as
# [0, 1, 2] the samples have the variances 1, 26 and 27, as `covariance` has; given in the order of
# causes, [2, 0, 1], `covariance` says the same and the samples have variances near 1, 1 and 1 and no
# correlation: the weight of an edge is looked up by the name of its end, in a matrix that is sorted
# like the list of nodes. Here it meets zeros, elsewhere another edge's weight. Nothing is said.
# Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
pip=("$folder/venv/bin/pip" install --quiet --disable-pip-version-check)
# What it needs first: the small build of xgboost does, which it only imports.
"${pip[@]}" numpy==2.2.6 pgmpy==1.1.2 einops==0.8.2 xgboost-cpu==3.2.0
"${pip[@]}" --no-deps graphical_models==0.1a21
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from graphical_models import GaussDAG

print("graphical_models", version("graphical_models"), "numpy", np.__version__)
told = True
for order in ([0, 1, 2], [2, 0, 1]):
    graph = GaussDAG(order, arcs={(2, 0): 5.0, (0, 1): 1.0})
    np.random.seed(0)
    samples = graph.sample(20_000)
    column = [order.index(node) for node in (2, 0, 1)]  # in the order of causes
    said = np.diag(graph.covariance)[column].round(2)
    found = samples.var(0)[column].round(2)
    related = np.corrcoef(samples.T)[column[0], column[1]].round(2)
    print(f"nodes {order}: variances of 2, 0, 1 said {said}, of samples {found}, 2 with 0 {related}")
    told = told and said.tolist() == [1, 26, 27]
    wanted = [1, 26, 27] if order == [0, 1, 2] else [1, 1, 1]
    told = told and np.allclose(found, wanted, rtol=0.05)
    told = told and (related > 0.95 if order == [0, 1, 2] else abs(related) < 0.05)
raise SystemExit(not told)
PYTHON
