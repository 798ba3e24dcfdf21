"""What a worker of Dask does for a sweep: one cell at a time, stopped and told like any other run.

What travels is a function of this module by its name, JSON text that says which cell, and, where
storage is not shared, run folders packed as zip. The scheduler and the workers import this module
to find the functions; it loads torch only when a cell is run.
"""

from __future__ import annotations

import asyncio
import ctypes
import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cvq_tutorial import __version__
from cvq_tutorial.common import progress
from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.experiments.grids import Cell

LOOK = 0.2  # seconds between two looks at whether the worker is to close
LAST = "metrics.json"  # with it a cell is finished


def dask_setup(worker: Any) -> None:
    """Of a worker that a sweep starts on its own machine: the terminal's Ctrl-C is not for it."""
    if hasattr(os, "setsid"):
        os.setsid()


def version() -> str:
    """Of this package, where it is asked."""
    return __version__


async def ready(asked: str, dask_worker: Any = None) -> str:
    """What is in the way of cells on this worker, in one line; "" if nothing is.

    asked: JSON with `version`, `device`, `shared` (a file of the sweep and what it holds, or null),
        and `cells`, whose worlds must have their data here.
    """
    return await asyncio.to_thread(_refusal, json.loads(asked), dask_worker)


def _refusal(asked: dict, worker: Any) -> str:
    if asked["version"] != __version__:
        return f"expected cvq_tutorial {asked['version']} as here, found {__version__}"
    if worker.state.nthreads != 1:
        return (
            f"expected a worker of one task at a time (--nthreads 1), found {worker.state.nthreads}"
        )
    if shared := asked["shared"]:
        try:
            found = Path(shared["path"]).read_text("utf-8")
        except OSError:
            found = ""
        if found != shared["holds"]:
            return (
                f"expected to see {Path(shared['path']).parent} as it is here, found another or "
                "no such folder: give --runs on storage that all machines share, or --gather"
            )
    from cvq_tutorial.common.device import pick_device
    from cvq_tutorial.experiments import sweeps

    try:
        pick_device(asked["device"])
        for cell in asked["cells"]:
            sweeps.fits(Cell(**cell))
    except Exception as error:  # whatever it is, it is in the way
        return f"{type(error).__name__}: {error}"
    return ""


def run_cell(asked: str, files: bytes, *before: tuple[str, bytes]) -> tuple[str, bytes]:
    """Run one cell on this worker.

    Args:
        asked: JSON as for `ready`, with one cell, and `sweep` (the topic under which it is told how
            far the cell is), `root` (the folder of the sweep) and `threads` (0: as they are).
        files: run folders that are sent along, as of `pack`; empty where storage is shared.
        before: what this returned of the cell whose autoencoder is taken over.

    Returns:
        JSON with `why` (why the cell failed, "" if it is finished), `stopped` and `machine`; and
        its run folder where storage is not shared.
    """
    from distributed import get_worker

    from cvq_tutorial.common.device import pick_device
    from cvq_tutorial.experiments import bench, sweeps

    told, worker = json.loads(asked), get_worker()
    if why := _refusal(told, worker):
        return json.dumps({"why": f"{worker.address}: {why}", "stopped": False}), b""
    cell = Cell(**told["cells"][0])

    def tell(line: str) -> None:
        worker.log_event(told["sweep"], {"cell": cell.name, "line": line})

    with ExitStack() as stack:
        root = Path(told["root"])
        if not told["shared"]:
            root = Path(stack.enter_context(TemporaryDirectory(dir=worker.local_directory)))
            for packed in (files, *(folder for _, folder in before)):
                unpack(packed, root)
        tell("")
        why, stopped = "", True
        with _at_work(told["sweep"], worker) as work, progress.lines_to(tell):
            why = sweeps.tried(cell, root, told["device"], told["threads"])
            stopped = False
        if work.closing and stopped:  # Dask gives the cell to another worker
            raise RuntimeError(f"{worker.address} was closed")
        machine = bench.machine(pick_device(told["device"]))
        said = json.dumps({"why": why, "stopped": stopped, "machine": machine})
        return said, b"" if told["shared"] else pack(root, [cell.name])


# Stopping ----------------------------------------------------------------------------------------


@dataclass
class _Work:
    sweep: str
    thread: int
    asked: bool = False
    closing: bool = False  # asked by its worker


_work: list[_Work] = []  # at most one
_lock = threading.Lock()


def stop(sweep: str = "") -> None:
    """Ask the cell at work to stop, if it is one of this sweep; "": whose ever it is.

    In a loop it saves after the step at hand; elsewhere it stops at once. It is asked once.
    """
    from cvq_tutorial.training import held

    with _lock:
        for work in _work:
            if not work.asked and sweep in ("", work.sweep):
                work.asked, work.closing = True, not sweep
                if not held.stop_elsewhere():
                    _interrupt(work.thread, KeyboardInterrupt)


def _interrupt(thread: int, error: type[BaseException] | None) -> None:
    """What Ctrl-C does to the main thread, to another one; None: it is called off."""
    what = ctypes.py_object(error) if error else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)


@contextmanager
def _at_work(sweep: str, worker: Any) -> Iterator[_Work]:
    """A block that can be stopped, and is when the worker closes; then it ends early."""
    work, done = _Work(sweep, threading.get_ident()), threading.Event()

    def look() -> None:
        while not done.wait(LOOK):
            if worker.status.name not in ("running", "paused"):
                stop()

    threading.Thread(target=look, daemon=True).start()
    try:
        try:
            _work.append(work)
            yield work
        finally:
            done.set()
            with _lock:
                _work.clear()
                _interrupt(work.thread, None)
    except KeyboardInterrupt:
        _work.clear()


# Run folders on their way ------------------------------------------------------------------------


def pack(root: Path, names: Sequence[str]) -> bytes:
    """Folders in `root`, as the bytes of a zip file; hidden files stay."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for path in (p for name in names for p in sorted((root / name).rglob("*"))):
            if path.is_file() and not path.name.startswith("."):
                file.writestr(path.relative_to(root).as_posix(), path.read_bytes())
    return content.getvalue()


def unpack(content: bytes, root: Path) -> list[str]:
    """Write what was packed below `root`, `metrics.json` last; the names of the files.

    Raises ValueError for a name that leads out of it, before anything is written.
    """
    if not content:
        return []
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        names = sorted(file.namelist(), key=lambda name: (Path(name).name == LAST, name))
        for name in names:
            if not (root / name).resolve().is_relative_to(root.resolve()):
                raise ValueError(f"expected files below {root}, found {name!r}")
        for name in names:
            write_atomic(root / name, file.read(name))
    return names
