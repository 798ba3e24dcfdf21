"""Table files as columns of text: pandas reads them, in whatever form they came.

CSV with comma, semicolon, tab or bar (and Excel's first line `sep=;`), in UTF-8 or UTF-16; CelebA's
list; JSON lines; and, where their readers are installed, Parquet and Excel. Nothing here knows
pictures, and nothing is guessed about what a cell means: see `columns`.

Every function that reads takes `problem`, which is called with one line for each kind of thing that
is wrong, naming the file and the first place in it. By default it raises ValueError; who wants to
hear of everything collects the lines.
"""

from __future__ import annotations

import csv
import importlib
import io
import re
import warnings
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cvq_tutorial.worlds.pictures import kind_of
from cvq_tutorial.worlds.tables.sheet import (
    Cells,
    Problem,
    Sheet,
    refuse,
    stripped,
    tell,
    without_blanks,
)

TEXTS = (".csv", ".tsv", ".tab", ".txt")
RECORDS = (".jsonl", ".ndjson")
EXTRAS = {".parquet": "parquet", ".xlsx": "excel", ".xlsm": "excel"}  # ending: extra that reads it
READERS = {"parquet": "pyarrow.parquet", "excel": "openpyxl"}
ENDINGS = (*TEXTS, *RECORDS, *EXTRAS)
WIDEST = 2000  # columns that are read where nobody says which matter
SPACES = r"\s+"  # a list in which runs of blanks stand between the words
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def read_sheet(
    path: Path,
    problem: Problem = refuse,
    header: Sequence[str] | None = None,
    only: Sequence[str] | None = None,
) -> Sheet:
    """Read a table file of any known form.

    path: the file.
    problem: see the module's text.
    header: titles of the columns, where the file has no line of them.
    only: titles of the columns to read of a wide table; None reads all.
    Raises ValueError: no table that can be read, more than WIDEST columns and nobody said which;
    and as `problem`. ImportError, in one line: the extra that reads this is missing.
    """
    ending = path.suffix.lower()
    if ending in EXTRAS:  # row 1 is the header
        return _sheet_of_frame(path, _read_extra(path, EXTRAS[ending]), "row", 2, only)
    if ending in RECORDS:
        return _sheet_of_frame(path, _read_records(path), "line", 1, only)
    return _read_text(path, problem, header, only)


def titles_of(path: Path) -> list[str]:
    """Titles of the columns of a table file, of which no more is read than that needs.

    Raises as `read_sheet`.
    """
    ending = path.suffix.lower()
    if ending in TEXTS:
        titles = next(iter(first_rows(path, 1)[2]), [])
    elif ending in RECORDS:
        titles = _read_records(path, rows=1).columns
    else:
        titles = _read_extra(path, EXTRAS[ending], titles=True).columns
    return [str(title).strip(" \ufeff\"'") for title in titles]


# Text --------------------------------------------------------------------------------------------


def encoding_of(path: Path) -> str:
    """How a text file is written: "utf-8", "utf-8-sig", "utf-16", "utf-16-le" or "utf-16-be".

    Raises ValueError: it is no text, with what it is.
    """
    with open(path, "rb") as file:
        head = file.read(512)
    for sign, encoding in _BOMS.items():
        if head.startswith(sign):
            return encoding
    if len(head) > 3 and b"\0" in head:  # UTF-16 without its mark: every other byte is 0
        for half, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            if not any(head[half::2]) and all(head[1 - half :: 2]):
                return encoding
    kind = kind_of(path)
    if kind != "text":
        hint = " (an Excel file? its name ends in .xlsx then)" if kind == "a zip" else ""
        raise ValueError(f"{path}: expected a text file, found {kind}{hint}")
    return "utf-8"


def first_rows(path: Path, n: int = 20) -> tuple[str, str, list[list[str]], int]:
    """How a text table is written: encoding, separator, its first rows, lines before them.

    Raises ValueError: no text.
    """
    encoding = encoding_of(path)
    try:
        with open(path, encoding=encoding, newline="") as file:
            whole = [line.rstrip("\r\n") for line in islice(file, n + 20)]
    except UnicodeDecodeError as error:
        raise ValueError(_no_text(path, error)) from error
    said = re.fullmatch(r'"?sep=(.)"?', whole[0].strip("\ufeff\r\n ")) if whole else None
    before = 1 if said else 0
    while before < len(whole) and not whole[before].strip(" \t,;|"):
        before += 1  # blank lines on top
    some = whole[before : before + n]
    separator = said[1] if said else _separator(some)
    if separator == SPACES:
        return encoding, separator, [line.split() for line in some], before
    try:
        rows = list(csv.reader(some, delimiter=separator))
    except csv.Error as error:
        raise ValueError(f"{path}: no table: {error}") from error
    return encoding, separator, rows, before


