"""Cells of a sweep on Dask: in processes of this machine, or on any cluster with a scheduler.

Each cell is one task; one that takes over an autoencoder depends on the task that trains it. When a
worker is killed, Dask gives its cell to another, which goes on from the state that was saved. What
is sent is in `remote`. Ctrl-C is heard here alone: each cell at work is asked once, and saves.
"""

from __future__ import annotations

import json
import queue
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from cvq_tutorial import __version__
from cvq_tutorial.common import progress
from cvq_tutorial.experiments import remote
from cvq_tutorial.experiments.grids import Cell
from cvq_tutorial.experiments.where import Where, connected, examined, quiet, shared_file
from cvq_tutorial.training.held import Stop
from cvq_tutorial.training.run import STATE

LOOK = 0.5  # seconds between two looks at whether it is still there, or Ctrl-C came
SAVED = 60.0  # seconds within which cells that are asked to stop must have saved
GONE = "the scheduler of Dask is gone, or has forgotten its work; what is finished is kept"
AGAIN = 20  # times that a cell is given to another worker because its own was closed


def run(
    cells: Sequence[Cell],
    root: Path,
    device: str,
    where: Where,
    started: Callable[[Cell], object],
    finished: Callable[[Cell, str, dict], object],
    say: Callable[[str], object],
) -> None:
    """Run cells as tasks of Dask; however it ends, no process of ours is left.

    Args:
        cells: to run, in this order where nothing else is said; root: their folder.
        started, finished: called here, before and after each cell, the second with why it failed
            ("" if it did not) and the machine that it ran on.
        say: is given a line about the cluster.

    Raises:
        OSError: no scheduler, one that is gone, or workers that cannot do the work; one line.
        KeyboardInterrupt: asked to stop; the cells at work have saved their state.
    """
    stop = Stop(lambda: "cells at work go on from their last saved state")
    stop.in_loop = True  # the first Ctrl-C is noted, and fulfilled below
    most = min(where.workers, len(cells))
    with (
        stop.heard(),
        quiet(),
        shared_file(root, where) as shared,
        connected(where, root, most) as client,
    ):
        asked: dict[str, Any] = {
            "version": __version__, "device": device, "shared": shared, "root": str(root.resolve()),
            "sweep": f"cvq-{secrets.token_hex(8)}", "threads": 0, "cells": [],
        }  # fmt: skip
        if where.scheduler:
            everything = asked | {"cells": [asdict(cell) for cell in cells]}
            examined(client, where.scheduler, everything, say)
        else:
            asked["threads"] = max(1, torch.get_num_threads() // where.workers)
        if where.dashboard:
            say(f"dashboard: {client.dashboard_link}")
        tasks = _Tasks(client, cells, root, asked, started, finished)
        try:
            tasks.follow(stop)
        finally:
            left = tasks.stop()
    if stop.asked:
        told = f"{left} cells at work had not saved after {SAVED:.0f} s" if left else "state saved"
        raise KeyboardInterrupt(f"stopped; {told}")


class _Tasks:
    """The cells of a sweep as tasks, and what is told of them."""

    def __init__(
        self,
        client: Any,
        cells: Sequence[Cell],
        root: Path,
        asked: dict,
        started: Callable[[Cell], object],
        finished: Callable[[Cell, str, dict], object],
    ) -> None:
        self.client, self.root, self.asked = client, root, asked
        self.started, self.finished = started, finished
        self.named = {cell.name: cell for cell in cells}
        self.futures: dict[str, Any] = {}  # of what is not done, by the name of the cell
        self.before: dict[str, Any] = {}  # what they wait for
        self.begun: set[str] = set()
        self.told: queue.Queue[Any] = queue.Queue()
        client.subscribe_topic(asked["sweep"], lambda event: self.told.put(event[1]))
        for cell in cells:
            self._submit(cell)

    def _submit(self, cell: Cell) -> Any:
        """The task of a cell, after that of the one whose autoencoder it takes over."""
        if cell.name in self.futures:
            return self.futures[cell.name]
        donor = Cell(cell.autoencoder, "", seed=cell.seed).name if cell.autoencoder else ""
        if donor in self.named:
            self.before[cell.name] = self._submit(self.named[donor])
            return self._task(cell, [], [self.before[cell.name]])
        return self._task(cell, [donor] if donor else [], [])

    def _task(self, cell: Cell, along: list[str], before: list) -> Any:
        """Submit it; along: cells finished earlier, whose folders it needs, too."""
        asked = json.dumps(self.asked | {"cells": [asdict(cell)]})
        files = b"" if self.asked["shared"] else remote.pack(self.root, [cell.name, *along])
        key = f"{cell.name}-{secrets.token_hex(16)}"
        future = self.client.submit(
            remote.run_cell, asked, files, *before, key=key, retries=AGAIN, pure=False
        )
        self.futures[cell.name] = future
        future.add_done_callback(self.told.put)
        return future

    def follow(self, stop: Stop) -> None:
        """Take what is told until nothing is left to do, or Ctrl-C came."""
        while self.futures and not stop.asked:
            self._take(LOOK)

    def _take(self, seconds: float) -> None:
        """One thing that is told, if there is one so soon. Raises OSError: Dask is gone."""
        with suppress(queue.Empty):
            what = self.told.get(timeout=seconds)
            if isinstance(what, dict):
                self._line(self.named[what["cell"]], what["line"])
            else:
                try:
                    self._done(what)
                except Exception:
                    if self.client.status == "running":
                        raise
        if self.client.status != "running":
            raise OSError(GONE)

    def _line(self, cell: Cell, line: str) -> None:
        about = f"{cell.label}, seed {cell.seed}"
        if line:
            progress.say(f"{about}: {line}")
        elif cell.name in self.begun:
            progress.say(f"{about}: its worker is gone, another goes on with it")
        else:
            self.begun.add(cell.name)
            self.started(cell)

    def _done(self, future: Any) -> None:
        """What a task returned, or why it did not."""
        import distributed

        name = next((name for name, f in self.futures.items() if f is future), "")
        if not name:
            return
        cell, machine = self.named[name], {}
        if future.cancelled():
            raise OSError(GONE)
        before = self.before.pop(name, None)
        if future.status == "error":
            if before is not None and before.status == "error":  # it failed with the other
                self._task(cell, [], [])
                return
            error = future.exception()
            why = f"{type(error).__name__}: {error}"
            if isinstance(error, distributed.KilledWorker):
                why = f"its worker was killed, tries: {error.allowed_failures + 1}"
        else:
            text, files = future.result()
            said = json.loads(text)
            why, machine = said["why"], said.get("machine", {})
            if files:
                self._fetched(cell, files)
            if said["stopped"]:
                del self.futures[name]
                return
            if not why and not self._arrived(cell):
                why = f"finished on its worker, but {self.root / name} here has nothing of it"
        del self.futures[name]
        if name not in self.begun:
            self._line(cell, "")
        self.finished(cell, " ".join(why.split())[:500], machine)

    def _arrived(self, cell: Cell) -> bool:
        """Whether its numbers are seen here; a shared disk may take a while to show them."""
        for _ in range(20):
            if (self.root / cell.name / remote.LAST).exists():
                return True
            time.sleep(LOOK)
        return False

    def _fetched(self, cell: Cell, files: bytes) -> None:
        """Put what came back in place; a state that is not among it is out of date."""
        names = remote.unpack(files, self.root)
        for path in (self.root / cell.name).rglob(STATE):
            if path.relative_to(self.root).as_posix() not in names:
                path.unlink()

    def stop(self) -> int:
        """Ask the cells at work to stop, and wait until they have; how many did not."""
        waiting = [name for name in self.futures if name not in self.begun]
        if not self.futures or self.client.status != "running":
            return 0
        self.client.cancel([self.futures.pop(name) for name in waiting])
        end = time.monotonic() + SAVED
        with suppress(OSError):  # Dask is gone: its workers stop by themselves
            while self.futures and time.monotonic() < end:
                self.client.run(remote.stop, self.asked["sweep"], on_error="ignore")
                self._take(LOOK)
        return len(self.futures)
