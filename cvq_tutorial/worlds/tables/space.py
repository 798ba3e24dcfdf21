"""The factors of a table of pictures: columns of it, and which pictures have which values.

Other worlds have a picture for every setting of their factors, so their settings can be drawn. Here
pictures are given: there is none for most settings, and several for others. So a row of values has
one column more than there are factors, **the number of the picture**, and `transitions` asks the
space itself for rows and pairs instead of drawing them.

Letters: B rows, F chosen columns, T columns of the table, n pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from cvq_tutorial.worlds.factors import FactorSpace, split_id
from cvq_tutorial.worlds.tables.files import AttributeTable
from cvq_tutorial.worlds.tables.pairs import EitherPairs, Finder, FoundPairs, of_factor


@dataclass(frozen=True)
class PictureSpace(FactorSpace):
    """Columns as factors, and the pictures that have their values."""

    data: AttributeTable = field(repr=False, compare=False)  # the whole table
    columns: np.ndarray = field(repr=False, compare=False)  # int64 (F,), those that are factors
    pairs: tuple[Finder, ...] = field(repr=False, compare=False)  # one per split

    def rows(self, pictures: np.ndarray) -> np.ndarray:
        """Rows of values int64 (B, F + 1) of picture numbers (B,): attributes, then the number."""
        chosen = self.data.values[pictures][:, self.columns]
        return np.concatenate([chosen, np.asarray(pictures)[:, None]], axis=1).astype(np.int64)

    def pictures_of(self, values: np.ndarray) -> np.ndarray:
        """Picture numbers int64 (B,) of rows of values.

        values: integers (B, F + 1) as `rows` makes them; or (B, F) without the number, which means
            the first picture of the table with these attributes.
        Raises TypeError, ValueError: values of the wrong kind, shape or range; a number whose
        picture has other attributes; attributes that no picture has.
        """
        values = np.asarray(values)
        if values.ndim == 2 and values.shape[1] == self.n_factors:
            return self._first_with(self.check(values))
        if values.ndim != 2 or values.shape[1] != self.n_factors + 1:
            raise ValueError(
                f"values: expected shape (B, {self.n_factors + 1}), the attributes and the number "
                f"of the picture, found {values.shape}"
            )
        chosen, numbers = self.check(values[:, :-1]), values[:, -1]
        bad = (numbers < 0) | (numbers >= len(self.data.files))
        if bad.any():
            raise ValueError(
                f"expected the number of a picture in 0..{len(self.data.files) - 1}, found "
                f"{numbers[bad][0]} in row {int(bad.argmax())}"
            )
        other = (self.data.values[numbers][:, self.columns] != chosen).any(axis=1)
        if other.any():
            row = int(other.argmax())
            raise ValueError(
                f"picture {self.data.files[int(numbers[row])]} has other attributes than the "
                f"values in row {row}"
            )
        return numbers.astype(np.int64)

    def _first_with(self, chosen: np.ndarray) -> np.ndarray:
        keys = self.data.values[:, self.columns].astype(np.int64) @ self._strides
        there, first = np.unique(keys, return_index=True)
        wanted = chosen @ self._strides
        place = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
        missing = there[place] != wanted
        if missing.any():
            row = chosen[int(missing.argmax())]
            told = [
                f.name if f.kind == "binary" else f"{f.name}={f.label(value)}"
                for f, value in zip(self.factors, row.tolist(), strict=True)
                if value or f.kind != "binary"
            ]
            raise ValueError(
                f"no picture has exactly {', '.join(told) or 'none of the attributes'}: "
                f"{len(there)} of {self.size} combinations have one"
            )
        return first[place]

    def split_of_rows(self, values: np.ndarray) -> np.ndarray:
        """Split of each row of values, a position in SPLITS: uint8 (B,). Errors: `pictures_of`."""
        return self.data.split[self.pictures_of(values)]

    def sample_rows(self, n: int, split: str, rng: np.random.Generator) -> np.ndarray:
        """Rows of values int64 (n, F + 1) of pictures drawn uniformly from a split, with repeats.

        Raises ValueError for an unknown split or one without pictures.
        """
        inside = np.flatnonzero(self.data.split == split_id(split))
        if n and not len(inside):
            raise ValueError(f"split {split!r} holds no picture of {self.data.source}")
        return self.rows(inside[rng.integers(0, max(1, len(inside)), size=n)])

    def sample_pairs(
        self, n: int, split: str, rng: np.random.Generator, weights: ArrayLike | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of pictures of one split, in a shuffled order.

        n: how many.
        split: "train", "valid" or "test".
        rng: draws them.
        weights: how often each of the F factors comes, relative to each other. None: all equally
            often, so that the few pairs of a rare one come again and again (`pair_counts` says how
            many there are, and may be the weights).
        Returns rows of values before and after, int64 (n, 2, F + 1), and actions, int64 (n,). Half
        of the steps go up, half down; of a factor that is set every value comes equally often.
        Raises ValueError: unknown split, wrong weights, or an attribute without a pair in the
        split.
        """
        finder, n_factors = self.pairs[split_id(split)], self.n_factors
        share = np.ones(n_factors) if weights is None else np.asarray(weights, dtype=float)
        if share.shape != (n_factors,) or not (share >= 0).all() or not 0 < share.sum() < np.inf:
            raise ValueError(f"weights: expected {n_factors} of 0 or more, found {weights!r:.80}")
        for name, wanted, there in zip(self.names, share, self.pair_counts(split), strict=True):
            if n and wanted and not there:
                raise ValueError(f"split {split!r} holds no transition of factor {name!r}")
        exact = n * share / share.sum()
        take = np.floor(exact).astype(np.int64)
        late = np.lexsort((rng.random(n_factors), take - exact))  # what was cut off most, first
        take[late[: n - int(take.sum())]] += 1
        ends, value = np.empty((n, 2), dtype=np.int64), np.zeros(n, dtype=np.int64)
        moved = np.repeat(np.arange(n_factors), take)
        for factor in np.unique(moved).tolist():
            of = of_factor(finder, factor)
            here = np.flatnonzero(moved == factor)
            if factor in self.sets and isinstance(of, FoundPairs):
                value[here] = self._even(of.counts_to(factor), len(here), rng)
                for v in np.unique(value[here]):
                    to = here[value[here] == v]
                    ends[to] = of.draw_to(factor, v, len(to), rng)
            else:
                ends[here] = of.draw(factor, len(here), rng)
        down = rng.integers(0, 2, size=n).astype(bool) & ~np.isin(moved, self.sets)
        ends[down] = ends[down, ::-1]
        order = rng.permutation(n)
        pairs = np.stack([self.rows(end) for end in ends[order].T], axis=1)  # (n, 2, F + 1)
        return pairs, self.acting_on(moved, down, value)[order]

    @staticmethod
    def _even(counts: np.ndarray, m: int, rng: np.random.Generator) -> np.ndarray:
        """The values (m,), rising, in which pairs end: as many in each that has some, of (S,)."""
        there = np.flatnonzero(counts)
        shares = np.zeros(len(counts), dtype=np.int64)
        shares[there] = m // len(there)
        shares[rng.permutation(there)[: m % len(there)]] += 1
        return np.repeat(np.arange(len(counts)), shares)

    def pair_counts(self, split: str) -> np.ndarray:
        """How many different pairs there are of each factor in a split: int64 (F,)."""
        finder = self.pairs[split_id(split)]
        every = range(self.n_factors)
        return np.array([of_factor(finder, f).count(f, f in self.sets) for f in every])

    def of_one(self, pairs: np.ndarray) -> np.ndarray | None:
        """Whether both pictures of each pair are known to show one identity: bool (n,).

        pairs: rows of values (n, 2, F + 1).  None where the table knows no identity.
        """
        if self.data.identity is None:
            return None
        shown = self.data.identity[pairs[:, :, -1]]
        return (shown[:, 0] == shown[:, 1]) & (shown[:, 0] >= 0)

    def others_differ(self, pairs: np.ndarray) -> np.ndarray:
        """How many of the columns that were not chosen differ in each pair: int64 (n,).

        pairs: rows of values (n, 2, F + 1).
        """
        others = np.setdiff1d(np.arange(len(self.data.names)), self.columns)
        values = self.data.values[pairs[:, :, -1]][:, :, others]  # (n, 2, T - F)
        return (values[:, 0] != values[:, 1]).sum(axis=1)


