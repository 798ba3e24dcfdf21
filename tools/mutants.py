"""Break the method in many small ways, one at a time, and see whether a test notices.

    python tools/mutants.py --list            which ones, without running anything
    python tools/mutants.py                   run them all (two hours) -> figures/mutants.md
    python tools/mutants.py --seed 1 -n 80    another draw

A mutant is one changed place of a file of the rooms below: a comparison that takes or loses its
limit, a sum that becomes a difference, a constant that grows, a condition turned round, a minimum
that becomes a maximum. Which places is drawn by the seed before anything runs. Each lives in a copy
of the committed tree; first the tests of its module are asked, then those of its room, then those
of the rooms that use it. Tests that do not end within 15 minutes count as noticed.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT

ROOMS = ("method", "graphs", "training", "measure")
USED_BY = {"method": ["training", "measure"], "graphs": ["draw"], "training": ["measure"]}
LIMIT = 900.0  # seconds that the tests of one place may take
COMPARED: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COUNTED: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
CALLED = {
    "argmax": "argmin", "argmin": "argmax", "amax": "amin", "max": "min", "min": "max",
    "mean": "sum", "any": "all", "all": "any", "triu": "tril", "log_softmax": "softmax",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One place, what stands there and what is put there instead."""

    path: str
    line: int
    start: int  # bytes of the file
    end: int
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}  {self.was}  ->  {self.now}"


def _docstrings(tree: ast.AST) -> set[int]:
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }


def _skipped(tree: ast.AST) -> set[int]:
    """What no test of behaviour can notice: annotations, messages of errors, docstrings."""
    found = _docstrings(tree)
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, (ast.arg, ast.AnnAssign)):
            parts = [node.annotation]
        elif isinstance(node, ast.FunctionDef):
            parts = [node.returns]
        elif isinstance(node, ast.Raise):
            parts = [node.exc]
        elif isinstance(node, ast.JoinedStr):
            parts = [node]
        for part in parts:
            if part is not None:
                found |= {id(below) for below in ast.walk(part)}
    return found


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that may stand in place of one."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARED:
        yield ast.Compare(node.left, [COMPARED[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in COUNTED:
        texts = [isinstance(getattr(part, "value", 0), str) for part in (node.left, node.right)]
        if not any(texts):  # neither a path nor a text put together
            yield ast.BinOp(node.left, COUNTED[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.BoolOp(other, node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield ast.Constant(node.value * 2 if node.value else 0.5)
    elif isinstance(node, ast.Attribute) and node.attr in CALLED:
        yield ast.Attribute(node.value, CALLED[node.attr], node.ctx)
    elif isinstance(node, ast.Name) and node.id in ("min", "max"):
        yield ast.Name(CALLED[node.id], node.ctx)


def mutants_of(path: Path) -> list[Mutant]:
    """All that can be made of one file, in its order."""
    text = path.read_text("utf-8")
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    tree = ast.parse(text)
    left_out, found = _skipped(tree), []
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        for other in changes(node):
            first = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
            last = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
            now = f"({ast.unparse(ast.fix_missing_locations(other))})"
            name = path.relative_to(PROJECT_ROOT).as_posix()
            was = ast.unparse(node)
            found.append(Mutant(name, node.lineno, first, last, was, now))  # type: ignore[attr-defined]
    return sorted(found, key=lambda m: (m.start, m.end))


def draw(n: int, seed: int) -> list[Mutant]:
    """`n` mutants, as many of each room, of places drawn without replacement."""
    rng = random.Random(seed)
    drawn = []
    for number, room in enumerate(ROOMS):
        files = sorted((PROJECT_ROOT / "cvq_tutorial" / room).rglob("*.py"))
        everything = [mutant for path in files for mutant in mutants_of(path)]
        share = n // len(ROOMS) + (number < n % len(ROOMS))
        drawn += rng.sample(everything, min(share, len(everything)))
    return drawn


def asked(mutant: Mutant) -> list[list[str]]:
    """Test files to run, the nearest first, each list only where the one before noticed nothing."""
    _, room, *inner = Path(mutant.path).with_suffix("").parts
    tests = PROJECT_ROOT / "tests"
    near = sorted((tests / room).rglob(f"test_{inner[-1]}*.py"))
    rest = [path for path in sorted((tests / room).rglob("test_*.py")) if path not in near]
    later = [p for r in USED_BY.get(room, []) for p in sorted((tests / r).rglob("test_*.py"))]
    lists = [[str(path.relative_to(PROJECT_ROOT)) for path in part] for part in (near, rest, later)]
    return [part for part in lists if part]


def notices(copy: Path, tests: list[str]) -> str | None:
    """The first test that fails, or None."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return f"took over {LIMIT:.0f} s"
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0].split(" ", 1)[1] if failed else f"exit {done.returncode}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-n", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    options = parser.parse_args(arguments)
    drawn = draw(options.n, options.seed)
    if options.list:
        print("\n".join(map(str, drawn)))
        return 0
    alive, rows = [], []
    with tempfile.TemporaryDirectory(prefix="cvq-mutants-") as name:
        copy = Path(name) / "copy"
        subprocess.run(["git", "clone", "--quiet", str(PROJECT_ROOT), str(copy)], check=True)
        for number, mutant in enumerate(drawn, 1):
            place = copy / mutant.path
            whole = place.read_bytes()
            write_atomic(place, whole[: mutant.start] + mutant.now.encode() + whole[mutant.end :])
            try:
                by = next(filter(None, (notices(copy, tests) for tests in asked(mutant))), None)
            finally:
                write_atomic(place, whole)
            alive += [mutant] if by is None else []
            cells = (f"`{mutant.path}:{mutant.line}`", f"`{mutant.was}`", f"`{mutant.now}`")
            row = " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
            rows.append(f"| {row} | {f'`{by}`' if by else '**alive**'} |")
            print(f"{number}/{len(drawn)}  {mutant}  {by or 'ALIVE'}", flush=True)
            write_atomic(PROJECT_ROOT / "figures" / "mutants.md", page(rows, alive, options.seed))
    return 0


def page(rows: list[str], alive: list[Mutant], seed: int) -> bytes:
    """The table of those that were tried so far."""
    told = (
        f"`python tools/mutants.py`: {len(rows)} places drawn with seed {seed}, {len(alive)} alive."
    )
    lines = ["# Mutants", "", f"{(__doc__ or '').splitlines()[0]} {told}"]
    lines += ["", "| place | was | became | noticed by |", "| --- " * 4 + "|", *rows, ""]
    return "\n".join(lines).encode()


if __name__ == "__main__":
    sys.exit(main())
