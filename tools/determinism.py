"""Train one small run in several circumstances, and tell which of them change its bits.

    python tools/determinism.py              print the table (minutes: 14 runs of recipe nano)
    python tools/determinism.py --write      and put it into CONTRIBUTING.md

Every row is `cvq train` and `cvq evaluate` in processes of their own, compared with a first run of
the same seed on one thread: weights by name and all numbers of metrics.json but the seconds.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from same_bits import differences

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT

ONE = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
# what is different in a row -> (environment, seed, whether the training is stopped on the way)
ROWS: dict[str, tuple[Mapping[str, str], int, bool]] = {
    "nothing: the same command again, in another folder": (ONE, 0, False),
    "another `PYTHONHASHSEED`": (ONE | {"PYTHONHASHSEED": "7"}, 0, False),
    "stopped by Ctrl-C on the way and given again": (ONE, 0, True),
    "two threads instead of one": (ONE | {"OMP_NUM_THREADS": "2"}, 0, False),
    "two threads, compared with two threads": (ONE | {"OMP_NUM_THREADS": "2"}, 0, False),
    "another seed": (ONE, 1, False),
}
WORLDS = ("codes", "shapes3d")
START, END = "<!-- determinism -->", "<!-- /determinism -->"


def cvq(words: list[str], environment: Mapping[str, str], stop: Path | None = None) -> int:
    """Run a command to its end; with `stop`, Ctrl-C comes a moment after that file is there.

    Raises:
        RuntimeError: it failed, with its last line; it ended before it was stopped.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "cvq_tutorial", *words, "--device", "cpu"],
        cwd=PROJECT_ROOT,
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if stop is not None:
        while process.poll() is None and not stop.exists():
            time.sleep(0.05)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
    said = process.communicate()[1].strip() or "failed"
    wanted = 0 if stop is None else 128 + signal.SIGINT
    if process.returncode != wanted:
        raise RuntimeError(
            f"cvq {words[0]} ended with {process.returncode}: {said.splitlines()[-1]}"
        )
    return process.returncode


def make(
    world: str, folder: Path, environment: Mapping[str, str], seed: int, stopped: bool
) -> None:
    """A trained and measured run folder."""
    train = ["train", world, "--recipe", "nano", "--seed", str(seed), "--run-dir", str(folder)]
    if stopped:
        cvq(train, environment, folder / "log.csv")
    cvq(train, environment)
    cvq(["evaluate", str(folder)], environment)


def table() -> str:
    """The rows as Markdown, made by running them."""
    lines = [
        "| what is different | " + " | ".join(f"`{w}`" for w in WORLDS) + " |",
        "| --- " * 3 + "|",
    ]
    told: dict[str, list[str]] = {name: [] for name in ROWS}
    with tempfile.TemporaryDirectory(prefix="cvq-determinism-") as place:
        for world in WORLDS:
            first = Path(place) / world / "first"
            make(world, first, ONE, 0, False)
            for number, (name, how) in enumerate(ROWS.items()):
                folder = Path(place) / world / str(number)
                make(world, folder, *how)
                beside = folder.with_name(str(number - 1)) if "compared" in name else first
                found = differences(beside, folder)
                weights = sum(line.startswith("weights") for line in found)
                text = (
                    "same bits"
                    if not found
                    else f"{weights} weights, {len(found) - weights} numbers"
                )
                told[name].append(text)
                print(f"{world}: {name}: {text}", file=sys.stderr, flush=True)
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in told.items()]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put it into CONTRIBUTING.md")
    options = parser.parse_args(arguments)
    made = table()
    print(made)
    if options.write:
        page = PROJECT_ROOT / "CONTRIBUTING.md"
        text = page.read_text("utf-8")
        found = re.search(f"{START}\n.*?{END}", text, re.DOTALL)
        if found is None:
            print(f"{page.name} has no {START} ... {END}", file=sys.stderr)
            return 1
        made = f"{START}\n{made}\n{END}"
        write_atomic(page, (text[: found.start()] + made + text[found.end() :]).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
