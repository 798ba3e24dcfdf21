"""Open JupyterLab on a working copy of the lessons: without outputs, so that nothing is given away.

    python tools/open_lab.py            my_lessons/, made where it is missing (`make lab`)
    python tools/open_lab.py --outputs  notebooks/, as they stand in the repository

A notebook of the working copy is the reader's: it is never written again. One whose original has
changed since is named, with what to do. JupyterLab of this environment gets settings (of its own,
below any that a user chose) with which explorers are still there in a notebook that was run, saved
and opened again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

import nbformat

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT

BOOKS, COPY = PROJECT_ROOT / "notebooks", PROJECT_ROOT / "my_lessons"
FIRST = "00_start_here.ipynb"
SETTINGS = {
    "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
}
MARK = "copied_from"  # metadata: the hash of the original


def bare(path: Path) -> bytes:
    """The notebook at a path without what its cells gave."""
    raw = path.read_bytes()
    book = nbformat.reads(raw.decode("utf-8"), as_version=4)
    book.metadata.pop("widgets", None)
    book.metadata[MARK] = hashlib.sha256(raw).hexdigest()[:16]
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(book).encode()


def refresh(books: Path = BOOKS, copy: Path = COPY) -> list[str]:
    """Copy what is missing; returns a line on each copy whose original is another one by now."""
    told = []
    for path in sorted(books.rglob("*.ipynb")):
        inner = path.relative_to(books)
        if any(part.startswith(".") or part == "src" for part in inner.parts):
            continue
        mine = copy / inner
        if not mine.exists():
            mine.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(mine, bare(path))
            continue
        try:
            was = json.loads(mine.read_text("utf-8"))["metadata"].get(MARK)
        except (ValueError, KeyError, TypeError, AttributeError):
            was = None  # theirs, whatever it is
        if was != hashlib.sha256(path.read_bytes()).hexdigest()[:16]:
            told.append(f"{mine.relative_to(copy.parent)}: there is a newer one; move yours away")
    return told


def settings(prefix: Path) -> None:
    """Give JupyterLab of an environment our defaults, unless it has some."""
    path = prefix / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(SETTINGS, indent=2).encode())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--outputs", action="store_true", help="notebooks/ with what they gave")
    options = parser.parse_args(arguments)
    if not options.outputs:
        print("\n".join(refresh()) or f"your working copy: {COPY}")
    settings(Path(sys.prefix))
    start = (BOOKS if options.outputs else COPY) / FIRST
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", str(start)])


if __name__ == "__main__":
    sys.exit(main())