def paired(space: PictureSpace) -> tuple[str, ...]:
    """What the pairs of one identity or of several are, in a line; () where none is known."""
    finder = space.pairs[0]
    if not isinstance(finder, EitherPairs):
        return ()
    some = ", ".join(name for f, name in enumerate(space.names) if f in finder.within)
    rest = ", ".join(name for f, name in enumerate(space.names) if f not in finder.within)
    told = [f"both pictures of a pair show one identity: {some}"] if some else []
    told += [f"anyone, the nearest: {rest} (no such pair in some split)"] if rest else []
    return (f"pairs: {'; '.join(told)}",)


@dataclass(frozen=True)
class PairReport:
    """How atomic the pairs of a split are. `str()` of it is a table."""

    split: str
    names: tuple[str, ...]  #: F chosen columns
    n_others: int  #: columns that were not chosen
    #: (F,) how many pictures have the attribute; of a factor that is not yes/no, its rarest value
    pictures: np.ndarray
    pairs: np.ndarray  #: (F,) how many different pairs there are
    others: np.ndarray  #: (F,) mean number of other columns that differ in a pair
    atomic: np.ndarray  #: (F,) share of pairs in which no other column differs
    one: np.ndarray | None = None  #: (F,) share that shows one identity; None where none is known

    def __str__(self) -> str:
        one = "" if self.one is None else f"; {self.one.mean():.0%} of pairs show one identity"
        lines = [
            f"{self.split}: pairs that differ in one of {len(self.names)} chosen attributes; of the"
            f" {self.n_others} others {self.others.mean():.2f} differ in the mean pair, and none in"
            f" {self.atomic.mean():.0%} of pairs{one}",
            f"{'attribute':<24}{'pictures':>10}{'pairs':>14}{'others':>9}{'none':>8}",
        ]
        table = (self.names, self.pictures, self.pairs, self.others, self.atomic)
        for name, pictures, pairs, others, atomic in zip(*table, strict=True):
            lines.append(f"{name:<24.24}{pictures:>10}{pairs:>14}{others:>9.2f}{atomic:>8.0%}")
        return "\n".join(lines)


def pair_report(
    space: PictureSpace, split: str = "train", n: int = 4000, seed: int = 0
) -> PairReport:
    """Draw n pairs of a split, all attributes equally often, and count what else differs in them.

    Raises ValueError as `sample_pairs`, and for n below the number of factors.
    """
    n_factors = space.n_factors
    if n < n_factors:
        raise ValueError(f"expected n of at least {n_factors}, one per attribute, found {n}")
    pairs, actions = space.sample_pairs(n, split, np.random.default_rng(seed))
    others, factor = space.others_differ(pairs), space.factor_of(actions)
    one = space.of_one(pairs)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.array([values[factor == f].mean() for f in range(n_factors)])

    inside = space.rows(np.flatnonzero(space.data.split == split_id(split)))
    counts = [np.bincount(inside[:, f], minlength=size) for f, size in enumerate(space.sizes)]
    kinds = [factor.kind for factor in space.factors]
    rarest = [n[1] if kind == "binary" else n.min() for n, kind in zip(counts, kinds, strict=True)]
    return PairReport(
        split, space.names, len(space.data.names) - n_factors, np.array(rarest),
        space.pair_counts(split), mean(others), mean(others == 0),
        None if one is None else mean(one),
    )  # fmt: skip
