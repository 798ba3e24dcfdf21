"""Tables of pictures, read and checked: names, factors, splits, identities.

Known layouts: CelebA's (`list_attr_celeba.txt`, `img_align_celeba/`, and where they are there
`list_eval_partition.txt` and `identity_CelebA.txt`); a folder with one table file; and folders that
are a table themselves (see `find`). By default the first thing that is wrong raises ValueError; see
`read` for `problem`. A picture with a problem is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from cvq_tutorial.worlds.tables.asked import How, check_asked
from cvq_tutorial.worlds.tables.columns import FACTORS, Column, column_of
from cvq_tutorial.worlds.tables.find import (
    CELEBA,
    column_of_pictures,
    find_table,
    is_picture_name,
    match,
    other_splits,
    sheet_of_folders,
    split_tables,
)
from cvq_tutorial.worlds.tables.read import TEXTS, first_rows, read_celeba, read_sheet
from cvq_tutorial.worlds.tables.sheet import Cells, Problem, Sheet, refuse, tell
from cvq_tutorial.worlds.tables.splits import column_of_identity, column_of_split, sides_of

BLANK = 255  # value of a blank cell
_BITS = {"0", "1", "-1"}


@dataclass(frozen=True)
class AttributeTable:
    """A checked table of M pictures and T columns that have values."""

    source: Path  #: the file it was read from
    folder: Path  #: where the pictures are
    files: tuple[str, ...]  #: M names, in the order of the table
    names: tuple[str, ...]  #: T titles as the file has them
    values: np.ndarray  #: uint8 (M, T), of yes/no columns 0 and 1; BLANK where a cell is blank
    split: np.ndarray  #: uint8 (M,), a position in SPLITS
    #: int64 (M,), pictures of one person (or thing) share a number of 0 or more; -1 where it is
    #: unknown, None where all are
    identity: np.ndarray | None
    split_by: str  #: what the split follows: a file, "column split", "identity" or "file name"
    columns: tuple[Column, ...] = ()  #: what became of every column, in the order of the file
    notes: tuple[str, ...] = ()  #: a line each

    @cached_property
    def rows(self) -> dict[str, int]:
        """Number of each picture by its file name."""
        return {name: row for row, name in enumerate(self.files)}

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The T columns that have values, by title."""
        return {column.title: column for column in self.columns if column.codes is not None}

    @property
    def left_out(self) -> tuple[str, ...]:
        """Titles of the columns that can be no factor."""
        used = (*FACTORS, "constant", "picture", "identity", "split")
        return tuple(column.title for column in self.columns if column.kind not in used)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of names, values and splits (not of the pixels: there may be gigabytes)."""
        text = "\n".join((*self.names, *self.files)).encode()
        told = hashlib.sha256(text + self.values.tobytes() + self.split.tobytes())
        words = [column.values for column in self.by_name.values()]
        if any(values != ("no", "yes") for values in words):  # 0 and 1 say all of the others
            told.update("\n".join("\t".join(values) for values in words).encode())
        return told.hexdigest()[:16]

    def only(self, kinds: Sequence[str]) -> AttributeTable:
        """The same pictures with the columns of these kinds as values."""
        kept = [i for i, name in enumerate(self.names) if self.by_name[name].kind in kinds]
        columns = tuple(c if c.kind in kinds else replace(c, codes=None) for c in self.columns)
        names = tuple(self.names[i] for i in kept)
        return replace(self, names=names, values=self.values[:, kept], columns=columns)

    def distance(self, one: np.ndarray, others: np.ndarray) -> np.ndarray:
        """In how many of all columns pictures differ from others.

        one: numbers (n,).  others: numbers (n, k).
        Returns int64 (n, k).
        """
        return (self.values[one][:, None] != self.values[others]).sum(axis=2)


def read_table(
    root: str | Path, problem: Problem = refuse, how: How | None = None
) -> AttributeTable:
    """Read the table of a folder in any layout, with its splits and identities.

    Where no file or column gives the split it is drawn: by the identity where that is known, else
    (also where its cell is blank) by the file name. One identity never lies in two splits.

    Args:
        root: a folder, or the table file itself.
        problem: see `read`.
        how: what is known of it.

    Raises:
        FileNotFoundError: no table, or none of its pictures. ValueError: a table that cannot be
            read at all; with the default `problem`, anything that is wrong with it. ImportError:
            see `read_sheet`.
    """
    how = how or How()
    root = Path(root)
    sheet = _sheet_of(root, problem, how)
    source = sheet.source
    if not len(sheet):
        raise ValueError(f"{source}: expected a line per picture, found none that can be read")
    base = source if source.is_dir() else root if root.is_dir() else source.parent
    if len(sheet.columns) < 2:
        raise ValueError(f"{source}: expected columns that say what the pictures show, found none")
    sheet, notes = _without(sheet, how)
    pictures = column_of_pictures(sheet, base, how.file)
    folder, found, rows, told = match(sheet, pictures, base, problem, how.missing == "drop")
    if not len(rows):
        raise ValueError(f"{source}: expected pictures in {folder}, found none that is listed")
    sheet, notes, files = sheet.take(rows), [*sheet.notes, *notes, *told], np.array(found, object)
    if sheet.source.name == CELEBA:
        sheet, kept = _one_scale(sheet, problem)
        rows, files = rows[kept], files[kept]
    columns, kept = _columns(sheet, pictures.title, how)
    if len(kept) < len(sheet):
        notes.append(f"rows with blanks are left out: {len(sheet) - len(kept):,} of {len(sheet):,}")
        sheet, rows, files = sheet.take(kept), rows[kept], files[kept]
        columns, _ = _columns(sheet, pictures.title, how)
    listed, names = frozenset(pictures.texts), pictures.take(rows).texts
    some = [column for column in columns if column.codes is not None]
    may_be = [np.asarray(column.codes) for column in some if column.usable]
    sides = sides_of(sheet, names, files.tolist(), listed, problem, how, may_be)
    values = np.empty((len(files), len(some)), dtype=np.uint8)
    for i, column in enumerate(some):
        codes = np.asarray(column.codes)
        values[:, i] = np.where(codes < 0, BLANK, codes)
    return AttributeTable(
        source, folder, tuple(files.tolist()), tuple(c.title for c in some), values, sides.split,
        sides.identity, sides.split_by, tuple(columns), (*notes, *sides.notes),
    )  # fmt: skip


def told_of(
    data: AttributeTable, chosen: Sequence[str], left_out: Mapping[str, str]
) -> tuple[str, ...]:
    """What became of the columns that are no factor: a line each, or one for all of one fate."""
    fates: dict[str, list[Column]] = {}
    for column in data.columns:
        if column.title in left_out:
            fates.setdefault(f"left out: {left_out[column.title]}", []).append(column)
        elif column.title not in chosen:
            told = ": ".join(filter(None, (column.kind, column.why)))
            fates.setdefault(told, []).append(column)
    lines = []
    for told, columns in fates.items():
        names = ", ".join(column.title for column in columns[:40])
        more = f", ... {len(columns)} columns" if len(columns) > 40 else ""
        alone = len(columns) == 1 and columns[0].title not in left_out
        lines.append(columns[0].line if alone else f"{names}{more}: {told}")
    return tuple(lines)


# Parts of read_table -----------------------------------------------------------------------------


def _sheet_of(root: Path, problem: Problem, how: How) -> Sheet:
    source = find_table(root, how.table)
    only = [*how.factors, *how.kinds, *how.bins]
    only += [title for title in (how.file, how.identity, how.split) if title]
    if source is None:
        if tables := split_tables(root):
            return _joined(root, [(s, read_sheet(p, problem, how.header)) for s, p in tables])
        return sheet_of_folders(root)
    if source.name == CELEBA:
        return read_celeba(source, problem)
    if how.header is None and source.suffix.lower() in TEXTS:
        first = next(iter(first_rows(source, 1)[2]), [])
        if pictures := list(filter(is_picture_name, first)):
            like = ["file", *(f"column{i}" for i in range(1, len(first)))]
            raise ValueError(
                f"{source} line 1: {pictures[0]} is a picture, so no line says what the columns "
                f"are: say it with columns={like} (--columns {','.join(like)})"
            )
    return read_sheet(source, problem, how.header, only)


def _joined(root: Path, parts: Sequence[tuple[str, Sheet]]) -> Sheet:
    """The tables of the folders train, valid and test as one, with a column that says which."""
    titles = [cells.title for cells in parts[0][1].columns]
    for _, sheet in parts:
        if [cells.title for cells in sheet.columns] != titles:
            found = ", ".join(cells.title for cells in sheet.columns)
            wanted = f"the columns {', '.join(titles)} as in {parts[0][0]}"
            raise ValueError(f"{sheet.source}: expected {wanted}, found {found}")
    columns = []
    for i, title in enumerate(titles):
        texts = [text for _, sheet in parts for text in sheet.columns[i].texts]
        if any(is_picture_name(text) for text in texts[:20]):
            texts = [f"{n}/{text}" for n, sheet in parts for text in sheet.columns[i].texts]
        columns.append((title, texts))
    columns.append(("split", [name for name, sheet in parts for _ in range(len(sheet))]))
    cells = tuple(Cells.of(title, texts) for title, texts in columns)
    notes = [note for _, sheet in parts for note in sheet.notes]
    notes += other_splits(root)
    return Sheet(root, cells, np.arange(len(texts)) + 1, "row of all tables", tuple(notes))


def _without(sheet: Sheet, how: How) -> tuple[Sheet, list[str]]:
    """The sheet without the rows that somebody asked to drop, and notes."""
    kept, notes = np.ones(len(sheet), dtype=bool), []
    for title, value in how.drop:
        cells = sheet.column(title)
        if cells is None or value not in cells.words:
            known = "no such column" if cells is None else f"{', '.join(cells.words[:10])}"
            raise ValueError(f"{sheet.source}: drop {title}={value}: found {known}")
        gone = cells.codes == cells.words.index(value)
        notes.append(f"rows with {title}={value} are left out by request: {int(gone.sum()):,}")
        kept &= ~gone
    return (sheet if kept.all() else sheet.take(np.flatnonzero(kept))), notes


def _one_scale(sheet: Sheet, problem: Problem) -> tuple[Sheet, np.ndarray]:
    """CelebA's list without rows that hold something else than 1 and -1 (or 0); the rows left."""
    bad: list[str] = []
    wrong = np.zeros(len(sheet), dtype=bool)
    first: dict[str, tuple[str, int]] = {}
    for cells in sheet.columns[1:]:
        for code, word in enumerate(cells.words):
            rows = np.flatnonzero(cells.codes == code)
            if word in ("0", "-1") and rows[0] < first.get(word, ("", len(sheet)))[1]:
                first[word] = (cells.title, int(rows[0]))
            if word not in _BITS:
                wrong[rows] = True
                bad += [
                    f"{sheet.place(row)}: {cells.title}: expected 1 or -1 (or 0), found "
                    f"{word[:40]!r}"
                    for row in rows.tolist()
                ]
    tell(problem, bad)
    if len(first) == 2:
        (zero, at), (minus, there) = first["0"], first["-1"]
        problem(
            f"{sheet.source}: expected -1 and 1, or 0 and 1, found both: {zero} is 0 in line "
            f"{sheet.lines[at]}, {minus} is -1 in line {sheet.lines[there]}"
        )
        columns = [
            Cells.of(cells.title, ["-1" if text == "0" else text for text in cells.texts])
            for cells in sheet.columns
        ]
        sheet = replace(sheet, columns=tuple(columns))
    kept = np.flatnonzero(~wrong)
    return sheet.take(kept) if wrong.any() else sheet, kept


