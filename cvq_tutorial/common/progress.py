"""How long work shows that it goes on: a bar where somebody watches, lines where nobody does."""

from __future__ import annotations

import sys


def in_notebook() -> bool:
    """Whether this process is a kernel; importing parts of one does not make it one."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it
    return hasattr(ipython.get_ipython(), "kernel") if ipython is not None else False


def is_watched() -> bool:
    """Whether somebody can see a bar move: in a notebook, or in a terminal (of standard error)."""
    return in_notebook() or sys.stderr.isatty()
