#!/usr/bin/env bash
# A parameter that looks like a number in powers of ten, such as the short hash 7e12345 of a commit,
# is infinity to papermill's command line, and the notebook that it writes is no JSON. Seen with
# papermill 2.7.0: `-p commit 7e12345` injects float('inf'), and the file holds the bare word
# Infinity, which the standard of JSON does not have; `-r commit 7e12345` keeps the text. Exits with
# 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --target "$folder" \
  papermill==2.7.0 ipykernel==7.1.0
cd "$folder"
export PYTHONPATH=$folder
cat > book.ipynb <<'BOOK'
{"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"name": "python3",
 "display_name": "Python 3", "language": "python"}}, "cells": [{"cell_type": "code", "id": "a",
 "metadata": {"tags": ["parameters"]}, "execution_count": null, "outputs": [],
 "source": "commit = ''"}]}
BOOK
for flag in -p -r; do
  "${PYTHON:-python3}" -W ignore -m papermill --prepare-only book.ipynb "out$flag.ipynb" \
    "$flag" commit 7e12345 2>/dev/null
done
"${PYTHON:-python3}" - <<'PYTHON'
import json
from importlib.metadata import version
from pathlib import Path


def refuse(word):
    raise ValueError(f"{word} is no JSON")


print("papermill", version("papermill"))
told = {}
for flag in ("-p", "-r"):
    text = Path(f"out{flag}.ipynb").read_text()
    cell = json.loads(text)["cells"][1]["source"]
    try:
        json.loads(text, parse_constant=refuse)
        strict = "valid"
    except ValueError as error:
        strict = str(error)
    told[flag] = "".join(cell).splitlines()[-1], strict
    print(flag, "commit 7e12345:", *told[flag], sep="  ")
wanted = {"-p": ("commit = float('inf')", "Infinity is no JSON"), "-r": ('commit = "7e12345"', "valid")}
raise SystemExit(told != wanted)
PYTHON
