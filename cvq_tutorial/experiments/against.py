"""This checkout and another commit, side by side: how the same work compares in time and memory.

Both train, name and evaluate the world `shapes3d` in small pieces (`turns`), each in a process with
its own package; they take turns piece by piece, and first one and then the other goes first. So a
machine that is busy for a while slows both alike, and each ratio is one of neighbours. The median
is the number to quote; the smallest and largest say how much to trust it. Seconds are those of the
processor, which a busy machine changes less than those of the clock; both are told. The first half
of the pieces of each kind warms up and is not counted.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.common.json_files import to_json
from cvq_tutorial.experiments import turns
from cvq_tutorial.experiments.bench import load, machine

FORMAT = 1
KINDS = {
    "autoencoder": "autoencoder, per step",
    "transition": "transition, per step, its log included",
    "retrieval": "retrieval, per pair",
    "evaluation": "evaluation, per transition",
}


class Side:
    """A process that works with the package in one folder, a piece at a time.

    folder: holds `cvq_tutorial`.  name: for errors.
    Raises RuntimeError, one line, when it cannot start or go on.
    """

    def __init__(self, folder: Path, name: str, quick: bool) -> None:
        self.name = name
        words = ["-P", turns.__file__, str(folder), "quick" if quick else "full"]
        environment = os.environ | {"PYTHONPATH": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, *words], env=environment, text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            raise RuntimeError(f"{name} cannot be run: {self._last()}")

    def turn(self) -> dict[str, Any] | None:
        """What the next piece took; None when all are done."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(OSError):  # it has ended
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line and self.process.wait():
            raise RuntimeError(f"{self.name} failed: {self._last()}")
        return json.loads(line) if line else None

    def _last(self) -> str:
        """The last line of what it said as it ended."""
        assert self.process.stderr is not None
        said = self.process.stderr.read().strip()
        return said.splitlines()[-1] if said else f"exit code {self.process.wait()}"

    def close(self) -> None:
        """End it, if it has not ended."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def checked_out(revision: str, root: Path = PROJECT_ROOT) -> Iterator[Path]:
    """A temporary folder with another commit of this repository, as a worktree of git.

    Raises ValueError for a revision that is not there, or where this is no checkout.
    """

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
        if done.returncode:
            told = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise ValueError(told)
        return done.stdout.strip()

    try:
        git("rev-parse", "--git-dir")
    except (ValueError, OSError) as error:
        raise ValueError(f"--against needs a checkout of git, found none ({error})") from None
    try:
        commit = git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except ValueError:
        raise ValueError(f"--against: no commit {revision!r} in this repository") from None
    with tempfile.TemporaryDirectory(prefix="cvq-against-") as name:
        folder = Path(name) / "code"
        git("worktree", "add", "--quiet", "--detach", str(folder), commit)
        try:
            yield folder
        finally:
            git("worktree", "remove", "--force", str(folder))


def run(
    revision: str,
    out: str | Path | None = None,
    quick: bool = False,
    say: Callable[[str], object] = print,
) -> dict:
    """Measure this checkout against `revision`, say the table, and write it as JSON.

    revision: as git understands it.  out: None writes nothing.  quick: recipe `nano`, for tests.
    Returns {format, machine, revision, quick, load, rows}; rows are {kind: {cpu, wall, peak}}, each
    {then, now, ratio, low, high}: seconds per step or pair, or bytes; ratios of now to then.
    Raises ValueError for a revision that is not there, RuntimeError for one that cannot be run.
    """
    with checked_out(revision) as folder, ExitStack() as stack:
        sides = []
        for code, name in ((folder, revision), (PROJECT_ROOT, "this checkout")):
            sides.append(Side(code, name, quick))
            stack.callback(sides[-1].close)
        pieces = _in_turns(*sides)
    told = {
        "format": FORMAT, "machine": machine(torch.device("cpu")), "revision": revision,
        "quick": quick, "load": load(), "rows": compared(pieces),
    }  # fmt: skip
    say(table(told))
    if out is not None:
        write_atomic(out, to_json(told))
    return told


def _in_turns(then: Side, now: Side) -> list[tuple[dict, dict]]:
    """(then, now) of every piece."""
    found: list[tuple[dict, dict]] = []
    while True:
        if len(found) % 2:
            b, a = now.turn(), then.turn()
        else:
            a, b = then.turn(), now.turn()
        if a is None or b is None:
            return found
        found.append((a, b))


def compared(pieces: list[tuple[dict, dict]]) -> dict[str, dict]:
    """The rows of `run`, of pieces (then, now) of every kind.

    Raises RuntimeError if the two did not do the same.
    """
    rows = {}
    for kind in KINDS:
        pairs = [pair for pair in pieces if pair[0]["what"] == kind]
        for a, b in pairs:
            if (a["what"], a["done"]) != (b["what"], b["done"]):
                raise RuntimeError(f"expected the same work of both, found {a} and {b}")
        if pairs:
            late = pairs[len(pairs) // 2 :]
            rows[kind] = {
                "cpu": _ratio([(a["cpu"] / a["done"], b["cpu"] / b["done"]) for a, b in late]),
                "wall": _ratio([(a["wall"] / a["done"], b["wall"] / b["done"]) for a, b in late]),
                "peak": _ratio([_most(pairs)]),
            }
    return rows


def _most(pairs: list[tuple[dict, dict]]) -> tuple[float, float]:
    return max(a["peak"] for a, _ in pairs), max(b["peak"] for _, b in pairs)


def _ratio(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Of pairs (then, now): medians, and the ratios now to then of neighbours."""
    ratios = [b / a for a, b in pairs]
    told = {"then": statistics.median(a for a, _ in pairs)}
    told |= {"now": statistics.median(b for _, b in pairs), "ratio": statistics.median(ratios)}
    return told | {"low": min(ratios), "high": max(ratios)}


def table(told: dict) -> str:
    """The result of `run` for a person to read."""
    about = told["machine"]
    busy = "" if told["load"] is None else f", load {told['load']}"
    title = f"this checkout / {told['revision']}"
    lines = [
        f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, bf16 "
        f"{'on' if about['bf16'] else 'off'}, torch {about['torch']}{busy}",
        f"{title:48} {'then':>9} {'now':>9} {'ratio':>7}  (low - high)",
    ]
    for kind, row in told["rows"].items():
        for name, unit, scale in (
            ("cpu", "CPU ms", 1e3),
            ("wall", "ms", 1e3),
            ("peak", "MB", 1e-6),
        ):
            r = row[name]
            spread = f"({r['low']:.3f} - {r['high']:.3f})" if name != "peak" else ""
            what = KINDS[kind] if name != "peak" else f"{kind}, most memory"
            lines.append(
                f"{what + ', ' + unit:48} {scale * r['then']:9.2f} {scale * r['now']:9.2f} "
                f"{r['ratio']:7.3f}  {spread}".rstrip()
            )
    return "\n".join(lines)
