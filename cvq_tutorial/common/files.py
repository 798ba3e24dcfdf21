"""How a file is written: whole, or not at all, and never over what is no file."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import socket
import stat
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_HERE = f"{zlib.crc32(socket.gethostname().encode()):08x}"  # a process has a number on one machine
_DAY = 86_400  # seconds
# .name.machine-process-random.tmp; older ones lack the machine
_TEMPORARY = re.compile(r"\..*\.(?:([0-9a-f]{8})-)?(\d{1,10})-[0-9a-f]{8}\.tmp")
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO (a named pipe)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device (character by character)"),
    (stat.S_ISBLK, "a device (block by block)"),
)
_cleared: set[Path] = set()  # folders, by this process


def write_atomic(path: str | Path, content: bytes | Callable[[BinaryIO], object]) -> Path:
    """Write a file so that a reader sees the old content or the new, never a part.

    Missing parent folders are made. The content goes to a temporary name in the same folder, is
    flushed to the disk and moved into place; when anything fails the temporary file is removed and
    an existing `path` is left as it was. A symbolic link stays one: the file that it leads to is
    replaced, or made. A file that is replaced keeps its permissions.

    Args:
        path: the file to write.
        content: its bytes, or a function that is given the open binary file and writes into it
            (`lambda f: np.save(f, a, allow_pickle=False)`).

    Returns:
        `path` as a Path.

    Raises:
        OSError: one line with the path and the reason (as `place_of`, before `content` is called;
            folder not writable, disk full); `errno` is kept. Any other error that `content` raises
            comes through unchanged.
    """
    path = Path(path)
    place = place_of(path)
    clear_leftovers(place.parent, once=True)
    random = f"{_HERE}-{os.getpid()}-{secrets.token_hex(4)}"
    temporary = place.with_name(f".{place.name[:40]}.{random}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # it is new, or the disk knows no permissions
            os.chmod(temporary, stat.S_IMODE(os.stat(place).st_mode))
        os.replace(temporary, place)
    except OSError as error:
        reason = f"{error.strerror or error}; nothing there was changed"
        raise _refusal(path, reason, error.errno) from error
    finally:
        with contextlib.suppress(OSError):  # its folder may be gone, and the file with it
            temporary.unlink(missing_ok=True)
    return path


def place_of(path: str | Path) -> Path:
    """The regular file, there or not yet, that a path leads to when all links are followed.

    To be called by whoever works for long before it writes.

    Raises:
        OSError: one line with the path and what is there: a folder, a FIFO, a socket, a device, or
            links that lead in a circle.
    """
    path = Path(path)
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):  # the second is told when its folder is made
        return Path(os.path.realpath(path))
    except OSError as error:
        told = error.strerror or str(error)
        told = "symbolic links that lead in a circle" if error.errno == errno.ELOOP else told
        raise _refusal(path, told, error.errno) from error
    if stat.S_ISREG(mode):
        return Path(os.path.realpath(path))
    kind = next((kind for is_one, kind in _KINDS if is_one(mode)), "something that is no file")
    number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
    raise _refusal(path, f"expected a file or nothing there, found {kind}", number)


def _refusal(path: Path, reason: str, number: int | None) -> OSError:
    told = OSError(f"cannot write {path}: {reason}")
    told.errno = number
    return told


def clear_leftovers(folder: str | Path, once: bool = False) -> list[Path]:
    """Remove temporary files of `write_atomic` in a folder whose process is gone.

    A process that was killed cannot remove its own. One of another machine (on a shared disk) is
    removed when nothing was written to it for a day.

    Args:
        folder: where to look, not in what lies below; it need not exist.
        once: do nothing where this process has looked before.

    Returns:
        what was removed. Nothing is raised: what cannot be removed stays.
    """
    folder = Path(folder)
    if once and folder in _cleared:
        return []
    _cleared.add(folder)
    removed = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if (name := _TEMPORARY.fullmatch(entry.name)) and _is_left(entry, *name.groups()):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
                    removed.append(Path(entry.path))
    return removed


def _is_left(entry: os.DirEntry[str], machine: str | None, process: str) -> bool:
    try:
        about = entry.stat(follow_symlinks=False)
    except OSError:  # its process has just moved it into place
        return False
    if not stat.S_ISREG(about.st_mode):
        return False
    if machine == _HERE and not is_alive(int(process)):
        return True
    return time.time() - about.st_mtime > _DAY


def is_alive(process: int) -> bool:
    """Whether there is a process of this number on this machine; True where nobody can say."""
    if os.name != "posix":  # elsewhere the question ends the process that is asked for
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        pass
    return True
