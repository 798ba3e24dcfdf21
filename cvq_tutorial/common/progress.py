"""How long work shows that it goes on: a bar where somebody watches, lines where nobody does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LINES = "CVQ_LINES"  # set: nobody watches, also in a kernel, which inherits it


def in_notebook() -> bool:
    """Whether this process is a kernel; importing parts of one does not make it one."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it
    return hasattr(ipython.get_ipython(), "kernel") if ipython is not None else False


def is_watched() -> bool:
    """Whether somebody can see a bar move: in a notebook, or in a terminal (of standard error)."""
    return LINES not in os.environ and (in_notebook() or sys.stderr.isatty())


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
