"""Pairs of existing pictures that differ in one chosen factor and agree on the others chosen.

A table of pictures is no product of factors: most combinations of values have no picture, and an
action cannot be carried out, only found. Pictures are sorted by a number made of their chosen
values. Those that differ from a picture in one factor, by a given value, then stand in one run of
the sorted table, so partners are found by two binary searches and no list of pairs is ever made
(there can be billions).

A pair of a factor with steps is one step of it, (lower, higher); a pair of a factor that is set has
any two of its values, see `factors`.

Letters: M pictures, F chosen factors, n pairs, k candidates, R runs.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np

from cvq_tutorial.worlds.factors import SPLITS
from cvq_tutorial.worlds.tables.files import AttributeTable
from cvq_tutorial.worlds.tables.sheet import Problem, refuse, tell

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]  # pictures (n,), (n, k) -> (n, k)


@dataclass(frozen=True)
class FoundPairs:
    """All pairs among some pictures, found by their values.

    Both pictures of a pair are of one group (one identity), if there are any.
    Raises ValueError: more than 62 bits are needed for groups and values.
    """

    pictures: np.ndarray  # int64 (M,), their numbers
    chosen: np.ndarray  # uint8 (M, F), their values
    groups: np.ndarray | None = None  # int64 (M,), numbers of 0 or more
    sizes: tuple[int, ...] = ()  # of the F factors; () is 2 for each
    candidates: int = 1  # of so many partners ...
    distance: Distance | None = None  # ... the nearest is taken; None takes any

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", self.sizes or (2,) * self.chosen.shape[1])
        bits = (prod(self.sizes) - 1).bit_length()
        if self.groups is not None and len(self.groups):
            bits += int(self.groups.max()).bit_length()
        if bits > 62:
            raise ValueError(
                f"expected at most 62 bits for attributes and identities, found {bits}: choose "
                "fewer attributes"
            )

    @cached_property
    def _strides(self) -> np.ndarray:
        return np.cumprod([1, *self.sizes[:-1]], dtype=np.int64)

    @cached_property
    def _keys(self) -> np.ndarray:
        """int64 (M,): a number of the values, the first factor fastest, and the group above it."""
        keys = self.chosen.astype(np.int64) @ self._strides
        return keys if self.groups is None else keys + self.groups * prod(self.sizes)

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self._keys, kind="stable")

    @cached_property
    def _sorted(self) -> np.ndarray:
        return self._keys[self._order]

    def _runs(self, factor: int, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the pictures that are like each one but for these values (M, R) of a factor stand
        in the sorted table: start and number (M, R); none where it has that value, or none can.
        """
        now = self.chosen[:, factor, None].astype(np.int64)
        able = (values != now) & (values >= 0) & (values < self.sizes[factor])
        wanted = self._keys[:, None] + self._strides[factor] * (values - now)
        start = np.searchsorted(self._sorted, wanted, side="left")
        number = np.searchsorted(self._sorted, wanted, side="right") - start
        return start, np.where(able, number, 0)

    def _steps(self, factor: int, by: int) -> tuple[np.ndarray, np.ndarray]:
        """The partners of each picture one step up (by=1) or down (by=-1), R = 1."""
        return self._runs(factor, self.chosen[:, factor, None].astype(np.int64) + by)

    def _others(self, factor: int) -> tuple[np.ndarray, np.ndarray]:
        """The partners of each picture with each value of a factor, R = S."""
        return self._runs(factor, np.arange(self.sizes[factor])[None])

    def count(self, factor: int, sets: bool = False) -> int:
        """How many pairs differ in this factor alone: by a step, or, of one that is set, at all."""
        if sets:
            return int(self._others(factor)[1].sum()) // 2
        return int(self._steps(factor, 1)[1].sum())

    def counts_to(self, factor: int) -> np.ndarray:
        """How many pairs there are that end in each value of a factor: int64 (S,)."""
        return self._others(factor)[1].sum(axis=0)

    def draw(self, factor: int, n: int, rng: np.random.Generator) -> np.ndarray:
        """N pairs (lower, higher) of picture numbers, int64 (n, 2); there must be one.

        One end is drawn first, in half of the pairs the lower and in half the higher one, every
        picture that has a partner equally often. The other end is one of its partners, or with a
        `distance` the nearest of `candidates` of them: of all, where there are no more than that.
        """
        return self._ends((self._steps(factor, 1), self._steps(factor, -1)), n, rng)

    def draw_to(self, factor: int, value: int, n: int, rng: np.random.Generator) -> np.ndarray:
        """N pairs (before, after) of picture numbers, int64 (n, 2): after has the value, before
        another one. There must be one; ends are drawn as in `draw`.
        """
        start, number = self._others(factor)
        has = (self.chosen[:, factor] == value)[:, None]
        to = np.arange(number.shape[1]) == value
        runs = [(start, np.where(able, number, 0)) for able in (~has & to, has & ~to)]
        return self._ends(runs, n, rng)

    def _ends(
        self, runs: Sequence[tuple[np.ndarray, np.ndarray]], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        """N pairs of which one end is drawn first, then its partner.

        runs: if it is the first end, and if it is the second: start and number of the partners.
        """
        ends = np.empty((n, 2), dtype=np.int64)
        from_second = rng.integers(0, 2, size=n).astype(bool)
        k = self.candidates if self.distance else 1
        for side, (start, number) in enumerate(runs):
            rows = np.flatnonzero(from_second == side)
            total = number.sum(axis=1)
            able = np.flatnonzero(total > 0)
            one = able[rng.integers(0, len(able), size=len(rows))]
            ends[rows, side] = self.pictures[one]
            for i in range(0, len(rows), 1024):  # k candidates each: a part at a time
                part, here = rows[i : i + 1024], one[i : i + 1024]
                of = total[here][:, None]  # (b, 1)
                drawn = (rng.random((len(here), k)) * of).astype(np.int64)
                place = np.where(of <= k, np.arange(k) % of, drawn) if k > 1 else drawn
                before = np.cumsum(number[here], axis=1) - number[here]  # (b, R)
                run = (place[:, :, None] >= before[:, None]).sum(axis=2) - 1  # never an empty one
                at = np.take_along_axis(start[here], run, axis=1) + place
                at -= np.take_along_axis(before, run, axis=1)
                other = self.pictures[self._order[at]]  # (b, k)
                best = np.zeros(len(here), dtype=np.int64)
                if self.distance:
                    best = self.distance(ends[part, side], other).argmin(axis=1)
                ends[part, 1 - side] = other[np.arange(len(here)), best]
        return ends


@dataclass(frozen=True)
class EitherPairs:
    """Pairs of one identity (`strict`) for the factors `within`, any pairs for the others."""

    strict: FoundPairs
    loose: FoundPairs
    within: frozenset[int]


@dataclass(frozen=True)
class KnownPairs:
    """Pairs from a list: int64 (P, 3), picture without it, picture with it, which of F it is."""

    pairs: np.ndarray

    def count(self, factor: int, sets: bool = False) -> int:
        """How many pairs of this attribute the list has."""
        return int((self.pairs[:, 2] == factor).sum())

    def counts_to(self, factor: int) -> np.ndarray:
        """How many pairs end in no and in yes: each is one both ways, (2,)."""
        return np.full(2, self.count(factor))

    def draw(self, factor: int, n: int, rng: np.random.Generator) -> np.ndarray:
        """N pairs (off, on) of picture numbers, int64 (n, 2), each pair equally often."""
        pairs = self.pairs[self.pairs[:, 2] == factor, :2]
        return pairs[rng.integers(0, len(pairs), size=n)]


Finder = FoundPairs | EitherPairs | KnownPairs


def of_factor(finder: Finder, factor: int) -> FoundPairs | KnownPairs:
    """What finds the pairs of one factor."""
    if isinstance(finder, EitherPairs):
        return finder.strict if factor in finder.within else finder.loose
    return finder


def finders(
    data: AttributeTable,
    columns: Sequence[int],
    known: np.ndarray | None = None,
    same_identity: bool | None = False,
    candidates: int = 1,
    distance: Distance | None = None,
) -> tuple[Finder, ...]:
    """The pairs of each split, for the columns at these positions of the table.

    known: as `read_known_pairs` gives them, to take these instead of finding some.
    same_identity: whether both pictures of a pair show one. None: they do for every factor that has
        such pairs in all splits, and otherwise show anyone.
    candidates, distance: see `FoundPairs`.
    """
    chosen = np.array(columns, dtype=np.int64)
    if known is not None:
        place = np.full(len(data.names), -1)
        place[chosen] = np.arange(len(chosen))
        known = np.concatenate([known[:, :2], place[known[:, 2:]]], axis=1)
        known = known[known[:, 2] >= 0]
        of = [data.split[known[:, 0]] == split for split in range(len(SPLITS))]
        return tuple(KnownPairs(known[inside]) for inside in of)
    sizes = tuple(len(data.by_name[data.names[c]].values) for c in columns)

    def among(same: bool) -> tuple[FoundPairs, ...]:
        found = []
        for split in range(len(SPLITS)):
            inside, groups = np.flatnonzero(data.split == split), None
            if same and data.identity is not None:
                inside = inside[data.identity[inside] >= 0]  # nobody knows who the others show
                groups = data.identity[inside]
            values = data.values[inside][:, chosen]
            found.append(FoundPairs(inside, values, groups, sizes, candidates, distance))
        return tuple(found)

    if same_identity is not None or data.identity is None:
        return among(bool(same_identity))
    strict, loose = among(True), among(False)
    lacking = {f for f, *_ in lacking_pairs(data, columns, strict)}
    within = frozenset(range(len(chosen))) - lacking
    return tuple(EitherPairs(s, a, within) for s, a in zip(strict, loose, strict=True))


def lacking_pairs(
    data: AttributeTable, columns: Sequence[int], found: Sequence[Finder]
) -> list[tuple[int, int, int | None]]:
    """(factor, split, value) where a split that has pictures lacks pairs of a factor.

    value: the one of a categorical factor that none ends in; None for one with steps. One per
    factor, the first.
    """
    lacking: list[tuple[int, int, int | None]] = []
    for factor, column in enumerate(columns):
        sets = data.by_name[data.names[column]].kind == "categorical"
        for split, of in enumerate(found):
            finder = of_factor(of, factor)
            each = sets and isinstance(finder, FoundPairs)
            to = finder.counts_to(factor) if each else np.array([finder.count(factor)])
            if (data.split == split).any() and not to.all():
                lacking.append((factor, split, int(to.argmin()) if each else None))
                break
    return lacking


# A list of pairs ---------------------------------------------------------------------------------


def read_known_pairs(path: Path, table: AttributeTable, problem: Problem = refuse) -> np.ndarray:
    """Pairs of pictures that are known to differ in one attribute: int64 (P, 3).

    Columns of the result: number of the picture without it, number of the picture with it, number
    of the attribute.

    path: a CSV with the columns image_off, image_on and attribute.
    problem: see `read`; a pair with a problem is left out.
    Raises ValueError: as `problem` does; a header without these columns; no pair.
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
