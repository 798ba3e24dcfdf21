#!/usr/bin/env bash
# nbconvert's default page drops the alternative text of a picture that the notebook holds, and tells
# readers who hear the page that there is none. Guess: the output's metadata `image/png: {alt: ...}`,
# which nbconvert reads, is in every HTML page. Seen with nbconvert 7.17.2 and nbformat 5.10.4: the
# template `classic` has it; `lab`, the default, writes "No description has been provided for this
# image" in its place, though the text stands in the metadata that the template is given.
# Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check nbconvert==7.17.2 nbformat==5.10.4
"$folder/env/bin/python" - <<'PYTHON'
import base64
import struct
import zlib
from importlib.metadata import version

from nbconvert import HTMLExporter
from nbformat import v4


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


pixel = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
pixel += chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + pixel).decode()
shown = v4.new_output("display_data", {"image/png": png}, metadata={"image/png": {"alt": "a red dot"}})
notebook = v4.new_notebook(cells=[v4.new_code_cell("dot", outputs=[shown])])
print("nbconvert", version("nbconvert"), "nbformat", version("nbformat"))
found = {}
for name in ("classic", "lab"):
    page, _ = HTMLExporter(template_name=name).from_notebook_node(notebook)
    found[name] = ("a red dot" in page, "No description has been provided" in page)
    print(f"{name}: alternative text there {found[name][0]}, said to be missing {found[name][1]}")
raise SystemExit(found != {"classic": (True, False), "lab": (False, True)})
PYTHON
