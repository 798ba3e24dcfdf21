"""A copy that can be read at any row, of files that can only be read from their start.

A compressed npz, a gzip file, a tar, or an HDF5 file whose chunks cut through thousands of
pictures: one picture of these costs reading all of them. So the first `read` writes them once to
`cache_root()/unpacked`, an HDF5 file with one compressed chunk per picture, a few at a time. It is
written under another name and moved when it is complete, with a checksum of each picture and its
row: a copy that was damaged since is noticed and made again. The copy may be deleted at any time;
its name holds what the originals are (place, size, time of change, first and last bytes).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cvq_tutorial.common.files import clear_leftovers, write_atomic
from cvq_tutorial.common.folders import cache_root
from cvq_tutorial.worlds.files.hdf5 import HDF5Rows, dataset_of
from cvq_tutorial.worlds.files.npz import Array
from cvq_tutorial.worlds.files.rows import check_rows, shrink

_FORMAT = 2
_MOST = 2**36  # bytes of pictures: five times the largest benchmark
_PIECE = 2**24  # bytes at once
_ENDS = 2**16  # bytes at each end of a file that stand for its content
_LEVEL = 1  # of compression: the fastest
NAME, SUMS = "images", "sums"  # of the data sets; the second is uint32 (N,)

Blocks = Callable[[], Iterable[tuple[int, np.ndarray]]]


class UnpackedRows:
    """Pictures of files that are unpacked on the first `read`.

    world: starts the name of the copy.
    sources: the files; what they are names the copy.
    shape: (N, H, W) or (N, H, W, 3), as `blocks` gives them.
    blocks: all pictures: (row of the first, uint8 (b, H, W[, 3])), in any order of rows. It is sent
        to other processes, so it must pickle.
    side: of the pictures in the copy; None keeps theirs.
    """

    def __init__(
        self,
        world: str,
        sources: Sequence[Path],
        shape: tuple[int, ...],
        blocks: Blocks,
        side: int | None = None,
    ) -> None:
        size = shape[1:3] if side is None else (side, side)
        if (all_of_it := math.prod(shape)) > _MOST:
            raise ValueError(
                f"{sources[0]}: expected pictures of at most {_MOST:,} bytes, found {all_of_it:,} "
                f"(shape {tuple(shape)})"
            )
        self.shape = (shape[0], *size, *shape[3:])
        self.path = cache_root() / "unpacked" / f"{world}-{_key(sources, side)}.h5"
        self.source, self.blocks, self.side = sources[0], blocks, side
        self._rows: HDF5Rows | None = None
        self._sums = np.empty(0, dtype=np.uint32)

    def read(self, rows: object) -> np.ndarray:
        """Pictures uint8 (B, H, W[, 3]) of row numbers (B,); the first call may take minutes.

        Raises TypeError, ValueError: rows as `check_rows`; originals that are damaged. OSError: the
        copy cannot be written. Nothing is left of it then.
        """
        rows = check_rows(rows, self.shape[0])
        try:
            return self._read(rows)
        except _Damaged:  # the copy, not the originals: it is made again
            if self._rows is not None:
                self._rows.close()
        clear_leftovers(self.path.parent)
        write_atomic(self.path, lambda file: self._write(file.name))
        self._rows = None
        return self._read(rows)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """As `read`. Raises _Damaged where there is no copy, or one that is not as it was made."""
        try:
            if self._rows is None:
                found, sums = dataset_of(self.path, NAME), dataset_of(self.path, SUMS)
                wanted = (self.shape, np.uint8, self.shape[:1], np.uint32)
                if (found.shape, found.dtype, sums.shape, sums.dtype) != wanted:
                    raise _Damaged(f"{self.path}: other data sets than were written")
                self._sums = sums.load()
                self._rows = HDF5Rows(self.path, NAME, self.shape)
            pictures = self._rows.read(rows)
        except (OSError, ValueError) as error:
            raise _Damaged(str(error)) from error
        for row, picture in zip(rows.tolist(), pictures, strict=True):
            if _sum(row, picture) != self._sums[row]:
                raise _Damaged(f"{self.path}: another picture in row {row} than was written")
        return pictures

    def _write(self, path: str) -> None:
        import h5py

        done = np.zeros(self.shape[0], dtype=bool)
        sums = np.zeros(self.shape[0], dtype=np.uint32)
        bar = _bar(len(done), f"unpacking {self.source.name}, once", " pictures")
        with bar, h5py.File(path, "w", libver="latest") as file:
            data = file.create_dataset(
                NAME, self.shape, np.uint8, chunks=(1, *self.shape[1:]),
                compression="gzip", compression_opts=_LEVEL,
            )  # fmt: skip
            corner = (0,) * (len(self.shape) - 1)
            for first, block in self.blocks():
                for row, picture in enumerate(shrink(block, self.side), first):
                    packed = zlib.compress(picture.tobytes(), _LEVEL)
                    data.id.write_direct_chunk((row, *corner), packed)
                    sums[row] = _sum(row, picture)
                done[first : first + len(block)] = True
                bar.update(len(block))
            if (n := int(done.sum())) != len(done):
                raise ValueError(f"{self.source}: expected {len(done)} pictures, found {n}")
            file.create_dataset(SUMS, data=sums, fletcher32=True, chunks=sums.shape)


def _bar(n: int, what: str, unit: str) -> tqdm:
    return tqdm(total=n, desc=what, unit=unit, disable=None, leave=False)


class _Damaged(ValueError):
    """A copy that is not there, or not as it was made."""


def _sum(row: int, picture: np.ndarray) -> int:
    """Checksum of a picture in its row: of two that changed places neither fits."""
    return zlib.crc32(np.ascontiguousarray(picture).data, row)


def verify_once(array: Array) -> None:
    """Compare an uncompressed array of an npz with its checksum, once for a file that stays as is.

    That is remembered in `cache_root()/unpacked`; where nothing can be written there, each process
    compares anew.

    Raises ValueError: the array is damaged.
    """
    note = cache_root() / "unpacked" / f"{array.name}-{_key([array.path], None)}.verified"
    if note.exists():
        return
    n = max(1, _PIECE * array.shape[0] // max(1, math.prod(array.shape) * array.dtype.itemsize))
    with _bar(array.shape[0], f"checking {array.path.name}, once", " rows") as bar:
        for _, block in array.blocks(n):
            bar.update(len(block))
    with contextlib.suppress(OSError):
        write_atomic(note, b"")


def _key(sources: Sequence[Path], side: int | None) -> str:
    """A hash of what files are and what is made of them."""
    told: list[object] = [_FORMAT, side]
    for source in sources:
        about = os.stat(source)
        with open(source, "rb") as file:
            ends = hashlib.sha256(file.read(_ENDS))
            file.seek(max(about.st_size - _ENDS, 0))
            ends.update(file.read(_ENDS))
        told += [str(source.resolve()), about.st_size, about.st_mtime_ns, ends.hexdigest()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