def _separator(lines: Sequence[str]) -> str:
    """What stands between the cells: what gives the most lines the same number of them."""

    def score(mark: str) -> tuple[float, int]:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=mark) if row] or [0]
        except csv.Error:
            return 0.0, 0
        if widths[0] < 2:
            return 0.0, 0
        return sum(w == widths[0] for w in widths) / len(widths), widths[0]

    best = max((",", ";", "\t", "|"), key=score)
    return best if score(best)[1] or all(len(line.split()) < 2 for line in lines) else SPACES


def _no_text(path: Path, error: UnicodeDecodeError) -> str:
    found = f"byte {error.start} ({error.reason})"
    return f"{path}: expected UTF-8 (or UTF-16) text, found {found}: save it as 'CSV UTF-8'"


def _read_text(
    path: Path, problem: Problem, header: Sequence[str] | None, only: Sequence[str] | None
) -> Sheet:
    encoding, separator, rows, before = first_rows(path)
    if not rows:
        raise ValueError(f"{path} line 1: expected a header that names the columns, found none")
    titles = list(header) if header is not None else [title.strip() for title in rows[0]]
    skip = before + (header is None)
    width = len(titles)
    widest = max(len(row) for row in rows)
    if header is not None and widest != width:
        raise ValueError(
            f"{path}: expected {widest} titles, one per column, found {width}: {', '.join(titles)}"
        )
    beyond = [len(row) for row in rows[header is None :] if len(row) > width]
    if len(beyond) > len(rows) // 2:  # a separator at the end of each line
        width = max([width, *beyond])
    titles += [""] * (width - len(titles))
    _distinct(f"{path} line {before + 1}", titles)
    wanted = _wanted(path, titles, only)
    try:
        frame, bad = _parse(path, encoding, separator, skip, width, wanted)
    except UnicodeDecodeError as error:
        raise ValueError(_no_text(path, error)) from error
    expected = f"expected {sum(map(bool, titles))} values"
    tell(problem, [f"{path} line {n}: {expected}, found {found}" for n, found in bad])
    return _sheet(path, [titles[i] for i in wanted], frame, skip, [n for n, _ in bad])


def _distinct(where: str, titles: Sequence[str]) -> None:
    """Raise ValueError for a title that stands twice."""
    named = sorted(filter(None, titles))
    for one, other in pairwise(named):
        if one == other:
            raise ValueError(f"{where}: expected distinct attribute names, found {one!r} twice")


def _wanted(path: Path, titles: Sequence[str], only: Sequence[str] | None) -> list[int]:
    """Positions of the columns to read: all, or of a wide table the first and those named."""
    if len(titles) <= WIDEST:
        return list(range(len(titles)))
    if not only:
        raise ValueError(
            f"{path}: {len(titles):,} columns, more than {WIDEST:,} are not read at once: name "
            "those that matter with factors=[...] (--factors a,b,c)"
        )
    lower = {title.lower() for title in only}
    return [i for i, title in enumerate(titles) if i == 0 or title.lower() in lower]


def _parse(
    path: Path, encoding: str, separator: str, skip: int, width: int, wanted: list[int]
) -> tuple[Any, list[tuple[int, int]]]:
    """The cells as texts, and (line, values) of the lines that have too many of them."""
    import pandas as pd

    how: dict[str, Any] = {
        "encoding": encoding, "sep": separator, "header": None, "names": range(width),
        "dtype": object, "na_filter": False, "skip_blank_lines": False, "index_col": False,
        "engine": "c", "on_bad_lines": "warn",
    }  # fmt: skip
    if len(wanted) < width:
        how["usecols"] = wanted
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            frame = pd.read_csv(path, skiprows=skip, **how)
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=wanted, dtype=object), []
    except pd.errors.ParserError as error:
        told = str(error).removeprefix("Error tokenizing data. C error: ")
        at = re.search(r"starting at row (\d+)", told)
        line = f" line {int(at[1]) + 1}" if at else ""
        what = told.removesuffix(f" {at[0]}") if at else told
        raise ValueError(f"{path}{line}: no table: {what}") from error
    said = "".join(str(warning.message) for warning in caught)
    bad = re.findall(r"line (\d+): expected \d+ fields, saw (\d+)", said)
    return frame, [(int(line), int(found)) for line, found in bad]


