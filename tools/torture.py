"""Kill what works at random times, take its disk away, and see that nothing is lost or left.

    make torture                                   200 kills, the faults, 100,000 examples: hours
    python tools/torture.py --kills 12 --examples 2000

* kills: train, reproduce, sweep, evaluate and unpacking, small ones, are killed (-9) at times drawn
  from the seed and started again, until they come to their end. After each kill every file that can
  be read must be whole and what was there must still be; at an end the numbers must be those of an
  undisturbed run. Counted: what is lost, and which processes, locks and temporary files are left.
* faults: no room on the disk, a folder that cannot be written, or goes away, two processes in one
  folder, a clock set back. Each must end well, or with one line, and the same command must get to
  the same numbers afterwards.
* examples: the properties of readers and parsers (tests that begin with `test_whatever`), with so
  many examples in all.

Everything happens in a temporary folder. One line per round; the exit code is 1 if anything is
lost, left or wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from safetensors import safe_open

from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.common.json_files import parse, read_json, read_rows
from cvq_tutorial.training import checkpoints

MARK = "CVQ_TORTURE"  # in the environment of all that is started here
PATIENCE = 60.0  # seconds until a child of what was killed must have stopped by itself
SMALL = ["--set", "transition_steps=300", "--set", "transitions=300", "--set"]
SMALL += ["test_transitions=60", "--set", "prune_transitions=2", "--device", "cpu"]
CVQ = [sys.executable, "-m", "cvq_tutorial"]
SWEEP = """
import sys
from cvq_tutorial.experiments.grids import Cell
from cvq_tutorial.experiments.sweeps import sweep

if __name__ == "__main__":
    small = {"transition_steps": 150, "transitions": 300, "test_transitions": 60}
    cells = [Cell("one", "codes", "nano", seed, small) for seed in (0, 1)]
    cells.append(Cell("two", "codes", "nano", 0, small, baseline="independence"))
    sweep(cells, sys.argv[1], workers=2, device="cpu")
"""
UNPACK = """
import hashlib, sys
from pathlib import Path
import numpy as np
from cvq_tutorial.worlds.files.unpack import UnpackedRows

def blocks():
    rng = np.random.default_rng(0)
    for first in range(0, 4000, 500):
        yield first, rng.integers(0, 255, (500, 48, 48), dtype=np.uint8)

source = Path(sys.argv[1]) / "source"
if not source.exists():
    source.write_bytes(b"pictures")
    import os; os.utime(source, (1e9, 1e9))
rows = UnpackedRows("torture", [source], (4000, 48, 48), blocks).read(np.arange(4000))
(Path(sys.argv[1]) / "done.json").write_text('"%s"' % hashlib.sha256(rows.tobytes()).hexdigest())
"""
CLOCK = """
import sys, time
real = time.time
began = real()
time.time = lambda: real() - (86400.0 if real() - began > 2 else 0.0)
from cvq_tutorial.run.cli import main
sys.exit(main(sys.argv[1:]))
"""


def numbers(path: Path) -> object:
    """The metrics of a run without what differs from run to run."""
    found = read_json(path)
    return {k: v for k, v in found.items() if not k.endswith("seconds")}


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Work:
    """Something that can be killed: its command, and what it leaves at its end (None: not yet)."""

    name: str
    command: Callable[[Path], list[str]]
    result: Callable[[Path], object]
    start: Callable[[Path], object] = lambda folder: None


@dataclass
class Count:
    lost: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def _rows(folder: Path) -> object:
    made = read_json(folder / "sweep" / "table.json")
    return {k: v["numbers"] for k, v in made["rows"].items()} if not made["missing"] else None


def works(script: Path, trained: Path) -> list[Work]:
    run = "codes-nano-s0"
    (script / "sweep.py").write_text(SWEEP)
    (script / "unpack.py").write_text(UNPACK)

    def metrics(folder: Path) -> object:
        return numbers(folder / run / "metrics.json"), sha(folder / run / "model.safetensors")

    return [
        Work(
            "train",
            lambda f: [*CVQ, "train", "codes", "--recipe", "nano", *SMALL, "--runs", str(f)],
            lambda f: (sha(f / run / "model.safetensors"), checkpoints.read_info(f / run)["seed"]),
        ),
        Work(
            "reproduce",
            lambda f: [*CVQ, "reproduce", "codes", "--recipe", "nano", *SMALL, "--runs", str(f)],
            metrics,
        ),
        Work("sweep", lambda f: [sys.executable, str(script / "sweep.py"), str(f)], _rows),
        Work(
            "evaluate",
            lambda f: [*CVQ, "evaluate", str(f / run), "--device", "cpu"],
            metrics,
            lambda f: shutil.copytree(trained, f / run),
        ),
        Work(
            "unpack",
            lambda f: [sys.executable, str(script / "unpack.py"), str(f)],
            lambda f: read_json(f / "done.json"),
        ),
    ]


# Starting and looking ----------------------------------------------------------------------------


def environment(folder: Path) -> dict[str, str]:
    """All that is started writes below the folder, and can be found by its name."""
    for name in ("tmp", "cache"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    own = {MARK: str(folder), "TMPDIR": str(folder / "tmp"), "CVQ_CACHE": str(folder / "cache")}
    # torch makes this folder with its first optimiser and keeps it, also where nothing is killed
    own["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "torch")
    path = os.pathsep.join([str(PROJECT_ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **own, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def started(command: list[str], folder: Path, **how) -> subprocess.Popen:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    how = {"env": environment(folder), "cwd": folder, "start_new_session": True, **pipes, **how}
    return subprocess.Popen(command, **how)


def ended(process: subprocess.Popen, seconds: float = 600) -> tuple[int, str]:
    """Exit code and what was said; a process that does not end is killed, and has failed."""
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return 124, f"not ended after {seconds:.0f} s"
    return process.returncode, said


def mine(folder: Path) -> list[psutil.Process]:
    """Processes that were started for the folder, and their children."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and process.environ().get(MARK) == str(folder):
                found.append(process)
    return found


