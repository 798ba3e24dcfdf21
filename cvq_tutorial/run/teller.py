"""What a run tells while a notebook makes it: the notebook's lines, and how far training is.

The notebook runs in another process, so progress is read where it is written anyway: from log.csv.
"""

from __future__ import annotations

import contextlib
import csv
import io
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

SHOWN = ("psnr", "nll", "action_accuracy")
POLL = 0.3  # seconds


class Teller(io.TextIOBase):
    """A text file that also shows training: on a terminal one line that changes, elsewhere a line
    for every tenth.

    stream: where it goes, such as `sys.stderr`.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.live = stream.isatty()
        self._line = ""
        self._tenth = ("", -1)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.stream.write(self._cleared() + text)
        self.stream.flush()
        return len(text)

    def training(self, phase: str, step: int, steps: int, numbers: str) -> None:
        """Tell that `step` of `steps` of a phase are done; `numbers` is text."""
        tenth = (phase, 10 * step // steps)
        text = f"{phase:<12}{100 * step // steps:4d}%  step {step} of {steps}  {numbers}"
        if self.live and step < steps:
            self.stream.write(self._cleared() + text)
            self._line = text
        elif tenth != self._tenth:
            self.stream.write(f"{self._cleared()}{text}\n")
        self._tenth = tenth
        self.stream.flush()

    def _cleared(self) -> str:
        """What takes the changing line away again."""
        width, self._line = len(self._line), ""
        return f"\r{' ' * width}\r" if width else ""


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a log.csv: numbers as float, empty fields left out, `phase` as text."""
    with open(path, newline="", encoding="utf-8") as file:
        return [
            {name: text if name == "phase" else float(text) for name, text in row.items() if text}
            for row in csv.DictReader(file)
        ]


@contextlib.contextmanager
def following(path: Path, steps: Mapping[str, int], teller: Teller | None) -> Iterator[None]:
    """While the block runs, tell how far training is.

    path: the log, which need not exist yet.  steps: number of steps of each phase.
    teller: None does nothing.
    """
    if teller is None:
        yield
        return
    over = threading.Event()

    def changed() -> int:
        return path.stat().st_mtime_ns if path.exists() else 0

    def follow(seen: int) -> None:
        last = False
        while not last:
            last = over.wait(POLL)  # one more look after the end
            if (now := changed()) != seen:
                seen = now
                row = read_log(path)[-1]
                numbers = ", ".join(f"{name} {row[name]:.3g}" for name in SHOWN if name in row)
                teller.training(row["phase"], int(row["step"]), steps[row["phase"]], numbers)

    thread = threading.Thread(target=follow, args=(changed(),), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
