"""Where data and caches live, how a file is written whole or not at all, and close names.

Two environment variables move everything: `CVQ_DATA` (benchmark files that the user provides) and
`CVQ_CACHE` (files that we can always make again).
"""

from __future__ import annotations

import contextlib
import difflib
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

PROJECT_ROOT = Path(__file__).resolve().parent.parent


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

    The environment variable `CVQ_CACHE` if it is set, else `~/.cache/cvq_tutorial`.
    """
    named = os.environ.get("CVQ_CACHE", "").strip()
    return Path(named).expanduser() if named else Path.home() / ".cache" / "cvq_tutorial"


def write_atomic(path: str | Path, content: bytes | Callable[[BinaryIO], object]) -> Path:
    """Write a file so that a reader sees the old content or the new, never a part.

    Missing parent folders are made. The content goes to a temporary name in the same folder, is
    flushed to the disk and moved into place; when anything fails the temporary file is removed and
    an existing `path` is left as it was.

    Args:
        path: the file to write.
        content: its bytes, or a function that is given the open binary file and writes into it
            (`lambda f: np.save(f, a, allow_pickle=False)`).

    Returns:
        `path` as a Path.

    Raises:
        OSError: one line with the path and the reason (folder not writable, disk full); `errno` is
            kept. Any other error that `content` raises comes through unchanged.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        told = OSError(f"cannot write {path}: {error.strerror or error}; nothing there was changed")
        told.errno = error.errno
        raise told from error
    finally:
        with contextlib.suppress(OSError):  # its folder may be gone, and the file with it
            temporary.unlink(missing_ok=True)
    return path


def close_match(kind: str, name: object, names: Iterable[str]) -> str:
    """The one line that answers an unknown name: found, nearest known name, all known names.

    >>> close_match("world", "shape3d", ["shapes3d", "codes"])
    "unknown world 'shape3d'; did you mean 'shapes3d'? known: shapes3d, codes"
    """
    names = list(names)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    hint = f" did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r};{hint} known: {', '.join(names)}"
