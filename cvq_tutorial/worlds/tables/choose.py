"""Which columns of a table are the factors of its world: those that somebody named, or some.

Nothing is left out without a reason that can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.worlds.factors import SPLITS
from cvq_tutorial.worlds.tables.files import AttributeTable
from cvq_tutorial.worlds.tables.pairs import Finder, finders, lacking_pairs

CHOSEN = 10  # columns chosen where nobody chose: those whose values are the most even


def choose(
    data: AttributeTable,
    names: Sequence[str] | None,
    known: np.ndarray | None = None,
    same_identity: bool | None = False,
) -> tuple[list[int], dict[str, str]]:
    """Positions of the chosen columns, and {title: why} of those that had to be left out.

    names: those to choose. None: those of the known pairs, or the CHOSEN whose values are most
        even, without those that have no pair in some split.
    Raises ValueError: a name that the table does not have or twice, two that are one as
    identifiers, one without a pair, or nothing left to choose.
    """

    def lacking(some: Sequence[int]) -> dict[str, str]:
        return without_pairs(data, some, finders(data, some, known, same_identity))

    if names is not None:
        return _named(data, names, lacking), {}
    left_out: dict[str, str] = {}
    if known is not None:
        columns = np.unique(known[:, 2]).tolist()
    else:
        usable = [i for i, name in enumerate(data.names) if data.by_name[name].usable]
        order = sorted(usable, key=lambda c: _uneven(data, c))  # a stable sort
        columns = sorted(order[:CHOSEN])
        for c in order[CHOSEN:]:
            left_out[data.names[c]] = (
                f"not among the {CHOSEN} whose values are most even: factors=[...] (--factors "
                "a,b,c) chooses others, or more"
            )
    columns = _distinct(data, columns, left_out)
    first, reasons = list(columns), lacking(columns)
    reasons_first = reasons
    while reasons:
        # One at a time, the rarest first: it no longer has to agree, so that others gain pairs.
        rare = [c for c in columns if data.names[c] in reasons]
        worst = min(rare, key=lambda c: _shares(data, c).min())
        left_out[data.names[worst]] = reasons[data.names[worst]]
        columns.remove(worst)
        reasons = lacking(columns)
    if columns:
        return columns, left_out
    # The last one left had none, but another one may: from the most even on, whatever fits.
    for c in sorted(first, key=lambda c: _uneven(data, c)):
        if not lacking([*columns, c]):
            columns.append(c)
            left_out.pop(data.names[c], None)
    if columns:
        return sorted(columns), left_out
    why = [f"{name}: {reason}" for name, reason in reasons_first.items()]
    why += [c.line for c in data.columns if c.kind not in ("picture", "split", "identity")]
    raise ValueError(
        f"{data.source}: no two pictures differ in one attribute alone in every split"
        f"{f': {why[0]}' if why else ''}"
    )


def _named(
    data: AttributeTable, names: Sequence[str], lacking: Callable[[Sequence[int]], dict[str, str]]
) -> list[int]:
    titles = [column.title for column in data.columns] or list(data.names)
    for name in names:
        if name not in titles:
            raise ValueError(close_match("attribute", name, data.names))
        if name not in data.names or not data.by_name[name].usable:
            column = next(c for c in data.columns if c.title == name)
            raise ValueError(f"{data.source}: {column.line}: it cannot be a factor")
    if twice := [name for name in dict.fromkeys(names) if list(names).count(name) > 1]:
        raise ValueError(f"attributes: expected each once, found {twice[0]!r} twice")
    columns = [data.names.index(name) for name in names]
    same: dict[str, str] = {}
    if len(_distinct(data, columns, same)) < len(columns):
        name, why = next(iter(same.items()))
        raise ValueError(f"{data.source}: {name}: {why}")
    for name, why in lacking(columns).items():
        alone = [n for n, c in zip(names, columns, strict=True) if not lacking([c])]
        hint = f"; alone each of {', '.join(alone)} has pairs" if alone and len(names) > 1 else ""
        raise ValueError(f"{data.source}: no pair for attribute {name!r}: {why}{hint}")
    return columns


def without_pairs(
    data: AttributeTable, columns: Sequence[int], found: Sequence[Finder]
) -> dict[str, str]:
    """{title: why}, those of the columns without a pair in a split that has pictures."""
    reasons = {}
    for factor, split, value in lacking_pairs(data, columns, found):
        name = data.names[columns[factor]]
        column = data.by_name[name]
        values = data.values[:, columns[factor]]
        inside = values[data.split == split]
        agree = "has a counterpart that agrees on the other chosen attributes"
        if value is not None:
            has, word = int((inside == value).sum()), column.values[value]
            whole = ", ".join(
                f"{s} {int((values[data.split == i] == value).sum())}" for i, s in enumerate(SPLITS)
            )
            none = f", and none of them {agree}" if has else f" ({whole})"
            reasons[name] = (
                f"in {SPLITS[split]} {has} of {len(inside)} pictures are {word}{none}; "
                f"drop=['{name}={word}'] (--drop {name}={word}) leaves them out"
            )
        elif column.values == ("no", "yes"):
            reasons[name] = (
                f"in {SPLITS[split]} {int(inside.sum())} of {len(inside)} pictures have it, and "
                f"none of them {agree}"
            )
        else:
            n = len(np.unique(inside))
            reasons[name] = (
                f"in {SPLITS[split]} its {len(inside)} pictures have {n} of {len(column.values)} "
                f"values, and none {agree} and is one step away"
            )
    return reasons


def _distinct(data: AttributeTable, columns: list[int], left_out: dict[str, str]) -> list[int]:
    """The columns without those that another one is called like, as a factor."""
    seen: dict[str, str] = {}
    kept = []
    for c in columns:
        name = data.names[c]
        other = seen.setdefault(identifier(name), name)
        if other == name:
            kept.append(c)
        else:
            left_out[name] = (
                f"the columns {other!r} and {name!r} would both be the factor {identifier(name)}: "
                f"rename one of them in {data.source.name}"
            )
    return kept


def identifier(name: str) -> str:
    """A name as a factor may have it: "5_o_Clock_Shadow" becomes "_5_o_Clock_Shadow"."""
    name = "".join(c if f"_{c}".isidentifier() else "_" for c in name)
    return name if name.isidentifier() else f"_{name}"


def _shares(data: AttributeTable, column: int) -> np.ndarray:
    size = len(data.by_name[data.names[column]].values)
    return np.bincount(data.values[:, column], minlength=size)[:size] / len(data.values)


def _uneven(data: AttributeTable, column: int) -> float:
    """How far the values of a column are from being equally frequent; 0.5 for a constant bit."""
    shares = _shares(data, column)
    return float(np.abs(shares[1] - 0.5) if len(shares) == 2 else shares.max() - 1 / len(shares))
