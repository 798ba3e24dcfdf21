"""A run folder in one process's hands: nobody else trains there, and a wish to stop is heard.

A folder is held by a lock of the operating system (flock), which ends with its process however that
ends. Beside it lies a note of what is trained, for others to read; lock and note are hidden files,
taken away at the end. Taking the lock's file away is safe because who gets a lock looks whether its
file is still there (filelock 3.24 or newer does). After a kill both stay; the next run here takes
them over.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cvq_tutorial.common.files import clear_leftovers, is_alive, write_atomic
from cvq_tutorial.common.progress import in_notebook
from cvq_tutorial.training.identity import first_difference

LOCK, NOTE = ".training.lock", ".training.json"
ASK_AGAIN = 0.5  # seconds between two tries to get a folder
_elsewhere: list[Stop] = []  # of runs in other threads than the main one, where no signal is heard


@contextmanager
def alone(folder: Path, run: dict, say: Callable[[str], object]) -> Iterator[None]:
    """Hold a run folder, which is made if need be; wait for a process that trains the same run.

    run: of `identity.what_this_run_is`.  say: is told who is waited for.
    Raises ValueError if another process trains another run there, with the first difference, and
    OSError if nothing can be written. What killed processes left half written is cleared.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        told = False
        while not lock.is_locked:
            try:
                lock.acquire(timeout=ASK_AGAIN if told else 0)
            except Timeout:
                at_work = _note(folder)
                if at_work and (other := first_difference(run, at_work["run"])):
                    raise ValueError(
                        f"process {at_work['process']} trains another run in {folder}: {other}; "
                        "wait for it or choose another run folder"
                    ) from None
                if not told:
                    who = f"process {at_work['process']}" if at_work else "another process"
                    say(f"{who} trains this run in {folder}: waiting for it")
                told = True
    except OSError as error:
        raise OSError(f"cannot write {folder}: {error.strerror or error}") from error
    try:
        clear_leftovers(folder)
        note = {"process": os.getpid(), "run": run}
        write_atomic(folder / NOTE, json.dumps(note).encode())
        yield
    finally:
        for name in (NOTE, LOCK):
            with suppress(OSError):  # gone with its folder; Windows lets nobody take a lock away
                (folder / name).unlink()
        lock.release()


def _note(folder: Path) -> dict | None:
    """Who holds a folder, and for which run; None if there is no note, or one of the dead."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        note = json.loads((folder / NOTE).read_text("utf-8"))
        if is_alive(note["process"]) and isinstance(note["run"], dict):
            return note
    return None


class Stop:
    """A wish to stop: fulfilled after the step at hand in a loop, and at once elsewhere.

    Ctrl-C is one; so are SIGTERM and SIGHUP where they would have ended the process, but not in a
    notebook, whose server ends kernels by them. In a loop a second Ctrl-C acts at once; the others
    come twice by themselves, and are heard once.
    """

    def __init__(self, told: Callable[[], str]) -> None:
        """told: what was saved so far, for the message of who is stopped at once."""
        self.asked = self.in_loop = False
        self._told = told
        self._ctrl_c: Any = signal.default_int_handler  # what it did before

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen while the block runs; in other threads than the main one to `stop_elsewhere`."""
        if threading.current_thread() is not threading.main_thread():
            _elsewhere.append(self)
            try:
                yield
            finally:
                _elsewhere.remove(self)
            return
        signals: list[int] = [signal.SIGINT]
        if not in_notebook():
            more = (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP"))
            signals += [s for s in more if s and signal.getsignal(s) is signal.SIG_DFL]
        before = {number: signal.getsignal(number) for number in signals}
        self._ctrl_c = before[signal.SIGINT]
        try:
            for number in signals:
                signal.signal(number, self._ask)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)

    def _ask(self, number: int, frame: Any) -> None:
        if self.in_loop and (number != signal.SIGINT or not self.asked):
            self.asked = True
            return
        own = callable(self._ctrl_c) and self._ctrl_c is not signal.default_int_handler
        if own and not self.in_loop:
            self._ctrl_c(number, frame)
        raise KeyboardInterrupt(f"stopped at once; {self._told()}")


def stop_elsewhere() -> bool:
    """Ask runs outside the main thread to stop; whether one is in a loop, and saves its state."""
    for stop in _elsewhere:
        stop.asked = True
    return any(stop.in_loop for stop in _elsewhere)
