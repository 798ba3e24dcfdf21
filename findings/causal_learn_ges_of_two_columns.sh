#!/usr/bin/env bash
# causal-learn's GES never joins two discrete columns when they are all there is. Guess: a column that
# is a copy of the other, with its values renamed, is joined to it, with or without further columns.
# Seen with causal-learn 0.1.4.8 and numpy 2.3.5, four values, 600 rows, the score BDeu as it is by
# default: alone the two are not joined and the score is -inf; beside a third, independent column they
# are. The prior gives each possible parent the share one over the number of others: of two columns it
# is certain that the other is a parent, so that "no parent" has a likelihood of zero, and nothing can
# be better than the start by a finite amount. `parameters` of ges() do not reach that prior (0.5 gave
# the same). Only numpy warns, of a logarithm of zero. Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --target "$folder" \
  causal-learn==0.1.4.8 numpy==2.3.5
PYTHONPATH=$folder "${PYTHON:-python3}" -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from causallearn.search.ScoreBased.GES import ges

print("causal-learn", version("causal-learn"), "numpy", np.__version__)
told = True
for seed in range(3):
    cause, other = np.random.default_rng(seed).integers(0, 4, (2, 600))
    columns = [cause, (cause + 1) % 4, other]
    for many in (2, 3):
        table = np.column_stack(columns[:many])
        found = ges(table, "local_score_BDeu")
        joined = bool(found["G"].graph[0, 1])
        print(f"seed {seed}, {many} columns: joined {joined}, score {float(found['score']):.4g}")
        told = told and joined == (many == 3) and np.isfinite(found["score"]) == (many == 3)
    half = {"sample_prior": 1, "structure_prior": 0.5, "r_i_map": {0: 4, 1: 4}}
    told = told and not ges(np.column_stack(columns[:2]), "local_score_BDeu", parameters=half)["G"].graph.any()
raise SystemExit(not told)
PYTHON
