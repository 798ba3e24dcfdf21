"""A table as columns of text, and how what is wrong with one is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import NoReturn

import numpy as np

_BLANKS = ("", "na", "n/a", "nan", "null", "<na>", "#n/a")  # how tables write that nothing is known

Problem = Callable[[str], None]


def refuse(text: str) -> NoReturn:
    """The default `problem`: raises ValueError."""
    raise ValueError(text)


def tell(problem: Problem, texts: Sequence[str], hint: str = "") -> None:
    """One line for all faults of one kind: the first, how many more there are, what helps."""
    if texts:
        more = f" (and {len(texts) - 1:,} more like it)" if len(texts) > 1 else ""
        problem(f"{texts[0]}{more}{f': {hint}' if hint else ''}")


@dataclass(frozen=True)
class Cells:
    """One column."""

    title: str  # as the file has it, "" where it has none
    words: tuple[str, ...]  # the D distinct texts of its cells, stripped, sorted; "" is a blank
    codes: np.ndarray  # int32 (M,), which word each row has

    @classmethod
    def of(cls, title: str, texts: Sequence[str]) -> Cells:
        """The column with these texts, which are stripped."""
        words, codes = np.unique(np.array(texts, dtype=object), return_inverse=True)
        return cls(title, tuple(words.tolist()), codes.astype(np.int32))

    @property
    def counts(self) -> np.ndarray:
        """In how many rows each word stands, int64 (D,)."""
        return np.bincount(self.codes, minlength=len(self.words))

    @property
    def known(self) -> tuple[tuple[str, ...], np.ndarray]:
        """The words but the blank, and which of them each row has, int64 (M,), -1 for a blank."""
        blank = int(self.words[:1] == ("",))  # they are sorted
        return self.words[blank:], self.codes.astype(np.int64) - blank

    @property
    def texts(self) -> list[str]:
        """The text of each row."""
        return [self.words[code] for code in self.codes.tolist()]

    def take(self, rows: np.ndarray) -> Cells:
        """The same column of some rows; words that are gone are forgotten."""
        left, codes = np.unique(self.codes[rows], return_inverse=True)
        return Cells(self.title, tuple(self.words[i] for i in left.tolist()), codes)


@dataclass(frozen=True)
class Sheet:
    """What a table file holds."""

    source: Path
    columns: tuple[Cells, ...]  # of M rows each, none of them wholly blank
    lines: np.ndarray  # int64 (M,), where each row stands in the file, from 1
    unit: str = "line"  # or "row"
    notes: tuple[str, ...] = ()  # what was passed over, a line each

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def folder(self) -> Path:
        """Where it lies; itself where folders are the table."""
        return self.source if self.source.is_dir() else self.source.parent

    def take(self, rows: np.ndarray) -> Sheet:
        """The same table with some rows only."""
        columns = tuple(cells.take(rows) for cells in self.columns)
        return replace(self, columns=columns, lines=self.lines[rows])

    def at(self, row: int) -> str:
        """Where a row stands in its file, in words."""
        return f"{self.unit} {int(self.lines[row])}"

    def place(self, row: int) -> str:
        """The same with the file."""
        return f"{self.source} {self.at(row)}"

    def column(self, title: str) -> Cells | None:
        """The column with this title, in any case where no other is meant; None: there is none."""
        exact = [c for c in self.columns if c.title == title]
        loose = [c for c in self.columns if c.title.lower() == title.lower()]
        return next(iter(exact or loose), None)

    def need(self, title: str) -> Cells:
        """As `column`. Raises ValueError: there is none, with those that there are."""
        cells = self.column(title)
        if cells is None:
            titles = ", ".join(c.title for c in self.columns[:20])
            raise ValueError(f"{self.source}: no column {title!r}, found {titles}")
        return cells


def stripped(title: str, words: Sequence[str], codes: np.ndarray) -> Cells:
    """A column without the blanks around its words; nothing but blanks is a blank."""
    bare = [word.strip(" \t\r\n\ufeff") for word in words]
    bare = ["" if word.lower() in _BLANKS else word for word in bare]
    if not bare:
        return Cells(title, (), codes)
    distinct, place = np.unique(np.array(bare, dtype=object), return_inverse=True)
    return Cells(title, tuple(distinct.tolist()), place.astype(np.int32)[codes])


def without_blanks(path: Path, columns: list[Cells], lines: np.ndarray, unit: str) -> Sheet:
    """The sheet without rows that are wholly blank, and without such columns."""
    blank = np.ones(len(lines), dtype=bool)
    for cells in columns:  # words are sorted: a blank is the first
        blank &= (cells.codes == 0) & (cells.words[:1] == ("",))
    if blank.any():
        kept = np.flatnonzero(~blank)
        columns, lines = [cells.take(kept) for cells in columns], lines[kept]
    there = [not len(lines) or any(cells.words) for cells in columns]
    gone = [cells.title for cells, kept in zip(columns, there, strict=True) if not kept]
    named = ", ".join(filter(None, gone))
    notes = (f"blank columns are passed over: {named}",) if named else ()
    return Sheet(path, tuple(compress(columns, there)), lines, unit, notes)
