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
        if isinstance(self.size, bool) or not isinstance(self.size, (int, np.integer)):
            raise TypeError(f"factor {self.name!r}: size must be an integer, found {self.size!r}")
        if self.size < 2:
            raise ValueError(f"factor {self.name!r}: size must be at least 2, found {self.size}")
        if self.kind not in KINDS:
            raise ValueError(close_match(f"kind of factor {self.name!r}:", self.kind, KINDS))
        if self.kind == "cyclic" and self.size < 3:
            raise ValueError(
                f"factor {self.name!r}: a cyclic factor must have at least 3 values, found 2 "
                "(a step up and a step down would be the same)"
            )
        if self.kind == "binary" and self.size != 2:
            raise ValueError(
                f"factor {self.name!r}: a binary factor must have 2 values, found {self.size}"
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
    causes = [[(_position(name, names), steps) for name, steps in f.causes] for f in factors]
    try:
        depth = depths({i: [cause for cause, _ in some] for i, some in enumerate(causes)})
    except CycleError as error:
        circle = ", ".join(names[i] for i in sorted(set(error.args[1])))
        raise ValueError(
            f"factors must not cause each other in a circle, found one among {circle}"
        ) from None
    order = sorted(depth, key=lambda i: (depth[i], i))
    return tuple((cause, i, steps) for i in order for cause, steps in causes[i])


def _position(name: str, names: list[str]) -> int:
    if name not in names:
        raise ValueError(close_match("factor", name, names))
    return names.index(name)


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