def wait_until_alone(folder: Path, count: Count, name: str) -> None:
    """What a killed process has started must end by itself; what does not is left, and killed."""
    limit = time.monotonic() + PATIENCE
    while (others := mine(folder)) and time.monotonic() < limit:
        time.sleep(0.3)
    for process in others:
        with contextlib.suppress(psutil.Error):
            count.left.append(f"{name}: process {' '.join(process.cmdline())[:80]}")
            process.kill()


def damaged(folder: Path) -> list[str]:
    """Files of ours that are there and are not whole."""
    found = []
    for path in folder.rglob("*"):
        if not path.is_file() or path.suffix == ".tmp" or path.name.startswith("."):
            continue
        if (folder / "tmp") in path.parents:
            continue
        try:
            if path.suffix in (".json", ".ipynb"):
                parse(path.read_bytes(), path)
            elif path.suffix == ".csv":
                read_rows(path, texts=("phase",))
            elif path.suffix == ".safetensors":
                with safe_open(path, "pt") as file:
                    list(file.keys())
        except FileNotFoundError:
            pass
        except Exception as error:  # of many kinds: what is not whole
            found.append(" ".join(f"{path.name}: {error}".split())[:120])
    return found


def kept(folder: Path) -> set[str]:
    """What is finished and must never go again."""
    names = ("metrics.json", "model.json", "model.safetensors")
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.name in names}


def leftovers(folder: Path) -> list[str]:
    """Temporary files and locks that somebody still holds, after all processes are gone."""
    found = [str(p.relative_to(folder)) for p in folder.rglob("*.tmp")]
    found += [str(p.relative_to(folder)) for p in folder.rglob(".*.partial.ipynb")]
    found += [f"tmp/{p.name}" for p in (folder / "tmp").iterdir()]
    for path in [*folder.rglob(".sweep"), *folder.rglob("*.lock"), *folder.rglob(".lock")]:
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            found.append(f"held lock {path.relative_to(folder)}")
    return found


# Kills -------------------------------------------------------------------------------------------


def killed(work: Work, place: Path, rng: random.Random, kills: int, count: Count) -> None:
    """Kill it so many times; when it comes to its end the next round begins in a new folder."""
    whole = place / f"{work.name}-whole"
    whole.mkdir()
    work.start(whole)
    began = time.monotonic()
    code, said = ended(started(work.command(whole), whole))
    usual = time.monotonic() - began
    if code:
        count.lost.append(f"{work.name}: does not even run undisturbed: {said[-200:]!r}")
        return
    wanted = work.result(whole)
    done = rounds = 0
    while done < kills:
        rounds += 1
        folder = place / f"{work.name}-{rounds}"
        folder.mkdir()
        work.start(folder)
        for _ in range(6):  # then it may come to its end
            there = kept(folder)
            process = started(work.command(folder), folder)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=rng.uniform(0.0, usual))
                break
            if done == kills:
                break
            process.send_signal(signal.SIGKILL)
            process.communicate()
            done += 1
            wait_until_alone(folder, count, work.name)
            count.lost += [f"{work.name}: {line}" for line in damaged(folder)]
            count.lost += [f"{work.name}: {name} is gone" for name in there - kept(folder)]
        else:
            process = started(work.command(folder), folder)
        code, said = ended(process) if process.poll() is None else (process.returncode, "")
        if code:
            code, said = ended(started(work.command(folder), folder))  # it may have been cut short
        try:
            found = work.result(folder) if not code else said[-200:]
        except (OSError, ValueError) as error:
            found = error
        if found != wanted:
            count.lost.append(f"{work.name}: ends with {found!r:.200}, expected {wanted!r:.80}")
        wait_until_alone(folder, count, work.name)
        count.left += [f"{work.name}: {line}" for line in leftovers(folder)]
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{work.name}: {done} kills in {rounds} rounds of {usual:.0f} s", flush=True)


# Faults ------------------------------------------------------------------------------------------


def one_line(said: str) -> bool:
    """Whether it ended with the one line of an error, and no traceback."""
    errors = [line for line in said.splitlines() if line.startswith("cvq: error: ")]
    return len(errors) == 1 and "Traceback" not in said


