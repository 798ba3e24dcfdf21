"""Pairs of existing pictures that differ in one chosen attribute and agree on the others chosen.

A table of pictures is no product of factors: most combinations of values have no picture, and an
action cannot be carried out, only found. Pictures are sorted by a number made of their chosen
attributes, one bit each. Those that differ from a picture in bit f alone then stand in one run of
the sorted table, so partners are found by two binary searches and no list of pairs is ever made
(there can be billions).

Letters: M pictures, F chosen attributes, n pairs, k candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.worlds.factors import SPLITS
from cvq_tutorial.worlds.tables.files import AttributeTable

CHOSEN = 10  # attributes chosen where nobody chose: those nearest to half yes, half no
Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]  # pictures (n,), (n, k) -> (n, k)


@dataclass(frozen=True)
class FoundPairs:
    """All pairs among some pictures, found by their values.

    Args:
        pictures: int64 (M,), their numbers.
        chosen: uint8 (M, F) of 0 and 1, the chosen attributes of the same pictures.
        groups: int64 (M,) numbers of 0 or more: both pictures of a pair are of one group (one
            identity); None lets any two be a pair.

    Raises:
        ValueError: more than 62 bits are needed for groups and attributes.
    """

    pictures: np.ndarray
    chosen: np.ndarray
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        bits = self.chosen.shape[1]
        if self.groups is not None and len(self.groups):
            bits += int(self.groups.max()).bit_length()
        if bits > 62:
            raise ValueError(
                f"expected at most 62 bits for attributes and identities, found {bits}: choose "
                "fewer attributes"
            )

    @cached_property
    def _keys(self) -> np.ndarray:
        """int64 (M,): one bit per attribute, and the group above them."""
        keys = self.chosen.astype(np.int64) @ (1 << np.arange(self.chosen.shape[1]))
        return keys if self.groups is None else keys + (self.groups << self.chosen.shape[1])

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self._keys, kind="stable")

    @cached_property
    def _sorted(self) -> np.ndarray:
        return self._keys[self._order]

    def partners(self, factor: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the partners of each picture stand in the sorted table: start and number, (M,)."""
        wanted = self._keys ^ (1 << factor)
        start = np.searchsorted(self._sorted, wanted, side="left")
        return start, np.searchsorted(self._sorted, wanted, side="right") - start

    def count(self, factor: int) -> int:
        """How many pairs differ in this attribute alone."""
        return int(self.partners(factor)[1][self.chosen[:, factor] == 0].sum())

    def draw(
        self,
        factor: int,
        n: int,
        rng: np.random.Generator,
        candidates: int = 1,
        distance: Distance | None = None,
    ) -> np.ndarray:
        """n pairs (off, on) of picture numbers, int64 (n, 2); there must be one.

        One end is drawn first, in half of the pairs from the pictures without the attribute and in
        half from those with it, every picture that has a partner equally often. The other end is
        one of its partners, or with a `distance` the nearest of `candidates` of them: of all, where
        there are no more than that.
        """
        start, number = self.partners(factor)
        ends = np.empty((n, 2), dtype=np.int64)
        from_on = rng.integers(0, 2, size=n).astype(bool)
        k = candidates if distance else 1
        for side in (0, 1):
            rows = np.flatnonzero(from_on == side)
            able = np.flatnonzero((self.chosen[:, factor] == side) & (number > 0))
            one = able[rng.integers(0, len(able), size=len(rows))]
            ends[rows, side] = self.pictures[one]
            for i in range(0, len(rows), 1024):  # k candidates each: a part at a time
                part, here = rows[i : i + 1024], one[i : i + 1024]
                of = number[here][:, None]  # (b, 1)
                drawn = (rng.random((len(here), k)) * of).astype(np.int64)
                place = np.where(of <= k, np.arange(k) % of, drawn) if k > 1 else drawn
                other = self.pictures[self._order[start[here][:, None] + place]]  # (b, k)
                best = distance(ends[part, side], other).argmin(axis=1) if distance else 0
                ends[part, 1 - side] = other[np.arange(len(here)), best]
        return ends