def _columns(sheet: Sheet, pictures: str, how: How) -> tuple[list[Column], np.ndarray]:
    """What becomes of each column, and the rows that are kept: those without blanks, by request."""
    check_asked(how, [cells.title for cells in sheet.columns])
    identity, split = column_of_identity(sheet, how), column_of_split(sheet, how)
    uses = {pictures: "picture"}
    uses |= {c.title: use for c, use in ((identity, "identity"), (split, "split")) if c}
    columns = []
    for cells in sheet.columns:
        used = uses.get(cells.title)
        if used is not None and cells.title not in how.factors:
            columns.append(Column(cells.title, used, distinct=len(cells.words)))
        elif not cells.title:
            counted = len(cells.words) == len(sheet) and all(map(str.isdigit, cells.words))
            kind, why = ("ids", "numbers of the rows") if counted else ("words", "it has no title")
            columns.append(Column("(no title)", kind, distinct=len(cells.words), why=why))
        else:
            try:
                column = column_of(cells, how, sheet.at)
            except ValueError as error:
                raise ValueError(f"{sheet.source}: {error}") from None
            if column.kind == "constant" and set(cells.words) <= _BITS:
                # CelebA's list may have one that nobody has
                has, n = int(cells.words == ("1",)), len(sheet)
                codes, counts = np.full(n, has, dtype=np.int16), (n - n * has, n * has)
                column = replace(column, codes=codes, values=("no", "yes"), counts=counts)
            columns.append(column)
    kept = np.ones(len(sheet), dtype=bool)
    for column in columns if how.missing == "drop" else ():
        named = column.title in how.factors or (not how.factors and column.usable)
        if named and column.codes is not None:
            kept &= column.codes >= 0
    return columns, np.flatnonzero(kept)
