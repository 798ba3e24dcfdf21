"""Where data, caches and runs live.

Two environment variables move everything: `CVQ_DATA` (benchmark files that the user provides) and
`CVQ_CACHE` (files that we can always make again).
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from platformdirs import user_cache_path

from cvq_tutorial.common.files import clear_leftovers, write_atomic

PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent


def data_root() -> Path:
    """Folder that holds the benchmark files, one sub-folder per world; it need not exist.

    The environment variable `CVQ_DATA` if it is set, else `shared/data` beside the project's folder
    when that exists, else `cache_root()`.
    """
    named = os.environ.get("CVQ_DATA", "").strip()
    if named:
        return Path(named).expanduser()
    beside = PROJECT_ROOT.parent / "shared" / "data"
    return beside if beside.is_dir() else cache_root()


def cache_root() -> Path:
    """Folder for files that can be made again; it need not exist.

    The environment variable `CVQ_CACHE` if it is set, else where the system keeps such files: on
    Linux `~/.cache/cvq_tutorial`, on a Mac `~/Library/Caches/cvq_tutorial`.
    """
    named = os.environ.get("CVQ_CACHE", "").strip()
    if named:
        return Path(named).expanduser()
    return user_cache_path("cvq_tutorial", appauthor=False)


ROOM = 50_000_000  # bytes a run may need: weights and their last safe copy, log, notebook, figures


def prepare_folder(folder: str | Path) -> Path:
    """Make a run folder, or refuse it before any work is lost; what killed runs left in it goes.

    Raises:
        OSError: it cannot be made or written to, or there is too little room; one line.
    """
    folder = Path(folder)
    probe = folder / f".writable-{secrets.token_hex(8)}"  # no name that anybody else has
    write_atomic(probe, b"").unlink(missing_ok=True)
    clear_leftovers(folder)
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise OSError(
            f"{folder}: a run needs up to {ROOM // 10**6} MB, the disk has {free // 10**6} MB left"
        )
    return folder