@dataclass(frozen=True)
class KnownPairs:
    """Pairs from a list.

    Args:
        pairs: int64 (P, 3): number of the picture without it, of that with it, and the attribute's
            position among the F chosen.
    """

    pairs: np.ndarray

    def count(self, factor: int) -> int:
        """How many pairs of this attribute the list has."""
        return int((self.pairs[:, 2] == factor).sum())

    def draw(
        self,
        factor: int,
        n: int,
        rng: np.random.Generator,
        candidates: int = 1,
        distance: Distance | None = None,
    ) -> np.ndarray:
        """n pairs (off, on) of picture numbers, int64 (n, 2), each pair equally often.

        `candidates` and `distance` play no part: the pairs are what they are.
        """
        pairs = self.pairs[self.pairs[:, 2] == factor, :2]
        return pairs[rng.integers(0, len(pairs), size=n)]


def finders(
    data: AttributeTable,
    columns: Sequence[int],
    known: np.ndarray | None = None,
    same_identity: bool = False,
) -> tuple[FoundPairs | KnownPairs, ...]:
    """The pairs of each split, for the attributes in these columns of the table.

    known: as `read_known_pairs` gives them, to take these instead of finding some.
    """
    chosen = np.array(columns, dtype=np.int64)
    if known is not None:
        place = np.full(len(data.names), -1)
        place[chosen] = np.arange(len(chosen))
        known = np.concatenate([known[:, :2], place[known[:, 2:]]], axis=1)
        known = known[known[:, 2] >= 0]
    found: list[FoundPairs | KnownPairs] = []
    for split in range(len(SPLITS)):
        if known is not None:
            found.append(KnownPairs(known[data.split[known[:, 0]] == split]))
        else:
            inside = np.flatnonzero(data.split == split)
            groups = None
            if same_identity and data.identity is not None:
                inside = inside[data.identity[inside] >= 0]  # nobody knows who the others show
                groups = data.identity[inside]
            found.append(FoundPairs(inside, data.values[inside][:, chosen], groups))
    return tuple(found)


def without_pairs(
    data: AttributeTable, columns: Sequence[int], found: Sequence[FoundPairs | KnownPairs]
) -> dict[str, str]:
    """{attribute: why}, those of the columns without a pair in a split that has pictures."""
    reasons = {}
    for factor, column in enumerate(columns):
        for split, name in enumerate(SPLITS):
            inside = data.values[data.split == split, column]
            if len(inside) and not found[split].count(factor):
                reasons[data.names[column]] = (
                    f"in {name} {int(inside.sum())} of {len(inside)} pictures have it, and none of "
                    "them has a counterpart that agrees on the other chosen attributes"
                )
                break
    return reasons


def choose(
    data: AttributeTable,
    names: Sequence[str] | None,
    known: np.ndarray | None = None,
    same_identity: bool = False,
) -> tuple[list[int], dict[str, str]]:
    """Columns of the chosen attributes, and {attribute: why} of those that had to be left out.

    names: those to choose. None: those of the known pairs, or the CHOSEN whose shares of yes and no
        are most even, without those that have no pair in some split.
    Raises ValueError: a name that the table does not have or twice, one without a pair, or nothing
    left to choose.
    """
    if names is not None:
        for name in names:
            if name not in data.names:
                raise ValueError(close_match("attribute", name, data.names))
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"attributes: expected each once, found {twice[0]!r} twice")
        columns = [data.names.index(name) for name in names]
        reasons = without_pairs(data, columns, finders(data, columns, known, same_identity))
        for name, why in reasons.items():
            raise ValueError(f"{data.source}: no pair for attribute {name!r}: {why}")
        return columns, {}
    if known is not None:
        columns = sorted(set(known[:, 2].tolist()))
    else:
        uneven = np.abs(data.values.mean(axis=0) - 0.5)
        order = [int(c) for c in np.argsort(uneven, kind="stable") if uneven[c] < 0.5]
        columns = sorted(order[:CHOSEN])
    left_out: dict[str, str] = {}
    while columns:
        reasons = without_pairs(data, columns, finders(data, columns, known, same_identity))
        if not reasons:
            return columns, left_out
        # One at a time, the rarest first: it no longer has to agree, so that others gain pairs.
        share = data.values.mean(axis=0)
        rare = [c for c in columns if data.names[c] in reasons]
        worst = min(rare, key=lambda c: min(share[c], 1 - share[c]))
        left_out[data.names[worst]] = reasons[data.names[worst]]
        columns.remove(worst)
    raise ValueError(f"{data.source}: no two pictures differ in one attribute alone in every split")
