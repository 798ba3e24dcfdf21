"""How long work shows that it goes on: a bar where somebody watches, lines where nobody does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import TracebackType

_reader: ContextVar[Callable[[str], object] | None] = ContextVar("reader", default=None)
LINES = "CVQ_LINES"  # set: nobody watches, also in a kernel, which inherits it


def in_notebook() -> bool:
    """Whether this process is a kernel; importing parts of one does not make it one."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it
    return hasattr(ipython.get_ipython(), "kernel") if ipython is not None else False


def is_watched() -> bool:
    """Whether somebody can see a bar move: in a notebook, or in a terminal (of standard error)."""
    if LINES in os.environ or _reader.get() is not None:
        return False
    return in_notebook() or sys.stderr.isatty()


@contextmanager
def lines_to(reader: Callable[[str], object]) -> Iterator[None]:
    """In this thread lines go to a reader, instead of to standard output, and no bars are drawn."""
    before = _reader.set(reader)
    try:
        yield
    finally:
        _reader.reset(before)


@contextmanager
def lines_for_bars() -> Iterator[None]:
    """Kernels that are started inside print lines, which can be passed on, and draw no bars."""
    before = os.environ.get(LINES)
    os.environ[LINES] = "1"
    try:
        yield
    finally:
        os.environ.pop(LINES) if before is None else os.environ.update({LINES: before})


def print_on_any_code_page() -> None:
    """From now on a character that standard output cannot show is printed as its number."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def say(text: str, show: bool = True) -> None:
    """One line on standard output, at once; nothing where `show` is False.

    Work does not end because nobody can read on: a closed terminal or pipe is no error.
    """
    if show:
        with suppress(OSError):
            (_reader.get() or _printed)(text)


def _printed(text: str) -> None:
    print(text, flush=True)


class Progress:
    """How far counted work is: a bar where somebody watches, one line per tenth where nobody does.

    what: the work, in a word.  steps: how many there are.  start: how many are done already.
    show: False says nothing.  lines: False says one line before the work instead of the tenths.
    """

    def __init__(
        self, what: str, steps: int, start: int = 0, show: bool = True, lines: bool = True
    ) -> None:
        self.what, self.steps, self.tenth = what, steps, start * 10 // steps
        self.bar = None
        self.last = ""
        if show and is_watched():
            from tqdm.auto import tqdm  # here, so that a bare kernel can still be looked at

            self.bar = tqdm(total=steps, initial=start, desc=what, leave=lines)
        elif not lines:
            say(f"{what}: {steps} steps", show)
        self.lines = show and lines and self.bar is None

    def update(self, step: int, numbers: dict[str, float] | None = None) -> None:
        """Tell that `step` steps are done; numbers: the newest, shown until there are others."""
        if numbers:
            self.last = ", ".join(f"{name} {value:.3g}" for name, value in numbers.items())
        if self.bar is not None:
            with suppress(OSError):  # see `say`
                self.bar.update(step - self.bar.n)
                if numbers:
                    self.bar.set_postfix_str(self.last)
        elif self.lines and step * 10 // self.steps > self.tenth:
            self.tenth = step * 10 // self.steps
            say(f"{self.what}: step {step} of {self.steps}  {self.last}")

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            with suppress(OSError):
                self.bar.close()
