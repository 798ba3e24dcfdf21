"""Several processes that work on one run, as torchrun starts them, without its launcher."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def started(ranks: int, words: list[str]) -> list[subprocess.Popen]:
    """`python WORDS` in so many processes that know of each other; the first keeps their store."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    return [
        subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, text=True,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for rank in range(ranks)
    ]  # fmt: skip


def ended(processes: list[subprocess.Popen], seconds: float = 400) -> list[tuple[int, str, str]]:
    """Exit code, standard output and error of each; none is left behind."""
    try:
        told = [p.communicate(timeout=seconds) for p in processes]
        return [(p.returncode, *texts) for p, texts in zip(processes, told, strict=True)]
    finally:
        for process in processes:
            process.kill()
            process.wait()
