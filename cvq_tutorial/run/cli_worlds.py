"""Options of worlds on the command line: which pictures, which table, which columns. See `cli`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

_LISTS = ("factors", "columns", "drop")
_MAPPINGS = ("bins", "kinds")
_OPTIONS = (
    ("root", "FOLDER", "Folder of your own pictures, or its table."),
    ("table", "NAME", "The table file in it, where there are several."),
    ("factors", "A,B", "Columns that are factors; else the (at most) ten most even."),
    ("identity", "COLUMN", "Who or what is shown: whole ones go to one split. none: nobody."),
    ("split", "COLUMN", "Says train, valid or test. draw: draw it anew."),
    ("missing", "HOW", "refuse, or drop rows with blanks or without a picture."),
    ("bins", "A=4,B=10:50", "Numbers in bins: how many, or their upper ends."),
    ("kinds", "A=KIND", "A column is yes/no, ordered or categorical."),
    ("columns", "A,B", "Names of the columns of a table that has no line of them."),
    ("file", "COLUMN", "Names the pictures."),
    ("spelling", "HOW", "exact, or loose: words that differ in case or blanks are one."),
    ("drop", "A=VALUE", "Rows to leave out."),
    (
        "actions",
        "HOW",
        "steps: two per factor; set: one per value of a categorical one; none: learn them, unnamed"
        " (train only; --set action_codes=24 says how many).",
    ),
)
NAMES = tuple(name for name, _, _ in _OPTIONS)
TABLE = tuple(name for name in NAMES if name not in ("root", "actions"))


def world_options(*names: str) -> Callable[[Any], Any]:
    """The named options of worlds as options of a command, and with none all, and `--option`."""

    def add(command: Any) -> Any:
        if not names:
            command = click.option(
                "--option",
                "world_option",
                multiple=True,
                metavar="NAME=VALUE",
                help="Any option of the world, such as sizes=[4,4,2,3,3,40,40]; may be repeated.",
            )(command)
        for name, metavar, told in reversed(_OPTIONS):
            if not names or name in names:
                command = click.option(f"--{name}", metavar=metavar, help=told)(command)
        return command

    return add


def options_of(world: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What `make_world(world, **...)` takes, from the options of a command that were given.

    >>> options_of("pictures", {"root": "x", "factors": "pose, eyes", "bins": "age=4,size=10:50"})
    {'root': 'x', 'factors': ['pose', 'eyes'], 'bins': {'age': 4, 'size': [10, 50]}}
    """
    found: dict[str, Any] = {}
    for name in NAMES:
        text = given.get(name)
        if text is None:
            continue
        if name in _LISTS:
            found[name] = [part.strip() for part in text.split(",") if part.strip()]
        elif name in _MAPPINGS:
            found[name] = {k: _ends(v) for k, v in map(_pair(f"--{name}"), text.split(","))}
        else:
            found[name] = text
    for name, text in map(_pair("--option"), given.get("world_option") or ()):
        if name in found:
            raise ValueError(f"--option gives {name!r} twice")
        found[name] = _literal(text)
    if world == "faces" and "factors" in found:
        found["attributes"] = found.pop("factors")
    root = found.get("root")
    if root is not None and Path(root).expanduser().exists():
        found["root"] = str(Path(root).expanduser().absolute())  # notebooks run somewhere else
    return found


def _pair(option: str) -> Callable[[str], tuple[str, str]]:
    def pair(text: str) -> tuple[str, str]:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"{option} wants name=value, found {text!r}")
        return name.strip(), value.strip()

    return pair


def _ends(text: str) -> Any:
    """4 is a number of bins, 10:50 are upper ends, and everything else is a word."""
    parts = [_literal(part) for part in text.split(":")]
    return parts[0] if len(parts) == 1 else parts


def _literal(text: str) -> Any:
    """A Python literal, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
