#!/usr/bin/env bash
# One picture called test_2.png makes an imagefolder of Hugging Face's datasets lose all the others.
# Guess: a folder per class without folders for splits is one split, train, with all pictures in it; a
# word such as "test" in one file's name, or as one of the classes, changes nothing. Seen with datasets
# 5.2.0: of 4 pictures in 2 classes one called test_2.png is all that is read, as split "test", without
# its label, and so is the one picture of a class called "eval" (of 3); of flat pictures one called
# dev-3.png becomes the whole set, "validation". No error, no warning. Words for splits are looked for
# in file names, too, and what fits none is left out as soon as one fits. With the file renamed all 4
# are there with their labels; so they are with an explicit data_files. Exits with 0 while so, else 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pillow==13.0.0
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" "$folder/venv/bin/python" -W ignore - "$folder" <<'PYTHON'
import logging
import sys
from pathlib import Path

import datasets
from PIL import Image

datasets.disable_progress_bars()
print("datasets", datasets.__version__)
base = Path(sys.argv[1])


def read(name, files, **how):
    """{split: (pictures, classes)} of a folder with these files."""
    for number, file in enumerate(files):
        path = base / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(path)
    found = datasets.load_dataset("imagefolder", data_dir=str(base / name), **how)
    told = {}
    for split, rows in found.items():
        label = rows.features.get("label")
        told[split] = (len(rows), getattr(label, "names", None))
    print(f"{', '.join(files)}{' with data_files' if how else ''} -> {told}")
    return told


seen = [
    read("plain", ["a/1.png", "a/2.png", "b/1.png", "b/3.png"]),
    read("named", ["a/1.png", "a/test_2.png", "b/1.png", "b/3.png"]),
    read("class", ["left/1.png", "right/2.png", "eval/3.png"]),
    read("flat", ["1.png", "2.png", "dev-3.png"]),
    read("told", ["a/1.png", "a/test_2.png", "b/1.png", "b/3.png"], data_files={"train": "**"}),
]
both = ["a", "b"]
raise SystemExit(
    seen
    != [
        {"train": (4, both)},
        {"test": (1, None)},
        {"test": (1, None)},
        {"validation": (1, None)},
        {"train": (4, both)},
    ]
)
PYTHON
