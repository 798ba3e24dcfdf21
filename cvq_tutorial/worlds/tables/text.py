"""The lines of attribute tables: CelebA's lists and CSV files, as names and bits.

Nothing here knows pictures or splits; see `attribute_files`. Every function that reads takes
`problem`, which is called with one line for each thing that is wrong, naming the file and the line
in it. By default it raises ValueError; who wants to hear of everything collects the lines.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from cvq_tutorial.worlds.pictures import kind_of

_BITS = {"-1": 0, "1": 1, "0": 2}  # 2 until it is known that no -1 stands beside it
_MINUS, _ZERO = 0, 2

Problem = Callable[[str], None]


def refuse(text: str) -> NoReturn:
    """The default `problem`: raises ValueError."""
    raise ValueError(text)


@dataclass(frozen=True)
class Row:
    """One picture of a table.

    Attributes:
        line: where it stands in the file, from 1.  file: name of the picture.
        bits: a byte per attribute, 1 where it is there.
    """

    line: int
    file: str
    bits: bytes


@dataclass(frozen=True)
class Lines:
    """What a table file holds.

    Attributes:
        names: attributes, distinct.  rows: the pictures that could be read.
        mentioned: names of all pictures that have a line, also where it could not be read.
        columns: the columns `split` and `identity` of a CSV where it has them: {file: text}; a
            blank identity is nobody's and is left out.
        left_out: titles of columns that hold no attribute.
    """

    names: tuple[str, ...]
    rows: list[Row]
    mentioned: frozenset[str]
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def read_celeba(path: Path, problem: Problem = refuse) -> Lines:
    """CelebA's list: a count, a line of names, and per picture its name and -1 or 1 for each.

    Values are padded with double blanks, and the line of names ends in a blank.

    Raises ValueError: the first two lines are something else; and as `problem`.
    """
    lines = _text(path).splitlines()
    if len(lines) < 2 or not lines[0].strip().isdigit():
        found = repr(lines[0].strip()[:40]) if lines else "nothing"
        raise ValueError(f"{path} line 1: expected the number of pictures, found {found}")
    names = _distinct(path, 2, lines[1].split())
    rows, mentioned, n_lines = [], set(), 0
    for line, text in enumerate(lines[2:], start=3):
        row = text.split()
        n_lines += bool(row)
        mentioned.update(row[:1])
        if row and len(row) != len(names) + 1:
            problem(
                f"{path} line {line}: expected a name and {len(names)} values, found "
                f"{len(row) - 1} values"
            )
        elif row:
            rows.append(Row(line, row[0], _bits(path, line, names, row[1:], problem)))
    if n_lines != int(lines[0]):
        problem(f"{path} line 1: says {int(lines[0])} pictures, found {n_lines} lines of them")
    return Lines(names, _one_scale(path, names, rows, problem), frozenset(mentioned))


def read_csv(path: Path, problem: Problem = refuse) -> Lines:
    """A CSV with a header, whose first column names the picture.

    A column with a 0, 1 or -1 in it is an attribute and must hold nothing else; `split` (or
    `partition`) and `identity` are set apart; columns of other texts are left out.

    Raises ValueError: no such header, no attribute, no CSV; and as `problem`.
    """
    lines = csv_lines(path)
    _, header = next(lines, (1, []))
    if len(header) < 2:
        raise ValueError(f"{path} line 1: expected a header that names the attributes, found none")
    read, mentioned = [], set()
    for line, row in lines:
        mentioned.add(row[0])
        if len(row) != len(header):
            problem(f"{path} line {line}: expected {len(header)} values, found {len(row)}")
        else:
            read.append((line, row))
    columns: dict[str, dict[str, str]] = {}
    attributes, left_out = [], []
    for column, title in enumerate(header[1:], start=1):
        kind = {"split": "split", "partition": "split", "identity": "identity"}.get(title.lower())
        if kind:
            told = {row[0]: row[column] for _, row in read}
            columns[kind] = {f: t for f, t in told.items() if t or kind != "identity"}
        elif any(row[column] in _BITS for _, row in read):
            attributes.append(column)
        else:
            left_out.append(title)
    if not read:
        raise ValueError(f"{path}: expected a line per picture, found none that can be read")
    if not attributes:
        raise ValueError(f"{path}: expected columns of 0 and 1 (or -1 and 1), found none")
    names = _distinct(path, 1, [header[column] for column in attributes])
    rows = [
        Row(line, row[0], _bits(path, line, names, [row[c] for c in attributes], problem))
        for line, row in read
    ]
    rows = _one_scale(path, names, rows, problem)
    return Lines(names, rows, frozenset(mentioned), columns, tuple(left_out))


def read_words(
    path: Path, files: Sequence[str], known: frozenset[str], problem: Problem = refuse
) -> dict[str, str]:
    """A list with a word for each picture, such as CelebA's partition: {file: word}.

    Blanks or a comma stand between; a first line that names no picture is a header.

    Args:
        path: the list.
        files: pictures that it must have.  known: pictures that it may have.
        problem: see the module's text.
    """
    words: dict[str, str] = {}
    for line, text in enumerate(_text(path).splitlines(), start=1):
        row = text.replace(",", " ").split()
        if not row or (line == 1 and row[0] not in known and not row[-1].isdigit()):
            continue
        if len(row) != 2:
            problem(f"{path} line {line}: expected a name and a value, found {len(row)} words")
        elif row[0] not in known:
            problem(f"{path} line {line}: {row[0]} is not in the attribute table")
        elif row[0] in words:
            problem(f"{path} line {line}: {row[0]} for the second time")
        else:
            words[row[0]] = row[1]
    missing = [name for name in files if name not in words]
    if missing:
        problem(f"{path}: {len(missing)} pictures are missing, the first is {missing[0]}")
    return words


def csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped fields of each line that is not empty.

    Raises ValueError: no text, or no CSV.
    """
    reader = csv.reader(_text(path).splitlines(), strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, [text.strip() for text in row]
    except csv.Error as error:
        raise ValueError(f"{path} line {reader.line_num}: no CSV: {error}") from error


def _text(path: Path) -> str:
    kind = kind_of(path)
    if kind != "text":
        raise ValueError(f"{path}: expected a text file, found {kind}")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte {error.start} ({error.reason})"
        raise ValueError(f"{path}: expected UTF-8 text, found {found}") from error


def _distinct(path: Path, line: int, names: list[str]) -> tuple[str, ...]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        found = f"{twice[0]!r} twice" if twice else "none"
        raise ValueError(f"{path} line {line}: expected distinct attribute names, found {found}")
    return tuple(names)


def _bits(
    path: Path, line: int, names: tuple[str, ...], texts: list[str], problem: Problem
) -> bytes:
    """A byte of _BITS per value; nothing where one is no such value."""
    try:
        return bytes(map(_BITS.__getitem__, texts))
    except KeyError:
        column = next(i for i, text in enumerate(texts) if text not in _BITS)
        found = repr(texts[column][:40])
        problem(f"{path} line {line}: {names[column]}: expected 1 or -1 (or 0), found {found}")
        return b""


def _one_scale(path: Path, names: tuple[str, ...], rows: list[Row], problem: Problem) -> list[Row]:
    """The rows that could be read, in 0 and 1; a file that has both 0 and -1 is a problem."""
    rows = [row for row in rows if row.bits]
    minus = next((row for row in rows if _MINUS in row.bits), None)
    zero = next((row for row in rows if _ZERO in row.bits), None)
    if minus and zero:
        problem(
            f"{path}: expected -1 and 1, or 0 and 1, found both: "
            f"{names[zero.bits.index(_ZERO)]} is 0 in line {zero.line}, "
            f"{names[minus.bits.index(_MINUS)]} is -1 in line {minus.line}"
        )
    return [Row(row.line, row.file, row.bits.replace(b"\2", b"\0")) for row in rows]
