"""Packed files that are not trusted: what comes out of them has a limit.

A few kilobytes can unpack to gigabytes, a header can declare any size, and reading on until memory
or patience ends is no answer. So sizes that are declared are compared with a limit before anything
is unpacked, and what declares none is metered while it is read.
"""

from __future__ import annotations

import io
import math
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

_NPY_HEADER = 2**16  # bytes: NumPy itself takes at most 10,000 characters
_PIECE = 2**20
KINDS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}  # what NumPy writes

Header = tuple[tuple[int, ...], bool, np.dtype]  # shape, whether in Fortran order, dtype


@dataclass(frozen=True)
class Budget:
    """How much may come out of one packed file, and how long that may take.

    size: bytes in all.  ratio: bytes for each byte of the file, beyond the first `free` ones.
    seconds: of reading.
    """

    size: int = 8 * 2**30
    ratio: int = 100
    free: int = 2**28
    seconds: float = 120.0

    def of(self, path: Path) -> int:
        """Bytes that may come out of a file."""
        return min(self.size, self.free + self.ratio * path.stat().st_size)


BUDGET = Budget()


class Metered:
    """A stream of unpacked bytes that ends in one line where it gives more than it may.

    Args:
        file: open, gives the bytes.  path: names it in messages.  budget: of it.
    """

    def __init__(self, file: IO[bytes], path: Path, budget: Budget = BUDGET) -> None:
        self.file, self.path, self.seconds = file, path, budget.seconds
        self.most = self.left = budget.of(path)
        self.next: int | None = None  # bytes that may be read until `expect` is called again
        self.end = time.monotonic() + budget.seconds

    def expect(self, size: int, what: str) -> None:
        """What comes next declares so many bytes. Raises ValueError: more than are left."""
        if size > self.left:
            raise ValueError(
                f"{self.path}: {what} says that it unpacks to {size:,} bytes, expected at most "
                f"{self.most:,} from this file"
            )

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, at least one unless it is the end.

        Raises ValueError: too much, or too long.
        """
        data = self.file.read(_PIECE if size < 0 else min(size, _PIECE))
        self.left -= len(data)
        if self.left < 0:
            raise ValueError(
                f"{self.path} unpacks to more than {self.most:,} bytes, far more than expected: "
                "if you trust it, unpack it and give the folder"
            )
        if self.next is not None:
            self.next -= len(data)
            if self.next < 0:
                raise ValueError(f"{self.path}: a header in it is larger than {_PIECE:,} bytes")
        if time.monotonic() > self.end:
            raise ValueError(
                f"{self.path}: reading it took more than {self.seconds:g} s: if you trust it, "
                "unpack it and give the folder"
            )
        return data


class _Head:
    """The first bytes of a stream: NumPy reads as many as a header declares, up to 4 GB."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.left = file, _NPY_HEADER

    def read(self, size: int) -> bytes:
        data = self.file.read(max(0, min(size, self.left)))
        self.left -= len(data)
        return data


def npy_header(file: IO[bytes]) -> Header:
    """Shape, order and dtype of the .npy that a stream is at the start of; numbers follow.

    Raises ValueError: damaged, larger than any header is, or of an unknown version.
    """
    head: Any = _Head(file)
    version = np.lib.format.read_magic(head)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(head)
    elif version in ((2, 0), (3, 0)):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(head)
    else:
        raise ValueError(f"expected version 1, 2 or 3 of the .npy format, found {version}")
    if any(length < 0 for length in shape):
        raise ValueError(f"expected a shape of lengths of 0 or more, found {shape}")
    return shape, fortran, dtype


def open_member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """A file in a zip, stored or deflated as NumPy does; what comes out is at most `file_size`.

    Raises ValueError for another kind of packing, and what zipfile raises for a damaged one.
    """
    info = archive.getinfo(name)
    if info.compress_type not in KINDS:
        raise ValueError(f"expected it stored or deflated, found method {info.compress_type}")
    return archive.open(info)


def read_npz(source: bytes | str | Path, limits: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Small arrays of an npz, none unpickled, none larger than it may be.

    Args:
        source: the file, or its bytes.
        limits: array -> the most bytes that it may unpack to; others are not looked at.

    Returns:
        array -> its numbers, those of `limits` that are there.

    Raises:
        ValueError: one line: no npz, damaged, pickled, twice the same, or larger than its limit.
    """
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as npz:
            for name in npz.namelist():
                array = name.removesuffix(".npy")
                if array in found:
                    raise ValueError(f"expected each array once, found {array} twice")
                if array in limits and array != name:
                    found[array] = _array(npz, name, limits[array])
    except zipfile.BadZipFile as error:
        raise ValueError(f"expected an npz archive, found something else: {error}") from None
    return found


def _array(archive: zipfile.ZipFile, name: str, limit: int) -> np.ndarray:
    declared = archive.getinfo(name).file_size
    if declared > limit + _NPY_HEADER:
        raise ValueError(
            f"{name} says that it unpacks to {declared:,} bytes, expected at most {limit:,}"
        )
    try:
        with open_member(archive, name) as file:
            shape, fortran, dtype = npy_header(file)
            size = math.prod(shape) * dtype.itemsize
            if dtype.hasobject:
                raise ValueError("it is pickled (dtype object), and nothing is unpickled here")
            if size > limit:
                raise ValueError(f"it is of {size:,} bytes, expected at most {limit:,}")
            data = file.read(size)
            if len(data) != size or file.read(1):  # the second compares the checksum too
                raise ValueError(f"expected {size} bytes for shape {shape}, found others")
        return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C").copy()
    except Exception as error:  # a damaged file raises nearly anything
        told = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{name}: {told}") from error
