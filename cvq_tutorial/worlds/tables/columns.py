"""What a column of a table is: one rule, by its distinct values.

| distinct values | becomes |
| --- | --- |
| one | nothing: the same in every picture |
| two that mean yes and no (1/0, 1/-1, true/false, yes/no, t/f, y/n) | a yes/no factor |
| numbers, at most `MOST` | an ordered factor |
| more numbers | a factor once they are put in bins, on request |
| words, at most `MOST` | a categorical factor |
| more words | nothing, or with a word an identity |
| another one in every row | nothing: an id |

A column that is called like a person or thing (patient, subject, group ...) and whose values repeat
is taken for an identity that nobody has confirmed: it is no factor until somebody says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cvq_tutorial.worlds.tables.asked import How
from cvq_tutorial.worlds.tables.sheet import Cells

FACTORS = ("yes/no", "ordered", "categorical", "binned")
MOST = 20  # distinct values of a factor that nobody asked for
MOST_ASKED = 100  # and of one that somebody asked for
_YES_NO = ("1", "0"), ("1", "-1"), ("true", "false"), ("yes", "no"), ("t", "f"), ("y", "n")
_PEOPLE = {
    "patient", "patients", "subject", "subjects", "person", "people", "participant", "identity",
    "individual", "speaker", "donor", "family", "animal", "user", "actor",
}  # fmt: skip
_IDS = {"id", "ids", "group", "case", "pid"}  # such words count only where there are many values
_CLASSES = {"class", "label", "category"}


@dataclass(frozen=True)
class Column:
    """What became of one column.

    kind: one of FACTORS; "mixed", "blanks" or "spelling" for a factor with a fault; "identity?" for
        an identity that nobody confirmed; "numbers", "words", "constant", "ids" for what is no
        factor; "picture", "identity" or "split" for a column with another use.
    """

    title: str  # as the table has it
    kind: str
    values: tuple[str, ...] = ()  # of a factor, S in order
    counts: tuple[int, ...] = ()  # (S,), rows that have each
    # int16 (M,), the value of each row, -1 where its cell is blank; None for no factor
    codes: np.ndarray | None = field(default=None, repr=False, compare=False)
    distinct: int = 0  # different words
    blanks: int = 0  # blank cells
    why: str = ""  # what is to be said of it, and the option that changes it

    @property
    def usable(self) -> bool:
        """Whether it can be a factor as it is."""
        return self.kind in FACTORS

    @property
    def told(self) -> str:
        """Its values, with how many rows have each; "" where it is no factor."""
        some = [f"{v} {n:,}" for v, n in zip(self.values, self.counts, strict=True)]
        return ", ".join(some[:6]) + (f", ... {len(some)} values" if len(some) > 6 else "")

    @property
    def line(self) -> str:
        """One line: name, kind, values with counts, why."""
        told = self.told or (f"{self.distinct:,} different values" if self.distinct > 1 else "")
        parts = [part for part in (told, self.why) if part]
        return f"{self.title}: {self.kind}{': ' if parts else ''}{'; '.join(parts)}"


def column_of(cells: Cells, how: How, place: Any = None) -> Column:
    """What a column is, see the module's text.

    place: called with a row, says in words where it stands.
    Raises ValueError: bins or a kind that do not fit the column, in one line without the file.
    """
    where = place or (lambda row: f"row {row + 1}")
    title, (there, codes) = cells.title, cells.known
    words = list(there)
    left = Column(title, "blank", distinct=len(words), blanks=int((codes < 0).sum()))

    def made(kind: str, values: Sequence[str], codes: np.ndarray) -> Column:
        counts = np.bincount(codes[codes >= 0], minlength=len(values))
        column = replace(
            left, kind=kind, values=tuple(values), counts=tuple(counts.tolist()),
            codes=codes.astype(np.int16),
        )  # fmt: skip
        if not left.blanks or how.missing == "drop":
            return column
        first = where(int(np.flatnonzero(codes < 0)[0]))
        some = f"blank in {left.blanks:,} rows, the first is {first}"
        hint = "missing='drop' (--missing drop) leaves such rows out"
        return replace(column, kind="blanks", why=f"{some}; {hint}")

    def none(kind: str, why: str = "") -> Column:
        return replace(left, kind=kind, why=why)

    if not words:
        return left
    if title in how.bins:
        return made("binned", *_binned(title, words, codes, how.bins[title]))
    words, codes, differ = _spelt(words, codes)
    scale = _scale(words)
    if scale is not None:  # spellings of yes and no are no matter
        differ = []
    if differ and how.spelling != "loose" and len(words) <= MOST_ASKED:
        one, other = differ[0]
        what = "leading zeros" if _number(one) is not None else "case or blanks"
        more = f" and {len(differ) - 1} more pairs" if len(differ) > 1 else ""
        return none(
            "spelling",
            f"{one!r} and {other!r}{more} differ in {what} alone: mend the table, or "
            "spelling='loose' (--spelling loose) takes them as one",
        )
    numbers = _numbers(words)
    kind = how.kinds.get(title)
    if len(words) == 1 and kind is None:
        return none("constant", f"{words[0]!r} in every picture")
    if scale is not None and kind in (None, "yes/no"):
        yes = np.array([word.lower() in _forms(scale[0]) for word in words] + [False])
        return made("yes/no", ("no", "yes"), np.where(codes < 0, -1, yes[codes].astype(int)))
    if kind == "yes/no":
        raise ValueError(f"{title}: expected two values that mean yes and no, found {_some(words)}")
    if kind is None and not how.identity and is_like_an_identity(title, words, len(codes)):
        return none(
            "identity?",
            f"is {title} who or what is shown? Then say identity={title!r} (--identity {title}): "
            "pairs show one of them, and none is in two splits; else identity='none'",
        )
    wanted = kind is not None or title in how.factors
    if len(words) > (MOST_ASKED if wanted else MOST):
        return _too_many(title, words, numbers, codes, none)
    if stray := _stray(words, codes):
        at = where(int(np.flatnonzero(codes == words.index(stray[0]))[0]))
        more = f" and {len(stray) - 1} more" if len(stray) > 1 else ""
        return none(
            "mixed",
            f"expected numbers, as in {len(codes) - _rows_with(words, codes, stray):,} rows, found "
            f"{stray[0]!r} in {at}{more}: mend it, or kinds={{{title!r}: 'categorical'}} "
            f"(--kinds {title}=categorical)",
        )
    if len(words) == len(codes) > 2 and not wanted:
        return none("ids", "another value in every row")
    if kind == "ordered" and numbers is None:
        raise ValueError(f"{title}: expected numbers, which have an order, found {_some(words)}")
    if numbers is not None and kind != "categorical":
        order = np.argsort(numbers, kind="stable")
        values = [_short(words[i]) for i in order.tolist()]
        return made("ordered", values, np.append(np.argsort(order), -1)[codes])
    return made("categorical", words, codes)


def is_like_an_identity(title: str, words: Sequence[str], n_rows: int) -> bool:
    """Whether a column is called like a person or thing, and its values repeat."""
    parts = set(re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", title).lower()))
    an_id = parts & _IDS and not parts & _CLASSES and len(words) >= 8
    return 2 < len(words) < n_rows and bool(parts & _PEOPLE or an_id)


# Parts -------------------------------------------------------------------------------------------


def _spelt(words: list[str], codes: np.ndarray) -> tuple[list[str], np.ndarray, list[tuple]]:
    """Words without those that differ in case, blanks or leading zeros alone, and pairs that do.

    Of several spellings the commonest stays. 1 and 1.0 are one number, and no pair.
    """
    first: dict[object, int] = {}
    place, differ = np.full(len(words) + 1, -1), []  # the last is the place of a blank
    counts = np.bincount(codes[codes >= 0], minlength=len(words))
    for i in np.argsort(-counts, kind="stable").tolist():
        number = _number(words[i])
        key = " ".join(words[i].lower().replace("_", " ").split()) if number is None else number
        if key in first:
            pair = (words[first[key]], words[i])
            if number is None or _zeros(pair[0]) != _zeros(pair[1]):  # 07 may be the name of a bus
                differ.append(pair)
        place[i] = first.setdefault(key, i)
    if len(first) == len(words):
        return words, codes, []
    kept, new = np.unique(place, return_inverse=True)  # the first is -1
    return [words[i] for i in kept[1:].tolist()], new[codes] - 1, differ


def _zeros(word: str) -> int:
    """How many zeros lead a whole number: two in 007, none in 0 and in 0.5."""
    digits = word.lstrip("+-")
    return len(digits) - len(digits.lstrip("0") or "0") if digits.isdigit() else 0


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        if not re.fullmatch(r"[-+]?\d+,\d+", word):  # as half of the world writes 1.5
            return None
        value = float(word.replace(",", "."))
    return value if np.isfinite(value) else None


def _numbers(words: Sequence[str]) -> np.ndarray | None:
    numbers = [_number(word) for word in words]
    return None if None in numbers else np.array(numbers, dtype=float)


def _short(word: str) -> str:
    number = _number(word)
    return str(int(number)) if number is not None and number.is_integer() else word


def _forms(word: str) -> set[str]:
    return {word, f"{word}.0", f"+{word}"} if word.lstrip("-").isdigit() else {word}


def _scale(words: Sequence[str]) -> tuple[str, str] | None:
    """The scale of yes and no that two words are of, (yes, no); None: they are of none."""
    lower = {word.lower() for word in words}
    for yes, no in _YES_NO if len(lower) == 2 else ():
        if all(word in _forms(yes) | _forms(no) for word in lower) and lower & _forms(yes):
            return (yes, no) if lower & _forms(no) else None
    return None


def _stray(words: list[str], codes: np.ndarray) -> list[str]:
    """Words in a column that holds numbers in nearly all rows; none where words are usual."""
    others = [word for word in words if _number(word) is None]
    if not others or len(others) == len(words):
        return []
    return others if _rows_with(words, codes, others) < 0.2 * len(codes) else []


def _rows_with(words: list[str], codes: np.ndarray, some: Sequence[str]) -> int:
    return int(np.isin(codes, [words.index(word) for word in some]).sum())


def _some(words: Sequence[str]) -> str:
    more = f", ... {len(words)} values" if len(words) > 4 else ""
    return ", ".join(map(repr, words[:4])) + more


def _too_many(title: str, words: list[str], numbers: Any, codes: Any, none: Any) -> Column:
    if len(words) == (codes >= 0).sum() and numbers is None:
        return none("ids", "another value in every row")
    if numbers is None:
        return none(
            "words",
            f"{_some(words)}: too many for a factor; kinds={{{title!r}: 'categorical'}} "
            f"(--kinds {title}=categorical) takes up to {MOST_ASKED}",
        )
    low, high = (_short(words[i]) for i in (int(numbers.argmin()), int(numbers.argmax())))
    return none(
        "numbers",
        f"{low} to {high}: bins={{{title!r}: 4}} (--bins {title}=4) makes a factor of them",
    )


def _binned(
    title: str, words: Sequence[str], codes: np.ndarray, bins: Any
) -> tuple[list[str], np.ndarray]:
    """Names of the bins, and the bin of each row, -1 for a blank."""
    numbers = _numbers(words)
    if numbers is None:
        bad = next(word for word in words if _number(word) is None)
        raise ValueError(f"bins of {title}: expected numbers, found {bad!r}")
    value = np.append(numbers, np.nan)[codes]  # (M,)
    there = value[codes >= 0]
    names = list(bins) if isinstance(bins, Mapping) else []
    if isinstance(bins, Mapping):
        edges = [end for end in bins.values() if end is not None]
    elif isinstance(bins, int) and not isinstance(bins, bool) and bins > 1:
        edges = np.unique(np.quantile(there, np.arange(1, bins) / bins, method="lower")).tolist()
    elif isinstance(bins, (list, tuple)) and bins:
        edges = list(bins)
    else:
        raise ValueError(
            f"bins of {title}: expected a number of 2 or more, or ends, found {bins!r}"
        )
    if not all(isinstance(end, (int, float)) for end in edges) or sorted(set(edges)) != edges:
        raise ValueError(f"bins of {title}: expected rising numbers, found {edges}")
    edges = edges[: len(names) - 1] if names else [end for end in edges if end < there.max()]
    inside = np.searchsorted(edges, value, side="left")  # up to and with its end
    codes = np.where(codes < 0, -1, inside)
    n = len(edges) + 1
    empty = [i for i in range(n) if not (codes == i).any()]
    if empty or n < 2:
        raise ValueError(
            f"bins of {title}: expected rows in each of {n} bins between {there.min():g} and "
            f"{there.max():g}, found none in bin {empty[0] + 1 if empty else 2}"
        )
    if not names:
        parts = [value[codes == i] for i in range(n)]
        ends = [(part.min(), part.max()) for part in parts]
        names = [f"{low:g}" if low == high else f"{low:g}..{high:g}" for low, high in ends]
    return names, codes
