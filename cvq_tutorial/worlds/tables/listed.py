"""Pairs of pictures that a table lists, before and after, with a name for what was done or without.

The table has the columns `before` and `after`, the names of two pictures; it may have `action`,
what was done, blank where nobody knows, and `split`. That is all that is known: no factors, so
nothing can be drawn, only read, and no picture can be judged. A pair is taken as it stands, never
the other way round: what was done may have no way back.

Names are for two things. Training with names (`actions="named"`) wants one for every pair, and says
so where some lack it. Training without (`"none"`) looks at none; afterwards `measure.with_names`
scores and names the codes by those pairs of the valid and test splits that have one.

When it misleads: one line is one action. Where two things were done between two pictures, both
together count as one action of their own, and no data can say that they were two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np

from cvq_tutorial.worlds.factors import NO_ACTION, SPLITS, Factor, FactorSpace, split_id
from cvq_tutorial.worlds.pictures import Pictures
from cvq_tutorial.worlds.tables.asked import OTHER_PICTURES, OTHER_TABLE, How, same_hash
from cvq_tutorial.worlds.tables.find import find_table, match
from cvq_tutorial.worlds.tables.read import ENDINGS, read_sheet, titles_of
from cvq_tutorial.worlds.tables.sheet import Cells, Sheet, refuse
from cvq_tutorial.worlds.tables.splits import column_of_split, split_drawn, splits_of

ENDS = ("before", "after")
_SIDE = 64  # pixels


@dataclass(frozen=True)
class PairSpace(FactorSpace):
    """Listed pairs in the place of factors, which nobody knows.

    A row of values is which end a picture is of a pair, 0 before and 1 after, and its number.
    """

    labels: tuple[str, ...] = field(kw_only=True)  # the A names of actions, () where none has one
    ends: np.ndarray = field(kw_only=True, repr=False, compare=False)  # int64 (P, 2), pictures
    acts: np.ndarray = field(kw_only=True, repr=False, compare=False)  # int64 (P,), -1 is unknown
    split: np.ndarray = field(kw_only=True, repr=False, compare=False)  # uint8 (P,), see SPLITS
    source: Path = field(kw_only=True, repr=False, compare=False)  # the table

    one_way = True

    @property
    def n_actions(self) -> int:
        """A, of those that have a name."""
        return len(self.labels)

    @property
    def action_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names that the table gives."""
        return self.labels

    def factor_of(self, actions: object) -> np.ndarray:
        """0 for every action (B,), -1 for none: what it changes is not known."""
        return np.minimum(self.check_actions(actions), 0)

    def _act(self, values: object, actions: object) -> NoReturn:
        raise ValueError(f"{self.source} lists pairs: where another action leads is not known")

    def check_named(self) -> None:
        """Raise ValueError unless every pair has a name."""
        lacking = int((self.acts < 0).sum())
        if lacking:
            some = "has no column action" if not self.labels else f"names {self.n_pairs - lacking}"
            raise ValueError(
                f"{self.source}: expected the action of all {self.n_pairs} pairs, found that it "
                f"{some}: actions='none' (--actions none) learns them without names"
            )

    @property
    def n_pairs(self) -> int:
        """P."""
        return len(self.ends)

    def pair_counts(self, split: str) -> np.ndarray:
        """How many pairs a split has: int64 (1,)."""
        return np.array([(self.split == split_id(split)).sum()])

    def _inside(self, split: str, n: int) -> np.ndarray:
        inside = np.flatnonzero(self.split == split_id(split))
        if n and not len(inside):
            raise ValueError(f"{self.source}: split {split!r} holds no pair of {self.n_pairs}")
        return inside

    def split_of_rows(self, values: np.ndarray) -> np.ndarray:
        """Split of each row of values, a position in SPLITS: uint8 (B,)."""
        of = np.zeros(int(self.ends.max()) + 1, dtype=np.uint8)
        of[self.ends] = self.split[:, None]
        return of[np.asarray(values)[:, -1]]

    def sample_rows(self, n: int, split: str, rng: np.random.Generator) -> np.ndarray:
        """Rows of values int64 (n, 2) of ends of the pairs of a split, with repeats."""
        inside = self._inside(split, n)
        pick, end = rng.integers(0, max(1, len(inside)), n), rng.integers(0, 2, n)
        return np.stack([end, self.ends[inside[pick], end]], axis=1)

    def sample_pairs(
        self, n: int, split: str, rng: np.random.Generator, weights: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """N pairs of a split, each about equally often, in a shuffled order.

        weights: play no part.  Returns rows of values before and after, int64 (n, 2, 2), and
        actions, int64 (n,), -1 where nobody knows.  Raises ValueError for a split without pairs.
        """
        inside = self._inside(split, n)
        pick = inside[rng.permutation(np.arange(n) % max(1, len(inside)))] if n else inside[:0]
        ends = np.broadcast_to(np.arange(2), (n, 2))
        return np.stack([ends, self.ends[pick]], axis=2), self.acts[pick]


@dataclass(frozen=True)
class PairsWorld:
    """Pictures in listed pairs: the world `pictures` of such a table, see `pairs_world`.

    root: the folder, or its table.  asked: all other options, which make it again.
    """

    root: str | Path = field(compare=False)
    asked: dict[str, Any]
    factors: PairSpace = field(repr=False)
    fingerprint: str = field(repr=False)
    told: tuple[str, ...] = field(repr=False, compare=False)
    _pictures: Pictures = field(repr=False, compare=False)
    name: str = field(default="pictures", init=False)
    own: bool = field(default=True, init=False)
    has_images: Literal[True] = field(default=True, init=False)
    image_shape: tuple[int, int, int] = field(default=(_SIDE, _SIDE, 3), init=False)
    credit: str = field(default="Pictures from a folder: name whoever made them.", init=False)

    @property
    def options(self) -> dict[str, Any]:
        """What `make_world("pictures", **options)` needs to make this world again."""
        return {"root": str(self.root), **self.asked}

    def render(self, values: np.ndarray) -> np.ndarray:
        """Pictures uint8 (B, 64, 64, 3) of rows of values (B, 2), see `PairSpace`."""
        values = np.asarray(values)
        if values.ndim != 2 or values.shape[1] != 2:
            raise ValueError(
                f"values: expected shape (B, 2), an end and the number of a picture, found "
                f"{values.shape}"
            )
        return self._pictures.get(values[:, 1])


def lists_pairs(source: Path | None) -> bool:
    """Whether a table has the columns before and after."""
    if source is None or source.suffix.lower() not in ENDINGS:
        return False
    return {title.lower() for title in titles_of(source)} >= set(ENDS)


def pairs_world(
    root: str | Path,
    folder: Path,
    how: How,
    given: Mapping[str, Any],
    crop: int | None,
    fit: str,
    hashes: tuple[str | None, str | None],
) -> PairsWorld:
    """The world of a table of pairs.

    root: as it was asked for.  folder: where that is.
    how: table, split and missing.  given: options of `pictures_world` that say nothing here.
    crop, fit: how a picture becomes a square.
    hashes: that the table and the pictures must have; None takes any.
    Raises ValueError: one of `given`; another hash; a picture that is not there; no pair, or only
    pairs of equal pictures; a picture in two splits, or too few groups to draw splits of.
    """
    source = find_table(folder, how.table)
    assert source is not None
    if given:
        raise ValueError(
            f"{source} lists pairs: expected no option but table, split, missing, crop and fit, "
            f"found {', '.join(given)}"
        )
    sheet = read_sheet(source)
    if not len(sheet):
        raise ValueError(f"{source}: expected a line per pair, before and after, found none")
    ends, place, files, notes = _ends_of(sheet, folder, how.missing == "drop")
    there = (ends >= 0).all(axis=1)
    if not there.any():
        raise ValueError(f"{source}: expected pairs whose pictures are in {place}, found none")
    sheet, ends = sheet.take(np.flatnonzero(there)), ends[there]
    cells = sheet.column("action")
    labels, acts = cells.known if cells else ((), np.full(len(sheet), NO_ACTION))
    split = _split_of(sheet, ends, files, how)
    pictures = Pictures(place, files, _SIDE, crop, fit=fit)
    if not any((pictures.one(a) != pictures.one(b)).any() for a, b in ends.tolist()):
        raise ValueError(
            f"{source}: before and after are equal in all {len(ends)} pairs: expected some in "
            "which something was done"
        )
    side = Factor("end", 2, "categorical", ENDS)
    space = PairSpace((side,), labels=labels, ends=ends, acts=acts, split=split, source=source)
    said = "\n".join((*files, *labels)).encode() + ends.tobytes() + acts.tobytes()
    table_hash = hashlib.sha256(said + split.tobytes()).hexdigest()[:16]
    counts = ", ".join(f"{int((split == s).sum())} {name}" for s, name in enumerate(SPLITS))
    known = f"{int((acts >= 0).sum())} with one of {len(labels)} actions"
    same_hash(source, "a table", hashes[0], table_hash, OTHER_TABLE)
    told = (*notes, f"pairs: {len(ends)} of {len(files)} pictures ({counts}), {known}")
    pictures_hash = pictures.fingerprint
    same_hash(place, "pictures", hashes[1], pictures_hash, OTHER_PICTURES)
    asked = {
        "table": how.table, "split": how.split, "missing": how.missing, "crop": crop,
        "fit": fit, "table_hash": table_hash, "pictures_hash": pictures_hash,
    }  # fmt: skip
    name = f"{table_hash}-{pictures_hash}"
    return PairsWorld(root, asked, space, name, told, pictures)


def _ends_of(
    sheet: Sheet, folder: Path, drop: bool
) -> tuple[np.ndarray, Path, list[str], list[str]]:
    """Picture numbers (P, 2), -1 where there is none; the folder, names in it, and notes."""
    columns = [sheet.column(title) for title in ENDS]
    if None in columns:  # its cells are all blank
        raise ValueError(f"{sheet.source}: column {ENDS[columns.index(None)]} names no picture")
    texts = [cells.texts for cells in columns if cells]
    first: dict[str, int] = {}  # where each name stands first
    for row, names in enumerate(zip(*texts, strict=True)):
        for name in names:
            first.setdefault(name, row)
    every = Cells("picture", tuple(first), np.arange(len(first), dtype=np.int32))
    named = Sheet(sheet.source, (every,), sheet.lines[list(first.values())], sheet.unit)
    base = folder if folder.is_dir() else folder.parent
    place, files, rows, notes = match(named, every, base, refuse, drop)
    number = {every.words[row]: i for i, row in enumerate(rows.tolist())}
    ends = np.array([[number.get(name, -1) for name in pair] for pair in zip(*texts, strict=True)])
    return ends, place, files, notes


def _split_of(sheet: Sheet, ends: np.ndarray, files: list[str], how: How) -> np.ndarray:
    """Split of each pair (P,), as the table says, or drawn: a picture is in one only."""
    cells = column_of_split(sheet, how)
    if cells is not None:
        places = [sheet.at(row) for row in range(len(sheet))]
        split = splits_of(sheet.source, places, cells.texts, refuse)
        of = np.zeros((len(files), len(SPLITS)), dtype=bool)
        of[ends.ravel(), np.repeat(split, 2)] = True
        both = np.flatnonzero(of.sum(axis=1) > 1)
        if len(both):
            there = np.flatnonzero(of[both[0]])
            one, two = SPLITS[there[0]], SPLITS[there[-1]]
            raise ValueError(
                f"{sheet.source}: picture {files[both[0]]} is in {one} and in {two} "
                f"({len(both)} such): expected each in one split; split='draw' (--split draw)"
            )
        return split
    from scipy.sparse import coo_matrix  # 25 MB, for which only a list of pairs has a use
    from scipy.sparse.csgraph import connected_components

    n = len(files)
    linked = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
    group = connected_components(linked, directed=False)[1][ends[:, 0]]
    if len(np.unique(group)) < len(SPLITS):
        raise ValueError(
            f"{sheet.source}: its pairs hang together through shared pictures in "
            f"{len(np.unique(group))} groups, expected at least {len(SPLITS)} to draw splits from: "
            "say which pair is train, valid and test in a column split"
        )
    keys: dict[int, str] = {}  # of each group, its first name
    names = [files[before] for before in ends[:, 0].tolist()]
    for which, name in zip(group.tolist(), names, strict=True):
        keys[which] = min(keys.get(which, name), name)
    return split_drawn([keys[which] for which in group.tolist()], True)[0]
