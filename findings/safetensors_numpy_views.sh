#!/usr/bin/env bash
# safetensors.numpy saves a transposed array with its numbers in another order, without a word: the
# bytes are those of the memory, the shape that of the view. Seen with safetensors 0.8.0 and numpy
# 2.4.6: the transpose of [[0, 1, 2], [3, 4, 5]] comes back as [[0, 1], [2, 3], [4, 5]], an array in
# Fortran's order mixed up as well; a copy in C's order (np.ascontiguousarray) comes back as it was.
# Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --target "$folder" \
  safetensors==0.8.0 numpy==2.4.6
PYTHONPATH=$folder "${PYTHON:-python3}" - <<'PYTHON'
import numpy as np
import safetensors
from safetensors.numpy import load, save

rows = np.arange(6).reshape(2, 3)
print("safetensors", safetensors.__version__, "numpy", np.__version__)
same = {}
for name, array in {
    "as it is": rows,
    "transposed": rows.T,
    "Fortran's order": np.asfortranarray(rows),
    "transposed, copied": np.ascontiguousarray(rows.T),
}.items():
    back = load(save({"x": array}))["x"]
    same[name] = np.array_equal(back, array)
    print(f"{name}: {array.tolist()} came back as {back.tolist()}")
wanted = {"as it is": True, "transposed": False, "Fortran's order": False, "transposed, copied": True}
raise SystemExit(same != wanted)
PYTHON
