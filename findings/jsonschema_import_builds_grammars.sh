#!/usr/bin/env bash
# Importing jsonschema compiles 39 grammars of URIs wherever Jupyter's servers are installed, though
# no format was asked for: jupyter-events asks for jsonschema[format-nongpl], that brings
# rfc3987-syntax, and that builds a Lark parser for each rule as it is imported. `import nbformat`
# does it too, which checks notebooks with fastjsonschema. Seen with jsonschema 4.26.0,
# rfc3987-syntax 1.1.0, nbformat 5.11.1: more than half of all the time of `import nbformat` (about
# 1.0 of 1.1 seconds; 0.1 without that package). Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --target "$folder" \
  nbformat==5.11.1 jsonschema==4.26.0 jupyter-events==0.12.1 rfc3987-syntax==1.1.0 lark==1.3.1
cd "$folder"
export PYTHONPATH=$folder
cat > count.py <<'PYTHON'
import json
import sys
import time

import lark

built = []
original = lark.Lark.__init__


def counted(self, *arguments, **options):
    built.append(options.get("start"))
    original(self, *arguments, **options)


lark.Lark.__init__ = counted
if sys.argv[2] == "without":
    sys.modules["rfc3987_syntax"] = None  # as if it were not installed
began = time.perf_counter()
__import__(sys.argv[1])
print(json.dumps([len(built), round(time.perf_counter() - began, 2)]))
PYTHON
"${PYTHON:-python3}" - <<'PYTHON'
import json
import subprocess
import sys
from importlib.metadata import requires, version

names = "nbformat", "jsonschema", "jupyter-events", "rfc3987-syntax"
print({name: version(name) for name in names})
asked = [line for line in requires("jupyter-events") if line.startswith("jsonschema")]
print("jupyter-events requires", *asked)
told = {}
for package in ("jsonschema", "nbformat"):
    for how in ("with", "without"):
        run = [sys.executable, "count.py", package, how]
        told[package, how] = json.loads(subprocess.run(run, capture_output=True, check=True).stdout)
        grammars, seconds = told[package, how]
        print(f"import {package} {how} rfc3987-syntax: {grammars} grammars, {seconds} s")
same = all(told[p, "with"][0] == 39 and told[p, "without"][0] == 0 for p in ("jsonschema", "nbformat"))
most = told["nbformat", "with"][1] > 2 * told["nbformat", "without"][1]
raise SystemExit(not (same and most and "format-nongpl" in asked[0]))
PYTHON
