#!/usr/bin/env bash
# A comment that begins with the name of a shell's command is no comment any more when jupytext opens
# the script as a notebook. Guess: only lines that look like magics ("# %matplotlib", "# !ls") lose
# their sign of a comment. Seen with jupytext 1.19.6: so do "# cat and dog are the classes", "# copy the
# codes", "# ls of one row", "# echo of the input" and "# why?"; "# more codes", "# dog and cat" and
# "# which one?" stay. The script runs, the cell stops with an error of syntax; of the question a page
# of help is asked for. Written back as a script the comments are there again, so that comparing the two
# scripts shows nothing. With comment_magics=False all comments stay. Exits with 0 while so, else 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jupytext==1.19.6 nbformat==5.10.4
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import jupytext

print("jupytext", jupytext.__version__)
lost = [
    "# cat and dog are the classes",
    "# copy the codes",
    "# ls of one row",
    "# echo of the input",
    "# why?",
]
kept = ["# more codes", "# dog and cat", "# which one?"]
told = True
for comment in lost + kept:
    script = f"# %%\nx = 1\n{comment}\ny = 2\n"
    exec(compile(script, "script", "exec"), {})
    notebook = jupytext.reads(script, fmt="py:percent")
    line = notebook.cells[0].source.splitlines()[1]
    same = jupytext.writes(notebook, fmt="py:percent").endswith(script)
    plain = {"extension": ".py", "format_name": "percent", "comment_magics": False}
    off = jupytext.reads(script, fmt=plain).cells[0].source.splitlines()[1]
    try:
        compile(notebook.cells[0].source, "cell", "exec")
        valid = True
    except SyntaxError:
        valid = False
    print(f"{comment:32} -> {line:32} plain Python: {valid}; written back as it was: {same}")
    told = told and same and off == comment and valid == (comment in kept)
    told = told and line == (comment if comment in kept else comment[2:])
raise SystemExit(not told)
PYTHON
