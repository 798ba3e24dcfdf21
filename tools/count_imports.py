"""Count the imports between files of different rooms, here and in another revision.

    python tools/count_imports.py              this checkout
    python tools/count_imports.py 5a31287      that revision too, its modules sorted into the rooms

One import is one pair of files (who imports, what is imported), however many names and wherever in
the file; an import by a string (`import_module`) counts as well.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys

from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.common.moved import rooms_of_old_modules

PACKAGE = "cvq_tutorial"


def files_of(revision: str | None) -> dict[str, str]:
    """Module name (without the package's) -> source."""
    if revision is None:
        paths = sorted((PROJECT_ROOT / PACKAGE).rglob("*.py"))
        texts = {p.relative_to(PROJECT_ROOT).as_posix(): p.read_text("utf-8") for p in paths}
    else:
        listed = _git("ls-tree", "-r", "--name-only", revision, PACKAGE).splitlines()
        texts = {p: _git("show", f"{revision}:{p}") for p in listed if p.endswith(".py")}
    found = {}
    for path, text in texts.items():
        name = path.removeprefix(f"{PACKAGE}/").removesuffix(".py").replace("/", ".")
        found[name.removesuffix("__init__").rstrip(".")] = text
    return found


def pairs(files: dict[str, str]) -> set[tuple[str, str]]:
    """(who imports, what is imported), modules of the package only."""
    found = set()
    for module, text in files.items():
        for node in ast.walk(ast.parse(text)):
            named = []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                named = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = [node.value] if node.value.startswith(f"{PACKAGE}.") else []
            for name in named:
                parts = name.split(".")
                if parts[0] != PACKAGE:
                    continue
                for end in range(len(parts), 0, -1):
                    target = ".".join(parts[1:end])
                    if target in files and target != module:
                        found.add((module, target))
                        break
    return found


def between_rooms(files: dict[str, str], rooms: dict[str, str]) -> tuple[int, int]:
    """How many of the pairs are between rooms, and how many pairs there are."""
    room = {m: rooms.get(m, m.split(".")[0]) for m in files}
    all_pairs = {(a, b) for a, b in pairs(files) if room[a] and room[b]}
    return sum(room[a] != room[b] for a, b in all_pairs), len(all_pairs)


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError(f"git {' '.join(arguments)}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("revision", nargs="?", help="another revision, from before the rooms")
    options = parser.parse_args(arguments)
    try:
        counted = [("this checkout", between_rooms(files_of(None), {}))]
        if options.revision:
            old = files_of(options.revision)
            counted.insert(0, (options.revision, between_rooms(old, rooms_of_old_modules())))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, (across, every) in counted:
        print(f"{name}: {across} imports between rooms, of {every} between files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
