"""Attribute tables: which picture has which of a number of yes/no attributes, read and checked.

Two layouts are known:

* CelebA's: `list_attr_celeba.txt` (a count, the names, then a line per picture with -1 or 1 for
  each), `img_align_celeba/`, and where they are there `list_eval_partition.txt` (0 train, 1 valid,
  2 test) and `identity_CelebA.txt`;
* a folder with a CSV: a header, then a line per picture that starts with the name of its file.
  Columns of 0 and 1 (or -1 and 1) are attributes, a column `split` (or `partition`) and a column
  `identity` are what they say, and columns of text are left out.

By default the first thing that is wrong raises ValueError; see `attribute_text` for `problem`. A
picture with a problem is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from cvq_tutorial.worlds.factors import SPLITS, split_of_keys
from cvq_tutorial.worlds.pictures import safe_name
from cvq_tutorial.worlds.tables.text import (
    Problem,
    Row,
    csv_lines,
    read_celeba,
    read_csv,
    read_words,
    refuse,
)

CELEBA = "list_attr_celeba.txt"
CELEBA_CSV = "list_attr_celeba.csv"  # the same as some mirrors hold it
PARTITIONS = ("list_eval_partition.txt", "list_eval_partition.csv")
IDENTITY = "identity_CelebA.txt"
PAIRS = "one_attribute_pairs.csv"  # image_off, image_on, attribute: pairs that are known to be one
_FOLDERS = ("", "img_align_celeba", "img_align_celeba/img_align_celeba", "images", "img")
_SPLIT_WORDS = {
    **{word: i for i, word in enumerate(SPLITS)},
    **{"0": 0, "1": 1, "2": 2, "val": 1, "validation": 1},
}


@dataclass(frozen=True)
class AttributeTable:
    """A checked table of M pictures and T attributes.

    Attributes:
        source: the file it was read from.  folder: where the pictures are.
        files: M names, in the order of the table.  names: T attribute names as the file has them.
        values: uint8 (M, T) of 0 and 1.
        split: uint8 (M,), a position in SPLITS.
        identity: int64 (M,), pictures of one person (or thing) share a number of 0 or more; -1
            where it is unknown, None where all are.
        split_by: what the split follows: a file, "column split", "identity" or "file name".
        left_out: columns of a CSV that hold no attribute.
    """

    source: Path
    folder: Path
    files: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray
    split: np.ndarray
    identity: np.ndarray | None
    split_by: str
    left_out: tuple[str, ...] = ()

    @cached_property
    def rows(self) -> dict[str, int]:
        """Number of each picture by its file name."""
        return {name: row for row, name in enumerate(self.files)}

    @cached_property
    def fingerprint(self) -> str:
        """Hash of names, values and splits (not of the pixels: there may be gigabytes)."""
        text = "\n".join((*self.names, *self.files)).encode()
        return hashlib.sha256(text + self.values.tobytes() + self.split.tobytes()).hexdigest()[:16]

    def distance(self, one: np.ndarray, others: np.ndarray) -> np.ndarray:
        """In how many of all attributes pictures differ from others.

        one: numbers (n,).  others: numbers (n, k).
        Returns int64 (n, k).
        """
        return (self.values[one][:, None] != self.values[others]).sum(axis=2)


def find_table(root: Path) -> Path:
    """The attribute file of a folder, or `root` itself where it is a file.

    Raises:
        FileNotFoundError: there is none; the message says what was looked for.
        ValueError: several CSV files, and no way to tell which.
    """
    if root.is_file():
        return root
    for folder in (root, root.parent) if root.name == "img_align_celeba" else (root,):
        for name in (CELEBA, CELEBA_CSV):
            if (folder / name).is_file():
                return folder / name
    others = {PAIRS, *PARTITIONS}  # of this package, or of CelebA, beside the table
    inside = sorted(root.iterdir()) if root.is_dir() else []
    tables = [p for p in inside if p.suffix.lower() == ".csv" and p.name not in others]
    if not tables:
        raise FileNotFoundError(
            f"no attribute table in {root}: expected {CELEBA}, or a CSV file with a line per "
            "picture"
        )
    if len(tables) > 1:
        found = ", ".join(table.name for table in tables[:5])
        raise ValueError(f"{root}: expected one CSV file, found {len(tables)} ({found}); name one")
    return tables[0]


def read_table(root: str | Path, problem: Problem = refuse) -> AttributeTable:
    """Read the table of a folder in either layout, with its splits and identities.

    Where no file or column gives the split it is drawn from a fixed hash: of the identity where
    that is known, else (also where its cell is blank) of the file name. One identity never lies in
    two splits.

    Args:
        root: a folder, or the table file itself.
        problem: see the module's text.

    Raises:
        FileNotFoundError: no table, or none of its pictures. ValueError: a table that cannot be
            read at all; with the default `problem`, anything that is wrong with it.
    """
    source = find_table(Path(root))
    lines = (read_csv if source.suffix.lower() == ".csv" else read_celeba)(source, problem)
    if not lines.rows:
        raise ValueError(f"{source}: expected a line per picture, found none that can be read")
    folder = _folder_of(source, lines.rows)
    rows = _present(source, folder, lines.rows, problem)
    if not rows:
        raise ValueError(f"{source}: expected pictures in {folder}, found none that is listed")
    files = tuple(row.file for row in rows)
    values = np.frombuffer(b"".join(row.bits for row in rows), dtype=np.uint8)
    values = values.reshape(len(rows), len(lines.names))

    people = lines.columns.get("identity") or None  # a column of blanks says nothing
    if people is None and (source.parent / IDENTITY).is_file():
        people = read_words(source.parent / IDENTITY, files, lines.mentioned, problem)
    identity = None
    if people is not None:
        number = {person: i for i, person in enumerate(dict.fromkeys(people.values()))}
        identity = np.array([number.get(people.get(name, ""), -1) for name in files], np.int64)

    words, split_by = lines.columns.get("split"), "column split"
    for name in PARTITIONS:
        if words is None and (source.parent / name).is_file():
            words = read_words(source.parent / name, files, lines.mentioned, problem)
            split_by = name
    if words is None:
        split_by = "file name" if people is None else "identity"
        keys = files if people is None else [people.get(name, name) for name in files]
        split = split_of_keys(np.array([_hash(key) for key in keys], dtype=np.uint64))
    else:
        told_in = source if split_by == "column split" else source.parent / split_by
        split = _splits(told_in, files, words, problem)
        _one_side(told_in, files, split, identity, problem)
    return AttributeTable(
        source, folder, files, lines.names, values, split, identity, split_by, lines.left_out
    )


def read_known_pairs(path: Path, table: AttributeTable, problem: Problem = refuse) -> np.ndarray:
    """Pairs of pictures that are known to differ in one attribute: int64 (P, 3).

    Columns of the result: number of the picture without it, number of the picture with it, number
    of the attribute.

    Args:
        path: a CSV with the columns image_off, image_on and attribute.
        table: of the pictures.
        problem: see the module's text; a pair with a problem is left out.

    Raises:
        ValueError: as `problem` does; a header without these columns; no pair.
    """
    lines = csv_lines(path)
    _, header = next(lines, (1, []))
    wanted = ("image_off", "image_on", "attribute")
    if any(name not in header for name in wanted):
        found = ", ".join(header) or "nothing"
        raise ValueError(f"{path} line 1: expected {', '.join(wanted)}, found {found}")
    places = [header.index(name) for name in wanted]
    attribute_of = {name: i for i, name in enumerate(table.names)}
    pairs = []
    for line, row in lines:
        if len(row) != len(header):
            problem(f"{path} line {line}: expected {len(header)} values, found {len(row)}")
            continue
        off, on, name = (row[place] for place in places)
        missing = [picture for picture in (off, on) if picture not in table.rows]
        if missing or name not in attribute_of:
            what = f"picture {missing[0]}" if missing else f"attribute {name!r}"
            problem(f"{path} line {line}: {what} is not in {table.source.name}")
            continue
        pair = (table.rows[off], table.rows[on], attribute_of[name])
        read = table.values[list(pair[:2]), pair[2]]
        if read.tolist() != [0, 1]:
            problem(
                f"{path} line {line}: expected {name} off in {off} and on in {on}, found "
                f"{int(read[0])} and {int(read[1])} in {table.source.name}"
            )
        elif table.split[pair[0]] != table.split[pair[1]]:
            problem(f"{path} line {line}: {off} and {on} are in two splits")
        else:
            pairs.append(pair)
    if not pairs:
        raise ValueError(f"{path}: expected a line per pair, found none that can be used")
    return np.array(pairs, dtype=np.int64)


# Parts of read_table -----------------------------------------------------------------------------


def _folder_of(source: Path, rows: Sequence[Row]) -> Path:
    """Where the pictures are: beside the table or in one of the usual folders."""
    folders = [source.parent / name for name in _FOLDERS]
    for row in rows[:20]:
        for folder in folders if safe_name(row.file) else ():
            if (folder / row.file).is_file():
                return folder
    where = ", ".join(name or "." for name in _FOLDERS)
    raise FileNotFoundError(
        f"{source}: its first pictures ({rows[0].file} ...) are not in {source.parent} "
        f"(looked in {where})"
    )


def _present(source: Path, folder: Path, rows: Sequence[Row], problem: Problem) -> list[Row]:
    """The rows whose picture is there and that are the first with its name."""
    there = {entry.name for entry in folder.iterdir()}
    seen: dict[str, int] = {}
    good = []
    for row in rows:
        if row.file in seen:
            problem(f"{source} line {row.line}: {row.file} was already in line {seen[row.file]}")
        elif not safe_name(row.file):
            problem(f"{source} line {row.line}: {row.file!r} is no name inside a folder")
        elif row.file not in there and not (folder / row.file).is_file():
            problem(f"{source} line {row.line}: {row.file} is not in {folder}")
        else:
            good.append(row)
        seen.setdefault(row.file, row.line)
    return good


def _splits(
    path: Path, files: Sequence[str], words: dict[str, str], problem: Problem
) -> np.ndarray:
    """Position in SPLITS of each picture, uint8 (M,); train where its word is a problem."""
    split = np.array([_SPLIT_WORDS.get(words.get(name, "").lower(), 3) for name in files], np.uint8)
    for row in np.flatnonzero(split == 3).tolist():
        if files[row] in words:  # one that is missing was told before
            problem(
                f"{path}: {files[row]}: expected one of {', '.join(_SPLIT_WORDS)}, found "
                f"{words[files[row]]!r}"
            )
    split[split == 3] = 0
    return split


def _one_side(
    path: Path,
    files: Sequence[str],
    split: np.ndarray,
    identity: np.ndarray | None,
    problem: Problem,
) -> None:
    """Tell of the first picture whose identity lies in two splits."""
    first: dict[int, int] = {}
    for row, person in enumerate(() if identity is None else identity.tolist()):
        other = first.setdefault(person, row)
        if person >= 0 and split[other] != split[row]:
            problem(
                f"{path}: one identity in two splits: {files[other]} is in {SPLITS[split[other]]}, "
                f"{files[row]} in {SPLITS[split[row]]}"
            )
            return


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
