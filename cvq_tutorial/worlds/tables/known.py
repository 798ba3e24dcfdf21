"""A list of pairs of pictures that are known to differ in one attribute alone."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from cvq_tutorial.worlds.tables.files import AttributeTable
from cvq_tutorial.worlds.tables.sheet import Problem, refuse, tell


def read_known_pairs(path: Path, table: AttributeTable, problem: Problem = refuse) -> np.ndarray:
    """Pairs of pictures that are known to differ in one attribute: int64 (P, 3).

    Columns of the result: number of the picture without it, number of the picture with it, number
    of the attribute.

    Args:
        path: a CSV with the columns image_off, image_on and attribute.
        table: of the pictures.
        problem: see `read`; a pair with a problem is left out.

    Raises:
        ValueError: as `problem` does; a header without these columns; no pair.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        lines = [(reader.line_num, [text.strip() for text in row]) for row in reader if row]
    _, header = lines[0] if lines else (1, [])
    wanted = ("image_off", "image_on", "attribute")
    if any(name not in header for name in wanted):
        found = ", ".join(header) or "nothing"
        raise ValueError(f"{path} line 1: expected {', '.join(wanted)}, found {found}")
    places = [header.index(name) for name in wanted]
    attribute_of = {name: i for i, name in enumerate(table.names)}
    pairs = []
    short, strange, other, apart = [], [], [], []
    for line, row in lines[1:]:
        if len(row) != len(header):
            short.append(f"{path} line {line}: expected {len(header)} values, found {len(row)}")
            continue
        off, on, name = (row[place] for place in places)
        missing = [picture for picture in (off, on) if picture not in table.rows]
        if missing or name not in attribute_of:
            what = f"picture {missing[0]}" if missing else f"attribute {name!r}"
            strange.append(f"{path} line {line}: {what} is not in {table.source.name}")
            continue
        pair = (table.rows[off], table.rows[on], attribute_of[name])
        read = table.values[list(pair[:2]), pair[2]]
        if read.tolist() != [0, 1]:
            other.append(
                f"{path} line {line}: expected {name} off in {off} and on in {on}, found "
                f"{int(read[0])} and {int(read[1])} in {table.source.name}"
            )
        elif table.split[pair[0]] != table.split[pair[1]]:
            apart.append(f"{path} line {line}: {off} and {on} are in two splits")
        else:
            pairs.append(pair)
    for texts in (short, strange, other, apart):
        tell(problem, texts)
    if not pairs:
        raise ValueError(f"{path}: expected a line per pair, found none that can be used")
    return np.array(pairs, dtype=np.int64)
