"""Factors of variation as data: names, sizes, kinds, and the arithmetic of indices and actions.

A world with factors of sizes (10, 4) has 40 images. Image `i` and its factor values `(v_0, v_1)`
are two names for the same thing, `i = v_0 * 4 + v_1`: the last factor changes fastest. An
**action** moves one factor by one step. With F factors there are 2F actions: action `a < F` raises
factor `a`, action `a >= F` lowers factor `a - F`, and -1 is "no action". Everything here works on
whole batches, without a loop over images.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from cvq_tutorial.common.checks import close_match

NO_ACTION = -1
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Factor:
    """One ground-truth variable with the integer values 0 .. size-1.

    Args:
        name: an identifier such as "floor_hue".
        size: how many values, at least 2 (a constant is no factor: leave it out).
        ordered: neighbouring values are alike (sizes, angles); False for kinds (shapes, clothes).
        cyclic: the last value is a neighbour of the first (hues, full turns).
        values: text for each value, for labels; None prints the integers.
        causes: factors that this one follows, as (name, steps): when that factor goes up by one,
            this one goes up by `steps`, round its values and back to the first if need be.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, size below 2, or not one text per
        value; a cause that is no (name, steps), or whose steps are a multiple of the size.
    """

    name: str
    size: int
    ordered: bool = True
    cyclic: bool = False
    values: tuple[str, ...] | None = None
    causes: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ValueError(f"a factor name must be an identifier, found {self.name!r}")
        if isinstance(self.size, bool) or not isinstance(self.size, (int, np.integer)):
            raise TypeError(f"factor {self.name!r}: size must be an integer, found {self.size!r}")
        if self.size < 2:
            raise ValueError(f"factor {self.name!r}: size must be at least 2, found {self.size}")
        if self.cyclic and (not self.ordered or self.size < 3):
            raise ValueError(
                f"factor {self.name!r}: a cyclic factor must be ordered and have at least 3 values "
                "(with 2, a step up and a step down are the same)"
            )
        if self.values is not None and len(self.values) != self.size:
            raise ValueError(
                f"factor {self.name!r}: expected {self.size} texts in values, "
                f"found {len(self.values)}"
            )
        for cause in self.causes:
            fits = isinstance(cause, (tuple, list)) and [type(c) for c in cause] == [str, int]
            if not fits or cause[1] % self.size == 0:
                raise ValueError(
                    f"factor {self.name!r}: a cause is a name and how many steps it moves this one "
                    f"(no multiple of {self.size}), found {cause!r}"
                )
        object.__setattr__(self, "causes", tuple((name, steps) for name, steps in self.causes))

    def label(self, value: int) -> str:
        """Text of one value: its entry in `values`, or the integer itself."""
        return str(value) if self.values is None else self.values[value]


@dataclass(frozen=True)
class FactorSpace:
    """The factors of a world in their fixed order, the last one changing fastest.

    Args:
        factors: at least one Factor, with distinct names.

    Raises:
        ValueError: no factor, a name used twice, more than 2**62 combinations, a cause that is no
            factor, or causes that run in a circle.
    """

    factors: tuple[Factor, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", tuple(self.factors))
        if not self.factors:
            raise ValueError("a factor space needs at least one factor, found none")
        twice = {name for name in self.names if self.names.count(name) > 1}
        if twice:
            raise ValueError(
                f"factor names must be distinct, found twice: {', '.join(sorted(twice))}"
            )
        if self.size > 2**62:
            raise ValueError(f"at most 2**62 combinations of factors, found {self.size}")
        _ = self._links  # raises for an unknown cause or a circle of causes

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Factor names in order."""
        return tuple(factor.name for factor in self.factors)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each factor."""
        return tuple(int(factor.size) for factor in self.factors)

    @property
    def n_factors(self) -> int:
        """F."""
        return len(self.factors)

    @property
    def n_actions(self) -> int:
        """A = 2F."""
        return 2 * len(self.factors)

    @cached_property
    def size(self) -> int:
        """Number of combinations, the product of the sizes."""
        return prod(self.sizes)

    @cached_property
    def action_names(self) -> tuple[str, ...]:
        """Names of the 2F actions: "name+" for those that raise, then "name-" for the others."""
        return tuple(f"{n}+" for n in self.names) + tuple(f"{n}-" for n in self.names)

    @cached_property
    def _strides(self) -> np.ndarray:
        sizes = np.array((*self.sizes[1:], 1), dtype=np.int64)
        return np.cumprod(sizes[::-1])[::-1].copy()

    @cached_property
    def _links(self) -> tuple[tuple[int, int, int], ...]:
        """(cause, effect, steps) of all causes, each factor's own before those of its effects."""
        links: list[tuple[int, int, int]] = []
        left = dict(enumerate(self.factors))
        while left:
            ready = [
                i
                for i, f in left.items()
                if not {self.factor_id(n) for n, _ in f.causes} & set(left)
            ]
            if not ready:
                circle = ", ".join(f.name for f in left.values())
                raise ValueError(
                    f"factors must not cause each other in a circle, found one among {circle}"
                )
            for i in ready:
                links += [(self.factor_id(name), i, steps) for name, steps in left.pop(i).causes]
        return tuple(links)

    @property
    def factor_graph(self) -> np.ndarray:
        """Which factor is a direct cause of which: bool (F, F), row = cause, column = effect."""
        graph = np.zeros((self.n_factors, self.n_factors), dtype=bool)
        for cause, effect, _ in self._links:
            graph[cause, effect] = True
        return graph

    def follow(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """`after`, where every effect has moved with its causes: int64 (B, F), a new array.

        before: int64 (B, F).  after: the same images with some factors set, their effects not yet.
        Factors without causes stay as they are in `after`.
        """
        after = after.copy()
        for cause, effect, steps in self._links:
            moved = after[:, cause] - before[:, cause]  # (B,)
            followed = (after[:, effect] + steps * moved) % self.sizes[effect]
            after[:, effect] = np.where(moved == 0, after[:, effect], followed)
        return after

    def check(self, values: object) -> np.ndarray:
        """`values` as an int64 array (B, F) after checking it.

        Raises:
            TypeError: not integers. ValueError: wrong shape, or a value outside its factor's range.
        """
        array = np.asarray(values)
        if array.ndim != 2 or array.shape[1] != self.n_factors:
            raise ValueError(
                f"factor values: expected shape (B, {self.n_factors}) for {', '.join(self.names)}, "
                f"found {array.shape}"
            )
        array = _integers(array, "factor values")
        bad = (array < 0) | (array >= np.array(self.sizes))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise ValueError(
                f"factor {self.names[column]!r}: expected a value in 0..{self.sizes[column] - 1}, "
                f"found {array[row, column]} in row {row}"
            )
        return array

    def values(self, index: object) -> np.ndarray:
        """Factor values int64 (B, F) of image numbers (B,).

        Raises:
            TypeError: not integers. ValueError: not one-dimensional, or outside 0 .. size-1.
        """
        array = np.asarray(index)
        if array.ndim != 1:
            raise ValueError(f"image index: expected shape (B,), found {array.shape}")
        array = _integers(array, "image index")
        bad = (array < 0) | (array >= self.size)
        if bad.any():
            raise ValueError(
                f"image index: expected 0..{self.size - 1}, found {array[bad][0]} "
                f"at {np.argmax(bad)}"
            )
        return array[:, None] // self._strides % np.array(self.sizes)  # (B, F)

    def index(self, values: object) -> np.ndarray:
        """Image numbers int64 (B,) of factor values (B, F), which must pass `check`."""
        return self.check(values) @ self._strides

    def factor_id(self, name: str | int) -> int:
        """Position of a factor, given its name (or position, which is checked).

        Raises:
            ValueError: unknown name (close ones named) or position out of range.
        """
        if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
            if not 0 <= name < self.n_factors:
                raise ValueError(f"factor: expected 0..{self.n_factors - 1}, found {name}")
            return int(name)
        if name not in self.names:
            raise ValueError(close_match("factor", name, self.names))
        return self.names.index(name)

    def action_id(self, action: str | int) -> int:
        """Number of an action, given its name ("scale+") or number; -1 and "none" are no action.

        Raises:
            ValueError: unknown name (close ones named) or number out of range.
        """
        if isinstance(action, (int, np.integer)) and not isinstance(action, bool):
            if not NO_ACTION <= action < self.n_actions:
                raise ValueError(
                    f"action: expected 0..{self.n_actions - 1}, or -1 for none, found {action}"
                )
            return int(action)
        if action == "none":
            return NO_ACTION
        if action not in self.action_names:
            raise ValueError(close_match("action", action, self.action_names))
        return self.action_names.index(action)

    def check_actions(self, actions: object, length: int | None = None) -> np.ndarray:
        """`actions` as an int64 array (B,) after checking shape, kind and range -1 .. 2F-1."""
        array = np.asarray(actions)
        if array.ndim != 1 or (length is not None and len(array) != length):
            expected = "(B,)" if length is None else f"({length},)"
            raise ValueError(f"actions: expected shape {expected}, found {array.shape}")
        array = _integers(array, "actions")
        bad = (array < NO_ACTION) | (array >= self.n_actions)
        if bad.any():
            raise ValueError(
                f"actions: expected 0..{self.n_actions - 1}, or -1 for none, found {array[bad][0]} "
                f"at {np.argmax(bad)}"
            )
        return array

    def _step(self, values: object, actions: object, wrap: bool) -> tuple[np.ndarray, np.ndarray]:
        """Values after the step, in range or not, and whether each is in range."""
        values = self.check(values)
        actions = self.check_actions(actions, len(values))
        rows, factor = np.arange(len(values)), actions % self.n_factors
        step = np.where(actions < 0, 0, np.where(actions < self.n_factors, 1, -1))
        moved = values.copy()
        moved[rows, factor] += step
        sizes = np.array(self.sizes)
        if wrap:
            cyclic = np.array([f.cyclic for f in self.factors])
            moved = np.where(cyclic, moved % sizes, moved)
        moved = self.follow(values, moved)
        return moved, np.all((moved >= 0) & (moved < sizes), axis=1)

    def legal(self, values: object, actions: object, wrap: bool = False) -> np.ndarray:
        """Whether each action stays in range: bool (B,); arguments and errors as `apply`."""
        return self._step(values, actions, wrap)[1]

    def apply(self, values: object, actions: object, wrap: bool = False) -> np.ndarray:
        """Factor values after one action each; the effects of the moved factor move with it.

        Args:
            values: integers (B, F).
            actions: integers (B,), each in -1 .. 2F-1; -1 changes nothing.
            wrap: let cyclic factors step from their last value to their first and back.

        Returns:
            int64 (B, F), a new array.

        Raises:
            TypeError, ValueError: as `check`; and a step that leaves the range.
        """
        moved, legal = self._step(values, actions, wrap)
        if not legal.all():
            row = int(np.argmin(legal))
            action = int(np.asarray(actions)[row])
            factor = self.factors[action % self.n_factors]
            found = int(np.asarray(values)[row, action % self.n_factors])
            cyclic = "; it is cyclic, wrap=True allows the step" if factor.cyclic else ""
            raise ValueError(
                f"action {self.action_names[action]!r} leaves the range of {factor.name!r}: "
                f"expected a result in 0..{factor.size - 1}, found a step from {found} in row "
                f"{row}{cyclic}"
            )
        return moved

    def to_json(self) -> list[dict]:
        """A list of plain dicts, one per factor, that `from_json` reads back."""
        return [
            {
                "name": f.name,
                "size": int(f.size),
                "ordered": bool(f.ordered),
                "cyclic": bool(f.cyclic),
                "values": None if f.values is None else list(f.values),
            }
            | ({"causes": [list(cause) for cause in f.causes]} if f.causes else {})
            for f in self.factors
        ]

    @classmethod
    def from_json(cls, data: list[dict]) -> FactorSpace:
        """The space that `to_json` wrote.

        Raises:
            ValueError: not a list of dicts with the keys name, size, ordered, cyclic, values (and
                causes, where there are some).
            TypeError, ValueError: what Factor and FactorSpace refuse.
        """
        keys = {"name", "size", "ordered", "cyclic", "values"}
        if not isinstance(data, list) or not all(
            isinstance(d, dict) and set(d) | {"causes"} == keys | {"causes"} for d in data
        ):
            raise ValueError(
                f"factors: expected a list of dicts with keys {sorted(keys)}, found {data!r:.80}"
            )
        return cls(
            tuple(
                Factor(**{**d, "values": None if d["values"] is None else tuple(d["values"])})
                for d in data
            )
        )


def split_of_keys(keys: np.ndarray) -> np.ndarray:
    """Which split each key belongs to: uint8 (B,), a position in `SPLITS`; 70, 15 and 15 percent.

    The split is a fixed hash of the key (the splitmix64 finaliser), the same on every machine and
    in every version; no table is kept and no key can be in two splits.

    Args:
        keys: uint64 (B,), distinct for distinct things.
    """
    mixed = np.asarray(keys, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    share = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) / 2.0**53
    return np.searchsorted([0.70, 0.85], share, side="right").astype(np.uint8)


def split_id(split: str) -> int:
    """Position of a split in `SPLITS`. Raises ValueError for another name."""
    if split not in SPLITS:
        raise ValueError(close_match("split", split, SPLITS))
    return SPLITS.index(split)


def _integers(array: np.ndarray, what: str) -> np.ndarray:
    if array.size == 0 and array.dtype == np.float64:
        return array.astype(np.int64)  # np.asarray([]) is float64: an empty batch is no type error
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{what}: expected integers, found {array.dtype}")
    return array.astype(np.int64)
