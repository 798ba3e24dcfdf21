"""Arrays of an npz file (a zip of .npy files) by name, without unpickling and without loading them.

Only the arrays that are asked for are opened: the pickled `metadata` of dSprites is never touched.
An array that is stored uncompressed can be read at any row, once its checksum was compared; a
compressed one only from its start, see `unpack`.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from cvq_tutorial.common.archives import Header, npy_header, open_member
from cvq_tutorial.common.checks import close_match
from cvq_tutorial.worlds.files.lookup import what_it_is

_SMALL = 2**28  # bytes: more than the labels of any benchmark


@dataclass(frozen=True)
class Array:
    """An array of an npz file, as its header tells."""

    path: Path  # the npz file
    name: str  # without ".npy"
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int | None  # where its numbers start in the file, None where they are compressed

    def __str__(self) -> str:
        return f"{self.path}: array {self.name!r}"

    def blocks(self, n: int) -> Iterator[tuple[int, np.ndarray]]:
        """All rows in order, `n` at a time: (number of the first, (b, ...) of `dtype`).

        Raises ValueError: damaged or cut short; the message names file, array and row.
        """
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        with _opened(self.path) as archive, _start(archive, self.path, self.name)[0] as file:
            for start in range(0, self.shape[0], n):
                rows = min(n, self.shape[0] - start)
                try:
                    data = file.read(rows * size)
                    if start + rows == self.shape[0]:
                        file.read()  # the checksum is compared at the end
                except Exception as error:  # a damaged file raises nearly anything
                    raise ValueError(
                        f"{self} is damaged after row {start}: {_told(error)}"
                    ) from error
                if len(data) != rows * size:
                    raise ValueError(f"{self} ends within row {start + len(data) // size}")
                yield start, np.frombuffer(data, self.dtype).reshape(rows, *self.shape[1:])

    def load(self) -> np.ndarray:
        """The whole array, which must be small (labels). Raises ValueError as `blocks`."""
        size = math.prod(self.shape) * self.dtype.itemsize
        if size > _SMALL:
            raise ValueError(f"{self}: expected at most {_SMALL} bytes, found {size}")
        parts = [block for _, block in self.blocks(2**16)]
        return np.concatenate(parts) if parts else np.empty(self.shape, self.dtype)


def array_of(path: Path, name: str) -> Array:
    """The header of one array of an npz file.

    Raises ValueError: one line naming the file: no npz (a web page, a pickle, ...), damaged, cut
    short, encrypted, no such array, one that would have to be unpickled, or one in Fortran order.
    """
    with _opened(path) as archive:
        names = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
        if name not in names:
            raise ValueError(f"{path}: {close_match('array', name, names or ['none'])}")
        info = archive.getinfo(f"{name}.npy")
        file, (shape, fortran, dtype) = _start(archive, path, name)
        with file:
            skipped = file.tell()
        offset = None
        if info.compress_type == zipfile.ZIP_STORED:
            with open(path, "rb") as raw:
                raw.seek(info.header_offset + 26)
                lengths = struct.unpack("<HH", raw.read(4))  # of the name and of the extra field
            offset = info.header_offset + 30 + sum(lengths) + skipped
    found = Array(path, name, shape, dtype, offset)
    if dtype.hasobject:
        raise ValueError(
            f"{found} is pickled (dtype object), and nothing is unpickled here: pickled data can "
            "run any code"
        )
    if fortran and len(shape) > 1:
        raise ValueError(
            f"{found} is in Fortran order, its rows are spread over the whole file: save it again "
            "after np.ascontiguousarray"
        )
    size = skipped + math.prod(shape) * dtype.itemsize
    if info.file_size != size:
        raise ValueError(
            f"{found}: expected {size} bytes for shape {shape}, found {info.file_size}"
        )
    return found


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        kind = what_it_is(path)
        kind = "the start of one: the file is cut short" if kind == "a zip" else kind
        raise ValueError(f"{path}: expected an npz, found {kind}") from error
    with archive:
        yield archive


def _start(archive: zipfile.ZipFile, path: Path, name: str) -> tuple[IO[bytes], Header]:
    """An array, open at its first number, and what its header says.

    Raises ValueError: damaged, encrypted, or gone by now.
    """
    try:
        file = open_member(archive, f"{name}.npy")
        return file, npy_header(file)
    except Exception as error:  # a damaged file raises nearly anything
        told = _told(error)
        raise ValueError(f"{path}: array {name!r} has no readable header: {told}") from error


def _told(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
