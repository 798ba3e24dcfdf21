"""One factor of variation: its name, how many values it has, and how they lie to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.order import CycleError, depths

KINDS = ("ordered", "categorical", "binary", "cyclic")


@dataclass(frozen=True)
class Factor:
    """One ground-truth variable with the integer values 0 .. size-1.

    Args:
        name: an identifier such as "floor_hue".
        size: how many values, at least 2 (a constant is no factor: leave it out).
        kind: "ordered", neighbouring values are alike (sizes, angles); "cyclic", and the last is a
            neighbour of the first (hues, full turns); "categorical", kinds without an order
            (shapes, clothes); "binary", no and yes.
        values: text for each value, for labels and names of actions; None prints the integers.
        causes: factors that this one follows, as (name, steps): when that factor goes up by one,
            this one goes up by `steps`, round its values and back to the first if need be.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, size below 2, a size that the kind
        cannot have, or not one text per value; a cause that is no (name, steps), or whose steps are
        a multiple of the size.
    """

    name: str
    size: int
    kind: str = "ordered"
    values: tuple[str, ...] | None = None
    causes: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ValueError(f"a factor name must be an identifier, found {self.name!r}")
        where = f"factor {self.name!r}:"
        if isinstance(self.size, bool) or not isinstance(self.size, (int, np.integer)):
            raise TypeError(f"{where} size must be an integer, found {self.size!r}")
        if self.size < 2:
            raise ValueError(f"{where} size must be at least 2, found {self.size}")
        if self.kind not in KINDS:
            raise ValueError(close_match(f"kind of {where}", self.kind, KINDS))
        if self.kind == "cyclic" and self.size < 3:
            raise ValueError(
                f"{where} a cyclic factor must have at least 3 values, found 2 (a step up and a "
                "step down would be the same)"
            )
        if self.kind == "binary" and self.size != 2:
            raise ValueError(f"{where} a binary factor must have 2 values, found {self.size}")
        if self.values is not None and len(self.values) != self.size:
            raise ValueError(
                f"{where} expected {self.size} texts in values, found {len(self.values)}"
            )
        for cause in self.causes:
            fits = isinstance(cause, (tuple, list)) and [type(c) for c in cause] == [str, int]
            if not fits or cause[1] % self.size == 0:
                raise ValueError(
                    f"{where} a cause is a name and how many steps it moves this one (no multiple "
                    f"of {self.size}), found {cause!r}"
                )
        object.__setattr__(self, "causes", tuple((name, steps) for name, steps in self.causes))

    @property
    def ordered(self) -> bool:
        """Whether neighbouring values are alike."""
        return self.kind in ("ordered", "cyclic")

    @property
    def cyclic(self) -> bool:
        """Whether the last value is a neighbour of the first."""
        return self.kind == "cyclic"

    def label(self, value: int) -> str:
        """Text of one value: its entry in `values`, or the integer itself."""
        return str(value) if self.values is None else self.values[value]


def links_of(factors: Sequence[Factor]) -> tuple[tuple[int, int, int], ...]:
    """(cause, effect, steps) of all causes, each factor's own before those of its effects.

    Raises ValueError for a cause that is no factor (close names are given) and for a circle.
    """
    names = [factor.name for factor in factors]
    causes = [[(position("factor", n, names), steps) for n, steps in f.causes] for f in factors]
    try:
        depth = depths({i: [cause for cause, _ in some] for i, some in enumerate(causes)})
    except CycleError as error:
        circle = ", ".join(names[i] for i in sorted(set(error.args[1])))
        raise ValueError(
            f"factors must not cause each other in a circle, found one among {circle}"
        ) from None
    order = sorted(depth, key=lambda i: (depth[i], i))
    return tuple((cause, i, steps) for i in order for cause, steps in causes[i])


def position(kind: str, name: object, names: Sequence[str], none: str = "") -> int:
    """Where a name stands among the known ones; a number is checked to be one of them.

    none: said of -1 where that is one, too. Raises ValueError, with close names.
    """
    if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
        if not (-1 if none else 0) <= name < len(names):
            raise ValueError(f"{kind}: expected 0..{len(names) - 1}{none}, found {name}")
        return int(name)
    if name not in names:
        raise ValueError(close_match(kind, name, names))
    return names.index(name)


def integers(values: object, what: str) -> np.ndarray:
    """`values` as an int64 array. Raises TypeError for others, though not for an empty batch."""
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.integer) and (array.size or array.dtype != np.float64):
        raise TypeError(f"{what}: expected integers, found {array.dtype}")
    return array.astype(np.int64)


def numbers_of(
    values: object, what: str, low: int, high: int, length: int | None = None, none: str = ""
) -> np.ndarray:
    """Numbers int64 (B,) in low .. high, or in -1 .. high where that is said to be `none`.

    Raises TypeError: no integers. ValueError: another shape or length, or out of range.
    """
    array = np.asarray(values)
    if array.ndim != 1 or length not in (None, len(array)):
        expected = "B" if length is None else length
        raise ValueError(f"{what}: expected shape ({expected},), found {array.shape}")
    array = integers(array, what)
    bad = (array < (-1 if none else low)) | (array > high)
    if bad.any():
        raise ValueError(
            f"{what}: expected {low}..{high}{none}, found {array[bad][0]} at {np.argmax(bad)}"
        )
    return array


# As JSON -----------------------------------------------------------------------------------------


def _kind(ordered: bool, cyclic: bool, size: int, values: object) -> str:
    """The kind of a factor of which only this is told."""
    if ordered:
        return "cyclic" if cyclic else "ordered"
    return "binary" if size == 2 and values in (None, ("no", "yes")) else "categorical"


def factor_to_json(f: Factor) -> dict:
    """A plain dict that `factor_from_json` reads back.

    The kind is said only where the rest does not tell it: nothing else is written than before there
    were kinds.
    """
    told: dict = {
        "name": f.name,
        "size": int(f.size),
        "ordered": f.ordered,
        "cyclic": f.cyclic,
        "values": None if f.values is None else list(f.values),
    }
    if f.causes:
        told["causes"] = [list(cause) for cause in f.causes]
    if f.kind != _kind(f.ordered, f.cyclic, f.size, f.values):
        told["kind"] = f.kind
    return told


def factor_from_json(told: dict) -> Factor:
    """The factor of a dict with the keys that `factor_to_json` writes; errors as `Factor`."""
    rest = {k: v for k, v in told.items() if k not in ("ordered", "cyclic")}
    rest["values"] = None if told["values"] is None else tuple(told["values"])
    kind = _kind(told["ordered"], told["cyclic"], told["size"], rest["values"])
    return Factor(**{"kind": kind, **rest})
