#!/usr/bin/env bash
# gCastle's measures call a graph perfect that has every edge in both directions. Guess: of an estimate
# that says a -> b and b -> a where only a -> b is true, half the edges are wrong: a structural Hamming
# distance of one for each, a false discovery rate of 0.5, and no rate above 1. Seen with gcastle 1.0.4
# and numpy 2.2.6, a chain of three nodes and its transpose together: distance 0, false discovery rate
# 0.0, true positive rate 2.0, while `precision` of the same object is 0.5. An estimate of a chain with
# all edges turned round has a false positive rate of 2.0. A pair of opposite edges is taken for one
# without direction, which is right whichever way the truth points, and is counted twice. Scores of
# several methods side by side then favour whatever says both. Exits with 0 while that is so, else 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gcastle==1.0.4 numpy==2.2.6
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from castle.metrics import MetricsDAG

print("gcastle", version("gcastle"), "numpy", np.__version__)
true = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]])
seen = {}
for name, estimate in (("true", true), ("turned round", true.T), ("both ways", true + true.T)):
    told = MetricsDAG(estimate, true).metrics
    seen[name] = {k: float(told[k]) for k in ("shd", "fdr", "tpr", "fpr", "precision", "recall")}
    print(f"{name:13}", ", ".join(f"{k} {v:.1f}" for k, v in seen[name].items()))
both, turned = seen["both ways"], seen["turned round"]
told = both["shd"] == 0 and both["fdr"] == 0 and both["tpr"] == 2 and both["precision"] == 0.5
raise SystemExit(not (told and turned["fpr"] == 2 and seen["true"]["shd"] == 0))
PYTHON
