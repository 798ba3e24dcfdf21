"""Whom pictures of a table show, and which are train, valid and test.

Whole identities go to one side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvq_tutorial.worlds.factors import SPLITS, split_of_keys
from cvq_tutorial.worlds.tables.asked import How
from cvq_tutorial.worlds.tables.find import IDENTITY, PARTITIONS, SPLIT_WORDS
from cvq_tutorial.worlds.tables.sheet import Cells, Problem, Sheet, refuse, tell

DRAWS = 64  # of a split, of which the first is taken that has every value on every side ...
SMALL = 2000  # ... of up to so many keys: of more only rare values can be missing
FEW = 5  # held-out identities; from so many on an average over them begins to mean something


def column_of_identity(sheet: Sheet, how: How) -> Cells | None:
    """The column that says who or what a row shows, if there is one."""
    return _column(sheet, how.identity, "none", ("identity",))


def column_of_split(sheet: Sheet, how: How) -> Cells | None:
    """The column that says which split a row belongs to, if there is one."""
    return _column(sheet, how.split, "draw", ("split", "partition", "subset"))


def _column(sheet: Sheet, asked: str | None, none: str, usual: Sequence[str]) -> Cells | None:
    """The column that is asked for, unless that is the word `none`, or a usual one."""
    if asked is not None:
        return None if asked == none else sheet.need(asked)
    return next(filter(None, map(sheet.column, usual)), None)


def identities_of(
    sheet: Sheet, names: Sequence[str], listed: frozenset[str], problem: Problem, how: How
) -> dict[str, str] | None:
    """{name of a picture: who it shows}; None where nothing says so."""
    cells = column_of_identity(sheet, how)
    if cells is not None:
        told = {name: text for name, text in zip(names, cells.texts, strict=True) if text}
        return told or None  # a column of blanks says nothing
    if how.identity is None and (sheet.folder / IDENTITY).is_file():
        return read_words(sheet.folder / IDENTITY, names, listed, problem)
    return None


@dataclass(frozen=True)
class Sides:
    """Whom the pictures show, and on which side of the splits they are."""

    identity: np.ndarray | None  # int64 (M,), -1 where it is unknown; None: nothing says so
    split: np.ndarray  # uint8 (M,), a position in SPLITS
    split_by: str  # what the split follows
    notes: list[str]


def sides_of(
    sheet: Sheet,
    names: Sequence[str],
    files: Sequence[str],
    listed: frozenset[str],
    problem: Problem,
    how: How,
    values: Sequence[np.ndarray],
) -> Sides:
    """The identity and the split of each picture of a table.

    names: of the pictures, as the table has them.  listed: all that it has.
    values: of each column that may be a factor, see `split_drawn`.
    """
    people, keys, identity = identities_of(sheet, names, listed, problem, how), names, None
    if people is not None:
        number = {person: i for i, person in enumerate(dict.fromkeys(people.values()))}
        identity = np.array([number.get(people.get(name, ""), -1) for name in names], np.int64)
        keys = [people.get(name, name) for name in names]
    cells, told_in = column_of_split(sheet, how), sheet.source
    words: Sequence[str | None] | None = None
    by = "file name" if people is None else "identity"
    lists = [sheet.folder / name for name in PARTITIONS]
    if cells is not None:
        words, title = cells.texts, cells.title.lower()
        by = "column split" if title in ("split", "partition") else f"column {title}"
    elif how.split is None and (found := [path for path in lists if path.is_file()]):
        told_in, by = found[0], found[0].name
        words = list(map(read_words(told_in, names, listed, problem).get, names))
    notes = []
    if words is None:
        split, draw = split_drawn(keys, how.even, values)
        if draw:
            notes = [f"splits are draw {draw + 1} by {by}, where the fewest values miss a split"]
        return Sides(identity, split, by, [*notes, *few_held_out(split, identity)])
    split = splits_of(told_in, names, words, problem)
    if identity is not None:
        tell_leaks(told_in, files, split, identity, problem)
    if how.even and not (split == 1).any() and (split == 2).any():
        inside = np.flatnonzero(split == 0)
        inner = [v[inside] for v in values]
        drawn, _ = split_drawn([keys[row] for row in inside.tolist()], True, inner)
        split[inside[drawn == 1]] = 1
        n = int((drawn == 1).sum())
        notes = [f"no picture is for validation: {n:,} of train are taken for it"]
    return Sides(identity, split, by, [*notes, *few_held_out(split, identity)])


def few_held_out(split: np.ndarray, identity: np.ndarray | None) -> list[str]:
    """A note on each held-out split that shows fewer than `FEW` of the identities."""
    if identity is None:
        return []
    there = [len(np.unique(identity[(split == s) & (identity >= 0)])) for s in range(len(SPLITS))]
    return [
        f"only {n} of {sum(there):,} identities "
        f"{'is' if n == 1 else 'are'} in {name}: what is measured there says little about others"
        for name, n in zip(SPLITS[1:], there[1:], strict=True)
        if 0 < n < FEW
    ]


def read_words(
    path: Path, files: Sequence[str], known: frozenset[str], problem: Problem = refuse
) -> dict[str, str]:
    """A list with a word for each picture, such as CelebA's partition: {file: word}.

    Blanks or a comma stand between; a first line that names no picture is a header.

    files: pictures that it must have.  known: those that it may have.
    """
    words: dict[str, str] = {}
    short, strange, twice = [], [], []
    for line, text in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        row = text.replace(",", " ").split()
        if not row or (line == 1 and row[0] not in known and not row[-1].isdigit()):
            continue
        if len(row) != 2:
            short.append(f"{path} line {line}: expected a name and a value, found {len(row)} words")
        elif row[0] not in known:
            strange.append(f"{path} line {line}: {row[0]} is not in the attribute table")
        elif row[0] in words:
            twice.append(f"{path} line {line}: {row[0]} for the second time")
        else:
            words[row[0]] = row[1]
    for told in (short, strange, twice):
        tell(problem, told)
    missing = [name for name in files if name not in words]
    if missing:
        problem(f"{path}: {len(missing)} pictures are missing, the first is {missing[0]}")
    return words


def split_drawn(
    keys: Sequence[str], even: bool, values: Sequence[np.ndarray] = ()
) -> tuple[np.ndarray, int]:
    """A fixed draw by keys, uint8 (M,): 70, 15 and 15 percent; equal keys get the same split.

    even: of the keys that there are, in the order of their hashes: 20 people are 14, 3 and 3. Else
    each key has its split whatever else there is, so that a few keys may leave a split empty.
    values: int (M,) each, -1 for a blank. An even draw of few keys is the first of `DRAWS` from
        which the fewest values are missing on one of its sides.
    Returns the split, and which draw it is, from 0.
    """
    if not even:
        numbers = [_hash(key) for key in keys]
        return split_of_keys(np.array(numbers, dtype=np.uint64)), 0
    best, draw = _even(keys, 0), 0
    fewest = _missing(best, values) if len(set(keys)) <= SMALL else 0
    for other in range(1, DRAWS):
        if not fewest:
            break
        split = _even(keys, other)
        if (n := _missing(split, values)) < fewest:
            best, draw, fewest = split, other, n
    return best, draw


def _missing(split: np.ndarray, values: Sequence[np.ndarray]) -> int:
    """How many values have no picture in a split, summed over splits."""
    first, there = 0, []  # each value of each column gets a number of its own
    for column in values:
        there.append((len(SPLITS) * (first + column) + split)[column >= 0])
        first += int(column.max(initial=-1)) + 1
    found = np.bincount(np.concatenate([*there, []]).astype(np.int64), minlength=3 * first) > 0
    sides = found.reshape(-1, len(SPLITS)).sum(1)
    return int((len(SPLITS) - sides[sides > 0]).sum())


def _even(keys: Sequence[str], draw: int) -> np.ndarray:
    told = f"{draw}\n" if draw else ""
    order = sorted(dict.fromkeys(keys), key=lambda key: _hash(told + key))
    n = len(order)
    held_out = max(1, round(0.15 * n)) if n > 2 else 0
    place = {key: i for i, key in enumerate(reversed(order))}
    ends = [held_out, 2 * held_out]  # test, then valid, then train
    side = np.searchsorted(ends, [place[key] for key in keys], side="right")
    return (2 - side).astype(np.uint8)


def splits_of(
    path: Path, names: Sequence[str], words: Sequence[str | None], problem: Problem
) -> np.ndarray:
    """Position in SPLITS of each row, uint8 (M,); train where its word is a problem."""
    split = np.array([SPLIT_WORDS.get((word or "").lower(), 3) for word in words], np.uint8)
    wrong = [
        f"{path}: {names[row]}: expected one of {', '.join(SPLIT_WORDS)}, found {words[row]!r}"
        for row in np.flatnonzero(split == 3).tolist()
        if words[row] is not None  # one that is missing was told before
    ]
    tell(problem, wrong)
    split[split == 3] = 0
    return split


def tell_leaks(
    path: Path, files: Sequence[str], split: np.ndarray, identity: np.ndarray, problem: Problem
) -> None:
    """Tell of identities that lie in two splits: how many, and where one does."""
    first: dict[int, int] = {}
    leaks: dict[int, int] = {}
    for row, person in enumerate(identity.tolist()):
        other = first.setdefault(person, row)
        if person >= 0 and split[other] != split[row]:
            leaks.setdefault(person, row)
    if leaks:
        person, row = next(iter(leaks.items()))
        other = first[person]
        problem(
            f"{path}: one identity in two splits: {files[other]} is in {SPLITS[split[other]]}, "
            f"{files[row]} in {SPLITS[split[row]]} ({len(leaks):,} of {len(first):,} identities): "
            "split='draw' (--split draw) splits by identity"
        )


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