def faults(train: Work, place: Path, count: Count) -> None:
    """Each fault once; one line per fault."""
    whole = place / "train-whole"
    if not whole.exists():
        whole.mkdir()
        ended(started(train.command(whole), whole))
    wanted = train.result(whole)

    def told(name: str, folder: Path, right: bool, said: str) -> None:
        code, last = ended(started(train.command(folder), folder))
        if not right:
            count.lost.append(f"{name}: {' '.join(said.split())[-200:]}")
        if code or train.result(folder) != wanted:
            count.lost.append(f"{name}: the same command does not get there: {last[-200:]!r}")
        count.left += [f"{name}: {line}" for line in leftovers(folder)]
        print(f"{name}: {'as it should' if right else 'WRONG'}", flush=True)

    def fresh(name: str) -> Path:
        (place / name).mkdir()
        return place / name

    folder = fresh("full")
    small = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))}
    code, said = ended(started(train.command(folder), folder, **small))
    told("no room on the disk", folder, code == 1 and one_line(said), said)

    folder = fresh("readonly")
    env = environment(folder)  # before nothing can be written
    if os.geteuid() == 0:
        print("a folder that cannot be written: not tried, root can write everywhere")
    else:
        folder.chmod(0o555)
        code, said = ended(started(train.command(folder), folder, env=env))
        folder.chmod(0o755)
        told("a folder that cannot be written", folder, code == 1 and one_line(said), said)

    folder = fresh("gone")
    process = started(train.command(folder), folder)
    run = folder / "codes-nano-s0"
    while process.poll() is None and not (run / "log.csv").exists():
        time.sleep(0.05)
    shutil.rmtree(run, ignore_errors=True)
    code, said = ended(process)
    told("a folder that goes away", folder, code == 0 or one_line(said), said)

    folder = fresh("two")
    pair = [started(train.command(folder), folder) for _ in range(2)]
    ends = [ended(process) for process in pair]
    fine = all(code == 0 or one_line(said) for code, said in ends) and 0 in [c for c, _ in ends]
    told("two processes, one run", folder, fine, str(ends))

    folder = fresh("both")
    own = [*train.command(folder), "--run-dir", str(folder / "codes-nano-s0")]
    pair = [started([*own, "--seed", seed], folder) for seed in ("0", "1")]
    ends = [ended(process) for process in pair]
    fine = sorted(code == 0 for code, _ in ends) == [False, True]
    fine = fine and one_line(next((said for code, said in ends if code), ""))
    count.lost += [] if fine else [f"two processes, two runs: {' '.join(str(ends).split())[-300:]}"]
    print(f"two processes, two runs: {'as it should' if fine else 'WRONG'}", flush=True)

    folder = fresh("clock")
    command = [sys.executable, "-c", CLOCK, *train.command(folder)[len(CVQ) :]]
    code, said = ended(started(command, folder))
    told("a clock set back", folder, code == 0, said)


# Examples ----------------------------------------------------------------------------------------


def examples(n: int, count: Count) -> None:
    """The properties of readers and parsers, with n examples in all, in one process."""
    tests = PROJECT_ROOT / "tests"
    found = {p: re.findall(r"^def (test_whatever\w*)", p.read_text("utf-8"), re.M)
             for p in sorted(tests.rglob("test_*.py"))}  # fmt: skip
    files = [str(path) for path, names in found.items() if names]
    properties = sum(map(len, found.values()))
    each = str(max(1, n // properties))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "whatever"]
    env = {**os.environ, "CVQ_EXAMPLES": each}
    done = subprocess.run([*command, *files], cwd=PROJECT_ROOT, env=env, capture_output=True)
    if done.returncode:
        count.lost.append(f"examples: {done.stdout.decode()[-2000:]}")
    last = done.stdout.decode().strip().splitlines()[-1:]
    print(f"{properties} properties with {each} examples each: {' '.join(last)}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the times of the kills")
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--only", default="kills,faults,examples", help="some of these")
    options = parser.parse_args(arguments)
    count, rng = Count(), random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="cvqt") as name:
        place = Path(name)
        parts = options.only.split(",")
        trained = place / "trained"
        if "kills" in parts:
            first = works(place, trained)[0]
            run = [*first.command(trained)[:-2], "--run-dir", str(trained)]
            trained.mkdir()
            ended(started(run, place / "made"))
            ended(started([*CVQ, "evaluate", str(trained)], place / "made"))
        all_works = works(place, trained)
        if "kills" in parts:
            for n, work in enumerate(all_works):
                share = options.kills // len(all_works) + (n < options.kills % len(all_works))
                if share:
                    killed(work, place, rng, share, count)
        if "faults" in parts:
            faults(all_works[0], place, count)
    if "examples" in parts:
        examples(options.examples, count)
    for kind, lines in (("lost", count.lost), ("left", count.left)):
        print(f"{kind}: {len(lines)}" + "".join(f"\n  {line}" for line in lines))
    return 1 if count.lost or count.left else 0


if __name__ == "__main__":
    sys.exit(main())
