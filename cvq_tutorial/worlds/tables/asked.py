"""What somebody asks of a table: factors, kinds of columns, identities, splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cvq_tutorial.common.checks import close_match

OTHER_TABLE = (
    "this is another table than before, or was changed: give the one it was with root=... "
    "(--root FOLDER), or train on this one (cvq train pictures --root FOLDER)"
)
OTHER_PICTURES = "pictures were replaced, added or taken away; train again, or put them back"
KINDS = ("yes/no", "ordered", "categorical")  # what `kinds` may say


@dataclass(frozen=True)
class How:
    """What somebody asked for, and what is known of a table beforehand; columns go by title."""

    kinds: Mapping[str, str] = field(default_factory=dict)  # each one of KINDS
    # number of bins with as many rows each, or upper ends of all bins but the last, or {name: upper
    # end}, the last one None
    bins: Mapping[str, Any] = field(default_factory=dict)
    factors: Sequence[str] = ()  # that must be factors
    spelling: str = "exact"  # or "loose": words that differ in case or blanks are one
    missing: str = "refuse"  # or "drop": rows with blanks are going to be left out
    table: str | None = None  # name of the file
    file: str | None = None  # which column names the pictures
    header: Sequence[str] | None = None  # titles of a table that has no line of them
    identity: str | None = None  # which column, or "none"
    split: str | None = None  # which column, or "draw"
    drop: Sequence[tuple[str, str]] = ()  # (title, value): rows with it are left out
    # the drawn split has 70, 15 and 15 percent of what there is, and a missing valid split is taken
    # from train; else every name has a split by itself, as ever in `faces`
    even: bool = False


def check_asked(how: How, titles: Sequence[str]) -> None:
    """Raise ValueError for a column that is not there, or a kind that nobody knows."""
    for what, names in (("factors", how.factors), ("kinds", how.kinds), ("bins", how.bins)):
        for name in names:
            if name not in titles:
                raise ValueError(close_match(f"column in {what}:", name, titles[:50]))
    for kind in how.kinds.values():
        if kind not in KINDS:
            raise ValueError(close_match("kind of column", kind, KINDS))
    if how.spelling not in ("exact", "loose"):
        raise ValueError(close_match("spelling", how.spelling, ("exact", "loose")))
    if how.missing not in ("refuse", "drop"):
        raise ValueError(close_match("missing", how.missing, ("refuse", "drop")))


def how_of(
    table: str | None = None,
    factors: Sequence[str] | None = None,
    identity: str | None = None,
    split: str | None = None,
    missing: str = "refuse",
    bins: Mapping[str, Any] | None = None,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    file: str | None = None,
    spelling: str = "exact",
    drop: Sequence[str] = (),
) -> How:
    """How a table is read by `pictures_world`, whose arguments these are."""
    for what, names in (("factors", factors), ("columns", columns), ("drop", drop)):
        if isinstance(names, str):
            raise TypeError(f"{what}: expected a list of names, found {names!r}")
    for what, told in (("bins", bins), ("kinds", kinds)):
        if told is not None and not isinstance(told, Mapping):
            raise TypeError(f"{what}: expected a value for each column, found {told!r}")
    return How(
        kinds or {}, bins or {}, tuple(factors or ()), spelling, missing, table, file, columns,
        identity, split, [_pair(text) for text in drop], even=True,
    )  # fmt: skip


def _pair(text: str) -> tuple[str, str]:
    title, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"drop: expected column=value, found {text!r}")
    return title.strip(), value.strip()


def same_hash(where: Path, what: str, wanted: str | None, found: str, why: str) -> None:
    """Raise ValueError, which says why, unless a hash is the one that was asked for, if any."""
    if wanted not in (None, found):
        raise ValueError(f"{where}: expected {what} with hash {wanted}, found {found}: {why}")
