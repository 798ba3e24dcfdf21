#!/usr/bin/env bash
# causal-learn's G-test and chi-squared test find dependence where there is none, nearly always, once
# the table is thin. Guess: of independent columns about 5 in 100 tests reject at the level 0.05, and
# fewer of conditional ones with little data. Seen with causal-learn 0.1.4.8 and numpy 2.3.5, four
# independent columns of six values, two of them conditioned on: of 1,000 rows 0.99 are rejected by
# the G-test, of 4,000 rows 0.79; of 300 rows 0.77 by chi-squared, of 4,000 only 0.06. Nothing
# conditioned on: 0.02 to 0.07, as expected. Degrees of freedom count, stratum by stratum, only values
# that occur, while two rows that differ already add two to the statistic: over many thin strata the
# sum is far too large. PC then keeps edges that are not there. Exits with 0 while that is so, else 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --target "$folder" \
  causal-learn==0.1.4.8 numpy==2.3.5
PYTHONPATH=$folder "${PYTHON:-python3}" - <<'PYTHON'
import numpy as np
from importlib.metadata import version

from causallearn.utils.cit import CIT

print("causal-learn", version("causal-learn"), "numpy", np.__version__)
rng = np.random.default_rng(0)


def rejected(test, rows, given, times=100):
    """Share of tests of two independent columns that reject at 0.05."""
    found = []
    for _ in range(times):
        data = rng.integers(0, 6, (rows, 4))
        found.append(CIT(data, test)(0, 1, given) < 0.05)
    return float(np.mean(found))


seen = {
    (test, rows, len(given)): rejected(test, rows, given)
    for test in ("gsq", "chisq")
    for rows in (300, 1000, 4000)
    for given in ([], [2, 3])
}
for (test, rows, given), share in seen.items():
    print(f"{test:6} {rows:5} rows, {given} conditioned on: {share:.2f} rejected, expected 0.05")
told = all(share < 0.2 for (_, _, given), share in seen.items() if not given)
told = told and seen["gsq", 1000, 2] > 0.9 and seen["gsq", 4000, 2] > 0.6
told = told and seen["chisq", 300, 2] > 0.5 and seen["chisq", 4000, 2] < 0.2
raise SystemExit(not told)
PYTHON
