"""Cells of a sweep in processes of their own, side by side.

A process lives as long as the sweep and is given one cell after the other through a pipe. One that
is killed is replaced, and the cell that it worked on has failed; Ctrl-C is heard by the sweep
alone, which asks each process once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from typing import Any

import torch

from cvq_tutorial.experiments.grids import Cell

ASK_AGAIN = 10.0  # seconds: a process that is still importing can lose the first Ctrl-C


def side_by_side(
    cells: Sequence[Cell],
    run: Callable[[Cell], str],
    workers: int,
    started: Callable[[Cell], object],
    finished: Callable[[Cell, str], object],
) -> None:
    """Run cells in processes; one that takes over an autoencoder waits for the run that trains it.

    run: does one cell, and returns why it failed, if it did; it is sent to the processes.
    started, finished: called here, before and after each cell, the second with what `run` returned.
    However it ends, no process is left: those at work are asked to stop, and save their state.
    """
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // workers)
    waiting = list(cells)
    processes: dict[Any, Any] = {}  # by the pipe that cells go through
    running: dict[Any, Cell] = {}

    def handed(cell: Cell) -> Any:
        """The pipe of the process that was given the cell, an idle one or a new one."""
        for pipe in [pipe for pipe in processes if pipe not in running]:
            try:
                pipe.send(cell)
                return pipe
            except OSError:  # it was killed while it waited
                processes.pop(pipe).join()
        ours, theirs = context.Pipe()
        process = context.Process(target=_apart, args=(theirs, run, threads))
        process.start()
        theirs.close()  # so that ours ends with the process
        processes[ours] = process
        ours.send(cell)
        return ours

    try:
        while waiting or running:
            unfinished = {(cell.label, cell.seed) for cell in (*waiting, *running.values())}
            ready = [c for c in waiting if (c.autoencoder, c.seed) not in unfinished]
            for cell in ready[: workers - len(running)]:
                waiting.remove(cell)
                started(cell)
                running[handed(cell)] = cell
            told: list[Any] = wait(list(running))
            for pipe in told:
                cell = running.pop(pipe)
                try:
                    why = pipe.recv()
                except (EOFError, OSError):  # it ended, or was killed
                    process = processes.pop(pipe)
                    process.join()
                    why = f"its process ended with exit code {process.exitcode}"
                finished(cell, why)
    finally:
        for pipe, process in processes.items():
            if pipe in running and process.is_alive():
                os.kill(process.pid, signal.SIGINT)
            pipe.close()  # who waits for a cell hears that there is none
        for pipe, process in processes.items():
            while process.join(ASK_AGAIN) is None and process.is_alive():
                if pipe in running:
                    os.kill(process.pid, signal.SIGINT)


def _apart(cells: Any, run: Callable[[Cell], str], threads: int) -> None:
    """Run cells, as they come, in a process of its own, out of reach of the terminal's Ctrl-C.

    The sweep hears that and asks once; heard twice, it would cut the saving short. A sweep that is
    killed asks nobody: then the process stops by itself, and saves.
    cells: the pipe that they come through, and what `run` says of each goes back.
    """
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    sweep = multiprocessing.parent_process()
    assert sweep is not None

    def stop_with_it() -> None:
        sweep.join()
        while True:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(ASK_AGAIN)

    threading.Thread(target=stop_with_it, daemon=True).start()
    torch.set_num_threads(threads)
    try:
        while True:
            try:
                cell = cells.recv()
            except EOFError:
                return  # no more cells
            cells.send(run(cell))
    except KeyboardInterrupt:
        sys.exit(130)
