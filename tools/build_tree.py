"""Write the annotated tree of the package into the README, from the rooms' own first lines.

    python tools/build_tree.py            write it
    python tools/build_tree.py --check    say whether it is up to date

The floors stand in the order of the data, which is the contract of import-linter in pyproject.toml
read from its last layer to its first.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import textwrap
import tomllib

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT

PACKAGE = PROJECT_ROOT / "cvq_tutorial"
START, END = "<!-- tree: python tools/build_tree.py -->\n```\n", "```\n<!-- end of tree -->"


def floors() -> list[str]:
    """The rooms, lowest floor first."""
    settings = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text("utf-8"))
    [contract] = settings["tool"]["importlinter"]["contracts"]
    return [room for layer in contract["layers"][::-1] for room in re.split(r"\s*[|:]\s*", layer)]


def tree() -> str:
    """One room per line with its first sentence, below it its modules."""
    lines = ["cvq_tutorial/"]
    for room in floors():
        folder = PACKAGE / room
        said = (
            ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
        ).splitlines()[0]
        lines.append(f"  {room + '/':14}{said}")
        inside = [path.stem for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
        inside += [f"{path.parent.name}/" for path in sorted(folder.glob("*/__init__.py"))]
        lines += textwrap.wrap(
            ", ".join(inside), 116, initial_indent=" " * 18, subsequent_indent=" " * 18
        )
    return "\n".join(lines) + "\n"


def with_tree(readme: str) -> str:
    """A README with the tree of today; ValueError where it has no place for it."""
    before, found, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not (found and end):
        raise ValueError(f"README.md: expected a place for the tree, {START.splitlines()[0]}")
    return f"{before}{START}{tree()}{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args(arguments)
    path = PROJECT_ROOT / "README.md"
    have = path.read_text("utf-8")
    wanted = with_tree(have)
    if options.check and have != wanted:
        print("error: the tree in README.md is not that of today: python tools/build_tree.py")
        return 1
    if have != wanted:
        write_atomic(path, wanted.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