def _sheet(path: Path, titles: Sequence[str], frame: Any, skip: int, bad: Sequence[int]) -> Sheet:
    """The sheet of a frame of texts; its lines are counted round those that are `bad`."""
    n, columns = len(frame), []
    for title, label in zip(titles, list(frame), strict=True):
        column = frame.pop(label).to_numpy()
        columns.append(_cells(title, column))  # a word is kept once, a cell in 4 bytes
    lines = np.arange(n) + skip + 1
    for cells in columns:
        extra = np.array([word.count("\n") for word in cells.words], dtype=np.int64)
        if extra.any():  # lines that a cell goes on for
            lines[1:] += np.cumsum(extra[cells.codes])[:-1]
    for line in sorted(bad):
        lines[lines >= line] += 1
    return without_blanks(path, columns, lines, "line")


def _cells(title: str, texts: np.ndarray) -> Cells:
    """A column of these texts, stripped."""
    import pandas as pd

    codes, words = pd.factorize(texts)
    return stripped(title, [str(word) for word in words], codes.astype(np.int32))


# CelebA's list -----------------------------------------------------------------------------------


def read_celeba(path: Path, problem: Problem = refuse) -> Sheet:
    """CelebA's list: a count, a line of names, and per picture its name and -1 or 1 for each.

    Raises ValueError: the first two lines are something else; and as `problem`.
    """
    if encoding_of(path) != "utf-8":
        raise ValueError(f"{path}: expected UTF-8 text, as CelebA's list is")
    with open(path, encoding="utf-8") as file:
        count, names = file.readline().strip(), file.readline().split()
    if not count.isdigit():
        found = repr(count[:40]) if count else "nothing"
        raise ValueError(f"{path} line 1: expected the number of pictures, found {found}")
    _distinct(f"{path} line 2", names)
    width = len(names) + 1
    frame, bad = _parse(path, "utf-8", r"\s+", 2, width, list(range(width)))
    wrong = [(line, found - 1) for line, found in bad]
    sheet = _sheet(path, ["file", *names], frame, 2, [line for line, _ in bad])
    short = [i for i, cells in enumerate(sheet.columns) if cells.words[:1] == ("",)]
    if short:  # blanks stand between the values: whoever lacks one lacks the last
        blank = np.stack([sheet.columns[i].codes == 0 for i in short])  # (S, M)
        rows, first = np.flatnonzero(blank.any(axis=0)), blank.argmax(axis=0)
        wrong += [(int(sheet.lines[row]), short[first[row]] - 1) for row in rows.tolist()]
        sheet = sheet.take(np.flatnonzero(~blank.any(axis=0)))
    expected = f"expected a name and {len(names)} values"
    tell(problem, [f"{path} line {at}: {expected}, found {n} values" for at, n in sorted(wrong)])
    n_lines = len(sheet) + len(wrong)
    if n_lines != int(count):
        problem(f"{path} line 1: says {int(count)} pictures, found {n_lines} lines of them")
    return sheet


# Records, Parquet, Excel --------------------------------------------------------------------------


def _read_records(path: Path, rows: int | None = None) -> Any:
    import pandas as pd

    try:
        text = path.read_text(encoding=encoding_of(path))
        return pd.read_json(io.StringIO(text), lines=True, dtype=False, nrows=rows)
    except UnicodeDecodeError as error:
        raise ValueError(_no_text(path, error)) from error
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path}: expected a JSON object per line, found: {error}") from error


def _read_extra(path: Path, extra: str, titles: bool = False) -> Any:
    """A Parquet or Excel file, or only its titles; ImportError where its reader is missing."""
    import pandas as pd

    try:
        reader = importlib.import_module(READERS[extra])  # before the file is looked at
        if extra == "excel":
            return pd.read_excel(path, dtype=object, nrows=0 if titles else None)
        if titles:
            return reader.read_schema(path).empty_table().to_pandas()
        return pd.read_parquet(path)
    except ImportError as error:
        raise ImportError(
            f"{path}: to read this, install the extra {extra!r}: pip install "
            f"'cvq-tutorial[{extra}]', or save it as CSV"
        ) from error
    except Exception as error:  # a damaged file raises nearly anything
        told = " ".join(str(error).replace(str(path), "").split()) or type(error).__name__
        raise ValueError(f"{path}: a damaged {path.suffix.lower()} file: {told}") from error


def _sheet_of_frame(
    path: Path, frame: Any, unit: str, first: int, only: Sequence[str] | None
) -> Sheet:
    """The sheet of a frame with values of any kind; those of a number are written as short."""
    titles = [str(title) for title in frame.columns]
    titles = ["" if title.startswith("Unnamed:") else title.strip() for title in titles]
    _distinct(str(path), titles)
    columns = []
    for i in _wanted(path, titles, only):
        texts = [_text(value) for value in frame.iloc[:, i].tolist()]
        columns.append(_cells(titles[i], np.array(texts, dtype=object)))
    return without_blanks(path, columns, np.arange(len(frame)) + first, unit)


def _text(value: Any) -> str:
    if value is None or value != value:  # NaN and NaT are not themselves
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with a gap comes as floats
    return str(value)
