"""How a file is written: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


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
