"""One side of `cvq bench --against`: it trains as the recipe says, a piece whenever it is told to.

It runs in a process of its own, by its path, with the package of any commit before it: so that it
asks for nothing but the functions that every commit has. Over each piece it prints a line of JSON
(what it was, seconds of the clock and of the processor, how much was done in it, and the most
memory in bytes since the piece before), and then waits for a line. The pieces are the steps between
two rows of the training's log; retrievals of `PAIRS` pairs; and evaluations.

    python -P turns.py FOLDER_OF_THE_PACKAGE quick|full
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PAIRS = 96
QUICK = {"autoencoder_steps": 4, "transition_steps": 4, "transitions": 100, "judge_steps": 2}
SIZES = {  # what is trained; how many rows of the second phase, retrievals and evaluations
    "full": ("lesson", {"autoencoder_steps": 120, "transitions": 2000}, 240, (4, 6, 2)),
    "quick": ("nano", QUICK, 12, (2, 1, 1)),
}


class Enough(Exception):
    """The rows that were wanted are there."""


class Turns:
    """Waits until it is told to go on, and tells of what was done since then."""

    def __init__(self) -> None:
        most_resident()
        self.go("")

    def over(self, what: str, done: int) -> None:
        """A piece is done, of `done` steps or pairs."""
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        told = {"what": what, "wall": wall, "cpu": cpu, "done": done, "peak": most_resident()}
        self.go(json.dumps(told))

    def go(self, line: str) -> None:
        """Say a line, and wait until one comes."""
        print(line, flush=True)
        if not sys.stdin.readline():
            sys.exit(0)  # who asked is gone
        self.wall, self.cpu = time.perf_counter(), time.process_time()


def most_resident() -> int:
    """Most bytes of this process since the last call; where no Linux says it, since its start."""
    with contextlib.suppress(OSError):
        text = Path("/proc/self/status").read_text()
        Path("/proc/self/clear_refs").write_text("5")
        return 1024 * int(text.split("VmHWM:")[1].split()[0])
    import resource  # Windows has none

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def functions() -> tuple[Any, ...]:
    """make_world, get, train and evaluate, wherever this commit has them."""
    try:
        from cvq_tutorial import evaluate, make_world, train
        from cvq_tutorial.training.recipes import get
    except ImportError:  # before there were rooms
        from importlib import import_module

        places = {"worlds": "make_world", "recipes": "get", "train": "train"}
        places["evaluate"] = "evaluate"
        found = [getattr(import_module(f"cvq_tutorial.{m}"), f) for m, f in places.items()]
        return tuple(found)
    return make_world, get, train, evaluate


def main(folder: str, size: str) -> None:
    """Train, name and evaluate, piece by piece. Exits with one line if the package is another."""
    import torch

    import cvq_tutorial

    found = Path(str(cvq_tutorial.__file__)).resolve().parent.parent
    if found != Path(folder).resolve():
        sys.exit(f"expected the package in {folder}, found that in {found}")
    make_world, get, train, evaluate = functions()
    name, changes, test, (rows, retrievals, evaluations) = SIZES[size]
    world = make_world("shapes3d")
    recipe = get(name, "shapes3d", **changes)
    turns, before, left = Turns(), {"autoencoder": 0, "transition": 0}, rows
    kept: list[Any] = []

    def on_log(row: dict, model: Any) -> None:
        nonlocal left
        phase, step = row["phase"], row["step"]
        turns.over(phase, step - before[phase])
        before[phase] = step
        left -= phase == "transition"
        if not left:
            kept.append(model)
            raise Enough

    with tempfile.TemporaryDirectory(prefix="cvq-turns-") as runs:
        with contextlib.suppress(Enough):
            train(world, recipe, 0, runs, device="cpu", progress=False, on_log=on_log)
        (model,) = kept
        model.eval()
        sizes = (PAIRS, model.n_nodes, model.n_codebooks)
        x, y = (torch.randint(model.n_codes, sizes) for _ in range(2))
        for _ in range(retrievals):
            model.retrieve(x, y)
            turns.over("retrieval", PAIRS)
        few = get(name, "shapes3d", **changes, test_transitions=test)
        for _ in range(evaluations):
            evaluate(model, world, few, 0, progress=False)
            turns.over("evaluation", test)


if __name__ == "__main__":
    main(*sys.argv[1:])
