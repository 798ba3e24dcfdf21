"""How files of ours are read: JSON with a schema, tables with types. What is damaged is one line.

A file may have been cut short, changed by hand, or put there by somebody else. Whatever it holds,
reading it gives what its schema says or raises `FileError`, in one line: the file, the place in it,
what was expected, what was found. Nothing that is no number of JSON (NaN, Infinity) is read or
written, and no file makes a reader slow: there is a limit on bytes and on depth.

A schema is JSON Schema, checked by the library `fastjsonschema`; the constants and small functions
here say the usual ones in a few words. A whole number is an `int`, a number is finite, and neither
is true or false. Keys that a schema does not name are left alone: a later version may have more.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import math
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

MOST = 4_000_000  # bytes of a file of ours; the largest so far has 50,000
DEEP = 32  # levels of lists and dictionaries; ours have 6
LONGEST = 10_000  # characters of a literal
WIDEST = 1000  # columns of a table of ours
LARGEST = 2**64  # of whole numbers: what a seed may be, and no more digits than a number can hold

Schema = Mapping[str, Any]
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
TEXT: Schema = {"type": "string"}
ANYTHING: Schema = {}
_WORDS = {
    "object": "a dictionary", "array": "a list", "number": "a number", "integer": "a whole number",
    "string": "a text", "boolean": "true or false", "null": "null",
}  # fmt: skip


class FileError(ValueError):
    """A file that cannot be used: one line that names it, the place, expected and found."""


def record(needed: Mapping[str, Schema] | None = None, **more: Schema) -> Schema:
    """A dictionary with these keys; those given by name may be missing."""
    needed = needed or {}
    return {"type": "object", "required": [*needed], "properties": {**needed, **more}}


def list_of(item: Schema, least: int = 0) -> Schema:
    """The schema of a list of items, at least so many."""
    return {"type": "array", "items": item, "minItems": least}


def dict_of(value: Schema) -> Schema:
    """The schema of an object with any names, each value as given."""
    return {"type": "object", "additionalProperties": value}


def or_null(schema: Schema) -> Schema:
    """The schema that also takes null."""
    return {**schema, "type": [schema["type"], "null"]}


# JSON --------------------------------------------------------------------------------------------


def read_json(path: str | Path, schema: Schema = ANYTHING) -> Any:
    """What a JSON file holds.

    Raises:
        FileNotFoundError: there is none.
        FileError: it is damaged, too large, or not what the schema says.
    """
    return parse(read_bytes(path), path, schema)


def parse(data: bytes | str, name: str | Path, schema: Schema = ANYTHING) -> Any:
    """JSON as Python, when it fits the schema; FileError, which calls it `name`, else."""
    if len(data) > MOST:
        raise _damaged(name, "", f"at most {MOST} bytes", str(len(data)))
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        found = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_number, parse_int=_int,
            parse_float=_float,
        )  # fmt: skip
    except UnicodeDecodeError as error:
        raise _no_text(name, error) from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise FileError(f"{name} is damaged: {place}: no JSON, {_short(error.msg)}") from None
    except RecursionError:
        raise _damaged(name, "", f"at most {DEEP} levels", "more") from None
    except ValueError as error:  # of the four hooks
        raise FileError(f"{name} is damaged: {error}") from None
    for where, value in _walk(found):
        if len(where) > DEEP:
            raise _damaged(name, _told(where[:3]), f"at most {DEEP} levels", "more")
        if isinstance(value, str) and _half(value):
            raise _damaged(name, _told(where), "whole characters", repr(value))
    return check(found, name, schema)


def check(value: Any, name: str | Path, schema: Schema) -> Any:
    """`value`, when it fits the schema; FileError, which calls it `name`, else."""
    from fastjsonschema import JsonSchemaValueException  # only for those who read something

    for where, part in _walk(value):
        if isinstance(part, float) and not math.isfinite(part):
            raise _damaged(name, _told(where), "a finite number", repr(part))
    try:
        return _validator(json.dumps(schema))(value)
    except JsonSchemaValueException as error:
        rule, wanted, found = error.rule, error.rule_definition, error.value
        place = next(where for where, _ in _walk(value) if _as_named(where) == error.name)
    if rule == "required":
        absent = next(key for key in wanted if key not in found)
        raise FileError(f"{name} is damaged: {_told([*place, absent])}: missing")
    if rule == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        told = " or ".join(_WORDS[kind] for kind in kinds)
    else:
        told = {
            "minItems": f"a list of at least {wanted}", "minimum": f"at least {wanted}",
            "enum": f"one of {wanted}",
        }.get(str(rule), f"{rule} {wanted}")  # fmt: skip
    raise _damaged(name, _told(place), told, repr(found))


def literal(text: str) -> Any:
    """The value of a Python literal, such as "3", "{'codes': 8}" or "None"; ValueError else."""
    try:
        if len(text) > LONGEST:
            raise ValueError
        return ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ValueError(f"expected a Python literal, found {_short(repr(text))}") from None


def to_json(value: Any, **how: Any) -> bytes:
    """The bytes of a JSON file of ours; ValueError, with the place, for NaN or infinity."""
    for place, part in _walk(value):
        if isinstance(part, float) and not math.isfinite(part):
            raise ValueError(f"{_told(place)}: expected a finite number, found {part}")
    return (json.dumps(value, **{"indent": 1, "allow_nan": False, **how}) + "\n").encode()


# Tables ------------------------------------------------------------------------------------------


def read_rows(
    path: str | Path, texts: Sequence[str] = (), needed: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The rows of a CSV file with a head: numbers as float, empty fields left out.

    texts: columns that hold texts.  needed: columns that every row has a value in.
    Raises FileNotFoundError, or FileError with the line.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _no_text(path, error) from None
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[dict[str, Any]] = []
    try:
        names = next(lines, [])
        if len(names) > WIDEST:
            raise _damaged(path, "line 1", f"at most {WIDEST} columns", str(len(names)))
        for name in [*needed, *names]:
            if names.count(name) != 1:
                raise _damaged(path, "line 1", f"one column {name!r}", str(names.count(name)))
        for fields in lines:
            place = f"line {lines.line_num}"
            if len(fields) != len(names):
                raise _damaged(path, place, f"{len(names)} fields", str(len(fields)))
            row = dict(zip(names, fields, strict=True))
            for name in needed:
                if not row[name]:
                    raise FileError(f"{path} is damaged: {place}, {name}: missing")
            rows.append(
                {
                    name: value if name in texts else _field(path, f"{place}, {name}", value)
                    for name, value in row.items()
                    if value
                }
            )
    except csv.Error as error:
        raise FileError(f"{path} is damaged: line {lines.line_num}: {_short(str(error))}") from None
    return rows


def _field(path: str | Path, place: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text or not text.isascii():
        raise _damaged(path, place, "a finite number", repr(text))
    return value


# Parts -------------------------------------------------------------------------------------------


def read_bytes(path: str | Path) -> bytes:
    """The content of a file of at most `MOST` bytes; FileNotFoundError, or FileError."""
    path = Path(path)
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):  # opening a pipe would wait for ever
            found = "a folder" if stat.S_ISDIR(kind) else "something else"
            raise _damaged(path, "", "a file", found)
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"no file {path}") from None
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(data) > MOST:
        raise _damaged(path, "", f"at most {MOST} bytes", "more")
    return data


@lru_cache(maxsize=64)
def _validator(schema: str) -> Callable[[Any], Any]:
    from fastjsonschema import compile  # 0.03 s; jsonschema takes 1.4 s where Jupyter is

    # since draft 6 the float 3.0 is an integer, too
    draft = {"$schema": "http://json-schema.org/draft-04/schema#"}
    return compile({**json.loads(schema), **draft}, use_default=False)


def _as_named(place: Sequence[str | int]) -> str:
    """A place as fastjsonschema writes it, which is not to be taken apart again: data.a.b[1]."""
    return "data" + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place)


def _walk(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple, Any]]:
    """Every value inside a value, with its place; keys of dictionaries as values, too.

    Nothing deeper than `DEEP` + 1 is looked at: whoever asks has raised by then.
    """
    yield place, value
    if len(place) > DEEP:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield (*place, key), key
            yield from _walk(item, (*place, key))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _walk(item, (*place, i))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for n, name in enumerate(names) if name in names[:n])
        raise ValueError(f"expected each key once, found {_short(repr(twice))} twice")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"expected finite numbers, found {text}")


def _float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(_short(text))


def _int(text: str) -> int | float:
    if len(text) > 21 or abs(int(text)) > LARGEST:
        raise ValueError(f"expected whole numbers up to 2^64, found {_short(text)}")
    return int(text)


def _half(text: str) -> bool:
    """Whether a text has half of a character (a surrogate), which no file can hold."""
    return any("\ud800" <= c <= "\udfff" for c in text) if not text.isascii() else False


def _told(place: Sequence[str | int]) -> str:
    """A place as one writes it: rows[3].psnr."""
    told = ""
    for part in place:
        plain = isinstance(part, str) and part.replace(" ", "a").replace("_", "a").isalnum()
        step = part if plain else f"[{_short(repr(part))}]"
        told += f".{step}" if plain and told else str(step)
    return told


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _no_text(name: str | Path, error: UnicodeDecodeError) -> FileError:
    return _damaged(name, f"byte {error.start}", "UTF-8", f"0x{error.object[error.start]:02x}")


def _damaged(name: str | Path, place: str, expected: str, found: str) -> FileError:
    """To be raised: what is wrong with a file."""
    where = f"{place}: " if place else ""
    return FileError(f"{name} is damaged: {where}expected {expected}, found {_short(found)}")
