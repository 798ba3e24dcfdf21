#!/usr/bin/env bash
# pgmpy's reader of lavaan's models drops every line it does not know in full, without a word. Guess: a
# coefficient before a variable ("b ~ 0.3*a"), a comment and a formula that goes on in the next line are
# ordinary lavaan, so the edges are read, or an error says that they are not. Seen with pgmpy 1.1.2:
# "b ~ 0.3*a + c" and "b ~ a + c  # why" give a graph without nodes, "b ~ a +" and "  c" on two lines
# lose c -> b, "b ~ p*a" beside "c ~ b" loses one edge of two, "y =~ 1*x1 + x2" all of them; of
# "b ~ 1 + a" the intercept becomes a cause called "1". "b ~ a + c" is read rightly. Whoever reads a
# fitted model back gets a smaller graph. Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pgmpy==1.1.2
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

from pgmpy.base import DAG

print("pgmpy", version("pgmpy"))
expected = {
    "b ~ a + c": [("a", "b"), ("c", "b")],
    "b ~ 0.3*a + c": [],
    "b ~ a + c  # why": [],
    "b ~ a +\n  c": [("a", "b")],
    "b ~ p*a\nc ~ b": [("b", "c")],
    "y =~ 1*x1 + x2": [],
    "b ~ 1 + a": [("1", "b"), ("a", "b")],
}
told = True
for text, edges in expected.items():
    found = sorted(DAG.from_lavaan(text).edges())
    print(f"{text!r:22} -> {found}")
    told = told and found == edges
raise SystemExit(not told)
PYTHON
