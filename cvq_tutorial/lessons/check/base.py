"""How a self-check reads an answer and what it says.

An `Exercise` is a reader of answers (what type and shape is asked for), the test that a right
answer passes, hints for wrong ones in the order in which they are tried, and what a right answer
shows. It is called with the answer, prints one line and returns nothing, so that a notebook goes on
whatever was typed.

    nodes = Exercise(
        read=whole(0, 4096),
        right=lambda n: n == 64,
        hints={"the map is two-dimensional: multiply": lambda n: n == 8},
        praise="8 x 8 places, one node each",
        clue="how many places has a row, and how many rows are there?",
    )
    nodes(8)        # not yet: the map is two-dimensional: multiply
    nodes.hint()    # the clue, for who has not guessed yet

`as_told` is for the page itself: what the text says about the numbers on it.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

NOT_ATTEMPTED = "not attempted yet"


class Unreadable(Exception):
    """An answer of another type or shape than asked for; the message says what is expected."""


class Untouched(Exception):
    """A function that still is the empty stub."""


Reader = Callable[[Any], Any]


@dataclass(frozen=True)
class Exercise:
    """One self-check; call it with the answer.

    read: turns the answer into a value, or raises Unreadable.
    right: whether the value is right.
    hints: text of each hint -> whether it is for this wrong value; the first that is, is told.
    praise: what a right answer shows, told after "right: ".
    clue: where to begin; it gives nothing away that the question does not.
    otherwise: told for a wrong value that no hint is for.
    """

    read: Reader
    right: Callable[[Any], bool]
    praise: str
    clue: str = ""
    hints: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    otherwise: str = "that is not it; read the question once more"

    def __call__(self, answer: Any = None) -> None:
        """Print what `reply` says."""
        print(self.reply(answer))

    def hint(self) -> None:
        """Print where to begin."""
        print(f"hint: {self.clue}")

    def reply(self, answer: Any = None) -> str:
        """The line for an answer; an answer that is None or `...` was not attempted."""
        if answer is None or answer is ...:
            return NOT_ATTEMPTED
        try:
            value = self.read(answer)
            if self.right(value):
                return f"right: {self.praise}"
            for hint, meant in self.hints.items():
                if meant(value):
                    return f"not yet: {hint}"
            return f"not yet: {self.otherwise}"
        except Untouched:
            return NOT_ATTEMPTED
        except Unreadable as error:
            return f"not yet: {error}"
        except Exception as error:  # an answer may be anything, its own code included
            told = str(error).strip().splitlines()
            return f"not yet: your answer raised {type(error).__name__}: {told[0] if told else ''}"


def as_told(**claims: Any) -> None:
    """Print how many claims of a page hold, and which do not; it raises nothing.

    claims: name -> whether it holds. With other seeds than those of the text some may not.
    """
    off = [name.replace("_", " ") for name, holds in claims.items() if not holds]
    told = f"; not here: {', '.join(off)}" if off else ""
    print(f"{len(claims) - len(off)} of {len(claims)} as the text says{told}")


# Readers -----------------------------------------------------------------------------------------


def _plain(answer: Any) -> Any:
    """A 0-dimensional array or tensor as the number in it."""
    if hasattr(answer, "detach"):
        answer = answer.detach().cpu().numpy()
    if isinstance(answer, (np.ndarray, np.generic)) and np.ndim(answer) == 0:
        return answer.item()
    return answer


def _found(answer: Any) -> str:
    if isinstance(answer, np.ndarray) or hasattr(answer, "detach"):
        return f"{type(answer).__name__} of shape {tuple(answer.shape)}"
    text = repr(answer)
    return f"{type(answer).__name__} {text}" if len(text) <= 40 else type(answer).__name__


def whole(low: int, high: int) -> Reader:
    """Reader of an integer in low..high."""

    def read(answer: Any) -> int:
        value = _plain(answer)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unreadable(f"expected an integer, found {_found(answer)}")
        if not low <= value <= high:
            raise Unreadable(f"expected an integer in {low}..{high}, found {value}")
        return value

    return read


def number(low: float = -np.inf, high: float = np.inf, unit: str = "") -> Reader:
    """Reader of a finite number in [low, high]."""

    def read(answer: Any) -> float:
        value = one_number(answer)
        if not (np.isfinite(value) and low <= value <= high):
            told = f"{unit} " if unit else ""
            raise Unreadable(f"expected a number {told}in [{low:g}, {high:g}], found {value:g}")
        return value

    return read


def one_number(answer: Any) -> float:
    """Reader of any number, nan and infinity too: what a function gives on the way to a hint."""
    value = _plain(answer)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unreadable(f"expected a number, found {_found(answer)}")
    return float(value)


def choice(options: Sequence[str]) -> Reader:
    """Reader of one of some words; case and blanks around do not matter."""

    def read(answer: Any) -> str:
        if not isinstance(answer, str):
            raise Unreadable(f"expected one of {', '.join(options)}, found {_found(answer)}")
        value = answer.strip().lower()
        if value not in [option.lower() for option in options]:
            raise Unreadable(f"expected one of {', '.join(options)}, found {answer!r}")
        return value

    return read


def words(options: Sequence[str]) -> Reader:
    """Reader of a set of words, given as a list, tuple or set; the order does not matter."""
    one = choice(options)

    def read(answer: Any) -> frozenset[str]:
        if isinstance(answer, str) or not isinstance(answer, (list, tuple, set, frozenset)):
            raise Unreadable(f"expected a list of words, found {_found(answer)}")
        return frozenset(one(word) for word in answer)

    return read


def array(shape: Sequence[int | None], kind: str = "number") -> Reader:
    """Reader of an array (list, numpy or torch).

    shape: one size per axis, None for any.  kind: "number", "integer" or "boolean".
    """
    kinds = {"number": "iufb", "integer": "iu", "boolean": "b"}[kind]

    def read(answer: Any) -> np.ndarray:
        try:
            value = np.asarray(answer.detach().cpu() if hasattr(answer, "detach") else answer)
        except (TypeError, ValueError):
            raise Unreadable(f"expected an array, found {_found(answer)}") from None
        told = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
        fits = value.ndim == len(shape) and all(
            s is None or s == n for s, n in zip(shape, value.shape, strict=True)
        )
        if not fits:
            raise Unreadable(f"expected an array of shape {told}, found shape {value.shape}")
        if value.dtype.kind not in kinds:
            raise Unreadable(f"expected {kind}s, found an array of {value.dtype}")
        return value

    return read


def function(*trial: Any, gives: Reader | None = None) -> Reader:
    """Reader of a function; it is called once with the arguments `trial` to see that it works.

    gives: reads every result of it; None takes them as they are. A function that does nothing but
    return None (or `...`) is the untouched stub; one that does something first lacks its `return`.
    """

    def read(answer: Any) -> Callable[..., Any]:
        if not callable(answer):
            raise Unreadable(f"expected a function, found {_found(answer)}")

        def given(*arguments: Any) -> Any:
            result = answer(*arguments)
            if result is None or result is ...:
                if _is_stub(answer):
                    raise Untouched
                raise Unreadable("your function returns nothing: is a `return` missing?")
            if gives is None:
                return result
            try:
                return gives(result)
            except Unreadable as error:
                raise Unreadable(f"what your function returns: {error}") from None

        try:
            given(*trial)
        except NotImplementedError:
            raise Untouched from None
        return given

    return read


def agrees(
    trials: Sequence[tuple[np.ndarray, ...]], formula: Callable[..., Any]
) -> Callable[[Callable[..., Any]], bool]:
    """Whether a function gives what a formula gives, in shape and numbers, on all of some trials.

    trials: arguments; both get copies.
    """

    def same(given: Callable[..., Any]) -> bool:
        for trial in trials:
            found, wanted = (
                np.asarray(what(*(part.copy() for part in trial)), dtype=float)
                for what in (given, formula)
            )
            if found.shape != wanted.shape or not np.allclose(found, wanted, atol=1e-6):
                return False
        return True

    return same


def _is_stub(answer: Any) -> bool:
    """Whether a function holds no step before it returns a constant."""
    if not hasattr(answer, "__code__"):
        return False
    steps = {step.opname for step in dis.get_instructions(answer)}
    return steps <= {"RESUME", "NOP", "LOAD_CONST", "POP_TOP", "RETURN_VALUE", "RETURN_CONST"}
