"""What a lesson says in numbers about a model that it trains is printed on the page, or reviewed.

A short training is not the same on every machine. So after the first training of a lesson, a number
in its words has to be one that its cells print or hold as a setting, or one of `REVIEWED`: numbers
that no training can change.
"""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent / "notebooks"
TRAINED = ("04_learn", "07_train", "09_know", "10_bring", "11b_know", "11d_know", "12_learn")
TRAINS = re.compile(r"\.backward\(\)|[ =]train\(")
WORDS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
COUNTED = (
    "edges? crosses crossings? squares? nats dB points times targets codes hues pairs edits of in"
)
NUMBER = re.compile(
    r"(?<![\w.`/^{_-])(?:\d+\.\d+|\d+(?= %)|\d+(?= of 1?\d))(?![\w`])"  # 0.97, 12 %, 5 of 240
    rf"|\b(?:{'|'.join(WORDS)})(?= (?:{'|'.join(COUNTED.split())})\b)"
    r"|\b(?:half|a third|a quarter|a tenth|thousands|hundreds|dozens?)\b"
)
REVIEWED = {  # lesson -> what its words may say in numbers that are not printed, and why
    "04_learn": {},
    "07_train": {
        "dozen": "how many pairs start at a hue: of the draw",
        "a tenth": "the share of one of ten hues",
    },
    "09_know": {"0.6": "of a table in `figures`", "1.000": "of a table in `figures`"},
    "10_bring": dict.fromkeys(("dozen", "hundreds", "five"), "said to the reader, not of a model"),
    "11b_know": {},
    "11d_know": {},
    "12_learn": {
        "thousands": "what was not needed, said to the reader",
        "2510.01337": "the number of a paper",
    },
}


def unprinted(name: str) -> set[str]:
    """Numbers in the words after the first training that are neither printed nor settings."""
    (path,) = ROOT.glob(f"{name}*.ipynb")
    (source,) = (ROOT / "src").glob(f"{name}*.py")
    cells = nbformat.read(path, as_version=4).cells
    printed = " ".join(o.get("text", "") for c in cells for o in c.get("outputs", []))
    code = " ".join(c.source for c in cells if c.cell_type == "code")
    trained, found = False, set()
    for cell in jupytext.read(source).cells:
        if cell.cell_type == "code":
            trained |= bool(TRAINS.search(cell.source))
        elif trained:
            words, end, _ = cell.source.partition("## Exercises")
            told = re.sub(
                r"\$\$.*?\$\$|\*\*Predict.*?\n\n|```.*?```", "", words + "\n\n", flags=re.S
            )
            for number in NUMBER.findall(told):
                if not re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", f"{printed} {code}"):
                    found.add(number)
            if end:
                break
    return found


@pytest.mark.parametrize("name", TRAINED)
def test_numbers_about_what_is_trained_here_are_on_the_page(name):
    assert unprinted(name) <= set(REVIEWED[name]), name


def test_the_gate_sees_a_count_of_crosses():
    assert NUMBER.findall("above are eleven crosses, below one") == ["eleven"]
    assert NUMBER.findall("at most 0.26; 5 of 240; falls by 12 %; half of them") == [
        "0.26", "5", "12", "half",
    ]  # fmt: skip
    assert NUMBER.findall("lesson 04, step 3, `0.5`, two worlds, exercise 2") == []
