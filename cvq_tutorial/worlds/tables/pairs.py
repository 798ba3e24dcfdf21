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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from cvq_tutorial.worlds.factors import SPLITS
from cvq_tutorial.worlds.tables.files import AttributeTable

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]  # pictures (n,), (n, k) -> (n, k)


@dataclass(frozen=True)
class FoundPairs:
    """All pairs among some pictures, found by their values.

    Args:
        pictures: int64 (M,), their numbers.
        chosen: uint8 (M, F), the values of the same pictures.
        groups: int64 (M,) numbers of 0 or more: both pictures of a pair are of one group (one
            identity); None lets any two be a pair.
        sizes: of the F factors; None is 2 for each.

    Raises:
        ValueError: more than 62 bits are needed for groups and values.
    """

    pictures: np.ndarray
    chosen: np.ndarray
    groups: np.ndarray | None = None
    sizes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        bits = (self._whole - 1).bit_length()
        if self.groups is not None and len(self.groups):
            bits += int(self.groups.max()).bit_length()
        if bits > 62:
            raise ValueError(
                f"expected at most 62 bits for attributes and identities, found {bits}: choose "
                "fewer attributes"
            )

    @property
    def _sizes(self) -> tuple[int, ...]:
        return self.sizes or (2,) * self.chosen.shape[1]

    @property
    def _whole(self) -> int:
        return prod(self._sizes)

    @cached_property
    def _strides(self) -> np.ndarray:
        return np.cumprod([1, *self._sizes[:-1]], dtype=np.int64)

    @cached_property
    def _keys(self) -> np.ndarray:
        """int64 (M,): a number of the values, the first factor fastest, and the group above it."""
        keys = self.chosen.astype(np.int64) @ self._strides
        return keys if self.groups is None else keys + self.groups * self._whole

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self._keys, kind="stable")

    @cached_property
    def _sorted(self) -> np.ndarray:
        return self._keys[self._order]

    def _run(self, factor: int, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the pictures that are like each one but for this value (M,) of a factor stand in
        the sorted table: start and number, int64 (M,); none where it has that value, or no picture
        can.
        """
        now = self.chosen[:, factor].astype(np.int64)
        able = (value != now) & (value >= 0) & (value < self._sizes[factor])
        wanted = self._keys + self._strides[factor] * (value - now)
        start = np.searchsorted(self._sorted, wanted, side="left")
        number = np.searchsorted(self._sorted, wanted, side="right") - start
        return start, np.where(able, number, 0)

    def steps(self, factor: int, by: int) -> tuple[np.ndarray, np.ndarray]:
        """The partners of each picture one step up (by=1) or down (by=-1): start, number (M, 1)."""
        start, number = self._run(factor, self.chosen[:, factor].astype(np.int64) + by)
        return start[:, None], number[:, None]

    def others(self, factor: int) -> tuple[np.ndarray, np.ndarray]:
        """The partners of each picture with each value of a factor: start, number (M, S)."""
        values = [np.full(len(self.chosen), value) for value in range(self._sizes[factor])]
        runs = [self._run(factor, value) for value in values]
        return np.stack([s for s, _ in runs], axis=1), np.stack([n for _, n in runs], axis=1)

    def count(self, factor: int, sets: bool = False) -> int:
        """How many pairs differ in this factor alone: by a step, or, of one that is set, at all."""
        if sets:
            return int(self.others(factor)[1].sum()) // 2
        return int(self.steps(factor, 1)[1].sum())

    def counts_to(self, factor: int) -> np.ndarray:
        """How many pairs there are that end in each value of a factor: int64 (S,)."""
        return self.others(factor)[1].sum(axis=0)

    def draw(
        self,
        factor: int,
        n: int,
        rng: np.random.Generator,
        candidates: int = 1,
        distance: Distance | None = None,
    ) -> np.ndarray:
        """N pairs (lower, higher) of picture numbers, int64 (n, 2); there must be one.

        One end is drawn first, in half of the pairs the lower and in half the higher one, every
        picture that has a partner equally often. The other end is one of its partners, or with a
        `distance` the nearest of `candidates` of them: of all, where there are no more than that.
        """
        ends = np.empty((n, 2), dtype=np.int64)
        from_on = rng.integers(0, 2, size=n).astype(bool)
        for side in (0, 1):
            rows = np.flatnonzero(from_on == side)
            runs = self.steps(factor, 1 - 2 * side)
            self._fill(ends, rows, side, runs, rng, candidates, distance)
        return ends

    def draw_to(
        self,
        factor: int,
        value: int,
        n: int,
        rng: np.random.Generator,
        candidates: int = 1,
        distance: Distance | None = None,
    ) -> np.ndarray:
        """N pairs (before, after) of picture numbers, int64 (n, 2): after has the value, before
        another one. There must be one; ends are drawn as in `draw`.
        """
        ends = np.empty((n, 2), dtype=np.int64)
        from_after = rng.integers(0, 2, size=n).astype(bool)
        start, number = self.others(factor)
        has = (self.chosen[:, factor] == value)[:, None]
        to = np.arange(number.shape[1]) == value
        for side, able in ((0, ~has & to), (1, has & ~to)):
            rows = np.flatnonzero(from_after == side)
            runs = (start, np.where(able, number, 0))
            self._fill(ends, rows, side, runs, rng, candidates, distance)
        return ends

    def _fill(
        self,
        ends: np.ndarray,
        rows: np.ndarray,
        side: int,
        runs: tuple[np.ndarray, np.ndarray],
        rng: np.random.Generator,
        candidates: int,
        distance: Distance | None,
    ) -> None:
        """Draw the pairs in these rows of `ends`: first their end at `side`, then its partner.

        runs: start and number of the partners of each picture, (M, R).
        """
        start, number = runs
        total = number.sum(axis=1)
        able = np.flatnonzero(total > 0)
        one = able[rng.integers(0, len(able), size=len(rows))]
        ends[rows, side] = self.pictures[one]
        k = candidates if distance else 1
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
            best = distance(ends[part, side], other).argmin(axis=1) if distance else 0
            ends[part, 1 - side] = other[np.arange(len(here)), best]


@dataclass(frozen=True)
class EitherPairs:
    """Pairs of one identity for some factors, any pairs for the others.

    Args:
        strict: finds pairs of one identity.  loose: finds any.
        within: the factors that take those of one identity.
    """

    strict: FoundPairs
    loose: FoundPairs
    within: frozenset[int]

    def of(self, factor: int) -> FoundPairs:
        """The finder of a factor."""
        return self.strict if factor in self.within else self.loose


@dataclass(frozen=True)
class KnownPairs:
    """Pairs from a list.

    Args:
        pairs: int64 (P, 3): number of the picture without it, of that with it, and the attribute's
            position among the F chosen.
    """

    pairs: np.ndarray

    def count(self, factor: int, sets: bool = False) -> int:
        """How many pairs of this attribute the list has."""
        return int((self.pairs[:, 2] == factor).sum())

    def counts_to(self, factor: int) -> np.ndarray:
        """How many pairs end in no and in yes: each is one both ways, (2,)."""
        return np.full(2, self.count(factor))

    def draw(
        self,
        factor: int,
        n: int,
        rng: np.random.Generator,
        candidates: int = 1,
        distance: Distance | None = None,
    ) -> np.ndarray:
        """N pairs (off, on) of picture numbers, int64 (n, 2), each pair equally often.

        `candidates` and `distance` play no part: the pairs are what they are.
        """
        pairs = self.pairs[self.pairs[:, 2] == factor, :2]
        return pairs[rng.integers(0, len(pairs), size=n)]


Finder = FoundPairs | EitherPairs | KnownPairs


def of_factor(finder: Finder, factor: int) -> FoundPairs | KnownPairs:
    """What finds the pairs of one factor."""
    return finder.of(factor) if isinstance(finder, EitherPairs) else finder


def finders(
    data: AttributeTable,
    columns: Sequence[int],
    known: np.ndarray | None = None,
    same_identity: bool | None = False,
) -> tuple[Finder, ...]:
    """The pairs of each split, for the columns at these positions of the table.

    known: as `read_known_pairs` gives them, to take these instead of finding some.
    same_identity: whether both pictures of a pair show one. None: they do for every factor that has
        such pairs in all splits, and otherwise show anyone.
    """
    chosen = np.array(columns, dtype=np.int64)
    if known is not None:
        place = np.full(len(data.names), -1)
        place[chosen] = np.arange(len(chosen))
        known = np.concatenate([known[:, :2], place[known[:, 2:]]], axis=1)
        known = known[known[:, 2] >= 0]
        of = [data.split[known[:, 0]] == split for split in range(len(SPLITS))]
        return tuple(KnownPairs(known[inside]) for inside in of)
    if same_identity is not None or data.identity is None:
        return tuple(_found(data, chosen, bool(same_identity)))
    strict, loose = _found(data, chosen, True), _found(data, chosen, False)
    lacking = {f for f, *_ in lacking_pairs(data, columns, strict)}
    within = frozenset(range(len(chosen))) - lacking
    return tuple(EitherPairs(s, a, within) for s, a in zip(strict, loose, strict=True))


def _found(data: AttributeTable, chosen: np.ndarray, same: bool) -> list[FoundPairs]:
    sizes = tuple(len(data.by_name[data.names[c]].values) for c in chosen)
    found = []
    for split in range(len(SPLITS)):
        inside = np.flatnonzero(data.split == split)
        groups = None
        if same and data.identity is not None:
            inside = inside[data.identity[inside] >= 0]  # nobody knows who the others show
            groups = data.identity[inside]
        found.append(FoundPairs(inside, data.values[inside][:, chosen], groups, sizes))
    return found


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
        for split in range(len(SPLITS)):
            finder = of_factor(found[split], factor)
            if not (data.split == split).any():
                continue
            if sets and isinstance(finder, FoundPairs):
                to = finder.counts_to(factor)
                if not to.all():
                    lacking.append((factor, split, int(to.argmin())))
                    break
            elif not finder.count(factor):
                lacking.append((factor, split, None))
                break
    return lacking
